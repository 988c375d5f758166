//! The fields of a frame, what the input may call them, and how their values are read. Shared by `json` and `csv`.

use super::extra::{self, ExtraColumn};
use super::mapping::FieldsConfig;
use super::units::{LengthUnit, SpeedUnit, TimeUnit};
use super::value::{Value, excerpt};
use rhumb_engine::frame::Frame;

macro_rules! fields {
    ($($(#[doc = $doc:literal])* $variant:ident: $first:literal $(| $name:literal)*,)*) => {
        /// A field of a frame that the input may have.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Field { $($(#[doc = $doc])* $variant,)* }

        impl Field {
            pub const ALL: &[Field] = &[$(Field::$variant,)*];

            /// Names that need no mapping, the first of which is its own.
            pub fn usual_names(self) -> &'static [&'static str] {
                match self { $(Field::$variant => &[$first $(, $name)*],)* }
            }

            /// The counter of its values that could not be read: see [`UNREADABLE`](super::UNREADABLE).
            fn unreadable(self) -> &'static str {
                match self { $(Field::$variant => concat!($first, "_unreadable"),)* }
            }
        }
    };
}

fields! {
    Vehicle: "vehicle_id" | "vehicle" | "device_id" | "id",
    EventTime: "event_time" | "ts" | "timestamp" | "time",
    Lat: "lat" | "latitude",
    Lon: "lon" | "lng" | "longitude",
    Altitude: "altitude_m" | "alt" | "altitude",
    Speed: "speed_mps" | "speed",
    Heading: "heading_deg" | "heading" | "course",
    Accuracy: "accuracy_m" | "accuracy",
    Satellites: "satellites",
    Hdop: "hdop",
    ReceivedAt: "received_at",
    /// True: the device had no fix.
    NoFix: "no_fix",
    /// False: the device had no fix.
    Valid: "valid",
}

/// How many values of each field could not be read and were left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unreadable([u64; Field::ALL.len()]);

impl Unreadable {
    #[cold]
    pub fn add(&mut self, field: Field, values: u64) {
        self.0[field as usize] += values;
    }

    /// Those that are not 0.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let all = Field::ALL.iter().map(|field| (field.unreadable(), self.0[*field as usize]));
        all.filter(|(_, count)| *count > 0).collect()
    }
}

impl Field {
    pub fn name(self) -> &'static str {
        self.usual_names()[0]
    }

    /// Those without which there is no frame.
    pub const NEEDED: [Field; 4] = [Field::Vehicle, Field::EventTime, Field::Lat, Field::Lon];

    /// Without it there is no frame, by what the input itself must hold. Any other field is left out when its value cannot be read.
    pub fn is_needed(self) -> bool {
        Field::NEEDED.contains(&self)
    }

    fn what(self) -> &'static str {
        match self {
            Field::Vehicle => "an id (text or a number)",
            Field::EventTime | Field::ReceivedAt => "a time",
            Field::NoFix | Field::Valid => "true or false",
            _ => "a number",
        }
    }
}

/// A name that a codec looks for.
#[derive(Debug, Clone)]
pub struct Name {
    pub field: Field,
    pub name: String,
    /// Mapped by the configuration: the case counts too, and dots lead into nested objects.
    pub mapped: bool,
}

impl Name {
    /// True if this is what the input calls its field.
    pub fn is(&self, name: &[u8]) -> bool {
        match self.mapped {
            true => self.name.as_bytes() == name,
            false => self.name.as_bytes().eq_ignore_ascii_case(name),
        }
    }
}

/// `FieldsConfig`, ready for use.
#[derive(Debug, Clone)]
pub struct Fields {
    /// By field, and of one field the best first. At most `NAMES_MAX`.
    names: Vec<Name>,
    /// Columns beyond the core. A codec counts the names of these behind `names`.
    extra: Vec<ExtraColumn>,
    /// The names of each field, as a set.
    names_of: [u64; Field::ALL.len()],
    event_time: TimeUnit,
    received_at: TimeUnit,
    speed: SpeedUnit,
    altitude: LengthUnit,
    accuracy: LengthUnit,
    /// Without them there is no frame.
    needed: &'static [Field],
}

