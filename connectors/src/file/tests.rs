//! Recordings: one and many, plain and packed, whole and damaged, from every position.

use super::*;
use crate::line::LineCodec;
use proptest::prelude::*;
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::{FrameBatch, Origin};
use rhumb_engine::source::{Polled, Position};
use rhumb_engine::time::{EventTime, SECOND_US};
use rhumb_engine::vehicle::Vehicles;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

/// A clock that only a pause moves.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    fn now(&self) -> EventTime {
        EventTime(self.0.load(SeqCst))
    }
}

const NOW: EventTime = EventTime(1_700_000_000_000_000);

fn hands() -> Hands {
    Hands(Arc::new(AtomicI64::new(NOW.0)))
}

/// Vehicle, event time, offset; rejects as `!` and their detail.
type Row = (String, i64, i64);

/// All rows, the position after each poll with the rows so far, and how it ended.
type Rest = (Vec<Row>, Vec<(usize, Position)>, Result<(), String>);

struct Open {
    reader: Box<dyn Source>,
    vehicles: Arc<Vehicles>,
    out: FrameBuilder,
}

fn try_open(path: &Path, speed: Speed, codec: MakeCodec, clock: Hands) -> Result<Open, SourceError> {
    let hands = clock.0.clone();
    let pause: Pause = Arc::new(move |time: Duration| {
        hands.fetch_add(time.as_micros() as i64, SeqCst);
    });
    let config = FileConfig { path: path.to_owned(), speed };
    let plan = FilePlan::new("recording", config, codec).with_pause(pause);
    let reader = plan.open(Arc::new(clock))?.remove(0);
    let vehicles = Arc::new(Vehicles::default());
    let origin = Origin { source: "recording".into(), partition: "".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
    let out = FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks);
    Ok(Open { reader, vehicles, out })
}

fn open(path: &Path) -> Open {
    try_open(path, Speed::Max, LineCodec::plain(), hands()).unwrap()
}

/// The message with its cause.
fn message(error: &SourceError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

impl Open {
    fn poll(&mut self, timeout: Duration) -> Result<(Polled, Vec<Row>), SourceError> {
        let polled = self.reader.poll(&mut self.out, timeout)?;
        let mut rows: Vec<Row> = Vec::new();
        for delivery in self.out.finish() {
            let f = &delivery.frames;
            let frames =
                (0..f.len()).map(|r| (self.vehicles.id(f.slots()[r]).to_owned(), f.times()[r], f.offset.value(r)));
            rows.extend(frames);
            rows.extend(delivery.rejects.into_iter().map(|r| (format!("!{}", r.detail), 0, r.offset)));
        }
        assert_eq!(polled == Polled::Some, !rows.is_empty());
        Ok((polled, rows))
    }

    fn rest(&mut self) -> Rest {
        let (mut rows, mut positions) = (Vec::new(), vec![(0, self.reader.position())]);
        loop {
            match self.poll(Duration::ZERO) {
                Ok((Polled::End, _)) => return (rows, positions, Ok(())),
                Ok((_, more)) => rows.extend(more),
                Err(error) => return (rows, positions, Err(message(&error))),
            }
            positions.push((rows.len(), self.reader.position()));
        }
    }
}

fn line(number: i64) -> String {
    format!("v{},{},30.25,-97.75\n", number % 50, number * SECOND_US)
}

fn lines(count: i64) -> String {
    (0..count).map(line).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 1).unwrap()
}

