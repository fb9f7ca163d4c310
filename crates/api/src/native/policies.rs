//! Merge policies of a workspace.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post, put};
use serde_json::json;
use tessera_engine::policy::{AttributeMerge, Rule};
use tessera_seam::answer::{Answer, json as json_answer, json_bytes};
use tessera_seam::app::{App, Entered};
use tessera_seam::bounds::{LIST_DEFAULT, LIST_MAX};
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::{body, once};
use tessera_service::directory::{ListQuery, Permission};
use tessera_service::error::Error;
use tessera_service::workspace_config::{
    PolicyContent, PolicyId, StoredConfig, add_policy, delete_policy, replace_policy, set_default_policy,
};

use crate::declared::{self, Wrong};

mod parse;
mod render;
pub(super) mod wire;

const READ: Access = Access::Workspace(Permission::Read);
const CONFIGURE: Access = Access::Workspace(Permission::Configure);

pub(super) fn routes() -> Vec<Route> {
    let route =
        |method, path, access, handler, summary| Route::new(method, path, access, handler, Tag::MergePolicies, summary);
    let content = json!({
        "name": "CRM first", "identity_graph": "full",
        "attribute_merge": { "choose": "precedence", "datasets": ["crm", "web"] },
        "rules": [{ "path": "tags", "choose": "union" }, { "path": "tier", "choose": "source_priority", "datasets": ["web"] }]
    });
    let with = |more: serde_json::Value| {
        let mut whole = content.clone();
        for (name, value) in more.as_object().into_iter().flatten() {
            whole[name] = value.clone();
        }
        whole
    };
    let policy = with(json!({
        "id": "crm-first", "version": 1, "default": false, "built_in": false,
        "created_at": "2026-01-31T10:00:00Z", "updated_at": "2026-01-31T10:00:00Z"
    }));
    let one = |route: Route| route.segment("policy", "Its id.");
    let path = "/v1/merge-policies/{policy}";
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    vec![
        route(Method::GET, "/v1/merge-policies", READ, get(list), "Lists merge policies")
            .describe("By id. The built-in `default` is among them: the newest value of the whole profile.")
            .query("limit", "How many.", limit)
            .query("cursor", "`next_cursor` of the page before.", json!({ "type": "string" }))
            .answer::<wire::MergePolicies>(
                200,
                "A page of merge policies.",
                json!({ "items": [policy], "next_cursor": null }),
            ),
        route(Method::POST, "/v1/merge-policies", CONFIGURE, post(create), "Makes a merge policy")
            .describe("Objects are chosen attribute by attribute; lists and null are chosen whole. At most 50 in a workspace.")
            .idempotent()
            .body::<wire::NewMergePolicy>(with(json!({ "id": "crm-first" })))
            .answer::<wire::MergePolicy>(200, "The policy.", policy.clone()),
        one(route(Method::GET, path, READ, get(read), "Reads a merge policy"))
            .answer::<wire::MergePolicy>(200, "The policy.", policy.clone()),
        one(route(Method::PUT, path, CONFIGURE, put(replace), "Replaces a merge policy"))
            .describe("What it was is gone; this is its next version. The next read sees it.")
            .idempotent()
            .body::<wire::MergePolicyReplacement>(with(json!({ "version": 1 })))
            .answer::<wire::MergePolicy>(200, "The policy.", policy.clone()),
        one(route(Method::DELETE, path, CONFIGURE, delete(remove), "Deletes a merge policy"))
            .describe("Neither the built-in one nor the workspace's default one.")
            .answer_empty(204, "It is gone."),
        route(Method::PUT, "/v1/default-merge-policy", CONFIGURE, put(make_default), "Chooses the default merge policy")
            .describe("Reads take it that name none.")
            .idempotent()
            .body::<wire::DefaultMergePolicy>(json!({ "merge_policy": "crm-first" }))
            .answer::<wire::MergePolicy>(200, "The policy.", policy.clone()),
    ]
}

