//! What an expression over events computes, and the window that it is given (spec/adobe.md sections 6.1 and 6.7).

use serde::{Deserialize, Serialize};
use tessera_expr::ast::{Expr, Function as Own, Node};
use tessera_expr::pql;
use tessera_seam::answer::invalid;
use tessera_service::error::Error;
use utoipa::ToSchema;

use crate::objects::expected;
use crate::pql::refused;

/// What is computed of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Sum,
    Count,
    Min,
    Max,
    MostRecent,
    List,
}

impl Function {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sum => "SUM",
            Self::Count => "COUNT",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::MostRecent => "MOST_RECENT",
            Self::List => "LIST",
        }
    }
}

/// How far back events count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeDuration)]
pub(crate) struct Duration {
    /// How many units: 1 to 24 hours, 7 days, 4 weeks, 6 months.
    pub(super) count: u32,
    pub(super) unit: Unit,
}

/// A unit of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = AdobeDurationUnit)]
pub(crate) enum Unit {
    Hours,
    Days,
    Weeks,
    Months,
}

impl Unit {
    const fn max(self) -> u32 {
        match self {
            Self::Hours => 24,
            Self::Days => 7,
            Self::Weeks => 4,
            Self::Months => 6,
        }
    }

    /// In rules: one of it.
    const fn word(self) -> &'static str {
        match self {
            Self::Hours => "hour",
            Self::Days => "day",
            Self::Weeks => "week",
            Self::Months => "month",
        }
    }
}

impl Duration {
    /// The window of it, as a condition on an event. One that is kept current has whole weeks or months of the calendar, and what there is of
    /// the present one.
    ///
    /// # Errors
    /// `member_invalid`.
    pub(super) fn window(self, keep_current: bool) -> Result<String, Error> {
        let Self { count, unit } = self;
        if !(1..=unit.max()).contains(&count) {
            return Err(expected("duration.count", format!("1 to {} of {}s", unit.max(), unit.word())));
        }
        let word = unit.word();
        match (unit, keep_current) {
            (_, false) => Ok(format!("timestamp occurs <= {count} {word}s before now")),
            (Unit::Weeks | Unit::Months, true) => {
                Ok(format!("timestamp occurs <= {count} {word}s before this {word} or timestamp occurs this {word}"))
            }
            (Unit::Hours | Unit::Days, true) => {
                Err(expected("keepCurrent", "false with HOURS and DAYS, which are always current,"))
            }
        }
    }
}

/// What an expression computes, with the list of events that it computes it of.
pub(super) fn function(expr: &Expr) -> Option<(Function, &Expr)> {
    let Node::Call { function, arguments } = &expr.node else { return None };
    let (found, list) = match (function, &arguments[..]) {
        (Own::Sum, [list, _]) => (Function::Sum, list),
        (Own::Count, [list]) => (Function::Count, list),
        (Own::Min, [list, _]) => (Function::Min, list),
        (Own::Max, [list, _]) => (Function::Max, list),
        (Own::Head, [newest]) => {
            let (newest, value) = newest_of(newest)?;
            let is_pair = matches!(&value.node, Node::Object(members)
                if members.iter().map(|(name, _)| &**name).eq(["timestamp", "value"]));
            (Function::MostRecent, newest.filter(|_| is_pair)?)
        }
        (Own::Map, _) => {
            let (list, value) = newest_of(expr)?;
            let is_field = matches!(value.node, Node::Path { .. });
            (Function::List, list.filter(|_| is_field)?)
        }
        _ => return None,
    };
    is_of_events(list).then_some((found, list))
}

/// Of `list.topN(timestamp, n).map(value)`, the list and the value.
fn newest_of(expr: &Expr) -> Option<(Option<&Expr>, &Expr)> {
    let Node::Call { function: Own::Map, arguments } = &expr.node else { return None };
    let [newest, value] = &arguments[..] else { return None };
    let Node::Call { function: Own::TopN, arguments } = &newest.node else { return None };
    let [list, order, _] = &arguments[..] else { return None };
    let is_by_time = matches!(&order.node, Node::Path { names, .. } if names.len() == 1 && &*names[0] == "timestamp");
    Some((is_by_time.then_some(list), value))
}

