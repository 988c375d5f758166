//! What a pipeline means: checked, complete, ready to build from.

use super::expected::TestMeans;
use super::mistake::Location;
use super::value::Secret;
use arrow::datatypes::FieldRef;
use rhumb_connectors::alerts::AlertLogFiles;
use rhumb_connectors::codec::CodecConfig;
use rhumb_connectors::codec::extra::ExtraColumn;
use rhumb_connectors::codec::nmea::NmeaConfig;
use rhumb_connectors::codec::teltonika::TeltonikaConfig;
use rhumb_connectors::file::Speed;
use rhumb_connectors::journal::{Group, JournalConfig};
use rhumb_connectors::kafka::{KafkaConfig, KafkaSinkConfig};
use rhumb_connectors::tcp::TcpConfig;
use rhumb_connectors::udp::AllowedNet;
use rhumb_engine::reference::Reference;
use rhumb_engine::time::duration_text;
use rhumb_operators::derive::Derived;
use rhumb_operators::enrich::EnrichConfig;
use rhumb_operators::expression::Expression;
use rhumb_operators::geofence::GeofenceConfig;
use rhumb_operators::trips::TripsConfig;
use rhumb_operators::validate::ValidateConfig;
use rhumb_operators::window::WindowConfig;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A pipeline without mistakes.
#[derive(Clone)]
pub struct Checked {
    /// The TOML file as it was named.
    pub file: PathBuf,
    pub name: String,
    /// On a disk of this machine.
    pub data: PathBuf,
    /// URL of the place that has manifests, state and lake, if that is not `data`.
    pub bucket: Option<String>,
    /// Where that folder was typed, else the top of the file.
    pub data_at: Location,
    pub engine: EngineMeans,
    /// At least one.
    pub sources: Vec<SourceMeans>,
    /// In the order in which they run.
    pub operators: Vec<OperatorMeans>,
    /// Beside the lake.
    pub sinks: Vec<SinkMeans>,
    pub tests: Vec<TestMeans>,
}

/// Durations in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineMeans {
    pub shards: usize,
    pub epoch_us: i64,
    pub epoch_rows: u64,
    pub local: Option<PathBuf>,
    pub retry_for_us: i64,
    pub lateness_us: i64,
    pub idle_after_us: i64,
    pub clock_skew_max_us: i64,
    pub path_keep: usize,
    pub offline_after_us: i64,
    pub vehicles_max: usize,
    pub alert_log: AlertLogMeans,
}

/// The alert log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertLogMeans {
    /// `None`: as the sources ask for.
    pub kind: Option<JournalKind>,
    pub sync_us: i64,
    pub keep_us: i64,
}

#[derive(Debug, Clone)]
pub struct SourceMeans {
    pub name: String,
    pub kind: SourceKind,
    pub codec: CodecMeans,
    /// Repair times that a GPS week rollover set back.
    pub rollover: bool,
    pub at: Location,
    pub places: SourcePlaces,
}

/// Where parts of a source were typed.
#[derive(Debug, Clone)]
pub struct SourcePlaces {
    pub codec: Location,
    /// Of a file source its path; of others the header.
    pub path: Location,
    /// Of the fields that are mapped, by the frame's name.
    pub fields: Vec<(&'static str, Location)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SourceKind {
    Udp(UdpMeans),
    Tcp(TcpConfig),
    Kafka(KafkaConfig),
    File(FileMeans),
}

impl SourceMeans {
    /// Columns that its frames have beyond the core.
    pub fn columns(&self) -> Vec<FieldRef> {
        match &self.codec.kind {
            CodecKind::Teltonika(config) => CodecConfig::Teltonika(config.clone()).columns(),
            CodecKind::Json | CodecKind::Csv(_) => self.codec.extra.iter().map(ExtraColumn::field).collect(),
            CodecKind::Binary(_) | CodecKind::Nmea(_) => Vec::new(),
        }
    }

    /// Whether its input has an end that a run can come to.
    pub fn ends(&self) -> bool {
        match self.kind {
            SourceKind::Udp(_) | SourceKind::Tcp(_) => false,
            SourceKind::Kafka(_) | SourceKind::File(_) => true,
        }
    }

    /// Whether its frames are of now: somebody may wait for their alerts.
    pub fn is_live(&self) -> bool {
        match &self.kind {
            SourceKind::Udp(_) | SourceKind::Tcp(_) | SourceKind::Kafka(_) => true,
            SourceKind::File(file) => file.speed != Speed::Max,
        }
    }

