//! Merge policies (spec/adobe.md section 5): which identities and datasets count in a profile, and which value wins.
//!
//! A merge policy of this API is one of the workspace. What only this API tells of it, the class of schemas that it is for and whether it is
//! active on the edge, is kept beside it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, patch, post, put};
use serde_json::json;
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::StoredConfig;

use super::bulk::{self, Ids, Results};
use super::enter::{Asked, enter};

mod kept;
mod list;
mod parse;
mod patch;
mod wire;

pub(super) use kept::{Class, chosen, told};

use kept::{Found, check_datasets};
use wire::{MergePolicies, MergePolicy, MergePolicyBody};

const READ: Access = Access::Workspace(Permission::Read);
const CONFIGURE: Access = Access::Workspace(Permission::Configure);

/// The routes of merge policies.
pub(super) fn routes() -> Vec<Route> {
    let (all, one) = ("/data/core/ups/config/mergePolicies", "/data/core/ups/config/mergePolicies/{id}");
    let (policy, body) = (wire::example(), wire::example_body());
    let id = |route: Route| route.segment("id", "The id of a merge policy.");
    let route = super::route;
    let change = json!([{ "op": "add", "path": "/isActiveOnEdge", "value": "true" }]);
    vec![
        list::documented(route(Method::GET, all, READ, get(list), "Lists merge policies")).answer::<MergePolicies>(
            200,
            "A page of them.",
            json!({
                "_page": { "totalCount": 1, "pageSize": 1, "count": 1, "next": "" }, "children": [policy], "_links": { "next": { "href": "" } }
            }),
        ),
        route(Method::POST, all, CONFIGURE, post(create), "Makes a merge policy")
            .describe("For people, or for accounts by `schema.name`. At most 50 in a sandbox.")
            .body::<MergePolicyBody>(body.clone())
            .answer::<MergePolicy>(200, "The merge policy.", policy.clone()),
        route(
            Method::POST,
            "/data/core/ups/config/mergePolicies/bulk-get",
            READ,
            post(bulk_get),
            "Reads up to 100 merge policies",
        )
        .describe("404 where none of them is there.")
        .body::<Ids>(json!({ "ids": [{ "id": policy["id"] }] }))
        .answer_free(
            207,
            "By id: the merge policy, or that there is none.",
            json!({ "results": { (wire::EXAMPLE_ID): policy } }),
        ),
        id(route(Method::GET, one, READ, get(read), "Reads a merge policy")).answer::<MergePolicy>(
            200,
            "The merge policy.",
            policy.clone(),
        ),
        id(route(Method::PUT, one, CONFIGURE, put(replace), "Replaces a merge policy"))
            .describe("The one that is built in can become the default, and active on the edge, and nothing else of it changes.")
            .body::<MergePolicyBody>(body)
            .answer::<MergePolicy>(200, "The merge policy.", policy.clone()),
        id(route(Method::PATCH, one, CONFIGURE, patch(change_one), "Changes members of a merge policy"))
            .describe("One operation, or a list of them: `add` or `replace` at `/name`, `/schema.name`, `/identityGraph.type`, \
                       `/attributeMerge.type`, `/attributeMerge.order`, `/default`, `/isActiveOnEdge`, `/version`.")
            .body::<Vec<patch::Operation>>(change)
            .answer::<MergePolicy>(200, "The merge policy.", policy),
        id(route(Method::DELETE, one, CONFIGURE, delete(remove), "Deletes a merge policy"))
            .describe("Where it was the default, the one that is built in is it from then on. Not one that is active on the edge or that segments use.")
            .answer_empty(200, "It is gone."),
    ]
}

async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let wanted = list::Wanted::read(&query)?;
    let config = asked.config(&app).await?;
    let all = kept::all(&config, asked.workspace());
    let page = wanted.page(all.iter().map(|found| shown(found, &asked)).collect());
    Ok(asked.entered.answer(json_answer(&page)))
}

async fn read(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let policy = shown(&kept::find(&config, asked.workspace(), &id)?, &asked);
    Ok(asked.entered.answer(json_answer(&policy)))
}

async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let body = asked.json(&app, &headers, body).await?;
    let wanted = parse::content(body::json(&body)?)?;
    check_datasets(&asked.entered.caller, &wanted)?;
    let (id, now) = (super::objects::fresh_uuid(&app), app.now());
    let own = id.clone();
    let change = move |config: &StoredConfig| kept::made(config, &own, wanted, now);
    let config = app.service.configure(asked.workspace(), change).await?;
    answered(asked, &config, &id)
}

async fn replace(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let body = asked.json(&app, &headers, body).await?;
    let wanted = parse::content(body::json(&body)?)?;
    check_datasets(&asked.entered.caller, &wanted)?;
    let (own, now, workspace) = (id.clone(), app.now(), asked.workspace());
    let change = move |config: &StoredConfig| {
        let found = kept::find(config, workspace, &own)?;
        kept::replaced(config, &found, wanted, now)
    };
    let config = app.service.configure(workspace, change).await?;
    answered(asked, &config, &id)
}

async fn change_one(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let body = asked.json(&app, &headers, body).await?;
    let operations = patch::operations(&body)?;
    let (own, now, workspace, caller) = (id.clone(), app.now(), asked.workspace(), asked.entered.caller.clone());
    let change = move |config: &StoredConfig| {
        let found = kept::find(config, workspace, &own)?;
        let wanted = parse::content(patch::applied(parse::sent(&found), &operations)?)?;
        check_datasets(&caller, &wanted)?;
        kept::replaced(config, &found, wanted, now)
    };
    let config = app.service.configure(workspace, change).await?;
    answered(asked, &config, &id)
}

async fn remove(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let workspace = asked.workspace();
    let change = move |config: &StoredConfig| {
        let found = kept::find(config, workspace, &id)?;
        kept::removed(config, &found)
    };
    app.service.configure(workspace, change).await?;
    Ok(asked.entered.answer(StatusCode::OK.into_response()))
}

async fn bulk_get(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let body = asked.json(&app, &headers, body).await?;
    let ids = bulk::ids(&body)?;
    let config = asked.config(&app).await?;
    let mut results = Results::default();
    for id in ids {
        let found = kept::find(&config, asked.workspace(), &id).ok();
        results.put(id, found.map(|found| shown(&found, &asked)));
    }
    let response = results.answer(&app, not_found)?;
    Ok(asked.entered.answer(response))
}

fn answered(asked: Asked, config: &StoredConfig, id: &str) -> Answer {
    let policy = shown(&kept::find(config, asked.workspace(), id)?, &asked);
    Ok(asked.entered.answer(json_answer(&policy)))
}

fn shown(found: &Found, asked: &Asked) -> MergePolicy {
    wire::shown(found, &asked.org, &asked.sandbox)
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "merge_policy_not_found", "no merge policy of this sandbox has this id")
}
