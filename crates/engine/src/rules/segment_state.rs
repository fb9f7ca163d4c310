//! How a profile stands to the segments.

use tessera_expr::facts::Membership as Stands;

use super::SegmentId;
use crate::time::Timestamp;

/// Why a rule has no answer for a profile. Its last one stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// An aggregate of it holds more values than it may.
    Overflowed,
    /// It took more steps than it may.
    OverBudget,
    /// It would rest on fewer events than it speaks of, for the profile has more than rules look at.
    Truncated,
}

impl Trouble {
    /// Its name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overflowed => "overflowed",
            Self::OverBudget => "over_budget",
            Self::Truncated => "truncated",
        }
    }
}

/// How a profile stands to one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The segment.
    pub segment: SegmentId,
    /// Whether it is a member, and since when.
    pub stands: Stands,
    /// Why the last evaluation gave no answer, if it did not.
    pub trouble: Option<Trouble>,
}

impl Membership {
    /// Whether the profile is a member.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        matches!(self.stands, Stands::Inside { .. })
    }
}

/// What the head of a profile keeps of its memberships. A profile without one is in no segment, and waits for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentStates {
    /// The epoch of the rules under which all of them were evaluated last.
    pub epoch: u64,
    /// Up to which instant it is settled.
    pub settled_at: Timestamp,
    /// The first instant at which a membership may be otherwise by itself; perhaps early, never late. The profile has a timer there.
    pub due: Option<Timestamp>,
    /// Those that say something, by segment.
    pub memberships: Vec<Membership>,
    /// An evaluation of all that has not come to its end, or not begun; none where nothing was put off.
    pub late: Option<Late>,
}

tessera_expr::heap!(SegmentStates: memberships);
tessera_expr::heap!(Membership);

/// An evaluation of all memberships of a profile that was put off, for a commit had no room for it. It is done in parts. Until its end the
/// profile is late: a read settles a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// The instant that it is of: that of the last command which put it off, or at which time alone changes something.
    pub at: Timestamp,
    /// The version of the configuration under which it began; under another one it begins again.
    pub version: u64,
    /// How many of the segments, in the order of what they need, it has evaluated.
    pub done: usize,
    /// The first instant at which one of those may be otherwise by itself.
    pub first: Option<Timestamp>,
    /// Whether the profile was changed after it began: then it is followed by another one.
    pub again: bool,
}

impl Default for SegmentStates {
    fn default() -> Self {
        Self { epoch: 0, settled_at: Timestamp::MIN, due: None, memberships: Vec::new(), late: None }
    }
}

impl SegmentStates {
    /// How it stands to a segment.
    #[must_use]
    pub fn to(&self, segment: SegmentId) -> Stands {
        self.find(segment).map_or(Stands::Outside { left: None }, |own| own.stands)
    }

    /// What it says of a segment, if anything.
    #[must_use]
    pub fn find(&self, segment: SegmentId) -> Option<&Membership> {
        let at = self.memberships.binary_search_by_key(&segment, |own| own.segment).ok()?;
        self.memberships.get(at)
    }

    /// Says how it stands to a segment from now on. What says nothing is not kept.
    pub(super) fn set(&mut self, membership: Membership) {
        let says_nothing = membership.stands == Stands::Outside { left: None } && membership.trouble.is_none();
        match self.memberships.binary_search_by_key(&membership.segment, |own| own.segment) {
            Ok(at) if says_nothing => drop(self.memberships.remove(at)),
            Ok(at) => self.memberships[at] = membership,
            Err(_) if says_nothing => {}
            Err(at) => self.memberships.insert(at, membership),
        }
    }

    /// What a command at this instant may have changed has not been evaluated.
    pub(crate) fn put_off(&mut self, at: Timestamp, version: u64) {
        let begun = self.late.filter(|late| late.done > 0 && late.version == version);
        let fresh = Late { at, version, done: 0, first: None, again: false };
        self.late = Some(begun.map_or(fresh, |late| Late { at: late.at.max(at), again: true, ..late }));
    }

    /// Whether a timer wakes somebody for what was put off.
    pub(crate) fn is_awake(&self) -> bool {
        self.late.is_some_and(|late| self.due.is_some_and(|due| due <= late.at))
    }

    /// An estimate of its stored bytes, rather high.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        32 + 26 * self.memberships.len() + self.late.map_or(0, |_| 40)
    }
}
