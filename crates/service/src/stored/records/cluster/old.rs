//! Version 1 of the root record: before facts were counted by generation, and before what a node is was kept with it.

use serde::Deserialize;
use tessera_engine::cluster::{Above, Cluster, Node, Role, Source, Tally};
use tessera_engine::config::Config;
use tessera_engine::id::NodeId;

use super::{
    FragmentRecord, LinkRecord, OldEvidenceRecord, RelationRecord, Shared, StoredTally, identity, put_together,
    read_fragment, read_link, read_relation, span, time,
};
use crate::base::codec;
use crate::base::error::Error;

pub(super) const VERSION: u8 = 1;

#[derive(Deserialize)]
struct ClusterRecord<'a> {
    #[serde(borrow)]
    names: Vec<&'a str>,
    updated_at: i64,
    #[serde(borrow)]
    nodes: Vec<NodeRecord<'a>>,
    links: Vec<LinkRecord<OldEvidenceRecord<TallyRecord>>>,
    pieces: Vec<u16>,
}

#[derive(Deserialize)]
struct NodeRecord<'a> {
    id: [u8; 12],
    namespace: u16,
    value: &'a str,
    created_at: i64,
    owned: Vec<TallyRecord>,
    events: u64,
    #[serde(borrow)]
    fragments: Vec<FragmentRecord<'a>>,
    #[serde(borrow)]
    relations: Vec<RelationRecord<'a, TallyRecord>>,
    neighbours_above: u32,
}

/// A tally, also that of the link rows of version 1.
#[derive(Deserialize)]
pub(in crate::stored::records) struct TallyRecord {
    dataset: u16,
    batch: u16,
    count: u64,
    first: i64,
    span: u64,
}

impl StoredTally for TallyRecord {
    fn read(&self, names: &Shared) -> Result<Tally, Error> {
        let source = Source { dataset: names.name(self.dataset)?, batch: names.batch(self.batch)?, generation: 0 };
        let (first, last) = span(self.first, self.span)?;
        Ok(Tally { source, count: self.count, events: 0, first, last })
    }
}

pub(super) fn decode(bytes: &[u8], config: &Config) -> Result<Cluster, Error> {
    let record: ClusterRecord<'_> = codec::decode(VERSION, bytes)?;
    let shared = Shared::new(&record.names);
    let nodes = record.nodes.into_iter().map(|node| read_node(node, &shared, config)).collect::<Result<Vec<_>, _>>()?;
    let links = record.links.iter().map(|link| read_link(link, &nodes, &shared)).collect::<Result<Vec<_>, _>>()?;
    put_together(nodes, links, record.pieces, 0, record.updated_at, bytes.len())
}

fn read_node(record: NodeRecord<'_>, shared: &Shared, config: &Config) -> Result<Node, Error> {
    let identity = identity(record.namespace, record.value);
    let above = Above { private: record.neighbours_above, public: 0 };
    let hub = above.hub(config.limits().hub_links_max);
    let mut owned: Vec<Tally> = record.owned.iter().map(|tally| tally.read(shared)).collect::<Result<_, _>>()?;
    // How many facts of each source were events was not kept. One source, or events alone, is the rule, and exact.
    let mut left = record.events;
    for tally in &mut owned {
        tally.events = tally.count.min(left);
        left -= tally.events;
    }
    Ok(Node {
        id: NodeId::from_bytes(record.id),
        role: Role { hub, ..Role::new(identity.namespace, config) },
        identity,
        created_at: time(record.created_at)?,
        owned,
        fragments: record.fragments.into_iter().map(|own| read_fragment(own, shared)).collect::<Result<_, _>>()?,
        relations: record.relations.iter().map(|own| read_relation(own, shared)).collect::<Result<_, _>>()?,
        above,
        separated: Vec::new(),
        states: Vec::new(),
        tail: None,
        segment_states: None,
    })
}
