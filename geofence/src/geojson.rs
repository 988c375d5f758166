//! Reads GeoJSON (RFC 7946) feature by feature, noting every problem on the way.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::check;
use crate::coordinates;
use crate::problem::{Problem, Severity, Vertex, What};
use crate::swapped;
use crate::zone::{Shape, Zone};
use crate::zones::ZoneOptions;

#[derive(Deserialize)]
struct File<'a> {
    #[serde(rename = "type")]
    kind: Option<Value>,
    #[serde(borrow)]
    features: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Feature<'a> {
    #[serde(rename = "type")]
    kind: Option<Value>,
    id: Option<Value>,
    properties: Option<Map<String, Value>>,
    #[serde(borrow)]
    geometry: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Geometry<'a> {
    #[serde(rename = "type")]
    kind: Option<Value>,
    #[serde(borrow)]
    coordinates: Option<&'a RawValue>,
}

/// See [`crate::Zones::from_geojson`].
pub(crate) fn read(text: &str, options: &ZoneOptions) -> Result<(Vec<Zone>, Vec<Problem>), Vec<Problem>> {
    let mut reader = Reader { text, options, problems: Vec::new(), counted: (0, 1, 0) };
    let zones = reader.file();
    let problems = reader.problems;
    if problems.iter().any(|p| p.severity == Severity::Error) { Err(problems) } else { Ok((zones, problems)) }
}

struct Reader<'a> {
    text: &'a str,
    options: &'a ZoneOptions,
    problems: Vec<Problem>,
    /// Up to which byte lines are counted, the line there, and how many characters of it stand before.
    counted: (usize, usize, usize),
}

