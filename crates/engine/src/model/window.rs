//! How long something counts.

use std::fmt;

use crate::time::Timestamp;

/// A length of time: a whole number and `m`, `h` or `d` for minutes, hours or days of 24 hours, as in `90d`. From `1m` to
/// `36500d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    minutes: u32,
}

/// Why a text is no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a window is a whole number and m, h or d, from 1m to 36500d, as in 90d")]
pub struct InvalidWindow;

const MINUTES_PER_HOUR: u32 = 60;
const MINUTES_PER_DAY: u32 = 24 * MINUTES_PER_HOUR;

impl Window {
    /// The longest window, in minutes: 36,500 days.
    pub const MINUTES_MAX: u32 = 36_500 * MINUTES_PER_DAY;

    /// Reads a window.
    ///
    /// # Errors
    /// [`InvalidWindow`] for another form, and beyond the bounds.
    pub fn parse(text: &str) -> Result<Self, InvalidWindow> {
        let at = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or(InvalidWindow)?;
        let (number, unit) = text.split_at(at);
        let unit = match unit {
            "m" => 1,
            "h" => MINUTES_PER_HOUR,
            "d" => MINUTES_PER_DAY,
            _ => return Err(InvalidWindow),
        };
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        let number: u32 = number.parse().ok().filter(|_| is_plain).ok_or(InvalidWindow)?;
        Self::from_minutes(number.checked_mul(unit).ok_or(InvalidWindow)?)
    }

    /// The window of so many minutes.
    ///
    /// # Errors
    /// [`InvalidWindow`] beyond the bounds.
    pub const fn from_minutes(minutes: u32) -> Result<Self, InvalidWindow> {
        if minutes == 0 || minutes > Self::MINUTES_MAX { Err(InvalidWindow) } else { Ok(Self { minutes }) }
    }

    /// Its length in minutes.
    #[must_use]
    pub const fn minutes(self) -> u32 {
        self.minutes
    }

    /// The last instant of which what was said counts no more at this one.
    #[must_use]
    pub fn start(self, at: Timestamp) -> Timestamp {
        at.plus_micros(-(i64::from(self.minutes) * 60_000_000))
    }

    /// The first instant at which what was said at this time counts no more.
    #[must_use]
    pub fn end(self, time: Timestamp) -> Timestamp {
        time.plus_micros(i64::from(self.minutes) * 60_000_000)
    }
}

/// In the largest unit that divides it: `36h`, `2d`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minutes {
            minutes if minutes.is_multiple_of(MINUTES_PER_DAY) => write!(f, "{}d", minutes / MINUTES_PER_DAY),
            minutes if minutes.is_multiple_of(MINUTES_PER_HOUR) => write!(f, "{}h", minutes / MINUTES_PER_HOUR),
            minutes => write!(f, "{minutes}m"),
        }
    }
}
