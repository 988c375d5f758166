//! docs/LAKE.md is what the tables are.

use crate::lake;
use crate::support::root;
use std::collections::BTreeMap;

/// Column, type, whether it may be null.
type Column = (String, String, bool);

/// By table: the rows of the page's tables.
fn described(page: &str) -> BTreeMap<String, Vec<Column>> {
    let mut tables = BTreeMap::<String, Vec<Column>>::new();
    let mut table = None;
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            table = heading.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).map(str::to_owned);
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        if let (Some(table), [name, data_type, null, _]) = (&table, &cells[..])
            && let Some(name) = name.strip_prefix("| `").and_then(|rest| rest.strip_suffix('`'))
        {
            let column = (name.to_owned(), (*data_type).to_owned(), *null != "no");
            tables.entry(table.clone()).or_default().push(column);
        }
    }
    tables
}

/// A type in the words of the page.
fn word(data_type: &str) -> String {
    match data_type {
        "Utf8" => "text",
        "Float64" => "f64",
        "Float32" => "f32",
        "Int64" => "i64",
        "Int32" => "i32",
        "Int16" => "i16",
        "Boolean" => "bool",
        "Binary" => "bytes",
        "Date32" => "date",
        time if time.starts_with("Timestamp(") && time.contains("UTC") => "time",
        list if list.starts_with("List(") && list.contains("Utf8") => "list of text",
        other => other,
    }
    .to_owned()
}

#[test]
fn page_about_the_lake_describes_every_column_that_there_is() {
    let page = std::fs::read_to_string(root().join("docs/LAKE.md")).expect("the page");
    let mut described = described(&page);
    // Keys and aggregates are of the pipeline, and so is whether there are sessions.
    let windows = described.remove("windows_<name>").expect("windows are described");
    let retracted = ("retracted".to_owned(), "bool".to_owned(), false);
    assert!(windows.contains(&retracted));
    described.insert("windows_zones".to_owned(), windows.into_iter().filter(|column| *column != retracted).collect());

    let site = lake();
    let sql = "select table_name, column_name, data_type, is_nullable from information_schema.columns \
               where table_schema = 'public' order by table_name, ordinal_position";
    let mut found = BTreeMap::<String, Vec<Column>>::new();
    let told = site.done(&["query", "cars.toml", sql, "--format", "json"]).stdout;
    for row in crate::lines(&told) {
        let text = |name: &str| row[name].as_str().expect("a text").to_owned();
        let (table, column) = (text("table_name"), text("column_name"));
        let own = ["zone_id", "frames", "speed_avg", "speed_avg__sum", "speed_avg__count"].contains(&&*column);
        if table.ends_with("_revisions") || table == "windows_zones" && own {
            continue;
        }
        // The state says of no column that it has no nulls.
        let never = table == "current" && described[&table].iter().any(|(name, _, null)| *name == column && !null);
        let column = (column, word(&text("data_type")), text("is_nullable") == "YES" && !never);
        found.entry(table).or_default().push(column);
    }
    for (table, columns) in &described {
        assert_eq!(found.get(table), Some(columns), "{table}");
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), described.keys().collect::<Vec<_>>());
}
