//! Entities: profiles, accounts and events, read one or many at a time (spec/adobe.md section 4).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::get;
use serde_json::{Map, Value, json};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::StoredConfig;
use tessera_service::{UnitProfile, UnitQuery};

use super::enter::{self, Asked};
use super::route;
use super::xid::{self, Named};
use crate::answer::{Answer, json as json_answer};
use crate::app::App;
use crate::extract::Query;
use crate::route::{Access, Route};

mod parse;
mod render;

const PATH: &str = "/data/core/ups/access/entities";
/// Identities that a profile may have to be looked up (section 13).
const IDENTITIES_MAX: usize = 50;

/// The routes of entities.
pub(super) fn routes() -> Vec<Route> {
    vec![parameters(route(
        Method::GET,
        PATH,
        Access::Workspace(Permission::Read),
        get(read),
        "Reads an entity, or the events of a profile",
    ))
    .describe(
        "`schema.name` says of which class. A profile is named by `entityId` with `entityIdNS`, or by an XID alone; whose events are meant by \
         `relatedEntityId` with `relatedEntityIdNS`.",
    )
    .answer_free(200, "The entity, under its XID.", example())
    .answer_free(
        422,
        "More than 50 linked identities, a word that is no XID, or an unknown merge policy.",
        json!({ "message": "Too many related identities", "cause": "identities_too_many", "statusCode": "422" }),
    )]
}

fn parameters(route: Route) -> Route {
    let text = || json!({ "type": "string" });
    parse::PARAMETERS.iter().fold(route, |route, (name, description)| route.query(name, description, text()))
}

fn example() -> Value {
    json!({ "BVrinvented": {
        "entityId": "BVrinvented", "mergePolicy": { "id": "default" }, "sources": ["65f0aa10c2d34e28b1907701"],
        "identityGraph": ["BVrinvented"],
        "entity": { "person": { "name": { "firstName": "Ada" } },
                    "identityMap": { "email": [{ "id": "ada@example.org", "primary": true }] } },
        "lastModifiedAt": "2024-05-02T09:14:33Z"
    } })
}

async fn read(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let wanted = parse::record(&query)?;
    let named = xid::named(&app, &asked, &config, (wanted.identity(), wanted.kind)).await?;
    let unit = unit(&app, &asked, &named, &wanted.shape).await?;
    let wrapped = render::wrapped(&app, &asked, &named, &unit, &wanted.shape)?;
    let answer: Map<String, Value> = [(named.xid.clone(), wrapped)].into_iter().collect();
    Ok(asked.entered.answer(json_answer(&answer)))
}

/// A unit under the merge policy that is asked for.
///
/// # Errors
/// As `Service::unit`; `identities_too_many`.
async fn unit(app: &App, asked: &Asked, named: &Named, shape: &parse::Shape) -> Result<UnitProfile, Error> {
    let query = UnitQuery { policy: shape.policy.clone(), visibility: asked.entered.visibility() };
    let unit = app.service.unit(asked.workspace(), &named.lookup(), &query).await?;
    if unit.identities.len() > IDENTITIES_MAX {
        return Err(Error::new(ErrorKind::LimitExceeded, "identities_too_many", "Too many related identities"));
    }
    Ok(unit)
}

/// Whether a merge policy of this id is there.
#[expect(dead_code, reason = "the calls in bulk ask it first")]
fn check_policy(config: &StoredConfig, shape: &parse::Shape) -> Result<(), Error> {
    config.policies().asked(shape.policy.as_deref()).map(drop)
}
