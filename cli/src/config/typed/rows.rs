//! Tables of rows: typed as text, or as a list of tables. And the tables that stand in a list of their own.

use super::reader::{Place, Reader};
use super::syntax::without_list;
use super::table::Table;
use crate::config::describe::{Kind, Section};
use crate::config::rows::{EMPTY_LIST, LIST, Row, parse};
use crate::config::value::{At, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

impl Reader<'_> {
    /// `[[test]]`: each element is a table of the section.
    pub fn list(&mut self, section: &'static Section, typed: Option<&Spanned<DeValue>>) -> Vec<Table> {
        let Some(typed) = typed else { return Vec::new() };
        let (noun, at) = (section.key(), self.location(typed.span()));
        let DeValue::Array(list) = typed.get_ref() else {
            self.mistakes.error(&at, noun, without_list(&format!("[{noun}]"), noun));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for element in list.iter() {
            let at = self.location(element.span());
            match element.get_ref() {
                DeValue::Table(table) => tables.push(self.section(section, noun, table, &at, &[])),
                _ => self.mistakes.error(
                    &at,
                    noun,
                    format!("expected a table; write [[{noun}]] and its fields below it"),
                ),
            }
        }
        tables
    }

    pub(super) fn rows(&mut self, place: &Place, typed: &Spanned<DeValue>) -> Option<Vec<Row>> {
        match typed.get_ref() {
            DeValue::String(text) => self.text_rows(place, text, typed.span()),
            DeValue::Array(list) => {
                let rows: Vec<Option<Row>> = list.iter().map(|element| self.table_row(place, element)).collect();
                rows.into_iter().collect()
            }
            other => self.unexpected(Kind::Rows, place, other),
        }
    }

    pub(super) fn rows_of(&mut self, place: &Place, table: &DeTable) -> Option<Value> {
        let mut all = Vec::new();
        for (key, typed) in table.iter() {
            let name = At { value: key.get_ref().to_string(), at: self.location(key.span()) };
            let place = Place { at: self.location(typed.span()), ..*place };
            all.push(self.rows(&place, typed).map(|rows| (name, rows)));
        }
        all.into_iter().collect::<Option<Vec<_>>>().map(Value::RowsOf)
    }

    fn text_rows(&mut self, place: &Place, text: &str, span: std::ops::Range<usize>) -> Option<Vec<Row>> {
        // Where a text was typed with escapes, its values have no places of their own.
        let start = self.location(span.clone()).text().find(text).map(|at| span.start + at);
        let at = |range: std::ops::Range<usize>| match start {
            Some(start) => self.location(start + range.start..start + range.end),
            None => place.at.clone(),
        };
        match parse(text, &at) {
            Ok(rows) => Some(rows),
            Err(wrong) => {
                for (at, what) in wrong {
                    self.wrong(&Place { at, ..*place }, what);
                }
                None
            }
        }
    }

    fn table_row(&mut self, place: &Place, element: &Spanned<DeValue>) -> Option<Row> {
        let at = self.location(element.span());
        let DeValue::Table(table) = element.get_ref() else {
            return self.unexpected(Kind::Rows, &Place { at, ..*place }, element.get_ref());
        };
        let mut cells = Vec::new();
        let mut right = true;
        for (key, value) in table.iter() {
            let name = At { value: key.get_ref().to_string(), at: self.location(key.span()) };
            let at = self.location(value.span());
            match cell(value.get_ref()) {
                Some(value) => cells.push((name, At { value, at })),
                None => {
                    let what = format!("{}: expected a single value or a list of texts", name.value);
                    self.wrong(&Place { at, ..*place }, what);
                    right = false;
                }
            }
        }
        cells.sort_by_key(|(name, _)| name.at.start());
        right.then_some(Row { at, cells })
    }
}

/// A value as it would stand in a text of rows.
fn cell(value: &DeValue) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().replace('_', ""),
        DeValue::Float(number) => number.as_str().replace('_', ""),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(|element| element.get_ref().as_str()).collect();
            let texts = texts?;
            if texts.is_empty() { EMPTY_LIST.to_owned() } else { texts.join(&LIST.to_string()) }
        }
        DeValue::Table(_) => return None,
    })
}
