//! All kinds of jobs.

use std::sync::Arc;

use super::kind::AnyKind;

pub(crate) mod activate;
pub(crate) mod backfill;
mod backup;
mod check;
pub(crate) mod erase_profiles;
mod expire;
pub(crate) mod export;
pub(crate) mod refresh;
mod sweep;

/// The kinds that this program knows. A line here is all that a new one needs besides its own file.
pub(crate) fn all() -> Vec<Arc<dyn AnyKind>> {
    vec![
        Arc::new(check::Check),
        Arc::new(sweep::Recluster),
        Arc::new(sweep::EraseSource),
        Arc::new(erase_profiles::EraseProfiles),
        Arc::new(expire::Expire),
        Arc::new(backfill::Backfill),
        Arc::new(backup::Backup),
        Arc::new(refresh::Refresh),
        Arc::new(export::Export),
        Arc::new(activate::Activate),
    ]
}
