//! Exports: profiles, members of a segment or events as rows of files, to an answer or to a place that a connection names.
//!
//! Rows are JSON objects as reads show them. A table is looked through once for its columns, unless these are named and need no types. Then
//! rows are written, file by file. A file holds whole records, and is there whole or not at all; behind it the job notes where it ended. So one
//! that is broken off goes on behind its last file, at the instant at which it goes on, and no record is in two files. The manifest comes last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tessera_connect::{Encoder, Field, FileFormat, Part, Target};
use tessera_engine::time::Timestamp;
use tessera_store::Key;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::lock::lock;
use crate::jobs::Place;
use crate::read::columns::{Columns, Misfit, Seen};
use crate::work::kind::Context;
use crate::work::refresh::source_error;

pub(crate) mod content;
mod encoding;
pub(crate) mod manifest;
mod reached;
pub(crate) mod rows;
pub(crate) mod stream;

pub(crate) use reached::Reached;

use content::ExportContent;
use encoding::{encoded, given_up};
use manifest::{MANIFEST, Manifest};
use reached::{Written, records};
use rows::{RowWalk, Walked};

/// Rows of one step, and bytes of them.
const ROWS_AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 4 << 20;
/// Bytes of one file, about.
pub const FILE_BYTES_MAX: u64 = 256 << 20;
/// Files of one export.
pub const FILES_MAX: usize = 10_000;
/// Exports of one workspace that are sent as answers at one time.
pub const SENT_MAX: usize = 4;
/// How often an export begins anew because its rows have become others than its columns are.
const ANEW_MAX: u8 = 3;
/// How long an export is held that nobody goes on with.
const IDLE_MICROS: i64 = 60_000_000;
/// How long it reads one instant of the store before it goes on at a later one, behind a file.
const INSTANT_MICROS: i64 = 1_200_000_000;

/// The exports that are under way in this process.
#[derive(Default)]
pub(crate) struct Exports {
    open: Mutex<HashMap<Place, Export>>,
    /// How many are sent as answers, by workspace.
    sent: Arc<Mutex<HashMap<WorkspaceId, usize>>>,
}

/// The right to send an export as an answer; it ends with this.
pub(crate) struct Sending {
    sent: Arc<Mutex<HashMap<WorkspaceId, usize>>>,
    workspace: WorkspaceId,
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut sent = lock(&self.sent);
        let left = sent.get(&self.workspace).map_or(0, |own| own.saturating_sub(1));
        if left == 0 {
            sent.remove(&self.workspace);
        } else {
            sent.insert(self.workspace, left);
        }
    }
}

impl Exports {
    fn take(&self, place: Place) -> Option<Export> {
        lock(&self.open).remove(&place)
    }

    /// Begins to send one of a workspace.
    ///
    /// # Errors
    /// `Throttled` with `exports_busy`.
    pub(crate) fn send(&self, workspace: WorkspaceId) -> Result<Sending, Error> {
        let mut sent = lock(&self.sent);
        let own = sent.entry(workspace).or_default();
        if *own >= SENT_MAX {
            let message = format!("as many exports of the workspace are being sent as may be limit={SENT_MAX}");
            return Err(Error::new(ErrorKind::Throttled, "exports_busy", message));
        }
        *own += 1;
        Ok(Sending { sent: self.sent.clone(), workspace })
    }

    fn hold(&self, place: Place, export: Export) {
        lock(&self.open).insert(place, export);
    }

    /// Lets go of those that nobody has gone on with for a while, because their jobs rest or have ended.
    pub(crate) fn let_go(&self, now: Timestamp) {
        lock(&self.open).retain(|_, export| export.used_at.plus_micros(IDLE_MICROS) > now);
    }
}

/// What a step came to.
pub(crate) enum Stepped {
    More { reached: Reached, done: u64, total: Option<u64> },
    Done { rows: u64, bytes: u64, files: u64, done: u64, left_out: u64 },
}

