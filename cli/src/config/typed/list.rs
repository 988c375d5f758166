//! Values that are made of others: lists, tables of texts, mappings, nested sections.

use super::reader::{Place, Reader};
use super::table::Table;
use crate::config::describe::{Kind, Section, Words};
use crate::config::mistake::instead;
use crate::config::value::{At, Mapping, Value};
use rhumb_connectors::kafka::Start;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

impl Reader<'_> {
    pub(super) fn texts(&mut self, kind: Kind, place: &Place, typed: &Spanned<DeValue>) -> Option<Value> {
        let list = typed.get_ref().as_array()?;
        let mut texts = Vec::new();
        for element in list.iter() {
            let at = self.location(element.span());
            let place = Place { at: at.clone(), ..*place };
            let text = self.text(&place, element).map(|(text, _)| text);
            let known = |reader: &mut Self, text: &str| !matches!(kind, Kind::ManyOf(words) if !reader.word(words, &place, text));
            texts.push(text.filter(|text| known(self, text)).map(|value| At { value, at }));
        }
        texts.into_iter().collect::<Option<Vec<_>>>().map(Value::Texts)
    }

    pub(super) fn pairs(&mut self, place: &Place, table: &DeTable) -> Option<Value> {
        let mut pairs = Vec::new();
        for (key, value) in table.iter() {
            let name = At { value: key.get_ref().to_string(), at: self.location(key.span()) };
            let at = self.location(value.span());
            let text = self.text(&Place { at: at.clone(), name: &name.value, ..*place }, value);
            pairs.push(text.map(|(value, _)| (name, At { value, at })));
        }
        let mut pairs = pairs.into_iter().collect::<Option<Vec<_>>>()?;
        pairs.sort_by(|a, b| {
            if a.0.at.starts_before(&b.0.at) { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater }
        });
        Some(Value::Pairs(pairs))
    }

    /// Names with dots may stand without quotes, which TOML takes for tables in tables; numbers and flags are texts.
    pub(super) fn settings(&mut self, place: &Place, table: &DeTable) -> Option<Value> {
        let mut settings = Vec::new();
        let whole = self.setting("", place, table, &mut settings);
        settings.sort_by_key(|(name, _): &(At<String>, At<String>)| name.value.clone());
        whole.then_some(Value::Pairs(settings))
    }

    fn setting(
        &mut self,
        before: &str,
        place: &Place,
        table: &DeTable,
        settings: &mut Vec<(At<String>, At<String>)>,
    ) -> bool {
        let mut whole = true;
        for (key, value) in table.iter() {
            let name = format!("{before}{}", key.get_ref());
            let at = self.location(key.span()).unquoted();
            let text = match value.get_ref() {
                DeValue::Table(inner) => {
                    whole &= self.setting(&format!("{name}."), place, inner, settings);
                    continue;
                }
                DeValue::Integer(number) => Some(number.as_str().to_owned()),
                DeValue::Float(number) => Some(number.as_str().to_owned()),
                DeValue::Boolean(flag) => Some(flag.to_string()),
                _ => self.text(&Place { at: at.clone(), name: &name, ..*place }, value).map(|(text, _)| text),
            };
            whole &= text.is_some();
            settings.extend(text.map(|value| (At { value: name, at: at.clone() }, At { value, at })));
        }
        whole
    }

    /// `{ offset = N }`.
    pub(super) fn start(&mut self, place: &Place, table: &DeTable) -> Option<Value> {
        let offset = table.get("offset").and_then(|offset| match offset.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        });
        match offset {
            Some(offset) if offset >= 0 && table.len() == 1 => Some(Value::Start(Start::Offset(offset))),
            _ => {
                self.wrong(place, "expected nothing but an offset of at least 0; write { offset = 1000 }".to_owned());
                None
            }
        }
    }

    pub(super) fn mapping(&mut self, units: &'static Words, place: &Place, table: &DeTable) -> Option<Value> {
        let known = if units.names.is_empty() { vec!["field"] } else { vec!["field", "unit"] };
        for (key, _) in table.iter().filter(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
            let at = self.location(key.span());
            let none = if key.get_ref() == "unit" {
                format!("{} has no other unit", place.name)
            } else {
                instead(key.get_ref(), known.iter().copied())
            };
            self.mistakes.error(
                &at,
                place.component,
                format!("{}: unknown field \"{}\"; {none}", place.name, key.get_ref()),
            );
        }
        let mut read = |name: &str| {
            let value = table.get(name)?;
            let at = self.location(value.span());
            let (value, _) = self.text(&Place { at: at.clone(), ..*place }, value)?;
            Some(At { value, at })
        };
        let (field, unit) = (read("field"), read("unit"));
        if let Some(unit) = &unit
            && !units.names.is_empty()
            && !self.word(units, &Place { at: unit.at.clone(), ..*place }, &unit.value)
        {
            return None;
        }
        if field.is_none() && !table.contains_key("field") {
            self.wrong(place, "no \"field\"; write { field = \"its name in the input\" }".to_owned());
        }
        Some(Value::Mapping(Mapping { field: field?, unit }))
    }

    /// Names in the order in which they were typed. What is no table is the first field of one.
    pub(super) fn named(&mut self, section: &'static Section, place: &Place, table: &DeTable) -> Option<Value> {
        let mut named = Vec::new();
        for (key, typed) in table.iter() {
            let name = At { value: key.get_ref().to_string(), at: self.location(key.span()) };
            let place = Place { at: self.location(typed.span()), name: &name.value, ..*place };
            let read = match typed.get_ref() {
                DeValue::Table(_) => self.nested(section, &place, typed),
                _ => {
                    let mut alone = DeTable::new();
                    alone.insert(Spanned::new(key.span(), section.fields[0].name.into()), typed.clone());
                    Some(self.section(section, place.component, &alone, &place.at, &[]))
                }
            };
            named.push(read.map(|table| (name, table)));
        }
        let mut named = named.into_iter().collect::<Option<Vec<_>>>()?;
        named.sort_by(|a, b| {
            if a.0.at.starts_before(&b.0.at) { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater }
        });
        Some(Value::Named(named))
    }

    pub(super) fn nested(
        &mut self,
        section: &'static Section,
        place: &Place,
        typed: &Spanned<DeValue>,
    ) -> Option<Table> {
        let at = self.location(typed.span()).unquoted();
        match typed.get_ref() {
            DeValue::Table(table) => Some(self.section(section, place.component, table, &at, &[])),
            other => self.unexpected(Kind::Tables(section), &Place { at, ..*place }, other),
        }
    }
}
