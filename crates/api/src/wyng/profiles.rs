//! Profiles: upserted, looked up, read whole or field by field.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::view::Relevance;
use tessera_seam::answer::{Answer, invalid, json, json_bytes, to_json};
use tessera_seam::app::{App, Entered};
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::once;
use tessera_service::directory::{Class, Permission, SERVERS};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::{RuleKind, StoredConfig};
use tessera_service::{DocumentOutcome, DocumentProfile, DocumentQuery, Lookup};

use super::errors::{field_not_found, invalid_field};
use super::model::{self, meant};
use super::parse::{self, Sender};
use super::render::{self, Sees};
use super::wire::{FieldValue, ProfileId, Upserted};
use super::{DOOR, NAME};

/// Keys that one look-up may name.
const KEYS_MAX: usize = 32;

pub(super) async fn upsert(
    State(app): State<Arc<App>>,
    uri: Uri,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Ingest)?;
    let key = once::key(&headers)?;
    let body = entered.body(&app, &headers, body).await?;
    let config = app.service.configuration(entered.workspace).await?;
    let (class, datasets) = (entered.caller.class(), entered.caller.datasets());
    // What servers write stands in a dataset of this door, unless their key has one of its own.
    let dataset: Arc<str> = match (class, datasets.own.as_str()) {
        (Class::Private, SERVERS) if datasets.allowed.is_none() => NAME.into(),
        (_, own) => own.into(),
    };
    datasets.check(&dataset)?;
    let sender = Sender { config: &config, class, dataset, fresh_id: app.fresh_id() };
    let read = parse::upsert(&body, &sender)?;
    let (fields, tdm_id) = (read.fields, entered.workspace.stable_id());
    // The segments are read after the commit: an answer under an `Idempotency-Key` tells those of its profile as they are then.
    let render = move |outcome: &DocumentOutcome| {
        let upserted = Upserted { tdm_id: tdm_id.clone(), segment_id: Vec::new(), fields: fields.clone() };
        Ok(to_json(&(outcome.id.to_string(), upserted)).into())
    };
    let by = (NAME, entered.caller.key());
    let work = |once| app.service.put_document(entered.workspace, read.write, read.notes, by, once);
    let kept =
        once::answer(&app, &entered, key, (&axum::http::Method::POST, uri.path(), &body[..]), render, work).await?;
    let (id, mut upserted): (String, serde_json::Value) =
        serde_json::from_slice(&kept).map_err(|_| Error::new(ErrorKind::Internal, "internal", "a kept answer"))?;
    // A key that may only send learns nothing of whom it names.
    if entered.caller.permissions().allow(Permission::ReadPublic) {
        let segments = match segments_of(&app, &entered, node(&id)?, entered.visibility()).await {
            // It was written, and somebody has deleted it since.
            Err(error) if error.kind == ErrorKind::NotFound => Vec::new(),
            segments => segments?,
        };
        upserted["segment_id"] = segments.into();
    }
    Ok(entered.answer(json_bytes(to_json(&upserted).into())))
}

pub(super) async fn lookup(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::ReadPublic)?;
    let config = app.service.configuration(entered.workspace).await?;
    let lookups = lookups(&config, &query)?;
    let id = app.service.find_document(entered.workspace, &lookups).await?;
    Ok(entered.answer(json(&ProfileId { id: id.to_string() })))
}

/// The look-ups of a query, those that decide first at the front.
fn lookups(config: &StoredConfig, query: &Query) -> Result<Vec<Lookup>, Error> {
    let model = config.documents();
    let mut asked: Vec<(&str, &str)> = Vec::new();
    for (name, value) in query.0.iter().filter(|(name, _)| name != "access_token" && name != "jwt") {
        let field = meant(model, name);
        if model.key(field).is_none() {
            return Err(invalid_field(name, "no field of the data model that identifies has this id"));
        }
        if !value.trim().is_empty() {
            asked.push((field, value));
        }
    }
    if asked.is_empty() {
        let names: Vec<&str> = model.keys().map(|(name, _)| &**name).collect();
        return Err(invalid(
            "key_missing_in_query",
            format!("at least one of these is expected: {}", names.join(", ")),
        ));
    }
    if asked.len() > KEYS_MAX {
        return Err(invalid("query_invalid", format!("at most {KEYS_MAX} keys are expected")));
    }
    let mut lookups = Vec::new();
    for (name, key) in model.keys() {
        let values = asked.iter().filter(|(own, _)| *own == &**name);
        lookups.extend(values.map(|(_, value)| Lookup::Identity {
            namespace: key.namespace.as_str().to_owned(),
            value: (*value).to_owned(),
        }));
    }
    Ok(lookups)
}

