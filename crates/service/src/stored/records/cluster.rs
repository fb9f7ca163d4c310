//! The root record: a cluster with its nodes, links and pieces, and what its nodes keep for the rules. Version 9. Version 8 is from before it
//! was kept which record is all that a dataset says, version 7 from before windows kept what their events come to, version 6 from before it was
//! kept who says something of an account, version 5 from before work of rules was put off, version 4 from before neighbours and evidence were
//! told apart by the class of keys; versions 2 and 3 hold the same without sections and are read by [`whole`], version 1 by [`old`].
//!
//! What is said of people and the links stand in sections of their own, so that whoever walks all records for the rules passes over what no
//! rule reads: [`glance`].

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use tessera_engine::cluster::{
    Above, Cell, Cluster, End, Fragment, HoldReason, Hub, Link, LinkState, Node, Relation, Role, Separation,
};
use tessera_engine::config::{Config, NamespaceId};
use tessera_engine::fact::Identity;
use tessera_engine::id::{DirectiveId, NodeId};
use tessera_engine::value::{Path, Value};
use tessera_engine::view;

use super::evidence::{EvidenceRecord, OldEvidenceRecord, StoredEvidence};
use super::state::RuledRecord;
use super::value::{ValueRecord, time};
use crate::base::codec;
use crate::base::error::Error;

mod marks;
mod names;
mod old;
mod whole;

use marks::{Marks, Places};
use names::span;
pub(super) use names::{Names, Shared, StoredTally, TallyRecord};
pub(super) use old::TallyRecord as OldTally;

const VERSION: u8 = 9;
const VERSION_OF_PARTS: u8 = 8;
const VERSION_OF_EVENTS: u8 = 7;
const VERSION_ANONYMOUS: u8 = 6;
const VERSION_PUNCTUAL: u8 = 5;
const VERSION_OF_ONE_CLASS: u8 = 4;

/// Names of datasets and batches stand once in a record; everything else refers to them by their place.
#[derive(Serialize, Deserialize)]
struct ClusterRecord<'a, N> {
    #[serde(borrow)]
    names: Vec<&'a str>,
    updated_at: i64,
    swept: u64,
    nodes: Vec<N>,
    pieces: Vec<u16>,
    /// Of the nodes that keep anything, in the order of nodes.
    #[serde(borrow)]
    ruled: Vec<RuledRecord<'a>>,
    /// A [`SaidRecord`] for each node.
    #[serde(borrow)]
    said: Section<'a>,
    /// The [`LinkRecord`]s.
    #[serde(borrow)]
    links: Section<'a>,
}

/// A part of a record with its length in front.
#[derive(Deserialize)]
struct Section<'a>(&'a [u8]);

impl Serialize for Section<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

#[derive(Serialize, Deserialize)]
struct NodeRecord<'a> {
    id: [u8; 12],
    namespace: u16,
    value: &'a str,
    created_at: i64,
    owned: Vec<TallyRecord>,
    /// Neighbours above: of private keys, of public ones alone.
    above: [u32; 2],
    /// Bits: exclusive, hub for all, blocked, hub for public keys.
    role: u8,
    /// Directive and other node.
    separated: Vec<([u8; 12], [u8; 12])>,
}

/// A node from before its neighbours were told apart by the class of keys.
#[derive(Deserialize)]
struct OldNodeRecord<'a> {
    id: [u8; 12],
    namespace: u16,
    value: &'a str,
    created_at: i64,
    owned: Vec<TallyRecord>,
    neighbours_above: u32,
    /// Bits: exclusive, hub, blocked.
    role: u8,
    separated: Vec<([u8; 12], [u8; 12])>,
}

impl<'a> From<OldNodeRecord<'a>> for NodeRecord<'a> {
    /// All neighbours count as those of private keys, so that a hub stays one and nothing else becomes one by it. The next sweep of the
    /// record counts anew.
    fn from(record: OldNodeRecord<'a>) -> Self {
        let OldNodeRecord { id, namespace, value, created_at, owned, neighbours_above, role, separated } = record;
        Self { id, namespace, value, created_at, owned, above: [neighbours_above, 0], role, separated }
    }
}

/// What is said of a node.
#[derive(Serialize, Deserialize)]
struct SaidRecord<'a> {
    #[serde(borrow)]
    fragments: Vec<FragmentRecord<'a>>,
    #[serde(borrow)]
    relations: Vec<RelationRecord<'a, TallyRecord>>,
}

#[derive(Serialize, Deserialize)]
struct FragmentRecord<'a> {
    dataset: u16,
    #[serde(borrow)]
    cells: Vec<CellRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct CellRecord<'a> {
    path: &'a str,
    #[serde(borrow)]
    value: ValueRecord<'a>,
    time: i64,
    received_at: i64,
    batch: u16,
}

