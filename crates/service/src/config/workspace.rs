//! The stored configuration of a workspace: its namespaces, limits, merge policies and data model, as they were set.
//!
//! Changes are pure and make the next version; the lane commits them, since they are ordered among the facts. What is stored
//! always makes an engine configuration: each change is checked whole before it is answered.

use tessera_engine::config::{
    Config, InvalidConfig, Kind, Limits, Namespace, NamespaceId, NamespaceName, Normaliser, default_namespaces,
};
use tessera_engine::model::{Ended, Keeping};
use tessera_engine::normalise::{VALUE_BYTES_MAX, blocked_pattern, normalise};

use crate::base::error::{Error, ErrorKind};
use crate::config::identity_tokens::IdentityTokens;
use crate::config::tokens::{Issuers, SigningKeys};
use tessera_engine::view::RESERVED;

mod differences;
mod documents;
mod erasure;
mod limits;
mod model;
mod objects;
pub(crate) mod planned;
mod policies;
mod records;
mod rules;
mod spelling;
mod sweeps;
mod tokens;
mod trust;

pub use crate::stored::layout::Part;
pub(crate) use differences::differences;
pub use documents::{DocumentField, DocumentKey, DocumentModel, FIELDS_MAX, set_document_model};
pub use erasure::{ErasureRules, WAITING_EVENTS_MAX, set_erasure_rules};
pub use limits::{LimitOverrides, set_limits};
pub use model::{ModelChange, StoredModel, changed_model, with_model};
pub use objects::{OBJECT_BYTES_MAX, OBJECTS_MAX, Objects, set_object};
pub use planned::{
    BEGUN_MAX, ErasureOrder, OrderState, Planned, WAITING_MAX, change_planned, plan_erasure, withdraw_planned,
};
pub use policies::{
    Origin, POLICIES_MAX, Policies, PolicyContent, PolicyId, StoredPolicy, add_policy, delete_policy, invalid_policy,
    replace_policy, set_default_policy,
};
pub use records::{
    decode, decode_documents, decode_erasure, decode_issuers, decode_model, decode_objects, decode_planned,
    decode_signing_keys, decode_tokens, encode, encode_documents, encode_erasure, encode_issuers, encode_model,
    encode_objects, encode_planned, encode_signing_keys, encode_tokens, read, rows,
};
pub(crate) use rules::touch_rule;
pub use rules::{
    ATTRIBUTES_MAX, Content as RuleContent, DESCRIPTION_MAX, DISPLAY_NAME_MAX, Definition, EVENT_ATTRIBUTES_MAX,
    POLICIES_IN_USE_MAX, RuleKind, RuleName, Run, SEGMENTS_MAX, Status, StoredAggregate, StoredRule, StoredRules,
    Target, Version, Walked, archive_rule, built, display_name, put_rule, remove_rule, renewed,
};
pub use spelling::{fresh as fresh_spelling, is_outdated, respelled};
pub use sweeps::{ENDED_MAX, ERASURES_MAX, StoredEnded, StoredSweeps, ended_is_gone, erase_source, erased, swept};
pub use tokens::{NewTokenKey, set_identity_tokens};
pub use trust::{OVERLAP_SECS, OVERLAP_SECS_MAX, delete_token_issuer, put_token_issuer};
pub(crate) use trust::{add_signing_key, overlapping, with_first_signing_key, without_ended_keys};

/// Namespaces of one workspace.
pub const NAMESPACES_MAX: usize = 200;
/// Blocked values of one namespace.
pub const BLOCKED_MAX: usize = 1_000;
/// Patterns of blocked values of one namespace.
pub const PATTERNS_MAX: usize = 50;
/// Bytes of one pattern.
pub const PATTERN_BYTES_MAX: usize = 500;
/// Bytes of one row of the stored configuration, below what every store takes in one value.
pub const CONFIG_BYTES_MAX: usize = 512 << 10;
/// The highest priority.
pub const PRIORITY_MAX: u16 = 1_000;

