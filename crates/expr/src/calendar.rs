//! Days, months and years: where they begin in a time zone, and how far apart instants are in them.
//!
//! A *length* of time from an instant (`3 months before now`) is counted in UTC, whatever the zone: up to weeks in exact microseconds,
//! from months on by the calendar, where the end of a short month stands for the days that it lacks. So a window that moves with the clock
//! never moves backwards, and an event that has left it never comes back. A *piece of the calendar* (`last month`, a day, `this week`)
//! begins and ends where it does in the zone, and days, weeks, months from there (`3 months before today`) are counted on the zone's
//! calendar and then made instants.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Span, ToSpan as _};

use crate::ast::{Unit, Which};
use crate::time::Timestamp;

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl Zone {
    /// Universal time, which rules are read in unless somebody says otherwise.
    #[must_use]
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// A zone by its name in the database of time zones that comes with this program: `Europe/Paris`. What the machine has does not matter,
    /// so that rules mean the same everywhere.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("UTC") {
            return Some(Self::utc());
        }
        TimeZoneDatabase::bundled().get(name).ok().map(Self)
    }

    /// Its name in the database; none of a zone that is given by its rules.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.iana_name()
    }

    /// A zone that is always so many minutes ahead of UTC, at most a day.
    #[must_use]
    pub fn ahead_of_utc(minutes: i16) -> Option<Self> {
        let offset = Offset::from_seconds(i32::from(minutes).checked_mul(60)?).ok()?;
        Some(Self(offset.to_time_zone()))
    }

    /// A zone by its rules as POSIX writes them: `CET-1CEST,M3.5.0,M10.5.0/3`.
    #[must_use]
    pub fn posix(rules: &str) -> Option<Self> {
        TimeZone::posix(rules).ok().map(Self)
    }

    /// A zone by its compiled rules, as the database of time zones holds them.
    #[must_use]
    pub fn compiled(name: &str, rules: &[u8]) -> Option<Self> {
        TimeZone::tzif(name, rules).ok().map(Self)
    }

    /// The day that an instant lies in.
    #[must_use]
    pub(crate) fn day(&self, at: Timestamp) -> Date {
        self.local(at).date()
    }

    fn local(&self, at: Timestamp) -> DateTime {
        self.0.to_offset(instant(at)).to_datetime(instant(at))
    }

    fn start(&self, day: Date) -> Timestamp {
        // The day is skipped in the zone, or beyond what is counted: UTC stands in.
        let zoned = day.to_zoned(self.0.clone()).or_else(|_| day.to_zoned(TimeZone::UTC));
        zoned.map_or(Timestamp::MAX, |zoned| timestamp(zoned.timestamp()))
    }

    /// When the clocks are next set after an instant.
    fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        self.0.following(instant(at)).next().map(|change| timestamp(change.timestamp()))
    }
}

/// Instants from one to another, both included; of a point both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) start: Timestamp,
    pub(crate) last: Timestamp,
}

impl Interval {
    pub(crate) const fn point(at: Timestamp) -> Self {
        Self { start: at, last: at }
    }

    /// Whether it is one instant, and no piece of the calendar.
    pub(crate) fn is_point(self) -> bool {
        self.start == self.last
    }

    fn up_to(start: Timestamp, end: Timestamp) -> Self {
        Self { start, last: end.plus_micros(-1).max(start) }
    }

