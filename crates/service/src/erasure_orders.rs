//! Erasures of datasets and batches that are ordered for later.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use tessera_engine::time::Timestamp;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::config::workspace::{ErasureOrder, StoredConfig, change_planned, plan_erasure, withdraw_planned};
use crate::jobs::sweeps::ERASE_SOURCE;
use crate::jobs::{Filter, Job, Listed, PAGE_MAX, Query};
use crate::work::service::Service;

/// Bytes of the name of a dataset or batch.
const NAME_BYTES_MAX: usize = 200;

/// What of a job's parameters tells which sweep it brings.
#[derive(Deserialize)]
struct Brought {
    sweep: u64,
}

impl Service {
    /// Orders the erasure of all that a dataset, or one named delivery of it, has said when the erasure begins, which is so many seconds from
    /// now. Until then the order can be changed and withdrawn.
    ///
    /// # Errors
    /// `Invalid` with `dataset_invalid`, `dataset_reserved`; `Conflict` with `erasure_ordered`; `LimitExceeded` with `erasure_orders_full`;
    /// what the store answers.
    pub async fn order_erasure(
        &self,
        workspace: WorkspaceId,
        (dataset, batch): (&str, Option<&str>),
        delay_secs: u32,
        key: KeyId,
    ) -> Result<ErasureOrder, Error> {
        check_names(dataset, batch)?;
        let (dataset, batch) = (dataset.to_owned(), batch.map(str::to_owned));
        let change = move |config: &StoredConfig, now: Timestamp| {
            let due = now.plus_micros(i64::from(delay_secs) * 1_000_000);
            plan_erasure(config, (&dataset, batch.as_deref()), (now, due), key).map(|(config, _)| config)
        };
        let config = self.configure_rules(workspace, change).await?;
        // The configuration is that of this change: its last order is this one.
        config.planned().orders().next_back().cloned().ok_or_else(lost)
    }

    /// Changes what an order that waits is for.
    ///
    /// # Errors
    /// As [`Self::order_erasure`]; `NotFound` with `erasure_order_not_found`; `Conflict` with `erasure_begun`.
    pub async fn change_erasure_order(
        &self,
        workspace: WorkspaceId,
        number: u64,
        (dataset, batch): (&str, Option<&str>),
    ) -> Result<ErasureOrder, Error> {
        check_names(dataset, batch)?;
        let (dataset, batch) = (dataset.to_owned(), batch.map(str::to_owned));
        let change =
            move |config: &StoredConfig, now| change_planned(config, number, (&dataset, batch.as_deref()), now);
        let config = self.configure_rules(workspace, change).await?;
        config.planned().find(number).cloned()
    }

    /// Withdraws an order that waits. One that has begun goes on, and is told of no more.
    ///
    /// # Errors
    /// `NotFound` with `erasure_order_not_found`; what the store answers.
    pub async fn withdraw_erasure_order(
        &self,
        workspace: WorkspaceId,
        number: u64,
    ) -> Result<Arc<StoredConfig>, Error> {
        self.configure(workspace, move |config| withdraw_planned(config, number)).await
    }

    /// The jobs that carry out erasures of sources, or have carried them out and are still kept, by the numbers of their sweeps.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn erasure_jobs(&self, workspace: WorkspaceId) -> Result<BTreeMap<u64, Job>, Error> {
        let filter = Filter { kind: Some(ERASE_SOURCE.to_owned()), status: None };
        let (mut query, mut jobs) = (Query { filter, limit: PAGE_MAX, cursor: None }, BTreeMap::new());
        loop {
            let page = self.jobs().list(workspace, &query).await?;
            for job in page.jobs.iter().filter_map(Listed::job) {
                if let Ok(Brought { sweep }) = serde_json::from_str(&job.parameters) {
                    // The newest stands first; one that failed may have been made anew.
                    jobs.entry(sweep).or_insert_with(|| job.clone());
                }
            }
            match page.next_cursor {
                Some(cursor) => query.cursor = Some(cursor),
                None => return Ok(jobs),
            }
        }
    }
}

fn check_names(dataset: &str, batch: Option<&str>) -> Result<(), Error> {
    let fits = |name: &str| !name.is_empty() && name.len() <= NAME_BYTES_MAX;
    if fits(dataset) && batch.is_none_or(fits) {
        return Ok(());
    }
    let message = format!("the name of a dataset or batch has 1 to {NAME_BYTES_MAX} bytes");
    Err(Error::new(ErrorKind::Invalid, "dataset_invalid", message))
}

fn lost() -> Error {
    Error::new(ErrorKind::Internal, "internal", "an erasure was ordered and is not there")
}
