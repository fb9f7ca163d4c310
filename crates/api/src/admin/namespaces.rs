//! The namespaces of a workspace.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::routing::{get, post, put};
use bytes::Bytes;
use serde_json::json;
use tessera_seam::answer::{Answer, json as json_answer, json_bytes, to_json};
use tessera_seam::app::App;
use tessera_seam::extract::PathParams;
use tessera_seam::once::whole;
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::{body, once};
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::workspace_config::{
    StoredConfig, add_namespace, described_namespace, set_limits, set_primary, update_namespace,
};

use super::{parse, render, wire};
use crate::declared::{self, Wrong};

const CONFIGURE: Access = Access::Workspace(Permission::Configure);

pub(super) fn routes() -> [Route; 6] {
    let route =
        |method, path, handler, summary| Route::new(method, path, CONFIGURE, handler, Tag::Administration, summary);
    let rules =
        json!({ "priority": 700, "exclusive": false, "limit": 5, "blocked": ["none"], "blocked_patterns": ["0+"] });
    let item = json!({
        "name": "crm_id", "kind": "person", "normaliser": "trim", "region": null, "priority": 700, "exclusive": false,
        "limit": 5, "blocked": ["none"], "blocked_patterns": ["0+"]
    });
    let all = json!({ "items": [item.clone()], "primary_namespace": null });
    let bounds = json!({
        "profile_identities_max": null, "hub_links_max": 25, "future_secs_max": null, "fact_identities_max": null,
        "fact_attributes_max": null
    });
    [
        route(Method::GET, "/v1/admin/namespaces", get(list), "Lists namespaces").answer::<wire::Namespaces>(
            200,
            "All namespaces of the workspace.",
            all.clone(),
        ),
        route(Method::POST, "/v1/admin/namespaces", post(create), "Makes a namespace")
            .describe("Its kind never changes; the rest may.")
            .idempotent()
            .body::<wire::NewNamespace>(json!({ "name": "crm_id", "normaliser": "trim", "rules": rules.clone() }))
            .answer::<wire::Namespace>(200, "The namespace.", item.clone()),
        route(Method::PUT, "/v1/admin/namespaces/{namespace}", put(update), "Changes the rules of a namespace")
            .segment("namespace", "Its name.")
            .describe(
                "Events keep their owners. Who is who is decided anew under the new rules: a job of kind `recluster` switches one \
                 profile after the other, and reads go on meanwhile.",
            )
            .idempotent()
            .body::<wire::NamespaceChange>(rules)
            .answer::<wire::Namespace>(200, "The namespace.", item),
        route(Method::PUT, "/v1/admin/primary-namespace", put(primary), "Chooses the primary namespace")
            .describe("The read by id tries its value first, and shows it as `profile_id`.")
            .idempotent()
            .body::<wire::SetPrimary>(json!({ "namespace": "user_id" }))
            .answer::<wire::Namespaces>(200, "All namespaces of the workspace.", all),
        route(Method::GET, "/v1/admin/limits", get(limits), "Reads the limits of the workspace")
            .describe("What is null is the default.")
            .answer::<wire::Limits>(200, "The limits.", bounds.clone()),
        route(Method::PUT, "/v1/admin/limits", put(set), "Sets the limits of the workspace")
            .describe("Those of profiles and hubs are brought to the profiles by a job of kind `recluster`; the others hold for new facts.")
            .idempotent()
            .body::<wire::Limits>(bounds.clone())
            .answer::<wire::Limits>(200, "The limits.", bounds),
    ]
}

async fn limits(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    Ok(entered.answer(json_answer(&render::limits(config.limits()))))
}

async fn set(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let limits = parse::limits(&body::json(&body)?);
    let render = |config: &StoredConfig| Ok(to_json(&render::limits(config.limits())).into());
    let what = (&Method::PUT, whole(&uri), &body[..]);
    let change = move |config: &_| set_limits(config, limits);
    let json = once::configure(&app, &entered, key, what, change, render).await?;
    Ok(entered.answer(json_bytes(json)))
}

/// A declared namespace, as it is answered once it stands, without its name.
///
/// # Errors
/// What its making would be refused with in a workspace without others.
pub(crate) fn declared_namespace(name: &str, json: &str) -> Result<serde_json::Value, Wrong> {
    let wire::DeclaredNamespace { kind, normaliser, region, priority, exclusive, limit, blocked, blocked_patterns } =
        declared::read(json)?;
    let rules = wire::NamespaceRules { priority, exclusive, limit, blocked, blocked_patterns };
    let new = parse::new_namespace(wire::NewNamespace { name: name.to_owned(), kind, normaliser, region, rules })?;
    let mut written = declared::written(&render::namespace(&described_namespace(new)?));
    if let Some(members) = written.as_object_mut() {
        members.remove("name");
    }
    Ok(written)
}

/// A declared choice of the primary namespace.
///
/// # Errors
/// `body_invalid`.
pub(crate) fn declared_primary(json: &str) -> Result<serde_json::Value, Wrong> {
    let wire::SetPrimary { namespace } = declared::read(json)?;
    Ok(json!({ "namespace": namespace }))
}

/// Declared limits, as they are answered once they stand.
///
/// # Errors
/// `body_invalid`, `limit_invalid`.
pub(crate) fn declared_limits(json: &str) -> Result<serde_json::Value, Wrong> {
    let config = set_limits(&StoredConfig::default(), parse::limits(&declared::read(json)?))?;
    Ok(declared::written(&render::limits(config.limits())))
}

async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    Ok(entered.answer(json_answer(&render::namespaces(&config))))
}

async fn create(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let new = parse::new_namespace(body::json(&body)?)?;
    let name = new.name.clone();
    let change = move |config: &_| add_namespace(config, new);
    let what = (&Method::POST, whole(&uri), &body[..]);
    let json = once::configure(&app, &entered, key, what, change, one(name)).await?;
    Ok(entered.answer(json_bytes(json)))
}

/// How a change of one namespace is answered.
fn one(name: String) -> impl Fn(&StoredConfig) -> Result<Bytes, Error> + Send + Sync + 'static {
    move |config| Ok(to_json(&render::namespace(config.namespace(&name)?)).into())
}

async fn update(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let (normaliser, rules) = parse::namespace_change(body::json(&body)?)?;
    let named = name.clone();
    let change = move |config: &_| update_namespace(config, &named, normaliser, rules);
    let what = (&Method::PUT, whole(&uri), &body[..]);
    let json = once::configure(&app, &entered, key, what, change, one(name)).await?;
    Ok(entered.answer(json_bytes(json)))
}

async fn primary(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let wire::SetPrimary { namespace } = body::json(&body)?;
    let change = move |config: &_| set_primary(config, namespace.as_deref());
    let render = |config: &StoredConfig| Ok(to_json(&render::namespaces(config)).into());
    let what = (&Method::PUT, whole(&uri), &body[..]);
    let json = once::configure(&app, &entered, key, what, change, render).await?;
    Ok(entered.answer(json_bytes(json)))
}
