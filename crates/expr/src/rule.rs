//! A rule, checked and ready to be evaluated any number of times.

use std::collections::HashSet;

use crate::ast::{Expr, Function, Literal, Name, Node};
use crate::eval::{Evaluator, Frame, OverBudget};
use crate::facts::Facts;
use crate::limits::PATTERN_STATES_MAX;
use crate::pattern;
use crate::plan::{self, Plan};
use crate::problem::{Code, Problem};
use crate::time::Timestamp;
use crate::value::Value;

/// What a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Its truth is asked for, as by a segment.
    Condition,
    /// Its value is asked for, as by a computed attribute.
    Value,
}

/// A rule. It never changes.
#[derive(Debug, Clone)]
pub struct Rule {
    purpose: Purpose,
    /// As it was given.
    source: Expr,
    /// With its aggregates in place of what they stand for.
    root: Expr,
    plan: Plan,
}

/// What a rule comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The value; of a condition true or false.
    pub value: Value,
    /// The earliest instant after that of the evaluation at which the answer may be another although nothing is said of the
    /// profile. It may be early, never late; none if the answer holds for good.
    pub changes_at: Option<Timestamp>,
    /// The earliest instant at which it may be another for this profile alone: without the rollovers of the calendar that are the same for
    /// everybody, which are those of [`Plan::calendar`](crate::plan::Plan::calendar).
    pub moves_at: Option<Timestamp>,
    /// How many steps it took.
    pub steps: u64,
    /// Whether it rests on fewer events than the rule speaks of, for there are more than rules look at.
    pub is_truncated: bool,
}

impl Answer {
    /// Whether a condition holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.value == Value::Bool(true)
    }
}

impl Rule {
    /// Checks an expression and derives what it depends on.
    ///
    /// # Errors
    /// The first [`Problem`]: it is beyond the bounds, or a pattern or a segment's id is wrong or not written out.
    pub fn compile(source: Expr, purpose: Purpose) -> Result<Self, Problem> {
        source.well_formed()?;
        check_constants(&source, &mut { PATTERN_STATES_MAX }, &mut HashSet::new())?;
        Ok(Self::derived(source, purpose))
    }

    /// An expression that was checked before, as it was stored. Its patterns are compiled when something is first matched with them; what one
    /// of them comes to that cannot be compiled any more is nothing.
    ///
    /// # Errors
    /// The first [`Problem`] with its form.
    pub fn stored(source: Expr, purpose: Purpose) -> Result<Self, Problem> {
        source.well_formed()?;
        Ok(Self::derived(source, purpose))
    }

    fn derived(source: Expr, purpose: Purpose) -> Self {
        let (root, plan) = plan::derive(&source, purpose);
        Self { purpose, source, root, plan }
    }

    /// The expression as it was given.
    #[must_use]
    pub const fn source(&self) -> &Expr {
        &self.source
    }

    /// What it is for.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// What it depends on, and what of it may be kept.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What it comes to for a profile.
    ///
    /// # Errors
    /// [`OverBudget`] when it takes more steps than the frame allows, or something larger than it may.
    pub fn evaluate(&self, facts: &dyn Facts, frame: &Frame<'_>) -> Result<Answer, OverBudget> {
        let mut evaluator = Evaluator::new(&self.plan.aggregates, facts, frame);
        let value = match self.purpose {
            Purpose::Condition => Value::Bool(evaluator.holds(&self.root)?),
            Purpose::Value => {
                let item = evaluator.expr(&self.root)?;
                evaluator.value(&item)?
            }
        };
        let (changes_at, moves_at) = (evaluator.changes_at(), evaluator.moves_at());
        let is_truncated = evaluator.is_truncated();
        Ok(Answer { value, changes_at, moves_at, steps: evaluator.steps(), is_truncated })
    }
}

/// What must be known before anything is evaluated is written out, and can be read.
fn check_constants(expr: &Expr, states_left: &mut usize, seen: &mut HashSet<Name>) -> Result<(), Problem> {
    if let Node::Call { function, arguments } = &expr.node {
        match (function, &arguments[..]) {
            (Function::Matches | Function::RegexGroup, [_, pattern, ..]) => {
                check_pattern(pattern, states_left, seen)?;
            }
            (Function::InSegment | Function::EnteredSegment | Function::LeftSegment, [id]) => {
                constant_text(id, "the id of a segment in double quotes")?;
            }
            _ => {}
        }
    }
    let mut found = Ok(());
    expr.each_part(&mut |part| {
        if found.is_ok() {
            found = check_constants(part, states_left, seen);
        }
    });
    found
}

fn constant_text<'a>(expr: &'a Expr, what: &str) -> Result<&'a Name, Problem> {
    match &expr.node {
        Node::Literal(Literal::Text(text)) => Ok(text),
        _ => Err(Problem::new(Code::NotConstant, expr.at.clone(), what)),
    }
}

/// A pattern that is written out is compiled, so that one which cannot be is refused; what is compiled is not kept here.
fn check_pattern(expr: &Expr, states_left: &mut usize, seen: &mut HashSet<Name>) -> Result<(), Problem> {
    let Node::Literal(Literal::Text(text)) = &expr.node else { return Ok(()) };
    if !seen.insert(text.clone()) {
        return Ok(());
    }
    let refused = |expected: String, hint: Option<&str>| Problem {
        hint: hint.map(str::to_owned),
        ..Problem::new(Code::InvalidPattern, expr.at.clone(), expected)
    };
    let pattern = pattern::known(text).map_err(|refusal| refused(refusal.expected.to_owned(), refusal.hint))?;
    *states_left = states_left.checked_sub(pattern.states()).ok_or_else(|| {
        let expected = format!("patterns that have at most {PATTERN_STATES_MAX} states between them");
        refused(expected, Some("write fewer or shorter ones, or several rules"))
    })?;
    Ok(())
}
