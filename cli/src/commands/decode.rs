//! `rhumb decode`: what the bytes of a device mean.

use super::{Exit, print_line, usage};
use anyhow::{Context, bail};
use rhumb_connectors::codec::CodecConfig;
use rhumb_connectors::codec::decode::{Transport, decode, shown};
use std::io::Read;
use std::path::PathBuf;

/// One JSON object for each frame or reject, in the order of the input
#[derive(clap::Args)]
pub struct Decode {
    /// json, csv, binary, teltonika or nmea
    codec: String,
    /// File with the bytes; standard input without one
    file: Option<PathBuf>,
    /// One datagram, or a stream from its beginning
    #[arg(long, default_value = "tcp", value_parser = ["udp", "tcp"])]
    transport: String,
    /// The bytes are written as hexadecimal digits; white space does not count
    #[arg(long)]
    hex: bool,
}

impl Decode {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Some(codec) = shown(&self.codec) else {
            let names = CodecConfig::NAMES.join(", ");
            return Ok(usage(format!("there is no codec \"{}\"; there are {names}", self.codec)));
        };
        let mut bytes = match &self.file {
            Some(path) => std::fs::read(path).with_context(|| format!("read {}", path.display()))?,
            None => {
                let mut bytes = Vec::new();
                std::io::stdin().read_to_end(&mut bytes).context("read standard input")?;
                bytes
            }
        };
        if self.hex {
            bytes = from_hex(&bytes)?;
        }
        let transport = if self.transport == "udp" { Transport::Udp } else { Transport::Tcp };
        let mut written = Ok(true);
        let decoded = decode(&codec, &bytes, transport, |line| {
            if let Ok(true) = written {
                written = print_line(&line);
            }
        });
        written?;
        match decoded {
            Ok(()) => Ok(Exit::Done),
            Err(detail) => bail!("{detail}"),
        }
    }
}

fn from_hex(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let digit = |(at, byte): (usize, u8)| match char::from(byte).to_digit(16) {
        Some(digit) => Ok(digit as u8),
        None => bail!("byte {at} is not a hexadecimal digit: {:?}", char::from(byte)),
    };
    let digits: Vec<u8> = text
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, b)| !b.is_ascii_whitespace())
        .map(digit)
        .collect::<Result<_, _>>()?;
    if !digits.len().is_multiple_of(2) {
        bail!("an odd number of hexadecimal digits: the last byte is cut");
    }
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
