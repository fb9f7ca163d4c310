//! What a lane shares with the readers of its workspace.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwapOption;
use tessera_engine::config::Config;
use tessera_store::{Direction, Row, ScanLimit, Store, Version};

use super::memory::Memories;
use super::queue::Queues;
use super::weight::Weight;
use crate::directory::WorkspaceId;
use crate::error::{Error, ErrorKind};
use crate::jobs::Jobs;
use crate::keeper::Keeper;
use crate::keys::{Family, Scope};
use crate::layout::read_config_key;
use crate::learned::Learned;
use crate::policies::{Chosen, CompiledPolicies};
use crate::quarantine;
use crate::rules::Flagged;
use crate::service::{Components, Settings};
use crate::store_error::read_failed;
use crate::timers::Alarm;
use crate::views::Epochs;
use crate::workspace_config::{self, Part, StoredConfig};

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

/// A configuration as it is stored, and as decisions and reads use it.
pub(crate) struct Configured {
    pub(crate) stored: Arc<StoredConfig>,
    pub(crate) config: Arc<Config>,
    /// Who may see what the rules come to.
    pub(crate) flagged: Flagged,
    /// Whether there are rules, and the server was started without them.
    are_rules_off: bool,
    policies: CompiledPolicies,
    pub(super) version: Option<Version>,
    /// Bytes of its rows.
    stored_bytes: usize,
}

impl Configured {
    pub(super) fn new(stored: StoredConfig, version: Option<Version>, settings: &Settings) -> Result<Self, Error> {
        let without_rules = settings.without_rules;
        let config = if without_rules { stored.to_engine_without_rules()? } else { stored.to_engine()? };
        let config = config.with_tails(settings.tail_events_max);
        let (config, policies) = (Arc::new(config), CompiledPolicies::new(stored.policies()));
        let flagged = Flagged::new(&stored);
        let are_rules_off = without_rules && stored.rules().are_running();
        let rows = workspace_config::rows(&stored, &StoredConfig::default());
        let stored_bytes = rows.iter().map(|(_, row)| row.len()).sum();
        Ok(Self { stored: Arc::new(stored), config, flagged, are_rules_off, policies, version, stored_bytes })
    }

    /// Whether nobody evaluates the rules that there are.
    pub(crate) fn are_rules_off(&self) -> bool {
        self.are_rules_off
    }

    /// Whether what depends on rules can be told.
    ///
    /// # Errors
    /// `Unavailable` with `rules_off`.
    pub(crate) fn check_rules_are_on(&self) -> Result<(), Error> {
        if self.are_rules_off {
            let message =
                "the server was started without rules; archive the one that keeps it from starting, and start it again";
            return Err(Error::new(ErrorKind::Unavailable, "rules_off", message));
        }
        Ok(())
    }

    /// The merge policy that a read asks for, or the workspace's default one.
    pub(crate) fn policy(&self, asked: Option<&str>) -> Result<&Chosen, Error> {
        self.policies.asked(self.stored.policies(), asked)
    }
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
