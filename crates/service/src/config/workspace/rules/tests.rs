//! Changes of the rules: which versions, numbers and aggregates come of them, and what is refused.

use tessera_engine::model::{DataModel, Definition as ModelDefinition, EventType, Window};
use tessera_engine::policy::{AttributeMerge, IdentityGraph, MergePolicy};

use super::super::{PolicyContent, add_policy, delete_policy, with_model};
use super::*;
use crate::base::codec::{golden, thawed};
use crate::directory::DisplayName;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000).expect("in bounds")
}

fn content(kind: RuleKind, pql: &str) -> Content {
    let expr = pql::parse(pql).expect("a rule");
    let definition = Definition::new(kind, expr, Zone::utc(), None).expect("a rule");
    Content { display_name: None, description: None, definition, is_draft: false }
}

fn put(config: &StoredConfig, kind: RuleKind, name: &str, pql: &str) -> Result<StoredConfig, Error> {
    let name = RuleName::parse(kind, name)?;
    put_rule(config, kind, &name, content(kind, pql), None, at(0))
}

fn of_events(config: &StoredConfig, name: &str, pql: &str, is_draft: bool) -> Result<StoredConfig, Error> {
    let definition = Definition::of_events(pql::parse(pql).expect("a rule"), Zone::utc()).expect("a rule");
    let content = Content { display_name: None, description: None, definition, is_draft };
    put_rule(config, RuleKind::Attribute, &RuleName::parse(RuleKind::Attribute, name)?, content, None, at(0))
}

fn attribute(config: &StoredConfig, name: &str, pql: &str) -> StoredConfig {
    put(config, RuleKind::Attribute, name, pql).expect("a computed attribute")
}

fn segment(config: &StoredConfig, name: &str, pql: &str) -> StoredConfig {
    put(config, RuleKind::Segment, name, pql).expect("a segment")
}

fn walked(config: &StoredConfig) -> StoredConfig {
    let rules = config.rules();
    let walked = Walked { generation: rules.generation(), epoch: rules.progress().epoch, rolled_over_at: at(1) };
    built(config, &walked).expect("what is built is live")
}

const ORDERS: &str = "xEvent[eventType = \"Order Completed\"].sum(properties.total)";

fn numbers(config: &StoredConfig, name: &str) -> (Option<u32>, Option<u32>, Option<u32>) {
    let rule = config.rules().find(RuleKind::Segment, name).expect("a segment");
    let number = |version: Option<&Version>| version.and_then(|version| version.segment).map(|id| id.0);
    (number(rule.live()), number(rule.next()), rule.next().and_then(|next| next.succeeds).map(|id| id.0))
}

#[test]
fn a_rule_is_building_until_a_walk_is_over_and_then_live() {
    let config = segment(&attribute(&StoredConfig::default(), "orders", ORDERS), "buyers", "orders > 10");
    let status = |config: &StoredConfig| config.rules().find(RuleKind::Segment, "buyers").expect("a segment").status();
    assert_eq!((status(&config), config.rules().needs_walk()), (Status::Building, true));
    let live = walked(&config);
    assert_eq!((status(&live), live.rules().needs_walk()), (Status::Active, false));
    // One that began before the rule came has not brought it.
    let early = Walked { generation: 1, epoch: 0, rolled_over_at: at(1) };
    assert_eq!(status(&built(&config, &early).expect("a change")), Status::Building);
    assert_eq!(put(&live, RuleKind::Segment, "buyers", "orders > 10").expect("no change"), live);
}

#[test]
fn a_rule_is_taken_away_unless_others_depend_on_it() {
    let config = segment(&attribute(&StoredConfig::default(), "orders", ORDERS), "buyers", "orders > 10");
    let live = walked(&config);
    let remove = |config: &StoredConfig, kind, name: &str| remove_rule(config, kind, name, |_, _| true);
    let refused = remove(&live, RuleKind::Attribute, "orders").expect_err("it is in use");
    assert_eq!((refused.code, &*refused.message), ("rule_in_use", "others depend on it: segment buyers"));
    let orders = RuleName::parse(RuleKind::Attribute, "orders").expect("a name");
    let buyers = RuleName::parse(RuleKind::Segment, "buyers").expect("a name");
    assert_eq!(live.rules().asking(RuleKind::Attribute, &orders), [(RuleKind::Segment, buyers)]);
    let without = remove(&live, RuleKind::Segment, "buyers").expect("nobody asks for it");
    // Its members are to be found, and its number is given to nobody.
    assert!(without.rules().needs_walk());
    let without = walked(&remove(&without, RuleKind::Attribute, "orders").expect("nobody asks for it any more"));
    assert_eq!((without.rules().are_running(), without.rules().needs_walk()), (false, false));
    assert_eq!(
        remove(&without, RuleKind::Attribute, "orders").map_err(|error| error.code).err(),
        Some("attribute_not_found")
    );
    let again = segment(&without, "buyers", "plan = \"x\"");
    assert_eq!(numbers(&again, "buyers"), (None, Some(2), None));
}

