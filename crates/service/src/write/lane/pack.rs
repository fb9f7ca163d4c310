//! What a mini-transaction holds besides the records of people: events, quarantined facts, rows still to purge.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use tessera_engine::decide::{Acted, Command, Directed, Erased, Merge, NewEvent, Notice, Outcome};
use tessera_engine::id::{DirectiveId, ErasureId, Ids, NodeId};
use tessera_engine::prepare::Rejection;
use tessera_engine::time::Timestamp;
use tessera_engine::working::Working;
use tessera_store::{Expect, Key, Limits, Room};

use super::decision::Decision;
use super::work::{Along, Done, Origin};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::directory::Class;
use crate::stored::audit::{Object, Pending, Written};
use crate::stored::idempotency::{Claim, Reply};
use crate::stored::keys::Scope;
use crate::stored::loose;
use crate::stored::records::event;
use crate::stored::resting::{self, ToTakeOut};
use crate::stored::sources;
use crate::write::erasure::{Kind, Receipt, Removed, Trace, records};
use crate::write::feed;
use crate::write::history::{self as directives, Act, Entry};
use crate::write::membership_changes;
use crate::write::quarantine::{self, Raw, Refused};

/// Events of timelines that one group reads before another one begins.
const EVENTS_MAX: usize = 100_000;
/// What the lane's own rows take of a commit: its clock and counts, and under which names attributes stand that nobody claimed.
const LANE_OPS: usize = 3;
const LANE_BYTES: usize = 200;
/// Bytes of an entry of the audit log, about, with its key.
const AUDIT_BYTES: usize = 600;
/// Bytes of a change of a membership, with its key.
const CHANGE_BYTES: usize = 34;

/// Puts that go along with a group's changes.
pub(super) struct Pack {
    workspace: WorkspaceId,
    scope: Scope,
    limits: Limits,
    pub(super) put: Vec<(Key, Bytes)>,
    pub(super) del: Vec<Key>,
    /// What goes into the quarantine: by whom, and how many bytes of it are kept.
    pub(super) quarantined: Vec<(Class, u64)>,
    /// What the answers assert that go along.
    pub(super) expect: Vec<(Key, Expect)>,
    /// Events whose rows wait for the purge from now on.
    pub(super) waiting: u64,
    /// Erased nodes whose links that did not hold are still to be removed.
    pub(super) loose: Vec<NodeId>,
    /// The entries of requests that are audited, and what this does for each.
    audited: Vec<(Arc<Pending>, Vec<Object>)>,
    /// An erasure goes on where other writes are refused for want of room.
    pub(super) room: Room,
    bytes: usize,
    /// How many notices have been counted, and the rows of changes of memberships among them.
    notices: usize,
    membership_changes: usize,
    /// Nodes, each with an owner of events that rest on it, of which the rows are in it.
    resting: HashSet<(NodeId, NodeId)>,
    /// Directives that others of the group have ended, with those.
    ended: HashMap<DirectiveId, DirectiveId>,
}

/// What an outcome of this kind was asked for.
pub(super) struct Erasing {
    /// Of what kind it is, for the profile that it is about.
    pub(super) kind: fn(NodeId) -> Kind,
    pub(super) suppressed: bool,
    /// The row of the one event that is erased.
    pub(super) event: Option<Key>,
    /// Its owner, and when it was received.
    pub(super) said: Option<(NodeId, Timestamp)>,
    /// Whether there are events that may rest on what is erased.
    pub(super) may_rest: bool,
}

impl Pack {
    pub(super) fn new(workspace: WorkspaceId, limits: Limits) -> Self {
        let scope = Scope::new(workspace);
        Self {
            workspace,
            scope,
            limits,
            put: Vec::new(),
            del: Vec::new(),
            quarantined: Vec::new(),
            expect: Vec::new(),
            waiting: 0,
            loose: Vec::new(),
            audited: Vec::new(),
            room: Room::Ordinary,
            bytes: 0,
            notices: 0,
            membership_changes: 0,
            resting: HashSet::new(),
            ended: HashMap::new(),
        }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.put.is_empty() && self.del.is_empty()
    }

