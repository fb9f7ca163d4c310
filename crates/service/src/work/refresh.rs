//! Refreshes of sources: rows are streamed from the connection, each is hashed, what changed is written, and what is no more is taken back.
//!
//! A refresh is a job. Between two steps its stream and what the source said before are held here, in memory; a process that ends loses them, and
//! the next one asks the source anew. Each row that is written leaves its hash in the commit that writes it, so what was done is not done again,
//! and what is no more is known however often a refresh is broken off.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use tessera_connect::Rows;
use tessera_engine::time::Timestamp;
use tessera_store::Store;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::keeper::Keeper;
use crate::base::lock::lock;
use crate::config::sources::{self, Source};
use crate::jobs::Place;
use crate::stored::keys::Scope;
use crate::stored::row;
use crate::stored::sources::{HASH_BYTES, Known, Run, RunCounts, RunStatus, decode_known};
use crate::work::changes::{Standings, slots};
use crate::work::kind::Context;
use crate::work::runs;

pub(crate) mod before;
pub(crate) mod connecting;
pub(crate) mod mapping;
pub(crate) mod turns;
pub(crate) mod writing;

use before::{Against, Before};
use mapping::Mapping;
use turns::{Turn, Turns};
use writing::Writing;

/// Rows that are taken back in one step.
const EVICTED_AT_ONCE: usize = 500;
/// How long a refresh is held that nobody goes on with.
const IDLE_MICROS: i64 = 60_000_000;

/// The refreshes that are under way in this process, and who looks which are due.
#[derive(Default)]
pub(crate) struct Refreshes {
    open: Mutex<HashMap<Place, Refresh>>,
    pub(crate) keeper: Keeper,
    /// Whose turn it is to write what a source says.
    pub(crate) turns: Turns,
    /// How the changes stand that are followed.
    pub(crate) standings: Standings,
}

impl Refreshes {
    fn take(&self, place: Place) -> Option<Refresh> {
        lock(&self.open).remove(&place)
    }

    fn hold(&self, place: Place, refresh: Refresh) {
        lock(&self.open).insert(place, refresh);
    }

    /// Lets go of those that nobody has gone on with for a while, because their jobs rest or have ended: with them go their connections.
    pub(crate) fn let_go(&self, now: Timestamp) {
        lock(&self.open).retain(|_, refresh| refresh.used_at.plus_micros(IDLE_MICROS) > now);
        self.turns.let_go();
    }

    /// Lets go of those of one source, whose jobs have ended without them: no two of one source run at one time.
    pub(crate) fn let_go_of(&self, workspace: WorkspaceId, number: u32) {
        lock(&self.open).retain(|(own, _), refresh| *own != workspace || refresh.source.number != number);
    }
}

/// What one refresh was asked to do otherwise than its source says.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Overrides {
    /// The share of rows that it takes back at most.
    pub(crate) evict_max_share: Option<f64>,
    /// Whether it writes rows that say what they said before, too.
    pub(crate) is_full: bool,
}

/// A refresh under way.
pub(crate) struct Refresh {
    used_at: Timestamp,
    name: String,
    source: Source,
    writing: Writing,
    rows: Box<dyn Rows>,
    before: Before,
    run: Run,
    phase: Phase,
    /// Why nothing is taken back, although what changed is written.
    held: Option<Error>,
    /// That of the slots of its source from which on all changes are told that it does not see, where its source has one.
    slot: Option<u64>,
    /// That nobody else writes what the source says.
    _turn: Turn,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reading,
    Evicting(usize),
}

/// What a step of a refresh came to.
pub(crate) enum Stepped {
    /// There is more to do.
    More(RunCounts),
    /// That was the last.
    Done(RunCounts),
}

/// Does the next piece of the refresh of a job. What fails for good stands in the history of the source, too.
///
/// # Errors
/// What the source or the store answers.
pub(crate) async fn step(ctx: &Context, name: &str, overrides: Overrides) -> Result<Stepped, Error> {
    let refreshes = ctx.service().refreshes();
    let place = (ctx.workspace(), ctx.job().id);
    let mut refresh = match refreshes.take(place) {
        Some(refresh) => refresh,
        None => Refresh::begin(ctx, name).await?,
    };
    let outcome = refresh.advance(ctx, overrides).await;
    match outcome {
        Ok(true) => {
            refresh.used_at = ctx.service().now();
            let counts = refresh.writing.counts;
            refreshes.hold(place, refresh);
            Ok(Stepped::More(counts))
        }
        Ok(false) => {
            refresh.end(ctx).await?;
            refresh.held.map_or(Ok(Stepped::Done(refresh.writing.counts)), Err)
        }
        // What passes by itself is tried again, from the beginning of the query.
        Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Throttled) => {
            Err(error)
        }
        Err(error) => {
            refresh.fail(ctx, &error).await?;
            Err(error)
        }
    }
}

