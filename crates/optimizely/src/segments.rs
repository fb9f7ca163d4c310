//! Segments: filters that are kept, and who is in them (spec/optimizely.md section 10).
//!
//! A segment of this API is a segment of the workspace that is its scope. What is only told of it here, such as who manages it, and the filter
//! as it was written, is kept beside it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value as Json, json};
use tessera_engine::config::Kind;
use tessera_expr::ast::Expr;
use tessera_expr::calendar::Zone;
use tessera_expr::check::check_as;
use tessera_expr::filter;
use tessera_expr::problem::Problem;
use tessera_expr::rule::{Purpose, Rule};
use tessera_seam::answer::{self, Answer, invalid, json as json_answer, to_json};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::extract::{BaseUrl, PathParams, Query};
use tessera_service::clock::format_timestamp;
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::queries::ProfileQuery;
use tessera_service::workspace_config::{
    Definition, RuleContent, RuleKind, RuleName, Status, StoredConfig, StoredRule, archive_rule, display_name,
    put_rule, set_object,
};
use tessera_service::{DocumentProfile, Fields};

use super::asked::{Asked, List, refused};
use super::bound;
use super::errors::{invalid_filter, invalid_member, segment_not_found};
use super::filter::{printed, shown_list};
use super::parse::Object;
use super::profiles::{self, condition, rendered};
use super::scopes::{self, Scoped};
use super::wire::{Segment, SegmentBody};
use super::{DOOR, render};

const KIND: RuleKind = RuleKind::Segment;
/// What is kept of a segment beside it, by its name.
pub(super) const KEPT: &str = "optimizely.segment";
/// How long an answer waits for a segment to be brought to everybody.
const BUILDING: Duration = Duration::from_secs(5);
/// Members of a segment as they are sent.
const MEMBERS: [&str; 11] = [
    "Name",
    "Description",
    "Scope",
    "SegmentManager",
    "ProfileQuery",
    "SegmentFilter",
    "AvailableForPersonalization",
    "Archived",
    "FavoredBy",
    "LabelIds",
    "Labels",
];

/// A segment that was found.
pub(super) struct Found {
    pub(super) scope: Scoped,
    pub(super) config: Arc<StoredConfig>,
    pub(super) name: RuleName,
}

impl Found {
    pub(super) fn rule(&self) -> Result<&StoredRule, Error> {
        self.config.rules().find(KIND, self.name.as_str())
    }

    /// That a profile is in it: what it says, which holds at once, and not only when it has been brought to everybody.
    pub(super) fn holds(&self) -> Result<Expr, Error> {
        Ok(self.rule()?.definition().rule.source().clone())
    }
}

/// What is kept beside a segment.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Kept {
    /// Its id here, where it was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The condition that the filter was translated to: where the segment has another one by now, the filter says it no more.
    #[serde(default)]
    pql: String,
    #[serde(flatten)]
    body: SegmentBody,
}

