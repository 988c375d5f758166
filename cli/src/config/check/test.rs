//! `[[test]]`: frames that are frames, expectations of columns that there are.

use super::Check;
use crate::build;
use crate::config::expected::{Expected, TestFrame, TestInput, TestMeans, Want, time};
use crate::config::means::{OperatorMeans, SourceMeans};
use crate::config::mistake::{Location, instead, listed};
use crate::config::rows::{Row, parse};
use crate::config::typed::Table;
use crate::config::value::{At, ValueKind};
use arrow::datatypes::FieldRef;
use rhumb_engine::alert::AlertKind;
use rhumb_engine::frame::core_columns;
use rhumb_engine::reject::Reason;
use rhumb_engine::time::EventTime;
use rhumb_operators::geofence::schedule::utc;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

pub(super) const COMPONENT: &str = "test";

/// Columns of a table, and how their values are read.
type TableColumns = Vec<(String, ValueKind)>;

/// Tables that a pipeline gives, by name.
struct Tables(BTreeMap<String, TableColumns>);

/// Columns of the tables that every pipeline has, by kind of value.
const ALERTS: &[(ValueKind, &[&str])] = &[
    (
        ValueKind::Text,
        &["kind", "vehicle_id", "zone_id", "reason", "alert_id", "visit_id", "supersedes", "zone_attributes"],
    ),
    (ValueKind::Time, &["event_time", "frame_time", "received_at", "left_time"]),
    (ValueKind::Fraction, &["lat", "lon", "left_lat", "left_lon"]),
    (ValueKind::Flag, &["late"]),
];
const REJECTS: &[(ValueKind, &[&str])] = &[
    (ValueKind::Text, &["reason", "vehicle_id", "detail", "source"]),
    (ValueKind::Time, &["event_time", "received_at"]),
    (ValueKind::Fraction, &["measured", "threshold", "lat", "lon"]),
];

impl Tables {
    fn of(sources: &[SourceMeans], operators: &[OperatorMeans]) -> Tables {
        let named = |columns: &[(ValueKind, &[&str])]| -> TableColumns {
            let of =
                |(kind, names): &(ValueKind, &[&str])| names.iter().map(|name| ((*name).to_owned(), *kind)).collect();
            columns.iter().flat_map(|group| -> TableColumns { of(group) }).collect()
        };
        let mut tables = BTreeMap::from([("alerts".to_owned(), named(ALERTS)), ("rejects".to_owned(), named(REJECTS))]);
        let of_sources = sources.iter().flat_map(SourceMeans::columns);
        let added = operators.iter().flat_map(|operator| operator.adds.clone());
        let history = core_columns().into_iter().chain(of_sources).chain(added);
        tables.insert("history".to_owned(), history.map(|field| column(&field)).collect());
        for table in build::operators(operators, sources).iter().flat_map(|plan| plan.tables()) {
            let fields = table.schema.fields().iter().filter(|field| !field.name().ends_with("__sketch"));
            tables.insert(table.name.to_string(), fields.map(column).collect());
        }
        Tables(tables)
    }
}

fn column(field: &FieldRef) -> (String, ValueKind) {
    (field.name().clone(), ValueKind::of(field.data_type()))
}

impl Check {
    /// Where not all sources and operators could be read (`is_whole`) it is not known what there is to expect: only what
    /// stands in the test itself is checked then.
    pub(super) fn tests(
        &mut self,
        typed: Vec<Table>,
        sources: &[SourceMeans],
        operators: &[OperatorMeans],
        is_whole: bool,
    ) -> Vec<TestMeans> {
        let tables = (is_whole && !typed.is_empty()).then(|| Tables::of(sources, operators));
        let mut names: HashMap<String, Location> = HashMap::new();
        let mut tests = Vec::new();
        for mut table in typed {
            if let Some(At { value, at }) = table.take::<String>("name") {
                if let Some(first) = names.get(&value) {
                    let what = format!(
                        "name: \"{value}\" is the test in line {} already; give this one another",
                        first.line()
                    );
                    self.error(&at, COMPONENT, what);
                }
                let read = self.test(&mut table, value.clone(), sources, tables.as_ref());
                names.entry(value).or_insert(at);
                assert!(table.is_used_up(), "every field of a test is asked for");
                tests.extend(read);
            }
        }
        tests
    }

