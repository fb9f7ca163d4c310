//! The keys that a workspace signs with: the newest one signs, those before it verify until they end.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Map, Value};
use tessera_engine::time::Timestamp;

use super::made::Pair;
use super::signed::{Holds, Signed, TOKEN_BYTES_MAX, holds};
use super::{ALGORITHM, Claims, Fault};
use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::config::identity_tokens::{Material, PublicKey};

/// Keys of one workspace: the one that signs, and those that still verify.
pub const SIGNING_KEYS_MAX: usize = 4;

/// The keys of a workspace, the one that signs last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SigningKeys {
    pub(crate) keys: Vec<SigningKey>,
}

/// A key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name: the hash of its public half.
    pub kid: Arc<str>,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it verifies no more, once another one signs.
    pub ends_at: Option<Timestamp>,
    /// The public half, by which others verify.
    pub public: PublicKey,
    material: Material,
    private: Private,
}

/// The half that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Private(Arc<[u8]>);

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl SigningKeys {
    /// The keys, the one that signs last. Some may have ended.
    pub fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter()
    }

    /// The key that signs.
    #[must_use]
    pub fn signing(&self) -> Option<&SigningKey> {
        self.keys.last()
    }

    /// Those that verify at this instant.
    pub fn verifying(&self, now: Timestamp) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter().filter(move |key| !key.has_ended(now))
    }

    /// When the next of them ends.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.keys.iter().filter_map(|key| key.ends_at).min()
    }

    /// What a token says that one of these keys signed, as this issuer.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn verify(&self, token: &str, iss: &str, now: Timestamp) -> Result<Claims, Fault> {
        let signed = Signed::read(token).ok_or(Fault::Invalid)?;
        if !signed.is_by(self.verifying(now).map(|key| (Some(&*key.kid), &key.material))) {
            return Err(Fault::Invalid);
        }
        let claims: Claims = signed.claims().ok_or(Fault::Invalid)?;
        in_time(&claims, now, 0)?;
        if claims.text("iss") == Some(iss) { Ok(claims) } else { Err(Fault::Issuer) }
    }
}

/// Whether an instant is between the times of a token; its end may be late by some seconds.
///
/// # Errors
/// `Invalid` where it has no end, `Expired`, `Early`.
pub(super) fn in_time(claims: &Claims, now: Timestamp, late_secs: u32) -> Result<(), Fault> {
    let exp = claims.get("exp").ok_or(Fault::Invalid)?;
    match holds(exp, claims.get("nbf"), now, late_secs).ok_or(Fault::Invalid)? {
        Holds::Now => Ok(()),
        Holds::NoLonger => Err(Fault::Expired),
        Holds::NotYet => Err(Fault::Early),
    }
}

impl SigningKey {
    pub(crate) fn new(pair: Pair, made_at: Timestamp) -> Self {
        let Pair { pkcs8, public } = pair;
        Self::stored(pkcs8.into(), public, made_at, None)
    }

    pub(crate) fn stored(pkcs8: Arc<[u8]>, public: PublicKey, made_at: Timestamp, ends_at: Option<Timestamp>) -> Self {
        let (kid, material) = (public.thumbprint().into(), Material::Public(public.clone()));
        Self { kid, made_at, ends_at, public, material, private: Private(pkcs8) }
    }

    /// This key, which verifies no more from an instant on.
    pub(crate) fn ending_at(self, at: Timestamp) -> Self {
        Self { ends_at: Some(at), ..self }
    }

    #[cfg(test)]
    pub(super) fn private(&self) -> &Private {
        &self.private
    }

    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.private.0
    }

    /// Whether its halves are of one key.
    pub(crate) fn is_whole(&self) -> bool {
        RsaKeyPair::from_pkcs8(self.pkcs8()).is_ok_and(|pair| pair.public().as_ref() == self.public.as_pkcs1())
    }

    /// Whether it verifies no more.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at <= now)
    }

    /// A token that says this. It takes a thread for a millisecond, with 4,096 bits for some.
    ///
    /// # Errors
    /// `LimitExceeded` with `token_too_large`; `Corrupt` for a key that cannot be read.
    pub(crate) fn sign(&self, claims: &Map<String, Value>) -> Result<String, Error> {
        let header = format!(r#"{{"typ":"JWT","alg":"{ALGORITHM}","kid":"{}"}}"#, self.kid);
        let claims = serde_json::to_vec(claims).expect("a map of JSON is written without fail");
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.tag(signed.as_bytes())?));
        if token.len() > TOKEN_BYTES_MAX {
            let message = format!("a token has at most {TOKEN_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::LimitExceeded, "token_too_large", message));
        }
        Ok(token)
    }

    /// The signature of some bytes.
    pub(super) fn tag(&self, signed: &[u8]) -> Result<Vec<u8>, Error> {
        let damaged = || corrupt("signing key");
        let pair = RsaKeyPair::from_pkcs8(&self.private.0).map_err(|_| damaged())?;
        let mut tag = vec![0; pair.public().modulus_len()];
        // No random bits go into a signature of this algorithm: the source that has to be handed over stays unused.
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut tag).map_err(|_| damaged())?;
        Ok(tag)
    }
}
