//! The form of requests and answers of this door.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// Give it as `cursor` for the next page; null on the last.
    pub(super) next_cursor: Option<String>,
}

/// The account that owns workspaces and keys.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Organization {
    /// Its name.
    pub(super) name: String,
    /// When it was made.
    pub(super) created_at: String,
}

/// An organization or a workspace to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewNamed {
    /// 1 to 64 of `a-z 0-9 - _`, beginning with a letter or a digit.
    pub(super) name: String,
}

/// The unit of isolation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Workspace {
    /// Its name.
    pub(super) name: String,
    /// When it was made.
    pub(super) created_at: String,
    /// How much all its keys together may ask; null for no bound.
    pub(super) rate_limit: Option<RateLimit>,
}

/// A bound on requests.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RateLimit {
    /// Requests per second on average.
    pub(super) per_second: u32,
    /// Requests at once after a pause.
    pub(super) burst: u32,
    /// Requests under way at one time.
    pub(super) concurrency: u32,
    /// Requests in any one second, where fewer than the burst are let in then; left out, where the burst alone bounds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) peak_per_second: Option<u32>,
}

/// A bound on requests, by its figures or by the name of one that a product documents.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SetLimit {
    /// `dinmo`: 500 requests per second, and up to 1,000 in any one second for two minutes at most. No figures stand beside it.
    pub(super) preset: Option<String>,
    /// Requests per second on average.
    pub(super) per_second: Option<u32>,
    /// Requests at once after a pause.
    pub(super) burst: Option<u32>,
    /// Requests under way at one time.
    pub(super) concurrency: Option<u32>,
    /// Requests in any one second, where fewer than the burst are to be let in then.
    pub(super) peak_per_second: Option<u32>,
}

/// The bound of a key or a workspace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetRateLimit {
    /// The bound; null lifts it.
    #[serde(deserialize_with = "required")]
    pub(super) rate_limit: Option<SetLimit>,
}

/// What a workspace holds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WorkspaceCounts {
    /// Profiles.
    pub(super) profiles: u64,
    /// Identities.
    pub(super) identities: u64,
    /// Events on timelines.
    pub(super) events: u64,
    /// Records and events together.
    pub(super) facts: u64,
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Key {
    /// Its id.
    pub(super) id: String,
    /// What people call it.
    pub(super) name: String,
    /// `public` or `private`.
    pub(super) class: &'static str,
    /// What it may do.
    pub(super) permissions: Vec<&'static str>,
    /// The workspaces it holds, the default one first; null for all of its organization.
    pub(super) workspaces: Option<Vec<String>>,
    /// The dataset that its events stand in.
    pub(super) dataset: String,
    /// The datasets that it is confined to; null for any.
    pub(super) datasets: Option<Vec<String>>,
    /// The origins of the pages that it may be used from; null for any.
    pub(super) origins: Option<Vec<String>>,
    /// When it was made.
    pub(super) created_at: String,
    /// When it stops working, if that is known.
    pub(super) expires_at: Option<String>,
    /// When it was revoked.
    pub(super) revoked_at: Option<String>,
    /// The key that took its place.
    pub(super) replaced_by: Option<String>,
    /// The last four characters of its secret.
    pub(super) last_four: String,
    /// How much it may ask; null for no bound.
    pub(super) rate_limit: Option<RateLimit>,
}

/// A new key with its secret, which is shown now and never again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IssuedKey {
    /// The key.
    pub(super) key: Key,
    /// Its secret.
    pub(super) secret: String,
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// What people call it.
    pub(super) name: String,
    /// `public` (for browsers and apps; may only `ingest` and `read_public`) or `private`.
    pub(super) class: String,
    /// What it may do: `ingest`, `read_public`, `read`, `read_private`, `export`, `erase`, `configure`, `administer`, `operate`.
    pub(super) permissions: Vec<String>,
    /// The workspaces that it holds, the default one first; all of the organization where it is left out.
    #[serde(default)]
    pub(super) workspaces: Option<Vec<String>>,
    /// The dataset that its events stand in. Where it is left out: the first that the key is confined to, or else `segment` for a
    /// private key and one of its own, `public-` and its id, for a public one. Public and private keys share none.
    #[serde(default)]
    pub(super) dataset: Option<String>,
    /// The datasets that it is confined to, at most 100; any where it is left out. To name another is answered with 403.
    #[serde(default)]
    pub(super) datasets: Option<Vec<String>>,
    /// The origins of the pages that it may be used from, as in `https://shop.example`, at most 100; any where it is left out.
    #[serde(default)]
    pub(super) origins: Option<Vec<String>>,
    /// When it stops working, in ISO 8601; never where it is left out. A key that expires gives none that outlives it.
    #[serde(default)]
    pub(super) expires_at: Option<String>,
    /// How much it may ask; no bound where it is left out.
    #[serde(default)]
    pub(super) rate_limit: Option<SetLimit>,
}

/// How a key is rotated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// How long the old secret goes on working, in seconds; at most 30 days.
    pub(super) grace_secs: u32,
    /// The dataset that the successor's events stand in; that of the old key where it is left out.
    #[serde(default)]
    pub(super) dataset: Option<String>,
}

/// The namespaces of a workspace.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Namespaces {
    /// All of them.
    pub(super) items: Vec<Namespace>,
    /// The one whose value the read by id tries first.
    pub(super) primary_namespace: Option<String>,
}

