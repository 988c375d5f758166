//! Recordings of real vehicles, against the `csv` crate row by row.

#[path = "../../../../tests/needed.rs"]
mod needed;

use super::*;
use std::io::Read;

/// A recording, if the folder of recordings is there.
fn trace(name: &str) -> Option<Vec<u8>> {
    let packed = std::fs::read(needed::real_data("traces")?.join(name)).unwrap();
    let mut bytes = Vec::new();
    match name.ends_with(".zst") {
        true => zstd::Decoder::new(&packed[..]).unwrap().read_to_end(&mut bytes).unwrap(),
        false => flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap(),
    };
    Some(bytes)
}

#[test]
fn real_recordings_give_the_frames_that_the_csv_crate_gives() {
    for name in [
        "liverpool_bus_route14.csv.gz",
        "austin_capmetro_buses_2015_2017.csv.zst",
        "rome_taxi_first2min_sample.csv.gz",
        "nmea_rmc_tracks.csv.gz",
        "gpx_mixed_tracks.csv.gz",
    ] {
        let Some(bytes) = trace(name) else { continue };
        let mut plain = csv::Reader::from_reader(&bytes[..]);
        let headers = plain.headers().unwrap().clone();
        let column = |name: &str| headers.iter().position(|header| header == name);
        let mut rows = plain.records().map(Result::unwrap);
        let mut reader = Reader::new();
        let mut codec = CodecConfig::named("csv").unwrap().open();
        let mut at = codec.preamble(&bytes, true).unwrap().unwrap();
        let mut frames = 0;
        while at < bytes.len() {
            let end = bytes.len().min(at + 300_000);
            let place = Place { offset: at as i64, received_at: RECEIVED_AT };
            at += codec.stream(&bytes[at..end], end == bytes.len(), place, &mut reader.out);
            reader.each(|out| {
                let Out::Frame(frame, _) = out else { panic!("{name}: {}", line(&out)) };
                let row = rows.next().unwrap();
                let cell = |name: &str| column(name).and_then(|column| row.get(column)).filter(|cell| !cell.is_empty());
                let float = |name: &str| cell(name).map(|cell| cell.parse::<f64>().unwrap());
                assert_eq!(frame.vehicle, cell("vehicle_id").unwrap());
                assert_eq!(frame.event_time.0, cell("ts").unwrap().parse::<i64>().unwrap() * 1000);
                assert_eq!((Some(frame.lat), Some(frame.lon)), (float("lat"), float("lon")));
                assert_eq!(frame.speed_mps, float("speed_mps").map(|v| v as f32));
                assert_eq!(frame.heading_deg, float("heading_deg").map(|v| v as f32));
                assert_eq!(frame.no_fix, cell("valid") == Some("False"));
                frames += 1;
            });
        }
        assert!(rows.next().is_none() && frames > 400, "{name}: {frames}");
    }
}
