//! The codec `nmea`: positions from NMEA 0183 sentences of every talker, in a stream or in datagrams. The sentences of
//! one instant make one frame. `docs/NMEA.md` says what is read and what is refused.
//!
//! Of each vehicle one instant may go on. It ends with the vehicle's first sentence of another, with the sentence that
//! the configuration names, or with a datagram of several sentences; else once `WAIT_US` have gone by. In a stream its
//! bytes count as one record, so that a reader that starts anew at a record misses nothing.

mod config;
mod fields;
mod held;
mod instant;
mod line;
mod sentence;
mod talkers;

pub use self::config::{NmeaConfig, VehicleFrom};

use self::held::{Held, Queue, What};
use self::instant::{Instant, nearest_day, split};
use self::line::{Line, Tag, parts};
use self::sentence::{Fault, Meaning, Said};
use self::talkers::Talkers;
use super::reply::Conversation;
use super::{Codec, Place, RECORD_MAX};
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::reject::Reason;
use rhumb_engine::time::{DAY_US, EventTime, SECOND_US};
use std::net::{IpAddr, SocketAddr};

/// A line is not longer; a longer one is rejected in pieces. (The standard says 82, and few keep to it.)
const LINE_MAX: usize = 1024;
/// Bytes that an unfinished instant, or instants without a date, may have.
const HELD_MAX: usize = RECORD_MAX - 2 * LINE_MAX;
/// Instants of datagrams that are held, at most.
const INSTANTS_MAX: usize = 64 * 1024;
/// What is received later of an instant is not waited for.
const WAIT_US: i64 = SECOND_US;
/// Moments this near are of one instant.
const CYCLE_US: i64 = 60 * SECOND_US;

