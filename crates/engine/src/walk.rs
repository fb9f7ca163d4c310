//! How links become profiles: the two walks of law 2, each a pure function of nodes and links.
//!
//! Stage 1 joins along the links in their order, unless both sides already hold a value of the exclusive namespace. Seen
//! with all exclusive values tied to one root, the result is a minimum spanning forest: one link more or fewer changes at
//! most one other link and two clusters. Stage 2 walks again inside one cluster under the rules that only look inside.
//! Joined links come first in the order and pass every rule; nodes so joined count as one.

use crate::config::{Config, NamespaceId};

/// A link between two positions, in walking order.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    /// One end.
    pub one: usize,
    /// The other.
    pub other: usize,
    /// Whether it passes the rules.
    pub joined: bool,
}

/// Sets of positions that grow together. Its answers are the smallest position of each set.
#[derive(Debug, Clone)]
struct Sets {
    parent: Vec<usize>,
}

impl Sets {
    fn new(len: usize) -> Self {
        Self { parent: (0..len).collect() }
    }

    fn find(&mut self, at: usize) -> usize {
        let mut root = at;
        while self.parent[root] != root {
            root = self.parent[root];
        }
        let mut step = at;
        while self.parent[step] != root {
            step = std::mem::replace(&mut self.parent[step], root);
        }
        root
    }

    /// Joins two roots; the smaller stays.
    fn join(&mut self, one: usize, other: usize) -> usize {
        let (low, high) = (one.min(other), one.max(other));
        self.parent[high] = low;
        low
    }

    fn labels(mut self) -> Vec<usize> {
        (0..self.parent.len()).map(|at| self.find(at)).collect()
    }
}

/// What stage 1 found.
#[derive(Debug, Clone)]
pub struct StageOne {
    /// For each position, the first position of its cluster.
    pub cluster: Vec<usize>,
    /// For each edge, whether the exclusive rule refused it.
    pub refused: Vec<bool>,
}

/// Walks the edges in order and joins, unless both sides hold an exclusive value.
#[must_use]
pub fn stage_one(exclusive: &[bool], edges: &[Edge]) -> StageOne {
    let mut sets = Sets::new(exclusive.len());
    let mut holds = exclusive.to_vec();
    let mut refused = vec![false; edges.len()];
    for (at, edge) in edges.iter().enumerate() {
        let (one, other) = (sets.find(edge.one), sets.find(edge.other));
        if one == other {
            continue;
        }
        if !edge.joined && holds[one] && holds[other] {
            refused[at] = true;
            continue;
        }
        let both = holds[one] || holds[other];
        let root = sets.join(one, other);
        holds[root] = both;
    }
    StageOne { cluster: sets.labels(), refused }
}

/// What stage 2 found inside one cluster.
#[derive(Debug, Clone)]
pub struct StageTwo {
    /// For each position, the first position of its profile.
    pub piece: Vec<usize>,
    /// For each edge, whether it was refused, and why.
    pub refused: Vec<Option<Refusal>>,
}

/// A refusal of stage 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It would bring two together that are separated.
    Separated,
    /// It would pass a limit.
    Limit {
        /// The last edge that joined anything on either side, if any did.
        won: Option<usize>,
    },
}

/// How many of each bounded namespace a set holds, joined nodes counted as one.
#[derive(Debug, Clone, Default)]
struct Held {
    identities: usize,
    by_namespace: Vec<(NamespaceId, u32)>,
    latest: Option<usize>,
}

impl Held {
    fn with(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.identities += other.identities;
        for (namespace, count) in &other.by_namespace {
            match sum.by_namespace.iter_mut().find(|(own, _)| own == namespace) {
                Some((_, own)) => *own += count,
                None => sum.by_namespace.push((*namespace, *count)),
            }
        }
        sum.latest = self.latest.max(other.latest);
        sum
    }

    fn fits(&self, config: &Config) -> bool {
        self.identities <= config.limits().profile_identities_max
            && self.by_namespace.iter().all(|(namespace, count)| {
                config.find(*namespace).and_then(|namespace| namespace.limit).is_none_or(|limit| *count <= limit)
            })
    }
}

