//! The codec `nmea`: positions from NMEA 0183 sentences of every talker, in a stream or in datagrams. The sentences of
//! one instant make one frame. `docs/NMEA.md` says what is read and what is refused.
//!
//! An instant ends with the first sentence of another, with the sentence that the configuration names, or with its
//! datagram. In a stream its bytes count as one record, so that a reader that starts anew at a record misses nothing.

mod fields;
mod instant;
mod line;
mod sentence;

use self::instant::{Instant, nearest_day, split};
use self::line::{Line, Tag, parts};
use self::sentence::{Fault, Meaning, Said};
use super::reply::Conversation;
use super::{Codec, Place, RECORD_MAX};
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::reject::Reason;
use rhumb_engine::time::EventTime;
use std::fmt::Write;
use std::net::SocketAddr;

/// Where the vehicle of a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VehicleFrom {
    /// The IP address of the sender; what the input is called where there is none.
    #[default]
    Sender,
    /// The source (`s:`) of the TAG block before a sentence.
    Tag,
    /// What stands before a sentence in its line.
    Prefix,
}

impl VehicleFrom {
    pub const ALL: [(&str, VehicleFrom); 3] =
        [("sender", VehicleFrom::Sender), ("tag", VehicleFrom::Tag), ("prefix", VehicleFrom::Prefix)];
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NmeaConfig {
    pub vehicle: VehicleFrom,
    /// All frames are of this vehicle.
    pub vehicle_id: Option<String>,
    /// Sentences without a checksum are rejected.
    pub checksum_required: bool,
    /// Three letters of the sentence that a receiver ends each instant with.
    pub ends_with: Option<[u8; 3]>,
    /// Days since 1970: of the first fix, if the input never says which day it is.
    pub date: Option<i32>,
}

impl NmeaConfig {
    pub(super) fn describe(&self) -> String {
        let from = VehicleFrom::ALL.iter().find(|(_, from)| *from == self.vehicle).map_or("", |(name, _)| *name);
        match &self.vehicle_id {
            Some(id) => format!("of vehicle {id}"),
            None => format!("vehicle from {from}"),
        }
    }

    /// The day of a date such as `2019-03-08`, as `date` has it.
    pub fn day_of(text: &str) -> Option<i32> {
        let [year, month, day] = text.split('-').collect::<Vec<_>>().try_into().ok()?;
        let part = |text: &str| fields::integer(text.as_bytes());
        fields::days(part(year)?, part(month)?, part(day)?)
    }
}

/// A line is not longer; a longer one is rejected in pieces. (The standard says 82, and few keep to it.)
const LINE_MAX: usize = 1024;
/// Bytes that an unfinished instant, or instants without a date, may have.
const HELD_MAX: usize = RECORD_MAX - 2 * LINE_MAX;

/// What has been read and not yet been handed on.
struct Held {
    /// Where it stands, among all bytes of the stream so far.
    at: u64,
    offset: i64,
    received_at: EventTime,
    what: What,
}

enum What {
    Instant(Instant),
    Reject(Reason, Box<[u8]>, String),
}

pub struct NmeaCodec {
    config: NmeaConfig,
    vehicle: String,
    /// Bytes come as they are sent, so that our clock knows the day.
    live: bool,
    /// The last moment whose day is known.
    known: Option<(i32, i64)>,
    held: Vec<Held>,
    /// Which of them is an instant that may go on.
    open: Option<usize>,
    /// An instant without a date is among those that are held.
    undated: bool,
    /// Bytes of the stream that have been handed on, and bytes behind them that have been read.
    passed: u64,
    ahead: usize,
    /// The stream is UTF-16, and which byte of two is the character.
    wide: Option<usize>,
    narrow: Vec<u8>,
    /// Sentences that say nothing of position, and those that say it too late or of no instant.
    ignored: u64,
}

impl NmeaCodec {
    pub fn new(config: &NmeaConfig) -> NmeaCodec {
        let vehicle = match (&config.vehicle_id, config.vehicle) {
            (Some(id), _) => id.clone(),
            (None, VehicleFrom::Sender) => "unknown".to_owned(),
            (None, _) => String::new(),
        };
        NmeaCodec {
            config: config.clone(),
            vehicle,
            live: false,
            known: None,
            held: Vec::new(),
            open: None,
            undated: false,
            passed: 0,
            ahead: 0,
            wide: None,
            narrow: Vec::new(),
            ignored: 0,
        }
    }

