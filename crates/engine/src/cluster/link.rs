//! The link between two identities: what said so, and whether it holds.

use std::cmp::Reverse;

use super::Tally;
use crate::config::Config;
use crate::fact::{Class, Identity, Strength};
use crate::id::{DirectiveId, NodeId};
use crate::time::Timestamp;

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The node.
    pub node: NodeId,
    /// Its identity.
    pub identity: Identity,
}

/// What said that two identities belong together, with one strength.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// How sure it was.
    pub strength: Strength,
    /// The instant that stands for it in the order of links: of what private keys said the earliest event time, of what public keys said
    /// the earliest receipt. A claimed time may place an event, and wins no identity.
    pub since: Timestamp,
    /// Who said so, how often, when.
    pub tally: Tally,
}

impl Evidence {
    /// What facts said that this tally counts, the first of them received at this instant.
    #[must_use]
    pub fn new(strength: Strength, tally: Tally, received_at: Timestamp) -> Self {
        let since = match strength.class() {
            Class::Private => tally.first,
            Class::Public => received_at,
        };
        Self { strength, since, tally }
    }
}

/// Which rule refuses a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HoldReason {
    /// Both sides hold a value of the exclusive namespace.
    Exclusive,
    /// One end is a hub.
    Hub,
    /// One end is a value that identifies nobody.
    Blocked,
    /// A namespace's limit, or the identities per profile.
    Limit,
    /// Someone separated the two sides.
    Separated,
    /// The cluster is at its bound.
    Full,
}

impl HoldReason {
    /// Its name, as answers and metrics show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Hub => "hub",
            Self::Blocked => "blocked",
            Self::Limit => "limit",
            Self::Separated => "separated",
            Self::Full => "full",
        }
    }
}

/// By what a link is undone on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severer {
    /// The document of this node has released the other end, or something with it.
    Document(NodeId),
    /// A directive separates its ends.
    Directive(DirectiveId),
}

/// Whether a link holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// It holds its profile together.
    Active,
    /// A rule refuses it; it becomes active by itself when the reason goes.
    Held(HoldReason),
    /// Undone on purpose, by one or several acts; it comes back when none of them is in force. Sorted, never empty.
    Severed(Vec<Severer>),
}

impl LinkState {
    /// Whether it is undone on purpose.
    #[must_use]
    pub fn is_severed(&self) -> bool {
        matches!(self, Self::Severed(_))
    }

    /// Whether this act has undone it.
    #[must_use]
    pub fn is_severed_by(&self, by: Severer) -> bool {
        matches!(self, Self::Severed(all) if all.contains(&by))
    }

    /// The state of a link that this act undoes as well.
    #[must_use]
    pub fn severed_by(self, by: Severer) -> Self {
        let mut all = match self {
            Self::Severed(all) => all,
            Self::Active | Self::Held(_) => Vec::new(),
        };
        if let Err(at) = all.binary_search(&by) {
            all.insert(at, by);
        }
        Self::Severed(all)
    }

    /// The state of a link that this act undoes no more: active, to be placed, where no other does.
    #[must_use]
    pub fn lifted_by(self, by: Severer) -> Self {
        match self {
            Self::Severed(mut all) => {
                all.retain(|own| *own != by);
                if all.is_empty() { Self::Active } else { Self::Severed(all) }
            }
            state @ (Self::Active | Self::Held(_)) => state,
        }
    }
}

/// That two identities were seen together. Between two nodes there is one link, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its ends, in the order of their identities.
    pub ends: [End; 2],
    /// What said so; never empty.
    pub evidence: Vec<Evidence>,
    /// Whether it holds.
    pub state: LinkState,
}

/// What a link counts for: an end that it may make a hub, by the word of keys of this class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The end of lower priority.
    pub low: End,
    /// Who links it.
    pub class: Class,
}

/// The place of a link in the walk: stronger first, then the instant that stands for it, then the bytes of both identities.
pub type Order<'a> = (Reverse<Strength>, Timestamp, &'a Identity, &'a Identity);