/// A workspace's configuration as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConfig {
    version: u64,
    namespaces: Vec<StoredNamespace>,
    primary: Option<NamespaceName>,
    limits: LimitOverrides,
    policies: Policies,
    model: StoredModel,
    sweeps: StoredSweeps,
    erasure: ErasureRules,
    rules: StoredRules,
    /// The version of the spellings that its records follow; 0 where no row says so.
    spelling: u16,
    tokens: IdentityTokens,
    signing_keys: SigningKeys,
    issuers: Issuers,
    documents: DocumentModel,
    objects: Objects,
    planned: Planned,
}

/// A namespace as it is stored: the engine's, with patterns as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNamespace {
    /// Its number, given at its making and never used again.
    pub id: NamespaceId,
    /// Its name.
    pub name: NamespaceName,
    /// Whose identities it holds.
    pub kind: Kind,
    /// The higher, the more an identity of it decides whose a fact is.
    pub priority: u16,
    /// Whether a cluster holds at most one value of it.
    pub exclusive: bool,
    /// Values of it that one profile may hold, if that is bounded.
    pub limit: Option<u32>,
    /// How its values are spelled.
    pub normaliser: Normaliser,
    /// Values that identify nobody, in the namespace's one spelling.
    pub blocked: Vec<String>,
    /// Patterns of values that identify nobody; each must match the whole value.
    pub patterns: Vec<String>,
}

/// A namespace to be made.
#[derive(Debug, Clone)]
pub struct NewNamespace {
    /// Its name.
    pub name: String,
    /// Whose identities it holds; never changes.
    pub kind: Kind,
    /// How its values are spelled.
    pub normaliser: Normaliser,
    /// The rest, which may change later.
    pub rules: NamespaceRules,
}

/// What may change of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceRules {
    /// 1 to 1,000.
    pub priority: u16,
    /// Whether a cluster holds at most one value of it; only one namespace of a workspace may say so.
    pub exclusive: bool,
    /// Values of it that one profile may hold: at least 1, or no bound.
    pub limit: Option<u32>,
    /// Values that identify nobody.
    pub blocked: Vec<String>,
    /// Patterns of values that identify nobody.
    pub patterns: Vec<String>,
}

impl Default for StoredConfig {
    /// The configuration of a new workspace.
    fn default() -> Self {
        let namespaces = default_namespaces().iter().map(StoredNamespace::from).collect();
        let (limits, policies) = (LimitOverrides::default(), Policies::default());
        let (model, sweeps, erasure) = (StoredModel::default(), StoredSweeps::default(), ErasureRules::default());
        let (rules, tokens, spelling) = (StoredRules::default(), IdentityTokens::default(), 0);
        Self {
            version: 1,
            namespaces,
            primary: None,
            limits,
            policies,
            model,
            sweeps,
            erasure,
            rules,
            spelling,
            tokens,
            signing_keys: SigningKeys::default(),
            issuers: Issuers::default(),
            documents: DocumentModel::default(),
            objects: Objects::default(),
            planned: Planned::default(),
        }
    }
}

impl StoredConfig {
    /// The version: it grows by one with every change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The namespaces, by number.
    #[must_use]
    pub fn namespaces(&self) -> &[StoredNamespace] {
        &self.namespaces
    }

    /// The namespace of this name.
    ///
    /// # Errors
    /// `NotFound` with `namespace_unknown`.
    pub fn namespace(&self, name: &str) -> Result<&StoredNamespace, Error> {
        self.namespaces.iter().find(|namespace| namespace.name.as_str() == name).ok_or_else(namespace_unknown)
    }

    /// The namespace whose value the read by id tries first.
    #[must_use]
    pub fn primary(&self) -> Option<&NamespaceName> {
        self.primary.as_ref()
    }

    /// The limits that differ from the defaults.
    #[must_use]
    pub fn limits(&self) -> LimitOverrides {
        self.limits
    }

    /// The merge policies.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The data model.
    #[must_use]
    pub fn model(&self) -> &StoredModel {
        &self.model
    }

    /// What is being brought to the records one by one.
    #[must_use]
    pub fn sweeps(&self) -> &StoredSweeps {
        &self.sweeps
    }

