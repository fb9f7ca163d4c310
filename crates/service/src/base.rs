//! What every room uses: errors, the codec of records, times and JSON as text, names of metrics.

pub mod clock;
pub mod codec;
pub(crate) mod components;
pub mod error;
pub(crate) mod held;
pub(crate) mod ids;
pub mod json;
pub(crate) mod keeper;
pub(crate) mod lock;
pub mod members;
pub mod names;
pub(crate) mod opened;
pub mod payload;
pub(crate) mod secrets;
pub(crate) mod settings;
pub(crate) mod store_error;
pub mod verdict;
pub mod wellknown;
