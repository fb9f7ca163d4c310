//! What the service is built on.

use std::sync::Arc;

use tessera_engine::time::Timestamp;
use tessera_store::Store;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Fills bytes with random bits.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// What the service is built on: given at construction, so that nothing inside asks the world.
#[derive(Clone)]
pub struct Components {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The clock; below the server nothing else tells the time.
    pub clock: Clock,
    /// Random bits for ids and secrets.
    pub random: Random,
    /// Where lanes and background work run. Best apart from the threads that answer reads: a lane decides for milliseconds on
    /// end.
    pub tasks: tokio::runtime::Handle,
}
