//! The service beside the naive evaluation. The clock stands still but for what the steps say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use proptest::sample::Index;
use tessera_engine::config::Kind;
use tessera_engine::fact::{Call, Claim, EventKind, Fact, Replaces, Strength};
use tessera_engine::id::NodeId;
use tessera_engine::model::{
    Attribute, DataModel, Definition as ModelDefinition, EventType, Flags, Scalar, Type, Window,
};
use tessera_engine::rules::SegmentId;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Path, Value};
use tessera_expr::ast::Name;
use tessera_expr::calendar::Zone;
use tessera_expr::pql;
use tessera_store::{Direction, Limits, MemoryStore, ScanLimit, Store};

use super::seen::{Seen, one_more};
use super::steps::{Body, DATASETS, IDENTITIES, Say, Step};
use super::written::{ATTRIBUTES, WINDOWS};
use crate::base::components::Components;
use crate::base::error::Error;
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::settings::Settings;
use crate::base::verdict::{Incoming, NamedIdentity};
use crate::config::workspace::{
    Definition, RuleContent, RuleKind, RuleName, StoredConfig, archive_rule, put_rule, with_model,
};
use crate::directives::Order;
use crate::directory::ListQuery;
use crate::erasures::{Extent, Return};
use crate::jobs::{JobStatus, Wish};
use crate::read::query::Lookup;
use crate::stored::keys::{Family, Scope};
use crate::stored::layout::{read_member_key, read_segment_key};
use crate::stored::records::rows::decode_lane;
use crate::stored::row;
use crate::work::check;
use crate::work::service::Service;
use crate::work::timers;
use crate::write::lane::{Answer, Work};

pub(super) const WORKSPACE: WorkspaceId = WorkspaceId::new(1);
const KEY: KeyId = KeyId::from_bytes([7; 12]);
/// The kinds of jobs that change what is stored.
pub(super) const JOBS: [&str; 4] = ["backfill", "expire", "erase_source", "recluster"];
const MINUTE: i64 = 60_000_000;
/// 2026-08-28T21:50:00Z, a Friday; in Berlin it is ten minutes to midnight.
const START: i64 = 1_787_953_800_000_000;
/// What a command takes that is more than one commit.
pub(super) const TICK: i64 = 1_000;

/// A membership that is known of a profile: since when, under which version of the segment.
pub(super) type Known = BTreeMap<(NodeId, Name), (SegmentId, Timestamp)>;

pub(super) struct World<'a> {
    pub(super) store: Arc<dyn Store>,
    pub(super) service: Arc<Service>,
    pub(super) clock: Arc<AtomicI64>,
    pub(super) said: Vec<Fact>,
    /// Times that were said of attributes.
    pub(super) times: Vec<Timestamp>,
    /// The live versions of segments when they were looked at last.
    pub(super) versions: BTreeMap<Name, SegmentId>,
    /// When each segment was put last.
    pub(super) put_at: BTreeMap<Name, Timestamp>,
    pub(super) heads: BTreeSet<NodeId>,
    pub(super) known: Known,
    /// The last membership of each profile in each segment, whether it goes on or not.
    pub(super) last: Known,
    /// Since when each profile was shown in each segment, at any look.
    pub(super) held: BTreeSet<(NodeId, Name, Timestamp)>,
    pub(super) looked_at: Timestamp,
    /// Since when jobs have been under way at every look: what they do comes at no instant of the steps.
    pub(super) unsettled_since: Option<Timestamp>,
    /// Whether the store takes so little that rules are put off: then what time had changed before is told at the instant of a write.
    pub(super) is_tiny: bool,
    /// What windows know of their events without the timelines.
    tail_events_max: usize,
    pub(super) seen: &'a Seen,
}

