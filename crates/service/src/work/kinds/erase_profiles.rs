//! `erase_profiles`: profiles that somebody has named are erased, one after the other.
//!
//! Whom it is about stands in its checkpoint alone, by their nodes: a job is shown, and no value of a person may be in what is shown.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_engine::decide::{Erasure, Victim};
use tessera_engine::id::NodeId;

use crate::base::codec;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::KeyId;
use crate::directory::Class;
use crate::jobs::terms::MadeBy;
use crate::work::kind::{Context, Kind, Step};
use crate::write::lane::{Done, Item, Origin, Work, mismatch};

/// Profiles of one step.
const AT_ONCE: usize = 25;
/// What an erasure is told to have come by.
const DOOR: &str = "jobs";

/// Erases profiles.
pub(crate) struct EraseProfiles;

/// What is shown of what is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// How many were named.
    pub(crate) named: u64,
    /// Why, in a word of whoever asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Who is still to be erased, from the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Left {
    nodes: Vec<[u8; 12]>,
    done: u64,
    erased: u64,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Erased {
    /// Profiles erased by this job. Of the others that were named nothing was known, or they had gone before.
    erased: u64,
}

impl Left {
    /// The checkpoint of a job that is to erase the profiles of these nodes.
    pub(crate) fn of(nodes: &[NodeId]) -> Bytes {
        let nodes = nodes.iter().map(|node| *node.as_bytes()).collect();
        codec::encode(EraseProfiles::CHECKPOINT_VERSION, &Self { nodes, done: 0, erased: 0 })
    }
}

#[async_trait]
impl Kind for EraseProfiles {
    const NAME: &'static str = "erase_profiles";
    const UNIT: &'static str = "profiles";
    const MADE_BY: MadeBy = MadeBy::Only("POST /v1/profiles:erase");
    const CHECKPOINT_VERSION: u8 = 1;

    type Parameters = Asked;
    type Checkpoint = Left;
    type Outcome = Erased;

    async fn step(&self, ctx: &Context, _: &Asked, checkpoint: Option<Left>) -> Result<Step<Left, Erased>, Error> {
        // One without a checkpoint is of a version that kept them in another form.
        let mut left = checkpoint.ok_or_else(|| codec::corrupt("checkpoint of a job"))?;
        let key = ctx.job().asked_by.ok_or_else(|| codec::corrupt("key of a job"))?;
        for at in 0..AT_ONCE {
            let Some(node) = left.nodes.pop() else { break };
            match erase(ctx, NodeId::from_bytes(node), key).await {
                Ok(is_erased) => left.erased += u64::from(is_erased),
                Err(error) if at == 0 => return Err(error),
                // What was done is written down first.
                Err(_) => {
                    left.nodes.push(node);
                    break;
                }
            }
            left.done += 1;
        }
        if left.nodes.is_empty() {
            return Ok(Step::Done { outcome: Erased { erased: left.erased }, done: left.done });
        }
        let (done, total) = (left.done, left.done + left.nodes.len() as u64);
        Ok(Step::More { checkpoint: left, done, total: Some(total) })
    }
}

/// Erases the profile that a node is of. Answers whether there was one.
async fn erase(ctx: &Context, node: NodeId, key: KeyId) -> Result<bool, Error> {
    let erasure = Erasure { victim: Victim::Profile(node), suppresses: false };
    let origin = Origin { door: DOOR, key, class: Class::Private, again: None };
    let work = Work::Items { items: vec![Item::command(erasure)], origin, once: None };
    match ctx.submit(work).await?.into_items()?.now()?.pop() {
        Some(Done::Erased(_)) => Ok(true),
        Some(Done::NotFound) => Ok(false),
        Some(Done::Waiting(max)) => {
            let message =
                format!("more than {max} erased events would wait for the purge; it goes on when that has run");
            Err(Error::new(ErrorKind::Throttled, "erasures_waiting", message))
        }
        Some(Done::Failed(error)) => Err(error),
        _ => Err(mismatch()),
    }
}
