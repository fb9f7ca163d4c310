//! Runs that write files: each into a folder of its own, `run=<job>`, and then the name of that folder into `latest.json` beside it.

use serde_json::json;

use super::{Piece, as_export};
use crate::base::clock::format_timestamp;
use crate::base::error::Error;
use crate::config::activations::Activation;
use crate::stored::sources::RunCounts;
use crate::work::exports::content::ExportPlace;
use crate::work::exports::{self, Reached, Stepped};
use crate::work::kind::Context;
use crate::work::refresh::source_error;

/// The file that names the folder of the last run that is whole.
const LATEST: &str = "latest.json";

/// Does the next piece.
///
/// # Errors
/// What the place or the store answers.
pub(super) async fn piece(
    ctx: &Context,
    activation: &Activation,
    path: &str,
    reached: Option<Reached>,
) -> Result<Piece, Error> {
    let folder = format!("run={}", ctx.job().id);
    let content = as_export(activation, Some(&folder));
    match exports::step(ctx, &content, reached).await? {
        Stepped::More { reached, done, total } => Ok(Piece::More { read: done, total, files: Some(reached) }),
        Stepped::Done { rows, .. } => {
            let place = ExportPlace { connection: activation.content.connection.clone(), path: path.to_owned() };
            let target = ctx.service().target_of(ctx.workspace(), &place).await?;
            let mut part = target.begin(LATEST, &ctx.job().id.to_string()).await.map_err(source_error)?;
            let at = ctx.job().started_at.unwrap_or_else(|| ctx.service().now());
            let told = json!({
                "run": ctx.job().id.to_string(), "folder": folder, "rows": rows, "started_at": format_timestamp(at),
                "ended_at": format_timestamp(ctx.service().now())
            });
            part.write(told.to_string().into_bytes()).await.map_err(source_error)?;
            part.close().await.map_err(source_error)?;
            Ok(Piece::Done(RunCounts { read: rows, changed: rows, ..RunCounts::default() }))
        }
    }
}
