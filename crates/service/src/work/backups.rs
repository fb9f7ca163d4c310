//! Backups of the whole store that are made while it is in use: files in a folder that the operator has set.
//!
//! One is made at a time in a process. It is of one instant, which the store holds for it; so one that is not gone on with for a while,
//! because its job is paused, is let go of and begins again later. A file has its own name only when it is whole and on disk; until
//! then it is `.NAME.partial`.

use std::fs::{self, DirBuilder, File as StdFile, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tessera_engine::time::Timestamp;
use tessera_store::Store;
use tessera_store::backup::{Backup, BackupError, Summary};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::sync::Mutex;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::store_error::read_failed;
use crate::jobs::{Job, JobId, NewJob};
use crate::stored::idempotency::{Given, Once};
use crate::work::service::Service;

/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 100;
/// How long a backup is held that nobody goes on with: a minute.
const IDLE_MICROS: i64 = 60_000_000;
const PARTIAL: &str = ".partial";

/// The folder of backups, and the one that is being made.
pub(crate) struct Backups {
    folder: Option<PathBuf>,
    open: Mutex<Option<Open>>,
}

struct Open {
    job: JobId,
    used_at: Timestamp,
    backup: Backup,
    out: BufWriter<File>,
}

/// What a step of a backup came to.
pub(crate) enum Step {
    /// So many rows were written.
    More(u64),
    /// All were, and are on disk under the name of a draft: so many bytes.
    Written(Summary, u64),
}

impl Backups {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, open: Mutex::new(None) }
    }

    /// Whether a file of this name may be made.
    ///
    /// # Errors
    /// As [`Self::place`]; `Conflict` with `backup_exists`.
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        if self.place(name)?.exists() { Err(exists()) } else { Ok(()) }
    }

    /// The file of this name, where it is no path and nothing that is hidden, and there is a folder for it.
    ///
    /// # Errors
    /// `Invalid` with `backup_name_invalid`; `Conflict` with `backups_off`.
    fn place(&self, name: &str) -> Result<PathBuf, Error> {
        let is_known = |char: u8| char.is_ascii_alphanumeric() || matches!(char, b'.' | b'-' | b'_');
        let is_name =
            (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_known) && !name.starts_with('.');
        if !is_name {
            let message = format!(
                "the name of a backup is expected to be 1 to {NAME_CHARS_MAX} letters of ASCII, digits, dots, dashes and underscores, \
                 and not to begin with a dot: it is a file in the folder that the operator has set"
            );
            return Err(Error::new(ErrorKind::Invalid, "backup_name_invalid", message));
        }
        let off = || {
            Error::new(ErrorKind::Conflict, "backups_off", "this server has no folder for backups: set `backup_dir`")
        };
        Ok(self.folder.as_ref().ok_or_else(off)?.join(name))
    }

    /// Writes the next block of the backup of a job, from the first if this process is not at it.
    ///
    /// # Errors
    /// As [`Self::check`]; `Throttled` with `backup_running`; `Unavailable` with `backup_failed` where the folder cannot be written;
    /// what the store answers.
    pub(crate) async fn step(&self, store: &dyn Store, job: JobId, name: &str, now: Timestamp) -> Result<Step, Error> {
        let place = self.place(name)?;
        let mut slot = self.open.lock().await;
        let held = match slot.take() {
            Some(open) if open.job == job => Some(open),
            Some(open) if open.used_at.plus_micros(IDLE_MICROS) > now => {
                *slot = Some(open);
                let message = "another backup is being made; this one goes on after it";
                return Err(Error::new(ErrorKind::Throttled, "backup_running", message));
            }
            Some(_) | None => None,
        };
        let mut open = match held {
            Some(open) => open,
            None => begin(store, job, &place, now).await?,
        };
        open.used_at = now;
        let Some(summary) = open.backup.step(&mut open.out).await.map_err(failed)? else {
            let written = open.backup.written();
            *slot = Some(open);
            return Ok(Step::More(written.rows + written.feed_rows));
        };
        let synced = async {
            open.out.flush().await?;
            open.out.get_ref().sync_all().await?;
            open.out.get_ref().metadata().await
        };
        let bytes = synced.await.map_err(unwritable)?.len();
        Ok(Step::Written(summary, bytes))
    }

    /// Gives a backup that is whole its name. Once, however often it is asked for.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub(crate) fn name(&self, name: &str, bytes: u64) -> Result<(), Error> {
        let place = self.place(name)?;
        let draft = draft_of(&place);
        match (size(&draft), size(&place)) {
            (Some(found), None) if found == bytes => {
                fs::rename(&draft, &place).and_then(|()| sync_folder(&place)).map_err(unwritable)
            }
            // The step was done before, and its answer was lost.
            (None, Some(found)) if found == bytes => Ok(()),
            (_, Some(_)) => Err(exists()),
            (_, None) => Err(unwritable(io::Error::other("the draft is not as it was written"))),
        }
    }

    /// Lets go of a backup that nobody has gone on with for a while.
    pub(crate) async fn let_go(&self, now: Timestamp) {
        let mut slot = self.open.lock().await;
        if slot.as_ref().is_some_and(|open| open.used_at.plus_micros(IDLE_MICROS) <= now) {
            *slot = None;
            tracing::info!("a backup that nobody goes on with was let go of; its job begins it again");
        }
    }
}

impl Service {
    /// Has a backup of the whole store made, as a job of this workspace, in the folder that the operator has set.
    ///
    /// # Errors
    /// `Invalid` with `backup_name_invalid`; `Conflict` with `backups_off`, `backup_exists`; as [`Jobs::ask`].
    pub async fn ask_backup(
        &self,
        workspace: WorkspaceId,
        name: &str,
        once: Option<&Once<Job>>,
        by: KeyId,
    ) -> Result<Given<Job>, Error> {
        self.backups().check(name)?;
        let parameters = serde_json::json!({ "name": name }).to_string();
        let new = NewJob { kind: "backup".to_owned(), parameters, asked_by: Some(by) };
        self.jobs().make(workspace, &new, once).await
    }
}

/// Begins a draft. One of before, which a process that ended has left, goes: only one is made at a time.
async fn begin(store: &dyn Store, job: JobId, place: &Path, now: Timestamp) -> Result<Open, Error> {
    if place.exists() {
        return Err(exists());
    }
    let folder = place.parent().ok_or_else(|| unwritable(io::Error::other("the folder has no name")))?;
    let draft = draft_of(place);
    let made = || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.starts_with('.') && name.ends_with(PARTIAL) {
                fs::remove_file(&path)?;
            }
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)
    };
    let file = made().map_err(unwritable)?;
    let backup = Backup::begin(store).await.map_err(failed)?;
    Ok(Open { job, used_at: now, backup, out: BufWriter::new(File::from_std(file)) })
}

fn draft_of(place: &Path) -> PathBuf {
    let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    place.with_file_name(format!(".{name}{PARTIAL}"))
}

fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.len())
}

fn sync_folder(place: &Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), |folder| StdFile::open(folder)?.sync_all())
}

fn exists() -> Error {
    Error::new(ErrorKind::Conflict, "backup_exists", "the folder of backups has a file of this name")
}

fn failed(error: BackupError) -> Error {
    match error {
        BackupError::Read(error) => read_failed(&error),
        BackupError::Io(error) => unwritable(error),
    }
}

fn unwritable(error: io::Error) -> Error {
    tracing::warn!(%error, "a backup cannot be written");
    Error::new(
        ErrorKind::Unavailable,
        "backup_failed",
        "the backup cannot be written now; the log of the server says why",
    )
}

#[cfg(test)]
mod tests;
