//! What a step leaves behind is frozen.

use super::*;
use crate::base::codec::{decode, encode, golden};

#[test]
fn checkpoints_are_frozen_and_read_again() {
    let whole = Whole { rows: 70_000, feed_rows: 501, as_of: 90_000, bytes: 1 << 33 };
    for (name, whole) in [("job-backup-1", None), ("job-backup-1-whole", Some(whole))] {
        let bytes = encode(Backup::CHECKPOINT_VERSION, &Reached { rows: 70_501, whole });
        golden(name, &bytes);
        let reached: Reached = decode(Backup::CHECKPOINT_VERSION, &bytes).expect("a checkpoint");
        assert_eq!(encode(Backup::CHECKPOINT_VERSION, &reached), bytes);
    }
}
