//! `FrameBuilder`: what codecs push frames into. A frame goes straight into the columns of the shard that will
//! run it, so that reading, interning and routing are one pass.

mod columns;
mod limit;

use crate::extra::{ExtraColumn, Row};
use crate::frame::{Frame, FrameBatch, Origin};
use crate::lane::{Lane, hash_of};
use crate::reject::{Reason, Reject};
use crate::time::{EventTime, ROLLOVER_US, ROLLOVER_WITHIN_US, SECOND_US};
use crate::vehicle::{VehicleCache, Vehicles};
use arrow::datatypes::FieldRef;
use columns::Columns;
pub(crate) use columns::Optional;
use std::sync::Arc;

/// Longer ids are refused: no device has one, and a bound keeps a stranger from filling memory with a few datagrams.
pub const VEHICLE_ID_MAX: usize = 128;

/// What one poll gave for one shard.
#[derive(Debug)]
pub struct Delivery {
    pub frames: FrameBatch,
    pub rejects: Vec<Reject>,
    /// Of each reject, how many frames of the whole poll came before it.
    pub rejected_after: Vec<usize>,
}

/// Clock sanity, before anything else looks at a frame.
#[derive(Debug, Clone, Copy)]
pub struct ClockRules {
    /// Repair times that a GPS week rollover set back by 1024 weeks. On for live sources; a recording may be that old.
    pub rollover: bool,
    /// A frame further than this ahead of its time of receipt is rejected and moves no clock.
    pub skew_max_us: i64,
}

/// Collects the frames and rejects of one partition, split by shard.
pub struct FrameBuilder {
    origin: Origin,
    /// Of merged partitions: their names, and the one that is pushed from now.
    parts: Arc<[Arc<str>]>,
    part: Option<u16>,
    caches: Vec<VehicleCache>,
    columns: Vec<Columns>,
    rejects: Vec<Reject>,
    rejected_after: Vec<usize>,
    /// Lane of every frame, where the source has lanes of its own (a Kafka partition).
    lane: Option<Lane>,
    clocks: ClockRules,
    received_at: EventTime,
    offset: i64,
    frames: usize,
    /// By lane: newest event time that passed the clock rules.
    newest: Vec<i64>,
}

impl FrameBuilder {
    /// One directory a shard.
    pub fn new(directories: &[Arc<Vehicles>], origin: Origin, clocks: ClockRules) -> FrameBuilder {
        FrameBuilder {
            origin,
            parts: Arc::new([]),
            part: None,
            caches: directories.iter().map(|d| VehicleCache::new(d.clone())).collect(),
            columns: directories.iter().map(|_| Columns::default()).collect(),
            rejects: Vec::new(),
            rejected_after: Vec::new(),
            lane: None,
            clocks,
            received_at: EventTime::MIN,
            offset: 0,
            frames: 0,
            newest: Vec::new(),
        }
    }

    /// Adds columns beyond the core, which `push_row` fills: booleans, 64-bit integers and floats, texts. Before the
    /// first push.
    ///
    /// # Panics
    /// If a column has another type.
    pub fn with_columns(mut self, columns: &[FieldRef]) -> FrameBuilder {
        for shard in &mut self.columns {
            shard.extra = columns.iter().map(ExtraColumn::new).collect();
        }
        self
    }

    /// Frames and rejects from here on come from this partition. Only between two calls of `finish`.
    pub fn set_partition(&mut self, partition: Arc<str>, lane: Option<Lane>) {
        assert!(self.is_empty(), "a batch comes from one partition");
        self.origin.partition = partition;
        self.lane = lane;
        self.part = None;
    }

    /// Frames and rejects from here on come from several partitions, merged into one of this name; `at_part` says
    /// which. Only between two calls of `finish`.
    pub fn set_parts(&mut self, merged: Arc<str>, parts: Arc<[Arc<str>]>) {
        self.set_partition(merged, None);
        self.parts = parts;
    }

    /// What is pushed next comes from this one of the parts.
    pub fn at_part(&mut self, part: u16) {
        assert!(usize::from(part) < self.parts.len(), "one of the parts");
        self.part = Some(part);
    }

