//! The form of requests and answers about identity tokens.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a workspace asks of the user ids that public keys send.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IdentityTokens)]
pub(super) struct Tokens {
    /// `off`, `accept` or `require`.
    pub(super) mode: &'static str,
    /// The keys that tokens may be signed with.
    pub(super) keys: Vec<TokenKey>,
}

/// A key that tokens may be signed with, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IdentityTokenKey)]
pub(super) struct TokenKey {
    /// Its name: the `kid` of tokens.
    pub(super) kid: String,
    /// `HS256` or `RS256`.
    pub(super) algorithm: &'static str,
    /// For RS256: the public key, in PEM.
    pub(super) public_key: Option<String>,
}

/// What a workspace shall ask of the user ids that public keys send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SetIdentityTokens)]
pub(super) struct SetTokens {
    /// `off` (tokens are not looked at), `accept` (a good one makes the user id as good as a server's) or `require` (a user id without
    /// one is refused).
    pub(super) mode: String,
    /// The keys that tokens may be signed with, at most 4; at least one unless the mode is `off`.
    #[serde(default)]
    pub(super) keys: Vec<SetTokenKey>,
}

/// A key that tokens may be signed with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SetIdentityTokenKey)]
pub(super) struct SetTokenKey {
    /// Its name: 1 to 100 printable characters. Tokens with a `kid` are checked with the key of that name.
    pub(super) kid: String,
    /// `HS256` or `RS256`. Tokens of another algorithm are not taken.
    pub(super) algorithm: String,
    /// For HS256: 32 to 1,024 bytes of text. Where it is left out, the one that stands under the `kid` stays.
    #[serde(default)]
    pub(super) secret: Option<String>,
    /// For RS256: the public key in PEM, `-----BEGIN PUBLIC KEY-----`, of 2,048 to 8,192 bits.
    #[serde(default)]
    pub(super) public_key: Option<String>,
}

impl fmt::Debug for SetTokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SetTokenKey {{ kid: {:?}, algorithm: {:?}, *** }}", self.kid, self.algorithm)
    }
}
