//! Verifies a store offline: every record decodes, and rows that speak of each other agree.
//!
//! Linear in the rows of the store; it holds the ids of one workspace's nodes in memory, about 100 bytes each.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tessera_engine::cluster::Cluster;
use tessera_engine::config::{Config, Sweeps};
use tessera_engine::fact::Identity;
use tessera_engine::id::NodeId;
use tessera_engine::time::Timestamp;
use tessera_store::{Direction, ScanLimit, Snapshot, Store};

use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::store_error::read_failed;
use crate::config::learned;
use crate::config::workspace::{self as workspace_config, StoredConfig};
use crate::jobs;
use crate::read::facts;
use crate::stored::keys::{Family, KeyBuilder, Scope};
use crate::stored::layout::{read_config_key, read_event_key, read_fact_key, read_node_key};
use crate::stored::records::rows::{Counts, FactsById};
use crate::stored::records::{cluster, event, link, rows};
use crate::stored::resting::{self, RestingKey};
use crate::stored::sources;
use crate::stored::unclaimed::Unclaimed;
use crate::write::erasure::{self, ReceiptKey};
use crate::write::lane::counts_of;
use crate::write::suppression;

mod audited;
mod ruled;

use ruled::Ruled;

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What each workspace holds, as counted.
    pub workspaces: BTreeMap<WorkspaceId, Counts>,
    /// Rows looked at.
    pub rows: u64,
    /// Records of clusters that follow rules from before a change of configuration: links are decided anew as they are touched.
    pub outdated: u64,
    /// What is wrong: the family of the row and what was found, without personal values. At most 1,000 are listed.
    pub faults: Vec<String>,
}

/// Faults that one report lists.
const FAULTS_MAX: usize = 1_000;

/// Checks everything in a store.
///
/// # Errors
/// What the store answers. Damage that the check can read around is in the report.
pub async fn run(store: &dyn Store) -> Result<Report, Error> {
    let snapshot = store.snapshot().await.map_err(|error| read_failed(&error))?;
    let mut report = Report::default();
    Check { snapshot: &*snapshot, scope: Scope::system(), report: &mut report }.audit_log().await?;
    let mut workspace = 1;
    while let Some(next) = next_workspace(&*snapshot, workspace).await? {
        let mut check = Check { snapshot: &*snapshot, scope: Scope::new(next), report: &mut report };
        let counts = check.workspace().await?;
        report.workspaces.insert(next, counts);
        workspace = next.number() + 1;
    }
    Ok(report)
}

async fn next_workspace(snapshot: &dyn Snapshot, from: u32) -> Result<Option<WorkspaceId>, Error> {
    let range = tessera_store::KeyRange::from(Scope::new(WorkspaceId::new(from)).family(Family::Config).key());
    let page =
        snapshot.scan(&range, ScanLimit::rows(1), Direction::Forward).await.map_err(|error| read_failed(&error))?;
    let number = page.rows.first().and_then(|row| row.key.as_bytes().first_chunk::<4>().copied());
    Ok(number.map(u32::from_be_bytes).filter(|number| *number >= from).map(WorkspaceId::new))
}

/// One workspace while it is checked.
struct Check<'a> {
    snapshot: &'a dyn Snapshot,
    scope: Scope,
    report: &'a mut Report,
}

/// What is known of a node from its cluster's record.
struct Place {
    cluster: NodeId,
    identity: Identity,
    events: u64,
}

