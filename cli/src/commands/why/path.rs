//! What the lake has of one vehicle.

use super::late::Told;
use anyhow::Context;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use rhumb_engine::alert::AlertKind;
use rhumb_operators::geofence::GeofenceConfig;
use rhumb_operators::geofence::schedule::text_of;
use rhumb_operators::geofence::why::Recorded;
use rhumb_query::{Format, Session};

/// From and to, in microseconds.
pub type Span = (i64, i64);

/// Rejects and alerts that are shown.
const ROWS_MAX: usize = 20;

/// A frame that the geofence had.
pub struct Frame {
    pub recorded: Recorded,
    pub late: bool,
    /// Epoch and time of receipt: later ones came later; of one pair, nobody knows.
    pub came: (i64, i64),
    /// What a filter below the geofence says.
    pub refused: Option<String>,
}

/// Frames in order of time.
pub struct Path {
    pub frames: Vec<Frame>,
    pub group: Option<String>,
    pub span: Span,
}

pub struct Reader<'a> {
    pub session: &'a Session,
    pub config: &'a GeofenceConfig,
    pub vehicle: &'a str,
    /// The conditions of the filters below the geofence.
    pub filters: Vec<String>,
}

impl Reader<'_> {
    pub fn path(&self, span: Span) -> anyhow::Result<Path> {
        let mut path = Path { frames: Vec::new(), group: None, span };
        if self.has("history") {
            self.read_history(&mut path)?;
        }
        if self.has("rejects") && !self.filters.is_empty() {
            self.read_refused(&mut path)?;
        }
        path.frames.sort_by_key(|frame| frame.recorded.time);
        Ok(path)
    }

    fn read_history(&self, path: &mut Path) -> anyhow::Result<()> {
        let group = self.config.group_column.as_deref().unwrap_or("vehicle_id").replace('"', "\"\"");
        let of_group = format!("arrow_cast(\"{group}\", 'Utf8') as of_group");
        let sql = format!(
            "select arrow_cast(event_time, 'Int64') as t, arrow_cast(received_at, 'Int64') as received, epoch, lat, lon, accuracy_m, \
             speed_mps, late, {of_group} from history where {} order by event_time",
            self.within("event_time", path.span)
        );
        for batch in self.session.collect(&sql)?.1 {
            let columns = Columns::of(&batch)?;
            let (accuracy, speed) = (numbers(&batch, "accuracy_m")?, numbers(&batch, "speed_mps")?);
            let late = column(&batch, "late", &DataType::Boolean)?;
            let groups = texts(&batch, "of_group")?;
            for row in 0..batch.num_rows() {
                let (accuracy_m, speed_mps) = (number(&accuracy, row), number(&speed, row));
                let late = late.as_boolean().value(row);
                path.frames.push(columns.frame(row, accuracy_m, speed_mps, late, None));
                path.group = text(&groups, row);
            }
        }
        path.group = path.group.take().filter(|_| self.config.group_column.is_some());
        Ok(())
    }

    /// Frames that a filter below refused: the geofence had them.
    fn read_refused(&self, path: &mut Path) -> anyhow::Result<()> {
        let sql = format!(
            "select arrow_cast(event_time, 'Int64') as t, arrow_cast(received_at, 'Int64') as received, epoch, lat, lon, \
             arrow_cast(raw, 'Utf8') as raw, detail from rejects where reason = 'filter' and {}",
            self.within("event_time", path.span)
        );
        for batch in self.session.collect(&sql)?.1 {
            let columns = Columns::of(&batch)?;
            let (raw, detail) = (texts(&batch, "raw")?, texts(&batch, "detail")?);
            for row in 0..batch.num_rows() {
                let detail = text(&detail, row).unwrap_or_default();
                if !self.filters.iter().any(|filter| detail.starts_with(filter)) {
                    continue;
                }
                let raw: serde_json::Value = serde_json::from_str(&text(&raw, row).unwrap_or_default())?;
                let said = |name: &str| raw.get(name).and_then(serde_json::Value::as_f64);
                path.frames.push(columns.frame(row, said("accuracy_m"), said("speed_mps"), false, Some(detail)));
            }
        }
        Ok(())
    }

    /// When the visit to a zone began that the vehicle was on at this time, by the alerts that stand.
    pub fn visit_began(&self, zone: u32, time: i64) -> anyhow::Result<Option<i64>> {
        let told = self.standing(zone, (i64::MIN, time))?;
        let last = |of: AlertKind| told.iter().filter(|(kind, _)| *kind == of).map(|(_, at)| *at).max();
        let enter = last(AlertKind::Enter);
        Ok(enter.filter(|enter| last(AlertKind::Exit).is_none_or(|exit| exit < *enter)))
    }

    /// What is true of what was told at a zone.
    pub fn standing(&self, zone: u32, span: Span) -> anyhow::Result<Vec<Told>> {
        if !self.has("alerts") {
            return Ok(Vec::new());
        }
        let vehicle = quoted(self.vehicle);
        let sql = format!(
            "select arrow_cast(event_time, 'Int64') as t, kind from alerts where {} and zone_id = {} and (reason is distinct from 'retracted') \
             and alert_id not in (select supersedes from alerts where vehicle_id = {vehicle} and supersedes is not null)",
            self.within("event_time", span),
            quoted(self.config.zones.id(zone))
        );
        let mut told = Vec::new();
        for batch in self.session.collect(&sql)?.1 {
            let (times, kinds) = (wholes(&batch, "t")?, texts(&batch, "kind")?);
            let of =
                |row| Some((AlertKind::from_name(&text(&kinds, row)?)?, times.as_primitive::<Int64Type>().value(row)));
            told.extend((0..batch.num_rows()).filter_map(of));
        }
        Ok(told)
    }

    pub fn count(&self, table: &str, span: Span) -> anyhow::Result<i64> {
        if !self.has(table) {
            return Ok(0);
        }
        let sql = format!("select count(*) as n from {table} where {}", self.of_table(table, span));
        let batches = self.session.collect(&sql)?.1;
        let count = batches.first().map(|batch| wholes(batch, "n")).transpose()?;
        Ok(count.map_or(0, |count| count.as_primitive::<Int64Type>().value(0)))
    }

    /// Rejects or alerts as lines of CSV, below the names of their columns; nothing if there are none.
    pub fn rows(&self, table: &str, span: Span) -> anyhow::Result<Vec<String>> {
        if !self.has(table) {
            return Ok(Vec::new());
        }
        let (columns, order) = match table {
            "rejects" => ("event_time, reason, measured, threshold, detail", "coalesce(event_time, received_at)"),
            _ => ("event_time, kind, zone_id, frame_time, late, reason, alert_id, supersedes", "sequence"),
        };
        let within = self.of_table(table, span);
        let sql = format!("select {columns} from {table} where {within} order by {order} limit {ROWS_MAX}");
        let mut rows = Vec::new();
        let count = self.session.run(&sql, Format::Csv, &mut rows)?;
        let rows = String::from_utf8_lossy(&rows);
        Ok(rows.lines().map(str::to_owned).take_while(|_| count.rows > 0).collect())
    }

    fn of_table(&self, table: &str, span: Span) -> String {
        // A reject may have no time that could be read.
        self.within(if table == "rejects" { "coalesce(event_time, received_at)" } else { "event_time" }, span)
    }

    fn within(&self, column: &str, (from, to): Span) -> String {
        let since =
            if from == i64::MIN { String::new() } else { format!(" and {column} >= timestamp '{}'", text_of(from)) };
        format!("vehicle_id = {}{since} and {column} <= timestamp '{}'", quoted(self.vehicle), text_of(to))
    }

    fn has(&self, table: &str) -> bool {
        self.session.tables().iter().any(|known| known == table)
    }
}

