//! Changes of the data model: each makes the next configuration, or says why not.

use std::sync::Arc;

use tessera_engine::model::{Attribute, DataModel, Definition, EventType, InvalidModel, Mode, ended_between};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Path;

use super::StoredConfig;
use super::sweeps::keep_ended;
use crate::base::error::{Error, ErrorKind};
use tessera_engine::view::RESERVED;

/// A data model with the number of its changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredModel {
    /// It grows by one with every change of the model; 0 for that of a new workspace.
    pub version: u64,
    /// The model.
    pub model: Arc<DataModel>,
}

/// One change of a data model.
#[derive(Debug, Clone)]
pub enum ModelChange {
    /// Put this in the place of all that is registered.
    Replace(Box<Definition>),
    /// Register an attribute, or register it anew.
    SetAttribute(Path, Box<Attribute>),
    /// An attribute is registered no more.
    RemoveAttribute(Path),
    /// Register an event type, or register it anew.
    SetEventType(Arc<str>, Box<EventType>),
    /// An event type is registered no more.
    RemoveEventType(Arc<str>),
    /// Give a dataset a mode of its own.
    SetDatasetMode(Arc<str>, Mode),
    /// A dataset has the workspace's mode.
    RemoveDatasetMode(Arc<str>),
    /// The mode of datasets without one of their own.
    SetMode(Mode),
}

impl ModelChange {
    /// The definition after this change.
    ///
    /// # Errors
    /// `NotFound` with `attribute_not_found`, `event_type_not_found`, `dataset_mode_not_found` for what is to go and is not
    /// there.
    pub fn applied_to(&self, before: &Definition) -> Result<Definition, Error> {
        let mut next = before.clone();
        let gone = match self {
            Self::Replace(definition) => {
                next = (**definition).clone();
                None
            }
            Self::SetAttribute(path, attribute) => {
                next.attributes.insert(path.clone(), (**attribute).clone());
                None
            }
            Self::RemoveAttribute(path) => {
                let removed = next.attributes.remove(path).is_some();
                (!removed)
                    .then(|| Error::new(ErrorKind::NotFound, "attribute_not_found", "no such attribute is registered"))
            }
            Self::SetEventType(name, event_type) => {
                next.event_types.insert(name.clone(), (**event_type).clone());
                None
            }
            Self::RemoveEventType(name) => {
                let removed = next.event_types.remove(name).is_some();
                (!removed).then(|| {
                    Error::new(ErrorKind::NotFound, "event_type_not_found", "no such event type is registered")
                })
            }
            Self::SetDatasetMode(name, mode) => {
                next.datasets.insert(name.clone(), *mode);
                None
            }
            Self::RemoveDatasetMode(name) => {
                let removed = next.datasets.remove(name).is_some();
                (!removed).then(|| {
                    let message = "the dataset has no mode of its own";
                    Error::new(ErrorKind::NotFound, "dataset_mode_not_found", message)
                })
            }
            Self::SetMode(mode) => {
                next.mode = *mode;
                None
            }
        };
        gone.map_or(Ok(next), Err)
    }
}

/// The model that a change makes of the present one.
///
/// # Errors
/// As [`ModelChange::applied_to`]; `Conflict` with `data_model_changed` where the present version is not the expected one;
/// `Invalid` with `data_model_invalid`; `LimitExceeded` with `data_model_full`.
pub fn changed_model(config: &StoredConfig, change: &ModelChange, expected: Option<u64>) -> Result<DataModel, Error> {
    let StoredModel { version, model } = &config.model;
    if expected.is_some_and(|expected| expected != *version) {
        let message = format!("the data model has been changed meanwhile version={version}");
        return Err(Error::new(ErrorKind::Conflict, "data_model_changed", message));
    }
    let definition = change.applied_to(model.definition())?;
    let reserved = |path: &&Path| path.segments().next().is_some_and(|root| RESERVED.contains(&&*root));
    if let Some(path) = definition.attributes.keys().find(reserved) {
        let message = format!("answers need this name for themselves path={path}");
        return Err(Error::new(ErrorKind::Invalid, "data_model_invalid", message));
    }
    DataModel::new(definition).map_err(|error| {
        let (kind, code) = match error {
            InvalidModel::TooMany { .. } => (ErrorKind::LimitExceeded, "data_model_full"),
            InvalidModel::Name { .. }
            | InvalidModel::TooLong { .. }
            | InvalidModel::BelowNoObject { .. }
            | InvalidModel::PropertyAndItems(_)
            | InvalidModel::AllowedType { .. }
            | InvalidModel::NothingAllowed(_)
            | InvalidModel::AllowedObject(_)
            | InvalidModel::WindowOrder { .. } => (ErrorKind::Invalid, "data_model_invalid"),
        };
        Error::new(kind, code, error.to_string())
    })
}

/// The configuration with this data model from an instant on; the same configuration where the model is the same. What has ended
/// by then under a window that becomes longer stays so.
///
/// # Errors
/// `LimitExceeded` with `config_too_large`, `windows_full`.
pub fn with_model(config: &StoredConfig, model: DataModel, at: Timestamp) -> Result<StoredConfig, Error> {
    if *config.model.model == model {
        return Ok(config.clone());
    }
    let mut sweeps = config.sweeps.clone();
    keep_ended(&mut sweeps, ended_between(config.model.model.definition(), model.definition(), at))?;
    let stored = StoredModel { version: config.model.version + 1, model: Arc::new(model) };
    config.next(|next| (next.model, next.sweeps) = (stored, sweeps))
}
