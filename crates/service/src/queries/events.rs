//! Events across people: those for which a condition holds, in an order, with how many there are.
//!
//! A condition that names an identity in the open reads the timelines of those who may have events that name it. Any other reads all
//! timelines at one instant of the store, by several threads at once and within a bound of time: there is either the whole answer or none.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use tessera_engine::fact::Identity;
use tessera_engine::id::{EventId, NodeId};
use tessera_engine::model::Flags;
use tessera_engine::rules::Event;
use tessera_engine::time::Timestamp;
use tessera_engine::value::Value;
use tessera_expr::ast::{Expr, Function, Node};
use tessera_expr::calendar::Zone;
use tessera_expr::eval::{Frame, OverBudget};
use tessera_expr::limits::STEPS_MAX;
use tessera_expr::problem::Problem;
use tessera_expr::rule::{Purpose, Rule};
use tessera_store::{Direction, Key, KeyRange, Row, ScanLimit, Snapshot};
use tokio::task::JoinSet;

use super::{ORDER_MAX, PAGE_BYTES, Sorting, WINDOW_MAX};
use crate::base::codec;
use crate::base::error::{Error, ErrorKind};
use crate::base::ids::WorkspaceId;
use crate::base::store_error::read_failed;
use crate::base::verdict::NamedIdentity;
use crate::config::configured::Configured;
use crate::read::named::{Named, Speaks, identities};
use crate::read::pool::{ANSWER_MICROS, Patience};
use crate::read::query::StoredCall;
use crate::read::scans::{SCAN_MICROS, late};
use crate::read::sorted::SortKey;
use crate::read::timeline::{seen_by, stands};
use crate::stored::keys::{Family, Scope};
use crate::stored::layout::read_event_key;
use crate::stored::records::event;
use crate::stored::row;
use crate::work::service::Service;

mod fold;
mod one;

use one::One;

pub use fold::{FoldQuery, Folding, GROUP_BYTES_MAX, GROUPS_MAX, Measure};

/// Events, and bytes of them, that a thread reads in one go.
const PAGE: ScanLimit = ScanLimit { rows: 1_000, bytes: 2 << 20 };
/// Pages after which a thread lets those of other workspaces have their turn.
const PAGES_AT_ONCE: usize = 4;
/// Timelines that are read for one condition that names somebody; where it may be more, all are.
const TIMELINES_MAX: usize = 10_000;
/// Steps that a condition may take for one event.
const STEPS_OF_ONE: u64 = STEPS_MAX / 10;

/// What is computed of one event. An expression speaks of the event: `eventType`, `timestamp`, `_id`, `properties`, `traits`, `context`, and
/// under `_identities` a list of values for each namespace of which it names one.
#[derive(Debug, Clone)]
pub struct EventRule {
    source: Expr,
    rule: Arc<Rule>,
}

impl EventRule {
    /// A condition.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn condition(source: Expr) -> Result<Self, Problem> {
        let arguments = vec![Expr::new(Node::Events), source.clone()];
        let holds = Expr::new(Node::Call { function: Function::Exists, arguments });
        Ok(Self { source, rule: Arc::new(Rule::compile(holds, Purpose::Condition)?) })
    }

    /// The rule that is asked, which speaks of a profile that has this event alone.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// A value.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn value(source: Expr) -> Result<Self, Problem> {
        let first = source.clone().of_first_event();
        Ok(Self { source, rule: Arc::new(Rule::compile(first, Purpose::Value)?) })
    }
}

/// Which events are asked for.
#[derive(Debug, Clone)]
pub struct EventsQuery {
    /// The condition that has to hold of them; without one it is all.
    pub filter: Option<EventRule>,
    /// What they are sorted by, the first one first; without any the newest come first.
    pub order_by: Vec<(EventRule, Sorting)>,
    /// How many of the first to leave out.
    pub skip: usize,
    /// How many; with those that are left out at most [`WINDOW_MAX`].
    pub top: usize,
    /// What is computed of each that is shown.
    pub values: Vec<EventRule>,
    /// What the reader may see: what is hidden from it is not there, for the condition either.
    pub visibility: Flags,
}