/// What frames of the history and of the rejects have alike.
struct Columns {
    time: ArrayRef,
    received: ArrayRef,
    epoch: ArrayRef,
    lat: ArrayRef,
    lon: ArrayRef,
}

impl Columns {
    fn of(batch: &RecordBatch) -> anyhow::Result<Columns> {
        let [time, received, epoch] = [wholes(batch, "t")?, wholes(batch, "received")?, wholes(batch, "epoch")?];
        Ok(Columns { time, received, epoch, lat: numbers(batch, "lat")?, lon: numbers(batch, "lon")? })
    }

    fn frame(
        &self,
        row: usize,
        accuracy_m: Option<f64>,
        speed_mps: Option<f64>,
        late: bool,
        refused: Option<String>,
    ) -> Frame {
        let whole = |array: &ArrayRef| array.as_primitive::<Int64Type>().value(row);
        let degrees = |array: &ArrayRef| number(array, row).unwrap_or(f64::NAN);
        let recorded = Recorded {
            time: whole(&self.time),
            lat: degrees(&self.lat),
            lon: degrees(&self.lon),
            accuracy_m: accuracy_m.map(|m| m as f32),
            speed_mps: speed_mps.map(|mps| mps as f32),
        };
        Frame { recorded, late, came: (whole(&self.epoch), whole(&self.received)), refused }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn column(batch: &RecordBatch, name: &str, of: &DataType) -> anyhow::Result<ArrayRef> {
    let array = batch.column_by_name(name).with_context(|| format!("no column {name}"))?;
    Ok(arrow::compute::cast(array, of)?)
}

fn wholes(batch: &RecordBatch, name: &str) -> anyhow::Result<ArrayRef> {
    column(batch, name, &DataType::Int64)
}

fn numbers(batch: &RecordBatch, name: &str) -> anyhow::Result<ArrayRef> {
    column(batch, name, &DataType::Float64)
}

fn texts(batch: &RecordBatch, name: &str) -> anyhow::Result<ArrayRef> {
    column(batch, name, &DataType::Utf8)
}

fn number(array: &ArrayRef, row: usize) -> Option<f64> {
    array.is_valid(row).then(|| array.as_primitive::<Float64Type>().value(row))
}

fn text(array: &ArrayRef, row: usize) -> Option<String> {
    array.is_valid(row).then(|| array.as_string::<i32>().value(row).to_owned())
}
