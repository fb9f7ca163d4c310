//! What a fact does: it is added to its owner, and each other identity gets evidence of a link.

use super::command::{Decide, row};
use super::written::WrittenOf;
use super::{Act, Command, HeldNote, NewEvent, Notice, Outcome};
use crate::cluster::{Cell, Cluster, Evidence, Fragment, Node, Relation, Role, Tally, Whole};
use crate::config::Config;
use crate::fact::{FactKey, Identity, Replaces};
use crate::id::NodeId;
use crate::normalise::normalise;
use crate::prepare::{Prepared, Rejection};
use crate::rules::Event;
use crate::time::Timestamp;
use crate::value::{Path, Value};
use crate::working::{FactRow, IdentityRow, Lack, Need, Working};

impl Decide for Prepared {
    fn first_needs(&self) -> Vec<Need> {
        let identities = self.identities().chain(&self.account).cloned().map(Need::Identity);
        std::iter::once(Need::Fact(self.fact.key())).chain(identities).collect()
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        let owner = row(working, &self.owner);
        let mut needs: Vec<Need> = owner.map(|row| Need::Cluster(row.cluster)).into_iter().collect();
        for other in self.others.iter().filter_map(|(identity, _)| row(working, identity)) {
            let Some(owner) = owner else {
                needs.push(Need::Cluster(other.cluster));
                continue;
            };
            if other.cluster != owner.cluster {
                needs.push(Need::Cluster(other.cluster));
                needs.push(Need::Held(owner.node, other.node));
            }
        }
        let account = self.account.as_ref().and_then(|account| row(working, account));
        needs.extend(account.map(|row| Need::Cluster(row.cluster)));
        let new = self.identities().chain(&self.account).filter(|identity| row(working, identity).is_none());
        needs.extend(new.cloned().map(Need::Suppression));
        needs
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.fact(self)
    }

    fn says_only(&self) -> Option<&Prepared> {
        (self.fact.replaces == Replaces::Nothing).then_some(self)
    }

    fn said(&self) -> Option<&Prepared> {
        Some(self)
    }

    fn saying(&self, prepared: Prepared) -> Option<Command> {
        Some(prepared.into())
    }
}

