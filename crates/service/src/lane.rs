//! One task for each workspace that decides its writes in sequence: gather, decide, commit.
//!
//! Waiting submissions are packed into groups, and a group into mini-transactions as large as the store allows. Inside, all
//! commands work on one set of records, so many events of one person cost one record write. An answer leaves after the last
//! mini-transaction that holds a part of it. On the embedded store a workspace has one lane and nobody else writes its
//! families, so conflicts do not come up; if one does, the lane forgets what it remembers and decides again.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::config::Config;
use tessera_engine::decide::{Acted, Context, Moved, Outcome, Prompt, Told, decide, first_needs, second_needs};
use tessera_engine::prepare::{Rejection, prepare};
use tessera_engine::time::Timestamp;
use tessera_engine::working::{Lack, Need, Working};
use tessera_store::{CommitError, Key};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::admission::Admission;
use crate::directives::Entry;
use crate::error::{Error, ErrorKind};
use crate::lane::gather::Gatherer;
use crate::lane::pack::Pack;
use crate::lane::state::State;
use crate::redaction;
use crate::store_error::commit_failed;
use crate::verdict::{Note, verdict_of};
use crate::workspace_config::StoredConfig;

mod commit;
mod erase;
mod facts;
mod gather;
mod memory;
mod pack;
mod purge;
mod standing;
pub(crate) mod state;
mod work;

pub(crate) use commit::counts_of;
pub(crate) use state::{Configured, Shared};
pub(crate) use work::{Answer, Change, Done, Item, Ordered, Origin, Work};

/// Submissions that wait in a lane before senders wait themselves.
const QUEUE: usize = 1_024;
/// Commands of one group.
const GROUP_COMMANDS_MAX: usize = 1_000;
/// Times that a group is decided again after a conflict.
const CONFLICTS_MAX: usize = 16;
/// Rounds of reading that one command may need. Each cluster that it touches takes two.
const ROUNDS_MAX: usize = 4_096;
/// Decisions after which the lane lets others run.
const BREATH: usize = 32;

struct Submission {
    work: Work,
    reply: oneshot::Sender<Result<Answer, Error>>,
}

/// Where a lane takes its submissions. Cheap to clone; the lane ends when all are gone and its queue is empty.
#[derive(Clone)]
pub(crate) struct Handle {
    sender: mpsc::Sender<Submission>,
}

impl Handle {
    /// Starts the lane of a workspace.
    pub(crate) fn start(shared: Arc<Shared>, tasks: &mut JoinSet<()>, runtime: &tokio::runtime::Handle) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tasks.spawn_on(run(shared, receiver), runtime);
        Self { sender }
    }

    /// Whether it has ended: nothing that is submitted would be answered.
    pub(crate) fn has_ended(&self) -> bool {
        self.sender.is_closed()
    }

    /// Submits work and waits for its answer.
    pub(crate) async fn submit(&self, work: Work) -> Result<Answer, Error> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Error::new(ErrorKind::Unavailable, "stopping", "the service is stopping; try again");
        self.sender.send(Submission { work, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| Error::new(ErrorKind::Unknown, "outcome_unknown", "the write may have happened"))?
    }
}

async fn run(shared: Arc<Shared>, mut receiver: mpsc::Receiver<Submission>) {
    let mut state = State::new(shared);
    let mut waiting: VecDeque<Submission> = VecDeque::new();
    while let Some(first) = next(&mut receiver, &mut waiting).await {
        match first.work {
            Work::Items { items, origin } => {
                let mut group = Group::default();
                group.take(items, origin, first.reply);
                group.fill(&mut receiver, &mut waiting);
                state.run_group(group).await;
            }
            Work::Configure(change) => {
                let answer = state.configure(change).await;
                drop(first.reply.send(answer.map(Answer::Configured)));
            }
            Work::Preview(ordered) => {
                let answer = state.preview(*ordered).await;
                drop(first.reply.send(answer.map(Answer::Previewed)));
            }
            Work::Purge => {
                let answer = match state.purge().await {
                    Ok(false) => state.place_facts().await,
                    other => other,
                };
                drop(first.reply.send(answer.map(|more| Answer::Purged { more })));
            }
            Work::LetIn(identity) => {
                let answer = state.let_in(&identity).await;
                drop(first.reply.send(answer.map(Answer::LetIn)));
            }
        }
    }
}

