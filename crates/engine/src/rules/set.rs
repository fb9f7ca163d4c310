//! All rules of a configuration, ready to be asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use tessera_expr::ast::{Name, Unit};
use tessera_expr::calendar::{Zone, next_rollover};
use tessera_expr::plan::{Aggregate, Plan, Window};
use tessera_expr::rule::Rule;

use super::event::{Blank, OpenPayload};
use super::index::Index;
use super::nobody::holding_of_nobody;
use super::order::{ByName, names_read, needs_of, ordered, reads_values, resolve, rollovers_of};
use super::settle::Scope;
use super::written::EventAttributes;
use crate::aggregate::Bounds;
use crate::config::{Config, Kind};
use crate::model::Keeping;
use crate::policy::{CompiledPolicy, MergePolicy};
use crate::time::Timestamp;
use crate::view::Names;

/// The number of an aggregate that nodes keep states of. None is used again in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AggregateId(pub u32);

/// The number of one version of a segment. None is used again in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u32);

/// Which version of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The one that is shown.
    Live,
    /// The one that will be, once it is complete for everybody.
    Pending,
}

/// What a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// A computed attribute.
    Attribute,
    /// A segment.
    Segment {
        /// Its number.
        id: SegmentId,
        /// Of whom it is: nobody else is a member, whatever the rule comes to.
        of: Kind,
        /// Its merge policy, by its place among those of the set.
        policy: usize,
        /// The version that it takes the place of: who is a member there has been one here as long.
        succeeds: Option<SegmentId>,
    },
}

/// One version of a rule.
#[derive(Debug, Clone)]
pub struct RuleDef {
    /// Its name, unique among rules of its kind and layer.
    pub name: Name,
    /// Which version it is.
    pub layer: Layer,
    /// What it is.
    pub kind: RuleKind,
    /// The rule: of a segment a condition, of an attribute a value.
    pub rule: Arc<Rule>,
    /// Where its days begin.
    pub zone: Zone,
    /// When this version was made: nobody is a member of it before.
    pub since: Timestamp,
}

/// An aggregate that nodes keep states of.
#[derive(Debug, Clone)]
pub struct KeptDef {
    /// Its number.
    pub id: AggregateId,
    /// Where the days of the rules that need it begin.
    pub zone: Zone,
    /// What it computes.
    pub aggregate: Aggregate,
    /// Whether every node keeps it: one that keeps no state has no event for it. Otherwise such a node may not have been reached yet.
    pub is_built: bool,
}

/// How far the rules have been brought to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RulesProgress {
    /// Counts the changes of configuration under which every membership may be another.
    pub epoch: u64,
    /// The last epoch that has been brought to everybody.
    pub settled_epoch: u64,
    /// Up to which instant the rollovers of the calendar have been brought to everybody.
    pub rolled_over_at: Option<Timestamp>,
}

/// Rules that depend on themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rule depends on itself path={}", .0.join(" -> "))]
pub struct Cycle(pub Vec<String>);

/// A rule among the others.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) def: RuleDef,
    /// The computed attributes that it needs, those first that others need.
    pub(crate) attributes: Vec<usize>,
    /// Everything that it depends on, itself included.
    pub(super) closure: Vec<usize>,
    /// Whether it reads attributes that are not computed.
    pub(crate) reads_values: bool,
    /// Whether time alone may change its answer, or that of something it depends on.
    pub(crate) reads_clock: bool,
}

impl Entry {
    pub(crate) fn plan(&self) -> &Plan {
        self.def.rule.plan()
    }

    /// The next instant at which the calendar may change its answer.
    pub(super) fn next_rollover(&self, rules: &RuleSet, after: Timestamp) -> Option<Timestamp> {
        let own = self.closure.iter().map(|at| &rules.entries[*at]);
        let rollovers = own.flat_map(|own| own.plan().calendar.iter().map(|unit| (*unit, &own.def.zone)));
        rollovers.filter_map(|(unit, zone)| next_rollover(unit, after, zone)).min()
    }
}

