//! From merge policies to answers.

use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::policy::{AttributeMerge, IdentityGraph, Rule};
use tessera_seam::answer::to_json;
use tessera_service::clock::format_timestamp;
use tessera_service::directory::ListPage;
use tessera_service::error::Error;
use tessera_service::workspace_config::{Origin, Policies, PolicyContent, StoredPolicy};

use super::wire::{self, Choose, Merge};

/// One policy of these.
///
/// # Errors
/// `merge_policy_not_found`.
pub(super) fn one(policies: &Policies, id: &str) -> Result<Bytes, Error> {
    Ok(to_json(&policy(policies, policies.find(id)?)).into())
}

/// A page of these policies.
pub(super) fn page(policies: &Policies, page: ListPage<&StoredPolicy>) -> wire::MergePolicies {
    let items = page.items.into_iter().map(|own| policy(policies, own)).collect();
    wire::MergePolicies { items, next_cursor: page.next_cursor }
}

/// What may change of a policy.
pub(super) fn content(content: &PolicyContent) -> wire::PolicyContent {
    let policy = &content.policy;
    wire::PolicyContent {
        name: content.name.as_str().to_owned(),
        identity_graph: policy.graph().into(),
        attribute_merge: policy.merge().into(),
        rules: policy.rules().iter().map(|(path, rule)| attribute_rule(path.to_string(), rule)).collect(),
    }
}

fn policy(policies: &Policies, policy: &StoredPolicy) -> wire::MergePolicy {
    let content = &policy.content.policy;
    let made = match policy.origin {
        Origin::BuiltIn => None,
        Origin::Made { created_at, updated_at } => Some((created_at, updated_at)),
    };
    wire::MergePolicy {
        id: policy.id.to_string(),
        name: policy.content.name.as_str().to_owned(),
        version: policy.version,
        default: policies.default_id() == &policy.id,
        built_in: made.is_none(),
        identity_graph: content.graph().into(),
        attribute_merge: content.merge().into(),
        rules: content.rules().iter().map(|(path, rule)| attribute_rule(path.to_string(), rule)).collect(),
        created_at: made.map(|(created_at, _)| format_timestamp(created_at)),
        updated_at: made.map(|(_, updated_at)| format_timestamp(updated_at)),
    }
}

fn attribute_rule(path: String, rule: &Rule) -> wire::AttributeRule {
    let (choose, datasets) = match rule {
        Rule::Newest => (Choose::Newest, None),
        Rule::First => (Choose::First, None),
        Rule::Min => (Choose::Min, None),
        Rule::Max => (Choose::Max, None),
        Rule::Union => (Choose::Union, None),
        Rule::MostFrequent => (Choose::MostFrequent, None),
        Rule::SourcePriority(order) => (Choose::SourcePriority, Some(names(order))),
    };
    wire::AttributeRule { path, choose, datasets }
}

fn names(order: &[Arc<str>]) -> Vec<String> {
    order.iter().map(|dataset| String::from(&**dataset)).collect()
}

impl From<&AttributeMerge> for wire::AttributeMerge {
    fn from(merge: &AttributeMerge) -> Self {
        match merge {
            AttributeMerge::Newest => Self { choose: Merge::Newest, datasets: None },
            AttributeMerge::Precedence(order) => Self { choose: Merge::Precedence, datasets: Some(names(order)) },
        }
    }
}

impl From<IdentityGraph> for wire::IdentityGraph {
    fn from(graph: IdentityGraph) -> Self {
        match graph {
            IdentityGraph::Full => Self::Full,
            IdentityGraph::None => Self::None,
        }
    }
}

impl From<wire::IdentityGraph> for IdentityGraph {
    fn from(graph: wire::IdentityGraph) -> Self {
        match graph {
            wire::IdentityGraph::Full => Self::Full,
            wire::IdentityGraph::None => Self::None,
        }
    }
}
