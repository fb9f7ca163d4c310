//! From receipts to answers.

use bytes::Bytes;
use tessera_seam::answer::to_json;
use tessera_service::clock::format_timestamp;
use tessera_service::directory::ListPage;
use tessera_service::erasure::{Kind, Receipt, Removed};

use super::wire;

/// One receipt.
pub(super) fn bytes(receipt: &Receipt) -> Bytes {
    to_json(&erasure(receipt)).into()
}

/// A page of receipts.
pub(super) fn page(page: ListPage<Receipt>) -> wire::Erasures {
    wire::Erasures { items: page.items.iter().map(erasure).collect(), next_cursor: page.next_cursor }
}

fn erasure(receipt: &Receipt) -> wire::Erasure {
    let Removed { identities, attributes, links, events, quarantined, replies } = receipt.removed;
    let (kind, profile, dataset, batch) = match &receipt.kind {
        Kind::Profile(profile) => (wire::Kind::Profile, Some(profile), None, None),
        Kind::Identity(profile) => (wire::Kind::Identity, Some(profile), None, None),
        Kind::Event(profile) => (wire::Kind::Event, Some(profile), None, None),
        Kind::Source { dataset, batch: None } => (wire::Kind::Dataset, None, Some(dataset), None),
        Kind::Source { dataset, batch: Some(batch) } => (wire::Kind::Batch, None, Some(dataset), Some(batch)),
    };
    wire::Erasure {
        id: receipt.id.to_string(),
        at: format_timestamp(receipt.at),
        kind,
        key: receipt.by.map(|key| key.to_string()),
        suppressed: receipt.suppressed,
        profile_id: profile.map(ToString::to_string),
        dataset: dataset.map(ToString::to_string),
        batch: batch.map(ToString::to_string),
        identities,
        attributes,
        links,
        events,
        quarantined,
        replies,
        state: if receipt.purged_at.is_some() { wire::State::Purged } else { wire::State::Erased },
        purged_at: receipt.purged_at.map(format_timestamp),
    }
}
