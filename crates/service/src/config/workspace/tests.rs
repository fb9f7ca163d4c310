use proptest::prelude::*;

use super::*;
use crate::base::codec;

fn rules() -> NamespaceRules {
    NamespaceRules { priority: 500, exclusive: false, limit: None, blocked: Vec::new(), patterns: Vec::new() }
}

fn new(name: &str) -> NewNamespace {
    NewNamespace { name: name.to_owned(), kind: Kind::Person, normaliser: Normaliser::Lower, rules: rules() }
}

fn code(result: Result<StoredConfig, Error>) -> &'static str {
    match result {
        Ok(config) => {
            assert!(config.to_engine().is_ok(), "what is answered makes a configuration");
            "ok"
        }
        Err(error) => error.code,
    }
}

#[test]
fn a_new_workspace_has_the_default_namespaces() {
    let config = StoredConfig::default();
    let engine = config.to_engine().unwrap();
    assert_eq!(engine.version(), 1);
    let expected: Vec<_> = default_namespaces().iter().map(|namespace| format!("{namespace:?}")).collect();
    let found: Vec<_> = engine.namespaces().iter().map(|namespace| format!("{namespace:?}")).collect();
    assert_eq!(found, expected);
    assert_eq!(engine.limits(), &Limits::default());
}

#[test]
fn namespaces_are_added_under_rules() {
    let with = |change: &dyn Fn(&mut NewNamespace)| {
        let mut new = new("member_card");
        change(&mut new);
        code(add_namespace(&StoredConfig::default(), new))
    };
    let check = |change: &dyn Fn(&mut NewNamespace), expected: &str| assert_eq!(with(change), expected);
    check(&|_| {}, "ok");
    check(&|new| new.name = "Member".to_owned(), "namespace_name_invalid");
    check(&|new| new.name = String::new(), "namespace_name_invalid");
    check(&|new| new.name = "profile_id".to_owned(), "namespace_name_invalid");
    check(&|new| new.name = "email".to_owned(), "namespace_exists");
    check(&|new| new.rules.priority = 0, "priority_invalid");
    check(&|new| new.rules.priority = 1_001, "priority_invalid");
    check(&|new| new.rules.limit = Some(0), "limit_invalid");
    check(&|new| new.rules.limit = Some(1_001), "limit_invalid");
    check(&|new| new.rules.limit = Some(1), "ok");
    check(&|new| new.rules.exclusive = true, "exclusive_taken");
    check(&|new| new.rules.blocked = vec![" ".to_owned()], "blocked_invalid");
    check(&|new| new.rules.blocked = vec!["x".repeat(513)], "blocked_invalid");
    check(&|new| new.rules.blocked = vec!["x".to_owned(); BLOCKED_MAX + 1], "blocked_invalid");
    check(&|new| new.rules.patterns = vec!["(".to_owned()], "pattern_invalid");
    check(&|new| new.rules.patterns = vec!["a)|(b".to_owned()], "pattern_invalid");
    check(&|new| new.rules.patterns = vec![String::new()], "pattern_invalid");
    check(&|new| new.rules.patterns = vec!["a".repeat(501)], "pattern_invalid");
    check(&|new| new.rules.patterns = vec![r"\w{500}{500}".to_owned()], "pattern_invalid");
    check(&|new| new.rules.patterns = vec!["test-.*".to_owned()], "ok");
    check(&|new| new.normaliser = Normaliser::Phone { region: Some(*b"FR") }, "ok");
    check(&|new| new.normaliser = Normaliser::Phone { region: Some(*b"fr") }, "region_invalid");
}

#[test]
fn a_new_namespace_gets_the_next_number_and_version() {
    let before = StoredConfig::default();
    let after = add_namespace(&before, new("member_card")).unwrap();
    assert_eq!(after.version(), before.version() + 1);
    let highest = before.namespaces().iter().map(|namespace| namespace.id.number()).max().unwrap();
    assert_eq!(after.namespace("member_card").unwrap().id.number(), highest + 1);
    assert_eq!(after.namespaces().len(), before.namespaces().len() + 1);
}

