//! Computed attributes, the current generation (spec/adobe.md section 6): what is computed of the events of a window.
//!
//! A computed attribute is one of the workspace. It is evaluated when a profile is read, so that a window rolls by itself and nothing is
//! refreshed; what the API tells of refreshing stands for how far it has been brought to everybody. What only this API tells of it, and the
//! expression as it was sent, is kept beside it.

use std::sync::Arc;

use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, patch, post};
use serde_json::json;
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route};
use tessera_service::directory::{LIST_MAX, ListQuery, Permission};
use tessera_service::error::Error;
use tessera_service::segments::ShownRule;
use tessera_service::workspace_config::{RuleName, StoredConfig};

use super::enter::{Asked, enter};
use super::objects::{missing, unprocessable};
use super::pql;

mod change;
mod kept;
mod list;
mod shape;
mod wire;

pub(super) use change::{checked_description, exists, removed};
pub(super) use kept::{
    Beside, Generation, Place, RULE, beside, find, id_of, not_found, of, place_in_events, places, shown_at, with_beside,
};
pub(super) use wire::{UNION, defined_on};

use wire::{Body, ComputedAttribute, ComputedAttributes, Life, Shown};

const READ: Access = Access::Workspace(Permission::Read);
const CONFIGURE: Access = Access::Workspace(Permission::Configure);
const USED: &str = "Others depend on it.";

/// The routes of computed attributes.
pub(super) fn routes() -> Vec<Route> {
    let (all, one) = ("/data/core/ca/attributes", "/data/core/ca/attributes/{id}");
    let (attribute, body) = (wire::example(), wire::example_body());
    let id = |route: Route| route.segment("id", "The id of a computed attribute.");
    let route = super::route;
    let page = json!({
        "_links": {
            "self": { "href": "/attributes?offset=0&limit=20" }, "next": { "href": "" }, "prev": { "href": "/attributes?offset=0&limit=20" },
            "last": { "href": "/attributes?offset=0&limit=20" }
        },
        "computedAttributes": [attribute], "_page": { "offset": 0, "limit": 20, "count": 1, "totalCount": 1 }
    });
    let publish = json!({ "status": "NEW" });
    let of_one = json!({ "id": wire::EXAMPLE_ID, "status": "NEW" });
    let changes = "Of a DRAFT all but what the server says of it, and it can be published (`NEW`); of a NEW one what people call it; any that is published \
                   can be disabled, which is for good.";
    vec![
        list::documented(route(Method::GET, all, READ, get(list), "Lists computed attributes"))
            .describe("The last updated first. Those that were made elsewhere are among them.")
            .answer::<ComputedAttributes>(200, "A page of them.", page),
        route(Method::POST, all, CONFIGURE, post(create), "Makes a computed attribute")
            .describe(
                "A draft, or published at once (`NEW`). `expression` is of events alone: `sum`, `count`, `min`, `max`, the most recent, or a list of the \
                 last; `duration` is folded into its filter.",
            )
            .body::<Body>(body)
            .answer::<ComputedAttribute>(200, "The computed attribute.", attribute.clone()),
        unprocessable(
            route(Method::PATCH, all, CONFIGURE, patch(change_named), "Changes a computed attribute whose id stands in the body"),
            USED,
        )
            .describe("As with the id in the path: clients of this API send it so.")
            .body::<Body>(of_one)
            .answer::<ComputedAttribute>(200, "The computed attribute.", attribute.clone()),
        id(route(Method::GET, one, READ, get(read), "Reads a computed attribute")).answer::<ComputedAttribute>(
            200,
            "The computed attribute.",
            attribute.clone(),
        ),
        id(unprocessable(route(Method::PATCH, one, CONFIGURE, patch(change_one), "Changes a computed attribute"), USED))
            .describe(changes)
            .body::<Body>(publish)
            .answer::<ComputedAttribute>(200, "The computed attribute.", attribute.clone()),
        id(unprocessable(
            route(Method::DELETE, one, CONFIGURE, delete(remove), "Deletes a draft of a computed attribute"),
            USED,
        ))
            .answer::<ComputedAttribute>(202, "It is deleted; this is what it was.", attribute),
    ]
}

