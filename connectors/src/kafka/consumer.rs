//! librdkafka's consumer, as far as the source needs it: batches of records, read where they lie.
//!
//! The crate's own consumer takes records one event at a time, at a quarter of the speed.
#![allow(unsafe_code, reason = "records are taken in batches, and read in place, by librdkafka's C interface alone")]

use super::watch::{self, Watch};
use rdkafka::TopicPartitionList;
use rdkafka::bindings as native;
use rdkafka::client::Client;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::{RDKafkaRespErr, RDKafkaType};
use std::ffi::{CStr, CString};
use std::mem::ManuallyDrop;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::time::Duration;

/// How long the end of a consumer waits for the broker to hear of its last offsets.
const LAST_COMMIT_MAX: Duration = Duration::from_secs(1);

pub(super) struct Consumer {
    client: ManuallyDrop<Client<Watch>>,
    queue: NonNull<native::rd_kafka_queue_t>,
    /// Hears how commits of offsets ended.
    commits: NonNull<native::rd_kafka_queue_t>,
    commits_under_way: usize,
    /// Records taken from librdkafka; those from `next` on are ours to give back.
    batch: Vec<*mut native::rd_kafka_message_t>,
    next: usize,
}

// SAFETY: librdkafka's handles may be used from any thread, and the records belong to this consumer alone.
unsafe impl Send for Consumer {}

fn checked(code: RDKafkaRespErr) -> KafkaResult<()> {
    match code {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(KafkaError::Global(code.into())),
    }
}

fn milliseconds(time: Duration) -> i32 {
    time.as_millis().try_into().unwrap_or(i32::MAX)
}

impl Consumer {
    /// Connects to nothing yet.
    pub fn new(config: &ClientConfig, watch: Watch) -> KafkaResult<Consumer> {
        let native_config = config.create_native_config()?;
        // SAFETY: the configuration is alive; what the callbacks are given is the watch that the client keeps.
        unsafe {
            native::rd_kafka_conf_set_log_cb(native_config.ptr(), Some(watch::hear_log));
            native::rd_kafka_conf_set_error_cb(native_config.ptr(), Some(watch::hear_error));
        }
        let client = Client::new(config, native_config, RDKafkaType::RD_KAFKA_CONSUMER, watch)?;
        let handle = client.native_ptr();
        // SAFETY: the handle is alive; both queues are given back before it ends.
        let (queue, commits) = unsafe {
            checked(native::rd_kafka_poll_set_consumer(handle))?;
            (native::rd_kafka_queue_get_consumer(handle), native::rd_kafka_queue_new(handle))
        };
        let there = |queue| NonNull::new(queue).expect("a consumer has queues");
        Ok(Consumer {
            client: ManuallyDrop::new(client),
            queue: there(queue),
            commits: there(commits),
            commits_under_way: 0,
            batch: Vec::new(),
            next: 0,
        })
    }

    pub fn client(&self) -> &Client<Watch> {
        &self.client
    }

    pub fn watch(&self) -> &Watch {
        self.client.context()
    }

    /// Reads these partitions from their offsets on, and no others. What was fetched before and not taken is gone.
    pub fn assign(&mut self, partitions: &TopicPartitionList) -> KafkaResult<()> {
        while self.record().is_some() {
            self.pass();
        }
        // SAFETY: handle and list are alive; librdkafka copies the list.
        checked(unsafe { native::rd_kafka_assign(self.client.native_ptr(), partitions.ptr()) })
    }

    /// Replaces each offset, which is a time in milliseconds, by that of the first record that is not older.
    pub fn offsets_for_times(&self, times: &mut TopicPartitionList, timeout: Duration) -> KafkaResult<()> {
        // SAFETY: handle and list are alive, and nobody else has the list.
        checked(unsafe {
            native::rd_kafka_offsets_for_times(self.client.native_ptr(), times.ptr(), milliseconds(timeout))
        })
    }

    /// The end of a partition as the last answer of its broker said.
    pub fn known_end(&self, topic: &CStr, partition: i32) -> Option<i64> {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the handle is alive, and the places are written before the call ends.
        let code = unsafe {
            let handle = self.client.native_ptr();
            native::rd_kafka_get_watermark_offsets(handle, topic.as_ptr(), partition, &mut low, &mut high)
        };
        (checked(code).is_ok() && high >= 0).then_some(high)
    }

    /// Tells the broker of offsets, for tools that show the lag of a group; does not wait.
    pub fn commit(&mut self, offsets: &TopicPartitionList) -> KafkaResult<()> {
        self.hear_of_commits(Duration::ZERO);
        // SAFETY: handle, list and queue are alive; librdkafka copies the list.
        checked(unsafe {
            let (handle, queue) = (self.client.native_ptr(), self.commits.as_ptr());
            native::rd_kafka_commit_queue(handle, offsets.ptr(), queue, None, null_mut())
        })?;
        self.commits_under_way += 1;
        Ok(())
    }

    fn hear_of_commits(&mut self, timeout: Duration) {
        while self.commits_under_way > 0 {
            // SAFETY: the queue is alive, and the event is given back at once.
            let heard = unsafe {
                let event = native::rd_kafka_queue_poll(self.commits.as_ptr(), milliseconds(timeout));
                NonNull::new(event).map(|event| native::rd_kafka_event_destroy(event.as_ptr()))
            };
            if heard.is_none() {
                return;
            }
            self.commits_under_way -= 1;
        }
    }

