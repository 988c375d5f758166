//! Real connections over loopback, on ports that the kernel chooses.

use super::*;
use crate::codec::CodecConfig;
use crate::line::LineCodec;
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::Origin;
use rhumb_engine::reject::{Reason, Reject};
use rhumb_engine::source::Position;
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const START: i64 = 1_700_000_000_000_000;
const LOGIN: &[u8] = b"\0\x0F352093086403655";

/// A clock that goes when it is told to.
struct Told(AtomicI64);

impl Clock for Told {
    fn now(&self) -> EventTime {
        EventTime(self.0.load(Ordering::Relaxed))
    }
}

/// What is safe, as the test says.
struct SafeBefore(AtomicI64);

impl Durability for SafeBefore {
    fn safe_before(&self, _: &str, handed_over: i64) -> i64 {
        self.0.load(Ordering::Relaxed).min(handed_over)
    }
}

struct Open {
    bound: SocketAddr,
    readers: Vec<Box<dyn Source>>,
    clock: Arc<Told>,
    vehicles: Arc<Vehicles>,
    out: FrameBuilder,
}

#[derive(Default)]
struct Got {
    vehicles: Vec<String>,
    rejects: Vec<Reject>,
}

fn local(change: impl FnOnce(&mut TcpConfig)) -> TcpConfig {
    let mut config = TcpConfig::new("127.0.0.1:0".parse().unwrap());
    change(&mut config);
    config
}

fn teltonika() -> MakeCodec {
    Arc::new(|| CodecConfig::named("teltonika").unwrap().open())
}

fn open(plan: &TcpPlan) -> Open {
    let clock = Arc::new(Told(AtomicI64::new(START)));
    let readers = plan.open(clock.clone()).unwrap();
    let vehicles = Arc::new(Vehicles::default());
    let origin = Origin { source: "trackers".into(), partition: "".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX / 4 };
    let out = FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks);
    Open { bound: plan.bound().unwrap(), readers, clock, vehicles, out }
}

fn lines(config: TcpConfig) -> Open {
    open(&TcpPlan::new("trackers", config, LineCodec::plain()))
}

fn devices(config: TcpConfig) -> Open {
    open(&TcpPlan::new("trackers", config, teltonika()))
}

impl Open {
    fn poll(&mut self, got: &mut Got) {
        for reader in &mut self.readers {
            reader.poll(&mut self.out, Duration::from_millis(1)).unwrap();
            for delivery in self.out.finish() {
                let slots = delivery.frames.slots().iter();
                got.vehicles.extend(slots.map(|slot| self.vehicles.id(*slot).to_owned()));
                got.rejects.extend(delivery.rejects);
            }
        }
    }

    /// Polls until it is so; panics if it never is.
    fn until(&mut self, done: impl Fn(&Got, &Open) -> bool) -> Got {
        let mut got = Got::default();
        for _ in 0..20_000 {
            self.poll(&mut got);
            if done(&got, self) {
                return got;
            }
        }
        panic!("{} frames, {} rejects, {:?}", got.vehicles.len(), got.rejects.len(), self.readers[0].counters());
    }

    fn counter(&self, name: &str) -> u64 {
        let counters = self.readers.iter().flat_map(|reader| reader.counters());
        counters.filter(|(n, _)| *n == name).map(|(_, value)| value).sum()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.bound).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    }

    /// Polls until the device has been answered so many bytes; `None`: its connection was closed first.
    fn answer(&mut self, stream: &mut TcpStream, length: usize) -> Option<Vec<u8>> {
        let mut got = Got::default();
        let mut answer = vec![0; length];
        let mut there = 0;
        for _ in 0..20_000 {
            match stream.read(&mut answer[there..]) {
                Ok(0) => return None,
                Ok(read) => there += read,
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return None,
                Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
            }
            if there == length {
                return Some(answer);
            }
            self.poll(&mut got);
        }
        panic!("no answer");
    }
}

fn frame(number: usize) -> String {
    format!("v{number},{},30.25,-97.75\n", START + number as i64)
}

