//! The document model of a workspace: which fields of documents identify, which of them decides that two documents are one, and which fields
//! public keys may read. What type a field is, and how long it is kept, stands in the data model.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_engine::config::{Kind, NamespaceName};
use tessera_engine::document::{DOCUMENT_NAMESPACE, DocumentTerms};

use super::StoredConfig;
use crate::base::error::{Error, ErrorKind};

/// Fields that a document model may speak of.
pub const FIELDS_MAX: usize = 500;
/// Bytes of the name of a field.
const NAME_BYTES_MAX: usize = 200;

/// What a document model says of one field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentField {
    /// How it identifies, if it does.
    pub key: Option<DocumentKey>,
    /// Whether public keys may read it.
    pub public: bool,
    /// Whether it is not to be shown to the person it is about.
    pub hidden_from_person: bool,
}

/// How a field identifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentKey {
    /// The namespace of its values.
    pub namespace: NamespaceName,
    /// Whether a document has several values of it: a new one joins the others, and does not replace them.
    pub many: bool,
}

/// Which fields of documents identify, and who may see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentModel {
    /// It grows by one with every change; 0 for that of a new workspace.
    pub version: u64,
    /// The field of which two documents never hold the same value: then they are one.
    pub strong: Arc<str>,
    /// Fields that identify, those that decide first at the front. Others that identify follow them by name.
    pub priority: Vec<Arc<str>>,
    /// The fields, by name.
    pub fields: BTreeMap<Arc<str>, DocumentField>,
}

impl Default for DocumentModel {
    /// That of a new workspace: e-mail, phone, and the ids of visitors who are not known.
    fn default() -> Self {
        let key = |name: &str, namespace, many, public| {
            let namespace = NamespaceName::parse(namespace).expect("the names of the table are names");
            let key = Some(DocumentKey { namespace, many });
            (Arc::from(name), DocumentField { key, public, hidden_from_person: false })
        };
        Self {
            version: 0,
            strong: "email".into(),
            priority: ["email", "phone", "uids"].map(Arc::from).into(),
            fields: [
                key("email", "email", false, false),
                key("phone", "phone", false, false),
                key("uids", "anonymous_id", true, true),
            ]
            .into(),
        }
    }
}

impl DocumentModel {
    /// The fields that identify, those that decide first at the front.
    pub fn keys(&self) -> impl Iterator<Item = (&Arc<str>, &DocumentKey)> {
        let first = self.priority.iter().filter_map(|name| Some((name, self.fields.get(name)?)));
        let rest = self.fields.iter().filter(|(name, _)| !self.priority.contains(name));
        first.chain(rest).filter_map(|(name, field)| Some((name, field.key.as_ref()?)))
    }

    /// How a field identifies, if it does.
    #[must_use]
    pub fn key(&self, field: &str) -> Option<&DocumentKey> {
        self.fields.get(field)?.key.as_ref()
    }

    /// How documents of this model are written by who gives these fields, and removes those.
    #[must_use]
    pub fn terms(&self, cleared: &[Arc<str>]) -> DocumentTerms {
        let name = |key: &DocumentKey| Arc::from(key.namespace.as_str());
        DocumentTerms {
            single: self.keys().filter(|(_, key)| !key.many).map(|(_, key)| name(key)).collect(),
            cleared: cleared.iter().filter_map(|field| self.key(field)).map(name).collect(),
            strong: self.key(&self.strong).map(name),
            ..DocumentTerms::default()
        }
    }
}

/// The configuration with this document model; the same one where it says the same.
///
/// # Errors
/// `Invalid` with `document_model_invalid`; `LimitExceeded` with `document_model_full`, `config_too_large`.
pub fn set_document_model(config: &StoredConfig, model: DocumentModel) -> Result<StoredConfig, Error> {
    let invalid = |message: String| Error::new(ErrorKind::Invalid, "document_model_invalid", message);
    if model.fields.len() > FIELDS_MAX {
        let message = format!("a document model speaks of at most {FIELDS_MAX} fields");
        return Err(Error::new(ErrorKind::LimitExceeded, "document_model_full", message));
    }
    if let Some(name) = model.fields.keys().find(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
        return Err(invalid(format!("the name of a field has 1 to {NAME_BYTES_MAX} bytes, not {}", name.len())));
    }
    let mut seen: Vec<&NamespaceName> = Vec::new();
    for (name, key) in model.keys() {
        let unknown = || invalid(format!("{name}: the namespace {} is not registered", key.namespace));
        let namespace = config.namespaces().iter().find(|own| own.name == key.namespace).ok_or_else(unknown)?;
        if namespace.kind != Kind::Person {
            return Err(invalid(format!("{name}: the namespace {} is of accounts", key.namespace)));
        }
        if key.namespace.as_str() == DOCUMENT_NAMESPACE {
            return Err(invalid(format!("{name}: the namespace {DOCUMENT_NAMESPACE} is of the documents themselves")));
        }
        if seen.contains(&&key.namespace) {
            return Err(invalid(format!("{name}: another field has the namespace {}", key.namespace)));
        }
        seen.push(&key.namespace);
    }
    match model.key(&model.strong) {
        None => {
            return Err(invalid(format!("the strong field {} is expected to be one that identifies", model.strong)));
        }
        Some(key) if key.many => {
            return Err(invalid(format!("the strong field {} is expected to have one value", model.strong)));
        }
        Some(_) => {}
    }
    for (at, name) in model.priority.iter().enumerate() {
        if model.key(name).is_none() {
            return Err(invalid(format!("priority names {name}, which is no field that identifies")));
        }
        if model.priority[..at].contains(name) {
            return Err(invalid(format!("priority names {name} twice")));
        }
    }
    let version = config.documents.version;
    if config.documents == (DocumentModel { version, ..model.clone() }) {
        return Ok(config.clone());
    }
    config.next(|next| next.documents = DocumentModel { version: version + 1, ..model })
}
