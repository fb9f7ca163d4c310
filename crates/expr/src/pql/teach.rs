//! What hands write that know SQL or JavaScript, and how it is said in this language: hints for what is refused.

use super::lexer::{Kind, Token};
use crate::ast::Expr;
use crate::problem::{Code, Place, Problem};

/// Bytes of a rule that a hint repeats; what is longer is shown as `…`.
const REPEATED_MAX: usize = 60;

/// The problem with a hint, where the text around it shows what was meant.
pub(super) fn taught(text: &str, tokens: &[Token<'_>], problem: Problem) -> Problem {
    if problem.hint.is_some() || problem.code != Code::Syntax {
        return problem;
    }
    let Place::Text { start, .. } = problem.at else { return problem };
    let Some(at) = tokens.iter().position(|token| token.start >= start as usize) else { return problem };
    let hint = Around { text, tokens, at }.hint();
    Problem { hint, ..problem }
}

/// The rule with its texts in double quotes, where what was refused is another kind of them and all of them have an end.
pub(super) fn requoted(text: &str, problem: &Problem) -> Option<String> {
    const QUOTES: [char; 5] = ['\'', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}'];
    let Place::Text { start, .. } = problem.at else { return None };
    let is_quote = |character: char| QUOTES.contains(&character);
    if problem.code != Code::UnknownCharacter || !text.get(start as usize..)?.starts_with(is_quote) {
        return None;
    }
    let (mut requoted, mut open) = (String::with_capacity(text.len()), None);
    for character in text.chars() {
        match open {
            None if character == '"' || is_quote(character) => {
                open = Some(character);
                requoted.push('"');
            }
            Some('"') if character == '"' => {
                open = None;
                requoted.push('"');
            }
            Some(first) if first != '"' && is_quote(character) && (first != '\'' || character == '\'') => {
                open = None;
                requoted.push('"');
            }
            Some(first) if first != '"' && character == '"' => requoted.push_str("\\\""),
            _ => requoted.push(character),
        }
    }
    open.is_none().then_some(requoted)
}

/// What to say of a rule whose texts stand in other quotes: what it is in double ones or, where that is no rule either, what else is wrong with it.
pub(super) fn quotes(problem: Problem, (text, requoted): (&str, &str), read: Result<Expr, Problem>) -> Problem {
    const RULE_BYTES_MAX: usize = 300;
    const DOUBLE: &str = "texts stand in \"double quotes\"";
    match read {
        Ok(_) if requoted.len() <= RULE_BYTES_MAX => Problem { hint: Some(format!("{DOUBLE}: {requoted}")), ..problem },
        Ok(_) => problem,
        Err(other) => {
            let hint = other.hint.map_or_else(|| DOUBLE.to_owned(), |hint| format!("{hint}; and {DOUBLE}"));
            // Its place in the text that was sent is the same only as long as each quote takes as many bytes.
            let at = if requoted.len() == text.len() { other.at } else { problem.at };
            Problem { code: other.code, expected: other.expected, hint: Some(hint), at }
        }
    }
}

/// A function of the language that is written as one of another: in front of what it is about.
pub(super) fn in_front(text: &str, tokens: &[Token<'_>], at: usize, function: &str) -> String {
    let around = Around { text, tokens, at };
    if matches!(around.kind(2), Kind::Symbol("*")) {
        return COUNTED.to_owned();
    }
    let is_part =
        |further: &isize| matches!(around.kind(*further), Kind::Word(_) | Kind::Quoted(_) | Kind::Symbol("." | "^"));
    let end = (2..).find(|further| !is_part(further)).unwrap_or(2);
    let subject = usize::try_from(end).map_or("…", |end| around.between(at + 2, at + end));
    match around.kind(end) {
        Kind::Symbol(")") if end > 2 => format!("write {subject}.{function}()"),
        Kind::Symbol(",") if end > 2 => format!("write {subject}.{function}(…)"),
        _ => format!("{function} is written behind what it is about: x.{function}(…)"),
    }
}

/// A token that was refused, and what stands around it.
struct Around<'a> {
    text: &'a str,
    tokens: &'a [Token<'a>],
    at: usize,
}