    fn test(
        &mut self,
        table: &mut Table,
        name: String,
        sources: &[SourceMeans],
        tables: Option<&Tables>,
    ) -> Option<TestMeans> {
        let at = table.at.clone();
        let source = self.test_source(table, sources, tables.is_some());
        let start = table.take::<String>("start").and_then(|typed| self.start(&typed));
        let from = start.unwrap_or_default();
        let until_at = table.place("until");
        let [until, received_at] = ["until", "received_at"].map(|field| {
            let typed = table.take::<String>(field);
            self.test_time(typed, field, from)
        });
        let partial = table.get::<bool>("partial");
        let columns = source.filter(|_| tables.is_some()).map(|source| sources[source].columns());
        let input = self.input(table, from, columns.as_deref(), received_at);
        if let (Some(TestInput::Frames(frames)), Some(until)) = (&input, until)
            && frames.iter().any(|TestFrame { frame, .. }| frame.received_at.unwrap_or(frame.event_time) >= until)
        {
            let what = "until: the last frame comes no sooner, so it has no effect; write a later time, or remove it";
            self.error(&until_at, COMPONENT, what);
        }
        let expected = self.expected(table, from, tables, partial.unwrap_or_default());
        Some(TestMeans { name, at, source: source?, input: input?, until, start: start?, partial: partial?, expected })
    }

    fn test_source(&mut self, table: &mut Table, sources: &[SourceMeans], all: bool) -> Option<usize> {
        let Some(At { value, at }) = table.take::<String>("source") else {
            return (!table.has("source") && !sources.is_empty()).then_some(0);
        };
        let found = sources.iter().position(|source| source.name == value);
        if found.is_none() && all {
            let names = sources.iter().map(|source| source.name.as_str());
            self.error(&at, COMPONENT, format!("source: no source \"{value}\"; {}", instead(&value, names)));
        }
        found
    }

    fn start(&mut self, typed: &At<String>) -> Option<EventTime> {
        let read = utc(&typed.value).map(EventTime);
        if read.is_none() {
            let what = format!("start: expected a time such as \"2024-03-08T07:00:00Z\", found \"{}\"", typed.value);
            self.error(&typed.at, COMPONENT, what);
        }
        read
    }

    fn test_time(&mut self, typed: Option<At<String>>, field: &str, start: EventTime) -> Option<EventTime> {
        let At { value, at } = typed?;
        let read = time(&value, start);
        if read.is_none() {
            let what =
                format!("{field}: expected a time such as \"2024-03-08T07:00:00Z\" or \"+1m30s\", found \"{value}\"");
            self.error(&at, COMPONENT, what);
        }
        read
    }

    fn input(
        &mut self,
        table: &mut Table,
        start: EventTime,
        columns: Option<&[FieldRef]>,
        received_at: Option<EventTime>,
    ) -> Option<TestInput> {
        const WAYS: [&str; 4] = ["frames", "frames_file", "text", "hex"];
        let rows = table.get::<Vec<Row>>("frames");
        let file = table.take::<PathBuf>("frames_file");
        let (text, hex) = (table.get::<Vec<At<String>>>("text"), table.get::<Vec<At<String>>>("hex"));
        let typed: Vec<&str> = WAYS.into_iter().filter(|way| table.has(way)).collect();
        if typed.len() != 1 {
            let what = match typed[..] {
                [] => "no frames; write frames, frames_file, text or hex".to_owned(),
                _ => format!("frames in several ways: {}; keep one", listed(&typed)),
            };
            let at = table.at.clone();
            self.error(&at, COMPONENT, what);
            return None;
        }
        let is_bytes = matches!(typed[0], "text" | "hex");
        if table.has("received_at") && !is_bytes {
            let what = "received_at: is for text and hex; give each frame a received_at of its own";
            let at = table.at.clone();
            self.error(&at, COMPONENT, what);
        }
        let rows = file.and_then(|file| self.rows_of_file(&file)).or(rows);
        if !is_bytes {
            return self.frames(&rows?, typed[0], start, columns).map(TestInput::Frames);
        }
        let of_hex = hex.and_then(|hex| hex.iter().map(|piece| self.bytes(piece)).collect::<Option<Vec<_>>>());
        let of_text = text.map(|text| text.into_iter().map(|piece| piece.value.into_bytes()).collect());
        Some(TestInput::Bytes { pieces: of_hex.or(of_text)?, received_at })
    }

