//! Going through a tree.

use super::{Binding, Expr, Moment, Node, When};
use crate::limits::{DEPTH_MAX, NODES_MAX, PATH_NAMES_MAX};
use crate::problem::{Code, Problem};

impl Expr {
    /// Shows each direct part, in the order in which it is written.
    pub fn each_part<'a>(&'a self, see: &mut dyn FnMut(&'a Self)) {
        match &self.node {
            Node::Literal(_) | Node::Context(_) | Node::Profile | Node::Events | Node::Variable(_) | Node::Word(_) => {}
            Node::Path { of: part, .. }
            | Node::Not(part)
            | Node::Negate(part)
            | Node::Lambda { body: part, .. }
            | Node::Kept { naive: part, .. } => see(part),
            Node::And(parts) | Node::Or(parts) | Node::List(parts) | Node::Call { arguments: parts, .. } => {
                parts.iter().for_each(see);
            }
            Node::Object(members) => members.iter().for_each(|(_, part)| see(part)),
            Node::Compare(_, left, right)
            | Node::Arithmetic(_, left, right)
            | Node::Filter { list: left, condition: right }
            | Node::Let { value: left, body: right, .. } => {
                see(left);
                see(right);
            }
            Node::If { test, then, otherwise } => {
                see(test);
                see(then);
                see(otherwise);
            }
            Node::Occurs { subject, when } => {
                see(subject);
                when.each_part(see);
            }
            Node::Select(bindings) | Node::Quantifier(_, bindings) => each_binding(bindings, see),
            Node::Fold { value, bindings, .. } => {
                value.iter().for_each(|value| see(value));
                each_binding(bindings, see);
            }
            Node::Chain { events, order, steps } => {
                see(events);
                see(order);
                for step in steps {
                    see(&step.what);
                    step.when.iter().for_each(|when| when.each_part(see));
                    step.condition.iter().for_each(&mut *see);
                }
            }
        }
    }

    /// Whether the tree is one that the language has, and within its bounds. A tree that was read always is; one that was made by hand
    /// is looked at before anything relies on it.
    ///
    /// # Errors
    /// [`Code::TooDeep`], [`Code::TooLarge`], [`Code::WrongArguments`]; [`Code::Syntax`] for a path without names or an aggregate over
    /// several bindings without a value.
    pub fn well_formed(&self) -> Result<(), Problem> {
        let mut left = NODES_MAX;
        self.count(DEPTH_MAX, &mut left)
    }

    fn count(&self, depth: usize, left: &mut usize) -> Result<(), Problem> {
        if depth == 0 {
            return Err(too_deep(self));
        }
        *left = left.checked_sub(1).ok_or_else(|| too_large(self))?;
        self.own_form()?;
        let mut found = Ok(());
        self.each_part(&mut |part| {
            if found.is_ok() {
                found = part.count(depth - 1, left);
            }
        });
        found
    }
}

impl Expr {
    /// Whether the node is well formed, whatever its parts are.
    fn own_form(&self) -> Result<(), Problem> {
        let wrong = |code, what: String| Err(Problem::new(code, self.at.clone(), what));
        match &self.node {
            Node::Path { names, .. } if names.is_empty() => wrong(Code::Syntax, "a name in a path".to_owned()),
            Node::Path { names, .. } if names.len() > PATH_NAMES_MAX => {
                wrong(Code::TooLarge, format!("at most {PATH_NAMES_MAX} names in a path"))
            }
            Node::Call { function, arguments } => {
                let spec = function.spec();
                if (spec.required..=spec.arguments.len()).contains(&arguments.len()) {
                    return Ok(());
                }
                wrong(Code::WrongArguments, format!("as many operands as {} takes", spec.name))
            }
            Node::Fold { value: None, bindings, .. } if bindings.len() != 1 => {
                wrong(Code::Syntax, "one binding, or a value that is computed of several".to_owned())
            }
            _ => Ok(()),
        }
    }
}

fn too_deep(expr: &Expr) -> Problem {
    Problem::new(Code::TooDeep, expr.at.clone(), format!("a rule at most {DEPTH_MAX} levels deep"))
}

fn too_large(expr: &Expr) -> Problem {
    Problem::new(Code::TooLarge, expr.at.clone(), format!("a rule of at most {NODES_MAX} parts"))
}

fn each_binding<'a>(bindings: &'a [Binding], see: &mut dyn FnMut(&'a Expr)) {
    for binding in bindings {
        see(&binding.list);
        binding.condition.iter().for_each(&mut *see);
    }
}

impl When {
    /// Shows each direct part.
    pub fn each_part<'a>(&'a self, see: &mut dyn FnMut(&'a Expr)) {
        match self {
            Self::Distance { amount, moment, .. } => {
                see(amount);
                moment.each_part(see);
            }
            Self::Side(_, moment) | Self::On(moment) => moment.each_part(see),
            Self::Between(start, end) => {
                start.each_part(see);
                end.each_part(see);
            }
        }
    }
}

impl When {
    /// Shows each moment.
    pub(crate) fn each_moment(&self, see: &mut dyn FnMut(&Moment)) {
        match self {
            Self::Distance { moment, .. } | Self::Side(_, moment) | Self::On(moment) => see(moment),
            Self::Between(start, end) => {
                see(start);
                see(end);
            }
        }
    }
}

impl When {
    /// Shows each moment, to be changed.
    pub(crate) fn each_moment_mut(&mut self, see: &mut dyn FnMut(&mut Moment)) {
        match self {
            Self::Distance { moment, .. } | Self::Side(_, moment) | Self::On(moment) => see(moment),
            Self::Between(start, end) => {
                see(start);
                see(end);
            }
        }
    }
}

impl Moment {
    fn each_part<'a>(&'a self, see: &mut dyn FnMut(&'a Expr)) {
        match self {
            Self::Calendar(..) => {}
            Self::At(part) => see(part),
        }
    }
}
