//! The form of the data model in requests and answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

/// The data model of a workspace, and what was seen that it does not know yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DataModel {
    /// It grows by one with every change; also the `ETag`.
    pub(super) version: u64,
    /// What is registered.
    pub(super) model: Model,
    /// The kinds of identities. They are administered at `/v1/admin/namespaces`.
    pub(super) namespaces: Vec<ModelNamespace>,
    /// What was seen in datasets that are not strict; left out with `?learned=false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) learned: Option<Learned>,
}

/// What was seen of attributes and events: advice. Counts are of what came in, duplicates included; a kill of the server loses what
/// was seen in the last minute.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Learned {
    /// The attributes, by path.
    pub(super) attributes: BTreeMap<String, Seen>,
    /// The events, by name.
    pub(super) event_types: BTreeMap<String, SeenEvent>,
    /// Whether there were more than the 5,000 things that are known.
    pub(super) overflowed: bool,
}

/// What was seen of an attribute or a property.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Seen {
    /// The types of its values, the narrowest that hold each: a text that spells a day is a `date`.
    pub(super) types: Vec<&'static str>,
    /// When and where.
    #[serde(flatten)]
    pub(super) occurrence: Occurrence,
}

/// How often, when and where something was seen.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Occurrence {
    /// The datasets, at most 20.
    pub(super) datasets: Vec<String>,
    /// Whether it was seen in others too.
    pub(super) more_datasets: bool,
    /// How often. Properties are looked at in the first 64 events of a name and in one of 256 after that.
    pub(super) count: u64,
    /// When it first came in.
    pub(super) first_seen: String,
    /// When it last came in.
    pub(super) last_seen: String,
}

/// What was seen of the events of a name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SeenEvent {
    /// When and where.
    #[serde(flatten)]
    pub(super) occurrence: Occurrence,
    /// Their properties, by path.
    pub(super) properties: BTreeMap<String, Seen>,
}

/// What is registered: the form in which it is read and written as a whole.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    /// What becomes of data that is not registered or of another type, in datasets without a mode of their own: `open` (it is
    /// stored), `warn` (it is stored and its sender is told) or `strict` (it is refused).
    #[serde(default = "open")]
    pub(super) mode: String,
    /// Datasets with a mode of their own, by name.
    #[serde(default)]
    pub(super) datasets: BTreeMap<String, DatasetMode>,
    /// The attributes of persons and accounts, by path (`address.city`; a dot or backslash in a name follows a backslash).
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, Attribute>,
    /// The event types, by the name of their events.
    #[serde(default)]
    pub(super) event_types: BTreeMap<String, EventType>,
}

fn open() -> String {
    "open".to_owned()
}

/// The mode of one dataset.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DatasetMode {
    /// `open`, `warn` or `strict`.
    pub(super) mode: String,
}

/// A registered attribute.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RegisteredAttribute)]
pub(super) struct Attribute {
    /// `text`, `number`, `integer`, `boolean`, `date`, `date_time`, `set`, `list` or `object`.
    pub(super) r#type: String,
    /// Of a `set` or `list`: the type of its members, one of the first six; anything where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<String>,
    /// `active`, or `inactive`: then it takes no new data, and what is stored is read as before.
    #[serde(default = "active")]
    pub(super) status: String,
    /// Shown only to keys with the permission `configure`, with all below it.
    #[serde(default)]
    pub(super) internal: bool,
    /// Shown only to keys with the permission `read_private`, with all below it.
    #[serde(default)]
    pub(super) private: bool,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// The only values that it, or its members, may take: texts, numbers, booleans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub(super) allowed_values: Option<Vec<Json>>,
    /// Whether others are taken too: then `allowed_values` only says what is usual.
    #[serde(default)]
    pub(super) allow_other_values: bool,
    /// How long after its time a value is relevant, as in `90d`: a whole number and `m`, `h` or `d`. It stays, marked so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) relevance: Option<String>,
    /// How long after its time a value is kept, not shorter than its relevance. Then it is gone, with all below it. A window that
    /// becomes longer brings nothing back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retention: Option<String>,
}

fn active() -> String {
    "active".to_owned()
}

