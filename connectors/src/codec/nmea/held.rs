//! What has been read and not yet been handed on: instants that may go on, instants that wait for their day, and what
//! stands behind them. All of it goes on in the order in which it began.

use super::instant::{Instant, nearest_day};
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::reject::Reason;
use rhumb_engine::time::EventTime;
use std::collections::VecDeque;

pub struct Held {
    /// Where it stands, among all bytes of the stream so far.
    pub at: u64,
    pub offset: i64,
    pub received_at: EventTime,
    pub what: What,
}

pub enum What {
    Instant { instant: Instant, is_open: bool },
    Reject(Reason, Box<[u8]>, String),
}

impl Held {
    /// Nothing more is to be known of it.
    fn is_ready(&self) -> bool {
        match &self.what {
            What::Instant { instant, is_open } => !is_open && (instant.day().is_some() || instant.said.fix.is_none()),
            What::Reject(..) => true,
        }
    }
}

#[derive(Default)]
pub struct Queue {
    held: VecDeque<Held>,
    /// The number of the first: all that ever were held are counted.
    first: u64,
    /// There may be instants among them that nobody has told the day of.
    pub undated: bool,
    /// Names of vehicles, to be used again.
    names: Vec<String>,
}

impl Queue {
    pub fn front(&self) -> Option<&Held> {
        self.held.front()
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Takes something in and gives it its number.
    #[inline]
    pub fn push(&mut self, held: Held) -> u64 {
        if let What::Instant { instant, .. } = &held.what {
            self.undated |= instant.day().is_none();
        }
        self.held.push_back(held);
        self.first + self.held.len() as u64 - 1
    }

    /// A string that holds `name`.
    #[inline]
    pub fn named(&mut self, name: &str) -> String {
        let mut text = self.names.pop().unwrap_or_default();
        text.push_str(name);
        text
    }

    /// The instant of a number, if it may go on.
    #[inline]
    pub fn open(&mut self, number: u64) -> Option<&mut Instant> {
        let place = number.checked_sub(self.first)?;
        match &mut self.held.get_mut(usize::try_from(place).ok()?)?.what {
            What::Instant { instant, is_open: true } => Some(instant),
            _ => None,
        }
    }

    /// The instant of a number goes on no further.
    #[inline]
    pub fn close(&mut self, number: u64) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some(Held { what: What::Instant { is_open, .. }, .. }) = place.and_then(|n| self.held.get_mut(n)) {
            *is_open = false;
        }
    }

    /// Ends the first of them; false: it waits for its day all the same.
    pub fn close_front(&mut self, vehicle: &str, out: &mut FrameBuilder) -> bool {
        self.close(self.first);
        let before = self.first;
        self.hand_on(vehicle, out);
        self.first > before
    }

    /// The day of a moment is known: instants before it that have none get theirs from it, the last first.
    #[cold]
    pub fn date_back(&mut self, moment: (i32, i64)) {
        let mut next = moment;
        for held in self.held.iter_mut().rev() {
            if let What::Instant { instant, .. } = &mut held.what {
                if instant.day().is_none() {
                    instant.near = Some(nearest_day(next, instant.time));
                }
                next = (instant.day().unwrap_or(next.0), instant.time);
            }
        }
        self.undated = false;
    }

    /// Hands on what is ready, as far as nothing before it waits. `vehicle` is that of instants that name none.
    #[inline]
    pub fn hand_on(&mut self, vehicle: &str, out: &mut FrameBuilder) {
        while let Some(held) = self.held.pop_front_if(|held| held.is_ready()) {
            self.first += 1;
            self.tell(held, vehicle, out);
        }
    }

    /// Hands on everything: there is no more, or no more room. `first_day` is that of the first instant that has none;
    /// those after it go on from there. Gives the last moment that so got its day.
    pub fn force(&mut self, first_day: Option<i32>, vehicle: &str, out: &mut FrameBuilder) -> Option<(i32, i64)> {
        let mut last = None;
        while let Some(mut held) = self.held.pop_front() {
            self.first += 1;
            if let What::Instant { instant, .. } = &mut held.what
                && let (true, Some(day)) = (self.undated, first_day)
            {
                let near = last.unwrap_or((day, instant.time));
                instant.near = instant.near.or(Some(nearest_day(near, instant.time)));
                last = Some((instant.day().unwrap_or(day), instant.time));
            }
            self.tell(held, vehicle, out);
        }
        self.undated = false;
        last
    }

    #[inline]
    fn tell(&mut self, held: Held, vehicle: &str, out: &mut FrameBuilder) {
        out.at(held.offset, held.received_at);
        match held.what {
            What::Instant { instant, .. } => {
                let vehicle = instant.vehicle.as_deref().unwrap_or(vehicle);
                match instant.day() {
                    Some(day) => instant.frame(day, vehicle).into_iter().for_each(|frame| out.push(&frame)),
                    None if instant.said.fix.is_some() => undated(&instant, out),
                    None => {}
                }
                if let Some(mut name) = instant.vehicle {
                    name.clear();
                    self.names.push(name);
                }
            }
            What::Reject(reason, raw, detail) => out.reject(reason, &raw, detail),
        }
    }
}

#[cold]
fn undated(instant: &Instant, out: &mut FrameBuilder) {
    let seconds = instant.time / 1_000_000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let detail =
        format!("{hour:02}:{minute:02}:{second:02} of an unknown day: no RMC, no ZDA and no TAG block tells it");
    let json = instant.frame(0, "").map(|frame| rhumb_engine::reject::frame_as_json(&frame)).unwrap_or_default();
    out.reject(Reason::Undecodable, json.as_bytes(), detail);
}
