//! The people who are said to belong to an account. Each of them keeps it, the account does not: so everybody is looked at, a stretch of the
//! workspace for each page. Linear in the records of the workspace; a page may be short, or hold nobody, and go on.

use std::sync::Arc;

use tessera_engine::cluster::Cluster;
use tessera_engine::config::Config;
use tessera_engine::id::NodeId;
use tessera_store::{Direction, ScanLimit, Store};

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::read_failed;
use crate::read::query::Lookup;
use crate::read::summary::{self, Summary};
use crate::stored::keys::{Family, Scope};
use crate::stored::records::cluster;
use crate::work::service::Service;

/// People of one page.
pub const USERS_MAX: usize = 100;
/// Records that are looked at for one page.
const RECORDS_MAX: usize = 50_000;
/// How long is looked for one page, in microseconds.
const LOOK_MICROS: i64 = 2_000_000;
/// Records, and bytes of them, that are read in one go.
const AT_ONCE: ScanLimit = ScanLimit { rows: 500, bytes: 2 << 20 };
/// A place behind all profiles of a record.
const LAST: NodeId = NodeId::from_bytes([0xff; 12]);

/// A place in the order in which profiles are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProfilePlace {
    /// The record.
    pub record: NodeId,
    /// The profile in it.
    pub profile: NodeId,
}

/// A page of the people who are said to belong to an account.
#[derive(Debug, Clone)]
pub struct UserPage {
    /// They, in the order in which they are kept.
    pub users: Vec<Summary>,
    /// The place behind which the next page begins; none on the last.
    pub next: Option<ProfilePlace>,
}

impl Service {
    /// A page of the people who are said to belong to an account, behind this place. It is made of a stretch of the workspace at the time of
    /// the page: who is merged between two pages may be shown twice or not at all.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`, `limit_invalid`; `Throttled` with `query_busy` where others look
    /// at everybody; what the store answers.
    pub async fn users_of(
        &self,
        workspace: WorkspaceId,
        account: &Lookup,
        after: Option<ProfilePlace>,
        limit: usize,
    ) -> Result<UserPage, Error> {
        if !(1..=USERS_MAX).contains(&limit) {
            let message = format!("limit is expected to be 1 to {USERS_MAX}");
            return Err(Error::new(ErrorKind::Invalid, "limit_invalid", message));
        }
        let configured = self.configured(workspace).await?;
        let finder = self.finder(workspace, &configured.config);
        let found = finder.find(account).await?;
        let nodes: Arc<[NodeId]> = found.cluster.piece(found.node).map(|node| node.id).collect();
        let (places, next) = {
            let _turn = self.scans().wait(workspace).await?;
            let (store, config, nodes) = (self.store().clone(), configured.config.clone(), nodes.clone());
            let look = move |is_over: Box<dyn Fn() -> bool + Send>| async move {
                let stretch = Stretch { nodes: &nodes, after, limit, records_max: RECORDS_MAX };
                stretch.look(&*store, Scope::new(workspace), &config, &*is_over).await
            };
            self.scans().pool.run(workspace, LOOK_MICROS, |patience| look(Box::new(move || patience.is_over()))).await?
        };
        let mut users = Vec::with_capacity(places.len());
        for place in places {
            // Whoever was erased since, or has left the account, is left out.
            let Some(user) = finder.by_node(place.profile).await? else { continue };
            let mut accounts = summary::accounts(&user, &configured.config).into_values().flatten();
            if accounts.any(|own| nodes.contains(&own)) {
                users.push(summary::build(&user, &configured, self.now())?);
            }
        }
        Ok(UserPage { users, next })
    }
}

/// What is looked for, from where on, and how far.
struct Stretch<'a> {
    /// Those of the account.
    nodes: &'a [NodeId],
    after: Option<ProfilePlace>,
    limit: usize,
    records_max: usize,
}

