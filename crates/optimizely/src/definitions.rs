//! Filter definitions: queries with parameters, which segments bind (spec/optimizely.md section 13).
//!
//! They are shared by the scopes of a key, so they are kept in the workspace that is its default scope.

use std::sync::Arc;

use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use tessera_seam::answer::{Answer, created, json, to_json};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::extract::{BaseUrl, PathParams, Query};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::{StoredConfig, set_object};
use utoipa::ToSchema;

use super::DOOR;
use super::asked::{Asked, List, refused};
use super::bound;
use super::errors::invalid_member;
use super::filter::shown_list;
use super::kql;
use super::parse::Object;
use super::profiles;
use super::scopes::{self, Scoped};

mod model;

pub(super) use model::{Asks, Body, Definition, Parameter};

/// What is kept of a definition, by its id.
const KIND: &str = "optimizely.filter_definition";
/// Members of a definition as they are sent.
const MEMBERS: [&str; 6] = ["Name", "Description", "Query", "Parameters", "Category", "Type"];

/// A filter definition (section 13).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = OptimizelyFilterDefinition)]
pub(super) struct Shown {
    /// Its name when it was made, or the id that it was put under.
    filter_definition_id: String,
    name: String,
    description: Option<String>,
    #[serde(rename = "Type")]
    of: Option<Asks>,
    query: String,
    parameters: Vec<Parameter>,
    category: Option<String>,
    /// Whether the vendor brings it; none is.
    shared: bool,
    /// Products whose events it needs; none.
    products: Vec<String>,
}

fn shown(id: &str, body: Body) -> Shown {
    Shown {
        filter_definition_id: id.to_owned(),
        name: body.name.unwrap_or_default(),
        description: body.description,
        of: body.of,
        query: body.query.unwrap_or_default(),
        parameters: body.parameters,
        category: body.category,
        shared: false,
        products: Vec::new(),
    }
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "filter_definition_not_found", "no filter definition has this id")
}

fn read(json: &str) -> Option<Body> {
    serde_json::from_str(json).ok()
}

/// The definition of an id.
///
/// # Errors
/// `filter_definition_not_found`.
pub(super) async fn find(app: &App, entered: &Entered, id: &str) -> Result<(Body, Definition), Error> {
    let home = scopes::find(entered, None)?;
    let config = app.service.configuration(home.workspace).await?;
    let body = config.objects().get(KIND, id).and_then(read).ok_or_else(not_found)?;
    let definition = body.checked().map(|(_, definition)| definition)?;
    Ok((body, definition))
}

pub(super) async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let asked = Asked::read(&query)?;
    let home = scopes::find(&entered, None)?;
    let config = app.service.configuration(home.workspace).await?;
    let all = config.objects().of(KIND).filter_map(|(id, json)| Some(shown(id, read(json)?)));
    let items = all.map(|own| serde_json::to_value(own).unwrap_or_default()).collect();
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
    let (body, _) = find(&app, &entered, &id).await?;
    Ok(entered.answer(json(&shown(&id, body))))
}

async fn sent(app: &App, entered: &Entered, headers: &HeaderMap, bytes: Bytes) -> Result<Body, Error> {
    let bytes = entered.body(app, headers, bytes).await?;
    let sent: Body = Object::read(body::json(&bytes)?).into(&MEMBERS)?;
    sent.checked()?;
    Ok(sent)
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    query: Query,
    base: BaseUrl,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Configure)?;
    let sent = sent(&app, &entered, &headers, bytes).await?;
    let home = scopes::find(&entered, None)?;
    let id = sent.name.clone().unwrap_or_default();
    set(&app, &home, &id, &sent, Makes::New).await?;
    let location = format!("{}/api/v2.0/FilterDefinitions/{id}", base.0);
    Ok(entered.answer(created(json(&shown(&id, sent)), &location)))
}

