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
    call(
        "kql_invalid",
        Invalid,
        "A query in KQL cannot be read, or says what is not understood here. The message says at which character, and what is expected.",
    ),
    call(
        "kql_too_heavy",
        Invalid,
        "A query in KQL takes more time, steps or room than it may, and is not answered in part. The message says what to narrow.",
    ),
    call("blacklist_not_found", NotFound, "No entry of a blacklist has this id."),
    call("blacklist_exists", Conflict, "Another entry of the scope has this e-mail address."),
    call(
        "email_blacklisted",
        Invalid,
        "The e-mail address is blacklisted in the scope, so no profile is written with it. Take it off the blacklist first.",
    ),
    call("filter_definition_not_found", NotFound, "No filter definition of this id is there."),
    call(
        "filter_definition_exists",
        Conflict,
        "Another filter definition has this name, or had it when it was made. Choose another one, or replace it.",
    ),
    call(
        "filter_definition_used",
        Conflict,
        "A segment binds the filter definition. Replace the segment without it first.",
    ),
    call(
        "filter_definition_unknown",
        Invalid,
        "A segment names a filter definition that is not there. The message says at which place.",
    ),
    call(
        "groups_too_many",
        LimitExceeded,
        "Events come to more than 10,000 groups, or to more than 16 MiB of values. Narrow the condition, or group by less.",
    ),
    call("sum_too_large", LimitExceeded, "A sum is beyond about 1.7e20. Narrow the condition."),
    call(
        "fold_undecided",
        LimitExceeded,
        "What is computed of an event takes more steps than it may, so there is no exact answer. Ask for less of it.",
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
