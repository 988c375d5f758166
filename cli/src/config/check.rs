//! What is wrong with what was typed, beyond its form: names, numbers, files, and the order of things.

mod chain;
mod codec;
mod enrich;
mod expression;
mod extra;
mod file;
mod frames;
mod geofence;
mod kafka;
mod reload;
mod source;
mod test;
mod tracker;
mod trips;
mod validate;
mod window;

use super::means::{AlertLogMeans, Checked, EngineMeans, JournalKind, OperatorKind, OperatorMeans, SourceMeans};
use super::mistake::{Location, Mistakes};
use super::place::{Place, PlaceZones};
use super::typed::{Member, Table, Typed};
use super::value::{At, duration_text};
use chain::Columns;
pub use file::{reason, text};
use rhumb_connectors::bucket::{is_url, parts};
use rhumb_engine::reference::Reference;
use rhumb_geofence::Zones;
use rhumb_operators::window::WindowConfig;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the checks of a component need to know of the rest.
struct Check {
    mistakes: Mistakes,
    pipeline: String,
    engine: EngineMeans,
    /// Columns that a source would have, were it not for mistakes that are told already.
    doubtful: HashSet<String>,
}

/// Checks everything, whatever is wrong; `None` and at least one error if anything is.
/// `cores` are those of the machine.
pub fn check(typed: Typed, file: &Path, cores: usize) -> (Option<Checked>, Mistakes) {
    let Typed { mut pipeline, engine, sources, operators, sinks, tests, mistakes, any_source, .. } = typed;
    let name = pipeline.get("name");
    let skew_at = engine.place("clock_skew_max");
    let local_at = engine.place("local");
    let path_keep_at = engine.has("path_keep").then(|| engine.place("path_keep"));
    let engine = engine_means(engine, cores);
    let mut check = Check { mistakes, pipeline: name.clone().unwrap_or_default(), engine, doubtful: HashSet::new() };
    check.skew(&skew_at);
    let top = pipeline.at.clone();
    let data_at = pipeline.place("data");
    let data = check.data(&mut pipeline, file, name.as_deref(), &local_at);
    assert!(pipeline.is_used_up(), "every field of the pipeline is asked for");
    if !any_source {
        check.mistakes.error(
            &top,
            "pipeline",
            "no source; add a [[source]] with [source.udp], [source.tcp], [source.kafka] or [source.file]",
        );
    }
    let typed = sources.len() + operators.len();
    let sources = check.sources(sources);
    check.path_keep(path_keep_at, &operators);
    let operators = check.operators(operators, &sources);
    let sinks = check.sinks(sinks);
    let is_whole = sources.len() + operators.len() == typed;
    let tests = check.tests(tests, &sources, &operators, is_whole);
    let Check { mistakes, engine, .. } = check;
    let checked = match (name, data, mistakes.any_error()) {
        (Some(name), Some((data, bucket)), false) => {
            let file = file.to_owned();
            let data_at = if bucket.is_some() { local_at } else { data_at };
            Some(Checked { file, name, data, bucket, data_at, engine, sources, operators, sinks, tests })
        }
        _ => None,
    };
    (checked, mistakes)
}

/// What a reader of the lake needs of a pipeline, whatever is wrong with the rest.
pub fn place(typed: Typed, file: &Path) -> Result<Place, Mistakes> {
    let Typed { mut pipeline, mut engine, operators, mut mistakes, .. } = typed;
    let name = pipeline.get::<String>("name");
    let offline_after_us = engine.get("offline_after");
    let local_at = engine.place("local");
    let mut check = Check::of_nothing(engine_means(engine, 1));
    let data = check.data(&mut pipeline, file, name.as_deref(), &local_at);
    let Some((data, bucket)) = data else {
        mistakes.join(check.mistakes);
        return Err(mistakes);
    };
    let geofence = operators.into_iter().find_map(|member| {
        member.kind.filter(|kind| kind.section.key() == "geofence").map(|table| (table, member.component))
    });
    let zones = geofence.and_then(|(mut table, component)| {
        let (path, options) = geofence::typed_zones(&mut table);
        Some(PlaceZones { path: path?, options, component, engine: check.engine.clone() })
    });
    Ok(Place { data, bucket, offline_after_us, zones })
}

/// The zones of a place, or why they cannot be read.
pub fn zones(of: &PlaceZones) -> Result<Zones, Mistakes> {
    let mut check = Check::of_nothing(of.engine.clone());
    let text = check.read(&of.path, "zones", &of.component);
    let zones = text.and_then(|text| check.zones(&text, &of.options, &of.component));
    zones.ok_or(check.mistakes)
}

