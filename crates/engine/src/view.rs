//! The fold of a profile's facts under a merge policy. By default: for each attribute the newest cell, ties by bytes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{Cell, Cluster};
use crate::config::{Config, NamespaceId};
use crate::fact::Class;
use crate::id::NodeId;
use crate::normalise::normalise;
use crate::policy::{self, CompiledPolicy, IdentityGraph, Parted};
use crate::time::Timestamp;
use crate::value::{Path, Tree, Value};

/// A profile as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its id: the smallest among its nodes; under a policy without graph, that of its one node.
    pub profile_id: NodeId,
    /// For each namespace of which it has a value, the one seen last of those that a private key links, or of all where none is; ties go
    /// to one that owns facts, then to the smallest bytes. By namespace number.
    pub identifiers: Vec<(NamespaceId, Arc<str>)>,
    /// Of the primary namespace the value that leads to this profile: of its identities the one seen last, ranked as [`View::identifiers`].
    /// What its facts state while a rule holds the link is shown there, and leads to somebody else.
    pub primary: Option<Arc<str>>,
    /// Its attributes.
    pub attributes: BTreeMap<Arc<str>, Tree>,
    /// When anything in it last changed: by a write, or because a value ended.
    pub updated_at: Timestamp,
    /// The first instant at which something in it changes by itself, if anything does. Until then it stays as it is, unless its
    /// record changes.
    pub valid_until: Option<Timestamp>,
}

/// Which values a reader asks for, by the windows of relevance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Relevance {
    /// All that there are.
    #[default]
    Any,
    /// Those that are relevant.
    Relevant,
    /// Those that are relevant no more.
    NotRelevant,
}

impl Relevance {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Any, Self::Relevant, Self::NotRelevant];

    /// Its name in requests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Relevant => "relevant",
            Self::NotRelevant => "not_relevant",
        }
    }
}

/// What a fold looks through: a policy, the configuration, and the instant at which it looks.
#[derive(Debug, Clone, Copy)]
pub struct Lens<'a> {
    /// Which nodes and datasets count, and who wins.
    pub policy: &'a CompiledPolicy,
    /// The configuration in force.
    pub config: &'a Config,
    /// When.
    pub now: Timestamp,
    /// Which of the values that were chosen.
    pub relevance: Relevance,
}

impl Lens<'_> {
    /// Whether a cell of this dataset still counts: what is erased does not, reached by the erasure or not, nor what has ended.
    pub(crate) fn counts(&self, dataset: &str, cell: &Cell) -> bool {
        !cell.is_gone(dataset, self.config, self.now)
    }

    fn is_erased(&self, dataset: &str, cell: &Cell) -> bool {
        let sweeps = self.config.sweeps();
        !sweeps.erasures.is_empty() && sweeps.erases_at(dataset, cell.batch.as_deref(), cell.received_at)
    }

    /// Whether a value that was chosen at this path is asked for; of several that make it, the newest says how old it is.
    pub(crate) fn asks_for(&self, path: &Path, time: Timestamp) -> bool {
        let is_relevant = || self.config.keeping().relevant_until(path, time).is_none_or(|until| until > self.now);
        match self.relevance {
            Relevance::Any => true,
            Relevance::Relevant => is_relevant(),
            Relevance::NotRelevant => !is_relevant(),
        }
    }
}

/// Folds the profile that holds this node, or the node alone, as the policy says.
#[must_use]
pub fn fold(cluster: &Cluster, node: NodeId, lens: &Lens<'_>) -> Option<View> {
    let graph = lens.policy.graph();
    let profile_id = match graph {
        IdentityGraph::Full => cluster.profile_id(node)?,
        IdentityGraph::None => cluster.node(node)?.id,
    };
    let attributes = attributes(cluster, node, lens, &Names::All);
    let Identifiers { shown: identifiers, primary } = identifiers(cluster, node, lens, &Names::All);
    let (ended_at, valid_until) = changes(cluster, node, lens, &Names::All);
    let updated_at = ended_at.map_or(cluster.updated_at, |at| at.max(cluster.updated_at));
    Some(View { profile_id, identifiers, primary, attributes, updated_at, valid_until })
}

fn attributes(cluster: &Cluster, node: NodeId, lens: &Lens<'_>, names: &Names) -> BTreeMap<Arc<str>, Tree> {
    match policy::resolved(cluster, node, lens, names) {
        Tree::Node(members) => members,
        Tree::Leaf(_) => BTreeMap::new(),
    }
}

/// Names at the top of a profile, as rules ask for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// Any.
    All,
    /// These.
    Some(BTreeSet<Arc<str>>),
}