impl Around<'_> {
    fn hint(&self) -> Option<String> {
        match (self.kind(0), self.kind(-1)) {
            (Kind::Symbol(">"), Kind::Symbol("<")) => Some("what is not equal is written !=".to_owned()),
            (Kind::Symbol("="), Kind::Symbol("!=" | "=")) => Some("equality is written =, inequality !=".to_owned()),
            (Kind::Symbol("(" | ")"), Kind::Word(word) | Kind::Symbol(word)) if *word != "(" => self.instant(word),
            (Kind::Symbol(")"), Kind::Symbol("(")) => {
                let Kind::Word(word) = self.kind(-2) else { return None };
                self.instant(word)
            }
            (Kind::Symbol(","), _) => self.list(),
            (Kind::Symbol("*"), Kind::Word(word)) if is(word, "select") => Some(CONDITION_ALONE.to_owned()),
            (Kind::Symbol("*"), _) => Some(COUNTED.to_owned()),
            (Kind::Text(_), Kind::Word(word)) if is(word, "date") || is(word, "timestamp") || is(word, "interval") => {
                Some(
                    if is(word, "interval") {
                        SPAN
                    } else {
                        "an instant is a text: \"2026-01-31\" or \"2026-01-31T10:00:00Z\""
                    }
                    .to_owned(),
                )
            }
            (Kind::Word(word), before) => self.word(word, before),
            _ => None,
        }
    }

    /// `now()` and its like.
    fn instant(&self, word: &str) -> Option<String> {
        let own = ["now", "today", "yesterday", "tomorrow"].into_iter().find(|own| is(word, own))?;
        let span = if self.sees_behind("-") || self.sees_behind("+") { format!("; {SPAN}") } else { String::new() };
        Some(format!("{own} is written without parentheses{span}"))
    }

    /// Whether a symbol follows within the next tokens.
    fn sees_behind(&self, symbol: &str) -> bool {
        (0..4).any(|further| matches!(self.kind(further), Kind::Symbol(seen) if *seen == symbol))
    }

    /// `in (a, b)`.
    fn list(&self) -> Option<String> {
        let mut depth = 0;
        let open = (0..self.at).rev().find(|at| match self.tokens[*at].kind {
            Kind::Symbol(")") => {
                depth += 1;
                false
            }
            Kind::Symbol("(") if depth > 0 => {
                depth -= 1;
                false
            }
            Kind::Symbol("(") => true,
            _ => false,
        })?;
        let Kind::Word(word) = self.tokens[open.checked_sub(1)?].kind else { return None };
        if !is(word, "in") && !is(word, "notIn") {
            return None;
        }
        let close = (self.at..self.tokens.len()).find(|at| matches!(self.tokens[*at].kind, Kind::Symbol(")")));
        let inside = close.map_or("…", |close| self.between(open + 1, close));
        let word = if is(word, "in") { "in" } else { "notIn" };
        Some(format!("a list stands in brackets: {} {word} [{inside}]", self.operand(open - 1)))
    }

    fn word(&self, word: &str, before: &Kind<'_>) -> Option<String> {
        let own = word.to_ascii_lowercase();
        let hint = match own.as_str() {
            "is" => self.is_null(),
            "isnull" | "notnull" => {
                let function = if own == "isnull" { "isNull" } else { "isNotNull" };
                format!("write {}.{function}()", self.operand(self.at))
            }
            "between" => self.in_between(),
            "not" if matches!(before, Kind::Symbol(symbol) if !matches!(*symbol, ")" | "]")) => return None,
            "not" => match self.kind(1) {
                Kind::Word(next) if is(next, "in") => format!("write {} notIn […]", self.operand(self.at)),
                Kind::Word(next) => {
                    format!("not stands in front: not ({} {} …)", self.operand(self.at), next.to_ascii_lowercase())
                }
                _ => return None,
            },
            "ilike" => format!("write {}.contains(\"…\", false): false for letters of any case", self.operand(self.at)),
            "rlike" | "regexp" | "similar" | "glob" => format!("write {}.matches(\"…\")", self.operand(self.at)),
            "contains" | "includes" | "startswith" | "endswith" | "starts" | "ends" => {
                let function = match own.as_str() {
                    "startswith" | "starts" => "startsWith",
                    "endswith" | "ends" => "endsWith",
                    other => other,
                };
                format!("write {}.{function}(\"…\")", self.operand(self.at))
            }
            "equals" | "eq" => "equality is written =".to_owned(),
            "ne" | "neq" => "what is not equal is written !=".to_owned(),
            "gt" | "gte" | "ge" | "lt" | "lte" | "le" => "order is written <, <=, > and >=".to_owned(),
            "xor" => "write (a and not b) or (b and not a)".to_owned(),
            "div" | "mod" => "division is written /, its remainder %".to_owned(),
            "when" | "then" | "else" | "end" => "write if(condition, then, otherwise)".to_owned(),
            "where" | "from" | "as" if self.sees_select() => CONDITION_ALONE.to_owned(),
            "group" => "write list.groupBy(member)".to_owned(),
            "order" | "limit" | "top" | "desc" | "asc" => {
                "the items with the highest values are list.topN(member, 3), with the lowest list.bottomN(member, 3)"
                    .to_owned()
            }
            "having" => "write the condition behind and".to_owned(),
            "distinct" => "write list.distinct(), and how many there are list.distinct().count()".to_owned(),
            "interval" => SPAN.to_owned(),
            "day" | "days" | "week" | "weeks" | "month" | "months" | "year" | "years" | "hour" | "hours" | "minute"
            | "minutes" | "second" | "seconds"
                if matches!(before, Kind::Number(_)) =>
            {
                SPAN.to_owned()
            }
            "ago" | "within" | "during" => SPAN.to_owned(),
            "in" | "last" | "this" | "past" if is_word(before, "occurs") => SPAN.to_owned(),
            _ if is_word(before, "is") => self.is_null(),
            _ => return None,
        };
        Some(hint)
    }

    /// `x is null`, `x is not null`, `x is true`.
    fn is_null(&self) -> String {
        let at = if is_word(self.kind(0), "is") { self.at } else { self.at.saturating_sub(1) };
        let subject = self.operand(at);
        let next = |further: usize| self.tokens.get(at + further).map_or(&Kind::End, |token| &token.kind);
        let is_not = is_word(next(1), "not");
        match next(if is_not { 2 } else { 1 }) {
            Kind::Word(word) if is(word, "null") || is(word, "missing") || is(word, "undefined") => {
                format!("write {subject}.{}()", if is_not { "isNotNull" } else { "isNull" })
            }
            Kind::Word(word) if is(word, "true") || is(word, "false") => {
                format!("write {subject} {} {}", if is_not { "!=" } else { "=" }, word.to_ascii_lowercase())
            }
            _ => format!("write {subject} {} …, or {subject}.isNull()", if is_not { "!=" } else { "=" }),
        }
    }

    /// `x between a and b`.
    fn in_between(&self) -> String {
        let subject = self.operand(self.at);
        let find = |from: usize, ends: &dyn Fn(&Kind<'_>) -> bool| {
            (from..self.tokens.len()).find(|at| ends(&self.tokens[*at].kind)).unwrap_or(self.tokens.len() - 1)
        };
        let and = find(self.at + 1, &|kind| is_word(kind, "and") || *kind == Kind::End);
        let end = find(and + 1, &|kind| {
            is_word(kind, "and") || is_word(kind, "or") || matches!(kind, Kind::Symbol(")" | "]") | Kind::End)
        });
        let (low, high) = (self.between(self.at + 1, and), self.between(and + 1, end));
        format!("write {subject} >= {low} and {subject} <= {high}; of times {subject} occurs between {low} and {high}")
    }

    fn sees_select(&self) -> bool {
        self.tokens.first().is_some_and(|token| is_word(&token.kind, "select"))
    }

    /// What stands in front of a token, as far as it is names and dots; `x` for anything else.
    fn operand(&self, end: usize) -> &str {
        let is_part =
            |at: &usize| matches!(self.tokens[*at].kind, Kind::Word(_) | Kind::Quoted(_) | Kind::Symbol("." | "^"));
        let mut start = end;
        while let Some(at) = start.checked_sub(1).filter(is_part) {
            // Names that stand side by side are not one path.
            let is_name = |at: usize| matches!(self.tokens[at].kind, Kind::Word(_) | Kind::Quoted(_));
            if start < end && is_name(at) && is_name(start) {
                break;
            }
            start = at;
        }
        if start == end { "x" } else { self.between(start, end) }
    }

    /// The text of some tokens.
    fn between(&self, start: usize, end: usize) -> &str {
        let (Some(first), Some(last)) =
            (self.tokens.get(start), end.checked_sub(1).and_then(|end| self.tokens.get(end)))
        else {
            return "…";
        };
        match self.text.get(first.start..last.end) {
            Some(text) if !text.is_empty() && text.len() <= REPEATED_MAX => text,
            _ => "…",
        }
    }

    /// A token that stands so many further than the refused one.
    fn kind(&self, further: isize) -> &Kind<'_> {
        let at = self.at.checked_add_signed(further);
        at.and_then(|at| self.tokens.get(at)).map_or(&Kind::End, |token| &token.kind)
    }
}

