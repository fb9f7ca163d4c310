//! What a node keeps for the rules, as the root record holds it: states of aggregates, and how its profile stands to the segments.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_engine::aggregate::{
    Best, Entry, Group, Groups, Lost, Moment, Ranked, Recent, State, Summary, Totals, Values,
};
use tessera_engine::id::EventId;
use tessera_engine::rules::{AggregateId, Membership, SegmentId, Standing, Trouble};
use tessera_engine::value::{Decimal, Value};
use tessera_expr::facts::Membership as Stands;
use tessera_expr::plan::Contribution;

use super::value::{ValueRecord, time};
use crate::error::Error;

/// What one node keeps.
#[derive(Serialize, Deserialize)]
pub(super) struct RuledRecord<'a> {
    /// Its place among the nodes of the record.
    pub(super) node: u16,
    #[serde(borrow)]
    states: Vec<(u32, StateRecord<'a>)>,
    standing: Option<StandingRecord>,
}

#[derive(Serialize, Deserialize)]
enum StateRecord<'a> {
    Ever(#[serde(borrow)] SummaryRecord<'a>),
    Recent {
        #[serde(borrow)]
        entries: Vec<EntryRecord<'a>>,
        lost: Option<LostRecord>,
    },
    Unread,
    Overflowed,
    OutOfRange,
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
struct EntryRecord<'a> {
    at: MomentRecord,
    #[serde(borrow)]
    values: Vec<ValueRecord<'a>>,
    #[serde(borrow)]
    rank: ValueRecord<'a>,
    #[serde(borrow)]
    group: ValueRecord<'a>,
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
}

impl<'a> RuledRecord<'a> {
    /// What a node keeps; none if it keeps nothing.
    pub(super) fn write(at: u16, node: &'a tessera_engine::cluster::Node) -> Option<Self> {
        if node.states.is_empty() && node.standing.is_none() {
            return None;
        }
        let states = node.states.iter().map(|(id, state)| (id.0, write_state(state))).collect();
        Some(Self { node: at, states, standing: node.standing.as_deref().map(write_standing) })
    }

    /// Gives a node what it keeps.
    pub(super) fn read(self, node: &mut tessera_engine::cluster::Node) -> Result<(), Error> {
        let state = |(id, state)| Ok((AggregateId(id), Arc::new(read_state(state)?)));
        node.states = self.states.into_iter().map(state).collect::<Result<_, Error>>()?;
        node.standing = self.standing.map(|standing| read_standing(&standing).map(Box::new)).transpose()?;
        Ok(())
    }
}

fn write_state(state: &State) -> StateRecord<'_> {
    match state {
        State::Ever(summary) => StateRecord::Ever(write_summary(summary)),
        State::Recent(recent) => StateRecord::Recent {
            entries: recent.entries().map(write_entry).collect(),
            lost: recent.lost().map(|lost| LostRecord { up_to: write_moment(lost.up_to), has_room: lost.has_room }),
        },
        State::Unread => StateRecord::Unread,
        State::Overflowed => StateRecord::Overflowed,
        State::OutOfRange => StateRecord::OutOfRange,
    }
}

fn read_state(record: StateRecord<'_>) -> Result<State, Error> {
    Ok(match record {
        StateRecord::Ever(summary) => State::Ever(read_summary(summary)?),
        StateRecord::Recent { entries, lost } => {
            let lost = lost.map(|lost| Ok(Lost { up_to: read_moment(&lost.up_to)?, has_room: lost.has_room }));
            let entries = entries.into_iter().map(read_entry).collect::<Result<Vec<_>, Error>>()?;
            State::Recent(Recent::from_entries(entries, lost.transpose()?))
        }
        StateRecord::Unread => State::Unread,
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

fn write_entry(entry: &Entry) -> EntryRecord<'_> {
    let Contribution { values, rank, group } = &entry.contribution;
    EntryRecord {
        at: write_moment(entry.moment),
        values: values.iter().map(ValueRecord::from).collect(),
        rank: rank.into(),
        group: group.into(),
    }
}

fn read_entry(record: EntryRecord<'_>) -> Result<Entry, Error> {
    let values = record.values.into_iter().map(Value::try_from).collect::<Result<_, Error>>()?;
    let contribution = Contribution { values, rank: record.rank.try_into()?, group: record.group.try_into()? };
    Ok(Entry { moment: read_moment(&record.at)?, contribution })
}

fn write_moment(moment: Moment) -> MomentRecord {
    MomentRecord(moment.time.micros(), *moment.id.as_bytes())
}

fn read_moment(record: &MomentRecord) -> Result<Moment, Error> {
    Ok(Moment { time: time(record.0)?, id: EventId::from_bytes(record.1) })
}

fn write_standing(standing: &Standing) -> StandingRecord {
    let membership = |own: &Membership| {
        let (entered, left) = match own.stands {
            Stands::Inside { entered, left } => (Some(entered), left),
            Stands::Outside { left } => (None, left),
        };
        MembershipRecord {
            segment: own.segment.0,
            entered: entered.map(|at| at.micros()),
            left: left.map(|at| at.micros()),
            trouble: own.trouble.map(|trouble| match trouble {
                Trouble::Overflowed => TroubleRecord::Overflowed,
                Trouble::OverBudget => TroubleRecord::OverBudget,
            }),
        }
    };
    StandingRecord {
        epoch: standing.epoch,
        settled_at: standing.settled_at.micros(),
        due: standing.due.map(|due| due.micros()),
        memberships: standing.memberships.iter().map(membership).collect(),
    }
}

fn read_standing(record: &StandingRecord) -> Result<Standing, Error> {
    let membership = |own: &MembershipRecord| {
        let left = own.left.map(time).transpose()?;
        let stands = match own.entered.map(time).transpose()? {
            Some(entered) => Stands::Inside { entered, left },
            None => Stands::Outside { left },
        };
        let trouble = own.trouble.as_ref().map(|trouble| match trouble {
            TroubleRecord::Overflowed => Trouble::Overflowed,
            TroubleRecord::OverBudget => Trouble::OverBudget,
        });
        Ok(Membership { segment: SegmentId(own.segment), stands, trouble })
    };
    Ok(Standing {
        epoch: record.epoch,
        settled_at: time(record.settled_at)?,
        due: record.due.map(time).transpose()?,
        memberships: record.memberships.iter().map(membership).collect::<Result<_, Error>>()?,
    })
}
