//! Looks at the files of references, and reads those that have changed.
//!
//! Files are looked at again and again instead of being listened to: that sees what editors do, who write another file and
//! rename it, and what happens on any file system. A file is read once it has been the same for two looks in a row: one
//! that is being written is mostly let be until it is whole.

use super::{Change, Content, NewVersion, Record, Reference, hash_of};
use crossbeam_channel::{Receiver, Sender, select, tick};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What the run hears.
pub enum Event {
    New(NewVersion),
    /// The file holds something that cannot be used.
    Refused {
        operator: Arc<str>,
        why: String,
    },
    /// The file holds again what is in force.
    AsInForce {
        operator: Arc<str>,
    },
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamp {
    /// Device, number, bytes, and when content and number were changed last.
    There([u64; 3], [i64; 4]),
    Gone(io::ErrorKind),
}

impl Stamp {
    fn of(path: &Path) -> Stamp {
        match std::fs::metadata(path) {
            Ok(of) => Stamp::There(
                [of.dev(), of.ino(), of.size()],
                [of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec()],
            ),
            Err(cause) => Stamp::Gone(cause.kind()),
        }
    }
}

/// One file.
pub struct Input {
    operator: Arc<str>,
    reference: Arc<dyn Reference>,
    /// The newest version that could be used.
    content: Content,
    record: Record,
    /// Hash of what was refused last, if that is what the file held last; empty if it could not be read.
    refused: Option<String>,
    /// At the last look.
    seen: Option<Stamp>,
    /// When it was read last.
    read: Option<Stamp>,
}

impl Input {
    pub fn new(operator: Arc<str>, reference: Arc<dyn Reference>, content: Content, record: Record) -> Input {
        Input { operator, reference, content, record, refused: None, seen: None, read: None }
    }

    fn look(&mut self) -> Option<Event> {
        let stamp = Stamp::of(self.reference.path());
        let is_still = self.seen.replace(stamp) == Some(stamp);
        if !is_still || self.read == Some(stamp) {
            return None;
        }
        let fetched = self.reference.fetch();
        if Stamp::of(self.reference.path()) != stamp {
            // It is read anew once it is still again.
            return None;
        }
        self.read = Some(stamp);
        match fetched {
            Ok(bytes) => self.compare(bytes),
            Err(why) => self.refuse(String::new(), vec![why]),
        }
    }

    fn compare(&mut self, bytes: Vec<u8>) -> Option<Event> {
        let record = Record::new(self.record.version + 1, self.reference.path(), &bytes);
        let operator = self.operator.clone();
        if record.hash == self.record.hash {
            return self.refused.take().map(|_| {
                let (noun, Record { path, version, .. }) = (self.reference.noun(), &self.record);
                tracing::info!("{noun} {path}: holds version {version} again");
                Event::AsInForce { operator }
            });
        }
        match self.reference.read(&bytes, record.version) {
            Err(wrong) => self.refuse(hash_of(&bytes), wrong),
            Ok(content) => {
                let what = self.reference.difference(&self.content, &content);
                let said = format!("{} {}: version {}, {what}", self.reference.noun(), record.path, record.version);
                let change = Change { operator, version: record.version, content: content.clone() };
                (self.content, self.record, self.refused) = (content, record.clone(), None);
                Some(Event::New(NewVersion { change, record, bytes: bytes.into(), said }))
            }
        }
    }

    /// Says once what is wrong with one content.
    fn refuse(&mut self, hash: String, wrong: Vec<String>) -> Option<Event> {
        if self.refused.replace(hash.clone()) == Some(hash) {
            return None;
        }
        let (noun, path, version) = (self.reference.noun(), self.reference.path().display(), self.record.version);
        let why = wrong.join("; ");
        tracing::error!("{noun} {path}: refused, version {version} stays in force: {why}");
        Some(Event::Refused { operator: self.operator.clone(), why })
    }
}

/// What a thread needs to look at files until the run ends.
pub struct Watcher {
    inputs: Vec<Input>,
    events: Sender<Event>,
    ended: Receiver<()>,
}

impl Watcher {
    pub fn new(inputs: Vec<Input>, events: Sender<Event>, ended: Receiver<()>) -> Watcher {
        Watcher { inputs, events, ended }
    }

    pub fn run(mut self) {
        let looks = tick(LOOK_EVERY);
        loop {
            select! {
                recv(self.ended) -> _ => return,
                recv(looks) -> _ => {}
            }
            for event in self.inputs.iter_mut().filter_map(Input::look) {
                select! {
                    recv(self.ended) -> _ => return,
                    send(self.events, event) -> sent => if sent.is_err() { return },
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