/// Two records of Teltonika's own example.
fn packet() -> Vec<u8> {
    let hex = "000000000000004308020000016B40D57B480100000000000000000000000000000001010101000000000000016B40D5C198010000000000000000000000000000000101010101000000020000252C";
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn device_logs_in_sends_and_is_acknowledged() {
    let mut source = devices(local(|_| {}));
    let mut device = source.connect();
    device.write_all(LOGIN).unwrap();
    assert_eq!(source.answer(&mut device, 1), Some(vec![1]));
    device.write_all(&packet()).unwrap();
    let got = source.until(|got, _| got.vehicles.len() == 2);
    assert_eq!(got.vehicles, ["352093086403655", "352093086403655"]);
    assert_eq!(source.answer(&mut device, 4), Some(vec![0, 0, 0, 2]));
    assert_eq!((source.counter("connections"), source.counter("replies")), (1, 2));
    drop(device);
    let got = source.until(|_, source| source.counter("connections") == 0);
    assert!(got.rejects.is_empty());
}

#[test]
fn acknowledgement_waits_for_what_makes_frames_safe() {
    let safe = Arc::new(SafeBefore(AtomicI64::new(0)));
    let plan = TcpPlan::new("trackers", local(|_| {}), teltonika()).with_durability(safe.clone());
    let mut source = open(&plan);
    let mut device = source.connect();
    device.write_all(&[LOGIN, &packet()].concat()).unwrap();
    assert_eq!(source.answer(&mut device, 1), Some(vec![1]));
    source.until(|_, source| source.counter("bytes") == 17 + 79);
    for _ in 0..100 {
        source.poll(&mut Got::default());
    }
    assert_eq!(device.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
    safe.0.store(i64::MAX, Ordering::Relaxed);
    assert_eq!(source.answer(&mut device, 4), Some(vec![0, 0, 0, 2]));
}

#[test]
fn packets_may_come_byte_by_byte_from_many_devices_at_once() {
    let mut source = devices(local(|_| {}));
    let mut devices: Vec<TcpStream> = (0..50).map(|_| source.connect()).collect();
    let mut got = Got::default();
    for byte in [LOGIN, &packet()].concat() {
        for device in &mut devices {
            device.write_all(&[byte]).unwrap();
        }
        source.poll(&mut got);
    }
    while got.vehicles.len() < 100 {
        source.poll(&mut got);
    }
    assert!(got.rejects.is_empty() && got.vehicles.len() == 100);
}

#[test]
fn who_is_no_device_is_turned_away_and_kept_as_a_reject() {
    let mut source = devices(local(|_| {}));
    for (bytes, reason) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Reason::Undecodable),
        (packet(), Reason::Authentication),
        (b"\0\x0F35209308640365X".to_vec(), Reason::VehicleId),
    ] {
        let mut device = source.connect();
        device.write_all(&bytes).unwrap();
        let got = source.until(|got, source| got.rejects.len() == 1 && source.counter("connections") == 0);
        assert_eq!((got.rejects[0].reason, &*got.rejects[0].raw), (reason, &bytes[..]));
        if reason == Reason::VehicleId {
            assert_eq!(source.answer(&mut device, 1), Some(vec![0]));
        }
        assert_eq!(source.answer(&mut device, 1), None);
    }
}

#[test]
fn many_connections_lose_nothing() {
    let mut source = lines(local(|c| c.readers = 2));
    let mut senders: Vec<TcpStream> = (0..200).map(|_| source.connect()).collect();
    for number in 0..2_000 {
        senders[number % 200].write_all(frame(number).as_bytes()).unwrap();
    }
    let mut got = source.until(|got, _| got.vehicles.len() == 2_000).vehicles;
    got.sort();
    let mut expected: Vec<String> = (0..2_000).map(|n| format!("v{n}")).collect();
    expected.sort();
    assert_eq!(got, expected);
    assert_eq!(source.counter("connections_accepted"), 200);
    let bytes: u64 = (0..2_000).map(|n| frame(n).len() as u64).sum();
    assert_eq!(source.counter("bytes"), bytes);
}

#[test]
fn record_that_breaks_off_with_its_connection_is_a_reject() {
    let mut source = devices(local(|_| {}));
    let mut device = source.connect();
    device.write_all(&[LOGIN, &packet()[..50]].concat()).unwrap();
    assert_eq!(source.answer(&mut device, 1), Some(vec![1]));
    drop(device);
    let got = source.until(|got, _| got.rejects.len() == 1);
    assert_eq!(&*got.rejects[0].raw, &packet()[..50]);
}

#[test]
fn end_of_a_run_hands_on_what_waited_for_more() {
    let make: MakeCodec = Arc::new(|| CodecConfig::named("nmea").unwrap().open());
    let mut source = open(&TcpPlan::new("ships", local(|_| {}), make));
    let mut receiver = source.connect();
    receiver.write_all(b"$GPGLL,4916.45,N,12311.12,W,120000,A*33\r\n").unwrap();
    let got = source.until(|_, source| source.counter("bytes") == 41);
    assert!(got.vehicles.is_empty(), "the instant may go on");
    source.readers[0].stop(&mut source.out);
    assert_eq!(source.out.len(), 1);
    assert_eq!(source.counter("connections"), 0);
}

