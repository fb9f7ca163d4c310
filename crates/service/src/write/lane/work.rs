//! What a lane is given to do, and what it answers.

use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::decide::{Command, Directed, Directive, Documented, GivenDirective, Moved, Refusal};
use tessera_engine::document::DocumentWrite;
use tessera_engine::fact::{Fact, Identity};
use tessera_engine::id::{DirectiveId, EventId};
use tessera_engine::prepare::Rejection;
use tessera_engine::time::Timestamp;
use tessera_store::Key;

use super::memberships::AllCounts;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::KeyId;
use crate::base::verdict::{Note, Verdict};
use crate::config::admission::Admission;
use crate::config::workspace::StoredConfig;
use crate::directory::Class;
use crate::jobs::Job;
use crate::read::find::Found;
use crate::stored::idempotency::{Given, Once, Reply, Request};
use crate::write::erasure::Receipt;
use crate::write::history::Entry;

/// One thing to be decided in order.
pub(crate) enum Item {
    /// A fact that the data model lets in, and the bytes it came in, for the quarantine.
    Fact { fact: Box<Fact>, admission: Admission, raw: Bytes },
    /// Refused at the door already.
    Refused { rejection: Rejection, raw: Bytes },
    /// A document that the data model lets in.
    Document(Box<Writing>),
    /// All that a source says of an identity, in place of what it said before.
    Record(Box<Recording>),
    /// What is decided as it is, in any configuration.
    Command(Box<Ready>),
}

impl Item {
    /// A command that takes no row with it.
    pub(crate) fn command(command: impl Into<Command>) -> Self {
        Self::ready(command, Along::Nothing)
    }

    /// A command whose commit deletes this row: that of the event which it is about, or that by which a source said what it takes back.
    pub(crate) fn deleting(command: impl Into<Command>, row: Key) -> Self {
        Self::ready(command, Along::Deleted(row))
    }

    /// A directive of people.
    pub(crate) fn directive(ordered: Ordered) -> Self {
        let Ordered { id, directive, ends } = ordered;
        Self::ready(GivenDirective { id, directive }, ends.map_or(Along::Nothing, Along::Ended))
    }

    fn ready(command: impl Into<Command>, along: Along) -> Self {
        Self::Command(Box::new(Ready { command: command.into(), along }))
    }
}

/// A command that needs nothing of the configuration to be decided.
pub(crate) struct Ready {
    pub(crate) command: Command,
    pub(crate) along: Along,
}

/// What the commit of a command changes besides what the command itself says.
#[derive(Debug, Clone)]
pub(crate) enum Along {
    Nothing,
    /// This row goes.
    Deleted(Key),
    /// This entry of the history is ended.
    Ended(Entry),
    /// This row says from now on what a source has said, which has this hash.
    Said(Key, u64),
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

impl Answer {
    /// What items came to, or what their request was answered before.
    ///
    /// # Errors
    /// It is the answer to something else.
    pub(crate) fn into_items(self) -> Result<Given<Vec<Done>>, Error> {
        match self {
            Self::Items(done) => Ok(Given::Now(done)),
            Self::Before(reply) => Ok(Given::Before(reply)),
            Self::Configured(_) | Self::Previewed(_) | Self::Purged { .. } | Self::Suppressions(_) => Err(mismatch()),
        }
    }
}

/// The error of whoever gets another answer than to what was asked.
pub(crate) fn mismatch() -> Error {
    Error::new(ErrorKind::Internal, "internal", "a lane answered something else than was asked")
}

/// What the write of a document came to.
#[derive(Debug, Clone)]
pub(crate) struct WrittenDocument {
    pub(crate) documented: Documented,
    /// What of it did not take effect, or does not fit.
    pub(crate) notes: Vec<Note>,
    /// The profile as its commit left it; none where that is not at hand.
    pub(crate) left: Option<Found>,
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
    Documented(Box<WrittenDocument>),
    /// Other documents hold these.
    Taken(Vec<Identity>),
    Touched,
    Forgotten,
    NotFound,
}
