//! Blacklists: e-mail addresses of which a scope keeps nothing (spec/optimizely.md section 12).
//!
//! An entry is kept in the workspace that is its scope. Events that this door is sent with the address are dropped, profiles with it refused, and
//! who has it when the entry is made is erased with all events.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tessera_seam::answer::{Answer, created, json, to_json};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::extract::{BaseUrl, PathParams, Query};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::{StoredConfig, set_object};
use tessera_service::{Extent, Lookup, Return};
use utoipa::ToSchema;

use super::asked::Asked;
use super::errors::invalid_member;
use super::filter::shown_list;
use super::parse::Object;
use super::profiles::fresh_uuid;
use super::scopes::{self, Scoped};
use super::words::EMAIL;
use super::{DOOR, NAME, render};

/// What is kept of an entry, by its id.
const KIND: &str = "optimizely.blacklist";

/// An entry of a blacklist (section 12).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelyBlacklist)]
pub(super) struct Entry {
    /// Its id, a UUID.
    blacklist_id: String,
    /// The address, as it was written.
    email: String,
    /// The scope that it is of.
    scope: String,
}

/// An entry as it is sent. Members in any case.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelyBlacklistBody)]
pub(super) struct Sent {
    /// An address; no other entry of the scope has it.
    #[serde(default)]
    email: Option<String>,
    /// `default` where it is left out.
    #[serde(default)]
    scope: Option<String>,
}

/// What is kept of it.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The address as it is compared.
    normal: String,
    email: String,
}

/// An address that is to be listed, and where.
struct Listing {
    scope: Scoped,
    kept: Kept,
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "blacklist_not_found", "no entry of a blacklist has this id")
}

/// Whether an address, as it is compared, is listed in the scope of this configuration.
pub(super) fn is_listed(config: &StoredConfig, normal: &str) -> bool {
    ids_of(config, normal).next().is_some()
}

/// The entries of an address: it stands at the beginning of what is kept.
fn ids_of<'a>(config: &'a StoredConfig, normal: &str) -> impl Iterator<Item = &'a str> {
    let quoted = serde_json::Value::from(normal).to_string();
    let beginning = format!("{{\"normal\":{quoted},");
    config.objects().of(KIND).filter(move |(_, json)| json.starts_with(&beginning)).map(|(id, _)| id)
}

/// The refusal of a profile whose address is listed.
pub(super) fn listed() -> Error {
    tessera_seam::answer::invalid(
        "email_blacklisted",
        "Info.Email: an address that is not blacklisted in the scope is expected",
    )
}

fn entry(id: &str, json: &str, scope: &Scoped) -> Option<Entry> {
    let kept: Kept = serde_json::from_str(json).ok()?;
    Some(Entry { blacklist_id: id.to_owned(), email: kept.email, scope: scope.name.clone() })
}

/// The entry of an id, in whatever scope.
///
/// # Errors
/// `blacklist_not_found`.
async fn find(app: &App, entered: &Entered, id: &str) -> Result<(Scoped, Entry), Error> {
    let id = id.to_ascii_lowercase();
    for scope in scopes::asked(entered, |_| true)? {
        let config = app.service.configuration(scope.workspace).await?;
        if let Some(found) = config.objects().get(KIND, &id).and_then(|json| entry(&id, json, &scope)) {
            return Ok((scope, found));
        }
    }
    Err(not_found())
}

pub(super) async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let asked = Asked::read(&query)?;
    let mut items: Vec<Json> = Vec::new();
    for scope in scopes::asked(&entered, |_| true)? {
        let config = app.service.configuration(scope.workspace).await?;
        let all = config.objects().of(KIND).filter_map(|(id, json)| entry(id, json, &scope));
        items.extend(all.map(|own| serde_json::to_value(own).unwrap_or_default()));
    }
    let response = json(&shown_list(items, &asked, app.now())?);
    Ok(entered.answer(response))
}

pub(super) async fn retrieve(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let (_, found) = find(&app, &entered, &id).await?;
    Ok(entered.answer(json(&found)))
}

