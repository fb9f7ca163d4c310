//! What a load tells on standard output: sentences for people, or a line of JSON for each thing.

use serde::Serialize;
use serde_json::value::RawValue;

use super::run::{Done, End};
use super::sender::Counts;

/// To whom it is told.
#[derive(Debug, Clone)]
pub(crate) enum Report {
    /// People.
    People,
    /// A machine, about this file.
    Json {
        /// What is loaded.
        file: String,
    },
}

/// How fast a file is read.
pub(crate) struct Pace {
    /// Bytes that were read of it.
    pub(crate) read: u64,
    /// Bytes that it has, where that is known.
    pub(crate) total: Option<u64>,
    /// Rows in a second.
    pub(crate) rate: u64,
    /// Seconds that are left at this pace.
    pub(crate) left: Option<u64>,
}

/// How all of it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Each file was read to its end.
    Complete,
    /// By Ctrl-C.
    Interrupted,
    /// Too many rows were refused.
    TooManyErrors,
    /// It could not go on; why is told on standard error.
    Failed,
}

/// A line of JSON.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    /// A row of a trial, as it would be sent.
    Row { file: &'a str, body: &'a RawValue },
    /// Now and then.
    Progress {
        file: &'a str,
        #[serde(flatten)]
        counts: Counts,
        bytes_read: u64,
        bytes_total: Option<u64>,
        rows_per_second: u64,
        seconds_left: Option<u64>,
    },
    /// Behind each file.
    File {
        file: &'a str,
        #[serde(flatten)]
        counts: Counts,
        end: Outcome,
        last_line: u64,
        rejected_file: Option<String>,
        reasons: Vec<Reason<'a>>,
        differing_lines: &'a [u64],
    },
    /// The last line.
    Summary {
        end: Outcome,
        dry_run: bool,
        files: usize,
        files_not_begun: usize,
        #[serde(flatten)]
        counts: Counts,
        seconds: f64,
    },
}

#[derive(Serialize)]
struct Reason<'a> {
    reason: &'a str,
    rows: u64,
}

/// What a load came to.
pub(crate) struct Sum {
    /// How it ended.
    pub(crate) end: Outcome,
    /// Whether nothing was sent.
    pub(crate) is_trial: bool,
    /// Files that were begun, and those that were not.
    pub(crate) files: (usize, usize),
    /// What became of all rows.
    pub(crate) counts: Counts,
    /// How long it took, in microseconds.
    pub(crate) micros: u128,
}

impl From<&End> for Outcome {
    fn from(end: &End) -> Self {
        match end {
            End::Complete => Self::Complete,
            End::Interrupted => Self::Interrupted,
            End::Failed(_) => Self::Failed,
            End::TooMany(_) => Self::TooManyErrors,
        }
    }
}

impl Report {
    /// Whether lines of JSON are told.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self, Self::Json { .. })
    }

    /// A row as it would be sent.
    pub(crate) fn row(&self, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        match self {
            Self::People => println!("{text}"),
            Self::Json { file } => {
                if let Ok(body) = serde_json::from_str(&text) {
                    tell(&Line::Row { file, body });
                }
            }
        }
    }

    /// How far it is, for machines.
    pub(crate) fn progress(&self, counts: &Counts, pace: Pace) {
        let Self::Json { file } = self else { return };
        let Pace { read, total, rate, left } = pace;
        tell(&Line::Progress {
            file,
            counts: *counts,
            bytes_read: read,
            bytes_total: total,
            rows_per_second: rate,
            seconds_left: left,
        });
    }

    /// What became of a file, for machines.
    pub(crate) fn file(&self, done: &Done) {
        let Self::Json { file } = self else { return };
        tell(&Line::File {
            file,
            counts: done.counts,
            end: Outcome::from(&done.end),
            last_line: done.line,
            rejected_file: done.rejected.as_ref().map(|path| path.display().to_string()),
            reasons: done.reasons.iter().map(|(reason, rows)| Reason { reason, rows: *rows }).collect(),
            differing_lines: &done.differing,
        });
    }

    /// What became of all of it.
    pub(crate) fn sum(&self, sum: &Sum) {
        let Sum { end, is_trial, files: (files, files_not_begun), counts, micros } = *sum;
        match self {
            Self::People if is_trial => println!("{}", counts.of_trial()),
            Self::People => println!("{counts}"),
            Self::Json { .. } => {
                // Whole milliseconds: what is below them is of no use to anybody.
                let seconds = (micros / 1_000) as f64 / 1_000.0;
                tell(&Line::Summary { end, dry_run: is_trial, files, files_not_begun, counts, seconds });
            }
        }
    }
}

fn tell(line: &Line<'_>) {
    println!("{}", serde_json::to_string(line).expect("a line of a report has texts and numbers alone"));
}
