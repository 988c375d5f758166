//! The timeline: which accepted frames are late, and how far each lane's clock has come. Runs once a batch, right
//! after the operators that decide which frames are accepted.

use crate::effects::Effects;
use crate::frame::FrameBatch;
use crate::lane::Lane;
use crate::message::Tick;
use crate::operator::{Operator, ShardContext};
use crate::state::{StateError, StateReader, StateWriter};
use crate::steady::SteadyClock;
use crate::time::{EventTime, SECOND_US};
use crate::vehicle::{Slot, Vehicles};
use arrow::array::{Array, BooleanArray, Int64Array, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use std::collections::HashMap;
use std::sync::Arc;

pub const NAME: &str = "timeline";
const VERSION: u32 = 1;

/// Marks late frames and keeps the clocks of the lanes of one shard.
pub struct Timeline {
    vehicles: Arc<Vehicles>,
    /// By slot: newest accepted event time.
    newest: Vec<i64>,
    /// Of vehicles whose newest frame was once far ahead of its lane.
    doubts: HashMap<Slot, Doubt>,
    /// By lane: newest accepted event time, one frame far ahead of all others apart, or how far silence has carried it.
    clocks: Vec<SteadyClock>,
    /// By lane: the same by its frames alone. What is late must not depend on when silence was looked at.
    seen: Vec<SteadyClock>,
    /// By lane.
    heard: Vec<Heard>,
    /// Lanes whose clock moved since `moved` was last called.
    moved: Vec<Lane>,
    is_moved: Vec<bool>,
    idle_after_us: i64,
    step_max_us: i64,
}

/// A longer step of a lane's clock counts with the second frame, also if `lateness` is shorter: in a minute a fleet has been
/// heard of again.
const STEP_MAX_LEAST_US: i64 = 60 * SECOND_US;

/// A vehicle's newest frame that is far ahead of its lane's clock, and of which the time of receipt says nothing. It counts
/// as long as nothing speaks against it: an older frame of the vehicle does, while the lane's clock has not come near.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    /// What is in doubt, while it is the newest.
    at: i64,
    /// The newest before it that is not, or `i64::MIN`.
    before: i64,
    /// How many frames of the vehicle in a row are in doubt.
    frames: i64,
}

/// A vehicle that has sent more frames than these, each far ahead of its lane, is believed: as a clock goes wrong it mostly
/// comes right at once, and a recording that is not sorted has whole days of them. The paths of operators reach as far back.
const DOUBTS_MAX: i64 = 4;

/// When a lane last had frames.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// Whose frames they were; `None` after a restart: the first reader that ticks.
    reader: Option<usize>,
    /// There were some since that reader's last tick.
    is_fresh: bool,
    /// That reader's clock at the first tick after them, and the lane's own then.
    at: EventTime,
    clock: i64,
}

impl Heard {
    const NEVER: Heard = Heard { reader: None, is_fresh: true, at: EventTime::MIN, clock: i64::MIN };
}

impl Timeline {
    pub fn new(context: &ShardContext, idle_after_us: i64, lateness_us: i64) -> Timeline {
        Timeline {
            vehicles: context.vehicles.clone(),
            newest: Vec::new(),
            doubts: HashMap::new(),
            clocks: Vec::new(),
            seen: Vec::new(),
            heard: Vec::new(),
            moved: Vec::new(),
            is_moved: Vec::new(),
            idle_after_us,
            step_max_us: lateness_us.max(STEP_MAX_LEAST_US),
        }
    }

    /// Frames of a reader are about to be processed.
    pub fn hear(&mut self, reader: usize, frames: &FrameBatch) {
        let lanes = frames.lane.values();
        self.reach(0, lanes.iter().max().map_or(0, |lane| usize::from(*lane) + 1));
        for lane in lanes {
            let heard = &mut self.heard[usize::from(*lane)];
            (heard.reader, heard.is_fresh) = (Some(reader), true);
        }
    }

