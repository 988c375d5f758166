//! Datagrams to the lake, through the real binary: nothing sent is lost, nothing refused goes without a word.

mod support;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use support::{MAIN_JOB, Site, Started, ZONES};

const FRAME: &str = r#"{"vehicle_id": "good", "lat": 30.25, "lon": -97.75, "ts": "#;

fn site(source: &str) -> Site {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    // A lateness so short that windows are told while the test runs.
    let engine =
        "name = \"live\"\ndata = \"data\"\n[engine]\nepoch = \"1s\"\nlateness = \"1s\"\nclock_skew_max = \"1s\"";
    let source = format!("[[source]]\nname = \"trackers\"\n[source.udp]\n{source}\ncodec = \"json\"");
    site.write("live.toml", format!("{engine}\n{source}\n{MAIN_JOB}"));
    site
}

fn start(site: &Site) -> (Started, String) {
    let mut run = site.start(&["run", "live.toml", "--summary", "summary.json"]);
    let address = run.listening();
    (run, address)
}

/// Stops the run as a person would, and gives its summary.
fn stopped(site: &Site, run: Started) -> Value {
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 0, "{told}");
    site.json("summary.json")
}

fn rejects(summary: &Value) -> BTreeMap<String, u64> {
    serde_json::from_value(summary["rejects"].clone()).expect("counts")
}

/// Sends a fleet with faults at its pace, and says how many frames that were.
fn simulate(site: &Site, address: &str) -> u64 {
    let fleet =
        ["simulate", "--vehicles", "50", "--rate", "1000", "--seconds", "3", "--seed", "5", "--to-udp", address];
    let faults = ["--null-island", "0.02", "--duplicate", "0.02", "--clock-future", "0.01"];
    let told = site.done(&[&fleet[..], &faults].concat()).stderr;
    told.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("sent so many: {told}"))
}

/// Interrupted the moment the last datagram is out: what the socket holds by then counts.
#[track_caller]
fn check_simulated_fleet(listen: &str) {
    let site = site(&format!("listen = \"{listen}\""));
    let (run, address) = start(&site);
    let sent = simulate(&site, &address);
    let summary = stopped(&site, run);

    let rejects = rejects(&summary);
    let history = summary["history_rows"].as_u64().expect("a count");
    assert_eq!(summary["udp"], json!({"datagrams": sent, "kernel_drops": 0}));
    assert_eq!(summary["frames_in"], json!(sent));
    assert_eq!(history + rejects.values().sum::<u64>(), sent, "frames in = history + rejects: {summary}");
    assert!(["null_island", "duplicate", "future"].iter().all(|reason| rejects.contains_key(*reason)), "{rejects:?}");

    assert_eq!(site.count("live.toml", "select count(*) from history"), history);
    let kept = site.ask("live.toml", "select reason, count(*) from rejects group by reason order by reason");
    assert_eq!(kept, rejects.iter().map(|(reason, n)| format!("{reason},{n}")).collect::<Vec<_>>());
    let now = "select count(*) from current c join (select vehicle_id, max(event_time) as newest from history group by \
               vehicle_id) h on h.vehicle_id = c.vehicle_id and h.newest = c.event_time";
    assert_eq!(site.count("live.toml", now), 50, "each vehicle stands where its newest frame says");
    let windows = site.count("live.toml", "select count(*) from windows_zones");
    assert!(windows > 0, "windows closed while it ran");
    // A duplicate that comes after its vehicle's path has gone on is late, and a window may be told again for it yet.
    let right = "select count(*) from windows_zones w join (select date_bin(interval '1 second', event_time) as start, \
                 zone_id, count(*) as frames, count(*) filter (where not late) as in_time from (select event_time, late, \
                 unnest(zone_ids) as zone_id from history) group by start, zone_id) h on h.start = w.window_start and \
                 h.zone_id = w.zone_id where w.frames between h.in_time and h.frames";
    assert_eq!(site.count("live.toml", right), windows, "windows count what the history holds");
}

#[test]
fn all_frames_of_a_fleet_are_in_the_history_or_rejected() {
    check_simulated_fleet("127.0.0.1:0");
}

#[test]
fn ipv6_is_as_good() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: this host has no IPv6");
        return;
    }
    check_simulated_fleet("[::1]:0");
}

