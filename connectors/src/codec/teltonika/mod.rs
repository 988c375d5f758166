//! The codec `teltonika`: positions of Teltonika's trackers in codec 8, 8 Extended and 16, over UDP and TCP, with the
//! acknowledgements that the devices wait for. `docs/TELTONIKA.md` says what is read and what is refused.
//!
//! A packet becomes frames whole or is rejected whole.

mod crc;
mod io;
mod packet;
mod record;

pub use self::crc::crc16;
pub use self::io::{IoColumn, IoType, Kept, UNITS};

use self::packet::{CODEC_8, CODEC_8_EXTENDED, CODEC_16, Records};
use super::reply::{Conversation, Replies, Reply, When};
use super::{Codec, Place, RECORD_MAX};
use arrow::datatypes::FieldRef;
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::reject::Reason;
use std::net::SocketAddr;

/// What becomes of a record beyond its position.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TeltonikaConfig {
    /// Columns for what is not an IO element.
    pub keep: Vec<Kept>,
    /// Columns for IO elements.
    pub io: Vec<IoColumn>,
}

impl TeltonikaConfig {
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        for (n, column) in self.io.iter().enumerate() {
            if let Some(other) = self.io[..n].iter().find(|other| other.id == column.id) {
                mistakes.push(format!("{} and {} are both IO element {}", other.name, column.name, column.id));
            }
        }
        let columns = self.columns();
        for (n, column) in columns.iter().enumerate() {
            if columns[..n].iter().any(|other| other.name() == column.name()) {
                mistakes.push(format!("two columns are called {}", column.name()));
            }
        }
        mistakes
    }

    pub(super) fn describe(&self) -> String {
        let kept = self.keep.iter().map(|kept| kept.name().to_owned());
        let io = self.io.iter().map(|column| format!("{} from IO {}", column.name, column.id));
        kept.chain(io).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn columns(&self) -> Vec<FieldRef> {
        packet::columns(self)
    }
}

/// Digits of an IMEI.
const IMEI: usize = 15;
/// A login on TCP: the IMEI's length in two bytes, then the IMEI.
const LOGIN: usize = 2 + IMEI;
/// What says that it is longer is no login.
const IMEI_SAID_MAX: u8 = 32;
/// A TCP packet: four zero bytes and the length of its data in front, its checksum in four bytes behind.
const HEAD: usize = 8;
const TAIL: usize = 4;
const DATA_MIN: usize = 3;
const DATA_MAX: usize = RECORD_MAX - HEAD - TAIL;
/// What a device sends to keep its connection open.
const PING: u8 = 0xFF;
/// Before the AVL data of a datagram: length, packet id, a byte without use, AVL packet id, length of the IMEI, IMEI.
const CHANNEL: usize = 2 + 2 + 1 + 1 + LOGIN;

pub struct TeltonikaCodec {
    records: Records,
    /// Who a stream is from: its login's IMEI, or what the stream is called if it has none.
    vehicle: String,
    /// Bytes come from a device, which waits for answers.
    live: bool,
    logged_in: bool,
    over: bool,
    replies: Replies,
}

impl TeltonikaCodec {
    pub fn new(config: &TeltonikaConfig) -> TeltonikaCodec {
        TeltonikaCodec {
            records: Records::new(config),
            vehicle: "unknown".to_owned(),
            live: false,
            logged_in: false,
            over: false,
            replies: Replies::default(),
        }
    }

    fn reply(&mut self, bytes: &[u8], when: When, offset: i64) {
        if self.live {
            self.replies.push(Reply::new(bytes, when, offset));
        }
    }

    fn login(&mut self, login: &[u8], offset: i64, out: &mut FrameBuilder) {
        let imei = &login[2..];
        self.logged_in = is_imei(imei);
        if let (true, Ok(imei)) = (self.logged_in, std::str::from_utf8(imei)) {
            self.vehicle.clear();
            self.vehicle.push_str(imei);
            self.reply(&[1], When::AtOnce, offset);
        } else {
            out.reject(Reason::VehicleId, login, no_imei(imei));
            self.reply(&[0], When::AtOnce, offset);
            self.over = true;
        }
    }

