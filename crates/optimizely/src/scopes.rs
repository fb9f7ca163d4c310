//! Scopes: the workspaces of a key's organization that it holds (spec/optimizely.md section 11).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use tessera_seam::answer::{Answer, invalid, json, to_json};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_service::directory::{Permission, Slug, WorkspaceId};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::set_object;

use super::DOOR;
use super::asked::Asked;
use super::errors::{invalid_member, scope_not_found, scope_unknown};
use super::filter::shown_list;
use super::parse::Object;
use super::wire::{Scope, ScopeBody};

/// The scope that is always there.
const DEFAULT: &str = "default";
/// Scopes that may be made besides.
const SCOPES_MAX: usize = 20;
/// Scopes that one question goes through.
const ASKED_MAX: usize = SCOPES_MAX + 1;
/// Characters of a description.
const DESCRIPTION_MAX: usize = 256;
/// What is kept of a scope.
const KIND: &str = "optimizely.scope";

/// A scope that a key holds.
#[derive(Debug, Clone)]
pub(super) struct Scoped {
    pub(super) name: String,
    pub(super) workspace: WorkspaceId,
}

/// All that a key holds, the default one last.
pub(super) fn held(entered: &Entered) -> Vec<Scoped> {
    let (caller, directory) = (&entered.caller, entered.caller.directory());
    let own = directory.workspaces().filter(|own| caller.holds(own.id));
    let mut held: Vec<Scoped> =
        own.map(|own| Scoped { name: own.name.as_str().to_owned(), workspace: own.id }).collect();
    held.sort_by_key(|own| (own.name == DEFAULT, own.name.clone()));
    held
}

/// Those that a question goes through.
///
/// # Errors
/// `filter_invalid` where they are too many.
pub(super) fn asked(entered: &Entered, may_hold: impl Fn(&str) -> bool) -> Result<Vec<Scoped>, Error> {
    let asked: Vec<Scoped> = held(entered).into_iter().filter(|own| may_hold(&own.name)).collect();
    if asked.len() > ASKED_MAX {
        let expected = format!("Scope eq and a name is expected: this key holds more than {ASKED_MAX} scopes");
        return Err(super::errors::invalid_filter("$filter", expected));
    }
    Ok(asked)
}

/// The scope of this name; that of requests without one where there is none, or it is blank.
///
/// # Errors
/// `scope_not_found`.
pub(super) fn find(entered: &Entered, name: Option<&str>) -> Result<Scoped, Error> {
    let name = name.map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty());
    let (caller, directory) = (&entered.caller, entered.caller.directory());
    let called = |wanted: &str| {
        let found = directory.workspace_by_name(caller.organization(), wanted)?;
        caller.holds(found.id).then(|| Scoped { name: wanted.to_owned(), workspace: found.id })
    };
    match name.as_deref() {
        // A key of one workspace has it for its default scope, whatever it is called.
        None | Some(DEFAULT) => {
            let usual = || {
                let found = directory.workspace(caller.default_workspace()?)?;
                Some(Scoped { name: found.name.as_str().to_owned(), workspace: found.id })
            };
            called(DEFAULT).or_else(usual).ok_or_else(scope_not_found)
        }
        Some(name) => called(name).ok_or_else(scope_not_found),
    }
}

/// The same, and one that is not there is made, as far as the key may.
///
/// # Errors
/// `scope_unknown`, `scope_invalid`, `scopes_full`.
pub(super) async fn find_or_make(app: &App, entered: &Entered, name: Option<&str>) -> Result<Scoped, Error> {
    match find(entered, name) {
        Err(_) if entered.caller.require(Permission::Administer).is_ok() && entered.caller.holds_all() => {
            let name = name.unwrap_or_default().trim().to_ascii_lowercase();
            // Another request may have made it since this key was looked up.
            let organization = entered.caller.organization();
            let directory = app.service.directory().snapshot();
            match directory.workspace_by_name(organization, &name) {
                Some(own) if entered.caller.holds_all() => Ok(Scoped { name, workspace: own.id }),
                _ => make(app, entered, &name).await,
            }
        }
        found => found.map_err(|_| scope_unknown()),
    }
}

