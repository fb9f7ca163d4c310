//! What a dialect keeps in a workspace beside what has a word here: JSON texts, by kind and name. They are part of the configuration, so that
//! they change with what they belong to, in one commit. Nothing below the doors reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StoredConfig;
use crate::base::error::{Error, ErrorKind};

/// Objects of one kind.
pub const OBJECTS_MAX: usize = 2_000;
/// Bytes of one object.
pub const OBJECT_BYTES_MAX: usize = 16 << 10;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 200;

/// The objects of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Objects {
    kinds: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<str>>>,
}

impl Objects {
    /// The object of this kind and name.
    #[must_use]
    pub fn get(&self, kind: &str, name: &str) -> Option<&str> {
        self.kinds.get(kind)?.get(name).map(AsRef::as_ref)
    }

    /// All of a kind, by name.
    pub fn of(&self, kind: &str) -> impl Iterator<Item = (&str, &str)> {
        self.kinds.get(kind).into_iter().flatten().map(|(name, json)| (&**name, &**json))
    }

    /// All of them: kind, name, text.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.kinds.iter().flat_map(|(kind, own)| own.iter().map(move |(name, json)| (&**kind, &**name, &**json)))
    }

    pub(crate) fn put(&mut self, kind: &str, name: &str, json: &str) {
        self.kinds.entry(kind.into()).or_default().insert(name.into(), json.into());
    }

    pub(crate) fn remove(&mut self, kind: &str, name: &str) {
        if let Some(own) = self.kinds.get_mut(kind) {
            own.remove(name);
            if own.is_empty() {
                self.kinds.remove(kind);
            }
        }
    }
}

/// The configuration with this object, or without it; the same one where it says the same.
///
/// # Errors
/// `Invalid` with `object_name_invalid`; `LimitExceeded` with `objects_full`, `object_too_large`, `config_too_large`.
pub fn set_object(
    config: &StoredConfig,
    (kind, name): (&str, &str),
    json: Option<&str>,
) -> Result<StoredConfig, Error> {
    if config.objects.get(kind, name) == json {
        return Ok(config.clone());
    }
    let Some(json) = json else { return config.next(|next| next.objects.remove(kind, name)) };
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let message = format!("a name has 1 to {NAME_BYTES_MAX} bytes, not {}", name.len());
        return Err(Error::new(ErrorKind::Invalid, "object_name_invalid", message));
    }
    if json.len() > OBJECT_BYTES_MAX {
        let message = format!("it is larger than may be kept of one bytes={} bytes_max={OBJECT_BYTES_MAX}", json.len());
        return Err(Error::new(ErrorKind::LimitExceeded, "object_too_large", message));
    }
    if config.objects.get(kind, name).is_none() && config.objects.of(kind).count() >= OBJECTS_MAX {
        let message = format!("a workspace keeps as many of these as it may max={OBJECTS_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, "objects_full", message));
    }
    config.next(|next| next.objects.put(kind, name, json))
}
