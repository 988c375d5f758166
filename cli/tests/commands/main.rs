//! Every subcommand as a person meets it: what it gives, and what it says to what makes no sense (exit code 2).

mod decode;
mod explain;
mod lake_page;
mod query;
mod rejects;
mod replay;
mod run;
mod simulate;
#[path = "../support/mod.rs"]
mod support;
mod test;
mod verify;
mod why;
mod zones;

use expect_test::{Expect, expect};
use serde_json::Value;
use support::{MAIN_JOB, Site, ZONES};

/// Wrong uses, one by one: the first line of standard error, and the exit code.
#[track_caller]
fn check_refused(site: &Site, exit: i32, cases: &[&[&str]], expected: Expect) {
    let said = cases.iter().map(|arguments| {
        let told = site.rhumb(arguments);
        assert_eq!(told.exit, exit, "{arguments:?}: {told:?}");
        assert!(told.stdout.is_empty(), "{arguments:?}: {told:?}");
        let first: Vec<&str> = told.stderr.lines().take(2).map(str::trim).filter(|line| !line.is_empty()).collect();
        format!("{}\n    {}\n", arguments.join(" "), first.join("\n    "))
    });
    expected.assert_eq(&said.collect::<String>());
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A lake with three frames and two alerts.
fn lake() -> Site {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    site.write(
        "frames.csv",
        "id,ts,lat,lon,speed\ncar,1767592800,30.25,-97.7,1.5\ncar,1767593000,30.25,-97.78,2.5\n\"b\"\"us\",1767592850,0.5,0,\n",
    );
    let source = "name = \"cars\"\ndata = \"data\"\n[[source]]\nname = \"s\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n";
    site.write("cars.toml", format!("{source}{MAIN_JOB}"));
    site.done(&["run", "cars.toml", "--until-end"]);
    site
}

#[test]
fn command_without_sense_is_answered_with_usage() {
    let site = Site::new();
    check_refused(
        &site,
        2,
        &[&["frobnicate"], &["run"], &["run", "a.toml", "--fast"], &["check"], &["explain"]],
        expect![[r#"
            frobnicate
                error: unrecognized subcommand 'frobnicate'
            run
                error: the following required arguments were not provided:
                <PIPELINE>
            run a.toml --fast
                error: unexpected argument '--fast' found
            check
                error: the following required arguments were not provided:
                <PIPELINES>...
            explain
                error: the following required arguments were not provided:
                <PIPELINE>
        "#]],
    );
    assert_eq!(site.rhumb(&[]).exit, 2);
    assert!(site.done(&["--version"]).stdout.starts_with("rhumb "));
}
