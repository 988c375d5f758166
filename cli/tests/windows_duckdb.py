"""Windows of every shape held against DuckDB's answer over the history: arguments are the lake's folder and a folder of CSV
files, one for each window, as `rhumb query` writes them."""

import math
import sys

import duckdb

lake, told = sys.argv[1:]
duckdb.sql("set timezone = 'UTC'")
duckdb.sql(f"create view history as select * from read_parquet('{lake}/history/**/*.parquet')")
duckdb.sql("""create view in_zones as select unnest(zone_ids) as zone_id, event_time, vehicle_id, speed_mps::double as speed
              from history""")

AGGREGATES = """
    count(*) as frames, avg(speed) as speed_avg, min(speed) as speed_min, max(speed) as speed_max,
    sum(speed) as speed_sum, list_sort(list(speed))[ceil(0.95 * count(speed))::int] as speed_p95,
    list_sort(list(speed))[ceil(0.5 * count(speed))::int] as speed_median, count(distinct vehicle_id) as vehicles
"""
QUERIES = {
    "hours": f"""
        select epoch_us(time_bucket(interval 1 hour, event_time)) as start, start + 3600000000 as stop, zone_id as key, {AGGREGATES}
        from in_zones group by all""",
    "sliding": f"""
        select (epoch_us(event_time) // 900000000 - n) * 900000000 as start, start + 3600000000 as stop, zone_id as key, {AGGREGATES}
        from in_zones, range(4) as slides(n) group by all""",
    "sessions": f"""
        with before as (
            select vehicle_id, event_time, speed_mps::double as speed,
                epoch_us(event_time) - lag(epoch_us(event_time)) over (partition by vehicle_id order by event_time) as silence
            from history
        ), numbered as (
            select *, count(*) filter (where silence is null or silence > 600000000)
                over (partition by vehicle_id order by event_time) as session
            from before
        )
        select min(epoch_us(event_time)) as start, max(epoch_us(event_time)) + 600000000 as stop, vehicle_id as key, {AGGREGATES}
        from numbered group by vehicle_id, session""",
}
# Shares of a value that results may be off by; the others are exact.
ERRORS = {"speed_p95": 0.0079, "speed_median": 0.0079, "speed_avg": 1e-12, "speed_sum": 1e-12}


def same(name, a, b):
    if a is None or b is None:
        return a is None and b is None
    return a == b or name in ERRORS and math.isclose(a, b, rel_tol=ERRORS[name], abs_tol=1e-8)


def rows(relation):
    names = relation.columns
    return {(row[0], row[2]): dict(zip(names, row)) for row in relation.fetchall()}


failed = False
for window, query in QUERIES.items():
    expected = rows(duckdb.sql(query))
    types = "{'key': 'varchar'}"
    found = rows(duckdb.sql(f"select * from read_csv('{told}/{window}.csv', header = true, types = {types})"))
    wrong = [key for key in expected.keys() | found.keys() if key not in expected or key not in found]
    wrong += [
        key
        for key in expected.keys() & found.keys()
        if not all(same(name, value, found[key][name]) for name, value in expected[key].items())
    ]
    print(f"{window}: {len(expected)} windows, {len(wrong)} of them wrong")
    for key in wrong[:3]:
        print("  expected", expected.get(key), "\n  found   ", found.get(key))
    failed |= bool(wrong) or len(expected) < 1000
sys.exit(failed)
