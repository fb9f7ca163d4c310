//! All journals of a folder, batch after batch.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::batch::{self, Batch, Broken, Mark};

/// Sequence numbers are given to batches and to tables; between the mark of a batch and its own there are few.
const SEQNO_GAP_MAX: u64 = 1 << 20;

/// What the journals of a folder hold.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// In order, the newest last. Empty in a folder that was never a store.
    pub(crate) journals: Vec<Journal>,
    /// The version behind the last group, if there is one.
    pub(crate) version: Option<u64>,
    /// The mark of the last group, unless an older version wrote it.
    pub(crate) mark: Option<Mark>,
}

/// One journal that was verified.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    /// Where its last batch ends.
    pub(crate) end: u64,
    /// Bytes behind it that are left of a batch that was being written when the process or the machine ended.
    pub(crate) torn_bytes: u64,
    /// Each group of ours: where it ends, and its number, unless an older version wrote it.
    pub(super) groups: Vec<(u64, Option<u64>)>,
}

impl Journal {
    /// How many groups of ours it holds.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }
}

/// Why journals are not as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Which file.
    pub(crate) file: PathBuf,
    /// Where in it.
    pub(crate) offset: u64,
    /// What is wrong there.
    pub(crate) found: &'static str,
    /// The last version that can be read before it; `None` if no group is.
    pub(crate) version_before: Option<u64>,
    /// Where the next whole batch begins, if there is one, and the version behind the next group.
    pub(crate) resumes: Option<(u64, Option<u64>)>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, found, version_before, resumes } = self;
        write!(f, "{found} file={} offset={offset}", file.display())?;
        match version_before {
            Some(version) => write!(f, " lost=commits after version {version}")?,
            None => f.write_str(" lost=commits of this journal")?,
        }
        match resumes {
            Some((offset, Some(version))) => write!(f, " and before version {version}, readable from offset {offset}"),
            Some((offset, None)) => write!(f, ", readable from offset {offset}"),
            None => f.write_str(" to the end of the journal"),
        }
    }
}

/// Why journals were not verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("a journal is damaged: {0}")]
    Damaged(Damage),
    #[error("a journal cannot be read file={} reason={source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Verifies all journals in this folder. Changes nothing. Holds one journal in memory at a time, and 16 bytes for each group.
pub(crate) fn scan(folder: &Path) -> Result<Scan, ScanError> {
    scan_known(folder, None)
}

/// As [`scan`]. After a failed write what stands in the newest journal behind the last group that was `acknowledged` is not to be
/// relied on, and not damage.
pub(super) fn scan_known(folder: &Path, acknowledged: Option<u64>) -> Result<Scan, ScanError> {
    let files = list(folder)?;
    let mut chain = Chain::default();
    let mut journals: Vec<Journal> = Vec::with_capacity(files.len());
    let last = files.last().map(|(number, _)| *number);
    for (number, path) in files {
        if let Some(before) = journals.last()
            && before.number + 1 != number
        {
            let damage = Damage {
                file: folder.join(format!("{}.jnl", before.number + 1)),
                offset: 0,
                found: "a journal is missing",
                version_before: chain.version,
                resumes: None,
            };
            return Err(ScanError::Damaged(damage));
        }
        let bytes = fs::read(&path).map_err(|source| ScanError::Io { path: path.clone(), source })?;
        let (mut journal, flaw) = walk(&bytes, number, path, &mut chain);
        if let Some(flaw) = flaw {
            let is_newest = Some(number) == last;
            let is_harmless = match acknowledged {
                None => flaw.is_torn,
                Some(group) => chain.mark.is_none_or(|mark| mark.group >= group),
            };
            if !is_newest || !is_harmless {
                return Err(ScanError::Damaged(damage(&bytes, journal.path, flaw.at, flaw.found, &chain)));
            }
            journal.torn_bytes = (flaw.written - flaw.at) as u64;
        }
        journals.push(journal);
    }
    Ok(Scan { journals, version: chain.version, mark: chain.mark })
}

