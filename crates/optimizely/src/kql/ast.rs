//! What a query says, before it is known what its names are.

use std::sync::Arc;

use tessera_engine::time::Timestamp;
use tessera_expr::ast::{Arithmetic, Comparison};
use tessera_expr::value::Decimal;
use tessera_seam::answer::invalid;
use tessera_service::error::Error;
use tessera_service::queries::Sorting;
use tessera_service::queries::events::Measure;

/// A query: the table `Events`, and what is done with it.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Query {
    pub(super) stages: Vec<(usize, Stage)>,
    /// Texts that may be e-mail addresses.
    pub(super) addresses: Vec<String>,
}

/// A value under a name.
pub(super) type Named = (String, Term);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    Where(Term),
    Extend(Vec<Named>),
    Project(Vec<Named>),
    Summarize {
        measures: Vec<Measured>,
        by: Vec<Named>,
    },
    Order(Vec<(Term, Sorting)>),
    /// As an order and so many of the first.
    Top(usize, Vec<(Term, Sorting)>),
    Take(usize),
    Count,
}

/// A measure of `summarize`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) measure: Measure,
    pub(super) of: Option<Term>,
}

/// A value or a condition, and the byte at which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Term {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Kind {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
    Time(Timestamp),
    /// Microseconds.
    Span(i64),
    Now,
    /// A column, and names below it.
    Column(Vec<Arc<str>>),
    Negate(Box<Term>),
    Not(Box<Term>),
    And(Vec<Term>),
    Or(Vec<Term>),
    Compare(Comparison, Box<Term>, Box<Term>),
    Arithmetic(Arithmetic, Box<Term>, Box<Term>),
    /// A comparison of texts, or that it does not hold.
    OfTexts(OfTexts, bool, Box<Term>, Box<Term>),
    In {
        of: Box<Term>,
        list: Vec<Term>,
        minds_case: bool,
    },
    Between(Box<Term>, Box<Term>, Box<Term>),
    Call(Call, Vec<Term>),
}

/// How texts are compared, letters of any case being the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum OfTexts {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
    /// As a whole word.
    Has,
}

/// Functions of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Call {
    ToText,
    /// Without its fraction.
    ToWhole,
    ToNumber,
    IsNull,
    IsNotNull,
    IsEmpty,
    IsNotEmpty,
    /// One of two values.
    If,
}

/// What is wrong with a query, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Fault {
    pub(super) at: usize,
    pub(super) expected: String,
}

pub(super) fn fault(at: usize, expected: impl Into<String>) -> Fault {
    Fault { at, expected: expected.into() }
}

impl Fault {
    /// As an error about the member that the query stands in.
    pub(in super::super) fn into_error(self, text: &str) -> Error {
        let at = (0..=self.at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let character = text[..at].chars().count() + 1;
        invalid("kql_invalid", format!("Query: at character {character} {} is expected", self.expected))
    }
}

impl Term {
    pub(super) fn new(at: usize, kind: Kind) -> Self {
        Self { at, kind }
    }
}
