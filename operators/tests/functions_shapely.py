"""Pairs of shapes, as WKT and GeoJSON, and what shapely says of them."""

import json
import random

from shapely import to_geojson
from shapely.geometry import LineString, MultiPoint, MultiPolygon, Point, Polygon, box

draw = random.Random(7)


def corner():
    return (draw.randint(0, 8), draw.randint(0, 8))


def shape():
    while True:
        kind = draw.randrange(6)
        west, south = corner()
        square = box(west, south, west + draw.randint(1, 5), south + draw.randint(1, 5))
        if kind == 0:
            found = Point(corner())
        elif kind == 1:
            found = MultiPoint([corner() for _ in range(3)])
        elif kind == 2:
            found = LineString([corner() for _ in range(draw.randint(2, 4))])
        elif kind == 3:
            found = Polygon([corner() for _ in range(draw.randint(3, 5))])
        elif kind == 4:
            found = square.difference(box(west + 0.5, south + 0.5, west + 0.75, south + 0.75))
        else:
            found = MultiPolygon([square, box(west + 10, south, west + 12, south + 1)])
        if found.is_valid and not found.is_empty and (kind != 2 or found.is_simple):
            return found


def pair(n):
    at = Point(corner())
    return [(shape(), shape()), (shape(), at), (at, shape()), (shape(), LineString([at, (at.x + 1, at.y)]))][n // 4 % 4]


pairs = [pair(n) for n in range(6000)]
written = [lambda of: of.wkt, to_geojson]
print(
    json.dumps(
        {
            "a": [written[n % 2](a) for n, (a, _) in enumerate(pairs)],
            "b": [written[n // 2 % 2](b) for n, (_, b) in enumerate(pairs)],
            "ST_Contains": [bool(a.contains(b)) for a, b in pairs],
            "ST_Within": [bool(a.within(b)) for a, b in pairs],
            "ST_Intersects": [bool(a.intersects(b)) for a, b in pairs],
        }
    )
)
