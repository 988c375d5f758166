//! The codec `csv`: a header line, then a row a frame.
//!
//! Columns stand in any order; what no field wants is skipped, and columns may be missing at a row's end. A field may
//! be quoted (`"a ""b"""`) and hold delimiters and line breaks then. Lines end with `\n`, `\r\n` or `\r`; empty ones
//! are skipped. A row that is no frame is rejected with its bytes, without the line end. Numbers and times may have
//! spaces around them; vehicle ids are taken as they are.

mod columns;
mod marks;
mod quick;
mod row;

use self::columns::Columns;
use self::marks::Marks;
use self::quick::{COLUMNS_MAX, Starts};
use self::row::{Extent, Row};
use super::extra::Extras;
use super::fields::{Fields, Unreadable};
use super::mapping::FieldsConfig;
use super::value::Value;
use super::{Codec, Place, RECORD_MAX, scan};
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::extra::Row as Extra;
use rhumb_engine::frame::Frame;
use rhumb_engine::reject::Reason;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How the lines are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvConfig {
    /// One ASCII character other than a quote, a line break or what numbers are made of.
    pub delimiter: u8,
    /// The first line of a file holds the names of its columns.
    pub header: bool,
    /// Names of the columns in their order. Needed without a header line, and for datagrams that have none; stands
    /// in for a header line that is there.
    pub columns: Option<Vec<String>>,
    pub fields: FieldsConfig,
}

impl Default for CsvConfig {
    fn default() -> CsvConfig {
        CsvConfig { delimiter: b',', header: true, columns: None, fields: FieldsConfig::default() }
    }
}

impl CsvConfig {
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let delimiter = self.delimiter;
        if !delimiter.is_ascii() || delimiter.is_ascii_alphanumeric() || b"\"\r\n+-.\0".contains(&delimiter) {
            mistakes.push(format!("{:?} cannot be the delimiter of csv", char::from(delimiter)));
        }
        mistakes.extend(self.fields.mistakes());
        match &self.columns {
            Some(columns) => mistakes.extend(Columns::find(columns, &Fields::new(&self.fields)).err()),
            None if !self.header => mistakes.push("csv without a header line needs `columns`".to_owned()),
            None => {}
        }
        mistakes
    }

    pub(super) fn describe(&self) -> String {
        let mut parts = Vec::new();
        if self.delimiter != b',' {
            parts.push(format!("delimiter {:?}", char::from(self.delimiter)));
        }
        if !self.header {
            parts.push("no header line".to_owned());
        }
        parts.extend(self.columns.as_ref().map(|columns| format!("columns {}", columns.join(", "))));
        parts.push(self.fields.describe());
        parts.retain(|part| !part.is_empty());
        parts.join(", ")
    }
}

/// A datagram holds rows of the configured `columns`; if there are none, its own header line comes first and holds
/// for it alone.
pub struct CsvCodec {
    delimiter: u8,
    header: bool,
    configured: bool,
    fields: Fields,
    columns: Result<Columns, String>,
    /// The header line that `columns` came from, so that a datagram with the same one costs no more than a comparison.
    header_line: Vec<u8>,
    marks: Marks,
    starts: Starts,
    row: Row,
    unreadable: Unreadable,
    extras: Extras,
}

impl CsvCodec {
    pub fn new(config: &CsvConfig) -> CsvCodec {
        let fields = Fields::new(&config.fields);
        let columns = match &config.columns {
            Some(columns) => Columns::find(columns, &fields),
            None => Err("csv without a header line needs `columns`".to_owned()),
        };
        CsvCodec {
            delimiter: config.delimiter,
            extras: Extras::new(fields.extra()),
            header: config.header,
            configured: config.columns.is_some(),
            fields,
            columns,
            header_line: Vec::new(),
            marks: Marks::new(config.delimiter),
            starts: [0; COLUMNS_MAX + 1],
            row: Row::default(),
            unreadable: Unreadable::default(),
        }
    }

    /// Takes the names of the columns from a header line.
    fn learn(&mut self, header: &[u8]) {
        if self.header_line != header {
            self.row.read(header, self.delimiter);
            self.columns = Columns::find(&self.row.names(), &self.fields);
            self.header_line = header.to_vec();
        }
    }

