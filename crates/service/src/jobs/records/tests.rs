//! What is written is read again, its bytes are frozen, and damage is told.

use proptest::prelude::*;
use tessera_engine::time::Timestamp;

use super::*;
use crate::base::codec::golden;
use crate::jobs::job::JobStatus;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000).expect("in bounds")
}

fn sample(status: JobStatus) -> Job {
    let failure = Failure { code: "store_unavailable".to_owned(), message: "try again".to_owned() };
    let id = JobId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let by = Some(KeyId::from_bytes([7; 12]));
    let new = Job::new(id, "check", "profiles", "{}".to_owned(), by, at(0));
    let progress = Progress { done: 500, total: Some(2_000), worked_micros: 1_234_567, ..new.progress.clone() };
    let begun = Job {
        started_at: Some(at(1)),
        updated_at: at(2),
        progress,
        attempts: 2,
        trouble: Some(failure.clone()),
        revision: 9,
        epoch: 3,
        checkpoint: Some(Bytes::from_static(&[1, 0xff])),
        ..new.clone()
    };
    let ended = |state| Job { state, checkpoint: None, attempts: 0, trouble: None, ..begun.clone() };
    match status {
        JobStatus::Queued => new,
        JobStatus::Running => Job { state: State::Running, ..begun },
        JobStatus::Pausing => Job { state: State::Pausing, ..begun },
        JobStatus::Paused => Job { state: State::Paused, asked_by: None, ..begun },
        JobStatus::Cancelling => Job { state: State::Cancelling, ..begun },
        JobStatus::Cancelled => ended(State::Cancelled { at: at(2) }),
        JobStatus::Failed => ended(State::Failed { at: at(2), error: failure }),
        JobStatus::Done => ended(State::Done { at: at(2), result: r#"{"records":2}"#.to_owned() }),
    }
}

#[test]
fn records_are_frozen_and_read_again() {
    for status in JobStatus::ALL {
        let job = sample(status);
        let bytes = encode(&job);
        golden(&format!("job-{}-1", status.name()), &bytes);
        assert_eq!(decode(job.id, &bytes).expect("a record"), job);
        for end in 0..bytes.len() {
            assert_eq!(decode(job.id, &bytes[..end]).expect_err("cut off").code, "record_corrupt");
        }
    }
}

#[test]
fn keys_are_frozen_and_read_again() {
    let (workspace, id) = (WorkspaceId::new(258), JobId::from_bytes([0xaa; 12]));
    let hex = |key: &Key| key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&key(workspace, id)), "000001020d01aaaaaaaaaaaaaaaaaaaaaaaa");
    assert_eq!(hex(&mark(workspace, id)), "000001020d00aaaaaaaaaaaaaaaaaaaaaaaa");
    for (key, range, other) in [
        (key(workspace, id), all(workspace), marks(workspace)),
        (mark(workspace, id), marks(workspace), all(workspace)),
    ] {
        assert_eq!(id_of(&key).expect("an id"), id);
        assert!(matches!(read_key(&key), Some(Row::Mark(read) | Row::Record(read)) if read == id));
        assert!(range.contains(&key) && !other.contains(&key));
    }
    assert!(id_of(&Key::new(key(workspace, id).as_bytes()[..12].to_vec())).is_err());
}

proptest! {
    #[test]
    fn damage_is_told(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(JobId::from_bytes([0; 12]), &bytes);
    }
}