#[test]
fn silent_connections_are_closed() {
    let mut source = lines(local(|c| (c.idle_max_us, c.first_bytes_max_us) = (60_000_000, 10_000_000)));
    let mut mute = source.connect();
    let mut talker = source.connect();
    talker.write_all(frame(1).as_bytes()).unwrap();
    source.until(|got, source| got.vehicles.len() == 1 && source.counter("connections") == 2);
    source.clock.0.fetch_add(11_000_000, Ordering::Relaxed);
    source.until(|_, source| source.counter("connections") == 1);
    assert_eq!(source.answer(&mut mute, 1), None);
    source.clock.0.fetch_add(61_000_000, Ordering::Relaxed);
    source.until(|_, source| source.counter("connections") == 0);
    assert_eq!(source.counter("connections_idle"), 2);
}

#[test]
fn connections_beyond_the_limit_or_the_list_are_refused() {
    let mut source = lines(local(|c| c.connections_max = 2));
    let _held = [source.connect(), source.connect(), source.connect()];
    source.until(|_, source| source.counter("connections_refused") == 1);
    assert_eq!(source.counter("connections"), 2);
    let mut source = lines(local(|c| c.allow = vec!["10.0.0.0/8".parse().unwrap()]));
    let mut stranger = source.connect();
    source.until(|_, source| source.counter("connections_refused") == 1);
    assert_eq!(source.answer(&mut stranger, 1), None);
}

#[test]
fn connection_that_sends_too_much_waits_for_the_next_second() {
    let mut source = lines(local(|c| c.rate_max_bytes = 100));
    let mut sender = source.connect();
    let text: String = (0..10).map(frame).collect();
    sender.write_all(text.as_bytes()).unwrap();
    let got = source.until(|_, source| source.counter("bytes") == 100);
    assert!(got.vehicles.len() < 10);
    for _ in 0..100 {
        source.poll(&mut Got::default());
    }
    assert_eq!(source.counter("bytes"), 100);
    let all = text.len() as u64;
    for _ in 0..all / 100 {
        source.clock.0.fetch_add(1_000_000, Ordering::Relaxed);
        let before = source.counter("bytes");
        source.until(|_, source| source.counter("bytes") >= (before + 100).min(all));
    }
    assert_eq!(source.counter("bytes"), all);
}

#[test]
fn csv_has_its_header_in_each_connection() {
    let make: MakeCodec = Arc::new(|| CodecConfig::named("csv").unwrap().open());
    let mut source = open(&TcpPlan::new("trackers", local(|_| {}), make));
    let mut good = source.connect();
    good.write_all(b"id,ts,lat,lon\na,1,2,3\n").unwrap();
    let mut bad = source.connect();
    bad.write_all(b"id,ts,lat\na,1,2\n").unwrap();
    let got = source.until(|got, _| got.vehicles.len() == 1 && got.rejects.len() == 1);
    assert!(got.rejects[0].detail.contains("no column for lon"), "{}", got.rejects[0].detail);
    assert_eq!(source.answer(&mut bad, 1), None);
}

#[test]
fn ipv6_is_received_and_the_unspecified_address_takes_both_families() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: this host has no IPv6");
        return;
    }
    let mut config = TcpConfig::new("[::]:0".parse().unwrap());
    config.allow = vec!["127.0.0.1".parse().unwrap()];
    let mut source = lines(config);
    let mut four = TcpStream::connect(("127.0.0.1", source.bound.port())).unwrap();
    four.write_all(frame(4).as_bytes()).unwrap();
    let _six = TcpStream::connect(("::1", source.bound.port())).unwrap();
    let got = source.until(|got, source| got.vehicles.len() == 1 && source.counter("connections_refused") == 1);
    assert_eq!(got.vehicles, ["v4"]);
}

#[test]
fn numbering_goes_on_where_the_last_run_stopped() {
    let mut source = lines(local(|_| {}));
    let position = Position { offsets: [("listener-0".to_owned(), 70)].into(), ..Position::default() };
    source.readers[0].seek(&position).unwrap();
    source.connect().write_all(b"nonsense\n").unwrap();
    let got = source.until(|got, _| got.rejects.len() == 1);
    assert_eq!(got.rejects[0].offset, 70);
    assert_eq!(source.readers[0].position().offsets["listener-0"], 79);
}