/// A kind of identity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Namespace {
    /// Its name.
    pub(super) name: String,
    /// `person` or `account`.
    pub(super) kind: &'static str,
    /// `trim`, `lower`, `email` or `phone`.
    pub(super) normaliser: &'static str,
    /// The region that national phone numbers belong to.
    pub(super) region: Option<String>,
    /// Its rules.
    #[serde(flatten)]
    pub(super) rules: NamespaceRules,
}

/// What may change of a namespace.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamespaceRules {
    /// The higher, the more an identity of it decides whose an event is: 1 to 1,000.
    pub(super) priority: u16,
    /// Whether a profile holds at most one value of it; only one namespace may say so.
    #[serde(default)]
    pub(super) exclusive: bool,
    /// Values of it that one profile may hold; null for no bound.
    #[serde(default)]
    pub(super) limit: Option<u32>,
    /// Values that identify nobody.
    #[serde(default)]
    pub(super) blocked: Vec<String>,
    /// Patterns of values that identify nobody; each must match the whole value.
    #[serde(default)]
    pub(super) blocked_patterns: Vec<String>,
}

/// A change of a namespace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamespaceChange {
    /// `trim`, `lower`, `email` or `phone`; as it was where it is left out.
    #[serde(default)]
    pub(super) normaliser: Option<String>,
    /// For `phone`: the region that national numbers belong to, as in `FR`.
    #[serde(default)]
    pub(super) region: Option<String>,
    /// The higher, the more an identity of it decides whose an event is: 1 to 1,000.
    pub(super) priority: u16,
    /// Whether a profile holds at most one value of it; only one namespace may say so.
    #[serde(default)]
    pub(super) exclusive: bool,
    /// Values of it that one profile may hold; null for no bound.
    #[serde(default)]
    pub(super) limit: Option<u32>,
    /// Values that identify nobody.
    #[serde(default)]
    pub(super) blocked: Vec<String>,
    /// Patterns of values that identify nobody; each must match the whole value.
    #[serde(default)]
    pub(super) blocked_patterns: Vec<String>,
}

/// The limits of a workspace. One that is null is the default.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Identities in one profile: 1 to 1,000.
    #[serde(default)]
    pub(super) profile_identities_max: Option<u32>,
    /// Distinct neighbours of higher priority up to which a value is no hub: 1 to 1,000.
    #[serde(default)]
    pub(super) hub_links_max: Option<u32>,
    /// How far in the future of its receipt a fact may lie, in seconds.
    #[serde(default)]
    pub(super) future_secs_max: Option<u32>,
    /// Identities that one fact may carry: 1 to 32.
    #[serde(default)]
    pub(super) fact_identities_max: Option<u32>,
    /// Attributes that one fact may carry: 1 to 1,000.
    #[serde(default)]
    pub(super) fact_attributes_max: Option<u32>,
}

/// A namespace to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewNamespace {
    /// 1 to 64 of `a-z 0-9 _ . -`, beginning with a letter.
    pub(super) name: String,
    /// `person` or `account`; never changes.
    #[serde(default)]
    pub(super) kind: Option<String>,
    /// `trim`, `lower`, `email` or `phone`.
    pub(super) normaliser: String,
    /// For `phone`: the region that national numbers belong to, as in `FR`.
    #[serde(default)]
    pub(super) region: Option<String>,
    /// The rules.
    pub(super) rules: NamespaceRules,
}

/// A namespace as a file declares it: the members of the answer, its name apart.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeclaredNamespace {
    #[serde(default)]
    pub(super) kind: Option<String>,
    pub(super) normaliser: String,
    #[serde(default)]
    pub(super) region: Option<String>,
    pub(super) priority: u16,
    #[serde(default)]
    pub(super) exclusive: bool,
    #[serde(default)]
    pub(super) limit: Option<u32>,
    #[serde(default)]
    pub(super) blocked: Vec<String>,
    #[serde(default)]
    pub(super) blocked_patterns: Vec<String>,
}

/// Which namespace the read by id tries first.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetPrimary {
    /// Its name; null for none.
    #[serde(deserialize_with = "required")]
    pub(super) namespace: Option<String>,
}

/// A refused event or record.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QuarantineEntry {
    /// Its id; the newer, the greater.
    pub(super) id: String,
    /// When it was refused.
    pub(super) at: String,
    /// The door it came by.
    pub(super) door: String,
    /// Why: one of the documented codes.
    pub(super) code: String,
    /// What was expected.
    pub(super) message: String,
    /// The key it was sent with.
    pub(super) key_id: String,
    /// How many bytes of it are kept.
    pub(super) kept_bytes: u32,
    /// Whether that is all of it; what was cut off cannot be replayed.
    pub(super) whole: bool,
}

/// A refused event or record, with what was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QuarantineItem {
    /// The entry.
    #[serde(flatten)]
    pub(super) entry: QuarantineEntry,
    /// What was sent, as a call of one item that its door reads again.
    pub(super) raw: String,
}

/// What became of a replay.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Replay {
    /// Accepted now, or there already; they left the quarantine.
    pub(super) accepted: u64,
    /// Refused again; they stay as they were.
    pub(super) rejected: u64,
    /// Not whole, or of a door that is not known; they stay.
    pub(super) skipped: u64,
    /// Give it as `cursor` to go on; null when all were looked at.
    pub(super) next_cursor: Option<String>,
}

/// A member that must be there, null included.
fn required<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}
