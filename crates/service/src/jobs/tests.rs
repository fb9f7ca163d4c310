//! Jobs over the store in memory: they end right whatever happens in between.

use tessera_store::Store;
use tessera_store::faulty::{Faulty, Plan, ReadFault, WriteFault};

use super::*;
use crate::base::settings::Settings;
use crate::config::workspace::{self as workspace_config, NamespaceRules, StoredConfig, update_namespace};
use crate::stored::idempotency::{IdempotencyKey, Reply, Request, RequestHash};
use crate::work::service::Service;
use crate::work::sweeping::Stalled;
use crate::work::{kind, kinds, worker};

mod world;

use world::{OTHER, Stepper, Trouble, WORKSPACE, code, components, ended, make, memory, new, open, status, until};

#[tokio::test]
async fn a_job_runs_step_by_step_and_says_so() {
    let stepper = Stepper::gated();
    let service = open(&memory(), stepper.kinds()).await;
    let id = make(&service, WORKSPACE, &new("stepper", 3)).await;
    let mut watch = service.jobs().watch(WORKSPACE, id).await.expect("a job");
    let mut seen = Vec::new();
    let mut revisions = Vec::new();
    while let Some(job) = watch.next().await {
        let Progress { done, total, unit, .. } = &job.progress;
        assert_eq!(unit, "steps");
        seen.push((job.status().name(), *done, *total));
        revisions.push(job.revision);
        stepper.gate.add_permits(usize::from(job.status() == JobStatus::Running));
    }
    // The first look may already find it running.
    seen.retain(|(name, ..)| *name != "queued");
    assert_eq!(seen, [("running", 0, None), ("running", 1, Some(3)), ("running", 2, Some(3)), ("done", 3, Some(3))]);
    assert!(revisions.is_sorted());
    let job = service.jobs().get(WORKSPACE, id).await.expect("a job");
    assert_eq!(job.state, State::Done { at: job.updated_at, result: "\"3 steps\"".to_owned() });
    assert!(job.started_at.is_some_and(|at| at > job.created_at && at < job.updated_at));
    assert_eq!(stepper.log(), [0, 1, 2]);
    let mut again = service.jobs().watch(WORKSPACE, id).await.expect("a job");
    assert_eq!(again.next().await.as_deref(), Some(&job));
    assert_eq!(again.next().await, None);
    service.close().await;
}

#[tokio::test]
async fn a_clean_stop_hands_the_job_on() {
    let (store, stepper) = (memory(), Stepper::gated());
    let service = open(&store, stepper.kinds()).await;
    let id = make(&service, WORKSPACE, &new("stepper", 4)).await;
    stepper.gate.add_permits(2);
    stepper.begun(3).await;
    let closing = tokio::spawn(async move { service.close().await });
    tokio::task::yield_now().await;
    stepper.gate.add_permits(1);
    closing.await.expect("it closes");
    let service = open(&store, Stepper::gated().kinds()).await;
    let job = service.jobs().get(WORKSPACE, id).await.expect("a job");
    assert_eq!((job.progress.done, job.attempts), (3, 0));
    service.close().await;
    stepper.gate.add_permits(1);
    let service = open(&store, stepper.kinds()).await;
    assert_eq!(ended(&service, id).await.status(), JobStatus::Done);
    assert_eq!(stepper.log(), [0, 1, 2, 3]);
    service.close().await;
}

#[tokio::test]
async fn of_two_workers_the_later_one_works() {
    let (store, first, second) = (memory(), Stepper::gated(), Stepper::gated());
    let former = open(&store, first.kinds()).await;
    let id = make(&former, WORKSPACE, &new("stepper", 3)).await;
    first.gate.add_permits(1);
    first.begun(2).await;
    // The former process is in the middle of its second step when another takes over, as after a kill.
    let service = Service::open_with(components(&store), Settings::default(), second.kinds()).await.expect("it opens");
    second.begun(1).await;
    let before = service.jobs().get(WORKSPACE, id).await.expect("a job");
    assert_eq!((before.progress.done, before.attempts), (1, 1));
    first.gate.add_permits(10);
    // The former one is told, and leaves the job alone.
    while former.jobs().live((WORKSPACE, id)).is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(service.jobs().get(WORKSPACE, id).await.expect("a job"), before);
    second.gate.add_permits(10);
    assert_eq!(ended(&service, id).await.status(), JobStatus::Done);
    assert_eq!((first.log(), second.log()), (vec![0, 1], vec![1, 2]));
    former.close().await;
    service.close().await;
}

