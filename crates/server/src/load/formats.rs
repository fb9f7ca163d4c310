//! How times, numbers and booleans are written in a column, or in the whole file.
//!
//! Nothing is guessed: what two formats of one column read as two different times is refused, a year has two digits only where
//! the format says so, and a number with one group such as `1.234` is not taken for a thousand.

#[cfg(test)]
mod tests;

use anyhow::{Result, bail};
use jiff::civil;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde_json::value::{RawValue, to_raw_value};
use tessera_service::clock::parse_timestamp;

/// Words for true and false where a column names none of its own, in any case.
const WORDS: [(&str, &str); 5] = [("true", "false"), ("yes", "no"), ("y", "n"), ("on", "off"), ("1", "0")];

/// Why a text was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is not written so.
    None,
    /// It is written in several ways, which say different things.
    Ambiguous,
}

/// How values are written.
#[derive(Debug, Clone)]
pub(crate) struct Formats {
    times: Vec<TimeFormat>,
    decimal: Decimal,
    words: Vec<(String, String)>,
}

/// What stands before the fraction of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decimal {
    /// As in JSON.
    Plain,
    /// A point, and perhaps commas or blanks between thousands.
    Point,
    /// A comma, and perhaps points or blanks between thousands.
    Comma,
}

/// How times are written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TimeFormat {
    /// Passed on as it stands, once it was read.
    Iso,
    Unix,
    UnixMs,
    Pattern(String),
}

impl Formats {
    /// The formats of a whole file: how times may be written, and what stands before fractions.
    pub(crate) fn of_file(times: &[String], decimal: Option<&str>) -> Result<Self> {
        let decimal = match decimal {
            None => Decimal::Plain,
            Some(".") => Decimal::Point,
            Some(",") => Decimal::Comma,
            Some(other) => bail!("decimal must be . or , and is {other}"),
        };
        let mut formats = Self { times: Vec::new(), decimal, words: Vec::new() };
        for name in times {
            formats.times.push(TimeFormat::named(name)?);
        }
        if formats.times.is_empty() {
            formats.times.push(TimeFormat::Iso);
        }
        Ok(formats)
    }

    /// The formats of one column, which has those of its file where it names none of its own.
    pub(crate) fn of_column(&self, column: &str, names: &[String]) -> Result<Self> {
        let mut own = Self { times: Vec::new(), decimal: self.decimal, words: Vec::new() };
        for name in names {
            match (name.as_str(), name.split_once('/')) {
                ("decimal_point", _) => own.decimal = Decimal::Point,
                ("decimal_comma", _) => own.decimal = Decimal::Comma,
                ("iso" | "unix" | "unix_ms", _) => own.times.push(TimeFormat::named(name)?),
                (pattern, _) if pattern.contains('%') => own.times.push(TimeFormat::named(name)?),
                (_, Some((yes, no))) if !yes.is_empty() && !no.is_empty() => {
                    own.words.push((yes.to_lowercase(), no.to_lowercase()));
                }
                (other, _) => bail!(
                    "column {column}: no format {other} (iso, unix, unix_ms, a pattern such as %d.%m.%Y, decimal_comma, decimal_point, or words such as ja/nein)"
                ),
            }
        }
        if own.times.is_empty() {
            own.times.clone_from(&self.times);
        }
        Ok(own)
    }

    /// The instant as ISO 8601 text.
    pub(crate) fn time(&self, text: &str) -> Result<String, Unfit> {
        let mut read: Option<(String, Option<jiff::Timestamp>)> = None;
        for format in &self.times {
            let Some(found) = format.read(text) else { continue };
            let instant =
                parse_timestamp(&found).ok().and_then(|time| jiff::Timestamp::from_microsecond(time.micros()).ok());
            match &read {
                Some((_, first)) if *first != instant => return Err(Unfit::Ambiguous),
                Some(_) => {}
                None => read = Some((found, instant)),
            }
        }
        read.map(|(text, _)| text).ok_or(Unfit::None)
    }

    /// The number exactly as it is written, in the spelling of JSON.
    pub(crate) fn number(&self, text: &str) -> Result<Box<RawValue>, Unfit> {
        let plain = match self.decimal {
            Decimal::Plain => text.to_owned(),
            Decimal::Point => ungrouped(text, '.', ',')?,
            Decimal::Comma => ungrouped(text, ',', '.')?,
        };
        let starts = plain.starts_with(|first: char| first.is_ascii_digit() || first == '-');
        RawValue::from_string(plain).ok().filter(|_| starts).ok_or(Unfit::None)
    }

