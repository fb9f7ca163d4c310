//! Batches, and the rows of their files.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tessera_engine::time::Timestamp;
use tessera_service::directory::Class;
use tessera_service::error::Error;
use tessera_service::verdict::{Incoming, Rejection};
use tessera_service::workspace_config::StoredConfig;
use utoipa::ToSchema;

use super::super::collection;
use super::super::errors::invalid_parameter;
use super::super::registry::Layout;
use super::kept::{Batch, Status};
use crate::answer::invalid;

/// A batch to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AdobeNewBatch)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewBatch {
    /// The dataset.
    dataset_id: String,
    /// What its files are.
    input_format: InputFormat,
    /// How many of a hundred rows may fail; none where it is left out.
    #[serde(default)]
    partial_ingestion_percentage: u8,
}

/// What files are.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AdobeInputFormat)]
#[serde(rename_all = "camelCase")]
struct InputFormat {
    /// `json`.
    format: String,
    /// Whether a file is one value, or a list of them, and not one for each line.
    #[serde(default)]
    is_multi_line_json: bool,
}

/// Reads a batch, with an id made of these bits.
///
/// # Errors
/// `batch_format_unknown`, `body_invalid`.
pub(super) fn batch(new: NewBatch, bits: [u8; 16], now: Timestamp) -> Result<Batch, Error> {
    if new.input_format.format != "json" {
        let message = "inputFormat.format: json is expected; files of other formats are not read here";
        return Err(invalid("batch_format_unknown", message));
    }
    if new.partial_ingestion_percentage > 100 {
        return Err(invalid("body_invalid", "partialIngestionPercentage: 0 to 100 is expected"));
    }
    let created = now.micros().div_euclid(1_000);
    Ok(Batch {
        id: bits.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
        dataset: new.dataset_id,
        status: Status::Loading,
        is_multi_line: new.input_format.is_multi_line_json,
        failed_percent_max: new.partial_ingestion_percentage,
        files: std::collections::BTreeMap::new(),
        errors: Vec::new(),
        created,
        updated: created,
    })
}

/// What is done to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Complete,
    Abort,
    Fail,
    Revert,
}

impl Action {
    /// Reads an action, in whatever case of letters.
    ///
    /// # Errors
    /// `query_invalid`.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Error> {
        match text.map(str::to_ascii_uppercase).as_deref() {
            Some("COMPLETE") => Ok(Self::Complete),
            Some("ABORT") => Ok(Self::Abort),
            Some("FAIL") => Ok(Self::Fail),
            Some("REVERT") => Ok(Self::Revert),
            _ => Err(invalid_parameter("action", "COMPLETE, ABORT, FAIL or REVERT is expected")),
        }
    }
}

/// A file, and what its rows are read with.
pub(super) struct File<'a> {
    pub(super) batch: &'a Batch,
    pub(super) name: &'a str,
    pub(super) layout: &'a Layout,
    pub(super) config: &'a StoredConfig,
    pub(super) class: Class,
}

/// A row: JSON, or that it is none.
pub(super) type Row<'a> = Result<&'a RawValue, &'a str>;

/// The rows of a file: its lines, or the whole; of a list its items.
pub(super) fn rows(text: &str, is_multi_line: bool) -> Vec<Row<'_>> {
    let parts: Vec<&str> = if is_multi_line { vec![text] } else { text.lines().collect() };
    let mut rows = Vec::new();
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        match serde_json::from_str::<Vec<&RawValue>>(part) {
            Ok(items) => rows.extend(items.into_iter().map(Ok)),
            Err(_) => rows.push(serde_json::from_str::<&RawValue>(part).map_err(|_| part)),
        }
    }
    rows
}

impl File<'_> {
    /// A row as what is to be written. Its id is made of its place, so that the same file once more says nothing new.
    pub(super) fn incoming(&self, row: usize, sent: &Row<'_>) -> Incoming {
        let hash = Sha256::new().chain_update(self.name).chain_update([0]).chain_update(row.to_be_bytes()).finalize();
        let id = hash.iter().take(12).fold(format!("{}-", self.batch.id), |id, byte| format!("{id}{byte:02x}"));
        match sent {
            Ok(entity) => {
                let batch = Some(self.batch.id.as_str());
                collection::entity(entity, self.layout.clone(), (self.config, self.class), (id, batch))
            }
            Err(text) => Incoming {
                fact: Err(Rejection::new("xdm_invalid", "# json: the row is no json")),
                raw: collection::unread(text, self.layout, self.class),
                notes: Vec::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_rows() {
        for (text, is_multi_line, expected) in [
            ("{\"a\":1}\n\n{\"a\":2}\r\n", false, &["{\"a\":1}", "{\"a\":2}"][..]),
            ("[{\"a\":1},{\"a\":2}]", false, &["{\"a\":1}", "{\"a\":2}"]),
            ("[\n{\"a\":1},\n{\"a\":2}\n]", true, &["{\"a\":1}", "{\"a\":2}"]),
            ("{\n\"a\":1\n}", true, &["{\n\"a\":1\n}"]),
            ("{\"a\":1}\n{\"a\":", false, &["{\"a\":1}", "no json"]),
            (" \n", false, &[]),
        ] {
            let rows = rows(text, is_multi_line);
            let rows: Vec<&str> = rows.iter().map(|row| row.map_or("no json", RawValue::get)).collect();
            assert_eq!(rows, expected, "{text}");
        }
    }
}