async fn sent(app: &App, entered: &Entered, headers: &HeaderMap, body: Body) -> Result<Listing, Error> {
    let bytes = entered.body(app, headers, body).await?;
    let Sent { email, scope } = Object::read(body::json(&bytes)?).into(&["Email", "Scope"])?;
    let scope = scopes::named(entered, scope.as_deref())?;
    let email = email.unwrap_or_default();
    let normal = app.service.normalised(scope.workspace, EMAIL, &email).await?;
    let normal = normal.ok_or_else(|| invalid_member("Email", "an e-mail address is expected"))?;
    Ok(Listing { scope, kept: Kept { normal: normal.to_string(), email: email.trim().to_owned() } })
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    query: Query,
    base: BaseUrl,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Erase)?;
    let listing = sent(&app, &entered, &headers, body).await?;
    let id = fresh_uuid(&app);
    let made = set(&app, &entered, &id, listing).await?;
    let location = format!("{}/api/v1.0/blacklists/{id}", base.0);
    Ok(entered.answer(created(json(&made), &location)))
}

pub(super) async fn replace(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Erase)?;
    if !render::is_uuid(&id) {
        return Err(invalid_member("BlacklistId", "a UUID is expected").into());
    }
    let id = id.to_ascii_lowercase();
    let listing = sent(&app, &entered, &headers, body).await?;
    let is_new = match find(&app, &entered, &id).await {
        Ok((scope, _)) if scope.workspace != listing.scope.workspace => {
            return Err(invalid_member("Scope", "the scope of the entry is expected: it never changes").into());
        }
        Ok(_) => false,
        Err(error) if error.kind == ErrorKind::NotFound => true,
        Err(error) => return Err(error.into()),
    };
    let mut response = json(&set(&app, &entered, &id, listing).await?);
    *response.status_mut() = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(entered.answer(response))
}

/// Keeps an entry, and erases who has its address. Who comes while it is being kept is erased after it: from then on nobody comes by this door.
async fn set(app: &App, entered: &Entered, id: &str, listing: Listing) -> Result<Entry, Error> {
    let Listing { scope, kept } = listing;
    let config = app.service.configuration(scope.workspace).await?;
    unlisted(&config, id, &kept.normal)?;
    erase(app, entered, &scope, &kept.normal).await?;
    let (own, normal, json) = (id.to_owned(), kept.normal.clone(), to_json(&kept));
    let json = String::from_utf8(json).unwrap_or_default();
    let change = move |config: &StoredConfig| {
        unlisted(config, &own, &normal)?;
        set_object(config, (KIND, &own), Some(&json))
    };
    app.service.configure(scope.workspace, change).await?;
    erase(app, entered, &scope, &kept.normal).await?;
    Ok(Entry { blacklist_id: id.to_owned(), email: kept.email, scope: scope.name })
}

/// That no other entry has an address.
fn unlisted(config: &StoredConfig, id: &str, normal: &str) -> Result<(), Error> {
    if ids_of(config, normal).any(|own| own != id) {
        let message = "Email: another entry of the scope has this address";
        return Err(Error::new(ErrorKind::Conflict, "blacklist_exists", message));
    }
    Ok(())
}

/// Erases the profile of an address with its events, where there is one.
async fn erase(app: &App, entered: &Entered, scope: &Scoped, normal: &str) -> Result<(), Error> {
    let lookup = Lookup::Identity { namespace: EMAIL.into(), value: normal.to_owned() };
    let (how, by) = ((Extent::Profile, Return::Allowed), (NAME, entered.caller.key()));
    match app.service.erase(scope.workspace, &lookup, how, by).await {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        erased => erased.map(drop),
    }
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Erase)?;
    let (scope, found) = find(&app, &entered, &id).await?;
    let change = move |config: &StoredConfig| set_object(config, (KIND, &found.blacklist_id), None);
    app.service.configure(scope.workspace, change).await?;
    Ok(entered.answer(StatusCode::OK.into_response()))
}
