use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use proptest::prelude::*;
use tessera_engine::time::Timestamp;
use tessera_store::faulty::{Faulty, Plan, ReadFault, WriteFault};
use tessera_store::{Commit, MemoryStore, Store};

use super::snapshot::KeyEntry;
use super::*;
use crate::base::error::{Error, ErrorKind};

const BOOTSTRAP: &str = "correct horse battery staple";
const SECOND: i64 = 1_000_000;

/// A directory over a store that fails when told, with a clock that a test moves.
struct World {
    handle: DirectoryHandle,
    store: Faulty,
    clock: Arc<AtomicI64>,
}

impl World {
    async fn open() -> Self {
        Self::over(Faulty::new(Arc::new(MemoryStore::new()), Plan::CALM), 1).await
    }

    async fn over(store: Faulty, seed: u64) -> Self {
        let clock = Arc::new(AtomicI64::new(1_700_000_000 * SECOND));
        let told = Arc::clone(&clock);
        let now = move || Timestamp::from_micros(told.load(Ordering::SeqCst)).expect("an instant");
        let drawn = AtomicU64::new(seed << 32);
        let random = move |bytes: &mut [u8]| {
            let count = drawn.fetch_add(1, Ordering::SeqCst).to_be_bytes();
            bytes.iter_mut().rev().zip(count.iter().rev()).for_each(|(byte, count)| *byte = *count);
        };
        let handle = DirectoryHandle::open(Arc::new(store.clone()), Arc::new(now), Arc::new(random)).await;
        Self { handle: handle.expect("the store answers"), store, clock }
    }

    /// With the operator's key.
    async fn ready() -> (Self, Caller) {
        let world = Self::open().await;
        world.handle.ensure_bootstrap(BOOTSTRAP).await.unwrap();
        let caller = world.handle.authenticate(BOOTSTRAP).unwrap();
        (world, caller)
    }

    fn pass(&self, secs: i64) {
        self.clock.fetch_add(secs * SECOND, Ordering::SeqCst);
    }

    fn code(&self, secret: &str) -> &'static str {
        self.handle.authenticate(secret).map_or_else(|error| error.code, |_| "ok")
    }

    async fn workspace(&self, caller: &Caller, name: &str) -> WorkspaceId {
        let name = Slug::parse(name).unwrap();
        self.handle.create_workspace(caller, caller.organization(), &name).await.unwrap().id
    }

    async fn issue(&self, caller: &Caller, new: NewKey) -> (IssuedKey, Caller) {
        let issued = self.handle.create_key(caller, caller.organization(), &new).await.unwrap();
        let caller = self.handle.authenticate(issued.secret.reveal()).unwrap();
        (issued, caller)
    }
}

fn new_key(permissions: &[Permission], workspaces: Option<&[&str]>) -> NewKey {
    NewKey {
        name: DisplayName::parse("A key").unwrap(),
        class: Class::Private,
        permissions: permissions.iter().copied().collect(),
        workspaces: workspaces.map(|names| names.iter().map(|name| Slug::parse(name).unwrap()).collect()),
        dataset: None,
        datasets: None,
        origins: None,
        expires_at: None,
        rate_limit: None,
    }
}

#[tokio::test]
async fn a_key_that_expires_gives_no_longer_life_than_it_has() {
    let (world, boss) = World::ready().await;
    let start = Timestamp::from_micros(world.clock.load(Ordering::SeqCst)).unwrap();
    let at = |secs: i64| Some(start.plus_micros(secs * SECOND));
    let administers = [Permission::Administer, Permission::Read];
    let short = NewKey { expires_at: at(100), ..new_key(&administers, None) };
    let (issued, admin) = world.issue(&boss, short).await;
    for (expires_at, expected) in
        [(None, "expiry_exceeded"), (at(101), "expiry_exceeded"), (at(100), "ok"), (at(0), "expiry_past")]
    {
        let new = NewKey { expires_at, ..new_key(&[Permission::Read], None) };
        assert_eq!(code(world.handle.create_key(&admin, admin.organization(), &new).await), expected);
    }
    // Its successor expires when it would have, and the grace of the old one is no longer either.
    let next = world.handle.rotate_key(&boss, issued.key.id, (1_000, None)).await.unwrap();
    assert_eq!(next.key.expires_at, issued.key.expires_at);
    world.pass(99);
    assert_eq!([issued.secret.reveal(), next.secret.reveal()].map(|secret| world.code(secret)), ["ok", "ok"]);
    world.pass(1);
    let codes = [issued.secret.reveal(), next.secret.reveal()].map(|secret| world.code(secret));
    assert_eq!(codes, ["key_expired", "key_expired"]);
}

