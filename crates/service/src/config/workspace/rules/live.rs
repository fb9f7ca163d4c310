//! The rules that run, as the engine takes them.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use tessera_engine::policy::{CompiledPolicy, IdentityGraph};
use tessera_engine::rules::{EventAttributeDef, KeptDef, Layer, RuleDef, RuleKind as Kind, RuleSet, RulesProgress};
use tessera_expr::calendar::Zone;
use tessera_expr::plan::Aggregate;
use tessera_expr::rule::Rule;

use super::super::StoredConfig;
use super::change::check_policies;
use super::{Definition, PolicyId, RuleKind, StoredAggregate, StoredRule, Version};
use crate::base::error::{Error, ErrorKind};
use crate::base::opened::open_payload;
use crate::base::payload::write_computed;
use crate::config::visibility::named;
use tessera_engine::view::RESERVED;

/// The versions that run. Those of segments have the place of their merge policy among [`policies`].
pub(super) fn defs(config: &StoredConfig) -> Vec<RuleDef> {
    let policies = policies(config);
    let mut defs = Vec::new();
    for (kind, rule) in config.rules.all().filter(|(_, rule)| !rule.is_of_events()) {
        let layers = [(Layer::Live, rule.live()), (Layer::Pending, rule.next())];
        for (layer, version) in layers {
            defs.extend(version.map(|version| def(config, kind, rule, layer, version, &policies)));
        }
    }
    defs
}

/// The computed attributes that are written into events.
fn of_events(config: &StoredConfig) -> Vec<EventAttributeDef> {
    let all = config.rules.attributes.values().filter(|rule| rule.is_of_events());
    let def = |rule: &Arc<StoredRule>| {
        let Definition { rule: says, zone, .. } = rule.live()?.definition.clone();
        Some(EventAttributeDef { name: rule.name.shared(), rule: says, zone })
    };
    all.filter_map(def).collect()
}

fn def(
    config: &StoredConfig,
    kind: RuleKind,
    rule: &StoredRule,
    layer: Layer,
    version: &Version,
    policies: &[PolicyId],
) -> RuleDef {
    let policy = || {
        let id = version.definition.merge_policy.as_ref().unwrap_or_else(|| config.policies.default_id());
        policies.iter().position(|own| own == id).unwrap_or(0)
    };
    let kind = match (kind, version.segment) {
        (RuleKind::Segment, Some(id)) => {
            Kind::Segment { id, of: version.definition.of, policy: policy(), succeeds: version.succeeds }
        }
        (RuleKind::Segment | RuleKind::Attribute, _) => Kind::Attribute,
    };
    RuleDef {
        name: rule.name.shared(),
        layer,
        kind,
        rule: version.definition.rule.clone(),
        zone: version.definition.zone.clone(),
        since: version.since,
    }
}

