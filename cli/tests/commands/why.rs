//! `rhumb explain --vehicle --at`: why an alert was told or was not.

use crate::support::Site;
use expect_test::{Expect, expect};

/// Some 1.1 km by 1.1 km from 0 to 0.01, with these properties.
fn yard(properties: &str) -> String {
    format!(
        r#"{{"type":"Feature","id":"yard","properties":{properties},"geometry":{{"type":"Polygon","coordinates":[[[0,0],[0.01,0],[0.01,0.01],[0,0.01],[0,0]]]}}}}"#
    )
}

/// A run over these lines of frames: vehicle, seconds from 2023-11-14T22:13:20Z, latitude, longitude, accuracy, speed.
fn ran(properties: &str, geofence: &str, below: &str, lines: &[String]) -> Site {
    let site = Site::new();
    site.write("zones.geojson", yard(properties));
    let line = |line: &String| {
        let fields: Vec<&str> = line.split(',').collect();
        let seconds: i64 = fields[1].parse().expect("seconds");
        format!("{},{},{}\n", fields[0], (1_700_000_000 + seconds) * 1000, fields[2..].join(","))
    };
    let frames: String = lines.iter().map(line).collect();
    site.write("frames.csv", format!("vehicle_id,ts,lat,lon,accuracy_m,speed_mps\n{frames}"));
    let pipeline = format!(
        "name = \"why\"\n[engine]\nlateness = \"2h\"\n[[source]]\nname = \"r\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n\
         [[operator]]\n[operator.validate]\noff = [\"speed_max\"]\n[[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\n{geofence}\n{below}"
    );
    site.write("why.toml", &pipeline);
    site.done(&["run", "why.toml", "--until-end"]);
    site
}

/// What is said of the zone and of rejects; ids of alerts are other tests' business.
#[track_caller]
fn check(site: &Site, vehicle: &str, at: &str, expected: Expect) {
    let said = site.done(&["explain", "why.toml", "--vehicle", vehicle, "--at", at, "--zone", "yard"]).stdout;
    expected.assert_eq(&(said.split("\ntold").next().expect("a part").to_owned() + "\n"));
}

