//! Rejects go in as they came, at their places, from where their partitions have come.

use super::*;
use crate::codec::csv::CsvConfig;
use crate::codec::json::JsonConfig;
use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray};
use rhumb_engine::builder::{ClockRules, Delivery};
use rhumb_engine::frame::{Frame, Origin, timestamps};
use rhumb_engine::reject::frame_as_json;
use rhumb_engine::time::SystemClock;
use rhumb_engine::vehicle::Vehicles;

/// Epoch, number, reason, partition, raw.
type Kept = (i64, i64, &'static str, &'static str, Vec<u8>);

struct Once(Option<RecordBatch>);

impl Rejected for Once {
    fn next(&mut self) -> Result<Option<RecordBatch>, Box<dyn Error + Send + Sync>> {
        Ok(self.0.take())
    }
}

fn batch(kept: &[Kept]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("epoch", Arc::new(Int64Array::from_iter_values(kept.iter().map(|of| of.0)))),
        ("number", Arc::new(Int64Array::from_iter_values(kept.iter().map(|of| of.1)))),
        ("reason", Arc::new(StringArray::from_iter_values(kept.iter().map(|of| of.2)))),
        ("redriven", Arc::new(BooleanArray::from(vec![None; kept.len()]))),
        ("partition", Arc::new(StringArray::from_iter_values(kept.iter().map(|of| of.3)))),
        ("offset", Arc::new(Int64Array::from_iter_values(kept.iter().map(|of| of.1 * 100)))),
        ("received_at", Arc::new(timestamps(kept.iter().map(|of| 1_000_000 + of.1).collect::<Vec<_>>()))),
        ("lat", Arc::new(Float64Array::from(vec![Some(1.5); kept.len()]))),
        ("lon", Arc::new(Float64Array::from(vec![Some(f64::NAN); kept.len()]))),
        ("raw", Arc::new(BinaryArray::from_iter_values(kept.iter().map(|of| of.4.as_slice())))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// What goes in, as `vehicle@offset` or `reason@offset`, by partition, and the position after it.
fn redriven(codec: CodecConfig, came: Came, kept: &[Kept]) -> (Vec<String>, Position, Option<String>) {
    let all = batch(kept);
    let open: OpenRejected = Arc::new(move |_| Ok(Box::new(Once(Some(all.clone()))) as Box<dyn Rejected>));
    let plan = RedrivePlan { source: "s".to_owned(), codec, came, open };
    let mut source = plan.open(Arc::new(SystemClock)).unwrap().remove(0);
    let vehicles = Arc::new(Vehicles::default());
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
    let origin = Origin { source: "s".into(), partition: "s".into() };
    let mut out = FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks).with_columns(&plan.columns());
    let (mut seen, mut error) = (Vec::new(), None);
    loop {
        let polled = source.poll(&mut out, Duration::ZERO);
        let Delivery { frames, rejects, .. } = out.finish().remove(0);
        for row in 0..frames.len() {
            let frame = frames.frame(row, &vehicles);
            let received_at = frame.received_at.unwrap().0 - 1_000_000;
            seen.push(format!(
                "{} {}@{} {received_at}",
                frames.partition(row),
                frame.vehicle,
                frames.offset.value(row)
            ));
        }
        seen.extend(rejects.iter().map(|of| format!("{} {}@{}", of.partition, of.reason.name(), of.offset)));
        match polled {
            Ok(Polled::End) => break,
            Ok(_) => {}
            Err(cause) => {
                error = Some(cause.to_string());
                break;
            }
        }
    }
    (seen, source.position(), error)
}

fn json(vehicle: &str) -> Vec<u8> {
    format!("{{\"id\":\"{vehicle}\",\"ts\":1,\"lat\":1,\"lon\":2}}").into_bytes()
}

#[test]
fn bytes_go_through_the_codec_and_frames_do_not() {
    let frame = Frame { vehicle: "framed", event_time: EventTime(7), lat: 1.5, lon: f64::NAN, ..Frame::default() };
    let kept = [
        (3, 0, "undecodable", "a", json("bytes")),
        (3, 1, "speed_max", "a", frame_as_json(&frame).into_bytes()),
        (3, 2, "undecodable", "b", b"nonsense".to_vec()),
        (4, 0, "vehicle_id", "b", json("login")),
    ];
    for came in [Came::Datagrams, Came::Stream(Arc::new(|_| None))] {
        let (seen, position, error) = redriven(CodecConfig::Json(JsonConfig::default()), came, &kept);
        assert_eq!(seen, ["a bytes@0 0", "a framed@100 1", "b login@0 0", "b undecodable@200"]);
        let next = [("s/speed_max", place(3, 2)), ("s/undecodable", place(3, 3)), ("s/vehicle_id", place(4, 1))];
        assert_eq!(position.offsets, next.map(|(of, place)| (of.to_owned(), place)).into());
        assert_eq!(error, None);
    }
}

#[test]
fn rows_of_csv_need_the_first_line_of_their_file() {
    let kept =
        [(1, 0, "undecodable", "a.csv", b"car,1,2,3".to_vec()), (1, 1, "undecodable", "b.csv", b"car,1,2,3".to_vec())];
    let head = |partition: &str| (partition == "a.csv").then(|| b"vehicle_id,event_time,lat,lon\nbus,1,2,3\n".to_vec());
    let codec = CodecConfig::Csv(CsvConfig::default());
    let (seen, position, error) = redriven(codec, Came::Stream(Arc::new(head)), &kept);
    assert_eq!(seen, ["a.csv car@0 0"]);
    assert_eq!(position.offsets, [("s/undecodable".to_owned(), place(1, 1))].into(), "the rest waits");
    let error = error.unwrap();
    assert!(error.contains("the first line of b.csv") && error.contains("put it back"), "{error}");
}

#[test]
fn each_source_takes_its_own_partitions_up() {
    let open: OpenRejected = Arc::new(|_| Ok(Box::new(Once(None)) as Box<dyn Rejected>));
    let codec = CodecConfig::Json(JsonConfig::default());
    let plan = RedrivePlan { source: "s".to_owned(), codec, came: Came::Datagrams, open };
    let mut source = plan.open(Arc::new(SystemClock)).unwrap().remove(0);
    let offsets = [("s/range", 5), ("s2/range", 6), ("s/range/again", 7)].map(|(name, at)| (name.to_owned(), at));
    source.seek(&Position { offsets: offsets.clone().into(), ..Position::default() }).unwrap();
    let own = [offsets[0].clone(), offsets[2].clone()];
    assert_eq!(source.position().offsets, own.into(), "the position of another is not its to keep");
}
