//! `scan`.

use std::collections::BTreeSet;

use super::bench::{Dice, filled, keys, numbered, put, put_all, scan, scan_all, text};
use super::{Bench, Outcome};
use crate::commit::Commit;
use crate::contract::ReadError;
use crate::types::Direction::{Backward, Forward};
use crate::types::{Key, KeyRange, ScanLimit};

const LETTERS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Cases of one shape: these keys, this range, so many rows, and what comes out in this direction.
macro_rules! scans {
    ($($name:ident: $put:expr, $range:expr, $rows:expr, $direction:expr => $found:expr;)*) => {
        $(pub(super) async fn $name(bench: Bench) -> Outcome {
            let store = bench.open().await?;
            put_all(&*store, &$put).await?;
            let expected: &[&str] = &$found;
            same!(scan(&*store, $range, $rows, $direction).await?, expected);
            Ok(())
        })*
    };
}

scans! {
    all_forward: LETTERS, KeyRange::all(), 9, Forward => ["a", "b", "c", "d", "e"];
    all_backward: LETTERS, KeyRange::all(), 9, Backward => ["e", "d", "c", "b", "a"];
    the_start_is_included: LETTERS, KeyRange::from("c"), 9, Forward => ["c", "d", "e"];
    the_start_is_included_backward: LETTERS, KeyRange::from("c"), 9, Backward => ["e", "d", "c"];
    the_end_is_excluded: LETTERS, KeyRange::between("a", "c"), 9, Forward => ["a", "b"];
    the_end_is_excluded_backward: LETTERS, KeyRange::between("a", "c"), 9, Backward => ["b", "a"];
    bounds_between_keys: LETTERS, KeyRange::between("aa", "cc"), 9, Forward => ["b", "c"];
    bounds_between_keys_backward: LETTERS, KeyRange::between("aa", "cc"), 9, Backward => ["c", "b"];
    an_inverted_range_is_empty: LETTERS, KeyRange::between("d", "b"), 9, Forward => [];
    an_inverted_range_is_empty_backward: LETTERS, KeyRange::between("d", "b"), 9, Backward => [];
    equal_bounds_are_empty: LETTERS, KeyRange::between("c", "c"), 9, Forward => [];
    equal_bounds_are_empty_backward: LETTERS, KeyRange::between("c", "c"), 9, Backward => [];
    a_start_behind_all_is_empty: LETTERS, KeyRange::from("f"), 9, Forward => [];
    a_start_behind_all_is_empty_backward: LETTERS, KeyRange::from("f"), 9, Backward => [];
    an_end_before_all_is_empty: LETTERS, KeyRange::between("A", "B"), 9, Backward => [];
    an_end_behind_all_holds_all: LETTERS, KeyRange::between("a", "z"), 9, Backward => ["e", "d", "c", "b", "a"];
    one_key_and_its_successor: ["c", "c\0", "cc"], KeyRange::between("c", "c\0"), 9, Forward => ["c"];
    shorter_keys_sort_first: ["ab", "a", "abc", "b"], KeyRange::all(), 9, Forward => ["a", "ab", "abc", "b"];
    a_prefix_holds_its_keys: ["a", "b", "b1", "b2", "c"], KeyRange::prefix("b"), 9, Forward => ["b", "b1", "b2"];
    a_prefix_backward: ["a", "b", "b1", "b2", "c"], KeyRange::prefix("b"), 9, Backward => ["b2", "b1", "b"];
    the_empty_prefix_holds_all: LETTERS, KeyRange::prefix(""), 9, Forward => ["a", "b", "c", "d", "e"];
    rows_are_limited: LETTERS, KeyRange::all(), 2, Forward => ["a", "b"];
    rows_are_limited_backward: LETTERS, KeyRange::all(), 2, Backward => ["e", "d"];
}