    fn bytes(&mut self, piece: &At<String>) -> Option<Vec<u8>> {
        let digits: Vec<Option<u32>> =
            piece.value.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16)).collect();
        let whole = digits.len().is_multiple_of(2);
        let read: Option<Vec<u32>> = digits.into_iter().collect();
        let what = match read {
            Some(digits) if whole => {
                return Some(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect());
            }
            Some(_) => "hex: an odd number of digits: the last byte is cut",
            None => "hex: expected hexadecimal digits and white space",
        };
        self.error(&piece.at, COMPONENT, what);
        None
    }

    fn rows_of_file(&mut self, file: &At<PathBuf>) -> Option<Vec<Row>> {
        let text = self.read(file, "frames_file", COMPONENT)?;
        let read = parse(&text.content, &|range| Location::new(&text, range));
        let told = |(at, what): (Location, String)| self.error(&at, COMPONENT, format!("frames_file: {what}"));
        read.map_err(|wrong| wrong.into_iter().for_each(told)).ok()
    }

    fn expected(
        &mut self,
        table: &mut Table,
        start: EventTime,
        tables: Option<&Tables>,
        partial: bool,
    ) -> Vec<(String, Vec<Expected>)> {
        let mut expected = Vec::new();
        for name in ["alerts", "rejects", "history", "trips", "stops"] {
            // Alerts and rejects are looked at unasked.
            let unasked = matches!(name, "alerts" | "rejects") && !partial;
            let at = table.place(name);
            match table.get::<Vec<Row>>(name) {
                Some(rows) => {
                    expected.push((name.to_owned(), self.expected_rows(name, name, &at, &rows, start, tables)));
                }
                None if unasked && !table.has(name) => expected.push((name.to_owned(), Vec::new())),
                None => {}
            }
        }
        for (window, rows) in table.get::<Vec<(At<String>, Vec<Row>)>>("windows").unwrap_or_default() {
            let name = format!("windows_{}", window.value);
            let rows =
                self.expected_rows(&format!("windows.{}", window.value), &name, &window.at, &rows, start, tables);
            expected.push((name, rows));
        }
        if partial && expected.iter().all(|(_, rows)| rows.is_empty()) {
            let at = table.at.clone();
            self.error(
                &at,
                COMPONENT,
                "partial, and nothing is expected: it could not fail; expect a row, or remove partial",
            );
        }
        expected
    }

    /// `field` is what the test calls the table of this name.
    fn expected_rows(
        &mut self,
        field: &str,
        name: &str,
        at: &Location,
        rows: &[Row],
        start: EventTime,
        tables: Option<&Tables>,
    ) -> Vec<Expected> {
        let Some(Tables(tables)) = tables else { return Vec::new() };
        let Some(columns) = tables.get(name) else {
            let window = name.strip_prefix("windows_");
            let what = match window {
                Some(window) => {
                    let known = tables.keys().filter_map(|table| table.strip_prefix("windows_"));
                    format!("windows: no window \"{window}\"; {}", instead(window, known))
                }
                None => format!("{field}: the pipeline tells of none; add an [[operator]] with [operator.trips]"),
            };
            self.error(at, COMPONENT, what);
            return Vec::new();
        };
        rows.iter().map(|row| self.expected_row(field, columns, row, start)).collect()
    }

    fn expected_row(&mut self, field: &str, columns: &TableColumns, row: &Row, start: EventTime) -> Expected {
        let mut cells = Vec::new();
        for (name, typed) in &row.cells {
            let Some((_, kind)) = columns.iter().find(|(column, _)| *column == name.value) else {
                let known = columns.iter().map(|(column, _)| column.as_str());
                let what = format!("{field}: no column \"{}\"; {}", name.value, instead(&name.value, known));
                self.mistakes.error_once(&name.at, COMPONENT, what);
                continue;
            };
            let known: Vec<&str> = match (field, name.value.as_str()) {
                ("alerts", "kind") => AlertKind::ALL.iter().map(|kind| kind.name()).collect(),
                ("rejects", "reason") => Reason::ALL.iter().map(|reason| reason.name()).collect(),
                _ => Vec::new(),
            };
            if !known.is_empty() && !known.contains(&typed.value.as_str()) {
                let what =
                    format!("{field}: unknown {} \"{}\"; {}", name.value, typed.value, instead(&typed.value, known));
                self.error(&typed.at, COMPONENT, what);
                continue;
            }
            match Want::read(*kind, &typed.value, start) {
                Ok(want) => cells.push((name.value.clone(), want)),
                Err(what) => self.error(&typed.at, COMPONENT, format!("{field}: {}: {what}", name.value)),
            }
        }
        if row.cells.is_empty() {
            self.error(&row.at, COMPONENT, format!("{field}: a row that expects nothing; name a column of it"));
        }
        Expected { at: row.at.clone(), cells }
    }
}