#[tokio::test]
async fn pause_resume_and_cancel_happen_between_steps() {
    let stepper = Stepper::gated();
    let service = open(&memory(), stepper.kinds()).await;
    let jobs = service.jobs();
    let id = make(&service, WORKSPACE, &new("stepper", 9)).await;
    stepper.begun(1).await;
    let steer = async |wish| jobs.steer(WORKSPACE, id, wish).await.map(|job| job.status());
    assert_eq!(steer(Wish::Pause).await.expect("it may"), JobStatus::Pausing);
    assert_eq!(steer(Wish::Resume).await.expect("it may"), JobStatus::Running);
    assert_eq!(steer(Wish::Pause).await.expect("it may"), JobStatus::Pausing);
    stepper.gate.add_permits(1);
    assert_eq!(status(&service, id, JobStatus::Paused).await.progress.done, 1);
    assert_eq!(steer(Wish::Pause).await.expect("it is"), JobStatus::Paused);
    assert_eq!(stepper.log(), [0]);
    steer(Wish::Resume).await.expect("it may");
    stepper.begun(2).await;
    assert_eq!(steer(Wish::Cancel).await.expect("it may"), JobStatus::Cancelling);
    assert_eq!(steer(Wish::Resume).await.expect_err("too late").code, "job_cancelling");
    stepper.gate.add_permits(9);
    let cancelled = ended(&service, id).await;
    assert_eq!((cancelled.status(), cancelled.progress.done), (JobStatus::Cancelled, 2));
    assert_eq!(steer(Wish::Cancel).await.expect("it is"), JobStatus::Cancelled);
    assert_eq!(steer(Wish::Resume).await.expect_err("too late").code, "job_ended");
    assert_eq!(stepper.log(), [0, 1]);
    service.close().await;
}

#[tokio::test]
async fn what_has_been_ordered_cannot_be_cancelled() {
    let (store, stepper) = (memory(), Stepper::gated());
    let service = open(&store, stepper.kinds()).await;
    let id = make(&service, WORKSPACE, &new("inner", 2)).await;
    let cancel =
        async |service: &Service| service.jobs().steer(WORKSPACE, id, Wish::Cancel).await.map(|job| job.status());
    assert_eq!(cancel(&service).await.expect_err("queued").code, "job_not_cancellable");
    stepper.begun(1).await;
    assert_eq!(cancel(&service).await.expect_err("running").code, "job_not_cancellable");
    service.jobs().steer(WORKSPACE, id, Wish::Pause).await.expect("it may rest");
    stepper.gate.add_permits(1);
    status(&service, id, JobStatus::Paused).await;
    assert_eq!(cancel(&service).await.expect_err("paused").code, "job_not_cancellable");
    assert_eq!(service.jobs().open_of(WORKSPACE, "inner").await.expect("jobs").len(), 1);
    assert!(service.jobs().open_of(WORKSPACE, "stepper").await.expect("jobs").is_empty());
    service.close().await;
    // Where nobody knows the kind any more, nobody else could end it.
    let service = open(&store, kinds::all()).await;
    assert_eq!(cancel(&service).await.expect("it may"), JobStatus::Cancelled);
    service.close().await;
}

#[tokio::test]
async fn wishes_of_a_job_that_nobody_works_on_are_settled_by_the_next_start() {
    for (wish, expected) in [(Wish::Pause, JobStatus::Paused), (Wish::Cancel, JobStatus::Cancelled)] {
        let (store, stepper) = (memory(), Stepper::gated());
        let former = open(&store, stepper.kinds()).await;
        let id = make(&former, WORKSPACE, &new("stepper", 2)).await;
        stepper.begun(1).await;
        former.jobs().steer(WORKSPACE, id, wish).await.expect("it may");
        let service = Service::open_with(components(&store), Settings::default(), stepper.kinds()).await;
        let service = service.expect("it opens");
        assert_eq!(status(&service, id, expected).await.status(), expected);
        stepper.gate.add_permits(1);
        former.close().await;
        service.close().await;
        assert_eq!(stepper.log(), [0]);
    }
}

