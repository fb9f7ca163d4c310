//! From what a query says to expressions of ours, which speak of one event or of one row.

use std::cell::Cell;
use std::sync::Arc;

use tessera_engine::time::Timestamp;
use tessera_expr::ast::{Arithmetic, Comparison, Expr, Function, Literal, Moment, Node, Side, Unit, When, Word};
use tessera_expr::problem::Place;
use tessera_expr::value::Decimal;
use tessera_service::clock::{format_timestamp, parse_timestamp};

use super::super::filter::truth;
use super::super::words::{call, compare, either, is_null, is_there, number};
use super::ast::{Call, Fault, Kind, OfTexts, Term, fault};

/// Nodes of all expressions that a query becomes, those of columns counted wherever they are named.
pub(super) const NODES_MAX: usize = 20_000;

/// What columns are.
pub(super) trait Columns {
    /// What stands in a column, or below it.
    fn value(&self, names: &[Arc<str>], at: usize) -> Result<Expr, Fault>;

    /// That it is this value, where a column has its own way to say so.
    fn is(&self, names: &[Arc<str>], value: &Expr) -> Option<Expr>;
}

/// What the clock is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Clock {
    /// It stands, as for one question.
    At(Timestamp),
    /// It goes on, as for a segment.
    Goes,
}

/// An instant that does not depend on a row.
enum Instant {
    Fixed(Timestamp),
    /// So many microseconds from the clock.
    FromNow(i64),
}

/// What translates.
pub(super) struct Translator<'a> {
    pub(super) columns: &'a dyn Columns,
    pub(super) clock: Clock,
    /// Nodes that may still be made.
    pub(super) left: &'a Cell<usize>,
}

/// How many nodes an expression has.
fn size(expr: &Expr) -> usize {
    let mut count = 1;
    expr.each_part(&mut |part| count += size(part));
    count
}

fn literal(literal: Literal) -> Expr {
    Expr::new(Node::Literal(literal))
}

fn not(inner: Expr) -> Expr {
    Expr::new(Node::Not(Box::new(inner)))
}

fn arithmetic(operator: Arithmetic, one: Expr, other: Expr) -> Expr {
    Expr::new(Node::Arithmetic(operator, Box::new(one), Box::new(other)))
}

fn at_instant(at: Timestamp) -> Expr {
    Expr::text(&format_timestamp(at))
}

