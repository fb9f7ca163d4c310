//! Work of the service itself: jobs and their kinds, timers, sweeps, purges, backups, checks.

pub(crate) mod activations;
pub(crate) mod audited;
pub mod backups;
pub(crate) mod changes;
pub mod check;
pub mod contradictions;
pub(crate) mod exports;
pub(crate) mod keeper;
pub(crate) mod kind;
pub(crate) mod kinds;
pub(crate) mod leaps;
pub(crate) mod refresh;
pub(crate) mod runner;
pub(crate) mod runs;
pub(crate) mod schedules;
pub(crate) mod service;
pub(crate) mod sweeping;
pub(crate) mod timers;
pub(crate) mod uploads;
pub mod walks;
pub(crate) mod worker;
