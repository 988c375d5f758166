use super::*;

const NOW: EventTime = EventTime(1_700_000_000 * SECOND_US);
const WEEKS_1024_S: i64 = 1024 * 7 * 86_400;

fn builder(rollover: bool) -> FrameBuilder {
    let origin = Origin { source: "s".into(), partition: "p".into() };
    let clocks = ClockRules { rollover, skew_max_us: 600 * SECOND_US };
    let mut builder = FrameBuilder::new(&[Arc::default()], origin, clocks);
    builder.at(0, NOW);
    builder
}

fn frame(vehicle: &str, event_time: EventTime) -> Frame<'_> {
    Frame { vehicle, event_time, lat: 1.0, lon: 2.0, ..Frame::default() }
}

/// What becomes of one frame that is so many seconds from now: its event time, or reason, measured and threshold.
#[track_caller]
fn check(rollover: bool, from_now_s: i64, expected: Result<i64, (&str, f64, f64)>) {
    let mut builder = builder(rollover);
    builder.push(&frame("a", EventTime(NOW.0.saturating_add(from_now_s.saturating_mul(SECOND_US)))));
    let delivery = builder.finish().remove(0);
    let found = match delivery.rejects.first() {
        Some(r) => Err((r.reason.name(), r.measured.unwrap(), r.threshold.unwrap())),
        None => Ok((delivery.frames.times()[0] - NOW.0) / SECOND_US),
    };
    assert_eq!(found, expected);
}

#[test]
fn clocks_are_judged_against_the_time_of_receipt() {
    check(false, 600, Ok(600));
    check(false, 601, Err(("future", 601.0, 600.0)));
    check(false, -WEEKS_1024_S, Ok(-WEEKS_1024_S));
}

#[test]
fn weeks_that_rolled_over_are_repaired_where_asked_for() {
    check(true, -WEEKS_1024_S, Ok(0));
    check(true, -WEEKS_1024_S - 86_400, Ok(-86_400));
    check(true, -WEEKS_1024_S + 601, Err(("future", 601.0, 600.0)));
    // A fix that is merely old stays so, and so does a clock that was never set.
    check(true, -WEEKS_1024_S + 91 * 86_400, Ok(-WEEKS_1024_S + 91 * 86_400));
    check(true, -WEEKS_1024_S - 91 * 86_400, Ok(-WEEKS_1024_S - 91 * 86_400));
    check(true, -NOW.0 / SECOND_US, Ok(-NOW.0 / SECOND_US));
}

#[test]
fn times_of_no_calendar_year_are_refused() {
    for (time, bound) in
        [(i64::MIN, EventTime::FIRST), (EventTime::FIRST.0 - 1, EventTime::FIRST), (i64::MAX, EventTime::LAST)]
    {
        let mut builder = builder(false);
        builder.push(&frame("a", EventTime(time)));
        let reject = builder.finish().remove(0).rejects.remove(0);
        assert_eq!((reject.reason, reject.event_time), (Reason::Calendar, None));
        assert_eq!(reject.measured, Some(time as f64 / 1e6));
        assert_eq!(reject.threshold, Some(bound.0 as f64 / 1e6));
    }
    check(false, (EventTime::FIRST.0 - NOW.0) / SECOND_US, Ok((EventTime::FIRST.0 - NOW.0) / SECOND_US));
}

#[test]
fn clock_of_an_input_is_what_several_of_its_lanes_have_reached() {
    let mut builder = builder(false);
    assert!(builder.clock().is_unset());
    for n in 0..200 {
        builder.push(&frame(&format!("v{n}"), EventTime(NOW.0 - 1000 * SECOND_US + n)));
    }
    // Far ahead of all others, though not of the time of receipt.
    builder.push(&frame("wrong", EventTime(NOW.0 + 500 * SECOND_US)));
    let clock = builder.clock().0 - (NOW.0 - 1000 * SECOND_US);
    assert!((100..200).contains(&clock), "{clock}");
}
