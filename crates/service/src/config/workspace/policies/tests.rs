use proptest::prelude::*;
use tessera_engine::policy::{AttributeMerge, DatasetList, IdentityGraph, Rule};
use tessera_engine::value::Path;

use super::*;
use crate::base::codec;
use crate::config::workspace::{CONFIG_BYTES_MAX, Part, read, rows};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).unwrap()
}

fn id(text: &str) -> PolicyId {
    PolicyId::parse(text).unwrap()
}

fn content(name: &str, policy: MergePolicy) -> PolicyContent {
    PolicyContent { name: DisplayName::parse(name).unwrap(), policy }
}

fn plain() -> PolicyContent {
    content("Plain", MergePolicy::default())
}

fn with(ids: &[&str]) -> StoredConfig {
    ids.iter().fold(StoredConfig::default(), |config, own| add_policy(&config, id(own), plain(), at(1)).unwrap())
}

fn code(result: Result<StoredConfig, Error>) -> &'static str {
    result.map_or_else(|error| error.code, |_| "ok")
}

/// What is read back from the rows that a change writes over those that stood.
fn restarted(config: &StoredConfig, before: &StoredConfig) -> StoredConfig {
    let rows = rows(config, before);
    read(rows.iter().map(|(part, bytes)| (*part, &**bytes))).unwrap()
}

#[test]
fn a_new_workspace_has_the_built_in_policy_alone() {
    let config = StoredConfig::default();
    let ids: Vec<_> = config.policies().iter().map(|policy| policy.id.as_str()).collect();
    assert_eq!((ids, config.policies().default_id().as_str()), (vec!["default"], "default"));
    let built_in = config.policies().find("default").unwrap();
    assert_eq!((built_in.origin, built_in.version), (Origin::BuiltIn, 1));
    assert_eq!(built_in.content.policy, MergePolicy::default());
}

#[test]
fn policies_change_under_rules() {
    let config = with(&["crm", "web"]);
    let check = |result: Result<StoredConfig, Error>, expected: &str| assert_eq!(code(result), expected);
    check(add_policy(&config, id("app"), plain(), at(2)), "ok");
    check(add_policy(&config, id("crm"), plain(), at(2)), "merge_policy_exists");
    check(add_policy(&config, id("default"), plain(), at(2)), "merge_policy_exists");
    check(replace_policy(&config, "crm", plain(), None, at(2)), "ok");
    check(replace_policy(&config, "crm", plain(), Some(1), at(2)), "ok");
    check(replace_policy(&config, "crm", plain(), Some(2), at(2)), "merge_policy_changed");
    check(replace_policy(&config, "none", plain(), None, at(2)), "merge_policy_not_found");
    check(replace_policy(&config, "default", plain(), None, at(2)), "merge_policy_built_in");
    check(delete_policy(&config, "crm"), "ok");
    check(delete_policy(&config, "none"), "merge_policy_not_found");
    check(delete_policy(&config, "default"), "merge_policy_built_in");
    check(set_default_policy(&config, "none"), "merge_policy_not_found");
    let crm = set_default_policy(&config, "crm").unwrap();
    check(delete_policy(&crm, "crm"), "merge_policy_is_default");
    check(delete_policy(&crm, "default"), "merge_policy_built_in");
    check(delete_policy(&crm, "web"), "ok");
    check(delete_policy(&set_default_policy(&crm, "default").unwrap(), "crm"), "ok");
    assert_eq!(PolicyId::parse("CRM first").unwrap_err().code, "name_invalid");
}

