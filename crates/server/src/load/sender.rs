//! Packs rows into batches, sends them, counts the verdicts.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use ureq::http::Method;

use super::values::Refusal;
use crate::client::Client;

/// A batch is closed before its body passes this; servers take 500 KB.
const BATCH_BYTES_MAX: usize = 450_000;

/// Sends rows in batches, each until it is answered.
pub(crate) struct Sender {
    client: Client,
    path: &'static str,
    opening: String,
    rows_max: usize,
    rows: Vec<u64>,
    body: Vec<u8>,
    counts: Counts,
}

/// What became of the rows so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Rows that are stored now.
    pub(crate) accepted: u64,
    /// Rows that were stored before.
    pub(crate) duplicate: u64,
    /// Rows that were refused.
    pub(crate) rejected: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accepted, {} duplicate, {} rejected", self.accepted, self.duplicate, self.rejected)
    }
}

/// Rows of one delivery that were refused.
#[derive(Default)]
pub(crate) struct Sent {
    /// In the order of the file.
    pub(crate) rejected: Vec<RejectedRow>,
}

/// A row that was refused, and why.
#[derive(Serialize)]
pub(crate) struct RejectedRow {
    row: u64,
    code: String,
    message: String,
    /// The value that is wrong, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

/// The answer to a batch: the counts, and every row that was not plainly accepted.
#[derive(Deserialize)]
struct Report {
    accepted: u64,
    duplicates: u64,
    rejected: u64,
    verdicts: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    index: usize,
    status: Status,
    code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Status {
    Accepted,
    Duplicate,
    Rejected,
}

impl Sender {
    /// Sends to this path of a server, in bodies that begin so.
    pub(crate) fn new(client: Client, (path, opening): (&'static str, String), rows_max: usize) -> Self {
        Self { client, path, opening, rows_max, rows: Vec::new(), body: Vec::new(), counts: Counts::default() }
    }

    /// What became of the rows so far.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Adds a row; sends the batch before it when the two do not fit together.
    pub(crate) fn push(&mut self, row: u64, body: Vec<u8>) -> Result<Option<Sent>> {
        let fits = self.rows.len() < self.rows_max && self.body.len() + body.len() < BATCH_BYTES_MAX;
        let sent = if fits || self.rows.is_empty() { None } else { Some(self.deliver()?) };
        if !self.rows.is_empty() {
            self.body.push(b',');
        }
        self.rows.push(row);
        self.body.extend(body);
        Ok(sent)
    }

    /// Counts a row that could not be sent.
    pub(crate) fn refuse(&mut self, row: u64, Refusal { message, value }: Refusal) -> Sent {
        self.counts.rejected += 1;
        Sent { rejected: vec![RejectedRow { row, code: "row_invalid".to_owned(), message, value }] }
    }

    /// Sends what is left.
    pub(crate) fn finish(&mut self) -> Result<Sent> {
        if self.rows.is_empty() { Ok(Sent::default()) } else { self.deliver() }
    }

    fn deliver(&mut self) -> Result<Sent> {
        let rows = std::mem::take(&mut self.rows);
        let items = std::mem::take(&mut self.body);
        let body = [self.opening.as_bytes(), &items, b"]}"].concat();
        let answer = self.client.send_until_answered(&Method::POST, self.path, &body)?;
        let span = format!("rows {} to {}", rows[0], rows[rows.len() - 1]);
        if answer.status != 200 {
            return Err(answer.into_error().context(span));
        }
        let report: Report = serde_json::from_slice(&answer.body).with_context(|| format!("{span}: no report"))?;
        let counted = report.accepted + report.duplicates + report.rejected;
        ensure!(counted == rows.len() as u64, "{span}: {counted} rows were answered of {}", rows.len());
        self.counts.accepted += report.accepted;
        self.counts.duplicate += report.duplicates;
        self.counts.rejected += report.rejected;
        let refused = report.verdicts.into_iter().filter(|verdict| verdict.status == Status::Rejected);
        let rejected = refused.map(|verdict| {
            Ok(RejectedRow {
                row: *rows.get(verdict.index).with_context(|| format!("{span}: no row {}", verdict.index))?,
                code: verdict.code.unwrap_or_default(),
                message: verdict.message.unwrap_or_default(),
                value: None,
            })
        });
        Ok(Sent { rejected: rejected.collect::<Result<_>>()? })
    }
}
