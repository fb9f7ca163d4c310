//! The quarantine: facts that were refused, why, and what was sent, so that they can be looked at and sent again.
//!
//! A refused fact is two rows: one that lists read, and one with what was sent. Both are written in the commit of the
//! fact's neighbours, or in one of their own. A workspace keeps its newest ones; [`Quarantine::sweep`] drops the rest.

use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::id::EventId;
use tessera_engine::time::Timestamp;
use tessera_store::{Commit, CommitError, Direction, Expect, Key, KeyRange, ScanLimit, Store};

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::store_error::{commit_failed, read_failed};
use crate::directory::Class;
use crate::stored::audit::{self, Written};
use crate::stored::cursor::{self, Cursors, Purpose};
use crate::stored::keys::{Family, KeyBuilder, Scope};

mod records;
mod room;
mod shares;

pub use records::rows;
pub(crate) use room::Room;
use shares::{Amount, Held};

/// Bytes of what was sent that are kept of one fact.
pub const RAW_BYTES_MAX: usize = 64 << 10;
/// Facts that one workspace keeps of those that private keys sent; the newest stay.
pub const ENTRIES_MAX: u64 = 100_000;
/// Bytes that it keeps of what private keys sent, over all facts; the newest stay.
pub const KEPT_BYTES_MAX: u64 = 1 << 30;
/// Facts that it keeps of those that public keys sent, apart from the others: the newest of each key, up to a share that is as large
/// as it can be and the same for all.
pub const PUBLIC_ENTRIES_MAX: u64 = 50_000;
/// Bytes that it keeps of what public keys sent; the same shares hold.
pub const PUBLIC_KEPT_BYTES_MAX: u64 = 256 << 20;
/// Entries of one page.
pub const PAGE_MAX: usize = 1_000;
/// Entries that one page looks at while it filters: a page may be short, or even empty, and still not be the last.
const LOOKED_AT_MAX: usize = 10_000;
/// Entries that one sweep removes.
const SWEPT_MAX: usize = 5_000;

/// A fact that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id; the newer, the greater.
    pub id: EventId,
    /// When it was refused.
    pub at: Timestamp,
    /// The door it came in by: whoever sends it again hands it to that one.
    pub door: String,
    /// The stable code of the refusal.
    pub code: String,
    /// What was expected and where.
    pub message: String,
    /// The key it was sent with.
    pub key: KeyId,
    /// The class of the key.
    pub class: Class,
    /// How many bytes of it are kept.
    pub kept_bytes: u32,
    /// Whether that is all; what was cut off cannot be sent again.
    pub whole: bool,
}

/// What was sent, as far as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw {
    bytes: Bytes,
    whole: bool,
}

impl Raw {
    /// Keeps at most [`RAW_BYTES_MAX`] of what was sent.
    #[must_use]
    pub fn keep(sent: &Bytes) -> Self {
        Self { bytes: sent.slice(..sent.len().min(RAW_BYTES_MAX)), whole: sent.len() <= RAW_BYTES_MAX }
    }

    /// What is kept.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether that is all that was sent.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raw(***, bytes={}, whole={})", self.bytes.len(), self.whole)
    }
}

/// A refused fact on its way into the quarantine.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Its id, of the supply that numbers events.
    pub id: EventId,
    /// When it was refused.
    pub at: Timestamp,
    /// The door it came in by.
    pub door: &'static str,
    /// The stable code of the refusal.
    pub code: &'static str,
    /// What was expected and where; no value of a person.
    pub message: String,
    /// The key it was sent with.
    pub key: KeyId,
    /// The class of the key.
    pub class: Class,
    /// What was sent.
    pub raw: Raw,
}

/// Which part of the quarantine to list.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only entries of this code.
    pub code: Option<String>,
    /// How many: 1 to [`PAGE_MAX`].
    pub limit: usize,
    /// Where an earlier page ended.
    pub cursor: Option<String>,
}

/// A part of the quarantine.
#[derive(Debug, Clone)]
pub struct Page {
    /// The entries, newest first.
    pub entries: Vec<Entry>,
    /// Where the next page begins; none on the last. A filtered page may be short and not the last.
    pub next_cursor: Option<String>,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Entries removed.
    pub removed: usize,
    /// Whether there is more to remove: the next run goes on.
    pub more: bool,
}

