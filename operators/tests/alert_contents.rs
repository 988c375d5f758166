//! What alerts of `geofence` hold: where and when the border was crossed, in which order, and which belong together.

mod support;

use expect_test::{Expect, expect};
use rhumb_engine::alert::{Alert, AlertKind};
use rhumb_engine::operator::OperatorPlan;
use rhumb_engine::time::SECOND_US;
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan};
use std::sync::Arc;
use support::{RECEIVED_S, run};

/// Two squares that share the border at longitude 0.01, and a third inside the second.
const ZONES: &str = r#"{"type": "FeatureCollection", "features": [
{"type": "Feature", "id": "west", "properties": {"name": "West", "speed": 5}, "geometry": {"type": "Polygon", "coordinates":
  [[[0, 0], [0.01, 0], [0.01, 0.01], [0, 0.01], [0, 0]]]}},
{"type": "Feature", "id": "east", "properties": {}, "geometry": {"type": "Polygon", "coordinates":
  [[[0.01, 0], [0.02, 0], [0.02, 0.01], [0.01, 0.01], [0.01, 0]]]}},
{"type": "Feature", "id": "yard", "properties": {}, "geometry": {"type": "Polygon", "coordinates":
  [[[0.012, 0.002], [0.018, 0.002], [0.018, 0.008], [0.012, 0.008], [0.012, 0.002]]]}}]}"#;

/// Told at the border itself, by the first frame that shows it.
fn geofence() -> Arc<dyn OperatorPlan> {
    geofence_over(ZONES)
}

fn geofence_over(zones: &str) -> Arc<dyn OperatorPlan> {
    let zones = Arc::new(Zones::from_geojson(zones, &ZoneOptions::default()).expect("valid zones").0);
    Arc::new(GeofencePlan::new("geofence", GeofenceConfig::plain(zones, "test")))
}

/// One line an alert, by the time of the crossing: time and place of the crossing, the frame that showed it, and the visit, numbered by
/// its enter.
#[track_caller]
fn check(frames: &str, expected: Expect) {
    check_over(ZONES, frames, expected);
}

#[track_caller]
fn check_over(zones: &str, frames: &str, expected: Expect) {
    let output = run("car", frames, &[geofence_over(zones)]);
    let mut visits = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    let mut told = String::new();
    let [batch] = &output.effects.alerts[..] else { panic!("one batch of alerts") };
    let mut alerts: Vec<Alert> = (0..batch.len()).map(|row| batch.get(row)).collect();
    // Those of one instant stay as they were told.
    alerts.sort_by_key(|alert| alert.event_time);
    for alert in alerts {
        assert!(ids.insert(alert.id), "an id of its own: {alert:?}");
        assert_eq!(alert.received_at.0, RECEIVED_S * SECOND_US);
        if alert.kind == AlertKind::Enter {
            assert_eq!(alert.visit, alert.id, "a visit is known by its enter");
            visits.push(alert.visit);
        }
        let visit = visits.iter().position(|visit| *visit == alert.visit).expect("the visit was entered");
        let [at, frame] = [alert.event_time, alert.frame_time].map(|time| time.0 as f64 / SECOND_US as f64);
        told += &format!(
            "{} {} at {at} s {:.6} {:.6}, shown at {frame} s, visit {visit}\n",
            alert.kind.name(),
            batch.zones.ids.value(alert.zone as usize),
            alert.lat,
            alert.lon
        );
    }
    expected.assert_eq(&told);
}