#[test]
fn what_depends_on_an_edited_rule_is_renewed_with_it() {
    let mut config = attribute(&StoredConfig::default(), "orders", ORDERS);
    config = segment(&config, "buyers", "orders > 10");
    config = segment(&config, "not_buyers", "not inSegment(\"buyers\")");
    config = walked(&segment(&config, "others", "plan = \"gold\""));
    assert_eq!(numbers(&config, "buyers"), (Some(1), None, None));
    let edited = attribute(&config, "orders", "xEvent[eventType = \"Order Completed\"].count()");
    assert_eq!(numbers(&edited, "buyers"), (Some(1), Some(4), Some(1)));
    assert_eq!(numbers(&edited, "not_buyers"), (Some(2), Some(5), Some(2)));
    assert_eq!(numbers(&edited, "others"), (Some(3), None, None));
    let live = walked(&edited);
    assert_eq!(numbers(&live, "not_buyers"), (Some(5), None, None));
    // A rule that comes to be asked for by a name that was nobody's renews who asked.
    let asks = walked(&segment(&config, "asks", "inSegment(\"later\") or plan = \"x\""));
    let came = segment(&asks, "later", "plan = \"y\"");
    assert_eq!(numbers(&came, "asks"), (Some(4), Some(6), Some(4)));
}

#[test]
fn aggregates_are_shared_numbered_once_and_built_with_the_rules() {
    let ids = |config: &StoredConfig| -> Vec<(u32, bool)> {
        config.rules().aggregates.iter().map(|own| (own.id.0, own.building.is_none())).collect()
    };
    let one = attribute(&StoredConfig::default(), "orders", ORDERS);
    let two = attribute(&one, "same", &format!("{ORDERS} * 2"));
    assert_eq!(ids(&two), [(1, false)]);
    let built = walked(&two);
    assert_eq!(ids(&built), [(1, true)]);
    let other = attribute(&built, "orders", "xEvent[eventType = \"Order Completed\"].count()");
    // What is live still asks for the first one.
    assert_eq!(ids(&other), [(1, true), (2, false)]);
    let archived =
        archive_rule(&walked(&other), RuleKind::Attribute, "same", |_, _| true, at(2)).expect("nobody asks for it");
    assert_eq!(ids(&archived), [(2, true)]);
    let again = attribute(&archived, "same", ORDERS);
    assert_eq!(ids(&again), [(2, true), (3, false)]);
}

#[test]
fn what_ends_is_not_kept_and_a_change_of_policies_is_brought_to_everybody() {
    let config = walked(&segment(&StoredConfig::default(), "buyers", &format!("{ORDERS} > 10")));
    let retention = Some(Window::parse("30d").expect("a window"));
    let order = EventType { retention, ..EventType::default() };
    let mut definition = ModelDefinition::default();
    definition.event_types.insert("Order Completed".into(), order);
    let model = DataModel::new(definition).expect("a model");
    let ending = with_model(&config, model, at(3)).expect("a model");
    assert!(ending.rules().aggregates.is_empty());
    assert!(ending.rules().needs_walk());
    let kept = walked(&with_model(&walked(&ending), DataModel::default(), at(4)).expect("a model"));
    // What had ended under the shorter window is hidden until it is gone: until then it is read from the timelines.
    assert!(kept.rules().aggregates.is_empty());

    let epoch = config.rules().progress().epoch;
    let policy = MergePolicy::new(IdentityGraph::Full, AttributeMerge::Newest, []).expect("a policy");
    let name = DisplayName::parse("newest").expect("a name");
    let more = add_policy(&config, PolicyId::parse("newest").expect("an id"), PolicyContent { name, policy }, at(5));
    assert_eq!(more.expect("a policy").rules().progress().epoch, epoch + 1);
}

