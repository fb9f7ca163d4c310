//! Activations: rows of members of a segment, or of everybody, are written to a table or to files, as reads show them.
//!
//! A run is a job. Rows for a table are gathered beside it, in a session of the database that is held here, in memory, between two steps; one
//! short transaction at the end brings the table to them. A process that ends loses the session and with it what was gathered, so the table
//! stands as it was, and the run begins anew. Files go the way of exports: into a folder of the run, with a manifest that comes last.

use std::collections::HashMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use tessera_connect::FileFormat;
use tessera_engine::time::Timestamp;

use crate::base::error::{Error, ErrorKind};
use crate::base::lock::lock;
use crate::config::activations::{self, Activation, Destination, PROFILE_ID};
use crate::jobs::Place;
use crate::stored::sources::{Run, RunCounts, RunStatus, RunVerdict};
use crate::work::exports;
use crate::work::exports::content::{ExportContent, ExportOf, ExportPlace, MembersOf, Sees};
use crate::work::kind::Context;
use crate::work::runs;

mod files;
mod tables;

use tables::Gathering;

/// How long a run is held that nobody goes on with.
const IDLE_MICROS: i64 = 60_000_000;
/// What a run says of members whom it did not write.
const LEFT_OUT: &str = "member_in_control_group";

/// The runs that are under way in this process and hold a session.
#[derive(Default)]
pub(crate) struct Activations {
    open: Mutex<HashMap<Place, Gathering>>,
}

impl Activations {
    fn take(&self, place: Place) -> Option<Gathering> {
        lock(&self.open).remove(&place)
    }

    fn hold(&self, place: Place, gathering: Gathering) {
        lock(&self.open).insert(place, gathering);
    }

    /// Lets go of those that nobody has gone on with for a while, because their jobs rest or have ended: with them go their sessions.
    pub(crate) fn let_go(&self, now: Timestamp) {
        lock(&self.open).retain(|_, own| own.used_at.plus_micros(IDLE_MICROS) > now);
    }
}

/// Where a run is: what its job keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reached {
    /// How often the activation had been set when the run began.
    set: u64,
    /// The most that was told of its progress.
    done: u64,
    /// Of files, where their export is.
    files: Option<exports::Reached>,
}

/// What a step of a run came to.
pub(crate) enum Stepped {
    /// There is more to do.
    More { reached: Reached, done: u64, total: Option<u64> },
    /// That was the last.
    Done { counts: RunCounts, done: u64 },
}

/// What a piece of a run came to.
enum Piece {
    More {
        read: u64,
        total: Option<u64>,
        files: Option<exports::Reached>,
    },
    /// That was the last; so many members of the control group were left out.
    Done {
        counts: RunCounts,
        left_out: u64,
    },
}

/// Does the next piece of the run of a job. What fails for good stands in the history of the activation, too.
///
/// # Errors
/// What the place or the store answers.
pub(crate) async fn step(ctx: &Context, name: &str, reached: Option<Reached>) -> Result<Stepped, Error> {
    let activation = activations::activation(&ctx.configured().await?.stored, name)?;
    let Some(reached) = reached else {
        runs::write(ctx.store(), ctx.scope(), activation.number, &begun(ctx), None).await?;
        let reached = Reached { set: activation.set, done: 0, files: None };
        return Ok(Stepped::More { reached, done: 0, total: None });
    };
    let (set, told) = (reached.set, reached.done);
    match piece(ctx, &activation, reached).await {
        Ok(Piece::More { read, total, files }) => {
            let done = told.max(read);
            Ok(Stepped::More { reached: Reached { set, done, files }, done, total: total.map(|own| own.max(done)) })
        }
        Ok(Piece::Done { counts, left_out }) => {
            end(ctx, &activation, counts, Ok(left_out)).await?;
            Ok(Stepped::Done { counts, done: told.max(counts.read) })
        }
        // What passes by itself is tried again.
        Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Throttled) => {
            Err(error)
        }
        Err(error) => {
            end(ctx, &activation, RunCounts::default(), Err(&error)).await?;
            Err(error)
        }
    }
}

async fn piece(ctx: &Context, activation: &Activation, reached: Reached) -> Result<Piece, Error> {
    if activation.set != reached.set {
        let message = "the activation was set to something else while it ran; run it again";
        return Err(Error::new(ErrorKind::Conflict, "activation_changed", message));
    }
    match &activation.content.to {
        Destination::Table(table) => tables::piece(ctx, activation, table).await,
        Destination::Files { path, keep_runs, .. } => {
            files::piece(ctx, activation, (path, *keep_runs), reached.files).await
        }
    }
}

fn begun(ctx: &Context) -> Run {
    Run {
        id: *ctx.job().id.as_bytes(),
        started_at: ctx.job().started_at.unwrap_or_else(|| ctx.service().now()),
        ended_at: None,
        status: RunStatus::Running,
        counts: RunCounts::default(),
        error: None,
        verdicts: Vec::new(),
    }
}

/// Notes in the history what the run came to.
async fn end(
    ctx: &Context,
    activation: &Activation,
    counts: RunCounts,
    outcome: Result<u64, &Error>,
) -> Result<(), Error> {
    let mut run = Run { counts, ..begun(ctx) };
    if let Ok(rows @ 1..) = outcome {
        run.verdicts.push(RunVerdict { code: LEFT_OUT.to_owned(), column: None, is_refusal: false, rows });
    }
    let status = if outcome.is_ok() { RunStatus::Done } else { RunStatus::Failed };
    run.end(status, outcome.err(), ctx.service().now());
    runs::write(ctx.store(), ctx.scope(), activation.number, &run, None).await?;
    ctx.service().refreshes().keeper.nudge();
    Ok(())
}

/// The rows of an activation, as an export names them; of files into a folder below its path.
pub(crate) fn as_export(activation: &Activation, folder: Option<&str>) -> ExportContent {
    let content = &activation.content;
    let fields =
        content.columns.as_ref().map(|own| std::iter::once(PROFILE_ID.to_owned()).chain(own.clone()).collect());
    let (format, compression, to) = match &content.to {
        Destination::Table(_) => (FileFormat::Csv.name().to_owned(), "none".to_owned(), None),
        Destination::Files { path, format, compression, .. } => {
            let path = folder.map_or_else(|| path.clone(), |folder| format!("{path}/{folder}"));
            let to = ExportPlace { connection: content.connection.clone(), path };
            (format.clone(), compression.clone(), Some(to))
        }
    };
    ExportContent {
        of: if content.segment.is_some() { ExportOf::Members } else { ExportOf::Profiles },
        segment: content.segment.clone(),
        merge_policy: content.merge_policy.clone(),
        fields,
        from: None,
        until: None,
        events: None,
        format,
        compression,
        file_rows: None,
        to,
        sees: Sees::from(activation.sees()),
        members: MembersOf::Treated,
        filter: None,
        time_zone: None,
    }
}

#[cfg(test)]
impl Reached {
    /// One of everything.
    pub(crate) fn sample() -> Self {
        Self { set: 3, done: 1_500, files: Some(exports::Reached::sample()) }
    }
}
