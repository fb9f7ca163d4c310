//! What a node keeps for the rules, as the root record holds it: states of aggregates, and how its profile stands to the segments.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_engine::aggregate::{
    Best, Beyond, Brings, Column, Group, Groups, Moment, Ranked, Run, State, Summary, Tail, Totals, Values,
};
use tessera_engine::cluster::Node;
use tessera_engine::id::EventId;
use tessera_engine::rules::{AggregateId, Late, Membership, SegmentId, SegmentStates, Trouble};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Decimal, Value};
use tessera_expr::facts::Membership as Stands;
use tessera_expr::plan::Contribution;

use super::value::{ValueRecord, time};
use crate::base::codec::corrupt;
use crate::base::error::Error;

/// What one node keeps.
#[derive(Serialize, Deserialize)]
pub(super) struct RuledRecord<'a> {
    /// Its place among the nodes of the record.
    node: u16,
    /// Until version 7, the places of the events that counted in windows.
    moments: Vec<MomentRecord>,
    #[serde(borrow)]
    states: Vec<(u32, StateRecord<'a, PlacedRecord<'a>>)>,
    /// Instants of memberships are told from that up to which it is settled.
    segment_states: Option<StandingRecord>,
}

/// The same in version 3 of the root record: each entry tells its own moment, and instants are what they are.
#[derive(Deserialize)]
pub(super) struct OldRuledRecord<'a> {
    node: u16,
    #[serde(borrow)]
    states: Vec<(u32, StateRecord<'a, EntryRecord<'a>>)>,
    segment_states: Option<StandingRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "E: Deserialize<'de>"))]
enum StateRecord<'a, E> {
    Ever(#[serde(borrow)] SummaryRecord<'a>),
    /// Until version 7: every event of a window. It is read anew.
    Recent {
        entries: Vec<E>,
        lost: Option<LostRecord>,
    },
    Unread,
    Overflowed,
    OutOfRange,
    Window(#[serde(borrow)] RunRecord<'a>),
}

#[derive(Serialize, Deserialize)]
struct RunRecord<'a> {
    at: i64,
    /// Told from `at`.
    leaves: Option<i64>,
    /// Told from `at`.
    enters: Option<i64>,
    #[serde(borrow)]
    comes_to: ComesToRecord<'a>,
}

#[derive(Serialize, Deserialize)]
enum ComesToRecord<'a> {
    This(#[serde(borrow)] SummaryRecord<'a>),
    Overflowed,
    OutOfRange,
}

/// What the newest events of one node bring.
#[derive(Serialize, Deserialize)]
pub(super) struct TailRecord<'a> {
    /// Its place among the nodes of the record.
    node: u16,
    from: Option<MomentRecord>,
    /// Each is told from the one before it.
    moments: Vec<MomentRecord>,
    #[serde(borrow)]
    columns: Vec<ColumnRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ColumnRecord<'a> {
    aggregate: u32,
    rows: Vec<u16>,
    #[serde(borrow)]
    brings: Vec<BringsRecord<'a>>,
}

impl<'a> TailRecord<'a> {
    /// What the newest events of a node bring; none where that is not known.
    pub(super) fn write(at: u16, node: &'a Node) -> Option<Self> {
        let tail = node.tail.as_deref()?;
        let mut before = 0;
        let moment = |own: &Moment| {
            let record = MomentRecord(own.time.micros() - before, *own.id.as_bytes());
            before = own.time.micros();
            record
        };
        let column = |own: &'a Column| ColumnRecord {
            aggregate: own.id.0,
            rows: own.rows.clone(),
            brings: own.brings.iter().map(write_brings).collect(),
        };
        Some(Self {
            node: at,
            from: tail.from().map(write_moment),
            moments: tail.moments().iter().map(moment).collect(),
            columns: tail.columns().iter().map(column).collect(),
        })
    }

    /// Gives it to its node.
    pub(super) fn read(self, nodes: &mut [Node]) -> Result<(), Error> {
        let node = nodes.get_mut(usize::from(self.node)).ok_or_else(|| corrupt("place of a node"))?;
        let mut before = 0_i64;
        let moment = |own: &MomentRecord| {
            before = before.checked_add(own.0).ok_or_else(|| corrupt("instant"))?;
            read_moment(&MomentRecord(before, own.1))
        };
        let moments = self.moments.iter().map(moment).collect::<Result<_, Error>>()?;
        let column = |own: ColumnRecord<'_>| {
            let brings = own.brings.into_iter().map(|own| Ok(Brings::from(read_brings(own)?)));
            Ok(Column { id: AggregateId(own.aggregate), rows: own.rows, brings: brings.collect::<Result<_, Error>>()? })
        };
        let columns = self.columns.into_iter().map(column).collect::<Result<_, Error>>()?;
        let tail = Tail::from_parts(self.from.as_ref().map(read_moment).transpose()?, moments, columns);
        node.tail = Some(Arc::new(tail.ok_or_else(|| corrupt("newest events"))?));
        Ok(())
    }
}

