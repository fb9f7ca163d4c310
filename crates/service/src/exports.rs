//! Exports as doors ask for them: as an answer, or as a job that writes to a place.

use std::sync::Arc;

use crate::base::codec::corrupt;
use crate::base::error::Error;
use crate::base::ids::{KeyId, WorkspaceId};
use crate::jobs::{Job, NewJob};
pub use crate::read::columns::COLUMNS_MAX;
use crate::stored::idempotency::{Given, Once};
pub use crate::work::exports::content::{
    ExportContent, ExportOf, ExportPlace, FILE_ROWS, FILE_ROWS_MAX, FILE_ROWS_MIN, MembersOf, Sees,
};
pub use crate::work::exports::stream::ExportStream;
pub use crate::work::exports::{FILE_BYTES_MAX, FILES_MAX, SENT_MAX};
use crate::work::kinds::export::EXPORT;
use crate::work::service::Service;
pub use tessera_connect::{Compression, FileFormat};

impl Service {
    /// Rows as one answer.
    ///
    /// # Errors
    /// `Invalid` with `export_invalid`, `merge_policy_unknown`, `merge_policy_without_graph`; `NotFound` with `segment_not_found`;
    /// `Conflict` with `segment_not_live`; `Unavailable` with `segment_building`, `rules_off`; `LimitExceeded` with `export_columns_too_many`; `Throttled` with `exports_busy`; what
    /// the store answers.
    pub async fn export_rows(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        content: ExportContent,
    ) -> Result<ExportStream, Error> {
        ExportStream::begin(self, workspace, content.spelled()?).await
    }

    /// Asks for a job that writes rows to a place.
    ///
    /// # Errors
    /// As [`Self::export_rows`]; `NotFound` with `connection_not_found`; `Invalid` with `export_path_invalid`, `connection_not_of_files`;
    /// `Conflict` with `idempotency_key_reused`; `Throttled` with `jobs_full`; `LimitExceeded` with `job_too_large`.
    pub async fn ask_export(
        &self,
        workspace: WorkspaceId,
        content: ExportContent,
        by: KeyId,
        once: Option<&Once<Job>>,
    ) -> Result<Given<Job>, Error> {
        let content = content.spelled()?;
        content.check(&*self.configured(workspace).await?)?;
        self.target_of(workspace, content.place()?).await?;
        let parameters = serde_json::to_string(&content).map_err(|_| corrupt("parameters of an export"))?;
        let new = NewJob { kind: EXPORT.to_owned(), parameters, asked_by: Some(by) };
        self.jobs().make(workspace, &new, once).await
    }
}
