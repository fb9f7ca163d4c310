//! What the tests of the service share: a clock and random bits of their own, and facts written as text.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use tessera_engine::fact::{Call, Claim, EventKind, Fact, Strength};
use tessera_engine::id::ErasureId;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Value};
use tessera_service::directory::{KeyId, WorkspaceId};
use tessera_service::erasure::Receipt;
use tessera_service::error::Error;
use tessera_service::verdict::{Incoming, Verdict};
use tessera_service::{Components, EventQuery, Extent, Fields, Lookup, Return, Service, Settings};
use tessera_store::{MemoryStore, Store};

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId::new(1);
pub(crate) const START: i64 = 1_700_000_000_000_000;

pub(crate) fn components(store: Arc<dyn Store>) -> Components {
    let (clock, random) = (AtomicI64::new(START), AtomicU64::new(7));
    Components {
        tasks: tokio::runtime::Handle::current(),
        store,
        clock: Arc::new(move || {
            Timestamp::from_micros(clock.fetch_add(1_000, Ordering::Relaxed)).expect("the test clock is in bounds")
        }),
        random: Arc::new(move |bytes| {
            let seed = random.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bytes.iter_mut().zip(seed.to_le_bytes().iter().cycle()).for_each(|(byte, own)| *byte = *own);
        }),
    }
}

pub(crate) async fn open(store: &Arc<dyn Store>) -> Arc<Service> {
    Service::open(components(store.clone()), Settings::default()).await.expect("the service opens")
}

pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// `user_id:ann anonymous_id:a city=Paris !Bought @5`: claims, attributes, an event's name, seconds after the start of the day.
pub(crate) fn fact(id: &str, text: &str) -> Incoming {
    let mut fact = Fact {
        id: id.into(),
        dataset: "segment".into(),
        batch: None,
        time: None,
        claims: Vec::new(),
        document: None,
        attributes: Vec::new(),
        account: None,
        call: None,
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    };
    for word in text.split_whitespace() {
        if let Some(name) = word.strip_prefix('!') {
            fact.call =
                Some(Call { kind: EventKind::Action, name: Some(name.into()), payload: Bytes::from_static(b"{}") });
        } else if let Some(seconds) = word.strip_prefix('@') {
            let seconds: i64 = seconds.parse().expect("seconds");
            fact.time = Timestamp::from_micros(START - 86_400_000_000 + seconds * 1_000_000);
        } else if let Some((namespace, value)) = word.split_once(':') {
            let claim = Claim { namespace: namespace.into(), value: value.into(), strength: Strength::Verified };
            fact.claims.push(claim);
        } else if let Some((name, value)) = word.split_once('=') {
            fact.attributes.push((Path::root(name).expect("a name"), Value::text(value)));
        }
    }
    Incoming { fact: Ok(fact), raw: Bytes::copy_from_slice(text.as_bytes()), notes: Vec::new() }
}

pub(crate) async fn ingest(service: &Service, facts: Vec<Incoming>) -> Vec<Verdict> {
    service.ingest(WORKSPACE, facts, "test", KeyId::from_bytes([0; 12])).await.expect("the write is taken")
}

pub(crate) fn by(namespace: &str, value: &str) -> Lookup {
    Lookup::Identity { namespace: namespace.into(), value: value.into() }
}

pub(crate) async fn read(service: &Service, lookup: &Lookup) -> serde_json::Value {
    let rendered = service.profile(WORKSPACE, lookup, Fields::ALL, None).await.expect("a profile");
    serde_json::from_slice(&rendered.json).expect("JSON")
}

pub(crate) fn page(limit: usize) -> EventQuery {
    EventQuery { limit, ..EventQuery::default() }
}

pub(crate) fn key() -> KeyId {
    KeyId::from_bytes([0; 12])
}

pub(crate) async fn erase(service: &Service, lookup: &Lookup, back: Return) -> Result<Receipt, Error> {
    service.erase(WORKSPACE, lookup, (Extent::Profile, back), ("test", key())).await
}

/// Has what was erased purged, and answers the receipt once it says so.
pub(crate) async fn purged(service: &Service, id: ErasureId) -> Receipt {
    for _ in 0..1_000 {
        service.purge_soon(WORKSPACE);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let receipt = service.erasure(WORKSPACE, &id.to_string()).await.expect("a receipt");
        if receipt.purged_at.is_some() {
            return receipt;
        }
    }
    panic!("a purge that is asked for ends");
}