pub(super) fn node(id: &str) -> Result<NodeId, Error> {
    let missing = |_| Error::new(ErrorKind::NotFound, "profile_not_found", "no profile matches the identifier");
    NodeId::parse(id).map_err(missing)
}

/// What the caller sees of a profile: a public token what is public, and all but what is internal with an identity token of that profile.
pub(super) async fn sees(app: &App, entered: &Entered, query: &Query, profile: NodeId) -> Result<(Sees, Flags), Error> {
    if entered.caller.class() == Class::Private {
        return Ok((Sees::All, entered.visibility()));
    }
    let Some(jwt) = query.get("jwt") else { return Ok((Sees::Public, Flags::default())) };
    super::tokens::verify(app, entered, jwt, profile).await?;
    Ok((Sees::All, Flags { internal: false, private: true }))
}

/// A profile as its reader sees it, and the configuration that says what its fields are.
async fn seen(
    app: &App,
    entered: &Entered,
    (node, visibility, relevance): (NodeId, Flags, Relevance),
) -> Result<(DocumentProfile, Arc<StoredConfig>), Error> {
    let query = DocumentQuery { visibility, relevance, values: [].into() };
    let profile = app.service.document(entered.workspace, &Lookup::Node(node), &query).await?;
    Ok((profile, app.service.configuration(entered.workspace).await?))
}

/// The ids of the segments that a profile is in.
async fn segments_of(app: &App, entered: &Entered, node: NodeId, visibility: Flags) -> Result<Vec<String>, Error> {
    let config = app.service.configuration(entered.workspace).await?;
    if config.rules().of(RuleKind::Segment).is_empty() {
        return Ok(Vec::new());
    }
    let segments = app.service.segments_of(entered.workspace, &Lookup::Node(node), visibility).await?;
    Ok(render::segment_ids(&config, segments.iter().map(AsRef::as_ref)))
}

pub(super) async fn retrieve(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::ReadPublic)?;
    let relevance = match query.get("relevant") {
        None => Relevance::Any,
        Some("1") => Relevance::Relevant,
        Some("0") => Relevance::NotRelevant,
        Some(_) => return Err(invalid("query_invalid", "relevant is expected to be 0 or 1").into()),
    };
    let node = node(&id)?;
    let (sees, visibility) = sees(&app, &entered, &query, node).await?;
    let now = app.now();
    let render = |profile: &DocumentProfile, config: &StoredConfig| {
        Ok(to_json(&render::profile(profile, config, entered.workspace, (sees, relevance, now))))
    };
    // When a value ceases to be relevant is not told, so what asks for that is made anew each time.
    if relevance != Relevance::Any {
        let (profile, config) = seen(&app, &entered, (node, visibility, relevance)).await?;
        let shown = render(&profile, &config)?;
        return Ok(entered.answer(json_bytes(shown.into())));
    }
    let query = DocumentQuery { visibility, relevance, values: [].into() };
    let shape: &[u8] = if sees == Sees::All { b"wyng all" } else { b"wyng public" };
    let shown = app.service.document_shown(entered.workspace, &Lookup::Node(node), (&query, shape), render).await?;
    Ok(entered.answer(json_bytes(shown.json)))
}

pub(super) async fn field(
    State(app): State<Arc<App>>,
    PathParams((id, field)): PathParams<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::ReadPublic)?;
    let node = node(&id)?;
    let (sees, visibility) = sees(&app, &entered, &query, node).await?;
    let (profile, config) = seen(&app, &entered, (node, visibility, Relevance::Relevant)).await?;
    let name = meant(config.documents(), &field);
    let is_public = config.documents().fields.get(name).is_some_and(|own| own.public);
    let mut values = render::values(&profile, &config, Relevance::Relevant, app.now());
    let value = values.remove(name).filter(|_| sees == Sees::All || is_public).ok_or_else(field_not_found)?;
    let own = model::field(&config, name);
    let shown = FieldValue {
        id: name.to_owned(),
        name: own.as_ref().map_or(name, |own| &own.name).to_owned(),
        r#type: own.as_ref().map_or("text", |own| &own.r#type).to_owned(),
        status: own.as_ref().map_or("active", |own| &own.status).to_owned(),
        value,
    };
    Ok(entered.answer(json(&shown)))
}

/// The segments of a profile, evaluated now; the profile counts as active now.
pub(super) async fn segments(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::ReadPublic)?;
    let node = node(&id)?;
    let (_, visibility) = sees(&app, &entered, &query, node).await?;
    app.service.touch_profile(entered.workspace, node, entered.caller.key()).await?;
    let ids = segments_of(&app, &entered, node, visibility).await?;
    Ok(entered.answer(json(&ids)))
}
