//! Changes of the data model, in order with the facts.

use std::sync::Arc;

use tessera_engine::model::DataModel;
use tokio::sync::oneshot;

use crate::directory::WorkspaceId;
use crate::error::{Error, ErrorKind};
use crate::service::Service;
use crate::workspace_config::{ModelChange, StoredConfig, StoredModel, changed_model, with_model};

/// What a change of the data model came to.
#[derive(Debug, Clone)]
pub struct ModelChanged {
    /// The model that was changed.
    pub before: StoredModel,
    /// The model that holds now, or would hold; the same where the change changes nothing.
    pub after: StoredModel,
}

impl Service {
    /// Changes the data model of a workspace. With an expected version only the model of that version is changed.
    ///
    /// # Errors
    /// As [`changed_model`]; `LimitExceeded` with `config_too_large`; what the store answers.
    pub async fn change_model(
        &self,
        workspace: WorkspaceId,
        change: ModelChange,
        expected: Option<u64>,
    ) -> Result<ModelChanged, Error> {
        let (tell, told) = oneshot::channel();
        let change = move |config: &StoredConfig| {
            let next = with_model(config, changed_model(config, &change, expected)?)?;
            drop(tell.send(config.model().clone()));
            Ok(next)
        };
        let after = self.configure(workspace, change).await?.model().clone();
        let before = told.await.map_err(|_| Error::new(ErrorKind::Internal, "internal", "a change was not made"))?;
        Ok(ModelChanged { before, after })
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
        let model: DataModel = changed_model(&config, change, expected)?;
        let after = with_model(&config, model)?.model().clone();
        Ok(ModelChanged { before: config.model().clone(), after })
    }

    /// The data model of a workspace.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn data_model(&self, workspace: WorkspaceId) -> Result<Arc<DataModel>, Error> {
        Ok(self.configuration(workspace).await?.model().model.clone())
    }
}
