//! Late frames, doubts, and clocks that silence carries.

use super::*;
use crate::builder::{ClockRules, FrameBuilder};
use crate::frame::{Frame, Origin};
use crate::lane::hash_of;

const MINUTE_US: i64 = 60 * SECOND_US;

/// A timeline with its own vehicles; `idle_after` is a minute, `lateness` nothing.
struct Site {
    vehicles: Arc<Vehicles>,
    timeline: Timeline,
}

impl Site {
    fn new() -> Site {
        let vehicles: Arc<Vehicles> = Arc::default();
        let context = ShardContext { shard: 0, shards: 1, vehicles: vehicles.clone() };
        Site { vehicles, timeline: Timeline::new(&context, MINUTE_US, 0) }
    }

    /// Frames of one vehicle at these seconds, from this reader, without a time of receipt; which of them are late.
    fn frames(&mut self, reader: usize, vehicle: &str, seconds: &[i64]) -> Vec<bool> {
        self.received(reader, vehicle, seconds, |_| 1_000_000_000)
    }

    /// The same, with the second at which each was received.
    fn received(&mut self, reader: usize, vehicle: &str, seconds: &[i64], at: impl Fn(i64) -> i64) -> Vec<bool> {
        let origin = Origin { source: "s".into(), partition: "p".into() };
        let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
        let mut builder = FrameBuilder::new(std::slice::from_ref(&self.vehicles), origin, clocks);
        for second in seconds {
            builder.at(0, EventTime(at(*second) * SECOND_US));
            let event_time = EventTime(second * SECOND_US);
            builder.push(&Frame { vehicle, event_time, lat: 1.0, lon: 1.0, ..Frame::default() });
        }
        let frames = builder.finish().remove(0).frames;
        self.timeline.hear(reader, &frames);
        let frames = self.timeline.process(frames, &mut Effects::default());
        frames.late.values().iter().collect()
    }

    fn tick(&mut self, reader: usize, second: i64) {
        self.timeline.tick(Tick { reader, now: EventTime(second * SECOND_US), away_us: 0 });
    }

    /// Stops here and goes on with one reader, whose clock says `now` if it is the wall's.
    fn resumed(&self, source: &str, now: Option<i64>) -> Site {
        let now = now.map(|second| EventTime(second * SECOND_US));
        self.resumed_by(Resumed { source: source.into(), now, is_timeless: false })
    }

    fn resumed_by(&self, reader: Resumed) -> Site {
        let mut state = StateWriter::default();
        state.begin(NAME);
        self.timeline.snapshot(&mut state);
        let mut site = Site::new();
        site.timeline.resume(&StateReader::new(&state.finish(), NAME), &[reader]).unwrap();
        site
    }

    /// Clocks of lanes, seconds, ascending.
    fn clocks(&self) -> Vec<i64> {
        let mut clocks: Vec<i64> = self.timeline.clocks().iter().map(|(_, c)| c.0 / SECOND_US).collect();
        clocks.sort_unstable();
        clocks
    }
}

#[test]
fn frame_older_than_its_vehicles_newest_is_late() {
    let mut site = Site::new();
    assert_eq!(site.frames(0, "a", &[10, 20, 15, 20, 21]), [false, false, true, false, false]);
    assert_eq!(site.frames(0, "b", &[15]), [false]);
}

#[test]
fn fleet_that_reports_late_is_not_idle() {
    let mut site = Site::new();
    for second in 0..600 {
        site.frames(0, "a", &[second]);
        site.tick(0, second + 900);
        assert_eq!(site.clocks(), [second]);
    }
}

#[test]
fn lane_that_is_ahead_of_its_reader_waits_for_it() {
    let mut site = Site::new();
    site.frames(0, "a", &[9_000, 9_001]);
    site.tick(0, 1_000);
    for (now, clock) in [(5_000, 9_001), (9_061, 9_001), (9_070, 9_010)] {
        site.tick(0, now);
        assert_eq!(site.clocks(), [clock], "at {now}");
    }
}

#[test]
fn silent_lane_goes_on_as_its_readers_clock_does() {
    let mut site = Site::new();
    site.frames(0, "a", &[100]);
    for (now, clock) in [(1000, 100), (1060, 100), (1070, 110), (1500, 540)] {
        site.tick(0, now);
        assert_eq!(site.clocks(), [clock], "at {now}");
    }
    site.frames(0, "a", &[580]);
    site.tick(0, 1501);
    assert_eq!(site.clocks(), [580]);
}

