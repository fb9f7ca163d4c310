//! Reads what commands need: from the lane's memory, or from the store, many keys in one call.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use tessera_engine::cluster::{Cluster, Link};
use tessera_engine::fact::{FactKey, Identity};
use tessera_engine::id::{EventId, NodeId};
use tessera_engine::rules::Event;
use tessera_engine::time::Timestamp;
use tessera_engine::working::{Need, Working};
use tessera_store::{Direction, Key, ScanLimit, Store, Version, Versioned};

use super::memory::Memory;
use super::state::State;
use crate::base::error::Error;
use crate::base::store_error::read_failed;
use crate::read::facts;
use crate::read::timeline;
use crate::stored::keys::Scope;
use crate::stored::records::{cluster, link, rows};
use crate::write::suppression::Secret;

/// Keys read in one call, after which others may run.
const KEYS_AT_ONCE: usize = 128;

/// What was read for a mini-transaction.
pub(super) struct Read {
    pub(super) memory: Memory,
    /// For each key that matters: the version that was seen, or that it was absent.
    pub(super) versions: HashMap<Key, Option<Version>>,
    /// The facts whose rows stand under their id alone, with the versions of these.
    pub(super) by_id: HashMap<FactKey, Version>,
    /// The clusters as they were read.
    pub(super) before: HashMap<NodeId, Arc<Cluster>>,
    /// The oldest instant that something was read at.
    pub(super) as_of: Option<Version>,
}

/// Reads on behalf of one mini-transaction.
pub(super) struct Gatherer {
    store: Arc<dyn Store>,
    scope: Scope,
    /// Where there are suppressed identities.
    secret: Option<Secret>,
    /// Where there are rows of facts under their id alone.
    looks_by_id: bool,
    /// Erased nodes whose links are still to be removed.
    loose: Arc<HashSet<NodeId>>,
    read: Read,
}

/// A need whose answer has to come from the store, with its keys.
enum Asked {
    Plain(Need),
    /// A node's own cluster key stands right before its redirect.
    Home(NodeId),
    /// One key for each spelling that the value has had.
    Suppression(Identity, usize),
    /// Where it stands now, and where it stood when it was known by its id alone.
    FactAndById(FactKey),
}

impl Gatherer {
    pub(super) fn new(state: &mut State) -> Self {
        let memory = state.take_memory();
        let read =
            Read { memory, versions: HashMap::new(), by_id: HashMap::new(), before: HashMap::new(), as_of: None };
        let looks_by_id = state.has_facts_by_id();
        let (store, loose) = (state.store().clone(), state.loose().clone());
        Self { store, scope: state.scope(), secret: state.secret(), looks_by_id, loose, read }
    }

    pub(super) fn finish(self) -> Read {
        self.read
    }

    /// Reads these needs into the working set.
    pub(super) async fn load(&mut self, needs: Vec<Need>, working: &mut Working) -> Result<(), Error> {
        let mut seen = HashSet::new();
        let mut asked = Vec::new();
        let mut keys = Vec::new();
        for need in needs {
            if working.knows(&need) || self.remember(&need, working) || !seen.insert(need.clone()) {
                continue;
            }
            match need {
                Need::HeldOf(node) => self.load_held_of(node, working).await?,
                Need::HeldCount(node) => self.load_held_count(node, working).await?,
                Need::States(node, without, at) => self.load_states(node, without, at, working).await?,
                Need::Stretch(node, from, to) => self.load_stretch(node, (from, to), working).await?,
                Need::Newest(node) => self.load_newest(node, working).await?,
                Need::Home(node) => {
                    keys.extend([self.scope.cluster(node), self.scope.home(node)]);
                    asked.push(Asked::Home(node));
                }
                Need::Suppression(identity) => match &self.secret {
                    None => working.load_suppression(identity, false),
                    Some(secret) => {
                        let own = secret.keys(self.scope, &identity);
                        asked.push(Asked::Suppression(identity, own.len()));
                        keys.extend(own);
                    }
                },
                Need::Fact(key) if self.looks_by_id => {
                    keys.extend([self.scope.fact(&key), self.scope.fact_by_id(&key.id)]);
                    asked.push(Asked::FactAndById(key));
                }
                Need::Identity(_) | Need::Cluster(_) | Need::Fact(_) | Need::Held(..) => {
                    keys.push(self.key(&need));
                    asked.push(Asked::Plain(need));
                }
            }
        }
        let mut found = self.read_all(&keys).await?.into_iter();
        let mut keys = keys.into_iter();
        for asked in asked {
            let (Some(key), Some(row)) = (keys.next(), found.next()) else { break };
            match asked {
                Asked::Plain(need) => self.take_in(need, key, row, working)?,
                // Nobody else writes these rows, so their versions need not be seen again.
                Asked::Suppression(identity, spellings) => {
                    let mut is_suppressed = row.is_some();
                    for _ in 1..spellings {
                        is_suppressed |= found.next().flatten().is_some();
                        keys.next();
                    }
                    working.load_suppression(identity, is_suppressed);
                }
                Asked::FactAndById(fact) => {
                    let by_id = found.next().flatten();
                    keys.next();
                    self.take_in_fact(fact, (key, row), by_id, working)?;
                }
                Asked::Home(node) => {
                    let redirect = found.next().flatten();
                    keys.next();
                    let home = match redirect {
                        _ if row.is_some() => Some(node),
                        Some(row) => Some(rows::decode_home(&row.value)?),
                        None => None,
                    };
                    working.load_home(node, home);
                }
            }
        }
        Ok(())
    }