    /// The day of these numbers, if there is one.
    pub(crate) fn day(year: i64, month: i64, day: i64, zone: &Zone) -> Option<Self> {
        let (year, month, day) = (i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        if year < 1 {
            return None;
        }
        Some(Self::of(Date::new(year, month, day).ok()?, zone))
    }

    pub(crate) fn of(day: Date, zone: &Zone) -> Self {
        Self::up_to(zone.start(day), day.tomorrow().map_or(Timestamp::MAX, |next| zone.start(next)))
    }

    /// A unit of the calendar seen from `now`, and when another one takes its place.
    pub(crate) fn calendar(which: Which, unit: Unit, now: Timestamp, zone: &Zone) -> (Self, Option<Timestamp>) {
        let offset = match which {
            Which::Last => -1,
            Which::This => 0,
            Which::Next => 1,
        };
        let (start, end, rollover) = match micros_below_a_day(unit) {
            Some(length) => below_a_day(length, offset, now, zone),
            None => from_a_day(unit, offset, now, zone),
        };
        (Self::up_to(start, end), (rollover < Timestamp::MAX).then_some(rollover))
    }
}

/// The first instant after this one at which a new day, or a longer unit of the calendar, begins in a zone. Shorter units have none: they
/// are counted as something of each profile's own.
#[must_use]
pub fn next_rollover(unit: Unit, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
    if is_shared(unit) { Interval::calendar(Which::This, unit, after, zone).1 } else { None }
}

/// Whether a unit rolls over for everybody at once, and not so often that everybody cannot be looked at each time.
pub(crate) fn is_shared(unit: Unit) -> bool {
    micros_below_a_day(unit).is_none()
}

fn below_a_day(length: i64, offset: i64, now: Timestamp, zone: &Zone) -> (Timestamp, Timestamp, Timestamp) {
    let ahead = i64::from(zone.0.to_offset(instant(now)).seconds()) * SECOND;
    let start = now.micros() - (now.micros() + ahead).rem_euclid(length);
    let at = |units: i64| clamped(start + units * length);
    let rollover = at(1);
    let rollover = zone.next_change(now).map_or(rollover, |change| change.min(rollover));
    (at(offset), at(offset + 1), rollover)
}

fn from_a_day(unit: Unit, offset: i64, now: Timestamp, zone: &Zone) -> (Timestamp, Timestamp, Timestamp) {
    let first = first_day(unit, zone.day(now));
    let at = |units: i64| match days(unit, units).and_then(|span| first.checked_add(span).ok()) {
        Some(day) => zone.start(day),
        None if units < 0 => Timestamp::MIN,
        None => Timestamp::MAX,
    };
    (at(offset), at(offset + 1), at(1))
}

/// The day that a unit of the calendar begins with.
fn first_day(unit: Unit, day: Date) -> Date {
    let year = |length: i16| Date::new((day.year() - day.year() % length).max(1), 1, 1).unwrap_or(day);
    match unit {
        Unit::Week => {
            let back = i32::from(day.weekday().to_sunday_zero_offset());
            day.checked_sub(back.days()).unwrap_or(day)
        }
        Unit::Month => day.first_of_month(),
        Unit::Year => day.first_of_year(),
        Unit::Decade => year(10),
        Unit::Century => year(100),
        Unit::Millennium => year(1_000),
        Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour | Unit::Day => day,
    }
}

fn days(unit: Unit, amount: i64) -> Option<Span> {
    match months(unit) {
        Some(months) => Span::new().try_months(amount.checked_mul(months)?).ok(),
        None => Span::new().try_days(if unit == Unit::Week { amount.checked_mul(7)? } else { amount }).ok(),
    }
}

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

fn micros_below_a_day(unit: Unit) -> Option<i64> {
    micros(unit).filter(|length| *length < DAY)
}

/// The exact length of a unit, up to weeks.
pub(crate) const fn micros(unit: Unit) -> Option<i64> {
    match unit {
        Unit::Millisecond => Some(1_000),
        Unit::Second => Some(SECOND),
        Unit::Minute => Some(60 * SECOND),
        Unit::Hour => Some(HOUR),
        Unit::Day => Some(DAY),
        Unit::Week => Some(7 * DAY),
        Unit::Month | Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium => None,
    }
}

/// How many months a unit has, from months on.
pub(crate) const fn months(unit: Unit) -> Option<i64> {
    match unit {
        Unit::Month => Some(1),
        Unit::Year => Some(12),
        Unit::Decade => Some(120),
        Unit::Century => Some(1_200),
        Unit::Millennium => Some(12_000),
        Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour | Unit::Day | Unit::Week => None,
    }
}

/// An instant so many units later, or earlier when there are fewer than none; kept within the instants that there are.
pub(crate) fn shifted(at: Timestamp, amount: i64, unit: Unit) -> Timestamp {
    if let Some(length) = micros(unit) {
        return at.plus_micros(amount.saturating_mul(length));
    }
    let beyond = if amount < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let Some(span) = days(unit, amount) else { return beyond };
    let from = Offset::UTC.to_datetime(instant(at));
    let Ok(mut to) = from.checked_add(span) else { return beyond };
    if to.day() != from.day() {
        // Keeping the time of day would lead 31 March, 00:00, to an earlier instant than 30 March, 12:00.
        to = to.date().to_datetime(jiff::civil::Time::MAX);
    }
    Offset::UTC.to_timestamp(to).map_or(beyond, timestamp)
}

/// Which end of a piece of the calendar an instant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Its first instant.
    Start,
    /// Its last one.
    Last,
}

