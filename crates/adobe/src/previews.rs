//! Previews and estimates of conditions that are not kept as segment definitions (spec/adobe.md section 12.3).
//!
//! A preview is kept until as many others are newer as there may be. What it comes to is found out when it is asked for: nothing of that is kept,
//! so it never tells of what is no more.

use std::sync::Arc;

use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post};
use serde_json::json;
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::{BaseUrl, PathParams, Query};
use tessera_seam::route::{Access, Route};
use tessera_service::audit::Action;
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::queries::PROFILES_MAX;
use tessera_service::workspace_config::RuleKind;
use tessera_service::{DocumentQuery, Fields};

use super::enter::{Asked, enter};
use super::errors::invalid_parameter;
use super::objects::fresh_uuid;
use super::pql::{self, compiled, ours};

mod kept;
mod wire;

use kept::Draft;
use wire::{Body, Estimate, Made, Preview};

const READ: Access = Access::Workspace(Permission::Read);
const ALL: &str = "/data/core/ups/preview";
/// The id of a preview's run: each look is one of its own, and none has a number.
const EXECUTION: u32 = 0;

/// The routes of previews and estimates.
pub(super) fn routes() -> Vec<Route> {
    let id = |route: Route| route.segment("id", "The `previewId` of a preview.");
    let route = super::route;
    let whole = |minimum: u32, default: usize| json!({ "type": "integer", "minimum": minimum, "default": default });
    vec![
        route(Method::POST, ALL, READ, post(create), "Makes a preview of a condition, and its estimate")
            .audited(Action::Read)
            .describe("The 100 newest of a sandbox are kept. `X-Location` says where it is.")
            .body::<Body>(json!({
                "predicateExpression": "loyalty.tier = \"gold\"", "predicateType": "pql/text", "predicateModel": "_xdm.context.profile", "graphType": "pdg"
            }))
            .answer::<Made>(201, "The preview.", wire::example_made()),
        id(route(Method::GET, "/data/core/ups/preview/{id}", READ, get(read), "Tells whom a preview's condition holds of"))
            .describe("In the order in which they are kept. Everybody is looked at, within 5 seconds.")
            .query("offset", "How many to leave out; with `limit` at most 10,000.", whole(0, 0))
            .query("limit", "How many.", whole(1, PROFILES_MAX))
            .answer::<Preview>(200, "They, each by the XID of one of its identities.", wire::example_preview())
            .answer_free(
                422,
                "A profile is too large to be read.",
                json!({ "requestId": "d63137a5fb6d248013c4-1f2", "errors": { "422": [] } }),
            ),
        id(route(Method::DELETE, "/data/core/ups/preview/{id}", READ, delete(remove), "Deletes a preview"))
            .answer_free(200, "It is gone.", json!({ "message": "Preview is deleted" })),
        id(route(Method::GET, "/data/core/ups/estimate/{id}", READ, get(estimate), "Estimates how many a preview's condition holds of"))
            .describe("Exact where all can be looked at within the bounds; otherwise profiles of all ages are.")
            .answer::<Estimate>(200, "The estimate.", wire::example_estimate()),
    ]
}

async fn create(State(app): State<Arc<App>>, base: BaseUrl, headers: HeaderMap, bytes: Bytes) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let bytes = asked.json(&app, &headers, bytes).await?;
    let draft = Draft::read(body::json(&bytes)?)?;
    // What is wrong with the condition is told now.
    question(&app, &asked, &draft).await?;
    let id = fresh_uuid(&app);
    kept::keep(&app, asked.workspace(), &id, &draft).await?;
    let made = Made::new(id);
    let mut response = (StatusCode::CREATED, json_answer(&made)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("{}{ALL}/{}", base.0, made.preview_id())) {
        response.headers_mut().insert("x-location", location);
    }
    Ok(asked.entered.answer(response))
}

async fn read(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    base: BaseUrl,
    headers: HeaderMap,
) -> Answer {
    let mut asked = enter(&app, &headers, Permission::Read)?;
    let limit = query.limit(PROFILES_MAX, PROFILES_MAX)?;
    let offset = match query.get("offset").map(str::parse::<usize>) {
        None => 0,
        Some(Ok(offset)) => offset,
        Some(Err(_)) => return Err(invalid_parameter("offset", "a whole number is expected").into()),
    };
    let draft = kept::find(&app, asked.workspace(), &id).await?;
    let question = question(&app, &asked, &draft).await?;
    let visibility = asked.entered.visibility();
    let fields = Fields { visibility, ..Fields::ALL };
    let question = question.asked(fields, (offset, limit));
    let shown = DocumentQuery { visibility, relevance: tessera_engine::view::Relevance::Any, values: Arc::new([]) };
    let page = app.service.documents_where(asked.workspace(), &question, &shown).await?;
    asked.entered.grow_to(page.documents.iter().map(tessera_service::DocumentProfile::bytes).sum())?;
    let of = draft.class()?;
    let results = page.documents.iter().filter_map(|document| wire::result(&app, &asked, document, (&base, of)));
    let preview = Preview::new(results.collect(), offset, page.total.unwrap_or_default(), &id);
    Ok(asked.entered.answer(json_answer(&preview)))
}

async fn remove(State(app): State<Arc<App>>, PathParams(id): PathParams<String>, headers: HeaderMap) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    kept::let_go(&app, asked.workspace(), &id).await?;
    Ok(asked.entered.answer(json_answer(&json!({ "message": "Preview is deleted" }))))
}

async fn estimate(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    base: BaseUrl,
    headers: HeaderMap,
) -> Answer {
    let asked = enter(&app, &headers, Permission::Read)?;
    let config = asked.config(&app).await?;
    let draft = kept::find(&app, asked.workspace(), &id).await?;
    let question = question(&app, &asked, &draft).await?;
    let (rule, zone, of, policy) = question.into_parts();
    let seen = app.service.preview_segment(asked.workspace(), rule, (zone, of), policy.as_deref()).await?;
    let link = format!("{}{ALL}/{id}", base.0);
    let estimate = Estimate::new(&seen, &config, link);
    Ok(asked.entered.answer(json_answer(&estimate)))
}

/// What a draft asks, checked as a segment is.
async fn question(app: &App, asked: &Asked, draft: &Draft) -> Result<kept::Question, Error> {
    let config = asked.config(app).await?;
    let expression = draft.expression();
    let expr = ours(expression.read()?, &pql::places(&config, &asked.org));
    let within = (asked.workspace(), asked.entered.visibility());
    let text = expression.as_text().unwrap_or_default();
    let (definition, _) = compiled(app, within, RuleKind::Segment, (expr, text), None).await?;
    draft.question(&config, asked.workspace(), &definition)
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "preview_not_found", "no preview of this sandbox has this id")
}