/// The load that one installation is sized for: each of 50,000 vehicles once in ten seconds.
#[test]
fn a_minute_of_fifty_thousand_vehicles_arrives_whole() {
    const SENT: u64 = 5_000 * 60;
    let site = site("listen = \"127.0.0.1:0\"");
    let (run, address) = start(&site);
    let fleet = ["simulate", "--vehicles", "50000", "--rate", "5000", "--seconds", "60", "--to-udp", &address];
    let told = site.done(&fleet).stderr;
    assert!(told.starts_with(&format!("sent {SENT} frames in {SENT} datagrams")), "{told}");
    let summary = stopped(&site, run);
    assert_eq!(summary["udp"], json!({"datagrams": SENT, "kernel_drops": 0}));
    assert_eq!((&summary["frames_in"], &summary["vehicles"]), (&json!(SENT), &json!(50_000)));
    let rejected: u64 = rejects(&summary).values().sum();
    let history = summary["history_rows"].as_u64().expect("a count");
    assert_eq!(history + rejected, SENT, "frames in = history + rejects: {summary}");
    assert_eq!(site.count("live.toml", "select count(*) from history"), history);
    let current = "select count(distinct vehicle_id) from current c where event_time = (select max(event_time) from \
                   history h where h.vehicle_id = c.vehicle_id)";
    assert_eq!(site.count("live.toml", current), 50_000, "each vehicle stands where its newest frame says");
    // As much as was worked: no less than nothing, no more than all cores together.
    let (cpu_s, seconds) = (summary["cpu_seconds"].as_f64(), summary["seconds"].as_f64().expect("a number"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    assert!(cpu_s.is_some_and(|cpu_s| 0.0 < cpu_s && cpu_s <= cores * seconds * 1.1), "{summary}");
    assert!(seconds >= 59.0, "it was sent as time went: {summary}");
}

#[test]
fn summary_has_what_it_promises() {
    let site = site("listen = \"127.0.0.1:0\"");
    let (run, _) = start(&site);
    let summary = stopped(&site, run);
    let numbers = ["frames_in", "history_rows", "seconds", "frames_per_second", "cpu_seconds", "peak_rss_bytes"];
    numbers.iter().for_each(|name| assert!(summary[name].is_number(), "{name}: {summary}"));
    let tables = ["rejects", "alerts", "tables"];
    tables.iter().for_each(|name| assert_eq!(summary[name], json!({}), "{name}: {summary}"));
    assert_eq!(summary["udp"], json!({"datagrams": 0, "kernel_drops": 0}));
    assert!(summary["peak_rss_bytes"].as_u64() > Some(1 << 20) && summary["seconds"].as_f64() > Some(0.0), "{summary}");
}

/// As the `json` format shows bytes.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now_us() -> u128 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    since.as_micros()
}

/// Reason and bytes of all rejects in order of receipt.
fn kept(site: &Site) -> Vec<(String, String)> {
    let sql = "select reason, raw from rejects order by \"offset\"";
    let told = site.done(&["query", "live.toml", sql, "--format", "json"]);
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        (text("reason"), text("raw"))
    };
    told.stdout.lines().map(row).collect()
}

#[test]
fn noise_is_rejected_with_its_bytes_and_costs_no_frame() {
    let site = site("listen = \"127.0.0.1:0\"\ndatagram_max = \"1KiB\"");
    let (run, address) = start(&site);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let oversize = vec![b'x'; 1500];
    let half = &FRAME.as_bytes()[..20];
    let noise: [(&str, &[u8], &[u8]); 4] = [
        ("undecodable", b"\xff\x00garbage", b"\xff\x00garbage"),
        ("empty_datagram", b"", b""),
        ("oversize_datagram", &oversize, &oversize[..1024]),
        ("undecodable", half, half),
    ];
    for (n, (_, datagram, _)) in noise.iter().enumerate() {
        socket.send_to(datagram, &address).expect("sent");
        socket.send_to(format!("{FRAME}{}}}", now_us() + n as u128).as_bytes(), &address).expect("sent");
    }
    let summary = stopped(&site, run);
    assert_eq!(summary["frames_in"], json!(8));
    assert_eq!(summary["history_rows"], json!(4), "{summary}");
    let counts = [("empty_datagram", 1), ("oversize_datagram", 1), ("undecodable", 2)];
    assert_eq!(rejects(&summary), counts.map(|(reason, n)| (reason.to_owned(), n)).into());
    let expected = noise.map(|(reason, _, kept)| (reason.to_owned(), hex(kept)));
    assert_eq!(kept(&site), expected);
    assert_eq!(site.count("live.toml", "select count(distinct event_time) from history"), 4);
}