/// An end of a piece of the calendar so many units later, or earlier when there are fewer than none. Days and longer units are counted on
/// the calendar of the zone: the start of a day leads to the start of a day, its last instant to the last of one, however long the days
/// between are. The end of a short month stands for the days that it lacks, as in [`shifted`].
pub(crate) fn shifted_in(zone: &Zone, at: Timestamp, edge: Edge, amount: i64, unit: Unit) -> Timestamp {
    if !is_shared(unit) {
        return shifted(at, amount, unit);
    }
    let beyond = if amount < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let (Some(span), local) = (days(unit, amount), zone.local(at)) else { return beyond };
    let Ok(day) = local.date().checked_add(span) else { return beyond };
    let own = Interval::of(local.date(), zone);
    if months(unit).is_some() && day.day() != local.day() {
        return Interval::of(day, zone).last;
    }
    match edge {
        Edge::Start if own.start == at => zone.start(day),
        Edge::Last if own.last == at => Interval::of(day, zone).last,
        // The end of an hour or a minute: the same time of that day.
        Edge::Start | Edge::Last => {
            let zoned = day.to_datetime(local.time()).to_zoned(zone.0.clone());
            zoned.map_or(beyond, |zoned| timestamp(zoned.timestamp()))
        }
    }
}

/// The earliest instant after `now` that lies at or behind `target` once it is shifted; none within the instants that there are.
/// At `now` it does not. It may be earlier than the true one, never later.
pub(crate) fn first_to_reach(target: Timestamp, amount: i64, unit: Unit, now: Timestamp) -> Option<Timestamp> {
    // Shifting there and back never leads to a later instant, so nothing before this one reaches the target.
    let candidate = shifted(target, amount.saturating_neg(), unit);
    if candidate >= Timestamp::MAX {
        return None;
    }
    if candidate > now {
        return Some(candidate);
    }
    // Days that a short month lacks: at most three, so the true instant is near.
    let (mut early, mut late) = (now, now.plus_micros(4 * DAY));
    while early.next() < late {
        let middle = early.plus_micros((late.micros() - early.micros()) / 2);
        if shifted(middle, amount, unit) >= target { late = middle } else { early = middle }
    }
    Some(late)
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn timestamp(instant: jiff::Timestamp) -> Timestamp {
    clamped(instant.as_microsecond())
}

fn clamped(micros: i64) -> Timestamp {
    Timestamp::MIN.plus_micros(micros.saturating_sub(Timestamp::MIN.micros()))
}

/// Whether a text names a time, and so is equal to others that name the same in another spelling.
#[must_use]
pub fn names_time(text: &str) -> bool {
    read(text, &Zone::utc()).is_some()
}

/// The time that a text names as ISO 8601 writes it: an instant with its offset, one without, which is in UTC, or a day.
pub(crate) fn read(text: &str, zone: &Zone) -> Option<Interval> {
    const BYTES_MAX: usize = 64;
    if text.len() > BYTES_MAX || !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if !text.contains([':']) {
        return text.parse::<Date>().ok().filter(|day| day.year() >= 1).map(|day| Interval::of(day, zone));
    }
    let instant = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let local = text.parse::<DateTime>().ok()?;
        Offset::UTC.to_timestamp(local).ok()
    })?;
    let micros = instant.as_microsecond();
    Timestamp::from_micros(micros).map(Interval::point)
}

/// An instant as RFC 3339 writes it.
pub(crate) fn write(at: Timestamp) -> String {
    instant(at).to_string()
}
