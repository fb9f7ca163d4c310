//! Profiles as documents: written by the identities that they name, looked up, read field by field; and the document model.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::routing::{get, post, put};
use serde_json::{Value as Json, json};
use tessera_engine::config::NamespaceName;
use tessera_engine::document::{DOCUMENT_NAMESPACE, DocumentTerms, DocumentWrite, Existence, Replace};
use tessera_engine::fact::{Claim, Fact, Strength};
use tessera_engine::id::NodeId;
use tessera_engine::view::Relevance;
use tessera_seam::answer::{Answer, invalid, json as json_answer, json_bytes, to_json};
use tessera_seam::app::App;
use tessera_seam::attributes;
use tessera_seam::body;
use tessera_seam::extract::PathParams;
use tessera_seam::once;
use tessera_seam::report::{EntryNote, Identity};
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::clock::{format_timestamp, parse_timestamp};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::verdict::Note;
use tessera_service::workspace_config::{DocumentField, DocumentKey, DocumentModel, StoredConfig, set_document_model};
use tessera_service::{DocumentOutcome, DocumentQuery, Lookup};

use super::NAME;
use super::parse::named;

mod wire;

/// Identities of one look-up.
const LOOKUPS_MAX: usize = 32;
/// What the names of the model's lists may be, where a write lists them itself.
const NAMES_MAX: usize = 32;

pub(super) fn routes() -> Vec<Route> {
    let (read, write) = (Access::Workspace(Permission::Read), Access::Workspace(Permission::Ingest));
    let configure = Access::Workspace(Permission::Configure);
    let route =
        |method, path, access, handler, summary| Route::new(method, path, access, handler, Tag::Documents, summary);
    let model = json!({
        "version": 0, "strong": "email", "priority": ["email", "phone", "uids"],
        "fields": { "email": { "namespace": "email" }, "uids": { "namespace": "anonymous_id", "many": true, "public": true } }
    });
    vec![
        route(Method::POST, "/v1/documents", write, post(put_document), "Writes a document")
            .describe(
                "Found by the first of its identities that is somebody's, or made. What it no longer names of a namespace that it names one value \
                 of is released: it finds nobody afterwards, unless facts of its own are known of it. Taken from private keys alone.",
            )
            .idempotent()
            .body::<wire::Write>(json!({
                "dataset": "crm", "identities": [{ "namespace": "email", "value": "ann@shop.example" }],
                "attributes": { "city": "Lyon" }, "single": ["email"], "strong": "email"
            }))
            .answer::<wire::Written>(200, "It is written.", json!({ "id": "019a0f3e5b2c7d41e0a8f5c2", "created": true,
                "released": [], "left_out": [], "notes": [] })),
        route(Method::POST, "/v1/documents:lookup", read, post(lookup), "Finds a profile by several identities")
            .describe("The profile of the first that is somebody's.")
            .body::<wire::Lookup>(json!({ "identities": [{ "namespace": "email", "value": "ann@shop.example" }] }))
            .answer::<wire::Found>(200, "Its id as a document.", json!({ "id": "019a0f3e5b2c7d41e0a8f5c2" })),
        route(Method::GET, "/v1/documents/{id}", read, get(read_document), "Reads a profile as a document")
            .segment("id", "The id of a document, or of any profile.")
            .answer::<wire::Document>(200, "Its fields, each with the time of what it says.", json!({
                "id": "019a0f3e5b2c7d41e0a8f5c2", "parents": [], "created_at": "2026-01-31T10:00:00Z",
                "updated_at": "2026-01-31T10:00:00Z",
                "identities": [{ "namespace": "email", "value": "ann@shop.example", "last_seen": "2026-01-31T10:00:00Z" }],
                "fields": { "city": { "value": "Lyon", "updated": "2026-01-31T10:00:00Z" } }, "segments": [], "incomplete": {}
            })),
        route(Method::GET, "/v1/document-model", read, get(model_of), "Reads the document model")
            .describe("Which fields of documents identify, which of them is strong, and which public keys may read.")
            .answer::<wire::Model>(200, "As it stands.", model.clone()),
        route(Method::PUT, "/v1/document-model", configure, put(replace_model), "Replaces the document model")
            .idempotent()
            .body::<wire::Model>(model.clone())
            .answer::<wire::Model>(200, "It is replaced.", model),
    ]
}