    fn key(&self, need: &Need) -> Key {
        match need {
            Need::Identity(identity) => self.scope.identity(identity),
            Need::Cluster(id) => self.scope.cluster(*id),
            Need::Fact(key) => self.scope.fact(key),
            Need::Held(node, other) => self.scope.held(*node, *other),
            Need::Home(node)
            | Need::HeldOf(node)
            | Need::HeldCount(node)
            | Need::States(node, ..)
            | Need::Stretch(node, ..)
            | Need::Newest(node) => self.scope.home(*node),
            Need::Suppression(identity) => self.scope.identity(identity),
        }
    }

    fn remember(&mut self, need: &Need, working: &mut Working) -> bool {
        match need {
            Need::Identity(identity) => {
                let Some((row, version)) = self.read.memory.identity(identity) else { return false };
                self.read.versions.insert(self.scope.identity(identity), Some(version));
                working.load_identity(identity.clone(), Some(row));
                true
            }
            Need::Cluster(id) => {
                let Some((cluster, version)) = self.read.memory.cluster(*id) else { return false };
                self.read.versions.insert(self.scope.cluster(*id), Some(version));
                self.read.before.insert(*id, cluster.clone());
                working.load_cluster(*id, Some(cluster));
                true
            }
            Need::Home(_)
            | Need::Fact(_)
            | Need::Held(..)
            | Need::HeldOf(_)
            | Need::HeldCount(_)
            | Need::Suppression(_)
            | Need::States(..)
            | Need::Stretch(..)
            | Need::Newest(_) => false,
        }
    }

