//! What each path chooses among the cells that stand at it.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::IdentityGraph;
use super::compiled::{Choose, CompiledPolicy};
use super::members::{Member, Role};
use crate::cluster::{Cell, Cluster, Node};
use crate::id::NodeId;
use crate::normalise::normalise;
use crate::time::Timestamp;
use crate::value::{Path, Value};
use crate::view::{Lens, Names};

/// A cell that takes part, and whose it is.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) node: NodeId,
    pub(super) dataset: &'a Arc<str>,
    pub(super) number: Option<u16>,
    pub(super) cell: &'a Cell,
}

impl<'a> Said<'a> {
    /// What decides between equals: time and bytes choose the value; the rest only says whose of two equal cells is named.
    fn newest(&self) -> (Timestamp, &'a Value, Timestamp, Reverse<NodeId>, Reverse<&'a Arc<str>>) {
        let cell = self.cell;
        (cell.time, &cell.value, cell.received_at, Reverse(self.node), Reverse(self.dataset))
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.cell, other.cell)
    }
}

/// What a path chose.
pub(super) struct Choice<'a> {
    pub(super) path: Cow<'a, Path>,
    pub(super) region: usize,
    /// All that take part.
    pub(super) all: &'a [Said<'a>],
    pub(super) value: Cow<'a, Value>,
    /// Whose value it is; none when it is made of several, or when null above took all away.
    pub(super) winner: Option<Said<'a>>,
    /// What null has left, under the rules that look at all contenders; empty under the others.
    pub(super) counted: Vec<Said<'a>>,
    /// The words on its members, where it is a set that is changed member by member.
    pub(super) members: Vec<Member<'a>>,
    /// Whether only its members speak, and what was said of it as a whole does not.
    pub(super) is_replaced: bool,
    /// The choice, above or below, that ended it.
    pub(super) ended_by: Option<usize>,
}

impl<'a> Choice<'a> {
    fn of(winner: Said<'a>, path: Cow<'a, Path>, region: usize, all: &'a [Said<'a>]) -> Self {
        let value = Cow::Borrowed(&winner.cell.value);
        Self { value, all, winner: Some(winner), ..Self::of_nothing(path, region) }
    }

    /// Of a path of which no cell speaks.
    pub(super) fn of_nothing(path: impl Into<Cow<'a, Path>>, region: usize) -> Self {
        Self {
            path: path.into(),
            region,
            all: &[],
            value: Cow::Owned(Value::Null),
            winner: None,
            counted: Vec::new(),
            members: Vec::new(),
            is_replaced: false,
            ended_by: None,
        }
    }

    /// Whether nothing is there that could end something else: only removals of members speak.
    pub(super) fn is_silent(&self) -> bool {
        self.all.is_empty() && *self.value == Value::Null
    }

    /// Whether words on its members make its value other than what was said of it as a whole.
    pub(super) fn is_changed(&self) -> bool {
        self.members.iter().any(|member| member.role != Role::Silent)
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(*self.value, Value::Object(_))
    }

    /// Where an object stands, what else was said here: values in its place, which still end what was below before them.
    pub(super) fn before_object(&self) -> impl Iterator<Item = &'a Said<'a>> {
        let is_solid = |said: &&Said<'_>| !matches!(said.cell.value, Value::Object(_));
        self.all.iter().filter(is_solid).filter(|_| self.is_object())
    }
}

/// The cells that take part under these names, by path.
pub(super) fn gather<'a>(cluster: &'a Cluster, node: NodeId, lens: &Lens<'a>, names: &Names) -> Vec<Said<'a>> {
    let policy = lens.policy;
    let takes_part = |said: &Said<'_>| policy.takes_part(said.number) && names.has_at(said.cell.path.as_str());
    let mut all: Vec<Said<'a>> = said(cluster, node, lens).filter(takes_part).collect();
    // Fragments are sorted, and a stable sort takes sorted runs as they are.
    all.sort_by(|one, other| one.cell.path.cmp_spoken_of(&other.cell.path));
    all
}

/// The cells of the unit that count now, those that take no part in the policy as well.
pub(super) fn said<'a>(cluster: &'a Cluster, node: NodeId, lens: &Lens<'a>) -> impl Iterator<Item = Said<'a>> {
    let Lens { policy, .. } = *lens;
    let lens = *lens;
    let parted = Parted::of(cluster, node, &lens);
    let fragments =
        unit(cluster, node, policy.graph()).flat_map(|node| node.fragments.iter().map(move |own| (node, own)));
    fragments.flat_map(move |(node, fragment)| {
        let number = policy.number(&fragment.dataset);
        let counts = move |cell: &&Cell| lens.counts(&fragment.dataset, cell) && !parted.takes(cell, &lens);
        let cells = fragment.cells.iter().filter(counts);
        cells.map(move |cell| Said { node: node.id, dataset: &fragment.dataset, number, cell })
    })
}

/// When a profile was last separated from another one. What its facts named as an identity until then, and is none of its own, may be the
/// other side's: it is neither an identifier of the profile nor an attribute.
#[derive(Clone, Copy)]
pub(crate) struct Parted<'a> {
    cluster: &'a Cluster,
    node: NodeId,
    /// In milliseconds; none where nobody has separated it.
    at: Option<u64>,
}

impl<'a> Parted<'a> {
    pub(crate) fn of(cluster: &'a Cluster, node: NodeId, lens: &Lens<'_>) -> Self {
        let unit = unit(cluster, node, lens.policy.graph());
        let at = unit.flat_map(|node| &node.separated).map(|own| own.directive.millis()).max();
        Self { cluster, node, at }
    }

