//! Teltonika's codecs.

use super::*;

fn near(line: &Value, name: &str, want: f64) -> bool {
    line[name].as_f64().is_some_and(|value| (value - want).abs() <= 1e-6 * want.abs().max(1.0))
}

fn micros(line: &Value) -> Option<i64> {
    line["event_time"].as_str()?.parse::<jiff::Timestamp>().ok().map(|time| time.as_microsecond())
}

/// What of a frame is not as the vector has it.
fn difference(line: &Value, want: &Value) -> Option<String> {
    let number = |name: &str| want[name].as_f64().unwrap();
    let mut wrong = Vec::new();
    let mut check = |name: &'static str, right: bool| wrong.extend((!right).then_some(name));
    check("time", micros(line) == Some(want["ts_ms"].as_i64().unwrap() * 1000));
    check("lat", near(line, "lat", number("lat")));
    check("lon", near(line, "lon", number("lon")));
    check("altitude", near(line, "altitude_m", number("alt")));
    check("speed", near(line, "speed_mps", number("speed_kmh") / 3.6));
    check("course", near(line, "heading_deg", number("course")));
    check("satellites", line["satellites"] == want["sats"]);
    check("priority", line["priority"] == want["priority"]);
    check("event", line["event_io_id"] == want["event_io_id"]);
    check("no fix", (want["sats"] == 0) == (line["no_fix"] == true));
    check("generation type", want.get("generation_type").is_none_or(|want| line["generation_type"] == *want));
    let mut io = want["io"].as_object().unwrap().clone();
    io.extend(want.get("io_var_hex").and_then(Value::as_object).cloned().unwrap_or_default());
    check("io", line["io"].as_object() == Some(&io));
    (!wrong.is_empty()).then(|| format!("{}: {line} against {want}", wrong.join(", ")))
}

#[test]
fn every_vector_is_decoded_as_it_says_or_the_difference_is_told() {
    let Some(vectors) = vectors("teltonika.jsonl.gz") else { return };
    let mut differences = BTreeMap::new();
    let mut frames_seen = 0;
    for vector in &vectors {
        let id = vector["id"].as_str().unwrap();
        let transport = if vector["transport"] == "udp" { Transport::Udp } else { Transport::Tcp };
        let must_reject = vector["must_reject"].is_array();
        // What is no hexadecimal number, the command refuses.
        let Some(bytes) = bytes_of_hex(vector["hex"].as_str().unwrap()) else {
            assert!(must_reject, "{id}");
            continue;
        };
        let lines = decoded("teltonika", &bytes, transport);
        let frames: Vec<&Value> = lines.iter().filter(|line| is_frame(line)).collect();
        let refused = frames.is_empty() && !lines.is_empty();
        let mut differs = |what: String| differences.insert(id.to_owned(), what);
        if must_reject {
            assert!(refused, "{id}: {lines:?}");
        } else if let Some(expected) = vector["expected"].as_array() {
            assert_eq!((frames.len(), lines.len()), (expected.len(), expected.len()), "{id}: {lines:?}");
            let imei = vector["frame"]["imei"].as_str().unwrap_or("unknown");
            for (frame, want) in frames.iter().zip(expected) {
                assert_eq!(frame["vehicle_id"], imei, "{id}");
                if let Some(what) = difference(frame, want) {
                    differs(what);
                }
                frames_seen += 1;
            }
        } else {
            let assertion = vector["upstream_assertion"][0].as_str().unwrap_or_default();
            let decodes = assertion.contains("non-empty list") || assertion.contains("decodes successfully");
            assert!(frames.is_empty(), "{id}: {lines:?}");
            if decodes {
                differs(format!("{assertion}; we: {lines:?}"));
            }
        }
    }
    assert!(frames_seen > 60, "{frames_seen}");
    check_differences("Teltonika", &differences);
}

#[test]
fn byte_before_a_login_is_a_frame_of_its_own() {
    let Some(vectors) = vectors("traccar_framing.jsonl.gz") else { return };
    let mine: Vec<&Value> = vectors.iter().filter(|vector| vector["protocol"] == "teltonika").collect();
    assert!(!mine.is_empty());
    for vector in mine {
        let bytes = bytes_of_hex(vector["input_hex"].as_str().unwrap()).unwrap();
        // A ping and a login say nothing of any position; a broken frame would be rejected.
        assert_eq!(decoded("teltonika", &bytes, Transport::Tcp), Vec::<Value>::new());
    }
}
