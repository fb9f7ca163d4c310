//! The kinds of jobs that there are, over the service as it is.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::Arc;

use support::{WORKSPACE, by, fact, ingest, memory, open, page, read};
use tessera_service::directory::KeyId;
use tessera_service::idempotency::Given;
use tessera_service::jobs::{Filter, Job, JobStatus, Listed, NewJob, Query, State, Wish};
use tessera_service::keys::{Family, Scope};
use tessera_service::verdict::Verdict;
use tessera_service::workspace_config::{
    Definition, NamespaceRules, RuleContent, RuleKind, RuleName, StoredConfig, put_rule, update_namespace,
};
use tessera_service::{Fields, Service, check};
use tessera_store::faulty::{Faulty, Plan};
use tessera_store::{Commit, Direction, ScanLimit, Store};

async fn ask(service: &Service, kind: &str) -> Job {
    let new = NewJob { kind: kind.into(), parameters: "{}".into(), asked_by: Some(KeyId::from_bytes([1; 12])) };
    match service.jobs().ask(WORKSPACE, &new, None).await.expect("the job is made") {
        Given::Now(job) => job,
        Given::Before(_) => panic!("nothing was asked before"),
    }
}

/// The results of a job as it went, the last one its end.
async fn looks(service: &Service, job: &Job) -> Vec<Arc<Job>> {
    let mut watch = service.jobs().watch(WORKSPACE, job.id).await.expect("a job");
    let mut looks = Vec::new();
    while let Some(job) = watch.next().await {
        looks.push(job);
    }
    looks
}

fn result(job: &Job) -> serde_json::Value {
    match &job.state {
        State::Done { result, .. } => serde_json::from_str(result).expect("JSON"),
        other => panic!("it is not done: {other:?}"),
    }
}

async fn people(service: &Service, from: usize, to: usize) {
    for start in (from..to).step_by(100) {
        let one = |at: usize| fact(&format!("m{at}"), &format!("user_id:u{at} anonymous_id:a{at} city=Paris !A @{at}"));
        ingest(service, (start..to.min(start + 100)).map(one).collect()).await;
    }
}

