//! A link that does not hold, stored at both its ends. Version 3; versions 1 and 2 are read as well.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::cluster::{End, Evidence, HoldReason, Link, LinkState, Severer};
use tessera_engine::id::{DirectiveId, NodeId};

use super::cluster::{Names, OldTally, Shared, TallyRecord, identity};
use super::evidence::{EvidenceRecord, OldEvidenceRecord, StoredEvidence};
use crate::base::codec;
use crate::base::error::Error;

const VERSION: u8 = 3;
const VERSION_OF_ONE_CLASS: u8 = 2;
const OLD_VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct HeldRecord<'a, E, S> {
    #[serde(borrow)]
    names: Vec<&'a str>,
    #[serde(borrow)]
    ends: [EndRecord<'a>; 2],
    evidence: Vec<E>,
    state: S,
}

#[derive(Serialize, Deserialize)]
struct EndRecord<'a> {
    node: [u8; 12],
    namespace: u16,
    value: &'a str,
}

#[derive(Serialize, Deserialize)]
enum OuterState {
    Exclusive,
    Hub,
    Blocked,
    Full,
    Severed { documents: Vec<[u8; 12]>, directives: Vec<[u8; 12]> },
}

#[derive(Serialize, Deserialize)]
enum OldState {
    Exclusive,
    Hub,
    Full,
    Severed { by: [u8; 12] },
}

/// Writes a link that does not hold.
#[must_use]
pub fn encode(link: &Link) -> Bytes {
    let mut names = Names::default();
    let end = |end: &'_ End| (*end.node.as_bytes(), end.identity.namespace.number());
    let state = match &link.state {
        LinkState::Held(HoldReason::Exclusive) => OuterState::Exclusive,
        LinkState::Held(HoldReason::Hub) => OuterState::Hub,
        LinkState::Held(HoldReason::Blocked) => OuterState::Blocked,
        LinkState::Held(HoldReason::Full) => OuterState::Full,
        LinkState::Severed(all) => write_severed(all),
        LinkState::Active | LinkState::Held(HoldReason::Limit | HoldReason::Separated) => {
            unreachable!("such links stand in the record of their cluster")
        }
    };
    let evidence = names.evidence(&link.evidence);
    let [(first, first_namespace), (second, second_namespace)] = [end(&link.ends[0]), end(&link.ends[1])];
    let ends = [
        EndRecord { node: first, namespace: first_namespace, value: &link.ends[0].identity.value },
        EndRecord { node: second, namespace: second_namespace, value: &link.ends[1].identity.value },
    ];
    codec::encode(VERSION, &HeldRecord { names: names.0, ends, evidence, state })
}

fn write_severed(all: &[Severer]) -> OuterState {
    let (mut documents, mut directives) = (Vec::new(), Vec::new());
    for by in all {
        match by {
            Severer::Document(node) => documents.push(*node.as_bytes()),
            Severer::Directive(id) => directives.push(*id.as_bytes()),
        }
    }
    OuterState::Severed { documents, directives }
}

/// Reads a link that does not hold.
///
/// # Errors
/// `Corrupt`.
pub fn decode(bytes: &[u8]) -> Result<Link, Error> {
    if bytes.first() == Some(&OLD_VERSION) {
        let record: HeldRecord<'_, OldEvidenceRecord<OldTally>, OldState> = codec::decode(OLD_VERSION, bytes)?;
        let state = match record.state {
            OldState::Exclusive => LinkState::Held(HoldReason::Exclusive),
            OldState::Hub => LinkState::Held(HoldReason::Hub),
            OldState::Full => LinkState::Held(HoldReason::Full),
            OldState::Severed { by } => LinkState::Severed(vec![Severer::Document(NodeId::from_bytes(by))]),
        };
        return put_together(&record, state);
    }
    if bytes.first() == Some(&VERSION_OF_ONE_CLASS) {
        let record: HeldRecord<'_, OldEvidenceRecord<TallyRecord>, _> = codec::decode(VERSION_OF_ONE_CLASS, bytes)?;
        return put_together(&record, read_state(&record.state)?);
    }
    let record: HeldRecord<'_, EvidenceRecord, _> = codec::decode(VERSION, bytes)?;
    put_together(&record, read_state(&record.state)?)
}

fn read_state(record: &OuterState) -> Result<LinkState, Error> {
    Ok(match record {
        OuterState::Exclusive => LinkState::Held(HoldReason::Exclusive),
        OuterState::Hub => LinkState::Held(HoldReason::Hub),
        OuterState::Blocked => LinkState::Held(HoldReason::Blocked),
        OuterState::Full => LinkState::Held(HoldReason::Full),
        OuterState::Severed { documents, directives } => {
            let documents = documents.iter().map(|node| Severer::Document(NodeId::from_bytes(*node)));
            let directives = directives.iter().map(|id| Severer::Directive(DirectiveId::from_bytes(*id)));
            let mut all: Vec<Severer> = documents.chain(directives).collect();
            all.sort_unstable();
            if all.is_empty() {
                return Err(codec::corrupt("severing"));
            }
            LinkState::Severed(all)
        }
    })
}

fn put_together<E: StoredEvidence, S>(record: &HeldRecord<'_, E, S>, state: LinkState) -> Result<Link, Error> {
    let evidence: Vec<Evidence> = E::read(&record.evidence, &Shared::new(&record.names))?;
    let ends = &record.ends;
    let end =
        |end: &EndRecord<'_>| End { node: NodeId::from_bytes(end.node), identity: identity(end.namespace, end.value) };
    if evidence.is_empty() {
        return Err(codec::corrupt("evidence"));
    }
    Ok(Link { ends: [end(&ends[0]), end(&ends[1])], evidence, state })
}
