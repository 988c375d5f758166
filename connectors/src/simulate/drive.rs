//! How one vehicle drives: leg by leg along the streets of a grid. On a leg it speeds up, cruises, and brakes for what
//! is at its end: a stop, a turn, or nothing. The three phases are computed once a leg, so that where the
//! vehicle is at any time is a formula, whatever the time between its frames.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;

/// Metres a second squared.
const SPEED_UP: f32 = 1.5;
const BRAKE: f32 = 2.0;
/// Seconds that turning the wheel takes.
const TURN_S: f32 = 3.0;

/// A kind of street: speed and length of a leg from and up to, share of legs that end with a stop, and with a turn.
struct Street {
    speed_mps: (f32, f32),
    length_m: (f32, f32),
    stop: f32,
    turn: f32,
}

const STREETS: [Street; 3] = [
    Street { speed_mps: (7.0, 14.0), length_m: (90.0, 350.0), stop: 0.35, turn: 0.35 },
    Street { speed_mps: (12.0, 20.0), length_m: (300.0, 1_200.0), stop: 0.25, turn: 0.25 },
    Street { speed_mps: (24.0, 33.0), length_m: (1_500.0, 7_000.0), stop: 0.03, turn: 0.25 },
];
/// Of eight legs after a turn or stop: which kind of street each is on.
const STREET_OF: [u8; 8] = [0, 0, 0, 0, 1, 1, 1, 2];

/// The town: what all vehicles share.
pub(super) struct Town {
    pub radius_m: f32,
    /// East and north parts of the four directions of the grid, clockwise.
    pub directions: [(f32, f32); 4],
    /// Bearing of the first of them, degrees.
    pub grid_deg: f32,
}

impl Town {
    pub fn new(radius_m: f64, grid_deg: f64) -> Town {
        let (sin, cos) = libm::sincos(grid_deg.to_radians());
        let (sin, cos) = (sin as f32, cos as f32);
        Town {
            radius_m: radius_m as f32,
            directions: [(sin, cos), (cos, -sin), (-sin, -cos), (-cos, sin)],
            grid_deg: grid_deg as f32,
        }
    }
}

/// Where a vehicle is at some time, metres east and north of the middle of the town.
pub(super) struct Fix {
    pub east_m: f32,
    pub north_m: f32,
    pub speed_mps: f32,
    pub heading_deg: f32,
}

/// One leg of a vehicle's way.
pub(super) struct Leg {
    east_m: f32,
    north_m: f32,
    start_us: i64,
    length_m: f32,
    /// At its start, in its middle, at its end.
    speeds_mps: [f32; 3],
    /// When speeding up ends, when braking begins, when the end is reached, when the stop there is over; seconds from
    /// its start.
    times_s: [f32; 4],
    direction: u8,
    direction_before: u8,
    street: u8,
}

impl Leg {
    /// A vehicle somewhere in town, setting off.
    pub fn first(town: &Town, rng: &mut Pcg64Mcg) -> Leg {
        let (mut east_m, mut north_m) = (f32::INFINITY, 0.0);
        while outside((east_m, north_m), town) {
            east_m = between(rng, -town.radius_m, town.radius_m);
            north_m = between(rng, -town.radius_m, town.radius_m);
        }
        let parked = Leg {
            east_m,
            north_m,
            start_us: 0,
            length_m: 0.0,
            speeds_mps: [0.0; 3],
            // Not all at once.
            times_s: [0.0, 0.0, 0.0, between(rng, 0.0, 60.0)],
            direction: (rng.next_u32() % 4) as u8,
            direction_before: 0,
            street: 0,
        };
        let direction_before = parked.direction;
        Leg { direction_before, ..parked }
    }

    /// The leg that the vehicle is on at a time, starting from this one.
    #[inline]
    pub fn advance(&mut self, now_us: i64, town: &Town, rng: &mut Pcg64Mcg) {
        while self.elapsed_s(now_us) >= self.times_s[3] {
            *self = self.next(town, rng);
        }
    }

    #[inline]
    fn elapsed_s(&self, now_us: i64) -> f32 {
        (now_us - self.start_us) as f32 * 1e-6
    }

    /// Where the vehicle is at a time within this leg.
    #[inline]
    pub fn fix(&self, now_us: i64, town: &Town) -> Fix {
        let at_s = self.elapsed_s(now_us);
        let [up_s, cruise_s, end_s, _] = self.times_s;
        let [first, middle, last] = self.speeds_mps;
        let (along_m, speed_mps) = if at_s < up_s {
            (at_s * (first + 0.5 * SPEED_UP * at_s), first + SPEED_UP * at_s)
        } else if at_s < cruise_s {
            (0.5 * up_s * (first + middle) + middle * (at_s - up_s), middle)
        } else {
            let left_s = (end_s - at_s).max(0.0);
            (self.length_m - left_s * (last + 0.5 * BRAKE * left_s), last + BRAKE * left_s)
        };
        let (east, north) = town.directions[usize::from(self.direction)];
        let turned = f32::from(turn_between(self.direction_before, self.direction)) * (at_s / TURN_S).min(1.0);
        let heading_deg = town.grid_deg + 90.0 * (f32::from(self.direction_before) + turned);
        Fix {
            east_m: self.east_m + east * along_m,
            north_m: self.north_m + north * along_m,
            speed_mps,
            heading_deg: if heading_deg < 0.0 { heading_deg + 360.0 } else { heading_deg % 360.0 },
        }
    }

