//! `lake/history/<case>/<implementation>`: frames to durable Parquet segments, in rows a second.
//!
//! `rhumb` is the sink: batches in, sorted and encoded segments on the disk. `arrow_writer_best` is handed the same
//! rows already sorted and in one piece, with the settings that the sink chose: the limit of what any code above
//! `ArrowWriter` can reach. `arrow_writer_plain` is what one writes first: default settings with zstd, strings as strings,
//! rows as they came.

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, TimestampMicrosecondType};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rhumb_benches::traces;
use rhumb_benches::workload::{Input, sized};
use rhumb_connectors::lake::LakePlan;
use rhumb_engine::builder::{ClockRules, Delivery, FrameBuilder};
use rhumb_engine::effects::Effects;
use rhumb_engine::frame::{Frame, Origin, ZoneLists, core_columns, zone_ids_column};
use rhumb_engine::message::Output;
use rhumb_engine::retry::Retry;
use rhumb_engine::sink::{Segment, Sink, SinkContext, SinkPlan};
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH_ROWS: usize = 8192;
const START: i64 = 1_760_000_000_000_000;

struct Case {
    name: &'static str,
    vehicles: u32,
    /// Coordinates are multiples of this many degrees: a device's resolution.
    grid_deg: f64,
    /// With what devices say beside the position, and zones.
    full: bool,
}

const CASES: &[Case] = &[
    Case { name: "core_random", vehicles: 50_000, grid_deg: 0.0, full: false },
    Case { name: "core_cabs", vehicles: 500, grid_deg: 0.00001, full: false },
    Case { name: "all_columns", vehicles: 5_000, grid_deg: 0.00001, full: true },
];

struct Workload {
    context: SinkContext,
    outputs: Vec<Output>,
    rows: usize,
}

/// San Francisco's cabs of one day, as their recording has them; `None` where it is not there.
fn recorded() -> Option<Workload> {
    const DAY_MS: i64 = 86_400_000;
    let mut rows = traces::cabs(sized(1 << 20, 1 << 16), "lake/history/sf_cabs")?;
    // A day has one segment.
    let day = rows[rows.len() / 2].ts / DAY_MS;
    rows.retain(|row| row.ts / DAY_MS == day);
    let input = Input::recorded(&rows);
    let vehicles = vec![input.vehicles.clone()];
    let output = |delivery: Delivery| Output { shard: 0, frames: delivery.frames, effects: Effects::default() };
    let (frames, outputs) = (input.frames, input.batches.into_iter().map(output).collect());
    Some(Workload { context: context(vehicles), outputs, rows: frames })
}

fn context(vehicles: Vec<Arc<Vehicles>>) -> SinkContext {
    let mut history = core_columns();
    history.push(zone_ids_column());
    SinkContext {
        pipeline: "bench".to_owned(),
        data: "".into(),
        bucket: None,
        retry: Arc::new(Retry::off()),
        claim: 1,
        instance: None,
        live_claims: Default::default(),
        vehicles,
        history,
        tables: Vec::new(),
    }
}

fn workload(case: &Case) -> Workload {
    let rows = sized(1 << 20, 1 << 16);
    let mut random = StdRng::seed_from_u64(7);
    let vehicles = vec![Arc::new(Vehicles::default()), Arc::new(Vehicles::default())];
    let origin = Origin { source: "trackers".into(), partition: "0".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX / 2 };
    let mut builder = FrameBuilder::new(&vehicles, origin, clocks);
    let ids: Vec<String> = (0..case.vehicles).map(|v| format!("vehicle-{v:06}")).collect();
    let mut places: Vec<(f64, f64)> =
        ids.iter().map(|_| (random.random_range(37.6..37.9), random.random_range(-122.6..-122.3))).collect();
    let zones = Arc::new(StringArray::from_iter_values((0..200).map(|z| format!("zone-{z:04}"))));
    let mut outputs = Vec::new();
    let on_grid = |v: f64| if case.grid_deg > 0.0 { (v / case.grid_deg).round() * case.grid_deg } else { v };
    for row in 0..rows {
        let v = row % ids.len();
        let place = &mut places[v];
        place.0 += random.random_range(-0.0005..0.0005);
        place.1 += random.random_range(-0.0005..0.0005);
        let at = EventTime(START + (row / ids.len()) as i64 * 10_000_000 + random.random_range(0..1_000_000));
        builder.at(row as i64, EventTime(at.0 + random.random_range(0..50_000)));
        let full = case.full;
        builder.push(&Frame {
            vehicle: &ids[v],
            event_time: at,
            lat: on_grid(place.0),
            lon: on_grid(place.1),
            speed_mps: full.then(|| random.random_range(0..300) as f32 / 10.0),
            heading_deg: full.then(|| random.random_range(0..360) as f32),
            satellites: full.then(|| random.random_range(4..14)),
            ..Frame::default()
        });
        if builder.len() == 2 * BATCH_ROWS || row + 1 == rows {
            for (shard, delivery) in builder.finish().into_iter().enumerate() {
                let mut frames = delivery.frames;
                if full {
                    let lengths = (0..frames.len()).map(|_| random.random_range(0..3));
                    let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
                    let inside = 0..*offsets.last().expect("offsets start with 0");
                    let inside: Vec<u32> = inside.map(|_| random.random_range(0..200)).collect();
                    frames.zones = Some(ZoneLists { offsets, zones: inside.into(), ids: zones.clone() });
                }
                outputs.push(Output { shard, frames, effects: Effects::default() });
            }
        }
    }
    Workload { context: context(vehicles), outputs, rows }
}

