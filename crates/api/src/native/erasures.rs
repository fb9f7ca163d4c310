//! Erasures, their receipts, and who is let in no more.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, delete, get, post, put};
use bytes::Bytes;
use serde_json::json;
use tessera_seam::answer::{Answer, invalid, json as json_answer, json_bytes, to_json};
use tessera_seam::app::{App, Entered};
use tessera_seam::bounds::{LIST_DEFAULT, LIST_MAX};
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::once::whole;
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::{body, once};
use tessera_service::directory::{ListQuery, Permission};
use tessera_service::erasure::Receipt;
use tessera_service::error::Error;
use tessera_service::verdict::NamedIdentity;
use tessera_service::workspace_config::{StoredConfig, set_erasure_rules};
use tessera_service::{Extent, Lookup, Return};

use super::NAME;
use super::profiles::Named;
use crate::declared::{self, Wrong};

mod render;
pub(super) mod wire;

const ERASE: Access = Access::Workspace(Permission::Erase);

pub(super) fn routes() -> Vec<Route> {
    let route =
        |method, path, access, handler, summary| Route::new(method, path, access, handler, Tag::Erasures, summary);
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    let mut purged = receipt_example("identity");
    (purged["state"], purged["purged_at"]) = (json!("purged"), json!("2026-02-01T03:00:00Z"));
    let rules = json!({ "waiting_events_max": 1_000_000 });
    let identity = |route: Route| {
        let route = route.segment("namespace", "The name of a namespace: `email`, `user_id`, …");
        route.segment("value", "A value of it, percent-encoded; it is brought into the namespace's one spelling.")
    };
    let suppression = "/v1/suppressions/{namespace}/{value}";
    vec![
        suppress_parameter(identity(
            route(Method::DELETE, "/v1/identities/{namespace}/{value}", ERASE, delete(erase_identity), "Erases one identity")
                .describe(
                    "It alone: its attributes, its events, its links. What hung together only by it falls apart. What others said and \
                     that mentions it, in the payload of an event of theirs, stays theirs.",
                )
                .idempotent()
                .answer::<wire::Erasure>(200, "The receipt.", receipt_example("identity")),
        )),
        route(Method::DELETE, "/v1/events/{message_id}", ERASE, delete(erase_event), "Erases one event")
            .describe("By the id that it was sent with. Attributes that it set go with it; links that it was evidence of stay.")
            .segment("message_id", "The event's `message_id`, percent-encoded.")
            .query("dataset", "Its dataset, where events of several have this message id.", json!({ "type": "string" }))
            .idempotent()
            .answer::<wire::Erasure>(200, "The receipt.", receipt_example("event")),
        route(Method::GET, "/v1/erasures", ERASE, get(list), "Lists receipts of erasures")
            .describe("Newest first. No receipt names a person.")
            .query("limit", "How many.", limit)
            .query("cursor", "`next_cursor` of the page before.", json!({ "type": "string" }))
            .answer::<wire::Erasures>(200, "A page of receipts.", json!({ "items": [purged], "next_cursor": null })),
        route(Method::GET, "/v1/erasures/{id}", ERASE, get(read), "Reads the receipt of an erasure")
            .segment("id", "Its id.")
            .answer::<wire::Erasure>(200, "The receipt.", purged),
        route(Method::POST, "/v1/erasures:purge", ERASE, post(purge), "Purges what was erased now")
            .describe(
                "What was erased can be read by nobody; this removes what is left of it on disk, which otherwise happens on a schedule. \
                 The answer does not wait: receipts say `purged` when it is done. The files of the store are rewritten for it; where \
                 the disk has no room for a second copy of them, the answer is `disk_full` with the bytes that are needed.",
            )
            .answer::<wire::Waiting>(202, "It is under way.", json!({ "waiting_events": 40 })),
        route(Method::GET, "/v1/suppressions", ERASE, get(count), "Counts suppressed identities")
            .describe("Nobody can list them: only a keyed hash of each is kept.")
            .answer::<wire::Suppressions>(200, "How many there are.", json!({ "suppressed": 3 })),
        identity(route(Method::GET, suppression, ERASE, get(is_suppressed), "Tells whether an identity is suppressed"))
            .answer::<wire::Suppression>(200, "Whether it is.", json!({ "suppressed": true })),
        identity(route(Method::PUT, suppression, ERASE, put(shut_out), "Suppresses an identity"))
            .describe(
                "What names it is refused from now on, whether or not anything is known of it. What was known stays: to erase it as well, \
                 delete with `suppress=true`.",
            )
            .answer::<wire::Suppression>(200, "It is suppressed.", json!({ "suppressed": true })),
        identity(route(Method::DELETE, suppression, ERASE, delete(let_in), "Lets a suppressed identity in again"))
            .describe("What names it is taken again from now on. What was erased does not come back.")
            .answer_empty(204, "It is suppressed no more."),
        route(Method::GET, "/v1/admin/erasures", Access::Workspace(Permission::Configure), get(rules_of), "Reads the rules of erasures")
            .answer::<wire::Rules>(200, "The rules.", rules.clone()),
        route(Method::PUT, "/v1/admin/erasures", Access::Workspace(Permission::Configure), put(set_rules), "Sets the rules of erasures")
            .describe(
                "`waiting_events_max` bounds how many erased events may wait for the purge; null, as in a new workspace, is no bound. \
                 An erasure beyond it is answered with 429. One with `suppress=true` never is.",
            )
            .idempotent()
            .body::<wire::Rules>(rules.clone())
            .answer::<wire::Rules>(200, "The rules.", rules),
    ]
}