async fn put_document(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Ingest)?;
    entered.caller.require_private()?;
    let key = once::key(&headers)?;
    let body = entered.body(&app, &headers, body).await?;
    let config = app.service.configuration(entered.workspace).await?;
    let (write, notes) = parsed(body::json(&body)?, &config, app.fresh_id())?;
    entered.caller.datasets().check(&write.fact.dataset)?;
    let class = entered.caller.class();
    let render = move |outcome: &DocumentOutcome| {
        let named = |all: &[tessera_service::verdict::NamedIdentity]| all.iter().cloned().map(Identity::from).collect();
        let written = wire::Written {
            id: outcome.id.to_string(),
            created: outcome.is_new,
            released: named(&outcome.released),
            left_out: named(&outcome.left_out),
            notes: outcome.notes.iter().cloned().map(|note| EntryNote::of(note, class)).collect(),
        };
        Ok(to_json(&written).into())
    };
    let by = (NAME, entered.caller.key());
    let work = |once| app.service.put_document(entered.workspace, write, notes, by, once);
    let json = once::answer(&app, &entered, key, (&Method::POST, uri.path(), &body[..]), render, work).await?;
    Ok(entered.answer(json_bytes(json)))
}

/// Reads a write: what it leaves out of the terms, the document model says.
fn parsed(write: wire::Write, config: &StoredConfig, fresh_id: String) -> Result<(DocumentWrite, Vec<Note>), Error> {
    let invalid_time = |_| invalid("timestamp_invalid", "time must be in iso 8601");
    let time = write.time.as_deref().map(|time| parse_timestamp(time).map_err(invalid_time)).transpose()?;
    let mut notes = Vec::new();
    let attributes = write.attributes.as_ref().map_or("{}", |raw| raw.get());
    let attributes = attributes::read_native(attributes, &mut notes)
        .map_err(|rejection| Error::new(ErrorKind::Invalid, rejection.code, rejection.message))?;
    let claim = |namespace: &str, value: &str| Claim {
        namespace: namespace.into(),
        value: value.into(),
        strength: Strength::Verified,
    };
    let names = |list: Option<Vec<String>>, default: Vec<Arc<str>>, member: &str| match list {
        None => Ok(default),
        Some(names) if names.len() > NAMES_MAX => {
            Err(invalid("body_invalid", format!("{member} names at most {NAMES_MAX} namespaces")))
        }
        Some(names) => Ok(names.into_iter().map(Into::into).collect()),
    };
    let usual = config.documents().terms(&[]);
    let fact = Fact {
        id: fresh_id.into(),
        dataset: named(&write.dataset, "dataset")?,
        batch: None,
        time,
        claims: write.identities.iter().map(|own| claim(&own.namespace, &own.value)).collect(),
        document: write.id.as_deref().map(|id| claim(DOCUMENT_NAMESPACE, id)),
        attributes,
        account: None,
        call: None,
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    };
    let terms = DocumentTerms {
        existence: match write.mode.as_deref() {
            None | Some("either") => Existence::Either,
            Some("create") => Existence::MustBeNew,
            Some("update") => Existence::MustExist,
            Some(_) => return Err(invalid("body_invalid", "mode is either, create or update")),
        },
        single: names(write.single, usual.single, "single")?,
        cleared: names(write.clear, Vec::new(), "clear")?,
        unique: names(write.unique, Vec::new(), "unique")?,
        strong: write.strong.map_or(usual.strong, |name| Some(name.into())),
        keep_strong: write.keep_strong,
        replace: if write.replace { Replace::Own } else { Replace::Nothing },
        ..DocumentTerms::default()
    };
    Ok((DocumentWrite { fact: Box::new(fact), terms, of: None }, notes))
}

async fn lookup(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let body = entered.body(&app, &headers, body).await?;
    let wire::Lookup { identities } = body::json(&body)?;
    if !(1..=LOOKUPS_MAX).contains(&identities.len()) {
        return Err(invalid("lookup_invalid", format!("1 to {LOOKUPS_MAX} identities are expected")).into());
    }
    let lookups = identities.into_iter().map(|own| Lookup::Identity { namespace: own.namespace, value: own.value });
    let id = app.service.find_document(entered.workspace, &lookups.collect::<Vec<_>>()).await?;
    Ok(entered.answer(json_answer(&wire::Found { id: id.to_string() })))
}

