//! Profiles: asked for, made, replaced, deleted (spec/optimizely.md section 5).

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use serde_json::Value as Json;
use tessera_engine::config::Kind;
use tessera_engine::document::{DOCUMENT_NAMESPACE, DocumentTerms, DocumentWrite, Existence, Holders, Replace};
use tessera_engine::fact::{Claim, Fact, Strength};
use tessera_engine::id::NodeId;
use tessera_engine::view::Relevance;
use tessera_expr::ast::{Expr, Name};
use tessera_expr::calendar::Zone;
use tessera_expr::rule::{Purpose, Rule};
use tessera_seam::answer::{Answer, created, json, json_bytes, to_json};
use tessera_seam::app::{App, Entered};
use tessera_seam::extract::{BaseUrl, PathParams, Query};
use tessera_service::directory::{Permission, SERVERS, WorkspaceId};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::queries::{PROFILES_MAX, ProfileQuery, SortKey, Sorting};
use tessera_service::verdict::NamedIdentity;
use tessera_service::workspace_config::{RuleKind, StoredConfig};
use tessera_service::{DocumentOutcome, DocumentProfile, DocumentQuery, Extent, Fields, Lookup, Return};

use super::asked::{Asked, List};
use super::errors::{invalid_filter, invalid_member, profile_not_found, undecided};
use super::filter::{OfProfiles, Words as _, emails, may_hold, of_order, translated};
use super::parse::{self, Sent};
use super::scopes::{self, Scoped};
use super::words::{DEVICES, EMAIL, PHONE, computed};
use super::{DOOR, NAME, blacklists, render};

/// What is read of a profile.
pub(super) fn shown(entered: &Entered) -> DocumentQuery {
    DocumentQuery { visibility: entered.visibility(), relevance: Relevance::Any, values: computed() }
}

pub(super) async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let mut entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let asked = Asked::read(&query)?;
    let list = found(&app, &mut entered, &asked).await?;
    let response = json(&list);
    Ok(entered.answer(response))
}

/// A profile of a list, and what it is sorted by.
struct Item {
    keys: Vec<SortKey>,
    json: Json,
}

/// The profiles of all scopes for which a filter holds.
pub(super) async fn found(app: &App, entered: &mut Entered, asked: &Asked) -> Result<List, Error> {
    let named = asked.filter.as_ref().map(scopes_of);
    let scopes = scopes::asked(entered, |scope| named.as_ref().is_none_or(|named| named(scope)))?;
    let several = scopes.len() > 1;
    let sorted = !asked.order_by.is_empty();
    let (mut total, mut items): (u64, Vec<Item>) = (0, Vec::new());
    for scope in &scopes {
        // Of several scopes in an order, the first of each may be the first of all.
        let (skip, top) = match (several, sorted) {
            (true, true) => (0, asked.skip + asked.top),
            _ => {
                let before = usize::try_from(total).unwrap_or(usize::MAX);
                (asked.skip.saturating_sub(before), asked.top - items.len().min(asked.top))
            }
        };
        let (own, found) = of_scope(app, entered, scope, asked, (skip, top)).await?;
        total += own;
        items.extend(found);
    }
    if several && sorted {
        items.sort_by(|one, other| one.keys.cmp(&other.keys));
        items = items.into_iter().skip(asked.skip).take(asked.top).collect();
    }
    Ok(List::new(total, items.into_iter().map(|own| own.json).collect()))
}

/// Which scopes a filter may hold in, as far as it says so in the open.
fn scopes_of(filter: &Expr) -> impl Fn(&str) -> bool {
    let filter = filter.clone();
    move |scope| may_hold(&filter, scope)
}

/// E-mail addresses that a filter names, in the spelling that they have in a workspace.
pub(super) async fn spelled(
    app: &App,
    workspace: WorkspaceId,
    filter: Option<&Expr>,
    members: &[&[&str]],
) -> Result<HashMap<String, String>, Error> {
    let mut spelled = HashMap::new();
    for text in members.iter().flat_map(|member| filter.map(|filter| emails(filter, member)).unwrap_or_default()) {
        if let Some(own) = app.service.normalised(workspace, EMAIL, &text).await? {
            spelled.insert(text, own.to_string());
        }
    }
    Ok(spelled)
}

/// A filter as a condition on the profiles of a scope.
pub(super) async fn condition(app: &App, scope: &Scoped, filter: &Expr) -> Result<Expr, Error> {
    let emails = spelled(app, scope.workspace, Some(filter), &[&["Info", "Email"]]).await?;
    translated(filter, &OfProfiles { scope: &scope.name, emails: &emails })
}

