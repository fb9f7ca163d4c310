//! Changes of the data model, in order with the facts, and compared with what is stored.

use tessera_engine::model::{DataModel, Flags};
use tessera_engine::time::Timestamp;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::config::workspace::{ModelChange, StoredConfig, StoredModel, changed_model, with_model};
use crate::work::contradictions::{self, Contradictions};
use crate::work::service::Service;

/// What becomes of a change that stored data contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradicting {
    /// It is refused.
    Refused,
    /// It is made; what is stored stays and is read as before. Nothing is compared.
    Made,
}

/// What a change of the data model came to, or would come to.
#[derive(Debug, Clone)]
pub struct ModelChanged {
    /// The model that was changed.
    pub before: StoredModel,
    /// The model after the change; the same where it changes nothing.
    pub after: StoredModel,
    /// What stored data contradicts it.
    pub contradictions: Contradictions,
}

/// Whether a change of the data model was made.
#[derive(Debug, Clone)]
pub enum ModelOutcome {
    /// It was.
    Made(ModelChanged),
    /// It was not: stored data contradicts it.
    Contradicted(ModelChanged),
}

impl Service {
    /// Refuses what is shown as it came, where nothing can be left out, to a reader from whom the data model hides something.
    ///
    /// # Errors
    /// `Forbidden` with `raw_hidden`; what the store answers.
    pub async fn check_shows_raw(&self, workspace: WorkspaceId, visibility: Flags) -> Result<(), Error> {
        self.configured(workspace).await?.check_shows_raw(visibility)
    }

    /// Changes the data model of a workspace. With an expected version only the model of that version is changed.
    ///
    /// Stored data is compared with the change as it is when the comparison begins; facts that come in meanwhile are judged by the
    /// model that still holds.
    ///
    /// # Errors
    /// As [`changed_model`]; `Conflict` with `data_model_changed` where the model was changed during the comparison;
    /// `LimitExceeded` with `config_too_large`; what the store answers.
    pub async fn change_model(
        &self,
        workspace: WorkspaceId,
        change: ModelChange,
        expected: Option<u64>,
        contradicting: Contradicting,
    ) -> Result<ModelOutcome, Error> {
        let config = self.configuration(workspace).await?;
        let tried = match contradicting {
            Contradicting::Refused => self.try_on(workspace, &config, &change, expected).await?,
            Contradicting::Made => changed(&config, &change, expected, self.now())?,
        };
        if tried.contradictions.count > 0 {
            return Ok(ModelOutcome::Contradicted(tried));
        }
        let compared = config.model().version;
        let make =
            move |config: &StoredConfig, at| with_model(config, changed_model(config, &change, Some(compared))?, at);
        let stored = self.configure_rules(workspace, make).await?;
        let after = stored.model().clone();
        Ok(ModelOutcome::Made(ModelChanged { after, ..tried }))
    }

    /// What a change of the data model would come to now; nothing is changed.
    ///
    /// # Errors
    /// As [`Self::change_model`].
    pub async fn try_model_change(
        &self,
        workspace: WorkspaceId,
        change: &ModelChange,
        expected: Option<u64>,
    ) -> Result<ModelChanged, Error> {
        let config = self.configuration(workspace).await?;
        self.try_on(workspace, &config, change, expected).await
    }

    async fn try_on(
        &self,
        workspace: WorkspaceId,
        config: &StoredConfig,
        change: &ModelChange,
        expected: Option<u64>,
    ) -> Result<ModelChanged, Error> {
        let tried = changed(config, change, expected, self.now())?;
        let (before, after) = (tried.before.model.clone(), tried.after.model.clone());
        let contradictions =
            contradictions::find(self.components(), workspace, config.to_engine()?, before, after).await?;
        Ok(ModelChanged { contradictions, ..tried })
    }
}

fn changed(
    config: &StoredConfig,
    change: &ModelChange,
    expected: Option<u64>,
    now: Timestamp,
) -> Result<ModelChanged, Error> {
    let model: DataModel = changed_model(config, change, expected)?;
    let after = with_model(config, model, now)?.model().clone();
    Ok(ModelChanged { before: config.model().clone(), after, contradictions: Contradictions::default() })
}

/// The answer to a change that stored data contradicts, without what does.
#[must_use]
pub fn contradicted(contradictions: &Contradictions) -> Error {
    let count = contradictions.count;
    let message = format!("stored values or events contradict the change count={count}; correct them, or force it");
    Error::new(ErrorKind::Conflict, "data_model_contradicted", message)
}
