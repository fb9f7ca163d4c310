//! Changes of the rules: pure, each makes the next configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use tessera_engine::rules::{AggregateId, SegmentId, keepable};
use tessera_engine::time::Timestamp;

use super::super::StoredConfig;
use super::{
    ATTRIBUTES_MAX, Definition, EVENT_ATTRIBUTES_MAX, FORMER_MAX, POLICIES_IN_USE_MAX, RuleKind, RuleName, Run,
    SEGMENTS_MAX, Status, StoredAggregate, StoredRule, StoredRules, Target, Version, asks_for, live,
};
use crate::base::error::{Error, ErrorKind};
use crate::config::activations::activations_among;
use crate::config::controls::CONTROL_GROUP;
use crate::config::visibility::{hides_no_less, hides_no_more};

/// What of a rule may change.
#[derive(Debug, Clone)]
pub struct Content {
    /// What people call it, where that is not its name.
    pub display_name: Option<Arc<str>>,
    /// What people say of it.
    pub description: Option<Arc<str>>,
    /// What it says.
    pub definition: Definition,
    /// Whether it is only kept. A rule that runs cannot become a draft again.
    pub is_draft: bool,
}

/// Makes a rule, or replaces one. `expected` is the version that the caller means to replace, 0 for none, if that matters.
///
/// # Errors
/// `Conflict` with `rule_changed` when another version stands, `rule_runs` when one that runs is to become a draft, `name_taken`,
/// `rule_into_fixed` when the values of an attribute are to be elsewhere, `rule_would_reveal` when more readers would see what was written into
/// events; `Invalid` with `rule_cycle`, `rule_never_holds_still`, `merge_policy_unknown`, `merge_policy_without_graph`; `LimitExceeded` with
/// `rules_full`, `event_attributes_full`, `merge_policies_in_use`, `config_too_large`.
pub fn put_rule(
    config: &StoredConfig,
    kind: RuleKind,
    name: &RuleName,
    content: Content,
    expected: Option<u64>,
    at: Timestamp,
) -> Result<StoredConfig, Error> {
    let present = config.rules.of(kind).get(name);
    check_expected(present.map(AsRef::as_ref), kind, expected)?;
    let runs = present.is_some_and(|present| present.running().next().is_some());
    if runs && content.is_draft {
        let message = format!("the {} runs: it is replaced or archived, and cannot become a draft", kind.noun());
        return Err(Error::new(ErrorKind::Conflict, "rule_runs", message));
    }
    if let Some(present) = present
        && is_same(present, &content)
    {
        return Ok(config.clone());
    }
    check_into(config, present.map(AsRef::as_ref), &content)?;
    let max = if kind == RuleKind::Attribute { ATTRIBUTES_MAX } else { SEGMENTS_MAX };
    if present.is_none() && config.rules.of(kind).len() >= max {
        let message = format!("a workspace has as many {}s as it may limit={max}", kind.noun());
        return Err(Error::new(ErrorKind::LimitExceeded, "rules_full", message));
    }
    config.next(|next| next.rules.put(kind, name, content, at))
}

