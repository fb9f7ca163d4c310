use proptest::prelude::*;

use tessera_engine::rules::SegmentId;
use tessera_store::{Seq, Shard};

use super::*;
use crate::stored::layout::{read_changes_look_key, read_mark_key};

fn hex(key: &Key) -> String {
    key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_layout_is_frozen() {
    let check = |builder: KeyBuilder, expected: &str| assert_eq!(hex(&builder.key()), expected);
    let scope = Scope::new(WorkspaceId::new(258));
    let node = NodeId::from_bytes([0xaa; 12]);
    let event = EventId::from_bytes([0xbb; 12]);
    let time = |micros| Timestamp::from_micros(micros).expect("an instant");
    check(scope.family(Family::Config), "0000010201");
    check(scope.family(Family::Identity).u16(3).bytes(b"a@b"), "00000102020003614062");
    check(scope.family(Family::Cluster).node(node), "0000010203aaaaaaaaaaaaaaaaaaaaaaaa");
    check(
        scope.family(Family::Event).node(node).time(time(1)).event(event),
        "0000010206aaaaaaaaaaaaaaaaaaaaaaaa8000000000000001bbbbbbbbbbbbbbbbbbbbbbbb",
    );
    check(scope.family(Family::FactById).bytes(b"m"), "00000102076d");
    check(scope.family(Family::Fact).u16(1).bytes(b"m").bytes(b"web"), "000001021a00016d776562");
    check(scope.family(Family::Receipt).time(time(-1)), "00000102107fffffffffffffff");
    check(scope.family(Family::Quarantine).event(event), "0000010211bbbbbbbbbbbbbbbbbbbbbbbb");
    check(scope.family(Family::QuarantineRaw).event(event), "0000010215bbbbbbbbbbbbbbbbbbbbbbbb");
    check(scope.family(Family::Learned).u32(7), "000001021600000007");
    check(Scope::system().family(Family::Organization).u32(7), "000000002000000007");
    check(Scope::system().family(Family::Workspace).u32(7), "000000002100000007");
    check(Scope::system().family(Family::Key), "0000000022");
    check(Scope::system().family(Family::DirectoryRoot), "0000000023");
    check(Scope::system().family(Family::Secret).bytes(b"cursor"), "0000000024637572736f72");
}

#[test]
fn what_keepers_go_by_is_frozen() {
    let check = |key: &Key, expected: &str| assert_eq!(hex(key), expected);
    let scope = Scope::new(WorkspaceId::new(258));
    let node = NodeId::from_bytes([0xaa; 12]);
    let at = Timestamp::from_micros(1).expect("an instant");
    let answer = scope.family(Family::Idempotency).bytes(&[0xcc; 12]).bytes(b"k").key();
    let end = scope.answer_ends(at, &answer);
    check(&end, "000001021f008000000000000001cccccccccccccccccccccccc6b");
    assert_eq!(scope.answer_that_ends(&end), Some(answer));
    let mark = Scope::system().mark(Shard(0), Seq(7));
    check(&mark, "000000001f0100000000000000000007");
    assert_eq!(read_mark_key(&mark), Some((Shard(0), Seq(7))));
    for (period, expected) in [(Some(3), "80000003"), (Some(-3), "7ffffffd"), (None, "00000000")] {
        let look = scope.look_at_changes(period, node);
        check(&look, &format!("000001021f02{expected}aaaaaaaaaaaaaaaaaaaaaaaa"));
        assert_eq!(read_changes_look_key(&look), Some((period, node)));
    }
    check(&scope.brought(1), "000001021fff01");
    check(&scope.changes_let_go(node), &hex(&scope.membership_change(node, Timestamp::MIN, SegmentId(0))));
}

/// The compiler cannot list what an enum has, so its source is read, and that of the store's trees.
#[test]
fn every_family_and_tree_says_what_bounds_it() {
    let read = |path: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let text = read("../../ARCHITECTURE.md");
    let begin = text.find("## What grows, and what trims it").expect("the table");
    let table = text[begin + 3..].split("\n## ").next().expect("the table");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `") || line.starts_with("| tree"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let named = |quote: &str| rows.iter().filter(|row| row[1].split(", ").any(|name| name == quote)).count();
    let source = read("src/stored/keys.rs");
    let families: Vec<&str> = source
        .lines()
        .filter_map(|line| line.trim().split_once(" = 0x"))
        .map(|(name, _)| name)
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .collect();
    assert!(families.len() > 30 && families.contains(&"Keeping"), "{families:?}");
    let trees = read("../store-lsm/src/tree.rs");
    let trees: Vec<&str> = trees.split("db.keyspace(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(trees.contains(&"feed"), "{trees:?}");
    let wanted =
        families.iter().map(|name| format!("`{name}`")).chain(trees.iter().map(|name| format!("tree `{name}`")));
    let wanted: Vec<String> = wanted.collect();
    for name in &wanted {
        assert_eq!(named(name), 1, "{name} stands once in the table of ARCHITECTURE.md");
    }
    for row in &rows {
        assert!(row.len() == 5 && !row[2].is_empty(), "a bound is said: {row:?}");
        assert!(
            row[1].split(", ").all(|name| wanted.iter().any(|own| own == name)),
            "nothing else stands there: {row:?}"
        );
    }
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.micros()..=Timestamp::MAX.micros())
        .prop_map(|micros| Timestamp::from_micros(micros).expect("within"))
}

type Parts = (u32, u16, [u8; 12], Timestamp, [u8; 12], Vec<u8>);

fn parts() -> impl Strategy<Value = Parts> {
    let id = || prop_oneof![any::<[u8; 12]>(), Just([0xff; 12]), Just([0; 12])];
    (1u32.., any::<u16>(), id(), instant(), id(), prop::collection::vec(any::<u8>(), 0..20))
}

fn key((workspace, number, node, time, event, rest): &Parts) -> Key {
    let scope = Scope::new(WorkspaceId::new(*workspace));
    let key = scope.family(Family::Event).u16(*number).node(NodeId::from_bytes(*node)).time(*time);
    key.event(EventId::from_bytes(*event)).bytes(rest).key()
}

/// What [`key`] was made of.
fn read(key: &Key) -> Option<Parts> {
    let (workspace, bytes) = key.as_bytes().split_first_chunk::<4>()?;
    let (family, bytes) = bytes.split_first()?;
    let (number, bytes) = bytes.split_first_chunk::<2>()?;
    let (node, bytes) = bytes.split_first_chunk::<12>()?;
    let (time, bytes) = bytes.split_first_chunk::<8>()?;
    let (event, rest) = bytes.split_first_chunk::<12>()?;
    let micros = (u64::from_be_bytes(*time) ^ (1 << 63)).cast_signed();
    let [workspace, number] = [u32::from_be_bytes(*workspace), u16::from_be_bytes(*number).into()];
    let number = u16::try_from(number).ok()?;
    (*family == Family::Event as u8).then_some(())?;
    Some((workspace, number, *node, Timestamp::from_micros(micros)?, *event, rest.to_vec()))
}

proptest! {
    #[test]
    fn keys_sort_as_their_parts_do(one in parts(), two in parts(), same in 0usize..6) {
        // Some parts alike, or else the first would decide every time.
        let mut two = two;
        if same > 0 { two.0 = one.0; }
        if same > 1 { two.1 = one.1; }
        if same > 2 { two.2 = one.2; }
        if same > 3 { two.3 = one.3; }
        if same > 4 { two.4 = one.4; }
        prop_assert_eq!(key(&one).cmp(&key(&two)), one.cmp(&two));
    }

    #[test]
    fn a_key_says_what_it_was_made_of(parts in parts()) {
        prop_assert_eq!(read(&key(&parts)), Some(parts));
    }

    #[test]
    fn a_range_holds_the_keys_of_its_scope_alone(one in parts(), two in parts(), same: bool) {
        let mut two = two;
        if same { two.0 = one.0; }
        let range = Scope::new(WorkspaceId::new(one.0)).family(Family::Event).range();
        prop_assert!(range.contains(&key(&one)));
        prop_assert_eq!(range.contains(&key(&two)), two.0 == one.0);
        let narrow = Scope::new(WorkspaceId::new(one.0)).family(Family::Event).u16(one.1).range();
        prop_assert_eq!(narrow.contains(&key(&two)), (two.0, two.1) == (one.0, one.1));
        let other = Scope::new(WorkspaceId::new(one.0)).family(Family::Home).range();
        prop_assert!(!other.contains(&key(&one)));
    }
}
