//! `backfill`: rules that are new, or mean something else, are brought to everybody, and so are rollovers of the calendar.
//!
//! A walk over all records reads them, and has the lane settle those of which something would be another: a new rule that holds of one in a
//! hundred writes one record in a hundred. One pass is enough. What is written meanwhile is settled under the new rules by its own commit,
//! and whoever a write brings to a place that the walk has passed has been settled by that write.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tessera_engine::decide::{Settlement, Settling};
use tessera_engine::id::NodeId;
use tessera_engine::rules::would_change;
use tessera_engine::time::Timestamp;

use super::sweep::{done_with, last_of, scan, submit};
use crate::base::codec;
use crate::base::error::Error;
use crate::config::workspace::{Walked, built};
use crate::jobs::sweeps::{FILLING_VERSION, Filling};
use crate::jobs::terms::{Cancelling, MadeBy};
use crate::stored::keys::Family;
use crate::stored::layout::read_node_key;
use crate::stored::records::cluster;
use crate::work::kind::{Context, Kind, Step};
use crate::write::lane::Item;

/// Records of one step, at least, if there are so many.
const AT_ONCE: usize = 2_000;
/// Records that are read in one go: few enough to lie where memory is fast.
const PAGE: usize = 250;
/// Records that the lane is given in one go, so that writes of others come in between.
const SETTLED_AT_ONCE: usize = 50;
/// Parts in which records are settled before the job goes on: as many as a thousand segments at their bound take, ten times over.
const PARTS_MAX: usize = 10_000;

/// Brings rules to everybody.
pub(super) struct Backfill;

/// What asks for it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The generation of the rules that it brings; newer ones as well, if there are any when it begins.
    generation: u64,
    /// The rollover of the calendar that it brings, where that is what asks: microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "turn")]
    rollover: Option<i64>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Filled {
    /// Records of which something was another.
    records: u64,
    /// The generation of the rules that everybody has been brought.
    generation: u64,
}

#[async_trait]
impl Kind for Backfill {
    const NAME: &'static str = "backfill";
    const UNIT: &'static str = "records";
    const MADE_BY: MadeBy =
        MadeBy::Only("a new or changed computed attribute or segment, or a rollover of the calendar");
    const CANCELLING: Cancelling = Cancelling::Refused;
    const CHECKPOINT_VERSION: u8 = FILLING_VERSION;

    type Parameters = Asked;
    type Checkpoint = Filling;
    type Outcome = Filled;

    async fn step(
        &self,
        ctx: &Context,
        parameters: &Asked,
        checkpoint: Option<Filling>,
    ) -> Result<Step<Filling, Filled>, Error> {
        let (configured, now) = (ctx.configured().await?, ctx.service().now());
        configured.check_rules_are_on()?;
        let rules = configured.stored.rules();
        let has_rolled_over = parameters.rollover <= rules.progress().rolled_over_at.map(Timestamp::micros);
        if checkpoint.is_none() && !rules.needs_walk() && has_rolled_over {
            // Another one has brought it along.
            return Ok(Step::Done { outcome: Filled { records: 0, generation: rules.generation() }, done: 0 });
        }
        let fresh = || Filling {
            generation: rules.generation(),
            epoch: rules.progress().epoch,
            began_at: now.micros(),
            last: None,
            settled: 0,
        };
        let mut own = checkpoint.unwrap_or_else(fresh);
        let (mut nodes, mut looked_at) = (Vec::new(), 0);
        let names = configured.config.rules().reads(&configured.config);
        loop {
            let page = scan(ctx, Family::Cluster, own.last.take(), PAGE).await?;
            for row in &page.rows {
                let cluster = cluster::glance(&row.value, &configured.config, &names)?;
                if would_change(&configured.config, cluster.as_ref(), now).unwrap_or(true) {
                    nodes.push(read_node_key(&row.key).ok_or_else(|| codec::corrupt("key of a cluster"))?);
                }
            }
            looked_at += page.rows.len();
            own.last = last_of(&page);
            if own.last.is_none() || looked_at >= AT_ONCE {
                break;
            }
            tokio::task::yield_now().await;
        }
        own.settled += nodes.len() as u64;
        for nodes in nodes.chunks(SETTLED_AT_ONCE) {
            settle(ctx, nodes.to_vec()).await?;
        }
        let done = done_with(ctx, looked_at as u64);
        if own.last.is_some() {
            let total = ctx.service().counts(ctx.workspace()).await?.profiles;
            return Ok(Step::More { done, total: Some(total.max(done)), checkpoint: own });
        }
        let walked =
            Walked { generation: own.generation, epoch: own.epoch, rolled_over_at: codec::instant(own.began_at)? };
        let change = move |config: &_, _: Timestamp| built(config, &walked);
        let stored = ctx.service().configure_at(ctx.workspace(), change).await?;
        // What has been changed since it began is brought by another one.
        ctx.service().go_on_sweeping(ctx.workspace(), &stored).await?;
        Ok(Step::Done { outcome: Filled { records: own.settled, generation: own.generation }, done })
    }
}

/// Has the lane settle these records whole. One that takes more than a commit holds is given to it again and again; where others write it all
/// the time as well, the timers go on.
async fn settle(ctx: &Context, nodes: Vec<NodeId>) -> Result<(), Error> {
    let mut nodes = nodes;
    for _ in 0..PARTS_MAX {
        let items =
            nodes.iter().map(|node| Item::command(Settlement { node: *node, settling: Settling::All })).collect();
        nodes = submit(ctx, items).await?.into_iter().filter_map(|at| nodes.get(at).copied()).collect();
        if nodes.is_empty() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_frozen() {
        let own = Filling { generation: 5, epoch: 2, began_at: 1_000, last: Some(vec![1, 2]), settled: 3 };
        codec::golden("job-backfill-1", &codec::encode(Backfill::CHECKPOINT_VERSION, &own));
    }
}