pub(super) async fn an_empty_store_has_no_rows(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    for direction in [Forward, Backward] {
        let page = store.scan(&KeyRange::all(), ScanLimit::rows(9), direction).await?;
        same!(page.rows.len(), 0);
        same!(page.next, None);
    }
    Ok(())
}

pub(super) async fn a_prefix_of_highest_bytes_has_no_end(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    for key in [vec![0xfe, 0xff], vec![0xff], vec![0xff, 0xff], vec![0xff, 0xff, 0x01]] {
        store.commit(Commit::new().put(key, "")).await?;
    }
    let page = store.scan(&KeyRange::prefix(vec![0xff, 0xff]), ScanLimit::rows(9), Forward).await?;
    same!(page.rows.len(), 2);
    let page = store.scan(&KeyRange::prefix(vec![0xfe, 0xff]), ScanLimit::rows(9), Backward).await?;
    same!(page.rows.len(), 1);
    Ok(())
}

pub(super) async fn lowest_and_highest_bytes_sort(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let order = [vec![0], vec![0, 0], vec![0, 0xff], vec![1], vec![0xff], vec![0xff, 0]];
    for key in order.iter().rev() {
        store.commit(Commit::new().put(key.clone(), "")).await?;
    }
    let page = store.scan(&KeyRange::all(), ScanLimit::rows(9), Forward).await?;
    same!(page.rows.iter().map(|row| row.key.as_bytes().to_vec()).collect::<Vec<_>>(), order);
    Ok(())
}

pub(super) async fn a_full_page_that_is_the_last_has_no_next(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put_all(&*store, &LETTERS).await?;
    for direction in [Forward, Backward] {
        let page = store.scan(&KeyRange::all(), ScanLimit::rows(5), direction).await?;
        same!(page.rows.len(), 5);
        holds!(!page.more());
        let page = store.scan(&KeyRange::all(), ScanLimit::rows(4), direction).await?;
        holds!(page.more());
    }
    Ok(())
}

pub(super) async fn pages_join_without_gap_or_repetition(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put_all(&*store, &LETTERS).await?;
    for rows in 1..=6 {
        same!(scan_all(&*store, KeyRange::all(), rows, Forward).await?, ["a", "b", "c", "d", "e"]);
        same!(scan_all(&*store, KeyRange::all(), rows, Backward).await?, ["e", "d", "c", "b", "a"]);
        same!(scan_all(&*store, KeyRange::between("b", "e"), rows, Backward).await?, ["d", "c", "b"]);
    }
    Ok(())
}

pub(super) async fn bytes_are_limited(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put_all(&*store, &LETTERS).await?;
    for direction in [Forward, Backward] {
        for (bytes, rows) in [(4, 2), (5, 2), (6, 3), (10, 5)] {
            let page = store.scan(&KeyRange::all(), ScanLimit { rows: 9, bytes }, direction).await?;
            same!(page.rows.len(), rows);
            same!(page.more(), rows < 5);
        }
    }
    Ok(())
}

pub(super) async fn the_first_row_is_always_given(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put_all(&*store, &LETTERS).await?;
    for direction in [Forward, Backward] {
        let page = store.scan(&KeyRange::all(), ScanLimit { rows: 9, bytes: 0 }, direction).await?;
        same!(page.rows.len(), 1);
        holds!(page.more());
    }
    Ok(())
}

pub(super) async fn zero_rows_is_invalid(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    refused!(store.scan(&KeyRange::all(), ScanLimit::rows(0), Forward).await, ReadError::Invalid(_));
    refused!(store.scan(&KeyRange::between("b", "a"), ScanLimit::rows(0), Backward).await, ReadError::Invalid(_));
    Ok(())
}

pub(super) async fn a_page_is_lowered_to_the_declared_rows(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let rows = store.limits().page_rows;
    let per_commit = store.limits().ops.min(5_000);
    for start in (0..=rows).step_by(per_commit) {
        let keys = (start..(start + per_commit).min(rows + 1)).map(|number| numbered("k", number));
        store.commit(keys.fold(Commit::new(), |commit, key| commit.put(key, ""))).await?;
    }
    for direction in [Forward, Backward] {
        let page = store.scan(&KeyRange::all(), ScanLimit::rows(usize::MAX), direction).await?;
        same!(page.rows.len(), rows);
        holds!(page.more());
    }
    Ok(())
}