impl Names {
    /// Whether this name is asked for.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.contains(name),
        }
    }

    /// Whether what stands at a path, given by its escaped text, is asked for. What stands above it or below begins with the same name, so
    /// what is left out decides nothing of the rest.
    #[must_use]
    pub fn has_at(&self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.contains(&*Path::first_of(path)),
        }
    }

    /// These; or any, where one of them is that of a namespace: which identifier a profile shows is told by all that is known of it.
    #[must_use]
    pub(crate) fn unless_identifiers(&self, config: &Config) -> Self {
        match self {
            Self::Some(names) if !config.namespaces().iter().any(|own| names.contains(own.name.as_str())) => {
                self.clone()
            }
            Self::Some(_) | Self::All => Self::All,
        }
    }
}

/// What rules see of the names that they ask for, and the first instant at which something of it changes by itself: what [`fold`] and
/// [`seen`] say of these.
pub(crate) fn seen_at(
    cluster: &Cluster,
    node: NodeId,
    lens: &Lens<'_>,
    names: &Names,
) -> (BTreeMap<Arc<str>, Tree>, Option<Timestamp>) {
    let attributes = attributes(cluster, node, lens, names);
    let Identifiers { shown, .. } = identifiers(cluster, node, lens, names);
    let (_, valid_until) = changes(cluster, node, lens, names);
    let mut seen = as_seen(attributes, &shown, lens.config);
    if names.has(IDENTITIES) {
        seen.insert(IDENTITIES.into(), all_identities(cluster, node, lens));
    }
    (seen, valid_until)
}

/// The name under which rules see all identities of a profile: a list of values for each namespace, and the ids of its nodes under
/// [`NODE_IDS`].
pub const IDENTITIES: &str = "_identities";

/// The name of the ids of nodes among identities; no namespace begins so.
pub const NODE_IDS: &str = "_id";

fn all_identities(cluster: &Cluster, node: NodeId, lens: &Lens<'_>) -> Tree {
    let mut all: BTreeMap<Arc<str>, Vec<Value>> = BTreeMap::new();
    for own in policy::unit(cluster, node, lens.policy.graph()) {
        all.entry(NODE_IDS.into()).or_default().push(Value::text(&own.id.to_string()));
        if let Some(namespace) = lens.config.find(own.identity.namespace) {
            let values = all.entry(namespace.name.as_str().into()).or_default();
            values.push(Value::Text(own.identity.value.clone()));
        }
    }
    let sorted = |mut values: Vec<Value>| {
        values.sort_unstable();
        Tree::Leaf(Value::List(values.into()))
    };
    Tree::Node(all.into_iter().map(|(name, values)| (name, sorted(values))).collect())
}

/// Names at the top of a profile that no attribute may take: those of the answer itself.
pub const RESERVED: [&str; 6] =
    ["profile_id", "_audiences", "_control_groups", "_updated_at", "_incomplete", IDENTITIES];

/// What a rule sees of a view of this node: attributes and identifiers at the top, as a read shows them, the answer's own members aside, and
/// all identities under [`IDENTITIES`].
#[must_use]
pub fn seen(view: View, (cluster, node): (&Cluster, NodeId), lens: &Lens<'_>) -> BTreeMap<Arc<str>, Tree> {
    let mut seen = as_seen(view.attributes, &view.identifiers, lens.config);
    seen.insert(IDENTITIES.into(), all_identities(cluster, node, lens));
    seen
}

fn as_seen(
    attributes: BTreeMap<Arc<str>, Tree>,
    identifiers: &[(NamespaceId, Arc<str>)],
    config: &Config,
) -> BTreeMap<Arc<str>, Tree> {
    let mut seen = attributes;
    for (namespace, value) in identifiers {
        if let Some(namespace) = config.find(*namespace) {
            seen.insert(namespace.name.as_str().into(), Tree::Leaf(Value::Text(value.clone())));
        }
    }
    seen.retain(|name, _| !RESERVED.contains(&&**name));
    seen
}

/// When something under these names last changed by itself, and when something next does.
fn changes(cluster: &Cluster, node: NodeId, lens: &Lens<'_>, names: &Names) -> (Option<Timestamp>, Option<Timestamp>) {
    let keeping = lens.config.keeping();
    let asks_relevance = lens.relevance != Relevance::Any && !keeping.is_always_relevant();
    let (mut last, mut next): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    if keeping.keeps_values() && !asks_relevance {
        return (last, next);
    }
    for node in policy::unit(cluster, node, lens.policy.graph()) {
        for fragment in &node.fragments {
            let counts = |cell: &&Cell| names.has_at(cell.path.as_str()) && !lens.is_erased(&fragment.dataset, cell);
            for cell in fragment.cells.iter().filter(counts) {
                let kept = keeping.kept_until(&cell.path, cell.time);
                let relevant = if asks_relevance { keeping.relevant_until(&cell.path, cell.time) } else { None };
                for change in kept.into_iter().chain(relevant) {
                    if change <= lens.now {
                        last = last.max(Some(change));
                    } else {
                        next = Some(next.map_or(change, |next| next.min(change)));
                    }
                }
            }
        }
    }
    (last, next)
}

