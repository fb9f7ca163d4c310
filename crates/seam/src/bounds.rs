//! The bounds of the doors. Each is named in the error that reports it.

use std::time::Duration;

/// Bytes of one Segment event, with what its batch adds to it.
pub const EVENT_BYTES_MAX: usize = 32 * 1024;
/// Bytes of one batch of events, inflated: what RudderStack's gateway takes. Segment's clients send less than 500 KB, and no
/// delivery says for certain whose it is. Larger bodies up to the transport's bound are told so in the door's own words.
pub const BATCH_BYTES_MAX: usize = 4_000 * 1024;
/// Bytes that a Segment batch says for all its events together, laid under each.
pub const BATCH_SHARED_BYTES_MAX: usize = 4 << 20;
/// Events of one Segment batch; a larger one is refused whole before any is looked at.
pub const BATCH_EVENTS_MAX: usize = 2_500;
/// How deep JSON may be nested in one event.
pub const EVENT_DEPTH_MAX: usize = tessera_service::json::DEPTH_MAX;
/// How deep JSON may be nested in one record, and in what becomes attributes.
pub const DEPTH_MAX: usize = 32;
/// Members of `properties` or `traits`.
pub const PROPERTIES_MAX: usize = 300;
/// Characters of `messageId`, and of a record's id.
pub const ID_CHARS_MAX: usize = 100;
/// Characters of `groupId`.
pub const GROUP_ID_CHARS_MAX: usize = 500;
/// `context.externalIds` of one event that are looked at.
pub const EXTERNAL_IDS_MAX: usize = 32;

/// Records of one native write.
pub const RECORDS_MAX: usize = 2_500;
/// Bytes of one record.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Characters of the name of a dataset or a batch.
pub const DATASET_CHARS_MAX: usize = 100;

/// Look-ups of one batch read.
pub const LOOKUPS_MAX: usize = 100;
/// Profiles of one page when the request does not say.
pub const PROFILES_DEFAULT: usize = 100;
/// Events of one page.
pub const EVENTS_MAX: usize = 1_000;
/// Events of one page when the request does not say.
pub const EVENTS_DEFAULT: usize = 100;
/// Items of one page of an administrative list.
pub const LIST_MAX: usize = tessera_service::directory::LIST_MAX;
/// Items of one page of an administrative list when the request does not say.
pub const LIST_DEFAULT: usize = 100;
/// Quarantined facts that one replay call takes up.
pub const REPLAY_MAX: usize = 1_000;
/// The same when the request does not say.
pub const REPLAY_DEFAULT: usize = 100;

/// Jobs of one page.
pub const JOBS_MAX: usize = tessera_service::jobs::PAGE_MAX;
/// Jobs of one page when the request does not say.
pub const JOBS_DEFAULT: usize = 100;
/// Watches of jobs that are open at one time, over all keys.
pub const WATCHERS_MAX: usize = 500;
/// Seconds after which a watch on which nothing happens says that it is still there.
pub const HEARTBEAT_SECS: u64 = 15;

/// Bytes of a page of events, of what was sent with them: a page ends with the event that reaches it.
pub const PAGE_BYTES: usize = tessera_service::PAGE_BYTES;
/// Bytes of the answer to one batch read.
pub const BATCH_GET_BYTES_MAX: usize = 16 << 20;
/// Smaller answers are not counted in the budget of answers.
pub(crate) const ANSWER_COUNTED_BYTES: usize = 16 << 10;
/// What an answer is counted as that is made while it is sent: one part of it.
pub(crate) const STREAM_BYTES: usize = 64 << 10;
/// How long a large answer waits for room in the budget before it is refused.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Notes of one report over all its events and records; how many there are beyond is told by a number.
pub(crate) const NOTES_MAX: usize = 2_000;
/// Bytes of a body in which the key is said to be, on the paths that take one event. Those that take a batch read as much as a
/// batch may have.
pub const KEYLESS_BYTES_MAX: usize = 64 << 10;

/// Characters of a request id that a client may choose.
pub(crate) const REQUEST_ID_CHARS_MAX: usize = 128;
/// Answers larger than this are compressed where the client accepts it.
pub(crate) const COMPRESS_BYTES_MIN: u16 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(number: usize) -> String {
        match number {
            1_000.. => format!("{},{:03}", number / 1_000, number % 1_000),
            _ => number.to_string(),
        }
    }

    /// Whoever reads the tables can rely on them.
    #[test]
    fn the_guide_says_these() {
        let readme = include_str!("../../../docs/guide/operations.md");
        let kib = |bytes: usize| grouped(bytes >> 10);
        let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
        let rows: [(&str, &[String]); 14] = [
            ("an event; a batch", &[format!("{} KB", kib(EVENT_BYTES_MAX)), grouped(EVENT_DEPTH_MAX)]),
            ("an event; a batch", &[format!("{} KB", kib(BATCH_BYTES_MAX)), grouped(BATCH_EVENTS_MAX)]),
            ("a record; a call", &[format!("{} KB", kib(RECORD_BYTES_MAX)), grouped(RECORDS_MAX)]),
            ("JSON that becomes attributes", &[grouped(DEPTH_MAX)]),
            ("what a batch says for all", &[mib(BATCH_SHARED_BYTES_MAX)]),
            ("message id", &[grouped(ID_CHARS_MAX)]),
            ("`groupId`", &[grouped(GROUP_ID_CHARS_MAX), grouped(DATASET_CHARS_MAX)]),
            ("properties or traits", &[grouped(PROPERTIES_MAX)]),
            ("identities, attributes of one event", &[grouped(EXTERNAL_IDS_MAX)]),
            (
                "events of a page",
                &[grouped(EVENTS_MAX), mib(PAGE_BYTES), grouped(LOOKUPS_MAX), mib(BATCH_GET_BYTES_MAX)],
            ),
            ("notes that one answer", &[grouped(NOTES_MAX)]),
            ("quarantined facts", &[grouped(REPLAY_MAX), grouped(LIST_MAX), grouped(JOBS_MAX)]),
            ("watches of jobs", &[grouped(WATCHERS_MAX)]),
            ("in which the key is said", &[format!("{} KiB", kib(KEYLESS_BYTES_MAX))]),
        ];
        for (what, bounds) in rows {
            let row = readme.lines().find(|line| line.starts_with("| ") && line.contains(what));
            let row = row.unwrap_or_else(|| panic!("no row of the tables is about {what}"));
            for bound in bounds {
                assert!(row.contains(bound.as_str()), "{bound} is the bound, and the table says {row}");
            }
        }
    }
}
