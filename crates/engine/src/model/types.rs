//! The types of the data model, and which values are of them. Nothing is ever converted: a value is of a type or it is not.

use std::fmt;

use super::iso;
use crate::value::Value;

/// The type of one value, or of a member of a set or a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scalar {
    /// Any text.
    Text,
    /// Any number. A text that spells one is none.
    Number,
    /// A number without fraction; `1.0` is one, for JSON does not tell it from `1`.
    Integer,
    /// True or false; neither `0` and `1` nor texts.
    Boolean,
    /// A text that names a day: `2026-02-28`.
    Date,
    /// An instant, or a text that names one with its offset as RFC 3339 writes it: `2026-02-28T09:30:00Z`.
    DateTime,
}

impl Scalar {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] = [Self::Text, Self::Number, Self::Integer, Self::Boolean, Self::Date, Self::DateTime];

    /// Its name in requests and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::DateTime => "date_time",
        }
    }

    /// The scalar of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scalar| scalar.name() == name)
    }

    /// Whether a value is of this type. Null is of none.
    #[must_use]
    pub fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text, Value::Text(_))
            | (Self::Number, Value::Number(_))
            | (Self::Boolean, Value::Bool(_))
            | (Self::DateTime, Value::Timestamp(_)) => true,
            (Self::Integer, Value::Number(number)) => number.is_integer(),
            (Self::Date, Value::Text(text)) => iso::is_date(text),
            (Self::DateTime, Value::Text(text)) => iso::is_date_time(text),
            (Self::Text | Self::Number | Self::Integer | Self::Boolean | Self::Date | Self::DateTime, _) => false,
        }
    }
}

/// The type of an attribute or a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// One value.
    Scalar(Scalar),
    /// Distinct scalar values without order. A JSON list is one when none of its items stands twice; numbers are distinct by
    /// what they are, not by their spelling.
    Set {
        /// What each member is; any scalar where it is left open.
        of: Option<Scalar>,
    },
    /// Values in their order.
    List {
        /// What each item is; anything where it is left open.
        of: Option<Scalar>,
    },
    /// Named values. What lies below may be registered too; what is not is of any type.
    Object,
}

impl Type {
    /// Its name, without what its members are.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar(scalar) => scalar.name(),
            Self::Set { .. } => "set",
            Self::List { .. } => "list",
            Self::Object => "object",
        }
    }

    /// What its members are, for a set or a list that says so.
    #[must_use]
    pub const fn of(self) -> Option<Scalar> {
        match self {
            Self::Set { of } | Self::List { of } => of,
            Self::Scalar(_) | Self::Object => None,
        }
    }

    /// Whether a value is of this type. Null is of every type, since it removes.
    #[must_use]
    pub fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) => true,
            (Self::Scalar(scalar), _) => scalar.holds(value),
            (Self::Set { of }, Value::Set(members)) => members.iter().all(|member| Self::is_member(of, member)),
            (Self::Set { of }, Value::List(items)) => {
                items.iter().all(|item| Self::is_member(of, item)) && are_distinct(items)
            }
            (Self::List { of }, Value::List(items)) => {
                of.is_none_or(|scalar| items.iter().all(|item| scalar.holds(item)))
            }
            (Self::Object, Value::Object(_)) => true,
            (Self::Set { .. } | Self::List { .. } | Self::Object, _) => false,
        }
    }

    /// Whether a value may be a member of a set of these.
    #[must_use]
    pub fn is_member(of: Option<Scalar>, value: &Value) -> bool {
        match of {
            Some(scalar) => scalar.holds(value),
            None => Kind::of(value).is_scalar(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of() {
            Some(of) => write!(f, "{} of {}", self.name(), of.name()),
            None => f.write_str(self.name()),
        }
    }
}

fn are_distinct(items: &[Value]) -> bool {
    let mut sorted: Vec<&Value> = items.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] != pair[1])
}

/// What a value is: the narrowest type that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nothing.
    Null,
    /// True or false.
    Boolean,
    /// A number without fraction.
    Integer,
    /// A number with one.
    Number,
    /// A text that is neither a date nor an instant.
    Text,
    /// A text that names a day.
    Date,
    /// An instant, or a text that names one.
    DateTime,
    /// A set.
    Set,
    /// A list.
    List,
    /// An object.
    Object,
}

impl Kind {
    /// All of them. Their places are part of stored records.
    pub const ALL: [Self; 10] = [
        Self::Null,
        Self::Boolean,
        Self::Integer,
        Self::Number,
        Self::Text,
        Self::Date,
        Self::DateTime,
        Self::Set,
        Self::List,
        Self::Object,
    ];

    /// What a value is.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_integer() => Self::Integer,
            Value::Number(_) => Self::Number,
            Value::Text(text) if iso::is_date(text) => Self::Date,
            Value::Text(text) if iso::is_date_time(text) => Self::DateTime,
            Value::Text(_) => Self::Text,
            Value::Timestamp(_) => Self::DateTime,
            Value::List(_) => Self::List,
            Value::Set(_) => Self::Set,
            Value::Object(_) => Self::Object,
        }
    }

    /// Its name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Text => "text",
            Self::Date => "date",
            Self::DateTime => "date_time",
            Self::Set => "set",
            Self::List => "list",
            Self::Object => "object",
        }
    }

    /// Whether it is one value that may be a member of a set.
    #[must_use]
    pub const fn is_scalar(self) -> bool {
        match self {
            Self::Boolean | Self::Integer | Self::Number | Self::Text | Self::Date | Self::DateTime => true,
            Self::Null | Self::Set | Self::List | Self::Object => false,
        }
    }
}