/// The merge policies of segments that run, the default one first.
fn policies(config: &StoredConfig) -> Vec<PolicyId> {
    let mut ids = vec![config.policies.default_id().clone()];
    let versions = config.rules.segments.values().flat_map(|rule| rule.running());
    for id in versions.filter_map(|version| version.definition.merge_policy.as_ref()) {
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    ids
}

/// The aggregates that nodes keep states of.
fn kept(config: &StoredConfig, defs: &[RuleDef]) -> Vec<KeptDef> {
    let mut said: HashMap<&str, Vec<(&Zone, &Aggregate)>> = HashMap::new();
    for def in defs {
        for aggregate in &def.rule.plan().aggregates {
            said.entry(aggregate.key()).or_default().push((&def.zone, aggregate));
        }
    }
    let kept = |own: &StoredAggregate| {
        let (_, aggregate) = said.get(&*own.key)?.iter().find(|(zone, _)| **zone == own.zone)?;
        let aggregate = (*aggregate).clone();
        Some(KeptDef { id: own.id, zone: own.zone.clone(), aggregate, is_built: own.building.is_none() })
    };
    config.rules.aggregates.iter().filter_map(kept).collect()
}

/// The rules that run, ready to be asked.
///
/// # Errors
/// `Invalid` with `rule_cycle`.
pub(in super::super) fn to_engine(config: &StoredConfig) -> Result<Arc<RuleSet>, Error> {
    let (defs, of_events) = (defs(config), of_events(config));
    if defs.is_empty() && of_events.is_empty() {
        // What is asked beside them, as a preview does, reads payloads all the same.
        let none = RuleSet::new(Vec::new(), Vec::new(), Vec::new(), RulesProgress::default(), open_payload);
        return none.map(Arc::new).map_err(|_| Error::new(ErrorKind::Internal, "rule_cycle", "no rules have a cycle"));
    }
    let kept = kept(config, &defs);
    let compiled = |id: &PolicyId| Ok(CompiledPolicy::new(config.policies.find(id.as_str())?.content.policy.clone()));
    let policies = policies(config).iter().map(compiled).collect::<Result<Vec<_>, Error>>()?;
    let set = RuleSet::new(defs, kept, policies, config.rules.progress, open_payload);
    let set = set.map(|set| Arc::new(set.with_event_attributes(of_events, write_computed)));
    set.map_err(|cycle| {
        let message = format!("a rule is expected not to depend on itself: {}", cycle.0.join(" -> "));
        Error::new(ErrorKind::Invalid, "rule_cycle", message)
    })
}

/// Whether the rules go with the rest of a configuration.
pub(in super::super) fn check(config: &StoredConfig) -> Result<(), Error> {
    let names = config.rules.attributes.values().filter(|rule| rule.running().next().is_some());
    for name in names.map(|rule| rule.name.as_str()) {
        let is_namespace = config.namespaces.iter().any(|namespace| namespace.name.as_str() == name);
        let mut attributes = config.model.model.definition().attributes.keys();
        let is_attribute = attributes.any(|path| path.segments().next().is_some_and(|first| first == name));
        if is_namespace || is_attribute || RESERVED.contains(&name) {
            let what = if is_namespace {
                "a namespace"
            } else if is_attribute {
                "an attribute of the data model"
            } else {
                "a member of every profile"
            };
            let message = format!("{name} is the name of {what}, and cannot be that of a computed attribute as well");
            return Err(Error::new(ErrorKind::Conflict, "name_taken", message));
        }
    }
    for version in config.rules.segments.values().flat_map(|rule| rule.running()) {
        let id = version.definition.merge_policy.as_ref().map(PolicyId::as_str);
        if config.policies.asked(id)?.content.policy.graph() == IdentityGraph::None {
            let message = "a segment is expected to have a merge policy with the whole identity graph";
            return Err(Error::new(ErrorKind::Invalid, "merge_policy_without_graph", message));
        }
    }
    for rule in config.rules.segments.values() {
        for version in rule.running() {
            check_stillness(config, rule, &version.definition.rule)?;
        }
    }
    check_policies(config)
}

/// Whether a segment has to be asked again only when something is said, or at instants that can be told ahead.
fn check_stillness(config: &StoredConfig, segment: &StoredRule, rule: &Rule) -> Result<(), Error> {
    let (mut open, mut seen) = (vec![(RuleKind::Segment, segment.name.to_string(), rule)], BTreeSet::new());
    while let Some((kind, name, rule)) = open.pop() {
        if rule.plan().moves_always {
            let message = format!(
                "a segment is expected not to take `now` for a value, as the {} {name} does: it would have to be asked again all the time; \
                 compare with `now` instead, as in `timestamp occurs <= 30 days before now`",
                kind.noun()
            );
            return Err(Error::new(ErrorKind::Invalid, "rule_never_holds_still", message));
        }
        for (kind, name) in named(rule, config) {
            let Some(own) = config.rules.of(kind).get(&*name).filter(|own| !own.is_of_events()) else { continue };
            if seen.insert((kind, name.clone())) {
                open.extend(own.running().map(|version| (kind, name.clone(), &*version.definition.rule)));
            }
        }
    }
    Ok(())
}
