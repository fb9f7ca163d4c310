//! What an export holds, told in a file that comes last: where it is there, the export is whole.

use serde::Serialize;
use tessera_engine::time::Timestamp;

use super::content::{ExportContent, ExportOf};
use super::{Reached, file_name};
use crate::base::clock::format_timestamp;
use crate::base::error::{Error, ErrorKind};
use crate::jobs::Job;

/// The name of the file.
pub(crate) const MANIFEST: &str = "manifest.json";

/// What there is to tell.
pub(crate) struct Manifest<'a> {
    pub(crate) job: &'a Job,
    pub(crate) asked: &'a ExportContent,
    pub(crate) reached: &'a Reached,
    pub(crate) policy: Option<&'a (String, u64)>,
}

#[derive(Serialize)]
struct Told<'a> {
    job: String,
    of: ExportOf,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<&'a str>,
    merge_policy: Option<Policy<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<&'a [String]>,
    format: &'a str,
    compression: &'a str,
    /// None of lines of JSON, whose rows say what they have.
    columns: Option<Vec<Column>>,
    rows: u64,
    bytes: u64,
    files: Vec<File>,
    began_at: Option<String>,
    ended_at: String,
}

#[derive(Serialize)]
struct Policy<'a> {
    id: &'a str,
    version: u64,
}

#[derive(Serialize)]
struct Column {
    name: String,
    /// None where it was not found out: of columns of CSV that were named.
    r#type: Option<String>,
}

#[derive(Serialize)]
struct File {
    name: String,
    rows: u64,
    bytes: u64,
    /// The instant whose rows it has: another one where the export was broken off and went on.
    as_of: Option<String>,
}

impl Manifest<'_> {
    /// The file.
    ///
    /// # Errors
    /// `Internal`, never in practice.
    pub(crate) fn to_json(&self, now: Timestamp) -> Result<Vec<u8>, Error> {
        let Self { job, asked, reached, policy } = self;
        let file = |(at, own): (usize, &super::reached::Written)| File {
            name: file_name(at + 1, asked),
            rows: own.rows,
            bytes: own.bytes,
            as_of: Timestamp::from_micros(own.as_of).map(format_timestamp),
        };
        let column = |field: tessera_connect::Field| Column {
            r#type: asked.knows_types().then(|| field.kind.name()),
            name: field.name,
        };
        let columns = asked.format().has_columns().then(|| reached.fields().unwrap_or_default());
        let told = Told {
            job: job.id.to_string(),
            of: asked.of,
            segment: asked.segment.as_deref(),
            filter: asked.filter.as_deref(),
            time_zone: asked.time_zone.as_deref(),
            merge_policy: policy.map(|(id, version)| Policy { id, version: *version }),
            fields: asked.fields.as_deref(),
            from: asked.from.as_deref(),
            until: asked.until.as_deref(),
            events: asked.events.as_deref(),
            format: &asked.format,
            compression: &asked.compression,
            columns: columns.map(|fields| fields.into_iter().map(column).collect()),
            rows: reached.files.iter().map(|own| own.rows).sum(),
            bytes: reached.files.iter().map(|own| own.bytes).sum(),
            files: reached.files.iter().enumerate().map(file).collect(),
            began_at: job.started_at.map(format_timestamp),
            ended_at: format_timestamp(now),
        };
        serde_json::to_vec_pretty(&told)
            .map_err(|_| Error::new(ErrorKind::Internal, "internal", "a manifest could not be written"))
    }
}
