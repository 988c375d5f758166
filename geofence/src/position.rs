//! A place on Earth, checked once where it comes in.

use thiserror::Error;

/// A latitude and a longitude in degrees (WGS 84), both finite and in range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    lat: f64,
    lon: f64,
}

/// Why a pair of numbers is no [`Position`].
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum PositionError {
    #[error("latitude {0} is outside -90..=90")]
    LatitudeOutOfRange(f64),
    #[error("longitude {0} is outside -180..=180")]
    LongitudeOutOfRange(f64),
}

impl Position {
    /// Takes degrees; latitude first. NaN is out of range.
    pub fn new(lat: f64, lon: f64) -> Result<Self, PositionError> {
        if !(-90.0..=90.0).contains(&lat) {
            return Err(PositionError::LatitudeOutOfRange(lat));
        }
        if !(-180.0..=180.0).contains(&lon) {
            return Err(PositionError::LongitudeOutOfRange(lon));
        }
        Ok(Self { lat, lon })
    }

    /// Latitude in degrees, -90..=90.
    pub fn lat(self) -> f64 {
        self.lat
    }

    /// Longitude in degrees, -180..=180.
    pub fn lon(self) -> f64 {
        self.lon
    }

    /// The place at `fraction` (0..=1) of the way to `to`, degree by degree: the straight line of a map in
    /// longitude and latitude, the same line that zone edges follow.
    pub fn towards(self, to: Position, fraction: f64) -> Position {
        let f = fraction.clamp(0.0, 1.0);
        Position {
            lat: (self.lat + (to.lat - self.lat) * f).clamp(-90.0, 90.0),
            lon: (self.lon + (to.lon - self.lon) * f).clamp(-180.0, 180.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_range_and_not_a_number_are_refused() {
        for (lat, lon) in [(90.1, 0.0), (-91.0, 0.0), (f64::NAN, 0.0), (0.0, 180.5), (0.0, f64::INFINITY)] {
            assert!(Position::new(lat, lon).is_err(), "{lat} {lon}");
        }
        assert!(Position::new(-90.0, 180.0).is_ok());
    }
}
