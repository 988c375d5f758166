//! `rhumb test`: what passes, what a failure looks like, and the exit codes.

use crate::Site;
use crate::support::ZONES;
use expect_test::expect;

const PIPELINE: &str = r#"name = "vans"
data = "data"
[[source]]
name = "s"
[source.udp]
listen = "127.0.0.1:0"
codec = "json"
[[operator]]
[operator.validate]
[[operator]]
[operator.geofence]
zones = "zones.geojson"
alerts = ["enter", "exit"]
[[operator]]
[operator.window]
name = "minute"
every = "1m"
key = ["vehicle_id"]
aggregates = { frames = "count" }
"#;

/// From the middle of nowhere into the zones "east" and on.
const FRAMES: &str = r#"frames = """
vehicle_id, event_time, lat,   lon
van,        +0s,        30.25, -97.50
van,        +10m,       30.25, -97.70
van,        +20m,       30.25, -97.50
"""
"#;

fn site(tests: &str) -> Site {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    site.write("vans.toml", format!("{PIPELINE}{tests}"));
    site
}

#[test]
fn what_holds_is_a_line_and_exit_code_0() {
    let enter =
        format!("[[test]]\nname = \"a van enters\"\n{FRAMES}partial = true\nalerts = [{{ kind = \"enter\" }}]\n");
    let told = site(&enter).done(&["test", "vans.toml"]);
    assert_eq!(told.stdout, "ok    vans.toml: a van enters\nvans.toml: 1 passed, 0 failed\n");
    assert_eq!(told.stderr, "");
}

#[test]
fn what_differs_is_told_by_column_beside_the_row_that_is_nearest() {
    let test = format!(
        "[[test]]\nname = \"a <van> enters & leaves\"\n{FRAMES}alerts = \"\"\"\n\
         kind, vehicle_id, zone_id, event_time\nenter, van, east, +9m\nexit, van, west, +11m\nenter, bus, north, +1h\n\"\"\"\n\
         windows.minute = [{{ window_start = \"+0s\", frames = 2 }}]\n"
    );
    let site = site(&test);
    let told = site.rhumb(&["test", "vans.toml", "--junit", "report.xml"]);
    assert_eq!(told.exit, 1, "{told:?}");
    expect![[r#"
        FAIL  vans.toml:20: a <van> enters & leaves
              alerts: 3 expected, 2 came
                differs     line 30: kind enter, vehicle_id van
                              zone_id     expected east  got middle
                              event_time  expected +9m   got +9m30s
                differs     line 31: kind exit, vehicle_id van
                              zone_id     expected west  got middle
                              event_time  expected +11m  got +10m30s
                missing     line 32: kind enter, vehicle_id bus, zone_id north, event_time +1h
              windows_minute: 1 expected, 3 came
                differs     line 34: window_start +0s
                              frames  expected 2  got 1
                unexpected  window_start +10m, frames 1
                unexpected  window_start +20m, frames 1
        vans.toml: 0 passed, 1 failed
    "#]]
    .assert_eq(&told.stdout);
    let report = std::fs::read_to_string(site.path("report.xml")).expect("the report");
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="rhumb test" tests="1" failures="1" errors="0">
          <testsuite name="vans.toml" tests="1" failures="1" errors="0">
            <testcase name="a &lt;van&gt; enters &amp; leaves" classname="vans.toml" file="vans.toml" line="20">
              <failure message="not as expected: alerts, windows_minute">alerts: 3 expected, 2 came
          differs     line 30: kind enter, vehicle_id van
                        zone_id     expected east  got middle
                        event_time  expected +9m   got +9m30s
          differs     line 31: kind exit, vehicle_id van
                        zone_id     expected west  got middle
                        event_time  expected +11m  got +10m30s
          missing     line 32: kind enter, vehicle_id bus, zone_id north, event_time +1h
        windows_minute: 1 expected, 3 came
          differs     line 34: window_start +0s
                        frames  expected 2  got 1
          unexpected  window_start +10m, frames 1
          unexpected  window_start +20m, frames 1
        </failure>
            </testcase>
          </testsuite>
        </testsuites>
    "#]]
    .assert_eq(&report);
}

#[test]
fn nothing_expected_means_that_nothing_may_come() {
    let told = site(&format!("[[test]]\nname = \"nothing\"\n{FRAMES}")).rhumb(&["test", "vans.toml"]);
    assert_eq!(told.exit, 1, "{told:?}");
    expect![[r#"
        FAIL  vans.toml:20: nothing
              alerts: 0 expected, 2 came
                unexpected  kind enter, vehicle_id van, zone_id middle, event_time 2024-01-01T00:09:30Z, late false, lat 30.25, lon -97.69, frame_time 2024-01-01T00:10:00Z
                unexpected  kind exit, vehicle_id van, zone_id middle, event_time 2024-01-01T00:10:30Z, late false, lat 30.25, lon -97.69, frame_time 2024-01-01T00:20:00Z
        vans.toml: 0 passed, 1 failed
    "#]].assert_eq(&told.stdout);
}

#[test]
fn a_wrong_pipeline_is_told_and_the_others_are_tested() {
    let site =
        site(&format!("[[test]]\nname = \"nothing\"\n{FRAMES}partial = true\nalerts = [{{ kind = \"exit\" }}]\n"));
    site.write("wrong.toml", "name = \"wrong\"\n");
    let told = site.rhumb(&["test", "wrong.toml", "vans.toml"]);
    assert_eq!(told.exit, 78, "{told:?}");
    assert!(told.stderr.contains("wrong.toml: 1 mistake"), "{told:?}");
    assert!(told.stdout.contains("vans.toml: 1 passed"), "{told:?}");
}

#[test]
fn nothing_is_written_but_the_report() {
    let site = site(&format!("[[test]]\nname = \"x\"\n{FRAMES}partial = true\nalerts = [{{ kind = \"exit\" }}]\n"));
    site.done(&["test", "vans.toml"]);
    assert!(!site.path("data").exists());
}
