//! Track events: asked for, and deleted (spec/optimizely.md section 8).

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use tessera_expr::ast::Name;
use tessera_seam::answer::{Answer, json};
use tessera_seam::app::{App, Entered};
use tessera_seam::extract::{PathParams, Query};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::queries::Sorting;
use tessera_service::queries::events::{EventRule, EventsPage, EventsQuery};

use super::asked::{Asked, List};
use super::errors::{invalid_filter, invalid_option, undecided};
use super::filter::{OfEvents, Words as _, may_hold, of_order, sort_shown, translated};
use super::profiles::spelled;
use super::scopes::{self, Scoped};
use super::{DOOR, NAME, render};

pub(super) async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let mut entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let asked = Asked::read(&query)?;
    let may = |scope: &str| asked.filter.as_ref().is_none_or(|filter| may_hold(filter, scope));
    let scopes = scopes::asked(&entered, may)?;
    let several = scopes.len() > 1;
    let (mut total, mut items, mut bytes) = (0, Vec::new(), 0);
    // Of several scopes, the first of each may be the first of all.
    let (skip, top) = if several { (0, asked.skip + asked.top) } else { (asked.skip, asked.top) };
    for scope in &scopes {
        let page = of_scope(&app, &entered, scope, &asked, (skip, top)).await?;
        if page.is_cut {
            let expected = "these events are larger than one answer may be: a smaller number is expected";
            return Err(invalid_option("$top", expected).into());
        }
        if page.undecided > 0 {
            return Err(undecided().into());
        }
        total += page.total;
        for found in &page.events {
            bytes += found.call.payload.len() + 500;
            items.push(serde_json::to_value(render::event(found, &scope.name)).unwrap_or_default());
        }
        entered.grow_to(2 * bytes)?;
    }
    if several {
        let newest = [(vec![Name::from("EventTime")], Sorting::Descending)];
        sort_shown(&mut items, if asked.order_by.is_empty() { &newest } else { &asked.order_by });
        items = items.into_iter().skip(asked.skip).take(asked.top).collect();
    }
    let response = json(&List::new(total, items));
    Ok(entered.answer(response))
}

async fn of_scope(
    app: &App,
    entered: &Entered,
    scope: &Scoped,
    asked: &Asked,
    (skip, top): (usize, usize),
) -> Result<EventsPage, Error> {
    let members: [&[&str]; 2] = [&["User", "Email"], &["User", "Info", "Email"]];
    let emails = spelled(app, scope.workspace, asked.filter.as_ref(), &members).await?;
    let words = OfEvents { scope: &scope.name, emails: &emails };
    let condition = asked.filter.as_ref().map(|filter| {
        let condition = translated(filter, &words)?;
        EventRule::condition(condition).map_err(|problem| invalid_filter("$filter", problem.expected))
    });
    let none = HashMap::new();
    let words = OfEvents { scope: &scope.name, emails: &none };
    let order = |(names, sorting): &(Vec<Name>, Sorting)| {
        let value = words.sorted(names).map_err(|error| of_order(&error))?;
        let rule = EventRule::value(value).map_err(|problem| invalid_filter("$orderBy", problem.expected))?;
        Ok((rule, *sorting))
    };
    let query = EventsQuery {
        filter: condition.transpose()?,
        order_by: asked.order_by.iter().map(order).collect::<Result<_, Error>>()?,
        skip,
        top,
        values: Vec::new(),
        visibility: entered.visibility(),
    };
    app.service.events_where(scope.workspace, &query).await
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PathParams((scope, id)): PathParams<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Erase)?;
    let scope = scopes::find(&entered, Some(&scope))?;
    let by = (NAME, entered.caller.key());
    // An id is unique in a dataset: one of this door's own goes before those of others.
    match app.service.erase_event(scope.workspace, &id, Some(NAME), by).await {
        Err(error) if error.kind == ErrorKind::NotFound => {
            app.service.erase_event(scope.workspace, &id, None, by).await?;
        }
        erased => drop(erased?),
    }
    Ok(entered.answer(StatusCode::OK.into_response()))
}
