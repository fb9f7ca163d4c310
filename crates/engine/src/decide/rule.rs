//! What a command does to the rules: events are added to the states of their nodes, and the memberships of every profile that it touched
//! are evaluated in its own commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tessera_expr::limits::SCAN_EVENTS_MAX;

use super::command::{Decide, record_of};
use super::states::has_unread;
use super::{Act, Notice, Outcome};
use crate::aggregate::State;
use crate::cluster::{Cluster, Node};
use crate::config::Config;
use crate::fact::Identity;
use crate::id::NodeId;
use crate::prepare::Prepared;
use crate::rules::{
    AggregateId, Flip, Look, ROWS_OF_FLIP, RuleSet, RuleWork, Scope, SegmentStates, Sources, Wanted, advance,
    advance_all, catch_up, erased_at, evaluate_now, is_late,
};
use crate::view::IDENTITIES;
use crate::working::{ByNow, Lack, Need, Side, Working};

/// Events of timelines that one command reads for rules. What needs more is put off to when nobody waits for it.
pub(super) const EVENTS_READ_MAX: u64 = 100_000;

/// What is to be settled of a profile that nobody has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settling {
    /// What time alone changes: a timer is due.
    Due,
    /// Everything: rules are new, or mean something else. States that have not been built are.
    All,
}

/// That the memberships of a record which nobody has written are brought to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// A node of the record.
    pub node: NodeId,
    /// What is to be settled.
    pub settling: Settling,
}

impl Decide for Settlement {
    fn first_needs(&self) -> Vec<Need> {
        vec![Need::Home(self.node)]
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        record_of(working, self.node).into_iter().collect()
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.settle_rules(self.node, self.settling)
    }
}

/// What a command has done so far that rules may see.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Records that are to be settled though nothing in them was changed.
    asked: BTreeMap<NodeId, Settling>,
    /// Whether one of those is not settled yet.
    is_unfinished: bool,
    /// Profiles of which states are still to be built.
    pub(super) unread: BTreeSet<NodeId>,
    /// States of windows of the record at hand that were brought on.
    advanced: Vec<(NodeId, AggregateId, Arc<State>)>,
}

impl Seen {
    pub(super) fn is_unfinished(&self) -> bool {
        self.is_unfinished
    }
}

