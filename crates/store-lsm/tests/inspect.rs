//! What is damaged is told by its file, and whoever looks changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tessera_store::{Commit, Direction, Key, KeyRange, ScanLimit, Store};
use tessera_store_lsm::{Aside, LsmStore, OpenError, Settings, inspect};

const ROWS: usize = 1_600;

/// A store with tables and a journal.
async fn filled(root: &Path) {
    let mut settings = Settings::new(root);
    (settings.cache_bytes, settings.write_buffer_bytes, settings.free_bytes_min) = (4 << 20, 128 << 10, 0);
    let store = LsmStore::open(settings).expect("opens");
    for round in 0..40_u32 {
        let rows = (0..40_u32).map(|number| {
            (Key::new(format!("{round:03}/{number:03}").into_bytes()), format!("{round}/{number}/").repeat(40).into())
        });
        store.commit(Commit { put: rows.collect(), ..Commit::new() }.feed("x")).await.expect("the disk works");
    }
    store.close().await;
}

/// Every file below the folder, with what it holds.
fn content(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).expect("list") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            drop(found.insert(path.clone(), fs::read(path).expect("read")));
        }
    }
    found
}

fn tables(root: &Path) -> Vec<PathBuf> {
    let is_table = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "tables");
    content(root).into_keys().filter(is_table).collect()
}

#[tokio::test]
async fn a_damaged_table_is_told_by_its_name() {
    let root = TempDir::new().expect("temporary folder");
    filled(root.path()).await;
    let whole = inspect(root.path()).expect("a store");
    assert_eq!((whole.damage, whole.torn), (Vec::new(), Vec::new()));
    assert!(whole.tables > 0 && whole.journals > 0 && whole.groups > 0);
    for table in tables(root.path()) {
        let bytes = fs::read(&table).expect("read");
        for place in [0, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
            let mut rotten = bytes.clone();
            rotten[place] ^= 0x10;
            fs::write(&table, &rotten).expect("write");
            let before = content(root.path());
            let damage = inspect(root.path()).expect("a store").damage;
            assert!(damage.len() == 1 && damage[0].contains(&*table.to_string_lossy()), "place={place} {damage:?}");
            assert!(content(root.path()) == before, "a look changed something");
        }
        fs::write(&table, &bytes).expect("write");
    }
    let table = &tables(root.path())[0];
    fs::remove_file(table).expect("remove");
    assert!(inspect(root.path()).expect("a store").damage[0].contains(&*table.to_string_lossy()));
}

#[tokio::test]
async fn a_store_is_read_aside_without_a_change_to_its_folder() {
    let root = TempDir::new().expect("temporary folder");
    filled(root.path()).await;
    // A batch that was never finished: the next start would cut it off.
    let mut journals =
        content(root.path()).into_keys().filter(|path| path.extension().is_some_and(|part| part == "jnl"));
    let newest = journals.next_back().expect("a journal");
    let mut bytes = fs::read(&newest).expect("read");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("not empty") + 1;
    bytes.truncate(end);
    bytes.extend([1, 9, 0, 0, 0]);
    fs::write(&newest, bytes).expect("write");
    let before = content(root.path());
    assert_eq!(inspect(root.path()).expect("a store").torn.len(), 1);
    let aside = Aside::open(root.path()).expect("opens");
    assert!(matches!(LsmStore::open(Settings::new(root.path())), Err(OpenError::InUse { .. })));
    let page = aside.store().scan(&KeyRange::all(), ScanLimit::rows(9_999), Direction::Forward).await.expect("scan");
    assert_eq!(page.rows.len(), ROWS);
    aside.store().compact().await.expect("rewritten");
    aside.store().commit(Commit::new().put("a", "1")).await.expect("written");
    drop(aside);
    assert!(content(root.path()) == before, "a look changed something");
}

#[test]
fn a_folder_that_is_no_store_is_not_looked_at() {
    let root = TempDir::new().expect("temporary folder");
    fs::write(root.path().join("thesis.doc"), "x").expect("write");
    assert!(matches!(inspect(root.path()), Err(OpenError::NotAStore { .. })));
    assert!(matches!(Aside::open(root.path()), Err(OpenError::NotAStore { .. })));
    assert_eq!(content(root.path()).len(), 1);
}

#[tokio::test]
async fn folders_are_made_for_their_owner_alone() {
    let root = TempDir::new().expect("temporary folder");
    let path = root.path().join("deep/er");
    LsmStore::open(Settings::new(&path)).expect("opens").close().await;
    for folder in [root.path().join("deep"), path] {
        assert_eq!(fs::metadata(&folder).expect("made").permissions().mode() & 0o777, 0o700, "{}", folder.display());
    }
}
