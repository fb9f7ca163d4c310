//! The audit log: who changed, read in bulk, exported or erased what.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use tessera_engine::time::Timestamp;
use tessera_seam::answer::{Answer, invalid, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::bounds::{LIST_DEFAULT, LIST_MAX};
use tessera_seam::extract::Query;
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::stream::{self, Parts};
use tessera_seam::table::{self, Format};
use tessera_seam::transport::{After, hold_until_sent};
use tessera_service::audit::{Action, AuditQuery, Entry, Outcome};
use tessera_service::clock::{format_timestamp, parse_timestamp};
use tessera_service::directory::{Caller, Directory, KeyId, OrganizationId, Permission};
use tessera_service::error::Error;
use utoipa::ToSchema;

use super::wire::List;

const ADMINISTER: Access = Access::Directory(&[Permission::Administer, Permission::Operate]);

/// One entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct Shown {
    /// When the request came.
    at: String,
    /// The workspace that it was about; null for what belongs to the organization.
    workspace: Option<String>,
    /// The id of the key that asked.
    key_id: String,
    /// What the key was called then.
    key_name: String,
    /// `configure`, `administer`, `direct`, `erase`, `suppress`, `export`, `read` (of many people at once) or `run` (a job).
    action: &'static str,
    /// The door that it came by.
    door: String,
    /// Method and path, with the names of its parameters in place of what they held.
    operation: String,
    /// What it was about: names of what is configured, and ids of jobs, keys, receipts. Never a value of a person.
    objects: Vec<Thing>,
    /// How many more things it was about than the 20 that are named.
    objects_more: u32,
    /// `done`; `refused`: the key may not do it; `in_part`; `unknown`: it may have been done; `failed` by a fault of the server.
    outcome: &'static str,
    /// Why it was not done: one of the documented codes.
    code: Option<String>,
    /// The address at the other end of the connection.
    address: Option<String>,
    /// The id of the request.
    request_id: String,
}

/// A thing that an entry is about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditedThing)]
struct Thing {
    /// What it is, such as `segment`, `key` or `job`.
    kind: String,
    /// Its name or id; null of what there is one of, such as the data model.
    name: Option<String>,
}

pub(super) fn routes() -> [Route; 1] {
    let text = json!({ "type": "string" });
    let names = |names: Vec<&str>| json!({ "type": "string", "enum": names });
    let entry = json!({
        "at": "2026-01-31T10:00:00Z", "workspace": "shop", "key_id": "019a0f3e5b2c7d41e0a8f5c2", "key_name": "crm",
        "action": "configure", "door": "native", "operation": "PUT /v1/segments/{name}",
        "objects": [{ "kind": "name", "name": "loyal" }, { "kind": "segment", "name": "loyal" }], "objects_more": 0,
        "outcome": "done", "code": null, "address": "192.0.2.7", "request_id": "crm-17"
    });
    let page = json!({ "items": [entry], "next_cursor": null });
    let route = Route::new(Method::GET, "/v1/audit", ADMINISTER, get(list), Tag::Administration, "Reads the audit log")
        .describe(
            "Who changed configuration, rules, keys and jobs, read many people at once, exported, erased, suppressed, joined and separated, \
             when, from where, by which door, and what became of it. Newest first, of the organization; a key that holds some of its workspaces sees \
             what was about these. An entry is written by the commit of the change. Requests that were wrong and did nothing have none; of what \
             a key may not do, ten a minute. As CSV or JSON lines it is all that the filters leave, however much that is, in one answer; one that \
             breaks off is not whole. A filtered page may be short and not the last: go on while there is a cursor.",
        )
        .query("actor", "Only those of the key with this id.", text.clone())
        .query("action", "Only those of this action.", names(Action::ALL.map(Action::name).to_vec()))
        .query("outcome", "Only those with this outcome.", names(Outcome::ALL.map(Outcome::name).to_vec()))
        .query("workspace", "Only those about this workspace.", text.clone())
        .query("from", "Only those from this instant on.", json!({ "type": "string", "format": "date-time" }))
        .query("to", "Only those before this instant.", json!({ "type": "string", "format": "date-time" }))
        .query("organization", "The organization; the key's own where it is left out. Others need `operate`.", text.clone())
        .query("limit", "How many on a page.", json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }))
        .query("cursor", "`next_cursor` of the page before.", text);
    [table::formats(route)
        .answer_list::<List<Shown>, Shown>("A page of entries.", page)
        .answer_other(200, "All of them, as one table.", table::CSV)
        .answer_other(200, "All of them, one object a line.", table::LINES)]
}

async fn list(State(app): State<Arc<App>>, query: Query, headers: HeaderMap) -> Answer {
    let (caller, held) = app.enter_directory(&headers)?;
    let organization = app.service.directory().organization(&caller, query.get("organization"))?.id;
    let asked = asked(&caller, &query)?;
    match Format::of(&query, headers.get(ACCEPT))? {
        Format::Json => {
            let page = app.service.audit_log(&caller, organization, &asked).await?;
            let directory = app.service.directory().snapshot();
            let items: Vec<Shown> = page.items.into_iter().map(|entry| shown(entry, &directory)).collect();
            let answer = json_answer(&List { items, next_cursor: page.next_cursor });
            Ok(hold_until_sent(answer, held, After::Read))
        }
        format => {
            let asked = Some(AuditQuery { limit: LIST_MAX, ..asked });
            let parts = Pages { app, caller, organization, asked, format, has_begun: false };
            Ok(hold_until_sent(exported(parts, format).await?, held, After::Read))
        }
    }
}

