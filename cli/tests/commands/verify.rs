//! `rhumb lake verify`: a lake that is whole is said to be, and every way of breaking it is found, with the file's name.

use crate::support::{MAIN_JOB, Site, Told, ZONES, copy, read_json};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A folder with a lake of four runs, each of which committed frames, rejects and alerts. Made once, copied for each use.
fn whole() -> &'static Site {
    static SITE: OnceLock<Site> = OnceLock::new();
    SITE.get_or_init(|| {
        let site = Site::new();
        let fleet =
            ["simulate", "--vehicles", "60", "--seconds", "600", "--seed", "5", "--codec", "csv", "-o", "all.csv"];
        let dirt = ["--null-island", "0.02", "--teleport", "0.02", "--duplicate", "0.02", "--late", "0.02"];
        site.done(&[&fleet[..], &dirt].concat());
        site.write("zones.geojson", ZONES);
        let source =
            "[[source]]\nname = \"recording\"\n[source.file]\npath = \"part.csv\"\ncodec = \"csv\"\nspeed = \"max\"\n";
        site.write("cabs.toml", format!("name = \"cabs\"\ndata = \"data\"\n{source}{MAIN_JOB}"));
        let all = std::fs::read_to_string(site.path("all.csv")).expect("as the test made it");
        let lines: Vec<&str> = all.lines().collect();
        for part in 1..=4 {
            site.write("part.csv", lines[..lines.len() * part / 4].join("\n") + "\n");
            site.done(&["run", "cabs.toml", "--until-end"]);
        }
        site
    })
}

/// A copy of the whole lake, to be broken.
struct Broken(Site);

impl Broken {
    fn new() -> Broken {
        let site = Site::new();
        copy(&whole().path("data"), &site.path("data"));
        Broken(site)
    }

    fn path(&self, below_data: &str) -> PathBuf {
        self.0.path("data").join(below_data)
    }

    /// The files below a folder of the data folder whose names end so, sorted.
    fn files(&self, folder: &str, ending: &str) -> Vec<String> {
        fn look(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).expect("as the test made it").map(Result::unwrap) {
                match entry.file_type().expect("as the test made it").is_dir() {
                    true => look(&entry.path(), found),
                    false => found.push(entry.path()),
                }
            }
        }
        let mut found = Vec::new();
        look(&self.path(folder), &mut found);
        let below = |path: &PathBuf| {
            path.strip_prefix(self.path(""))
                .expect("as the test made it")
                .to_str()
                .expect("as the test made it")
                .to_owned()
        };
        let mut found: Vec<String> = found.iter().map(below).filter(|path| path.ends_with(ending)).collect();
        found.sort_unstable();
        found
    }

    fn change(&self, path: &str, change: impl Fn(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.path(path)).expect("as the test made it");
        change(&mut bytes);
        std::fs::write(self.path(path), bytes).expect("as the test made it");
    }

    fn change_json(&self, path: &str, change: impl Fn(&mut Value)) {
        let mut json = read_json(&self.path(path));
        change(&mut json);
        std::fs::write(self.path(path), json.to_string()).expect("as the test made it");
    }

    /// Adds a commit to a table's log.
    fn commit(&self, table: &str, actions: &[Value]) -> String {
        let last = self.files(&format!("lake/{table}/_delta_log"), ".json").pop().expect("as the test made it");
        let version: u64 =
            last.rsplit('/').next().expect("as the test made it")[..20].parse().expect("as the test made it");
        let path = format!("lake/{table}/_delta_log/{:020}.json", version + 1);
        let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
        std::fs::write(self.path(&path), lines.join("\n") + "\n").expect("as the test made it");
        path
    }

    fn verify(&self, arguments: &[&str]) -> Told {
        self.0.rhumb(&[&["lake", "verify", "--data", "data"], arguments].concat())
    }

    /// What is wrong: kind, where, and all of what is said.
    #[track_caller]
    fn problems(&self) -> Vec<(String, String, String)> {
        let told = self.verify(&["--format", "json"]);
        assert_eq!(told.exit, 1, "{told:?}");
        let report: Value = serde_json::from_str(&told.stdout).expect("as the test made it");
        let text = |value: &Value| value.as_str().expect("as the test made it").to_owned();
        let of = |problem: &Value| (text(&problem["kind"]), text(&problem["at"]), text(&problem["detail"]));
        report["problems"].as_array().expect("as the test made it").iter().map(of).collect()
    }

    /// Exactly one thing is wrong, of this kind, at this file.
    #[track_caller]
    fn finds(&self, kind: &str, at: &str) {
        let found = self.problems();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&*found[0].0, &*found[0].1), (kind, at), "{found:?}");
        let text = self.verify(&[]);
        assert_eq!(text.exit, 1);
        assert!(text.stdout.contains(&format!("wrong: {at}: ")), "{}", text.stdout);
    }
}