#[test]
fn namespaces_are_bounded() {
    let mut config = StoredConfig::default();
    while config.namespaces().len() < NAMESPACES_MAX {
        config = add_namespace(&config, new(&format!("n{}", config.namespaces().len()))).unwrap();
    }
    assert_eq!(code(add_namespace(&config, new("one_more"))), "namespaces_full");
    let long: Vec<_> = (0..BLOCKED_MAX).map(|index| format!("{index:0>500}")).collect();
    let wide = NamespaceRules { blocked: long, ..rules() };
    let config = update_namespace(&config, "n30", None, wide.clone()).unwrap();
    assert_eq!(code(update_namespace(&config, "n31", None, wide)), "config_too_large");
}

#[test]
fn rules_change_and_identity_stays() {
    let before = StoredConfig::default();
    let blocked = vec!["Test@Shop.example ".to_owned(), "test@shop.example".to_owned(), "null".to_owned()];
    let after =
        update_namespace(&before, "email", None, NamespaceRules { limit: Some(3), blocked, ..rules() }).unwrap();
    let [old, email] = [&before, &after].map(|config| config.namespace("email").unwrap());
    assert_eq!((email.id, &email.name, email.kind, email.normaliser), (old.id, &old.name, old.kind, old.normaliser));
    assert_eq!((email.priority, email.limit), (500, Some(3)));
    assert_eq!(email.blocked, ["null", "test@shop.example"]);
    assert_eq!(email.patterns, Vec::<String>::new());
    let again = update_namespace(&after, "email", None, email.rules()).unwrap();
    assert_eq!(again.namespaces(), after.namespaces());

    let check = |name, rules, expected| assert_eq!(code(update_namespace(&before, name, None, rules)), expected);
    check("unheard_of", rules(), "namespace_not_found");
    check("email", NamespaceRules { exclusive: true, ..rules() }, "exclusive_taken");
    check("group_id", NamespaceRules { exclusive: true, ..rules() }, "exclusive_account");
    let free = update_namespace(&before, "user_id", None, rules()).unwrap();
    assert_eq!(code(update_namespace(&free, "email", None, NamespaceRules { exclusive: true, ..rules() })), "ok");
}

#[test]
fn the_primary_namespace_is_a_registered_one() {
    let before = StoredConfig::default();
    assert_eq!(code(set_primary(&before, Some("unheard_of"))), "namespace_not_found");
    let after = set_primary(&before, Some("crm_id")).unwrap();
    assert_eq!(after.primary().map(NamespaceName::as_str), Some("crm_id"));
    assert_eq!(after.to_engine().unwrap().primary(), Some(after.namespace("crm_id").unwrap().id));
    assert_eq!(set_primary(&after, None).unwrap().primary(), None);
}

#[test]
fn limits_are_bounded() {
    let check = |limits: LimitOverrides, expected: &str| {
        assert_eq!(code(set_limits(&StoredConfig::default(), limits)), expected);
    };
    check(LimitOverrides::default(), "ok");
    check(LimitOverrides { hub_links_max: Some(0), ..LimitOverrides::default() }, "limit_invalid");
    check(LimitOverrides { fact_identities_max: Some(33), ..LimitOverrides::default() }, "limit_invalid");
    let limits = LimitOverrides { future_secs_max: Some(60), hub_links_max: Some(7), ..LimitOverrides::default() };
    let engine = set_limits(&StoredConfig::default(), limits).unwrap().to_engine().unwrap();
    let expected = Limits { future_micros_max: 60_000_000, hub_links_max: 7, ..Limits::default() };
    assert_eq!(engine.limits(), &expected);
}

