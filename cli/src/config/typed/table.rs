//! A section as read: its values by name, to be taken out one by one.

use crate::config::describe::Section;
use crate::config::mistake::Location;
use crate::config::rows::Row;
use crate::config::value::{At, Mapping, Secret, Value};
use rhumb_connectors::file::Speed;
use rhumb_connectors::kafka::Start;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Values that were typed, and defaults of those that were not.
#[derive(Debug)]
pub struct Table {
    pub section: &'static Section,
    /// Its header.
    pub at: Location,
    pub(super) values: BTreeMap<&'static str, At<Value>>,
    /// Names of what was typed, also of what could not be read.
    pub(super) typed: Vec<&'static str>,
}

impl Table {
    /// Takes a value out; `None` if it is neither typed nor has a default, or was typed wrongly, which is a mistake
    /// by now.
    ///
    /// # Panics
    /// If the section's description has no such field, or another kind of value for it.
    pub fn take<T: FromValue>(&mut self, name: &str) -> Option<At<T>> {
        assert!(self.section.field(name).is_some(), "{} describes \"{name}\"", self.section.header);
        let At { value, at } = self.values.remove(name)?;
        let value = T::from_value(value)
            .unwrap_or_else(|| panic!("{} describes \"{name}\" as it is read", self.section.header));
        Some(At { value, at })
    }

    /// The same without its place.
    pub fn get<T: FromValue>(&mut self, name: &str) -> Option<T> {
        self.take(name).map(|at| at.value)
    }

    /// A text that is there still.
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.values.get(name)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it was typed, rightly or not.
    pub fn has(&self, name: &str) -> bool {
        self.typed.contains(&name)
    }

    /// Where it was typed, else the header.
    pub fn place(&self, name: &str) -> Location {
        self.values.get(name).map_or(&self.at, |value| &value.at).clone()
    }

    /// Whether every value has been taken: one that nobody asks for would do nothing.
    pub fn is_used_up(&self) -> bool {
        self.values.is_empty()
    }
}

pub trait FromValue: Sized {
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($variant:ident => $type:ty),* $(,)?) => {$(
        impl FromValue for $type {
            fn from_value(value: Value) -> Option<$type> {
                if let Value::$variant(value) = value { Some(value) } else { None }
            }
        }
    )*};
}

from_value! {
    Text => String, Secret => Secret, Path => PathBuf, Address => SocketAddr, Flag => bool, Number => f64,
    Bytes => u64, Speed => Speed, Start => Start, Texts => Vec<At<String>>, Pairs => Vec<(At<String>, At<String>)>,
    Mapping => Mapping, Tables => Vec<Table>, Named => Vec<(At<String>, Table)>,
    Rows => Vec<Row>, RowsOf => Vec<(At<String>, Vec<Row>)>,
}

/// Whole numbers, and durations in microseconds.
impl FromValue for i64 {
    fn from_value(value: Value) -> Option<i64> {
        match value {
            Value::Integer(value) | Value::Duration(value) => Some(value),
            _ => None,
        }
    }
}
