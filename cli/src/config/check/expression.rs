//! `[operator.filter]` and `[operator.derive]`: SQL expressions over the columns that frames have there.

use super::Check;
use super::chain::{Columns, OF_THE_GEOFENCE, why_no_column};
use crate::config::mistake::{instead, nearest};
use crate::config::typed::Table;
use crate::config::value::At;
use rhumb_engine::functions::FUNCTIONS;
use rhumb_operators::derive::Derived;
use rhumb_operators::expression::{Expression, Problem, functions};
use std::sync::Arc;

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
            let why = why_no_column(&name.value, columns.names(|_| true).into_iter());
            let is_new = why.is_none();
            if let Some(why) = why {
                self.error(&name.at, component, format!("columns: {why}"));
            }
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
                Problem::UnknownColumn { name, .. } if self.doubtful.contains(&name) => continue,
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
