//! Erasures, their receipts, and who is let in no more.

use tessera_engine::decide::{Erasure, Victim};
use tessera_engine::fact::Identity;
use tessera_engine::normalise::normalise;
use tessera_store::CommitError;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::store_error::commit_failed;
use crate::base::verdict::NamedIdentity;
use crate::config::configured::Configured;
use crate::directory::{Class, ListPage, ListQuery};
use crate::jobs::{Job, NewJob};
use crate::read::facts;
use crate::read::find::{not_found, unknown_namespace};
use crate::read::query::Lookup;
use crate::stored::idempotency::{Given, Once};
use crate::stored::keys::Scope;
use crate::stored::records::event;
use crate::stored::records::rows::decode_lane;
use crate::stored::row::{self, rows_at_once};
use crate::work::kind::Kind as _;
use crate::work::kinds::erase_profiles::{Asked, EraseProfiles, Left};
use crate::work::service::Service;
use crate::write::erasure::{self, Receipt, erasure_of};
use crate::write::lane::{Answer, Answering, Done, Item, Origin, Work, mismatch};
use crate::write::suppression::Secret;

/// After how many seconds an erasure may be tried again that too many waiting events hold up: the purge runs as often.
const RETRY_SECS: u32 = 60;

/// Datasets that an error names.
const NAMED_MAX: usize = 10;

/// Profiles that one job erases.
pub const PROFILES_MAX: usize = 5_000;
/// Identities that one commit suppresses at most.
const SUPPRESSED_AT_ONCE: usize = 500;

/// Identities that one call erases.
pub const IDENTITIES_MAX: usize = 100;

/// What of a look-up is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The profile, with all its identities.
    Profile,
    /// The identity that was named, alone. What hung together only by it falls apart.
    Identity,
}

/// Whether those who are erased may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// What is sent of them later is taken as that of somebody new.
    Allowed,
    /// What names one of their identities is refused from now on, until it is let in again.
    Refused,
}

/// What a workspace says of those who were erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasureState {
    /// Events that were erased and are still to be purged.
    pub waiting_events: u64,
    /// Identities that are let in no more.
    pub suppressed: u64,
}