/// Whether the values of an attribute may be where a content has them, and how many of those are written into events.
fn check_into(config: &StoredConfig, present: Option<&StoredRule>, content: &Content) -> Result<(), Error> {
    let next = &content.definition;
    if let Some(present) = present.map(StoredRule::definition) {
        if present.into != next.into {
            let message =
                "where the values of a computed attribute are is expected to stay as it is; make one of another name";
            return Err(Error::new(ErrorKind::Conflict, "rule_into_fixed", message));
        }
        // Values of before stand in events under its name.
        if next.into == Target::Events && !hides_no_less(&next.rule, &present.rule, config) {
            let message =
                "what it wrote into events would be shown to more readers than before; make one of another name";
            return Err(Error::new(ErrorKind::Conflict, "rule_would_reveal", message));
        }
    }
    let runs = |rule: &&Arc<StoredRule>| rule.is_of_events() && rule.live().is_some();
    let is_one_more = present.is_none_or(|present| present.live().is_none()) && !content.is_draft;
    let are_full = || config.rules.attributes.values().filter(runs).count() >= EVENT_ATTRIBUTES_MAX;
    if next.into == Target::Events && is_one_more && are_full() {
        let message =
            format!("as many computed attributes as may be are written into events limit={EVENT_ATTRIBUTES_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, "event_attributes_full", message));
    }
    Ok(())
}

/// Takes a rule out of use. It keeps what it said. The error names those that depend on it, where they may be shown.
///
/// # Errors
/// `NotFound` with `attribute_not_found`, `segment_not_found`; `Conflict` with `rule_in_use` when others depend on it, or activations write its members.
pub fn archive_rule(
    config: &StoredConfig,
    kind: RuleKind,
    name: &str,
    is_shown: impl Fn(RuleKind, &str) -> bool,
    at: Timestamp,
) -> Result<StoredConfig, Error> {
    let present = config.rules.find(kind, name)?;
    if matches!(present.run, Run::Archived(_)) {
        return Ok(config.clone());
    }
    check_unused(config, kind, present, is_shown)?;
    let archived = StoredRule {
        version: present.version + 1,
        updated_at: at.max(present.created_at),
        run: Run::Archived(present.definition().clone()),
        former: former(present, true),
        ..present.clone()
    };
    config.next(|next| drop(next.rules.of_mut(kind).insert(archived.name.clone(), Arc::new(archived))))
}

/// Takes a rule away with all that it said; its name is free again. The error names those that depend on it, where they may be shown.
///
/// # Errors
/// `NotFound` with `attribute_not_found`, `segment_not_found`; `Conflict` with `rule_in_use` when others depend on it, or activations write its members.
pub fn remove_rule(
    config: &StoredConfig,
    kind: RuleKind,
    name: &str,
    is_shown: impl Fn(RuleKind, &str) -> bool,
) -> Result<StoredConfig, Error> {
    let present = config.rules.find(kind, name)?;
    check_unused(config, kind, present, is_shown)?;
    let name = present.name.clone();
    config.next(|next| {
        next.rules.of_mut(kind).remove(&name);
        if kind == RuleKind::Segment {
            next.objects.remove(CONTROL_GROUP, name.as_str());
        }
    })
}

/// The rule in its next version, which says the same: what stands beside it is another.
///
/// # Errors
/// `NotFound` with `attribute_not_found`, `segment_not_found`; `LimitExceeded` with `config_too_large`.
pub(crate) fn touch_rule(
    config: &StoredConfig,
    kind: RuleKind,
    name: &RuleName,
    at: Timestamp,
) -> Result<StoredConfig, Error> {
    let present = config.rules.find(kind, name.as_str())?;
    let (version, updated_at) = (present.version + 1, at.max(present.created_at));
    let touched = StoredRule { version, updated_at, ..present.clone() };
    config.next(|next| drop(next.rules.of_mut(kind).insert(name.clone(), Arc::new(touched))))
}

fn check_unused(
    config: &StoredConfig,
    kind: RuleKind,
    rule: &StoredRule,
    is_shown: impl Fn(RuleKind, &str) -> bool,
) -> Result<(), Error> {
    let dependents = config.rules.dependents(kind, &rule.name);
    let mut activations = activations_among(&config.objects)?;
    activations
        .retain(|(_, own)| kind == RuleKind::Segment && own.content.segment.as_deref() == Some(rule.name.as_str()));
    let count = dependents.len() + activations.len();
    if count == 0 {
        return Ok(());
    }
    let shown = dependents.iter().filter(|(kind, name)| is_shown(*kind, name.as_str()));
    let mut names: Vec<String> = shown.map(|(kind, name)| format!("{} {name}", kind.noun())).collect();
    let shown = activations.iter().filter(|(_, own)| own.content.names().all(|(kind, name)| is_shown(kind, name)));
    names.extend(shown.map(|(name, _)| format!("activation {name}")));
    let hidden = count - names.len();
    let more = if hidden == 0 { String::new() } else { format!("; {hidden} that the key may not see") };
    let message = format!("others depend on it: {}{more}", names.join(", "));
    Err(Error::new(ErrorKind::Conflict, "rule_in_use", message))
}

/// The numbers of a rule's versions, its live one among them.
fn former(rule: &StoredRule, shows: bool) -> Vec<SegmentId> {
    let live = rule.live().and_then(|live| live.segment);
    let all: Vec<SegmentId> = rule.former.iter().copied().chain(live).filter(|_| shows).collect();
    all[all.len().saturating_sub(FORMER_MAX)..].to_vec()
}

/// What a finished walk has brought to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// The generation of the rules when it began.
    pub generation: u64,
    /// Their epoch when it began.
    pub epoch: u64,
    /// When it began.
    pub rolled_over_at: Timestamp,
}

