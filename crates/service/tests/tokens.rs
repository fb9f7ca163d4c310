//! Tokens that a workspace signs: keys are made when they are first needed, replaced with an overlap, and outlive the process.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use serde_json::{Map, Value, json};
use support::{START, WORKSPACE, memory};
use tessera_engine::time::Timestamp;
use tessera_service::directory::{Slug, WorkspaceId};
use tessera_service::workspace_config::{OVERLAP_SECS, put_token_issuer};
use tessera_service::workspace_tokens::{Bits, Issuer, IssuerKey};
use tessera_service::{Components, Service, Settings};
use tessera_store::Store;

/// A service whose clock stands until it is moved.
struct World {
    service: Arc<Service>,
    clock: Arc<AtomicI64>,
}

async fn open(store: &Arc<dyn Store>, at: i64, seed: u64) -> World {
    let (clock, drawn) = (Arc::new(AtomicI64::new(at)), AtomicU64::new(seed));
    let read = clock.clone();
    let components = Components {
        tasks: tokio::runtime::Handle::current(),
        store: store.clone(),
        clock: Arc::new(move || Timestamp::from_micros(read.load(Ordering::SeqCst)).expect("a time")),
        random: Arc::new(move |bytes| {
            for byte in bytes {
                let next = drawn.fetch_add(6_364_136_223_846_793_005, Ordering::Relaxed);
                *byte = (next.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
            }
        }),
    };
    let service = Service::open(components, Settings::default()).await.expect("the service opens");
    // Its first workspace is the one of these tests.
    service.directory().ensure_bootstrap("bootstrap-secret").await.expect("a bootstrap key");
    World { service, clock }
}

impl World {
    fn now(&self) -> Timestamp {
        self.service.now()
    }

    fn pass(&self, secs: i64) {
        self.clock.fetch_add(secs * 1_000_000, Ordering::SeqCst);
    }

    fn claims(&self, secs: i64) -> Map<String, Value> {
        let Value::Object(claims) = json!({ "iss": "consumer", "exp": self.now().micros() / 1_000_000 + secs }) else {
            unreachable!("an object")
        };
        claims
    }

    async fn sign(&self, workspace: WorkspaceId) -> String {
        self.service.tokens().sign(workspace, self.claims(200_000), self.now()).await.expect("a token")
    }

    async fn verified(&self, token: &str) -> Result<(), &'static str> {
        let claims = self.service.tokens().verify_own(WORKSPACE, token, "consumer", self.now()).await;
        claims.map(|_| ()).map_err(|error| error.code)
    }

    async fn rotate(&self, overlap_secs: u32) {
        let rotated = self.service.tokens().rotate(WORKSPACE, Bits::Least, overlap_secs, None).await;
        rotated.expect("a key").now().expect("it is made now");
    }

    async fn kids(&self) -> Vec<String> {
        let keys = self.service.tokens().published(WORKSPACE).await.expect("keys");
        keys.iter().map(|key| key.kid.to_string()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_token_makes_the_key_and_a_start_keeps_it() {
    let store = memory();
    let world = open(&store, START, 1).await;
    assert!(world.kids().await.is_empty());
    let (one, two) = tokio::join!(world.sign(WORKSPACE), world.sign(WORKSPACE));
    assert_eq!(world.kids().await.len(), 1, "one of two is made");
    assert_eq!((world.verified(&one).await, world.verified(&two).await), (Ok(()), Ok(())));
    let elsewhere = world.sign(WorkspaceId::new(2)).await;
    assert_eq!(world.verified(&elsewhere).await, Err("token_invalid"), "keys are of one workspace");
    let kids = world.kids().await;
    world.service.close().await;
    let world = open(&store, START + 1_000_000, 2).await;
    assert_eq!((world.verified(&one).await, world.kids().await), (Ok(()), kids));
    for claims in [json!({ "iss": "consumer" }), json!({ "exp": 9e9 }), json!({ "iss": "consumer", "exp": 1 })] {
        let Value::Object(claims) = claims else { unreachable!("an object") };
        let refused = world.service.tokens().sign(WORKSPACE, claims, world.now()).await;
        assert_eq!(refused.expect_err("refused").code, "token_claims_invalid");
    }
    world.service.close().await;
}

#[tokio::test]
async fn a_key_that_was_replaced_verifies_during_the_overlap_and_is_removed_by_itself() {
    let store = memory();
    let world = open(&store, START, 3).await;
    let old = world.sign(WORKSPACE).await;
    world.rotate(OVERLAP_SECS).await;
    let new = world.sign(WORKSPACE).await;
    let kids = world.kids().await;
    assert_eq!(kids.len(), 2);
    assert_eq!((world.verified(&old).await, world.verified(&new).await), (Ok(()), Ok(())));
    world.pass(i64::from(OVERLAP_SECS) - 1);
    assert_eq!(world.verified(&old).await, Ok(()));
    world.service.close().await;
    // Nobody asks for the workspace after this start: its keeper comes by itself.
    let world = open(&store, START + (i64::from(OVERLAP_SECS) + 1) * 1_000_000, 4).await;
    for _ in 0..100_000 {
        if world.kids().await.len() == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(world.kids().await, kids[1..]);
    assert_eq!((world.verified(&old).await, world.verified(&new).await), (Err("token_invalid"), Ok(())));
    // Whoever has lost a key lets nothing of it stand.
    world.rotate(0).await;
    assert_eq!((world.verified(&new).await, world.kids().await.len()), (Err("token_invalid"), 1));
    world.service.close().await;
}

#[tokio::test]
async fn a_workspace_takes_tokens_of_another_one_as_of_any_issuer() {
    let store = memory();
    let world = open(&store, START, 5).await;
    let token = world.sign(WorkspaceId::new(2)).await;
    let verify = async || {
        let claims = world.service.tokens().verify_foreign(WORKSPACE, &token, world.now()).await;
        claims.map(|claims| claims.text("iss").map(str::to_owned)).map_err(|error| error.code)
    };
    assert_eq!(verify().await, Err("token_issuer_unknown"));
    let keys = world.service.tokens().published(WorkspaceId::new(2)).await.expect("keys");
    let key = keys.signing().expect("a key").public.clone();
    let name = Slug::parse("other").expect("a name");
    let issuer = Issuer::new(name, "consumer", &[], vec![IssuerKey::new(None, key)]).expect("an issuer");
    world.service.configure(WORKSPACE, move |config| put_token_issuer(config, issuer)).await.expect("it is set");
    assert_eq!(verify().await, Ok(Some("consumer".to_owned())));
    world.pass(200_060);
    assert_eq!(verify().await, Err("token_expired"));
    world.service.close().await;
}
