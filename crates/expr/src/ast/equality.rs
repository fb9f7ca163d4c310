//! Equality that looks into lists, as several languages have it and PQL spells out.

use super::{Comparison, Expr, Function, Node};
use crate::problem::Place;

impl Expr {
    /// Something is equal to a value, or is a list that has it: `a = v or a.exists(this = v)`.
    #[must_use]
    pub fn is_or_has(of: Self, value: Self, at: Place) -> Self {
        let equal = |left: Self, right: Self| {
            Self::at(Node::Compare(Comparison::Equal, Box::new(left), Box::new(right)), at.clone())
        };
        let item = Self::at(Node::Context(0), at.clone());
        let arguments = vec![of.clone(), equal(item, value.clone())];
        let has = Self::at(Node::Call { function: Function::Exists, arguments }, at.clone());
        Self::or(vec![equal(of, value), has], at)
    }

    /// What the first two of these alternatives compare, if they are those of [`Expr::is_or_has`].
    #[must_use]
    pub fn as_is_or_has(alternatives: &[Self]) -> Option<(&Self, &Self)> {
        let [equal, has, ..] = alternatives else { return None };
        let Node::Compare(Comparison::Equal, of, value) = &equal.node else { return None };
        let Node::Call { function: Function::Exists, arguments } = &has.node else { return None };
        let [list, Self { node: Node::Compare(Comparison::Equal, item, same), .. }] = &arguments[..] else {
            return None;
        };
        (list == &**of && item.node == Node::Context(0) && same == value).then_some((of, value))
    }
}
