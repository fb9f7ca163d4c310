//! The computed attributes and segments of a workspace, as they were set, and how far each is brought to everybody.
//!
//! A rule that runs has a live version, a next one, or both: a new or edited one is next until a walk over all profiles is complete, and then
//! takes the place of the live one at once. Rules that depend on it get a next version with it, so that nobody sees one without the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_engine::config::Kind;
use tessera_engine::rules::{AggregateId, RulesProgress, SegmentId};
use tessera_engine::time::Timestamp;
use tessera_expr::ast::{Expr, Node};
use tessera_expr::calendar::Zone;
use tessera_expr::plan::Attributes;
use tessera_expr::pql;
use tessera_expr::problem::{Code, Place, Problem};
use tessera_expr::rule::{Purpose, Rule};

use super::{PolicyId, StoredConfig};
use crate::base::error::{Error, ErrorKind};

mod change;
mod live;
mod name;
mod records;

#[cfg(test)]
mod tests;

pub(crate) use change::touch_rule;
pub use change::{Content, Walked, archive_rule, built, put_rule, remove_rule, renewed};
pub(super) use change::{follow, policy_in_use};
pub(super) use live::{check, to_engine};
pub use name::{DISPLAY_NAME_MAX, RuleName, display_name};
pub(super) use records::{decode, encode};

/// Computed attributes of one workspace, archived ones and drafts included.
pub const ATTRIBUTES_MAX: usize = 400;
/// Segments of one workspace, archived ones and drafts included.
pub const SEGMENTS_MAX: usize = 2_000;
/// Merge policies that running segments may have between them.
pub const POLICIES_IN_USE_MAX: usize = 5;
/// Former versions of a segment whose changes are shown.
const FORMER_MAX: usize = 32;
/// Computed attributes that are written into events and that run, in one workspace: each is asked of every event.
pub const EVENT_ATTRIBUTES_MAX: usize = 20;
/// Characters of a description.
pub const DESCRIPTION_MAX: usize = 500;

/// What a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleKind {
    /// A computed attribute: a value.
    Attribute,
    /// A segment: a condition.
    Segment,
}

impl RuleKind {
    /// What a rule of this kind is asked for.
    #[must_use]
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Attribute => Purpose::Value,
            Self::Segment => Purpose::Condition,
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Attribute => "computed attribute",
            Self::Segment => "segment",
        }
    }
}

/// Where the values of a computed attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Target {
    /// In profiles: computed whenever somebody asks.
    #[default]
    Profiles,
    /// In events: computed once, when an event is taken in, and kept with it.
    Events,
}

/// What a rule says. Equal are those that say the same.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The rule in its one spelling.
    pub pql: Arc<str>,
    /// The same, compiled once and shared.
    pub rule: Arc<Rule>,
    /// Where its days begin.
    pub zone: Zone,
    /// Of a segment, the id of its merge policy; none for the workspace's default one, whichever that is.
    pub merge_policy: Option<PolicyId>,
    /// Of a segment, of whom it is. A computed attribute is everybody's.
    pub of: Kind,
    /// Of a computed attribute, where its values are.
    pub into: Target,
}

impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        let said = |own: &Self| (own.pql.clone(), own.merge_policy.clone(), own.of, own.into);
        said(self) == said(other) && self.zone == other.zone
    }
}

impl Eq for Definition {}

impl Definition {
    /// The same of others.
    #[must_use]
    pub fn of(self, of: Kind) -> Self {
        Self { of, ..self }
    }

    /// Compiles a rule. A segment is of people.
    ///
    /// # Errors
    /// The first [`Problem`] of it.
    pub fn new(kind: RuleKind, expr: Expr, zone: Zone, merge_policy: Option<PolicyId>) -> Result<Self, Problem> {
        let pql: Arc<str> = pql::print(&expr).into();
        // What is stored is read again at every start: whatever language a rule came in, its text keeps the bounds of a text.
        pql::parse(&pql)?;
        let rule = Arc::new(Rule::compile(expr, kind.purpose())?);
        Ok(Self { pql, rule, zone, merge_policy, of: Kind::Person, into: Target::Profiles })
    }

    /// Compiles a computed attribute that is written into events. Its names are those of the event; `$1` is the profile, as it stood right before
    /// the event.
    ///
    /// # Errors
    /// The first [`Problem`] of it: as [`Self::new`], and `Code::WrongType` where it speaks of the events of the profile, of which it knows none
    /// but its own.
    pub fn of_events(expr: Expr, zone: Zone) -> Result<Self, Problem> {
        if let Some(at) = place_of_events(&expr) {
            let expected = "the event alone; of events of before a computed attribute of the profile can tell";
            return Err(Problem { code: Code::WrongType, at, expected: expected.to_owned(), hint: None });
        }
        let pql: Arc<str> = pql::print(&expr).into();
        let own = Self::of_events_stored(&pql, zone.clone())?;
        // What is stored is read again at every start, and without what it was checked for.
        let rule = Arc::new(Rule::compile(expr.of_first_event(), Purpose::Value)?);
        Ok(Self { rule, ..own })
    }

