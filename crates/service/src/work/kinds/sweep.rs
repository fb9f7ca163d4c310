//! `recluster` and `erase_source`: what changed for all is brought to the records one by one, through the lane.
//!
//! A pass walks the records of all clusters and has the lane sweep those that the sweep has not reached. Meanwhile facts may take
//! a record that was not reached to a place that the walk has passed; whoever writes such a record is counted, and another pass
//! follows. The last pass finds nothing to do, and nobody has written a record that was not reached since it began.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tessera_engine::config::SourceErasure;
use tessera_engine::decide::{NewEvent, Sweep, lags};
use tessera_engine::id::ErasureId;
use tessera_store::{Commit, CommitError, Direction, Page, ScanLimit};

use crate::base::codec;
use crate::base::error::Error;
use crate::base::ids::KeyId;
use crate::base::payload::RestsOn;
use crate::base::store_error::{commit_failed, read_failed};
use crate::config::workspace::{erased, swept};
use crate::directory::Class;
use crate::jobs::terms::{Cancelling, MadeBy};
use crate::stored::keys::{Family, KeyBuilder};
use crate::stored::layout::{read_event_key, read_node_key};
use crate::stored::records::{cluster, event, rows};
use crate::stored::row::rows_at_once;
use crate::work::kind::{Context, Kind, Step};
use crate::write::erasure::{self, Receipt};
use crate::write::lane::take_out::without_erased;
use crate::write::lane::{Done, Item, Origin, Work, mismatch};

/// Records, or rows, of one step.
const AT_ONCE: usize = 200;
/// Times that one step goes on with a record of which only a part is done.
const PARTS_AT_ONCE: usize = 20;
/// Bytes of one step: clusters may come to a megabyte each.
const BYTES_AT_ONCE: usize = 4 << 20;
/// Rows looked through in one step where they are only read.
pub(super) const ROWS_AT_ONCE: usize = 2_000;

/// Brings changed rules to the records.
pub(super) struct Recluster;

/// Brings the erasure of a dataset or batch to the records, and removes its rows.
pub(super) struct EraseSource;

/// What has changed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    /// The number of the sweep that brings it.
    pub(super) sweep: u64,
}

/// Which source.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    /// The dataset.
    pub(super) dataset: String,
    /// The named delivery; all of the dataset where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) batch: Option<String>,
    /// The number of the sweep that brings it.
    pub(super) sweep: u64,
}

/// How far a walk over the records is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Walk {
    /// What the key of the last record looked at has behind its family.
    pub(super) last: Option<Vec<u8>>,
    /// Whether this pass has swept anything.
    pub(super) found: bool,
    /// How many records that were not reached had been written when this pass began; none before it begins.
    pub(super) written_before: Option<u64>,
    /// Records looked at in this pass.
    pub(super) looked_at: u64,
    /// Records swept in all passes.
    pub(super) swept: u64,
    /// Passes done.
    pub(super) passes: u64,
}

impl Walk {
    /// Goes some records further.
    pub(super) async fn go_on(&mut self, ctx: &Context, number: u64) -> Result<Went, Error> {
        let (configured, now) = (ctx.configured().await?, ctx.service().now());
        let written = ctx.service().stale_writes(ctx.workspace());
        self.written_before.get_or_insert(written);
        let from = self.last.take();
        let page = scan(ctx, Family::Cluster, from.clone(), AT_ONCE).await?;
        let mut stale = Vec::new();
        for row in &page.rows {
            let cluster = cluster::decode(&row.value, &configured.config)?;
            let id = read_node_key(&row.key).ok_or_else(|| codec::corrupt("key of a cluster"))?;
            self.found |= cluster.swept < number;
            if lags(&cluster, &configured.config, now) {
                stale.push(id);
            }
        }
        let found = stale.len() as u64;
        for _ in 0..PARTS_AT_ONCE {
            let items = stale.iter().map(|id| Item::command(Sweep(*id))).collect();
            stale = submit(ctx, items).await?.into_iter().filter_map(|at| stale.get(at).copied()).collect();
            if stale.is_empty() {
                break;
            }
        }
        if !stale.is_empty() {
            // A record with very many links; the next step goes on with it.
            self.last = from;
            return Ok(Went { is_over: false, looked_at: 0 });
        }
        let looked_at = page.rows.len() as u64;
        self.looked_at += looked_at;
        self.swept += found;
        self.last = last_of(&page);
        if self.last.is_some() {
            return Ok(Went { is_over: false, looked_at });
        }
        let is_over = !self.found && self.written_before == Some(ctx.service().stale_writes(ctx.workspace()));
        let (swept, passes) = (self.swept, self.passes + 1);
        *self = Self { swept, passes, ..Self::default() };
        Ok(Went { is_over, looked_at })
    }
}

