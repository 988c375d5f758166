//! Codecs: what the bytes of a source mean. One file each; all decode straight into the columns of a
//! `FrameBuilder`, allocate nothing a frame, and answer any bytes with frames or rejects, never with a panic.

use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::time::EventTime;

/// Decodes the bytes of one partition: one instance a socket or a file.
pub trait Codec: Send {
    /// Reads what stands before the first record of a stream, such as the header line of CSV, and says how many bytes
    /// that was. `None`: more bytes are needed (never when `last`). An error says what is wrong with the file as a whole.
    fn preamble(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>, String>;

    /// Decodes whole records at the head of `bytes`, which starts at a record, and says how many bytes they were; with
    /// `last`, all of them. `place` tells the builder where each record stands.
    fn stream(&mut self, bytes: &[u8], last: bool, place: Place, out: &mut FrameBuilder) -> usize;

    /// Decodes one datagram, all of it, at the place that the builder has been told.
    fn datagram(&mut self, bytes: &[u8], out: &mut FrameBuilder);
}

/// Where a stretch of a stream stands: a record that begins at `bytes[n]` has the offset `offset + n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub offset: i64,
    pub received_at: EventTime,
}
