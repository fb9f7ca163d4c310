//! What is live in a workspace: computed attributes and segments, and what they come to for a profile.
//!
//! Nothing here is asked twice in two ways. A [`RuleSet`] is all rules of a configuration, ready to be asked; a `Look` is one profile
//! at one instant, as rules see it; [`settle`] brings what is kept of a profile's memberships to an instant. Writes, timers and
//! backfills settle what is stored, a read settles a copy: that is why it is exact even when a timer is late.
//!
//! **What is kept.** A node keeps the [`State`](crate::aggregate::State) of each aggregate, so a merge moves none. The head of a profile,
//! its smallest node, keeps its [`SegmentStates`]: in which segments it is, since when, and the first instant at which that may be otherwise by
//! itself. Values of computed attributes are not kept: they are folded when somebody asks.
//!
//! **Written into events.** Some computed attributes are of events: `written` computes them once, when an event is taken in.
//!
//! **Layers.** An edited rule is live as it was until its next version is complete for everybody. Rules that depend on it get a next
//! version too; in the next layer a name means the next version, where there is one.

mod event;
mod index;
mod known;
mod look;
mod nobody;
mod order;
mod query;
mod read;
mod segment_state;
mod set;
mod settle;
mod states;
mod windows;
mod work;
mod written;

pub use event::{Event, OpenPayload, Seen};
pub use query::{Question, query};
pub use read::{Asked, Explained, Newest, RuleResults, Unanswered, ask, explain, read, would_change};
pub use segment_state::{Late, Membership, SegmentStates, Trouble};
pub use set::{
    AdHocRule, AggregateId, Cycle, KeptDef, Layer, RuleDef, RuleKind, RuleSet, RulesProgress, SegmentId, keepable,
};
pub use settle::{Flip, Scope};

pub use known::{Chunk, Known, STRETCH_BEYOND, STRETCH_EVENTS_MAX, Timelines, Wanted};
pub use states::{Brought, Built, TIMELINE_STEPS_MAX, contributions};
pub use work::RuleWork;
pub use written::{BASIS_NAMED_MAX, BASIS_NODES_MAX, Basis, EventAttributeDef, WRITTEN_BYTES_MAX, WriteInto, Written};

pub(crate) use known::OfNode;
pub(crate) use states::{add, trim};

pub(crate) use look::{Look, Sources};
pub(crate) use settle::{ROWS_OF_FLIP, advance, advance_all, catch_up, erased_at, evaluate_now, is_late};

/// Steps that one rule may take for one profile, in writes and reads alike: a scan of 10,000 events that looks at a few properties of each.
pub const RULE_STEPS_MAX: u64 = 250_000;
