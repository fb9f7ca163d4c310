//! What the process holds in memory, part by part.

/// Bytes in memory, part by part. What waits in lanes is told by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Rendered profiles, at most [`Settings::view_cache_bytes`](crate::Settings::view_cache_bytes).
    pub views: u64,
    /// Decoded records of all lanes, at most [`Settings::record_cache_bytes`](crate::Settings::record_cache_bytes).
    pub records: u64,
    /// Configurations of running workspaces and what was seen there, at most about
    /// [`Settings::workspace_bytes`](crate::Settings::workspace_bytes).
    pub workspaces: u64,
    /// Compiled patterns of rules, at most [`PATTERNS_BYTES_MAX`](tessera_expr::limits::PATTERNS_BYTES_MAX).
    pub patterns: u64,
}

/// What a cache holds for an entry of this size beside what the entry holds: its place among the others with room to grow, and its hash.
pub(crate) const fn place(bytes: usize) -> usize {
    const AROUND: usize = 24;
    const HASHES: usize = 24;
    (bytes + AROUND) * 4 / 3 + HASHES
}
