//! Pages of a profile's timeline: the timelines of its nodes, merged as they are read.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashSet;
use tessera_engine::config::Config;
use tessera_engine::fact::Identity;
use tessera_engine::id::{EventId, NodeId};
use tessera_engine::model::Flags;
use tessera_engine::policy::IdentityGraph;
use tessera_engine::rules::{Built, Event, STRETCH_BEYOND, STRETCH_EVENTS_MAX, TIMELINE_STEPS_MAX};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Path;
use tessera_expr::limits::{SCAN_BYTES_MAX, SCAN_EVENTS_MAX};
use tessera_store::{Direction, KeyRange, ScanLimit, Store};

use crate::base::codec;
use crate::base::error::Error;
use crate::base::payload::{strip, strip_computed};
use crate::base::store_error::read_failed;
use crate::config::configured::Configured;
use crate::read::find::Found;
use crate::read::query::{EventOrder, EventQuery, StoredCall};
use crate::stored::keys::Scope;
use crate::stored::layout::read_event_key;
use crate::stored::records::event;

/// Events looked through for one page; with a filter that few of them pass, a page may be short and go on. One more than rules look at, which
/// shows whether there is another.
const LOOKED_THROUGH_MAX: usize = SCAN_EVENTS_MAX + 1;

/// Where a page ends: the place of its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) time: Timestamp,
    pub(crate) id: EventId,
}

impl Place {
    pub(crate) fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.time.micros().to_be_bytes());
        bytes[8..].copy_from_slice(self.id.as_bytes());
        bytes
    }

    /// The place behind which a page of this order begins with what stands here.
    pub(crate) fn just_before(self, order: EventOrder) -> Option<Self> {
        let number = self.id.as_bytes().iter().fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
        let max = (1 << (8 * self.id.as_bytes().len())) - 1;
        let (micros, next) = match order {
            EventOrder::OldestFirst => match number.checked_sub(1) {
                Some(next) => (self.time.micros(), next),
                None => (self.time.micros().checked_sub(1)?, max),
            },
            EventOrder::NewestFirst if number < max => (self.time.micros(), number + 1),
            EventOrder::NewestFirst => (self.time.micros().checked_add(1)?, 0),
        };
        let bytes = next.to_be_bytes();
        let id = EventId::from_bytes(bytes[bytes.len() - self.id.as_bytes().len()..].try_into().ok()?);
        Some(Self { time: Timestamp::from_micros(micros)?, id })
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, id) = bytes.split_first_chunk::<8>()?;
        let time = Timestamp::from_micros(i64::from_be_bytes(*time))?;
        Some(Self { time, id: EventId::from_bytes(id.try_into().ok()?) })
    }
}

/// One node's timeline while it is read, in the order of the page.
struct Stream {
    range: Option<KeyRange>,
    buffer: VecDeque<StoredCall>,
}

/// Reads a page, however large it becomes: its events, and where the next one begins. The laws look at all that there is.
#[cfg(test)]
pub(crate) async fn read(
    store: &dyn Store,
    scope: Scope,
    found: &Found,
    query: &EventQuery,
    after: Option<Place>,
    configured: &Configured,
    now: Timestamp,
) -> Result<(Vec<StoredCall>, Option<Place>), Error> {
    read_within(usize::MAX, store, scope, found, query, after, configured, now).await
}

/// Reads a page: its events, and where the next one begins. It ends with the event that reaches so many bytes of payloads.
#[expect(clippy::too_many_arguments, reason = "what a page is made of, and its bound")]
pub(crate) async fn read_within(
    bytes_max: usize,
    store: &dyn Store,
    scope: Scope,
    found: &Found,
    query: &EventQuery,
    after: Option<Place>,
    configured: &Configured,
    now: Timestamp,
) -> Result<(Vec<StoredCall>, Option<Place>), Error> {
    let is_asked = |node: NodeId| query.graph == IdentityGraph::Full || node == found.node;
    let with_events = found.cluster.piece(found.node).filter(|node| node.events() > 0 && is_asked(node.id));
    let nodes: Vec<NodeId> = with_events.map(|node| node.id).collect();
    let own: HashSet<&Identity> = found.cluster.piece(found.node).map(|node| &node.identity).collect();
    let rows = (query.limit / nodes.len().max(1)).clamp(16, 256).min(query.limit + 1);
    // What is read ahead of a thousand nodes would otherwise be many pages.
    let at_once = ScanLimit { rows, bytes: bytes_max / nodes.len().max(1) };
    let mut bytes = 0;
    let range = |node: &NodeId| Stream { range: Some(range_of(scope, *node, query, after)), buffer: VecDeque::new() };
    let mut streams: Vec<Stream> = nodes.iter().map(range).collect();
    let mut events = Vec::with_capacity(query.limit.min(256));
    let mut last = None;
    for _ in 0..LOOKED_THROUGH_MAX {
        for stream in streams.iter_mut().filter(|stream| stream.buffer.is_empty()) {
            fill(store, stream, at_once, query.order).await?;
        }
        let Some(event) = first_of(&mut streams, query.order) else { return Ok((events, None)) };
        if events.len() == query.limit || bytes >= bytes_max {
            return Ok((events, last));
        }
        last = Some(Place { time: event.time, id: event.id });
        if is_asked_for(query, event.name.as_deref())
            && stands(&event, &configured.config, now)
            && let Some(mut event) = seen_by(event, query.visibility, configured)
        {
            // Those that it named and that are of another profile by now, or were erased, are told of nobody here.
            event.identities.retain(|named| own.contains(named));
            bytes += event.payload.len();
            events.push(event);
        }
    }
    Ok((events, last))
}