#[test]
fn datagrams_of_another_codec_are_told_at_the_end() {
    let site = site("listen = \"127.0.0.1:0\"");
    let (run, address) = start(&site);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for _ in 0..3 {
        socket.send_to(b"$GPRMC,120000.50,A,4916.45,N,12311.12,W,10.0,90.5,010524,,,A*4D", &address).expect("sent");
    }
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 0, "told to stop, it has done what it was told: {told}");
    let said = "nothing could be decoded with codec json, 3 records were rejected, the first because: byte 0: expected a \
                value; it looks like nmea: write codec = \"nmea\"";
    assert!(told.lines().any(|line| line.contains("WARN") && line.contains(said)), "{told}");
    assert_eq!(rejects(&site.json("summary.json")), [("undecodable".to_owned(), 3)].into());
}

#[test]
fn stranger_is_refused_and_counted() {
    let site = site("listen = \"127.0.0.1:0\"\nallow = [\"127.0.0.2\", \"10.0.0.0/8\"]");
    let (run, address) = start(&site);
    let [friend, stranger] = ["127.0.0.2:0", "127.0.0.1:0"].map(|from| UdpSocket::bind(from).expect("a socket"));
    for n in 0..3 {
        let frame = format!("{FRAME}{}}}", now_us() + n);
        friend.send_to(frame.as_bytes(), &address).expect("sent");
        stranger.send_to(b"let me in", &address).expect("sent");
    }
    let summary = stopped(&site, run);
    assert_eq!((&summary["frames_in"], &summary["history_rows"]), (&json!(6), &json!(3)));
    assert_eq!(rejects(&summary), [("sender_not_allowed".to_owned(), 3)].into());
    assert_eq!(kept(&site), vec![("sender_not_allowed".to_owned(), hex(b"let me in")); 3]);
    let detail = site.ask("live.toml", "select distinct detail from rejects");
    assert_eq!(detail, [format!("sent by {}", stranger.local_addr().expect("bound"))]);
}

#[test]
fn taken_port_is_said_with_source_and_address() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a socket").local_addr().expect("bound");
    let holder = UdpSocket::bind(taken).expect("it is free again");
    let site = site(&format!("listen = \"{taken}\""));
    let told = site.rhumb(&["run", "live.toml"]);
    let said = format!("error: source trackers: listen on {taken}: Address already in use");
    assert!(told.exit == 1 && told.stderr.contains(&said), "{told:?}");
    drop(holder);
}

/// Started twice by mistake: the second is told who runs, and the first loses nothing.
#[test]
fn second_start_in_one_data_folder_stops_nobody() {
    let site = site("listen = \"127.0.0.1:0\"");
    let (run, address) = start(&site);
    let second = site.rhumb(&["run", "live.toml"]);
    assert_eq!(second.exit, 1, "{}", second.stderr);
    assert!(second.stderr.contains("is running a pipeline there; stop it first"), "{}", second.stderr);
    let sent = simulate(&site, &address);
    let summary = stopped(&site, run);
    assert_eq!(summary["frames_in"], json!(sent));
}

#[test]
fn damaged_recording_beside_it_does_not_stop_a_socket() {
    let site = site("listen = \"127.0.0.1:0\"");
    let live = std::fs::read_to_string(site.path("live.toml")).expect("a pipeline");
    let recording = "[[source]]\nname = \"recording\"\n[source.file]\npath = \"cut.csv.zst\"\ncodec = \"csv\"\n";
    site.write("live.toml", live + recording);
    let packed = zstd::encode_all(&b"vehicle_id,ts,lat,lon\n"[..], 1).expect("zstd");
    site.write("cut.csv.zst", &packed[..packed.len() - 2]);
    let (mut run, address) = start(&site);
    run.wait_for("source recording: cut.csv.zst: ");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for n in 0..5 {
        socket.send_to(format!("{FRAME}{}}}", now_us() + n).as_bytes(), &address).expect("sent");
    }
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 1, "an input was not whole: {told}");
    let summary = site.json("summary.json");
    assert_eq!(summary["udp"], json!({"datagrams": 5, "kernel_drops": 0}));
    assert!(summary["damaged"].as_str().is_some_and(|what| what.contains("cut.csv.zst")), "{summary}");
    assert_eq!(site.count("live.toml", "select count(*) from history where source = 'trackers'"), 5);
}