/// An event that was asked for.
#[derive(Debug, Clone)]
pub struct FoundEvent {
    /// The call.
    pub call: StoredCall,
    /// The identities that it names, its owner first.
    pub identities: Vec<NamedIdentity>,
    /// What was computed of it.
    pub values: Vec<Value>,
}

/// Events for which a condition holds.
#[derive(Debug, Clone)]
pub struct EventsPage {
    /// They, in the order that was asked for. They end with the one that reaches [`PAGE_BYTES`], at the latest.
    pub events: Vec<FoundEvent>,
    /// How many there are in all. Exact at the instant of the question.
    pub total: u64,
    /// Whether they end for their size, before all that was asked for.
    pub is_cut: bool,
    /// For how many the condition gave no answer within its bounds. They are not among those for which it holds.
    pub undecided: u64,
}

impl Service {
    /// Events for which a condition holds, whosever they are.
    ///
    /// # Errors
    /// `Invalid` with `skip_invalid`, `order_too_long`; `Throttled` with `query_busy`; `Unavailable` with `query_timeout`; where values are
    /// asked for `LimitExceeded` with `groups_too_many` and `fold_undecided`; what the store answers.
    pub async fn events_where(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        query: &EventsQuery,
    ) -> Result<EventsPage, Error> {
        if query.skip.saturating_add(query.top) > WINDOW_MAX {
            let message = format!("at most {WINDOW_MAX} events are skipped and shown together; narrow the condition");
            return Err(Error::new(ErrorKind::Invalid, "skip_invalid", message));
        }
        if query.order_by.len() > ORDER_MAX {
            let message = format!("events are sorted by at most {ORDER_MAX} values");
            return Err(Error::new(ErrorKind::Invalid, "order_too_long", message));
        }
        let sink = Sink::First(First::default());
        let (walk, scope) = self.ask_events(workspace, query, sink).await?;
        let page = walk.page(self, scope).await?;
        if query.values.is_empty() {
            return Ok(page);
        }
        let work = move |patience: Patience| async move { walk.with_values(page, &patience) };
        self.pool().run(workspace, ANSWER_MICROS, work).await
    }

    /// Takes all events for which a condition holds into a folding, at one instant of the store.
    ///
    /// # Errors
    /// `LimitExceeded` with `groups_too_many`, `fold_undecided`; `Unavailable` with `query_timeout`; `Throttled` with `query_busy`; what the
    /// store answers. The folding then holds a part, and says nothing.
    pub async fn fold_events(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        query: &FoldQuery,
        folding: Folding,
    ) -> Result<Folding, Error> {
        let FoldQuery { filter, values, visibility } = query.clone();
        let query = EventsQuery {
            filter,
            order_by: values.into_iter().map(|value| (value, Sorting::Ascending)).collect(),
            skip: 0,
            top: 0,
            values: Vec::new(),
            visibility,
        };
        let (walk, _) = self.ask_events(workspace, &query, Sink::Groups(folding)).await?;
        let sink = std::mem::replace(&mut *walk.sink.lock().unwrap_or_else(PoisonError::into_inner), Sink::Nothing);
        match sink {
            Sink::Groups(folding) => Ok(folding),
            Sink::First(_) | Sink::Nothing => Err(Error::new(ErrorKind::Internal, "internal", "a folding was lost")),
        }
    }