#[test]
fn what_cannot_be_is_refused() {
    let check = |changed: Result<StoredConfig, Error>, expected: &str, says: &str| {
        let Err(error) = changed else { panic!("{expected} is not refused") };
        assert_eq!(error.code, expected);
        assert!(error.message.contains(says), "{} does not say {says}", error.message);
    };
    let empty = StoredConfig::default();
    for (kind, name) in [
        (RuleKind::Attribute, ""),
        (RuleKind::Attribute, "a.b"),
        (RuleKind::Attribute, "a-b"),
        (RuleKind::Attribute, "1st"),
        (RuleKind::Segment, "a b"),
    ] {
        check(put(&empty, kind, name, "true"), "name_invalid", "letters");
    }
    check(put(&empty, RuleKind::Attribute, "email", ORDERS), "name_taken", "a namespace");
    check(put(&empty, RuleKind::Attribute, "_audiences", ORDERS), "name_taken", "every profile");
    check(put(&empty, RuleKind::Segment, "late", "now.getYear() = 2026"), "rule_never_holds_still", "now");
    let clock = attribute(&empty, "year", "now.getYear()");
    check(put(&clock, RuleKind::Segment, "late", "year = 2026"), "rule_never_holds_still", "computed attribute year");
    let late = segment(&empty, "late", "year = 2026");
    check(
        put(&late, RuleKind::Attribute, "year", "now.getYear()"),
        "rule_never_holds_still",
        "computed attribute year",
    );
    let first = segment(&empty, "first", "inSegment(\"second\")");
    check(put(&first, RuleKind::Segment, "second", "inSegment(\"first\")"), "rule_cycle", "first -> second -> first");
    check(put(&empty, RuleKind::Attribute, "own", "own + 1"), "rule_cycle", "own -> own");
    check(archive_rule(&empty, RuleKind::Segment, "none", |_, _| true, at(0)), "segment_not_found", "segment");
    let used = segment(&attribute(&empty, "orders", ORDERS), "buyers", "orders > 10");
    check(archive_rule(&used, RuleKind::Attribute, "orders", |_, _| true, at(0)), "rule_in_use", "segment buyers");
    let name = RuleName::parse(RuleKind::Segment, "buyers").expect("a name");
    let again = put_rule(&used, RuleKind::Segment, &name, content(RuleKind::Segment, "true"), Some(0), at(0));
    check(again, "rule_exists", "exists");
    let again = put_rule(&used, RuleKind::Segment, &name, content(RuleKind::Segment, "true"), Some(7), at(0));
    check(again, "rule_changed", "version=1");
}

#[test]
fn segments_share_few_merge_policies() {
    let mut config = StoredConfig::default();
    let policy = |config: &StoredConfig, id: &str, graph| {
        let policy = MergePolicy::new(graph, AttributeMerge::Newest, []).expect("a policy");
        let content = PolicyContent { name: DisplayName::parse(id).expect("a name"), policy };
        add_policy(config, PolicyId::parse(id).expect("an id"), content, at(0)).expect("a policy")
    };
    let under = |config: &StoredConfig, name: &str, id: &str| {
        let mut content = content(RuleKind::Segment, "plan = \"gold\"");
        content.definition.merge_policy = Some(PolicyId::parse(id).expect("an id"));
        put_rule(config, RuleKind::Segment, &RuleName::parse(RuleKind::Segment, name)?, content, None, at(0))
    };
    config = policy(&config, "bare", IdentityGraph::None);
    for number in 0..6 {
        config = policy(&config, &format!("p{number}"), IdentityGraph::Full);
    }
    assert_eq!(under(&config, "s", "bare").expect_err("no graph").code, "merge_policy_without_graph");
    assert_eq!(under(&config, "s", "none").expect_err("no policy").code, "merge_policy_unknown");
    for number in 0..5 {
        config = under(&config, &format!("s{number}"), &format!("p{number}")).expect("within the bound");
    }
    assert_eq!(under(&config, "s5", "p5").expect_err("one too many").code, "merge_policies_in_use");
    assert_eq!(delete_policy(&config, "p1").expect_err("in use").code, "merge_policy_in_use");
    let freed = archive_rule(&config, RuleKind::Segment, "s1", |_, _| true, at(1)).expect("archived");
    assert!(delete_policy(&freed, "p1").is_ok());
}

