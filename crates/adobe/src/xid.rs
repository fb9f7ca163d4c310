//! XIDs: each identity as one word (spec/adobe.md section 3). The word is made of the identity and read back, so nothing is kept of it.

use tessera_engine::config::Kind;
use tessera_seam::app::App;
use tessera_service::Lookup;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::StoredConfig;

use super::enter::Asked;
use super::errors::invalid_parameter;
use super::namespaces;

/// An identity that a request names, and the word that it goes by in answers.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) xid: String,
    /// The name of its namespace here.
    pub(super) namespace: String,
    pub(super) value: String,
}

/// An identity as a request says it: a word, or a value with the code of its namespace.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) id: &'a str,
    pub(super) code: Option<&'a str>,
}

impl Named {
    /// What finds its profile.
    pub(super) fn lookup(&self) -> Lookup {
        Lookup::Identity { namespace: self.namespace.clone(), value: self.value.clone() }
    }
}

/// Reads which identity is meant, of a class of entities, with its word.
///
/// # Errors
/// As [`lookup`].
pub(super) async fn named(
    app: &App,
    asked: &Asked,
    config: &StoredConfig,
    (said, kind): (Said<'_>, Kind),
) -> Result<Named, Error> {
    let (namespace, value) = identity(app, asked, config, (said, kind))?;
    let xid = match said.code {
        Some(_) => app.service.pseudonym(asked.workspace(), &namespace, &value).await?,
        None => said.id.to_owned(),
    };
    Ok(Named { xid, namespace, value })
}

/// What finds the profile of an identity, before its word is made.
///
/// # Errors
/// `namespace_unknown`, `query_invalid`, `xid_unknown`.
pub(super) fn lookup(app: &App, asked: &Asked, config: &StoredConfig, said: (Said<'_>, Kind)) -> Result<Lookup, Error> {
    let (namespace, value) = identity(app, asked, config, said)?;
    Ok(Lookup::Identity { namespace, value })
}

/// The name of a namespace here, and a value.
fn identity(
    app: &App,
    asked: &Asked,
    config: &StoredConfig,
    (said, kind): (Said<'_>, Kind),
) -> Result<(String, String), Error> {
    let (namespace, value) = match said.code {
        Some(code) => (namespaces::named(config, code)?, said.id.to_owned()),
        None => {
            let behind = app.service.identity_behind(asked.workspace(), config, said.id).ok_or_else(xid_unknown)?;
            (behind.namespace.to_string(), behind.value.to_string())
        }
    };
    let is_of_class = config.namespace(&namespace)?.kind == kind;
    if is_of_class {
        Ok((namespace, value))
    } else {
        Err(invalid_parameter("entityIdNS", "a namespace of this class of entities is expected"))
    }
}

/// The answer for a word that stands for no identity here.
fn xid_unknown() -> Error {
    let message = "Identities cannot be retrieved for this XID; an id that is no XID needs entityIdNS";
    Error::new(ErrorKind::Invalid, "xid_unknown", message)
}
