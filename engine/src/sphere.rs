//! Great-circle distance and bearing, on the sphere of the mean earth radius.

/// Mean earth radius of IUGG, metres.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;
/// Of latitude, or of longitude at the equator.
pub const METRES_PER_DEGREE: f64 = EARTH_RADIUS_M * std::f64::consts::PI / 180.0;

/// Metres between two (lat, lon) in degrees, by the haversine formula.
pub fn distance_m(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (lat1, lat2) = (from.0.to_radians(), to.0.to_radians());
    let half_lat = ((lat2 - lat1) / 2.0).sin();
    let half_lon = ((to.1 - from.1).to_radians() / 2.0).sin();
    let h = half_lat * half_lat + lat1.cos() * lat2.cos() * half_lon * half_lon;
    2.0 * EARTH_RADIUS_M * h.min(1.0).sqrt().asin()
}

/// `distance_m` to within a thousandth, for a third of the time where the two are near each other: the earth is flat over
/// a degree, away from the poles.
pub fn near_distance_m(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (lat, lon) = (to.0 - from.0, to.1 - from.1);
    if lat.abs() > 1.0 || lon.abs() > 1.0 || from.0.abs() > 80.0 {
        return distance_m(from, to);
    }
    let east = lon * ((from.0 + to.0) * 0.5).to_radians().cos();
    (lat * lat + east * east).sqrt() * METRES_PER_DEGREE
}

/// A lower bound of `distance_m` that needs no trigonometry: the part along the meridian alone.
pub fn meridian_distance_m(from: (f64, f64), to: (f64, f64)) -> f64 {
    (to.0 - from.0).abs() * METRES_PER_DEGREE
}

/// An upper bound of `distance_m` that needs no trigonometry: along the meridian, then along the widest parallel.
pub fn distance_bound_m(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (lat, lon) = ((to.0 - from.0).abs(), (to.1 - from.1).abs());
    (lat * lat + lon * lon).sqrt() * METRES_PER_DEGREE
}

/// Initial bearing from one (lat, lon) to another, degrees from north, 0..360.
pub fn bearing_deg(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (lat1, lat2) = (from.0.to_radians(), to.0.to_radians());
    let lon = (to.1 - from.1).to_radians();
    let east = lon.sin() * lat2.cos();
    let north = lat1.cos() * lat2.sin() - lat1.sin() * lat2.cos() * lon.cos();
    east.atan2(north).to_degrees().rem_euclid(360.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_around_the_distance() {
        let mut x = 1u64;
        let mut draw = |span: f64| {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((x >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * span
        };
        for _ in 0..100_000 {
            let from = (draw(180.0), draw(360.0));
            let to = ((from.0 + draw(1.0)).clamp(-90.0, 90.0), (from.1 + draw(1.0)).clamp(-180.0, 180.0));
            let d = distance_m(from, to);
            assert!(meridian_distance_m(from, to) <= d * (1.0 + 1e-9) + 1e-6, "{from:?} {to:?}");
            assert!((near_distance_m(from, to) - d).abs() <= d * 1e-3 + 1e-6, "{from:?} {to:?}");
            assert!(d <= distance_bound_m(from, to) * (1.0 + 1e-9) + 1e-6, "{from:?} {to:?}");
        }
    }

    #[test]
    fn a_degree_of_latitude_is_111_km_and_north_is_zero() {
        assert!((distance_m((0.0, 0.0), (1.0, 0.0)) - 111_195.08).abs() < 0.1);
        assert!(bearing_deg((0.0, 0.0), (1.0, 0.0)).abs() < 1e-9);
        assert!((bearing_deg((0.0, 0.0), (0.0, -1.0)) - 270.0).abs() < 1e-9);
    }
}
