//! How much rules may take of a commit.

/// Work of rules: steps of their evaluation, and rows beside the records that come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleWork {
    /// Steps of evaluation, and of what it needs.
    pub steps: u64,
    /// Rows of members, counts and membership changes.
    pub rows: usize,
}

impl RuleWork {
    /// What one command may take. What is over it is put off: the profiles are late, and settled by the timers in parts.
    pub const COMMAND: Self = Self { steps: 2_000_000, rows: 5_000 };
    /// What all commands of a group may take together.
    pub const GROUP: Self = Self { steps: 20_000_000, rows: usize::MAX };
    /// One evaluation: with less, nobody who is late would ever be settled.
    pub const LEAST: Self = Self { steps: 1, rows: 1 };
    /// Nothing: everything is put off.
    pub const NOTHING: Self = Self { steps: 0, rows: 0 };
    /// As much as it takes, as for a read.
    pub const ENDLESS: Self = Self { steps: u64::MAX, rows: usize::MAX };

    /// The lesser of two, of steps and of rows.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self { steps: self.steps.min(other.steps), rows: self.rows.min(other.rows) }
    }

    /// What is left of it.
    #[must_use]
    pub fn without(self, spent: Self) -> Self {
        Self { steps: self.steps.saturating_sub(spent.steps), rows: self.rows.saturating_sub(spent.rows) }
    }

    /// Whether something may still be begun.
    #[must_use]
    pub const fn is_left(self) -> bool {
        self.steps > 0 && self.rows > 0
    }
}
