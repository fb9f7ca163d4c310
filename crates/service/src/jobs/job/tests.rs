//! Every wish and every act of a worker in every state.

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000).expect("in bounds")
}

fn failure(code: &str) -> Failure {
    Failure { code: code.to_owned(), message: String::new() }
}

fn of(status: JobStatus) -> Job {
    let state = match status {
        JobStatus::Queued => State::Queued,
        JobStatus::Running => State::Running,
        JobStatus::Pausing => State::Pausing,
        JobStatus::Paused => State::Paused,
        JobStatus::Cancelling => State::Cancelling,
        JobStatus::Cancelled => State::Cancelled { at: at(1) },
        JobStatus::Failed => State::Failed { at: at(1), error: failure("x") },
        JobStatus::Done => State::Done { at: at(1), result: "{}".to_owned() },
    };
    let job = Job::new(JobId::from_bytes([1; 12]), "test", "things", "{}".to_owned(), None, at(0));
    Job { state, epoch: 3, revision: 7, checkpoint: Some(Bytes::from_static(b"here")), ..job }
}

/// The state after something, by its name; `same` for none.
fn name(job: Option<&Job>) -> &'static str {
    job.map_or("same", |job| job.status().name())
}

#[test]
fn wishes_in_every_state() {
    // pause, resume, cancel
    let expected = [
        (JobStatus::Queued, ["paused", "same", "cancelled"]),
        (JobStatus::Running, ["pausing", "same", "cancelling"]),
        (JobStatus::Pausing, ["same", "running", "cancelling"]),
        (JobStatus::Paused, ["same", "queued", "cancelled"]),
        (JobStatus::Cancelling, ["job_cancelling", "job_cancelling", "same"]),
        (JobStatus::Cancelled, ["job_ended", "job_ended", "same"]),
        (JobStatus::Failed, ["job_ended", "job_ended", "job_ended"]),
        (JobStatus::Done, ["job_ended", "job_ended", "job_ended"]),
    ];
    assert_eq!(expected.map(|(status, _)| status), JobStatus::ALL);
    for (status, expected) in expected {
        let found = Wish::ALL.map(|wish| match of(status).steer(wish, at(2)) {
            Ok(job) => name(job.as_ref()),
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Conflict);
                error.code
            }
        });
        assert_eq!(found, expected, "{}", status.name());
    }
}

#[test]
fn wishes_change_nothing_else() {
    for status in JobStatus::ALL {
        for wish in Wish::ALL {
            let before = of(status);
            let Ok(Some(after)) = before.steer(wish, at(2)) else { continue };
            assert_eq!((after.revision, after.epoch, after.updated_at), (8, 3, at(2)));
            assert_eq!(after.checkpoint.is_none(), after.has_ended());
            assert_eq!(after.ended_at(), after.has_ended().then(|| at(2)));
        }
    }
    let stumbled = Job { attempts: 4, trouble: Some(failure("x")), ..of(JobStatus::Paused) };
    let resumed = stumbled.steer(Wish::Resume, at(2)).expect("it may").expect("a change");
    assert_eq!((resumed.attempts, resumed.trouble), (0, None));
}

#[test]
fn taking_up_in_every_state() {
    let expected = ["running", "running", "paused", "same", "cancelled", "same", "same", "same"];
    for (status, expected) in JobStatus::ALL.into_iter().zip(expected) {
        let taken = of(status).take(at(2));
        assert_eq!(name(taken.as_ref()), expected, "{}", status.name());
        if let Some(taken) = taken {
            let is_held = taken.status() == JobStatus::Running;
            assert_eq!((taken.epoch, taken.started_at), if is_held { (4, Some(at(2))) } else { (3, None) });
        }
    }
}

