//! What a command came to, and what others may want to know of it.

use std::sync::Arc;

use super::{Directed, Refusal};
use crate::cluster::HoldReason;
use crate::fact::{Call, Identity, Strength};
use crate::id::{EventId, NodeId};
use crate::prepare::{Ignored, Rejection};
use crate::rules::SegmentId;
use crate::time::Timestamp;

/// A call that was accepted onto a timeline.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The node that owns it.
    pub node: NodeId,
    /// Its time.
    pub time: Timestamp,
    /// Its id.
    pub id: EventId,
    /// The id it was sent with.
    pub fact_id: Arc<str>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The dataset.
    pub dataset: Arc<str>,
    /// The named delivery.
    pub batch: Option<Arc<str>>,
    /// The identities it carried, its owner first.
    pub identities: Vec<Identity>,
    /// What stands on the timeline.
    pub call: Call,
    /// Nodes beside its owner that what is written into it rests on.
    pub rests_on: Vec<NodeId>,
}

/// A link that was held when evidence for it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldNote {
    /// The rule that holds it.
    pub rule: HoldReason,
    /// How sure it is.
    pub strength: Strength,
    /// Its ends.
    pub between: [Identity; 2],
    /// The link that won against it, if one did.
    pub won: Option<[Identity; 2]>,
}

/// Something that others may want to know, once it is committed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// Anything about a profile changed.
    ProfileChanged(NodeId),
    /// A profile id is no more; this one holds its smallest node now.
    ProfileMerged {
        /// The id that is no more.
        from: NodeId,
        /// The profile that it resolves to.
        into: NodeId,
    },
    /// A node belongs to another profile than before.
    IdentityMoved {
        /// The node.
        node: NodeId,
        /// The profile it left.
        from: NodeId,
        /// The profile it is part of now.
        into: NodeId,
    },
    /// A profile was erased.
    ProfileErased(NodeId),
    /// A profile became a member of a segment, or ceased to be one.
    Membership {
        /// The profile.
        profile: NodeId,
        /// The segment.
        segment: SegmentId,
        /// When: by a write its own instant, by time alone the instant at which it came true.
        at: Timestamp,
        /// Whether it is a member from then on.
        is_inside: bool,
    },
}

/// An erased node of which something is still to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// The node. Links of it that did not hold may stand; nothing shows them any more, and [`LinkRemoval`](super::LinkRemoval) removes each.
    pub node: NodeId,
    /// The accounts that its facts said something of, which [`Retraction`](super::Retraction) takes out of each.
    pub accounts: Vec<NodeId>,
}

/// What the write of a document came to.
#[derive(Debug, Clone)]
pub struct Documented {
    /// The node of the document.
    pub document: NodeId,
    /// Whether it was made by this: neither the document nor the profile that becomes it was there.
    pub is_new: bool,
    /// Identities that were left to another document, from which this one stays apart.
    pub left_out: Vec<Identity>,
    /// Identities that were let go of.
    pub released: Vec<Identity>,
    /// Identities that identify nobody.
    pub ignored: Vec<Ignored>,
    /// Links that a rule refused.
    pub held: Vec<HeldNote>,
    /// Its event, if it has one.
    pub event: Option<Box<NewEvent>>,
}

/// Where the row of an event stands: its owner, its time, its id.
pub type EventPlace = (NodeId, Timestamp, EventId);

/// An event that took the place of another one, or of none.
#[derive(Debug, Clone)]
pub struct ReplacedEvent {
    /// Its owner.
    pub owner: NodeId,
    /// Where the one before it stood.
    pub before: Option<EventPlace>,
    /// The event.
    pub event: Option<Box<NewEvent>>,
    /// Identities that were left out.
    pub ignored: Vec<Ignored>,
    /// Links that a rule refused.
    pub held: Vec<HeldNote>,
}

/// What an erasure removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The profile's id.
    pub profile: NodeId,
    /// The nodes that are no more; their timelines are still to be purged.
    pub nodes: Vec<(NodeId, Identity)>,
    /// Links removed, those that did not hold as well.
    pub links: u64,
    /// Those of the nodes of which more is left than one commit takes.
    pub loose: Vec<Loose>,
    /// Cells removed.
    pub cells: u64,
    /// Events removed.
    pub events: u64,
    /// Nodes that stay of the profile; what is written into their events may rest on what was erased.
    pub staying: Vec<NodeId>,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The fact is part of the profile.
    Accepted {
        /// Its owner.
        owner: NodeId,
        /// Identities that were left out.
        ignored: Vec<Ignored>,
        /// Links that a rule refused.
        held: Vec<HeldNote>,
        /// Its event, if it has one.
        event: Option<Box<NewEvent>>,
    },
    /// The fact is part of a profile already.
    Duplicate,
    /// A fact of this dataset and id that says something else is part of a profile already, and stays as it is.
    Differs,
    /// The fact is refused.
    Rejected(Rejection),
    /// The profile is gone.
    Erased(Erased),
    /// The document says what it was told.
    Documented(Box<Documented>),
    /// Other documents hold these identities; nothing changed.
    DocumentTaken(Vec<Identity>),
    /// The identity is released; how many links were severed.
    Released {
        /// Links severed.
        severed: usize,
    },
    /// The directive is in force, or was already.
    Directed(Directed),
    /// The directive cannot be; nothing changed.
    Refused(Refusal),
    /// The record is under the sweeps up to this number, and nothing that had ended by now is in it.
    Swept(u64),
    /// Some of the record is; the links that it changes are too many for one command. The next one goes on.
    SweptInPart,
    /// The link between an erased node and another is no more, or what it said of an account.
    Unlinked,
    /// The event is off its timeline.
    EventEnded,
    /// The dataset says nothing of the identity any more.
    Forgotten,
    /// The event stands on its timeline, alone of its dataset and id.
    EventReplaced(Box<ReplacedEvent>),
    /// The event is off its timeline; its row is this one, if it had one.
    EventForgotten(Option<EventPlace>),
    /// The event stands as it did, without some of what was written into it.
    EventRewritten(Box<NewEvent>),
    /// The profile counts as used now.
    Touched,
    /// The memberships are as they are now.
    Settled,
    /// Some of the memberships are; it took more than one command may. The next one goes on.
    SettledInPart,
    /// What the directive names is not there.
    NotFound,
}