    /// A computed attribute that is written into events, as it was stored.
    ///
    /// # Errors
    /// The first [`Problem`] with its form.
    pub(super) fn of_events_stored(pql: &str, zone: Zone) -> Result<Self, Problem> {
        let rule = Arc::new(Rule::stored(pql::parse(pql)?.of_first_event(), Purpose::Value)?);
        Ok(Self { pql: pql.into(), rule, zone, merge_policy: None, of: Kind::Person, into: Target::Events })
    }

    /// A rule as it was stored. What was checked when it was made is not checked again: reading a configuration costs no more for what its
    /// patterns are.
    ///
    /// # Errors
    /// The first [`Problem`] with its form.
    pub(super) fn stored(
        kind: RuleKind,
        pql: &str,
        zone: Zone,
        merge_policy: Option<PolicyId>,
    ) -> Result<Self, Problem> {
        let rule = Arc::new(Rule::stored(pql::parse(pql)?, kind.purpose())?);
        Ok(Self { pql: pql.into(), rule, zone, merge_policy, of: Kind::Person, into: Target::Profiles })
    }

    /// The name of the time zone where its days begin.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        self.zone.name().unwrap_or("UTC")
    }
}

/// Where an expression speaks of the events of the profile.
fn place_of_events(expr: &Expr) -> Option<Place> {
    if expr.node == Node::Events {
        return Some(expr.at.clone());
    }
    let mut found = None;
    expr.each_part(&mut |part| found = found.take().or_else(|| place_of_events(part)));
    found
}

/// One version of a rule that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// What it says.
    pub definition: Definition,
    /// Of a segment, its number: that of its members.
    pub segment: Option<SegmentId>,
    /// The number of the version whose members are its own as long.
    pub succeeds: Option<SegmentId>,
    /// The generation of the rules that it came with.
    pub generation: u64,
    /// When it was made.
    pub since: Timestamp,
}

/// How far a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is kept, and nobody evaluates it.
    Draft,
    /// It is being brought to everybody, and not shown before that is complete.
    Building,
    /// It is shown. An edited one is shown as it was until its next version is complete.
    Active,
    /// It was taken out of use.
    Archived,
}

impl Status {
    /// Its name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Building => "building",
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }
}

/// What there is of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// A definition alone.
    Draft(Definition),
    /// The definition that it had.
    Archived(Definition),
    /// It is not live before its first version is complete.
    Building(Version),
    /// It is live, perhaps with a next version.
    Live(Version, Option<Version>),
}

/// A computed attribute or a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRule {
    /// Its name.
    pub name: RuleName,
    /// What people call it, where that is not its name.
    pub display_name: Option<Arc<str>>,
    /// What people say of it.
    pub description: Option<Arc<str>>,
    /// 1 when it is made; each replacement makes the next.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was replaced or archived last; when it was made, if never.
    pub updated_at: Timestamp,
    /// What there is of it.
    pub run: Run,
    /// Of a segment, the numbers of its former versions, the newest last: profiles have entered and left it under these.
    pub former: Vec<SegmentId>,
}

impl StoredRule {
    /// How far it is.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self.run {
            Run::Draft(_) => Status::Draft,
            Run::Archived(_) => Status::Archived,
            Run::Building(_) => Status::Building,
            Run::Live(..) => Status::Active,
        }
    }

    /// What it says; of one that is edited, what it will say.
    #[must_use]
    pub const fn definition(&self) -> &Definition {
        match &self.run {
            Run::Draft(definition) | Run::Archived(definition) => definition,
            Run::Building(next) | Run::Live(_, Some(next)) => &next.definition,
            Run::Live(live, None) => &live.definition,
        }
    }

    /// The version that is shown.
    #[must_use]
    pub const fn live(&self) -> Option<&Version> {
        match &self.run {
            Run::Live(live, _) => Some(live),
            Run::Draft(_) | Run::Archived(_) | Run::Building(_) => None,
        }
    }

    /// The version that is being brought to everybody.
    #[must_use]
    pub const fn next(&self) -> Option<&Version> {
        match &self.run {
            Run::Building(next) | Run::Live(_, Some(next)) => Some(next),
            Run::Draft(_) | Run::Archived(_) | Run::Live(_, None) => None,
        }
    }

    /// What it says, and what it still says until that is complete.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.live().map(|live| &live.definition).into_iter().chain([self.definition()])
    }

    /// Whether it is a computed attribute that is written into events.
    #[must_use]
    pub fn is_of_events(&self) -> bool {
        self.definition().into == Target::Events
    }

    /// The versions that are evaluated.
    fn running(&self) -> impl Iterator<Item = &Version> {
        self.live().into_iter().chain(self.next())
    }
}

