//! Asking everybody: the records of a workspace, page by page, by several threads at once.

use std::sync::{Arc, Mutex, PoisonError};

use tessera_engine::time::Timestamp;
use tessera_store::{Direction, KeyRange, Page, ScanLimit, Snapshot};
use tokio::task::JoinSet;

use super::ProfileQuery;
use crate::base::error::{Error, ErrorKind};
use crate::base::store_error::read_failed;
use crate::read::asking::{Asking, keep};
use crate::read::pool::Patience;
use crate::read::scans::{SCAN_MICROS, late};
use crate::read::sorted::First;
use crate::stored::keys::{Family, Scope};
use crate::stored::records::cluster;
use crate::work::service::Service;

/// Records, and bytes of them, that a thread reads in one go.
const PAGE: ScanLimit = ScanLimit { rows: 500, bytes: 2 << 20 };
/// Pages after which a thread lets those of other workspaces have their turn.
const PAGES_AT_ONCE: usize = 4;

/// A walk over all records, shared by the threads that do it.
struct Walk {
    asking: Arc<Asking>,
    /// One instant, so that whoever is merged or parted meanwhile is asked once.
    snapshot: Box<dyn Snapshot>,
    /// What nobody has read.
    rest: tokio::sync::Mutex<Option<KeyRange>>,
    first: Mutex<First>,
    /// Whether the walk ends once it has all that is to be shown.
    is_enough: bool,
    until: Timestamp,
}

impl Service {
    /// Asks everybody, once it is the turn of this question.
    ///
    /// # Errors
    /// `Throttled` with `query_busy`; `Unavailable` with `query_timeout`; what the store answers.
    pub(super) async fn ask_everybody(
        self: &Arc<Self>,
        asking: &Arc<Asking>,
        first: First,
        query: &ProfileQuery,
    ) -> Result<First, Error> {
        let _turn = self.scans().wait(asking.workspace).await?;
        let is_enough = !asking.is_sorted() && !query.count;
        let scope = Scope::new(asking.workspace);
        let mut range = scope.all_of(Family::Cluster);
        // What stands before the place where a page ended is not counted, so it need not be read.
        if let Some(record) = first.after().filter(|_| is_enough).and_then(|after| after.record()) {
            range.start = scope.cluster(record);
        }
        let walk = Arc::new(Walk {
            asking: asking.clone(),
            snapshot: self.store().snapshot().await.map_err(|error| read_failed(&error))?,
            rest: tokio::sync::Mutex::new(Some(range)),
            first: Mutex::new(first),
            is_enough,
            until: self.now().plus_micros(SCAN_MICROS),
        });
        self.walk(&walk).await?;
        let first = std::mem::replace(&mut *walk.lock(), First::new(0, None));
        Ok(first)
    }

    /// Has as many threads walk as there are.
    async fn walk(self: &Arc<Self>, walk: &Arc<Walk>) -> Result<(), Error> {
        let mut walkers = JoinSet::new();
        for _ in 0..self.scans().pool.threads() {
            let (service, walk) = (self.clone(), walk.clone());
            walkers.spawn(async move {
                let mut goes_on = true;
                while goes_on {
                    let own = walk.clone();
                    let work = move |patience: Patience| async move { own.some_pages(&patience).await };
                    goes_on = service.scans().pool.run(walk.asking.workspace, SCAN_MICROS, work).await?;
                }
                Ok(())
            });
        }
        // With the first that fails all end: the others are dropped, and see that nobody waits.
        while let Some(ended) = walkers.join_next().await {
            ended
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "internal", "a query met a fault of ours")))?;
        }
        Ok(())
    }
}

impl Walk {
    /// Asks some pages of records. Answers whether there may be more.
    async fn some_pages(&self, patience: &Patience) -> Result<bool, Error> {
        let patience = patience.no_later_than(self.until);
        for _ in 0..PAGES_AT_ONCE {
            let Some(page) = self.next(&patience).await? else { return Ok(false) };
            self.ask(&page, &patience).await.map_err(|error| if patience.is_over() { late() } else { error })?;
        }
        Ok(true)
    }

    /// The next page that nobody has read.
    async fn next(&self, patience: &Patience) -> Result<Option<Page>, Error> {
        let mut rest = self.rest.lock().await;
        // Pages are given out in their order: what follows stands behind all that was asked.
        if self.is_enough && self.lock().is_full() {
            return Ok(None);
        }
        let Some(range) = rest.take() else { return Ok(None) };
        if patience.is_over() {
            return Err(late());
        }
        let page = self.snapshot.scan(&range, PAGE, Direction::Forward).await.map_err(|error| read_failed(&error))?;
        rest.clone_from(&page.next);
        Ok(Some(page))
    }

    async fn ask(&self, page: &Page, patience: &Patience) -> Result<(), Error> {
        let (config, mut told) = (&self.asking.configured.config, Vec::new());
        for row in &page.rows {
            let glance = cluster::glance(&row.value, config, &self.asking.names)?;
            self.asking.ask_record(glance.as_ref(), row.version, patience, |own| told.push(own)).await?;
        }
        let mut first = self.lock();
        told.into_iter().for_each(|own| keep(&mut first, own));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, First> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
