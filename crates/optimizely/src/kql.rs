//! Queries over track events in KQL (spec/optimizely.md sections 8.3 and 8.5): read, translated to expressions of ours, and run.
//!
//! What single events decide is asked of the service: a condition, an order with so many of the first, groups with their measures. What a
//! query does with rows that were found is done here, within bounds. An answer is exact, or there is none.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use tessera_expr::value::Decimal;
use tessera_seam::answer::{Answer, json};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::Query as Options;
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::members::Members;

use super::DOOR;
use super::errors::invalid_member;
use super::parse::Object;

mod ast;
mod lexer;
mod parser;
mod rows;
mod run;
mod table;
mod translate;

#[cfg(test)]
mod tests;

pub(super) use ast::{Kind, Query};
pub(super) use lexer::span;
pub(super) use parser::{Parameters, parse};
pub(super) use run::{answered, checked, devices};
pub(super) use table::of_own_events;

/// Bytes of a query.
pub(super) const QUERY_BYTES_MAX: usize = 10_000;
/// Rows that are answered (section 15).
pub(super) const ROWS_MAX: usize = 1_000;
/// Parameters of one query.
pub(super) const PARAMETERS_MAX: usize = 100;

/// The columns of `Events`.
const EVENT_COLUMNS: [&str; 12] = [
    "TrackId",
    "DeviceId",
    "EventType",
    "Value",
    "PageUri",
    "PageTitle",
    "RemoteAddress",
    "EventTime",
    "CountryCode",
    "Scope",
    "User",
    "Payload",
];

/// What somebody gives a parameter to be.
///
/// # Errors
/// `member_invalid` for what is no single value.
pub(super) fn parameter(name: &str, value: &Json) -> Result<Kind, Error> {
    Ok(match value {
        Json::Null => Kind::Null,
        Json::Bool(own) => Kind::Bool(*own),
        Json::String(text) => Kind::Text(text.clone()),
        Json::Number(number) => {
            let expected = |_| invalid_member(&format!("Parameters.{name}"), "a number below about 1.7e20 is expected");
            Kind::Number(Decimal::parse(&number.to_string()).map_err(expected)?)
        }
        Json::Array(_) | Json::Object(_) => {
            return Err(invalid_member(
                &format!("Parameters.{name}"),
                "a text, a number, true, false or null is expected",
            ));
        }
    })
}

/// The values of the parameters of a request.
///
/// # Errors
/// `member_invalid`.
pub(super) fn given(members: Option<Members<'_>>) -> Result<Vec<(String, Json)>, Error> {
    let members = members.map(|own| own.0).unwrap_or_default();
    if members.len() > PARAMETERS_MAX {
        return Err(invalid_member("Parameters", format!("at most {PARAMETERS_MAX} are expected")));
    }
    let read = |raw: &RawValue| serde_json::from_str(raw.get()).map_err(|error| body::json_error(&error));
    members.into_iter().map(|(name, raw)| Ok((name, read(raw)?))).collect()
}

/// Values as a query has them.
///
/// # Errors
/// `member_invalid`.
pub(super) fn parameters(given: &[(String, Json)]) -> Result<Parameters, Error> {
    given.iter().map(|(name, value)| Ok((name.clone(), parameter(name, value)?))).collect()
}

/// Runs a query over the events of all scopes that the key holds.
pub(super) async fn preview(State(app): State<Arc<App>>, query: Options, headers: HeaderMap, body: Body) -> Answer {
    let mut entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let bytes = entered.body(&app, &headers, body).await?;
    let sent = Object::read(body::json(&bytes)?);
    let text = sent.text("Query")?.ok_or_else(|| invalid_member("Query", "a query over Events is expected"))?;
    let given = parameters(&given(sent.object("Parameters")?)?)?;
    let list = answered(&app, &mut entered, &text, &given).await?;
    let response = json(&list);
    Ok(entered.answer(response))
}
