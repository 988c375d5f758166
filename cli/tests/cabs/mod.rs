//! A recording of a simulated fleet, a pipeline that reads it, and what is said of it.
#![allow(dead_code, reason = "each test takes what it needs")]

use crate::support::{MAIN_JOB, Site, Told, ZONES};
use expect_test::Expect;

pub fn pipeline(data: &str, path: &str) -> String {
    format!(
        "name = \"cabs\"\ndata = \"{data}\"\n[engine]\nepoch_rows = 10000\n[[source]]\nname = \"recording\"\n[source.file]\n\
         path = \"{path}\"\ncodec = \"csv\"\n{MAIN_JOB}"
    )
}

/// A folder with `cabs.csv` of so many seconds of 300 vehicles, and a pipeline that reads it.
pub fn site(seconds: &str) -> Site {
    let site = Site::new();
    let fleet = ["simulate", "--vehicles", "300", "--seed", "3", "--codec", "csv", "-o", "cabs.csv", "--seconds"];
    site.done(&[&fleet[..], &[seconds]].concat());
    site.write("zones.geojson", ZONES);
    site.write("cabs.toml", pipeline("data", "cabs.csv"));
    site
}

/// What is left of standard error without the lines of the log.
pub fn said(told: &Told) -> String {
    let lines = told.stderr.lines().filter(|line| !line.contains(" INFO "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[track_caller]
pub fn check(site: &Site, arguments: &[&str], exit: i32, expected: Expect) {
    let told = site.rhumb(arguments);
    expected.assert_eq(&said(&told));
    assert_eq!(told.exit, exit, "{told:?}");
}
