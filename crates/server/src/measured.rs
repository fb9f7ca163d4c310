//! Every metric of the process: its name, what it is, and what it tells. What `/metrics` says of each, the table in the operators' guide, the
//! dashboard and the alert rules are all held to this list by tests.

use tessera_api::names as api;
use tessera_service::names as service;

use crate::gauges;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows while the process runs.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often something lay below bounds.
    Histogram,
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) kind: Kind,
    /// The names of its labels.
    pub(crate) labels: &'static [&'static str],
    /// What it tells.
    pub(crate) help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Measured {
    Measured { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Measured {
    Measured { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Measured {
    Measured { name, kind: Kind::Histogram, labels, help }
}

/// All of them, as the guide shows them.
pub(crate) const ALL: &[Measured] = &[
    gauge(gauges::BUILD_INFO, &["version"], "1, with the version of the server"),
    gauge(gauges::START_SECONDS, &[], "When the process began, in seconds since 1970"),
    counter(api::REQUESTS, &["method", "route", "status"], "Requests that were answered"),
    histogram(api::REQUEST_SECONDS, &["route"], "Seconds until the head of an answer was ready"),
    gauge(api::IN_FLIGHT, &[], "Requests under way"),
    gauge(api::CONNECTIONS, &[], "Open connections"),
    counter(
        api::ACCEPTS_FAILED,
        &[],
        "Times that a connection could not be taken, mostly because no file descriptor was left",
    ),
    counter(api::CONNECTIONS_CUT, &["reason"], "Connections that were cut off"),
    counter(api::LIMITED, &["subject", "code"], "Requests refused by a limit, by whose limit it was"),
    counter(api::AUTHENTICATIONS_FAILED, &["code"], "Requests with no key or with one that is none"),
    counter(api::FACTS, &["door", "verdict"], "Events and records that came"),
    histogram(service::COMMIT_OPERATIONS, &[], "Rows in one commit of a lane"),
    counter(service::COMMITS_AMBIGUOUS, &[], "Commits whose answer left open whether they happened"),
    counter(service::LINKS_HELD, &["namespace", "rule"], "Links refused by a rule when evidence for them came"),
    counter(service::MISFITS, &["mode", "code"], "Attributes and events that do not fit the data model"),
    counter(service::VIEW_READS, &["cache"], "Profile reads, by whether the cache of rendered profiles had them"),
    counter(service::QUEUE_REFUSED, &["code"], "Writes refused because too many waited"),
    gauge(service::LANES, &[], "Workspaces that run"),
    counter(service::LANES_ENDED, &[], "Workspaces that ended because nobody used them"),
    counter(service::TIMERS, &[], "Profiles that were settled because a timer was due"),
    gauge(service::TIMERS_LAG_SECONDS, &[], "How late the oldest timer is that is being settled, in seconds"),
    gauge(service::RULES_WAITING, &[], "Rules that were asked and wait for a thread"),
    counter(service::RULES_REFUSED, &[], "Rules that were not asked because too many waited"),
    counter(service::QUERIES_REFUSED, &[], "Queries that were not begun because others were under way"),
    gauge(service::JOBS_RUNNING, &[], "Jobs that do steps now"),
    gauge(service::JOBS_QUEUED, &[], "Jobs that wait for their turn"),
    gauge(service::JOBS_OLDEST_QUEUED_SECONDS, &[], "How long the job that waits longest has waited, in seconds"),
    counter(service::JOBS_ENDED, &["kind", "outcome"], "Jobs that ended"),
    gauge(
        service::JOB_LAST_END_SECONDS,
        &["kind", "outcome"],
        "When the last job of a kind ended so, in seconds since 1970",
    ),
    histogram(service::JOB_STEP_SECONDS, &["kind"], "Seconds that one step of a job took"),
    counter(service::FEED_TRIMMED, &[], "Rows of the feed that were dropped because they were too old or too many"),
    counter(
        service::AUDIT_LEFT_OUT,
        &[],
        "Requests that were not done and have no entry in the audit log, because their key had ten in the minute",
    ),
    counter(service::AUDIT_FAILED, &[], "Entries of the audit log that could not be written"),
    counter(
        service::AUDIT_TRIMMED,
        &[],
        "Entries of the audit log that were dropped because they were too old or too many",
    ),
    gauge(service::MEMORY_BYTES, &["part"], "Bytes of memory that a part of the process holds; `process` is all of it"),
    gauge(gauges::MEMORY_MAX_BYTES, &["part"], "Bytes of memory that a part may hold"),
    gauge(
        gauges::HEALTH,
        &["state"],
        "1 for the state that the store is in (open; full: no writes; shut: no reads either), 0 for the others",
    ),
    gauge(gauges::FREE_BYTES, &[], "Free bytes on the disk of the data folder"),
    gauge(gauges::TOTAL_BYTES, &[], "Bytes of the disk of the data folder"),
    gauge(gauges::STORE_BYTES, &["tree"], "Bytes of the files of the store; `journal` is what was written last"),
    gauge(
        gauges::STORE_TABLES,
        &["tree", "level"],
        "Tables of the store, by level; many in level 0 are compactions that lag",
    ),
    gauge(gauges::STORE_JOURNALS, &[], "Journals of the store"),
    gauge(gauges::COMPACTING, &[], "Compactions under way"),
    counter(gauges::COMPACTIONS, &[], "Compactions that were done"),
    counter(gauges::COMPACTING_SECONDS, &[], "Seconds of compactions, of all threads together"),
    counter(gauges::SPANS_SENT, &[], "Spans of requests that the collector took"),
    counter(
        gauges::SPANS_DROPPED,
        &[],
        "Spans that the collector did not take, or that came faster than they could be sent",
    ),
    gauge(
        gauges::WORKSPACE_PROFILES,
        &["workspace"],
        "Profiles of a workspace: of the first 100 that ran since the start",
    ),
    gauge(gauges::WORKSPACE_EVENTS, &["workspace"], "Events of a workspace, of the same"),
    gauge(gauges::WORKSPACE_SEGMENTS, &["workspace"], "Segments of a workspace that are active, of the same"),
    gauge(
        gauges::WORKSPACE_ATTRIBUTES,
        &["workspace"],
        "Computed attributes of a workspace that are active, of the same",
    ),
];

/// Has `/metrics` say what each is.
pub(crate) fn describe() {
    for own in ALL {
        let help = match own.labels {
            [] => own.help.to_owned(),
            labels => format!("{}, by {}", own.help, labels.join(", ")),
        };
        match own.kind {
            Kind::Counter => metrics::describe_counter!(own.name, help),
            Kind::Gauge => metrics::describe_gauge!(own.name, help),
            Kind::Histogram => metrics::describe_histogram!(own.name, help),
        }
    }
}

#[cfg(test)]
mod tests;
