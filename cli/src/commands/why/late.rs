//! Which late frames the geofence could not put into its path any more.

use super::path::Frame;
use rhumb_engine::alert::AlertKind;
use rhumb_operators::geofence::GeofenceConfig;
use rhumb_operators::geofence::why::Why;

/// Kind and time of an alert.
pub type Told = (AlertKind, i64);

/// Of each frame that was left out, how many newer ones were there. Where the lake does not say which of two frames came
/// first, what was told decides.
pub fn left_out(
    frames: &[Frame],
    config: &GeofenceConfig,
    told: &[Told],
    replay: impl Fn(&[&Frame]) -> Vec<Why>,
) -> Vec<Option<usize>> {
    let surely = beyond(frames, config.path_keep, |newer, late| newer < late);
    let maybe = beyond(frames, config.path_keep, |newer, late| newer <= late);
    if surely == maybe {
        return surely;
    }
    let unlike = |left_out: &[Option<usize>]| {
        let taken: Vec<&Frame> = frames.iter().zip(left_out).filter(|(_, out)| out.is_none()).map(|(f, _)| f).collect();
        let replayed = replay(&taken).into_iter().flat_map(|why| why.told);
        let mut replayed: Vec<Told> = replayed.map(|(kind, _, at)| (kind, at)).collect();
        replayed.retain(|(kind, _)| config.alerts.contains(kind));
        let missing = told.iter().filter(|told| !replayed.contains(told)).count();
        missing + replayed.iter().filter(|replayed| !told.contains(replayed)).count()
    };
    if unlike(&maybe) < unlike(&surely) { maybe } else { surely }
}

/// Late frames with a whole path of newer frames that came before them.
fn beyond(frames: &[Frame], keep: usize, came_before: impl Fn((i64, i64), (i64, i64)) -> bool) -> Vec<Option<usize>> {
    let newer = |n: usize| {
        let (late, behind) = (&frames[n], &frames[n + 1..]);
        let is_newer = |frame: &&Frame| frame.recorded.time > late.recorded.time && came_before(frame.came, late.came);
        late.late.then(|| behind.iter().filter(is_newer).count()).filter(|newer| *newer >= keep)
    };
    (0..frames.len()).map(newer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhumb_operators::geofence::why::Recorded;

    #[test]
    fn a_frame_is_too_late_behind_a_whole_path_of_newer_ones() {
        let frame = |time, late, came| {
            let recorded = Recorded { time, lat: 0.0, lon: 0.0, accuracy_m: None, speed_mps: None };
            Frame { recorded, late, came: (1, came), refused: None }
        };
        let frames =
            [frame(1, true, 9), frame(2, false, 2), frame(3, true, 9), frame(4, false, 4), frame(5, false, 11)];
        let before = |newer, late| newer < late;
        assert_eq!(beyond(&frames, 2, before), [Some(2), None, None, None, None]);
        assert_eq!(beyond(&frames, 1, before), [Some(2), None, Some(1), None, None]);
        assert_eq!(beyond(&frames, 3, before), [None; 5]);
        assert_eq!(beyond(&frames, 3, |newer, late| newer <= late), [Some(3), None, None, None, None]);
    }
}