#[test]
fn the_record_is_frozen() {
    let rules = NamespaceRules {
        limit: Some(2),
        blocked: vec!["nobody".to_owned()],
        patterns: vec!["test-.*".to_owned()],
        ..rules()
    };
    let phone = NewNamespace {
        kind: Kind::Account,
        normaliser: Normaliser::Phone { region: Some(*b"FR") },
        rules,
        ..new("switchboard")
    };
    let mut config = StoredConfig { namespaces: Vec::new(), ..StoredConfig::default() };
    config = add_namespace(&config, new("member_card")).unwrap();
    config = add_namespace(&config, phone).unwrap();
    config = set_primary(&config, Some("member_card")).unwrap();
    let limits = LimitOverrides { hub_links_max: Some(300), ..LimitOverrides::default() };
    config = set_limits(&config, limits).unwrap();
    codec::golden("config-1", &encode(&config));
    let main = decode(&encode(&config)).unwrap();
    assert_eq!(StoredConfig { sweeps: config.sweeps.clone(), ..main }, config);
    let rows = rows(&config, &StoredConfig::default());
    assert_eq!(read(rows.iter().map(|(part, row)| (*part, &**row))).unwrap(), config);
}

#[test]
fn what_records_depend_on_starts_a_sweep() {
    let before = StoredConfig::default();
    let check = |change: Result<StoredConfig, Error>, expected: u64| {
        let sweeps = change.unwrap().sweeps;
        assert_eq!((sweeps.number, sweeps.rules, sweeps.is_restaging()), (expected, expected, expected > 0));
    };
    let email = || before.namespace("email").unwrap().rules();
    let rules = |rules: NamespaceRules| update_namespace(&before, "email", None, rules);
    let limits = |limits: LimitOverrides| set_limits(&before, limits);
    check(rules(email()), 0);
    check(rules(NamespaceRules { priority: 90, ..email() }), 1);
    check(rules(NamespaceRules { limit: Some(2), ..email() }), 1);
    check(rules(NamespaceRules { blocked: vec!["a@b.example".to_owned()], ..email() }), 1);
    check(rules(NamespaceRules { patterns: vec!["x.*".to_owned()], ..email() }), 1);
    check(update_namespace(&before, "email", Some(Normaliser::Lower), email()), 1);
    let user = before.namespace("user_id").unwrap().rules();
    check(update_namespace(&before, "user_id", None, NamespaceRules { exclusive: false, ..user }), 1);
    check(add_namespace(&before, new("member_card")), 0);
    check(set_primary(&before, Some("email")), 0);
    check(limits(LimitOverrides { fact_identities_max: Some(3), ..LimitOverrides::default() }), 0);
    check(limits(LimitOverrides { hub_links_max: Some(3), ..LimitOverrides::default() }), 1);
    check(limits(LimitOverrides { profile_identities_max: Some(3), ..LimitOverrides::default() }), 1);
}

fn any_new() -> impl Strategy<Value = NewNamespace> {
    let normaliser = prop_oneof![
        Just(Normaliser::Trim),
        Just(Normaliser::Lower),
        Just(Normaliser::Email),
        Just(Normaliser::Phone { region: None }),
        Just(Normaliser::Phone { region: Some(*b"DE") }),
    ];
    let kind = prop_oneof![Just(Kind::Person), Just(Kind::Account)];
    let words = || prop::collection::vec("[a-zA-Z@. ]{0,8}", 0..4);
    let rules = (0u16..1_100, prop::bool::weighted(0.1), prop::option::of(0u32..1_100), words(), words());
    ("[a-z][a-z0-9_]{0,6}", kind, normaliser, rules).prop_map(|(name, kind, normaliser, rules)| {
        let (priority, exclusive, limit, blocked, patterns) = rules;
        NewNamespace { name, kind, normaliser, rules: NamespaceRules { priority, exclusive, limit, blocked, patterns } }
    })
}

proptest! {
    #[test]
    fn what_is_accepted_is_a_configuration_and_is_read_as_written(changes in prop::collection::vec(any_new(), 1..6)) {
        let mut config = StoredConfig::default();
        for change in changes {
            if let Ok(next) = add_namespace(&config, change) {
                prop_assert!(next.to_engine().is_ok());
                prop_assert_eq!(next.version(), config.version() + 1);
                config = next;
            }
        }
        prop_assert_eq!(decode(&encode(&config)).unwrap(), config);
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = (decode(&bytes), decode_model(&bytes));
    }
}

mod documents;
mod erasure;
mod model;
mod objects;
mod planned;
mod tokens;
mod trust;
