//! The stored records of a workspace's configuration: the main one with its version, version 1, and one for each part beside it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::config::{Kind, NamespaceId, NamespaceName, Normaliser};

use super::{LimitOverrides, StoredConfig, StoredNamespace, policies, rules, spelling, sweeps};
use crate::base::codec;
use crate::base::error::Error;
use crate::stored::layout::Part;

mod documents;
mod erasure;
mod model;
mod objects;
mod planned;
mod tokens;
mod trust;

pub use documents::{decode_documents, encode_documents};
pub use erasure::{decode_erasure, encode_erasure};
pub use model::{decode_model, encode_model};
pub use objects::{decode_objects, encode_objects};
pub use planned::{decode_planned, encode_planned};
pub use tokens::{decode_tokens, encode_tokens};
pub use trust::{decode_issuers, decode_signing_keys, encode_issuers, encode_signing_keys};

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct ConfigRecord<'a> {
    version: u64,
    #[serde(borrow)]
    namespaces: Vec<NamespaceRecord<'a>>,
    primary: Option<&'a str>,
    limits: LimitsRecord,
}

#[derive(Serialize, Deserialize)]
struct NamespaceRecord<'a> {
    id: u16,
    name: &'a str,
    kind: KindRecord,
    priority: u16,
    exclusive: bool,
    limit: Option<u32>,
    normaliser: NormaliserRecord,
    #[serde(borrow)]
    blocked: Vec<&'a str>,
    #[serde(borrow)]
    patterns: Vec<&'a str>,
}

#[derive(Serialize, Deserialize)]
enum KindRecord {
    Person,
    Account,
}

#[derive(Serialize, Deserialize)]
enum NormaliserRecord {
    Trim,
    Lower,
    Email,
    Phone { region: Option<[u8; 2]> },
}

#[derive(Serialize, Deserialize)]
struct LimitsRecord {
    profile_identities_max: Option<u32>,
    hub_links_max: Option<u32>,
    future_secs_max: Option<u32>,
    fact_identities_max: Option<u32>,
    fact_attributes_max: Option<u32>,
}

/// The rows that have to be written for a configuration: the main one always, a part only where it differs from what stood.
#[must_use]
pub fn rows(config: &StoredConfig, before: &StoredConfig) -> Vec<(Part, Bytes)> {
    let mut rows = vec![(Part::Main, encode(config))];
    if config.policies != before.policies {
        rows.push((Part::Policies, policies::encode(&config.policies)));
    }
    if config.model != before.model {
        rows.push((Part::Model, encode_model(&config.model)));
    }
    if config.sweeps != before.sweeps {
        rows.push((Part::Sweeps, sweeps::records::encode(&config.sweeps)));
    }
    if config.erasure != before.erasure {
        rows.push((Part::Erasure, encode_erasure(config.erasure)));
    }
    if config.tokens != before.tokens {
        rows.push((Part::Tokens, encode_tokens(&config.tokens)));
    }
    if config.documents != before.documents {
        rows.push((Part::Documents, encode_documents(&config.documents)));
    }
    if config.objects != before.objects {
        rows.push((Part::Objects, encode_objects(&config.objects)));
    }
    if config.planned != before.planned {
        rows.push((Part::Planned, encode_planned(&config.planned)));
    }
    if config.signing_keys != before.signing_keys {
        rows.push((Part::SigningKeys, encode_signing_keys(&config.signing_keys)));
    }
    if config.issuers != before.issuers {
        rows.push((Part::Issuers, encode_issuers(&config.issuers)));
    }
    if config.rules != before.rules {
        rows.push((Part::Rules, rules::encode(&config.rules)));
    }
    if config.spelling != before.spelling {
        rows.push((Part::Spelling, spelling::encode(config.spelling)));
    }
    rows
}

/// Reads a configuration from its rows; that of a new workspace where there are none.
///
/// # Errors
/// `Corrupt`.
pub fn read<'a>(rows: impl IntoIterator<Item = (Part, &'a [u8])>) -> Result<StoredConfig, Error> {
    let mut config = StoredConfig::default();
    for (part, bytes) in rows {
        match part {
            Part::Main => {
                let main = decode(bytes)?;
                (config.version, config.namespaces) = (main.version, main.namespaces);
                (config.primary, config.limits) = (main.primary, main.limits);
            }
            Part::Policies => config.policies = policies::decode(bytes)?,
            Part::Model => config.model = decode_model(bytes)?,
            Part::Sweeps => config.sweeps = sweeps::records::decode(bytes)?,
            Part::Erasure => config.erasure = decode_erasure(bytes)?,
            Part::Rules => config.rules = rules::decode(bytes)?,
            Part::Spelling => config.spelling = spelling::decode(bytes)?,
            Part::Tokens => config.tokens = decode_tokens(bytes)?,
            Part::SigningKeys => config.signing_keys = decode_signing_keys(bytes)?,
            Part::Issuers => config.issuers = decode_issuers(bytes)?,
            Part::Documents => config.documents = decode_documents(bytes)?,
            Part::Objects => config.objects = decode_objects(bytes)?,
            Part::Planned => config.planned = decode_planned(bytes)?,
        }
    }
    Ok(config)
}

