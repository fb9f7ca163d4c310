//! How a service begins and ends.

use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use tessera_store::{Direction, ScanLimit};
use tokio::task::JoinSet;

use super::Service;
use super::running::{Workspaces, keep_asleep};
use crate::base::components::Components;
use crate::base::error::Error;
use crate::base::keeper::Keeper;
use crate::base::lock::lock;
use crate::base::settings::Settings;
use crate::base::store_error::{self, Readiness, read_failed};
use crate::config::tokens::signing::Signing;
use crate::config::workspace::{Part, decode_planned, decode_signing_keys, renewed};
use crate::directory::DirectoryHandle;
use crate::jobs::Jobs;
use crate::jobs::terms::Terms;
use crate::read::pool::Pool;
use crate::read::scans::Scans;
use crate::read::views::{Epochs, Views};
use crate::stored::cursor::Cursors;
use crate::stored::keys::{Family, Scope};
use crate::stored::row;
use crate::work::activations::Activations;
use crate::work::audited::Audited;
use crate::work::backups::Backups;
use crate::work::exports::Exports;
use crate::work::keeper::{Parts, keep_directory, keep_feed};
use crate::work::kind::AnyKind;
use crate::work::leaps::{Leaps, look_out};
use crate::work::runner;
use crate::work::schedules::keep_sources;
use crate::work::uploads::Uploads;
use crate::write::feed::trim::Trimmer;
use crate::write::lane::{Memories, Queues, Weights};
use crate::write::quarantine::Quarantine;

impl Service {
    /// The backups that are made while the service is in use.
    pub(crate) fn backups(&self) -> &Backups {
        &self.parts.backups
    }

