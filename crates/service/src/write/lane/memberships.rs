//! What a commit changes of members, counts and timers: told by the records as they were read and as they are written, so that the rows
//! beside them never say something else.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use tessera_engine::cluster::Cluster;
use tessera_engine::decide::Notice;
use tessera_engine::id::NodeId;
use tessera_engine::rules::{Membership, SegmentId, SegmentStates, Trouble};
use tessera_engine::time::Timestamp;
use tessera_engine::working::Changes;
use tessera_expr::facts::Membership as Stands;
use tessera_store::Commit;

use super::gather::Read;
use super::state::State;
use crate::stored::records::ruled::{MemberCounts, TIMER, encode_change, encode_counts, encode_member};
use crate::write::membership_changes;

/// Counts of segments, as a lane knows them.
pub(super) type AllCounts = BTreeMap<SegmentId, MemberCounts>;

/// The segment states of profiles before a commit and after it.
#[derive(Default)]
struct Change<'a> {
    before: Option<&'a SegmentStates>,
    after: Option<&'a SegmentStates>,
}

/// What a commit did to segments and timers, once it has happened.
#[derive(Default)]
pub(super) struct Ruled {
    /// The counts that changed.
    pub(super) counts: AllCounts,
    /// The earliest of the timers that were set.
    pub(super) first_due: Option<Timestamp>,
    /// Whether the changes of somebody are to be looked at.
    pub(super) wants_keeper: bool,
}

/// Adds the rows that change to a commit.
pub(super) fn write(commit: &mut Commit, changes: &Changes, read: &Read, notices: &[Notice], state: &State) -> Ruled {
    let mut profiles: HashMap<NodeId, Change<'_>> = HashMap::new();
    for (id, after) in &changes.clusters {
        for (node, segment_states) in read.before.get(id).into_iter().flat_map(|cluster| segment_states(cluster)) {
            profiles.entry(node).or_default().before = Some(segment_states);
        }
        for (node, segment_states) in after.iter().flat_map(|cluster| segment_states(cluster)) {
            profiles.entry(node).or_default().after = Some(segment_states);
        }
    }
    let mut ruled = Ruled::default();
    let mut profiles: Vec<_> = profiles.into_iter().filter(|(_, change)| change.before != change.after).collect();
    profiles.sort_unstable_by_key(|(node, _)| *node);
    for (profile, change) in profiles {
        write_timer(commit, profile, &change, state, &mut ruled);
        write_members(commit, profile, &change, state, &mut ruled);
    }
    let scope = state.scope();
    for (segment, counts) in &ruled.counts {
        let key = scope.member_count(*segment);
        // Where nobody is counted there is no row, so of a segment that is no more none stays.
        if *counts == MemberCounts::default() {
            commit.del.push(key);
        } else {
            commit.put.push((key, encode_counts(counts)));
        }
    }
    let changed = |notice: &Notice| match notice {
        Notice::Membership { profile, segment, at, is_inside } => Some(((*profile, *at, *segment), *is_inside)),
        Notice::ProfileChanged(_)
        | Notice::ProfileMerged { .. }
        | Notice::IdentityMoved { .. }
        | Notice::ProfileErased(_) => None,
    };
    // Whoever came and went at one instant has gone.
    let changes: BTreeMap<_, _> = notices.iter().filter_map(changed).collect();
    if !changes.is_empty() {
        let of = changes.keys().map(|(profile, at, _)| (*profile, *at));
        let looks: Vec<_> = membership_changes::looks(scope, of, state.chance()).collect();
        ruled.wants_keeper = membership_changes::is_wanted_now(&looks);
        commit.put.extend(looks);
    }
    let row =
        |((profile, at, segment), is_inside)| (scope.membership_change(profile, at, segment), encode_change(is_inside));
    commit.put.extend(changes.into_iter().map(row));
    ruled
}

fn segment_states(cluster: &Cluster) -> impl Iterator<Item = (NodeId, &SegmentStates)> {
    cluster.nodes.iter().filter_map(|node| Some((node.id, node.segment_states.as_deref()?)))
}

fn write_timer(commit: &mut Commit, profile: NodeId, change: &Change<'_>, state: &State, ruled: &mut Ruled) {
    let due = |segment_states: Option<&SegmentStates>| segment_states.and_then(|own| own.due);
    let (before, after) = (due(change.before), due(change.after));
    if before == after {
        return;
    }
    if let Some(before) = before {
        commit.del.push(state.scope().timer(before, profile));
    }
    if let Some(after) = after {
        commit.put.push((state.scope().timer(after, profile), TIMER.into()));
        ruled.first_due = Some(ruled.first_due.map_or(after, |first| first.min(after)));
    }
}

fn write_members(commit: &mut Commit, profile: NodeId, change: &Change<'_>, state: &State, ruled: &mut Ruled) {
    let mut segments: BTreeMap<SegmentId, [Option<&Membership>; 2]> = BTreeMap::new();
    for (side, segment_states) in [change.before, change.after].into_iter().enumerate() {
        for own in segment_states.into_iter().flat_map(|segment_states| &segment_states.memberships) {
            segments.entry(own.segment).or_default()[side] = Some(own);
        }
    }
    for (segment, [before, after]) in segments.into_iter().filter(|(_, [before, after])| before != after) {
        let entered = |own: Option<&Membership>| match own?.stands {
            Stands::Inside { entered, .. } => Some(entered),
            Stands::Outside { .. } => None,
        };
        let key = state.scope().member(segment, profile);
        match (entered(before), entered(after)) {
            (before, Some(after)) if before != Some(after) => commit.put.push((key, encode_member(after))),
            (Some(_), None) => commit.del.push(key),
            _ => {}
        }
        // A segment that is no more has members in records, and no count.
        let counts = ruled.counts.get(&segment).copied().or_else(|| state.member_counts(segment));
        let counts = counts.or_else(|| state.has_segment(segment).then(MemberCounts::default));
        if let Some(mut counts) = counts {
            count(&mut counts, before, u64::checked_sub);
            count(&mut counts, after, u64::checked_add);
            ruled.counts.insert(segment, counts);
        }
    }
}

fn count(counts: &mut MemberCounts, own: Option<&Membership>, change: fn(u64, u64) -> Option<u64>) {
    let Some(own) = own else { return };
    let adjust = |field: &mut u64, is_so: bool| *field = change(*field, u64::from(is_so)).unwrap_or(0);
    adjust(&mut counts.members, own.is_inside());
    adjust(&mut counts.overflowed, own.trouble == Some(Trouble::Overflowed));
    adjust(&mut counts.over_budget, own.trouble == Some(Trouble::OverBudget));
    adjust(&mut counts.truncated, own.trouble == Some(Trouble::Truncated));
}
