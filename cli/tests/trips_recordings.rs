//! Trips and stops of real recordings, through the real binary, held against an oracle over the history that the same run
//! wrote: told frame by frame as they came, they are those of the whole path in order of time, but for frames that came
//! later than frames are held back.

#[path = "../../tests/needed.rs"]
mod needed;
mod support;
#[path = "../../operators/tests/trip_oracle/mod.rs"]
mod trip_oracle;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use support::Site;
use trip_oracle::{Fix, Found, Rules, find};

const RULES: Rules = Rules { radius_m: 200.0, stop_us: 180_000_000, gap_us: 3_600_000_000 };

/// Copies so many lines of a recording.
fn unpack(recording: &Path, lines: usize, to: &Path) {
    let packed = std::fs::File::open(recording).expect("a recording");
    let reader: Box<dyn std::io::Read> = match recording.extension().and_then(|e| e.to_str()) {
        Some("zst") => Box::new(zstd::Decoder::new(packed).expect("zstd")),
        _ => Box::new(flate2::read::MultiGzDecoder::new(packed)),
    };
    let mut to = BufWriter::new(std::fs::File::create(to).expect("a file"));
    for line in BufReader::new(reader).lines().take(lines) {
        writeln!(to, "{}", line.expect("text")).expect("write");
    }
}

