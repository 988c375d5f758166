"""Walks along the borders of zones and measures how far each is from some places, by the haversine formula.

Reads one JSON object: {"within_m": m, "rings": [[zone, [[lon, lat], ...]], ...], "answers": [[lat, lon, zone, metres], ...]},
zone and metres null where none is near. Prints {"near": n, "far": n, "worst": relative, "wrong": [...]}.
"""

import json
import sys

import numpy

RADIUS_M = 6_371_008.8
# By so much our plane may differ from the sphere.
TOLERANCE = 2e-3


def haversine_m(lat, lon, lats, lons):
    lat, lats = numpy.radians(lat), numpy.radians(lats)
    half = numpy.sin((lats - lat) / 2) ** 2
    half += numpy.cos(lat) * numpy.cos(lats) * numpy.sin(numpy.radians(lons - lon) / 2) ** 2
    return 2 * RADIUS_M * numpy.arcsin(numpy.sqrt(half))


def along(lat, lon, a, b):
    """The least distance to each edge, straight in longitude and latitude: thirds that hold it, again and again."""
    low, high = numpy.zeros(len(a)), numpy.ones(len(a))
    at = lambda t: haversine_m(lat, lon, a[:, 1] + (b[:, 1] - a[:, 1]) * t, a[:, 0] + (b[:, 0] - a[:, 0]) * t)
    for _ in range(60):
        third = (high - low) / 3
        lower = at(low + third) < at(high - third)
        high = numpy.where(lower, high - third, high)
        low = numpy.where(lower, low, low + third)
    return at((low + high) / 2)


def main():
    case = json.load(sys.stdin)
    starts, ends, zones = [], [], []
    for zone, ring in case["rings"]:
        ring = numpy.array(ring)
        starts.append(ring[:-1])
        ends.append(ring[1:])
        zones.append(numpy.full(len(ring) - 1, zone))
    a, b, zones = numpy.concatenate(starts), numpy.concatenate(ends), numpy.concatenate(zones)
    south, north = numpy.minimum(a[:, 1], b[:, 1]), numpy.maximum(a[:, 1], b[:, 1])
    west, east = numpy.minimum(a[:, 0], b[:, 0]), numpy.maximum(a[:, 0], b[:, 0])
    within, near, far, worst, wrong = case["within_m"], 0, 0, 0.0, []
    for lat, lon, zone, metres in case["answers"]:
        reach = 1.2 * within / 111_195
        wide = reach / numpy.cos(numpy.radians(abs(lat) + reach))
        beside = numpy.zeros(len(a), dtype=bool)
        for turn in (-360, 0, 360):
            beside |= (west - wide <= lon + turn) & (lon + turn <= east + wide)
        beside &= (south - reach <= lat) & (lat <= north + reach)
        distances = along(lat, lon, a[beside], b[beside])
        of_zones = zones[beside]
        least = distances.min() if len(distances) else numpy.inf
        if zone is None:
            far += 1
            if least < within * (1 - TOLERANCE):
                wrong.append([lat, lon, None, None, float(least)])
            continue
        near += 1
        own = distances[of_zones == zone].min(initial=numpy.inf)
        off = max(abs(metres - own), abs(metres - least)) / max(least, 1.0)
        worst = max(worst, float(off))
        if not off <= TOLERANCE:
            wrong.append([lat, lon, zone, metres, float(least)])
    print(json.dumps({"near": near, "far": far, "worst": worst, "wrong": wrong[:5]}))


if __name__ == "__main__":
    main()
