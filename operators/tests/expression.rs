//! Expressions: what each gives, what is wrong with those that are wrong and where, and what frames become of which one
//! cannot be worked out.

mod chains;
mod support;

use arrow::array::{Array, Float32Array, Int16Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::util::display::array_value_to_string;
use expect_test::{Expect, expect};
use rhumb_engine::frame::{core_columns, zone_ids_column};
use rhumb_engine::functions::FUNCTIONS;
use rhumb_operators::derive::{DerivePlan, Derived};
use rhumb_operators::expression::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, Expression, Problem, functions};
use rhumb_operators::filter::FilterPlan;
use std::sync::Arc;
use support::run;

fn columns() -> Vec<FieldRef> {
    let mut columns = core_columns();
    let fleet = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    columns.push(Arc::new(Field::new("fleet", fleet, true)));
    columns.push(Arc::new(Field::new("Tons", DataType::Int64, true)));
    columns.push(zone_ids_column());
    columns
}

fn compile(text: &str) -> Expression {
    Expression::compile(text, &columns()).unwrap_or_else(|mistakes| panic!("{text}: {mistakes:?}"))
}

#[test]
fn every_expression_has_its_type() {
    for (text, gives) in [
        ("speed_mps > 3 AND satellites >= 4", "true or false"),
        ("SPEED_MPS * 3.6", "a number"),
        ("satellites + 1", "a whole number"),
        ("\"Tons\" / 2", "a whole number"),
        ("upper(fleet)", "a text"),
        ("vehicle_id LIKE 'bus-%' OR fleet IN ('red', 'blue')", "true or false"),
        ("received_at - event_time", "a stretch of time"),
        ("date_trunc('hour', event_time)", "a time"),
        ("extract(hour from event_time)", "a whole number"),
        ("event_time > '2026-01-01T00:00:00Z'", "true or false"),
        ("array_has(zone_ids, 'depot')", "true or false"),
        ("zone_ids", "a list"),
        ("zone_ids[1]", "a text"),
        ("case when speed_mps < 1 then 'stands' else 'drives' end", "a text"),
        ("coalesce(accuracy_m, hdop * 5, 100)", "a number"),
        ("ST_Point(lon, lat)", "a point"),
        ("ST_DWithin(ST_Point(lon, lat), ST_Point(-97.74, 30.27), 500)", "true or false"),
        ("h3_cell(lat, lon, 9)", "a text"),
        ("null", "null"),
    ] {
        assert_eq!(compile(text).gives(), gives, "{text}");
    }
}

#[test]
fn only_the_columns_that_are_read_are_asked_for() {
    let names = |text: &str| compile(text).schema().fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    assert_eq!(names("speed_mps * 3.6 + speed_mps"), ["speed_mps"]);
    assert_eq!(names("ST_Distance(ST_Point(lon, lat), ST_Point(1, 2))"), ["lat", "lon"]);
    assert!(names("1 + 1").is_empty());
}