pub struct NmeaCodec {
    config: NmeaConfig,
    talkers: Talkers,
    sender: Option<IpAddr>,
    /// Bytes come as they are sent, so that our clock knows the day.
    live: bool,
    /// The last moment whose day is known, of whichever vehicle.
    known: Option<(i32, i64)>,
    queue: Queue,
    in_datagram: bool,
    /// The instants that the datagram at hand speaks of.
    spoken: Vec<u64>,
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
        let vehicle = match &config.vehicle_id {
            Some(id) => id,
            None if config.is_of_sender() => "unknown",
            None => "",
        };
        NmeaCodec {
            config: config.clone(),
            talkers: Talkers::new(vehicle),
            sender: None,
            live: false,
            known: None,
            queue: Queue::default(),
            in_datagram: false,
            spoken: Vec::new(),
            passed: 0,
            ahead: 0,
            wide: None,
            narrow: Vec::new(),
            ignored: 0,
        }
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
                false if self.config.checksum_required || !before.is_empty() && !self.config.names_vehicles() => {
                    Err(Fault::NoChecksum)
                }
                _ => Ok(opened),
            });
            let meaning = opened.and_then(|opened| Ok((opened.body, sentence::read(opened.body)?)));
            match meaning {
                Ok((body, meaning)) => {
                    if self.config.names_vehicles() {
                        self.name(before, tag);
                    }
                    if let Some(time) = tag.and_then(|tag| tag.time) {
                        self.told(split(time), place.1);
                    }
                    if let Err(fault) = self.take(meaning, here, out) {
                        let (reason, detail) = complaint(fault);
                        self.reject(reason, sentence, detail, here.0, place, out);
                    }
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
                Some(Tag { source: None, grouped: true, .. }) => return,
                tag => tag.and_then(|tag| tag.source).unwrap_or_default(),
            },
            _ => before,
        };
        let name = name.trim_ascii().trim_ascii_end();
        let name = match name {
            [name @ .., b':' | b',' | b';' | b' '] => name,
            name => name,
        };
        self.talkers.speaks(super::scan::utf8(name).unwrap_or_default());
    }

    #[inline]
    fn take(
        &mut self,
        meaning: Meaning,
        (at, place): (u64, (i64, EventTime)),
        out: &mut FrameBuilder,
    ) -> Result<(), Fault> {
        match meaning {
            Meaning::Timed(time, date, said) => self.timed(time, date, said, at, place, out),
            Meaning::Untimed(said) => match self.talkers.now.instant.and_then(|number| self.queue.open(number)) {
                Some(instant) => instant.merge(said),
                // Where it was, and nobody knows when.
                None if said.fix.is_some() => return Err(Fault::Field { kind: "GLL", name: "time (hhmmss)" }),
                None => self.ignored += 1,
            },
            Meaning::Date(time, date) => self.learn((date, time), place.1),
            Meaning::Nothing => self.ignored += 1,
        }
        Ok(())
    }

    #[inline]
    fn timed(
        &mut self,
        time: i64,
        date: Option<i32>,
        said: Said,
        at: u64,
        (offset, received_at): (i64, EventTime),
        out: &mut FrameBuilder,
    ) {
        let going_on = self.talkers.now.instant.and_then(|number| Some((number, self.queue.open(number)?)));
        let number = match going_on {
            // A receiver that reports once a day does so at one time of day.
            Some((number, instant)) if instant.time == time && instant.date.zip(date).is_none_or(|(a, b)| a == b) => {
                instant.merge(said);
                instant.date = instant.date.or(date);
                number
            }
            _ => {
                self.close(out);
                self.make_room(out);
                let near = self.near(received_at).map(|near| nearest_day(near, time));
                let vehicle = self.names_vehicle_of_instant().then(|| self.queue.named(self.talkers.name()));
                let instant = Instant { time, date, near, said, vehicle };
                let what = What::Instant { instant, is_open: true };
                let number = self.queue.push(Held { at, offset, received_at, what });
                self.talkers.now.instant = Some(number);
                near.into_iter().for_each(|day| self.go_on((day, time), received_at));
                number
            }
        };
        if self.in_datagram {
            self.spoken.push(number);
        }
        if let Some(date) = date {
            self.learn((date, time), received_at);
        }
    }

    /// Whether what is held may be of another vehicle than the one that speaks by the time it is handed on.
    fn names_vehicle_of_instant(&self) -> bool {
        self.config.vehicle_id.is_none() && (self.in_datagram || self.config.names_vehicles())
    }

    /// A moment whose day tells that of a time of day received now.
    #[inline]
    fn near(&self, received_at: EventTime) -> Option<(i32, i64)> {
        match self.talkers.now.known {
            // Time went on since, perhaps by more than half a day.
            Some((moment, at)) if self.live => {
                let since = received_at.0.saturating_sub(at.0).max(0);
                Some(split(EventTime(moment.0.saturating_add(since))))
            }
            Some((moment, _)) => Some(split(moment)),
            None if self.live => Some(split(received_at)),
            None => self.known,
        }
    }

    /// The day of a moment has been told: also of what was said before, if nothing else tells it.
    #[inline]
    fn told(&mut self, moment: (i32, i64), received_at: EventTime) {
        if self.queue.undated {
            self.queue.date_back(moment);
        }
        self.remember(moment, received_at);
    }

    /// The same, by a sentence: of the instant that goes on nothing told the day as well.
    #[inline]
    fn learn(&mut self, moment: (i32, i64), received_at: EventTime) {
        self.told(moment, received_at);
        if let Some(instant) = self.talkers.now.instant.and_then(|number| self.queue.open(number))
            && (moment.1 - instant.time).abs() <= CYCLE_US
        {
            instant.near = Some(nearest_day(moment, instant.time));
        }
    }

    #[inline]
    fn remember(&mut self, (day, time): (i32, i64), received_at: EventTime) {
        self.known = Some((day, time));
        self.talkers.now.known = Some((EventTime(i64::from(day) * DAY_US + time), received_at));
    }

    /// A moment got its day from what was known. A vehicle that has never told a day goes on by what others tell.
    #[inline]
    fn go_on(&mut self, moment: (i32, i64), received_at: EventTime) {
        self.known = Some(moment);
        if self.talkers.now.known.is_some() {
            self.remember(moment, received_at);
        }
    }

    /// Ends the instant of the vehicle that speaks.
    #[inline]
    fn close(&mut self, out: &mut FrameBuilder) {
        self.talkers.now.instant.into_iter().for_each(|number| self.queue.close(number));
        self.queue.hand_on(self.talkers.name(), out);
    }

    /// Ends the instants whose further sentences would have been received by now.
    fn expire(&mut self, now: EventTime, out: &mut FrameBuilder) {
        let has_waited = |held: &Held| now.0.saturating_sub(held.received_at.0) > WAIT_US;
        while self.queue.front().is_some_and(has_waited) && self.queue.close_front(self.talkers.name(), out) {}
    }

    #[inline]
    fn make_room(&mut self, out: &mut FrameBuilder) {
        if self.queue.len() >= INSTANTS_MAX && !self.queue.close_front(self.talkers.name(), out) {
            self.force(out);
        }
    }

    /// Ends everything that is held: there is no more, or no more room.
    fn force(&mut self, out: &mut FrameBuilder) {
        let last = self.queue.force(self.config.date, self.talkers.name(), out);
        self.known = last.or(self.known);
    }

    #[cold]
    fn reject(
        &mut self,
        reason: Reason,
        raw: &[u8],
        detail: String,
        at: u64,
        (offset, received_at): (i64, EventTime),
        out: &mut FrameBuilder,
    ) {
        if self.in_datagram {
            out.at(offset, received_at);
            return out.reject(reason, raw, detail);
        }
        // What stands behind an instant of a stream is handed on after it.
        self.queue.push(Held { at, offset, received_at, what: What::Reject(reason, raw.into(), detail) });
        self.queue.hand_on(self.talkers.name(), out);
    }

    /// `bytes` begins where the last call's result said; `unit` is how many bytes of the stream each of them was.
    fn read(&mut self, bytes: &[u8], last: bool, place: Place, unit: i64, out: &mut FrameBuilder) -> usize {
        self.in_datagram = false;
        if self.live && self.config.names_vehicles() {
            self.expire(place.received_at, out);
        }
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
            while self.queue.front().is_some_and(|f| at + line.len() - (f.at - self.passed) as usize > HELD_MAX) {
                if !self.queue.close_front(self.talkers.name(), out) {
                    self.force(out);
                }
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
        let done = self.queue.front().map_or(at, |first| (first.at - self.passed) as usize);
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
        self.in_datagram = true;
        self.expire(place.1, out);
        out.at(place.0, place.1);
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return out.reject(Reason::Undecodable, bytes, "no sentence: nothing but white space");
        }
        let mut lines = 0;
        for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()) {
            self.line(line, 0, place, out);
            lines += 1;
        }
        // Who sends several sentences at once sends all of an instant.
        if lines > 1 {
            self.spoken.iter().for_each(|number| self.queue.close(*number));
            self.queue.hand_on(self.talkers.name(), out);
        }
        self.spoken.clear();
        out.at(place.0, place.1);
    }

    fn remembers(&self) -> bool {
        true
    }

    fn release(&mut self, now: Option<EventTime>, out: &mut FrameBuilder) {
        match now {
            Some(now) => self.expire(now, out),
            None => self.force(out),
        }
    }

    fn called(&mut self, name: &str) {
        if self.config.is_of_sender() {
            self.talkers.speaks(name);
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
        if self.config.is_of_sender() && self.sender != Some(sender.ip()) {
            self.sender = Some(sender.ip());
            self.talkers.speaks(&sender.ip().to_string());
        }
    }
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
