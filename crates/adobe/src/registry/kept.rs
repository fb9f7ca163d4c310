//! Schemas, descriptors and datasets as they are kept, and what they say of what is sent.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tessera_engine::config::Kind;
use tessera_engine::time::Timestamp;
use tessera_seam::answer::invalid;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::StoredConfig;
use utoipa::ToSchema;

use super::super::enter::Asked;
use super::Place;

/// The kinds of objects.
pub(super) const SCHEMA: &str = "adobe.schema";
pub(super) const DESCRIPTOR: &str = "adobe.descriptor";
pub(super) const DATASET: &str = "adobe.dataset";
/// The one type of descriptors that is kept.
pub(super) const DESCRIPTOR_TYPE: &str = "xdm:descriptorIdentity";

/// An object whose members are the API's own.
#[derive(Deserialize, ToSchema)]
#[schema(as = AdobeResource)]
#[serde(transparent)]
pub(super) struct Free(pub(super) Map<String, Value>);

/// What entities of a schema are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum XdmClass {
    /// The latest state of a person.
    Profile,
    /// The latest state of an account.
    Account,
    /// Something that happened.
    Event,
}

impl XdmClass {
    /// All of them, by the `$id` and the name that the API has for each.
    pub(super) const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Profile, "https://ns.adobe.com/xdm/context/profile", "_xdm.context.profile"),
        (Self::Account, "https://ns.adobe.com/xdm/context/account", "_xdm.context.account"),
        (Self::Event, "https://ns.adobe.com/xdm/context/experienceevent", "_xdm.context.experienceevent"),
    ];

    fn id(self) -> &'static str {
        Self::ALL.iter().find(|(own, _, _)| *own == self).map_or("", |(_, id, _)| id)
    }
}

/// A schema.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Schema {
    /// The part of its ids that is its own.
    pub(super) id: String,
    /// Its `$id`.
    pub(super) uri: String,
    pub(super) class: XdmClass,
    /// What was sent.
    pub(super) sent: Map<String, Value>,
    /// Milliseconds since 1970.
    pub(super) created: i64,
}

/// An identity descriptor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Descriptor {
    pub(super) id: String,
    /// The `$id` of its schema.
    pub(super) schema: String,
    /// The names on the way to the identity; `*` goes through a list.
    pub(super) path: Vec<String>,
    /// The code of the namespace.
    pub(super) code: String,
    pub(super) is_primary: bool,
    /// What was sent.
    pub(super) sent: Map<String, Value>,
}

/// A dataset.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Dataset {
    pub(super) id: String,
    pub(super) name: String,
    /// The `$id` of its schema.
    pub(super) schema: String,
    pub(super) tags: BTreeMap<String, Vec<String>>,
    /// What was sent besides.
    pub(super) sent: Map<String, Value>,
    /// Milliseconds since 1970.
    pub(super) created: i64,
    pub(super) updated: i64,
}

/// What is sent to a dataset: of which class, and where its identities stand.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(crate) dataset: String,
    pub(crate) class: XdmClass,
    /// Whether a record leaves what it does not say as it is, instead of removing it.
    pub(crate) is_upsert: bool,
    pub(crate) identities: Vec<IdentityField>,
    /// The namespaces of accounts, by name.
    pub(crate) accounts: Vec<String>,
}

/// A place where an identity stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IdentityField {
    pub(crate) path: Vec<String>,
    pub(crate) code: String,
    pub(crate) is_primary: bool,
}

/// What is sent to the dataset of this id. What names a schema beside it has to name the dataset's.
///
/// # Errors
/// `resource_not_found`, `schema_differs`, `dataset_not_enabled`.
pub(crate) fn layout_of(config: &StoredConfig, dataset: &str, named: Option<&str>) -> Result<Layout, Error> {
    let dataset: Dataset = find(config, DATASET, dataset)?;
    if named.is_some_and(|named| named != dataset.schema) {
        return Err(invalid("schema_differs", "the message names another schema than that of its dataset"));
    }
    if !dataset.has_tag("unifiedProfile", "enabled:true") {
        let message = "the dataset is not enabled for profiles, and nothing else is kept here: give it the tag unifiedProfile enabled:true";
        return Err(invalid("dataset_not_enabled", message));
    }
    let class = schema(config, &dataset.schema)?.class;
    let descriptors = all::<Descriptor>(config, DESCRIPTOR)?.into_iter().filter(|own| own.schema == dataset.schema);
    let field = |own: Descriptor| IdentityField { path: own.path, code: own.code, is_primary: own.is_primary };
    let identities = descriptors.map(field).collect();
    let is_upsert = dataset.has_tag("unifiedProfile", "isUpsert:true");
    let accounts = config.namespaces().iter().filter(|own| own.kind == Kind::Account);
    let accounts = accounts.map(|own| own.name.to_string()).collect();
    Ok(Layout { dataset: dataset.id, class, is_upsert, identities, accounts })
}

/// The class of what is sent to a dataset; none where it was not made here.
///
/// # Errors
/// `resource_not_found`, `corrupt`.
pub(crate) fn class_of(config: &StoredConfig, dataset: &str) -> Result<Option<XdmClass>, Error> {
    let Some(json) = config.objects().get(DATASET, dataset) else { return Ok(None) };
    Ok(Some(schema(config, &read::<Dataset>(json)?.schema)?.class))
}

/// All objects of a kind, by id.
///
/// # Errors
/// `corrupt`.
pub(crate) fn all<T: DeserializeOwned>(config: &StoredConfig, kind: &str) -> Result<Vec<T>, Error> {
    config.objects().of(kind).map(|(_, json)| read(json)).collect()
}

