//! What is sent is made of: schemas with their identity descriptors, and datasets (issue of this API's ingestion; the calls of its Schema Registry
//! and Catalog as far as clients need them to send something).
//!
//! They are objects of the workspace's configuration. Of a schema only its class counts here: field groups are named and not looked into.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{delete, get, patch, post};
use serde_json::{Map, Value, json};
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route};
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::workspace_config::{StoredConfig, set_object};

use super::enter::{self, Asked};
use super::route;
use kept::{DATASET, DESCRIPTOR, Dataset, Descriptor, SCHEMA, Schema};

pub(super) mod kept;
mod parse;

pub(super) use kept::{Layout, XdmClass, class_of, layout_of};
pub(super) use parse::page;

const READ: Access = Access::Workspace(Permission::Read);
const CONFIGURE: Access = Access::Workspace(Permission::Configure);
const SCHEMAS: &str = "/data/foundation/schemaregistry/tenant/schemas";
const ONE_SCHEMA: &str = "/data/foundation/schemaregistry/tenant/schemas/{schema_id}";
const DESCRIPTORS: &str = "/data/foundation/schemaregistry/tenant/descriptors";
const ONE_DESCRIPTOR: &str = "/data/foundation/schemaregistry/tenant/descriptors/{descriptor_id}";
const DATASETS: &str = "/data/foundation/catalog/dataSets";
const ONE_DATASET: &str = "/data/foundation/catalog/dataSets/{dataset_id}";

/// The routes of schemas, descriptors and datasets.
pub(super) fn routes() -> Vec<Route> {
    [schemas(), descriptors(), datasets()].into_iter().flatten().collect()
}

fn schemas() -> Vec<Route> {
    let id =
        |route: Route| route.segment("schema_id", "The `$id` of the schema, percent-encoded, or its `meta:altId`.");
    let example = json!({
        "$id": "https://ns.adobe.com/default/schemas/5f0c1e", "meta:altId": "_default.schemas.5f0c1e", "title": "Customers",
        "meta:class": "https://ns.adobe.com/xdm/context/profile", "version": "1.0"
    });
    let body = json!({
        "type": "object", "title": "Customers", "meta:class": "https://ns.adobe.com/xdm/context/profile",
        "meta:immutableTags": ["union"]
    });
    vec![
        route(Method::GET, SCHEMAS, READ, get(list_schemas), "Lists schemas").answer_free(
            200,
            "All of them.",
            json!({ "results": [example], "_page": { "count": 1 } }),
        ),
        route(Method::POST, SCHEMAS, CONFIGURE, post(create_schema), "Makes a schema")
            .describe(
                "Its class is what it refers to in `allOf`, or `meta:class`. Field groups are taken as they are named.",
            )
            .body::<kept::Free>(body)
            .answer_free(201, "It is made.", example.clone()),
        id(route(Method::GET, ONE_SCHEMA, READ, get(schema), "Reads a schema")).answer_free(
            200,
            "As it stands.",
            example,
        ),
        id(route(Method::DELETE, ONE_SCHEMA, CONFIGURE, delete(delete_schema), "Deletes a schema"))
            .describe("One that no dataset has.")
            .answer_empty(204, "It is deleted, with its descriptors."),
    ]
}

fn descriptors() -> Vec<Route> {
    let id = |route: Route| route.segment("descriptor_id", "The `@id` of the descriptor.");
    let body = json!({
        "@type": "xdm:descriptorIdentity", "xdm:sourceSchema": "https://ns.adobe.com/default/schemas/5f0c1e", "xdm:sourceVersion": 1,
        "xdm:sourceProperty": "/workEmail/address", "xdm:namespace": "Email", "xdm:property": "xdm:code", "xdm:isPrimary": true
    });
    let mut example = body.clone();
    example["@id"] = json!("17aaebfa382ce8fc0a40d3e43870b6470aab894e1c368d16");
    vec![
        route(Method::GET, DESCRIPTORS, READ, get(list_descriptors), "Lists descriptors")
            .answer_free(200, "All of them, by type.", json!({ "xdm:descriptorIdentity": [example] })),
        route(Method::POST, DESCRIPTORS, CONFIGURE, post(create_descriptor), "Makes an identity descriptor")
            .describe("What stands at a path of what is sent under a schema is an identity. One of a schema is the primary one.")
            .body::<kept::Free>(body)
            .answer_free(201, "It is made.", example.clone()),
        id(route(Method::GET, ONE_DESCRIPTOR, READ, get(descriptor), "Reads a descriptor"))
            .answer_free(200, "As it stands.", example),
        id(route(Method::DELETE, ONE_DESCRIPTOR, CONFIGURE, delete(delete_descriptor), "Deletes a descriptor"))
            .answer_empty(204, "It is deleted."),
    ]
}

