//! Single values from their text, and what to say of those that are none.

use crate::config::describe::{Kind, Words};
use crate::config::mistake::{Location, instead, listed};
use crate::config::value::{At, Mapping, Secret, Value, bytes, bytes_text, duration, duration_text};
use rhumb_connectors::bucket::is_url;
use rhumb_connectors::kafka::Start;
use std::ops::RangeInclusive;
use std::path::Path;
use toml::de::DeValue;

/// Reads a value as its kind has it; the error is a sentence.
pub fn scalar(kind: Kind, text: &str, folder: &Path, at: &Location) -> Result<Value, String> {
    let wrong = || format!("expected {}, found \"{text}\"", expected(kind));
    let some = |value: Option<Value>| value.ok_or_else(wrong);
    let plain = || text.replace('_', "");
    match kind {
        Kind::Secret => Ok(Value::Secret(Secret(text.to_owned()))),
        Kind::Text if !text.is_empty() => Ok(Value::Text(text.to_owned())),
        Kind::Path if !text.is_empty() => Ok(Value::Path(folder.join(text))),
        Kind::DataPlace if is_url(text) => Ok(Value::Path(text.into())),
        Kind::DataPlace if !text.is_empty() => Ok(Value::Path(folder.join(text))),
        Kind::Name if is_name(text, "_-") => Ok(Value::Text(text.to_owned())),
        Kind::Identifier if is_name(text, "_") => Ok(Value::Text(text.to_owned())),
        Kind::OneOf(words) => word(words, text).map(|()| Value::Text(text.to_owned())),
        Kind::Mapping(_) if !text.is_empty() => {
            let field = At { value: text.to_owned(), at: at.clone() };
            Ok(Value::Mapping(Mapping { field, unit: None }))
        }
        Kind::Address => some(text.parse().ok().map(Value::Address)),
        Kind::Start => some(start(text).map(Value::Start)),
        Kind::Flag => some(text.parse().ok().map(Value::Flag)),
        Kind::Speed => some(text.parse().ok().map(Value::Speed)),
        Kind::Integer { min, max } => {
            let value = plain().parse().map_err(|_| wrong())?;
            within(value, min..=max, |n: i64| n.to_string()).map(Value::Integer)
        }
        Kind::Duration { min, max } => {
            let value = duration(text).ok_or_else(wrong)?;
            within(value, min..=max, |us| format!("\"{}\"", duration_text(us))).map(Value::Duration)
        }
        Kind::Bytes { min, max } => {
            let value = bytes(text).ok_or_else(wrong)?;
            within(value, min..=max, |n| format!("\"{}\"", bytes_text(n))).map(Value::Bytes)
        }
        Kind::Number { max } => match plain().parse::<f64>().map_err(|_| wrong())? {
            value if value > 0.0 && value <= max => Ok(Value::Number(value)),
            value => Err(format!("{value} is out of range; it must be greater than 0 and at most {max}")),
        },
        Kind::Amount { max } => match plain().parse::<f64>().map_err(|_| wrong())? {
            value if (0.0..=max).contains(&value) => Ok(Value::Number(value)),
            value => Err(format!("{value} is out of range; it must be at least 0 and at most {max}")),
        },
        _ => Err(wrong()),
    }
}

fn within<T: PartialOrd + Copy>(value: T, range: RangeInclusive<T>, show: impl Fn(T) -> String) -> Result<T, String> {
    let (least, most) = (show(*range.start()), show(*range.end()));
    let wrong = || format!("{} is out of range; it must be at least {least} and at most {most}", show(value));
    range.contains(&value).then_some(value).ok_or_else(wrong)
}

/// Whether it is one of the words.
pub fn word(words: &Words, word: &str) -> Result<(), String> {
    let Words { noun, names, later } = words;
    if names.contains(&word) {
        return Ok(());
    }
    Err(if later.contains(&word) {
        format!("{noun} \"{word}\" is not in this version of rhumb; there are {}", listed(names))
    } else {
        format!("unknown {noun} \"{word}\"; {}", instead(word, names.iter().copied()))
    })
}

fn start(text: &str) -> Option<Start> {
    match text {
        "earliest" => Some(Start::Earliest),
        "latest" => Some(Start::Latest),
        time => match rhumb_connectors::codec::time::rfc3339(time.as_bytes(), 0)? {
            (at, end) if end == time.len() => Some(Start::Time(at)),
            _ => None,
        },
    }
}

fn is_name(text: &str, also: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

pub fn expected(kind: Kind) -> String {
    match kind {
        Kind::Text | Kind::Secret | Kind::OneOf(_) => "a text such as \"text\"",
        Kind::Name => "a name of at most 64 letters, digits, _ and -",
        Kind::Identifier => "a name of at most 64 letters, digits and _",
        Kind::Path => "a path such as \"folder/file\"",
        Kind::DataPlace => "a path such as \"folder\", or a URL such as \"s3://bucket/prefix\"",
        Kind::Address => "an IP address and a port such as \"127.0.0.1:5027\"",
        Kind::Flag => "true or false",
        Kind::Start => "\"earliest\", \"latest\", a time such as \"2026-01-05T06:00:00Z\", or { offset = 1000 }",
        Kind::Settings => "a table such as { \"client.rack\" = \"a\" }",
        Kind::Speed => "\"max\" or a speed such as \"60x\"",
        Kind::Integer { .. } => "a whole number",
        Kind::Number { .. } | Kind::Amount { .. } => "a number",
        Kind::Duration { .. } => "a duration such as \"10s\"",
        Kind::Bytes { .. } => "a size such as \"8MiB\"",
        Kind::Texts | Kind::ManyOf(_) => "a list of texts such as [\"text\"]",
        Kind::Pairs => "a table such as { frames = \"count\" }",
        Kind::Mapping(_) => "a name such as \"kmh\", or { field = \"kmh\", unit = \"km/h\" }",
        Kind::Named(section) => return format!("a table such as {{ ignition = {} }}", section.fields[0].example),
        Kind::Tables(_) => "a list of tables such as [{ id = 1, secret = \"${KEY}\" }]",
        Kind::Rows => "rows: a list of tables such as [{ kind = \"enter\" }], or a text of lines",
        Kind::RowsOf => "a table such as { zone_speed = [{ frames = 1 }] }",
    }
    .to_owned()
}

pub fn found(value: &DeValue) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(flag) => format!("{flag}"),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
