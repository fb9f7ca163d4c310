//! Documents: what an API keeps as one profile of its own, found by the identities that it names.
//!
//! A document is an identity in the namespace `profile`, and owns what is said of it. Two documents never hold one identity of a
//! namespace that is unique to them; what a document no longer names is released, and keeps its own facts.

use std::sync::Arc;

use crate::cluster::{Cluster, Node};
use crate::config::{Config, NamespaceId};
use crate::fact::{Claim, Fact, Identity, Strength};
use crate::id::NodeId;
use crate::prepare::{Prepared, Rejection, prepare};
use crate::time::Timestamp;

/// The namespace of the identities of documents.
pub const DOCUMENT_NAMESPACE: &str = "profile";

/// Whether a document may, or must, be there before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existence {
    /// It is made where there is none.
    #[default]
    Either,
    /// It is made, and refused where there is one already.
    MustBeNew,
    /// It is changed, and refused where there is none.
    MustExist,
}

/// Who counts as holding an identity that is unique to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Holders {
    /// Other documents. Whoever is no document yet becomes this one.
    #[default]
    Documents,
    /// Every other profile.
    Profiles,
}

/// What becomes of values that were said before and are not said now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replace {
    /// They stay.
    #[default]
    Nothing,
    /// Those that documents said in the same dataset are removed.
    Own,
    /// All of the profile are removed, whoever said them.
    All,
}

/// How a document is written: what becomes of those that are there, and of identities that it no longer names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentTerms {
    /// Whether it must be new, or there.
    pub existence: Existence,
    /// Namespaces of which a document holds one value: another one that it held is released when it names a new one.
    pub single: Vec<Arc<str>>,
    /// Namespaces of which it holds no value from now on, but one that it says under the name of the namespace.
    pub cleared: Vec<Arc<str>>,
    /// Namespaces of which it holds the values that it names, and no other from now on.
    pub whole: Vec<Arc<str>>,
    /// Namespaces of which no two hold the same value: the write is refused where another one does.
    pub unique: Vec<Arc<str>>,
    /// Who counts as another one.
    pub holders: Holders,
    /// The namespace that decides whether two documents are one: with different values of it they stay apart, whatever else both name.
    pub strong: Option<Arc<str>>,
    /// A document never changes its strong value: one that another identity finds and that has another strong value than the write names is
    /// not written, and what it holds is left out. Otherwise such a document takes the new value.
    pub keep_strong: bool,
    /// What becomes of what was said before and is not said now.
    pub replace: Replace,
}

/// The documents that are part of the profile of a node, the one that was there first at the front.
#[must_use]
pub fn documents<'a>(cluster: &'a Cluster, node: NodeId, config: &Config) -> Vec<&'a Node> {
    let Some(namespace) = config.by_name(DOCUMENT_NAMESPACE) else { return Vec::new() };
    let mut found: Vec<&Node> = cluster.piece(node).filter(|own| own.identity.namespace == namespace.id).collect();
    found.sort_unstable_by_key(|own| (own.created_at, &own.identity));
    found
}

/// One write of a document.
#[derive(Debug, Clone)]
pub struct DocumentWrite {
    /// What it says. Its claims are the identities that it names, those that decide first at the front: the first that leads to a profile
    /// chooses the document of that profile. [`Fact::document`] names the document itself, and then nothing is looked for.
    pub fact: Box<Fact>,
    /// How it is written.
    pub terms: DocumentTerms,
    /// A node of the profile that it is written to where the document that it names is not there: a profile that no document is part of
    /// becomes this one, otherwise its document is written.
    pub of: Option<NodeId>,
}

tessera_expr::heap!(DocumentTerms: single, cleared, whole, unique, strong);
tessera_expr::heap!(DocumentWrite: fact, terms);

impl DocumentTerms {
    fn bounded(&self) -> [&[Arc<str>]; 4] {
        [&self.single, &self.cleared, &self.whole, &self.unique]
    }
}

/// A write of a document in the terms of a configuration.
#[derive(Debug, Clone)]
pub struct PreparedDocument {
    /// What it says. Its owner stands for the document until that is chosen, where it is not named.
    pub prepared: Prepared,
    /// Whether the document is named.
    pub is_named: bool,
    /// As they were given.
    pub terms: DocumentTerms,
    /// A node of the profile that it is written to where the document is not there.
    pub of: Option<NodeId>,
    pub(crate) single: Vec<NamespaceId>,
    pub(crate) cleared: Vec<NamespaceId>,
    pub(crate) whole: Vec<NamespaceId>,
    pub(crate) unique: Vec<NamespaceId>,
    pub(crate) strong: Option<NamespaceId>,
}

/// The value that stands for a document that is not chosen yet.
const UNCHOSEN: &str = "000000000000000000000000";

/// Brings a write of a document into the terms of a configuration.
///
/// # Errors
/// As [`prepare`]; `namespace_unknown` where the terms name a namespace that is not there.
pub fn prepare_document(write: DocumentWrite, at: Timestamp, config: &Config) -> Result<PreparedDocument, Rejection> {
    let DocumentWrite { mut fact, terms, of } = write;
    let find = |name: &Arc<str>| {
        let unknown = || Rejection::new("namespace_unknown", format!("the namespace {name} is not registered"));
        config.by_name(name).map(|own| own.id).ok_or_else(unknown)
    };
    for name in &terms.single {
        if fact.claims.iter().filter(|claim| claim.namespace == *name).count() > 1 {
            let message = format!("a document holds one value of {name}, and more are named");
            return Err(Rejection::new("too_many_identities", message));
        }
    }
    let [single, cleared, whole, unique] =
        terms.bounded().map(|names| names.iter().map(find).collect::<Result<Vec<_>, _>>());
    let strong = terms.strong.as_ref().map(find).transpose()?;
    let is_named = fact.document.is_some();
    if !is_named {
        if fact.claims.is_empty() {
            return Err(Rejection::new("identity_missing", "at least one identity is expected"));
        }
        let strength = fact.claims.iter().map(|claim| claim.strength).max().unwrap_or(Strength::Observed);
        fact.document = Some(Claim { namespace: DOCUMENT_NAMESPACE.into(), value: UNCHOSEN.into(), strength });
    }
    let prepared = prepare(fact, at, config)?;
    if !is_named && prepared.others.is_empty() {
        let message = "no identity of it can find a profile: each is malformed or identifies nobody";
        return Err(Rejection::new("identity_unusable", message));
    }
    let (single, cleared, whole, unique) = (single?, cleared?, whole?, unique?);
    Ok(PreparedDocument { prepared, is_named, terms, of, single, cleared, whole, unique, strong })
}

impl PreparedDocument {
    /// The same write, of which this is what it says.
    #[must_use]
    pub fn saying(&self, prepared: Prepared) -> Self {
        Self { prepared, ..self.clone() }
    }

    /// The write as it came, to be prepared anew.
    #[must_use]
    pub fn into_write(self) -> DocumentWrite {
        let mut fact = self.prepared.fact;
        if !self.is_named {
            fact.document = None;
        }
        DocumentWrite { fact, terms: self.terms, of: self.of }
    }

    /// All identities that it names, those that decide first at the front.
    pub(crate) fn identities(&self) -> impl Iterator<Item = &Identity> {
        let named = self.is_named.then_some(&self.prepared.owner);
        named.into_iter().chain(self.prepared.others.iter().map(|(identity, _)| identity))
    }
}
