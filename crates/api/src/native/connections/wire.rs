//! Connections on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A connection to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetConnection {
    /// `postgres`, `files` or `adbc`.
    pub(super) kind: String,
    /// Where it leads: `postgres://user@host:5432/database`; a folder, `file:///var/data/exports`; or a bucket, `s3://bucket/path`, `gs://bucket/path`,
    /// `az://container/path`.
    #[serde(default)]
    pub(super) url: Option<Text>,
    /// The password of the user, where it does not stand in the URL.
    #[serde(default)]
    pub(super) password: Option<Text>,
    /// Where the certificates of the server's authorities stand, as PEM, if these are not those of the system.
    #[serde(default)]
    pub(super) ca: Option<Reference>,
    /// Of the kind `adbc`: the path of the driver's shared library, or its name where the system knows it.
    #[serde(default)]
    pub(super) driver: Option<String>,
    /// What opens a bucket, or what a driver takes, by name. Secrets among them are sealed, or are references.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, OptionValue>>)]
    pub(super) options: Option<BTreeMap<String, OptionValue>>,
}

/// The value of an option.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum OptionValue {
    /// Yes or no.
    Switch(bool),
    /// A text, or where it stands.
    Text(Text),
}

/// A text, or where it stands.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Text {
    /// The text. In answers, `***` in the place of one that is sealed.
    Plain(String),
    /// A reference to it.
    Elsewhere(Reference),
}

/// Where a text stands.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Reference {
    /// In a variable.
    Env(Env),
    /// In a file.
    File(File),
}

/// In a variable of the environment of the server.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Env {
    /// Its name, which begins with `TESSERA_SECRET_`.
    pub(super) env: String,
}

/// In a file of the folder of secrets.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Its name.
    pub(super) file: String,
}

/// A connection.
#[derive(Serialize, ToSchema)]
pub(super) struct Connection {
    /// Its name.
    pub(super) name: String,
    /// `postgres`, `files` or `adbc`.
    pub(super) kind: String,
    /// Where it leads, without a password; left out of the kind `adbc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Text>,
    /// Of the kind `adbc`, the driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) driver: Option<String>,
    /// `***` for one that is sealed, or where it stands; null where there is none.
    pub(super) password: Option<Text>,
    /// Where the certificates of the server's authorities stand; null for those of the system.
    pub(super) ca: Option<Reference>,
    /// What opens a bucket, or what a driver takes. `***` in the place of what is sealed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) options: BTreeMap<String, OptionValue>,
}

/// Connections.
#[derive(Serialize, ToSchema)]
pub(super) struct Connections {
    /// All, by name.
    pub(super) items: Vec<Connection>,
}

/// What a try of a connection came to.
#[derive(Serialize, ToSchema)]
pub(super) struct Tested {
    /// It answers.
    pub(super) ok: bool,
    /// The tables, views and files that are there, at most 1,000.
    pub(super) tables: Vec<String>,
}
