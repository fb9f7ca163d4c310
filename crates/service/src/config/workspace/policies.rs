//! The merge policies of a workspace: the built-in one, those that were made, and which of them a read takes that names none.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tessera_engine::policy::{InvalidPolicy, MergePolicy};
use tessera_engine::time::Timestamp;

use super::StoredConfig;
use super::rules::policy_in_use;
use crate::base::error::{Error, ErrorKind};
use crate::config::activations::activations_among;
use crate::directory::{DisplayName, Slug};

mod records;

#[cfg(test)]
mod tests;

pub(super) use records::{decode, encode};

/// Merge policies that one workspace may make, the built-in one aside.
pub const POLICIES_MAX: usize = 50;

/// The id of a merge policy, chosen when it is made: 1 to 64 of `a-z 0-9 - _`, beginning with a letter or a digit. It travels in
/// paths and queries, and never changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId(Slug);

impl PolicyId {
    /// Reads an id.
    ///
    /// # Errors
    /// `Invalid` with `name_invalid`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Slug::parse(text).map(Self)
    }

    /// That of the built-in policy: `default`.
    fn built_in() -> Self {
        Self(Slug::parse("default").expect("seven letters are a name"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Borrow<str> for PolicyId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What of a policy may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyContent {
    /// What people call it.
    pub name: DisplayName,
    /// What it chooses.
    pub policy: MergePolicy,
}

/// Where a policy comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It exists in every workspace, and never changes.
    BuiltIn,
    /// Somebody made it.
    Made {
        /// When.
        created_at: Timestamp,
        /// When it was replaced last; when it was made, if never.
        updated_at: Timestamp,
    },
}

/// A merge policy of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPolicy {
    /// Its id.
    pub id: PolicyId,
    /// 1 when it is made; each replacement makes the next.
    pub version: u64,
    /// Where it comes from.
    pub origin: Origin,
    /// What of it may change.
    pub content: PolicyContent,
}

impl StoredPolicy {
    /// The whole profile, the newest of each attribute.
    fn built_in() -> Self {
        let name = DisplayName::parse("Newest of the whole profile").expect("a few words are a name");
        let content = PolicyContent { name, policy: MergePolicy::default() };
        Self { id: PolicyId::built_in(), version: 1, origin: Origin::BuiltIn, content }
    }
}

/// The merge policies of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// All of them; the built-in one is always among them.
    by_id: BTreeMap<PolicyId, Arc<StoredPolicy>>,
    /// One of them.
    default: PolicyId,
}

impl Default for Policies {
    /// Those of a new workspace: the built-in one alone.
    fn default() -> Self {
        let built_in = StoredPolicy::built_in();
        let default = built_in.id.clone();
        Self { by_id: BTreeMap::from([(built_in.id.clone(), Arc::new(built_in))]), default }
    }
}

impl Policies {
    /// All of them, the built-in one included, by id.
    pub fn iter(&self) -> impl Iterator<Item = &StoredPolicy> {
        self.by_id.values().map(AsRef::as_ref)
    }

    /// Those whose ids come after this one, by id.
    pub fn after(&self, id: &str) -> impl Iterator<Item = &StoredPolicy> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.by_id.range::<str, _>((Excluded(id), Unbounded)).map(|(_, policy)| policy.as_ref())
    }

    /// The id of the one that a read takes which names none.
    #[must_use]
    pub fn default_id(&self) -> &PolicyId {
        &self.default
    }

    /// The policy of this id.
    ///
    /// # Errors
    /// `NotFound` with `merge_policy_not_found`.
    pub fn find(&self, id: &str) -> Result<&StoredPolicy, Error> {
        let not_found = || Error::new(ErrorKind::NotFound, "merge_policy_not_found", "no merge policy has this id");
        self.by_id.get(id).map(AsRef::as_ref).ok_or_else(not_found)
    }

    /// The policy that a read asks for, or the workspace's default one.
    ///
    /// # Errors
    /// `Invalid` with `merge_policy_unknown`, naming those that there are.
    pub fn asked(&self, id: Option<&str>) -> Result<&StoredPolicy, Error> {
        let id = id.unwrap_or(self.default.as_str());
        self.by_id.get(id).map(AsRef::as_ref).ok_or_else(|| {
            let ids: Vec<&str> = self.by_id.keys().map(PolicyId::as_str).collect();
            let message = format!("merge_policy is expected to be one of these: {}", ids.join(", "));
            Error::new(ErrorKind::Invalid, "merge_policy_unknown", message)
        })
    }
}

