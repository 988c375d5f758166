//! What would stop a run at once although the pipeline is right: a data folder that may not be written, recordings
//! that their codec cannot read. For commands that run; others may ask a lake whose recordings are long gone.

use super::means::{Checked, CodecKind, CsvMeans, FileMeans, OperatorKind, SourceKind, SourceMeans};
use super::mistake::{Mistake, Mistakes, Severity};
use crate::build;
use rhumb_connectors::codec::CodecConfig;
use rhumb_connectors::codec::csv::header;
use rhumb_connectors::codec::decode::Transport;
use rhumb_connectors::codec::fields::Field;
use rhumb_connectors::codec::likely::{Sampled, likely, sample};
use rhumb_connectors::file::{Head, head};
use rhumb_geofence::Zones;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// So many frames are held against the zones.
const PLACES_MAX: usize = 1_000;

/// Everything found, by place. Nothing is written or made; of recordings the first 64 KiB are read.
pub fn ready(checked: &Checked) -> Vec<Mistake> {
    let mut mistakes = Mistakes::default();
    data(checked, &mut mistakes);
    let mut places = Vec::new();
    for source in &checked.sources {
        if let SourceKind::File(file) = &source.kind
            && let Ok(config) = build::codec(&source.codec)
        {
            recordings(source, file, &config, &mut places, &mut mistakes);
        }
    }
    for operator in &checked.operators {
        if let OperatorKind::Geofence(config) = &operator.kind
            && are_swapped(&config.zones, &places)
        {
            let what = format!(
                "zones: none of the first {} frames of the recordings is near a zone, and they would be if latitude and longitude of \
                 the zones were swapped: GeoJSON writes [longitude, latitude]",
                places.len().min(PLACES_MAX)
            );
            mistakes.warning(&operator.at, "operator geofence", what);
        }
    }
    mistakes.sorted(&checked.file.display().to_string())
}

fn data(checked: &Checked, mistakes: &mut Mistakes) {
    let (data, field) = (&checked.data, if checked.bucket.is_some() { "local" } else { "data" });
    // A relative path without a folder that is there begins where we are.
    let mut there = data.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let Some(there) = there.find(|path| path.exists()) else { return };
    if let Some(kind) = keeps_nothing(there) {
        let what = format!(
            "{field}: {} is in a file system of kind {kind}, which keeps no files; write another path",
            data.display()
        );
        return mistakes.error(&checked.data_at, "pipeline", what);
    }
    let Err(cause) = may_write(there) else { return };
    let what = match there == data {
        true => format!("{field}: this user may not write to {}: {cause}", data.display()),
        false => format!("{field}: this user may not make {} in {}: {cause}", data.display(), there.display()),
    };
    mistakes.error(&checked.data_at, "pipeline", format!("{what}; write another path, or give the right to write"));
}

