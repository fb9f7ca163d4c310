//! Numbers: exact decimals of 18 places in 128 bits.

use std::fmt;

/// A decimal number: a whole count of 1e-18, between about -1.7e20 and 1.7e20.
///
/// Equal numbers have one representation, whatever text they came from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

/// Why a text is no number of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// It is not written as JSON writes numbers.
    #[error("not a number")]
    NotANumber,
    /// It lies beyond about 1.7e20 in either direction.
    #[error("number out of range")]
    OutOfRange,
}

const PLACES: usize = 18;
const ONE: i128 = 1_000_000_000_000_000_000;
/// An `i128` has at most so many digits.
const DIGITS_MAX: i64 = 39;

impl Decimal {
    /// 0.
    pub const ZERO: Self = Self(0);
    /// 1.
    pub const ONE: Self = Self(ONE);

    /// The number that is so many times 1e-18.
    #[must_use]
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// How many times 1e-18 it is.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }

    /// A whole number.
    #[must_use]
    pub const fn from_i64(number: i64) -> Self {
        // The product of any i64 and 1e18 is below 1e37 and fits.
        Self(number as i128 * ONE)
    }

    /// A count.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        // The product of any u64 and 1e18 is below 2e37 and fits.
        Self(number as i128 * ONE)
    }

    /// Reads a number as JSON writes it, exponent included. Digits beyond the 18th place are rounded, half to even.
    ///
    /// # Errors
    /// [`NumberError`] for any other text, and for numbers out of range.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let number = Literal::split(text.as_bytes()).ok_or(NumberError::NotANumber)?;
        let magnitude = number.units().ok_or(NumberError::OutOfRange)?;
        signed(number.negative, magnitude).map(Self).ok_or(NumberError::OutOfRange)
    }

    /// Whether it has no fraction.
    #[must_use]
    pub const fn is_integer(self) -> bool {
        self.0 % ONE == 0
    }

    /// The whole number that it is, unless it has a fraction or is too great.
    #[must_use]
    pub fn to_i64(self) -> Option<i64> {
        if self.is_integer() { i64::try_from(self.0 / ONE).ok() } else { None }
    }

    /// The nearest double, for the edge where others know nothing else.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The sum, if it is in range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, if it is in range.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The product, rounded half to even at 18 places, if it is in range.
    #[must_use]
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let magnitude = multiply_divide(self.0.unsigned_abs(), other.0.unsigned_abs(), ONE.unsigned_abs())?;
        signed((self.0 < 0) != (other.0 < 0), magnitude).map(Self)
    }

    /// The quotient, rounded half to even at 18 places; none when dividing by zero or out of range.
    #[must_use]
    pub fn checked_div(self, other: Self) -> Option<Self> {
        if other.0 == 0 {
            return None;
        }
        let magnitude = multiply_divide(self.0.unsigned_abs(), ONE.unsigned_abs(), other.0.unsigned_abs())?;
        signed((self.0 < 0) != (other.0 < 0), magnitude).map(Self)
    }
}

impl Decimal {
    /// The number with so many decimal places; halves are rounded away from zero. None where that is out of range.
    #[must_use]
    pub fn checked_round(self, places: u32) -> Option<Self> {
        let Some(step) = u32::try_from(PLACES).ok()?.checked_sub(places).and_then(|zeros| 10i128.checked_pow(zeros))
        else {
            return Some(self);
        };
        let half = if self.0 < 0 { -(step / 2) } else { step / 2 };
        Some(Self(self.0.checked_add(half)? / step * step))
    }

    /// The greatest whole number that is not greater.
    #[must_use]
    pub fn checked_floor(self) -> Option<Self> {
        self.0.checked_sub(self.0.rem_euclid(ONE)).map(Self)
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self::from_i64(number)
    }
}

/// The one plain notation of the number: no exponent, no trailing zeros, no `-0`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (magnitude / ONE.unsigned_abs(), magnitude % ONE.unsigned_abs());
        let sign = if self.0 < 0 { "-" } else { "" };
        // 64 bits are written several times faster than 128.
        match u64::try_from(whole) {
            Ok(whole) => write!(f, "{sign}{whole}")?,
            Err(_) => write!(f, "{sign}{whole}")?,
        }
        if fraction == 0 {
            return Ok(());
        }
        let (mut fraction, mut places) = (u64::try_from(fraction).expect("a remainder of 1e18 fits"), PLACES);
        while fraction.is_multiple_of(10) {
            (fraction, places) = (fraction / 10, places - 1);
        }
        write!(f, ".{fraction:0places$}")
    }
}