    /// Place and time of receipt of what is pushed next.
    pub fn at(&mut self, offset: i64, received_at: EventTime) {
        self.offset = offset;
        self.received_at = received_at;
    }

    /// What `at` was told last.
    pub fn place(&self) -> (i64, EventTime) {
        (self.offset, self.received_at)
    }

    /// Frames and rejects so far.
    pub fn len(&self) -> usize {
        self.frames + self.rejects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How far the input has come in event time, by all its frames, accepted or not.
    pub fn clock(&self) -> EventTime {
        EventTime::reached_by_some(self.newest.iter().map(|time| EventTime(*time)))
    }

    /// Takes a decoded frame, or keeps it as a reject if its vehicle id or its clock cannot be right.
    #[inline]
    pub fn push(&mut self, frame: &Frame) {
        self.put(frame);
    }

    /// As `push`; gives the frame's row, to which values beyond the core can be added. `None`: it was rejected.
    #[inline]
    pub fn push_row(&mut self, frame: &Frame) -> Option<Row<'_>> {
        let shard = self.put(frame)?;
        let columns = &mut self.columns[shard];
        Some(Row { row: columns.lane.len() - 1, columns: &mut columns.extra })
    }

    /// Puts a frame into the columns of its shard and says which that is; `None`: it was rejected.
    #[inline(always)]
    fn put(&mut self, frame: &Frame) -> Option<usize> {
        if frame.vehicle.is_empty() || frame.vehicle.len() > VEHICLE_ID_MAX {
            self.reject_vehicle(frame);
            return None;
        }
        let received_at = frame.received_at.unwrap_or(self.received_at);
        let mut event_time = frame.event_time;
        if !event_time.is_of_calendar() || frame.received_at.is_some_and(|at| !at.is_of_calendar()) {
            self.reject_calendar(frame);
            return None;
        }
        if self.clocks.rollover {
            let repaired = event_time.0.saturating_add(ROLLOVER_US);
            if repaired.abs_diff(received_at.0) <= ROLLOVER_WITHIN_US as u64 {
                event_time = EventTime(repaired);
            }
        }
        if event_time.0 > received_at.0.saturating_add(self.clocks.skew_max_us) {
            self.reject_future(&Frame { event_time, ..*frame }, received_at);
            return None;
        }
        let hash = hash_of(frame.vehicle.as_bytes());
        let lane = self.lane.unwrap_or(Lane::of_hash(hash));
        let shard = if self.columns.len() == 1 { 0 } else { lane.shard(self.columns.len()) };
        if self.caches[shard].is_room_short(self.caches.len()) && self.is_one_too_many(frame, hash, lane, shard) {
            return None;
        }
        self.see(lane, event_time);
        let (columns, cache) = (&mut self.columns[shard], &mut self.caches[shard]);
        if cache.ask(frame.vehicle, hash, lane) {
            cache.answer(&mut columns.vehicle);
        }
        let row = columns.lane.len();
        columns.lane.push(lane.0);
        columns.event_time.push(event_time.0);
        columns.received_at.push(received_at.0);
        columns.lat.push(frame.lat);
        columns.lon.push(frame.lon);
        columns.altitude_m.push(row, frame.altitude_m);
        columns.speed_mps.push(row, frame.speed_mps);
        columns.heading_deg.push(row, frame.heading_deg);
        columns.accuracy_m.push(row, frame.accuracy_m);
        columns.hdop.push(row, frame.hdop);
        columns.satellites.push(row, frame.satellites);
        if frame.no_fix {
            columns.no_fix.resize(row, false);
            columns.no_fix.push(true);
        }
        columns.offset.push(self.offset);
        columns.part.push(row, self.part);
        self.frames += 1;
        Some(shard)
    }

    #[inline]
    fn see(&mut self, lane: Lane, time: EventTime) {
        let lane = usize::from(lane.0);
        if self.newest.len() <= lane {
            self.newest.resize(lane + 1, i64::MIN);
        }
        self.newest[lane] = self.newest[lane].max(time.0);
    }