/// A rule that is asked beside those of a configuration.
#[derive(Debug)]
pub struct AdHocRule(pub(super) Entry);

/// All rules of a configuration.
#[derive(Debug)]
pub struct RuleSet {
    pub(crate) entries: Vec<Entry>,
    /// What depends on others stands behind them.
    pub(crate) order: Vec<usize>,
    pub(super) by_name: ByName,
    /// The names of what they read that is not computed.
    pub(crate) names: Names,
    /// The numbers of all segments.
    numbers: BTreeSet<SegmentId>,
    pub(crate) kept: Vec<KeptDef>,
    kept_by_key: HashMap<String, Vec<usize>>,
    /// For each kept aggregate of a window: the place of the first that is the same but for its window.
    columns: Vec<Option<usize>>,
    /// The numbers of those that are the first, ascending.
    column_ids: Vec<AggregateId>,
    /// For each kept aggregate, the places of those that take what it is brought.
    sharing: Vec<Vec<usize>>,
    pub(crate) policies: Vec<CompiledPolicy>,
    pub(crate) progress: RulesProgress,
    pub(crate) index: Index,
    /// The units of the calendar whose rollovers may change a membership, each in its zone.
    rollovers: Vec<(Unit, Zone)>,
    /// The first rollover that has not been brought to everybody.
    first_rollover: Option<Timestamp>,
    /// Segments that may hold of somebody of whom nothing is known.
    newborn: Vec<usize>,
    /// The segments that are being brought to everybody.
    pub(super) coming: Scope,
    /// Aggregates that nodes may still lack.
    pub(super) building: Vec<AggregateId>,
    /// When the newest of them was made.
    pub(super) newest: Timestamp,
    pub(crate) bounds: Bounds,
    pub(crate) open: OpenPayload,
    pub(crate) event_attributes: Option<EventAttributes>,
}

/// The aggregates of these rules that nodes may keep states of, each once: those over events none of which ever ends. What ends is read
/// from the timelines, for which event ended is not in a state.
#[must_use]
pub fn keepable(defs: &[RuleDef], keeping: &Keeping) -> Vec<(Zone, Aggregate)> {
    let mut found: Vec<(Zone, Aggregate)> = Vec::new();
    let mut zones: HashMap<&str, Vec<&Zone>> = HashMap::new();
    for def in defs {
        for aggregate in &def.rule.plan().aggregates {
            let known = zones.entry(aggregate.key()).or_default();
            if !known.contains(&&def.zone) && !keeping.ends_any(&aggregate.events) {
                known.push(&def.zone);
                found.push((def.zone.clone(), aggregate.clone()));
            }
        }
    }
    found
}

impl Default for RuleSet {
    /// No rules.
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new(), Vec::new(), RulesProgress::default(), |_| Arc::new(Blank))
            .expect("nothing depends on nothing")
    }
}

