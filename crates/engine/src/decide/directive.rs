//! Directives of people: two profiles are joined, a join is undone, a profile is separated, a separation is lifted.
//!
//! A join is a link of its own, said by the directive; undoing takes just that away. A separation severs what lies across, and
//! keeps the two sides apart; lifting takes both back. So the profiles are a function of the facts and of the directives in
//! force: one that has ended leaves nothing behind.

use std::sync::Arc;

use super::command::Decide;
use super::{Act, Outcome};
use crate::cluster::{Cluster, End, Evidence, HoldReason, Link, LinkState, Severer, Source, Tally};
use crate::fact::{Identity, Strength};
use crate::id::{DirectiveId, NodeId};
use crate::prepare::Rejection;
use crate::working::{IdentityRow, Lack, Need, Working};

/// The dataset that directives name in the evidence of the links they make; the batch is the directive's id. No fact is of a
/// dataset that begins so.
pub const DIRECTIVE_DATASET: &str = "$directive";

/// Separations that one node may be part of.
pub(super) const SEPARATIONS_MAX: usize = 100;

/// An identity, by itself or by its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By what it is.
    Identity(Identity),
    /// By the node that it has had.
    Node(NodeId),
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    /// The two identities are one person.
    Join([Identity; 2]),
    /// These identities of one profile are one person, its other ones another. With `rest` given, as a past merge has it, nodes on
    /// neither side go with the side that they hang to, with the rest where they hang to both or none.
    Separate {
        /// One side.
        side: Vec<Named>,
        /// Nodes of the other side, where not all others are.
        rest: Option<Vec<NodeId>>,
    },
    /// As if that join had never been.
    Undo {
        /// The join.
        join: DirectiveId,
        /// The nodes that it joined.
        between: [NodeId; 2],
    },
    /// As if that separation had never been.
    Lift {
        /// The separation.
        separation: DirectiveId,
        /// The nodes that it keeps apart.
        apart: [NodeId; 2],
        /// The nodes of its side.
        side: Vec<NodeId>,
    },
}

/// What a directive came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directed {
    /// What was done.
    pub acted: Acted,
    /// The profiles of the identities that it names, as they are now; each once, sorted.
    pub profiles: Vec<NodeId>,
}

/// What a directive did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acted {
    /// It joins these nodes.
    Joined {
        /// The nodes.
        between: [NodeId; 2],
    },
    /// A directive of before joins these nodes already; nothing changed.
    JoinedBefore {
        /// That directive.
        by: DirectiveId,
    },
    /// What it names was ended before; nothing changed.
    EndedBefore {
        /// By that directive.
        by: DirectiveId,
    },
    /// It keeps these nodes apart.
    Separated {
        /// The nodes: that of the side given, that of the rest.
        apart: [NodeId; 2],
        /// All nodes of the side.
        side: Vec<NodeId>,
    },
    /// It has ended what it names.
    Ended,
}

/// Why a directive cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// An identity that it names is not known.
    UnknownIdentity,
    /// The identities of a join are one.
    OneIdentity,
    /// The identities are of a person and of an account.
    DifferentKinds,
    /// The identities to be separated are not of one profile.
    NotOneProfile,
    /// The identities to be separated are all that their profile holds.
    WholeProfile {
        /// The separations that one of them is part of.
        separations: Vec<DirectiveId>,
    },
    /// A node is part of as many separations as it may be.
    TooManySeparations,
    /// The join would not hold the two together.
    WouldNotHold {
        /// The rule, if one holds it.
        rule: Option<HoldReason>,
        /// Directives that keep the two apart.
        separations: Vec<DirectiveId>,
    },
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Directive {
    fn first_needs(&self) -> Vec<Need> {
        match self {
            Self::Join(identities) => identities.iter().cloned().map(Need::Identity).collect(),
            Self::Separate { side, rest: _ } => side
                .iter()
                .map(|named| match named {
                    Named::Identity(identity) => Need::Identity(identity.clone()),
                    Named::Node(node) => Need::Home(*node),
                })
                .collect(),
            Self::Undo { between, .. } => between.iter().copied().map(Need::Home).collect(),
            Self::Lift { apart, side, .. } => {
                let nodes = apart.iter().chain(side).copied();
                nodes.flat_map(|node| [Need::Home(node), Need::HeldOf(node)]).collect()
            }
        }
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        let of_identity = |identity: &Identity| Some(working.identity(identity).ok()??.cluster);
        let of_node = |node: &NodeId| working.home(*node).ok()?;
        let clusters: Vec<Option<NodeId>> = match self {
            Self::Join(identities) => identities.iter().map(of_identity).collect(),
            Self::Separate { side, rest: _ } => side
                .iter()
                .map(|named| match named {
                    Named::Identity(identity) => of_identity(identity),
                    Named::Node(node) => of_node(node),
                })
                .collect(),
            Self::Undo { between, .. } => between.iter().map(of_node).collect(),
            Self::Lift { apart, side, .. } => apart.iter().chain(side).map(of_node).collect(),
        };
        clusters.into_iter().flatten().map(Need::Cluster).collect()
    }
}

