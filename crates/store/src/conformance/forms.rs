//! Malformed commits.

use super::bench::{filled, now, put, value};
use super::{Bench, Outcome};
use crate::commit::{Commit, CommitError};
use crate::types::{Epoch, FenceName, Key, Shard, Version};

macro_rules! invalid {
    ($($name:ident: $commit:expr;)*) => {
        $(pub(super) async fn $name(bench: Bench) -> Outcome {
            let store = bench.open().await?;
            put(&*store, "a", "1").await?;
            let before = now(&*store).await?;
            let commit: Commit = $commit;
            refused!(store.commit(commit.put("new", "1")).await, CommitError::Invalid(_));
            same!(value(&*store, "new").await?, None);
            same!(value(&*store, "a").await?.as_deref(), Some("1"));
            same!(now(&*store).await?, before);
            Ok(())
        })*
    };
}

invalid! {
    an_empty_key_is_not_put: Commit::new().put(Key::MIN, "1");
    an_empty_key_is_not_deleted: Commit::new().delete(Key::MIN);
    an_empty_key_is_not_expected: Commit::new().expect_version(Key::MIN, Version(1));
    an_empty_key_is_no_idempotency_row: Commit::new().idempotency(Key::MIN, "1");
    a_key_is_not_put_twice: Commit::new().put("a", "1").put("a", "1");
    a_key_is_not_deleted_twice: Commit::new().delete("a").delete("a");
    a_key_is_not_put_and_deleted: Commit::new().put("a", "1").delete("a");
    a_key_is_not_expected_twice: Commit::new().expect_version("a", Version(1)).expect_version("a", Version(1));
    a_key_is_not_expected_both_ways: Commit::new().put("a", "1").expect_absent("a").expect_version("a", Version(1));
    absent_is_not_expected_of_a_key_not_put: Commit::new().expect_absent("b");
    absent_is_not_expected_of_a_key_deleted: Commit::new().expect_absent("b").delete("b");
    the_idempotency_row_is_not_put: Commit::new().put("b", "1").idempotency("b", "1");
    the_idempotency_row_is_not_deleted: Commit::new().delete("b").idempotency("b", "1");
    the_idempotency_row_is_not_expected: Commit::new().expect_version("b", Version(1)).idempotency("b", "1");
    an_unknown_shard_is_refused: Commit { feed: vec![(Shard(u16::MAX), filled(1))], ..Commit::new() };
    an_empty_fence_name_is_refused: Commit::new().fenced(FenceName::new(""), Epoch(1));
}