impl RuleSet {
    /// These rules, with the aggregates that are kept for them.
    ///
    /// # Errors
    /// [`Cycle`] when a rule depends on itself.
    pub fn new(
        defs: Vec<RuleDef>,
        kept: Vec<KeptDef>,
        policies: Vec<CompiledPolicy>,
        progress: RulesProgress,
        open: OpenPayload,
    ) -> Result<Self, Cycle> {
        let (mut kept, mut policies) = (kept, policies);
        kept.sort_unstable_by_key(|own| own.id);
        if policies.is_empty() {
            policies.push(CompiledPolicy::new(MergePolicy::default()));
        }
        let mut by_name = ByName::new();
        for (at, def) in defs.iter().enumerate() {
            let slot = by_name.entry((def.kind == RuleKind::Attribute, def.name.clone())).or_default();
            slot[usize::from(def.layer == Layer::Pending)] = Some(at);
        }
        let needs: Vec<Vec<usize>> = defs.iter().map(|def| needs_of(def, &by_name)).collect();
        let order = ordered(&defs, &needs)?;
        let mut closures: Vec<Vec<usize>> = vec![Vec::new(); defs.len()];
        for at in &order {
            let mut closure: Vec<usize> = needs[*at].iter().flat_map(|need| closures[*need].iter().copied()).collect();
            closure.push(*at);
            closure.sort_unstable();
            closure.dedup();
            closures[*at] = closure;
        }
        let reads_clock = |at: &usize| {
            let plan = defs[*at].rule.plan();
            plan.reads_clock || !plan.calendar.is_empty()
        };
        let places = places_of(&order);
        let attributes = |closure: &[usize], own: usize| {
            attributes_of(closure.iter().copied().filter(|at| *at != own), |at| defs[at].kind, &places)
        };
        let entry = |(own, (def, closure)): (usize, (&RuleDef, Vec<usize>))| Entry {
            def: def.clone(),
            attributes: attributes(&closure, own),
            reads_values: reads_values(def, &by_name),
            reads_clock: closure.iter().any(reads_clock),
            closure,
        };
        let entries: Vec<Entry> = defs.iter().zip(closures).enumerate().map(entry).collect();
        let mut kept_by_key: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, own) in kept.iter().enumerate() {
            kept_by_key.entry(own.aggregate.key().to_owned()).or_default().push(at);
        }
        let (columns, sharing) = shared(&kept);
        let firsts = columns.iter().enumerate().filter(|(at, own)| **own == Some(*at));
        let column_ids = firsts.map(|(at, _)| kept[at].id).collect();
        let number = |entry: &Entry| match entry.def.kind {
            RuleKind::Segment { id, .. } => Some(id),
            RuleKind::Attribute => None,
        };
        let numbers = entries.iter().filter_map(number).collect();
        let names = names_read(entries.iter().map(|entry| &entry.def), &by_name);
        let index = Index::new(&entries, &order, &kept);
        let rollovers = rollovers_of(&entries);
        let bounds = Bounds::default();
        let (first_rollover, newborn) = (None, Vec::new());
        let is_coming =
            |at: &usize| entries[*at].def.kind != RuleKind::Attribute && entries[*at].def.layer == Layer::Pending;
        let building = kept.iter().filter(|own| !own.is_built).map(|own| own.id).collect();
        let newest = entries.iter().map(|entry| entry.def.since).max().unwrap_or(Timestamp::MIN);
        let coming = Scope::Some(order.iter().copied().filter(is_coming).collect());
        let mut set = Self {
            entries,
            order,
            by_name,
            names,
            numbers,
            kept,
            kept_by_key,
            column_ids,
            columns,
            sharing,
            policies,
            progress,
            index,
            rollovers,
            first_rollover,
            newborn,
            coming,
            building,
            newest,
            bounds,
            open,
            event_attributes: None,
        };
        set.first_rollover = progress.rolled_over_at.and_then(|at| set.next_rollover(at));
        set.newborn = holding_of_nobody(&set);
        Ok(set)
    }

    /// These segments and those that may hold of somebody of whom nothing is known, those first that others depend on.
    pub(super) fn with_newborn(&self, places: &[usize]) -> Vec<usize> {
        let wanted: BTreeSet<usize> = places.iter().chain(&self.newborn).copied().collect();
        self.order.iter().copied().filter(|at| wanted.contains(at)).collect()
    }

    /// Whether the calendar may have rolled over without having been brought to everybody.
    pub(super) fn may_have_rolled_over(&self, now: Timestamp) -> bool {
        self.first_rollover.is_some_and(|at| at <= now)
    }

    /// A rule that is not one of them, ready to be asked beside them.
    #[must_use]
    pub fn beside(&self, rule: Arc<Rule>, zone: Zone) -> AdHocRule {
        let def = RuleDef {
            name: "".into(),
            layer: Layer::Live,
            kind: RuleKind::Attribute,
            rule,
            zone,
            since: Timestamp::MIN,
        };
        let mut closure: Vec<usize> = Vec::new();
        for need in needs_of(&def, &self.by_name) {
            closure.extend(&self.entries[need].closure);
        }
        closure.sort_unstable();
        closure.dedup();
        let plan = def.rule.plan();
        AdHocRule(Entry {
            attributes: attributes_of(closure.iter().copied(), |at| self.entries[at].def.kind, &places_of(&self.order)),
            reads_values: reads_values(&def, &self.by_name),
            reads_clock: plan.reads_clock,
            closure,
            def,
        })
    }

    /// The names of attributes that they read, besides what nodes keep for them and events. Where one of them may be that of an identifier in
    /// a workspace of this configuration, that is anything.
    #[must_use]
    pub fn reads(&self, config: &Config) -> Names {
        self.names.unless_identifiers(config)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The segments of a layer, by their place in the order of dependencies.
    pub(crate) fn segments(&self) -> impl Iterator<Item = usize> {
        self.order.iter().copied().filter(|at| self.entries[*at].def.kind != RuleKind::Attribute)
    }

    /// The computed attributes that are shown, those first that others need.
    pub(crate) fn live_attributes(&self) -> impl Iterator<Item = usize> {
        let is_live = |at: &usize| {
            let def = &self.entries[*at].def;
            def.kind == RuleKind::Attribute && def.layer == Layer::Live
        };
        self.order.iter().copied().filter(is_live)
    }

    /// The names of the computed attributes that are shown.
    pub fn live_names(&self) -> impl Iterator<Item = &Name> {
        self.live_attributes().map(|at| &self.entries[at].def.name)
    }

    /// The segment that a rule of this layer means by a name.
    pub(crate) fn segment(&self, name: &Name, layer: Layer) -> Option<SegmentId> {
        let at = resolve(&self.by_name, false, name, layer)?;
        match self.entries[at].def.kind {
            RuleKind::Segment { id, .. } => Some(id),
            RuleKind::Attribute => None,
        }
    }

    /// The number of the live segment of this name.
    #[must_use]
    pub fn segment_id(&self, name: &str) -> Option<SegmentId> {
        self.segment(&name.into(), Layer::Live)
    }

    /// The rule of this name that is shown.
    pub(crate) fn live(&self, is_attribute: bool, name: &Name) -> Option<usize> {
        self.by_name.get(&(is_attribute, name.clone()))?[0]
    }

    /// The kept aggregate that says the same, for rules of this zone.
    pub(crate) fn kept(&self, aggregate: &Aggregate, zone: &Zone) -> Option<&KeptDef> {
        let mut same = self.kept_by_key.get(aggregate.key())?.iter().map(|at| &self.kept[*at]);
        same.find(|own| own.zone == *zone)
    }

    /// The kept aggregate of this number.
    #[must_use]
    pub fn kept_of(&self, id: AggregateId) -> Option<&KeptDef> {
        let at = self.kept.binary_search_by_key(&id, |own| own.id).ok()?;
        self.kept.get(at)
    }

    /// Of a kept aggregate of a window: the first that is the same but for its window. What events bring is found out and noted for that one.
    #[must_use]
    pub fn column(&self, kept: &KeptDef) -> Option<AggregateId> {
        let at = self.kept.binary_search_by_key(&kept.id, |own| own.id).ok()?;
        Some(self.kept[self.columns[at]?].id)
    }

    /// All that are the first of theirs, ascending.
    pub(crate) fn columns(&self) -> &[AggregateId] {
        &self.column_ids
    }

    /// The aggregates that take what is brought to one: of a window all that are the same but for their windows, otherwise that one.
    pub(crate) fn sharing(&self, kept: &KeptDef) -> impl Iterator<Item = &KeptDef> {
        let at = self.kept.binary_search_by_key(&kept.id, |own| own.id).ok();
        at.into_iter().flat_map(|at| &self.sharing[at]).map(|at| &self.kept[*at])
    }

    /// All aggregates that are kept.
    #[must_use]
    pub fn all_kept(&self) -> &[KeptDef] {
        &self.kept
    }

    /// Whether a segment of this number is among them.
    #[must_use]
    pub fn has_segment(&self, id: SegmentId) -> bool {
        self.numbers.contains(&id)
    }

    /// The next instant at which the calendar may change a membership of anybody.
    #[must_use]
    pub fn next_rollover(&self, after: Timestamp) -> Option<Timestamp> {
        self.rollovers.iter().filter_map(|(unit, zone)| next_rollover(*unit, after, zone)).min()
    }

    /// Whether the calendar changes memberships at all.
    #[must_use]
    pub fn rolls_over(&self) -> bool {
        !self.rollovers.is_empty()
    }

    /// How far they have been brought to everybody.
    #[must_use]
    pub fn progress(&self) -> RulesProgress {
        self.progress
    }

    /// Nodes tell windows so many events without their timelines.
    pub(crate) fn bound_tails(&mut self, events_max: usize) {
        self.bounds.tail_events_max = events_max;
    }

    /// How much one state may hold.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }
}

