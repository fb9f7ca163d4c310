//! What a lane shares with the readers of its workspace.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwapOption;
use tessera_store::{Direction, Row, ScanLimit, Store, Version};

use super::memory::Memories;
use super::queue::Queues;
use super::weight::Weight;
use crate::base::components::Components;
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::keeper::Keeper;
use crate::base::settings::Settings;
use crate::base::store_error::read_failed;
use crate::config::configured::Configured;
use crate::config::learned::Learned;
use crate::config::workspace::{self as workspace_config, Part, StoredConfig};
use crate::jobs::Jobs;
use crate::read::views::Epochs;
use crate::stored::keys::{Family, Scope};
use crate::stored::layout::read_config_key;
use crate::write::alarm::Alarm;
use crate::write::quarantine;

/// What a lane shares with the readers of its workspace.
pub(crate) struct Shared {
    pub(crate) workspace: WorkspaceId,
    pub(crate) components: Components,
    pub(crate) settings: Settings,
    pub(crate) epochs: Arc<Epochs>,
    /// What may wait in lanes.
    pub(crate) queues: Arc<Queues>,
    /// What lanes remember.
    pub(crate) memories: Arc<Memories>,
    /// Commits that wrote a record which the sweeps have not reached, from a number of its own for each process. Whoever walks all
    /// records learns by it whether one was taken to a place that the walk has passed.
    pub(crate) stale_writes: AtomicU64,
    /// The configuration in force and what it was read from; none until the lane or a reader has read it.
    pub(crate) config: ArcSwapOption<Configured>,
    /// What it holds beside the caches.
    pub(crate) weight: Weight,
    /// What was seen of attributes and events.
    pub(crate) learned: Arc<Learned>,
    /// Who keeps the workspace.
    pub(crate) keeper: Arc<Keeper>,
    /// How much more may be refused before the quarantine is counted.
    pub(crate) quarantined: quarantine::Room,
    /// When the next timer is due, for whoever waits for it.
    pub(crate) timers: Alarm,
    /// Jobs of the workspace, which a change of configuration may begin with.
    pub(crate) jobs: Arc<Jobs>,
}

impl Shared {
    /// The configuration in force; read from the store the first time.
    pub(crate) async fn configured(&self) -> Result<Arc<Configured>, Error> {
        if let Some(configured) = self.config.load_full() {
            return Ok(configured);
        }
        let (stored, version) = read_config(&*self.components.store, Scope::new(self.workspace)).await?;
        let configured = Arc::new(Configured::new(stored, version, &self.settings)?);
        // The lane may have changed it meanwhile; then its word stands.
        let none: Option<Arc<Configured>> = None;
        self.config.compare_and_swap(&none, Some(configured.clone()));
        self.weigh();
        Ok(self.config.load_full().unwrap_or(configured))
    }

    /// What it holds may have become more or less.
    pub(crate) fn weigh(&self) {
        let stored_bytes = self.config.load().as_ref().map_or(0, |configured| configured.stored_bytes);
        self.weight.set(stored_bytes, self.learned.entries());
    }
}

/// The stored configuration, and the version of its main row if there is one.
async fn read_config(store: &dyn Store, scope: Scope) -> Result<(StoredConfig, Option<Version>), Error> {
    let page = store.scan(&scope.all_of(Family::Config), ScanLimit::rows(100), Direction::Forward).await;
    let page = page.map_err(|error| read_failed(&error))?;
    let part = |row: &Row| read_config_key(&row.key);
    let version = page.rows.iter().find(|row| part(row) == Some(Part::Main)).map(|row| row.version);
    let rows = page.rows.iter().filter_map(|row| Some((part(row)?, &*row.value)));
    Ok((workspace_config::read(rows)?, version))
}