/// What is told of each text, with the part that it is told of.
#[test]
fn every_mistake_is_told_with_its_place() {
    let texts = [
        "speed > 3 AND sattelites >= 4",
        "\"red\" = fleet",
        "frames.speed_mps > 3",
        "spedd(lat) + ST_Distanc(lat, lon)",
        "speed_mps >",
        "speed_mps > 3 satellites",
        "(speed_mps > 3",
        "speed_mps & > 3",
        "'open",
        "",
        "speed_mps + (vehicle_id - event_time)",
        "not speed_mps",
        "ST_X(lat) > 3",
        "ST_Distance(lat, lon, lat, lon)",
        "round('abc') > 1",
        "abs() > 1",
        "fleet > 3",
        "speed_mps in (1, '2')",
        "lat between 1 and 'x'",
        "cast('abc' as int) > 1",
        "count(*) > 3",
        "row_number() over () > 3",
        "event_time > now() - interval '1 day'",
        "random() < 0.1",
        "lat > (select max(lat) from history)",
        "lat > $1",
        "zone_ids > 3",
    ];
    let mut told = String::new();
    for text in texts {
        let mistakes = Expression::compile(text, &columns()).err().unwrap_or_else(|| panic!("{text} is wrong"));
        told += &format!("{text}\n");
        for mistake in mistakes {
            let what = match mistake.problem {
                Problem::Other(what) => what,
                other => format!("{other:?}"),
            };
            told += &format!("    {:?}: {what}\n", &text[mistake.span]);
        }
    }
    expect![[r#"
        speed > 3 AND sattelites >= 4
            "speed": UnknownColumn { name: "speed", is_quoted: false }
            "sattelites": UnknownColumn { name: "sattelites", is_quoted: false }
        "red" = fleet
            "\"red\"": UnknownColumn { name: "red", is_quoted: true }
        frames.speed_mps > 3
            "frames.speed_mps": a dot between names: there are no tables here, write the name of a column alone
        spedd(lat) + ST_Distanc(lat, lon)
            "spedd": UnknownFunction("spedd")
            "ST_Distanc": UnknownFunction("ST_Distanc")
        speed_mps >
            "": it ends too soon: expected an expression
        speed_mps > 3 satellites
            "satellites": the expression ends before satellites; join it by AND or OR, or remove it
        (speed_mps > 3
            "": it ends too soon: expected )
        speed_mps & > 3
            "> 3": expected an expression, found: >
        'open
            "'open": unterminated string literal

            "": it ends too soon: expected an expression
        speed_mps + (vehicle_id - event_time)
            "vehicle_id - event_time": - cannot take a text and a time
        not speed_mps
            "speed_mps": NOT cannot take a number
        ST_X(lat) > 3
            "ST_X": ST_X cannot take a number; write ST_X(point)
        ST_Distance(lat, lon, lat, lon)
            "ST_Distance": ST_Distance cannot take a number, a number, a number, a number; write ST_Distance(geometry, geometry)
        round('abc') > 1
            "round": round cannot take a text
        abs() > 1
            "abs": abs cannot take nothing
        fleet > 3
            "fleet > 3": compares a text with a whole number; write texts in single quotes and numbers without, or cast(.. as double)
        speed_mps in (1, '2')
            "speed_mps in (1, '2'": compares a number with a text; write texts in single quotes and numbers without, or cast(.. as double)
        lat between 1 and 'x'
            "lat between 1 and 'x'": compares a number with a text; write texts in single quotes and numbers without, or cast(.. as double)
        cast('abc' as int) > 1
            "'abc'": cast error: Cannot cast string 'abc' to value of Int32 type
        count(*) > 3
            "count": count is over many frames, and an expression sees one; write an [operator.window] for it
        row_number() over () > 3
            "row_number": row_number is over many frames, and an expression sees one; write an [operator.window] for it
        event_time > now() - interval '1 day'
            "now": now gives another value each time, and the same frames must give the same result; event_time and received_at are the times of a frame
        random() < 0.1
            "random": random gives another value each time, and the same frames must give the same result; event_time and received_at are the times of a frame
        lat > (select max(lat) from history)
            "select max(lat) from history": a query inside an expression, which sees one frame alone
        lat > $1
            "$1": nothing is put in the place of a parameter; write the value
        zone_ids > 3
            "zone_ids > 3": > cannot take a list and a whole number
    "#]].assert_eq(&told);
}

#[test]
fn texts_without_end_are_refused() {
    let long = format!("lat > {}", "1".repeat(EXPRESSION_BYTES_MAX));
    let deep = vec!["lat > 1"; EXPRESSION_DEPTH_MAX + 1].join(" or ");
    let nested = format!("{}lat{}", "(".repeat(1000), ")".repeat(1000));
    for text in [&long, &deep, &nested] {
        assert!(Expression::compile(text, &columns()).is_err());
    }
    compile(&vec!["lat > 1"; EXPRESSION_DEPTH_MAX / 2].join(" or "));
}

/// Values of an expression over four rows: speed 0, 2.5, null, 30; satellites 4, 0, 12, null; Tons 3, the greatest whole
/// number, 0, null.
#[track_caller]
fn check(text: &str, expected: &Expect) {
    let expression = compile(text);
    let column = |name: &str| -> Arc<dyn Array> {
        match name {
            "speed_mps" => Arc::new(Float32Array::from(vec![Some(0.0), Some(2.5), None, Some(30.0)])),
            "satellites" => Arc::new(Int16Array::from(vec![Some(4), Some(0), Some(12), None])),
            "Tons" => Arc::new(Int64Array::from(vec![Some(3), Some(i64::MAX), Some(0), None])),
            "fleet" => Arc::new(StringArray::from(vec![Some("red"), Some("12"), None, Some("")])),
            other => panic!("no {other} here"),
        }
    };
    let arrays = expression.schema().fields().iter().map(|f| column(f.name())).collect();
    let fields: Vec<Field> = expression.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    let four = RecordBatchOptions::new().with_row_count(Some(4));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &four);
    let rows = rows.expect("columns of their types");
    let found = expression.evaluate(&rows);
    let value = |row: usize| match found.values.is_null(row) {
        true => "null".to_owned(),
        false => array_value_to_string(&found.values, row).expect("a value"),
    };
    let mut told: Vec<String> = (0..4).map(value).collect();
    told.extend(found.errors.iter().map(|(row, cause)| format!("row {row}: {cause}")));
    expected.assert_eq(&told.join("; "));
}

#[test]
fn null_gives_null_and_what_cannot_be_worked_out_does_too() {
    check("speed_mps > 3", &expect!["false; false; null; true"]);
    check("100 / satellites", &expect!["25; null; 8; null; row 1: divide by zero"]);
    check("100 % satellites", &expect!["0; null; 4; null; row 1: divide by zero"]);
    check("100.0 / satellites", &expect!["25.0; inf; 8.333333333333334; null"]);
    check(
        "\"Tons\" + 1",
        &expect!["4; null; 1; null; row 1: arithmetic overflow: Overflow happened on: 9223372036854775807 + 1"],
    );
    check(
        "\"Tons\" * 2",
        &expect!["6; null; 0; null; row 1: arithmetic overflow: Overflow happened on: 9223372036854775807 * 2"],
    );
    check(
        "-2 - \"Tons\"",
        &expect!["-5; null; -2; null; row 1: arithmetic overflow: Overflow happened on: -2 - 9223372036854775807"],
    );
    check("satellites = 0 or 100 / satellites > 10", &expect!["true; true; false; null"]);
    check("satellites <> 0 and 100 / satellites > 10", &expect!["true; false; false; null"]);
    check("100 / nullif(satellites, 0)", &expect!["25; null; 8; null"]);
    check(
        "cast(fleet as int)",
        &expect![
            "null; 12; null; null; row 0: cast error: Cannot cast string 'red' to value of Int32 type; row 3: cast error: Cannot cast string '' to value of Int32 type"
        ],
    );
    check("try_cast(fleet as int)", &expect!["null; 12; null; null"]);
    check(
        "cast(\"Tons\" as smallint)",
        &expect!["3; null; 0; null; row 1: cast error: Can't cast value 9223372036854775807 to type Int16"],
    );
    check(
        "1 / 0",
        &expect![
            "null; null; null; null; row 0: divide by zero; row 1: divide by zero; row 2: divide by zero; row 3: divide by zero"
        ],
    );
    check("coalesce(speed_mps, -1)", &expect!["0.0; 2.5; -1.0; 30.0"]);
}

fn derived(columns: &[(&str, &str)]) -> Arc<DerivePlan> {
    let mut fields = core_columns();
    let mut derived = Vec::new();
    for (name, text) in columns {
        let expression = Expression::compile(text, &fields).unwrap_or_else(|m| panic!("{text}: {m:?}"));
        let column = Derived::new(name, Arc::new(expression)).unwrap_or_else(|| panic!("{text} is a column"));
        fields.push(column.field().clone());
        derived.push(column);
    }
    Arc::new(DerivePlan::new("derive", derived))
}

#[test]
fn derived_columns_have_few_types_and_read_those_before_them() {
    let plan = derived(&[
        ("kmh", "speed_mps * 3.6"),
        ("is_fast", "kmh > 90"),
        ("name", "concat(vehicle_id, '-', source)"),
        ("sats", "satellites"),
        ("day", "cast(event_time as date)"),
        ("ratio", "1.0 / speed_mps"),
        ("root", "sqrt(-1 - speed_mps)"),
        ("per", "10 / satellites"),
        ("none", "hdop"),
    ]);
    let output =
        run("car", "86400 1 1 speed_mps=30 satellites=4; 86401 1 1 speed_mps=0 satellites=0; 86402 1 1", &[plan]);
    let mut told = String::new();
    for (field, values) in &output.frames.extra {
        assert_eq!(field.data_type(), values.data_type());
        let value =
            |row| if values.is_null(row) { "null".to_owned() } else { array_value_to_string(values, row).unwrap() };
        told +=
            &format!("{} {}: {}\n", field.name(), field.data_type(), (0..3).map(value).collect::<Vec<_>>().join(", "));
    }
    expect![[r#"
        kmh Float64: 108.0, 0.0, null
        is_fast Boolean: true, false, null
        name Utf8: car-test, car-test, car-test
        sats Int64: 4, 0, null
        day Timestamp(µs, "UTC"): 1970-01-02T00:00:00Z, 1970-01-02T00:00:00Z, 1970-01-02T00:00:00Z
        ratio Float64: 0.03333333333333333, null, null
        root Float64: null, null, null
        per Int64: 2, null, null
        none Float64: null, null, null
    "#]]
    .assert_eq(&told);
    let failed = [("errors.derive.per".to_owned(), 1), ("errors.derive.root".to_owned(), 2)];
    assert_eq!(output.effects.counts, failed.into());
}

#[test]
fn what_no_column_holds_is_no_derived_column() {
    for text in ["zone_ids", "ST_Point(lon, lat)", "null", "received_at - event_time"] {
        assert!(Derived::new("x", Arc::new(compile(text))).is_none(), "{text}");
    }
}

#[test]
fn filter_keeps_what_is_true_and_rejects_the_rest_with_why() {
    let condition = Expression::compile("60 / satellites > 10", &core_columns()).expect("a condition");
    let plan = Arc::new(FilterPlan::new("filter", Arc::new(condition)));
    let frames = "1 1 1 satellites=5; 2 1 1 satellites=6; 3 1 1 satellites=0; 4 1 1; 5 1 1 satellites=1; 0 1 1";
    let output = run("car", frames, &[plan]);
    let times: Vec<i64> = output.frames.times().iter().map(|t| t / 1_000_000).collect();
    assert_eq!(times, [1, 5]);
    let rejects: Vec<(i64, &str, &str)> =
        output.effects.rejects.iter().map(|r| (r.offset, r.reason.name(), r.detail.as_str())).collect();
    assert_eq!(
        rejects,
        [
            (1, "filter", "60 / satellites > 10 is false"),
            (2, "filter", "60 / satellites > 10: divide by zero"),
            (3, "filter", "60 / satellites > 10 is null"),
            (5, "filter", "60 / satellites > 10 is null"),
        ]
    );
    assert_eq!(output.effects.counts, [("errors.filter".to_owned(), 1)].into());
    // The clock of the lane has heard those that were dropped.
    assert_eq!(output.frames.lane_clock[..], [1_000_000, 5_000_000]);
}

#[test]
fn frames_that_are_dropped_move_the_clock() {
    let condition = Expression::compile("satellites = 4", &core_columns()).expect("a condition");
    let plan = Arc::new(FilterPlan::new("filter", Arc::new(condition)));
    let output = run("car", "1 1 1 satellites=4; 9 1 1; 5 1 1 satellites=4", &[plan]);
    assert_eq!(output.frames.lane_clock[..], [1_000_000, 9_000_000]);
    assert!(output.frames.late.value(1), "older than the newest frame of its vehicle, which was dropped");
}

#[test]
fn every_function_of_ours_is_documented_and_known() {
    let page = include_str!("../../docs/EXPRESSIONS.md");
    for function in FUNCTIONS {
        assert!(page.contains(&format!("| `{}` |", function.usage())), "{}", function.usage());
        assert!(functions().contains(&&*function.name.to_lowercase()), "{}", function.name);
    }
}

#[test]
fn points_are_of_the_frame_and_distances_in_metres() {
    let plan = derived(&[
        ("far_m", "ST_Distance(ST_Point(lon, lat), ST_Point(5, 2))"),
        ("x", "ST_X(ST_Point(lon, lat))"),
        ("near", "ST_DWithin(ST_Point(lon, lat), ST_Point(5, 2), 1000)"),
        ("cell", "h3_parent(h3_cell(lat, lon, 9), 5)"),
        ("held", "ST_Contains('POLYGON((4 0, 6 0, 6 2, 4 2, 4 0))', ST_Point(lon, lat))"),
        ("hash", "geohash(lat, lon, 6)"),
    ]);
    let output = run("car", "1 1 5; 2 2.001 5", &[plan]);
    let value = |column: usize, row: usize| array_value_to_string(&output.frames.extra[column].1, row).unwrap();
    assert_eq!([value(0, 0), value(1, 0), value(2, 0), value(2, 1)], ["111195.08023353289", "5.0", "false", "true"]);
    assert_eq!([value(3, 0), value(5, 0)], ["8582ea37fffffff", "s05t9y"]);
    assert_eq!([value(4, 0), value(4, 1)], ["true", "false"]);
}

/// Where it stood still the dwell was due, by the clock of a frame that a filter above dropped; only then is it seen that it had
/// left before. The geofence below must know that clock, whether or not a batch ends at the frame.
#[test]
fn timers_below_a_filter_follow_the_clock_of_frames_that_it_drops() {
    use chains::Chains;
    use rhumb_engine::alert::AlertKind;
    use rhumb_engine::frame::Frame;
    use rhumb_engine::operator::OperatorPlan;
    use rhumb_engine::time::{EventTime, SECOND_US};
    use rhumb_geofence::{ZoneOptions, Zones};
    use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan, ZoneRules};

    let yard = r#"{"type":"Feature","id":"yard","properties":{},"geometry":{"type":"Polygon",
        "coordinates":[[[0,0],[0.01,0],[0.01,0.01],[0,0.01],[0,0]]]}}"#;
    let zones = Arc::new(Zones::from_geojson(yard, &ZoneOptions::default()).expect("a zone").0);
    let plans = || -> Vec<Arc<dyn OperatorPlan>> {
        let dwell = ZoneRules { dwell_us: Some(100 * SECOND_US), ..ZoneRules::plain() };
        let alerts = vec![AlertKind::Enter, AlertKind::Exit, AlertKind::Dwell];
        let geofence =
            GeofenceConfig { rules: vec![dwell].into(), alerts, ..GeofenceConfig::plain(zones.clone(), "t") };
        let condition = Expression::compile("satellites = 4", &core_columns()).expect("a condition");
        vec![
            Arc::new(FilterPlan::new("filter", Arc::new(condition))),
            Arc::new(GeofencePlan::new("geofence", geofence)),
        ]
    };
    // Seconds, longitude, satellites: in the yard, dropped, 10 times as far outside.
    let frames = [(0, 0.005, 4), (200, 0.005, 3), (210, 0.105, 4)];
    for cut in 1..=3 {
        let mut chains = Chains::new(plans(), 300 * SECOND_US, 1);
        let mut told = Vec::new();
        for (n, batch) in frames.chunks(cut).enumerate() {
            for (row, (seconds, lon, satellites)) in batch.iter().enumerate() {
                let (vehicle, event_time, satellites) = ("car", EventTime(seconds * SECOND_US), Some(*satellites));
                let frame = Frame { vehicle, event_time, lat: 0.005, lon: *lon, satellites, ..Frame::default() };
                chains.push(n * cut + row, &frame);
            }
            for alerts in chains.process().iter().flat_map(|output| &output.effects.alerts) {
                for alert in (0..alerts.len()).map(|row| alerts.get(row)) {
                    let retracted = alert.reason.name().unwrap_or("");
                    told.push(format!("{} {} {retracted}", alert.kind.name(), alert.event_time.0 as f64 / 1e6));
                }
            }
        }
        assert_eq!(told, ["enter 0 ", "dwell 100 ", "exit 10.5 ", "dwell 100 retracted"], "batches of {cut}");
    }
}

