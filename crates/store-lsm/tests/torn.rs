//! What a power cut may leave at the end of the journal.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tessera_store::{Commit, Key, Store};
use tessera_store_lsm::{LsmStore, OpenError, Settings};

fn open(path: &Path) -> Result<LsmStore, OpenError> {
    let mut settings = Settings::new(path);
    settings.cache_bytes = 4 << 20;
    settings.free_bytes_min = 0;
    LsmStore::open(settings)
}

/// A value that does not compress and has no zeros.
fn noise(mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u8 | 1
    };
    (0..100_000).map(|_| next()).collect()
}

/// Five commits of a large value each, all of them in the journal.
async fn journal_of_five(root: &Path) -> PathBuf {
    let store = open(root).expect("opens");
    for number in 0..5_u8 {
        let value = noise(u64::from(number) + 1);
        store.commit(Commit::new().put(vec![b'k', number], value)).await.expect("the disk works");
    }
    store.close().await;
    let tree = fs::read_dir(root.join("tree")).expect("list").map(|entry| entry.expect("entry").path());
    let journals: Vec<_> = tree.filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).collect();
    assert_eq!(journals.len(), 1);
    journals[0].clone()
}

async fn rows(store: &LsmStore) -> usize {
    let keys: Vec<Key> = (0..5_u8).map(|number| vec![b'k', number].into()).collect();
    store.get(&keys).await.expect("reads").value.iter().flatten().count()
}

/// Where the last batch ends: the journal is filled up with zeros.
fn end(journal: &[u8]) -> usize {
    let zeros = [0; 4096];
    let last = journal.chunks(zeros.len()).rposition(|chunk| *chunk != zeros[..chunk.len()]).expect("not empty");
    let end = journal.len().min((last + 1) * zeros.len());
    journal[..end].iter().rposition(|byte| *byte != 0).expect("not empty") + 1
}

#[tokio::test]
async fn a_last_batch_that_was_cut_short_did_not_happen() {
    let root = TempDir::new().expect("temporary folder");
    let journal = journal_of_five(root.path()).await;
    let bytes = fs::read(&journal).expect("read");
    for cut in [1, 9, 40, 5_000, 60_000] {
        fs::write(&journal, &bytes[..end(&bytes) - cut]).expect("write");
        let store = open(root.path()).expect("opens");
        assert_eq!(rows(&store).await, 4, "cut={cut}");
        store.commit(Commit::new().put(vec![b'k', 9], "1")).await.expect("goes on");
        store.close().await;
    }
}

#[tokio::test]
async fn a_last_batch_without_its_end_did_not_happen() {
    let root = TempDir::new().expect("temporary folder");
    let journal = journal_of_five(root.path()).await;
    let mut bytes = fs::read(&journal).expect("read");
    let end = end(&bytes);
    bytes[end - 50_000..end].fill(0);
    fs::write(&journal, &bytes).expect("write");
    match open(root.path()) {
        Ok(store) => assert_eq!(rows(&store).await, 4),
        Err(error) => panic!("{error}"),
    }
}

/// Opens the folder with five thousand bytes of zeros so far before the end of the last batch.
async fn open_with_hole(before_end: usize) -> Result<usize, OpenError> {
    let root = TempDir::new().expect("temporary folder");
    let journal = journal_of_five(root.path()).await;
    let mut bytes = fs::read(&journal).expect("read");
    let start = end(&bytes) - before_end;
    bytes[start..start + 5_000].fill(0);
    fs::write(&journal, &bytes).expect("write");
    Ok(rows(&open(root.path())?).await)
}

#[tokio::test]
async fn a_hole_in_an_earlier_batch_is_damage() {
    assert!(matches!(open_with_hole(250_000).await, Err(OpenError::Damaged { .. })));
}

/// A power cut can leave this of a batch that nobody was told of, and dropping the batch would be right. fjall cannot
/// tell it from rot in what was acknowledged and refuses both; refusing is the safe one of the two mistakes.
#[tokio::test]
async fn a_hole_in_the_last_batch_is_taken_for_damage() {
    assert!(matches!(open_with_hole(50_000).await, Err(OpenError::Damaged { .. })));
}

/// fjall's checksum covers the rows of a batch and not the marks between batches, and what it cannot read it takes for the end of the
/// journal: so the journal is verified before it is opened, and a folder that is refused is left as it was.
#[tokio::test]
async fn rot_between_two_batches_does_not_pass_for_the_end_of_the_journal() {
    let root = TempDir::new().expect("temporary folder");
    let journal = journal_of_five(root.path()).await;
    let bytes = fs::read(&journal).expect("read");
    let bytes = &bytes[..end(&bytes)];
    let third = noise(3);
    let value = bytes.windows(64).position(|window| *window == third[1_000..1_064]).expect("stored as it is") - 1_000;
    for place in value - 60..value {
        let mut rotten = bytes.to_vec();
        rotten[place] ^= 0x40;
        fs::write(&journal, &rotten).expect("write");
        match open(root.path()) {
            Ok(_) => panic!("opened place={place}"),
            Err(OpenError::Damaged { reason, .. }) => {
                assert!(reason.contains(&*journal.to_string_lossy()) && reason.contains(" offset="), "{reason}");
            }
            Err(error) => panic!("{error}"),
        }
        assert!(fs::read(&journal).expect("read") == rotten, "a damaged journal was changed");
    }
}
