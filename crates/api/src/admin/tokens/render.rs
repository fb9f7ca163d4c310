//! How keys and issuers are shown.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tessera_engine::time::Timestamp;
use tessera_service::clock::format_seconds;
use tessera_service::workspace_tokens::{ALGORITHM, Issuer, SigningKeys};

use super::wire;

/// The keys that have not ended.
pub(super) fn signing_keys(keys: &SigningKeys, now: Timestamp, jwks_path: String) -> wire::SigningKeys {
    let shown = keys.verifying(now).map(|key| wire::SigningKey {
        kid: key.kid.to_string(),
        algorithm: ALGORITHM,
        bits: key.public.bits(),
        public_key: key.public.as_pem().to_owned(),
        made_at: format_seconds(key.made_at),
        signs: key.ends_at.is_none(),
        ends_at: key.ends_at.map(format_seconds),
    });
    wire::SigningKeys { keys: shown.collect(), jwks_path }
}

/// The same for whoever verifies.
pub(super) fn jwks(keys: &SigningKeys, now: Timestamp) -> wire::Jwks {
    let shown = keys.verifying(now).map(|key| wire::Jwk {
        kty: "RSA",
        r#use: "sig",
        alg: ALGORITHM,
        kid: key.kid.to_string(),
        n: URL_SAFE_NO_PAD.encode(key.public.modulus()),
        e: URL_SAFE_NO_PAD.encode(key.public.exponent()),
    });
    wire::Jwks { keys: shown.collect() }
}

pub(super) fn issuer(issuer: &Issuer) -> wire::Issuer {
    let keys = issuer
        .keys()
        .iter()
        .map(|key| wire::IssuerKey { kid: key.kid().map(str::to_owned), public_key: key.public().as_pem().to_owned() });
    wire::Issuer {
        name: issuer.name().to_string(),
        iss: issuer.iss().to_owned(),
        algorithm: ALGORITHM,
        audiences: issuer.audiences().iter().map(|audience| audience.to_string()).collect(),
        public_keys: keys.collect(),
    }
}
