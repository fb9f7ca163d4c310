//! What a command does: facts, a command and `now` in; changes, notices and an outcome out.
//!
//! [`decide`] reads only its working set. When something is missing there it says so, leaves nothing behind, and is called
//! again. The order of work: `fact` applies what a fact says; `link` says what evidence does to a link; `settle` walks
//! clusters anew when links came or went; `directive`, `separate`, `erase` and `release` are the directives; `document` writes what an
//! API keeps as a document; `record` says what a dataset says of one identity, or that it says nothing any more; `sweep` brings one record under what changed for all; `effects` finds what moved;
//! `written` computes what is written into an event.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::{End, HoldReason};
use crate::document::PreparedDocument;
use crate::fact::{Call, FactKey, Identity, Strength};
use crate::id::{DirectiveId, EventId, Ids, NodeId};
use crate::prepare::{Ignored, Prepared, Rejection};
use crate::rules::{RuleWork, SegmentId};
use crate::time::Timestamp;
use crate::working::{Lack, Need, Working};

mod directive;
mod document;
mod effects;
mod erase;
mod fact;
mod link;
mod record;
mod release;
mod rule;
mod separate;
mod settle;
mod states;
mod sweep;
mod written;

pub use directive::{Acted, DIRECTIVE_DATASET, Directed, Directive, Named, Refusal};
pub use effects::{Effects, Merge, Moved};
pub use erase::{Erasure, EventErasure, Victim, events_of};
pub use link::winner;
pub use record::Forgetting;
pub use release::RELEASE_DATASET;
pub use rule::Settling;
pub use sweep::lags;

/// What is to be decided.
#[derive(Debug, Clone)]
pub enum Prompt {
    /// A fact.
    Fact(Prepared),
    /// Erase a profile or an identity.
    Erase(Erasure),
    /// Take what the facts of an erased node said out of this account.
    Unsay {
        /// The node that is no more.
        gone: NodeId,
        /// The account's node.
        account: NodeId,
    },
    /// Remove the link that did not hold between an erased node and this other one.
    Unlink {
        /// The node that is no more.
        gone: NodeId,
        /// The other end.
        other: NodeId,
    },
    /// Erase one fact.
    EraseEvent(EventErasure),
    /// Take an event whose window has ended off its timeline.
    EndEvent(EventErasure),
    /// A directive of people, under its id.
    Directive(DirectiveId, Directive),
    /// Bring the record of this cluster under the sweeps that it has not seen.
    Sweep(NodeId),
    /// Bring the memberships of the record that holds this node to now.
    Settle(NodeId, Settling),
    /// Write a document.
    Document(Box<PreparedDocument>),
    /// All that a dataset says of its owner from now on, in place of what it said before.
    Record(Box<Prepared>),
    /// A dataset says nothing of an identity any more.
    Forget(Forgetting),
    /// An event, in place of the one of its dataset and id that came before.
    ReplaceEvent(Box<Prepared>),
    /// An event is off its timeline, as if it had never come.
    ForgetEvent(FactKey),
    /// Mark the profile that holds this node as used now, and bring its memberships to now.
    Touch(NodeId),
    /// Release an identity from a document.
    Release {
        /// The document's identity.
        document: Identity,
        /// The identity to let go.
        identity: Identity,
    },
}

/// When and with which ids a command is decided.
#[derive(Debug)]
pub struct Context<'a> {
    /// The instant of the decision: the time of receipt. It never repeats in a workspace.
    pub now: Timestamp,
    /// Where new ids come from.
    pub ids: &'a mut Ids,
}

/// A call that was accepted onto a timeline.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The node that owns it.
    pub node: NodeId,
    /// Its time.
    pub time: Timestamp,
    /// Its id.
    pub id: EventId,
    /// The id it was sent with.
    pub fact_id: Arc<str>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The dataset.
    pub dataset: Arc<str>,
    /// The named delivery.
    pub batch: Option<Arc<str>>,
    /// The identities it carried, its owner first.
    pub identities: Vec<Identity>,
    /// What stands on the timeline.
    pub call: Call,
}

/// A link that was held when evidence for it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldNote {
    /// The rule that holds it.
    pub rule: HoldReason,
    /// How sure it is.
    pub strength: Strength,
    /// Its ends.
    pub between: [Identity; 2],
    /// The link that won against it, if one did.
    pub won: Option<[Identity; 2]>,
}

