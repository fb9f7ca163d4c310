//! A key: what it may do, where, and until when.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tessera_engine::time::Timestamp;

use super::{Datasets, DisplayName, KeyId, OrganizationId, Origin, RateLimit, WorkspaceId};
use crate::base::error::{Error, ErrorKind};
pub(super) use crate::base::ids::key_not_found as not_found;

/// Where a key may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// In browsers and apps, so everyone may have it: it may only ingest, and read what is public.
    Public,
    /// On servers only.
    Private,
}

/// One thing that a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Send facts.
    Ingest,
    /// Read profiles, one at a time, without what the data model calls private.
    Read,
    /// See what the data model calls private, wherever the key may read.
    ReadPrivate,
    /// Read many profiles at once, and the quarantine with what was sent.
    Export,
    /// Erase.
    Erase,
    /// Change the configuration of a workspace.
    Configure,
    /// Manage the workspaces and keys of the organization.
    Administer,
    /// Run this host: manage the organizations and what every organization administers, but not their data.
    Operate,
    /// Read of a profile what the document model calls public. Whoever may read may do so too.
    ReadPublic,
}

impl Permission {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Ingest,
        Self::ReadPublic,
        Self::Read,
        Self::ReadPrivate,
        Self::Export,
        Self::Erase,
        Self::Configure,
        Self::Administer,
        Self::Operate,
    ];

    /// Whether it is about the data or the configuration of workspaces, and not about who runs them.
    #[must_use]
    pub const fn is_about_data(self) -> bool {
        match self {
            Self::Ingest
            | Self::ReadPublic
            | Self::Read
            | Self::ReadPrivate
            | Self::Export
            | Self::Erase
            | Self::Configure => true,
            Self::Administer | Self::Operate => false,
        }
    }

    /// Its name in requests and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::ReadPublic => "read_public",
            Self::Read => "read",
            Self::ReadPrivate => "read_private",
            Self::Export => "export",
            Self::Erase => "erase",
            Self::Configure => "configure",
            Self::Administer => "administer",
            Self::Operate => "operate",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// `Invalid` with `permission_unknown`.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|permission| permission.name() == name).ok_or_else(|| {
            let message =
                "a permission is one of ingest, read_public, read, read_private, export, erase, configure, administer, operate";
            Error::new(ErrorKind::Invalid, "permission_unknown", message)
        })
    }

    /// Its bit in stored records: a permanent contract.
    const fn bit(self) -> u16 {
        match self {
            Self::Ingest => 1,
            Self::Read => 1 << 1,
            Self::Export => 1 << 2,
            Self::Erase => 1 << 3,
            Self::Configure => 1 << 4,
            Self::Administer => 1 << 5,
            Self::Operate => 1 << 6,
            Self::ReadPrivate => 1 << 7,
            Self::ReadPublic => 1 << 8,
        }
    }
}

/// What a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(u16);

impl Permissions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self((1 << Permission::ALL.len()) - 1);

    /// These bits of a stored record; none when one of them is of no permission.
    pub(super) const fn from_bits(bits: u16) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 { Some(Self(bits)) } else { None }
    }

    pub(super) const fn bits(self) -> u16 {
        self.0
    }

    /// These and this one.
    #[must_use]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | permission.bit())
    }

    /// These without this one.
    #[must_use]
    pub const fn without(self, permission: Permission) -> Self {
        Self(self.0 & !permission.bit())
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether they allow what this one does: it is among them, or one that includes it. Whoever may read may read what is public.
    #[must_use]
    pub const fn allow(self, permission: Permission) -> bool {
        self.contains(permission) || matches!(permission, Permission::ReadPublic) && self.contains(Permission::Read)
    }

    /// Whether all of the others are among them.
    #[must_use]
    pub const fn covers(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Permission::name)).finish()
    }
}

/// Which workspaces of its organization a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkspaceScope {
    /// All, those made later included. The default workspace is the one that a request means which names none; it is none
    /// when the organization had no workspace yet: then it is the organization's first.
    All {
        /// The default workspace, if one was chosen.
        default: Option<WorkspaceId>,
    },
    /// These, without doubles, at least one; the first is the default.
    Listed(Vec<WorkspaceId>),
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// Who owns it.
    pub organization: OrganizationId,
    /// What people call it.
    pub name: DisplayName,
    /// Where it may be seen.
    pub class: Class,
    /// What it may do.
    pub permissions: Permissions,
    /// Which workspaces it holds.
    pub scope: WorkspaceScope,
    /// Where what it sends stands, and which datasets it may name.
    pub datasets: Datasets,
    /// The origins of the pages that it may be used from; any where there is no list. Servers send none, and are not asked.
    pub origins: Option<Vec<Origin>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working, if that is known.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// The key that took its place, if it was rotated.
    pub replaced_by: Option<KeyId>,
    /// The last four characters of its secret, by which people recognise it; `****` for a short secret of an operator.
    pub last_four: String,
    /// Whether it is the operator's own, given at start.
    pub bootstrap: bool,
    /// How much it may ask of the service; no bound by default.
    pub rate_limit: Option<RateLimit>,
}

impl Key {
    /// Whether it works at this instant. A revoked key never does, whatever the clock says.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    /// When it stopped or will stop working.
    #[must_use]
    pub fn retired_at(&self) -> Option<Timestamp> {
        match (self.revoked_at, self.expires_at) {
            (Some(revoked), Some(expires)) => Some(revoked.min(expires)),
            (revoked, expires) => revoked.or(expires),
        }
    }
}

/// What proves a key: shown once, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret of these 256 random bits.
    pub(super) fn from_bits(class: Class, bits: &[u8; 32]) -> Self {
        let prefix = match class {
            Class::Public => "pk_live_",
            Class::Private => "sk_live_",
        };
        Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bits)))
    }

    /// Shows it: for the one answer that carries it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A new key with its secret.
#[derive(Debug, Clone)]
pub struct IssuedKey {
    /// The key.
    pub key: Key,
    /// Its secret, which is shown now or never.
    pub secret: Secret,
}

/// What is stored of a secret. A plain hash is enough: nobody searches 256 random bits.
pub(super) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
