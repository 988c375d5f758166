//! `rhumb query`: SQL over the lake.

use crate::support::{MAIN_JOB, Site, ZONES};
use crate::{check_refused, lake};
use expect_test::expect;
use serde_json::{Value, json};

const FRAMES: &str = "select vehicle_id, event_time, lat, lon, speed_mps, zone_ids from history order by event_time";

#[test]
fn query_answers_in_the_format_that_is_asked_for() {
    let site = lake();
    let ask = |format| site.done(&["query", "cars.toml", FRAMES, "--format", format]).stdout;
    expect![[r#"
        vehicle_id  event_time              lat     lon  speed_mps  zone_ids
        ----------  --------------------  -----  ------  ---------  --------------
        car         2026-01-05T06:00:00Z  30.25   -97.7        1.5  [middle]
        b"us        2026-01-05T06:00:50Z    0.5     0.0             []
        car         2026-01-05T06:03:20Z  30.25  -97.78        2.5  [middle, west]
        3 rows
    "#]]
    .assert_eq(&ask("table"));
    let flat = FRAMES.replace("zone_ids", "array_to_string(zone_ids, ' ') as zones");
    let csv = site.done(&["query", "cars.toml", &flat, "--format", "csv"]).stdout;
    expect![[r#"
        vehicle_id,event_time,lat,lon,speed_mps,zones
        car,2026-01-05T06:00:00Z,30.25,-97.7,1.5,middle
        "b""us",2026-01-05T06:00:50Z,0.5,0.0,,
        car,2026-01-05T06:03:20Z,30.25,-97.78,2.5,middle west
    "#]]
    .assert_eq(&csv);
    expect![[r#"
        {"vehicle_id":"car","event_time":"2026-01-05T06:00:00Z","lat":30.25,"lon":-97.7,"speed_mps":1.5,"zone_ids":["middle"]}
        {"vehicle_id":"b\"us","event_time":"2026-01-05T06:00:50Z","lat":0.5,"lon":0.0,"zone_ids":[]}
        {"vehicle_id":"car","event_time":"2026-01-05T06:03:20Z","lat":30.25,"lon":-97.78,"speed_mps":2.5,"zone_ids":["middle","west"]}
    "#]].assert_eq(&ask("json"));
    let geojson: Value = serde_json::from_str(&ask("geojson")).expect("JSON");
    let coordinates: Vec<&Value> =
        geojson["features"].as_array().expect("features").iter().map(|f| &f["geometry"]["coordinates"]).collect();
    assert_eq!(coordinates, [&json!([-97.7, 30.25]), &json!([0, 0.5]), &json!([-97.78, 30.25])]);
    assert_eq!(geojson["features"][1]["properties"]["vehicle_id"], json!("b\"us"));

    let told = site.done(&["query", "--data", "data", FRAMES, "--format", "parquet", "-o", "rows.parquet"]);
    assert_eq!((&*told.stdout, &*told.stderr), ("", "3 rows\n"));
    let parquet = std::fs::read(site.path("rows.parquet")).expect("a file");
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    site.done(&["query", "--data", "data", &flat, "-o", "rows.csv"]);
    assert_eq!(std::fs::read_to_string(site.path("rows.csv")).expect("a file"), csv);
    let lists = "select zone_ids from history order by event_time";
    let csv = site.done(&["query", "cars.toml", lists, "--format", "csv"]).stdout;
    assert_eq!(csv, "zone_ids\n\"[\"\"middle\"\"]\"\n[]\n\"[\"\"middle\"\",\"\"west\"\"]\"\n");
}

#[test]
fn query_knows_the_shapes_that_expressions_know() {
    let site = lake();
    let (town, road) = ("POLYGON((-98 30, -97.75 30, -97.75 31, -98 31, -98 30))", "LINESTRING(-97.78 30, -97.78 31)");
    let sql = format!(
        "select ST_Contains('{town}', ST_Point(lon, lat)), ST_Within(ST_Point(lon, lat), ST_GeomFromText('{town}')), \
         round(ST_Distance(ST_Point(lon, lat), '{road}')), ST_Contains('a town', ST_Point(lon, lat)) from history \
         where vehicle_id = 'car' order by event_time"
    );
    assert_eq!(site.ask("cars.toml", &sql), ["false,false,7684.0,", "true,true,0.0,"]);
    let constant =
        format!("select round(ST_Length('{road}')), ST_Area('{town}') > 2.6e9, ST_Intersects('{town}', '{road}')");
    assert_eq!(site.ask("cars.toml", &constant), ["111195.0,true,true"]);
}

#[test]
fn query_needs_the_lake_and_none_of_the_inputs() {
    let site = lake();
    std::fs::remove_file(site.path("frames.csv")).expect("it was there");
    let zones =
        "select z.name, count(*) as alerts from alerts a join zones z on z.id = a.zone_id group by z.name order by 1";
    assert_eq!(site.ask("cars.toml", zones), ["Middle,1", "West,1"]);
    std::fs::remove_file(site.path("zones.geojson")).expect("it was there");
    let told = site.done(&["query", "cars.toml", "select count(*) as n from history", "--format", "csv"]);
    assert_eq!((&*told.stdout, &*told.stderr), ("n\n3\n", ""));
    let told = site.rhumb(&["query", "cars.toml", "select id from zones"]);
    expect![[r#"
        error: the pipeline's zones cannot be read: cars.toml:13:9: operator geofence: zones: cannot read zones.geojson: there is no such file
    "#]]
    .assert_eq(&told.stderr);
    // What is wrong with operators is for those that run it.
    let text = std::fs::read_to_string(site.path("cars.toml")).expect("the pipeline");
    site.write("odd.toml", text.replace("every = \"1s\"", "every = 1\nfrobnicate = true"));
    assert_eq!(site.count("odd.toml", "select count(*) from history"), 3);
}

#[test]
fn zones_are_a_table() {
    let site = lake();
    expect![[r#"
        id      name    kind        km2   west  south    east  north  properties
        ------  ------  -------  ------  -----  -----  ------  -----  -----------------
        middle  Middle  polygon  105.72  -97.8  30.22  -97.69  30.31  {"name":"Middle"}
        west    West    polygon  194.36  -97.9   30.2  -97.76  30.33  {"name":"West"}
        2 rows
    "#]]
    .assert_eq(&site.done(&["query", "cars.toml", "select id, name, kind, round(area_m2 / 1e6, 2) as km2, west, south, east, north, properties from zones"]).stdout);
}

#[test]
fn folder_without_a_lake_says_how_one_is_made() {
    let site = lake();
    let parent = site.path("data").canonicalize().expect("it is there").display().to_string();
    let cases = [
        (
            vec!["--data", "."],
            "there is no lake in .: rhumb run PIPELINE, whose `data` is this folder, makes one".to_owned(),
        ),
        (
            vec!["--data", "none"],
            "there is no lake in none: rhumb run PIPELINE, whose `data` is this folder, makes one".to_owned(),
        ),
        (
            vec!["--data", "data/lake"],
            format!("there is no lake in data/lake: this is a lake itself: write --data {parent}"),
        ),
        (vec!["new.toml"], "there is no lake in elsewhere: rhumb run new.toml makes one".to_owned()),
    ];
    site.write("new.toml", "name = \"new\"\ndata = \"elsewhere\"\n");
    for (of, said) in cases {
        let told = site.rhumb(&[&["query"], &of[..], &["select 1"]].concat());
        assert_eq!((told.exit, told.stderr), (1, format!("error: {said}\n")), "{of:?}");
    }
}

#[test]
fn reader_that_has_seen_enough_is_no_error() {
    let site = lake();
    for format in ["table", "csv", "json", "geojson"] {
        let many: Vec<String> = ('a'..='j').map(|name| format!("history {name}")).collect();
        let query = format!("select a.lat, a.lon from {}", many.join(", "));
        let script = format!(
            "set -o pipefail; '{}' query cars.toml '{query}' --format {format} | head -1 >&2",
            env!("CARGO_BIN_EXE_rhumb")
        );
        let told = crate::support::Told::of(site.command("bash").args(["-c", &script]).output().expect("a shell"));
        assert_eq!((told.exit, told.stderr.lines().count()), (0, 1), "{format}: {told:?}");
    }
}

#[test]
fn current_table_says_what_vehicles_do_as_of_the_last_commit() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    let rows =
        "id,ts,lat,lon,speed\nbus,1767592850,0.5,0,\ncar,1767593000,30.25,-97.78,2.5\nvan,1767593000,30.2,-97.7,0\n";
    site.write("frames.csv", rows);
    let source = "[[source]]\nname = \"s\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n";
    let top = "name = \"cars\"\ndata = \"data\"\n";
    site.write("cars.toml", format!("{top}{source}{MAIN_JOB}"));
    site.done(&["run", "cars.toml", "--until-end"]);
    let now = "select vehicle_id, status, freshness_s, as_of from current order by vehicle_id";
    let asked = |of: &[&str]| site.done(&[&["query"], of, &[now, "--format", "csv"]].concat()).stdout;
    // As of the bus, which nothing has come after in its lane; but two others say that it has been silent.
    let as_the_run_said = expect![[r#"
        vehicle_id,status,freshness_s,as_of
        bus,stopped,150.0,2026-01-05T06:00:50Z
        car,moving,0.0,2026-01-05T06:00:50Z
        van,stopped,0.0,2026-01-05T06:00:50Z
    "#]];
    as_the_run_said.assert_eq(&asked(&["--data", "data"]));
    assert_eq!(asked(&["--data", "data"]), asked(&["cars.toml"]));
    site.write("impatient.toml", format!("{top}[engine]\noffline_after = \"119s\"\n{source}{MAIN_JOB}"));
    expect![[r#"
        vehicle_id,status,freshness_s,as_of
        bus,offline,150.0,2026-01-05T06:00:50Z
        car,moving,0.0,2026-01-05T06:00:50Z
        van,stopped,0.0,2026-01-05T06:00:50Z
    "#]]
    .assert_eq(&asked(&["impatient.toml"]));
}

#[test]
fn query_refuses_what_it_cannot_do() {
    let site = lake();
    let usage: [&[&str]; 5] = [
        &["query"],
        &["query", "cars.toml"],
        &["query", "--data", "data", "select 1", "more"],
        &["query", "cars.toml", "select 1", "--format", "xml"],
        &["query", "cars.toml", "select 1", "--timeout-s", "0"],
    ];
    check_refused(
        &site,
        2,
        &usage,
        expect![[r#"
        query
            error: the following required arguments were not provided:
            <PIPELINE> [SQL]...
        query cars.toml
            error: say which lake, and what to ask: rhumb query PIPELINE SQL, or rhumb query --data DIR SQL
        query --data data select 1 more
            error: with --data there is one more word: the SQL, in quotes
        query cars.toml select 1 --format xml
            error: invalid value 'xml' for '--format <FORMAT>': unknown format "xml"; there are table, csv, json, parquet, geojson
        query cars.toml select 1 --timeout-s 0
            error: invalid value '0' for '--timeout-s <TIMEOUT_S>': 0 is not in 1..18446744073709551615
    "#]],
    );
    let failed: [&[&str]; 8] = [
        &["query", "--data", "none", "select 1"],
        &["query", "cars.toml", "selec 1"],
        &["query", "cars.toml", "select speed from history"],
        &["query", "cars.toml", "select * from trips"],
        &["query", "cars.toml", "drop table history"],
        &["query", "cars.toml", "copy history to 'x.csv'"],
        &["query", "cars.toml", "select vehicle_id from history", "--format", "geojson"],
        &["query", "cars.toml", "select 1", "-o", "none/x"],
    ];
    check_refused(
        &site,
        1,
        &failed,
        expect![[r#"
        query --data none select 1
            error: there is no lake in none: rhumb run PIPELINE, whose `data` is this folder, makes one
        query cars.toml selec 1
            error: this is not SQL that we know: sql parser error: Expected: an SQL statement, found: selec at Line: 1, Column: 1
        query cars.toml select speed from history
            error: there is no column speed; there are vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop, satellites, source, late, zone_ids, epoch, event_date
        query cars.toml select * from trips
            error: there is no table trips; there are alerts, current, history, rejects, windows_zones, windows_zones_revisions, zones
        query cars.toml drop table history
            error: DROP TABLE is not allowed; queries only read
        query cars.toml copy history to 'x.csv'
            error: COPY is not allowed; queries only read
        query cars.toml select vehicle_id from history --format geojson
            error: geojson needs the columns lat and lon, and the result has no lat
        query cars.toml select 1 -o none/x
            error: write none/x: No such file or directory (os error 2)
    "#]],
    );
    check_refused(
        &site,
        78,
        &[&["query", "none.toml", "select 1"]],
        expect![[r#"
        query none.toml select 1
            none.toml:1:1: pipeline: cannot read the file: there is no such file
            none.toml: 1 mistake
    "#]],
    );
}

#[test]
fn columns_of_a_table_reach_the_history() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    let frames = "id,ts,lat,lon\na,1767592800,30.25,-97.7\nb,1767592801,30.25,-97.7\nc,1767592802,30.25,-97.7\n";
    site.write("frames.csv", frames);
    site.write("vehicles.csv", "plate,fleet,seats,weight_t,electric\na,north,4,1.5,true\nb,south,,2,false\n");
    let source = "name = \"cars\"\ndata = \"data\"\n[[source]]\nname = \"s\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n";
    let enrich = "[[operator]]\n[operator.enrich]\ntable = \"vehicles.csv\"\nkey = \"plate\"\n";
    let window = "[[operator]]\n[operator.window]\nname = \"fleets\"\nevery = \"1m\"\nkey = [\"fleet\", \"electric\"]\n\
                  aggregates = { frames = \"count\", seats = \"sum(seats)\" }\n";
    site.write("cars.toml", format!("{source}{enrich}{window}"));
    site.done(&["run", "cars.toml", "--until-end"]);
    let sql = "select vehicle_id, fleet, seats, weight_t, electric, arrow_typeof(fleet) as f, arrow_typeof(seats) as s, \
               arrow_typeof(weight_t) as w, arrow_typeof(electric) as e from history order by vehicle_id";
    expect![[r#"
        vehicle_id  fleet  seats  weight_t  electric  f     s      w        e
        ----------  -----  -----  --------  --------  ----  -----  -------  -------
        a           north      4       1.5  true      Utf8  Int64  Float64  Boolean
        b           south              2.0  false     Utf8  Int64  Float64  Boolean
        c                                             Utf8  Int64  Float64  Boolean
        3 rows
    "#]]
    .assert_eq(&site.done(&["query", "cars.toml", sql]).stdout);
    let sql = "select fleet, electric, frames, seats from windows_fleets order by fleet";
    expect![[r#"
        fleet  electric  frames  seats
        -----  --------  ------  -----
        north  true           1      4
        south  false          1
                              1
        3 rows
    "#]]
    .assert_eq(&site.done(&["query", "cars.toml", sql]).stdout);
}

/// Columns and what they are worked out by; each must be what a query over the history gives.
const DERIVED: [(&str, &str); 14] = [
    ("kmh", "speed_mps * 3.6"),
    ("whole", "satellites * 2 + 1"),
    ("half", "satellites / 2"),
    ("far_m", "ST_Distance(ST_Point(lon, lat), ST_Point(-97.74, 30.27))"),
    ("near", "ST_DWithin(ST_Point(lon, lat), ST_Point(-97.74, 30.27), 5000)"),
    ("x", "ST_X(ST_Point(lon, lat)) + ST_Y(ST_Point(lon, lat))"),
    ("cell", "h3_cell(lat, lon, 9)"),
    ("parent", "h3_parent(cell, 6)"),
    ("steps", "h3_distance(cell, h3_cell(lat + 0.01, lon, 9))"),
    ("hash", "geohash(lat, lon, 7)"),
    ("hour", "extract(hour from event_time)"),
    ("day", "date_trunc('day', event_time)"),
    ("label", "case when speed_mps is null then upper(vehicle_id) when speed_mps < 2 then 'slow' else source end"),
    ("inside", "array_has(zone_ids, 'middle') and not late"),
];

#[test]
fn derived_columns_are_what_a_query_gives() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    let mut rows = "id,ts,lat,lon,speed,satellites\n".to_owned();
    for n in 0..500 {
        let speed = if n % 7 == 0 { String::new() } else { format!("{:.2}", f64::from(n % 90) / 3.0) };
        let satellites = if n % 5 == 0 { String::new() } else { (n % 13).to_string() };
        let (lat, lon) = (30.2 + 0.0003 * f64::from(n), -97.8 + 0.0002 * f64::from(n));
        rows += &format!("car{},{},{lat:.5},{lon:.5},{speed},{satellites}\n", n % 3, 1_767_592_800 + 10 * n);
    }
    site.write("frames.csv", rows);
    let columns: Vec<String> = DERIVED.iter().map(|(name, text)| format!("{name} = \"{text}\"")).collect();
    let source = "name = \"cars\"\ndata = \"data\"\n[[source]]\nname = \"s\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n";
    let operators = format!(
        "[[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\n[[operator]]\n[operator.derive]\ncolumns = {{ {} }}\n\
         [[operator]]\n[operator.filter]\nwhere = \"kmh > 20 and 60 / satellites > 5 or label = 'slow'\"\n",
        columns.join(", ")
    );
    site.write("cars.toml", format!("{source}{operators}"));
    let told = site.done(&["run", "cars.toml", "--until-end", "--summary", "summary.json"]);
    let count = |sql: &str| -> u64 {
        let said = site.done(&["query", "cars.toml", sql, "--format", "csv"]).stdout;
        said.lines().last().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{sql}: {said}"))
    };
    for (name, text) in DERIVED {
        let differ = format!("select count(*) from history where {name} is distinct from ({text})");
        assert_eq!(count(&differ), 0, "{name} = {text}");
        assert!(count(&format!("select count(distinct {name}) from history")) > 1 || name == "day", "{name}");
    }
    let summary: Value =
        serde_json::from_slice(&std::fs::read(site.path("summary.json")).expect("a file")).expect("JSON");
    let kept =
        count("select count(*) from history where kmh > 20 and 60 / nullif(satellites, 0) > 5 or label = 'slow'");
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{summary}"));
    assert!(kept > 50 && kept == number(&summary["history_rows"]), "{kept} {summary}");
    assert_eq!(number(&summary["frames_in"]), kept + number(&summary["rejects"]["filter"]));
    assert_eq!(count("select count(*) from rejects where reason = 'filter'"), number(&summary["rejects"]["filter"]));
    let failed = count("select count(*) from rejects where detail like '%divide by zero'");
    assert!(failed > 10 && failed == number(&summary["errors"]["filter"]), "{failed} {summary}");
    assert!(told.stderr.contains("expressions could not be worked out"), "{}", told.stderr);
}
