//! Who was erased for good: a keyed hash of each identity, so that facts that name one are refused and nobody can read from the
//! store whom it would refuse.
//!
//! The key is drawn for each workspace when it first suppresses somebody, and stands apart from the workspace's rows. Whoever
//! holds the whole store can still try out identities that they know or guess; that cannot be had otherwise, since we do as much
//! with each fact.

use std::collections::BTreeSet;

use tessera_engine::config::Config;
use tessera_engine::fact::Identity;
use tessera_engine::normalise::{former_spelling, normalise};
use tessera_store::{Key, Store};

use crate::base::codec;
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::json::parse;
use crate::base::store_error::read_failed;
use crate::stored::cursor::hmac;
use crate::stored::keys::{Family, KeyBuilder, Scope};
use crate::stored::row;
use crate::write::erasure::wanted::each_scalar;

/// The version of the record of the secret, and of a row, which is the version alone.
const VERSION: u8 = 1;
/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// Identities that one thing that was sent is taken to name at most: one for each of its scalars in each namespace that has it as a
/// value. More would hold up the lane.
const NAMED_MAX: usize = 2_000;

/// What a row of a suppressed identity holds.
pub(crate) const ROW: &[u8] = &[VERSION];

/// The secret of a workspace under which identities are hashed.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) fn new(drawn: [u8; 32]) -> Self {
        Self(drawn)
    }

    /// The key of the row that says that an identity is suppressed.
    pub(crate) fn key(&self, scope: Scope, identity: &Identity) -> Key {
        let namespace = identity.namespace.number().to_be_bytes();
        let hash = hmac(&self.0, &[b"tessera suppression 1", &namespace, identity.value.as_bytes()]);
        scope.family(Family::Suppression).bytes(&hash).key()
    }

    /// The key of that row, and of the one that an older spelling of the same value has.
    pub(crate) fn keys(&self, scope: Scope, identity: &Identity) -> Vec<Key> {
        let former = former_spelling(&identity.value).map(|value| Identity { value: value.into(), ..identity.clone() });
        [Some(identity), former.as_ref()].into_iter().flatten().map(|own| self.key(scope, own)).collect()
    }

    /// Whether what somebody sent may be kept although it was refused: not if a scalar of it, in any spelling that a namespace takes,
    /// is somebody who is suppressed, nor if it holds too many to be looked through or cannot be read.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn may_keep(
        &self,
        store: &dyn Store,
        scope: Scope,
        config: &Config,
        sent: &[u8],
    ) -> Result<bool, Error> {
        let Some(sent) = parse(sent) else { return Ok(false) };
        let mut named = BTreeSet::new();
        each_scalar(&sent, &mut |text| {
            if named.len() > NAMED_MAX {
                return;
            }
            named.extend(config.namespaces().iter().flat_map(|namespace| {
                let value = normalise(namespace, text).ok();
                let identity = value.map(|value| Identity { namespace: namespace.id, value });
                identity.map_or_else(Vec::new, |identity| self.keys(scope, &identity))
            }));
        });
        if named.len() > NAMED_MAX {
            return Ok(false);
        }
        let keys: Vec<Key> = named.into_iter().collect();
        for keys in keys.chunks(store.limits().get_keys) {
            let rows = store.get(keys).await.map_err(|error| read_failed(&error))?;
            if rows.value.iter().any(Option::is_some) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn encode(&self) -> bytes::Bytes {
        codec::encode(VERSION, &self.0)
    }

    /// The secret of a workspace; none where nobody was suppressed yet.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub(crate) async fn read(store: &dyn Store, workspace: WorkspaceId) -> Result<Option<Self>, Error> {
        let row = row::read(store, secret_key(workspace)).await?;
        row.map(|row| Ok(Self(codec::decode(VERSION, &row.value)?))).transpose()
    }
}

/// Where the secret of a workspace stands.
pub(crate) fn secret_key(workspace: WorkspaceId) -> Key {
    Scope::system().family(Family::Secret).bytes(b"suppression/").u32(workspace.number()).key()
}

/// Whether a row of the family is as it is written.
pub(crate) fn is_sound(key: &Key, value: &[u8]) -> bool {
    key.len() == KeyBuilder::HEAD_BYTES + HASH_BYTES && value == ROW
}

#[cfg(test)]
mod tests;
