//! What a vehicle's path means at its zones, the slow and simple way: each zone by itself, over the whole path in order
//! of time, without an index and without anything kept between runs.

pub mod trace;

use rhumb_geofence::{Position, Side, Zones};
use rhumb_operators::geofence::schedule::Stretch;
use rhumb_operators::geofence::{RulesByZone, ZoneRules};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    pub time: i64,
    pub lat: f64,
    pub lon: f64,
    pub accuracy_m: Option<f32>,
    pub speed_mps: Option<f32>,
}

/// An alert, without its id: kind, zone, time, place (a dwell has none), begin of the visit, reason, where it left, time of the frame
/// that shows it.
pub type Said = (&'static str, u32, i64, Option<(u64, u64)>, i64, &'static str, Option<i64>, i64);

/// What late frames can still reach: the newest `keep` fixes in order of time, and all that were taken in.
#[derive(Debug, Clone, Default)]
pub struct Path {
    pub all: Vec<Fix>,
}

impl Path {
    /// False if the frame is older than the kept path.
    pub fn take(&mut self, fix: Fix, keep: usize) -> bool {
        let at = self.all.partition_point(|other| other.time <= fix.time);
        let kept = self.all.len() >= keep;
        if kept && at <= self.all.len() - keep && at < self.all.len() {
            return false;
        }
        self.all.insert(at, fix);
        true
    }
}

const HOUR_US: i64 = 3_600_000_000;

/// What is asked of zones; places are (latitude, longitude).
pub trait Geometry {
    fn count(&self) -> u32;
    fn holds(&self, zone: u32, at: (f64, f64)) -> bool;
    /// The fraction of the way at which it last came in before its end, or first went out after its start.
    fn crossing(&self, zone: u32, from: (f64, f64), to: (f64, f64), side: Side) -> f64;
    fn outside_m(&self, zone: u32, at: (f64, f64)) -> f64;
    /// The first and last fraction inside, of a way with both ends outside.
    fn passed(&self, zone: u32, from: (f64, f64), to: (f64, f64)) -> Option<(f64, f64)>;
    /// The place at a fraction of the way.
    fn along(&self, from: (f64, f64), to: (f64, f64), fraction: f64) -> (f64, f64);
}

fn position(at: (f64, f64)) -> Position {
    Position::new(at.0, at.1).expect("the recordings and draws are places")
}

/// The zones' own answers, for tests of what is made of them.
impl Geometry for Zones {
    fn count(&self) -> u32 {
        self.len() as u32
    }

    fn holds(&self, zone: u32, at: (f64, f64)) -> bool {
        self.contains(zone, position(at))
    }

    fn crossing(&self, zone: u32, from: (f64, f64), to: (f64, f64), side: Side) -> f64 {
        Zones::crossing(self, zone, position(from), position(to), side)
    }

    fn outside_m(&self, zone: u32, at: (f64, f64)) -> f64 {
        Zones::outside_m(self, zone, position(at))
    }

    fn passed(&self, zone: u32, from: (f64, f64), to: (f64, f64)) -> Option<(f64, f64)> {
        let mut passed = Vec::new();
        Zones::passed(self, position(from), position(to), &mut passed);
        passed.iter().find(|(z, ..)| *z == zone).map(|(_, entry, exit)| (*entry, *exit))
    }

    fn along(&self, from: (f64, f64), to: (f64, f64), fraction: f64) -> (f64, f64) {
        let at = Zones::along(position(from), position(to), fraction);
        (at.lat(), at.lon())
    }
}

fn place(fix: &Fix) -> (f64, f64) {
    (fix.lat, fix.lon)
}

/// A moment on the way between two fixes.
fn between(zones: &impl Geometry, from: Option<&Fix>, to: &Fix, fraction: f64) -> Fix {
    match from.filter(|from| to.time - from.time <= HOUR_US) {
        None => *to,
        Some(from) => {
            let (lat, lon) = zones.along(place(from), place(to), fraction);
            let time = from.time + ((to.time - from.time) as f64 * fraction).round() as i64;
            Fix { time, lat, lon, ..*to }
        }
    }
}

