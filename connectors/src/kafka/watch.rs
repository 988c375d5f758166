//! What librdkafka says of its brokers, put into words of our own, each once.
#![allow(unsafe_code, reason = "librdkafka speaks through C callbacks")]

use rdkafka::ClientContext;
use rdkafka::bindings as native;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Hears of trouble with the brokers, and says it: when it begins and when it is over.
pub(super) struct Watch {
    /// Such as `source gps`.
    component: String,
    brokers: String,
    is_down: AtomicBool,
    /// What librdkafka said last of a broker that it cannot reach.
    because: Mutex<String>,
}

impl Watch {
    pub fn new(component: String, brokers: &[String]) -> Watch {
        Watch { component, brokers: brokers.join(", "), is_down: AtomicBool::new(false), because: Mutex::default() }
    }

    /// No broker answers; why, as far as is known.
    pub fn down(&self, trouble: &str) {
        if !self.is_down.swap(true, Ordering::AcqRel) {
            let (component, brokers, because) = (&self.component, &self.brokers, self.because(trouble));
            tracing::warn!(component, brokers, because, "no Kafka broker answers; trying again until one does");
        }
    }

    /// A broker has answered.
    #[inline]
    pub fn up(&self) {
        if self.is_down.load(Ordering::Acquire) && self.is_down.swap(false, Ordering::AcqRel) {
            let (component, brokers) = (&self.component, &self.brokers);
            tracing::info!(component, brokers, "Kafka answers again");
        }
    }

    /// Why no broker can be reached, or `otherwise`.
    pub fn because(&self, otherwise: &str) -> String {
        let because = self.because.lock().unwrap_or_else(PoisonError::into_inner);
        if because.is_empty() { otherwise.to_owned() } else { because.clone() }
    }

    fn log(&self, level: c_int, facility: &str, line: &str) {
        /// syslog's warning; smaller numbers are worse.
        const WARNING: c_int = 4;
        let component = &self.component;
        tracing::debug!(component, facility, "{line}");
        if level <= WARNING && facility == "FAIL" {
            // `[thrd:...]: localhost:9092/bootstrap: Connect to ... failed: Connection refused (after 0ms in state CONNECT)`
            let what = line.split_once("]: ").map_or(line, |(_, what)| what);
            let what = what.split_once(" (after ").map_or(what, |(what, _)| what);
            what.clone_into(&mut self.because.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    pub fn trouble(&self, code: RDKafkaErrorCode, reason: &str) {
        let component = &self.component;
        match code {
            // A broker that refuses us is asked again and again; it is told once.
            RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::Authentication => self.down(reason),
            // Of one broker; when it is the last, the one above follows.
            RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve => {
                tracing::debug!(component, "{reason}");
            }
            _ => tracing::warn!(component, "Kafka: {reason}"),
        }
    }
}

/// As librdkafka's producer, which the crate wraps, speaks.
impl ClientContext for Watch {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, line: &str) {
        Watch::log(self, level as c_int, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.trouble(code, reason);
        }
    }
}

/// # Safety
/// `text` is null or ends with a zero, and lives for `'a`.
unsafe fn text<'a>(text: *const c_char) -> std::borrow::Cow<'a, str> {
    if text.is_null() {
        return "".into();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy()
}

/// # Safety
/// `opaque` is null or of a client whose context is a `Watch`, which lives for `'a`.
unsafe fn watch<'a>(opaque: *mut c_void) -> Option<&'a Watch> {
    // SAFETY: as the caller promises.
    unsafe { opaque.cast::<Watch>().as_ref() }
}

/// # Safety
/// Called by librdkafka alone, of a client whose opaque is its `Watch`.
pub(super) unsafe extern "C" fn hear_log(
    client: *const native::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    // SAFETY: client and texts live for the call.
    unsafe {
        if let Some(watch) = watch(native::rd_kafka_opaque(client)) {
            watch.log(level, &text(facility), &text(line));
        }
    }
}

/// # Safety
/// As for `hear_log`.
pub(super) unsafe extern "C" fn hear_error(
    _: *mut native::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: watch and text live for the call.
    unsafe {
        if let Some(watch) = watch(opaque) {
            let code = RDKafkaRespErr::try_from(code).map_or(RDKafkaErrorCode::Fail, RDKafkaErrorCode::from);
            watch.trouble(code, &text(reason));
        }
    }
}
