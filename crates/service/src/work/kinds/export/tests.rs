//! What a step leaves behind is frozen.

use super::*;
use crate::base::codec::{decode, encode, golden};

#[test]
fn checkpoints_are_frozen_and_read_again() {
    let reached = Reached::sample();
    let bytes = encode(Export::CHECKPOINT_VERSION, &reached);
    golden("job-export-1", &bytes);
    let read: Reached = decode(Export::CHECKPOINT_VERSION, &bytes).expect("a checkpoint");
    assert_eq!(format!("{read:?}"), format!("{reached:?}"));
}
