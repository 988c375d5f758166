//! Columns that sources add to frames: those that json and csv fill, and those that several sources have.

use super::Check;
use super::chain::why_no_column;
use crate::config::means::{FieldMeans, SourceMeans};
use crate::config::typed::Table;
use crate::config::value::At;
use arrow::datatypes::FieldRef;
use rhumb_connectors::codec::extra::{COLUMNS_MAX, ColumnType, ExtraColumn};
use rhumb_connectors::codec::fields::{Field, Fields};
use std::collections::HashMap;

impl Check {
    /// Columns that json and csv fill, given what the fields of a frame are called.
    pub(super) fn extra(
        &mut self,
        table: &mut Table,
        fields: &[FieldMeans],
        component: &str,
    ) -> Option<Vec<ExtraColumn>> {
        let at = table.place("extra");
        let typed = table.get::<Vec<(At<String>, Table)>>("extra").unwrap_or_default();
        if typed.len() > COLUMNS_MAX {
            self.error(&at, component, format!("extra: {} columns; the most is {COLUMNS_MAX}", typed.len()));
            return None;
        }
        let core = crate::build::fields(fields).map(|config| Fields::new(&config)).ok()?;
        let names: Vec<String> = typed.iter().map(|(name, _)| name.value.clone()).collect();
        let mut columns: Vec<ExtraColumn> = Vec::new();
        let mut right = true;
        for (place, (name, mut column)) in typed.into_iter().enumerate() {
            let (holds, from) = (column.get::<String>("type"), column.take::<String>("field"));
            assert!(column.is_used_up(), "every field of a column is asked for");
            let from = from.unwrap_or_else(|| name.clone());
            let usual = || {
                let field = Field::ALL.iter().find(|field| field.usual_names().contains(&name.value.as_str()))?;
                Some(format!("{} is a usual name of {}; choose another name", name.value, field.name()))
            };
            let others = names[..place].iter().map(String::as_str);
            let taken = core.field_of(&from.value).map(Field::name);
            let taken = taken.or_else(|| columns.iter().find(|c| c.from == from.value).map(|c| c.name.as_str()));
            let what = match (why_no_column(&name.value, others).or_else(usual), from.value.is_empty(), taken) {
                (Some(what), ..) => Some((&name.at, what)),
                (None, true, _) => Some((&from.at, format!("{}: the name in the input is empty", name.value))),
                (None, false, Some(other)) => {
                    Some((&from.at, format!("{}: \"{}\" is read as {other} already", name.value, from.value)))
                }
                (None, false, None) => None,
            };
            if let Some((at, what)) = what {
                self.error(at, component, format!("extra: {what}"));
                right = false;
            }
            let holds = holds.and_then(|holds| ColumnType::ALL.into_iter().find(|of| of.name() == holds));
            right &= holds.is_some();
            columns.extend(holds.map(|holds| ExtraColumn::new(&name.value, &from.value, holds)));
        }
        if !right {
            self.doubtful.extend(names);
            return None;
        }
        Some(columns)
    }

    /// Sources may share a column, if it is written alike and of one type in all of them.
    pub(super) fn shared_columns(&mut self, sources: &[SourceMeans]) {
        let mut known: HashMap<String, (FieldRef, &str)> = HashMap::new();
        for source in sources {
            for column in source.columns() {
                let key = column.name().to_ascii_lowercase();
                let (first, of) = known.entry(key).or_insert((column.clone(), &source.name));
                let what = if first.name() != column.name() {
                    format!("column {} is {} in source {of}; write it alike", column.name(), first.name())
                } else if first.data_type() != column.data_type() {
                    format!(
                        "column {} is of another type in source {of}; give it one type in both, or another name",
                        column.name()
                    )
                } else {
                    continue;
                };
                self.error(&source.at, &format!("source {}", source.name), what);
            }
        }
    }
}