impl Act<'_> {
    /// Settles a record that nobody has written.
    fn settle_rules(&mut self, node: NodeId, settling: Settling) -> Result<Outcome, Lack> {
        let Some(id) = self.working.home(node)? else { return Ok(Outcome::NotFound) };
        let cluster = self.working.cluster(id)?;
        if settling == Settling::All || cluster.nodes.iter().any(has_unread) {
            self.build_states(&cluster)?;
        }
        self.seen.asked.insert(id, settling);
        Ok(Outcome::Settled)
    }

    /// Evaluates the memberships of all profiles that the command touched. The last thing that a command does.
    pub(super) fn update_memberships(&mut self, command: &dyn Decide, is_walked: bool) -> Result<(), Lack> {
        let config = self.working.config().clone();
        if config.rules().is_empty() && self.seen.asked.is_empty() {
            return Ok(());
        }
        let touched = self.working.touched();
        if touched.is_empty() && self.seen.asked.is_empty() {
            return Ok(());
        }
        if is_walked {
            for (_, cluster) in touched.iter().filter_map(|(id, own)| Some((id, own.as_ref()?))) {
                self.build_walked(cluster)?;
            }
        }
        let scope = scope_of(command, is_walked, &config);
        let mut late = self.advanced(&touched, &config)?;
        let mut ids: BTreeSet<NodeId> = touched.iter().filter(|(_, own)| own.is_some()).map(|(id, _)| *id).collect();
        ids.extend(self.seen.asked.keys());
        drop(touched);
        for id in ids {
            self.settle_cluster(id, (&scope, is_walked), &mut late, &config)?;
        }
        Ok(())
    }

    /// The segment states of touched profiles, brought to right before now as they were before the command.
    fn advanced(
        &mut self,
        touched: &[(NodeId, Option<Arc<Cluster>>)],
        config: &Config,
    ) -> Result<BTreeMap<NodeId, SegmentStates>, Lack> {
        let mut advanced = BTreeMap::new();
        let before: Vec<Arc<Cluster>> =
            touched.iter().filter_map(|(id, _)| self.working.before(*id).cloned()).collect();
        for cluster in before {
            for head in cluster.profile_ids() {
                let segment_states = cluster.node(head).and_then(|node| node.segment_states.as_deref());
                let erased_at = erased_at(config, &cluster, head);
                if !is_late(segment_states, config.rules(), self.now, erased_at) {
                    continue;
                }
                let segment_states = segment_states.cloned().unwrap_or_default();
                let segment_states =
                    self.looked(&cluster, head, segment_states, Side::Before, config, |look, flips, now| {
                        catch_up(look, now, flips);
                    })?;
                advanced.insert(head, segment_states);
            }
        }
        Ok(advanced)
    }

    /// Brings the profiles of a record to now: their heads hold what is so from now on, and nobody else holds anything. What the command may
    /// not take any more is put off.
    fn settle_cluster(
        &mut self,
        id: NodeId,
        (scope, is_walked): (&Scope, bool),
        late: &mut BTreeMap<NodeId, SegmentStates>,
        config: &Config,
    ) -> Result<(), Lack> {
        let cluster = self.working.cluster(id)?;
        let asked = self.seen.asked.get(&id).copied();
        let mut changed: Vec<(NodeId, Option<Box<SegmentStates>>)> = Vec::new();
        let heads: BTreeSet<NodeId> = cluster.profile_ids().collect();
        for node in &cluster.nodes {
            let (kept, caught_up) = (node.segment_states.as_deref(), late.remove(&node.id));
            if !heads.contains(&node.id) {
                if let Some(segment_states) = caught_up.or_else(|| kept.cloned()) {
                    changed.push((node.id, self.leave(node.id, segment_states, config)));
                }
                continue;
            }
            // Whose last fact has gone is nobody, and leaves all segments.
            let has_memberships = kept.is_some_and(|own| !own.memberships.is_empty());
            let is_left = has_memberships && node.facts() == 0 && cluster.kind_of(node.id, config).is_none();
            let is_changed = is_left || is_walked || self.notices.contains(&Notice::ProfileChanged(node.id));
            let was_late = caught_up.as_ref().is_some_and(|own| Some(own) != kept);
            if !is_changed && asked.is_none() && !was_late && !self.seen.unread.contains(&node.id) {
                continue;
            }
            let segment_states = caught_up.or_else(|| kept.cloned()).unwrap_or_default();
            let scope = if is_left { &Scope::All } else { scope };
            let newborn = is_newborn(&cluster, node, self.now).then(|| scope.with_newborn(config.rules()));
            let scope = newborn.as_ref().unwrap_or(scope);
            let next = match asked {
                Some(settling) => self.settled(&cluster, node.id, segment_states, settling, config)?,
                None => self.evaluated(&cluster, node.id, segment_states, scope, config)?,
            };
            let next = Some(Box::new(next)).filter(|next| says_something(next, config.rules()));
            if next != node.segment_states {
                changed.push((node.id, next));
            }
        }
        drop(cluster);
        self.put_segment_states(id, changed, config)?;
        if asked.is_some() {
            let cluster = self.working.cluster(id)?;
            let is_unsettled = |node: &&Node| {
                let segment_states = node.segment_states.as_deref();
                let is_head = heads.contains(&node.id);
                let erased_at = || erased_at(config, &cluster, node.id);
                if is_head {
                    is_late(segment_states, config.rules(), self.now, erased_at())
                } else {
                    segment_states.is_some()
                }
            };
            self.seen.is_unfinished |= cluster.nodes.iter().find(is_unsettled).is_some();
        }
        Ok(())
    }

    /// The segment states of a profile that somebody asked to be settled. What is late of it was not brought to now as one of those that the command
    /// wrote.
    fn settled(
        &mut self,
        cluster: &Cluster,
        head: NodeId,
        segment_states: SegmentStates,
        settling: Settling,
        config: &Config,
    ) -> Result<SegmentStates, Lack> {
        let erased_at = erased_at(config, cluster, head);
        let is_asked = settling == Settling::All || is_late(Some(&segment_states), config.rules(), self.now, erased_at);
        if !is_asked {
            return Ok(segment_states);
        }
        if !self.rules_left.is_left() {
            let mut segment_states = segment_states;
            // Whoever asked for everything is told that it is still to come.
            if settling == Settling::All && segment_states.late.is_none() {
                segment_states.put_off(self.now, config.version());
            }
            return Ok(segment_states);
        }
        self.looked(cluster, head, segment_states, Side::After, config, |look, flips, now| match settling {
            Settling::Due => advance(look, now, flips),
            Settling::All => advance_all(look, now, flips),
        })
    }

    /// The segment states of a profile that the command has changed.
    fn evaluated(
        &mut self,
        cluster: &Cluster,
        head: NodeId,
        segment_states: SegmentStates,
        scope: &Scope,
        config: &Config,
    ) -> Result<SegmentStates, Lack> {
        let is_unread = self.seen.unread.contains(&head);
        if is_unread || (*scope == Scope::All && !self.rules_left.is_left()) {
            let mut segment_states = segment_states;
            segment_states.put_off(self.now, config.version());
            return Ok(segment_states);
        }
        self.looked(cluster, head, segment_states, Side::After, config, |look, flips, _| {
            evaluate_now(look, scope, flips);
        })
    }

    fn put_segment_states(
        &mut self,
        id: NodeId,
        segment_states: Vec<(NodeId, Option<Box<SegmentStates>>)>,
        config: &Config,
    ) -> Result<(), Lack> {
        let bytes_max = config.limits().record_bytes_max;
        let cluster = self.working.cluster(id)?;
        let mut advanced = std::mem::take(&mut self.seen.advanced);
        let is_another = |(node, id, own): &(NodeId, AggregateId, Arc<State>)| {
            cluster.node(*node).is_some_and(|node| node.state(*id).is_some_and(|known| *known != **own))
        };
        advanced.retain(is_another);
        if segment_states.is_empty() && advanced.is_empty() && cluster.bytes <= bytes_max && !sleeps(&cluster) {
            return Ok(());
        }
        drop(cluster);
        let mut cluster = self.working.edit(id)?;
        for (node, segment_states) in segment_states {
            let own = cluster.node_mut(node).ok_or(Lack::Torn)?;
            let before = own.rules_bytes();
            own.segment_states = segment_states;
            let after = own.rules_bytes();
            cluster.bytes = (cluster.bytes + after).saturating_sub(before);
        }
        for (node, id, state) in advanced {
            let own = cluster.node_mut(node).ok_or(Lack::Torn)?;
            let before = own.rules_bytes();
            if let Ok(at) = own.states.binary_search_by_key(&id, |(own, _)| *own) {
                own.states[at].1 = state;
            }
            let after = own.rules_bytes();
            cluster.bytes = (cluster.bytes + after).saturating_sub(before);
        }
        if sleeps(&cluster) {
            // One timer wakes all of the record.
            let mut late = cluster.nodes.iter_mut().filter_map(|node| node.segment_states.as_mut());
            if let Some((own, late)) = late.find_map(|own| own.late.map(|late| (own, late))) {
                own.due = Some(late.at);
            }
        }
        if cluster.bytes > bytes_max {
            shed(&mut cluster, bytes_max);
        }
        self.working.put_cluster(cluster);
        Ok(())
    }

    /// Has something looked at a profile, on one side of the command, and tells who came and went.
    pub(super) fn looked(
        &mut self,
        cluster: &Cluster,
        head: NodeId,
        segment_states: SegmentStates,
        side: Side,
        config: &Config,
        act: impl Fn(&mut Look<'_>, &mut Vec<Flip>, crate::time::Timestamp),
    ) -> Result<SegmentStates, Lack> {
        let nodes = || cluster.piece(head).filter(|node| node.events() > 0);
        let events = self.working.newest(nodes().map(|node| node.id), side);
        let by_now = ByNow(&*self.working);
        let sources = Sources {
            rules: config.rules(),
            config,
            cluster,
            node: head,
            events: events.as_deref().ok(),
            asked: None,
            timelines: match side {
                Side::Before => &*self.working,
                Side::After => &by_now,
            },
        };
        let mut look = Look::new(sources, segment_states.clone(), self.now);
        look.allow(self.rules_left);
        let mut flips = Vec::new();
        act(&mut look, &mut flips, self.now);
        let wanted = look.wanted();
        if !wanted.is_empty() {
            return self.want(cluster, segment_states, wanted, config);
        }
        if look.lacks_events() {
            let to_read = nodes().map(|node| node.events().min(SCAN_EVENTS_MAX as u64)).sum::<u64>();
            let is_asked = !self.seen.asked.is_empty();
            if !is_asked && self.working.events() as u64 + to_read > EVENTS_READ_MAX {
                let mut segment_states = segment_states;
                segment_states.put_off(self.now, config.version());
                return Ok(segment_states);
            }
            return Err(events.err().unwrap_or(Lack::Torn));
        }
        self.rules_left = look.left();
        if side == Side::After {
            self.seen.advanced.extend(look.advanced());
        }
        let segment_states = look.segment_states;
        for Flip { segment, at, is_inside } in flips {
            self.notices.insert(Notice::Membership { profile: head, segment, at, is_inside });
        }
        Ok(segment_states)
    }

    /// What a look wants of timelines is read, or the look is put off where that is more than a command may read.
    fn want(
        &self,
        cluster: &Cluster,
        segment_states: SegmentStates,
        wanted: Vec<Wanted>,
        config: &Config,
    ) -> Result<SegmentStates, Lack> {
        let events = |own: &Wanted| match own {
            Wanted::States { node, .. } => cluster.node(*node).map_or(0, Node::events),
            Wanted::Stretch { .. } => 0,
        };
        if self.seen.asked.is_empty() && wanted.iter().map(events).sum::<u64>() > EVENTS_READ_MAX {
            let mut segment_states = segment_states;
            segment_states.put_off(self.now, config.version());
            return Ok(segment_states);
        }
        Err(Lack::Needs(wanted.into_iter().map(Need::from).collect()))
    }

    /// A profile that is no more is in no segment. Answers what it still holds, where that is more than the command may take.
    fn leave(&mut self, profile: NodeId, segment_states: SegmentStates, config: &Config) -> Option<Box<SegmentStates>> {
        let mut segment_states = segment_states;
        while let Some(own) = segment_states.memberships.last() {
            if !self.rules_left.is_left() {
                if segment_states.late.is_none() {
                    segment_states.put_off(self.now, config.version());
                }
                return Some(Box::new(segment_states));
            }
            let mut rows = 1;
            if own.is_inside() {
                rows = ROWS_OF_FLIP;
                let notice = Notice::Membership { profile, segment: own.segment, at: self.now, is_inside: false };
                self.notices.insert(notice);
            }
            self.rules_left = self.rules_left.without(RuleWork { steps: 1, rows });
            segment_states.memberships.pop();
        }
        None
    }
}