    /// Whether one more command surely fits. Half of what the store takes is left for it.
    pub(super) fn has_room(&mut self, working: &Working, notices: &[Notice]) -> bool {
        let effects = notices.get(self.notices..).unwrap_or_default();
        let changed = |notice: &Notice| match notice {
            Notice::Membership { profile, at, .. } => Some((*profile, *at)),
            Notice::ProfileChanged(_)
            | Notice::ProfileMerged { .. }
            | Notice::IdentityMoved { .. }
            | Notice::ProfileErased(_) => None,
        };
        // Beside changes stands that they are to be looked at.
        let effects = effects.iter().filter_map(changed);
        self.membership_changes += effects.clone().count() + membership_changes::looks_max(effects);
        self.notices = notices.len();
        let pending = working.pending();
        let feed_bytes = self.notices * feed::NOTICE_BYTES;
        let feed_rows = 1 + feed_bytes / self.limits.value.max(1);
        let ops = LANE_OPS
            + self.audited.len()
            + pending.ops
            + self.put.len()
            + self.del.len()
            + self.expect.len()
            + self.membership_changes
            + feed_rows;
        let bytes = LANE_BYTES + pending.bytes + self.bytes + self.membership_changes * CHANGE_BYTES + feed_bytes;
        working.events() < EVENTS_MAX && ops < self.limits.ops / 2 && bytes < self.limits.bytes / 2
    }

    /// What a command came to that somebody asked for whose requests are audited.
    pub(super) fn audited(&mut self, pending: Option<&Arc<Pending>>, command: Option<&Command>, done: &Done) {
        let Some(pending) = pending else { return };
        if self.audited.last().is_none_or(|(last, _)| !Arc::ptr_eq(last, pending)) {
            self.audited.push((pending.clone(), Vec::new()));
            self.bytes += AUDIT_BYTES;
        }
        let objects = self.audited.last_mut().map(|(_, objects)| objects);
        let object = match (command, done) {
            (_, Done::Erased(receipt)) => Object::new("erasure", &receipt.id.to_string()),
            (Some(Command::Directive(given)), Done::Directed { before: None, .. }) => {
                Object::new("directive", &given.id.to_string())
            }
            _ => return,
        };
        if let Some(objects) = objects {
            objects.push(object);
        }
    }

    /// The rows of those who are audited.
    pub(super) fn take_audited(&mut self) -> Vec<Written> {
        let all = std::mem::take(&mut self.audited).into_iter();
        all.filter_map(|(pending, objects)| Written::of(Some(&pending), objects)).collect()
    }

    /// The answer to a request goes along.
    pub(super) fn answer(&mut self, claim: &Claim, reply: &Reply, now: Timestamp) {
        let (expect, row) = claim.row(reply, now);
        self.bytes += claim.row_key().len();
        self.expect.push((claim.row_key().clone(), expect));
        self.push(claim.row_key().clone(), row);
        let (key, row) = claim.ends(now);
        self.push(key, row);
    }

    /// A row goes, if there is one.
    pub(super) fn drop_row(&mut self, row: Option<Key>) {
        self.bytes += row.as_ref().map_or(0, Key::len);
        self.del.extend(row);
    }

    pub(super) fn add(&mut self, outcome: &Outcome, raw: &Bytes, origin: Origin, at: Timestamp, ids: &mut Ids) {
        match outcome {
            Outcome::Accepted { event: Some(event), .. } | Outcome::EventRewritten(event) => self.event(event),
            Outcome::EventReplaced(replaced) => {
                if let Some((node, time, id)) = replaced.before {
                    self.drop_row(Some(self.scope.event(node, time, id)));
                }
                if let Some(event) = &replaced.event {
                    self.event(event);
                }
            }
            Outcome::Documented(documented) => {
                if let Some(event) = &documented.event {
                    self.event(event);
                }
            }
            Outcome::Rejected(rejection) => self.quarantine(rejection, raw, origin, at, ids),
            // It may bring the erasure of a dataset to a record.
            Outcome::Swept(_) | Outcome::SweptInPart | Outcome::Unlinked => self.room = Room::Reserve,
            _ => {}
        }
    }

    /// The row of an event, and those by which it is found where it rests on what is erased.
    fn event(&mut self, event: &NewEvent) {
        self.push(self.scope.event(event.node, event.time, event.id), event::encode(event));
        for node in &event.rests_on {
            self.rests(*node, event.node);
        }
    }

    /// That events of an owner rest on what a node said.
    fn rests(&mut self, node: NodeId, owner: NodeId) {
        if self.resting.insert((node, owner)) {
            self.push(self.scope.resting(node, owner), Bytes::from_static(resting::ROW));
        }
    }

    /// That what a node said was erased: what rests on it is still to be taken out of events.
    fn take_out(&mut self, node: NodeId, erasure: ErasureId, own: &ToTakeOut) {
        self.push(self.scope.resting_erased(node, erasure), resting::encode(own));
    }

