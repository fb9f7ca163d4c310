//! Refreshes of sources: rows are streamed from the connection, each is hashed, what changed is written, and what is no more is taken back.
//!
//! A refresh is a job. Between two steps its stream and what the source said before are held here, in memory; a process that ends loses them, and
//! the next one asks the source anew. Each row that is written leaves its hash in the commit that writes it, so what was done is not done again,
//! and what is no more is known however often a refresh is broken off.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tessera_connect::Rows;
use tessera_engine::decide::{EventForgetting, Forgetting};
use tessera_engine::fact::FactKey;
use tessera_engine::time::Timestamp;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::KeyId;
use crate::base::keeper::Keeper;
use crate::base::lock::lock;
use crate::base::store_error::read_failed;
use crate::base::verdict::{Note, Verdict};
use crate::config::admission::Admission;
use crate::config::sources::{self, Source};
use crate::directory::Class;
use crate::jobs::Place;
use crate::stored::row;
use crate::stored::sources::{Known, RowSaid, Run, RunCounts, RunStatus, RunVerdict, decode_known, decode_row};
use crate::work::kind::Context;
use crate::work::runs;
use crate::write::lane::{Done, Item, Origin, Recording, Work};

pub(crate) mod before;
pub(crate) mod connecting;
pub(crate) mod mapping;

use before::{Against, Before};
use mapping::Mapping;

/// Rows that are taken back in one step.
const EVICTED_AT_ONCE: usize = 500;
/// Codes and columns that are told apart in what is said of rows.
const VERDICTS_MAX: usize = 100;
/// How long a refresh is held that nobody goes on with.
const IDLE_MICROS: i64 = 60_000_000;