    /// Yes or no.
    pub(crate) fn boolean(&self, text: &str) -> Result<Box<RawValue>, Unfit> {
        let text = text.to_lowercase();
        let own = self.words.iter().map(|(yes, no)| (yes.as_str(), no.as_str()));
        let words: Vec<(&str, &str)> = if self.words.is_empty() { WORDS.to_vec() } else { own.collect() };
        let is_true = words.iter().any(|(yes, _)| *yes == text);
        let is_false = words.iter().any(|(_, no)| *no == text);
        match (is_true, is_false) {
            (true, true) => Err(Unfit::Ambiguous),
            (false, false) => Err(Unfit::None),
            (value, _) => to_raw_value(&value).map_err(|_| Unfit::None),
        }
    }

    /// What a number must look like, in words.
    pub(crate) fn expected_number(&self) -> String {
        match self.decimal {
            Decimal::Plain => "a number such as 12.50 (or give --decimal)".to_owned(),
            Decimal::Point => "a number such as 1,234.50".to_owned(),
            Decimal::Comma => "a number such as 1.234,50".to_owned(),
        }
    }

    /// What a boolean must look like, in words.
    pub(crate) fn expected_boolean(&self) -> String {
        if self.words.is_empty() {
            return "true, false, yes, no, y, n, on, off, 1 or 0".to_owned();
        }
        let words = self.words.iter().map(|(yes, no)| format!("{yes} or {no}"));
        words.collect::<Vec<_>>().join(", ")
    }

    /// What a time must look like, in words.
    pub(crate) fn expected_time(&self) -> String {
        self.times.iter().map(TimeFormat::expected).collect::<Vec<_>>().join(", or ")
    }
}

impl TimeFormat {
    /// The format of this name.
    fn named(name: &str) -> Result<Self> {
        match name {
            "iso" => Ok(Self::Iso),
            "unix" => Ok(Self::Unix),
            "unix_ms" => Ok(Self::UnixMs),
            pattern if pattern.contains('%') => Ok(Self::Pattern(pattern.to_owned())),
            other => bail!("no time_format: {other} (iso, unix, unix_ms, or a pattern such as %Y%m%d)"),
        }
    }

    /// The instant as ISO 8601 text; none if the text is not written so.
    fn read(&self, text: &str) -> Option<String> {
        let timestamp = match self {
            // A number is none: a server would take it for Unix time, and days since 1900 with it.
            Self::Iso => return parse_timestamp(text).ok().map(|_| text.to_owned()),
            Self::Unix => jiff::Timestamp::from_second(text.parse().ok()?).ok()?,
            Self::UnixMs => jiff::Timestamp::from_millisecond(text.parse().ok()?).ok()?,
            Self::Pattern(pattern) => by_pattern(pattern, text)?,
        };
        Some(timestamp.to_string())
    }

    /// What is expected, in words.
    fn expected(&self) -> String {
        match self {
            Self::Iso => "a time in ISO 8601 such as 2026-01-31T10:00:00Z (or give --time-format)".to_owned(),
            Self::Unix => "a whole number of seconds since 1970".to_owned(),
            Self::UnixMs => "a whole number of milliseconds since 1970".to_owned(),
            Self::Pattern(pattern) => format!("a time written as {pattern}"),
        }
    }
}

/// The instant that the text writes by a pattern, in UTC where it says no offset.
fn by_pattern(pattern: &str, text: &str) -> Option<jiff::Timestamp> {
    let parsed = strtime::parse(pattern, text).ok()?;
    let midnight = || parsed.to_date().ok().map(|date| date.to_datetime(civil::Time::midnight()));
    let datetime = parsed.to_datetime().ok().or_else(midnight)?;
    // `%Y` would read the year 24, which no file means: that is `%y`.
    let has_short_year = ["%y", "%D", "%-y", "%_y"].iter().any(|short| pattern.contains(short));
    if !has_short_year && datetime.year() < 1_000 {
        return None;
    }
    if parsed.offset().is_some() {
        return parsed.to_timestamp().ok();
    }
    Some(datetime.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The number with a point before its fraction and nothing between its thousands.
///
/// # Errors
/// When a group has not three digits, or the only separator might as well stand before a fraction.
fn ungrouped(text: &str, decimal: char, group: char) -> Result<String, Unfit> {
    let (whole, fraction) = match text.split_once(decimal) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    if fraction.is_some_and(|fraction| !fraction.starts_with(|first: char| first.is_ascii_digit())) {
        return Err(Unfit::None);
    }
    let is_group = |letter: char| letter == group || matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\'');
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let groups: Vec<&str> = digits.split(is_group).collect();
    let (first, others) = groups.split_first().ok_or(Unfit::None)?;
    let are_groups = (1..=3).contains(&first.len()) && others.iter().all(|group| group.len() == 3);
    if !others.is_empty() && !are_groups {
        return Err(Unfit::None);
    }
    if others.len() == 1 && fraction.is_none() && digits.contains(group) {
        return Err(Unfit::Ambiguous);
    }
    let fraction = fraction.map(|fraction| format!(".{fraction}")).unwrap_or_default();
    Ok(format!("{sign}{}{fraction}", groups.concat()))
}