#[test]
fn a_replacement_is_the_next_version() {
    let before = with(&["crm"]);
    let none = MergePolicy::new(IdentityGraph::None, AttributeMerge::Newest, []).unwrap();
    let after = replace_policy(&before, "crm", content("Alone", none.clone()), Some(1), at(9)).unwrap();
    let policy = after.policies().find("crm").unwrap();
    assert_eq!((policy.version, &policy.content), (2, &content("Alone", none)));
    assert_eq!(policy.origin, Origin::Made { created_at: at(1), updated_at: at(9) });
    assert_eq!(after.version(), before.version() + 1);
    // A clock that went back makes no policy that changed before it was made.
    let after = replace_policy(&after, "crm", plain(), None, at(0)).unwrap();
    let policy = after.policies().find("crm").unwrap();
    assert_eq!(policy.origin, Origin::Made { created_at: at(1), updated_at: at(1) });
}

#[test]
fn a_read_asks_for_a_policy_or_gets_the_default_one() {
    let config = with(&["crm"]);
    let asked = |config: &StoredConfig, own| config.policies().asked(own).map(|policy| policy.id.to_string());
    assert_eq!(asked(&config, None).unwrap(), "default");
    assert_eq!(asked(&config, Some("crm")).unwrap(), "crm");
    assert_eq!(asked(&set_default_policy(&config, "crm").unwrap(), None).unwrap(), "crm");
    let error = asked(&config, Some("")).unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::Invalid, "merge_policy_unknown"));
    assert!(error.message.ends_with("crm, default"), "{error}");
}

#[test]
fn policies_are_bounded() {
    let ids: Vec<String> = (0..POLICIES_MAX).map(|at| format!("p{at}")).collect();
    let config = with(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code(add_policy(&config, id("more"), plain(), at(2))), "merge_policies_full");
    assert_eq!(code(add_policy(&delete_policy(&config, "p7").unwrap(), id("more"), plain(), at(2))), "ok");

    // Two hundred rules with a hundred datasets of a hundred bytes each.
    let datasets: Vec<Arc<str>> = (0..100).map(|at| format!("{at:0>100}").into()).collect();
    let rule = |at: usize| (Path::root(&format!("a{at}")).unwrap(), Rule::SourcePriority(datasets.clone()));
    let policy = MergePolicy::new(IdentityGraph::Full, AttributeMerge::Newest, (0..200).map(rule)).unwrap();
    const { assert!(200 * 100 * 100 > CONFIG_BYTES_MAX) };
    let wide = content("Wide", policy);
    assert_eq!(code(add_policy(&StoredConfig::default(), id("wide"), wide, at(2))), "config_too_large");
}

#[test]
fn what_is_no_policy_has_its_code_and_its_place() {
    let list = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
    let path = |text: &str| Path::parse(text).unwrap();
    let rules = |rules: Vec<(Path, Rule)>| {
        MergePolicy::new(IdentityGraph::Full, AttributeMerge::Precedence(list(&["crm"])), rules)
    };
    let check = |result: Result<MergePolicy, InvalidPolicy>, expected: &str, place: &str| {
        let error = invalid_policy(&result.unwrap_err());
        assert_eq!((error.kind, error.code), (ErrorKind::Invalid, expected));
        assert!(error.message.contains(place), "{error}");
    };
    let source = |names: &[&str]| vec![(path("a.b"), Rule::SourcePriority(list(names)))];
    let own = |order| MergePolicy::new(IdentityGraph::Full, AttributeMerge::Precedence(order), []);
    check(own(list(&[])), "datasets_empty", "list=precedence");
    check(rules(source(&[])), "datasets_empty", "list=source_priority path=a.b");
    check(own(list(&["crm", "crm"])), "dataset_duplicate", "list=precedence dataset=crm");
    check(rules(source(&["crm", "crm"])), "dataset_duplicate", "path=a.b dataset=crm");
    check(rules(source(&["web"])), "dataset_not_listed", "path=a.b dataset=web");
    let many: Vec<Arc<str>> = (0..101).map(|at| at.to_string().into()).collect();
    check(own(many), "datasets_too_many", "list=precedence datasets=101 datasets_max=100");
    check(rules(vec![(path("a"), Rule::Min), (path("a"), Rule::Max)]), "rule_duplicate", "path=a");
    let named = (0..201).map(|at| (path(&at.to_string()), Rule::Min)).collect();
    check(rules(named), "rules_too_many", "rules=201 rules_max=200");
    let error = InvalidPolicy::NoDatasets(DatasetList::Precedence).to_string();
    assert_eq!(invalid_policy(&InvalidPolicy::NoDatasets(DatasetList::Precedence)).message, error);
}

