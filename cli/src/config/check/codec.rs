//! Codecs: only what belongs to the one that is chosen, and keys that are keys.

use super::Check;
use crate::config::describe::{BINARY, CSV, FIELDS, NMEA, TELTONIKA};
use crate::config::means::{BinaryMeans, CodecKind, CodecMeans, CsvMeans, FieldMeans, KeyBytes, KeyMeans};
use crate::config::mistake::Location;
use crate::config::typed::Table;
use crate::config::value::{At, Mapping, Secret};
use rhumb_connectors::codec::extra::ExtraColumn;
use std::collections::HashSet;

/// Shorter keys can be guessed.
const SECRET_BYTES_MIN: usize = 16;

impl Check {
    pub(super) fn codec(
        &mut self,
        kind: &mut Table,
        parts: Vec<Table>,
        vehicle_elsewhere: bool,
        component: &str,
    ) -> Option<CodecMeans> {
        let codec_at = kind.place("codec");
        let codec = kind.get::<String>("codec");
        let errors = self.mistakes.errors();
        let (mut fields, mut csv, mut binary, mut teltonika, mut nmea) = (None, None, None, None, None);
        for part in parts {
            let of = match part.section.header {
                header if header == FIELDS.header => &["json", "csv"][..],
                header if header == CSV.header => &["csv"],
                header if header == TELTONIKA.header => &["teltonika"],
                header if header == NMEA.header => &["nmea"],
                _ => &["binary"],
            };
            if let Some(codec) = codec.as_ref().filter(|codec| !of.contains(&codec.as_str())) {
                let what = format!("{} does nothing with codec = \"{codec}\"; remove it", part.section.header);
                self.error(&part.at, component, what);
                continue;
            }
            match part.section.header {
                header if header == FIELDS.header => fields = Some(part),
                header if header == CSV.header => csv = Some(part),
                header if header == TELTONIKA.header => teltonika = Some(part),
                header if header == NMEA.header => nmea = Some(part),
                header => {
                    assert_eq!(header, BINARY.header, "the parts of a source are these five");
                    binary = Some(part);
                }
            }
        }
        let columns_at = csv.as_ref().filter(|csv| csv.has("columns")).map(|csv| csv.place("columns"));
        let fields = fields.map_or(Some((Vec::new(), Vec::new())), |table| self.fields(table, component));
        let kind = match codec?.as_str() {
            "json" => Some(CodecKind::Json),
            "csv" => self.csv(csv, component).map(CodecKind::Csv),
            "teltonika" => self.teltonika(teltonika, component).map(CodecKind::Teltonika),
            "nmea" => self.nmea(nmea, component).map(CodecKind::Nmea),
            _ => binary
                .map_or(Some(BinaryMeans::default()), |table| self.binary(table, component))
                .map(CodecKind::Binary),
        };
        let (fields, extra) = fields?;
        let means = CodecMeans { kind: kind?, vehicle_elsewhere, fields, extra };
        if self.mistakes.errors() == errors {
            self.codec_itself(&means, columns_at.as_ref().unwrap_or(&codec_at), component);
        }
        Some(means)
    }

    /// What only the codec can know, such as whether its columns hold all that a frame needs.
    fn codec_itself(&mut self, means: &CodecMeans, at: &Location, component: &str) {
        match crate::build::codec(means) {
            Ok(codec) => codec.mistakes().into_iter().for_each(|what| self.error(at, component, what)),
            Err(cause) => self.error(at, component, cause.to_string()),
        }
    }

    fn fields(&mut self, mut table: Table, component: &str) -> Option<(Vec<FieldMeans>, Vec<ExtraColumn>)> {
        let mut used = HashSet::new();
        let mut fields = Vec::new();
        for field in FIELDS.fields.iter().filter(|field| field.name != "extra") {
            let Some(Mapping { field: name, unit }) = table.get::<Mapping>(field.name) else { continue };
            if !used.insert(name.value.clone()) {
                self.error(&name.at, component, format!("{}: \"{}\" is another field already", field.name, name.value));
            }
            fields.push(FieldMeans { field: field.name, name: name.value, unit: unit.map(|unit| unit.value) });
        }
        let extra = self.extra(&mut table, &fields, component)?;
        assert!(table.is_used_up(), "every mapped field is asked for");
        Some((fields, extra))
    }

    fn csv(&mut self, table: Option<Table>, component: &str) -> Option<CsvMeans> {
        let Some(mut table) = table else {
            return Some(CsvMeans { delimiter: b',', header: true, columns: None });
        };
        let (delimiter, header) = (table.take::<String>("delimiter"), table.get("header"));
        let columns = table.get::<Vec<At<String>>>("columns");
        assert!(table.is_used_up(), "every field of csv is asked for");
        if header == Some(false) && !table.has("columns") {
            let what = "no \"columns\", and no first line that names them; \
                        add columns = [\"vehicle_id\", \"event_time\", \"lat\", \"lon\"]";
            self.error(&table.at, component, what);
        }
        let At { value, at } = delimiter?;
        let delimiter = match value.as_bytes() {
            [one] if one.is_ascii() && !one.is_ascii_alphanumeric() && !b"\"\r\n+-.\0".contains(one) => *one,
            _ => {
                let what =
                    format!("delimiter: expected one character such as \";\", that no number has, found {value:?}");
                self.error(&at, component, what);
                return None;
            }
        };
        let columns = columns.map(|columns| columns.into_iter().map(|column| column.value).collect());
        Some(CsvMeans { delimiter, header: header?, columns })
    }

    fn binary(&mut self, mut table: Table, component: &str) -> Option<BinaryMeans> {
        let mut ids = HashSet::new();
        let mut keys = Vec::new();
        for mut key in table.get::<Vec<Table>>("keys").unwrap_or_default() {
            let (id, secret) = (key.take::<i64>("id"), key.take::<Secret>("secret"));
            if let Some(id) = id.as_ref().filter(|id| !ids.insert(id.value)) {
                self.error(&id.at, component, format!("keys: id {} a second time; each key has its own", id.value));
            }
            let Some(At { value, at }) = secret else { continue };
            let bytes = KeyBytes::read(&value);
            match &bytes {
                None => self.error(
                    &at,
                    component,
                    "keys: secret: \"hex:\" must be followed by two hexadecimal digits a byte",
                ),
                Some(KeyBytes(bytes)) if bytes.len() < SECRET_BYTES_MIN => {
                    let what = format!(
                        "keys: secret: {} bytes are too short for a key; write at least {SECRET_BYTES_MIN}",
                        bytes.len()
                    );
                    self.error(&at, component, what);
                }
                Some(_) => {}
            }
            keys.extend(id.zip(bytes).map(|(id, secret)| KeyMeans { id: id.value as u16, secret }));
        }
        assert!(table.is_used_up(), "every field of binary is asked for");
        Some(BinaryMeans { keys })
    }
}
