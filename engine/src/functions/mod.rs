//! Functions for SQL beyond those of every database: places on the sphere, shapes and cells. One registry, which expressions of a
//! pipeline and queries over the lake both take theirs from, so that they give the same answers.
//!
//! A null argument gives null, and so does one that means nothing: a place off the earth, a text that is no shape, a cell that is
//! none, a resolution that there is not. None of them fails.

mod cells;
pub mod geohash;
mod geometry;
mod places;
mod shape;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Fields};

/// A function over columns, row by row.
pub struct Function {
    /// As people write it; SQL takes it in any case.
    pub name: &'static str,
    /// Of each argument its name, for messages, and its kind.
    pub arguments: &'static [(&'static str, Kind)],
    pub gives: Kind,
    /// Takes columns of the arguments' types, all of one length, and gives one of the same length. Where it takes constants, a
    /// column of one row may stand for one in which all rows are alike.
    pub call: fn(&[ArrayRef]) -> ArrayRef,
}

/// What a function takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Number,
    Whole,
    Text,
    Flag,
    /// Longitude and latitude in degrees.
    Point,
    /// A point, or a text of WKT or GeoJSON.
    Geometry,
}

impl Kind {
    /// All types that it comes in, the usual one first.
    pub fn data_types(self) -> Vec<DataType> {
        match self {
            Kind::Geometry => vec![DataType::Utf8, Kind::Point.data_type()],
            kind => vec![kind.data_type()],
        }
    }

    pub fn data_type(self) -> DataType {
        match self {
            Kind::Number => DataType::Float64,
            Kind::Whole => DataType::Int64,
            Kind::Text | Kind::Geometry => DataType::Utf8,
            Kind::Flag => DataType::Boolean,
            Kind::Point => DataType::Struct(point_fields()),
        }
    }
}

/// Coordinates beside each other, as GeoArrow has them.
fn point_fields() -> Fields {
    Fields::from(vec![Field::new("x", DataType::Float64, true), Field::new("y", DataType::Float64, true)])
}

impl Function {
    /// What it may be called with.
    pub fn takes(&self) -> Vec<Vec<DataType>> {
        self.arguments.iter().fold(vec![Vec::new()], |before, (_, kind)| {
            let with = |data_type: DataType| {
                before.iter().map(move |before| before.iter().chain([&data_type]).cloned().collect::<Vec<DataType>>())
            };
            let types = match kind {
                // Beside a choice of types SQL fits no number to another type.
                Kind::Number if self.takes_constants() => NUMBERS.to_vec(),
                kind => kind.data_types(),
            };
            types.into_iter().flat_map(with).collect()
        })
    }

    /// Whether columns of one row may stand for constants.
    pub fn takes_constants(&self) -> bool {
        self.arguments.iter().any(|(_, kind)| *kind == Kind::Geometry)
    }

    /// As one would call it: `ST_Point(lon, lat)`.
    pub fn usage(&self) -> String {
        let arguments: Vec<&str> = self.arguments.iter().map(|(name, _)| *name).collect();
        format!("{}({})", self.name, arguments.join(", "))
    }
}

const NUMBERS: [DataType; 5] =
    [DataType::Float64, DataType::Float32, DataType::Int64, DataType::Int32, DataType::Int16];

const TWO: &[(&str, Kind)] = &[("geometry", Kind::Geometry), ("geometry", Kind::Geometry)];