/// Something that others may want to know, once it is committed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// Anything about a profile changed.
    ProfileChanged(NodeId),
    /// A profile id is no more; this one holds its smallest node now.
    ProfileMerged {
        /// The id that is no more.
        from: NodeId,
        /// The profile that it resolves to.
        into: NodeId,
    },
    /// A node belongs to another profile than before.
    IdentityMoved {
        /// The node.
        node: NodeId,
        /// The profile it left.
        from: NodeId,
        /// The profile it is part of now.
        into: NodeId,
    },
    /// A profile was erased.
    ProfileErased(NodeId),
    /// A profile became a member of a segment, or ceased to be one.
    Membership {
        /// The profile.
        profile: NodeId,
        /// The segment.
        segment: SegmentId,
        /// When: by a write its own instant, by time alone the instant at which it came true.
        at: Timestamp,
        /// Whether it is a member from then on.
        is_inside: bool,
    },
}

/// An erased node of which something is still to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// The node. Links of it that did not hold may stand; nothing shows them any more, and [`Prompt::Unlink`] removes each.
    pub node: NodeId,
    /// The accounts that its facts said something of, which [`Prompt::Unsay`] takes out of each.
    pub accounts: Vec<NodeId>,
}

/// What the write of a document came to.
#[derive(Debug, Clone)]
pub struct Documented {
    /// The node of the document.
    pub document: NodeId,
    /// Whether it was made by this: neither the document nor the profile that becomes it was there.
    pub is_new: bool,
    /// Identities that were left to another document, from which this one stays apart.
    pub left_out: Vec<Identity>,
    /// Identities that were let go of.
    pub released: Vec<Identity>,
    /// Identities that identify nobody.
    pub ignored: Vec<Ignored>,
    /// Links that a rule refused.
    pub held: Vec<HeldNote>,
    /// Its event, if it has one.
    pub event: Option<Box<NewEvent>>,
}

/// Where the row of an event stands: its owner, its time, its id.
pub type EventPlace = (NodeId, Timestamp, EventId);

/// An event that took the place of another one, or of none.
#[derive(Debug, Clone)]
pub struct ReplacedEvent {
    /// Its owner.
    pub owner: NodeId,
    /// Where the one before it stood.
    pub before: Option<EventPlace>,
    /// The event.
    pub event: Option<Box<NewEvent>>,
    /// Identities that were left out.
    pub ignored: Vec<Ignored>,
    /// Links that a rule refused.
    pub held: Vec<HeldNote>,
}

/// What an erasure removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The profile's id.
    pub profile: NodeId,
    /// The nodes that are no more; their timelines are still to be purged.
    pub nodes: Vec<(NodeId, Identity)>,
    /// Links removed, those that did not hold as well.
    pub links: u64,
    /// Those of the nodes of which more is left than one commit takes.
    pub loose: Vec<Loose>,
    /// Cells removed.
    pub cells: u64,
    /// Events removed.
    pub events: u64,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The fact is part of the profile.
    Accepted {
        /// Its owner.
        owner: NodeId,
        /// Identities that were left out.
        ignored: Vec<Ignored>,
        /// Links that a rule refused.
        held: Vec<HeldNote>,
        /// Its event, if it has one.
        event: Option<Box<NewEvent>>,
    },
    /// The fact is part of a profile already.
    Duplicate,
    /// A fact of this dataset and id that says something else is part of a profile already, and stays as it is.
    Differs,
    /// The fact is refused.
    Rejected(Rejection),
    /// The profile is gone.
    Erased(Erased),
    /// The document says what it was told.
    Documented(Box<Documented>),
    /// Other documents hold these identities; nothing changed.
    DocumentTaken(Vec<Identity>),
    /// The identity is released; how many links were severed.
    Released {
        /// Links severed.
        severed: usize,
    },
    /// The directive is in force, or was already.
    Directed(Directed),
    /// The directive cannot be; nothing changed.
    Refused(Refusal),
    /// The record is under the sweeps up to this number, and nothing that had ended by now is in it.
    Swept(u64),
    /// Some of the record is; the links that it changes are too many for one command. The next one goes on.
    SweptInPart,
    /// The link between an erased node and another is no more, or what it said of an account.
    Unlinked,
    /// The event is off its timeline.
    EventEnded,
    /// The dataset says nothing of the identity any more.
    Forgotten,
    /// The event stands on its timeline, alone of its dataset and id.
    EventReplaced(Box<ReplacedEvent>),
    /// The event is off its timeline; its row is this one, if it had one.
    EventForgotten(Option<EventPlace>),
    /// The profile counts as used now.
    Touched,
    /// The memberships are as they are now.
    Settled,
    /// Some of the memberships are; it took more than one command may. The next one goes on.
    SettledInPart,
    /// What the directive names is not there.
    NotFound,
}

