//! The purge behind the lane's part: what was kept of what was sent, and the files of the store.
//!
//! Linear in the quarantine, the kept answers and the ids of facts of the workspace for each 20,000 identities, and in the whole
//! store for the compaction: so it runs when the oldest receipt has waited for an interval, or when somebody asks for it.

use std::sync::Arc;

use hashbrown::HashMap;
use tessera_engine::config::Config;
use tessera_engine::id::{ErasureId, NodeId};
use tessera_engine::time::Timestamp;
use tessera_store::{Commit, CommitError, Direction, Key, KeyRange, Row, ScanLimit, Store, Version};

use super::wanted::Wanted;
use super::{Receipt, ReceiptKey, Trace, read_key, records};
use crate::base::codec::corrupt;
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::store_error::{commit_failed, read_failed};
use crate::config::learned::Learned;
use crate::stored::idempotency;
use crate::stored::keys::{Family, Scope};
use crate::stored::records::rows;
use crate::stored::row::rows_at_once;
use crate::write::quarantine;

/// Receipts that one run settles; the next goes on.
pub(crate) const RECEIPTS_AT_ONCE: usize = 5_000;
/// Identities that are looked for in one pass.
const TRACES_AT_ONCE: usize = 20_000;
/// Rows that hold what was sent, looked at in one go.
const SENT_AT_ONCE: usize = 100;
/// Small rows looked at, or written, in one go.
const ROWS_AT_ONCE: usize = 1_000;
/// Times that a page is looked at again because somebody changed a row of it.
const CONFLICTS_MAX: usize = 8;

/// The purge of one workspace.
pub(crate) struct Purge<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) workspace: WorkspaceId,
    pub(crate) config: Arc<Config>,
    /// The names of attributes and events that were seen: somebody may be among them.
    pub(crate) learned: &'a Learned,
}

/// Where something was kept of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Quarantine,
    Replies,
    FactsById,
    Facts,
}

/// A row that has to go, with the erasure that it goes for.
struct Leftover {
    key: Key,
    version: Version,
    /// A row that goes with it.
    beside: Option<Key>,
    receipt: Option<ErasureId>,
}

type Receipts = HashMap<ErasureId, (Receipt, Version)>;

