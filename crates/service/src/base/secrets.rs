//! Secrets of connections: sealed where they are stored, or named where they stand outside: in the environment, or in a file.
//!
//! A name leads to what the operator meant for it alone: variables that begin with [`ENVIRONMENT_PREFIX`], files of one folder. Otherwise whoever
//! configures a workspace could have the server's own secrets sent to a host of theirs.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind};

/// What the names of variables begin with that a secret may stand in.
pub const ENVIRONMENT_PREFIX: &str = "TESSERA_SECRET_";
/// Bytes of a secret.
pub(crate) const SECRET_BYTES_MAX: usize = 4 << 10;

/// Where a secret is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secret {
    /// Here, sealed.
    Sealed(String),
    /// In the variable of this name.
    Env(String),
    /// In this file.
    File(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed(_) => f.write_str("***"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(name) => write!(f, "file:{name}"),
        }
    }
}

/// What reads a variable of the environment.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Seals secrets, and finds those that are named.
#[derive(Clone)]
pub struct Secrets {
    key: Option<Arc<LessSafeKey>>,
    folder: PathBuf,
    environment: Environment,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(***)")
    }
}

impl Default for Secrets {
    /// Without a key, without an environment.
    fn default() -> Self {
        Self::new(None, PathBuf::from("/run/secrets"), Arc::new(|_| None))
    }
}

impl Secrets {
    /// Sealed with this key where there is one; files of this folder; variables of this environment.
    #[must_use]
    pub fn new(key: Option<[u8; 32]>, folder: PathBuf, environment: Environment) -> Self {
        let key = key.and_then(|key| UnboundKey::new(&CHACHA20_POLY1305, &key).ok());
        Self { key: key.map(|key| Arc::new(LessSafeKey::new(key))), folder, environment }
    }

    /// Seals a secret for one place: nowhere else it opens. The nonce is drawn for it.
    ///
    /// # Errors
    /// `Conflict` with `secrets_key_missing`; `Invalid` with `secret_invalid`.
    pub(crate) fn seal(&self, place: &str, text: &str, nonce: [u8; NONCE_LEN]) -> Result<Secret, Error> {
        let Some(key) = &self.key else {
            let message = format!(
                "a secret in plain text is expected to be sealed, and the server has no key for it: start it with \
                 secrets_key_file, or name where the secret stands: {{\"env\":\"{ENVIRONMENT_PREFIX}…\"}} or {{\"file\":\"…\"}} in {}",
                self.folder.display()
            );
            return Err(Error::new(ErrorKind::Conflict, "secrets_key_missing", message));
        };
        if text.is_empty() || text.len() > SECRET_BYTES_MAX {
            let message = format!("a secret has 1 to {SECRET_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::Invalid, "secret_invalid", message));
        }
        let mut sealed = text.as_bytes().to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()), &mut sealed)
            .map_err(|_| Error::new(ErrorKind::Internal, "internal", "a secret cannot be sealed"))?;
        Ok(Secret::Sealed(STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    /// Whether a name is one that may lead to a secret.
    ///
    /// # Errors
    /// `Invalid` with `secret_reference_invalid`.
    pub(crate) fn check(&self, secret: &Secret) -> Result<(), Error> {
        let message = match secret {
            Secret::Sealed(_) => return Ok(()),
            Secret::Env(name) if name.starts_with(ENVIRONMENT_PREFIX) => return Ok(()),
            Secret::Env(_) => format!("the name of a variable is expected that begins with {ENVIRONMENT_PREFIX}"),
            Secret::File(name) if self.place(name).is_some() => return Ok(()),
            Secret::File(_) => format!("a file of the folder {} is expected, without `..`", self.folder.display()),
        };
        Err(Error::new(ErrorKind::Invalid, "secret_reference_invalid", message))
    }

    /// The secret itself.
    ///
    /// # Errors
    /// `Conflict` with `secrets_key_missing`, `secret_unreadable`, `secret_missing`; as [`Self::check`].
    pub(crate) fn reveal(&self, place: &str, secret: &Secret) -> Result<String, Error> {
        self.check(secret)?;
        match secret {
            Secret::Sealed(sealed) => self.open(place, sealed),
            Secret::Env(name) => (self.environment)(name).ok_or_else(|| {
                missing(format!(
                    "the variable {name} is not set where the server runs; set it and start the server again"
                ))
            }),
            Secret::File(name) => {
                let path =
                    self.place(name).ok_or_else(|| missing("the file is not in the folder of secrets".into()))?;
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|error| {
                    missing(format!("the file {} cannot be read: {}", path.display(), error.kind()))
                })?;
                Ok(text.trim_end_matches(['\n', '\r']).to_owned())
            }
        }
    }

    fn open(&self, place: &str, sealed: &str) -> Result<String, Error> {
        let message =
            "a secret cannot be opened: the server was started with another key than it was sealed with; set it again";
        let unreadable = || Error::new(ErrorKind::Conflict, "secret_unreadable", message);
        let Some(key) = &self.key else {
            let message = "a secret is sealed, and the server was started without secrets_key_file";
            return Err(Error::new(ErrorKind::Conflict, "secrets_key_missing", message));
        };
        let mut bytes = STANDARD.decode(sealed).map_err(|_| unreadable())?;
        let (nonce, text) = bytes.split_first_chunk_mut::<NONCE_LEN>().ok_or_else(unreadable)?;
        let opened = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place.as_bytes()), text);
        let opened = opened.map_err(|_| unreadable())?;
        String::from_utf8(opened.to_vec()).map_err(|_| unreadable())
    }

    /// The file of this name, in the folder of secrets.
    fn place(&self, name: &str) -> Option<PathBuf> {
        let path = Path::new(name);
        let below = path.strip_prefix(&self.folder).unwrap_or(path);
        let is_plain = below.components().all(|part| matches!(part, Component::Normal(_)));
        (is_plain && below.components().next().is_some()).then(|| self.folder.join(below))
    }
}

