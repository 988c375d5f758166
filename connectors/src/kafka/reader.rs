//! The reader of a Kafka source: records to frames and rejects, each partition a lane.

use super::consumer::Consumer;
use super::member::{Member, list_of};
use super::places::{self, Found, Places, Trouble};
use super::{KafkaConfig, Lost, VehicleFrom};
use crate::codec::Codec;
use rdkafka::error::RDKafkaErrorCode;
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::reject::Reason;
use rhumb_engine::source::{Polled, Position, Source, SourceError};
use rhumb_engine::time::{Clock, EventTime, monotonic_now};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A poll ends once it has this many frames; so many records are taken from librdkafka at a time.
const POLL_FRAMES: usize = 16_384;
/// Of a record that is too long, this much is kept.
const HEAD_MAX: usize = 2048;
/// Pauses between two looks at brokers that do not answer as they should: the first, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Since the start of the run.
#[derive(Default)]
struct Counts {
    records: u64,
    bytes: u64,
    tombstones: u64,
    lost: u64,
}

pub(super) struct KafkaReader {
    source: Arc<str>,
    config: Arc<KafkaConfig>,
    until_end: bool,
    consumer: Consumer,
    codec: Box<dyn Codec>,
    clock: Arc<dyn Clock>,
    /// Name of the header that names the vehicle.
    header: CString,
    /// What the last run committed.
    committed: BTreeMap<String, i64>,
    places: Places,
    /// When to look for partitions again; `None`: not again.
    look_at: Option<Instant>,
    pause: Duration,
    /// The last trouble that was told, so that it is told once.
    told: String,
    counts: Counts,
    /// Of an instance that shares the topics with others: what it has taken from the group is all that is read.
    member: Option<Arc<Member>>,
}

impl KafkaReader {
    pub fn new(
        source: Arc<str>,
        config: Arc<KafkaConfig>,
        until_end: bool,
        consumer: Consumer,
        mut codec: Box<dyn Codec>,
        clock: Arc<dyn Clock>,
    ) -> KafkaReader {
        codec.called(&source);
        let header = match &config.vehicle {
            VehicleFrom::Header(name) => CString::new(name.as_str()).unwrap_or_default(),
            _ => CString::default(),
        };
        KafkaReader {
            source,
            config,
            until_end,
            consumer,
            codec,
            clock,
            header,
            committed: BTreeMap::new(),
            places: Places::default(),
            look_at: Some(monotonic_now()),
            pause: PAUSE_MIN,
            told: String::new(),
            counts: Counts::default(),
            member: None,
        }
    }

    pub fn shared(self, member: Option<Arc<Member>>) -> KafkaReader {
        KafkaReader { member, ..self }
    }

    fn damaged(&self, detail: String) -> SourceError {
        SourceError::Damaged { source_name: self.source.to_string(), detail }
    }

    /// Looks for partitions if it is time to.
    fn look(&mut self) -> Result<(), SourceError> {
        if self.look_at.is_none_or(|at| monotonic_now() < at) {
            return Ok(());
        }
        match self.look_now() {
            Ok(found) => {
                self.consumer.watch().up();
                self.told.clear();
                self.pause = PAUSE_MIN;
                // A run to the end is over where the partitions end that were there at its start.
                // What a topic gains is given to members by their group.
                let is_all = self.until_end || self.member.is_some();
                self.look_at = (!is_all).then(|| monotonic_now() + self.config.discover_every);
                self.take_up(found)
            }
            Err(Trouble::NoTopic(topic)) if self.until_end => {
                Err(self.damaged(format!("there is no topic {topic} at {}", self.config.brokers.join(", "))))
            }
            Err(trouble) => {
                self.tell(trouble);
                self.look_at = Some(monotonic_now() + self.pause);
                self.pause = (2 * self.pause).min(PAUSE_MAX);
                Ok(())
            }
        }
    }

    fn tell(&mut self, trouble: Trouble) {
        let source = &*self.source;
        let text = match trouble {
            Trouble::Unreachable(what) => {
                // Why no broker can be reached stands in librdkafka's log, which is heard by taking records.
                if self.consumer.record().is_none() {
                    self.consumer.fill(POLL_FRAMES, Duration::ZERO);
                }
                return self.consumer.watch().down(&what);
            }
            Trouble::NoTopic(topic) => format!("there is no topic {topic}; looking again until there is"),
            Trouble::Other(what) => format!("{what}; trying again"),
        };
        if self.told != text {
            tracing::warn!(source, "{text}");
            self.told = text;
        }
    }

