//! Reads of a profile: its traits, external ids, events, metadata and links.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use tessera_engine::id::NodeId;
use tessera_engine::view::Relevance;
use tessera_seam::answer::{Answer, json, json_bytes, to_json};
use tessera_seam::app::App;
use tessera_seam::extract::{PathParams, Query};
use tessera_service::cursor;
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::verdict::NamedIdentity;
use tessera_service::workspace_config::StoredConfig;
use tessera_service::{
    DocumentProfile, DocumentQuery, EventOrder, EventQuery, PAGE_BYTES, ProfilePlace, StoredCall, Summary,
};

use super::NAME;
use super::enter::{self, Asked, Path, told};
use super::parse::{self, Collection, LIMIT_DEFAULT, LINKS_MAX, LIST_MAX};
use super::place::{List, page};
use super::render;
use super::wire::{Events, ExternalIds, Links, MetadataAnswer, Traits};

/// What stands between the parts of the key of an identity; no name of a namespace has it.
const SEPARATOR: char = '\0';

pub(super) async fn traits(
    State(app): State<Arc<App>>,
    PathParams(path): PathParams<Path>,
    uri: Uri,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let asked = enter::profile(&app, &path, (&uri, &headers, &query), Permission::Read).await?;
    let (include, class, verbose) = (parse::include(&query)?, parse::class(&query)?, query.flag("verbose")?);
    let list = list("traits", &query, &["include", "class"], LIST_MAX)?;
    let after = list.after(&app, &asked)?;
    let query = DocumentQuery { visibility: asked.entered.visibility(), relevance: Relevance::Any, values: [].into() };
    let show = |profile: &DocumentProfile, _: &StoredConfig| {
        let traits = render::traits(profile, class, verbose)?;
        let wanted = traits.into_iter().filter(|(name, _)| include.is_empty() || include.contains(&&**name));
        let (traits, last) = page(wanted.map(|(name, own)| (name.to_string(), own)), after.as_deref(), list.limit);
        let answer = Traits {
            traits: traits.into_iter().map(|(name, own)| (name.into(), own)).collect(),
            incomplete: profile.incomplete.iter().cloned().collect::<BTreeMap<_, _>>(),
            cursor: list.cursor(&app, &asked, last.as_deref())?,
        };
        Ok(to_json(&answer))
    };
    let workspace = asked.entered.workspace;
    // The first page of all traits is kept; what others ask for is as many things as there are questions.
    let json = if include.is_empty() && list.next.is_none() {
        let shape = format!("{NAME} {} {class:?} {verbose} {}", asked.url, list.limit);
        app.service.document_shown(workspace, &asked.lookup, (&query, shape.as_bytes()), show).await?.json
    } else {
        let profile = app.service.document(workspace, &asked.lookup, &query).await?;
        show(&profile, &asked.config)?.into()
    };
    Ok(asked.entered.answer(told(json_bytes(json))))
}

/// A list with the parameters that say what it is of.
fn list<'a>(name: &'a str, query: &'a Query, filters: &[&str], max: usize) -> Result<List<'a>, Error> {
    let said = query.0.iter().filter(|(own, value)| filters.contains(&own.as_str()) && !value.is_empty());
    let said = said.flat_map(|(own, value)| [own.as_str(), value.as_str()]);
    Ok(List {
        question: std::iter::once(name).chain(said).collect(),
        limit: query.limit(LIMIT_DEFAULT.min(max), max)?,
        next: query.get("next"),
    })
}

pub(super) async fn external_ids(
    State(app): State<Arc<App>>,
    PathParams(path): PathParams<Path>,
    uri: Uri,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let asked = enter::profile(&app, &path, (&uri, &headers, &query), Permission::Read).await?;
    // All that is known of one is told without it as well.
    query.flag("verbose")?;
    let include = parse::include(&query)?;
    let list = list("external_ids", &query, &["include"], LIST_MAX)?;
    let after = list.after(&app, &asked)?;
    let summary = app.service.summary(asked.entered.workspace, &asked.lookup).await?;
    let wanted = summary.identities.into_iter();
    let wanted = wanted.filter(|own| include.is_empty() || include.contains(&&*own.identity.namespace));
    let (ids, last) = page(wanted.map(|own| (key(&own.identity), own)), after.as_deref(), list.limit);
    let answer = ExternalIds {
        data: ids.into_iter().map(|(_, own)| render::external_id(own)).collect(),
        cursor: list.cursor(&app, &asked, last.as_deref())?,
    };
    Ok(asked.entered.answer(told(json(&answer))))
}