#[tokio::test]
async fn a_panic_fails_the_job_and_nothing_else() {
    let stepper = Stepper::free().trouble(1, &[Trouble::Panic]);
    let service = open(&memory(), stepper.kinds()).await;
    let id = make(&service, WORKSPACE, &new("stepper", 3)).await;
    assert_eq!(code(&*ended(&service, id).await), "job_fault");
    let id = make(&service, WORKSPACE, &new("stepper", 3)).await;
    assert_eq!(ended(&service, id).await.status(), JobStatus::Done);
    service.close().await;
}

#[tokio::test]
async fn a_step_is_tried_again_while_it_makes_sense() {
    let unavailable = Trouble::Error(ErrorKind::Unavailable, "store_unavailable");
    let unknown = Trouble::Error(ErrorKind::Unknown, "outcome_unknown");
    let stepper = Stepper::gated().trouble(1, &[unavailable.clone(), unknown]);
    let service = open(&memory(), stepper.kinds()).await;
    let id = make(&service, WORKSPACE, &new("stepper", 3)).await;
    stepper.gate.add_permits(2);
    let stumbled = until(&service, WORKSPACE, id, |job| job.attempts == 1).await;
    assert_eq!(stumbled.trouble.as_ref().map(|failure| &*failure.code), Some("store_unavailable"));
    stepper.gate.add_permits(10);
    let done = ended(&service, id).await;
    assert_eq!((done.status(), done.attempts, &done.trouble), (JobStatus::Done, 0, &None));
    assert_eq!(stepper.log(), [0, 1, 1, 1, 2]);
    service.close().await;

    let always = vec![unavailable; 50];
    let stepper = Stepper::free().trouble(1, &always);
    let service = open(&memory(), stepper.kinds()).await;
    let id = make(&service, WORKSPACE, &new("stepper", 3)).await;
    assert_eq!(code(&*ended(&service, id).await), "store_unavailable");
    assert_eq!(stepper.log().len(), 1 + ATTEMPTS_MAX as usize);
    service.close().await;
}

#[tokio::test]
async fn a_wish_ends_the_wait_of_a_step_that_failed() {
    for (wish, expected) in [(Wish::Pause, JobStatus::Paused), (Wish::Cancel, JobStatus::Cancelled)] {
        let unavailable = Trouble::Error(ErrorKind::Unavailable, "store_unavailable");
        let stepper = Stepper::free().trouble(0, &vec![unavailable; 3]);
        let service = open(&memory(), stepper.kinds()).await;
        let id = make(&service, WORKSPACE, &new("stepper", 2)).await;
        until(&service, WORKSPACE, id, |job| job.attempts == 3).await;
        service.jobs().steer(WORKSPACE, id, wish).await.expect("it may");
        status(&service, id, expected).await;
        assert_eq!(stepper.log(), [0, 0, 0]);
        service.close().await;
    }
}

#[tokio::test]
async fn what_is_wrong_for_good_fails_the_job() {
    for (trouble, expected) in [
        (Trouble::Error(ErrorKind::Corrupt, "record_corrupt"), "record_corrupt"),
        (Trouble::LargeCheckpoint, "job_too_large"),
        (Trouble::Result { bytes: RESULT_BYTES_MAX }, "job_too_large"),
    ] {
        let stepper = Stepper::free().trouble(1, &[trouble]);
        let service = open(&memory(), stepper.kinds()).await;
        let id = make(&service, WORKSPACE, &new("stepper", 3)).await;
        assert_eq!(code(&*ended(&service, id).await), expected);
        assert_eq!(stepper.log(), [0, 1]);
        service.close().await;
    }
}

#[tokio::test]
async fn a_kind_that_is_gone_fails_its_jobs() {
    let (store, stepper) = (memory(), Stepper::gated());
    let service = open(&store, stepper.kinds()).await;
    let id = make(&service, WORKSPACE, &new("stepper", 3)).await;
    stepper.gate.add_permits(1);
    stepper.begun(2).await;
    stepper.gate.add_permits(1);
    service.close().await;
    let service = open(&store, kinds::all()).await;
    assert_eq!(code(&*ended(&service, id).await), "job_kind_unknown");
    service.close().await;
}

