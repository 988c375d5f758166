//! Alerts: what happened at a zone or to a vehicle, in columns.

use crate::time::EventTime;
use crate::vehicle::Slot;
use arrow::array::{Int64Array, StringArray};
use std::sync::Arc;

/// What an alert says. Names are those of the alerts table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKind {
    Enter,
    Exit,
    /// Inside for as long as the zone's `dwell`.
    Dwell,
    /// Passed through between two frames that are both outside.
    Cross,
    /// Faster than the zone's speed limit.
    Overspeed,
}

/// Why an alert is there, where that is not plain from its kind. Names are those of the alerts table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AlertReason {
    /// The vehicle did what the kind says.
    #[default]
    Moved,
    /// The alert that it supersedes was wrong, and nothing takes its place.
    Retracted,
    /// The zone's schedule or validity began with the vehicle inside.
    ZoneOpened,
    /// The zone's schedule or validity ended with the vehicle inside.
    ZoneClosed,
    /// Another version of the zones has one that holds the vehicle, or gives it a shape that does.
    ZoneAdded,
    /// Another version of the zones lacks the one that the vehicle is in, or gives it a shape that does not hold it.
    ZoneRemoved,
}

impl AlertKind {
    pub const ALL: &[AlertKind] =
        &[AlertKind::Enter, AlertKind::Exit, AlertKind::Dwell, AlertKind::Cross, AlertKind::Overspeed];

    pub fn name(self) -> &'static str {
        match self {
            AlertKind::Enter => "enter",
            AlertKind::Exit => "exit",
            AlertKind::Dwell => "dwell",
            AlertKind::Cross => "cross",
            AlertKind::Overspeed => "overspeed",
        }
    }

    /// Place in `ALL`. Stands in ids: never changed, never used again.
    pub fn number(self) -> u8 {
        match self {
            AlertKind::Enter => 0,
            AlertKind::Exit => 1,
            AlertKind::Dwell => 2,
            AlertKind::Cross => 3,
            AlertKind::Overspeed => 4,
        }
    }

    pub fn from_name(name: &str) -> Option<AlertKind> {
        AlertKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl AlertReason {
    /// `None`: nothing to say.
    pub fn name(self) -> Option<&'static str> {
        match self {
            AlertReason::Moved => None,
            AlertReason::Retracted => Some("retracted"),
            AlertReason::ZoneOpened => Some("zone_opened"),
            AlertReason::ZoneClosed => Some("zone_closed"),
            AlertReason::ZoneAdded => Some("zone_added"),
            AlertReason::ZoneRemoved => Some("zone_removed"),
        }
    }
}

/// What alerts say about their zone, one row a zone. Shared by all alerts of one version of the zones.
#[derive(Debug, PartialEq)]
pub struct AlertZones {
    pub ids: Arc<StringArray>,
    /// The zone's properties as a JSON object.
    pub attributes: Arc<StringArray>,
    /// Hash of pipeline, operator and zone id: what alert ids are made from.
    pub hashes: Vec<u64>,
    /// Version of the zones as a whole.
    pub version: i64,
}

/// The stable identity of an alert: the same fix at the same zone gives the same id in every replay. 96 bits of a hash:
/// among a million million alerts the chance of any two alike is one in 150,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AlertId([u8; 12]);

/// Length of an alert's id in text.
pub const ALERT_ID_DIGITS: usize = 16;

impl AlertId {
    /// `zone` is of `AlertZones::hashes`, `vehicle` of the vehicle's id.
    pub fn new(zone: u64, vehicle: u64, kind: AlertKind, at: EventTime, revision: u32) -> AlertId {
        let mut bytes = [0; 29];
        bytes[0..8].copy_from_slice(&zone.to_le_bytes());
        bytes[8..16].copy_from_slice(&vehicle.to_le_bytes());
        bytes[16..24].copy_from_slice(&at.0.to_le_bytes());
        bytes[24] = kind.number();
        bytes[25..29].copy_from_slice(&revision.to_le_bytes());
        let hash = twox_hash::XxHash3_128::oneshot(&bytes).to_be_bytes();
        AlertId(hash[..12].try_into().expect("12 bytes of 16"))
    }

    /// 16 digits of base64url (RFC 4648, section 5), as in every output.
    #[inline]
    pub fn digits(self) -> [u8; ALERT_ID_DIGITS] {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut digits = [0; ALERT_ID_DIGITS];
        for (three, four) in self.0.chunks_exact(3).zip(digits.chunks_exact_mut(4)) {
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            for (n, digit) in four.iter_mut().enumerate() {
                *digit = DIGITS[(bits >> (18 - 6 * n)) as usize & 63];
            }
        }
        digits
    }
}

impl From<[u8; 12]> for AlertId {
    fn from(bytes: [u8; 12]) -> AlertId {
        AlertId(bytes)
    }
}

