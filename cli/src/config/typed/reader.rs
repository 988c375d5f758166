//! Reads a section's values by its description.

use super::env::expand;
use super::scalar::{expected, found, scalar, word};
use super::table::Table;
use super::{Env, describe, units};
use crate::config::describe::{Field, Kind, OPERATOR, Presence, SOURCE, Section, TEST, Words};
use crate::config::mistake::{Location, Mistakes, Text, instead, listed, nearest};
use crate::config::value::{At, Value};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub struct Reader<'a> {
    text: &'a Arc<Text>,
    folder: PathBuf,
    env: Env<'a>,
    pub mistakes: Mistakes,
    pub damaged: bool,
}

/// The field that is being read, for its mistakes.
pub(super) struct Place<'p> {
    pub component: &'p str,
    pub name: &'p str,
    pub at: Location,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a Arc<Text>, folder: &Path, env: Env<'a>, damaged: bool) -> Reader<'a> {
        Reader { text, folder: folder.to_owned(), env, mistakes: Mistakes::default(), damaged }
    }

    pub fn location(&self, span: Range<usize>) -> Location {
        Location::new(self.text, span)
    }

    /// Reads a table; `beside` are keys in it that somebody else reads.
    pub fn section(
        &mut self,
        section: &'static Section,
        component: &str,
        table: &DeTable,
        at: &Location,
        beside: &[&str],
    ) -> Table {
        let names: Vec<&str> = section.fields.iter().map(|field| field.name).collect();
        let mut meant = Vec::new();
        for (key, value) in table.iter().filter(|(key, _)| !beside.contains(&key.get_ref().as_ref())) {
            let name: &str = key.get_ref();
            if section.field(name).is_some() {
                continue;
            }
            let at = self.location(key.span());
            match units::meant(section, name, value.get_ref()) {
                Some((field, advice)) => {
                    self.mistakes.error(&at, component, format!("unknown field \"{name}\"; {advice}"));
                    meant.push(field.name);
                }
                None => {
                    self.mistakes.error(&at, component, unknown(section, name));
                    meant.extend(nearest(name, &names));
                }
            }
        }
        let mut read = Table { section, at: at.clone(), values: BTreeMap::new(), typed: Vec::new() };
        for field in section.fields {
            let value = match table.get(field.name) {
                Some(typed) => {
                    read.typed.push(field.name);
                    self.typed(field, component, typed)
                }
                // It is there, misspelt, and has been told.
                None if meant.contains(&field.name) => None,
                None => self.absent(field, component, at),
            };
            if let Some(value) = value {
                read.values.insert(field.name, value);
            }
        }
        read
    }

    fn typed(&mut self, field: &Field, component: &str, typed: &Spanned<DeValue>) -> Option<At<Value>> {
        let at = self.location(typed.span());
        let at = if matches!(field.kind, Kind::Secret) { at.unquoted() } else { at };
        let place = Place { component, name: field.name, at: at.clone() };
        if let (Kind::Number { .. } | Kind::Amount { .. }, Some(advice)) =
            (field.kind, units::converted(field, typed.get_ref()))
        {
            self.wrong(&place, format!("takes a number alone; {advice}"));
            return None;
        }
        let value = self.value(field.kind, &place, typed)?;
        Some(At { value, at })
    }

    fn absent(&mut self, field: &Field, component: &str, at: &Location) -> Option<At<Value>> {
        match field.presence {
            Presence::Optional(_) => None,
            Presence::Required => {
                if !self.damaged {
                    let what = format!("no \"{0}\"; add {0} = {1}", field.name, field.example);
                    self.mistakes.error(at, component, what);
                }
                None
            }
            Presence::Default(text) => {
                let value = DeValue::parse(text).expect("a default is TOML");
                let place = Place { component, name: field.name, at: at.clone() };
                let value = self.value(field.kind, &place, &value).expect("a default is of its field's kind");
                Some(At { value, at: at.clone() })
            }
        }
    }

    pub(super) fn value(&mut self, kind: Kind, place: &Place, typed: &Spanned<DeValue>) -> Option<Value> {
        match (kind, typed.get_ref()) {
            (Kind::Flag, DeValue::Boolean(flag)) => Some(Value::Flag(*flag)),
            (Kind::Integer { .. } | Kind::Number { .. } | Kind::Amount { .. }, DeValue::Integer(i)) => {
                let digits = if i.radix() == 10 {
                    i.as_str().to_owned()
                } else {
                    i64::from_str_radix(i.as_str(), i.radix()).ok()?.to_string()
                };
                self.scalar(kind, place, &digits)
            }
            (Kind::Number { .. } | Kind::Amount { .. }, DeValue::Float(f)) => self.scalar(kind, place, f.as_str()),
            (Kind::Mapping(units), DeValue::Table(table)) => self.mapping(units, place, table),
            (Kind::Pairs, DeValue::Table(table)) => self.pairs(place, table),
            (Kind::Texts | Kind::ManyOf(_), DeValue::Array(_)) => self.texts(kind, place, typed),
            (Kind::Tables(section), DeValue::Array(list)) => {
                let tables: Vec<Option<Table>> =
                    list.iter().map(|element| self.nested(section, place, element)).collect();
                tables.into_iter().collect::<Option<Vec<Table>>>().map(Value::Tables)
            }
            (Kind::Named(section), DeValue::Table(table)) => self.named(section, place, table),
            (Kind::Rows, _) => self.rows(place, typed).map(Value::Rows),
            (Kind::RowsOf, DeValue::Table(table)) => self.rows_of(place, table),
            (Kind::Texts | Kind::ManyOf(_) | Kind::Pairs | Kind::Tables(_) | Kind::Named(_) | Kind::RowsOf, _) => {
                self.unexpected(kind, place, typed.get_ref())
            }
            (_, DeValue::String(_)) => {
                let (text, replaced) = self.text(place, typed)?;
                let plain =
                    matches!(kind, Kind::Integer { .. } | Kind::Number { .. } | Kind::Amount { .. } | Kind::Flag);
                // `shards = "${SHARDS}"` is a number; `shards = "2"` is a text.
                if plain && !replaced {
                    self.unexpected(kind, place, typed.get_ref())
                } else {
                    self.scalar(kind, place, &text)
                }
            }
            (_, other) => self.unexpected(kind, place, other),
        }
    }

    /// A text with the environment's values in it, and whether there were any.
    pub(super) fn text(&mut self, place: &Place, typed: &Spanned<DeValue>) -> Option<(String, bool)> {
        let Some(text) = typed.get_ref().as_str() else {
            return self.unexpected(Kind::Text, place, typed.get_ref());
        };
        let (text, replaced, unset) = expand(text, self.env);
        let span = typed.span();
        let raw = self.text.content.get(span.clone()).unwrap_or_default();
        for fault in &unset {
            let at = raw.match_indices("${").nth(fault.nth).map_or(span.clone(), |(at, _)| {
                let end = raw[at..].find('}').map_or(2, |end| end + 1);
                span.start + at..span.start + at + end
            });
            let at = self.location(at);
            self.mistakes.error(&at, place.component, format!("{}: {}", place.name, fault.what));
        }
        unset.is_empty().then_some((text, replaced))
    }

    /// A single value from its text.
    fn scalar(&mut self, kind: Kind, place: &Place, text: &str) -> Option<Value> {
        let read = scalar(kind, text, &self.folder, &place.at);
        read.map_err(|what| self.wrong(place, what)).ok()
    }

    /// Whether it is one of the words; a mistake if not.
    pub(super) fn word(&mut self, words: &Words, place: &Place, text: &str) -> bool {
        word(words, text).map_err(|what| self.wrong(place, what)).is_ok()
    }

    pub(super) fn unexpected<T>(&mut self, kind: Kind, place: &Place, value: &DeValue) -> Option<T> {
        let found = if matches!(kind, Kind::Secret) { "something else".to_owned() } else { found(value) };
        self.wrong(place, format!("expected {}, found {found}", expected(kind)));
        None
    }

    pub(super) fn wrong(&mut self, place: &Place, what: String) {
        self.mistakes.error(&place.at, place.component, format!("{}: {what}", place.name));
    }
}