impl Link {
    /// A link with one piece of evidence, active until it is placed.
    #[must_use]
    pub fn new(one: End, other: End, evidence: Evidence) -> Self {
        let ends = if one.identity <= other.identity { [one, other] } else { [other, one] };
        Self { ends, evidence: vec![evidence], state: LinkState::Active }
    }

    /// Adds evidence.
    pub fn add(&mut self, evidence: Evidence) {
        let own = self
            .evidence
            .iter_mut()
            .find(|own| own.strength == evidence.strength && own.tally.source == evidence.tally.source);
        match own {
            Some(own) => {
                own.since = own.since.min(evidence.since);
                own.tally.absorb(&evidence.tally);
            }
            None => self.evidence.push(evidence),
        }
    }

    /// The strongest of its evidence.
    #[must_use]
    pub fn strength(&self) -> Strength {
        self.evidence.iter().map(|evidence| evidence.strength).max().unwrap_or(Strength::Claimed)
    }

    /// Whose word it is: one fact of a private key is enough.
    #[must_use]
    pub fn class(&self) -> Class {
        self.strength().class()
    }

    /// The instant that stands for it in the walk. Where private keys say it, what public keys say changes nothing.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        let class = self.class();
        let own = self.evidence.iter().filter(|evidence| evidence.strength.class() == class);
        own.map(|evidence| evidence.since).min().unwrap_or(Timestamp::MAX)
    }

    /// The smallest event time in its evidence.
    #[must_use]
    pub fn first_seen(&self) -> Timestamp {
        self.evidence.iter().map(|evidence| evidence.tally.first).min().unwrap_or(Timestamp::MAX)
    }

    /// The greatest event time in its evidence.
    #[must_use]
    pub fn last_seen(&self) -> Timestamp {
        self.evidence.iter().map(|evidence| evidence.tally.last).max().unwrap_or(Timestamp::MIN)
    }

    /// How many facts said so.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.evidence.iter().map(|evidence| evidence.tally.count).sum()
    }

    /// Whether no fact said so: such a link only keeps, severed, that a document has released an identity.
    #[must_use]
    pub fn is_mark(&self) -> bool {
        self.count() == 0
    }

    /// Its place in the walk.
    #[must_use]
    pub fn order(&self) -> Order<'_> {
        (Reverse(self.strength()), self.since(), &self.ends[0].identity, &self.ends[1].identity)
    }

    /// Whether it was said on purpose; such a link passes every rule but the bound.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.strength() == Strength::Joined
    }

    /// Whether it ends at this node.
    #[must_use]
    pub fn touches(&self, node: NodeId) -> bool {
        self.ends.iter().any(|end| end.node == node)
    }

    /// The end that is not this node.
    #[must_use]
    pub fn other(&self, node: NodeId) -> &End {
        if self.ends[0].node == node { &self.ends[1] } else { &self.ends[0] }
    }

    /// The end that this link may make a hub: the one of lower priority, unless its namespace is the exclusive one. Joined
    /// and severed links make no hub, nor do ends of equal priority. A document is none of the neighbours that are counted: it is found by
    /// the value, and of several the value is part of one.
    #[must_use]
    pub fn hub_end(&self, config: &Config) -> Option<&End> {
        if self.is_joined() || self.state.is_severed() {
            return None;
        }
        let [first, second] = &self.ends;
        let (low, high) = (config.priority(first.identity.namespace), config.priority(second.identity.namespace));
        let lower = match low.cmp(&high) {
            std::cmp::Ordering::Less => first,
            std::cmp::Ordering::Greater => second,
            std::cmp::Ordering::Equal => return None,
        };
        let is_document = config.document() == Some(self.other(lower.node).identity.namespace);
        (!is_document && Some(lower.identity.namespace) != config.exclusive()).then_some(lower)
    }

    /// What it counts for, if anything.
    #[must_use]
    pub fn neighbour(&self, config: &Config) -> Option<Neighbour> {
        self.hub_end(config).map(|low| Neighbour { low: low.clone(), class: self.class() })
    }

    /// An estimate of its stored bytes, rather high.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        16 + self.evidence.iter().map(|evidence| 8 + evidence.tally.size_bytes()).sum::<usize>()
    }
}
