//! Bringing what is kept of a profile's memberships to an instant.

use tessera_expr::facts::Membership as Stands;

use super::look::{Evaluation, Look};
use super::segment_state::{Late, Membership, SegmentStates};
use super::set::{RuleKind, RuleSet, SegmentId};
use super::work::RuleWork;
use crate::cluster::{Cluster, Node};
use crate::config::{Config, SourceErasure};
use crate::id::NodeId;
use crate::time::Timestamp;
use crate::value::Value;

/// Instants that one settling looks at, at most. What is late by more is brought to the present in one step: then those who came and went
/// in between are not told.
const INSTANTS_MAX: usize = 64;
/// Rows of somebody who comes or goes: the member, the count of the segment, the change.
pub(crate) const ROWS_OF_FLIP: usize = 3;

/// Which memberships are to be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Those that time alone may change.
    Clock,
    /// Those of these segments, by their places, those first that others depend on.
    Some(Vec<usize>),
}

impl Scope {
    /// The same for a profile that was not there before: also what holds of somebody of whom nothing is known.
    pub(crate) fn with_newborn(&self, rules: &RuleSet) -> Self {
        match self {
            Self::All | Self::Clock => Self::All,
            Self::Some(places) => Self::Some(rules.with_newborn(places)),
        }
    }
}

/// That a profile became a member of a segment, or ceased to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flip {
    /// The segment.
    pub segment: SegmentId,
    /// When.
    pub at: Timestamp,
    /// Whether it is a member from then on.
    pub is_inside: bool,
}

/// When the last erasure of a source that has not reached a record took something from a profile of it: from then on that counts no more.
pub(crate) fn erased_at(config: &Config, cluster: &Cluster, node: NodeId) -> Option<Timestamp> {
    let sweeps = config.sweeps();
    if cluster.swept >= sweeps.number {
        return None;
    }
    let takes = |node: &Node, erasure: &SourceErasure| {
        let is_own = node.owned.iter().any(|tally| erasure.covers_source(&tally.source));
        // What others said of an account.
        is_own || node.fragments.iter().any(|fragment| fragment.dataset == erasure.dataset)
    };
    let pending = sweeps.erasures.iter().filter(|erasure| u64::from(erasure.number) > cluster.swept);
    pending.filter(|erasure| cluster.piece(node).any(|node| takes(node, erasure))).map(|erasure| erasure.at).max()
}

/// Whether something of segment states may be otherwise by now, an erasure of that instant considered.
pub(crate) fn is_late(
    segment_states: Option<&SegmentStates>,
    rules: &RuleSet,
    now: Timestamp,
    erased_at: Option<Timestamp>,
) -> bool {
    let settled_at = segment_states.map_or(Timestamp::MIN, |own| own.settled_at);
    if erased_at.is_some_and(|at| at > settled_at) {
        return true;
    }
    let progress = rules.progress();
    let epoch = segment_states.map_or(0, |own| own.epoch).max(progress.settled_epoch);
    if segment_states.is_some_and(|own| own.late.is_some()) {
        return true;
    }
    let is_due = segment_states.and_then(|own| own.due).is_some_and(|due| due <= now);
    let has_rolled_over = || {
        rules.may_have_rolled_over(now) && next_rollover(segment_states, rules).is_some_and(|rollover| rollover <= now)
    };
    epoch < progress.epoch || is_due || has_rolled_over()
}

fn next_rollover(segment_states: Option<&SegmentStates>, rules: &RuleSet) -> Option<Timestamp> {
    if !rules.rolls_over() {
        return None;
    }
    let settled_at = segment_states.map(|own| own.settled_at).max(rules.progress().rolled_over_at);
    rules.next_rollover(settled_at?)
}