#[test]
fn what_is_stored_is_read_again() {
    let mut config = attribute(&StoredConfig::default(), "orders", ORDERS);
    config = walked(&segment(&config, "buyers", "orders > 10"));
    config = attribute(&config, "orders", "xEvent[eventType = \"Order Completed\"].count()");
    let mut draft = content(RuleKind::Segment, "plan = \"gold\"");
    (draft.is_draft, draft.description) = (true, Some("those with gold".into()));
    draft.display_name = Some("Gold plan, all of them".into());
    draft.definition.zone = Zone::named("Europe/Paris").expect("a zone");
    draft.definition.merge_policy = Some(PolicyId::parse("default").expect("an id"));
    let name = RuleName::parse(RuleKind::Segment, "gold-plan").expect("a name");
    config = put_rule(&config, RuleKind::Segment, &name, draft, Some(0), at(7)).expect("a draft");
    config = segment(&config, "old", "plan = \"old\"");
    config = archive_rule(&config, RuleKind::Segment, "old", |_, _| true, at(8)).expect("archived");
    let with_events =
        of_events(&config, "worth", "properties.total * $1.factor", false).expect("an attribute of events");
    let bytes = encode(&with_events.rules);
    assert_eq!(decode(&bytes).expect("rules"), with_events.rules);
    golden("config-rules-6", &bytes);
    // Under every older version rules may have come to something else: they are brought to everybody once more, whenever they are read.
    assert_eq!(decode(&thawed("config-rules-5")).expect("rules"), anew(&with_events.rules));
    // Version 4 had no attributes that are written into events, and version 3 the same shape.
    for version in ["config-rules-4", "config-rules-3"] {
        assert_eq!(decode(&thawed(version)).expect("rules"), anew(&config.rules), "{version}");
    }
    // Version 2 knew no names for people, and did not say of whom segments are; version 1 has the same shape.
    let mut unnamed = config.rules.clone();
    Arc::make_mut(unnamed.of_mut(RuleKind::Segment).get_mut("gold-plan").expect("it")).display_name = None;
    for version in ["config-rules-2", "config-rules-1"] {
        let old = decode(&thawed(version)).expect("rules");
        assert_eq!(old, anew(&unnamed), "{version}");
        assert!(old.needs_walk(), "{version}");
    }
    // Of rules none of which runs, nothing is kept and nobody is asked.
    let drafts = StoredRules { aggregates: Vec::new(), ..StoredConfig::default().rules };
    let mut before = encode(&drafts).to_vec();
    before[0] = 5;
    assert_eq!(decode(&before).expect("rules"), drafts);
}

/// The rules when nothing counts that nodes keep for them, and everybody is to be asked again.
fn anew(rules: &StoredRules) -> StoredRules {
    let mut rules = rules.clone();
    rules.generation += 1;
    rules.retiring = Some(rules.generation);
    rules.progress.epoch += 1;
    for own in &mut rules.aggregates {
        rules.last_aggregate += 1;
        (own.id, own.building) = (AggregateId(rules.last_aggregate), Some(rules.generation));
    }
    rules
}

#[test]
fn whom_segments_are_of_is_kept_through_every_state() {
    let of = |config: &StoredConfig| -> Vec<Kind> {
        let rules = decode(&encode(&config.rules)).expect("rules");
        assert_eq!(rules, config.rules);
        rules.find(RuleKind::Segment, "own").expect("a segment").definitions().map(|own| own.of).collect()
    };
    let put = |config: &StoredConfig, of: Kind, is_draft: bool| {
        let mut content = content(RuleKind::Segment, "not (plan = \"gold\")");
        (content.definition.of, content.is_draft) = (of, is_draft);
        let name = RuleName::parse(RuleKind::Segment, "own").expect("a name");
        put_rule(config, RuleKind::Segment, &name, content, None, at(0)).expect("a segment")
    };
    let before = segment(&StoredConfig::default(), "other", "plan = \"x\"");
    let draft = put(&before, Kind::Account, true);
    assert_eq!(of(&draft), [Kind::Account]);
    let building = put(&draft, Kind::Account, false);
    assert_eq!(of(&building), [Kind::Account]);
    let live = walked(&building);
    assert_eq!(of(&live), [Kind::Account, Kind::Account]);
    golden("config-rules-accounts-6", &encode(&live.rules));
    for version in ["config-rules-accounts-5", "config-rules-accounts-4"] {
        assert_eq!(decode(&thawed(version)).expect("rules"), anew(&live.rules), "{version}");
    }
    let edited = put(&live, Kind::Person, false);
    assert_eq!(of(&edited), [Kind::Account, Kind::Person]);
    let turned = put(&walked(&edited), Kind::Account, false);
    assert_eq!(of(&turned), [Kind::Person, Kind::Account]);
    let archived = archive_rule(&walked(&turned), RuleKind::Segment, "own", |_, _| true, at(8)).expect("archived");
    assert_eq!(of(&archived), [Kind::Account]);
}

