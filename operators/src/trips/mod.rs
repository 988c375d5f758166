//! `trips`: where vehicles went and where they stood, into the tables `trips` and `stops`.
//!
//! Frames wait until `path_keep` newer ones of their vehicle are there (`held`), so that late ones find their place, then
//! pass in order of time through what is known of the vehicle (`track`). What that tells depends on the vehicle's own
//! frames alone. The clock of its lane decides only when a vehicle counts as silent: then what is known is told early, and
//! told again, with another revision, if more comes.

mod config;
mod held;
mod leg;
mod rows;
mod snapshot;
mod track;
mod zones;

pub use config::{IGNITION, TripsConfig};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use held::{Held, Marks, Pushed, Ring, Sample};
use leg::Rules;
use rhumb_engine::definition::Definition;
use rhumb_engine::effects::{Effects, TableRows};
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::lane::{Lane, hash_of};
use rhumb_engine::operator::{Operator, OperatorPlan, ShardContext, TablePlan};
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::{Slot, Vehicles};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use track::{Phase, Told, Track, What};
use zones::{UNKNOWN, ZoneSets};

/// `[operator.trips]`, planned.
pub struct TripsPlan {
    shared: Arc<Shared>,
}

/// What all shards share.
struct Shared {
    name: String,
    /// Counts frames that came when their place was past.
    too_late: String,
    rules: Rules,
    path_keep: usize,
    ignition: String,
    /// A vehicle is silent when its lane's clock is further than this past its newest frame.
    silent_after_us: i64,
    hash: u64,
    trips: TablePlan,
    stops: TablePlan,
    definition: Definition,
}

impl TripsPlan {
    pub fn new(name: impl Into<String>, config: TripsConfig) -> TripsPlan {
        let name = name.into();
        let shared = Shared {
            too_late: format!("too_late.{name}"),
            definition: config.definition(),
            rules: Rules::new(&config),
            path_keep: config.path_keep,
            silent_after_us: config.gap_us.saturating_add(config.lateness_us),
            hash: hash_of(format!("{}\0{name}", config.pipeline).as_bytes()),
            ignition: config.ignition,
            trips: rows::trips(),
            stops: rows::stops(),
            name,
        };
        TripsPlan { shared: Arc::new(shared) }
    }
}

impl OperatorPlan for TripsPlan {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn tables(&self) -> Vec<TablePlan> {
        vec![self.shared.trips.clone(), self.shared.stops.clone()]
    }

    fn definition(&self) -> Definition {
        self.shared.definition.clone()
    }

    fn build(&self, context: &ShardContext) -> Box<dyn Operator> {
        Box::new(Trips {
            vehicles: context.vehicles.clone(),
            tracked: Vec::new(),
            held: Held::new(self.shared.path_keep),
            zones: ZoneSets::default(),
            lanes: Vec::new(),
            told: Vec::new(),
            of_one: Vec::new(),
            shared: self.shared.clone(),
        })
    }
}

/// A vehicle.
#[derive(Clone, Copy, Default)]
struct Tracked {
    track: Track,
    ring: Ring,
    /// It stands among the members of its lane.
    is_member: bool,
    /// A timer of its lane waits for it to fall silent.
    is_timed: bool,
}

/// The vehicles of a lane.
struct LaneTimers {
    members: Vec<Slot>,
    /// Not later than when each vehicle counts as silent; looked at anew when it comes.
    silent_at: BinaryHeap<Reverse<(i64, Slot)>>,
    /// The first of them; `i64::MAX` if there is none.
    due: i64,
}

impl Default for LaneTimers {
    fn default() -> LaneTimers {
        LaneTimers { members: Vec::new(), silent_at: BinaryHeap::new(), due: i64::MAX }
    }
}

/// The machine of one shard.
struct Trips {
    shared: Arc<Shared>,
    vehicles: Arc<Vehicles>,
    /// By slot.
    tracked: Vec<Tracked>,
    held: Held,
    zones: ZoneSets,
    lanes: Vec<LaneTimers>,
    told: Vec<(Slot, Told)>,
    /// Memory that is used again.
    of_one: Vec<Told>,
}

