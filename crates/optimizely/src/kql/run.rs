//! A query run over scopes.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde_json::{Map, Value as Json};
use tessera_engine::time::Timestamp;
use tessera_expr::ast::{Expr, Name};
use tessera_expr::problem::Place;
use tessera_expr::value::Value;
use tessera_seam::app::{App, Entered};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::queries::events::{EventRule, EventsQuery, FoldQuery, Folding, FoundEvent};
use tessera_service::queries::{Sorting, WINDOW_MAX};

use super::super::asked::List;
use super::super::filter::OfEvents;
use super::super::render;
use super::super::scopes::{self, Scoped};
use super::super::words::EMAIL;
use super::ROWS_MAX;
use super::ast::{Fault, Kind, Query, Stage, Term, fault};
use super::parser::{Parameters, parse};
use super::rows::{Row, Rows, Trouble, cells_of, order_of, too_heavy};
use super::table::{Plan, Shape, plan};
use super::translate::Clock;

/// What events of several scopes are merged by.
type Key = (Vec<Value>, Timestamp);

/// Reads a query and runs it over all scopes that the key holds; answers the first rows.
///
/// # Errors
/// `kql_invalid`, `kql_too_heavy`.
pub(in super::super) async fn answered(
    app: &App,
    entered: &mut Entered,
    text: &str,
    parameters: &Parameters,
) -> Result<List, Error> {
    let query = parse(text, parameters).map_err(|fault| fault.into_error(text))?;
    let scopes = scopes::asked(entered, |scope| may_hold(&query, scope))?;
    let (total, rows) = run(app, entered, &query, &scopes).await.map_err(|trouble| refused(trouble, text))?;
    let columns = rows.columns;
    let items = rows.rows.into_iter().take(ROWS_MAX).map(|row| row.shown(&columns)).collect();
    Ok(List::new(total, items))
}

/// The ids of devices that a query comes to in one scope.
///
/// # Errors
/// As [`answered`]; `kql_too_heavy` for more than `most`.
pub(in super::super) async fn devices(
    app: &App,
    entered: &mut Entered,
    scope: &Scoped,
    (query, text): (&Query, &str),
    most: usize,
) -> Result<Vec<String>, Error> {
    let mut query = query.clone();
    let column = Term::new(text.len(), Kind::Column(vec!["DeviceId".into()]));
    let by = vec![("DeviceId".to_owned(), column)];
    query.stages.push((text.len(), Stage::Summarize { measures: Vec::new(), by }));
    let scopes: &[Scoped] = if may_hold(&query, &scope.name) { std::slice::from_ref(scope) } else { &[] };
    let (_, rows) = run(app, entered, &query, scopes).await.map_err(|trouble| refused(trouble, text))?;
    let shown = rows.rows.into_iter().map(|row| row.shown(&rows.columns));
    let devices: Vec<String> = shown.filter_map(|own| own["DeviceId"].as_str().map(str::to_owned)).collect();
    if devices.len() > most {
        return Err(too_heavy(format!("it comes to more than {most} devices; narrow it with where")));
    }
    Ok(devices)
}

fn refused(trouble: Trouble, text: &str) -> Error {
    match trouble {
        Trouble::Fault(fault) => fault.into_error(text),
        Trouble::Error(error) => match error.code {
            "query_timeout" => {
                too_heavy("not all events could be looked at in time; narrow it with DeviceId or User.Email")
            }
            "groups_too_many" | "sum_too_large" | "fold_undecided" => too_heavy(&error.message),
            _ => error,
        },
    }
}

/// Whether a query may find something in a scope, as far as its first conditions say so in the open.
pub(super) fn may_hold(query: &Query, scope: &str) -> bool {
    let conditions = query.stages.iter().map_while(|(_, stage)| match stage {
        Stage::Where(term) => Some(term),
        _ => None,
    });
    conditions.into_iter().all(|term| truth(term, scope) != Some(false))
}

/// The truth of a condition, where the name of the scope decides it.
fn truth(term: &Term, scope: &str) -> Option<bool> {
    let is = |value: &Term| match &value.kind {
        Kind::Text(text) => Some(text == scope),
        _ => None,
    };
    match &term.kind {
        Kind::Bool(truth) => Some(*truth),
        Kind::Not(inner) => truth(inner, scope).map(|own| !own),
        Kind::And(parts) => {
            let all: Vec<_> = parts.iter().map(|part| truth(part, scope)).collect();
            if all.contains(&Some(false)) { Some(false) } else { all.iter().all(Option::is_some).then_some(true) }
        }
        Kind::Or(parts) => {
            let all: Vec<_> = parts.iter().map(|part| truth(part, scope)).collect();
            if all.contains(&Some(true)) { Some(true) } else { all.iter().all(Option::is_some).then_some(false) }
        }
        Kind::Compare(tessera_expr::ast::Comparison::Equal, of, value) if is_scope(of) => is(value),
        Kind::Compare(tessera_expr::ast::Comparison::NotEqual, of, value) if is_scope(of) => is(value).map(|own| !own),
        Kind::In { of, list, minds_case: true } if is_scope(of) => {
            let all: Option<Vec<bool>> = list.iter().map(is).collect();
            all.map(|all| all.contains(&true))
        }
        _ => None,
    }
}

