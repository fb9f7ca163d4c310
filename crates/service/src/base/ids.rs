//! What organizations, workspaces and keys are told apart by.

use sha2::{Digest as _, Sha256};
use std::fmt;

use tessera_engine::id::NodeId;

use crate::base::error::{Error, ErrorKind};

/// The id of a key: 96 bits, shown as 24 hexadecimal digits. It is no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 12]);

impl KeyId {
    /// The id with these twelve bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// Its twelve bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// Reads 24 hexadecimal digits, of either case.
    ///
    /// # Errors
    /// `NotFound` with `key_not_found`: a text that is no id names no key.
    pub fn parse(text: &str) -> Result<Self, Error> {
        NodeId::parse(text).map(|id| Self(*id.as_bytes())).map_err(|_| key_not_found())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The answer for a key that is not there or that the caller does not see.
pub(crate) fn key_not_found() -> Error {
    Error::new(ErrorKind::NotFound, "key_not_found", "no key of this id")
}

/// The number of a workspace: the prefix of all its stored keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkspaceId(u32);

impl WorkspaceId {
    /// Where the service keeps its own rows; no caller can hold it.
    pub(crate) const SYSTEM: Self = Self(0);

    /// The workspace of this number, which is at least 1.
    ///
    /// # Panics
    /// For 0, the system's own number: whoever could name it would read the directory.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        assert!(number != 0, "workspace 0 is the system's own");
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// An id of it in 24 hexadecimal digits, the same for good, for APIs that give ids to what is one for each workspace.
    #[must_use]
    pub fn stable_id(self) -> String {
        stable_id("workspace", &self.0.to_string())
    }
}

/// The id of something that has a kind and a name: 24 hexadecimal digits, the same for good.
pub(crate) fn stable_id(kind: &str, name: &str) -> String {
    let hash = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
    hash.iter().take(12).fold(String::with_capacity(24), |id, byte| format!("{id}{byte:02x}"))
}

/// The number of an organization, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationId(u32);

impl OrganizationId {
    /// The organization of this number, which is at least 1.
    ///
    /// # Panics
    /// For 0, which numbers none.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        assert!(number != 0, "organizations are numbered from 1");
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}
