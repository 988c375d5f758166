//! `rhumb explain`: the plan of a pipeline with everything in it.

use crate::{SMALL, checked};
use expect_test::expect;
use rhumb::build::{operators, sinks};
use rhumb::config::{OperatorKind, explain};

pub const FLEET: &str = r#"
name = "fleet"

[engine]
shards = 2

[[source]]
name = "trackers"
[source.udp]
listen = "127.0.0.1:5027"
codec = "binary"
sockets = 2
allow = ["10.0.0.0/8", "192.168.1.7"]
[source.binary]
keys = [{ id = 1, secret = "${KEY}" }]

[[source]]
name = "recording"
[source.file]
path = "fr*.csv"
codec = "csv"
speed = "60x"
[source.csv]
delimiter = ";"
[source.fields]
speed_mps = { field = "kmh", unit = "km/h" }

[[operator]]
[operator.validate]
past_max = "30d"
off = ["null_island"]

[[operator]]
[operator.enrich]
table = "vehicles.csv"
columns = ["fleet"]
add = ["distance_m"]

[[operator]]
[operator.derive]
columns = { speed_kmh = "speed_mps * 3.6", is_fast = "speed_kmh > 90" }

[[operator]]
[operator.filter]
where = "satellites >= 4"

[[operator]]
[operator.geofence]
zones = "zones/city.geojson"

[[operator]]
[operator.window]
name = "zone_speed"
every = "1m"
key = ["zone_id", "fleet"]
aggregates = { speed_avg = "avg(speed_mps)", frames = "count", far = "max(distance_m)" }
"#;

pub const TEST: &str = r#"
[[test]]
name = "a test"
start = "2024-03-08T07:00:00Z"
until = "+1h"
frames = """
vehicle_id, event_time, lat, lon
van, +0s, 30.2, -97.7
"""
alerts = [{ kind = "enter", event_time = "+0s" }]
windows.zone_speed = """
frames, fleet
1, null
"""
"#;

pub const KEY: (&str, &str) = ("KEY", "sixteen bytes long");