fn is_scope(term: &Term) -> bool {
    matches!(&term.kind, Kind::Column(names) if names.len() == 1 && *names[0] == *"Scope")
}

/// That a query says what can be asked, whatever is found.
///
/// # Errors
/// `kql_invalid`.
pub(in super::super) fn checked(query: &Query, text: &str) -> Result<(), Error> {
    let (emails, now) = (HashMap::new(), Timestamp::MIN);
    let plan = plan(query, OfEvents { scope: "", emails: &emails }, Clock::At(now));
    let plan = plan.map_err(|fault| fault.into_error(text))?;
    let (columns, is_whole) = match &plan.shape {
        Shape::Events(columns) => (names(columns.iter().map(|(name, _)| name)), true),
        Shape::Rows(columns) => (names(columns.iter().map(|(name, _)| name)), false),
        Shape::Groups { by, measures } => {
            (names(by.iter().map(|(name, _)| name).chain(measures.iter().map(|(name, ..)| name))), false)
        }
    };
    let mut none = Rows::new((columns, is_whole), Vec::new(), 0, now);
    none.apply_all(&query.stages[plan.rest..]).map_err(|trouble| refused(trouble, text))
}

/// Runs a query. Answers how many rows there are in all, and as many of them as were asked for.
async fn run(app: &App, entered: &mut Entered, query: &Query, scopes: &[Scoped]) -> Result<(u64, Rows), Trouble> {
    let now = app.now();
    let emails = HashMap::new();
    // What is wrong with a query is told even where there is nothing to ask.
    let first = plan(query, OfEvents { scope: "", emails: &emails }, Clock::At(now))?;
    let has_rest = first.rest < query.stages.len();
    if has_rest && first.limit.is_some_and(|limit| limit > WINDOW_MAX) {
        let at = query.stages.get(first.rest).map_or(0, |(at, _)| *at);
        return Err(fault(at, format!("an end, or at most {WINDOW_MAX} rows taken before it")).into());
    }
    let (mut total, mut rows) = match &first.shape {
        Shape::Groups { .. } => grouped(app, entered, query, (scopes, now), &first).await?,
        Shape::Events(_) | Shape::Rows(_) => listed(app, entered, query, (scopes, now), &first).await?,
    };
    if has_rest {
        // It may take a while, so that other requests do not wait for it.
        let stages = query.stages[first.rest..].to_vec();
        let work = move || rows.apply_all(&stages).map(|()| rows);
        let ended = tokio::task::spawn_blocking(work).await;
        rows = ended.map_err(|_| Error::new(ErrorKind::Internal, "internal", "a query met a fault of ours"))??;
        entered.grow_to(2 * rows.bytes)?;
        total = rows.rows.len() as u64;
    }
    Ok((total, rows))
}

/// E-mail addresses that a query names, in the spelling that they have in a scope.
async fn spelled(app: &App, scope: &Scoped, query: &Query) -> Result<HashMap<String, String>, Error> {
    let mut spelled = HashMap::new();
    for text in &query.addresses {
        if let Some(own) = app.service.normalised(scope.workspace, EMAIL, text).await? {
            spelled.insert(text.clone(), own.to_string());
        }
    }
    Ok(spelled)
}

fn rule(expr: Expr) -> Result<EventRule, Fault> {
    EventRule::value(expr).map_err(|problem| fault(0, problem.expected))
}

fn condition(filter: Vec<Expr>) -> Result<Option<EventRule>, Fault> {
    if filter.is_empty() {
        return Ok(None);
    }
    let all = Expr::and(filter, Place::Nowhere);
    EventRule::condition(all).map(Some).map_err(|problem| fault(0, problem.expected))
}

fn names<'a>(columns: impl IntoIterator<Item = &'a String>) -> Vec<Name> {
    columns.into_iter().map(|name| Name::from(name.as_str())).collect()
}

/// Groups of the events of all scopes.
async fn grouped(
    app: &App,
    entered: &mut Entered,
    query: &Query,
    (scopes, now): (&[Scoped], Timestamp),
    first: &Plan,
) -> Result<(u64, Rows), Trouble> {
    let Shape::Groups { by, measures } = &first.shape else {
        return Ok((0, Rows::new((Vec::new(), false), Vec::new(), 0, now)));
    };
    let columns = names(by.iter().map(|(name, _)| name).chain(measures.iter().map(|(name, ..)| name)));
    let mut folding = Folding::new(by.len(), measures.iter().map(|(_, measure, _)| *measure).collect());
    for scope in scopes {
        let emails = spelled(app, scope, query).await?;
        let plan = plan(query, OfEvents { scope: &scope.name, emails: &emails }, Clock::At(now))?;
        let Shape::Groups { by, measures } = plan.shape else { continue };
        let values = by.into_iter().map(|(_, expr)| expr).chain(measures.into_iter().filter_map(|(.., of)| of));
        let query = FoldQuery {
            filter: condition(plan.filter)?,
            values: values.map(rule).collect::<Result<_, Fault>>()?,
            visibility: entered.visibility(),
        };
        folding = app.service.fold_events(scope.workspace, &query, folding).await?;
    }
    let rows = folding.rows();
    let bytes = rows.iter().flatten().map(Value::size_bytes).sum::<usize>();
    entered.grow_to(2 * bytes)?;
    let rows: Vec<Row> = rows.into_iter().map(|values| Row::of(&columns, values)).collect();
    Ok((rows.len() as u64, Rows::new((columns, false), rows, bytes, now)))
}

