//! The geofence against an oracle that knows nothing of an index, of state between frames or of late frames: whatever
//! order frames come in, what is told and not taken back is what the vehicle's path means.

mod oracle;

use oracle::{Fix, Path, Said, alerts};
use proptest::prelude::*;
use rhumb_engine::alert::{Alert, AlertId, AlertKind, AlertReason};
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::chain::Chain;
use rhumb_engine::current::CurrentShard;
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::operator::{OperatorPlan, ShardContext};
use rhumb_engine::time::{DAY_US, EventTime, SECOND_US};
use rhumb_engine::vehicle::Vehicles;
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::geofence::schedule::{Schedule, hours};
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan, ZoneRules};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Some 60 m by 60 m in the tropics, where a thousandth of a degree is 111 m.
const FEATURES: &str = r#"{"type":"FeatureCollection","features":[
 {"type":"Feature","id":"a","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0,0],[0.004,0],[0.004,0.004],[0,0.004],[0,0]]]}},
 {"type":"Feature","id":"b","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0.002,0.002],[0.006,0.002],[0.006,0.006],[0.002,0.006],[0.002,0.002]]]}},
 {"type":"Feature","id":"c","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0.006,0],[0.0065,0],[0.0065,0.009],[0.006,0.009],[0.006,0]]]}},
 {"type":"Feature","id":"d","properties":{"radius_m":150},"geometry":{"type":"Point","coordinates":[0.001,0.006]}}]}"#;

/// Most frames that are drawn, and more.
const FRAMES_MAX: usize = 80;

fn zones() -> Arc<Zones> {
    Arc::new(Zones::from_geojson(FEATURES, &ZoneOptions::default()).expect("valid zones").0)
}

#[derive(Debug, Clone)]
struct Drawn {
    vehicle: u8,
    fix: Fix,
}

/// A walk in small steps, so that frames come near borders; some frames late, some by long.
fn drawn(late_by: i64) -> impl Strategy<Value = Vec<Drawn>> {
    let one = (
        0u8..3,
        0..=late_by,
        prop::option::weighted(0.3, 0f32..90.0),
        prop::option::of(0f32..30.0),
        (-8i32..14, -8i32..14),
        0i64..60,
    );
    prop::collection::vec(one, 1..70).prop_map(|all| {
        let mut time = 1_700_000_000;
        let of = |(vehicle, late, accuracy_m, speed_mps, (lat, lon), step)| {
            time += step;
            let late = if late % 3 == 0 { late } else { 0 };
            let time = (time - late) * SECOND_US;
            let (lat, lon) = (f64::from(lat) * 0.0007, f64::from(lon) * 0.0007);
            Drawn { vehicle, fix: Fix { time, lat, lon, accuracy_m, speed_mps } }
        };
        // Two frames of one vehicle and one time are no frames that validate lets through.
        let mut seen = HashSet::new();
        all.into_iter().map(of).filter(|drawn| seen.insert((drawn.vehicle, drawn.fix.time))).collect()
    })
}

fn rules() -> impl Strategy<Value = ZoneRules> {
    (
        prop::sample::select(vec![0.0, 30.0, 100.0]),
        1u32..4,
        prop::sample::select(vec![0, 20, 60]),
        prop::sample::select(vec![f32::INFINITY, 50.0, 20.0]),
        prop::option::of(prop::sample::select(vec![30, 100, 300])),
        prop::option::of((5f32..25.0, prop::sample::select(vec![0, 40]))),
        prop::option::weighted(0.25, Just(())),
        prop::option::weighted(0.2, prop::sample::select(vec!["v0", "v[12]"])),
    )
        .prop_map(|(exit_buffer_m, confirm_frames, confirm_s, accuracy_max_m, dwell_s, limit, open, vehicles)| {
            let schedule = match open {
                // The draws begin at 22:13:20.
                Some(_) => Schedule { hours: hours_of("22:14-22:20, 22:24-22:30"), ..Schedule::always() },
                None => Schedule::always(),
            };
            ZoneRules {
                exit_buffer_m,
                confirm_frames,
                confirm_us: confirm_s * SECOND_US,
                accuracy_max_m,
                dwell_us: dwell_s.map(|s| s * SECOND_US),
                speed_limit_mps: limit.map(|(mps, _)| mps),
                speed_limit_us: limit.map_or(0, |(_, s)| s * SECOND_US),
                vehicles: vehicles.into_iter().map(|v| glob::Pattern::new(v).expect("a pattern")).collect(),
                groups: Vec::new(),
                schedule,
            }
        })
}

fn hours_of(text: &str) -> Vec<rhumb_operators::geofence::schedule::Hours> {
    hours(text).expect("hours")
}

/// Runs the geofence alone, in batches of `cut` frames, and gives its alerts in order with their vehicles.
fn run(config: GeofenceConfig, frames: &[Drawn], cut: usize) -> (Vec<(String, Alert)>, u64) {
    let vehicles: Arc<Vehicles> = Arc::default();
    let plans: Vec<Arc<dyn OperatorPlan>> = vec![Arc::new(GeofencePlan::new("geofence", config))];
    let context = ShardContext { shard: 0, shards: 1, vehicles: vehicles.clone() };
    let mut chain = Chain::new(&plans, &context, Arc::new(CurrentShard::new(vehicles.clone())), i64::MAX, DAY_US);
    let origin = Origin { source: "test".into(), partition: "0".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: 0 };
    let mut builder = FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks);
    let (mut all, mut too_late) = (Vec::new(), 0);
    for (n, batch) in frames.chunks(cut).enumerate() {
        for (row, Drawn { vehicle, fix }) in batch.iter().enumerate() {
            builder.at((n * cut + row) as i64, EventTime(i64::MAX / 2));
            builder.push(&Frame {
                vehicle: &format!("v{vehicle}"),
                event_time: EventTime(fix.time),
                lat: fix.lat,
                lon: fix.lon,
                accuracy_m: fix.accuracy_m,
                speed_mps: fix.speed_mps,
                ..Frame::default()
            });
        }
        for delivery in builder.finish() {
            let output = chain.process(delivery, 0);
            too_late += output.effects.counts.values().sum::<u64>();
            for alerts in &output.effects.alerts {
                let of = |row| {
                    let alert = alerts.get(row);
                    (vehicles.id(alert.vehicle).to_owned(), alert)
                };
                all.extend((0..alerts.len()).map(of));
            }
        }
    }
    (all, too_late)
}

