//! From what the service gives to answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use tessera_service::clock::format_timestamp;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::payload::Payload;
use tessera_service::workspace_config::StoredConfig;
use tessera_service::{DocumentProfile, KnownIdentity, StoredCall, Summary};

use super::parse::{Class, Collection};
use super::wire::{Event, EventId, ExternalId, Link, Metadata, Trait, VerboseTrait};

/// How the API says that an id is not encoded.
const ENCODING: &str = "none";

/// The traits of a profile that are of this class, by name. An audience whose name an attribute has too is shown where audiences are asked for.
pub(super) fn traits(
    profile: &DocumentProfile,
    class: Class,
    verbose: bool,
) -> Result<BTreeMap<Arc<str>, Trait>, Error> {
    let shown = |value, said: (Option<Arc<str>>, Option<String>)| match verbose {
        false => Trait::Plain(value),
        true => Trait::Verbose(VerboseTrait { value, source_id: said.0, updated_at: said.1 }),
    };
    let mut traits = BTreeMap::new();
    if class != Class::ComputedTrait {
        for name in &profile.segments {
            traits.insert(name.clone(), shown(RawValue::TRUE.to_owned(), (None, None)));
        }
    }
    let is_of_class = |is_computed: bool| match class {
        Class::Any => true,
        Class::Audience => false,
        Class::ComputedTrait => is_computed,
    };
    for field in profile.fields.iter().filter(|field| is_of_class(field.is_computed)) {
        let said = (field.dataset.clone(), field.updated.map(format_timestamp));
        traits.insert(field.name.clone(), shown(raw(&field.json)?, said));
    }
    Ok(traits)
}

fn raw(json: &[u8]) -> Result<Box<RawValue>, Error> {
    serde_json::from_slice(json).map_err(|_| corrupt("an attribute"))
}

fn corrupt(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "corrupt", format!("{what} is no json"))
}

/// An identity.
pub(super) fn external_id(own: KnownIdentity) -> ExternalId {
    ExternalId {
        source_id: own.first_dataset,
        collection: Collection::of(own.kind).name(),
        id: own.identity.value,
        r#type: own.identity.namespace,
        created_at: format_timestamp(own.created_at),
        encoding: ENCODING,
        first_message_id: None,
    }
}

/// A profile of this collection that another one is linked to.
pub(super) fn link(to: Collection, linked: Summary) -> Link {
    let external_ids = linked.identities.into_iter().map(external_id).collect();
    Link { to_collection: to.name(), external_ids }
}

/// A call on the timeline.
pub(super) fn event<'a>(call: &'a StoredCall, config: &StoredConfig) -> Result<Event<'a>, Error> {
    let payload: Payload<'_> =
        serde_json::from_slice(&call.payload).map_err(|_| corrupt("the payload of a stored call"))?;
    let named = call.identities.iter().filter_map(|identity| {
        let namespace = config.namespaces().iter().find(|own| own.id == identity.namespace)?;
        Some(EventId {
            collection: Collection::of(namespace.kind).name(),
            r#type: namespace.name.to_string(),
            id: identity.value.clone(),
            encoding: ENCODING,
        })
    });
    Ok(Event {
        external_ids: named.collect(),
        context: payload.context,
        r#type: call.kind.name(),
        message_id: call.message_id.clone(),
        source_id: call.dataset.clone(),
        timestamp: format_timestamp(call.time),
        properties: payload.properties,
        traits: payload.traits,
        event: call.name.clone(),
        related: None,
    })
}

/// When a profile began and last changed, with the oldest and the newest call of its timeline.
pub(super) fn metadata(summary: &Summary, first: Option<&StoredCall>, last: Option<&StoredCall>) -> Metadata {
    Metadata {
        created_at: format_timestamp(summary.created_at),
        updated_at: format_timestamp(summary.updated_at),
        expires_at: None,
        first_message_id: first.map(|call| call.message_id.clone()),
        first_source_id: first.map(|call| call.dataset.clone()),
        last_message_id: last.map(|call| call.message_id.clone()),
        last_source_id: last.map(|call| call.dataset.clone()),
    }
}
