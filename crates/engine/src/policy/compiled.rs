//! A policy made ready: datasets are numbers, and each attribute rule knows the one around it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::choose::Said;
use super::{AttributeMerge, IdentityGraph, MergePolicy, Rule};
use crate::value::Path;

/// The ranks of the datasets in one list: each dataset's number and its place, by number.
#[derive(Debug, Clone)]
pub(super) struct Ranks(Vec<(u16, u16)>);

impl Ranks {
    const LAST: u16 = u16::MAX;

    fn new(order: &[Arc<str>], numbers: &mut HashMap<Arc<str>, u16>) -> Self {
        let number = |dataset: &Arc<str>| {
            let next = u16::try_from(numbers.len()).expect("the rules and datasets of a policy are bounded");
            *numbers.entry(dataset.clone()).or_insert(next)
        };
        let mut ranks: Vec<(u16, u16)> = order.iter().map(number).zip(0..).collect();
        ranks.sort_unstable();
        Self(ranks)
    }

    /// 0 is the first; what is not listed comes last.
    pub(super) fn of(&self, dataset: Option<u16>) -> u16 {
        let at = dataset.and_then(|number| self.0.binary_search_by_key(&number, |(own, _)| *own).ok());
        at.map_or(Self::LAST, |at| self.0[at].1)
    }
}

/// How one path chooses.
#[derive(Debug, Clone)]
pub(super) enum Choose {
    Newest,
    Precedence,
    SourcePriority,
    First,
    Min,
    Max,
    Union,
    MostFrequent,
}

/// Which of two above and below each other comes first.
#[derive(Debug, Clone)]
pub(super) enum Order {
    Newest,
    Oldest,
    Ranked(Arc<Ranks>),
}

impl Order {
    /// The rank of a cell's dataset; all alike where datasets decide nothing.
    pub(super) fn rank(&self, said: &Said<'_>) -> u16 {
        match self {
            Self::Newest | Self::Oldest => 0,
            Self::Ranked(ranks) => ranks.of(said.number),
        }
    }
}

/// The paths that one rule holds for: that of the rule and all below, without those of longer rules.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) choose: Choose,
    pub(super) order: Order,
    /// The region around it; that of the policy itself has none.
    parent: Option<usize>,
    /// How many regions are around it.
    pub(super) depth: usize,
}

/// A policy, ready to fold under.
#[derive(Debug, Clone)]
pub struct CompiledPolicy {
    policy: MergePolicy,
    numbers: HashMap<Arc<str>, u16>,
    /// The policy's own order, where only what is listed takes part.
    listed: Option<Arc<Ranks>>,
    /// The path of each rule, in their order. The region of the rule at `i` is `i + 1`.
    paths: Vec<Path>,
    /// The policy's own region, then one for each rule.
    regions: Vec<Region>,
}

static DEFAULT: LazyLock<CompiledPolicy> = LazyLock::new(|| CompiledPolicy::new(MergePolicy::default()));

impl CompiledPolicy {
    /// Makes a policy ready. Linear in its rules and the datasets they list.
    #[must_use]
    pub fn new(policy: MergePolicy) -> Self {
        let mut numbers = HashMap::new();
        let listed = match policy.merge() {
            AttributeMerge::Newest => None,
            AttributeMerge::Precedence(order) => Some(Arc::new(Ranks::new(order, &mut numbers))),
        };
        let own = match &listed {
            None => Region { choose: Choose::Newest, order: Order::Newest, parent: None, depth: 0 },
            Some(ranks) => {
                Region { choose: Choose::Precedence, order: Order::Ranked(ranks.clone()), parent: None, depth: 0 }
            }
        };
        let base = own.order.clone();
        let (mut paths, mut regions) = (Vec::<Path>::new(), vec![own]);
        for (path, rule) in policy.rules() {
            let (choose, order) = match rule {
                Rule::Newest => (Choose::Newest, Order::Newest),
                Rule::First => (Choose::First, Order::Oldest),
                Rule::Min => (Choose::Min, base.clone()),
                Rule::Max => (Choose::Max, base.clone()),
                Rule::Union => (Choose::Union, base.clone()),
                Rule::MostFrequent => (Choose::MostFrequent, base.clone()),
                Rule::SourcePriority(order) => {
                    (Choose::SourcePriority, Order::Ranked(Arc::new(Ranks::new(order, &mut numbers))))
                }
            };
            let parent = around(&paths, &regions, path);
            let depth = regions[parent].depth + 1;
            paths.push(path.clone());
            regions.push(Region { choose, order, parent: Some(parent), depth });
        }
        Self { policy, numbers, listed, paths, regions }
    }

    /// The default policy: the whole profile, the newest of each attribute.
    #[must_use]
    pub fn by_default() -> &'static Self {
        &DEFAULT
    }

    /// What it was made of.
    #[must_use]
    pub fn policy(&self) -> &MergePolicy {
        &self.policy
    }

    /// Whose facts count.
    #[must_use]
    pub fn graph(&self) -> IdentityGraph {
        self.policy.graph()
    }

    pub(super) fn number(&self, dataset: &str) -> Option<u16> {
        self.numbers.get(dataset).copied()
    }

    pub(super) fn takes_part(&self, dataset: Option<u16>) -> bool {
        self.listed.as_ref().is_none_or(|ranks| ranks.of(dataset) != Ranks::LAST)
    }

    /// The region that holds for a path.
    pub(super) fn region_of(&self, path: &Path) -> usize {
        let after = self.paths.partition_point(|own| own <= path);
        match after.checked_sub(1) {
            Some(at) if self.paths[at] == *path => after,
            _ => around(&self.paths[..after], &self.regions, path),
        }
    }

    pub(super) fn region(&self, at: usize) -> &Region {
        &self.regions[at]
    }

    /// The region of this depth that this one is or lies in; none when it lies further out.
    pub(super) fn region_at_depth(&self, region: usize, depth: usize) -> Option<usize> {
        let mut outwards = std::iter::successors(Some(region), |at| self.regions[*at].parent);
        outwards.find(|at| self.regions[*at].depth == depth)
    }
}

/// The innermost region around a path that comes after all these. Descendants of a path follow it without a gap, so the rules
/// above this path are the one right before it, or around that one.
fn around(paths: &[Path], regions: &[Region], path: &Path) -> usize {
    let mut at = paths.len();
    while at > 0 && !paths[at - 1].is_above(path) {
        at = regions[at].parent.unwrap_or(0);
    }
    at
}
