//! What the newest events of a node bring, once for all windows.
//!
//! Windows that differ in nothing but their length share it. It is there so that what leaves a short window, or comes in late, is known without
//! the timeline. How much of it there is decides nothing: what it does not have, the timeline does.

use smallvec::SmallVec;
use tessera_expr::plan::Contribution;

use super::{Moment, Placed, Stretch};
use crate::rules::AggregateId;
use crate::time::Timestamp;
use crate::value::{Decimal, Value};

/// The newest events of a node that count in windows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tail {
    from: Option<Moment>,
    moments: Vec<Moment>,
    columns: Vec<Column>,
}

tessera_expr::heap!(Tail: moments, columns);

/// What the newest events of a node bring to one aggregate, whatever its window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The aggregate: of those that are the same but for their windows the one that was there first.
    pub id: AggregateId,
    /// Its events, by their places, ascending.
    pub rows: Vec<u16>,
    /// What each brings; empty where all bring nothing but that they happened.
    pub brings: Vec<Brings>,
}

/// What an event brings, in little room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brings {
    /// That it happened.
    Nothing,
    /// One value, without rank and group.
    One(Value),
    /// Anything else.
    Several(Box<Contribution>),
}

impl From<Contribution> for Brings {
    fn from(own: Contribution) -> Self {
        if own.rank != Value::Null || own.group != Value::Null || own.values.len() > 1 {
            return Self::Several(Box::new(own));
        }
        own.values.into_iter().next().map_or(Self::Nothing, Self::One)
    }
}

impl From<&Brings> for Contribution {
    fn from(own: &Brings) -> Self {
        let plain = |values: SmallVec<[Value; 1]>| Self { values, rank: Value::Null, group: Value::Null };
        match own {
            Brings::Nothing => plain(SmallVec::new()),
            Brings::One(value) => plain(std::iter::once(value.clone()).collect()),
            Brings::Several(own) => (**own).clone(),
        }
    }
}

impl Brings {
    fn size_bytes(&self) -> usize {
        const KIND: usize = 1;
        KIND + match self {
            Self::Nothing => 0,
            Self::One(value) => value.size_bytes(),
            Self::Several(own) => {
                3 + own.values.iter().chain([&own.rank, &own.group]).map(Value::size_bytes).sum::<usize>()
            }
        }
    }
}

impl Column {
    fn of(id: AggregateId) -> Self {
        Self { id, rows: Vec::new(), brings: Vec::new() }
    }

    fn brings(&self, at: usize) -> &Brings {
        self.brings.get(at).unwrap_or(&Brings::Nothing)
    }

    /// Makes room for an event at this place, and says what it brings, if anything.
    fn insert(&mut self, place: u16, brings: Option<Brings>) {
        let at = self.rows.partition_point(|row| *row < place);
        self.rows[at..].iter_mut().for_each(|row| *row += 1);
        let Some(brings) = brings else { return };
        if self.brings.is_empty() && brings != Brings::Nothing {
            self.brings = vec![Brings::Nothing; self.rows.len()];
            self.brings.insert(at, brings);
        } else if !self.brings.is_empty() {
            self.brings.insert(at, brings);
        }
        self.rows.insert(at, place);
    }

    fn remove(&mut self, place: u16) {
        let at = self.rows.partition_point(|row| *row < place);
        if self.rows.get(at) == Some(&place) {
            self.rows.remove(at);
            if !self.brings.is_empty() {
                self.brings.remove(at);
            }
        }
        self.rows[at..].iter_mut().for_each(|row| *row -= 1);
    }

    fn drop_oldest(&mut self, places: u16) {
        let gone = self.rows.partition_point(|row| *row < places);
        self.rows.drain(..gone);
        self.brings.drain(..gone.min(self.brings.len()));
        self.rows.iter_mut().for_each(|row| *row -= places);
    }

    fn size_bytes(&self) -> usize {
        6 + 2 * self.rows.len() + self.brings.iter().map(Brings::size_bytes).sum::<usize>()
    }
}

impl Tail {
    /// That of a node without events, for these aggregates.
    #[must_use]
    pub fn new(ids: impl IntoIterator<Item = AggregateId>) -> Self {
        let mut columns: Vec<Column> = ids.into_iter().map(Column::of).collect();
        columns.sort_unstable_by_key(|column| column.id);
        Self { from: None, moments: Vec::new(), columns }
    }

    /// The same, of which nothing up to a place is known.
    pub(crate) fn without(self, from: Option<Moment>) -> Self {
        Self { from, ..self }
    }

    /// From its parts: places are those of moments, which ascend, as the columns do.
    #[must_use]
    pub fn from_parts(from: Option<Moment>, moments: Vec<Moment>, columns: Vec<Column>) -> Option<Self> {
        let ascend = |rows: &[u16]| rows.windows(2).all(|pair| pair[0] < pair[1]);
        let is_whole = |own: &Column| {
            ascend(&own.rows)
                && own.rows.last().is_none_or(|last| usize::from(*last) < moments.len())
                && (own.brings.is_empty() || own.brings.len() == own.rows.len())
        };
        let are_sorted = moments.windows(2).all(|pair| pair[0] < pair[1])
            && columns.windows(2).all(|pair| pair[0].id < pair[1].id)
            && from.is_none_or(|from| moments.first().is_none_or(|first| from < *first));
        (are_sorted && columns.iter().all(is_whole)).then_some(Self { from, moments, columns })
    }

