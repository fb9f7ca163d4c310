//! What keeps the audit log: entries that no commit of the work could hold are written when the request is answered, and the oldest go when
//! there are too many.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tessera_engine::time::Timestamp;
use tessera_store::{Commit, Direction, Key, KeyRange, ScanLimit, Store};

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, OrganizationId};
use crate::base::keeper::Keeper;
use crate::base::lock::lock;
use crate::base::names;
use crate::base::settings::AuditBounds;
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::audit::{self, Asked, Outcome, Pending, ROW_BYTES};
use crate::stored::row::rows_at_once;
use crate::work::service::Service;

/// Entries of one key in a minute for what was not done. Whoever has a key that may do nothing could fill the log otherwise.
const NOT_DONE_MAX: u32 = 10;
const MINUTE_MICROS: i64 = 60_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
/// How often it is looked whether entries are too old.
const LOOK_MICROS: i64 = 3_600_000_000;
/// Of the bytes that are kept, one part in so many may come before they are counted again.
const PARTS: u64 = 16;
/// Entries read in one go, and dropped in one commit.
const ROWS: usize = 1_000;

/// What is kept of the log beside its rows.
pub(crate) struct Audited {
    bounds: AuditBounds,
    /// Bytes that came since this process began.
    came: Arc<AtomicU64>,
    /// How many there were when they were last counted, and when that was; none before the first time.
    looked: Mutex<Option<(u64, Timestamp)>>,
    not_done: Mutex<NotDone>,
    /// Tells entries of one instant apart: random bits of this process, and a count.
    marks: AtomicU64,
}

/// What was not done in a minute, by key.
#[derive(Default)]
struct NotDone {
    minute: i64,
    of: HashMap<KeyId, u32>,
}

impl Audited {
    /// With random bits that no other process has drawn.
    pub(crate) fn new(bounds: AuditBounds, drawn: [u8; 8]) -> Self {
        let marks = AtomicU64::new(u64::from_be_bytes(drawn));
        Self { bounds, came: Arc::default(), looked: Mutex::default(), not_done: Mutex::default(), marks }
    }

    /// Whether there is room in this minute for one more entry of this key for what was not done.
    fn admits(&self, key: KeyId, now: Timestamp) -> bool {
        let mut not_done = lock(&self.not_done);
        let minute = now.micros().div_euclid(MINUTE_MICROS);
        if not_done.minute != minute {
            *not_done = NotDone { minute, of: HashMap::new() };
        }
        let count = not_done.of.entry(key).or_default();
        *count = count.saturating_add(1);
        *count <= NOT_DONE_MAX
    }

    /// Whether it is time to look what is over the bounds, and what to remember once that is done.
    fn is_due(&self, now: Timestamp) -> Option<(u64, Timestamp)> {
        let came = self.came.load(Ordering::Relaxed);
        let is_due = lock(&self.looked).is_none_or(|(counted, at)| {
            came.saturating_sub(counted) > self.bounds.bytes_max / PARTS
                || (now.micros() - at.micros()).abs() >= LOOK_MICROS
        });
        is_due.then_some((came, now))
    }
}

impl Service {
    /// The entry of a request that is audited, to be worked on in its [`scope`](Pending::scope).
    #[must_use]
    pub fn begin_audited(&self, asked: Asked) -> Arc<Pending> {
        let mark = self.audited.marks.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Pending::new(asked, (self.now(), mark), self.audited.came.clone())
    }

    /// Writes the entry of a request, now that it is known what became of it, where no commit of its work holds it as it is. A request that was
    /// wrong, and did nothing, has none; neither has one without a key that works. What cannot be written is logged, and holds nobody up.
    pub async fn end_audited(&self, pending: &Pending, became: Result<(), &Error>) {
        let Some(key) = pending.key() else { return };
        let outcome = match became {
            Ok(()) => Outcome::Done,
            Err(_) if pending.is_committed() => Outcome::InPart,
            Err(error) => match error.kind {
                ErrorKind::Forbidden => Outcome::Refused,
                ErrorKind::Unknown => Outcome::Unknown,
                ErrorKind::Unavailable | ErrorKind::Corrupt | ErrorKind::Internal => Outcome::Failed,
                ErrorKind::Invalid
                | ErrorKind::Unauthenticated
                | ErrorKind::NotFound
                | ErrorKind::Conflict
                | ErrorKind::LimitExceeded
                | ErrorKind::Throttled => return,
            },
        };
        let is_done = matches!(outcome, Outcome::Done | Outcome::InPart);
        if !is_done && !self.audited.admits(key, self.now()) {
            metrics::counter!(names::AUDIT_LEFT_OUT).increment(1);
            return;
        }
        let Some((row_key, row)) = pending.row_at_end(outcome, became.err().map(|error| error.code)) else { return };
        let mut commit = Commit::new().with_reserve();
        commit.put.push((row_key, row.clone()));
        match self.store().commit(commit).await {
            Ok(_) => pending.has_committed(&[], row),
            Err(error) => {
                metrics::counter!(names::AUDIT_FAILED).increment(1);
                let error = commit_failed(&error);
                tracing::error!(code = error.code, %key, "an entry of the audit log could not be written");
            }
        }
    }

    /// Drops the entries that are too old, and the oldest where there are too many, of each organization.
    pub(crate) async fn keep_audit_log(&self, keeper: &Keeper) -> Result<(), Error> {
        let Some(looked) = self.audited.is_due(self.now()) else { return Ok(()) };
        let store = &**self.store();
        let organizations: Vec<OrganizationId> = self.directory.snapshot().organizations().map(|own| own.id).collect();
        for organization in organizations {
            let bounds = self.audited.bounds;
            if keeper.is_stopped() {
                return Ok(());
            }
            trim(store, organization, bounds, self.now()).await?;
        }
        *lock(&self.audited.looked) = Some(looked);
        Ok(())
    }
}

/// Drops what is over the bounds of one organization. Reads what stays and no more than a page beyond.
async fn trim(
    store: &dyn Store,
    organization: OrganizationId,
    bounds: AuditBounds,
    now: Timestamp,
) -> Result<(), Error> {
    let since = now.plus_micros(-i64::from(bounds.days_max) * DAY_MICROS);
    drop_all(store, audit::rows(organization, None, Some(since))).await?;
    let all = audit::rows(organization, None, None);
    let (mut bytes, mut rest) = (0, Some(all.clone()));
    while let Some(range) = rest.take() {
        let page = store.scan(&range, ScanLimit::rows(ROWS), Direction::Backward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        for row in &page.rows {
            bytes += (row.value.len() + ROW_BYTES) as u64;
            if bytes > bounds.bytes_max {
                return drop_all(store, KeyRange { end: Some(row.key.successor()), ..all }).await;
            }
        }
        rest = page.next;
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn drop_all(store: &dyn Store, range: KeyRange) -> Result<(), Error> {
    let mut rest = Some(range);
    while let Some(range) = rest.take() {
        let page = store.scan(&range, ScanLimit::rows(rows_at_once(store, ROWS, 1)), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        let del: Vec<Key> = page.rows.into_iter().map(|row| row.key).collect();
        if del.is_empty() {
            return Ok(());
        }
        metrics::counter!(names::AUDIT_TRIMMED).increment(del.len() as u64);
        store.commit(Commit { del, ..Commit::new() }).await.map_err(|error| commit_failed(&error))?;
        rest = page.next;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
