//! The lane over the store in memory, with the limits of the embedded ones and with tiny ones: what does not fit is split, what rules add is put
//! off, and a panic fails what caused it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use tessera_engine::config::Kind;
use tessera_engine::fact::{Call, Claim, EventKind, Fact, Strength};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Value};
use tessera_expr::calendar::Zone;
use tessera_expr::pql;
use tessera_store::{Commit, Limits, MemoryStore, Store};

use crate::base::components::Components;
use crate::base::error::Error;
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::settings::Settings;
use crate::base::verdict::{Incoming, Verdict};
use crate::config::workspace::{Definition, RuleContent, RuleKind, RuleName, StoredConfig, put_rule};
use crate::read::query::{Fields, Lookup};
use crate::stored::keys::Scope;
use crate::stored::records::rows;
use crate::stored::row;
use crate::stored::unclaimed::{Fit, Unclaimed};
use crate::work::check;
use crate::work::service::Service;
use crate::work::timers;

mod faults;
mod held;
mod idle;
mod leaps;
mod membership_changes;
mod of;
mod put_off;

const WORKSPACE: WorkspaceId = WorkspaceId::new(1);
const KEY: KeyId = KeyId::from_bytes([7; 12]);
const START: i64 = 1_787_953_800_000_000;
const SECOND: i64 = 1_000_000;

/// Of a store that takes next to nothing at once. One record has to fit, and so do the rows of one fact without its rules.
const TINY: Limits = Limits { ops: 40, bytes: 16 << 10, value: 16 << 10, ..Limits::EMBEDDED };

struct World {
    store: Arc<dyn Store>,
    service: Arc<Service>,
    clock: Arc<AtomicI64>,
}

impl World {
    async fn new(limits: Limits) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::with_limits(limits));
        let clock = Arc::new(AtomicI64::new(START));
        let service = open(&store, &clock).await;
        service.directory().ensure_bootstrap("operator-secret").await.expect("a key");
        Self { store, service, clock }
    }

    fn pass(&self, micros: i64) {
        self.clock.fetch_add(micros, Ordering::SeqCst);
    }

    async fn restart(&mut self) {
        self.service.close().await;
        self.service = open(&self.store, &self.clock).await;
    }

    async fn put_segment(&self, name: &str, text: &str) {
        let expr = pql::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        let definition = Definition::new(RuleKind::Segment, expr, Zone::utc(), None).expect("a segment");
        let content = RuleContent { display_name: None, description: None, definition, is_draft: false };
        let name = RuleName::parse(RuleKind::Segment, name).expect("a name");
        let change = move |config: &StoredConfig, at| put_rule(config, RuleKind::Segment, &name, content, None, at);
        self.service.configure_rules(WORKSPACE, change).await.expect("a segment");
    }

    /// Puts segments of these texts, and waits until they are live.
    async fn put_segments(&self, texts: impl IntoIterator<Item = String>) {
        for (at, text) in texts.into_iter().enumerate() {
            self.put_segment(&format!("s{at}"), &text).await;
        }
        self.end_jobs().await;
        self.pass(1_000);
    }

    async fn end_jobs(&self) {
        for kind in ["backfill", "erase_source", "recluster"] {
            for job in self.service.jobs().open_of(WORKSPACE, kind).await.expect("jobs") {
                let mut watch = self.service.jobs().watch(WORKSPACE, job.id).await.expect("a job");
                while watch.next().await.is_some() {}
                let job = self.service.jobs().get(WORKSPACE, job.id).await.expect("a job");
                assert_eq!(job.status(), crate::jobs::JobStatus::Done, "{job:?}");
            }
        }
    }

    async fn ingest(&self, facts: Vec<Fact>) -> Result<Vec<Verdict>, Error> {
        let incoming = facts.into_iter().map(|fact| Incoming {
            fact: Ok(fact),
            raw: Bytes::copy_from_slice(b"{}"),
            notes: Vec::new(),
        });
        self.service.ingest(WORKSPACE, incoming.collect(), "test", KEY).await
    }

    async fn accept(&self, facts: Vec<Fact>) {
        let count = facts.len();
        let verdicts = self.ingest(facts).await.expect("verdicts");
        let accepted = verdicts.iter().filter(|own| matches!(own, Verdict::Accepted { .. })).count();
        assert_eq!(accepted, count, "{:?}", verdicts.iter().find(|own| !matches!(own, Verdict::Accepted { .. })));
    }

    async fn run_timers(&self) {
        // What was put off is of an instant of the lane, which may be ahead of a clock that stands still.
        self.pass(SECOND);
        let running = self.service.running(WORKSPACE);
        timers::run_due(&running.shared, &running.lane, Timestamp::MIN).await.expect("timers run");
    }

    async fn members(&self, segment: &str) -> u64 {
        self.service.segment_counts(WORKSPACE, segment).await.expect("counts").members
    }

    /// In how many segments a read shows somebody.
    async fn audiences(&self, namespace: &str, value: &str) -> usize {
        let lookup = Lookup::Identity { namespace: namespace.into(), value: value.into() };
        let rendered = self.service.profile(WORKSPACE, &lookup, Fields::ALL, None).await.expect("a profile");
        let profile: serde_json::Value = serde_json::from_slice(&rendered.json).expect("JSON");
        let audiences = profile["_audiences"].as_object().expect("an object").values();
        audiences.filter(|own| **own == true).count()
    }

    async fn exists(&self, namespace: &str, value: &str) -> bool {
        let lookup = Lookup::Identity { namespace: namespace.into(), value: value.into() };
        self.service.profile(WORKSPACE, &lookup, Fields::ALL, None).await.is_ok()
    }

    /// Nothing that is stored contradicts anything else.
    async fn check(&self) {
        let report = check::run(&*self.store).await.expect("a report");
        assert_eq!(report.faults, Vec::<String>::new());
    }
}

