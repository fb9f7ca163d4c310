//! Tokens of a workspace: those that it signs with keys of its own, and those of other issuers that it takes.
//!
//! A token is a JSON Web Token in its compact form. The key names its algorithm, the header only chooses among keys: neither `none` nor a
//! public key taken for a secret gets anywhere, and where a token says that keys can be fetched from is not read. Nothing is fetched from
//! anywhere. Identity tokens, which pages send with events, are read by the same code.
//!
//! Which keys and issuers there are is configuration of a workspace; the clock and random bits are given.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::base::error::{Error, ErrorKind};

pub(crate) mod issuers;
pub(crate) mod jwks;
pub(crate) mod made;
pub(crate) mod signed;
pub(crate) mod signing;
pub(crate) mod signing_keys;

pub use issuers::{Issuer, IssuerKey, Issuers};
pub use jwks::keys as keys_of_jwks;
pub use made::Bits;
pub use signing_keys::{SIGNING_KEYS_MAX, SigningKey, SigningKeys};

/// The one algorithm that keys of ours sign with and that tokens of other issuers are taken with, as tokens name it.
pub const ALGORITHM: &str = "RS256";

/// What a verified token says.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims(Map<String, Value>);

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(***)")
    }
}

impl Claims {
    /// What it says under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The text that it says under a name, if it is one.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// Everything that it says.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// Members of an object, each name once: two readers cannot take it for different things.
impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<Claims, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if map.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a name stands twice"));
                    }
                }
                Ok(Claims(map))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is none, is too large, or is signed with none of the keys by their algorithm.
    Invalid,
    /// It has ended.
    Expired,
    /// It does not hold yet.
    Early,
    /// It is of another issuer.
    Issuer,
    /// It is for somebody else.
    Audience,
}

impl Fault {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "token_invalid",
            Self::Expired => "token_expired",
            Self::Early => "token_not_yet_valid",
            Self::Issuer => "token_issuer_unknown",
            Self::Audience => "token_audience_wrong",
        }
    }

    /// What was expected.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Invalid => {
                "a token of at most 8192 bytes is expected, signed by a key of its issuer with RS256, with iss and exp"
            }
            Self::Expired => "the token has ended: another one is expected",
            Self::Early => "the token does not hold yet",
            Self::Issuer => "the token is of an issuer that is not known here",
            Self::Audience => "the token is for another audience",
        }
    }

    /// The same as an error.
    #[must_use]
    pub fn error(self) -> Error {
        Error::new(ErrorKind::Unauthenticated, self.code(), self.expected())
    }
}

#[cfg(test)]
pub(crate) mod tests;
