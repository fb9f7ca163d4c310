//! From requests to merge policies.

use std::sync::Arc;

use tessera_engine::policy::{AttributeMerge, MergePolicy, Rule};
use tessera_seam::answer::invalid;
use tessera_service::directory::DisplayName;
use tessera_service::error::Error;
use tessera_service::workspace_config::{PolicyContent, PolicyId, invalid_policy};

use super::wire::{self, Choose, Merge, MergePolicyReplacement, NewMergePolicy};
use crate::native::parse::{attribute_path, named};

/// Reads a policy to be made.
///
/// # Errors
/// `name_invalid`, and as [`content`].
pub(super) fn new(wire: NewMergePolicy) -> Result<(PolicyId, PolicyContent), Error> {
    let NewMergePolicy { id, name, identity_graph, attribute_merge, rules } = wire;
    Ok((PolicyId::parse(&id)?, content(&name, identity_graph, attribute_merge, rules)?))
}

/// Reads what takes the place of a policy, and the version that it is meant for.
///
/// # Errors
/// As [`content`].
pub(super) fn replacement(wire: MergePolicyReplacement) -> Result<(Option<u64>, PolicyContent), Error> {
    let MergePolicyReplacement { version, name, identity_graph, attribute_merge, rules } = wire;
    Ok((version, content(&name, identity_graph, attribute_merge, rules)?))
}

/// Reads a policy that a file declares.
///
/// # Errors
/// As [`content`].
pub(super) fn declared(wire: wire::PolicyContent) -> Result<PolicyContent, Error> {
    let wire::PolicyContent { name, identity_graph, attribute_merge, rules } = wire;
    content(&name, identity_graph, attribute_merge, rules)
}

/// # Errors
/// `display_name_invalid`, `attribute_path_invalid`, `dataset_invalid`, `datasets_unexpected`, and those of
/// [`invalid_policy`].
fn content(
    name: &str,
    graph: wire::IdentityGraph,
    merge: wire::AttributeMerge,
    rules: Vec<wire::AttributeRule>,
) -> Result<PolicyContent, Error> {
    let place = "attribute_merge";
    let merge = match merge.choose {
        Merge::Newest => no_datasets(merge.datasets, place, AttributeMerge::Newest)?,
        Merge::Precedence => AttributeMerge::Precedence(datasets(merge.datasets, place)?),
    };
    let mut read = Vec::with_capacity(rules.len());
    for (index, rule) in rules.into_iter().enumerate() {
        let place = format!("rules[{index}]");
        read.push((attribute_path(&rule.path, &format!("{place}.path"))?, self::rule(rule, &place)?));
    }
    let policy = MergePolicy::new(graph.into(), merge, read).map_err(|error| invalid_policy(&error))?;
    Ok(PolicyContent { name: DisplayName::parse(name)?, policy })
}

fn rule(wire: wire::AttributeRule, place: &str) -> Result<Rule, Error> {
    match wire.choose {
        Choose::Newest => no_datasets(wire.datasets, place, Rule::Newest),
        Choose::First => no_datasets(wire.datasets, place, Rule::First),
        Choose::Min => no_datasets(wire.datasets, place, Rule::Min),
        Choose::Max => no_datasets(wire.datasets, place, Rule::Max),
        Choose::Union => no_datasets(wire.datasets, place, Rule::Union),
        Choose::MostFrequent => no_datasets(wire.datasets, place, Rule::MostFrequent),
        Choose::SourcePriority => Ok(Rule::SourcePriority(datasets(wire.datasets, place)?)),
    }
}

fn no_datasets<T>(listed: Option<Vec<String>>, place: &str, chosen: T) -> Result<T, Error> {
    match listed {
        None => Ok(chosen),
        Some(_) => {
            let message = format!("{place}.datasets stands only beside precedence and source_priority");
            Err(invalid("datasets_unexpected", message))
        }
    }
}

/// A list that is left out is an empty one, which the policy refuses.
fn datasets(listed: Option<Vec<String>>, place: &str) -> Result<Vec<Arc<str>>, Error> {
    let listed = listed.unwrap_or_default().into_iter().enumerate();
    listed.map(|(index, dataset)| named(&dataset, &format!("{place}.datasets[{index}]"))).collect()
}
