//! `[[source]]`, `[[operator]]` and `[[sink]]`: each with exactly one of its kinds. And the tables of later versions.

use super::reader::Reader;
use super::syntax::without_list;
use super::{Member, describe};
use crate::config::describe::{Group, Section};
use crate::config::mistake::{Location, instead, listed};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

impl Reader<'_> {
    pub fn group(&mut self, group: &'static Group, typed: Option<&Spanned<DeValue>>) -> Vec<Member> {
        let Some(typed) = typed else { return Vec::new() };
        let noun = group.noun;
        let wrong = format!("expected a list of tables; write [[{noun}]], and below it the table of its kind");
        let DeValue::Array(list) = typed.get_ref() else {
            // `[source.udp]` without `[[source]]` above it has no place of its own: its first table has.
            let own = self.location(typed.span());
            let inner = typed.get_ref().as_table().and_then(first_place).filter(|_| !own.text().starts_with('['));
            let at = inner.map_or(own, |inner| self.location(inner));
            let header = at.text().trim().to_owned();
            let what = if header.starts_with('[') { without_list(&header, noun) } else { wrong };
            self.mistakes.error(&at, noun, what);
            return Vec::new();
        };
        let mut members = Vec::new();
        for element in list.iter() {
            let at = self.location(element.span());
            match element.get_ref() {
                DeValue::Table(table) => members.push(self.member(group, table, at)),
                _ => self.mistakes.error(&at, noun, wrong.as_str()),
            }
        }
        members
    }

    fn member(&mut self, group: &'static Group, table: &DeTable, at: Location) -> Member {
        let kinds = self.tables_of(group.kinds, table);
        let component = match (group.base.field("name"), table.get("name").and_then(|name| name.get_ref().as_str())) {
            (Some(_), Some(name)) => format!("{} {name}", group.noun),
            (Some(_), None) => group.noun.to_owned(),
            (None, _) => {
                kinds.first().map_or(group.noun.to_owned(), |(kind, _)| format!("{} {}", group.noun, kind.key()))
            }
        };
        let mut beside: Vec<&str> = group.kinds.iter().chain(group.parts).map(|section| section.key()).collect();
        let unknown = self.unknown_kinds(group, table, &component);
        beside.extend(&unknown);
        let base = self.section(group.base, &component, table, &at, &beside);
        let headers: Vec<&str> = group.kinds.iter().map(|kind| kind.header).collect();
        if kinds.is_empty() && unknown.is_empty() && !self.damaged {
            self.mistakes.error(&at, &component, format!("no kind; add one of {}", listed(&headers)));
        }
        if let [(first, _), (second, table), ..] = kinds[..] {
            let what = format!(
                "two kinds in one [[{noun}]]: {} and {}; write a [[{noun}]] for each",
                first.header,
                second.header,
                noun = group.noun
            );
            let at = self.location(table.span());
            self.mistakes.error(&at, &component, what);
        }
        let mut read = |sections: &[&'static Section]| -> Vec<super::Table> {
            let found = self.tables_of(sections, table).into_iter();
            found.filter_map(|(section, table)| self.part(section, &component, table)).collect()
        };
        let (kind, parts) = (read(group.kinds).into_iter().next(), read(group.parts));
        Member { component, at, base, kind, parts }
    }

    /// The sections that stand in a table, in the order of the text.
    fn tables_of<'t, 'i>(
        &self,
        sections: &[&'static Section],
        table: &'t DeTable<'i>,
    ) -> Vec<(&'static Section, &'t Spanned<DeValue<'i>>)> {
        let mut found: Vec<_> =
            sections.iter().filter_map(|section| Some((*section, table.get(section.key())?))).collect();
        found.sort_by_key(|(_, table)| table.span().start);
        found
    }

    fn part(&mut self, section: &'static Section, component: &str, typed: &Spanned<DeValue>) -> Option<super::Table> {
        let at = self.location(typed.span());
        match typed.get_ref() {
            DeValue::Table(table) => Some(self.section(section, component, table, &at, &[])),
            _ => {
                let what =
                    format!("{}: expected a table; write {} and its fields below it", section.key(), section.header);
                self.mistakes.error(&at, component, what);
                None
            }
        }
    }

    /// Reports tables that are no kind of this version, and gives their names.
    fn unknown_kinds<'t>(&mut self, group: &Group, table: &'t DeTable, component: &str) -> Vec<&'t str> {
        let known: Vec<&str> = group.kinds.iter().chain(group.parts).map(|section| section.key()).collect();
        let headers: Vec<&str> = group.kinds.iter().map(|kind| kind.header).collect();
        let mut names = Vec::new();
        for (key, value) in table.iter().filter(|(_, value)| value.get_ref().is_table()) {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            names.push(name);
            let at = self.location(value.span());
            let noun = group.noun;
            let what = if group.later.contains(&name) {
                format!(
                    "[{noun}.{name}] is not in this version of rhumb; there {} {}",
                    are(headers.len()),
                    listed(&headers)
                )
            } else {
                format!("unknown {noun} \"{name}\"; {}", instead(name, known.iter().copied()))
            };
            self.mistakes.error(&at, component, what);
        }
        names
    }

    /// Reports the tables of later versions at the top of the file.
    pub fn later_tables(&mut self, root: &DeTable) {
        for (key, value) in root.iter() {
            let name: &str = key.get_ref();
            if !describe::LATER.contains(&name) {
                continue;
            }
            match value.get_ref() {
                DeValue::Array(list) => {
                    for element in list.iter() {
                        let kind =
                            element.get_ref().as_table().and_then(|t| t.iter().find(|(_, v)| v.get_ref().is_table()));
                        let at = self.location(element.span());
                        self.later_table(&at, &later_name(name, kind.map(|(key, _)| key.get_ref()), true));
                    }
                }
                DeValue::Table(table) => {
                    let at =
                        self.location(first_place(table).filter(|_| value.span().is_empty()).unwrap_or(value.span()));
                    self.later_table(&at, &later_name(name, None, false));
                }
                _ => {
                    let at = self.location(key.span());
                    self.later_table(&at, name);
                }
            }
        }
    }

    fn later_table(&mut self, at: &Location, name: &str) {
        let what = format!("{name} is not in this version of rhumb; remove it");
        self.mistakes.error(at, "pipeline", what);
    }
}

fn later_name(name: &str, kind: Option<&DeString>, list: bool) -> String {
    match (kind, list) {
        (Some(kind), _) => format!("[{name}.{kind}]"),
        (None, true) => format!("[[{name}]]"),
        (None, false) => format!("[{name}]"),
    }
}

fn first_place(table: &DeTable) -> Option<std::ops::Range<usize>> {
    table
        .iter()
        .map(|(key, value)| if value.span().is_empty() { key.span() } else { value.span() })
        .min_by_key(|s| s.start)
}

fn are(n: usize) -> &'static str {
    if n == 1 { "is" } else { "are" }
}