/// The object of a kind and id.
///
/// # Errors
/// `resource_not_found`, `corrupt`.
pub(crate) fn find<T: DeserializeOwned>(config: &StoredConfig, kind: &str, id: &str) -> Result<T, Error> {
    config.objects().get(kind, id).map_or_else(|| Err(not_found()), read)
}

/// The schema of a `$id`, a `meta:altId`, or the part of these that is its own.
///
/// # Errors
/// `resource_not_found`, `corrupt`.
pub(super) fn schema(config: &StoredConfig, id: &str) -> Result<Schema, Error> {
    let own = id.rsplit(['/', '.']).next().unwrap_or(id);
    find(config, SCHEMA, own)
}

/// An object as it is kept.
pub(crate) fn written<T: Serialize>(object: &T) -> String {
    serde_json::to_string(object).expect("objects have text keys and serialise without fail")
}

pub(crate) fn read<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json)
        .map_err(|_| Error::new(ErrorKind::Corrupt, "corrupt", "what is kept of an object cannot be read"))
}

pub(crate) fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "resource_not_found", "no schema, descriptor or dataset has this id")
}

fn taken(what: &str) -> Error {
    Error::new(ErrorKind::Conflict, "resource_exists", what.to_owned())
}

type Changes = Result<Vec<(Place, Option<String>)>, Error>;

impl Schema {
    /// As answers show it.
    pub(super) fn shown(&self, org: &str) -> Value {
        let mut shown = Value::Object(self.sent.clone());
        let tenant = org.split('@').next().unwrap_or_default();
        let own = json!({
            "$id": self.uri, "meta:altId": format!("_{tenant}.schemas.{}", self.id), "meta:resourceType": "schemas", "version": "1.0",
            "meta:class": self.class.id(), "meta:containerId": "tenant", "imsOrg": org, "meta:tenantNamespace": format!("_{tenant}"),
            "meta:registryMetadata": { "repo:createdDate": self.created, "repo:lastModifiedDate": self.created }
        });
        merge(&mut shown, own);
        shown
    }

    pub(super) fn added(self, config: &StoredConfig) -> Changes {
        if config.objects().get(SCHEMA, &self.id).is_some() {
            return Err(taken("a schema of this title is there"));
        }
        let json = written(&self);
        Ok(vec![((SCHEMA, self.id), Some(json))])
    }

    pub(super) fn removed(self, config: &StoredConfig) -> Changes {
        if all::<Dataset>(config, DATASET)?.iter().any(|own| own.schema == self.uri) {
            return Err(taken("a dataset has this schema"));
        }
        let own = all::<Descriptor>(config, DESCRIPTOR)?.into_iter().filter(|own| own.schema == self.uri);
        Ok(own.map(|own| ((DESCRIPTOR, own.id), None)).chain([((SCHEMA, self.id), None)]).collect())
    }
}

impl Descriptor {
    /// As answers show it.
    pub(super) fn shown(&self, org: &str) -> Value {
        let mut shown = Value::Object(self.sent.clone());
        merge(&mut shown, json!({ "@id": self.id, "meta:containerId": "tenant", "version": "1", "imsOrg": org }));
        shown
    }

    pub(super) fn added(self, config: &StoredConfig) -> Changes {
        schema(config, &self.schema)?;
        let others = all::<Descriptor>(config, DESCRIPTOR)?;
        let others = || others.iter().filter(|own| own.schema == self.schema);
        if others().any(|own| own.path == self.path) {
            return Err(taken("an identity descriptor of this property is there"));
        }
        if self.is_primary && others().any(|own| own.is_primary) {
            return Err(taken("the schema has a primary identity"));
        }
        let json = written(&self);
        Ok(vec![((DESCRIPTOR, self.id), Some(json))])
    }
}

impl Dataset {
    /// Whether a tag has this value, blanks aside.
    fn has_tag(&self, name: &str, value: &str) -> bool {
        let values = self.tags.get(name).into_iter().flatten();
        values.map(|own| own.replace(' ', "")).any(|own| own == value)
    }

    /// As answers show it.
    pub(super) fn shown(&self, asked: &Asked) -> Value {
        let mut shown = Value::Object(self.sent.clone());
        let schema = json!({ "id": self.schema, "contentType": "application/vnd.adobe.xed+json;version=1" });
        let own = json!({
            "name": self.name, "schemaRef": schema, "tags": self.tags, "imsOrg": asked.org, "version": "1.0.0", "created": self.created,
            "updated": self.updated, "sandboxId": asked.sandbox.sandbox_id
        });
        merge(&mut shown, own);
        shown
    }

    pub(super) fn added(self, config: &StoredConfig) -> Changes {
        schema(config, &self.schema)?;
        if config.objects().get(DATASET, &self.id).is_some() {
            return Err(taken("a dataset of this name is there"));
        }
        let json = written(&self);
        Ok(vec![((DATASET, self.id), Some(json))])
    }

    /// Changes what may change: its description and its tags.
    ///
    /// # Errors
    /// `body_invalid`.
    pub(super) fn change(&mut self, changes: &[super::parse::Change], now: Timestamp) -> Result<(), Error> {
        for change in changes {
            change.apply(self)?;
        }
        self.updated = now.micros().div_euclid(1_000);
        Ok(())
    }
}

fn merge(shown: &mut Value, own: Value) {
    if let (Value::Object(shown), Value::Object(own)) = (shown, own) {
        shown.extend(own);
    }
}