/// What has to be read before a command is decided, first round: whose it is, and whether it is known.
#[must_use]
pub fn first_needs(prompt: &Prompt) -> Vec<Need> {
    match prompt {
        Prompt::Fact(prepared) => {
            let identities = std::iter::once(&prepared.owner)
                .chain(prepared.others.iter().map(|(identity, _)| identity))
                .chain(&prepared.account);
            let identities = identities.map(|identity| Need::Identity(identity.clone()));
            std::iter::once(Need::Fact(prepared.fact.key())).chain(identities).collect()
        }
        Prompt::Erase(erasure) => vec![Need::Home(erasure.victim.node())],
        Prompt::EraseEvent(erasure) | Prompt::EndEvent(erasure) => {
            vec![Need::Fact(erasure.key()), Need::Home(erasure.node)]
        }
        Prompt::ForgetEvent(key) => vec![Need::Fact(key.clone())],
        Prompt::ReplaceEvent(prepared) => {
            let identities =
                std::iter::once(&prepared.owner).chain(prepared.others.iter().map(|(identity, _)| identity));
            let identities = identities.map(|identity| Need::Identity(identity.clone()));
            std::iter::once(Need::Fact(prepared.fact.key())).chain(identities).collect()
        }
        Prompt::Record(prepared) => {
            let others = prepared.others.iter().map(|(identity, _)| identity);
            std::iter::once(&prepared.owner).chain(others).map(|identity| Need::Identity(identity.clone())).collect()
        }
        Prompt::Forget(Forgetting { node, .. }) => vec![Need::Home(*node)],
        Prompt::Directive(_, directive) => directive.first_needs(),
        Prompt::Sweep(cluster) => vec![Need::Cluster(*cluster)],
        Prompt::Unlink { gone, other } => vec![Need::Held(*gone, *other)],
        Prompt::Unsay { gone: _, account } => vec![Need::Home(*account)],
        Prompt::Settle(node, _) | Prompt::Touch(node) => vec![Need::Home(*node)],
        Prompt::Document(write) => {
            let identities = write.identities().map(|identity| Need::Identity(identity.clone()));
            let of = write.of.map(Need::Home);
            std::iter::once(Need::Fact(write.prepared.fact.key())).chain(identities).chain(of).collect()
        }
        Prompt::Release { document, identity } => {
            vec![Need::Identity(document.clone()), Need::Identity(identity.clone())]
        }
    }
}

/// What has to be read next: the records of the profiles found, and the links between them that do not hold.
#[must_use]
pub fn second_needs(prompt: &Prompt, working: &Working) -> Vec<Need> {
    let row = |identity: &Identity| working.identity(identity).ok().flatten();
    let mut needs = Vec::new();
    match prompt {
        Prompt::Fact(prepared) => {
            let owner = row(&prepared.owner);
            needs.extend(owner.map(|row| Need::Cluster(row.cluster)));
            for other in prepared.others.iter().filter_map(|(identity, _)| row(identity)) {
                let Some(owner) = owner else {
                    needs.push(Need::Cluster(other.cluster));
                    continue;
                };
                if other.cluster != owner.cluster {
                    needs.push(Need::Cluster(other.cluster));
                    needs.push(Need::Held(owner.node, other.node));
                }
            }
            needs.extend(prepared.account.as_ref().and_then(row).map(|row| Need::Cluster(row.cluster)));
            let all = std::iter::once(&prepared.owner).chain(prepared.others.iter().map(|(identity, _)| identity));
            let new = all.chain(&prepared.account).filter(|identity| row(identity).is_none());
            needs.extend(new.map(|identity| Need::Suppression(identity.clone())));
        }
        Prompt::Erase(erasure) => {
            needs.extend(working.home(erasure.victim.node()).ok().flatten().map(Need::Cluster));
        }
        Prompt::EraseEvent(erasure) | Prompt::EndEvent(erasure) => {
            needs.extend(working.home(erasure.node).ok().flatten().map(Need::Cluster));
        }
        Prompt::Directive(_, directive) => needs.extend(directive.second_needs(working)),
        Prompt::ForgetEvent(_) => {}
        Prompt::ReplaceEvent(prepared) => {
            let all = || std::iter::once(&prepared.owner).chain(prepared.others.iter().map(|(identity, _)| identity));
            needs.extend(all().filter_map(row).map(|row| Need::Cluster(row.cluster)));
            let new = all().filter(|identity| row(identity).is_none());
            needs.extend(new.map(|identity| Need::Suppression(identity.clone())));
        }
        Prompt::Record(prepared) => {
            let all = || std::iter::once(&prepared.owner).chain(prepared.others.iter().map(|(identity, _)| identity));
            needs.extend(all().filter_map(row).map(|row| Need::Cluster(row.cluster)));
            needs.extend(row(&prepared.owner).map(|row| Need::HeldOf(row.node)));
            let new = all().filter(|identity| row(identity).is_none());
            needs.extend(new.map(|identity| Need::Suppression(identity.clone())));
        }
        Prompt::Settle(node, _)
        | Prompt::Touch(node)
        | Prompt::Forget(Forgetting { node, .. })
        | Prompt::Unsay { gone: _, account: node } => {
            needs.extend(working.home(*node).ok().flatten().map(Need::Cluster));
        }
        Prompt::Sweep(_) | Prompt::Unlink { .. } => {}
        Prompt::Document(write) => {
            needs.extend(write.identities().filter_map(row).map(|row| Need::Cluster(row.cluster)));
            needs.extend(write.of.and_then(|node| working.home(node).ok().flatten()).map(Need::Cluster));
            let new = write.identities().filter(|identity| row(identity).is_none());
            needs.extend(new.map(|identity| Need::Suppression(identity.clone())));
        }
        Prompt::Release { document, identity } => {
            needs.extend([document, identity].into_iter().filter_map(row).map(|row| Need::Cluster(row.cluster)));
        }
    }
    needs
}

