//! The configuration of a workspace, and what was seen there.

use std::sync::Arc;

use tessera_engine::time::Timestamp;

use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::config::learned::Summary;
use crate::config::policies;
use crate::config::workspace::{Policies, StoredConfig, StoredPolicy};
use crate::directory::{ListPage, ListQuery};
use crate::stored::idempotency::{Given, Once};
use crate::stored::keys::Scope;
use crate::write::lane::{Answer, Changed, Configuring, Sweeps, Work, mismatch};

use crate::work::service::Service;

impl Service {
    /// The configuration of a workspace.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn configuration(&self, workspace: WorkspaceId) -> Result<Arc<StoredConfig>, Error> {
        Ok(self.running(workspace).shared.configured().await?.stored.clone())
    }

    /// Changes the configuration of a workspace, in order with its writes.
    ///
    /// # Errors
    /// What the change answers; what the store answers.
    pub async fn configure(
        &self,
        workspace: WorkspaceId,
        change: impl FnOnce(&StoredConfig) -> Result<StoredConfig, Error> + Send + 'static,
    ) -> Result<Arc<StoredConfig>, Error> {
        self.configure_rules(workspace, move |config, _| change(config)).await
    }

    /// As [`Self::configure_rules`], for a request that may be sent again: its answer is kept by the commit of the change.
    ///
    /// # Errors
    /// As [`Self::configure_rules`]; `Conflict` with `idempotency_key_reused`; what makes the answer.
    pub async fn configure_once(
        &self,
        workspace: WorkspaceId,
        once: Option<Once<Changed>>,
        change: impl FnOnce(&StoredConfig, Timestamp) -> Result<StoredConfig, Error> + Send + 'static,
    ) -> Result<Given<Changed>, Error> {
        let configuring = Configuring { change: Box::new(change), sweeps: Sweeps::Ordered { by: None }, once };
        self.submit_change(workspace, configuring).await
    }

    pub(crate) async fn submit_change(
        &self,
        workspace: WorkspaceId,
        configuring: Configuring,
    ) -> Result<Given<Changed>, Error> {
        match self.running(workspace).lane.submit(Work::Configure(configuring)).await? {
            Answer::Configured(changed) => Ok(Given::Now(*changed)),
            Answer::Before(reply) => Ok(Given::Before(reply)),
            _ => Err(mismatch()),
        }
    }

    async fn changed(&self, workspace: WorkspaceId, configuring: Configuring) -> Result<Arc<StoredConfig>, Error> {
        Ok(self.submit_change(workspace, configuring).await?.now()?.config)
    }

    /// Changes the configuration at an instant of the lane's clock.
    pub(crate) async fn configure_at(
        &self,
        workspace: WorkspaceId,
        change: impl FnOnce(&StoredConfig, Timestamp) -> Result<StoredConfig, Error> + Send + 'static,
    ) -> Result<Arc<StoredConfig>, Error> {
        let configuring = Configuring { change: Box::new(change), sweeps: Sweeps::Left, once: None };
        self.changed(workspace, configuring).await
    }

    /// Changes the rules at an instant of the lane's clock; the job that brings what is new of them to everybody begins with the change.
    ///
    /// # Errors
    /// What the change answers; what the store answers.
    pub async fn configure_rules(
        &self,
        workspace: WorkspaceId,
        change: impl FnOnce(&StoredConfig, Timestamp) -> Result<StoredConfig, Error> + Send + 'static,
    ) -> Result<Arc<StoredConfig>, Error> {
        let sweeps = Sweeps::Ordered { by: None };
        self.changed(workspace, Configuring { change: Box::new(change), sweeps, once: None }).await
    }

    /// A page of the merge policies of a workspace's configuration, by id.
    ///
    /// # Errors
    /// `Invalid` with `limit_invalid`, `cursor_invalid`.
    pub fn merge_policies<'a>(
        &self,
        workspace: WorkspaceId,
        policies: &'a Policies,
        query: &ListQuery,
    ) -> Result<ListPage<&'a StoredPolicy>, Error> {
        policies::page(policies, workspace, query, &self.cursors)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.components.clock)()
    }

    /// Draws random bits.
    pub fn random(&self, bytes: &mut [u8]) {
        (self.components.random)(bytes);
    }

    /// What was seen of attributes and events in a workspace where nothing is refused: advice, as [`crate::config::learned`] says.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn learned(&self, workspace: WorkspaceId) -> Result<Summary, Error> {
        self.running(workspace).shared.learned.summary(&*self.components.store, Scope::new(workspace)).await
    }

    /// Forgets what was seen of attributes and events.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn forget_learned(&self, workspace: WorkspaceId) -> Result<(), Error> {
        self.running(workspace).shared.learned.forget(&*self.components.store, Scope::new(workspace)).await
    }
}
