//! Attributes as the tree that a reader gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Path, Value};

/// Attributes by the segments of their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// A value.
    Leaf(Value),
    /// What stands below each name.
    Node(BTreeMap<Arc<str>, Tree>),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Node(BTreeMap::new())
    }
}

impl Tree {
    /// A tree without attributes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a value at a path. It takes the place of whatever stood there, above or below: of `a` and `a.b` the one that
    /// was put last stays.
    pub fn insert(&mut self, path: &Path, value: Value) {
        let mut at = self;
        for segment in path.segments() {
            let children = at.children();
            if !children.contains_key(&*segment) {
                children.insert(Arc::from(&*segment), Self::new());
            }
            at = children.get_mut(&*segment).expect("it was there or was just put there");
        }
        *at = Self::Leaf(value);
    }

    /// Takes away what stands at a path and below it, inside lists too, and what is left empty by that.
    pub fn remove(&mut self, path: &Path) {
        let segments: Vec<_> = path.segments().collect();
        self.remove_below(&segments);
    }

    fn remove_below<S: AsRef<str>>(&mut self, segments: &[S]) {
        let Some((first, rest)) = segments.split_first() else { return };
        match self {
            Self::Leaf(value) => value.remove(segments),
            Self::Node(children) => {
                let Some(child) = children.get_mut(first.as_ref()) else { return };
                child.remove_below(rest);
                let is_empty = matches!(child, Self::Node(below) if below.is_empty());
                if rest.is_empty() || is_empty {
                    children.remove(first.as_ref());
                }
            }
        }
    }

    /// What stands below; a value gives way.
    fn children(&mut self) -> &mut BTreeMap<Arc<str>, Self> {
        if let Self::Leaf(_) = self {
            *self = Self::new();
        }
        match self {
            Self::Node(children) => children,
            Self::Leaf(_) => unreachable!("a leaf was just made a node"),
        }
    }
}
