//! What a window keeps for each aggregate: a few words, which merge. Merging is commutative and associative to the
//! last bit, so that neither lanes nor shards nor batches show in a result.

use super::config::Aggregate;
use super::side::{Pick, Side, Text};
use super::sum;
use super::values::{Of, disordered, ordered, ordered_whole, whole_of};
use arrow::datatypes::FieldRef;
use rhumb_engine::sketch::{Distinct, Quantiles, Sketch};

/// What a group keeps, to be changed.
#[derive(Debug)]
pub struct Cells<'a> {
    pub words: &'a mut [u64],
    pub sides: &'a mut [Side],
}

/// How one aggregate lies in the cells, and which input it reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    pub kind: Kind,
    pub of: Of,
    /// Its first word; of a quantile, a distinct count or texts what is kept beside.
    pub at: usize,
    /// Into the inputs gathered from the batch, those of `of`; unused by count, quantiles and distinct counts.
    pub input: usize,
}

/// What is kept beside the words, and what it is filled from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Buckets of an input.
    Quantiles(usize),
    /// Hashes of a column of `hashed`.
    Distinct(usize),
    /// A text column.
    Text(usize, Pick),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// count
    Count,
    /// value, as `ordered` has it; of whole numbers and times then whether there is one
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
    fn empty(self, of: Of) -> &'static [u64] {
        match (self, of) {
            (Kind::Count, _) | (Kind::Max, Of::Fractions) => &[0],
            (Kind::Min, Of::Fractions) => &[u64::MAX],
            (Kind::Sum | Kind::Avg, _) => &sum::EMPTY,
            (Kind::Quantile(_) | Kind::Distinct, _) | (_, Of::Texts) => &[],
            (Kind::Min, _) => &[u64::MAX, 0],
            (Kind::Max, _) => &[0, 0],
            (Kind::First, _) => &[u64::MAX, u64::MAX],
            (Kind::Last, _) => &[0, 0],
        }
    }

    /// Of texts.
    fn pick(self) -> Option<Pick> {
        match self {
            Kind::Min => Some(Pick::Min),
            Kind::Max => Some(Pick::Max),
            Kind::First => Some(Pick::First),
            Kind::Last => Some(Pick::Last),
            _ => None,
        }
    }
}

impl Layout {
    /// Whether the word behind the value says that there is one.
    fn is_marked(&self) -> bool {
        matches!(self.kind, Kind::Min | Kind::Max) && self.of != Of::Fractions
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
    /// Columns of whole numbers and times, by name.
    pub wholes: Vec<String>,
    /// Columns of texts, by name.
    pub texts: Vec<String>,
    /// Columns to hash, by name.
    pub hashed: Vec<String>,
    /// One for all aggregates that ask the same of a column.
    pub sides: Vec<Source>,
    pub empty_sides: Vec<Side>,
}

impl Layouts {
    /// `columns`: all columns of the frames, for the types of values.
    pub fn of<'a>(aggregates: impl Iterator<Item = &'a Aggregate>, columns: &[FieldRef]) -> Layouts {
        let mut layouts = Layouts::default();
        for aggregate in aggregates {
            let column = aggregate.column().unwrap_or_default();
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
            let of = match kind {
                Kind::Count | Kind::Avg | Kind::Quantile(_) | Kind::Distinct => Of::Fractions,
                _ => Of::column(column, columns),
            };
            let input = match (kind, of) {
                (Kind::Count | Kind::Distinct, _) => 0,
                (_, Of::Fractions) => place(&mut layouts.inputs, aggregate.column().map(str::to_owned)),
                (_, Of::Wholes | Of::Times) => place(&mut layouts.wholes, column.to_owned()),
                (_, Of::Texts) => place(&mut layouts.texts, column.to_owned()),
            };
            let at = match (kind, kind.pick().filter(|_| of == Of::Texts)) {
                (_, Some(pick)) => layouts.side(Source::Text(input, pick)),
                (Kind::Quantile(_), _) => layouts.side(Source::Quantiles(input)),
                (Kind::Distinct, _) => {
                    let column = place(&mut layouts.hashed, column.to_owned());
                    layouts.side(Source::Distinct(column))
                }
                _ => layouts.empty.len(),
            };
            layouts.all.push(Layout { kind, of, at, input });
            layouts.empty.extend(kind.empty(of));
        }
        layouts
    }

