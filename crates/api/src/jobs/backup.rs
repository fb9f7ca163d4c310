//! A backup of the whole store: a job.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use tessera_seam::answer::{Answer, accepted};
use tessera_seam::app::App;
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::{body, once};
use tessera_service::directory::Permission;
use tessera_service::idempotency::Once;
use tessera_service::jobs::Job;
use utoipa::ToSchema;

use super::{example, rendered, wire};

const PATH: &str = "/v1/admin/backups";

/// Which file is made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBackup {
    /// A new file in the folder that the operator has set: 1 to 100 letters of ASCII, digits, dots, dashes and underscores, and no dot
    /// to begin with.
    name: String,
}

pub(super) fn route() -> Route {
    let mut job = example();
    (job["kind"], job["parameters"]) = (json!("backup"), json!({ "name": "monday.tessera" }));
    (job["progress"]["unit"], job["progress"]["total"]) = (json!("rows"), json!(null));
    job["progress"]["remaining_secs"] = json!(null);
    Route::new(Method::POST, PATH, Access::Workspace(Permission::Operate), post(make), Tag::Jobs, "Backs up the whole store")
        .describe(
            "Writes everything of all workspaces, as it is at one instant, to a file in the folder of the setting `backup_dir`, while \
             the server is in use; `tessera restore` makes a data folder of it. The file has its name once it is whole and on disk. The \
             instant is held meanwhile, so purges wait; a job that is paused for more than a minute, or whose server ends, begins again.",
        )
        .idempotent()
        .body::<NewBackup>(json!({ "name": "monday.tessera" }))
        .answer::<wire::Job>(202, "The job.", job)
}

async fn make(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Operate)?;
    let key = once::key(&headers)?;
    let body = entered.body(&app, &headers, body).await?;
    let NewBackup { name } = body::json(&body)?;
    let by = entered.caller.key();
    let work =
        async |once: Option<Once<Job>>| app.service.ask_backup(entered.workspace, &name, once.as_ref(), by).await;
    let what = (&Method::POST, PATH, &body[..]);
    let json = once::answer(&app, &entered, key, what, |job| Ok(rendered(job)), work).await?;
    Ok(entered.answer(accepted(json)))
}
