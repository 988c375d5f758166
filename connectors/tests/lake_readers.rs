//! The lake as others read it: DuckDB, Polars, delta-rs and PyArrow, in the Python that `RHUMB_PYTHON` names (with the
//! packages duckdb, polars, deltalake and pyarrow).

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[allow(dead_code, reason = "shared with other tests")]
mod lake_fixture;
#[path = "../../tests/needed.rs"]
mod needed;

use lake_fixture::{Row, add_alerts, add_reject, add_windows, context, frames, open};
use std::process::Command;

#[test]
fn other_readers_see_the_same_rows() {
    let Some(python) = needed::python("duckdb, polars, deltalake and pyarrow") else { return };
    let data = tempfile::tempdir().unwrap();
    let context = context(data.path(), 1);
    let mut sink = open(&context);
    let mut expected: Vec<Row> = Vec::new();
    let mut alerts = 0;
    for epoch in 1..=3 {
        let (mut outputs, rows) = frames(&context, epoch, 4000);
        let of_epoch = add_alerts(&mut outputs, 2);
        add_reject(&mut outputs[0], Some(i64::MIN / 2));
        add_windows(&mut outputs[0], &[(epoch as i64, "a", 5, 0)]);
        outputs.iter().for_each(|o| sink.write(o).unwrap());
        let segments = sink.prepare(epoch).unwrap();
        // The last epoch stays uncommitted: nobody may see it.
        if epoch < 3 {
            sink.committed(epoch, &segments).unwrap();
            expected.extend(rows);
            alerts += of_epoch;
        }
    }
    let facts = serde_json::json!({
        "rows": expected.len(),
        "vehicles": expected.iter().map(|r| &r.vehicle_id).collect::<std::collections::BTreeSet<_>>().len(),
        "lat_sum": expected.iter().map(|r| r.lat).sum::<f64>(),
        "time_sum": expected.iter().map(|r| i128::from(r.event_time)).sum::<i128>().to_string(),
        "speed_sum": expected.iter().filter_map(|r| r.speed_mps).map(f64::from).sum::<f64>(),
        "speeds": expected.iter().filter(|r| r.speed_mps.is_some()).count(),
        "zones": expected.iter().filter_map(|r| r.zone_ids.as_ref()).map(Vec::len).sum::<usize>(),
        "fleets": expected.iter().filter(|r| r.fleet.is_some()).count(),
        "v7": expected.iter().filter(|r| r.vehicle_id == "v7").count(),
        "alerts": alerts,
        "rejects": 2,
        "windows": 2,
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lake_readers.py");
    let ran = Command::new(python).arg(script).arg(data.path().join("lake")).arg(facts.to_string()).status().unwrap();
    assert!(ran.success(), "the readers disagree: see above");
}
