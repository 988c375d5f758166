"""Trips and stops held against movingpandas over the same history: arguments are the lake's folder and a folder with
trips.csv and stops.csv, as `rhumb query` writes them. The same stretches must be as long; what differs by definition is
counted, must stay within bounds, and is printed for docs/TRIPS.md."""

import sys
import warnings
from datetime import timedelta

import duckdb
import geopandas
import pandas

warnings.filterwarnings("ignore")
import movingpandas

lake, told = sys.argv[1:]
STOP_FOR, GAP = timedelta(minutes=3), timedelta(hours=1)
DIAMETER_M = 200
# A degree is up to this share longer or shorter on the ellipsoid that movingpandas measures on than on the sphere.
ELLIPSOID = 0.006

duckdb.sql("set timezone = 'UTC'")
history = duckdb.sql(f"""
    select vehicle_id, event_time::timestamp as t, lat, lon from read_parquet('{lake}/history/**/*.parquet')
    order by vehicle_id, t""").df()


def rows(table):
    types = {"vehicle_id": str, "ended": str}
    read = pandas.read_csv(f"{told}/{table}.csv", dtype=types, parse_dates=["start_time", "end_time"])
    for column in ["start_time", "end_time"]:
        read[column] = read[column].dt.tz_localize(None)
    return read


def hours(stretches):
    return (stretches.end_time - stretches.start_time).sum() / timedelta(hours=1)


def share_within(some, others):
    """Of the time of some stretches, how much is in the others."""
    within = timedelta()
    for a in some.itertuples():
        for b in others[others.vehicle_id == a.vehicle_id].itertuples():
            within += max(timedelta(), min(a.end_time, b.end_time) - max(a.start_time, b.start_time))
    return within / (some.end_time - some.start_time).sum()


trips, stops = rows("trips"), rows("stops")
points = geopandas.GeoDataFrame(
    history[["vehicle_id", "t"]], geometry=geopandas.points_from_xy(history.lon, history.lat), crs=4326
).set_index("t")
paths = {vehicle: path for vehicle, path in points.groupby("vehicle_id") if len(path) > 1}
problems = []

worst, total_m = 0, 0
for trip in trips.itertuples():
    metres = movingpandas.Trajectory(paths[trip.vehicle_id].loc[trip.start_time : trip.end_time], 0).get_length()
    worst, total_m = max(worst, abs(trip.distance_m / metres - 1)), total_m + metres
    if len(paths[trip.vehicle_id].loc[trip.start_time : trip.end_time]) != trip.frames:
        problems.append(f"frames of {trip}")
print(f"frames {len(history)}, vehicles {len(paths)}")
print(
    f"trips {len(trips)}, {hours(trips):.1f} h, {trips.distance_m.sum() / 1000:.2f} km; the same stretches by movingpandas "
    f"{total_m / 1000:.2f} km, one at most {worst:.2%} off"
)
# movingpandas cuts paths at silences first; here a vehicle that shows up where it was has stood there.
silences = pandas.DataFrame(
    [
        (vehicle, path.index[n], path.index[n + 1])
        for vehicle, path in paths.items()
        for n in range(len(path) - 1)
        if path.index[n + 1] - path.index[n] > GAP
    ],
    columns=["vehicle_id", "start_time", "end_time"],
)
is_silent = [
    (of := silences[silences.vehicle_id == stop.vehicle_id]).start_time.between(stop.start_time, stop.end_time).any()
    and of.end_time.between(stop.start_time, stop.end_time).any()
    for stop in stops.itertuples()
]
heard = stops[[not silent for silent in is_silent]]
print(
    f"stops {len(stops)}, {hours(stops):.1f} h; {len(stops) - len(heard)} of them, {hours(stops) - hours(heard):.1f} h, "
    "hold a silence"
)
if worst > ELLIPSOID or len(trips) < 100 or len(stops) < 100:
    problems.append("distances, or too few trips and stops")

# As a stop's radius is measured from one fix, its diameter may be up to twice as much; that of most is not.
their_stops, their_trips, length_m = [], 0, 0
for vehicle, path in paths.items():
    for part in movingpandas.ObservationGapSplitter(movingpandas.Trajectory(path, vehicle)).split(gap=GAP):
        found = movingpandas.TrajectoryStopDetector(part).get_stop_time_ranges(DIAMETER_M, STOP_FOR)
        their_stops += [(vehicle, stop.t_0, stop.t_n) for stop in found]
        driven = movingpandas.StopSplitter(part).split(
            max_diameter=DIAMETER_M, min_duration=STOP_FOR, min_length=DIAMETER_M
        )
        their_trips += len(driven)
        length_m += sum(trip.get_length() for trip in driven)
their_stops = pandas.DataFrame(their_stops, columns=["vehicle_id", "start_time", "end_time"])
in_ours, in_theirs = share_within(their_stops, stops), share_within(heard, their_stops)
print(
    f"movingpandas: trips of at least {DIAMETER_M} m {their_trips}, {length_m / 1000:.2f} km; stops {len(their_stops)}, "
    f"{hours(their_stops):.1f} h, {in_ours:.1%} of it in ours; {in_theirs:.1%} of ours without a silence in its"
)
off = {
    "time of its stops": (in_ours, 0.9),
    "time of our stops": (in_theirs, 0.9),
    "number of stops": (1 - abs(len(stops) / len(their_stops) - 1), 0.95),
    "number of trips": (1 - abs(len(trips) / their_trips - 1), 0.95),
    "length of trips": (1 - abs(trips.distance_m.sum() / length_m - 1), 0.99),
}
problems += [f"{what}: {share} is less than {least}" for what, (share, least) in off.items() if share < least]
if problems:
    sys.exit("\n".join(problems))
