//! Where frames are sent to, and how they are written there: what `simulate` and `replay` share.

use super::Exit;
use anyhow::Context;
use rhumb_connectors::codec::binary::{BinaryEncoder, Positions};
use rhumb_connectors::kafka::KafkaSend;
use rhumb_connectors::simulate::{Csv, Encode, Ndjson, Outgoing, Rate, SendOptions, send, write};
use rhumb_engine::frame::Frame;
use std::net::SocketAddr;
use std::path::Path;

/// Codecs that frames can be written in.
pub(super) const CODECS: [&str; 3] = ["csv", "json", "binary"];
const PACKET_BYTES: usize = 2048;

/// The binary codec, a frame a datagram.
struct Binary(BinaryEncoder);

impl Encode for Binary {
    fn encode(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        self.0.push(frame).expect("a frame fits into an empty packet");
        out.extend_from_slice(self.0.datagram());
    }
}

/// As `Binary`, in a file: with the length before each packet.
struct BinaryRecords(BinaryEncoder);

impl Encode for BinaryRecords {
    fn encode(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        self.0.push(frame).expect("a frame fits into an empty packet");
        out.extend_from_slice(self.0.record());
    }
}

fn encoder() -> BinaryEncoder {
    BinaryEncoder::new(Positions::Exact, PACKET_BYTES)
}

/// As asked for, else as the file's name ends, else json. An error: the name ends like nothing that is written here.
pub(super) fn codec(asked: Option<&str>, file: Option<&Path>) -> Result<&'static str, String> {
    let ending = file.and_then(|file| file.extension()?.to_str());
    match (asked.and_then(|asked| CODECS.into_iter().find(|name| *name == asked)), ending) {
        (Some(codec), _) => Ok(codec),
        (None, Some("csv")) => Ok("csv"),
        (None, Some("bin")) => Ok("binary"),
        (None, None | Some("json" | "ndjson" | "jsonl")) => Ok("json"),
        (None, Some(_)) => Err(format!(
            "{}: written as .csv, .json (also .ndjson, .jsonl) or .bin; give it one of these endings, or say how it is to be \
             written, such as --codec csv",
            file.unwrap_or(Path::new("")).display()
        )),
    }
}

/// In datagrams: their time of receipt is when they come. An error says why the codec will not do.
pub(super) fn in_datagrams(codec: &str) -> Result<Box<dyn Encode>, &'static str> {
    match codec {
        "csv" => Err("a datagram of csv has no header line; send json or binary"),
        "binary" => Ok(Box::new(Binary(encoder()))),
        _ => Ok(Box::new(Ndjson::default())),
    }
}

/// In records of Kafka, as in datagrams.
pub(super) fn in_records(codec: &str) -> Result<Box<dyn Encode>, &'static str> {
    match codec {
        "csv" => Err("a record of csv has no header line; send json or binary"),
        _ => in_datagrams(codec),
    }
}

/// In files. Binary has no place for times of receipt.
pub(super) fn in_files(codec: &str, received_at: bool) -> Box<dyn Encode> {
    match codec {
        "csv" => Box::new(Csv { received_at }),
        "binary" => Box::new(BinaryRecords(encoder())),
        _ => Box::new(Ndjson { received_at }),
    }
}

pub(super) fn to_udp(frames: &mut dyn Outgoing, encode: &mut dyn Encode, options: SendOptions) -> anyhow::Result<Exit> {
    let to: SocketAddr = options.to;
    let report = send(frames, encode, options).with_context(|| format!("send to {to}"))?;
    let seconds = report.elapsed.as_secs_f64();
    crate::terminal::say(format_args!(
        "sent {} frames in {} datagrams ({} bytes) in {seconds:.1} s, {:.0} frames/s",
        report.frames,
        report.datagrams,
        report.bytes,
        report.frames as f64 / seconds.max(1e-9),
    ));
    if report.refused > 0 {
        crate::terminal::say(format_args!(
            "nobody listened at {to} {} times: what was sent then is lost",
            report.refused
        ));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

pub(super) fn kafka(brokers: &[String], topic: &str, rate: Rate) -> KafkaSend {
    KafkaSend { brokers: brokers.to_vec(), topic: topic.to_owned(), properties: Vec::new(), rate }
}

pub(super) fn to_kafka(frames: &mut dyn Outgoing, encode: &mut dyn Encode, to: &KafkaSend) -> anyhow::Result<Exit> {
    let report =
        rhumb_connectors::kafka::send(frames, encode, to).with_context(|| format!("send to topic {}", to.topic))?;
    let (frames, bytes, seconds) = (report.frames, report.bytes, report.elapsed.as_secs_f64());
    crate::terminal::say(format_args!(
        "sent {frames} frames in as many records ({bytes} bytes) in {seconds:.1} s, {:.0} frames/s",
        frames as f64 / seconds.max(1e-9),
    ));
    Ok(Exit::Done)
}

/// To a file; without one to standard output.
pub(super) fn to_file(
    frames: &mut dyn Outgoing,
    encode: &mut dyn Encode,
    rate: Rate,
    file: Option<&Path>,
) -> anyhow::Result<Exit> {
    let written = match file {
        Some(path) => {
            let making = || format!("write {}", path.display());
            let mut file = std::fs::File::create(path).with_context(making)?;
            write(frames, encode, rate, &mut file).with_context(making)?
        }
        None => match write(frames, encode, rate, &mut std::io::stdout().lock()) {
            Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => return Ok(Exit::Done),
            written => written.context("write to standard output")?,
        },
    };
    crate::terminal::say(format_args!("wrote {written} frames"));
    Ok(Exit::Done)
}
