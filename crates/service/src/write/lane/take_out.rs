//! Takes values out of events that rest on what was erased. Until it has, the receipts of those erasures wait.

use tessera_engine::decide::{EventRewriting, NewEvent};
use tessera_engine::fact::Call;
use tessera_engine::id::NodeId;
use tessera_store::{Commit, Direction, Key, Row, ScanLimit};

use super::state::State;
use super::work::Item;
use crate::base::codec::corrupt;
use crate::base::error::Error;
use crate::base::payload::{RestsOn, take_out_written};
use crate::base::store_error::{commit_failed, read_failed};
use crate::stored::keys::{Family, KeyBuilder};
use crate::stored::layout::read_event_key;
use crate::stored::records::event;
use crate::stored::resting::{self, Place, RestingKey, ToTakeOut};

/// Events looked at in one go, and their bytes.
const AT_ONCE: ScanLimit = ScanLimit { rows: 500, bytes: 4 << 20 };

/// Erasures of one node that are looked at together.
const ERASURES_AT_ONCE: usize = 100;

/// The event of a row without what is written into it and rests on what was erased; none where it stays as it is.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn without_erased(
    row: &Row,
    is_erased: &dyn Fn(&RestsOn, &NewEvent) -> bool,
) -> Result<Option<EventRewriting>, Error> {
    let (node, time, id) = read_event_key(&row.key).ok_or_else(|| corrupt("event key"))?;
    let own = event::decode(id, time, &row.value)?;
    let event = NewEvent {
        node,
        time,
        id,
        fact_id: own.message_id,
        received_at: own.received_at,
        dataset: own.dataset,
        batch: own.batch,
        identities: own.identities,
        call: Call { kind: own.kind, name: own.name, payload: own.payload },
        rests_on: Vec::new(),
    };
    let payload = take_out_written(&event.call.payload, &|rests_on| is_erased(rests_on, &event));
    Ok(payload.map(|payload| EventRewriting { call: Call { payload, ..event.call.clone() }, event }))
}

impl State {
    /// Looks through some of the events that may rest on what was erased. Answers whether there was anything to do.
    pub(super) async fn take_out(&mut self) -> Result<bool, Error> {
        let waiting = self.scope().all_resting_erased();
        let page = self.store().scan(&waiting, ScanLimit::rows(ERASURES_AT_ONCE), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        let Some(first) = page.rows.first() else { return Ok(false) };
        let Some(RestingKey::Erased(node)) = resting::read_key(&first.key) else {
            return Err(corrupt("key of what rests on what was erased"));
        };
        let is_same = |row: &&Row| resting::read_key(&row.key) == Some(RestingKey::Erased(node));
        let same: Vec<&Row> = page.rows.iter().take_while(is_same).collect();
        let key = first.key.clone();
        let mut own = resting::decode(&first.value)?;
        if same.len() > 1 {
            // What rests on one of several erasures of a node came later than the first thing that they erased.
            for row in &same[1..] {
                let other = resting::decode(&row.value)?;
                own = ToTakeOut { is_gone: own.is_gone || other.is_gone, from: own.from.min(other.from), at: None };
            }
            let commit = Commit::new().put(key, resting::encode(&own));
            return self.keep_going(same[1..].iter().fold(commit, |commit, row| commit.delete(row.key.clone()))).await;
        }
        let place = match &own.at {
            Some(place) => Some(place.clone()),
            // Its own events rest on what it said.
            None if !own.is_gone => Some(Place { owner: node, last: None }),
            None => self.next_owner(node, None).await?,
        };
        let (next, gone) = match place {
            None => (None, None),
            Some(place) => self.take_out_of(node, &own, place).await?,
        };
        let commit = match next {
            None => Commit::new().delete(key),
            Some(place) => Commit::new().put(key, resting::encode(&ToTakeOut { at: Some(place), ..own })),
        };
        self.keep_going(gone.into_iter().fold(commit, |commit: Commit, key| commit.delete(key))).await
    }

    async fn keep_going(&mut self, commit: Commit) -> Result<bool, Error> {
        match self.store().commit(commit.with_reserve()).await {
            Ok(_) => Ok(true),
            Err(error) => {
                self.forget();
                Err(commit_failed(&error))
            }
        }
    }

    /// Takes values out of a page of a timeline. Answers where it goes on, and the row that goes with the end of the timeline.
    async fn take_out_of(
        &mut self,
        node: NodeId,
        own: &ToTakeOut,
        place: Place,
    ) -> Result<(Option<Place>, Option<Key>), Error> {
        let Place { owner, last } = place;
        let all = self.scope().events_of(owner);
        let range = match &last {
            None => all,
            Some(last) => all.after(&self.scope().family(Family::Event).bytes(last).key(), Direction::Forward),
        };
        let page = self.store().scan(&range, AT_ONCE, Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        let is_erased = |rests_on: &RestsOn, event: &NewEvent| {
            event.received_at > own.from && (owner == node || rests_on.has_node(node))
        };
        let mut items = Vec::new();
        for row in &page.rows {
            items.extend(without_erased(row, &is_erased)?.map(|own| (Item::command(Box::new(own)), 0)));
        }
        self.decide_own(items).await?;
        let last = page.rows.last().and_then(|row| row.key.as_bytes().get(KeyBuilder::HEAD_BYTES..));
        if page.next.is_some() {
            return Ok((Some(Place { owner, last: last.map(<[u8]>::to_vec) }), None));
        }
        let after = (owner != node).then_some(owner);
        let next = self.next_owner(node, after).await?;
        let gone = after.filter(|_| own.is_gone).map(|owner| self.scope().resting(node, owner));
        Ok((next, gone))
    }

    /// The next owner of events that rest on what a node said.
    async fn next_owner(&self, node: NodeId, after: Option<NodeId>) -> Result<Option<Place>, Error> {
        let range = self.scope().resting_on(node, after);
        let page = self.store().scan(&range, ScanLimit::rows(1), Direction::Forward).await;
        let page = page.map_err(|error| read_failed(&error))?;
        let Some(row) = page.rows.first() else { return Ok(None) };
        match resting::read_key(&row.key) {
            Some(RestingKey::On { owner, .. }) => Ok(Some(Place { owner, last: None })),
            Some(RestingKey::Erased(_)) | None => Err(corrupt("key of what rests on what was erased")),
        }
    }
}
