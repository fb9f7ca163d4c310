//! The kinds of jobs that there are, over the service as it is.

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::sync::Arc;

use support::{WORKSPACE, fact, ingest, memory, open};
use tessera_service::directory::KeyId;
use tessera_service::jobs::{Asked, Job, NewJob, State};
use tessera_service::keys::{Family, Scope};
use tessera_service::workspace_config::{NamespaceRules, update_namespace};
use tessera_service::{Service, check};
use tessera_store::{Commit, Direction, ScanLimit};

async fn ask(service: &Service, kind: &str) -> Job {
    let new = NewJob { kind: kind.into(), parameters: "{}".into(), asked_by: Some(KeyId::from_bytes([1; 12])) };
    match service.jobs().ask(WORKSPACE, &new, None).await.expect("the job is made") {
        Asked::Made(job) => *job,
        Asked::Before(_) => panic!("nothing was asked before"),
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

#[tokio::test]
async fn a_check_counts_what_waits_for_rules_that_changed() {
    let service = open(&memory()).await;
    let both = [fact("1", "user_id:ann email:a@x.example @1"), fact("2", "user_id:ann email:b@x.example @2")];
    ingest(&service, both.into()).await;
    let fewer = |config: &tessera_service::workspace_config::StoredConfig| {
        let rules = NamespaceRules { limit: Some(1), ..config.namespace("email")?.rules() };
        update_namespace(config, "email", rules)
    };
    service.configure(WORKSPACE, fewer).await.expect("other rules");
    let job = ask(&service, "check").await;
    let found = result(looks(&service, &job).await.last().expect("an end"));
    assert_eq!((&found["outdated"], &found["faults"]), (&1.into(), &0.into()));
    service.close().await;
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