/// What a step of a walk came to.
pub(super) struct Went {
    /// Whether it was the end of a pass which shows that all records are reached.
    pub(super) is_over: bool,
    /// Records looked at.
    pub(super) looked_at: u64,
}

/// How much is done after a step that looked at so much. It counts on over all passes, so it never goes back; what the job has
/// counted is written with the checkpoint, so a step that is done again is counted once.
pub(super) fn done_with(ctx: &Context, looked_at: u64) -> u64 {
    ctx.job().progress.done.saturating_add(looked_at)
}

/// Has the lane do these items. Answers the places of those of which only a part is done.
pub(super) async fn submit(ctx: &Context, items: Vec<Item>) -> Result<Vec<usize>, Error> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let key = ctx.job().asked_by.unwrap_or(KeyId::from_bytes([0; 12]));
    let origin = Origin { door: "jobs", key, class: Class::Private, again: None };
    let done = ctx.submit(Work::Items { items, origin, once: None }).await?.into_items()?.now()?;
    let mut in_part = Vec::new();
    for (at, done) in done.into_iter().enumerate() {
        match done {
            // A record that is no more was taken into another, which a later pass finds.
            Done::Swept | Done::NotFound => {}
            Done::InPart => in_part.push(at),
            Done::Failed(error) => return Err(error),
            _ => return Err(mismatch()),
        }
    }
    Ok(in_part)
}

pub(super) async fn scan(ctx: &Context, family: Family, last: Option<Vec<u8>>, rows: usize) -> Result<Page, Error> {
    let all = ctx.scope().all_of(family);
    let rest = match last {
        None => all,
        Some(last) => all.after(&ctx.scope().family(family).bytes(&last).key(), Direction::Forward),
    };
    let limit = ScanLimit { rows, bytes: BYTES_AT_ONCE };
    ctx.store().scan(&rest, limit, Direction::Forward).await.map_err(|error| read_failed(&error))
}

/// Where a walk goes on, if there is more.
pub(super) fn last_of(page: &Page) -> Option<Vec<u8>> {
    let last = page.rows.last().filter(|_| page.next.is_some())?;
    last.key.as_bytes().get(KeyBuilder::HEAD_BYTES..).map(<[u8]>::to_vec)
}

/// What came of bringing changed rules to the records.
#[derive(Debug, Serialize)]
pub(super) struct Reclustered {
    /// Records brought under the rules.
    records: u64,
    /// Passes over all of them.
    passes: u64,
    /// The configuration that all of them follow now.
    config_version: u64,
}

#[async_trait]
impl Kind for Recluster {
    const NAME: &'static str = "recluster";
    const UNIT: &'static str = "records";
    const MADE_BY: MadeBy = MadeBy::Only("a change of namespaces or limits");
    const CANCELLING: Cancelling = Cancelling::Refused;
    const CHECKPOINT_VERSION: u8 = 1;

    type Parameters = Rules;
    type Checkpoint = Walk;
    type Outcome = Reclustered;

