//! Extractors whose refusals have our shape.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::answer::{Failure, invalid};

/// The segments of the path, percent-decoded.
pub(crate) struct Segments<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let segments = Path::from_request_parts(parts, state).await;
        let invalid = |_| invalid("path_invalid", "a segment of the path is not utf-8 after percent-decoding").into();
        segments.map(|Path(segments)| Self(segments)).map_err(invalid)
    }
}

/// The parameters of the query, in their order, percent-decoded.
#[derive(Debug, Default)]
pub(crate) struct Query(pub(crate) Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        let invalid = |_| invalid("query_invalid", "the query is no list of name=value pairs").into();
        query.map(|axum::extract::Query(pairs)| Self(pairs)).map_err(invalid)
    }
}

impl Query {
    /// The value of a parameter; of several the last, and none for an empty one.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether a parameter says `true`; none, or `false`, does not. An empty one says nothing, and two that differ say both: a flag
    /// that was meant must not be taken for one that is absent.
    ///
    /// # Errors
    /// `query_invalid`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, tessera_service::error::Error> {
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
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, tessera_service::error::Error> {
        match self.get("limit").map(str::parse::<usize>) {
            None => Ok(default),
            Some(Ok(limit)) if (1..=max).contains(&limit) => Ok(limit),
            Some(_) => Err(invalid("limit_invalid", format!("limit must be a whole number from 1 to {max}"))),
        }
    }
}