async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let query =
        ListQuery { limit: query.limit(LIST_DEFAULT, LIST_MAX)?, cursor: query.get("cursor").map(str::to_owned) };
    let config = app.service.configuration(entered.workspace).await?;
    let page = app.service.merge_policies(entered.workspace, config.policies(), &query)?;
    Ok(entered.answer(json_answer(&render::page(config.policies(), page))))
}

async fn read(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let config = app.service.configuration(entered.workspace).await?;
    Ok(entered.answer(json_bytes(render::one(config.policies(), &id)?)))
}

/// A key that is confined to datasets ranks no others.
fn check_datasets(entered: &Entered, content: &PolicyContent) -> Result<(), Error> {
    let of_policy = match content.policy.merge() {
        AttributeMerge::Precedence(datasets) => &datasets[..],
        AttributeMerge::Newest => &[],
    };
    let of_rules = content.policy.rules().values().filter_map(|rule| match rule {
        Rule::SourcePriority(datasets) => Some(datasets),
        Rule::Newest | Rule::First | Rule::Min | Rule::Max | Rule::Union | Rule::MostFrequent => None,
    });
    let named = of_policy.iter().chain(of_rules.flatten());
    named.into_iter().try_for_each(|dataset| entered.caller.datasets().check(dataset))
}

async fn create(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let (id, content) = parse::new(body::json(&body)?)?;
    check_datasets(&entered, &content)?;
    let (new, now) = (id.clone(), app.now());
    let change = move |config: &_| add_policy(config, new, content, now);
    let render = move |config: &StoredConfig| render::one(config.policies(), id.as_str());
    let json = once::configure(&app, &entered, key, (&Method::POST, uri.path(), &body), change, render).await?;
    Ok(entered.answer(json_bytes(json)))
}

async fn replace(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let (expected, content) = parse::replacement(body::json(&body)?)?;
    check_datasets(&entered, &content)?;
    let (named, now) = (id.clone(), app.now());
    let change = move |config: &_| replace_policy(config, &named, content, expected, now);
    let render = move |config: &StoredConfig| render::one(config.policies(), &id);
    let json = once::configure(&app, &entered, key, (&Method::PUT, uri.path(), &body), change, render).await?;
    Ok(entered.answer(json_bytes(json)))
}

async fn remove(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    app.service.configure(entered.workspace, move |config| delete_policy(config, &id)).await?;
    Ok(entered.answer(StatusCode::NO_CONTENT.into_response()))
}

/// A declared policy, as it is answered once it stands, without what the server alone says of it.
///
/// # Errors
/// What its making would be refused with in a workspace without others.
pub(crate) fn declared(id: &str, json: &str) -> Result<serde_json::Value, Wrong> {
    let content = parse::declared(declared::read(json)?)?;
    let id = PolicyId::parse(id)?;
    if StoredConfig::default().policies().find(id.as_str()).is_ok() {
        let message = format!("the merge policy {id} is built in and never changes");
        return Err(Wrong { code: "merge_policy_built_in", message, line: None });
    }
    Ok(declared::written(&render::content(&content)))
}

/// A declared choice of the default policy.
///
/// # Errors
/// `body_invalid`, `name_invalid`.
pub(crate) fn declared_default(json: &str) -> Result<serde_json::Value, Wrong> {
    let chosen: wire::DefaultMergePolicy = declared::read(json)?;
    PolicyId::parse(&chosen.merge_policy)?;
    Ok(json!({ "merge_policy": chosen.merge_policy }))
}

async fn make_default(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let wire::DefaultMergePolicy { merge_policy: id } = body::json(&body)?;
    let named = id.clone();
    let change = move |config: &_| set_default_policy(config, &named);
    let render = move |config: &StoredConfig| render::one(config.policies(), &id);
    let json = once::configure(&app, &entered, key, (&Method::PUT, uri.path(), &body), change, render).await?;
    Ok(entered.answer(json_bytes(json)))
}
