//! Identity tokens of profiles: made for servers, exchanged for those of a verification, and taken from pages (spec/wyng.md section 7).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};
use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::view::Relevance;
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::{DocumentQuery, Lookup};

use super::DOOR;
use super::errors::invalid_field;
use super::model::meant;
use super::profiles::node;
use super::wire::{Exchange, Jwt};

/// Who signs the tokens of profiles.
const ISSUER: &str = "consumer";
/// How long one holds.
const SECS: i64 = 300;

/// A token for a profile.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    entered.caller.require_private()?;
    let profile = canonical(&app, &entered, Lookup::Node(node(&id)?)).await?;
    let jwt = sign(&app, &entered, profile).await?;
    Ok(entered.answer(json_answer(&jwt)))
}

/// A token for the profile of whose e-mail a verification speaks.
pub(super) async fn exchange(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::ReadPublic)?;
    let body = entered.body(&app, &headers, body).await?;
    let Exchange { jwt, key_field } = body::json(&body)?;
    let config = app.service.configuration(entered.workspace).await?;
    let model = config.documents();
    let field = meant(model, &key_field);
    let unknown = || invalid_field("key_field", "a field of the data model that identifies is expected");
    let key = model.key(field).ok_or_else(unknown)?;
    let claims = app.service.tokens().verify_foreign(entered.workspace, &jwt, app.now()).await?;
    if claims.get("verified").and_then(Value::as_bool) != Some(true) {
        return Err(refused("the token says of nothing that it was verified").into());
    }
    let Some(email) = claims.get("email").and_then(Value::as_str) else {
        return Err(refused("the token names no e-mail address").into());
    };
    let namespace = key.namespace.as_str();
    let lookup = Lookup::Identity { namespace: namespace.to_owned(), value: email.to_owned() };
    let query = DocumentQuery { visibility: Flags::default(), relevance: Relevance::Any, values: [].into() };
    let found = app.service.document(entered.workspace, &lookup, &query).await?;
    // That the address is somebody's was verified; that this profile is theirs, only a server can say: a page may claim any address.
    let normal = app.service.normalised(entered.workspace, namespace, email).await?;
    let is_theirs = found.identities.iter().any(|own| {
        own.is_vouched_for && *own.identity.namespace == *namespace && Some(&*own.identity.value) == normal.as_deref()
    });
    if !is_theirs {
        return Err(
            Error::new(ErrorKind::NotFound, "profile_not_found", "no server has said whose this address is").into()
        );
    }
    let profile = found.id;
    let jwt = sign(&app, &entered, profile).await?;
    Ok(entered.answer(json_answer(&jwt)))
}

async fn canonical(app: &App, entered: &Entered, lookup: Lookup) -> Result<NodeId, Error> {
    let query = DocumentQuery { visibility: Flags::default(), relevance: Relevance::Any, values: [].into() };
    Ok(app.service.document(entered.workspace, &lookup, &query).await?.id)
}

async fn sign(app: &App, entered: &Entered, profile: NodeId) -> Result<Jwt, Error> {
    let now = app.now();
    let seconds = now.micros().div_euclid(1_000_000);
    let claims: Map<String, Value> = [
        ("iss", json!(ISSUER)),
        ("tdm_id", json!(entered.workspace.stable_id())),
        ("profile_id", json!(profile.to_string())),
        ("iat", json!(seconds)),
        ("exp", json!(seconds + SECS)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect();
    let jwt = app.service.tokens().sign(entered.workspace, claims, now).await?;
    Ok(Jwt { jwt })
}

/// Takes a token that a page shows for a profile: one of this workspace, of that profile, that holds now. It may name a profile that has become
/// part of this one.
///
/// # Errors
/// `Forbidden` with `jwt_invalid`; what the store answers.
pub(super) async fn verify(app: &App, entered: &Entered, jwt: &str, profile: NodeId) -> Result<(), Error> {
    let claims = app.service.tokens().verify_own(entered.workspace, jwt, ISSUER, app.now()).await;
    let claims = claims.map_err(|error| match error.kind {
        ErrorKind::Unauthenticated => refused(&error.message),
        _ => error,
    })?;
    let of_model = claims.get("tdm_id").and_then(Value::as_str) == Some(&*entered.workspace.stable_id());
    let named = claims.get("profile_id").and_then(Value::as_str).and_then(|id| NodeId::parse(id).ok());
    let Some(named) = named.filter(|_| of_model) else {
        return Err(refused("the token is of another data model or profile"));
    };
    let own = canonical(app, entered, Lookup::Node(profile)).await?;
    let is_same = named == own
        || match canonical(app, entered, Lookup::Node(named)).await {
            Ok(named) => named == own,
            Err(error) if error.kind == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
    if is_same { Ok(()) } else { Err(refused("the token is of another data model or profile")) }
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Forbidden, "jwt_invalid", format!("the identity token is not taken: {why}"))
}
