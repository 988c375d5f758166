//! What was typed: the sections and values of a pipeline's TOML with their places, each checked against its
//! description and against nothing else.

mod env;
mod group;
mod list;
mod reader;
mod rows;
mod scalar;
mod syntax;
mod table;
mod units;

use super::describe::{self, ENGINE, OPERATOR, PIPELINE, SINK, SOURCE, TEST};
use super::mistake::{Location, Mistakes, Text};
use reader::Reader;
use std::path::Path;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

pub use table::Table;

/// The value of an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A pipeline as typed. What was typed wrongly is missing, and is in the mistakes.
pub struct Typed {
    pub pipeline: Table,
    pub engine: Table,
    pub sources: Vec<Member>,
    pub operators: Vec<Member>,
    pub sinks: Vec<Member>,
    pub tests: Vec<Table>,
    pub mistakes: Mistakes,
    /// The text is not TOML everywhere, so that things may be missing that were typed.
    pub damaged: bool,
    /// Whether the word `source` stands there, rightly or not.
    pub any_source: bool,
}

/// One `[[source]]`, `[[operator]]` or `[[sink]]`.
pub struct Member {
    /// What mistakes call it, such as `source trackers`.
    pub component: String,
    pub at: Location,
    pub base: Table,
    pub kind: Option<Table>,
    pub parts: Vec<Table>,
}

/// Reads a text as far as it can be read. Paths in it are relative to `folder`.
pub fn read(text: &Arc<Text>, folder: &Path, env: Env) -> Typed {
    let (root, faults) = DeTable::parse_recoverable(&text.content);
    let mut reader = Reader::new(text, folder, env, !faults.is_empty());
    let faulty = syntax::report(&faults, text, &mut reader.mistakes);
    let root = root.get_ref();
    let top = reader.location(0..0);
    let beside: Vec<&str> = ["engine", SOURCE.noun, OPERATOR.noun, SINK.noun, TEST.key()]
        .into_iter()
        .chain(describe::LATER.iter().copied())
        .collect();
    let pipeline = reader.section(&PIPELINE, "pipeline", root, &top, &beside);
    reader.later_tables(root);
    let empty = DeTable::new();
    let engine = match root.get("engine").map(|table| (table.get_ref(), table.span())) {
        Some((DeValue::Table(table), span)) => {
            let at = reader.location(span);
            reader.section(&ENGINE, "engine", table, &at, &[])
        }
        other => {
            if let Some((_, span)) = other {
                let at = reader.location(span);
                reader.mistakes.error(&at, "engine", "expected a table; write [engine] and its fields below it");
            }
            reader.section(&ENGINE, "engine", &empty, &top, &[])
        }
    };
    let sources = reader.group(&SOURCE, root.get(SOURCE.noun));
    let operators = reader.group(&OPERATOR, root.get(OPERATOR.noun));
    let sinks = reader.group(&SINK, root.get(SINK.noun));
    let tests = reader.list(&TEST, root.get(TEST.key()));
    let Reader { mut mistakes, damaged, .. } = reader;
    // Whose fields follow a broken header cannot be known: what seems wrong with them may be right.
    let broken = syntax::broken_header(&faults, text);
    mistakes.keep(|mistake| {
        let sure = broken.as_ref().is_none_or(|header| mistake.at.starts_before(header));
        mistake.component == syntax::COMPONENT || sure && !faulty.contains(&mistake.at.line())
    });
    let any_source = root.contains_key(SOURCE.noun);
    Typed { pipeline, engine, sources, operators, sinks, tests, mistakes, damaged, any_source }
}
