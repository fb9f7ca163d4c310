//! One task for each workspace that decides its writes in sequence: gather, decide, commit.
//!
//! Waiting submissions are packed into groups, and a group into mini-transactions as large as the store allows. Inside, all
//! commands work on one set of records, so many events of one person cost one record write. An answer leaves after the last
//! mini-transaction that holds a part of it. What does not fit is halved and decided again, down to one command; one alone that does not fit
//! is decided without the rules, whose work is put off. A panic fails the command that caused it. On the embedded store a workspace has one lane and nobody else writes its
//! families, so conflicts do not come up; if one does, the lane forgets what it remembers and decides again.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::Span;

use crate::base::error::{Error, ErrorKind};
use crate::stored::audit::{self, Pending};
use crate::stored::idempotency::{self, Claim, Reply as KeptReply};
use crate::write::lane::gate::{Gate, Inside};
use crate::write::lane::guard::guarded;
use crate::write::lane::queue::{Place, Queue};
use crate::write::lane::state::State;

mod answers;
mod commit;
mod configure;
mod decide;
mod decision;
mod erase;
mod facts;
pub(crate) mod gate;
mod gather;
mod guard;
mod left;
mod memberships;
mod memory;
mod noted;
mod pack;
mod purge;
mod queue;
mod recount;
mod shared;
mod state;
pub(crate) mod take_out;
mod weight;
mod work;

pub(crate) use commit::counts_of;
pub(crate) use memory::Memories;
pub(crate) use queue::Queues;
pub(crate) use shared::Shared;
pub(crate) use weight::Weights;
pub(crate) use work::{
    Answer, Answering, Configuring, Done, Item, Ordered, Origin, Recording, Sweeps, Work, Writing, WrittenDocument,
    mismatch,
};

pub use work::Changed;

/// Submissions that wait in a lane before work of the service itself waits before it; what others submit is bounded before (`queue.rs`).
const QUEUE: usize = 8_192;
/// Commands of one group.
const GROUP_COMMANDS_MAX: usize = 1_000;

struct Submission {
    work: Work,
    /// The entry of the request that it is part of, where that is audited.
    audited: Option<Arc<Pending>>,
    /// The request, as the log names it.
    span: Span,
    reply: Answers,
}

/// Who waits for an answer, and what is held until it is given.
struct Answers {
    sender: oneshot::Sender<Result<Answer, Error>>,
    /// None for work of the service itself.
    _place: Option<Place>,
    /// The lane does not end before, even if nobody waits any more.
    _inside: Inside,
}

impl Answers {
    fn send(self, answer: Result<Answer, Error>) {
        drop(self.sender.send(answer));
    }
}

/// Where a lane takes its submissions. Cheap to clone; the lane ends when all are gone and its queue is empty.
#[derive(Clone)]
pub(crate) struct Handle {
    sender: mpsc::Sender<Submission>,
    queue: Arc<Queue>,
    gate: Arc<Gate>,
}

impl Handle {
    /// Starts the lane of a workspace.
    pub(crate) fn start(shared: Arc<Shared>, tasks: &mut JoinSet<()>, runtime: &tokio::runtime::Handle) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (queue, gate) = (shared.queues.queue(), Arc::default());
        tasks.spawn_on(run(shared, receiver), runtime);
        Self { sender, queue, gate }
    }

    /// Whether it has ended: nothing that is submitted would be answered.
    pub(crate) fn has_ended(&self) -> bool {
        self.sender.is_closed()
    }

    /// Who uses the workspace: its lane ends only while nobody does.
    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Submits what somebody asked for and waits for its answer.
    ///
    /// # Errors
    /// `Throttled` with `queue_full`, `Unavailable` with `queues_full`: nothing has happened; `Unknown` where it may have; what the work
    /// answers.
    pub(crate) async fn submit(&self, work: Work) -> Result<Answer, Error> {
        let place = self.queue.enter(&work)?;
        self.submit_with(Some(place), work).await
    }

    /// Submits work of the service itself, of which there is little at one time: it is never refused for what others have submitted.
    ///
    /// # Errors
    /// `Unknown` where it may have happened; what the work answers.
    pub(crate) async fn submit_own(&self, work: Work) -> Result<Answer, Error> {
        self.submit_with(None, work).await
    }

    async fn submit_with(&self, place: Option<Place>, work: Work) -> Result<Answer, Error> {
        let (sender, answer) = oneshot::channel();
        let stopped = || Error::new(ErrorKind::Unavailable, "stopping", "the service is stopping; try again");
        let inside = self.gate.enter().ok_or_else(stopped)?;
        let reply = Answers { sender, _place: place, _inside: inside };
        let submission = Submission { work, audited: audit::current(), span: Span::current(), reply };
        self.sender.send(submission).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| Error::new(ErrorKind::Unknown, "outcome_unknown", "the write may have happened"))?
    }
}

