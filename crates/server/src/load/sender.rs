//! Packs rows into batches, sends them, counts the verdicts.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use ureq::http::Method;

use super::rejects::Refused;
use super::report::Report;
use super::rows::{Place, Raw};
use super::run::Destination;

/// A batch is closed before its body passes this; servers take 500 KB.
const BATCH_BYTES_MAX: usize = 450_000;
/// Bytes of rows as they came that wait for the answer to their batch.
const RAW_BYTES_MAX: usize = 16 << 20;
/// Lines of rows that contradict what is stored, as they are told.
const DIFFERING_TOLD: usize = 5;
/// Rows that a trial shows as they would be sent.
const SHOWN_MAX: usize = 5;

/// Sends rows in batches, each until it is answered.
pub(crate) struct Sender {
    destination: Destination,
    path: &'static str,
    opening: String,
    rows_max: usize,
    rows: Vec<Pending>,
    raw_bytes: usize,
    body: Vec<u8>,
    counts: Counts,
    differing: Vec<u64>,
    shown: usize,
    report: Report,
}

/// A row that waits for the answer to its batch.
struct Pending {
    place: Place,
    raw: Raw,
    /// Whether it is sent without some of its values.
    is_lacking: bool,
}

/// What a server answered to a batch.
#[derive(Default)]
pub(crate) struct Answered {
    /// The rows that it refused.
    pub(crate) refused: Vec<Refused>,
    /// What it noted of rows that it took, a sentence for each note, without values.
    pub(crate) noted: Vec<String>,
}

/// What became of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Rows that are stored now.
    pub(crate) accepted: u64,
    /// Rows that were stored before.
    pub(crate) duplicate: u64,
    /// Those of them whose id is stored with other content, which stays.
    pub(crate) differing: u64,
    /// Rows that were refused.
    pub(crate) rejected: u64,
    /// Rows that were stored without some of their values or identities: those that could not be read here, or that the server left out.
    pub(crate) lacking: u64,
}

/// So many rows, in words.
pub(crate) fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

impl Counts {
    /// These and those.
    pub(crate) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.differing += other.differing;
        self.rejected += other.rejected;
        self.lacking += other.lacking;
    }

    /// What a trial tells.
    pub(crate) fn of_trial(&self) -> String {
        let Self { accepted, rejected, lacking, .. } = self;
        let lacking = if *lacking > 0 { format!(", {lacking} of them without some values") } else { String::new() };
        format!("nothing was sent: {accepted} rows would be sent{lacking}, {rejected} cannot be")
    }

    /// All rows.
    pub(crate) fn rows(&self) -> u64 {
        self.accepted + self.duplicate + self.rejected
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, duplicate, differing, rejected, lacking } = self;
        write!(f, "{accepted} accepted, {duplicate} duplicate, {rejected} rejected")?;
        if *differing > 0 {
            write!(
                f,
                "; {differing} of the duplicates say something else than what is stored under their id, and were not taken"
            )?;
        }
        if *lacking > 0 {
            write!(f, "; without values that could not be read or kept: {}", rows(*lacking))?;
        }
        Ok(())
    }
}

/// The answer to a batch: the counts, and every row that was not plainly accepted.
#[derive(Deserialize)]
struct BatchReport {
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
    #[serde(default)]
    notes: Vec<Note>,
    /// Notes that are not told one by one.
    notes_more: Option<u64>,
}

/// What a server notes of a row that it took.
#[derive(Deserialize)]
struct Note {
    kind: String,
    code: Option<String>,
    path: Option<String>,
    namespace: Option<String>,
    message: Option<String>,
    rule: Option<String>,
}

impl Note {
    /// Whether a value or an identity of the row is not stored.
    fn is_loss(&self) -> bool {
        matches!(&*self.kind, "value_left_out" | "attribute_refused" | "identity_ignored")
    }

    /// The note in words: what, where, which code, what was expected.
    fn told(&self) -> String {
        let what = match &*self.kind {
            "value_left_out" | "attribute_refused" => "stored without a value",
            "identity_ignored" => "stored without an identity",
            "value_replaced" => "stored with a value replaced",
            "identity_respelled" => "stored with an identity respelled",
            "identity_unverified" => "stored with an identity that nobody vouches for",
            "misfit" => "stored although it does not fit the data model",
            "link_held" => "stored with a link held",
            other => other,
        };
        let parts = [&self.path, &self.namespace, &self.rule, &self.code, &self.message];
        let parts = parts.into_iter().flatten().filter(|part| !part.is_empty()).map(String::as_str);
        std::iter::once(what).chain(parts).collect::<Vec<_>>().join(": ")
    }
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
    pub(crate) fn new(
        destination: Destination,
        (path, opening): (&'static str, String),
        rows_max: usize,
        report: Report,
    ) -> Self {
        let (rows, body, differing) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            destination,
            path,
            opening,
            rows_max,
            rows,
            raw_bytes: 0,
            body,
            counts: Counts::default(),
            differing,
            shown: 0,
            report,
        }
    }

