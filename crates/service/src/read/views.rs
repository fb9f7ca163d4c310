//! The cache of rendered views: bounded by bytes, and right at every instant.
//!
//! A view remembers the epoch that its cluster had before it was read, and the one of everything before the configuration was
//! taken. A commit moves the epochs of the clusters that it changed before its answers leave, a change of configuration that of
//! everything, so a view made from older records, or under an older version of its merge policy, is never shown after that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use tessera_engine::config::Config;
use tessera_engine::heap::{Heap as _, allocated};
use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::time::Timestamp;
use tessera_engine::view::{Relevance, View};

use crate::base::held::place;
use crate::base::ids::WorkspaceId;
use crate::config::policies::Chosen;
use crate::read::document::DocumentQuery;
use crate::read::find::Found;
use crate::read::query::{Fields, Lookup, Rendered};

/// Clusters share epochs by the hash of their ids: with a million of them, a write spares all but a millionth of the views.
const EPOCHS: usize = 1 << 20;

/// How often the clusters of a workspace have changed, roughly.
pub(crate) struct Epochs {
    by_cluster: Box<[AtomicU64]>,
    all: AtomicU64,
}

/// An epoch as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    slot: usize,
    own: u64,
    all: u64,
}

/// The part of an epoch that moves when everything may look different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochOfAll(u64);

impl Epoch {
    /// The epoch of a view for which more was read than its cluster, since this one.
    pub(crate) fn since(self, EpochOfAll(all): EpochOfAll) -> Self {
        Self { all, ..self }
    }
}

impl Epochs {
    pub(crate) fn new() -> Self {
        Self { by_cluster: (0..EPOCHS).map(|_| AtomicU64::new(0)).collect(), all: AtomicU64::new(0) }
    }

    pub(crate) fn read(&self, cluster: NodeId) -> Epoch {
        let slot = slot(cluster);
        Epoch { slot, own: self.by_cluster[slot].load(Ordering::Acquire), all: self.all.load(Ordering::Acquire) }
    }

    /// How often everything has changed. Read before the configuration that a view is made under.
    pub(crate) fn of_all(&self) -> EpochOfAll {
        EpochOfAll(self.all.load(Ordering::Acquire))
    }

    /// The cluster has changed, and the change can be read.
    pub(crate) fn touch(&self, cluster: NodeId) {
        self.by_cluster[slot(cluster)].fetch_add(1, Ordering::Release);
    }

    /// Everything may look different now.
    pub(crate) fn touch_all(&self) {
        self.all.fetch_add(1, Ordering::Release);
    }

    fn is_current(&self, epoch: Epoch) -> bool {
        self.by_cluster[epoch.slot].load(Ordering::Acquire) == epoch.own
            && self.all.load(Ordering::Acquire) == epoch.all
    }
}

fn slot(cluster: NodeId) -> usize {
    let bytes = cluster.as_bytes();
    let low = u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    let high = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
    (low ^ high.rotate_left(16)) as usize % EPOCHS
}

#[derive(Clone)]
struct Cached {
    epoch: Epoch,
    /// When something in it changes by itself.
    until: Option<Timestamp>,
    rendered: Rendered,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Box<[u8]>, Cached> for ByBytes {
    fn weight(&self, key: &Box<[u8]>, cached: &Cached) -> u64 {
        let held = allocated(key.len()) + allocated(cached.rendered.json.len()) + cached.rendered.etag.heap_bytes();
        (PLACE + held) as u64
    }
}

/// What the cache holds for an entry beside its key and answer: its place, and the counters that the answer is shared by.
const PLACE: usize = place(size_of::<(Box<[u8]>, Cached)>()) + allocated(24);

/// Rendered views by how they were asked for.
pub(crate) struct Views {
    cache: Option<Cache<Box<[u8]>, Cached, ByBytes>>,
}

impl Views {
    /// A cache of so many bytes; none at all for 0.
    pub(crate) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / 1_024).unwrap_or(usize::MAX).max(16);
        Self { cache: (bytes > 0).then(|| Cache::with_weighter(items, bytes, ByBytes)) }
    }

    /// The view, if it still holds; the clock is asked only where something in it changes by itself.
    pub(crate) fn find(&self, key: &[u8], epochs: &Epochs, now: impl FnOnce() -> Timestamp) -> Option<Rendered> {
        let cached = self.cache.as_ref()?.get(key)?;
        let holds = epochs.is_current(cached.epoch) && cached.until.is_none_or(|until| now() < until);
        holds.then_some(cached.rendered)
    }

    /// Bytes that it holds now.
    pub(crate) fn bytes(&self) -> u64 {
        self.cache.as_ref().map_or(0, Cache::weight)
    }

    pub(crate) fn keep(&self, key: &[u8], epoch: Epoch, until: Option<Timestamp>, rendered: &Rendered) {
        if let Some(cache) = &self.cache {
            cache.insert(key.into(), Cached { epoch, until, rendered: rendered.clone() });
        }
    }
}

