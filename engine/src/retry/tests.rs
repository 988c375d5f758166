use super::*;
use crate::health::{Degraded, Status};
use crate::time::EventTime;
use std::io::ErrorKind;
use std::sync::Mutex;

/// A clock that only waits move on.
#[derive(Default)]
struct Hands(Mutex<Vec<Duration>>);

impl Hands {
    fn waits(&self) -> Vec<Duration> {
        self.0.lock().unwrap().clone()
    }
}

impl Pause for Hands {
    fn elapsed(&self) -> Duration {
        self.waits().iter().sum()
    }

    fn pause(&self, wait: Duration) {
        self.0.lock().unwrap().push(wait);
    }
}

impl Clock for Hands {
    fn now(&self) -> EventTime {
        EventTime(self.elapsed().as_micros() as i64)
    }
}

fn retry(limit_s: u64, salt: u64) -> (Retry, Arc<Hands>) {
    let hands = Arc::new(Hands::default());
    let retry = Retry::new(Duration::from_secs(limit_s), hands.clone(), hands.clone(), Arc::default(), salt);
    retry.begin();
    (retry, hands)
}

/// Fails so often, then is done.
fn after(failures: usize, kind: ErrorKind) -> impl FnMut() -> io::Result<usize> {
    let mut tries = 0;
    move || {
        tries += 1;
        if tries > failures { Ok(tries) } else { Err(kind.into()) }
    }
}

#[test]
fn what_is_refused_for_a_while_is_done_in_the_end() {
    let (retry, hands) = retry(60, 1);
    assert_eq!(retry.run("write a", after(7, ErrorKind::StorageFull)).unwrap(), 8);
    assert_eq!(hands.waits().len(), 7);
    assert_eq!(retry.health().status(), Status::Ready);
    let Degraded { times, for_us } = retry.health().so_far();
    assert_eq!((times, for_us), (1, hands.elapsed().as_micros() as i64));
}

#[test]
fn waits_grow_to_a_limit_and_differ_between_engines() {
    let waits = |salt| {
        let (retry, hands) = retry(600, salt);
        retry.run("write a", after(20, ErrorKind::TimedOut)).unwrap();
        hands.waits()
    };
    let [one, other] = [1, 2].map(waits);
    assert_ne!(one, other);
    for (n, wait) in one.iter().enumerate() {
        let whole = WAIT_FIRST.saturating_mul(1 << n.min(16)).min(WAIT_MAX);
        assert!(whole / 2 <= *wait && *wait <= whole, "{n}: {wait:?}");
    }
}

#[test]
fn at_the_limit_it_ends_with_what_to_do() {
    let (retry, hands) = retry(60, 1);
    let error = retry.run("write a", after(usize::MAX, ErrorKind::StorageFull)).unwrap_err();
    assert_eq!(hands.elapsed(), Duration::from_secs(60));
    assert_eq!(
        error.to_string(),
        "no storage space; tried again for 1m (retry_for), then stopped before the commit: the last commit is whole, start \
         again once this is mended"
    );
    assert_eq!(advice(&error), ": the disk is full; free some space", "the kind is kept");
    assert_eq!(retry.health().status().name(), "degraded");
}

#[test]
fn what_no_retry_mends_is_told_at_once() {
    let (retry, hands) = retry(60, 1);
    let error = retry.run("write a", after(1, ErrorKind::PermissionDenied)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(hands.waits(), []);
    assert_eq!(retry.health().status(), Status::Ready);
}

#[test]
fn before_the_run_begins_nothing_is_tried_again() {
    assert!(Retry::off().run("write a", after(1, ErrorKind::TimedOut)).is_err());
}

#[test]
fn limit_is_of_each_trouble_not_of_all() {
    let (retry, _) = retry(1, 1);
    for _ in 0..100 {
        retry.run("write a", after(3, ErrorKind::TimedOut)).unwrap();
    }
    assert_eq!(retry.health().so_far().times, 100);
}
