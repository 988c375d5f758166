//! The current table against a plain map, and read by many while it is written.

use super::*;
use crate::builder::{ClockRules, FrameBuilder};
use crate::frame::{Frame, Origin, ZoneLists};
use crate::state::of_lanes;
use crate::time::SECOND_US;
use arrow::array::BooleanArray;
use arrow::buffer::OffsetBuffer;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

/// Directories, shards and the table over them.
struct Shards {
    vehicles: Vec<Arc<Vehicles>>,
    shards: Vec<Arc<CurrentShard>>,
    builder: FrameBuilder,
    /// Newest second of each vehicle, which the timeline knows elsewhere.
    newest: BTreeMap<u8, i64>,
}

/// A frame of a batch, with the zones that it is in.
#[derive(Debug, Clone)]
struct Fix {
    vehicle: u8,
    second: i64,
    lat: f64,
    lon: f64,
    speed_mps: Option<f32>,
    ignition: Option<bool>,
    zones: Vec<u8>,
}

impl Shards {
    fn new(shards: usize) -> Shards {
        let vehicles: Vec<_> = (0..shards).map(|_| Arc::new(Vehicles::default())).collect();
        let origin = Origin { source: "s".into(), partition: "p".into() };
        let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
        let builder = FrameBuilder::new(&vehicles, origin, clocks);
        let shards = vehicles.iter().map(|v| Arc::new(CurrentShard::new(v.clone()))).collect();
        Shards { shards, vehicles, builder, newest: BTreeMap::new() }
    }

    fn table(&self) -> CurrentTable {
        CurrentTable::new(self.shards.clone())
    }

    /// Every batch brings zones of its own, whose ordinals mean other zones than those of the batch before.
    fn take(&mut self, fixes: &[Fix], first_zone: u8) {
        let zone_ids = StringArray::from_iter_values((0..ZONES).map(|n| zone((first_zone % ZONES + n) % ZONES)));
        let zone_ids = Arc::new(zone_ids);
        for (row, fix) in fixes.iter().enumerate() {
            self.builder.at(row as i64, EventTime(0));
            let (vehicle, event_time) = (id(fix.vehicle), EventTime(fix.second * SECOND_US));
            let Fix { lat, lon, speed_mps, .. } = *fix;
            self.builder.push(&Frame { vehicle: &vehicle, event_time, lat, lon, speed_mps, ..Frame::default() });
        }
        for (shard, delivery) in self.shards.iter().zip(self.builder.finish()) {
            let mut frames = delivery.frames;
            let of: Vec<&Fix> = frames.offset.values().iter().map(|row| &fixes[*row as usize]).collect();
            let newest = &mut self.newest;
            let is_late = |fix: &&Fix| {
                let newest = newest.entry(fix.vehicle).or_insert(i64::MIN);
                *newest = fix.second.max(*newest);
                fix.second < *newest
            };
            frames.late = of.iter().map(is_late).map(Some).collect();
            let ordinal = |zone: &u8| u32::from((zone + ZONES - first_zone % ZONES) % ZONES);
            let lists = of.iter().flat_map(|fix| fix.zones.iter().map(ordinal)).collect::<Vec<_>>();
            frames.zones = Some(ZoneLists {
                offsets: OffsetBuffer::from_lengths(of.iter().map(|fix| fix.zones.len())),
                zones: lists.into(),
                ids: zone_ids.clone(),
            });
            let ignition: BooleanArray = of.iter().map(|fix| fix.ignition).collect();
            frames.extra.push((Arc::new(Field::new(IGNITION, DataType::Boolean, true)), Arc::new(ignition)));
            shard.update(&frames);
        }
    }

    /// The same vehicles in another number of shards, by way of snapshots.
    fn moved_to(&self, shards: usize) -> Shards {
        let mut state = StateWriter::default();
        self.shards.iter().for_each(|shard| shard.snapshot(&mut state));
        let state = state.finish();
        let moved = Shards::new(shards);
        for (number, shard) in moved.shards.iter().enumerate() {
            let own = of_lanes(&state, |lane| lane.shard(shards) == number).unwrap();
            shard.restore(&StateReader::new(&own, NAME)).unwrap();
        }
        moved
    }
}

const ZONES: u8 = 7;

fn zone(n: u8) -> String {
    format!("zone-{n}")
}

fn id(n: u8) -> String {
    format!("vehicle-{n}")
}

