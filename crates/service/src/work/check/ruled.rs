//! What the rules keep, held against what it was made of: states against the timelines, members, counts and timers against the records.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::aggregate::{State, fold};
use tessera_engine::cluster::{Cluster, Node};
use tessera_engine::config::Config;
use tessera_engine::id::NodeId;
use tessera_engine::rules::{
    AggregateId, Built, Event, KeptDef, Late, RuleSet, SegmentId, SegmentStates, TIMELINE_STEPS_MAX, Trouble,
};
use tessera_engine::time::Timestamp;
use tessera_engine::working::NodeStates;
use tessera_expr::facts::Membership as Stands;

use super::Check;
use crate::base::error::Error;
use crate::stored::keys::Family;
use crate::stored::layout::{read_event_key, read_member_key, read_segment_key, read_timer_key};
use crate::stored::records::event;
use crate::stored::records::ruled::{MemberCounts, decode_counts, decode_member};

/// What the records of a workspace say that the rules keep.
#[derive(Default)]
pub(super) struct Ruled {
    states: HashMap<NodeId, NodeStates>,
    members: HashMap<(SegmentId, NodeId), Timestamp>,
    counts: BTreeMap<SegmentId, MemberCounts>,
    timers: HashSet<(Timestamp, NodeId)>,
    /// Records in which somebody is late and no timer wakes anybody.
    asleep: Vec<NodeId>,
    /// The states whose records an erasure has not reached.
    lagging: HashSet<NodeId>,
}

impl Ruled {
    /// Takes in a record.
    pub(super) fn see(&mut self, cluster: &Cluster, config: &Config) {
        let heads: HashSet<NodeId> = cluster.profile_ids().collect();
        let late = || cluster.nodes.iter().filter_map(|node| node.segment_states.as_ref()?.late.zip(Some(node)));
        let is_awake = |(late, node): (Late, &Node)| {
            node.segment_states.as_ref().and_then(|own| own.due).is_some_and(|due| due <= late.at)
        };
        if late().next().is_some() && !late().any(is_awake) {
            self.asleep.push(cluster.id());
        }
        for node in &cluster.nodes {
            if cluster.swept < config.sweeps().number {
                self.lagging.insert(node.id);
            }
            if !config.rules().all_kept().is_empty() && (node.events() > 0 || !node.states.is_empty()) {
                self.states.insert(node.id, node.states.clone());
            }
            // A profile that is no more may be in segments that it still has to leave.
            let counts = |own: &&SegmentStates| heads.contains(&node.id) || own.late.is_some();
            let Some(segment_states) = node.segment_states.as_deref().filter(counts) else { continue };
            self.timers.extend(segment_states.due.map(|due| (due, node.id)));
            for own in &segment_states.memberships {
                if let Stands::Inside { entered, .. } = own.stands {
                    self.members.insert((own.segment, node.id), entered);
                }
                let counts = self.counts.entry(own.segment).or_default();
                counts.members += u64::from(own.is_inside());
                counts.overflowed += u64::from(own.trouble == Some(Trouble::Overflowed));
                counts.truncated += u64::from(own.trouble == Some(Trouble::Truncated));
                counts.over_budget += u64::from(own.trouble == Some(Trouble::OverBudget));
            }
        }
    }
}

