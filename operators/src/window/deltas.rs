//! Windows that are not keyed by vehicle, in a shard: each batch is summed up by window and key, and sent to the merger.
//! The shard itself keeps no window; of sessions it keeps where each lane's frames lie.

use super::WindowPlan;
use super::config::Shape;
use super::distance::{Behind, Counted, Paths};
use super::inputs::Inputs;
use super::key::{Key, RowKeys};
use super::open::{ALL, Span};
use super::own::Own;
use super::rows::RowPlan;
use super::side::Text;
use super::widths::Widths;
use crate::fix::AHEAD;
use rhumb_engine::effects::{Effects, Partial};
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::lane::Lane;
use rhumb_engine::operator::{Operator, ShardContext};
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use rhumb_geofence::prefetch_element;
use std::sync::Arc;

/// What a batch adds to windows, in columns. A window and key may have several rows: all of them count.
#[derive(Debug, Default)]
pub struct Deltas {
    pub shard: usize,
    /// The shard numbers its keys from 0 again: the numbers that it gave before are void.
    pub anew: bool,
    /// Keys that the shard has not named yet: their numbers go on from those before.
    pub new_keys: Vec<Key>,
    /// Where the frames lie.
    pub spans: Vec<Span>,
    /// Numbers of keys, of the shard's own count.
    pub keys: Vec<u32>,
    /// Of all rows, one after the other.
    pub words: Vec<u64>,
    /// What sketches are to take.
    pub items: Vec<Item>,
    /// Texts of all rows, one after the other, as `Layouts::picks` has them.
    pub texts: Vec<Text>,
}

/// Something for a sketch.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub row: u32,
    pub side: u32,
    pub item: u64,
}

/// The delta that a key was added to last.
#[derive(Debug, Clone, Copy)]
struct Recent {
    span: Span,
    row: u32,
    /// In which batch; 0 is none.
    batch: u32,
}

impl Recent {
    const NONE: Recent = Recent { span: Span { start: 0, last: 0, end: 0, from: ALL }, row: 0, batch: 0 };

    /// Whether frames of a span are summed up in the same row.
    #[inline]
    fn takes(&self, span: &Span, shape: Shape) -> bool {
        match shape {
            Shape::Fixed { .. } => (self.span.start, self.span.from) == (span.start, span.from),
            Shape::Session { gap_us } => {
                self.span.start - gap_us <= span.last && span.start <= self.span.last.saturating_add(gap_us)
            }
        }
    }
}

impl Deltas {
    fn with_capacity(rows: usize, width: usize) -> Deltas {
        Deltas {
            spans: Vec::with_capacity(rows),
            keys: Vec::with_capacity(rows),
            words: Vec::with_capacity(rows * width),
            ..Deltas::default()
        }
    }

    /// The row for frames of a span and key.
    #[inline]
    fn row(&mut self, recent: &mut Recent, batch: u32, span: Span, key: u32, plan: &RowPlan) -> u32 {
        if recent.batch != batch || !recent.takes(&span, plan.widths.shape) {
            *recent = Recent { span, row: self.spans.len() as u32, batch };
            self.spans.push(span);
            self.keys.push(key);
            self.words.extend_from_slice(&plan.layouts.empty);
            self.texts.extend(plan.layouts.picks().map(|(_, _, pick)| Text::new(pick)));
        } else if let Shape::Session { .. } = plan.widths.shape {
            recent.span = plan.widths.span_of(recent.span.start.min(span.start), recent.span.last.max(span.last));
            self.spans[recent.row as usize] = recent.span;
        }
        recent.row
    }
}

/// The machine of one shard.
pub struct InDeltas {
    name: Arc<str>,
    too_late: String,
    shard: usize,
    plan: Arc<RowPlan>,
    vehicles: Arc<Vehicles>,
    inputs: Inputs,
    keys: RowKeys,
    /// Of sessions.
    own: Option<Own>,
    /// If distance is asked for.
    paths: Option<Paths>,
    /// Keys that the merger has been told.
    keys_told: usize,
    /// The merger has not been told yet that keys have new numbers.
    anew: bool,
    /// By key.
    recent: Vec<Recent>,
    batch: u32,
    /// For so many deltas of the next batch, going by the last.
    room: usize,
    /// Keys of the batch at hand; their memory is used again.
    offsets: Vec<u32>,
    numbers: Vec<u32>,
}

