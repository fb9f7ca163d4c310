//! Numbers in decimal digits, as whole units of a power of ten.

use super::DIGITS_MAX;

/// A number of at most [`DIGITS_MAX`] digits: units of ten to the minus `scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits {
    units: i128,
    scale: u8,
}

impl Digits {
    /// Reads a number as JSON spells it; none for one that has more digits, before and after the point together, than may be.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        };
        let (is_negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() || !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let all: String = [whole, part].concat();
        let significant = all.trim_start_matches('0');
        let kept = significant.trim_end_matches('0');
        let dropped = i32::try_from(significant.len() - kept.len()).ok()?;
        let scale = i32::try_from(part.len()).ok()?.checked_sub(dropped)?.checked_sub(exponent)?;
        if kept.is_empty() {
            return Some(Self { units: 0, scale: 0 });
        }
        let (kept, scale) = if scale < 0 {
            let zeros = usize::try_from(-scale).ok().filter(|own| *own <= usize::from(DIGITS_MAX))?;
            (format!("{kept}{}", "0".repeat(zeros)), 0)
        } else {
            (kept.to_owned(), u8::try_from(scale).ok()?)
        };
        if kept.len() > usize::from(DIGITS_MAX) || scale > DIGITS_MAX {
            return None;
        }
        let units = kept.parse::<i128>().ok()?;
        Some(Self { units: if is_negative { -units } else { units }, scale })
    }

    /// Digits behind the point, without zeros at the end.
    #[must_use]
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// Digits before the point, none for what is smaller than one.
    #[must_use]
    pub fn whole_digits(self) -> u8 {
        let digits = self.units.unsigned_abs().checked_ilog10().map_or(0, |own| own + 1);
        u8::try_from(digits.saturating_sub(u32::from(self.scale))).unwrap_or(u8::MAX)
    }

    /// The number, where it is whole and of 64 bits.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        (self.scale == 0).then(|| i64::try_from(self.units).ok()).flatten()
    }

    /// Units of ten to the minus this scale; none where it would take more digits than may be, or has more behind the point.
    #[must_use]
    pub fn units_of(self, scale: u8) -> Option<i128> {
        let more = u32::from(scale.checked_sub(self.scale)?);
        let units = self.units.checked_mul(10_i128.checked_pow(more)?)?;
        (units.unsigned_abs() < 10_u128.pow(u32::from(DIGITS_MAX))).then_some(units)
    }
}
