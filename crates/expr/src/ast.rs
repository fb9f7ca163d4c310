//! The one tree that every spelling of a rule becomes.
//!
//! Names are resolved: a name that stands alone is a [`Node::Variable`] where one is bound, and otherwise the member of that name
//! of what the rule speaks of at that place, [`Node::Context`]. At the top that is the profile; a filter, and the body of a
//! function over a list, speak of one item.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::problem::Place;
use crate::value::Decimal;

mod equality;
mod function;
mod time;
mod walk;

pub use function::{Argument, Form, Function, Spec};
pub use time::{Moment, Side, Unit, When, Which};

/// A name of an attribute, a property, a variable or a segment.
pub type Name = Arc<str>;

/// A node and where it was read. Equal are trees that say the same, wherever they were read.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it says.
    pub node: Node,
    /// Where it stands.
    pub at: Place,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl Eq for Expr {}

/// What a node says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A value written out.
    Literal(Literal),
    /// What the rule speaks of here: 0 is the innermost, 1 what is around that, and so on to the profile.
    Context(u32),
    /// The profile, from wherever.
    Profile,
    /// The events of the profile, oldest first.
    Events,
    /// What `let`, a binding or a lambda has named.
    Variable(Name),
    /// What stands at these names below something; through lists, of each item.
    Path {
        /// Below what.
        of: Box<Expr>,
        /// At least one name.
        names: Vec<Name>,
    },
    /// An instant that every evaluation has.
    Word(Word),
    /// The opposite.
    Not(Box<Expr>),
    /// All of two or more hold. None of them is an `And` itself: [`Expr::and`] sees to it.
    And(Vec<Expr>),
    /// One of two or more holds. None of them is an `Or` itself: [`Expr::or`] sees to it.
    Or(Vec<Expr>),
    /// A comparison.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// An operation on two numbers.
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// The number with the other sign.
    Negate(Box<Expr>),
    /// One of two values.
    If {
        /// What decides.
        test: Box<Expr>,
        /// The value when it holds.
        then: Box<Expr>,
        /// The value when it does not.
        otherwise: Box<Expr>,
    },
    /// A list written out.
    List(Vec<Expr>),
    /// An object written out; names may repeat, and then the last one counts.
    Object(Vec<(Name, Expr)>),
    /// The items of a list for which a condition holds.
    Filter {
        /// The list.
        list: Box<Expr>,
        /// The condition, which speaks of one item.
        condition: Box<Expr>,
    },
    /// A function. The receiver of a method is its first argument.
    Call {
        /// Which one.
        function: Function,
        /// As many as its [`Spec`] says.
        arguments: Vec<Expr>,
    },
    /// A body with names for what it is applied to; stands as an argument that is a body, and nowhere else.
    Lambda {
        /// The names.
        names: Vec<Name>,
        /// What is computed.
        body: Box<Expr>,
    },
    /// Whether an instant lies within a time.
    Occurs {
        /// The instant.
        subject: Box<Expr>,
        /// The time.
        when: When,
    },
    /// Combinations of items, each binding seeing those before it: of one binding the items, of several objects of them.
    Select(Vec<Binding>),
    /// Whether one of the combinations, or each, meets all conditions.
    Quantifier(Quantifier, Vec<Binding>),
    /// An aggregate over combinations.
    Fold {
        /// Sum, average, min or max.
        function: Function,
        /// What is aggregated; none with one binding, whose items it then is.
        value: Option<Box<Expr>>,
        /// The combinations.
        bindings: Vec<Binding>,
    },
    /// A name for a value.
    Let {
        /// The name.
        name: Name,
        /// The value.
        value: Box<Expr>,
        /// Where the name holds.
        body: Box<Expr>,
    },
    /// Whether events came in an order.
    Chain {
        /// The events.
        events: Box<Expr>,
        /// What orders them, seen from one event.
        order: Box<Expr>,
        /// What must have come, in this order; at least one.
        steps: Vec<Step>,
    },
    /// An aggregate that may be kept; made by [`crate::rule::Rule`] only.
    Kept {
        /// Its place in the plan.
        index: usize,
        /// What it stands for.
        naive: Box<Expr>,
    },
}