/// For each kept aggregate of a window the place of the first that is the same but for its window, and for each aggregate the places of those
/// that take what it is brought.
fn shared(kept: &[KeptDef]) -> (Vec<Option<usize>>, Vec<Vec<usize>>) {
    let mut first: HashMap<&str, Vec<usize>> = HashMap::new();
    let (mut columns, mut sharing) = (Vec::with_capacity(kept.len()), vec![Vec::new(); kept.len()]);
    for (at, own) in kept.iter().enumerate() {
        if own.aggregate.window == Window::Lifetime {
            columns.push(None);
            sharing[at].push(at);
            continue;
        }
        let same = first.entry(own.aggregate.base_key()).or_default();
        let column = match same.iter().find(|first| kept[**first].zone == own.zone) {
            Some(first) => *first,
            None => {
                same.push(at);
                at
            }
        };
        columns.push(Some(column));
        sharing[column].push(at);
    }
    (columns, sharing)
}

/// The place of each rule in the order of dependencies.
fn places_of(order: &[usize]) -> Vec<usize> {
    let mut places = vec![0; order.len()];
    for (place, at) in order.iter().enumerate() {
        places[*at] = place;
    }
    places
}

/// The computed attributes among these rules, those first that others need.
fn attributes_of(rules: impl Iterator<Item = usize>, kind: impl Fn(usize) -> RuleKind, places: &[usize]) -> Vec<usize> {
    let mut attributes: Vec<usize> = rules.filter(|at| kind(*at) == RuleKind::Attribute).collect();
    attributes.sort_unstable_by_key(|at| places[*at]);
    attributes
}