/// Events of all scopes, or columns of them: the first in the order that is asked for.
async fn listed(
    app: &App,
    entered: &mut Entered,
    query: &Query,
    (scopes, now): (&[Scoped], Timestamp),
    first: &Plan,
) -> Result<(u64, Rows), Trouble> {
    let has_rest = first.rest < query.stages.len();
    let top = first.limit.unwrap_or(ROWS_MAX).min(if has_rest { WINDOW_MAX } else { ROWS_MAX });
    let is_whole = matches!(first.shape, Shape::Events(_));
    let (Shape::Events(columns) | Shape::Rows(columns)) = &first.shape else {
        return Ok((0, Rows::new((Vec::new(), false), Vec::new(), 0, now)));
    };
    let columns = names(columns.iter().map(|(name, _)| name));
    let (mut total, mut bytes, mut found): (u64, usize, Vec<(Key, Row)>) = (0, 0, Vec::new());
    for scope in scopes {
        let emails = spelled(app, scope, query).await?;
        let plan = plan(query, OfEvents { scope: &scope.name, emails: &emails }, Clock::At(now))?;
        let question = question(entered, plan, top)?;
        let page = app.service.events_where(scope.workspace, &question).await?;
        if page.undecided > 0 {
            return Err(too_heavy("its conditions take more steps for one event than they may").into());
        }
        if page.is_cut {
            return Err(
                too_heavy("the events are larger than one answer may be; take fewer, or project columns").into()
            );
        }
        total += page.total;
        for event in page.events {
            bytes += event.call.payload.len() + 500 + event.values.iter().map(Value::size_bytes).sum::<usize>();
            found.push(row(event, (scope, &columns), (is_whole, has_rest), question.order_by.len()));
        }
        entered.grow_to(2 * bytes)?;
    }
    let orders: Vec<Sorting> = first.order.iter().map(|(_, sorting)| *sorting).collect();
    if scopes.len() > 1 {
        found.sort_by(|((one, at), _), ((other, of), _)| {
            order_of(one, other, &orders).then_with(|| Reverse(at).cmp(&Reverse(of)))
        });
    }
    found.truncate(top);
    let total = first.limit.map_or(total, |limit| total.min(limit as u64));
    let rows = found.into_iter().map(|(_, row)| row).collect();
    Ok((total, Rows::new((columns, is_whole), rows, bytes, now)))
}

/// What is asked of one scope: the first in the order, with what they are sorted by and their columns.
fn question(entered: &Entered, plan: Plan, top: usize) -> Result<EventsQuery, Fault> {
    let order = plan.order.into_iter().map(|(expr, sorting)| Ok((rule(expr)?, sorting)));
    let order = order.collect::<Result<Vec<_>, Fault>>()?;
    let columns = match plan.shape {
        Shape::Events(columns) | Shape::Rows(columns) => columns,
        Shape::Groups { .. } => Vec::new(),
    };
    let columns = columns.into_iter().map(|(_, expr)| rule(expr));
    let values = order.iter().map(|(rule, _)| Ok(rule.clone())).chain(columns).collect::<Result<_, Fault>>()?;
    Ok(EventsQuery {
        filter: condition(plan.filter)?,
        order_by: order,
        skip: 0,
        top,
        values,
        visibility: entered.visibility(),
    })
}

/// A row of an event, and what it is merged by.
fn row(
    mut event: FoundEvent,
    (scope, columns): (&Scoped, &[Name]),
    (is_whole, has_rest): (bool, bool),
    sorted_by: usize,
) -> (Key, Row) {
    let mut keys = std::mem::take(&mut event.values);
    let values = keys.split_off(sorted_by.min(keys.len()));
    let key = (keys, event.call.time);
    if !is_whole {
        return (key, Row::of(columns, values));
    }
    let shown = match serde_json::to_value(render::event(&event, &scope.name)) {
        Ok(Json::Object(members)) => members,
        _ => Map::new(),
    };
    let mut row = if has_rest {
        let cells = cells_of(&shown, event.call.time);
        Row { event: Some(shown), cells }
    } else {
        Row { event: Some(shown), ..Row::of(&[], Vec::new()) }
    };
    for (column, value) in columns.iter().zip(values) {
        row.put(column, value);
    }
    (key, row)
}
