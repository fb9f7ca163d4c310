//! `expire`: what has ended is taken from records and timelines. Readers have seen nothing of it since its instant.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tessera_engine::decide::EventExpiry;
use tessera_engine::fact::FactKey;

use super::sweep::{ROWS_AT_ONCE, Walk, done_with, last_of, scan, submit};
use crate::base::codec;
use crate::base::error::Error;
use crate::config::workspace::ended_is_gone;
use crate::read::facts;
use crate::stored::keys::Family;
use crate::stored::layout::read_event_key;
use crate::stored::records::event;
use crate::work::kind::{Context, Kind, Step};
use crate::write::erasure::erasure_of;
use crate::write::lane::Item;

/// Takes away what has ended.
pub(super) struct Expire;

/// What is asked.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The sweep of the last window that became longer, where that is what asks; 0 otherwise.
    #[serde(default, skip_serializing_if = "is_zero")]
    sweep: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Expiring {
    /// The last sweep that was ordered before it began: what windows of before had let end by then is gone when it is done.
    number: u64,
    walk: Walk,
    stage: Stage,
    /// Events taken off their timelines.
    events: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// Values are taken out of the records.
    Values,
    /// Events are taken off the timelines.
    Events,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Expired {
    /// Records that something was taken out of, or that were brought under a sweep on the way.
    records: u64,
    /// Events taken off their timelines.
    events: u64,
}

#[async_trait]
impl Kind for Expire {
    const NAME: &'static str = "expire";
    const UNIT: &'static str = "rows";
    const CHECKPOINT_VERSION: u8 = 1;

    type Parameters = Asked;
    type Checkpoint = Expiring;
    type Outcome = Expired;

    async fn step(
        &self,
        ctx: &Context,
        parameters: &Asked,
        checkpoint: Option<Expiring>,
    ) -> Result<Step<Expiring, Expired>, Error> {
        let configured = ctx.configured().await?;
        let fresh = || {
            let number = configured.config.sweeps().number.max(parameters.sweep);
            Expiring { number, walk: Walk::default(), stage: Stage::Values, events: 0 }
        };
        let mut own = checkpoint.unwrap_or_else(fresh);
        let mut looked_at = 0;
        match own.stage {
            Stage::Values => {
                let went = own.walk.go_on(ctx, own.number).await?;
                looked_at = went.looked_at;
                if went.is_over {
                    own.stage = Stage::Events;
                }
            }
            Stage::Events => {
                let keeps_events = configured.config.keeping().keeps_events();
                if !keeps_events {
                    looked_at = end_events(ctx, &mut own).await?;
                }
                if keeps_events || own.walk.last.is_none() {
                    let number = own.number;
                    let gone = move |config: &_, _| ended_is_gone(config, number);
                    ctx.service().configure_at(ctx.workspace(), gone).await?;
                    let outcome = Expired { records: own.walk.swept, events: own.events };
                    return Ok(Step::Done { outcome, done: done_with(ctx, looked_at) });
                }
            }
        }
        let counts = ctx.service().counts(ctx.workspace()).await?;
        let events = if configured.config.keeping().keeps_events() { 0 } else { counts.events };
        let done = done_with(ctx, looked_at);
        Ok(Step::More { done, total: Some((counts.profiles + events).max(done)), checkpoint: own })
    }
}

/// Takes some events off their timelines. Answers how many it looked at.
async fn end_events(ctx: &Context, own: &mut Expiring) -> Result<u64, Error> {
    let (configured, now) = (ctx.configured().await?, ctx.service().now());
    let page = scan(ctx, Family::Event, own.walk.last.take(), ROWS_AT_ONCE).await?;
    let mut items = Vec::new();
    for found in &page.rows {
        let (node, time, id) = read_event_key(&found.key).ok_or_else(|| codec::corrupt("event key"))?;
        let call = event::decode(id, time, &found.value)?;
        if !configured.config.keeping().is_event_gone(call.name.as_deref(), time, call.received_at, now) {
            continue;
        }
        // One without a fact's row is of somebody who was erased, and goes with the purge.
        let key = FactKey { dataset: call.dataset.clone(), id: call.message_id.clone() };
        let Some(fact) = facts::find(&**ctx.store(), ctx.scope(), &key).await? else { continue };
        if fact.node != node || fact.event != Some(id) {
            continue;
        }
        items.push(Item::deleting(EventExpiry(erasure_of(call, fact)), found.key.clone()));
    }
    own.events += items.len() as u64;
    submit(ctx, items).await?;
    own.walk.last = last_of(&page);
    Ok(page.rows.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_frozen() {
        let walk = Walk { last: Some(vec![1, 2]), looked_at: 7, swept: 3, ..Walk::default() };
        let own = Expiring { number: 5, walk, stage: Stage::Events, events: 2 };
        codec::golden("job-expire-1", &codec::encode(Expire::CHECKPOINT_VERSION, &own));
    }
}
