//! Every section and field of a pipeline's TOML, as data: what the reader accepts and what `docs/CONFIG.md` says.

mod codec;
mod kafka;
mod operator;
mod pipeline;
mod sink;
mod source;
mod test;

pub use codec::{BINARY, CSV, FIELDS, NMEA, TELTONIKA};
pub use operator::{AGGREGATES, OPERATOR};
pub use pipeline::{ENGINE, LATER, PIPELINE};
pub use sink::SINK;
pub use source::SOURCE;
pub use test::TEST;

/// A table of TOML.
#[derive(Debug)]
pub struct Section {
    /// As it is written, such as `[source.udp]`.
    pub header: &'static str,
    pub doc: &'static str,
    pub fields: &'static [Field],
    /// Fields of later versions: refused as such, not as unknown.
    pub later: &'static [&'static str],
}

impl Section {
    /// The last word of the header.
    pub fn key(&self) -> &'static str {
        let path = self.header.trim_matches(['[', ']']);
        path.rsplit('.').next().unwrap_or(path)
    }

    /// Its fields, in as many lists as it takes to show each beside all that it can stand with.
    pub fn examples(&self) -> Vec<Vec<&'static Field>> {
        let excludes = |a: &Field, b: &Field| a.excludes.contains(&b.name) || b.excludes.contains(&a.name);
        let mut examples: Vec<Vec<&Field>> = Vec::new();
        let is_shown =
            |examples: &[Vec<&Field>], field: &Field| examples.iter().flatten().any(|other| other.name == field.name);
        while let Some(first) = self.fields.iter().find(|field| !is_shown(&examples, field)) {
            let mut example: Vec<&Field> = vec![first];
            for field in self.fields.iter().filter(|field| field.name != first.name) {
                if example.iter().all(|other| !excludes(field, other)) {
                    example.push(field);
                }
            }
            example.sort_by_key(|field| self.fields.iter().position(|other| other.name == field.name));
            examples.push(example);
        }
        examples
    }

    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A table that may stand several times, each with exactly one of the kinds.
#[derive(Debug)]
pub struct Group {
    /// `source`, `operator` or `sink`.
    pub noun: &'static str,
    pub base: &'static Section,
    pub kinds: &'static [&'static Section],
    /// Tables beside the kind.
    pub parts: &'static [&'static Section],
    pub later: &'static [&'static str],
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub presence: Presence,
    /// What a number counts; empty where the kind says it.
    pub unit: &'static str,
    pub doc: &'static str,
    /// As TOML.
    pub example: &'static str,
    /// Fields of the section that cannot stand beside it.
    pub excludes: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Required,
    /// As TOML; read just as if it had been typed.
    Default(&'static str),
    /// What holds without it, in words; empty where the sentence says it.
    Optional(&'static str),
}

/// What a field takes. Bounds are inclusive.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Text,
    /// Letters, digits, `_` and `-`.
    Name,
    /// Letters, digits and `_`.
    Identifier,
    Secret,
    /// Relative to the TOML file.
    Path,
    /// A folder, or a place in an object store.
    DataPlace,
    Address,
    Flag,
    Speed,
    Integer {
        min: i64,
        max: i64,
    },
    /// Greater than 0.
    Number {
        max: f64,
    },
    /// At least 0.
    Amount {
        max: f64,
    },
    /// Of a partition: `"earliest"`, `"latest"`, a time, or a table of `offset`.
    Start,
    /// A table of names and values of somebody else's, which no output shows.
    Settings,
    /// Microseconds.
    Duration {
        min: i64,
        max: i64,
    },
    Bytes {
        min: u64,
        max: u64,
    },
    OneOf(&'static Words),
    ManyOf(&'static Words),
    Texts,
    /// An inline table of names and texts.
    Pairs,
    /// A text, or a table of `field` and `unit`, which is one of these.
    Mapping(&'static Words),
    Tables(&'static Section),
    /// A table of names, each with such a table, or with nothing but its first field.
    Named(&'static Section),
    /// Rows of a table: a text of lines, or a list of tables.
    Rows,
    /// Such rows by name.
    RowsOf,
}

/// The words that a field may hold.
#[derive(Debug)]
pub struct Words {
    pub noun: &'static str,
    pub names: &'static [&'static str],
    /// Words of later versions.
    pub later: &'static [&'static str],
}

impl Field {
    const fn new(
        name: &'static str,
        kind: Kind,
        presence: Presence,
        example: &'static str,
        doc: &'static str,
    ) -> Field {
        Field { name, kind, presence, unit: "", doc, example, excludes: &[] }
    }

    const fn required(name: &'static str, kind: Kind, example: &'static str, doc: &'static str) -> Field {
        Field::new(name, kind, Presence::Required, example, doc)
    }

    const fn default(
        name: &'static str,
        kind: Kind,
        value: &'static str,
        example: &'static str,
        doc: &'static str,
    ) -> Field {
        Field::new(name, kind, Presence::Default(value), example, doc)
    }

    const fn optional(
        name: &'static str,
        kind: Kind,
        without: &'static str,
        example: &'static str,
        doc: &'static str,
    ) -> Field {
        Field::new(name, kind, Presence::Optional(without), example, doc)
    }

    const fn excludes(mut self, others: &'static [&'static str]) -> Field {
        self.excludes = others;
        self
    }

    const fn unit(mut self, unit: &'static str) -> Field {
        self.unit = unit;
        self
    }
}

impl Words {
    const fn new(noun: &'static str, names: &'static [&'static str], later: &'static [&'static str]) -> Words {
        Words { noun, names, later }
    }
}

/// Every section, in the order of the document.
pub fn sections() -> Vec<&'static Section> {
    let mut sections = vec![&PIPELINE, &ENGINE];
    for group in [&SOURCE, &OPERATOR, &SINK] {
        sections.push(group.base);
        sections.extend(group.kinds);
        sections.extend(group.parts);
    }
    sections.push(&TEST);
    sections
}
