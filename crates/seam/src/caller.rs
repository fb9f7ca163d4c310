//! How a request proves whose it is. The directory knows the keys; here they are only found in the request.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tessera_service::error::{Error, ErrorKind};

/// How a key came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// As the user of `Basic`.
    Basic,
    /// As the token of `Bearer`.
    Bearer,
}

/// A key as it came in the header `Authorization`.
pub struct Credentials {
    /// How it came.
    pub scheme: Scheme,
    /// The key.
    pub secret: String,
}

/// The key in the header `Authorization`: `Bearer <key>`, or `Basic` with the key as user and whatever password, with or
/// without the colon between them. An empty key counts as none.
///
/// # Errors
/// `key_invalid` for another scheme or a damaged value.
pub fn from_header(headers: &HeaderMap) -> Result<Option<Credentials>, Error> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let value = value.to_str().map_err(|_| unreadable())?.trim();
    let (name, rest) = value.split_once(' ').unwrap_or((value, ""));
    let (scheme, secret) = match name.to_ascii_lowercase().as_str() {
        "bearer" => (Scheme::Bearer, rest.trim().to_owned()),
        "basic" => (Scheme::Basic, basic_user(rest.trim())?),
        _ => return Err(unreadable()),
    };
    Ok((!secret.is_empty()).then_some(Credentials { scheme, secret }))
}

/// Some clients leave the padding out, or the colon.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn basic_user(encoded: &str) -> Result<String, Error> {
    let decoded = BASE64.decode(encoded).map_err(|_| unreadable())?;
    let decoded = String::from_utf8(decoded).map_err(|_| unreadable())?;
    Ok(decoded.split_once(':').map_or(decoded.as_str(), |(user, _)| user).to_owned())
}

/// The answer to a key in a header that cannot be read.
pub(crate) fn invalid_in(name: &str) -> Error {
    Error::new(ErrorKind::Unauthenticated, "key_invalid", format!("the header {name} is not ascii"))
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Unauthenticated, "key_invalid", "the header authorization is neither bearer nor basic")
}

/// The answer to a request without a key.
pub fn missing() -> Error {
    let message = "the request carries no key: send it as bearer token or as basic user name";
    Error::new(ErrorKind::Unauthenticated, "key_missing", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Result<Option<(Scheme, &str)>, &str>) {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().expect("a header"));
        let got = from_header(&headers);
        let got =
            got.as_ref().map(|found| found.as_ref().map(|it| (it.scheme, it.secret.as_str()))).map_err(|e| e.code);
        assert_eq!(got, expected, "{value}");
    }

    #[test]
    fn keys_are_found_in_every_spelling() {
        check("Bearer sk_live_1", Ok(Some((Scheme::Bearer, "sk_live_1"))));
        check("bearer   sk_live_1 ", Ok(Some((Scheme::Bearer, "sk_live_1"))));
        check("Basic a2V5Og==", Ok(Some((Scheme::Basic, "key"))));
        check("Basic a2V5", Ok(Some((Scheme::Basic, "key"))));
        check("basic a2V5OnB3", Ok(Some((Scheme::Basic, "key"))));
        check("Basic a2V5Og", Ok(Some((Scheme::Basic, "key"))));
        check("Basic Og==", Ok(None));
        check("Bearer", Ok(None));
        check("Basic !!!", Err("key_invalid"));
        check("Basic /w==", Err("key_invalid"));
        check("Digest x", Err("key_invalid"));
    }
}
