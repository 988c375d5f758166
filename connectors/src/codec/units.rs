//! Units that a field of the input may have. Frames hold metres, metres a second and microseconds since 1970.

macro_rules! units {
    ($(#[doc = $doc:literal])* $name:ident: $what:literal { $($(#[$each:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $name { $($(#[$each])* $variant,)* }

        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// As it is written in a pipeline.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The unit of that name; the error lists the units that there are.
            pub fn parse(text: &str) -> Result<$name, String> {
                $name::ALL.iter().copied().find(|unit| unit.name() == text).ok_or_else(|| {
                    let known: Vec<&str> = $name::ALL.iter().map(|unit| unit.name()).collect();
                    format!("no unit of {} \"{text}\" (there are {})", $what, known.join(", "))
                })
            }
        }
    };
}

units! {
    /// Unit of a speed.
    SpeedUnit: "speed" {
        #[default]
        MetresPerSecond = "m/s",
        KilometresPerHour = "km/h",
        MilesPerHour = "mph",
        Knots = "knots",
    }
}

units! {
    /// Unit of an altitude or an accuracy.
    LengthUnit: "length" {
        #[default]
        Metres = "m",
        /// International feet: 0.3048 m.
        Feet = "ft",
    }
}

units! {
    /// How a time is written. Digits below a microsecond are cut off.
    TimeUnit: "time" {
        /// RFC 3339, or a number that is taken by its size without sign: below 10^11 as seconds (until the year
        /// 5138), below 10^14 as milliseconds, below 10^17 as microseconds.
        #[default]
        Auto = "auto",
        /// Seconds since 1970-01-01T00:00:00Z, with or without a fraction.
        Seconds = "s",
        /// Milliseconds since then.
        Milliseconds = "ms",
        /// Microseconds since then.
        Microseconds = "us",
        /// Text such as `2024-05-01T12:00:00.5+02:00`; never a number.
        Rfc3339 = "rfc3339",
    }
}

impl TimeUnit {
    /// True if RFC 3339 is among what it may be.
    pub fn takes_text(self) -> bool {
        matches!(self, TimeUnit::Auto | TimeUnit::Rfc3339)
    }
}

impl SpeedUnit {
    #[inline]
    pub fn to_mps(self, speed: f64) -> f64 {
        match self {
            SpeedUnit::MetresPerSecond => speed,
            SpeedUnit::KilometresPerHour => speed / 3.6,
            SpeedUnit::MilesPerHour => speed * 0.44704,
            SpeedUnit::Knots => speed * 1852.0 / 3600.0,
        }
    }
}

impl LengthUnit {
    #[inline]
    pub fn to_metres(self, length: f64) -> f64 {
        match self {
            LengthUnit::Metres => length,
            LengthUnit::Feet => length * 0.3048,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_unit_is_told_what_there_is() {
        assert_eq!(SpeedUnit::parse("km/h"), Ok(SpeedUnit::KilometresPerHour));
        let error = SpeedUnit::parse("kph").unwrap_err();
        assert_eq!(error, "no unit of speed \"kph\" (there are m/s, km/h, mph, knots)");
        let error = TimeUnit::parse("ns").unwrap_err();
        assert_eq!(error, "no unit of time \"ns\" (there are auto, s, ms, us, rfc3339)");
    }

    #[test]
    fn units_come_out_in_metres_and_seconds() {
        assert_eq!(SpeedUnit::KilometresPerHour.to_mps(36.0), 10.0);
        assert_eq!(SpeedUnit::MilesPerHour.to_mps(100.0), 44.704);
        assert_eq!(SpeedUnit::Knots.to_mps(3600.0), 1852.0);
        assert_eq!(LengthUnit::Feet.to_metres(1000.0), 304.8);
    }
}