#[tokio::test]
async fn some_run_at_a_time_and_each_workspace_has_its_turn() {
    let stepper = Stepper::gated();
    let service = open(&memory(), stepper.kinds()).await;
    let kinds = [
        (WORKSPACE, "stepper"),
        (WORKSPACE, "stepper"),
        (WORKSPACE, "inner"),
        (WORKSPACE, "inner"),
        (WORKSPACE, "inner"),
        (OTHER, "stepper"),
    ];
    let mut ids = Vec::new();
    for (workspace, kind) in kinds {
        ids.push((workspace, make(&service, workspace, &new(kind, 1)).await));
    }
    let running = async || {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let mut running = Vec::new();
        for (at, (workspace, id)) in ids.iter().enumerate() {
            let job = service.jobs().get(*workspace, *id).await.expect("a job");
            running.extend((job.status() == JobStatus::Running).then_some(at));
        }
        running
    };
    // The other workspace has none running, so its job comes before older ones.
    assert_eq!(running().await, [0, 5]);
    let end = async |at: usize| {
        let (workspace, id) = ids[at];
        stepper.gate.add_permits(1);
        until(&service, workspace, id, Job::has_ended).await;
    };
    end(0).await;
    assert_eq!(running().await, [1, 5]);
    end(5).await;
    assert_eq!(running().await, [1, 2]);
    end(1).await;
    // Two inner ones may run at one time.
    assert_eq!(running().await, [2, 3]);
    end(2).await;
    assert_eq!(running().await, [3, 4]);
    end(3).await;
    end(4).await;
    service.close().await;
}