impl Operator for Trips {
    fn process(&mut self, frames: FrameBatch, effects: &mut Effects) -> FrameBatch {
        let lanes = frames.lane.values();
        self.reach(self.vehicles.len(), lanes.iter().max().map_or(0, |lane| usize::from(*lane) + 1));
        if let Some(zones) = &frames.zones {
            self.zones.see(zones);
        }
        let ignition = Ignition::of(&frames, &self.shared.ignition);
        let mut too_late = 0;
        for row in 0..frames.len() {
            let (slot, lane) = (frames.slots()[row], lanes[row]);
            let clock = frames.lane_clock[row];
            if clock > self.lanes[usize::from(lane)].due {
                self.fall_silent(usize::from(lane), clock);
            }
            let zones = frames.zones.as_ref().map_or(UNKNOWN, |zones| self.zones.code(zones.of(row)));
            let sample = Sample {
                time: frames.times()[row],
                lat: frames.lat.value(row),
                lon: frames.lon.value(row),
                speed_mps: frames.speed_mps.as_ref().filter(|s| s.is_valid(row)).map_or(f32::NAN, |s| s.value(row)),
                marks: Marks::new(zones, ignition.value(row)),
            };
            too_late += u64::from(!self.push(slot, Lane(lane), &sample));
        }
        effects.count(&self.shared.too_late, too_late);
        self.tell(effects);
        frames
    }

    fn advance(&mut self, lane: Lane, now: EventTime, effects: &mut Effects) {
        let lane = usize::from(lane.0);
        self.reach(0, lane + 1);
        if now == EventTime::MAX {
            for at in 0..self.lanes[lane].members.len() {
                self.tell_open(self.lanes[lane].members[at]);
            }
        } else if now.0 > self.lanes[lane].due {
            self.fall_silent(lane, now.0);
        }
        self.tell(effects);
    }

    fn snapshot(&self, state: &mut StateWriter) {
        snapshot::write(self, state);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        snapshot::read(self, state)
    }
}

impl Trips {
    fn reach(&mut self, slots: usize, lanes: usize) {
        if self.tracked.len() < slots {
            self.tracked.resize(slots, Tracked::default());
            self.held.reach(slots);
        }
        if self.lanes.len() < lanes {
            self.lanes.resize_with(lanes, LaneTimers::default);
        }
    }

    /// False if the frame's place is past.
    #[inline]
    fn push(&mut self, slot: Slot, lane: Lane, sample: &Sample) -> bool {
        let tracked = &mut self.tracked[slot as usize];
        let is_timed = tracked.is_timed;
        match self.held.push(slot, &mut tracked.ring, sample, tracked.track.last.time) {
            Pushed::Held => {}
            Pushed::Out(next) => self.take(slot, &next),
            Pushed::TooLate => return false,
        }
        if !is_timed {
            self.meet(slot, lane, true);
        }
        true
    }

    /// The next fix of a vehicle's path.
    #[inline]
    fn take(&mut self, slot: Slot, next: &Sample) {
        self.tracked[slot as usize].track.take(&self.shared.rules, next, &mut self.of_one);
        if !self.of_one.is_empty() {
            self.told.extend(self.of_one.drain(..).map(|told| (slot, told)));
        }
    }

    /// A vehicle of the lane that is new or was silent.
    #[cold]
    fn meet(&mut self, slot: Slot, lane: Lane, is_timed: bool) {
        let at = self.silent_at(slot);
        let (tracked, timers) = (&mut self.tracked[slot as usize], &mut self.lanes[usize::from(lane.0)]);
        if !std::mem::replace(&mut tracked.is_member, true) {
            timers.members.push(slot);
        }
        if is_timed {
            tracked.is_timed = true;
            timers.silent_at.push(Reverse((at, slot)));
            timers.due = timers.due.min(at);
        }
    }

    /// When a vehicle counts as silent if nothing further comes of it.
    fn silent_at(&self, slot: Slot) -> i64 {
        let tracked = &self.tracked[slot as usize];
        let newest = self.held.of(slot, tracked.ring).next_back().unwrap_or(&tracked.track.last);
        newest.time.saturating_add(self.shared.silent_after_us)
    }

