//! How large a value is when all of it is written out.

use super::{Tree, Value};

/// Lists, sets and objects in each other that a measured value may have.
const DEPTH_MAX: usize = 256;

/// How large something is, all of it written out: what is shared counts wherever it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Values, those inside others counted.
    pub items: usize,
    /// Bytes of texts and names, and about as many for the rest as JSON takes.
    pub bytes: usize,
}

impl std::ops::Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (items, bytes) = (self.items.saturating_add(other.items), self.bytes.saturating_add(other.bytes));
        Self { items, bytes }
    }
}

/// What is measured is larger than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Size {
    pub(crate) fn add_one(&mut self, bytes: usize, max: Self) -> Result<(), TooLarge> {
        self.items += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.items > max.items || self.bytes > max.bytes { Err(TooLarge) } else { Ok(()) }
    }

    /// Adds a value and what is in it. Looks at no more of it than there may be: values that share their parts may be far larger
    /// than the memory that they take.
    pub(crate) fn add_value(&mut self, value: &Value, max: Self) -> Result<(), TooLarge> {
        self.add_inner(value, max, DEPTH_MAX)
    }

    fn add_inner(&mut self, value: &Value, max: Self, depth_left: usize) -> Result<(), TooLarge> {
        match value {
            Value::Null => self.add_one(4, max),
            Value::Bool(_) => self.add_one(5, max),
            Value::Number(_) => self.add_one(8, max),
            Value::Timestamp(_) => self.add_one(24, max),
            Value::Text(text) => self.add_one(text.len() + 2, max),
            Value::List(items) | Value::Set(items) => {
                let depth_left = depth_left.checked_sub(1).ok_or(TooLarge)?;
                self.add_one(2, max)?;
                items.iter().try_for_each(|item| self.add_inner(item, max, depth_left))
            }
            Value::Object(members) => {
                let depth_left = depth_left.checked_sub(1).ok_or(TooLarge)?;
                self.add_one(2, max)?;
                members.iter().try_for_each(|(name, member)| {
                    self.bytes = self.bytes.saturating_add(name.len() + 4);
                    self.add_inner(member, max, depth_left)
                })
            }
        }
    }

    pub(crate) fn add_tree(&mut self, tree: &Tree, max: Self) -> Result<(), TooLarge> {
        match tree {
            Tree::Leaf(value) => self.add_value(value, max),
            Tree::Node(children) => {
                self.add_one(2, max)?;
                children.iter().try_for_each(|(name, child)| {
                    self.bytes = self.bytes.saturating_add(name.len() + 4);
                    self.add_tree(child, max)
                })
            }
        }
    }
}

impl Value {
    /// How large it is; none if it is larger than this.
    #[must_use]
    pub fn size_within(&self, max: Size) -> Option<Size> {
        let mut size = Size::default();
        size.add_value(self, max).ok().map(|()| size)
    }
}
