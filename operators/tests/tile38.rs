//! Sequences of positions with the events that Tile38 gives (its own tests, MIT): ours say the same where both have a
//! word for it. What differs stands in `docs/ZONES.md`, and here as what is left out.

mod common;

use common::{Report, run};
use rhumb_engine::alert::AlertKind;
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::geofence::GeofenceConfig;
use serde_json::{Value, json};
use std::sync::Arc;

/// `roam` is two vehicles near each other, which is no zone. A list of `inside` and `outside` asks for a state at every
/// report, which is the column `zone_ids` and no alert.
const OURS: [&str; 3] = ["enter", "exit", "cross"];

fn zones_of(sequence: &Value) -> Option<Arc<Zones>> {
    let zone = |fence: &Value| {
        let shape = &fence["shape"];
        let (geometry, properties) = match shape["type"].as_str()? {
            "circle" => (
                json!({"type": "Point", "coordinates": [shape["lon"], shape["lat"]]}),
                json!({"radius_m": shape["radius_m"]}),
            ),
            "Polygon" => (shape.clone(), json!({})),
            "bounds" => {
                let [s, w, n, e] = ["min_lat", "min_lon", "max_lat", "max_lon"].map(|name| &shape[name]);
                (json!({"type": "Polygon", "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]]}), json!({}))
            }
            _ => return None,
        };
        Some(json!({"type": "Feature", "id": fence["name"], "properties": properties, "geometry": geometry}))
    };
    let features = sequence["fences"].as_array()?.iter().map(zone).collect::<Option<Vec<Value>>>()?;
    let text = json!({"type": "FeatureCollection", "features": features}).to_string();
    Some(Arc::new(Zones::from_geojson(&text, &ZoneOptions::default()).expect("valid zones").0))
}

#[test]
fn sequences_give_the_events_of_tile38() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/fences/tile38_fence_sequences.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        assert!(std::env::var_os("CI").is_none(), "CI needs {path}");
        eprintln!("SKIPPED: there is no {path}");
        return;
    };
    let sequences: Value = serde_json::from_str(&text).expect("JSON");
    let mut compared = 0;
    for sequence in sequences.as_array().expect("sequences") {
        let name = sequence["id"].as_str().expect("a name");
        let Some(zones) = zones_of(sequence) else {
            assert_eq!(name, "tile38-roaming");
            continue;
        };
        let initial: Vec<Value> = sequence["initial"].as_array().cloned().unwrap_or_default();
        let steps = sequence["steps"].as_array().expect("steps");
        let sets = initial.iter().chain(steps.iter().map(|step| &step["set"]));
        let reports: Vec<Report> = (0..)
            .zip(sets)
            .map(|(n, set)| Report {
                vehicle: set["id"].as_str().expect("an id").to_owned(),
                time_s: 60 * n,
                lat: set["lat"].as_f64().expect("a latitude"),
                lon: set["lon"].as_f64().expect("a longitude"),
                ..Report::default()
            })
            .collect();
        let alerts = vec![AlertKind::Enter, AlertKind::Exit, AlertKind::Cross];
        let told = run(GeofenceConfig { alerts, ..GeofenceConfig::plain(zones.clone(), "test") }, &reports, 100);
        for (n, step) in steps.iter().enumerate() {
            let frame = reports[initial.len() + n].time_s * 1_000_000;
            let now = told.iter().filter(|(_, alert)| alert.frame_time.0 == frame);
            let ours: Vec<_> = now.map(|(_, a)| (a.event_time, a.kind.name(), zones.id(a.zone).to_owned())).collect();
            assert!(ours.is_sorted_by_key(|(time, ..)| *time), "{name}: in order of time");
            let mut ours: Vec<(&str, String)> = ours.into_iter().map(|(_, kind, zone)| (kind, zone)).collect();
            let detect = &sequence["fences"][0]["detect"];
            let asked = |kind: &str| detect.is_string() || detect.as_array().is_some_and(|d| d.contains(&json!(kind)));
            ours.retain(|(kind, _)| asked(kind));
            let events = step["expect"].as_array().expect("events").iter();
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            let mut theirs: Vec<(&str, String)> = events
                .filter_map(|event| Some((*OURS.iter().find(|kind| event["detect"] == **kind)?, text(&event["fence"]))))
                .collect();
            // In one report Tile38 orders by name, we by the time of the crossing.
            ours.sort();
            theirs.sort();
            assert_eq!(ours, theirs, "{name}, step {n}");
            compared += theirs.len();
        }
    }
    assert!(compared >= 10, "{compared}");
}