fn all() -> ListQuery {
    ListQuery { limit: LIST_MAX, cursor: None }
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.map_or_else(|error| error.code, |_| "ok")
}

#[tokio::test]
async fn the_bootstrap_key_of_an_older_version_gets_what_is_new() {
    let (world, caller) = World::ready().await;
    let snapshot = world.handle.snapshot();
    let entry = snapshot.key(caller.key()).unwrap();
    let lacking = Permissions::ALL.without(Permission::ReadPrivate);
    let older = KeyEntry { key: Key { permissions: lacking, ..entry.key.clone() }, hash: entry.hash };
    let commit = Commit::new().put(records::key_key(caller.key()), records::encode_key(&older));
    world.store.commit(commit).await.unwrap();

    let again = World::over(world.store.clone(), 2).await;
    assert_eq!(again.handle.authenticate(BOOTSTRAP).unwrap().permissions(), lacking);
    assert_eq!(again.handle.ensure_bootstrap(BOOTSTRAP).await.unwrap(), caller.key());
    assert_eq!(again.handle.authenticate(BOOTSTRAP).unwrap().permissions(), Permissions::ALL);
}

#[tokio::test]
async fn the_bootstrap_key_may_do_everything_and_is_made_once() {
    let (world, caller) = World::ready().await;
    assert_eq!(caller.permissions(), Permissions::ALL);
    assert_eq!(caller.class(), Class::Private);
    let workspace = caller.workspace(None).unwrap();
    assert_eq!(caller.workspace(Some("default")).unwrap(), workspace);
    let version = world.handle.snapshot().root_version;
    assert_eq!(world.handle.ensure_bootstrap(BOOTSTRAP).await.unwrap(), caller.key());
    assert_eq!(world.handle.snapshot().root_version, version, "nothing was written");

    let again = World::over(world.store.clone(), 2).await;
    assert_eq!(again.handle.ensure_bootstrap(BOOTSTRAP).await.unwrap(), caller.key());
    assert_eq!(again.handle.authenticate(BOOTSTRAP).unwrap().workspace(None).unwrap(), workspace);
    for wrong in ["", "1234567", &"x".repeat(201)] {
        assert_eq!(code(again.handle.ensure_bootstrap(wrong).await), "bootstrap_key_invalid");
    }
}

#[tokio::test]
async fn a_changed_bootstrap_secret_replaces_the_former() {
    let (world, first) = World::ready().await;
    world.handle.ensure_bootstrap("another secret").await.unwrap();
    assert_eq!((world.code(BOOTSTRAP), world.code("another secret")), ("key_revoked", "ok"));
    let back = world.handle.ensure_bootstrap(BOOTSTRAP).await.unwrap();
    assert_ne!(back, first.key());
    assert_eq!((world.code(BOOTSTRAP), world.code("another secret")), ("ok", "key_revoked"));
    let caller = world.handle.authenticate(BOOTSTRAP).unwrap();
    world.handle.revoke_key(&caller, back).await.unwrap();
    assert_eq!(world.handle.ensure_bootstrap(BOOTSTRAP).await.unwrap(), back);
    assert_eq!(world.code(BOOTSTRAP), "key_revoked", "what was revoked on purpose stays so");
    assert_eq!(world.handle.snapshot().workspaces().count(), 1);
}