    fn side(&mut self, source: Source) -> usize {
        let at = place(&mut self.sides, source);
        if at == self.empty_sides.len() {
            self.empty_sides.push(match source {
                Source::Quantiles(_) => Side::Sketch(Sketch::Quantiles(Quantiles::default())),
                Source::Distinct(_) => Side::Sketch(Sketch::Distinct(Distinct::default())),
                Source::Text(_, pick) => Side::Text(Text::new(pick)),
            });
        }
        at
    }

    /// Texts that are kept: their side, their column, and which of them.
    pub fn picks(&self) -> impl Iterator<Item = (usize, usize, Pick)> {
        self.sides.iter().enumerate().filter_map(|(at, source)| match source {
            Source::Text(column, pick) => Some((at, *column, *pick)),
            _ => None,
        })
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

    /// Words of a group.
    pub fn width(&self) -> usize {
        self.empty.len()
    }

    /// Takes one frame, but for what is kept beside. `value` gives an input's value, NaN for null, `whole` that of one of
    /// whole numbers.
    #[inline]
    pub fn add(
        &self,
        words: &mut [u64],
        time: i64,
        value: impl Fn(usize) -> f64,
        whole: impl Fn(usize) -> Option<i64>,
    ) {
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
            let is_sum = matches!(layout.kind, Kind::Sum | Kind::Avg);
            let word = match layout.of {
                Of::Texts => continue,
                Of::Fractions => {
                    let value = value(layout.input);
                    if value.is_nan() {
                        continue;
                    }
                    if is_sum {
                        sum::add(&mut words[at..at + sum::WORDS], value);
                        continue;
                    }
                    ordered(value)
                }
                Of::Wholes | Of::Times => {
                    let Some(value) = whole(layout.input) else { continue };
                    if is_sum {
                        sum::add_whole(&mut words[at..at + sum::WORDS], value);
                        continue;
                    }
                    ordered_whole(value)
                }
            };
            match layout.kind {
                Kind::Min => words[at] = words[at].min(word),
                Kind::Max => words[at] = words[at].max(word),
                Kind::First => keep(words, at, [ordered_whole(time), word], |new, old| new < old),
                _ => keep(words, at, [ordered_whole(time), word], |new, old| new > old),
            }
            if layout.is_marked() {
                words[at + 1] = 1;
            }
        }
    }

    /// Adds what another part of the window has seen, but for what is kept beside.
    #[inline]
    pub fn merge(&self, words: &mut [u64], part: &[u64]) {
        for layout in &self.all {
            let at = layout.at;
            match layout.kind {
                Kind::Quantile(_) | Kind::Distinct => continue,
                Kind::Count => words[at] += part[at],
                Kind::Sum | Kind::Avg => {
                    sum::merge(&mut words[at..at + sum::WORDS], &part[at..at + sum::WORDS]);
                }
                _ if layout.of == Of::Texts => continue,
                Kind::Min => words[at] = words[at].min(part[at]),
                Kind::Max => words[at] = words[at].max(part[at]),
                Kind::First => keep(words, at, [part[at], part[at + 1]], |new, old| new < old),
                Kind::Last => keep(words, at, [part[at], part[at + 1]], |new, old| new > old),
            }
            if layout.is_marked() {
                words[at + 1] |= part[at + 1];
            }
        }
    }

