//! Extractors whose refusals have our shape.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::header::HOST;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::answer::{Failure, invalid};
use crate::app::App;
use crate::public_url::is_host;
use crate::transport::Secured;

/// The segments of the path, percent-decoded.
pub struct PathParams<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParams<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        // Decoding would take a `%` without two digits for itself, and look up what nobody meant.
        if percent_decoded(parts.uri.path()).is_none() {
            let message = "the url is malformed: a % in its path is not followed by two hexadecimal digits";
            return Err(invalid("path_invalid", message).into());
        }
        let segments = Path::from_request_parts(parts, state).await;
        let invalid = |_| invalid("path_invalid", "a segment of the path is not utf-8 after percent-decoding").into();
        segments.map(|Path(segments)| Self(segments)).map_err(invalid)
    }
}

/// The bytes of a part of a URL; none if a `%` in it begins no code of a byte.
pub(crate) fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.as_bytes().split_at_checked(2)?;
        let digit = |at: usize| char::from(code[at]).to_digit(16);
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        bytes.extend_from_slice(rest);
    }
    Some(bytes)
}

/// Where the client reached us, without a slash at its end: the public address that is set, otherwise what the request says.
pub struct BaseUrl(pub String);

impl FromRequestParts<Arc<App>> for BaseUrl {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        if let Some(url) = &app.settings.public_url {
            return Ok(Self(url.to_string()));
        }
        let authority = parts.uri.authority().map(|authority| authority.as_str());
        let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).or(authority);
        let host = named.filter(|host| is_host(host)).unwrap_or("localhost");
        let scheme = if parts.extensions.get::<Secured>().is_some() { "https" } else { "http" };
        Ok(Self(format!("{scheme}://{host}")))
    }
}

/// The parameters of the query, in their order, percent-decoded.
#[derive(Debug, Default)]
pub struct Query(pub Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Some(decoded) = percent_decoded(parts.uri.query().unwrap_or_default()) else {
            let message = "the url is malformed: a % in its query is not followed by two hexadecimal digits";
            return Err(invalid("query_invalid", message).into());
        };
        // Bytes that are no UTF-8 would be replaced, and then be somebody else's id.
        if std::str::from_utf8(&decoded).is_err() {
            return Err(invalid("query_invalid", "the query is not utf-8 after percent-decoding").into());
        }
        let Loose(query) = Loose::from_request_parts(parts, state).await?;
        Ok(query)
    }
}

/// A query of whoever cannot be told that it is malformed: what can be read of it is.
#[derive(Debug, Default)]
pub struct Loose(pub Query);

impl<S: Send + Sync> FromRequestParts<S> for Loose {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        let invalid = |_| invalid("query_invalid", "the query is no list of name=value pairs").into();
        query.map(|axum::extract::Query(pairs)| Self(Query(pairs))).map_err(invalid)
    }
}

impl Query {
    /// The value of a parameter; of several the last, and none for an empty one.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether a parameter says `true`; none, or `false`, does not. An empty one says nothing, and two that differ say both: a flag
    /// that was meant must not be taken for one that is absent.
    ///
    /// # Errors
    /// `query_invalid`.
    pub fn flag(&self, name: &str) -> Result<bool, tessera_service::error::Error> {
        let mut said = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let Some(first) = said.next() else { return Ok(false) };
        match first {
            "true" | "false" if said.all(|other| other == first) => Ok(first == "true"),
            _ => Err(invalid("query_invalid", format!("{name} must be true or false"))),
        }
    }

    /// A whole number within these bounds, or what stands for none.
    ///
    /// # Errors
    /// `limit_invalid`.
    pub fn limit(&self, default: usize, max: usize) -> Result<usize, tessera_service::error::Error> {
        match self.get("limit").map(str::parse::<usize>) {
            None => Ok(default),
            Some(Ok(limit)) if (1..=max).contains(&limit) => Ok(limit),
            Some(_) => Err(invalid("limit_invalid", format!("limit must be a whole number from 1 to {max}"))),
        }
    }
}
