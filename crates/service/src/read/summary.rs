//! What a profile is known by: its identities with their kinds and times, and the accounts that it belongs to.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_engine::cluster::{Cluster, LinkState, Node, Tally};
use tessera_engine::config::{Config, Kind, Sweeps};
use tessera_engine::id::NodeId;
use tessera_engine::time::Timestamp;
use tessera_engine::view::{Lens, Relevance};

use crate::base::error::Error;
use crate::base::verdict::NamedIdentity;
use crate::config::configured::Configured;
use crate::read::find::{Found, not_found};
use crate::read::render::viewed;

/// What a profile is known by.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Its id.
    pub id: NodeId,
    /// When its first identity was stored.
    pub created_at: Timestamp,
    /// When anything of it last changed.
    pub updated_at: Timestamp,
    /// Its identities, by namespace and value.
    pub identities: Vec<KnownIdentity>,
}

/// An identity of a profile.
#[derive(Debug, Clone)]
pub struct KnownIdentity {
    /// The identity.
    pub identity: NamedIdentity,
    /// Whose kind of identity it is.
    pub kind: Kind,
    /// When it was first stored.
    pub created_at: Timestamp,
    /// The dataset of the earliest, by its time, of the facts that it owns and of those that link it to another identity of the profile; none
    /// where no such fact is left.
    pub first_dataset: Option<Arc<str>>,
}

/// Sums up a profile that was found, under the workspace's default merge policy.
///
/// # Errors
/// `NotFound` with `profile_not_found`.
pub(crate) fn build(found: &Found, configured: &Configured, now: Timestamp) -> Result<Summary, Error> {
    let (cluster, config) = (&found.cluster, &configured.config);
    let policy = configured.policy(None)?;
    let lens = Lens { policy: &policy.compiled, config, now, relevance: Relevance::Any };
    let updated_at = viewed(cluster, found.node, &lens).ok_or_else(not_found)?.updated_at;
    let known = |node: &Node| KnownIdentity {
        identity: NamedIdentity::new(&node.identity, config),
        kind: config.find(node.identity.namespace).map_or(Kind::Person, |own| own.kind),
        created_at: node.created_at,
        first_dataset: first_dataset(cluster, node, config.sweeps()),
    };
    let mut identities: Vec<KnownIdentity> = cluster.piece(found.node).map(known).collect();
    identities.sort_by_key(|own| place(&own.identity));
    Ok(Summary {
        id: cluster.profile_id(found.node).unwrap_or(found.node),
        created_at: cluster.piece(found.node).map(|own| own.created_at).min().ok_or_else(not_found)?,
        updated_at,
        identities,
    })
}

fn first_dataset(cluster: &Cluster, node: &Node, sweeps: &Sweeps) -> Option<Arc<str>> {
    let links = cluster.links.iter().filter(|link| link.state == LinkState::Active && link.touches(node.id));
    let linked = links.flat_map(|link| &link.evidence).map(|evidence| &evidence.tally);
    let stands = |tally: &&Tally| !sweeps.erases(&tally.source);
    let first = node.owned.iter().chain(linked).filter(stands);
    let first = first.min_by(|one, other| (one.first, &one.source.dataset).cmp(&(other.first, &other.source.dataset)));
    first.map(|tally| tally.source.dataset.clone())
}

/// Where an identity stands among others: by the name of its namespace, then by its value.
pub(crate) fn place(identity: &NamedIdentity) -> (Arc<str>, Arc<str>) {
    (identity.namespace.clone(), identity.value.clone())
}

/// The accounts that a profile is said to belong to, by namespace and value, with the nodes that they had when that was said.
pub(crate) fn accounts(found: &Found, config: &Config) -> BTreeMap<(Arc<str>, Arc<str>), Vec<NodeId>> {
    let sweeps = config.sweeps();
    let relations = found.cluster.piece(found.node).flat_map(|node| &node.relations);
    let stands = relations.filter(|own| own.evidence.iter().any(|tally| !sweeps.erases(&tally.source)));
    let mut accounts: BTreeMap<(Arc<str>, Arc<str>), Vec<NodeId>> = BTreeMap::new();
    for relation in stands {
        let nodes = accounts.entry(place(&NamedIdentity::new(&relation.account, config))).or_default();
        if !nodes.contains(&relation.node) {
            nodes.push(relation.node);
        }
    }
    accounts
}
