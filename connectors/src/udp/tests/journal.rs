//! With a journal: what is read again, what goes, and whom a device hears from when.

use super::*;
use crate::journal::{Group, JournalConfig};
use std::path::Path;

fn journaled(folder: &Path, sync: Option<Group>) -> UdpConfig {
    let config = JournalConfig { sync, segment_bytes: 4096, keep_us: 0 };
    local(|udp| udp.journals = Some(SocketJournals { folder: folder.to_owned(), config, try_for: LONG, is_on: true }))
}

fn at_offset(offset: i64) -> Position {
    Position { offsets: [("socket-0".to_owned(), offset)].into(), ..Position::default() }
}

#[test]
fn what_is_not_committed_comes_out_of_the_journal_again_under_its_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let expected = |offsets: std::ops::Range<i64>| offsets.map(|n| (format!("v{n}"), n)).collect::<Vec<_>>();
    let mut source = open(journaled(folder.path(), None));
    source.readers[0].seek(&Position::default()).unwrap();
    let socket = source.sender();
    (0..100).for_each(|number| assert!(socket.send(frame(number).as_bytes()).is_ok()));
    assert_eq!(source.read(100).frames, expected(0..100));
    // As a crash leaves it.
    std::mem::forget(source.readers.remove(0));
    for from in [40, 0, 100] {
        let mut source = open(journaled(folder.path(), None));
        source.readers[0].seek(&at_offset(from)).unwrap();
        assert_eq!(source.read((100 - from) as usize).frames, expected(from..100));
    }
    let mut source = open(journaled(folder.path(), None));
    source.readers[0].seek(&at_offset(90)).unwrap();
    source.sender().send(frame(100).as_bytes()).unwrap();
    assert_eq!(source.read(11).frames, expected(90..101), "what is new comes behind what was");
    assert_eq!(source.counter("journal_replayed"), 10);
}

#[test]
fn files_of_the_journal_go_once_they_are_committed() {
    let folder = tempfile::tempdir().unwrap();
    let files = || std::fs::read_dir(folder.path().join("socket-0")).unwrap().count();
    let mut source = open(journaled(folder.path(), None));
    source.readers[0].seek(&Position::default()).unwrap();
    let socket = source.sender();
    for number in 0..500 {
        socket.send(frame(number).as_bytes()).unwrap();
        source.read(1);
    }
    let before = files();
    assert!(before > 3, "{before}");
    source.readers[0].committed(&at_offset(250));
    let half = files();
    assert!((2..before).contains(&half), "{before}, then {half}");
    source.readers[0].committed(&at_offset(500));
    assert_eq!(files(), 1, "the newest stays");
}

#[test]
fn device_is_acknowledged_only_once_its_frames_are_synced() {
    let make: crate::MakeCodec = Arc::new(|| crate::codec::CodecConfig::named("teltonika").unwrap().open());
    let packet = packet();
    let folder = tempfile::tempdir().unwrap();
    // Nothing is synced before there are so many bytes: those of two datagrams.
    let group = Group { every: Duration::from_secs(86_400), bytes: 2 * packet.len() as u64 };
    let plan = UdpPlan::new("trackers", journaled(folder.path(), Some(group)), make);
    let mut reader = plan.open(Arc::new(Fixed)).unwrap().remove(0);
    reader.seek(&Position::default()).unwrap();
    let vehicles = Arc::new(Vehicles::default());
    let origin = Origin { source: "trackers".into(), partition: "".into() };
    let clocks = ClockRules { rollover: true, skew_max_us: i64::MAX };
    let mut out = FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks);
    let device = UdpSocket::bind("127.0.0.1:0").unwrap();
    device.connect(plan.bound().unwrap()).unwrap();
    device.set_nonblocking(true).unwrap();
    let mut answer = [0; 16];
    device.send(&packet).unwrap();
    assert_eq!(reader.poll(&mut out, LONG).unwrap(), Polled::Some);
    for _ in 0..20 {
        out.finish();
        assert_eq!(reader.poll(&mut out, LONG).unwrap(), Polled::Nothing, "a poll does not wait long then");
        assert!(device.recv(&mut answer).is_err(), "the disk does not have the frame yet");
    }
    device.send(&packet).unwrap();
    let mut answers = 0;
    while answers < 2 {
        reader.poll(&mut out, LONG).unwrap();
        out.finish();
        while let Ok(length) = device.recv(&mut answer) {
            assert_eq!(answer[..length], [0, 5, 0xCA, 0xFE, 1, 5, 1]);
            answers += 1;
        }
    }
}

