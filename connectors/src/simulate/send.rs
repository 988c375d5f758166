//! Frames to a UDP address, as they are due.

use super::encode::Encode;
use super::outgoing::{Outgoing, Pacer, sleep};
use crate::udp::sys;
use rhumb_engine::time::EventTime;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

/// Datagrams that wait to be sent in one system call are at most this many.
const BATCH: usize = 64;
/// What the socket may hold before sending waits.
const SEND_BUFFER_BYTES: usize = 4 << 20;
/// Between two tries.
const PAUSE: Duration = Duration::from_micros(500);
/// Tries in a row that fail because the machine has no room for more datagrams, before that is an error.
const NO_ROOM_MAX: u32 = 1_000;

/// When to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As fast as the socket takes it.
    Max,
    /// Each frame when it arrives, so that no device's time is ahead of the moment of sending but by a fault of its
    /// clock. Exact over time: whoever falls behind catches up.
    AsItArrives {
        /// The simulated time at which sending begins.
        start: EventTime,
        /// What arrives later, because it was late, is sent at this time.
        end: EventTime,
    },
}

impl Rate {
    /// How long a frame has still to wait, so long after the start.
    pub(crate) fn wait(self, arrival: EventTime, elapsed: Duration) -> Duration {
        match self {
            Rate::Max => Duration::ZERO,
            Rate::AsItArrives { start, end } => {
                let after_us = arrival.min(end).0.saturating_sub(start.0);
                Duration::from_micros(after_us.max(0).unsigned_abs()).saturating_sub(elapsed)
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SendOptions {
    pub to: SocketAddr,
    pub rate: Rate,
    /// Frames that one datagram holds, at least 1.
    pub frames_per_datagram: usize,
}

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendReport {
    pub frames: u64,
    pub datagrams: u64,
    pub bytes: u64,
    /// Times that the other side said that nobody listens there; what was sent then is lost.
    pub refused: u64,
    pub elapsed: Duration,
}

/// Datagrams that wait to be sent.
struct Batch {
    socket: Socket,
    bytes: Vec<u8>,
    /// Where each datagram ends.
    ends: Vec<usize>,
    report: SendReport,
}

/// Sends all frames. Sent does not mean received: the other side counts what it got and what its kernel dropped.
pub fn send(frames: &mut dyn Outgoing, encode: &mut dyn Encode, options: SendOptions) -> io::Result<SendReport> {
    let mut batch = Batch::connect(options.to)?;
    let per_datagram = options.frames_per_datagram.max(1);
    let mut pacer = Pacer::new(options.rate);
    let mut in_datagram = 0;
    while let Some((due, frame)) = frames.next()? {
        while let Some(wait) = pacer.wait(due) {
            batch.flush()?;
            sleep(wait);
        }
        encode.encode(&frame, &mut batch.bytes);
        batch.report.frames += 1;
        in_datagram += 1;
        if in_datagram == per_datagram {
            in_datagram = 0;
            batch.end_datagram()?;
        }
    }
    batch.end_datagram()?;
    batch.flush()?;
    batch.report.elapsed = pacer.elapsed();
    Ok(batch.report)
}

impl Batch {
    fn connect(to: SocketAddr) -> io::Result<Batch> {
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.connect(&to.into())?;
        Ok(Batch { socket, bytes: Vec::new(), ends: Vec::with_capacity(BATCH), report: SendReport::default() })
    }

    /// What was written since the last end is one datagram; nothing is none.
    fn end_datagram(&mut self) -> io::Result<()> {
        if self.bytes.len() > self.ends.last().copied().unwrap_or(0) {
            self.ends.push(self.bytes.len());
        }
        if self.ends.len() == BATCH { self.flush() } else { Ok(()) }
    }

    /// Sends the whole datagrams; what is written of the next one stays.
    fn flush(&mut self) -> io::Result<()> {
        let mut datagrams: [&[u8]; BATCH] = [&[]; BATCH];
        let mut start = 0;
        for (datagram, end) in datagrams.iter_mut().zip(&self.ends) {
            *datagram = &self.bytes[start..*end];
            start = *end;
        }
        let report = &mut self.report;
        send_all(&self.socket, &datagrams[..self.ends.len()], report)?;
        report.datagrams += self.ends.len() as u64;
        report.bytes += start as u64;
        self.ends.clear();
        self.bytes.drain(..start);
        Ok(())
    }
}

fn send_all(socket: &Socket, mut datagrams: &[&[u8]], report: &mut SendReport) -> io::Result<()> {
    let mut no_room = 0;
    while !datagrams.is_empty() {
        match sys::send(socket.as_fd(), datagrams) {
            Ok(sent) => (datagrams, no_room) = (&datagrams[sent..], 0),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // An answer to an earlier datagram; asking for it has cleared it.
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => report.refused += 1,
            Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) && no_room < NO_ROOM_MAX => {
                no_room += 1;
                sleep(PAUSE);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, Fleet, Shares, SimulateConfig};
    use super::*;

    #[test]
    fn nothing_is_sent_before_the_time_that_it_carries() {
        let shares = Shares { late: 0.3, gap: 0.01, duplicate: 0.1, ..Shares::default() };
        let config = SimulateConfig { shares, ..SimulateConfig::new(200, 100.0, 7) };
        let start = config.start;
        let end = EventTime(start.0 + 100_000_000);
        let rate = Rate::AsItArrives { start, end };
        let (mut elapsed, mut late) = (Duration::ZERO, 0);
        for frame in Fleet::new(config) {
            elapsed += rate.wait(frame.arrival, elapsed);
            let now = EventTime(start.0 + elapsed.as_micros() as i64);
            assert!(frame.event_time <= now, "{frame:?} at {now:?}");
            late += u32::from(frame.fault == Some(Fault::Late));
        }
        assert!(late > 400, "{late}");
        assert!(elapsed <= Duration::from_secs(100), "what is late at the end is not waited for: {elapsed:?}");
    }

    #[test]
    fn schedule_is_exact_over_time_whatever_the_pauses() {
        let rate = Rate::AsItArrives { start: EventTime(0), end: EventTime::MAX };
        let at = |ms: i64| rate.wait(EventTime(ms * 1000), Duration::from_millis(250));
        assert_eq!([at(100), at(250), at(251)], [Duration::ZERO, Duration::ZERO, Duration::from_millis(1)]);
        assert_eq!(Rate::Max.wait(EventTime::MAX, Duration::ZERO), Duration::ZERO);
    }
}