/// What to say of a field that its section does not have.
fn unknown(section: &Section, name: &str) -> String {
    if section.later.contains(&name) {
        return format!("field \"{name}\" is not in this version of rhumb; remove it");
    }
    let names: Vec<&str> = section.fields.iter().map(|field| field.name).collect();
    // What stands at the top of a file is fields and tables.
    let tables: &[&str] =
        if section.header.is_empty() { &["engine", SOURCE.noun, OPERATOR.noun, TEST.key()] } else { &[] };
    let header = |table: &&str| if *table == "engine" { format!("[{table}]") } else { format!("[[{table}]]") };
    if nearest(name, &names).is_none()
        && let Some(table) = nearest(name, tables)
    {
        return format!("unknown field \"{name}\"; did you mean {}?", header(&table));
    }
    let elsewhere =
        describe::sections().into_iter().filter(|other| other.header != section.header && other.field(name).is_some());
    let headers: Vec<&str> = elsewhere
        .map(|other| if other.header.is_empty() { "the top of the file, before the first table" } else { other.header })
        .collect();
    match headers[..] {
        [] if section.fields.is_empty() => format!("unknown field \"{name}\"; remove it"),
        [_] | [_, _] if nearest(name, &names).is_none() => {
            format!("unknown field \"{name}\"; it belongs to {}", listed(&headers))
        }
        _ if nearest(name, &names).is_none() && !tables.is_empty() => {
            let known: Vec<String> = names.iter().map(ToString::to_string).chain(tables.iter().map(header)).collect();
            format!("unknown field \"{name}\"; there are {}", listed(&known))
        }
        _ => format!("unknown field \"{name}\"; {}", instead(name, names)),
    }
}
