//! What a window keeps for each aggregate: a few `f64` cells, which merge.

use super::config::Aggregate;

/// How one aggregate lies in the cells, and which input it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub kind: Kind,
    /// Of the first of its cells.
    pub cell: usize,
    /// Into the values gathered from the batch; unused by count.
    pub input: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// count
    Count,
    /// value; NaN before the first
    Min,
    Max,
    /// sum, count of values
    Sum,
    Avg,
    /// time (bits of an i64), value; NaN before the first
    First,
    Last,
}

impl Kind {
    pub fn cells(self) -> usize {
        match self {
            Kind::Count | Kind::Min | Kind::Max => 1,
            Kind::Sum | Kind::Avg | Kind::First | Kind::Last => 2,
        }
    }
}

/// All aggregates of a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layouts {
    pub all: Vec<Layout>,
    pub cells: usize,
    /// Cells of a window that has seen nothing.
    pub empty: Vec<f64>,
    /// Columns to gather, by name; `None` is the distance from the vehicle's frame before.
    pub inputs: Vec<Option<String>>,
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
            };
            let input = match kind {
                Kind::Count => 0,
                _ => layouts.input(aggregate.column().map(str::to_owned)),
            };
            layouts.all.push(Layout { kind, cell: layouts.cells, input });
            layouts.cells += kind.cells();
            layouts.empty.extend(match kind {
                Kind::Count => &[0.0][..],
                Kind::Min | Kind::Max => &[f64::NAN],
                Kind::Sum | Kind::Avg => &[0.0, 0.0],
                Kind::First | Kind::Last => &[0.0, f64::NAN],
            });
        }
        layouts
    }

    fn input(&mut self, name: Option<String>) -> usize {
        match self.inputs.iter().position(|known| *known == name) {
            Some(at) => at,
            None => {
                self.inputs.push(name);
                self.inputs.len() - 1
            }
        }
    }

    /// Takes one frame. `value` gives an input's value, NaN for null.
    #[inline]
    pub fn add(&self, cells: &mut [f64], time: i64, value: impl Fn(usize) -> f64) {
        for layout in &self.all {
            let at = layout.cell;
            if layout.kind == Kind::Count {
                cells[at] += 1.0;
                continue;
            }
            let value = value(layout.input);
            if value.is_nan() {
                continue;
            }
            match layout.kind {
                Kind::Count => {}
                Kind::Min => cells[at] = cells[at].min(value),
                Kind::Max => cells[at] = cells[at].max(value),
                Kind::Sum | Kind::Avg => {
                    cells[at] += value;
                    cells[at + 1] += 1.0;
                }
                // Of frames of one time the first to arrive is first, the last to arrive is last.
                Kind::First if cells[at + 1].is_nan() || time < time_of(cells[at]) => set(cells, at, time, value),
                Kind::Last if cells[at + 1].is_nan() || time >= time_of(cells[at]) => set(cells, at, time, value),
                Kind::First | Kind::Last => {}
            }
        }
    }

    /// Puts a part to the parts before it, which are of lower lanes.
    pub fn merge(&self, cells: &mut [f64], part: &[f64]) {
        for layout in &self.all {
            let at = layout.cell;
            match layout.kind {
                Kind::Count => cells[at] += part[at],
                Kind::Min => cells[at] = cells[at].min(part[at]),
                Kind::Max => cells[at] = cells[at].max(part[at]),
                Kind::Sum | Kind::Avg => {
                    cells[at] += part[at];
                    cells[at + 1] += part[at + 1];
                }
                Kind::First | Kind::Last if part[at + 1].is_nan() => {}
                Kind::First if cells[at + 1].is_nan() || time_of(part[at]) < time_of(cells[at]) => {
                    copy(cells, part, at);
                }
                Kind::Last if cells[at + 1].is_nan() || time_of(part[at]) >= time_of(cells[at]) => {
                    copy(cells, part, at);
                }
                Kind::First | Kind::Last => {}
            }
        }
    }

    /// The result of one aggregate; `None` is null.
    pub fn result(&self, aggregate: usize, cells: &[f64]) -> Option<f64> {
        let Layout { kind, cell, .. } = self.all[aggregate];
        let known = |value: f64| (!value.is_nan()).then_some(value);
        match kind {
            Kind::Count => Some(cells[cell]),
            Kind::Min | Kind::Max => known(cells[cell]),
            Kind::Sum => (cells[cell + 1] > 0.0).then_some(cells[cell]),
            Kind::Avg => (cells[cell + 1] > 0.0).then(|| cells[cell] / cells[cell + 1]),
            Kind::First | Kind::Last => known(cells[cell + 1]),
        }
    }
}

fn time_of(cell: f64) -> i64 {
    cell.to_bits() as i64
}

fn set(cells: &mut [f64], at: usize, time: i64, value: f64) {
    cells[at] = f64::from_bits(time as u64);
    cells[at + 1] = value;
}

fn copy(cells: &mut [f64], part: &[f64], at: usize) {
    cells[at..at + 2].copy_from_slice(&part[at..at + 2]);
}