/// A value written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Decimal),
    /// A text.
    Text(Arc<str>),
}

/// An instant that every evaluation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// The instant of the evaluation.
    Now,
    /// The day of the evaluation.
    Today,
    /// The day before.
    Yesterday,
    /// The day after.
    Tomorrow,
}

impl Word {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Today => "today",
            Self::Yesterday => "yesterday",
            Self::Tomorrow => "tomorrow",
        }
    }
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// Not equal, both being there.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEqual,
}

impl Comparison {
    /// Whether it holds of two values in this order.
    #[must_use]
    pub const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterEqual => order.is_ge(),
        }
    }

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }

    /// The same comparison with its sides exchanged.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
        }
    }
}

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// The sum.
    Add,
    /// The difference.
    Subtract,
    /// The product.
    Multiply,
    /// The quotient; of two maps that of each key.
    Divide,
    /// What is left over, with the sign of the dividend.
    Remainder,
}

impl Arithmetic {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// Which combinations must meet the conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// One of them.
    Exists,
    /// Each.
    ForAll,
}

/// A name for each item of a list in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The name.
    pub name: Name,
    /// The list; sees the bindings before it.
    pub list: Expr,
    /// What must hold; sees this binding too.
    pub condition: Option<Expr>,
}

/// One step of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its label.
    pub label: Name,
    /// What the event is; speaks of the event.
    pub what: Expr,
    /// When it was.
    pub when: Option<When>,
    /// What must hold besides; speaks of the event.
    pub condition: Option<Expr>,
    /// How many events there must be, at least 1.
    pub count: u32,
}

impl Expr {
    /// A node that was not read from anywhere.
    #[must_use]
    pub const fn new(node: Node) -> Self {
        Self { node, at: Place::Nowhere }
    }

    /// A node and its place.
    #[must_use]
    pub const fn at(node: Node, at: Place) -> Self {
        Self { node, at }
    }

    /// The value of this for the first event of a profile, where it speaks of an event.
    #[must_use]
    pub fn of_first_event(self) -> Self {
        let arguments = vec![Self::new(Node::Events), self];
        let all = Self::new(Node::Call { function: Function::Map, arguments });
        Self::new(Node::Call { function: Function::Head, arguments: vec![all] })
    }

    /// What this computes of the first event of a profile, where it is made by [`Self::of_first_event`].
    #[must_use]
    pub fn first_event_value(&self) -> Option<&Self> {
        let Node::Call { function: Function::Head, arguments } = &self.node else { return None };
        let [Self { node: Node::Call { function: Function::Map, arguments }, .. }] = &arguments[..] else {
            return None;
        };
        match &arguments[..] {
            [Self { node: Node::Events, .. }, value] => Some(value),
            _ => None,
        }
    }

    /// All of these; one alone is itself. What is an `and` itself is taken apart.
    #[must_use]
    pub fn and(parts: Vec<Self>, at: Place) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part.node {
                Node::And(inner) => flat.extend(inner),
                _ => flat.push(part),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::at(Node::And(flat), at) }
    }

    /// One of these; one alone is itself. What is an `or` itself is taken apart.
    #[must_use]
    pub fn or(parts: Vec<Self>, at: Place) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part.node {
                Node::Or(inner) => flat.extend(inner),
                _ => flat.push(part),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::at(Node::Or(flat), at) }
    }

    /// What stands at a name below this.
    #[must_use]
    pub fn member(self, name: Name, at: Place) -> Self {
        match self.node {
            Node::Path { of, mut names } => {
                names.push(name);
                Self::at(Node::Path { of, names }, at)
            }
            node => Self::at(Node::Path { of: Box::new(Self::at(node, self.at)), names: vec![name] }, at),
        }
    }

    /// A text written out.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(Node::Literal(Literal::Text(text.into())))
    }
}
