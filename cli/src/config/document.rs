//! Writes `docs/CONFIG.md` from the description of sections and fields.

use super::describe::{Field, Kind, Presence, Section, sections};
use super::value::{bytes_text, duration_text};
use std::fmt::Write;

const OPENING: &str = "\
# Configuration

A pipeline is a TOML file: where frames come from, what is done to them, in which order. `rhumb check FILE` tells every
mistake in it with its place and what to write instead; `rhumb explain FILE` tells what it will do.

<!-- Written from cli/src/config/describe by a test; UPDATE_EXPECT=1 cargo test -p rhumb writes it anew. -->

```toml
name = \"fleet\"

[[source]]
name = \"trackers\"
[source.udp]
listen = \"127.0.0.1:5027\"
codec = \"json\"

[[operator]]
[operator.validate]
speed_max_mps = 70

[[operator]]
[operator.geofence]
zones = \"zones/city.geojson\"

[[operator]]
[operator.window]
name = \"zone_speed\"
every = \"1m\"
key = [\"zone_id\"]
aggregates = { frames = \"count\", speed_avg = \"avg(speed_mps)\" }
```

## Values

| value | how it is written |
|---|---|
| duration | a whole number and `ms`, `s`, `m`, `h` or `d`: `\"500ms\"`, `\"10s\"`, `\"5m\"`, `\"2h\"`, `\"1d\"` |
| size | a whole number and `B`, `KiB`, `MiB` or `GiB`: `\"8MiB\"` |
| speed | of a recording: `\"max\"`, or how many times as fast as recorded: `\"60x\"` |
| path | relative to the TOML file, unless it begins with `/` |
| environment | `${NAME}` in a text is replaced by the variable, `${NAME:-default}` by the default where it is not set; \
a variable that is not set and has no default is a mistake; `$${` stands for `${` itself. A field that takes a number or \
`true` and `false` takes such a text too: `shards = \"${SHARDS}\"` |

A field that is not described here is refused, and so is one that has no effect where it stands.
";

/// The whole document.
pub fn document() -> String {
    let mut out = OPENING.to_owned();
    for section in sections() {
        let title =
            if section.header.is_empty() { "Top of the file".to_owned() } else { format!("`{}`", section.header) };
        let _ = write!(out, "\n## {title}\n\n{}\n", section.doc);
        if !section.fields.is_empty() {
            fields(section, &mut out);
            example(section, &mut out);
        }
    }
    out
}

fn fields(section: &Section, out: &mut String) {
    out.push_str("\n| field | takes | unit | default | |\n|---|---|---|---|---|\n");
    for field in section.fields {
        row("", field, out);
        let prefix = match field.kind {
            Kind::Tables(_) => format!("{}.", field.name),
            Kind::Named(_) => format!("{}.NAME.", field.name),
            _ => continue,
        };
        if let Kind::Tables(inner) | Kind::Named(inner) = field.kind {
            inner.fields.iter().for_each(|inner| row(&prefix, inner, out));
        }
    }
}

fn row(prefix: &str, field: &Field, out: &mut String) {
    let default = match field.presence {
        Presence::Required => "**required**".to_owned(),
        Presence::Default(value) => format!("`{value}`"),
        Presence::Optional(words) => words.to_owned(),
    };
    let _ = writeln!(
        out,
        "| `{prefix}{}` | {} | {} | {default} | {} |",
        field.name,
        takes(field.kind),
        field.unit,
        field.doc
    );
}

/// The section with every field set to its example; more than one where fields exclude each other.
fn example(section: &Section, out: &mut String) {
    for example in section.examples() {
        let _ = write!(out, "\n```toml\n{}```\n", example_toml(section, &example));
    }
}

fn example_toml(section: &Section, fields: &[&Field]) -> String {
    let mut out = String::new();
    if !section.header.is_empty() {
        let _ = writeln!(out, "{}", section.header);
    }
    for field in fields {
        let _ = writeln!(out, "{} = {}", field.name, field.example);
    }
    out
}

fn takes(kind: Kind) -> String {
    let listed = |words: &[&str]| words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ");
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Name => "letters, digits, `_`, `-`".to_owned(),
        Kind::Identifier => "letters, digits, `_`".to_owned(),
        Kind::Secret => "text, never shown".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::DataPlace => "path or URL".to_owned(),
        Kind::Address => "IP address and port".to_owned(),
        Kind::Flag => "`true`, `false`".to_owned(),
        Kind::Start => "`\"earliest\"`, `\"latest\"`, time, or table of `offset`".to_owned(),
        Kind::Settings => "table of texts, never shown".to_owned(),
        Kind::Speed => "speed".to_owned(),
        Kind::Integer { min, max } => format!("whole number, {min} to {max}"),
        Kind::Number { max } => format!("number greater than 0, at most {max}"),
        Kind::Amount { max } => format!("number, 0 to {max}"),
        Kind::Duration { min, max } => format!("duration, {} to {}", duration_text(min), duration_text(max)),
        Kind::Bytes { min, max } => format!("size, {} to {}", bytes_text(min), bytes_text(max)),
        Kind::OneOf(words) => format!("one of {}", listed(words.names)),
        Kind::ManyOf(words) => format!("list of {}", listed(words.names)),
        Kind::Texts => "list of texts".to_owned(),
        Kind::Pairs => "table of texts".to_owned(),
        Kind::Mapping(units) if units.names.is_empty() => "name".to_owned(),
        Kind::Mapping(units) => format!("name, or table with `unit` {}", listed(units.names)),
        Kind::Tables(_) => "list of tables".to_owned(),
        Kind::Rows => "rows".to_owned(),
        Kind::RowsOf => "table from names to rows".to_owned(),
        Kind::Named(inner) => format!("table from names to tables, or to the `{}` alone", inner.fields[0].name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::check;
    use crate::config::describe::{OPERATOR, SINK, SOURCE, TEST};
    use crate::config::mistake::Text;
    use crate::config::typed;
    use std::path::Path;
    use std::sync::Arc;

    /// Every kind with every field of it.
    fn everything() -> String {
        let sections = sections();
        let all = |section: &Section| example_toml(section, &section.fields.iter().collect::<Vec<_>>());
        let mut out: String = sections[..2].iter().map(|section| all(section)).collect();
        for group in [&SOURCE, &OPERATOR, &SINK] {
            for kind in group.kinds {
                out.push_str(&all(group.base));
                out.push_str(&all(kind));
                group.parts.iter().for_each(|part| out.push_str(&all(part)));
            }
        }
        out + &all(&TEST)
    }

    #[test]
    fn every_example_can_be_read_and_every_field_is_asked_for() {
        let text = Arc::new(Text { name: "everything.toml".to_owned(), content: everything() });
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/invalid"));
        let typed = typed::read(&text, folder, &|_| Some("a key of this process".to_owned()));
        assert!(!typed.mistakes.any_error(), "{:?}", typed.mistakes.sorted("everything.toml"));
        // Examples together make no sense as a pipeline; that each field is asked for is asserted on the way.
        check(typed, Path::new("everything.toml"), 1);
    }
}