/// Whether somebody of a record is late, and no timer wakes one of them.
fn sleeps(cluster: &Cluster) -> bool {
    let segment_states = || cluster.nodes.iter().filter_map(|node| node.segment_states.as_deref());
    segment_states().any(|own| own.late.is_some()) && !segment_states().any(SegmentStates::is_awake)
}

/// Whether segment states have to be kept.
fn says_something(segment_states: &SegmentStates, rules: &RuleSet) -> bool {
    // Where the calendar rolls over, when it was settled last tells which rollovers are still to come.
    let progress = rules.progress();
    let waits = rules.rolls_over() && Some(segment_states.settled_at) > progress.rolled_over_at;
    let is_ahead = segment_states.epoch > progress.settled_epoch;
    !segment_states.memberships.is_empty()
        || segment_states.due.is_some()
        || segment_states.late.is_some()
        || waits
        || is_ahead
}

/// Whether nobody had this profile before the command: it was not there, or what is its only fact now came with it.
fn is_newborn(cluster: &Cluster, head: &Node, now: crate::time::Timestamp) -> bool {
    head.created_at == now || head.facts() <= 1 && cluster.piece(head.id).map(Node::facts).sum::<u64>() <= 1
}

/// Which memberships a command can change, by what it says.
fn scope_of(command: &dyn Decide, is_walked: bool, config: &Config) -> Scope {
    match command.says_only().filter(|_| !is_walked) {
        Some(prepared) => Scope::Some(affected(prepared, config)),
        None => Scope::All,
    }
}

