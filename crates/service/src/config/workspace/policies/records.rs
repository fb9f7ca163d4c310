//! The stored record of the merge policies of a workspace, version 1. The built-in one is not stored.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::policy::{AttributeMerge, IdentityGraph, MergePolicy, Rule};
use tessera_engine::value::Path;

use super::{Origin, Policies, PolicyContent, PolicyId, StoredPolicy};
use crate::base::codec;
use crate::base::error::Error;
use crate::directory::DisplayName;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct PoliciesRecord<'a> {
    default: &'a str,
    #[serde(borrow)]
    policies: Vec<PolicyRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct PolicyRecord<'a> {
    id: &'a str,
    version: u64,
    created_at: i64,
    updated_at: i64,
    name: &'a str,
    graph: GraphRecord,
    #[serde(borrow)]
    merge: MergeRecord<'a>,
    #[serde(borrow)]
    rules: Vec<(&'a str, RuleRecord<'a>)>,
}

#[derive(Serialize, Deserialize)]
enum GraphRecord {
    Full,
    None,
}

#[derive(Serialize, Deserialize)]
enum MergeRecord<'a> {
    Newest,
    #[serde(borrow)]
    Precedence(Vec<&'a str>),
}

#[derive(Serialize, Deserialize)]
enum RuleRecord<'a> {
    Newest,
    First,
    Min,
    Max,
    Union,
    MostFrequent,
    #[serde(borrow)]
    SourcePriority(Vec<&'a str>),
}

/// Writes the row of the merge policies.
#[must_use]
pub(crate) fn encode(policies: &Policies) -> Bytes {
    let record = PoliciesRecord {
        default: policies.default.as_str(),
        policies: policies.iter().filter_map(PolicyRecord::of).collect(),
    };
    codec::encode(VERSION, &record)
}

/// Reads the row of the merge policies.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Policies, Error> {
    let record: PoliciesRecord<'_> = codec::decode(VERSION, bytes)?;
    let mut policies = Policies::default();
    for record in record.policies {
        let policy = record.read()?;
        if policies.by_id.contains_key(&policy.id) {
            return Err(codec::corrupt("id of a merge policy"));
        }
        policies.put(policy);
    }
    policies.default = policies.find(record.default).map_err(|_| codec::corrupt("default merge policy"))?.id.clone();
    Ok(policies)
}

impl<'a> PolicyRecord<'a> {
    /// None for what is built in.
    fn of(policy: &'a StoredPolicy) -> Option<Self> {
        let (created_at, updated_at) = match policy.origin {
            Origin::BuiltIn => return None,
            Origin::Made { created_at, updated_at } => (created_at.micros(), updated_at.micros()),
        };
        let content = &policy.content;
        Some(Self {
            id: policy.id.as_str(),
            version: policy.version,
            created_at,
            updated_at,
            name: content.name.as_str(),
            graph: match content.policy.graph() {
                IdentityGraph::Full => GraphRecord::Full,
                IdentityGraph::None => GraphRecord::None,
            },
            merge: match content.policy.merge() {
                AttributeMerge::Newest => MergeRecord::Newest,
                AttributeMerge::Precedence(order) => MergeRecord::Precedence(borrowed(order)),
            },
            rules: content.policy.rules().iter().map(|(path, rule)| (path.as_str(), rule.into())).collect(),
        })
    }

    fn read(self) -> Result<StoredPolicy, Error> {
        let graph = match self.graph {
            GraphRecord::Full => IdentityGraph::Full,
            GraphRecord::None => IdentityGraph::None,
        };
        let merge = match self.merge {
            MergeRecord::Newest => AttributeMerge::Newest,
            MergeRecord::Precedence(order) => AttributeMerge::Precedence(owned(&order)),
        };
        let rule =
            |(path, rule)| Ok((Path::parse(path).map_err(|_| codec::corrupt("path of a rule"))?, Rule::from(rule)));
        let rules = self.rules.into_iter().map(rule).collect::<Result<Vec<_>, Error>>()?;
        let policy = MergePolicy::new(graph, merge, rules).map_err(|_| codec::corrupt("merge policy"))?;
        let name = DisplayName::parse(self.name).map_err(|_| codec::corrupt("name of a merge policy"))?;
        let (created_at, updated_at) = (codec::instant(self.created_at)?, codec::instant(self.updated_at)?);
        Ok(StoredPolicy {
            id: PolicyId::parse(self.id).map_err(|_| codec::corrupt("id of a merge policy"))?,
            version: self.version,
            origin: Origin::Made { created_at, updated_at },
            content: PolicyContent { name, policy },
        })
    }
}

impl<'a> From<&'a Rule> for RuleRecord<'a> {
    fn from(rule: &'a Rule) -> Self {
        match rule {
            Rule::Newest => Self::Newest,
            Rule::First => Self::First,
            Rule::Min => Self::Min,
            Rule::Max => Self::Max,
            Rule::Union => Self::Union,
            Rule::MostFrequent => Self::MostFrequent,
            Rule::SourcePriority(order) => Self::SourcePriority(borrowed(order)),
        }
    }
}

impl From<RuleRecord<'_>> for Rule {
    fn from(record: RuleRecord<'_>) -> Self {
        match record {
            RuleRecord::Newest => Self::Newest,
            RuleRecord::First => Self::First,
            RuleRecord::Min => Self::Min,
            RuleRecord::Max => Self::Max,
            RuleRecord::Union => Self::Union,
            RuleRecord::MostFrequent => Self::MostFrequent,
            RuleRecord::SourcePriority(order) => Self::SourcePriority(owned(&order)),
        }
    }
}

fn borrowed(order: &[Arc<str>]) -> Vec<&str> {
    order.iter().map(AsRef::as_ref).collect()
}

fn owned(order: &[&str]) -> Vec<Arc<str>> {
    order.iter().map(|dataset| Arc::from(*dataset)).collect()
}
