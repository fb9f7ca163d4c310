//! The embedded store passes the suite.

use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use tessera_store::Store;
use tessera_store::conformance::{Failure, Harness};
use tessera_store_lsm::{LsmStore, Settings};

struct Folders {
    root: TempDir,
}

#[async_trait]
impl Harness for Folders {
    async fn open(&self, name: &'static str) -> Result<Arc<dyn Store>, Failure> {
        let mut settings = Settings::new(self.root.path().join(name));
        settings.cache_bytes = 8 << 20;
        settings.workers = 1;
        // A test machine may be nearly full; that is another test's business.
        settings.free_bytes_min = 0;
        // Small, so that some hints fall behind the table's horizon.
        settings.recent_writes = 30;
        Ok(Arc::new(LsmStore::open(settings)?))
    }
}

tessera_store::conformance_tests!(Folders { root: TempDir::new().expect("temporary folder") });
