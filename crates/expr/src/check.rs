//! Whether a rule fits what is known of attributes and properties, before anyone relies on it.
//!
//! Only what can never come to anything is refused: an operand of a type that its operator never takes. Of what the model does not
//! know everything is possible, and a rule over it is fine.

mod infer;
mod meaning;
mod never;

pub use never::contradictions;

use std::fmt;

use crate::ast::{Expr, Name};
use crate::problem::{Code, Problem};
use crate::rule::Purpose;

/// The type of what an expression gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Nobody knows.
    Any,
    /// True or false.
    Boolean,
    /// A number.
    Number,
    /// A text.
    Text,
    /// An instant or a day, in whatever spelling.
    Time,
    /// Values in an order, or a set.
    List(Box<Type>),
    /// Values by keys.
    Map(Box<Type>),
    /// Named values.
    Object,
    /// An event.
    Event,
}

impl Type {
    /// A list of these.
    #[must_use]
    pub fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    /// A map to these.
    #[must_use]
    pub fn map(of: Self) -> Self {
        Self::Map(Box::new(of))
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "anything",
            Self::Boolean => "a Boolean",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Time => "a time",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Object => "an object",
            Self::Event => "an event",
        })
    }
}

/// What a model says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It is of this type.
    Is(Type),
    /// It may be there, of any type.
    Perhaps,
    /// There is none, and the model is closed.
    Never,
}

/// What a rule compares with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared<'a> {
    /// What stands at these names of a profile.
    Attribute(&'a [Name]),
    /// What stands at these names of an event; of this type, if the rule says which.
    Property(Option<&'a str>, &'a [Name]),
}

/// What is known of attributes and properties.
pub trait Model {
    /// What stands at these names of a profile.
    fn attribute(&self, names: &[Name]) -> Known;

    /// What stands at these names of an event; of this type, if the rule says which.
    fn property(&self, event: Option<&str>, names: &[Name]) -> Known;

    /// Whether there is a segment of this name: [`Known::Is`] of a Boolean, [`Known::Never`], or nobody knows.
    fn segment(&self, name: &str) -> Known {
        let _ = name;
        Known::Perhaps
    }

    /// Segments that there are, from which a hint is chosen when one is not.
    fn segments(&self) -> Vec<String> {
        Vec::new()
    }

    /// Takes note that what stands there is compared with this text, letter by letter.
    fn compared(&self, subject: Compared<'_>, text: &str) {
        let _ = (subject, text);
    }

    /// Attributes that there are, from which a hint is chosen when one is not.
    fn attributes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Properties that there are.
    fn properties(&self, event: Option<&str>) -> Vec<String> {
        let _ = event;
        Vec::new()
    }
}

/// The model of those who have none: everything is possible.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

impl Model for Open {
    fn attribute(&self, _names: &[Name]) -> Known {
        Known::Perhaps
    }

    fn property(&self, _event: Option<&str>, _names: &[Name]) -> Known {
        Known::Perhaps
    }
}

/// The type of what a rule gives.
///
/// # Errors
/// The first operand of a type that its operator never takes, or attribute that there is not; a tree that is not well formed.
pub fn check(expr: &Expr, model: &dyn Model) -> Result<Type, Problem> {
    expr.well_formed()?;
    infer::Inference::new(model).expr(expr)
}

/// As [`check`]; of a condition also whether it can hold of one and not of another.
///
/// # Errors
/// As [`check`]; a condition that is a number, a text or a time; a text or a number beside `and` or `or`.
pub fn check_as(expr: &Expr, purpose: Purpose, model: &dyn Model) -> Result<Type, Problem> {
    let kind = check(expr, model)?;
    meaning::operands(expr)?;
    let is_value = matches!(kind, Type::Number | Type::Text | Type::Time);
    if purpose == Purpose::Condition && is_value {
        let problem = Problem::new(Code::WrongType, expr.at.clone(), format!("a condition, and not {kind}"));
        let hint = "compare it with something, as in … > 0".to_owned();
        return Err(Problem { hint: Some(hint), ..problem });
    }
    Ok(kind)
}
