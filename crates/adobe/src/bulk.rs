//! Reading several objects by their ids in one call (spec/adobe.md sections 5.8 and 12.1): what is not there is told beside what is.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tessera_seam::answer::json as json_answer;
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_service::error::Error;
use utoipa::ToSchema;

use super::objects::expected;

/// Ids of one call.
const IDS_MAX: usize = 100;

/// Which objects.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeIds)]
pub(super) struct Ids {
    /// 1 to 100.
    ids: Vec<Id>,
}

/// One of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeId)]
struct Id {
    id: String,
}

/// The ids of a body, each once. The vendor's client for Python sends the list alone.
///
/// # Errors
/// `member_invalid`; as [`body::json`].
pub(super) fn ids(bytes: &[u8]) -> Result<Vec<String>, Error> {
    let text = body::text(bytes)?;
    let ids = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|error| body::json_error(&error))?
    } else {
        body::json::<Ids>(bytes)?.ids
    };
    if ids.is_empty() || ids.len() > IDS_MAX {
        return Err(expected("ids", format!("1 to {IDS_MAX} of them")));
    }
    let mut unlike: Vec<String> = Vec::with_capacity(ids.len());
    for Id { id } in ids {
        if !unlike.contains(&id) {
            unlike.push(id);
        }
    }
    Ok(unlike)
}

/// What was found of each id.
#[derive(Debug, Default)]
pub(super) struct Results(BTreeMap<String, Option<Json>>);

impl Results {
    /// What there is of an id.
    pub(super) fn put(&mut self, id: String, found: Option<impl Serialize>) {
        self.0.insert(id, found.and_then(|found| serde_json::to_value(found).ok()));
    }

    /// 207 with all of them.
    ///
    /// # Errors
    /// That nothing is there, where nothing of it is.
    pub(super) fn answer(self, app: &App, not_found: impl FnOnce() -> Error) -> Result<Response, Error> {
        if self.0.values().all(Option::is_none) {
            return Err(not_found());
        }
        let missing = || {
            let error = json!({ "code": "404", "message": "Not found." });
            json!({ "requestId": app.fresh_id(), "errors": { "404": [error] } })
        };
        let results: serde_json::Map<String, Json> =
            self.0.into_iter().map(|(id, found)| (id, found.unwrap_or_else(missing))).collect();
        Ok((StatusCode::MULTI_STATUS, json_answer(&json!({ "results": results }))).into_response())
    }
}
