//! Zones and tables that change between two epochs: the law of operators holds across a change as it does without, and no
//! alert of before is told twice or taken back wrongly.

mod chains;

use chains::{Chains, lines};
use proptest::prelude::*;
use rhumb_engine::alert::{AlertKind, AlertReason};
use rhumb_engine::frame::{Frame, core_columns};
use rhumb_engine::message::Output;
use rhumb_engine::operator::OperatorPlan;
use rhumb_engine::reference::Change;
use rhumb_engine::time::{EventTime, SECOND_US};
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::enrich::{self, EnrichConfig, EnrichPlan, VehicleTable};
use rhumb_operators::geofence::{self, GeofenceConfig, GeofencePlan, ZoneRules, glob};
use rhumb_operators::trips::{TripsConfig, TripsPlan};
use rhumb_operators::window::{Aggregate, Shape, WindowConfig, WindowPlan};
use std::collections::HashSet;
use std::sync::Arc;

/// Longer than any story: no frame is in doubt because it is far ahead.
const LATENESS_US: i64 = 3_600 * SECOND_US;
const WINDOW_LATENESS_US: i64 = 20 * SECOND_US;

#[derive(Debug, Clone)]
struct Drawn {
    vehicle: u8,
    time_s: i64,
    at: (i32, i32),
    accuracy_m: Option<f32>,
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let accuracy = prop::option::weighted(0.3, prop::sample::select(vec![5f32, 60.0]));
    let one = (0u8..7, 0i64..40, (-3i32..12, -3i32..12), accuracy);
    prop::collection::vec(one, 1..90).prop_map(|all| {
        let mut seen = HashSet::new();
        let all = all.into_iter().zip(0..).map(|((vehicle, jitter, at, accuracy_m), n)| {
            let late_s = if jitter % 4 == 0 { 3 * jitter } else { 0 };
            Drawn { vehicle, time_s: 1_000 + 5 * n - late_s, at, accuracy_m }
        });
        all.filter(|drawn| seen.insert((drawn.vehicle, drawn.time_s))).collect()
    })
}

/// A zone of some version: id, square (west, south, side) in thousandths of a degree, which rules.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Zone(&'static str, (i32, i32, i32), u8);

fn zones() -> impl Strategy<Value = Vec<Zone>> {
    let square = || prop::sample::select(vec![(0, 0, 4), (2, 2, 4), (0, 0, 9), (5, 0, 3)]);
    let zone =
        |id| prop::option::weighted(0.7, (square(), 0u8..6).prop_map(move |(square, rules)| Zone(id, square, rules)));
    let four = (zone("a"), zone("b"), zone("c"), zone("d"), any::<bool>());
    four.prop_map(|(a, b, c, d, turned)| {
        let mut zones: Vec<Zone> = [a, b, c, d].into_iter().flatten().collect();
        if turned {
            zones.reverse();
        }
        zones
    })
}

fn rules(of: u8) -> ZoneRules {
    let plain = ZoneRules::plain();
    match of {
        0 => plain,
        1 => ZoneRules { dwell_us: Some(20 * SECOND_US), ..plain },
        2 => ZoneRules { dwell_us: Some(45 * SECOND_US), speed_limit_mps: Some(15.0), ..plain },
        3 => ZoneRules { exit_buffer_m: 150.0, confirm_frames: 2, dwell_us: Some(20 * SECOND_US), ..plain },
        4 => ZoneRules { accuracy_max_m: 20.0, ..plain },
        _ => ZoneRules { vehicles: vec![glob::Pattern::new("v[0-3]").expect("a pattern")], ..plain },
    }
}