/// A directive, under its id.
#[derive(Debug, Clone)]
pub struct GivenDirective {
    /// The id.
    pub id: DirectiveId,
    /// What it says.
    pub directive: Directive,
}

impl Decide for GivenDirective {
    fn first_needs(&self) -> Vec<Need> {
        self.directive.first_needs()
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        self.directive.second_needs(working)
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        act.directive(self.id, &self.directive)
    }
}

/// The source of what a directive says.
pub(super) fn said_by(id: DirectiveId) -> Source {
    Source::of_ours(DIRECTIVE_DATASET, Some(id.to_string().into()))
}

impl Act<'_> {
    fn directive(&mut self, id: DirectiveId, directive: &Directive) -> Result<Outcome, Lack> {
        match directive {
            Directive::Join([one, other]) => self.join(id, one, other),
            Directive::Separate { side, rest } => self.separate(id, side, rest.as_deref()),
            Directive::Undo { join, between } => self.undo(*join, *between),
            Directive::Lift { separation, apart, side } => self.lift_separation(*separation, *apart, side),
        }
    }

    fn join(&mut self, id: DirectiveId, one: &Identity, other: &Identity) -> Result<Outcome, Lack> {
        if one == other {
            return Ok(Refusal::OneIdentity.into());
        }
        let rows = [self.working.identity(one)?, self.working.identity(other)?];
        let [Some(first), Some(second)] = rows else { return Ok(Refusal::UnknownIdentity.into()) };
        let kind = |identity: &Identity| self.working.config().find(identity.namespace).map(|own| own.kind);
        if kind(one) != kind(other) {
            return Ok(Refusal::DifferentKinds.into());
        }
        let ends =
            [(one, first), (other, second)].map(|(identity, row)| End { node: row.node, identity: identity.clone() });
        let cluster = self.working.cluster(first.cluster)?;
        if let Some(by) = self.link_to(&cluster, &ends[0], &ends[1])?.as_ref().and_then(joined_by) {
            let profiles = self.profiles_of(&[first.node, second.node])?;
            if profiles.len() > 1 {
                return Ok(self.would_not_hold(&ends)?.into());
            }
            return Ok(Outcome::Directed(Directed { acted: Acted::JoinedBefore { by }, profiles }));
        }
        let tally = Tally::one(said_by(id), self.now);
        let evidence = Evidence::new(Strength::Joined, tally, self.now);
        self.see_together(one, other, evidence, false)?;
        let between = [first.node, second.node];
        let profiles = self.profiles_of(&between)?;
        if profiles.len() > 1 {
            return Ok(self.would_not_hold(&ends)?.into());
        }
        Ok(Outcome::Directed(Directed { acted: Acted::Joined { between }, profiles }))
    }

    /// Why a join that was tried does not hold.
    fn would_not_hold(&self, ends: &[End; 2]) -> Result<Refusal, Lack> {
        let row = self.working.known(&ends[0].identity)?;
        let cluster = self.working.cluster(row.cluster)?;
        let link = self.link_to(&cluster, &ends[0], &ends[1])?;
        let (rule, by) = match link.map(|link| link.state) {
            Some(LinkState::Held(rule)) => (Some(rule), Vec::new()),
            Some(LinkState::Severed(by)) => (None, by),
            Some(LinkState::Active) | None => (None, Vec::new()),
        };
        let mut separations: Vec<DirectiveId> = by
            .into_iter()
            .filter_map(|by| match by {
                Severer::Directive(id) => Some(id),
                Severer::Document(_) => None,
            })
            .collect();
        if rule == Some(HoldReason::Separated) {
            separations.extend(separations_between(&cluster, ends[0].node, ends[1].node));
        }
        Ok(Refusal::WouldNotHold { rule, separations })
    }

    fn undo(&mut self, join: DirectiveId, between: [NodeId; 2]) -> Result<Outcome, Lack> {
        if let Some(link) = self.link_of(between)? {
            let after = without(&link, &said_by(join));
            self.replace_less(&link, after)?;
        }
        let profiles = self.profiles_of(&between)?;
        Ok(Outcome::Directed(Directed { acted: Acted::Ended, profiles }))
    }

    fn lift_separation(
        &mut self,
        separation: DirectiveId,
        apart: [NodeId; 2],
        side: &[NodeId],
    ) -> Result<Outcome, Lack> {
        let by = Severer::Directive(separation);
        self.working.require_held_of(side.iter().chain(&apart).copied())?;
        for node in apart {
            let Some(home) = self.working.home(node)? else { continue };
            let mut cluster = self.working.edit(home)?;
            let own = cluster.node_mut(node).ok_or(Lack::Torn)?;
            own.separated.retain(|own| own.directive != separation);
            self.put_restaged(cluster);
            self.end_joins(separation, node)?;
        }
        let mut severed = Vec::new();
        for node in side {
            severed.extend(self.working.held_of(*node)?.into_iter().filter(|link| link.state.is_severed_by(by)));
        }
        severed.sort_by(|one, other| one.order().cmp(&other.order()));
        severed.dedup_by(|one, other| one.ends == other.ends);
        self.lift_all(severed, by)?;
        let nodes: Vec<NodeId> = side.iter().chain(&apart).copied().collect();
        let profiles = self.profiles_of(&nodes)?;
        Ok(Outcome::Directed(Directed { acted: Acted::Ended, profiles }))
    }

    /// Takes away the joins that a directive made at this node.
    fn end_joins(&mut self, id: DirectiveId, node: NodeId) -> Result<(), Lack> {
        let source = said_by(id);
        let Some(home) = self.working.home(node)? else { return Ok(()) };
        let says = |link: &Link| link.touches(node) && link.evidence.iter().any(|own| own.tally.source == source);
        let mut links: Vec<Link> =
            self.working.cluster(home)?.links.iter().filter(|link| says(link)).cloned().collect();
        links.extend(self.working.held_of(node)?.into_iter().map(Arc::unwrap_or_clone).filter(says));
        for link in links {
            let after = without(&link, &source);
            self.replace_less(&link, after)?;
        }
        Ok(())
    }

    /// Puts a link in the place of one that said more, and drops the ends that were there only by it.
    pub(super) fn replace_less(&mut self, before: &Link, after: Option<Link>) -> Result<(), Lack> {
        self.replace_link(before, after)?;
        for end in &before.ends {
            self.drop_orphan(end)?;
        }
        Ok(())
    }

    /// The link between two nodes, wherever it stands, if both are still there.
    pub(super) fn link_of(&self, between: [NodeId; 2]) -> Result<Option<Link>, Lack> {
        let [Some(home), Some(_)] = [self.working.home(between[0])?, self.working.home(between[1])?] else {
            return Ok(None);
        };
        let cluster = self.working.cluster(home)?;
        match cluster.link_between(between[0], between[1]) {
            Some(at) => Ok(Some(cluster.links[at].clone())),
            None => Ok(self.working.held(between[0], between[1])?.map(Arc::unwrap_or_clone)),
        }
    }

    /// The row of an identity that a directive names, if it has one, and the identity.
    pub(super) fn row_of(&self, named: &Named) -> Result<Option<(Identity, IdentityRow)>, Lack> {
        match named {
            Named::Identity(identity) => Ok(self.working.identity(identity)?.map(|row| (identity.clone(), row))),
            Named::Node(node) => {
                let Some(cluster) = self.working.home(*node)? else { return Ok(None) };
                let identity = self.working.cluster(cluster)?.node(*node).ok_or(Lack::Torn)?.identity.clone();
                Ok(Some((identity, IdentityRow { node: *node, cluster })))
            }
        }
    }

    /// The profiles of those of these nodes that are still there; each once, sorted.
    pub(super) fn profiles_of(&self, nodes: &[NodeId]) -> Result<Vec<NodeId>, Lack> {
        let mut profiles = Vec::new();
        for node in nodes {
            let Some(home) = self.working.home(*node)? else { continue };
            profiles.push(self.working.cluster(home)?.profile_id(*node).ok_or(Lack::Torn)?);
        }
        profiles.sort_unstable();
        profiles.dedup();
        Ok(profiles)
    }
}