fn asked(caller: &Caller, query: &Query) -> Result<AuditQuery, Error> {
    let instant = |name: &'static str| -> Result<Option<Timestamp>, Error> {
        let invalid = |_| invalid("time_invalid", format!("{name} must be in iso 8601"));
        query.get(name).map(|text| parse_timestamp(text).map_err(invalid)).transpose()
    };
    let unknown = |name: &str, all: Vec<&str>| invalid("query_invalid", format!("{name} is one of {}", all.join(", ")));
    Ok(AuditQuery {
        limit: query.limit(LIST_DEFAULT, LIST_MAX)?,
        cursor: query.get("cursor").map(str::to_owned),
        key: query.get("actor").map(KeyId::parse).transpose()?,
        action: query
            .get("action")
            .map(|name| Action::named(name).ok_or_else(|| unknown("action", Action::ALL.map(Action::name).to_vec())))
            .transpose()?,
        outcome: query
            .get("outcome")
            .map(|name| {
                Outcome::named(name).ok_or_else(|| unknown("outcome", Outcome::ALL.map(Outcome::name).to_vec()))
            })
            .transpose()?,
        workspace: query.get("workspace").map(|name| caller.workspace(Some(name))).transpose()?,
        from: instant("from")?,
        to: instant("to")?,
    })
}

fn shown(entry: Entry, directory: &Directory) -> Shown {
    let workspace = |id| directory.workspace(id).map(|workspace| workspace.name.to_string());
    Shown {
        at: format_timestamp(entry.at),
        workspace: entry.workspace.and_then(workspace),
        key_id: entry.key.to_string(),
        key_name: entry.key_name,
        action: entry.action.name(),
        door: entry.door,
        operation: entry.operation,
        objects: entry.objects.into_iter().map(|own| Thing { kind: own.kind, name: own.name }).collect(),
        objects_more: entry.objects_more,
        outcome: entry.outcome.name(),
        code: entry.code,
        address: entry.address.map(|address| address.to_string()),
        request_id: entry.request_id,
    }
}

async fn exported(parts: Pages, format: Format) -> Result<Response, Error> {
    let file = format!("attachment; filename=\"audit.{}\"", format.ending());
    let mut response = stream::body(parts).await?.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media()));
    headers.extend(HeaderValue::from_str(&file).ok().map(|file| (CONTENT_DISPOSITION, file)));
    Ok(response)
}

/// The names of the columns of the table.
const COLUMNS: [&str; 13] = [
    "at",
    "workspace",
    "key_id",
    "key_name",
    "action",
    "door",
    "operation",
    "objects",
    "objects_more",
    "outcome",
    "code",
    "address",
    "request_id",
];

/// An export, page by page.
struct Pages {
    app: Arc<App>,
    caller: Caller,
    organization: OrganizationId,
    /// The next page; none behind the last.
    asked: Option<AuditQuery>,
    format: Format,
    has_begun: bool,
}

impl Parts for Pages {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut part = Vec::new();
        // The head goes with the first page: what is wrong with the question is told before it.
        let mut begins = !std::mem::replace(&mut self.has_begun, true);
        if begins && self.format == Format::Csv {
            table::row(&mut part, COLUMNS);
        }
        while (std::mem::take(&mut begins) || part.is_empty())
            && let Some(asked) = self.asked.take()
        {
            let page = self.app.service.audit_log(&self.caller, self.organization, &asked).await?;
            let directory = self.app.service.directory().snapshot();
            for entry in page.items {
                let shown = shown(entry, &directory);
                match self.format {
                    Format::Csv => table::row(&mut part, cells(&shown).iter().map(AsRef::as_ref)),
                    Format::Json | Format::Lines => table::line(&mut part, &shown),
                }
            }
            self.asked = page.next_cursor.map(|cursor| AuditQuery { cursor: Some(cursor), ..asked });
        }
        Ok((!part.is_empty()).then(|| part.into()))
    }
}

fn cells(shown: &Shown) -> [String; 13] {
    let objects: Vec<String> =
        shown.objects.iter().map(|own| format!("{}:{}", own.kind, own.name.as_deref().unwrap_or_default())).collect();
    [
        shown.at.clone(),
        shown.workspace.clone().unwrap_or_default(),
        shown.key_id.clone(),
        shown.key_name.clone(),
        shown.action.to_owned(),
        shown.door.clone(),
        shown.operation.clone(),
        objects.join(" "),
        shown.objects_more.to_string(),
        shown.outcome.to_owned(),
        shown.code.clone().unwrap_or_default(),
        shown.address.clone().unwrap_or_default(),
        shown.request_id.clone(),
    ]
}