#[test]
fn acts_of_the_worker_in_every_state() {
    let acts = || {
        [
            Act::Keep { checkpoint: Bytes::from_static(b"there"), done: 5, total: Some(9), worked_micros: 1 },
            Act::Finish { result: "{}".to_owned(), done: 9, worked_micros: 1 },
            Act::Stumble(failure("x")),
            Act::Fail(failure("x")),
            Act::Rest,
            Act::HandBack,
        ]
    };
    let expected = [
        (JobStatus::Running, ["running", "done", "running", "failed", "running", "queued"]),
        (JobStatus::Pausing, ["paused", "done", "paused", "failed", "paused", "paused"]),
        (JobStatus::Cancelling, ["cancelled", "done", "cancelled", "failed", "cancelled", "cancelled"]),
    ];
    for (status, expected) in expected {
        let found = acts().map(|act| of(status).advance(3, act, at(2)).map(|job| job.status().name()));
        assert_eq!(found, expected.map(Ok), "{}", status.name());
    }
    for status in JobStatus::ALL {
        let is_held = expected.iter().any(|(held, _)| *held == status);
        for act in acts() {
            assert_eq!(of(status).advance(3, act.clone(), at(2)).is_ok(), is_held, "{}", status.name());
            // Neither an earlier worker nor one that never was.
            assert_eq!(of(status).advance(2, act.clone(), at(2)), Err(Replaced));
            assert_eq!(of(status).advance(4, act, at(2)), Err(Replaced));
        }
    }
}

#[test]
fn a_step_that_succeeds_is_kept() {
    let keep = Act::Keep { checkpoint: Bytes::from_static(b"there"), done: 5, total: Some(9), worked_micros: 7 };
    let stumbled = Job { attempts: 4, trouble: Some(failure("x")), ..of(JobStatus::Running) };
    let kept = stumbled.advance(3, keep.clone(), at(2)).expect("its worker").advance(3, keep, at(3)).expect("again");
    assert_eq!(kept.checkpoint.as_deref(), Some(&b"there"[..]));
    assert_eq!((kept.progress.done, kept.progress.total, kept.progress.worked_micros), (5, Some(9), 14));
    assert_eq!((kept.attempts, kept.trouble), (0, None));
}

#[test]
fn a_step_fails_so_often_and_then_the_job() {
    let mut job = of(JobStatus::Running);
    for attempt in 1..ATTEMPTS_MAX {
        job = job.advance(3, Act::Stumble(failure("store_unavailable")), at(2)).expect("its worker");
        assert_eq!((job.status(), job.attempts), (JobStatus::Running, attempt));
        assert_eq!(job.trouble, Some(failure("store_unavailable")));
    }
    let job = job.advance(3, Act::Stumble(failure("store_unavailable")), at(2)).expect("its worker");
    assert_eq!(job.state, State::Failed { at: at(2), error: failure("store_unavailable") });
}

#[test]
fn a_step_that_ends_its_process_ends_the_job_some_time() {
    let mut job = of(JobStatus::Running);
    for _ in 1..ATTEMPTS_MAX {
        job = job.take(at(2)).expect("it was left");
        assert_eq!(job.status(), JobStatus::Running);
    }
    let State::Failed { error, .. } = job.take(at(2)).expect("it was left").state else {
        panic!("it goes on for ever")
    };
    assert_eq!(error.code, "job_stuck");
    // A stop that hands the job back is no failure.
    let mut job = of(JobStatus::Running);
    for _ in 0..3 * ATTEMPTS_MAX {
        let epoch = job.epoch;
        job = job.advance(epoch, Act::HandBack, at(2)).expect("its worker").take(at(2)).expect("it waits");
        assert_eq!((job.status(), job.attempts), (JobStatus::Running, 0));
    }
}

#[test]
fn a_job_never_goes_back_in_time() {
    let before = of(JobStatus::Queued);
    assert_eq!(before.take(at(-5)).expect("it waits").updated_at, before.updated_at);
}

#[test]
fn what_remains_follows_from_the_rate() {
    let check = |done, total, worked_micros, expected| {
        let progress = Progress { done, total, unit: "things".to_owned(), worked_micros };
        assert_eq!(progress.remaining_secs(), expected, "{progress:?}");
    };
    check(0, Some(10), 5_000_000, None);
    check(5, None, 5_000_000, None);
    check(5, Some(10), 5_000_000, Some(5));
    check(1, Some(10), 100_000, Some(1));
    check(10, Some(10), 5_000_000, Some(0));
    check(12, Some(10), 5_000_000, Some(0));
    check(1, Some(u64::MAX), u64::MAX, None);
}

#[test]
fn names_are_read_as_they_are_written() {
    for status in JobStatus::ALL {
        assert_eq!(JobStatus::parse(status.name()).expect("a name"), status);
    }
    assert_eq!(JobStatus::parse("Queued").expect_err("no name").code, "job_state_unknown");
    let id = JobId::from_bytes([0xab; 12]);
    assert_eq!(JobId::parse(&id.to_string()).expect("an id"), id);
    assert_eq!(JobId::parse("x").expect_err("no id").code, "job_not_found");
}
