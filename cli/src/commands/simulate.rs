//! `rhumb simulate`: a fleet that drives like one, to UDP, Kafka, a file or standard output.

use super::outgoing::{CODECS, codec, in_datagrams, in_files, in_records, kafka, to_file, to_kafka, to_udp};
use super::{Exit, usage};
use rhumb_connectors::simulate::{Fleet, Rate, SendOptions, Shares, SimulateConfig, Simulated};
use rhumb_engine::time::{Clock, EventTime, SECOND_US, SystemClock};
use std::net::SocketAddr;
use std::path::PathBuf;

/// So many simulated frames of json always fit into a datagram.
const FRAMES_PER_DATAGRAM_MAX: i64 = 200;

#[derive(clap::Args)]
pub struct Simulate {
    /// Vehicles of the fleet
    #[arg(long, default_value_t = 1000)]
    vehicles: u32,
    /// Seconds of event time
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// The same seed gives the same frames, on every machine
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Frames a second of the whole fleet; without it each vehicle sends one every ten seconds
    #[arg(long)]
    rate: Option<f64>,
    /// Send to this address, as time goes; no time that a device says is ahead of the sending, but by --clock-future
    #[arg(long, value_name = "ADDRESS", conflicts_with = "output")]
    to_udp: Option<SocketAddr>,
    /// Send to this topic of Kafka, likewise, each frame a record whose key is its vehicle
    #[arg(long, value_name = "TOPIC", conflicts_with_all = ["output", "to_udp"])]
    to_kafka: Option<String>,
    /// Brokers of the topic, separated by commas
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "localhost:9092",
        requires = "to_kafka"
    )]
    brokers: Vec<String>,
    /// Send as fast as it is taken: what would have been driven until now
    #[arg(long, conflicts_with = "output")]
    max: bool,
    /// Frames in a datagram; of json alone
    #[arg(long, default_value_t = 1, requires = "to_udp", conflicts_with = "output",
        value_parser = clap::value_parser!(u16).range(1..=FRAMES_PER_DATAGRAM_MAX))]
    frames_per_datagram: u16,
    /// Write to this file; standard output without it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// csv (to a file), json (one object a line) or binary; without it as the file is named, else json
    #[arg(long, value_parser = CODECS)]
    codec: Option<String>,
    /// Middle of the town, degrees
    #[arg(long, default_value_t = 30.267, allow_negative_numbers = true)]
    lat: f64,
    #[arg(long, default_value_t = -97.743, allow_negative_numbers = true)]
    lon: f64,
    /// How far out vehicles drive
    #[arg(long, default_value_t = 20_000.0)]
    radius_m: f64,
    /// Standard deviation of the fixes
    #[arg(long, default_value_t = 3.0)]
    noise_m: f64,
    /// Share of frames (0..1) that come late, after newer ones
    #[arg(long, default_value_t = 0.0)]
    late: f64,
    /// Share of frames that come twice
    #[arg(long, default_value_t = 0.0)]
    duplicate: f64,
    /// Share of frames at which the vehicle falls silent for a while
    #[arg(long, default_value_t = 0.0)]
    gap: f64,
    /// Share of frames whose clock is ahead
    #[arg(long, default_value_t = 0.0)]
    clock_future: f64,
    /// Share of frames whose clock has lost 1024 weeks
    #[arg(long, default_value_t = 0.0)]
    clock_rollover: f64,
    /// Share of frames whose clock stands at 1970
    #[arg(long, default_value_t = 0.0)]
    clock_zero: f64,
    /// Share of frames at exactly (0, 0)
    #[arg(long, default_value_t = 0.0)]
    null_island: f64,
    /// Share of frames far from where the vehicle is
    #[arg(long, default_value_t = 0.0)]
    teleport: f64,
}

impl Simulate {
    pub fn run(self) -> anyhow::Result<Exit> {
        let mut config = SimulateConfig::new(self.vehicles, self.seconds, self.seed);
        config.rate_per_s = self.rate.unwrap_or(config.rate_per_s);
        (config.lat, config.lon, config.radius_m, config.noise_m) = (self.lat, self.lon, self.radius_m, self.noise_m);
        config.shares = Shares {
            gap: self.gap,
            duplicate: self.duplicate,
            late: self.late,
            clock_future: self.clock_future,
            clock_rollover: self.clock_rollover,
            clock_zero: self.clock_zero,
            null_island: self.null_island,
            teleport: self.teleport,
        };
        let problems = config.problems();
        if !problems.is_empty() {
            return Ok(usage(problems.join("; ")));
        }
        if self.max && self.to_udp.is_none() && self.to_kafka.is_none() {
            return Ok(usage("--max is for --to-udp and --to-kafka: what is written is written at once"));
        }
        let codec = match codec(self.codec.as_deref(), self.output.as_deref()) {
            Ok(codec) => codec,
            Err(why) => return Ok(usage(why)),
        };
        match (&self.to_kafka, self.to_udp) {
            (Some(topic), _) => {
                let mut encode = match in_records(codec) {
                    Ok(encode) => encode,
                    Err(why) => return Ok(usage(why)),
                };
                let to = kafka(&self.brokers, topic, self.live(&mut config));
                to_kafka(&mut Simulated::new(Fleet::new(config)), &mut *encode, &to)
            }
            (None, Some(to)) => self.send(config, codec, to),
            (None, None) => {
                let mut encode = in_files(codec, codec == "csv");
                to_file(&mut Simulated::new(Fleet::new(config)), &mut *encode, Rate::Max, self.output.as_deref())
            }
        }
    }

    fn send(&self, mut config: SimulateConfig, codec: &str, to: SocketAddr) -> anyhow::Result<Exit> {
        if codec == "binary" && self.frames_per_datagram > 1 {
            let what = "binary sends one frame a datagram here; leave --frames-per-datagram out, or send json";
            return Ok(usage(what));
        }
        let mut encode = match in_datagrams(codec) {
            Ok(encode) => encode,
            Err(why) => return Ok(usage(why)),
        };
        let options =
            SendOptions { to, rate: self.live(&mut config), frames_per_datagram: self.frames_per_datagram.into() };
        to_udp(&mut Simulated::new(Fleet::new(config)), &mut *encode, options)
    }

    /// Lets the fleet drive now, and says when to send what.
    fn live(&self, config: &mut SimulateConfig) -> Rate {
        let (now, span_us) = (SystemClock.now(), (self.seconds * SECOND_US as f64) as i64);
        if self.max {
            // Sent in a moment, it is what has been driven until now.
            config.start = EventTime(now.0.saturating_sub(span_us));
            return Rate::Max;
        }
        config.start = now;
        Rate::AsItArrives { start: now, end: EventTime(now.0.saturating_add(span_us)) }
    }
}