    /// Whether something is to be brought to the records one by one.
    #[must_use]
    pub fn is_being_swept(&self) -> bool {
        let sweeps = &self.sweeps;
        let is_swept = !sweeps.is_restaging() && sweeps.erasures.is_empty() && sweeps.ended.is_empty();
        !is_swept || self.rules.needs_walk()
    }

    /// What the workspace says of erasures.
    #[must_use]
    pub fn erasure(&self) -> ErasureRules {
        self.erasure
    }

    /// What the workspace asks of the user ids that public keys send.
    #[must_use]
    pub fn tokens(&self) -> &IdentityTokens {
        &self.tokens
    }

    /// Which fields of documents identify, and who may see them.
    #[must_use]
    pub fn documents(&self) -> &DocumentModel {
        &self.documents
    }

    /// What dialects keep.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Erasures that were ordered for later.
    #[must_use]
    pub fn planned(&self) -> &Planned {
        &self.planned
    }

    /// The keys that the workspace signs tokens with.
    #[must_use]
    pub fn signing_keys(&self) -> &SigningKeys {
        &self.signing_keys
    }

    /// The issuers whose tokens the workspace takes.
    #[must_use]
    pub fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// The engine's form of it. What is stored always has one, so an error here means damage.
    ///
    /// # Errors
    /// `Invalid`, with the code of what is wrong.
    pub fn to_engine(&self) -> Result<Config, Error> {
        Ok(self.to_engine_without_rules()?.with_rules(rules::to_engine(self)?))
    }

    /// The engine's form of the namespaces, without what they block: how values of theirs are spelled.
    #[must_use]
    pub fn spellings(&self) -> Vec<Namespace> {
        self.namespaces.iter().map(StoredNamespace::without_patterns).collect()
    }

    /// The same without computed attributes and segments.
    ///
    /// # Errors
    /// As [`Self::to_engine`].
    pub(crate) fn to_engine_without_rules(&self) -> Result<Config, Error> {
        let mut namespaces = Vec::with_capacity(self.namespaces.len());
        for stored in &self.namespaces {
            let mut namespace = stored.without_patterns();
            for text in &stored.patterns {
                let pattern = blocked_pattern(text).map_err(|_| {
                    Error::new(ErrorKind::Invalid, "pattern_invalid", "a pattern is no regular expression")
                })?;
                namespace.blocked_patterns.push(pattern);
            }
            namespaces.push(namespace);
        }
        let limits = self.limits.to_engine();
        let config = Config::new(self.version, namespaces, self.primary.as_ref(), limits);
        let config = config.map_err(|error| invalid_config(&error))?;
        Ok(config.with_sweeps(self.sweeps.to_engine()).with_keeping(self.keeping()))
    }

    /// How long values and events are kept.
    fn keeping(&self) -> Keeping {
        let ended: Vec<Ended> = self.sweeps.ended.iter().map(|own| own.ended.clone()).collect();
        Keeping::new(self.model.model.definition(), &ended)
    }

    /// The next version with this change, if it makes a configuration.
    fn next(&self, change: impl FnOnce(&mut Self)) -> Result<Self, Error> {
        let mut next = self.clone();
        change(&mut next);
        if sweeps::is_needed(self, &next) {
            next.sweeps.number += 1;
            next.sweeps.rules = next.sweeps.number;
        }
        next.version += 1;
        rules::check(&next)?;
        rules::follow(self, &mut next);
        next.to_engine()?;
        if rows(&next, self).iter().any(|(_, row)| row.len() > CONFIG_BYTES_MAX) {
            let message = format!("the configuration is too large bytes_max={CONFIG_BYTES_MAX}");
            return Err(Error::new(ErrorKind::LimitExceeded, "config_too_large", message));
        }
        Ok(next)
    }
}