#[tokio::test]
async fn secrets_are_known_or_not() {
    let (world, caller) = World::ready().await;
    let (issued, _) = world.issue(&caller, new_key(&[Permission::Read], None)).await;
    let secret = issued.secret.reveal();
    assert!(secret.starts_with("sk_live_") && secret.len() == 8 + 43);
    assert!(secret.ends_with(&issued.key.last_four));
    assert_eq!(format!("{:?}", issued.secret), "***");
    let public = NewKey { class: Class::Public, ..new_key(&[Permission::Ingest], None) };
    let (public, _) = world.issue(&caller, public).await;
    assert!(public.secret.reveal().starts_with("pk_live_"));
    for (secret, expected) in [
        ("", "key_missing"),
        ("x", "key_unknown"),
        (&secret[..secret.len() - 1], "key_unknown"),
        (&"x".repeat(5_000), "key_unknown"),
        (secret, "ok"),
    ] {
        assert_eq!(world.code(secret), expected);
    }
    let error = world.handle.authenticate("x").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn the_store_holds_no_secret() {
    let (world, caller) = World::ready().await;
    let (issued, _) = world.issue(&caller, new_key(&[Permission::Read], None)).await;
    let snapshot = world.store.snapshot().await.unwrap();
    let everything = tessera_store::KeyRange::all();
    let limit = tessera_store::ScanLimit::rows(10_000);
    let page = snapshot.scan(&everything, limit, tessera_store::Direction::Forward).await.unwrap();
    assert!(page.rows.len() >= 5);
    for secret in [issued.secret.reveal(), BOOTSTRAP] {
        let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!page.rows.iter().any(|row| holds(&row.value) || holds(row.key.as_bytes())));
    }
}

#[tokio::test]
async fn a_caller_reaches_what_its_key_holds() {
    let (world, boss) = World::ready().await;
    let [shop, blog] = [world.workspace(&boss, "shop").await, world.workspace(&boss, "blog").await];
    let (_, one) = world.issue(&boss, new_key(&[Permission::Read], Some(&["shop", "blog", "shop"]))).await;
    let (_, every) = world.issue(&boss, new_key(&[Permission::Read], None)).await;
    let forbidden = Err("workspace_forbidden");
    let named = |caller: &Caller, name| caller.workspace(name).map_err(|error| error.code);
    assert_eq!(named(&one, None), Ok(shop));
    assert_eq!(named(&one, Some("blog")), Ok(blog));
    assert_eq!(named(&one, Some("default")), forbidden);
    let messages = ["default", "unheard of"].map(|name| one.workspace(Some(name)).unwrap_err().to_string());
    assert_eq!(messages[0], messages[1], "the answer does not tell what exists");
    assert_eq!(named(&every, None), named(&boss, Some("default")));
    assert_eq!(named(&every, Some("blog")), Ok(blog));

    let refused = one.require(Permission::Erase).unwrap_err();
    assert_eq!((refused.kind, refused.code), (ErrorKind::Forbidden, "permission_missing"));
    assert!(refused.message.contains("erase"));
    assert!(one.require(Permission::Read).is_ok());

    let late = world.workspace(&boss, "late").await;
    assert!(!every.holds(late), "a caller sees the directory of its authentication");
}

