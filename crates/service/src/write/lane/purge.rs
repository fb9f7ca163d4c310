//! Removes the events of nodes that were erased: nothing reaches them any more, but they take room and hold personal data.

use tessera_engine::decide::{LinkRemoval, Retraction};
use tessera_engine::fact::FactKey;
use tessera_engine::id::NodeId;
use tessera_store::{Commit, Direction, KeyRange, Row, ScanLimit};

use super::state::State;
use super::work::Item;
use crate::base::codec::corrupt;
use crate::base::error::Error;
use crate::base::store_error::{commit_failed, read_failed};
use crate::read::query::StoredCall;
use crate::stored::keys::Family;
use crate::stored::layout::{read_event_key, read_held_key, read_node_key};
use crate::stored::loose;
use crate::stored::records::rows::LaneRow;
use crate::stored::records::{event, rows};
use crate::stored::row::{self, rows_at_once};
use crate::write::erasure::records;

/// Events removed in one go, and as many rows by which the history is found.
const ROWS_AT_ONCE: usize = 1_000;
/// Links removed in one go.
const LINKS_AT_ONCE: usize = 500;

/// A part of the rows of a node.
struct Part {
    commit: Commit,
    events: u64,
    is_last: bool,
}

impl State {
    /// Removes a bounded number of rows. Answers whether more are left.
    pub(super) async fn purge(&mut self) -> Result<bool, Error> {
        self.ready().await?;
        if let Some(node) = self.loose().iter().next().copied() {
            self.unlink(node).await?;
            return Ok(true);
        }
        if self.take_out().await? {
            return Ok(true);
        }
        let waiting = self.scope().all_of(Family::Purge);
        let page = self
            .store()
            .scan(&waiting, ScanLimit::rows(2), Direction::Forward)
            .await
            .map_err(|error| read_failed(&error))?;
        let Some((node, row)) = page.rows.first().and_then(|row| Some((read_node_key(&row.key)?, row))) else {
            return Ok(false);
        };
        let trace = records::decode_node(&row.value)?;
        let Part { mut commit, events, is_last } = self.purge_node(node).await?;
        if is_last {
            commit = commit.delete(self.scope().purge(node));
            if let Some(trace) = &trace {
                // What was kept of what was sent is looked through later, for many at once.
                commit = commit.put(self.scope().trace(trace.receipt, node), records::encode_trace(trace));
            }
        }
        let more = !is_last || page.rows.len() > 1;
        let before = self.row_at(self.tick(self.clock()));
        let waiting = match trace {
            _ if !more => 0,
            Some(_) => before.waiting.saturating_sub(events),
            // From before they were counted.
            None => before.waiting,
        };
        let row = LaneRow { waiting, ..before };
        match self.store().commit(self.add_row(commit.with_reserve(), &row)).await {
            Ok(committed) => {
                self.keep_row(row, committed.version);
                Ok(more)
            }
            Err(error) => {
                self.forget();
                Err(commit_failed(&error))
            }
        }
    }

    /// Removes some of the links of an erased node that did not hold, then its word from some accounts, and its row when nothing is left.
    async fn unlink(&mut self, gone: NodeId) -> Result<(), Error> {
        let range = self.scope().held_of(gone);
        let page = self.store().scan(&range, ScanLimit::rows(LINKS_AT_ONCE), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        if page.rows.is_empty() {
            let row = row::read(&**self.store(), self.scope().loose(gone)).await?;
            let mut accounts = row.map(|row| loose::decode(&row.value)).transpose()?.unwrap_or_default();
            let rest = accounts.split_off(accounts.len().min(LINKS_AT_ONCE));
            let items = accounts.into_iter().map(|account| (Item::command(Retraction { gone, account }), 0));
            self.decide_own(items.collect()).await?;
            let (key, commit) = (self.scope().loose(gone), Commit::new().with_reserve());
            let is_last = rest.is_empty();
            let commit = if is_last { commit.delete(key) } else { commit.put(key, loose::encode(&rest)) };
            if let Err(error) = self.store().commit(commit).await {
                self.forget();
                return Err(commit_failed(&error));
            }
            if is_last {
                self.has_unlinked(gone);
            }
            return Ok(());
        }
        let item = |row: &Row| {
            let (_, other) = read_held_key(&row.key).ok_or_else(|| corrupt("key of a link"))?;
            Ok((Item::command(LinkRemoval { gone, other }), 0))
        };
        let items = page.rows.iter().map(item).collect::<Result<Vec<_>, Error>>()?;
        self.decide_own(items).await
    }

    /// The deletions of a node's oldest events and of their fact rows.
    async fn purge_node(&self, node: NodeId) -> Result<Part, Error> {
        let range: KeyRange = self.scope().events_of(node);
        // An event goes with its fact, which is expected to be as it was read, and two kinds of history follow.
        let at_once = rows_at_once(&**self.store(), ROWS_AT_ONCE, 8);
        let page = self.store().scan(&range, ScanLimit::rows(at_once), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        let mut commit = Commit::new();
        let mut facts = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            commit = commit.delete(row.key.clone());
            if let Some((_, time, id)) = read_event_key(&row.key) {
                let StoredCall { dataset, message_id: id, .. } = event::decode(id, time, &row.value)?;
                if self.has_facts_by_id() {
                    facts.push(self.scope().fact_by_id(&id));
                }
                facts.push(self.scope().fact(&FactKey { dataset, id }));
            }
        }
        let found = self.store().get(&facts).await.map_err(|error| read_failed(&error))?;
        for (key, row) in facts.into_iter().zip(found.value) {
            // A fact of this id that was received again since belongs to somebody else.
            if let Some(row) = row
                && rows::decode_fact(&row.value)?.node == node
            {
                commit = commit.expect_version(key.clone(), row.version).delete(key);
            }
        }
        let mut is_last = page.next.is_none();
        if is_last {
            // The history itself holds ids only; that it can be found by this one ends here. So does what the profile entered and left.
            for history in [self.scope().directives_of(node), self.scope().membership_changes_of(node)] {
                let found = self.store().scan(&history, ScanLimit::rows(at_once), Direction::Forward).await;
                let found = found.map_err(|error| read_failed(&error))?;
                is_last &= found.next.is_none();
                commit = found.rows.into_iter().fold(commit, |commit, row| commit.delete(row.key));
            }
        }
        Ok(Part { commit, events: page.rows.len() as u64, is_last })
    }
}