fn datasets() -> Vec<Route> {
    let id = |route: Route| route.segment("dataset_id", "The id of the dataset.");
    let body = json!({
        "name": "Customers", "schemaRef": { "id": "https://ns.adobe.com/default/schemas/5f0c1e",
        "contentType": "application/vnd.adobe.xed-full+json;version=1" }, "tags": { "unifiedProfile": ["enabled:true"] }
    });
    let (made, one) = (json!(["@/dataSets/5e30d7986c0cc218a85cee65"]), json!({ "5e30d7986c0cc218a85cee65": body }));
    let any = || json!({ "type": "string" });
    vec![
        route(Method::GET, DATASETS, READ, get(list_datasets), "Lists datasets").answer_free(200, "By id.", one.clone()),
        route(Method::POST, DATASETS, CONFIGURE, post(create_dataset), "Makes a dataset")
            .query("requestDataSource", "Is left alone.", any())
            .body::<kept::Free>(body)
            .answer_free(201, "It is made.", made.clone()),
        id(route(Method::GET, ONE_DATASET, READ, get(dataset), "Reads a dataset")).answer_free(200, "Under its id.", one),
        id(route(Method::PATCH, ONE_DATASET, CONFIGURE, patch(change_dataset), "Changes a dataset"))
            .describe("A list of operations of JSON Patch on `name`, `description` and `tags`, or the members that are to be others.")
            .body::<kept::Free>(json!({ "tags": { "unifiedProfile": ["enabled:true", "isUpsert:true"] } }))
            .answer_free(200, "It is changed.", made.clone()),
        id(route(Method::DELETE, ONE_DATASET, CONFIGURE, delete(delete_dataset), "Deletes a dataset"))
            .describe("What was sent to it stays in profiles until a system job removes it.")
            .answer_free(200, "It is deleted.", made),
    ]
}

/// What kind of object of the configuration something is, with its name.
type Place = (&'static str, String);

/// Changes an object of the configuration, by what stands there when the change is made.
async fn change(
    app: &App,
    asked: &Asked,
    make: impl FnOnce(&StoredConfig) -> Result<Vec<(Place, Option<String>)>, Error> + Send + 'static,
) -> Result<(), Error> {
    let change = move |config: &StoredConfig| {
        let mut next = config.clone();
        for ((kind, name), json) in make(config)? {
            next = set_object(&next, (kind, &name), json.as_deref())?;
        }
        Ok(next)
    };
    app.service.configure(asked.workspace(), change).await.map(drop)
}

async fn create_schema(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Configure)?;
    let body = asked.json(&app, &headers, body).await?;
    let schema = parse::schema(body::json(&body)?, &asked.org, app.now())?;
    let shown = schema.shown(&asked.org);
    change(&app, &asked, move |config| schema.added(config)).await?;
    Ok(asked.entered.answer((StatusCode::CREATED, json_answer(&shown)).into_response()))
}

async fn list_schemas(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let all: Vec<Value> = kept::all::<Schema>(&config, SCHEMA)?.iter().map(|own| own.shown(&asked.org)).collect();
    let answer =
        json!({ "results": all, "_page": { "orderby": "title", "count": all.len() }, "_links": { "next": null } });
    Ok(asked.entered.answer(json_answer(&answer)))
}

