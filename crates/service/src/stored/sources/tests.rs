use super::*;
use crate::base::codec::golden;
use crate::base::ids::WorkspaceId;

#[test]
fn what_is_known_of_sources_is_frozen() {
    let node = NodeId::from_bytes([0xaa; 12]);
    for (name, event) in [("source_row_v1", None), ("source_row_v1_event", Some("e-1".into()))] {
        let row = RowSaid { hash: 0x0102_0304, node, event };
        golden(name, &encode_row(&row));
        assert_eq!(decode_row(&encode_row(&row)).expect("a row"), row);
    }
    let known = Known { set: 3, columns: vec![("email".into(), "text".into())] };
    golden("source_known_v1", &encode_known(&known));
    assert_eq!(decode_known(&encode_known(&known)).expect("what is known"), known);
    let slot = Slot {
        connection: "crm-db".into(),
        name: "tessera_customers_0102030405060708".into(),
        made: 2,
        table: 16_385,
        position: Some(0x16_B374_D848),
        is_whole: true,
        applied: 12,
        refused: 1,
        last_change_at: Some(3),
        trouble: Some(("source_slot_lost".into(), "the slot was lost".into())),
        unwanted_since: Some(4),
    };
    golden("source_slot_v1", &encode_slot(&slot));
    assert_eq!(decode_slot(&encode_slot(&slot)).expect("a slot"), slot);
    let at = |micros| Timestamp::from_micros(micros).expect("an instant");
    let run = Run {
        id: [7; 12],
        started_at: at(1),
        ended_at: Some(at(2)),
        status: RunStatus::Failed,
        counts: RunCounts { read: 5, changed: 1, unchanged: 2, evicted: 0, refused: 2 },
        error: Some(("source_lost".into(), "the connection to the server was lost".into())),
        verdicts: vec![RunVerdict { code: "row_duplicate".into(), column: None, is_refusal: true, rows: 2 }],
    };
    golden("source_run_v1", &encode_run(&run));
    let key = Scope::new(WorkspaceId::new(1)).source_run(9, &run.id);
    assert_eq!(decode_run(&key, &encode_run(&run)).expect("a refresh"), run);
    assert_eq!(read_source_number(&key), Some(9));
}
