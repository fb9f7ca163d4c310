//! Versions 2 and 3 of the root record: everything of a node in one place. Version 2 is from before nodes kept anything for the rules.

use serde::Deserialize;
use tessera_engine::cluster::{Cluster, Node};

use super::{
    FragmentRecord, LinkRecord, OldEvidenceRecord, OldNodeRecord, RelationRecord, Shared, TallyRecord, put_together,
    read_fragment, read_link, read_relation,
};
use crate::base::codec;
use crate::base::error::Error;
use crate::stored::records::state::OldRuledRecord;

pub(super) const VERSION: u8 = 3;
pub(super) const VERSION_BARE: u8 = 2;

#[derive(Deserialize)]
struct ClusterRecord<'a> {
    #[serde(borrow)]
    bare: BareRecord<'a>,
    #[serde(borrow)]
    ruled: Vec<OldRuledRecord<'a>>,
}

#[derive(Deserialize)]
struct BareRecord<'a> {
    #[serde(borrow)]
    names: Vec<&'a str>,
    updated_at: i64,
    swept: u64,
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
    #[serde(borrow)]
    fragments: Vec<FragmentRecord<'a>>,
    #[serde(borrow)]
    relations: Vec<RelationRecord<'a, TallyRecord>>,
    neighbours_above: u32,
    role: u8,
    separated: Vec<([u8; 12], [u8; 12])>,
}

pub(super) fn decode(bytes: &[u8]) -> Result<Cluster, Error> {
    let ClusterRecord { bare, ruled } = match bytes.first() {
        Some(&VERSION_BARE) => ClusterRecord { bare: codec::decode(VERSION_BARE, bytes)?, ruled: Vec::new() },
        _ => codec::decode(VERSION, bytes)?,
    };
    let shared = Shared::new(&bare.names);
    let nodes = bare.nodes.into_iter().map(|node| read_node(node, &shared)).collect::<Result<Vec<_>, _>>();
    let mut nodes = nodes?;
    ruled.into_iter().try_for_each(|own| own.read(&mut nodes))?;
    let links = bare.links.iter().map(|link| read_link(link, &nodes, &shared)).collect::<Result<_, _>>()?;
    put_together(nodes, links, bare.pieces, bare.swept, bare.updated_at, bytes.len())
}

fn read_node(record: NodeRecord<'_>, shared: &Shared) -> Result<Node, Error> {
    let NodeRecord { id, namespace, value, created_at, owned, neighbours_above, role, separated, .. } = record;
    let bare = OldNodeRecord { id, namespace, value, created_at, owned, neighbours_above, role, separated };
    Ok(Node {
        fragments: record.fragments.into_iter().map(|own| read_fragment(own, shared)).collect::<Result<_, _>>()?,
        relations: record.relations.iter().map(|own| read_relation(own, shared)).collect::<Result<_, _>>()?,
        ..super::read_node(bare.into(), shared)?
    })
}