impl Act<'_> {
    pub(super) fn fact(&mut self, prepared: &Prepared) -> Result<Outcome, Lack> {
        let fact = &prepared.fact;
        if let Some(row) = self.known_fact(&fact.key())? {
            let differs = matches!((row.content, fact.content), (Some(kept), Some(sent)) if kept != sent);
            return Ok(if differs { Outcome::Differs } else { Outcome::Duplicate });
        }
        let outcome = self.take_in(prepared)?;
        if let Outcome::Accepted { owner, event, .. } = &outcome {
            let (node, time, id) = (*owner, fact.time.unwrap_or(self.now), event.as_ref().map(|event| event.id));
            let (source, content) = (Some(prepared.source.clone()), fact.content);
            self.working.put_fact(fact.key(), FactRow { node, time, event: id, source, content });
        }
        Ok(outcome)
    }

    /// Adds what a fact says to its owner and links its identities, whether or not anything of its id came before.
    pub(super) fn take_in(&mut self, prepared: &Prepared) -> Result<Outcome, Lack> {
        let fact = &prepared.fact;
        if !self.fits(prepared)? {
            let message = "the profile's record would be larger than is allowed";
            return Ok(Outcome::Rejected(Rejection::new("profile_too_large", message)));
        }
        let suppressed = self.suppressed(prepared)?;
        if suppressed.contains(&prepared.owner) {
            return Ok(Outcome::Rejected(Rejection::suppressed()));
        }
        if !suppressed.is_empty() {
            return Err(Lack::Suppressed(suppressed));
        }
        let time = fact.time.unwrap_or(self.now);
        let written = self.written(prepared, time)?;
        let owner = self.node_of(&prepared.owner)?;
        let account = match &prepared.account {
            Some(identity) => Some((identity.clone(), self.describe_account(identity, owner.node, prepared, time)?)),
            None => None,
        };
        self.add_to_owner(owner, prepared, account, time)?;
        let event = self.event(owner.node, prepared, time, written);
        if let Some(event) = &event {
            self.add_to_states(owner.node, owner.cluster, Event::from(&**event))?;
        }
        let held = self.link_others(prepared, time)?;
        self.notice_changed(&prepared.owner)?;
        for (identity, _) in &prepared.others {
            // A new one is a profile of its own where its link does not hold; another of the record was seen later now.
            let (own, row) = (self.working.known(&prepared.owner)?, self.working.known(identity)?);
            if row.cluster == own.cluster || self.is_new(row)? {
                self.notice_changed(identity)?;
            }
        }
        Ok(Outcome::Accepted { owner: owner.node, ignored: prepared.ignored.clone(), held, event })
    }

    /// The row of a fact that is stored with an owner that still is. What was erased was never received.
    pub(super) fn known_fact(&self, key: &FactKey) -> Result<Option<FactRow>, Lack> {
        let Some(row) = self.working.fact(key)? else { return Ok(None) };
        let is_erased = row.source.as_ref().is_some_and(|source| self.working.config().sweeps().erases(source));
        let is_known = !is_erased && self.working.home(row.node)?.is_some();
        Ok(is_known.then_some(row))
    }

    /// Those that it names and that were erased for good. Who has a node is not: suppressing erases it.
    fn suppressed(&self, prepared: &Prepared) -> Result<Vec<Identity>, Lack> {
        let others = prepared.others.iter().map(|(identity, _)| identity);
        let mut suppressed = Vec::new();
        for identity in std::iter::once(&prepared.owner).chain(others).chain(&prepared.account) {
            if self.working.identity(identity)?.is_none() && self.working.is_suppressed(identity)? {
                suppressed.push(identity.clone());
            }
        }
        Ok(suppressed)
    }

    fn fits(&self, prepared: &Prepared) -> Result<bool, Lack> {
        let bytes_max = self.working.config().limits().record_bytes_for(prepared.class);
        for identity in std::iter::once(&prepared.owner).chain(&prepared.account) {
            let Some(row) = self.working.identity(identity)? else {
                if prepared.bytes > bytes_max {
                    return Ok(false);
                }
                continue;
            };
            let cluster = self.working.cluster(row.cluster)?;
            if cluster.bytes + prepared.bytes > bytes_max && cluster.measure_facts() + prepared.bytes > bytes_max {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The row of an identity; one that was never seen gets a node, alone in its cluster.
    pub(super) fn node_of(&mut self, identity: &Identity) -> Result<IdentityRow, Lack> {
        if let Some(row) = self.working.identity(identity)? {
            return Ok(row);
        }
        let id = self.ids.node();
        let row = IdentityRow { node: id, cluster: id };
        self.working.put_new_node(id);
        let config = self.working.config();
        let node = Node::new(id, identity.clone(), self.now, Role::new(identity.namespace, config));
        let swept = config.sweeps().number;
        self.working.put_cluster(Cluster::of_one(node, self.now, swept));
        self.working.put_identity(identity.clone(), row);
        Ok(row)
    }

    /// What a fact says of an account is the word of its owner, and goes with it.
    fn describe_account(
        &mut self,
        identity: &Identity,
        owner: NodeId,
        prepared: &Prepared,
        time: Timestamp,
    ) -> Result<NodeId, Lack> {
        let fact = &prepared.fact;
        let config = self.working.config().clone();
        let row = self.node_of(identity)?;
        let mut cluster = self.working.edit(row.cluster)?;
        let node = cluster.node_mut(row.node).ok_or(Lack::Torn)?;
        let attributes = fact.account.as_ref().map_or(&[][..], |account| &account.attributes);
        let by = (owner != row.node).then_some(owner);
        let tally = Tally::one(prepared.source.clone(), time);
        tell((node, by), prepared, attributes, tally, &config, self.now);
        node.bound_sayers(&fact.dataset);
        cluster.updated_at = self.now;
        cluster.bytes += prepared.bytes;
        self.working.put_cluster(cluster);
        self.notice_changed(identity)?;
        Ok(row.node)
    }

    fn add_to_owner(
        &mut self,
        owner: IdentityRow,
        prepared: &Prepared,
        account: Option<(Identity, NodeId)>,
        time: Timestamp,
    ) -> Result<(), Lack> {
        let fact = &prepared.fact;
        let config = self.working.config().clone();
        let mut cluster = self.working.edit(owner.cluster)?;
        let node = cluster.node_mut(owner.node).ok_or(Lack::Torn)?;
        let tally = Tally::one(prepared.source.clone(), time);
        let events = u64::from(fact.call.is_some());
        tell((node, None), prepared, &fact.attributes, Tally { events, ..tally.clone() }, &config, self.now);
        if let Some((account, account_node)) = account {
            relate(node, account, account_node, tally);
        }
        cluster.updated_at = self.now;
        cluster.bytes += prepared.bytes;
        self.working.put_cluster(cluster);
        Ok(())
    }

    fn link_others(&mut self, prepared: &Prepared, time: Timestamp) -> Result<Vec<HeldNote>, Lack> {
        let fact = &prepared.fact;
        for (identity, strength) in &prepared.others {
            self.node_of(identity)?;
            let tally = Tally::one(prepared.source.clone(), time);
            let evidence = Evidence::new(*strength, tally, self.now);
            self.see_together(&prepared.owner, identity, evidence, fact.document.is_some())?;
        }
        // The verdict speaks of what the whole fact came to: one link of it may move another.
        let mut held = Vec::new();
        for (identity, _) in &prepared.others {
            held.extend(self.note(&prepared.owner, identity)?);
        }
        Ok(held)
    }

    fn event(
        &mut self,
        node: NodeId,
        prepared: &Prepared,
        time: Timestamp,
        written: WrittenOf,
    ) -> Option<Box<NewEvent>> {
        let fact = &prepared.fact;
        let mut call = fact.call.clone()?;
        if let Some(attributes) = &self.working.config().rules().event_attributes
            && !written.written.is_empty()
        {
            call.payload = (attributes.write)(&call.payload, &written.written, written.basis.as_ref());
        }
        let others = prepared.others.iter().map(|(identity, _)| identity);
        Some(Box::new(NewEvent {
            node,
            time,
            id: self.ids.event(),
            fact_id: fact.id.clone(),
            received_at: self.now,
            dataset: fact.dataset.clone(),
            batch: fact.batch.clone(),
            identities: std::iter::once(&prepared.owner).chain(others).cloned().collect(),
            call,
            rests_on: written.basis.map(|basis| basis.nodes).unwrap_or_default(),
        }))
    }

    fn is_new(&self, row: IdentityRow) -> Result<bool, Lack> {
        let cluster = self.working.cluster(row.cluster)?;
        Ok(cluster.node(row.node).is_some_and(|node| node.created_at == self.now))
    }

    pub(super) fn notice_changed(&mut self, identity: &Identity) -> Result<(), Lack> {
        let row = self.working.known(identity)?;
        let profile = self.working.cluster(row.cluster)?.profile_id(row.node).ok_or(Lack::Torn)?;
        self.notices.insert(Notice::ProfileChanged(profile));
        Ok(())
    }
}

/// The paths of which these fragments hold values and that are not said; one above or below what is said is.
pub(super) fn unsaid<'a>(fragments: impl Iterator<Item = &'a Fragment>, said: &[(Path, Value)]) -> Vec<Path> {
    let cells = fragments.flat_map(|fragment| &fragment.cells).filter(|cell| cell.value != Value::Null);
    let mut unsaid: Vec<Path> = cells.map(|cell| cell.path.spoken_of().into_owned()).collect();
    unsaid.sort();
    unsaid.dedup();
    unsaid.retain(|path| !said.iter().any(|(own, _)| own == path || own.is_above(path) || path.is_above(own)));
    unsaid
}

/// Adds to a node what a fact says about it: a fact of its own, or of another node.
fn tell(
    (node, by): (&mut Node, Option<NodeId>),
    prepared: &Prepared,
    attributes: &[(Path, Value)],
    tally: Tally,
    config: &Config,
    received_at: Timestamp,
) {
    let (fact, time) = (&prepared.fact, tally.first);
    Tally::add_to(&mut node.owned, tally);
    let is_whole = fact.replaces == Replaces::Fragment && by.is_none();
    if attributes.is_empty() && !is_whole {
        return;
    }
    let claimed = |path: &Path, value: &Value| {
        let namespace = config.by_name(path.as_str()).filter(|_| by.is_none())?;
        let others = || prepared.others.iter().map(|(other, _)| other).filter(|other| other.namespace == namespace.id);
        let names =
            |said: &str| normalise(namespace, said).is_ok_and(|value| others().any(|other| other.value == value));
        let claims = match value {
            Value::Text(said) => names(said),
            Value::Number(said) => names(&said.to_string()),
            // A document that removes an identity says so of the value, too.
            Value::Null => fact.document.is_some() || others().next().is_some(),
            _ => false,
        };
        claims.then_some(prepared.class)
    };
    let fragment = node.fragment(&fact.dataset, by);
    // What is erased or has ended, and still stands here, is newer than nothing.
    fragment.drop_gone(config, received_at);
    if is_whole {
        fragment.set_whole(Whole { time, received_at, batch: fact.batch.clone() });
    }
    for (path, value) in attributes {
        let batch = fact.batch.clone();
        let claimed = claimed(path, value);
        fragment.set(Cell { path: path.clone(), value: value.clone(), time, received_at, batch, claimed });
    }
}

fn relate(node: &mut Node, account: Identity, account_node: NodeId, tally: Tally) {
    match node.relations.iter_mut().find(|relation| relation.account == account) {
        Some(relation) if relation.node == account_node => Tally::add_to(&mut relation.evidence, tally),
        Some(relation) => {
            *relation = Relation { account, node: account_node, evidence: vec![tally] };
        }
        None => node.relations.push(Relation { account, node: account_node, evidence: vec![tally] }),
    }
}
