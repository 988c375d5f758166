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
    for number in ["history_rows", "rejects", "alerts", "late", "seconds", "frames_per_second"] {
        assert!(done[number].is_number(), "{number}: {done}");
    }
    assert!(lines.iter().any(|line| line["message"] == "running" && line["pipeline"] == "cars"), "{lines:?}");
}

#[test]
fn errors_are_lines_of_json_too() {
    let site = Site::new();
    let source = |kind: &str| format!("name = \"cars\"\ndata = \"data\"\n[[source]]\nname = \"s\"\n{kind}");
    site.write("frames.csv", "id,ts,lat,lon\ncar,1767592800,30.25,-97.7\n");
    std::fs::create_dir(site.path("folder")).expect("a folder");
    let file = source("[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n");
    site.write("cars.toml", &file);
    site.write("wrong.toml", file.replace("codec", "kodec"));
    site.write("live.toml", source("[source.udp]\nlisten = \"127.0.0.1:0\"\ncodec = \"json\"\n"));
    let last = |arguments: &[&str], exit: i32| -> Value {
        let told = site.rhumb(&[&["run"], arguments, &["--log-format", "json"]].concat());
        assert_eq!(told.exit, exit, "{told:?}");
        let lines = crate::lines(&told.stderr);
        lines.last().expect("the end is told").clone()
    };
    let failed = last(&["cars.toml", "--until-end", "--summary", "folder"], 1);
    assert_eq!(
        (&failed["level"], &failed["message"]),
        (&Value::from("ERROR"), &Value::from("write the summary to folder: Is a directory (os error 21)"),)
    );
    assert!(!site.path("data").exists(), "a mistake in the summary is told before the run");
    let refused = last(&["wrong.toml"], 78);
    assert_eq!(
        (&refused["level"], &refused["message"]),
        (&Value::from("ERROR"), &Value::from("wrong.toml: 1 mistake"))
    );
    let endless = last(&["live.toml", "--until-end"], 2);
    assert!(endless["message"].as_str().is_some_and(|what| what.starts_with("--until-end: every source (s) is live")));
}

#[test]
fn summary_is_made_by_a_run_that_ends_and_left_alone_by_one_that_fails() {
    let site = Site::new();
    site.write("frames.csv", "id,ts,lat,lon\ncar,1767592800,30.25,-97.7\n");
    let source = "[[source]]\nname = \"s\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n";
    site.write("cars.toml", format!("name = \"cars\"\ndata = \"data\"\n{source}"));
    // Another program holds the data folder: the run fails once it has begun.
    std::fs::create_dir_all(site.path("data")).expect("a folder");
    site.write("data/lock", "7");
    let lock = std::fs::File::open(site.path("data/lock")).expect("a file");
    lock.lock().expect("nobody else holds it");
    site.write("old.json", "{\"old\": true}");
    for summary in ["old.json", "new.json"] {
        assert_eq!(site.rhumb(&["run", "cars.toml", "--until-end", "--summary", summary]).exit, 1);
    }
    assert_eq!(site.json("old.json")["old"], Value::from(true));
    assert!(!site.path("new.json").exists());
    drop(lock);
    for summary in ["old.json", "new.json"] {
        site.done(&["run", "cars.toml", "--until-end", "--summary", summary]);
        assert!(site.json(summary)["frames_in"].is_number());
    }
}

#[test]
fn run_to_the_end_of_what_never_ends_is_refused() {
    let site = Site::new();
    let live = "[[source]]\nname = \"trackers\"\n[source.udp]\nlisten = \"127.0.0.1:0\"\ncodec = \"json\"\n";
    site.write("live.toml", format!("name = \"live\"\ndata = \"data\"\n{live}"));
    crate::check_refused(
        &site,
        2,
        &[&["run", "live.toml", "--until-end"]],
        expect_test::expect![[r#"
        run live.toml --until-end
            error: --until-end: every source (trackers) is live, and its input never ends; leave it out: Ctrl-C commits and ends the run
    "#]],
    );
    assert!(!site.path("data").exists());
    site.write("frames.csv", "id,ts,lat,lon\ncar,1767592800,30.25,-97.7\n");
    let file = "[[source]]\nname = \"s\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n";
    site.write("both.toml", format!("name = \"both\"\ndata = \"data\"\n{live}{file}"));
    let mut run = site.start(&["run", "both.toml", "--until-end"]);
    run.wait_for("live sources never end: the run will wait for Ctrl-C in spite of --until-end");
    run.listening();
    assert_eq!(run.interrupt_and_end().0, 0);
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
