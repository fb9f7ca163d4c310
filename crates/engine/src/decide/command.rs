//! All commands. Each is a type that says what has to be read before it is decided, and decides.

use super::{
    Act, Erasure, EventErasure, EventExpiry, EventForgetting, EventReplacement, EventRewriting, Forgetting,
    GivenDirective, LinkRemoval, Outcome, Record, Release, Retraction, Settlement, Sweep, Touch,
};
use crate::document::PreparedDocument;
use crate::fact::Identity;
use crate::prepare::Prepared;
use crate::working::{IdentityRow, Lack, Need, Working};

/// What a command reads, and what it does.
pub(super) trait Decide {
    /// What has to be read first: whose it is, and whether it is known.
    fn first_needs(&self) -> Vec<Need>;

    /// What has to be read next: the records of the profiles found, and links between them that do not hold.
    fn second_needs(&self, working: &Working) -> Vec<Need>;

    /// Does it over the working set.
    ///
    /// # Errors
    /// What is missing in the working set.
    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack>;

    /// The only thing that it says of its profiles, where there is such: then that tells which memberships it can change. Any of them
    /// otherwise.
    fn says_only(&self) -> Option<&Prepared> {
        None
    }

    /// The fact that it says, if it says one.
    fn said(&self) -> Option<&Prepared> {
        None
    }

    /// The same command, which says this fact; none if it says none.
    fn saying(&self, prepared: Prepared) -> Option<Command> {
        let _ = prepared;
        None
    }
}

/// Lists commands: the enum of them, how each is made one, and where each is decided.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($command:ty),)*) => {
        /// What is to be decided.
        #[derive(Debug, Clone)]
        pub enum Command {
            $($(#[$doc])* $name($command),)*
        }

        impl Command {
            pub(super) fn of(&self) -> &dyn Decide {
                match self {
                    $(Self::$name(command) => command,)*
                }
            }
        }

        $(impl From<$command> for Command {
            fn from(command: $command) -> Self {
                Self::$name(command)
            }
        })*
    };
}

commands! {
    /// A fact.
    Fact(Prepared),
    /// Write a document.
    Document(Box<PreparedDocument>),
    /// All that a dataset says of its owner from now on, in place of what it said before.
    Record(Record),
    /// A dataset says nothing of an identity any more.
    Forget(Forgetting),
    /// An event, in place of the one of its dataset and id that came before.
    ReplaceEvent(EventReplacement),
    /// An event is off its timeline, as if it had never come.
    ForgetEvent(EventForgetting),
    /// A directive of people, under its id.
    Directive(GivenDirective),
    /// Release an identity from a document.
    Release(Release),
    /// Erase a profile or an identity.
    Erase(Erasure),
    /// Erase one fact.
    EraseEvent(EventErasure),
    /// Take some of what was written into an event out of it.
    RewriteEvent(Box<EventRewriting>),
    /// Take an event whose window has ended off its timeline.
    EndEvent(EventExpiry),
    /// Remove the link that did not hold between an erased node and another one.
    Unlink(LinkRemoval),
    /// Take what the facts of an erased node said out of an account.
    Unsay(Retraction),
    /// Bring a record under the sweeps that it has not seen.
    Sweep(Sweep),
    /// Bring the memberships of a record to now.
    Settle(Settlement),
    /// Mark a profile as used now, and bring its memberships to now.
    Touch(Touch),
}

impl Command {
    /// What has to be read before it is decided, first round.
    #[must_use]
    pub fn first_needs(&self) -> Vec<Need> {
        self.of().first_needs()
    }

    /// What has to be read before it is decided, once the first round is there.
    #[must_use]
    pub fn second_needs(&self, working: &Working) -> Vec<Need> {
        self.of().second_needs(working)
    }

    /// The fact that it says, if it says one.
    #[must_use]
    pub fn said(&self) -> Option<&Prepared> {
        self.of().said()
    }

    /// The same command, which says this fact; none if it says none.
    #[must_use]
    pub fn saying(&self, prepared: Prepared) -> Option<Self> {
        self.of().saying(prepared)
    }
}

impl<T: Decide> Decide for Box<T> {
    fn first_needs(&self) -> Vec<Need> {
        (**self).first_needs()
    }

    fn second_needs(&self, working: &Working) -> Vec<Need> {
        (**self).second_needs(working)
    }

    fn decide(&self, act: &mut Act<'_>) -> Result<Outcome, Lack> {
        (**self).decide(act)
    }

    fn says_only(&self) -> Option<&Prepared> {
        (**self).says_only()
    }

    fn said(&self) -> Option<&Prepared> {
        (**self).said()
    }

    fn saying(&self, prepared: Prepared) -> Option<Command> {
        (**self).saying(prepared)
    }
}

/// The row of an identity that was read, if it has one.
pub(super) fn row(working: &Working, identity: &Identity) -> Option<IdentityRow> {
    working.identity(identity).ok().flatten()
}

/// The record that holds a node, as it was read, if one does.
pub(super) fn record_of(working: &Working, node: crate::id::NodeId) -> Option<Need> {
    working.home(node).ok().flatten().map(Need::Cluster)
}

/// What has to be read of identities that somebody names: the records of those that are known, and whether the others are let in.
pub(super) fn needs_of_named<'a>(working: &Working, named: impl Iterator<Item = &'a Identity>) -> Vec<Need> {
    named
        .map(|identity| match row(working, identity) {
            Some(row) => Need::Cluster(row.cluster),
            None => Need::Suppression(identity.clone()),
        })
        .collect()
}
