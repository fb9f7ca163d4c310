//! From what is sent of a merge policy to what it says.

use std::sync::Arc;

use tessera_engine::policy::{AttributeMerge, IdentityGraph, MergePolicy};
use tessera_service::directory::{Dataset, DisplayName};
use tessera_service::error::Error;
use tessera_service::workspace_config::{PolicyContent, invalid_policy};

use super::kept::{Class, Found, Wanted};
use super::wire::{self, GRAPH, Merge, MergePolicyBody, NEWEST, NO_GRAPH, PRECEDENCE};
use crate::objects::{Schema, expected, missing};

/// What a merge policy without a name is called.
const UNNAMED: &str = "Merge policy";

/// Reads a whole merge policy.
///
/// # Errors
/// `member_invalid`, `dataset_invalid`, `dataset_reserved`, and those of [`invalid_policy`].
pub(super) fn content(body: MergePolicyBody) -> Result<Wanted, Error> {
    let schema = body.schema.ok_or_else(|| missing("schema"))?;
    let class = Class::parse(&schema.name)?;
    let graph = body.identity_graph.ok_or_else(|| missing("identityGraph"))?;
    let graph = match graph.kind.as_str() {
        GRAPH => IdentityGraph::Full,
        NO_GRAPH => IdentityGraph::None,
        _ => return Err(expected("identityGraph.type", format!("{GRAPH} or {NO_GRAPH}"))),
    };
    let merge = merge(body.attribute_merge.ok_or_else(|| missing("attributeMerge"))?)?;
    let policy = MergePolicy::new(graph, merge, []).map_err(|error| in_order(invalid_policy(&error)))?;
    let name = DisplayName::parse(body.name.as_deref().unwrap_or(UNNAMED))
        .map_err(|_| expected("name", "1 to 100 printable characters"))?;
    Ok(Wanted {
        content: PolicyContent { name, policy },
        class,
        on_edge: body.is_active_on_edge.unwrap_or(false),
        is_default: body.default.unwrap_or(false),
    })
}

fn in_order(error: Error) -> Error {
    Error { message: format!("attributeMerge.order: {}", error.message).into(), ..error }
}

fn merge(sent: Merge) -> Result<AttributeMerge, Error> {
    let order = sent.order.unwrap_or_default();
    match sent.kind.as_str() {
        NEWEST if order.is_empty() => Ok(AttributeMerge::Newest),
        NEWEST => Err(expected("attributeMerge.order", format!("none, for it stands only with {PRECEDENCE},"))),
        PRECEDENCE if order.is_empty() => Err(expected("attributeMerge.order", "the ids of one dataset or more")),
        PRECEDENCE => {
            let datasets = order.iter().map(|id| Ok(Dataset::parse(id).map_err(in_order)?.shared()));
            Ok(AttributeMerge::Precedence(datasets.collect::<Result<Vec<Arc<str>>, Error>>()?))
        }
        _ => Err(expected("attributeMerge.type", format!("{NEWEST} or {PRECEDENCE}"))),
    }
}

/// What would have to be sent to make a merge policy anew.
pub(super) fn sent(found: &Found) -> MergePolicyBody {
    let policy = &found.policy.content.policy;
    MergePolicyBody {
        name: Some(found.policy.content.name.as_str().to_owned()),
        schema: Some(Schema { name: found.class.name().to_owned() }),
        identity_graph: Some(wire::graph(policy.graph())),
        attribute_merge: Some(wire::merge(policy.merge())),
        is_active_on_edge: Some(found.on_edge),
        default: Some(found.is_default),
        ..MergePolicyBody::default()
    }
}
