//! What is stored and contradicts a data model that is to hold: counted, with a few examples.
//!
//! A profile's values and events are compared as they were when the comparison began, page by page. What contradicted the model
//! before counts no more: a change is answered for what it makes worse. Linear in profiles, and in events where an event type
//! asks otherwise than before; fine to some ten million of both.

use std::sync::Arc;

use tessera_engine::cluster::Cluster;
use tessera_engine::config::Config;
use tessera_engine::id::NodeId;
use tessera_engine::model::{DataModel, Problem, Stricter};
use tessera_engine::time::Timestamp;
use tessera_store::{Direction, Row, ScanLimit, Snapshot};
use tokio::task::JoinSet;

use crate::base::codec::corrupt;
use crate::base::components::Components;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::read_failed;
use crate::config::admission::properties;
use crate::read::timeline::stands;
use crate::stored::keys::{Family, Scope};
use crate::stored::layout::read_event_key;
use crate::stored::records::{cluster, event, rows};

/// Examples that are named.
pub const EXAMPLES_MAX: usize = 10;
/// What is read at once.
const PAGE: ScanLimit = ScanLimit { rows: 1_000, bytes: 256 << 10 };
/// Rows after which others may run.
const BREATH: usize = 32;

/// What contradicts a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contradictions {
    /// How many stored values and events.
    pub count: u64,
    /// The first of them, at most [`EXAMPLES_MAX`].
    pub examples: Vec<Contradiction>,
}

/// One value or event that contradicts a model. It tells where, not what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The profile that it belongs to.
    pub profile: NodeId,
    /// The name of the event; none for an attribute.
    pub event: Option<Arc<str>>,
    /// What does not fit, the first thing of an event.
    pub problem: Problem,
}

/// Compares all that is stored in a workspace with a model that is to take the place of another. It runs where lanes run, and
/// ends when nobody waits for it any more.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn find(
    components: &Components,
    workspace: WorkspaceId,
    config: Config,
    before: Arc<DataModel>,
    after: Arc<DataModel>,
) -> Result<Contradictions, Error> {
    let stricter = after.stricter_than(&before);
    if stricter.is_nothing() {
        return Ok(Contradictions::default());
    }
    let snapshot = components.store.snapshot().await.map_err(|error| read_failed(&error))?;
    let (scope, now) = (Scope::new(workspace), (components.clock)());
    let search =
        Search { snapshot, scope, config, now, before, after, stricter, found: Contradictions::default(), owner: None };
    let mut task = JoinSet::new();
    task.spawn_on(search.run(), &components.tasks);
    let broken = || Error::new(ErrorKind::Internal, "internal", "the comparison ended by a fault");
    task.join_next().await.and_then(Result::ok).unwrap_or_else(|| Err(broken()))
}

struct Search {
    snapshot: Box<dyn Snapshot>,
    scope: Scope,
    config: Config,
    now: Timestamp,
    before: Arc<DataModel>,
    after: Arc<DataModel>,
    stricter: Stricter,
    found: Contradictions,
    /// The last node whose events were looked at, and its profile; events stand together by node.
    owner: Option<(NodeId, Option<NodeId>)>,
}

impl Search {
    async fn run(mut self) -> Result<Contradictions, Error> {
        if self.stricter.attributes {
            self.clusters().await?;
        }
        if !self.stricter.event_types.is_empty() {
            self.events().await?;
        }
        Ok(self.found)
    }

    async fn clusters(&mut self) -> Result<(), Error> {
        let mut range = Some(self.scope.all_of(Family::Cluster));
        while let Some(open) = range {
            let page = self.snapshot.scan(&open, PAGE, Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for (at, row) in page.rows.iter().enumerate() {
                self.cluster(&cluster::decode(&row.value, &self.config)?);
                if at % BREATH == 0 {
                    tokio::task::yield_now().await;
                }
            }
            range = page.next;
        }
        Ok(())
    }

    fn cluster(&mut self, cluster: &Cluster) {
        for node in &cluster.nodes {
            for fragment in &node.fragments {
                for cell in &fragment.cells {
                    let Err(problem) = self.after.check_stored_attribute(&cell.path, &cell.value) else { continue };
                    let was = self.before.check_stored_attribute(&cell.path, &cell.value);
                    if was.is_ok() && !cell.is_gone(&fragment.dataset, &self.config, self.now) {
                        self.found.count += 1;
                        if self.found.examples.len() < EXAMPLES_MAX {
                            let profile = cluster.profile_id(node.id).unwrap_or(node.id);
                            self.found.examples.push(Contradiction { profile, event: None, problem });
                        }
                    }
                }
            }
        }
    }

    async fn events(&mut self) -> Result<(), Error> {
        let mut range = Some(self.scope.all_of(Family::Event));
        while let Some(open) = range {
            let page = self.snapshot.scan(&open, PAGE, Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for (at, row) in page.rows.iter().enumerate() {
                self.event(row).await?;
                if at % BREATH == 0 {
                    tokio::task::yield_now().await;
                }
            }
            range = page.next;
        }
        Ok(())
    }

    async fn event(&mut self, row: &Row) -> Result<(), Error> {
        let (node, time, id) = read_event_key(&row.key).ok_or_else(|| corrupt("event key"))?;
        let call = event::decode(id, time, &row.value)?;
        let Some(name) = call.name.clone().filter(|name| self.stricter.event_types.contains(name)) else {
            return Ok(());
        };
        let (problem, is_new) = match properties(&call.payload) {
            Ok(properties) => {
                let mut problems = self.after.check_stored_event(&name, &properties);
                let was = self.before.check_stored_event(&name, &properties);
                problems.retain(|problem| !was.contains(problem));
                (problems.into_iter().next(), true)
            }
            // What cannot be compared could not be compared with the former type either, if there was one.
            Err(problem) => (Some(problem), self.before.event_type(&name).is_none()),
        };
        let Some(problem) = problem.filter(|_| is_new) else { return Ok(()) };
        if !stands(&call, &self.config, self.now) {
            return Ok(());
        }
        // Events of erased profiles are on disk until they are purged, and belong to nobody.
        let Some(profile) = self.profile_of(node).await? else { return Ok(()) };
        self.found.count += 1;
        if self.found.examples.len() < EXAMPLES_MAX {
            self.found.examples.push(Contradiction { profile, event: Some(name), problem });
        }
        Ok(())
    }

    /// The profile of a node; none where the node is no more.
    async fn profile_of(&mut self, node: NodeId) -> Result<Option<NodeId>, Error> {
        if let Some((_, profile)) = self.owner.filter(|(last, _)| *last == node) {
            return Ok(profile);
        }
        let found = self.snapshot.get(&[self.scope.cluster(node), self.scope.home(node)]).await;
        let mut found = found.map_err(|error| read_failed(&error))?.into_iter();
        let own = found.next().flatten().map(|row| cluster::decode(&row.value, &self.config)).transpose()?;
        let mut profile = own.and_then(|cluster| cluster.profile_id(node));
        if let (None, Some(home)) = (profile, found.next().flatten()) {
            let key = self.scope.cluster(rows::decode_home(&home.value)?);
            let row =
                self.snapshot.get(&[key]).await.map_err(|error| read_failed(&error))?.into_iter().next().flatten();
            let cluster = row.map(|row| cluster::decode(&row.value, &self.config)).transpose()?;
            profile = cluster.and_then(|cluster| cluster.profile_id(node));
        }
        self.owner = Some((node, profile));
        Ok(profile)
    }
}
