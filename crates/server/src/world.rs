//! What only the binary may ask the world for: the time, random bits, and to be left alone for a while.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tessera_engine::time::Timestamp;

/// The time of this machine, in microseconds of UTC. The service keeps it from running backwards.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(micros).unwrap_or(Timestamp::MAX)
}

/// An instant that waits are measured from.
#[expect(clippy::disallowed_methods, reason = "this is the clock that waits of threads are measured by")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Fills the bytes from the operating system's random source.
#[expect(clippy::disallowed_methods, reason = "this is the random source that everything else is given")]
pub(crate) fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("a machine without a random source cannot make keys or ids");
}

/// Waits before another try.
#[expect(clippy::disallowed_methods, reason = "the command line waits as long as a server asks it to")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