fn config(zones: &[Zone]) -> GeofenceConfig {
    let feature = |Zone(id, (west, south, side), _): &Zone| {
        let [w, s, e, n] = [*west, *south, west + side, south + side].map(|thousandth| f64::from(thousandth) * 0.001);
        format!(
            r#"{{"type":"Feature","id":"{id}","properties":{{}},"geometry":{{"type":"Polygon","coordinates":
            [[[{w},{s}],[{e},{s}],[{e},{n}],[{w},{n}],[{w},{s}]]]}}}}"#
        )
    };
    let features: Vec<String> = zones.iter().map(feature).collect();
    let text = format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","));
    let rules: Vec<ZoneRules> = zones.iter().map(|zone| rules(zone.2)).collect();
    let zones = Arc::new(Zones::from_geojson(&text, &ZoneOptions::default()).expect("valid zones").0);
    GeofenceConfig {
        rules: rules.into(),
        alerts: AlertKind::ALL.to_vec(),
        path_keep: 5,
        ..GeofenceConfig::plain(zones, "versions")
    }
}

fn table(of: usize) -> Arc<VehicleTable> {
    let text = ["vehicle_id,fleet\nv1,red\nv2,blue\n", "vehicle_id,fleet\nv1,blue\nv3,red\nv5,green\n"][of % 2];
    Arc::new(VehicleTable::from_csv(text.as_bytes(), "vehicle_id", None).expect("a table"))
}

fn window(name: &str, key: &[&str], empty_zones: &[Zone]) -> WindowPlan {
    let config = WindowConfig {
        name: name.to_owned(),
        shape: Shape::tumbling(30 * SECOND_US),
        key: key.iter().map(|k| (*k).to_owned()).collect(),
        aggregates: vec![("n".to_owned(), Aggregate::Count)],
        lateness_us: WINDOW_LATENESS_US,
        path_keep: 16,
        empty_zones: empty_zones.iter().map(|zone| zone.0.to_owned()).collect(),
    };
    let mut columns = core_columns();
    columns
        .extend(EnrichPlan::new("enrich", EnrichConfig { table: Some(table(0)), ..EnrichConfig::default() }).columns());
    WindowPlan::new(config, &columns)
}

fn plans(first: &[Zone]) -> Vec<Arc<dyn OperatorPlan>> {
    let trips =
        TripsConfig { stop_us: 30 * SECOND_US, gap_us: 60 * SECOND_US, path_keep: 3, ..TripsConfig::plain("v") };
    vec![
        Arc::new(EnrichPlan::new("enrich", EnrichConfig { table: Some(table(0)), ..EnrichConfig::default() })),
        Arc::new(GeofencePlan::new("geofence", config(first))),
        Arc::new(window("by_fleet", &["fleet", "zone_id"], &[])),
        Arc::new(window("by_zone", &["zone_id"], first)),
        Arc::new(TripsPlan::new("trips", trips)),
    ]
}

/// A version: after how many frames, the zones.
type Version = (usize, Vec<Zone>);

#[derive(Debug, Clone)]
struct Story {
    frames: Vec<Drawn>,
    first: Vec<Zone>,
    /// In order.
    versions: Vec<Version>,
}

fn stories() -> impl Strategy<Value = Story> {
    (drawn(), zones(), prop::collection::vec((0usize..90, zones()), 1..4)).prop_map(|(frames, first, mut versions)| {
        versions.iter_mut().for_each(|(after, _)| *after = (*after).min(frames.len()));
        versions.sort_by_key(|(after, _)| *after);
        Story { frames, first, versions }
    })
}

impl Story {
    /// What changes with each version, the first one included.
    fn changes(&self, version: usize) -> Vec<Change> {
        let zones = version.checked_sub(1).map_or(&self.first, |n| &self.versions[n].1);
        let number = version as u32 + 1;
        let zones = geofence::version("geofence", config(zones), number);
        let of = |operator: &str, content| Change { operator: operator.into(), version: number, content };
        vec![of("enrich", enrich::version(table(version))), of("geofence", zones)]
    }
}

#[derive(Debug, PartialEq, Default)]
struct Outcome {
    history: Vec<String>,
    alerts: Vec<String>,
    rows: Vec<String>,
    current: Vec<String>,
    too_late: u64,
}