/// An export under way.
struct Export {
    used_at: Timestamp,
    walk: RowWalk,
    target: Box<dyn Target>,
    phase: Phase,
    /// A row that was read and belongs to the next file.
    next: Option<Walked>,
    looked: u64,
    /// Whether it began with the first row, and not where another walk had ended.
    is_from_first: bool,
    /// Members of the control group that were left out, once all rows were walked through from the first.
    left_out: u64,
}

enum Phase {
    Looking(Seen),
    Writing { columns: Arc<Columns>, file: Option<OpenFile> },
}

/// A file while it is written.
struct OpenFile {
    /// None while it is at work.
    encoder: Option<Encoder>,
    part: Box<dyn Part>,
    rows: u64,
    bytes: u64,
    last: Option<Key>,
}

/// Does the next piece of the export of a job.
///
/// # Errors
/// What the target or the store answers.
pub(crate) async fn step(ctx: &Context, asked: &ExportContent, reached: Option<Reached>) -> Result<Stepped, Error> {
    let exports = ctx.service().exports();
    let place = (ctx.workspace(), ctx.job().id);
    let Some(mut reached) = reached else {
        let target = ctx.service().target_of(ctx.workspace(), asked.place()?).await?;
        check_free(&*target, asked).await?;
        return Ok(Stepped::More { reached: Reached::default(), done: 0, total: None });
    };
    let mut export = match exports.take(place) {
        Some(export) => export,
        None => Export::begin(ctx, asked, &mut reached).await?,
    };
    let policy = export.walk.policy()?;
    if reached.policy.get_or_insert_with(|| policy.clone()) != &policy {
        return begin_anew(&reached, "the merge policy was set to something else while it was exported");
    }
    if reached.is_last {
        return export.end(ctx, asked, reached).await;
    }
    let outcome = match &mut export.phase {
        Phase::Looking(_) => export.look(asked, &mut reached).await?,
        Phase::Writing { .. } => match export.write(ctx, asked, &mut reached).await? {
            Ok(()) => Ok(()),
            Err(Misfit(name)) => Err(name),
        },
    };
    if let Err(name) = outcome {
        let message =
            format!("the rows have become others than they were: the column {name} is new, or of another type");
        return begin_anew(&reached, &message);
    }
    let written = reached.rows() + export.unfinished();
    let done = reached.tell(export.looked + written);
    let everybody = ctx.service().counts(ctx.workspace()).await?;
    let total = export.walk.total(&everybody).map(|own| own * if export.looked > 0 { 2 } else { 1 });
    let is_between_files = matches!(export.phase, Phase::Writing { file: None, .. });
    // One that takes long goes on at a later instant of the store.
    let is_old = is_between_files && export.walk.age_micros(ctx.service().now()) > INSTANT_MICROS;
    if !is_old {
        export.used_at = ctx.service().now();
        exports.hold(place, export);
    }
    Ok(Stepped::More { reached, done, total: total.map(|own| own.max(done)) })
}

/// Whether the place has no other export.
async fn check_free(target: &dyn Target, asked: &ExportContent) -> Result<(), Error> {
    for name in [MANIFEST.to_owned(), file_name(1, asked)] {
        if target.exists(&name).await.map_err(source_error)? {
            let message = format!("{name} is there already; name a path that has no export");
            return Err(Error::new(ErrorKind::Conflict, "export_path_taken", message));
        }
    }
    Ok(())
}

fn begin_anew(reached: &Reached, why: &str) -> Result<Stepped, Error> {
    if reached.anew >= ANEW_MAX {
        let message =
            format!("{why}; this happened {ANEW_MAX} times. Name the columns in `fields`, or export JSON lines");
        return Err(Error::new(ErrorKind::Conflict, "export_columns_changed", message));
    }
    let reached = reached.anew();
    let done = reached.done;
    Ok(Stepped::More { reached, done, total: None })
}

/// The name of a file of an export.
pub(crate) fn file_name(number: usize, asked: &ExportContent) -> String {
    format!("part-{number:05}.{}", asked.format().ending(asked.compression()))
}