    fn next(&self, town: &Town, rng: &mut Pcg64Mcg) -> Leg {
        let (east, north) = town.directions[usize::from(self.direction)];
        let (east_m, north_m) = (self.east_m + east * self.length_m, self.north_m + north * self.length_m);
        let first = self.speeds_mps[2];
        // Who comes along at speed goes straight on, on the same street.
        let through = first > TURN_SPEED_MPS;
        let street = if through { self.street } else { STREET_OF[(rng.next_u32() % 8) as usize] };
        let direction = if through { self.direction } else { turn(self.direction, (east_m, north_m), town, rng) };
        let kind = &STREETS[usize::from(street)];
        let cruise = between(rng, kind.speed_mps.0, kind.speed_mps.1).max(first);
        let drawn_m = between(rng, kind.length_m.0, kind.length_m.1).min(town.radius_m);
        let (east, north) = town.directions[usize::from(direction)];
        let leaves = outside((east_m + east * drawn_m, north_m + north * drawn_m), town);
        let (last, stop_s) = end_of(kind, cruise, leaves, rng);
        // Long enough to come from one speed to the other.
        let length_m = drawn_m.max((first * first - last * last).abs() / (2.0 * SPEED_UP) + 5.0);
        let (middle, times_s) = phases(first, cruise, last, length_m);
        Leg {
            east_m,
            north_m,
            start_us: self.start_us + (f64::from(self.times_s[3]) * 1e6) as i64,
            length_m,
            speeds_mps: [first, middle, last],
            times_s: [times_s[0], times_s[1], times_s[2], times_s[2] + stop_s],
            direction,
            direction_before: self.direction,
            street,
        }
    }
}

/// Nobody turns faster.
const TURN_SPEED_MPS: f32 = 6.0;

/// Speed at the end of a leg, and how long the vehicle stands there.
fn end_of(kind: &Street, cruise: f32, turn_back: bool, rng: &mut Pcg64Mcg) -> (f32, f32) {
    let drawn = between(rng, 0.0, 1.0);
    if drawn < kind.stop {
        // A delivery now and then, mostly traffic lights.
        let delivery = rng.next_u32().is_multiple_of(16);
        return (0.0, if delivery { between(rng, 120.0, 900.0) } else { between(rng, 3.0, 60.0) });
    }
    let turns = turn_back || drawn < kind.stop + kind.turn;
    (if turns { between(rng, 3.0, TURN_SPEED_MPS) } else { cruise }, 0.0)
}

/// The direction after a crossing: straight on, right or left; back towards the town from outside it.
fn turn(direction: u8, at_m: (f32, f32), town: &Town, rng: &mut Pcg64Mcg) -> u8 {
    let by = [0, 1, 3, 1 + 2 * (rng.next_u32() % 2) as u8][(rng.next_u32() % 4) as usize];
    if !outside(at_m, town) {
        return (direction + by) % 4;
    }
    let outwards = |direction: u8| {
        let (east, north) = town.directions[usize::from(direction)];
        east * at_m.0 + north * at_m.1
    };
    let choices = [direction, (direction + 1) % 4, (direction + 3) % 4];
    choices.into_iter().min_by(|a, b| outwards(*a).total_cmp(&outwards(*b))).unwrap_or(direction)
}

fn outside((east_m, north_m): (f32, f32), town: &Town) -> bool {
    east_m * east_m + north_m * north_m > town.radius_m * town.radius_m
}

/// Quarters to the right from one direction to another: -1, 0 or 1, as nobody turns round on the spot.
fn turn_between(from: u8, to: u8) -> i8 {
    match (to + 4 - from) % 4 {
        3 => -1,
        quarters => quarters as i8,
    }
}

/// The speed that a leg is long enough for, at most `cruise`, and when its phases end.
fn phases(first: f32, cruise: f32, last: f32, length_m: f32) -> (f32, [f32; 3]) {
    let (up, down) = (SPEED_UP, BRAKE);
    let peak = ((2.0 * up * down * length_m + down * first * first + up * last * last) / (up + down)).sqrt();
    let middle = cruise.min(peak).max(first).max(last);
    let (up_s, down_s) = ((middle - first) / up, (middle - last) / down);
    let cruise_m = length_m - 0.5 * up_s * (first + middle) - 0.5 * down_s * (middle + last);
    let cruise_s = up_s + (cruise_m / middle).max(0.0);
    (middle, [up_s, cruise_s, cruise_s + down_s])
}

/// Evenly from `low` up to `high`.
#[inline]
pub(super) fn between(rng: &mut Pcg64Mcg, low: f32, high: f32) -> f32 {
    // 24 bits are what an f32 holds.
    let unit = (rng.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0);
    low + (high - low) * unit
}