fn kept(config: &StoredConfig, name: &str) -> Kept {
    config.objects().get(KEPT, name).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

fn id_of(rule: &StoredRule, kept: &Kept) -> String {
    kept.id.clone().unwrap_or_else(|| render::uuid_of(&rule.name.stable_id(KIND)))
}

/// The segments of a workspace that can be told here.
fn all(config: &StoredConfig) -> impl Iterator<Item = (&StoredRule, Kept)> {
    let rules = config.rules().of(KIND).values();
    rules.filter(|rule| rule.definition().of == Kind::Person).map(|rule| (&**rule, kept(config, rule.name.as_str())))
}

/// The segment of an id, in whatever scope.
///
/// # Errors
/// `segment_not_found`.
pub(super) async fn find(app: &App, entered: &Entered, id: &str) -> Result<Found, Error> {
    for scope in scopes::asked(entered, |_| true)? {
        let config = app.service.configuration(scope.workspace).await?;
        let found = all(&config).find(|(rule, kept)| id_of(rule, kept).eq_ignore_ascii_case(id));
        if let Some(name) = found.map(|(rule, _)| rule.name.clone()) {
            // What the key may not see is not there for it.
            app.service
                .stored_rule(scope.workspace, KIND, name.as_str(), entered.visibility())
                .await
                .map_err(hidden)?;
            return Ok(Found { scope, config, name });
        }
    }
    Err(segment_not_found())
}

fn hidden(error: Error) -> Error {
    if error.kind == ErrorKind::NotFound { segment_not_found() } else { error }
}

fn segment(rule: &StoredRule, kept: Kept, scope: &str, count: (u64, String)) -> Segment {
    let definition = rule.definition();
    let is_same = kept.pql == *definition.pql;
    let bound = kept.body.segment_filter.clone().filter(|_| is_same);
    let own = kept.body.profile_query.clone().filter(|_| is_same);
    let printed = || tessera_expr::pql::parse(&definition.pql).ok().and_then(|expr| printed(&expr));
    let query = if bound.is_some() { None } else { own.or_else(printed) };
    let filter = (query.is_none() && bound.is_none()).then(|| json!({ "Pql": &*definition.pql }));
    Segment {
        segment_id: id_of(rule, &kept),
        name: rule.display_name.as_deref().unwrap_or(rule.name.as_str()).to_owned(),
        description: rule.description.as_deref().map(str::to_owned),
        scope: scope.to_owned(),
        segment_manager: kept.body.segment_manager,
        profile_query: query,
        profile_filter: filter,
        segment_filter: bound,
        matching_profiles: count.0,
        last_profile_count: count.1,
        available_for_personalization: kept.body.available_for_personalization,
        archived: rule.status() == Status::Archived,
        favored_by: kept.body.favored_by,
        label_ids: kept.body.label_ids,
        labels: kept.body.labels,
        created: instant(rule.created_at),
        modified: instant(rule.updated_at),
        modified_by: None,
    }
}

/// A time as this API shows those of segments.
fn instant(at: tessera_engine::time::Timestamp) -> String {
    format!("{}+00:00", format_timestamp(at).trim_end_matches('Z'))
}

pub(super) async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let asked = Asked::read(&query)?;
    let mut items: Vec<Json> = Vec::new();
    for scope in scopes::asked(&entered, |_| true)? {
        let config = app.service.configuration(scope.workspace).await?;
        for (rule, kept) in all(&config) {
            let name = rule.name.as_str();
            let shown = app.service.stored_rule(scope.workspace, KIND, name, entered.visibility()).await;
            let members = match shown {
                Ok(shown) => shown.counts.map_or(0, |counts| counts.members),
                Err(error) if error.kind == ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            let segment = segment(rule, kept, &scope.name, (members, instant(app.now())));
            items.push(serde_json::to_value(segment).unwrap_or_default());
        }
    }
    let response = json_answer(&shown_list(items, &asked, app.now())?);
    Ok(entered.answer(response))
}

pub(super) async fn retrieve(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let found = find(&app, &entered, &id).await?;
    let response = json_answer(&counted(&app, &entered, &found).await?);
    Ok(entered.answer(response))
}

/// A segment, its members counted now.
async fn counted(app: &App, entered: &Entered, found: &Found) -> Result<Segment, Error> {
    let rule = found.rule()?;
    let runs = matches!(rule.status(), Status::Active | Status::Building);
    let count = if runs { count(app, entered, &found.scope, found.holds()?).await? } else { 0 };
    Ok(segment(rule, kept(&found.config, found.name.as_str()), &found.scope.name, (count, instant(app.now()))))
}

/// A question that counts, and shows so many.
pub(super) fn question(entered: &Entered, holds: Expr, top: usize) -> Result<ProfileQuery, Error> {
    let rule =
        Rule::compile(holds, Purpose::Condition).map_err(|problem| invalid_filter("$filter", problem.expected))?;
    Ok(ProfileQuery {
        filter: Some(Arc::new(rule)),
        zone: Zone::utc(),
        of: Kind::Person,
        order_by: Vec::new(),
        skip: 0,
        top,
        cursor: None,
        fields: Fields { visibility: entered.visibility(), ..Fields::ALL },
        policy: None,
        count: true,
    })
}

async fn count(app: &App, entered: &Entered, scope: &Scoped, holds: Expr) -> Result<u64, Error> {
    let question = question(entered, holds, 0)?;
    let page = app.service.documents_where(scope.workspace, &question, &profiles::shown(entered)).await?;
    Ok(page.total.unwrap_or_default())
}

/// What is sent of a segment.
async fn sent(app: &App, entered: &Entered, headers: &HeaderMap, body: Body) -> Result<SegmentBody, Error> {
    let bytes = entered.body(app, headers, body).await?;
    let sent: SegmentBody = Object::read(body::json(&bytes)?).into(&MEMBERS)?;
    if sent.scope.as_ref().is_none_or(|scope| scope.trim().is_empty()) {
        return Err(invalid_member("Scope", "the name of a scope is expected"));
    }
    if sent.name.as_ref().is_none_or(|name| name.trim().is_empty()) {
        return Err(invalid_member("Name", "a text is expected that is not empty"));
    }
    Ok(sent)
}

/// The condition that is sent of a segment: a filter, or definitions with their values.
async fn condition_of(app: &App, entered: &Entered, scope: &Scoped, sent: &mut SegmentBody) -> Result<Expr, Error> {
    match &mut sent.segment_filter {
        Some(_) if sent.profile_query.is_some() => Err(both()),
        Some(filter) => bound::kept(app, entered, scope, filter).await,
        None => of_query(app, scope, sent).await,
    }
}

fn both() -> Error {
    invalid_member("SegmentFilter", "either it or ProfileQuery is expected, not both")
}

/// The condition of a filter.
async fn of_query(app: &App, scope: &Scoped, sent: &SegmentBody) -> Result<Expr, Error> {
    let text = sent.profile_query.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| invalid_member("ProfileQuery", "a filter over members of profiles is expected"))?;
    let as_member = |error: Error| {
        let message = error.message.replacen("$filter", "ProfileQuery", 1);
        Error { message: message.into(), ..error }
    };
    let expr = filter::parse(text).map_err(|problem| as_member(refused(&problem, text)))?;
    condition(app, scope, &expr).await.map_err(as_member)
}

