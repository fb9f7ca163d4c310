//! What a lane is given to do, and what it answers.

use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::decide::{
    Directed, Directive, Documented, Erasure, EventErasure, Forgetting, Moved, Refusal, Settling,
};
use tessera_engine::document::DocumentWrite;
use tessera_engine::fact::{Fact, FactKey, Identity};
use tessera_engine::id::{DirectiveId, EventId, NodeId};
use tessera_engine::prepare::Rejection;
use tessera_engine::time::Timestamp;
use tessera_store::Key;

use super::memberships::AllCounts;
use crate::base::error::Error;
use crate::base::ids::KeyId;
use crate::base::verdict::{Note, Verdict};
use crate::config::admission::Admission;
use crate::config::workspace::StoredConfig;
use crate::directory::Class;
use crate::jobs::Job;
use crate::stored::idempotency::{Once, Reply, Request};
use crate::write::erasure::Receipt;
use crate::write::history::Entry;

/// One thing to be decided in order.
pub(crate) enum Item {
    /// A fact that the data model lets in, and the bytes it came in, for the quarantine.
    Fact { fact: Box<Fact>, admission: Admission, raw: Bytes },
    /// Refused at the door already.
    Refused { rejection: Rejection, raw: Bytes },
    /// Erase a profile or an identity.
    Erase(Erasure),
    /// Remove the link between an erased node and another one, that did not hold.
    Unlink { gone: NodeId, other: NodeId },
    /// Take what an erased node said out of this account.
    Unsay { gone: NodeId, account: NodeId },
    /// Erase one fact, whose event is this row.
    EraseEvent(Box<(EventErasure, Key)>),
    /// A directive of people.
    Directive(Box<Ordered>),
    /// A document that the data model lets in.
    Document(Box<Writing>),
    /// All that a source says of an identity, in place of what it said before.
    Record(Box<Recording>),
    /// A source says nothing of an identity any more; this row says that it did.
    Forget(Box<(Forgetting, Key)>),
    /// A source has an event no more; this row says that it had.
    ForgetEvent(Box<(FactKey, Key)>),
    /// Mark the profile that holds this node as used now.
    Touch(NodeId),
    /// Bring a cluster's record under the sweeps, and take what has ended out of it.
    Sweep(NodeId),
    /// Bring the memberships of the record that holds this node to now.
    Settle(NodeId, Settling),
    /// Take an event whose window has ended, whose row is this one, off its timeline.
    EndEvent(Box<(EventErasure, Key)>),
}

/// A write of a document as the lane takes it.
pub(crate) struct Writing {
    pub(crate) write: DocumentWrite,
    pub(crate) admission: Admission,
}

/// A record of a source as the lane takes it: an event where it has a call, otherwise all that is said of one identity.
pub(crate) struct Recording {
    pub(crate) fact: Box<Fact>,
    pub(crate) admission: Admission,
    /// The row that says what the source said last: it is written by the commit of the record.
    pub(crate) row: Key,
    /// What the source says, hashed.
    pub(crate) hash: u64,
}

/// A directive as the lane takes it.
#[derive(Debug, Clone)]
pub(crate) struct Ordered {
    pub(crate) id: DirectiveId,
    pub(crate) directive: Directive,
    /// The entry of the history that it ends.
    pub(crate) ends: Option<Entry>,
}

/// Makes a configuration of the present one at an instant of the lane's clock, or says why not. What was received before it
/// has an earlier instant, what comes after a later one.
pub(crate) type Change = Box<dyn FnOnce(&StoredConfig, Timestamp) -> Result<StoredConfig, Error> + Send>;

/// A change of configuration, and what goes with it in the same commit.
pub(crate) struct Configuring {
    pub(crate) change: Change,
    pub(crate) sweeps: Sweeps,
    /// The request under an `Idempotency-Key` that asks for it.
    pub(crate) once: Option<Once<Changed>>,
}

/// Whether a change of configuration comes with the jobs that bring it to all records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sweeps {
    /// It does. An erasure of a source is asked for by this key.
    Ordered { by: Option<KeyId> },
    /// A job makes the change, or it needs none.
    Left,
}

/// What a change of configuration came to.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The configuration that holds now.
    pub config: Arc<StoredConfig>,
    /// The jobs that began with the change.
    pub(crate) made: Vec<Job>,
    /// The job that brings rules to everybody, if there is one.
    pub(crate) building: Option<Job>,
    /// The members of segments.
    pub(crate) members: AllCounts,
}

/// Makes the answer of what items came to.
pub(crate) type Render = Box<dyn Fn(&[Done]) -> Option<Result<Reply, Error>> + Send + Sync>;

/// A request under an `Idempotency-Key` that brings items, and how what they came to is answered: none where that answer is not kept.
pub(crate) struct Answering {
    pub(crate) request: Request,
    pub(crate) render: Render,
}

/// What a submission brings.
pub(crate) enum Work {
    /// Items, in order, with the door and key that they came by. The answer to their request is kept by the commit that holds the last of
    /// them.
    Items { items: Vec<Item>, origin: Origin, once: Option<Answering> },
    /// A change of configuration.
    Configure(Configuring),
    /// What a directive would do.
    Preview(Box<Ordered>),
    /// Remove rows of what was erased, a bounded number.
    Purge,
    /// Let an identity in that is suppressed.
    LetIn(Identity),
    /// Let identities in no more: as many as one commit holds.
    ShutOut(Vec<Identity>),
}

/// By which door and key something came: for the quarantine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) door: &'static str,
    pub(crate) key: KeyId,
    /// The class of the key.
    pub(crate) class: Class,
    /// The entry that is sent again, and its time of receipt: refused again, it stands as that same entry.
    pub(crate) again: Option<(EventId, Timestamp)>,
}

/// What a submission came to.
pub(crate) enum Answer {
    /// A verdict, or an outcome of a directive, for each item.
    Items(Vec<Done>),
    /// What the request was answered before.
    Before(Reply),
    /// What a change of configuration came to.
    Configured(Box<Changed>),
    /// What a directive would come to.
    Previewed(Done),
    /// Whether rows are left to purge.
    Purged { more: bool },
    /// How many identities were let in, or are let in no more, by this.
    Suppressions(usize),
}

/// What an item came to.
#[derive(Debug, Clone)]
pub(crate) enum Done {
    Fact(Verdict),
    Erased(Box<Receipt>),
    /// More events would wait for the purge than this, which is as many as may.
    Waiting(u64),
    Swept,
    /// Some of it is done; it took more than one commit holds. The same item again goes on.
    InPart,
    /// It failed, alone.
    Failed(Error),
    /// A directive is in force; by one of before, if that says the same.
    Directed {
        directed: Directed,
        before: Option<DirectiveId>,
        moved: Vec<Moved>,
    },
    Refused(Refusal),
    /// What the write of a document came to, with what of it did not take effect.
    Documented(Box<(Documented, Vec<Note>)>),
    /// Other documents hold these.
    Taken(Vec<Identity>),
    Touched,
    Forgotten,
    NotFound,
}