async fn open(store: &Arc<dyn Store>, clock: &Arc<AtomicI64>) -> Arc<Service> {
    open_with(store, clock, Settings::default()).await
}

async fn open_with(store: &Arc<dyn Store>, clock: &Arc<AtomicI64>, settings: Settings) -> Arc<Service> {
    let (clock, random) = (clock.clone(), AtomicU64::new(7));
    let components = Components {
        tasks: tokio::runtime::Handle::current(),
        store: store.clone(),
        clock: Arc::new(move || Timestamp::from_micros(clock.load(Ordering::SeqCst)).expect("within bounds")),
        random: Arc::new(move |bytes| {
            let seed = random.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bytes.iter_mut().zip(seed.to_le_bytes().iter().cycle()).for_each(|(byte, own)| *byte = *own);
        }),
    };
    Service::open(components, settings).await.expect("the service opens")
}

/// A fact with these identities, and an event unless its name is empty.
fn fact(id: &str, identities: &[(&str, &str)], event: &str) -> Fact {
    let claim = |(namespace, value): &(&str, &str)| Claim {
        namespace: (*namespace).into(),
        value: (*value).into(),
        strength: Strength::Verified,
    };
    let call = Call { kind: EventKind::Action, name: Some(event.into()), payload: Bytes::from_static(b"{}") };
    Fact {
        id: id.into(),
        dataset: "segment".into(),
        batch: None,
        time: None,
        claims: identities.iter().map(claim).collect(),
        document: None,
        attributes: Vec::new(),
        account: None,
        call: (!event.is_empty()).then_some(call),
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    }
}

#[tokio::test]
async fn profiles_that_were_counted_otherwise_are_counted_anew() {
    let mut world = World::new(Limits::EMBEDDED).await;
    world.accept(vec![fact("1", &[("user_id", "ann")], "Seen"), fact("2", &[("user_id", "ben")], "Seen")]).await;
    world.service.close().await;
    let key = Scope::new(WORKSPACE).lane();
    let row = row::read(&*world.store, key.clone()).await.expect("a row").expect("a row");
    let mut lane = rows::decode_lane(&row.value).expect("a row");
    lane.counts.profiles = 5;
    let mut before = rows::encode_lane(&lane).to_vec();
    before[0] = 3;
    world.store.commit(Commit::new().put(key, Bytes::from(before))).await.expect("a commit");
    world.restart().await;
    world.accept(vec![fact("3", &[("user_id", "cat")], "Seen")]).await;
    assert_eq!(world.service.counts(WORKSPACE).await.expect("counts").profiles, 3);
    world.check().await;
}

#[tokio::test]
async fn attributes_that_nobody_claimed_are_found_anew_where_no_row_tells_of_them() {
    let mut world = World::new(Limits::EMBEDDED).await;
    let plain = (Path::parse("email").expect("a path"), Value::text("ann@shop.example"));
    let said = Fact { attributes: vec![plain], ..fact("1", &[("user_id", "ann")], "") };
    world.accept(vec![said, fact("2", &[("user_id", "ben"), ("email", "ben@shop.example")], "Seen")]).await;
    let key = Scope::new(WORKSPACE).unclaimed();
    let written = row::read(&*world.store, key.clone()).await.expect("a row").expect("a row").value;
    let config = world.service.configured(WORKSPACE).await.expect("a configuration").config.clone();
    let stands = |bytes: &[u8], name, fit| {
        let id = config.by_name(name).expect("a namespace").id;
        Unclaimed::decode(bytes).expect("a row").may_stand(id, Kind::Person, fit)
    };
    let all = [("email", Fit::Identity), ("email", Fit::Never), ("phone", Fit::Identity), ("user_id", Fit::Identity)];
    assert_eq!(all.map(|(name, fit)| stands(&written, name, fit)), [true, false, false, false]);
    world.service.close().await;
    world.store.commit(Commit::new().delete(key.clone())).await.expect("a commit");
    world.restart().await;
    world.accept(vec![fact("3", &[("user_id", "cat")], "Seen")]).await;
    let again = row::read(&*world.store, key).await.expect("a row").expect("a row").value;
    assert_eq!(again, written);
    world.check().await;
}