#[tokio::test]
async fn long_work_gives_its_turn_to_others_but_not_to_its_like() {
    let stepper = Stepper::gated();
    let service = open(&memory(), stepper.kinds()).await;
    let mut ids = Vec::new();
    for (workspace, kind) in [(WORKSPACE, "stepper"), (WORKSPACE, "inner"), (WORKSPACE, "stepper")] {
        ids.push((workspace, make(&service, workspace, &new(kind, 3)).await));
    }
    let status = async |ids: &[(WorkspaceId, JobId)]| {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let mut status = Vec::new();
        for (workspace, id) in ids {
            let job = service.jobs().get(*workspace, *id).await.expect("a job");
            status.push((job.status().name(), job.progress.done));
        }
        status
    };
    stepper.begun(2).await;
    // Nobody else waits but one that has to wait anyway: the turn goes on.
    world::pass(worker::TURN_MICROS);
    stepper.gate.add_permits(2);
    assert_eq!(status(&ids).await, [("running", 1), ("running", 1), ("queued", 0)]);
    ids.push((OTHER, make(&service, OTHER, &new("stepper", 3)).await));
    stepper.gate.add_permits(2);
    let after = status(&ids).await;
    assert_eq!(after.iter().filter(|(name, _)| *name == "running").count(), 2, "{after:?}");
    assert_eq!((after[2], after[3]), (("queued", 0), ("running", 0)), "{after:?}");
    assert_eq!(after[0].1 + after[1].1, 4, "{after:?}");
    // Whatever turns they take, all come to their end.
    stepper.gate.add_permits(100);
    for (workspace, id) in &ids {
        let job = until(&service, *workspace, *id, Job::has_ended).await;
        assert_eq!((job.status(), job.attempts), (JobStatus::Done, 0));
    }
    service.close().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let stepper = Stepper::gated();
    let service = open(&memory(), stepper.kinds()).await;
    let check = async |kind: &str, parameters: String, expected: &str| {
        let new = NewJob { kind: kind.to_owned(), parameters, asked_by: None };
        let error = service.jobs().ask(WORKSPACE, &new, None).await.expect_err("it is refused");
        assert_eq!(error.code, expected, "{kind}");
        error.message
    };
    let message = check("knitting", "{}".into(), "job_kind_unknown").await;
    assert!(message.ends_with("there are stepper, inner"), "{message}");
    let message = check("inner", r#"{"steps":1}"#.into(), "job_kind_elsewhere").await;
    assert!(message.contains("DELETE /v1/things"), "{message}");
    for parameters in ["", "[1]", "{}", r#"{"steps":"ann@shop.example"}"#, r#"{"steps":1,"more":2}"#, "{"] {
        let message = check("stepper", parameters.to_owned(), "job_parameters_invalid").await;
        assert!(!message.contains("ann"), "{message}");
    }
    let long = format!(r#"{{"steps":1{}}}"#, " ".repeat(PARAMETERS_BYTES_MAX));
    check("stepper", long, "job_too_large").await;
    for _ in 0..OPEN_MAX {
        make(&service, WORKSPACE, &new("stepper", 1)).await;
    }
    check("stepper", r#"{"steps":1}"#.into(), "jobs_full").await;
    // What brings about what is committed already has places of its own.
    for _ in 0..ORDERED_MAX {
        make(&service, WORKSPACE, &new("inner", 1)).await;
    }
    let refused = service.jobs().make(WORKSPACE, &new("inner", 1), None).await.expect_err("all are taken");
    assert_eq!(refused.code, "jobs_full");
    make(&service, OTHER, &new("stepper", 1)).await;
    stepper.gate.add_permits(1_000);
    service.close().await;
}

#[tokio::test]
async fn the_same_request_makes_one_job() {
    let faulty = Faulty::new(memory(), Plan::CALM);
    let store: Arc<dyn Store> = Arc::new(faulty.clone());
    let stepper = Stepper::gated();
    let service = open(&store, stepper.kinds()).await;
    let request = |key: &str, body: &[u8]| Request {
        workspace: WORKSPACE,
        caller: KeyId::from_bytes([1; 12]),
        key: IdempotencyKey::parse(key).expect("a key"),
        hash: RequestHash::of("POST", "/v1/jobs", body),
    };
    let ask = async |request: Request| {
        let render = |job: &Job| Reply::new(202, job.id.to_string().into());
        let once = Once { request, render: Arc::new(render) };
        service.jobs().ask(WORKSPACE, &new("stepper", 1), Some(&once)).await
    };
    for (key, faults) in [
        ("calm", vec![]),
        ("done", vec![WriteFault::AmbiguousDone]),
        ("lost", vec![WriteFault::AmbiguousLost]),
        ("conflict", vec![WriteFault::Conflict]),
        ("both", vec![WriteFault::AmbiguousLost, WriteFault::AmbiguousDone]),
    ] {
        faults.into_iter().for_each(|fault| faulty.script_write(Some(fault)));
        let Given::Now(job) = ask(request(key, b"a")).await.expect("a job") else { panic!("{key}: it is new") };
        let Given::Before(reply) = ask(request(key, b"a")).await.expect("an answer") else { panic!("{key}: twice") };
        assert_eq!((reply.status(), &reply.body()[..]), (202, job.id.to_string().as_bytes()), "{key}");
        assert_eq!(ask(request(key, b"b")).await.expect_err("another").code, "idempotency_key_reused", "{key}");
    }
    assert_eq!(service.jobs().table.open_ids(WORKSPACE).await.expect("ids").len(), 5);
    faulty.script_write(Some(WriteFault::Unavailable));
    assert_eq!(ask(request("x", b"a")).await.expect_err("no store").code, "store_unavailable");
    stepper.gate.add_permits(1_000);
    service.close().await;
}

#[tokio::test]
async fn pages_hold_every_job_once_newest_first() {
    let service = open(&memory(), Stepper::free().kinds()).await;
    let mut ids = Vec::new();
    for at in 0..25 {
        let id = make(&service, WORKSPACE, &new(if at % 5 == 0 { "inner" } else { "stepper" }, 1)).await;
        ended(&service, id).await;
        ids.insert(0, id);
    }
    let all = async |filter: &Filter, limit: usize| {
        let mut query = Query { filter: filter.clone(), limit, cursor: None };
        let mut found = Vec::new();
        loop {
            let page = service.jobs().list(WORKSPACE, &query).await.expect("a page");
            found.extend(page.jobs.iter().map(Listed::id));
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                return found;
            }
        }
    };
    for limit in [1, 7, 25, 1_000] {
        assert_eq!(all(&Filter::default(), limit).await, ids);
        let inner = Filter { kind: Some("inner".to_owned()), status: Some(JobStatus::Done) };
        assert_eq!(all(&inner, limit).await.len(), 5);
        let queued = Filter { status: Some(JobStatus::Queued), ..Filter::default() };
        assert!(all(&queued, limit).await.is_empty());
    }
    let refused = async |query: Query| service.jobs().list(WORKSPACE, &query).await.expect_err("refused").code;
    assert_eq!(refused(Query { limit: PAGE_MAX + 1, ..Query::default() }).await, "limit_invalid");
    let page = service.jobs().list(WORKSPACE, &Query { limit: 1, ..Query::default() }).await.expect("a page");
    let elsewhere = Query { limit: 1, cursor: page.next_cursor, ..Query::default() };
    assert_eq!(service.jobs().list(OTHER, &elsewhere).await.expect_err("refused").code, "cursor_invalid");
    service.close().await;
}

#[tokio::test]
async fn a_page_ends_with_its_bytes() {
    let large = Trouble::Result { bytes: RESULT_BYTES_MAX - 2 };
    let service = open(&memory(), Stepper::free().trouble(0, &vec![large; 50]).kinds()).await;
    for _ in 0..50 {
        let id = make(&service, WORKSPACE, &new("stepper", 1)).await;
        assert_eq!(ended(&service, id).await.status(), JobStatus::Done);
    }
    let query = Query { limit: 50, ..Query::default() };
    let page = service.jobs().list(WORKSPACE, &query).await.expect("a page");
    assert_eq!(page.jobs.len(), 32, "two mebibytes of 64 kibibytes each");
    let rest = Query { cursor: page.next_cursor, ..query };
    assert_eq!(service.jobs().list(WORKSPACE, &rest).await.expect("a page").jobs.len(), 18);
    service.close().await;
}

#[tokio::test]
async fn ended_jobs_are_kept_a_while() {
    let stepper = Stepper::free();
    let service = open(&memory(), stepper.kinds()).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let id = make(&service, WORKSPACE, &new("stepper", 1)).await;
        ids.push(ended(&service, id).await);
    }
    let table = &service.jobs().table;
    let left = async || table.list(WORKSPACE, &Filter::default(), None, 100).await.expect("jobs").0.len();
    service.jobs().keep(WORKSPACE).await.expect("a sweep");
    assert_eq!(left().await, 5);
    table.sweep(WORKSPACE, 4, ids[0].created_at).await.expect("a sweep");
    assert_eq!(left().await, 4);
    table.sweep(WORKSPACE, 4, ids[3].ended_at().expect("it ended")).await.expect("a sweep");
    assert_eq!(left().await, 2);
    assert_eq!(service.jobs().get(WORKSPACE, ids[2].id).await.expect_err("it is gone").code, "job_not_found");
    table.sweep(WORKSPACE, 0, ids[0].created_at).await.expect("a sweep");
    assert_eq!(left().await, 0);
    service.close().await;
}

#[tokio::test]
async fn what_was_written_while_nobody_listened_is_found() {
    let store = memory();
    let (one, other) = (Stepper::free(), Stepper::gated());
    let service = open(&store, one.kinds()).await;
    let writer = Service::open_with(components(&store), Settings::default(), other.kinds()).await.expect("it opens");
    // As by a request whose sender went away between its commit and its end.
    writer.jobs().stop();
    let job = make(&writer, WORKSPACE, &new("stepper", 2)).await;
    assert!(service.jobs().live((WORKSPACE, job)).is_none());
    service.jobs().keep(WORKSPACE).await.expect("a look");
    assert_eq!(ended(&service, job).await.status(), JobStatus::Done);
    writer.close().await;
    service.close().await;
}

#[tokio::test]
async fn what_ended_while_nobody_listened_is_let_go() {
    let store = memory();
    let stepper = Stepper::gated();
    let service = open(&store, stepper.kinds()).await;
    let id = make(&service, WORKSPACE, &new("stepper", 1)).await;
    service.jobs().steer(WORKSPACE, id, Wish::Pause).await.expect("it may");
    let mut watch = service.jobs().watch(WORKSPACE, id).await.expect("a job");
    assert_eq!(watch.next().await.map(|job| job.status()), Some(JobStatus::Paused));
    let other = Service::open_with(components(&store), Settings::default(), stepper.kinds()).await.expect("it opens");
    other.jobs().steer(WORKSPACE, id, Wish::Cancel).await.expect("it may");
    service.jobs().keep(WORKSPACE).await.expect("a look");
    assert_eq!(watch.next().await.map(|job| job.status()), Some(JobStatus::Cancelled));
    assert!(service.jobs().live((WORKSPACE, id)).is_none());
    other.close().await;
    service.close().await;
}

#[tokio::test]
async fn a_damaged_row_keeps_no_other_job_from_going_on() {
    let (store, stepper) = (memory(), Stepper::gated());
    let service = open(&store, stepper.kinds()).await;
    let damaged = make(&service, WORKSPACE, &new("stepper", 2)).await;
    let sound = make(&service, WORKSPACE, &new("stepper", 2)).await;
    stepper.begun(1).await;
    store.commit(Commit::new().put(records::key(WORKSPACE, damaged), &b"\0"[..])).await.expect("a commit");
    stepper.gate.add_permits(100);
    // Its worker finds the damage, and the next job has its turn.
    assert_eq!(ended(&service, sound).await.status(), JobStatus::Done);
    service.close().await;
    let service = open(&store, Stepper::free().kinds()).await;
    assert_eq!(service.jobs().get(WORKSPACE, damaged).await.expect_err("damage").code, "record_corrupt");
    // It is listed as what it is, hides no other, and keeps no ended one from being dropped.
    let list = async |kind: Option<&str>, cursor: Option<String>, limit: usize| {
        let filter = Filter { status: None, kind: kind.map(str::to_owned) };
        service.jobs().list(WORKSPACE, &Query { filter, limit, cursor }).await.expect("a page")
    };
    let shown = |page: &Page| page.jobs.iter().map(|listed| (listed.id(), listed.job().is_some())).collect::<Vec<_>>();
    assert_eq!(shown(&list(None, None, 10).await), [(sound, true), (damaged, false)]);
    assert_eq!(shown(&list(Some("stepper"), None, 10).await), [(sound, true)]);
    let first = list(None, None, 1).await;
    assert_eq!(shown(&list(None, first.next_cursor, 1).await), [(damaged, false)]);
    service.jobs().table.sweep(WORKSPACE, 0, service.now()).await.expect("a sweep");
    assert_eq!(shown(&list(None, None, 10).await), [(damaged, false)]);
    service.close().await;
}

/// Stands for the sweep of changed rules: fails for good until it may end.
struct Sweeper(Arc<AtomicBool>);

#[derive(serde::Serialize, serde::Deserialize)]
struct Sweeping {
    sweep: u64,
}

#[async_trait::async_trait]
impl kind::Kind for Sweeper {
    const NAME: &'static str = "recluster";
    const UNIT: &'static str = "records";
    const CHECKPOINT_VERSION: u8 = 1;
    type Parameters = Sweeping;
    type Checkpoint = u64;
    type Outcome = u64;

    async fn step(
        &self,
        ctx: &kind::Context,
        parameters: &Sweeping,
        _: Option<u64>,
    ) -> Result<kind::Step<u64, u64>, Error> {
        if !self.0.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Corrupt, "record_corrupt", "as the test wants it"));
        }
        let number = parameters.sweep;
        let swept = move |config: &StoredConfig, _| workspace_config::swept(config, number);
        ctx.service().configure_at(ctx.workspace(), swept).await?;
        Ok(kind::Step::Done { outcome: number, done: 1 })
    }
}