/// What a walk has brought to everybody is live from now on.
///
/// # Errors
/// None that the state of before had not.
pub fn built(config: &StoredConfig, walked: &Walked) -> Result<StoredConfig, Error> {
    config.next(|next| {
        let rules = &mut next.rules;
        for own in &mut rules.aggregates {
            own.building = own.building.filter(|generation| *generation > walked.generation);
        }
        for kind in [RuleKind::Attribute, RuleKind::Segment] {
            for rule in rules.of_mut(kind).values_mut() {
                let is_done = |next: &Version| next.generation <= walked.generation;
                if let Some(next) = rule.next().filter(|next| is_done(next)).cloned() {
                    let live = rule.live().map(|live| &live.definition.rule);
                    // What was hidden stays so.
                    let shows = live.is_none_or(|live| hides_no_more(live, &next.definition.rule, config));
                    let former = former(rule, shows);
                    let rule = Arc::make_mut(rule);
                    (rule.run, rule.former) = (Run::Live(next, None), former);
                }
            }
        }
        rules.retiring = rules.retiring.filter(|generation| *generation > walked.generation);
        let progress = &mut rules.progress;
        progress.settled_epoch = progress.settled_epoch.max(walked.epoch);
        progress.rolled_over_at = progress.rolled_over_at.max(Some(walked.rolled_over_at));
    })
}

/// What rules keep is made anew of everybody, since writes go by without them from now on: states get other numbers, so that those which
/// are there count no more, and every membership may be another.
///
/// # Errors
/// None that the state of before had not.
pub fn renewed(config: &StoredConfig) -> Result<StoredConfig, Error> {
    if !config.rules.are_running() {
        return Ok(config.clone());
    }
    config.next(|next| {
        let rules = &mut next.rules;
        rules.generation += 1;
        rules.progress.epoch += 1;
        for own in &mut rules.aggregates {
            rules.last_aggregate += 1;
            (own.id, own.building) = (AggregateId(rules.last_aggregate), Some(rules.generation));
        }
    })
}

/// What has to follow a change of anything: which aggregates are kept, and whether every membership may be another.
pub(in super::super) fn follow(before: &StoredConfig, next: &mut StoredConfig) {
    let has_segments = next.rules.segments.values().any(|rule| rule.running().next().is_some());
    let may_be_another = (&before.policies, &before.model, &before.namespaces, &before.primary)
        != (&next.policies, &next.model, &next.namespaces, &next.primary);
    if has_segments && may_be_another {
        next.rules.progress.epoch += 1;
        next.rules.generation += 1;
    }
    let wanted = keepable(&live::defs(next), &next.keeping());
    let rules = &mut next.rules;
    let (all_known, last_known) = (std::mem::take(&mut rules.aggregates), rules.last_aggregate);
    let mut known: HashMap<&str, Vec<&StoredAggregate>> = HashMap::new();
    for own in &all_known {
        known.entry(&*own.key).or_default().push(own);
    }
    let mut aggregates: Vec<StoredAggregate> = Vec::with_capacity(wanted.len());
    for (zone, aggregate) in wanted {
        let known = known.get(aggregate.key()).and_then(|same| same.iter().find(|own| own.zone == zone));
        aggregates.push(known.map(|own| (*own).clone()).unwrap_or_else(|| {
            rules.last_aggregate += 1;
            StoredAggregate {
                id: AggregateId(rules.last_aggregate),
                zone,
                key: aggregate.key().into(),
                building: Some(rules.generation),
            }
        }));
    }
    aggregates.sort_by_key(|own| own.id);
    if rules.last_aggregate > last_known && rules.generation == before.rules.generation {
        // What ended may be kept again: it has to be built like that of a new rule.
        rules.generation += 1;
        for own in aggregates.iter_mut().filter(|own| own.id.0 > last_known) {
            own.building = Some(rules.generation);
        }
    }
    rules.aggregates = aggregates;
    if leaves_something(&before.rules, rules) {
        rules.generation += 1;
        rules.retiring = Some(rules.generation);
    }
}

