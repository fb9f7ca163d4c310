use super::*;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).expect("an instant")
}

fn dataset(name: &str) -> Dataset {
    Dataset::parse(name).expect("a dataset")
}

fn key() -> KeyEntry {
    let key = Key {
        id: KeyId::from_bytes([3; 12]),
        organization: OrganizationId::new(1),
        name: DisplayName::parse("Web shop").expect("a name"),
        class: Class::Public,
        permissions: Permissions::ALL
            .without(crate::directory::Permission::ReadPrivate)
            .without(crate::directory::Permission::ReadPublic),
        scope: WorkspaceScope::Listed(vec![WorkspaceId::new(300), WorkspaceId::new(2)]),
        datasets: Datasets { own: dataset("web"), allowed: Some(vec![dataset("web"), dataset("app")]) },
        origins: None,
        created_at: at(1),
        expires_at: Some(at(2)),
        revoked_at: Some(at(-3)),
        replaced_by: Some(KeyId::from_bytes([4; 12])),
        last_four: "wxyz".to_owned(),
        bootstrap: true,
        rate_limit: Some(RateLimit::new(10, 20, 30).expect("a limit")),
    };
    KeyEntry { key, hash: [5; 32] }
}

#[test]
fn the_records_are_frozen_and_read_as_written() {
    let root = Root { next_organization: 2, next_workspace: 300, change: [6; 16] };
    codec::golden("directory-root-1", &encode_root(&root));
    assert_eq!(decode_root(&encode_root(&root)).unwrap(), root);

    let slug = Slug::parse("shop").unwrap();
    let organization = Organization { id: OrganizationId::new(7), name: slug.clone(), created_at: at(8) };
    codec::golden("organization-1", &encode_organization(&organization));
    assert_eq!(decode_organization(&7u32.to_be_bytes(), &encode_organization(&organization)).unwrap(), organization);

    let workspace = Workspace {
        id: WorkspaceId::new(9),
        organization: OrganizationId::new(7),
        name: slug,
        created_at: at(10),
        rate_limit: Some(RateLimit::new(1, 2, 3).unwrap()),
    };
    codec::golden("workspace-1", &encode_workspace(&workspace));
    assert_eq!(decode_workspace(&9u32.to_be_bytes(), &encode_workspace(&workspace)).unwrap(), workspace);

    let peaked = Workspace { rate_limit: Some(RateLimit::DINMO), ..workspace };
    codec::golden("workspace-2", &encode_workspace(&peaked));
    assert_eq!(decode_workspace(&9u32.to_be_bytes(), &encode_workspace(&peaked)).unwrap(), peaked);

    let listed = key();
    codec::golden("key-listed-2", &encode_key(&listed));
    assert_eq!(decode_key(&[3; 12], &encode_key(&listed)).unwrap(), listed);

    let all = Key {
        class: Class::Private,
        scope: WorkspaceScope::All { default: Some(WorkspaceId::new(2)) },
        expires_at: None,
        revoked_at: None,
        replaced_by: None,
        rate_limit: None,
        datasets: Datasets { own: dataset("segment"), allowed: None },
        ..listed.key.clone()
    };
    let all = KeyEntry { key: all, hash: [5; 32] };
    codec::golden("key-all-2", &encode_key(&all));
    assert_eq!(decode_key(&[3; 12], &encode_key(&all)).unwrap(), all);

    let origins = ["https://shop.example", "http://localhost:3000"].map(|text| Origin::parse(text).expect("an origin"));
    let confined = KeyEntry { key: Key { origins: Some(origins.into()), ..listed.key.clone() }, hash: [5; 32] };
    codec::golden("key-origins-3", &encode_key(&confined));
    assert_eq!(decode_key(&[3; 12], &encode_key(&confined)).unwrap(), confined);

    let peaked = KeyEntry { key: Key { rate_limit: Some(RateLimit::DINMO), ..confined.key.clone() }, hash: [5; 32] };
    codec::golden("key-peak-4", &encode_key(&peaked));
    assert_eq!(decode_key(&[3; 12], &encode_key(&peaked)).unwrap(), peaked);
    let peaked = KeyEntry { key: Key { origins: None, ..peaked.key }, hash: [5; 32] };
    assert_eq!(decode_key(&[3; 12], &encode_key(&peaked)).unwrap(), peaked);

    // Keys of before send to the dataset that they sent to.
    let datasets = Datasets { own: dataset("segment"), allowed: None };
    let listed = KeyEntry { key: Key { datasets, ..listed.key }, hash: listed.hash };
    assert_eq!(decode_key(&[3; 12], &codec::thawed("key-listed-1")).unwrap(), listed);
    assert_eq!(decode_key(&[3; 12], &codec::thawed("key-all-1")).unwrap(), all);
}

#[test]
fn damage_is_told() {
    let check = |result: Result<(), Error>| assert_eq!(result.unwrap_err().code, "record_corrupt");
    let whole = encode_key(&key());
    for length in 0..whole.len() {
        check(decode_key(&[3; 12], &whole[..length]).map(drop));
    }
    check(decode_key(&[3; 11], &whole).map(drop));
    let organization = OrganizationRecord { name: "Not a slug", created_at: 0 };
    check(decode_organization(&1u32.to_be_bytes(), &codec::encode(VERSION, &organization)).map(drop));
    let workspace = WorkspaceRecord { organization: 0, name: "shop", created_at: 0, rate_limit: None };
    check(decode_workspace(&1u32.to_be_bytes(), &codec::encode(VERSION, &workspace)).map(drop));
    let workspace = WorkspaceRecord { organization: 1, ..workspace };
    check(decode_workspace(&0u32.to_be_bytes(), &codec::encode(VERSION, &workspace)).map(drop));
}
