//! Late frames: put into the path, the stretch behind them worked out anew, the difference told. Frames whose clock was
//! wrong: taken out of the path again, and the same done.

use super::machine::{Machine, Told};
use super::path::Sample;
use super::state::State;
use super::track::{Moment, Tracks, Wake};

/// The path does not reach back so far.
#[derive(Debug)]
pub struct TooLate;

/// What had been told and is not true, and what is true and had not been told.
#[derive(Debug, Default)]
pub struct Difference {
    /// Nothing takes their place.
    pub retracted: Vec<Told>,
    /// With what each takes the place of.
    pub told: Vec<(Told, Option<Told>)>,
}

impl Tracks {
    /// Puts a late frame where it belongs.
    pub fn insert(&mut self, machine: &Machine, moment: Moment, late: &Sample) -> Result<Difference, TooLate> {
        let Moment { slot, lane, clock, .. } = moment;
        let track = &mut self.of[slot as usize];
        let path = self.paths.of(slot, &track.head);
        let at = path.partition_point(|sample| sample.fix.time <= late.fix.time);
        if at == 0 && (track.cut || path.len() == self.paths.keep()) {
            return Err(TooLate);
        }
        let oldest = track.head.number.wrapping_sub(path.len() as u32).wrapping_add(1);
        let number = oldest.wrapping_add(at as u32);
        let before = match at {
            0 => State::default(),
            _ => track.before(number).without_dwells(),
        };
        let from = at.checked_sub(1).map(|at| path[at]);
        let (mut was, mut is) = (Vec::new(), Vec::new());
        let mut old = before.clone();
        run(machine, &mut old, from, &path[at..], &mut was, |_, _| {});
        machine.settle(&mut old, clock, &mut was);
        machine.place_dwells(&mut was, &path);

        let mut new_path = path;
        new_path.insert(at, *late);
        let mut new = before;
        let mut undo = Vec::new();
        let note = |n: usize, before| undo.push((number.wrapping_add(n as u32), before));
        run(machine, &mut new, from, &new_path[at..], &mut is, note);
        machine.settle(&mut new, clock, &mut is);
        machine.place_dwells(&mut is, &new_path);

        track.state = new;
        track.head.number = track.head.number.wrapping_add(1);
        self.paths.replace(slot, &mut track.head, &new_path);
        if track.past.is_some() || !undo.is_empty() {
            let past = track.past.get_or_insert_default();
            past.undo.truncate(number);
            undo.into_iter().for_each(|(number, before)| past.undo.push(number, oldest, before));
        }
        let mut holding = Vec::new();
        if let Some(newest) = new_path.last() {
            hold(machine, newest, &mut holding);
            track.wake = Wake(machine.wake(&track.state, &holding, newest.fix.time));
        }
        // A filter may have dropped the frame that it is late for: then it is the newest here.
        track.zones = self.sets.code(&holding);
        self.start_timers(machine, slot, lane);
        Ok(difference(was, is))
    }

    /// Takes what is newer than `time` out of the path, with what it meant. The lane's clock is that of before the frame that
    /// shows that it never was.
    pub fn take_back(&mut self, machine: &Machine, moment: Moment, time: i64) -> Difference {
        let Moment { slot, lane, clock_before: clock, .. } = moment;
        let track = &mut self.of[slot as usize];
        let path = self.paths.of(slot, &track.head);
        let (kept, wrong) = path.split_at(path.partition_point(|sample| sample.fix.time <= time));
        let first = track.head.number.wrapping_sub(wrong.len() as u32).wrapping_add(1);
        let before = match kept {
            // As before every vehicle's first fix.
            [] if !track.cut => State::default(),
            _ => track.before(first).without_dwells(),
        };
        let (mut was, mut is) = (Vec::new(), Vec::new());
        let mut old = before.clone();
        run(machine, &mut old, kept.last().copied(), wrong, &mut was, |_, _| {});
        machine.settle(&mut old, clock, &mut was);
        machine.place_dwells(&mut was, &path);
        let mut new = before;
        machine.settle(&mut new, clock, &mut is);
        machine.place_dwells(&mut is, kept);

        track.state = new;
        track.head.number = first.wrapping_sub(1);
        track.cut |= path.len() == self.paths.keep();
        self.paths.replace(slot, &mut track.head, kept);
        if let Some(past) = &mut track.past {
            past.undo.truncate(first);
        }
        let mut holding = Vec::new();
        if let Some(newest) = kept.last() {
            hold(machine, newest, &mut holding);
        }
        track.zones = self.sets.code(&holding);
        track.wake = Wake(i64::MIN);
        self.start_timers(machine, slot, lane);
        difference(was, is)
    }
}

/// Runs the rules along a path. `note` gets what was remembered before each fix that changed it, with its place.
pub fn run(
    machine: &Machine,
    state: &mut State,
    from: Option<Sample>,
    path: &[Sample],
    told: &mut Vec<Told>,
    mut note: impl FnMut(usize, State),
) {
    let mut from = from;
    let mut holding = Vec::new();
    for (n, to) in path.iter().enumerate() {
        hold(machine, to, &mut holding);
        let before = state.clone();
        machine.step(state, from.as_ref(), to, &holding, told);
        if before != *state {
            note(n, before);
        }
        from = Some(*to);
    }
}

/// The zones that hold a fix.
pub fn hold(machine: &Machine, sample: &Sample, holding: &mut Vec<u32>) {
    holding.clear();
    if let Some(at) = sample.fix.position() {
        machine.zones.containing(at, holding);
    }
}

/// What is told anew takes the place of what was told of the same kind at the same zone, first for first.
fn difference(mut was: Vec<Told>, mut is: Vec<Told>) -> Difference {
    is.retain(|new| match was.iter().position(|old| old == new) {
        Some(same) => {
            was.remove(same);
            false
        }
        None => true,
    });
    let mut difference = Difference::default();
    for new in is {
        let old = was.iter().position(|old| (old.kind, old.zone) == (new.kind, new.zone));
        difference.told.push((new, old.map(|old| was.remove(old))));
    }
    difference.retracted = was;
    difference
}