async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let wanted = list::Wanted::read(&query)?;
    let config = asked.config(&app).await?;
    let places = pql::places(&config, &asked.org);
    let all = ListQuery { limit: LIST_MAX, cursor: None };
    let rules = app.service.stored_rules(asked.workspace(), RULE, &all, asked.entered.visibility()).await?.items;
    let (at, mut items) = (app.now(), Vec::with_capacity(rules.len()));
    for (own, beside) in of(&config, Generation::Current) {
        if let Some(rule) = rules.iter().find(|rule| rule.rule.name == own.name) {
            items.push(wire::shown(rule, beside.as_ref(), (&asked, &places), at, Shown::Listed));
        }
    }
    let page = wanted.page(items);
    Ok(asked.entered.answer(json_answer(&page)))
}

async fn read(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let (name, _) = find(&config, asked.workspace(), Generation::Current, &id)?;
    let attribute = shown(&app, &asked, &config, &rule(&app, &asked, &name).await?);
    Ok(asked.entered.answer(json_answer(&attribute)))
}

async fn create(State(app): State<Arc<App>>, headers: HeaderMap, bytes: Bytes) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let bytes = asked.json(&app, &headers, bytes).await?;
    let wanted = change::new(&app, &asked, body::json(&bytes)?).await?;
    let name = wanted.name.clone();
    let change = move |config: &StoredConfig, at| change::made(config, wanted, at);
    let config = app.service.configure_rules(asked.workspace(), change).await?;
    answered(&app, asked, &config, &name)
}

async fn change_one(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let bytes = asked.json(&app, &headers, bytes).await?;
    let sent: Body = body::json(&bytes)?;
    if sent.id.as_ref().is_some_and(|own| !own.eq_ignore_ascii_case(&id)) {
        return Err(super::objects::expected("id", "the id that stands in the path, or none,").into());
    }
    changed(&app, asked, &id, sent).await
}

async fn change_named(State(app): State<Arc<App>>, headers: HeaderMap, bytes: Bytes) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let bytes = asked.json(&app, &headers, bytes).await?;
    let sent: Body = body::json(&bytes)?;
    let id = sent.id.clone().ok_or_else(|| missing("id"))?;
    changed(&app, asked, &id, sent).await
}

async fn changed(app: &App, asked: Asked, id: &str, sent: Body) -> Answer {
    let config = asked.config(app).await?;
    let (name, beside) = find(&config, asked.workspace(), Generation::Current, id)?;
    let present = rule(app, &asked, &name).await?;
    let wanted = change::changed(app, &asked, (&present.rule, Life::of(&present), beside), sent).await?;
    let renamed = match &wanted {
        change::Change::Say(wanted) => wanted.name.clone(),
        change::Change::Disable => name.clone(),
    };
    let (version, visibility) = (present.rule.version, asked.entered.visibility());
    let change = move |config: &StoredConfig, at| change::become_of(config, (&name, version, visibility), wanted, at);
    let config = app.service.configure_rules(asked.workspace(), change).await?;
    answered(app, asked, &config, &renamed)
}

async fn remove(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Configure)?;
    let config = asked.config(&app).await?;
    let (name, _) = find(&config, asked.workspace(), Generation::Current, &id)?;
    let present = rule(&app, &asked, &name).await?;
    let attribute = shown(&app, &asked, &config, &present);
    change::delete(&app, asked.workspace(), (&name, Life::of(&present), asked.entered.visibility())).await?;
    Ok(asked.entered.answer((StatusCode::ACCEPTED, json_answer(&attribute)).into_response()))
}

/// A computed attribute that the caller may see.
async fn rule(app: &App, asked: &Asked, name: &RuleName) -> Result<ShownRule, Error> {
    let found = app.service.stored_rule(asked.workspace(), RULE, name.as_str(), asked.entered.visibility()).await;
    found.map_err(|error| if error.code == "attribute_not_found" { not_found() } else { error })
}

fn shown(app: &App, asked: &Asked, config: &StoredConfig, rule: &ShownRule) -> ComputedAttribute {
    let places = pql::places(config, &asked.org);
    let beside = change::own(config, &rule.rule.name);
    wire::shown(rule, beside.as_ref(), (asked, &places), app.now(), Shown::Alone)
}

/// What a change has made: one that is published by it has not begun to be brought to anybody.
fn answered(app: &App, asked: Asked, config: &StoredConfig, name: &RuleName) -> Answer {
    let rule = config.rules().find(RULE, name.as_str())?.clone();
    let attribute = shown(app, &asked, config, &ShownRule { rule, counts: None, job: None, control_group: None });
    Ok(asked.entered.answer(json_answer(&attribute)))
}
