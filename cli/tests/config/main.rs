//! The configuration as its users meet it: every message, the document, the plan.

mod plan;

use expect_test::{expect, expect_file};
use plan::{FLEET, TEST};
use rhumb::config::{Checked, Mistake, OperatorKind, Severity, document, load};
use rhumb_operators::validate::ValidateConfig;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Paths in messages are as they were typed, so the tests stand where a person would: at the top of the project.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli stands in the project").to_owned();
    std::env::set_current_dir(&root).expect("the project is there");
    root
}

fn told(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("{mistake}\n")).collect()
}

type Loaded = Result<(Checked, Vec<Mistake>), Vec<Mistake>>;

/// Loads a pipeline in a folder of its own, with the files that pipelines here name. Gives the folder's name too.
fn load_text(text: &str, env: &[(&str, &str)]) -> (Loaded, String) {
    let samples = root().join("pipelines/invalid");
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["vehicles.csv", "frames.csv", "zones/city.geojson"] {
        let copy = folder.path().join(file);
        std::fs::create_dir_all(copy.parent().expect("it stands in the folder")).expect("a folder");
        std::fs::copy(samples.join(file), copy).expect("a copy");
    }
    std::fs::write(folder.path().join("limits.csv"), "vehicle_id,speed_max_mps\ncab-1,30\n").expect("a table");
    let cabs = folder.path().join("sample/cabs.csv.gz");
    std::fs::create_dir_all(cabs.parent().expect("it stands in the folder")).expect("a folder");
    std::fs::copy(samples.join("frames.csv"), cabs).expect("a copy");
    let path = folder.path().join("fleet.toml");
    std::fs::write(&path, text).expect("a pipeline");
    let read = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    let loaded = load(&path, &read);
    (loaded, format!("{}/", folder.path().display()))
}

fn checked(text: &str, env: &[(&str, &str)]) -> (Checked, String) {
    match load_text(text, env) {
        (Ok((checked, warnings)), folder) if warnings.is_empty() => (checked, folder),
        (Ok((_, mistakes)) | Err(mistakes), _) => panic!("{}", told(&mistakes)),
    }
}

#[test]
fn every_invalid_pipeline_gives_its_message() {
    let folder = root().join("pipelines/invalid");
    let names = |extension: &str| -> BTreeSet<PathBuf> {
        let entries = std::fs::read_dir(&folder).expect("the folder of invalid pipelines");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let of_kind = paths.filter(|path| path.extension().is_some_and(|e| e == extension));
        of_kind.map(|path| path.with_extension("")).collect()
    };
    let pipelines = names("toml");
    assert!(pipelines.len() >= 20, "{} pipelines", pipelines.len());
    for pipeline in &pipelines {
        let path = Path::new("pipelines/invalid").join(pipeline.with_extension("toml").file_name().expect("a name"));
        let mistakes = load(&path, &|_| None).map_or_else(|mistakes| mistakes, |(_, warnings)| warnings);
        assert!(!mistakes.is_empty(), "{} has a mistake", path.display());
        expect_file![pipeline.with_extension("txt")].assert_eq(&told(&mistakes));
    }
    assert_eq!(names("txt"), pipelines, "a message without its pipeline");
}

#[test]
fn document_is_what_the_reader_reads() {
    let path = root().join("docs/CONFIG.md");
    let described = document();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &described).expect("docs/CONFIG.md is written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let same = written.lines().zip(described.lines()).take_while(|(a, b)| a == b).count();
    assert!(
        written == described,
        "docs/CONFIG.md is not what cli/src/config/describe says, from line {} on; write it anew with \
         UPDATE_EXPECT=1 cargo test -p rhumb",
        same + 1
    );
}

const WINDOW: &str = r#"[operator.window]
name = "zone_speed"
every = "1m"
key = ["zone_id"]
aggregates = { frames = "count" }
"#;

/// A pipeline around an example of the document: what it needs before it, and nothing that it excludes.
fn around(example: &str) -> String {
    let header = example.lines().next().unwrap_or_default();
    let source = |kind: &str| format!("[[source]]\nname = \"s\"\n{kind}");
    let udp = |codec: &str| source(&format!("[source.udp]\nlisten = \"127.0.0.1:0\"\ncodec = \"{codec}\"\n"));
    let operator = |kind: &str| format!("[[operator]]\n{kind}");
    let (before, after) = match header {
        _ if example.contains("[[source]]\nname = \"trackers\"\n[source") => (String::new(), String::new()),
        _ if header.starts_with("name = ") => (String::new(), udp("json")),
        "[engine]" => (
            "name = \"p\"\ndata = \"s3://bucket/fleet\"\n".to_owned(),
            udp("json") + &operator("[operator.validate]\n"),
        ),
        "[[source]]" => {
            ("name = \"p\"\n".to_owned(), "[source.udp]\nlisten = \"127.0.0.1:0\"\ncodec = \"json\"\n".to_owned())
        }
        "[[operator]]" => ("name = \"p\"\n".to_owned() + &udp("json"), "[operator.validate]\n".to_owned()),
        "[sink.kafka]" => ("name = \"p\"\n".to_owned() + &udp("json") + "[[sink]]\n", String::new()),
        "[source.udp]" | "[source.tcp]" | "[source.kafka]" | "[source.file]" => {
            ("name = \"p\"\n".to_owned() + &source(""), String::new())
        }
        _ if header.starts_with("[source.") => {
            let part = header.trim_matches(['[', ']']).trim_start_matches("source.");
            let codec = if part == "fields" { "json" } else { part };
            ("name = \"p\"\n".to_owned() + &udp(codec), String::new())
        }
        "[operator.geofence]" => {
            let enrich = operator("[operator.enrich]\ntable = \"vehicles.csv\"\n");
            ("name = \"p\"\n".to_owned() + &udp("json") + &enrich + "[[operator]]\n", String::new())
        }
        "[operator.trips]" => {
            let io = "[source.teltonika]\nio = { ignition = { id = 239, type = \"bool\" } }\n[[operator]]\n";
            ("name = \"p\"\n".to_owned() + &udp("teltonika") + io, String::new())
        }
        "[[test]]" => {
            let operators = ["[operator.geofence]\nzones = \"zones/city.geojson\"\n", "[operator.trips]\n", WINDOW];
            let trackers = udp("json").replace("\"s\"", "\"trackers\"");
            ("name = \"p\"\n".to_owned() + &trackers + &operators.map(operator).concat(), String::new())
        }
        "[operator.window]" => {
            let geofence = operator("[operator.geofence]\nzones = \"zones/city.geojson\"\n");
            ("name = \"p\"\n".to_owned() + &udp("json") + &geofence + "[[operator]]\n", String::new())
        }
        _ => ("name = \"p\"\n".to_owned() + &udp("json") + "[[operator]]\n", String::new()),
    };
    format!("{before}{example}{after}")
}

