//! The two forms in which a text is a date or an instant: those of RFC 3339, which all ISO 8601 readers know.

/// Whether a text is a day of the calendar: `2026-02-28`.
pub(super) fn is_date(text: &str) -> bool {
    matches!(split_date(text), Some(""))
}

/// Whether a text is an instant with its offset: `2026-02-28T23:59:60Z`, `2026-02-28t09:30:00.5+01:00`. A leap second is one.
pub(super) fn is_date_time(text: &str) -> bool {
    let Some(rest) = split_date(text).and_then(|rest| rest.strip_prefix(['T', 't', ' '])) else { return false };
    let Some(rest) = split_clock(rest, 23) else { return false };
    let Some((second, rest)) = rest.strip_prefix(':').and_then(|rest| split_number(rest, 2)) else { return false };
    let rest = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if rest.len() == fraction.len() {
                return false;
            }
            rest
        }
    };
    let offset = rest.strip_prefix(['+', '-']).and_then(|rest| split_clock(rest, 23));
    second <= 60 && (matches!(rest, "Z" | "z") || offset == Some(""))
}

/// What follows a day of the calendar.
fn split_date(text: &str) -> Option<&str> {
    let (year, rest) = split_number(text, 4)?;
    let (month, rest) = split_number(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = split_number(rest.strip_prefix('-')?, 2)?;
    (year >= 1 && (1..=days_of(year, month)?).contains(&day)).then_some(rest)
}

/// What follows hours and minutes.
fn split_clock(text: &str, hour_max: u32) -> Option<&str> {
    let (hour, rest) = split_number(text, 2)?;
    let (minute, rest) = split_number(rest.strip_prefix(':')?, 2)?;
    (hour <= hour_max && minute <= 59).then_some(rest)
}

fn split_number(text: &str, digits: usize) -> Option<(u32, &str)> {
    let (head, rest) = text.split_at_checked(digits)?;
    head.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    Some((head.parse().ok()?, rest))
}

fn days_of(year: u32, month: u32) -> Option<u32> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if is_leap { 29 } else { 28 }),
        _ => None,
    }
}
