//! Why an alert was told or was not: a vehicle's recorded frames around a time, held against the rules of a zone.

use crate::config::{Checked, OperatorKind};
use anyhow::{Context, bail};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use rhumb_geofence::Position;
use rhumb_operators::geofence::GeofenceConfig;
use rhumb_operators::geofence::schedule::{text_of, utc};
use rhumb_operators::geofence::why::{Recorded, Why, applies, why};
use rhumb_query::{Limits, Session};
use std::fmt::Write;

/// Frames that are shown before and after the time.
const SHOWN: usize = 8;
/// The path is read from so long before, so that what it was inside of is known.
const BEFORE_US: i64 = 36 * 3600 * 1_000_000;
const AFTER_US: i64 = 2 * 3600 * 1_000_000;
/// Zones that are explained if none is named.
const ZONES_SHOWN: usize = 2;

pub fn explain(checked: &Checked, vehicle: &str, at: &str, zone: Option<&str>) -> anyhow::Result<String> {
    let config = checked.operators.iter().find_map(|operator| match &operator.kind {
        OperatorKind::Geofence(config) => Some(config),
        _ => None,
    });
    let config = config.context("the pipeline has no geofence")?;
    let time = utc(at).with_context(|| format!("not a time: {at:?}; write such as 2024-03-08T12:00:00Z"))?;
    let session = Session::open(&checked.data, Limits::default())?;
    let path = Path::read(&session, config, vehicle, time)?;
    if path.frames.is_empty() {
        bail!(
            "the history has no frame of vehicle {vehicle:?} from {} to {}",
            text_of(time - BEFORE_US),
            text_of(time + AFTER_US)
        );
    }
    let zones = match zone {
        Some(id) => vec![config.zones.find(id).with_context(|| format!("there is no zone {id:?}"))?],
        None => nearest(config, &path.frames, time),
    };
    let mut out = String::new();
    for zone in zones {
        explain_zone(config, vehicle, zone, &path, time, &mut out)?;
    }
    explain_rows(&session, "rejects", &rejects_sql(vehicle, time), "rejected", &mut out)?;
    explain_rows(&session, "alerts", &alerts_sql(vehicle, time), "told", &mut out)?;
    Ok(out)
}

struct Path {
    frames: Vec<Recorded>,
    late: Vec<bool>,
    group: Option<String>,
}

impl Path {
    fn read(session: &Session, config: &GeofenceConfig, vehicle: &str, time: i64) -> anyhow::Result<Path> {
        let group = config.group_column.as_deref().unwrap_or("vehicle_id").replace('"', "\"\"");
        let sql = format!(
            "select arrow_cast(event_time, 'Int64') as t, lat, lon, arrow_cast(accuracy_m, 'Float64') as accuracy, \
             arrow_cast(speed_mps, 'Float64') as speed, late, arrow_cast(\"{group}\", 'Utf8') as of_group from history \
             where vehicle_id = '{}' and {} order by event_time",
            vehicle.replace('\'', "''"),
            between("event_time", time - BEFORE_US, time + AFTER_US)
        );
        let mut path = Path { frames: Vec::new(), late: Vec::new(), group: None };
        for batch in session.collect(&sql)?.1 {
            let numbers = |name: &str| column(&batch, name, &DataType::Float64);
            let (times, lats, lons) = (column(&batch, "t", &DataType::Int64)?, numbers("lat")?, numbers("lon")?);
            let (accuracy, speed, late) =
                (numbers("accuracy")?, numbers("speed")?, column(&batch, "late", &DataType::Boolean)?);
            let groups = column(&batch, "of_group", &DataType::Utf8)?;
            let number = |array: &ArrayRef, row| {
                let array = array.as_primitive::<Float64Type>();
                array.is_valid(row).then(|| array.value(row))
            };
            for row in 0..batch.num_rows() {
                path.frames.push(Recorded {
                    time: times.as_primitive::<Int64Type>().value(row),
                    lat: number(&lats, row).unwrap_or(f64::NAN),
                    lon: number(&lons, row).unwrap_or(f64::NAN),
                    accuracy_m: number(&accuracy, row).map(|m| m as f32),
                    speed_mps: number(&speed, row).map(|mps| mps as f32),
                });
                path.late.push(late.as_boolean().value(row));
                let groups = groups.as_string::<i32>();
                path.group = groups.is_valid(row).then(|| groups.value(row).to_owned());
            }
        }
        path.group = path.group.filter(|_| config.group_column.is_some());
        Ok(path)
    }
}

fn column(batch: &RecordBatch, name: &str, of: &DataType) -> anyhow::Result<ArrayRef> {
    let array = batch.column_by_name(name).with_context(|| format!("no column {name}"))?;
    Ok(arrow::compute::cast(array, of)?)
}

fn between(column: &str, from: i64, to: i64) -> String {
    format!("{column} between timestamp '{}' and timestamp '{}'", text_of(from), text_of(to))
}

