//! Why an attribute has its value.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::choose::{Choice, Said, counts, gather, said};
use super::compiled::{Choose, CompiledPolicy};
use super::members::{Member, Role};
use super::resolve::{choose_and_resolve, said_at};
use crate::cluster::Cluster;
use crate::id::NodeId;
use crate::time::Timestamp;
use crate::value::{Path, Value};
use crate::view::{Lens, Names};

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Nothing else spoke, or null took all others away.
    OnlyOne,
    /// All that could have won say the same.
    Same,
    /// The newest.
    Newest,
    /// The oldest.
    Oldest,
    /// The smallest.
    Min,
    /// The greatest.
    Max,
    /// It is made of all.
    Union,
    /// It is made of what operations added, and of what was said as a whole, without what operations removed.
    Operations,
    /// More cells hold it than any other value.
    MostFrequent,
    /// Its dataset comes first in the policy.
    Precedence,
    /// Its dataset comes first in the attribute's rule.
    SourcePriority,
    /// Several were equally good; the greatest by bytes was taken.
    Bytes,
    /// A null, here or above, is newer than every value.
    Removed,
}

/// What a contender came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// It won.
    Won,
    /// Its members are part of the value.
    Joined,
    /// Another won.
    Lost,
    /// A newer null took it away.
    Removed,
    /// Its dataset is not listed in the policy.
    NotListed,
}

/// One value that could have been chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contender {
    /// Whose it is.
    pub node: NodeId,
    /// What said it.
    pub dataset: Arc<str>,
    /// What it says.
    pub value: Value,
    /// When it became true.
    pub time: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// The named delivery it came in.
    pub batch: Option<Arc<str>>,
    /// From when on it is gone, if it ever is.
    pub kept_until: Option<Timestamp>,
    /// What it came to.
    pub part: Part,
}

/// What became of what an attribute chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is the value in the view.
    Stands {
        /// The value.
        value: Value,
        /// What decided.
        reason: Reason,
    },
    /// It is an empty object, and in the view stands what lies below it.
    Filled,
    /// Null won: there is no value.
    Removed {
        /// What decided.
        reason: Reason,
    },
    /// What was chosen gives way to what this other path, above or below it, chose.
    Ended {
        /// The other path.
        by: Path,
        /// What decided at this path.
        reason: Reason,
    },
    /// Only datasets that take no part speak of it.
    NotListed,
}

/// One attribute explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Where it stands.
    pub path: Path,
    /// The values that could have been chosen, the newest first.
    pub contenders: Vec<Contender>,
    /// What became of the choice.
    pub fate: Fate,
    /// From when on the value that was chosen is not relevant, if it ever is; in the past where it is no more.
    pub relevant_until: Option<Timestamp>,
}

/// Why attributes are what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The attributes asked for, by path; empty when nothing speaks of them.
    pub attributes: Vec<Attribute>,
}

/// Explains an attribute, and all below it, of the unit that this node belongs to. As much work as a fold.
#[must_use]
pub fn explain(cluster: &Cluster, node: NodeId, lens: &Lens<'_>, path: &Path) -> Explanation {
    explain_where(cluster, node, lens, |own| own == path || path.is_above(own))
}

/// Explains every attribute of the unit that this node belongs to. As much work as a fold.
#[must_use]
pub fn explain_all(cluster: &Cluster, node: NodeId, lens: &Lens<'_>) -> Explanation {
    explain_where(cluster, node, lens, |_| true)
}

fn explain_where(cluster: &Cluster, node: NodeId, lens: &Lens<'_>, is_asked: impl Fn(&Path) -> bool) -> Explanation {
    let policy = lens.policy;
    let all = gather(cluster, node, lens, &Names::All);
    let choices = choose_and_resolve(&all, policy);
    let mut attributes: BTreeMap<Path, Attribute> = BTreeMap::new();
    for (at, choice) in choices.iter().enumerate().filter(|(_, choice)| is_asked(&choice.path)) {
        let of_whole = choice.all.iter().map(|said| contender(said, part(choice, said, policy), lens));
        let of_members = choice.members.iter().flat_map(|member| {
            member.choice.all.iter().map(|said| contender(said, part_of_member(member, said), lens))
        });
        let contenders = of_whole.chain(of_members).collect();
        let path = choice.path.clone().into_owned();
        let relevant_until = lens.config.keeping().relevant_until(&path, said_at(choice));
        let fate = fate(&choices, at, policy);
        attributes.insert(path.clone(), Attribute { path, contenders, fate, relevant_until });
    }
    for said in said(cluster, node, lens).filter(|said| !policy.takes_part(said.number)) {
        let own = || said.cell.path.spoken_of().into_owned();
        let path = said.cell.path.split_member().map_or_else(own, |(set, _)| set);
        if is_asked(&path) {
            let none = || Attribute {
                path: path.clone(),
                contenders: Vec::new(),
                fate: Fate::NotListed,
                relevant_until: None,
            };
            attributes.entry(path.clone()).or_insert_with(none).contenders.push(contender(
                &said,
                Part::NotListed,
                lens,
            ));
        }
    }
    let mut attributes: Vec<Attribute> = attributes.into_values().collect();
    for attribute in &mut attributes {
        attribute.contenders.sort_by(|a, b| {
            let key = |own: &Contender| (own.time, own.received_at);
            key(b).cmp(&key(a)).then_with(|| (a.node, &a.dataset).cmp(&(b.node, &b.dataset)))
        });
    }
    Explanation { attributes }
}

