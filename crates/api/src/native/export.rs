//! Everything that is held of one person, as JSON or as one table.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use bytes::Bytes;
use serde_json::json;
use tessera_seam::answer::{Answer, invalid};
use tessera_seam::app::App;
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::stream::{self, Parts};
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::export::{Export, Held};

use super::profiles::Named;

mod render;

/// Bytes from which on a part is sent.
const PART_BYTES: usize = 64 << 10;

/// The route that exports a profile that is named so.
pub(super) fn route(path: &'static str, handler: MethodRouter<Arc<App>>) -> Route {
    let access = Access::Workspace(Permission::Export);
    let format = json!({ "type": "string", "enum": ["json", "csv"], "default": "json" });
    let example = json!({
        "profile_id": "019a0f3e5b2c7d41e0a8f5c2",
        "identities": [{
            "id": "019a0f3e5b2c7d41e0a8f5c2", "namespace": "user_id", "value": "7001", "created_at": "2026-01-31T10:00:00Z",
            "last_seen": "2026-02-01T09:00:00Z", "facts": 41
        }],
        "links": [{
            "between": [{ "namespace": "user_id", "value": "7001" }, { "namespace": "email", "value": "lena@mail.example" }],
            "strength": "verified", "state": "active", "dataset": "crm", "batch": null, "count": 3,
            "first_seen": "2026-01-31T10:00:00Z", "last_seen": "2026-02-01T09:00:00Z"
        }],
        "values": [{
            "namespace": "user_id", "value": "7001", "path": "city", "content": "Lyon", "dataset": "crm", "batch": null,
            "time": "2026-01-31T10:00:00Z", "received_at": "2026-01-31T10:00:01Z"
        }],
        "relations": [],
        "computed_attributes": [{ "name": "orders", "content": 3 }],
        "segments": [{
            "segment": "regulars", "member": true, "entered_at": "2026-01-31T10:00:01Z", "left_at": null
        }],
        "events": [{
            "namespace": "user_id", "value": "7001", "message_id": "m-1", "type": "track", "event": "Order Completed",
            "dataset": "segment", "batch": null, "time": "2026-01-31T10:00:00Z", "received_at": "2026-01-31T10:00:01Z",
            "payload": { "properties": { "total": 41.5 } }
        }]
    });
    Route::new(Method::GET, path, access, handler, Tag::Profiles, "Exports everything that is held of a person")
        .describe(
            "For who asks what is known of them: identities, links with what said so, every value of every attribute with its dataset \
             and times, relations, computed attributes, segments that the person is in or has been in, and all events with their payload. \
             As one table (`csv`) each thing is a row; the columns are `kind` (`identity`, `link`, `attribute`, `relation`, \
             `computed_attribute`, `segment`, `event`), `id`, `namespace`, `value`, `other_namespace`, `other_value`, `name`, `content`, \
             `state`, `dataset`, `batch`, `count`, `from`, `to`; of a segment `from` says when it was entered and `to` when it was left \
             last. Attributes and segments that the key may not see are left out. An answer that breaks off is not whole.",
        )
        .query("format", "`json` or `csv`.", format)
        .answer_free(200, "All of it.", example)
        .answer_other(200, "All of it, as one table.", "text/csv")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

impl Format {
    fn parse(query: &Query) -> Result<Self, Error> {
        match query.get("format") {
            None | Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some(_) => Err(invalid("format_invalid", "format is expected to be json or csv")),
        }
    }
}

pub(super) async fn export<N: Named>(
    State(app): State<Arc<App>>,
    PathParams(name): PathParams<N>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let entered = app.enter(&headers, Permission::Export)?;
    let format = Format::parse(&query)?;
    let export = app.service.export(entered.workspace, &name.lookup(), entered.visibility()).await?;
    Ok(entered.answer(answer(format, export).await?))
}

async fn answer(format: Format, export: Export) -> Result<Response, Error> {
    let (media, ending) = match format {
        Format::Json => ("application/json", "json"),
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
    };
    let file = format!("attachment; filename=\"profile-{}.{ending}\"", export.profile_id());
    let mut response = match format {
        Format::Json => stream::body(JsonParts { export, section: None }).await?,
        Format::Csv => stream::body(CsvParts { export, has_begun: false }).await?,
    }
    .into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.extend(HeaderValue::from_str(&file).ok().map(|file| (CONTENT_DISPOSITION, file)));
    Ok(response)
}

/// The lists of the JSON, in their order.
const SECTIONS: [&str; 7] = ["identities", "links", "values", "relations", "computed_attributes", "segments", "events"];

fn section_of(held: &Held) -> usize {
    match held {
        Held::Identity { .. } => 0,
        Held::Link { .. } => 1,
        Held::Value { .. } => 2,
        Held::Relation { .. } => 3,
        Held::Computed { .. } => 4,
        Held::Membership { .. } => 5,
        Held::Event { .. } => 6,
    }
}

struct JsonParts {
    export: Export,
    /// The list that is open; none before the first and `SECTIONS.len()` at the end.
    section: Option<usize>,
}

impl JsonParts {
    /// Closes lists and opens others up to this one.
    fn open(&mut self, section: usize, part: &mut Vec<u8>) {
        if self.section.is_none() {
            part.extend_from_slice(format!(r#"{{"profile_id":"{}""#, self.export.profile_id()).as_bytes());
        }
        let from = self.section.map_or(0, |open| open + 1);
        for next in from..=section {
            if next > 0 {
                part.push(b']');
            }
            if let Some(name) = SECTIONS.get(next) {
                part.extend_from_slice(format!(r#","{name}":["#).as_bytes());
            }
        }
        self.section = Some(section);
    }
}

impl Parts for JsonParts {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.section == Some(SECTIONS.len()) {
            return Ok(None);
        }
        let mut part = Vec::new();
        while part.len() < PART_BYTES {
            let Some(held) = self.export.next().await? else {
                self.open(SECTIONS.len(), &mut part);
                part.push(b'}');
                break;
            };
            let section = section_of(&held);
            if self.section == Some(section) {
                part.push(b',');
            } else {
                self.open(section, &mut part);
            }
            part.extend(render::json(&held)?);
        }
        Ok(Some(part.into()))
    }
}

struct CsvParts {
    export: Export,
    has_begun: bool,
}

impl Parts for CsvParts {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut table = render::Table::default();
        if !self.has_begun {
            self.has_begun = true;
            table.head();
        }
        while table.bytes() < PART_BYTES {
            let Some(held) = self.export.next().await? else { break };
            table.row(&held)?;
        }
        let part = table.finish();
        Ok((!part.is_empty()).then_some(part))
    }
}
