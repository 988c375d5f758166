//! From what a pipeline means to what the engine runs.

use crate::config::{
    Checked, CodecKind, CodecMeans, FieldMeans, JournalKind, OperatorKind, OperatorMeans, SinkMeans, SourceKind,
    SourceMeans,
};
use anyhow::Context;
use rhumb_connectors::MakeCodec;
use rhumb_connectors::bucket;
use rhumb_connectors::codec::CodecConfig;
use rhumb_connectors::codec::binary::{BinaryConfig, Key};
use rhumb_connectors::codec::csv::CsvConfig;
use rhumb_connectors::codec::json::JsonConfig;
use rhumb_connectors::codec::mapping::{FieldsConfig, Mapped};
use rhumb_connectors::codec::units::{LengthUnit, SpeedUnit, TimeUnit};
use rhumb_connectors::file::{FileConfig, FilePlan};
use rhumb_connectors::kafka::{KafkaPlan, KafkaSinkPlan, Member};
use rhumb_connectors::lake::LakePlan;
use rhumb_connectors::tcp::TcpPlan;
use rhumb_connectors::udp::{SocketJournals, UdpConfig, UdpPlan};
use rhumb_engine::alert_log::AlertLogPlan;
use rhumb_engine::bucket::DataPlace;
use rhumb_engine::frame::core_columns;
use rhumb_engine::operator::OperatorPlan;
use rhumb_engine::run::{Pipeline, Seat, Settings};
use rhumb_engine::sink::SinkPlan;
use rhumb_engine::source::SourcePlan;
use rhumb_operators::derive::DerivePlan;
use rhumb_operators::enrich::EnrichPlan;
use rhumb_operators::filter::FilterPlan;
use rhumb_operators::geofence::GeofencePlan;
use rhumb_operators::trips::TripsPlan;
use rhumb_operators::validate::ValidatePlan;
use rhumb_operators::window::WindowPlan;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where manifests, state and lake are: a folder, unless there is the URL of a bucket.
pub fn place(folder: &Path, bucket: Option<&str>) -> anyhow::Result<DataPlace> {
    match bucket {
        None => Ok(folder.into()),
        Some(url) => Ok(DataPlace::Bucket(bucket::open(url).with_context(|| format!("open {url}"))?)),
    }
}

/// The same as somebody types it.
pub fn typed_place(data: &Path) -> anyhow::Result<DataPlace> {
    place(data, data.to_str().filter(|text| bucket::is_url(text)))
}

/// By source: the member of its consumer group that says which partitions this instance reads.
pub type Members = BTreeMap<String, Arc<Member>>;

/// A pipeline that is ready to run; with `until_end`, to where its input ends now.
pub fn pipeline(checked: &Checked, until_end: bool) -> anyhow::Result<Pipeline> {
    shared(checked, until_end, None, &Members::new())
}

/// As `pipeline`; of an instance, of the partitions that its members have taken.
pub fn shared(
    checked: &Checked,
    until_end: bool,
    instance: Option<Arc<Seat>>,
    members: &Members,
) -> anyhow::Result<Pipeline> {
    let engine = &checked.engine;
    let retry_for = Duration::from_micros(engine.retry_for_us.unsigned_abs());
    let source = |means: &SourceMeans| {
        let member = members.get(&means.name);
        anyhow::Ok((source(means, &checked.data, retry_for, until_end, member)?, means.rollover))
    };
    let alert_log = engine.alert_log.log(&checked.sources).map(|log| Arc::new(log) as Arc<dyn AlertLogPlan>);
    Ok(Pipeline {
        alert_log,
        instance,
        name: checked.name.clone(),
        data: checked.data.clone(),
        bucket: match place(&checked.data, checked.bucket.as_deref())? {
            DataPlace::Bucket(bucket) => Some(bucket),
            DataPlace::Folder(_) => None,
        },
        settings: Settings {
            shards: engine.shards,
            epoch: Duration::from_micros(engine.epoch_us.unsigned_abs()),
            epoch_rows: engine.epoch_rows,
            lateness_us: engine.lateness_us,
            idle_after_us: engine.idle_after_us,
            clock_skew_max_us: engine.clock_skew_max_us,
            offline_after_us: engine.offline_after_us,
            vehicles_max: engine.vehicles_max,
            retry_for,
        },
        sources: checked.sources.iter().map(source).collect::<Result<_, _>>()?,
        operators: operators(&checked.operators, &checked.sources),
        sinks: sinks(&checked.sinks),
    })
}

/// The lake is always on.
pub fn sinks(means: &[SinkMeans]) -> Vec<Arc<dyn SinkPlan>> {
    let mut sinks: Vec<Arc<dyn SinkPlan>> = vec![Arc::new(LakePlan::default())];
    for SinkMeans::Kafka(config) in means {
        sinks.push(Arc::new(KafkaSinkPlan::new(config.clone())));
    }
    sinks
}

