//! The row of the data model: its own version and what is registered. Version 1.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::model::{
    Allowed, Attribute, DataModel, Definition, EventType, Flags, ItemList, Mode, Property, Scalar, Status, Type, Window,
};
use tessera_engine::value::{Path, Value};

use crate::base::codec;
use crate::base::error::Error;
use crate::config::workspace::StoredModel;
use crate::stored::records::value::ValueRecord;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct ModelRecord<'a> {
    version: u64,
    mode: ModeRecord,
    #[serde(borrow)]
    datasets: Vec<(&'a str, ModeRecord)>,
    #[serde(borrow)]
    attributes: Vec<AttributeRecord<'a>>,
    #[serde(borrow)]
    event_types: Vec<EventTypeRecord<'a>>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum ModeRecord {
    Open,
    Warn,
    Strict,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum ScalarRecord {
    Text,
    Number,
    Integer,
    Boolean,
    Date,
    DateTime,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum TypeRecord {
    Scalar(ScalarRecord),
    Set(Option<ScalarRecord>),
    List(Option<ScalarRecord>),
    Object,
}

#[derive(Serialize, Deserialize)]
struct AllowedRecord<'a> {
    #[serde(borrow)]
    values: Vec<ValueRecord<'a>>,
    others: bool,
}

#[derive(Serialize, Deserialize)]
struct AttributeRecord<'a> {
    path: &'a str,
    r#type: TypeRecord,
    inactive: bool,
    internal: bool,
    private: bool,
    label: Option<&'a str>,
    description: Option<&'a str>,
    #[serde(borrow)]
    allowed: Option<AllowedRecord<'a>>,
    /// Minutes.
    relevance: Option<u32>,
    /// Minutes.
    retention: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct PropertyRecord<'a> {
    path: &'a str,
    r#type: TypeRecord,
    required: bool,
    internal: bool,
    private: bool,
    description: Option<&'a str>,
    #[serde(borrow)]
    allowed: Option<AllowedRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ItemListRecord<'a> {
    path: &'a str,
    required: bool,
    #[serde(borrow)]
    properties: Vec<PropertyRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct EventTypeRecord<'a> {
    name: &'a str,
    inactive: bool,
    internal: bool,
    private: bool,
    label: Option<&'a str>,
    description: Option<&'a str>,
    #[serde(borrow)]
    properties: Vec<PropertyRecord<'a>>,
    #[serde(borrow)]
    items: Vec<ItemListRecord<'a>>,
    /// Minutes.
    retention: Option<u32>,
}

/// Writes the row of a data model.
#[must_use]
pub fn encode_model(stored: &StoredModel) -> Bytes {
    let definition = stored.model.definition();
    let record = ModelRecord {
        version: stored.version,
        mode: definition.mode.into(),
        datasets: definition.datasets.iter().map(|(name, mode)| (&**name, ModeRecord::from(*mode))).collect(),
        attributes: definition.attributes.iter().map(AttributeRecord::from).collect(),
        event_types: definition.event_types.iter().map(EventTypeRecord::from).collect(),
    };
    codec::encode(VERSION, &record)
}

/// Reads the row of a data model.
///
/// # Errors
/// `Corrupt`.
pub fn decode_model(bytes: &[u8]) -> Result<StoredModel, Error> {
    let record: ModelRecord<'_> = codec::decode(VERSION, bytes)?;
    let definition = Definition {
        mode: record.mode.into(),
        datasets: record.datasets.into_iter().map(|(name, mode)| (name.into(), mode.into())).collect(),
        attributes: record.attributes.into_iter().map(read_attribute).collect::<Result<_, _>>()?,
        event_types: record.event_types.into_iter().map(read_event_type).collect::<Result<_, _>>()?,
    };
    let model = DataModel::new(definition).map_err(|_| codec::corrupt("data model"))?;
    Ok(StoredModel { version: record.version, model: Arc::new(model) })
}

impl From<Mode> for ModeRecord {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Open => Self::Open,
            Mode::Warn => Self::Warn,
            Mode::Strict => Self::Strict,
        }
    }
}

impl From<ModeRecord> for Mode {
    fn from(record: ModeRecord) -> Self {
        match record {
            ModeRecord::Open => Self::Open,
            ModeRecord::Warn => Self::Warn,
            ModeRecord::Strict => Self::Strict,
        }
    }
}

impl From<Scalar> for ScalarRecord {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Text => Self::Text,
            Scalar::Number => Self::Number,
            Scalar::Integer => Self::Integer,
            Scalar::Boolean => Self::Boolean,
            Scalar::Date => Self::Date,
            Scalar::DateTime => Self::DateTime,
        }
    }
}

impl From<ScalarRecord> for Scalar {
    fn from(record: ScalarRecord) -> Self {
        match record {
            ScalarRecord::Text => Self::Text,
            ScalarRecord::Number => Self::Number,
            ScalarRecord::Integer => Self::Integer,
            ScalarRecord::Boolean => Self::Boolean,
            ScalarRecord::Date => Self::Date,
            ScalarRecord::DateTime => Self::DateTime,
        }
    }
}

