//! The configuration of a workspace that decisions depend on: its namespaces and limits.
//!
//! A configuration is immutable and carries a version. A change makes a new one, and is a directive: it means what it means
//! where it was committed.

use std::collections::HashMap;
use std::sync::Arc;

mod defaults;
mod namespace;
mod sweeps;

pub use sweeps::{SourceErasure, Sweeps};

use crate::document::DOCUMENT_NAMESPACE;
use crate::fact::Class;
use crate::model::Keeping;
use crate::rules::RuleSet;

pub use defaults::default_namespaces;
pub use namespace::{Kind, Namespace, NamespaceId, NamespaceName, Normaliser};

/// Bounds on what one profile may hold. They live here together; each is named in the error that reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Identities in one stage-1 cluster; a link beyond is `held(full)`. Default 1,000.
    pub cluster_identities_max: usize,
    /// Identities in one profile; a link beyond is `held(limit)`. Default 1,000.
    pub profile_identities_max: usize,
    /// Distinct neighbours of higher priority up to which a value is no hub. Default 25.
    pub hub_links_max: u32,
    /// Bytes of one cluster's record; a fact beyond is refused, a link beyond is `held(full)`. Default 1 MiB less a reserve.
    pub record_bytes_max: usize,
    /// How far in the future of its receipt a fact may lie, in microseconds. Default one hour.
    pub future_micros_max: i64,
    /// Identities that one fact may carry; a document of a private key carries eight times as many. Default 32.
    pub fact_identities_max: usize,
    /// Attributes (leaves) that one fact may carry. Default 1,000.
    pub fact_attributes_max: usize,
}

impl Limits {
    /// Of the places of a cluster, as many as links of such keys may fill: public keys leave a quarter to private ones.
    #[must_use]
    pub const fn cluster_identities_for(&self, class: Class) -> usize {
        share(self.cluster_identities_max, class)
    }

    /// Of the bytes of a record, as many as such keys may fill: public keys leave a quarter to private ones.
    #[must_use]
    pub const fn record_bytes_for(&self, class: Class) -> usize {
        share(self.record_bytes_max, class)
    }
}

const fn share(max: usize, class: Class) -> usize {
    match class {
        Class::Private => max,
        Class::Public => max - max / 4,
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cluster_identities_max: 1_000,
            profile_identities_max: 1_000,
            hub_links_max: 25,
            record_bytes_max: (1 << 20) - (1 << 14),
            future_micros_max: 3_600_000_000,
            fact_identities_max: 32,
            fact_attributes_max: 1_000,
        }
    }
}

/// What the decisions of one workspace depend on. Immutable; a change makes the next version.
#[derive(Debug, Clone)]
pub struct Config {
    version: u64,
    namespaces: Vec<Arc<Namespace>>,
    by_name: HashMap<NamespaceName, NamespaceId>,
    exclusive: Option<NamespaceId>,
    primary: Option<NamespaceId>,
    document: Option<NamespaceId>,
    limits: Limits,
    sweeps: Sweeps,
    keeping: Keeping,
    rules: Arc<RuleSet>,
}

/// Why a set of namespaces is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// Two namespaces have one name.
    #[error("two namespaces of one name name={0}")]
    DuplicateName(NamespaceName),
    /// Two namespaces have one number.
    #[error("two namespaces of one number number={}", .0.number())]
    DuplicateNumber(NamespaceId),
    /// More than one namespace is exclusive.
    #[error("only one namespace may be exclusive first={0} second={1}")]
    TwoExclusive(NamespaceName, NamespaceName),
    /// The exclusive namespace must be of persons.
    #[error("the exclusive namespace must be of kind person name={0}")]
    ExclusiveAccount(NamespaceName),
    /// The primary namespace is not among the namespaces.
    #[error("the primary namespace is not registered name={0}")]
    UnknownPrimary(NamespaceName),
}