/// What of a scope is asked for.
async fn question(app: &App, entered: &Entered, scope: &Scoped, asked: &Asked) -> Result<ProfileQuery, Error> {
    let filter = match &asked.filter {
        None => None,
        Some(filter) => {
            let condition = condition(app, scope, filter).await?;
            let rule = Rule::compile(condition, Purpose::Condition);
            Some(Arc::new(rule.map_err(|problem| invalid_filter("$filter", problem.expected))?))
        }
    };
    let emails = HashMap::new();
    let words = OfProfiles { scope: &scope.name, emails: &emails };
    let order = |(names, sorting): &(Vec<Name>, Sorting)| {
        let value = words.sorted(names).map_err(|error| of_order(&error))?;
        let rule =
            Rule::compile(value, Purpose::Value).map_err(|problem| invalid_filter("$orderBy", problem.expected))?;
        Ok((Arc::new(rule), *sorting))
    };
    Ok(ProfileQuery {
        filter,
        zone: Zone::utc(),
        of: Kind::Person,
        order_by: asked.order_by.iter().map(order).collect::<Result<_, Error>>()?,
        skip: 0,
        top: 0,
        cursor: None,
        fields: Fields { visibility: entered.visibility(), ..Fields::ALL },
        policy: None,
        count: true,
    })
}

/// The profiles of a scope for which a filter holds.
async fn of_scope(
    app: &App,
    entered: &mut Entered,
    scope: &Scoped,
    asked: &Asked,
    (skip, top): (usize, usize),
) -> Result<(u64, Vec<Item>), Error> {
    let question = question(app, entered, scope, asked).await?;
    let config = app.service.configuration(scope.workspace).await?;
    let DocumentQuery { visibility, relevance, values } = shown(entered);
    let computed = values.len();
    let keys = question.order_by.iter().map(|(rule, _)| rule.clone());
    let shown = DocumentQuery { visibility, relevance, values: values.iter().cloned().chain(keys).collect() };
    let mut query = ProfileQuery { skip, top: top.min(PROFILES_MAX), ..question };
    let (mut total, mut items, mut bytes) = (0, Vec::new(), 0);
    loop {
        let page = app.service.documents_where(scope.workspace, &query, &shown).await?;
        total = page.total.unwrap_or(total);
        if !page.undecided.is_empty() {
            return Err(undecided());
        }
        for document in &page.documents {
            bytes += document.bytes();
            let keys = document.values.iter().skip(computed).cloned().zip(&asked.order_by);
            let keys = keys.map(|(value, (_, sorting))| SortKey::new(value, *sorting)).collect();
            items.push(Item { keys, json: rendered(document, &scope.name, &config) });
        }
        entered.grow_to(2 * bytes)?;
        let left = top - items.len().min(top);
        if page.next_cursor.is_none() || left == 0 {
            return Ok((total, items));
        }
        query = ProfileQuery { skip: 0, top: left.min(PROFILES_MAX), cursor: page.next_cursor, count: false, ..query };
    }
}

/// A profile as it is shown.
pub(super) fn rendered(document: &DocumentProfile, scope: &str, config: &StoredConfig) -> Json {
    let is_namespace = |name: &str| config.namespace(name).is_ok();
    serde_json::to_value(render::profile(document, scope, &is_namespace)).unwrap_or_default()
}

/// The profile of an id in a scope.
///
/// # Errors
/// `profile_not_found`.
pub(super) async fn find(app: &App, entered: &Entered, scope: &Scoped, id: &str) -> Result<DocumentProfile, Error> {
    let query = shown(entered);
    for lookup in lookups(id) {
        match app.service.document(scope.workspace, &lookup, &query).await {
            Err(error) if error.kind == ErrorKind::NotFound => {}
            found => return found,
        }
    }
    Err(profile_not_found())
}

/// How the profile of an id is looked up: as the value of a document, or by the node that it stands for.
fn lookups(id: &str) -> impl Iterator<Item = Lookup> {
    let id = render::plain_id(id);
    let node = NodeId::from_uuid(&id).map(Lookup::Node);
    std::iter::once(Lookup::Identity { namespace: DOCUMENT_NAMESPACE.into(), value: id }).chain(node)
}

/// The profile of an id in a scope, as it is shown.
async fn found_json(app: &App, entered: &Entered, scope: &Scoped, id: &str) -> Result<Bytes, Error> {
    for lookup in lookups(id) {
        match shown_json(app, entered, scope, &lookup).await {
            Err(error) if error.kind == ErrorKind::NotFound => {}
            found => return found,
        }
    }
    Err(profile_not_found())
}

