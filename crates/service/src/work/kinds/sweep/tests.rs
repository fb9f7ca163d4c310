//! What a step leaves behind is frozen.

use super::*;
use crate::base::codec::{decode, encode, golden};

fn walk() -> Walk {
    Walk {
        last: Some(vec![7; 12]),
        found: true,
        written_before: Some(1_700_000_000_000_003),
        looked_at: 400,
        swept: 70_000,
        passes: 2,
    }
}

fn check<C: Serialize + serde::de::DeserializeOwned>(name: &str, version: u8, checkpoint: &C) {
    let bytes = encode(version, checkpoint);
    golden(name, &bytes);
    let read: C = decode(version, &bytes).expect("a checkpoint");
    assert_eq!(encode(version, &read), bytes, "{name}");
}

#[test]
fn checkpoints_are_frozen_and_read_again() {
    check("job-recluster-1", Recluster::CHECKPOINT_VERSION, &walk());
    check("job-recluster-begun-1", Recluster::CHECKPOINT_VERSION, &Walk::default());
    let stages = [
        ("records", Stage::Records),
        ("events", Stage::Events),
        ("facts", Stage::FactsById),
        ("dataset-facts", Stage::Facts),
    ];
    for (name, stage) in stages {
        let erasing = Erasing { walk: walk(), stage, removed: Removed { events: 300, facts: 70_001 } };
        check(&format!("job-erase-source-{name}-1"), EraseSource::CHECKPOINT_VERSION, &erasing);
    }
}
