//! What is asked of the service, and what it answers: plain values, no behaviour.

use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::policy::{Contender, Fate, IdentityGraph};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Path;
use tessera_engine::view::Relevance;

use crate::base::verdict::NamedIdentity;
use crate::config::workspace::PolicyId;

/// Names one profile.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// By one of our ids, or by the value of the workspace's primary namespace, which is tried first. As in the path.
    Id(String),
    /// By an identity; the value as it came (it is normalised).
    Identity {
        /// The namespace's name.
        namespace: String,
        /// The value.
        value: String,
    },
    /// By the id of one of its nodes, and by nothing else.
    Node(NodeId),
}

/// Which members of a profile an answer holds, besides `profile_id` and `_updated_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fields {
    /// The identifier columns.
    pub identifiers: bool,
    /// The attributes.
    pub attributes: bool,
    /// `_audiences`.
    pub audiences: bool,
    /// What the reader may see of the attributes that the data model flags.
    pub visibility: Flags,
    /// Which attributes, by how long their values are relevant.
    pub relevance: Relevance,
}

impl Fields {
    /// Everything, to a reader who may see everything.
    pub const ALL: Self = Self {
        identifiers: true,
        attributes: true,
        audiences: true,
        visibility: Flags { internal: true, private: true },
        relevance: Relevance::Any,
    };
}

/// A rendered profile: flat JSON and its entity tag (with its quotes).
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The JSON.
    pub json: Bytes,
    /// The strong entity tag, quotes included.
    pub etag: Arc<str>,
}

pub use crate::stored::records::event::StoredCall;

/// Which part of a timeline to read.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// 1 to 1,000.
    pub limit: usize,
    /// Where an earlier page ended.
    pub cursor: Option<String>,
    /// Only events at or after this instant.
    pub start: Option<Timestamp>,
    /// Only events before this instant.
    pub end: Option<Timestamp>,
    /// Only events of these names; all where there is none. Calls without a name are events of no name.
    pub include: Vec<String>,
    /// No events of these names.
    pub exclude: Vec<String>,
    /// Which of them come first.
    pub order: EventOrder,
    /// Whose events: those of the whole profile, or of the node that was named alone.
    pub graph: IdentityGraph,
    /// The id that the event was sent with at which the page begins, where it is no other page's end.
    pub from: Option<String>,
    /// What the reader may see of what the data model flags.
    pub visibility: Flags,
}

/// In which order a timeline is read. A cursor is of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventOrder {
    /// From the newest to the oldest.
    #[default]
    NewestFirst,
    /// From the oldest to the newest.
    OldestFirst,
}

/// A page of a timeline.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The calls, in the order that was asked for.
    pub events: Vec<StoredCall>,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}

/// Why a profile is what it is. It has no `Debug`: what the profile is called may be a person's.
#[derive(Clone)]
pub struct Explained {
    /// What the profile is called, as a read shows it.
    pub profile_id: String,
    /// The merge policy that chose.
    pub policy: PolicyId,
    /// Its version.
    pub version: u64,
    /// Whose facts it looks at.
    pub graph: IdentityGraph,
    /// The attributes that anything speaks of, by path.
    pub attributes: Vec<ExplainedAttribute>,
}

/// One attribute explained.
#[derive(Debug, Clone)]
pub struct ExplainedAttribute {
    /// Where it stands.
    pub path: Path,
    /// Whether a read cannot show it, since an identifier or a member of the answer has its name.
    pub is_hidden: bool,
    /// What became of the choice.
    pub fate: Fate,
    /// From when on what was chosen is not relevant, if it ever is; in the past where it is no more.
    pub relevant_until: Option<Timestamp>,
    /// All that spoke of it, the newest first.
    pub contenders: Vec<ExplainedContender>,
}

/// A value that could have been chosen, and whose it is.
#[derive(Debug, Clone)]
pub struct ExplainedContender {
    /// The identity of its node.
    pub identity: NamedIdentity,
    /// The value, and what it came to.
    pub contender: Contender,
}

/// The identity graph around a profile.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The profile's id.
    pub profile_id: NodeId,
    /// Its nodes.
    pub nodes: Vec<GraphNode>,
    /// The links that hold it together.
    pub links: Vec<GraphLink>,
    /// The links at its nodes that a rule refuses or an act severed.
    pub held: Vec<GraphHeld>,
    /// Whether there are more held links than were listed (at most 1,000).
    pub held_more: bool,
}

/// A node of the graph.
#[derive(Debug, Clone)]
pub struct GraphNode {
    /// Its id.
    pub id: NodeId,
    /// Its identity.
    pub identity: NamedIdentity,
    /// When it was first stored.
    pub created_at: Timestamp,
    /// The newest event time of a fact that carried it.
    pub last_seen: Option<Timestamp>,
    /// Facts it owns.
    pub facts: u64,
}

/// A link that holds.
#[derive(Debug, Clone)]
pub struct GraphLink {
    /// The identities it joins.
    pub between: [NamedIdentity; 2],
    /// `joined`, `verified`, `observed`, `derived`.
    pub strength: &'static str,
    /// Facts that said so.
    pub count: u64,
    /// The earliest event time among them.
    pub first_seen: Timestamp,
    /// The latest.
    pub last_seen: Timestamp,
}

/// A link that does not hold.
#[derive(Debug, Clone)]
pub struct GraphHeld {
    /// The link.
    pub link: GraphLink,
    /// `exclusive`, `hub`, `limit`, `separated`, `full`, or `severed`.
    pub reason: &'static str,
    /// The link that won against it, if one did.
    pub won: Option<[NamedIdentity; 2]>,
}
