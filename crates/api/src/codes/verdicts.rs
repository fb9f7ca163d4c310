//! The codes of verdicts: they are about one event or record, and its neighbours go on.

use super::{Code, Invalid, Place};

const fn verdict(code: &'static str, documentation: &'static str) -> Code {
    Code { code, kind: Invalid, place: Place::Verdict, documentation }
}

/// All of them.
pub(super) const VERDICTS: &[Code] = &[
    verdict(
        "event_invalid",
        "The event is no JSON object, or a member has a type that cannot be read; the message names it.",
    ),
    verdict("event_too_large", "The event, with what the batch adds to it, has more than 32 KB."),
    verdict("event_too_deep", "The event is nested more than 32 deep."),
    verdict("event_missing", "A `track` call has no `event` name."),
    verdict("batch_full", "The event stands beyond the first 2,500 of its batch."),
    verdict("type_unknown", "`type` is none of `identify`, `track`, `page`, `screen`, `group`, `alias`."),
    verdict("no_user_anon_id", "The event has neither `userId` nor `anonymousId`."),
    verdict("message_id_too_long", "`messageId` has more than 100 characters."),
    verdict("previous_id_missing", "An `alias` call has no `previousId`."),
    verdict("user_id_missing", "An `alias` call has no `userId`."),
    verdict("group_id_missing", "A `group` call has no `groupId`."),
    verdict("group_id_too_long", "`groupId` has more than 500 characters."),
    verdict("properties_too_many", "The event has more than 300 properties or traits."),
    verdict(
        "attribute_invalid",
        "A trait or attribute cannot be kept: a number out of range, a name too long, nested too deeply, or text that is not Unicode. The message says where.",
    ),
    verdict(
        "set_operation_invalid",
        "An operation on a set is `{\"$add\":[…],\"$remove\":[…]}` with no value in both, or `{\"$unset\":true}`.",
    ),
    verdict(
        "set_member_invalid",
        "An operation adds or removes what can be no member of a set: a list, an object, null, a text of more than 500 bytes.",
    ),
    verdict("timestamp_invalid", "`timestamp` or `time` is not in ISO 8601."),
    verdict("time_in_future", "The event lies more than an hour after its receipt."),
    verdict("record_invalid", "The record is not of the form that this call takes: unknown members are refused."),
    verdict("record_too_large", "The record has more than 64 KB."),
    verdict("record_id_invalid", "The id of a record is 1 to 100 characters."),
    verdict("identity_missing", "The event or record names no identity."),
    verdict(
        "identity_unusable",
        "No identity of the event or record can own it: all are unknown, blocked or unreadable; or its account cannot be kept.",
    ),
    verdict("too_many_identities", "The fact carries more identities than it may."),
    verdict("too_many_attributes", "The fact carries more attributes than it may."),
    verdict(
        "kind_mismatch",
        "A note: the identity is an account's where a person's belongs, or the other way round, and was left out.",
    ),
    verdict(
        "attribute_unregistered",
        "The attribute is not in the data model. A note: it was left out (`attribute_refused`) or stored all the same (`misfit`).",
    ),
    verdict(
        "attribute_inactive",
        "The attribute takes no new data. A note: it was left out (`attribute_refused`) or stored all the same (`misfit`).",
    ),
    verdict(
        "attribute_type_mismatch",
        "The attribute is of another type. A note: it was left out (`attribute_refused`) or stored all the same (`misfit`).",
    ),
    verdict(
        "attribute_not_allowed",
        "The attribute is not one of its allowed values. A note: it was left out (`attribute_refused`) or stored all the same (`misfit`).",
    ),
    verdict(
        "event_type_unregistered",
        "Events of this name are not in the data model. The event was refused, or with a note (`misfit`) stored all the same.",
    ),
    verdict(
        "event_type_inactive",
        "Events of this name are taken no more. The event was refused, or with a note (`misfit`) stored all the same.",
    ),
    verdict(
        "property_missing",
        "The event lacks a required property. It was refused, or with a note (`misfit`) stored all the same.",
    ),
    verdict(
        "property_unregistered",
        "A property of the event is not in the data model. The event was refused, or with a note (`misfit`) stored all the same.",
    ),
    verdict(
        "property_type_mismatch",
        "A property of the event is of another type. The event was refused, or with a note (`misfit`) stored all the same.",
    ),
    verdict(
        "property_not_allowed",
        "A property of the event is not one of its allowed values. The event was refused, or with a note (`misfit`) stored all the same.",
    ),
    verdict(
        "property_invalid",
        "The properties of the event cannot be compared with the data model: a number out of range, a name too long, nested too deeply, or text that is not Unicode. The event was refused, or with a note (`misfit`) stored all the same.",
    ),
    verdict(
        "identity_blocked",
        "A note: this value is blocked in its namespace, so it identifies nobody and was left out.",
    ),
    verdict(
        "identity_suppressed",
        "It names an identity that was erased with `suppress`. It was not stored, and not kept in the quarantine. Stop sending it, or let the identity in again.",
    ),
];
