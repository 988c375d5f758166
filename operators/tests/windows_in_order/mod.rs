//! Frames that come late, but not too late, lead to what they would have led to in order of time.

use super::windows_by_definition::{Taken, windows};
use super::*;

/// Frames in order of time as (vehicle, second, lat, lon), each with the second at which it arrives.
type Arriving = (Drawn, i64);

/// No frame is more than `LATENESS_S` late, and no vehicle so long silent that one frame is not believed.
fn arriving() -> impl Strategy<Value = Vec<Arriving>> {
    let one = (0..4usize, 0i64..16, -1i32..7, -1i32..10, 0..=LATENESS_S, 0..3u8);
    prop::collection::vec(one, 1..120).prop_map(|all| {
        let mut now = [1_000; 4];
        // Every lane is known from the start: what is first heard of later is told in parts.
        let mut frames: Vec<Arriving> = (0..4).map(|vehicle| (frame(vehicle, 1_000), 1_000)).collect();
        for (vehicle, step, lat, lon, delay, is_late) in all {
            now[vehicle] += step;
            let drawn = Drawn { vehicle, time_s: now[vehicle], lat, lon, speed: None };
            frames.push((drawn, now[vehicle] + delay * i64::from(is_late == 0)));
        }
        frames
    })
}

/// Window's start and key with its frames and the bits of its metres.
fn distances(
    config: &WindowConfig,
    frames: &[Drawn],
    (shards, cut, restart): Run,
) -> BTreeMap<Place, (i64, Option<u64>)> {
    let mut engine = Engine::new(config, shards);
    for (n, batch) in frames.chunks(cut).enumerate() {
        engine.batch(batch);
        engine.barrier();
        match restart {
            Some((at, shards)) if at == n => engine = engine.restart(shards),
            _ => {}
        }
    }
    let (rows, too_late) = engine.end();
    assert_eq!(too_late, 0);
    let mut newest: BTreeMap<Place, (i32, Row)> = BTreeMap::new();
    for (key, _, revision, row) in rows.iter().flat_map(|batch| read(batch, config.key.len())) {
        let place = (row.start, key);
        if newest.get(&place).is_none_or(|(before, _)| *before < revision) {
            newest.insert(place, (revision, row));
        }
    }
    let kept = newest.into_iter().filter(|(_, (_, row))| !row.retracted);
    kept.map(|(place, (_, row))| {
        let count = row.numbers["v0"].expect("a count") as i64;
        (place, (count, row.numbers["v1"].map(f64::to_bits)))
    })
    .collect()
}

