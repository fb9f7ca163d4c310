//! Organizations, workspaces and keys.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::routing::{get, post, put};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tessera_seam::answer::{Answer, json as json_answer, json_bytes, to_json};
use tessera_seam::app::{App, Entered};
use tessera_seam::budget::Share;
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::once::whole;
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::transport::{After, Held, hold_until_sent};
use tessera_seam::{body, once};
use tessera_service::directory::{
    Caller, DirectoryHandle, IssuedKey, KeyId, Organization, OrganizationId, Permission, Slug, Workspace,
};
use tessera_service::error::Error;
use tessera_service::idempotency::Once;

use super::{parse, render, wire};
use crate::declared::{self, Wrong};

const OPERATE: Access = Access::Directory(&[Permission::Operate]);
const ADMINISTER: Access = Access::Directory(&[Permission::Administer, Permission::Operate]);

pub(super) fn routes() -> Vec<Route> {
    organizations().into_iter().chain(workspaces()).chain(keys()).collect()
}

/// The body of a request as JSON of this form.
pub(super) async fn read<T: DeserializeOwned>(app: &App, headers: &HeaderMap, body: Body) -> Result<T, Error> {
    body::json(&body::read(app, Share::Directory, headers, body).await?)
}

pub(super) fn list_parameters(route: Route) -> Route {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    route.query("limit", "How many.", limit).query(
        "cursor",
        "`next_cursor` of the page before.",
        json!({ "type": "string" }),
    )
}

fn organization_parameter(route: Route) -> Route {
    let text = json!({ "type": "string" });
    route.query("organization", "The organization; the key's own where it is left out. Others need `operate`.", text)
}

fn organizations() -> [Route; 2] {
    let example = json!({ "name": "acme", "created_at": "2026-01-31T10:00:00Z" });
    let page = json!({ "items": [example.clone()], "next_cursor": null });
    let new = |summary, access, handler, method| {
        Route::new(method, "/v1/admin/organizations", access, handler, Tag::Administration, summary)
    };
    [
        list_parameters(new("Lists organizations", ADMINISTER, get(list_organizations), Method::GET))
            .describe("All of this host with `operate`, otherwise the key's own.")
            .answer_list::<wire::List<wire::Organization>, wire::Organization>("A page of organizations.", page),
        new("Makes an organization", OPERATE, post(create_organization), Method::POST)
            .idempotent()
            .body::<wire::NewNamed>(json!({ "name": "acme" }))
            .answer::<wire::Organization>(200, "The organization.", example),
    ]
}

fn workspaces() -> [Route; 5] {
    let path = "/v1/admin/workspaces";
    let example = json!({ "name": "shop", "created_at": "2026-01-31T10:00:00Z", "rate_limit": null });
    let page = json!({ "items": [example.clone()], "next_cursor": null });
    let counts = json!({ "profiles": 2357, "identities": 2357, "events": 6919, "facts": 6919 });
    let limit = json!({ "rate_limit": { "per_second": 500, "burst": 1000, "concurrency": 64 } });
    let route = |method, path, access, handler, summary| {
        Route::new(method, path, access, handler, Tag::Administration, summary)
    };
    let one = |route: Route| route.segment("workspace", "The workspace's name.");
    let routes = [
        list_parameters(route(Method::GET, path, ADMINISTER, get(list_workspaces), "Lists workspaces"))
            .answer_list::<wire::List<wire::Workspace>, wire::Workspace>("A page of workspaces.", page),
        route(Method::POST, path, ADMINISTER, post(create_workspace), "Makes a workspace")
            .idempotent()
            .body::<wire::NewNamed>(json!({ "name": "shop" }))
            .answer::<wire::Workspace>(200, "The workspace.", example.clone()),
        one(route(
            Method::GET,
            "/v1/admin/workspaces/{workspace}",
            ADMINISTER,
            get(get_workspace),
            "Reads a workspace",
        ))
        .answer::<wire::Workspace>(200, "The workspace.", example.clone()),
        one(route(
            Method::PUT,
            "/v1/admin/workspaces/{workspace}/rate-limit",
            OPERATE,
            put(limit_workspace),
            "Bounds a workspace",
        ))
        .describe("How much all keys together may ask of it.")
        .body::<wire::SetRateLimit>(limit)
        .answer::<wire::Workspace>(200, "The workspace.", example),
    ]
    .map(organization_parameter);
    let access = Access::Workspace(Permission::Read);
    let [a, b, c, d] = routes;
    let counts = route(Method::GET, "/v1/admin/counts", access, get(get_counts), "Counts what a workspace holds")
        .describe("Of the workspace that the key or the header `x-tessera-workspace` means. Exact.")
        .answer::<wire::WorkspaceCounts>(200, "The counts.", counts);
    [a, b, c, d, counts]
}

