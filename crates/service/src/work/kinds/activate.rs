//! `activate`: writes members of a segment, or everybody, to a table or to files.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::base::error::Error;
use crate::jobs::terms::MadeBy;
use crate::work::activations::{self, Reached, Stepped};
use crate::work::kind::{Context, Kind, Step};

/// The name of the kind.
pub(crate) const ACTIVATE: &str = "activate";

/// A run of one activation.
pub(super) struct Activate;

/// What is asked.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Activating {
    /// The activation.
    pub(crate) activation: String,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Activated {
    activation: String,
    read: u64,
    changed: u64,
    unchanged: u64,
    evicted: u64,
}

#[async_trait]
impl Kind for Activate {
    const NAME: &'static str = ACTIVATE;
    const UNIT: &'static str = "rows";
    const MADE_BY: MadeBy = MadeBy::Only("POST /v1/activations/{name}:run");
    const AT_ONCE: usize = 4;
    const CHECKPOINT_VERSION: u8 = 1;

    type Parameters = Activating;
    type Checkpoint = Reached;
    type Outcome = Activated;

    async fn step(
        &self,
        ctx: &Context,
        asked: &Activating,
        reached: Option<Reached>,
    ) -> Result<Step<Reached, Activated>, Error> {
        Ok(match activations::step(ctx, &asked.activation, reached).await? {
            Stepped::More { reached, done, total } => Step::More { checkpoint: reached, done, total },
            Stepped::Done { counts, done } => {
                let outcome = Activated {
                    activation: asked.activation.clone(),
                    read: counts.read,
                    changed: counts.changed,
                    unchanged: counts.unchanged,
                    evicted: counts.evicted,
                };
                Step::Done { outcome, done }
            }
        })
    }
}

#[cfg(test)]
mod tests;
