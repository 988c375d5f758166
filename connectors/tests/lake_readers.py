"""Reads a lake with DuckDB, Polars, delta-rs and PyArrow, and compares with facts given as JSON.

Usage: lake_readers.py LAKE FACTS
"""

import json
import math
import pathlib
import sys

import deltalake
import duckdb
import polars
import pyarrow.parquet as pq

lake = pathlib.Path(sys.argv[1])
facts = json.loads(sys.argv[2])
history = deltalake.DeltaTable(str(lake / "history"))
problems = []


def check(what, found, expected):
    same = math.isclose(found, expected, rel_tol=1e-9) if isinstance(expected, float) else found == expected
    if not same:
        problems.append(f"{what}: found {found}, expected {expected}")


def check_facts(reader, row):
    names = ["rows", "vehicles", "lat_sum", "time_sum", "speed_sum", "speeds", "zones", "fleets", "v7"]
    for name, found in zip(names, row, strict=True):
        check(f"{reader}: {name}", found, facts[name])


AGGREGATES = """
    select count(*), count(distinct vehicle_id), sum(lat), sum(epoch_us(event_time)::hugeint)::varchar,
           sum(speed_mps::double), count(speed_mps), coalesce(sum(len(zone_ids)), 0)::bigint, count(fleet),
           count(*) filter (vehicle_id = 'v7')
    from {source}
"""


def with_duckdb():
    # The extension that reads Delta logs needs the network; the log's list of files says the same.
    files = [uri.removeprefix("file://") for uri in history.file_uris()]
    row = duckdb.execute(AGGREGATES.format(source="read_parquet(?)"), [files]).fetchone()
    check_facts("duckdb, files of the log", row)
    for glob in [lake / "history" / "**" / "*.parquet", lake / "history" / "*" / "*.parquet"]:
        row = duckdb.execute(AGGREGATES.format(source="read_parquet(?, hive_partitioning = true)"), [str(glob)]).fetchone()
        check_facts(f"duckdb, {glob.relative_to(lake)}", row)
    glob = str(lake / "history" / "event_date=*" / "*.parquet")
    row = duckdb.execute(AGGREGATES.format(source="read_parquet(?, hive_partitioning = true)"), [glob]).fetchone()
    check_facts("duckdb, glob", row)
    query = "select count(*) from read_parquet(?, hive_partitioning = true) where event_date <> event_time::date"
    check("duckdb: rows in a wrong partition", duckdb.execute(query, [glob]).fetchone()[0], 0)


def with_polars():
    frames = polars.scan_delta(str(lake / "history"))
    col = polars.col
    row = frames.select(
        polars.len(),
        col("vehicle_id").n_unique().alias("vehicles"),
        col("lat").sum().alias("lat_sum"),
        col("event_time").dt.timestamp("us").cast(polars.Int128).sum().cast(polars.String).alias("time_sum"),
        col("speed_mps").cast(polars.Float64).sum().alias("speed_sum"),
        col("speed_mps").count().alias("speeds"),
        col("zone_ids").list.len().sum().cast(polars.Int64).alias("zones"),
        col("fleet").count().alias("fleets"),
        (col("vehicle_id") == "v7").sum().alias("v7"),
    ).collect()
    check_facts("polars", row.row(0))
    check("polars: one vehicle", frames.filter(col("vehicle_id") == "v7").select(polars.len()).collect().item(), facts["v7"])
    first = frames.select(col("event_date").min()).collect().item()
    of_first = frames.filter(col("event_date") == first).collect().height
    check("polars: dates add up", of_first + frames.filter(col("event_date") > first).collect().height, facts["rows"])


def with_deltalake():
    for name in ["history", "alerts", "rejects", "windows"]:
        table = deltalake.DeltaTable(str(lake / (name if name != "windows" else "windows_zones")))
        adds = table.get_add_actions(flatten=True)
        rows = sum(adds.column("num_records").to_pylist()) if hasattr(adds, "column") else sum(adds["num_records"].to_pylist())
        check(f"deltalake: {name}", rows, facts["rows" if name == "history" else name])
    check("deltalake: partitions", history.metadata().partition_columns, ["event_date"])
    check("deltalake: version", history.metadata().configuration.get("rhumb.schema_version"), "1")
    check("deltalake: transaction", history.transaction_version("test"), 2)


def with_pyarrow():
    for uri in history.file_uris():
        path = uri.removeprefix("file://")
        file = pq.ParquetFile(path)
        metadata = file.metadata
        names = file.schema_arrow.names
        check(f"{path}: created by", metadata.created_by.split()[0], "rhumb")
        check(f"{path}: schema version", metadata.metadata[b"rhumb.schema_version"], b"1")
        for n in range(metadata.num_row_groups):
            group = metadata.row_group(n)
            order = [(names[s.column_index], s.descending) for s in group.sorting_columns]
            check(f"{path}: sort order", order, [("vehicle_id", False), ("event_time", False)])
            for c in range(group.num_columns):
                column = group.column(c)
                check(f"{path}: page index of {column.path_in_schema}", (column.has_column_index, column.has_offset_index), (True, True))
                if column.path_in_schema == "vehicle_id":
                    bloom = "select count(*) from parquet_metadata(?) where path_in_schema = 'vehicle_id' and bloom_filter_length > 0"
                    check(f"{path}: bloom filters", duckdb.execute(bloom, [str(path)]).fetchone()[0], metadata.num_row_groups)
                    check(f"{path}: vehicle dictionary", column.has_dictionary_page, True)
        for group in range(file.num_row_groups):
            columns = file.read_row_group(group, columns=["vehicle_id", "event_time"])
            rows = list(zip(*columns.to_pydict().values()))
            check(f"{path}: rows of group {group} are sorted", rows == sorted(rows), True)


for read in [with_duckdb, with_polars, with_deltalake, with_pyarrow]:
    read()
for problem in problems:
    print(problem, file=sys.stderr)
sys.exit(bool(problems))