/// An aggregate that nodes keep states of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAggregate {
    /// Its number.
    pub id: AggregateId,
    /// Where the days of the rules that need it begin.
    pub zone: Zone,
    /// The one text of what it says.
    pub key: Arc<str>,
    /// The generation of the rules that it came with, until every node keeps it.
    pub building: Option<u64>,
}

/// The computed attributes and segments of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredRules {
    attributes: BTreeMap<RuleName, Arc<StoredRule>>,
    segments: BTreeMap<RuleName, Arc<StoredRule>>,
    aggregates: Vec<StoredAggregate>,
    /// The last numbers that were given. None is given again.
    last_segment: u32,
    last_aggregate: u32,
    generation: u64,
    /// The generation of the last change that left something in records which nobody asks for any more, until it is out of all of them.
    retiring: Option<u64>,
    progress: RulesProgress,
}

impl StoredRules {
    /// The rules of a kind, by name.
    #[must_use]
    pub fn of(&self, kind: RuleKind) -> &BTreeMap<RuleName, Arc<StoredRule>> {
        match kind {
            RuleKind::Attribute => &self.attributes,
            RuleKind::Segment => &self.segments,
        }
    }

    fn of_mut(&mut self, kind: RuleKind) -> &mut BTreeMap<RuleName, Arc<StoredRule>> {
        match kind {
            RuleKind::Attribute => &mut self.attributes,
            RuleKind::Segment => &mut self.segments,
        }
    }

    /// The rule of this name.
    ///
    /// # Errors
    /// `NotFound` with `attribute_not_found`, `segment_not_found`.
    pub fn find(&self, kind: RuleKind, name: &str) -> Result<&StoredRule, Error> {
        self.of(kind).get(name).map(AsRef::as_ref).ok_or_else(|| {
            let code = match kind {
                RuleKind::Attribute => "attribute_not_found",
                RuleKind::Segment => "segment_not_found",
            };
            Error::new(ErrorKind::NotFound, code, format!("no {} has this name", kind.noun()))
        })
    }

    /// All of them, each with its kind.
    fn all(&self) -> impl Iterator<Item = (RuleKind, &StoredRule)> {
        let of = |kind| self.of(kind).values().map(move |rule| (kind, &**rule));
        of(RuleKind::Attribute).chain(of(RuleKind::Segment))
    }

    /// The rules that name one by itself, by kind and name.
    #[must_use]
    pub fn asking(&self, kind: RuleKind, name: &RuleName) -> Vec<(RuleKind, RuleName)> {
        let asks = |rule: &StoredRule| rule.running().any(|version| asks_for(&version.definition.rule, kind, name));
        self.all().filter(|(_, rule)| asks(rule)).map(|(own, rule)| (own, rule.name.clone())).collect()
    }

    /// Counts the changes that have to be brought to everybody.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How far they have been brought to everybody.
    #[must_use]
    pub fn progress(&self) -> RulesProgress {
        self.progress
    }

    /// Whether any of them is evaluated.
    #[must_use]
    pub fn are_running(&self) -> bool {
        self.all().any(|(_, rule)| rule.running().next().is_some())
    }

    /// Whether something of them has still to be brought to everybody.
    #[must_use]
    pub fn needs_walk(&self) -> bool {
        self.progress.settled_epoch < self.progress.epoch
            || self.retiring.is_some()
            || self.aggregates.iter().any(|own| own.building.is_some())
            || self.all().any(|(_, rule)| rule.next().is_some())
    }

    /// The rules that depend on one by name, those that depend on these, and so on. On what was written into events nothing does.
    fn dependents(&self, kind: RuleKind, name: &RuleName) -> BTreeSet<(RuleKind, RuleName)> {
        let mut found = BTreeSet::new();
        let is_of_events = self.of(kind).get(name).is_some_and(|rule| rule.is_of_events());
        let mut open = if is_of_events { Vec::new() } else { vec![(kind, name.clone())] };
        while let Some((kind, name)) = open.pop() {
            for (own, rule) in self.all() {
                let asks = rule.running().any(|version| asks_for(&version.definition.rule, kind, &name));
                if asks && found.insert((own, rule.name.clone())) {
                    open.push((own, rule.name.clone()));
                }
            }
        }
        found
    }
}

/// Whether a rule names another.
fn asks_for(rule: &Rule, kind: RuleKind, name: &RuleName) -> bool {
    let plan = rule.plan();
    match (kind, &plan.attributes) {
        (RuleKind::Segment, _) => plan.segments.iter().any(|own| **own == *name.as_str()),
        (RuleKind::Attribute, Attributes::All) => true,
        (RuleKind::Attribute, Attributes::At(paths)) => {
            paths.iter().any(|path| path.first().is_some_and(|own| **own == *name.as_str()))
        }
    }
}

impl StoredConfig {
    /// The computed attributes and segments.
    #[must_use]
    pub fn rules(&self) -> &StoredRules {
        &self.rules
    }
}
