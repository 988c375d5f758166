//! Functions for SQL beyond those of every database: places on the sphere and cells. One registry, which expressions of a
//! pipeline and queries over the lake both take theirs from, so that they give the same answers.
//!
//! A null argument gives null, and so does one that means nothing: a place off the earth, a cell that is none, a
//! resolution that there is not. None of them fails.

mod cells;
pub mod geohash;
mod places;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Fields};

/// A function over columns, row by row.
pub struct Function {
    /// As people write it; SQL takes it in any case.
    pub name: &'static str,
    /// Of each argument its name, for messages, and its kind.
    pub arguments: &'static [(&'static str, Kind)],
    pub gives: Kind,
    /// Takes columns of the arguments' types, all of one length, and gives one of the same length.
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
}

impl Kind {
    pub fn data_type(self) -> DataType {
        match self {
            Kind::Number => DataType::Float64,
            Kind::Whole => DataType::Int64,
            Kind::Text => DataType::Utf8,
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
    /// As one would call it: `ST_Point(lon, lat)`.
    pub fn usage(&self) -> String {
        let arguments: Vec<&str> = self.arguments.iter().map(|(name, _)| *name).collect();
        format!("{}({})", self.name, arguments.join(", "))
    }
}

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
        name: "ST_Distance",
        arguments: &[("point", Kind::Point), ("point", Kind::Point)],
        gives: Kind::Number,
        call: places::distance,
    },
    Function {
        name: "ST_DWithin",
        arguments: &[("point", Kind::Point), ("point", Kind::Point), ("metres", Kind::Number)],
        gives: Kind::Flag,
        call: places::within,
    },
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
    use arrow::array::{Array, Float64Array, Int64Array, StringArray, new_null_array};
    use arrow::util::display::array_value_to_string;
    use std::sync::Arc;

    fn call(name: &str, arguments: &[ArrayRef]) -> ArrayRef {
        let function = FUNCTIONS.iter().find(|f| f.name == name).expect("a function of that name");
        let types: Vec<DataType> = arguments.iter().map(|a| a.data_type().clone()).collect();
        let takes: Vec<DataType> = function.arguments.iter().map(|(_, kind)| kind.data_type()).collect();
        assert_eq!(types, takes, "{name}");
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
        check("ST_Distance", &[point(5.0, 1.0), point(5.0, 2.0)], "111195.0802335329");
        check("ST_DWithin", &[point(5.0, 1.0), point(5.0, 2.0), number(111_196.0)], "true");
        check("ST_DWithin", &[point(5.0, 1.0), point(5.0, 2.0), number(111_195.0)], "false");
        check("ST_DWithin", &[point(179.9, 0.0), point(-179.9, 0.0), number(22_240.0)], "true");
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