/// The directive that joins the ends of a link, if one does.
fn joined_by(link: &Link) -> Option<DirectiveId> {
    let sources = link.evidence.iter().map(|evidence| &evidence.tally.source);
    let ours = sources.filter(|source| *source.dataset == *DIRECTIVE_DATASET);
    ours.filter_map(|source| DirectiveId::parse(source.batch.as_deref()?).ok()).next()
}

/// A link without what one source says; none when nothing is left that it has to be kept for.
fn without(link: &Link, source: &Source) -> Option<Link> {
    let mut link = link.clone();
    link.evidence.retain(|evidence| evidence.tally.source != *source);
    kept(link)
}

/// A link whose evidence has become less: a severed one stays as a mark, another needs a fact that says so.
pub(super) fn kept(mut link: Link) -> Option<Link> {
    if link.evidence.is_empty() && link.state.is_severed() {
        link.evidence.push(super::release::mark_evidence(crate::time::Timestamp::MIN));
    }
    (!link.evidence.is_empty() && (link.state.is_severed() || !link.is_mark())).then_some(link)
}

/// The directives that keep apart the profiles of two nodes of a cluster.
fn separations_between(cluster: &Cluster, one: NodeId, other: NodeId) -> Vec<DirectiveId> {
    let in_profile = |node: NodeId| cluster.piece(node).flat_map(|node| &node.separated);
    let others: Vec<NodeId> = cluster.piece(other).map(|node| node.id).collect();
    in_profile(one).filter(|own| others.contains(&own.other)).map(|own| own.directive).collect()
}