#[tokio::test]
async fn organizations_do_not_reach_each_other() {
    let (world, operator) = World::ready().await;
    let other = world.handle.create_organization(&operator, &Slug::parse("acme").unwrap()).await.unwrap();
    let shop = Slug::parse("default").unwrap();
    let theirs = world.handle.create_workspace(&operator, other.id, &shop).await.unwrap();
    let admin = new_key(&[Permission::Read, Permission::Administer], None);
    let issued = world.handle.create_key(&operator, other.id, &admin).await.unwrap();
    let acme = world.handle.authenticate(issued.secret.reveal()).unwrap();
    let operator = world.handle.authenticate(BOOTSTRAP).unwrap();

    assert_eq!(acme.workspace(None).unwrap(), theirs.id);
    assert_ne!(operator.workspace(Some("default")).unwrap(), theirs.id);
    assert!(!operator.holds(theirs.id), "to operate is not to read");
    let not_found = "organization_not_found";
    assert_eq!(code(world.handle.organization(&acme, Some("default"))), not_found);
    assert_eq!(code(world.handle.organization(&acme, Some("unheard_of"))), not_found);
    assert_eq!(world.handle.organization(&acme, None).unwrap().id, other.id);
    assert_eq!(code(world.handle.keys(&acme, operator.organization(), &all())), not_found);
    assert_eq!(code(world.handle.key(&acme, operator.key())), "key_not_found");
    assert_eq!(code(world.handle.revoke_key(&acme, operator.key()).await), "key_not_found");
    assert_eq!(code(world.handle.rotate_key(&acme, operator.key(), (0, None)).await), "key_not_found");
    assert_eq!(code(world.handle.create_key(&acme, operator.organization(), &admin).await), not_found);
    assert_eq!(code(world.handle.create_organization(&acme, &shop).await), "permission_missing");
    let names = |caller| {
        let page = world.handle.organizations(caller, &all()).unwrap();
        page.items.iter().map(|organization| organization.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&acme), ["acme"]);
    assert_eq!(names(&operator), ["default", "acme"]);
    assert_eq!(world.handle.keys(&operator, other.id, &all()).unwrap().items.len(), 1);
    assert_eq!(code(world.handle.create_organization(&operator, &other.name).await), "organization_exists");
    assert_eq!(code(world.handle.create_workspace(&operator, other.id, &shop).await), "workspace_exists");
}

#[tokio::test]
async fn nobody_makes_a_key_that_may_do_more() {
    let (world, boss) = World::ready().await;
    world.workspace(&boss, "shop").await;
    world.workspace(&boss, "blog").await;
    let (narrow, admin) =
        world.issue(&boss, new_key(&[Permission::Administer, Permission::Read], Some(&["shop", "blog"]))).await;
    let check = async |new: NewKey, expected: &str| {
        assert_eq!(code(world.handle.create_key(&admin, admin.organization(), &new).await), expected);
    };
    check(new_key(&[Permission::Read], Some(&["blog"])), "ok").await;
    check(new_key(&[Permission::Export], Some(&["blog"])), "permission_exceeded").await;
    check(new_key(&[Permission::Operate], Some(&["blog"])), "permission_exceeded").await;
    check(new_key(&[Permission::Read], None), "scope_exceeded").await;
    check(new_key(&[Permission::Read], Some(&["default"])), "workspace_forbidden").await;
    check(new_key(&[Permission::Read], Some(&["unheard_of"])), "workspace_forbidden").await;
    check(new_key(&[Permission::Read], Some(&[])), "workspaces_empty").await;
    check(new_key(&[], Some(&["blog"])), "permissions_empty").await;
    let public = NewKey { class: Class::Public, ..new_key(&[Permission::Read], Some(&["blog"])) };
    check(public, "public_key_permission").await;

    let (wide, _) = world.issue(&boss, new_key(&[Permission::Erase], Some(&["shop"]))).await;
    let (whole, reader) = world.issue(&boss, new_key(&[Permission::Read], None)).await;
    assert_eq!(code(world.handle.rotate_key(&admin, wide.key.id, (0, None)).await), "permission_exceeded");
    assert_eq!(code(world.handle.rotate_key(&admin, whole.key.id, (0, None)).await), "key_not_found");
    assert_eq!(code(world.handle.key(&reader, whole.key.id)), "permission_missing");
    assert_eq!(
        code(world.handle.create_workspace(&admin, admin.organization(), &Slug::parse("x").unwrap()).await),
        "scope_exceeded"
    );
    assert_eq!(code(world.handle.workspace(&admin, admin.organization(), "default")), "workspace_forbidden");
    let seen = world.handle.workspaces(&admin, admin.organization(), &all()).unwrap();
    assert_eq!(seen.items.iter().map(|workspace| workspace.name.as_str()).collect::<Vec<_>>(), ["shop", "blog"]);

    world.handle.revoke_key(&boss, narrow.key.id).await.unwrap();
    check(new_key(&[Permission::Read], Some(&["blog"])), "key_revoked").await;
}

