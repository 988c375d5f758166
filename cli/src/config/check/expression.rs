//! `[operator.filter]` and `[operator.derive]`: SQL expressions over the columns that frames have there.

use super::Check;
use super::chain::Columns;
use crate::config::mistake::{instead, nearest};
use crate::config::typed::Table;
use crate::config::value::At;
use rhumb_engine::functions::FUNCTIONS;
use rhumb_operators::derive::Derived;
use rhumb_operators::expression::{Expression, Problem, functions};
use rhumb_operators::window::cell_resolution;
use std::sync::Arc;

/// Columns that the history has beside those of frames.
const OF_THE_LAKE: [&str; 2] = ["epoch", "event_date"];
/// Names that mean something else where columns are named.
const OF_THE_GEOFENCE: [&str; 2] = ["zone_id", "zone_ids"];

impl Check {
    pub(super) fn filter(&mut self, table: &mut Table, component: &str, columns: &Columns) -> Option<Arc<Expression>> {
        let condition = table.take::<String>("where")?;
        let expression = self.expression(&condition, "where", component, columns)?;
        if !expression.is_condition() {
            let what = format!(
                "where: expected true or false, and this is {}; write a comparison such as \"speed_mps > 3\"",
                expression.gives()
            );
            self.error(&condition.at, component, what);
            return None;
        }
        Some(Arc::new(expression))
    }

    /// Columns in their order: each may read those before it.
    pub(super) fn derive(
        &mut self,
        table: &mut Table,
        component: &str,
        columns: &mut Columns,
    ) -> Option<Arc<[Derived]>> {
        let columns_at = table.place("columns");
        let typed = table.get::<Vec<(At<String>, At<String>)>>("columns")?;
        if typed.is_empty() {
            let what = "columns: none; write one or more, such as { speed_kmh = \"speed_mps * 3.6\" }";
            self.error(&columns_at, component, what);
        }
        let mut derived = Vec::new();
        for (name, text) in &typed {
            let is_new = self.new_column(name, component, columns);
            let field = format!("columns: {}", name.value);
            let Some(expression) = self.expression(text, &field, component, columns) else { continue };
            let gives = expression.gives();
            match Derived::new(&name.value, Arc::new(expression)) {
                Some(column) if is_new => {
                    columns.add(column.field().clone());
                    derived.push(column);
                }
                Some(_) => {}
                None => {
                    let what = format!(
                        "{field}: {gives} cannot be a column; write what gives a number, a text, a time, or true or false"
                    );
                    self.error(&text.at, component, what);
                }
            }
        }
        (derived.len() == typed.len() && !typed.is_empty()).then(|| derived.into())
    }

    /// Whether frames can have a further column of this name.
    fn new_column(&mut self, name: &At<String>, component: &str, columns: &Columns) -> bool {
        let At { value, at } = name;
        let what = if value.is_empty() || !value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            format!("columns: \"{value}\" cannot name a column; names are letters, digits and _")
        } else if columns.kind(value).is_some() {
            format!("columns: frames have a column \"{value}\" already; give this one another name")
        } else if OF_THE_LAKE.contains(&value.as_str()) {
            format!("columns: the history has a column \"{value}\" of its own; give this one another name")
        } else if OF_THE_GEOFENCE.contains(&value.as_str()) || cell_resolution(value).is_some() {
            format!("columns: \"{value}\" means zones or cells in the key of a window; give this one another name")
        } else {
            return true;
        };
        self.error(at, component, what);
        false
    }

    /// Compiles an expression, or says all that is wrong with it, each at its place in the text.
    fn expression(&mut self, text: &At<String>, field: &str, component: &str, columns: &Columns) -> Option<Expression> {
        let mistakes = match Expression::compile(&text.value, columns.fields()) {
            Ok(expression) => return Some(expression),
            Err(mistakes) => mistakes,
        };
        for mistake in mistakes {
            let at = text.at.inside(&text.value, mistake.span);
            let what = match mistake.problem {
                Problem::Other(what) => what,
                Problem::UnknownColumn { name, is_quoted } => unknown_column(&name, is_quoted, columns),
                Problem::UnknownFunction(name) => {
                    let instead = match nearest(&name, &functions()) {
                        Some(nearest) => {
                            let ours = FUNCTIONS.iter().map(|f| f.name).find(|f| f.eq_ignore_ascii_case(nearest));
                            format!("did you mean \"{}\"?", ours.unwrap_or(nearest))
                        }
                        None => "docs/EXPRESSIONS.md lists those that there are".to_owned(),
                    };
                    format!("no function \"{name}\"; {instead}")
                }
            };
            self.error(&at, component, format!("{field}: {what}"));
        }
        None
    }
}

fn unknown_column(name: &str, is_quoted: bool, columns: &Columns) -> String {
    let names = columns.names(|_| true);
    let capitals = names.iter().find(|known| known.eq_ignore_ascii_case(name));
    match (capitals, is_quoted) {
        (Some(known), false) => {
            format!("no column \"{name}\" here; \"{known}\" has capitals, and stands in double quotes in SQL")
        }
        (None, true) if nearest(name, &names).is_none() => {
            format!("no column \"{name}\" here; a text stands in single quotes: '{name}'")
        }
        _ if name == "zone_id" && columns.zones() => {
            "no column \"zone_id\" here; write array_has(zone_ids, 'the zone')".to_owned()
        }
        _ if OF_THE_GEOFENCE.contains(&name) => match columns.geofence_at {
            Some(at) if at > columns.place => {
                format!("\"{name}\" is known after the geofence, which stands below; move this operator under it")
            }
            _ => format!("\"{name}\" needs zones; add an [[operator]] with [operator.geofence] above this one"),
        },
        _ => format!("no column \"{name}\" here; {}", instead(name, names)),
    }
}