    async fn read_all(&mut self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, Error> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let read = self.store.get(keys).await.map_err(|error| read_failed(&error))?;
            self.read.as_of = Some(self.read.as_of.map_or(read.as_of, |own| own.min(read.as_of)));
            found.extend(read.value);
            tokio::task::yield_now().await;
        }
        Ok(found)
    }

    fn take_in(&mut self, need: Need, key: Key, row: Option<Versioned>, working: &mut Working) -> Result<(), Error> {
        let version = row.as_ref().map(|row| row.version);
        match need {
            Need::Identity(identity) => {
                let decoded = row.map(|row| rows::decode_identity(&row.value)).transpose()?;
                if let (Some(row), Some(version)) = (decoded, version) {
                    self.read.memory.keep_identity(identity.clone(), row, version);
                }
                working.load_identity(identity, decoded);
            }
            Need::Cluster(id) => {
                let decoded = row.map(|row| cluster::decode(&row.value, working.config())).transpose()?.map(Arc::new);
                if let (Some(cluster), Some(version)) = (&decoded, version) {
                    self.read.memory.keep_cluster(id, cluster.clone(), version);
                    self.read.before.insert(id, cluster.clone());
                }
                working.load_cluster(id, decoded);
            }
            Need::Fact(key) => {
                let decoded = row.map(|row| rows::decode_fact(&row.value)).transpose()?;
                working.load_fact(key, decoded);
            }
            Need::Held(node, other) => {
                let decoded = row.map(|row| link::decode(&row.value)).transpose()?.map(Arc::new);
                working.load_held(node, other, decoded);
                return Ok(());
            }
            Need::Home(_)
            | Need::HeldOf(_)
            | Need::HeldCount(_)
            | Need::Suppression(_)
            | Need::States(..)
            | Need::Stretch(..)
            | Need::Newest(_) => {
                return Ok(());
            }
        }
        self.read.versions.insert(key, version);
        Ok(())
    }

    /// Takes in a fact that may stand under its id alone. That row is of this dataset, or of one that is not known; whoever writes the
    /// fact anew removes it.
    fn take_in_fact(
        &mut self,
        fact: FactKey,
        (key, row): (Key, Option<Versioned>),
        by_id: Option<Versioned>,
        working: &mut Working,
    ) -> Result<(), Error> {
        self.read.versions.insert(key, row.as_ref().map(|row| row.version));
        let mut decoded = row.map(|row| rows::decode_fact(&row.value)).transpose()?;
        if let (None, Some(row)) = (&decoded, by_id) {
            let old = rows::decode_fact(&row.value)?;
            if facts::is_of(&old, &fact.dataset) {
                self.read.by_id.insert(fact.clone(), row.version);
                decoded = Some(old);
            }
        }
        working.load_fact(fact, decoded);
        Ok(())
    }

    /// What the stored timeline of a node comes to, read from its beginning.
    async fn load_states(
        &mut self,
        node: NodeId,
        without: Option<EventId>,
        at: Timestamp,
        working: &mut Working,
    ) -> Result<(), Error> {
        let config = working.config().clone();
        let removed = |event: &Event| Some(event.id) == without || working.has_removed(node, event.id);
        let built = timeline::built(&*self.store, self.scope, node, at, &config, &removed).await?;
        working.load_states(node, without, built);
        Ok(())
    }

    /// A stretch of the stored timeline of a node.
    async fn load_stretch(
        &mut self,
        node: NodeId,
        (from, to): (Timestamp, Timestamp),
        working: &mut Working,
    ) -> Result<(), Error> {
        let config = working.config().clone();
        let removed = |event: &Event| working.has_removed(node, event.id);
        let found = timeline::stretch(&*self.store, self.scope, node, (from, to), &config, &removed).await?;
        working.load_stretch((node, from, to), found);
        Ok(())
    }

    /// The newest events of a node, as many as rules look at.
    async fn load_newest(&mut self, node: NodeId, working: &mut Working) -> Result<(), Error> {
        working.load_newest(node, timeline::newest(&*self.store, self.scope, node).await?);
        Ok(())
    }

    async fn load_held_of(&mut self, node: NodeId, working: &mut Working) -> Result<(), Error> {
        let mut links = Vec::new();
        let mut range = Some(self.scope.held_of(node));
        while let Some(open) = range {
            let page = self
                .store
                .scan(&open, ScanLimit::rows(1_000), Direction::Forward)
                .await
                .map_err(|error| read_failed(&error))?;
            for row in &page.rows {
                links.push(Arc::new(link::decode(&row.value)?));
            }
            range = page.next;
            tokio::task::yield_now().await;
        }
        self.take_in_held_of(node, links, working);
        Ok(())
    }

    fn take_in_held_of(&self, node: NodeId, links: Vec<Arc<Link>>, working: &mut Working) {
        for other in links.iter().map(|link| link.other(node).node).filter(|other| self.loose.contains(other)) {
            working.load_home(other, None);
        }
        working.load_held_of(node, links);
    }

    /// Counts the links of a node that do not hold. They are kept only while they are few.
    async fn load_held_count(&mut self, node: NodeId, working: &mut Working) -> Result<(), Error> {
        let (mut links, mut count) = (Some(Vec::new()), 0);
        let mut range = Some(self.scope.held_of(node));
        while let Some(open) = range {
            let page = self.store.scan(&open, ScanLimit::rows(1_000), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in &page.rows {
                let link = link::decode(&row.value)?;
                count += u64::from(!link.is_mark() && !self.loose.contains(&link.other(node).node));
                links.iter_mut().for_each(|links| links.push(Arc::new(link.clone())));
            }
            links = links.filter(|links| links.len() <= working.links_at_once());
            range = page.next;
            tokio::task::yield_now().await;
        }
        match links {
            Some(links) => self.take_in_held_of(node, links, working),
            None => working.load_held_count(node, count),
        }
        Ok(())
    }
}
