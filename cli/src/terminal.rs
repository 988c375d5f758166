//! What a person sees while something runs: logs, and progress on a terminal.

use rhumb_operators::geofence::schedule::utc;
use std::io::{IsTerminal, Write};
use std::str::FromStr;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// A time as a person types it: RFC 3339, without an offset UTC. Microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub i64);

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Instant, String> {
        utc(text).map(Instant).ok_or_else(|| "not a time; write such as 2024-03-08T12:00:00Z".to_owned())
    }
}

impl Instant {
    /// As a value in SQL.
    pub fn sql(self) -> String {
        format!("arrow_cast({}, 'Timestamp(Microsecond, Some(\"UTC\"))')", self.0)
    }
}

/// Sends logs to standard error. `RUST_LOG` says which; without it, what an operator should know.
pub fn log_to_stderr(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("warn,rhumb=info,rhumb_engine=info,rhumb_connectors=info")
    });
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => logs.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
}

/// A line on standard error. That nobody reads it stops nothing.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A number with its thousands apart: 11,220,058.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_stand_apart() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (11_220_058, "11,220,058")] {
            assert_eq!(grouped(n), text);
        }
    }
}
