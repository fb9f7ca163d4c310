//! What the store holds in memory is told, and stays within what it was given.

use tempfile::TempDir;
use tessera_store::{Commit, Key, Store};
use tessera_store_lsm::{LsmStore, Settings};

const BUFFERS: u64 = 512 << 10;
const ROW_BYTES: usize = 16 << 10;
/// Commits after which tables are surely written out, however slow the disk is.
const PATIENCE: u64 = 100_000;

fn settings(folder: &TempDir) -> Settings {
    let mut settings = Settings::new(folder.path());
    (settings.cache_bytes, settings.write_buffer_bytes) = (4 << 20, BUFFERS);
    (settings.recent_writes, settings.free_bytes_min) = (100, 0);
    settings
}

fn key(number: u64) -> Key {
    Key::from(number.to_be_bytes().to_vec())
}

#[tokio::test]
async fn the_newest_writes_are_written_out_whatever_their_folder_was_made_with() {
    let folder = TempDir::new().expect("a folder");
    // Its trees were made for buffers of the default size.
    let mut roomy = settings(&folder);
    roomy.write_buffer_bytes = 256 << 20;
    LsmStore::open(roomy).expect("it opens").close().await;

    let store = LsmStore::open(settings(&folder)).expect("it opens");
    let row = |number: u64| Commit::new().put(key(number), vec![7; ROW_BYTES]);
    let (mut number, mut most) = (0, 0);
    while number < 256 {
        store.commit(row(number)).await.expect("a commit");
        most = most.max(store.held().write_buffers);
        number += 1;
    }
    assert!(most > BUFFERS / 4, "newest writes are told: {most} bytes");
    while store.held().write_buffers > BUFFERS {
        store.commit(Commit::new().put(key(number), vec![7])).await.expect("a commit");
        number += 1;
        assert!(number < PATIENCE, "{} bytes stay in memory", store.held().write_buffers);
    }
    let held = store.held();
    assert_eq!(held.recent_writes, 100 * Settings::RECENT_WRITE_BYTES, "as many as it may remember");
    let found = store.get(&[key(0), key(255)]).await.expect("rows").value;
    assert!(found.iter().all(Option::is_some), "what was written out is there");
    assert!(store.held().blocks > 0, "blocks that were read are told");
    store.close().await;
    assert_eq!(store.held().write_buffers, 0, "a store that is closed holds nothing");
}
