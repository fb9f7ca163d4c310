//! Entities: profiles, accounts and events, read one or many at a time (spec/adobe.md section 4).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tessera_engine::config::Kind;
use tessera_engine::policy::IdentityGraph;
use tessera_seam::answer::{Answer, json as json_answer, json_bytes, to_json};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::bounds::{BATCH_GET_BYTES_MAX, PAGE_BYTES};
use tessera_seam::extract::Query;
use tessera_seam::route::{Access, Route};
use tessera_service::audit::Action;
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::StoredConfig;
use tessera_service::{Extent, Return, UnitProfile, UnitQuery};

use super::enter::{self, Asked};
use super::errors::invalid_parameter;
use super::xid::{self, Named, Said};
use super::{NAME, errors, route};
use events::Asking;
use parse::{Class, Shape};
use wire::Lookups;

mod events;
mod parse;
mod property;
mod render;
mod wire;

const PATH: &str = "/data/core/ups/access/entities";
/// Identities that a profile may have to be looked up (section 13).
const IDENTITIES_MAX: usize = 50;

/// The routes of entities.
pub(super) fn routes() -> Vec<Route> {
    let cannot = "More than 50 linked identities, a word that is no XID, or an unknown merge policy.";
    let unprocessable =
        || json!({ "message": "Too many related identities", "cause": "identities_too_many", "statusCode": "422" });
    let failed = || json!([{ "xid": "BVrinvented", "error": unprocessable() }]);
    let read = Access::Workspace(Permission::Read);
    vec![
        parameters(
            route(Method::GET, PATH, read, get(read_one), "Reads an entity, or the events of a profile"),
            &[parse::RECORD_PARAMETERS, parse::OTHER_PARAMETERS],
        )
        .describe(
            "`schema.name` says of which class. A profile is named by `entityId` with `entityIdNS`, or by an XID alone; whose events are \
             meant by `relatedEntityId` with `relatedEntityIdNS`.",
        )
        .answer_free(200, "The entity, under its XID; or a page of events.", example())
        .answer_free(422, cannot, unprocessable()),
        route(Method::POST, PATH, read, post(read_many), "Reads entities, or the events of profiles, in bulk")
            .audited(Action::Read)
            .describe(
                "Those that are not there are shown as stubs. Where one of them cannot be read, the answer is 207 and has the errors alone.",
            )
            .body::<Lookups>(json!({
                "schema": { "name": "_xdm.context.profile" }, "fields": ["person.name"],
                "identities": [{ "entityId": "ada@example.org", "entityIdNS": { "code": "Email" } }]
            }))
            .answer_free(200, "Entities, or pages of events, each under its XID.", example())
            .answer_free(207, "Why some of them cannot be read.", failed())
            .answer_free(422, "An unknown merge policy.", unprocessable()),
        parameters(
            route(
                Method::DELETE,
                PATH,
                Access::Workspace(Permission::Erase),
                delete(erase),
                "Erases a profile with its events",
            ),
            &[parse::RECORD_PARAMETERS],
        )
        .describe("All identities that the merge policy stitches together go; under a policy without graph the one that is named.")
        .answer_empty(202, "It is erased.")
        .answer_free(422, cannot, unprocessable()),
    ]
}

