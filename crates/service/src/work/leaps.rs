//! Leaps of the clock: the machine slept, or the clock was set. What waits for an instant looks again at once.
//!
//! Whoever sleeps until an instant sleeps for a while that was told by the clock of before, and a machine that slept does not count that while.
//! So somebody looks at the clock every second, which costs next to nothing.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tessera_engine::time::Timestamp;

use crate::base::keeper::Keeper;
use crate::work::service::Service;

/// How often somebody looks at the clock.
const LOOKED_AT: Duration = Duration::from_secs(1);
/// How far it may have gone on between two looks; a busy machine looks late.
const STEP_MICROS_MAX: i64 = 5_000_000;
/// How far ahead of the clock an instant may lie that was told by it: what lies further ahead is of a clock that was wrong.
const AHEAD_MICROS_MAX: i64 = 3_600_000_000;

/// Whether so many microseconds have passed since an instant. One that lies far ahead is of a clock that was wrong, and holds nothing up.
pub(crate) fn has_passed(since: Timestamp, micros: i64, now: Timestamp) -> bool {
    since.plus_micros(micros) <= now || since > now.plus_micros(AHEAD_MICROS_MAX)
}

/// Sees leaps.
#[derive(Debug)]
pub(crate) struct Leaps {
    last: Timestamp,
}

impl Leaps {
    pub(crate) fn since(now: Timestamp) -> Self {
        Self { last: now }
    }

    /// Whether the clock has leapt since the last look, forward or back.
    pub(crate) fn see(&mut self, now: Timestamp) -> bool {
        let went = now.micros().saturating_sub(self.last.micros());
        self.last = now;
        !(0..=STEP_MICROS_MAX).contains(&went)
    }
}

/// Looks at the clock until it is stopped.
pub(crate) async fn look_out(keeper: Arc<Keeper>, service: Weak<Service>) {
    while !keeper.is_stopped() {
        keeper.rest(Some(LOOKED_AT)).await;
        let Some(service) = service.upgrade() else { return };
        service.look_at_clock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + micros).expect("an instant")
    }

    #[test]
    fn a_clock_leaps_when_it_goes_back_or_far_on() {
        let mut leaps = Leaps::since(at(0));
        let mut check = |now, expected| assert_eq!(leaps.see(at(now)), expected, "{now}");
        check(0, false);
        check(1_000_000, false);
        check(6_000_000, false);
        check(11_000_001, true);
        check(12_000_000, false);
        check(11_999_999, true);
        check(12_000_000, false);
        check(90_000_000_000, true);
    }

    #[test]
    fn an_instant_far_ahead_holds_nothing_up() {
        assert!(!has_passed(at(0), 100, at(99)));
        assert!(has_passed(at(0), 100, at(100)));
        assert!(!has_passed(at(AHEAD_MICROS_MAX), 100, at(0)), "an order of instants may be ahead a little");
        assert!(has_passed(at(AHEAD_MICROS_MAX + 1), 100, at(0)));
    }
}