    /// A reader's clock has come so far. Lanes that have had no frames of it for longer than `idle_after` go on as its clock
    /// does, that far behind where they would be: a fleet that reports late stays late, one that falls silent does not
    /// stop time.
    pub fn tick(&mut self, tick: Tick) {
        for lane in 0..self.clocks.len() {
            let clock = self.clocks[lane].now();
            let heard = &mut self.heard[lane];
            if clock.is_unset() || *heard.reader.get_or_insert(tick.reader) != tick.reader {
                continue;
            }
            if std::mem::take(&mut heard.is_fresh) {
                // A lane that is ahead of its reader, as of a recording that is not sorted, waits for it.
                (heard.at, heard.clock) = (tick.now, clock.0.min(tick.now.0));
                continue;
            }
            let idle_us = tick.now.0.saturating_sub(heard.at.0).saturating_sub(self.idle_after_us);
            if idle_us > 0 && self.clocks[lane].reach(heard.clock.saturating_add(idle_us)) {
                self.mark_moved(lane);
            }
        }
    }

    /// Lanes whose clock moved since the last call, with their clocks, in order of lane.
    pub fn moved(&mut self) -> Vec<(Lane, EventTime)> {
        self.moved.sort_unstable();
        let moved = self.moved.drain(..).map(|lane| (lane, self.clocks[usize::from(lane.0)].now())).collect();
        self.is_moved.fill(false);
        moved
    }

    /// Clocks of all lanes that have seen a frame.
    pub fn clocks(&self) -> Vec<(Lane, EventTime)> {
        let clocks = self.clocks.iter().map(SteadyClock::now).enumerate();
        clocks.filter(|(_, clock)| !clock.is_unset()).map(|(lane, clock)| (Lane(lane as u16), clock)).collect()
    }

    fn mark_moved(&mut self, lane: usize) {
        if !self.is_moved[lane] {
            self.is_moved[lane] = true;
            self.moved.push(Lane(lane as u16));
        }
    }

    /// Takes the time of a vehicle's next frame and says whether it is late. `clock` is that of its lane by its frames, this
    /// one included.
    #[inline]
    fn is_late(&mut self, slot: Slot, time: i64, received_at: i64, clock: i64) -> bool {
        let newest = self.newest[slot as usize];
        if time < newest && self.doubt(slot, clock).is_none_or(|doubt| time < doubt.before) {
            return true;
        }
        // A frame that came soon after its time is no doubtful one, however long its lane was silent.
        if time > clock.saturating_add(self.step_max_us) && received_at.saturating_sub(time) > self.step_max_us {
            let Doubt { before, frames, .. } =
                self.doubt(slot, clock).unwrap_or(Doubt { at: newest, before: newest, frames: 0 });
            if frames < DOUBTS_MAX {
                self.doubts.insert(slot, Doubt { at: time, before, frames: frames + 1 });
            }
        }
        self.newest[slot as usize] = time;
        false
    }

    /// The doubt about a vehicle's newest frame, if there is one and the lane's clock has not settled it.
    #[cold]
    fn doubt(&self, slot: Slot, clock: i64) -> Option<Doubt> {
        let near = clock.saturating_add(self.step_max_us);
        let doubt = self.doubts.get(&slot).copied();
        doubt.filter(|doubt| doubt.at == self.newest[slot as usize] && near < doubt.at)
    }

    fn reach(&mut self, slots: usize, lanes: usize) {
        if self.newest.len() < slots {
            self.newest.resize(slots, i64::MIN);
        }
        if self.clocks.len() < lanes {
            self.clocks.resize(lanes, SteadyClock::default());
            self.seen.resize(lanes, SteadyClock::default());
            self.heard.resize(lanes, Heard::NEVER);
            self.is_moved.resize(lanes, false);
        }
    }
}