fn engine_means(mut table: Table, cores: usize) -> EngineMeans {
    let local = table.get::<PathBuf>("local");
    // A value out of range is a mistake by now, and the settings are not used.
    let mut number = |name: &str| table.get::<i64>(name);
    let means = EngineMeans {
        shards: number("shards").map_or(cores.clamp(1, 256), |n| n as usize),
        epoch_us: number("epoch").unwrap_or_default(),
        epoch_rows: number("epoch_rows").unwrap_or_default() as u64,
        local,
        retry_for_us: number("retry_for").unwrap_or_default(),
        lateness_us: number("lateness").unwrap_or_default(),
        idle_after_us: number("idle_after").unwrap_or_default(),
        clock_skew_max_us: number("clock_skew_max").unwrap_or_default(),
        path_keep: number("path_keep").unwrap_or(1) as usize,
        offline_after_us: number("offline_after").unwrap_or_default(),
        vehicles_max: number("vehicles_max").unwrap_or(1) as usize,
        alert_log: AlertLogMeans {
            sync_us: number("alert_log_sync").unwrap_or_default(),
            keep_us: number("alert_log_keep").unwrap_or_default(),
            kind: table.get::<String>("alert_log").map(|kind| JournalKind::named(&kind)),
        },
    };
    assert!(table.is_used_up(), "every field of the engine is asked for");
    means
}

impl Check {
    fn of_nothing(engine: EngineMeans) -> Check {
        Check { mistakes: Mistakes::default(), pipeline: String::new(), engine, doubtful: HashSet::new() }
    }

    fn error(&mut self, at: &Location, component: &str, what: impl Into<String>) {
        self.mistakes.error(at, component, what);
    }

    /// While `clock_skew_max` is at most `lateness`, no lane's clock less its lateness passes the time of receipt.
    fn skew(&mut self, at: &Location) {
        let EngineMeans { clock_skew_max_us: skew, lateness_us: lateness, .. } = self.engine;
        if skew > lateness && lateness > 0 {
            let (skew, lateness) = (duration_text(skew), duration_text(lateness));
            let what = format!(
                "clock_skew_max: {skew} is more than the lateness of {lateness}: a device whose clock is ahead can make \
                 the frames of others too late for windows; write at most \"{lateness}\""
            );
            self.mistakes.warning(at, "engine", what);
        }
    }

    /// Paths are kept for operators that hold late frames against them. Where one of the operators cannot be read, it
    /// may be such a one.
    fn path_keep(&mut self, typed_at: Option<Location>, operators: &[Member]) {
        let keeps = |member: &Member| {
            member
                .kind
                .as_ref()
                .is_none_or(|kind| ["validate", "geofence", "trips", "window"].contains(&kind.section.key()))
        };
        if let Some(at) = typed_at.filter(|_| !operators.iter().any(keeps)) {
            let what = "path_keep: has no effect without a validate, a geofence, trips or a window; remove it, or add an [[operator]] with \
                        [operator.validate]";
            self.error(&at, "engine", what);
        }
    }

    /// The folder on a disk of this machine, and the URL of the bucket if there is one.
    fn data(
        &mut self,
        pipeline: &mut Table,
        file: &Path,
        name: Option<&str>,
        local_at: &Location,
    ) -> Option<(PathBuf, Option<String>)> {
        let typed = pipeline.take::<PathBuf>("data");
        let default = || Some(At { value: folder(file).join("data").join(name?), at: pipeline.at.clone() });
        let At { value, at } = if pipeline.has("data") { typed? } else { default()? };
        let (folder, at, bucket) = match (value.to_str().filter(|text| is_url(text)), self.engine.local.clone()) {
            (None, None) => (value, at, None),
            (None, Some(_)) => {
                let what = "local: `data` is a folder of this machine already; remove it";
                self.error(local_at, "engine", what);
                return None;
            }
            (Some(url), _) if parts(url).is_none() => {
                let what = format!(
                    "data: {url} is no place that this version of rhumb knows; write a path such as \"data/fleet\", or \
                     \"s3://bucket/prefix\""
                );
                self.error(&at, "pipeline", what);
                return None;
            }
            (Some(url), None) => {
                let what = format!(
                    "data: {url} is in an object store, and the journal, the alert log and files on their way need a folder of \
                     this machine, too; write one in [engine], such as local = \"data/fleet\""
                );
                self.error(&at, "pipeline", what);
                return None;
            }
            (Some(url), Some(local)) => (local, local_at.clone(), Some(url.to_owned())),
        };
        let there = folder.ancestors().find(|path| path.exists());
        if let Some(file) = there.filter(|path| !path.is_dir()) {
            let (field, component) = if bucket.is_some() { ("local", "engine") } else { ("data", "pipeline") };
            let what = format!("{field}: {} is a file, and a folder is needed; write another path", file.display());
            self.error(&at, component, what);
            return None;
        }
        Some((folder, bucket))
    }