    async fn step(
        &self,
        ctx: &Context,
        parameters: &Rules,
        checkpoint: Option<Walk>,
    ) -> Result<Step<Walk, Reclustered>, Error> {
        let mut walk = checkpoint.unwrap_or_default();
        let number = parameters.sweep;
        let went = walk.go_on(ctx, number).await?;
        let done = done_with(ctx, went.looked_at);
        if !went.is_over {
            // The rest of this pass. That another one is needed shows at its end alone.
            let profiles = ctx.service().counts(ctx.workspace()).await?.profiles;
            let rest = profiles.saturating_sub(walk.looked_at);
            return Ok(Step::More { checkpoint: walk, done, total: Some(done + rest) });
        }
        let stored = ctx.service().configure_at(ctx.workspace(), move |config, _| swept(config, number)).await?;
        let outcome = Reclustered { records: walk.swept, passes: walk.passes, config_version: stored.version() };
        Ok(Step::Done { outcome, done })
    }
}

/// How far an erasure is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Erasing {
    walk: Walk,
    stage: Stage,
    removed: Removed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// The records are swept; from here on nothing of it counts anywhere.
    Records,
    /// The rows of its events are removed.
    Events,
    /// The rows of its facts are removed that stand under their id alone.
    FactsById,
    /// The rows of its facts are removed. Last: rows are brought here from the others, never away.
    Facts,
}

/// Rows that are gone.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Removed {
    /// Events.
    events: u64,
    /// Facts: events, and records of attributes.
    facts: u64,
}

/// What came of an erasure.
#[derive(Debug, Serialize)]
pub(super) struct Erased {
    /// Records of profiles that it was taken from, or that were looked at for it.
    records: u64,
    /// Rows removed.
    #[serde(flatten)]
    removed: Removed,
}

#[async_trait]
impl Kind for EraseSource {
    const NAME: &'static str = "erase_source";
    const UNIT: &'static str = "rows";
    const MADE_BY: MadeBy = MadeBy::Only("POST /v1/erasures");
    const CANCELLING: Cancelling = Cancelling::Refused;
    const CHECKPOINT_VERSION: u8 = 1;

    type Parameters = Source;
    type Checkpoint = Erasing;
    type Outcome = Erased;

    async fn step(
        &self,
        ctx: &Context,
        parameters: &Source,
        checkpoint: Option<Erasing>,
    ) -> Result<Step<Erasing, Erased>, Error> {
        let fresh = || Erasing { walk: Walk::default(), stage: Stage::Records, removed: Removed::default() };
        let mut own = checkpoint.unwrap_or_else(fresh);
        let number = parameters.sweep;
        let configured = ctx.configured().await?;
        let erasure = configured.config.sweeps().erasures.iter().find(|own| u64::from(own.number) == number).cloned();
        let Some(erasure) = erasure else {
            // The last step was done, and its answer was lost.
            let outcome = Erased { records: own.walk.swept, removed: own.removed };
            return Ok(Step::Done { outcome, done: done_with(ctx, 0) });
        };
        let went = match own.stage {
            Stage::Records => own.walk.go_on(ctx, number).await?,
            Stage::Events => drop_events(ctx, &erasure, &mut own).await?,
            Stage::FactsById => drop_facts(ctx, Family::FactById, &erasure, &mut own).await?,
            Stage::Facts => drop_facts(ctx, Family::Fact, &erasure, &mut own).await?,
        };
        let done = done_with(ctx, went.looked_at);
        match own.stage {
            _ if !went.is_over => {}
            Stage::Records => {
                let set = move |config: &_, _| swept(config, number);
                ctx.service().configure_at(ctx.workspace(), set).await?;
                own.stage = Stage::Events;
            }
            Stage::Events => own.stage = Stage::FactsById,
            Stage::FactsById => own.stage = Stage::Facts,
            Stage::Facts => {
                file_receipt(ctx, &erasure, own.removed).await?;
                let number = erasure.number;
                let set = move |config: &_, _| erased(config, number);
                ctx.service().configure_at(ctx.workspace(), set).await?;
                return Ok(Step::Done { outcome: Erased { records: own.walk.swept, removed: own.removed }, done });
            }
        }
        Ok(Step::More { done, checkpoint: own, total: None })
    }
}

