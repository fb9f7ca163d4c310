//! Stored records of erasures, version 1 of each: receipts, and what is looked for by the purge.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::config::NamespaceId;
use tessera_engine::fact::Identity;
use tessera_engine::id::{ErasureId, NodeId};

use super::{Kind, Receipt, Removed, Trace};
use crate::base::codec;
use crate::base::error::Error;
use crate::base::ids::KeyId;

const VERSION: u8 = 1;
/// Of the row of a node that waits for the purge. Version 1 was the version alone.
const NODE_VERSION: u8 = 2;

#[derive(Serialize, Deserialize)]
struct ReceiptRecord {
    at: i64,
    kind: KindRecord,
    by: Option<[u8; 12]>,
    suppressed: bool,
    removed: RemovedRecord,
    purged_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
enum KindRecord {
    Profile([u8; 12]),
    Identity([u8; 12]),
    Event([u8; 12]),
    Source { dataset: String, batch: Option<String> },
}

#[derive(Serialize, Deserialize)]
struct RemovedRecord {
    identities: u64,
    attributes: u64,
    links: u64,
    events: u64,
    quarantined: u64,
    replies: u64,
}

/// Writes a receipt; its id stands in the key.
pub(crate) fn encode_receipt(receipt: &Receipt) -> Bytes {
    let kind = match &receipt.kind {
        Kind::Profile(profile) => KindRecord::Profile(*profile.as_bytes()),
        Kind::Identity(profile) => KindRecord::Identity(*profile.as_bytes()),
        Kind::Event(profile) => KindRecord::Event(*profile.as_bytes()),
        Kind::Source { dataset, batch } => {
            KindRecord::Source { dataset: dataset.to_string(), batch: batch.as_ref().map(ToString::to_string) }
        }
    };
    let Removed { identities, attributes, links, events, quarantined, replies } = receipt.removed;
    let record = ReceiptRecord {
        at: receipt.at.micros(),
        kind,
        by: receipt.by.map(|by| *by.as_bytes()),
        suppressed: receipt.suppressed,
        removed: RemovedRecord { identities, attributes, links, events, quarantined, replies },
        purged_at: receipt.purged_at.map(|at| at.micros()),
    };
    codec::encode(VERSION, &record)
}

/// Reads a receipt.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode_receipt(id: ErasureId, bytes: &[u8]) -> Result<Receipt, Error> {
    let record: ReceiptRecord = codec::decode(VERSION, bytes)?;
    let kind = match record.kind {
        KindRecord::Profile(profile) => Kind::Profile(NodeId::from_bytes(profile)),
        KindRecord::Identity(profile) => Kind::Identity(NodeId::from_bytes(profile)),
        KindRecord::Event(profile) => Kind::Event(NodeId::from_bytes(profile)),
        KindRecord::Source { dataset, batch } => Kind::Source { dataset: dataset.into(), batch: batch.map(Into::into) },
    };
    let RemovedRecord { identities, attributes, links, events, quarantined, replies } = record.removed;
    Ok(Receipt {
        id,
        at: codec::instant(record.at)?,
        kind,
        by: record.by.map(KeyId::from_bytes),
        suppressed: record.suppressed,
        removed: Removed { identities, attributes, links, events, quarantined, replies },
        purged_at: record.purged_at.map(codec::instant).transpose()?,
    })
}

#[derive(Serialize, Deserialize)]
struct TraceRecord<'a> {
    receipt: [u8; 12],
    namespace: u16,
    value: &'a str,
}

impl<'a> From<&'a Trace> for TraceRecord<'a> {
    fn from(trace: &'a Trace) -> Self {
        let Trace { receipt, identity } = trace;
        Self { receipt: *receipt.as_bytes(), namespace: identity.namespace.number(), value: &identity.value }
    }
}

impl From<TraceRecord<'_>> for Trace {
    fn from(record: TraceRecord<'_>) -> Self {
        let identity = Identity { namespace: NamespaceId::new(record.namespace), value: record.value.into() };
        Self { receipt: ErasureId::from_bytes(record.receipt), identity }
    }
}

/// Writes what is looked for of a node whose events are gone.
pub(crate) fn encode_trace(trace: &Trace) -> Bytes {
    codec::encode(VERSION, &TraceRecord::from(trace))
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode_trace(bytes: &[u8]) -> Result<Trace, Error> {
    Ok(codec::decode::<TraceRecord<'_>>(VERSION, bytes)?.into())
}

/// Writes the row of a node whose events are still there.
pub(crate) fn encode_node(trace: &Trace) -> Bytes {
    codec::encode(NODE_VERSION, &TraceRecord::from(trace))
}

/// Reads it; none from before there were receipts.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode_node(bytes: &[u8]) -> Result<Option<Trace>, Error> {
    match bytes {
        [1] => Ok(None),
        bytes => Ok(Some(codec::decode::<TraceRecord<'_>>(NODE_VERSION, bytes)?.into())),
    }
}

#[cfg(test)]
mod tests;
