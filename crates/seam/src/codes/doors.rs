//! The codes of documents, and of the doors that keep profiles as documents.

use super::{Code, Conflict, Forbidden, Invalid, LimitExceeded, NotFound, call};

/// All of them.
pub(super) const CALLS: &[Code] = &[
    call("document_not_found", NotFound, "No document of this id, or of these identities, is there."),
    call(
        "document_taken",
        Conflict,
        "Other documents hold identities that only one may hold. The message names their namespaces.",
    ),
    call(
        "document_model_invalid",
        Invalid,
        "The document model contradicts itself, or names a namespace that is not there. The message says what is wrong.",
    ),
    call("document_model_changed", Conflict, "The document model has been changed since the version that was sent."),
    call("document_model_full", LimitExceeded, "A document model speaks of at most 500 fields."),
    call(
        "field_invalid",
        Invalid,
        "A field is not known, takes no values, or has a value of another type. The message names the field and says what is expected; nothing of the call was taken.",
    ),
    call("fields_too_many", Invalid, "An upsert has at most 500 fields."),
    call("field_not_found", NotFound, "The profile has no relevant value of this field, or the token may not see it."),
    call(
        "key_missing_in_query",
        Invalid,
        "A look-up names at least one field that identifies. The message lists them.",
    ),
    call(
        "expression_invalid",
        Invalid,
        "The expression of a segment is none. The message says where in it, and what is expected there.",
    ),
    call("tdm_not_found", NotFound, "The token belongs to no data model of this id."),
    call(
        "jwt_invalid",
        Forbidden,
        "The identity token is not taken: it was not signed here, is over, or is of another profile. The message says which.",
    ),
    call("space_not_found", NotFound, "The key holds no workspace of this name or id, whether or not there is one."),
    call(
        "regulation_invalid",
        Invalid,
        "A member of a regulation is not what is expected; the message says which, and nothing was done.",
    ),
    call("regulation_not_found", NotFound, "No regulation of this id; ended ones are kept for 30 days."),
    call("regulation_begun", Conflict, "A regulation is taken back only before it begins."),
    call("collection_unknown", Invalid, "The collection of a path is `users` or `accounts`."),
    call("profile_reference_invalid", Invalid, "A path names a profile by `type:value`, as in `user_id:7001`."),
    call(
        "external_id_type_unknown",
        Invalid,
        "The collection has no external ids of this type. The message lists the types that it has.",
    ),
    call(
        "deletion_target_invalid",
        Invalid,
        "External ids are deleted of a profile of the collection `users` that is named by its `user_id`.",
    ),
    call(
        "unsupported_eid_type",
        Invalid,
        "External ids of this type cannot be deleted. The message says where it stands and lists those that can. Nothing was deleted.",
    ),
    call(
        "external_id_not_found",
        NotFound,
        "The profile has no such external id. The message says where it stands in the call. Nothing was deleted.",
    ),
    call(
        "event_names_too_many",
        Invalid,
        "A page of events is confined to at most 100 names, and is without at most 100.",
    ),
    call(
        "cursor_too_large",
        LimitExceeded,
        "The place where the page ended fits into no cursor: ask for a larger page.",
    ),
];
