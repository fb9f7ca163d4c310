//! Who may do what: organizations, workspaces and keys.
//!
//! Everything is held in one immutable snapshot ([`Directory`]), which requests read without a lock and without I/O. Changes
//! go through [`DirectoryHandle`], one at a time: decided over the snapshot, committed, and only then shown. Linear in
//! organizations, workspaces and keys; fine to some ten thousand of them together.
//!
//! Invariants:
//! - a key reaches only workspaces of its own organization, and no request can tell a forbidden workspace from one that is not;
//! - no caller makes a key that may do more than the caller itself, except an operator of this host the first one of another organization;
//! - secrets are never stored: only their SHA-256 is, which is enough for 256 random bits.

mod access;
mod caller;
mod change;
mod dataset;
mod handle;
mod key;
mod list;
mod name;
mod origin;
mod rate;
mod records;
mod snapshot;

pub use caller::Caller;
pub use change::NewKey;
pub use dataset::{DATASETS_MAX, Dataset, Datasets, SERVERS};
pub use handle::DirectoryHandle;
pub use key::{Class, IssuedKey, Key, Permission, Permissions, Secret, WorkspaceScope};
pub use list::{ListPage, ListQuery};
pub use name::{DisplayName, Slug};
pub use origin::{ORIGINS_MAX, Origin};
pub use rate::RateLimit;
pub use snapshot::Directory;

pub use crate::base::ids::{KeyId, OrganizationId, WorkspaceId};

use tessera_engine::time::Timestamp;

/// Organizations of one host.
pub const ORGANIZATIONS_MAX: usize = 10_000;
/// Workspaces of one organization.
pub const WORKSPACES_MAX: usize = 1_000;
/// Keys of one organization that are neither revoked nor expired.
pub const KEYS_MAX: usize = 1_000;
/// The longest that a rotated key goes on working: 30 days.
pub const GRACE_SECS_MAX: u32 = 30 * 86_400;
/// How long a key that no longer works stays listed, in seconds: 90 days.
pub const RETIRED_KEY_SECS: u32 = 90 * 86_400;
/// Items of one page of a list.
pub const LIST_MAX: usize = 1_000;

/// The account that owns workspaces and keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its number.
    pub id: OrganizationId,
    /// Its name, unique on this host.
    pub name: Slug,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The unit of isolation: data, identities, configuration and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its number.
    pub id: WorkspaceId,
    /// Who owns it.
    pub organization: OrganizationId,
    /// Its name, unique inside its organization.
    pub name: Slug,
    /// When it was made.
    pub created_at: Timestamp,
    /// How much all its keys together may ask of the service; no bound by default.
    pub rate_limit: Option<RateLimit>,
}

#[cfg(test)]
mod tests;
