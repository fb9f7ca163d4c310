//! What answers calls of the Adobe door about merge policies, computed attributes and segment definitions.

use super::{Code, call};
use tessera_service::error::ErrorKind::{Conflict, Invalid, NotFound};

/// By the objects that they are about.
pub(super) const CALLS: &[Code] = &[
    call(
        "merge_policy_on_edge",
        Conflict,
        "A merge policy that is active on the edge is not deleted. Make another one active there, or this one inactive, first.",
    ),
    call(
        "computed_attribute_exists",
        Conflict,
        "A computed attribute has this name, or stands at this place. Choose another one.",
    ),
    call(
        "computed_attribute_published",
        Conflict,
        "A computed attribute that is no draft any more does not change so, and is not deleted. The message says what can be done.",
    ),
    call(
        "computed_attribute_schema",
        Invalid,
        "The data model has no attribute where the computed attribute is to stand, or one of another type. Register one, or write another expression.",
    ),
    call(
        "segment_definition_exists",
        Conflict,
        "A segment definition has this name. Change that one, or choose another name.",
    ),
    call(
        "preview_not_found",
        NotFound,
        "The sandbox has no preview of this id: it was deleted, or as many others as are kept came after it. Make it again.",
    ),
];