/// All of them, in the order of docs/EXPRESSIONS.md.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "ST_Point",
        arguments: &[("lon", Kind::Number), ("lat", Kind::Number)],
        gives: Kind::Point,
        call: places::point,
    },
    Function { name: "ST_X", arguments: &[("point", Kind::Point)], gives: Kind::Number, call: places::x },
    Function { name: "ST_Y", arguments: &[("point", Kind::Point)], gives: Kind::Number, call: places::y },
    Function {
        name: "ST_Azimuth",
        arguments: &[("point", Kind::Point), ("point", Kind::Point)],
        gives: Kind::Number,
        call: places::azimuth,
    },
    Function {
        name: "ST_GeomFromText",
        arguments: &[("text", Kind::Text)],
        gives: Kind::Text,
        call: geometry::from_text,
    },
    Function { name: "ST_Distance", arguments: TWO, gives: Kind::Number, call: geometry::distance },
    Function {
        name: "ST_DWithin",
        arguments: &[("geometry", Kind::Geometry), ("geometry", Kind::Geometry), ("metres", Kind::Number)],
        gives: Kind::Flag,
        call: geometry::within_metres,
    },
    Function { name: "ST_Contains", arguments: TWO, gives: Kind::Flag, call: geometry::contains },
    Function { name: "ST_Within", arguments: TWO, gives: Kind::Flag, call: geometry::within },
    Function { name: "ST_Intersects", arguments: TWO, gives: Kind::Flag, call: geometry::intersects },
    Function {
        name: "ST_Length",
        arguments: &[("geometry", Kind::Geometry)],
        gives: Kind::Number,
        call: geometry::length,
    },
    Function { name: "ST_Area", arguments: &[("geometry", Kind::Geometry)], gives: Kind::Number, call: geometry::area },
    Function {
        name: "h3_cell",
        arguments: &[("lat", Kind::Number), ("lon", Kind::Number), ("resolution", Kind::Whole)],
        gives: Kind::Text,
        call: cells::cell,
    },
    Function {
        name: "h3_parent",
        arguments: &[("cell", Kind::Text), ("resolution", Kind::Whole)],
        gives: Kind::Text,
        call: cells::parent,
    },
    Function { name: "h3_resolution", arguments: &[("cell", Kind::Text)], gives: Kind::Whole, call: cells::resolution },
    Function { name: "h3_lat", arguments: &[("cell", Kind::Text)], gives: Kind::Number, call: cells::lat },
    Function { name: "h3_lon", arguments: &[("cell", Kind::Text)], gives: Kind::Number, call: cells::lon },
    Function {
        name: "h3_distance",
        arguments: &[("cell", Kind::Text), ("cell", Kind::Text)],
        gives: Kind::Whole,
        call: cells::steps,
    },
    Function {
        name: "geohash",
        arguments: &[("lat", Kind::Number), ("lon", Kind::Number), ("length", Kind::Whole)],
        gives: Kind::Text,
        call: cells::geohash_cell,
    },
];

/// Values of a column of numbers.
fn numbers(column: &ArrayRef) -> impl Iterator<Item = Option<f64>> {
    use arrow::array::AsArray;
    column.as_primitive::<arrow::datatypes::Float64Type>().iter()
}

/// Latitude and longitude of each row, where they are a place on the earth.
fn positions(lat: &ArrayRef, lon: &ArrayRef) -> impl Iterator<Item = Option<(f64, f64)>> {
    numbers(lat).zip(numbers(lon)).map(|(lat, lon)| on_earth((lat?, lon?)))
}