#[test]
fn crossing_is_interpolated_between_the_two_frames() {
    // From 0.01 west of the border to a quarter of the square in, and out over the northern border.
    check(
        "0 0.004 -0.01; 125 0.004 0.0025; 137 0.016 0.0025",
        expect![[r#"
            enter west at 100 s 0.004000 0.000000, shown at 125 s, visit 0
            exit west at 131 s 0.010000 0.002500, shown at 137 s, visit 0
        "#]],
    );
}

/// One zone beyond the antimeridian as seen from the east of it, one across it.
const PACIFIC: &str = r#"{"type": "FeatureCollection", "features": [
{"type": "Feature", "id": "beyond", "properties": {}, "geometry": {"type": "Polygon", "coordinates":
  [[[-179.98, -1], [-179.8, -1], [-179.8, 1], [-179.98, 1], [-179.98, -1]]]}},
{"type": "Feature", "id": "across", "properties": {}, "geometry": {"type": "Polygon", "coordinates":
  [[[179.96, 5], [180.04, 5], [180.04, 6], [179.96, 6], [179.96, 5]]]}}]}"#;

#[test]
fn crossing_is_interpolated_across_the_antimeridian() {
    check_over(
        PACIFIC,
        "0 0.5 179.9; 100 0.5 -179.9; 200 0.5 179.9",
        expect![[r#"
            enter beyond at 60 s 0.500000 -179.980000, shown at 100 s, visit 0
            exit beyond at 140 s 0.500000 -179.980000, shown at 200 s, visit 0
        "#]],
    );
    // In on one side of it, out on the other.
    check_over(
        PACIFIC,
        "0 5.5 179.9; 100 5.5 -179.98; 200 5.5 -179.9; 300 5.5 179.98; 400 5.5 179.9",
        expect![[r#"
            enter across at 50 s 5.500000 179.960000, shown at 100 s, visit 0
            exit across at 125 s 5.500000 -179.960000, shown at 200 s, visit 0
            enter across at 250 s 5.500000 -179.960000, shown at 300 s, visit 1
            exit across at 325 s 5.500000 179.960000, shown at 400 s, visit 1
        "#]],
    );
}

#[test]
fn exit_comes_before_the_enter_at_the_same_instant() {
    check(
        "0 0.001 0.005; 100 0.001 0.015; 200 0.001 0.005",
        expect![[r#"
            enter west at 0 s 0.001000 0.005000, shown at 0 s, visit 0
            exit west at 50 s 0.001000 0.010000, shown at 100 s, visit 0
            enter east at 50 s 0.001000 0.010000, shown at 100 s, visit 1
            exit east at 150 s 0.001000 0.010000, shown at 200 s, visit 1
            enter west at 150 s 0.001000 0.010000, shown at 200 s, visit 2
        "#]],
    );
}

#[test]
fn visits_to_zones_one_inside_the_other_are_told_apart() {
    check(
        "0 0.005 0.029; 40 0.005 0.011; 50 0.005 0.029",
        expect![[r#"
            enter east at 20 s 0.005000 0.020000, shown at 40 s, visit 0
            exit east at 45 s 0.005000 0.020000, shown at 50 s, visit 0
        "#]],
    );
    check(
        "0 0.005 0.025; 100 0.005 0.015; 200 0.005 0.025",
        expect![[r#"
            enter east at 50 s 0.005000 0.020000, shown at 100 s, visit 0
            enter yard at 70 s 0.005000 0.018000, shown at 100 s, visit 1
            exit yard at 130 s 0.005000 0.018000, shown at 200 s, visit 1
            exit east at 150 s 0.005000 0.020000, shown at 200 s, visit 0
        "#]],
    );
}

#[test]
fn vehicle_first_seen_inside_has_entered_at_that_frame() {
    check(
        "7 0.001 0.015",
        expect![[r#"
            enter east at 7 s 0.001000 0.015000, shown at 7 s, visit 0
        "#]],
    );
}

#[test]
fn alert_holds_the_attributes_of_its_zone() {
    let output = run("car", "0 0.001 0.005", &[geofence()]);
    let [batch] = &output.effects.alerts[..] else { panic!("one batch of alerts") };
    let attributes: serde_json::Value =
        serde_json::from_str(batch.zones.attributes.value(batch.zone[0] as usize)).expect("JSON");
    assert_eq!(attributes, serde_json::json!({"name": "West", "speed": 5}));
}