fn missing(message: String) -> Error {
    Error::new(ErrorKind::Conflict, "secret_missing", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(key: Option<[u8; 32]>) -> Secrets {
        let environment = |name: &str| (name == "TESSERA_SECRET_CRM").then(|| "hunter2".to_owned());
        Secrets::new(key, PathBuf::from("/run/secrets"), Arc::new(environment))
    }

    #[test]
    fn a_secret_opens_where_it_was_sealed_and_with_its_key_alone() {
        let own = secrets(Some([1; 32]));
        let sealed = own.seal("connection/crm", "hunter2", [9; NONCE_LEN]).expect("a key is there");
        assert_eq!(own.reveal("connection/crm", &sealed).expect("it opens"), "hunter2");
        assert_eq!(format!("{sealed:?}"), "***");
        let code = |secrets: &Secrets, place| secrets.reveal(place, &sealed).expect_err("it stays shut").code;
        assert_eq!(code(&own, "connection/other"), "secret_unreadable");
        assert_eq!(code(&secrets(Some([2; 32])), "connection/crm"), "secret_unreadable");
        assert_eq!(code(&secrets(None), "connection/crm"), "secrets_key_missing");
        let refused = secrets(None).seal("connection/crm", "hunter2", [9; NONCE_LEN]).expect_err("no key");
        assert_eq!(refused.code, "secrets_key_missing");
    }

    #[test]
    fn a_name_leads_to_secrets_and_nowhere_else() {
        let own = secrets(None);
        let reveal = |secret| own.reveal("connection/crm", &secret).map_err(|error| error.code);
        assert_eq!(reveal(Secret::Env("TESSERA_SECRET_CRM".into())), Ok("hunter2".into()));
        assert_eq!(reveal(Secret::Env("TESSERA_SECRET_NONE".into())), Err("secret_missing"));
        assert_eq!(reveal(Secret::Env("TESSERA_BOOTSTRAP_KEY".into())), Err("secret_reference_invalid"));
        for name in ["/etc/passwd", "../x", "/run/secrets/../x", "", "/run/secrets"] {
            assert_eq!(reveal(Secret::File(name.into())), Err("secret_reference_invalid"), "{name}");
        }
        assert_eq!(reveal(Secret::File("not-there".into())), Err("secret_missing"));
    }
}