impl Refresh {
    /// Asks the source, reads what it said before, and notes that a refresh goes on.
    async fn begin(ctx: &Context, name: &str) -> Result<Self, Error> {
        let started_at = ctx.job().started_at.unwrap_or_else(|| ctx.service().now());
        let mut run = Run {
            id: *ctx.job().id.as_bytes(),
            started_at,
            ended_at: None,
            status: RunStatus::Running,
            counts: RunCounts::default(),
            error: None,
            verdicts: Vec::new(),
        };
        let configured = ctx.configured().await?;
        let source = sources::source(&configured.stored, name)?;
        let refreshes = ctx.service().refreshes();
        refreshes.let_go_of(ctx.workspace(), source.number);
        let turn = refreshes.turns.wait((ctx.workspace(), source.number)).await?;
        runs::write(ctx.store(), ctx.scope(), source.number, &run, None).await?;
        // What a slot tells begins before what the refresh sees.
        let slot = slots::prepare(ctx.service(), (ctx.workspace(), source.number), &configured.stored, (name, &source))
            .await?;
        let opened = async {
            let rows = ctx.service().open_source(&configured.stored, &source.content).await.map_err(for_good)?;
            let mapping = Mapping::new(name, &source, rows.columns(), &configured.config)?;
            let held = changed_columns(&**ctx.store(), ctx.scope(), &source, &mapping).await?;
            Ok((rows, mapping, held))
        };
        let (rows, mapping, held) = match opened.await {
            Ok(opened) => opened,
            Err(error) => {
                run.end(RunStatus::Failed, Some(&error), ctx.service().now());
                runs::write(ctx.store(), ctx.scope(), source.number, &run, None).await?;
                return Err(error);
            }
        };
        let before = Before::read(&**ctx.store(), ctx.scope(), source.number).await?;
        let (used_at, phase) = (ctx.service().now(), Phase::Reading);
        let writing = Writing::new(ctx.workspace(), name, source.number, mapping);
        let name = name.to_owned();
        Ok(Self { used_at, name, source, writing, rows, before, run, phase, held, slot, _turn: turn })
    }

    /// Does the next piece of work. Answers whether there is more.
    async fn advance(&mut self, ctx: &Context, overrides: Overrides) -> Result<bool, Error> {
        check_unchanged(ctx, &self.name, (self.source.number, self.source.revision)).await?;
        match self.phase {
            Phase::Reading => match self.rows.next().await.map_err(|error| for_good(source_error(error)))? {
                Some(rows) => {
                    self.take(ctx, rows, overrides.is_full).await?;
                    Ok(true)
                }
                None => {
                    self.held = self.held.take().or_else(|| self.too_many_gone(overrides.evict_max_share));
                    self.phase = Phase::Evicting(0);
                    Ok(self.held.is_none() && self.before.gone() > 0)
                }
            },
            Phase::Evicting(from) => {
                let (gone, next) = self.before.gone_from(from, EVICTED_AT_ONCE);
                self.evict(ctx, &gone).await?;
                self.phase = Phase::Evicting(next);
                Ok(next < self.before.len())
            }
        }
    }

    /// Why what is no more is not taken back, if it is not.
    fn too_many_gone(&self, overridden: Option<f64>) -> Option<Error> {
        let (before, gone) = (self.before.len(), self.before.gone());
        if self.writing.counts.read == 0 && before > 0 && overridden.is_none() {
            let message = format!(
                "the query brought no rows, and {before} before; nothing was taken back. If that is right, refresh with \
                 {{\"evict_max_share\":1.0}}"
            );
            return Some(Error::new(ErrorKind::Conflict, "source_empty", message));
        }
        let share = overridden.unwrap_or(self.source.content.evict_max_share);
        #[expect(clippy::cast_precision_loss, reason = "rows are at most ten million")]
        let is_over = gone as f64 > share * before as f64;
        is_over.then(|| {
            let message = format!(
                "{gone} of {before} rows are no more, which is over the share of {share} that one refresh may take back; nothing was \
                 taken back. If that is right, refresh with a greater evict_max_share"
            );
            Error::new(ErrorKind::Conflict, "source_evicts_too_many", message)
        })
    }

    /// Writes what of these rows is new or says something else.
    async fn take(&mut self, ctx: &Context, rows: Vec<tessera_connect::Row>, is_full: bool) -> Result<(), Error> {
        let configured = ctx.configured().await?;
        let (mut items, mut buffer) = (Vec::new(), Vec::new());
        for row in rows {
            self.writing.counts.read += 1;
            let mapped = match self.writing.mapping.look(&row, &mut buffer) {
                Ok(mapped) => mapped,
                Err(code) => {
                    self.writing.refuse(code);
                    continue;
                }
            };
            match self.before.see(mapped.key, mapped.hash)? {
                Against::Twice => self.writing.refuse("row_duplicate"),
                Against::Same if !is_full => self.writing.counts.unchanged += 1,
                Against::Same | Against::Other => items.extend(self.writing.item(&configured, row, &mapped)),
            }
        }
        self.writing.submit(ctx.service(), items).await
    }