impl Translator<'_> {
    fn spend(&self, nodes: usize, at: usize) -> Result<(), Fault> {
        let expected = || fault(at, format!("a simpler query: it comes to more than {NODES_MAX} nodes"));
        self.left.set(self.left.get().checked_sub(nodes).ok_or_else(expected)?);
        Ok(())
    }

    /// A value.
    pub(super) fn value(&self, term: &Term) -> Result<Expr, Fault> {
        self.spend(1, term.at)?;
        Ok(match &term.kind {
            Kind::Null => literal(Literal::Null),
            Kind::Number(number) => literal(Literal::Number(*number)),
            Kind::Text(text) => Expr::text(text),
            Kind::Span(_) => return Err(fault(term.at, "a value; a length of time stands only beside a time")),
            Kind::Column(names) => {
                let value = self.columns.value(names, term.at)?;
                self.spend(size(&value), term.at)?;
                value
            }
            Kind::Negate(inner) => Expr::new(Node::Negate(Box::new(self.number(inner)?))),
            Kind::Time(_) | Kind::Now => self.instant(term)?,
            Kind::Arithmetic(..) if self.moment(term)?.is_some() => self.instant(term)?,
            Kind::Arithmetic(operator, one, other) => arithmetic(*operator, self.number(one)?, self.number(other)?),
            Kind::Call(Call::ToText, arguments) => call(Function::ToText, vec![self.value(&arguments[0])?]),
            Kind::Call(Call::ToNumber, arguments) => call(Function::ToNumber, vec![self.value(&arguments[0])?]),
            Kind::Call(Call::ToWhole, arguments) => {
                let own = call(Function::ToNumber, vec![self.value(&arguments[0])?]);
                self.spend(size(&own), term.at)?;
                let fraction = arithmetic(Arithmetic::Remainder, own.clone(), number(1));
                arithmetic(Arithmetic::Subtract, own, fraction)
            }
            Kind::Call(Call::If, arguments) => {
                let (test, then) = (self.condition(&arguments[0])?, self.value(&arguments[1])?);
                either(test, then, self.value(&arguments[2])?)
            }
            Kind::Bool(_)
            | Kind::Not(_)
            | Kind::And(_)
            | Kind::Or(_)
            | Kind::Compare(..)
            | Kind::OfTexts(..)
            | Kind::In { .. }
            | Kind::Between(..)
            | Kind::Call(Call::IsNull | Call::IsNotNull | Call::IsEmpty | Call::IsNotEmpty, _) => {
                // A condition is a value as well; a literal is written as itself.
                if let Kind::Bool(own) = term.kind { truth(own) } else { self.condition(term)? }
            }
        })
    }

    /// A value that is calculated with.
    fn number(&self, term: &Term) -> Result<Expr, Fault> {
        match term.kind {
            Kind::Text(_) | Kind::Bool(_) | Kind::Null => Err(fault(term.at, "a number")),
            Kind::Span(_) | Kind::Time(_) | Kind::Now => {
                Err(fault(term.at, "a number; lengths of time are added to now(), ago(…) and datetime(…) alone"))
            }
            _ => self.value(term),
        }
    }

    /// A condition.
    pub(super) fn condition(&self, term: &Term) -> Result<Expr, Fault> {
        self.spend(1, term.at)?;
        Ok(match &term.kind {
            Kind::Bool(own) => truth(*own),
            Kind::Not(inner) => not(self.condition(inner)?),
            Kind::And(parts) => Expr::and(self.conditions(parts)?, Place::Nowhere),
            Kind::Or(parts) => Expr::or(self.conditions(parts)?, Place::Nowhere),
            Kind::Compare(comparison, one, other) => self.compared(*comparison, one, other)?,
            Kind::OfTexts(of, is_negated, one, other) => {
                let holds = self.of_texts(*of, one, other)?;
                if *is_negated { not(holds) } else { holds }
            }
            Kind::In { of, list, minds_case } => {
                let one = |item: &Term| {
                    if *minds_case { self.equal(of, item) } else { self.of_texts(OfTexts::Equals, of, item) }
                };
                Expr::or(list.iter().map(one).collect::<Result<_, _>>()?, Place::Nowhere)
            }
            Kind::Between(of, low, high) => {
                let high = self.upper(low, high);
                let low = self.compared(Comparison::GreaterEqual, of, low)?;
                Expr::and(vec![low, self.compared(Comparison::LessEqual, of, &high)?], Place::Nowhere)
            }
            Kind::Call(Call::IsNull, arguments) => is_null(self.value(&arguments[0])?),
            Kind::Call(Call::IsNotNull, arguments) => is_there(self.value(&arguments[0])?),
            Kind::Call(Call::IsEmpty, arguments) => self.is_empty(&arguments[0])?,
            Kind::Call(Call::IsNotEmpty, arguments) => not(self.is_empty(&arguments[0])?),
            Kind::Column(_) | Kind::Call(Call::If, _) => compare(Comparison::Equal, self.value(term)?, truth(true)),
            Kind::Null
            | Kind::Number(_)
            | Kind::Text(_)
            | Kind::Time(_)
            | Kind::Span(_)
            | Kind::Now
            | Kind::Negate(_)
            | Kind::Arithmetic(..)
            | Kind::Call(Call::ToText | Call::ToWhole | Call::ToNumber, _) => {
                return Err(fault(term.at, "a condition, such as a comparison"));
            }
        })
    }

    fn conditions(&self, parts: &[Term]) -> Result<Vec<Expr>, Fault> {
        parts.iter().map(|part| self.condition(part)).collect()
    }

    fn is_empty(&self, of: &Term) -> Result<Expr, Fault> {
        let is_blank = compare(Comparison::Equal, self.value(of)?, Expr::text(""));
        Ok(Expr::or(vec![is_null(self.value(of)?), is_blank], Place::Nowhere))
    }

    /// The end of a range: behind its beginning by a length of time, where it is one.
    fn upper(&self, low: &Term, high: &Term) -> Term {
        let is_length = matches!(high.kind, Kind::Span(_));
        if !is_length {
            return high.clone();
        }
        Term::new(high.at, Kind::Arithmetic(Arithmetic::Add, Box::new(low.clone()), Box::new(high.clone())))
    }

    fn compared(&self, comparison: Comparison, one: &Term, other: &Term) -> Result<Expr, Fault> {
        if let Some(instant) = self.moment(other)? {
            return self.compared_with(comparison, one, &instant);
        }
        if let Some(instant) = self.moment(one)? {
            return self.compared_with(comparison.mirrored(), other, &instant);
        }
        match comparison {
            Comparison::Equal => self.equal(one, other),
            Comparison::NotEqual => self.not_equal(one, other),
            Comparison::Less | Comparison::LessEqual | Comparison::Greater | Comparison::GreaterEqual => {
                for side in [one, other] {
                    self.ordered(side)?;
                }
                Ok(compare(comparison, self.value(one)?, self.value(other)?))
            }
        }
    }

    /// Texts have no order, unless they are numbers or times.
    fn ordered(&self, side: &Term) -> Result<(), Fault> {
        let has_order = match &side.kind {
            Kind::Text(text) => Decimal::parse(text).is_ok() || parse_timestamp(text).is_ok(),
            Kind::Null | Kind::Bool(_) => false,
            _ => true,
        };
        if has_order { Ok(()) } else { Err(fault(side.at, "a number or a time, as nothing else has an order")) }
    }

    fn equal(&self, one: &Term, other: &Term) -> Result<Expr, Fault> {
        if let Some(instant) = self.moment(other)? {
            return self.compared_with(Comparison::Equal, one, &instant);
        }
        for (side, value) in [(one, other), (other, one)] {
            match (&side.kind, &value.kind) {
                (_, Kind::Null) => return Ok(is_null(self.value(side)?)),
                (Kind::Column(names), Kind::Text(_) | Kind::Number(_)) => {
                    if let Some(is) = self.columns.is(names, &self.value(value)?) {
                        self.spend(size(&is), side.at)?;
                        return Ok(is);
                    }
                }
                _ => {}
            }
        }
        Ok(compare(Comparison::Equal, self.value(one)?, self.value(other)?))
    }

    /// It is another value, or one of the two is not there.
    fn not_equal(&self, one: &Term, other: &Term) -> Result<Expr, Fault> {
        let differs = not(self.equal(one, other)?);
        let is_written =
            |side: &Term| matches!(side.kind, Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_));
        if is_written(one) || is_written(other) {
            return Ok(differs);
        }
        let is_one = Expr::or(vec![is_there(self.value(one)?), is_there(self.value(other)?)], Place::Nowhere);
        Ok(Expr::and(vec![differs, is_one], Place::Nowhere))
    }

    fn of_texts(&self, of: OfTexts, one: &Term, other: &Term) -> Result<Expr, Fault> {
        let text = call(Function::ToText, vec![self.value(one)?]);
        if of == OfTexts::Has {
            let Kind::Text(word) = &other.kind else { return Err(fault(other.at, "a text")) };
            if word.is_empty() {
                return Err(fault(other.at, "a text that is not empty"));
            }
            return Ok(call(Function::Matches, vec![text, Expr::text(&whole_word(word))]));
        }
        let function = match of {
            OfTexts::Contains => Function::Contains,
            OfTexts::StartsWith => Function::StartsWith,
            OfTexts::EndsWith => Function::EndsWith,
            OfTexts::Equals | OfTexts::Has => Function::Equals,
        };
        let part = call(Function::ToText, vec![self.value(other)?]);
        Ok(call(function, vec![text, part, truth(false)]))
    }

    /// The instant that a term is without looking at a row.
    fn moment(&self, term: &Term) -> Result<Option<Instant>, Fault> {
        let (operator, one, other) = match &term.kind {
            Kind::Time(at) => return Ok(Some(Instant::Fixed(*at))),
            Kind::Now => return Ok(Some(Instant::FromNow(0))),
            Kind::Arithmetic(operator @ (Arithmetic::Add | Arithmetic::Subtract), one, other) => {
                (*operator, one, other)
            }
            _ => return Ok(None),
        };
        let (from, length) = match (&one.kind, &other.kind) {
            (_, Kind::Span(length)) => (one, *length),
            (Kind::Span(length), _) if operator == Arithmetic::Add => (other, *length),
            _ => return Ok(None),
        };
        let length = if operator == Arithmetic::Add { length } else { -length };
        let shifted = match self.moment(from)? {
            None => return Ok(None),
            Some(Instant::Fixed(at)) => {
                at.micros().checked_add(length).and_then(Timestamp::from_micros).map(Instant::Fixed)
            }
            Some(Instant::FromNow(micros)) => micros.checked_add(length).map(Instant::FromNow),
        };
        shifted.map(Some).ok_or_else(|| fault(term.at, "a time between the years 1 and 9999"))
    }

    /// It as a value.
    fn instant(&self, term: &Term) -> Result<Expr, Fault> {
        match (self.moment(term)?, self.clock) {
            (Some(Instant::Fixed(at)), _) => Ok(at_instant(at)),
            (Some(Instant::FromNow(micros)), Clock::At(now)) => Ok(at_instant(now.plus_micros(micros))),
            (Some(Instant::FromNow(_)), Clock::Goes) => {
                Err(fault(term.at, "no clock here: in a segment a column is compared with it"))
            }
            (None, _) => Err(fault(term.at, "a time")),
        }
    }

    fn compared_with(&self, comparison: Comparison, of: &Term, instant: &Instant) -> Result<Expr, Fault> {
        let of_value = self.value(of)?;
        let fixed = match (instant, self.clock) {
            (Instant::Fixed(at), _) => *at,
            (Instant::FromNow(micros), Clock::At(now)) => now.plus_micros(*micros),
            (Instant::FromNow(micros), Clock::Goes) => {
                self.spend(size(&of_value) + 6, of.at)?;
                return from_now(comparison, of_value, *micros).ok_or_else(|| {
                    fault(of.at, "an earlier or later one of two times, and one that is over, in a segment")
                });
            }
        };
        match comparison {
            Comparison::NotEqual => Ok(not(compare(Comparison::Equal, of_value, at_instant(fixed)))),
            comparison => Ok(compare(comparison, of_value, at_instant(fixed))),
        }
    }
}

