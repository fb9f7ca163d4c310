use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tessera_store::{Commit, Direction, FenceName, KeyRange, ScanLimit, Seq, Shard, Store};

use super::{ScanError, begin_next, scan};
use crate::{LsmStore, Settings};

const GROUPS: u64 = 6;
/// Zeros that are left of those set aside.
const ZEROS: usize = 64;

fn settings(path: &Path) -> Settings {
    let mut settings = Settings::new(path);
    (settings.cache_bytes, settings.free_bytes_min, settings.workers) = (1 << 20, 0, 1);
    settings
}

/// A store whose rows all stand in one journal, which is cut short behind them.
async fn store_of_groups(root: &Path) -> Vec<u8> {
    let store = LsmStore::open(settings(root)).expect("opens");
    store.raise(&FenceName::new("job")).await.expect("the disk works");
    for number in 1..GROUPS {
        // One is long enough to be compressed, one holds zeros, one deletes.
        let value = match number {
            2 => vec![7; 5_000],
            3 => vec![0; 40],
            _ => format!("value {number}").into_bytes(),
        };
        let commit = Commit::new().put(vec![b'k', number as u8], value).feed("x");
        let commit = if number == 4 { commit.delete(vec![b'k', 1]) } else { commit };
        store.commit(commit).await.expect("the disk works");
    }
    store.close().await;
    let path = root.join("tree/0.jnl");
    let mut bytes = fs::read(&path).expect("read");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("not empty") + 1;
    bytes.truncate(end + ZEROS);
    fs::write(&path, &bytes).expect("write");
    bytes
}

/// Everything in a store.
async fn content(root: &Path) -> (Vec<(Vec<u8>, Vec<u8>, u64)>, Vec<Seq>, u64) {
    let store = LsmStore::open(settings(root)).expect("opens");
    let page = store.scan(&KeyRange::all(), ScanLimit::rows(99), Direction::Forward).await.expect("scan");
    let rows = page.rows.iter().map(|row| (row.key.as_bytes().to_vec(), row.value.to_vec(), row.version.0)).collect();
    let feed = store.log(Shard::ZERO, Seq(0), 99).await.expect("log").into_iter().map(|row| row.seq).collect();
    let fence = store.raise(&FenceName::new("job")).await.expect("the disk works").0;
    store.close().await;
    (rows, feed, fence)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("folder");
    for entry in fs::read_dir(from).expect("list").map(|entry| entry.expect("entry").path()) {
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).expect("copy");
        }
    }
}

