//! Snapshots that last.

use std::sync::Arc;

use async_trait::async_trait;
use tessera_store::{
    Direction, Epoch, FeedHead, FeedRow, FenceName, Key, KeyRange, Page, ReadError, ScanLimit, Seq, Shard, Snapshot,
    Version, Versioned, page,
};

use crate::shared::{LIMITS, Shared};
use crate::tree::{Head, Tree};

/// One instant. It does not keep the trees open: when they are opened again after a failed write, it is lost.
pub(crate) struct LsmSnapshot {
    shared: Arc<Shared>,
    at: fjall::Snapshot,
    generation: u64,
    head: Head,
}

impl LsmSnapshot {
    pub(crate) fn take(shared: &Arc<Shared>) -> Result<Self, ReadError> {
        shared.read(|tree, generation| {
            let at = tree.instant();
            let head = tree.head(&at)?;
            Ok(Self { shared: Arc::clone(shared), at, generation, head })
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Tree) -> Result<T, ReadError>) -> Result<T, ReadError> {
        self.shared.read(|tree, generation| {
            if generation != self.generation {
                return Err(ReadError::Unavailable("the snapshot was lost when the store was opened again".into()));
            }
            read(tree)
        })
    }
}

#[async_trait]
impl Snapshot for LsmSnapshot {
    fn as_of(&self) -> Version {
        self.head.version
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, ReadError> {
        page::check_get(keys, &LIMITS)?;
        self.read(|tree| keys.iter().map(|key| Ok(tree.get(&self.at, key)?)).collect())
    }

    async fn scan(&self, range: &KeyRange, limit: ScanLimit, direction: Direction) -> Result<Page, ReadError> {
        self.read(|tree| tree.scan(&self.at, range, limit, direction, &LIMITS, self.head.version))
    }

    async fn heads(&self) -> Result<Vec<FeedHead>, ReadError> {
        Ok(vec![self.head.feed()])
    }

    async fn log(&self, shard: Shard, after: Seq, max: usize) -> Result<Vec<FeedRow>, ReadError> {
        if shard != Shard::ZERO {
            return Err(ReadError::Invalid("unknown feed shard"));
        }
        self.read(|tree| tree.log(&self.at, after, max, &LIMITS))
    }

    async fn fences(&self) -> Result<Vec<(FenceName, Epoch)>, ReadError> {
        self.read(|tree| Ok(tree.fences(&self.at)?))
    }
}