/// What the table is held against: the newest fix of each vehicle, with its speed.
type Plain = BTreeMap<u8, (Fix, Option<f32>)>;

fn keep(plain: &mut Plain, fix: &Fix) {
    let before = plain.get(&fix.vehicle);
    if before.is_some_and(|(newest, _)| newest.second > fix.second) {
        return;
    }
    let driven = before.filter(|(newest, _)| newest.second < fix.second).map(|(newest, _)| {
        let metres = crate::sphere::near_distance_m((newest.lat, newest.lon), (fix.lat, fix.lon));
        (metres / (fix.second - newest.second) as f64) as f32
    });
    plain.insert(fix.vehicle, (fix.clone(), fix.speed_mps.or(driven)));
}

fn expected(plain: &Plain, wanted: impl Fn(&Fix) -> bool) -> Vec<Current> {
    let current = |(fix, speed_mps): &(Fix, Option<f32>)| Current {
        vehicle_id: id(fix.vehicle).into(),
        event_time: EventTime(fix.second * SECOND_US),
        received_at: EventTime(0),
        lat: fix.lat,
        lon: fix.lon,
        speed_mps: *speed_mps,
        heading_deg: None,
        ignition: fix.ignition,
        zone_ids: fix.zones.iter().map(|n| zone(*n)).collect(),
    };
    by_id(plain.values().filter(|(fix, _)| wanted(fix)).map(current).collect())
}

fn by_id(mut found: Vec<Current>) -> Vec<Current> {
    found.sort_by(|a, b| a.vehicle_id.cmp(&b.vehicle_id));
    found
}

fn fix() -> impl Strategy<Value = Fix> {
    let place = (-90.0..=90.0, prop_oneof![-180.0..=180.0, 179.0..=180.0, -180.0..=-179.0]);
    let zones = proptest::collection::btree_set(0..ZONES, 0..ZONES as usize);
    let told = (proptest::option::of(0.0f32..40.0), proptest::option::of(any::<bool>()));
    (0..12u8, 0..30i64, place, told, zones).prop_map(|(vehicle, second, (lat, lon), (speed_mps, ignition), zones)| {
        let zones = zones.into_iter().collect();
        Fix { vehicle, second, lat, lon, speed_mps, ignition, zones }
    })
}

proptest! {
    #[test]
    fn table_answers_as_a_plain_map_would_before_and_after_a_move(
        batches in proptest::collection::vec((proptest::collection::vec(fix(), 0..20), any::<u8>()), 1..5),
        shards in 1..4usize,
        (lat, lon) in (-90.0f64..=90.0, -180.0f64..=180.0),
        (north, east) in (-90.0f64..=90.0, -180.0f64..=180.0),
        radius_m in prop_oneof![0.0..5e5, 0.0..2.1e7],
    ) {
        let mut written = Shards::new(shards);
        let mut plain = Plain::new();
        for (fixes, first_zone) in &batches {
            written.take(fixes, *first_zone);
            fixes.iter().for_each(|fix| keep(&mut plain, fix));
        }
        for shards in [&written, &written.moved_to(5 - shards)] {
            let table = shards.table();
            prop_assert_eq!(table.len(), plain.len());
            prop_assert_eq!(by_id(table.all().found), expected(&plain, |_| true));
            for n in 0..12 {
                let found = table.get(&id(n)).found;
                prop_assert_eq!(found.into_iter().collect::<Vec<_>>(), expected(&plain, |fix| fix.vehicle == n));
            }
            // West of east, and across the antimeridian where it is not.
            let in_box = |fix: &Fix| {
                let between = if lon <= east { lon <= fix.lon && fix.lon <= east } else { fix.lon >= lon || fix.lon <= east };
                between && lat.min(north) <= fix.lat && fix.lat <= lat.max(north)
            };
            let found = table.in_box(lat.min(north), lon, lat.max(north), east).found;
            prop_assert_eq!(by_id(found), expected(&plain, in_box));
            let is_near = |fix: &Fix| crate::sphere::distance_m((fix.lat, fix.lon), (lat, lon)) <= radius_m;
            prop_assert_eq!(by_id(table.near(lat, lon, radius_m).found), expected(&plain, is_near));
            for n in 0..ZONES {
                let found = table.in_zone(&zone(n)).found;
                prop_assert_eq!(by_id(found), expected(&plain, |fix| fix.zones.contains(&n)));
            }
        }
    }
}

