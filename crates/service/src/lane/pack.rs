//! What a mini-transaction holds besides the records of people: events, quarantined facts, rows still to purge.

use bytes::Bytes;
use tessera_engine::decide::{Acted, Directed, Erased, Merge, Outcome};
use tessera_engine::id::{DirectiveId, Ids};
use tessera_engine::prepare::Rejection;
use tessera_engine::time::Timestamp;
use tessera_engine::working::Working;
use tessera_store::{Key, Limits};

use super::Origin;
use crate::directives::{self, Act, Entry};
use crate::directory::{KeyId, WorkspaceId};
use crate::keys::Scope;
use crate::quarantine::{self, Raw, Refused};
use crate::records::event;

/// Puts that go along with a group's changes.
pub(super) struct Pack {
    workspace: WorkspaceId,
    scope: Scope,
    limits: Limits,
    pub(super) put: Vec<(Key, Bytes)>,
    bytes: usize,
}

impl Pack {
    pub(super) fn new(workspace: WorkspaceId, limits: Limits) -> Self {
        Self { workspace, scope: Scope::new(workspace), limits, put: Vec::new(), bytes: 0 }
    }

    /// Whether one more command surely fits. Half of what the store takes is left for it.
    pub(super) fn has_room(&self, working: &Working) -> bool {
        let (ops, bytes) = working.pending();
        ops + self.put.len() < self.limits.ops / 2 && bytes + self.bytes < self.limits.bytes / 2
    }

    pub(super) fn add(&mut self, outcome: &Outcome, raw: &Bytes, origin: Origin, at: Timestamp, ids: &mut Ids) {
        match outcome {
            Outcome::Accepted { event: Some(event), .. } => {
                self.push(self.scope.event(event.node, event.time, event.id), event::encode(event));
            }
            Outcome::Rejected(rejection) => self.quarantine(rejection, raw, origin, at, ids),
            Outcome::Erased(erased) => self.purge(erased),
            Outcome::Accepted { event: None, .. }
            | Outcome::Duplicate
            | Outcome::Released { .. }
            | Outcome::Directed(_)
            | Outcome::Refused(_)
            | Outcome::Swept(_)
            | Outcome::NotFound => {}
        }
    }

    fn quarantine(&mut self, rejection: &Rejection, raw: &Bytes, origin: Origin, at: Timestamp, ids: &mut Ids) {
        let (id, at) = origin.again.unwrap_or_else(|| (ids.event(), at));
        let refused = Refused {
            id,
            at,
            door: origin.door,
            code: rejection.code,
            message: rejection.message.clone().into_owned(),
            key: origin.key,
            raw: Raw::keep(raw),
        };
        for (key, row) in quarantine::rows(self.workspace, &refused) {
            self.push(key, row);
        }
    }

    /// The entry of a directive in the history, and of the one that it ends.
    pub(super) fn directive(
        &mut self,
        id: DirectiveId,
        directed: &Directed,
        ends: Option<Entry>,
        moved: usize,
        key: KeyId,
        at: Timestamp,
    ) {
        let act = match (&directed.acted, &ends) {
            (Acted::JoinedBefore { .. }, _) | (Acted::Ended, None) => return,
            (Acted::Joined { between }, _) => Act::Join(*between),
            (Acted::Separated { apart, side }, _) => Act::Separate { apart: *apart, side: side.clone() },
            (Acted::Ended, Some(Entry { act: Act::Separate { .. }, id, .. })) => Act::Lift(*id),
            (Acted::Ended, Some(Entry { id, .. })) => Act::Undo(*id),
        };
        if let Some(ended) = ends {
            self.entry(&Entry { ended: Some((id, at)), ..ended });
        }
        self.entry(&Entry { id, at, key, act, moved: moved as u64, ended: None });
    }

    /// The entries of profiles that became one.
    pub(super) fn merges(&mut self, merges: Vec<Merge>, key: KeyId, at: Timestamp, ids: &mut Ids) {
        for Merge { link, sides, into } in merges {
            // The younger side moves: that of the greater profile id.
            let moved = sides.iter().filter(|side| !side.contains(&into)).map(|side| side.len() as u64).sum();
            let act = Act::Merge { link, sides, into };
            self.entry(&Entry { id: ids.directive(), at, key, act, moved, ended: None });
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.push(self.scope.directive(entry.id), directives::records::encode(entry));
        for node in entry.act.found_by() {
            self.push(self.scope.directive_of(node, entry.id), Bytes::from_static(&[1]));
        }
    }

    fn purge(&mut self, erased: &Erased) {
        for (node, _) in &erased.nodes {
            self.push(self.scope.purge(*node), Bytes::from_static(&[1]));
        }
    }

    fn push(&mut self, key: Key, row: Bytes) {
        self.bytes += key.len() + row.len();
        self.put.push((key, row));
    }
}
