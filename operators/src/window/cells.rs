//! What a window keeps for each aggregate: a few words, which merge. Merging is commutative and associative to the
//! last bit, so that neither lanes nor shards nor batches show in a result.

use super::config::Aggregate;
use super::sum;
use rhumb_engine::sketch::{Distinct, Quantiles, Sketch};

/// What a group keeps, to be changed.
#[derive(Debug)]
pub struct Cells<'a> {
    pub words: &'a mut [u64],
    pub sketches: &'a mut [Sketch],
}

/// How one aggregate lies in the cells, and which input it reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    pub kind: Kind,
    /// Its first word; of a quantile or distinct count its sketch.
    pub at: usize,
    /// Into the inputs gathered from the batch; unused by count, quantiles and distinct counts.
    pub input: usize,
}

/// What a sketch is filled from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Buckets of an input.
    Quantiles(usize),
    /// Hashes of a column of `hashed`.
    Distinct(usize),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// count
    Count,
    /// value, as `ordered` has it
    Min,
    Max,
    /// as `sum` has it
    Sum,
    Avg,
    /// time, value, both ordered
    First,
    Last,
    /// a sketch, and the share that the quantile is of
    Quantile(f64),
    Distinct,
}

impl Kind {
    /// Words of a window that has seen nothing.
    fn empty(self) -> &'static [u64] {
        match self {
            Kind::Count | Kind::Max => &[0],
            Kind::Min => &[u64::MAX],
            Kind::Sum | Kind::Avg => &sum::EMPTY,
            Kind::First => &[u64::MAX, u64::MAX],
            Kind::Last => &[0, 0],
            Kind::Quantile(_) | Kind::Distinct => &[],
        }
    }
}

/// All aggregates of a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layouts {
    pub all: Vec<Layout>,
    /// Words of a window that has seen nothing.
    pub empty: Vec<u64>,
    /// Columns to gather, by name; `None` is the distance from the vehicle's frame before (`distance`).
    pub inputs: Vec<Option<String>>,
    /// Columns to hash, by name.
    pub hashed: Vec<String>,
    /// One for all aggregates that ask the same of a column.
    pub sketches: Vec<Source>,
    pub empty_sketches: Vec<Sketch>,
}