/// Whether records hold something for the rules of before that those of now do not ask for.
fn leaves_something(before: &StoredRules, next: &StoredRules) -> bool {
    let numbers = |rules: &StoredRules| -> BTreeSet<SegmentId> {
        rules.segments.values().flat_map(|rule| rule.running()).filter_map(|version| version.segment).collect()
    };
    let kept: BTreeSet<AggregateId> = next.aggregates.iter().map(|own| own.id).collect();
    !numbers(before).is_subset(&numbers(next)) || before.aggregates.iter().any(|own| !kept.contains(&own.id))
}

/// Whether segments that run are evaluated under this merge policy, by its own name.
pub(in super::super) fn policy_in_use(config: &StoredConfig, id: &str) -> bool {
    let running = config.rules.segments.values().flat_map(|rule| rule.running());
    running.filter_map(|version| version.definition.merge_policy.as_ref()).any(|own| own.as_str() == id)
}

fn check_expected(present: Option<&StoredRule>, kind: RuleKind, expected: Option<u64>) -> Result<(), Error> {
    let version = present.map_or(0, |present| present.version);
    match expected {
        Some(0) if version > 0 => {
            let is_archived = present.is_some_and(|present| present.status() == Status::Archived);
            let state =
                if is_archived { "exists and is archived; PUT brings it back as what it says" } else { "exists" };
            Err(Error::new(ErrorKind::Conflict, "rule_exists", format!("a {} of this name {state}", kind.noun())))
        }
        Some(expected) if expected != version => {
            let message = format!("the {} has another version than expected version={version}", kind.noun());
            Err(Error::new(ErrorKind::Conflict, "rule_changed", message))
        }
        _ => Ok(()),
    }
}

fn is_same(present: &StoredRule, content: &Content) -> bool {
    let is_draft = matches!(present.run, Run::Draft(_));
    let is_archived = matches!(present.run, Run::Archived(_));
    present.display_name == content.display_name
        && present.description == content.description
        && *present.definition() == content.definition
        && is_draft == content.is_draft
        && !is_archived
}

impl StoredRules {
    fn put(&mut self, kind: RuleKind, name: &RuleName, content: Content, at: Timestamp) {
        let Content { display_name, description, definition, is_draft } = content;
        let present = self.of(kind).get(name).cloned();
        let runs = present.as_ref().is_some_and(|present| present.running().next().is_some());
        let says_the_same = present.as_ref().is_some_and(|present| *present.definition() == definition);
        let run = match &present {
            // What it says is as it was: there is nothing to build.
            Some(present) if runs && says_the_same => present.run.clone(),
            _ if is_draft => Run::Draft(definition),
            // There is nobody to whom it is to be brought: it is of events to come.
            _ if definition.into == Target::Events => {
                let generation = self.generation;
                Run::Live(Version { definition, segment: None, succeeds: None, generation, since: at }, None)
            }
            _ => {
                self.generation += 1;
                let rolls_over = |version: &Version| !version.definition.rule.plan().calendar.is_empty();
                if !self.all().any(|(_, rule)| rule.running().any(rolls_over)) {
                    // The calendar has rolled over for nobody's sake.
                    self.progress.rolled_over_at = Some(at);
                }
                let live = present.as_ref().and_then(|present| present.live()).cloned();
                self.started(kind, live, definition, at)
            }
        };
        let is_new_version = present.as_ref().is_none_or(|present| present.run != run);
        let rule = StoredRule {
            name: name.clone(),
            display_name,
            description,
            version: present.as_ref().map_or(0, |present| present.version) + 1,
            created_at: present.as_ref().map_or(at, |present| present.created_at),
            updated_at: present.as_ref().map_or(at, |present| at.max(present.created_at)),
            run,
            former: present.as_ref().map_or_else(Vec::new, |present| present.former.clone()),
        };
        let is_running = rule.running().next().is_some();
        self.of_mut(kind).insert(name.clone(), Arc::new(rule));
        if is_new_version && is_running {
            self.renew_dependents(kind, name, at);
            self.keep_together();
        }
    }