#[tokio::test]
async fn a_check_walks_everything_step_by_step() {
    let store = memory();
    let service = open(&store).await;
    people(&service, 0, 1_234).await;
    let job = ask(&service, "check").await;
    let looks = looks(&service, &job).await;
    let mut done: Vec<_> = looks.iter().map(|job| (job.progress.done, job.progress.total)).collect();
    done.dedup();
    assert_eq!(done, [(0, None), (500, Some(1_234)), (1_000, Some(1_234)), (1_234, Some(1_234))]);
    let counts = service.counts(WORKSPACE).await.expect("counts");
    let expected = serde_json::json!({
        "records": 1_234, "profiles": counts.profiles, "identities": counts.identities, "events": counts.events,
        "facts": counts.facts, "outdated": 0, "faults": 0, "listed": []
    });
    assert_eq!(result(looks.last().expect("an end")), expected);
    service.close().await;
    assert_eq!(check::run(&*store).await.expect("a report").faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_check_lists_what_is_wrong() {
    let store = memory();
    let service = open(&store).await;
    people(&service, 0, 600).await;
    let range = Scope::new(WORKSPACE).family(Family::Cluster).range();
    let rows = store.scan(&range, ScanLimit::rows(600), Direction::Forward).await.expect("rows").rows;
    // One cannot be read, one stands where another belongs, and a key is of no cluster, first of its step.
    let odd = Scope::new(WORKSPACE).family(Family::Cluster).bytes(&rows[499].key.as_bytes()[5..]).bytes(b"x").key();
    let damage = Commit::new()
        .put(rows[3].key.clone(), &b"\0"[..])
        .put(rows[550].key.clone(), rows[551].value.clone())
        .put(odd, rows[0].value.clone());
    store.commit(damage).await.expect("a commit");
    let job = ask(&service, "check").await;
    let looks = looks(&service, &job).await;
    let found = result(looks.last().expect("an end"));
    assert_eq!((&found["records"], &found["profiles"], &found["faults"]), (&601.into(), &599.into(), &3.into()));
    let listed: Vec<_> = found["listed"].as_array().expect("a list").iter().filter_map(|it| it.as_str()).collect();
    assert!(listed[0].contains("record_corrupt") && listed[1].contains("names no cluster"), "{listed:?}");
    assert!(listed[2].contains("begins with node"), "{listed:?}");
    service.close().await;
}

/// The job of this kind, when it has ended.
async fn ended(service: &Arc<Service>, kind: &str) -> Job {
    let filter = Filter { status: None, kind: Some(kind.to_owned()) };
    let query = Query { filter, limit: 10, cursor: None };
    let page = service.jobs().list(WORKSPACE, &query).await.expect("jobs");
    let job = page.jobs.first().and_then(Listed::job).expect("a job of this kind");
    Job::clone(looks(service, job).await.last().expect("an end"))
}

#[tokio::test]
async fn the_progress_of_a_sweep_never_goes_back() {
    let store = memory();
    let service = open(&store).await;
    people(&service, 0, 450).await;
    let blocked = |config: &tessera_service::workspace_config::StoredConfig| {
        let rules = NamespaceRules { blocked: vec!["nobody".into()], ..config.namespace("user_id")?.rules() };
        update_namespace(config, "user_id", None, rules)
    };
    service.configure(WORKSPACE, blocked).await.expect("other rules");
    let first = Query { filter: Filter { status: None, kind: Some("recluster".to_owned()) }, limit: 1, cursor: None };
    let page = service.jobs().list(WORKSPACE, &first).await.expect("jobs");
    let swept = looks(&service, page.jobs[0].job().expect("a job")).await;
    let erased =
        service.erase_source(WORKSPACE, "segment", None, None, KeyId::from_bytes([1; 12])).await.expect("an order");
    let Given::Now(job) = erased else { panic!("nothing was asked before") };
    let removed = looks(&service, &job).await;
    for (looks, least) in [(&swept, 2 * 450), (&removed, 2 * 450)] {
        let done: Vec<u64> = looks.iter().map(|job| job.progress.done).collect();
        assert!(done.is_sorted() && done.last().is_some_and(|done| *done >= least), "{done:?}");
        assert!(looks.iter().all(|job| job.progress.total.is_none_or(|total| total >= job.progress.done)), "{looks:?}");
    }
    assert_eq!(swept.last().map(|job| (job.progress.done, result(job)["records"].clone())), Some((900, 450.into())));
    service.close().await;
}

#[tokio::test]
async fn rules_that_changed_are_brought_to_every_profile_by_a_job() {
    let store = memory();
    let service = open(&store).await;
    let both = [fact("1", "user_id:ann email:a@x.example @1"), fact("2", "user_id:ann email:b@x.example @2")];
    ingest(&service, both.into()).await;
    let limited = |limit: Option<u32>| {
        move |config: &tessera_service::workspace_config::StoredConfig| {
            let rules = NamespaceRules { limit, ..config.namespace("email")?.rules() };
            update_namespace(config, "email", None, rules)
        }
    };
    service.configure(WORKSPACE, limited(Some(1))).await.expect("other rules");
    let job = ended(&service, "recluster").await;
    assert_eq!(job.status(), JobStatus::Done, "{job:?}");
    let reads = async |email| service.profile(WORKSPACE, &by("email", email), Fields::ALL, None).await.is_ok();
    assert_ne!(reads("a@x.example").await, reads("b@x.example").await, "one e-mail is nobody's");
    assert_eq!(service.counts(WORKSPACE).await.expect("counts").profiles, 1);
    service.configure(WORKSPACE, limited(None)).await.expect("the rules of before");
    ended(&service, "recluster").await;
    assert!(reads("a@x.example").await && reads("b@x.example").await, "as it was");
    assert_eq!(service.counts(WORKSPACE).await.expect("counts").profiles, 1);
    let blocked = |config: &tessera_service::workspace_config::StoredConfig| {
        let rules = NamespaceRules { blocked: vec!["b@x.example".into()], ..config.namespace("email")?.rules() };
        update_namespace(config, "email", None, rules)
    };
    service.configure(WORKSPACE, blocked).await.expect("a value that identifies nobody");
    ended(&service, "recluster").await;
    assert!(reads("a@x.example").await && !reads("b@x.example").await, "it holds nothing together");
    assert_eq!(service.counts(WORKSPACE).await.expect("counts").profiles, 1);
    let sweeps = service.configuration(WORKSPACE).await.expect("it").sweeps().clone();
    assert_eq!((sweeps.number, sweeps.done, sweeps.is_restaging()), (3, 3, false));
    service.close().await;
    let report = check::run(&*store).await.expect("a report");
    assert_eq!((report.faults, report.outdated), (Vec::new(), 0));
}

#[tokio::test]
async fn a_source_is_erased_at_once_for_readers_and_then_for_good() {
    let store = memory();
    let service = open(&store).await;
    let of = |dataset: &str, batch: Option<&str>, id: &str, line: &str| {
        let mut fact = fact(id, line);
        let said = fact.fact.as_mut().expect("a fact");
        (said.dataset, said.batch) = (dataset.into(), batch.map(Into::into));
        fact
    };
    let facts = vec![
        of("crm", None, "1", "user_id:ann city=Paris !Bought @1"),
        of("web", Some("july"), "2", "user_id:ann email:a@x.example city=Lyon !Viewed @2"),
        of("web", Some("august"), "3", "user_id:bob email:b@x.example !Viewed @3"),
        of("web", Some("july"), "4", "anonymous_id:x tag=only @4"),
    ];
    ingest(&service, facts.clone()).await;
    let key = KeyId::from_bytes([1; 12]);
    let asked = service.erase_source(WORKSPACE, "web", Some("july"), None, key).await.expect("a job");
    let Given::Now(job) = asked else { panic!("it is new") };
    // Whatever the job has reached by now.
    assert_eq!(read(&service, &by("user_id", "ann")).await["city"], "Paris");
    let seen = service.events(WORKSPACE, &by("user_id", "ann"), &page(10)).await.expect("events").events;
    assert_eq!(seen.iter().map(|event| &*event.message_id).collect::<Vec<_>>(), ["1"]);
    let job = Job::clone(looks(&service, &job).await.last().expect("an end"));
    let found = result(&job);
    assert_eq!((&found["events"], &found["facts"]), (&1.into(), &2.into()), "{job:?}");
    let counts = service.counts(WORKSPACE).await.expect("counts");
    // Ann without the e-mail that only july knew, bob with his; who was known from july alone is gone.
    assert_eq!((counts.profiles, counts.identities, counts.events, counts.facts), (2, 3, 2, 2));
    assert!(service.profile(WORKSPACE, &by("anonymous_id", "x"), Fields::ALL, None).await.is_err());
    let again = ingest(&service, facts).await;
    let is_duplicate = |verdict: &Verdict| matches!(verdict, Verdict::Duplicate);
    assert_eq!(again.iter().map(is_duplicate).collect::<Vec<_>>(), [true, false, true, false], "it was never received");
    assert_eq!(read(&service, &by("user_id", "ann")).await["city"], "Lyon");
    for (dataset, code) in [("$directive", "dataset_reserved"), ("", "dataset_invalid")] {
        let refused = service.erase_source(WORKSPACE, dataset, None, None, key).await.expect_err("no dataset of facts");
        assert_eq!(refused.code, code);
    }
    service.close().await;
    assert_eq!(check::run(&*store).await.expect("a report").faults, Vec::<String>::new());
}

#[tokio::test]
async fn the_offline_check_knows_the_rows_of_jobs() {
    let store = memory();
    let service = open(&store).await;
    people(&service, 0, 1).await;
    let ended = ask(&service, "check").await;
    looks(&service, &ended).await;
    service.close().await;
    let faults = async || check::run(&*store).await.expect("a report").faults;
    assert!(faults().await.is_empty());
    let key = |part: u8, id: u8| Scope::new(WORKSPACE).family(Family::Job).bytes(&[part]).bytes(&[id; 12]).key();
    let record = Scope::new(WORKSPACE).family(Family::Job).bytes(&[1]).bytes(ended.id.as_bytes()).key();
    let queued = {
        // The row as it was asked: open, and without its mark.
        let service = open(&store).await;
        let job = ask(&service, "check").await;
        let at = Scope::new(WORKSPACE).family(Family::Job).bytes(&[1]).bytes(job.id.as_bytes()).key();
        let row = store.get(&[at]).await.expect("a row").value.pop().flatten().expect("a row");
        looks(&service, &job).await;
        service.close().await;
        row.value
    };
    let damage =
        Commit::new().put(key(0, 1), &b""[..]).put(key(1, 2), queued).put(key(2, 3), &b""[..]).put(record, &b"\0"[..]);
    store.commit(damage).await.expect("a commit");
    let faults = faults().await;
    assert_eq!(faults.len(), 4, "{faults:?}");
    for expected in ["names no job", "record_corrupt", "has no mark", "has a mark"] {
        assert!(faults.iter().any(|fault| fault.starts_with("Job: ") && fault.contains(expected)), "{faults:?}");
    }
}

/// Fills the table with jobs that somebody has asked for, and that rest.
async fn fill(service: &Service) {
    let new = NewJob { kind: "check".into(), parameters: "{}".into(), asked_by: Some(KeyId::from_bytes([1; 12])) };
    loop {
        match service.jobs().ask(WORKSPACE, &new, None).await {
            // One that has ended meanwhile takes no place.
            Ok(Given::Now(job)) => drop(service.jobs().steer(WORKSPACE, job.id, Wish::Pause).await),
            Ok(Given::Before(_)) => panic!("nothing was asked before"),
            Err(error) => {
                assert_eq!(error.code, "jobs_full");
                return;
            }
        }
    }
}

async fn open_of(service: &Service, kind: &str) -> Vec<Job> {
    let query = Query { filter: Filter { status: None, kind: Some(kind.to_owned()) }, limit: 10, cursor: None };
    let page = service.jobs().list(WORKSPACE, &query).await.expect("jobs");
    page.jobs.iter().filter_map(Listed::job).cloned().collect()
}

#[tokio::test]
async fn an_order_has_its_job_however_many_jobs_others_have_asked_for() {
    let store = memory();
    let service = open(&store).await;
    people(&service, 0, 3).await;
    fill(&service).await;
    let key = KeyId::from_bytes([1; 12]);
    let job = service.erase_source(WORKSPACE, "segment", None, None, key).await.and_then(Given::now).expect("an order");
    assert_eq!((job.kind.as_str(), job.asked_by), ("erase_source", Some(key)));
    let limited = |config: &StoredConfig| {
        let rules = NamespaceRules { limit: Some(1), ..config.namespace("email")?.rules() };
        update_namespace(config, "email", None, rules)
    };
    service.configure(WORKSPACE, limited).await.expect("other rules");
    assert_eq!(open_of(&service, "recluster").await.len(), 1);
    let expr = tessera_expr::pql::parse("xEvent.count() > 1").expect("a rule");
    let definition =
        Definition::new(RuleKind::Segment, expr, tessera_expr::calendar::Zone::utc(), None).expect("a segment");
    let content = RuleContent { display_name: None, description: None, definition, is_draft: false };
    let name = RuleName::parse(RuleKind::Segment, "busy").expect("a name");
    let change = move |config: &StoredConfig, at| put_rule(config, RuleKind::Segment, &name, content, None, at);
    service.configure_rules(WORKSPACE, change).await.expect("a segment");
    assert_eq!(open_of(&service, "backfill").await.len(), 1);
    // What somebody asks for is refused, and nothing has come of it.
    let new = NewJob { kind: "check".into(), parameters: "{}".into(), asked_by: Some(key) };
    assert_eq!(service.jobs().ask(WORKSPACE, &new, None).await.expect_err("a job").code, "jobs_full");
    for kind in ["erase_source", "recluster", "backfill"] {
        assert_eq!(ended(&service, kind).await.status(), JobStatus::Done, "{kind}");
    }
    assert_eq!(service.counts(WORKSPACE).await.expect("counts").facts, 0);
    service.close().await;
}

/// The commit that orders something is the one that holds its job: without it there is neither.
#[tokio::test]
async fn an_order_that_is_not_written_leaves_nothing_behind() {
    let store = memory();
    let faulty = Faulty::new(store, Plan::CALM);
    let shared: Arc<dyn Store> = Arc::new(faulty.clone());
    let service = open(&shared).await;
    people(&service, 0, 3).await;
    let key = KeyId::from_bytes([1; 12]);
    let erase = async || service.erase_source(WORKSPACE, "segment", None, None, key).await.and_then(Given::now);
    faulty.fill_reserve();
    assert_eq!(erase().await.expect_err("no room").code, "disk_full");
    faulty.free_disk();
    assert_eq!(open_of(&service, "erase_source").await, Vec::new());
    assert_eq!(read(&service, &by("user_id", "u1")).await["city"], "Paris");
    let job = erase().await.expect("an order");
    assert_eq!(open_of(&service, "erase_source").await.iter().map(|job| job.id).collect::<Vec<_>>(), [job.id]);
    service.close().await;
}
