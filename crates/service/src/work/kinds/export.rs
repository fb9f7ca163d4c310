//! `export`: writes profiles, members of a segment or events into files of a place.

use async_trait::async_trait;
use serde::Serialize;

use crate::base::error::Error;
use crate::jobs::terms::MadeBy;
use crate::work::exports::content::ExportContent;
use crate::work::exports::{self, Reached, Stepped};
use crate::work::kind::{Context, Kind, Step};

/// The name of the kind.
pub(crate) const EXPORT: &str = "export";

/// An export to a place.
pub(super) struct Export;

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Exported {
    rows: u64,
    bytes: u64,
    files: u64,
}

#[async_trait]
impl Kind for Export {
    const NAME: &'static str = EXPORT;
    const UNIT: &'static str = "rows";
    const MADE_BY: MadeBy = MadeBy::Only("POST /v1/exports");
    const AT_ONCE: usize = 2;
    const CHECKPOINT_VERSION: u8 = 1;

    type Parameters = ExportContent;
    type Checkpoint = Reached;
    type Outcome = Exported;

    async fn step(
        &self,
        ctx: &Context,
        asked: &ExportContent,
        reached: Option<Reached>,
    ) -> Result<Step<Reached, Exported>, Error> {
        Ok(match exports::step(ctx, asked, reached).await? {
            Stepped::More { reached, done, total } => Step::More { checkpoint: reached, done, total },
            Stepped::Done { rows, bytes, files, done, .. } => {
                Step::Done { outcome: Exported { rows, bytes, files }, done }
            }
        })
    }
}

#[cfg(test)]
mod tests;