/// So many names there can be, so that a set of them is a `u64`.
pub const NAMES_MAX: usize = 64;

impl Fields {
    pub fn new(config: &FieldsConfig) -> Fields {
        let mapped: Vec<&str> = Field::ALL.iter().filter_map(|field| config.mapped(*field)).collect();
        let is_free = |name: &&&str| !mapped.iter().any(|mapped| mapped.eq_ignore_ascii_case(name));
        let mut names = Vec::new();
        for field in Field::ALL {
            let mut push = |name: &str, mapped| names.push(Name { field: *field, name: name.to_owned(), mapped });
            match config.mapped(*field) {
                Some(name) => push(name, true),
                None => field.usual_names().iter().filter(is_free).for_each(|name| push(name, false)),
            }
        }
        assert!(names.len() + extra::COLUMNS_MAX <= NAMES_MAX, "the usual names are few");
        let mut names_of = [0; Field::ALL.len()];
        for (n, name) in names.iter().enumerate() {
            names_of[name.field as usize] |= 1 << n;
        }
        Fields {
            names,
            // `FieldsConfig::mistakes` tells of more.
            extra: config.extra.iter().take(extra::COLUMNS_MAX).cloned().collect(),
            names_of,
            event_time: config.event_time.unit,
            received_at: config.received_at.unit,
            speed: config.speed_mps.unit,
            altitude: config.altitude_m.unit,
            accuracy: config.accuracy_m.unit,
            needed: if config.vehicle_elsewhere { &Field::NEEDED[1..] } else { &Field::NEEDED },
        }
    }

    /// Fields without which there is no frame: the vehicle is not among them where something else names it.
    #[inline]
    pub fn needed(&self) -> &'static [Field] {
        self.needed
    }

    pub fn names(&self) -> &[Name] {
        &self.names
    }

    pub fn extra(&self) -> &[ExtraColumn] {
        &self.extra
    }

    /// The field of a frame that is looked for under a name.
    pub fn field_of(&self, name: &str) -> Option<Field> {
        self.names.iter().find(|known| known.is(name.as_bytes())).map(|known| known.field)
    }

    /// Places in `names` of the names of a field, a bit each.
    #[inline]
    pub fn names_of(&self, field: Field) -> u64 {
        self.names_of[field as usize]
    }

    pub fn time_unit(&self, field: Field) -> TimeUnit {
        if field == Field::ReceivedAt { self.received_at } else { self.event_time }
    }

    /// For a person: the names under which a field was looked for.
    pub fn looked_for(&self, field: Field) -> String {
        let names: Vec<&str> = self.names.iter().filter(|n| n.field == field).map(|n| n.name.as_str()).collect();
        names.join(", ")
    }

    /// Reads a value as a field of the frame other than the vehicle. False if it cannot be read as that; the frame is
    /// then as it was.
    ///
    /// A field that is not needed has no value when it is empty, not a number, infinite, or does not fit its type.
    #[inline]
    pub fn read(&self, field: Field, value: Value, frame: &mut Frame) -> bool {
        match field {
            Field::EventTime => value.time(self.event_time).map(|t| frame.event_time = t).is_some(),
            Field::Lat => value.float().map(|lat| frame.lat = lat).is_some(),
            Field::Lon => value.float().map(|lon| frame.lon = lon).is_some(),
            Field::ReceivedAt => value.time(self.received_at).map(|t| frame.received_at = Some(t)).is_some(),
            Field::NoFix => value.flag().map(|no_fix| frame.no_fix |= no_fix).is_some(),
            Field::Valid => value.flag().map(|valid| frame.no_fix |= !valid).is_some(),
            _ => value.float().is_some_and(|value| self.measure(field, value, frame)),
        }
    }

    /// Puts a number into a field that holds one, in the frame's unit. False if it is none that the field can hold.
    ///
    /// Phones write -1 for a speed, a heading or an accuracy that they do not know: that is no value.
    #[inline]
    pub fn measure(&self, field: Field, value: f64, frame: &mut Frame) -> bool {
        if value == -1.0 && matches!(field, Field::Speed | Field::Heading | Field::Accuracy) {
            return true;
        }
        let into = match field {
            Field::Altitude => (&mut frame.altitude_m, self.altitude.to_metres(value)),
            Field::Speed => (&mut frame.speed_mps, self.speed.to_mps(value)),
            Field::Heading => (&mut frame.heading_deg, value),
            Field::Accuracy => (&mut frame.accuracy_m, self.accuracy.to_metres(value)),
            Field::Hdop => (&mut frame.hdop, value),
            Field::Satellites => {
                let fits = (0.0..=f64::from(i16::MAX)).contains(&value) && value.fract() == 0.0;
                if fits {
                    frame.satellites = Some(value as i16);
                }
                return fits;
            }
            _ => return false,
        };
        let value = into.1 as f32;
        if value.is_finite() {
            *into.0 = Some(value);
        }
        value.is_finite()
    }

    /// Why `read` said no to a needed field; `name` is what the input calls it.
    #[cold]
    pub fn complaint(&self, field: Field, name: &str, value: Value) -> String {
        let shown = match value {
            Value::Number(_, text) | Value::Other(text) => excerpt(text),
            Value::Text(text) => format!("\"{}\"", excerpt(text)),
            Value::Bool(value) => value.to_string(),
        };
        let from = if name == field.name() { String::new() } else { format!(" (from {name})") };
        let field_name = field.name();
        match field {
            Field::Vehicle if matches!(value, Value::Text(_)) => format!("{field_name}{from} is not UTF-8: {shown}"),
            Field::EventTime => {
                format!("{field_name}{from} is not a time: {shown} (expected {})", expected(self.event_time))
            }
            _ => format!("{field_name}{from} is not {}: {shown}", field.what()),
        }
    }
}

