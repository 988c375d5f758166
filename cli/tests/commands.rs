//! Every other subcommand as a person meets it: what it gives, and what it says to what makes no sense (exit code 2).

mod support;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use std::io::Write;
use support::{MAIN_JOB, Site, Told, ZONES};

/// Wrong uses, one by one: the first line of standard error, and the exit code.
#[track_caller]
fn check_refused(site: &Site, exit: i32, cases: &[&[&str]], expected: Expect) {
    let said = cases.iter().map(|arguments| {
        let told = site.rhumb(arguments);
        assert_eq!(told.exit, exit, "{arguments:?}: {told:?}");
        assert!(told.stdout.is_empty(), "{arguments:?}: {told:?}");
        let first: Vec<&str> = told.stderr.lines().take(2).map(str::trim).filter(|line| !line.is_empty()).collect();
        format!("{}\n    {}\n", arguments.join(" "), first.join("\n    "))
    });
    expected.assert_eq(&said.collect::<String>());
}

/// With what stands on standard input.
fn fed(site: &Site, arguments: &[&str], input: &[u8]) -> Told {
    let mut command = site.command(env!("CARGO_BIN_EXE_rhumb"));
    let piped = std::process::Stdio::piped;
    let mut child =
        command.args(arguments).stdin(piped()).stdout(piped()).stderr(piped()).spawn().expect("rhumb starts");
    child.stdin.take().expect("it is piped").write_all(input).expect("it reads");
    Told::of(child.wait_with_output().expect("it ends"))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn command_without_sense_is_answered_with_usage() {
    let site = Site::new();
    check_refused(
        &site,
        2,
        &[&["frobnicate"], &["run"], &["run", "a.toml", "--fast"], &["check"], &["explain"]],
        expect![[r#"
            frobnicate
                error: unrecognized subcommand 'frobnicate'
            run
                error: the following required arguments were not provided:
                <PIPELINE>
            run a.toml --fast
                error: unexpected argument '--fast' found
            check
                error: the following required arguments were not provided:
                <PIPELINES>...
            explain
                error: the following required arguments were not provided:
                <PIPELINE>
        "#]],
    );
    assert_eq!(site.rhumb(&[]).exit, 2);
    assert!(site.done(&["--version"]).stdout.starts_with("rhumb "));
}

#[test]
fn decode_says_what_bytes_mean() {
    let site = Site::new();
    let frames = "id,ts,lat,lon,speed\ncar,1767592800,30.25,-97.75,12.5\ncar,soon,1,2,3\n";
    site.write("frames.csv", frames);
    expect![[r#"
        {"vehicle_id":"car","event_time":"2026-01-05T06:00:00Z","lat":30.25,"lon":-97.75,"speed_mps":12.5}
        {"reject":"undecodable","detail":"event_time (from ts) is not a time: \"soon\" (expected RFC 3339 with an offset, or seconds, milliseconds or microseconds since 1970)","raw_hex":"6361722c736f6f6e2c312c322c33","offset":53}
    "#]].assert_eq(&site.done(&["decode", "csv", "frames.csv"]).stdout);
    let object = br#"{"id": "car", "ts": "2026-01-05T06:00:00Z", "lat": 30.25, "lon": -97.75}"#;
    let plain = fed(&site, &["decode", "json", "--transport", "udp"], object);
    assert_eq!(
        lines(&plain.stdout),
        [json!({"vehicle_id": "car", "event_time": "2026-01-05T06:00:00Z", "lat": 30.25, "lon": -97.75})]
    );
    let digits: String = object.iter().map(|byte| format!("{byte:02x} ")).collect();
    assert_eq!(fed(&site, &["decode", "json", "--hex"], digits.as_bytes()).stdout, plain.stdout);
    assert_eq!(fed(&site, &["decode", "binary", "--transport", "udp"], b"noise").exit, 0, "a reject is an answer");
}

#[test]
fn decode_refuses_what_it_cannot_do() {
    let site = Site::new();
    site.write("digits", "0g");
    site.write("headless.csv", "id,ts,lat\na,1,2\n");
    check_refused(
        &site,
        2,
        &[&["decode"], &["decode", "smoke", "digits"], &["decode", "json", "--transport", "pigeon"]],
        expect![[r#"
            decode
                error: the following required arguments were not provided:
                <CODEC>
            decode smoke digits
                error: there is no codec "smoke"; there are json, csv, binary, teltonika, nmea
            decode json --transport pigeon
                error: invalid value 'pigeon' for '--transport <TRANSPORT>'
                [possible values: udp, tcp]
        "#]],
    );
    check_refused(
        &site,
        1,
        &[&["decode", "json", "none"], &["decode", "json", "--hex", "digits"], &["decode", "csv", "headless.csv"]],
        expect![[r#"
            decode json none
                error: read none: No such file or directory (os error 2)
            decode json --hex digits
                error: byte 1 is not a hexadecimal digit: 'g'
            decode csv headless.csv
                error: no column for lon (looked for lon, lng, longitude); the columns are id, ts, lat
        "#]],
    );
}

#[test]
fn zones_are_shown_and_asked() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    expect![[r#"
        middle	polygon	5	-97.800000 30.220000 -97.690000 30.310000	{"name":"Middle"}
        west	polygon	5	-97.900000 30.200000 -97.760000 30.330000	{"name":"West"}
    "#]]
    .assert_eq(&site.done(&["zones", "show", "zones.geojson"]).stdout);
    let ok = site.done(&["zones", "check", "zones.geojson"]).stderr;
    assert!(ok.starts_with("zones.geojson: ok: 2 zones, 8 vertices, "), "{ok}");
    let at = |lat, lon| site.done(&["zones", "at", "zones.geojson", "--lat", lat, "--lon", lon]).stdout;
    assert_eq!(at("30.25", "-97.78"), "middle\nwest\n");
    assert_eq!(at("30.25", "-97.7"), "middle\n");
    assert_eq!(at("0", "0"), "");
    site.write("points.csv", "name,lat,lon\nboth,30.25,-97.78\none,30.25,-97.7\nnone,0,0\n");
    let told = site.done(&["zones", "at", "zones.geojson", "points.csv"]);
    assert_eq!(
        told.stdout,
        "name,lat,lon,zone_ids\nboth,30.25,-97.78,middle west\none,30.25,-97.7,middle\nnone,0,0,\n"
    );
}

#[test]
fn zones_may_be_packed() {
    let site = Site::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(ZONES.as_bytes()).expect("gzip");
    site.write("zones.geojson.gz", gzip.finish().expect("gzip"));
    assert_eq!(site.done(&["zones", "at", "zones.geojson.gz", "--lat", "30.25", "--lon", "-97.7"]).stdout, "middle\n");
    site.write("frames.csv", "id,ts,lat,lon\ncar,1767592800,30.25,-97.7\n");
    let source = "name = \"p\"\ndata = \"data\"\n[[source]]\nname = \"s\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n";
    site.write("packed.toml", format!("{source}{}", MAIN_JOB.replace("zones.geojson", "zones.geojson.gz")));
    site.done(&["run", "packed.toml", "--until-end"]);
    assert_eq!(site.ask("packed.toml", "select zone_id from alerts"), ["middle"]);
}

#[test]
fn zones_refuse_what_they_cannot_do() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    site.write("points.csv", "name,lat\na,1\n");
    site.write("letters.csv", "lat,lon\n1,2\nx,2\n");
    let usage: [&[&str]; 6] = [
        &["zones", "check"],
        &["zones", "at", "zones.geojson"],
        &["zones", "at", "zones.geojson", "--lat", "1"],
        &["zones", "at", "zones.geojson", "--lat", "95", "--lon", "0"],
        &["zones", "at", "zones.geojson", "--lat", "north", "--lon", "0"],
        &["zones", "at", "zones.geojson", "points.csv", "--lat", "1", "--lon", "1"],
    ];
    check_refused(
        &site,
        2,
        &usage,
        expect![[r#"
        zones check
            error: the following required arguments were not provided:
            <FILE>
        zones at zones.geojson
            error: say which points: a CSV file, or --lat and --lon
        zones at zones.geojson --lat 1
            error: the following required arguments were not provided:
            --lon <LON>
        zones at zones.geojson --lat 95 --lon 0
            error: latitude 95 is outside -90..=90
        zones at zones.geojson --lat north --lon 0
            error: invalid value 'north' for '--lat <LAT>': invalid float literal
        zones at zones.geojson points.csv --lat 1 --lon 1
            error: the argument '[POINTS]' cannot be used with:
            --lat <LAT>
    "#]],
    );
    let failed: [&[&str]; 2] = [&["zones", "check", "none.geojson"], &["zones", "at", "zones.geojson", "points.csv"]];
    check_refused(
        &site,
        1,
        &failed,
        expect![[r#"
        zones check none.geojson
            error: read zones from none.geojson: No such file or directory (os error 2)
        zones at zones.geojson points.csv
            error: points.csv: no column lon; the columns are name, lat
    "#]],
    );
    let told = site.rhumb(&["zones", "at", "zones.geojson", "letters.csv"]);
    assert_eq!((told.exit, &*told.stderr), (1, "error: letters.csv:3: not a number: \"x\": invalid float literal\n"));
    // All mistakes are told at once, each with its place.
    let wrong = ZONES.replacen("30.31]", "130.31]", 1).replace("[[[-97.90", "[[[\"-97.90\"");
    site.write("zones.geojson", wrong);
    let told = site.rhumb(&["zones", "check", "zones.geojson"]);
    expect![[r#"
        zones.geojson:2:1: error: feature 0 (id "middle"): positions out of range: 1, the first is latitude 130.31, longitude -97.69; a position is [longitude, latitude] in degrees, zones across the antimeridian are written as two polygons that meet at 180 and -180
        zones.geojson:4:1: error: feature 1 (id "west"): the coordinates of the Polygon are not a list of rings of positions: [[[lon, lat], ...], ...]
        zones.geojson: 2 mistakes
    "#]].assert_eq(&told.stderr);
    assert_eq!(told.exit, 78);
}

/// As Natural Earth's countries: several share the number of the country that they belong to.
#[test]
fn zones_of_one_id_are_told_which_property_would_do() {
    let site = Site::new();
    site.write("zones.geojson", ZONES.replace("\"middle\"", "\"036\"").replace("\"west\"", "\"036\""));
    let told = site.rhumb(&["zones", "check", "zones.geojson"]);
    expect![[r#"
        zones.geojson:4:1: error: feature 1 (id "036"): has the same id as feature 0: give each zone its own, or set id_property = "name", which differs for all features
        zones.geojson: 1 mistake
    "#]].assert_eq(&told.stderr);
    assert_eq!(told.exit, 78);
    let named = site.done(&["zones", "show", "zones.geojson", "--id-property", "name"]).stdout;
    assert!(named.starts_with("Middle\t") && named.contains("\nWest\t"), "{named}");
}

#[test]
fn simulated_fleet_is_the_same_for_the_same_seed() {
    let site = Site::new();
    let simulate = |seed, codec, file| {
        let fleet = ["simulate", "--vehicles", "20", "--seconds", "60", "--seed", seed, "--codec", codec, "-o", file];
        let told = site.done(&fleet);
        assert_eq!((told.stdout, told.stderr), (String::new(), "wrote 120 frames\n".to_owned()));
        std::fs::read(site.path(file)).expect("a file")
    };
    assert_eq!(simulate("1", "csv", "a"), simulate("1", "csv", "b"));
    assert_ne!(simulate("1", "csv", "a"), simulate("2", "csv", "b"));
    let decoded = |codec, file| {
        simulate("1", codec, file);
        let told = site.done(&["decode", codec, file]);
        let frame =
            |line: &Value| [&line["vehicle_id"], &line["event_time"], &line["lat"], &line["lon"]].map(Value::clone);
        lines(&told.stdout).iter().map(frame).collect::<Vec<_>>()
    };
    let frames = decoded("csv", "csv");
    assert_eq!(frames.len(), 120);
    assert_eq!(decoded("json", "json"), frames);
    assert_eq!(decoded("binary", "binary"), frames);
    let piped = site.done(&["simulate", "--vehicles", "20", "--seconds", "60", "--seed", "1", "--codec", "csv"]);
    assert_eq!(piped.stdout.into_bytes(), std::fs::read(site.path("csv")).expect("a file"));
}

#[test]
fn simulate_refuses_what_it_cannot_do() {
    let site = Site::new();
    let usage: [&[&str]; 8] = [
        &["simulate", "--vehicles", "0", "-o", "x"],
        &["simulate", "--late", "1.5", "-o", "x"],
        &["simulate", "--codec", "morse", "-o", "x"],
        &["simulate", "--to-udp", "127.0.0.1:9", "-o", "x"],
        &["simulate", "--to-udp", "nowhere"],
        &["simulate", "--to-udp", "127.0.0.1:9", "--codec", "csv"],
        &["simulate", "--to-udp", "127.0.0.1:9", "--codec", "binary", "--frames-per-datagram", "2"],
        &["simulate", "--max", "-o", "x"],
    ];
    check_refused(
        &site,
        2,
        &usage,
        expect![[r#"
        simulate --vehicles 0 -o x
            error: vehicles is 0, the least is 1; rate_per_s is 0, must be above 0
        simulate --late 1.5 -o x
            error: shares of faults must not be negative and not be more than 1 together
        simulate --codec morse -o x
            error: invalid value 'morse' for '--codec <CODEC>'
            [possible values: csv, json, binary]
        simulate --to-udp 127.0.0.1:9 -o x
            error: the argument '--to-udp <ADDRESS>' cannot be used with '--output <FILE>'
        simulate --to-udp nowhere
            error: invalid value 'nowhere' for '--to-udp <ADDRESS>': invalid socket address syntax
        simulate --to-udp 127.0.0.1:9 --codec csv
            error: a datagram of csv has no header line; send json or binary
        simulate --to-udp 127.0.0.1:9 --codec binary --frames-per-datagram 2
            error: binary sends one frame a datagram here; leave --frames-per-datagram out, or send json
        simulate --max -o x
            error: the argument '--max' cannot be used with '--output <FILE>'
    "#]],
    );
    assert!(!site.path("x").exists(), "nothing was written");
    check_refused(
        &site,
        1,
        &[&["simulate", "-o", "none/x"]],
        expect![[r#"
        simulate -o none/x
            error: write none/x: No such file or directory (os error 2)
    "#]],
    );
}

/// A lake with three frames and two alerts.
fn lake() -> Site {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    site.write(
        "frames.csv",
        "id,ts,lat,lon,speed\ncar,1767592800,30.25,-97.7,1.5\ncar,1767593000,30.25,-97.78,2.5\n\"b\"\"us\",1767592850,0.5,0,\n",
    );
    let source = "name = \"cars\"\ndata = \"data\"\n[[source]]\nname = \"s\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n";
    site.write("cars.toml", format!("{source}{MAIN_JOB}"));
    site.done(&["run", "cars.toml", "--until-end"]);
    site
}

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
    site.done(&["query", "--data", "data", &flat, "--format", "csv", "-o", "rows.csv"]);
    assert_eq!(std::fs::read_to_string(site.path("rows.csv")).expect("a file"), csv);
    let refused = site.rhumb(&["query", "cars.toml", FRAMES, "--format", "csv"]);
    let said = "error: csv cannot hold the list zone_ids: select array_to_string(zone_ids, ' ') or use json\n";
    assert_eq!((refused.exit, &*refused.stderr), (1, said));
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
            error: open the lake none: No such file or directory (os error 2)
        query cars.toml selec 1
            error: this is not SQL that we know: sql parser error: Expected: an SQL statement, found: selec at Line: 1, Column: 1
        query cars.toml select speed from history
            error: there is no column speed; there are vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop, satellites, source, late, zone_ids, epoch, event_date
        query cars.toml select * from trips
            error: there is no table trips; there are alerts, current, history, rejects, windows_zones, windows_zones_revisions
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
fn explain_names_the_columns_that_are_stored() {
    let site = lake();
    let plan = site.done(&["explain", "cars.toml"]).stdout;
    let tables = plan.split("\ntables\n").nth(1).and_then(|rest| rest.split("\ndata\n").next()).expect("tables");
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for line in tables.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("    ") {
            None => told.push((line.trim().to_owned(), Vec::new())),
            Some(columns) => {
                let columns = columns.trim().trim_start_matches("columns").split(',').map(str::trim);
                let known = &mut told.last_mut().expect("a table's name comes first").1;
                known.extend(columns.filter(|column| !column.is_empty()).map(str::to_owned));
            }
        }
    }
    assert_eq!(told.len(), 4, "{plan}");
    for (table, columns) in told {
        // What is stored of a window is in the table of its revisions.
        let table = if table.starts_with("windows_") { format!("{table}_revisions") } else { table };
        let answer = site.done(&["query", "cars.toml", &format!("select * from {table} limit 0")]).stdout;
        let head = answer.lines().next().expect("the names of the columns");
        assert_eq!(head.split_whitespace().collect::<Vec<_>>(), columns, "{table}");
    }
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
        north  true           1    4.0
        south  false          1
                              1
        3 rows
    "#]]
    .assert_eq(&site.done(&["query", "cars.toml", sql]).stdout);
}