/// Makes a policy, version 1.
///
/// # Errors
/// `Conflict` with `merge_policy_exists`; `LimitExceeded` with `merge_policies_full`, `config_too_large`.
pub fn add_policy(
    config: &StoredConfig,
    id: PolicyId,
    content: PolicyContent,
    now: Timestamp,
) -> Result<StoredConfig, Error> {
    let made = &config.policies.by_id;
    if made.contains_key(&id) {
        return Err(Error::new(ErrorKind::Conflict, "merge_policy_exists", "a merge policy of this id exists"));
    }
    // The built-in one is among them.
    if made.len() > POLICIES_MAX {
        let message = format!("a workspace has as many merge policies as it may limit={POLICIES_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, "merge_policies_full", message));
    }
    let origin = Origin::Made { created_at: now, updated_at: now };
    let policy = StoredPolicy { id, version: 1, origin, content };
    config.next(|next| next.policies.put(policy))
}

/// Replaces what may change of a policy; that is its next version. `expected` is the version that the caller means to replace,
/// if that matters.
///
/// # Errors
/// `NotFound` with `merge_policy_not_found`; `Conflict` with `merge_policy_built_in`, `merge_policy_changed`; `LimitExceeded` with
/// `config_too_large`.
pub fn replace_policy(
    config: &StoredConfig,
    id: &str,
    content: PolicyContent,
    expected: Option<u64>,
    now: Timestamp,
) -> Result<StoredConfig, Error> {
    let present = config.policies.find(id)?;
    let created_at = made_at(present)?;
    if expected.is_some_and(|expected| expected != present.version) {
        let message = format!("the merge policy has another version than expected version={}", present.version);
        return Err(Error::new(ErrorKind::Conflict, "merge_policy_changed", message));
    }
    let origin = Origin::Made { created_at, updated_at: now.max(created_at) };
    let policy = StoredPolicy { id: present.id.clone(), version: present.version + 1, origin, content };
    config.next(|next| next.policies.put(policy))
}

/// Deletes a policy.
///
/// # Errors
/// `NotFound` with `merge_policy_not_found`; `Conflict` with `merge_policy_built_in`, `merge_policy_is_default`,
/// `merge_policy_in_use`.
pub fn delete_policy(config: &StoredConfig, id: &str) -> Result<StoredConfig, Error> {
    let present = config.policies.find(id)?;
    made_at(present)?;
    if present.id == config.policies.default {
        let message = "this is the workspace's default merge policy; make another one the default first";
        return Err(Error::new(ErrorKind::Conflict, "merge_policy_is_default", message));
    }
    if policy_in_use(config, id) {
        let message = "segments that run are evaluated under this merge policy; give them another one first";
        return Err(Error::new(ErrorKind::Conflict, "merge_policy_in_use", message));
    }
    let mut activations = activations_among(config.objects())?;
    activations.retain(|(_, own)| own.content.merge_policy.as_deref() == Some(id));
    if !activations.is_empty() {
        let names: Vec<&str> = activations.iter().map(|(name, _)| &**name).collect();
        let message = format!(
            "activations read profiles under this merge policy; give them another one first: {}",
            names.join(", ")
        );
        return Err(Error::new(ErrorKind::Conflict, "merge_policy_in_use", message));
    }
    config.next(|next| {
        next.policies.by_id.remove(id);
    })
}

/// Chooses the policy that a read takes which names none.
///
/// # Errors
/// `NotFound` with `merge_policy_not_found`.
pub fn set_default_policy(config: &StoredConfig, id: &str) -> Result<StoredConfig, Error> {
    let default = config.policies.find(id)?.id.clone();
    config.next(|next| next.policies.default = default)
}

impl Policies {
    fn put(&mut self, policy: StoredPolicy) {
        self.by_id.insert(policy.id.clone(), Arc::new(policy));
    }
}

/// When a policy was made; the built-in one never was, and stays as it is.
fn made_at(policy: &StoredPolicy) -> Result<Timestamp, Error> {
    match policy.origin {
        Origin::Made { created_at, .. } => Ok(created_at),
        Origin::BuiltIn => {
            let message = format!("the merge policy {} is built in: it cannot be replaced or deleted", policy.id);
            Err(Error::new(ErrorKind::Conflict, "merge_policy_built_in", message))
        }
    }
}

/// Why something is no merge policy, with the code of it. The message says at which list or path.
#[must_use]
pub fn invalid_policy(error: &InvalidPolicy) -> Error {
    let invalid = |code| Error::new(ErrorKind::Invalid, code, error.to_string());
    match error {
        InvalidPolicy::NoDatasets(_) => invalid("datasets_empty"),
        InvalidPolicy::TooManyDatasets { .. } => invalid("datasets_too_many"),
        InvalidPolicy::DuplicateDataset { .. } => invalid("dataset_duplicate"),
        InvalidPolicy::TakesNoPart { .. } => invalid("dataset_not_listed"),
        InvalidPolicy::TooManyRules(_) => invalid("rules_too_many"),
        InvalidPolicy::DuplicateRule(_) => invalid("rule_duplicate"),
    }
}