impl<'a> Reader<'a> {
    fn file(&mut self) -> Vec<Zone> {
        if self.text.trim().is_empty() {
            self.note_at(Some((1, 1)), What::EmptyFile, Severity::Error);
            return Vec::new();
        }
        let file: File<'a> = match serde_json::from_str(self.text) {
            Ok(file) => file,
            Err(fault) => {
                self.fault(&fault);
                return Vec::new();
            }
        };
        let features = match (file.kind.as_ref().and_then(Value::as_str), file.features) {
            (Some("FeatureCollection"), Some(features)) => features,
            (Some("Feature"), _) => match serde_json::from_str::<&RawValue>(self.text) {
                Ok(feature) => vec![feature],
                Err(_) => Vec::new(),
            },
            (kind, _) => {
                let found = match kind {
                    Some("FeatureCollection") => "a FeatureCollection without \"features\"".into(),
                    Some(kind) => format!("a {kind}"),
                    None => "JSON without a GeoJSON \"type\"".into(),
                };
                self.note_at(Some((1, 1)), What::NotFeatures(found), Severity::Error);
                return Vec::new();
            }
        };
        if features.is_empty() {
            self.note_at(None, What::NoZones, Severity::Warning);
        }
        let read = features.par_iter().enumerate().map(|(number, raw)| FeatureRead::of(raw, number, self.options));
        let read: Vec<FeatureRead> = read.collect();
        let features_read = features.iter().zip(read).enumerate();
        let read: Vec<(usize, Zone)> =
            features_read.filter_map(|(i, (raw, read))| Some((i, self.feature(i, raw, read)?))).collect();
        self.check_ids(&read, &features);
        self.say_numbered(&read, &features);
        self.say_swapped(&read);
        let empty = |zone: &Zone| matches!(&zone.shape, Shape::Polygons(polygons) if polygons.is_empty());
        if !read.is_empty() && read.iter().all(|(_, zone)| empty(zone)) {
            self.note_at(None, What::AllEmpty, Severity::Error);
        }
        read.into_iter().map(|(_, zone)| zone).collect()
    }

    fn say_swapped(&mut self, read: &[(usize, Zone)]) {
        let zones: Vec<&Zone> = read.iter().map(|(_, zone)| zone).collect();
        for suspect in swapped::suspects(&zones) {
            let (number, zone) = &read[suspect];
            let [west, south, ..] = zone.shape.around();
            self.problems.push(Problem {
                severity: Severity::Warning,
                feature: Some(*number),
                zone_id: Some(zone.id.clone()),
                line: Some(zone.place.0),
                column: Some(zone.place.1),
                what: What::FarUnlessSwapped { corner: Vertex { lat: south, lon: west } },
            });
        }
    }

    /// JSON that cannot be read at all, or whose top is not an object.
    fn fault(&mut self, fault: &serde_json::Error) {
        // serde_json counts bytes.
        let line = fault.line().max(1);
        let text = self.text.lines().nth(line - 1).unwrap_or_default().as_bytes();
        let before = &text[..fault.column().saturating_sub(1).min(text.len())];
        let at = Some((line, 1 + before.iter().filter(|b| !is_continuation(**b)).count()));
        let what = if fault.is_data() {
            What::NotFeatures("JSON of another shape than GeoJSON".into())
        } else {
            What::NotJson(without_place(fault))
        };
        self.note_at(at, what, Severity::Error);
    }

    fn note_at(&mut self, at: Option<(usize, usize)>, what: What, severity: Severity) {
        let (line, column) = at.unzip();
        self.problems.push(Problem { severity, feature: None, zone_id: None, line, column, what });
    }

    fn feature(&mut self, number: usize, raw: &'a RawValue, read: FeatureRead) -> Option<Zone> {
        let FeatureRead { notes, zone_id, zone } = read;
        let (line, column) = self.line_column(raw);
        if !notes.is_empty() {
            self.problems.extend(notes.into_iter().map(|(severity, what)| Problem {
                severity,
                feature: Some(number),
                zone_id: zone_id.clone(),
                line: Some(line),
                column: Some(column),
                what,
            }));
        }
        zone.map(|zone| Zone { place: (line, column), ..zone })
    }

    /// Where a part of the text starts. Parts are asked for in order, so every line is counted once.
    fn line_column(&mut self, part: &RawValue) -> (usize, usize) {
        let at = (part.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len());
        let (mut from, mut line, mut before) = self.counted;
        if at < from {
            (from, line, before) = (0, 1, 0);
        }
        let passed = &self.text.as_bytes()[from..at];
        let characters = |bytes: &[u8]| bytes.iter().filter(|b| !is_continuation(**b)).count();
        line += passed.iter().filter(|b| **b == b'\n').count();
        before = match passed.iter().rposition(|b| *b == b'\n') {
            Some(line_break) => characters(&passed[line_break + 1..]),
            None => before + characters(passed),
        };
        self.counted = (at, line, before);
        (line, before + 1)
    }

    /// Says once how many zones have no id of their own.
    fn say_numbered(&mut self, read: &[(usize, Zone)], features: &[&'a RawValue]) {
        let mut numbered = read.iter().filter(|(_, zone)| zone.is_numbered);
        let Some((first, _)) = numbered.next() else { return };
        let at = self.line_column(features[*first]);
        let what = What::Numbered { features: 1 + numbered.count(), unique_property: unique_property(read) };
        self.note_at(Some(at), what, Severity::Note);
    }

    fn check_ids(&mut self, read: &[(usize, Zone)], features: &[&'a RawValue]) {
        let mut first_with: HashMap<&str, usize> = HashMap::with_capacity(read.len());
        let mut unique = None;
        for (number, zone) in read {
            let first = *first_with.entry(&zone.id).or_insert(*number);
            if first == *number {
                continue;
            }
            let unique_property = unique.get_or_insert_with(|| unique_property(read)).clone();
            let (line, column) = self.line_column(features[*number]);
            self.problems.push(Problem {
                severity: Severity::Error,
                feature: Some(*number),
                zone_id: Some(zone.id.clone()),
                line: Some(line),
                column: Some(column),
                what: What::SameId { first, unique_property },
            });
        }
    }
}

/// What one feature is, by itself: each is read by whichever thread comes to it.
struct FeatureRead {
    notes: Vec<(Severity, What)>,
    zone_id: Option<String>,
    zone: Option<Zone>,
}

impl FeatureRead {
    fn of(raw: &RawValue, number: usize, options: &ZoneOptions) -> FeatureRead {
        let (mut notes, mut zone_id) = (Vec::new(), None);
        let zone = read_feature(raw, number, options, &mut zone_id, &mut notes);
        FeatureRead { notes, zone_id, zone }
    }
}

fn read_feature(
    raw: &RawValue,
    number: usize,
    options: &ZoneOptions,
    zone_id: &mut Option<String>,
    notes: &mut Vec<(Severity, What)>,
) -> Option<Zone> {
    let mut error = |what| notes.push((Severity::Error, what));
    let feature: Feature = match serde_json::from_str(raw.get()) {
        Ok(feature) => feature,
        Err(fault) => {
            error(What::NotFeature(without_place(&fault)));
            return None;
        }
    };
    if feature.kind.as_ref().and_then(Value::as_str) != Some("Feature") {
        error(What::NotFeature("its \"type\" is not \"Feature\"".into()));
        return None;
    }
    let attributes = feature.properties.unwrap_or_default();
    let id = match id(feature.id.as_ref(), &attributes, options) {
        Ok(id) => Some(id),
        Err(what) => {
            error(what);
            None
        }
    };
    let is_numbered = id == Some(None);
    let id = id.map(|id| id.unwrap_or_else(|| number.to_string()));
    zone_id.clone_from(&id);
    let shape = shape(feature.geometry, &attributes, notes)?;
    Some(Zone { id: id?, is_numbered, shape, attributes, place: (0, 0) })
}

/// The message alone: lines of a part of the text would mislead.
fn without_place(fault: &serde_json::Error) -> String {
    let message = fault.to_string();
    message.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Whether a byte goes on with a character that another began.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// `None`: the feature has none.
fn id(id: Option<&Value>, properties: &Map<String, Value>, options: &ZoneOptions) -> Result<Option<String>, What> {
    let given = |value: Option<&'_ Value>| value.filter(|v| !v.is_null()).cloned();
    let value = match &options.id_property {
        Some(name) => Some(given(properties.get(name)).ok_or_else(|| What::NoIdProperty(name.clone()))?),
        None => given(id).or_else(|| given(properties.get("id"))).or_else(|| given(properties.get("zone_id"))),
    };
    let Some(value) = value else { return Ok(None) };
    let id = as_id(&value).ok_or_else(|| What::BadId(value.to_string()))?;
    if id.trim().is_empty() { Err(What::EmptyId) } else { Ok(Some(id)) }
}

fn as_id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn shape(
    geometry: Option<&RawValue>,
    attributes: &Map<String, Value>,
    notes: &mut Vec<(Severity, What)>,
) -> Option<Shape> {
    let geometry = geometry.filter(|raw| raw.get() != "null");
    let parsed = geometry.map(|raw| serde_json::from_str::<Geometry>(raw.get()));
    let mut note = |severity, what| notes.push((severity, what));
    let geometry = match parsed {
        None => {
            note(Severity::Error, What::NoGeometry);
            return None;
        }
        Some(Err(fault)) => {
            note(Severity::Error, What::NotFeature(format!("its geometry: {}", without_place(&fault))));
            return None;
        }
        Some(Ok(geometry)) => geometry,
    };
    let kind = geometry.kind.as_ref().and_then(Value::as_str).unwrap_or("geometry without a \"type\"");
    let coordinates = geometry.coordinates.map_or("null", RawValue::get);
    let mut misshapen = |kind, expected| note(Severity::Error, What::Coordinates { kind, expected });
    match kind {
        "Polygon" => match coordinates::polygon(coordinates) {
            Ok(rings) => check::polygons(vec![rings], &mut note),
            Err(_) => {
                misshapen("Polygon", "a list of rings of positions: [[[lon, lat], ...], ...]");
                None
            }
        },
        "MultiPolygon" => match coordinates::polygons(coordinates) {
            Ok(polygons) => check::polygons(polygons, &mut note),
            Err(_) => {
                misshapen("MultiPolygon", "a list of polygons: [[[[lon, lat], ...], ...], ...]");
                None
            }
        },
        "Point" => match coordinates::position(coordinates) {
            Ok(centre) => check::circle(centre, attributes.get("radius_m"), &mut note),
            Err(_) => {
                misshapen("Point", "a position: [lon, lat]");
                None
            }
        },
        "MultiPoint" => match coordinates::positions(coordinates) {
            Ok(points) => {
                let points = points.into_iter().map(|point| vec![point]).collect();
                check::corridor(points, "radius_m", kind, attributes, &mut note)
            }
            Err(_) => {
                misshapen("MultiPoint", "a list of positions: [[lon, lat], ...]");
                None
            }
        },
        "LineString" => match coordinates::positions(coordinates) {
            Ok(line) => check::corridor(vec![line], "buffer_m", kind, attributes, &mut note),
            Err(_) => {
                misshapen("LineString", "a list of positions: [[lon, lat], ...]");
                None
            }
        },
        "MultiLineString" => match coordinates::polygon(coordinates) {
            Ok(lines) => check::corridor(lines, "buffer_m", kind, attributes, &mut note),
            Err(_) => {
                misshapen("MultiLineString", "a list of lines of positions: [[[lon, lat], ...], ...]");
                None
            }
        },
        other => {
            note(Severity::Error, What::Unsupported(other.to_owned()));
            None
        }
    }
}

/// A property that every zone has with a value of its own.
fn unique_property(read: &[(usize, Zone)]) -> Option<String> {
    let (_, first) = read.first()?;
    let differs = |name: &&String| {
        let mut seen = HashSet::with_capacity(read.len());
        read.iter().all(|(_, zone)| zone.attributes.get(*name).and_then(as_id).is_some_and(|id| seen.insert(id)))
    };
    // A name says more than a number.
    let mut unique: Vec<&String> = first.attributes.keys().filter(differs).collect();
    unique.sort_by_key(|key| !key.to_lowercase().contains("name"));
    unique.first().map(|key| (*key).clone())
}