/// The jobs that were made so far, when all have ended.
async fn made(service: &Service) -> usize {
    let query = Query { limit: PAGE_MAX, ..Query::default() };
    let page = service.jobs().list(WORKSPACE, &query).await.expect("jobs");
    for listed in &page.jobs {
        ended(service, listed.id()).await;
    }
    page.jobs.len()
}

fn other_rules(config: &StoredConfig) -> Result<StoredConfig, Error> {
    let rules = NamespaceRules { blocked: vec!["nobody".into()], ..config.namespace("email")?.rules() };
    update_namespace(config, "email", None, rules)
}

#[tokio::test]
async fn a_sweep_whose_job_failed_is_asked_for_again_after_a_growing_pause() {
    let may_end = Arc::new(AtomicBool::new(false));
    let service = open(&memory(), vec![Arc::new(Sweeper(may_end.clone()))]).await;
    let stored = service.configure(WORKSPACE, other_rules).await.expect("other rules");
    let (mut stalled, mut now) = (Stalled::default(), service.now());
    assert_eq!(made(&service).await, 1);
    // The pause begins when the failure is first seen; it doubles, up to six hours.
    let pauses = [60, 120, 240, 480, 960, 1_920, 3_840, 7_680, 15_360, 21_600, 21_600];
    for (failed, pause) in pauses.into_iter().enumerate() {
        for (secs, jobs) in [(0, failed + 1), (pause - 1, failed + 1), (1, failed + 2)] {
            now = now.plus_micros(secs * 1_000_000);
            stalled.ask_again(service.jobs(), WORKSPACE, &stored, now).await.expect("a look");
            assert_eq!(made(&service).await, jobs, "after {failed} failures and {secs} more seconds");
        }
    }
    may_end.store(true, Ordering::Relaxed);
    for secs in [0, 21_600, 21_600, 21_600] {
        now = now.plus_micros(secs * 1_000_000);
        let stored = service.configuration(WORKSPACE).await.expect("it");
        stalled.ask_again(service.jobs(), WORKSPACE, &stored, now).await.expect("a look");
    }
    assert_eq!(made(&service).await, pauses.len() + 2, "what was brought is not asked for again");
    service.close().await;
}