/// A condition, checked as any rule is.
async fn definition(
    app: &App,
    entered: &Entered,
    scope: &Scoped,
    expr: Expr,
    member: &str,
) -> Result<Definition, Error> {
    let rules = app.service.rule_model(scope.workspace, entered.visibility()).await?;
    let refused = |problem: Problem| invalid_member(member, problem.expected);
    check_as(&expr, KIND.purpose(), &rules).map_err(refused)?;
    let definition = Definition::new(KIND, expr, Zone::utc(), None).map_err(refused)?;
    if rules.hides_rule(&definition.rule) {
        let message = "the filter reads attributes or events that this key may not see";
        return Err(Error::new(ErrorKind::Forbidden, "rule_reads_hidden", message));
    }
    Ok(definition)
}

/// The member that says who is in a segment.
fn says(sent: &SegmentBody) -> &'static str {
    if sent.segment_filter.is_some() { "SegmentFilter" } else { "ProfileQuery" }
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    query: Query,
    base: BaseUrl,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Configure)?;
    let sent = sent(&app, &entered, &headers, body).await?;
    let scope = scopes::named(&entered, sent.scope.as_deref())?;
    let made = set(&app, &entered, &scope, (None, None), sent).await?;
    let response = created(&app, &entered, &made, &base).await?;
    Ok(entered.answer(response))
}

pub(super) async fn replace(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    base: BaseUrl,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Configure)?;
    if !render::is_uuid(&id) {
        return Err(invalid_member("SegmentId", "a UUID is expected").into());
    }
    let sent = sent(&app, &entered, &headers, body).await?;
    let scope = scopes::named(&entered, sent.scope.as_deref())?;
    let present = match find(&app, &entered, &id).await {
        Ok(found) if found.scope.workspace == scope.workspace => Some(found),
        Ok(_) => return Err(invalid_member("Scope", "the scope of the segment is expected: it never changes").into()),
        Err(error) if error.kind == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(found) = &present {
        let shown = segment(found.rule()?, kept(&found.config, found.name.as_str()), "", (0, String::new()));
        if shown.profile_query.is_none() && shown.segment_filter.is_none() {
            let message = "the segment says what a filter cannot say; change it where it was made";
            return Err(invalid("segment_not_a_filter", message).into());
        }
    }
    let is_new = present.is_none();
    let made =
        set(&app, &entered, &scope, (present.map(|found| found.name), Some(id.to_ascii_lowercase())), sent).await?;
    let response = if is_new {
        created(&app, &entered, &made, &base).await?
    } else {
        json_answer(&counted(&app, &entered, &made).await?)
    };
    Ok(entered.answer(response))
}

async fn created(app: &App, entered: &Entered, made: &Found, base: &BaseUrl) -> Result<Response, Error> {
    let segment = counted(app, entered, made).await?;
    let location = format!("{}/api/v1.0/segments/{}", base.0, segment.segment_id);
    Ok(answer::created(json_answer(&segment), &location))
}

