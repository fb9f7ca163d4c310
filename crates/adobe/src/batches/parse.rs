//! Batches, and the rows of their files.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tessera_engine::time::Timestamp;
use tessera_seam::answer::invalid;
use tessera_service::directory::Class;
use tessera_service::error::Error;
use tessera_service::uploads::UploadRow;
use tessera_service::verdict::{Incoming, Rejection};
use tessera_service::workspace_config::StoredConfig;
use utoipa::ToSchema;

use super::super::collection;
use super::super::errors::invalid_parameter;
use super::super::registry::Layout;
use super::kept::{Batch, Format, Status};

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
    /// `json` or `parquet`.
    format: String,
    /// Of JSON, whether a file is one value, or a list of them, and not one for each line.
    #[serde(default)]
    is_multi_line_json: bool,
}

/// Reads a batch, with an id made of these bits.
///
/// # Errors
/// `batch_format_unknown`, `body_invalid`.
pub(super) fn batch(new: NewBatch, bits: [u8; 16], now: Timestamp) -> Result<Batch, Error> {
    let format = match (new.input_format.format.as_str(), new.input_format.is_multi_line_json) {
        ("json", false) => Format::Lines,
        ("json", true) => Format::Json,
        ("parquet", _) => Format::Parquet,
        _ => {
            let message = "inputFormat.format: json or parquet is expected; files of other formats are not read here";
            return Err(invalid("batch_format_unknown", message));
        }
    };
    if new.partial_ingestion_percentage > 100 {
        return Err(invalid("body_invalid", "partialIngestionPercentage: 0 to 100 is expected"));
    }
    let created = now.micros().div_euclid(1_000);
    Ok(Batch {
        id: bits.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
        dataset: new.dataset_id,
        status: Status::Loading,
        format,
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

/// What is done to a file that comes in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileAction {
    Initialize,
    Complete,
}

impl FileAction {
    /// Reads an action, in whatever case of letters.
    ///
    /// # Errors
    /// `query_invalid`.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Error> {
        match text.map(str::to_ascii_uppercase).as_deref() {
            Some("INITIALIZE") => Ok(Self::Initialize),
            Some("COMPLETE") => Ok(Self::Complete),
            _ => Err(invalid_parameter("action", "INITIALIZE or COMPLETE is expected")),
        }
    }
}

/// The byte of a file that a part of so many bytes begins with, as in `Content-Range: bytes 0-99/200`.
///
/// # Errors
/// `content_range_invalid`.
pub(super) fn part_start(header: Option<&str>, bytes: usize) -> Result<u64, Error> {
    let read = || {
        let range = header?.trim().strip_prefix("bytes")?.trim_start_matches([' ', '=']);
        let (range, _) = range.split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let (start, end) = (start.trim().parse::<u64>().ok()?, end.trim().parse::<u64>().ok()?);
        (end.checked_sub(start)?.checked_add(1)? == bytes as u64).then_some(start)
    };
    read().ok_or_else(|| {
        let message = format!(
            "Content-Range: `bytes <first>-<last>/<all>` is expected, of as many bytes as the body has bytes={bytes}"
        );
        invalid("content_range_invalid", message)
    })
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
            Err(text) => self.unread(text, "# json: the row is no json".to_owned()),
        }
    }

    /// What cannot be read as a row, and why.
    fn unread(&self, text: &str, why: String) -> Incoming {
        Incoming {
            fact: Err(Rejection::new("xdm_invalid", why)),
            raw: collection::unread(text, self.layout, self.class),
            notes: Vec::new(),
        }
    }

    /// A row of a file that was handed over, as [`Self::incoming`].
    pub(super) fn of_upload(&self, row: usize, sent: &UploadRow) -> Incoming {
        match sent {
            Ok(text) => self.incoming(row, &serde_json::from_str::<&RawValue>(text).map_err(|_| text.as_str())),
            Err(why) => self.unread("", format!("# {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_says_where_it_begins() {
        for (header, bytes, expected) in [
            ("bytes 0-99/200", 100, Some(0)),
            ("bytes 100-199/200", 100, Some(100)),
            ("bytes=5-5/*", 1, Some(5)),
            ("bytes 0-99/200", 99, None),
            ("bytes 9-0/200", 10, None),
            ("bytes 0-18446744073709551615/*", 1, None),
            ("bytes 0-99", 100, None),
            ("items 0-99/200", 100, None),
            ("", 0, None),
        ] {
            let read = part_start(Some(header), bytes).map_err(|error| error.code);
            assert_eq!(read, expected.ok_or("content_range_invalid"), "{header}");
        }
        assert!(part_start(None, 1).is_err());
    }

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
