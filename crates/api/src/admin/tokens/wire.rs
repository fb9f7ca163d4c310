//! The form of requests and answers about signing keys and token issuers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The keys that a workspace signs tokens with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SigningKeys {
    /// The keys that verify, the one that signs last.
    pub(super) keys: Vec<SigningKey>,
    /// Where they are published as a JSON Web Key Set.
    pub(super) jwks_path: String,
}

/// The public half of a key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SigningKey {
    /// Its name: the `kid` of tokens.
    pub(super) kid: String,
    /// `RS256`.
    pub(super) algorithm: &'static str,
    /// 2048 or 4096.
    pub(super) bits: usize,
    /// The public key, in PEM.
    pub(super) public_key: String,
    /// When it was made.
    pub(super) made_at: String,
    /// Whether new tokens are signed with it.
    pub(super) signs: bool,
    /// When it verifies no more and is removed; null of the one that signs.
    pub(super) ends_at: Option<String>,
}

/// The key that is to sign.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSigningKey {
    /// 2048 or 4096; 2048 where it is left out.
    #[serde(default)]
    pub(super) bits: Option<u32>,
    /// How long keys before it verify, at most: 0 to 2592000 seconds, a day where it is left out.
    #[serde(default)]
    pub(super) overlap_secs: Option<u32>,
}

/// A JSON Web Key Set.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Jwks {
    /// The keys.
    pub(super) keys: Vec<Jwk>,
}

/// A JSON Web Key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Jwk {
    /// `RSA`.
    pub(super) kty: &'static str,
    /// `sig`.
    pub(super) r#use: &'static str,
    /// `RS256`.
    pub(super) alg: &'static str,
    /// Its name.
    pub(super) kid: String,
    /// The modulus, in base64url.
    pub(super) n: String,
    /// The exponent, in base64url.
    pub(super) e: String,
}

/// The issuers whose tokens are taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TokenIssuers)]
pub(super) struct Issuers {
    /// All of them, by name.
    pub(super) items: Vec<Issuer>,
}

/// An issuer whose tokens are taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TokenIssuer)]
pub(super) struct Issuer {
    /// Its name in the workspace.
    pub(super) name: String,
    /// What it calls itself.
    pub(super) iss: String,
    /// `RS256`.
    pub(super) algorithm: &'static str,
    /// For whom its tokens have to be; none where that does not matter.
    pub(super) audiences: Vec<String>,
    /// Its keys; those of a `jwks` too.
    pub(super) public_keys: Vec<IssuerKey>,
}

/// A key that an issuer signs with.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenIssuerKey)]
pub(super) struct IssuerKey {
    /// The `kid` of its tokens; null where it is tried for any.
    #[serde(default)]
    pub(super) kid: Option<String>,
    /// The public key in PEM, `-----BEGIN PUBLIC KEY-----`, of 2,048 to 8,192 bits.
    pub(super) public_key: String,
}

/// An issuer whose tokens are to be taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SetTokenIssuer)]
pub(super) struct SetIssuer {
    /// What it calls itself: the `iss` of its tokens, 1 to 500 characters. No other issuer of the workspace has it.
    pub(super) iss: String,
    /// `RS256`: tokens of another algorithm are not taken.
    pub(super) algorithm: String,
    /// For whom its tokens have to be: `aud` is one of these, or holds one. At most 10; none where that does not matter.
    #[serde(default)]
    pub(super) audiences: Vec<String>,
    /// Its public keys, 1 to 10.
    #[serde(default)]
    pub(super) public_keys: Option<Vec<IssuerKey>>,
    /// Or the JSON Web Key Set that it publishes: `{"keys":[…]}`. Keys that do not sign with RS256 are left out.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(super) jwks: Option<Value>,
}