#[tokio::test]
async fn the_keeper_asks_again_for_a_sweep_whose_job_failed() {
    let may_end = Arc::new(AtomicBool::new(false));
    let service = open(&memory(), vec![Arc::new(Sweeper(may_end.clone()))]).await;
    service.configure(WORKSPACE, other_rules).await.expect("other rules");
    assert_eq!(made(&service).await, 1);
    may_end.store(true, Ordering::Relaxed);
    while service.configuration(WORKSPACE).await.expect("it").sweeps().is_restaging() {
        world::pass(10_000_000);
        service.running(WORKSPACE).keeper.nudge();
        tokio::task::yield_now().await;
    }
    assert_eq!(made(&service).await, 2);
    service.close().await;
}

/// A job ends right although one access to the store has this fault, whichever it is.
async fn check_every_access(script: impl Fn(&Faulty), skip: impl Fn(&Faulty)) {
    let below = memory();
    for at in 0.. {
        let stepper = Stepper::free();
        open(&below, stepper.kinds()).await.close().await;
        let faulty = Faulty::new(below.clone(), Plan::CALM);
        let store: Arc<dyn Store> = Arc::new(faulty.clone());
        let service = Service::open_with(components(&store), Settings::default(), stepper.kinds()).await;
        let service = service.expect("it opens");
        let id = make(&service, WORKSPACE, &new("stepper", 3)).await;
        (0..at).for_each(|_| skip(&faulty));
        script(&faulty);
        let job = ended(&service, id).await;
        assert_eq!(job.state, State::Done { at: job.updated_at, result: "\"3 steps\"".to_owned() }, "access {at}");
        let mut log = stepper.log();
        log.dedup();
        assert_eq!(log, [0, 1, 2], "access {at}");
        service.close().await;
        let marks = service.jobs().table.open_ids(WORKSPACE).await;
        assert!(marks.is_err() || marks.expect("ids").is_empty(), "access {at}");
        if faulty.injected() == 0 {
            assert!(at > 3, "only {at} accesses");
            return;
        }
    }
}

