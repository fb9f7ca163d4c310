//! Where files are: a folder of this machine, or a bucket of an object store (Amazon S3 and what speaks as it does, Google Cloud Storage, Azure Blob
//! Storage).
//!
//! Start at [`Place::parse`], which reads a URL and its options, and [`Place::open`], which answers the store and the path in it that all paths
//! are below. Nothing is taken from the environment of the process: what a place needs stands in its options.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use crate::Error;

mod http;
mod options;
pub(crate) mod reading;

pub use options::{OPTION_BYTES_MAX, OPTIONS_MAX, holds_secret, is_secret};

/// Tries of one request after the first, and for how long there are any.
const RETRIES: usize = 4;
const RETRY: Duration = Duration::from_secs(30);

/// Where files are.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket, or what lies below a path in it.
    Bucket(Bucket),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder(_) => "Folder(***)",
            Self::Bucket(_) => "Bucket(***)",
        })
    }
}

/// A bucket of an object store, with what opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Bucket {
    provider: Provider,
    name: String,
    prefix: String,
    options: BTreeMap<String, String>,
    ca: Option<String>,
}

/// Who keeps the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    S3,
    Google,
    Azure,
}

/// A store that is open: all paths are below `prefix`.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What reads, writes, lists and deletes objects.
    pub store: Arc<dyn ObjectStore>,
    /// The path that belongs to the connection; empty for the whole store.
    pub prefix: Path,
}

impl Place {
    /// Reads a URL, with the options that go with it; those of a folder are none. `ca` has certificates of authorities as PEM, where the store's is
    /// not of those that the system trusts.
    ///
    /// # Errors
    /// `connection_url_invalid`, `connection_invalid`.
    pub fn parse(url: &str, options: BTreeMap<String, String>, ca: Option<String>) -> Result<Self, Error> {
        let names = options.iter().map(|(name, value)| (&**name, Some(&**value)));
        Self::check(url, names, ca.is_some())?;
        let Some((provider, name, prefix)) = bucket(url)? else { return Ok(Self::Folder(folder(url)?)) };
        let (name, prefix) = (name.to_owned(), prefix.to_owned());
        Ok(Self::Bucket(Bucket { provider, name, prefix, options, ca }))
    }

    /// Whether a URL can have these options. Those whose values are not known yet, for they stand elsewhere, have none here.
    ///
    /// # Errors
    /// `connection_url_invalid`, `connection_invalid`.
    pub fn check<'a>(
        url: &str,
        options: impl Iterator<Item = (&'a str, Option<&'a str>)>,
        has_ca: bool,
    ) -> Result<(), Error> {
        let Some((provider, _, _)) = bucket(url)? else {
            folder(url)?;
            if has_ca || options.count() > 0 {
                let message = "options, ca: a folder of the server's machine has none";
                return Err(Error::invalid("connection_invalid", message));
            }
            return Ok(());
        };
        options::check(provider, options)
    }

    /// Whether a URL names a folder of this machine.
    #[must_use]
    pub fn is_folder(url: &str) -> bool {
        url.starts_with("file://")
    }

    /// Opens it. Nothing is asked of it yet.
    ///
    /// # Errors
    /// `connection_folder_missing`, `connection_invalid`, `connection_ca_invalid`, `connection_tls_failed`.
    pub fn open(&self) -> Result<Opened, Error> {
        match self {
            Self::Folder(folder) => {
                let missing = |_| Error::invalid("connection_folder_missing", "the url names no folder that is there");
                let store = LocalFileSystem::new_with_prefix(folder).map_err(missing)?;
                Ok(Opened { store: Arc::new(store), prefix: Path::default() })
            }
            Self::Bucket(bucket) => bucket.open(),
        }
    }
}