/// Makes a segment or replaces it, with what is kept beside it, in one change; then waits until it is brought to everybody.
async fn set(
    app: &App,
    entered: &Entered,
    scope: &Scoped,
    (present, id): (Option<RuleName>, Option<String>),
    mut sent: SegmentBody,
) -> Result<Found, Error> {
    let expr = condition_of(app, entered, scope, &mut sent).await?;
    let definition = definition(app, entered, scope, expr, says(&sent)).await?;
    let called = sent.name.clone().unwrap_or_default();
    let (name, shown_as) = match present {
        Some(name) => {
            let shown_as = if called == name.as_str() { None } else { Some(display_name(&called)?) };
            (Some(name), shown_as)
        }
        None => {
            let (name, shown_as) = RuleName::of(KIND, &called)?;
            // A name that is taken by another segment goes on as what people call this one.
            let shown_as = shown_as.or_else(|| Some(called.as_str().into()));
            let config = app.service.configuration(scope.workspace).await?;
            let name = if config.rules().of(KIND).contains_key(name.as_str()) { free(&config, &name) } else { name };
            (Some(name), shown_as)
        }
    };
    let name = name.ok_or_else(|| Error::new(ErrorKind::Internal, "internal", "a segment without a name"))?;
    let body = SegmentBody { name: None, description: None, scope: None, archived: false, ..sent.clone() };
    let beside = Kept { id, pql: definition.pql.to_string(), body };
    let (own, archives) = (name.clone(), sent.archived);
    let description = sent.description.as_deref().filter(|text| !text.is_empty()).map(Into::into);
    let display_name = shown_as.filter(|shown| **shown != *name.as_str());
    let content = RuleContent { display_name, description, definition, is_draft: false };
    let change = move |config: &StoredConfig, at| {
        // What was chosen before goes on.
        let before = kept(config, own.as_str());
        let beside = Kept { id: beside.id.or(before.id), ..beside };
        let json = String::from_utf8(to_json(&beside)).unwrap_or_default();
        let next = put_rule(config, KIND, &own, content, None, at)?;
        let next = if archives { archive_rule(&next, KIND, own.as_str(), |_, _| true, at)? } else { next };
        set_object(&next, (KEPT, own.as_str()), Some(&json))
    };
    app.service.configure_rules(scope.workspace, change).await?;
    built(app, entered, scope, &name).await?;
    let config = app.service.configuration(scope.workspace).await?;
    Ok(Found { scope: scope.clone(), config, name })
}

/// The first name with a number that no segment has.
fn free(config: &StoredConfig, name: &RuleName) -> RuleName {
    let short: String = name.as_str().chars().take(58).collect();
    let numbered = (2..=3_000).filter_map(|at| RuleName::parse(KIND, &format!("{short}-{at}")).ok());
    numbered
        .into_iter()
        .find(|name| !config.rules().of(KIND).contains_key(name.as_str()))
        .unwrap_or_else(|| name.clone())
}

/// Waits until a segment is brought to everybody; what takes long goes on after the answer.
async fn built(app: &App, entered: &Entered, scope: &Scoped, name: &RuleName) -> Result<(), Error> {
    let brought = app.service.rule_once_brought(scope.workspace, KIND, name.as_str(), entered.visibility());
    match tokio::time::timeout(BUILDING, brought).await {
        Ok(brought) => brought.map(drop),
        Err(_) => {
            tracing::debug!(target: "tessera_api::optimizely::segments", "a segment is still being brought to everybody");
            Ok(())
        }
    }
}

/// What a draft would hold of, without keeping it (section 10.4).
pub(super) async fn preview(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let mut entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let asked = Asked::read(&query)?;
    let bytes = entered.body(&app, &headers, body).await?;
    let mut sent: SegmentBody = Object::read(body::json(&bytes)?).into(&MEMBERS)?;
    let scope = scopes::named(&entered, sent.scope.as_deref())?;
    let expr = match &mut sent.segment_filter {
        Some(_) if sent.profile_query.is_some() => return Err(both().into()),
        Some(filter) => bound::drafted(&app, &mut entered, &scope, filter).await?,
        None => of_query(&app, &scope, &sent).await?,
    };
    let definition = definition(&app, &entered, &scope, expr, says(&sent)).await?;
    let question = question(&entered, definition.rule.source().clone(), asked.top.min(1_000))?;
    let question = ProfileQuery { skip: asked.skip, ..question };
    let page = app.service.documents_where(scope.workspace, &question, &profiles::shown(&entered)).await?;
    let config = app.service.configuration(scope.workspace).await?;
    entered.grow_to(2 * page.documents.iter().map(DocumentProfile::bytes).sum::<usize>())?;
    let items = page.documents.iter().map(|own| rendered(own, &scope.name, &config)).collect();
    let response = json_answer(&List::new(page.total.unwrap_or_default(), items));
    Ok(entered.answer(response))
}
