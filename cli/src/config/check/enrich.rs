//! `[operator.enrich]`.

use super::Check;
use super::chain::Columns;
use super::file::short;
use super::reload::TableFile;
use crate::config::mistake::nearest;
use crate::config::typed::Table;
use crate::config::value::At;
use arrow::datatypes::{DataType, Field};
use rhumb_operators::enrich::{Added, Cell, EnrichConfig, TableError, TableFormat, VehicleTable};
use std::path::PathBuf;
use std::sync::Arc;

impl Check {
    pub(super) fn enrich(
        &mut self,
        table: &mut Table,
        component: &str,
        columns: &mut Columns,
    ) -> Option<(EnrichConfig, Option<TableFile>)> {
        if !["table", "add", "cells"].into_iter().any(|field| table.has(field)) {
            self.error(
                &table.at,
                component,
                "adds nothing; write table = \"vehicles.csv\", add = [\"distance_m\"], cells = [\"h3_9\"], or several of them",
            );
        }
        let of_table = ["key", "columns", "format", "watch"];
        for field in of_table.into_iter().filter(|field| table.has(field) && !table.has("table")) {
            let of = match field {
                "format" => "what the table is written in",
                "watch" => "a change of the table",
                _ => "a column of the table",
            };
            let what = format!("{field}: {of}, and no table is set; set it, or remove this");
            self.error(&table.place(field), component, what);
        }
        let (table_at, table_file) = (table.place("table"), table.has("table"));
        let joined = self.vehicles(table, component);
        for (field, _) in joined.iter().flat_map(|joined| joined.planned.columns()) {
            if !columns.add(field.clone()) {
                let what = format!(
                    "table: frames have a column \"{}\" already; name those of the table that you want in columns = [..], or rename it",
                    field.name()
                );
                self.error(&table_at, component, what);
            }
        }
        let mut add = Vec::new();
        for At { value, at } in table.get::<Vec<At<String>>>("add").unwrap_or_default() {
            let Some(added) = Added::ALL.iter().find(|added| added.name() == value) else { continue };
            if columns.add(Arc::new(Field::new(added.name(), DataType::Float64, true))) {
                add.push(*added);
            } else {
                self.error(&at, component, format!("add: frames have a column \"{value}\" already; remove this one"));
            }
        }
        let cells = self.cells(table, component, columns);
        if table_file && joined.is_none() {
            return None;
        }
        Some((EnrichConfig { table: joined.as_ref().map(|file| file.planned.clone()), add, cells }, joined))
    }

    fn cells(&mut self, table: &mut Table, component: &str, columns: &mut Columns) -> Vec<Cell> {
        let mut cells = Vec::new();
        for At { value, at } in table.get::<Vec<At<String>>>("cells").unwrap_or_default() {
            let what = match Cell::from_name(&value) {
                Some(cell) if columns.add(cell.field()) => {
                    cells.push(cell);
                    continue;
                }
                Some(_) => format!("cells: frames have a column \"{value}\" already; remove this one"),
                None => format!("cells: no cell \"{value}\"; {}", meant(&value)),
            };
            self.error(&at, component, what);
        }
        cells
    }

    fn vehicles(&mut self, table: &mut Table, component: &str) -> Option<TableFile> {
        let is_watched = table.get("watch");
        let (key_at, columns_at) = (table.place("key"), table.place("columns"));
        let key = table.get::<String>("key");
        let only = table.get::<Vec<At<String>>>("columns");
        let format = table.take::<String>("format").map(|format| format.value);
        let path = table.take::<PathBuf>("table")?;
        let format = TableFormat::ALL.into_iter().find(|known| format.as_deref() == Some(known.name()));
        let format = format.unwrap_or_else(|| TableFormat::of_path(&path.value));
        let bytes = self.read_bytes(&path, "table", component)?;
        let names: Option<Vec<String>> =
            only.as_ref().map(|only| only.iter().map(|column| column.value.clone()).collect());
        let key = key?;
        match VehicleTable::read(bytes.clone(), format, &key, names.as_deref()) {
            Ok(vehicles) => {
                let (path, is_watched, planned) = (path.value, is_watched?, Arc::new(vehicles));
                Some(TableFile { path, is_watched, bytes, format, key, planned })
            }
            Err(cause) => {
                let at = match &cause {
                    TableError::NoKey { .. } | TableError::KeyType { .. } if table.has("key") => key_at,
                    TableError::NoColumn { column, .. } => {
                        only.iter().flatten().find(|c| c.value == *column).map_or(columns_at, |c| c.at.clone())
                    }
                    _ => path.at.clone(),
                };
                self.error(&at, component, format!("table: {}: {cause}{}", short(&path.value), advice(&cause)));
                None
            }
        }
    }
}

/// Which cell was meant: of its family, whatever stands between it and its number.
fn meant(typed: &str) -> String {
    let names: Vec<String> = Cell::all().map(Cell::name).collect();
    let digits_at = typed.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (family, number) = typed.split_at(digits_at);
    let spelled = format!("{}_{number}", family.trim_end_matches([':', '-', '_', ' ', '=']));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names.contains(&spelled.as_str()).then_some(spelled.as_str()).or_else(|| nearest(typed, &names)) {
        Some(name) if !number.is_empty() && name.ends_with(&format!("_{number}")) => {
            format!("did you mean \"{name}\"?")
        }
        _ => "cells are \"h3_0\" to \"h3_15\" and \"geohash_1\" to \"geohash_12\"".to_owned(),
    }
}

/// What to do about a table that cannot be used.
pub(super) fn advice(cause: &TableError) -> &'static str {
    match cause {
        TableError::NoKey { .. } => "; name the one that holds the vehicle in key",
        TableError::KeyType { .. } => "; name another one in key",
        TableError::NoColumn { .. } => "; write one of these",
        TableError::Twice { .. } => "; keep one for each vehicle",
        TableError::NoVehicle { .. } => "; write the vehicle there, or remove it",
        TableError::Type { .. } | TableError::Value { .. } => "; name the others in columns",
        TableError::Csv(_) => "; every line must have as many values as the first",
        TableError::Parquet(_) => "; write the file anew, as Parquet",
        TableError::NotParquet => "; if it is CSV, call it .csv and leave format out",
        TableError::IsParquet => "; give it a name that ends with .parquet",
    }
}
