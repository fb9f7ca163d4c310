//! What a step leaves behind is frozen.

use super::*;
use crate::base::codec::{decode, encode, golden};

#[test]
fn checkpoints_are_frozen_and_read_again() {
    let found = Found {
        records: 500,
        profiles: 501,
        identities: 900,
        events: 70_000,
        facts: 70_001,
        outdated: 3,
        faults: 1,
        listed: vec!["the record of 00 begins with node 01".to_owned()],
    };
    let bytes = encode(Check::CHECKPOINT_VERSION, &Walked { last: Some(vec![7; 12]), found });
    golden("job-check-1", &bytes);
    let walked: Walked = decode(Check::CHECKPOINT_VERSION, &bytes).expect("a checkpoint");
    assert_eq!(encode(Check::CHECKPOINT_VERSION, &walked), bytes);
}
