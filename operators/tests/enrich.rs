//! The columns that `enrich` works out from the frame before, against values calculated by hand.

mod support;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Float64Type};
use rhumb_engine::operator::OperatorPlan;
use rhumb_operators::enrich::{Added, Cell, EnrichConfig, EnrichPlan};
use std::sync::Arc;
use support::run;

/// `distance_m`, `computed_speed_mps`, `computed_heading_deg` of each frame, to a millionth of themselves.
#[track_caller]
fn check(frames: &str, expected: &[[Option<f64>; 3]]) {
    let plan = EnrichPlan::new("enrich", EnrichConfig { add: Added::ALL.to_vec(), ..EnrichConfig::default() });
    let output = run("car", frames, &[Arc::new(plan)]);
    let names: Vec<_> = output.frames.extra.iter().map(|(field, _)| field.name().as_str()).collect();
    assert_eq!(names, ["distance_m", "computed_speed_mps", "computed_heading_deg"]);
    let value = |row: usize, column: usize| {
        let values = output.frames.extra[column].1.as_primitive::<Float64Type>().clone();
        arrow::array::Array::is_valid(&values, row).then(|| values.value(row))
    };
    let added: Vec<_> = (0..output.frames.len()).map(|row| [0, 1, 2].map(|column| value(row, column))).collect();
    let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= b.abs() * 1e-6 + 1e-9,
        (a, b) => a == b,
    };
    let same = |(a, b): (&[Option<f64>; 3], &[Option<f64>; 3])| a.iter().zip(b).all(|(a, b)| near(*a, *b));
    assert!(added.len() == expected.len() && added.iter().zip(expected).all(same), "{frames}: {added:?}");
}

/// Nothing is known.
const NONE: [Option<f64>; 3] = [None; 3];

fn step(distance_m: f64, speed_mps: f64, heading_deg: f64) -> [Option<f64>; 3] {
    [Some(distance_m), Some(speed_mps), Some(heading_deg)]
}

#[test]
fn step_is_measured_from_the_frame_before() {
    // A degree of the equator or of a meridian: 6,371,008.8 m x pi / 180 = 111,195.0797 m.
    check(
        "0 0 0; 20 0 0.01; 60 0.02 0.01; 70 0.02 0; 80 0.01 0",
        &[
            NONE,
            step(1_111.950_797, 55.597_539_85, 90.0),
            step(2_223.901_594, 55.597_539_85, 0.0),
            // West along latitude 0.02: times cos 0.02 = 0.99999993908; half of 0.01 x sin 0.02 degrees north of west.
            step(1_111.950_735, 111.195_073_5, 270.000_001_745),
            step(1_111.950_797, 111.195_079_7, 180.0),
        ],
    );
    // A degree east at 60 north. By the law of cosines cos c = 3/4 + 1/4 cos 1 = 0.9999619237891: c = 0.4999952403 degrees;
    // tan of the bearing = sin 1 cos 60 / (cos 60 sin 60 (1 - cos 1)) = 0.5 x 0.01745240644 / (0.4330127019 x 0.0001523048436).
    check("0 60 10; 1000 60 11", &[NONE, step(55_597.010_865, 55.597_010_865, 89.566_984_550)]);
    // Over the antimeridian.
    check("0 0 179.995; 10 0 -179.995", &[NONE, step(1_111.950_797, 111.195_079_7, 90.0)]);
}

#[test]
fn what_cannot_be_known_is_null() {
    // Standing there is no heading, at one instant no speed.
    check("0 1 1; 10 1 1; 10 1.01 1", &[NONE, [Some(0.0), Some(0.0), None], [Some(1_111.950_797), None, Some(0.0)]]);
}

#[test]
fn late_frame_has_no_step_and_makes_none() {
    check(
        "0 0 0; 20 0 0.01; 10 0 5; 30 0 0.02",
        &[NONE, step(1_111.950_797, 55.597_539_85, 90.0), NONE, step(1_111.950_797, 111.195_079_7, 90.0)],
    );
}

/// `h3_9` as the tests of H3 have it, `geohash_6` as Niemeyer's geohash.org.
#[test]
fn cells_are_columns_of_texts_and_null_off_the_earth() {
    let cells = ["h3_9", "geohash_6", "h3_0"].map(|name| Cell::from_name(name).expect("a cell")).to_vec();
    let plan = EnrichPlan::new("enrich", EnrichConfig { cells, ..EnrichConfig::default() });
    let fields: Vec<String> = plan.columns().iter().map(|field| field.name().clone()).collect();
    assert_eq!(fields, ["h3_9", "geohash_6", "h3_0"]);
    let frames =
        "0 37.7752702151959 -122.418307270836; 1 57.64911 10.40744; 2 91 0; 3 37.7752702151959 -122.418307270836";
    let output = run("car", frames, &[Arc::new(plan)]);
    let value = |row: usize, column: usize| {
        let values = arrow::compute::cast(&output.frames.extra[column].1, &DataType::Utf8).expect("texts");
        arrow::array::Array::is_valid(&values, row).then(|| values.as_string::<i32>().value(row).to_owned())
    };
    let all: Vec<_> = (0..4).map(|row| [0, 1, 2].map(|column| value(row, column))).collect();
    let there = [Some("8928308280fffff"), Some("9q8yyk"), Some("8029fffffffffff")].map(|cell| cell.map(str::to_owned));
    assert_eq!((&all[0], &all[3]), (&there, &there));
    assert_eq!(all[1][1].as_deref(), Some("u4pruy"));
    assert_eq!(all[2], [None, None, None]);
}

#[test]
fn names_of_cells_say_their_size() {
    let names: Vec<String> = Cell::all().map(Cell::name).collect();
    assert_eq!((names.len(), names[0].as_str(), names[27].as_str()), (28, "h3_0", "geohash_12"));
    for wrong in ["h3_16", "h3_09", "h3_", "geohash_0", "geohash_13", "h3", ""] {
        assert_eq!(Cell::from_name(wrong), None, "{wrong}");
    }
}
