//! The keys that a workspace signs tokens with, as their public halves, and the issuers whose tokens it takes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post, put};
use serde_json::json;
use tessera_seam::answer::{Answer, invalid, json as json_answer, json_bytes, to_json};
use tessera_seam::app::{App, Entered};
use tessera_seam::budget::Share;
use tessera_seam::extract::PathParams;
use tessera_seam::limiter::Permit;
use tessera_seam::once::whole;
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::transport::{After, Held, hold_until_sent};
use tessera_seam::{body, once};
use tessera_service::Changed;
use tessera_service::directory::{Permission, Slug};
use tessera_service::error::Error;
use tessera_service::identity_tokens::PublicKey;
use tessera_service::workspace_config::{OVERLAP_SECS, StoredConfig, delete_token_issuer, put_token_issuer};
use tessera_service::workspace_tokens::{ALGORITHM, Bits, Issuer, IssuerKey, SigningKeys, keys_of_jwks};

use crate::declared::{self, Wrong};

mod render;
mod wire;

const CONFIGURE: Access = Access::Workspace(Permission::Configure);
const KEYS: &str = "/v1/admin/signing-keys";
const ISSUERS: &str = "/v1/admin/token-issuers";
const ISSUER: &str = "/v1/admin/token-issuers/{issuer}";
const JWKS: &str = "/v1/organizations/{organization}/workspaces/{workspace}/jwks.json";
/// How long others may go by what they have read of the keys.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub(super) fn routes() -> Vec<Route> {
    let mut routes = keys();
    routes.extend(issuers());
    routes
}

fn keys() -> Vec<Route> {
    let route = |method, handler, summary| Route::new(method, KEYS, CONFIGURE, handler, Tag::Administration, summary);
    let shown = json!({
        "keys": [{
            "kid": "mJ7ZkW0b0l6cWn1m2v8y6oDq3wHVo0pJ8y2JHk3fR5E", "algorithm": "RS256", "bits": 2048,
            "public_key": "-----BEGIN PUBLIC KEY-----\n…\n-----END PUBLIC KEY-----", "made_at": "2026-01-31T10:00:00Z",
            "signs": true, "ends_at": null
        }],
        "jwks_path": "/v1/organizations/default/workspaces/default/jwks.json"
    });
    let published = json!({ "keys": [{
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "mJ7ZkW0b0l6cWn1m2v8y6oDq3wHVo0pJ8y2JHk3fR5E", "n": "…", "e": "AQAB"
    }] });
    vec![
        route(Method::GET, get(list_keys), "Lists the keys that the workspace signs tokens with")
            .describe("Their public halves. The private ones are shown to nobody.")
            .answer::<wire::SigningKeys>(200, "The keys, the one that signs last.", shown.clone()),
        route(Method::POST, post(rotate), "Makes the key that signs from now on")
            .describe(
                "The first one is made by itself when a token is first signed. Keys before the new one verify for `overlap_secs` more, and are \
                 then removed with their private halves. With 0 they are removed at once, as when one was lost. At most 4 stand at once.",
            )
            .idempotent()
            .body::<wire::NewSigningKey>(json!({ "bits": 2048, "overlap_secs": 86400 }))
            .answer::<wire::SigningKeys>(200, "The keys, the one that signs last.", shown),
        Route::new(
            Method::GET,
            JWKS,
            Access::Open,
            get(publish),
            Tag::Administration,
            "Publishes the keys by which tokens of a workspace are verified",
        )
        .describe("A JSON Web Key Set (RFC 7517), to be kept for five minutes. Where there is no such workspace it is empty.")
        .segment("organization", "The name of the organization.")
        .segment("workspace", "The name of the workspace.")
        .answer::<wire::Jwks>(200, "The keys.", published),
    ]
}

fn issuers() -> Vec<Route> {
    let new =
        |method, path, handler, summary| Route::new(method, path, CONFIGURE, handler, Tag::Administration, summary);
    let one = |route: Route| route.segment("issuer", "Its name in the workspace.");
    let set = json!({
        "iss": "verification-service", "algorithm": "RS256", "audiences": [],
        "public_keys": [{ "kid": null, "public_key": "-----BEGIN PUBLIC KEY-----\n…\n-----END PUBLIC KEY-----" }]
    });
    let mut shown = set.clone();
    shown["name"] = "verification".into();
    vec![
        new(Method::GET, ISSUERS, get(list_issuers), "Lists the issuers whose tokens are taken")
            .answer::<wire::Issuers>(200, "All of them, by name.", json!({ "items": [shown.clone()] })),
        one(new(Method::PUT, ISSUER, put(set_issuer), "Sets an issuer whose tokens are taken"))
            .describe(
                "Its tokens are JSON Web Tokens with its `iss`, an `exp`, and, where `audiences` are given, one of them as `aud`, signed \
                 with one of its keys by RS256. Give the keys in PEM as `public_keys`, or as the JSON Web Key Set that it publishes in \
                 `jwks`; nothing is fetched.",
            )
            .idempotent()
            .body::<wire::SetIssuer>(set)
            .answer::<wire::Issuer>(200, "The issuer.", shown),
        one(new(Method::DELETE, ISSUER, delete(remove_issuer), "Takes tokens of an issuer no more"))
            .answer_empty(204, "It is gone."),
    ]
}