/// Where a restart comes: before or after the changes of a version.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Restart {
    Never,
    Before(usize),
    After(usize),
}

fn run(story: &Story, cut: usize, shards: usize, restart: Restart) -> Outcome {
    let mut chains = Chains::new(plans(&story.first), LATENESS_US, shards);
    let mut outcome = Outcome::default();
    let (mut from, mut standing, mut seen) = (0, HashSet::new(), HashSet::new());
    let to = story.versions.iter().map(|(after, _)| *after).chain([story.frames.len()]);
    for (version, to) in to.enumerate() {
        for (n, batch) in story.frames[from..to].chunks(cut).enumerate() {
            for (row, drawn) in batch.iter().enumerate() {
                let frame = Frame {
                    vehicle: &format!("v{}", drawn.vehicle),
                    event_time: EventTime(drawn.time_s * SECOND_US),
                    // No line between two of these meets a corner of a square.
                    lat: f64::from(drawn.at.0) * 0.000_8 + 0.000_131,
                    lon: f64::from(drawn.at.1) * 0.000_81 + 0.000_113,
                    accuracy_m: drawn.accuracy_m,
                    ..Frame::default()
                };
                chains.push(from + n * cut + row, &frame);
            }
            let outputs = chains.process();
            outcome.take(outputs, &chains, &mut standing, &mut seen);
        }
        from = to;
        if version == story.versions.len() {
            break;
        }
        let merged = chains.barrier();
        outcome.rows.extend(merged.iter().flat_map(|(name, rows)| lines(name, rows)));
        if restart == Restart::Before(version) {
            chains = chains.restart_under(3, &story.changes(version));
        }
        for change in story.changes(version + 1) {
            let outputs = chains.change(&change);
            outcome.take(outputs, &chains, &mut standing, &mut seen);
        }
        if restart == Restart::After(version) {
            chains = chains.restart_under(2, &story.changes(version + 1));
        }
    }
    let (outputs, merged) = chains.end();
    outcome.take(outputs, &chains, &mut standing, &mut seen);
    outcome.rows.extend(merged.iter().flat_map(|(name, rows)| lines(name, rows)));
    outcome.current = chains.current.all().found.iter().map(|current| format!("{current:?}")).collect();
    for all in [&mut outcome.history, &mut outcome.alerts, &mut outcome.rows, &mut outcome.current] {
        all.sort();
    }
    outcome
}

