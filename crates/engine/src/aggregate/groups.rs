//! Another measure for each group of events.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tessera_expr::ast::Name;
use tessera_expr::plan::{Contribution, Measure, group_name};

use super::{Gone, Moment, OutOfRange, Summary, Totals, is_scalar};
use crate::value::Value;

/// What is kept of the events of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// How many there are; a group without any is not kept.
    pub events: u64,
    /// What they come to.
    pub summary: Summary,
}

/// Groups by what their events were grouped by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups {
    groups: BTreeMap<Value, Group>,
    values: usize,
    bytes: usize,
}

tessera_expr::heap!(Groups: groups);

impl Groups {
    /// These groups; those without events are left out.
    #[must_use]
    pub fn from_groups(groups: impl IntoIterator<Item = (Value, Group)>) -> Self {
        let groups: BTreeMap<Value, Group> = groups.into_iter().filter(|(_, group)| group.events > 0).collect();
        let sizes = groups.iter().map(|(key, group)| group.size(key));
        let (values, bytes) = sizes.fold((0, 0), |(values, bytes), size| (values + size.0, bytes + size.1));
        Self { groups, values, bytes }
    }

    /// The groups, in the order of values.
    #[must_use]
    pub const fn groups(&self) -> &BTreeMap<Value, Group> {
        &self.groups
    }

    pub(super) fn add(
        &mut self,
        measure: &Measure,
        moment: Moment,
        contribution: &Contribution,
    ) -> Result<(), OutOfRange> {
        if !is_scalar(&contribution.group) {
            return Ok(());
        }
        self.change(measure, &contribution.group, |group| {
            group.events += 1;
            group.summary.add(measure, moment, contribution)
        })
    }

    pub(super) fn remove(
        &mut self,
        measure: &Measure,
        moment: Moment,
        contribution: &Contribution,
    ) -> Result<(), Gone> {
        if !is_scalar(&contribution.group) {
            return Ok(());
        }
        self.change(measure, &contribution.group, |group| {
            group.events = group.events.checked_sub(1).ok_or(Gone)?;
            // The last one takes everything with it.
            if group.events == 0 { Ok(()) } else { group.summary.remove(measure, moment, contribution) }
        })
    }

    pub(super) fn absorb(&mut self, measure: &Measure, other: &Self) -> Result<(), OutOfRange> {
        other.groups.iter().try_for_each(|(key, other)| {
            self.change(measure, key, |group| {
                group.events += other.events;
                group.summary.absorb(measure, &other.summary)
            })
        })
    }

    /// Changes one group and what it takes; one without events is dropped.
    fn change<E>(
        &mut self,
        measure: &Measure,
        key: &Value,
        change: impl FnOnce(&mut Group) -> Result<(), E>,
    ) -> Result<(), E> {
        let (before, mut group) = match self.groups.remove(key) {
            Some(group) => (group.size(key), group),
            None => ((0, 0), Group { events: 0, summary: Summary::new(measure) }),
        };
        change(&mut group)?;
        let after = if group.events == 0 { (0, 0) } else { group.size(key) };
        self.values = self.values - before.0 + after.0;
        self.bytes = self.bytes - before.1 + after.1;
        if group.events > 0 {
            self.groups.insert(key.clone(), group);
        }
        Ok(())
    }

    /// An object: what each group comes to, by its name. Groups of one name (`1` and `"1"`) come to one value.
    pub(super) fn value(&self, measure: &Measure) -> Result<Value, OutOfRange> {
        let mut named: BTreeMap<Name, Cow<'_, Summary>> = BTreeMap::new();
        for (key, group) in &self.groups {
            match named.entry(group_name(key)) {
                Entry::Vacant(free) => {
                    free.insert(Cow::Borrowed(&group.summary));
                }
                Entry::Occupied(mut taken) => taken.get_mut().to_mut().absorb(measure, &group.summary)?,
            }
        }
        let member = |(name, summary): (Name, Cow<'_, Summary>)| Ok((name, summary.value(measure)?));
        Ok(Value::object(named.into_iter().map(member).collect::<Result<_, OutOfRange>>()?))
    }

    pub(super) const fn values_held(&self) -> usize {
        self.values
    }

    pub(super) const fn bytes_held(&self) -> usize {
        self.bytes
    }

    pub(super) fn size_bytes(&self) -> usize {
        const EVENTS: usize = 10;
        self.groups.iter().map(|(key, group)| EVENTS + key.size_bytes() + group.summary.size_bytes()).sum()
    }
}

impl Group {
    /// The values and bytes that count towards the bounds. They depend on its events alone, not on the order in which they came
    /// and went, and never become fewer while events come. So of a ranking, which is of one place here, the most counts that it
    /// can take.
    fn size(&self, key: &Value) -> (usize, usize) {
        const EVENTS: usize = 10;
        const NUMBER_RANKED: usize = 44;
        let (values, bytes) = match &self.summary {
            Summary::Totals(_) => (0, Totals::SIZE_BYTES),
            Summary::Best(_) => (0, NUMBER_RANKED),
            Summary::Values(values) => (values.counts().len(), values.size_bytes()),
            Summary::Groups(groups) => (groups.values, groups.bytes),
        };
        (1 + values, EVENTS + key.size_bytes() + bytes)
    }
}
