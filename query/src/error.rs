//! What can go wrong with a query, in one sentence for the person who typed it.

use datafusion::common::{DataFusionError, SchemaError};

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The lake itself cannot be read.
    #[error("open the lake {place}: {detail}")]
    Open { place: String, detail: String },
    /// The query asks for what is not allowed here.
    #[error("{0}; queries only read")]
    Refused(String),
    /// The query is wrong.
    #[error("{0}")]
    Sql(String),
    #[error("there is no table {name}; there are {}", .tables.join(", "))]
    NoTable { name: String, tables: Vec<String> },
    /// It needed more time or memory than it may have.
    #[error("{0}")]
    Limit(String),
    /// The query was right; running it went wrong.
    #[error("run the query: {0}")]
    Failed(String),
    /// The format cannot show this result.
    #[error("{0}")]
    Format(String),
    #[error("write the result")]
    Output(#[from] std::io::Error),
}

impl QueryError {
    /// Puts an error of DataFusion into our words. `tables` are the names that there are.
    pub(crate) fn of(error: DataFusionError, tables: &[String]) -> QueryError {
        let root = error.find_root();
        let text = root.strip_backtrace();
        let text = text.split("\n\n").next().unwrap_or(&text).trim().to_owned();
        match root {
            DataFusionError::ResourcesExhausted(detail) => QueryError::Limit(format!(
                "the query needs more memory than it may have: narrow it by event_date or vehicle_id, or raise the limit \
                 ({})",
                detail.lines().next().unwrap_or_default()
            )),
            DataFusionError::SchemaError(schema, _) => QueryError::Sql(match schema.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => {
                    let valid: Vec<String> = valid_fields.iter().map(|f| f.name.clone()).collect();
                    format!("there is no column {}; there are {}", field.name, valid.join(", "))
                }
                other => other.to_string(),
            }),
            DataFusionError::Plan(plan) => of_plan(plan, tables),
            DataFusionError::SQL(parse, _) => QueryError::Sql(format!("this is not SQL that we know: {parse}")),
            DataFusionError::NotImplemented(what) => QueryError::Sql(format!("not supported: {what}")),
            DataFusionError::Execution(_)
            | DataFusionError::ArrowError(..)
            | DataFusionError::ParquetError(_)
            | DataFusionError::ObjectStore(_)
            | DataFusionError::IoError(_) => QueryError::Failed(text),
            _ => QueryError::Sql(text),
        }
    }
}

fn of_plan(plan: &str, tables: &[String]) -> QueryError {
    let first = plan.lines().next().unwrap_or_default();
    for kind in ["DDL", "DML", "Statement"] {
        if let Some(what) = first.strip_prefix(&format!("{kind} not supported: ")) {
            return QueryError::Refused(format!("{} is not allowed", spaced(what).to_uppercase()));
        }
    }
    if let Some(name) = first.strip_prefix("table '").and_then(|rest| rest.split('\'').next()) {
        let name = name.rsplit('.').next().unwrap_or(name);
        if first.contains("not found") {
            return QueryError::NoTable { name: name.to_owned(), tables: tables.to_vec() };
        }
    }
    QueryError::Sql(first.to_owned())
}

/// `CreateExternalTable` as words.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for (n, c) in name.chars().enumerate() {
        if n > 0 && c.is_uppercase() && name.chars().any(char::is_lowercase) {
            words.push(' ');
        }
        words.push(c);
    }
    words
}
