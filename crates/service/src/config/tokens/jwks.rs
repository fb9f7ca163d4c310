//! Keys in the form of RFC 7517, as issuers publish them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::ALGORITHM;
use super::issuers::IssuerKey;
use crate::base::error::{Error, ErrorKind};
use crate::config::identity_tokens::PublicKey;

/// Keys of one document that are looked at.
const KEYS_MAX: usize = 100;

/// The keys of a document that sign with our algorithm. Those for other uses and of other algorithms are left out.
///
/// # Errors
/// `Invalid` with `token_jwks_invalid`.
pub fn keys(document: &Value) -> Result<Vec<IssuerKey>, Error> {
    let all = document.get("keys").and_then(Value::as_array);
    let all = all.ok_or_else(|| invalid("jwks is expected to be an object with a list of keys"))?;
    if all.len() > KEYS_MAX {
        return Err(invalid("jwks has more than 100 keys"));
    }
    let mut keys = Vec::new();
    for (index, key) in all.iter().enumerate() {
        let key = key.as_object().ok_or_else(|| of(index, "is no object"))?;
        if key.contains_key("d") {
            return Err(of(index, "holds a private key, which is to stay with its issuer: hand over the public one"));
        }
        if signs(key) {
            keys.push(read(index, key)?);
        }
    }
    if keys.is_empty() {
        return Err(invalid("jwks has no key of RSA that signs with RS256"));
    }
    Ok(keys)
}

/// Whether a key signs with our algorithm, as far as it says.
fn signs(key: &Map<String, Value>) -> bool {
    let says = |name: &str, value: &str| key.get(name).is_none_or(|said| said == value);
    key.get("kty").is_some_and(|kty| kty == "RSA") && says("use", "sig") && says("alg", ALGORITHM)
}

fn read(index: usize, key: &Map<String, Value>) -> Result<IssuerKey, Error> {
    let kid = match key.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.as_str().into()),
        Some(_) => return Err(of(index, "has a kid that is no text")),
    };
    let number = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok();
    let (n, e) = number("n").zip(number("e")).ok_or_else(|| of(index, "is expected to have n and e in base64url"))?;
    let public = PublicKey::of_numbers(&n, &e);
    Ok(IssuerKey::new(kid, public.map_err(|_| of(index, "is no key of RSA with 2048 to 8192 bits"))?))
}

fn of(index: usize, what: &str) -> Error {
    Error::new(ErrorKind::Invalid, "token_jwks_invalid", format!("key {what} index={index}"))
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, "token_jwks_invalid", message)
}
