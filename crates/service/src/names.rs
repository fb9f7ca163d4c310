//! The names of this crate's metrics. None carries a value of a person.

/// Links refused by a rule when evidence for them came, by `namespace` and `rule`.
pub const LINKS_HELD: &str = "tessera_links_held_total";
/// Operations in one mini-transaction.
pub const COMMIT_OPERATIONS: &str = "tessera_commit_operations";
/// Commits whose answer left open whether they happened.
pub const COMMITS_AMBIGUOUS: &str = "tessera_commits_ambiguous_total";
/// Profile reads answered by the cache of rendered views (`cache`: hit, miss).
pub const VIEW_READS: &str = "tessera_view_reads_total";
/// Attributes and events that do not fit the data model of their workspace, by `mode` (warn: stored, strict: refused) and `code`.
pub const MISFITS: &str = "tessera_misfits_total";