#[tokio::test]
async fn every_flipped_bit_is_reported_or_harmless() {
    let root = TempDir::new().expect("temporary folder");
    let bytes = store_of_groups(root.path()).await;
    let copied = TempDir::new().expect("temporary folder");
    copy(root.path(), copied.path());
    let expected = content(copied.path()).await;
    assert_eq!((expected.0.len(), expected.1.len(), expected.2), (GROUPS as usize - 2, GROUPS as usize - 1, 2));

    let journal = root.path().join("tree/0.jnl");
    let end = bytes.len() - ZEROS;
    let mut harmless = Vec::new();
    for place in 0..bytes.len() {
        // What is the same over and over is looked at here and there.
        if bytes[place..].starts_with(&[7; 64]) && place % 64 != 0 {
            continue;
        }
        for bit in 0..8 {
            let mut rotten = bytes.clone();
            rotten[place] ^= 1 << bit;
            fs::write(&journal, &rotten).expect("write");
            match scan(&root.path().join("tree")) {
                Ok(_) => harmless.push((place, bit)),
                Err(ScanError::Damaged(damage)) => {
                    assert_eq!(damage.file, journal);
                    // It is found where the batch begins or, where a sequence number went up, right behind it.
                    let is_seqno = damage.found.contains("sequence number");
                    assert!(damage.offset <= place as u64 || is_seqno, "place={place} {damage}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    let (behind, within): (Vec<_>, Vec<_>) = harmless.into_iter().partition(|(place, _)| *place >= end);
    assert!(!behind.is_empty() && within.len() < 200, "{} bits within batches are not told", within.len());
    for (place, bit) in within.into_iter().chain(behind.into_iter().take(2)) {
        let copied = TempDir::new().expect("temporary folder");
        copy(root.path(), copied.path());
        let mut rotten = bytes.clone();
        rotten[place] ^= 1 << bit;
        fs::write(copied.path().join("tree/0.jnl"), &rotten).expect("write");
        assert_eq!(content(copied.path()).await, expected, "lost in silence place={place} bit={bit}");
    }
}

#[tokio::test]
async fn a_batch_that_was_never_finished_is_no_damage() {
    let root = TempDir::new().expect("temporary folder");
    let bytes = store_of_groups(root.path()).await;
    let journal = root.path().join("tree/0.jnl");
    let end = bytes.len() - ZEROS;
    let whole = scan(&root.path().join("tree")).expect("verified");
    let [.., (before, _), (last, _)] = whole.journals[0].groups[..] else { panic!("several groups") };
    assert_eq!((last as usize, whole.journals[0].torn_bytes), (end, 0));
    for cut in before as usize..end {
        for zeros in [0, ZEROS] {
            let mut torn = bytes[..cut].to_vec();
            torn.resize(cut + zeros, 0);
            fs::write(&journal, &torn).expect("write");
            let scan = scan(&root.path().join("tree")).expect("no damage");
            assert_eq!(scan.journals[0].end, before, "cut={cut}");
            assert_eq!(scan.mark.map(|mark| mark.group), Some(GROUPS - 1));
        }
    }
}

#[tokio::test]
async fn what_is_lost_is_told() {
    let root = TempDir::new().expect("temporary folder");
    let bytes = store_of_groups(root.path()).await;
    let tree = root.path().join("tree");
    let whole = scan(&tree).expect("verified");
    let ends: Vec<u64> = whole.journals[0].groups.iter().map(|(end, _)| *end).collect();
    // The third group, which is of the commit with version 2, is gone without a trace.
    let (from, to) = (ends[1] as usize, ends[2] as usize);
    fs::write(tree.join("0.jnl"), [&bytes[..from], &bytes[to..]].concat()).expect("write");
    let Err(ScanError::Damaged(damage)) = scan(&tree) else { panic!("a group is missing") };
    assert_eq!((damage.offset, damage.version_before), (ends[1], Some(1)));
    // Its first byte is.
    let mut rotten = bytes.clone();
    rotten[from] = 0;
    fs::write(tree.join("0.jnl"), &rotten).expect("write");
    let Err(ScanError::Damaged(damage)) = scan(&tree) else { panic!("a hole") };
    assert_eq!((damage.offset, damage.version_before, damage.resumes), (ends[1], Some(1), Some((ends[2], Some(3)))));
    let text = damage.to_string();
    assert!(text.contains("0.jnl offset=") && text.contains("after version 1 and before version 3"), "{text}");
    // The whole file is.
    fs::write(tree.join("0.jnl"), &bytes).expect("write");
    fs::write(tree.join("2.jnl"), b"").expect("write");
    let Err(ScanError::Damaged(damage)) = scan(&tree) else { panic!("a file is missing") };
    assert_eq!(damage.file, tree.join("1.jnl"));
}

#[tokio::test]
async fn a_journal_ends_where_the_next_begins() {
    let root = TempDir::new().expect("temporary folder");
    let bytes = store_of_groups(root.path()).await;
    let tree = root.path().join("tree");
    let ends: Vec<u64> = scan(&tree).expect("verified").journals[0].groups.iter().map(|(end, _)| *end).collect();
    // All but the last group were acknowledged.
    assert!(begin_next(&tree, GROUPS - 1).expect("cut"), "the last group is whole");
    let scanned = scan(&tree).expect("verified");
    assert_eq!(scanned.journals.iter().map(|journal| journal.end).collect::<Vec<_>>(), [ends[ends.len() - 2], 0]);
    // A journal that is empty is begun no second time, and what is sealed may not be torn.
    assert!(!begin_next(&tree, GROUPS - 1).expect("cut"));
    assert_eq!(scan(&tree).expect("verified").journals.len(), 2);
    fs::write(tree.join("0.jnl"), &bytes[..bytes.len() - ZEROS - 4]).expect("write");
    assert!(matches!(scan(&tree), Err(ScanError::Damaged(_))));
    // Acknowledged groups are not cut away.
    fs::remove_file(tree.join("1.jnl")).expect("remove");
    fs::write(tree.join("0.jnl"), &bytes[..bytes.len() - ZEROS - 4]).expect("write");
    assert!(matches!(begin_next(&tree, GROUPS), Err(ScanError::Damaged(_))));
}