/// The route that erases a profile that is named so.
pub(super) fn route(path: &'static str, handler: MethodRouter<Arc<App>>) -> Route {
    let route = Route::new(Method::DELETE, path, ERASE, handler, Tag::Profiles, "Erases a profile with its events")
        .describe(
            "In one commit: afterwards everything is as if its facts had never been received. The answer is the receipt. With \
             `suppress=true` its identities are let in no more: what would be theirs is refused with `identity_suppressed`, and in what others send they are left out.",
        )
        .idempotent()
        .answer::<wire::Erasure>(200, "The receipt.", receipt_example("profile"));
    suppress_parameter(route)
}

fn suppress_parameter(route: Route) -> Route {
    let schema = json!({ "type": "boolean", "default": false });
    let description =
        "Whether what names it is refused from now on: for the erasure that somebody asked for, which is to last.";
    route.query("suppress", description, schema)
}

fn receipt_example(kind: &str) -> serde_json::Value {
    json!({
        "id": "019a0f3e5b2c7d41e0a8f5c3", "at": "2026-01-31T10:00:00Z", "kind": kind, "key": "019a0f3e5b2c000000000001",
        "suppressed": true, "profile_id": "019a0f3e5b2c7d41e0a8f5c2", "identities": 3, "attributes": 12, "links": 2, "events": 40,
        "quarantined": 0, "replies": 0, "state": "erased", "purged_at": null
    })
}

/// Whether those who are erased may come back: unless it is asked otherwise, so that what was only cleaned up is no trap for
/// what is sent later.
fn back(query: &Query) -> Result<Return, Error> {
    match query.flag("suppress") {
        Ok(false) => Ok(Return::Allowed),
        Ok(true) => Ok(Return::Refused),
        Err(_) => Err(invalid("suppress_invalid", "suppress is expected to be true or false")),
    }
}

pub(super) async fn erase_profile<N: Named>(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<N>,
    query: Query,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    erase(&app, entered, &name.lookup(), (Extent::Profile, back(&query)?), &uri, &headers).await
}

async fn erase_identity(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<(String, String)>,
    query: Query,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    erase(&app, entered, &name.lookup(), (Extent::Identity, back(&query)?), &uri, &headers).await
}

