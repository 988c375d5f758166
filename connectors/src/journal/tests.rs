use super::segment::Segment;
use super::*;
use proptest::prelude::*;
use rhumb_engine::source::Clocked;
use rhumb_engine::time::EventTime;
use std::path::Path;

const CONFIG: JournalConfig = JournalConfig { sync: None, segment_bytes: 400, keep_us: 0 };

fn open(folder: &Path) -> (Log, Found) {
    let (mut log, found) = Log::open(folder, CONFIG).unwrap();
    log.start("p", found.next).unwrap();
    (log, found)
}

fn put(log: &mut Log, texts: &[&str], at: i64) {
    for text in texts {
        let sender = "127.0.0.1:9".parse().unwrap();
        log.push(Entry::Datagram { sender, length: text.len() as u32, bytes: text.as_bytes() });
    }
    log.write(EventTime(at)).unwrap();
}

/// Offset, time of receipt and text of everything from an offset on.
fn read(log: &Log, from: i64) -> std::io::Result<Vec<(i64, i64, String)>> {
    let mut all = Vec::new();
    let mut replay = log.replay(from);
    while replay.next(|head, offset, entry| {
        let text = match entry {
            Entry::Datagram { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            Entry::Tick(clocked) => format!("tick {}", clocked.now.0),
        };
        all.push((offset, head.received_at.0, text));
    })? {}
    Ok(all)
}

/// A journal of ten blocks with three entries each, in several files.
fn thirty(folder: &Path) -> Vec<(i64, i64, String)> {
    let (mut log, _) = open(folder);
    let mut all = Vec::new();
    for n in 0..10 {
        let texts = [0, 1, 2].map(|i| format!("entry {}", 3 * n + i));
        put(&mut log, &texts.each_ref().map(String::as_str), n);
        all.extend(texts.into_iter().zip(3 * n..).map(|(text, offset)| (offset, n, text)));
    }
    all
}

#[test]
fn what_was_written_is_read_from_any_offset_on() {
    let folder = tempfile::tempdir().unwrap();
    let all = thirty(folder.path());
    assert!(Segment::list(folder.path()).unwrap().len() > 2);
    let (mut log, found) = open(folder.path());
    assert_eq!(found, Found { first: 0, next: 30, cut_bytes: 0 });
    for from in 0..=30 {
        assert_eq!(read(&log, from).unwrap(), all[from as usize..]);
    }
    log.push(Entry::Tick(Clocked { now: EventTime(77), away_us: 0 }));
    log.write(EventTime(78)).unwrap();
    assert_eq!(read(&log, 30).unwrap(), [(30, 78, "tick 77".to_owned())]);
}

#[test]
fn a_file_that_is_damaged_or_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    thirty(folder.path());
    let segments = Segment::list(folder.path()).unwrap();
    let mut bytes = std::fs::read(&segments[1].path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&segments[1].path, bytes).unwrap();
    let (log, _) = open(folder.path());
    let error = read(&log, 0).unwrap_err().to_string();
    assert!(error.contains(&*segments[1].path.to_string_lossy()) && error.contains("not as it was written"), "{error}");
    assert!(read(&log, segments[2].first).is_ok());
    std::fs::remove_file(&segments[1].path).unwrap();
    let (log, _) = open(folder.path());
    let error = read(&log, 0).unwrap_err().to_string();
    let (first, last) = (segments[1].first, segments[2].first - 1);
    assert!(error.starts_with(&format!("entries {first} to {last} are missing")), "{error}");
}

#[test]
fn files_go_once_they_are_committed_and_old() {
    let folder = tempfile::tempdir().unwrap();
    let all = thirty(folder.path());
    let (mut log, _) = open(folder.path());
    let now = EventTime(i64::MAX);
    let segments = Segment::list(folder.path()).unwrap();
    log.remove_before(segments[1].first - 1, now).unwrap();
    log.remove_before(30, EventTime(0)).unwrap();
    assert_eq!(Segment::list(folder.path()).unwrap(), segments, "not committed, or not old");
    log.remove_before(segments[2].first, now).unwrap();
    assert_eq!(read(&log, segments[2].first).unwrap(), all[segments[2].first as usize..]);
    log.remove_before(30, now).unwrap();
    assert_eq!(Segment::list(folder.path()).unwrap(), segments[segments.len() - 1..], "the newest stays");
    assert_eq!(open(folder.path()).1.next, 30);
}

#[test]
fn a_journal_goes_on_behind_what_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    thirty(folder.path());
    let (mut log, _) = Log::open(folder.path(), CONFIG).unwrap();
    log.start("p", 50).unwrap();
    put(&mut log, &["a"], 99);
    assert_eq!(read(&log, 50).unwrap(), [(50, 99, "a".to_owned())]);
    assert_eq!(open(folder.path()).1.next, 51);
}

proptest! {
    /// Whatever a crash leaves of the newest file, the whole blocks are read and appending goes on behind them.
    #[test]
    fn a_torn_end_is_cut_off(end in 0.0..1.0f64, garbage in prop::collection::vec(any::<u8>(), 0..60)) {
        let folder = tempfile::tempdir().unwrap();
        let all = thirty(folder.path());
        let newest = Segment::list(folder.path()).unwrap().pop().unwrap();
        let mut bytes = std::fs::read(&newest.path).unwrap();
        let whole = bytes.clone();
        bytes.truncate((end * bytes.len() as f64) as usize);
        bytes.extend(garbage);
        std::fs::write(&newest.path, &bytes).unwrap();
        let (mut log, found) = open(folder.path());
        let kept = read(&log, 0).unwrap();
        prop_assert_eq!(&kept[..], &all[..kept.len()]);
        prop_assert_eq!(kept.len() as i64, found.next);
        prop_assert!(found.next >= newest.first && found.next % 3 == 0);
        let is_whole = found.next == 30;
        prop_assert!(is_whole || found.cut_bytes > 0 || bytes.len() < whole.len());
        put(&mut log, &["next"], 5);
        let (log, again) = open(folder.path());
        prop_assert_eq!(again, Found { first: 0, next: found.next + 1, cut_bytes: 0 });
        prop_assert_eq!(read(&log, found.next).unwrap(), [(found.next, 5, "next".to_owned())]);
    }
}
