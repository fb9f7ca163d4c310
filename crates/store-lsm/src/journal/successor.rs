//! The two changes that we make to journals while fjall has them closed.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::scan::{Scan, ScanError, scan_known};

/// Cuts off what is left of a batch that was never finished, so that fjall has nothing to judge.
pub(crate) fn cut_torn(scan: &Scan) -> io::Result<()> {
    for journal in scan.journals.iter().filter(|journal| journal.torn_bytes > 0) {
        tracing::warn!(
            file = %journal.path.display(),
            offset = journal.end,
            bytes = journal.torn_bytes,
            "a batch that was never finished is cut off the journal; nobody was told that it was done"
        );
        cut(&journal.path, journal.end)?;
    }
    Ok(())
}

/// After a failed write: cuts the newest journal behind the last group that is known to be on disk, and begins a new one behind it,
/// so that nothing is written any more to a file of which the kernel may have dropped pages. `acknowledged` is the number of that
/// group. Answers whether a whole group stood behind it.
///
/// When the store is opened, fjall reads the old journal and writes its rows out as tables; then it removes the journal.
pub(crate) fn begin_next(folder: &Path, acknowledged: u64) -> Result<bool, ScanError> {
    let io = |source| ScanError::Io { path: folder.to_path_buf(), source };
    // The journal is fjall's as long as it holds its lock.
    let lock = File::options().write(true).open(folder.join("lock")).map_err(io)?;
    lock.try_lock().map_err(|_| io(io::Error::other("the journal is still being closed")))?;
    let scan = scan_known(folder, Some(acknowledged))?;
    let Some(newest) = scan.journals.last() else { return Err(io(io::Error::other("there is no journal"))) };
    let is_known = |group: &Option<u64>| group.is_none_or(|group| group <= acknowledged);
    let known = newest.groups.iter().take_while(|(_, group)| is_known(group)).last();
    let end = known.map_or(0, |(end, _)| *end);
    let was_found = newest.groups.iter().any(|(_, group)| !is_known(group));
    cut(&newest.path, end).map_err(io)?;
    // One that holds nothing holds no page of before either.
    if end > 0 {
        let next = folder.join(format!("{}.jnl", newest.number + 1));
        File::create_new(&next).and_then(|file| file.sync_all()).map_err(io)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        tracing::warn!(file = %next.display(), "a new journal is begun");
    }
    Ok(was_found)
}

fn cut(path: &Path, end: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(end)?;
    file.sync_all()
}
