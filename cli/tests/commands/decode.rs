//! `rhumb decode`: what bytes mean.

use crate::support::{Site, Told};
use crate::{check_refused, lines};
use expect_test::expect;
use serde_json::json;
use std::io::Write;

/// With what stands on standard input.
fn fed(site: &Site, arguments: &[&str], input: &[u8]) -> Told {
    let mut command = site.command(env!("CARGO_BIN_EXE_rhumb"));
    let piped = std::process::Stdio::piped;
    let mut child =
        command.args(arguments).stdin(piped()).stdout(piped()).stderr(piped()).spawn().expect("rhumb starts");
    child.stdin.take().expect("it is piped").write_all(input).expect("it reads");
    Told::of(child.wait_with_output().expect("it ends"))
}

#[test]
fn decode_says_what_bytes_mean() {
    let site = Site::new();
    let frames = "id,ts,lat,lon,speed\ncar,1767592800,30.25,-97.75,12.5\ncar,soon,1,2,3\n";
    site.write("frames.csv", frames);
    expect![[r#"
        {"vehicle_id":"car","event_time":"2026-01-05T06:00:00Z","lat":30.25,"lon":-97.75,"speed_mps":12.5}
        {"reject":"undecodable","detail":"event_time (from ts) is not a time: \"soon\" (expected RFC 3339 with an offset, or seconds, milliseconds or microseconds since 1970)","raw_hex":"6361722c736f6f6e2c312c322c33","offset":53}
    "#]].assert_eq(&site.done(&["decode", "csv", "frames.csv"]).stdout);
    let object = br#"{"id": "car", "ts": "2026-01-05T06:00:00Z", "lat": 30.25, "lon": -97.75}"#;
    let plain = fed(&site, &["decode", "json", "--transport", "udp"], object);
    assert_eq!(
        lines(&plain.stdout),
        [json!({"vehicle_id": "car", "event_time": "2026-01-05T06:00:00Z", "lat": 30.25, "lon": -97.75})]
    );
    let digits: String = object.iter().map(|byte| format!("{byte:02x} ")).collect();
    assert_eq!(fed(&site, &["decode", "json", "--hex"], digits.as_bytes()).stdout, plain.stdout);
    assert_eq!(fed(&site, &["decode", "binary", "--transport", "udp"], b"noise").exit, 0, "a reject is an answer");
}

#[test]
fn decode_refuses_what_it_cannot_do() {
    let site = Site::new();
    site.write("digits", "0g");
    site.write("headless.csv", "id,ts,lat\na,1,2\n");
    check_refused(
        &site,
        2,
        &[&["decode"], &["decode", "smoke", "digits"], &["decode", "json", "--transport", "pigeon"]],
        expect![[r#"
            decode
                error: the following required arguments were not provided:
                <CODEC>
            decode smoke digits
                error: there is no codec "smoke"; there are json, csv, binary, teltonika, nmea
            decode json --transport pigeon
                error: invalid value 'pigeon' for '--transport <TRANSPORT>'
                [possible values: udp, tcp]
        "#]],
    );
    check_refused(
        &site,
        1,
        &[&["decode", "json", "none"], &["decode", "json", "--hex", "digits"], &["decode", "csv", "headless.csv"]],
        expect![[r#"
            decode json none
                error: read none: No such file or directory (os error 2)
            decode json --hex digits
                error: byte 1 is not a hexadecimal digit: 'g'
            decode csv headless.csv
                error: no column for lon (looked for lon, lng, longitude); the columns are id, ts, lat
        "#]],
    );
}
