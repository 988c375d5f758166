//! What can be wrong with a file of zones, in words a person can act on.

use std::fmt;

use thiserror::Error;

/// One mistake or oddity of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub severity: Severity,
    /// Index of the feature in the file, from 0.
    pub feature: Option<usize>,
    pub zone_id: Option<String>,
    /// Where in the text the feature (or the fault in the JSON) starts, from 1.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The zones are as one would expect; the text says how something was taken that can be written in several ways.
    Note,
    /// The zones work; the text says what was repaired or what may surprise.
    Warning,
    /// The file is refused.
    Error,
}

/// Which ring: polygons and rings count from 0, as in the file; ring 0 is the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPlace {
    pub polygon: usize,
    pub ring: usize,
}

/// A vertex as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vertex {
    pub lat: f64,
    pub lon: f64,
}

#[derive(Clone, Debug, PartialEq, Error)]
pub enum What {
    #[error("the file is empty: write a GeoJSON FeatureCollection of zones")]
    EmptyFile,
    #[error("not JSON: {0}")]
    NotJson(String),
    #[error(
        "the file is {0}, not a FeatureCollection: write {{\"type\": \"FeatureCollection\", \"features\": [...]}} with one Feature for each zone"
    )]
    NotFeatures(String),
    #[error("holds no zones: \"features\" is empty, so no vehicle will ever be in a zone")]
    NoZones,
    #[error("not a GeoJSON Feature: {0}")]
    NotFeature(String),
    #[error(
        "has no geometry: give it a Polygon, a MultiPolygon, a Point with the property \"radius_m\" or a LineString with \"buffer_m\", or remove it"
    )]
    NoGeometry,
    #[error(
        "a {0} cannot be a zone: use a Polygon, a MultiPolygon, a Point or MultiPoint with the property \"radius_m\", or a LineString or MultiLineString with \"buffer_m\" (metres)"
    )]
    Unsupported(String),
    #[error("the coordinates of the {kind} are not {expected}")]
    Coordinates { kind: &'static str, expected: &'static str },
    #[error("the id {0} is neither a string nor a number")]
    BadId(String),
    #[error("the id is empty: give the zone one, or leave it out to have it numbered")]
    EmptyId,
    #[error("features without an id: {features}; each is called by its index in the file, which changes when the file does: {}", numbered_advice(.unique_property))]
    Numbered { features: usize, unique_property: Option<String> },
    #[error("has no property \"{0}\" (a string or a number), which id_property names as the zone's id")]
    NoIdProperty(String),
    #[error("has the same id as feature {first}: {}", same_id_advice(.unique_property))]
    SameId { first: usize, unique_property: Option<String> },
    #[error("a Point needs the property \"radius_m\", the radius of its circle in metres")]
    NoRadius,
    #[error("radius_m is {0}: write a number of metres greater than 0 and at most 20015114")]
    BadRadius(String),
    #[error("a {kind} needs the property \"{property}\", how far around it the zone reaches, in metres")]
    NoReach { kind: String, property: &'static str },
    #[error("{property} is {written}: write a number of metres greater than 0 and at most {most}")]
    BadReach { property: &'static str, written: String, most: f64 },
    #[error("positions out of range: {vertices}, the first is latitude {}, longitude {}; a position is [longitude, latitude] in degrees", .first.lat, .first.lon)]
    OutOfRange { vertices: usize, first: Vertex },
    #[error("latitude and longitude seem to be swapped (the first vertex has latitude {}, longitude {}): GeoJSON writes [longitude, latitude]", .first.lat, .first.lon)]
    Swapped { first: Vertex },
    #[error("lies near latitude {:.2}, longitude {:.2}, far from the other zones, and would lie among them if latitude and longitude were swapped: GeoJSON writes [longitude, latitude]", .corner.lat, .corner.lon)]
    FarUnlessSwapped { corner: Vertex },
    #[error("{place} is dropped: without repeats it has {points} positions, a ring needs 3 and the first again")]
    ShortRing { place: RingPlace, points: usize },
    #[error("{place} encloses no area: dropped")]
    NoArea { place: RingPlace },
    #[error("nothing is left of its shape, so no vehicle will ever be in it: draw it again or remove it")]
    NothingLeft,
    #[error("no zone of the file has a usable shape")]
    AllEmpty,
    #[error("{place} is not closed: its first position was added at the end; write it there")]
    NotClosed { place: RingPlace },
    #[error(
        "{place} crosses itself near {near} (crossings in all: {times}): every part that it goes around counts as inside; redraw it if that is not meant"
    )]
    CrossesItself { place: RingPlace, times: usize, near: Vertex },
    #[error(
        "{place} lies across the antimeridian: taken the short way around, from longitude {west} to {east}; a zone that really is wider than half of the Earth needs vertices less than 180 degrees apart"
    )]
    Across { place: RingPlace, west: f64, east: f64 },
    #[error("{place} goes around the {pole} pole: taken as all there is between it and the pole")]
    AroundPole { place: RingPlace, pole: &'static str },
    #[error(
        "holes of polygon {polygon} outside its shell: {holes}, the first is ring {first}; they cut nothing out: check whether they belong to another polygon"
    )]
    HolesOutside { polygon: usize, holes: usize, first: usize },
    #[error(
        "polygon {inner} lies inside polygon {outer} and adds nothing: write it as a hole (a further ring) if it is meant to be cut out"
    )]
    NestedPolygons { inner: usize, outer: usize },
    #[error("covers {percent:.0} % of the Earth: check its coordinates, it may be inside out")]
    OverHemisphere { percent: f64 },
}

fn numbered_advice(unique_property: &Option<String>) -> String {
    match unique_property {
        Some(name) => format!("set id_property = \"{name}\", which differs for all features"),
        None => "give each an \"id\", or set id_property to a property that differs for all features".into(),
    }
}

fn same_id_advice(unique_property: &Option<String>) -> String {
    match unique_property {
        Some(name) => {
            format!("give each zone its own, or set id_property = \"{name}\", which differs for all features")
        }
        None => "give each zone its own, or set id_property to a property that differs for all features".into(),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.feature, &self.zone_id) {
            (Some(feature), Some(id)) => write!(f, "feature {feature} (id {id:?}): ")?,
            (Some(feature), None) => write!(f, "feature {feature}: ")?,
            _ => {}
        }
        self.what.fmt(f)
    }
}

impl fmt::Display for RingPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ring {} of polygon {}", self.ring, self.polygon)
    }
}

impl fmt::Display for Vertex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:.6}, {:.6})", self.lat, self.lon)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}
