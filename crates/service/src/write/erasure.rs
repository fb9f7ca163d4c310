//! Erasures: the receipts that stay of them, and the rows that say what is still to be purged.
//!
//! An erasure is one commit of the lane. From then on nobody is told anything of what it erased; a receipt stands, with a row that
//! it waits for the purge. What is left on disk goes in three steps, each of which may be broken off and done again: the lane
//! removes the events of the nodes (`lane/purge`); [`purge`] removes what was kept of what was sent, wherever it names one of the
//! identities; and the store makes the deletions physical. Then the receipt says when.
//!
//! The rows that still hold an identity for that end with the second step. Receipts, and what else stays, hold none.

use std::sync::Arc;

use tessera_engine::cluster::Source;
use tessera_engine::decide::EventErasure;
use tessera_engine::fact::Identity;
use tessera_engine::id::{ErasureId, NodeId};
use tessera_engine::time::Timestamp;
use tessera_engine::working::FactRow;
use tessera_store::{Commit, CommitError, Direction, Key, KeyRange, ScanLimit, Store};

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::store_error::{commit_failed, read_failed};
use crate::directory::{LIST_MAX, ListPage, ListQuery};
use crate::read::query::StoredCall;
use crate::stored::cursor::{self, Cursors, Purpose};
use crate::stored::keys::{Family, KeyBuilder, Scope};
use crate::stored::row;

pub(crate) mod purge;
pub(crate) mod records;
pub(crate) mod wanted;

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The profile that had this id, with all its identities.
    Profile(NodeId),
    /// One identity of the profile that had this id.
    Identity(NodeId),
    /// One event of the profile that had this id.
    Event(NodeId),
    /// All that a dataset had said, or one named delivery of it.
    Source {
        /// The dataset.
        dataset: Arc<str>,
        /// The delivery.
        batch: Option<Arc<str>>,
    },
}

/// How much of each kind was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Identities.
    pub identities: u64,
    /// Attribute values: one for each attribute, identity and dataset.
    pub attributes: u64,
    /// Links between identities, those that did not hold as well.
    pub links: u64,
    /// Calls on timelines.
    pub events: u64,
    /// Refused facts in the quarantine. Counted by the purge.
    pub quarantined: u64,
    /// Answers kept for an `Idempotency-Key`. Counted by the purge.
    pub replies: u64,
}

/// What stays of an erasure. It names no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its id; the newer, the greater.
    pub id: ErasureId,
    /// When it was erased.
    pub at: Timestamp,
    /// What was erased.
    pub kind: Kind,
    /// The key that asked for it; none where that is not known any more.
    pub by: Option<KeyId>,
    /// Whether facts that name one of the identities are refused since.
    pub suppressed: bool,
    /// What was removed.
    pub removed: Removed,
    /// When the last trace had left the store's files; none while it waits for that.
    pub purged_at: Option<Timestamp>,
}

/// What of an erased node is looked for in what was kept of what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) receipt: ErasureId,
    pub(crate) identity: Identity,
}

const RECEIPT: &[u8] = &[0];
const WAITING: &[u8] = &[1];
const TRACE: &[u8] = &[2];

impl Scope {
    pub(crate) fn receipt(self, id: ErasureId) -> Key {
        self.family(Family::Receipt).bytes(RECEIPT).bytes(id.as_bytes()).key()
    }

    /// The row that says that a receipt waits for the purge.
    pub(crate) fn waiting_receipt(self, id: ErasureId) -> Key {
        self.family(Family::Receipt).bytes(WAITING).bytes(id.as_bytes()).key()
    }

    pub(crate) fn trace(self, receipt: ErasureId, node: NodeId) -> Key {
        self.family(Family::Receipt).bytes(TRACE).bytes(receipt.as_bytes()).node(node).key()
    }

    fn receipts(self) -> KeyRange {
        self.family(Family::Receipt).bytes(RECEIPT).range()
    }

    pub(crate) fn waiting_receipts(self) -> KeyRange {
        self.family(Family::Receipt).bytes(WAITING).range()
    }

    fn traces(self) -> KeyRange {
        self.family(Family::Receipt).bytes(TRACE).range()
    }
}