pub(super) async fn a_page_is_lowered_to_the_declared_bytes(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let value = store.limits().value;
    let fit = store.limits().page_bytes / (value + 7);
    for number in 0..=fit {
        store.commit(Commit::new().put(numbered("k", number), filled(value))).await?;
    }
    for direction in [Forward, Backward] {
        let page = store.scan(&KeyRange::all(), ScanLimit::rows(usize::MAX), direction).await?;
        same!(page.rows.len(), fit);
        holds!(page.more());
    }
    Ok(())
}

pub(super) async fn deleted_keys_are_not_seen(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    put_all(&*store, &LETTERS).await?;
    store.commit(Commit::new().delete("a").delete("c").delete("e")).await?;
    same!(scan(&*store, KeyRange::all(), 9, Forward).await?, ["b", "d"]);
    same!(scan(&*store, KeyRange::all(), 9, Backward).await?, ["d", "b"]);
    let page = store.scan(&KeyRange::all(), ScanLimit::rows(2), Forward).await?;
    holds!(!page.more());
    Ok(())
}

pub(super) async fn an_overwritten_key_is_seen_once(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    for value in ["1", "2", "3"] {
        put(&*store, "a", value).await?;
    }
    let page = store.scan(&KeyRange::all(), ScanLimit::rows(9), Forward).await?;
    same!(page.rows.iter().map(|row| text(&row.value)).collect::<Vec<_>>(), ["3"]);
    Ok(())
}

pub(super) async fn rows_carry_value_and_version(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let first = put(&*store, "a", "1").await?;
    let second = put(&*store, "b", "2").await?;
    let page = store.scan(&KeyRange::all(), ScanLimit::rows(9), Forward).await?;
    let found: Vec<_> = page.rows.iter().map(|row| (text(&row.value), row.version)).collect();
    same!(found, [("1".to_owned(), first), ("2".to_owned(), second)]);
    same!(page.as_of, second);
    Ok(())
}

pub(super) async fn a_scan_does_not_see_the_feed(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    store.commit(Commit::new().put("a", "1").feed("row")).await?;
    same!(scan(&*store, KeyRange::all(), 9, Forward).await?, ["a"]);
    Ok(())
}

pub(super) async fn random_scans_agree_with_a_sorted_set(bench: Bench) -> Outcome {
    let store = bench.open().await?;
    let mut dice = Dice(0x5eed);
    let mut model: BTreeSet<Key> = BTreeSet::new();
    for _ in 0..60 {
        let mut commit = Commit::new();
        for _ in 0..8 {
            let key = numbered("k", dice.below(200) as usize);
            if commit.put.iter().any(|(put, _)| *put == key) || commit.del.contains(&key) {
                continue;
            }
            if dice.below(3) == 0 {
                model.remove(&key);
                commit = commit.delete(key);
            } else {
                model.insert(key.clone());
                commit = commit.put(key, "");
            }
        }
        store.commit(commit).await?;
        let (start, end) = (numbered("k", dice.below(220) as usize), numbered("k", dice.below(220) as usize));
        let range = KeyRange::between(start, end);
        let rows = dice.below(9) as usize + 1;
        let mut expected: Vec<_> =
            model.iter().filter(|key| range.contains(key)).map(|key| text(key.as_bytes())).collect();
        same!(scan_all(&*store, range.clone(), rows, Forward).await?, expected);
        expected.reverse();
        same!(scan_all(&*store, range.clone(), rows, Backward).await?, expected);
        let page = store.scan(&range, ScanLimit::rows(rows), Backward).await?;
        same!(keys(&page), expected[..rows.min(expected.len())]);
    }
    Ok(())
}