async fn next(receiver: &mut mpsc::Receiver<Submission>, waiting: &mut VecDeque<Submission>) -> Option<Submission> {
    match waiting.pop_front() {
        Some(submission) => Some(submission),
        None => receiver.recv().await,
    }
}

/// Submissions decided together.
#[derive(Default)]
struct Group {
    items: Vec<(Item, usize)>,
    replies: Vec<Reply>,
}

struct Reply {
    origin: Origin,
    done: Vec<Done>,
    sender: oneshot::Sender<Result<Answer, Error>>,
}

impl Group {
    fn take(&mut self, items: Vec<Item>, origin: Origin, sender: oneshot::Sender<Result<Answer, Error>>) {
        let at = self.replies.len();
        self.replies.push(Reply { origin, done: Vec::with_capacity(items.len()), sender });
        self.items.extend(items.into_iter().map(|item| (item, at)));
    }

    /// Takes what waits, up to the bound. Anything but items waits for its turn.
    fn fill(&mut self, receiver: &mut mpsc::Receiver<Submission>, waiting: &mut VecDeque<Submission>) {
        while self.items.len() < GROUP_COMMANDS_MAX {
            let Ok(submission) = receiver.try_recv() else { return };
            match submission.work {
                Work::Items { items, origin } => self.take(items, origin, submission.reply),
                work @ (Work::Configure(_) | Work::Preview(_) | Work::Purge | Work::LetIn(_)) => {
                    waiting.push_back(Submission { work, reply: submission.reply });
                    return;
                }
            }
        }
    }
}

impl State {
    async fn run_group(&mut self, group: Group) {
        let Group { items, mut replies } = group;
        let result = self.decide_all(items, &mut replies).await;
        for reply in replies {
            let answer = match &result {
                Ok(()) => Ok(Answer::Items(reply.done)),
                Err(error) => Err(error.clone()),
            };
            drop(reply.sender.send(answer));
        }
    }

