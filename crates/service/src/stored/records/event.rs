//! A call on a timeline. Version 1. Its owner, time and id stand in its key.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::config::NamespaceId;
use tessera_engine::decide::NewEvent;
use tessera_engine::fact::{Call, EventKind, Identity};
use tessera_engine::id::EventId;
use tessera_engine::rules::Event;
use tessera_engine::time::Timestamp;
use tessera_store::Key;

use super::value::time;
use crate::base::codec;
use crate::base::error::Error;
use crate::stored::layout::read_event_key;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct EventRecord<'a> {
    kind: KindRecord,
    name: Option<&'a str>,
    message_id: &'a str,
    received_at: i64,
    dataset: &'a str,
    batch: Option<&'a str>,
    #[serde(borrow)]
    identities: Vec<(u16, &'a str)>,
    #[serde(borrow)]
    payload: &'a [u8],
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum KindRecord {
    Track,
    Page,
    Screen,
    Identify,
    Group,
    Alias,
}

/// Writes an accepted call.
#[must_use]
pub fn encode(event: &NewEvent) -> Bytes {
    let kind = match event.call.kind {
        EventKind::Action => KindRecord::Track,
        EventKind::PageView => KindRecord::Page,
        EventKind::ScreenView => KindRecord::Screen,
        EventKind::Description => KindRecord::Identify,
        EventKind::Affiliation => KindRecord::Group,
        EventKind::SamePerson => KindRecord::Alias,
    };
    let record = EventRecord {
        kind,
        name: event.call.name.as_deref(),
        message_id: &event.fact_id,
        received_at: event.received_at.micros(),
        dataset: &event.dataset,
        batch: event.batch.as_deref(),
        identities: event.identities.iter().map(|own| (own.namespace.number(), &*own.value)).collect(),
        payload: &event.call.payload,
    };
    codec::encode(VERSION, &record)
}

/// Reads a call, as rules see it, from its row.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode_for_rules(key: &Key, bytes: &Bytes) -> Result<Event, Error> {
    let (_, at, id) = read_event_key(key).ok_or_else(|| codec::corrupt("event key"))?;
    let record: EventRecord<'_> = codec::decode(VERSION, bytes)?;
    Ok(call(id, at, bytes, &record)?.into())
}

/// Reads a call; the key tells its id and time.
///
/// # Errors
/// `Corrupt`.
pub fn decode(
    id: tessera_engine::id::EventId,
    at: tessera_engine::time::Timestamp,
    bytes: &Bytes,
) -> Result<StoredCall, Error> {
    let record: EventRecord<'_> = codec::decode(VERSION, bytes)?;
    let identity =
        |(namespace, value): &(u16, &str)| Identity { namespace: NamespaceId::new(*namespace), value: (*value).into() };
    let identities = record.identities.iter().map(identity).collect();
    Ok(StoredCall { identities, ..call(id, at, bytes, &record)? })
}

/// The call of a record, without its identities.
fn call(id: EventId, at: Timestamp, bytes: &Bytes, record: &EventRecord<'_>) -> Result<StoredCall, Error> {
    let kind = match record.kind {
        KindRecord::Track => EventKind::Action,
        KindRecord::Page => EventKind::PageView,
        KindRecord::Screen => EventKind::ScreenView,
        KindRecord::Identify => EventKind::Description,
        KindRecord::Group => EventKind::Affiliation,
        KindRecord::Alias => EventKind::SamePerson,
    };
    Ok(StoredCall {
        id,
        message_id: record.message_id.into(),
        kind,
        name: record.name.map(Into::into),
        time: at,
        received_at: time(record.received_at)?,
        dataset: record.dataset.into(),
        batch: record.batch.map(Into::into),
        identities: Vec::new(),
        payload: bytes.slice_ref(record.payload),
    })
}

/// A call on the timeline.
#[derive(Debug, Clone)]
pub struct StoredCall {
    /// Its id.
    pub id: EventId,
    /// The id it was sent with.
    pub message_id: Arc<str>,
    /// Which call it was.
    pub kind: EventKind,
    /// The event's name; none for identify, group and alias.
    pub name: Option<Arc<str>>,
    /// When it happened.
    pub time: Timestamp,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// The dataset it came in.
    pub dataset: Arc<str>,
    /// The named delivery, if any.
    pub batch: Option<Arc<str>>,
    /// The identities that it named, its owner first.
    pub identities: Vec<Identity>,
    /// The payload, as the door stored it.
    pub payload: Bytes,
}

impl From<StoredCall> for Event {
    fn from(call: StoredCall) -> Self {
        let StoredCall { id, message_id, kind, name, time, received_at, dataset, batch, identities: _, payload } = call;
        Self::new((time, id), message_id, received_at, (dataset, batch), Call { kind, name, payload })
    }
}