const COUNTED: &str = "events are counted by xEvent.count(), some of them by xEvent[…].count()";
const CONDITION_ALONE: &str = "a rule is the condition alone, as it would stand behind where; events are filtered by xEvent[eventType = \"…\" and …]";
const SPAN: &str = "a span stands between an instant and another: timestamp occurs <= 30 days before now";

fn is(word: &str, other: &str) -> bool {
    word.eq_ignore_ascii_case(other)
}

fn is_word(kind: &Kind<'_>, word: &str) -> bool {
    matches!(kind, Kind::Word(seen) if is(seen, word))
}

/// A hint for a character that no rule is written with.
pub(super) fn character(rest: &str) -> Option<&'static str> {
    let hints = [
        ("&", "both conditions are joined by and"),
        ("|", "either condition is joined by or; texts are not joined"),
        ("?", "write if(condition, then, otherwise); what is not there is null without being asked for"),
        (";", "a rule is one expression"),
        ("~", "write text.matches(\"…\")"),
        ("'", "texts stand in \"double quotes\""),
        ("\u{201c}", "texts stand in \"double quotes\""),
        ("\u{201d}", "texts stand in \"double quotes\""),
        ("\u{2018}", "texts stand in \"double quotes\""),
        ("\u{2019}", "texts stand in \"double quotes\""),
        ("\u{2264}", "write <="),
        ("\u{2265}", "write >="),
        ("\u{2260}", "write !="),
    ];
    hints.into_iter().find(|(start, _)| rest.starts_with(start)).map(|(_, hint)| hint)
}

