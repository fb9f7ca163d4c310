//! Cursors: where a page of a list ended, sealed so that only what was given out comes back.
//!
//! A cursor carries positions in a workspace, ids and times among them. It is authenticated and bound to the workspace and
//! to the list, so that nobody reads on in another's, and nobody learns from made-up ones what is there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tessera_store::{Commit, CommitError, Store};

use crate::base::codec;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::keys::{Family, Scope};
use crate::stored::pseudonym::Pseudonyms;

/// Bytes that a cursor may carry.
pub(crate) const CARRIED_BYTES_MAX: usize = 1_024;
const TAG_BYTES: usize = 16;
/// The version of the record of the secret.
const VERSION: u8 = 1;

/// Which list a cursor belongs to. The numbers only keep lists apart: cursors are not kept over upgrades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The timeline of a profile.
    Events = 1,
    /// The quarantine of a workspace.
    Quarantine = 2,
    /// The merge policies of a workspace.
    MergePolicies = 3,
    /// The jobs of a workspace.
    Jobs = 4,
    /// The history of directives and merges.
    Directives = 5,
    /// The receipts of erasures.
    Erasures = 10,
    /// The members of a segment.
    Members = 11,
    /// What a profile has entered and left.
    MembershipChanges = 12,
    /// The computed attributes of a workspace.
    Attributes = 13,
    /// The segments of a workspace.
    Segments = 14,
    /// Profiles that a filter was asked of.
    Profiles = 15,
    /// An export that was asked for.
    Exports = 16,
    /// The timeline of a profile, oldest first.
    EventsOldestFirst = 30,
    /// The audit log of an organization.
    Audit = 32,
    /// The changes of the members of a segment.
    MemberChanges = 33,
    /// A list that is made of one answer: the attributes of a profile, its identities, its accounts.
    Parts = 31,
}

/// Seals and opens cursors.
pub struct Cursors {
    key: [u8; 32],
    /// Of the same secret.
    pseudonyms: Pseudonyms,
}

impl Cursors {
    /// Takes the secret from the store, where the first to come puts `drawn` for all.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub async fn open(store: &dyn Store, drawn: [u8; 32]) -> Result<Self, Error> {
        let key = Scope::system().family(Family::Secret).bytes(b"cursor").key();
        loop {
            let found = store.get(std::slice::from_ref(&key)).await.map_err(|error| read_failed(&error))?;
            if let Some(Some(row)) = found.value.first() {
                let secret: [u8; 32] = codec::decode(VERSION, &row.value)?;
                return Ok(Self::new(&secret));
            }
            let commit = Commit::new().create(key.clone(), codec::encode(VERSION, &drawn));
            match store.commit(commit).await {
                // Whatever happened, what stands there now is the secret; it is never changed.
                Ok(_) | Err(CommitError::Conflict(_) | CommitError::Ambiguous) => {}
                Err(error) => return Err(commit_failed(&error)),
            }
        }
    }

    /// Seals with a key derived from this secret.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { key: hmac(secret, &[b"tessera cursor 1"]), pseudonyms: Pseudonyms::new(secret) }
    }

    /// What makes words of identities.
    pub(crate) fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// A cursor of this list in this workspace that carries these bytes, at most 1,024.
    #[must_use]
    pub fn seal(&self, workspace: WorkspaceId, purpose: Purpose, carried: &[u8]) -> String {
        assert!(carried.len() <= CARRIED_BYTES_MAX, "a cursor carries a position, not data");
        let mut bytes = carried.to_vec();
        bytes.extend_from_slice(&self.tag(workspace, purpose, carried));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The bytes that a cursor of this list in this workspace carries.
    ///
    /// # Errors
    /// `Invalid` with `cursor_invalid` for whatever was not sealed so.
    pub fn open_sealed(&self, workspace: WorkspaceId, purpose: Purpose, cursor: &str) -> Result<Bytes, Error> {
        if cursor.len() > (CARRIED_BYTES_MAX + TAG_BYTES).div_ceil(3) * 4 {
            return Err(invalid());
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let at = bytes.len().checked_sub(TAG_BYTES).ok_or_else(invalid)?;
        let tag = bytes.split_off(at);
        if self.tag(workspace, purpose, &bytes).ct_eq(&tag).into() { Ok(bytes.into()) } else { Err(invalid()) }
    }

    fn tag(&self, workspace: WorkspaceId, purpose: Purpose, carried: &[u8]) -> [u8; TAG_BYTES] {
        let full = hmac(&self.key, &[&workspace.number().to_be_bytes(), &[purpose as u8], carried]);
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&full[..TAG_BYTES]);
        tag
    }
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cursors(***)")
    }
}

/// The answer for a cursor that was not given out for this list.
pub fn invalid() -> Error {
    Error::new(ErrorKind::Invalid, "cursor_invalid", "this cursor is of no page of this list; begin again without one")
}

/// HMAC-SHA-256 (RFC 2104) under a key of one hash, with what depends on the key alone done once.
#[derive(Clone)]
pub(crate) struct KeyedHash {
    inner: Sha256,
    outer: Sha256,
}

impl KeyedHash {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let padded = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(key).for_each(|(pad, byte)| *pad ^= byte);
            Sha256::new_with_prefix(block)
        };
        Self { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// The hash of the parts, one after the other.
    pub(crate) fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        let inner = parts.iter().fold(self.inner.clone(), |hash, part| hash.chain_update(part));
        self.outer.clone().chain_update(inner.finalize()).finalize().into()
    }
}

/// HMAC-SHA-256 of the parts under a key that is used once.
pub(crate) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    KeyedHash::new(key).of(parts)
}

#[cfg(test)]
mod tests;
