//! Regulations: asked for, looked at, listed, taken back before they begin.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use tessera_seam::answer::{Answer, json};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_service::clock::format_timestamp;
use tessera_service::directory::{Permission, WorkspaceId};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::jobs::{Filter, Job, JobId, JobStatus, Listed, Query as Wanted, Wish};
use tessera_service::verdict::NamedIdentity;

use super::DOOR;
use super::errors::{begun, invalid_member, not_found};
use super::wire::{
    Deleted, DeletedStatus, Kind, Made, NewRegulation, One, OneRegulation, Page, Pagination, RegulateId, Regulation,
    Regulations, Status,
};

/// The kind of the jobs that regulations are.
const JOBS: &str = "erase_profiles";
/// What subjects are named by, and the namespace of it.
const SUBJECT: (&str, &str) = ("USER_ID", "user_id");
/// Regulations of a page: by default, and at most.
const PAGE: (usize, usize) = (10, 200);

pub(super) async fn create(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Erase)?;
    entered.caller.require_private()?;
    let body = entered.body(&app, &headers, body).await?;
    let NewRegulation { regulation_type, subject_type, subject_ids } = body::json(&body)?;
    if subject_type != SUBJECT.0 {
        return Err(invalid_member("subjectType", "USER_ID is expected").into());
    }
    let subjects = subject_ids.within("subjectIds")?;
    if subjects.is_empty() {
        return Err(invalid_member("subjectIds", "at least one user id is expected").into());
    }
    let mut named = Vec::with_capacity(subjects.len());
    for (at, subject) in subjects.iter().enumerate() {
        let value = app.service.normalised(entered.workspace, SUBJECT.1, &subject.0).await?;
        let value = value.ok_or_else(|| invalid_member(&format!("subjectIds[{at}]"), "a user id is expected"))?;
        named.push(NamedIdentity { namespace: SUBJECT.1.into(), value });
    }
    if regulation_type.suppresses() {
        app.service.shut_out(entered.workspace, &named).await?;
    }
    if regulation_type == Kind::Unsuppress {
        let_in(&app, entered.workspace, &named).await?;
    }
    // One that deletes nobody is a job as well, so that there is something to look at.
    let erased = if regulation_type.deletes() { &named[..] } else { &[] };
    let reason = serde_json::to_value(regulation_type).ok().and_then(|name| name.as_str().map(str::to_owned));
    let key = entered.caller.key();
    let job = app.service.erase_profiles(entered.workspace, erased, reason.as_deref(), key, None).await?.now()?;
    Ok(entered.answer(json(&Made { data: RegulateId { regulate_id: job.id.to_string() } })))
}

/// Lets users in again; those who were not suppressed are none the worse for it.
async fn let_in(app: &App, workspace: WorkspaceId, named: &[NamedIdentity]) -> Result<(), Error> {
    for own in named {
        match app.service.let_in(workspace, &own.namespace, &own.value).await {
            Err(error) if error.kind != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

pub(super) async fn read(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Erase)?;
    let job = find(&app, entered.workspace, &id).await?;
    let regulation = shown(&job, entered.workspace).ok_or_else(not_found)?;
    Ok(entered.answer(json(&One { data: OneRegulation { regulation } })))
}

pub(super) async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Erase)?;
    let status = query.get("status").map(status_of).transpose()?;
    let limit =
        match query.get("pagination.count") {
            None => PAGE.0,
            Some(count) => count.parse().ok().filter(|count| (1..=PAGE.1).contains(count)).ok_or_else(|| {
                invalid_member("pagination.count", &format!("a number from 1 to {} is expected", PAGE.1))
            })?,
        };
    let current = query.get("pagination.cursor").unwrap_or_default().to_owned();
    let filter = Filter { status: status.flatten(), kind: Some(JOBS.to_owned()) };
    // Statuses that no regulation has here find nobody.
    let nobody = status == Some(None);
    let cursor = (!current.is_empty()).then(|| current.clone());
    let page = app.service.jobs().list(entered.workspace, &Wanted { filter, limit, cursor }).await?;
    let jobs = page.jobs.iter().filter_map(Listed::job).filter(|_| !nobody);
    let regulations = jobs.filter_map(|job| shown(job, entered.workspace)).collect();
    let next = page.next_cursor.filter(|_| !nobody);
    Ok(entered.answer(json(&Page { data: Regulations { regulations, pagination: Pagination { current, next } } })))
}

/// The state of jobs that a status is; none for one that no regulation has here.
fn status_of(name: &str) -> Result<Option<JobStatus>, Error> {
    match name {
        "INITIALIZED" => Ok(Some(JobStatus::Queued)),
        "RUNNING" => Ok(Some(JobStatus::Running)),
        "FINISHED" => Ok(Some(JobStatus::Done)),
        "FAILED" => Ok(Some(JobStatus::Failed)),
        other if Status::NAMES.contains(&other) => Ok(None),
        _ => Err(invalid_member("status", &format!("one of {} is expected", Status::NAMES.join(", ")))),
    }
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Erase)?;
    let job = find(&app, entered.workspace, &id).await?;
    if job.status() != JobStatus::Queued {
        return Err(begun().into());
    }
    let steered = app.service.jobs().steer(entered.workspace, job.id, Wish::Cancel).await;
    let is_taken_back = match steered {
        Ok(job) => job.status() == JobStatus::Cancelled,
        // It ended at this moment.
        Err(error) if error.kind == ErrorKind::Conflict => false,
        Err(error) => return Err(error.into()),
    };
    if !is_taken_back {
        return Err(begun().into());
    }
    Ok(entered.answer(json(&Deleted { data: DeletedStatus { status: "SUCCESS" } })))
}

/// The job that a regulation is.
async fn find(app: &App, workspace: WorkspaceId, id: &str) -> Result<Job, Error> {
    let id = JobId::parse(id).map_err(|_| not_found())?;
    let job = match app.service.jobs().get(workspace, id).await {
        Err(error) if error.kind == ErrorKind::NotFound => return Err(not_found()),
        job => job?,
    };
    Some(job).filter(|job| shown(job, workspace).is_some()).ok_or_else(not_found)
}

/// What the parameters of such a job say.
#[derive(Deserialize)]
struct Asked {
    reason: Option<String>,
}

/// A job as a regulation; none for one that is no regulation, or was taken back.
fn shown(job: &Job, workspace: WorkspaceId) -> Option<Regulation> {
    if job.kind != JOBS {
        return None;
    }
    let overall_status = match job.status() {
        JobStatus::Queued => Status::Initialized,
        JobStatus::Running | JobStatus::Pausing | JobStatus::Paused | JobStatus::Cancelling => Status::Running,
        JobStatus::Failed => Status::Failed,
        JobStatus::Done => Status::Finished,
        JobStatus::Cancelled => return None,
    };
    let asked: Asked = serde_json::from_str(&job.parameters).ok()?;
    Some(Regulation {
        id: job.id.to_string(),
        workspace_id: workspace.stable_id(),
        overall_status,
        regulation_type: asked.reason.and_then(|reason| serde_json::from_value(reason.into()).ok()),
        created_at: format_timestamp(job.created_at),
        finished_at: job.ended_at().map(format_timestamp),
        stream_status: [],
    })
}