/// An open lake in a folder.
fn open(work: &Workload, data: &Path) -> Box<dyn Sink> {
    let context = SinkContext { data: data.to_owned(), ..work.context.clone() };
    LakePlan::default().open(&context).expect("the lake opens")
}

/// The sink, from batches to durable segments.
fn rhumb(work: &Workload, sink: &mut dyn Sink, epoch: u64) -> Vec<Segment> {
    for output in &work.outputs {
        sink.write(output).expect("rows are written");
    }
    sink.prepare(epoch).expect("the epoch is durable")
}

/// The rows as the sink wrote them, with dictionaries where it has them.
fn sorted_rows(file: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).expect("a file")).expect("a Parquet file");
    let batches: Vec<RecordBatch> = reader.build().expect("a reader").map(|b| b.expect("rows")).collect();
    let rows = concat_batches(&batches[0].schema(), &batches).expect("one schema");
    let repeating = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let column = |field: &Field, array: &ArrayRef| match field.name().as_str() {
        "vehicle_id" | "source" => cast(array, &repeating).expect("strings have dictionaries"),
        "zone_ids" => {
            let item = Arc::new(Field::new("element", repeating.clone(), false));
            cast(array, &DataType::List(item)).expect("strings have dictionaries")
        }
        _ => array.clone(),
    };
    let schema = rows.schema();
    let columns: Vec<ArrayRef> = schema.fields().iter().zip(rows.columns()).map(|(f, a)| column(f, a)).collect();
    let fields = schema.fields().iter().zip(&columns);
    let fields: Vec<Field> =
        fields.map(|(f, a)| Field::new(f.name(), a.data_type().clone(), f.is_nullable())).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of one length")
}

/// The rows as they came, without dictionaries.
fn plain_rows(work: &Workload) -> Vec<RecordBatch> {
    let of = |output: &Output| {
        let frames = &output.frames;
        let ids = &work.context.vehicles[output.shard];
        let mut columns: Vec<(String, ArrayRef, bool)> = Vec::new();
        for field in &work.context.history {
            let array: ArrayRef = match field.name().as_str() {
                "vehicle_id" => Arc::new(StringArray::from_iter_values(frames.slots().iter().map(|s| ids.id(*s)))),
                "source" => Arc::new(StringArray::from_iter_values(frames.slots().iter().map(|_| "trackers"))),
                "zone_ids" => {
                    let zones = frames.zone_ids().map(|z| cast(&z, field.data_type()).expect("strings"));
                    zones.unwrap_or_else(|| new_null_array(field.data_type(), frames.len()))
                }
                name => frames.column(name).unwrap_or_else(|| new_null_array(field.data_type(), frames.len())),
            };
            columns.push((field.name().clone(), array, field.is_nullable()));
        }
        columns.push(("epoch".to_owned(), Arc::new(Int64Array::from_value(1, frames.len())), false));
        RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
    };
    work.outputs.iter().filter(|o| !o.frames.is_empty()).map(of).collect()
}