/// Decides one command over the working set. Afterwards the working set holds its changes, or it lacks something and is as
/// before.
///
/// # Errors
/// [`Lack`]: what has to be read first. The number of rounds is bounded by the clusters that a command touches.
pub fn decide(
    prompt: &Prompt,
    working: &mut Working,
    context: &mut Context<'_>,
    effects: &mut Effects,
) -> Result<Outcome, Lack> {
    let allowed = working.rules_allowed();
    let mut act = Act {
        working,
        now: context.now,
        ids: context.ids,
        notices: BTreeSet::new(),
        walked: effects::Walked::default(),
        seen: rule::Seen::default(),
        rules_left: allowed,
    };
    let outcome = match prompt {
        Prompt::Fact(prepared) => act.fact(prepared),
        Prompt::Erase(erasure) => act.erase(erasure),
        Prompt::Unlink { gone, other } => act.unlink(*gone, *other),
        Prompt::Unsay { gone, account } => act.unsay_of(*account, &|by| by == *gone).map(|_| Outcome::Unlinked),
        Prompt::EraseEvent(erasure) => act.erase_event(erasure),
        Prompt::EndEvent(erasure) => act.end_event(erasure),
        Prompt::Directive(id, directive) => act.directive(*id, directive),
        Prompt::Sweep(cluster) => act.sweep(*cluster),
        Prompt::Settle(node, settling) => act.settle_rules(*node, *settling),
        Prompt::Document(write) => act.document(write),
        Prompt::Record(prepared) => act.record(prepared),
        Prompt::Forget(forgetting) => act.forget(forgetting),
        Prompt::ReplaceEvent(prepared) => act.replace_event(prepared),
        Prompt::ForgetEvent(key) => act.forget_event(key).map(Outcome::EventForgotten),
        Prompt::Touch(node) => act.touch(*node),
        Prompt::Release { document, identity } => act.release(document, identity),
    };
    let outcome = outcome.and_then(|outcome| {
        let is_walked = act.walked.has_walked();
        let walk = act.tell_walked()?;
        act.update_memberships(prompt, is_walked)?;
        let is_in_part = matches!(outcome, Outcome::Settled) && act.seen.is_unfinished();
        Ok((if is_in_part { Outcome::SettledInPart } else { outcome }, walk))
    });
    let (notices, spent) = (act.notices, allowed.without(act.rules_left));
    match outcome {
        Ok((outcome @ (Outcome::Refused(_) | Outcome::Rejected(_) | Outcome::DocumentTaken(_)), _)) => {
            working.abandon();
            Ok(outcome)
        }
        Ok((outcome, walk)) => {
            working.keep();
            working.spend_rules(spent);
            effects.notices.extend(notices);
            effects.moved.extend(walk.moved);
            effects.merges.extend(walk.merges);
            Ok(outcome)
        }
        Err(lack) => {
            working.abandon();
            Err(lack)
        }
    }
}

/// One command while it is decided.
struct Act<'a> {
    working: &'a mut Working,
    now: Timestamp,
    ids: &'a mut Ids,
    notices: BTreeSet<Notice>,
    walked: effects::Walked,
    seen: rule::Seen,
    /// What rules may still take for it.
    rules_left: RuleWork,
}

impl Act<'_> {
    /// The end of a link at this identity, which has a node by now.
    fn end(&self, identity: &Identity) -> Result<End, Lack> {
        Ok(End { node: self.working.known(identity)?.node, identity: identity.clone() })
    }
}