/// What an identity is sorted by.
fn key(identity: &NamedIdentity) -> String {
    format!("{}{SEPARATOR}{}", identity.namespace, identity.value)
}

/// The identity of a key.
fn of_key(key: &str) -> Result<NamedIdentity, Error> {
    let (namespace, value) = key.split_once(SEPARATOR).ok_or_else(cursor::invalid)?;
    Ok(NamedIdentity { namespace: namespace.into(), value: value.into() })
}

pub(super) async fn events(
    State(app): State<Arc<App>>,
    PathParams(path): PathParams<Path>,
    uri: Uri,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let mut asked = enter::profile(&app, &path, (&uri, &headers, &query), Permission::Read).await?;
    let mut wanted = parse::events(&query, asked.entered.visibility())?;
    let filters = ["include", "exclude", "start", "end", "sort"];
    let list = list("events", &query, &filters, parse::EVENTS_MAX)?;
    wanted.cursor = list.after(&app, &asked)?;
    // What was stored, and the answer that is made of it.
    asked.entered.reserve(&app, 2 * PAGE_BYTES).await?;
    let found = app.service.events(asked.entered.workspace, &asked.lookup, &wanted).await?;
    let data = found.events.iter().map(|call| render::event(call, &asked.config)).collect::<Result<_, _>>()?;
    let answer = Events { data, cursor: list.cursor(&app, &asked, found.next_cursor.as_deref())? };
    Ok(asked.entered.answer(told(json(&answer))))
}

pub(super) async fn metadata(
    State(app): State<Arc<App>>,
    PathParams(path): PathParams<Path>,
    uri: Uri,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let asked = enter::profile(&app, &path, (&uri, &headers, &query), Permission::Read).await?;
    query.flag("verbose")?;
    let summary = app.service.summary(asked.entered.workspace, &asked.lookup).await?;
    let first = end(&app, &asked, EventOrder::OldestFirst).await?;
    let last = end(&app, &asked, EventOrder::NewestFirst).await?;
    let answer = MetadataAnswer { metadata: render::metadata(&summary, first.as_ref(), last.as_ref()) };
    Ok(asked.entered.answer(told(json(&answer))))
}

/// The call with which the timeline begins in this order, if there is any.
async fn end(app: &App, asked: &Asked, order: EventOrder) -> Result<Option<StoredCall>, Error> {
    let one = EventQuery { limit: 1, order, visibility: asked.entered.visibility(), ..EventQuery::default() };
    Ok(app.service.events(asked.entered.workspace, &asked.lookup, &one).await?.events.pop())
}

pub(super) async fn links(
    State(app): State<Arc<App>>,
    PathParams(path): PathParams<Path>,
    uri: Uri,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let asked = enter::profile(&app, &path, (&uri, &headers, &query), Permission::Read).await?;
    let list = list("links", &query, &[], LINKS_MAX)?;
    let after = list.after(&app, &asked)?;
    let (linked, last) = match asked.collection {
        Collection::Users => accounts(&app, &asked, after.as_deref(), list.limit).await?,
        Collection::Accounts => users(&app, &asked, after.as_deref(), list.limit).await?,
    };
    let to = asked.collection.other();
    let answer = Links {
        data: linked.into_iter().map(|own| render::link(to, own)).collect(),
        cursor: list.cursor(&app, &asked, last.as_deref())?,
    };
    Ok(asked.entered.answer(told(json(&answer))))
}

/// Profiles that are linked to another, and the key behind which the next page begins.
type Linked = (Vec<Summary>, Option<String>);

async fn accounts(app: &App, asked: &Asked, after: Option<&str>, limit: usize) -> Result<Linked, Error> {
    let after = after.map(of_key).transpose()?;
    let found = app.service.accounts_of(asked.entered.workspace, &asked.lookup, after.as_ref(), limit).await?;
    Ok((found.accounts, found.next.as_ref().map(key)))
}

async fn users(app: &App, asked: &Asked, after: Option<&str>, limit: usize) -> Result<Linked, Error> {
    let place = |key: &str| {
        let (record, profile) = key.split_once(SEPARATOR)?;
        Some(ProfilePlace { record: NodeId::parse(record).ok()?, profile: NodeId::parse(profile).ok()? })
    };
    let after = after.map(|key| place(key).ok_or_else(cursor::invalid)).transpose()?;
    let found = app.service.users_of(asked.entered.workspace, &asked.lookup, after, limit).await?;
    Ok((found.users, found.next.map(|last| format!("{}{SEPARATOR}{}", last.record, last.profile))))
}
