//! Batches as they are kept: what was uploaded, how much of it was taken, and how they ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tessera_seam::app::App;
use tessera_service::directory::WorkspaceId;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::notes::{Note, NoteKind};
use tessera_service::uploads::UploadFormat;

use super::super::registry::kept::{not_found, read, written};
use super::ended;
use super::parse::Action;

/// Batches that are kept, by their ids; of more the oldest that have ended go.
const BATCHES: NoteKind = NoteKind { name: "adobe.batch", max: 100 };
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

/// What the files of a batch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// JSON, an entity on each line.
    Lines,
    /// JSON, one entity, or a list of them.
    Json,
    Parquet,
}

impl Format {
    /// The same below the doors.
    pub(super) const fn of_upload(self) -> UploadFormat {
        match self {
            Self::Lines => UploadFormat::Lines,
            Self::Json => UploadFormat::Json,
            Self::Parquet => UploadFormat::Parquet,
        }
    }

    fn shown(self) -> Value {
        match self {
            Self::Lines | Self::Json => json!({ "format": "json", "isMultiLineJson": self == Self::Json }),
            Self::Parquet => json!({ "format": "parquet" }),
        }
    }
}

/// The batch of an id.
///
/// # Errors
/// `resource_not_found`; what the store answers.
pub(super) async fn find(app: &App, workspace: WorkspaceId, id: &str) -> Result<Batch, Error> {
    let note = app.service.note(workspace, &BATCHES, id).await?.ok_or_else(not_found)?;
    read(&note.json)
}

/// All batches, the oldest first.
///
/// # Errors
/// What the store answers.
pub(super) async fn all(app: &App, workspace: WorkspaceId) -> Result<Vec<Batch>, Error> {
    let notes = app.service.notes(workspace, &BATCHES).await?;
    notes.iter().map(|note| read(&note.json)).collect()
}

/// Changes a batch as it stands when the change is made, and answers what it is then.
///
/// # Errors
/// `resource_not_found`; what `make` says; what the store answers.
pub(super) async fn change(
    app: &App,
    workspace: WorkspaceId,
    id: &str,
    make: impl Fn(&mut Batch) -> Result<(), Error>,
) -> Result<Batch, Error> {
    let now = app.now().micros().div_euclid(1_000);
    let decide = |note: &Note| {
        let mut batch: Batch = read(&note.json)?;
        make(&mut batch)?;
        batch.updated = now;
        Ok(written(&batch))
    };
    let note = app.service.change_note(workspace, &BATCHES, id, decide).await?.ok_or_else(not_found)?;
    read(&note.json)
}

/// A batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) dataset: String,
    pub(super) status: Status,
    /// What its files are.
    pub(super) format: Format,
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
    pub(super) fn add(&mut self, file: &str, counted: &Counted) -> Result<(), Error> {
        self.check_open()?;
        if self.files.len() >= FILES_MAX && !self.files.contains_key(file) {
            let message = format!("a batch has at most {FILES_MAX} files here: complete it and make another one");
            return Err(Error::new(ErrorKind::LimitExceeded, "batch_files_full", message));
        }
        self.files.insert(file.to_owned(), counted.rows);
        self.errors.retain(|own| own.file != file);
        self.errors.extend(counted.errors.iter().cloned());
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

    /// What its file of this name is called while it is handed over.
    pub(super) fn upload_of(&self, file: &str) -> String {
        format!("{}{file}", Self::uploads_of(&self.id))
    }

    /// How the names of its files begin while they are handed over.
    pub(super) fn uploads_of(id: &str) -> String {
        format!("adobe.batch/{id}/")
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

    /// Keeps it beside the others, of which the oldest that have ended go where there are too many.
    ///
    /// # Errors
    /// `batches_full` where too many are being loaded; what the store answers.
    pub(super) async fn keep(&self, app: &App, workspace: WorkspaceId) -> Result<(), Error> {
        let is_loading = |note: &Note| read::<Self>(&note.json).is_ok_and(|own| own.status == Status::Loading);
        let check = |all: &[Note]| {
            if all.iter().filter(|note| is_loading(note)).count() < LOADING_MAX {
                return Ok(());
            }
            let message = format!("{LOADING_MAX} batches are being loaded: complete or abort one of them first");
            Err(Error::new(ErrorKind::LimitExceeded, "batches_full", message))
        };
        let json = written(self);
        app.service.add_note(workspace, &BATCHES, (&self.id, &json), check, |note| !is_loading(note)).await
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
            "inputFormat": self.format.shown(),
            "metrics": { "inputRecordCount": self.rows() + failed, "outputRecordCount": self.rows(), "failedRecordCount": failed },
            "errors": errors.collect::<Vec<_>>()
        })
    }
}