impl<'a> World<'a> {
    pub(super) async fn new(seen: &'a Seen, limits: Limits, tail_events_max: usize) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::with_limits(limits));
        let clock = Arc::new(AtomicI64::new(START));
        let service = open(&store, &clock, tail_events_max).await;
        service.directory().ensure_bootstrap("operator-secret").await.expect("a key");
        Self {
            store,
            service,
            clock,
            said: Vec::new(),
            times: Vec::new(),
            versions: BTreeMap::new(),
            put_at: BTreeMap::new(),
            heads: BTreeSet::new(),
            known: Known::new(),
            last: Known::new(),
            held: BTreeSet::new(),
            looked_at: Timestamp::MIN,
            unsettled_since: None,
            is_tiny: limits != Limits::EMBEDDED,
            tail_events_max,
            seen,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        instant(self.clock.load(Ordering::SeqCst))
    }

    /// The rules of the case are live, before anything is said.
    pub(super) async fn begin(&mut self) {
        self.end_jobs().await;
        self.clock.fetch_add(TICK, Ordering::SeqCst);
        self.look(self.now(), self.now()).await;
    }

    pub(super) async fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(minutes, beside) => {
                self.pass_to(self.now().micros() + minutes * MINUTE + beside).await;
                return;
            }
            Step::WaitToEdge(ahead, beside) => {
                let now = self.now().micros();
                let edges = self.edges(now, now + 2 * 1_440 * MINUTE);
                let edge = edges.get(*ahead).or(edges.last()).copied();
                self.pass_to(edge.unwrap_or(now) + beside).await;
                return;
            }
            Step::Say(say) => {
                // One commit: it is decided at the very instant.
                let (fact, since) = (self.fact(say), self.now());
                self.ingest(vec![fact]).await;
                self.catch_up().await;
                self.look(self.now(), since).await;
                self.pass_to(self.now().micros() + TICK).await;
                return;
            }
            _ => {}
        }
        let since = self.calm().await;
        if matches!(step, Step::EraseSource(_) | Step::Keep(..) | Step::PutRuleSlowly(..)) {
            self.unsettled_since.get_or_insert(since);
        }
        self.command(step).await;
        self.clock.fetch_add(TICK, Ordering::SeqCst);
        self.look(self.now(), since).await;
    }

    async fn command(&mut self, step: &Step) {
        let Self { seen, .. } = *self;
        match step {
            Step::Say(_) | Step::Wait(..) | Step::WaitToEdge(..) => unreachable!("they are taken exactly"),
            Step::SayAll(all) => {
                let facts = all.iter().map(|say| self.fact(say)).collect();
                self.ingest(facts).await;
            }
            Step::Again(index) if !self.said.is_empty() => {
                let fact = index.get(&self.said).clone();
                self.ingest(vec![fact]).await;
            }
            Step::EraseEvent(index) => self.erase_events(std::slice::from_ref(index)).await,
            Step::EraseEvents(all) => self.erase_events(all).await,
            Step::Erase(who) => {
                let (namespace, value) = IDENTITIES[*who];
                let lookup = Lookup::Identity { namespace: namespace.into(), value: value.into() };
                let erased = self.service.erase(WORKSPACE, &lookup, (Extent::Profile, Return::Allowed), ("law", KEY));
                may_fail(erased.await, &["profile_not_found"]);
            }
            Step::Join(one, other) => {
                let order = Order::Join([named(*one), named(*other)]);
                let made = self.service.direct(WORKSPACE, &order, false, "law", KEY).await;
                may_fail(made, &["one_identity", "identity_not_found", "separation_in_force", "kind_mismatch"])
                    .inspect(|_| one_more(&seen.joined));
            }
            Step::Separate(who) => {
                let order = Order::Separate(vec![named(*who)]);
                let made = self.service.direct(WORKSPACE, &order, false, "law", KEY).await;
                may_fail(made, &["identity_not_found", "nothing_to_separate", "too_many_separations"])
                    .inspect(|_| one_more(&seen.separated));
            }
            Step::EraseSource(dataset) => {
                let erased = self.service.erase_source(WORKSPACE, DATASETS[*dataset], None, None, KEY).await;
                erased.expect("a job is made");
            }
            Step::Again(_) => {}
            Step::RunTimers => self.run_timers().await,
            Step::PutRule(at, text) => {
                self.put_rule(*at, text).await;
                self.end_jobs().await;
            }
            Step::PutRuleSlowly(at, text) => {
                self.put_rule(*at, text).await;
                self.pause().await;
            }
            Step::ArchiveRule(at) => {
                let (kind, name) = rule_name(*at);
                let change =
                    move |config: &StoredConfig, at| archive_rule(config, kind, name.as_str(), |_, _| true, at);
                let archived = self.service.configure_rules(WORKSPACE, change).await;
                may_fail(archived, &["rule_in_use", "attribute_not_found", "segment_not_found"]);
            }
            Step::EndJobs => self.end_jobs().await,
            Step::Keep(events, values) => self.keep(*events, *values).await,
            Step::Restart => {
                self.service.close().await;
                self.service = open(&self.store, &self.clock, self.tail_events_max).await;
            }
        }
    }

    fn fact(&mut self, say: &Say) -> Fact {
        let now = self.now().micros();
        let grid = now - now.rem_euclid(MINUTE);
        let claim = |at: usize| {
            let (namespace, value) = IDENTITIES[at];
            Claim { namespace: namespace.into(), value: value.into(), strength: Strength::Verified }
        };
        let path = |name: &str| Path::parse(name).expect("a path");
        let mut attributes = Vec::new();
        attributes.extend(say.plan.map(|plan| (path("plan"), plan.map_or(Value::Null, Value::text))));
        attributes.extend(say.age.map(|age| (path("age"), Value::Number(Decimal::from(i64::from(age))))));
        // No draw of its own, either: what is called as a namespace is, and is claimed by nobody.
        let unclaimed = match say.age {
            Some(2) => Some(("email", "e2@example.com")),
            Some(4) => Some(("email", "no address")),
            Some(5) => Some(("phone", "+33612345678")),
            _ => None,
        };
        attributes.extend(unclaimed.map(|(name, value)| (path(name), Value::text(value))));
        let seen = say.seen.map(|minutes| instant(grid + minutes * MINUTE));
        self.times.extend(seen);
        attributes.extend(seen.map(|at| (path("seen"), Value::Timestamp(at))));
        let fact = Fact {
            id: format!("f{}", self.said.len()).into(),
            dataset: DATASETS[say.dataset].into(),
            batch: None,
            time: Some(instant(grid - say.ago * MINUTE)),
            claims: std::iter::once(say.who.0).chain(say.who.1).map(claim).collect(),
            document: None,
            attributes,
            account: None,
            call: say.event.as_ref().map(call),
            content: None,
            replaces: if say.whole { Replaces::Fragment } else { Replaces::Nothing },
        };
        self.said.push(fact.clone());
        fact
    }

    async fn ingest(&self, facts: Vec<Fact>) {
        let incoming =
            facts.into_iter().map(|fact| Incoming { fact: Ok(fact), raw: Bytes::new(), notes: Vec::new() }).collect();
        self.service.ingest(WORKSPACE, incoming, "law", KEY).await.expect("verdicts");
    }

    async fn erase_events(&self, all: &[Index]) {
        if self.said.is_empty() {
            return;
        }
        let erase = |index: &Index| {
            let id = index.get(&self.said).id.clone();
            let service = self.service.clone();
            tokio::spawn(async move { service.erase_event(WORKSPACE, &id, None, ("law", KEY)).await })
        };
        let asked: Vec<_> = all.iter().map(erase).collect();
        for erased in asked {
            let erased = erased.await.expect("it ends");
            may_fail(erased, &["event_not_found"]).inspect(|_| one_more(&self.seen.erased_events));
        }
    }

    pub(super) async fn put_rule(&mut self, at: usize, text: &str) {
        let (kind, name) = rule_name(at);
        let expr = pql::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        let zone = if at.is_multiple_of(2) { Zone::utc() } else { Zone::named("Europe/Berlin").expect("a zone") };
        let definition = Definition::new(kind, expr, zone, None);
        let definition = definition.unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        // One of the segments is now of people and now of accounts.
        let is_of_accounts = at == ATTRIBUTES + 1 && text.len().is_multiple_of(2);
        let definition = definition.of(if is_of_accounts { Kind::Account } else { Kind::Person });
        let content = RuleContent { display_name: None, description: None, definition, is_draft: false };
        let own = name.clone();
        let change = move |config: &StoredConfig, at| put_rule(config, kind, &own, content, None, at);
        let put = self.service.configure_rules(WORKSPACE, change).await;
        match may_fail(put, &["rule_cycle", "rule_never_holds_still"]) {
            Some(_) => {
                one_more(&self.seen.edited);
                self.put_at.insert(name.shared(), self.now());
            }
            None => one_more(&self.seen.refused),
        }
    }

    async fn keep(&self, events: Option<u32>, values: Option<u32>) {
        let window = |minutes| Window::from_minutes(minutes).expect("within the bounds");
        let mut definition = ModelDefinition::default();
        if let Some(minutes) = events {
            let event_type = EventType { retention: Some(window(minutes)), ..EventType::default() };
            definition.event_types.insert("A".into(), event_type);
        }
        if let Some(minutes) = values {
            let attribute =
                Attribute { retention: Some(window(minutes)), ..Attribute::new(Type::Scalar(Scalar::DateTime)) };
            definition.attributes.insert(Path::parse("seen").expect("a path"), attribute);
        }
        let at = self.now();
        let model = DataModel::new(definition).expect("a model");
        let changed = self.service.configure(WORKSPACE, move |config| with_model(config, model, at)).await;
        changed.expect("a model");
    }

    /// Lets the job that brings rules rest, if it has not ended yet.
    async fn pause(&self) {
        for job in self.service.jobs().open_of(WORKSPACE, "backfill").await.expect("jobs") {
            let paused = self.service.jobs().steer(WORKSPACE, job.id, Wish::Pause).await;
            may_fail(paused, &["job_ended"]).inspect(|_| one_more(&self.seen.slow));
        }
    }

    /// Has all jobs end, those that rest as well.
    pub(super) async fn end_jobs(&self) {
        let jobs = self.service.jobs();
        loop {
            let mut is_idle = true;
            for kind in JOBS {
                for job in jobs.open_of(WORKSPACE, kind).await.expect("jobs") {
                    is_idle = false;
                    let mut watch = jobs.watch(WORKSPACE, job.id).await.expect("a job");
                    while let Some(job) = watch.next().await {
                        if matches!(job.status(), JobStatus::Paused | JobStatus::Pausing) {
                            may_fail(jobs.steer(WORKSPACE, job.id, Wish::Resume).await, &["job_ended"]);
                        }
                    }
                    let job = jobs.get(WORKSPACE, job.id).await.expect("a job");
                    assert_eq!(job.status(), JobStatus::Done, "{job:?}");
                }
            }
            if is_idle {
                return;
            }
        }
    }

    /// Brings everybody to now, and compares the lists.
    async fn run_timers(&mut self) {
        let before = self.rolled_over_at().await;
        let running = self.service.running(WORKSPACE);
        let (shared, lane) = (&running.shared, &running.lane);
        // Who is left of an erasure in steps is a member until the purge.
        while matches!(lane.submit_own(Work::Purge).await, Ok(Answer::Purged { more: true })) {}
        timers::run_due(shared, lane, Timestamp::MIN).await.expect("timers run");
        if self.is_tiny {
            // What the timers put off themselves is of an instant of the lane, a little ahead of a clock that stands still.
            self.clock.fetch_add(TICK / 2, Ordering::SeqCst);
            timers::run_due(shared, lane, Timestamp::MIN).await.expect("timers run");
        }
        timers::roll_over(shared, self.service.jobs()).await.expect("the calendar rolls over");
        self.end_jobs().await;
        // One that had begun before the calendar rolled over has not brought it.
        timers::roll_over(shared, self.service.jobs()).await.expect("the calendar rolls over");
        self.end_jobs().await;
        // What a job settles as of when it asked may have become due since.
        timers::run_due(shared, lane, Timestamp::MIN).await.expect("timers run");
        if before.is_some() && before != self.rolled_over_at().await {
            one_more(&self.seen.calendar);
        }
        let since = self.now();
        self.clock.fetch_add(TICK, Ordering::SeqCst);
        self.look(self.now(), since).await;
        self.compare_lists().await;
    }

    async fn rolled_over_at(&self) -> Option<Timestamp> {
        self.service.configuration(WORKSPACE).await.expect("a configuration").rules().progress().rolled_over_at
    }

    async fn compare_lists(&self) {
        let mut expected: BTreeMap<Name, BTreeMap<NodeId, Timestamp>> =
            self.versions.keys().map(|name| (name.clone(), BTreeMap::new())).collect();
        for ((head, name), (_, entered)) in &self.known {
            expected.entry(name.clone()).or_default().insert(*head, *entered);
        }
        for (name, members) in expected {
            let query = ListQuery { limit: 100, cursor: None };
            let visibility = Flags { internal: true, private: true };
            let page =
                self.service.segment_members(WORKSPACE, &name, &query, (visibility, None)).await.expect("members");
            assert_eq!(page.items.len(), members.len(), "members of {name}");
            let counts = self.service.segment_counts(WORKSPACE, &name).await.expect("counts");
            assert_eq!(counts.members, members.len() as u64, "count of {name}");
            let listed: BTreeSet<Timestamp> = page.items.iter().map(|member| member.entered_at).collect();
            assert_eq!(listed, members.into_values().collect(), "since when members of {name} are");
            page.items.iter().for_each(|_| one_more(&self.seen.members));
        }
    }

    /// The end of a case: everything is brought to everybody, and nothing stored contradicts anything else.
    pub(super) async fn end(mut self) {
        let since = self.calm().await;
        self.end_jobs().await;
        self.clock.fetch_add(TICK, Ordering::SeqCst);
        self.look(self.now(), since).await;
        self.run_timers().await;
        self.nothing_is_left_of_former_segments().await;
        self.service.close().await;
        let report = check::run(&*self.store).await.expect("a report");
        assert!(report.faults.is_empty(), "{:?}", report.faults);
    }

    async fn nothing_is_left_of_former_segments(&self) {
        let scope = Scope::new(WORKSPACE);
        for family in [Family::Member, Family::MemberCount] {
            let page = self.store.scan(&scope.all_of(family), ScanLimit::rows(1_000), Direction::Forward).await;
            for row in page.expect("rows").rows {
                let member = read_member_key(&row.key).map(|(segment, _)| segment);
                let segment = member.or_else(|| read_segment_key(&row.key)).expect("a key");
                assert!(self.versions.values().any(|own| *own == segment), "{family:?} of {}", segment.0);
            }
        }
    }

    /// Goes on to where nothing changes by itself for a while. Answers when that is.
    async fn calm(&mut self) -> Timestamp {
        for _ in 0..10 {
            let now = self.now().micros();
            if self.edges(now - 1, now + 5 * TICK).is_empty() {
                break;
            }
            self.pass_to(now + 6 * TICK).await;
        }
        self.now()
    }

    /// A job may have committed at this very instant: then what came was decided right after it, and it is that instant now.
    async fn catch_up(&self) {
        let row = row::read(&*self.store, Scope::new(WORKSPACE).lane()).await.expect("a row").expect("a row");
        let last = decode_lane(&row.value).expect("a row").clock;
        self.clock.fetch_max(last.micros(), Ordering::SeqCst);
    }

    /// Lets time pass, and looks at every instant at which something may change by itself.
    async fn pass_to(&mut self, to: i64) {
        let from = self.now().micros();
        for edge in self.edges(from, to).into_iter().chain([to]).filter(|at| *at > from) {
            self.clock.store(edge, Ordering::SeqCst);
            self.look(self.now(), self.now()).await;
        }
    }

    /// The instants after one and up to another at which an answer may change by itself, and the one after each.
    fn edges(&self, from: i64, to: i64) -> Vec<i64> {
        let times = self.said.iter().filter_map(|fact| fact.time).chain(self.times.iter().copied());
        let mut edges = BTreeSet::new();
        for time in times.map(Timestamp::micros) {
            let windows = WINDOWS.iter().chain(&[7, 0]).flat_map(|minutes| [minutes * MINUTE, -minutes * MINUTE]);
            edges.extend(windows.map(|window| time + window));
        }
        let hour = 60 * MINUTE;
        edges.extend((from.div_euclid(hour)..=to.div_euclid(hour)).map(|at| at * hour));
        let within = |at: &i64| *at > from && *at <= to;
        edges.into_iter().flat_map(|at| [at, at + 1]).filter(within).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

async fn open(store: &Arc<dyn Store>, clock: &Arc<AtomicI64>, tail_events_max: usize) -> Arc<Service> {
    let (clock, random) = (clock.clone(), AtomicU64::new(7));
    let components = Components {
        tasks: tokio::runtime::Handle::current(),
        store: store.clone(),
        clock: Arc::new(move || instant(clock.load(Ordering::SeqCst))),
        random: Arc::new(move |bytes| {
            let seed = random.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bytes.iter_mut().zip(seed.to_le_bytes().iter().cycle()).for_each(|(byte, own)| *byte = *own);
        }),
    };
    let settings = Settings { tail_events_max, ..Settings::default() };
    Service::open(components, settings).await.expect("the service opens")
}

fn instant(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).expect("within bounds")
}