    /// Whether its input comes in pieces that each stand for themselves.
    pub fn has_datagrams(&self) -> bool {
        matches!(self.kind, SourceKind::Udp(_) | SourceKind::Kafka(_))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct UdpMeans {
    pub listen: SocketAddr,
    pub sockets: usize,
    pub receive_buffer_bytes: usize,
    pub datagram_max_bytes: usize,
    /// Empty: everyone.
    pub allow: Vec<AllowedNet>,
    pub journal: JournalMeans,
}

/// The journal of a source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JournalMeans {
    pub kind: JournalKind,
    pub config: JournalConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalKind {
    Fsync,
    Os,
    Off,
}

impl AlertLogMeans {
    /// Of a pipeline with these sources; `None`: there is none.
    pub fn log(&self, sources: &[SourceMeans]) -> Option<AlertLogFiles> {
        let by_sources = if sources.iter().any(SourceMeans::is_live) { JournalKind::Fsync } else { JournalKind::Off };
        let group = Group { every: Duration::from_micros(self.sync_us.unsigned_abs()), bytes: u64::MAX };
        let sync = match self.kind.unwrap_or(by_sources) {
            JournalKind::Off => return None,
            JournalKind::Os => None,
            JournalKind::Fsync => Some(group),
        };
        Some(AlertLogFiles { sync, keep_us: self.keep_us })
    }
}

impl JournalKind {
    /// One of `fsync`, `os` and `off`.
    pub fn named(name: &str) -> JournalKind {
        match name {
            "fsync" => JournalKind::Fsync,
            "os" => JournalKind::Os,
            _ => JournalKind::Off,
        }
    }

    /// What is promised of frames that have come, in a sentence.
    pub fn promise(self) -> &'static str {
        match self {
            JournalKind::Off => {
                "no journal: frames that are not committed when the process ends are lost (at most once)"
            }
            JournalKind::Os => "journal left to the operating system: frames survive the process, not the machine",
            JournalKind::Fsync => {
                "journal synced: what was synced is never lost, and devices are acknowledged only then"
            }
        }
    }
}

impl JournalMeans {
    /// As `JournalKind::promise`, with how soon.
    pub fn promise(&self) -> String {
        let within = self.config.sync.map(|group| duration_text(group.every.as_micros() as i64));
        let within = within.map_or_else(String::new, |within| format!("; that is within {within}"));
        self.kind.promise().to_owned() + &within
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct FileMeans {
    /// As typed, relative to the TOML file; may hold `*`, `?`, `[..]`.
    pub path: PathBuf,
    /// The files there are now, by name. At least one.
    pub files: Vec<PathBuf>,
    pub speed: Speed,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CodecMeans {
    pub kind: CodecKind,
    /// Something else than the frames names their vehicles.
    pub vehicle_elsewhere: bool,
    /// Fields that have another name or unit than the usual; for json and csv.
    pub fields: Vec<FieldMeans>,
    /// Columns beyond the core; for json and csv.
    pub extra: Vec<ExtraColumn>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CodecKind {
    Json,
    Csv(CsvMeans),
    Binary(BinaryMeans),
    Teltonika(TeltonikaConfig),
    Nmea(NmeaConfig),
}

impl CodecKind {
    pub fn name(&self) -> &'static str {
        match self {
            CodecKind::Json => "json",
            CodecKind::Csv(_) => "csv",
            CodecKind::Binary(_) => "binary",
            CodecKind::Teltonika(_) => "teltonika",
            CodecKind::Nmea(_) => "nmea",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct FieldMeans {
    /// The frame's.
    pub field: &'static str,
    /// The input's.
    pub name: String,
    /// One of the description's words for this field; `None`: the frame's own unit.
    pub unit: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CsvMeans {
    pub delimiter: u8,
    /// A file's first line names the columns, and a datagram's if there are no `columns`.
    pub header: bool,
    /// In the place of such a line, or where there is none.
    pub columns: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct BinaryMeans {
    /// Empty: frames need no signature.
    pub keys: Vec<KeyMeans>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct KeyMeans {
    pub id: u16,
    pub secret: KeyBytes,
}

/// Bytes that no output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyBytes(pub Vec<u8>);

impl KeyBytes {
    /// `hex:` and two digits a byte, else the text itself.
    pub fn read(secret: &Secret) -> Option<KeyBytes> {
        let Some(digits) = secret.0.strip_prefix("hex:") else {
            return Some(KeyBytes(secret.0.clone().into_bytes()));
        };
        if !digits.len().is_multiple_of(2) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        (0..digits.len()).step_by(2).map(byte).collect::<Option<_>>().map(KeyBytes)
    }
}

impl std::fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("KeyBytes(..)")
    }
}

/// A sink beside the lake.
#[derive(Debug, Clone, PartialEq)]
pub enum SinkMeans {
    Kafka(KafkaSinkConfig),
}

#[derive(Clone)]
pub struct OperatorMeans {
    /// Unique: its kind, with a number from the second of its kind on; for windows `window_<name>`.
    pub name: String,
    pub kind: OperatorKind,
    /// Columns that it adds to frames.
    pub adds: Vec<FieldRef>,
    /// Files that it was read from.
    pub files: Vec<PathBuf>,
    /// The one of them that may change while the pipeline runs.
    pub reference: Option<Arc<dyn Reference>>,
    pub at: Location,
}

#[derive(Clone)]
pub enum OperatorKind {
    Validate(ValidateConfig),
    Enrich(EnrichConfig),
    Filter(Arc<Expression>),
    Derive(Arc<[Derived]>),
    Geofence(GeofenceConfig),
    Trips(TripsConfig),
    Window(WindowConfig),
}

impl OperatorKind {
    pub fn key(&self) -> &'static str {
        match self {
            OperatorKind::Validate(_) => "validate",
            OperatorKind::Enrich(_) => "enrich",
            OperatorKind::Filter(_) => "filter",
            OperatorKind::Derive(_) => "derive",
            OperatorKind::Geofence(_) => "geofence",
            OperatorKind::Trips(_) => "trips",
            OperatorKind::Window(_) => "window",
        }
    }
}
