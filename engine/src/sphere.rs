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

    /// On the unit sphere: x towards (0, 0), y towards (0, 90), z towards the north pole.
    fn vector(place: (f64, f64)) -> [f64; 3] {
        let ((lat_sin, lat_cos), (lon_sin, lon_cos)) = (place.0.to_radians().sin_cos(), place.1.to_radians().sin_cos());
        [lat_cos * lon_cos, lat_cos * lon_sin, lat_sin]
    }

    fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    }

    /// Angle between vectors, and the direction of one seen along the east and north of the other.
    #[test]
    fn distance_and_bearing_are_those_of_vectors() {
        let mut x = 7u64;
        let mut draw = |span: f64| {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((x >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * span
        };
        for row in 0..100_000 {
            let from = (draw(178.0), draw(360.0));
            // Near and far in turn.
            let span = [0.001, 1.0, 50.0, 360.0][row % 4];
            let to = ((from.0 + draw(span)).clamp(-89.0, 89.0), from.1 + draw(span));
            let (a, b) = (vector(from), vector(to));
            let c = cross(a, b);
            let metres = EARTH_RADIUS_M * dot(c, c).sqrt().atan2(dot(a, b));
            assert!((distance_m(from, to) - metres).abs() <= metres * 1e-6 + 1e-6, "{from:?} {to:?}");
            let (lon_sin, lon_cos) = from.1.to_radians().sin_cos();
            let east = [-lon_sin, lon_cos, 0.0];
            let bearing = dot(b, east).atan2(dot(b, cross(a, east))).to_degrees();
            // Within a metre no direction can be told so finely; nor towards the other side of the earth.
            if (1.0..2e7).contains(&metres) {
                let apart = (bearing_deg(from, to) - bearing).rem_euclid(360.0);
                assert!(apart.min(360.0 - apart) < 1e-6, "{from:?} {to:?} {apart}");
            }
        }
    }
}
