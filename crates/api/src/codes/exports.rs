//! The codes of exports and quotas, and of what is taken for one person at a time.

use super::{Code, Invalid, LimitExceeded, Throttled, Unavailable, call};

/// All of them.
pub(super) const CALLS: &[Code] = &[
    call(
        "validation_failed",
        Invalid,
        "Members of the request are missing, of another type, or beyond a bound. The answer names each, and what is expected; nothing was taken.",
    ),
    call("service_id_missing", Invalid, "The query parameter `service_id` names the workspace, by its name or its id."),
    call("events_too_many", Invalid, "A request takes at most 100 events. Send the rest in another one."),
    call("user_profiles_too_many", Invalid, "A request is about one user profile. Send one for each."),
    call(
        "export_parameter_invalid",
        Invalid,
        "A parameter of the export is missing or malformed. The message names it and says what is expected.",
    ),
    call("export_range_exceeded", Invalid, "Events of the last 30 days are exported. Ask for a later first day."),
    call(
        "export_columns_too_many",
        LimitExceeded,
        "A table has at most 2,000 columns. Name the properties that are wanted.",
    ),
    call(
        "segment_building",
        Unavailable,
        "The segment has not been evaluated of everybody yet. Ask again when it is complete.",
    ),
    call(
        "walk_timeout",
        Unavailable,
        "An export may take an hour; the answer breaks off where it takes longer. Ask for less, or take it faster.",
    ),
    call(
        "quota_exceeded",
        Throttled,
        "The workspace has made as many of these calls as it may within the window. Wait for the next one.",
    ),
    call(
        "quota_at_once",
        Throttled,
        "As many of these calls are under way in the workspace as may be. Wait for one to end.",
    ),
];