    /// Keeps bytes that are not a frame. `detail` says what is wrong with them, for a person.
    #[cold]
    pub fn reject(&mut self, reason: Reason, raw: &[u8], detail: impl Into<String>) {
        self.keep(Reject {
            reason,
            received_at: self.received_at,
            source: self.origin.source.clone(),
            partition: self.partition(),
            offset: self.offset,
            raw: raw.into(),
            detail: detail.into(),
            ..Reject::default()
        });
    }

    /// Takes over what another builder has rejected, with its partition and place.
    pub fn forward(&mut self, reject: &Reject) {
        self.keep(Reject { source: self.origin.source.clone(), ..reject.clone() });
    }

    #[cold]
    fn reject_vehicle(&mut self, frame: &Frame) {
        let bytes = frame.vehicle.len();
        let (threshold, detail) = match bytes {
            0 => (1, "the vehicle id is empty".to_owned()),
            _ => (VEHICLE_ID_MAX, format!("the vehicle id has {bytes} bytes, the most is {VEHICLE_ID_MAX}")),
        };
        let reject = self.refused(Reason::VehicleId, frame).measured(bytes as f64, threshold as f64).detail(detail);
        self.keep(Reject { vehicle_id: None, ..reject });
    }

    #[cold]
    fn reject_calendar(&mut self, frame: &Frame) {
        let seconds = |time: EventTime| time.0 as f64 / SECOND_US as f64;
        let wrong = if frame.event_time.is_of_calendar() { frame.received_at } else { Some(frame.event_time) };
        let wrong = wrong.unwrap_or(self.received_at);
        let bound = if wrong < EventTime::FIRST { EventTime::FIRST } else { EventTime::LAST };
        let reject = self
            .refused(Reason::Calendar, frame)
            .measured(seconds(wrong), seconds(bound))
            .detail(format!("{} us since 1970 is of no year from 1 to 9999", wrong.0));
        self.keep(reject);
    }

    #[cold]
    fn reject_future(&mut self, frame: &Frame, received_at: EventTime) {
        let second = SECOND_US as f64;
        let ahead_s = (frame.event_time.0 as f64 - received_at.0 as f64) / second;
        let reject = self
            .refused(Reason::Future, frame)
            .measured(ahead_s, self.clocks.skew_max_us as f64 / second)
            .detail(format!("{ahead_s:.1} s ahead of the time of receipt"));
        self.keep(reject);
    }

    fn partition(&self) -> Arc<str> {
        self.part.map_or(&self.origin.partition, |part| &self.parts[usize::from(part)]).clone()
    }

    fn keep(&mut self, reject: Reject) {
        self.rejects.push(reject);
        self.rejected_after.push(self.frames);
    }

    fn refused(&self, reason: Reason, frame: &Frame) -> Reject {
        Reject {
            reason,
            vehicle_id: Some(frame.vehicle.into()),
            event_time: Some(frame.event_time).filter(|time| time.is_of_calendar()),
            received_at: frame.received_at.filter(|time| time.is_of_calendar()).unwrap_or(self.received_at),
            lat: Some(frame.lat),
            lon: Some(frame.lon),
            source: self.origin.source.clone(),
            partition: self.partition(),
            offset: self.offset,
            raw: crate::reject::frame_as_json(frame).into_bytes().into(),
            ..Reject::default()
        }
    }