/// The settings that the sink chose, as the file says.
fn settings_of(file: &Path) -> WriterProperties {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).expect("a file")).expect("a Parquet file");
    let mut settings = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_write_batch_size(4096)
        .set_column_bloom_filter_fpp(ColumnPath::from("vehicle_id"), 0.01);
    for column in reader.metadata().row_group(0).columns() {
        let path = column.column_path().clone();
        let encodings: Vec<Encoding> = column.encodings().collect();
        settings = settings.set_column_compression(path.clone(), column.compression());
        let dictionary = encodings.contains(&Encoding::RLE_DICTIONARY);
        settings = settings.set_column_dictionary_enabled(path.clone(), dictionary);
        for encoding in [Encoding::DELTA_BINARY_PACKED, Encoding::BYTE_STREAM_SPLIT] {
            if encodings.contains(&encoding) {
                settings = settings.set_column_encoding(path.clone(), encoding);
            }
        }
    }
    settings.build()
}

fn arrow_writer<'a>(
    rows: impl Iterator<Item = &'a RecordBatch>,
    schema: Arc<Schema>,
    settings: WriterProperties,
    to: &Path,
) -> u64 {
    let file = File::create(to).expect("a new file");
    let options = ArrowWriterOptions::new().with_properties(settings).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(&file, schema, options).expect("a writer");
    for batch in rows {
        writer.write(batch).expect("rows are written");
    }
    let metadata = writer.close().expect("the file is whole");
    file.sync_all().expect("the file is durable");
    metadata.file_metadata().num_rows() as u64
}

fn history(criterion: &mut Criterion) {
    for (case, work) in CASES.iter().map(|case| (case.name, Some(workload(case)))).chain([("sf_cabs", recorded())]) {
        let Some(work) = work else { continue };
        let folder = tempfile::tempdir().expect("a folder");
        let mut sink = open(&work, folder.path());
        let segments = rhumb(&work, sink.as_mut(), 1);
        let [segment] = &segments[..] else { panic!("one segment of one day") };
        assert_eq!(segment.rows, work.rows as u64);
        let name = segment.path.rsplit('/').next().expect("a file name");
        let (file, bytes) = (folder.path().join("lake/_staging/history").join(name), segment.bytes);
        let sorted = sorted_rows(&file);
        check_sorted(&sorted);
        let settings = settings_of(&file);
        let plain = plain_rows(&work);
        let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("level 1"));
        let plain_settings = WriterProperties::builder().set_compression(zstd).build();

        let best_file = folder.path().join("best");
        arrow_writer([&sorted].into_iter(), sorted.schema(), settings.clone(), &best_file);
        let best_bytes = best_file.metadata().expect("a file").len();
        println!(
            "{case}: {:.1} bytes a row, arrow_writer_best {:.1}",
            bytes as f64 / work.rows as f64,
            best_bytes as f64 / work.rows as f64
        );

        let mut group = criterion.benchmark_group(format!("lake/history/{case}"));
        group
            .throughput(Throughput::Elements(work.rows as u64))
            .sample_size(10)
            .measurement_time(Duration::from_secs(5));
        group.bench_function("rhumb", |b| {
            let mut epoch = 1;
            b.iter(|| {
                epoch += 1;
                let segments = rhumb(&work, sink.as_mut(), epoch);
                assert_eq!(segments.iter().map(|s| s.rows).sum::<u64>(), work.rows as u64);
            });
        });
        group.bench_function("arrow_writer_best", |b| {
            b.iter(|| {
                let rows = arrow_writer([&sorted].into_iter(), sorted.schema(), settings.clone(), &best_file);
                assert_eq!(rows, work.rows as u64);
            });
        });
        group.bench_function("arrow_writer_plain", |b| {
            b.iter(|| {
                let rows = arrow_writer(plain.iter(), plain[0].schema(), plain_settings.clone(), &best_file);
                assert_eq!(rows, work.rows as u64);
            });
        });
        group.finish();
    }
}

/// What the sink promises of every segment.
fn check_sorted(rows: &RecordBatch) {
    let vehicles = cast(rows.column(0), &DataType::Utf8).expect("strings");
    let (vehicles, times) = (vehicles.as_string::<i32>(), rows.column(1).as_primitive::<TimestampMicrosecondType>());
    for row in 1..rows.num_rows() {
        assert!(
            (vehicles.value(row - 1), times.value(row - 1)) <= (vehicles.value(row), times.value(row)),
            "row {row}"
        );
    }
}

criterion_group!(benches, history);
criterion_main!(benches);
