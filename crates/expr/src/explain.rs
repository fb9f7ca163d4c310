//! Why a rule comes to what it does: leaf by leaf.

use crate::ast::{Argument, Expr, Node};
use std::cell::Cell;

use crate::eval::{Evaluator, Frame, OverBudget};
use crate::facts::Facts;
use crate::plan::{self, Aggregate};
use crate::pql;
use crate::rule::{Purpose, Rule};
use crate::time::Timestamp;
use crate::value::{Size, Value};

/// Leaves that one explanation names.
pub const LEAVES_MAX: usize = 200;

/// Why a rule comes to what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What it comes to; of a condition true or false.
    pub value: Value,
    /// The parts of a condition; of a value one leaf, with the values that it is made of.
    pub root: Part,
    /// Whether there are more leaves than are named.
    pub is_cut: bool,
    /// Whether something of it rests on fewer events than it speaks of, for there are more than rules look at.
    pub is_truncated: bool,
}

/// A part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Its parts decide.
    Node {
        /// How.
        joint: Joint,
        /// Whether it holds.
        holds: bool,
        /// The parts; fewer than there are where the explanation is cut.
        parts: Vec<Part>,
    },
    /// It decides itself.
    Leaf(Leaf),
}

/// How parts decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// All have to hold.
    And,
    /// One has to hold.
    Or,
    /// The one must not hold.
    Not,
}

impl Joint {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
            Self::Not => "not",
        }
    }
}

/// A part that decides itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// What it says.
    pub pql: String,
    /// What it comes to; of a condition true or false.
    pub value: Value,
    /// The values that decided: each part that is not written out, with what it says. One that is too large to be shown is none.
    pub inputs: Vec<(String, Option<Value>)>,
    /// The first instant at which this leaf may come to something else by itself, after that of the evaluation.
    pub changes_at: Option<Timestamp>,
}

impl Rule {
    /// Why it comes to what it does for a profile. Every leaf is evaluated for itself, also those that an answer need not look at.
    ///
    /// # Errors
    /// [`OverBudget`] when a leaf takes more steps than the frame allows, or all of them together eight times as many.
    pub fn explain(&self, facts: &dyn Facts, frame: &Frame<'_>) -> Result<Explanation, OverBudget> {
        let answer = self.evaluate(facts, frame)?;
        let mut explainer = Explainer {
            facts,
            frame,
            steps_left: Cell::new(frame.steps_max.saturating_mul(EVALUATIONS)),
            bytes_left: Cell::new(INPUTS_BYTES_MAX),
            leaves: 0,
            is_cut: false,
            is_truncated: Cell::new(answer.is_truncated),
        };
        let root = match self.purpose() {
            Purpose::Condition => explainer.part(self.source())?,
            Purpose::Value => explainer.leaf(self.source(), Purpose::Value)?,
        };
        let root = root.unwrap_or_else(|| unreachable!("the first part is within the bound"));
        let is_truncated = explainer.is_truncated.get();
        Ok(Explanation { value: answer.value, root, is_cut: explainer.is_cut, is_truncated })
    }
}

struct Explainer<'a> {
    facts: &'a dyn Facts,
    frame: &'a Frame<'a>,
    /// Of all evaluations that are still to come.
    steps_left: Cell<u64>,
    /// Of all inputs that are still to be shown.
    bytes_left: Cell<usize>,
    leaves: usize,
    is_cut: bool,
    is_truncated: Cell<bool>,
}

