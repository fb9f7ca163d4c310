//! Windows on values and events, from the service outward: at which instant something is gone or not relevant, for whom, what
//! takes it off the store, and that nothing brings it back.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value as Json, json};
use support::{START, WORKSPACE, by, components, fact, ingest, memory, page};
use tessera_engine::model::{Attribute, Definition, EventType, Scalar, Type, Window};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Path;
use tessera_engine::view::Relevance;
use tessera_service::idempotency::Given;
use tessera_service::jobs::{JobId, Listed, NewJob, State};
use tessera_service::workspace_config::ModelChange;
use tessera_service::{Components, Contradicting, Fields, ModelOutcome, Rendered, Service, Settings, check};
use tessera_store::{Direction, KeyRange, ScanLimit, Store};

/// A service, and the hand that sets its clock.
struct World {
    store: Arc<dyn Store>,
    service: Arc<Service>,
    clock: Arc<AtomicI64>,
}

const DAY: i64 = 86_400_000_000;

/// The instant that `@0` names in the facts of the tests.
const ZERO: i64 = START - DAY;

impl World {
    async fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let store = memory();
        let service = open(&store, &clock).await;
        Self { store, service, clock }
    }

    async fn restart(&mut self) {
        self.service.close().await;
        self.service = open(&self.store, &self.clock).await;
    }

    fn set(&self, micros: i64) {
        self.clock.store(micros, Ordering::SeqCst);
    }

    async fn rendered(&self, relevance: Relevance) -> Rendered {
        let fields = Fields { relevance, ..Fields::ALL };
        self.service.profile(WORKSPACE, &by("user_id", "ann"), fields, None).await.expect("a profile")
    }

    /// The attributes that a read shows.
    async fn shown(&self, relevance: Relevance) -> Json {
        let mut json: Json = serde_json::from_slice(&self.rendered(relevance).await.json).expect("JSON");
        let members = json.as_object_mut().expect("an object");
        for name in ["profile_id", "user_id", "_audiences", "_updated_at"] {
            members.remove(name);
        }
        json
    }

    async fn events(&self) -> Vec<String> {
        let page = self.service.events(WORKSPACE, &by("user_id", "ann"), &page(100)).await.expect("a page");
        page.events.iter().map(|event| event.message_id.to_string()).collect()
    }

    /// Registers `name` as `90m`, or `name` as `60m/90m` for relevance and retention, and events as `!Name`.
    async fn register(&self, windows: &[(&str, &str)]) {
        let mut definition = Definition::default();
        for (name, spelled) in windows {
            let window = |text: &str| (!text.is_empty()).then(|| Window::parse(text).expect("a window"));
            if let Some(name) = name.strip_prefix('!') {
                let event_type = EventType { retention: window(spelled), ..EventType::default() };
                definition.event_types.insert(name.into(), event_type);
                continue;
            }
            let (relevance, retention) = spelled.split_once('/').unwrap_or(("", spelled));
            let attribute = Attribute {
                relevance: window(relevance),
                retention: window(retention),
                ..Attribute::new(Type::Scalar(Scalar::Text))
            };
            definition.attributes.insert(Path::parse(name).expect("a path"), attribute);
        }
        let change = ModelChange::Replace(Box::new(definition));
        let made = self.service.change_model(WORKSPACE, change, None, Contradicting::Made).await.expect("a model");
        assert!(matches!(made, ModelOutcome::Made(_)));
    }

    /// Has what has ended taken away; answers what the job says of it.
    async fn expire(&self) -> Json {
        let new = NewJob { kind: "expire".into(), parameters: "{}".into(), asked_by: None };
        let asked = self.service.jobs().ask(WORKSPACE, &new, None).await.expect("a job");
        let Given::Now(job) = asked else { panic!("nothing was asked before") };
        self.ended(job.id).await
    }

    async fn ended(&self, id: JobId) -> Json {
        let mut watch = self.service.jobs().watch(WORKSPACE, id).await.expect("a watch");
        let mut last = None;
        while let Some(job) = watch.next().await {
            last = Some(job);
        }
        let job = last.expect("it is told once");
        let State::Done { result, .. } = &job.state else { panic!("it is done: {job:?}") };
        serde_json::from_str(result).expect("JSON")
    }

    /// Whether these bytes stand in any row.
    async fn holds(&self, text: &str) -> bool {
        let finds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let mut rest = Some(KeyRange::all());
        while let Some(range) = rest {
            let page = self.store.scan(&range, ScanLimit::rows(500), Direction::Forward).await.expect("a page");
            if page.rows.iter().any(|row| finds(row.key.as_bytes()) || finds(&row.value)) {
                return true;
            }
            rest = page.next;
        }
        false
    }

    async fn sound(&self) {
        let report = check::run(&*self.store).await.expect("a report");
        assert_eq!(report.faults, Vec::<String>::new());
    }
}