    /// Goes through the events for which a condition holds.
    async fn ask_events(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        query: &EventsQuery,
        sink: Sink,
    ) -> Result<(Arc<Walk>, Scope), Error> {
        let configured = self.configured(workspace).await?;
        let named = self.timelines_of(workspace, &configured, query).await?;
        let snapshot = self.store().snapshot().await.map_err(|error| read_failed(&error))?;
        let (scope, is_named) = (Scope::new(workspace), named.is_some());
        let ranges = match named {
            Some(nodes) => nodes.into_iter().map(|node| scope.events_of(node)).collect(),
            None => vec![scope.all_of(Family::Event)],
        };
        let purges = scope.all_of(Family::Purge);
        let first = snapshot.scan(&purges, ScanLimit { rows: 1, ..PAGE }, Direction::Forward).await;
        let has_erased = !first.map_err(|error| read_failed(&error))?.rows.is_empty();
        let walk = Arc::new(Walk {
            configured,
            query: query.clone(),
            snapshot,
            scope,
            has_erased,
            get_keys: self.store().limits().get_keys,
            rest: tokio::sync::Mutex::new(ranges),
            sink: Mutex::new(sink),
            now: self.now(),
            until: self.now().plus_micros(SCAN_MICROS),
        });
        if is_named {
            let own = walk.clone();
            let work = move |patience: Patience| async move {
                while own.some_pages(&patience).await? {}
                Ok(())
            };
            self.pool().run(workspace, ANSWER_MICROS, work).await?;
        } else {
            let _turn = self.scans().wait(workspace).await?;
            self.read_timelines(workspace, &walk).await?;
        }
        Ok((walk, scope))
    }

    /// The nodes whose timelines may hold events that the condition names, where it names any.
    async fn timelines_of(
        &self,
        workspace: WorkspaceId,
        configured: &Configured,
        query: &EventsQuery,
    ) -> Result<Option<HashSet<NodeId>>, Error> {
        let config = &configured.config;
        let named = query.filter.as_ref().and_then(|rule| identities(&rule.source, config, Speaks::OfEvents));
        let Some(named) = named else { return Ok(None) };
        let finder = self.finder(workspace, config);
        let mut nodes = HashSet::new();
        for named in named {
            let Named::Identity(identity) = named else { return Ok(None) };
            // Who owns an event that names an identity has a link with it: one that holds, within its record, or one that does not.
            // A document may have let go of it since.
            let Some((node, cluster)) = finder.record_of(&identity).await? else { continue };
            nodes.extend(cluster.nodes.iter().map(|node| node.id));
            let Some(others) = self.others_of(finder.scope, node).await? else { return Ok(None) };
            nodes.extend(others);
            if nodes.len() > TIMELINES_MAX {
                return Ok(None);
            }
        }
        Ok(Some(nodes))
    }

    /// Has as many threads walk as there are.
    async fn read_timelines(self: &Arc<Self>, workspace: WorkspaceId, walk: &Arc<Walk>) -> Result<(), Error> {
        let mut walkers = JoinSet::new();
        for _ in 0..self.scans().pool.threads() {
            let (service, walk) = (self.clone(), walk.clone());
            walkers.spawn(async move {
                let mut goes_on = true;
                while goes_on {
                    let own = walk.clone();
                    let work = move |patience: Patience| async move { own.some_pages(&patience).await };
                    goes_on = service.scans().pool.run(workspace, SCAN_MICROS, work).await?;
                }
                Ok(())
            });
        }
        while let Some(ended) = walkers.join_next().await {
            ended
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "internal", "a query met a fault of ours")))?;
        }
        Ok(())
    }
}

/// An event for which the condition holds, by its place in the order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    keys: Vec<SortKey>,
    /// Of what is equal the newer one comes first.
    place: Reverse<(Timestamp, EventId)>,
    node: NodeId,
}

/// Those that come first, and how many there are.
#[derive(Debug, Default)]
struct First {
    heap: BinaryHeap<Candidate>,
    total: u64,
    undecided: u64,
}

impl First {
    fn take(&mut self, candidate: Candidate, most: usize) {
        self.total += 1;
        self.heap.push(candidate);
        if self.heap.len() > most {
            self.heap.pop();
        }
    }
}

/// What becomes of the events for which the condition holds.
#[derive(Debug)]
enum Sink {
    First(First),
    Groups(Folding),
    Nothing,
}

