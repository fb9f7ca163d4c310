//! The in-memory store passes the suite.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tessera_store::conformance::{Failure, Harness};
use tessera_store::{MemoryStore, Store};

#[derive(Default)]
struct Memory {
    stores: Mutex<HashMap<&'static str, MemoryStore>>,
}

#[async_trait]
impl Harness for Memory {
    async fn open(&self, name: &'static str) -> Result<Arc<dyn Store>, Failure> {
        let mut stores = self.stores.lock().map_err(|_| Failure::new("lock is poisoned"))?;
        Ok(Arc::new(stores.entry(name).or_default().clone()))
    }
}

tessera_store::conformance_tests!(Memory::default());