/// The zones nearest to the frame at the time or before.
fn nearest(config: &GeofenceConfig, frames: &[Recorded], time: i64) -> Vec<u32> {
    let last = frames.iter().rev().find(|frame| frame.time <= time).unwrap_or(&frames[0]);
    let Ok(at) = Position::new(last.lat, last.lon) else { return Vec::new() };
    let mut zones: Vec<(u32, f64)> =
        (0..config.zones.len() as u32).map(|zone| (zone, config.zones.outside_m(zone, at))).collect();
    zones.sort_by(|a, b| a.1.total_cmp(&b.1));
    zones.into_iter().take(ZONES_SHOWN).map(|(zone, _)| zone).collect()
}

fn explain_zone(
    config: &GeofenceConfig,
    vehicle: &str,
    zone: u32,
    path: &Path,
    time: i64,
    out: &mut String,
) -> anyhow::Result<()> {
    let rules = &config.rules[zone as usize];
    writeln!(out, "zone {}: {}", config.zones.id(zone), crate::config::zone_rules(rules))?;
    if !applies(rules, vehicle, path.group.as_deref()) {
        let group = path.group.as_deref().map_or("no group".to_owned(), |group| format!("group {group}"));
        writeln!(out, "  is not for vehicle {vehicle} ({group}): nothing is told\n")?;
        return Ok(());
    }
    let all = why(config, vehicle, path.group.as_deref(), zone, &path.frames);
    let now = path.frames.partition_point(|frame| frame.time <= time);
    let shown = now.saturating_sub(SHOWN)..(now + SHOWN).min(all.len());
    for (n, why) in all.iter().enumerate().take(shown.end).skip(shown.start) {
        let (frame, late) = (&path.frames[n], if path.late[n] { ", late" } else { "" });
        let (time, means) = (text_of(frame.time), sentence(why, frame, config, zone));
        writeln!(out, "  {time} ({:.6}, {:.6}){late}: {means}", frame.lat, frame.lon)?;
    }
    out.push('\n');
    Ok(())
}

fn sentence(why: &Why, frame: &Recorded, config: &GeofenceConfig, zone: u32) -> String {
    let rules = &config.rules[zone as usize];
    let mut parts = vec![if why.holds { "inside".to_owned() } else { format!("{:.1} m outside", why.outside_m) }];
    let mut say = |on: bool, text: &dyn Fn() -> String| parts.extend(on.then(text));
    say(!why.trusted, &|| {
        format!(
            "accuracy {} m is worse than {} m: changes nothing",
            frame.accuracy_m.unwrap_or(f32::NAN),
            rules.accuracy_max_m
        )
    });
    say(!why.in_force, &|| "the zone is not in force".to_owned());
    let held = !why.holds && why.since.is_some() && why.outside_m <= rules.exit_buffer_m;
    say(held, &|| format!("within the buffer of {} m", rules.exit_buffer_m));
    if let Some((frames, us)) = why.pending {
        let (wanted, wanted_s) = (rules.confirm_frames, rules.confirm_us as f64 / 1e6);
        say(true, &|| format!("not confirmed: {frames} of {wanted} frames, {:.0} of {wanted_s:.0} s", us as f64 / 1e6));
    }
    say(why.since.is_some(), &|| format!("counts as inside since {}", why.since.map_or(String::new(), text_of)));
    for (kind, reason, at) in &why.told {
        let told = if config.alerts.contains(kind) { "" } else { ", which alerts does not name" };
        let reason = reason.name().map_or(String::new(), |reason| format!(" ({reason})"));
        say(true, &|| format!("{}{reason} at {}{told}", kind.name(), text_of(*at)));
    }
    parts.join("; ")
}

fn rejects_sql(vehicle: &str, time: i64) -> String {
    format!(
        "select event_time, reason, measured, threshold from rejects where vehicle_id = '{}' and {} order by event_time limit 20",
        vehicle.replace('\'', "''"),
        between("event_time", time - AFTER_US / 12, time + AFTER_US / 12)
    )
}

fn alerts_sql(vehicle: &str, time: i64) -> String {
    format!(
        "select event_time, kind, zone_id, frame_time, late, reason, alert_id, supersedes from alerts where vehicle_id = '{}' \
         and {} order by sequence limit 20",
        vehicle.replace('\'', "''"),
        between("event_time", time - AFTER_US / 12, time + AFTER_US / 12)
    )
}

fn explain_rows(session: &Session, table: &str, sql: &str, word: &str, out: &mut String) -> anyhow::Result<()> {
    if !session.tables().iter().any(|known| known == table) {
        return Ok(());
    }
    let mut rows = Vec::new();
    let count = session.run(sql, rhumb_query::Format::Csv, &mut rows)?;
    writeln!(out, "{word} within 10 minutes: {}", count.rows)?;
    if count.rows > 0 {
        String::from_utf8_lossy(&rows).lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    Ok(())
}
