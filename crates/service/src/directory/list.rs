//! Parts of lists.

/// Which part of a list to answer.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// How many items: 1 to [`super::LIST_MAX`].
    pub limit: usize,
    /// Where an earlier page ended.
    pub cursor: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct ListPage<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}
