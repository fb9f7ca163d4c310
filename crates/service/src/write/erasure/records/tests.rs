use tessera_engine::time::Timestamp;

use super::*;
use crate::base::codec::golden;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000).expect("in bounds")
}

fn receipt(kind: Kind, purged_at: Option<Timestamp>) -> Receipt {
    Receipt {
        id: ErasureId::from_bytes([5; 12]),
        at: at(1),
        kind,
        by: purged_at.is_none().then_some(KeyId::from_bytes([6; 12])),
        suppressed: true,
        removed: Removed { identities: 1, attributes: 2, links: 3, events: 4, quarantined: 5, replies: 600 },
        purged_at,
    }
}

#[test]
fn receipts_are_read_as_written() {
    let (profile, dataset) = (NodeId::from_bytes([7; 12]), "crm");
    let kinds = [
        ("receipt-profile-1", Kind::Profile(profile), None),
        ("receipt-identity-1", Kind::Identity(profile), Some(at(2))),
        ("receipt-event-1", Kind::Event(profile), None),
        ("receipt-dataset-1", Kind::Source { dataset: dataset.into(), batch: None }, None),
        ("receipt-batch-1", Kind::Source { dataset: dataset.into(), batch: Some("july".into()) }, None),
    ];
    for (name, kind, purged_at) in kinds {
        let own = receipt(kind, purged_at);
        let bytes = encode_receipt(&own);
        assert_eq!(decode_receipt(own.id, &bytes).expect("a receipt"), own);
        golden(name, &bytes);
    }
}

#[test]
fn what_the_purge_looks_for_is_read_as_written() {
    let identity = Identity { namespace: NamespaceId::new(3), value: "ann@shop.example".into() };
    let own = Trace { receipt: ErasureId::from_bytes([5; 12]), identity };
    assert_eq!(decode_trace(&encode_trace(&own)).expect("a trace"), own);
    golden("trace-1", &encode_trace(&own));
    assert_eq!(decode_node(&encode_node(&own)).expect("a row"), Some(own.clone()));
    golden("purge-2", &encode_node(&own));
    assert_eq!(decode_node(&[1]).expect("a row of version 1"), None);
}

#[test]
fn damage_is_told() {
    for bytes in [&[][..], &[1, 2, 3], &[2], &[9, 9]] {
        assert!(decode_receipt(ErasureId::from_bytes([0; 12]), bytes).is_err());
        assert!(decode_trace(bytes).is_err());
        assert!(decode_node(bytes).is_err());
    }
}
