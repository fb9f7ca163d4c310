//! What a step leaves behind is frozen.

use super::*;
use crate::base::codec::{decode, encode, golden};

#[test]
fn checkpoints_are_frozen_and_read_again() {
    let bytes = encode(Refresh::CHECKPOINT_VERSION, &Reached { rows: 70_501 });
    golden("job-refresh-1", &bytes);
    let reached: Reached = decode(Refresh::CHECKPOINT_VERSION, &bytes).expect("a checkpoint");
    assert_eq!(reached.rows, 70_501);
}