/// A policy with every graph, merge and rule among these three.
fn every_kind() -> StoredConfig {
    let list = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
    let rules = [
        ("newest", Rule::Newest),
        ("first", Rule::First),
        ("min", Rule::Min),
        ("max", Rule::Max),
        ("union", Rule::Union),
        ("frequent", Rule::MostFrequent),
        (r"with\.dot.below", Rule::SourcePriority(list(&["web", "crm"]))),
    ];
    let rules = rules.map(|(path, rule)| (Path::parse(path).unwrap(), rule));
    let crm = MergePolicy::new(IdentityGraph::Full, AttributeMerge::Precedence(list(&["crm", "web"])), rules).unwrap();
    let alone = MergePolicy::new(IdentityGraph::None, AttributeMerge::Newest, []).unwrap();
    let config = add_policy(&StoredConfig::default(), id("crm-first"), content("CRM first", crm), at(5)).unwrap();
    let config = add_policy(&config, id("alone"), content("Alone", alone.clone()), at(6)).unwrap();
    let config = replace_policy(&config, "alone", content("Quite alone", alone), None, at(7)).unwrap();
    set_default_policy(&config, "crm-first").unwrap()
}

#[test]
fn the_record_is_frozen() {
    let config = every_kind();
    codec::golden("policies-1", &encode(config.policies()));
    assert_eq!(decode(&encode(config.policies())).unwrap(), *config.policies());
}

#[test]
fn a_row_is_written_where_policies_differ_and_read_again() {
    let before = StoredConfig::default();
    let config = every_kind();
    assert_eq!(restarted(&config, &before), config);
    let parts = |config: &StoredConfig, before: &StoredConfig| -> Vec<Part> {
        rows(config, before).into_iter().map(|(part, _)| part).collect()
    };
    assert_eq!(parts(&config, &before), [Part::Main, Part::Policies]);
    let primary = crate::config::workspace::set_primary(&config, Some("crm_id")).unwrap();
    assert_eq!(parts(&primary, &config), [Part::Main]);
    assert_eq!(Part::of_suffix(&[1]), Some(Part::Policies));
}

#[test]
fn damaged_records_are_told() {
    let policies = every_kind().policies;
    let check = |change: &dyn Fn(&mut Policies)| {
        let mut damaged = policies.clone();
        change(&mut damaged);
        let error = decode(&encode(&damaged)).unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Corrupt, "record_corrupt"));
    };
    check(&|damaged| damaged.default = id("gone"));
    let made = Origin::Made { created_at: at(1), updated_at: at(1) };
    let of = |own: &str| StoredPolicy { id: id(own), version: 1, origin: made, content: plain() };
    // Nobody can have made the built-in one, and no two have one id.
    check(&|damaged| damaged.put(of("default")));
    check(&|damaged| drop(damaged.by_id.insert(id("twice"), Arc::new(of("alone")))));
}

proptest! {
    #[test]
    fn what_is_accepted_is_read_as_written(ids in prop::collection::vec("[a-z0-9][a-z0-9_-]{0,4}", 1..8), last in any::<prop::sample::Index>()) {
        let mut config = StoredConfig::default();
        for (seconds, own) in (0..).zip(&ids) {
            let changed = add_policy(&config, id(own), plain(), at(seconds));
            config = changed.or_else(|_| replace_policy(&config, own, plain(), None, at(seconds))).unwrap_or(config);
        }
        config = set_default_policy(&config, &ids[last.index(ids.len())]).unwrap();
        prop_assert_eq!(decode(&encode(config.policies())).unwrap(), config.policies);
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = decode(&bytes);
    }
}