    /// Partitions that are not read yet, with where they begin: all of them, or none.
    fn look_now(&mut self) -> Result<Vec<(String, i32, Found)>, Trouble> {
        let mut found = Vec::new();
        let config = self.config.clone();
        if let Some(member) = &self.member {
            return places::begin_own(&self.consumer, &config, &member.taken().own, &self.committed);
        }
        for topic in &config.topics {
            let known = self.places.knows(topic);
            let numbers = places::partitions(&self.consumer, topic)?;
            let new: BTreeSet<i32> =
                numbers.into_iter().filter(|number| self.places.get_mut(topic, *number).is_none()).collect();
            if !new.is_empty() {
                let begun = places::begin(&self.consumer, &config, topic, &new, &self.committed, known)?;
                found.extend(begun.into_iter().map(|(number, found)| (topic.clone(), number, found)));
            }
        }
        Ok(found)
    }

    /// Reads further partitions from now on.
    fn take_up(&mut self, found: Vec<(String, i32, Found)>) -> Result<(), SourceError> {
        if found.is_empty() {
            return Ok(());
        }
        let (before, gained) = (self.places.len(), found.len());
        for (topic, number, found) in found {
            let next = self.reachable(&topic, number, found.next, (found.low, found.high))?;
            self.places.add(&topic, number, Found { next, ..found });
        }
        if let Some(what) = places::too_many(self.places.len()) {
            return Err(self.damaged(what));
        }
        self.assign()?;
        let source = &*self.source;
        let unread: u64 = self.places.all().map(|place| (place.end - place.next).max(0).unsigned_abs()).sum();
        match before {
            0 => tracing::info!(source, partitions = gained, unread, "reading partitions"),
            _ => tracing::info!(
                source,
                gained,
                partitions = before + gained,
                "reading new partitions from their beginning"
            ),
        }
        Ok(())
    }

    fn assign(&mut self) -> Result<(), SourceError> {
        let assigned = self.places.assignment().and_then(|list| self.consumer.assign(&list));
        assigned.map_err(|cause| self.damaged(format!("assign its partitions: {cause}")))
    }

    /// The offset to go on with: `next`, unless what stands there is gone.
    fn reachable(&mut self, topic: &str, number: i32, next: i64, bounds: (i64, i64)) -> Result<i64, SourceError> {
        let (low, high) = bounds;
        if (low..=high).contains(&next) {
            return Ok(next);
        }
        let name = places::name(topic, number);
        let gone = match next < low {
            true => format!("{} records are gone that were not read", low - next),
            false => "the topic has been replaced by another of its name".to_owned(),
        };
        let what =
            format!("{name}: the next record to read has the offset {next}, and there are {low} to {high}: {gone}");
        if self.config.lost == Lost::Stop {
            let advice = "write lost = \"skip\" to go on with the oldest record that is there";
            return Err(self.damaged(format!("{what}; {advice}")));
        }
        self.counts.lost += (low - next).max(0).unsigned_abs();
        tracing::warn!(source = &*self.source, "{what}; going on at {low}");
        Ok(low)
    }

    /// Takes records of one partition, and says what went wrong with it, if anything did.
    fn take(&mut self, out: &mut FrameBuilder) -> Result<Option<(String, i32, RDKafkaErrorCode)>, SourceError> {
        let KafkaReader { config, consumer, codec, clock, header, places, counts, until_end, .. } = self;
        let Some(first) = consumer.record() else { return Ok(None) };
        let handle = first.handle();
        let Some(place) = places.get_mut(first.topic(), first.partition()) else {
            let trouble = first.error().map(|code| (first.topic().to_owned(), first.partition(), code));
            consumer.pass();
            return Ok(trouble);
        };
        if !out.set_lane_of(place.name.clone()) {
            return Err(self.damaged(
                "there are no more lanes: every partition that this data folder has ever read has one".to_owned(),
            ));
        }
        place.is_heard = true;
        while let Some(record) = consumer.record().filter(|record| record.handle() == handle) {
            if out.len() >= POLL_FRAMES {
                break;
            }
            let offset = record.offset();
            if let Some(code) = record.error() {
                let trouble = match code {
                    // Nothing more is there: also after the last record, where markers of transactions stand.
                    RDKafkaErrorCode::PartitionEOF => {
                        place.next = place.next.max(offset);
                        None
                    }
                    code => Some((record.topic().to_owned(), record.partition(), code)),
                };
                consumer.pass();
                if trouble.is_some() {
                    return Ok(trouble);
                }
                continue;
            }
            // What was fetched twice is read once, and of a run to the end nothing that came after its start.
            if offset < place.next || *until_end && offset >= place.end {
                consumer.pass();
                continue;
            }
            place.next = offset + 1;
            counts.records += 1;
            match record.value() {
                None => counts.tombstones += 1,
                Some(value) => {
                    counts.bytes += value.len() as u64;
                    out.at(offset, record.timestamp_us().map_or_else(|| clock.now(), EventTime));
                    let named = match config.vehicle {
                        VehicleFrom::Value => None,
                        VehicleFrom::Key => Some((record.key(), "key")),
                        VehicleFrom::Header(_) => Some((record.header(header), "header of this name")),
                    };
                    decode(value, named, config.record_max_bytes, &mut **codec, out);
                }
            }
            consumer.pass();
        }
        Ok(None)
    }

