//! Lists in other forms than JSON: one table, or one JSON object a line.

use axum::http::HeaderValue;
use serde::Serialize;
use serde_json::json;
use tessera_service::error::Error;

use crate::answer::{invalid, to_json};
use crate::extract::Query;
use crate::route::Route;

/// The media type of a table.
pub const CSV: &str = "text/csv";
/// The media type of lines of JSON.
pub const LINES: &str = "application/x-ndjson";

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One page, as JSON.
    Json,
    /// A table.
    Csv,
    /// One JSON object a line.
    Lines,
}

impl Format {
    /// The form that a request asks for: by the parameter `format`, or else by the header `Accept`, of which the first media type that is known
    /// counts.
    ///
    /// # Errors
    /// `format_invalid`.
    pub fn of(query: &Query, accept: Option<&HeaderValue>) -> Result<Self, Error> {
        match query.get("format") {
            Some("json") => return Ok(Self::Json),
            Some("csv") => return Ok(Self::Csv),
            Some("jsonl") => return Ok(Self::Lines),
            Some(_) => return Err(invalid("format_invalid", "format is expected to be json, csv or jsonl")),
            None => {}
        }
        let accepted = accept.and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let known = accepted.split(',').find_map(|one| match one.split(';').next().unwrap_or_default().trim() {
            "application/json" | "*/*" => Some(Self::Json),
            CSV => Some(Self::Csv),
            LINES | "application/jsonl" | "application/json-lines" => Some(Self::Lines),
            _ => None,
        });
        Ok(known.unwrap_or(Self::Json))
    }

    /// What its media type is called in answers.
    pub const fn media(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Lines => LINES,
        }
    }

    /// How files of it end.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Lines => "jsonl",
        }
    }
}

/// Documents the parameter.
pub fn formats(route: Route) -> Route {
    let schema = json!({ "type": "string", "enum": ["json", "csv", "jsonl"], "default": "json" });
    route.query(
        "format",
        "`json`, `csv` or `jsonl` (one object a line); where it is left out, the header `Accept` is asked.",
        schema,
    )
}

/// Writes a row of a table.
pub fn row<'a>(to: &mut Vec<u8>, cells: impl IntoIterator<Item = &'a str>) {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(cells).expect("a vector takes everything");
}

/// Writes an object as a line.
pub fn line(to: &mut Vec<u8>, object: &impl Serialize) {
    to.extend(to_json(object));
    to.push(b'\n');
}
