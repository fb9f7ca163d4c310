//! Instants as text: every spelling that clients send is read, one is written.

use jiff::SignedDuration;
use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Decimal;

#[cfg(test)]
mod tests;

/// The text or number is no instant between the years 1 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time in ISO 8601 between the years 1 and 9999")]
pub struct InvalidTime;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// The longest spelling with nanoseconds and offset has 35 bytes; the rest is leeway.
const TEXT_BYTES_MAX: usize = 64;
/// Numbers below are seconds: as seconds it lies in the year 5138, as milliseconds in 1973.
const SECONDS_BELOW: Decimal = Decimal::from_i64(100_000_000_000);

/// Reads an instant in ISO 8601: a date (then midnight), with or without a time after `T` or a blank, seconds, a fraction
/// (beyond microseconds it is cut off) and an offset; without offset it is UTC. The names `Z` and ` UTC` are offsets,
/// names of zones (`[Europe/Paris]`) are refused.
///
/// # Errors
/// [`InvalidTime`] for any other text.
pub fn parse_timestamp(text: &str) -> Result<Timestamp, InvalidTime> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(InvalidTime);
    }
    let (text, utc) = match text.strip_suffix(" UTC") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let pieces = Pieces::parse(text).map_err(|_| InvalidTime)?;
    let offset_seconds = match pieces.offset() {
        Some(_) if utc => return Err(InvalidTime),
        None | Some(PiecesOffset::Zulu) => 0,
        Some(PiecesOffset::Numeric(numeric)) => numeric.offset().seconds(),
        Some(_) => return Err(InvalidTime),
    };
    if pieces.time_zone_annotation().is_some() {
        return Err(InvalidTime);
    }
    let local = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    from_local(local, offset_seconds)
}

/// Reads a number of Unix time: seconds when below 1e11, else milliseconds; fractions down to microseconds.
///
/// # Errors
/// [`InvalidTime`] when it lies out of range.
pub fn from_unix_json(number: Decimal) -> Result<Timestamp, InvalidTime> {
    let is_seconds = number < SECONDS_BELOW && number > Decimal::from_units(-SECONDS_BELOW.units());
    let units_per_micro = if is_seconds { 1_000_000_000_000 } else { 1_000_000_000_000_000 };
    let micros = i64::try_from(number.units().div_euclid(units_per_micro)).map_err(|_| InvalidTime)?;
    Timestamp::from_micros(micros).ok_or(InvalidTime)
}

/// Writes an instant as `2026-11-21T23:00:00Z`, with a fraction only where there is one: `2026-11-21T23:00:00.123Z`.
#[must_use]
pub fn format_timestamp(timestamp: Timestamp) -> String {
    let mut text = Vec::with_capacity(27);
    write_timestamp(timestamp, &mut text);
    ascii(text)
}

/// Writes an instant in whole seconds, a fraction cut off: `2026-11-21T23:00:00Z`.
#[must_use]
pub fn format_seconds(timestamp: Timestamp) -> String {
    let mut text = Vec::with_capacity(20);
    write_seconds(timestamp, &mut text);
    text.push(b'Z');
    ascii(text)
}

/// Appends what [`format_timestamp`] gives.
pub(crate) fn write_timestamp(timestamp: Timestamp, out: &mut Vec<u8>) {
    write_seconds(timestamp, out);
    let mut fraction = timestamp.micros().rem_euclid(1_000_000).unsigned_abs();
    if fraction > 0 {
        let mut places = 6;
        while fraction.is_multiple_of(10) {
            (fraction, places) = (fraction / 10, places - 1);
        }
        out.push(b'.');
        write_digits(fraction, places, out);
    }
    out.push(b'Z');
}

fn from_local(local: DateTime, offset_seconds: i32) -> Result<Timestamp, InvalidTime> {
    let since = local.duration_since(EPOCH);
    let seconds = since.as_secs() - i64::from(offset_seconds);
    // Before 1970 the fraction is negative, and cutting it off must go down as it does after.
    let micros = seconds * 1_000_000 + i64::from(since.subsec_nanos().div_euclid(1_000));
    Timestamp::from_micros(micros).ok_or(InvalidTime)
}

fn write_seconds(timestamp: Timestamp, out: &mut Vec<u8>) {
    let seconds = SignedDuration::from_secs(timestamp.micros().div_euclid(1_000_000));
    let civil = EPOCH.checked_add(seconds).expect("a timestamp lies between the years 1 and 9999");
    let numbers = [
        (i64::from(civil.year()), 4, b'-'),
        (i64::from(civil.month()), 2, b'-'),
        (i64::from(civil.day()), 2, b'T'),
        (i64::from(civil.hour()), 2, b':'),
        (i64::from(civil.minute()), 2, b':'),
        (i64::from(civil.second()), 2, b' '),
    ];
    for (number, places, separator) in numbers {
        write_digits(number.unsigned_abs(), places, out);
        out.push(separator);
    }
    out.pop();
}

fn write_digits(mut number: u64, places: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + places, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a digit is below 10");
        number /= 10;
    }
}

fn ascii(text: Vec<u8>) -> String {
    String::from_utf8(text).expect("digits and separators are ASCII")
}