    /// Versions that are built wait for each other: where a live version asks for a rule, that rule becomes another no sooner than the version
    /// does, and what asks for a rule that waits waits with it. Otherwise a version that took the place of one built earlier would leave
    /// its live one with memberships of what is no more.
    fn keep_together(&mut self) {
        loop {
            let building = || self.all().filter_map(|(kind, rule)| Some((kind, rule, rule.next()?.generation)));
            let mut waits = None;
            for (kind, rule, generation) in building() {
                let lasts = |other: &StoredRule, its: u64| {
                    let asks = |version: &Version| asks_for(&version.definition.rule, kind, &rule.name);
                    its > generation && other.live().is_some_and(asks)
                };
                let follows = |other: &StoredRule, own: RuleKind, its: u64| {
                    its > generation
                        && rule.running().any(|version| asks_for(&version.definition.rule, own, &other.name))
                };
                let later = building().filter(|(own, other, its)| lasts(other, *its) || follows(other, *own, *its));
                if let Some(generation) = later.map(|(_, _, its)| its).max() {
                    waits = Some((kind, rule.name.clone(), generation));
                    break;
                }
            }
            let Some((kind, name, generation)) = waits else { return };
            let Some(rule) = self.of_mut(kind).get_mut(&name) else { return };
            match &mut Arc::make_mut(rule).run {
                Run::Building(next) | Run::Live(_, Some(next)) => next.generation = generation,
                Run::Live(_, None) | Run::Draft(_) | Run::Archived(_) => return,
            }
        }
    }

    /// A version that begins to be built, beside the live one if there is one.
    fn started(&mut self, kind: RuleKind, live: Option<Version>, definition: Definition, since: Timestamp) -> Run {
        let segment = (kind == RuleKind::Segment).then(|| {
            self.last_segment += 1;
            SegmentId(self.last_segment)
        });
        let succeeds = live.as_ref().and_then(|live| live.segment);
        let next = Version { definition, segment, succeeds, generation: self.generation, since };
        match live {
            Some(live) => Run::Live(live, Some(next)),
            None => Run::Building(next),
        }
    }

    /// What depends on a rule that becomes another becomes another with it.
    fn renew_dependents(&mut self, kind: RuleKind, name: &RuleName, at: Timestamp) {
        for (kind, name) in self.dependents(kind, name) {
            let Some(rule) = self.of(kind).get(&name).cloned() else { continue };
            if rule.is_of_events() {
                continue;
            }
            let definition = rule.definition().clone();
            let run = self.started(kind, rule.live().cloned(), definition, at);
            self.of_mut(kind).insert(name, Arc::new(StoredRule { run, ..(*rule).clone() }));
        }
    }
}

/// Whether the merge policies of segments are within the bound.
pub(super) fn check_policies(config: &StoredConfig) -> Result<(), Error> {
    let running = config.rules.segments.values().flat_map(|rule| rule.running());
    let mut ids: Vec<&str> = Vec::new();
    for version in running {
        let id =
            config.policies.asked(version.definition.merge_policy.as_ref().map(super::PolicyId::as_str))?.id.as_str();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.len() > POLICIES_IN_USE_MAX {
        let message = format!(
            "segments that run are expected to have at most {POLICIES_IN_USE_MAX} merge policies between them, the default one included"
        );
        return Err(Error::new(ErrorKind::LimitExceeded, "merge_policies_in_use", message));
    }
    Ok(())
}
