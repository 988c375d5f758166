//! The demo, as `make demo` runs it; and what it tells people to try works as it is printed.

mod support;

use support::{Site, Told, copy, read_json, root};

#[test]
fn demo_runs_and_what_it_prints_to_try_works() {
    let site = Site::new();
    copy(&root().join("pipelines"), &site.path("pipelines"));
    let binary = env!("CARGO_BIN_EXE_rhumb");
    let mut demo = site.command("pipelines/demo.sh");
    let told = Told::of(demo.arg(binary).output().expect("the demo runs"));
    assert_eq!(told.exit, 0, "{told:?}");

    let summary = read_json(&site.path("data/demo-summary.json"));
    let shown = |name: &str| {
        let line = told.stdout.lines().find_map(|line| line.strip_prefix(&format!("{name}\t")));
        line.unwrap_or_else(|| panic!("{name}: {}", told.stdout)).parse::<u64>().expect("a number")
    };
    assert_eq!(Some(shown("frames in")), summary["frames_in"].as_u64());
    assert_eq!(Some(shown("in the history")), summary["history_rows"].as_u64());
    let rejects = summary["rejects"].as_object().expect("reasons");
    assert!(
        !rejects.is_empty() && rejects.iter().all(|(name, n)| Some(shown(&format!("rejected: {name}"))) == n.as_u64())
    );
    assert_eq!(Some(shown("alerts: enter")), summary["alerts"]["enter"].as_u64());
    assert_eq!(Some(shown("of them late")), summary["late"].as_u64());
    assert_eq!(Some(shown("rows of window zone_speed")), summary["tables"]["windows_zone_speed"].as_u64());
    let shown_too_late = told.stdout.lines().filter(|line| line.starts_with("too late for ")).count();
    assert_eq!(Some(shown_too_late), summary["too_late"].as_object().map(|windows| windows.len()));

    let lines: Vec<&str> = told.stdout.lines().filter(|line| line.trim_start().starts_with(binary)).collect();
    assert_eq!(lines.len(), 3, "{}", told.stdout);
    for line in lines {
        let tried = Told::of(site.command("sh").args(["-c", line]).output().expect("a shell"));
        assert_eq!(tried.exit, 0, "{line}: {tried:?}");
        let rows: Vec<&str> = tried.stdout.lines().collect();
        assert_eq!((rows.len(), rows.last()), (8, Some(&"5 rows")), "head, rule, five rows: {tried:?}");
    }
}