    /// Decodes a packet of a stream.
    #[inline]
    fn packet(&mut self, packet: &[u8], offset: i64, out: &mut FrameBuilder) {
        let data = &packet[HEAD..packet.len() - TAIL];
        let codec = data[0];
        if self.live && !self.logged_in {
            self.over = true;
            return out.reject(Reason::Authentication, packet, "positions before a login");
        }
        let carries_positions = matches!(codec, CODEC_8 | CODEC_8_EXTENDED | CODEC_16);
        let (sent, sum) = (&packet[packet.len() - TAIL..], crc::crc16(data));
        if carries_positions && *sent != u32::from(sum).to_be_bytes() {
            self.reply(&[0; 4], When::AtOnce, offset);
            return out.reject(Reason::Checksum, packet, wrong_checksum(sent, sum));
        }
        match self.records.check(data) {
            Ok(whole) => {
                self.records.push(whole, &self.vehicle, out);
                self.reply(&u32::from(whole.count).to_be_bytes(), When::Durable, offset);
            }
            Err(complaint) => {
                out.reject(Reason::Undecodable, packet, complaint);
                // It came as it was sent and is kept as a reject: sent again it would be no better.
                if carries_positions {
                    self.reply(&u32::from(data[1]).to_be_bytes(), When::Durable, offset);
                }
            }
        }
    }

    /// Length, packet id, a byte without use, AVL packet id, records.
    fn acknowledge(&mut self, datagram: &[u8], count: u8) {
        if let [_, _, p0, p1, _, avl_packet_id, ..] = *datagram {
            self.reply(&[0, 5, p0, p1, 1, avl_packet_id, count], When::Durable, 0);
        }
    }

    fn channel_packet(&mut self, bytes: &[u8], out: &mut FrameBuilder) -> Result<u8, (Reason, String)> {
        let Some((channel, data)) = bytes.split_first_chunk::<CHANNEL>() else {
            return Err((Reason::Undecodable, format!("{} bytes; a packet has at least {CHANNEL}", bytes.len())));
        };
        let [l0, l1, _, _, _, _, i0, i1, imei @ ..] = channel;
        let said = usize::from(u16::from_be_bytes([*l0, *l1]));
        if said + 2 != bytes.len() {
            return Err((Reason::Undecodable, wrong_length(said, bytes.len() - 2)));
        }
        if [*i0, *i1] != [0, IMEI as u8] {
            let length = u16::from_be_bytes([*i0, *i1]);
            return Err((Reason::Undecodable, format!("byte 6: an IMEI of {length} digits; it has {IMEI}")));
        }
        let whole = self.records.check(data).map_err(|complaint| (Reason::Undecodable, complaint))?;
        let Some(vehicle) = super::scan::utf8(imei).filter(|_| is_imei(imei)) else {
            return Err((Reason::VehicleId, no_imei(imei)));
        };
        self.records.push(whole, vehicle, out);
        Ok(whole.count)
    }
}

impl Codec for TeltonikaCodec {
    /// Takes the login at the head of a recording: whoever starts anew inside of it has to know whose it is.
    fn preamble(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>, String> {
        match *bytes {
            _ if self.live => Ok(Some(0)),
            [] | [0] | [0, 15, ..] if bytes.len() < LOGIN && !last => Ok(None),
            [0, 15, ..] if bytes.len() >= LOGIN && is_imei(&bytes[2..LOGIN]) => {
                self.vehicle = String::from_utf8_lossy(&bytes[2..LOGIN]).into_owned();
                Ok(Some(LOGIN))
            }
            _ => Ok(Some(0)),
        }
    }

    fn stream(&mut self, bytes: &[u8], last: bool, place: Place, out: &mut FrameBuilder) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let window = &bytes[at..bytes.len().min(at + RECORD_MAX)];
            place.at(at, out);
            let offset = place.offset + at as i64;
            at += match next(window, self.live) {
                Next::Ping => 1,
                Next::Login(length) => {
                    self.login(&window[..length], offset, out);
                    length
                }
                Next::Packet(length) => {
                    self.packet(&window[..length], offset, out);
                    length
                }
                Next::Cut(length) if last => {
                    out.reject(Reason::Undecodable, window, cut(window.len(), length));
                    window.len()
                }
                Next::Cut(_) => return at,
                Next::Nothing => {
                    self.over = true;
                    let Some(length) = garbage(window, last) else { return at };
                    out.reject(Reason::Undecodable, &window[..length], NOTHING);
                    length
                }
            };
        }
        at
    }

    fn datagram(&mut self, bytes: &[u8], out: &mut FrameBuilder) {
        if bytes == [PING] {
            return;
        }
        match self.channel_packet(bytes, out) {
            Ok(count) => self.acknowledge(bytes, count),
            Err((reason, complaint)) => {
                out.reject(reason, bytes, complaint);
                // As in a stream: what came as it was sent is kept, and would be no better the next time.
                if let Some(count) = said_records(bytes) {
                    self.acknowledge(bytes, count);
                }
            }
        }
    }

    fn called(&mut self, name: &str) {
        name.clone_into(&mut self.vehicle);
    }

    fn conversation(&mut self) -> Option<&mut dyn Conversation> {
        Some(self)
    }
}