async fn read_document(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let missing = |_| Error::new(ErrorKind::NotFound, "profile_not_found", "no profile matches the identifier");
    let node = NodeId::parse(&id).map_err(missing)?;
    let query = DocumentQuery { visibility: entered.visibility(), relevance: Relevance::Any, values: [].into() };
    let profile = app.service.document(entered.workspace, &Lookup::Node(node), &query).await?;
    let identities = profile
        .identities
        .into_iter()
        .map(|own| wire::Known { identity: own.identity.into(), last_seen: own.last_seen.map(format_timestamp) });
    let fields = profile.fields.iter().filter_map(|field| {
        let value: Json = serde_json::from_slice(&field.json).ok()?;
        Some((field.name.to_string(), wire::FieldValue { value, updated: field.updated.map(format_timestamp) }))
    });
    let document = wire::Document {
        id: profile.id.to_string(),
        parents: profile.parents.iter().map(ToString::to_string).collect(),
        created_at: format_timestamp(profile.created_at),
        updated_at: format_timestamp(profile.updated_at),
        identities: identities.collect(),
        fields: fields.collect(),
        segments: profile.segments.iter().map(ToString::to_string).collect(),
        incomplete: profile.incomplete.into_iter().map(|(name, why)| (name, why.to_owned())).collect(),
    };
    Ok(entered.answer(json_answer(&document)))
}

async fn model_of(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let entered = app.enter(&headers, Permission::Read)?;
    let config = app.service.configuration(entered.workspace).await?;
    Ok(entered.answer(json_answer(&shown(&config))))
}

async fn replace_model(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let key = once::key(&headers)?;
    let body = entered.body(&app, &headers, body).await?;
    let wire::Model { version, strong, priority, fields } = body::json(&body)?;
    let field = |(name, field): (String, wire::ModelField)| {
        let key = field.namespace.map(|namespace| {
            let expected = |error| invalid("document_model_invalid", format!("fields.{name}: {error}"));
            Ok::<_, Error>(DocumentKey {
                namespace: NamespaceName::parse(&namespace).map_err(expected)?,
                many: field.many,
            })
        });
        let (public, hidden_from_person) = (field.public, field.hidden_from_person);
        Ok((name.as_str().into(), DocumentField { key: key.transpose()?, public, hidden_from_person }))
    };
    let fields: BTreeMap<Arc<str>, DocumentField> = fields.into_iter().map(field).collect::<Result<_, Error>>()?;
    let priority = priority.into_iter().map(Into::into).collect();
    let model = DocumentModel { version: 0, strong: strong.into(), priority, fields };
    let change = move |config: &StoredConfig| {
        if version.is_some_and(|version| version != config.documents().version) {
            let message =
                format!("the document model has been changed meanwhile version={}", config.documents().version);
            return Err(Error::new(ErrorKind::Conflict, "document_model_changed", message));
        }
        set_document_model(config, model)
    };
    let render = |config: &StoredConfig| Ok(to_json(&shown(config)).into());
    let json = once::configure(&app, &entered, key, (&Method::PUT, uri.path(), &body[..]), change, render).await?;
    let mut response = json_bytes(json);
    *response.status_mut() = StatusCode::OK;
    Ok(entered.answer(response))
}

fn shown(config: &StoredConfig) -> wire::Model {
    let model = config.documents();
    let field = |(name, field): (&Arc<str>, &DocumentField)| {
        let own = wire::ModelField {
            namespace: field.key.as_ref().map(|key| key.namespace.to_string()),
            many: field.key.as_ref().is_some_and(|key| key.many),
            public: field.public,
            hidden_from_person: field.hidden_from_person,
        };
        (name.to_string(), own)
    };
    wire::Model {
        version: Some(model.version),
        strong: model.strong.to_string(),
        priority: model.priority.iter().map(ToString::to_string).collect(),
        fields: model.fields.iter().map(field).collect(),
    }
}