#[tokio::test]
async fn a_fault_of_any_write_changes_nothing_of_the_end() {
    for fault in [
        WriteFault::Conflict,
        WriteFault::AmbiguousDone,
        WriteFault::AmbiguousLost,
        WriteFault::Unavailable,
        WriteFault::Fenced,
    ] {
        check_every_access(|store| store.script_write(Some(fault.clone())), |store| store.script_write(None)).await;
    }
}

#[tokio::test]
async fn a_fault_of_any_read_changes_nothing_of_the_end() {
    check_every_access(|store| store.script_read(Some(ReadFault::Unavailable)), |store| store.script_read(None)).await;
}

#[tokio::test]
async fn a_full_disk_is_waited_for() {
    let faulty = Faulty::new(memory(), Plan::CALM);
    let store: Arc<dyn Store> = Arc::new(faulty.clone());
    let stepper = Stepper::gated();
    let service = open(&store, stepper.kinds()).await;
    let id = make(&service, WORKSPACE, &new("stepper", 2)).await;
    stepper.begun(1).await;
    faulty.fill_reserve();
    stepper.gate.add_permits(10);
    // More often than a step may fail.
    for _ in 0..100 * ATTEMPTS_MAX {
        service.jobs().nudge();
        tokio::task::yield_now().await;
    }
    assert_eq!(service.jobs().get(WORKSPACE, id).await.expect("a job").status(), JobStatus::Running);
    faulty.free_disk();
    assert_eq!(ended(&service, id).await.status(), JobStatus::Done);
    assert_eq!(stepper.log(), [0, 1]);
    service.close().await;
}
