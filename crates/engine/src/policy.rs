//! Merge policies: which nodes and which datasets count in a view, and which cell wins where several speak of one attribute.
//!
//! A policy chooses among **cells**, one newest value per node and dataset. Objects are cells leaf by leaf; lists, sets and null
//! are leaves. Start reading at [`MergePolicy`]; [`CompiledPolicy`] is what a fold takes, [`explain`] says why it came out so.
//!
//! **Null.** Under newest, precedence and source priority null is a contender like any other, and removes when it wins. Under
//! the rules that look at all contenders (first, min, max, union, most frequent) null never wins over a value: it takes away
//! the contenders that are older than it, those of its own instant stay (as under newest, where the greater bytes win), and
//! what is left is chosen from. Null also takes away what is not newer than it below its path, within the same rule.
//!
//! **Above and below.** A value and what lies below it cannot both stand. Each path first chooses its own; then, of two above
//! and below each other, the one that is first in the order of their rule ends the other, a tie goes to the one above. That
//! order is: by time, the newer first; under precedence and source priority by dataset, then by time; under first the
//! older first. Min, max, union and most frequent take the policy's own order, and speak with the best of the cells that
//! they look at. Where rules are nested, the inner one decides among its own first, and what it ended says nothing further
//! out; then the outer one decides among what is left. An empty object ends nothing below it.
//!
//! **Sets** that are changed member by member ([`Path::member`]) are decided so: see `members`. Under newest they are
//! last-writer-wins element sets, so operations may come in any order and twice; of an addition and a removal at one instant
//! the addition wins.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::value::Path;

mod choose;
mod compiled;
mod explain;
mod members;
mod resolve;

pub use compiled::CompiledPolicy;
pub use explain::{Attribute, Contender, Explanation, Fate, Part, Reason, explain, explain_all};

pub(crate) use choose::{Parted, unit};
pub(crate) use resolve::resolved;

/// Whose facts a view shows. The id of what it shows is the id under which memberships are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum IdentityGraph {
    /// Those of all nodes of the profile.
    #[default]
    Full,
    /// Those of one node alone.
    None,
}

/// How one value is chosen for the attributes that have no rule of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeMerge {
    /// The newest cell, ties by bytes.
    Newest,
    /// The cell of the dataset that stands first in this list, among several the newest. Datasets that are not listed take no
    /// part, not even under a rule of an attribute.
    Precedence(Vec<Arc<str>>),
}

/// How one value is chosen for an attribute and all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The newest, ties by bytes.
    Newest,
    /// The oldest, ties by bytes.
    First,
    /// The smallest, in the order of values.
    Min,
    /// The greatest.
    Max,
    /// The members of all lists and sets, and single values, each once: a list when all are lists, in the order in which they
    /// were first said, a set otherwise. An empty object has no members.
    Union,
    /// The value that most cells hold; ties go to the newest, then by bytes.
    MostFrequent,
    /// The cell of the dataset that stands first in this list, among several the newest. Datasets that are not listed come
    /// last, all alike.
    SourcePriority(Vec<Arc<str>>),
}

/// Which list of datasets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatasetList {
    /// That of the policy itself.
    Precedence,
    /// That of the rule of this attribute.
    OfRule(Path),
}

impl fmt::Display for DatasetList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Precedence => f.write_str("list=precedence"),
            Self::OfRule(path) => write!(f, "list=source_priority path={path}"),
        }
    }
}