/// The journals by their numbers.
fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, ScanError> {
    let io = |source| ScanError::Io { path: folder.to_path_buf(), source };
    let mut files = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(io(error)),
    };
    for entry in entries {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jnl"));
        files.extend(name.and_then(|name| name.parse().ok()).map(|number| (number, path.clone())));
    }
    files.sort_unstable();
    Ok(files)
}

/// Where a journal is not as it was written.
struct Flaw {
    at: usize,
    /// Where the zeros behind it begin.
    written: usize,
    found: &'static str,
    /// It looks like a batch that was never finished: it misses its end, and what is there of it is as it was written, or was never
    /// written at all.
    is_torn: bool,
}

fn walk(bytes: &[u8], number: u64, path: PathBuf, chain: &mut Chain) -> (Journal, Option<Flaw>) {
    // What was set aside and never written to is zeros.
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut at = 0;
    let mut groups = Vec::new();
    let mut wrong = None;
    while let Ok(batch) = batch::read(bytes, at) {
        if let Err(found) = chain.follow(&batch) {
            wrong = Some(found);
            break;
        }
        at = batch.end;
        groups.extend(batch.ours.map(|ours| (at as u64, ours.mark.map(|mark| mark.group))));
    }
    let journal = Journal { path, number, end: at as u64, torn_bytes: 0, groups };
    if let Some(found) = wrong {
        return (journal, Some(Flaw { at, written, found, is_torn: false }));
    }
    if written <= at {
        return (journal, None);
    }
    let (found, is_cut) = match batch::read(&bytes[..written], at) {
        Err(Broken::Wrong(found)) => (found, false),
        Err(Broken::Cut | Broken::Unwritten) => ("a batch is not whole", true),
        Ok(_) => ("a batch cannot be read twice", false),
    };
    let goes_on = || batch::ends_at(bytes, written) || batch::next(&bytes[..written], at + 1).is_some();
    let is_torn = is_cut && !goes_on();
    (journal, Some(Flaw { at, written, found, is_torn }))
}

fn damage(bytes: &[u8], file: PathBuf, at: usize, found: &'static str, chain: &Chain) -> Damage {
    let mut resumes = batch::next(bytes, at + 1);
    let first = resumes.map(|(at, _)| at as u64);
    let version = loop {
        match resumes {
            Some((_, Batch { ours: Some(ours), .. })) => break Some(ours.version),
            Some((_, batch)) => resumes = batch::next(bytes, batch.end),
            None => break None,
        }
    };
    let resumes = first.map(|offset| (offset, version));
    Damage { file, offset: at as u64, found, version_before: chain.version, resumes }
}

/// What each batch must follow upon.
#[derive(Debug, Default)]
struct Chain {
    seqno: Option<u64>,
    /// Of the last group.
    group_seqno: Option<u64>,
    version: Option<u64>,
    mark: Option<Mark>,
}

impl Chain {
    fn follow(&mut self, batch: &Batch) -> Result<(), &'static str> {
        if self.seqno.is_some_and(|before| batch.seqno <= before) {
            return Err("the sequence number of a batch is not above that of the one before");
        }
        if let Some(ours) = batch.ours {
            if self.version.is_some_and(|before| ours.version < before) {
                return Err("the version of a group is below that of the one before");
            }
            if let Some(mark) = ours.mark {
                self.check(mark, batch.seqno)?;
            }
            (self.version, self.mark, self.group_seqno) = (Some(ours.version), ours.mark, Some(batch.seqno));
        }
        self.seqno = Some(batch.seqno);
        Ok(())
    }

    fn check(&self, mark: Mark, seqno: u64) -> Result<(), &'static str> {
        if self.mark.is_some_and(|before| before.group + 1 != mark.group) {
            return Err("a group is missing before this one");
        }
        if self.group_seqno.is_some_and(|before| before >= mark.seen) {
            return Err("the sequence number of the group before is above what it can be");
        }
        if seqno < mark.seen || seqno - mark.seen > SEQNO_GAP_MAX {
            return Err("the sequence number of a batch is not what it can be");
        }
        Ok(())
    }
}
