//! The names of this crate's metrics. None carries a value of a person.

/// Links refused by a rule when evidence for them came, by `namespace` and `rule`.
pub const LINKS_HELD: &str = "tessera_links_held_total";
/// Operations in one mini-transaction.
pub const COMMIT_OPERATIONS: &str = "tessera_commit_operations";
/// Rows of the feed that were dropped because they were too old, or too many.
pub const FEED_TRIMMED: &str = "tessera_feed_trimmed_rows_total";
/// Commits whose answer left open whether they happened.
pub const COMMITS_AMBIGUOUS: &str = "tessera_commits_ambiguous_total";
/// Profile reads answered by the cache of rendered views (`cache`: hit, miss).
pub const VIEW_READS: &str = "tessera_view_reads_total";
/// Attributes and events that do not fit the data model of their workspace, by `mode` (warn: stored, strict: refused) and `code`.
pub const MISFITS: &str = "tessera_misfits_total";
/// Bytes in memory, by `part`: those of this crate are the fields of [`Held`](crate::Held), and `queues` for writes that are submitted to lanes
/// and not answered, as they are once they are read.
pub const MEMORY_BYTES: &str = "tessera_memory_bytes";
/// Writes that were refused because too many waited, by `code` (queue_full: of their workspace, queues_full: in all).
pub const QUEUE_REFUSED: &str = "tessera_queue_refused_total";
/// Workspaces that run: that have a lane.
pub const LANES: &str = "tessera_lanes";
/// Lanes that ended because nobody used their workspace.
pub const LANES_ENDED: &str = "tessera_lanes_ended_total";
/// Profiles that were settled because a timer was due.
pub const TIMERS: &str = "tessera_timers_fired_total";
/// How late the oldest timer was that is being settled, in seconds; 0 when none is due.
pub const TIMERS_LAG_SECONDS: &str = "tessera_timers_lag_seconds";
/// Rules that were asked and wait for a thread of theirs.
pub const RULES_WAITING: &str = "tessera_rules_waiting";
/// Rules that were not asked because too many waited.
pub const RULES_REFUSED: &str = "tessera_rules_refused_total";
/// Queries of profiles that were not begun because others of their workspace, or too many of all, were under way.
pub const QUERIES_REFUSED: &str = "tessera_queries_refused_total";
/// Jobs that do steps at this moment.
pub const JOBS_RUNNING: &str = "tessera_jobs_running";
/// Jobs that wait for their turn.
pub const JOBS_QUEUED: &str = "tessera_jobs_queued";
/// How long the job that waits longest has waited for its turn; at most a minute old.
pub const JOBS_OLDEST_QUEUED_SECONDS: &str = "tessera_jobs_oldest_queued_seconds";
/// Jobs that ended, by `kind` and `outcome` (done, failed, cancelled).
pub const JOBS_ENDED: &str = "tessera_jobs_ended_total";
/// When the last job of a `kind` ended with an `outcome`, in seconds since 1970: the greatest is the last outcome.
pub const JOB_LAST_END_SECONDS: &str = "tessera_job_last_end_timestamp_seconds";
/// Requests that were not done and have no entry in the audit log, for their key had as many of these in the minute as are kept.
pub const AUDIT_LEFT_OUT: &str = "tessera_audit_left_out_total";
/// Entries of the audit log that could not be written.
pub const AUDIT_FAILED: &str = "tessera_audit_failed_total";
/// Entries of the audit log that were trimmed.
pub const AUDIT_TRIMMED: &str = "tessera_audit_trimmed_total";
/// How long one step of a job took, by `kind`, in seconds.
pub const JOB_STEP_SECONDS: &str = "tessera_job_step_seconds";