/// The refreshes that are under way in this process, and who looks which are due.
#[derive(Default)]
pub(crate) struct Refreshes {
    open: Mutex<HashMap<Place, Refresh>>,
    pub(crate) keeper: Keeper,
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
    mapping: Mapping,
    rows: Box<dyn Rows>,
    before: Before,
    run: Run,
    verdicts: BTreeMap<(bool, String, Option<String>), u64>,
    phase: Phase,
    /// Why nothing is taken back, although what changed is written.
    held: Option<Error>,
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
            let counts = refresh.run.counts;
            refreshes.hold(place, refresh);
            Ok(Stepped::More(counts))
        }
        Ok(false) => {
            refresh.end(ctx).await?;
            refresh.held.map_or(Ok(Stepped::Done(refresh.run.counts)), Err)
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
        runs::write(ctx.store(), ctx.scope(), source.number, &run, None).await?;
        let opened = async {
            let rows = ctx.service().open_source(&configured.stored, &source.content).await.map_err(for_good)?;
            let mapping = Mapping::new(name, &source, rows.columns(), &configured.config)?;
            let held = changed_columns(ctx, &source, &mapping).await?;
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
        let (used_at, name) = (ctx.service().now(), name.to_owned());
        let (verdicts, phase) = (BTreeMap::new(), Phase::Reading);
        let mut refresh = Self { used_at, name, source, mapping, rows, before, run, verdicts, phase, held };
        let unused: Vec<(String, &str)> =
            refresh.mapping.unused().map(|(column, code)| (column.to_owned(), code)).collect();
        for (column, code) in unused {
            refresh.note(false, code, Some(&column), 0);
        }
        Ok(refresh)
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
        if self.run.counts.read == 0 && before > 0 && overridden.is_none() {
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
            self.run.counts.read += 1;
            let mapped = match self.mapping.look(&row, &mut buffer) {
                Ok(mapped) => mapped,
                Err(code) => {
                    self.refuse(code);
                    continue;
                }
            };
            match self.before.see(mapped.key, mapped.hash)? {
                Against::Twice => {
                    self.refuse("row_duplicate");
                    continue;
                }
                Against::Same if !is_full => {
                    self.run.counts.unchanged += 1;
                    continue;
                }
                Against::Same | Against::Other => {}
            }
            let mut left_out = Vec::new();
            let fact = self.mapping.fact(row, &mut left_out);
            let left_out: Vec<(String, &str)> =
                left_out.into_iter().map(|(column, code)| (column.to_owned(), code)).collect();
            for (column, code) in left_out {
                self.note(false, code, Some(&column), 1);
            }
            let admitted = fact.map_err(str::to_owned).and_then(|mut fact| {
                let admission = Admission::of(&mut fact, Vec::new(), &configured.stored);
                admission.map(|own| (fact, own)).map_err(|rejection| rejection.code.to_owned())
            });
            match admitted {
                Ok((fact, admission)) => {
                    let key = ctx.scope().source_row(self.source.number, &mapped.key);
                    let recording = Recording { fact: Box::new(fact), admission, row: key, hash: mapped.hash };
                    items.push(Item::Record(Box::new(recording)));
                }
                Err(code) => self.refuse(&code),
            }
        }
        self.submit(ctx, items).await
    }

    /// Takes back what rows of before said.
    async fn evict(&mut self, ctx: &Context, gone: &[[u8; crate::stored::sources::HASH_BYTES]]) -> Result<(), Error> {
        let keys: Vec<_> = gone.iter().map(|hash| ctx.scope().source_row(self.source.number, hash)).collect();
        let found = ctx.store().get(&keys).await.map_err(|error| read_failed(&error))?;
        let mut items = Vec::with_capacity(keys.len());
        for (key, row) in keys.into_iter().zip(found.value) {
            let Some(row) = row else { continue };
            let RowSaid { node, event, .. } = decode_row(&row.value)?;
            let dataset: Arc<str> = self.name.as_str().into();
            items.push(match event {
                Some(id) => Item::deleting(EventForgetting(FactKey { dataset, id }), key),
                None => Item::deleting(Forgetting { node, dataset }, key),
            });
        }
        self.submit(ctx, items).await
    }

    /// Has the lane do it, and counts what it came to.
    async fn submit(&mut self, ctx: &Context, items: Vec<Item>) -> Result<(), Error> {
        if items.is_empty() {
            return Ok(());
        }
        let facts: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::Record(recording) => Some(&*recording.fact),
                _ => None,
            })
            .collect();
        let model = ctx.configured().await?.stored.model().model.clone();
        ctx.service().running(ctx.workspace()).shared.learned.see(facts.into_iter(), &model, ctx.service().now());
        let origin = Origin { door: "source", key: KeyId::from_bytes([0; 12]), class: Class::Private, again: None };
        let done = ctx.submit(Work::Items { items, origin, once: None }).await?.into_items()?.now()?;
        done.into_iter().for_each(|done| self.count(done));
        Ok(())
    }

    fn count(&mut self, done: Done) {
        match done {
            Done::Fact(Verdict::Accepted { notes }) => {
                self.run.counts.changed += 1;
                for note in notes {
                    let (code, about) = told(&note);
                    self.note(false, code, about, 1);
                }
            }
            Done::Forgotten | Done::NotFound => self.run.counts.evicted += 1,
            Done::Failed(error) => self.refuse(error.code),
            Done::Fact(Verdict::Rejected(rejection)) => self.refuse(rejection.code),
            // Somebody else has sent a record of attributes under the id of an event.
            Done::Fact(Verdict::Duplicate | Verdict::Differs) => self.refuse("fact_duplicate"),
            _ => self.refuse("internal"),
        }
    }

    fn refuse(&mut self, code: &str) {
        self.run.counts.refused += 1;
        self.note(true, code, None, 1);
    }

    fn note(&mut self, is_refusal: bool, code: &str, column: Option<&str>, rows: u64) {
        let key = (is_refusal, code.to_owned(), column.map(str::to_owned));
        if self.verdicts.len() < VERDICTS_MAX || self.verdicts.contains_key(&key) {
            *self.verdicts.entry(key).or_default() += rows;
        }
    }

    fn told(&mut self) {
        let verdict = |((is_refusal, code, column), rows): (&(bool, String, Option<String>), &u64)| RunVerdict {
            code: code.clone(),
            column: column.clone(),
            is_refusal: *is_refusal,
            rows: *rows,
        };
        self.run.verdicts = self.verdicts.iter().map(verdict).collect();
    }

    /// Notes that it came to its end, and what the columns were; where something was held back, why.
    async fn end(&mut self, ctx: &Context) -> Result<(), Error> {
        self.told();
        let status = if self.held.is_some() { RunStatus::Failed } else { RunStatus::Done };
        self.run.end(status, self.held.as_ref(), ctx.service().now());
        let known = Known { set: self.source.set, columns: self.mapping.used() };
        runs::write(ctx.store(), ctx.scope(), self.source.number, &self.run, Some(&known)).await?;
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
async fn changed_columns(ctx: &Context, source: &Source, mapping: &Mapping) -> Result<Option<Error>, Error> {
    let found = row::read(&**ctx.store(), ctx.scope().source(source.number)).await?;
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

/// The code of a note, and what it is about.
fn told(note: &Note) -> (&'static str, Option<&str>) {
    match note {
        Note::IdentityIgnored { namespace, code } | Note::IdentityRespelled { namespace, code } => {
            (code, Some(namespace))
        }
        Note::ValueLeftOut { path, code, .. }
        | Note::ValueReplaced { path, code, .. }
        | Note::AttributeRefused { path, code, .. }
        | Note::Misfit { path, code, .. } => (code, Some(path)),
        Note::IdentityUnverified { code } => (code, None),
        Note::LinkHeld { rule, .. } => ("link_held", Some(rule)),
    }
}