impl Check<'_> {
    pub(super) async fn ruled(&mut self, ruled: &Ruled, config: &Config, now: Timestamp) -> Result<(), Error> {
        self.states(ruled, config, now).await?;
        self.members(ruled, config).await?;
        self.counts(ruled, config).await?;
        self.timers(ruled).await
    }

    /// Each state comes to what the events of its node come to.
    async fn states(&mut self, ruled: &Ruled, config: &Config, now: Timestamp) -> Result<(), Error> {
        if ruled.states.is_empty() {
            return Ok(());
        }
        let rules = config.rules().clone();
        let mut faults = Vec::new();
        let mut recount =
            Recount { of: None, built: Built::new(&rules, now), steps: TIMELINE_STEPS_MAX, seen: HashSet::new() };
        self.each(Family::Event, |key, value| {
            let Some((node, time, id)) = read_event_key(key) else { return };
            let Ok(call) = event::decode(id, time, &Bytes::copy_from_slice(value)) else { return };
            let event = Event::from(call);
            if config.sweeps().erases_at(&event.dataset, event.batch.as_deref(), event.received_at) {
                return;
            }
            if recount.of != Some(node) {
                faults.extend(recount.finish(ruled, &rules, now));
                recount.begin(node, ruled, &rules, now);
            }
            recount.built.add(&event, &rules, &mut recount.steps);
        })
        .await?;
        faults.extend(recount.finish(ruled, &rules, now));
        let is_open = |node: &NodeId| !recount.seen.contains(node) && !ruled.lagging.contains(node);
        for (node, states) in ruled.states.iter().filter(|(node, _)| is_open(node)) {
            faults.extend(differences(*node, states, &NodeStates::new(), rules.all_kept(), now));
        }
        faults.into_iter().for_each(|fault| self.fault(Family::Cluster, fault));
        Ok(())
    }

    async fn members(&mut self, ruled: &Ruled, config: &Config) -> Result<(), Error> {
        let (mut faults, mut seen) = (Vec::new(), HashSet::new());
        self.each(Family::Member, |key, value| {
            let Some(place) = read_member_key(key) else { return faults.push("a key that names no member".to_owned()) };
            let (segment, profile) = place;
            match decode_member(value) {
                Err(error) => faults.push(error.to_string()),
                Ok(entered) if ruled.members.get(&place) == Some(&entered) => drop(seen.insert(place)),
                // Those of a segment that is no more wait to be removed.
                Ok(_) if !config.rules().has_segment(segment) => {}
                Ok(_) => faults.push(format!("{profile} is no such member of {}", segment.0)),
            }
        })
        .await?;
        let live = ruled.members.keys().filter(|(segment, _)| config.rules().has_segment(*segment));
        for (segment, profile) in live.filter(|place| !seen.contains(place)) {
            faults.push(format!("{profile} is a member of {} and is not listed", segment.0));
        }
        faults.into_iter().for_each(|fault| self.fault(Family::Member, fault));
        Ok(())
    }

    async fn counts(&mut self, ruled: &Ruled, config: &Config) -> Result<(), Error> {
        let (mut faults, mut found) = (Vec::new(), BTreeMap::new());
        self.each(Family::MemberCount, |key, value| match (read_segment_key(key), decode_counts(value)) {
            (Some(segment), Ok(counts)) => drop(found.insert(segment, counts)),
            (None, _) => faults.push("a key that names no segment".to_owned()),
            (_, Err(error)) => faults.push(error.to_string()),
        })
        .await?;
        let all = found.keys().chain(ruled.counts.keys()).copied().collect::<std::collections::BTreeSet<_>>();
        for segment in all.into_iter().filter(|segment| config.rules().has_segment(*segment)) {
            let own = |counts: &BTreeMap<SegmentId, MemberCounts>| counts.get(&segment).copied().unwrap_or_default();
            if own(&found) != own(&ruled.counts) {
                let (found, held) = (own(&found), own(&ruled.counts));
                faults.push(format!("segment {} counts {found:?}, the records hold {held:?}", segment.0));
            }
        }
        faults.into_iter().for_each(|fault| self.fault(Family::MemberCount, fault));
        Ok(())
    }

    async fn timers(&mut self, ruled: &Ruled) -> Result<(), Error> {
        let (mut faults, mut seen) = (Vec::new(), 0);
        self.each(Family::Timer, |key, _| match read_timer_key(key) {
            Some(timer) if ruled.timers.contains(&timer) => seen += 1,
            Some((_, profile)) => faults.push(format!("{profile} does not wait for its timer")),
            None => faults.push("a key that is of no timer".to_owned()),
        })
        .await?;
        faults.extend(ruled.asleep.iter().map(|id| format!("nobody of {id} is woken for what was put off")));
        if seen != ruled.timers.len() {
            faults.push(format!("{seen} timers for {} profiles that wait", ruled.timers.len()));
        }
        faults.into_iter().for_each(|fault| self.fault(Family::Timer, fault));
        Ok(())
    }
}

/// The states of one node, made anew from its events.
struct Recount {
    of: Option<NodeId>,
    built: Built,
    steps: u64,
    seen: HashSet<NodeId>,
}

impl Recount {
    /// Begins with a node: its windows are counted at the instants that its own states are of.
    fn begin(&mut self, node: NodeId, ruled: &Ruled, rules: &RuleSet, now: Timestamp) {
        (self.of, self.built) = (Some(node), Built::new(rules, now));
        for (id, state) in ruled.states.get(&node).into_iter().flatten() {
            if let (State::Window(run), Some(kept)) = (&**state, rules.kept_of(*id)) {
                self.built.states.push((*id, Arc::new(State::new(&kept.aggregate, run.at))));
            }
        }
    }

    fn finish(&mut self, ruled: &Ruled, rules: &RuleSet, now: Timestamp) -> Vec<String> {
        let states = std::mem::take(&mut self.built.states);
        self.steps = TIMELINE_STEPS_MAX;
        let Some(node) = self.of.take() else { return Vec::new() };
        self.seen.insert(node);
        // Events of nodes that are gone wait for the purge; what a record holds that an erasure has not reached is not asked.
        let own = ruled.states.get(&node).filter(|_| !ruled.lagging.contains(&node));
        own.map_or_else(Vec::new, |own| differences(node, own, &states, rules.all_kept(), now))
    }
}

fn differences(
    node: NodeId,
    own: &NodeStates,
    recounted: &NodeStates,
    kept: &[KeptDef],
    now: Timestamp,
) -> Vec<String> {
    let find = |states: &NodeStates, id: AggregateId| -> Option<Arc<State>> {
        let at = states.binary_search_by_key(&id, |(own, _)| *own).ok()?;
        Some(states[at].1.clone())
    };
    let differs = |kept: &&KeptDef| {
        let at = match find(own, kept.id).as_deref() {
            Some(State::Window(run)) => run.at,
            _ => now,
        };
        let value = |states: &NodeStates| {
            let (state, now) = (find(states, kept.id), at);
            fold(state.iter().map(|state| (node, &**state)), &kept.aggregate, now, &kept.zone).map(|kept| kept.value)
        };
        match (find(own, kept.id), value(own), value(recounted)) {
            (None, _, _) if !kept.is_built => false,
            (_, Ok(own), Ok(recounted)) => own != recounted,
            // What a state cannot say is asked of the timeline.
            (_, Err(_), _) | (_, _, Err(_)) => false,
        }
    };
    let fault =
        |kept: &KeptDef| format!("node {node} keeps something else of aggregate {} than its events come to", kept.id.0);
    kept.iter().filter(differs).map(fault).collect()
}