/// Numbers may be personal: see [`fmt::Display`] to reveal one.
impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn signed(negative: bool, magnitude: u128) -> Option<i128> {
    if negative { 0i128.checked_sub_unsigned(magnitude) } else { i128::try_from(magnitude).ok() }
}

/// The parts of a JSON number. Its magnitude is `0.digits` times ten to the power of `point`, where `digits` are those of
/// `whole` and `fraction` together.
struct Literal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Literal<'a> {
    fn split(text: &'a [u8]) -> Option<Self> {
        let (negative, text) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, text) = split_digits(text);
        if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
            return None;
        }
        let (fraction, text) = match text.strip_prefix(b".") {
            None => (&[][..], text),
            Some(rest) => match split_digits(rest) {
                ([], _) => return None,
                split => split,
            },
        };
        let exponent = match text {
            [] => 0,
            [b'e' | b'E', rest @ ..] => read_exponent(rest)?,
            _ => return None,
        };
        Some(Self { negative, whole, fraction, exponent })
    }

    /// Its magnitude in units of 1e-18, rounded half to even; none when no `u128` holds it.
    fn units(&self) -> Option<u128> {
        let digits =
            || self.whole.iter().chain(self.fraction).map(|digit| digit - b'0').skip_while(|digit| *digit == 0);
        if digits().next().is_none() {
            return Some(0);
        }
        let leading_zeros = self.whole.iter().chain(self.fraction).take_while(|digit| **digit == b'0').count();
        // Of the digits from the first that is not zero, so many stand before the unit's point.
        let kept = self.exponent.saturating_add(length(self.whole.len())).saturating_add(length(PLACES))
            - length(leading_zeros);
        if kept > DIGITS_MAX {
            return None;
        }
        if kept < 0 {
            return Some(0);
        }
        let mut rest = digits();
        let mut magnitude = 0u128;
        for _ in 0..kept {
            let digit = rest.next().unwrap_or(0);
            magnitude = magnitude.checked_mul(10)?.checked_add(u128::from(digit))?;
        }
        let round_up = match rest.next() {
            None | Some(0..=4) => false,
            Some(5) => rest.any(|digit| digit != 0) || magnitude % 2 == 1,
            Some(_) => true,
        };
        magnitude.checked_add(u128::from(round_up))
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// An exponent, kept within a quarter of an `i64`: far beyond what any text could bring back into range.
fn read_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits
        .iter()
        .fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(i64::MAX / 4));
    Some(if negative { -magnitude } else { magnitude })
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX / 4)
}

/// `a * b / divisor`, rounded half to even, through 256 bits. The divisor lies between 1 and 2^127.
fn multiply_divide(a: u128, b: u128, divisor: u128) -> Option<u128> {
    let (high, low) = multiply_wide(a, b);
    let (quotient, remainder) = match high {
        0 => (low / divisor, low % divisor),
        _ => divide_wide(high, low, divisor)?,
    };
    let round_up = match remainder.cmp(&(divisor - remainder)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    quotient.checked_add(u128::from(round_up))
}

/// The 256 bits of the product, high half first.
fn multiply_wide(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (a_high, a_low) = (a >> 64, a & LOW);
    let (b_high, b_low) = (b >> 64, b & LOW);
    let low = a_low * b_low;
    let (middle_one, middle_two) = (a_high * b_low, a_low * b_high);
    // Three terms of at most 64 bits each cannot overflow.
    let middle = (low >> 64) + (middle_one & LOW) + (middle_two & LOW);
    let high = a_high * b_high + (middle_one >> 64) + (middle_two >> 64) + (middle >> 64);
    (high, middle << 64 | (low & LOW))
}

/// Quotient and remainder by long division, bit by bit; none when the quotient does not fit.
fn divide_wide(high: u128, low: u128, divisor: u128) -> Option<(u128, u128)> {
    if high >= divisor {
        return None;
    }
    let (mut quotient, mut remainder) = (0u128, high);
    for bit in (0..128).rev() {
        // The remainder is below the divisor, so below 2^127: doubling it cannot overflow.
        remainder = remainder << 1 | (low >> bit & 1);
        quotient <<= 1;
        if remainder >= divisor {
            remainder -= divisor;
            quotient |= 1;
        }
    }
    Some((quotient, remainder))
}