impl Operator for Timeline {
    fn process(&mut self, mut frames: FrameBatch, _: &mut Effects) -> FrameBatch {
        let lanes = frames.lane.values().iter().copied().max().map_or(0, |lane| usize::from(lane) + 1);
        self.reach(self.vehicles.len(), lanes);
        let mut late = Vec::with_capacity(frames.len());
        let mut lane_clock = Vec::with_capacity(frames.len());
        let received = frames.received_at.values();
        for (row, ((slot, lane), time)) in
            frames.slots().iter().zip(frames.lane.values()).zip(frames.times()).enumerate()
        {
            let lane = usize::from(*lane);
            if self.clocks[lane].see(*time, self.step_max_us) {
                self.mark_moved(lane);
            }
            self.seen[lane].see(*time, self.step_max_us);
            late.push(self.is_late(*slot, *time, received[row], self.seen[lane].now().0));
            lane_clock.push(self.clocks[lane].now().0);
        }
        frames.late = BooleanArray::new(BooleanBuffer::from(late), None);
        frames.lane_clock = lane_clock.into();
        frames
    }

    fn snapshot(&self, state: &mut StateWriter) {
        let seen: Vec<Slot> = (0..self.newest.len() as Slot).filter(|s| self.newest[*s as usize] != i64::MIN).collect();
        let lanes = seen.iter().map(|s| self.vehicles.get(*s).lane.0).collect();
        let ids = StringArray::from_iter_values(seen.iter().map(|s| self.vehicles.id(*s)));
        let newest = crate::frame::timestamps(seen.iter().map(|s| self.newest[*s as usize]).collect::<Vec<_>>());
        let doubt = |slot: &Slot| self.doubts.get(slot).filter(|doubt| doubt.at == self.newest[*slot as usize]);
        let before = seen.iter().map(|slot| doubt(slot).map(|doubt| doubt.before)).collect::<Int64Array>();
        let frames = seen.iter().map(|slot| doubt(slot).map(|doubt| doubt.frames)).collect::<Int64Array>();
        let columns: Vec<(&str, Arc<dyn Array>)> = vec![
            ("vehicle_id", Arc::new(ids)),
            ("event_time", Arc::new(newest)),
            ("sure_time", Arc::new(before)),
            ("doubts", Arc::new(frames)),
        ];
        state.put("newest", VERSION, lanes, columns);
        let seen = self.clocks();
        let of = |clocks: &[SteadyClock], value: fn(&SteadyClock) -> EventTime| -> Arc<dyn Array> {
            let values = seen.iter().map(|(lane, _)| value(&clocks[usize::from(lane.0)]).0);
            Arc::new(values.collect::<Int64Array>())
        };
        let columns = vec![
            ("clock", of(&self.clocks, SteadyClock::now)),
            ("held", of(&self.clocks, SteadyClock::held)),
            ("seen", of(&self.seen, SteadyClock::now)),
            ("seen_held", of(&self.seen, SteadyClock::held)),
        ];
        state.put("clocks", VERSION, seen.iter().map(|(lane, _)| lane.0).collect(), columns);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        for rows in state.rows("newest", VERSION)? {
            let (lanes, ids) = (rows.lanes()?, rows.strings("vehicle_id")?);
            let times = rows.primitive::<TimestampMicrosecondType>("event_time")?;
            // State of an older version lacks them.
            let doubts = rows.primitive::<Int64Type>("sure_time").ok().zip(rows.primitive::<Int64Type>("doubts").ok());
            for row in 0..rows.len() {
                let slot = self.vehicles.intern(ids.value(row), Lane(lanes.value(row)));
                self.reach(slot as usize + 1, 0);
                self.newest[slot as usize] = times.value(row);
                if let Some((sure, frames)) = doubts.filter(|(sure, _)| sure.is_valid(row)) {
                    let doubt = Doubt { at: times.value(row), before: sure.value(row), frames: frames.value(row) };
                    self.doubts.insert(slot, doubt);
                }
            }
        }
        for rows in state.rows("clocks", VERSION)? {
            let lanes = rows.lanes()?;
            let (clocks, held) = (rows.primitive::<Int64Type>("clock")?, rows.primitive::<Int64Type>("held")?);
            let seen = rows.primitive::<Int64Type>("seen").ok().zip(rows.primitive::<Int64Type>("seen_held").ok());
            let clock = |(now, held): (&Int64Array, &Int64Array), row: usize| {
                SteadyClock::restored(EventTime(now.value(row)), EventTime(held.value(row)))
            };
            for row in 0..rows.len() {
                let lane = usize::from(lanes.value(row));
                self.reach(0, lane + 1);
                self.clocks[lane] = clock((clocks, held), row);
                self.seen[lane] = clock(seen.unwrap_or((clocks, held)), row);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{ClockRules, FrameBuilder};
    use crate::frame::{Frame, Origin};
    use crate::lane::hash_of;

    const MINUTE_US: i64 = 60 * SECOND_US;

    /// A timeline with its own vehicles; `idle_after` is a minute, `lateness` nothing.
    struct Site {
        vehicles: Arc<Vehicles>,
        timeline: Timeline,
    }

    impl Site {
        fn new() -> Site {
            let vehicles: Arc<Vehicles> = Arc::default();
            let context = ShardContext { shard: 0, shards: 1, vehicles: vehicles.clone() };
            Site { vehicles, timeline: Timeline::new(&context, MINUTE_US, 0) }
        }

        /// Frames of one vehicle at these seconds, from this reader, without a time of receipt; which of them are late.
        fn frames(&mut self, reader: usize, vehicle: &str, seconds: &[i64]) -> Vec<bool> {
            self.received(reader, vehicle, seconds, |_| 1_000_000_000)
        }

        /// The same, with the second at which each was received.
        fn received(&mut self, reader: usize, vehicle: &str, seconds: &[i64], at: impl Fn(i64) -> i64) -> Vec<bool> {
            let origin = Origin { source: "s".into(), partition: "p".into() };
            let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
            let mut builder = FrameBuilder::new(std::slice::from_ref(&self.vehicles), origin, clocks);
            for second in seconds {
                builder.at(0, EventTime(at(*second) * SECOND_US));
                let event_time = EventTime(second * SECOND_US);
                builder.push(&Frame { vehicle, event_time, lat: 1.0, lon: 1.0, ..Frame::default() });
            }
            let frames = builder.finish().remove(0).frames;
            self.timeline.hear(reader, &frames);
            let frames = self.timeline.process(frames, &mut Effects::default());
            frames.late.values().iter().collect()
        }

        fn tick(&mut self, reader: usize, second: i64) {
            self.timeline.tick(Tick { reader, now: EventTime(second * SECOND_US) });
        }

        /// Clocks of lanes, seconds, ascending.
        fn clocks(&self) -> Vec<i64> {
            let mut clocks: Vec<i64> = self.timeline.clocks().iter().map(|(_, c)| c.0 / SECOND_US).collect();
            clocks.sort_unstable();
            clocks
        }
    }

    #[test]
    fn frame_older_than_its_vehicles_newest_is_late() {
        let mut site = Site::new();
        assert_eq!(site.frames(0, "a", &[10, 20, 15, 20, 21]), [false, false, true, false, false]);
        assert_eq!(site.frames(0, "b", &[15]), [false]);
    }

    #[test]
    fn fleet_that_reports_late_is_not_idle() {
        let mut site = Site::new();
        for second in 0..600 {
            site.frames(0, "a", &[second]);
            site.tick(0, second + 900);
            assert_eq!(site.clocks(), [second]);
        }
    }

    #[test]
    fn lane_that_is_ahead_of_its_reader_waits_for_it() {
        let mut site = Site::new();
        site.frames(0, "a", &[9_000, 9_001]);
        site.tick(0, 1_000);
        for (now, clock) in [(5_000, 9_001), (9_061, 9_001), (9_070, 9_010)] {
            site.tick(0, now);
            assert_eq!(site.clocks(), [clock], "at {now}");
        }
    }

    #[test]
    fn silent_lane_goes_on_as_its_readers_clock_does() {
        let mut site = Site::new();
        site.frames(0, "a", &[100]);
        for (now, clock) in [(1000, 100), (1060, 100), (1070, 110), (1500, 540)] {
            site.tick(0, now);
            assert_eq!(site.clocks(), [clock], "at {now}");
        }
        site.frames(0, "a", &[580]);
        site.tick(0, 1501);
        assert_eq!(site.clocks(), [580]);
    }

    #[test]
    fn clock_of_another_reader_moves_nothing() {
        let mut site = Site::new();
        site.frames(1, "a", &[100]);
        for now in [1_000_000, 2_000_000] {
            site.tick(0, now);
            assert_eq!(site.clocks(), [100]);
        }
    }

    /// Which of the frames of one vehicle are late, where another of its lane has a frame before each. Through a snapshot
    /// every time.
    #[track_caller]
    fn check(seconds: &[i64], others: impl Fn(usize) -> Option<i64>, late: &[usize]) {
        let lane_of = |id: &str| Lane::of_hash(hash_of(id.as_bytes()));
        let other = (0..).map(|n| format!("b{n}")).find(|id| lane_of(id) == lane_of("a")).unwrap();
        let mut site = Site::new();
        let mut found = Vec::new();
        for (n, second) in seconds.iter().enumerate() {
            if let Some(second) = others(n) {
                site.frames(0, &other, &[second]);
            }
            if site.frames(0, "a", &[*second]) == [true] {
                found.push(n);
            }
            let mut state = StateWriter::default();
            state.begin(NAME);
            site.timeline.snapshot(&mut state);
            site = Site::new();
            site.timeline.restore(&StateReader::new(&state.finish(), NAME)).unwrap();
        }
        assert_eq!(found, late, "{seconds:?}");
    }

    #[test]
    fn vehicle_that_was_once_far_ahead_is_not_late_after_that() {
        let alone = |_| None;
        check(&[100, 43_300, 101, 102, 99, 103], alone, &[4]);
        check(&[100, 900_000, 90, 101], alone, &[2]);
        // Twice, with true frames between and without.
        check(&[100, 43_300, 101, 90_000, 102], alone, &[]);
        let steady = |n| Some(100 + n as i64);
        check(&[100, 43_300, 43_301, 43_302, 103, 101], steady, &[5]);
        // Its first frame of all.
        check(&[43_300, 101, 102], steady, &[]);
        // So often in a row that it is no mistake.
        check(&[100, 43_300, 43_301, 43_302, 43_303, 101, 102], steady, &[]);
        check(&[100, 43_300, 43_301, 43_302, 43_303, 43_304, 101, 102, 43_305], steady, &[6, 7]);
    }

    #[test]
    fn frame_far_ahead_that_others_confirm_makes_what_is_older_late() {
        // A silence that ends: the next frame, or others, come near it.
        check(&[100, 43_300, 43_290, 43_301], |_| None, &[2]);
        check(&[100, 43_300, 43_200, 101], |n| Some([100, 101, 43_301, 43_302][n]), &[2, 3]);
    }

    #[test]
    fn frame_that_was_received_at_its_time_is_not_in_doubt() {
        let mut site = Site::new();
        site.received(0, "a", &[100], |second| second + 2);
        // What the device had kept comes after its first live frame.
        assert_eq!(site.received(0, "a", &[43_300], |second| second + 2), [false]);
        assert_eq!(site.received(0, "a", &[200, 300, 43_310], |_| 43_312), [true, true, false]);
    }

    #[test]
    fn one_wrong_clock_moves_nothing_and_two_frames_do() {
        let mut site = Site::new();
        site.frames(0, "a", &[100, 43_300, 101, 102]);
        assert_eq!(site.clocks(), [102]);
        site.frames(0, "a", &[5000, 5001]);
        assert_eq!(site.clocks(), [5001]);
    }
}
