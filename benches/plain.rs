//! The peer of the benches from end to end: what a good engineer writes in an afternoon for the same job, with the
//! crates that one would take. One thread reads CSV with `csv` and `serde`; two workers, each with half of the vehicles,
//! look zones up in an `rstar` tree with `geo`, keep state and windows in hash maps, and write Parquet with
//! `ArrowWriter`. It knows no late frames, no restarts, no rejects.

use arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use geo::{BoundingRect, Intersects, MultiPolygon, Point};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rstar::{AABB, PointDistance, RTree, RTreeObject};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

const WORKERS: usize = 2;
const BATCH: usize = 8_192;
const MINUTE_MS: i64 = 60_000;

#[derive(Debug, Deserialize)]
struct Record {
    vehicle_id: String,
    /// Milliseconds.
    ts: i64,
    lat: f64,
    lon: f64,
    #[serde(default)]
    speed_mps: Option<f64>,
}

struct Zone {
    id: String,
    shape: MultiPolygon,
    envelope: AABB<[f64; 2]>,
}

impl RTreeObject for Zone {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        self.envelope
    }
}

impl PointDistance for Zone {
    fn distance_2(&self, point: &[f64; 2]) -> f64 {
        rstar::Envelope::distance_2(&self.envelope, point)
    }
}

/// What came out, all workers together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    pub frames: u64,
    pub enters: u64,
    pub exits: u64,
    pub windows: u64,
}

/// Reads `csv`, writes history, alerts and windows into `folder`.
///
/// # Panics
/// If anything fails: it is a bench's peer.
pub fn run(csv: &Path, zones: &str, folder: &Path) -> Done {
    let zones = Arc::new(Zones::new(zones));
    let (senders, workers): (Vec<_>, Vec<_>) = (0..WORKERS)
        .map(|n| {
            let (sender, receiver) = sync_channel(8);
            let (zones, folder) = (zones.clone(), folder.to_owned());
            #[allow(clippy::disallowed_methods, reason = "a program of its own")]
            let worker = std::thread::spawn(move || work(receiver, &zones, &folder, n));
            (sender, worker)
        })
        .unzip();
    let mut batches: Vec<Vec<Record>> = (0..WORKERS).map(|_| Vec::with_capacity(BATCH)).collect();
    let mut reader = csv::Reader::from_path(csv).expect("a recording");
    for record in reader.deserialize() {
        let record: Record = record.expect("a row");
        let mut hasher = DefaultHasher::new();
        record.vehicle_id.hash(&mut hasher);
        let worker = hasher.finish() as usize % WORKERS;
        batches[worker].push(record);
        if batches[worker].len() == BATCH {
            let batch = std::mem::replace(&mut batches[worker], Vec::with_capacity(BATCH));
            senders[worker].send(batch).expect("a worker");
        }
    }
    for (sender, batch) in senders.iter().zip(batches) {
        sender.send(batch).expect("a worker");
    }
    drop(senders);
    let all = workers.into_iter().map(|worker| worker.join().expect("a worker that ends"));
    all.fold(Done::default(), |a, b| Done {
        frames: a.frames + b.frames,
        enters: a.enters + b.enters,
        exits: a.exits + b.exits,
        windows: a.windows + b.windows,
    })
}

/// Ids of zones.
pub type Found = Vec<String>;

/// Zones in a tree of their envelopes.
pub struct Zones(RTree<Zone>);

impl Zones {
    /// # Panics
    /// If the text is no GeoJSON of polygons.
    pub fn new(text: &str) -> Zones {
        Zones(read_zones(text))
    }

    pub fn at(&self, lat: f64, lon: f64) -> Found {
        let point = Point::new(lon, lat);
        let near = self.0.locate_all_at_point(&[lon, lat]);
        near.filter(|zone| zone.shape.intersects(&point)).map(|zone| zone.id.clone()).collect()
    }
}

fn read_zones(text: &str) -> RTree<Zone> {
    let file: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let zone = |(n, feature): (usize, &serde_json::Value)| {
        let id = match &feature["id"] {
            serde_json::Value::String(id) => id.clone(),
            _ => n.to_string(),
        };
        let shape = shape(&feature["geometry"]);
        let bounds = shape.bounding_rect().expect("a polygon has bounds");
        let envelope = AABB::from_corners([bounds.min().x, bounds.min().y], [bounds.max().x, bounds.max().y]);
        Zone { id, shape, envelope }
    };
    RTree::bulk_load(file["features"].as_array().expect("features").iter().enumerate().map(zone).collect())
}

fn shape(geometry: &serde_json::Value) -> MultiPolygon {
    let number = |v: &serde_json::Value| v.as_f64().expect("a number");
    let ring = |v: &serde_json::Value| {
        let corners = v.as_array().expect("a ring").iter();
        geo::LineString::from(corners.map(|c| (number(&c[0]), number(&c[1]))).collect::<Vec<_>>())
    };
    let polygon = |v: &serde_json::Value| {
        let mut rings = v.as_array().expect("rings").iter().map(ring);
        geo::Polygon::new(rings.next().expect("a shell"), rings.collect())
    };
    match geometry["type"].as_str() {
        Some("Polygon") => MultiPolygon(vec![polygon(&geometry["coordinates"])]),
        _ => MultiPolygon(geometry["coordinates"].as_array().expect("polygons").iter().map(polygon).collect()),
    }
}

