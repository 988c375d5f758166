//! Tables whose rows are told anew, as people want them: `windows_<name>` with one row a key and window, `trips` and
//! `stops` with one row each. The newest revision, parts put together.

use crate::log::{EVENT_DATE, TableLog};

/// Names of windows' tables begin with it.
const PREFIX: &str = "windows_";
/// Name of the rows as they are stored, after the table's own name.
pub(crate) const REVISIONS: &str = "_revisions";
/// Of sessions: rows that say that there is no such session any more.
const RETRACTED: &str = "retracted";

/// Whether rows of a table are told anew.
pub(crate) fn has_revisions(name: &str) -> bool {
    name.starts_with(PREFIX) || name == "trips" || name == "stops"
}

/// The query over the stored rows, or `None` for a table that cannot be merged: of which nobody named the keys, or
/// that has no revisions.
pub(crate) fn view(stored: &str, log: &TableLog) -> Option<String> {
    let keys = log.keys.as_ref()?;
    let has = |column: &str| log.stored.index_of(column).is_ok();
    if !["revision", "epoch"].iter().all(|column| has(column)) {
        return None;
    }
    let start = ["window_start", "start_time"].into_iter().find(|column| has(column))?;
    let keys: Vec<String> = keys.iter().filter(|key| has(key)).map(|key| quoted(key)).collect();
    let columns: Vec<String> = log.stored.fields().iter().map(|field| field.name().clone()).collect();
    let columns: Vec<String> = columns.into_iter().chain([EVENT_DATE.to_owned()]).collect();
    let newest = newest(stored, &columns, &keys, start, has("part"));
    match &log.merge {
        Some(merge) if has("part") && !log.is_one("part") => Some(merged(&newest, &columns, &keys, merge)),
        _ => Some(newest),
    }
}

/// Rows of which there is no newer revision. `event_date` follows from the start, so that conditions on it still
/// leave files out; each part has revisions of its own.
fn newest(stored: &str, columns: &[String], keys: &[String], start: &str, has_parts: bool) -> String {
    let mut by = keys.to_vec();
    by.extend([start, EVENT_DATE].map(quoted));
    by.extend(has_parts.then(|| quoted("part")));
    let condition = if columns.iter().any(|c| c == RETRACTED) { " and not \"retracted\"" } else { "" };
    let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    format!(
        "select {} from (select *, row_number() over (partition by {} order by \"revision\" desc, \"epoch\" desc) \
         as __newness from {}) where __newness = 1{condition}",
        columns.join(", "),
        by.join(", "),
        quoted(stored)
    )
}

/// Rows of several parts as one. Sessions of several parts are one where they are as near as frames of a session.
fn merged(newest: &str, columns: &[String], keys: &[String], merge: &str) -> String {
    let sessions = columns.iter().any(|column| column == RETRACTED);
    let mut by = keys.to_vec();
    let rows = if sessions {
        let over = |by: &[String]| match by {
            [] => "order by \"window_start\", \"part\"".to_owned(),
            by => format!("partition by {} order by \"window_start\", \"part\"", by.join(", ")),
        };
        let over = over(&by);
        by.push("__session".to_owned());
        format!(
            "select *, sum(case when __reached >= \"window_start\" then 0 else 1 end) over ({over}) as __session \
             from (select *, max(\"window_end\") over ({over} rows between unbounded preceding and 1 preceding) \
             as __reached from ({newest}))"
        )
    } else {
        by.extend(["window_start", "window_end", EVENT_DATE].map(quoted));
        newest.to_owned()
    };
    let merges: Vec<Vec<&str>> = merge.split(';').map(|one| one.split(' ').collect()).collect();
    let all: Vec<String> = columns
        .iter()
        .map(|column| match quoted(column) {
            name if by.contains(&name) => name,
            name => format!("{} as {name}", together(column, &merges)),
        })
        .collect();
    format!("select {} from ({rows}) group by {}", all.join(", "), by.join(", "))
}

/// A column of several rows as one value.
fn together(column: &str, merges: &[Vec<&str>]) -> String {
    let name = quoted(column);
    let beside = |ending: &str| quoted(&format!("{column}__{ending}"));
    let of = |name: &str| merges.iter().find(|merge| merge.first() == Some(&name)).map(Vec::as_slice);
    match of(column) {
        Some([_, word @ ("sum" | "min" | "max")]) => return format!("{word}({name})"),
        Some([_, "avg"]) => return format!("sum({}) / nullif(sum({}), 0)", beside("sum"), beside("count")),
        Some([_, word @ ("first" | "last")]) => {
            let (time, order) = (beside("time"), if *word == "first" { "asc" } else { "desc" });
            return format!(
                "first_value({name} order by {time} {order}, {name} {order}) filter (where {time} is not null)"
            );
        }
        Some([_, "quantile", sketch, share]) => {
            return format!("sketch_quantile(merge_sketches({}), {share})", quoted(sketch));
        }
        Some([_, "distinct", sketch]) => return format!("sketch_count(merge_sketches({}))", quoted(sketch)),
        _ => {}
    }
    match column.rsplit_once("__") {
        Some((_, "sum" | "count")) => format!("sum({name})"),
        Some((of_column, "time")) => match of(of_column) {
            Some([_, "first"]) => format!("min({name})"),
            _ => format!("max({name})"),
        },
        Some((_, "sketch")) => format!("merge_sketches({name})"),
        _ if ["window_start", "part", EVENT_DATE].contains(&column) => format!("min({name})"),
        // One part has not written it, or it is no aggregate of today's: any value is as good.
        _ if ["window_end", "revision", "epoch"].contains(&column) => format!("max({name})"),
        _ => format!("first_value({name})"),
    }
}

/// A name as it is, whatever its case.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
