//! The one table of error codes. A code is stable: clients branch on it, and it is never given another meaning.

use tessera_service::error::ErrorKind;
use tessera_service::error::ErrorKind::{
    Conflict, Corrupt, Forbidden, Internal, Invalid, LimitExceeded, NotFound, Throttled, Unauthenticated, Unavailable,
    Unknown,
};

mod activations;
mod adobe;
mod adobe_objects;
mod directives;
mod doors;
mod exports;
mod keys;
mod profile_store;
mod rules;
mod sources;
mod verdicts;

/// A code and what it means.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// The code.
    pub code: &'static str,
    /// What to do about it; the status follows from it.
    pub kind: ErrorKind,
    /// Whether it comes as the verdict of one event or record of a call that is answered with 200, not as the call's error.
    pub place: Place,
    /// What it means and what to do.
    pub documentation: &'static str,
}

/// Where a code is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It answers the whole call.
    Call,
    /// It is the verdict of one event or record, or a note on it; its neighbours go on.
    Verdict,
    /// Both: the verdict of an event among others, the error of a call that is that one event.
    Either,
    /// It is why a job failed, besides those that may answer a call.
    Job,
}

const fn call(code: &'static str, kind: ErrorKind, documentation: &'static str) -> Code {
    Code { code, kind, place: Place::Call, documentation }
}

impl Place {
    /// Whether it answers calls.
    pub const fn is_of_calls(self) -> bool {
        matches!(self, Self::Call | Self::Either)
    }
}

const fn job(code: &'static str, documentation: &'static str) -> Code {
    Code { code, kind: Internal, place: Place::Job, documentation }
}