#[derive(Serialize, Deserialize)]
struct RelationRecord<'a, T> {
    namespace: u16,
    value: &'a str,
    node: [u8; 12],
    evidence: Vec<T>,
}

#[derive(Serialize, Deserialize)]
struct LinkRecord<E> {
    /// Places of the two nodes in the record.
    ends: [u16; 2],
    evidence: Vec<E>,
    state: InnerState,
}

#[derive(Serialize, Deserialize)]
enum InnerState {
    Active,
    Limit,
    Separated,
}

/// Writes a cluster.
#[must_use]
pub fn encode(cluster: &Cluster) -> Bytes {
    let mut names = Names::default();
    let nodes = cluster.nodes.iter().map(|node| write_node(node, &mut names)).collect();
    let said: Vec<SaidRecord<'_>> = cluster.nodes.iter().map(|node| write_said(node, &mut names)).collect();
    let links: Vec<_> = cluster.links.iter().map(|link| write_link(link, cluster, &mut names)).collect();
    let marks = Marks::of(cluster, &mut names);
    let (said, links) = (codec::section(&said), codec::section(&links));
    let record = ClusterRecord {
        names: names.0,
        updated_at: cluster.updated_at.micros(),
        swept: cluster.swept,
        nodes,
        pieces: cluster.pieces.clone(),
        ruled: (0..).zip(&cluster.nodes).filter_map(|(at, node)| RuledRecord::write(at, node)).collect(),
        said: Section(&said),
        links: Section(&links),
    };
    codec::encode(VERSION, &(record, marks))
}

fn write_node<'a>(node: &'a Node, names: &mut Names<'a>) -> NodeRecord<'a> {
    NodeRecord {
        id: *node.id.as_bytes(),
        namespace: node.identity.namespace.number(),
        value: &node.identity.value,
        created_at: node.created_at.micros(),
        owned: names.tallies(&node.owned),
        above: [node.above.private, node.above.public],
        role: write_role(node.role),
        separated: node.separated.iter().map(|own| (*own.directive.as_bytes(), *own.other.as_bytes())).collect(),
    }
}

fn write_role(Role { exclusive, hub, blocked }: Role) -> u8 {
    let hub = match hub {
        Hub::No => 0,
        Hub::ForAll => 1 << 1,
        Hub::ForPublic => 1 << 3,
    };
    u8::from(exclusive) | hub | u8::from(blocked) << 2
}

fn read_role(bits: u8) -> Role {
    let bit = |at: u8| bits >> at & 1 == 1;
    let hub = match (bit(1), bit(3)) {
        (true, _) => Hub::ForAll,
        (false, true) => Hub::ForPublic,
        (false, false) => Hub::No,
    };
    Role { exclusive: bit(0), hub, blocked: bit(2) }
}

fn write_said<'a>(node: &'a Node, names: &mut Names<'a>) -> SaidRecord<'a> {
    SaidRecord {
        fragments: node.fragments.iter().map(|fragment| write_fragment(fragment, names)).collect(),
        relations: node.relations.iter().map(|relation| write_relation(relation, names)).collect(),
    }
}

fn write_fragment<'a>(fragment: &'a Fragment, names: &mut Names<'a>) -> FragmentRecord<'a> {
    let dataset = names.place(&fragment.dataset);
    let cell = |cell: &'a Cell| CellRecord {
        path: cell.path.as_str(),
        value: ValueRecord::from(&cell.value),
        time: cell.time.micros(),
        received_at: cell.received_at.micros(),
        batch: names.batch(cell.batch.as_ref()),
    };
    FragmentRecord { dataset, cells: fragment.cells.iter().map(cell).collect() }
}

fn write_relation<'a>(relation: &'a Relation, names: &mut Names<'a>) -> RelationRecord<'a, TallyRecord> {
    RelationRecord {
        namespace: relation.account.namespace.number(),
        value: &relation.account.value,
        node: *relation.node.as_bytes(),
        evidence: names.tallies(&relation.evidence),
    }
}

fn write_link<'a>(link: &'a Link, cluster: &Cluster, names: &mut Names<'a>) -> LinkRecord<EvidenceRecord> {
    let place = |end: &End| {
        let at = cluster.position(end.node).expect("a link of a record ends at its nodes");
        u16::try_from(at).expect("a cluster is bounded far below 65,536 nodes")
    };
    let state = match link.state {
        LinkState::Active => InnerState::Active,
        LinkState::Held(HoldReason::Limit) => InnerState::Limit,
        LinkState::Held(HoldReason::Separated) => InnerState::Separated,
        LinkState::Held(HoldReason::Exclusive | HoldReason::Hub | HoldReason::Blocked | HoldReason::Full)
        | LinkState::Severed(_) => {
            unreachable!("such links are rows of their own")
        }
    };
    LinkRecord { ends: [place(&link.ends[0]), place(&link.ends[1])], evidence: names.evidence(&link.evidence), state }
}

