"""Compares zone answers with shapely's, point by point.

Reads one JSON object a line: {"file": name, "polygons": [[zone, [shell, hole, ...]], ...],
"lat": [...], "lon": [...], "zones": [[zone, ...], ...]}, and prints one JSON object a line:
{"file": name, "points": n, "hits": n, "differences": [[lat, lon, zone, "ours" | "shapely", valid], ...]}.
`valid` is false when a polygon of the zone breaks the rules of simple features (shapely's is_valid).
"""

import json
import sys

import numpy
import shapely


def answers(polygons, lat, lon):
    """Pairs (row, zone) for which a polygon of the zone intersects the point, boundary included."""
    shapes = [shapely.Polygon(rings[0], rings[1:]) for _, rings in polygons]
    zone_of = numpy.array([zone for zone, _ in polygons])
    shapely.prepare(shapes)
    points = shapely.points(lon, lat)
    rows, hits = shapely.STRtree(shapes).query(points, predicate="intersects")
    invalid = {zone for (zone, _), shape in zip(polygons, shapes) if not shape.is_valid}
    return set(zip(rows.tolist(), zone_of[hits].tolist())), invalid


def main():
    for line in sys.stdin:
        case = json.loads(line)
        theirs, invalid = answers(case["polygons"], case["lat"], case["lon"])
        ours = {(row, zone) for row, zones in enumerate(case["zones"]) for zone in zones}
        differences = [
            [case["lat"][row], case["lon"][row], zone, who, zone not in invalid]
            for who, pairs in (("ours", ours - theirs), ("shapely", theirs - ours))
            for row, zone in sorted(pairs)
        ]
        print(json.dumps({"file": case["file"], "points": len(case["lat"]), "hits": len(ours),
                          "differences": differences}), flush=True)


if __name__ == "__main__":
    main()
