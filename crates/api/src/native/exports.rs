//! Rows out: profiles, members of a segment, accounts or events as a file in the answer, or as files of a place that a connection names.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tessera_expr::pql;
use tessera_expr::rule::Purpose;
use tessera_seam::answer::{Answer, accepted, invalid};
use tessera_seam::app::{App, Entered};
use tessera_seam::route::{Access, Route, Tag};
use tessera_seam::stream::{self, Parts};
use tessera_seam::{body, once};
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::exports::{
    Compression, ExportContent, ExportOf, ExportPlace, ExportStream, FileFormat, MembersOf, Sees,
};
use tessera_service::idempotency::Once;
use tessera_service::jobs::Job;
use utoipa::ToSchema;

use super::rules;
use crate::jobs::{self, wire};

const PATH: &str = "/v1/exports";

/// What is exported, how it is written, and where to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewExport {
    /// `profiles`: a row for each person. `members`: one for each member of a segment, with `_entered_at` and, where the segment has a control group, `_control`.
    /// `accounts`: one for each account. `events`: one for each event.
    of: String,
    /// Of `members`: the name of the segment.
    #[serde(default)]
    segment: Option<String>,
    /// Of `profiles`, `members` and `accounts`: those of whom this condition holds, in PQL, as of `GET /v1/profiles`. Nobody is looked up by it.
    #[serde(default)]
    filter: Option<String>,
    /// Where the days of the filter begin; UTC where it is left out.
    #[serde(default)]
    time_zone: Option<String>,
    /// The id of the merge policy that profiles are read under; the workspace's default one where it is left out.
    #[serde(default)]
    merge_policy: Option<String>,
    /// What of each is exported, in this order: names of attributes, identifiers, computed attributes or members of an event, and below them
    /// with a dot, `address.city`, `properties.total`. At most 1,000. Everything where it is left out.
    #[serde(default)]
    fields: Option<Vec<String>>,
    /// Of `events`: from this instant on.
    #[serde(default)]
    from: Option<String>,
    /// Of `events`: before this instant.
    #[serde(default)]
    until: Option<String>,
    /// Of `events`: those of these names alone, at most 100.
    #[serde(default)]
    events: Option<Vec<String>>,
    /// `csv`, `jsonl` or `parquet`.
    #[serde(default = "csv")]
    format: String,
    /// `none`, `gzip` or `zstd`, and `snappy` of `parquet`, which has that where it is left out; the others have `none`.
    #[serde(default)]
    compression: Option<String>,
    /// Rows of one file, from 1,000 to 10,000,000; a file has as many and the rest of the record that the last is of. Of an export with `to`.
    #[serde(default)]
    file_rows: Option<u64>,
    /// Where files are written; where it is left out, the answer is the file.
    #[serde(default)]
    to: Option<To>,
}

/// Where files are written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExportTo)]
struct To {
    /// The name of a connection of the kind `files`.
    connection: String,
    /// A path below it that has no export yet: `exports/2026-01-31`.
    path: String,
}

fn csv() -> String {
    FileFormat::Csv.name().to_owned()
}

pub(super) fn routes() -> Vec<Route> {
    let access = Access::Workspace(Permission::Export);
    let mut job = jobs::example();
    let asked = json!({
        "of": "profiles", "format": "parquet", "compression": "snappy",
        "to": { "connection": "lake", "path": "exports/2026-01-31" }, "sees": { "internal": true, "private": false }
    });
    (job["kind"], job["parameters"]) = (json!("export"), asked);
    job["progress"]["unit"] = json!("rows");
    let sent =
        json!({ "of": "profiles", "fields": ["profile_id", "email", "city"], "format": "csv", "compression": "gzip" });
    let route = Route::new(Method::POST, PATH, access, post(make), Tag::Profiles, "Exports profiles, members, accounts or events")
        .describe(
            "Rows are what reads show under a merge policy, as of one instant, to the key that asks: what it may not see is not in them. With a \
             `filter` they are all of whom it holds; where it gives no answer for somebody within its bounds, the export fails (`export_undecided`). Without \
             `to` the answer is one file, made while it is sent; one that breaks off is not whole. With `to`, which takes `configure` as well, the \
             answer is a job, and rows go into files `part-00001.…` below a path of a connection of files. `manifest.json` comes last: where it is \
             there, the export is whole. It tells files, rows, bytes, columns with their types, merge policy and instants. A job that is broken off \
             goes on behind its last whole file, at the instant at which it goes on (`as_of` of each file); no record is in two files. \
             A column has a type only if all its values are of it: `boolean`, `integer` (64 bits), `decimal(38,s)`, `text`, `timestamp` (UTC, \
             microseconds), `date`; what is of several kinds, lists and objects are `json`, as text. Texts are instants or days where the data model \
             says so. To find that out, tables are looked through once before they are written, but for CSV with `fields`. In CSV no value is nothing, \
             an empty text is `\"\"`. Lines of JSON have each what a read shows, or `fields` with null for what is not there.",
        )
        .idempotent()
        .body::<NewExport>(sent)
        .answer_other(200, "The rows, as CSV.", "text/csv")
        .answer_other(200, "The rows, as lines of JSON.", "application/x-ndjson")
        .answer_other(200, "The rows, as Parquet.", PARQUET)
        .answer_other(200, "The rows, compressed with gzip.", "application/gzip")
        .answer_other(200, "The rows, compressed with zstd.", "application/zstd")
        .answer::<wire::Job>(202, "The job that writes them.", job);
    vec![route]
}

