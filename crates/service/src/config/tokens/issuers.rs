//! Other issuers whose tokens a workspace takes: who they say to be, for whom their tokens have to be, and by which keys they sign.

use std::sync::Arc;

use serde_json::Value;
use tessera_engine::time::Timestamp;

use super::signed::Signed;
use super::signing_keys::in_time;
use super::{Claims, Fault};
use crate::base::error::{Error, ErrorKind};
use crate::config::identity_tokens::{Material, PublicKey};
use crate::directory::Slug;

/// Issuers of one workspace.
pub(crate) const ISSUERS_MAX: usize = 20;
/// Keys of one issuer.
pub(crate) const ISSUER_KEYS_MAX: usize = 10;
/// Audiences of one issuer.
pub(crate) const AUDIENCES_MAX: usize = 10;
/// Characters of the name that an issuer gives itself, of an audience, and of the name of a key.
const NAME_CHARS_MAX: usize = 500;
/// How long after its end a token is taken: clocks differ.
const LATE_SECS: u32 = 60;

/// The issuers of a workspace, by name; no two say to be the same one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Issuers {
    pub(crate) issuers: Vec<Issuer>,
}

/// Somebody whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    name: Slug,
    iss: Arc<str>,
    audiences: Vec<Arc<str>>,
    keys: Vec<IssuerKey>,
}

/// A key that an issuer signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerKey {
    kid: Option<Arc<str>>,
    public: PublicKey,
    material: Material,
}

impl IssuerKey {
    /// A key. Without a name it is tried for whatever name a token gives.
    #[must_use]
    pub fn new(kid: Option<Arc<str>>, public: PublicKey) -> Self {
        Self { kid, material: Material::Public(public.clone()), public }
    }

    /// Its name: the `kid` of tokens.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The key.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl Issuer {
    /// An issuer that calls itself `iss`. With audiences its tokens have to be for one of them, without they may be for anybody.
    ///
    /// # Errors
    /// `Invalid` with `token_issuer_invalid`.
    pub fn new(name: Slug, iss: &str, audiences: &[String], keys: Vec<IssuerKey>) -> Result<Self, Error> {
        let fits =
            |text: &str| (1..=NAME_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if !fits(iss) {
            return Err(invalid("iss is expected to have 1 to 500 printable characters"));
        }
        if audiences.len() > AUDIENCES_MAX || !audiences.iter().all(|audience| fits(audience)) {
            return Err(invalid("audiences are at most 10, of 1 to 500 printable characters each"));
        }
        if !(1..=ISSUER_KEYS_MAX).contains(&keys.len()) {
            return Err(invalid("an issuer has 1 to 10 keys of RSA that sign with RS256"));
        }
        if !keys.iter().filter_map(IssuerKey::kid).all(fits) {
            return Err(invalid("kid is expected to have 1 to 500 printable characters"));
        }
        let is_twice = |index: usize, key: &IssuerKey| {
            keys[..index].iter().any(|other| (key.kid.is_some() && other.kid == key.kid) || other.public == key.public)
        };
        if keys.iter().enumerate().any(|(index, key)| is_twice(index, key)) {
            return Err(invalid("two keys have the same kid or are the same key"));
        }
        let audiences = audiences.iter().map(|audience| audience.as_str().into()).collect();
        Ok(Self { name, iss: iss.into(), audiences, keys })
    }

    /// What the workspace calls it.
    #[must_use]
    pub fn name(&self) -> &Slug {
        &self.name
    }

    /// What it calls itself: the `iss` of its tokens.
    #[must_use]
    pub fn iss(&self) -> &str {
        &self.iss
    }

    /// For whom its tokens have to be, if that matters.
    #[must_use]
    pub fn audiences(&self) -> &[Arc<str>] {
        &self.audiences
    }

    /// The keys that it signs with.
    #[must_use]
    pub fn keys(&self) -> &[IssuerKey] {
        &self.keys
    }

    /// Whether a token is for one of the audiences: its `aud` is a text or a list of them.
    fn is_meant(&self, aud: Option<&Value>) -> bool {
        let is_one = |value: &Value| value.as_str().is_some_and(|aud| self.audiences.iter().any(|own| **own == *aud));
        self.audiences.is_empty()
            || match aud {
                Some(Value::Array(all)) => all.iter().any(is_one),
                Some(one) => is_one(one),
                None => false,
            }
    }
}

impl Issuers {
    /// The issuers, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter()
    }

    /// The issuer of this name.
    ///
    /// # Errors
    /// `NotFound` with `token_issuer_not_found`.
    pub fn find(&self, name: &str) -> Result<&Issuer, Error> {
        let found = self.issuers.iter().find(|issuer| issuer.name.as_str() == name);
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, "token_issuer_not_found", "no token issuer of this name"))
    }

    /// What a token of one of these issuers says.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Fault> {
        let signed = Signed::read(token).ok_or(Fault::Invalid)?;
        let claims: Claims = signed.claims().ok_or(Fault::Invalid)?;
        // What it says to be only chooses whose keys it is checked with.
        let iss = claims.text("iss").ok_or(Fault::Invalid)?;
        let issuer = self.issuers.iter().find(|issuer| *issuer.iss == *iss).ok_or(Fault::Issuer)?;
        if !signed.is_by(issuer.keys.iter().map(|key| (key.kid(), &key.material))) {
            return Err(Fault::Invalid);
        }
        in_time(&claims, now, LATE_SECS)?;
        if issuer.is_meant(claims.get("aud")) { Ok(claims) } else { Err(Fault::Audience) }
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, "token_issuer_invalid", message)
}