/// Writes the main row of a configuration.
#[must_use]
pub fn encode(config: &StoredConfig) -> Bytes {
    let record = ConfigRecord {
        version: config.version,
        namespaces: config.namespaces.iter().map(NamespaceRecord::from).collect(),
        primary: config.primary.as_ref().map(NamespaceName::as_str),
        limits: LimitsRecord::from(config.limits),
    };
    codec::encode(VERSION, &record)
}

/// Reads the main row of a configuration.
///
/// # Errors
/// `Corrupt`.
pub fn decode(bytes: &[u8]) -> Result<StoredConfig, Error> {
    let record: ConfigRecord<'_> = codec::decode(VERSION, bytes)?;
    Ok(StoredConfig {
        version: record.version,
        namespaces: record.namespaces.into_iter().map(StoredNamespace::try_from).collect::<Result<_, _>>()?,
        primary: record.primary.map(name).transpose()?,
        limits: record.limits.into(),
        ..StoredConfig::default()
    })
}

impl<'a> From<&'a StoredNamespace> for NamespaceRecord<'a> {
    fn from(namespace: &'a StoredNamespace) -> Self {
        Self {
            id: namespace.id.number(),
            name: namespace.name.as_str(),
            kind: match namespace.kind {
                Kind::Person => KindRecord::Person,
                Kind::Account => KindRecord::Account,
            },
            priority: namespace.priority,
            exclusive: namespace.exclusive,
            limit: namespace.limit,
            normaliser: match namespace.normaliser {
                Normaliser::Trim => NormaliserRecord::Trim,
                Normaliser::Lower => NormaliserRecord::Lower,
                Normaliser::Email => NormaliserRecord::Email,
                Normaliser::Phone { region } => NormaliserRecord::Phone { region },
            },
            blocked: namespace.blocked.iter().map(String::as_str).collect(),
            patterns: namespace.patterns.iter().map(String::as_str).collect(),
        }
    }
}

impl TryFrom<NamespaceRecord<'_>> for StoredNamespace {
    type Error = Error;

    fn try_from(record: NamespaceRecord<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: NamespaceId::new(record.id),
            name: name(record.name)?,
            kind: match record.kind {
                KindRecord::Person => Kind::Person,
                KindRecord::Account => Kind::Account,
            },
            priority: record.priority,
            exclusive: record.exclusive,
            limit: record.limit,
            normaliser: match record.normaliser {
                NormaliserRecord::Trim => Normaliser::Trim,
                NormaliserRecord::Lower => Normaliser::Lower,
                NormaliserRecord::Email => Normaliser::Email,
                NormaliserRecord::Phone { region } => Normaliser::Phone { region },
            },
            blocked: record.blocked.into_iter().map(str::to_owned).collect(),
            patterns: record.patterns.into_iter().map(str::to_owned).collect(),
        })
    }
}

impl From<LimitOverrides> for LimitsRecord {
    fn from(limits: LimitOverrides) -> Self {
        let LimitOverrides {
            profile_identities_max,
            hub_links_max,
            future_secs_max,
            fact_identities_max,
            fact_attributes_max,
        } = limits;
        Self { profile_identities_max, hub_links_max, future_secs_max, fact_identities_max, fact_attributes_max }
    }
}

impl From<LimitsRecord> for LimitOverrides {
    fn from(record: LimitsRecord) -> Self {
        let LimitsRecord {
            profile_identities_max,
            hub_links_max,
            future_secs_max,
            fact_identities_max,
            fact_attributes_max,
        } = record;
        Self { profile_identities_max, hub_links_max, future_secs_max, fact_identities_max, fact_attributes_max }
    }
}

fn name(text: &str) -> Result<NamespaceName, Error> {
    NamespaceName::parse(text).map_err(|_| codec::corrupt("name of a namespace"))
}
