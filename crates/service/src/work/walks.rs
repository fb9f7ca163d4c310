//! Everybody, one after the other, as they are at one instant: profiles as documents, and their events.
//!
//! Nothing is kept but the page that is read: records come at most [`PAGE`] at a time, events too. Whoever and whatever was erased since a walk
//! began is passed over: records are of the walk's instant, events are read as they stand and left out where they came later. A walk holds its
//! instant of the store, and so ends after [`WALK_MICROS_MAX`], whole or not.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::cluster::Cluster;
use tessera_engine::config::Kind;
use tessera_engine::id::{EventId, NodeId};
use tessera_engine::model::Flags;
use tessera_engine::time::Timestamp;
use tessera_store::{Direction, Key, KeyRange, ScanLimit, Snapshot, Version};

use crate::base::codec::corrupt;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::read_failed;
use crate::config::configured::Configured;
use crate::read::document::{self, DocumentProfile, DocumentQuery};
use crate::read::find::Found;
use crate::read::query::StoredCall;
use crate::read::ruled::Tries;
use crate::read::timeline::{seen_by, stands};
use crate::stored::keys::{Family, Scope};
use crate::stored::layout::read_event_key;
use crate::stored::records::{cluster, event};
use crate::stored::row;
use crate::work::service::Service;

/// Rows, and bytes of them, that a walk reads in one go.
const PAGE: ScanLimit = ScanLimit { rows: 200, bytes: 1 << 20 };
/// How long a walk may take, in microseconds: one hour. What is erased meanwhile stays on the disk for as long.
pub const WALK_MICROS_MAX: i64 = 3_600_000_000;

/// The profiles of all persons of a workspace.
pub struct ProfileWalk {
    records: Records,
    query: DocumentQuery,
    segment: Option<Arc<str>>,
}

/// Which events a walk gives.
#[derive(Debug, Clone, Copy)]
pub struct EventSpan {
    /// The first instant.
    pub from: Timestamp,
    /// The instant behind the last one.
    pub to: Timestamp,
    /// What the reader may see of what the data model flags.
    pub visibility: Flags,
}

/// The events of all persons of a workspace: those of one identity after the other, the oldest first.
pub struct EventWalk {
    records: Records,
    span: EventSpan,
    /// The profile whose events are given, and those of its nodes that are still to be read.
    profile: Option<Owner>,
    ready: VecDeque<StoredCall>,
}

/// Whose events are read.
struct Owner {
    document: NodeId,
    of: (Arc<Cluster>, NodeId),
    rest: VecDeque<(NodeId, KeyRange)>,
}

/// An event, and the document that stands for whose it is.
#[derive(Debug)]
pub struct WalkedEvent {
    /// The id of the document, as [`DocumentProfile::id`].
    pub profile: NodeId,
    /// The event.
    pub call: StoredCall,
    /// The record of its profile, and the profile's first node.
    pub(crate) of: (Arc<Cluster>, NodeId),
}

/// The records of a workspace at one instant.
pub(crate) struct Records {
    pub(crate) service: Arc<Service>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) configured: Arc<Configured>,
    snapshot: Box<dyn Snapshot>,
    rest: Option<KeyRange>,
    /// Rows that were read, and the profiles of the one that is looked at.
    rows: VecDeque<(Key, Bytes, Version)>,
    ready: VecDeque<(Arc<Cluster>, Version, NodeId)>,
    /// The row whose profiles are given.
    at: Option<Key>,
    /// Whether people or accounts are walked.
    of: Kind,
    pub(crate) began: Timestamp,
}

impl Service {
    /// Walks all profiles of persons, or those who are members of a segment.
    ///
    /// # Errors
    /// `NotFound` with `segment_not_found`; `Conflict` with `segment_not_live`; `Unavailable` with `segment_building`, `rules_off`; what the store answers.
    pub async fn walk_profiles(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        query: DocumentQuery,
        segment: Option<&str>,
    ) -> Result<ProfileWalk, Error> {
        let records = Records::begin(self, workspace, Kind::Person).await?;
        let configured = &records.configured;
        configured.check_rules_are_on()?;
        if let Some(name) = segment {
            configured.live_segment(name, query.visibility)?;
        }
        Ok(ProfileWalk { records, query, segment: segment.map(Into::into) })
    }

    /// Walks the events of all persons between two instants.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn walk_events(self: &Arc<Self>, workspace: WorkspaceId, span: EventSpan) -> Result<EventWalk, Error> {
        let records = Records::begin(self, workspace, Kind::Person).await?;
        Ok(EventWalk { records, span, profile: None, ready: VecDeque::new() })
    }
}