/// A profile as it is shown.
async fn shown_json(app: &App, entered: &Entered, scope: &Scoped, lookup: &Lookup) -> Result<Bytes, Error> {
    let query = (&shown(entered), &shape(scope)[..]);
    let show = |document: &DocumentProfile, config: &StoredConfig| to_shown(document, scope, config);
    Ok(app.service.document_shown(scope.workspace, lookup, query, show).await?.json)
}

/// A profile that was written just now, as it is shown.
async fn written_json(app: &App, entered: &Entered, scope: &Scoped, written: DocumentOutcome) -> Result<Bytes, Error> {
    let query = (&shown(entered), &shape(scope)[..]);
    let show = |document: &DocumentProfile, config: &StoredConfig| to_shown(document, scope, config);
    Ok(app.service.document_written(scope.workspace, written, query, show).await?.json)
}

/// What tells the form of this API from every other.
fn shape(scope: &Scoped) -> Vec<u8> {
    [NAME.as_bytes(), b" ", scope.name.as_bytes()].concat()
}

fn to_shown(document: &DocumentProfile, scope: &Scoped, config: &StoredConfig) -> Result<Vec<u8>, Error> {
    let is_namespace = |name: &str| config.namespace(name).is_ok();
    Ok(to_json(&render::profile(document, &scope.name, &is_namespace)))
}

pub(super) async fn retrieve(
    State(app): State<Arc<App>>,
    PathParams((scope, id)): PathParams<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let scope = scopes::find(&entered, Some(&scope))?;
    let json = found_json(&app, &entered, &scope, &id).await?;
    Ok(entered.answer(json_bytes(json)))
}

/// The profile of an id in whatever scope: where `Location` leads.
pub(super) async fn retrieve_anywhere(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    for scope in scopes::asked(&entered, |_| true)? {
        match found_json(&app, &entered, &scope, &id).await {
            Ok(json) => return Ok(entered.answer(json_bytes(json))),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(profile_not_found().into())
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    query: Query,
    base: BaseUrl,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Ingest)?;
    let terms = DocumentTerms { existence: Existence::MustBeNew, ..terms() };
    write(&app, entered, (&base, &headers, body), (fresh_uuid(&app), None, terms)).await
}

pub(super) async fn replace(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    base: BaseUrl,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Ingest)?;
    let id = render::plain_id(&id);
    if !render::is_uuid(&id) {
        return Err(invalid_member("ProfileId", "a UUID is expected").into());
    }
    let of = NodeId::from_uuid(&id);
    write(&app, entered, (&base, &headers, body), (id, of, terms())).await
}

/// How profiles of this API are written: whole, and nobody has the device or the e-mail address of another.
fn terms() -> DocumentTerms {
    let own = [DEVICES, EMAIL].map(std::sync::Arc::<str>::from);
    DocumentTerms {
        whole: own.to_vec(),
        unique: own.to_vec(),
        // A telephone number that the profile says again is still its own.
        cleared: vec![PHONE.into()],
        holders: Holders::Profiles,
        replace: Replace::All,
        ..DocumentTerms::default()
    }
}