fn write_brings(brings: &Brings) -> BringsRecord<'_> {
    match brings {
        Brings::Nothing => BringsRecord::Nothing,
        Brings::One(value) => BringsRecord::One(value.into()),
        Brings::Several(own) => BringsRecord::Several(ContributionRecord {
            values: own.values.iter().map(ValueRecord::from).collect(),
            rank: (&own.rank).into(),
            group: (&own.group).into(),
        }),
    }
}

#[derive(Serialize, Deserialize)]
enum SummaryRecord<'a> {
    Totals {
        events: u64,
        numbers: u64,
        gains: i128,
        losses: i128,
    },
    Best {
        #[serde(borrow)]
        first: Vec<RankedRecord<'a>>,
        behind: u64,
    },
    Values(#[serde(borrow)] Vec<(ValueRecord<'a>, u64)>),
    Groups(#[serde(borrow)] Vec<GroupRecord<'a>>),
}

#[derive(Serialize, Deserialize)]
struct RankedRecord<'a> {
    #[serde(borrow)]
    rank: ValueRecord<'a>,
    at: MomentRecord,
    #[serde(borrow)]
    value: ValueRecord<'a>,
}

#[derive(Serialize, Deserialize)]
struct GroupRecord<'a> {
    #[serde(borrow)]
    by: ValueRecord<'a>,
    events: u64,
    #[serde(borrow)]
    summary: SummaryRecord<'a>,
}

#[derive(Serialize, Deserialize)]
struct PlacedRecord<'a> {
    /// The place of its moment.
    at: u32,
    #[serde(borrow)]
    brings: BringsRecord<'a>,
}

#[derive(Serialize, Deserialize)]
enum BringsRecord<'a> {
    Nothing,
    /// One value, no rank and no group.
    One(#[serde(borrow)] ValueRecord<'a>),
    Several(#[serde(borrow)] ContributionRecord<'a>),
}

#[derive(Serialize, Deserialize)]
struct ContributionRecord<'a> {
    #[serde(borrow)]
    values: Vec<ValueRecord<'a>>,
    #[serde(borrow)]
    rank: ValueRecord<'a>,
    #[serde(borrow)]
    group: ValueRecord<'a>,
}

/// An entry in version 3.
#[derive(Deserialize)]
#[expect(dead_code, reason = "what windows held is passed over")]
struct EntryRecord<'a> {
    at: MomentRecord,
    #[serde(borrow)]
    brings: ContributionRecord<'a>,
}

#[derive(Serialize, Deserialize)]
struct LostRecord {
    up_to: MomentRecord,
    has_room: bool,
}

/// Time and id of an event.
#[derive(Serialize, Deserialize)]
struct MomentRecord(i64, [u8; 12]);

#[derive(Serialize, Deserialize)]
struct StandingRecord {
    epoch: u64,
    settled_at: i64,
    due: Option<i64>,
    memberships: Vec<MembershipRecord>,
}

#[derive(Serialize, Deserialize)]
struct MembershipRecord {
    segment: u32,
    entered: Option<i64>,
    left: Option<i64>,
    trouble: Option<TroubleRecord>,
}

#[derive(Serialize, Deserialize)]
enum TroubleRecord {
    Overflowed,
    OverBudget,
    Truncated,
}

/// What was put off of the memberships of one node's profile.
#[derive(Serialize, Deserialize)]
pub(super) struct LateRecord {
    /// Its place among the nodes of the record.
    node: u16,
    at: i64,
    version: u64,
    done: u32,
    first: Option<i64>,
    again: bool,
}

impl LateRecord {
    /// What was put off; none if nothing was.
    pub(super) fn write(at: u16, node: &Node) -> Option<Self> {
        let late = node.segment_states.as_ref()?.late?;
        Some(Self {
            node: at,
            at: late.at.micros(),
            version: late.version,
            done: u32::try_from(late.done).unwrap_or(u32::MAX),
            first: late.first.map(|first| first.micros()),
            again: late.again,
        })
    }

    /// Gives it to its node, whose segment states have been read.
    pub(super) fn read(self, nodes: &mut [Node]) -> Result<(), Error> {
        let node = nodes.get_mut(usize::from(self.node)).ok_or_else(|| corrupt("place of a node"))?;
        let segment_states = node.segment_states.as_mut().ok_or_else(|| corrupt("standing"))?;
        segment_states.late = Some(Late {
            at: time(self.at)?,
            version: self.version,
            done: usize::try_from(self.done).map_err(|_| corrupt("place of a segment"))?,
            first: self.first.map(time).transpose()?,
            again: self.again,
        });
        Ok(())
    }
}