/// What a profile is identified by.
struct Identifiers {
    /// As [`View::identifiers`].
    shown: Vec<(NamespaceId, Arc<str>)>,
    /// As [`View::primary`], where its name is asked for.
    primary: Option<Arc<str>>,
}

fn identifiers(cluster: &Cluster, node: NodeId, lens: &Lens<'_>, names: &Names) -> Identifiers {
    /// Whether a private key vouches for an identity, when it was last seen, whether it owns facts, its value.
    type Rank<'a> = (bool, Option<Timestamp>, bool, Reverse<&'a Arc<str>>);
    let sweeps = lens.config.sweeps();
    let mut latest: BTreeMap<NamespaceId, Rank<'_>> = BTreeMap::new();
    let is_asked = |id| *names == Names::All || lens.config.find(id).is_some_and(|own| names.has(own.name.as_str()));
    let nodes = policy::unit(cluster, node, lens.policy.graph());
    for node in nodes.filter(|node| is_asked(node.identity.namespace)) {
        let owns = node.owned.iter().any(|tally| !sweeps.erases(&tally.source));
        let is_vouched_for = cluster.is_vouched_for(node, sweeps);
        let class = if is_vouched_for { Class::Private } else { Class::Public };
        let rank = (is_vouched_for, cluster.last_seen_by(class, node, sweeps), owns, Reverse(&node.identity.value));
        let own = latest.entry(node.identity.namespace).or_insert(rank);
        *own = rank.max(*own);
    }
    let primary = lens.config.primary().and_then(|primary| latest.get(&primary));
    let primary = primary.map(|(_, _, _, Reverse(value))| (*value).clone());
    let mut shown: BTreeMap<NamespaceId, Arc<str>> = BTreeMap::new();
    let stated = stated(cluster, node, lens, names);
    for (namespace, (class, time, value)) in stated {
        let is_later = latest
            .get(&namespace)
            .is_none_or(|(is_vouched_for, seen, ..)| (class == Class::Private, Some(time)) > (*is_vouched_for, *seen));
        if is_later {
            shown.insert(namespace, value);
        }
    }
    for (namespace, (_, _, _, Reverse(value))) in latest {
        shown.entry(namespace).or_insert_with(|| value.clone());
    }
    Identifiers { shown: shown.into_iter().collect(), primary }
}

/// For each namespace the value that the facts of a profile stated last as theirs, by the word of private keys if there is any, where it is
/// none of its identities: a rule holds the link. What was stated before somebody separated the profile may be the other side's.
fn stated(
    cluster: &Cluster,
    node: NodeId,
    lens: &Lens<'_>,
    names: &Names,
) -> BTreeMap<NamespaceId, (Class, Timestamp, Arc<str>)> {
    /// None where a document says that there is none.
    type Said = (Class, Timestamp, Option<Arc<str>>);
    let unit = || policy::unit(cluster, node, lens.policy.graph());
    let mut stated: BTreeMap<NamespaceId, Said> = BTreeMap::new();
    let parted = Parted::of(cluster, node, lens);
    for (fragment, cell) in
        unit().flat_map(|node| &node.fragments).flat_map(|own| own.cells.iter().map(move |c| (own, c)))
    {
        let Some(class) = cell.claimed else { continue };
        if !names.has_at(cell.path.as_str()) || !lens.counts(&fragment.dataset, cell) {
            continue;
        }
        if parted.is_after(cell) {
            continue;
        }
        let Some(namespace) = lens.config.by_name(cell.path.as_str()) else { continue };
        let value = match &cell.value {
            Value::Null => None,
            Value::Text(said) => match normalise(namespace, said) {
                Ok(value) => Some(value),
                Err(_) => continue,
            },
            _ => continue,
        };
        let is_later =
            |own: &Said| ((class == Class::Private), cell.time, &value) > (own.0 == Class::Private, own.1, &own.2);
        if stated.get(&namespace.id).is_none_or(is_later) {
            stated.insert(namespace.id, (class, cell.time, value));
        }
    }
    let holds = |id: NamespaceId, value: &str| {
        unit().any(|node| node.identity.namespace == id && *node.identity.value == *value)
    };
    let told = stated.into_iter().filter_map(|(id, (class, time, value))| Some((id, (class, time, value?))));
    told.filter(|(id, (_, _, value))| !holds(*id, value)).collect()
}
