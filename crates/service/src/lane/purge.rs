//! Removes the rows of nodes that were erased: nothing reaches them any more, but they take room and hold personal data.

use tessera_engine::id::NodeId;
use tessera_store::{Commit, Direction, KeyRange, ScanLimit};

use super::state::State;
use crate::error::Error;
use crate::keys::Family;
use crate::layout::{read_event_key, read_node_key};
use crate::records::rows::LaneRow;
use crate::records::{event, rows};
use crate::store_error::{commit_failed, read_failed};

/// Events removed in one go.
const EVENTS_AT_ONCE: usize = 1_000;

impl State {
    /// Removes a bounded number of rows. Answers whether more are left.
    pub(super) async fn purge(&mut self) -> Result<bool, Error> {
        self.ready().await?;
        let waiting = self.scope().all_of(Family::Purge);
        let page = self
            .store()
            .scan(&waiting, ScanLimit::rows(2), Direction::Forward)
            .await
            .map_err(|error| read_failed(&error))?;
        let Some(node) = page.rows.first().and_then(|row| read_node_key(&row.key)) else { return Ok(false) };
        let (mut commit, is_last) = self.purge_node(node).await?;
        if is_last {
            commit = commit.delete(self.scope().purge(node));
        }
        let row = LaneRow { clock: self.tick(self.clock()), counts: self.counts() };
        match self.store().commit(self.add_row(commit, &row)).await {
            Ok(committed) => {
                self.keep_row(row, committed.version);
                Ok(!is_last || page.rows.len() > 1)
            }
            Err(error) => {
                self.forget();
                Err(commit_failed(&error))
            }
        }
    }

    /// The deletions of a node's oldest events and of their fact rows, and whether they are the last.
    async fn purge_node(&self, node: NodeId) -> Result<(Commit, bool), Error> {
        let range: KeyRange = self.scope().events_of(node);
        let page = self.store().scan(&range, ScanLimit::rows(EVENTS_AT_ONCE), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        let mut commit = Commit::new();
        let mut facts = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            commit = commit.delete(row.key.clone());
            if let Some((_, time, id)) = read_event_key(&row.key) {
                facts.push(self.scope().fact(&event::decode(id, time, &row.value)?.message_id));
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
        Ok((commit, page.next.is_none()))
    }
}
