//! What a lane remembers of the records that it wrote or read last, decoded, with their versions.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use tessera_engine::cluster::Cluster;
use tessera_engine::fact::Identity;
use tessera_engine::id::NodeId;
use tessera_engine::working::IdentityRow;
use tessera_store::Version;

#[derive(Clone)]
struct ByBytes;

impl Weighter<NodeId, (Arc<Cluster>, Version)> for ByBytes {
    fn weight(&self, _: &NodeId, (cluster, _): &(Arc<Cluster>, Version)) -> u64 {
        // Decoded, a record takes about three times its stored bytes.
        200 + 3 * cluster.bytes as u64
    }
}

impl Weighter<Identity, (IdentityRow, Version)> for ByBytes {
    fn weight(&self, identity: &Identity, _: &(IdentityRow, Version)) -> u64 {
        120 + identity.value.len() as u64
    }
}

/// Bounded by bytes, an eighth of them for identity rows.
pub(super) struct Memory {
    clusters: Cache<NodeId, (Arc<Cluster>, Version), ByBytes>,
    identities: Cache<Identity, (IdentityRow, Version), ByBytes>,
}

impl Memory {
    pub(super) fn new(bytes: u64) -> Self {
        let items = |bytes: u64| usize::try_from(bytes / 1_024).unwrap_or(usize::MAX).max(16);
        Self {
            clusters: Cache::with_weighter(items(bytes), bytes - bytes / 8, ByBytes),
            identities: Cache::with_weighter(items(bytes), bytes / 8, ByBytes),
        }
    }

    pub(super) fn cluster(&self, id: NodeId) -> Option<&(Arc<Cluster>, Version)> {
        self.clusters.get(&id)
    }

    pub(super) fn identity(&self, identity: &Identity) -> Option<&(IdentityRow, Version)> {
        self.identities.get(identity)
    }

    pub(super) fn keep_cluster(&mut self, id: NodeId, cluster: Arc<Cluster>, version: Version) {
        self.clusters.insert(id, (cluster, version));
    }

    pub(super) fn keep_identity(&mut self, identity: Identity, row: IdentityRow, version: Version) {
        self.identities.insert(identity, (row, version));
    }

    pub(super) fn drop_cluster(&mut self, id: NodeId) {
        self.clusters.remove(&id);
    }

    pub(super) fn drop_identity(&mut self, identity: &Identity) {
        self.identities.remove(identity);
    }
}
