//! Sending to Kafka: at least once, in order, with a bounded amount under way, until a named limit.

use super::properties::{Properties, of_producer};
use super::watch::Watch;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rhumb_engine::time::duration_text;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A record that has no room yet is tried again after deliveries were heard of for so long.
const ROOM_WAIT: Duration = Duration::from_millis(5);
/// The last records are given up by librdkafka once their time is over; it says so at most so much later.
const FLUSH_GRACE: Duration = Duration::from_secs(10);

/// Hears how deliveries end.
struct Deliveries {
    watch: Watch,
    /// Why the first of those failed that did.
    failed: Mutex<Option<String>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        ClientContext::log(&self.watch, level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => self.watch.up(),
            Err((error, message)) => {
                let why = match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::MessageTimedOut) => self.watch.because("no broker has taken it in time"),
                    Some(code) => code.to_string(),
                    None => error.to_string(),
                };
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert_with(|| format!("topic {}: {why}", message.topic()));
            }
        }
    }
}

pub(super) struct Producer {
    producer: BaseProducer<Deliveries>,
    brokers: String,
    retry_for_us: i64,
}

impl Producer {
    /// Connects to nothing yet. `component` is what the log calls it.
    pub fn new(
        component: String,
        brokers: &[String],
        retry_for_us: i64,
        properties: &Properties,
    ) -> KafkaResult<Producer> {
        let settings = of_producer(brokers, retry_for_us / 1000, properties);
        let deliveries = Deliveries { watch: Watch::new(component, brokers), failed: Mutex::default() };
        let producer = settings.create_with_context(deliveries)?;
        Ok(Producer { producer, brokers: brokers.join(", "), retry_for_us })
    }

    /// Takes a record over; waits while too many are under way. The error says what could not be delivered, this or an
    /// earlier one, and what to do.
    pub fn send(&self, record: BaseRecord<'_, [u8], [u8]>) -> Result<(), String> {
        let mut record = record;
        let topic = record.topic.to_owned();
        loop {
            record = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, record)) => match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::QueueFull) => record,
                    // That the client has given up for good comes of what it says of deliveries.
                    code => {
                        self.hear()?;
                        let why = code.map_or_else(|| error.to_string(), |code| code.to_string());
                        return Err(format!("topic {topic}: {why}"));
                    }
                },
            };
            self.producer.poll(ROOM_WAIT);
            self.hear()?;
        }
    }

    /// Hears of deliveries without waiting.
    pub fn hear(&self) -> Result<(), String> {
        self.producer.poll(Duration::ZERO);
        let failed = self.producer.context().failed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failed) = &*failed else { return Ok(()) };
        Err(format!(
            "{failed} (tried for {}, brokers {}); nothing of it is committed: see to the brokers and start again, what was sent \
             since the last commit is then sent once more",
            duration_text(self.retry_for_us),
            self.brokers,
        ))
    }

    /// Waits until all that was sent is delivered, or has failed.
    pub fn flush(&self) -> Result<(), String> {
        let longest = Duration::from_micros(self.retry_for_us.unsigned_abs()) + FLUSH_GRACE;
        let flushed = self.producer.flush(longest);
        self.hear()?;
        flushed.map_err(|error| format!("brokers {}: {error}", self.brokers))
    }
}