impl Explainer<'_> {
    /// A part of a condition; none beyond the bound.
    fn part(&mut self, expr: &Expr) -> Result<Option<Part>, OverBudget> {
        let (joint, parts) = match &expr.node {
            Node::And(parts) => (Joint::And, &parts[..]),
            Node::Or(parts) => (Joint::Or, &parts[..]),
            Node::Not(inner) => (Joint::Not, std::slice::from_ref(&**inner)),
            _ => return self.leaf(expr, Purpose::Condition),
        };
        if self.is_full() {
            return Ok(None);
        }
        let holds = self.come_to(expr, Purpose::Condition)?.0 == Value::Bool(true);
        let mut shown = Vec::with_capacity(parts.len());
        for part in parts {
            shown.extend(self.part(part)?);
        }
        Ok(Some(Part::Node { joint, holds, parts: shown }))
    }

    fn leaf(&mut self, expr: &Expr, purpose: Purpose) -> Result<Option<Part>, OverBudget> {
        if self.is_full() {
            return Ok(None);
        }
        self.leaves += 1;
        let (value, changes_at) = self.come_to(expr, purpose)?;
        let mut inputs = Vec::new();
        self.inputs(expr, &mut inputs)?;
        Ok(Some(Part::Leaf(Leaf { pql: pql::print(expr), value, inputs, changes_at })))
    }

    fn is_full(&mut self) -> bool {
        self.is_cut |= self.leaves >= LEAVES_MAX;
        self.is_cut
    }

    /// The values that a leaf is made of: what is read, and what is computed of events, as far as it speaks of the profile.
    fn inputs(&self, expr: &Expr, inputs: &mut Vec<(String, Option<Value>)>) -> Result<(), OverBudget> {
        let is_input = matches!(
            expr.node,
            Node::Path { .. }
                | Node::Call { .. }
                | Node::Filter { .. }
                | Node::Fold { .. }
                | Node::Select(_)
                | Node::Word(_)
        );
        if is_input && is_of_profile(expr, 0) && !speaks_of_many(expr) {
            let text = pql::print(expr);
            if !inputs.iter().any(|(known, _)| *known == text) && inputs.len() < INPUTS_MAX {
                let (value, _) = self.come_to(expr, Purpose::Value)?;
                inputs.push((text, self.fitting(value)));
            }
        }
        if matches!(expr.node, Node::Path { .. }) {
            return Ok(());
        }
        let mut parts = Vec::new();
        match &expr.node {
            // What stands inside speaks of single events.
            Node::Filter { .. } | Node::Fold { .. } | Node::Select(_) | Node::Chain { .. } | Node::Quantifier(..) => {}
            Node::Call { function, arguments } => {
                let spec = arguments.iter().zip(function.spec().arguments);
                parts.extend(spec.filter(|(_, takes)| **takes == Argument::Value).map(|(argument, _)| argument));
            }
            _ => expr.each_part(&mut |part| parts.push(part)),
        }
        parts.into_iter().filter(|part| is_of_profile(part, 0)).try_for_each(|part| self.inputs(part, inputs))
    }

    /// What an expression comes to by itself, and until when.
    fn come_to(&self, expr: &Expr, purpose: Purpose) -> Result<(Value, Option<Timestamp>), OverBudget> {
        let (root, plan) = plan::derive(expr, purpose);
        let aggregates: &[Aggregate] = &plan.aggregates;
        let frame = Frame { steps_max: self.frame.steps_max.min(self.steps_left.get()), ..*self.frame };
        let mut evaluator = Evaluator::new(aggregates, self.facts, &frame);
        let value = match purpose {
            Purpose::Condition => Value::Bool(evaluator.holds(&root)?),
            Purpose::Value => {
                let item = evaluator.expr(&root)?;
                evaluator.value(&item)?
            }
        };
        self.steps_left.set(self.steps_left.get().saturating_sub(evaluator.steps()));
        self.is_truncated.set(self.is_truncated.get() | evaluator.is_truncated());
        Ok((value, evaluator.changes_at()))
    }

    /// A value, if there is room to show it.
    fn fitting(&self, value: Value) -> Option<Value> {
        let bytes_max = self.bytes_left.get().min(INPUT_BYTES_MAX);
        let size = value.size_within(Size { items: bytes_max, bytes: bytes_max })?;
        self.bytes_left.set(self.bytes_left.get().saturating_sub(size.bytes));
        Some(value)
    }
}

/// How many times the steps of one evaluation an explanation may take.
const EVALUATIONS: u64 = 8;
/// Bytes of an input that is shown, and of all of them.
const INPUT_BYTES_MAX: usize = 16 * 1024;
const INPUTS_BYTES_MAX: usize = 256 * 1024;

/// Values that one leaf shows.
const INPUTS_MAX: usize = 20;

/// Whether what an expression comes to is a list of whole events, which would tell more than anybody wants to read.
fn speaks_of_many(expr: &Expr) -> bool {
    matches!(expr.node, Node::Filter { .. } | Node::Select(_) | Node::Events)
}

/// Whether an expression can be evaluated where it stands: nothing in it speaks of an item of a list around it, or of a name bound there.
fn is_of_profile(expr: &Expr, depth: u32) -> bool {
    match &expr.node {
        Node::Variable(_) | Node::Lambda { .. } => false,
        Node::Context(scopes) => *scopes <= depth,
        Node::Call { function, arguments } => {
            let spec = arguments.iter().zip(function.spec().arguments);
            spec.into_iter().all(|(argument, takes)| match takes {
                Argument::Value => is_of_profile(argument, depth),
                Argument::Body => is_of_profile(argument, depth + 1),
            })
        }
        Node::Filter { list, condition } => is_of_profile(list, depth) && is_of_profile(condition, depth + 1),
        _ => {
            let mut is_own = true;
            expr.each_part(&mut |part| is_own = is_own && is_of_profile(part, depth));
            is_own
        }
    }
}
