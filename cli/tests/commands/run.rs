//! `rhumb run`: what it says while it runs. What it does is in the tests of the main job, of resumption and of trouble.

use crate::support::{MAIN_JOB, Site, Told, ZONES};
use serde_json::Value;

/// A run that takes as long as its recording, long enough for progress to be shown more than once.
fn slow_run(arguments: &[&str]) -> Told {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    site.write("frames.csv", "id,ts,lat,lon\ncar,1767592800,30.25,-97.7\ncar,1767592803,30.25,-97.7\n");
    let source = "name = \"cars\"\ndata = \"data\"\n[[source]]\nname = \"s\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\nspeed = \"1x\"\n";
    site.write("cars.toml", format!("{source}{MAIN_JOB}"));
    let told = site.done(&[&["run", "cars.toml", "--until-end"], arguments].concat());
    assert_eq!(told.stdout, "", "what is said goes to standard error");
    told
}

#[test]
fn log_as_json_is_one_object_a_line_with_level_and_message() {
    let told = slow_run(&["--log-format", "json"]);
    let lines: Vec<Value> = told.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        assert!(["INFO", "WARN", "ERROR"].map(Value::from).contains(&line["level"]), "{line}");
        assert!(line["message"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    let done = lines.last().expect("the end is told");
    assert_eq!((&done["message"], &done["frames_in"]), (&Value::from("done"), &Value::from(2)));
    assert!(lines.iter().any(|line| line["message"] == "running" && line["pipeline"] == "cars"), "{lines:?}");
}

#[test]
fn progress_is_silent_in_a_pipe() {
    let told = slow_run(&[]);
    assert!(!told.stderr.contains(['\r', '\x1b', '\x08']), "nothing that only a terminal understands: {told:?}");
    assert!(told.stderr.lines().all(|line| line.contains(" INFO ")), "log lines only: {told:?}");
    assert!(told.stderr.ends_with('\n') && !told.stderr.contains("frames in,"), "{told:?}");
}

#[test]
fn run_refuses_a_log_format_that_there_is_not() {
    let site = Site::new();
    crate::check_refused(
        &site,
        2,
        &[&["run", "cars.toml", "--log-format", "xml"]],
        expect_test::expect![[r#"
            run cars.toml --log-format xml
                error: invalid value 'xml' for '--log-format <LOG_FORMAT>'
                [possible values: text, json]
        "#]],
    );
}