    /// What keeping takes.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// What can be answered now.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        store_error::readiness(self.components.store.health())
    }

    /// Opens the service on a store: reads the directory, and takes up what an earlier process left.
    ///
    /// # Errors
    /// What the store answers, or `Corrupt` for records that cannot be read.
    pub async fn open(components: Components, settings: Settings) -> Result<Arc<Self>, Error> {
        Self::open_with(components, settings, crate::work::kinds::all()).await
    }

    /// As [`Self::open`], with these kinds of jobs.
    pub(crate) async fn open_with(
        components: Components,
        settings: Settings,
        kinds: Vec<Arc<dyn AnyKind>>,
    ) -> Result<Arc<Self>, Error> {
        let Components { store, clock, random, tasks } = &components;
        let tasks = tasks.clone();
        let directory = DirectoryHandle::open(store.clone(), clock.clone(), random.clone()).await?;
        let mut drawn = [0; 32];
        random(&mut drawn);
        // Of the same draw: where the store has a secret already, these bits are nothing else's.
        let marks = drawn_for_marks(&drawn);
        let cursors = Arc::new(Cursors::open(&**store, drawn).await?);
        let workspaces: Arc<Workspaces> = Arc::default();
        let terms = kinds.iter().cloned().map(|kind| kind as Arc<dyn Terms>).collect();
        let kinds: Arc<[Arc<dyn AnyKind>]> = kinds.into();
        let service = Arc::new(Self {
            parts: Arc::new(Parts {
                quarantine: Quarantine::new(store.clone(), cursors.clone()),
                jobs: Arc::new(Jobs::new(&components, cursors.clone(), terms)),
                backups: Backups::new(settings.backup_folder.clone()),
                components: components.clone(),
                purge_interval_secs: settings.purge_interval_secs,
                workspaces: workspaces.clone(),
            }),
            keeper: Arc::new(Keeper::default()),
            audited: Arc::new(Audited::new(settings.audit, marks)),
            waker: Arc::new(Keeper::default()),
            queues: Queues::new(settings.queue_bytes),
            memories: Memories::new(settings.record_cache_bytes),
            weights: Weights::new(settings.workspace_bytes),
            workspaces,
            feed_keeper: Arc::new(Keeper::default()),
            look_out: Arc::new(Keeper::default()),
            leaps: Mutex::new(Leaps::since(clock())),
            epochs: Arc::new(Epochs::new()),
            refreshes: Arc::default(),
            exports: Exports::default(),
            activations: Activations::default(),
            uploads: Uploads::new(settings.upload_folder.clone()),
            views: Views::new(settings.view_cache_bytes),
            pool: Arc::new(Pool::new(tasks.clone(), clock.clone())),
            signing: Signing::new(tasks.clone()),
            scans: Scans::new(tasks.clone(), clock.clone()),
            tasks: Mutex::new(JoinSet::new()),
            runner: Mutex::new(JoinSet::new()),
            directory,
            cursors,
            settings,
            components,
        });
        lock(&service.tasks).spawn_on(keep_directory(service.keeper.clone(), Arc::downgrade(&service)), &tasks);
        lock(&service.tasks).spawn_on(keep_asleep(service.waker.clone(), Arc::downgrade(&service)), &tasks);
        lock(&service.tasks).spawn_on(look_out(service.look_out.clone(), Arc::downgrade(&service)), &tasks);
        lock(&service.tasks).spawn_on(keep_sources(service.refreshes.clone(), Arc::downgrade(&service)), &tasks);
        let trimmer = Trimmer::new(service.store().clone(), service.components.clock.clone(), service.settings.feed);
        lock(&service.tasks).spawn_on(keep_feed(service.feed_keeper.clone(), trimmer), &tasks);
        if service.settings.without_rules {
            service.renew_rules().await?;
        }
        service.go_on_keeping().await?;
        service.go_on_sweeping_all().await?;
        service.go_on_with_jobs().await?;
        let runner = runner::run(service.parts.jobs.clone(), kinds, Arc::downgrade(&service));
        lock(&service.runner).spawn_on(runner, &tasks);
        Ok(service)
    }

    /// Has everything that waits for an instant look again if the clock has leapt.
    pub(crate) fn look_at_clock(&self) {
        if !lock(&self.leaps).see((self.components.clock)()) {
            return;
        }
        tracing::info!("the clock has leapt; whatever is due is looked for");
        for running in self.workspaces.all() {
            running.shared.timers.wake();
            running.keeper.nudge();
        }
        self.waker.nudge();
        self.feed_keeper.nudge();
        self.refreshes.keeper.nudge();
        self.jobs().nudge();
    }

    /// Starts the workspaces that have rules, signing keys that end, or erasures that are ordered for later, or in which what was erased is still on disk; the others start when somebody asks for them.
    /// At most five short reads for each workspace.
    async fn go_on_keeping(&self) -> Result<(), Error> {
        let directory = self.directory.snapshot();
        for workspace in directory.workspaces() {
            let scope = Scope::new(workspace.id);
            // The calendar may turn for its rules.
            if row::read(&**self.store(), scope.config(Part::Rules)).await?.is_some() {
                self.wake(workspace.id);
                continue;
            }
            // A key that was replaced may have ended meanwhile.
            let keys = row::read(&**self.store(), scope.config(Part::SigningKeys)).await?;
            if keys
                .map(|row| decode_signing_keys(&row.value))
                .transpose()?
                .is_some_and(|keys| keys.next_end().is_some())
            {
                self.wake(workspace.id);
                continue;
            }
            // What was ordered for later may be due.
            let planned = row::read(&**self.store(), scope.config(Part::Planned)).await?;
            let planned = planned.map(|row| decode_planned(&row.value)).transpose()?;
            if planned.is_some_and(|planned| planned.next_due().is_some()) {
                self.wake(workspace.id);
                continue;
            }
            for waiting in [scope.all_of(Family::Purge), scope.waiting_receipts()] {
                let page = self.store().scan(&waiting, ScanLimit::rows(1), Direction::Forward).await;
                if !page.map_err(|error| read_failed(&error))?.rows.is_empty() {
                    self.wake(workspace.id);
                }
            }
        }
        Ok(())
    }

    /// Writes go by without rules from now on, so all that they keep is made anew by the process that has them again.
    async fn renew_rules(&self) -> Result<(), Error> {
        tracing::warn!(
            "rules are off: computed attributes and segments are not evaluated, and what depends on them is not told"
        );
        for workspace in self.directory.snapshot().workspaces() {
            if row::read(&**self.store(), Scope::new(workspace.id).config(Part::Rules)).await?.is_some() {
                self.configure_at(workspace.id, |config, _| renewed(config)).await?;
            }
        }
        Ok(())
    }

    /// Makes the rules of all workspaces ready to be asked. A start that does not get through this is to be tried again without them.
    ///
    /// # Errors
    /// What the store answers, or `Corrupt` for a configuration that cannot be read.
    pub async fn make_rules_ready(&self) -> Result<(), Error> {
        for workspace in self.directory.snapshot().workspaces() {
            if row::read(&**self.store(), Scope::new(workspace.id).config(Part::Rules)).await?.is_some() {
                self.configured(workspace.id).await?;
            }
        }
        Ok(())
    }

    /// Takes up the jobs that have not ended. One short scan for each workspace.
    async fn go_on_with_jobs(&self) -> Result<(), Error> {
        for workspace in self.directory.snapshot().workspaces() {
            self.jobs().take_up(workspace.id).await?;
        }
        Ok(())
    }

    /// Ends all lanes once they have answered what was submitted, and all work behind them. Whoever submits afterwards is told
    /// that the service is stopping.
    pub async fn close(&self) {
        self.jobs().stop();
        self.keeper.stop();
        self.waker.stop();
        self.feed_keeper.stop();
        self.refreshes.keeper.stop();
        self.look_out.stop();
        self.workspaces.all().iter().for_each(|running| running.stop());
        let mut runner = std::mem::take(&mut *lock(&self.runner));
        while runner.join_next().await.is_some() {}
        // A step may have started the lane of its workspace meanwhile.
        let running = self.workspaces.drain();
        running.iter().for_each(|running| running.stop());
        drop(running);
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        while tasks.join_next().await.is_some() {}
    }
}

/// Bits for the marks of the audit log, which say nothing of those that they come from.
fn drawn_for_marks(drawn: &[u8; 32]) -> [u8; 8] {
    let hash: [u8; 32] = Sha256::new().chain_update("tessera audit marks").chain_update(drawn).finalize().into();
    let mut marks = [0; 8];
    marks.copy_from_slice(&hash[..8]);
    marks
}
