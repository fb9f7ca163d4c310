//! Times that an instant may lie within.

use super::{Comparison, Expr};

/// A time that an instant may lie within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// So long before or after a moment.
    Distance {
        /// How the distance compares with what follows.
        comparison: Comparison,
        /// How many units.
        amount: Box<Expr>,
        /// Of this length.
        unit: Unit,
        /// On which side.
        side: Side,
        /// Of what.
        moment: Moment,
    },
    /// Before or after a moment.
    Side(Side, Moment),
    /// Within a moment.
    On(Moment),
    /// From the start of one to the end of the other.
    Between(Moment, Moment),
}

/// The side of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Earlier.
    Before,
    /// Later; also written `from`.
    After,
}

impl Side {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// A point of time or a piece of the calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A unit of the calendar, whole.
    Calendar(Which, Unit),
    /// What an expression gives: an instant or a day.
    At(Box<Expr>),
}

/// Which unit of the calendar, seen from the instant of the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Which {
    /// The one before.
    Last,
    /// The one that it lies in.
    This,
    /// The one after.
    Next,
}

impl Which {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::This => "this",
            Self::Next => "next",
        }
    }
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A thousandth of a second.
    Millisecond,
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day; as a length 24 hours.
    Day,
    /// A week, which begins on Sunday; as a length seven days.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
    /// Ten years; of the calendar from a year that ends in 0.
    Decade,
    /// A hundred years; of the calendar from a year that ends in 00.
    Century,
    /// A thousand years; of the calendar from a year that ends in 000.
    Millennium,
}

impl Unit {
    /// All of them, shortest first.
    pub const ALL: [Self; 11] = [
        Self::Millisecond,
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Year,
        Self::Decade,
        Self::Century,
        Self::Millennium,
    ];

    /// Of one, and of several.
    #[must_use]
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Millisecond => ("millisecond", "milliseconds"),
            Self::Second => ("second", "seconds"),
            Self::Minute => ("minute", "minutes"),
            Self::Hour => ("hour", "hours"),
            Self::Day => ("day", "days"),
            Self::Week => ("week", "weeks"),
            Self::Month => ("month", "months"),
            Self::Year => ("year", "years"),
            Self::Decade => ("decade", "decades"),
            Self::Century => ("century", "centuries"),
            Self::Millennium => ("millennium", "millennia"),
        }
    }

    /// The unit of this name, of one or several, in letters of any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        // One old page of the language's documentation writes this one with a single n, and so do rules that followed it.
        if name.eq_ignore_ascii_case("millenium") {
            return Some(Self::Millennium);
        }
        Self::ALL.into_iter().find(|unit| {
            let (one, several) = unit.names();
            name.eq_ignore_ascii_case(one) || name.eq_ignore_ascii_case(several)
        })
    }
}