    /// Decides and commits all items. A failure leaves committed what came before; those who wait may send all again.
    async fn decide_all(&mut self, items: Vec<(Item, usize)>, replies: &mut [Reply]) -> Result<(), Error> {
        self.ready().await?;
        let mut entries = self.prepare_all(items);
        let mut from = 0;
        let mut conflicts = 0;
        while from < entries.len() {
            let part = match self.decide_part(&entries[from..], replies).await {
                Ok(done) => done,
                Err(PartError::Conflict) if conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                    self.forget();
                    self.ready().await?;
                    entries.iter_mut().skip(from).for_each(|entry| entry.renew(self.config(), self.stored_config()));
                    continue;
                }
                Err(PartError::Conflict) => return Err(commit_failed(&CommitError::Conflict(tessera_store::Key::MIN))),
                Err(PartError::Failed(error)) => {
                    self.forget();
                    return Err(error);
                }
            };
            for done in part {
                replies[entries[from].reply].done.push(done);
                from += 1;
            }
        }
        Ok(())
    }

    fn prepare_all(&self, items: Vec<(Item, usize)>) -> Vec<Decision> {
        let mut at = self.clock();
        let mut entries = Vec::with_capacity(items.len());
        for (item, reply) in items {
            at = self.tick(at);
            let (mut notes, mut ends, mut event_row) = (Vec::new(), None, None);
            let (prompt, raw) = match item {
                Item::Fact { mut fact, admission, raw } => {
                    let admitted = admission.renewed(&mut fact, self.stored_config());
                    let prompt = admitted.and_then(|admitted| {
                        notes = admitted;
                        prepare(fact, at, self.config()).map(Prompt::Fact)
                    });
                    (prompt, raw)
                }
                Item::Refused { rejection, raw } => (Err(rejection), raw),
                Item::Erase(erasure) => (Ok(Prompt::Erase(erasure)), Bytes::new()),
                Item::Directive(ordered) => {
                    let Ordered { id, directive, ends: ended } = *ordered;
                    ends = ended;
                    (Ok(Prompt::Directive(id, directive)), Bytes::new())
                }
                Item::EraseEvent(event) => {
                    let (erasure, row) = *event;
                    event_row = Some(row);
                    (Ok(Prompt::EraseEvent(erasure)), Bytes::new())
                }
                Item::Sweep(cluster) => (Ok(Prompt::Sweep(cluster)), Bytes::new()),
                Item::Settle(node, settling) => (Ok(Prompt::Settle(node, settling)), Bytes::new()),
                Item::EndEvent(event) => {
                    let (ended, row) = *event;
                    event_row = Some(row);
                    (Ok(Prompt::EndEvent(ended)), Bytes::new())
                }
            };
            entries.push(Decision { prompt, notes, raw, ends, event_row, at, reply });
        }
        entries
    }

    /// Decides as many entries as one mini-transaction takes, and commits them. Answers what they came to.
    async fn decide_part(&mut self, entries: &[Decision], replies: &[Reply]) -> Result<Vec<Done>, PartError> {
        let mut ids = self.ids();
        let mut working = Working::new(self.config().clone());
        let mut gatherer = Gatherer::new(self);
        gatherer.load(needs_of(entries, first_needs), &mut working).await?;
        let second = needs_of(entries, |prompt| second_needs(prompt, &working));
        gatherer.load(second, &mut working).await?;

        let mut pack = Pack::new(self.shared().workspace, self.limits());
        let mut told = Told::default();
        let mut done = Vec::with_capacity(entries.len());
        let mut last = self.clock();
        for entry in entries {
            if !done.is_empty() && !pack.has_room(&working) {
                break;
            }
            if let Some(max) = self.too_many_waiting(entry, &pack, &mut working, &mut gatherer).await? {
                done.push(Done::Waiting(max));
                continue;
            }
            let (moved_before, merges_before) = (told.moved.len(), told.merges.len());
            let outcome = match &entry.prompt {
                Ok(prompt) => {
                    ids.at(entry.at.millis());
                    let mut context = Context { now: entry.at, ids: &mut ids };
                    decide_fully(prompt, &mut working, &mut context, &mut told, &mut gatherer).await?
                }
                Err(rejection) => Outcome::Rejected(rejection.clone()),
            };
            last = entry.at;
            let origin = replies[entry.reply].origin;
            let moved = told.moved.split_off(moved_before);
            let merges = told.merges.split_off(merges_before);
            match (&entry.prompt, &outcome) {
                (Ok(Prompt::Directive(id, _)), Outcome::Directed(directed)) => {
                    pack.directive(*id, directed, entry.ends.clone(), moved.len(), origin.key, entry.at);
                }
                // What a directive merges, its own entry says.
                _ => pack.merges(merges, origin.key, entry.at, &mut ids),
            }
            done.push(match (outcome, entry.erasing()) {
                (Outcome::Erased(erased), Some(erasing)) => {
                    Done::Erased(Box::new(pack.erased(&erased, erasing, origin.key, entry.at, &mut ids)))
                }
                (outcome @ Outcome::EventEnded, _) => {
                    pack.del.extend(entry.event_row.clone());
                    done_of(outcome, &[], moved, working.config())
                }
                (outcome, _) => {
                    if self.may_keep(&outcome, &entry.raw).await? {
                        pack.add(&outcome, &entry.raw, origin, entry.at, &mut ids);
                    } else {
                        pack.forget_sent(origin);
                    }
                    done_of(outcome, &entry.notes, moved, working.config())
                }
            });
            if done.len() % BREATH == 0 {
                tokio::task::yield_now().await;
            }
        }
        self.keep_ids(ids);
        let read = gatherer.finish();
        self.commit_part(&mut working, read, pack, &told.notices, last).await?;
        Ok(done)
    }
}

impl State {
    /// Tells what a directive would come to, and leaves nothing behind.
    async fn preview(&mut self, ordered: Ordered) -> Result<Done, Error> {
        let prompt = Prompt::Directive(ordered.id, ordered.directive);
        for _ in 0..CONFLICTS_MAX {
            self.ready().await?;
            let at = self.tick(self.clock());
            let mut ids = self.ids();
            ids.at(at.millis());
            let mut working = Working::new(self.config().clone());
            let mut gatherer = Gatherer::new(self);
            gatherer.load(first_needs(&prompt), &mut working).await?;
            gatherer.load(second_needs(&prompt, &working), &mut working).await?;
            let mut told = Told::default();
            let mut context = Context { now: at, ids: &mut ids };
            let decided = decide_fully(&prompt, &mut working, &mut context, &mut told, &mut gatherer).await;
            self.keep_memory(gatherer.finish().memory);
            match decided {
                Ok(outcome) => return Ok(done_of(outcome, &[], told.moved, working.config())),
                Err(PartError::Conflict) => self.forget(),
                Err(PartError::Failed(error)) => return Err(error),
            }
        }
        Err(commit_failed(&CommitError::Conflict(tessera_store::Key::MIN)))
    }
}

