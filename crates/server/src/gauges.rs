//! What the metrics say of the process that nobody counts while it happens: its memory part by part, how the store is, what workspaces hold.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use tessera_service::Service;
use tessera_service::names::MEMORY_BYTES;
use tessera_store::{Health, Store as _};
use tessera_store_lsm::LsmStore;

use crate::settings::{ByteSize, Settings};
use crate::world;

/// 1, with the version.
pub(crate) const BUILD_INFO: &str = "tessera_build_info";
/// When the process began.
pub(crate) const START_SECONDS: &str = "tessera_process_start_timestamp_seconds";
/// Bytes that a `part` may hold; of the `process`, the sum that settings share out.
pub(crate) const MEMORY_MAX_BYTES: &str = "tessera_memory_max_bytes";
/// Free bytes on the disk of the data folder; some seconds old.
pub(crate) const FREE_BYTES: &str = "tessera_store_free_bytes";
/// Bytes of that disk.
pub(crate) const TOTAL_BYTES: &str = "tessera_store_disk_bytes";
/// 1 for the `state` that the store is in (open; full: writes are refused; shut: reads too), 0 for the others.
pub(crate) const HEALTH: &str = "tessera_store_state";
/// Bytes of the files of the store, by `tree`.
pub(crate) const STORE_BYTES: &str = "tessera_store_files_bytes";
/// Tables of the store, by `tree` and `level`.
pub(crate) const STORE_TABLES: &str = "tessera_store_tables";
/// Journals of the store.
pub(crate) const STORE_JOURNALS: &str = "tessera_store_journals";
/// Compactions under way.
pub(crate) const COMPACTING: &str = "tessera_store_compactions_running";
/// Compactions that were done.
pub(crate) const COMPACTIONS: &str = "tessera_store_compactions_total";
/// Seconds that they took.
pub(crate) const COMPACTING_SECONDS: &str = "tessera_store_compacting_seconds_total";
/// Spans that a collector took.
pub(crate) const SPANS_SENT: &str = "tessera_otlp_spans_sent_total";
/// Spans that it did not take, or that came too fast.
pub(crate) const SPANS_DROPPED: &str = "tessera_otlp_spans_dropped_total";
/// Profiles, by `workspace`.
pub(crate) const WORKSPACE_PROFILES: &str = "tessera_workspace_profiles";
/// Events, by `workspace`.
pub(crate) const WORKSPACE_EVENTS: &str = "tessera_workspace_events";
/// Active segments, by `workspace`.
pub(crate) const WORKSPACE_SEGMENTS: &str = "tessera_workspace_segments";
/// Active computed attributes, by `workspace`.
pub(crate) const WORKSPACE_ATTRIBUTES: &str = "tessera_workspace_attributes";

/// Workspaces that are told by name: a label has no more values.
const WORKSPACES_MAX: usize = 100;

/// Those who are asked.
pub(crate) struct Gauges<'a> {
    store: &'a LsmStore,
    service: &'a Service,
    data: &'a Path,
    /// The workspaces that are told by name, the first that ran.
    told: Mutex<BTreeSet<String>>,
}

impl<'a> Gauges<'a> {
    pub(crate) fn new(store: &'a LsmStore, service: &'a Service, data: &'a Path) -> Self {
        Self { store, service, data, told: Mutex::default() }
    }

    /// Tells what does not change.
    pub(crate) fn begin(&self, settings: &Settings) {
        metrics::gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        metrics::gauge!(START_SECONDS).set(world::now().micros() as f64 / 1e6);
        let tell = |part: &'static str, size: ByteSize| {
            metrics::gauge!(MEMORY_MAX_BYTES, "part" => part).set(size.bytes() as f64);
        };
        tell("process", settings.memory);
        tell("bodies", settings.request_memory_bytes);
        tell("answers", settings.answer_memory_bytes);
        tell("queues", settings.queue_memory_bytes);
        tell("workspaces", settings.workspace_memory_bytes);
        tell("views", settings.view_cache_bytes);
        tell("records", settings.record_cache_bytes);
        tell("blocks", settings.store_cache_bytes);
        tell("write_buffers", settings.write_buffer_bytes);
    }

    /// Tells how much everything holds now, and how the store is.
    pub(crate) fn tell(&self) {
        let tell = |part: &'static str, bytes: u64| metrics::gauge!(MEMORY_BYTES, "part" => part).set(bytes as f64);
        let (service, store) = (self.service.held(), self.store.held());
        tell("views", service.views);
        tell("records", service.records);
        tell("workspaces", service.workspaces);
        tell("patterns", service.patterns);
        tell("blocks", store.blocks);
        tell("write_buffers", store.write_buffers);
        tell("recent_writes", store.recent_writes);
        tell("pinned_blocks", store.pinned);
        if let Some(stats) = memory_stats::memory_stats() {
            tell("process", stats.physical_mem as u64);
        }
        for (health, name) in [(Health::Open, "open"), (Health::Full, "full"), (Health::Shut, "shut")] {
            metrics::gauge!(HEALTH, "state" => name).set(f64::from(u8::from(self.store.health() == health)));
        }
        self.tell_disk();
    }

    fn tell_disk(&self) {
        if let Some(free_bytes) = self.store.free_bytes() {
            metrics::gauge!(FREE_BYTES).set(free_bytes as f64);
        }
        if let Ok(disk) = rustix::fs::statvfs(self.data) {
            metrics::gauge!(TOTAL_BYTES).set(disk.f_blocks.saturating_mul(disk.f_frsize) as f64);
        }
        // Of a store that is shut, what it was before stays.
        let Some(files) = self.store.files() else { return };
        metrics::gauge!(STORE_BYTES, "tree" => "journal").set(files.journal_bytes as f64);
        metrics::gauge!(STORE_JOURNALS).set(files.journals as f64);
        for tree in files.trees {
            metrics::gauge!(STORE_BYTES, "tree" => tree.name).set(tree.bytes as f64);
            for (level, tables) in tree.tables.iter().enumerate() {
                metrics::gauge!(STORE_TABLES, "tree" => tree.name, "level" => level.to_string()).set(*tables as f64);
            }
        }
        metrics::gauge!(COMPACTING).set(files.compacting as f64);
        metrics::counter!(COMPACTIONS).absolute(files.compactions as u64);
        metrics::counter!(COMPACTING_SECONDS).absolute(files.compacting_time.as_secs());
    }

    /// Tells what the workspaces that run hold: one short read for each.
    pub(crate) async fn tell_workspaces(&self) {
        for own in self.service.running_figures(WORKSPACES_MAX).await {
            let is_told = {
                let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                told.contains(&own.name) || (told.len() < WORKSPACES_MAX && told.insert(own.name.clone()))
            };
            if !is_told {
                continue;
            }
            let tell = |name: &'static str, count: u64| {
                metrics::gauge!(name, "workspace" => own.name.clone()).set(count as f64);
            };
            tell(WORKSPACE_PROFILES, own.profiles);
            tell(WORKSPACE_EVENTS, own.events);
            tell(WORKSPACE_SEGMENTS, own.segments);
            tell(WORKSPACE_ATTRIBUTES, own.attributes);
        }
    }
}