    /// The clock of a lane came to `clock`: tells of those that have been silent for too long.
    #[cold]
    fn fall_silent(&mut self, lane: usize, clock: i64) {
        while let Some(Reverse((at, slot))) = self.lanes[lane].silent_at.peek().copied() {
            self.lanes[lane].due = at;
            if clock <= at {
                return;
            }
            self.lanes[lane].silent_at.pop();
            let at = self.silent_at(slot);
            if clock <= at {
                self.lanes[lane].silent_at.push(Reverse((at, slot)));
                continue;
            }
            self.tracked[slot as usize].is_timed = false;
            self.drain(slot);
            // A stop may be long, with a sign of life now and then: it is told early but once.
            let track = &self.tracked[slot as usize].track;
            if track.phase != Phase::AtStop || track.revision == 0 {
                self.tell_open(slot);
            }
        }
        self.lanes[lane].due = i64::MAX;
    }

    /// Nothing is held back any more.
    fn drain(&mut self, slot: Slot) {
        let ring = std::mem::take(&mut self.tracked[slot as usize].ring);
        let held: Vec<Sample> = self.held.of(slot, ring).copied().collect();
        held.iter().for_each(|next| self.take(slot, next));
    }

    /// Tells a vehicle's open trip or stop as it is.
    fn tell_open(&mut self, slot: Slot) {
        self.drain(slot);
        self.tracked[slot as usize].track.tell_open(&mut self.of_one);
        self.told.extend(self.of_one.drain(..).map(|told| (slot, told)));
    }

    fn tell(&mut self, effects: &mut Effects) {
        if self.told.is_empty() {
            return;
        }
        let writer = rows::Writer { vehicles: &self.vehicles, zones: &self.zones, hash: self.shared.hash };
        let (trips, stops): (Vec<&(Slot, Told)>, Vec<_>) =
            self.told.iter().partition(|(_, told)| told.what == What::Trip);
        for (table, all) in [(&self.shared.trips, trips), (&self.shared.stops, stops)] {
            let Some((_, first)) = all.first() else { continue };
            let rows = match first.what {
                What::Trip => writer.trips(&table.schema, &all),
                What::Stop => writer.stops(&table.schema, &all),
            };
            effects.rows.push(TableRows { table: table.name.clone(), rows });
        }
        self.told.clear();
    }
}

/// What the frames of a batch say of the ignition.
enum Ignition {
    Unknown,
    Flags(BooleanArray),
    Numbers(Int64Array),
}

impl Ignition {
    fn of(frames: &FrameBatch, column: &str) -> Ignition {
        let of = |array: &ArrayRef| match array.data_type() {
            DataType::Boolean => Ignition::Flags(array.as_boolean().clone()),
            other if other.is_integer() => {
                let numbers = cast(array, &DataType::Int64).expect("whole numbers are whole numbers");
                Ignition::Numbers(numbers.as_primitive::<Int64Type>().clone())
            }
            _ => Ignition::Unknown,
        };
        let found = frames.extra.iter().find(|(field, _)| field.name() == column);
        found.map_or(Ignition::Unknown, |(_, array)| of(array))
    }

    #[inline]
    fn value(&self, row: usize) -> Option<bool> {
        match self {
            Ignition::Unknown => None,
            Ignition::Flags(flags) => flags.is_valid(row).then(|| flags.value(row)),
            Ignition::Numbers(numbers) => numbers.is_valid(row).then(|| numbers.value(row) != 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, Int32Array};
    use arrow::datatypes::Field;

    #[test]
    fn ignition_is_a_flag_or_a_number_other_than_0_and_nothing_else() {
        let check = |column: ArrayRef, expected: [Option<bool>; 3]| {
            let mut frames = FrameBatch::empty();
            frames.extra.push((Arc::new(Field::new("on", column.data_type().clone(), true)), column));
            let ignition = Ignition::of(&frames, "on");
            assert_eq!([0, 1, 2].map(|row| ignition.value(row)), expected);
            assert_eq!(Ignition::of(&frames, "off").value(0), None);
        };
        check(Arc::new(BooleanArray::from(vec![None, Some(false), Some(true)])), [None, Some(false), Some(true)]);
        check(Arc::new(Int32Array::from(vec![None, Some(0), Some(3)])), [None, Some(false), Some(true)]);
        check(Arc::new(Float64Array::from(vec![None, Some(0.0), Some(1.0)])), [None; 3]);
    }

    #[test]
    fn a_vehicle_takes_240_bytes_and_32_for_each_frame_that_is_held_back() {
        assert_eq!((size_of::<Tracked>(), size_of::<Sample>()), (240, 32));
    }
}
