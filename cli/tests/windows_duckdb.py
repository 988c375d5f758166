"""Windows of every shape held against DuckDB's answer.

    windows_duckdb.py LAKE TOLD LEAST     every window of which TOLD has a CSV file, as `rhumb query` writes them, against
                                          the history in LAKE; each is to have LEAST rows
    windows_duckdb.py pick LAKE TRACE OUT the rows of TRACE of the vehicle that LAKE has the most late frames of, as CSV
    windows_duckdb.py in_time TRACE TOLD LATENESS_S COUNTED
                                          windows of one vehicle's TRACE, of the rows alone that came in time; COUNTED are
                                          the frames that windows say they refused, as `hours,sliding`
"""

import math
import pathlib
import sys

import duckdb

duckdb.sql("set timezone = 'UTC'")
HOUR = 3_600_000_000
DAY = 24 * HOUR
EARTH_RADIUS_M = 6_371_008.8
# `least` passes over nulls.
WAY = f"""case when lat_before is not null then 2 * {EARTH_RADIUS_M} * asin(sqrt(least(1, sin(radians(lat - lat_before) / 2) ** 2
          + cos(radians(lat_before)) * cos(radians(lat)) * sin(radians(lon - lon_before) / 2) ** 2))) end"""
AGGREGATES = """
    count(*) as frames, avg(speed) as speed_avg, min(speed) as speed_min, max(speed) as speed_max,
    sum(speed) as speed_sum, list_sort(list(speed))[ceil(0.95 * count(speed))::int] as speed_p95,
    list_sort(list(speed))[ceil(0.5 * count(speed))::int] as speed_median, count(distinct vehicle_id) as vehicles,
    sum(way) as distance, first(lat order by event_time, lat) as lat_first, last(lat order by event_time, lat) as lat_last,
    first(vehicle_id order by event_time, vehicle_id) as vehicle_first, max(epoch_us(event_time)) as seen_last
"""
QUERIES = {
    "hours": f"""
        select epoch_us(time_bucket(interval 1 hour, event_time)) as start, start + {HOUR} as stop, zone_id as key, {AGGREGATES}
        from in_zones group by all""",
    "sliding": f"""
        select (epoch_us(event_time) // 900000000 - n) * 900000000 as start, start + {HOUR} as stop, zone_id as key, {AGGREGATES}
        from in_zones, range(4) as slides(n) group by all""",
    "cells": f"""
        select epoch_us(event_time) // {DAY} * {DAY} as start, start + {DAY} as stop, cell as key, {AGGREGATES}
        from frames join cells using (lat, lon) group by all""",
    "sessions": f"""
        with before as (
            select *, epoch_us(event_time) - lag(epoch_us(event_time)) over (partition by vehicle_id order by event_time) as silence
            from frames
        ), numbered as (
            select *, count(*) filter (where silence is null or silence > 600000000)
                over (partition by vehicle_id order by event_time) as session
            from before
        )
        select min(epoch_us(event_time)) as start, max(epoch_us(event_time)) + 600000000 as stop, vehicle_id as key, {AGGREGATES}
        from numbered group by vehicle_id, session""",
    # Every zone has a row for every day.
    "days": f"""
        with days as (
            select unnest(range(min(epoch_us(event_time)) // {DAY}, max(epoch_us(event_time)) // {DAY} + 1)) * {DAY} as start
            from in_zones
        ), zones as (select zone_id as key from read_csv('TOLD/zones.csv', header = true, types = {{'zone_id': 'varchar'}})),
        counted as (select epoch_us(event_time) // {DAY} * {DAY} as start, zone_id as key, count(*) as frames from in_zones group by all)
        select start, start + {DAY} as stop, key, coalesce(frames, 0) as frames
        from days cross join zones left join counted using (start, key)""",
}
# Shares of a value that results may be off by; the others are exact.
ERRORS = {"speed_p95": 0.0079, "speed_median": 0.0079, "speed_avg": 1e-12, "speed_sum": 1e-12, "distance": 1e-9}


def same(name, a, b):
    if a is None or b is None:
        return a is None and b is None
    return a == b or name in ERRORS and math.isclose(a, b, rel_tol=ERRORS[name], abs_tol=1e-6)


def rows(relation):
    names = relation.columns
    return {(row[0], row[2]): dict(zip(names, row)) for row in relation.fetchall()}


