//! Great-circle distance and bearing, on the sphere of the mean earth radius.

/// Mean earth radius of IUGG, metres.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;
/// Of latitude, or of longitude at the equator.
pub const METRES_PER_DEGREE: f64 = EARTH_RADIUS_M * std::f64::consts::PI / 180.0;

/// Metres between two (lat, lon) in degrees, by the haversine formula.
#[inline]
pub fn distance_m(from: (f64, f64), to: (f64, f64)) -> f64 {
    let half = 0.5 * RADIANS_PER_DEGREE;
    let (half_lat, half_lon) = ((to.0 - from.0) * half, (to.1 - from.1) * half);
    match half_lat.abs() > NEAR || half_lon.abs() > NEAR {
        true => far_m(from, to),
        false => near_m((from.0 + to.0) * half, half_lat, half_lon),
    }
}

fn far_m(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (lat1, lat2) = (from.0.to_radians(), to.0.to_radians());
    let half_lat = ((lat2 - lat1) / 2.0).sin();
    let half_lon = ((to.1 - from.1).to_radians() / 2.0).sin();
    let h = half_lat * half_lat + lat1.cos() * lat2.cos() * half_lon * half_lon;
    2.0 * EARTH_RADIUS_M * h.min(1.0).sqrt().asin()
}

/// `distance_m` of many, from each of some places to that of the same row; NaN where `from` is.
pub fn distances_m(from: (&[f64], &[f64]), to: (&[f64], &[f64])) -> Vec<f64> {
    let rows = || from.0.iter().zip(from.1).zip(to.0.iter().zip(to.1));
    // Without a branch, so that the processor takes several rows at a time.
    let near = |((lat1, lon1), (lat2, lon2)): ((&f64, &f64), (&f64, &f64))| {
        let half = 0.5 * RADIANS_PER_DEGREE;
        near_m((lat1 + lat2) * half, (lat2 - lat1) * half, (lon2 - lon1) * half)
    };
    let mut metres: Vec<f64> = rows().map(near).collect();
    for (metres, ((lat1, lon1), (lat2, lon2))) in metres.iter_mut().zip(rows()) {
        let near = 2.0 * NEAR / RADIANS_PER_DEGREE;
        if (lat2 - lat1).abs() > near || (lon2 - lon1).abs() > near {
            *metres = far_m((*lat1, *lon1), (*lat2, *lon2));
        }
    }
    metres
}

const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;
/// Half of a difference, in radians: a little more than a degree.
const NEAR: f64 = 0.01;

/// The same formula where both are near each other, as they are for nearly all frames, by series cut off where f64 ends:
/// a fifth of the time. `mid_lat` lies half way, `half_lat` and `half_lon` are half of the differences, all in radians.
#[inline]
fn near_m(mid_lat: f64, half_lat: f64, half_lon: f64) -> f64 {
    let squared_sine = |x: f64| {
        let x2 = x * x;
        let sine = 1.0 - x2 * (1.0 / 6.0 - x2 * (1.0 / 120.0));
        x2 * sine * sine
    };
    let (lat, lon) = (squared_sine(half_lat), squared_sine(half_lon));
    // cos(a) cos(b) = cos((a + b) / 2)^2 - sin((a - b) / 2)^2
    let cosine = cosine(mid_lat);
    let h = lat + (cosine * cosine - lat) * lon;
    // Below nothing by rounding, beside a pole.
    let h = if h < 0.0 { 0.0 } else { h };
    // The arc of a sine.
    2.0 * EARTH_RADIUS_M * h.sqrt() * (1.0 + h * (1.0 / 6.0 + h * (3.0 / 40.0 + h * (15.0 / 336.0))))
}

/// Of an angle from -pi/2 to pi/2.
#[inline]
fn cosine(angle: f64) -> f64 {
    let half = 0.5 * angle;
    let x = half * half;
    let (x2, x4) = (x * x, (x * x) * (x * x));
    let low = (1.0 - x * (1.0 / 6.0)) + x2 * (1.0 / 120.0 - x * (1.0 / 5_040.0));
    let high =
        (1.0 / 362_880.0 - x * (1.0 / 39_916_800.0)) + x2 * (1.0 / 6_227_020_800.0 - x * (1.0 / 1_307_674_368_000.0));
    let sine = half * (low + x4 * high);
    1.0 - 2.0 * sine * sine
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

/// Whether `distance_m` is at most `metres`, going by an upper bound that needs no trigonometry: along the meridian, then
/// along the widest parallel. False says nothing.
#[inline]
pub fn is_surely_within(from: (f64, f64), to: (f64, f64), metres: f64) -> bool {
    let (lat, lon, most) = (to.0 - from.0, to.1 - from.1, metres * (0.999 / METRES_PER_DEGREE));
    lat * lat + lon * lon <= most * most
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
            let metres = draw(2e5).abs();
            assert!(!is_surely_within(from, to, metres) || d <= metres, "{from:?} {to:?}");
            assert!(is_surely_within(from, to, d * 2.0 / from.0.to_radians().cos().min(to.0.to_radians().cos())));
        }
    }

    #[test]
    fn a_degree_of_latitude_is_111_km_and_north_is_zero() {
        assert!((distance_m((0.0, 0.0), (1.0, 0.0)) - 111_195.08).abs() < 0.1);
        assert!(bearing_deg((0.0, 0.0), (1.0, 0.0)).abs() < 1e-9);
        assert!((bearing_deg((0.0, 0.0), (0.0, -1.0)) - 270.0).abs() < 1e-9);
    }

    #[test]
    fn series_give_what_the_functions_give() {
        let mut x = 3u64;
        let mut draw = |span: f64| {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((x >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * span
        };
        for row in 0..100_000 {
            let span = [1e-5, 1e-2, 1.0, 2.2][row % 4];
            let from = (draw([180.0, 179.9999][row % 2]), draw(360.0));
            let to = ((from.0 + draw(span)).clamp(-90.0, 90.0), from.1 + draw(span));
            let (near, far) = (distance_m(from, to), far_m(from, to));
            assert_eq!(distances_m((&[from.0], &[from.1]), (&[to.0], &[to.1])), [near]);
            // A nanometre, or what the sum of latitudes loses beside a pole.
            assert!((near - far).abs() <= far * 1e-13 + 2e-8, "{from:?} {to:?} {near} {far}");
        }
        for (from, to) in [((90.0, 0.0), (90.0, 1.0)), ((-90.0, 5.0), (-90.0, 5.0)), ((12.5, -7.0), (12.5, -7.0))] {
            assert!(distance_m(from, to).abs() < 1e-8, "{from:?} {to:?}");
        }
        assert!(distances_m((&[f64::NAN], &[f64::NAN]), (&[1.0], &[2.0]))[0].is_nan());
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