/// The receipt has the id of the job: whoever asked for the one finds the other.
async fn file_receipt(ctx: &Context, erasure: &SourceErasure, removed: Removed) -> Result<(), Error> {
    let job = ctx.job();
    let (dataset, batch) = (erasure.dataset.clone(), erasure.batch.clone());
    let receipt = Receipt {
        id: ErasureId::from_bytes(*job.id.as_bytes()),
        at: erasure.at,
        kind: erasure::Kind::Source { dataset, batch },
        by: job.asked_by,
        suppressed: false,
        removed: erasure::Removed { events: removed.events, ..erasure::Removed::default() },
        purged_at: None,
    };
    erasure::file(&**ctx.store(), ctx.scope(), &receipt).await
}

/// Removes some events of the source; it is over when none is left.
async fn drop_events(ctx: &Context, erasure: &SourceErasure, own: &mut Erasing) -> Result<Went, Error> {
    let page = scan(ctx, Family::Event, own.walk.last.take(), rows_at_once(&**ctx.store(), ROWS_AT_ONCE, 2)).await?;
    let mut commit = Commit::new().with_reserve();
    let mut resting = Vec::new();
    for row in &page.rows {
        let (_, time, id) = read_event_key(&row.key).ok_or_else(|| codec::corrupt("event key"))?;
        let found = event::decode(id, time, &row.value)?;
        if erasure.covers(&found.dataset, found.batch.as_deref(), found.received_at) {
            commit = commit.delete(row.key.clone());
            continue;
        }
        // What was written into it may rest on what the source had said by then.
        let is_of = |rests_on: &RestsOn, event: &NewEvent| {
            event.received_at <= erasure.at
                && rests_on.has_source(&|dataset, batch| erasure.covers(dataset, batch, event.received_at))
        };
        resting.extend(without_erased(row, &is_of)?.map(|own| Item::command(Box::new(own))));
    }
    submit(ctx, resting).await?;
    let removed = commit.del.len() as u64;
    if removed > 0 {
        ctx.store().commit(commit).await.map_err(|error| commit_failed(&error))?;
    }
    own.removed.events += removed;
    own.walk.last = last_of(&page);
    Ok(Went { is_over: own.walk.last.is_none(), looked_at: page.rows.len() as u64 })
}

/// Removes the rows of some facts of the source; it is over when none is left. A fact that was sent again meanwhile is another.
async fn drop_facts(ctx: &Context, family: Family, erasure: &SourceErasure, own: &mut Erasing) -> Result<Went, Error> {
    let from = own.walk.last.take();
    let page = scan(ctx, family, from.clone(), rows_at_once(&**ctx.store(), ROWS_AT_ONCE, 3)).await?;
    let mut commit = Commit::new().with_reserve();
    for row in &page.rows {
        let found = rows::decode_fact(&row.value)?;
        if found.source.is_some_and(|source| erasure.covers_source(&source)) {
            commit = commit.expect_version(row.key.clone(), row.version).delete(row.key.clone());
        }
    }
    let removed = commit.del.len() as u64;
    if removed > 0 {
        match ctx.store().commit(commit).await {
            Ok(_) => {}
            Err(CommitError::Conflict(_)) => {
                own.walk.last = from;
                return Ok(Went { is_over: false, looked_at: 0 });
            }
            Err(error) => return Err(commit_failed(&error)),
        }
    }
    own.removed.facts += removed;
    own.walk.last = last_of(&page);
    Ok(Went { is_over: own.walk.last.is_none(), looked_at: page.rows.len() as u64 })
}

#[cfg(test)]
mod tests;
