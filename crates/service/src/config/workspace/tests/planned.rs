//! Erasures that are ordered for later: changed, withdrawn, begun in their turn, trimmed, and read again from their row.

use tessera_engine::time::Timestamp;

use super::super::planned::begin_planned;
use super::super::*;
use crate::base::codec;
use crate::base::ids::KeyId;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).expect("an instant")
}

fn planned(config: &StoredConfig, dataset: &str, batch: Option<&str>, due: i64) -> Result<StoredConfig, &'static str> {
    let by = KeyId::from_bytes([7; 12]);
    plan_erasure(config, (dataset, batch), (at(1), at(due)), by).map(|(config, _)| config).map_err(|error| error.code)
}

#[test]
fn an_order_waits_until_it_is_due_and_can_be_changed_until_then() {
    let empty = StoredConfig::default();
    let one = planned(&empty, "crm", None, 60).expect("an order");
    let two = planned(&one, "web", Some("b1"), 50).expect("an order");
    assert_eq!(two.planned().next_due(), Some(at(50)));
    assert_eq!(planned(&two, "web", Some("b1"), 90), Err("erasure_ordered"));
    assert_eq!(planned(&two, "$own", None, 90), Err("dataset_reserved"));
    assert_eq!(begin_planned(&two, at(49)).expect("nothing is due"), two);
    // The one that is due first begins first, and only that.
    let begun = begin_planned(&two, at(70)).expect("one begins");
    let states: Vec<_> = begun.planned().orders().map(|own| (own.number, own.state)).collect();
    assert_eq!(states, [(1, OrderState::Waiting { due: at(60) }), (2, OrderState::Begun { sweep: 1 })]);
    assert_eq!(begun.sweeps().erasures.len(), 1);
    let order = begun.planned().find(2).expect("an order");
    assert!(!begun.is_carried_out(order), "its sweep is under way");
    assert!(erased(&begun, 1).expect("a sweep ends").is_carried_out(order));
    let code = |changed: Result<StoredConfig, Error>| changed.map_err(|error| error.code).err();
    assert_eq!(code(change_planned(&begun, 2, ("web", None), at(80))), Some("erasure_begun"));
    assert_eq!(code(change_planned(&begun, 9, ("web", None), at(80))), Some("erasure_order_not_found"));
    let changed = change_planned(&begun, 1, ("erp", Some("b2")), at(80)).expect("a change");
    let order = changed.planned().find(1).expect("an order");
    assert_eq!((&*order.dataset, order.batch.as_deref(), order.updated_at), ("erp", Some("b2"), at(80)));
    let gone = withdraw_planned(&changed, 1).expect("it is withdrawn");
    assert_eq!((gone.planned().next_due(), gone.planned().orders().len()), (None, 1));
    assert_eq!(code(withdraw_planned(&gone, 1)), Some("erasure_order_not_found"));
}

#[test]
fn orders_are_bounded() {
    let mut config = StoredConfig::default();
    for own in 0..WAITING_MAX {
        config = planned(&config, &format!("d{own}"), None, 60).expect("an order");
    }
    assert_eq!(planned(&config, "more", None, 60), Err("erasure_orders_full"));
    // Only so many are under way at one time; the others wait for their turn.
    for _ in 0..WAITING_MAX {
        config = begin_planned(&config, at(61)).expect("one begins, or none");
    }
    let begun = config.planned().orders().filter(|own| matches!(own.state, OrderState::Begun { .. })).count();
    assert_eq!(begun, config.sweeps().erasures.len());
    assert!(begun < WAITING_MAX);
    for own in 0..(2 * BEGUN_MAX) {
        config = planned(&config, &format!("e{own}"), None, 0).unwrap_or(config);
        let sweep = config.sweeps().number;
        config = begin_planned(&erased(&config, u32::try_from(sweep).expect("few")).expect("done"), at(1_000))
            .expect("begun");
    }
    assert!(config.planned().orders().len() <= WAITING_MAX + BEGUN_MAX);
}

#[test]
fn the_record_is_frozen() {
    let config = planned(&StoredConfig::default(), "crm", Some("b1"), 60).expect("an order");
    let config = planned(&begin_planned(&config, at(61)).expect("it begins"), "web", None, 90).expect("an order");
    codec::golden("config-planned-1", &encode_planned(config.planned()));
    assert_eq!(decode_planned(&encode_planned(config.planned())).expect("a row"), *config.planned());
    assert_eq!(Part::of_suffix(&[12]), Some(Part::Planned));
}
