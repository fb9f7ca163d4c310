//! The history of what runs again and again, a source or an activation: what its last runs came to.

use std::sync::Arc;

use tessera_engine::time::Timestamp;
use tessera_store::{Commit, Direction, ScanLimit, Store};

use crate::base::error::Error;
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::keys::Scope;
use crate::stored::sources::{Known, Run, RunStatus, decode_run, encode_known, encode_run};

/// Runs of one that are remembered: the newest.
pub(crate) const RUNS_MAX: usize = 100;

impl Run {
    /// It ends so.
    pub(crate) fn end(&mut self, status: RunStatus, error: Option<&Error>, now: Timestamp) {
        (self.status, self.ended_at) = (status, Some(now.max(self.started_at)));
        self.error = error.map(|error| (error.code.to_owned(), error.message.clone().into_owned()));
    }
}

/// Writes how a run stands, and what is known of its source; lets go of those that are too many.
///
/// # Errors
/// What the store answers.
pub(crate) async fn write(
    store: &Arc<dyn Store>,
    scope: Scope,
    number: u32,
    run: &Run,
    known: Option<&Known>,
) -> Result<(), Error> {
    let mut commit = Commit::new().put(scope.source_run(number, &run.id), encode_run(run));
    if let Some(known) = known {
        commit = commit.put(scope.source(number), encode_known(known));
    }
    let page = store.scan(&scope.source_runs(number), ScanLimit::rows(RUNS_MAX + 10), Direction::Forward).await;
    let page = page.map_err(|error| read_failed(&error))?;
    for row in page.rows.iter().take(page.rows.len().saturating_sub(RUNS_MAX)) {
        commit = commit.delete(row.key.clone());
    }
    store.commit(commit).await.map_err(|error| commit_failed(&error))?;
    Ok(())
}

/// The newest runs of one, the newest first.
///
/// # Errors
/// What the store answers; `Corrupt`.
pub(crate) async fn newest(store: &dyn Store, scope: Scope, number: u32, most: usize) -> Result<Vec<Run>, Error> {
    let page = store.scan(&scope.source_runs(number), ScanLimit::rows(most), Direction::Backward).await;
    let page = page.map_err(|error| read_failed(&error))?;
    page.rows.iter().map(|row| decode_run(&row.key, &row.value)).collect()
}