/// What is told to whoever sends a directive that cannot be.
impl Refusal {
    /// Its stable code, and what was expected.
    #[must_use]
    pub fn rejection(&self) -> Rejection {
        match self {
            Self::UnknownIdentity => Rejection::new("identity_not_found", "identities of profiles are expected"),
            Self::OneIdentity => Rejection::new("one_identity", "two different identities are expected"),
            Self::DifferentKinds => {
                Rejection::new("kind_mismatch", "identities of two persons, or of two accounts, are expected")
            }
            Self::NotOneProfile => Rejection::new("not_one_profile", "identities of one profile are expected"),
            Self::WholeProfile { .. } => {
                let message = "fewer identities are expected than the profile holds: there is nothing to separate from";
                Rejection::new("nothing_to_separate", message)
            }
            Self::TooManySeparations => {
                let message = format!("one identity may be part of at most {SEPARATIONS_MAX} separations in force");
                Rejection::new("too_many_separations", message)
            }
            Self::WouldNotHold { rule: Some(HoldReason::Separated), separations }
            | Self::WouldNotHold { rule: None, separations }
                if !separations.is_empty() =>
            {
                let ids: Vec<String> = separations.iter().map(ToString::to_string).collect();
                let message = format!("a separation keeps the two apart; lift it first ({})", ids.join(", "));
                Rejection::new("separation_in_force", message)
            }
            Self::WouldNotHold { rule: Some(HoldReason::Full), .. } => {
                Rejection::new("cluster_full", "the two together would hold more identities than are kept as one")
            }
            Self::WouldNotHold { rule: Some(HoldReason::Blocked), .. } => {
                Rejection::new("identity_blocked", "identities are expected whose values are not blocked")
            }
            Self::WouldNotHold { .. } => {
                let message = "the link between the two is severed: a document has released one of them";
                Rejection::new("link_severed", message)
            }
        }
    }
}
