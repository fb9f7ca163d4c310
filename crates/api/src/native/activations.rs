//! Activations of a workspace: members of a segment, or everybody, written to tables and files again and again.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post, put};
use serde_json::{Value as Json, json};
use tessera_engine::time::Timestamp;
use tessera_seam::answer::{Answer, accepted, invalid, json as json_answer};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::extract::PathParams;
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::activations::{
    Activation, ActivationContent, Destination, KEEP_RUNS, RowsWritten, RunsState, activation_shown, activations_shown,
    check_activation_name, is_one_target,
};
use tessera_service::audit::Action;
use tessera_service::clock::format_timestamp;
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::exports::FileFormat;

use super::connections::{self, acted_on};
use super::sources::{parse, render};
use crate::declared::{self, Wrong};
use crate::jobs;

mod wire;

const CONFIGURE: Access = Access::Workspace(Permission::Configure);
const ALL: &str = "/v1/activations";
const ONE: &str = "/v1/activations/{name}";
const RUN: &str = "/v1/activations/{name}:run";

pub(super) fn routes() -> Vec<Route> {
    let route = |method, path, handler, summary| Route::new(method, path, CONFIGURE, handler, Tag::Sources, summary);
    let one = |route: Route| route.segment("name", "Its name.");
    let (sent, shown) = examples();
    let mut job = jobs::example();
    job["kind"] = "activate".into();
    job["parameters"] = json!({ "activation": "lapsed" });
    job["progress"]["unit"] = "rows".into();
    vec![
        route(Method::GET, ALL, get(list), "Lists activations")
            .describe("By name, each with its last run. At most 50 in a workspace. Those that name a segment or a computed attribute which the key may not see are left out.")
            .answer::<wire::Activations>(200, "All of them.", json!({ "items": [shown.clone()] })),
        one(route(Method::GET, ONE, get(read), "Reads an activation"))
            .describe("With when it runs next by itself, and its last 50 runs, the newest first.")
            .answer::<wire::Activation>(200, "As it stands.", shown.clone()),
        one(route(Method::PUT, ONE, put(set), "Makes or replaces an activation"))
            .describe(
                "Takes `export` beside `configure`. It writes what the key that sets it may see, whoever has it run; a key that sees less can neither have it run \
                 nor change its connection. Exactly one of `table` and `path` is expected, and no other activation writes there, nor above or below the path. A table is brought to the rows in one transaction, so that a reader sees all \
                 that was there before or all that is there then. It is made where there is none, with `profile_id` as its key and columns of types that their values have; \
                 of one that is there the types are its own.",
            )
            .body::<wire::SetActivation>(sent)
            .answer::<wire::Activation>(200, "As it stands.", shown),
        one(route(Method::DELETE, ONE, delete(remove), "Deletes an activation"))
            .describe("It runs no more, and its history goes. What it wrote stays.")
            .answer_empty(204, "It is gone."),
        one(route(Method::POST, RUN, post(run), "Runs an activation"))
            .describe(
                "Takes `export` beside `configure`. Refused while another run of it goes on, which the message names; one that waits to begin, or the first that a \
                 schedule began, is answered instead.",
            )
            .audited(Action::Export)
            .answer::<jobs::wire::Job>(202, "The job.", job),
    ]
}

/// What is sent, and what is answered.
fn examples() -> (Json, Json) {
    let sent = json!({
        "connection": "crm-db", "segment": "lapsed", "columns": ["user_id", "email", "lifetime_value"], "table": "public.lapsed",
        "rows": "full", "schedule": { "every": "15m" }
    });
    let mut shown = sent.clone();
    let own = json!({
        "name": "lapsed", "merge_policy": null, "path": null, "format": null, "compression": null, "keep_runs": null, "status": "idle", "job": null,
        "next_run": "2026-01-31T10:15:00Z", "created_at": "2026-01-31T09:00:00Z", "updated_at": "2026-01-31T09:00:00Z",
        "runs": [{
            "id": "019a0f3e5b2c7d41e0a8f5c2", "started_at": "2026-01-31T10:00:00Z", "ended_at": "2026-01-31T10:00:04Z",
            "status": "done", "read": 12_050, "changed": 12_050, "unchanged": 0, "evicted": 12, "refused": 0, "error": null,
            "verdicts": []
        }]
    });
    for (name, value) in own.as_object().into_iter().flatten() {
        shown[name] = value.clone();
    }
    (sent, shown)
}

async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    let mut items = Vec::new();
    for (name, own) in activations_shown(&config, entered.visibility())? {
        let mut item = shown(&app, &entered, &name, &own).await?;
        item.runs.truncate(1);
        items.push(item);
    }
    Ok(entered.answer(json_answer(&wire::Activations { items })))
}

async fn read(State(app): State<Arc<App>>, PathParams(name): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    let own = activation_shown(&config, &name, entered.visibility())?;
    let own = shown(&app, &entered, &name, &own).await?;
    Ok(entered.answer(json_answer(&own)))
}

async fn set(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    entered.caller.require(Permission::Export)?;
    let body = entered.body(&app, &headers, body).await?;
    let content = parsed(body::json(&body)?)?;
    let config = app.service.put_activation(entered.workspace, &name, content, entered.visibility()).await?;
    let own = activation_shown(&config, &name, entered.visibility())?;
    let own = shown(&app, &entered, &name, &own).await?;
    Ok(entered.answer(json_answer(&own)))
}