async fn schema(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let shown = kept::schema(&config, &id)?.shown(&asked.org);
    Ok(asked.entered.answer(json_answer(&shown)))
}

async fn delete_schema(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Configure)?;
    change(&app, &asked, move |config| kept::schema(config, &id)?.removed(config)).await?;
    Ok(asked.entered.answer(StatusCode::NO_CONTENT.into_response()))
}

async fn create_descriptor(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Configure)?;
    let body = asked.json(&app, &headers, body).await?;
    let config = asked.config(&app).await?;
    let descriptor = parse::descriptor(body::json(&body)?, &config)?;
    let shown = descriptor.shown(&asked.org);
    change(&app, &asked, move |config| descriptor.added(config)).await?;
    Ok(asked.entered.answer((StatusCode::CREATED, json_answer(&shown)).into_response()))
}

async fn list_descriptors(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let all = kept::all::<Descriptor>(&config, DESCRIPTOR)?;
    let mut answer = Map::new();
    if !all.is_empty() {
        let shown = all.iter().map(|own| own.shown(&asked.org)).collect();
        answer.insert(kept::DESCRIPTOR_TYPE.to_owned(), shown);
    }
    Ok(asked.entered.answer(json_answer(&answer)))
}

async fn descriptor(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let shown = kept::find::<Descriptor>(&config, DESCRIPTOR, &id)?.shown(&asked.org);
    Ok(asked.entered.answer(json_answer(&shown)))
}

async fn delete_descriptor(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Configure)?;
    let removed = move |config: &StoredConfig| {
        kept::find::<Descriptor>(config, DESCRIPTOR, &id)?;
        Ok(vec![((DESCRIPTOR, id), None)])
    };
    change(&app, &asked, removed).await?;
    Ok(asked.entered.answer(StatusCode::NO_CONTENT.into_response()))
}

/// How an answer names a dataset that was made or changed.
fn named(id: &str) -> Value {
    json!([format!("@/dataSets/{id}")])
}

async fn create_dataset(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Configure)?;
    let body = asked.json(&app, &headers, body).await?;
    let dataset = parse::dataset(body::json(&body)?, &asked.sandbox.sandbox_id, app.now())?;
    let shown = named(&dataset.id);
    change(&app, &asked, move |config| dataset.added(config)).await?;
    Ok(asked.entered.answer((StatusCode::CREATED, json_answer(&shown)).into_response()))
}

async fn list_datasets(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let (start, limit) = parse::page(&query)?;
    let all = kept::all::<Dataset>(&config, DATASET)?;
    let page = all.iter().skip(start).take(limit);
    let shown: Map<String, Value> = page.map(|own| (own.id.clone(), own.shown(&asked))).collect();
    Ok(asked.entered.answer(json_answer(&shown)))
}

async fn dataset(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let found = kept::find::<Dataset>(&config, DATASET, &id)?;
    let shown: Map<String, Value> = [(id, found.shown(&asked))].into_iter().collect();
    Ok(asked.entered.answer(json_answer(&shown)))
}

async fn change_dataset(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Configure)?;
    enter::content_type(&headers, &["application/json", "application/json-patch+json"])?;
    let body = asked.entered.body(&app, &headers, body).await?;
    let (changes, shown, now) = (parse::changes(&body)?, named(&id), app.now());
    let changed = move |config: &StoredConfig| {
        let mut dataset = kept::find::<Dataset>(config, DATASET, &id)?;
        dataset.change(&changes, now)?;
        Ok(vec![((DATASET, id), Some(kept::written(&dataset)))])
    };
    change(&app, &asked, changed).await?;
    Ok(asked.entered.answer(json_answer(&shown)))
}

async fn delete_dataset(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Configure)?;
    let shown = named(&id);
    let removed = move |config: &StoredConfig| {
        kept::find::<Dataset>(config, DATASET, &id)?;
        Ok(vec![((DATASET, id), None)])
    };
    change(&app, &asked, removed).await?;
    Ok(asked.entered.answer(json_answer(&shown)))
}
