//! `ST_Contains`, `ST_Within` and `ST_Intersects` against shapely, on shapes of whole numbers, so that many touch in a border or a
//! corner. Needs `RHUMB_PYTHON`, a Python that has shapely.

#[path = "../../tests/needed.rs"]
mod needed;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use rhumb_engine::functions::FUNCTIONS;
use std::process::Command;
use std::sync::Arc;

#[test]
fn shapes_are_in_each_other_where_shapely_says() {
    let Some(python) = needed::python("shapely") else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/functions_shapely.py");
    let ran = Command::new(python).arg(script).output().expect("Python runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let cases: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    let texts = |name: &str| -> StringArray {
        cases[name].as_array().expect("a list").iter().map(|text| text.as_str()).collect()
    };
    let (a, b) = (texts("a"), texts("b"));
    assert!(a.len() > 2_000 && a.null_count() + b.null_count() == 0);
    let columns: [ArrayRef; 2] = [Arc::new(a.clone()), Arc::new(b.clone())];
    for name in ["ST_Contains", "ST_Within", "ST_Intersects"] {
        let function = FUNCTIONS.iter().find(|function| function.name == name).expect("a function of that name");
        let given = (function.call)(&columns);
        let expected: Vec<Option<bool>> =
            cases[name].as_array().expect("a list").iter().map(|is| is.as_bool()).collect();
        assert!(expected.iter().filter(|is| **is == Some(true)).count() > 50, "{name}: too few to tell");
        for (row, (given, expected)) in given.as_boolean().iter().zip(&expected).enumerate() {
            assert_eq!(given, *expected, "{name}({}, {})", a.value(row), b.value(row));
        }
    }
}
