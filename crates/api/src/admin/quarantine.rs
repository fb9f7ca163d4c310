//! The quarantine: look at what was refused, drop it, or send it through its door again.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::{delete, get, post};
use serde_json::json;
use tessera_engine::id::EventId;
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::{App, Entered};
use tessera_seam::bounds::{LIST_DEFAULT, LIST_MAX, REPLAY_DEFAULT, REPLAY_MAX};
use tessera_seam::door::{Doors, Kept};
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::identity_tokens::IdentityTokens;
use tessera_service::quarantine::{self, Raw};
use tessera_service::verdict::{Incoming, Verdict};

use super::directory::list_parameters;
use super::{render, wire};

/// What was sent is data of persons, of many at once.
const EXPORT: Access = Access::Workspace(Permission::Export);
const CONFIGURE: Access = Access::Workspace(Permission::Configure);

pub(super) fn routes() -> [Route; 5] {
    let route = |method, path, access, handler, summary| {
        Route::new(method, path, access, handler, Tag::Administration, summary)
    };
    let entry = json!({
        "id": "019a0f3e5b2c7d41e0a8f5c2", "at": "2026-01-31T10:00:00Z", "door": "segment", "code": "event_missing",
        "message": "a track call needs an event name", "key_id": "019a0f3e5b2c7d41e0a8f5c3", "kept_bytes": 90, "whole": true
    });
    let mut item = entry.clone();
    item["raw"] =
        json!("{\"key_class\":\"private\",\"delivery\":{\"batch\":[{\"type\":\"track\",\"userId\":\"7001\"}]}}");
    let page = json!({ "items": [entry], "next_cursor": null });
    let replayed = json!({ "accepted": 1, "rejected": 0, "skipped": 0, "next_cursor": null });
    let code = |route: Route| route.query("code", "Only those refused with this code.", json!({ "type": "string" }));
    let one = |route: Route| route.segment("id", "The entry's id.");
    let path = "/v1/admin/quarantine/{id}";
    [
        code(list_parameters(route(
            Method::GET,
            "/v1/admin/quarantine",
            EXPORT,
            get(list),
            "Lists refused events and records",
        )))
        .describe("Newest first. A filtered page may be short and not the last: go on while there is a cursor.")
        .answer_list::<wire::List<wire::QuarantineEntry>, wire::QuarantineEntry>("A page of the quarantine.", page),
        one(route(Method::GET, path, EXPORT, get(read), "Reads a refused event or record"))
            .describe("It is shown as it was sent, and so to a key alone that sees all that the data model flags.")
            .answer::<wire::QuarantineItem>(200, "The entry, with what was sent.", item),
        one(route(Method::DELETE, path, CONFIGURE, delete(drop_entry), "Drops a refused event or record"))
            .answer_empty(204, "It is gone."),
        one(route(
            Method::POST,
            "/v1/admin/quarantine/{id}/replay",
            CONFIGURE,
            post(replay_one),
            "Sends a refused one again",
        ))
        .describe("Through the door that it came by, as of its time of receipt. Accepted, it leaves the quarantine; refused, it stays.")
        .answer::<wire::Replay>(200, "What became of it.", replayed.clone()),
        code(list_parameters(route(
            Method::POST,
            "/v1/admin/quarantine:replay",
            CONFIGURE,
            post(replay_all),
            "Sends refused ones again",
        )))
        .describe("Those of one page, through the doors that they came by: go on while there is a cursor.")
        .answer::<wire::Replay>(200, "What became of them.", replayed),
    ]
}

fn entry_id(text: &str) -> Result<EventId, Error> {
    let not_found =
        |_| Error::new(ErrorKind::NotFound, "quarantine_entry_not_found", "nothing of this id in the quarantine");
    EventId::parse(text).map_err(not_found)
}