impl Bucket {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn open(&self) -> Result<Opened, Error> {
        let unfit = |_| {
            let message =
                "options: they are not what opens a bucket; look at each value, such as the JSON of a service account";
            Error::invalid("connection_invalid", message)
        };
        let prefix = Path::parse(&self.prefix).map_err(|_| url_invalid())?;
        let connector = http::Connector::new(self.ca.as_deref())?;
        let backoff = BackoffConfig::default();
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY, backoff };
        let store: Arc<dyn ObjectStore> = match self.provider {
            Provider::S3 => {
                let mut builder = AmazonS3Builder::new().with_bucket_name(&self.name);
                for (name, value) in &self.options {
                    builder = builder.with_config(options::key(name)?, value);
                }
                Arc::new(builder.with_retry(retry).with_http_connector(connector).build().map_err(unfit)?)
            }
            Provider::Google => {
                let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(&self.name);
                for (name, value) in &self.options {
                    builder = builder.with_config(options::key(name)?, value);
                }
                Arc::new(builder.with_retry(retry).with_http_connector(connector).build().map_err(unfit)?)
            }
            Provider::Azure => {
                let mut builder = MicrosoftAzureBuilder::new().with_container_name(&self.name);
                for (name, value) in &self.options {
                    builder = builder.with_config(options::key(name)?, value);
                }
                Arc::new(builder.with_retry(retry).with_http_connector(connector).build().map_err(unfit)?)
            }
        };
        Ok(Opened { store, prefix })
    }
}

fn url_invalid() -> Error {
    let message = "url: a folder of the server's machine is expected, as in file:///var/data/exports, or a bucket, as in s3://bucket/path, \
                   gs://bucket/path or az://container/path";
    Error::invalid("connection_url_invalid", message)
}

/// The bucket that a URL names, and the path in it; none where it names no bucket.
fn bucket(url: &str) -> Result<Option<(Provider, &str, &str)>, Error> {
    let Some((scheme, rest)) = url.split_once("://") else { return Err(url_invalid()) };
    let provider = match scheme {
        "s3" | "s3a" => Provider::S3,
        "gs" => Provider::Google,
        "az" | "abfs" | "abfss" => Provider::Azure,
        "file" => return Ok(None),
        _ => return Err(url_invalid()),
    };
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    // Hadoop's spelling has the account behind the container; it stands in the options here.
    let name = name.split_once('@').filter(|_| provider == Provider::Azure).map_or(name, |(container, _)| container);
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(is_fit) || prefix.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(url_invalid());
    }
    Ok(Some((provider, name, prefix.trim_end_matches('/'))))
}

/// The folder that a URL names.
fn folder(url: &str) -> Result<PathBuf, Error> {
    let path = PathBuf::from(url.strip_prefix("file://").ok_or_else(url_invalid)?);
    if !path.is_absolute() || path.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(url_invalid());
    }
    Ok(path)
}

/// What an object store answers, in terms of whoever set the connection up. `name` is the object that it is about, or the bucket.
#[must_use]
pub fn told(error: &object_store::Error, name: &str) -> Error {
    match error {
        object_store::Error::NotFound { .. } => {
            Error::invalid("source_table_unknown", format!("the object store has no {name}"))
        }
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            let message = format!(
                "the object store does not let these credentials read or list {name}; look at the options of the connection and at the rights"
            );
            Error::invalid("connection_unauthorized", message)
        }
        object_store::Error::Precondition { .. } => {
            Error::unreachable("source_lost", format!("{name} has become another file while it was read"))
        }
        object_store::Error::InvalidPath { .. } => {
            Error::invalid("source_table_invalid", format!("{name} is no path of an object"))
        }
        object_store::Error::Generic { source, .. } => match http::trouble(&**source) {
            http::Trouble::Tls(cause) => {
                Error::invalid("connection_tls_failed", format!("the connection cannot be encrypted: {cause}"))
            }
            http::Trouble::Refused => {
                let message =
                    format!("the object store refused what was asked of {name}; look at endpoint, region and options");
                Error::unreachable("connection_unreachable", message)
            }
            http::Trouble::Connect => {
                let message = "the object store cannot be reached; look at endpoint, region and firewall";
                Error::unreachable("connection_unreachable", message)
            }
        },
        _ => Error::unreachable("source_lost", format!("{name} could not be read from the object store")),
    }
}

#[cfg(test)]
mod tests;
