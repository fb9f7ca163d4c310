//! Registered paths as a tree, so that one walk along a path finds what is registered for it.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::value::Path;

/// What is registered at a path and below it.
#[derive(Debug, Clone)]
pub(super) struct Shape<T> {
    own: Option<Arc<T>>,
    below: HashMap<Arc<str>, Shape<T>>,
}

/// What is registered for a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a, T> {
    /// The path itself.
    Own(&'a T),
    /// Not the path, but this one above it, the nearest.
    Above(&'a T),
    /// Only paths below it.
    Below,
    /// Nothing.
    Nothing,
}

impl<T> Default for Shape<T> {
    fn default() -> Self {
        Self { own: None, below: HashMap::new() }
    }
}

impl<T> Shape<T> {
    pub(super) fn put(&mut self, path: &Path, own: Arc<T>) {
        let mut at = self;
        for segment in path.segments() {
            at = at.below.entry(Arc::from(&*segment)).or_default();
        }
        at.own = Some(own);
    }

    pub(super) fn find(&self, path: &Path) -> Found<'_, T> {
        let (mut at, mut above) = (self, None);
        for segment in path.segments() {
            above = at.own().or(above);
            match at.child(&segment) {
                Some(child) => at = child,
                None => return above.map_or(Found::Nothing, Found::Above),
            }
        }
        at.own().map_or(Found::Below, Found::Own)
    }

    /// What is registered on the way to a path, itself included, the outermost first.
    pub(super) fn along<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a T> {
        let mut at = Some(self);
        path.segments()
            .map_while(move |segment| {
                at = at.and_then(|shape| shape.child(&segment));
                at
            })
            .filter_map(Self::own)
    }

    pub(super) fn child(&self, segment: &str) -> Option<&Self> {
        self.below.get(segment)
    }

    pub(super) fn own(&self) -> Option<&T> {
        self.own.as_deref()
    }
}
