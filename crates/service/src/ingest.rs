//! Facts in: written in order, each with its verdict.

use tessera_engine::prepare::Rejection;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::verdict::{Incoming, Verdict};
use crate::config::admission::Admission;
use crate::directory::Class;
use crate::stored::idempotency::{Given, Once};
use crate::write::lane::{Answering, Done, Item, Origin, Work, mismatch};
use crate::write::quarantine::Entry;

use crate::work::service::Service;

impl Service {
    /// Writes facts, in order, each atomic by itself; the answer has one verdict for each and leaves when all are durable and
    /// visible. What is refused goes to the quarantine under the door and key that it came by.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot take it now (what was not acknowledged may be sent again), `Unknown` when it may have
    /// happened.
    pub async fn ingest(
        &self,
        workspace: WorkspaceId,
        incoming: Vec<Incoming>,
        door: &'static str,
        key: KeyId,
    ) -> Result<Vec<Verdict>, Error> {
        self.ingest_once(workspace, incoming, door, key, None).await?.now()
    }

    /// As [`Self::ingest`], for a request that may be sent again: its answer is kept by the commit that holds the last of the facts.
    ///
    /// # Errors
    /// As [`Self::ingest`]; `Conflict` with `idempotency_key_reused`; what makes the answer.
    pub async fn ingest_once(
        &self,
        workspace: WorkspaceId,
        incoming: Vec<Incoming>,
        door: &'static str,
        key: KeyId,
        once: Option<Once<Vec<Verdict>>>,
    ) -> Result<Given<Vec<Verdict>>, Error> {
        if incoming.is_empty() {
            return Ok(Given::Now(Vec::new()));
        }
        // One that is not known here is of a process whose directory is newer, or of ours.
        let class = self.directory.snapshot().class_of(key).unwrap_or(Class::Private);
        self.write(workspace, incoming, Origin { door, key, class, again: None }, once).await
    }

    /// Writes what stands in the quarantine again. Accepted, or found to be there, it leaves the quarantine; refused, its entry
    /// stays under its id and time of receipt, with the new reason.
    ///
    /// # Errors
    /// As [`Self::ingest`].
    pub async fn ingest_again(
        &self,
        workspace: WorkspaceId,
        entry: &Entry,
        incoming: Incoming,
        door: &'static str,
    ) -> Result<Verdict, Error> {
        let again = Some((entry.id, entry.at));
        let origin = Origin { door, key: entry.key, class: entry.class, again };
        let mut verdicts = self.write(workspace, vec![incoming], origin, None).await?.now()?;
        let verdict = verdicts.pop().ok_or_else(mismatch)?;
        // One that says something else than the fact of its id was never taken in, so it stays to be looked at.
        if !matches!(verdict, Verdict::Rejected(_) | Verdict::Differs) {
            self.quarantine().delete(workspace, entry.id).await?;
        }
        Ok(verdict)
    }

    async fn write(
        &self,
        workspace: WorkspaceId,
        incoming: Vec<Incoming>,
        origin: Origin,
        once: Option<Once<Vec<Verdict>>>,
    ) -> Result<Given<Vec<Verdict>>, Error> {
        let running = self.running(workspace);
        let configured = running.shared.configured().await?;
        let admitted = |mut fact, notes| Admission::of(&mut fact, notes, &configured.stored).map(|own| (fact, own));
        let item = |Incoming { fact, raw, notes }| match fact.and_then(|fact| admitted(fact, notes)) {
            Ok((fact, admission)) => Item::Fact { fact: Box::new(fact), admission, raw },
            Err(rejection) => Item::Refused { rejection, raw },
        };
        let items: Vec<Item> = incoming.into_iter().map(item).collect();
        let facts = items.iter().filter_map(|item| match item {
            Item::Fact { fact, .. } => Some(&**fact),
            _ => None,
        });
        running.shared.learned.see(facts, &configured.stored.model().model, self.now());
        // What failed is no answer to keep: the same call may go well.
        let once = once.map(|Once { request, render }| {
            let render = move |done: &[Done]| verdicts(done).ok().map(|verdicts| render(&verdicts));
            Answering { request, render: Box::new(render) }
        });
        match running.lane.submit(Work::Items { items, origin, once }).await?.into_items()? {
            Given::Now(done) => verdicts(&done).map(Given::Now),
            Given::Before(reply) => Ok(Given::Before(reply)),
        }
    }
}

/// The verdicts of a write. What failed alone is an error; of several, the others are told what became of them.
fn verdicts(done: &[Done]) -> Result<Vec<Verdict>, Error> {
    let is_alone = done.len() == 1;
    let verdict = |done: &Done| match done {
        Done::Fact(Verdict::Rejected(Rejection { code: "internal", message })) if is_alone => {
            Err(Error::new(ErrorKind::Internal, "internal", message.clone()))
        }
        Done::Fact(verdict) => Ok(verdict.clone()),
        Done::Failed(error) if is_alone => Err(error.clone()),
        Done::Failed(error) => Ok(Verdict::Rejected(Rejection::new(error.code, error.message.clone()))),
        _ => Err(mismatch()),
    };
    done.iter().map(verdict).collect()
}
