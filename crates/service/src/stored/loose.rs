//! What is left of nodes that were erased with more than one commit takes: links that do not hold, and what they said of accounts.
//!
//! The commit of such an erasure writes one row for each node, and from then on its links are shown to nobody. The lane removes them with the
//! purge, each with what hung to it, then takes its word out of the accounts that the row lists, and removes the row with the last.

use bytes::Bytes;
use hashbrown::HashSet;
use tessera_engine::cluster::{Cluster, Link};
use tessera_engine::id::NodeId;
use tessera_store::{Direction, Key, KeyRange, ScanLimit, Store};

use crate::base::codec::{self, corrupt};
use crate::base::error::Error;
use crate::base::store_error::read_failed;
use crate::stored::keys::{Family, Scope};
use crate::stored::layout::read_node_key;
use crate::stored::records::link;

/// Rows read in one go.
const ROWS_AT_ONCE: usize = 1_000;

impl Scope {
    /// The row that says that an erased node has links which are still to be removed.
    pub(crate) fn loose(self, node: NodeId) -> Key {
        self.family(Family::Loose).node(node).key()
    }
}

const VERSION: u8 = 1;

/// Writes the row of a node: the accounts that it said something of.
pub(crate) fn encode(accounts: &[NodeId]) -> Bytes {
    let accounts: Vec<[u8; 12]> = accounts.iter().map(|own| *own.as_bytes()).collect();
    codec::encode(VERSION, &accounts)
}

/// Reads the row of a node.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<NodeId>, Error> {
    let accounts: Vec<[u8; 12]> = codec::decode(VERSION, bytes)?;
    Ok(accounts.into_iter().map(NodeId::from_bytes).collect())
}

/// All erased nodes of a workspace of which something is left.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn read_all(store: &dyn Store, scope: Scope) -> Result<HashSet<NodeId>, Error> {
    let mut found = HashSet::new();
    let mut range = Some(scope.all_of(Family::Loose));
    while let Some(open) = range {
        let page = store.scan(&open, ScanLimit::rows(ROWS_AT_ONCE), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        for row in &page.rows {
            found.insert(read_node_key(&row.key).ok_or_else(|| corrupt("key of a node with loose links"))?);
        }
        range = page.next;
    }
    Ok(found)
}

/// Some links of a node that do not hold.
pub(crate) struct LinkPage {
    /// Those whose other end is there.
    pub(crate) links: Vec<Link>,
    /// The rest of the range; none at its end.
    pub(crate) rest: Option<KeyRange>,
}

/// Reads some links of a node, those aside whose other end was erased.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn links_of(
    store: &dyn Store,
    scope: Scope,
    node: NodeId,
    range: &KeyRange,
    rows: usize,
) -> Result<LinkPage, Error> {
    let page = store.scan(range, ScanLimit::rows(rows), Direction::Forward).await;
    let page = page.map_err(|error| read_failed(&error))?;
    let mut links = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        links.push(link::decode(&row.value)?);
    }
    let mut keep = Vec::with_capacity(links.len());
    for links in links.chunks(store.limits().get_keys.min(ROWS_AT_ONCE)) {
        let keys: Vec<Key> = links.iter().map(|link| scope.loose(link.other(node).node)).collect();
        let found = store.get(&keys).await.map_err(|error| read_failed(&error))?;
        keep.extend(found.value.into_iter().map(|row| row.is_none()));
    }
    let mut keep = keep.into_iter();
    links.retain(|_| keep.next().unwrap_or(true));
    Ok(LinkPage { links, rest: page.next })
}

/// Whether nothing speaks of a node any more but what was erased: it goes with the links that are still to be removed.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn is_forgotten(store: &dyn Store, scope: Scope, cluster: &Cluster) -> Result<bool, Error> {
    let [node] = &*cluster.nodes else { return Ok(false) };
    if !node.owned.is_empty() || !cluster.links.is_empty() {
        return Ok(false);
    }
    let (mut range, mut has_links) = (Some(scope.held_of(node.id)), false);
    while let Some(open) = range {
        let page = store.scan(&open, ScanLimit::rows(1), Direction::Forward).await;
        has_links |= !page.map_err(|error| read_failed(&error))?.rows.is_empty();
        if !has_links {
            return Ok(false);
        }
        let page = links_of(store, scope, node.id, &open, ROWS_AT_ONCE).await?;
        if page.links.iter().any(|link| !link.is_mark()) {
            return Ok(false);
        }
        range = page.rest;
    }
    Ok(has_links)
}