async fn run(shared: Arc<Shared>, mut receiver: mpsc::Receiver<Submission>) {
    let mut state = State::new(shared);
    let mut waiting: VecDeque<Submission> = VecDeque::new();
    while let Some(first) = next(&mut receiver, &mut waiting).await {
        let Submission { work, audited, span, reply } = first;
        match work {
            Work::Items { items, origin, once } => {
                let mut group = Group::default();
                group.take(items, origin, once, (audited, span, reply));
                group.fill(&mut receiver, &mut waiting);
                // Whoever has no answer then is told that it may have happened.
                if guarded(Box::pin(state.run_group(group))).await.is_err() {
                    state.forget();
                }
            }
            work => {
                let answer = match guarded(Box::pin(state.do_other(work, audited))).await {
                    Ok(answer) => answer,
                    Err(fault) => Err(state.failed_by(&fault)),
                };
                reply.send(answer);
            }
        }
    }
}

impl State {
    /// Does what is no item.
    async fn do_other(&mut self, work: Work, audited: Option<Arc<Pending>>) -> Result<Answer, Error> {
        match work {
            Work::Items { .. } => unreachable!("items are taken in groups"),
            Work::Configure(configuring) => self.configure(configuring, audited.as_ref()).await,
            Work::Preview(ordered) => self.preview(*ordered).await.map(Answer::Previewed),
            Work::Purge => {
                let more = self.purge().await? || self.place_facts().await?;
                Ok(Answer::Purged { more })
            }
            Work::LetIn(identity) => self.let_in(&identity, audited.as_ref()).await.map(Answer::Suppressions),
            Work::ShutOut(identities) => self.shut_out(&identities, audited.as_ref()).await.map(Answer::Suppressions),
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
    /// How many items it is for.
    items: usize,
    done: Vec<Done>,
    /// The entry of the request that brought them, where that is audited.
    audited: Option<Arc<Pending>>,
    /// The request that brought them, as the log names it.
    span: Span,
    /// The request under an `Idempotency-Key` that brought them.
    once: Option<Answering>,
    /// The right to answer it, once it was looked up.
    claim: Option<Claim>,
    /// What it was answered before, or why it cannot be answered.
    before: Option<Result<KeptReply, Error>>,
    /// Who waits for it; nobody for what the lane does by itself.
    answers: Option<Answers>,
}

impl Group {
    fn take(
        &mut self,
        items: Vec<Item>,
        origin: Origin,
        once: Option<Answering>,
        (audited, span, answers): (Option<Arc<Pending>>, Span, Answers),
    ) {
        let at = self.replies.len();
        let done = Vec::with_capacity(items.len());
        let answers = Some(answers);
        let reply = Reply { origin, items: items.len(), done, audited, span, once, claim: None, before: None, answers };
        self.replies.push(reply);
        self.items.extend(items.into_iter().map(|item| (item, at)));
    }

    /// Whether a request of this group is the same one, or has its name: it is looked up when that one is answered.
    fn has(&self, once: &Option<Answering>) -> bool {
        let Some(once) = once else { return false };
        let row = idempotency::row_key(&once.request);
        self.replies.iter().filter_map(|own| own.once.as_ref()).any(|own| idempotency::row_key(&own.request) == row)
    }

    /// Takes what waits, up to the bound. Anything but items waits for its turn.
    fn fill(&mut self, receiver: &mut mpsc::Receiver<Submission>, waiting: &mut VecDeque<Submission>) {
        while self.items.len() < GROUP_COMMANDS_MAX {
            let Ok(submission) = receiver.try_recv() else { return };
            match submission.work {
                Work::Items { items, origin, once } if !self.has(&once) => {
                    self.take(items, origin, once, (submission.audited, submission.span, submission.reply));
                }
                work @ (Work::Items { .. }
                | Work::Configure(_)
                | Work::Preview(_)
                | Work::Purge
                | Work::LetIn(_)
                | Work::ShutOut(_)) => {
                    waiting.push_back(Submission { work, ..submission });
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
