//! The geofence's rules one by one, each on a vehicle that drives along the equator past a yard from 0 to 1 (thousandths
//! of a degree of longitude, 111 m).

mod common;

use common::{Report, run, run_grouped};
use expect_test::{Expect, expect};
use rhumb_engine::alert::{Alert, AlertKind};
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::geofence::{GeofenceConfig, ZoneRules};
use std::sync::Arc;

/// A yard with these properties.
fn config(properties: &str) -> GeofenceConfig {
    let text = format!(
        r#"{{"type":"Feature","id":"yard","properties":{properties},"geometry":{{"type":"Polygon",
        "coordinates":[[[0,-0.001],[0.001,-0.001],[0.001,0.001],[0,0.001],[0,-0.001]]]}}}}"#
    );
    let zones = Arc::new(Zones::from_geojson(&text, &ZoneOptions::default()).expect("a zone").0);
    let rules = zones.iter().map(|zone| ZoneRules::plain().of_zone(zone).expect("good settings")).collect();
    let alerts = AlertKind::ALL.to_vec();
    let group_column = Some("fleet".to_owned());
    GeofenceConfig { rules, alerts, group_column, ..GeofenceConfig::plain(zones, "test") }
}

/// `fixes`: `seconds@place`, with `~metres` of accuracy or `^metres a second`; a word before it names the vehicle.
fn reports(fixes: &str) -> Vec<Report> {
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let one = |fix: &str| {
        let (vehicle, fix) = fix.split_once(':').unwrap_or(("bus-1", fix));
        let (time, place) = fix.split_once('@').expect("seconds@place");
        let (place, accuracy_m) = place.split_once('~').map_or((place, None), |(p, m)| (p, Some(number(m) as f32)));
        let (place, speed_mps) = place.split_once('^').map_or((place, None), |(p, v)| (p, Some(number(v) as f32)));
        let time_s = time.parse().expect("seconds");
        Report { vehicle: vehicle.to_owned(), time_s, lat: 0.0, lon: number(place) / 1000.0, accuracy_m, speed_mps }
    };
    fixes.split_whitespace().map(one).collect()
}

fn check(properties: &str, fixes: &str, expected: Expect) {
    let table = Some("vehicle_id,fleet\nbus-1,day\nbus-2,night\n");
    let told = run_grouped(config(properties), table, &reports(fixes), 3);
    let mut text = String::new();
    for (n, (vehicle, alert)) in told.iter().enumerate() {
        let superseded = told[..n].iter().position(|(_, old)| Some(old.id) == alert.supersedes);
        assert_eq!(superseded.is_some(), alert.supersedes.is_some());
        let visit = told[..=n].iter().position(|(_, other)| other.id == alert.visit);
        text += &format!(
            "{n} {vehicle} {} at {:.1} s, {:.2}",
            alert.kind.name(),
            alert.event_time.0 as f64 / 1e6,
            alert.lon * 1000.0
        );
        text += &format!(", shown at {} s", alert.frame_time.0 / 1_000_000);
        text += &alert.left.map_or(String::new(), |left| {
            format!(", until {:.1} s, {:.2}", left.time.0 as f64 / 1e6, left.lon * 1000.0)
        });
        text += &alert.reason.name().map_or(String::new(), |reason| format!(", {reason}"));
        text += if alert.late { ", late" } else { "" };
        text += &superseded.map_or(String::new(), |old| format!(", for {old}"));
        text += &visit.filter(|visit| *visit != n).map_or(String::new(), |visit| format!(", of visit {visit}"));
        text.push('\n');
    }
    expected.assert_eq(&text);
}

