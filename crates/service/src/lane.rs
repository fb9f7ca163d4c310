//! One task for each workspace that decides its writes in sequence: gather, decide, commit.
//!
//! Waiting submissions are packed into groups, and a group into mini-transactions as large as the store allows. Inside, all
//! commands work on one set of records, so many events of one person cost one record write. An answer leaves after the last
//! mini-transaction that holds a part of it. On the embedded store a workspace has one lane and nobody else writes its
//! families, so conflicts do not come up; if one does, the lane forgets what it remembers and decides again.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::decide::{Context, Notice, Outcome, Prompt, decide, first_needs, second_needs};
use tessera_engine::fact::Fact;
use tessera_engine::id::NodeId;
use tessera_engine::prepare::{Rejection, prepare};
use tessera_engine::time::Timestamp;
use tessera_engine::working::{Lack, Working};
use tessera_store::CommitError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::directory::KeyId;
use crate::error::{Error, ErrorKind};
use crate::lane::gather::Gatherer;
use crate::lane::pack::Pack;
use crate::lane::state::State;
use crate::store_error::commit_failed;
use crate::verdict::{Verdict, verdict_of};
use crate::workspace_config::StoredConfig;

mod commit;
mod gather;
mod memory;
mod pack;
mod purge;
pub(crate) mod state;

pub(crate) use commit::counts_of;
pub(crate) use state::Shared;

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

/// One thing to be decided in order.
pub(crate) enum Item {
    /// A fact, and the bytes it came in, for the quarantine.
    Fact { fact: Box<Fact>, raw: Bytes },
    /// Refused at the door already.
    Refused { rejection: Rejection, raw: Bytes },
    /// Erase the profile that holds this node.
    Erase(NodeId),
}

/// Makes a configuration of the present one, or says why not.
pub(crate) type Change = Box<dyn FnOnce(&StoredConfig) -> Result<StoredConfig, Error> + Send>;

/// What a submission brings.
pub(crate) enum Work {
    /// Items, in order, with the door and key that they came by.
    Items { items: Vec<Item>, origin: Origin },
    /// A change of configuration.
    Configure(Change),
    /// Remove rows of what was erased, a bounded number.
    Purge,
}

/// By which door and key something came: for the quarantine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) door: &'static str,
    pub(crate) key: KeyId,
}

/// What a submission came to.
pub(crate) enum Answer {
    /// A verdict, or an outcome of a directive, for each item.
    Items(Vec<Done>),
    /// The configuration that holds now.
    Configured(Arc<StoredConfig>),
    /// Whether rows are left to purge.
    Purged { more: bool },
}

