//! The peer of the trips' bench: trips and stops row by row, with a hash map by vehicle and haversine for every leg. It
//! holds one fix of each vehicle back, as the operator is set to in the bench, and knows no late frames, no restarts and no
//! measures but distance.

use rhumb_engine::sphere::distance_m;
use std::collections::HashMap;

/// Metres and microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub radius_m: f64,
    pub stop_us: i64,
    pub gap_us: i64,
}

#[derive(Debug, Clone, Copy)]
struct Fix {
    time: i64,
    place: (f64, f64),
}

#[derive(Debug, Clone, Copy)]
enum Doing {
    /// Since `from`; it may stand at `anchor`, since which all legs were driven or not.
    Away { from: Fix, anchor: Fix, driven: bool },
    /// Certain since then; on its way since `leaving`, if it is.
    Standing { certain: Fix, leaving: Fix },
}

#[derive(Debug)]
struct Known {
    held: Fix,
    before: Option<Fix>,
    doing: Option<Doing>,
    distance_m: f64,
}

/// What has ended, and the metres of all that was driven in between.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Told {
    pub trips: usize,
    pub stops: usize,
    pub distance_m: f64,
}

#[derive(Debug)]
pub struct Trips {
    rules: Rules,
    vehicles: HashMap<String, Known>,
    told: Told,
}

impl Trips {
    pub fn new(rules: Rules) -> Trips {
        Trips { rules, vehicles: HashMap::new(), told: Told::default() }
    }

    /// Frames come in order of time.
    pub fn frame(&mut self, vehicle: &str, time: i64, place: (f64, f64)) {
        let fix = Fix { time, place };
        match self.vehicles.get_mut(vehicle) {
            None => {
                let known = Known { held: fix, before: None, doing: None, distance_m: 0.0 };
                self.vehicles.insert(vehicle.to_owned(), known);
            }
            Some(known) => {
                let next = std::mem::replace(&mut known.held, fix);
                known.take(next, &self.rules, &mut self.told);
            }
        }
    }

    pub fn told(&self) -> Told {
        self.told
    }
}

impl Rules {
    fn near(&self, a: &Fix, b: &Fix) -> bool {
        distance_m(a.place, b.place) < self.radius_m
    }

    fn driven(&self, a: &Fix, b: &Fix) -> bool {
        distance_m(a.place, b.place) > self.radius_m / self.stop_us as f64 * (b.time - a.time) as f64
    }
}

impl Known {
    fn take(&mut self, fix: Fix, rules: &Rules, told: &mut Told) {
        let away = |fix: Fix| Doing::Away { from: fix, anchor: fix, driven: true };
        let Some(before) = self.before.replace(fix) else {
            self.doing = Some(away(fix));
            return;
        };
        self.distance_m += distance_m(before.place, fix.place);
        let is_silent = fix.time - before.time > rules.gap_us;
        let is_driven = !is_silent && rules.driven(&before, &fix);
        let Some(doing) = self.doing else { return };
        self.doing = Some(match doing {
            Doing::Away { from, anchor, .. } if is_silent => {
                let has_left = anchor.time > from.time;
                self.tell_trip(has_left, told);
                match rules.near(if has_left { &before } else { &anchor }, &fix) {
                    true => Doing::Standing { certain: fix, leaving: fix },
                    false => away(fix),
                }
            }
            Doing::Away { from, anchor, driven } => {
                let (driven, has_left) = (driven && is_driven, anchor.time > from.time);
                if has_left && driven || !rules.near(&anchor, &fix) {
                    Doing::Away { from, anchor: fix, driven: true }
                } else if fix.time - anchor.time >= rules.stop_us {
                    self.tell_trip(has_left, told);
                    Doing::Standing { certain: fix, leaving: fix }
                } else {
                    Doing::Away { from, anchor, driven }
                }
            }
            Doing::Standing { certain, leaving } => {
                let leaving = if is_driven { leaving } else { fix };
                if rules.near(&certain, &fix) {
                    Doing::Standing { certain, leaving }
                } else {
                    told.stops += 1;
                    self.distance_m = 0.0;
                    Doing::Away { from: leaving, anchor: fix, driven: true }
                }
            }
        });
    }

    fn tell_trip(&mut self, has_left: bool, told: &mut Told) {
        told.trips += usize::from(has_left);
        told.distance_m += std::mem::take(&mut self.distance_m);
    }
}
