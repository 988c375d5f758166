//! `[operator.enrich]`.

use super::Check;
use super::chain::Columns;
use super::file::short;
use super::reload::TableFile;
use crate::config::typed::Table;
use crate::config::value::At;
use arrow::datatypes::{DataType, Field};
use rhumb_operators::enrich::{Added, EnrichConfig, TableError, VehicleTable};
use std::path::PathBuf;
use std::sync::Arc;

impl Check {
    pub(super) fn enrich(
        &mut self,
        table: &mut Table,
        component: &str,
        columns: &mut Columns,
    ) -> Option<(EnrichConfig, Option<TableFile>)> {
        if !table.has("table") && !table.has("add") {
            self.error(
                &table.at,
                component,
                "adds nothing; write table = \"vehicles.csv\", or add = [\"distance_m\"], or both",
            );
        }
        for field in ["key", "columns", "watch"].into_iter().filter(|field| table.has(field) && !table.has("table")) {
            let what = match field {
                "watch" => "watch: a change of the table, and no table is set; set it, or remove this".to_owned(),
                _ => format!("{field}: a column of the table, and no table is set; set it, or remove this"),
            };
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
        if table_file && joined.is_none() {
            return None;
        }
        Some((EnrichConfig { table: joined.as_ref().map(|file| file.planned.clone()), add }, joined))
    }

    fn vehicles(&mut self, table: &mut Table, component: &str) -> Option<TableFile> {
        let is_watched = table.get("watch");
        let (key_at, columns_at) = (table.place("key"), table.place("columns"));
        let key = table.get::<String>("key");
        let only = table.get::<Vec<At<String>>>("columns");
        let path = table.take::<PathBuf>("table")?;
        let bytes = self.read_bytes(&path, "table", component)?;
        let names: Option<Vec<String>> =
            only.as_ref().map(|only| only.iter().map(|column| column.value.clone()).collect());
        let key = key?;
        match VehicleTable::from_csv(&bytes[..], &key, names.as_deref()) {
            Ok(vehicles) => {
                let (path, is_watched, planned) = (path.value, is_watched?, Arc::new(vehicles));
                Some(TableFile { path, is_watched, bytes, key, planned })
            }
            Err(cause) => {
                let at = match &cause {
                    TableError::NoKey { .. } if table.has("key") => key_at,
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

/// What to do about a table that cannot be used.
pub(super) fn advice(cause: &TableError) -> &'static str {
    match cause {
        TableError::NoKey { .. } => "; name the one that holds the vehicle in key",
        TableError::NoColumn { .. } => "; write one of these",
        TableError::Twice { .. } => "; keep one line for each vehicle",
        TableError::Csv(_) => "; every line must have as many values as the first",
    }
}
