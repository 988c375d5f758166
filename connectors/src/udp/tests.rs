//! Real sockets over loopback, on ports that the kernel chooses.

mod journal;

use super::*;
use crate::line::LineCodec;
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::Origin;
use rhumb_engine::reject::{Reason, Reject};
use rhumb_engine::source::{Polled, Position};
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use std::net::UdpSocket;
use std::time::Duration;

/// Loopback loses nothing that fits the buffer, so whoever waits so long waits for something that will not come.
const LONG: Duration = Duration::from_secs(10);
const NOW: EventTime = EventTime(1_700_000_000_000_000);

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> EventTime {
        NOW
    }
}

struct Open {
    bound: SocketAddr,
    readers: Vec<Box<dyn Source>>,
    vehicles: Arc<Vehicles>,
    out: FrameBuilder,
}

#[derive(Default)]
struct Got {
    /// Vehicle and offset.
    frames: Vec<(String, i64)>,
    rejects: Vec<Reject>,
}

fn local(change: impl FnOnce(&mut UdpConfig)) -> UdpConfig {
    let mut config = UdpConfig::new("127.0.0.1:0".parse().unwrap());
    change(&mut config);
    config
}

fn open(config: UdpConfig) -> Open {
    let plan = UdpPlan::new("trackers", config, LineCodec::plain());
    assert_eq!(plan.bound(), None);
    let readers = plan.open(Arc::new(Fixed)).unwrap();
    let vehicles = Arc::new(Vehicles::default());
    let origin = Origin { source: "trackers".into(), partition: "".into() };
    let clocks = ClockRules { rollover: true, skew_max_us: i64::MAX };
    let out = FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks);
    Open { bound: plan.bound().unwrap(), readers, vehicles, out }
}

impl Open {
    /// Polls the readers in turn until so many frames and rejects have come.
    fn read(&mut self, wanted: usize) -> Got {
        let mut got = Got::default();
        while got.frames.len() + got.rejects.len() < wanted {
            // Of several sockets any may have the next.
            let timeout = if self.readers.len() == 1 { LONG } else { Duration::from_millis(1) };
            for reader in &mut self.readers {
                let polled = reader.poll(&mut self.out, timeout).unwrap();
                assert!(polled == Polled::Some || timeout < LONG, "nothing came");
                for delivery in self.out.finish() {
                    let frames = delivery.frames;
                    let rows = frames.slots().iter().zip(frames.offset.values());
                    got.frames.extend(rows.map(|(slot, offset)| (self.vehicles.id(*slot).to_owned(), *offset)));
                    assert!(frames.received_at.values().iter().all(|at| *at == NOW.0));
                    got.rejects.extend(delivery.rejects);
                }
            }
        }
        got
    }

    fn counter(&self, name: &str) -> u64 {
        let counters = self.readers.iter().flat_map(|reader| reader.counters());
        counters.filter(|(n, _)| *n == name).map(|(_, value)| value).sum()
    }

    fn sender(&self) -> UdpSocket {
        let from: SocketAddr = if self.bound.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }.parse().unwrap();
        let socket = UdpSocket::bind(from).unwrap();
        let to =
            if self.bound.ip().is_unspecified() { SocketAddr::new(from.ip(), self.bound.port()) } else { self.bound };
        socket.connect(to).unwrap();
        socket
    }
}

fn frame(number: usize) -> String {
    format!("v{number},{},30.25,-97.75", NOW.0 + number as i64)
}

