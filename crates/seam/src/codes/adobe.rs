//! The codes of the door of Adobe's API.

use super::{Code, Conflict, Forbidden, Invalid, LimitExceeded, NotFound, Unavailable, call};

/// All of them.
pub(super) const CALLS: &[Code] = &[
    call("api_key_missing", Forbidden, "The header `x-api-key` is expected, with the id of the client."),
    call("org_missing", Invalid, "The header `x-gw-ims-org-id` is expected, with the name of the organization."),
    call("org_forbidden", Forbidden, "The header `x-gw-ims-org-id` names another organization than that of the key."),
    call("sandbox_missing", Invalid, "The header `x-sandbox-name` is expected, with the name of a workspace."),
    call("content_type_invalid", Invalid, "The header `content-type` is expected to name a type that the call takes."),
    call("resource_not_found", NotFound, "No schema, descriptor or dataset of Adobe's API has this id."),
    call(
        "resource_exists",
        Conflict,
        "A schema of this title, a dataset of this name, or a descriptor like this one is there; or something depends on it.",
    ),
    call("schema_differs", Invalid, "A message names another schema than that of its dataset."),
    call(
        "dataset_not_enabled",
        Invalid,
        "The dataset is not enabled for profiles: give it the tag `unifiedProfile` with `enabled:true`.",
    ),
    call("delete_request_invalid", Invalid, "A system job names a dataset by `dataSetId`, or a batch by `batchId`."),
    call("batch_not_found", Invalid, "No batch of this id was made here: `datasetId` says of which dataset it is."),
    call(
        "batch_of_records",
        Invalid,
        "Only batches of events are removed by themselves: records are corrected by sending them again.",
    ),
    call("erasure_order_not_found", NotFound, "No erasure that was ordered has this id."),
    call("erasure_ordered", Conflict, "The same erasure is ordered already, and not carried out."),
    call("erasure_begun", Conflict, "The erasure has begun: what was there then counts nowhere any more."),
    call("erasure_orders_full", LimitExceeded, "At most 100 erasures of sources wait at one time."),
    call("batch_format_unknown", Invalid, "Batches are of files of JSON or Parquet."),
    call("dataset_of_batch", Invalid, "A file is uploaded to the dataset of its batch."),
    call("batch_ended", Conflict, "The batch has ended, and takes nothing more; only one that succeeded is reverted."),
    call("batch_files_full", LimitExceeded, "A batch has at most 100 files here: complete it and make another one."),
    call("batches_full", LimitExceeded, "At most 20 batches are loaded at one time: complete or abort one of them."),
    call(
        "content_range_invalid",
        Invalid,
        "A part of a file says by `Content-Range: bytes <first>-<last>/<all>` which it is, and has as many bytes.",
    ),
    call(
        "upload_not_begun",
        Conflict,
        "The file has not begun, was completed, or the server was started anew: begin it again.",
    ),
    call("upload_gap", Conflict, "A part begins behind what is there: send the part before it first."),
    call("upload_too_large", LimitExceeded, "A file has at most 1 GiB; all that are being handed over at most 8 GiB."),
    call(
        "uploads_full",
        LimitExceeded,
        "At most 50 files of a workspace are handed over at one time: complete one of them.",
    ),
    call("upload_unreadable", Invalid, "The file is not what its batch says that it is; the message says where."),
    call("upload_failed", Unavailable, "The server could not keep the file or read it. Send it again."),
    call("note_exists", Conflict, "Something of this id is there."),
    call("note_too_large", LimitExceeded, "What is kept of it comes to more than 16 KiB."),
    call("note_name_invalid", Invalid, "Its id has 1 to 200 bytes."),
    call("notes_full", LimitExceeded, "A workspace keeps as many of these as it may; the message says how many."),
    call("xid_unknown", Invalid, "An id without the code of its namespace is expected to be an XID of this sandbox."),
    call(
        "identities_too_many",
        LimitExceeded,
        "The profile has more than 50 identities, and is not looked up by this door.",
    ),
];
