//! When a source is refreshed by itself: again and again after a while, or as a crontab says.

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tessera_engine::time::Timestamp;

use crate::base::error::{Error, ErrorKind};

/// The least time from one refresh to the next.
const EVERY_SECS_MIN: u64 = 60;
/// The most: 31 days.
const EVERY_SECS_MAX: u64 = 31 * 86_400;
/// Bytes of a crontab's line.
const CRON_BYTES_MAX: usize = 200;

/// When a source is refreshed by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// So long after the last refresh began: `5m`, `90s`, `4h`, `1d`.
    Every(String),
    /// As a crontab has it, five fields.
    Cron {
        /// The fields.
        cron: String,
        /// Where its days begin: a name of the IANA database.
        time_zone: String,
    },
}

impl Schedule {
    /// Whether it can be one.
    ///
    /// # Errors
    /// `Invalid` with `schedule_invalid`.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::Every(text) => seconds(text).map(drop),
            Self::Cron { cron, time_zone } => {
                zone(time_zone)?;
                let cron = parsed(cron)?;
                let never = cron.find_next_occurrence(&jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC), true);
                never.map(drop).map_err(|_| invalid("cron: the fields name no day that there is"))
            }
        }
    }

    /// The first instant of it after one at which a refresh began, or the source was set.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(text) => {
                let micros = i64::try_from(seconds(text).ok()?).ok()?.checked_mul(1_000_000)?;
                Some(after.plus_micros(micros))
            }
            Self::Cron { cron, time_zone } => {
                let after = jiff::Timestamp::from_microsecond(after.micros()).ok()?.to_zoned(zone(time_zone).ok()?);
                let next = parsed(cron).ok()?.find_next_occurrence(&after, false).ok()?;
                Timestamp::from_micros(next.timestamp().as_microsecond())
            }
        }
    }
}

fn seconds(text: &str) -> Result<u64, Error> {
    let expected = || invalid("every: a number with s, m, h or d is expected, from 1m to 31d, such as 5m");
    let unit = text.chars().last().ok_or_else(expected)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let digits = text.strip_suffix(unit).filter(|own| own.bytes().all(|byte| byte.is_ascii_digit()));
    let count: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(expected)?;
    let seconds = count.checked_mul(factor).ok_or_else(expected)?;
    if (EVERY_SECS_MIN..=EVERY_SECS_MAX).contains(&seconds) { Ok(seconds) } else { Err(expected()) }
}

fn parsed(text: &str) -> Result<Cron, Error> {
    let expected = || invalid("cron: five fields are expected, minute to weekday, such as `15 4 * * 1-5`");
    if text.len() > CRON_BYTES_MAX || text.split_whitespace().count() != 5 {
        return Err(expected());
    }
    CronParser::builder().seconds(Seconds::Disallowed).build().parse(text).map_err(|_| expected())
}

fn zone(name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name).map_err(|_| invalid("time_zone: a name of the IANA database is expected, such as Europe/Paris"))
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, "schedule_invalid", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_timestamp;

    fn at(text: &str) -> Timestamp {
        parse_timestamp(text).expect("an instant")
    }

    #[test]
    fn a_schedule_says_when_it_is_next() {
        let cron = |cron: &str, zone: &str| Schedule::Cron { cron: cron.into(), time_zone: zone.into() };
        let cases = [
            (Schedule::Every("5m".into()), "2026-01-31T10:00:00Z", "2026-01-31T10:05:00Z"),
            (Schedule::Every("1d".into()), "2026-01-31T10:00:00Z", "2026-02-01T10:00:00Z"),
            (cron("15 4 * * *", "UTC"), "2026-01-31T04:15:00Z", "2026-02-01T04:15:00Z"),
            (cron("0 8 * * 1-5", "Europe/Paris"), "2026-01-30T10:00:00Z", "2026-02-02T07:00:00Z"),
            // The hour that clocks leave out: the run is made up for when they are set.
            (cron("30 2 * * *", "Europe/Paris"), "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        ];
        for (schedule, after, expected) in cases {
            schedule.check().unwrap_or_else(|error| panic!("{schedule:?}: {}", error.message));
            assert_eq!(schedule.next(at(after)), Some(at(expected)), "{schedule:?}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        let cron = |cron: &str, zone: &str| Schedule::Cron { cron: cron.into(), time_zone: zone.into() };
        let cases = [
            Schedule::Every("59s".into()),
            Schedule::Every("".into()),
            Schedule::Every("m".into()),
            Schedule::Every("-5m".into()),
            Schedule::Every("32d".into()),
            Schedule::Every("99999999999999999999d".into()),
            Schedule::Every("5 m".into()),
            cron("* * * *", "UTC"),
            cron("* * * * * *", "UTC"),
            cron("61 * * * *", "UTC"),
            cron("0 0 30 2 *", "UTC"),
            cron("0 0 * * *", "Paris"),
        ];
        for schedule in cases {
            let error = schedule.check().expect_err("no schedule");
            assert_eq!(error.code, "schedule_invalid", "{schedule:?}");
        }
    }
}