    /// The result of an aggregate of fractions; `None` is null.
    pub fn result(&self, layout: Layout, words: &[u64], sides: &[Side]) -> Option<f64> {
        let Layout { kind, of, at, .. } = layout;
        let known = |word: u64| (word != kind.empty(of)[0]).then(|| disordered(word));
        match kind {
            Kind::Count | Kind::Distinct => None,
            Kind::Min | Kind::Max => known(words[at]),
            Kind::Sum | Kind::Avg if sum::count(&words[at..]) == 0 => None,
            Kind::Sum => Some(sum::total(&words[at..])),
            Kind::Avg => Some(sum::total(&words[at..]) / sum::count(&words[at..]) as f64),
            Kind::First | Kind::Last => known(words[at + 1]),
            Kind::Quantile(share) => match &sides[at] {
                Side::Sketch(Sketch::Quantiles(quantiles)) => quantiles.quantile(share),
                _ => None,
            },
        }
    }

    /// The result of an aggregate of whole numbers or times; `None` is null.
    pub fn whole(&self, layout: Layout, words: &[u64]) -> Option<i64> {
        let at = layout.at;
        match layout.kind {
            Kind::Min | Kind::Max => (words[at + 1] != 0).then(|| whole_of(words[at])),
            Kind::First | Kind::Last => self.time(layout, words, &[]).map(|_| whole_of(words[at + 1])),
            Kind::Sum => (sum::count(&words[at..]) > 0).then(|| sum::total_whole(&words[at..])),
            _ => None,
        }
    }

    /// The result of a count.
    pub fn count(&self, layout: Layout, words: &[u64], sides: &[Side]) -> u64 {
        match (layout.kind, sides.get(layout.at)) {
            (Kind::Distinct, Some(Side::Sketch(Sketch::Distinct(distinct)))) => distinct.count(),
            _ => words[layout.at],
        }
    }

    /// When the frame was that a first or last is of.
    pub fn time(&self, layout: Layout, words: &[u64], sides: &[Side]) -> Option<i64> {
        if layout.of == Of::Texts {
            return sides[layout.at].text().map(|(time, _)| time);
        }
        let word = words[layout.at];
        (word != layout.kind.empty(layout.of)[0]).then(|| whole_of(word))
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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Field};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn layouts() -> Layouts {
        let texts = ["count", "min(x)", "max(x)", "avg(x)", "sum(x)", "first(x)", "last(x)"];
        let all: Vec<Aggregate> = texts.iter().map(|text| Aggregate::parse(text).expect("an aggregate")).collect();
        Layouts::of(all.iter(), &[])
    }

    fn fold(layouts: &Layouts, frames: &[(i64, f64)]) -> Vec<u64> {
        let mut words = layouts.empty.clone();
        frames.iter().for_each(|(time, value)| layouts.add(&mut words, *time, |_| *value, |_| None));
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

    #[test]
    fn whole_numbers_stay_whole_to_the_last_digit() {
        let columns = [Arc::new(Field::new("n", DataType::Int64, true)) as FieldRef];
        let texts = ["min(n)", "max(n)", "sum(n)", "first(n)", "last(n)"];
        let all: Vec<Aggregate> = texts.iter().map(|text| Aggregate::parse(text).expect("an aggregate")).collect();
        let layouts = Layouts::of(all.iter(), &columns);
        let check = |frames: &[(i64, Option<i64>)], expected: [Option<i64>; 5]| {
            let mut parts = [layouts.empty.clone(), layouts.empty.clone()];
            for (n, (time, value)) in frames.iter().enumerate() {
                layouts.add(&mut parts[n % 2], *time, |_| f64::NAN, |_| *value);
            }
            let [mut words, other] = parts;
            layouts.merge(&mut words, &other);
            let found: Vec<Option<i64>> = layouts.all.iter().map(|layout| layouts.whole(*layout, &words)).collect();
            assert_eq!(found, expected, "{frames:?}");
        };
        let most = i64::MAX;
        check(&[], [None; 5]);
        check(&[(1, None)], [None; 5]);
        check(&[(2, Some(most)), (1, Some(-7))], [Some(-7), Some(most), Some(most - 7), Some(-7), Some(most)]);
        check(&[(2, Some(most)), (1, Some(most))], [Some(most); 5]);
        check(&[(2, Some(i64::MIN)), (1, Some(i64::MIN))], [Some(i64::MIN); 5]);
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
