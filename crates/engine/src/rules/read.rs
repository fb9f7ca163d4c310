//! What a read sees of the rules: exact at its instant, whatever runs late.

use std::sync::Arc;

use tessera_expr::ast::Name;
use tessera_expr::explain::Explanation;
use tessera_expr::facts::Membership as Stands;

use super::event::Event;
use super::known::{Known, Wanted};
use super::look::{Look, Sources, asked_policy};
use super::segment_state::{SegmentStates, Trouble};
use super::set::{AdHocRule, Layer, RuleKind, RuleSet};
use super::settle::{advance, evaluate, is_late};
use crate::cluster::{Cluster, Node};
use crate::config::Config;
use crate::id::NodeId;
use crate::policy::{CompiledPolicy, IdentityGraph};
use crate::time::Timestamp;
use crate::value::Value;
use crate::view::Names;

/// What is asked of a profile.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The configuration, and the rules in it.
    pub config: &'a Config,
    /// The record.
    pub cluster: &'a Cluster,
    /// A node of the profile.
    pub node: NodeId,
    /// The policy of the read.
    pub policy: &'a CompiledPolicy,
    /// When.
    pub now: Timestamp,
    /// The newest events of the profile; none where they have not been read.
    pub events: Option<&'a Newest>,
    /// What was read of the timelines of its nodes.
    pub known: &'a Known,
    /// Says that nobody waits any more; asked now and then.
    pub given_up: Option<&'a (dyn Fn() -> bool + Sync)>,
}

/// The newest events of a profile, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Newest {
    /// Those of all nodes: segments see profiles whole.
    pub whole: Vec<Arc<Event>>,
    /// Those of the node that is asked for, where the policy of the read sees nothing else.
    pub own: Option<Vec<Arc<Event>>>,
}

/// Why there is no answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// This of the timelines of its nodes is needed and was not given.
    Wants(Vec<Wanted>),
    /// The events of the profile are needed and were not given.
    NeedsEvents,
    /// Whoever asked waits no more.
    GivenUp,
}

impl Unanswered {
    pub(super) fn of(look: &Look<'_>) -> Self {
        let wanted = look.wanted();
        match () {
            () if look.has_given_up() => Self::GivenUp,
            () if !wanted.is_empty() => Self::Wants(wanted),
            () => Self::NeedsEvents,
        }
    }
}

/// What the rules come to for a profile.
#[derive(Debug, Clone, Default)]
pub struct RuleResults {
    /// Computed attributes that have a value, by name.
    pub attributes: Vec<(Name, Value)>,
    /// Computed attributes that have none for a reason.
    pub troubled: Vec<(Name, Trouble)>,
    /// For each live segment, how the profile stands to it, by name.
    pub audiences: Vec<(Name, Stands)>,
    /// Live segments whose last answer stays, for there is none now, by name.
    pub troubled_audiences: Vec<(Name, Trouble)>,
    /// The first instant at which something of it may be otherwise by itself.
    pub valid_until: Option<Timestamp>,
}

/// Why a profile is in a segment or not, or why a computed attribute is what it is.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Leaf by leaf; none where there is no answer.
    pub explanation: Result<Explanation, Trouble>,
    /// The first instant at which it may be otherwise by itself.
    pub changes_at: Option<Timestamp>,
    /// How the profile stands to the segment.
    pub membership: Option<super::Membership>,
    /// Whether it is a segment of others: then the profile is no member of it, whatever the rule comes to.
    pub is_of_others: bool,
}

pub(super) fn look_at<'a>(asked: &Asked<'a>) -> Look<'a> {
    let rules: &'a RuleSet = asked.config.rules();
    let head = asked.cluster.profile_id(asked.node).unwrap_or(asked.node);
    let segment_states = asked.cluster.node(head).and_then(|node| node.segment_states.as_deref()).cloned();
    let sources = Sources {
        rules,
        config: asked.config,
        cluster: asked.cluster,
        node: asked.node,
        events: asked.events.map(|events| &**events.own.as_ref().unwrap_or(&events.whole)),
        asked: Some(asked.policy),
        timelines: asked.known,
    };
    let mut look = Look::new(sources, segment_states.unwrap_or_default(), asked.now);
    look.given_up = asked.given_up;
    look
}

impl<'a> Look<'a> {
    /// What segments see: profiles whole, whatever the policy of the read.
    fn see_whole(&mut self, events: Option<&'a Newest>) {
        self.sources.asked = None;
        self.sources.events = events.map(|events| &*events.whole);
    }
}

pub(super) fn settled(asked: &Asked<'_>) -> Result<SegmentStates, Unanswered> {
    let rules = asked.config.rules();
    let mut look = look_at(asked);
    look.see_whole(asked.events);
    if is_late(Some(&look.segment_states), rules, asked.now, look.erased_at) {
        advance(&mut look, asked.now, &mut Vec::new());
        if look.lacks_events() {
            return Err(Unanswered::of(&look));
        }
    }
    Ok(look.segment_states)
}

