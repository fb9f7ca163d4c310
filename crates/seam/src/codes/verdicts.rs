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
    Code {
        place: Place::Either,
        ..verdict(
            "event_too_large",
            "The event, with what the batch adds to it, has more than 32 KB. On the paths that take one event it is the error of the call.",
        )
    },
    verdict(
        "xdm_invalid",
        "An entity of XDM is not as its schema has it. The message says where, by which rule of schemas, and what was expected.",
    ),
    verdict("event_too_deep", "The event is nested more than 200 deep."),
    verdict("event_missing", "A `track` call has no `event` name."),
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
        "A trait or attribute cannot be kept: a name too long, nested too deeply; a note (`value_left_out`) says so, and all else stands. Or the attributes are no object, or one is written in a spelling of ours and wrong in it: then the record is refused. The message says where.",
    ),
    verdict(
        "not_a_number",
        "A note (`value_left_out`): `NaN` or `Infinity` stands where JSON has no way to write them. The value was left out, as if it had not been sent; in a list `null` stands for it.",
    ),
    verdict(
        "number_out_of_range",
        "A note (`value_left_out`): a number lies beyond 1.7e20 in either direction. The value was left out, as if it had not been sent; in a list `null` stands for it. Ids may have any digits.",
    ),
    verdict(
        "not_unicode",
        "A note (`value_replaced`): a text or a name holds bytes that are no UTF-8, or half a surrogate pair. U+FFFD stands in their place. An identity that holds U+FFFD is left out: what was lost of it may be what told it apart.",
    ),
    verdict(
        "control_character",
        "A note (`value_replaced`): a text holds a control character that was not escaped, as JSON asks for. It was escaped.",
    ),
    verdict(
        "more_values",
        "A note (`value_left_out`): more values of this event or record were left out or replaced than are told one by one.",
    ),
    verdict(
        "sent_at_impossible",
        "A note (`value_left_out`): by its `sentAt` the event was sent before it happened, or long after its receipt. `sentAt` was ignored and no clock corrected.",
    ),
    verdict(
        "attribute_name_reserved",
        "A note (`misfit`): the attribute has a name under which reads show something of their own, such as `profile_id` or `_audiences`. It was stored, and they hide it. Send it under another name.",
    ),
    verdict(
        "attribute_operation_unknown",
        "A note (`misfit`): below an attribute stands a name that looks like an operation (`{\"visits\": {\"$inc\": 1}}`), and is none. It was stored as it stands. Counts are computed attributes over events.",
    ),
    verdict(
        "identity_format_characters",
        "A note (`identity_respelled`): the value held characters that nobody sees, such as U+200B or U+200F. It was taken without them.",
    ),
    verdict(
        "set_operation_invalid",
        "An operation on a set is `{\"$add\":[…],\"$remove\":[…]}` with no value in both, or `{\"$unset\":true}`.",
    ),
    verdict(
        "set_member_invalid",
        "An operation adds or removes what can be no member of a set: a list, an object, null, a text of more than 500 bytes.",
    ),
    verdict(
        "identity_token_missing",
        "The workspace takes a user id from a public key only with an identity token of its server, in `context.identityToken` or in the header `X-Tessera-Identity-Token`. Events without a user id need none.",
    ),
    verdict(
        "identity_token_invalid",
        "The identity token is none, is not signed with a key of the workspace by the algorithm of that key, lacks `exp`, or its `sub` is not the user id. As a note: the event was taken, and its user id counts as one that anybody may send.",
    ),
    verdict(
        "identity_token_expired",
        "The identity token has ended; its server makes another. As a note: the event was taken, and its user id counts as one that anybody may send.",
    ),
    verdict(
        "member_unknown",
        "A note: the event has a member that is spelled almost as one that events have. It was ignored; the note says which one was perhaps meant.",
    ),
    verdict(
        "duplicate_differs",
        "Something else was stored under this id in this dataset before, and stays; this was not stored. An id is of one event or record for good.",
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
        "Whose it would be was erased with `suppress`: it was not stored, and not kept in the quarantine. Or a note: another identity that it names was, and was left out with all that spells its value. Stop sending it, or let the identity in again.",
    ),
];