    /// What has come since the last call, by shard. Rejects travel with the shard of the partition's first lane,
    /// because they need no state, only a place in the epoch.
    pub fn finish(&mut self) -> Vec<Delivery> {
        self.frames = 0;
        let (origin, parts) = (&self.origin, &self.parts);
        self.caches.iter_mut().zip(&mut self.columns).for_each(|(cache, columns)| cache.answer(&mut columns.vehicle));
        let mut deliveries: Vec<Delivery> = self
            .columns
            .iter_mut()
            .map(|c| Delivery {
                frames: c.finish(origin.clone(), parts),
                rejects: Vec::new(),
                rejected_after: Vec::new(),
            })
            .collect();
        deliveries[0].rejects = std::mem::take(&mut self.rejects);
        deliveries[0].rejected_after = std::mem::take(&mut self.rejected_after);
        deliveries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EventTime = EventTime(1_700_000_000 * SECOND_US);
    const WEEKS_1024_S: i64 = 1024 * 7 * 86_400;

    fn builder(rollover: bool) -> FrameBuilder {
        let origin = Origin { source: "s".into(), partition: "p".into() };
        let clocks = ClockRules { rollover, skew_max_us: 600 * SECOND_US };
        let mut builder = FrameBuilder::new(&[Arc::default()], origin, clocks);
        builder.at(0, NOW);
        builder
    }

    fn frame(vehicle: &str, event_time: EventTime) -> Frame<'_> {
        Frame { vehicle, event_time, lat: 1.0, lon: 2.0, ..Frame::default() }
    }

    /// What becomes of one frame that is so many seconds from now: its event time, or reason, measured and threshold.
    #[track_caller]
    fn check(rollover: bool, from_now_s: i64, expected: Result<i64, (&str, f64, f64)>) {
        let mut builder = builder(rollover);
        builder.push(&frame("a", EventTime(NOW.0.saturating_add(from_now_s.saturating_mul(SECOND_US)))));
        let delivery = builder.finish().remove(0);
        let found = match delivery.rejects.first() {
            Some(r) => Err((r.reason.name(), r.measured.unwrap(), r.threshold.unwrap())),
            None => Ok((delivery.frames.times()[0] - NOW.0) / SECOND_US),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn clocks_are_judged_against_the_time_of_receipt() {
        check(false, 600, Ok(600));
        check(false, 601, Err(("future", 601.0, 600.0)));
        check(false, -WEEKS_1024_S, Ok(-WEEKS_1024_S));
    }

    #[test]
    fn weeks_that_rolled_over_are_repaired_where_asked_for() {
        check(true, -WEEKS_1024_S, Ok(0));
        check(true, -WEEKS_1024_S - 86_400, Ok(-86_400));
        check(true, -WEEKS_1024_S + 601, Err(("future", 601.0, 600.0)));
        // A fix that is merely old stays so, and so does a clock that was never set.
        check(true, -WEEKS_1024_S + 91 * 86_400, Ok(-WEEKS_1024_S + 91 * 86_400));
        check(true, -WEEKS_1024_S - 91 * 86_400, Ok(-WEEKS_1024_S - 91 * 86_400));
        check(true, -NOW.0 / SECOND_US, Ok(-NOW.0 / SECOND_US));
    }

    #[test]
    fn times_of_no_calendar_year_are_refused() {
        for (time, bound) in
            [(i64::MIN, EventTime::FIRST), (EventTime::FIRST.0 - 1, EventTime::FIRST), (i64::MAX, EventTime::LAST)]
        {
            let mut builder = builder(false);
            builder.push(&frame("a", EventTime(time)));
            let reject = builder.finish().remove(0).rejects.remove(0);
            assert_eq!((reject.reason, reject.event_time), (Reason::Calendar, None));
            assert_eq!(reject.measured, Some(time as f64 / 1e6));
            assert_eq!(reject.threshold, Some(bound.0 as f64 / 1e6));
        }
        check(false, (EventTime::FIRST.0 - NOW.0) / SECOND_US, Ok((EventTime::FIRST.0 - NOW.0) / SECOND_US));
    }

    #[test]
    fn clock_of_an_input_is_what_several_of_its_lanes_have_reached() {
        let mut builder = builder(false);
        assert!(builder.clock().is_unset());
        for n in 0..200 {
            builder.push(&frame(&format!("v{n}"), EventTime(NOW.0 - 1000 * SECOND_US + n)));
        }
        // Far ahead of all others, though not of the time of receipt.
        builder.push(&frame("wrong", EventTime(NOW.0 + 500 * SECOND_US)));
        let clock = builder.clock().0 - (NOW.0 - 1000 * SECOND_US);
        assert!((100..200).contains(&clock), "{clock}");
    }
}