impl ProfileWalk {
    /// The next profile; none at the end.
    ///
    /// # Errors
    /// `Unavailable` with `walk_timeout`, `rules_busy`, `rules_late`; `LimitExceeded` with `profile_too_large`; what the store answers. The
    /// walk is over then, and not whole.
    pub async fn next(&mut self) -> Result<Option<DocumentProfile>, Error> {
        while let Some((cluster, version, head)) = self.records.next().await? {
            let Some(profile) = self.read(&cluster, version, head).await? else { continue };
            if self.segment.as_ref().is_none_or(|segment| profile.segments.contains(segment)) {
                return Ok(Some(profile));
            }
        }
        Ok(None)
    }

    /// Begins anew, at the same instant.
    pub fn rewind(&mut self) {
        self.records.rewind();
    }

    async fn read(
        &self,
        cluster: &Arc<Cluster>,
        version: Version,
        head: NodeId,
    ) -> Result<Option<DocumentProfile>, Error> {
        let Records { service, workspace, configured, began, .. } = &self.records;
        let Some(mut found) = self.records.found(cluster, version, head).await? else { return Ok(None) };
        let mut tries = Tries::default();
        loop {
            let asker = service.asker(*workspace);
            let answer = document::read(asker, configured, &found, &self.query, *began).await;
            if !tries.goes_on(&answer) {
                return answer.map(Some);
            }
            match self.records.now(head).await? {
                Some(now) => found = now,
                None => return Ok(None),
            }
        }
    }
}

impl EventWalk {
    /// The records that it reads.
    pub(crate) fn records(&self) -> &Records {
        &self.records
    }

    /// Begins behind this row.
    pub(crate) fn begin_behind(&mut self, row: &Key) {
        self.rewind();
        self.records.begin_behind(row);
    }

    /// The next event; none at the end.
    ///
    /// # Errors
    /// `Unavailable` with `walk_timeout`; what the store answers; `Corrupt`. The walk is over then, and not whole.
    pub async fn next(&mut self) -> Result<Option<WalkedEvent>, Error> {
        loop {
            if let (Some(owner), Some(call)) = (&self.profile, self.ready.pop_front()) {
                return Ok(Some(WalkedEvent { profile: owner.document, call, of: owner.of.clone() }));
            }
            if self.fill().await? {
                continue;
            }
            let Some((cluster, version, head)) = self.records.next().await? else { return Ok(None) };
            self.profile = self.owner(&cluster, version, head);
        }
    }

    /// Begins anew, at the same instant.
    pub fn rewind(&mut self) {
        self.records.rewind();
        self.ready.clear();
        self.profile = None;
    }

    /// Whose events come next, if there are any.
    fn owner(&self, cluster: &Arc<Cluster>, version: Version, head: NodeId) -> Option<Owner> {
        let Records { service, workspace, configured, .. } = &self.records;
        let scope = Scope::new(*workspace);
        let at = |node: NodeId, time: Timestamp| scope.event(node, time, EventId::from_bytes([0; 12]));
        let span = |node| KeyRange::between(at(node, self.span.from), at(node, self.span.to));
        let nodes = cluster.piece(head).filter(|node| node.events() > 0);
        let rest: VecDeque<(NodeId, KeyRange)> = nodes.map(|node| (node.id, span(node.id))).collect();
        if rest.is_empty() {
            return None;
        }
        let epoch = service.epochs.read(cluster.id());
        let found = Found { node: head, cluster: cluster.clone(), version, epoch };
        Some(Owner { document: document::id_of(&found, configured)?, of: (cluster.clone(), head), rest })
    }

    /// Reads on in the timelines of the profile. Answers whether there may be more of it.
    async fn fill(&mut self) -> Result<bool, Error> {
        let Some(owner) = &mut self.profile else { return Ok(false) };
        let Some((node, range)) = owner.rest.pop_front() else {
            self.profile = None;
            return Ok(false);
        };
        self.records.refresh().await?;
        let Records { service, workspace, configured, snapshot, began, .. } = &self.records;
        // Erased since the walk began, it is gone from every answer.
        if service.finder(*workspace, &configured.config).by_node(node).await?.is_none() {
            return Ok(true);
        }
        let page = service.store().scan(&range, PAGE, Direction::Forward).await.map_err(|error| read_failed(&error))?;
        let as_of = snapshot.as_of();
        for row in page.rows.iter().filter(|row| row.version <= as_of) {
            let (_, time, id) = read_event_key(&row.key).ok_or_else(|| corrupt("event key"))?;
            let call = event::decode(id, time, &row.value)?;
            if call.kind.is_event() && stands(&call, &configured.config, *began) {
                self.ready.extend(seen_by(call, self.span.visibility, configured));
            }
        }
        if let Some(next) = page.next {
            owner.rest.push_front((node, next));
        }
        Ok(true)
    }
}

