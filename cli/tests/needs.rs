//! `tests/needs.sh` on machines that lack things, made of stubs: it installs them where it may, else it names them.

mod support;

use std::os::unix::fs::PermissionsExt;
use support::{Site, Told, root};

/// A machine with these programs and nothing else. What apt-get is told to do stands in the answer.
fn check(programs: &[(&str, &str)], arguments: &[&str], exit: i32, expected: &str) {
    let site = Site::new();
    std::fs::create_dir(site.path("bin")).expect("a folder");
    for (name, script) in programs {
        site.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"));
        let may_run = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(site.path(&format!("bin/{name}")), may_run).expect("permissions");
    }
    let mut bash = site.command("/bin/bash");
    bash.arg(root().join("tests/needs.sh")).args(arguments).env("PATH", site.path("bin"));
    let told = Told::of(bash.output().expect("bash runs"));
    assert_eq!(told.stdout.clone() + &told.stderr, expected, "{programs:?}");
    assert_eq!(told.exit, exit, "{told:?}");
}

const CARGO: (&str, &str) = ("cargo", "");
const CC: (&str, &str) = ("cc", "");
const CMAKE: (&str, &str) = ("cmake", "");
const MAKE: (&str, &str) = ("make", "");
const JAVA: (&str, &str) = ("java", "");
const MAVEN: (&str, &str) = ("mvn", "");
const APT: (&str, &str) = ("apt-get", "echo apt-get \"$@\"");
const ENV: (&str, &str) = ("env", "shift; exec \"$@\"");
const ROOT: (&str, &str) = ("id", "echo 0");
const USER: (&str, &str) = ("id", "echo 1000");
const TRUE: (&str, &str) = ("true", "");

#[test]
fn machine_that_has_everything_needs_nothing() {
    check(&[CARGO, CC, MAKE, CMAKE], &[], 0, "");
    check(&[CARGO, CC, MAKE, CMAKE, ("python3", "")], &["python"], 0, "");
    check(&[CARGO, CC, MAKE, CMAKE, ("python3", ""), JAVA, MAVEN], &["python", "kafka"], 0, "");
}

#[test]
fn root_installs_what_is_missing_and_nothing_more() {
    let installed = "installing cmake\napt-get update -q\napt-get install -y -q --no-install-recommends cmake\n";
    check(&[CARGO, CC, MAKE, APT, ENV, ROOT, TRUE], &[], 0, installed);
    let lacks = |what: &str| installed.replace("cmake", what);
    let without_python = [CARGO, CMAKE, ("python3", "exit 1"), APT, ENV, ROOT, TRUE];
    check(&without_python, &["python"], 0, &lacks("build-essential python3 python3-venv"));
    check(&[CARGO, CC, CMAKE, APT, ENV, ROOT, TRUE], &[], 0, &lacks("build-essential"));
    check(&[CARGO, CC, MAKE, CMAKE, APT, ENV, ROOT, TRUE], &["kafka"], 0, &lacks("default-jre-headless maven"));
}

#[test]
fn others_install_through_sudo_or_are_told_what_is_missing() {
    let sudo = ("sudo", "shift; exec \"$@\"");
    let installed = "installing cmake\napt-get update -q\napt-get install -y -q --no-install-recommends cmake\n";
    check(&[CARGO, CC, MAKE, APT, ENV, USER, TRUE, sudo], &[], 0, installed);
    let missing = "missing: build-essential cmake (as Debian calls them); install them as root: apt-get install build-essential cmake\n";
    check(&[CARGO, APT, ENV, USER, TRUE], &[], 1, missing);
    check(&[CARGO, APT, ENV, USER, TRUE, ("sudo", "exit 1")], &[], 1, missing);
    check(&[CARGO, ROOT, TRUE], &[], 1, missing);
    check(&[], &[], 1, "missing: a Rust toolchain; see https://rustup.rs\n");
}