impl InDeltas {
    pub fn new(of: &WindowPlan, context: &ShardContext) -> InDeltas {
        InDeltas {
            name: of.name.clone(),
            too_late: of.too_late(),
            shard: context.shard,
            plan: of.rows.clone(),
            vehicles: context.vehicles.clone(),
            inputs: Inputs::new(&of.rows.layouts, context.vehicles.clone()),
            keys: RowKeys::new(of.config.key.clone()),
            own: matches!(of.config.shape, Shape::Session { .. }).then(|| Own::new(&of.config)),
            paths: of.paths(),
            keys_told: 0,
            anew: false,
            recent: Vec::new(),
            batch: 0,
            room: 0,
            offsets: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Forgets all keys but those that something kept knows, and gives these new numbers.
    fn start_anew(&mut self) {
        let mut used = vec![false; self.keys.keys.len()];
        self.own.iter().for_each(|own| own.mark(&mut used));
        self.paths.iter().for_each(|paths| paths.mark(&mut used));
        let new = self.keys.keys.compact(&used);
        self.own.iter_mut().for_each(|own| own.renumber(&new));
        self.paths.iter_mut().for_each(|paths| paths.renumber(&new));
        self.keys.forget();
        self.recent.clear();
        (self.keys_told, self.anew) = (0, true);
    }

    fn next_batch(&mut self) {
        self.recent.resize(self.keys.keys.len().max(self.recent.len()), Recent::NONE);
        self.batch = self.batch.wrapping_add(1);
        if self.batch == 0 {
            self.recent.fill(Recent::NONE);
            self.batch = 1;
        }
    }

    /// A late frame has changed the way to the one behind it.
    #[cold]
    fn correct(&mut self, lane: usize, behind: &Behind, watermark: i64, deltas: &mut Deltas) {
        let plan = self.plan.clone();
        for key in &behind.counted {
            let span = plan.widths.span(behind.time);
            let span = match plan.widths.refused_at(span) <= watermark {
                true => rest(&plan.widths, self.own.as_ref(), lane, span, *key, watermark),
                false => Some(span),
            };
            if let Some(span) = span {
                let row = deltas.row(&mut self.recent[*key as usize], self.batch, span, *key, &plan);
                let at = row as usize * plan.layouts.width();
                plan.layouts.correct(&mut deltas.words[at..at + plan.layouts.width()], behind.was, behind.is);
            }
        }
    }

    fn tell(&mut self, mut deltas: Deltas, effects: &mut Effects) {
        if deltas.spans.is_empty() {
            return;
        }
        deltas.shard = self.shard;
        deltas.anew = std::mem::take(&mut self.anew);
        deltas.new_keys = self.keys.keys.since(self.keys_told).to_vec();
        self.keys_told += deltas.new_keys.len();
        effects.partials.push(Partial { operator: self.name.clone(), part: Box::new(deltas) });
    }
}

impl Operator for InDeltas {
    fn process(&mut self, frames: FrameBatch, effects: &mut Effects) -> FrameBatch {
        if self.keys.keys.is_full() && !self.keys.are_zones() {
            self.start_anew();
        }
        let plan = self.plan.clone();
        let (layouts, widths) = (&plan.layouts, &plan.widths);
        let is_fixed = self.own.is_none();
        let (sketched, picks) = (!layouts.sides.is_empty(), layouts.picks().count());
        self.inputs.gather(&frames);
        self.keys.of_batch(&frames, &self.vehicles, &mut self.offsets, &mut self.numbers);
        self.next_batch();
        let mut deltas = Deltas::with_capacity(self.room, layouts.width());
        let distance = layouts.distance().unwrap_or_default();
        self.paths.iter_mut().for_each(|paths| paths.reach(self.vehicles.len()));
        let mut too_late = 0;
        // Of the row before: most rows are in the same window.
        let mut span = Span { end: i64::MIN, ..Recent::NONE.span };
        for (row, time) in frames.times().iter().enumerate() {
            let is_same = is_fixed && span.start <= *time && *time < span.end;
            if !is_same {
                span = widths.span(*time);
            }
            let first = self.offsets[row] as usize;
            if let Some(key) = self.numbers.get(first + AHEAD) {
                prefetch_element(&self.recent, *key as usize);
            }
            let keys = &self.numbers[first..self.offsets[row + 1] as usize];
            let watermark = widths.watermark(frames.lane_clock[row]);
            let lane = usize::from(frames.lane.values()[row]);
            let place = self.paths.as_mut().map(|paths| paths.take_row(&frames, row, widths.horizon(watermark)));
            if let Some(place) = &place {
                self.inputs.set(distance, row, place.metres);
            }
            let mut counted = Counted::new();
            let is_late = widths.refused_at(span) <= watermark;
            for key in keys {
                let mut span = span;
                if is_late {
                    let rest = rest(widths, self.own.as_ref(), lane, span, *key, watermark);
                    too_late += u64::from(!widths.is_whole(rest));
                    let Some(rest) = rest else { continue };
                    span = rest;
                }
                if let Some(own) = &mut self.own {
                    own.add(lane, span, *key, watermark);
                }
                let at_row = deltas.row(&mut self.recent[*key as usize], self.batch, span, *key, &plan);
                let at = at_row as usize * layouts.width();
                let words = &mut deltas.words[at..at + layouts.width()];
                let (value, whole) = (|input| self.inputs.value(input, row), |input| self.inputs.whole(input, row));
                layouts.add(words, *time, value, whole);
                if sketched {
                    let item = |(side, item)| Item { row: at_row, side: side as u32, item };
                    deltas.items.extend(self.inputs.items(row).map(item));
                    let texts = &mut deltas.texts[at_row as usize * picks..];
                    for (text, (_, column, _)) in texts.iter_mut().zip(layouts.picks()) {
                        self.inputs.text(column, row).into_iter().for_each(|value| text.add(*time, value));
                    }
                }
                if place.is_some() {
                    counted.push(*key);
                }
            }
            if let Some(place) = &place {
                if let Some(paths) = &mut self.paths {
                    paths.count(frames.slots()[row], place, counted);
                }
                if let Some(behind) = &place.behind {
                    self.correct(lane, behind, watermark, &mut deltas);
                }
            }
        }
        effects.count(&self.too_late, too_late);
        self.room = deltas.spans.len() + deltas.spans.len() / 8;
        self.tell(deltas, effects);
        frames
    }

    fn advance(&mut self, lane: Lane, now: EventTime, _: &mut Effects) {
        if let Some(own) = &mut self.own {
            own.advance(usize::from(lane.0), self.plan.widths.watermark(now.0));
        }
    }

    fn snapshot(&self, state: &mut StateWriter) {
        self.paths.iter().for_each(|paths| paths.snapshot(&self.vehicles, &self.keys.keys, state));
        self.own.iter().for_each(|own| own.snapshot(&self.keys.keys, state));
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        self.own.iter_mut().try_for_each(|own| own.restore(&mut self.keys.keys, state))?;
        let (keys, columns) = (&mut self.keys.keys, self.plan.key_columns());
        self.paths.iter_mut().try_for_each(|paths| paths.restore(&self.vehicles, keys, columns, state))
    }
}

/// Where a frame counts whose first window takes no more; `None` if no window takes it.
#[cold]
fn rest(widths: &Widths, own: Option<&Own>, lane: usize, span: Span, key: u32, watermark: i64) -> Option<Span> {
    widths.rest(span, watermark).or_else(|| own?.holding(lane, span.start, key, watermark))
}
