//! Decides groups of commands and commits them, as many at once as the store takes.
//!
//! While a group is packed, every row is counted that its commit may have. What is too large all the same is halved and decided again, down to
//! one command; one alone that does not fit is decided with less work of rules, then with none of it: that is put off, and what is put off is
//! settled by the timers. A panic fails the command that caused it, and whoever stands beside it is decided again.

use tessera_engine::config::Config;
use tessera_engine::decide::{Acted, Command, Context, Effects, GivenDirective, Moved, Outcome, decide};
use tessera_engine::id::{DirectiveId, Ids};
use tessera_engine::prepare::Rejection;
use tessera_engine::rules::RuleWork;
use tessera_engine::working::{Lack, Working};
use tessera_store::{CommitError, Key};
use tracing::Span;

use super::decision::{Decision, needs_of};
use super::gather::Gatherer;
#[cfg(test)]
use super::guard::test_faults;
use super::guard::{guarded, internal};
use super::pack::{Erasing, Pack};
use super::state::State;
use super::work::{Answer, Done, Item, Ordered, Origin, WrittenDocument};
use super::{Group, Reply};
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::KeyId;
use crate::base::store_error::commit_failed;
use crate::base::verdict::{Note, verdict_of};
use crate::directory::Class;
use crate::stored::row;
use crate::write::history as directives;
use crate::write::redaction;

/// Times that a group is decided again after a conflict.
const CONFLICTS_MAX: usize = 16;
/// Rounds of reading that one command may need. Each cluster that it touches takes two.
pub(super) const ROUNDS_MAX: usize = 4_096;
/// Links that do not hold which one command changes because of what becomes of a node of theirs.
const LINKS_MAX: usize = 500;
/// Decisions after which the lane lets others run.
const BREATH: usize = 32;

/// What was decided and committed.
struct Decided {
    done: Vec<Done>,
    /// What rules may still take in this group.
    rules_left: RuleWork,
}

/// What the commands of a part are decided over.
struct Deciding<'a> {
    working: &'a mut Working,
    effects: &'a mut Effects,
    gatherer: &'a mut Gatherer,
    ids: &'a mut Ids,
}

/// How the next part is tried.
#[derive(Clone, Copy)]
struct Trial {
    /// Commands of it, at most.
    most: usize,
    /// What rules may take for each.
    rules: RuleWork,
    /// Links that do not hold which each may change because of what becomes of a node of theirs.
    links: usize,
}

impl State {
    /// Decides and commits a group. Whoever has all answers is told them, whatever became of the others.
    pub(super) async fn run_group(&mut self, group: Group) {
        let Group { items, mut replies } = group;
        let result = self.decide_all(items, &mut replies).await;
        for reply in replies {
            let answer = match (reply.before, &result) {
                (Some(before), _) => before.map(Answer::Before),
                (None, Err(error)) if reply.done.len() < reply.items => Err(error.clone()),
                (None, _) => Ok(Answer::Items(reply.done)),
            };
            if let Some(answers) = reply.answers {
                answers.send(answer);
            }
        }
    }

    /// Decides and commits items that nobody asked for; answers the first failure among them.
    pub(super) async fn decide_own(&mut self, items: Vec<(Item, usize)>) -> Result<(), Error> {
        let origin = Origin { door: "purge", key: KeyId::from_bytes([0; 12]), class: Class::Private, again: None };
        let done = Vec::with_capacity(items.len());
        let mut replies = [Reply {
            origin,
            items: items.len(),
            done,
            audited: None,
            span: Span::none(),
            once: None,
            claim: None,
            before: None,
            answers: None,
        }];
        self.decide_all(items, &mut replies).await?;
        let [reply] = replies;
        let failed = reply.done.into_iter().find_map(|done| match done {
            Done::Failed(error) => Some(error),
            _ => None,
        });
        failed.map_or(Ok(()), Err)
    }

