//! A unit as one merge policy sees it: the profile, or the one identity that was named, with what it is made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::cluster::{Node, Tally};
use tessera_engine::model::Flags;
use tessera_engine::policy::{AttributeMerge, IdentityGraph};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Tree;
use tessera_engine::view::{Lens, Relevance};
use tessera_expr::facts::Membership;

use crate::base::error::{Error, ErrorKind};
use crate::base::json::write_tree;
use crate::base::verdict::NamedIdentity;
use crate::config::configured::Configured;
use crate::config::workspace::{PolicyId, RuleKind};
use crate::read::find::{Found, not_found};
use crate::read::render::{viewed, visible};
use crate::read::ruled::{self, Asker, Of};

/// Bytes of JSON that the attributes of a unit may come to.
const ATTRIBUTES_BYTES_MAX: usize = 1_000_000;

/// Under which policy a unit is read, by whom.
#[derive(Debug, Clone, Default)]
pub struct UnitQuery {
    /// The id of the merge policy; the workspace's default one where there is none.
    pub policy: Option<String>,
    /// What the reader may see of what the data model flags.
    pub visibility: Flags,
}

/// A unit, as its policy sees it.
#[derive(Debug, Clone)]
pub struct UnitProfile {
    /// The policy.
    pub policy: PolicyId,
    /// Its identities, by namespace and value: those of the profile, or the one that was named.
    pub identities: Vec<UnitIdentity>,
    /// Its attributes, by name, as JSON.
    pub attributes: Vec<(Arc<str>, Bytes)>,
    /// The computed ones, by name, as JSON.
    pub computed: Vec<(Arc<str>, Bytes)>,
    /// The datasets of the facts that it is made of, by name.
    pub datasets: Vec<Arc<str>>,
    /// The named deliveries among them, by name.
    pub batches: Vec<Arc<str>>,
    /// For each live segment, by name, how the profile stands to it.
    pub memberships: Vec<(Arc<str>, Membership)>,
    /// What there is and is not told, with the reason: computed attributes and segments by name.
    pub incomplete: Vec<(Arc<str>, &'static str)>,
    /// When anything of it last changed.
    pub updated_at: Timestamp,
    /// The first instant at which something of it may be otherwise by itself, none where it holds until somebody writes.
    pub valid_until: Option<Timestamp>,
}

/// An identity of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitIdentity {
    /// The identity.
    pub identity: NamedIdentity,
    /// Whether it owns the newest of the unit's facts; so does one of them at most.
    pub owns_newest: bool,
}

/// Reads a unit of a profile that was found.
///
/// # Errors
/// As [`Asker::ask`]; `Invalid` with `merge_policy_unknown`; `LimitExceeded` with `profile_too_large`.
pub(crate) async fn read(
    asker: Asker,
    configured: &Arc<Configured>,
    found: &Found,
    query: &UnitQuery,
    now: Timestamp,
) -> Result<UnitProfile, Error> {
    let (config, asked) = (&configured.config, query.policy.as_deref());
    let policy = configured.policy(asked)?;
    let lens = Lens { policy: &policy.compiled, config, now, relevance: Relevance::Any };
    let view = viewed(&found.cluster, found.node, &lens).ok_or_else(not_found)?;
    let mut view = visible(view, configured.stored.model().model.hidden(query.visibility));
    let mut ruled = asker.ruled(Of { configured, found, policy: asked, now }).await?;
    ruled::hide(&mut ruled, &configured.flagged, query.visibility);
    ruled::add(&ruled, &mut view, Relevance::Any, config);
    let gaps = ruled::gaps(&ruled, &mut view, configured, query.visibility);
    let is_computed = |name: &str| configured.stored.rules().find(RuleKind::Attribute, name).is_ok();
    let written = |(name, tree): (Arc<str>, Tree)| {
        let mut json = Vec::new();
        write_tree(&tree, &mut json);
        (name, Bytes::from(json))
    };
    let all: Vec<(Arc<str>, Bytes)> = view.attributes.into_iter().map(written).collect();
    if all.iter().map(|(name, json)| name.len() + json.len()).sum::<usize>() > ATTRIBUTES_BYTES_MAX {
        let message = "the attributes of the profile are larger than 1 MB of JSON";
        return Err(Error::new(ErrorKind::LimitExceeded, "profile_too_large", message));
    }
    let (computed, attributes) = all.into_iter().partition(|(name, _)| is_computed(name));
    let nodes: Vec<&Node> = match lens.policy.graph() {
        IdentityGraph::Full => found.cluster.piece(found.node).collect(),
        IdentityGraph::None => found.cluster.node(found.node).into_iter().collect(),
    };
    let tallies = || nodes.iter().flat_map(|node| tallies(node, &lens));
    let (datasets, batches): (BTreeSet<_>, BTreeSet<_>) =
        tallies().map(|own| (own.source.dataset.clone(), own.source.batch.clone())).unzip();
    let attributes_off = gaps.attributes.iter().map(|(name, why)| (name.clone(), *why));
    let audiences_off = gaps.audiences.iter().map(|(name, why)| (name.clone(), *why));
    Ok(UnitProfile {
        policy: policy.id.clone(),
        identities: identities(&nodes, &lens),
        attributes,
        computed,
        datasets: datasets.into_iter().collect(),
        batches: batches.into_iter().flatten().collect(),
        incomplete: attributes_off.chain(audiences_off).collect(),
        memberships: if gaps.all_audiences.is_some() { Vec::new() } else { ruled.audiences },
        updated_at: view.updated_at,
        valid_until: view.valid_until,
    })
}

/// The facts of a node that count: neither erased nor of a dataset that takes no part.
fn tallies<'a>(node: &'a Node, lens: &Lens<'a>) -> impl Iterator<Item = &'a Tally> + use<'a> {
    let (sweeps, merge) = (lens.config.sweeps(), lens.policy.policy().merge());
    node.owned.iter().filter(move |own| {
        let takes_part = match merge {
            AttributeMerge::Newest => true,
            AttributeMerge::Precedence(listed) => listed.contains(&own.source.dataset),
        };
        takes_part && !sweeps.erases(&own.source)
    })
}

fn identities(nodes: &[&Node], lens: &Lens<'_>) -> Vec<UnitIdentity> {
    let newest = |node: &&&Node| tallies(node, lens).map(|own| own.last).max();
    let owner = nodes.iter().filter(|node| newest(node).is_some()).max_by_key(|node| (newest(node), node.id));
    let mut identities: Vec<UnitIdentity> = nodes
        .iter()
        .map(|node| UnitIdentity {
            identity: NamedIdentity::new(&node.identity, lens.config),
            owns_newest: owner.is_some_and(|owner| owner.id == node.id),
        })
        .collect();
    let place = |own: &UnitIdentity| (own.identity.namespace.clone(), own.identity.value.clone());
    identities.sort_by_key(place);
    identities
}
