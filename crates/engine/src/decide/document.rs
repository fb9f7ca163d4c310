//! Writing a document: it is found or made, lets go of what it no longer names, and says what it says.

use std::sync::Arc;

use super::{Act, Documented, Notice, Outcome};
use crate::cluster::{Cluster, Link, LinkState, Node};
use crate::config::NamespaceId;
use crate::document::{DOCUMENT_NAMESPACE, Existence, PreparedDocument, documents};
use crate::fact::{Class, Identity};
use crate::id::NodeId;
use crate::prepare::Prepared;
use crate::value::{Path, Value};
use crate::working::Lack;

/// Where a document is written: a profile as it stands before.
struct Target {
    cluster: Arc<Cluster>,
    /// A node of it.
    node: NodeId,
}

impl Target {
    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.cluster.piece(self.node)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.cluster.id() == other.cluster.id() && self.nodes().any(|node| node.id == other.node)
    }

    fn values_of(&self, namespace: NamespaceId) -> impl Iterator<Item = &Identity> {
        self.nodes().map(|node| &node.identity).filter(move |own| own.namespace == namespace)
    }

    fn holds(&self, identity: &Identity) -> bool {
        self.nodes().any(|node| node.identity == *identity)
    }

    /// The links of one of its nodes to others of it.
    fn links_of(&self, node: NodeId) -> impl Iterator<Item = &Link> {
        let inside = |link: &&Link| self.nodes().any(|own| own.id == link.ends[0].node);
        self.cluster
            .links
            .iter()
            .filter(move |link| link.state == LinkState::Active && link.touches(node))
            .filter(inside)
    }
}