/// Takes the event that comes first of all that were read.
fn first_of(streams: &mut [Stream], order: EventOrder) -> Option<StoredCall> {
    let waiting = streams.iter_mut().filter(|stream| !stream.buffer.is_empty());
    let place = |stream: &&mut Stream| stream.buffer.front().map(|event| (event.time, event.id));
    let first = match order {
        EventOrder::NewestFirst => waiting.max_by_key(place),
        EventOrder::OldestFirst => waiting.min_by_key(place),
    };
    first.and_then(|stream| stream.buffer.pop_front())
}

fn is_asked_for(query: &EventQuery, name: Option<&str>) -> bool {
    let is_in = |names: &[String]| name.is_some_and(|name| names.iter().any(|own| own == name));
    (query.include.is_empty() || is_in(&query.include)) && !is_in(&query.exclude)
}

/// The newest events of a node, as many as rules look at, oldest last.
pub(crate) async fn newest(store: &dyn Store, scope: Scope, node: NodeId) -> Result<Vec<Arc<Event>>, Error> {
    // Of somebody whose events are more than rules look through, so many are read that it shows whatever a group takes away of them.
    const BYTES_MAX: usize = 2 * SCAN_BYTES_MAX;
    let (mut events, mut bytes) = (Vec::new(), 0);
    let mut range = Some(scope.events_of(node));
    while let Some(open) = range {
        let rows = (SCAN_EVENTS_MAX - events.len()).min(500);
        let page = store.scan(&open, ScanLimit::rows(rows), Direction::Backward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        for row in &page.rows {
            let event = event::decode_for_rules(&row.key, &row.value)?;
            bytes += event.call.payload.len();
            events.push(Arc::new(event));
        }
        range = page.next.filter(|_| events.len() < SCAN_EVENTS_MAX && bytes <= BYTES_MAX);
    }
    Ok(events)
}

/// What the timeline of a node comes to at an instant, read from its beginning, without what is erased and those that are `removed`.
pub(crate) async fn built(
    store: &dyn Store,
    scope: Scope,
    node: NodeId,
    at: Timestamp,
    config: &Config,
    removed: &(dyn Fn(&Event) -> bool + Sync),
) -> Result<Built, Error> {
    let (rules, sweeps) = (config.rules(), config.sweeps());
    let (mut built, mut steps) = (Built::new(rules, at), TIMELINE_STEPS_MAX);
    let mut range = Some(scope.events_of(node));
    while let Some(open) = range {
        let page = store.scan(&open, ScanLimit::rows(1_000), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        for row in &page.rows {
            let event = event::decode_for_rules(&row.key, &row.value)?;
            let is_erased = sweeps.erases_at(&event.dataset, event.batch.as_deref(), event.received_at);
            if !is_erased && !removed(&event) {
                built.add(&event, rules, &mut steps);
            }
        }
        range = page.next;
        tokio::task::yield_now().await;
    }
    Ok(built)
}

/// A stretch of the timeline of a node, from one instant to another, without what is erased and those that are `removed`: its events and some of
/// those behind them, and when the next one behind these happened. None where there are too many.
pub(crate) async fn stretch(
    store: &dyn Store,
    scope: Scope,
    node: NodeId,
    (from, to): (Timestamp, Timestamp),
    config: &Config,
    removed: &(dyn Fn(&Event) -> bool + Sync),
) -> Result<Option<(Vec<Event>, Option<Timestamp>)>, Error> {
    let sweeps = config.sweeps();
    let first = scope.event(node, from, EventId::from_bytes([0; 12]));
    let end = scope.event(node, Timestamp::MAX, EventId::from_bytes([0xff; 12])).successor();
    let (mut events, mut range) = (Vec::new(), Some(KeyRange::between(first, end)));
    let (mut seen, mut beyond, mut last) = (0, 0, Timestamp::MIN);
    while let Some(open) = range {
        let page = store.scan(&open, ScanLimit::rows(2 * STRETCH_BEYOND), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        for row in &page.rows {
            let event = event::decode_for_rules(&row.key, &row.value)?;
            // Events of one time are told together, or not at all.
            if beyond >= STRETCH_BEYOND && last < event.time {
                return Ok(Some((events, Some(event.time))));
            }
            seen += 1;
            if seen > STRETCH_EVENTS_MAX {
                return Ok(None);
            }
            last = event.time;
            beyond += usize::from(event.time > to);
            let is_erased = sweeps.erases_at(&event.dataset, event.batch.as_deref(), event.received_at);
            if !is_erased && !removed(&event) {
                events.push(event);
            }
        }
        range = page.next;
    }
    Ok(Some((events, None)))
}

/// Whether a call is still there for readers: its source is not erased, and its window has not ended.
pub(crate) fn stands(call: &StoredCall, config: &Config, now: Timestamp) -> bool {
    !config.sweeps().erases_at(&call.dataset, call.batch.as_deref(), call.received_at)
        && !config.keeping().is_event_gone(call.name.as_deref(), call.time, call.received_at, now)
}

/// What a reader may see of a call; none where the type of its event is not for them.
pub(crate) fn seen_by(mut call: StoredCall, visibility: Flags, configured: &Configured) -> Option<StoredCall> {
    let model = &configured.stored.model().model;
    let name = call.name.as_deref();
    if name.is_some_and(|name| model.is_event_hidden(name, visibility)) {
        return None;
    }
    let is_hidden = |name: &str| configured.flagged.hides_written(name, visibility, &configured.stored);
    if configured.flagged.hides_something(visibility) {
        call.payload = strip_computed(&call.payload, &is_hidden).unwrap_or(call.payload);
    }
    let flagged = name.and_then(|name| model.flagged_properties(name));
    if flagged.is_none() && model.hidden(visibility).is_empty() {
        return Some(call);
    }
    let is_property_hidden = |path: &Path| {
        let own = flagged.and_then(|flagged| flagged.get(path));
        own.is_some_and(|flags| flags.exceed(visibility))
    };
    let stripped = strip(&call.payload, &|path| model.is_hidden(path, visibility), &is_property_hidden);
    call.payload = stripped.unwrap_or(call.payload);
    Some(call)
}

fn range_of(scope: Scope, node: NodeId, query: &EventQuery, after: Option<Place>) -> KeyRange {
    let first_at = |time: Timestamp| scope.event(node, time, EventId::from_bytes([0; 12]));
    let lowest = first_at(query.start.unwrap_or(Timestamp::MIN));
    let highest = match query.end {
        Some(end) => first_at(end),
        None => scope.event(node, Timestamp::MAX, EventId::from_bytes([0xff; 12])).successor(),
    };
    let after = after.map(|place| scope.event(node, place.time, place.id));
    let (lowest, highest) = match (query.order, after) {
        (_, None) => (lowest, highest),
        (EventOrder::NewestFirst, Some(after)) => (lowest, highest.min(after)),
        (EventOrder::OldestFirst, Some(after)) => (lowest.max(after.successor()), highest),
    };
    KeyRange::between(lowest.clone(), highest.max(lowest))
}

async fn fill(store: &dyn Store, stream: &mut Stream, at_once: ScanLimit, order: EventOrder) -> Result<(), Error> {
    let Some(range) = stream.range.take() else { return Ok(()) };
    let direction = match order {
        EventOrder::NewestFirst => Direction::Backward,
        EventOrder::OldestFirst => Direction::Forward,
    };
    let page = store.scan(&range, at_once, direction).await;
    let page = page.map_err(|error| read_failed(&error))?;
    for row in page.rows {
        let (_, time, id) = read_event_key(&row.key).ok_or_else(|| codec::corrupt("event key"))?;
        stream.buffer.push_back(event::decode(id, time, &row.value)?);
    }
    stream.range = page.next;
    Ok(())
}
