//! What stands where values are above and below each other.

use std::cmp::Reverse;

use super::choose::{Choice, Said, choices};
use super::compiled::{Choose, CompiledPolicy, Order};
use super::members::{Role, unite};
use crate::cluster::Cluster;
use crate::id::NodeId;
use crate::time::Timestamp;
use crate::value::{Tree, Value};
use crate::view::{Lens, Names};

/// The attributes of the unit that this node belongs to, those under these names.
pub(crate) fn resolved(cluster: &Cluster, node: NodeId, lens: &Lens<'_>, names: &Names) -> Tree {
    let all = super::choose::gather(cluster, node, lens, names);
    let mut tree = Tree::new();
    for choice in choose_and_resolve(&all, lens.policy) {
        if *choice.value != Value::Null && choice.ended_by.is_none() && lens.asks_for(&choice.path, said_at(&choice)) {
            // In the tree an empty object gives way to what is put below it afterwards.
            tree.insert(&choice.path, choice.value.into_owned());
        }
    }
    tree
}

/// The choice of each path, in their order, those that are ended marked.
pub(super) fn choose_and_resolve<'a>(all: &'a [Said<'a>], policy: &CompiledPolicy) -> Vec<Choice<'a>> {
    let mut choices = unite(choices(all, policy), policy);
    let depth_of = |choice: &Choice<'_>| policy.region(choice.region).depth;
    let deepest = choices.iter().map(depth_of).max().unwrap_or(0);
    for depth in (0..=deepest).rev() {
        // What one rule holds for, with the rules inside it, stands together in the order of paths.
        let mut from = 0;
        while from < choices.len() {
            let region = policy.region_at_depth(choices[from].region, depth);
            let same = |choice: &Choice<'_>| policy.region_at_depth(choice.region, depth) == region;
            let to = from + choices[from..].iter().take_while(|choice| same(choice)).count();
            if let Some(region) = region {
                contest(&mut choices, from..to, policy, (depth, &policy.region(region).order));
            }
            from = to;
        }
    }
    choices
}

/// Marks what is ended among these. What was ended before says nothing; what is ended here still ends others, for of two
/// the one that comes first in the order decides, whatever becomes of it. Rules are gone through from the inside: what an object and what
/// is below it have between them, the object's own rule has decided, and no other one takes it up again.
fn contest(
    choices: &mut [Choice<'_>],
    range: std::ops::Range<usize>,
    policy: &CompiledPolicy,
    (depth, order): (usize, &Order),
) {
    let mut ended: Vec<(usize, usize)> = Vec::new();
    let mut above: Vec<(usize, Option<SegmentStates>)> = Vec::new();
    let live = |at: &usize| choices[*at].ended_by.is_none() && !choices[*at].is_silent();
    for at in range.clone().filter(live) {
        let choice = &choices[at];
        while above.last().is_some_and(|(last, _)| !choices[*last].path.is_above(&choice.path)) {
            above.pop();
        }
        let segment_states = segment_states(choice, policy, order);
        if let Some((by, _)) = above.iter().find(|(_, ends)| ends.is_some_and(|ends| ends >= segment_states)) {
            ended.push((at, *by));
        } else if !choice.is_object() {
            let below =
                (at + 1..range.end).take_while(|below| choice.path.is_above(&choices[*below].path)).filter(live);
            let mut below = below.map(|below| (below, self::segment_states(&choices[below], policy, order)));
            ended.extend(below.find(|(_, below)| *below > segment_states).map(|(by, _)| (at, by)));
        }
        let is_own = policy.region(choice.region).depth == depth;
        let ends = match choice.is_object() {
            true if is_own => before_object(choice, order),
            true => None,
            false => Some(segment_states),
        };
        above.push((at, ends));
    }
    for (at, by) in ended {
        choices[at].ended_by = Some(by);
    }
}

/// The place of a choice in an order of above and below; the greater comes first.
type SegmentStates = (Reverse<u16>, i64);

/// The newest time of what makes a value.
pub(super) fn said_at(choice: &Choice<'_>) -> Timestamp {
    let of_whole = || {
        let winner = choice.winner.iter().filter(|_| !choice.is_replaced);
        let joined = choice.counted.iter().filter(|_| !choice.is_replaced && choice.winner.is_none());
        winner.chain(joined).map(|said| said.cell.time).max()
    };
    let adds = choice.members.iter().filter(|member| member.role == Role::Adds);
    let of_members = adds.flat_map(|member| member.choice.winner.map(|said| said.cell.time)).max();
    of_whole().max(of_members).unwrap_or(Timestamp::MAX)
}

/// That of the best of what makes its value: what was said of it as a whole, and what was added to it.
fn segment_states(choice: &Choice<'_>, policy: &CompiledPolicy, order: &Order) -> SegmentStates {
    let adds = choice.members.iter().filter(|member| member.role == Role::Adds);
    let of_members = adds.map(|member| own_standing(&member.choice, policy, order)).max();
    let speaks = !choice.all.is_empty() && !choice.is_replaced;
    let of_whole = speaks.then(|| own_standing(choice, policy, order));
    of_whole.max(of_members).expect("a choice that is not silent is made of something")
}

/// Of an object, the best of what stood in its place: what is below it and does not come before that has ended for good. An object that
/// is chosen for being the first has nothing before it.
fn before_object(choice: &Choice<'_>, order: &Order) -> Option<SegmentStates> {
    match order {
        Order::Oldest => None,
        Order::Newest | Order::Ranked(_) => {
            choice.before_object().map(|said| (Reverse(order.rank(said)), said.cell.time.micros())).max()
        }
    }
}

/// That of the cells at its own path.
pub(super) fn own_standing(choice: &Choice<'_>, policy: &CompiledPolicy, order: &Order) -> SegmentStates {
    let of = |said: &Said<'_>| {
        let micros = said.cell.time.micros();
        let time = match order {
            Order::Newest | Order::Ranked(_) => micros,
            // What null removes, it has removed already; being old makes it no value that was there first.
            Order::Oldest if *choice.value == Value::Null => i64::MIN,
            Order::Oldest => -micros,
        };
        (Reverse(order.rank(said)), time)
    };
    let rule = policy.region(choice.region);
    let (looks_at_all, is_ranked) = match rule.choose {
        Choose::Newest | Choose::First => (false, false),
        Choose::Precedence | Choose::SourcePriority => (false, true),
        Choose::Min | Choose::Max | Choose::Union | Choose::MostFrequent => (true, false),
    };
    match &choice.winner {
        Some(winner) if !looks_at_all || choice.counted.is_empty() => {
            // Which of equals is named decides nothing: all of them said it.
            let is_equal = |said: &&Said<'_>| {
                (said.cell.time, &said.cell.value) == (winner.cell.time, &winner.cell.value)
                    && (!is_ranked || rule.order.rank(said) == rule.order.rank(winner))
            };
            choice.all.iter().filter(is_equal).map(of).max().unwrap_or_else(|| of(winner))
        }
        _ if choice.counted.is_empty() => best(choice.all, of),
        _ => best(&choice.counted, of),
    }
}

fn best(said: &[Said<'_>], of: impl Fn(&Said<'_>) -> SegmentStates) -> SegmentStates {
    said.iter().map(of).max().expect("a path without cells makes no choice")
}