/// The media type of Parquet.
const PARQUET: &str = "application/vnd.apache.parquet";

async fn make(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Export)?;
    let key = once::key(&headers)?;
    let body = entered.body(&app, &headers, body).await?;
    let content = parse(&app, body::json(&body)?, &entered).await?;
    if content.to.is_none() {
        let export = app.service.export_rows(entered.workspace, content).await?;
        return Ok(entered.answer(answer(export).await?));
    }
    entered.caller.require(Permission::Configure)?;
    let by = entered.caller.key();
    let work =
        async |once: Option<Once<Job>>| app.service.ask_export(entered.workspace, content, by, once.as_ref()).await;
    let what = (&Method::POST, PATH, &body[..]);
    let json = once::answer(&app, &entered, key, what, |job| Ok(jobs::rendered(job)), work).await?;
    Ok(entered.answer(accepted(json)))
}

async fn parse(app: &App, sent: NewExport, entered: &Entered) -> Result<ExportContent, Error> {
    let of = match &*sent.of {
        "profiles" => ExportOf::Profiles,
        "members" => ExportOf::Members,
        "accounts" => ExportOf::Accounts,
        "events" => ExportOf::Events,
        _ => return Err(invalid("export_invalid", "of: profiles, members, accounts or events is expected")),
    };
    let filter = match sent.filter {
        None => None,
        Some(text) => {
            let spelled = rules::Spelled::Pql(text);
            let model = app.service.rule_model(entered.workspace, entered.visibility()).await?;
            let compiled = rules::compile(&spelled, Purpose::Condition, &model);
            let (rule, _) = compiled.map_err(|problem| rules::refused(&problem, &spelled))?;
            Some(pql::print(rule.source()))
        }
    };
    let format = FileFormat::parse(&sent.format);
    let compression = format.map_or(Compression::None, FileFormat::compression).name().to_owned();
    Ok(ExportContent {
        of,
        segment: sent.segment,
        merge_policy: sent.merge_policy,
        fields: sent.fields,
        from: sent.from,
        until: sent.until,
        events: sent.events,
        format: sent.format,
        compression: sent.compression.unwrap_or(compression),
        file_rows: sent.file_rows,
        to: sent.to.map(|To { connection, path }| ExportPlace { connection, path }),
        sees: Sees::from(entered.visibility()),
        members: MembersOf::All,
        filter,
        time_zone: sent.time_zone,
    })
}

async fn answer(export: ExportStream) -> Result<Response, Error> {
    let content = export.content();
    let (format, compression) = (content.format(), content.compression());
    let media = match (format, compression) {
        (FileFormat::Parquet, _) => PARQUET,
        (_, Compression::Gzip) => "application/gzip",
        (_, Compression::Zstd) => "application/zstd",
        (FileFormat::Csv, _) => "text/csv; charset=utf-8",
        (FileFormat::JsonLines, _) => "application/x-ndjson",
    };
    let of = match content.of {
        ExportOf::Profiles => "profiles",
        ExportOf::Members => "members",
        ExportOf::Accounts => "accounts",
        ExportOf::Events => "events",
    };
    let file = format!("attachment; filename=\"{of}.{}\"", format.ending(compression));
    let mut response = stream::body(Sent(export)).await?.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.extend(HeaderValue::from_str(&file).ok().map(|file| (CONTENT_DISPOSITION, file)));
    Ok(response)
}

struct Sent(ExportStream);

impl Parts for Sent {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.0.next().await
    }
}
