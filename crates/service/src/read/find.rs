//! Finds the profile that a look-up names.

use std::sync::Arc;

use tessera_engine::cluster::Cluster;
use tessera_engine::config::Config;
use tessera_engine::fact::Identity;
use tessera_engine::id::NodeId;
use tessera_engine::normalise::normalise;
use tessera_store::{Store, Version};

use crate::base::error::{Error, ErrorKind};
use crate::read::query::Lookup;
use crate::read::views::{Epoch, Epochs};
use crate::stored::keys::Scope;
use crate::stored::loose;
use crate::stored::records::{cluster, rows};
use crate::stored::row;

/// Reads of one look-up may belong to different instants; so often it begins anew.
const TRIES: usize = 8;

/// A profile as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The node that was named.
    pub(crate) node: NodeId,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) version: Version,
    /// The cluster's epoch before it was read.
    pub(crate) epoch: Epoch,
}

/// Who is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// Profiles.
    Somebody,
    /// Identities that are nobody's as well.
    Anybody,
}

/// Reads on behalf of one look-up.
pub(crate) struct Finder<'a> {
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) scope: Scope,
    pub(crate) config: &'a Config,
    pub(crate) epochs: &'a Epochs,
}

impl Finder<'_> {
    /// The profile of a look-up.
    pub(crate) async fn find(&self, lookup: &Lookup) -> Result<Found, Error> {
        self.locate(lookup, Whom::Somebody).await
    }

    /// The same, or an identity that is nobody's: what is known of it can be looked at and erased.
    pub(crate) async fn find_known(&self, lookup: &Lookup) -> Result<Found, Error> {
        self.locate(lookup, Whom::Anybody).await
    }

    async fn locate(&self, lookup: &Lookup, whom: Whom) -> Result<Found, Error> {
        match lookup {
            Lookup::Identity { namespace, value } => {
                let Some(namespace) = self.config.by_name(namespace) else {
                    return Err(unknown_namespace(self.config));
                };
                let value = normalise(namespace, value).map_err(|_| not_found())?;
                let identity = Identity { namespace: namespace.id, value };
                self.locate_identity(&identity, whom).await?.ok_or_else(not_found)
            }
            Lookup::Id(id) => {
                // Ids of ours come first: they are drawn, so no value that somebody sends stands before the profile of another.
                if let Ok(node) = NodeId::parse(id)
                    && let Some(found) = self.locate_node(node, whom).await?
                {
                    return Ok(found);
                }
                let primary = self.config.primary().and_then(|id| self.config.find(id));
                if let Some(value) = primary.and_then(|namespace| normalise(namespace, id).ok())
                    && let Some(namespace) = primary
                    && let Some(found) =
                        self.locate_identity(&Identity { namespace: namespace.id, value }, whom).await?
                {
                    return Ok(found);
                }
                Err(not_found())
            }
            Lookup::Node(node) => self.locate_node(*node, whom).await?.ok_or_else(not_found),
        }
    }

    /// The first of these look-ups that finds a profile, by its place, and what it finds.
    pub(crate) async fn find_first(&self, lookups: &[Lookup]) -> Result<Option<(usize, Found)>, Error> {
        for (at, lookup) in lookups.iter().enumerate() {
            match self.find(lookup).await {
                Ok(found) => return Ok(Some((at, found))),
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The profile that holds an identity, or the identity itself where it is nobody's.
    pub(crate) async fn by_known_identity(&self, identity: &Identity) -> Result<Option<Found>, Error> {
        self.locate_identity(identity, Whom::Anybody).await
    }

    async fn locate_identity(&self, identity: &Identity, whom: Whom) -> Result<Option<Found>, Error> {
        for _ in 0..TRIES {
            let Some(row) = row::read(&**self.store, self.scope.identity(identity)).await? else { return Ok(None) };
            let row = rows::decode_identity(&row.value)?;
            if let Some(found) = self.read(row.cluster, row.node).await? {
                return self.unless_forgotten(found, whom).await;
            }
        }
        Err(restless())
    }

    /// The record that holds an identity, whatever is told of it, and its node.
    pub(crate) async fn record_of(&self, identity: &Identity) -> Result<Option<(NodeId, Arc<Cluster>)>, Error> {
        for _ in 0..TRIES {
            let Some(row) = row::read(&**self.store, self.scope.identity(identity)).await? else { return Ok(None) };
            let row = rows::decode_identity(&row.value)?;
            if let Some(found) = self.read(row.cluster, row.node).await? {
                return Ok(Some((row.node, found.cluster)));
            }
        }
        Err(restless())
    }

    /// The profile that holds a node, if there is one.
    pub(crate) async fn by_node(&self, node: NodeId) -> Result<Option<Found>, Error> {
        self.locate_node(node, Whom::Somebody).await
    }

    /// The same, or the node itself where it is nobody's.
    pub(crate) async fn by_known_node(&self, node: NodeId) -> Result<Option<Found>, Error> {
        self.locate_node(node, Whom::Anybody).await
    }

    async fn locate_node(&self, node: NodeId, whom: Whom) -> Result<Option<Found>, Error> {
        for _ in 0..TRIES {
            if let Some(found) = self.read(node, node).await? {
                return self.unless_forgotten(found, whom).await;
            }
            let Some(home) = row::read(&**self.store, self.scope.home(node)).await? else { return Ok(None) };
            if let Some(found) = self.read(rows::decode_home(&home.value)?, node).await? {
                return self.unless_forgotten(found, whom).await;
            }
        }
        Err(restless())
    }

    /// A profile that was found, unless nothing is to be told of it any more.
    pub(crate) async fn unless_nobody(&self, found: Found) -> Result<Option<Found>, Error> {
        self.unless_forgotten(found, Whom::Somebody).await
    }

    /// What only an erased identity was ever seen with is not told any more.
    async fn unless_forgotten(&self, found: Found, whom: Whom) -> Result<Option<Found>, Error> {
        let is_nobody = || found.cluster.kind_of(found.node, self.config).is_none();
        if whom == Whom::Somebody && is_nobody() {
            return Ok(None);
        }
        let is_forgotten = loose::is_forgotten(&**self.store, self.scope, &found.cluster).await?;
        Ok((!is_forgotten).then_some(found))
    }

    /// The cluster of this id, if it holds this node.
    async fn read(&self, id: NodeId, node: NodeId) -> Result<Option<Found>, Error> {
        let epoch = self.epochs.read(id);
        let Some(row) = row::read(&**self.store, self.scope.cluster(id)).await? else { return Ok(None) };
        let cluster = Arc::new(cluster::decode(&row.value, self.config)?);
        let holds = cluster.position(node).is_some();
        Ok(holds.then_some(Found { node, cluster, version: row.version, epoch }))
    }
}

pub(crate) fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "profile_not_found", "no profile matches the identifier")
}

pub(crate) fn unknown_namespace(config: &Config) -> Error {
    let names: Vec<&str> = config.namespaces().iter().map(|namespace| namespace.name.as_str()).collect();
    let message = format!("the namespace is not registered; one of these is expected: {}", names.join(", "));
    Error::new(ErrorKind::Invalid, "namespace_unknown", message)
}

/// What reads of a profile are refused with that was written all the while.
pub(crate) const CONTENDED: &str = "contended";

pub(crate) fn restless() -> Error {
    let message = "the profile changed all the while; try again";
    Error { retry_after_secs: Some(1), ..Error::new(ErrorKind::Unavailable, CONTENDED, message) }
}
