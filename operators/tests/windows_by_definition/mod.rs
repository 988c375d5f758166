//! Which frames are in which window, and what it has of them, one by one as they come.

use super::*;

/// A frame, and the end that windows have passed which take it no more.
pub type Taken<'a> = (&'a Drawn, i64);

/// The fold of the frames of each window and key, of those that are not too late for it, and how many keys of frames
/// there were that some window refused.
pub fn by_definition(frames: &[Drawn], shape: Option<(i64, i64)>, key: &[&str]) -> (BTreeMap<Place, String>, u64) {
    let mut clocks: HashMap<Lane, (i64, Option<i64>)> = HashMap::new();
    let mut by_key: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
    let mut sittings: HashMap<(Lane, String), Vec<Sitting>> = HashMap::new();
    let mut too_late = 0;
    for frame in frames {
        let lane = Lane::of_hash(hash_of(VEHICLES[frame.vehicle].0.as_bytes()));
        let clock = clock_after(clocks.get(&lane).copied(), frame.time_s);
        clocks.insert(lane, clock);
        let ended = clock.0 - 2 * LATENESS_S;
        for of_key in keys_of(frame, key) {
            let is_taken = match shape {
                Some((_, every)) => frame.time_s / every * every + every > ended,
                None => {
                    let of_lane = sittings.entry((lane, of_key.clone())).or_default();
                    take_sitting(of_lane, frame.time_s, ended, key.contains(&"vehicle_id"))
                }
            };
            too_late += u64::from(!is_taken);
            if is_taken || shape.is_some() {
                by_key.entry(of_key).or_default().push((frame, ended));
            }
        }
    }
    let mut folded = BTreeMap::new();
    for (key, frames) in &mut by_key {
        frames.sort_by_key(|(frame, _)| frame.time_s);
        for (start, end, of_window) in windows(frames, shape) {
            folded.insert((start, key.clone()), fold(end, &of_window));
        }
    }
    (folded, too_late)
}

/// A session as a lane's own frames make it.
struct Sitting {
    start: i64,
    last: i64,
    /// What begins it earlier is not before this.
    from: i64,
}

/// Takes a frame into a lane's sessions of a key, if it is not too late for all of them. Keyed by vehicle, a late frame
/// may begin an open session earlier.
fn take_sitting(all: &mut Vec<Sitting>, time: i64, ended: i64, is_of_vehicle: bool) -> bool {
    while all.first().is_some_and(|first| first.last + 2 * GAP_S <= ended) {
        let gone = all.remove(0);
        all.iter_mut().take(1).for_each(|next| next.from = next.from.max(gone.last + GAP_S + 1));
    }
    let open = all.iter().find(|session| session.last >= time && session.last + GAP_S > ended);
    let joins = |session: &Sitting| {
        session.start <= time || is_of_vehicle && session.start <= time + GAP_S && session.from <= time
    };
    if time + GAP_S <= ended && !open.is_some_and(joins) {
        return false;
    }
    let touches = |session: &Sitting| session.start - GAP_S <= time && time <= session.last + GAP_S;
    let at = all.iter().take_while(|session| session.last + GAP_S < time).count();
    let mut joined = Sitting { start: time, last: time, from: ended - GAP_S + 1 };
    while all.get(at).is_some_and(touches) {
        let session = all.remove(at);
        if joined.start == time && joined.last == time {
            joined.from = session.from;
        }
        joined = Sitting { start: joined.start.min(session.start), last: joined.last.max(session.last), ..joined };
    }
    all.insert(at, joined);
    true
}

/// A lane's clock after a frame, with the time of the frame before if that was a long step ahead: two such frames that
/// agree are believed, one alone is not.
fn clock_after(before: Option<(i64, Option<i64>)>, time: i64) -> (i64, Option<i64>) {
    let step_max = LATENESS_S.max(60);
    match before {
        None => (time, None),
        Some((now, _)) if time <= now + step_max => (now.max(time), None),
        Some((now, None)) => (now, Some(time)),
        Some((_, Some(held))) if (held - time).abs() <= step_max => (held.max(time), None),
        // Of two that do not agree the nearer one is believed.
        Some((now, Some(held))) => (now.max(held.min(time)), Some(held.max(time))),
    }
}

/// The windows of a key's frames, which are in order of time.
pub fn windows<'a>(frames: &[Taken<'a>], shape: Option<(i64, i64)>) -> Vec<(i64, i64, Vec<&'a Drawn>)> {
    let Some((size, every)) = shape else {
        let sessions = frames.chunk_by(|a, b| b.0.time_s - a.0.time_s <= GAP_S);
        let session = |of: &[Taken<'a>]| {
            (of[0].0.time_s, of[of.len() - 1].0.time_s + GAP_S, of.iter().map(|(frame, _)| *frame).collect())
        };
        return sessions.map(session).collect();
    };
    let (first, last) = (frames[0].0.time_s, frames[frames.len() - 1].0.time_s);
    let starts = (first - size) / every..=last / every;
    let window = |n: i64| {
        let (start, end) = (n * every, n * every + size);
        let holds = |(frame, ended): &&Taken| (start..end).contains(&frame.time_s) && end > *ended;
        (start, end, frames.iter().filter(holds).map(|(frame, _)| *frame).collect())
    };
    starts.map(window).filter(|(_, _, frames): &(_, _, Vec<&Drawn>)| !frames.is_empty()).collect()
}

pub fn fold(end: i64, frames: &[&Drawn]) -> String {
    let mut speeds: Vec<f64> = frames.iter().filter_map(|frame| frame.speed).map(f64::from).collect();
    speeds.sort_by(f64::total_cmp);
    // Speeds are small whole numbers, so that rounding takes a quantile's error away.
    let quantile = |share: f64| {
        let rank = (share * speeds.len() as f64).ceil() as usize;
        text(rank.checked_sub(1).and_then(|at| speeds.get(at)).copied())
    };
    let lat = |frame: &&Drawn| (frame.time_s, frame.lat);
    let degrees = |found: Option<(i64, i32)>| text(found.map(|(_, lat)| (f64::from(lat) + 0.5) * 0.001));
    [
        end.to_string(),
        frames.len().to_string(),
        text(speeds.first().copied()),
        text(speeds.last().copied()),
        text(speeds.iter().copied().reduce(|a, b| a + b)),
        degrees(frames.iter().map(lat).min()),
        degrees(frames.iter().map(lat).max()),
        quantile(0.7),
        frames.iter().map(|frame| frame.vehicle).collect::<BTreeSet<_>>().len().to_string(),
        quantile(0.2),
    ]
    .join(" ")
}