impl Check<'_> {
    async fn workspace(&mut self) -> Result<Counts, Error> {
        let config = self.config().await?;
        let (counts, nodes, ruled, unclaimed) = self.clusters(&config).await?;
        self.unclaimed(&unclaimed).await?;
        self.identities(&nodes).await?;
        self.homes(&nodes).await?;
        self.held(&nodes).await?;
        let events = self.events(config.sweeps()).await?;
        // Events of nodes that are gone wait for the purge.
        for (node, place) in &nodes {
            let found = events.get(node).copied().unwrap_or(0);
            if found != place.events {
                self.fault(Family::Event, format!("{found} events of node {node}, its record says {}", place.events));
            }
        }
        let facts_by_id = self.facts().await?;
        self.sources().await?;
        self.jobs().await?;
        self.learned().await?;
        // While a source is being erased, an event of it may be counted and gone, or the other way round.
        let is_settled = config.sweeps().erasures.is_empty();
        let waiting = Some(self.purge(&events).await?).filter(|_| is_settled);
        self.resting().await?;
        self.receipts().await?;
        let suppressed = self.suppressions().await?;
        let now = self.lane(counts, waiting, suppressed).await?;
        self.lane_facts(facts_by_id).await?;
        self.ruled(&ruled, &config, now).await?;
        Ok(counts)
    }

    async fn config(&mut self) -> Result<Config, Error> {
        let mut rows = Vec::new();
        self.each(Family::Config, |key, value| rows.push((read_config_key(key), value.to_vec()))).await?;
        if rows.iter().any(|(part, _)| part.is_none()) {
            self.fault(Family::Config, "a row of a part that is not known".to_owned());
        }
        let parts = rows.iter().filter_map(|(part, bytes)| Some(((*part)?, &**bytes)));
        let stored = workspace_config::read(parts).unwrap_or_else(|error| {
            self.fault(Family::Config, error.to_string());
            StoredConfig::default()
        });
        for key in stored.signing_keys().iter().filter(|key| !key.is_whole()) {
            self.fault(Family::Config, format!("the halves of the signing key {} are not of one key", key.kid));
        }
        stored.to_engine()
    }

    async fn clusters(&mut self, config: &Config) -> Result<(Counts, HashMap<NodeId, Place>, Ruled, Unclaimed), Error> {
        let (mut ruled, mut unclaimed) = (Ruled::default(), Unclaimed::none(config));
        let mut counts = Counts::default();
        let mut nodes = HashMap::new();
        let mut outdated = 0;
        let mut faults = Vec::new();
        self.each(Family::Cluster, |key, value| {
            let mut examined = examine_cluster(key, value, config);
            faults.append(&mut examined.faults);
            outdated += u64::from(examined.is_outdated);
            let Some(cluster) = examined.cluster else { return };
            counts = counts.with(counts_of(&cluster, config));
            ruled.see(&cluster, config);
            unclaimed.note(&cluster, config);
            for node in &cluster.nodes {
                let kept = node.owned.iter().filter(|tally| !config.sweeps().erases(&tally.source));
                let events = kept.map(|tally| tally.events).sum();
                let place = Place { cluster: cluster.id(), identity: node.identity.clone(), events };
                if nodes.insert(node.id, place).is_some() {
                    faults.push(format!("node {} stands in two records", node.id));
                }
            }
        })
        .await?;
        self.report.outdated += outdated;
        faults.into_iter().for_each(|fault| self.fault(Family::Cluster, fault));
        Ok((counts, nodes, ruled, unclaimed))
    }

    /// That whoever is not looked at is not who is asked for. Without a row everybody is.
    async fn unclaimed(&mut self, found: &Unclaimed) -> Result<(), Error> {
        let mut row = None;
        self.each(Family::Unclaimed, |_, value| row = Some(Unclaimed::decode(value))).await?;
        match row {
            None => {}
            Some(Err(error)) => self.fault(Family::Unclaimed, error.to_string()),
            Some(Ok(row)) if row.covers(found) => {}
            Some(Ok(_)) => {
                let fault = "attributes stand under the name of a namespace of which it says that there are none";
                self.fault(Family::Unclaimed, fault.to_owned());
            }
        }
        Ok(())
    }

    async fn identities(&mut self, nodes: &HashMap<NodeId, Place>) -> Result<(), Error> {
        let mut faults = Vec::new();
        let mut seen = 0usize;
        self.each(Family::Identity, |key, value| {
            seen += 1;
            let row = match rows::decode_identity(value) {
                Ok(row) => row,
                Err(error) => return faults.push(error.to_string()),
            };
            let suffix = key.as_bytes().get(KeyBuilder::HEAD_BYTES..).unwrap_or_default();
            match nodes.get(&row.node) {
                None => faults.push(format!("it names node {}, which no record holds", row.node)),
                Some(place) if place.cluster != row.cluster => {
                    faults.push(format!("node {} lives elsewhere", row.node));
                }
                Some(place) => {
                    let (number, value) = (place.identity.namespace.number().to_be_bytes(), &place.identity.value);
                    if suffix.strip_prefix(&number[..]) != Some(value.as_bytes()) {
                        faults.push(format!("it names node {}, which is of another identity", row.node));
                    }
                }
            }
        })
        .await?;
        if seen != nodes.len() {
            faults.push(format!("{seen} rows for {} nodes", nodes.len()));
        }
        faults.into_iter().for_each(|fault| self.fault(Family::Identity, fault));
        Ok(())
    }

    async fn homes(&mut self, nodes: &HashMap<NodeId, Place>) -> Result<(), Error> {
        let mut faults = Vec::new();
        let mut seen = 0usize;
        self.each(Family::Home, |key, value| {
            seen += 1;
            let (node, home) = (read_node_key(key), rows::decode_home(value).ok());
            let agrees = node.is_some_and(|node| nodes.get(&node).is_some_and(|place| Some(place.cluster) == home));
            if !agrees {
                faults.push("a redirect leads to where its node does not live".to_owned());
            }
        })
        .await?;
        let expected = nodes.iter().filter(|(node, place)| **node != place.cluster).count();
        if seen != expected {
            faults.push(format!("{seen} redirects where {expected} are needed"));
        }
        faults.into_iter().for_each(|fault| self.fault(Family::Home, fault));
        Ok(())
    }

    async fn held(&mut self, nodes: &HashMap<NodeId, Place>) -> Result<(), Error> {
        let mut faults = Vec::new();
        let mut ends: HashMap<(NodeId, NodeId), u32> = HashMap::new();
        let mut loose = HashSet::new();
        self.each(Family::Loose, |key, value| match (read_node_key(key), crate::stored::loose::decode(value)) {
            (Some(node), Ok(_)) if !nodes.contains_key(&node) => drop(loose.insert(node)),
            (Some(node), Ok(_)) => faults.push(format!("{node} has loose links and is there")),
            (None, _) => faults.push("a key of loose links that names no node".to_owned()),
            (_, Err(error)) => faults.push(error.to_string()),
        })
        .await?;
        self.each(Family::HeldLink, |_, value| match link::decode(value) {
            Err(error) => faults.push(error.to_string()),
            Ok(link) => {
                let [one, other] = [link.ends[0].node, link.ends[1].node];
                // Where one end was erased with very many of them, they wait for the purge.
                let is_loose = loose.contains(&one) || loose.contains(&other);
                let is_gone = !nodes.contains_key(&one) || !nodes.contains_key(&other);
                if is_gone && !is_loose {
                    faults.push(format!("a link between {one} and {other}, of which one is gone"));
                }
                *ends.entry((one, other)).or_default() += 1;
            }
        })
        .await?;
        for ((one, other), count) in ends {
            if count != 2 {
                faults.push(format!("the link between {one} and {other} stands {count} times"));
            }
        }
        faults.into_iter().for_each(|fault| self.fault(Family::HeldLink, fault));
        Ok(())
    }

    async fn events(&mut self, sweeps: &Sweeps) -> Result<HashMap<NodeId, u64>, Error> {
        let mut faults = Vec::new();
        let mut events: HashMap<NodeId, u64> = HashMap::new();
        self.each(Family::Event, |key, value| {
            let Some((node, time, id)) = read_event_key(key) else {
                return faults.push("a key that names no event".to_owned());
            };
            let is_erased = match event::decode(id, time, &bytes::Bytes::copy_from_slice(value)) {
                Ok(event) => sweeps.erases_at(&event.dataset, event.batch.as_deref(), event.received_at),
                Err(error) => {
                    faults.push(error.to_string());
                    false
                }
            };
            // Those of erased sources wait for the purge.
            if !is_erased {
                *events.entry(node).or_default() += 1;
            }
        })
        .await?;
        faults.into_iter().for_each(|fault| self.fault(Family::Event, fault));
        Ok(events)
    }

    async fn sources(&mut self) -> Result<(), Error> {
        let mut faults = Vec::new();
        self.each(Family::Source, |key, value| {
            faults.extend(sources::examine(key, value).err().map(|error| error.to_string()));
        })
        .await?;
        faults.into_iter().for_each(|fault| self.fault(Family::Source, fault));
        Ok(())
    }

    /// Answers whether there are rows of facts under their id alone.
    async fn facts(&mut self) -> Result<bool, Error> {
        let (mut faults, mut by_id) = (Vec::new(), false);
        self.each(Family::FactById, |_, value| {
            by_id = true;
            faults.extend(rows::decode_fact(value).err().map(|error| error.to_string()));
        })
        .await?;
        faults.into_iter().for_each(|fault| self.fault(Family::FactById, fault));
        let mut faults = Vec::new();
        self.each(Family::Fact, |key, value| match (read_fact_key(key), rows::decode_fact(value)) {
            (None, _) => faults.push("a key that names no fact".to_owned()),
            (_, Err(error)) => faults.push(error.to_string()),
            (Some(key), Ok(row)) => {
                if !facts::is_of(&row, &key.dataset) {
                    faults.push("a fact stands under a dataset that it does not come from".to_owned());
                }
            }
        })
        .await?;
        faults.into_iter().for_each(|fault| self.fault(Family::Fact, fault));
        Ok(by_id)
    }

    async fn jobs(&mut self) -> Result<(), Error> {
        let (mut open, mut marked, mut faults) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        self.each(Family::Job, |key, value| match jobs::records::read_key(key) {
            None => faults.push("a key that names no job".to_owned()),
            Some(jobs::records::Row::Mark(id)) => drop(marked.insert(id)),
            Some(jobs::records::Row::Record(id)) => match jobs::records::decode(id, value) {
                Ok(job) if job.has_ended() => {}
                Ok(job) => drop(open.insert(job.id)),
                Err(error) => faults.push(format!("{id}: {error}")),
            },
        })
        .await?;
        faults.extend(open.difference(&marked).map(|id| format!("{id} has not ended, and has no mark of that")));
        faults.extend(marked.difference(&open).map(|id| format!("{id} has a mark, and is no job that has not ended")));
        faults.into_iter().for_each(|fault| self.fault(Family::Job, fault));
        Ok(())
    }

    async fn learned(&mut self) -> Result<(), Error> {
        let mut faults = Vec::new();
        self.each(Family::Learned, |key, value| match learned::records::read_key(key) {
            None => faults.push("a key without a number".to_owned()),
            Some(number) => {
                faults.extend(learned::records::decode(value).err().map(|error| format!("{number}: {error}")));
            }
        })
        .await?;
        faults.into_iter().for_each(|fault| self.fault(Family::Learned, fault));
        Ok(())
    }

    /// Answers how many events wait for the purge, of those that were counted.
    async fn purge(&mut self, events: &HashMap<NodeId, u64>) -> Result<u64, Error> {
        let (mut faults, mut waiting) = (Vec::new(), 0);
        self.each(Family::Purge, |key, value| match (read_node_key(key), erasure::records::decode_node(value)) {
            (Some(node), Ok(Some(_))) => waiting += events.get(&node).copied().unwrap_or(0),
            (Some(_), Ok(None)) => {}
            (None, _) => faults.push("a key that names no node".to_owned()),
            (_, Err(error)) => faults.push(error.to_string()),
        })
        .await?;
        faults.into_iter().for_each(|fault| self.fault(Family::Purge, fault));
        Ok(waiting)
    }

    async fn resting(&mut self) -> Result<(), Error> {
        let mut faults = Vec::new();
        self.each(Family::Resting, |key, value| match resting::read_key(key) {
            Some(RestingKey::On { .. }) => {}
            Some(RestingKey::Erased(_)) => faults.extend(resting::decode(value).err().map(|error| error.to_string())),
            None => faults.push("a key that names no node".to_owned()),
        })
        .await?;
        faults.into_iter().for_each(|fault| self.fault(Family::Resting, fault));
        Ok(())
    }

    async fn receipts(&mut self) -> Result<(), Error> {
        let (mut faults, mut open, mut waiting) = (Vec::new(), HashSet::new(), HashSet::new());
        self.each(Family::Receipt, |key, value| match erasure::read_key(key) {
            Some(ReceiptKey::Receipt(id)) => match erasure::records::decode_receipt(id, value) {
                Ok(receipt) if receipt.purged_at.is_none() => drop(open.insert(id)),
                Ok(_) => {}
                Err(error) => faults.push(error.to_string()),
            },
            Some(ReceiptKey::Waiting(id)) => drop(waiting.insert(id)),
            Some(ReceiptKey::Trace(id, _)) => {
                faults.extend(erasure::records::decode_trace(value).err().map(|error| error.to_string()));
                if !waiting.contains(&id) {
                    faults
                        .push(format!("something is looked for on behalf of {id}, which does not wait for the purge"));
                }
            }
            None => faults.push("a key that is of no receipt".to_owned()),
        })
        .await?;
        if open != waiting {
            faults.push(format!("{} receipts are not purged, {} wait for it", open.len(), waiting.len()));
        }
        faults.into_iter().for_each(|fault| self.fault(Family::Receipt, fault));
        Ok(())
    }

    async fn suppressions(&mut self) -> Result<u64, Error> {
        let (mut unsound, mut found) = (0, 0);
        self.each(Family::Suppression, |key, value| {
            found += 1;
            unsound += u64::from(!suppression::is_sound(key, value));
        })
        .await?;
        if unsound > 0 {
            self.fault(Family::Suppression, format!("{unsound} rows are not as they are written"));
        }
        Ok(found)
    }

    async fn lane_facts(&mut self, are_by_id: bool) -> Result<(), Error> {
        let mut looks = true;
        // Where there is no row of a lane, that is a fault by itself.
        self.each(Family::Lane, |_, value| {
            looks = rows::decode_lane(value).is_ok_and(|row| row.facts_by_id != FactsById::None);
        })
        .await?;
        if are_by_id && !looks {
            self.fault(Family::Lane, "it knows of no facts under their id alone, and there are some".to_owned());
        }
        Ok(())
    }

    /// Answers the last instant of the lane's clock.
    async fn lane(&mut self, counts: Counts, waiting: Option<u64>, suppressed: u64) -> Result<Timestamp, Error> {
        let mut found = None;
        self.each(Family::Lane, |_, value| found = Some(rows::decode_lane(value))).await?;
        let clock = found.as_ref().and_then(|found| found.as_ref().ok()).map_or(Timestamp::MIN, |row| row.clock);
        match found {
            None if counts == Counts::default() => {}
            None => self.fault(Family::Lane, "the lane's row is missing".to_owned()),
            Some(Err(error)) => self.fault(Family::Lane, error.to_string()),
            Some(Ok(row)) => {
                if row.counts != counts {
                    self.fault(Family::Lane, format!("it counts {:?}, the records hold {counts:?}", row.counts));
                }
                if let Some(waiting) = waiting.filter(|waiting| *waiting != row.waiting) {
                    self.fault(Family::Lane, format!("it counts {} waiting events, there are {waiting}", row.waiting));
                }
                if row.suppressed != suppressed {
                    let fault = format!("it counts {} suppressed identities, there are {suppressed}", row.suppressed);
                    self.fault(Family::Lane, fault);
                }
            }
        }
        Ok(clock)
    }

    /// Shows every row of a family to a reader.
    async fn each(&mut self, family: Family, mut read: impl FnMut(&tessera_store::Key, &[u8])) -> Result<(), Error> {
        let mut range = Some(self.scope.all_of(family));
        while let Some(open) = range {
            let page = self.snapshot.scan(&open, ScanLimit::rows(1_000), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            self.report.rows += page.rows.len() as u64;
            page.rows.iter().for_each(|row| read(&row.key, &row.value));
            range = page.next;
        }
        Ok(())
    }

    fn fault(&mut self, family: Family, fault: String) {
        if self.report.faults.len() < FAULTS_MAX {
            self.report.faults.push(format!("{family:?}: {fault}"));
        }
    }
}

