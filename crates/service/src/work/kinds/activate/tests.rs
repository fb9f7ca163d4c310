//! What a step leaves behind is frozen.

use super::*;
use crate::base::codec::{decode, encode, golden};

#[test]
fn checkpoints_are_frozen_and_read_again() {
    let bytes = encode(Activate::CHECKPOINT_VERSION, &Reached::sample());
    golden("job-activate-1", &bytes);
    let reached: Reached = decode(Activate::CHECKPOINT_VERSION, &bytes).expect("a checkpoint");
    assert_eq!(format!("{reached:?}"), format!("{:?}", Reached::sample()));
}
