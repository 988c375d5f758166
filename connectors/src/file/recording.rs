//! One file, read from its head or from an offset, record by record.

use super::Failure;
use super::paths::Input;
use super::stream::Stream;
use crate::codec::{Codec, Place};
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::source::{Head, Position};
use rhumb_engine::time::EventTime;
use std::io;

/// Bytes handed to the codec at a time. Small, because the codec takes all of it and a batch should end about where it
/// was asked to; large against the cost of a call.
const PIECE_BYTES: usize = 64 << 10;
/// A longer record means that the file is not what its codec says.
pub(super) const RECORD_MAX_BYTES: usize = 16 << 20;
/// What to do with a file that is not the one that a position is of.
const INSTEAD: &str = "give the new recording another name, and it is read from its head; or put the old one back; or use \
                       another data folder";

pub(super) struct Recording {
    pub name: String,
    stream: Stream,
    codec: Box<dyn Codec>,
    buffer: Vec<u8>,
    /// What is in the buffer and not decoded yet.
    start: usize,
    end: usize,
    /// Of `buffer[start]`, in the unpacked bytes.
    offset: i64,
    /// How the file begins; `None` before anything was read.
    head: Option<Head>,
    begun: bool,
    /// The stream gives no more, because it ended or, with `damage`, because of that.
    ended: bool,
    damage: Option<io::Error>,
    frames: u64,
}