/// Whether a list is one of the profile's events, filtered or not.
fn is_of_events(list: &Expr) -> bool {
    match &list.node {
        Node::Events => true,
        Node::Filter { list, .. } => is_of_events(list),
        _ => false,
    }
}

/// The condition of the innermost filter on events.
fn innermost(list: &Expr) -> Option<&Expr> {
    let Node::Filter { list, condition } = &list.node else { return None };
    innermost(list).or(Some(condition))
}

/// An expression in text, as it is evaluated: with the window in the filter of its events, where it is not there already.
///
/// # Errors
/// `rule_invalid`, `member_invalid`.
pub(super) fn folded(text: &str, window: &str) -> Result<String, Error> {
    let expr = pql::parse(text).map_err(|problem| refused(&problem, text))?;
    let (_, list) = function(&expr).ok_or_else(form_expected)?;
    let (at, inner) = filter_of(text).ok_or_else(form_expected)?;
    let Some(inner) = inner else {
        return Ok(format!("{}[{window}]{}", &text[..at], &text[at..]));
    };
    let condition = innermost(list).ok_or_else(form_expected)?;
    let own = pql::parse(window).map_err(|problem| refused(&problem, window))?;
    if has_part(condition, &own) {
        return Ok(text.to_owned());
    }
    let binds = matches!(
        condition.node,
        Node::And(_)
            | Node::Compare(..)
            | Node::Occurs { .. }
            | Node::Call { .. }
            | Node::Path { .. }
            | Node::Literal(_)
    );
    let said = if binds || is_wrapped(inner) { inner.to_owned() } else { format!("({inner})") };
    let end = at + 1 + inner.len();
    Ok(format!("{}[{said} and ({window})]{}", &text[..at], &text[end + 1..]))
}

/// An expression without a window that was folded into it.
pub(super) fn unfolded(text: &str, window: &str) -> String {
    text.replacen(&format!(" and ({window})"), "", 1).replacen(&format!("[{window}]"), "", 1)
}

/// The answer to an expression that computes something else, or of something else.
pub(super) fn form_expected() -> Error {
    let message = "expression.value: one of these is expected: xEvent[…].sum(field), .count(), .min(field), .max(field), \
                   .topN(timestamp, 1).map({\"timestamp\": timestamp, \"value\": field}).head(), .topN(timestamp, n).map(field)";
    invalid("rule_invalid", message)
}

/// Whether a condition, or one of those that have to hold together, is this one.
fn has_part(condition: &Expr, part: &Expr) -> bool {
    match &condition.node {
        Node::And(parts) => parts.contains(part),
        _ => condition == part,
    }
}