/// What a worker knows between two frames.
pub struct Plain<'a> {
    zones: &'a Zones,
    inside: HashMap<String, Vec<String>>,
    windows: HashMap<(i64, String), (u64, f64)>,
}

impl<'a> Plain<'a> {
    pub fn new(zones: &'a Zones) -> Plain<'a> {
        Plain { zones, inside: HashMap::new(), windows: HashMap::new() }
    }

    /// Takes a frame (time in milliseconds), tells of exits and enters, and gives the zones that hold it.
    pub fn frame(
        &mut self,
        vehicle: &str,
        ts: i64,
        lat: f64,
        lon: f64,
        speed: f64,
        mut tell: impl FnMut(&'static str, &str),
    ) -> &Found {
        let found = self.zones.at(lat, lon);
        let before = self.inside.entry(vehicle.to_owned()).or_default();
        before.iter().filter(|zone| !found.contains(zone)).for_each(|zone| tell("exit", zone));
        found.iter().filter(|zone| !before.contains(zone)).for_each(|zone| tell("enter", zone));
        for zone in &found {
            let window = self.windows.entry((ts / MINUTE_MS, zone.clone())).or_default();
            window.0 += 1;
            window.1 += speed;
        }
        *before = found;
        before
    }
}

fn work(batches: Receiver<Vec<Record>>, zones: &Zones, folder: &Path, worker: usize) -> Done {
    let history = ["vehicle_id:s", "event_time:i", "lat:f", "lon:f", "speed_mps:f", "zones:s"];
    let alerts = ["kind:s", "vehicle_id:s", "zone_id:s", "event_time:i", "lat:f", "lon:f"];
    let mut history = Table::new(&folder.join(format!("history-{worker}.parquet")), &history);
    let mut alerts = Table::new(&folder.join(format!("alerts-{worker}.parquet")), &alerts);
    let mut plain = Plain::new(zones);
    let mut done = Done::default();
    for batch in batches {
        for record in batch {
            done.frames += 1;
            let (vehicle, speed) = (&*record.vehicle_id, record.speed_mps.unwrap_or_default());
            let found = plain.frame(vehicle, record.ts, record.lat, record.lon, speed, |kind, zone| {
                *(if kind == "exit" { &mut done.exits } else { &mut done.enters }) += 1;
                alerts.push(&[kind, vehicle, zone], &[record.ts], &[record.lat, record.lon]);
            });
            history.push(&[vehicle, &found.join(",")], &[record.ts], &[record.lat, record.lon, speed]);
        }
    }
    let mut table = Table::new(
        &folder.join(format!("windows-{worker}.parquet")),
        &["zone_id:s", "minute:i", "frames:i", "speed_sum:f"],
    );
    for ((minute, zone), (frames, speed)) in &plain.windows {
        done.windows += 1;
        table.push(&[zone], &[*minute, *frames as i64], &[*speed]);
    }
    history.close();
    alerts.close();
    table.close();
    done
}

/// Rows by type, then by their column's place among those of its type.
struct Table {
    schema: Arc<Schema>,
    writer: ArrowWriter<File>,
    texts: Vec<Vec<String>>,
    numbers: Vec<Vec<i64>>,
    floats: Vec<Vec<f64>>,
    rows: usize,
}

impl Table {
    /// Columns as `name:s`, `name:i` or `name:f`.
    fn new(path: &Path, columns: &[&str]) -> Table {
        let of = |kind: &str| columns.iter().filter(|c| c.ends_with(kind)).count();
        let field = |column: &&str| {
            let (name, kind) = column.split_once(':').expect("a type");
            let data_type = match kind {
                "s" => DataType::Utf8,
                "i" => DataType::Int64,
                _ => DataType::Float64,
            };
            Field::new(name, data_type, false)
        };
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("a level"));
        let properties = WriterProperties::builder().set_compression(zstd).build();
        let file = File::create(path).expect("a file");
        Table {
            writer: ArrowWriter::try_new(file, schema.clone(), Some(properties)).expect("a writer"),
            schema,
            texts: vec![Vec::new(); of(":s")],
            numbers: vec![Vec::new(); of(":i")],
            floats: vec![Vec::new(); of(":f")],
            rows: 0,
        }
    }

    fn push(&mut self, texts: &[&str], numbers: &[i64], floats: &[f64]) {
        self.texts.iter_mut().zip(texts).for_each(|(column, v)| column.push((*v).to_owned()));
        self.numbers.iter_mut().zip(numbers).for_each(|(column, v)| column.push(*v));
        self.floats.iter_mut().zip(floats).for_each(|(column, v)| column.push(*v));
        self.rows += 1;
        if self.rows == BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let (mut s, mut i, mut f) = (self.texts.iter_mut(), self.numbers.iter_mut(), self.floats.iter_mut());
        let columns = self.schema.fields().iter().map(|field| -> arrow::array::ArrayRef {
            match field.data_type() {
                DataType::Utf8 => Arc::new(StringArray::from(std::mem::take(s.next().expect("a column")))),
                DataType::Int64 => Arc::new(Int64Array::from(std::mem::take(i.next().expect("a column")))),
                _ => Arc::new(Float64Array::from(std::mem::take(f.next().expect("a column")))),
            }
        });
        let batch = RecordBatch::try_new(self.schema.clone(), columns.collect()).expect("columns of one length");
        self.writer.write(&batch).expect("room");
        self.rows = 0;
    }

    fn close(mut self) {
        if self.rows > 0 {
            self.flush();
        }
        self.writer.close().expect("room");
    }
}