/// A UUID that nobody has: of version 4.
pub(super) fn fresh_uuid(app: &App) -> String {
    let mut bytes = [0; 16];
    app.service.random(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

async fn write(
    app: &App,
    entered: Entered,
    (base, headers, body): (&BaseUrl, &HeaderMap, Body),
    (id, of, terms): (String, Option<NodeId>, DocumentTerms),
) -> Answer {
    entered.caller.require_private()?;
    let bytes = entered.body(app, headers, body).await?;
    let now = app.now();
    let name = parse::Object::read(tessera_seam::body::json(&bytes)?).text("Scope")?;
    let scope = scopes::find_or_make(app, &entered, name.as_deref()).await?;
    let config = app.service.configuration(scope.workspace).await?;
    let is_computed = |name: &str| config.rules().of(RuleKind::Attribute).contains_key(name);
    let sent = parse::profile(&bytes, &is_computed, now)?;
    check_identities(app, &scope, (&config, &sent)).await?;
    if terms.existence == Existence::Either {
        check_sees_all(&entered, &config)?;
    }
    let Sent { devices, email, attributes, notes } = sent;
    let claim = |namespace: &str, value: &str| Claim {
        namespace: namespace.into(),
        value: value.into(),
        strength: Strength::Verified,
    };
    let dataset = dataset(&entered)?;
    let claims = devices.iter().map(|own| claim(DEVICES, own)).chain(email.iter().map(|own| claim(EMAIL, own)));
    let fact = Fact {
        id: app.fresh_id().into(),
        dataset,
        batch: None,
        time: None,
        claims: claims.collect(),
        document: Some(claim(DOCUMENT_NAMESPACE, &id)),
        attributes,
        account: None,
        call: None,
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    };
    let write = DocumentWrite { fact: Box::new(fact), terms, of };
    let by = (NAME, entered.caller.key());
    let written = app.service.put_document(scope.workspace, write, notes, by, None).await.and_then(|own| own.now());
    let outcome = written.map_err(taken)?;
    part(app, &entered, &scope, &outcome.released).await?;
    let is_new = outcome.is_new;
    // A key that may only send learns no more than it said.
    let mut response = if entered.caller.permissions().allow(Permission::Read) {
        json_bytes(written_json(app, &entered, &scope, outcome).await?)
    } else {
        json(&serde_json::json!({ "ProfileId": id, "Scope": scope.name }))
    };
    if is_new {
        response = created(response, &format!("{}/api/v1.0/profiles/{id}", base.0));
    }
    Ok(entered.answer(response))
}

/// Refuses identities that are none, which would be passed over.
async fn check_identities(app: &App, scope: &Scoped, (config, sent): (&StoredConfig, &Sent)) -> Result<(), Error> {
    if let Some(email) = &sent.email {
        match app.service.normalised(scope.workspace, EMAIL, email).await? {
            None => return Err(invalid_member("Info.Email", "an e-mail address is expected")),
            Some(normal) if blacklists::is_listed(config, &normal) => return Err(blacklists::listed()),
            Some(_) => {}
        }
    }
    for (at, device) in sent.devices.iter().enumerate() {
        if app.service.normalised(scope.workspace, DEVICES, device).await?.is_none() {
            let expected =
                "a text of 1 to 512 bytes is expected that identifies a device, not null or a control character";
            return Err(invalid_member(&format!("DeviceIds[{at}]"), expected));
        }
    }
    Ok(())
}

/// Refuses to replace what a key does not see: it would be removed without anybody having meant it.
fn check_sees_all(entered: &Entered, config: &StoredConfig) -> Result<(), Error> {
    if config.model().model.hidden(entered.visibility()).is_empty() {
        return Ok(());
    }
    let message =
        "this key does not see all of a profile, so it cannot replace one: use a key with read_private and configure";
    Err(Error::new(ErrorKind::Forbidden, "profile_hidden_in_part", message))
}

/// Issues ids to those that a profile has let go of and of whom something is known: they are profiles of their own from now on.
async fn part(app: &App, entered: &Entered, scope: &Scoped, released: &[NamedIdentity]) -> Result<(), Error> {
    for own in released {
        let (namespace, value) = (own.namespace.to_string(), own.value.to_string());
        let lookup = Lookup::Identity { namespace, value };
        match app.service.find_document(scope.workspace, &[lookup]).await {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        let claim = Claim { namespace: own.namespace.clone(), value: own.value.clone(), strength: Strength::Verified };
        let fact = Fact {
            id: app.fresh_id().into(),
            dataset: dataset(entered)?,
            batch: None,
            time: None,
            claims: vec![claim],
            document: None,
            attributes: Vec::new(),
            account: None,
            call: None,
            content: None,
            replaces: tessera_engine::fact::Replaces::Nothing,
        };
        let write = DocumentWrite { fact: Box::new(fact), terms: DocumentTerms::default(), of: None };
        app.service.ensure_document(scope.workspace, write, (NAME, entered.caller.key())).await?;
    }
    Ok(())
}

/// Another profile has a device or the e-mail address, in the words of this API.
fn taken(error: Error) -> Error {
    if error.code != "document_taken" {
        return error;
    }
    let of_device = error.message.contains(DEVICES).then_some("DeviceIds");
    let target = of_device.unwrap_or("Info.Email");
    let message = format!("{target}: another profile of the scope has this already");
    Error::new(ErrorKind::Conflict, "profile_exists", message)
}

/// The dataset of what a key writes by this door: one of the door's own, unless the key has one.
pub(super) fn dataset(entered: &Entered) -> Result<Arc<str>, Error> {
    let datasets = entered.caller.datasets();
    let is_usual = datasets.own.as_str() == SERVERS && datasets.allowed.is_none();
    let dataset: Arc<str> = if is_usual { NAME.into() } else { datasets.own.as_str().into() };
    datasets.check(&dataset)?;
    Ok(dataset)
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PathParams((scope, id)): PathParams<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Erase)?;
    let scope = scopes::find(&entered, Some(&scope))?;
    let document = find(&app, &entered, &scope, &id).await?;
    let (how, by) = ((Extent::Profile, Return::Allowed), (NAME, entered.caller.key()));
    let erased = app.service.erase(scope.workspace, &Lookup::Node(document.id), how, by).await;
    erased.map_err(|error| if error.kind == ErrorKind::NotFound { profile_not_found() } else { error })?;
    Ok(entered.answer(StatusCode::OK.into_response()))
}