impl Records {
    /// Begins with people, or accounts, at the present instant.
    pub(crate) async fn begin(service: &Arc<Service>, workspace: WorkspaceId, of: Kind) -> Result<Self, Error> {
        let configured = service.configured(workspace).await?;
        let snapshot = service.store().snapshot().await.map_err(|error| read_failed(&error))?;
        let began = service.now();
        let rest = Some(Scope::new(workspace).all_of(Family::Cluster));
        Ok(Self {
            service: service.clone(),
            workspace,
            configured,
            snapshot,
            rest,
            rows: VecDeque::new(),
            ready: VecDeque::new(),
            at: None,
            of,
            began,
        })
    }

    /// The row that the profile which was given last is of.
    pub(crate) fn at(&self) -> Option<&Key> {
        self.at.as_ref()
    }

    /// Begins behind this row.
    pub(crate) fn begin_behind(&mut self, row: &Key) {
        self.rewind();
        if let Some(rest) = &mut self.rest {
            rest.start = row.successor();
        }
    }

    pub(crate) fn rewind(&mut self) {
        self.rows.clear();
        self.ready.clear();
        self.at = None;
        self.rest = Some(Scope::new(self.workspace).all_of(Family::Cluster));
    }

    /// Goes on under the configuration as it is by now: what was erased, or hidden, meanwhile counts no more.
    async fn refresh(&mut self) -> Result<(), Error> {
        if self.service.now() <= self.began.plus_micros(WALK_MICROS_MAX) {
            self.configured = self.service.configured(self.workspace).await?;
            return Ok(());
        }
        let message = format!("an export may take {} minutes; ask for less of it", WALK_MICROS_MAX / 60_000_000);
        Err(Error::new(ErrorKind::Unavailable, "walk_timeout", message))
    }

    /// A profile as it was at the instant of the walk; none of who was erased since.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn found(
        &self,
        cluster: &Arc<Cluster>,
        version: Version,
        head: NodeId,
    ) -> Result<Option<Found>, Error> {
        let Self { service, workspace, configured, .. } = self;
        let (finder, scope) = (service.finder(*workspace, &configured.config), Scope::new(*workspace));
        let found = |epoch| Found { node: head, cluster: cluster.clone(), version, epoch };
        // A record that nobody has written since is not decoded again.
        let epoch = service.epochs.read(cluster.id());
        let row = row::read(&**service.store(), scope.cluster(cluster.id())).await?;
        if row.is_some_and(|row| row.version == version) {
            return finder.unless_nobody(found(epoch)).await;
        }
        let Some(now) = finder.by_node(head).await? else { return Ok(None) };
        finder.unless_nobody(found(now.epoch)).await
    }

    /// The profile as it is now, where rules have to read timelines of one that was written since; none of who became part of another one
    /// meanwhile, and is shown with that.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn now(&self, head: NodeId) -> Result<Option<Found>, Error> {
        let finder = self.service.finder(self.workspace, &self.configured.config);
        let found = finder.by_node(head).await?;
        Ok(found.filter(|now| now.cluster.profile_id(head) == Some(head)))
    }

    /// The next profile of the kind: its record, the version of that, and the profile's first node.
    pub(crate) async fn next(&mut self) -> Result<Option<(Arc<Cluster>, Version, NodeId)>, Error> {
        loop {
            if let Some(found) = self.ready.pop_front() {
                return Ok(Some(found));
            }
            // Others have their turn after each record.
            tokio::task::yield_now().await;
            if let Some((key, row, version)) = self.rows.pop_front() {
                self.at = Some(key);
                let config = &self.configured.config;
                let cluster = Arc::new(cluster::decode(&row, config)?);
                let wanted = cluster.profile_ids().filter(|head| cluster.kind_of(*head, config) == Some(self.of));
                self.ready.extend(wanted.map(|head| (cluster.clone(), version, head)));
                continue;
            }
            let Some(range) = self.rest.take() else { return Ok(None) };
            self.refresh().await?;
            let page = self.snapshot.scan(&range, PAGE, Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            self.rows.extend(page.rows.into_iter().map(|row| (row.key, row.value, row.version)));
            self.rest = page.next;
        }
    }
}

#[cfg(test)]
mod tests;
