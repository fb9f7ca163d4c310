use std::net::Ipv4Addr;

use super::*;
use crate::base::codec::golden;

fn entry() -> Entry {
    Entry {
        at: Timestamp::from_micros(1_700_000_000_000_000).expect("an instant"),
        workspace: Some(WorkspaceId::new(3)),
        key: KeyId::from_bytes([0xcc; 12]),
        key_name: "crm".to_owned(),
        action: Action::Configure,
        door: "native".to_owned(),
        operation: "PUT /v1/segments/{name}".to_owned(),
        objects: vec![Object::new("segment", "loyal"), Object::only("limits")],
        objects_more: 2,
        outcome: Outcome::Done,
        code: None,
        address: Some(Ipv4Addr::new(192, 0, 2, 7).into()),
        request_id: "r-1".to_owned(),
    }
}

#[test]
fn entries_are_frozen() {
    let entry = entry();
    golden("audit-1", &encode(&entry));
    let refused = Entry {
        workspace: None,
        action: Action::Run,
        outcome: Outcome::Failed,
        code: Some("disk_full".to_owned()),
        address: None,
        ..entry.clone()
    };
    golden("audit-failed-1", &encode(&refused));
    for entry in [entry, refused] {
        let key = row_key(OrganizationId::new(7), entry.at, [9; 8]);
        assert_eq!(decode(&key, &encode(&entry)).expect("an entry"), (OrganizationId::new(7), entry));
    }
}

#[test]
fn a_key_that_is_none_of_the_log_is_corrupt() {
    let key = row_key(OrganizationId::new(7), entry().at, [9; 8]);
    let of_nobody = begin(OrganizationId::new(7)).bytes(&[0; 3]).key();
    let long = Key::new([key.as_bytes(), &[1]].concat());
    for key in [of_nobody, long, Scope::system().family(Family::Audit).u32(0).time(entry().at).bytes(&[0; 8]).key()] {
        assert_eq!(decode(&key, &encode(&entry())).expect_err("no key").code, "record_corrupt", "{key:?}");
    }
}

#[test]
fn entries_of_an_organization_stand_between_its_instants() {
    let at = |micros| Timestamp::from_micros(micros).expect("an instant");
    let key = |organization, micros| row_key(OrganizationId::new(organization), at(micros), [0xff; 8]);
    let range = rows(OrganizationId::new(2), Some(at(10)), Some(at(20)));
    for (key, is_inside) in [
        (key(2, 10), true),
        (key(2, 19), true),
        (key(2, 9), false),
        (key(2, 20), false),
        (key(1, 15), false),
        (key(3, 15), false),
    ] {
        let found = range.start <= key && range.end.as_ref().is_none_or(|end| key < *end);
        assert_eq!(found, is_inside, "{key:?}");
    }
}

/// Of a request that is about many things the first are named and the others counted, each once.
#[test]
fn many_things_are_counted() {
    let mut noted = Noted::default();
    for number in (0..30).chain(0..5) {
        noted.add(Object::new("key", &number.to_string()));
    }
    assert_eq!((noted.objects.len(), noted.objects_more), (OBJECTS_MAX, 10));
    let long = Object::new("segment", &"é".repeat(1_000));
    assert_eq!(long.name.expect("a name").chars().count(), NAME_CHARS_MAX);
}