/// The scope that a body names, which is not made.
///
/// # Errors
/// `scope_unknown`.
pub(super) fn named(entered: &Entered, name: Option<&str>) -> Result<Scoped, Error> {
    find(entered, name).map_err(|_| scope_unknown())
}

async fn make(app: &App, entered: &Entered, name: &str) -> Result<Scoped, Error> {
    let expected = |_| invalid("scope_invalid", "Scope: 1 to 64 of a-z 0-9 _ - are expected, a letter or digit first");
    let slug = Slug::parse(name).map_err(expected)?;
    let organization = entered.caller.organization();
    let directory = app.service.directory();
    let made = directory
        .snapshot()
        .workspaces()
        .filter(|own| own.organization == organization && own.name.as_str() != DEFAULT)
        .count();
    if made >= SCOPES_MAX {
        let message = format!("Scope: at most {SCOPES_MAX} scopes are made besides {DEFAULT}");
        return Err(Error::new(ErrorKind::LimitExceeded, "scopes_full", message));
    }
    match directory.create_workspace(&entered.caller, organization, &slug).await {
        Ok(made) => Ok(Scoped { name: name.to_owned(), workspace: made.id }),
        Err(error) if error.code == "workspace_exists" => {
            let found = directory.snapshot().workspace_by_name(organization, name).map(|own| own.id);
            found.map(|workspace| Scoped { name: name.to_owned(), workspace }).ok_or(error)
        }
        Err(error) => Err(error),
    }
}

async fn shown(app: &App, scoped: &Scoped) -> Result<Scope, Error> {
    let config = app.service.configuration(scoped.workspace).await?;
    let kept = config.objects().get(KIND, "description").and_then(|json| serde_json::from_str::<String>(json).ok());
    Ok(Scope { scope_id: scoped.name.clone(), description: kept.unwrap_or_default() })
}

pub(super) async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let asked = Asked::read(&query)?;
    let mut items = Vec::new();
    for scoped in self::asked(&entered, |_| true)? {
        items.push(serde_json::to_value(shown(&app, &scoped).await?).unwrap_or_default());
    }
    let response = json(&shown_list(items, &asked, app.now())?);
    Ok(entered.answer(response))
}

pub(super) async fn retrieve(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let response = json(&shown(&app, &find(&entered, Some(&name))?).await?);
    Ok(entered.answer(response))
}

pub(super) async fn put(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Administer)?;
    let bytes = entered.body(&app, &headers, body).await?;
    let ScopeBody { description } = Object::read(body::json(&bytes)?).into(&["Description", "ScopeId"])?;
    let description = description.unwrap_or_default();
    if description.chars().count() > DESCRIPTION_MAX {
        return Err(invalid_member("Description", format!("at most {DESCRIPTION_MAX} characters are expected")).into());
    }
    if name == DEFAULT {
        return Err(invalid("scope_invalid", "Scope: the default scope cannot be changed").into());
    }
    let expected = || invalid("scope_invalid", "ScopeId: 1 to 64 of a-z 0-9 _ - are expected, a letter or digit first");
    if Slug::parse(&name).is_err() {
        return Err(expected().into());
    }
    let (scoped, is_new) = match find(&entered, Some(&name)) {
        Ok(found) => (found, false),
        Err(_) => (make(&app, &entered, &name).await?, true),
    };
    let kept = String::from_utf8(to_json(&description)).unwrap_or_default();
    let change = move |config: &_| {
        let kept = (kept != "\"\"").then_some(&*kept);
        set_object(config, (KIND, "description"), kept)
    };
    app.service.configure(scoped.workspace, change).await?;
    let mut response = json(&shown(&app, &scoped).await?);
    *response.status_mut() = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(entered.answer(response))
}
