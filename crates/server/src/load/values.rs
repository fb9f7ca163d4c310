//! What a value of a row must look like, and what is said of one that does not.

#[cfg(test)]
mod tests;

use std::fmt;

use anyhow::{Result, bail};
use jiff::civil;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde_json::value::{RawValue, to_raw_value};
use tessera_service::clock::parse_timestamp;

/// Characters of a refused value that are shown.
const SHOWN_CHARS_MAX: usize = 100;

/// Why a row is refused.
#[derive(PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What is wrong, and what was expected instead; holds no value.
    pub(crate) message: String,
    /// The value, for the file of refused rows, which lies with the operator's own file.
    pub(crate) value: Option<String>,
}

impl Refusal {
    /// Because of this value.
    pub(crate) fn of_value(message: String, value: &str) -> Self {
        Self { message, value: Some(value.chars().take(SHOWN_CHARS_MAX).collect()) }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("message", &self.message).finish_non_exhaustive()
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self { message, value: None }
    }
}

impl From<&str> for Refusal {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

/// The type of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PropertyType {
    /// As JSON has it; text where the file has no types.
    AsIs,
    Text,
    Number,
    Boolean,
    Timestamp,
    Json,
}

impl PropertyType {
    /// The value that the text writes; none if it writes none of this type.
    pub(crate) fn read(self, text: &str, times: &TimeFormat) -> Option<Box<RawValue>> {
        match self {
            Self::AsIs | Self::Text => to_raw_value(text).ok(),
            Self::Number => number(text),
            Self::Boolean => match text {
                "true" | "1" => to_raw_value(&true).ok(),
                "false" | "0" => to_raw_value(&false).ok(),
                _ => None,
            },
            Self::Timestamp => times.read(text).and_then(|time| to_raw_value(&time).ok()),
            Self::Json => RawValue::from_string(text.to_owned()).ok(),
        }
    }

    /// What is expected, in words.
    pub(crate) fn expected(self, times: &TimeFormat) -> String {
        match self {
            Self::AsIs | Self::Text => "a text".to_owned(),
            Self::Number => "a number such as 12.50".to_owned(),
            Self::Boolean => "true, false, 1 or 0".to_owned(),
            Self::Timestamp => times.expected(),
            Self::Json => "JSON".to_owned(),
        }
    }
}

/// The number exactly as it is written, if JSON can hold it so.
fn number(text: &str) -> Option<Box<RawValue>> {
    let starts = text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    RawValue::from_string(text.to_owned()).ok().filter(|_| starts)
}

/// How times are written.
#[derive(Debug)]
pub(crate) enum TimeFormat {
    /// Passed on as it stands, once it was read.
    Iso,
    Unix,
    UnixMs,
    Pattern(String),
}

impl TimeFormat {
    /// The format of this name.
    pub(crate) fn named(name: Option<&str>) -> Result<Self> {
        match name {
            None | Some("iso") => Ok(Self::Iso),
            Some("unix") => Ok(Self::Unix),
            Some("unix_ms") => Ok(Self::UnixMs),
            Some(pattern) if pattern.contains('%') => Ok(Self::Pattern(pattern.to_owned())),
            Some(other) => bail!("no time_format: {other} (iso, unix, unix_ms, or a pattern such as %Y%m%d)"),
        }
    }

    /// The instant as ISO 8601 text; none if the text is not written so.
    pub(crate) fn read(&self, text: &str) -> Option<String> {
        let timestamp = match self {
            // A number is none: a server would take it for Unix time, and days since 1900 with it.
            Self::Iso => return parse_timestamp(text).ok().map(|_| text.to_owned()),
            Self::Unix => jiff::Timestamp::from_second(text.parse().ok()?).ok()?,
            Self::UnixMs => jiff::Timestamp::from_millisecond(text.parse().ok()?).ok()?,
            Self::Pattern(pattern) => {
                let parsed = strtime::parse(pattern, text).ok()?;
                if parsed.offset().is_some() {
                    parsed.to_timestamp().ok()?
                } else {
                    let midnight = || parsed.to_date().ok().map(|date| date.to_datetime(civil::Time::midnight()));
                    let datetime = parsed.to_datetime().ok().or_else(midnight)?;
                    datetime.to_zoned(TimeZone::UTC).ok()?.timestamp()
                }
            }
        };
        Some(timestamp.to_string())
    }

    /// What is expected, in words.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Iso => "a time in ISO 8601 such as 2026-01-31T10:00:00Z (or give --time-format)".to_owned(),
            Self::Unix => "a whole number of seconds since 1970".to_owned(),
            Self::UnixMs => "a whole number of milliseconds since 1970".to_owned(),
            Self::Pattern(pattern) => format!("a time written as {pattern}"),
        }
    }
}