/// Ten times what the socket's buffer holds, while nobody polls.
#[test]
fn while_the_reader_is_held_up_the_journal_keeps_what_comes() {
    const DATAGRAMS: usize = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let mut config = journaled(folder.path(), None);
    config.receive_buffer_bytes = 512 << 10;
    let mut source = open(config);
    source.readers[0].seek(&Position::default()).unwrap();
    let socket = source.sender();
    let mut frames = Vec::new();
    for first in (0..DATAGRAMS).step_by(500) {
        (first..first + 500).for_each(|number| assert!(socket.send(frame(number).as_bytes()).is_ok()));
        while (source.counter("datagrams") as usize) < first + 500 {
            assert_eq!(source.counter("kernel_drops"), 0);
            std::thread::park_timeout(Duration::from_millis(1));
        }
        // Now and then the reader gets on, into the middle of what came.
        if first % 7_000 == 3_500 {
            frames.extend(source.read(1).frames);
        }
    }
    let half = frames.len();
    assert!(half < DATAGRAMS, "it was not held up");
    frames.extend(source.read(DATAGRAMS - half).frames);
    assert_eq!(frames, (0..DATAGRAMS).map(|n| (format!("v{n}"), n as i64)).collect::<Vec<_>>());
    assert!(source.counter("journal_caught_up") > 0);
    assert_eq!(source.counter("journal_replayed"), 0);
    assert_eq!(source.readers[0].position(), at_offset(DATAGRAMS as i64));
    // And on, from the socket.
    socket.send(frame(DATAGRAMS).as_bytes()).unwrap();
    assert_eq!(source.read(1).frames, [(format!("v{DATAGRAMS}"), DATAGRAMS as i64)]);
}

/// A device is not left without an answer because the pipeline stood still.
#[test]
fn what_was_taken_while_the_reader_was_held_up_is_acknowledged_once_it_is_read() {
    let make: crate::MakeCodec = Arc::new(|| crate::codec::CodecConfig::named("teltonika").unwrap().open());
    let folder = tempfile::tempdir().unwrap();
    let plan = UdpPlan::new("trackers", journaled(folder.path(), None), make);
    let mut reader = plan.open(Arc::new(Fixed)).unwrap().remove(0);
    reader.seek(&Position::default()).unwrap();
    let device = UdpSocket::bind("127.0.0.1:0").unwrap();
    device.connect(plan.bound().unwrap()).unwrap();
    device.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    device.send(&packet()).unwrap();
    while !reader.counters().contains(&("datagrams", 1)) {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let vehicles = Arc::new(Vehicles::default());
    let origin = Origin { source: "trackers".into(), partition: "".into() };
    let clocks = ClockRules { rollover: true, skew_max_us: i64::MAX };
    let mut out = FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks);
    let mut answer = [0; 16];
    let mut frames = 0;
    let length = loop {
        reader.poll(&mut out, Duration::from_millis(1)).unwrap();
        frames += out.finish().iter().map(|delivery| delivery.frames.len()).sum::<usize>();
        if let Ok(length) = device.recv(&mut answer) {
            break length;
        }
    };
    assert_eq!((frames, &answer[..length]), (1, &[0, 5, 0xCA, 0xFE, 1, 5, 1][..]));
}

/// One record, that is acknowledged with its number.
fn packet() -> Vec<u8> {
    let hex = "003DCAFE0105000F33353230393330383634303336353508010000016B4F815B30010000000000000000000000000000000103021503010101425DBC000001";
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
