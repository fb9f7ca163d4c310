//! `refresh`: brings what a source says now to the profiles that it speaks of.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::base::error::Error;
use crate::jobs::terms::MadeBy;
use crate::work::kind::{Context, Kind, Step};
use crate::work::refresh::{self, Overrides, Stepped};

/// The name of the kind.
pub(crate) const REFRESH: &str = "refresh";

/// A refresh of one source.
pub(super) struct Refresh;

/// What is asked.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// The source.
    pub(crate) source: String,
    /// The share of its rows that may be taken back, where it is another than the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) evict_max_share: Option<f64>,
    /// Whether rows are written that say what they said before.
    #[serde(default)]
    pub(crate) full: bool,
}

/// The most rows that were ever read. The stream itself is held in memory: another process begins it anew.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Reached {
    rows: u64,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Refreshed {
    source: String,
    read: u64,
    changed: u64,
    unchanged: u64,
    evicted: u64,
    refused: u64,
}

#[async_trait]
impl Kind for Refresh {
    const NAME: &'static str = REFRESH;
    const UNIT: &'static str = "rows";
    const MADE_BY: MadeBy = MadeBy::Only("POST /v1/sources/{name}:refresh");
    const AT_ONCE: usize = 4;
    const CHECKPOINT_VERSION: u8 = 1;

    type Parameters = Asked;
    type Checkpoint = Reached;
    type Outcome = Refreshed;

    async fn step(
        &self,
        ctx: &Context,
        asked: &Asked,
        reached: Option<Reached>,
    ) -> Result<Step<Reached, Refreshed>, Error> {
        // One that begins anew is told as no further until it is.
        let best = reached.unwrap_or_default().rows;
        let overrides = Overrides { evict_max_share: asked.evict_max_share, is_full: asked.full };
        match refresh::step(ctx, &asked.source, overrides).await? {
            Stepped::More(counts) => {
                let done = best.max(counts.read + counts.evicted);
                Ok(Step::More { checkpoint: Reached { rows: done }, done, total: None })
            }
            Stepped::Done(counts) => {
                let outcome = Refreshed {
                    source: asked.source.clone(),
                    read: counts.read,
                    changed: counts.changed,
                    unchanged: counts.unchanged,
                    evicted: counts.evicted,
                    refused: counts.refused,
                };
                Ok(Step::Done { outcome, done: best.max(counts.read + counts.evicted) })
            }
        }
    }
}

#[cfg(test)]
mod tests;
