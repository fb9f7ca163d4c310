//! The form of deliveries and events. Everything but the outermost object is kept raw: a wrong type inside one event is that
//! event's affair.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use tessera_engine::normalise::spelled_number;
use tessera_seam::bounds::BATCH_EVENTS_MAX;
use tessera_seam::counted::Counted;
use utoipa::ToSchema;

/// A delivery: the body of `/v1/batch` and its like.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventBatch)]
pub(crate) struct Envelope<'a> {
    /// The events, 1 to 2,500.
    #[serde(borrow)]
    #[schema(value_type = Vec<Item<'static>>)]
    pub(crate) batch: Option<Counted<&'a RawValue, BATCH_EVENTS_MAX>>,
    /// Laid under the `context` of each event.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    pub(crate) context: Option<&'a RawValue>,
    /// Laid under the `integrations` of each event.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    pub(crate) integrations: Option<&'a RawValue>,
    /// When it was sent, by the device's clock.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) sent_at: Option<&'a RawValue>,
    /// The type of events that do not say theirs.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) r#type: Option<&'a RawValue>,
}

/// Where browsers put their key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WithKey<'a> {
    #[serde(borrow)]
    pub(crate) write_key: Option<&'a RawValue>,
}

/// One event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Event)]
pub(crate) struct Item<'a> {
    /// `track`, `identify`, `page`, `screen`, `group` or `alias`; on paths of one type it may be left out.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) r#type: Option<&'a RawValue>,
    /// Makes the event one, however often it is sent; at most 100 characters. Made here where it is left out.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) message_id: Option<&'a RawValue>,
    /// The id of a known person. Numbers are taken as text.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) user_id: Option<&'a RawValue>,
    /// The id of a device or browser.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) anonymous_id: Option<&'a RawValue>,
    /// For `alias`: the id that is now also this user.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) previous_id: Option<&'a RawValue>,
    /// For `group`: the account.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) group_id: Option<&'a RawValue>,
    /// For `track`: what happened.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) event: Option<&'a RawValue>,
    /// For `page` and `screen`: its name.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) name: Option<&'a RawValue>,
    /// For `page` and `screen`: its category.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) category: Option<&'a RawValue>,
    /// What is said about the event.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    pub(crate) properties: Option<&'a RawValue>,
    /// For `identify`: what is said about the person; for `group`: about the account. `null` removes.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    pub(crate) traits: Option<&'a RawValue>,
    /// What is said about device and page; `traits` and `externalIds` in it identify the person.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    pub(crate) context: Option<&'a RawValue>,
    /// Where else the sender wants it to go; kept.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    pub(crate) integrations: Option<&'a RawValue>,
    /// When it happened, in ISO 8601.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) timestamp: Option<&'a RawValue>,
    /// The same by the device's clock.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) original_timestamp: Option<&'a RawValue>,
    /// When it was sent, by the device's clock: shows how far that is off.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub(crate) sent_at: Option<&'a RawValue>,
}

impl Item<'_> {
    /// The names of its members.
    pub(crate) const MEMBERS: [&'static str; 16] = [
        "type",
        "messageId",
        "userId",
        "anonymousId",
        "previousId",
        "groupId",
        "event",
        "name",
        "category",
        "properties",
        "traits",
        "context",
        "integrations",
        "timestamp",
        "originalTimestamp",
        "sentAt",
    ];

    /// How many of its members are there and not null.
    pub(crate) fn said(&self) -> usize {
        let Self { r#type, message_id, user_id, anonymous_id, previous_id, group_id, event, name, .. } = self;
        let Self {
            category, properties, traits, context, integrations, timestamp, original_timestamp, sent_at, ..
        } = self;
        let ids = [r#type, message_id, user_id, anonymous_id, previous_id, group_id, event, name];
        let rest = [category, properties, traits, context, integrations, timestamp, original_timestamp, sent_at];
        ids.into_iter().chain(rest).flatten().count()
    }
}

/// The members of `context` that identify somebody.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Context<'a> {
    #[serde(borrow)]
    pub(crate) traits: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) external_ids: Option<&'a RawValue>,
}

/// The traits by which a person can be found.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Contact<'a> {
    #[serde(borrow)]
    pub(crate) email: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) phone: Option<&'a RawValue>,
}

/// An item of `context.externalIds`.
#[derive(Debug, Deserialize)]
pub(crate) struct ExternalId<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) r#type: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) collection: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) encoding: Option<&'a RawValue>,
}

/// Why a value is no id or name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoText;

/// A value as text: texts as they are, numbers in their one spelling, booleans as they are written. Blank counts as absent.
pub(crate) fn text(value: Option<&RawValue>) -> Result<Option<Cow<'_, str>>, NoText> {
    let Some(json) = value.map(RawValue::get) else { return Ok(None) };
    let text = match json.as_bytes() {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => Cow::Borrowed(&json[1..json.len() - 1]),
        [b'"', ..] => Cow::Owned(serde_json::from_str(json).map_err(|_| NoText)?),
        [b'{' | b'[', ..] => return Err(NoText),
        b"null" => return Ok(None),
        _ => spelled_number(json),
    };
    Ok((!text.trim().is_empty()).then_some(text))
}

/// A value that must be an object where it is given.
pub(crate) fn object(value: Option<&RawValue>) -> Result<Option<&RawValue>, NoText> {
    match value {
        Some(value) if value.get().starts_with('{') => Ok(Some(value)),
        Some(_) => Err(NoText),
        None => Ok(None),
    }
}