/// What answers a whole call, and why jobs fail, by kind.
const CALLS: &[Code] = &[
    call(
        "backup_name_invalid",
        Invalid,
        "The name of a backup is 1 to 100 letters of ASCII, digits, dots, dashes and underscores, and does not begin with a dot.",
    ),
    call(
        "json_invalid",
        Invalid,
        "The body is no JSON, or is nested too deeply. The message says at which line and column.",
    ),
    call(
        "body_invalid",
        Invalid,
        "The body is JSON of another form than this call takes. The message says where; unknown members are refused on our own paths.",
    ),
    call(
        "bodies_full",
        Throttled,
        "The server holds as many bytes of requests as it may, in all or of one workspace. Nothing happened: send it again, or less at one time.",
    ),
    call(
        "answer_full",
        LimitExceeded,
        "The answer to a batch read has 16 MiB already; it stands in the place of a profile that does not fit any more. Ask for it by itself.",
    ),
    call(
        "answers_full",
        Throttled,
        "Clients have not taken as many bytes of answers as the server may hold, in all or of one workspace. Ask again, for smaller pages or fewer at one time.",
    ),
    call(
        "queue_full",
        Throttled,
        "As many writes of the workspace wait for their turn as may, or as many bytes of them. Nothing happened: send it again after `Retry-After` seconds.",
    ),
    call(
        "queues_full",
        Unavailable,
        "As many writes of all workspaces together wait for their turn as may, or as many bytes of them. Nothing happened: send it again after `Retry-After` seconds.",
    ),
    call("body_missing", Invalid, "The body is empty, and this call needs one."),
    call("body_broken", Invalid, "The body ended before all of it had come."),
    call("utf8_invalid", Invalid, "The body or the path is not UTF-8."),
    call(
        "content_encoding_invalid",
        Invalid,
        "`Content-Encoding` is neither absent, `identity` nor `gzip`, or the gzip stream is damaged.",
    ),
    call(
        "path_invalid",
        Invalid,
        "The URL is malformed: a `%` in its path is not followed by two hexadecimal digits, or what the codes say is not UTF-8.",
    ),
    call("query_invalid", Invalid, "A query parameter is missing or has no value that this call takes."),
    call("relevance_invalid", Invalid, "`relevance` is `any`, `relevant` or `not_relevant`."),
    call("host_missing", Invalid, "A request of HTTP/1.1 names the host that it is for, once, in the header `Host`."),
    call(
        "length_ambiguous",
        Invalid,
        "The request has both `Content-Length` and `Transfer-Encoding`, so that where it ends is a matter of opinion. Send one of them.",
    ),
    call("header_invalid", Invalid, "A header cannot be read: see the message for its name."),
    call("batch_empty", Invalid, "`batch` or `records` is empty: there is nothing to do."),
    call(
        "batch_too_large",
        Invalid,
        "A batch of events has more than 4,000 KB, or what it says for all its events comes to more than 4 MiB laid under each. Send it in parts; the same batch will never do.",
    ),
    call(
        "batch_too_many",
        Invalid,
        "The call names more items than it takes; the message says how many it takes. Nothing of it was taken or kept.",
    ),
    call(
        "method_unsupported",
        Invalid,
        "This message type of RudderStack has no counterpart here (`merge`). Send `alias` instead.",
    ),
    call("fields_unknown", Invalid, "`fields` names something else than `identifiers`, `attributes`, `audiences`."),
    call("format_invalid", Invalid, "`format` is none that the path has: the message names them."),
    call("reason_invalid", Invalid, "The reason of an erasure has at most 100 characters."),
    call("suppress_invalid", Invalid, "`suppress` is neither `true` nor `false`."),
    call(
        "waiting_events_max_invalid",
        Invalid,
        "`waiting_events_max` is neither null nor a number within its bounds; the message says which.",
    ),
    call(
        "limit_invalid",
        Invalid,
        "A limit is no number within its stated bounds; the message says which and from where to where.",
    ),
    call(
        "skip_invalid",
        Invalid,
        "`skip` is a whole number, with `limit` at most 10,000, and not for a page behind a `cursor`: go on with the cursor of the page before.",
    ),
    call("order_too_long", Invalid, "Profiles are sorted by at most 3 attributes at once."),
    call("cursor_invalid", Invalid, "`cursor` is none of ours, or of another list. Start from the first page."),
    call("time_invalid", Invalid, "A time is not in ISO 8601."),
    call(
        "namespace_unknown",
        Invalid,
        "The workspace has no namespace of this name. As a note on an event: this identity was left out, the event was stored.",
    ),
    call("namespace_invalid", Invalid, "The kind or normaliser of a namespace is none of those that exist."),
    call(
        "namespace_name_invalid",
        Invalid,
        "The name of a namespace is 1 to 64 of `a-z 0-9 _ . -` and begins with a letter.",
    ),
    call("priority_invalid", Invalid, "The priority of a namespace is 1 to 1,000."),
    call("blocked_invalid", Invalid, "A blocked value cannot be a value of its namespace, or there are too many."),
    call("pattern_invalid", Invalid, "A pattern of blocked values cannot be read, is too long, or there are too many."),
    call("region_invalid", Invalid, "The region of phone numbers is two capital letters, as in `FR`."),
    call("exclusive_account", Invalid, "The exclusive namespace must be one of persons."),
    call(
        "identity_invalid",
        Invalid,
        "The value cannot be an identity of this namespace (no e-mail address, no phone number, too long, empty).",
    ),
    call(
        "data_model_invalid",
        Invalid,
        "A data model cannot be: an unknown type or mode, a name that is none, something below what is no object, an allowed value of another type. The message says where and what is expected.",
    ),
    call("lookup_invalid", Invalid, "A look-up names either `id`, or `namespace` and `value`."),
    call("name_invalid", Invalid, "A name is 1 to 64 of `a-z 0-9 - _` and begins with a letter or a digit."),
    call("display_name_invalid", Invalid, "A display name is 1 to 100 printable characters."),
    call(
        "dataset_invalid",
        Invalid,
        "The name of a dataset or a batch is 1 to 100 printable characters without blanks at its ends.",
    ),
    call(
        "merge_policy_unknown",
        Invalid,
        "`merge_policy` names no merge policy of the workspace; the message lists those that there are.",
    ),
    call(
        "attribute_path_invalid",
        Invalid,
        "The path of an attribute is its names joined by dots, at most 16 of 200 bytes each; a dot or a backslash in a name is escaped by a backslash. The message says where.",
    ),
    call(
        "datasets_too_many",
        Invalid,
        "A list of a merge policy holds at most 100 datasets; the message says which list.",
    ),
    call(
        "datasets_unexpected",
        Invalid,
        "`datasets` stands only beside `precedence` and `source_priority`; the message says where.",
    ),
    call("dataset_duplicate", Invalid, "A dataset is listed twice; the message says in which list."),
    call("rules_too_many", Invalid, "A merge policy has rules for at most 200 attributes."),
    call("rule_duplicate", Invalid, "A merge policy has two rules for one attribute; the message says for which."),
    call(
        "permission_unknown",
        Invalid,
        "A permission is one of `ingest`, `read`, `read_private`, `export`, `erase`, `configure`, `administer`, `operate`.",
    ),
    call("permissions_empty", Invalid, "A key needs at least one permission."),
    call(
        "public_key_permission",
        Invalid,
        "A public key is seen by everyone, so it may hold no other permission than `ingest`.",
    ),
    call("class_unknown", Invalid, "The class of a key is `public` or `private`."),
    call("workspaces_empty", Invalid, "A list of workspaces must name at least one; leave it out for all."),
    call("workspace_missing", Invalid, "The organization of this key has no workspace yet: make one first."),
    call("grace_invalid", Invalid, "The grace of a rotated key is at most 30 days."),
    call(
        "rate_limit_invalid",
        Invalid,
        "`per_second`, `burst` and `concurrency` are each 1 to 1,000,000, `peak_per_second` 1 to 100,000; or `preset` alone names a limit. Leave it out for no bound.",
    ),
    call("bootstrap_key_invalid", Invalid, "The operator's own key has 8 to 200 characters."),
    call("job_kind_unknown", Invalid, "No job is of this kind; the message says which kinds there are."),
    call("job_kind_elsewhere", Invalid, "Jobs of this kind are made by another path alone, which the message names."),
    call(
        "job_parameters_invalid",
        Invalid,
        "The parameters are not those of this kind of job. The message says where.",
    ),
    call("job_state_unknown", Invalid, "The state of a job is none of those that the message names."),
    call("idempotency_key_invalid", Invalid, "`Idempotency-Key` is 1 to 200 printable characters of ASCII."),
    call(
        "key_missing",
        Unauthenticated,
        "The request carries no key. Send it as `Authorization: Bearer <key>`, as Basic user name, or on ingest as `writeKey`.",
    ),
    call(
        "key_invalid",
        Unauthenticated,
        "The header `Authorization` is neither `Bearer` nor `Basic`, or cannot be read.",
    ),
    call("key_unknown", Unauthenticated, "No key has this secret."),
    call("key_revoked", Unauthenticated, "The key was revoked."),
    call("key_expired", Unauthenticated, "The key was rotated and its grace is over, or it has expired."),
    call("permission_missing", Forbidden, "The key lacks the permission that the message names."),
    call("permission_exceeded", Forbidden, "A key can only give permissions that it holds itself."),
    call(
        "organization_has_keys",
        Forbidden,
        "Whoever runs this host gives another organization its first key, and later none that is about its data, by making or by rotating one. Have a key of that organization do it.",
    ),
    call("scope_exceeded", Forbidden, "A key can only give, or act on, workspaces that it holds itself."),
    call("workspace_forbidden", Forbidden, "The key does not hold a workspace of this name, whether it exists or not."),
    call("not_found", NotFound, "No such path."),
    call(
        "method_not_allowed",
        Invalid,
        "The path exists, but not with this method: the header `Allow` lists those it has.",
    ),
    call("profile_not_found", NotFound, "No profile answers to this id or identity."),
    call("event_not_found", NotFound, "No event of this message id stands on a timeline."),
    call(
        "cursor_too_old",
        Invalid,
        "What changed behind the cursor is no longer kept (the feed has bounds, see `feed_secs_max`), or the segment has another rule now. Ask without a \
         cursor for a new one, then list the members anew, and read on from the new cursor.",
    ),
    call(
        "feed_trimmed",
        NotFound,
        "What came behind this position of the feed is no longer kept, or the position is of another store. Take what there is from an export and \
         follow the feed from where it was then, or begin with the oldest change that is kept.",
    ),
    call("suppression_not_found", NotFound, "The identity is not suppressed: what names it is taken already."),
    call("organization_not_found", NotFound, "No organization of this name that the key may see."),
    call("namespace_not_found", NotFound, "No namespace of this name is registered in the workspace."),
    call("merge_policy_not_found", NotFound, "The workspace has no merge policy of this id."),
    call("event_type_not_found", NotFound, "No event type of this name is registered."),
    call("dataset_mode_not_found", NotFound, "The dataset has no mode of its own."),
    call("key_not_found", NotFound, "No key of this id that the caller may see."),
    call(
        "job_not_found",
        NotFound,
        "No job of this id. Ended ones are kept for 30 days, the newest 1,000 of a workspace.",
    ),
    call("quarantine_entry_not_found", NotFound, "Nothing of this id stands in the quarantine."),
    call("backups_off", Conflict, "The server has no folder for backups. Its operator sets `backup_dir`."),
    call("backup_exists", Conflict, "The folder of backups has a file of this name. Take another name."),
    call("organization_exists", Conflict, "There is an organization of this name."),
    call("workspace_exists", Conflict, "The organization has a workspace of this name."),
    call("namespace_exists", Conflict, "The workspace has a namespace of this name."),
    call("exclusive_taken", Conflict, "Another namespace of the workspace is exclusive already; only one may be."),
    call(
        "merge_policy_in_use",
        Conflict,
        "Segments are evaluated, or activations read profiles, under this merge policy: give them another one first.",
    ),
    call("merge_policy_exists", Conflict, "The workspace has a merge policy of this id."),
    call(
        "merge_policy_built_in",
        Conflict,
        "The built-in merge policy can be neither replaced nor deleted. Make one of your own.",
    ),
    call(
        "merge_policy_changed",
        Conflict,
        "The merge policy has another version than the one that was to be replaced: read it, and decide anew.",
    ),
    call(
        "merge_policy_is_default",
        Conflict,
        "The default merge policy of the workspace cannot be deleted: make another one the default first.",
    ),
    call(
        "data_model_changed",
        Conflict,
        "The data model is another than the one that `If-Match` names, or was changed while stored data was compared. Read it again, and decide anew.",
    ),
    call(
        "data_model_contradicted",
        Conflict,
        "Stored values or events are not of the type, or none of the values, that the change registers, or lack what it requires. Beside `error`, `contradictions` has their number and at most ten examples. Correct them, or send the change with `?force=true`: then they stay and are read as before.",
    ),
    call("idempotency_key_reused", Conflict, "Another request was answered under this idempotency key."),
    call("job_ended", Conflict, "The job has ended, so nothing can be wished of it; ask for another."),
    call("job_cancelling", Conflict, "The job is being cancelled: it neither pauses nor goes on any more."),
    call(
        "job_not_cancellable",
        Conflict,
        "The job brings about what has been ordered already, such as an erasure, so it cannot end half done. It may be paused.",
    ),
    call("key_retired", Conflict, "The key is revoked or expired, so it has no successor."),
    call("body_too_large", LimitExceeded, "The body, inflated, is larger than this call takes."),
    call(
        "profile_too_large",
        LimitExceeded,
        "The profile would exceed 1 MiB. As a verdict: this event was not stored.",
    ),
    call("organizations_full", LimitExceeded, "This host holds as many organizations as it takes."),
    call("workspaces_full", LimitExceeded, "The organization has as many workspaces as it may."),
    call("keys_full", LimitExceeded, "The organization has as many keys as it may; revoke some."),
    call("namespaces_full", LimitExceeded, "The workspace has as many namespaces as it may."),
    call("merge_policies_full", LimitExceeded, "The workspace has as many merge policies as it may: 50."),
    call(
        "merge_policies_in_use",
        LimitExceeded,
        "Segments may have 5 merge policies between them, the default one included.",
    ),
    call(
        "data_model_full",
        LimitExceeded,
        "The data model would hold more attributes, event types, properties, allowed values or datasets than it may; the message says which and how many.",
    ),
    call("config_too_large", LimitExceeded, "The configuration of the workspace would exceed its bound."),
    call(
        "reply_too_large",
        LimitExceeded,
        "The answer would be too large to be kept for its Idempotency-Key, so nothing was done: send less at once, or without the key.",
    ),
    call(
        "job_too_large",
        LimitExceeded,
        "The parameters of a job, its checkpoint or its result would exceed the bound that the message names. As the error of a job: it cannot go on.",
    ),
    call("commit_too_large", LimitExceeded, "One write would exceed what the store takes at once. Send it in parts."),
    call(
        "rate_limited",
        Throttled,
        "The key or the workspace has asked more than its limit allows. Try again after `Retry-After` seconds.",
    ),
    call(
        "erasures_waiting",
        Throttled,
        "More erased events would wait for the purge than the workspace allows. Nothing was erased; try again after `Retry-After` seconds, or erase with `suppress=true`, which is never held up.",
    ),
    call(
        "concurrency_limited",
        Throttled,
        "The key or the workspace has as many requests under way as it may. Try again when some are answered.",
    ),
    call(
        "jobs_full",
        Throttled,
        "As many jobs of the workspace have not ended as may be. Wait for one, or cancel one.",
    ),
    call("backup_running", Throttled, "Another backup is being made. The job goes on after it."),
    call(
        "watchers_full",
        Throttled,
        "As many watches are open as this server takes. Read the job now and then instead.",
    ),
    call(
        "query_busy",
        Throttled,
        "Another query looks at all profiles of the workspace, and they take turns. Nothing happened; ask again.",
    ),
    call(
        "dry_run_timeout",
        Unavailable,
        "A dry run of identity rules took longer than 30 seconds. Try it when the server has less to do.",
    ),
    call(
        "query_timeout",
        Unavailable,
        "Not all profiles could be looked at within 5 seconds, and no part of an answer is given. Name an identity in the filter, ask without `order_by` and `count` and go on with the cursor, or save the filter as a segment and read its members.",
    ),
    call("body_timeout", Unavailable, "The body did not arrive in time. Nothing happened; send it again."),
    call(
        "store_unavailable",
        Unavailable,
        "The store cannot answer now, for instance because it is being opened again after the disk failed. What was acknowledged is kept; send it again later.",
    ),
    call(
        "disk_full",
        Unavailable,
        "The disk of the server has too little free room for writes. Nothing happened, and what was acknowledged is kept; reads and erasures go on. Send it again later.",
    ),
    call(
        "backup_failed",
        Unavailable,
        "The folder of backups cannot be written now; the log of the server says why. The job tries again for a while.",
    ),
    call("fenced", Unavailable, "Another process has taken over. Nothing happened; send it again."),
    call("not_ready", Unavailable, "The server is starting or stopping: send requests elsewhere."),
    call("contended", Unavailable, "Others changed the same thing again and again. Nothing happened; send it again."),
    call("stopping", Unavailable, "The server is stopping. Nothing happened; send it again."),
    call(
        "outcome_unknown",
        Unknown,
        "It may have happened or not. Sending the same again is safe for events and records that carry an id; for others look first.",
    ),
    call("corrupt", Corrupt, "Stored data cannot be read. The operator has been told; sending again does not help."),
    call("store_corrupt", Corrupt, "The store is damaged. The operator has been told; sending again does not help."),
    call(
        "record_corrupt",
        Corrupt,
        "A stored record cannot be read. The operator has been told; sending again does not help.",
    ),
    call("record_newer", Corrupt, "A stored record was written by a newer version of this server."),
    call("internal", Internal, "A fault of ours. The request id finds it in the log."),
    call("too_many_rounds", Internal, "A write needed more reads than any write should: a fault of ours."),
    job("job_fault", "A step of the job met a fault of ours, which the log of the server describes."),
    job("job_stuck", "A step of the job was begun again and again and never ended, because the server ended first."),
];

/// All codes, by place and kind.
pub fn all() -> impl Iterator<Item = &'static Code> {
    let doors = doors::CALLS
        .iter()
        .chain(adobe::CALLS)
        .chain(adobe_objects::CALLS)
        .chain(profile_store::CALLS)
        .chain(exports::CALLS)
        .chain(activations::CALLS)
        .chain(sources::CALLS)
        .chain(sources::VERDICTS);
    CALLS.iter().chain(rules::CALLS).chain(directives::CALLS).chain(keys::CALLS).chain(doors).chain(verdicts::VERDICTS)
}

/// The code of this name.
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    all().find(|known| known.code == code)
}

#[cfg(test)]
mod tests;
