//! What the lane knows of erasures besides deciding them: of which kind they are, and whether too much waits already.

use tessera_engine::decide::{Command, Erasure, Outcome, Victim, events_of};
use tessera_engine::prepare::IDENTITY_SUPPRESSED;
use tessera_engine::working::{Lack, Working};
use tessera_store::{Direction, ScanLimit};

use super::decide::{PartError, ROUNDS_MAX, too_many_rounds};
use super::decision::Decision;
use super::gather::Gatherer;
use super::pack::{Erasing, Pack};
use super::state::State;
use crate::base::store_error::read_failed;
use crate::write::erasure::Kind;

impl Decision {
    /// What it erases, if it does.
    pub(super) fn erasing(&self) -> Option<Erasing> {
        let mut said = None;
        let (kind, suppressed): (fn(_) -> _, _) = match self.command.as_ref().ok()? {
            Command::Erase(Erasure { victim: Victim::Profile(_), suppresses }) => (Kind::Profile, *suppresses),
            Command::Erase(Erasure { victim: Victim::Node(_), suppresses }) => (Kind::Identity, *suppresses),
            Command::EraseEvent(erasure) => {
                said = Some((erasure.node, erasure.received_at));
                (Kind::Event, false)
            }
            _ => return None,
        };
        Some(Erasing { kind, suppressed, event: self.deleted(), said, may_rest: false })
    }
}

impl State {
    /// Whether there are events that may rest on what is erased: such ones are known, or attributes are written into events, as they may have
    /// been before it was kept what those rest on.
    pub(super) async fn may_rest(&self, pack: &Pack) -> Result<bool, PartError> {
        if pack.has_resting() || self.config().rules().writes_into_events() {
            return Ok(true);
        }
        let page = self.store().scan(&self.scope().all_resting(), ScanLimit::rows(1), Direction::Forward).await;
        page.map(|page| !page.rows.is_empty()).map_err(|error| PartError::Failed(read_failed(&error)))
    }

    /// Whether what came to this may be kept: not if it was refused and names somebody who is let in no more, whatever else was the
    /// reason.
    pub(super) async fn may_keep(&self, outcome: &Outcome, sent: &[u8]) -> Result<bool, PartError> {
        match (outcome, self.secret()) {
            (Outcome::Rejected(rejection), _) if rejection.code == IDENTITY_SUPPRESSED => Ok(false),
            (Outcome::Rejected(_), Some(secret)) => {
                let kept = secret.may_keep(&**self.store(), self.scope(), self.config(), sent).await;
                kept.map_err(PartError::Failed)
            }
            _ => Ok(true),
        }
    }

    /// How many erased events may wait for the purge, if this erasure would make them more. One that suppresses is for somebody's
    /// privacy, and nothing keeps it waiting.
    pub(super) async fn too_many_waiting(
        &self,
        decision: &Decision,
        pack: &Pack,
        working: &mut Working,
        gatherer: &mut Gatherer,
    ) -> Result<Option<u64>, PartError> {
        let Ok(Command::Erase(Erasure { victim, suppresses: false })) = &decision.command else { return Ok(None) };
        let Some(max) = self.stored_config().erasure().waiting_events_max else { return Ok(None) };
        for _ in 0..ROUNDS_MAX {
            match events_of(*victim, working) {
                Ok(events) => {
                    let waiting = self.row_at(decision.at).waiting + pack.waiting + events;
                    return Ok((waiting > max && events > 0).then_some(max));
                }
                Err(Lack::Needs(needs)) => gatherer.load(needs, working).await?,
                Err(Lack::Torn | Lack::Suppressed(_)) => return Err(PartError::Conflict),
            }
        }
        Err(PartError::Failed(too_many_rounds()))
    }
}