impl From<Type> for TypeRecord {
    fn from(own: Type) -> Self {
        match own {
            Type::Scalar(scalar) => Self::Scalar(scalar.into()),
            Type::Set { of } => Self::Set(of.map(ScalarRecord::from)),
            Type::List { of } => Self::List(of.map(ScalarRecord::from)),
            Type::Object => Self::Object,
        }
    }
}

impl From<TypeRecord> for Type {
    fn from(record: TypeRecord) -> Self {
        match record {
            TypeRecord::Scalar(scalar) => Self::Scalar(scalar.into()),
            TypeRecord::Set(of) => Self::Set { of: of.map(Scalar::from) },
            TypeRecord::List(of) => Self::List { of: of.map(Scalar::from) },
            TypeRecord::Object => Self::Object,
        }
    }
}

impl<'a> From<&'a Allowed> for AllowedRecord<'a> {
    fn from(allowed: &'a Allowed) -> Self {
        Self { values: allowed.values.iter().map(ValueRecord::from).collect(), others: allowed.others }
    }
}

impl<'a> From<(&'a Path, &'a Attribute)> for AttributeRecord<'a> {
    fn from((path, attribute): (&'a Path, &'a Attribute)) -> Self {
        Self {
            path: path.as_str(),
            r#type: attribute.r#type.into(),
            inactive: attribute.status == Status::Inactive,
            internal: attribute.flags.internal,
            private: attribute.flags.private,
            label: attribute.label.as_deref(),
            description: attribute.description.as_deref(),
            allowed: attribute.allowed.as_ref().map(AllowedRecord::from),
            relevance: attribute.relevance.map(Window::minutes),
            retention: attribute.retention.map(Window::minutes),
        }
    }
}

impl<'a> From<(&'a Path, &'a Property)> for PropertyRecord<'a> {
    fn from((path, property): (&'a Path, &'a Property)) -> Self {
        Self {
            path: path.as_str(),
            r#type: property.r#type.into(),
            required: property.required,
            internal: property.flags.internal,
            private: property.flags.private,
            description: property.description.as_deref(),
            allowed: property.allowed.as_ref().map(AllowedRecord::from),
        }
    }
}

impl<'a> From<(&'a Arc<str>, &'a EventType)> for EventTypeRecord<'a> {
    fn from((name, own): (&'a Arc<str>, &'a EventType)) -> Self {
        let items = |(path, list): (&'a Path, &'a ItemList)| ItemListRecord {
            path: path.as_str(),
            required: list.required,
            properties: list.properties.iter().map(PropertyRecord::from).collect(),
        };
        Self {
            name,
            inactive: own.status == Status::Inactive,
            internal: own.flags.internal,
            private: own.flags.private,
            label: own.label.as_deref(),
            description: own.description.as_deref(),
            properties: own.properties.iter().map(PropertyRecord::from).collect(),
            items: own.items.iter().map(items).collect(),
            retention: own.retention.map(Window::minutes),
        }
    }
}

fn read_attribute(record: AttributeRecord<'_>) -> Result<(Path, Attribute), Error> {
    let attribute = Attribute {
        r#type: record.r#type.into(),
        status: status(record.inactive),
        flags: Flags { internal: record.internal, private: record.private },
        label: record.label.map(Arc::from),
        description: record.description.map(Arc::from),
        allowed: record.allowed.map(read_allowed).transpose()?,
        relevance: record.relevance.map(window).transpose()?,
        retention: record.retention.map(window).transpose()?,
    };
    Ok((path(record.path)?, attribute))
}

fn read_property(record: PropertyRecord<'_>) -> Result<(Path, Property), Error> {
    let property = Property {
        r#type: record.r#type.into(),
        required: record.required,
        flags: Flags { internal: record.internal, private: record.private },
        description: record.description.map(Arc::from),
        allowed: record.allowed.map(read_allowed).transpose()?,
    };
    Ok((path(record.path)?, property))
}

fn read_event_type(record: EventTypeRecord<'_>) -> Result<(Arc<str>, EventType), Error> {
    let properties = |records: Vec<PropertyRecord<'_>>| {
        records.into_iter().map(read_property).collect::<Result<BTreeMap<_, _>, Error>>()
    };
    let mut items = BTreeMap::new();
    for ItemListRecord { path: own, required, properties: records } in record.items {
        items.insert(path(own)?, ItemList { required, properties: properties(records)? });
    }
    let own = EventType {
        status: status(record.inactive),
        flags: Flags { internal: record.internal, private: record.private },
        label: record.label.map(Arc::from),
        description: record.description.map(Arc::from),
        properties: properties(record.properties)?,
        items,
        retention: record.retention.map(window).transpose()?,
    };
    Ok((record.name.into(), own))
}

fn read_allowed(record: AllowedRecord<'_>) -> Result<Allowed, Error> {
    let values = record.values.into_iter().map(Value::try_from).collect::<Result<_, _>>()?;
    Ok(Allowed { values, others: record.others })
}

const fn status(inactive: bool) -> Status {
    if inactive { Status::Inactive } else { Status::Active }
}

fn window(minutes: u32) -> Result<Window, Error> {
    Window::from_minutes(minutes).map_err(|_| codec::corrupt("window"))
}

fn path(text: &str) -> Result<Path, Error> {
    Path::parse(text).map_err(|_| codec::corrupt("path of the data model"))
}
