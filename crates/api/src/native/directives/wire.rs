//! The form of directives and of their history.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An identity.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    /// The namespace's name.
    pub(super) namespace: String,
    /// The value.
    pub(super) value: String,
}

/// A directive.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// What is to be done.
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    /// For `join`: the two. For `separate`: 1 to 1,000 of one profile, those that are to be parted from its other ones.
    #[serde(default)]
    pub(super) identities: Option<Vec<Identity>>,
    /// For `separate`, in place of `identities`: the id of a past merge, with `side`.
    #[serde(default)]
    pub(super) merge: Option<String>,
    /// For `separate` with `merge`: one identity of the side that is to be parted.
    #[serde(default)]
    pub(super) side: Option<Vec<Identity>>,
    /// For `undo` and `lift`: the id of the directive that ends.
    #[serde(default)]
    pub(super) directive: Option<String>,
}

/// What a directive does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Makes one profile of two.
    Join,
    /// Makes two profiles of one, for as long as it is in force.
    Separate,
    /// Ends a join.
    Undo,
    /// Ends a separation.
    Lift,
}

/// What a directive came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// The directive in force; null for a preview.
    pub(super) id: Option<String>,
    /// What it does.
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    /// Whether this is only what it would do.
    pub(super) preview: bool,
    /// Whether it changed anything: not where it was in force already.
    pub(super) new: bool,
    /// The profiles of the identities that it names, after it.
    pub(super) profiles: Vec<String>,
    /// Every identity that is in another profile than before.
    pub(super) moved: Vec<Moved>,
}

/// An identity that is in another profile than before.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Moved {
    /// The identity.
    pub(super) identity: Identity,
    /// Its node's id.
    pub(super) node: String,
    /// The profile that it was in.
    pub(super) from: String,
    /// The profile that it is in now.
    pub(super) into: String,
}

/// A page of the history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct History {
    /// The entries, newest first.
    pub(super) items: Vec<Entry>,
    /// Where the next page begins; null on the last. A filtered page may be short and not the last.
    pub(super) next_cursor: Option<String>,
}

/// A directive, or a merge.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entry {
    /// Its id.
    pub(super) id: String,
    /// `join`, `separate`, `undo`, `lift`, or `merge`.
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// When.
    pub(super) at: String,
    /// The key that ordered it, or that sent the fact which merged.
    pub(super) key_id: String,
    /// How many identities changed their profiles.
    pub(super) moved: u64,
    /// For `join` and `separate`: the identities named, without those that were erased since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identities: Option<Vec<Known>>,
    /// For `separate`: the first identity of each side; these two may not share a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) apart: Option<Vec<Known>>,
    /// For `merge`: the two identities whose link did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<Vec<Known>>,
    /// For `merge`: what stood on the side of each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sides: Option<Vec<Vec<Known>>>,
    /// For `merge`: the profile that held both then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) into: Option<String>,
    /// For `undo` and `lift`: the directive that it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) directive: Option<String>,
    /// The directive that has ended this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended_by: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<String>,
}

/// A node that an entry names, with its identity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Known {
    /// The node's id.
    pub(super) node: String,
    /// The identity.
    pub(super) identity: Identity,
}
