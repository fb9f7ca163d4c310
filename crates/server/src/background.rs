//! Threads that work behind the requests: lanes, the committer, compaction. They give way to the threads that answer reads
//! when both want the same core.

use anyhow::{Context as _, Result};

/// How much they give way. At 5 a thread that answers gets three times the time of one that works behind.
const NICENESS: i32 = 5;

/// Builds something whose threads work in the background: on Linux a thread inherits how much it gives way from the one that
/// starts it.
pub(crate) fn build<T: Send>(make: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let maker = std::thread::Builder::new().name("tessera-build".to_owned());
        let maker = maker.spawn_scoped(scope, || {
            // Without the right to give way everything works, only less evenly.
            if let Err(error) = rustix::process::nice(NICENESS) {
                tracing::warn!(%error, "background threads cannot give way to the others");
            }
            make()
        });
        let made = maker.context("cannot start a thread")?.join();
        made.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The threads of lanes and background work. Whatever still runs there when this is dropped is left to itself: a runtime
/// may not be waited for inside another.
pub(crate) struct Lanes(Option<tokio::runtime::Runtime>);

impl Lanes {
    /// Starts the threads.
    pub(crate) fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("tessera-lane").enable_all().build();
        Ok(Self(Some(runtime.context("cannot start the lanes")?)))
    }

    /// Where tasks are started.
    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        self.0.as_ref().expect("only dropping takes the runtime").handle().clone()
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