def told_of(told, window):
    types = "{'key': 'varchar', 'vehicle_first': 'varchar'}"
    file = told / f"{window}.csv"
    columns = duckdb.sql(f"select * from read_csv('{file}', header = true)").columns
    types = types if "vehicle_first" in columns else "{'key': 'varchar'}"
    return rows(duckdb.sql(f"select * from read_csv('{file}', header = true, types = {types})"))


def differs(window, expected, found, least):
    wrong = [key for key in expected.keys() | found.keys() if key not in expected or key not in found]
    wrong += [
        key
        for key in expected.keys() & found.keys()
        if not all(same(name, value, found[key][name]) for name, value in expected[key].items())
    ]
    print(f"{window}: {len(expected)} windows, {len(wrong)} of them wrong")
    for key in wrong[:3]:
        print("  expected", expected.get(key), "\n  found   ", found.get(key))
    return bool(wrong) or len(expected) < least


def compare(lake, told, least):
    told = pathlib.Path(told)
    duckdb.sql(f"create view history as select * from read_parquet('{lake}/history/**/*.parquet')")
    duckdb.sql(f"""create table frames as
        with before as (
            select *, speed_mps::double as speed, lag(lat) over path as lat_before, lag(lon) over path as lon_before
            from history window path as (partition by vehicle_id order by event_time, lat, lon)
        )
        select *, {WAY} as way from before""")
    if "zone_ids" in duckdb.sql("select * from frames limit 1").columns:
        duckdb.sql("create view in_zones as select unnest(zone_ids) as zone_id, * exclude (zone_ids) from frames")
    duckdb.sql(f"create view cells as select * from read_csv('{told}/places.csv', header = true, types = {{'cell': 'varchar'}})")
    failed = False
    for window, query in QUERIES.items():
        if (told / f"{window}.csv").exists():
            expected = rows(duckdb.sql(query.replace("TOLD", str(told))))
            failed |= differs(window, expected, told_of(told, window), int(least))
    return failed


def pick(lake, trace, out):
    late = f"select vehicle_id from read_parquet('{lake}/history/**/*.parquet') where late group by 1 order by count(*) desc, 1 limit 1"
    (vehicle,) = duckdb.sql(late).fetchone()
    rows = f"select * from read_csv('{trace}', all_varchar = true) where vehicle_id = '{vehicle}'"
    duckdb.sql(f"copy ({rows}) to '{out}' (header)")
    return False


def in_time(trace, told, lateness_s, counted):
    """A lane's clock is moved by two frames that agree where one alone would move it by more than `step_max`."""
    told = pathlib.Path(told)
    lateness = int(lateness_s) * 1_000_000
    step_max = max(lateness, 60_000_000)
    times = duckdb.sql(f"select ts::bigint * 1000 from read_csv('{trace}', all_varchar = true)").fetchall()
    now = held = None
    counts, refused = {"hours": {}, "sliding": {}}, {"hours": 0, "sliding": 0}
    for (time,) in times:
        if now is None:
            now = time
        elif time <= now + step_max:
            now, held = max(now, time), None
        elif held is None:
            held = time
        elif abs(held - time) <= step_max:
            now, held = max(held, time), None
        else:
            now, held = max(now, min(held, time)), max(held, time)
        for window, every in ("hours", HOUR), ("sliding", HOUR // 4):
            starts = range(time // every * every - HOUR + every, time + 1, every)
            taken = [start for start in starts if start + HOUR + 2 * lateness > now]
            refused[window] += len(taken) < len(starts)
            for start in taken:
                counts[window][start] = counts[window].get(start, 0) + 1
    failed = False
    for window, count in zip(counts, map(int, counted.split(","))):
        found = {start: row["frames"] for (start, _), row in told_of(told, window).items()}
        wrong = [start for start in found.keys() | counts[window].keys() if found.get(start) != counts[window].get(start)]
        print(f"{window} in time: {len(found)} windows, {len(wrong)} of them wrong, {refused[window]} frames refused, {count} counted")
        failed |= bool(wrong) or refused[window] != count or not refused[window]
    return failed


if sys.argv[1] == "pick":
    sys.exit(pick(*sys.argv[2:]))
sys.exit(in_time(*sys.argv[2:]) if sys.argv[1] == "in_time" else compare(*sys.argv[1:]))
