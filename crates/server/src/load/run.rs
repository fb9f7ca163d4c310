//! One file, from its first row to its last, or to where it is given up.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::ids::Ids;
use super::input;
use super::layer::Format;
use super::mapping::{Mapping, Rendered};
use super::parquet::Parquet;
use super::progress::Progress;
use super::rejects::{Refused, Rejects};
use super::report::Report;
use super::rows::{Row, Rows, Unread};
use super::sender::{Answered, Counts, Sender};
use crate::client::Client;
use crate::interrupt;

/// Rows at the beginning of a file after which it is given up if all were refused, nearly all of them alike.
const ALIKE_MAX: u64 = 1_000;
/// One of so many may be refused for another reason.
const ALIKE_OF: u64 = 20;
/// Reasons that are told of a file, each with the number of its rows.
const REASONS_MAX: usize = 10;

/// One load, told what to do.
pub(crate) struct Load {
    /// What the columns mean.
    pub(crate) mapping: Mapping,
    /// Where the file stands, if it is one.
    pub(crate) path: Option<PathBuf>,
    /// The hash of the whole file, where ids are made of it.
    pub(crate) file_hash: Option<[u8; 32]>,
    /// Rows in a batch.
    pub(crate) batch: usize,
    /// Where refused rows go.
    pub(crate) rejected: PathBuf,
    /// Bytes to come, for the progress bar, if known.
    pub(crate) bytes: Option<u64>,
    /// Refused rows at which it is given up.
    pub(crate) errors_max: Option<u64>,
    /// Without a terminal, and for a machine: how often there is a line about the progress.
    pub(crate) progress: Duration,
    /// To whom it is told.
    pub(crate) report: Report,
}

/// Where rows go.
pub(crate) enum Destination {
    Server(Box<Client>),
    /// The first are printed.
    Sample,
}

/// How a file ended.
pub(crate) enum End {
    Complete,
    Interrupted,
    /// It could not go on.
    Failed(anyhow::Error),
    /// Too many rows were refused, as this says.
    TooMany(String),
}

/// What became of a file.
pub(crate) struct Done {
    pub(crate) counts: Counts,
    pub(crate) end: End,
    /// The last line that was read.
    pub(crate) line: u64,
    /// The file of refused rows, where there are any.
    pub(crate) rejected: Option<PathBuf>,
    /// Why rows were refused, with how many, without values.
    pub(crate) reasons: Vec<(String, u64)>,
    /// Lines of the first rows that contradict what is stored.
    pub(crate) differing: Vec<u64>,
}

/// What a file is loaded with, and how far it is.
struct Going<'a> {
    ids: &'a mut Ids,
    sender: &'a mut Sender,
    errors: &'a mut Errors,
    line: &'a mut u64,
}

impl Going<'_> {
    fn finish(&mut self) -> Result<()> {
        self.errors.note_answered(&self.sender.finish()?)
    }
}

/// What was refused so far.
struct Errors {
    rejects: Rejects,
    reasons: BTreeMap<String, u64>,
    others: u64,
    max: Option<u64>,
}

impl Load {
    /// Reads everything and sends it.
    pub(crate) fn run(&self, destination: Destination, input: impl Read) -> Result<Done> {
        let mut progress = Progress::new(self.bytes, self.progress, self.report.clone());
        let (path, opening) = self.mapping.delivery();
        let mut ids = Ids::new(&opening, self.file_hash);
        let mut sender = Sender::new(destination, (path, opening), self.batch, self.report.clone());
        let (mut rows, is_transcoded) = if self.mapping.format() == Format::Parquet {
            (Rows::of_parquet(&self.mapping, Parquet::open(self.path.as_deref(), input)?)?, false)
        } else {
            let text = input::text(input::unpacked(progress.counted(input))?, self.mapping.encoding())?;
            let is_transcoded = text.is_transcoded;
            (Rows::new(&self.mapping, text)?, is_transcoded)
        };
        rows.told().iter().for_each(|told| eprintln!("tessera: {told}"));
        let rejects = Rejects::new(self.rejected.clone(), self.mapping.delimiter(), rows.header(), is_transcoded);
        let mut errors = Errors { rejects, reasons: BTreeMap::new(), others: 0, max: self.errors_max };
        let mut line = 0;
        let mut going = Going { ids: &mut ids, sender: &mut sender, errors: &mut errors, line: &mut line };
        let end = match self.read(&mut rows, &mut going, &mut progress) {
            Ok(end) => end,
            Err(error) => {
                let how_far = begun(&sender);
                End::Failed(error.context(how_far))
            }
        };
        progress.finish();
        let differing = sender.differing().to_vec();
        let reasons = errors.told();
        Ok(Done { counts: *sender.counts(), end, line, rejected: errors.rejects.close()?, reasons, differing })
    }