    /// What became of the rows so far.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Lines of the first rows that contradict what is stored.
    pub(crate) fn differing(&self) -> &[u64] {
        &self.differing
    }

    /// Adds a row, which may lack values; sends the batch before it when the two do not fit together. Answers what the server said, if something
    /// was sent.
    pub(crate) fn push(
        &mut self,
        (place, raw): (Place, Raw),
        body: &[u8],
        is_lacking: bool,
    ) -> Result<Option<Answered>> {
        if matches!(self.destination, Destination::Sample) && self.shown < SHOWN_MAX {
            self.shown += 1;
            self.report.row(body);
        }
        let raw_bytes = raw.bytes();
        let fits = self.rows.len() < self.rows_max
            && self.body.len() + body.len() < BATCH_BYTES_MAX
            && self.raw_bytes + raw_bytes < RAW_BYTES_MAX;
        let sent = if fits || self.rows.is_empty() { None } else { Some(self.deliver()?) };
        if !self.rows.is_empty() {
            self.body.push(b',');
        }
        self.rows.push(Pending { place, raw, is_lacking });
        self.raw_bytes += raw_bytes;
        self.body.extend(body);
        Ok(sent)
    }

    /// Counts a row that was not sent.
    pub(crate) fn count_refused(&mut self) {
        self.counts.rejected += 1;
    }

    /// Sends what is left.
    pub(crate) fn finish(&mut self) -> Result<Answered> {
        if self.rows.is_empty() { Ok(Answered::default()) } else { self.deliver() }
    }

    fn deliver(&mut self) -> Result<Answered> {
        let mut rows = std::mem::take(&mut self.rows);
        let items = std::mem::take(&mut self.body);
        self.raw_bytes = 0;
        let Destination::Server(client) = &self.destination else {
            self.counts.accepted += rows.len() as u64;
            self.counts.lacking += rows.iter().filter(|row| row.is_lacking).count() as u64;
            return Ok(Answered::default());
        };
        let body = [self.opening.as_bytes(), &items, b"]}"].concat();
        let answer = client.send_until_answered(&Method::POST, self.path, &body)?;
        let span = format!("rows {} to {}", rows[0].place.row, rows[rows.len() - 1].place.row);
        if answer.status != 200 {
            return Err(answer.into_error().context(span));
        }
        let report: BatchReport = serde_json::from_slice(&answer.body).with_context(|| format!("{span}: no report"))?;
        let counted = report.accepted + report.duplicates + report.rejected;
        ensure!(counted == rows.len() as u64, "{span}: {counted} rows were answered of {}", rows.len());
        self.counts.accepted += report.accepted;
        self.counts.duplicate += report.duplicates;
        self.counts.rejected += report.rejected;
        let mut answered = Answered::default();
        for Verdict { index, status, code, message, notes, notes_more } in report.verdicts {
            let row = rows.get_mut(index).with_context(|| format!("{span}: no row {index}"))?;
            let code = code.unwrap_or_default();
            match status {
                Status::Rejected => {
                    row.is_lacking = false;
                    let raw = std::mem::replace(&mut row.raw, Raw::Line(Vec::new()));
                    let expected = message.unwrap_or_default();
                    answered.refused.push(Refused { place: row.place, code, expected, value: None, raw });
                }
                Status::Duplicate if code == "duplicate_differs" => {
                    self.counts.differing += 1;
                    if self.differing.len() < DIFFERING_TOLD {
                        self.differing.push(row.place.line);
                    }
                }
                Status::Duplicate => {}
                Status::Accepted => {
                    row.is_lacking |= notes.iter().any(Note::is_loss);
                    answered.noted.extend(notes.iter().map(Note::told));
                    if notes_more.is_some() {
                        answered.noted.push("stored with more notes than the server tells one by one".to_owned());
                    }
                }
            }
        }
        self.counts.lacking += rows.iter().filter(|row| row.is_lacking).count() as u64;
        Ok(answered)
    }
}