impl Act<'_> {
    pub(super) fn document(&mut self, write: &PreparedDocument) -> Result<Outcome, Lack> {
        if self.known_fact(&write.prepared.fact.key())?.is_some() {
            return self.fact(&write.prepared);
        }
        let target = self.target_of(write)?;
        if let Some(refused) = self.refused_document(write, target.as_ref())? {
            return Ok(refused);
        }
        let mut prepared = write.prepared.clone();
        let chosen = if write.is_named { Some(prepared.owner.clone()) } else { self.document_of(target.as_ref()) };
        let is_new = match &chosen {
            Some(identity) => self.working.identity(identity)?.is_none(),
            None => true,
        };
        prepared.owner = match chosen {
            Some(identity) => identity,
            None => self.new_document(),
        };
        let left_out = self.leave_out(write, target.as_ref(), &mut prepared)?;
        let gone = self.replaced(write, target.as_ref(), &prepared);
        if write.terms.replace {
            self.remove_unsaid(target.as_ref(), &mut prepared);
        }
        // Only a document that is there can let go of something, and who is let go of first makes room.
        let mut released = Vec::new();
        if !is_new {
            self.release_all(&prepared.owner, &gone, &mut released)?;
        }
        let outcome = self.fact(&prepared)?;
        let Outcome::Accepted { owner, ignored, held, event } = outcome else { return Ok(outcome) };
        if is_new {
            self.release_all(&prepared.owner, &gone, &mut released)?;
        }
        Ok(Outcome::Documented(Box::new(Documented {
            document: owner,
            is_new,
            left_out,
            released,
            ignored,
            held,
            event,
        })))
    }

    /// Marks a profile as used now.
    pub(super) fn touch(&mut self, node: NodeId) -> Result<Outcome, Lack> {
        let Some(home) = self.working.home(node)? else { return Ok(Outcome::NotFound) };
        let mut cluster = self.working.edit(home)?;
        let profile = cluster.profile_id(node).ok_or(Lack::Torn)?;
        cluster.updated_at = self.now;
        self.working.put_cluster(cluster);
        self.notices.insert(Notice::ProfileChanged(profile));
        Ok(Outcome::Touched)
    }

    fn release_all(
        &mut self,
        document: &Identity,
        gone: &[Identity],
        released: &mut Vec<Identity>,
    ) -> Result<(), Lack> {
        for identity in gone {
            if let Outcome::Released { severed } = self.release(document, identity)?
                && severed > 0
            {
                released.push(identity.clone());
            }
        }
        Ok(())
    }

    /// The profile that holds this identity, unless it is nobody's: let go of, and nothing else is known of it.
    fn profile_of(&self, identity: &Identity) -> Result<Option<Target>, Lack> {
        let Some(row) = self.working.identity(identity)? else { return Ok(None) };
        let target = Target { cluster: self.working.cluster(row.cluster)?, node: row.node };
        let is_somebody = target.nodes().any(|node| node.facts() > 0);
        Ok(is_somebody.then_some(target))
    }

    /// The profile that the document is, or will be, part of: that of the document where it is named, otherwise that of the first identity
    /// that leads to one.
    fn target_of(&self, write: &PreparedDocument) -> Result<Option<Target>, Lack> {
        for identity in write.identities() {
            if let Some(target) = self.profile_of(identity)? {
                return Ok(Some(target));
            }
        }
        Ok(None)
    }

    /// Why the document cannot be written as it is asked for.
    fn refused_document(&self, write: &PreparedDocument, target: Option<&Target>) -> Result<Option<Outcome>, Lack> {
        let own = write.is_named.then(|| self.working.identity(&write.prepared.owner)).transpose()?.flatten();
        let mut taken = Vec::new();
        match write.terms.existence {
            Existence::MustExist if own.is_none() && (write.is_named || target.is_none()) => {
                return Ok(Some(Outcome::NotFound));
            }
            Existence::MustBeNew if own.is_some() => taken.push(write.prepared.owner.clone()),
            Existence::MustBeNew | Existence::MustExist | Existence::Either => {}
        }
        let must_be_new = write.terms.existence == Existence::MustBeNew;
        for (identity, _) in &write.prepared.others {
            if !write.unique.contains(&identity.namespace) {
                continue;
            }
            let Some(holder) = self.profile_of(identity)? else { continue };
            let is_own = own.is_some() && target.is_some_and(|target| target.is_same(&holder));
            // Whoever is no document yet becomes this one.
            let is_document = self.document_of(Some(&holder)).is_some();
            if (is_document && write.is_named && !is_own) || (must_be_new && is_document) {
                taken.push(identity.clone());
            }
        }
        Ok((!taken.is_empty()).then_some(Outcome::DocumentTaken(taken)))
    }

    /// The document of a profile: of several the one that was there first.
    fn document_of(&self, target: Option<&Target>) -> Option<Identity> {
        let target = target?;
        let first = documents(&target.cluster, target.node, self.working.config()).first().copied()?;
        Some(first.identity.clone())
    }

    /// The identity of a document that is made now.
    fn new_document(&mut self) -> Identity {
        let namespace = self.working.config().by_name(DOCUMENT_NAMESPACE).expect("it is never removed").id;
        let identity = Identity { namespace, value: self.ids.node().to_string().into() };
        // Nobody has it: an id never repeats, and one that is asked for would be another one when the command is decided again.
        self.working.load_identity(identity.clone(), None);
        self.working.load_suppression(identity.clone(), false);
        identity
    }

    /// Takes out what another document holds that stays apart from this one, and answers it.
    fn leave_out(
        &self,
        write: &PreparedDocument,
        target: Option<&Target>,
        prepared: &mut Prepared,
    ) -> Result<Vec<Identity>, Lack> {
        let (Some(strong), Some(target)) = (write.strong, target) else { return Ok(Vec::new()) };
        let given = || prepared.others.iter().map(|(own, _)| own).filter(|own| own.namespace == strong);
        let own: Vec<Identity> = match given().next() {
            Some(_) => given().cloned().collect(),
            None if write.cleared.contains(&strong) => Vec::new(),
            None => target.values_of(strong).cloned().collect(),
        };
        let mut left_out = Vec::new();
        for (identity, _) in &prepared.others {
            let Some(other) = self.profile_of(identity)?.filter(|other| !other.is_same(target)) else { continue };
            let mut theirs = other.values_of(strong).peekable();
            let differs = theirs.peek().is_some() && !own.is_empty() && theirs.all(|value| !own.contains(value));
            if identity.namespace != strong && differs {
                left_out.push(identity.clone());
            }
        }
        prepared.others.retain(|(identity, _)| !left_out.contains(identity));
        Ok(left_out)
    }

    /// The identities that the document lets go of: what it held beside a value that it names now, and all of what it clears. What a private
    /// key has linked is never let go of by the word of a public one.
    fn replaced(&self, write: &PreparedDocument, target: Option<&Target>, prepared: &Prepared) -> Vec<Identity> {
        let Some(target) = target else { return Vec::new() };
        let document = target.nodes().find(|node| node.identity == prepared.owner).map(|node| node.id);
        let is_of_document =
            |node: &Node| document.is_some_and(|document| target.links_of(node.id).any(|link| link.touches(document)));
        let may = |node: &Node| {
            prepared.class == Class::Private || target.links_of(node.id).all(|link| link.class() == Class::Public)
        };
        let named =
            |namespace| prepared.others.iter().map(|(own, _)| own).filter(move |own| own.namespace == namespace);
        let mut gone = Vec::new();
        for node in target.nodes().filter(|node| may(node)) {
            let namespace = node.identity.namespace;
            let is_replaced = write.single.contains(&namespace)
                && named(namespace).next().is_some()
                && !named(namespace).any(|own| *own == node.identity)
                && (is_of_document(node) || !named(namespace).any(|own| target.holds(own)));
            if is_replaced || write.cleared.contains(&namespace) {
                gone.push(node.identity.clone());
            }
        }
        // What is left of the links hangs on the order.
        gone.sort_unstable();
        gone
    }

    /// Removes what the documents of a profile said before in this dataset and this one does not say now.
    fn remove_unsaid(&self, target: Option<&Target>, prepared: &mut Prepared) {
        let Some((target, namespace)) = target.zip(self.working.config().by_name(DOCUMENT_NAMESPACE)) else { return };
        let fragments = target
            .nodes()
            .filter(|node| node.identity.namespace == namespace.id)
            .flat_map(|node| &node.fragments)
            .filter(|fragment| fragment.by.is_none() && fragment.dataset == prepared.fact.dataset);
        let cells = fragments.flat_map(|fragment| &fragment.cells).filter(|cell| cell.value != Value::Null);
        let mut unsaid: Vec<Path> = cells.map(|cell| cell.path.spoken_of().into_owned()).collect();
        unsaid.sort();
        unsaid.dedup();
        let is_said = |path: &Path| {
            prepared.fact.attributes.iter().any(|(own, _)| own == path || own.is_above(path) || path.is_above(own))
        };
        unsaid.retain(|path| !is_said(path));
        prepared.bytes += unsaid.iter().map(|path| 40 + path.as_str().len()).sum::<usize>();
        prepared.fact.attributes.extend(unsaid.into_iter().map(|path| (path, Value::Null)));
    }
}