fn affected(prepared: &Prepared, config: &Config) -> Vec<usize> {
    let fact = &prepared.fact;
    let event = fact
        .call
        .as_ref()
        .filter(|call| call.kind.is_event())
        .map(|call| call.name.as_deref().unwrap_or_else(|| call.kind.name()));
    let account = fact.account.iter().flat_map(|account| &account.attributes);
    let names: Vec<_> = fact.attributes.iter().chain(account).filter_map(|(path, _)| path.segments().next()).collect();
    let identities = prepared.identities().chain(&prepared.account);
    let name = |identity: &Identity| config.find(identity.namespace);
    let namespaces: Vec<_> = identities.filter_map(name).collect();
    let named = namespaces.iter().map(|namespace| namespace.name.as_str()).chain([IDENTITIES]);
    let names = names.iter().map(AsRef::as_ref).chain(named);
    config.rules().index.segments(event, names)
}

/// Lets the largest states go until a record fits: rules take no room from facts. What is let go of is shown as overflowed.
fn shed(cluster: &mut Cluster, bytes_max: usize) {
    cluster.bytes = cluster.measure();
    for node in &mut cluster.nodes {
        if cluster.bytes > bytes_max && node.tail.take().is_some() {
            cluster.bytes = bytes_max + 1;
        }
    }
    cluster.bytes = cluster.measure();
    while cluster.bytes > bytes_max {
        let states = cluster.nodes.iter_mut().flat_map(|node| &mut node.states);
        let largest = states.max_by_key(|(_, state)| state.size_bytes()).filter(|(_, state)| state.size_bytes() > 2);
        let Some((_, state)) = largest else { return };
        *state = Arc::new(State::Overflowed);
        cluster.bytes = cluster.measure();
    }
}