    fn names_vehicles(&self) -> bool {
        self.config.vehicle_id.is_none() && self.config.vehicle != VehicleFrom::Sender
    }

    /// Reads the sentences of a line.
    #[inline]
    fn line(&mut self, line: &[u8], at: u64, place: (i64, EventTime), out: &mut FrameBuilder) {
        for Line { before, tag, sentence, start } in parts(line) {
            let Some(sentence) = sentence else {
                self.reject(Reason::Undecodable, before, "no sentence: no $ and no !".to_owned(), at, place, out);
                continue;
            };
            let here = (at + start as u64, place);
            let opened = sentence::open(sentence).and_then(|opened| match opened.has_checksum {
                // What stands before a sentence may be the rest of another, or of something else.
                false if self.config.checksum_required || !before.is_empty() && !self.names_vehicles() => {
                    Err(Fault::NoChecksum)
                }
                _ => Ok(opened),
            });
            let meaning = opened.and_then(|opened| Ok((opened.body, sentence::read(opened.body)?)));
            match meaning {
                Ok((body, meaning)) => {
                    if self.names_vehicles() {
                        self.name(before, tag);
                    }
                    self.take(meaning, here, out);
                    if self.config.ends_with.is_some_and(|kind| body.get(2..5) == Some(&kind)) {
                        self.close(out);
                    }
                }
                Err(fault) => {
                    let (reason, detail) = complaint(fault);
                    self.reject(reason, sentence, detail, here.0, place, out);
                }
            }
        }
    }

    /// Takes the vehicle from what stands before a sentence.
    fn name(&mut self, before: &[u8], tag: Option<Tag>) {
        let name = match self.config.vehicle {
            VehicleFrom::Tag => match tag {
                // Only the first sentence of a group says whose it is.
                Some(Tag { source: None, grouped: true }) => return,
                tag => tag.and_then(|tag| tag.source).unwrap_or_default(),
            },
            _ => before,
        };
        let name = name.trim_ascii().trim_ascii_end();
        let name = match name {
            [name @ .., b':' | b',' | b';' | b' '] => name,
            name => name,
        };
        self.vehicle.clear();
        self.vehicle.push_str(super::scan::utf8(name).unwrap_or_default());
    }

    #[inline]
    fn take(&mut self, meaning: Meaning, (at, place): (u64, (i64, EventTime)), out: &mut FrameBuilder) {
        match meaning {
            Meaning::Timed(time, date, said) => self.timed(time, date, said, at, place, out),
            Meaning::Untimed(said) => match self.open_instant() {
                Some(instant) => instant.merge(said),
                None => self.ignored += 1,
            },
            Meaning::Date(time, date) => self.learn((date, time)),
            Meaning::Nothing => self.ignored += 1,
        }
    }

    /// The instant that may go on, if it is of the vehicle that speaks.
    #[inline]
    fn open_instant(&mut self) -> Option<&mut Instant> {
        let vehicle = self.config.vehicle_id.is_none() && self.config.vehicle != VehicleFrom::Sender;
        match &mut self.held[self.open?].what {
            What::Instant(instant) if vehicle && instant.vehicle.as_deref() != Some(&self.vehicle) => None,
            What::Instant(instant) => Some(instant),
            What::Reject(..) => None,
        }
    }

