//! Why an alert was told or was not: a vehicle's recorded frames around a time, held against the rules of a zone.

mod late;
mod path;
mod sentence;

use crate::build;
use crate::config::{Checked, OperatorKind};
use anyhow::{Context, bail};
use path::{Frame, Path, Reader};
use rhumb_geofence::Position;
use rhumb_operators::geofence::schedule::{text_of, utc};
use rhumb_operators::geofence::why::{applies, why};
use rhumb_query::{Limits, Session};
use sentence::sentence;
use std::fmt::Write;

/// Frames that are shown before and after the time.
const SHOWN: usize = 8;
const HOUR_US: i64 = 3600 * 1_000_000;
/// The path is read from so long before at least, so that what it was inside of is known; farther if a visit began before.
const BEFORE_US: i64 = 36 * HOUR_US;
const AFTER_US: i64 = 2 * HOUR_US;
/// Rejects and alerts are shown from so long before and after.
const NEAR_US: i64 = HOUR_US / 6;
/// Zones that are explained if none is named.
const ZONES_SHOWN: usize = 2;

pub fn explain(checked: &Checked, vehicle: &str, at: &str, zone: Option<&str>) -> anyhow::Result<String> {
    let mut operators = checked.operators.iter().map(|operator| &operator.kind);
    let config = operators.find_map(|kind| match kind {
        OperatorKind::Geofence(config) => Some(config),
        _ => None,
    });
    let config = config.context("the pipeline has no geofence")?;
    let below = operators.filter_map(|kind| match kind {
        OperatorKind::Filter(condition) => Some(condition.text().to_owned()),
        _ => None,
    });
    let time = utc(at).with_context(|| format!("not a time: {at:?}; write such as 2024-03-08T12:00:00Z"))?;
    let session = Session::open(&build::place(&checked.data, checked.bucket.as_deref())?, Limits::default())?;
    let reader = Reader { session: &session, config, vehicle, filters: below.collect() };
    let around = (time - BEFORE_US, time + AFTER_US);
    let path = reader.path(around)?;
    let mut out = String::new();
    if path.frames.is_empty() {
        let (rejects, alerts) = (reader.count("rejects", around)?, reader.count("alerts", around)?);
        let span = format!("of vehicle {vehicle:?} from {} to {}", text_of(around.0), text_of(around.1));
        if rejects + alerts == 0 {
            bail!("there is no frame, no reject and no alert {span}");
        }
        writeln!(out, "the history has no frame {span}; rejected in that time: {rejects}\n")?;
    }
    let zones = match zone {
        Some(id) => vec![config.zones.find(id).with_context(|| format!("there is no zone {id:?}"))?],
        None => nearest(&reader, &path, time),
    };
    for zone in zones.into_iter().filter(|_| !path.frames.is_empty()) {
        explain_zone(&reader, zone, &path, time, &mut out)?;
    }
    let near = (time - NEAR_US, time + NEAR_US);
    for (table, word) in [("rejects", "rejected"), ("alerts", "told")] {
        let rows = reader.rows(table, near)?;
        writeln!(out, "{word} within 10 minutes: {}", rows.len().saturating_sub(1))?;
        rows.iter().try_for_each(|row| writeln!(out, "  {row}"))?;
    }
    Ok(out)
}

/// The zones nearest to the frame at the time or before.
fn nearest(reader: &Reader, path: &Path, time: i64) -> Vec<u32> {
    let frames = &path.frames;
    let last = frames.iter().rev().find(|frame| frame.recorded.time <= time).or(frames.first());
    let place = last.and_then(|frame| Position::new(frame.recorded.lat, frame.recorded.lon).ok());
    let Some(at) = place else { return Vec::new() };
    let all = &reader.config.zones;
    let mut zones: Vec<(u32, f64)> = (0..all.len() as u32).map(|zone| (zone, all.outside_m(zone, at))).collect();
    zones.sort_by(|a, b| a.1.total_cmp(&b.1));
    zones.into_iter().take(ZONES_SHOWN).map(|(zone, _)| zone).collect()
}

fn explain_zone(reader: &Reader, zone: u32, path: &Path, time: i64, out: &mut String) -> anyhow::Result<()> {
    let Reader { config, vehicle, .. } = reader;
    let rules = &config.rules[zone as usize];
    writeln!(out, "zone {}: {}", config.zones.id(zone), crate::config::zone_rules(rules))?;
    if !applies(rules, vehicle, path.group.as_deref()) {
        let group = path.group.as_deref().map_or("no group".to_owned(), |group| format!("group {group}"));
        writeln!(out, "  is not for vehicle {vehicle} ({group}): nothing is told\n")?;
        return Ok(());
    }
    let visit = reader.visit_began(zone, time)?.filter(|began| *began < time - BEFORE_US);
    let longer = visit.map(|began| reader.path((began - HOUR_US, time + AFTER_US))).transpose()?;
    let path = longer.as_ref().unwrap_or(path);
    let told = reader.standing(zone, path.span)?;
    let group = path.group.as_deref();
    let replay = |path: &[&Frame]| {
        let frames: Vec<_> = path.iter().map(|frame| frame.recorded).collect();
        why(config, vehicle, group, zone, &frames)
    };
    let left_out = late::left_out(&path.frames, config, &told, replay);
    let taken: Vec<&Frame> =
        path.frames.iter().zip(&left_out).filter(|(_, out)| out.is_none()).map(|(f, _)| f).collect();
    let from = taken.first().map_or(path.span.0, |frame| frame.recorded.time);
    let began = visit.map_or(String::new(), |began| format!(", because it came in at {}", text_of(began)));
    writeln!(out, "  replayed: {} frames from {}{began}", taken.len(), text_of(from))?;
    let mut all = replay(&taken).into_iter();
    let now = path.frames.partition_point(|frame| frame.recorded.time <= time);
    let shown = now.saturating_sub(SHOWN)..now + SHOWN;
    for (n, (frame, out_of_path)) in path.frames.iter().zip(&left_out).enumerate() {
        let means = match out_of_path {
            Some(newer) => Some(format!(
                "came too late: {newer} newer frames were there, and path_keep is {}: the geofence left it out",
                config.path_keep
            )),
            None => all.next().map(|why| sentence(&why, frame, config, zone)),
        };
        let Some(means) = means.filter(|_| shown.contains(&n)) else { continue };
        let late = if frame.late { ", late" } else { "" };
        let below = frame.refused.as_ref().map_or(String::new(), |why| format!("; then refused by the filter: {why}"));
        let (time, lat, lon) = (text_of(frame.recorded.time), frame.recorded.lat, frame.recorded.lon);
        writeln!(out, "  {time} ({lat:.6}, {lon:.6}){late}: {means}{below}")?;
    }
    out.push('\n');
    Ok(())
}