/// What stands once all corrections are applied. With `dwells`, where they were too.
fn standing(alerts: &[(String, Alert)], zones: &Zones, dwells: bool) -> BTreeMap<String, Vec<Said>> {
    let mut seen = HashSet::new();
    let mut standing: BTreeMap<AlertId, (String, Said)> = BTreeMap::new();
    let begins = |alert: &Alert| matches!(alert.kind, AlertKind::Enter | AlertKind::Cross);
    let begun = alerts.iter().filter(|(_, alert)| begins(alert)).map(|(_, alert)| (alert.visit, alert.event_time.0));
    let begun: BTreeMap<AlertId, i64> = begun.collect();
    for (vehicle, alert) in alerts {
        assert!(seen.insert(alert.id), "an id is given once: {alert:?}");
        if let Some(old) = alert.supersedes {
            assert!(standing.remove(&old).is_some(), "what is superseded stands: {alert:?}");
        }
        if alert.reason != AlertReason::Retracted {
            let place = (alert.lat.to_bits(), alert.lon.to_bits());
            let place = (alert.kind != AlertKind::Dwell || dwells).then_some(place);
            let reason = alert.reason.name().unwrap_or_default();
            let left = alert.left.map(|left| left.time.0);
            let (since, shown) = (begun[&alert.visit], alert.frame_time.0);
            assert!(alert.frame_time >= alert.event_time, "shown when it had happened: {alert:?}");
            let said = (alert.kind.name(), alert.zone, alert.event_time.0, place, since, reason, left, shown);
            standing.insert(alert.id, (vehicle.clone(), said));
        }
    }
    assert!(alerts.iter().all(|(_, alert)| (alert.zone as usize) < zones.len()));
    let mut by_vehicle: BTreeMap<String, Vec<Said>> = BTreeMap::new();
    for (vehicle, said) in standing.into_values() {
        by_vehicle.entry(vehicle).or_default().push(said);
    }
    by_vehicle.values_mut().for_each(|said| said.sort());
    by_vehicle
}

/// Where a vehicle was when it had been in a zone for long enough: at its last frame there, else where it came in.
fn dwelled_at(path: &[Fix], rules: &ZoneRules, of: &Said, said: &[Said]) -> Option<(u64, u64)> {
    let (_, zone, due, _, since, ..) = *of;
    let is_trusted = |fix: &&Fix| fix.accuracy_m.is_none_or(|m| m <= rules.accuracy_max_m);
    let last = path.iter().filter(is_trusted).rfind(|fix| (since..due).contains(&fix.time));
    let enter = || said.iter().find(|said| (said.0, said.1, said.4) == ("enter", zone, since))?.3;
    last.map_or_else(enter, |fix| Some((fix.lat.to_bits(), fix.lon.to_bits())))
}

/// The clock of a vehicle's lane in the end.
fn clock_of(vehicle: u8, frames: &[Drawn]) -> i64 {
    use rhumb_engine::lane::{Lane, hash_of};
    let lane = |vehicle: u8| Lane::of_hash(hash_of(format!("v{vehicle}").as_bytes()));
    frames.iter().filter(|f| lane(f.vehicle) == lane(vehicle)).map(|f| f.fix.time).max().unwrap_or(i64::MIN)
}

