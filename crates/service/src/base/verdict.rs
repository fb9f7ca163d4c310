//! What became of each fact of a write.

use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::config::Config;
use tessera_engine::decide::{HeldNote, Outcome, ReplacedEvent};
use tessera_engine::fact::{Fact, Identity};
pub use tessera_engine::prepare::Rejection;

use crate::base::names;

/// A fact as a door hands it on: parsed, or refused by the door itself, with what was sent. Refused ones go to the
/// quarantine, whoever refused them.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The fact, or why the door could not make one.
    pub fact: Result<Fact, Rejection>,
    /// What was sent, in a form that the same door can parse again by itself; it goes to the quarantine with a rejection.
    pub raw: Bytes,
    /// What of it the door left out or replaced before it made the fact.
    pub notes: Vec<Note>,
}

/// What became of one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Stored, durable, visible. Notes name what was left out or held.
    Accepted {
        /// What of it did not take effect.
        notes: Vec<Note>,
    },
    /// The fact is stored already; nothing changed.
    Duplicate,
    /// A fact of this dataset and id that says something else is stored already; nothing changed.
    Differs,
    /// Refused; it stands in the quarantine.
    Rejected(Rejection),
}

/// Something of an accepted fact that did not take effect, or does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// An identity was left out: unknown namespace, blocked or unreadable value, or erased for good.
    IdentityIgnored {
        /// The namespace as it was named.
        namespace: Arc<str>,
        /// The stable code: `namespace_unknown`, `identity_blocked`, `identity_invalid`, `identity_suppressed`.
        code: &'static str,
    },
    /// An identity was brought into another spelling than blanks and case make: it held characters that nobody sees.
    IdentityRespelled {
        /// The namespace as it was named.
        namespace: Arc<str>,
        /// The stable code: `identity_format_characters`.
        code: &'static str,
    },
    /// A value was left out before anything was made of it; all else of the fact stands.
    ValueLeftOut {
        /// Where it stood: names joined by dots.
        path: Arc<str>,
        /// The stable code: `not_a_number`, `number_out_of_range`, `sent_at_impossible`, `attribute_invalid`, `more_values`,
        /// `member_unknown`.
        code: &'static str,
        /// What was expected.
        message: Arc<str>,
    },
    /// Part of a text, or of a name, was replaced.
    ValueReplaced {
        /// Where it stands: names joined by dots.
        path: Arc<str>,
        /// The stable code: `not_unicode`, `control_character`.
        code: &'static str,
        /// What was expected, and what stands there now.
        message: Arc<str>,
    },
    /// Nobody vouches for the user id: it counts as one that anybody may send.
    IdentityUnverified {
        /// The stable code: `identity_token_invalid`, `identity_token_expired`.
        code: &'static str,
    },
    /// A link was refused by a rule and is remembered.
    LinkHeld {
        /// The rule: `exclusive`, `hub`, `blocked`, `limit`, `separated`, `full`.
        rule: &'static str,
        /// How sure it is: `joined`, `verified`, `stated`, `observed`, `claimed`.
        strength: &'static str,
        /// The identities it would join.
        between: [NamedIdentity; 2],
        /// The link that won against it, if one did.
        won: Option<[NamedIdentity; 2]>,
    },
    /// An attribute does not fit the data model and was left out.
    AttributeRefused {
        /// Its path.
        path: Arc<str>,
        /// The stable code.
        code: &'static str,
        /// What was expected.
        message: Arc<str>,
    },
    /// An attribute or a property does not fit the data model; it was stored all the same.
    Misfit {
        /// Its path; empty for the event as a whole.
        path: Arc<str>,
        /// The stable code.
        code: &'static str,
        /// What was expected.
        message: Arc<str>,
    },
}

/// An identity with the name of its namespace, as answers show it.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedIdentity {
    /// The namespace's name.
    pub namespace: Arc<str>,
    /// The value.
    pub value: Arc<str>,
}

impl std::fmt::Debug for NamedIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:***", self.namespace)
    }
}

impl NamedIdentity {
    /// An identity with the name that its namespace has in this configuration.
    #[must_use]
    pub fn new(identity: &Identity, config: &Config) -> Self {
        let name = config.find(identity.namespace).map_or("", |namespace| namespace.name.as_str());
        Self { namespace: name.into(), value: identity.value.clone() }
    }
}

/// The verdict on a fact, what the data model says to it first; links that a rule held are counted.
pub(crate) fn verdict_of(outcome: Outcome, notes: &[Note], config: &Config) -> Verdict {
    match outcome {
        Outcome::EventReplaced(replaced) => {
            let ReplacedEvent { ignored, held, owner, event, .. } = *replaced;
            verdict_of(Outcome::Accepted { owner, ignored, held, event }, notes, config)
        }
        Outcome::Accepted { ignored, held, .. } => {
            let ignored = ignored
                .into_iter()
                .map(|ignored| Note::IdentityIgnored { namespace: ignored.namespace, code: ignored.code });
            let held = held.iter().map(|held| held_note(held, config));
            Verdict::Accepted { notes: notes.iter().cloned().chain(ignored).chain(held).collect() }
        }
        Outcome::Duplicate => Verdict::Duplicate,
        Outcome::Differs => Verdict::Differs,
        Outcome::Rejected(rejection) => Verdict::Rejected(rejection),
        Outcome::Erased(_)
        | Outcome::Released { .. }
        | Outcome::Documented(_)
        | Outcome::DocumentTaken(_)
        | Outcome::Touched
        | Outcome::Forgotten
        | Outcome::EventForgotten(_)
        | Outcome::NotFound
        | Outcome::Directed(_)
        | Outcome::Refused(_)
        | Outcome::Swept(_)
        | Outcome::SweptInPart
        | Outcome::Unlinked
        | Outcome::EventEnded
        | Outcome::EventRewritten(_)
        | Outcome::Settled
        | Outcome::SettledInPart => Verdict::Accepted { notes: Vec::new() },
    }
}

pub(crate) fn held_note(held: &HeldNote, config: &Config) -> Note {
    let named = |[one, other]: &[Identity; 2]| [NamedIdentity::new(one, config), NamedIdentity::new(other, config)];
    for end in &held.between {
        let namespace = config.find(end.namespace).map_or("", |namespace| namespace.name.as_str()).to_owned();
        metrics::counter!(names::LINKS_HELD, "namespace" => namespace, "rule" => held.rule.name()).increment(1);
    }
    let (rule, strength) = (held.rule.name(), held.strength.name());
    Note::LinkHeld { rule, strength, between: named(&held.between), won: held.won.as_ref().map(named) }
}