fn of_distance(shape: Option<(i64, i64)>, key: &[&str]) -> WindowConfig {
    let aggregates = [("v0", Aggregate::Count), ("v1", Aggregate::Distance)];
    WindowConfig {
        aggregates: aggregates.map(|(name, aggregate)| (name.to_owned(), aggregate)).into(),
        path_keep: 64,
        ..config(shape, key)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn distance_does_not_depend_on_the_order_of_arrival(
        mut frames in arriving(), shape in 0..SHAPES.len(), key in 0..KEYS.len(), shards in 1usize..4, cut in 1usize..40,
        restart in prop::option::of((0usize..8, 1usize..4)),
    ) {
        let config = of_distance(SHAPES[shape], KEYS[key]);
        let drawn = |frames: &[Arriving]| frames.iter().map(|(drawn, _)| drawn.clone()).collect::<Vec<_>>();
        frames.sort_by_key(|(drawn, _)| drawn.time_s);
        let in_order = distances(&config, &drawn(&frames), (1, 1_000, None));
        frames.sort_by_key(|(_, arrival)| *arrival);
        prop_assert_eq!(distances(&config, &drawn(&frames), (shards, cut, restart)), in_order);
    }
}

/// A value with its type: `t` before seconds, `i` before whole numbers.
fn typed(column: &ArrayRef, row: usize) -> String {
    match column.data_type() {
        _ if column.is_null(row) => "-".to_owned(),
        DataType::Timestamp(..) => {
            format!("t{}", column.as_primitive::<TimestampMicrosecondType>().value(row) / SECOND_US)
        }
        DataType::Int64 => format!("i{}", column.as_primitive::<Int64Type>().value(row)),
        _ => column.as_string::<i32>().value(row).to_owned(),
    }
}

/// Of texts, times and whole numbers.
const TYPED: [&str; 8] = [
    "first(vehicle_id)",
    "last(fleet)",
    "min(fleet)",
    "max(vehicle_id)",
    "last(event_time)",
    "min(event_time)",
    "max(satellites)",
    "sum(satellites)",
];

fn fold_typed(frames: &[&Drawn]) -> Vec<String> {
    let dated = |of: fn(&Drawn) -> Option<&'static str>| {
        frames.iter().filter_map(move |frame| Some((frame.time_s, of(frame)?)))
    };
    let vehicle = |frame: &Drawn| Some(VEHICLES[frame.vehicle].0);
    let fleet = |frame: &Drawn| VEHICLES[frame.vehicle].1;
    let text = |found: Option<&str>| found.unwrap_or("-").to_owned();
    let whole = |found: Option<i64>| found.map_or("-".to_owned(), |n| format!("i{n}"));
    let time = |found: Option<i64>| found.map_or("-".to_owned(), |n| format!("t{n}"));
    let satellites = || frames.iter().filter_map(|frame| frame.speed).map(i64::from);
    vec![
        text(dated(vehicle).min().map(|found| found.1)),
        text(dated(fleet).max().map(|found| found.1)),
        text(dated(fleet).map(|found| found.1).min()),
        text(dated(vehicle).map(|found| found.1).max()),
        time(frames.iter().map(|frame| frame.time_s).max()),
        time(frames.iter().map(|frame| frame.time_s).min()),
        whole(satellites().max()),
        whole(satellites().reduce(|a, b| a + b)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn texts_times_and_whole_numbers_stay_what_they_are(
        mut frames in arriving(), shape in 0..SHAPES.len(), key in 0..KEYS.len(), shards in 1usize..4, cut in 1usize..40,
        restart in prop::option::of((0usize..8, 1usize..4)),
    ) {
        let (shape, key) = (SHAPES[shape], KEYS[key]);
        let parse = |(n, text): (usize, &&str)| (format!("v{n}"), Aggregate::parse(text).expect("an aggregate"));
        let config = WindowConfig { aggregates: TYPED.iter().enumerate().map(parse).collect(), ..config(shape, key) };
        frames.sort_by_key(|(_, arrival)| *arrival);
        let speed = |frame: &Drawn| u8::try_from(frame.lat).ok();
        let mut frames: Vec<Drawn> = frames.into_iter().map(|(f, _)| Drawn { speed: speed(&f), ..f }).collect();
        let mut engine = Engine::new(&config, shards);
        for (n, batch) in frames.chunks(cut).enumerate() {
            engine.batch(batch);
            engine.barrier();
            match restart {
                Some((at, shards)) if at == n => engine = engine.restart(shards),
                _ => {}
            }
        }
        let mut newest: BTreeMap<Place, (i32, bool, Vec<String>)> = BTreeMap::new();
        for batch in engine.end().0 {
            let of = |name: &str| batch.column_by_name(name);
            let start = of("window_start").expect("a column").as_primitive::<TimestampMicrosecondType>();
            let revision = of("revision").expect("a column").as_primitive::<Int32Type>();
            for row in 0..batch.num_rows() {
                let keys: Vec<String> = (2..2 + key.len()).map(|at| typed(batch.column(at), row)).collect();
                let values = (0..TYPED.len()).map(|n| typed(of(&format!("v{n}")).expect("a column"), row)).collect();
                let is_taken_back = of("retracted").is_some_and(|column| column.as_boolean().value(row));
                let place = (start.value(row) / SECOND_US, keys.join("/"));
                if newest.get(&place).is_none_or(|before| before.0 < revision.value(row)) {
                    newest.insert(place, (revision.value(row), is_taken_back, values));
                }
            }
        }
        let found: BTreeMap<Place, Vec<String>> =
            newest.into_iter().filter(|(_, row)| !row.1).map(|(place, row)| (place, row.2)).collect();
        frames.sort_by_key(|frame| frame.time_s);
        let mut by_key: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
        for frame in &frames {
            keys_of(frame, key).into_iter().for_each(|key| by_key.entry(key).or_default().push((frame, i64::MIN)));
        }
        let fold = |(key, frames): (&String, &Vec<Taken>)| -> Vec<(Place, Vec<String>)> {
            let of = windows(frames, shape).into_iter();
            of.map(|(start, _, of_window)| ((start, key.clone()), fold_typed(&of_window))).collect()
        };
        prop_assert_eq!(found, by_key.iter().flat_map(fold).collect::<BTreeMap<_, _>>());
    }
}

#[test]
fn late_frame_corrects_the_distance_of_the_frame_behind_it_in_that_ones_zones() {
    // From zone a to zone c by way of no zone; the late frame is in a and b.
    let at = |time_s, lat, lon| Drawn { lat, lon, ..frame(0, time_s) };
    let frames = [at(1_000, 0, 0), at(1_031, 0, 7), at(1_062, 0, 8), at(1_029, 2, 3), at(1_063, 0, 8)];
    let config = of_distance(SHAPES[0], &["zone_id"]);
    let metres: Vec<(i64, String, Option<f64>)> = distances(&config, &frames, (1, 1, None))
        .into_iter()
        .map(|((start, zone), (_, metres))| (start, zone, metres.map(|bits| f64::from_bits(bits).round())))
        .collect();
    let expected = [
        (990, "a", None),
        (1_020, "a", Some(401.0)),
        (1_020, "b", Some(401.0)),
        (1_020, "c", Some(497.0)),
        (1_050, "c", Some(111.0)),
    ];
    assert_eq!(metres, expected.map(|(start, zone, metres)| (start, zone.to_owned(), metres)));
}