/// The kind of the file system that a folder is in, if it is one of the kernel's own, in which a user with all rights may
/// write and nothing is kept.
fn keeps_nothing(folder: &Path) -> Option<String> {
    const OF_THE_KERNEL: [&str; 8] =
        ["proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "devpts"];
    let folder = folder.canonicalize().ok()?;
    // A line a mount: what, where, of which kind; the last of those that hold the folder most closely counts.
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let of_line = |line: &str| -> Option<(usize, String)> {
        let [_, at, kind] = line.split(' ').take(3).collect::<Vec<_>>()[..] else { return None };
        folder.starts_with(at).then(|| (at.len(), kind.to_owned()))
    };
    let kind = mounts.lines().filter_map(of_line).max_by_key(|(length, _)| *length)?.1;
    OF_THE_KERNEL.contains(&kind.as_str()).then_some(kind)
}

/// Whether files can be made in a folder, by the rights that this process has.
#[allow(unsafe_code, reason = "faccessat has no safe form in the standard library")]
fn may_write(folder: &Path) -> io::Result<()> {
    let path = CString::new(folder.as_os_str().as_bytes())?;
    // SAFETY: the path ends with a zero and lives as long as the call.
    let answer = unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::W_OK | libc::X_OK, libc::AT_EACCESS) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Notes in `places` where frames are.
fn recordings(
    source: &SourceMeans,
    means: &FileMeans,
    config: &CodecConfig,
    places: &mut Vec<(f64, f64)>,
    mistakes: &mut Mistakes,
) {
    for path in &means.files {
        // A file that cannot be opened has been told.
        let Ok(head) = head(path) else { continue };
        let name = path.display().to_string();
        let sampled = Sampled { bytes: &head.bytes, whole: head.whole, transport: Transport::Tcp };
        let sample = sample(config, &sampled);
        if head.whole && sample.frames == 0 && sample.first.is_none() {
            let what = format!("path: {name} holds no frame");
            let component = format!("source {}", source.name);
            mistakes.push_of_kind(Severity::Warning, &source.places.path, &component, what, "holds no frame");
            continue;
        }
        places.extend(&sample.places);
        if sample.frames == 0
            && let Some(first) = &sample.first
            && let Some(other) = likely(config, &sampled)
        {
            let what = format!("; it looks like {other}: write codec = \"{other}\"");
            unread(source, &name, first, &what, Severity::Error, mistakes);
            continue;
        }
        let errors = mistakes.errors();
        if let CodecKind::Csv(csv) = &source.codec.kind {
            columns(source, csv, &name, &head, mistakes);
        }
        if let (true, 0, Some(first)) = (mistakes.errors() == errors, sample.frames, &sample.first) {
            // What is wrong with a file as a whole ends its source at once; rows may get better further on.
            let severity = if sample.rejects == 0 { Severity::Error } else { Severity::Warning };
            unread(source, &name, first, "", severity, mistakes);
        }
    }
}

/// Whether no frame at these places (latitude, longitude) is near a zone, and nearly all would be if zones were the other
/// way round.
fn are_swapped(zones: &Zones, places: &[(f64, f64)]) -> bool {
    /// Frames so near count as being where the zones are.
    const NEAR_DEG: f64 = 0.5;
    let boxes: Vec<[f64; 4]> = zones.iter().map(|zone| zone.shape.around()).collect();
    let near = |lat: f64, lon: f64| {
        let holds = |[west, south, east, north]: &[f64; 4]| {
            (west - NEAR_DEG..=east + NEAR_DEG).contains(&lon) && (south - NEAR_DEG..=north + NEAR_DEG).contains(&lat)
        };
        boxes.iter().any(holds)
    };
    let first = &places[..places.len().min(PLACES_MAX)];
    let fitting = first.iter().filter(|(lat, lon)| near(*lon, *lat)).count();
    fitting > 0 && fitting * 10 >= first.len() * 9 && !first.iter().any(|(lat, lon)| near(*lat, *lon))
}

/// The codec reads nothing of a recording's head.
fn unread(source: &SourceMeans, name: &str, first: &str, advice: &str, severity: Severity, mistakes: &mut Mistakes) {
    let (component, codec) = (format!("source {}", source.name), source.codec.kind.name());
    let what = format!("codec {codec} reads nothing of {name}: {first}{advice}");
    mistakes.push_of_kind(severity, &source.places.codec, &component, what, "codec reads nothing");
}

/// Columns that fields are mapped from and that the first line does not name.
fn columns(source: &SourceMeans, csv: &CsvMeans, name: &str, head: &Head, mistakes: &mut Mistakes) {
    let named_by_file = csv.header && csv.columns.is_none();
    let Some(columns) = named_by_file.then(|| header(&head.bytes, csv.delimiter)).flatten() else { return };
    let component = format!("source {}", source.name);
    for mapped in source.codec.fields.iter().filter(|mapped| columns.iter().all(|column| *column != mapped.name)) {
        let place = source.places.fields.iter().find(|(field, _)| *field == mapped.field);
        let at = place.map_or(&source.places.codec, |(_, at)| at);
        let told = format!("{}: {name} has no column \"{}\"", mapped.field, mapped.name);
        let there = columns.join(", ");
        let is_needed = Field::NEEDED.iter().any(|field| field.name() == mapped.field);
        let (severity, what) = match is_needed {
            true => (Severity::Error, format!("{told}; the columns are {there}")),
            false => (Severity::Warning, format!("{told}, so no frame has this field; the columns are {there}")),
        };
        mistakes.push_of_kind(severity, at, &component, what, format!("no column {}", mapped.field));
    }
    let place = source.places.fields.iter().find(|(field, _)| *field == "extra");
    for extra in source.codec.extra.iter().filter(|extra| columns.iter().all(|column| *column != extra.from)) {
        let at = place.map_or(&source.places.codec, |(_, at)| at);
        let there = columns.join(", ");
        let what = format!(
            "extra: {}: {name} has no column \"{}\", so it is null in every frame; the columns are {there}",
            extra.name, extra.from
        );
        mistakes.push_of_kind(Severity::Warning, at, &component, what, format!("no column {}", extra.name));
    }
}
