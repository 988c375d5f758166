//! Zones whose latitude and longitude seem to be swapped, though both are in range: they lie far from all others of the
//! file, and the other way round they would lie among them.

use crate::zone::Zone;

/// With fewer there is no telling which of them are the others.
const ZONES_MIN: usize = 3;
/// Nearer to the others than so many degrees a zone is not far away.
const FAR_MIN_DEG: f64 = 5.0;
/// So many times as far away as half of the zones are, or as it would be the other way round.
const FAR_TIMES: f64 = 4.0;

/// Ordinals of such zones; none if they are not few. The middle is that of most zones, whatever the others do.
pub(crate) fn suspects(zones: &[&Zone]) -> Vec<usize> {
    let middles: Vec<Option<[f64; 2]>> = zones.iter().map(|zone| middle(zone)).collect();
    let known: Vec<[f64; 2]> = middles.iter().flatten().copied().collect();
    if known.len() < ZONES_MIN {
        return Vec::new();
    }
    let centre = [0, 1].map(|axis| median(known.iter().map(|p| p[axis]).collect()));
    let away = |p: [f64; 2]| (p[0] - centre[0]).abs().max((p[1] - centre[1]).abs());
    let usual = median(known.iter().map(|p| away(*p)).collect());
    let is_swapped = |p: &[f64; 2]| {
        let (far, swapped) = (away(*p), away([p[1], p[0]]));
        // The other way round it must be a place.
        p[0].abs() <= 90.0 && far > FAR_MIN_DEG && far > FAR_TIMES * usual && far > FAR_TIMES * swapped
    };
    let suspects: Vec<usize> =
        (0..zones.len()).filter(|zone| middles[*zone].as_ref().is_some_and(is_swapped)).collect();
    if suspects.len() * 3 <= zones.len() { suspects } else { Vec::new() }
}

/// `[longitude, latitude]` of the middle of its box; a dropped shape has none.
fn middle(zone: &Zone) -> Option<[f64; 2]> {
    let [west, south, east, north] = zone.shape.around();
    let middle = [(west + east) / 2.0, (south + north) / 2.0];
    middle.iter().all(|degrees| degrees.is_finite()).then_some(middle)
}

fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}
