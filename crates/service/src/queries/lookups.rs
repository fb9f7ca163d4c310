//! Asking those alone whom a condition names.

use std::sync::Arc;

use tessera_engine::fact::Identity;
use tessera_engine::id::NodeId;
use tessera_store::Version;

use super::ProfileQuery;
use super::asking::{Asking, keep};
use crate::base::error::Error;
use crate::read::find::{Finder, Found};
use crate::read::named::identities;
use crate::read::pool::ANSWER_MICROS;
use crate::read::sorted::First;
use crate::stored::keys::Scope;
use crate::stored::loose;
use crate::work::service::Service;

/// Links that do not hold at an identity, whose other ends may show it as theirs: where there are more, everybody is asked.
const LINKS_MAX: usize = 1_000;

impl Service {
    /// The records of all who may be meant, where the condition names them; otherwise none.
    pub(super) async fn looked_up(&self, asking: &Asking, query: &ProfileQuery) -> Result<Option<Vec<Found>>, Error> {
        let config = &asking.configured.config;
        let named = query.filter.as_ref().and_then(|rule| identities(rule.source(), config));
        let Some(named) = named else { return Ok(None) };
        let finder = self.finder(asking.workspace, config);
        let mut records: Vec<Found> = Vec::new();
        for identity in &named {
            let Some(nodes) = self.may_show(&finder, identity).await? else { return Ok(None) };
            for node in nodes {
                if let Some(found) = finder.by_node(node).await?
                    && records.iter().all(|own| own.cluster.id() != found.cluster.id())
                {
                    records.push(found);
                }
            }
        }
        Ok(Some(records))
    }

    /// The node of an identity, and those that say it is theirs although a rule keeps it from them; none where they are too many.
    async fn may_show(&self, finder: &Finder<'_>, identity: &Identity) -> Result<Option<Vec<NodeId>>, Error> {
        let Some(found) = finder.by_identity(identity).await? else { return Ok(Some(Vec::new())) };
        let scope: Scope = finder.scope;
        let page = loose::links_of(&**self.store(), scope, found.node, &scope.held_of(found.node), LINKS_MAX).await?;
        let others = page.links.iter().map(|link| link.other(found.node).node);
        let nodes = std::iter::once(found.node).chain(others).collect();
        Ok(page.rest.is_none().then_some(nodes))
    }

    /// Asks the profiles of some records, those of which a record holds several as well: one of them may show what another is known by.
    pub(super) async fn ask_some(
        &self,
        asking: &Arc<Asking>,
        records: Vec<Found>,
        first: First,
    ) -> Result<First, Error> {
        let (asking, workspace) = (asking.clone(), asking.workspace);
        let work = move |patience| async move {
            let mut first = first;
            for Found { cluster, version, .. } in &records {
                let version: Version = *version;
                asking.ask_record(cluster, version, &patience, |told| keep(&mut first, told)).await?;
            }
            Ok(first)
        };
        self.pool().run(workspace, ANSWER_MICROS, work).await
    }
}