/// What one record of a cluster says by itself.
pub(crate) struct Examined {
    /// What it holds; none when it cannot be read.
    pub(crate) cluster: Option<Cluster>,
    /// What is wrong with it, without personal values.
    pub(crate) faults: Vec<String>,
    /// Whether it follows rules from before a change of configuration.
    pub(crate) is_outdated: bool,
}

/// Examines the record of a cluster, without looking at any other row.
pub(crate) fn examine_cluster(key: &tessera_store::Key, value: &[u8], config: &Config) -> Examined {
    let damaged = |fault: String| Examined { cluster: None, faults: vec![fault], is_outdated: false };
    let Some(id) = read_node_key(key) else { return damaged("a key that names no cluster".to_owned()) };
    let cluster = match cluster::decode(value, config) {
        Ok(cluster) => cluster,
        Err(error) => return damaged(format!("{id}: {error}")),
    };
    let mut faults = Vec::new();
    if cluster.id() != id {
        faults.push(format!("the record of {id} begins with node {}", cluster.id()));
    }
    // A record that the sweeps have not reached follows the rules of before.
    let is_outdated = cluster.swept < config.sweeps().number;
    if !is_outdated {
        faults.extend(broken_rules(id, &cluster, config));
    }
    Examined { cluster: Some(cluster), faults, is_outdated }
}

/// Where a cluster is not what its links and the rules make of it.
fn broken_rules(id: NodeId, cluster: &Cluster, config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    let exclusive = cluster.nodes.iter().filter(|node| Some(node.identity.namespace) == config.exclusive()).count();
    let joined = cluster.links.iter().filter(|link| link.is_joined()).count();
    if exclusive > 1 + joined {
        faults.push(format!("the record of {id} holds {exclusive} exclusive values"));
    }
    let mut walked = cluster.clone();
    walked.restage(config);
    if walked.pieces != cluster.pieces {
        faults.push(format!("the profiles in the record of {id} are not those of its links"));
    }
    faults
}