fn contender(said: &Said<'_>, part: Part, lens: &Lens<'_>) -> Contender {
    Contender {
        node: said.node,
        dataset: said.dataset.clone(),
        value: shown(said),
        time: said.cell.time,
        received_at: said.cell.received_at,
        batch: said.cell.batch.clone(),
        kept_until: lens.config.keeping().kept_until(&said.cell.path, said.cell.time),
        part,
    }
}

/// What a cell says; the word on a member of a set as the operation that it is.
fn shown(said: &Said<'_>) -> Value {
    let Some((_, member)) = said.cell.path.split_member() else { return said.cell.value.clone() };
    let operation = if said.cell.value == Value::Null { "$remove" } else { "$add" };
    Value::object(vec![(operation.into(), Value::List([member].into()))])
}

fn part_of_member(member: &Member<'_>, said: &Said<'_>) -> Part {
    let decides = member.choice.winner.is_some_and(|winner| winner.is_same(said))
        || member.choice.counted.iter().any(|own| own.is_same(said));
    match member.role {
        Role::Adds if decides => Part::Joined,
        Role::Removes if decides => Part::Won,
        Role::Adds | Role::Removes | Role::Silent => Part::Lost,
    }
}

fn part(choice: &Choice<'_>, said: &Said<'_>, policy: &CompiledPolicy) -> Part {
    let is_left = || choice.counted.iter().any(|own| own.is_same(said));
    let is_winner = choice.winner.is_some_and(|winner| winner.is_same(said));
    if choice.is_replaced && (is_winner || is_left()) {
        return Part::Lost;
    }
    if is_winner {
        return if choice.is_changed() { Part::Joined } else { Part::Won };
    }
    match policy.region(choice.region).choose {
        Choose::Newest | Choose::Precedence | Choose::SourcePriority => Part::Lost,
        Choose::Union if is_left() => Part::Joined,
        Choose::First | Choose::Min | Choose::Max | Choose::MostFrequent if is_left() => Part::Lost,
        Choose::First | Choose::Min | Choose::Max | Choose::MostFrequent | Choose::Union => {
            // A null that took nothing away in the end has lost; one that took all away has won.
            if said.cell.value == Value::Null { Part::Lost } else { Part::Removed }
        }
    }
}

fn fate(choices: &[Choice<'_>], at: usize, policy: &CompiledPolicy) -> Fate {
    let choice = &choices[at];
    let reason = if choice.is_changed() { Reason::Operations } else { reason(choice, policy) };
    if let Some(by) = choice.ended_by {
        return Fate::Ended { by: choices[by].path.clone().into_owned(), reason };
    }
    if *choice.value == Value::Null {
        return Fate::Removed { reason };
    }
    let stands = |below: &Choice<'_>| *below.value != Value::Null && below.ended_by.is_none();
    let mut below = choices[at + 1..].iter().take_while(|below| choice.path.is_above(&below.path));
    if below.any(stands) {
        return Fate::Filled;
    }
    Fate::Stands { value: choice.value.clone().into_owned(), reason }
}

fn reason(choice: &Choice<'_>, policy: &CompiledPolicy) -> Reason {
    let region = policy.region(choice.region);
    let from = match region.choose {
        Choose::Newest | Choose::Precedence | Choose::SourcePriority => choice.all,
        Choose::First | Choose::Min | Choose::Max | Choose::MostFrequent | Choose::Union => &choice.counted,
    };
    if from.is_empty() {
        return Reason::Removed;
    }
    if from.len() == 1 {
        return Reason::OnlyOne;
    }
    let Some(winner) = &choice.winner else { return Reason::Union };
    let of_rank = |said: &&Said<'_>| region.order.rank(said) == region.order.rank(winner);
    let alike: Vec<Said<'_>> = from.iter().filter(of_rank).copied().collect();
    match region.choose {
        Choose::Newest | Choose::Union => by_time(winner, &alike, Reason::Newest),
        Choose::Precedence if alike.len() == 1 => Reason::Precedence,
        Choose::SourcePriority if alike.len() == 1 => Reason::SourcePriority,
        Choose::Precedence | Choose::SourcePriority => by_time(winner, &alike, Reason::Newest),
        Choose::First => by_time(winner, from, Reason::Oldest),
        Choose::Min => if_differ(from, Reason::Min),
        Choose::Max => if_differ(from, Reason::Max),
        Choose::MostFrequent => {
            let counts = counts(from);
            let best = counts.get(&winner.cell.value);
            let tied = from.iter().filter(|said| counts.get(&said.cell.value) == best);
            // Of its own value only the winner itself, so that what is left says what it was chosen against.
            let own = |said: &&Said<'_>| said.cell.value != winner.cell.value || said.is_same(winner);
            let tied: Vec<Said<'_>> = tied.filter(own).copied().collect();
            match tied.len() {
                1 => if_differ(from, Reason::MostFrequent),
                _ => by_time(winner, &tied, Reason::Newest),
            }
        }
    }
}

/// Whether time decided, or bytes among those of the winner's own time.
fn by_time(winner: &Said<'_>, from: &[Said<'_>], reason: Reason) -> Reason {
    let of_its_time: Vec<Said<'_>> = from.iter().filter(|said| said.cell.time == winner.cell.time).copied().collect();
    if of_its_time.len() == 1 { reason } else { if_differ(&of_its_time, Reason::Bytes) }
}

fn if_differ(from: &[Said<'_>], reason: Reason) -> Reason {
    let is_same = |pair: &[Said<'_>]| pair[0].cell.value == pair[1].cell.value;
    if from.windows(2).all(is_same) { Reason::Same } else { reason }
}