/// Why something is no merge policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// A list of datasets is empty.
    #[error("a list of datasets is empty {0}")]
    NoDatasets(DatasetList),
    /// A list of datasets is too long.
    #[error("too many datasets in one list {list} datasets={datasets} datasets_max={max}", max = MergePolicy::DATASETS_MAX)]
    TooManyDatasets {
        /// The list.
        list: DatasetList,
        /// How many it has.
        datasets: usize,
    },
    /// A dataset is listed twice.
    #[error("a dataset is listed twice {list} dataset={dataset}")]
    DuplicateDataset {
        /// The list.
        list: DatasetList,
        /// The dataset.
        dataset: Arc<str>,
    },
    /// A rule lists a dataset that takes no part in the policy.
    #[error("a rule lists a dataset that takes no part path={path} dataset={dataset}")]
    TakesNoPart {
        /// The path of the rule.
        path: Path,
        /// The dataset.
        dataset: Arc<str>,
    },
    /// Too many attributes have rules.
    #[error("too many attribute rules rules={0} rules_max={max}", max = MergePolicy::RULES_MAX)]
    TooManyRules(usize),
    /// An attribute has two rules.
    #[error("an attribute has two rules path={0}")]
    DuplicateRule(Path),
}

/// Which nodes and datasets count, and who wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergePolicy {
    graph: IdentityGraph,
    merge: AttributeMerge,
    rules: BTreeMap<Path, Rule>,
}

impl MergePolicy {
    /// Datasets that one list may hold.
    pub const DATASETS_MAX: usize = 100;
    /// Attributes that may have rules.
    pub const RULES_MAX: usize = 200;

    /// A policy. The rule of an attribute holds for its path and all below it; the longest path wins.
    ///
    /// # Errors
    /// [`InvalidPolicy`] when a bound is passed, a list is empty or names a dataset twice, an attribute has two rules, or a rule
    /// lists a dataset that takes no part.
    pub fn new(
        graph: IdentityGraph,
        merge: AttributeMerge,
        rules: impl IntoIterator<Item = (Path, Rule)>,
    ) -> Result<Self, InvalidPolicy> {
        if let AttributeMerge::Precedence(order) = &merge {
            check_list(order, || DatasetList::Precedence)?;
        }
        let mut by_path = BTreeMap::new();
        for (path, rule) in rules {
            if let Rule::SourcePriority(order) = &rule {
                check_list(order, || DatasetList::OfRule(path.clone()))?;
                check_takes_part(&path, order, &merge)?;
            }
            if by_path.contains_key(&path) {
                return Err(InvalidPolicy::DuplicateRule(path));
            }
            by_path.insert(path, rule);
        }
        if by_path.len() > Self::RULES_MAX {
            return Err(InvalidPolicy::TooManyRules(by_path.len()));
        }
        Ok(Self { graph, merge, rules: by_path })
    }

    /// Whose facts count.
    #[must_use]
    pub fn graph(&self) -> IdentityGraph {
        self.graph
    }

    /// How a value is chosen where no rule is.
    #[must_use]
    pub fn merge(&self) -> &AttributeMerge {
        &self.merge
    }

    /// The rules of attributes.
    #[must_use]
    pub fn rules(&self) -> &BTreeMap<Path, Rule> {
        &self.rules
    }
}

/// The whole profile, the newest of each attribute.
impl Default for MergePolicy {
    fn default() -> Self {
        Self { graph: IdentityGraph::Full, merge: AttributeMerge::Newest, rules: BTreeMap::new() }
    }
}

fn check_list(order: &[Arc<str>], list: impl Fn() -> DatasetList) -> Result<(), InvalidPolicy> {
    if order.is_empty() {
        return Err(InvalidPolicy::NoDatasets(list()));
    }
    if order.len() > MergePolicy::DATASETS_MAX {
        return Err(InvalidPolicy::TooManyDatasets { list: list(), datasets: order.len() });
    }
    let second = order.iter().enumerate().find(|(at, dataset)| order[..*at].contains(dataset));
    match second {
        None => Ok(()),
        Some((_, dataset)) => Err(InvalidPolicy::DuplicateDataset { list: list(), dataset: dataset.clone() }),
    }
}

fn check_takes_part(path: &Path, order: &[Arc<str>], merge: &AttributeMerge) -> Result<(), InvalidPolicy> {
    let AttributeMerge::Precedence(listed) = merge else { return Ok(()) };
    match order.iter().find(|dataset| !listed.contains(dataset)) {
        None => Ok(()),
        Some(dataset) => Err(InvalidPolicy::TakesNoPart { path: path.clone(), dataset: dataset.clone() }),
    }
}
