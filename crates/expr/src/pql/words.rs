//! Words that mean something where a name could stand.

/// Words that are no names where an expression begins. In letters of any case.
const RESERVED: [&str; 34] = [
    "and",
    "or",
    "not",
    "in",
    "notin",
    "like",
    "matches",
    "occurs",
    "where",
    "over",
    "let",
    "select",
    "exists",
    "forall",
    "true",
    "false",
    "null",
    "this",
    "now",
    "today",
    "yesterday",
    "tomorrow",
    "sum",
    "average",
    "min",
    "max",
    "from",
    "on",
    "before",
    "after",
    "between",
    "last",
    "next",
    "chain",
];

/// The events of a profile, in exactly these letters.
pub(super) const EVENTS: &str = "xEvent";

/// Words that continue what stands before them.
const CONTINUING: [&str; 14] = [
    "and", "or", "in", "notin", "like", "matches", "occurs", "where", "over", "from", "on", "before", "after",
    "between",
];

/// Whether a name must be quoted where an expression begins.
pub(super) fn is_reserved(word: &str) -> bool {
    word == EVENTS || RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved))
}

/// Whether a word can only follow an operand.
pub(super) fn is_continuing(word: &str) -> bool {
    CONTINUING.iter().any(|continuing| word.eq_ignore_ascii_case(continuing))
}

/// Whether a character begins a name that needs no quotes.
pub(super) fn begins_name(character: char) -> bool {
    character == '_' || character.is_alphabetic()
}

/// Whether a character goes on with such a name.
pub(super) fn continues_name(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// Whether a name needs no quotes behind a dot.
pub(super) fn is_plain(name: &str) -> bool {
    name.starts_with(begins_name) && name.chars().all(continues_name)
}
