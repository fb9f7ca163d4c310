//! Writing a document: it is found or made, lets go of what it no longer names, and says what it says.

use std::sync::Arc;

use super::command::{Decide, needs_of_named, record_of};
use super::fact::unsaid;
use super::{Act, Command, Documented, Notice, Outcome};
use crate::cluster::{Cluster, Link, LinkState, Node};
use crate::config::NamespaceId;
use crate::document::{DOCUMENT_NAMESPACE, Existence, Holders, PreparedDocument, Replace, documents};
use crate::fact::{Class, Identity, Replaces, Strength};
use crate::id::NodeId;
use crate::normalise::normalise;
use crate::prepare::Prepared;
use crate::value::{Path, Value};
use crate::working::{Lack, Need, Working};

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

/// Whether a profile has strong values, and none of those that a write names.
fn has_other_strong(write: &PreparedDocument, target: &Target) -> bool {
    let Some(strong) = write.strong else { return false };
    let mut named = write.prepared.others.iter().filter(|(own, _)| own.namespace == strong).peekable();
    let has_named = named.peek().is_some();
    let is_its_own = named.any(|(own, _)| target.holds(own));
    has_named && !is_its_own && target.values_of(strong).next().is_some()
}

impl Decide for PreparedDocument {
    fn first_needs(&self) -> Vec<Need> {
        let identities = self.identities().cloned().map(Need::Identity);
        std::iter::once(Need::Fact(self.prepared.fact.key())).chain(identities).chain(self.of.map(Need::Home)).collect()
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        let mut needs = needs_of_named(working, self.identities());
        needs.extend(self.of.and_then(|node| record_of(working, node)));
        needs
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.document(self)
    }

    fn says_only(&self) -> Option<&Prepared> {
        (self.terms.replace == Replace::Nothing).then_some(&self.prepared)
    }

    fn said(&self) -> Option<&Prepared> {
        Some(&self.prepared)
    }

    fn saying(&self, prepared: Prepared) -> Option<Command> {
        Some(Box::new(PreparedDocument::saying(self, prepared)).into())
    }
}

/// That the profile which holds a node is used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch(
    /// The node.
    pub NodeId,
);

impl Decide for Touch {
    fn first_needs(&self) -> Vec<Need> {
        vec![Need::Home(self.0)]
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        record_of(working, self.0).into_iter().collect()
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.touch(self.0)
    }
}

