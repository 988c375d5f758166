//! NMEA 0183: single sentences, receiver logs as gpsd reads them, files as gpsbabel reads them.

use super::*;
use std::collections::BTreeSet;

/// Microseconds since midnight.
type TimeOfDay = i64;

fn time_of_day(text: &str) -> Option<TimeOfDay> {
    let text = text.trim();
    let digits = text.get(..6)?.parse::<i64>().ok()?;
    let fraction: f64 = format!("0{}", text.get(6..).unwrap_or("")).parse().unwrap_or(0.0);
    let seconds = (digits / 10_000 * 60 + digits / 100 % 100) * 60 + digits % 100;
    Some(seconds * 1_000_000 + (fraction * 1e6).round() as i64)
}

/// The time that a sentence carries, if it is one of those that make an instant.
fn time_of_sentence(sentence: &str) -> Option<TimeOfDay> {
    let fields: Vec<&str> = sentence.split(',').collect();
    let at = match sentence.get(3..6)? {
        "RMC" | "GGA" | "GNS" => 1,
        "GLL" => 5,
        _ => return None,
    };
    fields.get(at).and_then(|field| time_of_day(field))
}

fn moment(line: &Value) -> i64 {
    line["event_time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

fn near(got: &Value, want: &Value, tolerance: f64) -> bool {
    match (got.as_f64(), want.as_f64().or_else(|| want.as_str()?.parse().ok())) {
        (Some(got), Some(want)) => (got - want).abs() <= tolerance,
        (None, None) => true,
        _ => false,
    }
}

fn bytes_of_base64(text: &str) -> Vec<u8> {
    let value =
        |c: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|b| *b == c);
    let values: Vec<usize> = text.bytes().filter_map(value).collect();
    let groups = values.chunks(4).flat_map(|group| {
        let bits = group.iter().fold(0, |bits, value| bits << 6 | value) << (6 * (4 - group.len()));
        let bytes = [bits >> 16, bits >> 8, bits].map(|byte| byte as u8);
        bytes.into_iter().take(group.len() - 1)
    });
    groups.collect()
}

#[test]
fn single_sentences_are_read_or_refused_as_their_vectors_say() {
    let Some(vectors) = vectors("nmea_sentences.jsonl.gz") else { return };
    let mut differences = BTreeMap::new();
    let mut positions = 0;
    for vector in &vectors {
        let (id, sentence) = (vector["id"].as_str().unwrap(), vector["sentence"].as_str().unwrap());
        let lines = decoded("nmea", &bytes_of_hex(vector["hex"].as_str().unwrap()).unwrap(), Transport::Tcp);
        let refused = !lines.is_empty() && !lines.iter().any(is_frame);
        let expected = &vector["expected"];
        if expected.get("must_reject").is_some() {
            if !refused {
                differences.insert(id.to_owned(), format!("{sentence} {lines:?}"));
            }
            continue;
        }
        // Of the sentences that carry a time, each gives its position; of all others nothing is wanted.
        let Some(time) = time_of_sentence(sentence) else {
            if !lines.is_empty() {
                differences.insert(id.to_owned(), format!("{sentence} {lines:?}"));
            }
            continue;
        };
        let fields: Vec<&str> = sentence.split(',').collect();
        let at =
            if &sentence[3..6] == "GLL" { 1 } else { fields.iter().position(|f| *f == "N" || *f == "S").unwrap() - 1 };
        let degrees = |text: &str, cut: usize, side: &str| {
            let value = text[..cut].parse::<f64>().unwrap() + text[cut..].parse::<f64>().unwrap() / 60.0;
            if side == "S" || side == "W" { -value } else { value }
        };
        let want = (degrees(fields[at], 2, fields[at + 1]), degrees(fields[at + 2], 3, fields[at + 3]));
        let [line] = &lines[..] else { panic!("{id}: {lines:?}") };
        assert!(near(&line["lat"], &want.0.into(), 1e-9) && near(&line["lon"], &want.1.into(), 1e-9), "{id}: {line}");
        assert_eq!(moment(line), time, "{id}");
        if let Some(repr) = expected["pynmeagps_repr"].as_str() {
            assert!(repr.contains(&format!("lat={:.4}", (want.0 * 1e4).trunc() / 1e4)), "{repr}");
        }
        positions += 1;
    }
    assert!(positions >= 4, "{positions}");
    check_differences("Single sentences", &differences);
}

#[test]
fn receivers_are_read_as_gpsd_reads_them() {
    let Some(vectors) = vectors("nmea_gpsd_logs.jsonl.gz") else { return };
    let mut differences = BTreeMap::new();
    let (mut instants, mut unlike) = (0, 0);
    for vector in &vectors {
        let id = vector["id"].as_str().unwrap();
        let lines = decoded("nmea", &bytes_of_base64(vector["input_b64"].as_str().unwrap()), Transport::Tcp);
        let frames: Vec<&Value> = lines.iter().filter(|line| is_frame(line)).collect();
        // What gpsd says at each instant that it vouches for.
        let mut told: BTreeMap<TimeOfDay, Vec<&Value>> = BTreeMap::new();
        let mut now = None;
        for report in vector["expected_stream"].as_array().unwrap() {
            for sentence in report["after"].as_array().unwrap() {
                now = time_of_sentence(sentence.as_str().unwrap()).or(now);
            }
            let tpv = &report["tpv"];
            if let Some(now) = now.filter(|_| tpv["mode"].as_i64() >= Some(2) && tpv.get("lat").is_some()) {
                told.entry(now).or_default().push(tpv);
            }
        }
        let mut what = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for frame in &frames {
            let time = moment(frame).rem_euclid(86_400_000_000);
            let fixed = frame.get("no_fix").is_none();
            let Some(reports) = told.get(&time) else {
                if fixed {
                    what.insert(format!("a fix at {time} where gpsd has none: {frame}"));
                }
                continue;
            };
            seen.insert(time);
            instants += 1;
            let like = |got: &str, want: &str, tolerance: f64| {
                reports.iter().any(|tpv| tpv.get(want).is_some() && near(&frame[got], &tpv[want], tolerance))
                    || reports.iter().all(|tpv| tpv.get(want).is_none())
            };
            let right = [
                ("fix", fixed),
                ("lat", like("lat", "lat", 2e-6)),
                ("lon", like("lon", "lon", 2e-6)),
                ("altitude", like("altitude_m", "altMSL", 0.06)),
                ("speed", like("speed_mps", "speed", 0.06)),
                ("heading", like("heading_deg", "track", 0.06)),
            ];
            for (name, _) in right.iter().filter(|(_, right)| !right) {
                unlike += 1;
                what.insert(format!("{name} at {time}: {frame} {reports:?}"));
            }
        }
        for time in told.keys().filter(|time| !seen.contains(time)) {
            what.insert(format!("nothing at {time}"));
        }
        if let Some(first) = what.first() {
            differences.insert(
                id.to_owned(),
                format!("{} times, such as {}", what.len(), &first.chars().take(700).collect::<String>()),
            );
        }
    }
    assert!(instants > 1_000, "{instants} instants, {unlike} unlike");
    check_differences("Receiver logs", &differences);
}

#[test]
fn files_are_read_as_gpsbabel_reads_them() {
    let Some(vectors) = vectors("nmea_gpsbabel.jsonl.gz") else { return };
    let mut differences = BTreeMap::new();
    for vector in &vectors {
        let id = vector["id"].as_str().unwrap();
        let bytes = bytes_of_base64(vector["input_b64"].as_str().unwrap());
        let mut config = shown("nmea").unwrap();
        if let (CodecConfig::Nmea(nmea), true) = (&mut config, vector["option"].as_str().unwrap().contains("20190308"))
        {
            nmea.date = NmeaConfig::day_of("2019-03-08");
        }
        let mut lines: Vec<Value> = Vec::new();
        decode(&config, &bytes, Transport::Tcp, |line| lines.push(serde_json::from_str(&line).unwrap())).unwrap();
        let expected = vector["expected"].as_array().unwrap();
        let alike = expected.len() == lines.len()
            && lines.iter().zip(expected).all(|(line, want)| {
                let (lat, lon) =
                    (want.get("lat").unwrap_or(&want["Latitude"]), want.get("lon").unwrap_or(&want["Longitude"]));
                let time = match want["time"].as_str() {
                    Some(time) => time.to_owned(),
                    None => {
                        let part = |name: &str| want[name].as_str().unwrap();
                        format!("{}T{}Z", part("Date").replace('/', "-"), part("Time"))
                    }
                };
                let time = time.parse::<jiff::Timestamp>().unwrap().as_microsecond();
                let optional = |got: &str, names: [&str; 2], tolerance: f64| {
                    names.iter().filter_map(|name| want.get(*name)).all(|want| near(&line[got], want, tolerance))
                };
                // gpsbabel writes milliseconds, and rounds.
                is_frame(line)
                    && near(&line["lat"], lat, 6e-7)
                    && near(&line["lon"], lon, 6e-7)
                    && (moment(line) - time).abs() <= 500
                    && optional("altitude_m", ["alt", "Altitude"], 0.06)
                    && optional("satellites", ["sats", "Satellites"], 0.0)
                    && optional("hdop", ["hdop", "HDOP"], 0.006)
            });
        if !alike {
            differences.insert(id.to_owned(), format!("{} frames and rejects for {}", lines.len(), expected.len()));
        }
    }
    check_differences("Files", &differences);
}