#[tokio::test]
async fn who_runs_the_host_gets_no_key_to_the_data_of_others() {
    let (world, boss) = World::ready().await;
    let acme = world.handle.create_organization(&boss, &Slug::parse("acme").unwrap()).await.unwrap();
    let boss = world.handle.authenticate(BOOTSTRAP).unwrap();
    world.handle.create_workspace(&boss, acme.id, &Slug::parse("shop").unwrap()).await.unwrap();
    let create = async |new: NewKey| world.handle.create_key(&boss, acme.id, &new).await;
    let first = create(new_key(&[Permission::Administer, Permission::Read, Permission::Export], None)).await.unwrap();
    let own = world.handle.authenticate(first.secret.reveal()).unwrap();
    for permission in Permission::ALL {
        let expected = if permission.is_about_data() { "organization_has_keys" } else { "ok" };
        assert_eq!(code(create(new_key(&[permission], Some(&["shop"]))).await), expected, "{permission:?}");
    }
    assert_eq!(code(world.handle.rotate_key(&boss, first.key.id, (0, None)).await), "organization_has_keys");
    let reader = new_key(&[Permission::Read], Some(&["shop"]));
    assert_eq!(code(world.handle.create_key(&own, acme.id, &reader).await), "ok");

    // Nor when all its keys were revoked, however long ago.
    for key in world.handle.keys(&boss, acme.id, &all()).unwrap().items {
        world.handle.revoke_key(&boss, key.id).await.unwrap();
    }
    world.pass(i64::from(RETIRED_KEY_SECS) + 1);
    assert_eq!(code(create(reader.clone()).await), "organization_has_keys");
    assert_eq!(code(create(new_key(&[Permission::Administer], None)).await), "ok");
    assert_eq!(code(create(reader).await), "organization_has_keys");
}

#[tokio::test]
async fn a_key_of_some_workspaces_that_runs_the_host_gives_no_others() {
    let (world, boss) = World::ready().await;
    world.workspace(&boss, "shop").await;
    world.workspace(&boss, "blog").await;
    let all_of = [Permission::Operate, Permission::Administer, Permission::Read];
    let (_, narrow) = world.issue(&boss, new_key(&all_of, Some(&["shop"]))).await;
    let (wide, _) = world.issue(&boss, new_key(&[Permission::Read], None)).await;
    let (other, _) = world.issue(&boss, new_key(&[Permission::Read], Some(&["blog"]))).await;
    for (workspaces, expected) in
        [(Some(&["shop"][..]), "ok"), (Some(&["blog"][..]), "scope_exceeded"), (None, "scope_exceeded")]
    {
        let made =
            world.handle.create_key(&narrow, narrow.organization(), &new_key(&[Permission::Read], workspaces)).await;
        assert_eq!(code(made), expected, "{workspaces:?}");
    }
    for key in [wide.key.id, other.key.id] {
        assert_eq!(code(world.handle.rotate_key(&narrow, key, (0, None)).await), "scope_exceeded");
    }
}

#[tokio::test]
async fn a_rotated_key_works_for_its_grace() {
    let (world, boss) = World::ready().await;
    let (old, _) = world.issue(&boss, new_key(&[Permission::Read], None)).await;
    let new = world.handle.rotate_key(&boss, old.key.id, (60, None)).await.unwrap();
    let codes = || [old.secret.reveal(), new.secret.reveal()].map(|secret| world.code(secret));
    assert_eq!(codes(), ["ok", "ok"]);
    assert_eq!((new.key.permissions, &new.key.scope), (old.key.permissions, &old.key.scope));
    assert_eq!(world.handle.key(&boss, old.key.id).unwrap().replaced_by, Some(new.key.id));
    assert_eq!(code(world.handle.rotate_key(&boss, old.key.id, (0, None)).await), "key_retired");
    world.pass(59);
    assert_eq!(codes(), ["ok", "ok"]);
    world.pass(1);
    assert_eq!(codes(), ["key_expired", "ok"]);

    let newest = world.handle.rotate_key(&boss, new.key.id, (0, None)).await.unwrap();
    assert_eq!(world.code(new.secret.reveal()), "key_revoked");
    world.pass(-30);
    assert_eq!(world.code(new.secret.reveal()), "key_revoked", "whatever the clock says");
    assert_eq!(code(world.handle.rotate_key(&boss, newest.key.id, (GRACE_SECS_MAX + 1, None)).await), "grace_invalid");

    let gone = world.handle.revoke_key(&boss, newest.key.id).await.unwrap();
    assert_eq!(world.code(newest.secret.reveal()), "key_revoked");
    assert_eq!(world.handle.revoke_key(&boss, newest.key.id).await.unwrap(), gone);
    assert_eq!(code(world.handle.rotate_key(&boss, newest.key.id, (0, None)).await), "key_retired");
}

