//! What benches take of the real world: recordings and zones of `shared/data`, where they are there.

use rhumb_engine::frame::Frame;
use rhumb_engine::time::EventTime;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// A frame of a recording.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    pub vehicle_id: String,
    /// Milliseconds.
    pub ts: i64,
    pub lat: f64,
    pub lon: f64,
    #[serde(default)]
    pub speed_mps: Option<f32>,
}

impl Row {
    pub fn frame(&self) -> Frame<'_> {
        Frame {
            vehicle: &self.vehicle_id,
            event_time: EventTime(self.ts * 1_000),
            lat: self.lat,
            lon: self.lon,
            speed_mps: self.speed_mps,
            ..Frame::default()
        }
    }
}

/// The folder of real data; `None`, and a line that says what is left out, where it is not there.
pub fn folder(left_out: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("RHUMB_SHARED").map_or_else(beside, PathBuf::from).join("data");
    if !folder.is_dir() {
        eprintln!("SKIPPED: {left_out} needs {}", folder.display());
        return None;
    }
    Some(folder)
}

/// The first frames of San Francisco's cabs, in order of time.
///
/// # Panics
/// If the recording is there and cannot be read.
pub fn cabs(frames: usize, left_out: &str) -> Option<Vec<Row>> {
    let file = open(&folder(left_out)?.join("traces/sf_cabspotting_537cabs_timeordered.csv.zst"));
    let unpacked = zstd::stream::read::Decoder::new(file).expect("zstd");
    let rows = csv::Reader::from_reader(unpacked).into_deserialize();
    Some(rows.take(frames).map(|row| row.expect("a row")).collect())
}

/// San Francisco's neighbourhoods, as GeoJSON.
///
/// # Panics
/// If the file is there and cannot be read.
pub fn neighbourhoods(left_out: &str) -> Option<String> {
    Some(unpacked(&folder(left_out)?.join("zones/sf_neighborhoods.geojson.gz")))
}

/// Sentences of real receivers, one log after the other.
///
/// # Panics
/// If the logs are there and cannot be read.
pub fn receiver_logs(left_out: &str) -> Option<String> {
    let folder = folder(left_out)?.join("traces/nmea_raw");
    let logs = ["amod_agl3080_20121104", "nmea_crate_nmea1", "trimble_r1_20160310"];
    Some(logs.iter().map(|log| unpacked(&folder.join(format!("{log}.nmea.gz")))).collect())
}

fn open(path: &Path) -> File {
    File::open(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(open(path)).read_to_string(&mut text).expect("gzip of UTF-8");
    text
}

/// The first rows of `cabs` as CSV; gives their number, `None` where there are no real traces.
///
/// # Panics
/// If the file cannot be written.
pub fn write_cabs(path: &Path, most: usize, bench: &str) -> Option<u64> {
    let rows = cabs(most, bench)?;
    let mut file = BufWriter::new(File::create(path).expect("a file to write to"));
    writeln!(file, "vehicle_id,ts,lat,lon").expect("room for the frames");
    for row in &rows {
        writeln!(file, "{},{},{},{}", row.vehicle_id, row.ts, row.lat, row.lon).expect("room for the frames");
    }
    file.flush().expect("room for the frames");
    Some(rows.len() as u64)
}