impl Layouts {
    pub fn of<'a>(aggregates: impl Iterator<Item = &'a Aggregate>) -> Layouts {
        let mut layouts = Layouts::default();
        for aggregate in aggregates {
            let kind = match aggregate {
                Aggregate::Count => Kind::Count,
                Aggregate::Min(_) => Kind::Min,
                Aggregate::Max(_) => Kind::Max,
                Aggregate::Avg(_) => Kind::Avg,
                Aggregate::Sum(_) | Aggregate::Distance => Kind::Sum,
                Aggregate::First(_) => Kind::First,
                Aggregate::Last(_) => Kind::Last,
                Aggregate::Quantile(_, share) => Kind::Quantile(share.value()),
                Aggregate::Distinct(_) => Kind::Distinct,
            };
            let input = match kind {
                Kind::Count | Kind::Distinct => 0,
                _ => layouts.input(aggregate.column().map(str::to_owned)),
            };
            let at = match kind {
                Kind::Quantile(_) => layouts.sketch(Source::Quantiles(input)),
                Kind::Distinct => {
                    let column = place(&mut layouts.hashed, aggregate.column().unwrap_or_default().to_owned());
                    layouts.sketch(Source::Distinct(column))
                }
                _ => layouts.empty.len(),
            };
            layouts.all.push(Layout { kind, at, input });
            layouts.empty.extend(kind.empty());
        }
        layouts
    }

    fn sketch(&mut self, source: Source) -> usize {
        let at = place(&mut self.sketches, source);
        if at == self.empty_sketches.len() {
            self.empty_sketches.push(match source {
                Source::Quantiles(_) => Sketch::Quantiles(Quantiles::default()),
                Source::Distinct(_) => Sketch::Distinct(Distinct::default()),
            });
        }
        at
    }

    /// The input that is the distance from the vehicle's frame before, if something asks for it.
    pub fn distance(&self) -> Option<usize> {
        self.inputs.iter().position(Option::is_none)
    }

    /// Puts another distance in the place of one that a frame was taken with.
    pub fn correct(&self, words: &mut [u64], was: f64, is: f64) {
        let distance = self.distance();
        for layout in self.all.iter().filter(|layout| layout.kind == Kind::Sum && Some(layout.input) == distance) {
            sum::replace(&mut words[layout.at..layout.at + sum::WORDS], was, is);
        }
    }

    fn input(&mut self, name: Option<String>) -> usize {
        place(&mut self.inputs, name)
    }

    /// Words of a group.
    pub fn width(&self) -> usize {
        self.empty.len()
    }

    /// Takes one frame, but for sketches. `value` gives an input's value, NaN for null.
    #[inline]
    pub fn add(&self, words: &mut [u64], time: i64, value: impl Fn(usize) -> f64) {
        for layout in &self.all {
            let at = layout.at;
            match layout.kind {
                Kind::Count => {
                    words[at] += 1;
                    continue;
                }
                Kind::Quantile(_) | Kind::Distinct => continue,
                _ => {}
            }
            let value = value(layout.input);
            if value.is_nan() {
                continue;
            }
            match layout.kind {
                Kind::Count | Kind::Quantile(_) | Kind::Distinct => {}
                Kind::Min => words[at] = words[at].min(ordered(value)),
                Kind::Max => words[at] = words[at].max(ordered(value)),
                Kind::Sum | Kind::Avg => sum::add(&mut words[at..at + sum::WORDS], value),
                Kind::First => keep(words, at, [ordered_time(time), ordered(value)], |new, old| new < old),
                Kind::Last => keep(words, at, [ordered_time(time), ordered(value)], |new, old| new > old),
            }
        }
    }

    /// Adds what another part of the window has seen, but for sketches.
    #[inline]
    pub fn merge(&self, words: &mut [u64], part: &[u64]) {
        for layout in &self.all {
            let at = layout.at;
            match layout.kind {
                Kind::Count => words[at] += part[at],
                Kind::Min => words[at] = words[at].min(part[at]),
                Kind::Max => words[at] = words[at].max(part[at]),
                Kind::Sum | Kind::Avg => {
                    sum::merge(&mut words[at..at + sum::WORDS], &part[at..at + sum::WORDS]);
                }
                Kind::First => keep(words, at, [part[at], part[at + 1]], |new, old| new < old),
                Kind::Last => keep(words, at, [part[at], part[at + 1]], |new, old| new > old),
                Kind::Quantile(_) | Kind::Distinct => {}
            }
        }
    }

    /// The result of an aggregate other than counts; `None` is null.
    pub fn result(&self, layout: Layout, words: &[u64], sketches: &[Sketch]) -> Option<f64> {
        let Layout { kind, at, .. } = layout;
        let known = |word: u64| (word != kind.empty()[0]).then(|| disordered(word));
        match kind {
            Kind::Count | Kind::Distinct => None,
            Kind::Min | Kind::Max => known(words[at]),
            Kind::Sum | Kind::Avg if sum::count(&words[at..]) == 0 => None,
            Kind::Sum => Some(sum::total(&words[at..])),
            Kind::Avg => Some(sum::total(&words[at..]) / sum::count(&words[at..]) as f64),
            Kind::First | Kind::Last => known(words[at + 1]),
            Kind::Quantile(share) => match &sketches[at] {
                Sketch::Quantiles(quantiles) => quantiles.quantile(share),
                Sketch::Distinct(_) => None,
            },
        }
    }

    /// The result of a count.
    pub fn count(&self, layout: Layout, words: &[u64], sketches: &[Sketch]) -> u64 {
        match (layout.kind, sketches.get(layout.at)) {
            (Kind::Distinct, Some(Sketch::Distinct(distinct))) => distinct.count(),
            _ => words[layout.at],
        }
    }

    /// When the frame was that a first or last is of.
    pub fn time(&self, layout: Layout, words: &[u64]) -> Option<i64> {
        let word = words[layout.at + 1];
        (word != layout.kind.empty()[1]).then(|| (words[layout.at] ^ SIGN) as i64)
    }
}

