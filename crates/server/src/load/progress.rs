//! How far a load is: a bar where somebody looks at a terminal, a line now and then where not.

use std::io::{IsTerminal as _, Read};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressBarIter, ProgressDrawTarget, ProgressStyle};
use tessera_engine::time::Timestamp;

use super::report::{Pace, Report};
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
    report: Report,
}

impl Progress {
    /// Over an input of so many bytes, if that is known. Without a terminal, and for a machine, there is a line as often as this.
    pub(crate) fn new(bytes: Option<u64>, every: Duration, report: Report) -> Self {
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
        let is_watched = std::io::stderr().is_terminal() && !report.is_json();
        if is_watched {
            bar.enable_steady_tick(Duration::from_millis(200));
        } else if report.is_json() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bar, bytes, started, last: (!is_watched).then_some(started), every, report }
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
            let total = self.bytes.filter(|bytes| *bytes > 0);
            let left = total.and_then(|bytes| left(self.started, now, read, bytes));
            match &self.report {
                Report::Json { .. } => self.report.progress(counts, Pace { read, total, rate, left }),
                Report::People => {
                    let part = match total {
                        Some(bytes) => format!("{}%", read.saturating_mul(100) / bytes),
                        None if read == 0 => format!("{} rows", HumanCount(counts.rows())),
                        None => HumanBytes(read).to_string(),
                    };
                    let left = left.map_or(String::new(), |left| format!(", about {left} s left"));
                    eprintln!("tessera: {part} read, {} rows a second{left}: {counts}", HumanCount(rate));
                }
            }
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

/// The seconds that are left at the pace so far.
fn left(started: Timestamp, now: Timestamp, read: u64, bytes: u64) -> Option<u64> {
    let rest = bytes.checked_sub(read).filter(|_| read > 0)?;
    u64::try_from(micros_between(started, now) * u128::from(rest) / u128::from(read) / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_the_pace_so_far() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000).expect("a time");
        assert_eq!(left(at(0), at(10), 25, 100), Some(30));
        assert_eq!(left(at(0), at(10), 0, 100), None);
        assert_eq!(rate(500, at(0), at(10)), 50);
    }
}