/// A walk over timelines, shared by the threads that do it.
struct Walk {
    configured: Arc<Configured>,
    query: EventsQuery,
    snapshot: Box<dyn Snapshot>,
    scope: Scope,
    /// Whether there are nodes that were erased and whose events are still to be purged.
    has_erased: bool,
    /// Keys that the store is asked for at once.
    get_keys: usize,
    /// What nobody has read.
    rest: tokio::sync::Mutex<Vec<KeyRange>>,
    sink: Mutex<Sink>,
    now: Timestamp,
    until: Timestamp,
}

impl Walk {
    /// Asks some pages of events. Answers whether there may be more.
    async fn some_pages(&self, patience: &Patience) -> Result<bool, Error> {
        let patience = patience.no_later_than(self.until);
        for _ in 0..PAGES_AT_ONCE {
            let rows = {
                let mut rest = self.rest.lock().await;
                let Some(range) = rest.pop() else { return Ok(false) };
                if patience.is_over() {
                    return Err(late());
                }
                let page = self.snapshot.scan(&range, PAGE, Direction::Forward).await;
                let page = page.map_err(|error| read_failed(&error))?;
                rest.extend(page.next);
                page.rows
            };
            let erased = self.erased_of(&rows).await?;
            self.ask(&rows, &erased, &patience)?;
        }
        Ok(true)
    }

    /// The nodes of these rows that were erased.
    async fn erased_of(&self, rows: &[Row]) -> Result<HashSet<NodeId>, Error> {
        let mut erased = HashSet::new();
        if !self.has_erased {
            return Ok(erased);
        }
        let nodes = rows.iter().map(|row| read_event_key(&row.key).map(|(node, _, _)| node));
        let mut nodes: Vec<NodeId> = nodes.collect::<Option<_>>().ok_or_else(|| codec::corrupt("event key"))?;
        // They come in the order of their keys.
        nodes.dedup();
        for nodes in nodes.chunks(self.get_keys) {
            let keys: Vec<Key> = nodes.iter().map(|node| self.scope.purge(*node)).collect();
            let found = self.snapshot.get(&keys).await.map_err(|error| read_failed(&error))?;
            erased.extend(nodes.iter().zip(found).filter(|(_, row)| row.is_some()).map(|(node, _)| *node));
        }
        Ok(erased)
    }

    fn ask(&self, rows: &[Row], erased: &HashSet<NodeId>, patience: &Patience) -> Result<(), Error> {
        let (mut found, mut undecided) = (Vec::new(), 0);
        for row in rows {
            let (node, time, id) = read_event_key(&row.key).ok_or_else(|| codec::corrupt("event key"))?;
            if erased.contains(&node) {
                continue;
            }
            match self.look((time, id), &row.value, patience)? {
                Looked::Not => {}
                Looked::Undecided => undecided += 1,
                Looked::Holds(values) => found.push((values, (time, id), node)),
            }
            if patience.is_over() {
                return Err(late());
            }
        }
        let most = self.query.skip + self.query.top;
        match &mut *self.sink.lock().unwrap_or_else(PoisonError::into_inner) {
            Sink::First(first) => {
                first.undecided += undecided;
                for (values, place, node) in found {
                    let order = values.into_iter().zip(&self.query.order_by);
                    let keys = order.map(|(value, (_, sorting))| SortKey::new(value.unwrap_or(Value::Null), *sorting));
                    first.take(Candidate { keys: keys.collect(), place: Reverse(place), node }, most);
                }
            }
            Sink::Groups(_) if undecided > 0 => return Err(fold::undecided()),
            Sink::Groups(folding) => {
                for (values, _, _) in found {
                    folding.take(values.into_iter().collect::<Option<_>>().ok_or_else(fold::undecided)?)?;
                }
            }
            Sink::Nothing => {}
        }
        Ok(())
    }

    /// The call of a row, as the reader sees it; none where it is no event, or not there any more.
    fn seen(&self, (time, id): (Timestamp, EventId), bytes: &Bytes) -> Result<Option<StoredCall>, Error> {
        let call = event::decode(id, time, bytes)?;
        if !call.kind.is_event() || !stands(&call, &self.configured.config, self.now) {
            return Ok(None);
        }
        Ok(seen_by(call, self.query.visibility, &self.configured))
    }

