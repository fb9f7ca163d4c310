//! The order of values, positions as cursors carry them, and who comes first.

use tessera_engine::time::Timestamp;
use tessera_engine::value::Decimal;

use super::*;

const BOTH: [Sorting; 2] = [Sorting::Ascending, Sorting::Descending];

fn id(number: u8) -> NodeId {
    NodeId::from_bytes([number; 12])
}

fn instant(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).expect("within bounds")
}

/// Values in their order, those that count as missing last.
fn values() -> Vec<Value> {
    vec![
        Value::Bool(false),
        Value::Bool(true),
        Value::Number(Decimal::from(-3)),
        Value::Number(Decimal::from(12)),
        Value::text(""),
        Value::text("12"),
        Value::text("3"),
        Value::text(&"a".repeat(SORTED_BYTES - 1)),
        Value::text(&"é".repeat(SORTED_BYTES)),
        Value::Timestamp(instant(-5)),
        Value::Timestamp(instant(7)),
    ]
}

#[test]
fn values_have_one_order_and_what_is_missing_stands_last_in_both_directions() {
    let missing = [Value::Null, Value::List([Value::Bool(true)].into()), Value::object(Vec::new())];
    for sorting in BOTH {
        let mut keys: Vec<SortKey> = values().into_iter().map(|value| SortKey::new(value, sorting)).collect();
        if sorting == Sorting::Descending {
            keys.reverse();
        }
        assert!(keys.is_sorted_by(|one, other| one < other), "{sorting:?}");
        for value in &missing {
            let own = SortKey::new(value.clone(), sorting);
            assert!(own == SortKey::Missing && keys.iter().all(|key| *key < own), "{sorting:?}");
        }
    }
}

#[test]
fn long_texts_are_told_apart_by_their_first_bytes() {
    let key = |text: &str| SortKey::new(Value::text(text), Sorting::Ascending);
    let long = "x".repeat(SORTED_BYTES);
    assert_eq!(key(&format!("{long}a")), key(&format!("{long}b")));
    assert_ne!(key(&format!("{}a", &long[1..])), key(&format!("{}b", &long[1..])));
    // A letter of two bytes of which one would count is left out.
    assert_eq!(key(&format!("{}é", &long[1..])), key(&long[1..]));
}

#[test]
fn a_cursor_holds_the_largest_position_and_gives_it_back() {
    let widest = Value::text(&"x".repeat(2 * SORTED_BYTES));
    for value in values().into_iter().chain([Value::Null, widest]) {
        let order = [Sorting::Ascending, Sorting::Descending, Sorting::Ascending];
        let at = Position::new(vec![value; 3], &order, id(1), id(2));
        let bytes = at.to_bytes();
        assert!(bytes.len() + 16 <= cursor::CARRIED_BYTES_MAX, "{}", bytes.len());
        assert!(Position::from_bytes(&bytes, &order).is_ok_and(|back| back == at));
        for other in [&order[..2], &[]] {
            assert_eq!(Position::from_bytes(&bytes, other).err().map(|error| error.code), Some("cursor_invalid"));
        }
    }
    let at = Position::new(Vec::new(), &[], id(1), id(2));
    assert!(Position::from_bytes(&at.to_bytes(), &[]).is_ok_and(|back| back == at));
    assert_eq!(Position::from_bytes(b"", &[]).err().map(|error| error.code), Some("cursor_invalid"));
}

#[test]
fn the_first_behind_a_position_are_kept_and_all_are_counted() {
    let candidate = |number: u8| {
        let value = Value::Number(Decimal::from(i64::from(number / 2)));
        let at = Position::new(vec![value], &BOTH[..1], id(0), id(number));
        Candidate { at, version: Version(1) }
    };
    let check = |after: Option<u8>, most: usize, expected: &[u8]| {
        let mut first = First::new(most, after.map(|number| candidate(number).at));
        // In no order.
        (0..20).map(|at| candidate(at * 7 % 20)).for_each(|own| first.take(own));
        assert_eq!((first.matched, first.is_full()), (20, expected.len() == most));
        let kept: Vec<NodeId> = first.into_sorted().into_iter().map(|own| own.at.profile).collect();
        assert_eq!(kept, expected.iter().map(|number| id(*number)).collect::<Vec<_>>());
    };
    check(None, 3, &[0, 1, 2]);
    check(Some(4), 3, &[5, 6, 7]);
    check(Some(17), 3, &[18, 19]);
    check(Some(19), 3, &[]);
}