#[test]
fn explain_says_which_rule_decided() {
    let lines =
        ["0,0.005,-0.005,5,", "60,0.005,0.005,5,", "120,0.005,0.0102,5,", "180,0.005,0.03,80,", "240,0.005,0.02,5,"];
    let site = ran("{}", "accuracy_max_m = 50", "", &lines.map(|line| format!("bus,{line}")));
    check(
        &site,
        "bus",
        "2023-11-14T22:15:00Z",
        expect![[r#"
        zone yard: left 30 m outside, a change counts after 1 frames and 0s; fixes up to 50 m
          replayed: 5 frames from 2023-11-14T22:13:20Z
          2023-11-14T22:13:20Z (0.005000, -0.005000): 556.0 m outside
          2023-11-14T22:14:20Z (0.005000, 0.005000): inside, 556.0 m from the border; counts as inside since 2023-11-14T22:13:50Z; enter at 2023-11-14T22:13:50Z
          2023-11-14T22:15:20Z (0.005000, 0.010200): 22.2 m outside; within the buffer of 30 m; counts as inside since 2023-11-14T22:13:50Z
          2023-11-14T22:16:20Z (0.005000, 0.030000): 2223.9 m outside; accuracy 80 m is worse than 50 m: changes nothing; counts as inside since 2023-11-14T22:13:50Z
          2023-11-14T22:17:20Z (0.005000, 0.020000): 1112.0 m outside; exit at 2023-11-14T22:15:17.692308Z

        rejected within 10 minutes: 0
    "#]],
    );
    let nobody = site.rhumb(&["explain", "why.toml", "--vehicle", "tram", "--at", "2023-11-14T22:15:00Z"]);
    assert!(nobody.exit != 0 && nobody.stderr.contains("no frame, no reject and no alert of vehicle"), "{nobody:?}");
}

#[test]
fn a_vehicle_of_rejects_alone_has_its_rejects_explained() {
    let lines = [0, 60, 120].map(|at| format!("bus,{at},0,0,,1"));
    let site = ran("{}", "", "", &lines);
    let said = site.done(&["explain", "why.toml", "--vehicle", "bus", "--at", "2023-11-14T22:15:00Z"]).stdout;
    expect![[r#"
        the history has no frame of vehicle "bus" from 2023-11-13T10:15:00Z to 2023-11-15T00:15:00Z; rejected in that time: 3

        rejected within 10 minutes: 3
          event_time,reason,measured,threshold,detail
          2023-11-14T22:13:20Z,null_island,0.0,0.0,latitude and longitude are both exactly 0
          2023-11-14T22:14:20Z,null_island,0.0,0.0,latitude and longitude are both exactly 0
          2023-11-14T22:15:20Z,null_island,0.0,0.0,latitude and longitude are both exactly 0
        told within 10 minutes: 0
    "#]].assert_eq(&said);
}

#[test]
fn speeds_and_stays_are_told_with_how_long_and_how_long_is_wanted() {
    let properties = r#"{"dwell": "10m", "speed_limit": "30 km/h", "speed_limit_for": "2m"}"#;
    let alerts = r#"alerts = ["enter", "exit", "dwell", "overspeed"]"#;
    let lines = [(0, 9), (60, 9), (120, 8), (180, 9), (300, 10)];
    let lines = lines.map(|(at, speed)| format!("bus,{at},0.005,0.005,,{speed}"));
    let site = ran(properties, alerts, "", &lines);
    check(
        &site,
        "bus",
        "2023-11-14T22:15:00Z",
        expect![[r#"
        zone yard: left 30 m outside, a change counts after 1 frames and 0s; dwell 10m; overspeed over 8.33 m/s for 2m
          replayed: 5 frames from 2023-11-14T22:13:20Z
          2023-11-14T22:13:20Z (0.005000, 0.005000): inside, 556.0 m from the border; counts as inside since 2023-11-14T22:13:20Z; dwell: 0 of 10 min; speed 9.00 m/s, limit 8.33 m/s, over it for 0 of 2 min; enter at 2023-11-14T22:13:20Z
          2023-11-14T22:14:20Z (0.005000, 0.005000): inside, 556.0 m from the border; counts as inside since 2023-11-14T22:13:20Z; dwell: 1 of 10 min; speed 9.00 m/s, limit 8.33 m/s, over it for 1 of 2 min
          2023-11-14T22:15:20Z (0.005000, 0.005000): inside, 556.0 m from the border; counts as inside since 2023-11-14T22:13:20Z; dwell: 2 of 10 min; speed 8.00 m/s, limit 8.33 m/s
          2023-11-14T22:16:20Z (0.005000, 0.005000): inside, 556.0 m from the border; counts as inside since 2023-11-14T22:13:20Z; dwell: 3 of 10 min; speed 9.00 m/s, limit 8.33 m/s, over it for 0 of 2 min
          2023-11-14T22:18:20Z (0.005000, 0.005000): inside, 556.0 m from the border; counts as inside since 2023-11-14T22:13:20Z; dwell: 5 of 10 min; speed 10.00 m/s, limit 8.33 m/s, over it for 2 of 2 min; overspeed at 2023-11-14T22:16:20Z

        rejected within 10 minutes: 0
    "#]],
    );
}

#[test]
fn a_long_visit_is_read_back_to_its_enter() {
    let lines: Vec<String> =
        (0..100).map(|n| format!("bus,{},0.005,{},,", n * 1800, if n == 0 { -0.005 } else { 0.005 })).collect();
    let site = ran("{}", "", "", &lines);
    let said = site.done(&["explain", "why.toml", "--vehicle", "bus", "--at", "2023-11-16T23:00:00Z"]).stdout;
    assert!(said.contains("replayed: 100 frames from 2023-11-14T22:13:20Z, because it came in at"), "{said}");
    assert_eq!(said.matches("counts as inside since 2023-11-14T22:28:20Z").count(), 10, "{said}");
}

/// Of 40 frames outside one more came, from inside, when 32 newer ones were there.
#[test]
fn a_frame_that_came_too_late_is_said_to_have_been_left_out() {
    let mut lines: Vec<String> = (0..40).map(|n| format!("bus,{},0.005,-0.005,,", n * 60)).collect();
    lines.insert(38, "bus,330,0.005,0.005,,".to_owned());
    let site = ran("{}", "", "", &lines);
    let said = site.done(&["explain", "why.toml", "--vehicle", "bus", "--at", "2023-11-14T22:18:50Z"]).stdout;
    assert!(
        said.contains(
            "22:18:50Z (0.005000, 0.005000), late: came too late: 34 newer frames were there, and path_keep is 16"
        ),
        "{said}"
    );
    assert!(!said.contains("enter at") && said.contains("told within 10 minutes: 0"), "{said}");
}

#[test]
fn frames_that_a_filter_below_refused_are_among_those_of_the_geofence() {
    let lines = [(0, -0.005, 1), (60, 0.005, 50), (120, 0.005, 1)];
    let lines = lines.map(|(at, lon, speed)| format!("bus,{at},0.005,{lon},,{speed}"));
    let site = ran("{}", "", "[[operator]]\n[operator.filter]\nwhere = \"speed_mps < 40\"\n", &lines);
    check(
        &site,
        "bus",
        "2023-11-14T22:15:00Z",
        expect![[r#"
        zone yard: left 30 m outside, a change counts after 1 frames and 0s
          replayed: 3 frames from 2023-11-14T22:13:20Z
          2023-11-14T22:13:20Z (0.005000, -0.005000): 556.0 m outside
          2023-11-14T22:14:20Z (0.005000, 0.005000): inside, 556.0 m from the border; counts as inside since 2023-11-14T22:13:50Z; enter at 2023-11-14T22:13:50Z; then refused by the filter: speed_mps < 40 is false
          2023-11-14T22:15:20Z (0.005000, 0.005000): inside, 556.0 m from the border; counts as inside since 2023-11-14T22:13:50Z

        rejected within 10 minutes: 1
          event_time,reason,measured,threshold,detail
          2023-11-14T22:14:20Z,filter,,,speed_mps < 40 is false
    "#]],
    );
}