#[test]
fn silence_goes_on_after_a_restart_by_the_clock_of_the_lanes_source() {
    // Its source, what its clock says at the restart if it is the wall's; ticks after it, and the lane's clock then.
    let gone_on = [
        ("s", None, &[(1_059, 100), (1_070, 110), (1_500, 540)][..]),
        // Nobody listened from 1,050 until then.
        ("s", Some(9_000), &[(9_001, 100), (9_020, 110)]),
        // Another reader: how long the lane has been silent by its clock is not known.
        ("other", Some(9_000), &[(9_020, 100), (9_080, 100), (9_090, 110)]),
    ];
    for (source, now, ticks) in gone_on {
        let mut site = Site::new();
        site.frames(0, "a", &[100]);
        [1_000, 1_050].iter().for_each(|second| site.tick(0, *second));
        let mut site = site.resumed(source, now);
        for (second, clock) in ticks {
            site.tick(0, *second);
            assert_eq!(site.clocks(), [*clock], "{source} {now:?} at {second}");
        }
    }
}

#[test]
fn frames_of_the_past_say_nothing_of_who_is_silent() {
    let mut site = Site::new();
    site.frames(0, "a", &[100]);
    [1_000, 1_050].iter().for_each(|second| site.tick(0, *second));
    // Between two runs somebody puts old frames in, by a reader of the same source that has no clock.
    let mut between = site.resumed_by(Resumed { source: "s".into(), now: None, is_timeless: true });
    assert_eq!(between.frames(0, "a", &[40, 50]), [true, true]);
    between.timeline.tick(Tick { reader: 0, now: EventTime::MIN, away_us: 0 });
    assert_eq!(between.clocks(), [100]);
    let mut site = between.resumed("s", None);
    for (now, clock) in [(1_059, 100), (1_070, 110), (1_500, 540)] {
        site.tick(0, now);
        assert_eq!(site.clocks(), [clock], "at {now}");
    }
}

#[test]
fn clock_of_another_reader_moves_nothing() {
    let mut site = Site::new();
    site.frames(1, "a", &[100]);
    for now in [1_000_000, 2_000_000] {
        site.tick(0, now);
        assert_eq!(site.clocks(), [100]);
    }
}

/// Which of the frames of one vehicle are late, where another of its lane has a frame before each. Through a snapshot
/// every time.
#[track_caller]
fn check(seconds: &[i64], others: impl Fn(usize) -> Option<i64>, late: &[usize]) {
    let lane_of = |id: &str| Lane::of_hash(hash_of(id.as_bytes()));
    let other = (0..).map(|n| format!("b{n}")).find(|id| lane_of(id) == lane_of("a")).unwrap();
    let mut site = Site::new();
    let mut found = Vec::new();
    for (n, second) in seconds.iter().enumerate() {
        if let Some(second) = others(n) {
            site.frames(0, &other, &[second]);
        }
        if site.frames(0, "a", &[*second]) == [true] {
            found.push(n);
        }
        site = site.resumed("s", None);
    }
    assert_eq!(found, late, "{seconds:?}");
}

#[test]
fn vehicle_that_was_once_far_ahead_is_not_late_after_that() {
    let alone = |_| None;
    check(&[100, 43_300, 101, 102, 99, 103], alone, &[4]);
    check(&[100, 900_000, 90, 101], alone, &[2]);
    // Twice, with true frames between and without.
    check(&[100, 43_300, 101, 90_000, 102], alone, &[]);
    let steady = |n| Some(100 + n as i64);
    check(&[100, 43_300, 43_301, 43_302, 103, 101], steady, &[5]);
    // Its first frame of all.
    check(&[43_300, 101, 102], steady, &[]);
    // So often in a row that it is no mistake.
    check(&[100, 43_300, 43_301, 43_302, 43_303, 101, 102], steady, &[]);
    check(&[100, 43_300, 43_301, 43_302, 43_303, 43_304, 101, 102, 43_305], steady, &[6, 7]);
}

#[test]
fn frame_far_ahead_that_others_confirm_makes_what_is_older_late() {
    // A silence that ends: the next frame, or others, come near it.
    check(&[100, 43_300, 43_290, 43_301], |_| None, &[2]);
    check(&[100, 43_300, 43_200, 101], |n| Some([100, 101, 43_301, 43_302][n]), &[2, 3]);
}

#[test]
fn frame_that_was_received_at_its_time_is_not_in_doubt() {
    let mut site = Site::new();
    site.received(0, "a", &[100], |second| second + 2);
    // What the device had kept comes after its first live frame.
    assert_eq!(site.received(0, "a", &[43_300], |second| second + 2), [false]);
    assert_eq!(site.received(0, "a", &[200, 300, 43_310], |_| 43_312), [true, true, false]);
}

#[test]
fn one_wrong_clock_moves_nothing_and_two_frames_do() {
    let mut site = Site::new();
    site.frames(0, "a", &[100, 43_300, 101, 102]);
    assert_eq!(site.clocks(), [102]);
    site.frames(0, "a", &[5000, 5001]);
    assert_eq!(site.clocks(), [5001]);
}
