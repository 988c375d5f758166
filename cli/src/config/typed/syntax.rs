//! Where a text is not TOML.

use crate::config::mistake::{Location, Mistakes, Text};
use std::collections::BTreeSet;
use std::sync::Arc;
use toml::de::Error;

/// What mistakes of syntax are told of.
pub const COMPONENT: &str = "syntax";

/// The first header of a table that is none.
pub fn broken_header(faults: &[Error], text: &Arc<Text>) -> Option<Location> {
    let spans = faults.iter().filter_map(Error::span);
    let headers = spans.filter(|span| line(text, span.start).starts_with('['));
    headers.min_by_key(|span| span.start).map(|span| Location::new(text, span))
}

/// Whether a fault stands in the line of this place: what else is said of it may follow from that.
pub fn is_faulty(faults: &[Error], text: &Arc<Text>, at: &Location) -> bool {
    faults.iter().filter_map(Error::span).any(|span| Location::new(text, span).line() == at.line())
}

/// The first fault of each line: those after it mostly follow from it.
pub fn report(faults: &[Error], text: &Arc<Text>, mistakes: &mut Mistakes) {
    let mut lines = BTreeSet::new();
    for fault in faults {
        let span = fault.span().unwrap_or(0..0);
        let at = Location::new(text, span.clone());
        if lines.insert(at.line()) {
            mistakes.error(&at, COMPONENT, advice(fault.message(), text, span.start));
        }
    }
}

fn advice(message: &str, text: &Text, at: usize) -> String {
    let line = line(text, at);
    let group = ["source", "operator", "sink"].into_iter().find(|noun| line.starts_with(&format!("[{noun}.")));
    let key = line.split('=').next().unwrap_or_default().trim();
    if line.split_once('=').is_some_and(|(_, value)| value.trim().is_empty()) {
        return format!("no value; write {key} = and a value");
    }
    match (message, group) {
        ("duplicate key", Some(noun)) => format!("{line} a second time; write [[{noun}]] above each"),
        ("duplicate key", None) if line.starts_with('[') => {
            format!("{line} a second time; put its fields under the first")
        }
        ("duplicate key", None) => format!("\"{key}\" is set a second time; remove one"),
        ("string values must be quoted, expected literal string", _) => {
            "a text must be quoted, as in \"text\"".to_owned()
        }
        ("key with no value, expected `=`", _) => format!("no value; write {line} = and a value"),
        _ if message.starts_with("unclosed array table") => {
            format!("no closing brackets; write {}]]", line.trim_end_matches(']'))
        }
        _ if message.starts_with("unclosed table") => format!("no closing bracket; write {line}]"),
        _ if message.starts_with("invalid basic string") => {
            "a text without its closing quote; write \" at its end".to_owned()
        }
        _ => message.to_owned(),
    }
}

fn line(text: &Text, at: usize) -> &str {
    let start = text.content[..text.content.floor_char_boundary(at)].rfind('\n').map_or(0, |n| n + 1);
    text.content[start..].lines().next().unwrap_or_default().trim()
}