impl Purge<'_> {
    fn scope(&self) -> Scope {
        Scope::new(self.workspace)
    }

    /// The receipts that wait, oldest first, at most [`RECEIPTS_AT_ONCE`]. Taken before the lane removes events: of these, all
    /// nodes have been purged once it has nothing to do.
    pub(crate) async fn waiting(&self) -> Result<Vec<ErasureId>, Error> {
        let limit = ScanLimit::rows(RECEIPTS_AT_ONCE);
        let page = self.store.scan(&self.scope().waiting_receipts(), limit, Direction::Forward).await;
        let rows = page.map_err(|error| read_failed(&error))?.rows;
        let id = |row: &Row| match read_key(&row.key) {
            Some(ReceiptKey::Waiting(id)) => Ok(id),
            Some(ReceiptKey::Receipt(_) | ReceiptKey::Trace(..)) | None => Err(corrupt("receipt key")),
        };
        rows.iter().map(id).collect()
    }

    /// When the oldest of these was written.
    pub(crate) async fn since(&self, waiting: &[ErasureId]) -> Result<Option<Timestamp>, Error> {
        let Some(first) = waiting.first() else { return Ok(None) };
        let receipts = self.receipts(&[*first]).await?;
        Ok(receipts.get(first).map(|(receipt, _)| receipt.at))
    }

    /// Removes what was kept of what was sent, wherever it names an identity of one of these erasures.
    pub(crate) async fn sweep(&self, waiting: &[ErasureId]) -> Result<(), Error> {
        let mut receipts = self.receipts(waiting).await?;
        let mut rest = Some(self.scope().traces());
        while let Some(range) = rest.take() {
            let mut traces = Vec::new();
            let mut open = Some(range);
            while let Some(range) = open.take() {
                let page = self.scan(&range, ROWS_AT_ONCE).await?;
                for row in &page.rows {
                    let Some(ReceiptKey::Trace(receipt, node)) = read_key(&row.key) else {
                        return Err(corrupt("trace key"));
                    };
                    // Others may still own events, and be told as purged too early.
                    if receipts.contains_key(&receipt) {
                        traces.push((node, records::decode_trace(&row.value)?));
                    }
                }
                match page.next {
                    Some(next) if traces.len() >= TRACES_AT_ONCE => rest = Some(next),
                    next => open = next,
                }
            }
            self.sweep_for(&traces, &mut receipts).await?;
        }
        Ok(())
    }

    async fn sweep_for(&self, traces: &[(NodeId, Trace)], receipts: &mut Receipts) -> Result<(), Error> {
        if traces.is_empty() {
            return Ok(());
        }
        let wanted = Wanted::new(traces, &self.config)?;
        // Rows of facts are brought from the one place to the other, never back.
        for place in [Place::Quarantine, Place::Replies, Place::FactsById, Place::Facts] {
            self.sweep_place(place, &wanted, receipts).await?;
        }
        self.learned.forget_named(self.store, self.scope(), &|name| wanted.names(name)).await?;
        for traces in traces.chunks(rows_at_once(self.store, ROWS_AT_ONCE, 2)) {
            let key = |(node, trace): &(NodeId, Trace)| self.scope().trace(trace.receipt, *node);
            let commit = traces.iter().fold(Commit::new().with_reserve(), |commit, trace| commit.delete(key(trace)));
            self.store.commit(commit).await.map_err(|error| commit_failed(&error))?;
        }
        Ok(())
    }

    async fn sweep_place(&self, place: Place, wanted: &Wanted, receipts: &mut Receipts) -> Result<(), Error> {
        let (family, most) = match place {
            Place::Quarantine => (Family::QuarantineRaw, SENT_AT_ONCE),
            Place::Replies => (Family::Idempotency, SENT_AT_ONCE),
            Place::FactsById => (Family::FactById, ROWS_AT_ONCE),
            Place::Facts => (Family::Fact, ROWS_AT_ONCE),
        };
        // A row is expected to be as it was, goes with another one, and is counted in a receipt.
        let at_once = rows_at_once(self.store, most, 6);
        let mut rest = Some(self.scope().all_of(family));
        while let Some(range) = rest.take() {
            for attempt in 1.. {
                let page = self.scan(&range, at_once).await?;
                let mut leftovers = Vec::new();
                for row in &page.rows {
                    leftovers.extend(self.judge(place, row, wanted, receipts)?);
                }
                rest = page.next;
                match self.remove(place, &leftovers, receipts).await {
                    Err(CommitError::Conflict(_)) if attempt < CONFLICTS_MAX => {}
                    Err(error) => return Err(commit_failed(&error)),
                    Ok(()) => break,
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Whether a row has to go, and for which erasure. What came after an erasure stays, unless nothing was to come any more.
    fn judge(&self, place: Place, row: &Row, wanted: &Wanted, receipts: &Receipts) -> Result<Option<Leftover>, Error> {
        let leftover = |beside, receipt| Leftover { key: row.key.clone(), version: row.version, beside, receipt };
        let first = |named: Vec<ErasureId>, is_before: &dyn Fn(&Receipt) -> bool| {
            let goes = |id: &ErasureId| receipts.get(id).is_some_and(|(own, _)| own.suppressed || is_before(own));
            named.into_iter().find(goes)
        };
        match place {
            Place::Quarantine => {
                let (id, entry) = quarantine::entry_of_raw(self.workspace, &row.key)?;
                let named = wanted.named_in(&quarantine::sent(&row.value)?);
                // Both ids are of the lane's supply, which never goes backwards.
                let receipt = first(named, &|receipt| id.as_bytes() < receipt.id.as_bytes());
                Ok(receipt.map(|receipt| leftover(Some(entry), Some(receipt))))
            }
            Place::Replies => {
                let kept = idempotency::kept(&row.key, &row.value)?;
                let named = [wanted.named_in(&kept.body), wanted.named_in(kept.name)].concat();
                let receipt = first(named, &|receipt| kept.at <= receipt.at);
                // The key of its end names what it is called.
                let end = idempotency::ends_key(&row.key, kept.at);
                Ok(receipt.map(|receipt| leftover(Some(end), Some(receipt))))
            }
            Place::FactsById | Place::Facts => {
                let is_erased = wanted.holds(rows::decode_fact(&row.value)?.node);
                Ok(is_erased.then(|| leftover(None, None)))
            }
        }
    }

    /// Removes rows and counts them in their receipts, in one commit.
    async fn remove(&self, place: Place, leftovers: &[Leftover], receipts: &mut Receipts) -> Result<(), CommitError> {
        if leftovers.is_empty() {
            return Ok(());
        }
        let mut commit = Commit::new().with_reserve();
        let mut counted: HashMap<ErasureId, (Receipt, Version)> = HashMap::new();
        for Leftover { key, version, beside, receipt } in leftovers {
            commit = commit.expect_version(key.clone(), *version).delete(key.clone());
            commit = beside.iter().fold(commit, |commit, key| commit.delete(key.clone()));
            if let Some(known) = receipt.and_then(|id| receipts.get(&id)) {
                let (receipt, _) = counted.entry(known.0.id).or_insert_with(|| known.clone());
                match place {
                    Place::Quarantine => receipt.removed.quarantined += 1,
                    Place::Replies => receipt.removed.replies += 1,
                    Place::FactsById | Place::Facts => {}
                }
            }
        }
        for (id, (receipt, version)) in &counted {
            commit = commit.replace(self.scope().receipt(*id), *version, records::encode_receipt(receipt));
        }
        let committed = self.store.commit(commit).await?;
        for (id, (receipt, _)) in counted {
            receipts.insert(id, (receipt, committed.version));
        }
        Ok(())
    }

    /// Says in these receipts that nothing of what they erased is left.
    pub(crate) async fn settle(&self, waiting: &[ErasureId], now: Timestamp) -> Result<(), Error> {
        for ids in waiting.chunks(rows_at_once(self.store, ROWS_AT_ONCE, 4)) {
            let mut commit = Commit::new().with_reserve();
            for (id, (receipt, version)) in self.receipts(ids).await? {
                let receipt = Receipt { purged_at: Some(now), ..receipt };
                commit = commit.replace(self.scope().receipt(id), version, records::encode_receipt(&receipt));
            }
            commit = ids.iter().fold(commit, |commit, id| commit.delete(self.scope().waiting_receipt(*id)));
            self.store.commit(commit).await.map_err(|error| commit_failed(&error))?;
        }
        Ok(())
    }

    async fn receipts(&self, ids: &[ErasureId]) -> Result<Receipts, Error> {
        let mut found = Receipts::new();
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let keys: Vec<Key> = ids.iter().map(|id| self.scope().receipt(*id)).collect();
            let rows = self.store.get(&keys).await.map_err(|error| read_failed(&error))?;
            for (id, row) in ids.iter().zip(rows.value) {
                let row = row.ok_or_else(|| corrupt("receipt that waits"))?;
                found.insert(*id, (records::decode_receipt(*id, &row.value)?, row.version));
            }
        }
        Ok(found)
    }

    async fn scan(&self, range: &KeyRange, rows: usize) -> Result<tessera_store::Page, Error> {
        let page = self.store.scan(range, ScanLimit::rows(rows), Direction::Forward).await;
        page.map_err(|error| read_failed(&error))
    }
}