/// An item as it is decided: brought into the terms of the configuration, with its time of receipt.
struct Decision {
    prompt: Result<Prompt, Rejection>,
    /// What the data model says to it.
    notes: Vec<Note>,
    raw: Bytes,
    /// What a directive ends.
    ends: Option<Entry>,
    /// The row of the event that it erases or ends.
    event_row: Option<Key>,
    at: Timestamp,
    reply: usize,
}

impl Decision {
    /// Prepares a fact anew where the configuration has changed.
    fn renew(&mut self, config: &Config, stored: &StoredConfig) {
        if let Ok(Prompt::Fact(prepared)) = &self.prompt
            && prepared.config_version != config.version()
        {
            let mut fact = prepared.fact.clone();
            let notes = std::mem::take(&mut self.notes);
            let admitted = Admission { config_version: prepared.config_version, notes }.renewed(&mut fact, stored);
            self.prompt = admitted.and_then(|notes| {
                self.notes = notes;
                prepare(fact, self.at, config).map(Prompt::Fact)
            });
        }
    }
}

fn needs_of(entries: &[Decision], needs: impl Fn(&Prompt) -> Vec<Need>) -> Vec<Need> {
    entries.iter().filter_map(|entry| entry.prompt.as_ref().ok()).flat_map(needs).collect()
}

async fn decide_fully(
    prompt: &Prompt,
    working: &mut Working,
    context: &mut Context<'_>,
    told: &mut Told,
    gatherer: &mut Gatherer,
) -> Result<Outcome, PartError> {
    let mut redacted = None;
    for _ in 0..ROUNDS_MAX {
        match decide(redacted.as_ref().unwrap_or(prompt), working, context, told) {
            Ok(outcome) => return Ok(outcome),
            Err(Lack::Needs(needs)) => gatherer.load(needs, working).await?,
            Err(Lack::Torn) => return Err(PartError::Conflict),
            Err(Lack::Suppressed(identities)) => {
                let without = match prompt {
                    Prompt::Fact(prepared) => redaction::without(prepared, &identities, working.config()),
                    _ => None,
                };
                let Some(without) = without else { return Ok(Outcome::Rejected(Rejection::suppressed())) };
                redacted = Some(Prompt::Fact(without));
            }
        }
    }
    Err(PartError::Failed(too_many_rounds()))
}

fn too_many_rounds() -> Error {
    let message = "a command needed more reads than are ever expected";
    Error::new(ErrorKind::Internal, "too_many_rounds", message)
}

fn done_of(outcome: Outcome, notes: &[Note], moved: Vec<Moved>, config: &Config) -> Done {
    match outcome {
        Outcome::NotFound => Done::NotFound,
        Outcome::Swept(_) | Outcome::EventEnded | Outcome::Settled => Done::Swept,
        Outcome::Erased(_) => unreachable!("what erases has a receipt"),
        Outcome::Directed(directed) => {
            let before = match directed.acted {
                Acted::JoinedBefore { by } => Some(by),
                Acted::Joined { .. } | Acted::Separated { .. } | Acted::Ended => None,
            };
            Done::Directed { directed, before, moved }
        }
        Outcome::Refused(refusal) => Done::Refused(refusal),
        Outcome::Accepted { .. }
        | Outcome::Duplicate
        | Outcome::Differs
        | Outcome::Rejected(_)
        | Outcome::Released { .. } => Done::Fact(verdict_of(outcome, notes, config)),
    }
}

/// Why a mini-transaction did not come about.
enum PartError {
    /// Someone else changed what was read. Decide again.
    Conflict,
    /// The answer to everybody who waits.
    Failed(Error),
}

impl From<Error> for PartError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
