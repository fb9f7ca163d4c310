//! What the doors ask of a workspace: facts in, profiles out, the configuration.

use std::sync::Arc;

use tessera_engine::model::Flags;
use tessera_engine::prepare::Rejection;
use tessera_engine::time::Timestamp;
use tessera_engine::value::Path;
use tessera_engine::view::Lens;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::names;
use crate::base::verdict::{Incoming, Verdict};
use crate::config::admission::Admission;
use crate::config::learned::Summary;
use crate::config::policies;
use crate::config::workspace::{Policies, StoredConfig, StoredPolicy};
use crate::directory::{Class, ListPage, ListQuery};
use crate::read::explain;
use crate::read::export::Export;
use crate::read::find::not_found;
use crate::read::graph;
use crate::read::query::{EventPage, EventQuery, Explained, Fields, Graph, Lookup, Rendered};
use crate::read::render::{render, viewed, visible};
use crate::read::ruled::{self, Of, Tries};
use crate::read::timeline;
use crate::read::timeline::Place;
use crate::read::views::{etag, view_key};
use crate::stored::cursor::Purpose;
use crate::stored::idempotency::{Given, Once};
use crate::stored::keys::Scope;
use crate::stored::records::rows::{Counts, decode_lane};
use crate::stored::row;
use crate::write::lane::{Answer, Answering, Changed, Configuring, Done, Item, Origin, Sweeps, Work};
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
        match running.lane.submit(Work::Items { items, origin, once }).await? {
            Answer::Items(done) => verdicts(&done).map(Given::Now),
            Answer::Before(reply) => Ok(Given::Before(reply)),
            Answer::Configured(_) | Answer::Previewed(_) | Answer::Purged { .. } | Answer::LetIn(_) => Err(mismatch()),
        }
    }

    /// One profile, rendered under the merge policy of this id, or under the workspace's default one.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`, `merge_policy_unknown`; `LimitExceeded` with
    /// `profile_too_large` above 1 MB of JSON without any attribute; `Unavailable` with `rules_busy`, `rules_late`.
    pub async fn profile(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        fields: Fields,
        policy: Option<&str>,
    ) -> Result<Rendered, Error> {
        let key = view_key(workspace, lookup, fields, policy);
        if let Some(rendered) = self.views.find(&key, &self.epochs, || (self.components.clock)()) {
            metrics::counter!(names::VIEW_READS, "cache" => "hit").increment(1);
            return Ok(rendered);
        }
        metrics::counter!(names::VIEW_READS, "cache" => "miss").increment(1);
        let mut tries = Tries::default();
        loop {
            let answer = self.read_profile(workspace, lookup, fields, policy, &key).await;
            if !tries.goes_on(&answer) {
                return answer;
            }
        }
    }

    async fn read_profile(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        fields: Fields,
        policy: Option<&str>,
        key: &[u8],
    ) -> Result<Rendered, Error> {
        // Before the configuration: what is made under one that changes meanwhile is not kept as that of the next.
        let since = self.epochs.of_all();
        let configured = self.running(workspace).shared.configured().await?;
        let (config, asked) = (&configured.config, policy);
        let policy = configured.policy(policy)?;
        let found = self.finder(workspace, config).find(lookup).await?;
        let (now, relevance) = ((self.components.clock)(), fields.relevance);
        let lens = Lens { policy: &policy.compiled, config, now, relevance };
        let view = viewed(&found.cluster, found.node, &lens).ok_or_else(not_found)?;
        let mut view = visible(view, configured.stored.model().model.hidden(fields.sight));
        let of = Of { configured: &configured, found: &found, policy: asked, now };
        let mut ruled = self.asker(workspace).ruled(of).await?;
        ruled::hide(&mut ruled, &configured.flagged, fields.sight);
        ruled::add(&ruled, &mut view, relevance, config);
        let mut gaps = ruled::gaps(&ruled, &mut view, &configured, fields.sight);
        let mut json = render(&view, &ruled, &gaps, fields, config);
        if json.len() > PROFILE_BYTES_MAX {
            gaps.fit(&mut view, &ruled, json.len(), PROFILE_BYTES_MAX, config);
            json = render(&view, &ruled, &gaps, fields, config);
        }
        if json.len() > PROFILE_BYTES_MAX {
            let message = "the profile is larger than 1 MB of JSON; ask for fewer fields";
            return Err(Error::new(ErrorKind::LimitExceeded, "profile_too_large", message));
        }
        let etag = etag(&found, &view, &json, fields, config, policy);
        let rendered = Rendered { json, etag };
        self.views.keep(key, found.epoch.since(since), view.valid_until, &rendered);
        Ok(rendered)
    }

    /// Why an attribute of a profile, and those below it, or all attributes that the reader may see, are what they are under a
    /// merge policy.
    ///
    /// # Errors
    /// As [`Self::profile`]; `LimitExceeded` with `explanation_too_large` above 5,000 contenders.
    pub async fn explain(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        policy: Option<&str>,
        attribute: Option<&Path>,
        sight: Flags,
    ) -> Result<Explained, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        let (config, policy) = (&configured.config, configured.policy(policy)?);
        let found = self.finder(workspace, config).find(lookup).await?;
        let (now, hidden) = ((self.components.clock)(), configured.stored.model().model.hidden(sight));
        explain::build(&found, policy, attribute, config, now, hidden)
    }

    /// A page of the timeline of a profile, newest first. It ends with the event that reaches [`PAGE_BYTES`], at the latest.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `cursor_invalid`, `limit_invalid`, `namespace_unknown`.
    pub async fn events(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        query: &EventQuery,
    ) -> Result<EventPage, Error> {
        if !(1..=EVENTS_MAX).contains(&query.limit) {
            let message = format!("limit is expected to be 1 to {EVENTS_MAX}");
            return Err(Error::new(ErrorKind::Invalid, "limit_invalid", message));
        }
        let after = query.cursor.as_deref().map(|cursor| {
            let carried = self.cursors.open_sealed(workspace, Purpose::Events, cursor)?;
            Place::from_bytes(&carried).ok_or_else(crate::stored::cursor::invalid)
        });
        let after = after.transpose()?;
        let configured = self.running(workspace).shared.configured().await?;
        let found = self.finder(workspace, &configured.config).find(lookup).await?;
        let scope = Scope::new(workspace);
        let (store, now) = (&*self.components.store, self.now());
        let page = timeline::read_within(PAGE_BYTES, store, scope, &found, query, after, &configured, now);
        let (events, next) = page.await?;
        let next_cursor = next.map(|place| self.cursors.seal(workspace, Purpose::Events, &place.to_bytes()));
        Ok(EventPage { events, next_cursor })
    }

    /// The identity graph of a profile.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`.
    pub async fn identities(&self, workspace: WorkspaceId, lookup: &Lookup) -> Result<Graph, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        let found = self.finder(workspace, &configured.config).find(lookup).await?;
        graph::read(&self.components.store, Scope::new(workspace), &found, &configured.config).await
    }

    /// Everything that is held of a profile, but for what the reader may not see.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`; `Unavailable` with `rules_off`.
    pub async fn export(&self, workspace: WorkspaceId, lookup: &Lookup, sight: Flags) -> Result<Export, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        // What rules come to is part of it.
        configured.check_rules_are_on()?;
        let found = self.finder(workspace, &configured.config).find(lookup).await?;
        Ok(Export::new(self.asker(workspace), configured, found, sight, self.now()))
    }

    /// What a workspace holds. Exact: the counts change with what they count.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn counts(&self, workspace: WorkspaceId) -> Result<Counts, Error> {
        let row = row::read(&*self.components.store, Scope::new(workspace).lane()).await?;
        let row = row.map(|row| decode_lane(&row.value)).transpose()?;
        Ok(row.map(|row| row.counts).unwrap_or_default())
    }

    /// The configuration of a workspace.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn configuration(&self, workspace: WorkspaceId) -> Result<Arc<StoredConfig>, Error> {
        Ok(self.running(workspace).shared.configured().await?.stored.clone())
    }

    /// Changes the configuration of a workspace, in order with its writes.
    ///
    /// # Errors
    /// What the change answers; what the store answers.
    pub async fn configure(
        &self,
        workspace: WorkspaceId,
        change: impl FnOnce(&StoredConfig) -> Result<StoredConfig, Error> + Send + 'static,
    ) -> Result<Arc<StoredConfig>, Error> {
        self.configure_rules(workspace, move |config, _| change(config)).await
    }

    /// As [`Self::configure_rules`], for a request that may be sent again: its answer is kept by the commit of the change.
    ///
    /// # Errors
    /// As [`Self::configure_rules`]; `Conflict` with `idempotency_key_reused`; what makes the answer.
    pub async fn configure_once(
        &self,
        workspace: WorkspaceId,
        once: Option<Once<Changed>>,
        change: impl FnOnce(&StoredConfig, Timestamp) -> Result<StoredConfig, Error> + Send + 'static,
    ) -> Result<Given<Changed>, Error> {
        let configuring = Configuring { change: Box::new(change), sweeps: Sweeps::Ordered { by: None }, once };
        self.submit_change(workspace, configuring).await
    }

    pub(crate) async fn submit_change(
        &self,
        workspace: WorkspaceId,
        configuring: Configuring,
    ) -> Result<Given<Changed>, Error> {
        match self.running(workspace).lane.submit(Work::Configure(configuring)).await? {
            Answer::Configured(changed) => Ok(Given::Now(*changed)),
            Answer::Before(reply) => Ok(Given::Before(reply)),
            Answer::Items(_) | Answer::Previewed(_) | Answer::Purged { .. } | Answer::LetIn(_) => Err(mismatch()),
        }
    }

    async fn changed(&self, workspace: WorkspaceId, configuring: Configuring) -> Result<Arc<StoredConfig>, Error> {
        Ok(self.submit_change(workspace, configuring).await?.now()?.config)
    }

    /// Changes the configuration at an instant of the lane's clock.
    pub(crate) async fn configure_at(
        &self,
        workspace: WorkspaceId,
        change: impl FnOnce(&StoredConfig, Timestamp) -> Result<StoredConfig, Error> + Send + 'static,
    ) -> Result<Arc<StoredConfig>, Error> {
        let configuring = Configuring { change: Box::new(change), sweeps: Sweeps::Left, once: None };
        self.changed(workspace, configuring).await
    }

    /// Changes the rules at an instant of the lane's clock; the job that brings what is new of them to everybody begins with the change.
    ///
    /// # Errors
    /// What the change answers; what the store answers.
    pub async fn configure_rules(
        &self,
        workspace: WorkspaceId,
        change: impl FnOnce(&StoredConfig, Timestamp) -> Result<StoredConfig, Error> + Send + 'static,
    ) -> Result<Arc<StoredConfig>, Error> {
        let sweeps = Sweeps::Ordered { by: None };
        self.changed(workspace, Configuring { change: Box::new(change), sweeps, once: None }).await
    }

    /// A page of the merge policies of a workspace's configuration, by id.
    ///
    /// # Errors
    /// `Invalid` with `limit_invalid`, `cursor_invalid`.
    pub fn merge_policies<'a>(
        &self,
        workspace: WorkspaceId,
        policies: &'a Policies,
        query: &ListQuery,
    ) -> Result<ListPage<&'a StoredPolicy>, Error> {
        policies::page(policies, workspace, query, &self.cursors)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.components.clock)()
    }

    /// Draws random bits.
    pub fn random(&self, bytes: &mut [u8]) {
        (self.components.random)(bytes);
    }

    /// What was seen of attributes and events in a workspace where nothing is refused: advice, as [`crate::config::learned`] says.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn learned(&self, workspace: WorkspaceId) -> Result<Summary, Error> {
        self.running(workspace).shared.learned.summary(&*self.components.store, Scope::new(workspace)).await
    }

    /// Forgets what was seen of attributes and events.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn forget_learned(&self, workspace: WorkspaceId) -> Result<(), Error> {
        self.running(workspace).shared.learned.forget(&*self.components.store, Scope::new(workspace)).await
    }
}

/// Bytes of JSON that a profile may come to (spec/dinmo.md A6).
const PROFILE_BYTES_MAX: usize = 1_000_000;
/// Events of one page.
const EVENTS_MAX: usize = 1_000;
/// Bytes of payloads with which a page of events ends, however few they are.
pub const PAGE_BYTES: usize = 4 << 20;

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
        Done::Erased(_)
        | Done::Waiting(_)
        | Done::NotFound
        | Done::Swept
        | Done::InPart
        | Done::Directed { .. }
        | Done::Refused(_) => Err(mismatch()),
    };
    done.iter().map(verdict).collect()
}

pub(crate) fn mismatch() -> Error {
    Error::new(ErrorKind::Internal, "internal", "a lane answered something else than was asked")
}