impl Service {
    /// Erases a profile, or one identity, with its facts, links and events: they are gone from every answer when this answers, and
    /// from the files of the store when its receipt says so.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`; `Throttled` with `erasures_waiting`, never where
    /// the return is refused; what the store answers.
    pub async fn erase(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        how: (Extent, Return),
        by: (&'static str, KeyId),
    ) -> Result<Receipt, Error> {
        self.erase_once(workspace, lookup, how, by, None).await?.now()
    }

    /// As [`Self::erase`], for a request that may be sent again: its answer is kept by the commit of the erasure.
    ///
    /// # Errors
    /// As [`Self::erase`]; `Conflict` with `idempotency_key_reused`.
    pub async fn erase_once(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        (extent, back): (Extent, Return),
        (door, key): (&'static str, KeyId),
        once: Option<Once<Receipt>>,
    ) -> Result<Given<Receipt>, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        let found = self.finder(workspace, &configured.config).find_known(lookup).await?;
        let victim = match extent {
            Extent::Profile => Victim::Profile(found.node),
            Extent::Identity => Victim::Node(found.node),
        };
        let erasure = Erasure { victim, suppresses: back == Return::Refused };
        let origin = Origin { door, key, class: Class::Private, again: None };
        self.submit_erasure(workspace, Item::command(erasure), origin, once).await?.ok_or_else(not_found)
    }

    /// Erases identities of one profile, one after the other, each in a commit of its own. Of one that was known by the others alone, and has
    /// gone with them, there is no receipt.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`, and with `identity_not_found` where one is none of the profile: then nothing was erased. `Invalid`
    /// with `namespace_unknown`, `batch_too_many` above [`IDENTITIES_MAX`]. As [`Self::erase`]; the message says how many were erased before.
    pub async fn erase_identities(
        &self,
        workspace: WorkspaceId,
        profile: &Lookup,
        identities: &[NamedIdentity],
        back: Return,
        by: (&'static str, KeyId),
    ) -> Result<Vec<Option<Receipt>>, Error> {
        if identities.len() > IDENTITIES_MAX {
            let message = format!("at most {IDENTITIES_MAX} identities are erased in one call; nothing was erased");
            return Err(Error::new(ErrorKind::Invalid, "batch_too_many", message));
        }
        let configured = self.running(workspace).shared.configured().await?;
        let found = self.finder(workspace, &configured.config).find_known(profile).await?;
        for (at, named) in identities.iter().enumerate() {
            let own = identity_of(&configured, &named.namespace, &named.value)?;
            if !found.cluster.piece(found.node).any(|node| node.identity == own) {
                let message = format!("identity {at} is none of the profile; nothing was erased");
                return Err(Error::new(ErrorKind::NotFound, "identity_not_found", message));
            }
        }
        let mut receipts: Vec<Option<Receipt>> = Vec::with_capacity(identities.len());
        for NamedIdentity { namespace, value } in identities {
            let lookup = Lookup::Identity { namespace: namespace.to_string(), value: value.to_string() };
            match self.erase(workspace, &lookup, (Extent::Identity, back), by).await {
                Ok(receipt) => receipts.push(Some(receipt)),
                Err(error) if error.kind == ErrorKind::NotFound => receipts.push(None),
                Err(error) => {
                    let (before, all) = (receipts.len(), identities.len());
                    let message = format!("{}; of {all} identities the first {before} were erased", error.message);
                    return Err(Error { message: message.into(), ..error });
                }
            }
        }
        Ok(receipts)
    }

    /// Erases one event, by the id that it was sent with, and its dataset where several have one of that id. Links that it was evidence
    /// of stay.
    ///
    /// # Errors
    /// `NotFound` with `event_not_found`; `Conflict` with `event_ambiguous`, naming the datasets; what the store answers.
    pub async fn erase_event(
        &self,
        workspace: WorkspaceId,
        message_id: &str,
        dataset: Option<&str>,
        by: (&'static str, KeyId),
    ) -> Result<Receipt, Error> {
        self.erase_event_once(workspace, message_id, dataset, by, None).await?.now()
    }

    /// As [`Self::erase_event`], for a request that may be sent again: its answer is kept by the commit of the erasure.
    ///
    /// # Errors
    /// As [`Self::erase_event`]; `Conflict` with `idempotency_key_reused`.
    pub async fn erase_event_once(
        &self,
        workspace: WorkspaceId,
        message_id: &str,
        dataset: Option<&str>,
        (door, key): (&'static str, KeyId),
        once: Option<Once<Receipt>>,
    ) -> Result<Given<Receipt>, Error> {
        let none = event_not_found;
        let (store, scope) = (&**self.store(), Scope::new(workspace));
        if message_id.is_empty() || message_id.len() > store.limits().key / 2 {
            return Err(none());
        }
        let mut found = Vec::new();
        for fact in facts::of_id(store, scope, message_id).await? {
            let Some(id) = fact.event else { continue };
            let key_of_row = scope.event(fact.node, fact.time, id);
            let Some(call) = row::read(store, key_of_row.clone()).await? else { continue };
            let call = event::decode(id, fact.time, &call.value)?;
            if dataset.is_none_or(|dataset| *call.dataset == *dataset) {
                found.push((erasure_of(call, fact), key_of_row));
            }
        }
        let (erasure, key_of_row) = match found.len() {
            0 | 1 => found.pop().ok_or_else(none)?,
            _ => return Err(ambiguous(found.iter().map(|(erasure, _)| &*erasure.source.dataset))),
        };
        let origin = Origin { door, key, class: Class::Private, again: None };
        let item = Item::deleting(erasure, key_of_row);
        self.submit_erasure(workspace, item, origin, once).await?.ok_or_else(none)
    }

    async fn submit_erasure(
        &self,
        workspace: WorkspaceId,
        item: Item,
        origin: Origin,
        once: Option<Once<Receipt>>,
    ) -> Result<Option<Given<Receipt>>, Error> {
        let running = self.running(workspace);
        let once = once.map(|Once { request, render }| {
            let render = move |done: &[Done]| match done {
                [Done::Erased(receipt)] => Some(render(receipt)),
                _ => None,
            };
            Answering { request, render: Box::new(render) }
        });
        let answer = running.lane.submit(Work::Items { items: vec![item], origin, once }).await?;
        let mut done = match answer.into_items()? {
            Given::Now(done) => done,
            Given::Before(reply) => return Ok(Some(Given::Before(reply))),
        };
        match done.pop() {
            Some(Done::Erased(receipt)) => {
                running.keeper.nudge();
                Ok(Some(Given::Now(*receipt)))
            }
            Some(Done::Waiting(max)) => {
                running.keeper.nudge();
                let message = format!(
                    "more than {max} erased events would wait for the purge; try again when it has run, or erase with \
                     suppress=true, which is never held up"
                );
                let error = Error::new(ErrorKind::Throttled, "erasures_waiting", message);
                Err(Error { retry_after_secs: Some(RETRY_SECS), ..error })
            }
            Some(Done::NotFound) => Ok(None),
            Some(Done::Failed(error)) => Err(error),
            _ => Err(mismatch()),
        }
    }

    /// The receipt of an erasure.
    ///
    /// # Errors
    /// `NotFound` with `erasure_not_found`; what the store answers.
    pub async fn erasure(&self, workspace: WorkspaceId, id: &str) -> Result<Receipt, Error> {
        erasure::find(&**self.store(), workspace, id).await
    }

    /// A page of the receipts of a workspace, newest first.
    ///
    /// # Errors
    /// `Invalid` with `limit_invalid`, `cursor_invalid`; what the store answers.
    pub async fn erasures(&self, workspace: WorkspaceId, query: &ListQuery) -> Result<ListPage<Receipt>, Error> {
        erasure::list(&**self.store(), workspace, query, &self.cursors).await
    }

    /// Has what was erased purged now, and not when the interval is over. Answers at once; receipts say when it is done.
    pub fn purge_soon(&self, workspace: WorkspaceId) {
        self.running(workspace).keeper.purge_soon();
    }

    /// Whether the disk has the room that a purge takes: it rewrites all files of the store.
    ///
    /// # Errors
    /// `Unavailable` with `disk_full` and the bytes that have to be free; what the store answers.
    pub async fn check_purge(&self) -> Result<(), Error> {
        self.store().check_compaction().await.map_err(|error| match error {
            CommitError::Full { free_bytes, needed_bytes } => {
                let message = format!(
                    "a purge rewrites the files of the store, and the disk has too little free room for it; what was erased stays \
                     hidden until it has free_bytes={free_bytes} needed_bytes={needed_bytes}"
                );
                Error::new(ErrorKind::Unavailable, "disk_full", message)
            }
            error => commit_failed(&error),
        })
    }

    /// What waits, and how many identities are let in no more. Exact.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn erasure_state(&self, workspace: WorkspaceId) -> Result<ErasureState, Error> {
        let row = row::read(&**self.store(), Scope::new(workspace).lane()).await?;
        let row = row.map(|row| decode_lane(&row.value)).transpose()?;
        let (waiting_events, suppressed) = row.map_or((0, 0), |row| (row.waiting, row.suppressed));
        Ok(ErasureState { waiting_events, suppressed })
    }

    /// Whether an identity is let in no more.
    ///
    /// # Errors
    /// `Invalid` with `namespace_unknown`, `identity_invalid`; what the store answers.
    pub async fn is_suppressed(&self, workspace: WorkspaceId, namespace: &str, value: &str) -> Result<bool, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        let identity = identity_of(&configured, namespace, value)?;
        let Some(secret) = Secret::read(&**self.store(), workspace).await? else { return Ok(false) };
        Ok(row::read(&**self.store(), secret.key(Scope::new(workspace), &identity)).await?.is_some())
    }

    /// Has profiles erased that these identities are of, one after the other, by a job: those are meant that are there now. Whoever is
    /// named and not known is passed over.
    ///
    /// # Errors
    /// `Invalid` with `batch_too_many` above [`PROFILES_MAX`], `namespace_unknown`, `identity_invalid`; as [`Jobs::ask`](crate::jobs::Jobs::ask).
    pub async fn erase_profiles(
        &self,
        workspace: WorkspaceId,
        identities: &[NamedIdentity],
        reason: Option<&str>,
        key: KeyId,
        once: Option<&Once<Job>>,
    ) -> Result<Given<Job>, Error> {
        if identities.len() > PROFILES_MAX {
            let message = format!("at most {PROFILES_MAX} profiles are erased by one job; nothing was erased");
            return Err(Error::new(ErrorKind::Invalid, "batch_too_many", message));
        }
        let configured = self.running(workspace).shared.configured().await?;
        let finder = self.finder(workspace, &configured.config);
        let mut nodes = Vec::new();
        for own in identities {
            let identity = identity_of(&configured, &own.namespace, &own.value)?;
            nodes.extend(finder.by_known_identity(&identity).await?.map(|found| found.node));
        }
        let asked = Asked { named: identities.len() as u64, reason: reason.map(str::to_owned) };
        let parameters = serde_json::to_string(&asked).map_err(|_| mismatch())?;
        let new = NewJob { kind: EraseProfiles::NAME.to_owned(), parameters, asked_by: Some(key) };
        self.jobs().make_from(workspace, &new, Some(Left::of(&nodes)), once).await
    }

    /// Suppresses identities, whether or not anything is known of them: what names one is refused from now on, and in what others say it is
    /// left out. What was known before stays. Answers how many were not suppressed before.
    ///
    /// # Errors
    /// As [`Self::is_suppressed`]: then none is suppressed by this; what the store answers: then some may be.
    pub async fn shut_out(&self, workspace: WorkspaceId, identities: &[NamedIdentity]) -> Result<usize, Error> {
        let running = self.running(workspace);
        let configured = running.shared.configured().await?;
        let named = identities.iter().map(|own| identity_of(&configured, &own.namespace, &own.value));
        let identities: Vec<Identity> = named.collect::<Result<_, _>>()?;
        let mut changed = 0;
        for some in identities.chunks(rows_at_once(&**self.store(), SUPPRESSED_AT_ONCE, 2)) {
            match running.lane.submit(Work::ShutOut(some.to_vec())).await? {
                Answer::Suppressions(some) => changed += some,
                _ => return Err(mismatch()),
            }
        }
        Ok(changed)
    }

    /// Lets an identity in again.
    ///
    /// # Errors
    /// As [`Self::is_suppressed`]; `NotFound` with `suppression_not_found`.
    pub async fn let_in(&self, workspace: WorkspaceId, namespace: &str, value: &str) -> Result<(), Error> {
        let running = self.running(workspace);
        let identity = identity_of(&*running.shared.configured().await?, namespace, value)?;
        match running.lane.submit(Work::LetIn(identity)).await? {
            Answer::Suppressions(1..) => Ok(()),
            Answer::Suppressions(0) => {
                let message = "the identity is not suppressed";
                Err(Error::new(ErrorKind::NotFound, "suppression_not_found", message))
            }
            _ => Err(mismatch()),
        }
    }
}

fn event_not_found() -> Error {
    Error::new(ErrorKind::NotFound, "event_not_found", "the workspace has no event of this message id")
}

fn ambiguous<'a>(datasets: impl Iterator<Item = &'a str>) -> Error {
    let datasets: Vec<&str> = datasets.take(NAMED_MAX).collect();
    let message = format!("events of several datasets have this message id; say of which: {}", datasets.join(", "));
    Error::new(ErrorKind::Conflict, "event_ambiguous", message)
}

fn identity_of(configured: &Configured, namespace: &str, value: &str) -> Result<Identity, Error> {
    let config = &configured.config;
    let namespace = config.by_name(namespace).ok_or_else(|| unknown_namespace(config))?;
    let value = normalise(namespace, value).map_err(|refused| {
        Error::new(ErrorKind::Invalid, "identity_invalid", format!("no value of the namespace: {refused}"))
    })?;
    Ok(Identity { namespace: namespace.id, value })
}
