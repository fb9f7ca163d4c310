//! The codes of exports and quotas, and of what is taken for one person at a time.

use super::{Code, Invalid, LimitExceeded, Throttled, Unavailable, call, job};

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
        "The rows have more columns than a table may have; the message says how many it may. Name the properties or fields that are wanted.",
    ),
    call(
        "export_invalid",
        Invalid,
        "A member of an export is missing, of another export, or beyond a bound. The message names it and says what is expected.",
    ),
    call(
        "export_undecided",
        LimitExceeded,
        "For somebody the filter of an export gives no answer within the bounds of rules, and the export would not have all. Ask less of each: leave what is computed of events out of it.",
    ),
    call(
        "exports_busy",
        Throttled,
        "As many exports of the workspace are being sent as may be at one time. Wait until one has ended, or have it written with `to`.",
    ),
    call(
        "export_path_invalid",
        Invalid,
        "The path of an export leads out of its connection, or cannot be made a folder there. Names with a slash between them are expected.",
    ),
    call(
        "connection_not_of_files",
        Invalid,
        "Files are written to connections of the kind `files`, and this one is of another kind.",
    ),
    job(
        "export_path_taken",
        "The path has an export already, or a part of one. Name another path: nothing is written over.",
    ),
    job(
        "export_columns_changed",
        "While it was exported, the rows became others than the columns that were found, again and again. Name the columns in `fields`, or export JSON lines.",
    ),
    job("export_files_too_many", "An export has at most 10,000 files. Ask for greater ones with `file_rows`."),
    job(
        "export_unwritten",
        "A file of an export could not be written: the place is full, or was lost. It is tried again; at last the job fails.",
    ),
    job("export_value_unfit", "A value does not fit the file that it is written to. This is a fault of ours: tell us."),
    job(
        "export_columns_invalid",
        "A file of Parquet is expected to have a column. Name those that are wanted in `fields`.",
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
