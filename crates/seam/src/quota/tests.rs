use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

const MINUTE: Quota =
    Quota { name: "minute", paths: &[], window: Window::Minute, calls: 3, at_once: None, tell: |_| HeaderMap::new() };
const HOUR: Quota = Quota { name: "hour", window: Window::Hour, at_once: Some(2), ..MINUTE };

fn counted() -> (Quotas, Arc<AtomicI64>) {
    let micros = Arc::new(AtomicI64::new(7 * 3_600_000_000 + 30_000_000));
    let own = micros.clone();
    let clock = move || Timestamp::from_micros(own.load(Ordering::Relaxed)).expect("a time");
    (Quotas::new(Arc::new(clock)), micros)
}

fn check(quotas: &Quotas, quota: &Quota, workspace: u32, expected: Result<u32, (&str, u32)>) -> Place {
    let (spent, place) = quotas.admit(quota, WorkspaceId::new(workspace));
    let got =
        place.as_ref().map(|_| spent.remaining).map_err(|error| (error.code, error.retry_after_secs.unwrap_or(0)));
    assert_eq!(got, expected, "{}", quota.name);
    place.ok().flatten()
}

#[test]
fn a_window_takes_so_many_calls_and_the_next_one_as_many() {
    let (quotas, micros) = counted();
    for left in [2, 1, 0] {
        check(&quotas, &MINUTE, 1, Ok(left));
    }
    check(&quotas, &MINUTE, 1, Err(("quota_exceeded", 31)));
    check(&quotas, &MINUTE, 2, Ok(2));
    let (spent, _) = quotas.admit(&MINUTE, WorkspaceId::new(1));
    assert_eq!((spent.remaining, spent.reset.micros()), (0, 7 * 3_600_000_000 + 60_000_000));
    micros.fetch_add(29_999_999, Ordering::Relaxed);
    check(&quotas, &MINUTE, 1, Err(("quota_exceeded", 1)));
    micros.fetch_add(1, Ordering::Relaxed);
    check(&quotas, &MINUTE, 1, Ok(2));
}

#[test]
fn so_many_are_under_way_at_one_time() {
    let (quotas, micros) = counted();
    let first = check(&quotas, &HOUR, 1, Ok(2));
    let _second = check(&quotas, &HOUR, 1, Ok(1));
    // What is refused for want of a place is not counted.
    check(&quotas, &HOUR, 1, Err(("quota_at_once", 1)));
    drop(first);
    let _third = check(&quotas, &HOUR, 1, Ok(0));
    check(&quotas, &HOUR, 1, Err(("quota_exceeded", 3_571)));
    micros.fetch_add(3_600_000_000, Ordering::Relaxed);
    // Those of the hour before are still under way.
    check(&quotas, &HOUR, 1, Err(("quota_at_once", 1)));
}

#[test]
fn counts_that_are_over_are_dropped() {
    let (quotas, micros) = counted();
    let _under_way = check(&quotas, &HOUR, 1, Ok(2));
    for workspace in 1..=3_000 {
        check(&quotas, &MINUTE, workspace, Ok(2));
    }
    micros.fetch_add(3_600_000_000, Ordering::Relaxed);
    check(&quotas, &MINUTE, 5_000, Ok(2));
    assert_eq!(quotas.counts.lock().expect("a lock").len(), 2);
}
