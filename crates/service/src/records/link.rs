//! A link that does not hold, stored at both its ends. Version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::cluster::{End, Link, LinkState, Rule};
use tessera_engine::id::NodeId;

use super::cluster::{EvidenceRecord, Names, Shared, identity};
use crate::codec;
use crate::error::Error;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct HeldRecord<'a> {
    #[serde(borrow)]
    names: Vec<&'a str>,
    #[serde(borrow)]
    ends: [EndRecord<'a>; 2],
    evidence: Vec<EvidenceRecord>,
    state: OuterState,
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
    Full,
    Severed { by: [u8; 12] },
}

/// Writes a link that does not hold.
#[must_use]
pub fn encode(link: &Link) -> Bytes {
    let mut names = Names::default();
    let end = |end: &'_ End| (*end.node.as_bytes(), end.identity.namespace.number());
    let state = match link.state {
        LinkState::Held(Rule::Exclusive) => OuterState::Exclusive,
        LinkState::Held(Rule::Hub) => OuterState::Hub,
        LinkState::Held(Rule::Full) => OuterState::Full,
        LinkState::Severed { by } => OuterState::Severed { by: *by.as_bytes() },
        LinkState::Active | LinkState::Held(Rule::Limit | Rule::Separated) => {
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

/// Reads a link that does not hold.
///
/// # Errors
/// `Corrupt`.
pub fn decode(bytes: &[u8]) -> Result<Link, Error> {
    let record: HeldRecord<'_> = codec::decode(VERSION, bytes)?;
    let end =
        |end: &EndRecord<'_>| End { node: NodeId::from_bytes(end.node), identity: identity(end.namespace, end.value) };
    let state = match record.state {
        OuterState::Exclusive => LinkState::Held(Rule::Exclusive),
        OuterState::Hub => LinkState::Held(Rule::Hub),
        OuterState::Full => LinkState::Held(Rule::Full),
        OuterState::Severed { by } => LinkState::Severed { by: NodeId::from_bytes(by) },
    };
    let evidence = Shared::new(&record.names).evidence(&record.evidence)?;
    if evidence.is_empty() {
        return Err(codec::corrupt("evidence"));
    }
    Ok(Link { ends: [end(&record.ends[0]), end(&record.ends[1])], evidence, state })
}