impl Recording {
    pub fn open(input: Input, mut codec: Box<dyn Codec>, chunk_bytes: usize) -> Result<Recording, Failure> {
        let name = input.path.file_name().unwrap_or_default().to_string_lossy();
        codec.called(name.split('.').next().unwrap_or_default());
        let stream =
            Stream::open(&input.path).map_err(|cause| Failure::io(format!("open {}", input.path.display()), cause))?;
        Ok(Recording {
            name: input.name,
            stream,
            codec,
            buffer: vec![0; chunk_bytes],
            start: 0,
            end: 0,
            offset: 0,
            head: None,
            begun: false,
            ended: false,
            damage: None,
            frames: 0,
        })
    }

    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.codec.counters()
    }

    /// Of the next record to be decoded.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// How the file begins, unpacked, as offsets are: packed anew it is the same file.
    pub fn head(&self) -> Option<(String, Head)> {
        self.head.clone().map(|head| (self.name.clone(), head))
    }

    /// Decodes until `most` frames and rejects, or a few thousand more, have been pushed; false at the end of the file.
    /// An error comes after everything whole before it has been pushed, possibly in this very call.
    pub fn decode(&mut self, most: usize, received_at: EventTime, out: &mut FrameBuilder) -> Result<bool, Failure> {
        let before = out.len();
        let result = self.decode_from(before, most, received_at, out);
        self.frames += (out.len() - before) as u64;
        match result {
            // Not yet: the caller takes what was pushed and comes back for the error.
            Err(_) if out.len() > before => Ok(true),
            result => result,
        }
    }

    fn decode_from(
        &mut self,
        before: usize,
        most: usize,
        received_at: EventTime,
        out: &mut FrameBuilder,
    ) -> Result<bool, Failure> {
        self.begin()?;
        let mut piece = PIECE_BYTES;
        while out.len() - before < most {
            if self.available() < piece && !self.ended {
                self.refill()?;
            }
            let available = self.available();
            if available == 0 && self.ended {
                if self.damage.is_none() {
                    // It may have something to say of the end.
                    self.codec.stream(&[], true, Place { offset: self.offset, received_at }, out);
                }
                return self.end();
            }
            let bytes = &self.buffer[self.start..self.start + available.min(piece)];
            let last = self.ended && self.damage.is_none() && bytes.len() == available;
            let used = self.codec.stream(bytes, last, Place { offset: self.offset, received_at }, out);
            self.skip(used);
            match used {
                0 if piece < available => piece *= 2,
                0 if self.ended => return self.end(),
                0 if available >= RECORD_MAX_BYTES => return Err(self.endless()),
                0 => piece = self.buffer.len() * 2,
                _ => piece = PIECE_BYTES,
            }
            self.reserve(piece);
        }
        Ok(true)
    }

    /// Goes to where a position says that this file is, if it is that file. Before the first `decode`.
    pub fn seek(&mut self, position: &Position) -> Result<(), Failure> {
        let offset = position.offsets.get(&self.name).copied().unwrap_or(0);
        self.begin()?;
        if let Some(known) = position.heads.get(&self.name)
            && offset > 0
            && !known.begins(&self.buffer[..self.end])
        {
            return Err(self.replaced(known, offset));
        }
        let missing = |r: &Recording| offset.saturating_sub(r.offset);
        if missing(self) > self.available() as i64 && self.jump(offset)? {
            (self.start, self.end, self.offset, self.ended) = (0, 0, offset, false);
        }
        while missing(self) > 0 {
            let step = missing(self).min(self.available() as i64) as usize;
            self.skip(step);
            match (step, self.ended) {
                (0, false) => self.refill()?,
                (0, true) => return Err(self.too_short(offset)),
                _ => {}
            }
        }
        Ok(())
    }

    fn jump(&mut self, offset: i64) -> Result<bool, Failure> {
        let jumped = self.stream.jump(offset.unsigned_abs());
        jumped.map_err(|cause| Failure::io(format!("seek in {}", self.name), cause))
    }

    fn available(&self) -> usize {
        self.end - self.start
    }

    fn skip(&mut self, bytes: usize) {
        assert!(bytes <= self.available(), "a codec takes no more than it is given");
        self.start += bytes;
        self.offset += bytes as i64;
    }

    /// Room for a piece, in the codec's next call.
    fn reserve(&mut self, piece: usize) {
        let room = piece.min(RECORD_MAX_BYTES);
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
    }

    /// Fills the buffer as far as the stream goes.
    fn refill(&mut self) -> Result<(), Failure> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.available());
        while self.end < self.buffer.len() && !self.ended {
            match self.stream.read(&mut self.buffer[self.end..]) {
                Ok(got) => (self.end, self.ended) = (self.end + got, got == 0),
                Err(e) if e.raw_os_error().is_some() => return Err(Failure::io(format!("read {}", self.name), e)),
                Err(e) => (self.damage, self.ended) = (Some(e), true),
            }
        }
        Ok(())
    }

    /// Reads what stands before the first record, once.
    fn begin(&mut self) -> Result<(), Failure> {
        while !self.begun {
            self.refill()?;
            self.head = Some(Head::of(&self.buffer[..self.end]));
            let last = self.ended && self.damage.is_none();
            match self.codec.preamble(&self.buffer[self.start..self.end], last) {
                Err(what) => return Err(Failure::Damaged(format!("{}: {what}", self.name))),
                Ok(Some(bytes)) => {
                    self.skip(bytes);
                    self.begun = true;
                }
                Ok(None) if self.ended => return self.end().map(|_| ()),
                Ok(None) if self.end >= RECORD_MAX_BYTES => return Err(self.endless()),
                Ok(None) => self.reserve(self.buffer.len() * 2),
            }
        }
        Ok(())
    }

    /// What the end of the stream means: false at a clean end, an error at a damaged one or within a record.
    fn end(&mut self) -> Result<bool, Failure> {
        let stream = self.stream.packing();
        let at = self.offset + self.available() as i64;
        let what = match &self.damage {
            Some(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                format!("{stream} ends early after {} bytes: the file is truncated", commas(at))
            }
            Some(e) => format!("{stream} is damaged after {} bytes: {e}", commas(at)),
            None if self.available() == 0 => return Ok(false),
            None => format!("{stream} ends within the record that starts at byte {}", commas(self.offset)),
        };
        Err(Failure::Damaged(format!(
            "{}: {what}; {} frames before it were read",
            self.name,
            commas(self.frames as i64)
        )))
    }

    fn endless(&self) -> Failure {
        let (at, most) = (commas(self.offset), commas(RECORD_MAX_BYTES as i64));
        Failure::Damaged(format!(
            "{}: the record at byte {at} is longer than {most} bytes; is this the right codec?",
            self.name
        ))
    }

    fn replaced(&self, known: &Head, offset: i64) -> Failure {
        let (name, bytes, offset) = (&self.name, commas(known.bytes as i64), commas(offset));
        Failure::Damaged(format!(
            "{name}: is another file than the one that was read up to byte {offset} before, whose first {bytes} bytes were \
             others: {INSTEAD}"
        ))
    }

    fn too_short(&mut self, offset: i64) -> Failure {
        if self.damage.is_some()
            && let Err(damaged) = self.end()
        {
            return damaged;
        }
        let (length, wanted) = (commas(self.offset), commas(offset));
        Failure::Damaged(format!(
            "{}: ends at byte {length}, before byte {wanted} where the last run stopped, so it is not the same file: {INSTEAD}",
            self.name
        ))
    }
}

/// 1204221 as `1,204,221`.
pub(super) fn commas(number: i64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default());
    groups.collect::<Vec<_>>().join(",")
}
