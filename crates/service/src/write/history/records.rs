//! The stored entries of the history. Version 1; the id stands in the key.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::id::{DirectiveId, NodeId};
use tessera_store::Key;

use super::{Act, Entry};
use crate::base::codec;
use crate::base::error::Error;
use crate::base::ids::KeyId;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct EntryRecord {
    at: i64,
    key: [u8; 12],
    act: ActRecord,
    moved: u64,
    ended: Option<([u8; 12], i64)>,
}

#[derive(Serialize, Deserialize)]
enum ActRecord {
    Join([[u8; 12]; 2]),
    Separate { apart: [[u8; 12]; 2], side: Vec<[u8; 12]> },
    Undo([u8; 12]),
    Lift([u8; 12]),
    Merge { link: [[u8; 12]; 2], sides: [Vec<[u8; 12]>; 2], into: [u8; 12] },
}

/// Writes an entry.
#[must_use]
pub(crate) fn encode(entry: &Entry) -> Bytes {
    let pair = |nodes: &[NodeId; 2]| nodes.map(|node| *node.as_bytes());
    let all = |nodes: &[NodeId]| nodes.iter().map(|node| *node.as_bytes()).collect::<Vec<_>>();
    let act = match &entry.act {
        Act::Join(nodes) => ActRecord::Join(pair(nodes)),
        Act::Separate { apart, side } => ActRecord::Separate { apart: pair(apart), side: all(side) },
        Act::Undo(id) => ActRecord::Undo(*id.as_bytes()),
        Act::Lift(id) => ActRecord::Lift(*id.as_bytes()),
        Act::Merge { link, sides, into } => {
            ActRecord::Merge { link: pair(link), sides: [all(&sides[0]), all(&sides[1])], into: *into.as_bytes() }
        }
    };
    let ended = entry.ended.map(|(by, at)| (*by.as_bytes(), at.micros()));
    let record = EntryRecord { at: entry.at.micros(), key: *entry.key.as_bytes(), act, moved: entry.moved, ended };
    codec::encode(VERSION, &record)
}

/// Reads an entry.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode(id: DirectiveId, bytes: &[u8]) -> Result<Entry, Error> {
    let record: EntryRecord = codec::decode(VERSION, bytes)?;
    let pair = |nodes: [[u8; 12]; 2]| nodes.map(NodeId::from_bytes);
    let all = |nodes: Vec<[u8; 12]>| nodes.into_iter().map(NodeId::from_bytes).collect::<Vec<_>>();
    let act = match record.act {
        ActRecord::Join(nodes) => Act::Join(pair(nodes)),
        ActRecord::Separate { apart, side } => Act::Separate { apart: pair(apart), side: all(side) },
        ActRecord::Undo(id) => Act::Undo(DirectiveId::from_bytes(id)),
        ActRecord::Lift(id) => Act::Lift(DirectiveId::from_bytes(id)),
        ActRecord::Merge { link, sides: [one, other], into } => {
            Act::Merge { link: pair(link), sides: [all(one), all(other)], into: NodeId::from_bytes(into) }
        }
    };
    let ended = record.ended.map(|(by, at)| Ok::<_, Error>((DirectiveId::from_bytes(by), codec::instant(at)?)));
    Ok(Entry {
        id,
        at: codec::instant(record.at)?,
        key: KeyId::from_bytes(record.key),
        act,
        moved: record.moved,
        ended: ended.transpose()?,
    })
}

/// The id at the end of a key of the history.
pub(crate) fn id_of(key: &Key) -> Result<DirectiveId, Error> {
    let bytes = key.as_bytes().last_chunk::<12>().ok_or_else(|| codec::corrupt("key of a directive"))?;
    Ok(DirectiveId::from_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use tessera_engine::time::Timestamp;

    use super::*;
    use crate::base::codec::golden;

    #[test]
    fn entries_are_read_as_written() {
        let node = |last: u8| NodeId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, last]);
        let id = |last: u8| DirectiveId::from_bytes([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, last]);
        let at = |seconds: i64| Timestamp::from_micros(1_700_000_000_000_000 + seconds).expect("an instant");
        let merge =
            Act::Merge { link: [node(1), node(2)], sides: [vec![node(1)], vec![node(2), node(3)]], into: node(1) };
        let acts = [
            ("directive-join-1", Act::Join([node(1), node(2)])),
            ("directive-separate-1", Act::Separate { apart: [node(2), node(1)], side: vec![node(2), node(3)] }),
            ("directive-undo-1", Act::Undo(id(4))),
            ("directive-lift-1", Act::Lift(id(4))),
            ("directive-merge-1", merge),
        ];
        for (name, act) in acts {
            let ended = matches!(act, Act::Join(_)).then(|| (id(5), at(7)));
            let entry = Entry { id: id(1), at: at(3), key: KeyId::from_bytes([7; 12]), act, moved: 2, ended };
            let bytes = encode(&entry);
            assert_eq!(decode(entry.id, &bytes).expect("an entry"), entry);
            golden(name, &bytes);
            for cut in 0..bytes.len() {
                assert!(decode(entry.id, &bytes[..cut]).is_err(), "a cut record is told");
            }
        }
    }
}