impl<'a> RuledRecord<'a> {
    /// What a node keeps; none if it keeps nothing.
    pub(super) fn write(at: u16, node: &'a Node) -> Option<Self> {
        if node.states.is_empty() && node.segment_states.is_none() {
            return None;
        }
        let states = node.states.iter().map(|(id, state)| (id.0, write_state(state))).collect();
        let segment_states = node.segment_states.as_deref().map(write_standing);
        Some(Self { node: at, moments: Vec::new(), states, segment_states })
    }

    /// Gives its node what it keeps.
    pub(super) fn read(self, nodes: &mut [Node]) -> Result<(), Error> {
        let base = self.segment_states.as_ref().map_or(0, |segment_states| segment_states.settled_at);
        keep(nodes, self.node, self.states, self.segment_states, base)
    }
}

impl OldRuledRecord<'_> {
    /// Gives its node what it keeps.
    pub(super) fn read(self, nodes: &mut [Node]) -> Result<(), Error> {
        keep(nodes, self.node, self.states, self.segment_states, 0)
    }
}

/// Gives a node what it keeps. Instants of memberships are told from `base`.
fn keep<E>(
    nodes: &mut [Node],
    at: u16,
    states: Vec<(u32, StateRecord<'_, E>)>,
    segment_states: Option<StandingRecord>,
    base: i64,
) -> Result<(), Error> {
    let node = nodes.get_mut(usize::from(at)).ok_or_else(|| corrupt("place of a node"))?;
    let state = |(id, state)| Ok((AggregateId(id), Arc::new(read_state(state)?)));
    node.states = states.into_iter().map(state).collect::<Result<_, Error>>()?;
    node.segment_states =
        segment_states.map(|segment_states| read_standing(&segment_states, base).map(Box::new)).transpose()?;
    Ok(())
}

fn write_state(state: &State) -> StateRecord<'_, PlacedRecord<'_>> {
    match state {
        State::Ever(summary) => StateRecord::Ever(write_summary(summary)),
        State::Window(run) => {
            let since = |at: Timestamp| at.micros() - run.at.micros();
            StateRecord::Window(RunRecord {
                at: run.at.micros(),
                leaves: run.leaves.map(since),
                enters: run.enters.map(since),
                comes_to: match &run.summary {
                    Ok(summary) => ComesToRecord::This(write_summary(summary)),
                    Err(Beyond::Overflowed) => ComesToRecord::Overflowed,
                    Err(Beyond::OutOfRange) => ComesToRecord::OutOfRange,
                },
            })
        }
        State::Unread => StateRecord::Unread,
        State::Overflowed => StateRecord::Overflowed,
        State::OutOfRange => StateRecord::OutOfRange,
    }
}

fn read_state<E>(record: StateRecord<'_, E>) -> Result<State, Error> {
    Ok(match record {
        StateRecord::Ever(summary) => State::Ever(read_summary(summary)?),
        StateRecord::Window(RunRecord { at, leaves, enters, comes_to }) => {
            let instant = |since: i64| time(at.checked_add(since).ok_or_else(|| corrupt("instant"))?);
            let summary = match comes_to {
                ComesToRecord::This(summary) => Ok(read_summary(summary)?),
                ComesToRecord::Overflowed => Err(Beyond::Overflowed),
                ComesToRecord::OutOfRange => Err(Beyond::OutOfRange),
            };
            State::Window(Run {
                at: time(at)?,
                summary,
                leaves: leaves.map(instant).transpose()?,
                enters: enters.map(instant).transpose()?,
            })
        }
        StateRecord::Recent { .. } | StateRecord::Unread => State::Unread,
        StateRecord::Overflowed => State::Overflowed,
        StateRecord::OutOfRange => State::OutOfRange,
    })
}

fn write_summary(summary: &Summary) -> SummaryRecord<'_> {
    match summary {
        Summary::Totals(Totals { events, numbers, gains, losses }) => {
            SummaryRecord::Totals { events: *events, numbers: *numbers, gains: gains.units(), losses: losses.units() }
        }
        Summary::Best(best) => {
            SummaryRecord::Best { first: best.first.iter().map(write_ranked).collect(), behind: best.behind }
        }
        Summary::Values(values) => {
            SummaryRecord::Values(values.counts().iter().map(|(value, count)| (value.into(), *count)).collect())
        }
        Summary::Groups(groups) => SummaryRecord::Groups(groups.groups().iter().map(write_group).collect()),
    }
}