    /// Reads rows to the end, or to where it is given up, and sends them.
    fn read(&self, rows: &mut Rows<'_>, going: &mut Going<'_>, progress: &mut Progress) -> Result<End> {
        for row in rows {
            if interrupt::is_asked() {
                break;
            }
            let row = match row {
                Ok(row) => Ok(row),
                Err(Unread::Row { place, raw, reason }) => Err(Refused::unread(place, raw, reason)),
                Err(Unread::File(error)) => {
                    going.finish()?;
                    return Err(error);
                }
            };
            *going.line = row.as_ref().map_or_else(|refused| refused.place.line, |row| row.place.line);
            match self.take(row, going) {
                // Nobody waits for a server any longer.
                Err(_) if interrupt::is_asked() => break,
                taken => {
                    if taken? {
                        progress.tell(going.sender.counts());
                    }
                }
            }
            if let Some(reason) = going.errors.are_too_many(going.sender.counts()) {
                going.finish()?;
                return Ok(End::TooMany(reason));
            }
        }
        // Whoever fills a pipe ends by the same Ctrl-C, perhaps within a row.
        if interrupt::is_asked() {
            return Ok(End::Interrupted);
        }
        going.finish()?;
        Ok(End::Complete)
    }

    /// Sends a row, or notes why not. Answers whether something is known anew.
    fn take(&self, row: Result<Row, Refused>, going: &mut Going<'_>) -> Result<bool> {
        let Going { ids, sender, errors, .. } = going;
        let rendered = row.and_then(|row| match self.mapping.render(&row, ids) {
            Ok(rendered) => Ok((row, rendered)),
            Err(refusal) => Err(Refused::new(row.place, row.raw, refusal)),
        });
        match rendered {
            Ok((row, Rendered { body, left_out })) => {
                let is_lacking = !left_out.is_empty();
                for refusal in left_out {
                    errors.count(format!("loaded without a value: {}", refusal.message));
                }
                let Some(answered) = sender.push((row.place, row.raw), &body, is_lacking)? else { return Ok(false) };
                errors.note_answered(&answered)?;
                Ok(true)
            }
            Err(refused) => {
                sender.count_refused();
                errors.note_all(&[refused])?;
                Ok(false)
            }
        }
    }
}

/// How far a load came that broke off.
fn begun(sender: &Sender) -> String {
    format!("{} before this; start it again once it is mended, rows that are stored are known by then", sender.counts())
}

impl Errors {
    fn note_answered(&mut self, answered: &Answered) -> Result<()> {
        answered.noted.iter().for_each(|note| self.count(note.clone()));
        self.note_all(&answered.refused)
    }

    fn note_all(&mut self, refused: &[Refused]) -> Result<()> {
        for one in refused {
            self.rejects.note(one)?;
            let reason = format!("{}: {}", one.code, one.expected);
            self.count(reason);
        }
        Ok(())
    }

    fn count(&mut self, reason: String) {
        if let Some(rows) = self.reasons.get_mut(&reason) {
            *rows += 1;
        } else if self.reasons.len() < REASONS_MAX {
            self.reasons.insert(reason, 1);
        } else {
            self.others += 1;
        }
    }

    /// Why to give up.
    fn are_too_many(&self, counts: &Counts) -> Option<String> {
        if let Some(max) = self.max {
            return (counts.rejected >= max)
                .then(|| format!("given up: {} rows were refused (--max-errors)", counts.rejected));
        }
        let refused = counts.rejected;
        if refused < ALIKE_MAX || counts.rows() > refused {
            return None;
        }
        let (reason, alike) = self.reasons.iter().max_by_key(|(_, rows)| **rows)?;
        // Some rows that cannot be read among them change nothing.
        let is_nearly_all = alike.saturating_mul(ALIKE_OF) >= refused.saturating_mul(ALIKE_OF - 1);
        is_nearly_all.then(|| {
            format!("given up: the first {refused} rows were all refused, {alike} of them alike: {reason} (to go on to a number of your own: --max-errors)")
        })
    }

    /// The reasons, the most frequent first.
    fn told(&self) -> Vec<(String, u64)> {
        let mut told: Vec<(String, u64)> = self.reasons.iter().map(|(reason, rows)| (reason.clone(), *rows)).collect();
        told.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        if self.others > 0 {
            told.push(("other reasons, as the file of refused rows says".to_owned(), self.others));
        }
        told
    }
}
