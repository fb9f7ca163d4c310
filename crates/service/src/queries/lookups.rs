//! Asking those alone whom a condition names.

use std::sync::Arc;

use hashbrown::HashSet;
use tessera_engine::fact::Identity;
use tessera_engine::id::NodeId;

use super::ProfileQuery;
use crate::base::error::Error;
use crate::read::asking::{Asking, keep};
use crate::read::find::Finder;
use crate::read::named::{Named, Speaks, identities};
use crate::read::pool::{ANSWER_MICROS, Patience};
use crate::read::scans::late;
use crate::read::sorted::First;
use crate::stored::keys::Scope;
use crate::stored::loose;
use crate::stored::row;
use crate::stored::unclaimed::Unclaimed;
use crate::work::service::Service;

/// Links that do not hold at an identity, whose other ends may show it as theirs: where there are more, everybody is asked.
const LINKS_MAX: usize = 1_000;
/// Nodes that are looked up for one condition, at most.
const NODES_MAX: usize = 10_000;

impl Service {
    /// The nodes of all who may be meant, where the condition names them; otherwise none.
    pub(super) async fn looked_up(&self, asking: &Asking, query: &ProfileQuery) -> Result<Option<Vec<NodeId>>, Error> {
        let config = &asking.configured.config;
        let Some(rule) = &query.filter else { return Ok(None) };
        // Behind the configuration, which a commit changes together with it.
        let row = row::read(&**self.store(), Scope::new(asking.workspace).unclaimed()).await?;
        let unclaimed = row.map(|row| Unclaimed::decode(&row.value)).transpose()?.unwrap_or_default();
        let speaks = Speaks::OfProfiles(query.of, &unclaimed);
        let Some(named) = identities(rule.source(), config, speaks) else { return Ok(None) };
        let finder = self.finder(asking.workspace, config);
        let mut nodes: Vec<NodeId> = Vec::new();
        for named in &named {
            let shows = match named {
                Named::Identity(identity) => self.may_show(&finder, identity).await?,
                Named::Node(node) => Some(vec![*node]),
            };
            match shows {
                Some(own) if nodes.len() + own.len() <= NODES_MAX => nodes.extend(own),
                Some(_) | None => return Ok(None),
            }
            tokio::task::yield_now().await;
        }
        Ok(Some(nodes))
    }

    /// The node of an identity, and those that say it is theirs although a rule keeps it from them; none where they are too many.
    async fn may_show(&self, finder: &Finder<'_>, identity: &Identity) -> Result<Option<Vec<NodeId>>, Error> {
        let Some(found) = finder.by_known_identity(identity).await? else { return Ok(Some(Vec::new())) };
        let others = self.others_of(finder.scope, found.node).await?;
        Ok(others.map(|others| std::iter::once(found.node).chain(others).collect()))
    }

    /// The other ends of the links of a node that do not hold; none where they are too many.
    pub(super) async fn others_of(&self, scope: Scope, node: NodeId) -> Result<Option<Vec<NodeId>>, Error> {
        let page = loose::links_of(&**self.store(), scope, node, &scope.held_of(node), LINKS_MAX).await?;
        let others = page.links.iter().map(|link| link.other(node).node).collect();
        Ok(page.rest.is_none().then_some(others))
    }

    /// Asks the profiles of the records of some nodes, those of which a record holds several as well: one of them may show what another is
    /// known by. One record after the other, so that only one is held.
    pub(super) async fn ask_some(
        self: &Arc<Self>,
        asking: &Arc<Asking>,
        nodes: Vec<NodeId>,
        first: First,
    ) -> Result<First, Error> {
        let (service, asking, workspace) = (self.clone(), asking.clone(), asking.workspace);
        let work = move |patience: Patience| async move {
            let (mut first, mut seen) = (first, HashSet::new());
            let finder = service.finder(workspace, &asking.configured.config);
            for node in nodes {
                if patience.is_over() {
                    return Err(late());
                }
                if let Some(found) = finder.by_known_node(node).await?
                    && seen.insert(found.cluster.id())
                {
                    asking.ask_record(&found.cluster, found.version, &patience, |told| keep(&mut first, told)).await?;
                }
            }
            Ok(first)
        };
        self.pool().run(workspace, ANSWER_MICROS, work).await
    }
}