    /// Takes back what rows of before said.
    async fn evict(&mut self, ctx: &Context, gone: &[[u8; HASH_BYTES]]) -> Result<(), Error> {
        let items = self.writing.evictions(&**ctx.store(), gone).await?;
        self.writing.submit(ctx.service(), items).await
    }

    fn told(&mut self) {
        (self.run.counts, self.run.verdicts) = (self.writing.counts, self.writing.verdicts());
    }

    /// Notes that it came to its end, and what the columns were; where something was held back, why.
    async fn end(&mut self, ctx: &Context) -> Result<(), Error> {
        self.told();
        let status = if self.held.is_some() { RunStatus::Failed } else { RunStatus::Done };
        self.run.end(status, self.held.as_ref(), ctx.service().now());
        let known = Known { set: self.source.set, columns: self.writing.mapping.used() };
        runs::write(ctx.store(), ctx.scope(), self.source.number, &self.run, Some(&known)).await?;
        if let Some(slot) = self.slot {
            slots::caught_up(ctx.service(), (ctx.workspace(), self.source.number), slot, self.held.as_ref()).await?;
        }
        ctx.service().refreshes().keeper.nudge();
        Ok(())
    }

    /// Notes that it failed for good.
    async fn fail(&mut self, ctx: &Context, error: &Error) -> Result<(), Error> {
        self.told();
        self.run.end(RunStatus::Failed, Some(error), ctx.service().now());
        runs::write(ctx.store(), ctx.scope(), self.source.number, &self.run, None).await?;
        ctx.service().refreshes().keeper.nudge();
        Ok(())
    }
}

/// A source that is deleted, or set to something else, is refreshed no further.
async fn check_unchanged(ctx: &Context, name: &str, begun_as: (u32, u64)) -> Result<(), Error> {
    let present = sources::source(&ctx.configured().await?.stored, name)?;
    if (present.number, present.revision) == begun_as {
        return Ok(());
    }
    let message = "the source was set to something else while it was refreshed; refresh it again";
    Err(Error::new(ErrorKind::Conflict, "source_changed", message))
}

/// Compares the columns with those of the last refresh. One that is no more, or of another kind, ends it before anything is written, until
/// the source is set again; one that is new is written, and holds back what would be taken back this once.
pub(crate) async fn changed_columns(
    store: &dyn Store,
    scope: Scope,
    source: &Source,
    mapping: &Mapping,
) -> Result<Option<Error>, Error> {
    let found = row::read(store, scope.source(source.number)).await?;
    let Some(known) = found.map(|row| decode_known(&row.value)).transpose()? else { return Ok(None) };
    if known.set != source.set {
        return Ok(None);
    }
    let present: BTreeMap<String, String> = mapping.used().into_iter().collect();
    let is_empty = |kind: &str| kind == "empty";
    let mut changed = Vec::new();
    for (name, kind) in &known.columns {
        match present.get(name) {
            None => changed.push(format!("{name} is no more")),
            Some(own) if own != kind && !is_empty(own) && !is_empty(kind) => {
                changed.push(format!("{name} is {own} and was {kind}"));
            }
            Some(_) => {}
        }
    }
    if !changed.is_empty() {
        changed.truncate(20);
        let message = format!(
            "the columns of the query are others than in the last refresh: {}; nothing was written and nothing taken back. If that is \
             right, set the source again with PUT, then refresh it",
            changed.join(", ")
        );
        return Err(Error::new(ErrorKind::Conflict, "source_columns_changed", message));
    }
    let fresh: Vec<&str> = present
        .keys()
        .filter(|name| !known.columns.iter().any(|(own, _)| own == *name))
        .map(|name| &**name)
        .take(20)
        .collect();
    if fresh.is_empty() {
        return Ok(None);
    }
    let message = format!(
        "the query has new columns: {}; what changed was written, and nothing was taken back. The next refresh takes them as known",
        fresh.join(", ")
    );
    Ok(Some(Error::new(ErrorKind::Conflict, "source_columns_changed", message)))
}

/// What a source answers.
pub(crate) fn source_error(error: tessera_connect::Error) -> Error {
    let kind = match error.kind {
        tessera_connect::ErrorKind::Unreachable => ErrorKind::Unavailable,
        tessera_connect::ErrorKind::Invalid => ErrorKind::Invalid,
    };
    Error::new(kind, error.code, error.message)
}

/// What a source answers fails its refresh at once: the schedule is the next try.
pub(crate) fn for_good(error: Error) -> Error {
    let kind = if error.kind == ErrorKind::Unavailable { ErrorKind::Conflict } else { error.kind };
    Error { kind, ..error }
}