/// Reads a cluster. Records of before what nodes are was kept are told it by the configuration.
///
/// # Errors
/// `Corrupt`.
pub fn decode(bytes: &[u8], config: &Config) -> Result<Cluster, Error> {
    match bytes.first() {
        Some(&old::VERSION) => old::decode(bytes, config),
        Some(&(whole::VERSION | whole::VERSION_BARE)) => whole::decode(bytes),
        Some(&VERSION_OF_ONE_CLASS) => {
            let record: ClusterRecord<'_, OldNodeRecord<'_>> = codec::decode(VERSION_OF_ONE_CLASS, bytes)?;
            read::<_, OldEvidenceRecord<TallyRecord>>((record, Marks::default()), &view::Names::All, bytes.len())
        }
        Some(version) => {
            read::<NodeRecord<'_>, EvidenceRecord>(marked(*version, bytes)?, &view::Names::All, bytes.len())
        }
        None => Err(codec::corrupt("version")),
    }
}

/// A record with its marks, of which the earlier versions have fewer.
fn marked(version: u8, bytes: &[u8]) -> Result<(ClusterRecord<'_, NodeRecord<'_>>, Marks<'_>), Error> {
    match version {
        VERSION_PUNCTUAL => Ok((codec::decode(version, bytes)?, Marks::default())),
        VERSION_ANONYMOUS => {
            let (record, late) = codec::decode(version, bytes)?;
            Ok((record, Marks { late, ..Marks::default() }))
        }
        VERSION_OF_EVENTS => {
            let (record, late, sayers, claimed) = codec::decode(version, bytes)?;
            Ok((record, Marks { late, sayers, claimed, ..Marks::default() }))
        }
        VERSION_OF_PARTS => {
            let (record, late, sayers, claimed, tails) = codec::decode(version, bytes)?;
            Ok((record, Marks { late, sayers, claimed, tails, ..Marks::default() }))
        }
        _ => codec::decode(VERSION, bytes),
    }
}

/// What rules can tell of a cluster: its nodes with what they keep, and the values that are read. It may have no links and no relations, and
/// is not to be written.
pub struct Glance(Cluster);

impl AsRef<Cluster> for Glance {
    fn as_ref(&self) -> &Cluster {
        &self.0
    }
}

/// Reads of a cluster what rules that read these names can tell from the whole.
///
/// # Errors
/// `Corrupt`.
pub fn glance(bytes: &[u8], config: &Config, names: &view::Names) -> Result<Glance, Error> {
    if bytes.first() != Some(&VERSION) {
        return decode(bytes, config).map(Glance);
    }
    let (record, marks): (ClusterRecord<'_, NodeRecord<'_>>, Marks<'_>) = codec::decode(VERSION, bytes)?;
    // What an erasure that is on its way takes is told by the whole.
    let is_swept = record.swept >= config.sweeps().number;
    let names = if is_swept { names } else { &view::Names::All };
    read::<_, EvidenceRecord>((record, marks), names, bytes.len()).map(Glance)
}

/// The cluster of a record with its values under these names; unless that is all, without links and relations.
fn read<'a, N, E>(
    (record, Marks { late, sayers, claimed, tails, wholes }): (ClusterRecord<'a, N>, Marks<'a>),
    names: &view::Names,
    bytes: usize,
) -> Result<Cluster, Error>
where
    N: Into<NodeRecord<'a>>,
    E: StoredEvidence + Deserialize<'a>,
{
    let is_whole = *names == view::Names::All;
    let shared = Shared::new(&record.names);
    let nodes = record.nodes.into_iter().map(|node| read_node(node.into(), &shared)).collect::<Result<Vec<_>, _>>();
    let mut nodes = nodes?;
    if !matches!(names, view::Names::Some(names) if names.is_empty()) {
        let said: Vec<SaidRecord<'_>> = codec::read_section(record.said.0)?;
        if said.len() != nodes.len() {
            return Err(codec::corrupt("section of nodes"));
        }
        let mut places = Places::new(sayers, claimed, wholes);
        for (node, (node_at, said)) in nodes.iter_mut().zip((0..).zip(said)) {
            for (at, fragment) in (0..).zip(said.fragments) {
                let (by, whole) = (places.sayer(node_at, at), places.whole(node_at, at, &shared)?);
                let mut cells = Vec::with_capacity(fragment.cells.len());
                for (cell_at, cell) in (0..).zip(fragment.cells) {
                    let claimed = places.claim(node_at, at, cell_at);
                    if names.has_at(cell.path) {
                        cells.push(Cell { claimed, ..read_cell(cell, &shared)? });
                    }
                }
                if is_whole || !cells.is_empty() {
                    let dataset = shared.name(fragment.dataset)?;
                    node.fragments.push(Fragment { dataset, by, whole, cells });
                }
            }
            if is_whole {
                let relations = said.relations.iter().map(|own| read_relation(own, &shared));
                node.relations = relations.collect::<Result<_, _>>()?;
            }
        }
    }
    record.ruled.into_iter().try_for_each(|own| own.read(&mut nodes))?;
    late.into_iter().try_for_each(|own| own.read(&mut nodes))?;
    tails.into_iter().try_for_each(|own| own.read(&mut nodes))?;
    let links: Vec<LinkRecord<E>> = if is_whole { codec::read_section(record.links.0)? } else { Vec::new() };
    let links = links.iter().map(|link| read_link(link, &nodes, &shared)).collect::<Result<_, _>>()?;
    put_together(nodes, links, record.pieces, record.swept, record.updated_at, bytes)
}

