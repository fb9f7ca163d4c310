//! What a value of a row must look like, and what is said of one that does not.

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::value::{RawValue, to_raw_value};

use super::formats::{Formats, Unfit};

/// Characters of a refused value that are shown.
const SHOWN_CHARS_MAX: usize = 100;

/// Why a row is refused.
#[derive(PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Which kind of fault; the same as long as there is such a fault.
    pub(crate) code: &'static str,
    /// What is wrong, and what was expected instead; holds no value.
    pub(crate) message: String,
    /// The value, for the file of refused rows, which lies with the operator's own file.
    pub(crate) value: Option<String>,
}

impl Refusal {
    /// Because of the row as a whole, or of what it lacks.
    pub(crate) fn of_row(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), value: None }
    }

    /// Because of this value.
    pub(crate) fn of_value(code: &'static str, message: String, value: &str) -> Self {
        Self { code, message, value: Some(value.chars().take(SHOWN_CHARS_MAX).collect()) }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("code", &self.code).field("message", &self.message).finish_non_exhaustive()
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
    /// The value that the text writes.
    ///
    /// # Errors
    /// When it writes none of this type, or more than one.
    pub(crate) fn read(self, text: &str, formats: &Formats) -> Result<Box<RawValue>, Unfit> {
        match self {
            Self::AsIs | Self::Text => to_raw_value(text).map_err(|_| Unfit::None),
            Self::Number => formats.number(text.trim()),
            Self::Boolean => formats.boolean(text.trim()),
            Self::Timestamp => formats.time(text.trim()).and_then(|time| to_raw_value(&time).map_err(|_| Unfit::None)),
            Self::Json => RawValue::from_string(text.to_owned()).map_err(|_| Unfit::None),
        }
    }

    /// What is expected, in words.
    pub(crate) fn expected(self, formats: &Formats) -> String {
        match self {
            Self::AsIs | Self::Text => "a text".to_owned(),
            Self::Number => formats.expected_number(),
            Self::Boolean => formats.expected_boolean(),
            Self::Timestamp => formats.expected_time(),
            Self::Json => "JSON".to_owned(),
        }
    }
}
