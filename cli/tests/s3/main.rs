//! Pipelines whose data is in an S3-compatible store: a real server, the real binary. Needs `RHUMB_PYTHON`, a Python that has
//! moto and deltalake.

#[path = "../../../tests/needed.rs"]
mod needed;
mod outage;
mod server;
#[path = "../support/mod.rs"]
mod support;

use needed::python;
use server::Server;
use support::{MAIN_JOB, Site, ZONES};

/// Late frames, duplicates, impossible places.
fn recording(site: &Site, seconds: &str) {
    let fleet = ["simulate", "--vehicles", "100", "--seed", "11", "--codec", "csv", "-o", "cabs.csv", "--seconds"];
    let dirt = ["--late", "0.03", "--duplicate", "0.02", "--null-island", "0.01", "--gap", "0.001"];
    site.done(&[&fleet[..], &[seconds], &dirt].concat());
    site.write("zones.geojson", ZONES);
}

/// `place` is what says where its data is, `engine` what else stands in `[engine]`.
fn pipeline(site: &Site, name: &str, place: &str, engine: &str, speed: &str) {
    let local = if place.contains("://") { format!("local = \"{name}.local\"\n") } else { String::new() };
    let toml = format!(
        "name = \"cabs\"\ndata = \"{place}\"\n[engine]\n{local}epoch = \"500ms\"\nshards = 2\n{engine}\n\
         [[source]]\nname = \"recording\"\n[source.file]\npath = \"cabs.csv\"\ncodec = \"csv\"\nspeed = \"{speed}\"\n{MAIN_JOB}"
    );
    site.write(name, toml);
}

/// All that must be the same wherever it is. Epochs and the order in which two shards were heard are a run's own.
const SAME: [&str; 5] = [
    "select * exclude (epoch) from history",
    "select * exclude (epoch, sequence) from alerts",
    "select * exclude (epoch, number) from rejects",
    "select window_start, window_end, zone_id, frames from windows_zones",
    "select * exclude (as_of, freshness_s) from current",
];

