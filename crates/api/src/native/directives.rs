//! Directives of people, and the history of directives and merges.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::routing::{get, post};
use serde_json::json;
use tessera_seam::answer::{Answer, json as json_answer, json_bytes, to_json};
use tessera_seam::app::App;
use tessera_seam::bounds::{LIST_DEFAULT, LIST_MAX};
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::{body, once};
use tessera_service::directives::{HistoryQuery, Outcome};
use tessera_service::directory::{ListQuery, Permission};

use super::NAME;

mod parse;
mod render;
pub(super) mod wire;

const READ: Access = Access::Workspace(Permission::Read);
const CONFIGURE: Access = Access::Workspace(Permission::Configure);

pub(super) fn routes() -> Vec<Route> {
    let (ann, device) =
        (json!({ "namespace": "user_id", "value": "ann" }), json!({ "namespace": "anonymous_id", "value": "9f44" }));
    let moved = json!([{
        "identity": device.clone(), "node": "0193fbe26c0055aa55aa0002",
        "from": "0193fbe26c0055aa55aa0002", "into": "0193fbe26c0055aa55aa0001"
    }]);
    let done = json!({
        "id": "0193fbe26c1155aa55aa0003", "type": "join", "preview": false, "new": true,
        "profiles": ["0193fbe26c0055aa55aa0001"], "moved": moved
    });
    let entry = json!({
        "id": "0193fbe26c1155aa55aa0003", "type": "join", "at": "2026-01-31T10:00:00Z",
        "key_id": "0193fbe26c0055aa55aa00ff", "moved": 1,
        "identities": [
            { "node": "0193fbe26c0055aa55aa0001", "identity": ann.clone() },
            { "node": "0193fbe26c0055aa55aa0002", "identity": device.clone() }
        ]
    });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    let text = || json!({ "type": "string" });
    let acts = json!({ "type": "string", "enum": ["join", "separate", "undo", "lift", "merge"] });
    let route =
        |method, path, access, handler, summary| Route::new(method, path, access, handler, Tag::Directives, summary);
    vec![
        route(Method::POST, "/v1/directives", CONFIGURE, post(order), "Joins, separates, undoes or lifts")
            .describe(
                "`join` makes one profile of the profiles of two identities, `undo` ends that as if it had never been. `separate` parts \
                 the identities named (or one side of a past merge) from the rest of their profile, and keeps the two apart until \
                 `lift`. What is in force already is answered with the directive that says so, and nothing changes. Facts are \
                 neither moved nor lost by any of them.",
            )
            .query("preview", "Only tell what it would do.", json!({ "type": "boolean", "default": false }))
            .idempotent()
            .body::<wire::Order>(json!({ "type": "join", "identities": [ann, device] }))
            .answer::<wire::Done>(200, "What it came to: the profiles of the identities named, and all that moved.", done),
        route(Method::GET, "/v1/directives", READ, get(list), "Lists directives and merges")
            .describe(
                "Newest first. A merge is what a link did by itself: it names the link and what stood on each side. Identities that \
                 were erased since are left out.",
            )
            .query("type", "Only entries of this type.", acts)
            .query("namespace", "With `value`: only what named an identity of this one's profile.", text())
            .query("value", "With `namespace`.", text())
            .query("limit", "How many.", limit)
            .query("cursor", "`next_cursor` of the page before.", text())
            .answer::<wire::History>(200, "A page of the history.", json!({ "items": [entry.clone()], "next_cursor": null })),
        route(Method::GET, "/v1/directives/{directive}", READ, get(read), "Reads a directive or merge")
            .segment("directive", "Its id.")
            .answer::<wire::Entry>(200, "The entry of the history.", entry),
    ]
}

async fn order(State(app): State<Arc<App>>, uri: Uri, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let is_preview = query.flag("preview")?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let order = parse::order(body::json(&body)?)?;
    // A preview changes nothing, so it is no write that could be repeated.
    let key = key.filter(|_| !is_preview);
    let (by, ordered) = ((NAME, entered.caller.key()), order.clone());
    let render = move |outcome: &Outcome| Ok(to_json(&render::done(&ordered, outcome, is_preview)).into());
    let work = |once| app.service.direct_once(entered.workspace, &order, is_preview, by, once);
    let what = (&Method::POST, uri.path(), &body[..]);
    let json = once::answer(&app, &entered, key, what, render, work).await?;
    Ok(entered.answer(json_bytes(json)))
}

async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let page =
        ListQuery { limit: query.limit(LIST_DEFAULT, LIST_MAX)?, cursor: query.get("cursor").map(str::to_owned) };
    let query = HistoryQuery { page, act: parse::act(query.get("type"))?, profile: parse::profile(&query)? };
    let history = app.service.directives(entered.workspace, &query).await?;
    Ok(entered.answer(json_answer(&render::history(history))))
}

async fn read(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let history = app.service.directive_entry(entered.workspace, parse::id(&id)?).await?;
    let mut items = render::history(history).items;
    Ok(entered.answer(json_answer(&items.pop())))
}
