//! The names of our metrics.

/// Requests answered, by method, route and status.
pub const REQUESTS: &str = "tessera_http_requests_total";
/// How long an answer took, by route, in seconds, until its head was ready.
pub const REQUEST_SECONDS: &str = "tessera_http_request_seconds";
/// Requests under way.
pub const IN_FLIGHT: &str = "tessera_http_requests_in_flight";
/// Open connections.
pub const CONNECTIONS: &str = "tessera_http_connections";
/// Times that a connection could not be taken, mostly because no file descriptor is left.
pub const ACCEPTS_FAILED: &str = "tessera_http_accepts_failed_total";
/// Connections cut off, by reason.
pub const CONNECTIONS_CUT: &str = "tessera_http_connections_cut_total";
/// Requests refused by a limit, by whose limit it was and what it bounds.
pub const LIMITED: &str = "tessera_http_limited_total";
/// Requests that show no key or one that is none, by code.
pub const AUTHENTICATIONS_FAILED: &str = "tessera_http_authentications_failed_total";
/// Bytes in memory, by `part`: `bodies` of requests, and `answers` that clients have not taken yet.
pub use tessera_service::names::MEMORY_BYTES;
/// Events and records taken in, by door and verdict.
pub const FACTS: &str = "tessera_ingest_facts_total";
