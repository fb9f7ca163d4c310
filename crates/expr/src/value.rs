//! What attributes hold: values, the paths they stand at, and the tree that they make for output.
//!
//! Start reading at [`Value`]. Numbers are decimals ([`Decimal`]), never doubles, so that sums are exact.

use std::fmt;
use std::sync::Arc;

use crate::time::Timestamp;

mod decimal;
mod member;
mod path;
mod size;
mod tree;

#[cfg(test)]
mod tests;

pub use decimal::{Decimal, NumberError};
pub use member::InvalidMember;
pub use path::{InvalidPath, Path};
pub use size::Size;
pub use tree::Tree;

pub(crate) use size::TooLarge;

/// The value of one attribute.
///
/// Its order is total: by kind as declared here, then by content. Where values tie "by bytes", this order decides.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Nothing; in a fact it removes.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Decimal),
    /// A text.
    Text(Arc<str>),
    /// An instant.
    Timestamp(Timestamp),
    /// Values in their order.
    List(Arc<[Value]>),
    /// Distinct values, sorted: made by [`Value::set`] only.
    Set(Arc<[Value]>),
    /// Named values, sorted by name, each name once: made by [`Value::object`] only. It stands inside a list, or is a leaf
    /// when empty; elsewhere its members are attributes with paths of their own.
    Object(Arc<[(Arc<str>, Value)]>),
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// The set of these values.
    #[must_use]
    pub fn set(mut values: Vec<Self>) -> Self {
        values.sort_unstable();
        values.dedup();
        Self::Set(values.into())
    }

    /// The object of these members; of several of one name the last one counts.
    #[must_use]
    pub fn object(mut members: Vec<(Arc<str>, Self)>) -> Self {
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        // `dedup_by` keeps the first of equals and shows it as its second argument: move the later value into it.
        members.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(&mut later.1, &mut kept.1);
            }
            same
        });
        Self::Object(members.into())
    }

    /// Takes away the member at the end of these names, in each item of a list.
    pub fn remove<S: AsRef<str>>(&mut self, names: &[S]) {
        let Some((first, rest)) = names.split_first() else { return };
        match self {
            Self::Object(members) => {
                let mut kept = members.to_vec();
                if rest.is_empty() {
                    kept.retain(|(name, _)| **name != *first.as_ref());
                } else {
                    for (_, value) in kept.iter_mut().filter(|(name, _)| **name == *first.as_ref()) {
                        value.remove(rest);
                    }
                }
                *members = kept.into();
            }
            Self::List(items) | Self::Set(items) => {
                let mut kept = items.to_vec();
                kept.iter_mut().for_each(|item| item.remove(names));
                *items = kept.into();
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Timestamp(_) => {}
        }
    }

    /// At most so many bytes are needed to store it.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        const KIND: usize = 1;
        const LENGTH: usize = 5;
        match self {
            Self::Null => KIND,
            Self::Bool(_) => KIND + 1,
            Self::Number(_) => KIND + 19,
            Self::Text(text) => KIND + LENGTH + text.len(),
            Self::Timestamp(_) => KIND + 10,
            Self::List(items) | Self::Set(items) => KIND + LENGTH + items.iter().map(Self::size_bytes).sum::<usize>(),
            Self::Object(members) => {
                let bytes = |(name, value): &(Arc<str>, Self)| LENGTH + name.len() + value.size_bytes();
                KIND + LENGTH + members.iter().map(bytes).sum::<usize>()
            }
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool(***)",
            Self::Number(_) => "Number(***)",
            Self::Text(_) => "Text(***)",
            Self::Timestamp(_) => "Timestamp(***)",
            Self::List(_) => "List(***)",
            Self::Set(_) => "Set(***)",
            Self::Object(_) => "Object(***)",
        })
    }
}