fn keys() -> [Route; 6] {
    let example = json!({
        "id": "019a0f3e5b2c7d41e0a8f5c2", "name": "web shop", "class": "public", "permissions": ["ingest"],
        "workspaces": ["shop"], "dataset": "web", "datasets": null, "created_at": "2026-01-31T10:00:00Z", "expires_at": null, "revoked_at": null,
        "replaced_by": null, "last_four": "x8Qa", "rate_limit": null
    });
    let issued = json!({ "key": example.clone(), "secret": "pk_live_…" });
    let page = json!({ "items": [example.clone()], "next_cursor": null });
    let new = json!({ "name": "web shop", "class": "public", "permissions": ["ingest"], "workspaces": ["shop"], "dataset": "web" });
    let limit = json!({ "rate_limit": { "per_second": 500, "burst": 1000, "concurrency": 64 } });
    let route = |method, path, handler, summary: &'static str| {
        Route::new(method, path, ADMINISTER, handler, Tag::Administration, summary)
    };
    let one = |route: Route, answer: &Value| {
        route.segment("key", "The key's id.").answer::<wire::Key>(200, "The key.", answer.clone())
    };
    [
        organization_parameter(list_parameters(route(Method::GET, "/v1/admin/keys", get(list_keys), "Lists keys")))
            .answer_list::<wire::List<wire::Key>, wire::Key>("A page of keys, without their secrets.", page),
        organization_parameter(route(Method::POST, "/v1/admin/keys", post(create_key), "Makes a key"))
            .describe("Its secret is in this answer and nowhere else. A key can give no more than it holds itself. Its `dataset` is what merge policies rank by, and message ids are unique in it.")
            .idempotent()
            .body::<wire::NewKey>(new)
            .answer::<wire::IssuedKey>(200, "The key and its secret.", issued.clone()),
        one(route(Method::GET, "/v1/admin/keys/{key}", get(get_key), "Reads a key"), &example),
        route(Method::POST, "/v1/admin/keys/{key}/rotate", post(rotate_key), "Gives a key a successor")
            .segment("key", "The key's id.")
            .describe("The successor may do the same, under a new secret; the old one goes on working for the grace. With `dataset` its events stand in another dataset.")
            .idempotent()
            .body::<wire::Rotation>(json!({ "grace_secs": 86400 }))
            .answer::<wire::IssuedKey>(200, "The successor and its secret.", issued),
        one(route(Method::POST, "/v1/admin/keys/{key}/revoke", post(revoke_key), "Revokes a key"), &example)
            .describe("At once. Revoking it again changes nothing."),
        one(route(Method::PUT, "/v1/admin/keys/{key}/rate-limit", put(limit_key), "Bounds a key"), &example)
            .body::<wire::SetRateLimit>(limit),
    ]
}

/// A request about the directory that was let in.
struct Asked<'a> {
    app: &'a App,
    caller: Caller,
    held: Held,
}

impl<'a> Asked<'a> {
    fn of(app: &'a App, headers: &HeaderMap) -> Result<Self, Error> {
        let (caller, held) = app.enter_directory(headers)?;
        Ok(Self { app, caller, held })
    }

    fn directory(&self) -> &DirectoryHandle {
        self.app.service.directory()
    }

    /// The organization that the request means.
    fn organization(&self, query: &Query) -> Result<OrganizationId, Error> {
        Ok(self.directory().organization(&self.caller, query.get("organization"))?.id)
    }

    fn answer_bytes(self, json: Bytes) -> Answer {
        Ok(hold_until_sent(json_bytes(json), self.held, After::Work))
    }

    fn answer<T: serde::Serialize>(self, value: &T) -> Answer {
        Ok(hold_until_sent(json_answer(value), self.held, After::Work))
    }
}

async fn list_organizations(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    let page = asked.directory().organizations(&asked.caller, &parse::list(&query)?)?;
    asked.answer(&render::list(page, render::organization))
}

async fn create_organization(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    asked.caller.require(Permission::Operate)?;
    let body = body::read(&app, Share::Directory, &headers, body).await?;
    let wire::NewNamed { name } = body::json(&body)?;
    let name = Slug::parse(&name)?;
    let work = async |once: Option<Once<Organization>>| {
        asked.directory().create_organization_once(&asked.caller, &name, once.as_ref()).await
    };
    let render = |made: &Organization| Ok(to_json(&render::organization(made.clone())).into());
    let what = (&Method::POST, whole(&uri), &body[..]);
    let json = once::of_directory(&app, &asked.caller, &headers, what, render, work).await?;
    asked.answer_bytes(json)
}

async fn list_workspaces(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    let organization = asked.organization(&query)?;
    let page = asked.directory().workspaces(&asked.caller, organization, &parse::list(&query)?)?;
    asked.answer(&render::list(page, render::workspace))
}