#[test]
fn whole_lake_is_said_to_be() {
    let told = whole().done(&["lake", "verify", "cabs.toml"]);
    assert_eq!(told.stdout.lines().last(), Some("ok"), "{}", told.stdout);
    assert!(!told.stdout.contains("note:"), "{}", told.stdout);
    let report: Value =
        serde_json::from_str(&whole().done(&["lake", "verify", "cabs.toml", "--format", "json"]).stdout)
            .expect("as the test made it");
    let rows = whole().count("cabs.toml", "select count(*) from history");
    assert_eq!((&report["problems"], &report["tables"]["history"]["rows"]), (&json!([]), &json!(rows)));
    assert!(report["epoch"].as_u64().expect("as the test made it") >= 4, "{report}");
    for table in ["rejects", "alerts", "windows_zones"] {
        assert!(report["tables"][table]["files"].as_u64().expect("as the test made it") >= 4, "{table}: {report}");
    }
}

#[test]
fn file_that_is_gone_cut_or_changed_in_any_place_is_found() {
    for table in ["history", "rejects", "alerts", "windows_zones"] {
        let lake = Broken::new();
        let file = lake.files(&format!("lake/{table}"), ".parquet").remove(1);
        std::fs::remove_file(lake.path(&file)).expect("as the test made it");
        lake.finds("missing_file", &file);
    }
    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, Change); 4] = [
        ("the first page", |bytes| bytes[10] ^= 1),
        ("the middle", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x80;
        }),
        ("the footer", |bytes| {
            let footer = bytes.len() - 40;
            bytes[footer] ^= 1;
        }),
        ("the end", |bytes| bytes.truncate(bytes.len() - 1)),
    ];
    for (what, change) in changes {
        let lake = Broken::new();
        let file = lake.files("lake/history", ".parquet").remove(0);
        lake.change(&file, change);
        println!("{what}");
        lake.finds("damaged_file", &file);
    }
}

#[test]
fn commit_that_is_doubled_or_missing_is_found() {
    let lake = Broken::new();
    let commits = lake.files("lake/alerts/_delta_log", ".json");
    let last =
        std::fs::read_to_string(lake.path(commits.last().expect("as the test made it"))).expect("as the test made it");
    let actions: Vec<Value> =
        last.lines().map(|line| serde_json::from_str(line).expect("as the test made it")).collect();
    let doubled = lake.commit("alerts", &actions);
    let found = lake.problems();
    assert!(found.iter().all(|(kind, at, _)| kind == "doubled_commit" && *at == doubled), "{found:?}");
    assert_eq!(found.len(), 2, "the epoch, and its file: {found:?}");

    // Under another name and epoch only the rows tell.
    let lake = Broken::new();
    let file = lake.files("lake/alerts", ".parquet").remove(0);
    let twin = file.replace(".parquet", "-copy.parquet");
    std::fs::copy(lake.path(&file), lake.path(&twin)).expect("as the test made it");
    let actions: Vec<Value> = lake
        .files("lake/alerts/_delta_log", ".json")
        .iter()
        .flat_map(|path| {
            let text = std::fs::read_to_string(lake.path(path)).expect("as the test made it");
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("as the test made it"))
                .collect::<Vec<_>>()
        })
        .collect();
    let in_table = |path: &str| path.strip_prefix("lake/alerts/").expect("as the test made it").to_owned();
    let add =
        actions.iter().find(|action| action["add"]["path"] == in_table(&file).as_str()).expect("as the test made it");
    let mut add = add.clone();
    add["add"]["path"] = json!(in_table(&twin));
    lake.commit("alerts", &[add]);
    let found = lake.problems();
    let kinds: std::collections::BTreeSet<&str> = found.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(kinds, ["rows", "numbering"].into(), "{found:?}");
    assert!(found.iter().any(|(.., detail)| detail.contains("some are there twice")), "{found:?}");

    let lake = Broken::new();
    let commit = lake.files("lake/history/_delta_log", ".json").remove(2);
    std::fs::remove_file(lake.path(&commit)).expect("as the test made it");
    lake.finds("missing_commit", &commit);
}