#[test]
fn every_example_of_the_document_is_accepted() {
    let document = document();
    let blocks: Vec<&str> =
        document.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(blocks.len() > 12, "{} examples", blocks.len());
    for block in blocks {
        let (loaded, _) = load_text(&around(block), &[]);
        let mistakes = loaded.map_or_else(|mistakes| mistakes, |(_, warnings)| warnings);
        assert_eq!(told(&mistakes), "", "{}", around(block));
    }
}

const SMALL: &str = r#"
name = "small"
[[source]]
name = "s"
[source.udp]
listen = "127.0.0.1:0"
codec = "json"
"#;

#[test]
fn validate_without_fields_has_the_defaults_of_the_operator() {
    let (checked, _) = checked(&format!("{SMALL}[[operator]]\n[operator.validate]\n"), &[]);
    let OperatorKind::Validate(config) = &checked.operators[0].kind else { panic!("a validate") };
    assert_eq!(*config, ValidateConfig::default());
}

#[test]
fn environment_gives_texts_and_numbers() {
    let text = format!("{SMALL}[engine]\nshards = \"${{SHARDS}}\"\nepoch = \"${{EPOCH:-20s}}\"\n");
    let engine = checked(&text, &[("SHARDS", "3")]).0.engine;
    assert_eq!((engine.shards, engine.epoch_us), (3, 20_000_000));
}

#[test]
fn data_stands_beside_the_file_unless_told_otherwise() {
    let (checked, folder) = checked(SMALL, &[]);
    assert_eq!(checked.data, Path::new(&folder).join("data/small"));
}

#[test]
fn a_literal_secret_that_is_wrong_is_not_shown() {
    let text =
        SMALL.replace("json", "binary") + "[source.binary]\nkeys = [{ id = 1, secret = \"hunter2\" }, { id = 2 }]\n";
    let mistakes = load_text(&text, &[]).0.err().expect("a key that is too short");
    assert!(mistakes.len() == 2 && !told(&mistakes).contains("hunter2"), "{}", told(&mistakes));
}

#[test]
fn a_file_that_is_not_there_is_one_clear_mistake() {
    let mistakes = load(Path::new("none.toml"), &|_| None).err().expect("no such file");
    expect![[r#"
        none.toml:1:1: pipeline: cannot read the file: there is no such file
    "#]]
    .assert_eq(&told(&mistakes));
}

/// Whatever is typed, loading ends with an answer.
fn check_answers(text: &str, path: &Path) {
    std::fs::write(path, text).expect("a pipeline");
    if let Err(mistakes) = load(path, &|_| None) {
        assert!(mistakes.iter().any(|m| m.severity == Severity::Error), "refused without an error:\n{text}");
        told(&mistakes);
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    let samples = root().join("pipelines/invalid");
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["vehicles.csv", "frames.csv"] {
        std::fs::copy(samples.join(file), folder.path().join(file)).expect("a copy");
    }
    let path = folder.path().join("fleet.toml");
    let fleet = FLEET.to_owned() + TEST;
    let lines: Vec<&str> = fleet.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let key = line.split('=').next().unwrap_or_default();
        let values = [
            "",
            "5",
            "-0.5",
            "\"é\"",
            "\"${X:-}\"",
            "[]",
            "[[1], {a = 2}]",
            "{}",
            "{ a = [] }",
            "true",
            "1979-05-27",
            "\"",
        ];
        let typed = values.iter().map(|value| format!("{key}= {value}"));
        for other in
            typed.chain(["".to_owned(), line.repeat(2), format!("{line}\n{line}"), line.replace(['[', '{'], "")])
        {
            let mut changed: Vec<&str> = lines.clone();
            changed[at] = &other;
            check_answers(&changed.join("\n"), &path);
        }
    }
    for (end, _) in fleet.char_indices() {
        check_answers(&fleet[..end], &path);
    }
}
