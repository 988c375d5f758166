//! Boxes over runs of a ring's edges, and over sixteen boxes at a time: which runs a box may meet.
//!
//! Boxes are in single precision and rounded outwards, so they find a little too much, never too little.

use crate::bounds::Bounds;
use crate::prefetch::prefetch_all;

/// Edges under one box, and boxes under one of the next level.
pub(crate) const FAN_OUT: usize = 16;
/// Boxes in a cache line.
const LANES: usize = 4;
/// Sixteen times more edges than fit in memory.
const LEVELS_MAX: usize = 8;

/// Four boxes, axis by axis. Unused places are empty boxes.
#[derive(Clone, Debug, PartialEq)]
#[repr(align(64))]
struct Quad {
    min: [[f32; LANES]; 2],
    max: [[f32; LANES]; 2],
}

/// The boxes of one ring. A ring of one run has none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Runs {
    /// Level by level; the lowest, whose boxes are the runs, first.
    quads: Vec<Quad>,
    /// Where each level starts in `quads`, and after the last where it ends.
    starts: [u32; LEVELS_MAX + 1],
    levels: u32,
}

impl Runs {
    /// `bounds`: of each run, in order.
    pub fn new(mut bounds: Vec<Bounds>) -> Runs {
        let (mut quads, mut starts, mut levels) = (Vec::new(), [0; LEVELS_MAX + 1], 0);
        while bounds.len() > 1 {
            quads.extend(bounds.chunks(LANES).map(Quad::new));
            let join = |boxes: &[Bounds]| boxes.iter().fold(Bounds::EMPTY, |all, b| all.joined(b));
            bounds = bounds.chunks(FAN_OUT).map(join).collect();
            levels += 1;
            starts[levels] = quads.len() as u32;
        }
        quads.shrink_to_fit();
        Runs { quads, starts, levels: levels as u32 }
    }

    /// Calls `on` for every run whose box meets the window and is one to `keep`, as are those around it; ascending.
    /// Cost: up to four cache lines a level for each of them.
    #[inline]
    pub fn meeting(&self, window: &Bounds, keep: impl Fn(&Bounds) -> bool, mut on: impl FnMut(usize)) {
        match self.levels as usize {
            0 => on(0),
            1 => self.children(0, 0, &Window::around(window), &keep, on),
            levels => self.descend(levels - 1, 0, &Window::around(window), &keep, &mut on),
        }
    }

    /// Asks for the boxes below the top.
    pub fn prefetch(&self) {
        if let Some(level) = (self.levels as usize).checked_sub(1) {
            prefetch_all(&self.quads[self.starts[level] as usize..]);
        }
    }

    fn descend(
        &self,
        level: usize,
        parent: usize,
        window: &Window,
        keep: &impl Fn(&Bounds) -> bool,
        on: &mut impl FnMut(usize),
    ) {
        self.children(level, parent, window, keep, |child| {
            if level == 0 { on(child) } else { self.descend(level - 1, child, window, keep, on) }
        });
    }

    /// The boxes of one level that lie under one box of the level above.
    #[inline(always)]
    fn children(
        &self,
        level: usize,
        parent: usize,
        window: &Window,
        keep: &impl Fn(&Bounds) -> bool,
        mut on: impl FnMut(usize),
    ) {
        let quads = &self.quads[self.starts[level] as usize..self.starts[level + 1] as usize];
        let first = parent * (FAN_OUT / LANES);
        for (quad, boxes) in quads[first..].iter().take(FAN_OUT / LANES).enumerate() {
            let mut met = boxes.meeting(window);
            while met != 0 {
                let place = met.trailing_zeros() as usize;
                met &= met - 1;
                if keep(&boxes.bounds(place)) {
                    on((first + quad) * LANES + place);
                }
            }
        }
    }

    pub fn memory_bytes(&self) -> usize {
        self.quads.capacity() * size_of::<Quad>()
    }
}

impl Quad {
    fn new(bounds: &[Bounds]) -> Quad {
        let mut quad = Quad { min: [[f32::INFINITY; LANES]; 2], max: [[f32::NEG_INFINITY; LANES]; 2] };
        for (place, bounds) in bounds.iter().enumerate() {
            let window = Window::around(bounds);
            for axis in 0..2 {
                quad.min[axis][place] = window.min[axis];
                quad.max[axis][place] = window.max[axis];
            }
        }
        quad
    }

    /// One bit a place.
    #[inline(always)]
    fn meeting(&self, window: &Window) -> u32 {
        let mut meets = [0; LANES];
        for (place, meets) in meets.iter_mut().enumerate() {
            *meets = i32::from(
                (self.min[0][place] <= window.max[0])
                    & (window.min[0] <= self.max[0][place])
                    & (self.min[1][place] <= window.max[1])
                    & (window.min[1] <= self.max[1][place]),
            ) << place;
        }
        meets.iter().sum::<i32>() as u32
    }

    fn bounds(&self, place: usize) -> Bounds {
        // `map` of arrays is a call.
        let corner = |axes: &[[f32; LANES]; 2]| [f64::from(axes[0][place]), f64::from(axes[1][place])];
        Bounds { min: corner(&self.min), max: corner(&self.max) }
    }
}

/// A box in single precision.
#[derive(Clone, Copy)]
struct Window {
    min: [f32; 2],
    max: [f32; 2],
}

impl Window {
    /// The smallest one that holds the box.
    #[inline]
    fn around(bounds: &Bounds) -> Window {
        Window { min: [below(bounds.min[0]), below(bounds.min[1])], max: [above(bounds.max[0]), above(bounds.max[1])] }
    }
}

#[inline]
fn below(v: f64) -> f32 {
    let near = v as f32;
    if f64::from(near) > v { near.next_down() } else { near }
}

#[inline]
fn above(v: f64) -> f32 {
    let near = v as f32;
    if f64::from(near) < v { near.next_up() } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn boxes(corners: &[(f64, f64, f64, f64)]) -> Vec<Bounds> {
        corners.iter().map(|(x, y, w, h)| Bounds { min: [*x, *y], max: [x + w, y + h] }).collect()
    }

    proptest! {
        #[test]
        fn no_run_that_meets_is_missed(
            corners in prop::collection::vec((-180.0..180.0, -90.0..90.0, 0.0..1.0, 0.0..1.0), 2..700),
            window in (-180.0..180.0, -90.0..90.0, 0.0..40.0, 0.0..40.0),
        ) {
            let bounds = boxes(&corners);
            let asked = boxes(&[window])[0];
            let mut found = Vec::new();
            Runs::new(bounds.clone()).meeting(&asked, |_| true, |run| found.push(run));
            prop_assert!(found.is_sorted());
            let (mut meets, mut near) = (Vec::new(), Vec::new());
            let wider = Bounds { min: asked.min.map(|v| v - 1e-4), max: asked.max.map(|v| v + 1e-4) };
            for (run, bounds) in bounds.iter().enumerate() {
                if bounds.meets(&asked) { meets.push(run) }
                if bounds.meets(&wider) { near.push(run) }
            }
            prop_assert!(meets.iter().all(|run| found.contains(run)));
            prop_assert!(found.iter().all(|run| near.contains(run)));
        }
    }
}