#[test]
fn last_commit_that_is_not_in_the_log_yet_is_no_mistake_and_the_next_run_puts_it_there() {
    let lake = Broken::new();
    let commit = lake.files("lake/history/_delta_log", ".json").pop().expect("as the test made it");
    std::fs::remove_file(lake.path(&commit)).expect("as the test made it");
    let told = lake.verify(&[]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.stdout.contains("committed and not yet in the log of history"), "{}", told.stdout);
    for file in ["cabs.toml", "part.csv", "zones.geojson"] {
        std::fs::copy(whole().path(file), lake.0.path(file)).expect("as the test made it");
    }
    lake.0.done(&["run", "cabs.toml", "--until-end"]);
    let told = lake.verify(&[]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(!told.stdout.contains("note:"), "{}", told.stdout);
    // If its file is gone as well, that is one.
    std::fs::remove_file(lake.path(&commit)).expect("as the test made it");
    let file = lake.files("lake/history", ".parquet").pop().expect("as the test made it");
    std::fs::remove_file(lake.path(&file)).expect("as the test made it");
    let epoch = read_json(&lake.path(&lake.files("manifests", ".json").pop().expect("as the test made it")));
    if epoch["segments"].as_array().expect("as the test made it").iter().any(|segment| segment["table"] == "history") {
        lake.finds("missing_file", &file);
    }
}

#[test]
fn file_that_nothing_names_is_an_orphan_and_what_a_crash_left_behind_is_not() {
    let lake = Broken::new();
    let file = lake.files("lake/rejects", ".parquet").remove(0);
    let staged = format!("lake/_staging/history/{:010}-{:010}-{:06}.parquet", 3, 9, 0);
    std::fs::copy(lake.path(&file), lake.path(&staged)).expect("as the test made it");
    let told = lake.verify(&[]);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.stdout.contains("1 files ("), "{}", told.stdout);

    let orphan = file.replace(".parquet", "x.parquet");
    std::fs::copy(lake.path(&file), lake.path(&orphan)).expect("as the test made it");
    lake.finds("orphan", &orphan);
}

#[test]
fn rows_that_were_taken_out_are_found_by_epoch_source_and_number() {
    let lake = Broken::new();
    for table in ["history", "alerts", "rejects"] {
        let file = lake.files(&format!("lake/{table}"), ".parquet").remove(0);
        let path = file.strip_prefix(&format!("lake/{table}/")).expect("as the test made it");
        let remove = json!({"remove": {"path": path, "deletionTimestamp": 4_000_000_000_000_u64, "dataChange": true}});
        lake.commit(table, &[remove]);
    }
    let found = lake.problems();
    let said = |kind: &str, at: &str, words: &str| {
        let is = |(k, a, detail): &&(String, String, String)| k == kind && a == at && detail.contains(words);
        assert!(found.iter().any(|problem| is(&problem)), "{kind} {at} {words}: {found:?}");
    };
    said("rows", "lake/history", "and 0 are there");
    said("rows", "lake/alerts", "and 0 are there");
    said("frames", "lake", "source recording, epoch ");
    said("numbering", "lake/alerts", "there is a gap: sequence 1 is missing, and ");
    said("numbering", "lake/rejects", "there is a gap: number 0 is missing, and ");
    let told = lake.verify(&[]);
    assert!(told.stdout.contains("stand there for older readers"), "{}", told.stdout);
}