fn rows(site: &Site, pipeline: &str, sql: &str) -> Vec<String> {
    let told = site.done(&["query", pipeline, sql, "--format", "json"]).stdout;
    let mut rows: Vec<String> = told.lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

#[track_caller]
fn assert_same(site: &Site, one: &str, other: &str) {
    for sql in SAME {
        let [one, other] = [one, other].map(|pipeline| rows(site, pipeline, sql));
        assert!(!one.is_empty(), "{sql}: no row");
        assert!(one == other, "{sql}: {} and {} rows", one.len(), other.len());
    }
}

#[test]
fn main_job_in_a_store_gives_what_it_gives_on_a_disk_to_every_command() {
    let Some(mut server) = Server::start() else { return };
    let site = server.site();
    recording(&site, "120");
    pipeline(&site, "disk.toml", "disk", "epoch_rows = 1000\nalert_log = \"os\"", "max");
    pipeline(&site, "store.toml", "s3://lake/fleet", "epoch_rows = 1000\nalert_log = \"os\"", "max");
    for toml in ["disk.toml", "store.toml"] {
        site.done(&["run", toml, "--until-end", "--summary", "summary.json"]);
        assert_eq!(site.json("summary.json")["status"]["is"], "ready");
    }
    assert_same(&site, "disk.toml", "store.toml");
    let of_url = ["query", "--data", "s3://lake/fleet", "select count(*) from history", "--format", "csv"];
    assert_eq!(
        site.done(&of_url).stdout.lines().nth(1),
        Some(&*site.ask("disk.toml", "select count(*) from history")[0])
    );

    let told = site.done(&["lake", "verify", "store.toml"]).stdout;
    assert!(told.ends_with("ok\n") && told.starts_with("s3://lake/fleet: pipeline cabs"), "{told}");
    let first = site.ask("disk.toml", "select vehicle_id, event_time from history order by 1, 2 limit 1");
    let (vehicle, at) = first[0].split_once(',').expect("two columns");
    for command in [
        &["rejects", "list", "TOML", "--format", "csv"][..],
        &["tap", "alerts", "TOML"],
        &["replay", "TOML", "--to-file", "-", "--codec", "csv"],
        &["explain", "TOML", "--vehicle", vehicle, "--at", at],
    ] {
        let [disk, store] = ["disk.toml", "store.toml"].map(|toml| {
            let words: Vec<&str> = command.iter().map(|word| if *word == "TOML" { toml } else { word }).collect();
            let mut lines: Vec<String> = site.done(&words).stdout.lines().map(str::to_owned).collect();
            // Two shards may be heard in another order.
            lines.iter_mut().for_each(|line| *line = without_sequence(line));
            lines.sort_unstable();
            lines
        });
        assert!(disk == store && disk.len() > 1, "{command:?}: {} and {} lines", disk.len(), store.len());
    }
    assert!(site.path("store.toml.local/alert_log").is_dir() && !site.path("store.toml.local/manifests").exists());
    assert_eq!(server.keys("fleet/lake/_staging/"), [] as [&str; 0], "what is committed is not on its way any more");

    // Delta Lake's own library sees the same rows.
    let read = format!(
        "import deltalake; options = {{'AWS_ENDPOINT_URL': '{}', 'AWS_ALLOW_HTTP': 'true', 'AWS_ACCESS_KEY_ID': 'test', \
         'AWS_SECRET_ACCESS_KEY': 'test', 'AWS_REGION': 'us-east-1'}}\n\
         print(deltalake.DeltaTable('s3://lake/fleet/lake/history', storage_options=options).to_pyarrow_table().num_rows)",
        server.endpoint
    );
    let counted = site.command(python("deltalake").expect("it is there")).args(["-c", &read]).output().expect("Python");
    let told = String::from_utf8_lossy(&counted.stdout).trim().to_owned();
    assert_eq!([told], site.ask("disk.toml", "select count(*) from history")[..], "{counted:?}");

    let history = server.keys("fleet/lake/history/event_date");
    server.ask(&format!("delete {}", history[0]));
    let told = site.rhumb(&["lake", "verify", "--data", "s3://lake/fleet"]);
    assert_eq!(told.exit, 1, "{told:?}");
    assert!(
        told.stdout.contains("the file is gone") && told.stdout.contains(&history[0]["fleet/".len()..]),
        "{told:?}"
    );
}

/// A line without the number that two shards may share out otherwise.
fn without_sequence(line: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(line) {
        Ok(serde_json::Value::Object(mut alert)) => {
            alert.retain(|name, _| !["sequence", "told_at"].contains(&name.as_str()));
            serde_json::Value::Object(alert).to_string()
        }
        _ => line.to_owned(),
    }
}

#[test]
fn run_in_a_store_that_was_stopped_and_killed_goes_on_without_a_trace() {
    let Some(mut server) = Server::start() else { return };
    let site = server.site();
    recording(&site, "300");
    pipeline(&site, "disk.toml", "disk", "", "max");
    pipeline(&site, "slow.toml", "s3://lake/fleet", "", "40x");
    pipeline(&site, "rest.toml", "s3://lake/fleet", "", "max");
    site.done(&["run", "disk.toml", "--until-end"]);
    let manifests = |server: &mut Server| server.keys("fleet/manifests/").last().cloned().unwrap_or_default();
    for is_killed in [false, true, true] {
        let before = manifests(&mut server);
        let mut run = site.start(&["run", "slow.toml", "--until-end"]);
        let number = |name: &str| name.trim_end_matches(".json").rsplit('/').next().and_then(|n| n.parse::<u64>().ok());
        // Its claim, and two epochs.
        support::wait_until("two commits", || {
            number(&manifests(&mut server)).unwrap_or(0) >= number(&before).unwrap_or(0) + 3
        });
        if is_killed {
            run.kill();
        } else {
            let (exit, told) = run.interrupt_and_end();
            assert_eq!(exit, 0, "{told}");
        }
    }
    // As a kill leaves it that comes between upload and commit.
    let told = site.done(&["run", "rest.toml", "--until-end"]);
    assert!(told.stderr.contains("resuming after the last commit"), "{told:?}");
    assert_same(&site, "disk.toml", "rest.toml");
    let told = site.done(&["lake", "verify", "rest.toml"]).stdout;
    assert!(told.ends_with("ok\n"), "{told}");
}

#[test]
fn second_engine_on_another_machine_takes_over_and_the_first_stops() {
    let Some(server) = Server::start() else { return };
    let site = server.site();
    recording(&site, "60");
    pipeline(&site, "one.toml", "s3://lake/fleet", "", "1x");
    pipeline(&site, "other.toml", "s3://lake/fleet", "", "max");
    let mut one = site.start(&["run", "one.toml"]);
    one.wait_for(" running ");
    site.done(&["run", "other.toml", "--until-end"]);
    let (exit, told) = one.end();
    assert_eq!(exit, 1, "{told}");
    assert!(told.contains("error: another engine has taken over this pipeline"), "{told}");
    let told = site.done(&["lake", "verify", "other.toml"]).stdout;
    assert!(told.ends_with("ok\n"), "{told}");
}