fn expected(config: &GeofenceConfig, frames: &[Drawn]) -> (BTreeMap<String, Vec<Said>>, u64) {
    let mut paths: BTreeMap<u8, Path> = BTreeMap::new();
    let mut too_late = 0;
    for Drawn { vehicle, fix } in frames {
        too_late += u64::from(!paths.entry(*vehicle).or_default().take(*fix, config.path_keep));
    }
    let mut all = BTreeMap::new();
    for (vehicle, path) in paths {
        let name = format!("v{vehicle}");
        let clock = clock_of(vehicle, frames);
        let mut said = alerts(&*config.zones, &config.rules, &name, None, &path.all, clock, true);
        if reaches_all(config) {
            let all = said.clone();
            for dwell in said.iter_mut().filter(|said| said.0 == "dwell") {
                dwell.3 = dwelled_at(&path.all, &config.rules[dwell.1 as usize], dwell, &all);
            }
        }
        said.sort();
        if !said.is_empty() {
            all.insert(name, said);
        }
    }
    (all, too_late)
}

/// Whether the path is never too short. Where it is, a `dwell` is placed as far as it goes.
fn reaches_all(config: &GeofenceConfig) -> bool {
    config.path_keep >= FRAMES_MAX
}

/// A path for late frames to be put into: of a few frames, or of all.
fn keep(least: usize) -> impl Strategy<Value = usize> {
    prop_oneof![least..20, Just(FRAMES_MAX)]
}

fn config(rules: Vec<ZoneRules>, path_keep: usize) -> GeofenceConfig {
    let plain = GeofenceConfig::plain(zones(), "test");
    GeofenceConfig { rules: rules.into(), alerts: AlertKind::ALL.to_vec(), path_keep, ..plain }
}

fn check(config: &GeofenceConfig, frames: &[Drawn], cut: usize) -> Result<(), TestCaseError> {
    let (told, too_late) = run(config.clone(), frames, cut);
    let (wanted, wanted_too_late) = expected(config, frames);
    prop_assert_eq!(standing(&told, &config.zones, reaches_all(config)), wanted);
    prop_assert_eq!(too_late, wanted_too_late);
    Ok(())
}

/// Puts frames days ahead between the others, each behind one of its vehicle and with others of the vehicle to come: what
/// stands in the end is what would stand without them. A path of one fix would be that frame alone.
fn check_wrong_clocks(
    config: &GeofenceConfig,
    frames: &[Drawn],
    cut: usize,
    wrong: &[(usize, i64, (i32, i32))],
) -> Result<(), TestCaseError> {
    let mut all = frames.to_vec();
    for (at, days, (lat, lon)) in wrong {
        // Two of them one after the other would be believed.
        let is_right = |drawn: &&Drawn| drawn.fix.time < frames[0].fix.time + DAY_US;
        let Some(before) = all.get(*at).filter(is_right).cloned() else { continue };
        let next = all[*at + 1..].iter().find(|other| other.vehicle == before.vehicle);
        if next.filter(is_right).is_none() {
            continue;
        }
        let time = before.fix.time + (1 + days) * DAY_US;
        let (lat, lon) = (f64::from(*lat) * 0.0007, f64::from(*lon) * 0.0007);
        all.insert(*at + 1, Drawn { fix: Fix { time, lat, lon, ..before.fix }, ..before });
    }
    let (told, too_late) = run(config.clone(), &all, cut);
    prop_assert_eq!(standing(&told, &config.zones, reaches_all(config)), expected(config, frames).0);
    prop_assert_eq!(too_late, 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn in_order_what_is_told_is_what_the_path_means(
        frames in drawn(0), of in prop::collection::vec(rules(), 4), cut in 1usize..40, keep in keep(1),
    ) {
        check(&config(of, keep), &frames, cut)?;
    }

    #[test]
    fn in_any_order_what_stands_is_what_the_path_means(
        frames in drawn(400), of in prop::collection::vec(rules(), 4), cut in 1usize..40, keep in keep(1),
    ) {
        check(&config(of, keep), &frames, cut)?;
    }

    #[test]
    fn frames_whose_clock_was_wrong_leave_nothing_behind(
        frames in drawn(0), of in prop::collection::vec(rules(), 4), cut in 1usize..40, keep in keep(2),
        wrong in prop::collection::vec((0usize..70, 1i64..900, (-8i32..14, -8i32..14)), 1..4),
    ) {
        check_wrong_clocks(&config(of, keep), &frames, cut, &wrong)?;
    }

    #[test]
    fn plain_rules_in_any_order(frames in drawn(400), cut in 1usize..40, keep in keep(1)) {
        check(&config(vec![ZoneRules::plain(); 4], keep), &frames, cut)?;
    }
}