    /// Takes up to `max` records that have been fetched; waits for the first of them. Only when there is none left.
    pub fn fill(&mut self, max: usize, timeout: Duration) {
        debug_assert!(self.record().is_none(), "what was taken is worked off first");
        self.batch.clear();
        self.batch.resize(max, null_mut());
        self.next = 0;
        // librdkafka waits until a batch is full: who wants records as they come waits for one alone.
        let mut taken = self.take(0, max, Duration::ZERO);
        if taken == 0 && !timeout.is_zero() {
            taken = self.take(0, 1, timeout);
            if taken == 1 {
                taken += self.take(1, max - 1, Duration::ZERO);
            }
        }
        self.batch.truncate(taken);
    }

    fn take(&mut self, from: usize, count: usize, timeout: Duration) -> usize {
        let places = &mut self.batch[from..from + count];
        // SAFETY: the queue is alive, and there are `count` places for pointers.
        let taken = unsafe {
            let (queue, places) = (self.queue.as_ptr(), places.as_mut_ptr());
            native::rd_kafka_consume_batch_queue(queue, milliseconds(timeout), places, count)
        };
        // Negative: the client has stopped for good, which an error says, too.
        usize::try_from(taken).unwrap_or(0)
    }

    /// The next record or error of those taken.
    #[inline]
    pub fn record(&self) -> Option<Record<'_>> {
        let message = *self.batch.get(self.next)?;
        // SAFETY: librdkafka gave it, and `pass` alone gives it back, which needs the consumer to itself.
        Some(Record { message: unsafe { &*message } })
    }

    /// Is done with the next record.
    #[inline]
    pub fn pass(&mut self) {
        let message = self.batch[self.next];
        self.next += 1;
        // SAFETY: librdkafka gave it, and by now nobody looks at it: `self` is borrowed mutably.
        unsafe { native::rd_kafka_message_destroy(message) };
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        while self.record().is_some() {
            self.pass();
        }
        self.hear_of_commits(LAST_COMMIT_MAX);
        // SAFETY: records and queues are given back before their client, and each once. Nothing of the client is used after
        // this: it is never dropped, so its count of the watch is ours to give back. No group was joined, so
        // none is left, which would wait for a broker.
        unsafe {
            native::rd_kafka_queue_destroy(self.queue.as_ptr());
            native::rd_kafka_queue_destroy(self.commits.as_ptr());
            native::rd_kafka_destroy_flags(self.client.native_ptr(), native::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
            Arc::decrement_strong_count(Arc::as_ptr(self.client.context()));
        }
    }
}

/// A record, or what went wrong with a partition.
pub(super) struct Record<'a> {
    message: &'a native::rd_kafka_message_t,
}

/// Which partition a record is of: cheap to compare, and only while the consumer lives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle(*mut native::rd_kafka_topic_t, i32);

impl<'a> Record<'a> {
    #[inline]
    pub fn error(&self) -> Option<RDKafkaErrorCode> {
        (self.message.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| self.message.err.into())
    }

    #[inline]
    pub fn handle(&self) -> Handle {
        Handle(self.message.rkt, self.message.partition)
    }

    /// Empty for an error of no topic.
    pub fn topic(&self) -> &'a str {
        if self.message.rkt.is_null() {
            return "";
        }
        // SAFETY: the topic lives as long as its record, and its name is text that ends with a zero.
        let name = unsafe { CStr::from_ptr(native::rd_kafka_topic_name(self.message.rkt)) };
        name.to_str().unwrap_or_default()
    }

    #[inline]
    pub fn partition(&self) -> i32 {
        self.message.partition
    }

    #[inline]
    pub fn offset(&self) -> i64 {
        self.message.offset
    }

    /// Microseconds since 1970; `None`: it was written by a producer so old that it has none.
    #[inline]
    pub fn timestamp_us(&self) -> Option<i64> {
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the record is alive.
        let ms = unsafe { native::rd_kafka_message_timestamp(self.message, &mut kind) };
        (ms >= 0).then(|| ms.saturating_mul(1000))
    }

    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: librdkafka says where the key stands and how long it is; it lives as long as the record.
        unsafe { bytes(self.message.key, self.message.key_len) }
    }

    /// `None`: a tombstone.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: as for the key.
        unsafe { bytes(self.message.payload, self.message.len) }
    }

    /// The last header of a name.
    pub fn header(&self, name: &CString) -> Option<&'a [u8]> {
        let (mut headers, mut value, mut length) = (null_mut(), std::ptr::null(), 0);
        // SAFETY: the record is alive and owns its headers, which own their values.
        unsafe {
            checked(native::rd_kafka_message_headers(self.message, &mut headers)).ok()?;
            checked(native::rd_kafka_header_get_last(headers, name.as_ptr(), &mut value, &mut length)).ok()?;
            bytes(value, length)
        }
    }
}

/// # Safety
/// If `start` is not null, `length` bytes stand there and live for `'a`.
#[inline]
unsafe fn bytes<'a>(start: *const std::ffi::c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: as the caller promises.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), length) })
}
