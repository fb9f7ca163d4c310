//! Reads of profiles.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::{MethodRouter, delete, get, post};
use serde_json::json;
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::bounds::{BATCH_GET_BYTES_MAX, PAGE_BYTES};
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::audit::Action;
use tessera_service::directory::Permission;
use tessera_service::{Fields, Lookup};

use super::wire::{BatchGet, Identities, Profiles, Timeline};
use super::{erasures, explain, export, parse, render, segments};

/// The two ways to name a profile in a path.
pub(super) trait Named: serde::de::DeserializeOwned + Send + 'static {
    /// The look-up that it means.
    fn lookup(self) -> Lookup;
}

impl Named for String {
    fn lookup(self) -> Lookup {
        Lookup::Id(self)
    }
}

impl Named for (String, String) {
    fn lookup(self) -> Lookup {
        Lookup::Identity { namespace: self.0, value: self.1 }
    }
}

pub(super) fn routes() -> Vec<Route> {
    let by_id = [
        profile_route("/v1/profiles/id/{id}", get(profile::<String>)),
        erasures::route("/v1/profiles/id/{id}", delete(erasures::erase_profile::<String>)),
        events_route("/v1/profiles/id/{id}/events", get(events::<String>)),
        identities_route("/v1/profiles/id/{id}/identities", get(identities::<String>)),
        explain::route("/v1/profiles/id/{id}/explain", get(explain::explain::<String>)),
        segments::history_route("/v1/profiles/id/{id}/memberships", get(segments::history::<String>)),
        export::route("/v1/profiles/id/{id}/export", get(export::export::<String>)),
    ];
    let by_identity = [
        profile_route("/v1/profiles/identifier/{namespace}/{value}", get(profile::<(String, String)>)),
        erasures::route(
            "/v1/profiles/identifier/{namespace}/{value}",
            delete(erasures::erase_profile::<(String, String)>),
        ),
        events_route("/v1/profiles/identifier/{namespace}/{value}/events", get(events::<(String, String)>)),
        identities_route("/v1/profiles/identifier/{namespace}/{value}/identities", get(identities::<(String, String)>)),
        explain::route(
            "/v1/profiles/identifier/{namespace}/{value}/explain",
            get(explain::explain::<(String, String)>),
        ),
        segments::history_route(
            "/v1/profiles/identifier/{namespace}/{value}/memberships",
            get(segments::history::<(String, String)>),
        ),
        export::route("/v1/profiles/identifier/{namespace}/{value}/export", get(export::export::<(String, String)>)),
    ];
    let by_id = by_id.map(|route| {
        route.segment("id", "An id of ours, or a value of the workspace's primary namespace, which is tried first.")
    });
    let by_identity = by_identity.map(|route| {
        let route = route.segment("namespace", "The name of a namespace: `email`, `user_id`, …");
        route.segment("value", "A value of it, percent-encoded; it is brought into the namespace's one spelling.")
    });
    by_id.into_iter().chain(by_identity).chain([batch_get_route()]).collect()
}

pub(super) const READ: Access = Access::Workspace(Permission::Read);

/// Documents which parts of a profile are wanted.
pub(super) fn fields_parameter(route: Route) -> Route {
    let schema = json!({ "type": "string", "example": "identifiers,attributes" });
    route.query(
        "fields",
        "Which parts: a list of `identifiers`, `attributes`, `audiences`. All where it is left out.",
        schema,
    )
}

/// Documents under which merge policy a read is made.
pub(super) fn policy_parameter(route: Route) -> Route {
    let schema = json!({ "type": "string", "example": "crm-first" });
    route.query("merge_policy", "The id of a merge policy; the workspace's default one where it is left out.", schema)
}

/// Documents which attributes are wanted, by how long they count.
pub(super) fn relevance_parameter(route: Route) -> Route {
    let schema = json!({ "type": "string", "enum": ["any", "relevant", "not_relevant"], "default": "any" });
    route.query(
        "relevance",
        "Which attributes, by the windows of relevance in the data model: all, those that are relevant now, or the others.",
        schema,
    )
}

fn profile_route(path: &'static str, handler: MethodRouter<Arc<App>>) -> Route {
    let example = json!({
        "profile_id": "019a0f3e5b2c7d41e0a8f5c2", "email": "lena@mail.example", "city": "Lyon", "orders_count": 7,
        "_audiences": { "newsletter_fans": true }, "_updated_at": "2026-09-01T08:15:00Z"
    });
    let route = Route::new(Method::GET, path, READ, handler, Tag::Profiles, "Reads a profile")
        .describe(
            "Flat: identifiers and attributes stand at the top, beside `profile_id`, `_audiences` and `_updated_at`. Under a merge \
             policy without identity graph it is the one identity alone, under an id of its own.",
        )
        .header("if-none-match", "An `ETag` of an earlier answer: 304 when the profile is still the same.")
        .answer_free(200, "The profile, with its `ETag`.", example)
        .answer_empty(304, "The profile is still the same.");
    relevance_parameter(policy_parameter(fields_parameter(route)))
}