    #[inline]
    fn timed(
        &mut self,
        time: i64,
        date: Option<i32>,
        said: Said,
        at: u64,
        place: (i64, EventTime),
        out: &mut FrameBuilder,
    ) {
        match self.open_instant() {
            // A receiver that reports once a day does so at one time of day.
            Some(instant) if instant.time == time && instant.date.is_none_or(|day| date.is_none_or(|d| d == day)) => {
                instant.merge(said);
                instant.date = instant.date.or(date);
            }
            _ => {
                self.close(out);
                let vehicle = self.names_vehicles().then(|| self.vehicle.as_str().into());
                let what = What::Instant(Instant { time, date, said, vehicle });
                self.open = Some(self.held.len());
                self.held.push(Held { at, offset: place.0, received_at: place.1, what });
            }
        }
        if let Some(date) = date {
            self.learn((date, time));
        }
    }

    /// The day of a moment is known: those before it, back to the last known one, get theirs.
    #[inline]
    fn learn(&mut self, moment: (i32, i64)) {
        if self.undated {
            let mut next = moment;
            for held in self.held.iter_mut().rev() {
                if let What::Instant(instant) = &mut held.what {
                    let date = *instant.date.get_or_insert(nearest_day(next, instant.time));
                    next = (date, instant.time);
                }
            }
            self.undated = false;
        }
        self.known = Some(moment);
    }

    /// Ends the open instant; hands on what is held, if its days are known.
    #[inline]
    fn close(&mut self, out: &mut FrameBuilder) {
        if let Some(open) = self.open.take()
            && let Held { what: What::Instant(instant), received_at, .. } = &mut self.held[open]
        {
            let near = if self.live { Some(split(*received_at)) } else { self.known };
            let date = instant.date.or_else(|| near.map(|near| nearest_day(near, instant.time)));
            instant.date = date;
            match date {
                Some(date) if !self.live => self.known = Some((date, instant.time)),
                Some(_) => {}
                None => self.undated |= instant.said.fix.is_some(),
            }
        }
        if !self.undated {
            self.hand_on(out);
        }
    }

    /// Ends everything that is held: there is no more, or no more room.
    fn force(&mut self, out: &mut FrameBuilder) {
        self.close(out);
        if self.undated {
            let mut last = self.config.date.map(|date| (date, None));
            for held in &mut self.held {
                if let (What::Instant(instant), Some((date, time))) = (&mut held.what, &mut last) {
                    *date = nearest_day((*date, time.unwrap_or(instant.time)), instant.time);
                    *time = Some(instant.time);
                    instant.date = Some(*date);
                    self.known = Some((*date, instant.time));
                }
            }
            self.undated = false;
            self.hand_on(out);
        }
    }

    #[inline]
    fn hand_on(&mut self, out: &mut FrameBuilder) {
        for Held { offset, received_at, what, .. } in &self.held {
            out.at(*offset, *received_at);
            match what {
                What::Instant(instant) => {
                    let vehicle = instant.vehicle.as_deref().unwrap_or(&self.vehicle);
                    match instant.date {
                        Some(date) => instant.frame(date, vehicle).into_iter().for_each(|frame| out.push(&frame)),
                        None if instant.said.fix.is_some() => undated(instant, out),
                        None => {}
                    }
                }
                What::Reject(reason, raw, detail) => out.reject(*reason, raw, detail.as_str()),
            }
        }
        self.held.clear();
    }

    #[cold]
    fn reject(
        &mut self,
        reason: Reason,
        raw: &[u8],
        detail: String,
        at: u64,
        place: (i64, EventTime),
        out: &mut FrameBuilder,
    ) {
        let what = What::Reject(reason, raw.into(), detail);
        self.held.push(Held { at, offset: place.0, received_at: place.1, what });
        if self.open.is_none() && !self.undated {
            self.hand_on(out);
        }
    }