/// The quarantines of all workspaces.
#[derive(Clone)]
pub struct Quarantine {
    store: Arc<dyn Store>,
    cursors: Arc<Cursors>,
}

impl Quarantine {
    /// The quarantines in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, cursors: Arc<Cursors>) -> Self {
        Self { store, cursors }
    }

    /// A page of the entries of a workspace, newest first.
    ///
    /// # Errors
    /// `Invalid` with `limit_invalid`, `cursor_invalid`; what the store answers; `Corrupt`.
    pub async fn list(&self, workspace: WorkspaceId, query: &Query) -> Result<Page, Error> {
        if !(1..=PAGE_MAX).contains(&query.limit) {
            return Err(Error::new(ErrorKind::Invalid, "limit_invalid", format!("limit is 1 to {PAGE_MAX}")));
        }
        let mut rest = Some(match &query.cursor {
            None => all(workspace),
            Some(cursor) => {
                let id = self.cursors.open_sealed(workspace, Purpose::Quarantine, cursor)?;
                let id = <[u8; 12]>::try_from(&*id).map_err(|_| cursor::invalid())?;
                all(workspace).after(&entry_key(workspace, EventId::from_bytes(id)), Direction::Backward)
            }
        });
        let mut entries = Vec::new();
        let mut looked_at = 0;
        let mut last = None;
        while let Some(range) = rest.take() {
            let rows = (query.limit - entries.len()).max(100).min(LOOKED_AT_MAX - looked_at);
            let page = self.store.scan(&range, ScanLimit::rows(rows), Direction::Backward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            let rows = page.rows.len();
            for (index, row) in page.rows.into_iter().enumerate() {
                let entry = records::decode(id_of(&row.key)?, &row.value)?;
                looked_at += 1;
                let more = index + 1 < rows || page.next.is_some();
                last = more.then_some(entry.id);
                if query.code.as_ref().is_none_or(|code| *code == entry.code) {
                    entries.push(entry);
                }
                if entries.len() == query.limit {
                    return Ok(self.page(workspace, entries, last));
                }
            }
            rest = page.next.filter(|_| looked_at < LOOKED_AT_MAX);
        }
        Ok(self.page(workspace, entries, last))
    }

    fn page(&self, workspace: WorkspaceId, entries: Vec<Entry>, last: Option<EventId>) -> Page {
        let next_cursor = last.map(|id| self.cursors.seal(workspace, Purpose::Quarantine, id.as_bytes()));
        Page { entries, next_cursor }
    }

    /// An entry with what was sent: enough for its door to read it again.
    ///
    /// # Errors
    /// `NotFound` with `quarantine_entry_not_found`; what the store answers; `Corrupt`.
    pub async fn get(&self, workspace: WorkspaceId, id: EventId) -> Result<(Entry, Raw), Error> {
        let keys = keys(workspace, id);
        let found = self.store.get(&keys).await.map_err(|error| read_failed(&error))?;
        match found.value.as_slice() {
            [Some(entry), Some(raw)] => {
                let entry = records::decode(id, &entry.value)?;
                let raw = Raw { bytes: records::decode_raw(&raw.value)?, whole: entry.whole };
                Ok((entry, raw))
            }
            _ => Err(not_found()),
        }
    }

    /// Removes an entry. Only one of two who remove it at the same time is told that it was there.
    ///
    /// # Errors
    /// `NotFound` with `quarantine_entry_not_found`; what the store answers.
    pub async fn delete(&self, workspace: WorkspaceId, id: EventId) -> Result<(), Error> {
        let key = entry_key(workspace, id);
        let found = self.store.get(std::slice::from_ref(&key)).await.map_err(|error| read_failed(&error))?;
        let Some(Some(row)) = found.value.first() else {
            return Err(not_found());
        };
        let commit = Commit {
            expect: vec![(key.clone(), Expect::Version(row.version))],
            del: vec![key, raw_key(workspace, id)],
            ..Commit::default()
        };
        let written = Written::now(Vec::new());
        match self.store.commit(audit::with_row(commit, written.as_ref())).await {
            Ok(_) => {
                written.into_iter().for_each(Written::has_happened);
                Ok(())
            }
            Err(CommitError::Conflict(_)) => Err(not_found()),
            Err(error) => Err(commit_failed(&error)),
        }
    }

    /// Drops what a workspace holds beyond its bounds, all of it older than what stays of the same key. Reads all listed rows (not
    /// what was sent), so it is run when the bounds may be crossed; once they are not, the room says how much more may come.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub(crate) async fn sweep(&self, workspace: WorkspaceId, room: &Room) -> Result<Swept, Error> {
        let private = Amount { entries: ENTRIES_MAX, bytes: KEPT_BYTES_MAX };
        let public = Amount { entries: PUBLIC_ENTRIES_MAX, bytes: PUBLIC_KEPT_BYTES_MAX };
        self.sweep_to(workspace, private, public, room).await
    }

    async fn sweep_to(
        &self,
        workspace: WorkspaceId,
        private: Amount,
        public: Amount,
        room: &Room,
    ) -> Result<Swept, Error> {
        let before = room.seen();
        let mut held = Held::default();
        self.each(workspace, |entry| {
            held.take(entry);
            Ok(())
        })
        .await?;
        let Some(bounds) = held.bounds(private, public) else {
            room.counted(before, held.all(), [private, public]);
            return Ok(Swept::default());
        };
        let mut seen = Held::default();
        let mut surplus = Vec::new();
        let counted = self.each(workspace, |entry| {
            if !seen.take(entry).fits(bounds.of(entry)) {
                surplus.push(entry.id);
            }
            if surplus.len() > SWEPT_MAX { Err(Enough) } else { Ok(()) }
        });
        counted.await?;
        let more = surplus.len() > SWEPT_MAX;
        surplus.truncate(SWEPT_MAX);
        let ops_max = self.store.limits().ops;
        for ids in surplus.chunks((ops_max / 2).max(1)) {
            let del = ids.iter().flat_map(|id| [entry_key(workspace, *id), raw_key(workspace, *id)]).collect();
            let commit = Commit { del, ..Commit::default() };
            self.store.commit(commit).await.map_err(|error| commit_failed(&error))?;
        }
        Ok(Swept { removed: surplus.len(), more })
    }

    /// Shows every entry of a workspace, newest first, until there are enough.
    async fn each(
        &self,
        workspace: WorkspaceId,
        mut show: impl FnMut(&Entry) -> Result<(), Enough>,
    ) -> Result<(), Error> {
        let mut rest = Some(all(workspace));
        while let Some(range) = rest.take() {
            let page = self.store.scan(&range, ScanLimit::rows(1_000), Direction::Backward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in page.rows {
                if show(&records::decode(id_of(&row.key)?, &row.value)?).is_err() {
                    return Ok(());
                }
            }
            rest = page.next;
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// No more entries need to be looked at.
struct Enough;

fn all(workspace: WorkspaceId) -> KeyRange {
    Scope::new(workspace).family(Family::Quarantine).range()
}

fn entry_key(workspace: WorkspaceId, id: EventId) -> Key {
    Scope::new(workspace).family(Family::Quarantine).event(id).key()
}

fn raw_key(workspace: WorkspaceId, id: EventId) -> Key {
    Scope::new(workspace).family(Family::QuarantineRaw).event(id).key()
}

fn id_of(key: &Key) -> Result<EventId, Error> {
    let id = key.as_bytes()[KeyBuilder::HEAD_BYTES..].try_into();
    id.map(EventId::from_bytes).map_err(|_| crate::base::codec::corrupt("id of a quarantined fact"))
}

/// The id of the entry whose sent bytes stand under a key, and the key of its other row.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn entry_of_raw(workspace: WorkspaceId, key: &Key) -> Result<(EventId, Key), Error> {
    let id = id_of(key)?;
    Ok((id, entry_key(workspace, id)))
}

/// The keys of both rows of an entry.
pub(crate) fn keys(workspace: WorkspaceId, id: EventId) -> [Key; 2] {
    [entry_key(workspace, id), raw_key(workspace, id)]
}

/// What was sent, out of its row.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn sent(row: &Bytes) -> Result<Bytes, Error> {
    records::decode_raw(row)
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "quarantine_entry_not_found", "no quarantined fact of this id")
}

#[cfg(test)]
mod tests;
