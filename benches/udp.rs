//! `udp/receive/<case>/...`: the UDP source against a bare `recvmmsg` loop, with the same sender at full speed over loopback,
//! turn about in one run. Prints the median of the rounds for each, and the ratio, which is what counts; kernel drops
//! are part of the picture, as the sender is faster than any receiver.
//!
//! *syn*: 50,000 vehicles; *sf*: San Francisco's cabs, if they are there.
//!
//! A plain harness: what is measured are two threads and a kernel between them, which criterion's loop cannot hold.
#![allow(unsafe_code, reason = "the bare loop is the system call itself")]

use rhumb_benches::traces;
use rhumb_benches::workload::sized;
use rhumb_connectors::codec::{Codec, Place};
use rhumb_connectors::udp::{UdpConfig, UdpPlan};
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::source::SourcePlan;
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

fn rhumb(datagrams: &[Datagram]) -> (usize, f64) {
    let mut config = UdpConfig::new("127.0.0.1:0".parse().expect("an address"));
    config.receive_buffer_bytes = RECEIVE_BUFFER_BYTES;
    let plan = UdpPlan::new("bench", config, Arc::new(|| Box::new(Fixed)));
    let mut reader = plan.open(Arc::new(SystemClock)).expect("a free port").remove(0);
    let shards = [Arc::new(Vehicles::default()), Arc::new(Vehicles::default())];
    let origin = Origin { source: "bench".into(), partition: "".into() };
    let mut out = FrameBuilder::new(&shards, origin, ClockRules { rollover: true, skew_max_us: i64::MAX });
    let got = round(plan.bound().expect("it is open"), datagrams, || {
        reader.poll(&mut out, IDLE).expect("the socket works");
        let taken = out.len();
        std::hint::black_box((taken > 0).then(|| out.finish()));
        taken
    });
    let counter = |name| reader.counters().into_iter().find(|(n, _)| *n == name).map_or(0, |(_, value)| value);
    assert_eq!(got.0 as u64, counter("datagrams"));
    assert_eq!(counter("datagrams") + counter("kernel_drops"), sent() as u64, "every datagram is accounted for");
    got
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn case(name: &str, datagrams: &[Datagram]) {
    let (mut bare_rates, mut rhumb_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..sized(5, 1) {
        let ((bare_count, bare_s), (rhumb_count, rhumb_s)) = (bare(datagrams), rhumb(datagrams));
        let rates = (bare_count as f64 / bare_s, rhumb_count as f64 / rhumb_s);
        bare_rates.push(rates.0);
        rhumb_rates.push(rates.1);
        ratios.push(rates.1 / rates.0);
        eprintln!(
            "round: bare {:.0}/s ({bare_count} received), rhumb {:.0}/s ({rhumb_count} received)",
            rates.0, rates.1
        );
    }
    let case = format!("udp/receive/{name}/{DATAGRAM_BYTES}_bytes");
    println!("{case}/bare_recvmmsg {:>12.0} datagrams/s", median(bare_rates));
    println!("{case}/rhumb_source  {:>12.0} datagrams/s", median(rhumb_rates));
    println!("{case}/ratio         {:>12.2}", median(ratios));
}

fn main() {
    case("syn", &simulated());
    if let Some(recorded) = recorded() {
        case("sf", &recorded);
    }
}