/// Where a thing stands in a list, at its end if it was not in it.
fn place<T: PartialEq>(list: &mut Vec<T>, thing: T) -> usize {
    list.iter().position(|known| *known == thing).unwrap_or_else(|| {
        list.push(thing);
        list.len() - 1
    })
}

#[inline]
fn keep(words: &mut [u64], at: usize, new: [u64; 2], wins: impl Fn([u64; 2], [u64; 2]) -> bool) {
    if wins(new, [words[at], words[at + 1]]) {
        words[at..at + 2].copy_from_slice(&new);
    }
}

const SIGN: u64 = 1 << 63;

/// A word that compares as the float does; -0 below 0. No float but a NaN gives 0 or the highest word.
#[inline]
fn ordered(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

#[inline]
fn disordered(word: u64) -> f64 {
    f64::from_bits(if word & SIGN != 0 { word ^ SIGN } else { !word })
}

#[inline]
fn ordered_time(time: i64) -> u64 {
    time as u64 ^ SIGN
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layouts() -> Layouts {
        let texts = ["count", "min(x)", "max(x)", "avg(x)", "sum(x)", "first(x)", "last(x)"];
        let all: Vec<Aggregate> = texts.iter().map(|text| Aggregate::parse(text).expect("an aggregate")).collect();
        Layouts::of(all.iter())
    }

    fn fold(layouts: &Layouts, frames: &[(i64, f64)]) -> Vec<u64> {
        let mut words = layouts.empty.clone();
        frames.iter().for_each(|(time, value)| layouts.add(&mut words, *time, |_| *value));
        words
    }

    fn check(frames: &[(i64, f64)], expected: [Option<f64>; 7]) {
        let layouts = layouts();
        let words = fold(&layouts, frames);
        let result = |layout: &Layout| match layout.kind {
            Kind::Count => Some(layouts.count(*layout, &words, &[]) as f64),
            _ => layouts.result(*layout, &words, &[]),
        };
        let found: Vec<Option<f64>> = layouts.all.iter().map(result).collect();
        assert_eq!(found, expected, "{frames:?}");
    }

    #[test]
    fn aggregates_are_of_the_values_that_there_are() {
        check(&[], [Some(0.0), None, None, None, None, None, None]);
        check(&[(7, f64::NAN)], [Some(1.0), None, None, None, None, None, None]);
        check(
            &[(7, 2.0), (9, f64::NAN), (8, -5.0)],
            [Some(3.0), Some(-5.0), Some(2.0), Some(-1.5), Some(-3.0), Some(2.0), Some(-5.0)],
        );
    }

    #[test]
    fn of_one_time_first_is_the_smaller_and_last_the_larger() {
        for frames in [[(5, 1.0), (5, 3.0)], [(5, 3.0), (5, 1.0)]] {
            check(&frames, [Some(2.0), Some(1.0), Some(3.0), Some(2.0), Some(4.0), Some(1.0), Some(3.0)]);
        }
    }

    proptest! {
        #[test]
        fn merging_in_any_order_is_adding_in_any_order(
            frames in prop::collection::vec((-5_i64..5, prop::option::of(-1e3..1e3_f64)), 0..30), cut in 0_usize..30, by in 0_usize..30,
        ) {
            let layouts = layouts();
            let mut frames: Vec<(i64, f64)> = frames.into_iter().map(|(t, v)| (t, v.unwrap_or(f64::NAN))).collect();
            let whole = fold(&layouts, &frames);
            let by = by.min(frames.len());
            frames.rotate_left(by);
            let (left, right) = frames.split_at(cut.min(frames.len()));
            let (mut ab, mut ba) = (fold(&layouts, left), fold(&layouts, right));
            let (a, b) = (ab.clone(), ba.clone());
            layouts.merge(&mut ab, &b);
            layouts.merge(&mut ba, &a);
            prop_assert_eq!(&ab, &whole);
            prop_assert_eq!(&ba, &whole);
        }
    }
}