async fn remove(State(app): State<Arc<App>>, PathParams(name): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    app.service.delete_activation(entered.workspace, &name, entered.visibility()).await?;
    Ok(entered.answer(StatusCode::NO_CONTENT.into_response()))
}

async fn run(State(app): State<Arc<App>>, PathParams(name): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    entered.caller.require(Permission::Export)?;
    let name = acted_on(&name, "run")?;
    let (sees, by) = (entered.visibility(), entered.caller.key());
    let job = app.service.run_activation(entered.workspace, name, sees, by).await?;
    Ok(entered.answer(accepted(jobs::rendered(&job))))
}

async fn shown(app: &App, entered: &Entered, name: &str, own: &Activation) -> Result<wire::Activation, Error> {
    let state = app.service.activation_state(entered.workspace, name, own).await?;
    Ok(rendered(name, own, &state))
}

/// An activation as it is asked for.
///
/// # Errors
/// `activation_invalid`, `schedule_invalid`.
fn parsed(sent: wire::SetActivation) -> Result<ActivationContent, Error> {
    let to = match (sent.table, sent.path) {
        (Some(table), None) => {
            if sent.format.is_some() || sent.compression.is_some() || sent.keep_runs.is_some() {
                return Err(invalid("activation_invalid", "format, compression, keep_runs: a table has none"));
            }
            Destination::Table(table)
        }
        (None, Some(path)) => {
            let format = sent.format.unwrap_or_else(|| FileFormat::Parquet.name().to_owned());
            let usual = || FileFormat::parse(&format).map_or("none", |own| own.compression().name()).to_owned();
            let compression = sent.compression.unwrap_or_else(usual);
            let keep_runs = sent.keep_runs.unwrap_or(KEEP_RUNS);
            Destination::Files { path: path.trim_end_matches('/').to_owned(), format, compression, keep_runs }
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid("activation_invalid", "exactly one of `table` and `path` is expected"));
        }
    };
    let rows = RowsWritten::ALL.into_iter().find(|own| own.name() == sent.rows);
    let rows = rows.ok_or_else(|| invalid("activation_invalid", "rows: full or changed is expected"))?;
    Ok(ActivationContent {
        connection: sent.connection,
        segment: sent.segment,
        merge_policy: sent.merge_policy,
        columns: sent.columns,
        to,
        rows,
        schedule: sent.schedule.map(parse::schedule).transpose()?,
    })
}

fn content(own: &ActivationContent) -> wire::SetActivation {
    let (table, path, format, compression, keep_runs) = match &own.to {
        Destination::Table(table) => (Some(table.clone()), None, None, None, None),
        Destination::Files { path, format, compression, keep_runs } => {
            (None, Some(path.clone()), Some(format.clone()), Some(compression.clone()), Some(*keep_runs))
        }
    };
    wire::SetActivation {
        connection: own.connection.clone(),
        segment: own.segment.clone(),
        merge_policy: own.merge_policy.clone(),
        columns: own.columns.clone(),
        table,
        path,
        format,
        compression,
        keep_runs,
        rows: own.rows.name().to_owned(),
        schedule: own.schedule.as_ref().map(render::schedule),
    }
}

fn rendered(name: &str, own: &Activation, state: &RunsState) -> wire::Activation {
    let at = |micros| Timestamp::from_micros(micros).map(format_timestamp).unwrap_or_default();
    wire::Activation {
        name: name.to_owned(),
        set: content(&own.content),
        status: if state.running.is_some() { "running" } else { "idle" },
        job: state.running.map(|job| job.to_string()),
        next_run: state.next_run.map(format_timestamp),
        runs: state.runs.iter().map(render::run).collect(),
        created_at: at(own.created_at),
        updated_at: at(own.updated_at),
    }
}

/// A declared activation, as it is answered once it stands, without what the server alone says of it.
///
/// # Errors
/// What its making would be refused with in a workspace that has its connection and its segment.
pub(crate) fn declared(name: &str, json: &str) -> Result<Json, Wrong> {
    check_activation_name(name)?;
    let own = parsed(declared::read(json)?)?;
    own.check_alone()?;
    Ok(declared::written(&content(&own)))
}

/// Why a declared activation cannot be written over a declared connection, if it cannot.
///
/// # Errors
/// `connection_not_of_tables`, `connection_not_of_files`.
pub(crate) fn declared_over(activation: &Json, connection: &Json) -> Result<(), Wrong> {
    let (own, over) = (parsed(declared::read(&activation.to_string())?)?, connections::as_declared(connection)?);
    Ok(own.check_over(&over)?)
}

/// Whether two declared activations write to one table or path, each over its declared connection.
pub(crate) fn is_one_declared_target(one: (&Json, &Json), other: (&Json, &Json)) -> Result<bool, Wrong> {
    let read = |(activation, connection): (&Json, &Json)| -> Result<_, Wrong> {
        Ok((parsed(declared::read(&activation.to_string())?)?, connections::as_declared(connection)?))
    };
    let ((one, over), (other, over_other)) = (read(one)?, read(other)?);
    Ok(is_one_target((&one, &over), (&other, &over_other)))
}
