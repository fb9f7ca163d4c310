//! What a record says of few of its nodes, fragments and cells, by their places, so that the others take no bytes for it.

use std::iter::Peekable;
use std::vec;

use serde::{Deserialize, Serialize};
use tessera_engine::cluster::{Cluster, Node, Whole};
use tessera_engine::fact::Class;
use tessera_engine::id::NodeId;

use super::super::state::{LateRecord, TailRecord};
use super::super::value::time;
use super::names::{Names, Shared};
use crate::base::error::Error;

/// The marks of a record, each list in the order of places.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Marks<'a> {
    /// Of nodes whose rules were put off.
    pub(super) late: Vec<LateRecord>,
    /// Of fragments that are another node's word.
    pub(super) sayers: Vec<SayerRecord>,
    /// Of cells that were stated as identities.
    pub(super) claimed: Vec<ClaimedRecord>,
    /// Of nodes that keep newest events for windows.
    #[serde(borrow)]
    pub(super) tails: Vec<TailRecord<'a>>,
    /// Of fragments of which one record is all that the dataset says.
    pub(super) wholes: Vec<WholeRecord>,
}

/// Whose word a fragment is, where it is not the node's own.
#[derive(Serialize, Deserialize)]
pub(super) struct SayerRecord {
    /// Place of the node.
    node: u16,
    /// Place of the fragment in it.
    fragment: u16,
    /// The node whose facts said it.
    by: [u8; 12],
}

/// A cell that was stated as an identity as well.
#[derive(Serialize, Deserialize)]
pub(super) struct ClaimedRecord {
    /// Place of the node.
    node: u16,
    /// Place of the fragment in it.
    fragment: u16,
    /// Place of the cell in that.
    cell: u16,
    /// By the word of a public key.
    is_public: bool,
}

/// The record that is all the dataset of a fragment says.
#[derive(Serialize, Deserialize)]
pub(super) struct WholeRecord {
    /// Place of the node.
    node: u16,
    /// Place of the fragment in it.
    fragment: u16,
    time: i64,
    received_at: i64,
    /// Place of the batch's name plus one; 0 for none.
    batch: u16,
}

impl WholeRecord {
    fn read(&self, shared: &Shared) -> Result<Whole, Error> {
        Ok(Whole { time: time(self.time)?, received_at: time(self.received_at)?, batch: shared.batch(self.batch)? })
    }
}

impl<'a> Marks<'a> {
    /// The marks of a cluster, with the names of their batches.
    pub(super) fn of(cluster: &'a Cluster, names: &mut Names<'a>) -> Self {
        let nodes = || (0..).zip(&cluster.nodes);
        Self {
            late: nodes().filter_map(|(at, node)| LateRecord::write(at, node)).collect(),
            sayers: nodes().flat_map(sayers).collect(),
            claimed: nodes().flat_map(claimed).collect(),
            tails: nodes().filter_map(|(at, node)| TailRecord::write(at, node)).collect(),
            wholes: nodes().flat_map(|own| wholes(own, names)).collect(),
        }
    }
}

fn sayers((node, own): (u16, &Node)) -> Vec<SayerRecord> {
    let said = (0..).zip(&own.fragments);
    let said = said.filter_map(|(fragment, own)| Some((fragment, *own.by?.as_bytes())));
    said.map(|(fragment, by)| SayerRecord { node, fragment, by }).collect()
}

fn claimed((node, own): (u16, &Node)) -> Vec<ClaimedRecord> {
    let mut claimed = Vec::new();
    for (fragment, own) in (0..).zip(&own.fragments) {
        for (cell, own) in (0..).zip(&own.cells) {
            let is_public = own.claimed.map(|class| class == Class::Public);
            claimed.extend(is_public.map(|is_public| ClaimedRecord { node, fragment, cell, is_public }));
        }
    }
    claimed
}

fn wholes<'a>((node, own): (u16, &'a Node), names: &mut Names<'a>) -> Vec<WholeRecord> {
    let own = (0..).zip(&own.fragments).filter_map(|(fragment, own)| Some((fragment, own.whole.as_deref()?)));
    let mut record = |(fragment, whole): (u16, &'a Whole)| WholeRecord {
        node,
        fragment,
        time: whole.time.micros(),
        received_at: whole.received_at.micros(),
        batch: names.batch(whole.batch.as_ref()),
    };
    own.map(&mut record).collect()
}

/// Finds the marks of fragments and cells, which are asked for in the order of their places.
pub(super) struct Places {
    sayers: Peekable<vec::IntoIter<SayerRecord>>,
    claimed: Peekable<vec::IntoIter<ClaimedRecord>>,
    wholes: Peekable<vec::IntoIter<WholeRecord>>,
}

impl Places {
    pub(super) fn new(sayers: Vec<SayerRecord>, claimed: Vec<ClaimedRecord>, wholes: Vec<WholeRecord>) -> Self {
        let (sayers, claimed) = (sayers.into_iter().peekable(), claimed.into_iter().peekable());
        Self { sayers, claimed, wholes: wholes.into_iter().peekable() }
    }

    /// Whose word the fragment at this place is.
    pub(super) fn sayer(&mut self, node: u16, fragment: u16) -> Option<NodeId> {
        let own = self.sayers.next_if(|own| (own.node, own.fragment) == (node, fragment))?;
        Some(NodeId::from_bytes(own.by))
    }

    /// The record that is all that the fragment at this place says.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(super) fn whole(&mut self, node: u16, fragment: u16, shared: &Shared) -> Result<Option<Box<Whole>>, Error> {
        let own = self.wholes.next_if(|own| (own.node, own.fragment) == (node, fragment));
        own.map(|own| own.read(shared).map(Box::new)).transpose()
    }

    /// By whose word the cell at this place is an identity.
    pub(super) fn claim(&mut self, node: u16, fragment: u16, cell: u16) -> Option<Class> {
        let own = self.claimed.next_if(|own| (own.node, own.fragment, own.cell) == (node, fragment, cell))?;
        Some(if own.is_public { Class::Public } else { Class::Private })
    }
}