#[test]
fn plan_names_everything_and_no_secret() {
    let (checked, folder) = checked(FLEET, &[KEY]);
    let plan = explain(&checked, &operators(&checked.operators, &checked.sources), &sinks(&checked.sinks))
        .expect("a plan")
        .replace(&folder, "");
    assert!(!plan.contains(KEY.1));
    expect![[r#"
        pipeline fleet, from fleet.toml

        sources
          trackers
            reads       datagrams of at most 2KiB on udp 127.0.0.1:5027
            from        10.0.0.0/8, 192.168.1.7/32
            partitions  2, one a socket; each with a thread and a buffer of 32MiB
            time        live; times set back by 1024 weeks are repaired
            keeps       journal synced: what was synced is never lost, and devices are acknowledged only then; that is
                        within 5ms
            codec       binary, signed
          recording
            reads       fr*.csv
            partitions  1, the file
            time        recorded; 60 times as fast as recorded; times are taken as they are
            codec       csv, separated by ';', columns named by the first line
                        speed_mps is "kmh", in km/h

        lanes and shards
            lanes       64, by hash of the vehicle, on 2 shards
            epoch       committed every 10s, or after 4000000 frames
            lateness    windows wait 5m for late frames
            idle        a lane that is silent for 30s goes on as its source does
            future      frames more than 5m ahead of their receipt are rejected
            path        16 fixes of each vehicle are remembered
            vehicles    at most 5000000, offline after 10m of silence

        operators, in this order
          1 validate
            refuses     range; heading outside 0 to 360; reported speed under 0 or over 70 m/s; past more than 30d;
                        duplicate; speed over 70 m/s
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late
            columns out the same
          2 enrich
            file        vehicles.csv, watched: a change takes effect while it runs, between two epochs
            table       2 vehicles
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late
            columns out the same, fleet, distance_m
          3 derive
            derives     speed_kmh = speed_mps * 3.6, a number
                        is_fast = speed_kmh > 90, true or false
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late, fleet, distance_m
            columns out the same, speed_kmh, is_fast
          4 filter
            keeps       satellites >= 4
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late, fleet, distance_m, speed_kmh, is_fast
            columns out the same
          5 geofence
            file        zones/city.geojson, watched: a change takes effect while it runs, between two epochs
            zones       2
            alerts      enter, exit
            rules       of 2 zones: left 30 m outside, a change counts after 1 frames and 0s
            late        frames among the last 16 of a vehicle correct its alerts
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late, fleet, distance_m, speed_kmh, is_fast
            columns out the same, zone_ids
          6 window_zone_speed
            every       1m
            key         zone_id, fleet
                        speed_avg = avg(speed_mps)
                        frames = count
                        far = max(distance_m)
            fires       5m after its end by event time, again for late frames until 10m after
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late, fleet, distance_m, speed_kmh, is_fast, zone_ids
            columns out the same

        sinks
          lake
            format      Delta Lake over Parquet, by event_date
            row groups  of about 262144 rows
            tables      history, rejects, alerts, windows_zone_speed

        tables
          history
            columns     vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late, fleet, distance_m, speed_kmh, is_fast, zone_ids, epoch, event_date
          rejects
            columns     reason, measured, threshold, vehicle_id, event_time, received_at, lat, lon, source, partition,
                        offset, raw, detail, number, redriven, epoch, event_date
          alerts
            columns     alert_id, sequence, kind, vehicle_id, zone_id, event_time, frame_time, received_at, lat, lon,
                        visit_id, reason, late, supersedes, left_time, left_lat, left_lon, zone_version, zone_attributes,
                        epoch, event_date
          windows_zone_speed
            columns     window_start, window_end, zone_id, fleet, speed_avg, speed_avg__sum, speed_avg__count, frames, far,
                        revision, part, epoch, event_date

        data
            checkpoints data/fleet
            lake        data/fleet/lake
            retries     storage that refuses, for 5m
            alert log   data/fleet/alert_log, synced within 5ms, kept 7d
    "#]].assert_eq(&plan);
}

#[test]
fn plan_says_what_trips_are() {
    let trips = "[[operator]]\n[operator.trips]\nstop_for = \"5m\"\n";
    let (checked, folder) = checked(&format!("{SMALL}{trips}"), &[]);
    let plan =
        explain(&checked, &operators(&checked.operators, &checked.sources), &sinks(&checked.sinks)).expect("a plan");
    let of = |from: &str, to: &str| {
        let lines = plan.lines().skip_while(|line| *line != from).take_while(|line| *line != to);
        lines.map(|line| line.replace(&folder, "").replacen("  ", "", 1) + "\n").collect::<String>()
    };
    expect![[r#"
          1 trips
            stop        5m within 200 m
            trip        until a stop, or a silence of 1h; a leg is driven if faster than 0.67 m/s
            idle        by the column ignition, where frames have it
            late        16 frames of a vehicle are held back for late ones
            told        once it has ended, or the vehicle is silent for 65m by event time
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late
            columns out the same

          trips
            columns     trip_id, vehicle_id, start_time, end_time, duration_s, distance_m, speed_avg_mps, speed_max_mps,
                        standing_s, idle_s, start_lat, start_lon, end_lat, end_lon, start_zone_ids, end_zone_ids, frames,
                        ended, revision, epoch, event_date
          stops
            columns     stop_id, vehicle_id, start_time, end_time, duration_s, idle_s, lat, lon, zone_ids, frames, ended,
                        revision, epoch, event_date

    "#]].assert_eq(&(of("  1 trips", "sinks") + &of("  trips", "data")));
}

#[test]
fn aggregates_keep_the_order_in_which_they_were_typed() {
    let (checked, _) = checked(FLEET, &[KEY]);
    let OperatorKind::Window(window) = &checked.operators[5].kind else { panic!("a window") };
    let names: Vec<&str> = window.aggregates.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["speed_avg", "frames", "far"]);
}
