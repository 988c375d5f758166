//! Boxes in degrees, and whether an edge may touch one.

/// A closed box; x is longitude and y latitude, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    pub min: [f64; 2],
    pub max: [f64; 2],
}

impl Bounds {
    pub const EMPTY: Bounds = Bounds { min: [f64::INFINITY; 2], max: [f64::NEG_INFINITY; 2] };

    pub fn of(points: &[[f64; 2]]) -> Bounds {
        let mut bounds = Bounds::EMPTY;
        for p in points {
            bounds.add(p);
        }
        bounds
    }

    pub fn add(&mut self, p: &[f64; 2]) {
        self.min = [self.min[0].min(p[0]), self.min[1].min(p[1])];
        self.max = [self.max[0].max(p[0]), self.max[1].max(p[1])];
    }

    pub fn join(&mut self, other: &Bounds) {
        if other.min[0] <= other.max[0] {
            self.add(&other.min);
            self.add(&other.max);
        }
    }

    pub fn joined(mut self, other: &Bounds) -> Bounds {
        self.join(other);
        self
    }

    /// What of it has a longitude of -180 to 180.
    pub fn on_earth(&self) -> Bounds {
        Bounds { min: [self.min[0].max(-180.0), self.min[1]], max: [self.max[0].min(180.0), self.max[1]] }
    }

    /// The lower right one.
    pub fn corner(&self) -> [f64; 2] {
        [self.max[0], self.min[1]]
    }

    pub fn meets(&self, other: &Bounds) -> bool {
        self.min[0] <= other.max[0]
            && other.min[0] <= self.max[0]
            && self.min[1] <= other.max[1]
            && other.min[1] <= self.max[1]
    }

    pub fn holds(&self, p: [f64; 2]) -> bool {
        self.min[0] <= p[0] && p[0] <= self.max[0] && self.min[1] <= p[1] && p[1] <= self.max[1]
    }

    /// Whether the box around the edge from `a` to `b` does not meet this one.
    #[inline(always)]
    pub fn is_beside(&self, a: [f64; 2], b: [f64; 2]) -> bool {
        let beside = |axis: usize| {
            (a[axis] < self.min[axis]) & (b[axis] < self.min[axis])
                | (a[axis] > self.max[axis]) & (b[axis] > self.max[axis])
        };
        beside(0) | beside(1)
    }

    /// False only when the edge from `a` to `b` surely does not touch the box; rounding errs on the side of true.
    pub fn may_touch(&self, a: [f64; 2], b: [f64; 2]) -> bool {
        if self.is_beside(a, b) {
            return false;
        }
        let half = [(self.max[0] - self.min[0]) * 0.5, (self.max[1] - self.min[1]) * 0.5];
        let centre = [self.min[0] + half[0] - a[0], self.min[1] + half[1] - a[1]];
        let d = [b[0] - a[0], b[1] - a[1]];
        let cross = d[0] * centre[1] - d[1] * centre[0];
        cross.abs() <= (d[0].abs() * half[1] + d[1].abs() * half[0]) * (1.0 + 1e-6)
    }
}