async fn list_keys(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    let shown = render::signing_keys(config.signing_keys(), app.now(), jwks_path(&app, &entered));
    Ok(entered.answer(json_answer(&shown)))
}

async fn rotate(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let wire::NewSigningKey { bits, overlap_secs } = body::json(&body)?;
    let bits = bits.map_or(Ok(Bits::default()), Bits::parse)?;
    let overlap_secs = overlap_secs.unwrap_or(OVERLAP_SECS);
    let (now, path) = (app.now(), jwks_path(&app, &entered));
    let render = move |changed: &Changed| {
        Ok(to_json(&render::signing_keys(changed.config.signing_keys(), now, path.clone())).into())
    };
    let what = (&Method::POST, whole(&uri), &body[..]);
    let work = |once| app.service.tokens().rotate(entered.workspace, bits, overlap_secs, once);
    let json = once::answer(&app, &entered, key, what, render, work).await?;
    Ok(entered.answer(json_bytes(json)))
}

/// Where the keys of a workspace are published.
fn jwks_path(app: &App, entered: &Entered) -> String {
    let directory = app.service.directory().snapshot();
    let found = directory.workspace(entered.workspace);
    let named = found.and_then(|found| Some((directory.organization(found.organization)?, found)));
    named.map_or_else(String::new, |(organization, workspace)| {
        JWKS.replace("{organization}", organization.name.as_str()).replace("{workspace}", workspace.name.as_str())
    })
}

/// Strangers ask for this. It begins nothing, and does not tell a workspace that has no keys from one that is not there.
async fn publish(
    State(app): State<Arc<App>>,
    PathParams((organization, workspace)): PathParams<(String, String)>,
) -> Answer {
    let directory = app.service.directory().snapshot();
    let organization = directory.organization_by_name(&organization);
    let found = organization.and_then(|organization| directory.workspace_by_name(organization.id, &workspace));
    let keys = match found {
        Some(found) => app.service.tokens().published(found.id).await?,
        None => SigningKeys::default(),
    };
    let answer = ([(CACHE_CONTROL, CACHED)], json_answer(&render::jwks(&keys, app.now()))).into_response();
    let held = Held { permit: Permit::default(), charge: app.answers.charge(Share::Strangers) };
    Ok(hold_until_sent(answer, held, After::Read))
}

async fn list_issuers(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let config = app.service.configuration(entered.workspace).await?;
    let items = config.issuers().iter().map(render::issuer).collect();
    Ok(entered.answer(json_answer(&wire::Issuers { items })))
}

async fn set_issuer(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let (key, body) = (once::key(&headers)?, entered.body(&app, &headers, body).await?);
    let issuer = parse(&name, body::json(&body)?)?;
    let change = move |config: &_| put_token_issuer(config, issuer);
    let render = move |config: &StoredConfig| Ok(to_json(&render::issuer(config.issuers().find(&name)?)).into());
    let what = (&Method::PUT, whole(&uri), &body[..]);
    let json = once::configure(&app, &entered, key, what, change, render).await?;
    Ok(entered.answer(json_bytes(json)))
}

async fn remove_issuer(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    app.service.configure(entered.workspace, move |config| delete_token_issuer(config, &name)).await?;
    Ok(entered.answer(StatusCode::NO_CONTENT.into_response()))
}

/// A declared issuer, as it is answered once it stands, without its name.
///
/// # Errors
/// What its making would be refused with in a workspace without others.
pub(crate) fn declared_token_issuer(name: &str, json: &str) -> Result<serde_json::Value, Wrong> {
    let issuer = parse(name, declared::read(json)?)?;
    put_token_issuer(&StoredConfig::default(), issuer.clone())?;
    let mut written = declared::written(&render::issuer(&issuer));
    if let Some(members) = written.as_object_mut() {
        members.remove("name");
    }
    Ok(written)
}

fn parse(name: &str, issuer: wire::SetIssuer) -> Result<Issuer, Error> {
    let wire::SetIssuer { iss, algorithm, audiences, public_keys, jwks } = issuer;
    if algorithm != ALGORITHM {
        return Err(invalid("token_issuer_invalid", "algorithm is RS256"));
    }
    let keys = match (public_keys, jwks) {
        (Some(keys), None) => keys.into_iter().map(parse_key).collect::<Result<_, _>>()?,
        (None, Some(jwks)) => keys_of_jwks(&jwks)?,
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid("token_issuer_invalid", "an issuer takes either public_keys or jwks"));
        }
    };
    Issuer::new(Slug::parse(name)?, &iss, &audiences, keys)
}

fn parse_key(key: wire::IssuerKey) -> Result<IssuerKey, Error> {
    Ok(IssuerKey::new(key.kid.map(Into::into), PublicKey::parse(&key.public_key)?))
}
