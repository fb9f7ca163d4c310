//! Which events have something written into them that rests on what other nodes said, and what of that is still to be taken out.
//!
//! The commit of an event writes a row for each node beside its owner that what is written into it rests on. The commit of an erasure writes
//! that the values are to be taken out; the lane does it with the purge, a page of a timeline at a time, and removes that row with the last. A
//! row of a node goes when the node is erased: until then there are as many as pairs of nodes that were together in a profile.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::id::{ErasureId, NodeId};
use tessera_engine::time::Timestamp;
use tessera_store::{Direction, Key, KeyRange};

use crate::base::codec::{self, corrupt};
use crate::base::error::Error;
use crate::stored::keys::{Family, KeyBuilder, Scope};

const ON: &[u8] = &[0];
const ERASED: &[u8] = &[1];

/// What a row says beside its key.
pub(crate) const ROW: &[u8] = &[1];

impl Scope {
    /// That events of an owner rest on what a node said.
    pub(crate) fn resting(self, node: NodeId, owner: NodeId) -> Key {
        self.family(Family::Resting).bytes(ON).node(node).node(owner).key()
    }

    /// The owners whose events rest on what a node said, behind this one.
    pub(crate) fn resting_on(self, node: NodeId, after: Option<NodeId>) -> KeyRange {
        let all = self.family(Family::Resting).bytes(ON).node(node).range();
        match after {
            None => all,
            Some(owner) => all.after(&self.resting(node, owner), Direction::Forward),
        }
    }

    /// Where there are any owners of such events.
    pub(crate) fn all_resting(self) -> KeyRange {
        self.family(Family::Resting).bytes(ON).range()
    }

    /// That something a node said was erased by this erasure.
    pub(crate) fn resting_erased(self, node: NodeId, erasure: ErasureId) -> Key {
        self.family(Family::Resting).bytes(ERASED).node(node).bytes(erasure.as_bytes()).key()
    }

    pub(crate) fn all_resting_erased(self) -> KeyRange {
        self.family(Family::Resting).bytes(ERASED).range()
    }
}

/// What a key of the family is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestingKey {
    /// Events of the owner rest on what the node said.
    On {
        /// The node.
        node: NodeId,
        /// The owner.
        owner: NodeId,
    },
    /// Something that the node said was erased.
    Erased(NodeId),
}

/// Reads a key of the family.
pub(crate) fn read_key(key: &Key) -> Option<RestingKey> {
    let (tag, rest) = key.as_bytes().get(KeyBuilder::HEAD_BYTES..)?.split_first()?;
    let (node, rest) = rest.split_first_chunk::<12>()?;
    let (node, other): (NodeId, [u8; 12]) = (NodeId::from_bytes(*node), rest.try_into().ok()?);
    match std::slice::from_ref(tag) {
        ON => Some(RestingKey::On { node, owner: NodeId::from_bytes(other) }),
        ERASED => Some(RestingKey::Erased(node)),
        _ => None,
    }
}

/// What is still to be taken out of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToTakeOut {
    /// Whether the node is no more. Otherwise something that it said is, and its own events rest on that too.
    pub(crate) is_gone: bool,
    /// Events that were received later than this.
    pub(crate) from: Timestamp,
    /// Where it goes on; none before it begins.
    pub(crate) at: Option<Place>,
}

/// A place in the timeline of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) owner: NodeId,
    /// The key of the last event that was looked at, behind its family; none where its timeline begins.
    pub(crate) last: Option<Vec<u8>>,
}

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Record {
    is_gone: bool,
    from: i64,
    at: Option<([u8; 12], Option<Vec<u8>>)>,
}

/// Writes what is to be taken out.
pub(crate) fn encode(own: &ToTakeOut) -> Bytes {
    let at = own.at.as_ref().map(|at| (*at.owner.as_bytes(), at.last.clone()));
    codec::encode(VERSION, &Record { is_gone: own.is_gone, from: own.from.micros(), at })
}

/// Reads what is to be taken out.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode(bytes: &[u8]) -> Result<ToTakeOut, Error> {
    let Record { is_gone, from, at } = codec::decode(VERSION, bytes)?;
    let at = at.map(|(owner, last)| Place { owner: NodeId::from_bytes(owner), last });
    Ok(ToTakeOut { is_gone, from: codec::instant(from).map_err(|_| corrupt("instant of an erasure"))?, at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::WorkspaceId;

    #[test]
    fn rows_are_frozen_and_read_back() {
        let at = Place { owner: NodeId::from_bytes([7; 12]), last: Some(vec![1, 2]) };
        for (name, own) in [
            ("resting-1", ToTakeOut { is_gone: true, from: Timestamp::MIN, at: Some(at) }),
            (
                "resting-event-1",
                ToTakeOut { is_gone: false, from: Timestamp::from_micros(5).expect("an instant"), at: None },
            ),
        ] {
            let bytes = encode(&own);
            codec::golden(name, &bytes);
            assert_eq!(decode(&bytes).expect("a row"), own);
        }
    }

    #[test]
    fn keys_say_what_they_are_of() {
        let scope = Scope::new(WorkspaceId::new(3));
        let (node, owner) = (NodeId::from_bytes([1; 12]), NodeId::from_bytes([2; 12]));
        assert_eq!(read_key(&scope.resting(node, owner)), Some(RestingKey::On { node, owner }));
        assert_eq!(
            read_key(&scope.resting_erased(node, ErasureId::from_bytes([4; 12]))),
            Some(RestingKey::Erased(node))
        );
        assert_eq!(read_key(&scope.purge(node)), None);
    }
}
