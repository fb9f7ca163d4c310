//! Identity tokens: by them a server vouches for the user id that a page sends with a public key.
//!
//! A token is a JSON Web Token in its compact form, signed with HS256 or RS256: `sub` is the user id, `exp` when it ends, `nbf` from when
//! it holds, if it says so. A key names its algorithm, and a token of another one is not looked at: neither `none` nor a public key
//! taken for a secret gets anywhere. Where a token says that keys can be fetched from is not read.
//!
//! Which tokens there are is configuration of a workspace; the clock is given.

use std::fmt;
use std::sync::Arc;

use ring::{hmac, signature};
use serde::Deserialize;
use serde_json::Value;
use tessera_engine::time::Timestamp;

use crate::base::error::{Error, ErrorKind};
use crate::config::tokens::signed::{Holds, Signed, holds};

mod public_key;

pub use public_key::PublicKey;

/// Keys of one workspace: one in use, and what it takes to change it without a gap.
pub const KEYS_MAX: usize = 4;
/// Bytes of a secret: no less than the hash has.
pub const SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=1_024;
/// Characters of the name of a key.
const KID_CHARS_MAX: usize = 100;

/// What a workspace asks of the user ids that public keys send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenMode {
    /// Nothing; tokens are not looked at.
    #[default]
    Off,
    /// A token is taken where there is one, and its user id is as good as one that a server sends.
    Accept,
    /// A user id without a token is refused.
    Require,
}

impl TokenMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Accept, Self::Require];

    /// Its name in requests and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Accept => "accept",
            Self::Require => "require",
        }
    }
}

/// What a workspace says of identity tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdentityTokens {
    /// What is asked of user ids.
    pub mode: TokenMode,
    /// The keys that tokens may be signed with, each of a name of its own; at least one unless the mode is off.
    pub keys: Vec<TokenKey>,
}

/// A key that tokens may be signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// Its name: the `kid` of tokens.
    pub kid: Arc<str>,
    /// The algorithm, and what it takes to check it.
    pub material: Material,
}

/// What signatures are checked with.
#[derive(Clone, PartialEq, Eq)]
pub enum Material {
    /// HS256: the secret, shared with the server that signs.
    Secret(Arc<[u8]>),
    /// RS256: the public key of the server that signs.
    Public(PublicKey),
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(***)", self.algorithm())
    }
}

impl Material {
    /// A secret.
    ///
    /// # Errors
    /// `Invalid` with `token_key_invalid` unless it has 32 to 1,024 bytes.
    pub fn secret(text: &str) -> Result<Self, Error> {
        if SECRET_BYTES.contains(&text.len()) {
            Ok(Self::Secret(text.as_bytes().into()))
        } else {
            Err(invalid("a secret of HS256 must have 32 to 1024 bytes"))
        }
    }

    /// The algorithm, as tokens name it.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Self::Secret(_) => "HS256",
            Self::Public(_) => "RS256",
        }
    }

    pub(crate) fn verifies(&self, signed: &[u8], tag: &[u8]) -> bool {
        match self {
            Self::Secret(secret) => hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed, tag).is_ok(),
            Self::Public(key) => {
                let key = signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, key.as_pkcs1());
                key.verify(signed, tag).is_ok()
            }
        }
    }
}

/// Why a token does not vouch for anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is none.
    Missing,
    /// It is none, is signed with none of the keys, does not hold yet, or is of somebody else.
    Invalid,
    /// It has ended.
    Expired,
}

impl Fault {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "identity_token_missing",
            Self::Invalid => "identity_token_invalid",
            Self::Expired => "identity_token_expired",
        }
    }

    /// What was expected.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Missing => "a userId sent with a public key is expected to come with an identity token of its server",
            Self::Invalid => {
                "the identity token is expected to be signed with a key of this workspace, by its algorithm, with the userId as sub and an exp"
            }
            Self::Expired => "the identity token has ended: its server is expected to make another",
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: Value,
    exp: Value,
    #[serde(default)]
    nbf: Option<Value>,
}

impl IdentityTokens {
    /// The user id that a token vouches for at this instant.
    ///
    /// # Errors
    /// `Invalid` or `Expired`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<str>, Fault> {
        let signed = Signed::read(token).ok_or(Fault::Invalid)?;
        if !signed.is_by(self.keys.iter().map(|key| (Some(&*key.kid), &key.material))) {
            return Err(Fault::Invalid);
        }
        let claims: Claims = signed.claims().ok_or(Fault::Invalid)?;
        match holds(&claims.exp, claims.nbf.as_ref(), now, 0).ok_or(Fault::Invalid)? {
            Holds::Now => {}
            Holds::NoLonger => return Err(Fault::Expired),
            Holds::NotYet => return Err(Fault::Invalid),
        }
        match claims.sub {
            Value::String(sub) if !sub.trim().is_empty() => Ok(sub.into()),
            Value::Number(sub) => Ok(sub.to_string().into()),
            _ => Err(Fault::Invalid),
        }
    }
}

/// Reads the name of a key.
///
/// # Errors
/// `Invalid` with `token_key_invalid`.
pub fn kid(text: &str) -> Result<Arc<str>, Error> {
    let fits = (1..=KID_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(text.into()) } else { Err(invalid("kid must be 1 to 100 printable characters")) }
}

pub(crate) fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, "token_key_invalid", message)
}

#[cfg(test)]
mod tests;
