//! The rules of erasures.

use super::super::*;
use crate::base::codec;

fn with(waiting_events_max: Option<u64>) -> Result<StoredConfig, Error> {
    set_erasure_rules(&StoredConfig::default(), ErasureRules { waiting_events_max })
}

#[test]
fn the_record_of_the_rules_is_frozen() {
    let rules = ErasureRules { waiting_events_max: Some(1_000_000) };
    codec::golden("config-erasure-1", &encode_erasure(rules));
    assert_eq!(decode_erasure(&encode_erasure(rules)).expect("a row"), rules);
}

#[test]
fn they_are_written_where_they_change_and_read_with_the_rest() {
    let before = StoredConfig::default();
    let after = with(Some(7)).expect("in bounds");
    let written = rows(&after, &before);
    assert_eq!(written.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [Part::Main, Part::Erasure]);
    assert_eq!(read(written.iter().map(|(part, bytes)| (*part, &**bytes))).expect("a configuration"), after);
    assert_eq!(with(None).expect("in bounds"), before);
    assert_eq!(Part::of_suffix(&[4]), Some(Part::Erasure));
}

#[test]
fn a_bound_is_within_bounds() {
    for max in [0, WAITING_EVENTS_MAX + 1] {
        assert_eq!(with(Some(max)).expect_err("out of bounds").code, "waiting_events_max_invalid");
    }
}