    /// Of what happened at this place or before, nothing is here; none where all that there is is here.
    #[must_use]
    pub const fn from(&self) -> Option<Moment> {
        self.from
    }

    /// The places of its events.
    #[must_use]
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// What they bring to each aggregate.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether it is of these aggregates, in their order.
    pub(crate) fn is_of(&self, ids: &[AggregateId]) -> bool {
        self.columns.len() == ids.len() && self.columns.iter().zip(ids).all(|(column, id)| column.id == *id)
    }

    /// Whether it is of this aggregate.
    pub(crate) fn knows(&self, id: AggregateId) -> bool {
        self.columns.binary_search_by_key(&id, |column| column.id).is_ok()
    }

    /// The same of these aggregates, ascending: of those that it is not of there are no events.
    pub(crate) fn of(&self, ids: impl Iterator<Item = AggregateId>) -> Self {
        let find = |id: AggregateId| self.columns.iter().find(|column| column.id == id).cloned();
        let columns = ids.map(|id| find(id).unwrap_or_else(|| Column::of(id))).collect();
        Self { columns, ..self.clone() }
    }

    /// What is known of an aggregate is not all that there is.
    pub(crate) fn forget(&mut self, id: AggregateId) {
        self.columns.retain(|column| column.id != id);
    }

    /// An event of the node. What it brings to aggregates that are not here is left out. No event is added twice.
    pub fn add(&mut self, moment: Moment, brought: Vec<(AggregateId, Contribution)>) {
        if self.from.is_some_and(|from| moment <= from) || self.moments.len() >= usize::from(u16::MAX) {
            return;
        }
        let mut brought: Vec<(AggregateId, Brings)> =
            brought.into_iter().map(|(id, own)| (id, Brings::from(own))).collect();
        brought.retain(|(id, _)| self.columns.binary_search_by_key(id, |column| column.id).is_ok());
        if brought.is_empty() {
            return;
        }
        let at = self.moments.partition_point(|own| *own < moment);
        let place = u16::try_from(at).unwrap_or(u16::MAX);
        self.moments.insert(at, moment);
        for column in &mut self.columns {
            let own = brought.iter().position(|(id, _)| *id == column.id);
            column.insert(place, own.map(|own| brought.swap_remove(own).1));
        }
    }

    /// An event is there no more.
    pub fn remove(&mut self, moment: Moment) {
        if let Ok(at) = self.moments.binary_search(&moment) {
            self.moments.remove(at);
            let place = u16::try_from(at).unwrap_or(u16::MAX);
            self.columns.iter_mut().for_each(|column| column.remove(place));
        }
    }

    /// Lets the oldest go where there are more than so many, or take more than so many bytes: a quarter at once.
    pub fn trim(&mut self, entries_max: usize, bytes_max: usize) {
        while self.moments.len() > entries_max || (self.size_bytes() > bytes_max && !self.moments.is_empty()) {
            let gone = (self.moments.len() / 4).max(1);
            self.from = self.moments.get(gone - 1).copied();
            self.moments.drain(..gone);
            let places = u16::try_from(gone).unwrap_or(u16::MAX);
            self.columns.iter_mut().for_each(|column| column.drop_oldest(places));
        }
    }

    /// What an aggregate takes of the events from one instant to another, both included, and all that come after them; none where not all of it
    /// is here.
    #[must_use]
    pub fn stretch(&self, id: AggregateId, from: Timestamp, to: Timestamp) -> Option<Stretch> {
        if self.from.is_some_and(|own| own.time >= from) {
            return None;
        }
        let column = &self.columns[self.columns.binary_search_by_key(&id, |column| column.id).ok()?];
        let moment = |row: &u16| self.moments[usize::from(*row)];
        let start = column.rows.partition_point(|row| moment(row).time < from);
        let end = column.rows.partition_point(|row| moment(row).time <= to).max(start);
        let placed = |at: usize| -> Placed { (moment(&column.rows[at]), column.brings(at).into()) };
        // Whoever asks wants to know the next few.
        let then = (end..column.rows.len()).take(THEN_MAX);
        let rest = column.rows.get(end + THEN_MAX).map(|row| moment(row).time);
        Some(Stretch { asked: (start..end).map(placed).collect(), then: then.map(placed).collect(), rest })
    }

    /// Whether it knows all events from an instant on that an aggregate takes.
    pub(crate) fn covers(&self, id: AggregateId, from: Timestamp) -> bool {
        self.from.is_none_or(|own| own.time < from) && self.knows(id)
    }

    /// How many of its events happened after an instant.
    pub(crate) fn since(&self, at: Timestamp) -> usize {
        self.moments.len() - self.moments.partition_point(|moment| moment.time <= at)
    }