#[test]
fn every_datagram_is_a_frame_or_a_reject_in_the_order_of_sending() {
    let mut source = open(local(|_| {}));
    let socket = source.sender();
    for number in 0..1_000 {
        let text = if number % 10 == 3 { "nonsense".to_owned() } else { frame(number) };
        socket.send(text.as_bytes()).unwrap();
    }
    let got = source.read(1_000);
    let expected = (0..1_000).filter(|n| n % 10 != 3).map(|n| (format!("v{n}"), n as i64));
    assert_eq!(got.frames, expected.collect::<Vec<_>>());
    let rejected = got.rejects.iter().map(|r| (r.reason, r.offset, &*r.raw, &*r.partition));
    let expected = (0..100).map(|n| (Reason::Undecodable, n * 10 + 3, &b"nonsense"[..], "socket-0"));
    assert_eq!(rejected.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!((source.counter("datagrams"), source.counter("kernel_drops")), (1_000, 0));
    assert_eq!(source.readers[0].position().offsets, [("socket-0".to_owned(), 1_000)].into());
}

#[test]
fn numbering_goes_on_where_the_last_run_stopped() {
    let mut source = open(local(|_| {}));
    let position = Position { offsets: [("socket-0".to_owned(), 70)].into(), ..Position::default() };
    source.readers[0].seek(&position).unwrap();
    source.sender().send(frame(1).as_bytes()).unwrap();
    assert_eq!(source.read(1).frames, [("v1".to_owned(), 70)]);
    assert_eq!(source.readers[0].position().offsets["socket-0"], 71);
}

#[test]
fn nothing_comes_before_the_timeout() {
    let mut source = open(local(|_| {}));
    assert_eq!(source.readers[0].poll(&mut source.out, Duration::ZERO).unwrap(), Polled::Nothing);
    assert_eq!(source.readers[0].poll(&mut source.out, Duration::from_micros(1)).unwrap(), Polled::Nothing);
}

/// One datagram, and the reason and detail it is rejected with.
#[track_caller]
fn check_rejected(config: UdpConfig, datagram: &[u8], reason: Reason, detail: &str, kept: &[u8]) {
    let mut source = open(config);
    let socket = source.sender();
    socket.send(datagram).unwrap();
    let got = source.read(1);
    let [reject] = &got.rejects[..] else { panic!("one reject") };
    let from = socket.local_addr().unwrap().to_string();
    assert_eq!((reject.reason, reject.detail.replace(&from, "SENDER")), (reason, detail.to_owned()));
    assert_eq!(&*reject.raw, kept);
}

#[test]
fn datagrams_that_are_not_for_the_codec_are_kept_as_rejects() {
    let long = vec![b'x'; 3_000];
    let detail = "3000 bytes sent by SENDER, the most is 2048";
    check_rejected(local(|_| {}), &long, Reason::OversizeDatagram, detail, &long[..2048]);
    check_rejected(local(|_| {}), b"", Reason::EmptyDatagram, "sent by SENDER", b"");
    let strangers = local(|c| c.allow = vec!["10.0.0.0/8".parse().unwrap()]);
    check_rejected(strangers, b"v1,1,2,3", Reason::Sender, "sent by SENDER", b"v1,1,2,3");
}

#[test]
fn datagram_of_just_the_greatest_length_is_a_frame() {
    let text = frame(1);
    let mut source = open(local(|c| c.datagram_max_bytes = text.len()));
    source.sender().send(text.as_bytes()).unwrap();
    assert_eq!(source.read(1).frames.len(), 1);
}

#[test]
fn allowed_sender_may_send() {
    let allow = ["10.0.0.0/8".parse().unwrap(), "127.0.0.0/8".parse().unwrap()];
    let mut source = open(local(|c| c.allow = allow.into()));
    source.sender().send(frame(1).as_bytes()).unwrap();
    assert_eq!(source.read(1).frames.len(), 1);
}

#[test]
fn what_the_kernel_dropped_is_counted() {
    let mut source = open(local(|c| c.receive_buffer_bytes = 4_096));
    let socket = source.sender();
    for number in 0..2_000 {
        socket.send(frame(number).as_bytes()).unwrap();
    }
    let drops = source.counter("kernel_drops");
    assert!(drops > 0 && drops < 2_000, "{drops}");
    let got = source.read(2_000 - drops as usize);
    assert_eq!(got.frames.len() as u64 + source.counter("kernel_drops"), 2_000);
    assert_eq!(source.counter("datagrams"), got.frames.len() as u64);
    assert_eq!(source.readers[0].poll(&mut source.out, Duration::ZERO).unwrap(), Polled::Nothing);
}

#[test]
fn many_sockets_share_one_port_and_lose_nothing() {
    let mut source = open(local(|c| c.sockets = 4));
    assert_eq!(source.readers.len(), 4);
    let senders: Vec<UdpSocket> = (0..32).map(|_| source.sender()).collect();
    for number in 0..640 {
        senders[number % 32].send(frame(number).as_bytes()).unwrap();
    }
    let mut got = source.read(640).frames;
    got.sort();
    let mut expected: Vec<String> = (0..640).map(|n| format!("v{n}")).collect();
    expected.sort();
    assert!(got.iter().map(|(vehicle, _)| vehicle).eq(&expected));
}

#[test]
fn ipv6_is_received_and_the_unspecified_address_takes_both_families() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: this host has no IPv6");
        return;
    }
    let mut source = open(UdpConfig::new("[::1]:0".parse().unwrap()));
    source.sender().send(frame(1).as_bytes()).unwrap();
    assert_eq!(source.read(1).frames.len(), 1);

    let mut config = UdpConfig::new("[::]:0".parse().unwrap());
    config.allow = vec!["127.0.0.1".parse().unwrap()];
    let mut source = open(config);
    source.sender().send(frame(6).as_bytes()).unwrap();
    let four = UdpSocket::bind("127.0.0.1:0").unwrap();
    four.send_to(frame(4).as_bytes(), ("127.0.0.1", source.bound.port())).unwrap();
    let got = source.read(2);
    assert_eq!(got.frames[0].0, "v4");
    assert!(got.rejects[0].detail.starts_with("sent by [::1]:"), "{}", got.rejects[0].detail);
}

