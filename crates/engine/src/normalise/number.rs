//! Numbers where a name is expected: an id, an event's name. Equal numbers are one name, however they are written.

use std::borrow::Cow;

use super::VALUE_BYTES_MAX;

/// The plain digits of a JSON number, all of them: no exponent, no zeros that say nothing, no `-0`. What is no number, or has more
/// digits than a name may, stays as it is.
#[must_use]
pub fn spelled_number(json: &str) -> Cow<'_, str> {
    let is_plain = json.len() < VALUE_BYTES_MAX && json.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain && (json == "0" || !json.starts_with('0')) {
        return Cow::Borrowed(json);
    }
    digits(json).map_or(Cow::Borrowed(json), Cow::Owned)
}

fn digits(json: &str) -> Option<String> {
    let (negative, magnitude) = json.strip_prefix('-').map_or((false, json), |rest| (true, rest));
    let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    // Where the point stands, counted from the first digit that says something.
    let leading = i64::try_from(all.len() - digits.len()).ok()?;
    let point = exponent.parse::<i64>().ok()?.checked_add(i64::try_from(whole.len()).ok()?)?.checked_sub(leading)?;
    let digits = digits.trim_end_matches('0');
    let length = i64::try_from(digits.len()).ok()?;
    if point.max(length).checked_sub(point.min(0))? > i64::try_from(VALUE_BYTES_MAX).ok()? {
        return None;
    }
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let plain = match usize::try_from(point) {
        Ok(point) if point > 0 && point < digits.len() => format!("{}.{}", &digits[..point], &digits[point..]),
        Ok(1..) => format!("{digits}{}", zeros(point - length)),
        Ok(0) | Err(_) => format!("0.{}{digits}", zeros(-point)),
    };
    Some(if negative { format!("-{plain}") } else { plain })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_one_name() {
        for (json, expected) in [
            ("1", "1"),
            ("1.0", "1"),
            ("1e0", "1"),
            ("10e-1", "1"),
            ("0.1E1", "1"),
            ("100E-2", "1"),
            ("-0", "0"),
            ("0.000", "0"),
            ("0e5", "0"),
            ("-1.50", "-1.5"),
            ("15e-1", "1.5"),
            ("1.5e-3", "0.0015"),
            ("1.5e3", "1500"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("1.2e21", "1200000000000000000000"),
            ("1e+3", "1000"),
            ("1e999999999999999999999", "1e999999999999999999999"),
            ("1e600", "1e600"),
            ("-1e-600", "-1e-600"),
            ("true", "true"),
        ] {
            assert_eq!(spelled_number(json), expected, "{json}");
            assert_eq!(spelled_number(&spelled_number(json)), expected, "{json} again");
        }
    }
}
