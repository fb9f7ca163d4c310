//! How far a load is: a bar where somebody looks at a terminal, a line now and then where not.

use std::io::{IsTerminal as _, Read};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressBarIter, ProgressStyle};
use tessera_engine::time::Timestamp;

use super::sender::Counts;
use crate::world;

/// The progress of one file.
pub(crate) struct Progress {
    bar: ProgressBar,
    bytes: Option<u64>,
    started: Timestamp,
    /// When the last line was written, where lines are.
    last: Option<Timestamp>,
    every: Duration,
}

impl Progress {
    /// Over an input of so many bytes, if that is known. Without a terminal there is a line as often as this.
    pub(crate) fn new(bytes: Option<u64>, every: Duration) -> Self {
        let bar = match bytes {
            Some(bytes) => ProgressBar::new(bytes),
            None => ProgressBar::no_length(),
        };
        let template = match bytes {
            Some(_) => "{elapsed:>4} [{wide_bar}] {percent:>3}%, {eta} left, {msg}",
            None => "{elapsed:>4} {spinner} {bytes} {msg}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is constant").progress_chars("=> "));
        let started = world::now();
        let is_watched = std::io::stderr().is_terminal();
        if is_watched {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, bytes, started, last: (!is_watched).then_some(started), every }
    }

    /// The input, counted while it is read.
    pub(crate) fn counted<R: Read>(&self, input: R) -> ProgressBarIter<R> {
        self.bar.wrap_read(input)
    }

    /// Says what became of the rows so far.
    pub(crate) fn tell(&mut self, counts: &Counts) {
        let now = world::now();
        let rate = rate(counts.rows(), self.started, now);
        self.bar.set_message(format!("{}/s: {counts}", HumanCount(rate)));
        let is_due = self.last.is_some_and(|last| micros_between(last, now) >= self.every.as_micros());
        if is_due {
            self.last = Some(now);
            let read = self.bar.position();
            let (part, left) = match self.bytes.filter(|bytes| *bytes > 0) {
                Some(bytes) => (format!("{}%", read.saturating_mul(100) / bytes), left(self.started, now, read, bytes)),
                None => (HumanBytes(read).to_string(), String::new()),
            };
            eprintln!("tessera: {part} read, {} rows a second{left}: {counts}", HumanCount(rate));
        }
    }

    /// The end.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

fn micros_between(from: Timestamp, to: Timestamp) -> u128 {
    u128::try_from(to.micros() - from.micros()).unwrap_or(0)
}

fn rate(rows: u64, started: Timestamp, now: Timestamp) -> u64 {
    let rate = u128::from(rows) * 1_000_000 / micros_between(started, now).max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// What is left at the pace so far.
fn left(started: Timestamp, now: Timestamp, read: u64, bytes: u64) -> String {
    let Some(rest) = bytes.checked_sub(read).filter(|_| read > 0) else { return String::new() };
    let seconds = micros_between(started, now) * u128::from(rest) / u128::from(read) / 1_000_000;
    format!(", about {} s left", seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_the_pace_so_far() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000).expect("a time");
        assert_eq!(left(at(0), at(10), 25, 100), ", about 30 s left");
        assert_eq!(left(at(0), at(10), 0, 100), "");
        assert_eq!(rate(500, at(0), at(10)), 50);
    }
}