fn parameters(route: Route, groups: &[&[(&'static str, &'static str)]]) -> Route {
    let text = || json!({ "type": "string" });
    let all = groups.iter().copied().flatten();
    all.fold(route, |route, (name, description)| route.query(name, description, text()))
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

async fn read_one(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let mut asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let shape = parse::shape(&query)?;
    let answer = match parse::class(query.get("schema.name"))? {
        Class::Record(kind) => {
            let said = (parse::entity(&query)?, kind);
            let json = shown(&app, &asked, &config, (said, shape)).await?;
            return Ok(asked.entered.answer(json_bytes(json)));
        }
        Class::Event => {
            let shape = shape.found(&config, &asked, Kind::Person)?;
            let (wanted, said) = (parse::events(&query)?, parse::related(&query)?);
            let named = xid::named(&app, &asked, &config, (said, Kind::Person)).await?;
            let start = parse::either(&query, ["start", "offsets"]);
            let asking = Asking { named: &named, events: &wanted, shape: &shape, start, limit: wanted.limit };
            // What was stored, and the answer that is made of it.
            asked.entered.reserve(&app, 2 * PAGE_BYTES).await?;
            let page = events::page(&app, &asked, &config, &asking).await?;
            let href = events::next_href(&query, &wanted, page.next.as_deref());
            events::written(page, &wanted, json!({ "href": href }))
        }
    };
    Ok(asked.entered.answer(json_answer(&answer)))
}

async fn read_many(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let mut asked = enter::enter(&app, &headers, Permission::Read)?;
    let body = asked.json(&app, &headers, body).await?;
    let lookups: Lookups = body::json(&body)?;
    let config = asked.config(&app).await?;
    let (answer, failed) = match parse::class(Some(&lookups.schema.name))? {
        Class::Record(kind) => records(&app, &mut asked, &config, (lookups, kind)).await?,
        Class::Event => many_events(&app, &mut asked, &config, lookups).await?,
    };
    if failed.is_empty() {
        return Ok(asked.entered.answer(json_answer(&answer)));
    }
    let response = (StatusCode::MULTI_STATUS, json_answer(&failed)).into_response();
    Ok(asked.entered.answer(response))
}

/// What a look-up in bulk comes to: answers by XID, and what cannot be read.
type Many = (Map<String, Value>, Vec<Value>);

/// Records in bulk; each that is not there as a stub (section 4.6).
async fn records(
    app: &App,
    asked: &mut Asked,
    config: &StoredConfig,
    (lookups, kind): (Lookups, Kind),
) -> Result<Many, Error> {
    let Lookups { identities, fields, merge_policy_id, with_ca, .. } = lookups;
    // The merge policy is that of the whole call, and so is the mistake in it.
    let shape = Shape { fields, policy: merge_policy_id, with_computed: with_ca, ..Shape::default() };
    let shape = shape.found(config, asked, kind)?;
    let (mut answer, mut failed, mut bytes) = (Map::new(), Vec::new(), 0);
    for said in identities.within("identities")? {
        let (id, code) = (said.entity_id.as_str(), said.entity_id_ns.as_ref().map(|own| own.code.as_str()));
        let read = async {
            let named = xid::named(app, asked, config, (Said { id, code }, kind)).await?;
            let found = if bytes < BATCH_GET_BYTES_MAX { unit(app, asked, &named, &shape).await } else { Err(full()) };
            let mut shown = match found {
                Ok(unit) => {
                    bytes += unit.attributes.iter().map(|(_, json)| json.len()).sum::<usize>();
                    render::wrapped(app, asked, &named, &unit, &shape)?
                }
                Err(error) if error.code == "profile_not_found" => render::stub(&named),
                Err(error) => return Err(error),
            };
            shown["requestedIdentity"] = requested(id, code);
            Ok((named.xid, shown))
        };
        let read = read.await;
        asked.entered.grow_to(2 * bytes)?;
        match read {
            Ok((xid, shown)) => drop(answer.insert(xid, shown)),
            Err(error) => failed.push(failure(id, error)?),
        }
    }
    Ok((answer, failed))
}

/// An identity as it was asked for.
fn requested(id: &str, code: Option<&str>) -> Value {
    match code {
        Some(code) => json!({ "entityId": id, "entityIdNS": { "code": code } }),
        None => json!({ "entityId": id }),
    }
}

/// One that cannot be read, among others; what is wrong here and not with it answers the whole call.
fn failure(id: &str, error: Error) -> Result<Value, Error> {
    match error.kind {
        ErrorKind::Invalid | ErrorKind::LimitExceeded => Ok(json!({ "xid": id, "error": errors::one_of_many(&error) })),
        _ => Err(error),
    }
}

fn full() -> Error {
    let message = "there is no room for more profiles in this answer; ask for this one again, by itself";
    Error::new(ErrorKind::LimitExceeded, "answer_full", message)
}

/// Events in bulk: a page of each profile, all together within the bytes of one page; those that come after get the next link alone.
async fn many_events(app: &App, asked: &mut Asked, config: &StoredConfig, lookups: Lookups) -> Result<Many, Error> {
    let wanted = parse::events_in_bulk(&lookups)?;
    let Lookups { schema, related_schema, identities, fields, merge_policy_id, time_filter, limit, .. } = lookups;
    let shape = Shape { fields, policy: merge_policy_id.clone(), ..Shape::default() };
    let shape = shape.found(config, asked, Kind::Person)?;
    asked.entered.reserve(app, 3 * PAGE_BYTES).await?;
    let mut payload =
        json!({ "schema": schema, "relatedSchema": related_schema, "orderby": parse::order_name(wanted.order) });
    let others = [
        ("fields", json!(shape.fields)),
        ("mergePolicyId", json!(merge_policy_id)),
        ("timeFilter", json!(time_filter)),
        ("limit", json!(limit)),
    ];
    for (name, value) in others.into_iter().filter(|(_, value)| !value.is_null()) {
        payload[name] = value;
    }
    let (mut answer, mut failed, mut bytes) = (Map::new(), Vec::new(), 0);
    for said in identities.within("identities")? {
        let (id, code) = (said.entity_id.as_str(), said.entity_id_ns.as_ref().map(|own| own.code.as_str()));
        let limit = if bytes < PAGE_BYTES { wanted.limit } else { 0 };
        let read = async {
            let named = xid::named(app, asked, config, (Said { id, code }, Kind::Person)).await?;
            let asking = Asking { named: &named, events: &wanted, shape: &shape, start: said.start.as_deref(), limit };
            let page = events::page(app, asked, config, &asking).await?;
            Ok((named, page))
        };
        match read.await {
            Ok((named, page)) => {
                bytes += page.bytes;
                let next = match &page.next {
                    None => json!({ "href": "" }),
                    Some(next) => {
                        payload["identities"] = json!([{ "relatedEntityId": named.xid, "start": &**next }]);
                        json!({ "href": "/entities", "payload": payload })
                    }
                };
                answer.insert(named.xid, events::written(page, &wanted, next));
            }
            Err(error) => failed.push(failure(id, error)?),
        }
    }
    Ok((answer, failed))
}

async fn erase(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Erase)?;
    let config = asked.config(&app).await?;
    let Class::Record(Kind::Person) = parse::class(query.get("schema.name"))? else {
        return Err(
            invalid_parameter("schema.name", "_xdm.context.profile is expected, nothing else is deleted").into()
        );
    };
    let named = xid::named(&app, &asked, &config, (parse::entity(&query)?, Kind::Person)).await?;
    let shape = parse::shape(&query)?.found(&config, &asked, Kind::Person)?;
    let extent = match config.policies().asked(shape.policy.as_deref())?.content.policy.graph() {
        IdentityGraph::Full => Extent::Profile,
        IdentityGraph::None => Extent::Identity,
    };
    let by = (NAME, asked.entered.caller.key());
    app.service.erase(asked.workspace(), &named.lookup(), (extent, Return::Allowed), by).await?;
    Ok(asked.entered.answer(StatusCode::ACCEPTED.into_response()))
}