/// A namespace by itself, as a workspace would hold it.
///
/// # Errors
/// `Invalid`, as [`add_namespace`].
pub fn described_namespace(new: NewNamespace) -> Result<StoredNamespace, Error> {
    let name = NamespaceName::parse(&new.name)
        .map_err(|error| Error::new(ErrorKind::Invalid, "namespace_name_invalid", error.to_string()))?;
    if RESERVED.contains(&name.as_str()) {
        let message = format!("{name} is a name that answers need for themselves", name = name.as_str());
        return Err(Error::new(ErrorKind::Invalid, "namespace_name_invalid", message));
    }
    check_region(new.normaliser)?;
    let bare = StoredNamespace {
        id: NamespaceId::new(1),
        name,
        kind: new.kind,
        priority: new.rules.priority,
        exclusive: false,
        limit: None,
        normaliser: new.normaliser,
        blocked: Vec::new(),
        patterns: Vec::new(),
    };
    bare.ruled(new.rules)
}

/// Adds a namespace; it gets the next number.
///
/// # Errors
/// `Invalid` with `namespace_name_invalid`, `priority_invalid`, `limit_invalid`, `blocked_invalid`, `pattern_invalid`,
/// `region_invalid`, `exclusive_account`; `Conflict` with `namespace_exists`, `exclusive_taken`; `LimitExceeded` with
/// `namespaces_full`, `config_too_large`.
pub fn add_namespace(config: &StoredConfig, new: NewNamespace) -> Result<StoredConfig, Error> {
    if config.namespace(&new.name).is_ok() {
        return Err(Error::new(ErrorKind::Conflict, "namespace_exists", "a namespace of this name exists"));
    }
    if config.namespaces.len() >= NAMESPACES_MAX {
        let message = format!("a workspace has as many namespaces as it may limit={NAMESPACES_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, "namespaces_full", message));
    }
    // Namespaces are never removed, so the highest number is the last one given.
    let last = config.namespaces.iter().map(|namespace| namespace.id.number()).max().unwrap_or(0);
    let namespace = StoredNamespace { id: NamespaceId::new(last + 1), ..described_namespace(new)? };
    config.next(|next| next.namespaces.push(namespace))
}

/// Changes the rules of a namespace, and how its values are spelled if that is given. Facts keep their owners; the records are
/// brought under the rules one by one. A value that is spelled another way from now on is joined with its new spelling.
///
/// # Errors
/// As [`add_namespace`], and `NotFound` with `namespace_unknown`.
pub fn update_namespace(
    config: &StoredConfig,
    name: &str,
    normaliser: Option<Normaliser>,
    rules: NamespaceRules,
) -> Result<StoredConfig, Error> {
    let known = config.namespace(name)?;
    let normaliser = normaliser.unwrap_or(known.normaliser);
    check_region(normaliser)?;
    let changed = StoredNamespace { normaliser, ..known.clone() }.ruled(rules)?;
    config.next(|next| {
        for namespace in &mut next.namespaces {
            if namespace.id == changed.id {
                *namespace = changed.clone();
            }
        }
    })
}

fn check_region(normaliser: Normaliser) -> Result<(), Error> {
    match normaliser {
        Normaliser::Phone { region: Some(region) } if !region.iter().all(u8::is_ascii_uppercase) => {
            let message = "the region of phone numbers is two capital letters, as in FR";
            Err(Error::new(ErrorKind::Invalid, "region_invalid", message))
        }
        Normaliser::Trim | Normaliser::Lower | Normaliser::Email | Normaliser::Phone { .. } => Ok(()),
    }
}

/// Chooses the namespace whose value the read by id tries first, or none.
///
/// # Errors
/// `NotFound` with `namespace_unknown`.
pub fn set_primary(config: &StoredConfig, name: Option<&str>) -> Result<StoredConfig, Error> {
    let primary = name.map(|name| config.namespace(name)).transpose()?.map(|namespace| namespace.name.clone());
    config.next(|next| next.primary = primary)
}

impl StoredNamespace {
    /// What may change of it, as it is.
    #[must_use]
    pub fn rules(&self) -> NamespaceRules {
        NamespaceRules {
            priority: self.priority,
            exclusive: self.exclusive,
            limit: self.limit,
            blocked: self.blocked.clone(),
            patterns: self.patterns.clone(),
        }
    }

    /// This namespace under other rules.
    fn ruled(&self, rules: NamespaceRules) -> Result<Self, Error> {
        let invalid = |code, message: String| Error::new(ErrorKind::Invalid, code, message);
        let bounded = |code, what, found: usize, max: usize| {
            if found <= max { Ok(()) } else { Err(invalid(code, format!("too many {what} max={max}"))) }
        };
        if !(1..=PRIORITY_MAX).contains(&rules.priority) {
            return Err(invalid("priority_invalid", format!("a priority is 1 to {PRIORITY_MAX}")));
        }
        let limit_max = Limits::default().profile_identities_max;
        if rules.limit.is_some_and(|limit| limit == 0 || limit as usize > limit_max) {
            return Err(invalid("limit_invalid", format!("the limit of a namespace is 1 to {limit_max}, or left out")));
        }
        bounded("blocked_invalid", "blocked values", rules.blocked.len(), BLOCKED_MAX)?;
        bounded("pattern_invalid", "patterns", rules.patterns.len(), PATTERNS_MAX)?;
        for (index, pattern) in rules.patterns.iter().enumerate() {
            if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX || blocked_pattern(pattern).is_err() {
                let message = format!("no regular expression of 1 to {PATTERN_BYTES_MAX} bytes index={index}");
                return Err(invalid("pattern_invalid", message));
            }
        }
        let bare = Self { blocked: Vec::new(), patterns: Vec::new(), ..self.clone() };
        let spelling = bare.without_patterns();
        let mut blocked = Vec::with_capacity(rules.blocked.len());
        for (index, value) in rules.blocked.iter().enumerate() {
            // What can never be an identity needs no blocking, but is no mistake either: `null` in a namespace of e-mail.
            let spelled = normalise(&spelling, value).map_or_else(|_| value.trim().to_owned(), |text| text.to_string());
            if spelled.is_empty() || spelled.len() > VALUE_BYTES_MAX {
                let message = format!("a blocked value has 1 to {VALUE_BYTES_MAX} bytes index={index}");
                return Err(invalid("blocked_invalid", message));
            }
            blocked.push(spelled);
        }
        blocked.sort_unstable();
        blocked.dedup();
        let NamespaceRules { priority, exclusive, limit, blocked: _, patterns } = rules;
        Ok(Self { priority, exclusive, limit, blocked, patterns, ..bare })
    }

    fn without_patterns(&self) -> Namespace {
        Namespace {
            id: self.id,
            name: self.name.clone(),
            kind: self.kind,
            priority: self.priority,
            exclusive: self.exclusive,
            limit: self.limit,
            normaliser: self.normaliser,
            blocked: self.blocked.clone(),
            blocked_patterns: Vec::new(),
        }
    }
}

impl From<&Namespace> for StoredNamespace {
    fn from(namespace: &Namespace) -> Self {
        // The engine anchors patterns when it compiles them; they are stored as they are written.
        let written = |text: &str| {
            let inner = text.strip_prefix(r"\A(?:").and_then(|text| text.strip_suffix(r")\z"));
            inner.unwrap_or(text).to_owned()
        };
        Self {
            id: namespace.id,
            name: namespace.name.clone(),
            kind: namespace.kind,
            priority: namespace.priority,
            exclusive: namespace.exclusive,
            limit: namespace.limit,
            normaliser: namespace.normaliser,
            blocked: namespace.blocked.clone(),
            patterns: namespace.blocked_patterns.iter().map(|pattern| written(pattern.as_str())).collect(),
        }
    }
}

fn invalid_config(error: &InvalidConfig) -> Error {
    let (kind, code) = match error {
        InvalidConfig::DuplicateName(_) => (ErrorKind::Conflict, "namespace_exists"),
        InvalidConfig::DuplicateNumber(_) => (ErrorKind::Internal, "internal"),
        InvalidConfig::TwoExclusive(..) => (ErrorKind::Conflict, "exclusive_taken"),
        InvalidConfig::ExclusiveAccount(_) => (ErrorKind::Invalid, "exclusive_account"),
        InvalidConfig::UnknownPrimary(_) => (ErrorKind::Invalid, "namespace_unknown"),
    };
    Error::new(kind, code, error.to_string())
}

fn namespace_unknown() -> Error {
    Error::new(ErrorKind::NotFound, "namespace_not_found", "no namespace of this name is registered")
}

#[cfg(test)]
mod tests;
