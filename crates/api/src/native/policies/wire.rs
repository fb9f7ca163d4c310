//! The form of merge policies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whose facts a profile shows.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::native) enum IdentityGraph {
    /// Those of all identities of the profile.
    Full,
    /// Those of the one identity that was asked for.
    None,
}

/// How one value is chosen where no rule is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributeMerge {
    /// By time or by dataset.
    pub(super) choose: Merge,
    /// For `precedence`: 1 to 100 datasets, the first wins. Those that are not listed take no part, not even under a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) datasets: Option<Vec<String>>,
}

/// By time or by dataset.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Merge {
    /// The newest value.
    Newest,
    /// The newest value of the dataset that stands first in the list.
    Precedence,
}

/// How the value of one attribute, and of those below it, is chosen.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributeRule {
    /// Where it stands: its names joined by dots; a dot or a backslash in a name is escaped by a backslash.
    pub(super) path: String,
    /// How.
    pub(super) choose: Choose,
    /// For `source_priority`: 1 to 100 datasets, the first wins. Those that are not listed come last, all alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) datasets: Option<Vec<String>>,
}

/// How a value is chosen.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Choose {
    /// The newest.
    Newest,
    /// The oldest.
    First,
    /// The smallest.
    Min,
    /// The greatest.
    Max,
    /// The members of all lists and sets, and single values, each once.
    Union,
    /// The one that most datasets and identities hold; the newest of several.
    MostFrequent,
    /// The newest of the dataset that stands first in the list.
    SourcePriority,
}

/// A merge policy.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MergePolicy {
    /// Its id.
    pub(super) id: String,
    /// What people call it.
    pub(super) name: String,
    /// 1 when it was made; each replacement made the next.
    pub(super) version: u64,
    /// Whether reads take it that name none.
    pub(super) default: bool,
    /// Whether every workspace has it; then it never changes.
    pub(super) built_in: bool,
    /// Whose facts a profile shows.
    pub(super) identity_graph: IdentityGraph,
    /// How one value is chosen where no rule is.
    pub(super) attribute_merge: AttributeMerge,
    /// The rules of attributes, by path; the longest path holds.
    pub(super) rules: Vec<AttributeRule>,
    /// When it was made; null for the built-in one.
    pub(super) created_at: Option<String>,
    /// When it was replaced last; null for the built-in one.
    pub(super) updated_at: Option<String>,
}

/// A page of merge policies, by id.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MergePolicies {
    /// The policies.
    pub(super) items: Vec<MergePolicy>,
    /// Give it as `cursor` for the next page; null on the last.
    pub(super) next_cursor: Option<String>,
}

/// A merge policy to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMergePolicy {
    /// 1 to 64 of `a-z 0-9 - _`, beginning with a letter or a digit; never changes.
    pub(super) id: String,
    /// What people call it: 1 to 100 printable characters.
    pub(super) name: String,
    /// Whose facts a profile shows.
    pub(super) identity_graph: IdentityGraph,
    /// How one value is chosen where no rule is.
    pub(super) attribute_merge: AttributeMerge,
    /// At most 200 rules of attributes, one for each path; the longest path holds.
    #[serde(default)]
    pub(super) rules: Vec<AttributeRule>,
}

/// What may change of a merge policy, as a file declares it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyContent {
    pub(super) name: String,
    pub(super) identity_graph: IdentityGraph,
    pub(super) attribute_merge: AttributeMerge,
    #[serde(default)]
    pub(super) rules: Vec<AttributeRule>,
}

/// What takes the place of what a merge policy was.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MergePolicyReplacement {
    /// The version that it replaces: another one there is answered with 409. Whatever stands where it is left out.
    #[serde(default)]
    pub(super) version: Option<u64>,
    /// What people call it: 1 to 100 printable characters.
    pub(super) name: String,
    /// Whose facts a profile shows.
    pub(super) identity_graph: IdentityGraph,
    /// How one value is chosen where no rule is.
    pub(super) attribute_merge: AttributeMerge,
    /// At most 200 rules of attributes, one for each path; the longest path holds.
    #[serde(default)]
    pub(super) rules: Vec<AttributeRule>,
}

/// Which merge policy reads take that name none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DefaultMergePolicy {
    /// Its id.
    pub(super) merge_policy: String,
}
