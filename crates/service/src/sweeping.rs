//! What changes for all records of a workspace: erasures of sources, and the jobs that bring such a change to them.

use std::sync::atomic::Ordering;

use crate::directory::{KeyId, WorkspaceId};
use crate::error::{Error, ErrorKind};
use crate::idempotency::{self, Known};
use crate::jobs::{Asked, NewJob, Once};
use crate::keys::Scope;
use crate::row;
use crate::service::Service;
use crate::workspace_config::{self, Part, StoredConfig, StoredSweeps, erase_source};

/// Bytes of the name of a dataset or batch.
const NAME_BYTES_MAX: usize = 200;

impl Service {
    /// Erases all that a dataset, or one named delivery of it, has said so far. It counts nowhere from when this answers; a job takes
    /// it out of every profile and off the store.
    ///
    /// # Errors
    /// `Invalid` with `dataset_invalid`, `dataset_reserved`; `LimitExceeded` with `erasures_full`; `Throttled` with `jobs_full`.
    pub async fn erase_source(
        &self,
        workspace: WorkspaceId,
        dataset: &str,
        batch: Option<&str>,
        once: Option<&Once<'_>>,
        key: KeyId,
    ) -> Result<Asked, Error> {
        let fits = |name: &str| !name.is_empty() && name.len() <= NAME_BYTES_MAX;
        if !fits(dataset) || batch.is_some_and(|batch| !fits(batch)) {
            let message = format!("the name of a dataset or batch has 1 to {NAME_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::Invalid, "dataset_invalid", message));
        }
        if let Some(once) = once
            && let Known::Answered(reply) = idempotency::look_up(&**self.store(), once.request, self.now()).await?
        {
            return Ok(Asked::Before(reply));
        }
        let (named, of) = (dataset.to_owned(), batch.map(str::to_owned));
        let change = move |config: &StoredConfig, at| erase_source(config, &named, of.as_deref(), at);
        let stored = self.configure_at(workspace, change).await?;
        let sweep = stored.sweeps().number;
        let parameters = erasure_parameters(dataset, batch, sweep);
        let new = NewJob { kind: ERASE_SOURCE.to_owned(), parameters, asked_by: Some(key) };
        self.jobs().make(workspace, &new, once).await
    }

    /// Sees to it that what has not reached all records has a job that brings it.
    pub(crate) async fn go_on_sweeping(&self, workspace: WorkspaceId, config: &StoredConfig) -> Result<(), Error> {
        let StoredSweeps { rules, erasures, .. } = config.sweeps();
        let mut wanted = Vec::new();
        if config.sweeps().is_restaging() {
            wanted.push((RECLUSTER, format!("{{\"sweep\":{rules}}}")));
        }
        for own in erasures {
            wanted.push((ERASE_SOURCE, erasure_parameters(&own.dataset, own.batch.as_deref(), own.number.into())));
        }
        for (kind, parameters) in wanted {
            let open = self.jobs().open_of(workspace, kind).await?;
            if open.iter().all(|job| job.parameters != parameters) {
                let new = NewJob { kind: kind.to_owned(), parameters, asked_by: None };
                self.jobs().make(workspace, &new, None).await?;
            }
        }
        Ok(())
    }

    /// What an earlier process has ordered, and had no time to make a job of.
    pub(crate) async fn go_on_sweeping_all(&self) -> Result<(), Error> {
        let directory = self.directory().snapshot();
        for workspace in directory.workspaces() {
            let row = row::read(&**self.store(), Scope::new(workspace.id).config(Part::Sweeps)).await?;
            let stored = workspace_config::read(row.iter().map(|row| (Part::Sweeps, &*row.value)))?;
            let sweeps = stored.sweeps();
            if sweeps.is_restaging() || !sweeps.erasures.is_empty() {
                self.go_on_sweeping(workspace.id, &stored).await?;
            }
        }
        Ok(())
    }

    /// Commits that wrote a record which the sweeps have not reached.
    pub(crate) fn stale_writes(&self, workspace: WorkspaceId) -> u64 {
        self.running(workspace).shared.stale_writes.load(Ordering::SeqCst)
    }
}

const RECLUSTER: &str = "recluster";
const ERASE_SOURCE: &str = "erase_source";

fn erasure_parameters(dataset: &str, batch: Option<&str>, sweep: u64) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    match batch {
        None => format!("{{\"dataset\":{},\"sweep\":{sweep}}}", text(dataset)),
        Some(batch) => format!("{{\"dataset\":{},\"batch\":{},\"sweep\":{sweep}}}", text(dataset), text(batch)),
    }
}