    /// Decides and commits all items. A failure leaves committed what came before; those who wait may send all again.
    async fn decide_all(&mut self, items: Vec<(Item, usize)>, replies: &mut [Reply]) -> Result<(), Error> {
        self.ready().await?;
        self.claim(replies).await?;
        let is_new = |at: usize| replies[at].before.is_none();
        let mut entries = self.prepare_all(items.into_iter().filter(|(_, reply)| is_new(*reply)).collect());
        let whole = Trial { most: usize::MAX, rules: self.rules_of_each(), links: self.links_of_each() };
        let (mut from, mut conflicts, mut trial, mut left) = (0, 0, whole, RuleWork::GROUP);
        while from < entries.len() {
            let to = entries.len().min(from.saturating_add(trial.most));
            match self.attempt(&entries[from..to], replies, trial, left).await {
                Ok(decided) => {
                    (trial, left) = (whole, decided.rules_left);
                    for done in decided.done {
                        let (at, reply) = (entries[from].at, &mut replies[entries[from].reply]);
                        // No two commands of a workspace have one instant, so these tell their order.
                        tracing::trace!(parent: &reply.span, at_us = at.micros(), "committed");
                        reply.done.push(done);
                        from += 1;
                    }
                }
                Err(PartError::Conflict) if conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                    self.begin_anew(&mut entries[from..]).await?;
                    self.claim(replies).await?;
                    entries.drain(..from);
                    from = 0;
                    entries.retain(|entry| replies[entry.reply].before.is_none());
                }
                Err(PartError::Conflict) => return Err(commit_failed(&CommitError::Conflict(Key::MIN))),
                Err(PartError::TooLarge { decided, .. }) if decided > 1 => trial.most = decided / 2,
                Err(PartError::TooLarge { .. }) if trial.links > 1 && entries[from].is_of_many_links() => {
                    trial = Trial { most: 1, links: trial.links / 4, ..trial };
                }
                Err(PartError::TooLarge { .. }) if trial.rules != RuleWork::NOTHING => {
                    trial = Trial { most: 1, rules: entries[from].less_work_than(trial.rules), ..trial };
                }
                Err(PartError::TooLarge { error, .. }) => {
                    entries[from].fail(error);
                    trial = whole;
                }
                Err(PartError::Unanswerable { at, error }) => entries[from + at].failed = Some(error),
                Err(PartError::Broken { at }) => {
                    self.begin_anew(&mut entries[from..]).await?;
                    match at.unwrap_or((to - from) / 2) {
                        0 => {
                            entries[from].fail(internal());
                            trial = whole;
                        }
                        before => trial.most = before,
                    }
                }
                Err(PartError::Failed(error)) => {
                    self.forget();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// What rules may take for one command: never so much that their rows alone fill a commit.
    fn rules_of_each(&self) -> RuleWork {
        let rows = (self.limits().ops / 4).max(1);
        RuleWork::COMMAND.min(RuleWork { rows, ..RuleWork::ENDLESS })
    }

    /// How many links that do not hold one command changes: each takes a few rows, and brings a record along.
    fn links_of_each(&self) -> usize {
        (self.limits().ops / 16).clamp(1, LINKS_MAX)
    }

    /// Reads everything again, and prepares again what the configuration of now says something else of.
    async fn begin_anew(&mut self, entries: &mut [Decision]) -> Result<(), Error> {
        self.forget();
        self.ready().await?;
        entries.iter_mut().for_each(|entry| entry.renew(self.config(), self.stored_config()));
        Ok(())
    }

    /// Decides a part. A panic in it is told as what it is; where it came after the commit, the part is done.
    async fn attempt(
        &mut self,
        entries: &[Decision],
        replies: &[Reply],
        trial: Trial,
        left: RuleWork,
    ) -> Result<Decided, PartError> {
        self.begin_part();
        if let Ok(result) = guarded(self.decide_part(entries, replies, trial, left)).await {
            return result;
        }
        tracing::error!(workspace = self.shared().workspace.number(), "a command failed by a fault");
        let Some((row, done)) = self.take_sent() else { return Err(PartError::Broken { at: self.deciding() }) };
        self.forget();
        self.ready().await?;
        match self.has_happened(&row).await {
            Ok(Some(_)) => Ok(Decided { done, rules_left: left }),
            Ok(None) => Err(PartError::Broken { at: None }),
            Err(_) => Err(PartError::Failed(commit_failed(&CommitError::Ambiguous))),
        }
    }

    /// Decides as many entries as one mini-transaction takes, and commits them. Answers what they came to.
    async fn decide_part(
        &mut self,
        entries: &[Decision],
        replies: &[Reply],
        trial: Trial,
        left: RuleWork,
    ) -> Result<Decided, PartError> {
        let mut ids = self.ids();
        let mut working = Working::new(self.config().clone());
        working.allow_rules(trial.rules, left);
        working.allow_links(trial.links);
        let mut gatherer = Gatherer::new(self);
        gatherer.load(needs_of(entries, Command::first_needs), &mut working).await?;
        let second = needs_of(entries, |command| command.second_needs(&working));
        gatherer.load(second, &mut working).await?;

        let mut pack = Pack::new(self.shared().workspace, self.limits());
        let mut effects = Effects::default();
        let mut done = Vec::with_capacity(entries.len());
        let mut last = self.clock();
        for entry in entries {
            if !done.is_empty() && !pack.has_room(&working, &effects.notices) {
                break;
            }
            self.decides(done.len());
            let mut deciding =
                Deciding { working: &mut working, effects: &mut effects, gatherer: &mut gatherer, ids: &mut ids };
            let reply = &replies[entry.reply];
            let one = self.decide_one(entry, reply.origin, &mut deciding, &mut pack).await?;
            pack.audited(reply.audited.as_ref(), entry.command.as_ref().ok(), &one);
            done.push(one);
            if let Err(error) = self.answer(entries, &done, replies, &mut pack) {
                return Err(PartError::Unanswerable { at: done.len() - 1, error });
            }
            last = entry.at;
            if done.len() % BREATH == 0 {
                tokio::task::yield_now().await;
            }
        }
        self.decides_none();
        #[cfg(test)]
        entries[..done.len()].iter().for_each(|entry| entry.fault_at(test_faults::Place::Pack));
        self.keep_ids(ids);
        let read = gatherer.finish();
        let rules_left = working.rules_left();
        self.commit_part(&mut working, read, pack, &effects.notices, (last, done)).await?;
        #[cfg(test)]
        entries.iter().for_each(|entry| entry.fault_at(test_faults::Place::AfterCommit));
        Ok(Decided { done: self.take_done(), rules_left })
    }

    /// Decides one command over what the group has changed so far.
    async fn decide_one(
        &mut self,
        entry: &Decision,
        origin: Origin,
        deciding: &mut Deciding<'_>,
        pack: &mut Pack,
    ) -> Result<Done, PartError> {
        let Deciding { working, effects, gatherer, ids } = deciding;
        if let Some(error) = &entry.failed {
            return Ok(Done::Failed(error.clone()));
        }
        if let Some(max) = self.too_many_waiting(entry, pack, working, gatherer).await? {
            return Ok(Done::Waiting(max));
        }
        let (moved_before, merges_before) = (effects.moved.len(), effects.merges.len());
        let mut outcome = match &entry.command {
            Ok(command) => {
                #[cfg(test)]
                entry.fault_at(test_faults::Place::Decide);
                ids.at(entry.at.millis());
                let mut context = Context { now: entry.at, ids };
                decide_fully(command, working, &mut context, effects, gatherer).await?
            }
            Err(rejection) => Outcome::Rejected(rejection.clone()),
        };
        if let (Outcome::Rejected(rejection), false) = (&outcome, entry.is_fact) {
            return Ok(Done::Failed(refused(rejection)));
        }
        let moved = effects.moved.split_off(moved_before);
        let merges = effects.merges.split_off(merges_before);
        if let (Outcome::Directed(directed), Some(ended)) = (&mut outcome, entry.ended())
            && let Some(by) = self.ended_by(ended.id, pack).await?
        {
            directed.acted = Acted::EndedBefore { by };
        }
        match (&entry.command, &outcome) {
            (Ok(Command::Directive(given)), Outcome::Directed(directed)) => {
                pack.directive(given.id, directed, entry.ended(), moved.len(), origin.key, entry.at);
            }
            // What a directive merges, its own entry says.
            _ => pack.merges(merges, origin.key, entry.at, ids),
        }
        Ok(match (outcome, entry.erasing()) {
            (Outcome::Erased(erased), Some(erasing)) => {
                let erasing = Erasing { may_rest: self.may_rest(pack).await?, ..erasing };
                Done::Erased(Box::new(pack.erased(&erased, erasing, origin.key, entry.at, ids)))
            }
            (outcome @ (Outcome::Forgotten | Outcome::EventForgotten(_) | Outcome::NotFound), _) if entry.forgets() => {
                pack.forgotten(&outcome);
                pack.drop_row(entry.deleted());
                done_of(outcome, &[], moved, working.config())
            }
            (outcome @ Outcome::EventEnded, _) => {
                pack.drop_row(entry.deleted());
                done_of(outcome, &[], moved, working.config())
            }
            (outcome, _) => {
                pack.source_row(&outcome, entry);
                if self.may_keep(&outcome, &entry.raw).await? {
                    pack.add(&outcome, &entry.raw, origin, entry.at, ids);
                } else {
                    pack.forget_sent(origin);
                }
                done_of(outcome, &entry.notes, moved, working.config())
            }
        })
    }
}

impl State {
    /// What has ended a directive since it was read that it stands: a command of this group, or of one before it.
    async fn ended_by(&self, id: DirectiveId, pack: &Pack) -> Result<Option<DirectiveId>, PartError> {
        if let Some(by) = pack.ended_by(id) {
            return Ok(Some(by));
        }
        let row = row::read(&**self.store(), self.scope().directive(id)).await.map_err(PartError::Failed)?;
        let entry =
            row.map(|row| directives::records::decode(id, &row.value)).transpose().map_err(PartError::Failed)?;
        Ok(entry.and_then(|entry| entry.ended).map(|(by, _)| by))
    }

    /// Tells what a directive would come to, and leaves nothing behind.
    pub(super) async fn preview(&mut self, ordered: Ordered) -> Result<Done, Error> {
        let command = GivenDirective { id: ordered.id, directive: ordered.directive }.into();
        for _ in 0..CONFLICTS_MAX {
            self.ready().await?;
            let at = self.tick(self.clock());
            let mut ids = self.ids();
            ids.at(at.millis());
            let mut working = Working::new(self.config().clone());
            let mut gatherer = Gatherer::new(self);
            gatherer.load(Command::first_needs(&command), &mut working).await?;
            gatherer.load(Command::second_needs(&command, &working), &mut working).await?;
            let mut effects = Effects::default();
            let mut context = Context { now: at, ids: &mut ids };
            let decided = decide_fully(&command, &mut working, &mut context, &mut effects, &mut gatherer).await;
            self.keep_memory(gatherer.finish().memory);
            match decided {
                Ok(outcome) => return Ok(done_of(outcome, &[], effects.moved, working.config())),
                Err(PartError::Conflict) => self.forget(),
                Err(PartError::Failed(error) | PartError::TooLarge { error, .. }) => return Err(error),
                Err(PartError::Broken { .. } | PartError::Unanswerable { .. }) => return Err(internal()),
            }
        }
        Err(commit_failed(&CommitError::Conflict(tessera_store::Key::MIN)))
    }
}

pub(super) async fn decide_fully(
    command: &Command,
    working: &mut Working,
    context: &mut Context<'_>,
    effects: &mut Effects,
    gatherer: &mut Gatherer,
) -> Result<Outcome, PartError> {
    let mut redacted = None;
    for _ in 0..ROUNDS_MAX {
        match decide(redacted.as_ref().unwrap_or(command), working, context, effects) {
            Ok(outcome) => return Ok(outcome),
            Err(Lack::Needs(needs)) => gatherer.load(needs, working).await?,
            Err(Lack::Torn) => return Err(PartError::Conflict),
            Err(Lack::Suppressed(identities)) => {
                let config = working.config();
                redacted = match command {
                    // A document that is found by these identities alone is theirs.
                    Command::Document(write) => redaction::without(&write.prepared, &identities, config)
                        .filter(|without| write.is_named || !without.others.is_empty()),
                    _ => command.said().and_then(|said| redaction::without(said, &identities, config)),
                }
                .and_then(|prepared| command.saying(prepared));
                if redacted.is_none() {
                    return Ok(Outcome::Rejected(Rejection::suppressed()));
                }
            }
        }
    }
    Err(PartError::Failed(too_many_rounds()))
}

pub(super) fn too_many_rounds() -> Error {
    let message = "a command needed more reads than are ever expected";
    Error::new(ErrorKind::Internal, "too_many_rounds", message)
}

fn done_of(outcome: Outcome, notes: &[Note], moved: Vec<Moved>, config: &Config) -> Done {
    match outcome {
        Outcome::NotFound => Done::NotFound,
        Outcome::Swept(_) | Outcome::Unlinked | Outcome::EventEnded | Outcome::EventRewritten(_) | Outcome::Settled => {
            Done::Swept
        }
        Outcome::SweptInPart | Outcome::SettledInPart => Done::InPart,
        Outcome::Erased(_) => unreachable!("what erases has a receipt"),
        Outcome::Directed(directed) => {
            let before = match directed.acted {
                Acted::JoinedBefore { by } | Acted::EndedBefore { by } => Some(by),
                Acted::Joined { .. } | Acted::Separated { .. } | Acted::Ended => None,
            };
            Done::Directed { directed, before, moved }
        }
        Outcome::Refused(refusal) => Done::Refused(refusal),
        Outcome::Documented(documented) => {
            Done::Documented(Box::new(WrittenDocument { documented: *documented, notes: notes.to_vec(), left: None }))
        }
        Outcome::DocumentTaken(taken) => Done::Taken(taken),
        Outcome::Touched => Done::Touched,
        Outcome::Forgotten | Outcome::EventForgotten(_) => Done::Forgotten,
        Outcome::Accepted { .. }
        | Outcome::Duplicate
        | Outcome::Differs
        | Outcome::EventReplaced(_)
        | Outcome::Rejected(_)
        | Outcome::Released { .. } => Done::Fact(verdict_of(outcome, notes, config)),
    }
}

/// The answer to what is refused and not kept.
fn refused(rejection: &Rejection) -> Error {
    Error::new(ErrorKind::Invalid, rejection.code, rejection.message.clone())
}

/// Why a mini-transaction did not come about.
pub(super) enum PartError {
    /// Someone else changed what was read. Decide again.
    Conflict,
    /// It is more than the store takes at once, with so many commands. Nothing was changed, and nothing has to be read again.
    TooLarge { decided: usize, error: Error },
    /// A fault of ours while the command at this place was decided; none where it was no single one.
    Broken { at: Option<usize> },
    /// What the command at this place came to cannot be answered. Nothing was changed.
    Unanswerable { at: usize, error: Error },
    /// The answer to everybody who waits.
    Failed(Error),
}

impl From<Error> for PartError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
