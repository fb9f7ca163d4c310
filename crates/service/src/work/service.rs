//! The service: what runs, and what its rooms share.

use std::sync::{Arc, Mutex};

use tessera_engine::config::Config;
use tessera_engine::id::{DirectiveId, Ids};
use tessera_store::Store;
use tokio::task::JoinSet;

use crate::base::components::Components;
use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::base::keeper::Keeper;
use crate::base::settings::Settings;
use crate::config::configured::Configured;
use crate::config::tokens::signing::Signing;
use crate::directory::DirectoryHandle;
use crate::jobs::Jobs;
use crate::read::find::Finder;
use crate::read::pool::Pool;
use crate::read::ruled::Asker;
use crate::read::scans::Scans;
use crate::read::views::{Epochs, Views};
use crate::stored::cursor::Cursors;
use crate::stored::keys::Scope;
use crate::stored::pseudonym::Pseudonyms;
use crate::work::activations::Activations;
use crate::work::audited::Audited;
use crate::work::exports::Exports;
use crate::work::keeper::Parts;
use crate::work::leaps::Leaps;
use crate::work::refresh::Refreshes;
use crate::work::uploads::Uploads;
use crate::write::lane::{Memories, Queues, Weights};
use crate::write::quarantine::Quarantine;

mod life;
mod running;

pub(crate) use running::{Idle, Running, Workspaces};

/// The service over one store.
pub struct Service {
    pub(crate) components: Components,
    settings: Settings,
    pub(crate) directory: DirectoryHandle,
    pub(crate) cursors: Arc<Cursors>,
    pub(crate) parts: Arc<Parts>,
    keeper: Arc<Keeper>,
    /// The audit log.
    pub(crate) audited: Arc<Audited>,
    /// Begins workspaces that have ended when something of them is due.
    waker: Arc<Keeper>,
    feed_keeper: Arc<Keeper>,
    /// Who looks at the clock, and what it was.
    look_out: Arc<Keeper>,
    leaps: Mutex<Leaps>,
    pub(crate) epochs: Arc<Epochs>,
    /// Refreshes of sources, and who looks which are due.
    refreshes: Arc<Refreshes>,
    /// Exports that are under way.
    exports: Exports,
    /// Activations that are under way.
    activations: Activations,
    /// Files that are being handed over.
    uploads: Uploads,
    pub(crate) views: Views,
    pool: Arc<Pool>,
    /// Where keys are made and tokens signed.
    pub(crate) signing: Signing,
    scans: Scans,
    /// What may wait in lanes.
    queues: Arc<Queues>,
    /// What lanes remember.
    memories: Arc<Memories>,
    /// What running workspaces hold beside that.
    weights: Arc<Weights>,
    workspaces: Arc<Workspaces>,
    tasks: Mutex<JoinSet<()>>,
    /// The runner of jobs, apart from the other tasks: it has to end before the lanes that its steps submit to.
    runner: Mutex<JoinSet<()>>,
}

impl Service {
    /// Who may do what.
    #[must_use]
    pub fn directory(&self) -> &DirectoryHandle {
        &self.directory
    }

    /// What was refused.
    #[must_use]
    pub fn quarantine(&self) -> &Quarantine {
        &self.parts.quarantine
    }

    /// Long work.
    #[must_use]
    pub fn jobs(&self) -> &Jobs {
        &self.parts.jobs
    }

    /// What seals the cursors of lists.
    pub(crate) fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    /// What makes words of identities.
    pub(crate) fn pseudonyms(&self) -> &Pseudonyms {
        self.cursors.pseudonyms()
    }

    /// Where rules are asked that may take long.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Exports that are under way.
    pub(crate) fn exports(&self) -> &Exports {
        &self.exports
    }

    /// Activations that are under way.
    pub(crate) fn activations(&self) -> &Activations {
        &self.activations
    }

    /// Files that are being handed over.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Refreshes of sources.
    pub(crate) fn refreshes(&self) -> &Refreshes {
        &self.refreshes
    }

    /// Where questions are asked of everybody.
    pub(crate) fn scans(&self) -> &Scans {
        &self.scans
    }

    /// What rules of a workspace are asked with.
    pub(crate) fn asker(&self, workspace: WorkspaceId) -> Asker {
        Asker { store: self.components.store.clone(), pool: self.pool.clone(), workspace }
    }

    /// Whether rules are left alone.
    pub(crate) fn is_without_rules(&self) -> bool {
        self.settings.without_rules
    }

    /// An id for a directive that is about to be ordered.
    pub(crate) fn new_directive_id(&self) -> DirectiveId {
        let mut random = [0u8; 8];
        (self.components.random)(&mut random);
        Ids::new((self.components.clock)().millis(), u64::from_be_bytes(random)).directive()
    }

    /// Figures that an operator may turn.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where everything is kept.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.components.store
    }

    /// The configuration in force in a workspace.
    pub(crate) async fn configured(&self, workspace: WorkspaceId) -> Result<Arc<Configured>, Error> {
        self.running(workspace).shared.configured().await
    }

    pub(crate) fn components(&self) -> &Components {
        &self.components
    }

    pub(crate) fn finder<'a>(&'a self, workspace: WorkspaceId, config: &'a Config) -> Finder<'a> {
        let (store, epochs) = (&self.components.store, &self.epochs);
        Finder { store, scope: Scope::new(workspace), config, epochs }
    }
}