#[test]
fn manifests_state_and_accounts_are_held_against_one_another() {
    let lake = Broken::new();
    let manifests = lake.files("manifests", ".json");
    std::fs::remove_file(lake.path(&manifests[3])).expect("as the test made it");
    lake.finds("manifest", &manifests[4]);

    let lake = Broken::new();
    lake.change(&manifests[2], |bytes| bytes[0] = b'x');
    let found = lake.problems();
    assert_eq!((&*found[0].0, &*found[0].1), ("manifest", &*manifests[2]), "{found:?}");

    let newest = manifests.last().expect("as the test made it");
    let lake = Broken::new();
    let manifest = read_json(&lake.path(newest));
    let state = manifest["state"]
        .as_array()
        .expect("as the test made it")
        .iter()
        .find(|file| file["bytes"].as_u64() > Some(0))
        .expect("as the test made it");
    let state = state["path"].as_str().expect("as the test made it");
    lake.change(state, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    lake.finds("damaged_file", state);
    std::fs::remove_file(lake.path(state)).expect("as the test made it");
    lake.finds("missing_file", state);

    // An epoch that says of itself that more came in than is there.
    let lake = Broken::new();
    lake.change_json(newest, |manifest| {
        let frames_in = &mut manifest["accounts"][0]["frames_in"]["recording"];
        *frames_in = json!(frames_in.as_u64().expect("as the test made it") + 1);
    });
    let found = lake.problems();
    assert!(found.iter().all(|(kind, ..)| kind == "frames"), "{found:?}");
    assert!(found.iter().any(|(_, at, detail)| at == "lake" && detail.contains("epoch 1:")), "{found:?}");
}

#[test]
fn what_an_older_version_did_not_write_down_is_said_and_no_mistake() {
    let lake = Broken::new();
    for path in lake.files("manifests", ".json") {
        lake.change_json(&path, |manifest| {
            manifest.as_object_mut().expect("as the test made it").remove("accounts");
            for list in ["segments", "state"] {
                for file in manifest[list].as_array_mut().expect("as the test made it") {
                    file.as_object_mut().expect("as the test made it").remove("checksum");
                }
            }
        });
    }
    for path in lake.files("lake", ".json") {
        let text = std::fs::read_to_string(lake.path(&path)).expect("as the test made it");
        let without = |line: &str| {
            let mut action: Value = serde_json::from_str(line).expect("as the test made it");
            if let Some(add) = action.get_mut("add") {
                add.as_object_mut().expect("as the test made it").remove("tags");
            }
            format!("{action}\n")
        };
        std::fs::write(lake.path(&path), text.lines().map(without).collect::<String>()).expect("as the test made it");
    }
    let told = lake.verify(&[]);
    assert_eq!(told.exit, 0, "{told:?}");
    for words in ["were committed by an older version", "files of history have no checksum", "files of state have no"] {
        assert!(told.stdout.contains(words), "{words}: {}", told.stdout);
    }
    // A run goes on from there, and from there on it is known.
    let all = std::fs::read_to_string(whole().path("all.csv")).expect("as the test made it");
    let more = all.lines().nth(1).expect("as the test made it");
    std::fs::copy(whole().path("zones.geojson"), lake.0.path("zones.geojson")).expect("as the test made it");
    std::fs::copy(whole().path("cabs.toml"), lake.0.path("cabs.toml")).expect("as the test made it");
    lake.0.write("part.csv", format!("{all}{more}\n"));
    lake.0.done(&["run", "cabs.toml", "--until-end"]);
    let told = lake.verify(&[]);
    assert_eq!(told.exit, 0, "{told:?}");
}

#[test]
fn verify_without_sense_is_answered() {
    let site = Site::new();
    for (arguments, exit, words) in [
        (&["lake"][..], 2, "Usage"),
        (&["lake", "verify"], 2, "PIPELINE"),
        (&["lake", "verify", "a.toml", "--data", "b"], 2, "cannot be used with"),
        (&["lake", "verify", "--data", "b", "--format", "xml"], 2, "text, json"),
        (&["lake", "verify", "a.toml"], 78, "cannot read the file"),
        (&["lake", "verify", "--data", "b"], 1, "cannot be read"),
        (&["lake", "verify", "--data", "."], 1, "there is no manifest in ."),
    ] {
        let told = site.rhumb(arguments);
        assert_eq!(told.exit, exit, "{arguments:?}: {told:?}");
        assert!(told.stderr.contains(words), "{arguments:?}: {told:?}");
    }
    assert_eq!(std::fs::read_dir(site.path(".")).expect("as the test made it").count(), 0, "nothing is made");
}
