//! Codes of computed attributes and segments.

use tessera_service::error::ErrorKind::{Conflict, Forbidden, Invalid, LimitExceeded, NotFound, Unavailable};

use super::{Code, call};

pub(super) const CALLS: &[Code] = &[
    call("purpose_unknown", Invalid, "`purpose` is `condition` or `value`."),
    call("rule_spelling", Invalid, "A rule stands in exactly one of `pql`, `pql_json`, `tree`, `filter`."),
    call(
        "rule_cycle",
        Invalid,
        "A computed attribute or a segment would depend on itself. The message has the path, from rule to rule.",
    ),
    call(
        "rule_never_holds_still",
        Invalid,
        "A condition takes `now` for a value, so that it would have to be asked again all the time. Compare with it instead, as in `timestamp occurs <= 30 days before now`.",
    ),
    call("time_zone_unknown", Invalid, "`time_zone` is a name of the database of time zones, as in `Europe/Paris`."),
    call("description_invalid", Invalid, "The description of a rule is at most 500 characters."),
    call(
        "merge_policy_without_graph",
        Invalid,
        "A segment or a query sees profiles whole: its merge policy, or the default one of the workspace, needs the whole identity graph.",
    ),
    call(
        "rule_invalid",
        Invalid,
        "A rule cannot be read. The message says which rule of its language is broken, what was expected and where; `/v1/rules:check` says it in parts. The language, with recipes and what SQL is in it, is at `/docs/rules`.",
    ),
    call(
        "rule_over_budget",
        LimitExceeded,
        "A rule takes more steps for this profile than it may. Narrow what it looks at, by types of events or a window.",
    ),
    call(
        "rule_reads_hidden",
        Forbidden,
        "The rule, or the filter or order of a query, reads attributes or events that this key may not see, so it may not set or try it.",
    ),
    call(
        "segment_not_live",
        Conflict,
        "The segment is a draft, is archived, or is being built for the first time, so it has no members that could change.",
    ),
    call(
        "attribute_not_found",
        NotFound,
        "No attribute of this path is registered in the data model; no computed attribute has this name.",
    ),
    call("segment_not_found", NotFound, "No segment of this name, or none that the key may see."),
    call("rule_exists", Conflict, "There is a computed attribute, or a segment, of this name. Replace it with `PUT`."),
    call(
        "name_taken",
        Conflict,
        "The name is that of a namespace, of an attribute of the data model, or of a member of every profile, so no computed attribute can have it.",
    ),
    call(
        "rule_changed",
        Conflict,
        "The rule has another version than the one that was to be replaced: read it, and decide anew.",
    ),
    call(
        "rule_in_use",
        Conflict,
        "Other rules depend on this one, or activations write its members; the message lists them. Archive, replace or delete them first.",
    ),
    call("rule_runs", Conflict, "A rule that runs cannot become a draft. Replace it, or archive it."),
    call(
        "rule_into_fixed",
        Conflict,
        "Where the values of a computed attribute are, in profiles or in events, stays as it was made. Make one of another name.",
    ),
    call(
        "rule_would_reveal",
        Conflict,
        "What the attribute wrote into events so far would be shown to readers who may not see what it was computed of. Make one of another name.",
    ),
    call(
        "event_attributes_full",
        LimitExceeded,
        "At most 20 computed attributes that run are written into events. Archive one of them first.",
    ),
    call(
        "rules_full",
        LimitExceeded,
        "The workspace has as many computed attributes or segments as it may, archived ones included; the message says how many.",
    ),
    call(
        "too_many_segments",
        LimitExceeded,
        "More segments were to be compared than are at once; the message says how many.",
    ),
    call(
        "explanation_too_large",
        LimitExceeded,
        "The explanation would name more than 5,000 values: ask for one attribute by `attribute`.",
    ),
    call("rules_busy", Unavailable, "Too many rules are asked that take long. Nothing happened; ask again."),
    call(
        "rules_late",
        Unavailable,
        "What the rules come to took longer than 5 seconds for this profile. Ask again, for fewer fields, or make the rules simpler.",
    ),
    call(
        "rules_off",
        Unavailable,
        "The server was started without rules, by `--without-rules` or because its last start did not come to an end: what depends on them is not told. Archive the rule that keeps it from starting, and start it again.",
    ),
];