fn read_summary(record: SummaryRecord<'_>) -> Result<Summary, Error> {
    Ok(match record {
        SummaryRecord::Totals { events, numbers, gains, losses } => {
            let (gains, losses) = (Decimal::from_units(gains), Decimal::from_units(losses));
            Summary::Totals(Totals { events, numbers, gains, losses })
        }
        SummaryRecord::Best { first, behind } => {
            let first = first.into_iter().map(read_ranked).collect::<Result<_, Error>>()?;
            Summary::Best(Best { first, behind })
        }
        SummaryRecord::Values(counts) => {
            let count = |(value, count): (ValueRecord<'_>, u64)| Ok((Value::try_from(value)?, count));
            Summary::Values(Values::from_counts(counts.into_iter().map(count).collect::<Result<Vec<_>, Error>>()?))
        }
        SummaryRecord::Groups(groups) => {
            let groups = groups.into_iter().map(read_group).collect::<Result<Vec<_>, Error>>()?;
            Summary::Groups(Groups::from_groups(groups))
        }
    })
}

fn write_ranked(ranked: &Ranked) -> RankedRecord<'_> {
    let Ranked { rank, moment, value } = ranked;
    RankedRecord { rank: rank.into(), at: write_moment(*moment), value: value.into() }
}

fn read_ranked(record: RankedRecord<'_>) -> Result<Ranked, Error> {
    let RankedRecord { rank, at, value } = record;
    Ok(Ranked { rank: rank.try_into()?, moment: read_moment(&at)?, value: value.try_into()? })
}

fn write_group<'a>((by, group): (&'a Value, &'a Group)) -> GroupRecord<'a> {
    GroupRecord { by: by.into(), events: group.events, summary: write_summary(&group.summary) }
}

fn read_group(record: GroupRecord<'_>) -> Result<(Value, Group), Error> {
    Ok((record.by.try_into()?, Group { events: record.events, summary: read_summary(record.summary)? }))
}

fn read_brings(record: BringsRecord<'_>) -> Result<Contribution, Error> {
    let plain = |values| Contribution { values, rank: Value::Null, group: Value::Null };
    Ok(match record {
        BringsRecord::Nothing => plain([].into_iter().collect()),
        BringsRecord::One(value) => plain([Value::try_from(value)?].into()),
        BringsRecord::Several(own) => read_contribution(own)?,
    })
}

fn read_contribution(record: ContributionRecord<'_>) -> Result<Contribution, Error> {
    let values = record.values.into_iter().map(Value::try_from).collect::<Result<_, Error>>()?;
    Ok(Contribution { values, rank: record.rank.try_into()?, group: record.group.try_into()? })
}

fn write_moment(moment: Moment) -> MomentRecord {
    MomentRecord(moment.time.micros(), *moment.id.as_bytes())
}

fn read_moment(record: &MomentRecord) -> Result<Moment, Error> {
    Ok(Moment { time: time(record.0)?, id: EventId::from_bytes(record.1) })
}

fn write_standing(segment_states: &SegmentStates) -> StandingRecord {
    let base = segment_states.settled_at.micros();
    // The years 1 to 9999 are far apart, and nowhere near what the difference of two instants could not hold.
    let since = |at: Timestamp| at.micros() - base;
    let membership = |own: &Membership| {
        let (entered, left) = match own.stands {
            Stands::Inside { entered, left } => (Some(entered), left),
            Stands::Outside { left } => (None, left),
        };
        MembershipRecord {
            segment: own.segment.0,
            entered: entered.map(since),
            left: left.map(since),
            trouble: own.trouble.map(|trouble| match trouble {
                Trouble::Overflowed => TroubleRecord::Overflowed,
                Trouble::OverBudget => TroubleRecord::OverBudget,
                Trouble::Truncated => TroubleRecord::Truncated,
            }),
        }
    };
    StandingRecord {
        epoch: segment_states.epoch,
        settled_at: base,
        due: segment_states.due.map(|due| due.micros()),
        memberships: segment_states.memberships.iter().map(membership).collect(),
    }
}

fn read_standing(record: &StandingRecord, base: i64) -> Result<SegmentStates, Error> {
    let instant = |since: i64| time(since.checked_add(base).ok_or_else(|| corrupt("instant"))?);
    let membership = |own: &MembershipRecord| {
        let left = own.left.map(instant).transpose()?;
        let stands = match own.entered.map(instant).transpose()? {
            Some(entered) => Stands::Inside { entered, left },
            None => Stands::Outside { left },
        };
        let trouble = own.trouble.as_ref().map(|trouble| match trouble {
            TroubleRecord::Overflowed => Trouble::Overflowed,
            TroubleRecord::OverBudget => Trouble::OverBudget,
            TroubleRecord::Truncated => Trouble::Truncated,
        });
        Ok(Membership { segment: SegmentId(own.segment), stands, trouble })
    };
    Ok(SegmentStates {
        epoch: record.epoch,
        settled_at: time(record.settled_at)?,
        due: record.due.map(time).transpose()?,
        memberships: record.memberships.iter().map(membership).collect::<Result<_, Error>>()?,
        late: None,
    })
}
