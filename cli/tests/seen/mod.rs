//! Who holds a vehicle, by a linear scan with `geo`: enters and exits by geometry alone need no more, and nothing of the
//! crate of zones. A place on a border is inside.

use geo::{Intersects, Point};
use std::collections::BTreeSet;

/// Zones in the order of the file: ids, envelopes and shapes.
pub struct Scan(Vec<(String, geo::Rect, geo::MultiPolygon)>);

impl Scan {
    pub fn read(text: &str, id_property: Option<&str>) -> Scan {
        let json: serde_json::Value = serde_json::from_str(text).expect("GeoJSON");
        let features = json["features"].as_array().expect("features");
        let ring = |r: &serde_json::Value| -> geo::LineString {
            let points = r.as_array().expect("a ring").iter();
            points.map(|p| (p[0].as_f64().expect("lon"), p[1].as_f64().expect("lat"))).collect::<Vec<_>>().into()
        };
        let polygon = |p: &serde_json::Value| {
            let mut rings: Vec<geo::LineString> = p.as_array().expect("rings").iter().map(ring).collect();
            let shell = rings.remove(0);
            geo::Polygon::new(shell, rings)
        };
        let text_of = |v: &serde_json::Value| match v {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let zone = |(at, feature): (usize, &serde_json::Value)| {
            let properties = &feature["properties"];
            let id = match id_property {
                Some(name) => text_of(&properties[name]),
                None => [&feature["id"], &properties["id"], &properties["zone_id"]].into_iter().find_map(text_of),
            };
            let coordinates = &feature["geometry"]["coordinates"];
            let shape = match feature["geometry"]["type"].as_str() {
                Some("Polygon") => geo::MultiPolygon(vec![polygon(coordinates)]),
                _ => geo::MultiPolygon(coordinates.as_array().expect("polygons").iter().map(polygon).collect()),
            };
            let envelope = geo::BoundingRect::bounding_rect(&shape).expect("not empty");
            (id.unwrap_or_else(|| at.to_string()), envelope, shape)
        };
        Scan(features.iter().enumerate().map(zone).collect())
    }

    fn holding(&self, lat: f64, lon: f64) -> BTreeSet<&str> {
        let at = Point::new(lon, lat);
        let holds = |(_, envelope, shape): &&(String, geo::Rect, geo::MultiPolygon)| {
            envelope.intersects(&at) && shape.intersects(&at)
        };
        self.0.iter().filter(holds).map(|(id, ..)| id.as_str()).collect()
    }
}

/// A change of who holds a vehicle: zone, kind, and the fixes between which it happened.
pub type Change = (String, &'static str, i64, i64);

/// The changes along a path of times and places (latitude, longitude).
pub fn changes(path: impl Iterator<Item = (i64, f64, f64)>, scan: &Scan) -> Vec<Change> {
    let (mut zones, mut before) = (BTreeSet::new(), i64::MIN);
    let mut changes = Vec::new();
    for (time, lat, lon) in path {
        let now = scan.holding(lat, lon);
        let change = |kind, zone: &&str| ((*zone).to_owned(), kind, before, time);
        changes.extend(zones.difference(&now).map(|zone| change("exit", zone)));
        changes.extend(now.difference(&zones).map(|zone| change("enter", zone)));
        (zones, before) = (now, time);
    }
    changes
}