/// What an item came to.
#[derive(Debug, Clone)]
pub(crate) enum Done {
    Fact(Verdict),
    Erased(tessera_engine::decide::Erased),
    NotFound,
}

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
    pub(crate) fn start(shared: Arc<Shared>, tasks: &mut JoinSet<()>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tasks.spawn(run(shared, receiver));
        Self { sender }
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
            Work::Purge => {
                let answer = state.purge().await;
                drop(first.reply.send(answer.map(|more| Answer::Purged { more })));
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
                work @ (Work::Configure(_) | Work::Purge) => {
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
        let result = self.decide_all(&items, &mut replies).await;
        for reply in replies {
            let answer = match &result {
                Ok(()) => Ok(Answer::Items(reply.done)),
                Err(error) => Err(error.clone()),
            };
            drop(reply.sender.send(answer));
        }
    }

    /// Decides and commits all items. A failure leaves committed what came before; those who wait may send all again.
    async fn decide_all(&mut self, items: &[(Item, usize)], replies: &mut [Reply]) -> Result<(), Error> {
        self.ready().await?;
        let mut from = 0;
        let mut conflicts = 0;
        while from < items.len() {
            let (to, done) = match self.decide_part(&items[from..], replies).await {
                Ok(part) => part,
                Err(PartError::Conflict) if conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                    self.forget();
                    self.ready().await?;
                    continue;
                }
                Err(PartError::Conflict) => return Err(commit_failed(&CommitError::Conflict(tessera_store::Key::MIN))),
                Err(PartError::Failed(error)) => {
                    self.forget();
                    return Err(error);
                }
            };
            for (done, (_, reply)) in done.into_iter().zip(&items[from..]) {
                replies[*reply].done.push(done);
            }
            from += to;
        }
        Ok(())
    }

    /// Decides as many items as one mini-transaction takes, and commits them. Answers how many, and what they came to.
    async fn decide_part(
        &mut self,
        items: &[(Item, usize)],
        replies: &[Reply],
    ) -> Result<(usize, Vec<Done>), PartError> {
        let config = self.config().clone();
        let mut clock = self.clock();
        let mut ids = self.ids();
        let stamps: Vec<Timestamp> = items
            .iter()
            .map(|_| {
                clock = self.tick(clock);
                clock
            })
            .collect();
        let prompts: Vec<Result<Prompt, Rejection>> = items
            .iter()
            .zip(&stamps)
            .map(|((item, _), at)| match item {
                Item::Fact { fact, .. } => prepare(fact.clone(), *at, &config).map(Prompt::Fact),
                Item::Refused { rejection, .. } => Err(rejection.clone()),
                Item::Erase(node) => Ok(Prompt::Erase(*node)),
            })
            .collect();
        let mut working = Working::new(config);
        let mut gatherer = Gatherer::new(self);
        gatherer.load(prompts.iter().flatten().flat_map(first_needs), &mut working).await?;
        let second: Vec<_> = prompts.iter().flatten().flat_map(|prompt| second_needs(prompt, &working)).collect();
        gatherer.load(second, &mut working).await?;

        let mut pack = Pack::new(self.shared().workspace, self.limits());
        let mut notices: Vec<Notice> = Vec::new();
        let mut done = Vec::with_capacity(items.len());
        let mut last = self.clock();
        for (at, prompt) in prompts.iter().enumerate() {
            if !done.is_empty() && !pack.has_room(&working) {
                break;
            }
            let (item, reply) = &items[at];
            let outcome = match prompt {
                Ok(prompt) => {
                    ids.at(stamps[at].millis());
                    let mut context = Context { now: stamps[at], ids: &mut ids };
                    decide_fully(prompt, &mut working, &mut context, &mut notices, &mut gatherer).await?
                }
                Err(rejection) => Outcome::Rejected(rejection.clone()),
            };
            last = stamps[at];
            pack.add(&outcome, item, replies[*reply].origin, stamps[at], &mut ids);
            done.push(done_of(outcome, working.config()));
            if at % BREATH == BREATH - 1 {
                tokio::task::yield_now().await;
            }
        }
        self.keep_ids(ids);
        let read = gatherer.finish();
        self.commit_part(&mut working, read, pack, &notices, last).await?;
        Ok((done.len(), done))
    }
}

async fn decide_fully(
    prompt: &Prompt,
    working: &mut Working,
    context: &mut Context<'_>,
    notices: &mut Vec<Notice>,
    gatherer: &mut Gatherer,
) -> Result<Outcome, PartError> {
    for _ in 0..ROUNDS_MAX {
        match decide(prompt, working, context, notices) {
            Ok(outcome) => return Ok(outcome),
            Err(Lack::Needs(needs)) => gatherer.load(needs, working).await?,
            Err(Lack::Torn) => return Err(PartError::Conflict),
        }
    }
    let message = "a command needed more reads than are ever expected";
    Err(PartError::Failed(Error::new(ErrorKind::Internal, "too_many_rounds", message)))
}

fn done_of(outcome: Outcome, config: &tessera_engine::config::Config) -> Done {
    match outcome {
        Outcome::Erased(erased) => Done::Erased(erased),
        Outcome::NotFound => Done::NotFound,
        Outcome::Accepted { .. } | Outcome::Duplicate | Outcome::Rejected(_) | Outcome::Released { .. } => {
            Done::Fact(verdict_of(outcome, config))
        }
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