impl Export {
    async fn begin(ctx: &Context, asked: &ExportContent, reached: &mut Reached) -> Result<Self, Error> {
        let target = ctx.service().target_of(ctx.workspace(), asked.place()?).await?;
        let mut walk = RowWalk::begin(ctx.shared(), ctx.workspace(), asked).await?;
        if let Some(behind) = &reached.behind {
            walk.begin_behind(&Key::new(behind.clone()));
        }
        if reached.columns.is_none()
            && let Some(fields) = asked.known_fields()
        {
            reached.columns = Some(records(&fields));
        }
        let phase = match reached.fields() {
            Some(fields) => Phase::Writing { columns: Arc::new(fields.into()), file: None },
            None => Phase::Looking(Seen::default()),
        };
        let used_at = ctx.service().now();
        let is_from_first = reached.behind.is_none() && !reached.is_last;
        Ok(Self { used_at, walk, target, phase, next: None, looked: 0, is_from_first, left_out: 0 })
    }

    /// Rows of the file that is open.
    fn unfinished(&self) -> u64 {
        match &self.phase {
            Phase::Writing { file: Some(file), .. } => file.rows,
            Phase::Writing { file: None, .. } | Phase::Looking(_) => 0,
        }
    }

    /// Looks through some rows for their columns.
    async fn look(&mut self, asked: &ExportContent, reached: &mut Reached) -> Result<Result<(), String>, Error> {
        let choice = asked.choice();
        let Phase::Looking(seen) = &mut self.phase else { return Ok(Ok(())) };
        let mut bytes = 0;
        for _ in 0..ROWS_AT_ONCE {
            if bytes >= BYTES_AT_ONCE {
                return Ok(Ok(()));
            }
            let Some(row) = self.walk.next().await? else {
                let fields = seen.fields(&choice, |name| self.walk.times(name));
                reached.columns = Some(records(&fields));
                // Where nobody is there, nobody is looked at again.
                self.left_out = self.walk.left_out();
                self.phase = Phase::Writing { columns: Arc::new(fields.into()), file: None };
                self.walk.rewind();
                return Ok(Ok(()));
            };
            seen.see(&row.json, &choice)?;
            (bytes, self.looked) = (bytes + row.json.len(), self.looked + 1);
        }
        Ok(Ok(()))
    }

    /// Writes some rows; a file ends between two records, with the step.
    async fn write(
        &mut self,
        ctx: &Context,
        asked: &ExportContent,
        reached: &mut Reached,
    ) -> Result<Result<(), Misfit>, Error> {
        let Phase::Writing { columns, file } = &mut self.phase else { return Ok(Ok(())) };
        if columns.fields.is_empty() && asked.format() == FileFormat::Parquet {
            // Nobody was there when the columns were looked for, at the same instant.
            reached.is_last = true;
            return Ok(Ok(()));
        }
        let mut open = match file.take() {
            Some(open) => open,
            None => OpenFile::begin(&*self.target, ctx, asked, &columns.fields, reached.files.len() + 1).await?,
        };
        let (mut rows, mut bytes, mut is_full) = (Vec::new(), 0, false);
        loop {
            let has_enough = open.rows + rows.len() as u64 >= asked.file_rows() || open.bytes >= FILE_BYTES_MAX;
            // One row more tells whether the record of the last goes on.
            let most = if has_enough { ROWS_AT_ONCE + 1 } else { ROWS_AT_ONCE };
            if rows.len() >= most || bytes >= BYTES_AT_ONCE {
                break;
            }
            let next = match self.next.take() {
                Some(next) => Some(next),
                None => self.walk.next().await?,
            };
            let Some(next) = next else {
                (reached.is_last, is_full) = (true, true);
                self.left_out = if self.is_from_first { self.walk.left_out() } else { 0 };
                break;
            };
            if has_enough && open.last.as_ref().is_some_and(|last| *last != next.at) {
                (self.next, is_full) = (Some(next), true);
                break;
            }
            open.last = Some(next.at);
            bytes += next.json.len();
            rows.push(next.json);
        }
        if let Err(misfit) = open.encode(rows, columns, asked).await? {
            return Ok(Err(misfit));
        }
        if is_full {
            let is_needless = open.rows == 0 && !reached.files.is_empty();
            if !is_needless {
                let behind = open.last.as_ref().map(|key| key.as_bytes().to_vec());
                let (rows, bytes) = open.close().await?;
                reached.files.push(Written { rows, bytes, as_of: self.walk.began().micros() });
                reached.behind = behind;
                check_files(reached)?;
            }
        } else {
            *file = Some(open);
        }
        Ok(Ok(()))
    }