#[cfg(test)]
mod tests {
    use tessera_expr::pql;
    use tessera_expr::rule::Purpose;

    use super::*;

    fn def(kind: RuleKind, layer: Layer, name: &str, pql: &str) -> RuleDef {
        let purpose = if kind == RuleKind::Attribute { Purpose::Value } else { Purpose::Condition };
        let rule = Rule::compile(pql::parse(pql).expect("a rule"), purpose).expect("a rule");
        RuleDef { name: name.into(), layer, kind, rule: Arc::new(rule), zone: Zone::utc(), since: Timestamp::MIN }
    }

    #[test]
    fn rules_read_what_is_not_computed_as_their_layer_sees_it() {
        let segment = RuleKind::Segment { id: SegmentId(1), of: Kind::Person, policy: 0, succeeds: None };
        let check = |defs: Vec<RuleDef>, expected: &[&str]| {
            let set = RuleSet::new(defs, Vec::new(), Vec::new(), RulesProgress::default(), |_| Arc::new(Blank));
            let names = Names::Some(expected.iter().map(|name| Name::from(*name)).collect());
            assert_eq!(set.expect("no circle").names, names);
        };
        let rich = || def(segment, Layer::Live, "rich", "ltv > 5 and address.country = \"DE\"");
        check(Vec::new(), &[]);
        check(vec![rich()], &["address", "ltv"]);
        // Before a computed attribute is live, its name means what was said.
        let ltv = |layer| def(RuleKind::Attribute, layer, "ltv", "xEvent.count()");
        check(vec![rich(), ltv(Layer::Pending)], &["address", "ltv"]);
        check(vec![rich(), ltv(Layer::Live)], &["address"]);
        check(vec![rich(), ltv(Layer::Live), ltv(Layer::Pending)], &["address"]);
    }
}
