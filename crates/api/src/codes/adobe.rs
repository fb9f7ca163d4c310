//! The codes of the door of Adobe's API.

use super::{Code, Forbidden, Invalid, LimitExceeded, call};

/// All of them.
pub(super) const CALLS: &[Code] = &[
    call("api_key_missing", Forbidden, "The header `x-api-key` is expected, with the id of the client."),
    call("org_missing", Invalid, "The header `x-gw-ims-org-id` is expected, with the name of the organization."),
    call("org_forbidden", Forbidden, "The header `x-gw-ims-org-id` names another organization than that of the key."),
    call("sandbox_missing", Invalid, "The header `x-sandbox-name` is expected, with the name of a workspace."),
    call("content_type_invalid", Invalid, "The header `content-type` is expected to name a type that the call takes."),
    call("xid_unknown", Invalid, "An id without the code of its namespace is expected to be an XID of this sandbox."),
    call(
        "identities_too_many",
        LimitExceeded,
        "The profile has more than 50 identities, and is not looked up by this door.",
    ),
];