    /// Takes away files of before that are no more, and says what there is.
    async fn end(&mut self, ctx: &Context, asked: &ExportContent, mut reached: Reached) -> Result<Stepped, Error> {
        // One that was written and not noted before its process ended may stand behind the last.
        for number in reached.files.len() + 1..=reached.files_most.max(reached.files.len() + 1) {
            self.target.remove(&file_name(number, asked)).await.map_err(source_error)?;
        }
        let manifest = Manifest { job: ctx.job(), asked, reached: &reached, policy: reached.policy.as_ref() };
        let mut part = self.target.begin(MANIFEST, &ctx.job().id.to_string()).await.map_err(source_error)?;
        part.write(manifest.to_json(ctx.service().now())?).await.map_err(source_error)?;
        part.close().await.map_err(source_error)?;
        let (rows, bytes, files) =
            (reached.rows(), reached.files.iter().map(|own| own.bytes).sum(), reached.files.len() as u64);
        let done = reached.tell(rows);
        Ok(Stepped::Done { rows, bytes, files, done, left_out: self.left_out })
    }
}

fn check_files(reached: &Reached) -> Result<(), Error> {
    if reached.files.len() <= FILES_MAX {
        return Ok(());
    }
    let message =
        format!("an export has more files than it may files_max={FILES_MAX}; ask for greater ones with file_rows");
    Err(Error::new(ErrorKind::LimitExceeded, "export_files_too_many", message))
}

impl OpenFile {
    async fn begin(
        target: &dyn Target,
        ctx: &Context,
        asked: &ExportContent,
        fields: &[Field],
        number: usize,
    ) -> Result<Self, Error> {
        let encoder = Encoder::new(asked.format(), asked.compression(), fields).map_err(source_error)?;
        let mark = ctx.job().id.to_string();
        let part = target.begin(&file_name(number, asked), &mark).await.map_err(source_error)?;
        Ok(Self { encoder: Some(encoder), part, rows: 0, bytes: 0, last: None })
    }

    async fn encode(
        &mut self,
        rows: Vec<Bytes>,
        columns: &Arc<Columns>,
        asked: &ExportContent,
    ) -> Result<Result<(), Misfit>, Error> {
        let count = rows.len() as u64;
        let encoder = self.encoder.take().ok_or_else(given_up)?;
        let (encoder, made) = encoded(encoder, rows, columns.clone(), asked).await?;
        self.encoder = Some(encoder);
        let made = match made {
            Ok(made) => made,
            Err(misfit) => return Ok(Err(misfit)),
        };
        self.rows += count;
        self.put(made).await.map(Ok)
    }

    async fn put(&mut self, made: Vec<u8>) -> Result<(), Error> {
        if made.is_empty() {
            return Ok(());
        }
        self.bytes += made.len() as u64;
        self.part.write(made).await.map_err(source_error)
    }

    async fn close(self) -> Result<(u64, u64), Error> {
        let Self { encoder, mut part, rows, mut bytes, .. } = self;
        let rest = encoder.ok_or_else(given_up)?.finish().map_err(source_error)?;
        bytes += rest.len() as u64;
        part.write(rest).await.map_err(source_error)?;
        part.close().await.map_err(source_error)?;
        Ok((rows, bytes))
    }
}