#[test]
fn crossings_are_told_at_their_time_and_place() {
    check(
        "{}",
        "0@-1 10@0.5 20@3",
        expect![[r#"
        0 bus-1 enter at 6.7 s, 0.00, shown at 10 s
        1 bus-1 exit at 12.0 s, 1.00, shown at 20 s, of visit 0
    "#]],
    );
}

#[test]
fn the_first_frame_inside_is_an_enter_and_the_border_is_inside() {
    check(
        "{}",
        "0@1 10@0.5 20@1.5",
        expect![[r#"
        0 bus-1 enter at 0.0 s, 1.00, shown at 0 s
        1 bus-1 exit at 15.0 s, 1.00, shown at 20 s, of visit 0
    "#]],
    );
}

#[test]
fn a_vehicle_within_the_buffer_has_not_left() {
    // 0.2 of 111 m are 22 m, 0.5 are 56 m.
    check(
        r#"{"exit_buffer_m": 30}"#,
        "0@0.5 10@1.2 20@0.9 30@1.2 40@1.5 50@0.9",
        expect![[r#"
        0 bus-1 enter at 0.0 s, 0.50, shown at 0 s
        1 bus-1 exit at 23.3 s, 1.00, shown at 40 s, of visit 0
        2 bus-1 enter at 48.3 s, 1.00, shown at 50 s
    "#]],
    );
}

#[test]
fn a_change_counts_once_confirmed_and_keeps_its_time() {
    check(
        r#"{"confirm_frames": 2}"#,
        "0@-1 10@0.5 20@-1 30@0.5 40@0.5 50@2 60@0.5 70@2 80@3",
        expect![[r#"
        0 bus-1 enter at 26.7 s, 0.00, shown at 40 s
        1 bus-1 exit at 63.3 s, 1.00, shown at 80 s, of visit 0
    "#]],
    );
    check(
        r#"{"confirm_for": "15s"}"#,
        "0@-1 10@0.5 20@0.6 30@0.7 40@2 50@2 60@2",
        expect![[r#"
        0 bus-1 enter at 6.7 s, 0.00, shown at 30 s
        1 bus-1 exit at 32.3 s, 1.00, shown at 60 s, of visit 0
    "#]],
    );
}

#[test]
fn first_fix_that_is_not_trusted_leaves_the_enter_to_the_next() {
    check(
        r#"{"accuracy_max_m": 50}"#,
        "0@0.5~60 10@0.5~10 20@0.5~10",
        expect![[r#"
        0 bus-1 enter at 10.0 s, 0.50, shown at 10 s
    "#]],
    );
}

#[test]
fn an_inaccurate_fix_changes_no_side() {
    check(
        r#"{"accuracy_max_m": 50}"#,
        "0@-1 10@0.5~80 20@-1 30@0.5~10 40@5~200 50@0.6 60@2~51 70@3",
        expect![[r#"
        0 bus-1 enter at 26.7 s, 0.00, shown at 30 s
        1 bus-1 exit at 53.3 s, 1.00, shown at 70 s, of visit 0
    "#]],
    );
}

#[test]
fn a_dwell_is_told_at_the_time_when_it_was_due() {
    check(
        r#"{"dwell": "30s"}"#,
        "0@0.5 10@0.6 20@0.7 35@0.7 60@3",
        expect![[r#"
        0 bus-1 enter at 0.0 s, 0.50, shown at 0 s
        1 bus-1 dwell at 30.0 s, 0.70, shown at 30 s, of visit 0
        2 bus-1 exit at 38.3 s, 1.00, shown at 60 s, of visit 0
    "#]],
    );
    check(
        r#"{"dwell": "30s"}"#,
        "0@0.5 10@0.6 29@3 60@3",
        expect![[r#"
        0 bus-1 enter at 0.0 s, 0.50, shown at 0 s
        1 bus-1 exit at 13.2 s, 1.00, shown at 29 s, of visit 0
    "#]],
    );
}

#[test]
fn a_dwell_that_silence_suggested_is_taken_back() {
    let mut config = config(r#"{"dwell": "30s"}"#);
    config.group_column = None;
    // Two vehicles of one lane: the frame of the other is what moves the clock.
    let lane = |n: u32| rhumb_engine::lane::Lane::of_hash(rhumb_engine::lane::hash_of(format!("v{n}").as_bytes()));
    let other = (1..).find(|n| lane(*n) == lane(0)).expect("some vehicle");
    let told = run(config, &reports(&format!("v0:0@0.5 v{other}:35@50 v0:36@4 v{other}:90@50")), 1);
    let text: String = told
        .iter()
        .map(|(_, a)| format!("{} at {} s {:?}\n", a.kind.name(), a.event_time.0 / 1_000_000, a.reason))
        .collect();
    expect![[r#"
        enter at 0 s Moved
        dwell at 30 s Moved
        exit at 5 s Moved
        dwell at 30 s Retracted
    "#]]
    .assert_eq(&text);
}

/// The clock of the lane was ahead of this vehicle's frames, none of which is late.
#[test]
fn a_dwell_is_told_again_where_a_frame_before_it_shows_the_vehicle() {
    let mut config = config(r#"{"dwell": "30s"}"#);
    config.group_column = None;
    let lane = |n: u32| rhumb_engine::lane::Lane::of_hash(rhumb_engine::lane::hash_of(format!("v{n}").as_bytes()));
    let other = (1..).find(|n| lane(*n) == lane(0)).expect("some vehicle");
    let frames = format!("v0:0@0.5 v{other}:35@50 v0:20@0.7 v0:25@0.7 v0:30@0.8 v{other}:90@50");
    let told = run(config, &reports(&frames), 1);
    let line = |(_, alert): &(String, Alert)| {
        let superseded = told.iter().position(|(_, old)| Some(old.id) == alert.supersedes);
        let (at, place) = (alert.frame_time.0 / 1_000_000, alert.lon * 1000.0);
        format!("{} shown at {at} s, {place:.1}, for {superseded:?}\n", alert.kind.name())
    };
    expect![[r#"
        enter shown at 0 s, 0.5, for None
        dwell shown at 30 s, 0.5, for None
        dwell shown at 30 s, 0.7, for Some(1)
    "#]]
    .assert_eq(&told.iter().map(line).collect::<String>());
}

#[test]
fn passing_through_between_two_frames_is_a_cross() {
    check(
        "{}",
        "0@-1 20@3 30@-1 40@0.5",
        expect![[r#"
        0 bus-1 cross at 5.0 s, 0.00, shown at 20 s, until 10.0 s, 1.00
        1 bus-1 cross at 25.0 s, 1.00, shown at 30 s, until 27.5 s, 0.00
        2 bus-1 enter at 36.7 s, 0.00, shown at 40 s
    "#]],
    );
}

#[test]
fn overspeed_is_told_once_a_stretch() {
    let limit = r#"{"speed_limit": "36 km/h", "speed_limit_for": "10s"}"#;
    check(
        limit,
        "0@-1^20 10@0.1^20 15@0.2^20 20@0.3^20 30@0.4^20 40@0.5^5 50@0.6^11 70@0.7^11 80@3^30",
        expect![[r#"
        0 bus-1 enter at 9.1 s, -0.00, shown at 10 s
        1 bus-1 overspeed at 10.0 s, 0.10, shown at 20 s, of visit 0
        2 bus-1 overspeed at 50.0 s, 0.60, shown at 70 s, of visit 0
        3 bus-1 exit at 71.3 s, 1.00, shown at 80 s, of visit 0
    "#]],
    );
    // 0.5 of 111 m in 5 s are 11 m/s.
    check(
        r#"{"speed_limit": "10 m/s"}"#,
        "0@-1 20@0.1 25@0.6 30@0.7",
        expect![[r#"
        0 bus-1 enter at 18.2 s, -0.00, shown at 20 s
        1 bus-1 overspeed at 25.0 s, 0.60, shown at 25 s, of visit 0
    "#]],
    );
}

#[test]
fn zones_are_for_some_vehicles_and_groups() {
    check(
        r#"{"vehicles": ["bus-2", "tram-*"]}"#,
        "0@0.5 bus-2:1@0.5 tram-7:2@0.5",
        expect![[r#"
        0 bus-2 enter at 1.0 s, 0.50, shown at 1 s
        1 tram-7 enter at 2.0 s, 0.50, shown at 2 s
    "#]],
    );
    check(
        r#"{"groups": "night"}"#,
        "0@0.5 bus-2:1@0.5 tram-7:2@0.5",
        expect![[r#"
        0 bus-2 enter at 1.0 s, 0.50, shown at 1 s
    "#]],
    );
}

#[test]
fn a_zone_opens_and_closes_over_a_vehicle_by_its_schedule() {
    let hours = r#"{"schedule": "00:01-00:02", "time_zone": "UTC"}"#;
    check(
        hours,
        "0@0.5 50@0.5 70@0.5 110@0.6 130@0.7 140@2",
        expect![[r#"
        0 bus-1 enter at 60.0 s, 0.50, shown at 70 s, zone_opened
        1 bus-1 exit at 120.0 s, 0.65, shown at 130 s, zone_closed, of visit 0
    "#]],
    );
    // Silent over the closing, and back in when it is open again; silent until long after it.
    check(
        hours,
        "70@0.5 86490@0.5 90000@0.5",
        expect![[r#"
        0 bus-1 enter at 70.0 s, 0.50, shown at 70 s
        1 bus-1 exit at 120.0 s, 0.50, shown at 86490 s, zone_closed, of visit 0
        2 bus-1 enter at 86460.0 s, 0.50, shown at 86490 s, zone_opened
        3 bus-1 exit at 86520.0 s, 0.50, shown at 90000 s, zone_closed, of visit 2
    "#]],
    );
    check(
        r#"{"valid_until": "1970-01-01T00:00:30Z"}"#,
        "0@0.5 20@0.5 40@0.6",
        expect![[r#"
        0 bus-1 enter at 0.0 s, 0.50, shown at 0 s
        1 bus-1 exit at 30.0 s, 0.55, shown at 40 s, zone_closed, of visit 0
    "#]],
    );
}

#[test]
fn late_frames_correct_what_was_told() {
    // The exit was later than it seemed.
    check(
        "{}",
        "0@-1 10@0.5 30@3 20@0.9",
        expect![[r#"
            0 bus-1 enter at 6.7 s, 0.00, shown at 10 s
            1 bus-1 exit at 14.0 s, 1.00, shown at 30 s, of visit 0
            2 bus-1 exit at 20.5 s, 1.00, shown at 30 s, late, for 1, of visit 0
        "#]],
    );
    // It was inside for a while, and nobody knew.
    check(
        "{}",
        "0@-1 10@-1 30@-1 20@0.5",
        expect![[r#"
            0 bus-1 enter at 16.7 s, 0.00, shown at 20 s, late
            1 bus-1 exit at 23.3 s, 0.00, shown at 30 s, late, of visit 0
        "#]],
    );
    // It passed by, and back: what was told of a cross is not true.
    check(
        "{}",
        "0@-1 30@3 40@3 10@-1 20@-1 25@-1.0",
        expect![[r#"
            0 bus-1 cross at 7.5 s, 0.00, shown at 30 s, until 15.0 s, 1.00
            1 bus-1 cross at 15.0 s, 0.00, shown at 30 s, until 20.0 s, 1.00, late, for 0
            2 bus-1 cross at 22.5 s, 0.00, shown at 30 s, until 25.0 s, 1.00, late, for 1
            3 bus-1 cross at 26.2 s, 0.00, shown at 30 s, until 27.5 s, 1.00, late, for 2
        "#]],
    );
    check(
        "{}",
        "0@-1 30@0.5 60@-1 45@-1",
        expect![[r#"
        0 bus-1 enter at 20.0 s, 0.00, shown at 30 s
        1 bus-1 exit at 40.0 s, 0.00, shown at 60 s, of visit 0
        2 bus-1 exit at 35.0 s, 0.00, shown at 45 s, late, for 1, of visit 0
    "#]],
    );
}
