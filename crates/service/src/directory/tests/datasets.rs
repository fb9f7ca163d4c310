//! The datasets of keys.

use super::*;

fn dataset(name: &str) -> Dataset {
    Dataset::parse(name).expect("a dataset")
}

fn named(class: Class, own: Option<&str>, allowed: Option<&[&str]>) -> NewKey {
    NewKey {
        class,
        dataset: own.map(dataset),
        datasets: allowed.map(|names| names.iter().map(|name| dataset(name)).collect()),
        ..new_key(&[Permission::Ingest], None)
    }
}

#[tokio::test]
async fn a_private_key_sends_to_segment_and_a_public_one_to_its_own() {
    let (world, root) = World::ready().await;
    assert_eq!((root.datasets().own.as_str(), &root.datasets().allowed), ("segment", &None));
    let check = async |new: NewKey, own: &str, may: &[&str], may_not: &[&str]| {
        let (issued, caller) = world.issue(&root, new).await;
        let expected = own.replace("{id}", &issued.key.id.to_string());
        assert_eq!(issued.key.datasets.own.as_str(), expected);
        may.iter().for_each(|name| assert_eq!(code(caller.datasets().check(name)), "ok", "{name}"));
        may_not.iter().for_each(|name| assert_eq!(code(caller.datasets().check(name)), "dataset_forbidden", "{name}"));
    };
    check(named(Class::Private, None, None), "segment", &["crm", "segment"], &[]).await;
    check(named(Class::Private, Some("shop"), None), "shop", &["crm", "segment"], &[]).await;
    check(named(Class::Private, None, Some(&["crm", "erp", "crm"])), "crm", &["crm", "erp"], &["segment", "x"]).await;
    check(named(Class::Private, Some("erp"), Some(&["crm", "erp"])), "erp", &["crm", "erp"], &["segment"]).await;
    check(named(Class::Public, None, None), "public-{id}", &[], &[]).await;
    check(named(Class::Public, None, None), "public-{id}", &[], &[]).await;
    check(named(Class::Public, Some("web"), None), "web", &[], &[]).await;
    check(named(Class::Public, Some("web"), None), "web", &[], &[]).await;
    let again = World::over(world.store.clone(), 2).await;
    assert_eq!(again.handle.snapshot().keys().filter(|entry| entry.key.datasets.own.as_str() == "web").count(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_datasets_is_named() {
    let (world, root) = World::ready().await;
    world.issue(&root, named(Class::Public, Some("web"), None)).await;
    world.issue(&root, named(Class::Private, Some("shop"), None)).await;
    let many: Vec<Dataset> = (0..=DATASETS_MAX).map(|number| dataset(&number.to_string())).collect();
    let check = async |new: NewKey, expected: &str| {
        assert_eq!(code(world.handle.create_key(&root, root.organization(), &new).await), expected);
    };
    check(named(Class::Private, None, Some(&[])), "datasets_empty").await;
    check(NewKey { datasets: Some(many), ..named(Class::Private, None, None) }, "datasets_full").await;
    check(named(Class::Private, Some("crm"), Some(&["erp"])), "dataset_not_listed").await;
    check(named(Class::Public, Some("segment"), None), "dataset_taken").await;
    check(named(Class::Public, None, Some(&["segment"])), "dataset_taken").await;
    check(named(Class::Public, Some("shop"), None), "dataset_taken").await;
    check(named(Class::Private, Some("web"), None), "dataset_taken").await;
    check(named(Class::Private, Some("shop"), None), "ok").await;
    for (name, expected) in [("", "dataset_invalid"), (" a", "dataset_invalid"), ("$ours", "dataset_reserved")] {
        assert_eq!(code(Dataset::parse(name)), expected, "{name}");
    }
    assert_eq!(code(Dataset::parse(&"x".repeat(101))), "dataset_invalid");
}

#[tokio::test]
async fn a_key_that_is_confined_confines() {
    let (world, root) = World::ready().await;
    let admin = NewKey {
        datasets: Some(vec![dataset("crm"), dataset("erp")]),
        ..new_key(&[Permission::Ingest, Permission::Administer], None)
    };
    let (_, admin) = world.issue(&root, admin).await;
    let check = async |new: NewKey, expected: &str| {
        assert_eq!(code(world.handle.create_key(&admin, admin.organization(), &new).await), expected);
    };
    check(named(Class::Private, None, None), "dataset_forbidden").await;
    check(named(Class::Private, Some("crm"), None), "dataset_forbidden").await;
    check(named(Class::Private, None, Some(&["crm", "web"])), "dataset_forbidden").await;
    check(named(Class::Private, None, Some(&["erp"])), "ok").await;
    check(named(Class::Public, None, None), "dataset_forbidden").await;
    // Nor does it take over what may do more.
    let (wide, _) = world.issue(&root, named(Class::Private, None, None)).await;
    assert_eq!(code(world.handle.rotate_key(&admin, wide.key.id, (0, None)).await), "dataset_forbidden");
}

#[tokio::test]
async fn a_successor_sends_where_the_old_key_did_unless_another_dataset_is_named() {
    let (world, root) = World::ready().await;
    // A public key from before keys had datasets.
    let (old, _) = world.issue(&root, named(Class::Public, None, None)).await;
    let snapshot = world.handle.snapshot();
    let entry = snapshot.key(old.key.id).unwrap();
    let datasets = Datasets { own: dataset("segment"), allowed: None };
    let before = KeyEntry { key: Key { datasets, ..old.key.clone() }, hash: entry.hash };
    let commit = Commit::new().put(records::key_key(old.key.id), records::encode_key(&before));
    world.store.commit(commit).await.unwrap();
    let world = World::over(world.store.clone(), 2).await;
    let root = world.handle.authenticate(BOOTSTRAP).unwrap();

    let rotate = |id, name: Option<&str>| {
        let name = name.map(dataset);
        let (world, root) = (&world, &root);
        async move { world.handle.rotate_key(root, id, (60, name.as_ref())).await }
    };
    let same = rotate(old.key.id, None).await.unwrap();
    assert_eq!(same.key.datasets.own.as_str(), "segment");
    let moved = rotate(same.key.id, Some("web")).await.unwrap();
    assert_eq!(moved.key.datasets.own.as_str(), "web");
    let kept = rotate(moved.key.id, None).await.unwrap();
    assert_eq!(kept.key.datasets.own.as_str(), "web");
    assert_eq!(code(rotate(kept.key.id, Some("segment")).await), "dataset_taken");
    let (confined, _) = world.issue(&root, named(Class::Private, None, Some(&["crm"]))).await;
    assert_eq!(code(rotate(confined.key.id, Some("erp")).await), "dataset_not_listed");
}