/// The place, if it is one: latitude, longitude.
fn on_earth(place: (f64, f64)) -> Option<(f64, f64)> {
    (place.0.abs() <= 90.0 && place.1.abs() <= 180.0).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, new_null_array};
    use arrow::datatypes::Float64Type;
    use arrow::util::display::array_value_to_string;
    use std::sync::Arc;

    fn call(name: &str, arguments: &[ArrayRef]) -> ArrayRef {
        let function = FUNCTIONS.iter().find(|f| f.name == name).expect("a function of that name");
        let types: Vec<DataType> = arguments.iter().map(|a| a.data_type().clone()).collect();
        assert!(function.takes().contains(&types), "{name} {types:?}");
        let given = (function.call)(arguments);
        assert_eq!(*given.data_type(), function.gives.data_type(), "{name}");
        given
    }

    fn number(value: f64) -> ArrayRef {
        Arc::new(Float64Array::from(vec![value]))
    }

    fn whole(value: i64) -> ArrayRef {
        Arc::new(Int64Array::from(vec![value]))
    }

    fn text(value: &str) -> ArrayRef {
        Arc::new(StringArray::from(vec![value]))
    }

    #[track_caller]
    fn check(name: &str, arguments: &[ArrayRef], expected: &str) {
        assert_eq!(array_value_to_string(&call(name, arguments), 0).unwrap(), expected, "{name}");
    }

    fn point(lon: f64, lat: f64) -> ArrayRef {
        call("ST_Point", &[number(lon), number(lat)])
    }

    #[test]
    fn points_have_their_coordinates_and_the_metres_of_the_sphere_between_them() {
        check("ST_X", &[point(-97.75, 30.25)], "-97.75");
        check("ST_Y", &[point(-97.75, 30.25)], "30.25");
        // A degree of a meridian: 6,371,008.8 m x pi / 180.
        let metres = call("ST_Distance", &[point(5.0, 1.0), point(5.0, 2.0)]);
        assert!((metres.as_primitive::<Float64Type>().value(0) - 111_195.080_233_532_9).abs() < 1e-9, "{metres:?}");
        check("ST_DWithin", &[point(5.0, 1.0), point(5.0, 2.0), number(111_196.0)], "true");
        check("ST_DWithin", &[point(5.0, 1.0), point(5.0, 2.0), number(111_195.0)], "false");
        check("ST_DWithin", &[point(179.9, 0.0), point(-179.9, 0.0), number(22_240.0)], "true");
    }

    /// Ten by ten degrees less a hole, and one of the shapes beside it.
    const LAND: &str = "POLYGON((0 0, 10 0, 10 10, 0 10, 0 0), (4 4, 6 4, 6 6, 4 6, 4 4))";
    const ROAD: &str = r#"{"type":"LineString","coordinates":[[-1,1],[2,1],[2,3]]}"#;

    #[test]
    fn shapes_hold_what_is_in_them_and_meet_what_touches_them() {
        let land = || text(LAND);
        for (lon, lat, contains, intersects) in [
            (1.0, 1.0, true, true),
            (5.0, 5.0, false, false),
            (0.0, 5.0, false, true),
            (4.0, 5.0, false, true),
            (11.0, 5.0, false, false),
        ] {
            check("ST_Contains", &[land(), point(lon, lat)], &contains.to_string());
            check("ST_Within", &[point(lon, lat), land()], &contains.to_string());
            check("ST_Intersects", &[land(), point(lon, lat)], &intersects.to_string());
            check("ST_Intersects", &[point(lon, lat), land()], &intersects.to_string());
        }
        check("ST_Intersects", &[land(), text(ROAD)], "true");
        check("ST_Contains", &[land(), text(ROAD)], "false");
        check("ST_Contains", &[land(), text("POINT(1 1)")], "true");
        check("ST_Within", &[text("LINESTRING(1 1, 3 3)"), land()], "true");
        check("ST_Contains", &[point(1.0, 1.0), point(1.0, 1.0)], "true");
        let feature = r#"{"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}}"#;
        check("ST_Contains", &[text(feature), point(0.7, 0.3)], "true");
        check("ST_Contains", &[text("SRID=4326;POLYGON((0 0, 1 0, 1 1, 0 0))"), point(0.7, 0.3)], "true");
    }

    #[test]
    fn shapes_are_measured_on_the_sphere() {
        let near = |name: &str, arguments: &[ArrayRef], expected: f64| {
            let given = call(name, arguments);
            let given = numbers(&given).next().flatten().expect("a number");
            assert!((given - expected).abs() <= 1e-6 * expected.max(1.0), "{name}: {given}, not {expected}");
        };
        let degree = crate::sphere::METRES_PER_DEGREE;
        near("ST_Distance", &[text(LAND), point(5.0, 12.0)], 1.962576954089 * degree);
        near("ST_Distance", &[point(5.0, -2.0), text(LAND)], 2.0 * degree);
        near("ST_Distance", &[text(LAND), point(5.0, 3.5)], 0.0);
        // In the hole, half a degree from a border that bulges.
        near("ST_Distance", &[text(LAND), point(5.0, 4.5)], 0.4993926661547 * degree);
        near("ST_Distance", &[point(3.0, 0.0), text("MULTIPOINT(0 0, 4 0)")], degree);
        near("ST_Distance", &[text("LINESTRING(179 0, -179 0)"), point(180.0, 1.0)], degree);
        near("ST_Distance", &[text("LINESTRING(0 0, 0 1)"), text("LINESTRING(3 -1, 3 5)")], 2.999542667554 * degree);
        near("ST_Length", &[text("LINESTRING(0 0, 0 1, 1 1)")], degree * (1.0 + 0.999847691290));
        near("ST_Length", &[text(LAND)], 0.0);
        let sphere = 4.0 * std::f64::consts::PI * crate::sphere::EARTH_RADIUS_M.powi(2);
        near("ST_Area", &[text("POLYGON((0 0, 90 0, 0 90, 0 0))")], sphere / 8.0);
        near("ST_Area", &[text("POLYGON((0 0, 90 0, 180 0, -90 0, 0 0))")], sphere / 2.0);
        near("ST_Area", &[text("POLYGON((179 0, -179 0, 180 90, 179 0))")], sphere / 360.0);
        near("ST_Azimuth", &[point(5.0, 1.0), point(5.0, 0.0)], std::f64::consts::PI);
        near("ST_Azimuth", &[point(0.0, 0.0), point(1.0, 0.0)], std::f64::consts::FRAC_PI_2);
    }

    #[test]
    fn a_constant_stands_for_all_rows() {
        let points = call(
            "ST_Point",
            &[Arc::new(Float64Array::from(vec![1.0, 5.0, 2.0])), Arc::new(Float64Array::from(vec![1.0, 5.0, 30.0]))],
        );
        let expected = BooleanArray::from(vec![true, false, false]);
        assert_eq!(*call("ST_Contains", &[text(LAND), points.clone()]).as_boolean(), expected);
        assert_eq!(*call("ST_Within", &[points.clone(), text(LAND)]).as_boolean(), expected);
        let many: ArrayRef = Arc::new(StringArray::from(vec![LAND; 3]));
        assert_eq!(*call("ST_Contains", &[many, points.clone()]).as_boolean(), expected);
        assert_eq!(call("ST_Contains", &[text(LAND), points.slice(0, 0)]).len(), 0);
        assert_eq!(*call("ST_DWithin", &[points, text(LAND), number(1.0)]).as_boolean(), expected);
    }

    /// San Francisco, as the tests of H3 itself have it.
    #[test]
    fn cells_are_those_of_h3_and_geohash() {
        check("h3_cell", &[number(37.775_270_215_195_9), number(-122.418_307_270_836), whole(9)], "8928308280fffff");
        check("h3_parent", &[text("8928308280fffff"), whole(5)], "85283083fffffff");
        check("h3_resolution", &[text("8928308280fffff")], "9");
        check("h3_distance", &[text("8928308280fffff"), text("8928308280fffff")], "0");
        check("h3_distance", &[text("8928308280fffff"), text("8928308280bffff")], "1");
        let (lat, lon) = (call("h3_lat", &[text("8928308280fffff")]), call("h3_lon", &[text("8928308280fffff")]));
        check("h3_cell", &[lat, lon, whole(9)], "8928308280fffff");
        // The example of Niemeyer's geohash.org: 57.64911, 10.40744.
        check("geohash", &[number(57.64911), number(10.40744), whole(11)], "u4pruydqqvj");
        check("geohash", &[number(-90.0), number(-180.0), whole(3)], "000");
        check("geohash", &[number(90.0), number(180.0), whole(3)], "zzz");
    }

    #[test]
    fn what_means_nothing_is_null() {
        for (name, arguments) in [
            ("h3_cell", vec![number(91.0), number(0.0), whole(9)]),
            ("h3_cell", vec![number(f64::NAN), number(0.0), whole(9)]),
            ("h3_cell", vec![number(1.0), number(1.0), whole(16)]),
            ("h3_cell", vec![number(1.0), number(1.0), whole(-1)]),
            ("h3_parent", vec![text("8928308280fffff"), whole(10)]),
            ("h3_parent", vec![text("a tram"), whole(1)]),
            ("h3_resolution", vec![text("")]),
            ("h3_lat", vec![text("ffffffffffffffff")]),
            ("h3_distance", vec![text("8928308280fffff"), text("85283083fffffff")]),
            ("geohash", vec![number(1.0), number(181.0), whole(5)]),
            ("geohash", vec![number(1.0), number(1.0), whole(13)]),
            ("geohash", vec![number(1.0), number(1.0), whole(0)]),
            ("ST_Distance", vec![point(0.0, 91.0), point(0.0, 0.0)]),
            ("ST_Azimuth", vec![point(0.0, 1.0), point(0.0, 1.0)]),
            ("ST_Contains", vec![text("POLYGON((0 0, 1 0"), point(0.0, 0.0)]),
            ("ST_Contains", vec![text(r#"{"type":"Town"}"#), point(0.0, 0.0)]),
            ("ST_Area", vec![text("POLYGON((0 0, 1 0, 1 91, 0 0))")]),
            ("ST_Area", vec![text("SRID=3857;POLYGON((0 0, 1 0, 1 1, 0 0))")]),
            ("ST_Distance", vec![text("POLYGON EMPTY"), point(0.0, 0.0)]),
            ("ST_GeomFromText", vec![text("a town")]),
            ("ST_GeomFromText", vec![text(&"GEOMETRYCOLLECTION(".repeat(100_000))]),
            ("ST_DWithin", vec![point(0.0, 0.0), point(0.0, 0.0), number(f64::NAN)]),
        ] {
            assert!(call(name, &arguments).is_null(0), "{name} {arguments:?}");
        }
    }

    #[test]
    fn null_gives_null_and_no_rows_give_none() {
        for function in FUNCTIONS {
            let nulls = |rows| -> Vec<ArrayRef> {
                function.arguments.iter().map(|(_, kind)| new_null_array(&kind.data_type(), rows)).collect()
            };
            let given = call(function.name, &nulls(3));
            assert_eq!((given.len(), given.null_count()), (3, 3), "{}", function.name);
            assert_eq!(call(function.name, &nulls(0)).len(), 0, "{}", function.name);
        }
    }
}