fn events_route(path: &'static str, handler: MethodRouter<Arc<App>>) -> Route {
    let text = json!({ "type": "string" });
    let instant = json!({ "type": "string", "format": "date-time" });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    let example = json!({ "events": [{
        "event": "Order Completed", "timestamp": "2026-01-31T10:00:00Z", "properties": { "total": 41.5 },
        "message_id": "m-1", "type": "track", "received_at": "2026-01-31T10:00:01.5Z", "dataset": "segment"
    }], "next_cursor": null });
    Route::new(Method::GET, path, READ, handler, Tag::Profiles, "Reads a profile's timeline")
        .describe(
            "All accepted calls, newest first. A page ends when it has `limit` events or 4 MiB, whichever comes first; there are more \
             as long as there is a `next_cursor`.",
        )
        .query("limit", "How many.", limit)
        .query("cursor", "`next_cursor` of the page before.", text.clone())
        .query("start", "Only events at or after this instant.", instant.clone())
        .query("end", "Only events before this instant.", instant)
        .query("event", "Only events of this name.", text)
        .answer::<Timeline<'_>>(200, "A page of the timeline.", example)
}

fn identities_route(path: &'static str, handler: MethodRouter<Arc<App>>) -> Route {
    let email = json!({ "namespace": "email", "value": "lena@mail.example" });
    let user = json!({ "namespace": "user_id", "value": "7001" });
    let example = json!({
        "profile_id": "019a0f3e5b2c7d41e0a8f5c2",
        "nodes": [{
            "id": "019a0f3e5b2c7d41e0a8f5c2", "namespace": "user_id", "value": "7001",
            "created_at": "2026-01-31T10:00:00Z", "last_seen": "2026-02-01T09:00:00Z", "facts": 41
        }],
        "links": [{
            "between": [email, user], "strength": "stated", "count": 3,
            "first_seen": "2026-01-31T10:00:00Z", "last_seen": "2026-02-01T09:00:00Z"
        }],
        "held": [], "held_more": false
    });
    Route::new(Method::GET, path, READ, handler, Tag::Profiles, "Reads a profile's identity graph")
        .describe("Its identities, the links between them, and the links that a rule refuses, with the rule and the link that won.")
        .answer::<Identities>(200, "The graph.", example)
}

fn batch_get_route() -> Route {
    let example = json!({ "results": [
        { "profile": { "profile_id": "019a0f3e5b2c7d41e0a8f5c2", "_updated_at": "2026-09-01T08:15:00Z" } },
        { "error": { "code": "profile_not_found", "message": "no such profile" } }
    ] });
    let lookups = json!({ "lookups": [{ "id": "019a0f3e5b2c7d41e0a8f5c2" }, { "namespace": "email", "value": "lena@mail.example" }] });
    Route::new(Method::POST, "/v1/profiles:batchGet", READ, post(batch_get), Tag::Profiles, "Reads up to 100 profiles")
        .audited(Action::Read)
        .describe(
            "Results stand in the order of the look-ups. A profile that is not there does not fail its neighbours. Profiles that do \
             not fit into 16 MiB any more are answered with `answer_full`: ask for them again, by themselves.",
        )
        .body::<BatchGet>(lookups)
        .answer::<Profiles>(200, "One result for each look-up.", example)
}

async fn profile<N: Named>(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<N>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let fields = parse::fields(query.get("fields"), entered.visibility())?;
    let fields = Fields { relevance: parse::relevance(query.get("relevance"))?, ..fields };
    let policy = query.get("merge_policy");
    let rendered = app.service.profile(entered.workspace, &name.lookup(), fields, policy).await?;
    Ok(entered.answer(render::profile(rendered, &headers)))
}

async fn events<N: Named>(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<N>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let mut entered = app.enter(&headers, Permission::Read)?;
    let query = parse::event_query(&query, entered.visibility())?;
    // What was stored, and the answer that is made of it.
    entered.reserve(&app, 2 * PAGE_BYTES).await?;
    let page = app.service.events(entered.workspace, &name.lookup(), &query).await?;
    Ok(entered.answer(render::timeline(page)?))
}

async fn identities<N: Named>(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<N>,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let graph = app.service.identities(entered.workspace, &name.lookup()).await?;
    Ok(entered.answer(render::identities(graph)))
}

async fn batch_get(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let mut entered = app.enter(&headers, Permission::Read)?;
    let body = entered.body(&app, &headers, body).await?;
    let (lookups, fields, policy) = parse::batch_get(&body, entered.visibility())?;
    // It is that of the whole call, and so is the mistake in it.
    app.service.configuration(entered.workspace).await?.policies().asked(policy.as_deref())?;
    let (mut results, mut bytes) = (Vec::with_capacity(lookups.len()), 0);
    for lookup in &lookups {
        let outcome = if bytes < BATCH_GET_BYTES_MAX {
            app.service.profile(entered.workspace, lookup, fields, policy.as_deref()).await
        } else {
            Err(render::answer_full())
        };
        // Each is there twice, by itself and in the answer.
        bytes += outcome.as_ref().map_or(0, |rendered| rendered.json.len());
        entered.grow_to(2 * bytes)?;
        results.push(render::result(outcome)?);
    }
    Ok(entered.answer(json_answer(&Profiles { results })))
}
