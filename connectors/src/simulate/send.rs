//! Simulated frames to a UDP address, at a rate.

use super::encode::Encode;
use super::frame::SimulatedFrame;
use crate::udp::sys;
use rhumb_engine::time::monotonic_now;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

/// Datagrams that wait to be sent in one system call are at most this many.
const BATCH: usize = 64;
/// What the socket may hold before sending waits.
const SEND_BUFFER_BYTES: usize = 4 << 20;
/// Shorter pauses are not worth a switch of threads.
const PAUSE_MIN: Duration = Duration::from_micros(500);
/// Tries in a row that fail because the machine has no room for more datagrams, before that is an error.
const NO_ROOM_MAX: u32 = 1_000;

/// How fast to send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// As fast as the socket takes it.
    Max,
    /// Frames a second, above 0. Exact over time: whoever falls behind catches up.
    PerSecond(f64),
}

impl Rate {
    /// Frames that may have been sent after a time.
    fn due(self, elapsed: Duration) -> u64 {
        match self {
            Rate::Max => u64::MAX,
            Rate::PerSecond(rate) => (elapsed.as_secs_f64() * rate) as u64 + 1,
        }
    }

    /// How long until one more than `sent` frames may have been sent.
    fn wait(self, sent: u64, elapsed: Duration) -> Duration {
        match self {
            Rate::Max => Duration::ZERO,
            Rate::PerSecond(rate) => {
                let at = Duration::try_from_secs_f64(sent as f64 / rate).unwrap_or(Duration::MAX);
                at.saturating_sub(elapsed)
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
pub fn send(
    frames: impl Iterator<Item = SimulatedFrame>,
    encode: &mut dyn Encode,
    options: SendOptions,
) -> io::Result<SendReport> {
    let mut batch = Batch::connect(options.to)?;
    let per_datagram = options.frames_per_datagram.max(1);
    let start = monotonic_now();
    let (mut due, mut in_datagram) = (options.rate.due(Duration::ZERO), 0);
    for frame in frames {
        while batch.report.frames >= due {
            batch.flush()?;
            due = pause(options.rate, batch.report.frames, start);
        }
        let name = frame.name();
        encode.encode(&frame.frame(&name), &mut batch.bytes);
        batch.report.frames += 1;
        in_datagram += 1;
        if in_datagram == per_datagram {
            in_datagram = 0;
            batch.end_datagram()?;
        }
    }
    batch.end_datagram()?;
    batch.flush()?;
    batch.report.elapsed = start.elapsed();
    Ok(batch.report)
}

#[allow(clippy::disallowed_methods, reason = "sends at a rate by the wall clock; no part of the data path")]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until more frames may be sent, and says up to how many.
fn pause(rate: Rate, sent: u64, start: std::time::Instant) -> u64 {
    let wait = rate.wait(sent, start.elapsed());
    if !wait.is_zero() {
        sleep(wait.max(PAUSE_MIN));
    }
    rate.due(start.elapsed())
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
                sleep(PAUSE_MIN);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedule_is_exact_over_time_whatever_the_pauses() {
        let rate = Rate::PerSecond(5_000.0);
        let (mut elapsed, mut sent) = (Duration::ZERO, 0);
        for pause_us in [1, 900, 250_000, 17, 3_000_000].into_iter().cycle().take(1_000) {
            sent = sent.max(rate.due(elapsed));
            assert_eq!(sent, (elapsed.as_secs_f64() * 5_000.0) as u64 + 1);
            elapsed += rate.wait(sent, elapsed).max(Duration::from_micros(pause_us));
            assert!(rate.due(elapsed) >= sent);
        }
        assert_eq!(Rate::Max.wait(u64::MAX, Duration::ZERO), Duration::ZERO);
    }
}
