//! A store that does not answer, answers too late, or refuses.

use crate::server::Server;
use crate::{assert_same, pipeline, recording};

#[test]
fn store_that_is_down_for_a_while_is_waited_for() {
    let Some(mut server) = Server::start() else { return };
    let site = server.site();
    recording(&site, "100");
    pipeline(&site, "disk.toml", "disk", "", "max");
    pipeline(&site, "store.toml", "s3://lake/fleet", "", "20x");
    site.done(&["run", "disk.toml", "--until-end"]);
    let mut run = site.start(&["run", "store.toml", "--until-end", "--summary", "summary.json"]);
    run.wait_for(" running ");
    server.ask("down");
    let told = run.wait_for("storage refuses");
    assert!(told.contains("s3://lake/fleet/") && told.contains("tried again for up to 5m"), "{told}");
    server.ask("up");
    run.wait_for("storage works again");
    let (exit, told) = run.end();
    assert_eq!(exit, 0, "{told}");
    assert_same(&site, "disk.toml", "store.toml");
    let summary = site.json("summary.json");
    assert_eq!(summary["status"]["is"], "ready");
    assert!(summary["degraded"]["times"].as_u64() >= Some(1), "{summary}");
}

#[test]
fn store_that_stays_down_stops_the_run_before_the_commit_and_costs_nothing() {
    let Some(mut server) = Server::start() else { return };
    let site = server.site();
    recording(&site, "100");
    pipeline(&site, "disk.toml", "disk", "", "max");
    pipeline(&site, "store.toml", "s3://lake/fleet", "retry_for = \"1s\"", "20x");
    pipeline(&site, "rest.toml", "s3://lake/fleet", "", "max");
    site.done(&["run", "disk.toml", "--until-end"]);
    let mut run = site.start(&["run", "store.toml", "--until-end"]);
    run.wait_for(" running ");
    server.ask("down");
    let (exit, told) = run.end();
    assert_eq!(exit, 1, "{told}");
    let advice = "tried again for 1s (retry_for), then stopped before the commit: the last commit is whole, start again once this \
                  is mended";
    assert!(told.lines().any(|line| line.starts_with("error: ") && line.contains(advice)), "{told}");
    server.ask("up");
    site.done(&["run", "rest.toml", "--until-end"]);
    assert_same(&site, "disk.toml", "rest.toml");
}

#[test]
fn refused_credentials_stop_the_run_at_once() {
    let Some(mut server) = Server::start() else { return };
    let site = server.site();
    recording(&site, "100");
    pipeline(&site, "store.toml", "s3://lake/fleet", "", "20x");
    let mut run = site.start(&["run", "store.toml", "--until-end"]);
    run.wait_for(" running ");
    server.ask("denied");
    let (exit, told) = run.end();
    assert_eq!(exit, 1, "{told}");
    assert!(told.contains("the store refuses it to these credentials") && !told.contains("tried again"), "{told}");
    let told = site.rhumb(&["query", "--data", "s3://lake/fleet", "select 1"]);
    assert_eq!(told.exit, 1, "{told:?}");
}

#[test]
fn bucket_that_is_not_there_is_told_at_the_start() {
    let Some(server) = Server::start() else { return };
    let site = server.site();
    recording(&site, "10");
    pipeline(&site, "store.toml", "s3://elsewhere/fleet", "", "max");
    let told = site.rhumb(&["run", "store.toml", "--until-end"]);
    assert_eq!(told.exit, 1, "{told:?}");
    assert!(told.stderr.contains("there is no such bucket; make it, or correct `data`"), "{told:?}");
}

#[test]
fn answers_that_get_lost_double_nothing() {
    let Some(mut server) = Server::start() else { return };
    let site = server.site();
    recording(&site, "100");
    pipeline(&site, "disk.toml", "disk", "", "max");
    pipeline(&site, "store.toml", "s3://lake/fleet", "", "20x");
    site.done(&["run", "disk.toml", "--until-end"]);
    let mut run = site.start(&["run", "store.toml", "--until-end"]);
    run.wait_for(" running ");
    server.ask("deaf");
    let (exit, told) = run.end();
    assert_eq!(exit, 0, "{told}");
    server.ask("up");
    assert_same(&site, "disk.toml", "store.toml");
    let told = site.done(&["lake", "verify", "store.toml"]).stdout;
    assert!(told.ends_with("ok\n"), "{told}");
}
