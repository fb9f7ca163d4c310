//! Erasures that are jobs: of a dataset or batch, and of many profiles.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use tessera_seam::answer::{Answer, accepted, invalid};
use tessera_seam::app::App;
use tessera_seam::counted::Counted;
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::{body, once};
use tessera_service::ERASED_PROFILES_MAX;
use tessera_service::directory::Permission;
use tessera_service::idempotency::Once;
use tessera_service::jobs::Job;
use tessera_service::verdict::NamedIdentity;
use utoipa::ToSchema;

use super::{example, rendered, wire};
use crate::native::wire::RecordIdentity;

const PATH: &str = "/v1/erasures";
const PROFILES_PATH: &str = "/v1/profiles:erase";
/// Characters of a reason.
const REASON_CHARS_MAX: usize = 100;

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

/// Whose profiles are erased.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProfilesErasure {
    /// One identity of each profile: 1 to 5,000.
    #[schema(value_type = Vec<RecordIdentity>)]
    identities: Counted<RecordIdentity, ERASED_PROFILES_MAX>,
    /// Why, for whoever looks at the job: at most 100 characters, and nothing of a person.
    #[serde(default)]
    reason: Option<String>,
}

pub(super) fn of_profiles() -> Route {
    let mut job = example();
    (job["kind"], job["parameters"]) = ("erase_profiles".into(), json!({ "named": 2, "reason": "ticket 4711" }));
    Route::new(Method::POST, PROFILES_PATH, Access::Workspace(Permission::Erase), post(erase_profiles), Tag::Profiles, "Erases many profiles")
        .describe(
            "By a job, each in a commit of its own with a receipt of its own: those that the identities are of now. Whoever is named and not \
             known is passed over. The job keeps no identity of them. They may come back; `PUT /v1/suppressions/…` keeps somebody out.",
        )
        .idempotent()
        .body::<ProfilesErasure>(json!({
            "identities": [{ "namespace": "user_id", "value": "7001" }, { "namespace": "email", "value": "lena@shop.example" }],
            "reason": "ticket 4711"
        }))
        .answer::<wire::Job>(202, "The job.", job)
}

async fn erase_profiles(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    let key = once::key(&headers)?;
    let body = entered.body(&app, &headers, body).await?;
    let ProfilesErasure { identities, reason } = body::json(&body)?;
    let identities = identities.within("identities")?;
    if identities.is_empty() {
        return Err(invalid("batch_empty", "identities must hold at least one identity").into());
    }
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        return Err(invalid("reason_invalid", "reason is expected to have at most 100 characters").into());
    }
    let named = |own: RecordIdentity| NamedIdentity { namespace: own.namespace.into(), value: own.value.into() };
    let identities: Vec<NamedIdentity> = identities.into_iter().map(named).collect();
    let (by, reason) = (entered.caller.key(), reason.as_deref());
    let work = async |once: Option<Once<Job>>| {
        app.service.erase_profiles(entered.workspace, &identities, reason, by, once.as_ref()).await
    };
    let what = (&Method::POST, PROFILES_PATH, &body[..]);
    let json = once::answer(&app, &entered, key, what, |job| Ok(rendered(job)), work).await?;
    Ok(entered.answer(accepted(json)))
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