    /// Whether a cell came before that.
    pub(crate) fn is_after(&self, cell: &Cell) -> bool {
        self.at.is_some_and(|parted| cell.received_at.millis() <= parted)
    }

    /// Whether a cell may be the other side's.
    fn takes(&self, cell: &Cell, lens: &Lens<'_>) -> bool {
        if cell.claimed.is_none() || !self.is_after(cell) {
            return false;
        }
        let (Some(namespace), Value::Text(said)) = (lens.config.by_name(cell.path.as_str()), &cell.value) else {
            return false;
        };
        let Ok(value) = normalise(namespace, said) else { return false };
        let is_own = |node: &Node| node.identity.namespace == namespace.id && node.identity.value == value;
        !unit(self.cluster, self.node, lens.policy.graph()).any(is_own)
    }
}

/// The nodes that count.
pub(crate) fn unit(cluster: &Cluster, node: NodeId, graph: IdentityGraph) -> impl Iterator<Item = &Node> {
    cluster.piece(node).filter(move |own| match graph {
        IdentityGraph::Full => true,
        IdentityGraph::None => own.id == node,
    })
}

/// Chooses for every path, in their order.
pub(super) fn choices<'a>(all: &'a [Said<'a>], policy: &CompiledPolicy) -> Vec<Choice<'a>> {
    let mut choices = Vec::new();
    // The nulls above the path at hand, under rules that look at all contenders.
    let mut nulls: Vec<(Cow<'a, Path>, usize, Timestamp)> = Vec::new();
    for group in all.chunk_by(|one, other| one.cell.path.cmp_spoken_of(&other.cell.path).is_eq()) {
        let path = group[0].cell.path.spoken_of();
        let region = policy.region_of(&path);
        let rule = policy.region(region);
        let single = match rule.choose {
            Choose::Newest => group.iter().max_by_key(|said| said.newest()),
            Choose::Precedence | Choose::SourcePriority => {
                group.iter().max_by_key(|said| (Reverse(rule.order.rank(said)), said.newest()))
            }
            Choose::First | Choose::Min | Choose::Max | Choose::Union | Choose::MostFrequent => None,
        };
        if let Some(winner) = single {
            choices.push(Choice::of(*winner, path, region, group));
            continue;
        }
        nulls.retain(|(above, ..)| above.is_above(&path));
        let above = nulls.iter().filter(|(_, of, _)| *of == region).map(|(.., time)| *time).max();
        let own = group.iter().filter(|said| said.cell.value == Value::Null).max_by_key(|said| said.newest());
        nulls.extend(own.map(|null| (path.clone(), region, null.cell.time)));
        let counts = |said: &&Said<'_>| {
            said.cell.value != Value::Null
                && own.is_none_or(|null| said.cell.time >= null.cell.time)
                && above.is_none_or(|null| said.cell.time > null)
        };
        let counted: Vec<Said<'a>> = group.iter().filter(counts).copied().collect();
        let (value, winner) = among(&counted, &rule.choose).unwrap_or((Cow::Owned(Value::Null), own.copied()));
        choices.push(Choice { all: group, value, winner, counted, ..Choice::of_nothing(path, region) });
    }
    choices
}

/// Chooses from what null has left; none when nothing is left.
fn among<'a>(counted: &[Said<'a>], choose: &Choose) -> Option<(Cow<'a, Value>, Option<Said<'a>>)> {
    let all = counted.iter();
    let winner = match choose {
        Choose::Newest | Choose::Precedence | Choose::SourcePriority => all.max_by_key(|said| said.newest()),
        Choose::First => all.max_by_key(|said| (Reverse(said.cell.time), said.newest())),
        Choose::Min => all.max_by_key(|said| (Reverse(&said.cell.value), said.newest())),
        Choose::Max => all.max_by_key(|said| (&said.cell.value, said.newest())),
        Choose::MostFrequent => {
            let counts = counts(counted);
            all.max_by_key(|said| (counts.get(&said.cell.value), said.newest()))
        }
        Choose::Union => return (!counted.is_empty()).then(|| (Cow::Owned(union(counted)), None)),
    };
    winner.map(|winner| (Cow::Borrowed(&winner.cell.value), Some(*winner)))
}

/// How many hold each value.
pub(super) fn counts<'a>(counted: &[Said<'a>]) -> BTreeMap<&'a Value, usize> {
    let mut counts = BTreeMap::new();
    for said in counted {
        *counts.entry(&said.cell.value).or_insert(0) += 1;
    }
    counts
}

fn union(counted: &[Said<'_>]) -> Value {
    let mut oldest_first: Vec<_> = counted.to_vec();
    oldest_first.sort_by_key(|said| said.newest());
    let (mut members, mut seen) = (Vec::new(), BTreeSet::new());
    let mut add = |value: &Value| {
        if seen.insert(value.clone()) {
            members.push(value.clone());
        }
    };
    let (mut lists, mut objects) = (0, 0);
    for said in &oldest_first {
        match &said.cell.value {
            Value::List(items) => {
                lists += 1;
                items.iter().for_each(&mut add);
            }
            Value::Set(items) => items.iter().for_each(&mut add),
            Value::Object(_) => objects += 1,
            one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Timestamp(_)) => add(one),
        }
    }
    if objects == counted.len() {
        Value::object(Vec::new())
    } else if lists + objects == counted.len() {
        Value::List(members.into())
    } else {
        Value::set(members)
    }
}
