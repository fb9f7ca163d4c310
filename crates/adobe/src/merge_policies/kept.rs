//! Merge policies as the workspace keeps them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_engine::policy::AttributeMerge;
use tessera_engine::time::Timestamp;
use tessera_seam::answer::to_json;
use tessera_service::directory::{Caller, WorkspaceId};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::{
    Origin, PolicyContent, PolicyId, StoredConfig, StoredPolicy, add_policy, delete_policy, replace_policy,
    set_default_policy, set_object,
};

use super::not_found;
use crate::enter::uuid;
use crate::objects::{ACCOUNT, PROFILE, expected};

/// What is kept of a policy beside it, by its name.
const KIND: &str = "adobe.merge_policy";

/// What a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// People.
    Profile,
    /// Accounts.
    Account,
}

impl Class {
    const ALL: [Self; 2] = [Self::Profile, Self::Account];

    /// Reads the name of a class.
    ///
    /// # Errors
    /// `member_invalid`.
    pub(crate) fn parse(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|own| own.name() == name);
        found.ok_or_else(|| expected("schema.name", format!("{PROFILE} or {ACCOUNT}")))
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Profile => PROFILE,
            Self::Account => ACCOUNT,
        }
    }

    /// The name of what is kept beside the policy that is built in.
    const fn built_in(self) -> &'static str {
        match self {
            Self::Profile => "default",
            Self::Account => "default/account",
        }
    }
}

/// What is kept beside a policy.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Beside {
    account: bool,
    on_edge: bool,
    /// Of accounts; that of people is the default of the workspace.
    is_default: bool,
}

/// What a policy is to say.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) content: PolicyContent,
    pub(super) class: Class,
    pub(super) on_edge: bool,
    pub(super) is_default: bool,
}

/// A policy that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) policy: StoredPolicy,
    pub(super) class: Class,
    pub(super) on_edge: bool,
    pub(super) is_default: bool,
}

impl Found {
    pub(super) fn updated_at(&self) -> Option<Timestamp> {
        match self.policy.origin {
            Origin::BuiltIn => None,
            Origin::Made { updated_at, .. } => Some(updated_at),
        }
    }

    fn is_built_in(&self) -> bool {
        self.policy.origin == Origin::BuiltIn
    }

    /// The name of what is kept beside it.
    fn name(&self) -> &str {
        if self.is_built_in() { self.class.built_in() } else { self.policy.id.as_str() }
    }
}

fn beside(config: &StoredConfig, name: &str) -> Beside {
    config.objects().get(KIND, name).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

/// All policies of a workspace: that which is built in stands for each class.
pub(super) fn all(config: &StoredConfig, workspace: WorkspaceId) -> Vec<Found> {
    let mut all = Vec::new();
    for policy in config.policies().iter() {
        if policy.origin == Origin::BuiltIn {
            all.extend(Class::ALL.map(|class| built_in(config, workspace, policy, class)));
        } else {
            all.push(made_one(config, policy));
        }
    }
    all
}

/// The policy that is built in, as it stands for a class.
fn built_in(config: &StoredConfig, workspace: WorkspaceId, policy: &StoredPolicy, class: Class) -> Found {
    let name = class.built_in();
    let is_default = match class {
        Class::Profile => *config.policies().default_id() == policy.id,
        Class::Account => account_default(config).is_none(),
    };
    let id = uuid("merge policy", &format!("{} {name}", workspace.stable_id()));
    Found { id, policy: policy.clone(), class, on_edge: beside(config, name).on_edge, is_default }
}

/// A policy that somebody made.
fn made_one(config: &StoredConfig, policy: &StoredPolicy) -> Found {
    let id = policy.id.to_string();
    let Beside { account, on_edge, .. } = beside(config, &id);
    let class = if account { Class::Account } else { Class::Profile };
    let is_default = match class {
        Class::Profile => *config.policies().default_id() == policy.id,
        Class::Account => account_default(config).as_ref() == Some(&policy.id),
    };
    Found { id, policy: policy.clone(), class, on_edge, is_default }
}

/// The policy of an id, or the default of people, where it is plain which one that is: reads of entities ask for it.
fn plain(config: &StoredConfig, workspace: WorkspaceId, class: Class, id: Option<&str>) -> Option<Found> {
    let asked = match (id, class) {
        (Some(id), _) => config.policies().find(id).ok().filter(|policy| policy.origin != Origin::BuiltIn)?,
        (None, Class::Profile) => config.policies().find(config.policies().default_id().as_str()).ok()?,
        (None, Class::Account) => return None,
    };
    let is_built_in = asked.origin == Origin::BuiltIn;
    let found = if is_built_in { built_in(config, workspace, asked, class) } else { made_one(config, asked) };
    (id.is_some() || (found.class == class && found.is_default)).then_some(found)
}

/// The policy that was made the default of accounts.
fn account_default(config: &StoredConfig) -> Option<PolicyId> {
    let made = config.policies().iter().filter(|policy| policy.origin != Origin::BuiltIn);
    let found = made.map(|policy| &policy.id).find(|id| {
        let beside = beside(config, id.as_str());
        beside.account && beside.is_default
    });
    found.cloned()
}

/// The policy of an id.
///
/// # Errors
/// `merge_policy_not_found`.
pub(super) fn find(config: &StoredConfig, workspace: WorkspaceId, id: &str) -> Result<Found, Error> {
    all(config, workspace).into_iter().find(|found| found.id.eq_ignore_ascii_case(id)).ok_or_else(not_found)
}

/// A policy that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Its id here.
    pub(crate) policy: PolicyId,
    /// Its id as this API tells it.
    pub(crate) id: String,
    /// Whether it is active on the edge.
    pub(crate) on_edge: bool,
}