/// The step of a derived column is from the frame before in the chain: one that a filter above the enrich dropped makes none,
/// and one that a filter below dropped does.
#[test]
fn steps_are_from_the_frame_before_that_came_to_the_operator() {
    use arrow::array::AsArray;
    use arrow::datatypes::Float64Type;
    use rhumb_engine::operator::OperatorPlan;
    use rhumb_operators::enrich::{Added, EnrichConfig, EnrichPlan};

    let filter = || -> Arc<dyn OperatorPlan> {
        let condition = Expression::compile("satellites = 4", &core_columns()).expect("a condition");
        Arc::new(FilterPlan::new("filter", Arc::new(condition)))
    };
    let enrich = || -> Arc<dyn OperatorPlan> {
        let config = EnrichConfig { add: vec![Added::ComputedSpeedMps], ..EnrichConfig::default() };
        Arc::new(EnrichPlan::new("enrich", config))
    };
    // A thousandth of a degree of the equator is 111.2 m.
    let frames = "0 0 0 satellites=4; 10 0 0.001; 20 0 0.003 satellites=4";
    for (plans, mps) in [([filter(), enrich()], 16.68), ([enrich(), filter()], 22.24)] {
        let output = run("car", frames, &plans);
        let speeds = output.frames.extra[0].1.as_primitive::<Float64Type>();
        assert!(speeds.is_null(0) && (speeds.value(1) - mps).abs() < 0.01, "{speeds:?}");
    }
}