    fn look(&self, at: (Timestamp, EventId), bytes: &Bytes, patience: &Patience) -> Result<Looked, Error> {
        let Some(call) = self.seen(at, bytes)? else { return Ok(Looked::Not) };
        let (named, event) = (call.identities.clone(), Event::from(call));
        let one = self.one(&event, &named, patience);
        if let Some(filter) = &self.query.filter {
            match self.value_of(filter, &one)? {
                Some(Value::Bool(true)) => {}
                Some(_) => return Ok(Looked::Not),
                None => return Ok(Looked::Undecided),
            }
        }
        let values = self.query.order_by.iter().map(|(rule, _)| self.value_of(rule, &one));
        values.collect::<Result<_, Error>>().map(Looked::Holds)
    }

    fn one<'a>(&'a self, event: &'a Event, named: &'a [Identity], patience: &'a Patience) -> One<'a> {
        One::new(event, named, &self.configured.config, patience)
    }

    /// What a rule comes to for one event; none where it is beyond its bounds.
    fn value_of(&self, rule: &EventRule, one: &One<'_>) -> Result<Option<Value>, Error> {
        let zone = Zone::utc();
        let frame = Frame { now: self.now, zone: &zone, steps_max: STEPS_OF_ONE };
        match rule.rule.evaluate(one, &frame) {
            Ok(answer) => Ok(Some(answer.value)),
            Err(OverBudget::GivenUp) => Err(late()),
            Err(OverBudget::Steps | OverBudget::Value | OverBudget::Pattern) => Ok(None),
        }
    }

    /// What comes first, read again as it is now: what was erased meanwhile is left out.
    async fn page(&self, service: &Service, scope: Scope) -> Result<EventsPage, Error> {
        let sink = std::mem::replace(&mut *self.sink.lock().unwrap_or_else(PoisonError::into_inner), Sink::Nothing);
        let Sink::First(first) = sink else {
            return Err(Error::new(ErrorKind::Internal, "internal", "a page was lost"));
        };
        let (mut events, mut bytes, mut standing) = (Vec::new(), 0, HashMap::new());
        let (config, store) = (&self.configured.config, &**service.store());
        let mut shown = first.heap.into_sorted_vec().into_iter().skip(self.query.skip).take(self.query.top).peekable();
        while let Some(Candidate { place: Reverse((time, id)), node, .. }) = shown.next_if(|_| bytes < PAGE_BYTES) {
            let is_standing = match standing.get(&node) {
                Some(is_standing) => *is_standing,
                None => {
                    let is_standing = row::read(store, scope.purge(node)).await?.is_none();
                    standing.insert(node, is_standing);
                    is_standing
                }
            };
            let row = if is_standing { row::read(store, scope.event(node, time, id)).await? } else { None };
            let Some(row) = row else { continue };
            let Some(call) = self.seen((time, id), &row.value)? else { continue };
            bytes += row.value.len();
            let identities = call.identities.iter().map(|own| NamedIdentity::new(own, config)).collect();
            events.push(FoundEvent { call, identities, values: Vec::new() });
        }
        let is_cut = shown.peek().is_some();
        Ok(EventsPage { events, total: first.total, is_cut, undecided: first.undecided })
    }
}

impl Walk {
    /// The page with what is computed of each event.
    fn with_values(&self, mut page: EventsPage, patience: &Patience) -> Result<EventsPage, Error> {
        let mut bytes = 0;
        for found in &mut page.events {
            let (named, event) = (found.call.identities.clone(), Event::from(found.call.clone()));
            let one = self.one(&event, &named, patience);
            for rule in &self.query.values {
                let value = self.value_of(rule, &one)?.ok_or_else(fold::undecided)?;
                bytes += value.size_bytes();
                found.values.push(value);
            }
            if bytes > GROUP_BYTES_MAX {
                return Err(fold::too_many());
            }
        }
        Ok(page)
    }
}

enum Looked {
    Not,
    Undecided,
    /// What it is sorted or grouped by; none for what gave no answer.
    Holds(Vec<Option<Value>>),
}