/// How this API tells of the policy of a segment: none is the default of the class.
pub(crate) fn told(config: &StoredConfig, workspace: WorkspaceId, class: Class, policy: Option<&PolicyId>) -> String {
    let is_own = |found: &Found| match policy {
        Some(policy) => found.policy.id == *policy && (found.class == class || !found.is_built_in()),
        None => found.class == class && found.is_default,
    };
    let found = all(config, workspace).into_iter().find(is_own);
    found.map_or_else(|| policy.map_or_else(String::new, ToString::to_string), |found| found.id)
}

/// The policy that a read of a class takes: that which it names, or the default of the class.
///
/// # Errors
/// `merge_policy_unknown`.
pub(crate) fn chosen(
    config: &StoredConfig,
    workspace: WorkspaceId,
    class: Class,
    id: Option<&str>,
) -> Result<Chosen, Error> {
    let is_chosen = |found: &Found| match id {
        Some(id) => found.id.eq_ignore_ascii_case(id),
        None => found.class == class && found.is_default,
    };
    let found = plain(config, workspace, class, id).or_else(|| all(config, workspace).into_iter().find(is_chosen));
    found.map(|Found { policy, id, on_edge, .. }| Chosen { policy: policy.id, id, on_edge }).ok_or_else(|| {
        let message = match id {
            Some(_) => "mergePolicyId: the id of a merge policy of this sandbox is expected".to_owned(),
            None => format!("mergePolicyId: one is expected, for no merge policy is the default of {}", class.name()),
        };
        Error::new(ErrorKind::Invalid, "merge_policy_unknown", message)
    })
}

/// A key that is confined to datasets ranks no others.
pub(super) fn check_datasets(caller: &Caller, wanted: &Wanted) -> Result<(), Error> {
    match wanted.content.policy.merge() {
        AttributeMerge::Newest => Ok(()),
        AttributeMerge::Precedence(order) => order.iter().try_for_each(|dataset| caller.datasets().check(dataset)),
    }
}

/// The configuration with a new policy.
pub(super) fn made(config: &StoredConfig, id: &str, wanted: Wanted, now: Timestamp) -> Result<StoredConfig, Error> {
    let id = PolicyId::parse(id)?;
    let config = add_policy(config, id.clone(), wanted.content.clone(), now)?;
    placed(config, &id, id.as_str(), &wanted)
}

/// The configuration in which a policy says this.
pub(super) fn replaced(
    config: &StoredConfig,
    found: &Found,
    wanted: Wanted,
    now: Timestamp,
) -> Result<StoredConfig, Error> {
    let id = found.policy.id.clone();
    if !found.is_built_in() {
        let mut config = replace_policy(config, id.as_str(), wanted.content.clone(), None, now)?;
        if found.is_default && !(wanted.is_default && wanted.class == found.class) {
            config = undefault(&config, found)?;
        }
        return placed(config, &id, id.as_str(), &wanted);
    }
    if wanted.content != found.policy.content || wanted.class != found.class {
        let message =
            "this merge policy is built in, and only default and isActiveOnEdge of it change; make another one";
        return Err(Error::new(ErrorKind::Conflict, "merge_policy_built_in", message));
    }
    if found.is_default && !wanted.is_default {
        return Err(expected(
            "default",
            "another merge policy that is made the default; this one is it where no other is",
        ));
    }
    placed(config.clone(), &id, found.name(), &wanted)
}

/// The configuration without a policy.
pub(super) fn removed(config: &StoredConfig, found: &Found) -> Result<StoredConfig, Error> {
    if found.on_edge {
        let message = "this merge policy is active on the edge; make another one active there first";
        return Err(Error::new(ErrorKind::Conflict, "merge_policy_on_edge", message));
    }
    if found.is_built_in() {
        // The refusal is that of the workspace.
        return delete_policy(config, found.policy.id.as_str());
    }
    let config = if found.is_default { undefault(config, found)? } else { config.clone() };
    let config = delete_policy(&config, found.policy.id.as_str())?;
    set_object(&config, (KIND, found.name()), None)
}

/// The configuration in which the policy that is built in is the default in place of this one.
fn undefault(config: &StoredConfig, found: &Found) -> Result<StoredConfig, Error> {
    match found.class {
        Class::Profile => set_default_policy(config, Class::Profile.built_in()),
        Class::Account => change_beside(config, found.name(), |beside| beside.is_default = false),
    }
}

/// The configuration in which the default of a class, and what is active on the edge, is as a policy says.
fn placed(mut config: StoredConfig, id: &PolicyId, name: &str, wanted: &Wanted) -> Result<StoredConfig, Error> {
    let is_account = wanted.class == Class::Account;
    let others: Vec<String> =
        config.objects().of(KIND).map(|(own, _)| own.to_owned()).filter(|own| own != name).collect();
    for other in others {
        config = change_beside(&config, &other, |beside| {
            beside.on_edge &= !wanted.on_edge;
            beside.is_default &= !(is_account && wanted.is_default);
        })?;
    }
    config = change_beside(&config, name, |beside| {
        *beside = Beside { account: is_account, on_edge: wanted.on_edge, is_default: is_account && wanted.is_default };
    })?;
    if wanted.is_default && !is_account { set_default_policy(&config, id.as_str()) } else { Ok(config) }
}

fn change_beside(config: &StoredConfig, name: &str, change: impl FnOnce(&mut Beside)) -> Result<StoredConfig, Error> {
    let mut beside = beside(config, name);
    change(&mut beside);
    let is_plain = !beside.account && !beside.on_edge && !beside.is_default;
    let json: Option<Arc<str>> = (!is_plain).then(|| String::from_utf8_lossy(&to_json(&beside)).into());
    set_object(config, (KIND, name), json.as_deref())
}
