//! The row of the document model. Version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::config::NamespaceName;

use crate::base::codec;
use crate::base::error::Error;
use crate::config::workspace::{DocumentField, DocumentKey, DocumentModel};

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct DocumentsRecord<'a> {
    version: u64,
    strong: &'a str,
    #[serde(borrow)]
    priority: Vec<&'a str>,
    #[serde(borrow)]
    fields: Vec<FieldRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct FieldRecord<'a> {
    name: &'a str,
    /// The namespace, and whether there are several values.
    #[serde(borrow)]
    key: Option<(&'a str, bool)>,
    public: bool,
    hidden_from_person: bool,
}

/// Writes the row.
#[must_use]
pub fn encode_documents(model: &DocumentModel) -> Bytes {
    let fields = model.fields.iter().map(|(name, field)| FieldRecord {
        name,
        key: field.key.as_ref().map(|key| (key.namespace.as_str(), key.many)),
        public: field.public,
        hidden_from_person: field.hidden_from_person,
    });
    let record = DocumentsRecord {
        version: model.version,
        strong: &model.strong,
        priority: model.priority.iter().map(AsRef::as_ref).collect(),
        fields: fields.collect(),
    };
    codec::encode(VERSION, &record)
}

/// Reads it.
///
/// # Errors
/// `Corrupt`.
pub fn decode_documents(bytes: &[u8]) -> Result<DocumentModel, Error> {
    let DocumentsRecord { version, strong, priority, fields } = codec::decode(VERSION, bytes)?;
    let field = |record: FieldRecord<'_>| {
        let key = record.key.map(|(namespace, many)| {
            let namespace = NamespaceName::parse(namespace).map_err(|_| codec::corrupt("name of a namespace"))?;
            Ok(DocumentKey { namespace, many })
        });
        let FieldRecord { name, public, hidden_from_person, .. } = record;
        Ok((name.into(), DocumentField { key: key.transpose()?, public, hidden_from_person }))
    };
    Ok(DocumentModel {
        version,
        strong: strong.into(),
        priority: priority.into_iter().map(Into::into).collect(),
        fields: fields.into_iter().map(field).collect::<Result<_, Error>>()?,
    })
}
