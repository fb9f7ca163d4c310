//! The erasure of a dataset or batch: a job.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use tessera_service::directory::Permission;
use utoipa::ToSchema;

use super::{example, rendered, wire};
use crate::answer::{Answer, accepted};
use crate::app::App;
use crate::route::{Access, Route, Tag};
use crate::{body, once};

const PATH: &str = "/v1/erasures";

/// Which source is erased.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SourceErasure {
    /// The dataset.
    dataset: String,
    /// One named delivery of it; all of it where this is left out.
    #[serde(default)]
    batch: Option<String>,
}

pub(super) fn route() -> Route {
    let mut job = example();
    job["kind"] = "erase_source".into();
    Route::new(Method::POST, PATH, Access::Workspace(Permission::Erase), post(erase), Tag::Profiles, "Erases a dataset or batch")
        .describe(
            "What it has said so far counts nowhere from when this answers: reads fold without it. A job takes it out of every profile, \
             one commit for each, and off the store. Values that it had overwritten do not come back: send them anew. What is sent to \
             the dataset afterwards is new. When the job is done, the receipt stands under the job's id.",
        )
        .idempotent()
        .body::<SourceErasure>(json!({ "dataset": "crm", "batch": "2026-01-31" }))
        .answer::<wire::Job>(202, "The job.", job)
}

async fn erase(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    let key = once::key(&headers)?;
    let body = entered.body(&app, &headers, body).await?;
    let SourceErasure { dataset, batch } = body::json(&body)?;
    entered.caller.datasets().check(&dataset)?;
    let by = entered.caller.key();
    let work = |once| app.service.erase_source(entered.workspace, &dataset, batch.as_deref(), once, by);
    let what = (&Method::POST, PATH, &body[..]);
    let json = once::answer(&app, &entered, key, what, |job| Ok(rendered(job)), work).await?;
    Ok(entered.answer(accepted(json)))
}