async fn open(store: &Arc<dyn Store>, clock: &Arc<AtomicI64>) -> Arc<Service> {
    let own = clock.clone();
    let clock = Arc::new(move || Timestamp::from_micros(own.load(Ordering::SeqCst)).expect("an instant"));
    let components = Components { clock, ..components(store.clone()) };
    Service::open(components, Settings::default()).await.expect("the service opens")
}

#[tokio::test]
async fn a_value_is_gone_from_the_instant_at_which_its_window_ends() {
    let world = World::new().await;
    world.register(&[("plan", "1500m")]).await;
    ingest(&world.service, vec![fact("1", "user_id:ann plan=golden city=Paris @0")]).await;
    let end = ZERO + 1_500 * 60_000_000;

    world.set(end - 1);
    let before = world.rendered(Relevance::Any).await;
    assert_eq!(world.shown(Relevance::Any).await, json!({"plan": "golden", "city": "Paris"}));
    assert_eq!(world.rendered(Relevance::Any).await.etag, before.etag, "nothing has changed");

    // The view that was kept ends with the value.
    world.set(end);
    let after = world.rendered(Relevance::Any).await;
    assert_eq!(world.shown(Relevance::Any).await, json!({"city": "Paris"}));
    assert_ne!(after.etag, before.etag);
    let json: Json = serde_json::from_slice(&after.json).expect("JSON");
    assert_eq!(
        json["_updated_at"], "2023-11-14T23:13:20Z",
        "it changed when the window ended, not when somebody looked"
    );

    // What is taken away changes nothing that anybody sees.
    assert!(world.holds("golden").await);
    assert_eq!(world.expire().await, json!({"records": 1, "events": 0}));
    assert!(!world.holds("golden").await && world.holds("Paris").await);
    assert_eq!(world.rendered(Relevance::Any).await.json, after.json);
    assert_eq!(world.expire().await, json!({"records": 0, "events": 0}));
    world.sound().await;
}

#[tokio::test]
async fn what_lies_below_ends_with_it_and_each_dataset_at_its_own_time() {
    let world = World::new().await;
    world.register(&[("plan", "1450m")]).await;
    let mut newer = fact("2", "user_id:ann plan=silver @600");
    newer.fact.as_mut().expect("a fact").dataset = "crm".into();
    let mut below = fact("3", "user_id:ann @1");
    let path = Path::parse("plan.since").expect("a path");
    below.fact.as_mut().expect("a fact").attributes.push((path, tessera_engine::value::Value::text("May")));
    ingest(&world.service, vec![fact("1", "user_id:ann plan=golden @0"), below, newer]).await;
    let end = ZERO + 1_450 * 60_000_000;
    for (at, expected) in [
        (end - 1, json!({"plan": "silver"})),
        (end, json!({"plan": "silver"})),
        (end + 600_000_000 - 1, json!({"plan": "silver"})),
        (end + 600_000_000, json!({})),
    ] {
        world.set(at);
        assert_eq!(world.shown(Relevance::Any).await, expected, "{}", at - end);
    }
}