fn at_time(zones: &impl Geometry, from: Option<&Fix>, to: &Fix, time: i64) -> Fix {
    let span = from.map_or(0, |from| to.time - from.time);
    let fraction = if span > 0 { (time - from.map_or(0, |f| f.time)) as f64 / span as f64 } else { 1.0 };
    Fix { time, ..between(zones, from, to, fraction.clamp(0.0, 1.0)) }
}

/// Everything that is to be told of one vehicle, once the clock of its lane has come to `clock`.
/// `crosses`: whether zones that were passed through are looked for, which takes long.
pub fn alerts(
    zones: &impl Geometry,
    rules: &RulesByZone,
    vehicle: &str,
    group: Option<&str>,
    path: &[Fix],
    clock: i64,
    crosses: bool,
) -> Vec<Said> {
    let mut said = Vec::new();
    for zone in 0..zones.count() {
        let rules = &rules[zone as usize];
        if rules.apply_to(vehicle, group) {
            one_zone(zones, zone, rules, path, clock, crosses, &mut said);
        }
    }
    said.sort();
    said
}

#[allow(clippy::too_many_lines, reason = "all rules in one place, in the order in which they are applied")]
fn one_zone(
    zones: &impl Geometry,
    zone: u32,
    rules: &ZoneRules,
    path: &[Fix],
    clock: i64,
    crosses: bool,
    said: &mut Vec<Said>,
) {
    let always = Stretch { open: true, since: i64::MIN, until: i64::MAX };
    let holds = |fix: &Fix| zones.holds(zone, place(fix));
    let cross_at = |from: Option<&Fix>, to: &Fix, side| match from.filter(|from| to.time - from.time <= HOUR_US) {
        Some(start) => between(zones, from, to, zones.crossing(zone, place(start), place(to), side)),
        None => *to,
    };
    let mut since: Option<i64> = None;
    // Where it came in or out, the time of the first frame that showed it, how many did.
    let mut coming: Option<(Fix, i64, u32, &str)> = None;
    let mut going: Option<(Fix, i64, u32)> = None;
    let mut fast: Option<(Fix, bool)> = None;
    let mut trusted: Option<&Fix> = None;
    let now = std::cell::Cell::new(0);
    let mut say = |kind, at: &Fix, since, reason, left| {
        let place = (kind != "dwell").then(|| (at.lat.to_bits(), at.lon.to_bits()));
        let shown = if kind == "dwell" { at.time } else { now.get() };
        said.push((kind, zone, at.time, place, since, reason, left, shown));
    };
    for (n, fix) in path.iter().enumerate() {
        now.set(fix.time);
        let before = n.checked_sub(1).map(|n| &path[n]);
        let is_trusted = fix.accuracy_m.is_none_or(|m| m <= rules.accuracy_max_m);
        let inside = holds(fix);
        let stretch = if rules.schedule.is_always() { always } else { rules.schedule.at(fix.time) };
        let was_outside = since.is_none() && coming.is_none();
        let mut left: Option<(Fix, &str)> = None;
        if let Some(begun) = since.filter(|_| !rules.schedule.is_always()) {
            let first = trusted.map_or(begun, |t| t.time.max(begun)).min(fix.time);
            let then = rules.schedule.at(first);
            let closed = if then.open {
                (then.until <= fix.time).then_some(then.until)
            } else {
                (!stretch.open).then(|| stretch.since.clamp(first, fix.time))
            };
            if let Some(closed) = closed {
                let end = at_time(zones, trusted, fix, closed);
                let gone =
                    going.map(|(at, ..)| at).or((!inside && is_trusted).then(|| cross_at(trusted, fix, Side::Exit)));
                let (at, reason) = gone.filter(|at| at.time <= end.time).map_or((end, "zone_closed"), |at| (at, ""));
                if let Some(due) = rules.dwell_us.map(|dwell| begun + dwell).filter(|due| *due <= at.time) {
                    say("dwell", &Fix { time: due, ..at }, begun, "", None);
                }
                say("exit", &at, begun, reason, None);
                (since, going) = (None, None);
            }
        }
        if !stretch.open {
            coming = None;
        } else if is_trusted && since.is_some() {
            if inside {
                going = None;
            } else {
                let (at, first, n) = going.unwrap_or((cross_at(trusted, fix, Side::Exit), 0, 0));
                let beyond = rules.exit_buffer_m == 0.0 || zones.outside_m(zone, place(fix)) > rules.exit_buffer_m;
                let (first, n) = if !beyond {
                    (0, 0)
                } else if n == 0 {
                    (fix.time, 1)
                } else {
                    (first, n + 1)
                };
                going = Some((at, first, n));
                if beyond && n >= rules.confirm_frames && fix.time - first >= rules.confirm_us {
                    left = Some((at, ""));
                }
            }
        } else if is_trusted && inside {
            let (at, first, n, reason) = coming.unwrap_or_else(|| {
                let new = trusted.is_some_and(|t| t.time < stretch.since);
                let at = cross_at(trusted, fix, Side::Enter);
                match new && (trusted.is_some_and(holds) || at.time < stretch.since) {
                    true => (at_time(zones, trusted, fix, stretch.since), fix.time, 0, "zone_opened"),
                    false => (at, fix.time, 0, ""),
                }
            });
            coming = Some((at, first, n + 1, reason));
            if n + 1 >= rules.confirm_frames && fix.time - first >= rules.confirm_us {
                say("enter", &at, at.time, reason, None);
                (since, coming) = (Some(at.time), None);
            }
        } else if is_trusted {
            coming = None;
        }
        if let (Some((at, reason)), Some(begun)) = (left, since) {
            if let Some(due) = rules.dwell_us.map(|dwell| begun + dwell).filter(|due| *due <= at.time) {
                say("dwell", &Fix { time: due, ..at }, begun, "", None);
            }
            say("exit", &at, begun, reason, None);
            (since, going) = (None, None);
        }
        if crosses
            && was_outside
            && since.is_none()
            && coming.is_none()
            && is_trusted
            && let Some(from) = trusted.filter(|from| fix.time - from.time <= HOUR_US)
            && let Some((entry, exit)) = zones.passed(zone, place(from), place(fix))
        {
            let at = between(zones, Some(from), fix, entry);
            let out = between(zones, Some(from), fix, exit);
            if rules.schedule.at(at.time).open {
                say("cross", &at, at.time, "", Some(out.time));
            }
        }
        let driven = before
            .filter(|b| (1..=HOUR_US).contains(&(fix.time - b.time)))
            .map(|b| (trace::haversine_m(place(b), place(fix)) / ((fix.time - b.time) as f64 / 1e6)) as f32);
        match (since, fix.speed_mps.or(driven), rules.speed_limit_mps) {
            (Some(begun), Some(mps), Some(limit)) if is_trusted => {
                if !inside || mps <= limit {
                    fast = None;
                } else {
                    let (at, told) = fast.unwrap_or((*fix, false));
                    let tell = !told && fix.time - at.time >= rules.speed_limit_us;
                    if tell {
                        say("overspeed", &at, begun, "", None);
                    }
                    fast = Some((at, told || tell));
                }
            }
            (None, ..) => fast = None,
            _ => {}
        }
        if is_trusted {
            trusted = Some(fix);
        }
    }
    if let (Some(begun), Some(dwell)) = (since, rules.dwell_us)
        && begun + dwell <= clock
        && going.is_none_or(|(at, ..)| at.time >= begun + dwell)
    {
        let due = Fix { time: begun + dwell, ..path[path.len() - 1] };
        say("dwell", &due, begun, "", None);
    }
}