/// A fix that is all of one piece: everything in it follows from its second.
fn whole(vehicle: u8, second: i64) -> Fix {
    let zones = (0..(second % i64::from(ZONES)) as u8).collect();
    let speed_mps = Some(second as f32);
    let (lat, lon) = (second as f64 / 1_000.0, -second as f64 / 1_000.0);
    Fix { vehicle, second, lat, lon, speed_mps, ignition: Some(second % 2 == 0), zones }
}

#[test]
fn reader_never_sees_parts_of_two_writes_nor_time_go_back() {
    const VEHICLES: u8 = 3;
    const SECONDS: i64 = 20_000;
    const READS_MIN: usize = 2_000;
    let mut written = Shards::new(1);
    let table = written.table();
    let done = AtomicBool::new(false);
    let read = |vehicle: u8| {
        let (mut newest, mut reads) = (-1, 0);
        loop {
            // Looked at first, so that the last read comes after the last write.
            let is_last = done.load(Ordering::Acquire) && reads >= READS_MIN;
            reads += 1;
            let Some(found) = table.get(&id(vehicle)).found else { continue };
            let second = found.event_time.0 / SECOND_US;
            assert!(second >= newest, "{second} after {newest}");
            newest = second;
            let plain = Plain::from([(vehicle, (whole(vehicle, second), Some(second as f32)))]);
            assert_eq!(vec![found], expected(&plain, |_| true));
            if is_last {
                return newest;
            }
        }
    };
    #[allow(clippy::disallowed_methods, reason = "readers beside a writer are what is tested")]
    std::thread::scope(|threads| {
        let readers: Vec<_> = (0..VEHICLES).map(|vehicle| threads.spawn(move || read(vehicle))).collect();
        for second in 0..SECONDS {
            let fixes: Vec<Fix> = (0..VEHICLES).map(|vehicle| whole(vehicle, second)).collect();
            written.take(&fixes, 0);
        }
        done.store(true, Ordering::Release);
        assert!(readers.into_iter().all(|reader| reader.join().unwrap() == SECONDS - 1));
    });
}

#[test]
fn frame_that_is_not_late_stands_though_one_with_a_wrong_clock_stood_there() {
    let mut written = Shards::new(1);
    written.take(&[whole(1, 100), whole(1, 9_000)], 0);
    written.newest.clear();
    written.take(&[Fix { speed_mps: None, ..whole(1, 101) }], 0);
    let found = written.table().get(&id(1)).found.unwrap();
    assert_eq!((found.event_time, found.speed_mps), (EventTime(101 * SECOND_US), None));
}

#[test]
fn vehicle_stands_in_the_shard_that_owns_its_lane() {
    let mut written = Shards::new(3);
    let fixes: Vec<Fix> = (0..40).map(|vehicle| whole(vehicle, 1)).collect();
    written.take(&fixes, 0);
    for (shard, vehicles) in written.vehicles.iter().enumerate() {
        assert!((0..vehicles.len()).all(|slot| vehicles.get(slot as Slot).lane.shard(3) == shard));
    }
    assert_eq!(written.table().len(), 40);
}

#[test]
fn status_says_what_a_vehicle_does() {
    let limit_us = 600 * SECOND_US;
    let at = |second: i64| EventTime(second * SECOND_US);
    let (fast, slow) = (Some(MOVING_MPS), Some(0.99));
    for (speed_mps, ignition, now, expected) in [
        (fast, None, at(0), Status::Moving),
        (fast, Some(false), at(0), Status::Moving),
        (slow, None, at(600), Status::Stopped),
        (None, None, at(0), Status::Stopped),
        (slow, Some(false), at(0), Status::Stopped),
        (slow, Some(true), at(0), Status::Idle),
        (None, Some(true), at(0), Status::Idle),
        (fast, Some(true), at(601), Status::Offline),
        // Before the first watermark nobody is late.
        (fast, None, EventTime::MIN, Status::Moving),
    ] {
        let mut written = Shards::new(1);
        written.take(&[Fix { speed_mps, ignition, ..whole(0, 0) }], 0);
        let found = written.table().get(&id(0)).found.unwrap();
        assert_eq!(found.status(now, limit_us), expected, "{speed_mps:?} {ignition:?} {now:?}");
    }
}