/// Where the filter of the first events of a text begins, and what stands in it; where there is none, where it would.
fn filter_of(text: &str) -> Option<(usize, Option<&str>)> {
    let start = outside_texts(text, |at| text[at..].starts_with("xEvent"))? + "xEvent".len();
    let at = start + (text[start..].len() - text[start..].trim_start().len());
    if !text[at..].starts_with('[') {
        return Some((start, None));
    }
    let mut depth = 0_usize;
    let end = outside_texts(&text[at..], |own| {
        match text.as_bytes()[at + own] {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    Some((at, Some(&text[at + 1..at + end])))
}

/// Whether a text stands in parentheses as a whole.
fn is_wrapped(text: &str) -> bool {
    let text = text.trim();
    let mut depth = 0_usize;
    let first_end = outside_texts(text, |at| {
        match text.as_bytes()[at] {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    text.starts_with('(') && first_end == Some(text.len() - 1)
}

/// The first place of a rule at which something holds that is not within quotes.
fn outside_texts(text: &str, mut holds: impl FnMut(usize) -> bool) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (at, char) in text.char_indices() {
        match (quote, char) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), char) if char == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`') => quote = Some(char),
            (None, _) if holds(at) => return Some(at),
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_folded_into_the_filter_of_the_events() {
        let window = Duration { count: 7, unit: Unit::Days }.window(false).expect("a window");
        assert_eq!(window, "timestamp occurs <= 7 days before now");
        for (text, expected) in [
            ("xEvent.count()", "xEvent[timestamp occurs <= 7 days before now].count()"),
            ("xEvent[a = 1].sum(b)", "xEvent[a = 1 and (timestamp occurs <= 7 days before now)].sum(b)"),
            (
                "xEvent[a = 1 or b = 2].sum(b)",
                "xEvent[(a = 1 or b = 2) and (timestamp occurs <= 7 days before now)].sum(b)",
            ),
            (
                "xEvent[(a = 1 or b = 2)].min(b)",
                "xEvent[(a = 1 or b = 2) and (timestamp occurs <= 7 days before now)].min(b)",
            ),
            (
                "xEvent[(a = 1) or (b = 2)].max(b)",
                "xEvent[((a = 1) or (b = 2)) and (timestamp occurs <= 7 days before now)].max(b)",
            ),
            (
                "xEvent[a = \"]\" and c[d = 1]][b > 0].count()",
                "xEvent[a = \"]\" and c[d = 1] and (timestamp occurs <= 7 days before now)][b > 0].count()",
            ),
            (
                "xEvent[(a > 0.0 or b > 1.0) and (timestamp occurs <= 7 days before now)].sum(c.d)",
                "xEvent[(a > 0.0 or b > 1.0) and (timestamp occurs <= 7 days before now)].sum(c.d)",
            ),
            (
                "xEvent[a.b occurs <= 1 days before now].min(a.b)",
                "xEvent[a.b occurs <= 1 days before now and (timestamp occurs <= 7 days before now)].min(a.b)",
            ),
            (
                "xEvent.topN(timestamp, 1).map({\"timestamp\": timestamp, \"value\": a.b}).head()",
                "xEvent[timestamp occurs <= 7 days before now].topN(timestamp, 1).map({\"timestamp\": timestamp, \"value\": a.b}).head()",
            ),
        ] {
            let folded = folded(text, &window).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(folded, expected, "{text}");
            assert_eq!(super::folded(&folded, &window).expect("the same"), expected);
        }
        assert_eq!(
            unfolded("xEvent[a = 1 and (timestamp occurs <= 7 days before now)].sum(b)", &window),
            "xEvent[a = 1].sum(b)"
        );
    }

    #[test]
    fn functions_are_told_from_what_is_written() {
        for (text, expected) in [
            ("xEvent[a = 1].sum(b.c)", Some("SUM")),
            ("xEvent.count()", Some("COUNT")),
            ("xEvent[a = 1][b = 2].min(b)", Some("MIN")),
            ("xEvent.max(timestamp)", Some("MAX")),
            ("xEvent[a].topN(timestamp, 1).map({\"timestamp\": timestamp, \"value\": b}).head()", Some("MOST_RECENT")),
            ("xEvent[a].topN(timestamp, 50).map(b.c)", Some("LIST")),
            ("xEvent.average(b)", None),
            ("xEvent.sum(b) + 1", None),
            ("orders.sum(b)", None),
            ("xEvent.topN(b, 1).map({\"timestamp\": timestamp, \"value\": b}).head()", None),
            ("xEvent.topN(timestamp, 1).map({\"value\": b}).head()", None),
            ("xEvent.items.sum(b)", None),
        ] {
            let expr = pql::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
            assert_eq!(function(&expr).map(|(function, _)| function.name()), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_bounded_by_their_unit() {
        let window = |count, unit, keep_current| {
            Duration { count, unit }.window(keep_current).map_err(|error| error.message.to_string())
        };
        assert!(window(24, Unit::Hours, false).is_ok() && window(25, Unit::Hours, false).is_err());
        assert!(window(6, Unit::Months, true).is_ok() && window(7, Unit::Months, true).is_err());
        assert_eq!(
            window(2, Unit::Weeks, true).as_deref(),
            Ok("timestamp occurs <= 2 weeks before this week or timestamp occurs this week")
        );
        assert!(window(0, Unit::Weeks, false).is_err() && window(2, Unit::Days, true).is_err());
    }
}
