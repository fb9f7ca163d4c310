//! Jobs: ask for long work, list it, look at it, watch it, steer it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tessera_seam::answer::{Answer, accepted, json as json_answer, to_json};
use tessera_seam::app::App;
use tessera_seam::bounds::{JOBS_DEFAULT, JOBS_MAX};
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::{body, once};
use tessera_service::directory::Permission;
use tessera_service::idempotency::Once;
use tessera_service::jobs::{Filter, Job, JobId, JobStatus, NewJob, Query as Wanted, Wish};

mod backup;
mod erase;
mod render;
mod watch;
pub(crate) mod wire;

/// Whoever reads the workspace may look at its jobs.
const READ: Access = Access::Workspace(Permission::Read);
/// Long work is asked for, and steered, by those who configure the workspace.
const CONFIGURE: Access = Access::Workspace(Permission::Configure);

/// All routes of jobs.
pub(crate) fn routes() -> Vec<Route> {
    let route = |method, path, access, handler, summary| Route::new(method, path, access, handler, Tag::Jobs, summary);
    let one = |route: Route| route.segment("id", "The job's id.");
    let example = example();
    let steered = |path, handler, summary, description| {
        one(route(Method::POST, path, CONFIGURE, handler, summary)).describe(description).answer::<wire::Job>(
            200,
            "The job as it is now.",
            example.clone(),
        )
    };
    vec![
        backup::route(),
        erase::route(),
        erase::of_profiles(),
        route(Method::POST, "/v1/jobs", CONFIGURE, post(create), "Asks for a job")
            .describe(
                "It begins when its turn comes, and goes on after a restart where it was. Kinds: `check` walks all records of the \
                 workspace while it is in use and verifies each; it takes no parameters.",
            )
            .idempotent()
            .body::<wire::NewJob<'_>>(json!({ "kind": "check", "parameters": {} }))
            .answer::<wire::Job>(202, "The job.", example.clone()),
        list_parameters(route(Method::GET, "/v1/jobs", READ, get(list), "Lists jobs"))
            .describe(
                "Newest first. A page may be short and not the last: go on while there is a cursor. Ended jobs are kept for \
                 30 days, the newest 1,000 of a workspace. Of a job whose record is damaged only the id is shown, with the state \
                 `damaged`, where no filter is given.",
            )
            .answer::<wire::Jobs>(200, "A page of jobs.", json!({ "items": [example.clone()], "next_cursor": null })),
        one(route(Method::GET, "/v1/jobs/{id}", READ, get(read), "Reads a job")).answer::<wire::Job>(
            200,
            "The job.",
            example.clone(),
        ),
        watch::route(one(route(Method::GET, "/v1/jobs/{id}/watch", READ, get(watch::watch), "Watches a job")), &example),
        steered(
            "/v1/jobs/{id}/pause",
            post(pause),
            "Pauses a job",
            "After the step under way: until then it is `pausing`. Pausing a paused job changes nothing.",
        ),
        steered(
            "/v1/jobs/{id}/resume",
            post(resume),
            "Resumes a job",
            "From where it was. Resuming a job that is not paused changes nothing.",
        ),
        steered(
            "/v1/jobs/{id}/cancel",
            post(cancel),
            "Cancels a job",
            "After the step under way: until then it is `cancelling`. What its steps did stays done. If that step was the last, the \
             job is `done`. Cancelling a cancelled job changes nothing. Jobs that bring about what has been ordered already, such as \
             an erasure, are not cancelled.",
        ),
    ]
}

fn list_parameters(route: Route) -> Route {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": JOBS_MAX, "default": JOBS_DEFAULT });
    let text = json!({ "type": "string" });
    route
        .query(
            "state",
            "Only those in this state.",
            json!({ "type": "string", "enum": JobStatus::ALL.map(JobStatus::name) }),
        )
        .query("kind", "Only those of this kind.", text.clone())
        .query("limit", "How many.", limit)
        .query("cursor", "`next_cursor` of the page before.", text)
}

pub(crate) fn example() -> Value {
    json!({
        "id": "019a0f3e5b2c7d41e0a8f5c2", "kind": "check", "parameters": {}, "state": "running",
        "asked_by": "019a0f3e5b2c7d41e0a8f5c3", "created_at": "2026-01-31T10:00:00Z",
        "started_at": "2026-01-31T10:00:01Z", "updated_at": "2026-01-31T10:00:09Z", "ended_at": null,
        "progress": { "done": 120_500, "total": 250_000, "unit": "profiles", "remaining_secs": 9 },
        "attempts": 0, "result": null, "error": null
    })
}

async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let key = once::key(&headers)?;
    let body = entered.body(&app, &headers, body).await?;
    let wire::NewJob { kind, parameters } = body::json(&body)?;
    let parameters = parameters.map_or("{}", |parameters| parameters.get()).to_owned();
    let new = NewJob { kind, parameters, asked_by: Some(entered.caller.key()) };
    let work = async |once: Option<Once<Job>>| app.service.jobs().ask(entered.workspace, &new, once.as_ref()).await;
    let what = (&Method::POST, "/v1/jobs", &body[..]);
    let json = once::answer(&app, &entered, key, what, |job| Ok(rendered(job)), work).await?;
    Ok(entered.answer(accepted(json)))
}

pub(crate) fn rendered(job: &Job) -> bytes::Bytes {
    to_json(&render::job(job)).into()
}

async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let status = query.get("state").map(JobStatus::parse).transpose()?;
    let filter = Filter { status, kind: query.get("kind").map(str::to_owned) };
    let (limit, cursor) = (query.limit(JOBS_DEFAULT, JOBS_MAX)?, query.get("cursor").map(str::to_owned));
    let page = app.service.jobs().list(entered.workspace, &Wanted { filter, limit, cursor }).await?;
    let items = page.jobs.iter().map(render::listed).collect();
    Ok(entered.answer(json_answer(&wire::Jobs { items, next_cursor: page.next_cursor })))
}

async fn read(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let job = app.service.jobs().get(entered.workspace, JobId::parse(&id)?).await?;
    Ok(entered.answer(json_answer(&render::job(&job))))
}

async fn pause(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    steer(&app, &id, &headers, Wish::Pause).await
}

async fn resume(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    steer(&app, &id, &headers, Wish::Resume).await
}

async fn cancel(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    steer(&app, &id, &headers, Wish::Cancel).await
}

async fn steer(app: &App, id: &str, headers: &HeaderMap, wish: Wish) -> Answer {
    let entered = app.enter(headers, Permission::Configure)?;
    let job = app.service.jobs().steer(entered.workspace, JobId::parse(id)?, wish).await?;
    Ok(entered.answer(json_answer(&render::job(&job))))
}