impl Stretch<'_> {
    /// Profiles that are said to belong to the account, and where the next stretch begins, if there is more to look at.
    async fn look(
        &self,
        store: &dyn Store,
        scope: Scope,
        config: &Config,
        is_over: &(dyn Fn() -> bool + Send),
    ) -> Result<(Vec<ProfilePlace>, Option<ProfilePlace>), Error> {
        let mut range = scope.all_of(Family::Cluster);
        if let Some(after) = self.after {
            let record = scope.cluster(after.record);
            // A record that was looked at to its end is not read again: one of the size of a page would be all of it for ever.
            range.start = if after.profile == LAST { record.successor() } else { record };
        }
        let (mut found, mut looked_at, mut last, mut rest) = (Vec::new(), 0, None, Some(range));
        while let Some(range) = rest {
            // Whatever the time, each page comes further than the one before.
            if looked_at >= self.records_max || (looked_at > 0 && is_over()) {
                return Ok((found, last));
            }
            let at_once = ScanLimit { rows: AT_ONCE.rows.min(self.records_max - looked_at), ..AT_ONCE };
            let page = store.scan(&range, at_once, Direction::Forward).await.map_err(|error| read_failed(&error))?;
            for row in &page.rows {
                let cluster = cluster::decode(&row.value, config)?;
                let record = cluster.id();
                for profile in self.related(&cluster, config) {
                    let place = ProfilePlace { record, profile };
                    if self.after.is_some_and(|after| place <= after) {
                        continue;
                    }
                    if found.len() == self.limit {
                        return Ok((found, last));
                    }
                    found.push(place);
                    last = Some(place);
                }
                last = last.max(Some(ProfilePlace { record, profile: LAST }));
            }
            looked_at += page.rows.len();
            rest = page.next;
        }
        Ok((found, None))
    }

    /// The profiles of a record that are said to belong to the account.
    fn related(&self, cluster: &Cluster, config: &Config) -> Vec<NodeId> {
        let sweeps = config.sweeps();
        let belongs = |own: &tessera_engine::cluster::Relation| {
            self.nodes.contains(&own.node) && own.evidence.iter().any(|tally| !sweeps.erases(&tally.source))
        };
        if !cluster.nodes.iter().any(|node| node.relations.iter().any(belongs)) {
            return Vec::new();
        }
        let is_related = |head: &NodeId| cluster.piece(*head).any(|node| node.relations.iter().any(belongs));
        cluster.profile_ids().filter(is_related).collect()
    }
}

#[cfg(test)]
mod tests {
    use tessera_engine::cluster::{Node, Relation, Role, Source, Tally};
    use tessera_engine::config::{Limits, NamespaceId, default_namespaces};
    use tessera_engine::fact::Identity;
    use tessera_engine::time::Timestamp;
    use tessera_store::{Commit, MemoryStore};

    use super::*;

    const WORKSPACE: WorkspaceId = WorkspaceId::new(1);

    fn id(number: u8) -> NodeId {
        NodeId::from_bytes([number; 12])
    }

    /// Whose record it is, and the account that it belongs to, if any.
    async fn stored(people: &[(u8, Option<u8>)]) -> MemoryStore {
        let (store, now) = (MemoryStore::new(), Timestamp::from_micros(1).expect("within bounds"));
        let identity = |namespace, number: u8| Identity {
            namespace: NamespaceId::new(namespace),
            value: number.to_string().into(),
        };
        for (number, account) in people {
            let mut node = Node::new(id(*number), identity(2, *number), now, Role::default());
            node.relations = (account.iter())
                .map(|account| Relation {
                    account: identity(6, *account),
                    node: id(*account),
                    evidence: vec![Tally::one(Source::of_ours("test", None), now)],
                })
                .collect();
            let record = cluster::encode(&Cluster::of_one(node, now, 0));
            let commit = Commit::new().create(Scope::new(WORKSPACE).cluster(id(*number)), record);
            store.commit(commit).await.expect("the store is open");
        }
        store
    }

    /// Whoever is found, page by page, and how many pages that were.
    async fn all(store: &MemoryStore, limit: usize, records_max: usize, is_over: bool) -> (Vec<NodeId>, usize) {
        let config = Config::new(1, default_namespaces(), None, Limits::default()).expect("a configuration");
        let (mut seen, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let stretch = Stretch { nodes: &[id(200)], after, limit, records_max };
            let looked = stretch.look(store, Scope::new(WORKSPACE), &config, &|| is_over).await;
            let (found, next) = looked.expect("the records are sound");
            assert!(found.len() <= limit);
            seen.extend(found.into_iter().map(|place| place.profile));
            pages += 1;
            assert!(next.is_none() || next > after, "it comes further");
            match next {
                Some(next) => after = Some(next),
                None => return (seen, pages),
            }
        }
    }

    #[tokio::test]
    async fn stretches_together_find_everybody_once_whatever_ends_them() {
        let people: Vec<_> = (1..=30).map(|own| (own, [Some(200), Some(201), None][usize::from(own) % 3])).collect();
        let store = stored(&people).await;
        let expected: Vec<_> = (1..=10).map(|own| id(3 * own)).collect();
        assert_eq!(all(&store, 100, 100, false).await, (expected.clone(), 1));
        for (limit, records_max) in [(1, 100), (3, 100), (100, 1), (100, 7), (2, 5)] {
            let (seen, pages) = all(&store, limit, records_max, false).await;
            assert_eq!(seen, expected, "limit={limit} records_max={records_max}");
            assert!(pages > 1, "limit={limit} records_max={records_max}");
        }
        // Time that is over at once ends a page, and not the list.
        assert_eq!(all(&store, 100, 100, true).await.0, expected);
    }
}
