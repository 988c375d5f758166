//! Where a text is not TOML.

use crate::config::mistake::{Location, Mistakes, Severity, Text};
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

/// The first fault of each line: those after it mostly follow from it. Gives the lines that faults stand in, or that
/// were told for them: what else is said of these may follow from that.
pub fn report(faults: &[Error], text: &Arc<Text>, mistakes: &mut Mistakes) -> BTreeSet<usize> {
    let (mut faulty, mut told) = (BTreeSet::new(), BTreeSet::new());
    for fault in faults {
        let span = fault.span().unwrap_or(0..0);
        let at = Location::new(text, span.clone());
        faulty.insert(at.line());
        let (at, what) = orphan(fault.message(), text, span.start)
            .unwrap_or_else(|| (at, advice(fault.message(), text, span.start)));
        if told.insert(at.line()) {
            mistakes.push_of_kind(Severity::Error, &at, COMPONENT, what, fault.message());
        }
    }
    &faulty | &told
}

/// `[[operator]]` below an `[operator.window]` that has none above it: that one is what must be mended. Or `[operator]`.
fn orphan(message: &str, text: &Arc<Text>, at: usize) -> Option<(Location, String)> {
    let fault = header(line(text, at));
    let list = |noun: &str| format!("[[{noun}]]");
    let table = |noun: &str| format!("[{noun}]");
    let noun = NOUNS.into_iter().find(|noun| fault == list(noun) || fault == table(noun))?;
    if message != "duplicate key" {
        return None;
    }
    let mut start = 0;
    for typed in text.content[..text.content.floor_char_boundary(at)].split_inclusive('\n') {
        let here = start;
        start += typed.len();
        let typed_header = header(typed);
        let stands_alone = typed_header == table(noun) || typed_header.starts_with(&format!("[{noun}."));
        if stands_alone {
            let place = Location::new(text, here..here + line(text, here).len());
            return Some((place, without_list(typed_header, noun)));
        }
        if typed_header == list(noun) {
            break;
        }
    }
    (fault == table(noun)).then(|| (Location::new(text, at..at + 1), without_list(fault, noun)))
}

/// A line without its comment.
fn header(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

/// What to say of a table that stands without the header of its list.
pub fn without_list(header: &str, noun: &str) -> String {
    if header == format!("[{noun}]") {
        return format!("{header} is one table, and a pipeline has a list of them; write [[{noun}]]");
    }
    format!("{header} without [[{noun}]] above it; write [[{noun}]] in a line of its own above each {noun}")
}

/// Tables that come in lists.
const NOUNS: [&str; 4] = ["source", "operator", "sink", "test"];

fn advice(message: &str, text: &Text, at: usize) -> String {
    let line = line(text, at);
    let group = NOUNS.into_iter().find(|noun| line.starts_with(&format!("[{noun}.")));
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