    fn operators(&mut self, members: Vec<Member>, sources: &[SourceMeans]) -> Vec<OperatorMeans> {
        let mut columns = Columns::of_frames(sources.iter().flat_map(SourceMeans::columns));
        let mut means: Vec<OperatorMeans> = Vec::new();
        let mut seen: HashMap<&str, Location> = HashMap::new();
        let mut tables = HashMap::new();
        columns.geofence_at =
            members.iter().rposition(|m| m.kind.as_ref().is_some_and(|t| t.section.key() == "geofence"));
        for (place, member) in members.into_iter().enumerate() {
            let Member { component, at, kind: Some(mut table), .. } = member else { continue };
            let key = table.section.key();
            self.order(key, &component, &at, &seen);
            columns.place = place;
            let mut reference = None;
            let read = match key {
                "validate" => {
                    self.validate(&mut table, &component).map(|(config, files)| (OperatorKind::Validate(config), files))
                }
                "enrich" => self.enrich(&mut table, &component, &mut columns).map(|(config, file)| {
                    let files = file.iter().map(|file| file.path.clone()).collect();
                    reference = file.map(|file| Arc::new(file) as Arc<dyn Reference>);
                    (OperatorKind::Enrich(config), files)
                }),
                "filter" => self
                    .filter(&mut table, &component, &columns)
                    .map(|condition| (OperatorKind::Filter(condition), Vec::new())),
                "derive" => self
                    .derive(&mut table, &component, &mut columns)
                    .map(|derived| (OperatorKind::Derive(derived), Vec::new())),
                "geofence" => self.geofence(&mut table, &component, &mut columns).map(|(config, file)| {
                    let files = vec![file.path.clone()];
                    reference = Some(Arc::new(file) as Arc<dyn Reference>);
                    (OperatorKind::Geofence(config), files)
                }),
                "trips" => {
                    self.trips(&mut table, &component, &columns).map(|config| (OperatorKind::Trips(config), Vec::new()))
                }
                _ => {
                    let config = self.window(&mut table, &component, &columns, &mut tables);
                    config.map(|(config, empty)| {
                        let empty_zones = if empty { zone_ids(&means) } else { Vec::new() };
                        (OperatorKind::Window(WindowConfig { empty_zones, ..config }), Vec::new())
                    })
                }
            };
            assert!(read.is_none() || table.is_used_up(), "every field of {key} is asked for");
            seen.entry(key).or_insert_with(|| at.clone());
            let adds = columns.take_added();
            if let Some((kind, files)) = read {
                let name = operator_name(&kind, &means);
                means.push(OperatorMeans { name, kind, adds, files, reference, at });
            }
        }
        means
    }

    /// What does not make sense after what stands before it.
    fn order(&mut self, key: &str, component: &str, at: &Location, seen: &HashMap<&str, Location>) {
        if let Some(first) = seen.get(key).filter(|_| ["validate", "geofence", "trips"].contains(&key)) {
            let advice = match key {
                "validate" => "set all its rules in one",
                "geofence" => "put all zones into one file",
                _ => "it has the tables trips and stops",
            };
            let what = format!("a second {key}, the first is in line {}; a pipeline has one: {advice}", first.line());
            self.error(at, component, what);
        } else if key == "validate" && !seen.is_empty() {
            let what = "stands below another operator, and what it refuses must reach none; move it up, to be the first [[operator]]";
            self.error(at, component, what);
        }
    }
}

/// Ids of all zones of the geofence before.
fn zone_ids(before: &[OperatorMeans]) -> Vec<String> {
    let zones = before.iter().find_map(|operator| match &operator.kind {
        OperatorKind::Geofence(config) => Some(&config.zones),
        _ => None,
    });
    zones.map_or_else(Vec::new, |zones| (0..zones.len() as u32).map(|zone| zones.id(zone).to_owned()).collect())
}

fn operator_name(kind: &OperatorKind, before: &[OperatorMeans]) -> String {
    if let OperatorKind::Window(window) = kind {
        return format!("window_{}", window.name);
    }
    match before.iter().filter(|other| other.kind.key() == kind.key()).count() {
        0 => kind.key().to_owned(),
        n => format!("{}_{}", kind.key(), n + 1),
    }
}

/// The folder that a file stands in; empty for a bare name.
pub fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}