    /// Goes on where a partition has met trouble.
    fn mend(&mut self, topic: &str, number: i32, code: RDKafkaErrorCode) -> Result<(), SourceError> {
        if code != RDKafkaErrorCode::AutoOffsetReset {
            let what =
                if topic.is_empty() { code.to_string() } else { format!("{}: {code}", places::name(topic, number)) };
            self.tell(Trouble::Other(what));
            return Ok(());
        }
        // The offset is out of range.
        match places::bounds(&self.consumer, topic, &BTreeSet::from([number])) {
            Ok(bounds) => {
                let bounds = bounds[&number];
                let next = self.places.get_mut(topic, number).map_or(bounds.0, |place| place.next);
                let next = self.reachable(topic, number, next, bounds)?;
                if let Some(place) = self.places.get_mut(topic, number) {
                    place.next = next;
                }
            }
            Err(trouble) => self.tell(trouble),
        }
        self.assign()
    }

    fn is_at_end(&self) -> bool {
        self.until_end && self.look_at.is_none() && self.places.all().all(|place| place.next >= place.end)
    }
}

/// Turns a record into frames, or into a reject. `named` is what names the vehicle if the frame does not, and what that is.
fn decode(
    value: &[u8],
    named: Option<(Option<&[u8]>, &str)>,
    longest: usize,
    codec: &mut dyn Codec,
    out: &mut FrameBuilder,
) {
    if value.len() > longest {
        let detail = format!("{} bytes in a record, the most is {longest}", value.len());
        return out.reject(Reason::OversizeDatagram, &value[..value.len().min(HEAD_MAX)], detail);
    }
    if value.is_empty() {
        return out.reject(Reason::EmptyDatagram, value, "a record without bytes");
    }
    if let Some((name, what)) = named {
        let name = name.ok_or_else(|| format!("the record has no {what}"));
        let text = name.and_then(|name| std::str::from_utf8(name).map_err(|_| format!("the {what} is not UTF-8")));
        match text {
            Ok(vehicle) => out.set_vehicle(Some(vehicle)),
            Err(detail) => return out.reject(Reason::VehicleId, value, detail),
        }
    }
    codec.datagram(value, out);
}

impl Source for KafkaReader {
    fn poll(&mut self, out: &mut FrameBuilder, timeout: Duration) -> Result<Polled, SourceError> {
        self.look()?;
        if self.consumer.record().is_none() && !self.is_at_end() {
            self.consumer.fill(POLL_FRAMES, timeout);
        }
        if self.consumer.record().is_some() {
            if let Some((topic, number, code)) = self.take(out)? {
                self.mend(&topic, number, code)?;
            } else {
                self.consumer.watch().up();
            }
        }
        Ok(match out.is_empty() {
            _ if self.is_at_end() => Polled::End,
            true => Polled::Nothing,
            false => Polled::Some,
        })
    }

    fn position(&self) -> Position {
        let offsets = self.places.all().map(|place| (place.name.to_string(), place.next)).collect();
        Position { offsets, ..Position::default() }
    }

    fn seek(&mut self, position: &Position) -> Result<(), SourceError> {
        self.committed = position.offsets.clone();
        Ok(())
    }

    /// Tells the broker, for tools that show how far a group is behind. Nobody reads it back.
    fn committed(&mut self, position: &Position) {
        let list = list_of(&position.offsets);
        if list.count() == 0 {
            return;
        }
        // A broker hears of offsets from members of the group alone, if it has any.
        let told = match &self.member {
            Some(member) => member.tell(&list),
            None => self.consumer.commit(&list),
        };
        if let Err(cause) = told {
            tracing::debug!(source = &*self.source, "offsets could not be told to the broker: {cause}");
        }
    }

    fn lags(&self) -> Vec<(String, u64)> {
        self.places.lags(&self.consumer)
    }

    fn has_unheard(&self) -> bool {
        self.places.all().any(|place| !place.is_heard)
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let Counts { records, bytes, tombstones, lost } = self.counts;
        let own = [("records", records), ("bytes", bytes), ("tombstones", tombstones), ("records_lost", lost)];
        own.into_iter().chain(self.codec.counters()).collect()
    }
}
