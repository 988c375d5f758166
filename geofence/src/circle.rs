//! Circles on the sphere.

use crate::bounds::Bounds;
use crate::position::Position;

/// Mean radius of the Earth in metres, the sphere of all haversine distances here.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Relative slack between a distance that was bounded and one that was computed point by point.
const SLACK: f64 = 1e-9;

/// All places at most `radius_m` from `centre` along the sphere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circle {
    pub centre: Position,
    pub radius_m: f64,
}

/// How a box lies in relation to a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BoxSide {
    Outside,
    Border,
    Inside,
}

impl Circle {
    /// Whether `p` (`[longitude, latitude]`) is inside or on the circle.
    pub(crate) fn holds(&self, p: [f64; 2]) -> bool {
        self.distance_m(p) <= self.radius_m
    }

    /// Haversine distance in metres from the centre to `p` (`[longitude, latitude]` in degrees).
    pub(crate) fn distance_m(&self, p: [f64; 2]) -> f64 {
        let (lat_a, lat_b) = (self.centre.lat().to_radians(), p[1].to_radians());
        let half_lat = ((p[1] - self.centre.lat()).to_radians() * 0.5).sin();
        let half_lon = ((p[0] - self.centre.lon()).to_radians() * 0.5).sin();
        let h = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lon * half_lon;
        2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
    }

    /// One box, or two where the circle lies over the antimeridian. A little larger than the circle.
    pub(crate) fn bounds(&self) -> Vec<Bounds> {
        let reach = (self.radius_m / EARTH_RADIUS_M) * (1.0 + 1e-6) + 1e-12;
        let (lat, lon) = (self.centre.lat(), self.centre.lon());
        let (low, high) = (lat - reach.to_degrees(), lat + reach.to_degrees());
        let of = |min_lon, max_lon| Bounds { min: [min_lon, low.max(-90.0)], max: [max_lon, high.min(90.0)] };
        if low <= -90.0 || high >= 90.0 {
            return vec![of(-180.0, 180.0)];
        }
        let wide = (reach.sin() / lat.to_radians().cos()).min(1.0).asin().to_degrees() * (1.0 + 1e-9) + 1e-12;
        match (lon - wide < -180.0, lon + wide > 180.0) {
            (true, _) => vec![of(-180.0, lon + wide), of(lon - wide + 360.0, 180.0)],
            (_, true) => vec![of(lon - wide, 180.0), of(-180.0, lon + wide - 360.0)],
            _ => vec![of(lon - wide, lon + wide)],
        }
    }

    /// Never wrong when it says inside or outside; border when it may be either.
    pub(crate) fn classify(&self, b: &Bounds) -> BoxSide {
        let lon = self.centre.lon();
        let gap = |x: f64| {
            let d = (x - lon).abs() % 360.0;
            d.min(360.0 - d)
        };
        let holds_lon = |x: f64| [x - 360.0, x, x + 360.0].iter().any(|x| b.min[0] <= *x && *x <= b.max[0]);
        let nearest = if holds_lon(lon) { 0.0 } else { gap(b.min[0]).min(gap(b.max[0])) };
        let farthest = if holds_lon(lon + 180.0) { 180.0 } else { gap(b.min[0]).max(gap(b.max[0])) };

        // Along a meridian the cosine of the distance is R cos(lat - best): it peaks at `best`.
        let lat = self.centre.lat().to_radians();
        let (low, high) = (b.min[1].to_radians(), b.max[1].to_radians());
        let cosine = |lat_b: f64, d_lon: f64| lat.sin() * lat_b.sin() + lat.cos() * lat_b.cos() * d_lon.cos();
        let d_lon = nearest.to_radians();
        let best = lat.sin().atan2(lat.cos() * d_lon.cos());
        let mut closest = cosine(low, d_lon).max(cosine(high, d_lon));
        if low <= best && best <= high {
            closest = closest.max(cosine(best, d_lon));
        }
        // Cosines lose digits for short distances: the slack covers 1e-16 in the cosine, which is 1e-8 rad.
        let limit = self.radius_m / EARTH_RADIUS_M;
        if closest.clamp(-1.0, 1.0).acos() > limit * (1.0 + SLACK) + 5e-8 {
            return BoxSide::Outside;
        }
        let d_lon = farthest.to_radians();
        let far = cosine(low, d_lon).min(cosine(high, d_lon));
        if farthest <= 90.0 && far.clamp(-1.0, 1.0).acos() < limit * (1.0 - SLACK) - 5e-8 {
            return BoxSide::Inside;
        }
        BoxSide::Border
    }
}
