//! What a lane's own rows say of all records, found anew: once, where rows of before say something else or nothing.

use tessera_engine::config::Config;
use tessera_store::{Direction, ScanLimit, Store};

use super::commit::counts_of;
use crate::base::error::Error;
use crate::base::store_error::read_failed;
use crate::stored::keys::{Family, Scope};
use crate::stored::records::cluster;
use crate::stored::unclaimed::Unclaimed;

/// Records read in one go.
const ROWS_AT_ONCE: usize = 1_000;

/// What the records of a workspace come to.
pub(super) struct Recount {
    /// Profiles that are somebody's.
    pub(super) profiles: u64,
    /// Under the names of which namespaces attributes stand that nobody claimed.
    pub(super) unclaimed: Unclaimed,
}

impl Recount {
    /// Looks at every record.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub(super) async fn of(store: &dyn Store, scope: Scope, config: &Config) -> Result<Self, Error> {
        let mut found = Self { profiles: 0, unclaimed: Unclaimed::none(config) };
        let mut rest = Some(scope.all_of(Family::Cluster));
        while let Some(range) = rest {
            let page = store.scan(&range, ScanLimit::rows(ROWS_AT_ONCE), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in &page.rows {
                let cluster = cluster::decode(&row.value, config)?;
                found.profiles += counts_of(&cluster, config).profiles;
                found.unclaimed.note(&cluster, config);
            }
            rest = page.next;
        }
        Ok(found)
    }
}