/// What of segment states may be otherwise at an instant by itself, if anything.
fn scope_at(look: &Look<'_>, at: Timestamp) -> Option<Scope> {
    let (rules, own) = (look.sources.rules, &look.segment_states);
    let progress = rules.progress();
    let is_erased = look.erased_at.is_some_and(|erased| erased > own.settled_at && erased <= at);
    if is_erased || own.epoch.max(progress.settled_epoch) < progress.epoch {
        return Some(Scope::All);
    }
    let rollover = || next_rollover(Some(own), rules);
    (own.due.is_some_and(|due| due <= at) || rollover().is_some_and(|rollover| rollover <= at)).then_some(Scope::Clock)
}

/// Brings the segment states of a look to every instant before `now` at which it may change by itself. What it may not take any more is put off.
pub(crate) fn catch_up(look: &mut Look<'_>, now: Timestamp, flips: &mut Vec<Flip>) {
    let rules = look.sources.rules;
    go_on(look, flips);
    if look.lacks_events() || look.segment_states.late.is_some() {
        return;
    }
    for _ in 0..INSTANTS_MAX {
        let erased_at = look.erased_at.filter(|at| *at > look.segment_states.settled_at);
        let due = look
            .segment_states
            .due
            .into_iter()
            .chain(next_rollover(Some(&look.segment_states), rules))
            .chain(erased_at)
            .min();
        let Some(due) = due.filter(|due| *due < now) else { break };
        look.go_to(due);
        let is_erased = erased_at.is_some_and(|erased| erased <= due);
        evaluate(look, if is_erased { &Scope::All } else { &Scope::Clock }, flips);
        if look.lacks_events() || look.segment_states.late.is_some() {
            return;
        }
    }
    look.go_to(now);
}

/// Brings the segment states of a look to every instant until `now` at which it may change by itself, and to the present rules. What it may not
/// take any more is put off.
pub(crate) fn advance(look: &mut Look<'_>, now: Timestamp, flips: &mut Vec<Flip>) {
    catch_up(look, now, flips);
    let goes_on = !look.lacks_events() && look.segment_states.late.is_none();
    if let Some(scope) = scope_at(look, now).filter(|_| goes_on) {
        evaluate(look, &scope, flips);
    }
}

/// Evaluates all memberships at `now`, whatever is late, unless just that was put off and has come to its end meanwhile. What was put off of
/// an instant before the newest rule was made is not that: it makes up for what happened then.
pub(crate) fn advance_all(look: &mut Look<'_>, now: Timestamp, flips: &mut Vec<Flip>) {
    let (version, newest) = (look.sources.config.version(), look.sources.rules.newest);
    let was_begun = look.segment_states.late.is_some_and(|late| late.version == version && late.at >= newest);
    advance(look, now, flips);
    if !look.lacks_events() && look.segment_states.late.is_none() && !was_begun {
        evaluate(look, &Scope::All, flips);
    }
}

/// Evaluates memberships at the instant of a look whose profile a command has changed: those of the scope, and what time changes there.
pub(crate) fn evaluate_now(look: &mut Look<'_>, scope: &Scope, flips: &mut Vec<Flip>) {
    if look.segment_states.late.is_some() {
        let (now, version) = (look.now, look.sources.config.version());
        return look.segment_states.put_off(now, version);
    }
    let is_late = scope_at(look, look.now).is_some();
    evaluate(look, if is_late { &Scope::All } else { scope }, flips);
}

/// Evaluates memberships at the instant of a look. When it lacks events afterwards, nothing of it holds. What it may not take any more is put
/// off.
pub(crate) fn evaluate(look: &mut Look<'_>, scope: &Scope, flips: &mut Vec<Flip>) {
    let (rules, at, version) = (look.sources.rules, look.now, look.sources.config.version());
    let places = match scope {
        Scope::Some(places) => &places[..],
        Scope::Clock if !look.has_ends() => rules.index.clock(),
        Scope::Clock | Scope::All => {
            look.segment_states.put_off(at, version);
            return go_on(look, flips);
        }
    };
    let mut first: Option<Timestamp> = None;
    for place in places {
        if !look.left().is_left() {
            look.segment_states.put_off(at, version);
            break;
        }
        let moves_at = membership(look, *place, flips);
        first = first.into_iter().chain(moves_at).min();
        if look.lacks_events() {
            return;
        }
    }
    let own = &mut look.segment_states;
    let is_whole = own.late.is_none();
    own.due = match scope {
        Scope::Clock if is_whole => first,
        // What was not evaluated is still due when it was.
        Scope::Clock => own.due,
        Scope::All | Scope::Some(_) => own.due.filter(|due| *due > at).into_iter().chain(first).min(),
    };
    if is_whole {
        own.settled_at = own.settled_at.max(at);
    }
}