/// Walks one cluster's edges in order, so that no two of `separated` come together, and under the limits of its namespaces and
/// of the profile. Joined edges pass the limits; nothing passes a separation.
#[must_use]
pub fn stage_two(
    namespaces: &[NamespaceId],
    edges: &[Edge],
    separated: &[(usize, usize)],
    config: &Config,
) -> StageTwo {
    let mut sets = Sets::new(namespaces.len());
    let mut refused = vec![None; edges.len()];
    let joined = edges.iter().take_while(|edge| edge.joined).count();
    let mut latest = vec![None; namespaces.len()];
    let parts = |sets: &mut Sets, one: usize, other: usize| {
        separated.iter().any(|(first, second)| {
            let (first, second) = (sets.find(*first), sets.find(*second));
            (first, second) == (one, other) || (second, first) == (one, other)
        })
    };
    for (at, edge) in edges[..joined].iter().enumerate() {
        let (one, other) = (sets.find(edge.one), sets.find(edge.other));
        if one == other {
            continue;
        }
        if parts(&mut sets, one, other) {
            refused[at] = Some(Refusal::Separated);
        } else {
            latest[sets.join(one, other)] = Some(at);
        }
    }
    let mut held: Vec<Held> = latest.into_iter().map(|latest| Held { latest, ..Held::default() }).collect();
    for (at, namespace) in namespaces.iter().enumerate() {
        let own = &mut held[sets.find(at)];
        own.identities = 1;
        if !own.by_namespace.iter().any(|(counted, _)| counted == namespace) {
            own.by_namespace.push((*namespace, 1));
        }
    }
    for (at, edge) in edges.iter().enumerate().skip(joined) {
        let (one, other) = (sets.find(edge.one), sets.find(edge.other));
        if one == other {
            continue;
        }
        let mut sum = held[one].with(&held[other]);
        if parts(&mut sets, one, other) {
            refused[at] = Some(Refusal::Separated);
        } else if sum.fits(config) {
            sum.latest = Some(at);
            let root = sets.join(one, other);
            held[root] = sum;
        } else {
            refused[at] = Some(Refusal::Limit { won: sum.latest });
        }
    }
    StageTwo { piece: sets.labels(), refused }
}

/// What ties a position to an exclusive value. The later in this order, the looser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tie<T> {
    /// It is one.
    Itself,
    /// The edge by which its set came to hold one: the last on the way there.
    By(T),
    /// Nothing: its set holds none.
    Loose,
}

/// What ties each position, by the places of edges.
#[must_use]
pub fn ties(exclusive: &[bool], edges: &[Edge]) -> Vec<Tie<usize>> {
    let mut sets = Sets::new(exclusive.len());
    let mut holds = exclusive.to_vec();
    let mut ties: Vec<_> = exclusive.iter().map(|own| if *own { Tie::Itself } else { Tie::Loose }).collect();
    let mut loose: Vec<Vec<usize>> = (0..exclusive.len()).map(|at| vec![at]).collect();
    for (at, edge) in edges.iter().enumerate() {
        let (one, other) = (sets.find(edge.one), sets.find(edge.other));
        if one == other || !edge.joined && holds[one] && holds[other] {
            continue;
        }
        let mut members: Vec<usize> = Vec::new();
        for root in [one, other].into_iter().filter(|root| !holds[*root]) {
            members.append(&mut loose[root]);
        }
        let both = holds[one] || holds[other];
        let root = sets.join(one, other);
        holds[root] = both;
        if both {
            members.into_iter().for_each(|member| ties[member] = Tie::By(at));
        } else {
            loose[root] = members;
        }
    }
    ties
}

/// The edge that won against one refused by the exclusive rule: the later of those that tie its two ends. None when both are
/// exclusive values themselves.
#[must_use]
pub fn exclusive_winner(exclusive: &[bool], edges: &[Edge], refused_at: usize) -> Option<usize> {
    let edge = edges.get(refused_at)?;
    let ties = ties(exclusive, &edges[..refused_at]);
    match ties[edge.one].max(ties[edge.other]) {
        Tie::By(at) => Some(at),
        Tie::Itself | Tie::Loose => None,
    }
}