/// The answer to a look-up of one unit, which is kept until it may be another.
async fn shown(
    app: &App,
    asked: &Asked,
    config: &StoredConfig,
    ((said, kind), shape): ((Said<'_>, Kind), Shape),
) -> Result<Bytes, Error> {
    let (lookup, visibility) = (xid::lookup(app, asked, config, (said, kind))?, asked.entered.visibility());
    let key = shape.key(config.version(), kind);
    if let Some(kept) = app.service.unit_kept(asked.workspace(), &lookup, (visibility, &key)) {
        return Ok(kept);
    }
    let shape = shape.found(config, asked, kind)?;
    let named = xid::named(app, asked, config, (said, kind)).await?;
    let query = UnitQuery { policy: shape.policy.clone(), visibility };
    let show = |unit: &UnitProfile| {
        let unit = bounded(unit)?;
        let answer = json!({ &named.xid: render::wrapped(app, asked, &named, unit, &shape)? });
        Ok((to_json(&answer), render::valid_until(unit, app.now())))
    };
    app.service.unit_shown(asked.workspace(), &lookup, (&query, &key), show).await
}

/// A unit under the merge policy that is asked for.
///
/// # Errors
/// As `Service::unit`; `identities_too_many`.
async fn unit(app: &App, asked: &Asked, named: &Named, shape: &Shape) -> Result<UnitProfile, Error> {
    let query = UnitQuery { policy: shape.policy.clone(), visibility: asked.entered.visibility() };
    let unit = app.service.unit(asked.workspace(), &named.lookup(), &query).await?;
    bounded(&unit)?;
    Ok(unit)
}

/// Refuses a profile of more identities than are looked up.
fn bounded(unit: &UnitProfile) -> Result<&UnitProfile, Error> {
    if unit.identities.len() > IDENTITIES_MAX { Err(too_many_identities()) } else { Ok(unit) }
}

fn too_many_identities() -> Error {
    Error::new(ErrorKind::LimitExceeded, "identities_too_many", "Too many related identities")
}