fn query(query: &Query, default: usize, max: usize) -> Result<quarantine::Query, Error> {
    Ok(quarantine::Query {
        code: query.get("code").map(str::to_owned),
        limit: query.limit(default, max)?,
        cursor: query.get("cursor").map(str::to_owned),
    })
}

async fn list(State(app): State<Arc<App>>, pairs: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Export)?;
    let page = app.service.quarantine().list(entered.workspace, &query(&pairs, LIST_DEFAULT, LIST_MAX)?).await?;
    let items: Vec<_> = page.entries.into_iter().map(render::quarantine_entry).collect();
    Ok(entered.answer(json_answer(&wire::List { items, next_cursor: page.next_cursor })))
}

async fn read(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Export)?;
    app.service.check_shows_raw(entered.workspace, entered.visibility()).await?;
    let (entry, raw) = app.service.quarantine().get(entered.workspace, entry_id(&id)?).await?;
    let raw = String::from_utf8_lossy(raw.bytes()).into_owned();
    Ok(entered.answer(json_answer(&wire::QuarantineItem { entry: render::quarantine_entry(entry), raw })))
}

async fn drop_entry(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    app.service.quarantine().delete(entered.workspace, entry_id(&id)?).await?;
    Ok(entered.answer(axum::response::IntoResponse::into_response(axum::http::StatusCode::NO_CONTENT)))
}

async fn replay_one(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let mut outcome = wire::Replay::default();
    replay(&app, &entered, entry_id(&id)?, &mut outcome).await?;
    Ok(entered.answer(json_answer(&outcome)))
}

async fn replay_all(State(app): State<Arc<App>>, pairs: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let page = app.service.quarantine().list(entered.workspace, &query(&pairs, REPLAY_DEFAULT, REPLAY_MAX)?).await?;
    let mut outcome = wire::Replay { next_cursor: page.next_cursor, ..wire::Replay::default() };
    for entry in page.entries {
        replay(&app, &entered, entry.id, &mut outcome).await?;
    }
    Ok(entered.answer(json_answer(&outcome)))
}

/// Sends one entry through its door again.
///
/// What is refused again stays the entry that it is: a second one of the same would only hide the others.
async fn replay(app: &App, entered: &Entered, id: EventId, outcome: &mut wire::Replay) -> Result<(), Error> {
    let (entry, raw) = app.service.quarantine().get(entered.workspace, id).await?;
    let config = app.service.configuration(entered.workspace).await?;
    let Some((door, fact)) = read_again(app.doors, &entry, &raw, config.tokens())? else {
        outcome.skipped += 1;
        return Ok(());
    };
    if fact.fact.is_err() {
        outcome.rejected += 1;
        return Ok(());
    }
    match app.service.ingest_again(entered.workspace, &entry, fact, door).await? {
        Verdict::Accepted { .. } | Verdict::Duplicate => outcome.accepted += 1,
        Verdict::Rejected(_) | Verdict::Differs => outcome.rejected += 1,
    }
    Ok(())
}

/// What an entry says, read by its door as it was then: at its time of receipt, with the class of its key.
fn read_again(
    doors: &Doors,
    entry: &quarantine::Entry,
    raw: &Raw,
    tokens: &IdentityTokens,
) -> Result<Option<(&'static str, Incoming)>, Error> {
    // What came without an id is one fact however often its entry is sent again.
    let fresh_id = || format!("quarantine-{}", entry.id);
    let found = doors.find(&entry.door).filter(|_| raw.is_whole());
    let Some((door, replay)) = found.and_then(|door| Some((door.name, door.replay?))) else { return Ok(None) };
    let mut read = replay(&Kept { raw: raw.bytes(), received_at: entry.at, tokens, fresh_id: &fresh_id })?;
    let Some(mut incoming) = read.pop() else { return Ok(None) };
    if let Ok(fact) = &mut incoming.fact {
        // What says no time of its own happened when it came, not when it is sent again.
        fact.time.get_or_insert(entry.at);
    }
    Ok(Some((door, incoming)))
}