impl Outcome {
    fn take(
        &mut self,
        outputs: Vec<Output>,
        chains: &Chains,
        standing: &mut HashSet<rhumb_engine::alert::AlertId>,
        seen: &mut HashSet<rhumb_engine::alert::AlertId>,
    ) {
        for output in outputs {
            let vehicles = &chains.vehicles[output.shard];
            for row in 0..output.frames.len() {
                let frame = output.frames.frame(row, vehicles);
                let zones = output.frames.zones.as_ref().expect("the geofence finds zones");
                let ids: Vec<&str> = zones.of(row).iter().map(|zone| zones.ids.value(*zone as usize)).collect();
                let fleet = output.frames.column("fleet").expect("enrich adds it");
                let fleet = arrow::util::display::array_value_to_string(&fleet, row).expect("a value");
                self.history.push(format!("{frame:?} {ids:?} {fleet}"));
            }
            for alerts in &output.effects.alerts {
                for row in 0..alerts.len() {
                    let alert = alerts.get(row);
                    assert!(seen.insert(alert.id), "an id is given once: {alert:?}");
                    if let Some(old) = alert.supersedes {
                        assert!(standing.remove(&old), "what is superseded stands: {alert:?}");
                    }
                    if alert.reason != AlertReason::Retracted {
                        standing.insert(alert.id);
                    }
                    let (vehicle, zone) = (vehicles.id(alert.vehicle), alerts.zones.ids.value(alert.zone as usize));
                    let alert = rhumb_engine::alert::Alert { vehicle: 0, zone: 0, ..alert };
                    self.alerts.push(format!("{vehicle} {zone} {} {alert:?}", alerts.zones.version));
                }
            }
            for rows in &output.effects.rows {
                self.rows.extend(lines(&rows.table, &rows.rows));
            }
            self.too_late += output.effects.counts.get("too_late.geofence").copied().unwrap_or(0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_batching_gives_the_same_output(story in stories(), cut in 1usize..30) {
        prop_assert_eq!(run(&story, cut, 1, Restart::Never), run(&story, 100, 1, Restart::Never));
    }

    #[test]
    fn any_number_of_shards_gives_the_same_output(story in stories(), shards in 2usize..6) {
        prop_assert_eq!(run(&story, 7, shards, Restart::Never), run(&story, 7, 1, Restart::Never));
    }

    #[test]
    fn a_restart_before_or_after_a_change_gives_the_same_output(story in stories(), at in 0usize..3, before: bool) {
        let at = at % story.versions.len();
        let restart = if before { Restart::Before(at) } else { Restart::After(at) };
        prop_assert_eq!(run(&story, 9, 1, restart), run(&story, 9, 1, Restart::Never));
    }

    /// Zones written in another order, or with other names for other attributes, are the same zones; but where a `dwell` was
    /// follows from the path, which begins anew with a version.
    #[test]
    fn a_version_that_changes_nothing_changes_nothing(frames in drawn(), zones in zones(), after in 0usize..90) {
        let after = after.min(frames.len());
        // Late frames reach back to a version and no further: none here.
        let frames: Vec<Drawn> = (0..).zip(frames).map(|(n, drawn)| Drawn { time_s: 1_000 + 5 * n, ..drawn }).collect();
        let turned: Vec<Zone> = zones.iter().rev().copied().collect();
        let told = |versions: Vec<Version>| {
            let story = Story { frames: frames.clone(), first: zones.clone(), versions };
            let outcome = run(&story, 9, 1, Restart::Never);
            let comparable = |alert: &String| {
                let parts: Vec<&str> = alert.splitn(4, ' ').collect();
                let of_dwell = parts[3].contains("kind: Dwell").then(|| parts[3].split_once("lat: ")).flatten();
                let what = of_dwell.map_or(parts[3].to_owned(), |(before, after)| {
                    format!("{before}{}", after.split_once("id: ").expect("an id").1)
                });
                [parts[0].to_owned(), parts[1].to_owned(), what]
            };
            let mut alerts: Vec<[String; 3]> = outcome.alerts.iter().map(comparable).collect();
            alerts.sort();
            alerts
        };
        prop_assert_eq!(told(vec![(after, turned)]), told(Vec::new()));
    }
}

#[test]
fn the_drawn_stories_reach_every_kind_of_alert() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut all = Outcome::default();
    for _ in 0..60 {
        let story = stories().new_tree(&mut runner).expect("a draw").current();
        let outcome = run(&story, 9, 1, Restart::Never);
        all.alerts.extend(outcome.alerts);
        all.rows.extend(outcome.rows);
        all.too_late += outcome.too_late;
    }
    let count = |words: &[&str]| all.alerts.iter().filter(|a| words.iter().all(|word| a.contains(word))).count();
    for words in [
        &["Enter", "ZoneAdded"][..],
        &["Exit", "ZoneRemoved"],
        &["Dwell", "Moved"],
        &["Dwell", "Retracted"],
        &["Enter", "late: true"],
        &["Overspeed"],
        &["Cross"],
    ] {
        assert!(count(words) > 5, "{words:?}: {}", count(words));
    }
    assert!(all.too_late > 0);
    let of_zones: Vec<&String> = all.rows.iter().filter(|row| row.contains("by_zone")).collect();
    assert!(of_zones.iter().any(|row| row.contains("| 0 |")), "{of_zones:#?}");
}
