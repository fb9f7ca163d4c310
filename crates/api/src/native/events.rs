//! Events across people: those for which a condition holds, sorted and counted.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::get;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tessera_expr::check::check_as;
use tessera_expr::pql;
use tessera_expr::problem::Problem;
use tessera_expr::rule::Purpose;
use tessera_seam::answer::{Answer, invalid, json as json_answer};
use tessera_seam::app::{App, Entered};
use tessera_seam::bounds::{EVENTS_DEFAULT, EVENTS_MAX, PAGE_BYTES};
use tessera_seam::extract::Query;
use tessera_seam::report::Identity;
use tessera_seam::route::{Route, Tag};
use tessera_service::audit::Action;
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::queries::events::{EventRule, EventsPage, EventsQuery};
use tessera_service::queries::{Sorting, WINDOW_MAX};
use utoipa::ToSchema;

use super::profiles::READ;
use super::queries::skip;
use super::render;
use super::rules::{self, Spelled};
use super::wire::TimelineEvent;

/// Events that were asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventsPage)]
struct Found<'a> {
    /// They, in the order that was asked for.
    events: Vec<FoundEvent<'a>>,
    /// How many there are in all.
    total: u64,
    /// For how many events the filter gives no answer within its bounds. They are not among `events` and not in `total`. Left out where there are
    /// none.
    #[serde(skip_serializing_if = "is_none")]
    undecided: u64,
    /// Whether the answer ends before `limit`, for its size. Left out where it does not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// An event, and whom it names.
#[derive(Debug, Serialize, ToSchema)]
struct FoundEvent<'a> {
    /// The identities that it names, its owner first.
    identities: Vec<Identity>,
    #[serde(flatten)]
    event: TimelineEvent<'a>,
}

pub(super) fn routes() -> Vec<Route> {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": EVENTS_MAX, "default": EVENTS_DEFAULT });
    let skipped = json!({ "type": "integer", "minimum": 0, "maximum": WINDOW_MAX, "default": 0 });
    let example = json!({
        "events": [{
            "identities": [{ "namespace": "user_id", "value": "7001" }], "event": "Order Completed",
            "timestamp": "2026-01-31T10:00:00Z", "properties": { "total": 41.5 }, "message_id": "m-1", "type": "track",
            "received_at": "2026-01-31T10:00:01Z", "dataset": "segment"
        }],
        "total": 1
    });
    let route = Route::new(Method::GET, "/v1/events", READ, get(find), Tag::Profiles, "Finds events across people")
        .audited(Action::Read)
        .describe(
            "All events for which a filter holds, whosever they are. The filter speaks of one event: `eventType`, `timestamp`, `_id` (its message \
             id), `properties`, `traits`, `context`, and `_identities`, which has a list of values for each namespace. One that says which identity \
             it wants (`_identities.user_id.includes(\"7001\")`, alone or as a part that has to hold) reads the timelines of those who may have \
             such events; any other reads all, as of one instant, one call at a time (`query_busy`), within 5 seconds (`query_timeout`). The \
             newest come first unless `order_by` says otherwise.",
        )
        .query(
            "filter",
            "A condition in PQL about one event. All events where it is left out.",
            json!({ "type": "string", "example": "eventType = \"Order Completed\" and properties.total > 100" }),
        )
        .query(
            "order_by",
            "Up to 3 values of an event, separated by commas; ` desc` behind one has the greatest first.",
            json!({ "type": "string", "example": "properties.total desc,timestamp" }),
        )
        .query("limit", "How many.", limit)
        .query("skip", "How many of the first to leave out; with `limit` at most 10,000.", skipped)
        .known_parameters_only()
        .answer::<Found<'_>>(200, "The events.", example);
    vec![route]
}

async fn find(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let mut entered = app.enter(&headers, Permission::Read)?;
    let asked = asked(&app, &entered, &query).await?;
    entered.reserve(&app, 2 * PAGE_BYTES).await?;
    let EventsPage { events, total, is_cut, undecided } = app.service.events_where(entered.workspace, &asked).await?;
    let nothing = nothing();
    let shown = events.iter().map(|own| {
        let identities = own.identities.iter().cloned().map(Identity::from).collect();
        Ok(FoundEvent { identities, event: render::event(&own.call, &nothing)? })
    });
    let found = Found { events: shown.collect::<Result<_, Error>>()?, total, undecided, cut: is_cut };
    Ok(entered.answer(json_answer(&found)))
}

fn nothing() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("an object is JSON")
}

async fn asked(app: &App, entered: &Entered, query: &Query) -> Result<EventsQuery, Error> {
    let filter = match query.get("filter") {
        None => None,
        Some(text) => {
            let spelled = Spelled::Pql(text.to_owned());
            let refused = |problem: Problem| rules::refused(&problem, &spelled);
            let rule = EventRule::condition(pql::parse(text).map_err(refused)?).map_err(refused)?;
            let model = app.service.rule_model(entered.workspace, entered.visibility()).await?;
            check_as(rule.rule().source(), Purpose::Condition, &model).map_err(refused)?;
            Some(rule)
        }
    };
    Ok(EventsQuery {
        filter,
        order_by: query.get("order_by").map_or(Ok(Vec::new()), order_by)?,
        skip: skip(query.get("skip"))?,
        top: query.limit(EVENTS_DEFAULT, EVENTS_MAX)?,
        values: Vec::new(),
        visibility: entered.visibility(),
    })
}

fn order_by(list: &str) -> Result<Vec<(EventRule, Sorting)>, Error> {
    let part = |part: &str| {
        let part = part.trim();
        let (text, sorting) = match part.rsplit_once(' ') {
            Some((text, "asc")) => (text, Sorting::Ascending),
            Some((text, "desc")) => (text, Sorting::Descending),
            _ => (part, Sorting::Ascending),
        };
        let refused =
            |problem: Problem| invalid("order_invalid", format!("order_by: {} is expected", problem.expected));
        let value = pql::parse(text.trim()).and_then(EventRule::value).map_err(refused)?;
        Ok((value, sorting))
    };
    list.split(',').map(part).collect()
}
