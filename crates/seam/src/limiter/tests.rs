//! Exactness under many threads, on a clock that stands still or is moved by hand.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use super::*;

fn by_hand() -> (Arc<AtomicI64>, Limiter) {
    let micros = Arc::new(AtomicI64::new(1_000_000_000_000));
    let read = Arc::clone(&micros);
    let clock = move || Timestamp::from_micros(read.load(Ordering::SeqCst)).expect("a time");
    (micros, Limiter::new(Arc::new(clock)))
}

fn limit(per_second: u32, burst: u32, concurrency: u32) -> Option<RateLimit> {
    Some(RateLimit::new(per_second, burst, concurrency).expect("figures"))
}

fn key(number: u8) -> Subject {
    Subject::Key(KeyId::from_bytes([number; 12]))
}

/// How many of so many tries, from eight threads at once, are let in.
fn let_in(limiter: &Limiter, bounds: &[(Subject, Option<RateLimit>)], tries: usize) -> usize {
    let admitted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..tries / 8 {
                    admitted.fetch_add(usize::from(limiter.admit(bounds).is_ok()), Ordering::SeqCst);
                }
            });
        }
    });
    admitted.into_inner()
}

#[test]
fn a_burst_is_exact_under_many_threads_and_refills_exactly() {
    let (micros, limiter) = by_hand();
    let bounds = [(key(1), limit(50, 100, 1_000))];
    assert_eq!(let_in(&limiter, &bounds, 8_000), 100);
    micros.fetch_add(1_000_000, Ordering::SeqCst);
    assert_eq!(let_in(&limiter, &bounds, 8_000), 50);
    micros.fetch_add(19_999, Ordering::SeqCst);
    assert_eq!(let_in(&limiter, &bounds, 80), 0);
    micros.fetch_add(1, Ordering::SeqCst);
    assert_eq!(let_in(&limiter, &bounds, 80), 1);
    micros.fetch_add(3_600_000_000, Ordering::SeqCst);
    assert_eq!(let_in(&limiter, &bounds, 8_000), 100);
}

#[test]
fn a_clock_that_is_set_back_stops_nobody() {
    let (micros, limiter) = by_hand();
    let bounds = [(key(1), limit(50, 100, 1_000))];
    assert_eq!(let_in(&limiter, &bounds, 800), 100);
    micros.fetch_sub(3_600_000_000, Ordering::SeqCst);
    assert_eq!(let_in(&limiter, &bounds, 800), 0);
    micros.fetch_add(1_000_000, Ordering::SeqCst);
    assert_eq!(let_in(&limiter, &bounds, 800), 50);
}

#[test]
fn a_workspace_bounds_its_keys_together_and_another_key_is_free() {
    let (_, limiter) = by_hand();
    let workspace = (Subject::Workspace(WorkspaceId::new(7)), limit(10, 10, 100));
    let admitted: usize =
        (1..=4).map(|number| let_in(&limiter, &[(key(number), limit(5, 5, 100)), workspace], 80)).sum();
    assert_eq!(admitted, 10);
    assert_eq!(let_in(&limiter, &[(key(9), None)], 800), 800);
}

#[test]
fn requests_under_way_are_exact_and_places_come_back() {
    let (_, limiter) = by_hand();
    let bounds = [(key(1), limit(1_000_000, 1_000_000, 3))];
    let held: Vec<_> = (0..3).map(|_| limiter.admit(&bounds).expect("room")).collect();
    let error = limiter.admit(&bounds).expect_err("no room");
    assert_eq!((error.code, error.retry_after_secs), ("concurrency_limited", Some(1)));
    drop(held);
    let most = AtomicUsize::new(0);
    let now = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    if let Ok(_permit) = limiter.admit(&bounds) {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert!((1..=3).contains(&most.into_inner()));
    assert!(limiter.admit(&bounds).is_ok());
}

#[test]
fn the_wait_is_in_whole_seconds_and_a_changed_limit_holds_at_once() {
    let (micros, limiter) = by_hand();
    let slow = [(key(1), limit(1, 1, 10))];
    assert!(limiter.admit(&slow).is_ok());
    assert_eq!(limiter.admit(&slow).expect_err("empty").retry_after_secs, Some(1));
    micros.fetch_add(999_999, Ordering::SeqCst);
    assert_eq!(limiter.admit(&slow).expect_err("still empty").retry_after_secs, Some(1));
    micros.fetch_add(1, Ordering::SeqCst);
    assert!(limiter.admit(&slow).is_ok());
    assert!(limiter.admit(&[(key(1), limit(2, 2, 10))]).is_ok());
}

/// The preset `dinmo`, second by second: how many of so many that are asked for, spread over each second, are let in.
#[test]
fn the_preset_lets_in_a_thousand_for_two_minutes_and_then_five_hundred() {
    let (micros, limiter) = by_hand();
    let bounds = [(Subject::Workspace(WorkspaceId::new(7)), Some(RateLimit::DINMO))];
    let second = |asked: u64| {
        let mut admitted = 0;
        for _ in 0..asked {
            admitted += u64::from(limiter.admit(&bounds).is_ok());
            micros.fetch_add(i64::try_from(1_000_000 / asked).expect("a figure"), Ordering::SeqCst);
        }
        admitted
    };
    // Twice the limit for four minutes: the burst lasts two, whoever asks for more than it in a second gets no more.
    let counts: Vec<u64> = (0..240).map(|_| second(2_000)).collect();
    assert!(counts[..118].iter().all(|count| *count == 1_000), "{:?}", &counts[..118]);
    assert!(counts[122..].iter().all(|count| (499..=501).contains(count)), "{:?}", &counts[122..]);
    let all: u64 = counts.iter().sum();
    let rule = 60_000 + 500 * 240;
    assert!(all.abs_diff(rule) * 100 <= rule, "{all} {rule}");
    // Quiet seconds fill the reserve by what they leave: 400 a second leave 100.
    assert!((0..100).all(|_| second(400) == 400));
    let counts: Vec<u64> = (0..40).map(|_| second(1_000)).collect();
    let above: u64 = counts.iter().map(|count| count - 500).sum();
    assert!((9_900..=10_100).contains(&above), "{above} {counts:?}");
}

#[test]
fn any_stretch_of_a_second_is_held_to_the_peak() {
    let (micros, limiter) = by_hand();
    let peaked = RateLimit::new(500, 60_000, 1_000).and_then(|limit| limit.with_peak(1_000)).expect("figures");
    let bounds = [(key(1), Some(peaked))];
    assert_eq!(let_in(&limiter, &bounds, 8_000), 1_000);
    let refused = limiter.admit(&bounds).expect_err("the peak");
    assert_eq!((refused.code, refused.retry_after_secs), ("rate_limited", Some(1)));
    micros.fetch_add(999_999, Ordering::SeqCst);
    assert_eq!(let_in(&limiter, &bounds, 8_000), 0);
    micros.fetch_add(1, Ordering::SeqCst);
    assert_eq!(let_in(&limiter, &bounds, 8_000), 1_000);
    for wrong in [0, RateLimit::PEAK_MAX + 1] {
        assert!(peaked.with_peak(wrong).is_err());
    }
}