pub(super) async fn replace(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Configure)?;
    if !model::is_name(&id) {
        return Err(invalid_member("FilterDefinitionId", "letters, digits, . _ and - are expected").into());
    }
    let sent = sent(&app, &entered, &headers, bytes).await?;
    let home = scopes::find(&entered, None)?;
    let is_new = app.service.configuration(home.workspace).await?.objects().get(KIND, &id).is_none();
    set(&app, &home, &id, &sent, Makes::NewOrOther).await?;
    let mut response = json(&shown(&id, sent));
    *response.status_mut() = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(entered.answer(response))
}

/// Whether a definition may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Makes {
    New,
    NewOrOther,
}

/// Keeps a definition; no other has its name.
async fn set(app: &App, home: &Scoped, id: &str, body: &Body, makes: Makes) -> Result<(), Error> {
    let kept = String::from_utf8(to_json(body)).unwrap_or_default();
    let (id, name) = (id.to_owned(), body.name.clone());
    let change = move |config: &StoredConfig| {
        let mut others = config.objects().of(KIND).filter(|(own, _)| *own != id || makes == Makes::New);
        if others.any(|(own, json)| own == id || read(json).is_some_and(|own| own.name == name)) {
            let message = "Name: another filter definition has this name, or had it when it was made";
            return Err(Error::new(ErrorKind::Conflict, "filter_definition_exists", message));
        }
        set_object(config, (KIND, &id), Some(&kept))
    };
    app.service.configure(home.workspace, change).await.map(drop)
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Configure)?;
    let (home, _) = (scopes::find(&entered, None)?, find(&app, &entered, &id).await?);
    for scope in scopes::held(&entered) {
        let config = app.service.configuration(scope.workspace).await?;
        if bound::is_bound(&config, &id) {
            let message = "a segment binds this filter definition; replace the segment without it first";
            return Err(Error::new(ErrorKind::Conflict, "filter_definition_used", message).into());
        }
    }
    app.service.configure(home.workspace, move |config: &_| set_object(config, (KIND, &id), None)).await?;
    Ok(entered.answer(StatusCode::OK.into_response()))
}

/// Runs a definition, one that is kept or a draft, with values for its parameters.
pub(super) async fn preview(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, bytes: Bytes) -> Answer {
    let mut entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let bytes = entered.body(&app, &headers, bytes).await?;
    let sent = Object::read(body::json(&bytes)?);
    let given = kql::given(sent.object("Parameters")?)?;
    let (asks, text, values) = match sent.text("FilterDefinitionId")? {
        Some(id) => {
            let (_, definition) = find(&app, &entered, &id).await?;
            let values = definition.values(&given.into_iter().collect::<Map<String, Json>>())?;
            (definition.asks, definition.query, values)
        }
        None => {
            let text = sent.text("Query")?.ok_or_else(|| invalid_member("Query", "a query is expected"))?;
            let asks = match sent.text("Type")?.as_deref() {
                Some("Events") => Asks::Events,
                Some("Profiles") => Asks::Profiles,
                _ => return Err(invalid_member("Type", "Events or Profiles is expected").into()),
            };
            (asks, text, kql::parameters(&given)?)
        }
    };
    let list = match asks {
        Asks::Events => kql::answered(&app, &mut entered, &text, &values).await?,
        Asks::Profiles => of_profiles(&app, &mut entered, &text, &values).await?,
    };
    let response = json(&list);
    Ok(entered.answer(response))
}

/// The profiles of all scopes for which a filter with these values holds, the first 1,000 of them.
async fn of_profiles(app: &App, entered: &mut Entered, text: &str, values: &kql::Parameters) -> Result<List, Error> {
    let draft = Definition { asks: Asks::Profiles, query: text.to_owned(), parameters: Vec::new() };
    let text = draft.filter(values)?;
    let as_query = |error: Error| Error { message: error.message.replacen("$filter", "Query", 1).into(), ..error };
    let filter = tessera_expr::filter::parse(&text).map_err(|problem| as_query(refused(&problem, &text)))?;
    let asked = Asked { filter: Some(filter), order_by: Vec::new(), skip: 0, top: kql::ROWS_MAX };
    profiles::found(app, entered, &asked).await.map_err(as_query)
}