async fn erase(
    app: &App,
    entered: Entered,
    lookup: &Lookup,
    how: (Extent, Return),
    uri: &Uri,
    headers: &HeaderMap,
) -> Answer {
    let by = (NAME, entered.caller.key());
    let work = |once| app.service.erase_once(entered.workspace, lookup, how, by, once);
    let what = (&Method::DELETE, whole(uri), &[][..]);
    let json = once::answer(app, &entered, once::key(headers)?, what, receipt, work).await?;
    Ok(entered.answer(json_bytes(json)))
}

async fn erase_event(
    State(app): State<Arc<App>>,
    PathParams(message_id): PathParams<String>,
    query: Query,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    let by = (NAME, entered.caller.key());
    let dataset = query.get("dataset");
    dataset.map_or(Ok(()), |dataset| entered.caller.datasets().check(dataset))?;
    let work = |once| app.service.erase_event_once(entered.workspace, &message_id, dataset, by, once);
    let what = (&Method::DELETE, whole(&uri), &[][..]);
    let json = once::answer(&app, &entered, once::key(&headers)?, what, receipt, work).await?;
    Ok(entered.answer(json_bytes(json)))
}

fn receipt(receipt: &Receipt) -> Result<Bytes, Error> {
    Ok(render::bytes(receipt))
}

async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    let query =
        ListQuery { limit: query.limit(LIST_DEFAULT, LIST_MAX)?, cursor: query.get("cursor").map(str::to_owned) };
    let page = app.service.erasures(entered.workspace, &query).await?;
    Ok(entered.answer(json_answer(&render::page(page))))
}

async fn read(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    let receipt = app.service.erasure(entered.workspace, &id).await?;
    Ok(entered.answer(json_bytes(render::bytes(&receipt))))
}

async fn purge(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    let waiting_events = app.service.erasure_state(entered.workspace).await?.waiting_events;
    app.service.check_purge().await?;
    app.service.purge_soon(entered.workspace);
    Ok(entered.answer((StatusCode::ACCEPTED, json_answer(&wire::Waiting { waiting_events })).into_response()))
}

async fn count(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    let suppressed = app.service.erasure_state(entered.workspace).await?.suppressed;
    Ok(entered.answer(json_answer(&wire::Suppressions { suppressed })))
}

async fn is_suppressed(
    State(app): State<Arc<App>>,
    PathParams((namespace, value)): PathParams<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    let suppressed = app.service.is_suppressed(entered.workspace, &namespace, &value).await?;
    Ok(entered.answer(json_answer(&wire::Suppression { suppressed })))
}

async fn shut_out(
    State(app): State<Arc<App>>,
    PathParams((namespace, value)): PathParams<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    let named = NamedIdentity { namespace: namespace.into(), value: value.into() };
    app.service.shut_out(entered.workspace, &[named]).await?;
    Ok(entered.answer(json_answer(&wire::Suppression { suppressed: true })))
}

async fn let_in(
    State(app): State<Arc<App>>,
    PathParams((namespace, value)): PathParams<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Erase)?;
    app.service.let_in(entered.workspace, &namespace, &value).await?;
    Ok(entered.answer(StatusCode::NO_CONTENT.into_response()))
}

async fn rules_of(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    Ok(entered.answer(json_answer(&wire::Rules::from(config.erasure()))))
}

/// Declared rules, as they are answered once they stand.
///
/// # Errors
/// What a change to them would be refused with.
pub(crate) fn declared_rules(json: &str) -> Result<serde_json::Value, Wrong> {
    let rules = declared::read::<wire::Rules>(json)?.into();
    let config = set_erasure_rules(&StoredConfig::default(), rules)?;
    Ok(declared::written(&wire::Rules::from(config.erasure())))
}

async fn set_rules(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let rules = body::json::<wire::Rules>(&body)?.into();
    let change = move |config: &_| set_erasure_rules(config, rules);
    let render = |config: &StoredConfig| Ok(to_json(&wire::Rules::from(config.erasure())).into());
    let what = (&Method::PUT, whole(&uri), &body[..]);
    let json = once::configure(&app, &entered, key, what, change, render).await?;
    Ok(entered.answer(json_bytes(json)))
}
