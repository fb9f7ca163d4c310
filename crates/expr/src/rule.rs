//! A rule, checked and ready to be evaluated any number of times.

use std::collections::HashMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::ast::{Expr, Function, Literal, Name, Node};
use crate::eval::{Evaluator, Frame, OverBudget};
use crate::facts::Facts;
use crate::limits::PATTERN_BYTES_MAX;
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
    patterns: Arc<Patterns>,
}

/// What a rule comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The value; of a condition true or false.
    pub value: Value,
    /// The earliest instant after that of the evaluation at which the answer may be another although nothing is said of the
    /// profile. It may be early, never late; none if the answer holds for good.
    pub changes_at: Option<Timestamp>,
    /// The earliest instant at which it may be another for this profile alone: without the turns of the calendar that are the same for
    /// everybody, which are those of [`Plan::calendar`](crate::plan::Plan::calendar).
    pub moves_at: Option<Timestamp>,
    /// How many steps it took.
    pub steps: u64,
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
        let mut patterns = Patterns::default();
        check_constants(&source, &mut patterns)?;
        let patterns = Arc::new(patterns);
        let (root, plan) = plan::derive(&source, purpose, &patterns);
        Ok(Self { purpose, source, root, plan, patterns })
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

    pub(crate) const fn patterns(&self) -> &Arc<Patterns> {
        &self.patterns
    }

    /// What it comes to for a profile.
    ///
    /// # Errors
    /// [`OverBudget`] when it takes more steps than the frame allows.
    pub fn evaluate(&self, facts: &dyn Facts, frame: &Frame<'_>) -> Result<Answer, OverBudget> {
        let mut evaluator = Evaluator::new(&self.patterns, &self.plan.aggregates, facts, frame);
        let value = match self.purpose {
            Purpose::Condition => Value::Bool(evaluator.holds(&self.root)?),
            Purpose::Value => {
                let item = evaluator.expr(&self.root)?;
                evaluator.value(&item)?
            }
        };
        let (changes_at, moves_at) = (evaluator.changes_at(), evaluator.moves_at());
        Ok(Answer { value, changes_at, moves_at, steps: evaluator.steps() })
    }
}

/// The patterns of a rule, compiled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns(HashMap<Name, Regex>);

impl Patterns {
    pub(crate) fn get(&self, pattern: &str) -> Option<&Regex> {
        self.0.get(pattern)
    }
}

/// What must be known before anything is evaluated is written out, and can be read.
fn check_constants(expr: &Expr, patterns: &mut Patterns) -> Result<(), Problem> {
    if let Node::Call { function, arguments } = &expr.node {
        match (function, &arguments[..]) {
            (Function::Matches | Function::RegexGroup, [_, pattern, ..]) => add_pattern(pattern, patterns)?,
            (Function::InSegment | Function::EnteredSegment | Function::LeftSegment, [id]) => {
                constant_text(id, "the id of a segment in double quotes")?;
            }
            _ => {}
        }
    }
    let mut found = Ok(());
    expr.each_part(&mut |part| {
        if found.is_ok() {
            found = check_constants(part, patterns);
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

fn add_pattern(expr: &Expr, patterns: &mut Patterns) -> Result<(), Problem> {
    let pattern = constant_text(expr, "a pattern in double quotes")?;
    if patterns.0.contains_key(pattern) {
        return Ok(());
    }
    let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX).build();
    let regex = compiled.map_err(|error| {
        let what = match error {
            regex::Error::CompiledTooBig(_) => {
                format!("a pattern that needs at most {PATTERN_BYTES_MAX} bytes compiled")
            }
            _ => "a regular expression without look-around and back-references".to_owned(),
        };
        Problem::new(Code::InvalidPattern, expr.at.clone(), what)
    })?;
    patterns.0.insert(pattern.clone(), regex);
    Ok(())
}
