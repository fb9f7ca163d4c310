//! The history of directives and merges, as it is stored: what was ordered, by whom, what it did, and what has ended it.

use tessera_engine::id::{DirectiveId, NodeId};
use tessera_engine::time::Timestamp;

use crate::base::ids::KeyId;

pub(crate) mod records;

/// An entry of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id; later ones are greater.
    pub id: DirectiveId,
    /// When.
    pub at: Timestamp,
    /// The key that ordered it, or that sent the fact which merged.
    pub key: KeyId,
    /// What was done.
    pub act: Act,
    /// How many identities changed their profiles.
    pub moved: u64,
    /// What has ended it, and when.
    pub ended: Option<(DirectiveId, Timestamp)>,
}

/// What an entry of the history did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A person joined these nodes.
    Join([NodeId; 2]),
    /// A person separated these nodes from the rest of their profile; the two first-named may not share one again.
    Separate {
        /// The first of each side.
        apart: [NodeId; 2],
        /// All nodes of the side.
        side: Vec<NodeId>,
    },
    /// A join was undone.
    Undo(DirectiveId),
    /// A separation was lifted.
    Lift(DirectiveId),
    /// A link made one profile of two.
    Merge {
        /// The ends of the link.
        link: [NodeId; 2],
        /// The nodes on the side of each end.
        sides: [Vec<NodeId>; 2],
        /// The profile that held both then.
        into: NodeId,
    },
}

impl Act {
    /// Its name in answers and filters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Join(_) => "join",
            Self::Separate { .. } => "separate",
            Self::Undo(_) => "undo",
            Self::Lift(_) => "lift",
            Self::Merge { .. } => "merge",
        }
    }

    /// The nodes under which the entry is found again.
    pub(crate) fn found_by(&self) -> Vec<NodeId> {
        match self {
            Self::Join(nodes) | Self::Separate { apart: nodes, .. } | Self::Merge { link: nodes, .. } => nodes.to_vec(),
            Self::Undo(_) | Self::Lift(_) => Vec::new(),
        }
    }

    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        match self {
            Self::Join(nodes) => nodes.to_vec(),
            Self::Separate { apart, side } => apart.iter().chain(side).copied().collect(),
            Self::Merge { link, sides, into: _ } => link.iter().chain(sides.iter().flatten()).copied().collect(),
            Self::Undo(_) | Self::Lift(_) => Vec::new(),
        }
    }
}