    /// Whether it has events that rest on what other nodes said.
    pub(super) fn has_resting(&self) -> bool {
        !self.resting.is_empty()
    }

    /// That a source has said this of an identity, and whose node that is.
    pub(super) fn source_row(&mut self, outcome: &Outcome, entry: &Decision) {
        let Along::Said(key, hash) = &entry.along else { return };
        let (node, event) = match outcome {
            Outcome::Accepted { owner, .. } => (*owner, None),
            Outcome::EventReplaced(replaced) => {
                (replaced.owner, replaced.event.as_ref().map(|event| event.fact_id.clone()))
            }
            _ => return,
        };
        self.push(key.clone(), sources::encode_row(&sources::RowSaid { hash: *hash, node, event }));
    }

    /// The row of an event that a source has no more goes.
    pub(super) fn forgotten(&mut self, outcome: &Outcome) {
        if let Outcome::EventForgotten(Some((node, time, id))) = outcome {
            self.drop_row(Some(self.scope.event(*node, *time, *id)));
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
            class: origin.class,
            raw: Raw::keep(raw),
        };
        self.quarantined.push((refused.class, refused.raw.bytes().len() as u64));
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
            (Acted::JoinedBefore { .. } | Acted::EndedBefore { .. }, _) | (Acted::Ended, None) => return,
            (Acted::Joined { between }, _) => Act::Join(*between),
            (Acted::Separated { apart, side }, _) => Act::Separate { apart: *apart, side: side.clone() },
            (Acted::Ended, Some(Entry { act: Act::Separate { .. }, id, .. })) => Act::Lift(*id),
            (Acted::Ended, Some(Entry { id, .. })) => Act::Undo(*id),
        };
        if let Some(ended) = ends {
            self.ended.insert(ended.id, id);
            self.entry(&Entry { ended: Some((id, at)), ..ended });
        }
        self.entry(&Entry { id, at, key, act, moved: moved as u64, ended: None });
    }

    /// The directive of this group that has ended another one.
    pub(super) fn ended_by(&self, ended: DirectiveId) -> Option<DirectiveId> {
        self.ended.get(&ended).copied()
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

    /// Nothing is kept of who was erased for good: not what was sent now, nor what stood in the quarantine and is sent again.
    pub(super) fn forget_sent(&mut self, origin: Origin) {
        if let Some((id, _)) = origin.again {
            quarantine::keys(self.workspace, id).into_iter().for_each(|row| self.drop_row(Some(row)));
        }
    }

    /// The receipt of an erasure, and what the purge goes by.
    pub(super) fn erased(
        &mut self,
        erased: &Erased,
        erasing: Erasing,
        by: KeyId,
        at: Timestamp,
        ids: &mut Ids,
    ) -> Receipt {
        let id = ids.erasure();
        let removed = Removed {
            identities: erased.nodes.len() as u64,
            attributes: erased.cells,
            links: erased.links,
            events: erased.events,
            quarantined: 0,
            replies: 0,
        };
        let Erasing { kind, suppressed, event, said, may_rest } = erasing;
        self.room = Room::Reserve;
        let kind = kind(erased.profile);
        let receipt = Receipt { id, at, kind, by: Some(by), suppressed, removed, purged_at: None };
        self.push(self.scope.receipt(id), records::encode_receipt(&receipt));
        self.push(self.scope.waiting_receipt(id), Bytes::from_static(&[1]));
        for (node, identity) in &erased.nodes {
            let trace = Trace { receipt: id, identity: identity.clone() };
            self.push(self.scope.purge(*node), records::encode_node(&trace));
            if may_rest {
                self.take_out(*node, id, &ToTakeOut { is_gone: true, from: Timestamp::MIN, at: None });
                for owner in &erased.staying {
                    self.rests(*node, *owner);
                }
            }
        }
        if let Some((node, from)) = said.filter(|_| may_rest) {
            self.take_out(node, id, &ToTakeOut { is_gone: false, from, at: None });
        }
        for own in &erased.loose {
            self.push(self.scope.loose(own.node), loose::encode(&own.accounts));
            self.loose.push(own.node);
        }
        match event {
            Some(row) => self.drop_row(Some(row)),
            None => self.waiting += erased.events,
        }
        receipt
    }

    fn push(&mut self, key: Key, row: Bytes) {
        self.bytes += key.len() + row.len();
        self.put.push((key, row));
    }
}