/// What the rules come to.
///
/// # Errors
/// [`Unanswered`].
pub fn read(asked: &Asked<'_>) -> Result<RuleResults, Unanswered> {
    let rules = asked.config.rules();
    let mut ruled = RuleResults::default();
    if rules.is_empty() {
        return Ok(ruled);
    }
    let segment_states = settled(asked)?;
    ruled.valid_until =
        segment_states.due.into_iter().chain(rules.next_rollover(asked.now).filter(|_| rules.rolls_over())).min();
    if asked.policy.graph() == IdentityGraph::Full {
        for at in rules.segments() {
            let def = &rules.entries[at].def;
            if let (RuleKind::Segment { id, .. }, Layer::Live) = (def.kind, def.layer) {
                let own = segment_states.find(id);
                ruled.audiences.push((def.name.clone(), segment_states.to(id)));
                let trouble = own.and_then(|own| own.trouble);
                ruled.troubled_audiences.extend(trouble.map(|trouble| (def.name.clone(), trouble)));
            }
        }
        ruled.audiences.sort_by(|one, other| one.0.cmp(&other.0));
    }
    let mut look = look_at(asked);
    look.segment_states = segment_states;
    let policy = asked_policy(rules);
    for at in rules.live_attributes() {
        let came = look.attribute(at, policy, Layer::Live);
        let entry = &rules.entries[at];
        match came.value {
            Ok(Value::Null) => {}
            Ok(value) => ruled.attributes.push((entry.def.name.clone(), value)),
            Err(trouble) => ruled.troubled.push((entry.def.name.clone(), trouble)),
        }
        let rollover = entry.next_rollover(rules, asked.now);
        ruled.valid_until = ruled.valid_until.into_iter().chain(came.moves_at).chain(rollover).min();
    }
    if look.lacks_events() {
        return Err(Unanswered::of(&look));
    }
    ruled.attributes.sort();
    ruled.troubled.sort();
    Ok(ruled)
}

/// What a rule beside those of the configuration comes to: its value, or why there is none.
///
/// # Errors
/// [`Unanswered`].
pub fn ask(asked: &Asked<'_>, beside: &AdHocRule) -> Result<Result<Value, Trouble>, Unanswered> {
    let segment_states = settled(asked)?;
    let mut look = look_at(asked);
    look.segment_states = segment_states;
    look.names = Some(Names::All);
    let came = look.evaluate_entry(&beside.0, asked_policy(asked.config.rules()));
    if look.lacks_events() { Err(Unanswered::of(&look)) } else { Ok(came.value) }
}

/// Whether a record has to be settled: a profile of it would be in another segment then, or wait for an earlier instant, or a node of it lacks
/// a state or has one that no rule asks for. What only says that it was settled does not count, nor that a timer is early. What stood under
/// the rules of before stands: only the segments that are coming are evaluated, unless something else may be another by now.
///
/// The record may be one that has of its values only those that [`RuleSet::reads`] tells.
///
/// # Errors
/// [`Unanswered::NeedsEvents`]: to tell, its events would have to be read.
pub fn would_change(config: &Config, cluster: &Cluster, now: Timestamp) -> Result<bool, Unanswered> {
    let rules = config.rules();
    let is_another = |node: &Node| {
        (node.events() > 0 && rules.building.iter().any(|id| node.state(*id).is_none()))
            || node.states.iter().any(|(id, _)| rules.kept_of(*id).is_none())
    };
    if cluster.nodes.iter().any(is_another) {
        return Ok(true);
    }
    // What was written while the rules were off leaves segment states where no head is.
    let heads: Vec<NodeId> = cluster.profile_ids().collect();
    if cluster.nodes.iter().any(|node| node.segment_states.is_some() && !heads.contains(&node.id)) {
        return Ok(true);
    }
    // Commits of one instant of the clock come after each other, and the rules with one of them.
    let now = rules.newest.max(now);
    for head in heads {
        let before = cluster.node(head).and_then(|node| node.segment_states.as_deref()).cloned().unwrap_or_default();
        if before.late.is_some() || before.memberships.iter().any(|own| !rules.has_segment(own.segment)) {
            return Ok(true);
        }
        let known = Known::default();
        let sources = Sources { rules, config, cluster, node: head, events: None, asked: None, timelines: &known };
        let mut look = Look::new(sources, before.clone(), now);
        advance(&mut look, now, &mut Vec::new());
        evaluate(&mut look, &rules.coming, &mut Vec::new());
        if look.lacks_events() {
            return Err(Unanswered::of(&look));
        }
        if look.segment_states.memberships != before.memberships || look.segment_states.due != before.due {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why a profile is in the live segment of this name or not, or why the live computed attribute is what it is. None if there is none.
///
/// # Errors
/// [`Unanswered`].
pub fn explain(asked: &Asked<'_>, is_attribute: bool, name: &Name) -> Result<Option<Explained>, Unanswered> {
    let rules = asked.config.rules();
    let Some(at) = rules.live(is_attribute, name) else { return Ok(None) };
    let entry = &rules.entries[at];
    let segment_states = settled(asked)?;
    let membership = match entry.def.kind {
        RuleKind::Segment { id, .. } => segment_states.find(id).copied(),
        RuleKind::Attribute => None,
    };
    let mut look = look_at(asked);
    look.segment_states = segment_states;
    let policy = if is_attribute { asked_policy(rules) } else { Look::policy_of(entry) };
    if !is_attribute {
        look.see_whole(asked.events);
    }
    let moves_at = look.evaluate(at, policy).moves_at;
    let explanation = look.ask(entry, policy, |rule, asking, frame| {
        let explanation = rule.explain(asking, frame)?;
        let is_truncated = explanation.is_truncated;
        Ok((explanation, is_truncated))
    });
    if look.lacks_events() {
        return Err(Unanswered::of(&look));
    }
    let is_of_others = matches!(entry.def.kind, RuleKind::Segment { of, .. } if Some(of) != look.kind());
    let changes_at = moves_at.into_iter().chain(entry.next_rollover(rules, asked.now)).min();
    Ok(Some(Explained { explanation, changes_at, membership, is_of_others }))
}