impl Config {
    /// A configuration of these namespaces, the primary one by name if there is one.
    ///
    /// # Errors
    /// [`InvalidConfig`] for double names or numbers, a second exclusive namespace, or an unknown primary one.
    pub fn new(
        version: u64,
        namespaces: Vec<Namespace>,
        primary: Option<&NamespaceName>,
        limits: Limits,
    ) -> Result<Self, InvalidConfig> {
        let mut by_name = HashMap::new();
        let mut numbers = std::collections::HashSet::new();
        let mut exclusive: Option<&Namespace> = None;
        for namespace in &namespaces {
            if by_name.insert(namespace.name.clone(), namespace.id).is_some() {
                return Err(InvalidConfig::DuplicateName(namespace.name.clone()));
            }
            if !numbers.insert(namespace.id) {
                return Err(InvalidConfig::DuplicateNumber(namespace.id));
            }
            if namespace.exclusive {
                if namespace.kind == Kind::Account {
                    return Err(InvalidConfig::ExclusiveAccount(namespace.name.clone()));
                }
                if let Some(first) = exclusive {
                    return Err(InvalidConfig::TwoExclusive(first.name.clone(), namespace.name.clone()));
                }
                exclusive = Some(namespace);
            }
        }
        let exclusive = exclusive.map(|namespace| namespace.id);
        let primary = match primary {
            None => None,
            Some(name) => match by_name.get(name) {
                Some(id) => Some(*id),
                None => return Err(InvalidConfig::UnknownPrimary(name.clone())),
            },
        };
        let mut namespaces: Vec<_> = namespaces.into_iter().map(Arc::new).collect();
        namespaces.sort_by_key(|namespace| namespace.id);
        let document = by_name.get(DOCUMENT_NAMESPACE).copied();
        let (sweeps, keeping, rules) = (Sweeps::default(), Keeping::default(), Arc::default());
        Ok(Self { version, namespaces, by_name, exclusive, primary, document, limits, sweeps, keeping, rules })
    }

    /// This configuration with the windows of the data model.
    #[must_use]
    pub fn with_keeping(self, keeping: Keeping) -> Self {
        Self { keeping, ..self }
    }

    /// How long values and events are kept.
    #[must_use]
    pub fn keeping(&self) -> &Keeping {
        &self.keeping
    }

    /// This configuration with the rules of computed attributes and segments.
    #[must_use]
    pub fn with_rules(self, rules: Arc<RuleSet>) -> Self {
        Self { rules, ..self }
    }

    /// The same, whose nodes tell windows so many events without their timelines; only for who has just made it.
    #[must_use]
    pub fn with_tails(mut self, events_max: usize) -> Self {
        if let Some(rules) = Arc::get_mut(&mut self.rules) {
            rules.bound_tails(events_max);
        }
        self
    }

    /// The rules of computed attributes and segments.
    #[must_use]
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// This configuration with what is still being brought to the records one by one.
    #[must_use]
    pub fn with_sweeps(self, sweeps: Sweeps) -> Self {
        Self { sweeps, ..self }
    }

    /// What is still being brought to the records one by one.
    #[must_use]
    pub fn sweeps(&self) -> &Sweeps {
        &self.sweeps
    }

    /// The version: it grows with every change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// All namespaces, by number.
    #[must_use]
    pub fn namespaces(&self) -> &[Arc<Namespace>] {
        &self.namespaces
    }

    /// The namespace of this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<Namespace>> {
        self.by_name.get(name).and_then(|id| self.find(*id))
    }

    /// The namespace of this number. Namespaces are never removed, so a stored number always finds its own.
    #[must_use]
    pub fn find(&self, id: NamespaceId) -> Option<&Arc<Namespace>> {
        let at = self.namespaces.binary_search_by_key(&id, |namespace| namespace.id).ok()?;
        self.namespaces.get(at)
    }

    /// Its priority; an unknown number has the lowest.
    #[must_use]
    pub fn priority(&self, id: NamespaceId) -> u16 {
        self.find(id).map_or(0, |namespace| namespace.priority)
    }

    /// The exclusive namespace, of which a cluster holds at most one value.
    #[must_use]
    pub fn exclusive(&self) -> Option<NamespaceId> {
        self.exclusive
    }

    /// The namespace whose value the read by id tries first and shows as `profile_id`.
    #[must_use]
    pub fn primary(&self) -> Option<NamespaceId> {
        self.primary
    }

    /// The namespace of documents.
    #[must_use]
    pub fn document(&self) -> Option<NamespaceId> {
        self.document
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