/// Rows of a query, by the first column.
fn by_vehicle(site: &Site, sql: &str) -> BTreeMap<String, Vec<Vec<String>>> {
    let told = site.done(&["query", "trips.toml", sql, "--format", "csv"]).stdout;
    let mut rows: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for row in csv::Reader::from_reader(told.as_bytes()).records() {
        let row = row.expect("a row");
        rows.entry(row[0].to_owned()).or_default().push(row.iter().skip(1).map(str::to_owned).collect());
    }
    rows
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

fn fix(row: &[String]) -> Fix {
    let time = row[0].parse().expect("a time");
    Fix { time, lat: number(&row[1]), lon: number(&row[2]), speed_mps: row[3].parse().ok(), ignition: None }
}

/// Frames of the history, and what is left of them in order of time when so many of a vehicle are held back: a frame that
/// is older than one that is held no more came too late. Gives how many did.
fn paths(trace: &Path, history: &BTreeMap<String, Vec<Fix>>, keep: usize) -> (BTreeMap<String, Vec<Fix>>, u64) {
    let mut accepted: BTreeMap<&str, HashMap<i64, Vec<Fix>>> = BTreeMap::new();
    for (vehicle, path) in history {
        let by_time = accepted.entry(vehicle).or_default();
        path.iter().for_each(|fix| by_time.entry(fix.time).or_default().push(*fix));
    }
    let mut all: BTreeMap<String, (Vec<Fix>, Vec<Fix>)> = BTreeMap::new();
    let mut too_late = 0;
    // As they came.
    for row in csv::Reader::from_path(trace).expect("a recording").records() {
        let row = row.expect("a row");
        let time = row[1].parse::<i64>().expect("milliseconds") * 1000;
        let Some(left) = accepted.get_mut(&row[0]).and_then(|left| left.get_mut(&time)) else { continue };
        let is_it = |fix: &Fix| [fix.lat, fix.lon] == [&row[2], &row[3]].map(number);
        let Some(fix) = left.iter().position(is_it).map(|at| left.swap_remove(at)) else { continue };
        let (passed, held) = all.entry(row[0].to_owned()).or_default();
        if passed.last().is_some_and(|last| fix.time < last.time) {
            too_late += 1;
        } else {
            held.insert(held.partition_point(|other| other.time <= fix.time), fix);
            if held.len() > keep {
                passed.push(held.remove(0));
            }
        }
    }
    assert!(
        accepted.values().flat_map(HashMap::values).all(Vec::is_empty),
        "every frame of the history stands in the recording"
    );
    (all.into_iter().map(|(vehicle, (passed, held))| (vehicle, [passed, held].concat())).collect(), too_late)
}

fn near(told: f64, expected: f64) -> bool {
    (told - expected).abs() <= expected.abs() * 1e-6 + 1e-6 || told.is_nan() && expected.is_nan()
}

/// Whether a row of the table is what the oracle found.
fn is_same(row: &[String], path: &[Fix], found: &Found) -> bool {
    let (first, last, place) = (path[found.first], path[found.last], path[found.place]);
    let measured = RULES.measure(&path[found.first..=found.last]);
    let seconds = |us: i64| us as f64 / 1e6;
    let times = [first.time, last.time].map(|time| time.to_string());
    let frames = (found.last - found.first + 1).to_string();
    let mut expected = vec![seconds(last.time - first.time)];
    if found.is_trip {
        expected.extend([measured.distance_m, measured.distance_m / expected[0], seconds(measured.standing_us)]);
        expected.push(measured.speed_max_mps.map_or(f64::NAN, f64::from));
        expected.extend([first.lat, first.lon, last.lat, last.lon]);
    } else {
        expected.extend([place.lat, place.lon]);
    }
    row[..2] == times
        && row[2] == found.ended
        && row[3] == frames
        && row[4..].len() == expected.len()
        && row[4..].iter().zip(expected).all(|(told, expected)| near(number(told), expected))
}

/// Runs trips over so many lines of a recording, with so many frames held back; `validate` are settings of it. Expects at
/// least so many trips, stops, and frames that came too late.
#[track_caller]
fn check(recording: &str, lines: usize, validate: &str, keep: usize, at_least: [u64; 3]) {
    let Some(traces) = needed::real_data("traces") else { return };
    let site = Site::new();
    unpack(&traces.join(recording), lines, &site.path("trace.csv"));
    let pipeline = format!(
        "name = \"trips\"\ndata = \"data\"\n[engine]\nshards = 2\nepoch_rows = 50000\nlateness = \"1d\"\npath_keep = {keep}\n\
         [[source]]\nname = \"trace\"\n[source.file]\npath = \"trace.csv\"\ncodec = \"csv\"\n\
         [[operator]]\n[operator.validate]\n{validate}\n\
         [[operator]]\n[operator.trips]\n"
    );
    site.write("trips.toml", pipeline);
    site.done(&["run", "trips.toml", "--until-end", "--summary", "summary.json"]);

    let history = "select vehicle_id, arrow_cast(event_time, 'Int64'), lat, lon, speed_mps from history \
                   order by vehicle_id, event_time";
    let history = by_vehicle(&site, history);
    let history = history.iter().map(|(vehicle, rows)| (vehicle.clone(), rows.iter().map(|row| fix(row)).collect()));
    let (paths, too_late) = paths(&site.path("trace.csv"), &history.collect(), keep);
    assert_eq!(site.json("summary.json")["too_late"]["trips"].as_u64().unwrap_or_default(), too_late);

    let told = |table: &str, columns: &str| {
        let columns = format!(
            "select vehicle_id, arrow_cast(start_time, 'Int64'), arrow_cast(end_time, 'Int64'), ended, frames, duration_s, \
             {columns} from {table} order by vehicle_id, start_time"
        );
        by_vehicle(&site, &columns)
    };
    let trips =
        told("trips", "distance_m, speed_avg_mps, standing_s, speed_max_mps, start_lat, start_lon, end_lat, end_lon");
    let stops = told("stops", "lat, lon");
    let mut counts = [0, 0, too_late];
    let none = Vec::new();
    for (vehicle, path) in &paths {
        let found = find(path, &RULES);
        for (table, count, is_trip) in [(&trips, 0, true), (&stops, 1, false)] {
            let told = table.get(vehicle).unwrap_or(&none);
            let expected: Vec<&Found> = found.iter().filter(|found| found.is_trip == is_trip).collect();
            counts[count] += expected.len() as u64;
            for (n, found) in expected.iter().enumerate() {
                let row = told.get(n).unwrap_or_else(|| panic!("{vehicle}: {found:?} is missing"));
                assert!(is_same(row, path, found), "{vehicle}: {row:?} is not {found:?}");
            }
            assert_eq!(told.len(), expected.len(), "{vehicle}");
        }
    }
    println!("{recording}: {} trips, {} stops, {} frames too late", counts[0], counts[1], counts[2]);
    assert!(counts.iter().zip(at_least).all(|(count, at_least)| *count >= at_least), "{counts:?}");
}

const AUSTIN: &str = "austin_capmetro_buses_2015_2017.csv.zst";

/// Blocks of frames come hours late here, up to some hundred frames of a bus at once. On later days only a few buses were
/// recorded: the clocks of their lanes run ahead by months there, as if the others had fallen silent.
#[test]
fn trips_of_the_austin_buses_are_those_of_their_history() {
    check(AUSTIN, 300_000, "", 1024, [5_000, 5_000, 0]);
}

#[test]
fn trips_of_buses_whose_frames_come_later_than_frames_are_held_are_those_of_the_rest() {
    check(AUSTIN, 100_000, "", 16, [1000, 1000, 10_000]);
}

#[test]
fn trips_of_the_first_cabs_of_san_francisco_are_those_of_their_history() {
    check("sf_cabspotting_537cabs_timeordered.csv.zst", 1_000_000, "", 16, [10_000, 10_000, 0]);
}

#[test]
fn trips_of_cars_bikes_and_aircraft_are_those_of_their_history() {
    check("gpx_mixed_tracks.csv.gz", usize::MAX, "off = [\"speed_max\"]", 16, [100, 50, 0]);
}

#[test]
fn trips_of_the_buses_of_liverpool_are_those_of_their_history() {
    check("liverpool_bus_route14.csv.gz", usize::MAX, "", 16, [1, 1, 0]);
}

const MIDNIGHT_MS: i64 = 19_675 * 86_400_000;

/// A bus on the equator that drives for ten minutes east and stands for ten; so often, from this minute on. A frame a minute.
fn rounds(vehicle: &str, from_minute: i64, minutes: i64) -> String {
    let frame = |minute: i64| {
        let driven = minute / 20 * 10 + (minute % 20).min(10);
        format!("{vehicle},{},0.0,{}\n", MIDNIGHT_MS + minute * 60_000, driven as f64 * 0.005)
    };
    (from_minute..from_minute + minutes).map(frame).collect()
}

#[test]
fn what_is_open_at_the_end_of_a_run_is_told_anew_by_the_next_and_is_one_row() {
    let site = Site::new();
    let zone = |id: &str, west: f64, east: f64| {
        format!(
            r#"{{"type":"Feature","id":"{id}","properties":{{}},"geometry":{{"type":"Polygon","coordinates":[[[{west},-1],[{east},-1],[{east},1],[{west},1],[{west},-1]]]}}}}"#
        )
    };
    let zones = [zone("depot", -1.0, 0.01), zone("school", 0.045, 0.06), zone("town", 0.03, 0.2)].join(",");
    site.write("zones.geojson", format!(r#"{{"type":"FeatureCollection","features":[{zones}]}}"#));
    for (run, frames) in [rounds("bus", 0, 25), rounds("bus", 25, 30)].into_iter().enumerate() {
        site.write(&format!("{run}.csv"), format!("vehicle_id,ts,lat,lon\n{frames}"));
        let source = format!("[[source]]\nname = \"run{run}\"\n[source.file]\npath = \"{run}.csv\"\ncodec = \"csv\"\n");
        let operators =
            "[[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\n[[operator]]\n[operator.trips]\n";
        site.write("trips.toml", format!("name = \"trips\"\ndata = \"data\"\n{source}{operators}"));
        site.done(&["run", "trips.toml", "--until-end"]);
    }
    let minutes =
        "extract(hour from start_time) * 60 + extract(minute from start_time), duration_s / 60, ended, revision";
    let trips = format!(
        "select {minutes}, array_to_string(start_zone_ids, ' '), array_to_string(end_zone_ids, ' ') from trips order by start_time"
    );
    let stops = format!("select {minutes}, array_to_string(zone_ids, ' ') from stops order by start_time");
    assert_eq!(
        site.ask("trips.toml", &trips),
        ["0,10.0,stopped,0,depot,school town", "20,10.0,stopped,1,school town,town", "40,10.0,stopped,0,town,town",]
    );
    assert_eq!(
        site.ask("trips.toml", &stops),
        ["10,10.0,moved,0,school town", "30,10.0,moved,0,town", "50,4.0,silent,0,town"]
    );
    let revisions = "select count(*), count(distinct trip_id) from trips_revisions";
    assert_eq!(site.ask("trips.toml", revisions), ["4,3"]);
}