/// One alert, before it has a number in the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alert {
    pub kind: AlertKind,
    pub vehicle: Slot,
    pub zone: u32,
    /// When it happened: the border was crossed, on the straight line between two frames; the stay became long enough;
    /// the speeding began.
    pub event_time: EventTime,
    /// Of the frame that showed it, had all come in order.
    pub frame_time: EventTime,
    /// Of the frame by which it became known.
    pub received_at: EventTime,
    /// Where it happened, degrees.
    pub lat: f64,
    pub lon: f64,
    pub id: AlertId,
    /// Ties the alerts of one visit: the id of its `enter` as first told of that time.
    pub visit: AlertId,
    pub reason: AlertReason,
    /// Shown by a late frame, which corrects what was told before.
    pub late: bool,
    /// The alert that it takes the place of: that one did not happen.
    pub supersedes: Option<AlertId>,
    /// Where and when a `cross` left the zone again.
    pub left: Option<AlertPoint>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlertPoint {
    pub time: EventTime,
    pub lat: f64,
    pub lon: f64,
}

/// Alerts of one operator and one version of its zones, in columns of equal length.
#[derive(Debug, Clone)]
pub struct AlertBatch {
    pub zones: Arc<AlertZones>,
    pub kind: Vec<AlertKind>,
    pub vehicle: Vec<Slot>,
    pub zone: Vec<u32>,
    pub event_time: Vec<i64>,
    pub frame_time: Vec<i64>,
    pub received_at: Vec<i64>,
    pub lat: Vec<f64>,
    pub lon: Vec<f64>,
    pub id: Vec<AlertId>,
    pub visit: Vec<AlertId>,
    pub reason: Vec<AlertReason>,
    pub late: Vec<bool>,
    /// Of the few rows that have one, ascending by row.
    supersedes: Vec<(usize, AlertId)>,
    left: Vec<(usize, AlertPoint)>,
    /// Numbers in the alert log, given by the writer; empty before.
    pub sequence: Option<Int64Array>,
}

impl AlertBatch {
    /// Empty, with room for so many rows.
    pub fn with_capacity(zones: Arc<AlertZones>, rows: usize) -> AlertBatch {
        AlertBatch {
            zones,
            kind: Vec::with_capacity(rows),
            vehicle: Vec::with_capacity(rows),
            zone: Vec::with_capacity(rows),
            event_time: Vec::with_capacity(rows),
            frame_time: Vec::with_capacity(rows),
            received_at: Vec::with_capacity(rows),
            lat: Vec::with_capacity(rows),
            lon: Vec::with_capacity(rows),
            id: Vec::with_capacity(rows),
            visit: Vec::with_capacity(rows),
            reason: Vec::with_capacity(rows),
            late: Vec::with_capacity(rows),
            supersedes: Vec::new(),
            left: Vec::new(),
            sequence: None,
        }
    }

    pub fn len(&self) -> usize {
        self.kind.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    pub fn push(&mut self, alert: Alert) {
        self.kind.push(alert.kind);
        self.vehicle.push(alert.vehicle);
        self.zone.push(alert.zone);
        self.event_time.push(alert.event_time.0);
        self.frame_time.push(alert.frame_time.0);
        self.received_at.push(alert.received_at.0);
        self.lat.push(alert.lat);
        self.lon.push(alert.lon);
        self.id.push(alert.id);
        self.visit.push(alert.visit);
        self.reason.push(alert.reason);
        self.late.push(alert.late);
        let row = self.id.len() - 1;
        self.supersedes.extend(alert.supersedes.map(|id| (row, id)));
        self.left.extend(alert.left.map(|left| (row, left)));
    }

    pub fn supersedes(&self, row: usize) -> Option<AlertId> {
        of_row(&self.supersedes, row)
    }

    pub fn left(&self, row: usize) -> Option<AlertPoint> {
        of_row(&self.left, row)
    }

    /// # Panics
    /// If there is no such row.
    pub fn get(&self, row: usize) -> Alert {
        Alert {
            kind: self.kind[row],
            vehicle: self.vehicle[row],
            zone: self.zone[row],
            event_time: EventTime(self.event_time[row]),
            frame_time: EventTime(self.frame_time[row]),
            received_at: EventTime(self.received_at[row]),
            lat: self.lat[row],
            lon: self.lon[row],
            id: self.id[row],
            visit: self.visit[row],
            reason: self.reason[row],
            late: self.late[row],
            supersedes: self.supersedes(row),
            left: self.left(row),
        }
    }
}

fn of_row<T: Copy>(rows: &[(usize, T)], row: usize) -> Option<T> {
    rows.binary_search_by_key(&row, |(row, _)| *row).ok().map(|at| rows[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_numbered_as_they_are_listed() {
        assert!(AlertKind::ALL.iter().zip(0..).all(|(kind, n)| kind.number() == n));
    }

    #[test]
    fn ids_are_base64url_without_padding() {
        for (bytes, text) in [([0; 12], "AAAAAAAAAAAAAAAA"), ([255; 12], "________________")] {
            assert_eq!(AlertId(bytes).digits(), *text.as_bytes().first_chunk().unwrap());
        }
        // What `base64.urlsafe_b64encode` of Python makes of bytes 0 to 11.
        assert_eq!(&AlertId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]).digits(), b"AAECAwQFBgcICQoL");
    }

    #[test]
    fn ids_of_recorded_alerts_never_change() {
        let id = AlertId::new(1, 2, AlertKind::Exit, EventTime(3), 0);
        expect_test::expect!["Uh-YzYsDQ39JhAYm"].assert_eq(std::str::from_utf8(&id.digits()).unwrap());
    }
}