/// What a row of the family of receipts is of.
pub(crate) enum ReceiptKey {
    Receipt(ErasureId),
    Waiting(ErasureId),
    Trace(ErasureId, NodeId),
}

/// Reads a key of the family of receipts.
pub(crate) fn read_key(key: &Key) -> Option<ReceiptKey> {
    let rest = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?;
    let (tag, rest) = rest.split_first()?;
    let (id, rest) = rest.split_first_chunk::<12>()?;
    let id = ErasureId::from_bytes(*id);
    match (std::slice::from_ref(tag), rest) {
        (RECEIPT, []) => Some(ReceiptKey::Receipt(id)),
        (WAITING, []) => Some(ReceiptKey::Waiting(id)),
        (TRACE, node) => Some(ReceiptKey::Trace(id, NodeId::from_bytes(node.try_into().ok()?))),
        _ => None,
    }
}

/// Writes the receipt of an erasure that is done already, and that it waits for the purge. Once, however often it is asked for.
///
/// # Errors
/// What the store answers.
pub(crate) async fn file(store: &dyn Store, scope: Scope, receipt: &Receipt) -> Result<(), Error> {
    let commit = Commit::new()
        .with_reserve()
        .create(scope.receipt(receipt.id), records::encode_receipt(receipt))
        .create(scope.waiting_receipt(receipt.id), &[1][..]);
    match store.commit(commit).await {
        Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(error) => Err(commit_failed(&error)),
    }
}

/// The receipt of this id.
///
/// # Errors
/// `NotFound` with `erasure_not_found`; what the store answers; `Corrupt`.
pub(crate) async fn find(store: &dyn Store, workspace: WorkspaceId, id: &str) -> Result<Receipt, Error> {
    let not_found = || Error::new(ErrorKind::NotFound, "erasure_not_found", "the workspace has no erasure of this id");
    let id = ErasureId::parse(id).map_err(|_| not_found())?;
    let row = row::read(store, Scope::new(workspace).receipt(id)).await?.ok_or_else(not_found)?;
    records::decode_receipt(id, &row.value)
}

/// A page of the receipts of a workspace, newest first.
///
/// # Errors
/// `Invalid` with `limit_invalid`, `cursor_invalid`; what the store answers; `Corrupt`.
pub(crate) async fn list(
    store: &dyn Store,
    workspace: WorkspaceId,
    query: &ListQuery,
    cursors: &Cursors,
) -> Result<ListPage<Receipt>, Error> {
    if !(1..=LIST_MAX).contains(&query.limit) {
        let message = format!("limit is expected to be 1 to {LIST_MAX}");
        return Err(Error::new(ErrorKind::Invalid, "limit_invalid", message));
    }
    let scope = Scope::new(workspace);
    let range = match &query.cursor {
        None => scope.receipts(),
        Some(cursor) => {
            let id = cursors.open_sealed(workspace, Purpose::Erasures, cursor)?;
            let id = <[u8; 12]>::try_from(&*id).map_err(|_| cursor::invalid())?;
            scope.receipts().after(&scope.receipt(ErasureId::from_bytes(id)), Direction::Backward)
        }
    };
    let page = store.scan(&range, ScanLimit::rows(query.limit), Direction::Backward).await;
    let page = page.map_err(|error| read_failed(&error))?;
    let mut items = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        let Some(ReceiptKey::Receipt(id)) = read_key(&row.key) else {
            return Err(crate::base::codec::corrupt("receipt key"));
        };
        items.push(records::decode_receipt(id, &row.value)?);
    }
    let last = items.last().filter(|_| page.more()).map(|receipt| receipt.id);
    let next_cursor = last.map(|id| cursors.seal(workspace, Purpose::Erasures, id.as_bytes()));
    Ok(ListPage { items, next_cursor })
}

/// The erasure of one event, by its call and the row of its fact. A fact from before sources were kept with it is older than every
/// erasure of one.
pub(crate) fn erasure_of(call: StoredCall, fact: FactRow) -> EventErasure {
    let own = Source { dataset: call.dataset, batch: call.batch, generation: 0 };
    EventErasure {
        fact: call.message_id,
        node: fact.node,
        source: fact.source.unwrap_or(own),
        received_at: call.received_at,
    }
}
