//! The codes of Optimizely's Profile Store, and of what dialects keep.

use super::{Code, Conflict, Forbidden, Invalid, LimitExceeded, NotFound, call};

/// All of them.
pub(super) const CALLS: &[Code] = &[
    call(
        "member_invalid",
        Invalid,
        "A member of the body is missing, of another type, or says what cannot be. The message names the member and says what is expected.",
    ),
    call(
        "option_invalid",
        Invalid,
        "`$skip`, `$top` or `$orderBy` cannot be read, or goes beyond 10,000. The message says which.",
    ),
    call(
        "filter_invalid",
        Invalid,
        "A filter cannot be read, or names what is no member. The message says where, and what is expected.",
    ),
    call(
        "filter_undecided",
        Invalid,
        "For some the filter gives no answer within the bounds of rules, so no list is answered. Leave what is computed of events out of it.",
    ),
    call(
        "profile_hidden_in_part",
        Forbidden,
        "The key does not see all of a profile, so it cannot replace one: what it does not see would be removed. Use a key with `read_private` and `configure`.",
    ),
    call("scope_unknown", Invalid, "No scope of this name is there for this key, and the key may not make one."),
    call("scope_not_found", NotFound, "No scope of this name is there for this key."),
    call("scope_invalid", Invalid, "A scope has a name of 1 to 64 of `a-z 0-9 _ -`. The default one is not changed."),
    call("scopes_full", LimitExceeded, "At most 20 scopes are made besides the default one."),
    call(
        "profile_exists",
        Conflict,
        "Another profile of the scope has one of the devices, or the e-mail address. The message says which member.",
    ),
    call("track_event_too_large", LimitExceeded, "A track event has at most 256 KB."),
    call("track_events_too_many", Invalid, "A call takes 1 to 100 track events."),
    call(
        "segment_not_a_filter",
        Invalid,
        "The segment says what no filter can say, so it is not replaced here. Change it where it was made.",
    ),
    call(
        "export_not_found",
        NotFound,
        "No export of this id is there, or it is over: it lives for a day. Begin another one.",
    ),
    call("order_invalid", Invalid, "`order_by` names what is no value of an event. The message says what is expected."),
    call("object_name_invalid", Invalid, "What is kept under a name has one of 1 to 200 bytes."),
    call("object_too_large", LimitExceeded, "What is kept beside a segment or a scope comes to more than 16 KiB."),
    call("objects_full", LimitExceeded, "A workspace keeps at most 2,000 of these."),
    call("fact_duplicate", Conflict, "The same was said before under the same id. Nothing has changed."),
    call("fact_differs", Conflict, "Something else was said before under the same id. Nothing has changed."),
];
