//! Zones and tables that change while the real binary runs, and between two runs of it.

mod support;

use serde_json::{Value, json};
use std::net::UdpSocket;
use support::{Site, Started, wait_until};

const ENGINE: &str = "name = \"live\"\ndata = \"data\"\n[engine]\n";
const SOURCE: &str = "[[source]]\nname = \"trackers\"\n[source.udp]\nlisten = \"127.0.0.1:0\"\ncodec = \"json\"\n";

/// Squares around the car, each with half its side in thousandths of a degree.
fn zones(squares: &[(&str, f64)]) -> String {
    let feature = |(id, half): &(&str, f64)| {
        let [w, s, e, n] = [-97.75 - half * 0.001, 30.25 - half * 0.001, -97.75 + half * 0.001, 30.25 + half * 0.001];
        json!({"type": "Feature", "id": id, "properties": {"name": id.to_uppercase()}, "geometry":
            {"type": "Polygon", "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]]}})
    };
    let features: Vec<Value> = squares.iter().map(feature).collect();
    json!({"type": "FeatureCollection", "features": features}).to_string()
}

fn site(engine: &str, operators: &str) -> Site {
    let site = Site::new();
    site.write("live.toml", format!("{ENGINE}{engine}\n{SOURCE}{operators}"));
    site
}

const GEOFENCE: &str = "[[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\n";

struct Run<'a> {
    site: &'a Site,
    started: Started,
    socket: UdpSocket,
    address: String,
}

impl<'a> Run<'a> {
    fn start(site: &'a Site) -> Run<'a> {
        let mut started = site.start(&["run", "live.toml", "--summary", "summary.json"]);
        let address = started.listening();
        Run { site, started, socket: UdpSocket::bind("127.0.0.1:0").expect("a socket"), address }
    }

    /// Sends frames of a car in the middle and waits until they are committed.
    fn frames(&self, frames: u64) {
        let committed = rows_committed(self.site) + frames;
        let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_micros() as u64;
        for n in 0..frames {
            let time = since - frames + n;
            let frame = format!(r#"{{"vehicle_id": "car", "lat": 30.25, "lon": -97.75, "ts": {time}}}"#);
            self.socket.send_to(frame.as_bytes(), &self.address).expect("sent");
        }
        wait_until("they are committed", || rows_committed(self.site) == committed);
    }

    /// Stops it as a person would, and gives its summary and all that it said.
    fn stop(self) -> (Value, String) {
        let (exit, told) = self.started.interrupt_and_end();
        assert_eq!(exit, 0, "{told}");
        (self.site.json("summary.json"), told)
    }
}

fn newest_manifest(site: &Site) -> Option<Value> {
    let entries = std::fs::read_dir(site.path("data/manifests")).ok()?;
    let newest = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .max()?;
    serde_json::from_slice(&std::fs::read(newest).ok()?).ok()
}

fn rows_committed(site: &Site) -> u64 {
    newest_manifest(site).and_then(|manifest| manifest["totals"]["history_rows"].as_u64()).unwrap_or(0)
}

fn alerts(site: &Site) -> Vec<String> {
    let sql = "select kind, zone_id, coalesce(reason, ''), zone_version from alerts order by zone_version, kind desc, zone_id";
    let mut alerts = site.ask("live.toml", sql);
    alerts.sort_by_key(|alert| alert.rsplit(',').next().map(str::to_owned));
    alerts
}

#[test]
fn zones_that_change_while_it_runs_and_between_runs_are_told_of_a_vehicle_that_stands_still() {
    let site = site("epoch = \"200ms\"", GEOFENCE);
    site.write("zones.geojson", zones(&[("old", 5.0), ("wide", 9.0)]));
    let mut run = Run::start(&site);
    run.frames(1);

    let next = zones(&[("new", 4.0), ("wide", 9.0)]);
    site.write("zones.geojson", next.replace("-97.754", "\"west\""));
    let said = run.started.wait_for("zones zones.geojson: refused, version 1 stays in force: ");
    assert!(said.contains("zones.geojson:1:") && said.contains("operator geofence: feature 0 (id \"new\")"), "{said}");

    site.write("zones.geojson", &next);
    run.started.wait_for("zones zones.geojson: version 2, +1 zone, -1");
    run.frames(1);
    let kept = newest_manifest(&site).expect("a manifest")["references"]["geofence"][0]["file"].clone();
    let kept = std::fs::read_to_string(site.path("data").join(kept.as_str().expect("a file"))).expect("it is kept");
    assert_eq!(kept, next, "what is in force is in the data folder");
    site.write("zones.geojson", "[]");
    run.started.wait_for("zones zones.geojson: refused, version 2 stays in force: ");
    let (summary, _) = run.stop();
    let version = &summary["versions"]["geofence"];
    assert_eq!((&version["path"], &version["version"]), (&json!("zones.geojson"), &json!(2)), "{summary}");
    assert!(version["refused"].as_str().is_some_and(|why| why.contains("zones.geojson:1:2: ")), "{summary}");
    let first = ["enter,old,,1", "enter,wide,,1", "exit,old,zone_removed,2", "enter,new,zone_added,2"];
    assert_eq!(alerts(&site), first);

    // At a start a file that cannot be used is a mistake.
    assert_eq!(site.rhumb(&["run", "live.toml"]).exit, 78);
    site.write("zones.geojson", zones(&[("third", 1.0), ("wide", 9.0)]));
    let (summary, told) = Run::start(&site).stop();
    assert!(told.contains("zones zones.geojson: version 3, +1 zone, -1"), "{told}");
    assert_eq!(summary["versions"]["geofence"]["version"], 3);
    let second = [&first[..], &["exit,new,zone_removed,3", "enter,third,zone_added,3"]].concat();
    assert_eq!(alerts(&site), second);
    let (summary, told) = Run::start(&site).stop();
    assert!(!told.contains("version "), "nothing has changed: {told}");
    assert_eq!(summary["versions"]["geofence"]["version"], 3);
    assert_eq!(alerts(&site), second);
    let kept = std::fs::read_dir(site.path("data/reference")).expect("a folder").count();
    assert_eq!(kept, 1, "what no manifest needs is gone");
}

/// The version is in a manifest before anything that it means is.
#[test]
fn killed_between_a_version_and_what_it_means_the_next_run_tells_that_once() {
    // Frames and versions end epochs; the clock does not.
    let site = site("epoch = \"1h\"\nepoch_rows = 1000", GEOFENCE);
    site.write("zones.geojson", zones(&[("old", 5.0)]));
    let mut run = Run::start(&site);
    run.frames(1000);
    site.write("zones.geojson", zones(&[("new", 4.0)]));
    run.started.wait_for("zones zones.geojson: version 2, +1 zone, -1");
    let versions = newest_manifest(&site).expect("a manifest")["references"]["geofence"].clone();
    assert_eq!([&versions[0]["version"], &versions[1]["version"]], [1, 2], "{versions}");
    // Killed: the next epoch is an hour away.
    drop(run);
    let first = ["enter,old,,1"];
    assert_eq!(alerts(&site), first);
    // Whatever the file holds by now, the second version was in force before the third.
    site.write("zones.geojson", zones(&[("new", 4.0), ("third", 3.0)]));
    let (_, told) = Run::start(&site).stop();
    assert!(told.contains("zones zones.geojson: version 3, +1 zone"), "{told}");
    let all = ["enter,old,,1", "exit,old,zone_removed,2", "enter,new,zone_added,2", "enter,third,zone_added,3"];
    assert_eq!(alerts(&site), all);
    let (_, _) = Run::start(&site).stop();
    assert_eq!(alerts(&site), all);
}

#[test]
fn table_that_changes_holds_for_frames_after_it_and_zones_that_are_not_watched_wait_for_the_next_start() {
    let enrich = "[[operator]]\n[operator.enrich]\ntable = \"vehicles.csv\"\n";
    let site = site("epoch = \"200ms\"", &format!("{enrich}{GEOFENCE}watch = false\n"));
    site.write("zones.geojson", zones(&[("old", 5.0)]));
    site.write("vehicles.csv", "vehicle_id,fleet,tons\ncar,red,3\n");
    let plan = site.done(&["explain", "live.toml"]).stdout;
    assert!(plan.contains("vehicles.csv, watched: a change takes effect while it runs"), "{plan}");
    assert!(plan.contains("zones.geojson: a change takes effect at the next start"), "{plan}");
    let mut run = Run::start(&site);
    run.frames(1);
    site.write("zones.geojson", zones(&[("new", 5.0)]));
    site.write("vehicles.csv", "vehicle_id,fleet,tons\ncar,blue,heavy\n");
    let said = run.started.wait_for("table vehicles.csv: refused, version 1 stays in force: ");
    assert!(said.contains("column \"tons\" holds texts now, and held whole numbers"), "{said}");
    run.frames(1);
    site.write("vehicles.csv", "vehicle_id,fleet,tons\ncar,blue,4\nbus,green,9\n");
    run.started.wait_for("table vehicles.csv: version 2, +1 vehicle, 1 changed");
    run.frames(1);
    let (summary, _) = run.stop();
    let versions = ["enrich", "geofence"].map(|operator| summary["versions"][operator]["version"].clone());
    assert_eq!(versions, [json!(2), json!(1)]);
    let history =
        site.ask("live.toml", "select fleet, tons, array_to_string(zone_ids, ' ') from history order by event_time");
    assert_eq!(history, ["red,3,old", "red,3,old", "blue,4,old"]);
    let (summary, told) = Run::start(&site).stop();
    assert!(told.contains("zones zones.geojson: version 2, +1 zone, -1"), "{told}");
    assert_eq!(summary["versions"]["geofence"]["version"], 2);
    assert_eq!(alerts(&site), ["enter,old,,1", "exit,old,zone_removed,2", "enter,new,zone_added,2"]);
}
