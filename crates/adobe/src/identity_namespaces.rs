//! Namespaces of identities, as far as clients need them to name one: listed, read and made (the calls of this API's Identity Service).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tessera_engine::config::{Kind, Normaliser};
use tessera_seam::answer::{Answer, invalid, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::PathParams;
use tessera_seam::route::{Access, Route};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::{NamespaceRules, NewNamespace, StoredNamespace, add_namespace};
use utoipa::ToSchema;

use super::enter;
use super::namespaces::{code_of, name_of};
use super::route;

const PATH: &str = "/data/core/idnamespace/identities";
const ONE: &str = "/data/core/idnamespace/identities/{namespace_id}";

/// What an identity of a namespace is: its name, whose it is, how it is spelled, and how much it decides whose a fact is.
const TYPES: &[(&str, Kind, Normaliser, u16)] = &[
    ("CROSS_DEVICE", Kind::Person, Normaliser::Trim, 685),
    ("EMAIL", Kind::Person, Normaliser::Email, 795),
    ("PHONE", Kind::Person, Normaliser::Phone { region: None }, 695),
    ("DEVICE", Kind::Person, Normaliser::Trim, 210),
    ("MOBILE", Kind::Person, Normaliser::Trim, 220),
    ("COOKIE", Kind::Person, Normaliser::Trim, 110),
    ("NON_PEOPLE", Kind::Account, Normaliser::Trim, 500),
];

/// A namespace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdobeNamespace)]
#[serde(rename_all = "camelCase")]
struct Namespace {
    /// Its number.
    id: u16,
    /// Its code.
    code: String,
    /// What people call it: its code here.
    name: String,
    /// What its identities are.
    id_type: &'static str,
    /// `ACTIVE`: none is ever taken away.
    status: &'static str,
    /// Whether somebody made it.
    custom: bool,
}

/// A namespace to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AdobeNewNamespace)]
#[serde(rename_all = "camelCase")]
struct New {
    /// Its code: letters, digits, `_`, `.` and `-`, beginning with a letter. The case of letters does not matter.
    code: String,
    /// `CROSS_DEVICE`, `EMAIL`, `PHONE`, `DEVICE`, `MOBILE`, `COOKIE` or `NON_PEOPLE`.
    id_type: String,
}

/// The routes of namespaces.
pub(super) fn routes() -> Vec<Route> {
    let read = Access::Workspace(Permission::Read);
    let example = json!({ "id": 22, "code": "loyaltyid", "name": "loyaltyid", "idType": "CROSS_DEVICE", "status": "ACTIVE", "custom": true });
    vec![
        route(Method::GET, PATH, read, get(list), "Lists namespaces of identities")
            .answer_list::<Vec<Namespace>, Namespace>("All of them.", json!([example])),
        route(
            Method::POST,
            PATH,
            Access::Workspace(Permission::Configure),
            post(create),
            "Makes a namespace of identities",
        )
        .body::<New>(json!({ "name": "Loyalty", "code": "LoyaltyId", "idType": "CROSS_DEVICE" }))
        .answer::<Namespace>(200, "It is made.", example.clone()),
        route(Method::GET, ONE, read, get(one), "Reads a namespace of identities")
            .segment("namespace_id", "Its number.")
            .answer::<Namespace>(200, "As it stands.", example),
    ]
}

/// Namespaces that every workspace has, by number.
const OURS_MAX: u16 = 21;

fn shown(own: &StoredNamespace) -> Namespace {
    let code = code_of(own.name.as_str());
    let id_type = match (own.kind, own.normaliser) {
        (Kind::Account, _) => "NON_PEOPLE",
        (Kind::Person, Normaliser::Email) => "EMAIL",
        (Kind::Person, Normaliser::Phone { .. }) => "PHONE",
        (Kind::Person, Normaliser::Trim | Normaliser::Lower) => match own.priority {
            0..=150 => "COOKIE",
            151..=400 => "DEVICE",
            _ => "CROSS_DEVICE",
        },
    };
    let id = own.id.number();
    Namespace { id, code: code.to_owned(), name: code.to_owned(), id_type, status: "ACTIVE", custom: id > OURS_MAX }
}

async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let all: Vec<Namespace> = config.namespaces().iter().map(shown).collect();
    Ok(asked.entered.answer(json_answer(&all)))
}

async fn one(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let found = config.namespaces().iter().find(|own| own.id.number().to_string() == id);
    let not_found = || Error::new(ErrorKind::NotFound, "resource_not_found", "no namespace has this number");
    let shown = shown(found.ok_or_else(not_found)?);
    Ok(asked.entered.answer(json_answer(&shown)))
}

async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let asked = enter::enter(&app, &headers, Permission::Configure)?;
    let body = asked.json(&app, &headers, body).await?;
    let New { code, id_type } = body::json(&body)?;
    let (_, kind, normaliser, priority) = *TYPES.iter().find(|(own, ..)| *own == id_type).ok_or_else(|| {
        let names: Vec<&str> = TYPES.iter().map(|(name, ..)| *name).collect();
        invalid("body_invalid", format!("idType: one of these is expected: {}", names.join(", ")))
    })?;
    let rules = NamespaceRules { priority, exclusive: false, limit: None, blocked: Vec::new(), patterns: Vec::new() };
    let name = name_of(&code);
    let new = NewNamespace { name: name.clone(), kind, normaliser, rules };
    let config = app.service.configure(asked.workspace(), move |config| add_namespace(config, new)).await?;
    let shown = shown(config.namespace(&name)?);
    Ok(asked.entered.answer(json_answer(&shown)))
}