/// How a view is asked for, as bytes: workspace, members, how, and the policy and values as they came. The version of the policy
/// is left to the epochs: to know it, a hit would have to look at the configuration.
pub(crate) fn view_key(workspace: WorkspaceId, lookup: &Lookup, fields: Fields, policy: Option<&str>) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    key.extend_from_slice(&workspace.number().to_be_bytes());
    key.push(mask(fields));
    match policy {
        None => key.push(0),
        Some(id) => {
            key.push(1);
            key.extend_from_slice(&id.len().to_be_bytes());
            key.extend_from_slice(id.as_bytes());
        }
    }
    match lookup {
        Lookup::Id(id) => {
            key.push(0);
            key.extend_from_slice(id.as_bytes());
        }
        Lookup::Identity { namespace, value } => {
            key.push(1);
            key.extend_from_slice(namespace.as_bytes());
            key.push(0);
            key.extend_from_slice(value.as_bytes());
        }
        Lookup::Node(node) => {
            key.push(2);
            key.extend_from_slice(node.as_bytes());
        }
    }
    key
}

/// How a document is asked for that is shown in a form of its own: no view of [`view_key`] has such a key.
pub(crate) fn document_key(workspace: WorkspaceId, lookup: &Lookup, query: &DocumentQuery, shape: &[u8]) -> Vec<u8> {
    let fields = Fields { visibility: query.visibility, relevance: query.relevance, ..Fields::ALL };
    let mut key = Vec::with_capacity(64 + shape.len());
    key.extend_from_slice(&workspace.number().to_be_bytes());
    key.push(u8::MAX);
    key.extend_from_slice(&shape.len().to_be_bytes());
    key.extend_from_slice(shape);
    key.extend_from_slice(&view_key(workspace, lookup, fields, None));
    key
}

/// As [`view_key`], of a unit in the form of this shape, which tells its merge policy too.
pub(crate) fn unit_key(workspace: WorkspaceId, lookup: &Lookup, visibility: Flags, shape: &[u8]) -> Vec<u8> {
    let fields = Fields { visibility, ..Fields::ALL };
    let mut key = Vec::with_capacity(64 + shape.len());
    key.extend_from_slice(&workspace.number().to_be_bytes());
    key.push(u8::MAX - 1);
    key.extend_from_slice(&shape.len().to_be_bytes());
    key.extend_from_slice(shape);
    key.extend_from_slice(&view_key(workspace, lookup, fields, None));
    key
}

fn mask(fields: Fields) -> u8 {
    let Fields { identifiers, attributes, audiences, visibility, relevance } = fields;
    let (relevant, not) = (relevance == Relevance::Relevant, relevance == Relevance::NotRelevant);
    let bits = [identifiers, attributes, audiences, visibility.internal, visibility.private, relevant, not];
    bits.into_iter().rev().fold(0, |mask, bit| mask << 1 | u8::from(bit))
}

/// What tells this answer from every other to the same question: the record's version and time, and all that it was read under. What rules
/// come to changes by itself, so where there are any the answer itself tells.
pub(crate) fn etag(
    found: &Found,
    view: &View,
    json: &[u8],
    fields: Fields,
    config: &Config,
    policy: &Chosen,
) -> Arc<str> {
    if !config.rules().is_empty() {
        let hash = Sha256::digest(json);
        let digits: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        return format!("\"{digits}-{}\"", mask(fields)).into();
    }
    let (version, updated, config) = (found.version.0, view.updated_at.micros(), config.version());
    format!("\"{version:x}-{updated:x}-{config:x}-{}-{}.{}\"", mask(fields), policy.id, policy.version).into()
}
