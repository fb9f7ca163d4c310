//! What comes in: facts.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tessera_expr::heap::{Heap, allocated};

use crate::config::NamespaceId;
use crate::time::Timestamp;
use crate::value::{Path, Value};

/// An identity, normalised: `(email, ann@shop.example)`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Its namespace.
    pub namespace: NamespaceId,
    /// Its value in the one spelling that the namespace's normaliser gives; 1 to 512 bytes.
    pub value: Arc<str>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:***", self.namespace.number())
    }
}

/// Of which class the key is that said something: anybody can read a public one out of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Anybody may have said it.
    Public,
    /// A server said it, or a token of a server vouches for it.
    Private,
}

/// How sure it is that two identities belong together. The greater, the stronger: whatever a private key says stands above
/// whatever a public key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// A trait or a property, an alias or an external id that a public key sent.
    Claimed,
    /// An id of a call or a record that a public key sent.
    Observed,
    /// Read from a trait or a property that a private key sent.
    Stated,
    /// Sent with a private key, from a warehouse row, or with a checked token.
    Verified,
    /// Said by a person, or by an alias with a private key.
    Joined,
}

impl Strength {
    /// Whose word it is.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Claimed | Self::Observed => Class::Public,
            Self::Stated | Self::Verified | Self::Joined => Class::Private,
        }
    }

    /// Its name, as answers show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Observed => "observed",
            Self::Stated => "stated",
            Self::Verified => "verified",
            Self::Joined => "joined",
        }
    }
}

/// An identity as a fact names it, before its namespace's rules are applied.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim {
    /// The name of the namespace.
    pub namespace: Arc<str>,
    /// The value as it came.
    pub value: Arc<str>,
    /// How strongly it links to the fact's owner.
    pub strength: Strength,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:*** {:?}", self.namespace, self.strength)
    }
}

/// What an entry of a timeline says. Answers and rules know each by the name that clients send it under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// Something happened; it has a name of its own.
    Action,
    /// A page was viewed.
    PageView,
    /// A screen was viewed.
    ScreenView,
    /// A person was described.
    Description,
    /// A person was put into an account.
    Affiliation,
    /// Two ids were said to be of one person.
    SamePerson,
}

impl EventKind {
    /// Its name, as answers and rules know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Action => "track",
            Self::PageView => "page",
            Self::ScreenView => "screen",
            Self::Description => "identify",
            Self::Affiliation => "group",
            Self::SamePerson => "alias",
        }
    }

    /// Whether something happened: what rules call an event. The others are statements about who somebody is. They stand on the
    /// timeline, and no rule counts them.
    #[must_use]
    pub const fn is_event(self) -> bool {
        match self {
            Self::Action | Self::PageView | Self::ScreenView => true,
            Self::Description | Self::Affiliation | Self::SamePerson => false,
        }
    }
}

/// What of a fact stands on the timeline of its owner.
#[derive(Clone)]
pub struct Call {
    /// What kind of call it was.
    pub kind: EventKind,
    /// The event's name; none for identify, group and alias.
    pub name: Option<Arc<str>>,
    /// The payload, opaque here. The door that accepts it and the one that shows it agree on its form.
    pub payload: Bytes,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} payload_bytes={}", self.kind, self.payload.len())
    }
}

/// Attributes for an account, and the relation of the fact's owner to it.
#[derive(Debug, Clone)]
pub struct AccountFact {
    /// The account's identity.
    pub claim: Claim,
    /// What is said about the account, leaf by leaf.
    pub attributes: Vec<(Path, Value)>,
}

/// What becomes of values that the owner of a fact has from the same dataset, and that the fact does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replaces {
    /// They stay.
    #[default]
    Nothing,
    /// Those from before it count no more, also where they come later: the fact is all that its dataset says of its owner. What other
    /// datasets say stands.
    Fragment,
}

/// One statement about a person (or an account): an event, or a record of attributes.
///
/// It may come in any order, any number of times: [`Fact::key`] makes it one.
#[derive(Debug, Clone)]
pub struct Fact {
    /// Unique in its dataset: the message id of an event, the id of a record. 1 to 100 characters.
    pub id: Arc<str>,
    /// The dataset it comes from.
    pub dataset: Arc<str>,
    /// The named delivery it was part of, if any.
    pub batch: Option<Arc<str>>,
    /// When it happened or became true; the time of receipt where it is not said.
    pub time: Option<Timestamp>,
    /// The identities it carries. Its owner is the highest of them, unless [`Fact::document`] is given.
    pub claims: Vec<Claim>,
    /// The identity that owns it, where the fact says so itself: the document identity where a door keeps profiles as
    /// documents, the id that holds from now on in an alias.
    pub document: Option<Claim>,
    /// What it says about its owner, leaf by leaf; [`Value::Null`] removes.
    pub attributes: Vec<(Path, Value)>,
    /// The account it relates its owner to.
    pub account: Option<AccountFact>,
    /// What stands on the timeline; none for a record of attributes.
    pub call: Option<Call>,
    /// What it says, hashed; none where that is not asked.
    pub content: Option<Content>,
    /// What becomes of what its dataset said of its owner before.
    pub replaces: Replaces,
}

/// What makes a fact one: its dataset, and the id that it was sent with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactKey {
    /// The dataset.
    pub dataset: Arc<str>,
    /// The id.
    pub id: Arc<str>,
}

/// What a fact says, hashed: two facts of one key are the same only if they have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content(u64);

impl Content {
    /// The content with this hash, which whoever read the fact has made of all that it says, but for how it was sent.
    #[must_use]
    pub const fn of_hash(hash: u64) -> Self {
        Self(hash)
    }

    /// The hash.
    #[must_use]
    pub const fn hash(self) -> u64 {
        self.0
    }
}

tessera_expr::heap!(Claim: value);
tessera_expr::heap!(AccountFact: claim, attributes);
tessera_expr::heap!(Fact: id, claims, document, attributes, account, call);

impl Heap for Call {
    fn heap_bytes(&self) -> usize {
        self.name.heap_bytes() + allocated(self.payload.len())
    }
}

impl Fact {
    /// What makes it one.
    #[must_use]
    pub fn key(&self) -> FactKey {
        FactKey { dataset: self.dataset.clone(), id: self.id.clone() }
    }
}
