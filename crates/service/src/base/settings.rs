//! What an operator may turn.

use std::fmt;
use std::sync::Arc;

use tessera_connect::{Connect, Connectors};

use crate::base::secrets::Secrets;

/// Figures that an operator may turn.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bytes of rendered views kept in memory; 0 turns the cache off.
    pub view_cache_bytes: u64,
    /// Bytes of decoded records that all lanes together keep in memory.
    pub record_cache_bytes: u64,
    /// Bytes of writes that wait in lanes, as they are once they are read; a workspace has at most half of it.
    pub queue_bytes: u64,
    /// Bytes that configurations and whatever else running workspaces hold beside the caches may take, about.
    pub workspace_bytes: u64,
    /// Seconds after which a workspace that nobody uses gives back what it holds.
    pub lane_idle_secs: u32,
    /// Seconds that what was erased stays on disk at most before it is purged from the files of the store, which are rewritten for
    /// it. 0 purges at once.
    pub purge_interval_secs: u32,
    /// The folder in which backups are made while the store is in use; without it there are none.
    pub backup_folder: Option<std::path::PathBuf>,
    /// The folder in which files lie that callers hand over, and nothing else; without it one of the system's own.
    pub upload_folder: Option<std::path::PathBuf>,
    /// Days that changes of memberships are kept.
    pub turns_days_max: u32,
    /// How much of the audit log is kept.
    pub audit: AuditBounds,
    /// How much of the feed is kept.
    pub feed: FeedBounds,
    /// Events of an identity that its record tells windows, at most; for others its timeline is read.
    pub tail_events_max: usize,
    /// Whether computed attributes and segments are left alone: nobody evaluates them, and what depends on them says so.
    pub without_rules: bool,
    /// How sources are reached.
    pub sources: SourceSettings,
}

/// How sources are reached.
#[derive(Clone)]
pub struct SourceSettings {
    /// What opens connections.
    pub connectors: Arc<dyn Connect>,
    /// What seals and finds their secrets.
    pub secrets: Secrets,
}

impl fmt::Debug for SourceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceSettings({:?})", self.secrets)
    }
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self { connectors: Arc::new(Connectors::default()), secrets: Secrets::default() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            view_cache_bytes: 256 << 20,
            record_cache_bytes: 256 << 20,
            queue_bytes: 128 << 20,
            workspace_bytes: 256 << 20,
            lane_idle_secs: 300,
            purge_interval_secs: 86_400,
            backup_folder: None,
            upload_folder: None,
            turns_days_max: 400,
            audit: AuditBounds::default(),
            feed: FeedBounds::default(),
            tail_events_max: tessera_engine::aggregate::Bounds::default().tail_events_max,
            without_rules: false,
            sources: SourceSettings::default(),
        }
    }
}

/// How much of the audit log is kept of each organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditBounds {
    /// Days that an entry is kept. Default 400.
    pub days_max: u32,
    /// Bytes of entries; beyond them, to a sixteenth, the oldest go. Default 64 MiB: about 250,000 entries.
    pub bytes_max: u64,
}

impl Default for AuditBounds {
    fn default() -> Self {
        Self { days_max: 400, bytes_max: 64 << 20 }
    }
}

/// How much of the feed is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedBounds {
    /// Seconds that a row is kept at most.
    pub secs_max: u32,
    /// Bytes of rows that are kept at most.
    pub bytes_max: u64,
}

impl Default for FeedBounds {
    fn default() -> Self {
        Self { secs_max: 7 * 86_400, bytes_max: 10 << 30 }
    }
}

impl FeedBounds {
    pub(crate) fn micros_max(self) -> i64 {
        i64::from(self.secs_max) * 1_000_000
    }
}
