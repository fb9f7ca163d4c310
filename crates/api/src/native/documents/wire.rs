//! The form of documents in requests and answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::RawValue;
use tessera_seam::report::{EntryNote, Identity};
use utoipa::ToSchema;

use crate::native::wire::RecordIdentity;

/// A write of a document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentWrite)]
pub(super) struct Write {
    /// The source that it comes from; made by its first use.
    pub(super) dataset: String,
    /// The document's own name, where its writer has one: then nothing is looked for. Otherwise it is found, or made with an id of ours.
    #[serde(default)]
    pub(super) id: Option<String>,
    /// The identities that it names, those that decide first at the front.
    #[serde(default)]
    pub(super) identities: Vec<RecordIdentity>,
    /// What it says, as in a record.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(super) attributes: Option<Box<RawValue>>,
    /// When it became true, in ISO 8601; the time of receipt where it is left out.
    #[serde(default)]
    pub(super) time: Option<String>,
    /// `either` (made where there is none), `create` (refused where there is one) or `update` (refused where there is none).
    #[serde(default)]
    pub(super) mode: Option<String>,
    /// Whether what it said before in this dataset and does not say now is removed.
    #[serde(default)]
    pub(super) replace: bool,
    /// Namespaces of which it holds one value; those of the document model where it is left out.
    #[serde(default)]
    pub(super) single: Option<Vec<String>>,
    /// Namespaces of which it holds no value from now on.
    #[serde(default)]
    pub(super) clear: Option<Vec<String>>,
    /// Namespaces of which no two documents hold one value: `document_taken` where another does.
    #[serde(default)]
    pub(super) unique: Option<Vec<String>>,
    /// The namespace that keeps documents apart which have different values of it; that of the document model where it is left out.
    #[serde(default)]
    pub(super) strong: Option<String>,
    /// Whether a document that another identity finds is left alone where it has another value of the strong namespace than is named.
    #[serde(default)]
    pub(super) keep_strong: bool,
}

/// What a write came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentWritten)]
pub(super) struct Written {
    /// The document's id.
    pub(super) id: String,
    /// Whether it was made.
    pub(super) created: bool,
    /// Identities that it let go of.
    pub(super) released: Vec<Identity>,
    /// Identities that were left to another document, from which it stays apart.
    pub(super) left_out: Vec<Identity>,
    /// What of it did not take effect, or does not fit.
    pub(super) notes: Vec<EntryNote>,
}

/// Which profile is meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentLookup)]
pub(super) struct Lookup {
    /// Identities, those that decide first at the front; at most 32.
    pub(super) identities: Vec<RecordIdentity>,
}

/// The id of a document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentFound)]
pub(super) struct Found {
    /// Its id.
    pub(super) id: String,
}

/// A profile as a document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Document {
    /// Its id.
    pub(super) id: String,
    /// The ids of documents that were merged into it.
    pub(super) parents: Vec<String>,
    /// When its first identity was stored.
    pub(super) created_at: String,
    /// When anything of it last changed, or when it was last used.
    pub(super) updated_at: String,
    /// What it is known by.
    pub(super) identities: Vec<Known>,
    /// Its attributes, by name.
    pub(super) fields: BTreeMap<String, FieldValue>,
    /// The segments that it is a member of.
    pub(super) segments: Vec<String>,
    /// What there is and is not told, with the reason.
    pub(super) incomplete: BTreeMap<String, String>,
}

/// An identity of a document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentIdentity)]
pub(super) struct Known {
    /// The identity.
    #[serde(flatten)]
    pub(super) identity: Identity,
    /// When it was last seen.
    pub(super) last_seen: Option<String>,
}

/// A field of a document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentFieldValue)]
pub(super) struct FieldValue {
    /// Its value.
    #[schema(value_type = Object)]
    pub(super) value: Json,
    /// When what it says became true; null for what is computed.
    pub(super) updated: Option<String>,
}

/// The document model.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentModel)]
pub(super) struct Model {
    /// It grows by one with every change. Sent, only the model of this version is replaced.
    #[serde(default)]
    pub(super) version: Option<u64>,
    /// The field of which two documents never hold the same value.
    pub(super) strong: String,
    /// Fields that identify, those that decide first at the front.
    #[serde(default)]
    pub(super) priority: Vec<String>,
    /// The fields, by name.
    pub(super) fields: BTreeMap<String, ModelField>,
}

/// A field of the document model.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentModelField)]
pub(super) struct ModelField {
    /// The namespace of its values, if it identifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    /// Whether a document has several values of it.
    #[serde(default)]
    pub(super) many: bool,
    /// Whether public keys may read it.
    #[serde(default)]
    pub(super) public: bool,
    /// Whether it is not to be shown to the person it is about.
    #[serde(default)]
    pub(super) hidden_from_person: bool,
}
