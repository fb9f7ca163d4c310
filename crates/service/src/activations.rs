//! Activations as doors ask for them: set, looked at, and run.

use std::sync::Arc;

use tessera_engine::model::Flags;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
pub use crate::config::activations::{
    ACTIVATIONS_MAX, Activation, ActivationContent, COLUMNS_MAX, Destination, KEEP_RUNS, RowsWritten, activation_shown,
    activations_shown, check_activation_name, is_one_target,
};
use crate::config::activations::{activations, delete_activation, put_activation};
use crate::config::workspace::StoredConfig;
use crate::jobs::Job;
use crate::work::activations::as_export;
use crate::work::kinds::activate::Activating;
pub use crate::work::schedules::RunsState;
use crate::work::service::Service;

impl Service {
    /// Makes an activation, or replaces what one is. It writes what `sees` may see.
    ///
    /// # Errors
    /// `Invalid` with `activation_name_invalid`, `activation_invalid`, `schedule_invalid`, `connection_unknown`, `connection_not_of_tables`,
    /// `connection_not_of_files`, `export_invalid`, `export_path_invalid`, `merge_policy_unknown`, `merge_policy_without_graph`; `NotFound` with
    /// `segment_not_found`, and with `activation_not_found` where one that is hidden would be replaced; `Conflict` with `segment_not_live`,
    /// `activation_target_taken`; `LimitExceeded` with `activations_full`, `object_too_large`, `config_too_large`; what the store answers.
    pub async fn put_activation(
        &self,
        workspace: WorkspaceId,
        name: &str,
        content: ActivationContent,
        sees: Flags,
    ) -> Result<Arc<StoredConfig>, Error> {
        content.check_alone()?;
        let tried = Activation::tried(content.clone(), sees);
        match as_export(&tried, None).check(&*self.configured(workspace).await?) {
            // The segment is there, and will be complete.
            Err(error) if error.kind == ErrorKind::Unavailable => {}
            other => other?,
        }
        let mut number = [0; 4];
        self.random(&mut number);
        let (number, name) = (u32::from_be_bytes(number), name.to_owned());
        let change = move |config: &StoredConfig, at| put_activation(config, &name, content, (number, sees), at);
        let changed = self.configure_rules(workspace, change).await?;
        self.refreshes().keeper.nudge();
        Ok(changed)
    }

    /// Deletes an activation, for somebody who sees so much. What it wrote stays.
    ///
    /// # Errors
    /// `NotFound` with `activation_not_found`; what the store answers.
    pub async fn delete_activation(&self, workspace: WorkspaceId, name: &str, sees: Flags) -> Result<(), Error> {
        let name = name.to_owned();
        self.configure(workspace, move |config| delete_activation(config, &name, sees)).await?;
        self.refreshes().keeper.nudge();
        Ok(())
    }

    /// Has an activation run now, for somebody who sees what it writes.
    ///
    /// # Errors
    /// `NotFound` with `activation_not_found`; `Forbidden` with `activation_sees_more`; `Conflict` with `activation_running`; `Throttled` with
    /// `jobs_full`; what the store answers.
    pub async fn run_activation(
        &self,
        workspace: WorkspaceId,
        name: &str,
        sees: Flags,
        by: KeyId,
    ) -> Result<Job, Error> {
        activation_shown(&*self.configuration(workspace).await?, name, sees)?.check_seen_by(sees)?;
        self.make_run(workspace, &Activating { activation: name.to_owned() }, Some(by)).await
    }

    /// How an activation stands: whether a run goes on, when the next is, what the last came to.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub async fn activation_state(
        &self,
        workspace: WorkspaceId,
        name: &str,
        own: &Activation,
    ) -> Result<RunsState, Error> {
        self.runs_state::<Activating>(workspace, name, own.into()).await
    }

    /// Refuses somebody who would lead what they may not see to another place: whoever changes a connection that activations write to.
    ///
    /// # Errors
    /// `Forbidden` with `activation_sees_more`.
    pub async fn check_leads(&self, workspace: WorkspaceId, connection: &str, sees: Flags) -> Result<(), Error> {
        let all = activations(&*self.configuration(workspace).await?)?;
        let mut own = all.iter().filter(|(_, own)| own.content.connection == connection);
        own.try_for_each(|(_, own)| own.check_seen_by(sees))
    }

    /// Whether an activation writes over a connection.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub async fn is_written_to(&self, workspace: WorkspaceId, connection: &str) -> Result<bool, Error> {
        let all = activations(&*self.configuration(workspace).await?)?;
        Ok(all.iter().any(|(_, own)| own.content.connection == connection))
    }

    /// Refuses somebody who would bring back under another name what they may not see: whoever sets a source of a connection that activations write to.
    ///
    /// # Errors
    /// `Forbidden` with `activation_sees_more`.
    pub async fn check_brings_back(&self, workspace: WorkspaceId, connection: &str, sees: Flags) -> Result<(), Error> {
        if !self.configured(workspace).await?.flagged.hides_something(sees) {
            return Ok(());
        }
        self.check_leads(workspace, connection, sees).await
    }
}
