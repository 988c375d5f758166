//! Many files as one stream, by event time.
//!
//! Of all files, the one whose clock is furthest behind goes next; its clock is the newest event time that it has come
//! to, its next frame included. So sorted files give a sorted stream, the order within a file stays as it is even where
//! the file is not sorted, and of two that are equal the first by name goes first. The result depends on nothing
//! but the files. A record with many frames is handed on as one. A damaged file counts as ended where its whole records
//! end; the error comes once the others are through, too.

use super::Failure;
use super::pace::Pace;
use super::recording::Recording;
use super::track::{Head, Track};
use arrow::datatypes::FieldRef;
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::Origin;
use rhumb_engine::source::Position;
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;
use std::time::Duration;

/// Stands in the position beside the files, none of which has a name like it: the event time that the merge has come
/// to. Without it, files that are not sorted could be merged differently after a restart.
const MERGED_UP_TO: &str = "/merged_up_to";

/// Why `Merge::hand_on` stopped.
pub(super) enum Stopped {
    Full,
    /// The next frame is not due for so long.
    Early(Duration),
    /// All files are at their end.
    End,
}

pub(super) struct Merge {
    name: Arc<str>,
    /// Names of the files, as the tracks stand.
    files: Arc<[Arc<str>]>,
    tracks: Vec<Track>,
    /// Files that have a next record, the one that goes next on top.
    order: BinaryHeap<Reverse<(EventTime, usize)>>,
    begun: bool,
    reached: EventTime,
    /// What all files decode into, one at a time; its rules let everything through, those of the run come after.
    private: FrameBuilder,
    vehicles: Arc<Vehicles>,
    columns: Vec<FieldRef>,
}

impl Merge {
    /// `columns` are those of the codec beyond the core.
    pub fn new(name: &str, recordings: Vec<Recording>, columns: Vec<FieldRef>) -> Merge {
        let vehicles = Arc::new(Vehicles::default());
        let origin = Origin { source: "".into(), partition: "".into() };
        let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
        Merge {
            name: name.into(),
            files: recordings.iter().map(|recording| recording.name.as_str().into()).collect(),
            order: BinaryHeap::with_capacity(recordings.len()),
            tracks: recordings.into_iter().map(Track::new).collect(),
            begun: false,
            reached: EventTime::MIN,
            private: FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks).with_columns(&columns),
            columns,
            vehicles,
        }
    }

    pub fn position(&self) -> Position {
        let of = |track: &Track| (track.recording.name.clone(), track.offset());
        let mut offsets: std::collections::BTreeMap<_, _> = self.tracks.iter().map(of).collect();
        if self.tracks.len() > 1 {
            offsets.insert(MERGED_UP_TO.to_owned(), self.reached.0);
        }
        let heads = self.tracks.iter().filter_map(|track| track.recording.head()).collect();
        Position { offsets, heads, received_at: None }
    }

    pub fn seek(&mut self, position: &Position) -> Result<(), Failure> {
        self.reached = position.offsets.get(MERGED_UP_TO).map_or(EventTime::MIN, |at| EventTime(*at));
        for track in &mut self.tracks {
            track.seek(position, self.reached)?;
        }
        Ok(())
    }

    /// Pushes records in order until `most` frames and rejects are out, or the next is not due, or all files ended.
    pub fn hand_on(
        &mut self,
        most: usize,
        received_at: EventTime,
        mut pace: Option<&mut Pace>,
        out: &mut FrameBuilder,
    ) -> Stopped {
        self.begin(received_at);
        if out.is_empty() {
            out.set_parts(self.name.clone(), self.files.clone());
        }
        let before = out.len();
        let now = pace.as_ref().map(|pace| pace.now());
        while let Some(top) = self.order.peek_mut() {
            let Reverse((_, file)) = *top;
            if out.len() - before >= most {
                return Stopped::Full;
            }
            let track = &mut self.tracks[file];
            if let (Some(pace), Some(now), Some(at)) = (&mut pace, now, track.head().and_then(|head| head.at)) {
                let wait = pace.wait(at, now);
                if !wait.is_zero() {
                    return Stopped::Early(wait);
                }
            }
            self.reached = top.0.0;
            out.at_part(file as u16);
            track.hand_on(&self.vehicles, &self.columns, out);
            replace(top, track.advance(&mut self.private, received_at), file);
        }
        Stopped::End
    }

    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut sums = std::collections::BTreeMap::new();
        for (name, count) in self.tracks.iter().flat_map(|track| track.recording.counters()) {
            *sums.entry(name).or_default() += count;
        }
        sums.into_iter().collect()
    }

    /// The first damage that was met; for when all files have ended.
    pub fn take_failure(&mut self) -> Option<Failure> {
        self.tracks.iter_mut().find_map(Track::take_failure)
    }

    fn begin(&mut self, received_at: EventTime) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        for (file, track) in self.tracks.iter_mut().enumerate() {
            let head = track.advance(&mut self.private, received_at);
            self.order.extend(head.map(|head| Reverse((head.reached, file))));
        }
    }
}

/// Puts the file of the top where its next record belongs. Mostly that is the top again, which costs one comparison.
fn replace(mut top: PeekMut<Reverse<(EventTime, usize)>>, next: Option<Head>, file: usize) {
    match next {
        Some(head) => *top = Reverse((head.reached, file)),
        None => {
            PeekMut::pop(top);
        }
    }
}
