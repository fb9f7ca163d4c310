//! `backup`: writes the whole store, as it is at one instant, to a file, while it is in use.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::base::error::Error;
use crate::jobs::terms::MadeBy;
use crate::work::backups;
use crate::work::kind::{Context, Kind, Step};

/// A backup of all workspaces.
pub(super) struct Backup;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The file, in the folder that the operator has set.
    name: String,
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Reached {
    /// The most rows that were ever written: one that begins again is told as no further until it is.
    rows: u64,
    /// What was written, once it is whole and has yet to get its name.
    whole: Option<Whole>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Whole {
    rows: u64,
    feed_rows: u64,
    as_of: u64,
    bytes: u64,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    /// The file.
    name: String,
    /// Its bytes.
    bytes: u64,
    /// Rows of all workspaces.
    rows: u64,
    /// Rows of the feed.
    feed_rows: u64,
    /// The version of the store that it is of.
    as_of: u64,
}

#[async_trait]
impl Kind for Backup {
    const NAME: &'static str = "backup";
    const UNIT: &'static str = "rows";
    const MADE_BY: MadeBy = MadeBy::Only("POST /v1/admin/backups");
    const CHECKPOINT_VERSION: u8 = 1;

    type Parameters = Asked;
    type Checkpoint = Reached;
    type Outcome = Made;

    async fn step(&self, ctx: &Context, asked: &Asked, reached: Option<Reached>) -> Result<Step<Reached, Made>, Error> {
        let Reached { rows: best, whole } = reached.unwrap_or_default();
        let backups = ctx.service().backups();
        if let Some(Whole { rows, feed_rows, as_of, bytes }) = whole {
            backups.name(&asked.name, bytes)?;
            let made = Made { name: asked.name.clone(), bytes, rows, feed_rows, as_of };
            return Ok(Step::Done { outcome: made, done: best.max(rows + feed_rows) });
        }
        let step = backups.step(&**ctx.store(), ctx.job().id, &asked.name, ctx.service().now()).await?;
        let (written, whole) = match step {
            backups::Step::More(rows) => (rows, None),
            backups::Step::Written(own, bytes) => {
                let whole = Whole { rows: own.rows, feed_rows: own.feed_rows, as_of: own.as_of.0, bytes };
                (own.rows + own.feed_rows, Some(whole))
            }
        };
        let done = best.max(written);
        Ok(Step::More { checkpoint: Reached { rows: done, whole }, done, total: None })
    }
}

#[cfg(test)]
mod tests;
