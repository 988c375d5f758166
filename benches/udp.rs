//! `udp/receive/<case>/...`: the UDP source against a bare `recvmmsg` loop, with the same sender at full speed over loopback,
//! turn about in one run; the source without a journal, with one that is left to the operating system, and with one that is
//! synced. Prints the median of the rounds for each, and the ratios, which are what counts; kernel drops
//! are part of the picture, as the sender is faster than any receiver.
//!
//! *syn*: 50,000 vehicles; *sf*: San Francisco's cabs, if they are there.
//!
//! A plain harness: what is measured are two threads and a kernel between them, which criterion's loop cannot hold.
#![allow(unsafe_code, reason = "the bare loop is the system call itself")]

use rhumb_benches::traces;
use rhumb_benches::workload::sized;
use rhumb_connectors::codec::{Codec, Place};
use rhumb_connectors::journal::{Group, JournalConfig};
use rhumb_connectors::udp::{SocketJournals, UdpConfig, UdpPlan};
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::source::{Position, SourcePlan};
use rhumb_engine::time::{EventTime, SystemClock, monotonic_now};
use rhumb_engine::vehicle::Vehicles;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const DATAGRAM_BYTES: usize = 96;
const VEHICLES: usize = 50_000;
const BATCH: usize = 128;
const RECEIVE_BUFFER_BYTES: usize = 32 << 20;
const IDLE: Duration = Duration::from_millis(20);

/// A fixed layout, so that the socket is measured and not a text parser: id, time, latitude, longitude, padding.
struct Fixed;

impl Codec for Fixed {
    fn preamble(&mut self, _: &[u8], _: bool) -> Result<Option<usize>, String> {
        Ok(Some(0))
    }

    fn stream(&mut self, _: &[u8], _: bool, _: Place, _: &mut FrameBuilder) -> usize {
        unreachable!("datagrams only")
    }

    fn datagram(&mut self, bytes: &[u8], out: &mut FrameBuilder) {
        let number = |at: usize| bytes[at..at + 8].try_into().map(i64::from_le_bytes).unwrap_or(0);
        out.push(&Frame {
            vehicle: std::str::from_utf8(&bytes[..8]).unwrap_or(""),
            event_time: EventTime(number(8)),
            lat: f64::from_bits(number(16) as u64),
            lon: f64::from_bits(number(24) as u64),
            ..Frame::default()
        });
    }
}

type Datagram = [u8; DATAGRAM_BYTES];

/// How many are sent in a round.
fn sent() -> usize {
    sized(2_000_000, 50_000)
}

fn datagram(vehicle: &str, time_us: i64, lat: f64, lon: f64) -> Datagram {
    let mut bytes = [0; DATAGRAM_BYTES];
    bytes[..8].copy_from_slice(&format!("{vehicle:_<8}").as_bytes()[..8]);
    bytes[8..16].copy_from_slice(&time_us.to_le_bytes());
    bytes[16..24].copy_from_slice(&lat.to_le_bytes());
    bytes[24..32].copy_from_slice(&lon.to_le_bytes());
    bytes
}

fn simulated() -> Vec<Datagram> {
    let of =
        |n: usize| datagram(&format!("v{:07}", n * 7_919 % VEHICLES), 1_767_592_800_000_000 + n as i64, 30.25, -97.75);
    (0..VEHICLES).map(of).collect()
}

/// The cabs of San Francisco by the first eight letters of their names: few vehicles, as they come.
fn recorded() -> Option<Vec<Datagram>> {
    let rows = traces::cabs(sized(500_000, 50_000), "udp/receive/sf")?;
    Some(rows.iter().map(|row| datagram(&row.vehicle_id, row.ts * 1_000, row.lat, row.lon)).collect())
}

/// One system call over up to `BATCH` buffers.
fn call(buffers: &mut [[u8; DATAGRAM_BYTES]], act: impl FnOnce(*mut libc::mmsghdr, u32) -> libc::c_int) -> usize {
    // SAFETY: C structs of integers and pointers, for which all-zero bytes are a value.
    let (mut parts, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) = unsafe { std::mem::zeroed() };
    for ((part, header), buffer) in parts.iter_mut().zip(&mut headers).zip(buffers.iter_mut()) {
        part.iov_base = buffer.as_mut_ptr().cast();
        part.iov_len = buffer.len();
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
    }
    act(headers.as_mut_ptr(), buffers.len().min(BATCH) as u32).max(0) as usize
}

fn send_all(to: SocketAddr, datagrams: &mut [Datagram], done: &AtomicBool) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(to).expect("loopback");
    let mut sent = 0;
    while sent < self::sent() {
        let start = sent % datagrams.len();
        let end = datagrams.len().min(start + (self::sent() - sent).min(BATCH / 2));
        // SAFETY: `call` passes as many headers as it says, pointing at buffers that outlive the call.
        sent += call(&mut datagrams[start..end], |h, n| unsafe { libc::sendmmsg(socket.as_raw_fd(), h, n, 0) });
    }
    done.store(true, Ordering::Release);
}

