//! What a command does: facts, a command and `now` in; changes, notices and an outcome out.
//!
//! [`decide`] reads only its working set. When something is missing there it says so, leaves nothing behind, and is called
//! again. Each command is a type of its own, in the file that decides it; `command` lists them. The order of work: `fact` applies what a fact says; `link` says what evidence does to a link; `settle` walks
//! clusters anew when links came or went; `directive`, `separate`, `erase` and `release` are the directives; `document` writes what an
//! API keeps as a document; `record` says what a dataset says of one identity, or that it says nothing any more; `sweep` brings one record under what changed for all; `effects` finds what moved;
//! `written` computes what is written into an event, `rewrite` takes it out again.

use std::collections::BTreeSet;

use crate::cluster::End;
use crate::fact::Identity;
use crate::id::Ids;
use crate::rules::RuleWork;
use crate::time::Timestamp;
use crate::working::{Lack, Working};

mod command;
mod directive;
mod document;
mod effects;
mod erase;
mod fact;
mod link;
mod outcome;
mod recluster;
mod record;
mod release;
mod rewrite;
mod rule;
mod separate;
mod states;
mod sweep;
mod written;

pub use command::Command;
pub use directive::{Acted, DIRECTIVE_DATASET, Directed, Directive, GivenDirective, Named, Refusal};
pub use document::Touch;
pub use effects::{Effects, Merge, Moved};
pub use erase::{Erasure, EventErasure, EventExpiry, LinkRemoval, Retraction, Victim, events_of};
pub use link::winner;
pub use outcome::{Documented, Erased, EventPlace, HeldNote, Loose, NewEvent, Notice, Outcome, ReplacedEvent};
pub use record::{EventForgetting, EventReplacement, Forgetting, Record};
pub use release::{RELEASE_DATASET, Release};
pub use rewrite::EventRewriting;
pub use rule::{Settlement, Settling};
pub use sweep::{Sweep, lags};

/// When and with which ids a command is decided.
#[derive(Debug)]
pub struct Context<'a> {
    /// The instant of the decision: the time of receipt. It never repeats in a workspace.
    pub now: Timestamp,
    /// Where new ids come from.
    pub ids: &'a mut Ids,
}

/// Decides one command over the working set. Afterwards the working set holds its changes, or it lacks something and is as
/// before.
///
/// # Errors
/// [`Lack`]: what has to be read first. The number of rounds is bounded by the clusters that a command touches.
pub fn decide(
    command: &Command,
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
    let command = command.of();
    let outcome = command.decide(&mut act);
    let outcome = outcome.and_then(|outcome| {
        let is_walked = act.walked.has_walked();
        let walk = act.tell_walked()?;
        act.update_memberships(command, is_walked)?;
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
