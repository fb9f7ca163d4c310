//! Batches as they are kept: what was uploaded, how much of it was taken, and how they ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::{StoredConfig, set_object};

use super::super::registry::{BATCH, kept as registry_kept};
use super::ended;
use super::parse::Action;

/// Batches that are kept; of more the oldest that have ended go. All of them are a part of what dialects may keep together.
const BATCHES_MAX: usize = 100;
/// Batches that may be loaded at one time.
const LOADING_MAX: usize = 20;
/// Files of one batch.
const FILES_MAX: usize = 100;
/// Errors of one batch that are told one by one.
const ERRORS_MAX: usize = 10;
/// Bytes of the text of one error.
const ERROR_BYTES_MAX: usize = 200;

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Loading,
    Success,
    Failed,
    Aborted,
    /// It was taken back.
    Inactive,
}

impl Status {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Inactive => "inactive",
        }
    }
}

/// A batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) dataset: String,
    pub(super) status: Status,
    /// Whether a file is one value, and not one for each line.
    pub(super) is_multi_line: bool,
    /// Of a hundred rows, so many may fail.
    pub(super) failed_percent_max: u8,
    /// What was uploaded, by the names of files.
    pub(super) files: BTreeMap<String, Rows>,
    pub(super) errors: Vec<RowError>,
    /// Milliseconds since 1970.
    pub(super) created: i64,
    pub(super) updated: i64,
}

/// The rows of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rows {
    taken: u64,
    failed: u64,
}

/// Why a row was not taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RowError {
    file: String,
    /// Its place in the file, from 0 on.
    row: usize,
    description: String,
}

/// What became of the rows of a file.
#[derive(Debug, Default)]
pub(super) struct Counted {
    rows: Rows,
    errors: Vec<RowError>,
}

impl Counted {
    /// Counts a row, which was taken unless this says why not.
    pub(super) fn see(&mut self, file: &str, row: usize, wrong: Option<String>) {
        let Some(mut description) = wrong else {
            self.rows.taken += 1;
            return;
        };
        self.rows.failed += 1;
        if self.errors.len() < ERRORS_MAX {
            let end = (0..=ERROR_BYTES_MAX.min(description.len())).rfind(|at| description.is_char_boundary(*at));
            description.truncate(end.unwrap_or(0));
            self.errors.push(RowError { file: file.to_owned(), row, description });
        }
    }
}

impl Batch {
    /// Refuses what a batch that has ended takes no more.
    ///
    /// # Errors
    /// `batch_ended`.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.status == Status::Loading { Ok(()) } else { Err(ended()) }
    }

    /// Notes what became of the rows of a file; the same file once more takes the place of the one before.
    ///
    /// # Errors
    /// `batch_ended`; `batch_files_full`.
    pub(super) fn add(&mut self, file: &str, counted: Counted) -> Result<(), Error> {
        self.check_open()?;
        if self.files.len() >= FILES_MAX && !self.files.contains_key(file) {
            let message = format!("a batch has at most {FILES_MAX} files here: complete it and make another one");
            return Err(Error::new(ErrorKind::LimitExceeded, "batch_files_full", message));
        }
        self.files.insert(file.to_owned(), counted.rows);
        self.errors.retain(|own| own.file != file);
        self.errors.extend(counted.errors);
        self.errors.truncate(ERRORS_MAX);
        Ok(())
    }

    /// How it stands after an action. Completed, it fails where more rows failed than may.
    ///
    /// # Errors
    /// `batch_ended`.
    pub(super) fn after(&self, action: Action) -> Result<Status, Error> {
        match (self.status, action) {
            (Status::Loading, Action::Complete) => {
                let all = self.all();
                let may_fail = (all.taken + all.failed) * u64::from(self.failed_percent_max) / 100;
                Ok(if all.failed > may_fail { Status::Failed } else { Status::Success })
            }
            (Status::Loading, Action::Abort) => Ok(Status::Aborted),
            (Status::Loading, Action::Fail) => Ok(Status::Failed),
            (Status::Success, Action::Revert) => Ok(Status::Inactive),
            (Status::Loading | Status::Success | Status::Failed | Status::Aborted | Status::Inactive, _) => {
                Err(ended())
            }
        }
    }

    /// Ends it: what its files came to is told together from now on.
    ///
    /// # Errors
    /// `batch_ended`.
    pub(super) fn end(&mut self, action: Action) -> Result<(), Error> {
        self.status = self.after(action)?;
        let all = self.all();
        self.files = BTreeMap::from([(String::new(), all)]);
        Ok(())
    }

    /// The rows of all files.
    fn all(&self) -> Rows {
        let sum = |sum: Rows, own: &Rows| Rows { taken: sum.taken + own.taken, failed: sum.failed + own.failed };
        self.files.values().fold(Rows::default(), sum)
    }

    /// Rows that were taken.
    pub(super) fn rows(&self) -> u64 {
        self.all().taken
    }

    /// Puts it among the others, of which the oldest that have ended go where there are too many.
    ///
    /// # Errors
    /// `batches_full` where too many are being loaded; as [`set_object`].
    pub(super) fn added(self, config: &StoredConfig) -> Result<StoredConfig, Error> {
        let mut all: Vec<Batch> = registry_kept::all(config, BATCH)?;
        all.sort_by_key(|own| own.created);
        let mut config = config.clone();
        if all.iter().filter(|own| own.status == Status::Loading).count() >= LOADING_MAX {
            let message = format!("{LOADING_MAX} batches are being loaded: complete or abort one of them first");
            return Err(Error::new(ErrorKind::LimitExceeded, "batches_full", message));
        }
        let excess = (all.len() + 1).saturating_sub(BATCHES_MAX);
        for oldest in all.iter().filter(|own| own.status != Status::Loading).take(excess) {
            config = set_object(&config, (BATCH, &oldest.id), None)?;
        }
        set_object(&config, (BATCH, &self.id), Some(&registry_kept::written(&self)))
    }

    /// As answers show it.
    pub(super) fn shown(&self, org: &str) -> Value {
        let failed = self.all().failed;
        let errors = self.errors.iter().map(
            |own| json!({ "code": "row_invalid", "file": own.file, "row": own.row, "description": own.description }),
        );
        json!({
            "id": self.id, "imsOrg": org, "status": self.status.name(), "created": self.created, "updated": self.updated,
            "relatedObjects": [{ "type": "dataSet", "id": self.dataset }], "version": "1.0.0", "tags": {},
            "inputFormat": { "format": "json", "isMultiLineJson": self.is_multi_line },
            "metrics": { "inputRecordCount": self.rows() + failed, "outputRecordCount": self.rows(), "failedRecordCount": failed },
            "errors": errors.collect::<Vec<_>>()
        })
    }
}
