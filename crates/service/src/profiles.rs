//! Profiles out: one rendered, explained, with its timeline, its identities, or whole.

use std::sync::Arc;

use tessera_engine::id::NodeId;
use tessera_engine::model::Flags;
use tessera_engine::time::Timestamp;
use tessera_engine::value::Path;

use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::names;
use crate::config::configured::Configured;
use crate::read::explain;
use crate::read::export::Export;
use crate::read::facts;
use crate::read::find::Found;
use crate::read::graph;
use crate::read::query::{EventOrder, EventPage, EventQuery, Explained, Fields, Graph, Lookup, Rendered};
use crate::read::ruled::{Of, Tries};
use crate::read::timeline;
use crate::read::timeline::Place;
use crate::read::views::{etag, view_key};
use crate::read::whole::Whole;
use crate::stored::cursor::Purpose;
use crate::stored::keys::Scope;
use crate::stored::records::rows::{Counts, decode_lane};
use crate::stored::row;

use crate::work::service::Service;

/// Events of one page.
const EVENTS_MAX: usize = 1_000;
/// Names of events that a page may be confined to, and as many that it may be without.
pub const EVENT_NAMES_MAX: usize = 100;
/// Bytes of payloads with which a page of events ends, however few they are.
pub const PAGE_BYTES: usize = 4 << 20;

impl Service {
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
        let found = self.finder(workspace, &configured.config).find(lookup).await?;
        let (rendered, valid_until) = self.rendered(workspace, &configured, &found, fields, policy).await?;
        self.views.keep(key, found.epoch.since(since), valid_until, &rendered);
        Ok(rendered)
    }

    /// A profile that was found, rendered under the merge policy of this id, and the first instant at which it changes by itself.
    ///
    /// # Errors
    /// As [`Self::profile`]; `Unavailable` with `contended` where it was written meanwhile.
    pub(crate) async fn rendered(
        &self,
        workspace: WorkspaceId,
        configured: &Arc<Configured>,
        found: &Found,
        fields: Fields,
        policy: Option<&str>,
    ) -> Result<(Rendered, Option<Timestamp>), Error> {
        let (config, now) = (&configured.config, (self.components.clock)());
        let of = Of { configured, found, policy, now };
        let mut whole = Whole::read(&self.asker(workspace), of, fields).await?;
        let json = whole.json(fields, config)?;
        let etag = etag(found, &whole.view, &json, fields, config, configured.policy(policy)?);
        Ok((Rendered { json, etag }, whole.view.valid_until))
    }

    /// The profile that holds a node as it is now, rendered under the workspace's default merge policy; none if there is none any more.
    ///
    /// # Errors
    /// As [`Self::profile`].
    pub(crate) async fn rendered_now(
        &self,
        workspace: WorkspaceId,
        configured: &Arc<Configured>,
        node: NodeId,
        fields: Fields,
    ) -> Result<Option<Rendered>, Error> {
        let mut tries = Tries::default();
        loop {
            let Some(found) = self.finder(workspace, &configured.config).by_node(node).await? else { return Ok(None) };
            let answer = self.rendered(workspace, configured, &found, fields, None).await;
            if !tries.goes_on(&answer) {
                return answer.map(|(rendered, _)| Some(rendered));
            }
        }
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
        visibility: Flags,
    ) -> Result<Explained, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        let (config, policy) = (&configured.config, configured.policy(policy)?);
        let found = self.finder(workspace, config).find(lookup).await?;
        let (now, hidden) = ((self.components.clock)(), configured.stored.model().model.hidden(visibility));
        explain::build(&found, policy, attribute, config, now, hidden)
    }

    /// A page of the timeline of a profile, in the order that is asked for. It ends with the event that reaches [`PAGE_BYTES`], at the latest.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `cursor_invalid`, `limit_invalid`, `event_names_too_many`, `namespace_unknown`.
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
        if query.include.len().max(query.exclude.len()) > EVENT_NAMES_MAX {
            let message = format!("at most {EVENT_NAMES_MAX} names of events are expected");
            return Err(Error::new(ErrorKind::Invalid, "event_names_too_many", message));
        }
        let purpose = match query.order {
            EventOrder::NewestFirst => Purpose::Events,
            EventOrder::OldestFirst => Purpose::EventsOldestFirst,
        };
        let after = query.cursor.as_deref().map(|cursor| {
            let carried = self.cursors.open_sealed(workspace, purpose, cursor)?;
            Place::from_bytes(&carried).ok_or_else(crate::stored::cursor::invalid)
        });
        let after = after.transpose()?;
        let configured = self.running(workspace).shared.configured().await?;
        let found = self.finder(workspace, &configured.config).find(lookup).await?;
        let scope = Scope::new(workspace);
        let (store, now) = (&*self.components.store, self.now());
        let after = match &query.from {
            Some(id) => Some(self.place_of(scope, &found, (id, query.order)).await?),
            None => after,
        };
        let page = timeline::read_within(PAGE_BYTES, store, scope, &found, query, after, &configured, now);
        let (events, next) = page.await?;
        let next_cursor = next.map(|place| self.cursors.seal(workspace, purpose, &place.to_bytes()));
        Ok(EventPage { events, next_cursor })
    }

    /// The place behind which a page begins with the event of a profile that was sent with this id; of several that which comes first.
    async fn place_of(&self, scope: Scope, found: &Found, (id, order): (&str, EventOrder)) -> Result<Place, Error> {
        let store = &*self.components.store;
        if id.is_empty() || id.len() > store.limits().key / 2 {
            return Err(crate::stored::cursor::invalid());
        }
        let facts = facts::of_id(store, scope, id).await?;
        let own = |node: NodeId| found.cluster.piece(found.node).any(|own| own.id == node);
        let places = facts
            .into_iter()
            .filter(|fact| own(fact.node))
            .filter_map(|fact| Some(Place { time: fact.time, id: fact.event? }));
        let place = |place: &Place| (place.time, place.id);
        let first = match order {
            EventOrder::OldestFirst => places.min_by_key(place),
            EventOrder::NewestFirst => places.max_by_key(place),
        };
        first.and_then(|place| place.just_before(order)).ok_or_else(crate::stored::cursor::invalid)
    }

    /// The identity graph of a profile.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`.
    pub async fn identities(&self, workspace: WorkspaceId, lookup: &Lookup) -> Result<Graph, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        let found = self.finder(workspace, &configured.config).find_known(lookup).await?;
        graph::read(&self.components.store, Scope::new(workspace), &found, &configured.config).await
    }

    /// Everything that is held of a profile, but for what the reader may not see.
    ///
    /// # Errors
    /// `NotFound` with `profile_not_found`; `Invalid` with `namespace_unknown`; `Unavailable` with `rules_off`.
    pub async fn export(&self, workspace: WorkspaceId, lookup: &Lookup, visibility: Flags) -> Result<Export, Error> {
        let configured = self.running(workspace).shared.configured().await?;
        // What rules come to is part of it.
        configured.check_rules_are_on()?;
        let found = self.finder(workspace, &configured.config).find_known(lookup).await?;
        Ok(Export::new(self.asker(workspace), configured, found, visibility, self.now()))
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
}
