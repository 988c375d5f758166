//! The fleet keeps its promises: same seed same frames, faults at their shares, and nothing else out of the ordinary.

use super::*;
use std::collections::{HashMap, HashSet};

fn shares() -> Shares {
    Shares {
        gap: 0.001,
        duplicate: 0.01,
        late: 0.02,
        clock_future: 0.005,
        clock_rollover: 0.006,
        clock_zero: 0.007,
        null_island: 0.008,
        teleport: 0.009,
    }
}

fn clean(vehicles: u32, seconds: f64, period_s: f64) -> SimulateConfig {
    SimulateConfig { rate_per_s: f64::from(vehicles) / period_s, ..SimulateConfig::new(vehicles, seconds, 42) }
}

#[test]
fn same_seed_gives_the_same_frames_and_another_seed_others() {
    let config = SimulateConfig { shares: shares(), ..clean(500, 600.0, 5.0) };
    let first: Vec<SimulatedFrame> = Fleet::new(config.clone()).collect();
    assert!(Fleet::new(config.clone()).eq(first.iter().copied()));
    assert!(!Fleet::new(SimulateConfig { seed: 43, ..config }).eq(first));
}

#[test]
fn frames_are_the_same_on_every_machine() {
    let config = SimulateConfig { shares: shares(), ..clean(500, 600.0, 5.0) };
    let mut bytes = Vec::new();
    write(&mut Simulated::new(Fleet::new(config)), &mut Csv { received_at: true }, Rate::Max, &mut bytes).unwrap();
    let sum =
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, b| (sum ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    // Whoever changes how vehicles drive changes this number, and says so in the change log.
    expect_test::expect!["13175df84987aaca"].assert_eq(&format!("{sum:016x}"));
}

#[test]
fn faults_do_not_change_how_vehicles_drive() {
    let plain: HashMap<(u32, EventTime), SimulatedFrame> =
        Fleet::new(clean(200, 300.0, 5.0)).map(|f| ((f.vehicle, f.event_time), f)).collect();
    let faulty = Fleet::new(SimulateConfig { shares: shares(), ..clean(200, 300.0, 5.0) });
    let untouched: Vec<SimulatedFrame> = faulty.filter(|f| f.fault.is_none()).collect();
    assert!(untouched.len() > 10_000);
    assert!(untouched.iter().all(|f| plain[&(f.vehicle, f.event_time)] == *f));
}

#[test]
fn frames_come_in_order_of_arrival_evenly_over_the_fleet() {
    let config = SimulateConfig { shares: shares(), ..clean(300, 200.0, 2.0) };
    let frames: Vec<SimulatedFrame> = Fleet::new(config).collect();
    assert!(frames.is_sorted_by_key(|f| f.arrival));
    let clean: Vec<SimulatedFrame> = Fleet::new(clean(300, 200.0, 2.0)).collect();
    assert_eq!(clean.len(), 30_000);
    let mut by_vehicle: HashMap<u32, u32> = HashMap::new();
    clean.iter().for_each(|f| *by_vehicle.entry(f.vehicle).or_default() += 1);
    assert!(by_vehicle.len() == 300 && by_vehicle.values().all(|count| *count == 100));
}

#[test]
fn faults_hold_their_shares() {
    let shares = Shares { gap: 0.0, ..shares() };
    let frames: Vec<SimulatedFrame> = Fleet::new(SimulateConfig { shares, ..clean(1_000, 5_000.0, 5.0) }).collect();
    let sent = 1_000_000.0;
    let count = |fault| frames.iter().filter(|f| f.fault == Some(fault)).count() as f64;
    for (fault, share) in [
        (Fault::Duplicate, shares.duplicate),
        (Fault::Late, shares.late),
        (Fault::ClockFuture, shares.clock_future),
        (Fault::ClockRollover, shares.clock_rollover),
        (Fault::ClockZero, shares.clock_zero),
        (Fault::NullIsland, shares.null_island),
        (Fault::Teleport, shares.teleport),
    ] {
        // Five standard deviations of a binomial.
        let allowed = 5.0 * (sent * share * (1.0 - share)).sqrt();
        assert!((count(fault) - sent * share).abs() < allowed, "{fault:?}: {}", count(fault));
    }
    assert_eq!(frames.len() as f64, sent + count(Fault::Duplicate));
    let mut seen = HashSet::new();
    let doubled = frames.iter().filter(|f| !seen.insert((f.vehicle, f.event_time, f.lat.to_bits())));
    assert_eq!(doubled.filter(|f| f.event_time.0 > 0 && f.lat != 0.0).count() as f64, count(Fault::Duplicate));
}

#[test]
fn gaps_are_as_long_as_asked_for() {
    let shares = Shares { gap: 0.005, ..Shares::default() };
    let config = SimulateConfig { shares, gap_s: 100.0, ..clean(200, 4_000.0, 2.0) };
    let mut last: HashMap<u32, EventTime> = HashMap::new();
    let mut gaps_s = Vec::new();
    for frame in Fleet::new(config) {
        if let Some(before) = last.insert(frame.vehicle, frame.event_time) {
            let apart_s = (frame.event_time.0 - before.0) as f64 * 1e-6;
            gaps_s.extend((apart_s > 2.5).then_some(apart_s));
        }
    }
    let mean_s = gaps_s.iter().sum::<f64>() / gaps_s.len() as f64;
    assert!(gaps_s.len() > 500 && (95.0..106.0).contains(&mean_s), "{} gaps of {mean_s} s", gaps_s.len());
    assert!(gaps_s.iter().all(|s| *s < 320.0));
}

/// Metres between two frames.
fn apart_m(a: &SimulatedFrame, b: &SimulatedFrame) -> f64 {
    let north = (b.lat - a.lat).to_radians();
    let east = (b.lon - a.lon).to_radians() * ((a.lat + b.lat) / 2.0).to_radians().cos();
    6_371_008.8 * north.hypot(east)
}

#[test]
fn vehicles_move_as_vehicles_do() {
    for period_s in [1.0, 10.0] {
        let config = SimulateConfig { noise_m: 0.0, radius_m: 5_000.0, ..clean(400, 3_000.0, period_s) };
        let centre = SimulatedFrame { lat: config.lat, lon: config.lon, ..Fleet::new(config.clone()).next().unwrap() };
        let mut last: HashMap<u32, SimulatedFrame> = HashMap::new();
        let (mut stopped, mut frames) = (0, 0);
        for frame in Fleet::new(config) {
            frames += 1;
            stopped += u32::from(frame.speed_mps == 0.0);
            assert!((0.0..360.0).contains(&frame.heading_deg) && (0.0..34.0).contains(&frame.speed_mps));
            assert!(apart_m(&centre, &frame) < 15_000.0, "{frame:?} has left the town");
            let Some(before) = last.insert(frame.vehicle, frame) else { continue };
            let seconds = (frame.event_time.0 - before.event_time.0) as f64 * 1e-6;
            let speed_mps = apart_m(&before, &frame) / seconds;
            assert!(speed_mps < 34.0, "{speed_mps} m/s from {before:?} to {frame:?}");
            let change = f64::from(frame.speed_mps - before.speed_mps) / seconds;
            assert!((-2.1..1.6).contains(&change), "{change} m/s2 from {before:?} to {frame:?}");
            if period_s < 2.0 {
                let turned = f64::from((frame.heading_deg - before.heading_deg + 540.0) % 360.0 - 180.0) / seconds;
                assert!(turned.abs() < 31.0, "{turned} degrees a second from {before:?} to {frame:?}");
            }
        }
        let share = f64::from(stopped) / f64::from(frames);
        assert!((0.1..0.7).contains(&share), "{share} of the time at a stop");
    }
}

#[test]
fn noise_drifts_and_is_as_wide_as_asked_for() {
    let plain = Fleet::new(SimulateConfig { noise_m: 0.0, ..clean(300, 1_000.0, 1.0) });
    let noisy = Fleet::new(SimulateConfig { noise_m: 5.0, ..clean(300, 1_000.0, 1.0) });
    let pairs = plain.zip(noisy).skip(300 * 300);
    let squares: Vec<f64> = pairs.map(|(a, b)| apart_m(&a, &b).powi(2)).collect();
    let width_m = (squares.iter().sum::<f64>() / squares.len() as f64 / 2.0).sqrt();
    assert!((4.5..5.5).contains(&width_m), "{width_m}");
}

#[test]
fn what_is_wrong_with_a_configuration_is_said_all_at_once() {
    let config = SimulateConfig { rate_per_s: 0.0, lat: 91.0, ..SimulateConfig::new(0, -1.0, 0) };
    let problems = config.problems();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert_eq!(clean(1, 1.0, 1.0).problems(), Vec::<String>::new());
}

#[test]
fn names_have_six_digits_or_as_many_as_needed() {
    for (number, name) in [(0, "v000000"), (123, "v000123"), (1_000_000, "v1000000"), (u32::MAX, "v4294967295")] {
        assert_eq!(VehicleName::new(number).as_str(), name);
    }
}