    /// When its events happened that an aggregate takes, the newest first, and what each adds to a count or to a sum; nothing is said where it
    /// is several values at once.
    pub(crate) fn newest_first(
        &self,
        (id, is_count): (AggregateId, bool),
    ) -> impl Iterator<Item = (Timestamp, Option<Decimal>)> {
        let column = self.columns.iter().find(|column| column.id == id);
        let adds = move |brings: &Brings| match brings {
            _ if is_count => Some(Decimal::from_u64(1)),
            Brings::One(Value::Number(number)) => Some(*number),
            Brings::Nothing | Brings::One(_) => Some(Decimal::ZERO),
            Brings::Several(_) => None,
        };
        let rows =
            column.into_iter().flat_map(|column| column.rows.iter().enumerate().rev().map(move |at| (column, at)));
        rows.map(move |(column, (at, row))| (self.moments[usize::from(*row)].time, adds(column.brings(at))))
    }

    /// An estimate of its stored bytes, rather high.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        const FROM: usize = Moment::SIZE_BYTES + 2;
        FROM + Moment::SIZE_BYTES * self.moments.len() + self.columns.iter().map(Column::size_bytes).sum::<usize>()
    }
}

/// Events that are told behind those that are asked for.
const THEN_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EventId;

    fn moment(second: i64) -> Moment {
        Moment {
            time: Timestamp::from_micros(second * 1_000_000).expect("an instant"),
            id: EventId::from_bytes([0; 12]),
        }
    }

    fn brings(number: i64) -> Contribution {
        let values = std::iter::once(Value::Number(Decimal::from_i64(number))).collect();
        Contribution { values, rank: Value::Null, group: Value::Null }
    }

    fn nothing() -> Contribution {
        Contribution { values: SmallVec::new(), rank: Value::Null, group: Value::Null }
    }

    const COUNT: AggregateId = AggregateId(3);
    const SUM: AggregateId = AggregateId(7);

    fn seconds(placed: &[Placed]) -> Vec<(i64, Option<Value>)> {
        let one = |(moment, own): &Placed| (moment.time.micros() / 1_000_000, own.values.first().cloned());
        placed.iter().map(one).collect()
    }

    /// Every order of coming and going comes to the same as a list that is sorted.
    #[test]
    fn it_is_a_sorted_list_for_each_column() {
        let mut tail = Tail::new([SUM, COUNT]);
        let mut naive: Vec<(i64, bool, bool)> = Vec::new();
        for step in 0..400_i64 {
            let second = step * 37 % 101;
            if let Some(at) = naive.iter().position(|(own, ..)| *own == second) {
                naive.remove(at);
                tail.remove(moment(second));
            } else {
                let (counts, sums) = (step % 3 != 0, step % 2 == 0);
                let mut brought = Vec::new();
                brought.extend(counts.then(|| (COUNT, nothing())));
                brought.extend(sums.then(|| (SUM, brings(second))));
                brought.push((AggregateId(9), nothing()));
                tail.add(moment(second), brought);
                naive.push((second, counts, sums));
                naive.sort_unstable();
            }
            let (from, to) = (moment(20).time, moment(60).time);
            let of = |is: fn(&(i64, bool, bool)) -> bool, range: std::ops::RangeInclusive<i64>| {
                naive.iter().filter(|own| is(own) && range.contains(&own.0)).map(|own| own.0).collect::<Vec<_>>()
            };
            let count = tail.stretch(COUNT, from, to).expect("it is whole");
            let sum = tail.stretch(SUM, from, to).expect("it is whole");
            assert_eq!(
                seconds(&count.asked),
                of(|own| own.1, 20..=60).into_iter().map(|at| (at, None)).collect::<Vec<_>>()
            );
            let value = |at: i64| (at, Some(Value::Number(Decimal::from_i64(at))));
            assert_eq!(seconds(&sum.asked), of(|own| own.2, 20..=60).into_iter().map(value).collect::<Vec<_>>());
            let then = of(|own| own.2, 61..=200);
            assert_eq!(seconds(&sum.then), then.iter().take(THEN_MAX).copied().map(value).collect::<Vec<_>>());
            assert_eq!(sum.rest.map(|at| at.micros() / 1_000_000), then.get(THEN_MAX).copied());
        }
    }

    #[test]
    fn what_was_let_go_of_is_not_known() {
        let mut tail = Tail::new([COUNT]);
        (0..10).for_each(|second| tail.add(moment(second), vec![(COUNT, nothing())]));
        tail.trim(8, usize::MAX);
        assert_eq!((tail.moments().len(), tail.from()), (8, Some(moment(1))));
        assert!(tail.stretch(COUNT, moment(1).time, moment(5).time).is_none());
        let known = tail.stretch(COUNT, moment(2).time, moment(3).time).expect("it is here");
        assert_eq!(seconds(&known.asked), [(2, None), (3, None)]);
        assert!(tail.stretch(SUM, moment(2).time, moment(3).time).is_none(), "another aggregate");
        // What is older than all that is here stays away.
        tail.add(moment(0), vec![(COUNT, nothing())]);
        assert_eq!(tail.moments().len(), 8);
        tail.trim(8, 0);
        assert_eq!((tail.moments().len(), tail.from()), (0, Some(moment(9))));
    }
}