/// How an instant compares with one so many microseconds from the clock, which goes on; none for what cannot be said so.
fn from_now(comparison: Comparison, of: Expr, micros: i64) -> Option<Expr> {
    let now = || Expr::new(Node::Word(Word::Now));
    let is_order = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if micros == 0 && is_order {
        return Some(compare(comparison, of, now()));
    }
    let micros = micros.checked_neg().filter(|micros| *micros > 0)?;
    const UNITS: [(Unit, i64); 5] = [
        (Unit::Day, 86_400_000_000),
        (Unit::Hour, 3_600_000_000),
        (Unit::Minute, 60_000_000),
        (Unit::Second, 1_000_000),
        (Unit::Millisecond, 1_000),
    ];
    let (unit, length) = UNITS.into_iter().find(|(_, length)| micros % length == 0)?;
    let distance = |comparison, subject: Expr| {
        let (amount, moment) = (Box::new(number(micros / length)), Moment::At(Box::new(now())));
        let when = When::Distance { comparison, amount, unit, side: Side::Before, moment };
        Expr::new(Node::Occurs { subject: Box::new(subject), when })
    };
    // What is later than so long ago is less far away, or still to come.
    let later = |comparison| {
        let to_come = compare(Comparison::Greater, of.clone(), now());
        Expr::or(vec![distance(comparison, of.clone()), to_come], Place::Nowhere)
    };
    match comparison {
        Comparison::Less => Some(distance(Comparison::Greater, of)),
        Comparison::LessEqual => Some(distance(Comparison::GreaterEqual, of)),
        Comparison::Greater => Some(later(Comparison::Less)),
        Comparison::GreaterEqual => Some(later(Comparison::LessEqual)),
        Comparison::Equal | Comparison::NotEqual => None,
    }
}

/// A pattern of a text as a whole word: no letter and no digit stands beside it.
fn whole_word(word: &str) -> String {
    let escaped: String = word
        .chars()
        .flat_map(|letter| {
            let is_plain = letter.is_alphanumeric() || !letter.is_ascii();
            (!is_plain).then_some('\\').into_iter().chain([letter])
        })
        .collect();
    format!(r"(?iu)(?:^|[^\p{{L}}\p{{N}}]){escaped}(?:$|[^\p{{L}}\p{{N}}])")
}
