//! What is computed of an event when it is taken in, and written into it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tessera_expr::ast::Name;
use tessera_expr::limits::SCAN_EVENTS_MAX;

use super::Act;
use super::rule::EVENTS_READ_MAX;
use crate::cluster::{Cluster, Link, Node, Role};
use crate::config::Config;
use crate::id::{EventId, NodeId};
use crate::prepare::Prepared;
use crate::rules::{
    BASIS_NODES_MAX, Basis, Event, Look, Sources, Trouble, Wanted, Written, catch_up, erased_at, is_late,
};
use crate::time::Timestamp;
use crate::working::{Lack, Need, Side};

/// What is written into an event.
#[derive(Default)]
pub(super) struct WrittenOf {
    pub(super) written: Vec<Written>,
    /// What values rest on; none where they are of the event alone.
    pub(super) basis: Option<Basis>,
}

/// What these values rest on: the profile of a node as it stands, and whatever said something of it, but for the event's own source.
fn basis_of(
    (cluster, owner): (&Cluster, NodeId),
    (dataset, batch): (&Arc<str>, Option<&Arc<str>>),
    values: Vec<Name>,
) -> Basis {
    let (mut nodes, mut sources) = (BTreeSet::new(), BTreeSet::new());
    for node in cluster.piece(owner) {
        nodes.insert(node.id);
        let owned = node.owned.iter().map(|tally| &tally.source);
        sources.extend(owned.map(|source| (source.dataset.clone(), source.batch.clone())));
        for fragment in &node.fragments {
            nodes.extend(fragment.by);
            sources.extend(fragment.by.map(|_| (fragment.dataset.clone(), None)));
        }
    }
    let is_inside = |link: &&Link| link.ends.iter().all(|end| nodes.contains(&end.node));
    for link in cluster.links.iter().filter(is_inside) {
        let said = link.evidence.iter().map(|evidence| &evidence.tally.source);
        sources.extend(said.map(|source| (source.dataset.clone(), source.batch.clone())));
    }
    nodes.remove(&owner);
    sources.remove(&(dataset.clone(), batch.cloned()));
    Basis { values, nodes: nodes.into_iter().collect(), sources: sources.into_iter().collect() }
}

impl Act<'_> {
    /// What the attributes of an event come to for the event of a fact, of the profile of its owner as it stands before the fact, and what
    /// that rests on.
    pub(super) fn written(&mut self, prepared: &Prepared, time: Timestamp) -> Result<WrittenOf, Lack> {
        let config = self.working.config().clone();
        let rules = config.rules();
        let fact = &prepared.fact;
        let (Some(attributes), Some(call)) = (&rules.event_attributes, &fact.call) else {
            return Ok(WrittenOf::default());
        };
        if !call.kind.is_event() {
            return Ok(WrittenOf::default());
        }
        let (source, unnumbered) = ((fact.dataset.clone(), fact.batch.clone()), EventId::from_bytes([0; 12]));
        let event = Event::new((time, unnumbered), fact.id.clone(), self.now, source, call.clone());
        let (cluster, node) = self.as_it_stands(prepared, &config)?;
        let head = cluster.profile_id(node).ok_or(Lack::Torn)?;
        let segment_states = cluster.node(head).and_then(|node| node.segment_states.as_deref()).cloned();
        let mut segment_states = segment_states.unwrap_or_default();
        let erased_at = erased_at(&config, &cluster, head);
        if attributes.asks_segments && is_late(Some(&segment_states), rules, self.now, erased_at) {
            segment_states =
                self.looked(&cluster, head, segment_states, Side::Before, &config, |look, flips, now| {
                    catch_up(look, now, flips);
                })?;
        }
        let is_settled = segment_states.late.is_none();
        let nodes = || cluster.piece(head).filter(|node| node.events() > 0);
        let events = self.working.newest(nodes().map(|node| node.id), Side::Before);
        let sources = Sources {
            rules,
            config: &config,
            cluster: &cluster,
            node: head,
            events: events.as_deref().ok(),
            asked: None,
            timelines: &*self.working,
        };
        let mut look = Look::new(sources, segment_states, self.now);
        look.allow(self.rules_left);
        let written = look.written(&event, is_settled);
        let wanted = look.wanted();
        if !wanted.is_empty() || look.lacks_events() {
            let of = |own: &Wanted| match own {
                Wanted::States { node, .. } => cluster.node(*node).map_or(0, Node::events),
                Wanted::Stretch { .. } => 0,
            };
            let newest = nodes().map(|node| node.events().min(SCAN_EVENTS_MAX as u64)).sum();
            let to_read: u64 = if wanted.is_empty() { newest } else { wanted.iter().map(of).sum() };
            if to_read > EVENTS_READ_MAX {
                return Ok(WrittenOf { written: attributes.unanswered(), basis: None });
            }
            if !wanted.is_empty() {
                return Err(Lack::Needs(wanted.into_iter().map(Need::from).collect()));
            }
            return Err(events.err().unwrap_or(Lack::Torn));
        }
        self.rules_left = look.left();
        let values = attributes.of_profile(&written);
        if values.is_empty() {
            return Ok(WrittenOf { written, basis: None });
        }
        let basis = basis_of((&cluster, node), (&fact.dataset, fact.batch.as_ref()), values);
        if basis.nodes.len() <= BASIS_NODES_MAX {
            return Ok(WrittenOf { written, basis: Some(basis) });
        }
        let mut written = written;
        for (name, came) in &mut written {
            if basis.values.contains(name) {
                *came = Err(Trouble::Overflowed);
            }
        }
        Ok(WrittenOf { written, basis: None })
    }

    /// The record and the node of a fact's owner; of somebody who was never seen, one in which nothing is said.
    fn as_it_stands(&self, prepared: &Prepared, config: &Config) -> Result<(Arc<Cluster>, NodeId), Lack> {
        if let Some(row) = self.working.identity(&prepared.owner)? {
            return Ok((self.working.cluster(row.cluster)?, row.node));
        }
        let (id, owner) = (NodeId::from_bytes([0; 12]), prepared.owner.clone());
        let role = Role::new(owner.namespace, config);
        let nobody = Cluster::of_one(Node::new(id, owner, self.now, role), self.now, config.sweeps().number);
        Ok((Arc::new(nobody), id))
    }
}