/// A registered property of an event or of an item.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RegisteredProperty)]
pub(super) struct Property {
    /// As of an attribute.
    pub(super) r#type: String,
    /// As of an attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<String>,
    /// Whether each event has to have it, and not null.
    #[serde(default)]
    pub(super) required: bool,
    /// Shown only to keys with the permission `configure`.
    #[serde(default)]
    pub(super) internal: bool,
    /// Shown only to keys with the permission `read_private`.
    #[serde(default)]
    pub(super) private: bool,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// As of an attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub(super) allowed_values: Option<Vec<Json>>,
    /// As of an attribute.
    #[serde(default)]
    pub(super) allow_other_values: bool,
}

/// A property that holds a list of objects.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemList {
    /// Whether each event has to have it.
    #[serde(default)]
    pub(super) required: bool,
    /// The properties of each item, by path.
    #[serde(default)]
    pub(super) properties: BTreeMap<String, Property>,
}

/// A registered type of events.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventType {
    /// `active`, or `inactive`: then it takes no new events, and what is stored is read as before.
    #[serde(default = "active")]
    pub(super) status: String,
    /// Events of it are shown only to keys with the permission `configure`.
    #[serde(default)]
    pub(super) internal: bool,
    /// Events of it are shown only to keys with the permission `read_private`.
    #[serde(default)]
    pub(super) private: bool,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// Its properties, by path.
    #[serde(default)]
    pub(super) properties: BTreeMap<String, Property>,
    /// Its lists of items, by path.
    #[serde(default)]
    pub(super) items: BTreeMap<String, ItemList>,
    /// How long after its time an event is kept, as in `400d`. Then it is gone, and a longer window brings nothing back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retention: Option<String>,
}

/// A kind of identity, as the data model shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelNamespace {
    /// Its name.
    pub(super) name: String,
    /// `person` or `account`.
    pub(super) kind: &'static str,
    /// The higher, the more an identity of it decides whose an event is.
    pub(super) priority: u16,
    /// Whether a profile holds at most one value of it.
    pub(super) exclusive: bool,
}

/// What a change of the data model came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DataModelChange)]
pub(super) struct Change {
    /// The version that holds now.
    pub(super) version: u64,
    /// Whether this was only a trial: nothing was changed.
    pub(super) dry_run: bool,
    /// Everything that differs from before; empty where nothing does.
    pub(super) differences: Vec<Difference>,
    /// What is stored and contradicts the change. With `force` nothing is compared.
    pub(super) contradictions: Contradictions,
    /// Advice, for which nothing is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<ModelWarning>,
}

/// Something that whoever changes the data model may want to know.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DataModelWarning)]
pub(super) struct ModelWarning {
    /// `identifier`: an attribute that only some may see has the name of a namespace. Its identifiers are shown to all who read.
    pub(super) kind: &'static str,
    /// The attribute's path.
    pub(super) name: String,
    /// What is to be said of it.
    pub(super) message: String,
}

/// Stored values and events that contradict a change; beside `error` where it is refused for them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Contradictions {
    /// How many.
    pub(super) count: u64,
    /// The first of them, at most ten; none for a key that may not read profiles, or from which the data model hides something.
    pub(super) examples: Vec<Contradiction>,
}

/// One of them: where it is, not what.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Contradiction {
    /// The profile that it belongs to.
    pub(super) profile_id: String,
    /// The name of the event; null for an attribute.
    pub(super) event: Option<String>,
    /// The path of the attribute, or of the first property that does not fit.
    pub(super) path: String,
    /// What does not fit: as the code of an event or attribute that is refused.
    pub(super) code: &'static str,
    /// What the change expects.
    pub(super) expected: String,
    /// The type that was found, where it is about the type.
    pub(super) found: Option<&'static str>,
}

/// One thing that differs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DataModelDifference)]
pub(super) struct Difference {
    /// `mode`, `dataset`, `attribute` or `event_type`.
    pub(super) kind: &'static str,
    /// Its name or path; null for the workspace's mode.
    pub(super) name: Option<String>,
    /// `added`, `changed` or `removed`.
    pub(super) change: &'static str,
}