fn named(at: usize) -> NamedIdentity {
    let (namespace, value) = IDENTITIES[at];
    NamedIdentity { namespace: namespace.into(), value: value.into() }
}

fn rule_name(at: usize) -> (RuleKind, RuleName) {
    let (kind, name) = match at.checked_sub(ATTRIBUTES) {
        None => (RuleKind::Attribute, format!("c{at}")),
        Some(at) => (RuleKind::Segment, format!("s{at}")),
    };
    (kind, RuleName::parse(kind, &name).expect("a name"))
}

fn call(body: &Body) -> Call {
    let mut properties = serde_json::Map::new();
    properties.extend(body.x.map(|x| ("x".to_owned(), x.into())));
    properties.extend(body.sku.map(|sku| ("sku".to_owned(), sku.into())));
    if body.tags {
        properties.insert("tags".to_owned(), serde_json::json!(["t", "u"]));
    }
    let payload = serde_json::json!({ "properties": properties }).to_string();
    Call { kind: EventKind::Action, name: Some(body.name.into()), payload: payload.into() }
}

/// What came of it; none where it was refused as it may be.
fn may_fail<T>(came: Result<T, Error>, codes: &[&str]) -> Option<T> {
    match came {
        Ok(value) => Some(value),
        Err(error) if codes.contains(&error.code) => None,
        Err(error) => panic!("{error:?}"),
    }
}
