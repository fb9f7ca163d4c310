use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;
use tessera_engine::time::Timestamp;
use tessera_store::{Commit, MemoryStore, Store, backup};

use super::{Backups, IDLE_MICROS, NAME_CHARS_MAX, Step};
use crate::jobs::JobId;

const NAME: &str = "monday.tessera";

fn job(number: u8) -> JobId {
    JobId::from_bytes([number; 12])
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).expect("an instant")
}

async fn filled() -> MemoryStore {
    let store = MemoryStore::new();
    for number in 0..3_000_u32 {
        store.commit(Commit::new().put(number.to_be_bytes().to_vec(), "1").feed("x")).await.expect("written");
    }
    store
}

/// Goes on until it is written, and answers its bytes and how many steps it took.
async fn write(backups: &Backups, store: &dyn Store, id: JobId) -> (u64, usize) {
    for steps in 1.. {
        if let Step::Written(_, bytes) = backups.step(store, id, NAME, at(0)).await.expect("a step") {
            return (bytes, steps);
        }
    }
    unreachable!("a backup ends")
}

#[tokio::test]
async fn a_backup_is_of_one_instant_and_has_its_name_when_it_is_whole() {
    let root = TempDir::new().expect("a folder");
    let folder = root.path().join("backups");
    let backups = Backups::new(Some(folder.clone()));
    let store = filled().await;
    assert!(matches!(backups.step(&store, job(1), NAME, at(0)).await, Ok(Step::More(0))));
    store.commit(Commit::new().put("later", "1")).await.expect("written");
    let (bytes, steps) = write(&backups, &store, job(1)).await;
    assert!(steps > 3, "a step is bounded");
    assert!(!folder.join(NAME).exists(), "it is no file of its name yet");
    for _ in 0..2 {
        // Its answer may be lost, and the step done again.
        backups.name(NAME, bytes).expect("named");
    }
    assert_eq!(fs::read_dir(&folder).expect("list").count(), 1);
    let mode = |path| fs::metadata(path).expect("made").permissions().mode() & 0o777;
    assert_eq!((mode(folder.clone()), mode(folder.join(NAME))), (0o700, 0o600));
    let file = fs::read(folder.join(NAME)).expect("read");
    let restored = MemoryStore::new();
    let summary = backup::restore(&mut file.as_slice(), &restored).await.expect("restored");
    assert_eq!((summary.rows, summary.feed_rows), (3_000, 3_000));
    assert!(restored.get(&["later".into()]).await.expect("read").value[0].is_none());
    assert_eq!(backups.check(NAME).map_err(|error| error.code), Err("backup_exists"));
    let again = backups.step(&store, job(2), NAME, at(0)).await;
    assert_eq!(again.err().map(|error| error.code), Some("backup_exists"));
}

#[tokio::test]
async fn a_backup_begins_again_where_its_process_has_ended_or_it_was_let_go_of() {
    let root = TempDir::new().expect("a folder");
    let store = filled().await;
    let backups = Backups::new(Some(root.path().to_path_buf()));
    for _ in 0..3 {
        backups.step(&store, job(1), NAME, at(0)).await.expect("a step");
    }
    // Another one waits for it, but not for ever.
    let other = backups.step(&store, job(2), "other", at(IDLE_MICROS - 1)).await;
    assert_eq!(other.err().map(|error| error.code), Some("backup_running"));
    backups.let_go(at(IDLE_MICROS)).await;
    assert!(matches!(backups.step(&store, job(1), NAME, at(IDLE_MICROS)).await, Ok(Step::More(0))));
    let after = Backups::new(Some(root.path().to_path_buf()));
    let (bytes, _) = write(&after, &store, job(1)).await;
    after.name(NAME, bytes).expect("named");
    assert_eq!(fs::read_dir(root.path()).expect("list").count(), 1, "no draft is left");
}

#[test]
fn a_name_is_no_path() {
    let root = TempDir::new().expect("a folder");
    let backups = Backups::new(Some(root.path().to_path_buf()));
    for name in ["", ".", "..", "../x", "/etc/x", "a/b", ".hidden", "a\\b", "ä", "a b", &"x".repeat(NAME_CHARS_MAX + 1)]
    {
        assert_eq!(backups.check(name).map_err(|error| error.code), Err("backup_name_invalid"), "{name:?}");
    }
    for name in [NAME, "a..b", &"x".repeat(NAME_CHARS_MAX)] {
        assert!(backups.check(name).is_ok(), "{name:?}");
    }
    assert_eq!(Backups::new(None).check(NAME).map_err(|error| error.code), Err("backups_off"));
}
