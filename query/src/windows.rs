//! `windows_<name>` as people want it: one row a key and window, the newest revision of each.

use datafusion::common::{Column, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, col, lit};
use datafusion::prelude::DataFrame;

/// The tables that windows are merged from.
pub(crate) const PREFIX: &str = "windows_";
/// Name of the rows as they are stored, after the table's own name.
pub(crate) const REVISIONS: &str = "_revisions";
const REVISION: &str = "revision";
const NEWNESS: &str = "__newness";

/// Rows of which there is no newer revision. `event_date` follows from the window, so that conditions on it still
/// leave files out; each part of a pipeline that runs as several instances has revisions of its own.
pub(crate) fn newest(rows: DataFrame, keys: &[String]) -> Result<DataFrame> {
    let all: Vec<String> = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
    let fixed = ["window_start", "window_end", "part", "event_date"].into_iter().map(str::to_owned);
    let by: Vec<Expr> = keys.iter().cloned().chain(fixed).filter(|k| all.contains(k)).map(|k| column(&k)).collect();
    let newest_first = vec![column(REVISION).sort(false, false), column("epoch").sort(false, false)];
    let newness = row_number().partition_by(by).order_by(newest_first).build()?.alias(NEWNESS);
    let wanted: Vec<Expr> = all.iter().map(|c| column(c)).collect();
    rows.window(vec![newness])?.filter(col(NEWNESS).eq(lit(1_u64)))?.select(wanted)
}

/// Column names as they are, whatever their case.
fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// True for rows that have what a merged view needs.
pub(crate) fn has_revisions(rows: &DataFrame) -> bool {
    [REVISION, "epoch", "window_start"].iter().all(|c| rows.schema().has_column_with_unqualified_name(c))
}