fn folder_of(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn rows_of(bytes: &[u8]) -> (Vec<Row>, Result<(), String>) {
    let folder = folder_of(&[("cabs", bytes)]);
    let (rows, _, end) = open(&folder.path().join("cabs")).rest();
    (rows, end)
}

fn expected(count: i64) -> Vec<Row> {
    let mut offset = 0;
    let row = |number| {
        let row = (format!("v{}", number % 50), number * SECOND_US, offset);
        offset += line(number).len() as i64;
        row
    };
    (0..count).map(row).collect()
}

#[test]
fn packing_makes_no_difference() {
    let (text, rows) = (lines(50_000), expected(50_000));
    let (head, tail) = text.as_bytes().split_at(700_000);
    let members = [gzip(head), gzip(b""), gzip(tail)].concat();
    // A skippable frame stands first.
    let frames = [b"\x50\x2a\x4d\x18\x02\0\0\0xx".to_vec(), zstd(head), zstd(tail)].concat();
    let packed = [text.as_bytes().to_vec(), gzip(text.as_bytes()), zstd(text.as_bytes()), members, frames];
    for bytes in packed {
        assert!(rows_of(&bytes) == (rows.clone(), Ok(())));
    }
}

#[test]
fn poll_stops_near_its_limit() {
    let folder = folder_of(&[("cabs", lines(100_000).as_bytes())]);
    let mut source = open(&folder.path().join("cabs"));
    let (polled, rows) = source.poll(Duration::ZERO).unwrap();
    assert_eq!(polled, Polled::Some);
    assert!((16_384..16_384 + 4_096).contains(&rows.len()), "{}", rows.len());
}

#[test]
fn every_position_gives_the_same_rest() {
    let text = format!("vehicle,time,lat,lon\n{}", lines(60_000));
    for bytes in [text.as_bytes().to_vec(), gzip(text.as_bytes()), zstd(text.as_bytes())] {
        let folder = folder_of(&[("cabs", &bytes)]);
        let path = folder.path().join("cabs");
        let open = |clock| try_open(&path, Speed::Max, LineCodec::with_header(), clock).unwrap();
        let (rows, positions, end) = open(hands()).rest();
        assert_eq!((rows.len(), end), (60_000, Ok(())));
        for (at, position) in positions {
            let later = hands();
            later.0.fetch_add(1, SeqCst);
            let mut again = open(later);
            again.reader.seek(&position).unwrap();
            assert_eq!(again.reader.position().received_at, Some(NOW));
            assert!(again.rest().0 == rows[at..], "from {position:?}");
        }
    }
}

#[test]
fn damage_comes_after_all_that_is_whole() {
    let text = lines(60_000);
    for (packed, name) in [(gzip(text.as_bytes()), "gzip"), (zstd(text.as_bytes()), "zstd")] {
        let (rows, end) = rows_of(&packed[..packed.len() / 2]);
        assert!(rows.len() > 1_000 && rows == expected(60_000)[..rows.len()]);
        let error = end.unwrap_err();
        assert!(error.starts_with(&format!("source recording: cabs: {name} stream ends early after ")), "{error}");
        let told =
            format!(": the file is truncated; {} frames before it were read", recording::commas(rows.len() as i64));
        assert!(error.ends_with(&told), "{error}");
    }
    // What a damaged stream unpacks to just before the damage shows is nobody's promise; what came long before is right.
    let mut packed = gzip(text.as_bytes());
    let middle = packed.len() / 2;
    packed[middle..middle + 64].fill(0xff);
    let (rows, end) = rows_of(&packed);
    assert!(rows[..10_000] == expected(10_000));
    let error = end.unwrap_err();
    assert!(error.contains("gzip stream is damaged after "), "{error}");
    // A wrong checksum only.
    let mut packed = gzip(text.as_bytes());
    let checksum = packed.len() - 8;
    packed[checksum] ^= 1;
    let (rows, end) = rows_of(&packed);
    assert!(rows == expected(60_000) && end.unwrap_err().contains("gzip stream is damaged after "));
}

#[test]
fn half_a_record_at_the_end_is_damage_for_codecs_that_can_tell() {
    let text = format!("{}v1,2", lines(10));
    let folder = folder_of(&[("cabs", text.as_bytes())]);
    let (rows, _, end) =
        try_open(&folder.path().join("cabs"), Speed::Max, LineCodec::strict(), hands()).unwrap().rest();
    assert_eq!(rows, expected(10));
    let expected = "source recording: cabs: file ends within the record that starts at byte 234; \
                    10 frames before it were read";
    assert_eq!(end, Err(expected.to_owned()));
}

#[test]
fn last_line_needs_no_end() {
    let text = lines(10);
    assert_eq!(rows_of(text.trim_end().as_bytes()), (expected(10), Ok(())));
    assert_eq!(rows_of(b""), (vec![], Ok(())));
}

#[test]
fn noise_is_rejected_and_does_no_harm() {
    let utf16: Vec<u8> = "\u{feff}".chars().chain(lines(9).chars()).flat_map(|c| (c as u16).to_le_bytes()).collect();
    let noise: Vec<u8> = (0..200_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    for bytes in [utf16, noise] {
        let (rows, end) = rows_of(&bytes);
        assert!(end == Ok(()) && rows.iter().all(|(vehicle, ..)| vehicle.starts_with('!')));
    }
    let (rows, end) = rows_of(&vec![b'x'; recording::RECORD_MAX_BYTES + 1]);
    assert!(rows.is_empty());
    assert!(
        end.unwrap_err().contains("the record at byte 0 is longer than 16,777,216 bytes; is this the right codec?")
    );
}

#[test]
fn long_record_is_read_whole() {
    let id = "x".repeat(3_000_000);
    let text = format!("{}{id},1,2,3\n{}", lines(5), lines(5));
    let (rows, end) = rows_of(text.as_bytes());
    assert_eq!((rows.len(), end), (11, Ok(())));
    assert!(rows.iter().any(|(vehicle, ..)| vehicle.contains("3000000 bytes")));
}

#[track_caller]
fn check_open_error(path: &Path, expected: &str) {
    let error = try_open(path, Speed::Max, LineCodec::plain(), hands()).err().expect("it cannot be opened");
    let shown = message(&error).replace(path.to_str().unwrap(), "PATH");
    assert!(shown.starts_with(&format!("source recording: open PATH: {expected}")), "{shown}");
}

#[test]
fn what_cannot_be_opened_is_said_at_once() {
    let folder = folder_of(&[("a.xz", b"\xfd7zXZ\0....")]);
    let path = folder.path();
    check_open_error(&path.join("none.csv"), "No such file");
    check_open_error(&path.join("*.csv"), "no file is named like it");
    check_open_error(&path.join("a**b"), "it is not a pattern");
    check_open_error(path, "it is a folder; PATH/* reads the files in it");
    check_open_error(&path.join("a.xz"), "is packed with xz; plain, gzip and zstd files are read");
    for number in 0..=FILES_MAX {
        std::fs::write(path.join(format!("{number}.csv")), "").unwrap();
    }
    check_open_error(&path.join("*.csv"), "257 files are named like it, and a source reads at most 256");
}

#[test]
fn file_that_became_shorter_is_not_read_on() {
    let folder = folder_of(&[("cabs", lines(10).as_bytes())]);
    let mut source = open(&folder.path().join("cabs"));
    let position = Position { offsets: [("cabs".to_owned(), 1_000_000)].into(), ..Position::default() };
    let error = source.reader.seek(&position).unwrap_err();
    let expected = "source recording: cabs: ends at byte 234, before byte 1,000,000 where the last run stopped, \
                    so it is not the same file: give the new recording another name, and it is read from its head; \
                    or put the old one back; or use another data folder";
    assert_eq!(error.to_string(), expected);
}

/// The position after a whole file of these bytes, taken up by a file of others under the same name.
fn taken_up(was: &[u8], is: &[u8]) -> Result<Vec<i64>, String> {
    let folder = folder_of(&[("cabs", was)]);
    let path = folder.path().join("cabs");
    let mut first = open(&path);
    first.rest().2.unwrap();
    let position = first.reader.position();
    std::fs::write(&path, is).unwrap();
    let mut next = open(&path);
    next.reader.seek(&position).map_err(|error| error.to_string())?;
    Ok(next.rest().0.into_iter().map(|(_, time, _)| time).collect())
}

#[test]
fn file_that_has_grown_goes_on_and_another_of_its_name_does_not() {
    let (short, long) = (lines(1000), lines(1003));
    assert_eq!(taken_up(short.as_bytes(), long.as_bytes()).unwrap().len(), 3);
    assert_eq!(taken_up(b"", long.as_bytes()).unwrap().len(), 1003);
    // Offsets are of unpacked bytes: packed otherwise it is the same file.
    assert_eq!(taken_up(short.as_bytes(), &gzip(long.as_bytes())).unwrap().len(), 3);
    let other = long.replacen('1', "2", 1);
    let said = taken_up(short.as_bytes(), other.as_bytes()).unwrap_err();
    let expected = format!(
        "source recording: cabs: is another file than the one that was read up to byte {} before, whose first 4,096 bytes \
         were others: give the new recording another name, and it is read from its head; or put the old one back; or use \
         another data folder",
        recording::commas(short.len() as i64)
    );
    assert_eq!(said, expected);
}

#[test]
fn damaged_file_of_many_does_not_keep_the_others_from_being_read() {
    let packed = gzip(lines(60_000).as_bytes());
    let files: [(&str, &[u8]); 2] = [("a.gz", &packed[..packed.len() / 2]), ("b", lines(60_000).leak().as_bytes())];
    let folder = folder_of(&files);
    let (rows, _, end) = open(&folder.path().join("*")).rest();
    assert!(rows.len() > 61_000);
    assert!(end.unwrap_err().starts_with("source recording: a.gz: gzip stream ends early after "));
}

#[test]
fn rejects_of_merged_files_name_their_file_and_keep_their_place() {
    let folder = folder_of(&[("a", b"a,1,2,3\nnonsense\na,5,2,3\n"), ("b", b"b,3,2,3\n,4,2,3\n")]);
    let mut source = open(&folder.path().join("?"));
    source.reader.poll(&mut source.out, Duration::ZERO).unwrap();
    let delivery = source.out.finish().remove(0);
    let rejects = delivery.rejects.iter().map(|reject| (&*reject.partition, &*reject.detail, reject.offset));
    let expected = [("a", "not a line of four fields", 8), ("b", "the vehicle id is empty", 8)];
    assert_eq!(rejects.collect::<Vec<_>>(), expected);
    // What operators reject later can name its file, too.
    let frames = &delivery.frames;
    let places = |f: &FrameBatch| (0..f.len()).map(|r| format!("{}:{}", f.partition(r), f.offset.value(r))).collect();
    let all: Vec<String> = places(frames);
    assert_eq!(all, ["a:0", "b:0", "a:17"]);
    let kept: Vec<String> = places(&frames.clone().retain(&[false, true, true]));
    assert_eq!(kept, all[1..]);
}

/// The order that the merge promises, by sorting: each record by the newest time of its file so far, files in order.
fn oracle(files: &[Vec<i64>]) -> Vec<(i64, usize)> {
    let mut all = Vec::new();
    for (file, times) in files.iter().enumerate() {
        let mut reached = i64::MIN;
        for (place, time) in times.iter().enumerate() {
            reached = reached.max(*time);
            all.push((reached, file, place, *time));
        }
    }
    all.sort();
    all.into_iter().map(|(_, file, _, time)| (time, file)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merge_is_the_sorted_union_from_every_position(
        files in proptest::collection::vec(proptest::collection::vec(0_i64..40, 0..60), 2..6),
        cut in 1_usize..40,
    ) {
        let text = |(file, times): (usize, &Vec<i64>)| -> String {
            times.iter().map(|time| format!("{},{time},1,2\n", if time % 7 == 0 { "many".to_owned() } else { file.to_string() })).collect()
        };
        let texts: Vec<(String, String)> =
            files.iter().enumerate().map(|(n, times)| (n.to_string(), text((n, times)))).collect();
        let named: Vec<(&str, &[u8])> = texts.iter().map(|(name, text)| (&**name, text.as_bytes())).collect();
        let folder = folder_of(&named);
        let merge = || {
            let inputs = Inputs::find(&folder.path().join("*")).unwrap();
            let open = |input| Recording::open(input, LineCodec::plain()(), 64).unwrap();
            Merge::new("*", inputs.files.into_iter().map(open).collect(), Vec::new())
        };
        let mut source = open(&folder.path().join("*"));
        let vehicle = |time: i64, file: usize| match time % 7 {
            0 => vec![("first".to_owned(), time), ("second".to_owned(), time)],
            _ => vec![(file.to_string(), time)],
        };
        let expected: Vec<_> = oracle(&files).into_iter().flat_map(|(time, file)| vehicle(time, file)).collect();
        let found: Vec<_> = source.rest().0.into_iter().map(|(id, time, _)| (id, time)).collect();
        prop_assert_eq!(&found, &expected);

        // Cut anywhere, thrown away, and read on from the position alone.
        let (mut position, mut pieces) = (Position::default(), Vec::new());
        loop {
            let mut merge = merge();
            merge.seek(&position).unwrap();
            let stopped = merge.hand_on(cut, NOW, None, &mut source.out);
            for delivery in source.out.finish() {
                let f = &delivery.frames;
                pieces.extend((0..f.len()).map(|r| (source.vehicles.id(f.slots()[r]).to_owned(), f.times()[r])));
            }
            position = merge.position();
            if matches!(stopped, merge::Stopped::End) {
                break;
            }
        }
        prop_assert_eq!(&pieces, &expected);
    }
}

#[test]
fn recording_plays_at_its_pace() {
    let folder = folder_of(&[("cabs", b"a,0,1,2\na,60000000,1,2\na,30000000,1,2\na,120000000,1,2\n")]);
    let clock = hands();
    let mut source =
        try_open(&folder.path().join("cabs"), Speed::Times(60.0), LineCodec::plain(), clock.clone()).unwrap();
    let mut seen = Vec::new();
    loop {
        let before = clock.now();
        let (polled, rows) = source.poll(Duration::from_millis(300)).unwrap();
        assert!(clock.now().0 - before.0 <= 300_000, "no longer than the timeout");
        seen.extend(rows.into_iter().map(|(_, time, _)| (time / SECOND_US, (clock.now().0 - NOW.0) / 1_000)));
        if polled == Polled::End {
            break;
        }
    }
    assert_eq!(seen, [(0, 0), (60, 1_000), (30, 1_000), (120, 2_000)]);
}