async fn create_workspace(
    State(app): State<Arc<App>>,
    query: Query,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    let organization = asked.organization(&query)?;
    let body = body::read(&app, Share::Directory, &headers, body).await?;
    let wire::NewNamed { name } = body::json(&body)?;
    let name = Slug::parse(&name)?;
    let work = async |once: Option<Once<Workspace>>| {
        asked.directory().create_workspace_once(&asked.caller, organization, &name, once.as_ref()).await
    };
    let render = |made: &Workspace| Ok(to_json(&render::workspace(made.clone())).into());
    let what = (&Method::POST, whole(&uri), &body[..]);
    let json = once::of_directory(&app, &asked.caller, &headers, what, render, work).await?;
    asked.answer_bytes(json)
}

async fn get_workspace(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    let organization = asked.organization(&query)?;
    let found = asked.directory().workspace(&asked.caller, organization, &name)?;
    asked.answer(&render::workspace(found))
}

async fn limit_workspace(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    asked.caller.require(Permission::Operate)?;
    let organization = asked.organization(&query)?;
    let wire::SetRateLimit { rate_limit } = read(&app, &headers, body).await?;
    let found = asked.directory().workspace(&asked.caller, organization, &name)?;
    let limit = parse::rate_limit(rate_limit)?;
    let changed = asked.directory().set_workspace_rate_limit(&asked.caller, found.id, limit).await?;
    asked.answer(&render::workspace(changed))
}

/// A declared bound of a workspace, as it is answered once it stands.
///
/// # Errors
/// `body_invalid`, `rate_limit_invalid`.
pub(crate) fn declared_rate_limit(json: &str) -> Result<Value, Wrong> {
    let wire::SetRateLimit { rate_limit } = declared::read(json)?;
    let limit = parse::rate_limit(rate_limit)?.map(wire::RateLimit::from);
    Ok(json!({ "rate_limit": limit }))
}

async fn get_counts(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered: Entered = app.enter(&headers, Permission::Read)?;
    let counts = app.service.counts(entered.workspace).await?;
    Ok(entered.answer(json_answer(&render::counts(&counts))))
}

async fn list_keys(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    let organization = asked.organization(&query)?;
    let page = asked.directory().keys(&asked.caller, organization, &parse::list(&query)?)?;
    let directory = asked.directory().snapshot();
    asked.answer(&render::list(page, |key| render::key(key, &directory)))
}

async fn create_key(State(app): State<Arc<App>>, query: Query, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    let organization = asked.organization(&query)?;
    let body = body::read(&app, Share::Directory, &headers, body).await?;
    let new = parse::new_key(body::json(&body)?)?;
    let work = async |once: Option<Once<IssuedKey>>| {
        asked.directory().create_key_once(&asked.caller, organization, &new, once.as_ref()).await
    };
    let what = (&Method::POST, whole(&uri), &body[..]);
    let json = once::of_directory(&app, &asked.caller, &headers, what, issued(&app), work).await?;
    asked.answer_bytes(json)
}

/// How a new key is answered: with its secret.
fn issued(app: &App) -> impl Fn(&IssuedKey) -> Result<Bytes, Error> + Send + Sync + 'static {
    let service = app.service.clone();
    move |issued| Ok(to_json(&render::issued(issued.clone(), &service.directory().snapshot())).into())
}

async fn get_key(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    let key = asked.directory().key(&asked.caller, KeyId::parse(&id)?)?;
    let directory = asked.directory().snapshot();
    asked.answer(&render::key(key, &directory))
}

async fn rotate_key(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    let key = asked.directory().key(&asked.caller, KeyId::parse(&id)?)?;
    let body = body::read(&app, Share::Directory, &headers, body).await?;
    let wire::Rotation { grace_secs, dataset } = body::json(&body)?;
    let dataset = parse::dataset(dataset.as_deref())?;
    let work = async |once: Option<Once<IssuedKey>>| {
        let how = (grace_secs, dataset.as_ref());
        asked.directory().rotate_key_once(&asked.caller, key.id, how, once.as_ref()).await
    };
    let what = (&Method::POST, whole(&uri), &body[..]);
    let json = once::of_directory(&app, &asked.caller, &headers, what, issued(&app), work).await?;
    asked.answer_bytes(json)
}

async fn revoke_key(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    let key = asked.directory().revoke_key(&asked.caller, KeyId::parse(&id)?).await?;
    let directory = asked.directory().snapshot();
    asked.answer(&render::key(key, &directory))
}

async fn limit_key(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = Asked::of(&app, &headers)?;
    let key = asked.directory().key(&asked.caller, KeyId::parse(&id)?)?;
    let wire::SetRateLimit { rate_limit } = read(&app, &headers, body).await?;
    let limit = parse::rate_limit(rate_limit)?;
    let changed = asked.directory().set_key_rate_limit(&asked.caller, key.id, limit).await?;
    let directory = asked.directory().snapshot();
    asked.answer(&render::key(changed, &directory))
}
