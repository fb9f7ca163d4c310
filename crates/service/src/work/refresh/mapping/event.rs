//! Rows that are events: their names, times and ids, and what else they say as properties.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::to_raw_value;
use serde_json::{Map, Number, Value as Json};
use tessera_connect::{Row, Unfit, Value as Cell};
use tessera_engine::fact::{Call, EventKind, Fact};
use tessera_engine::time::Timestamp;

use super::{Becomes, LeftOut, Mapping, claim, identity_text, number};
use crate::base::clock::parse_timestamp;
use crate::base::payload::Payload;

/// Characters of an event's id.
const ID_CHARS_MAX: usize = 100;

/// The event that a row is. All that is known under a name are those that have no column of it.
pub(super) fn fact<'a>(
    mapping: &'a Mapping,
    name: Option<&Arc<str>>,
    row: Row,
    left_out: &mut Vec<LeftOut<'a>>,
) -> Result<Fact, &'static str> {
    let (mut document, mut claims, mut properties) = (None, Vec::new(), Map::new());
    let (mut name, mut time, mut id) = (name.cloned(), None, None);
    for ((column, becomes), cell) in mapping.columns.iter().zip(row) {
        match becomes {
            Becomes::Primary { namespace } => document = identity_text(&cell)?.map(|text| claim(namespace, &text)),
            Becomes::Identifier { namespace } => match identity_text(&cell) {
                Ok(text) => claims.extend(text.map(|text| claim(namespace, &text))),
                Err(code) => left_out.push((&column.name, code)),
            },
            Becomes::EventName => name = identity_text(&cell)?.map(Into::into),
            Becomes::EventTime => time = Some(instant(&cell)?),
            Becomes::EventId => id = identity_text(&cell)?.map(Cow::into_owned),
            Becomes::Property { name } => match property(cell) {
                Ok(Json::Null) => {}
                Ok(value) => drop(properties.insert(name.clone(), value)),
                Err(code) => left_out.push((&column.name, code)),
            },
            Becomes::Audience | Becomes::Attribute { .. } | Becomes::Nothing { .. } => {}
        }
    }
    let id = id.ok_or("row_event_id_null")?;
    if id.chars().count() > ID_CHARS_MAX {
        return Err("message_id_too_long");
    }
    let properties = to_raw_value(&properties).map_err(|_| "event_invalid")?;
    let payload = Payload { properties: Some(&properties), ..Payload::default() }.to_bytes();
    Ok(Fact {
        id: id.into(),
        dataset: mapping.dataset.clone(),
        batch: None,
        time: Some(time.ok_or("row_event_time_invalid")?),
        claims,
        document: Some(document.ok_or("row_primary_null")?),
        attributes: Vec::new(),
        account: None,
        call: Some(Call { kind: EventKind::Action, name: Some(name.ok_or("event_missing")?), payload }),
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    })
}

fn instant(cell: &Cell) -> Result<Timestamp, &'static str> {
    match cell {
        Cell::Timestamp(text) | Cell::Text(text) => parse_timestamp(text).map_err(|_| "row_event_time_invalid"),
        Cell::Null | Cell::Boolean(_) | Cell::Number(_) | Cell::Json(_) | Cell::Unfit(_) => {
            Err("row_event_time_invalid")
        }
    }
}

fn property(cell: Cell) -> Result<Json, &'static str> {
    Ok(match cell {
        Cell::Null => Json::Null,
        Cell::Boolean(truth) => Json::Bool(truth),
        Cell::Text(text) | Cell::Timestamp(text) => Json::String(text),
        Cell::Json(json) => json,
        Cell::Unfit(unfit) => return Err(unfit.code()),
        Cell::Number(digits) => {
            number(&digits)?;
            Json::Number(digits.parse::<Number>().map_err(|_| Unfit::NotOfKind.code())?)
        }
    })
}