impl Conversation for TeltonikaCodec {
    fn from(&mut self, _: SocketAddr) {
        self.live = true;
    }

    fn reply(&mut self) -> Option<Reply> {
        self.replies.pop()
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

/// What stands at the head of a stream.
enum Next {
    Ping,
    /// A login of so many bytes, all there.
    Login(usize),
    /// A packet of so many bytes, all there.
    Packet(usize),
    /// The beginning of something with at least so many bytes.
    Cut(usize),
    /// Nothing that a device sends.
    Nothing,
}

#[inline]
fn next(window: &[u8], live: bool) -> Next {
    match *window {
        [PING, ..] => Next::Ping,
        [0] => Next::Cut(LOGIN),
        [0, 15, ..] if window.len() < LOGIN => Next::Cut(LOGIN),
        [0, 15, ..] => Next::Login(LOGIN),
        // A device is told that its IMEI is none; in a recording such bytes may be anything.
        [0, said @ 1..=IMEI_SAID_MAX, ..] if live => match 2 + usize::from(said) {
            length if window.len() < length => Next::Cut(length),
            length => Next::Login(length),
        },
        [0, 0, 0, 0, l0, l1, l2, l3, ..] => match u32::from_be_bytes([l0, l1, l2, l3]) as usize {
            length @ DATA_MIN..=DATA_MAX if window.len() < HEAD + length + TAIL => Next::Cut(HEAD + length + TAIL),
            length @ DATA_MIN..=DATA_MAX => Next::Packet(HEAD + length + TAIL),
            _ => Next::Nothing,
        },
        _ if window.len() < HEAD && window.iter().take(4).all(|byte| *byte == 0) => Next::Cut(HEAD),
        _ => Next::Nothing,
    }
}

/// How many bytes at the head of the window are nothing; `None`: more bytes are needed to see that.
#[cold]
fn garbage(window: &[u8], last: bool) -> Option<usize> {
    // What begins can be told by so many bytes as a login has.
    let all = last && window.len() < RECORD_MAX;
    let end = if all { window.len() } else { window.len().saturating_sub(LOGIN - 1) };
    match (1..end).find(|n| begins(&window[*n..])) {
        Some(next) => Some(next),
        None if all || window.len() == RECORD_MAX => Some(end),
        None => None,
    }
}

/// Whether a login or a packet begins here, beyond reasonable doubt: zeros alone stand everywhere.
fn begins(bytes: &[u8]) -> bool {
    match bytes {
        [0, 15, imei @ ..] if imei.len() >= IMEI => is_imei(&imei[..IMEI]),
        [0, 0, 0, 0, 0, 0, _, _, codec, ..] => matches!(*codec, 0x07 | CODEC_8 | 0x0C..=CODEC_16 | CODEC_8_EXTENDED),
        _ => false,
    }
}

/// How many records a datagram says it has, if all that stands around its records is right.
fn said_records(datagram: &[u8]) -> Option<u8> {
    let (channel, data) = datagram.split_first_chunk::<CHANNEL>()?;
    let length = usize::from(u16::from_be_bytes([channel[0], channel[1]]));
    let imei = channel.last_chunk::<LOGIN>()?;
    let sound = length + 2 == datagram.len() && imei[..2] == [0, IMEI as u8] && is_imei(&imei[2..]);
    match *data {
        [CODEC_8 | CODEC_8_EXTENDED | CODEC_16, count, ..] if sound => Some(count),
        _ => None,
    }
}

fn is_imei(imei: &[u8]) -> bool {
    imei.len() == IMEI && imei.iter().all(u8::is_ascii_digit)
}

const NOTHING: &str = "no packet and no login begins here";

#[cold]
fn no_imei(imei: &[u8]) -> String {
    match imei.len() {
        IMEI => format!("the IMEI is not of digits: \"{}\"", imei.escape_ascii()),
        length => format!("an IMEI of {length} digits, \"{}\"; it has {IMEI}", imei.escape_ascii()),
    }
}

#[cold]
fn wrong_length(said: usize, there: usize) -> String {
    format!("byte 0: says that {said} bytes follow, and {there} do")
}

#[cold]
fn wrong_checksum(sent: &[u8], sum: u16) -> String {
    let sent = sent.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
    format!("the checksum is {sent:#06x}, and {sum:#06x} is that of the data")
}

#[cold]
fn cut(there: usize, length: usize) -> String {
    format!("the input ends inside a packet or login: {there} of at least {length} bytes are there")
}

#[cfg(test)]
mod tests;