/// Goes on with an evaluation of all memberships that was put off, at its own instant, until its end or until nothing more may be taken.
fn go_on(look: &mut Look<'_>, flips: &mut Vec<Flip>) {
    let (rules, version) = (look.sources.rules, look.sources.config.version());
    while let Some(late) = look.segment_states.late {
        // Under other rules the order is another.
        let mut own = if late.version == version { late } else { Late { version, done: 0, first: None, ..late } };
        look.go_to(own.at);
        for place in rules.segments().skip(own.done) {
            if !look.left().is_left() {
                look.segment_states.late = Some(own);
                return;
            }
            let moves_at = membership(look, place, flips);
            if look.lacks_events() {
                return;
            }
            own.first = own.first.into_iter().chain(moves_at).min();
            own.done += 1;
        }
        let segment_states = &mut look.segment_states;
        segment_states.late = own.again.then_some(Late { done: 0, first: None, again: false, ..own });
        segment_states.due = own.first;
        segment_states.settled_at = segment_states.settled_at.max(own.at);
        // What is made up for before the newest rule was made is not all of them yet.
        if own.at >= rules.newest {
            segment_states.epoch = rules.progress().epoch;
        }
        segment_states.memberships.retain(|own| rules.has_segment(own.segment));
    }
}

/// Evaluates one membership. Answers when it may next be otherwise by itself.
fn membership(look: &mut Look<'_>, place: usize, flips: &mut Vec<Flip>) -> Option<Timestamp> {
    let entry = &look.sources.rules.entries[place];
    let RuleKind::Segment { id, of, policy, succeeds } = entry.def.kind else { return None };
    if look.now < entry.def.since {
        // Something late is being made up for. Its own first evaluation is still to come.
        return None;
    }
    // Of others nobody asks.
    let came = if look.kind() == Some(of) { look.evaluate(place, policy) } else { Evaluation::nobody() };
    if look.lacks_events() {
        return None;
    }
    // Who was a member of the version before has been one of this as long.
    let taken_over = || succeeds.map_or(Stands::Outside { left: None }, |id| look.segment_states.to(id));
    let known = look.segment_states.find(id).copied();
    let before = known.unwrap_or_else(|| Membership { segment: id, stands: taken_over(), trouble: None });
    let next = match came.value {
        Err(trouble) => Membership { trouble: Some(trouble), ..before },
        Ok(value) => {
            let stands = stands_from_now(before.stands, value == Value::Bool(true), look.now);
            Membership { stands, trouble: None, ..before }
        }
    };
    if next.is_inside() != before.is_inside() {
        flips.push(Flip { segment: id, at: look.now, is_inside: next.is_inside() });
        look.spend(RuleWork { steps: 0, rows: ROWS_OF_FLIP });
    } else if next.trouble != before.trouble {
        look.spend(RuleWork { steps: 0, rows: 1 });
    }
    look.segment_states.set(next);
    came.moves_at
}

/// How a profile stands that is inside or outside from now on.
fn stands_from_now(before: Stands, is_inside: bool, now: Timestamp) -> Stands {
    match (before, is_inside) {
        (Stands::Inside { .. }, true) | (Stands::Outside { .. }, false) => before,
        (Stands::Outside { left }, true) => Stands::Inside { entered: now, left },
        (Stands::Inside { .. }, false) => Stands::Outside { left: Some(now) },
    }
}