/// A version that takes the place of one that was built together with another rule makes that rule wait for it.
#[test]
fn what_is_built_together_is_live_together() {
    let mut config = walked(&segment(&StoredConfig::default(), "one", "plan = \"gold\""));
    config = walked(&segment(&config, "two", "inSegment(\"one\")"));
    config = segment(&config, "one", "plan = \"silver\"");
    let next = |config: &StoredConfig, name: &str| {
        let rule = config.rules.find(RuleKind::Segment, name).expect("a segment");
        rule.next().expect("it is built").generation
    };
    let begun = next(&config, "one");
    config = segment(&config, "two", "age > 3");
    let last = next(&config, "two");
    assert!(begun < last);
    assert_eq!(next(&config, "one"), last);
    // For a third one that nothing ties to them they do not wait.
    config = segment(&config, "three", "age > 4");
    assert_eq!((next(&config, "one"), next(&config, "two")), (last, last));
}

#[test]
fn an_attribute_of_events_runs_at_once_and_stays_one_of_events() {
    let factor = attribute(&StoredConfig::default(), "factor", "xEvent.count()");
    let before = walked(&factor);
    let config = of_events(&before, "worth", "properties.total * $1.factor", false).expect("an attribute of events");
    let worth = |config: &StoredConfig| config.rules().find(RuleKind::Attribute, "worth").expect("it").clone();
    assert_eq!((worth(&config).status(), worth(&config).is_of_events()), (Status::Active, true));
    // There is nothing to be brought to anybody, and nodes keep nothing for it.
    assert_eq!((config.rules().needs_walk(), &config.rules().aggregates), (false, &before.rules().aggregates));
    assert_eq!(decode(&encode(&config.rules)).expect("rules"), config.rules);
    // What it reads is in use; who names it as an attribute of profiles does not depend on it.
    let refused = remove_rule(&config, RuleKind::Attribute, "factor", |_, _| true).expect_err("in use");
    assert_eq!((refused.code, &*refused.message), ("rule_in_use", "others depend on it: computed attribute worth"));
    let with_segment = segment(&config, "rich", "xEvent[computed.worth > 10].count() > 0 and worth > 1");
    assert!(remove_rule(&with_segment, RuleKind::Attribute, "worth", |_, _| true).is_ok());
    // What it depends on becomes another without it.
    let edited = attribute(&config, "factor", "xEvent.count() + 1");
    assert_eq!((worth(&edited).status(), worth(&edited).next()), (Status::Active, None));
    let moved = put(&config, RuleKind::Attribute, "worth", "xEvent.count()").expect_err("it is of events");
    assert_eq!(moved.code, "rule_into_fixed");
    let mut full = config;
    for number in 1..EVENT_ATTRIBUTES_MAX {
        full = of_events(&full, &format!("a{number}"), "properties.total", false).expect("within the bound");
    }
    assert_eq!(
        of_events(&full, "more", "properties.total", false).expect_err("too many").code,
        "event_attributes_full"
    );
    assert!(of_events(&full, "more", "properties.total", true).is_ok());
    assert!(of_events(&full, "worth", "properties.total", false).is_ok());
    let freed = archive_rule(&full, RuleKind::Attribute, "a1", |_, _| true, at(1)).expect("archived");
    assert!(of_events(&freed, "more", "properties.total", false).is_ok());
    let expr = pql::parse("xEvent.count() > properties.total").expect("a rule");
    assert_eq!(Definition::of_events(expr, Zone::utc()).expect_err("of all events").code, Code::WrongType);
}