#[tokio::test]
async fn keys_retired_long_ago_are_forgotten() {
    let (world, boss) = World::ready().await;
    let (old, _) = world.issue(&boss, new_key(&[Permission::Read], None)).await;
    world.handle.revoke_key(&boss, old.key.id).await.unwrap();
    let listed = || world.handle.keys(&boss, boss.organization(), &all()).unwrap().items.len();
    world.pass(i64::from(RETIRED_KEY_SECS) - 1);
    world.issue(&boss, new_key(&[Permission::Read], None)).await;
    assert_eq!(listed(), 3);
    world.pass(1);
    world.issue(&boss, new_key(&[Permission::Read], None)).await;
    assert_eq!(listed(), 3);
    assert_eq!(world.code(old.secret.reveal()), "key_unknown");
    let again = World::over(world.store.clone(), 2).await;
    assert_eq!(again.code(old.secret.reveal()), "key_unknown");
}

#[tokio::test]
async fn rate_limits_are_set_and_lifted() {
    let (world, boss) = World::ready().await;
    let (issued, caller) = world.issue(&boss, new_key(&[Permission::Administer], None)).await;
    let limit = Some(RateLimit::new(10, 20, 30).unwrap());
    let workspace = boss.workspace(None).unwrap();
    assert_eq!(world.handle.set_key_rate_limit(&caller, issued.key.id, limit).await.unwrap().rate_limit, limit);
    let refused = world.handle.set_workspace_rate_limit(&caller, workspace, limit).await;
    assert_eq!(code(refused), "permission_missing");
    world.handle.set_workspace_rate_limit(&boss, workspace, limit).await.unwrap();
    for world in [&world, &World::over(world.store.clone(), 2).await] {
        let caller = world.handle.authenticate(issued.secret.reveal()).unwrap();
        assert_eq!((caller.rate_limit(), caller.workspace_rate_limit(workspace)), (limit, limit));
    }
    assert_eq!(world.handle.set_key_rate_limit(&caller, issued.key.id, None).await.unwrap().rate_limit, None);
    for wrong in [(0, 1, 1), (1, 0, 1), (1, 1, 0), (RateLimit::MAX + 1, 1, 1)] {
        assert_eq!(code(RateLimit::new(wrong.0, wrong.1, wrong.2)), "rate_limit_invalid");
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let (world, boss) = World::ready().await;
    for index in 0..6 {
        world.workspace(&boss, &format!("w{index}")).await;
    }
    let mut names = Vec::new();
    let mut query = ListQuery { limit: 3, cursor: None };
    loop {
        let page = world.handle.workspaces(&boss, boss.organization(), &query).unwrap();
        names.push(page.items.iter().map(|workspace| workspace.name.to_string()).collect::<Vec<_>>().join(" "));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(names, ["default w0 w1", "w2 w3 w4", "w5"]);
    for (limit, cursor, expected) in [
        (0, None, "limit_invalid"),
        (LIST_MAX + 1, None, "limit_invalid"),
        (1, Some("?"), "cursor_invalid"),
        (1, Some("00000000000000000000000000"), "cursor_invalid"),
        (1, Some("ff"), "ok"),
    ] {
        let query = ListQuery { limit, cursor: cursor.map(str::to_owned) };
        assert_eq!(code(world.handle.keys(&boss, boss.organization(), &query)), expected);
    }
}

/// What a caller hears, and whether the workspace is there in the end, when the first commit meets a fault.
#[tokio::test]
async fn faults_of_the_store_are_told_as_they_are() {
    let check = async |fault: WriteFault, read: Option<ReadFault>, expected: &str, there: bool| {
        let (world, boss) = World::ready().await;
        world.store.script_write(Some(fault));
        if read.is_some() {
            world.store.script_read(read);
        }
        let name = Slug::parse("shop").unwrap();
        let result = world.handle.create_workspace(&boss, boss.organization(), &name).await;
        assert_eq!(code(result), expected);
        world.handle.refresh().await.unwrap();
        let again = World::over(world.store.clone(), 2).await;
        for handle in [&world.handle, &again.handle] {
            let found = handle.snapshot().workspaces().filter(|workspace| workspace.name == name).count();
            assert_eq!(found, usize::from(there));
        }
    };
    check(WriteFault::Conflict, None, "ok", true).await;
    check(WriteFault::AmbiguousDone, None, "ok", true).await;
    check(WriteFault::AmbiguousLost, None, "ok", true).await;
    check(WriteFault::Unavailable, None, "store_unavailable", false).await;
    check(WriteFault::Corrupt, None, "store_corrupt", false).await;
    check(WriteFault::AmbiguousDone, Some(ReadFault::Unavailable), "outcome_unknown", true).await;
    check(WriteFault::AmbiguousLost, Some(ReadFault::Unavailable), "outcome_unknown", false).await;
}

#[tokio::test]
async fn two_processes_change_one_directory() {
    let (one, boss) = World::ready().await;
    let two = World::over(one.store.clone(), 2).await;
    let ids = [
        one.workspace(&boss, "first").await,
        two.workspace(&boss, "second").await,
        one.workspace(&boss, "third").await,
    ];
    assert!(ids.is_sorted() && ids[0] != ids[1] && ids[1] != ids[2]);
    let name = Slug::parse("third").unwrap();
    let again = two.handle.create_workspace(&boss, boss.organization(), &name).await;
    assert_eq!(code(again), "workspace_exists");
    let (issued, _) = one.issue(&boss, new_key(&[Permission::Read], None)).await;
    assert_eq!(two.code(issued.secret.reveal()), "key_unknown");
    two.handle.refresh().await.unwrap();
    assert_eq!(two.code(issued.secret.reveal()), "ok");
}

#[test]
fn names_are_read_or_refused() {
    for (text, fits) in [
        ("a", true),
        ("0-a_b", true),
        (&*"x".repeat(64), true),
        ("", false),
        ("-a", false),
        ("A", false),
        ("a b", false),
        (&*"x".repeat(65), false),
    ] {
        assert_eq!(Slug::parse(text).is_ok(), fits, "{text}");
    }
    assert_eq!(DisplayName::parse("  Web shop ").unwrap().as_str(), "Web shop");
    for wrong in ["", "  ", "a\nb", &"x".repeat(101)] {
        assert_eq!(code(DisplayName::parse(wrong)), "display_name_invalid");
    }
}

proptest! {
    #[test]
    fn permissions_are_a_set(bits in 0u16..512, other in 0u16..512) {
        let [one, two] = [bits, other].map(|bits| Permissions::from_bits(bits).expect("all bits are known"));
        prop_assert_eq!(one.iter().collect::<Permissions>(), one);
        prop_assert_eq!(one.covers(two), two.iter().all(|permission| one.contains(permission)));
        for permission in Permission::ALL {
            prop_assert_eq!(Permission::parse(permission.name()).unwrap(), permission);
            let includes = permission == Permission::ReadPublic && one.contains(Permission::Read);
            prop_assert_eq!(one.allow(permission), one.contains(permission) || includes);
            prop_assert!(one.with(permission).contains(permission) && !one.without(permission).contains(permission));
        }
        prop_assert!(Permissions::from_bits(bits | 512).is_none());
    }

    #[test]
    fn ids_are_read_as_shown(bytes: [u8; 12], text in ".*") {
        let id = KeyId::from_bytes(bytes);
        prop_assert_eq!(KeyId::parse(&id.to_string()).unwrap(), id);
        let _ = KeyId::parse(&text);
    }
}

mod datasets;
