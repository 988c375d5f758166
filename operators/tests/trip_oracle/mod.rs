//! What a vehicle's path means as trips and stops, the slow and simple way: the whole path is there, each trip and each stop
//! is looked for from where the one before ended, and measured leg by leg once its ends are known.
#![allow(dead_code, reason = "each test takes what it needs")]

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    /// Microseconds.
    pub time: i64,
    pub lat: f64,
    pub lon: f64,
    pub speed_mps: Option<f32>,
    pub ignition: Option<bool>,
}

#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub radius_m: f64,
    pub stop_us: i64,
    pub gap_us: i64,
}

/// A trip or a stop by the numbers of its fixes in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub is_trip: bool,
    pub first: usize,
    pub last: usize,
    /// Of a stop: the fix that made it certain.
    pub place: usize,
    pub ended: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measured {
    pub distance_m: f64,
    pub standing_us: i64,
    pub idle_us: i64,
    pub on_us: i64,
    pub speed_max_mps: Option<f32>,
    pub knows_ignition: bool,
}

pub fn haversine_m(a: &Fix, b: &Fix) -> f64 {
    let sin2 = |x: f64| (x / 2.0).sin().powi(2);
    let [lat1, lon1, lat2, lon2] = [a.lat, a.lon, b.lat, b.lon].map(f64::to_radians);
    2.0 * 6_371_008.8 * (sin2(lat2 - lat1) + lat1.cos() * lat2.cos() * sin2(lon2 - lon1)).sqrt().min(1.0).asin()
}

impl Rules {
    fn near(&self, a: &Fix, b: &Fix) -> bool {
        haversine_m(a, b) < self.radius_m
    }

    fn silent(&self, a: &Fix, b: &Fix) -> bool {
        b.time - a.time > self.gap_us
    }

    fn driven(&self, a: &Fix, b: &Fix) -> bool {
        !self.silent(a, b) && haversine_m(a, b) > self.radius_m / self.stop_us as f64 * (b.time - a.time) as f64
    }

    pub fn measure(&self, path: &[Fix]) -> Measured {
        let mut measured = Measured::default();
        for leg in path.windows(2) {
            let (a, b) = (&leg[0], &leg[1]);
            let (metres, us) = (haversine_m(a, b), b.time - a.time);
            let on_us = if a.ignition == Some(true) && !self.silent(a, b) { us } else { 0 };
            measured.distance_m += metres;
            measured.on_us += on_us;
            if !self.driven(a, b) {
                measured.standing_us += us;
                measured.idle_us += on_us;
            }
            if !self.silent(a, b) {
                measured.knows_ignition |= a.ignition.is_some();
                let speed = b.speed_mps.or((us > 0).then(|| (metres / us as f64 * 1e6) as f32));
                measured.speed_max_mps = [measured.speed_max_mps, speed].into_iter().flatten().reduce(f32::max);
            }
        }
        measured
    }
}

/// All trips and stops of a path in order of time, those that are open at its end included.
pub fn find(path: &[Fix], rules: &Rules) -> Vec<Found> {
    let mut found = Vec::new();
    // Where the vehicle began to be away, and the first fix that it may stand at.
    let mut away = (!path.is_empty()).then_some((0, 0));
    while let Some((from, anchor)) = away {
        away = match away_from(path, rules, from, anchor, &mut found) {
            Next::Away(from) => Some((from, from)),
            Next::Stop { from, certain } => stop_at(path, rules, from, certain, &mut found),
            Next::End => None,
        };
    }
    found
}

enum Next {
    Away(usize),
    Stop { from: usize, certain: usize },
    End,
}

fn away_from(path: &[Fix], rules: &Rules, from: usize, anchor: usize, found: &mut Vec<Found>) -> Next {
    let mut trip = |last: usize, anchor: usize, ended| {
        let is_trip = path[anchor].time > path[from].time;
        if is_trip {
            found.push(Found { is_trip, first: from, last, place: from, ended });
        }
        is_trip
    };
    let mut anchor = anchor;
    for n in anchor + 1..path.len() {
        if rules.silent(&path[n - 1], &path[n]) {
            let stood = if trip(n - 1, anchor, "silent") { n - 1 } else { anchor };
            return match rules.near(&path[stood], &path[n]) {
                true => Next::Stop { from: stood, certain: n },
                false => Next::Away(n),
            };
        }
        let has_left = path[anchor].time > path[from].time;
        let arrives = has_left && path[anchor..=n].windows(2).all(|leg| rules.driven(&leg[0], &leg[1]));
        if arrives || !rules.near(&path[anchor], &path[n]) {
            anchor = n;
        } else if path[n].time - path[anchor].time >= rules.stop_us {
            trip(anchor, anchor, "stopped");
            return Next::Stop { from: anchor, certain: n };
        }
    }
    trip(path.len() - 1, anchor, "silent");
    Next::End
}

/// Where the vehicle is away from next, and the fix that showed it.
fn stop_at(path: &[Fix], rules: &Rules, from: usize, certain: usize, found: &mut Vec<Found>) -> Option<(usize, usize)> {
    let mut stop = |last, ended| found.push(Found { is_trip: false, first: from, last, place: certain, ended });
    let gone = (certain + 1..path.len()).find(|n| !rules.near(&path[certain], &path[*n]));
    let Some(gone) = gone else {
        stop(path.len() - 1, "silent");
        return None;
    };
    if rules.silent(&path[gone - 1], &path[gone]) {
        stop(gone - 1, "silent");
        return Some((gone, gone));
    }
    let driven_back_to =
        (certain + 1..=gone).rev().take_while(|n| rules.driven(&path[n - 1], &path[*n])).last().map_or(gone, |n| n - 1);
    stop(driven_back_to, "moved");
    Some((driven_back_to, gone))
}
