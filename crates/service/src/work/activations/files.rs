//! Runs that write files: each into a folder of its own, `run=<job>`, and then the name of that folder into `latest.json` beside it. Folders of runs of
//! before go then, but for the newest.

use std::collections::BTreeSet;

use serde_json::json;
use tessera_connect::Target;

use super::{Piece, as_export};
use crate::base::clock::format_timestamp;
use crate::base::error::Error;
use crate::config::activations::Activation;
use crate::jobs::JobId;
use crate::stored::sources::{RunCounts, RunStatus};
use crate::work::exports::content::ExportPlace;
use crate::work::exports::manifest::MANIFEST;
use crate::work::exports::{self, Reached, Stepped};
use crate::work::kind::Context;
use crate::work::refresh::source_error;
use crate::work::runs::{self, RUNS_MAX};

/// The file that names the folder of the last run that is whole.
const LATEST: &str = "latest.json";

/// Does the next piece.
///
/// # Errors
/// What the place or the store answers.
pub(super) async fn piece(
    ctx: &Context,
    activation: &Activation,
    (path, keep_runs): (&str, usize),
    reached: Option<Reached>,
) -> Result<Piece, Error> {
    let folder = folder_of(ctx.job().id);
    let content = as_export(activation, Some(&folder));
    match exports::step(ctx, &content, reached).await? {
        Stepped::More { reached, done, total } => Ok(Piece::More { read: done, total, files: Some(reached) }),
        Stepped::Done { rows, left_out, .. } => {
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
            if let Err(error) = remove_old(ctx, activation, &*target, keep_runs).await {
                tracing::warn!(code = error.code, "folders of old runs could not be removed; the next run tries again");
            }
            let counts = RunCounts { read: rows, changed: rows, ..RunCounts::default() };
            Ok(Piece::Done { counts, left_out })
        }
    }
}

fn folder_of(run: JobId) -> String {
    format!("run={run}")
}

/// Removes the folders of runs of this activation that are older than the newest whole ones, those of runs that came to no end included. Others stay,
/// whatever they are called: nobody knows whose they are.
async fn remove_old(
    ctx: &Context,
    activation: &Activation,
    target: &dyn Target,
    keep_runs: usize,
) -> Result<(), Error> {
    let runs = runs::newest(&**ctx.store(), ctx.scope(), activation.number, RUNS_MAX).await?;
    let own = *ctx.job().id.as_bytes();
    // The present run is whole, and its history does not say so yet.
    let mut whole = 1;
    let mut old = BTreeSet::new();
    for run in runs.iter().filter(|run| run.id != own) {
        // No two run at one time: another one that has come to no end never will.
        let is_kept = run.status == RunStatus::Done && whole < keep_runs;
        whole += usize::from(run.status == RunStatus::Done);
        if !is_kept {
            old.insert(folder_of(JobId::from_bytes(run.id)));
        }
    }
    if old.is_empty() {
        return Ok(());
    }
    for folder in target.folders().await.map_err(source_error)? {
        if old.contains(&folder) {
            target.remove_folder(&folder, MANIFEST).await.map_err(source_error)?;
        }
    }
    Ok(())
}