    /// Decodes rows; `place` is `None` in a datagram.
    fn rows(&mut self, bytes: &[u8], last: bool, place: Option<Place>, out: &mut FrameBuilder) -> usize {
        let mut at = 0;
        self.marks.clear();
        loop {
            at = after_line_breaks(bytes, at);
            if at == bytes.len() {
                return at;
            }
            if let Some(place) = place {
                place.at(at, out);
            }
            let columns = match &self.columns {
                Ok(columns) => columns,
                Err(complaint) => {
                    out.reject(Reason::Undecodable, &bytes[at..], complaint.as_str());
                    return bytes.len();
                }
            };
            let mut frame = Frame::default();
            if let Some(end) =
                quick::row(bytes, at, &mut self.marks, &mut self.starts, columns, &self.fields, &mut frame)
            {
                if columns.extra.is_empty() {
                    out.push(&frame);
                } else if let Some(row) = out.push_row(&frame) {
                    fill(
                        &columns.extra,
                        |column| quick::column(bytes, at, &self.starts, column),
                        &mut self.extras,
                        row,
                    );
                }
                at = end;
                continue;
            }
            let window = &bytes[at..bytes.len().min(at + RECORD_MAX)];
            let full = window.len() == RECORD_MAX;
            let (length, complaint) = match self.row.read(window, self.delimiter) {
                Extent::Ended(end) => (end, None),
                Extent::Open { .. } if !full && !last => return at,
                Extent::Open { quoted: true } => {
                    (scan::line_break(window, 0).unwrap_or(window.len()), Some(open_quote(full)))
                }
                Extent::Open { quoted: false } => {
                    (window.len(), full.then(|| format!("a row of more than {RECORD_MAX} bytes")))
                }
            };
            match complaint.map_or_else(|| self.row.frame(columns, &self.fields, &mut self.unreadable), Err) {
                Ok(frame) => {
                    if let Some(row) = out.push_row(&frame) {
                        fill(&columns.extra, |column| self.row.column(column), &mut self.extras, row);
                    }
                }
                Err(complaint) => out.reject(Reason::Undecodable, &window[..length], complaint),
            }
            at += length;
        }
    }
}

/// Fills the columns beyond the core; nothing in a column is no value.
#[inline]
fn fill<'a>(wanted: &[(usize, usize)], column: impl Fn(usize) -> &'a [u8], extras: &mut Extras, mut row: Extra) {
    for (at, n) in wanted {
        let text = column(*at);
        if !text.is_empty() {
            extras.put(*n, Value::Text(text), &mut row);
        }
    }
}

#[cold]
fn open_quote(full: bool) -> String {
    let within = if full { format!("{RECORD_MAX} bytes") } else { "the input".to_owned() };
    format!("a quote is opened and not closed within {within}")
}

/// A datagram of which nothing else would be heard.
#[cold]
fn reject_without_rows(bytes: &[u8], out: &mut FrameBuilder) {
    if !bytes.is_empty() {
        out.reject(Reason::Undecodable, bytes, "no row in the datagram, at most a header line");
    }
}

#[inline]
fn after_line_breaks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The names of the columns in the first line of a file; `None`: these bytes hold no whole line.
pub fn header(head: &[u8], delimiter: u8) -> Option<Vec<String>> {
    let line = after_line_breaks(head, after_byte_order_mark(head));
    let mut row = Row::default();
    match row.read(&head[line..], delimiter) {
        Extent::Ended(_) => Some(row.names().iter().map(|name| name.trim_ascii().to_owned()).collect()),
        Extent::Open { .. } => None,
    }
}

fn after_byte_order_mark(bytes: &[u8]) -> usize {
    if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

impl Codec for CsvCodec {
    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.unreadable.counters().into_iter().chain(self.extras.counters()).collect()
    }

    /// A file without a single line is an empty one, and nothing is wrong with it.
    fn preamble(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>, String> {
        if !last && bytes.len() < BYTE_ORDER_MARK.len() {
            return Ok(None);
        }
        let start = after_byte_order_mark(bytes);
        if self.header {
            let line = after_line_breaks(bytes, start);
            let header = &bytes[line..];
            let end = match self.row.read(header, self.delimiter) {
                _ if header.is_empty() && last => return Ok(Some(bytes.len())),
                Extent::Ended(end) => end,
                Extent::Open { quoted: false } if last => header.len(),
                _ if last || header.len() >= RECORD_MAX => return Err("the header line does not end".to_owned()),
                _ => return Ok(None),
            };
            if !self.configured {
                self.learn(&bytes[line..line + end]);
            }
            self.columns.as_ref().map_err(String::clone)?;
            return Ok(Some(line + end));
        }
        self.columns.as_ref().map_err(String::clone)?;
        Ok(Some(start))
    }

    fn stream(&mut self, bytes: &[u8], last: bool, place: Place, out: &mut FrameBuilder) -> usize {
        self.rows(bytes, last, Some(place), out)
    }

    fn datagram(&mut self, bytes: &[u8], out: &mut FrameBuilder) {
        let line = after_line_breaks(bytes, after_byte_order_mark(bytes));
        let rows = &bytes[line..];
        if rows.is_empty() {
            return reject_without_rows(bytes, out);
        }
        if self.configured {
            self.rows(rows, true, None, out);
            return;
        }
        let header = match self.row.read(rows, self.delimiter) {
            Extent::Ended(end) => &rows[..end],
            Extent::Open { .. } => rows,
        };
        self.learn(header);
        match &self.columns {
            Ok(_) if after_line_breaks(rows, header.len()) == rows.len() => reject_without_rows(bytes, out),
            Ok(_) => _ = self.rows(&rows[header.len()..], true, None, out),
            Err(missing) => {
                let complaint =
                    format!("a csv datagram needs a header line or `columns` in the configuration: {missing}");
                out.reject(Reason::Undecodable, bytes, complaint);
            }
        }
    }
}

#[cfg(test)]
mod tests;
