//! Tokens of a workspace: signed by it, and verified.

use std::sync::Arc;

use serde_json::{Map, Value};
use tessera_engine::time::Timestamp;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::config::tokens::signed::{self, Holds};
use crate::config::tokens::{Bits, Claims, SigningKey, SigningKeys};
use crate::config::workspace::{
    Part, StoredConfig, add_signing_key, decode_signing_keys, overlapping, with_first_signing_key,
};
use crate::stored::idempotency::{Given, Once};
use crate::stored::keys::Scope;
use crate::stored::row;
use crate::work::service::Service;
use crate::write::lane::Changed;

/// Tokens of the workspaces of a service.
#[derive(Clone, Copy)]
pub struct Tokens<'a>(&'a Service);

impl Service {
    /// Tokens: signed by a workspace, and verified.
    #[must_use]
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }
}

impl Tokens<'_> {
    /// A token that says this, signed with RS256 by the key of the workspace that signs now. Where there is none yet it is made, which
    /// takes a part of a second. Claims are taken as they are given; they have to say who signs and until when the token holds.
    ///
    /// # Errors
    /// `Invalid` with `token_claims_invalid`; `LimitExceeded` with `token_too_large`; what the store answers.
    pub async fn sign(
        self,
        workspace: WorkspaceId,
        claims: Map<String, Value>,
        now: Timestamp,
    ) -> Result<String, Error> {
        let holds = claims.get("exp").and_then(|exp| signed::holds(exp, None, now, 0));
        if holds != Some(Holds::Now) || !claims.get("iss").is_some_and(Value::is_string) {
            let message = "claims are expected to have a text iss and an exp to come, in seconds since 1970";
            return Err(Error::new(ErrorKind::Invalid, "token_claims_invalid", message));
        }
        let key = match self.signing_key(workspace).await? {
            Some(key) => key,
            None => self.first_key(workspace).await?,
        };
        self.0.signing.sign(key, claims).await
    }

    /// What a token says that the workspace itself signed, as this issuer. Keys that were replaced verify until they end.
    ///
    /// # Errors
    /// `Unauthenticated` with `token_invalid`, `token_expired`, `token_not_yet_valid`, `token_issuer_unknown`; what the store answers.
    pub async fn verify_own(
        self,
        workspace: WorkspaceId,
        token: &str,
        iss: &str,
        now: Timestamp,
    ) -> Result<Claims, Error> {
        let config = self.0.configuration(workspace).await?;
        config.signing_keys().verify(token, iss, now).map_err(|fault| fault.error())
    }

    /// What a token says that an issuer signed which the workspace takes tokens of.
    ///
    /// # Errors
    /// `Unauthenticated` with `token_invalid`, `token_expired`, `token_not_yet_valid`, `token_issuer_unknown`, `token_audience_wrong`;
    /// what the store answers.
    pub async fn verify_foreign(self, workspace: WorkspaceId, token: &str, now: Timestamp) -> Result<Claims, Error> {
        let config = self.0.configuration(workspace).await?;
        config.issuers().verify(token, now).map_err(|fault| fault.error())
    }

    /// Has another key sign from now on. Those before it verify for this many seconds more, at most.
    ///
    /// # Errors
    /// `Invalid` with `signing_overlap_invalid`; `LimitExceeded` with `signing_keys_full`; as [`Service::configure_once`].
    pub async fn rotate(
        self,
        workspace: WorkspaceId,
        bits: Bits,
        overlap_secs: u32,
        once: Option<Once<Changed>>,
    ) -> Result<Given<Changed>, Error> {
        let turn = self.0.signing.turn().await?;
        // What is refused is refused before a key is made for it.
        overlapping(&*self.0.configuration(workspace).await?, overlap_secs, self.0.now())?;
        let (pair, _turn) = self.0.signing.pair(turn, bits, self.0.components.random.clone()).await?;
        let change =
            move |config: &StoredConfig, now| add_signing_key(config, SigningKey::new(pair, now), overlap_secs, now);
        self.0.configure_once(workspace, once, change).await
    }

    /// The keys by which others verify tokens of a workspace. One short read: nothing is begun for whoever asks.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn published(self, workspace: WorkspaceId) -> Result<SigningKeys, Error> {
        let row = row::read(&**self.0.store(), Scope::new(workspace).config(Part::SigningKeys)).await?;
        row.map_or_else(|| Ok(SigningKeys::default()), |row| decode_signing_keys(&row.value))
    }

    async fn signing_key(self, workspace: WorkspaceId) -> Result<Option<SigningKey>, Error> {
        Ok(self.0.configuration(workspace).await?.signing_keys().signing().cloned())
    }

    /// The key that signs, made unless somebody was faster.
    async fn first_key(self, workspace: WorkspaceId) -> Result<SigningKey, Error> {
        let turn = self.0.signing.turn().await?;
        if let Some(key) = self.signing_key(workspace).await? {
            return Ok(key);
        }
        let (pair, _turn) = self.0.signing.pair(turn, Bits::default(), self.0.components.random.clone()).await?;
        let change = move |config: &StoredConfig, now| with_first_signing_key(config, SigningKey::new(pair, now));
        let config: Arc<StoredConfig> = self.0.configure_at(workspace, change).await?;
        let none = || Error::new(ErrorKind::Internal, "internal", "a signing key was made and is not there");
        config.signing_keys().signing().cloned().ok_or_else(none)
    }
}