#[tokio::test]
async fn a_value_that_is_not_relevant_any_more_stays_and_is_told() {
    let world = World::new().await;
    world.register(&[("plan", "1500m/3000m")]).await;
    ingest(&world.service, vec![fact("1", "user_id:ann plan=golden city=Paris @0")]).await;
    let turn = ZERO + 1_500 * 60_000_000;
    let both = json!({"plan": "golden", "city": "Paris"});
    for (at, relevant, not) in
        [(turn - 1, both.clone(), json!({})), (turn, json!({"city": "Paris"}), json!({"plan": "golden"}))]
    {
        world.set(at);
        assert_eq!(world.shown(Relevance::Any).await, both);
        assert_eq!(world.shown(Relevance::Relevant).await, relevant);
        assert_eq!(world.shown(Relevance::NotRelevant).await, not);
        let explained =
            world.service.explain(WORKSPACE, &by("user_id", "ann"), None, None, Fields::ALL.visibility).await;
        let explained = explained.expect("an explanation").attributes;
        let plan = explained.iter().find(|own| own.path.as_str() == "plan").expect("it is there");
        assert_eq!(plan.relevant_until, Timestamp::from_micros(turn));
        assert_eq!(plan.contenders[0].contender.kept_until, Timestamp::from_micros(ZERO + 3_000 * 60_000_000));
    }
}

#[tokio::test]
async fn an_event_is_gone_when_its_window_ends_and_later_from_the_store() {
    let world = World::new().await;
    world.register(&[("!Viewed", "1500m")]).await;
    let facts = vec![
        fact("v1", "user_id:ann !Viewed @0"),
        fact("b1", "user_id:ann !Bought @1"),
        fact("v2", "user_id:ann !Viewed @60"),
        fact("v3", "user_id:bob !Viewed @0"),
    ];
    ingest(&world.service, facts).await;
    world.set(ZERO + 1_500 * 60_000_000 - 1);
    assert_eq!(world.events().await, ["v2", "b1", "v1"]);
    world.set(ZERO + 1_500 * 60_000_000);
    assert_eq!(world.events().await, ["v2", "b1"]);
    let now = async |world: &World| {
        let counts = world.service.counts(WORKSPACE).await.expect("counts");
        (counts.profiles, counts.events, counts.facts)
    };
    assert_eq!(now(&world).await, (2, 4, 4), "rows trail");
    assert_eq!(world.expire().await, json!({"records": 0, "events": 2}));
    assert_eq!(world.events().await, ["v2", "b1"]);
    // Of whom nothing is left, there is no profile.
    assert_eq!(now(&world).await, (1, 2, 2));
    assert!(!world.holds("v1").await && !world.holds("bob").await && world.holds("v2").await);
    world.sound().await;
}

#[tokio::test]
async fn a_longer_window_brings_nothing_back() {
    let mut world = World::new().await;
    world.register(&[("plan", "1400m"), ("!Viewed", "1400m")]).await;
    let facts = vec![fact("1", "user_id:ann plan=golden city=Paris @0"), fact("v1", "user_id:ann !Viewed @0")];
    ingest(&world.service, facts).await;
    world.set(START + 1_000_000);
    assert_eq!((world.shown(Relevance::Any).await, world.events().await), (json!({"city": "Paris"}), vec![]));

    // Its own job takes it away, after a stop as well.
    world.register(&[("plan", ""), ("!Viewed", "9000m")]).await;
    assert_eq!((world.shown(Relevance::Any).await, world.events().await), (json!({"city": "Paris"}), vec![]));
    world.restart().await;
    assert_eq!((world.shown(Relevance::Any).await, world.events().await), (json!({"city": "Paris"}), vec![]));
    let jobs = world.service.jobs();
    let query = tessera_service::jobs::Query { limit: 10, ..tessera_service::jobs::Query::default() };
    let made = jobs.list(WORKSPACE, &query).await.expect("a page").jobs;
    let job = made
        .iter()
        .filter_map(Listed::job)
        .find(|job| job.parameters == r#"{"sweep":1}"#)
        .expect("a job was made for it");
    world.ended(job.id).await;
    assert!(!world.holds("golden").await && !world.holds("v1").await);
    let config = world.service.configuration(WORKSPACE).await.expect("a configuration");
    assert!(config.sweeps().ended.is_empty(), "and then it need not be remembered");

    // What comes now is of the window that holds now, however old it is.
    ingest(&world.service, vec![fact("2", "user_id:ann plan=silver @1"), fact("v2", "user_id:ann !Viewed @1")]).await;
    assert_eq!(world.shown(Relevance::Any).await, json!({"plan": "silver", "city": "Paris"}));
    assert_eq!(world.events().await, ["v2"]);
    world.sound().await;
}