fn put_together(
    nodes: Vec<Node>,
    links: Vec<Link>,
    pieces: Vec<u16>,
    swept: u64,
    updated_at: i64,
    bytes: usize,
) -> Result<Cluster, Error> {
    if nodes.is_empty() || pieces.len() != nodes.len() {
        return Err(codec::corrupt("pieces"));
    }
    if pieces.iter().any(|piece| usize::from(*piece) >= nodes.len()) || !nodes.is_sorted_by_key(|node| node.id) {
        return Err(codec::corrupt("nodes"));
    }
    Ok(Cluster { nodes, links, pieces, swept, updated_at: time(updated_at)?, bytes })
}

fn read_node(record: NodeRecord<'_>, shared: &Shared) -> Result<Node, Error> {
    let separation = |(directive, other): ([u8; 12], [u8; 12])| Separation {
        directive: DirectiveId::from_bytes(directive),
        other: NodeId::from_bytes(other),
    };
    Ok(Node {
        id: NodeId::from_bytes(record.id),
        identity: identity(record.namespace, record.value),
        created_at: time(record.created_at)?,
        owned: shared.tallies(&record.owned)?,
        fragments: Vec::new(),
        relations: Vec::new(),
        above: Above { private: record.above[0], public: record.above[1] },
        role: read_role(record.role),
        separated: record.separated.into_iter().map(separation).collect(),
        states: Vec::new(),
        tail: None,
        segment_states: None,
    })
}

fn read_fragment(record: FragmentRecord<'_>, shared: &Shared) -> Result<Fragment, Error> {
    let cells = record.cells.into_iter().map(|cell| read_cell(cell, shared)).collect::<Result<_, Error>>()?;
    Ok(Fragment { cells, ..Fragment::new(shared.name(record.dataset)?, None) })
}

fn read_cell(cell: CellRecord<'_>, shared: &Shared) -> Result<Cell, Error> {
    Ok(Cell {
        path: Path::parse_stored(cell.path).map_err(|_| codec::corrupt("path"))?,
        value: Value::try_from(cell.value)?,
        time: time(cell.time)?,
        received_at: time(cell.received_at)?,
        batch: shared.batch(cell.batch)?,
        claimed: None,
    })
}

fn read_relation<T: StoredTally>(record: &RelationRecord<'_, T>, shared: &Shared) -> Result<Relation, Error> {
    Ok(Relation {
        account: identity(record.namespace, record.value),
        node: NodeId::from_bytes(record.node),
        evidence: shared.tallies(&record.evidence)?,
    })
}

fn read_link<E: StoredEvidence>(record: &LinkRecord<E>, nodes: &[Node], shared: &Shared) -> Result<Link, Error> {
    let end = |at: u16| {
        let node = nodes.get(usize::from(at)).ok_or_else(|| codec::corrupt("link"))?;
        Ok::<_, Error>(End { node: node.id, identity: node.identity.clone() })
    };
    let state = match record.state {
        InnerState::Active => LinkState::Active,
        InnerState::Limit => LinkState::Held(HoldReason::Limit),
        InnerState::Separated => LinkState::Held(HoldReason::Separated),
    };
    let ends = [end(record.ends[0])?, end(record.ends[1])?];
    Ok(Link { ends, evidence: E::read(&record.evidence, shared)?, state })
}

/// An identity that was stored: it is normalised already.
pub(super) fn identity(namespace: u16, value: &str) -> Identity {
    Identity { namespace: NamespaceId::new(namespace), value: value.into() }
}