    /// `bytes` begins where the last call's result said; `unit` is how many bytes of the stream each of them was.
    fn read(&mut self, bytes: &[u8], last: bool, place: Place, unit: i64, out: &mut FrameBuilder) -> usize {
        let mut at = std::mem::take(&mut self.ahead).min(bytes.len());
        while at < bytes.len() {
            let window = &bytes[at..bytes.len().min(at + LINE_MAX + 1)];
            let (line, next) = match memchr::memchr2(b'\n', b'\r', window) {
                // What ends with both is one line.
                Some(end) if window[end..].starts_with(b"\r\n") => (&window[..end], end + 2),
                Some(end) => (&window[..end], end + 1),
                None if window.len() > LINE_MAX => (&window[..LINE_MAX], LINE_MAX),
                None if last => (window, window.len()),
                None => break,
            };
            if self.held.first().is_some_and(|first| at + line.len() - (first.at - self.passed) as usize > HELD_MAX) {
                self.force(out);
            }
            if !line.is_empty() {
                let offset = place.offset + unit * at as i64;
                self.line(line, self.passed + at as u64, (offset, place.received_at), out);
            }
            at += next;
        }
        if last {
            self.force(out);
        }
        let done = self.held.first().map_or(at, |first| (first.at - self.passed) as usize);
        self.passed += done as u64;
        self.ahead = at - done;
        done
    }
}

impl Codec for NmeaCodec {
    /// Takes the mark of a stream in UTF-16.
    fn preamble(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>, String> {
        self.wide = match bytes {
            [0xFF, 0xFE, ..] => Some(0),
            [0xFE, 0xFF, ..] => Some(1),
            [] | [0xFF | 0xFE] if !last => return Ok(None),
            _ => None,
        };
        Ok(Some(if self.wide.is_some() { 2 } else { 0 }))
    }

    fn stream(&mut self, bytes: &[u8], last: bool, place: Place, out: &mut FrameBuilder) -> usize {
        let Some(which) = self.wide else { return self.read(bytes, last, place, 1, out) };
        let mut narrow = std::mem::take(&mut self.narrow);
        narrow.clear();
        // Beyond ASCII there is nothing in a sentence.
        let ascii = |pair: &[u8; 2]| if pair[1 - which] == 0 { pair[which] } else { b'?' };
        narrow.extend(bytes.as_chunks::<2>().0.iter().map(ascii));
        let done = 2 * self.read(&narrow, last, place, 2, out);
        self.narrow = narrow;
        if last { bytes.len() } else { done }
    }

    fn datagram(&mut self, bytes: &[u8], out: &mut FrameBuilder) {
        let place = out.place();
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return out.reject(Reason::Undecodable, bytes, "no sentence: nothing but white space");
        }
        for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()) {
            self.line(line, 0, place, out);
        }
        self.force(out);
        out.at(place.0, place.1);
    }

    fn called(&mut self, name: &str) {
        if self.config.vehicle_id.is_none() && self.config.vehicle == VehicleFrom::Sender {
            name.clone_into(&mut self.vehicle);
        }
    }

    fn conversation(&mut self) -> Option<&mut dyn Conversation> {
        Some(self)
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("sentences_ignored", self.ignored)]
    }
}

impl Conversation for NmeaCodec {
    fn from(&mut self, sender: SocketAddr) {
        self.live = true;
        if self.config.vehicle_id.is_none() && self.config.vehicle == VehicleFrom::Sender {
            self.vehicle.clear();
            let _ = write!(self.vehicle, "{}", sender.ip());
        }
    }
}

#[cold]
fn undated(instant: &Instant, out: &mut FrameBuilder) {
    let seconds = instant.time / 1_000_000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let detail = format!("{hour:02}:{minute:02}:{second:02} of an unknown day: no RMC and no ZDA tells it");
    let json = instant.frame(0, "").map(|frame| rhumb_engine::reject::frame_as_json(&frame)).unwrap_or_default();
    out.reject(Reason::Undecodable, json.as_bytes(), detail);
}

#[cold]
fn complaint(fault: Fault) -> (Reason, String) {
    match fault {
        Fault::Checksum { sent, sum } => {
            (Reason::Checksum, format!("the checksum is {sent:02X}, and {sum:02X} is that of the sentence"))
        }
        Fault::NoChecksum => (Reason::Checksum, "no checksum: no * and two hexadecimal digits at the end".to_owned()),
        Fault::Field { kind, name } => (Reason::Undecodable, format!("{kind}: no {name}")),
    }
}

#[cfg(test)]
mod tests;