impl Act<'_> {
    pub(super) fn document(&mut self, write: &PreparedDocument) -> Result<Outcome, Lack> {
        if self.known_fact(&write.prepared.fact.key())?.is_some() {
            return self.fact(&write.prepared);
        }
        let adopted = self.adopted(write)?;
        let is_adopted = adopted.is_some();
        let target = match adopted {
            Some(adopted) => Some(adopted),
            None => self.target_of(write)?,
        };
        if let Some(refused) = self.refused_document(write, target.as_ref(), is_adopted)? {
            return Ok(refused);
        }
        let mut prepared = write.prepared.clone();
        let chosen = match self.document_of(target.as_ref()).filter(|_| !write.is_named || is_adopted) {
            None if write.is_named => Some(prepared.owner.clone()),
            document => document,
        };
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
        self.remove_unsaid(write.terms.replace, target.as_ref(), &mut prepared);
        if let Some(target) = target.as_ref().filter(|_| is_adopted) {
            adopt(target, &mut prepared);
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
            is_new: is_new && !is_adopted,
            left_out,
            released,
            ignored,
            held,
            event,
        })))
    }

    /// Marks a profile as used now.
    fn touch(&mut self, node: NodeId) -> Result<Outcome, Lack> {
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

    fn is_somebody(&self, target: &Target) -> bool {
        target.cluster.kind_of(target.node, self.working.config()).is_some()
    }

    /// The profile that holds this identity, unless it is nobody's: let go of, and nothing else is known of it.
    fn profile_of(&self, identity: &Identity) -> Result<Option<Target>, Lack> {
        let Some(row) = self.working.identity(identity)? else { return Ok(None) };
        let target = Target { cluster: self.working.cluster(row.cluster)?, node: row.node };
        Ok(self.is_somebody(&target).then_some(target))
    }

    /// The profile that the document is, or will be, part of: that of the document where it is named, otherwise that of the first identity
    /// that leads to one; one with another strong value does not count where strong values are kept.
    fn target_of(&self, write: &PreparedDocument) -> Result<Option<Target>, Lack> {
        for identity in write.identities() {
            if let Some(target) = self.profile_of(identity)?
                && !(write.terms.keep_strong && !write.is_named && has_other_strong(write, &target))
            {
                return Ok(Some(target));
            }
        }
        Ok(None)
    }

    /// The profile that becomes the document that is named and not there.
    fn adopted(&self, write: &PreparedDocument) -> Result<Option<Target>, Lack> {
        let Some(node) = write.of else { return Ok(None) };
        if write.is_named && self.working.identity(&write.prepared.owner)?.is_some() {
            return Ok(None);
        }
        let Some(home) = self.working.home(node)? else { return Ok(None) };
        let target = Target { cluster: self.working.cluster(home)?, node };
        Ok(self.is_somebody(&target).then_some(target))
    }

    /// Why the document cannot be written as it is asked for.
    fn refused_document(
        &self,
        write: &PreparedDocument,
        target: Option<&Target>,
        is_adopted: bool,
    ) -> Result<Option<Outcome>, Lack> {
        let own = write.is_named.then(|| self.working.identity(&write.prepared.owner)).transpose()?.flatten();
        let mut taken = Vec::new();
        match write.terms.existence {
            Existence::MustExist if own.is_none() && !is_adopted && (write.is_named || target.is_none()) => {
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
            let is_own = (own.is_some() || is_adopted) && target.is_some_and(|target| target.is_same(&holder));
            let counts = write.terms.holders == Holders::Profiles || self.document_of(Some(&holder)).is_some();
            if (counts && write.is_named && !is_own) || (must_be_new && counts) {
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

    /// Takes out what the document does not get, and answers it: what another one holds that stays apart, a value beside one that stays, and
    /// by the word of a public key whoever a private one knows as another profile.
    fn leave_out(
        &self,
        write: &PreparedDocument,
        target: Option<&Target>,
        prepared: &mut Prepared,
    ) -> Result<Vec<Identity>, Lack> {
        let left_out = match target {
            Some(target) => self.left_out_of(write, target, prepared)?,
            None if write.terms.keep_strong && !write.is_named => self.held_by_others(write)?,
            None => Vec::new(),
        };
        prepared.others.retain(|(identity, _)| !left_out.contains(identity));
        // Nor does it say so: what stands under the name of an identity is that identity.
        let config = self.working.config();
        let is_left_out = |path: &Path| {
            let namespace = config.by_name(path.as_str()).map(|own| own.id);
            namespace.is_some_and(|id| left_out.iter().any(|own| own.namespace == id))
        };
        prepared.fact.attributes.retain(|(path, _)| !is_left_out(path));
        Ok(left_out)
    }

    /// What a new document does not get: it belongs to documents with other strong values.
    fn held_by_others(&self, write: &PreparedDocument) -> Result<Vec<Identity>, Lack> {
        let mut held = Vec::new();
        for (identity, _) in &write.prepared.others {
            let Some(holder) = self.profile_of(identity)? else { continue };
            if Some(identity.namespace) != write.strong && has_other_strong(write, &holder) {
                held.push(identity.clone());
            }
        }
        Ok(held)
    }

    /// What a document that is part of this profile does not get.
    fn left_out_of(
        &self,
        write: &PreparedDocument,
        target: &Target,
        prepared: &Prepared,
    ) -> Result<Vec<Identity>, Lack> {
        let namespaces = write.single.iter().filter(|namespace| self.keeps_value(**namespace, target, prepared));
        let kept: Vec<NamespaceId> = namespaces.copied().collect();
        let is_beside = |own: &Identity| kept.contains(&own.namespace) && !target.holds(own);
        let others = || prepared.others.iter().map(|(own, _)| own);
        let mut left_out: Vec<Identity> = others().filter(|own| is_beside(own)).cloned().collect();
        let own: Vec<Identity> = write.strong.map_or_else(Vec::new, |strong| {
            let given = others().filter(|own| own.namespace == strong && !left_out.contains(own)).cloned();
            match given.collect::<Vec<_>>() {
                given if !given.is_empty() => given,
                _ if write.cleared.contains(&strong) => Vec::new(),
                _ => target.values_of(strong).cloned().collect(),
            }
        });
        for identity in others() {
            let Some(other) = self.profile_of(identity)?.filter(|other| !other.is_same(target)) else { continue };
            let differs = write.strong.is_some_and(|strong| {
                let mut theirs = other.values_of(strong).peekable();
                let has_other = theirs.peek().is_some() && !own.is_empty() && theirs.all(|value| !own.contains(value));
                identity.namespace != strong && has_other
            });
            let are_known =
                prepared.class == Class::Public && self.is_vouched_for(target) && self.is_vouched_for(&other);
            if (differs || are_known) && !left_out.contains(identity) {
                left_out.push(identity.clone());
            }
        }
        Ok(left_out)
    }

    /// Whether a private key says what holds a profile together.
    fn is_vouched_for(&self, target: &Target) -> bool {
        let sweeps = self.working.config().sweeps();
        target.nodes().any(|node| target.cluster.is_vouched_for(node, sweeps))
    }

    /// Whether a profile keeps a value of this namespace although the document names another one.
    fn keeps_value(&self, namespace: NamespaceId, target: &Target, prepared: &Prepared) -> bool {
        let named = |own: &Identity| prepared.others.iter().any(|(other, _)| other == own);
        let mut values = target.nodes().filter(|node| node.identity.namespace == namespace && !named(&node.identity));
        values.any(|node| !self.may_release(node, target, prepared))
    }

    /// Whether a write may let go of an identity: what a private key has linked is never let go of by the word of a public one, nor what was
    /// said later than the write says.
    fn may_release(&self, node: &Node, target: &Target, prepared: &Prepared) -> bool {
        let time = prepared.fact.time.unwrap_or(self.now);
        let mut links = target.links_of(node.id);
        links
            .all(|link| (prepared.class == Class::Private || link.class() == Class::Public) && link.last_seen() <= time)
    }

    /// The identities that the document lets go of: what it held beside a value that it names now, and all of what it clears.
    fn replaced(&self, write: &PreparedDocument, target: Option<&Target>, prepared: &Prepared) -> Vec<Identity> {
        let Some(target) = target else { return Vec::new() };
        let document = target.nodes().find(|node| node.identity == prepared.owner).map(|node| node.id);
        let is_of_document =
            |node: &Node| document.is_some_and(|document| target.links_of(node.id).any(|link| link.touches(document)));
        let named =
            |namespace| prepared.others.iter().map(|(own, _)| own).filter(move |own| own.namespace == namespace);
        let mut gone = Vec::new();
        for node in target.nodes().filter(|node| self.may_release(node, target, prepared)) {
            let namespace = node.identity.namespace;
            let is_replaced = write.single.contains(&namespace)
                && named(namespace).next().is_some()
                && !named(namespace).any(|own| *own == node.identity)
                && (is_of_document(node) || !named(namespace).any(|own| target.holds(own)));
            let is_left = write.whole.contains(&namespace) && !named(namespace).any(|own| *own == node.identity);
            let is_cleared = write.cleared.contains(&namespace) && !self.says(prepared, &node.identity);
            if is_replaced || is_left || is_cleared {
                gone.push(node.identity.clone());
            }
        }
        // What is left of the links hangs on the order.
        gone.sort_unstable();
        gone
    }

    /// Whether a write says the value of an identity under the name of its namespace.
    fn says(&self, prepared: &Prepared, identity: &Identity) -> bool {
        let Some(namespace) = self.working.config().find(identity.namespace) else { return false };
        let said = prepared.fact.attributes.iter().filter(|(path, _)| path.as_str() == namespace.name.as_str());
        let mut spelled = said.filter_map(|(_, value)| match value {
            Value::Text(text) => normalise(namespace, text).ok(),
            _ => None,
        });
        spelled.any(|value| value == identity.value)
    }

    /// Removes what was said before and is not said now: of all, or of what documents said in this dataset. What this document said there
    /// is replaced; what others of the profile said is overruled, and is back if they are parted from it.
    fn remove_unsaid(&self, replace: Replace, target: Option<&Target>, prepared: &mut Prepared) {
        let is_all = match replace {
            Replace::Nothing => return,
            Replace::Own => false,
            Replace::All => true,
        };
        if !is_all {
            prepared.fact.replaces = Replaces::Fragment;
        }
        let Some((target, namespace)) = target.zip(self.working.config().by_name(DOCUMENT_NAMESPACE)) else { return };
        let is_another = |node: &&Node| node.identity.namespace == namespace.id && node.identity != prepared.owner;
        let fragments = (target.nodes().filter(|node| is_all || is_another(node)))
            .flat_map(|node| &node.fragments)
            .filter(|fragment| fragment.by.is_none() && (is_all || fragment.dataset == prepared.fact.dataset));
        let unsaid = unsaid(fragments, &prepared.fact.attributes);
        *prepared = prepared.removing(unsaid);
    }
}

/// Has a write name an identity of the profile that it is written to, so that it becomes part of it.
fn adopt(target: &Target, prepared: &mut Prepared) {
    let is_named = |node: &Node| prepared.others.iter().any(|(own, _)| *own == node.identity);
    if target.nodes().any(is_named) {
        return;
    }
    let strength = prepared.fact.claims.iter().map(|claim| claim.strength).max().unwrap_or(Strength::Verified);
    let node = target.nodes().find(|node| node.id == target.node);
    prepared.others.extend(node.map(|node| (node.identity.clone(), strength)));
}