/// In the order in which they stand.
pub fn operators(means: &[OperatorMeans], sources: &[SourceMeans]) -> Vec<Arc<dyn OperatorPlan>> {
    let mut columns = core_columns();
    columns.extend(sources.iter().flat_map(SourceMeans::columns));
    let mut plans: Vec<Arc<dyn OperatorPlan>> = Vec::new();
    for operator in means {
        let name = operator.name.clone();
        let plan: Arc<dyn OperatorPlan> = match &operator.kind {
            OperatorKind::Validate(config) => Arc::new(ValidatePlan::new(name, config.clone())),
            OperatorKind::Enrich(config) => {
                let plan = EnrichPlan::new(name, config.clone());
                Arc::new(match &operator.reference {
                    Some(reference) => plan.with_reference(reference.clone()),
                    None => plan,
                })
            }
            OperatorKind::Filter(condition) => Arc::new(FilterPlan::new(name, condition.clone())),
            OperatorKind::Derive(derived) => Arc::new(DerivePlan::new(name, derived.clone())),
            OperatorKind::Geofence(config) => {
                let plan = GeofencePlan::new(name, config.clone());
                Arc::new(match &operator.reference {
                    Some(reference) => plan.with_reference(reference.clone()),
                    None => plan,
                })
            }
            OperatorKind::Trips(config) => Arc::new(TripsPlan::new(name, config.clone())),
            OperatorKind::Window(config) => Arc::new(WindowPlan::new(config.clone(), &columns)),
        };
        columns.extend(plan.columns());
        plans.push(plan);
    }
    plans
}

fn source(
    means: &SourceMeans,
    data: &Path,
    try_for: Duration,
    until_end: bool,
    member: Option<&Arc<Member>>,
) -> anyhow::Result<Arc<dyn SourcePlan>> {
    let config = codec(&means.codec).with_context(|| format!("source {}", means.name))?;
    let columns = config.columns();
    let make: MakeCodec = Arc::new(move || config.open());
    Ok(match &means.kind {
        SourceKind::Udp(udp) => {
            let mut config = UdpConfig::new(udp.listen);
            config.sockets = udp.sockets;
            config.receive_buffer_bytes = udp.receive_buffer_bytes;
            config.datagram_max_bytes = udp.datagram_max_bytes;
            config.allow = udp.allow.clone();
            config.journals = Some(SocketJournals {
                folder: data.join("journal").join(&means.name),
                config: udp.journal.config,
                try_for,
                is_on: udp.journal.kind != JournalKind::Off,
            });
            Arc::new(UdpPlan::new(&means.name, config, make).with_columns(columns))
        }
        SourceKind::Tcp(tcp) => Arc::new(TcpPlan::new(&means.name, tcp.clone(), make).with_columns(columns)),
        SourceKind::Kafka(kafka) => {
            let plan = KafkaPlan::new(&means.name, kafka.clone(), make).with_columns(columns).until_end(until_end);
            Arc::new(match member {
                Some(member) => plan.shared(member.clone()),
                None => plan,
            })
        }
        SourceKind::File(file) => {
            let config = FileConfig { path: file.path.clone(), speed: file.speed };
            Arc::new(FilePlan::new(&means.name, config, make).with_columns(columns))
        }
    })
}

pub(crate) fn codec(means: &CodecMeans) -> anyhow::Result<CodecConfig> {
    let fields = FieldsConfig {
        vehicle_elsewhere: means.vehicle_elsewhere,
        extra: means.extra.clone(),
        ..fields(&means.fields).map_err(anyhow::Error::msg)?
    };
    Ok(match &means.kind {
        CodecKind::Json => CodecConfig::Json(JsonConfig { fields }),
        CodecKind::Csv(csv) => CodecConfig::Csv(CsvConfig {
            fields,
            delimiter: csv.delimiter,
            header: csv.header,
            columns: csv.columns.clone(),
        }),
        CodecKind::Binary(binary) => CodecConfig::Binary(BinaryConfig {
            keys: binary.keys.iter().map(|key| Key { id: key.id, secret: key.secret.0.clone() }).collect(),
        }),
        CodecKind::Teltonika(teltonika) => CodecConfig::Teltonika(teltonika.clone()),
        CodecKind::Nmea(nmea) => CodecConfig::Nmea(nmea.clone()),
    })
}

/// What the input calls the fields of a frame.
pub(crate) fn fields(means: &[FieldMeans]) -> Result<FieldsConfig, String> {
    let mut fields = FieldsConfig::default();
    for field in means {
        map(&mut fields, field)?;
    }
    Ok(fields)
}

/// Takes the name and unit that a field has in the input.
fn map(fields: &mut FieldsConfig, means: &FieldMeans) -> Result<(), String> {
    fn unit<T>(mapped: &mut Mapped<T>, means: &FieldMeans, parse: fn(&str) -> Result<T, String>) -> Result<(), String> {
        mapped.name = Some(means.name.clone());
        if let Some(unit) = &means.unit {
            mapped.unit = parse(unit)?;
        }
        Ok(())
    }
    let plain = match means.field {
        "vehicle_id" => &mut fields.vehicle_id,
        "lat" => &mut fields.lat,
        "lon" => &mut fields.lon,
        "heading_deg" => &mut fields.heading_deg,
        "satellites" => &mut fields.satellites,
        "hdop" => &mut fields.hdop,
        "no_fix" => &mut fields.no_fix,
        "valid" => &mut fields.valid,
        "event_time" => return unit(&mut fields.event_time, means, TimeUnit::parse),
        "received_at" => return unit(&mut fields.received_at, means, TimeUnit::parse),
        "altitude_m" => return unit(&mut fields.altitude_m, means, LengthUnit::parse),
        "accuracy_m" => return unit(&mut fields.accuracy_m, means, LengthUnit::parse),
        "speed_mps" => return unit(&mut fields.speed_mps, means, SpeedUnit::parse),
        other => return Err(format!("a frame has no field {other}")),
    };
    *plain = Some(means.name.clone());
    Ok(())
}
