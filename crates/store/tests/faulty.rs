//! The fault-injecting wrapper, injecting nothing but delays, passes the suite.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tessera_store::conformance::{Failure, Harness};
use tessera_store::faulty::{Faulty, Plan, Rates};
use tessera_store::{MemoryStore, Store};

#[derive(Default)]
struct Wrapped {
    stores: Mutex<HashMap<&'static str, MemoryStore>>,
}

#[async_trait]
impl Harness for Wrapped {
    async fn open(&self, name: &'static str) -> Result<Arc<dyn Store>, Failure> {
        let mut stores = self.stores.lock().map_err(|_| Failure::new("lock is poisoned"))?;
        let inner = stores.entry(name).or_default().clone();
        let plan = Plan { seed: 11, rates: Rates { delay: 300, ..Rates::default() } };
        Ok(Arc::new(Faulty::new(Arc::new(inner), plan)))
    }
}

tessera_store::conformance_tests!(Wrapped::default());