/// What a function, or a word, of another language is in this one.
#[must_use]
pub fn function(name: &str) -> Option<&'static str> {
    let own = name.to_ascii_lowercase();
    FOREIGN.iter().find(|(names, _)| names.contains(&own.as_str())).map(|(_, hint)| *hint)
}

const FOREIGN: &[(&[&str], &str)] = &[
    (&["events", "event"], "the events of a profile are xEvent, as in xEvent[eventType = \"…\"].count() > 0"),
    (&["eventtype", "event_type", "event_name"], "events are asked for by xEvent[eventType = \"…\"]"),
    (&["timestamp"], "events are asked for by xEvent[timestamp occurs …]"),
    (&["avg", "mean"], "write list.average(member)"),
    (
        &["countif", "count_if", "sumif", "sum_if", "countifs", "sumifs"],
        "write list[condition].count(), or list[condition].sum(member)",
    ),
    (&["count_distinct", "approx_count_distinct", "uniq", "nunique"], "write list.map(member).distinct().count()"),
    (&["mode"], "write list.mostFrequent(member)"),
    (
        &["median_cont", "percentile_cont", "percentile_disc", "approx_percentile", "quantile"],
        "write list.percentile(member, 90)",
    ),
    (&["size", "array_length", "cardinality"], "items are counted by list.count(), characters by text.length()"),
    (&["len", "char_length", "strlen"], "write text.length()"),
    (&["ucase", "touppercase", "to_upper"], "write text.upper()"),
    (&["lcase", "tolowercase", "to_lower"], "write text.lower()"),
    (&["substr", "mid", "slice", "left"], "write text.substring(1, 3): the first character is 1"),
    (&["ltrim", "rtrim", "strip", "trimstart", "trimend"], "write text.trim()"),
    (&["nvl", "ifnull", "isnull_", "zeroifnull", "nullif"], "write coalesce(a, b)"),
    (&["iff", "iif", "case", "decode"], "write if(condition, then, otherwise)"),
    (&["datediff", "date_diff", "timestampdiff", "days_between"], "write earlier.daysUntil(later)"),
    (&["date_sub", "date_add", "dateadd", "adddate", "subdate", "add_months"], SPAN),
    (&["year", "date_part", "extract", "getfullyear"], "write time.getYear(), time.getMonth() or time.getDayOfMonth()"),
    (&["month"], "write time.getMonth()"),
    (&["day", "dayofmonth"], "write time.getDayOfMonth()"),
    (&["getdate", "sysdate", "current_timestamp", "localtimestamp", "utcnow"], "write now"),
    (&["curdate", "current_date"], "write today"),
    (&["to_char", "str", "tostring", "string"], "write value.toText()"),
    (&["to_number", "tonumeric", "parseint", "parsefloat", "number", "int", "float"], "write value.toNumber()"),
    (&["cast", "convert", "try_cast"], "write value.toText() or value.toNumber()"),
    (&["regexp_like", "rlike", "regexp_matches", "regexp_contains", "match", "test"], "write text.matches(\"…\")"),
    (&["regexp_extract", "regexp_substr"], "write text.regexGroup(\"…\", 1)"),
    (&["instr", "charindex", "strpos", "position", "indexof", "find_in_set"], "write text.contains(\"…\")"),
    (&["array_contains", "has", "contains_any", "element_at"], "write list.includes(value)"),
    (&["some", "any"], "write list.exists(condition)"),
    (&["every", "all"], "write forAll X from list where condition"),
    (&["find"], "write list[condition].head()"),
    (&["first", "first_value", "earliest"], "the earliest event is xEvent.bottomN(timestamp, 1).head()"),
    (&["last", "last_value", "latest"], "the latest event is xEvent.topN(timestamp, 1).head()"),
    (&["reduce", "foreach", "flatmap"], "write list.map(member), list.sum(member) or list.groupBy(member)"),
    (&["sort", "sorted", "orderby", "order_by"], "write list.topN(member, 3) or list.bottomN(member, 3)"),
    (&["array_agg", "collect_set", "collect_list", "unique"], "write list.map(member).distinct()"),
    (
        &[
            "concat",
            "concat_ws",
            "replace",
            "split",
            "split_part",
            "floor",
            "ceil",
            "abs",
            "power",
            "sqrt",
            "stddev",
            "variance",
            "rank",
            "row_number",
            "lag",
            "lead",
        ],
        "there is no such function; compute it before it is sent, or compare with what is there",
    ),
];