/// Runs the sender and takes datagrams until there are no more: how many, and in what time.
fn round(to: SocketAddr, datagrams: &[Datagram], mut take: impl FnMut() -> usize) -> (usize, f64) {
    let done = AtomicBool::new(false);
    let mut datagrams = datagrams.to_vec();
    std::thread::scope(|scope| {
        let start = monotonic_now();
        scope.spawn(|| send_all(to, &mut datagrams, &done));
        let (mut received, mut last) = (0, start);
        loop {
            let over = done.load(Ordering::Acquire);
            match take() {
                0 if over => return (received, (last - start).as_secs_f64()),
                0 => {}
                taken => (received, last) = (received + taken, monotonic_now()),
            }
        }
    })
}

fn bare(datagrams: &[Datagram]) -> (usize, f64) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let asked = RECEIVE_BUFFER_BYTES as libc::c_int;
    for option in [libc::SO_RCVBUF, libc::SO_RCVBUFFORCE] {
        // SAFETY: the option takes one `c_int`, which outlives the call.
        unsafe {
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, std::ptr::from_ref(&asked).cast(), 4);
        }
    }
    socket.set_read_timeout(Some(IDLE)).expect("a timeout above zero");
    let mut buffers = vec![[0; DATAGRAM_BYTES]; BATCH];
    let flags = libc::MSG_WAITFORONE;
    round(socket.local_addr().expect("it is bound"), datagrams, || {
        // SAFETY: as in `send_all`.
        call(&mut buffers, |h, n| unsafe { libc::recvmmsg(socket.as_raw_fd(), h, n, flags as _, std::ptr::null_mut()) })
    })
}

/// As a pipeline's defaults have it.
const GROUP: Group = Group { every: Duration::from_millis(5), bytes: 1 << 20 };

/// How datagrams are kept.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Off,
    Os,
    Fsync,
}

fn rhumb(datagrams: &[Datagram], kept: Kept) -> (usize, f64) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = UdpConfig::new("127.0.0.1:0".parse().expect("an address"));
    config.receive_buffer_bytes = RECEIVE_BUFFER_BYTES;
    config.journals = (!matches!(kept, Kept::Off)).then(|| SocketJournals {
        folder: folder.path().to_owned(),
        config: JournalConfig {
            sync: matches!(kept, Kept::Fsync).then_some(GROUP),
            segment_bytes: 64 << 20,
            keep_us: 0,
        },
        try_for: Duration::ZERO,
        is_on: true,
    });
    let plan = UdpPlan::new("bench", config, Arc::new(|| Box::new(Fixed)));
    let mut reader = plan.open(Arc::new(SystemClock)).expect("a free port").remove(0);
    let shards = [Arc::new(Vehicles::default()), Arc::new(Vehicles::default())];
    let origin = Origin { source: "bench".into(), partition: "".into() };
    let mut out = FrameBuilder::new(&shards, origin, ClockRules { rollover: true, skew_max_us: i64::MAX });
    reader.seek(&Position::default()).expect("an empty journal");
    let got = round(plan.bound().expect("it is open"), datagrams, || {
        reader.poll(&mut out, IDLE).expect("the socket works");
        let taken = out.len();
        std::hint::black_box((taken > 0).then(|| out.finish()));
        taken
    });
    let counter = |name| reader.counters().into_iter().find(|(n, _)| *n == name).map_or(0, |(_, value)| value);
    assert_eq!(got.0 as u64, counter("datagrams"));
    assert_eq!(counter("datagrams") + counter("kernel_drops"), sent() as u64, "every datagram is accounted for");
    let is_written = counter("journal_bytes") > got.0 as u64 * DATAGRAM_BYTES as u64;
    assert_eq!(is_written, !matches!(kept, Kept::Off), "{kept:?}");
    got
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn case(name: &str, datagrams: &[Datagram]) {
    let [mut bare_rates, mut ratios] = [Vec::new(), Vec::new()];
    let (mut rates, mut of_off) = ([Vec::new(), Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let rate = |(count, seconds): (usize, f64)| count as f64 / seconds;
    for _ in 0..sized(5, 1) {
        let bare_rate = rate(bare(datagrams));
        let [off, os, fsync] = [Kept::Off, Kept::Os, Kept::Fsync].map(|kept| rate(rhumb(datagrams, kept)));
        bare_rates.push(bare_rate);
        ratios.push(off / bare_rate);
        rates.iter_mut().zip([off, os, fsync]).for_each(|(rates, rate)| rates.push(rate));
        of_off.iter_mut().zip([os, fsync]).for_each(|(ratios, rate)| ratios.push(rate / off));
        eprintln!("round: bare {bare_rate:.0}/s, rhumb {off:.0}/s, with a journal {os:.0}/s, synced {fsync:.0}/s");
    }
    let case = format!("udp/receive/{name}/{DATAGRAM_BYTES}_bytes");
    println!("{case}/bare_recvmmsg {:>12.0} datagrams/s", median(bare_rates));
    for (kept, rates) in ["off", "os", "fsync"].into_iter().zip(rates) {
        println!("{case}/rhumb_source/journal_{kept:<5} {:>12.0} datagrams/s", median(rates));
    }
    println!("{case}/ratio                  {:>12.2}", median(ratios));
    for (kept, ratios) in ["os", "fsync"].into_iter().zip(of_off) {
        println!("{case}/ratio_of_off/journal_{kept:<5} {:>12.2}", median(ratios));
    }
}

fn main() {
    case("syn", &simulated());
    if let Some(recorded) = recorded() {
        case("sf", &recorded);
    }
}
