//! What a device was told has arrived is in the lake, and nothing else is, however often the run was killed.

use crate::start;
use crate::support::{Site, now_us};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const KILLS: usize = 10;
const DEVICES: u64 = 50;
const RECORDS: u64 = 5;
/// A device that hears nothing for so long sends again.
const ANSWER_MAX: Duration = Duration::from_millis(300);

/// A tracker of Teltonika over UDP: sends a packet, waits until all of its records are acknowledged, sends the next one.
struct Device {
    imei: String,
    socket: UdpSocket,
    /// Number of the packet under way.
    packet: u64,
    sent: Option<Instant>,
    first_ms: u64,
}

impl Device {
    fn new(number: u64, first_ms: u64) -> Device {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        Device { imei: format!("{:015}", 350_000_000_000_000 + number), socket, packet: 0, sent: None, first_ms }
    }

    /// Milliseconds since 1970 of a packet's records.
    fn times_ms(&self) -> impl Iterator<Item = u64> {
        let first = self.first_ms + self.packet * RECORDS * 1_000;
        (0..RECORDS).map(move |record| first + record * 1_000)
    }

    /// Codec 8, in its envelope for UDP. Low bytes of the packet's number tell answers apart.
    fn bytes(&self) -> Vec<u8> {
        let mut body = (self.packet as u16).to_be_bytes().to_vec();
        body.extend([1, self.packet as u8, 0, 15]);
        body.extend(self.imei.as_bytes());
        body.extend([8, RECORDS as u8]);
        for time_ms in self.times_ms() {
            body.extend(time_ms.to_be_bytes());
            body.push(0);
            for degrees in [-97.75f64, 30.25] {
                body.extend(((degrees * 1e7) as i32).to_be_bytes());
            }
            // Altitude, heading, satellites, speed, and no elements.
            body.extend([0, 150, 0, 90, 9, 0, 0]);
            body.extend([0; 6]);
        }
        body.push(RECORDS as u8);
        [&(body.len() as u16).to_be_bytes()[..], &body].concat()
    }

    /// Whether the packet under way has been acknowledged.
    fn is_answered(&self) -> bool {
        let mut answer = [0; 16];
        let [high, low] = (self.packet as u16).to_be_bytes();
        let expected = [0, 5, high, low, 1, self.packet as u8, RECORDS as u8];
        // Of an answer that came late there may be two.
        while let Ok(length) = self.socket.recv(&mut answer) {
            if answer[..length] == expected {
                return true;
            }
        }
        false
    }
}

/// Lets the devices send until told to stop, and then until each has an answer. What was acknowledged, by vehicle and time.
#[allow(clippy::disallowed_methods, reason = "a fleet of its own, at its own pace")]
fn fleet(port: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<BTreeSet<(String, u64)>> {
    std::thread::spawn(move || {
        let first_ms = now_us() as u64 / 1_000 - 86_400_000;
        let mut devices: Vec<Device> = (0..DEVICES).map(|number| Device::new(number, first_ms)).collect();
        let mut acknowledged = BTreeSet::new();
        loop {
            let is_over = stop.load(Ordering::Relaxed);
            for device in &mut devices {
                if device.sent.is_some() && device.is_answered() {
                    let records = device.times_ms().map(|time_ms| (device.imei.clone(), time_ms));
                    acknowledged.extend(records);
                    (device.packet, device.sent) = (device.packet + 1, None);
                }
                let is_due = device.sent.map_or(!is_over, |sent| sent.elapsed() >= ANSWER_MAX);
                let port = port.load(Ordering::Relaxed) as u16;
                if is_due && port != 0 {
                    // Nobody may be there.
                    let _ = device.socket.send_to(&device.bytes(), ("127.0.0.1", port));
                    device.sent = Some(Instant::now());
                }
            }
            if is_over && devices.iter().all(|device| device.sent.is_none()) {
                return acknowledged;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    })
}

#[test]
#[allow(clippy::disallowed_methods, reason = "kills come at drawn moments")]
fn frames_that_were_acknowledged_and_frames_in_the_lake_are_the_same_after_kills() {
    let site = Site::new();
    site.write(
        "trackers.toml",
        "name = \"trackers\"\ndata = \"data\"\n[engine]\nepoch = \"200ms\"\nshards = 2\n[[source]]\nname = \"trackers\"\n[source.udp]\n\
         listen = \"127.0.0.1:0\"\ncodec = \"teltonika\"\njournal = \"fsync\"\njournal_sync = \"2ms\"\n\
         [[operator]]\n[operator.validate]\n",
    );
    let (port, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let devices = fleet(port.clone(), stop.clone());
    let mut random = Pcg64Mcg::seed_from_u64(5);
    for _ in 0..KILLS {
        let (mut run, at) = start(&site, "trackers.toml");
        port.store(at, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(random.next_u64() % 1_000));
        run.kill();
    }
    let (run, at) = start(&site, "trackers.toml");
    port.store(at, Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    let acknowledged = devices.join().expect("the devices");
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 0, "{told}");

    let sql = "select vehicle_id, cast(event_time as bigint) / 1000 from history order by 1, 2";
    let expected: Vec<String> = acknowledged.iter().map(|(imei, time_ms)| format!("{imei},{time_ms}")).collect();
    let kept = site.ask("trackers.toml", sql);
    assert!(expected.len() > 2_000, "{} records", expected.len());
    let first = kept.iter().zip(&expected).find(|(kept, expected)| kept != expected);
    assert!(kept == expected, "{} in the lake, {} acknowledged; {first:?}", kept.len(), expected.len());
}