fn expected(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Auto => "RFC 3339 with an offset, or seconds, milliseconds or microseconds since 1970",
        TimeUnit::Seconds => "seconds since 1970",
        TimeUnit::Milliseconds => "milliseconds since 1970",
        TimeUnit::Microseconds => "microseconds since 1970",
        TimeUnit::Rfc3339 => "RFC 3339 with an offset",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_name_switches_the_usual_names_of_its_field_off() {
        let config = FieldsConfig { lat: Some("Y".into()), ..FieldsConfig::default() };
        let fields = Fields::new(&config);
        assert_eq!(fields.looked_for(Field::Lat), "Y");
        assert_eq!(fields.looked_for(Field::Lon), "lon, lng, longitude");
        let name = fields.names().iter().find(|n| n.field == Field::Lat).unwrap();
        assert!(name.is(b"Y") && !name.is(b"y"));
        assert!(fields.names().iter().any(|n| n.is(b"LONGITUDE")));
    }

    #[test]
    fn optional_values_that_do_not_fit_are_left_out() {
        let fields = Fields::new(&FieldsConfig::default());
        let check = |field, text: &str, want: bool| {
            let mut frame = Frame::default();
            assert_eq!(fields.read(field, Value::Text(text.as_bytes()), &mut frame), want, "{text}");
            assert_eq!(frame != Frame::default(), want, "{text}");
        };
        check(Field::Speed, " 12.5 ", true);
        check(Field::Speed, "", false);
        check(Field::Speed, "nan", false);
        check(Field::Speed, "1e300", false);
        let mut frame = Frame::default();
        assert!(fields.read(Field::Heading, Value::Text(b"-1"), &mut frame), "unknown, as phones write it");
        assert_eq!(frame, Frame::default());
        check(Field::Heading, "-2", true);
        check(Field::Satellites, "12.0", true);
        check(Field::Satellites, "12.5", false);
        check(Field::Satellites, "-1", false);
        check(Field::Satellites, "40000", false);
        check(Field::Valid, "V", true);
        check(Field::NoFix, "maybe", false);
        check(Field::ReceivedAt, "2024-05-01T00:00:00Z", true);
        check(Field::ReceivedAt, "2024-05-01T00:00:00Zulu", false);
        check(Field::ReceivedAt, "noon", false);
    }
}