#[test]
fn address_in_use_is_said_with_source_and_address() {
    let first = open(local(|_| {}));
    let plan = UdpPlan::new("trackers", UdpConfig::new(first.bound), LineCodec::plain());
    let error = plan.open(Arc::new(Fixed)).err().unwrap();
    assert_eq!(error.to_string(), format!("source trackers: listen on {}", first.bound));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.starts_with("Address already in use"), "{cause}");
}

#[test]
fn simulated_fleet_arrives_whole() {
    use crate::simulate::{Csv, Encode, Fleet, Rate, SendOptions, SimulateConfig, send};
    struct Line;
    impl Encode for Line {
        fn encode(&mut self, frame: &rhumb_engine::frame::Frame, out: &mut Vec<u8>) {
            Csv::default().encode(frame, out);
            out.pop();
        }
    }
    let mut source = open(local(|_| {}));
    let fleet = Fleet::new(SimulateConfig::new(100, 100.0, 7));
    let options = SendOptions { to: source.bound, rate: Rate::Max, frames_per_datagram: 1 };
    let report = send(fleet, &mut Line, options).unwrap();
    assert_eq!((report.frames, report.datagrams, report.refused), (1_000, 1_000, 0));
    let got = source.read(1_000 - source.counter("kernel_drops") as usize);
    assert_eq!(got.frames.len() as u64 + source.counter("kernel_drops"), 1_000);
    assert_eq!(got.frames[0].0, "v000000");
}

#[test]
fn device_is_acknowledged_once_its_frames_are_handed_over() {
    let make: crate::MakeCodec = Arc::new(|| crate::codec::CodecConfig::named("teltonika").unwrap().open());
    let hex = "003DCAFE0105000F33353230393330383634303336353508010000016B4F815B30010000000000000000000000000000000103021503010101425DBC000001";
    let packet: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    for (listen, from) in [("127.0.0.1:0", "127.0.0.1"), ("[::]:0", "127.0.0.1")] {
        let plan = UdpPlan::new("trackers", UdpConfig::new(listen.parse().unwrap()), make.clone());
        let Ok(mut readers) = plan.open(Arc::new(Fixed)) else {
            eprintln!("SKIPPED: this host has no IPv6");
            continue;
        };
        let vehicles = Arc::new(Vehicles::default());
        let origin = Origin { source: "trackers".into(), partition: "".into() };
        let clocks = ClockRules { rollover: true, skew_max_us: i64::MAX };
        let mut out = FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks);
        let device = UdpSocket::bind((from, 0)).unwrap();
        device.connect((from, plan.bound().unwrap().port())).unwrap();
        device.set_nonblocking(true).unwrap();
        device.send(&packet).unwrap();
        assert_eq!(readers[0].poll(&mut out, LONG).unwrap(), Polled::Some);
        let mut answer = [0; 16];
        assert!(device.recv(&mut answer).is_err(), "the engine does not have the frame yet");
        out.finish();
        readers[0].poll(&mut out, Duration::ZERO).unwrap();
        device.set_nonblocking(false).unwrap();
        device.set_read_timeout(Some(LONG)).unwrap();
        assert_eq!(device.recv(&mut answer).unwrap(), 7);
        assert_eq!(answer[..7], [0, 5, 0xCA, 0xFE, 1, 5, 1]);
    }
}
