//! What the metrics say of the process: its memory part by part, and how the store is.

use tessera_service::Service;
use tessera_service::names::MEMORY_BYTES;
use tessera_store::{Health, Store as _};
use tessera_store_lsm::LsmStore;

use crate::settings::{ByteSize, Settings};

/// Bytes that a `part` may hold; of the `process`, the sum that settings share out.
const MEMORY_MAX_BYTES: &str = "tessera_memory_max_bytes";
/// Free bytes on the disk of the data folder; some seconds old.
const FREE_BYTES: &str = "tessera_store_free_bytes";
/// 1 for the `state` that the store is in (open; full: writes are refused; shut: reads too), 0 for the others.
const HEALTH: &str = "tessera_store_state";

/// Those who are asked.
pub(crate) struct Gauges<'a> {
    pub(crate) store: &'a LsmStore,
    pub(crate) service: &'a Service,
}

impl Gauges<'_> {
    /// Tells what does not change.
    pub(crate) fn begin(&self, settings: &Settings) {
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
        if let Some(free_bytes) = self.store.free_bytes() {
            metrics::gauge!(FREE_BYTES).set(free_bytes as f64);
        }
        for (health, name) in [(Health::Open, "open"), (Health::Full, "full"), (Health::Shut, "shut")] {
            metrics::gauge!(HEALTH, "state" => name).set(f64::from(u8::from(self.store.health() == health)));
        }
    }
}
