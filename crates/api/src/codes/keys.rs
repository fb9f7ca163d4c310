//! The codes of calls about keys, their datasets, and identity tokens.

use super::{Code, Conflict, Forbidden, Invalid, LimitExceeded, call};

/// All of them.
pub(super) const CALLS: &[Code] = &[
    call(
        "private_key_needed",
        Forbidden,
        "The call is taken from servers alone, and the key is a public one: use a private key. As a verdict of a replay: the record was sent with a public key.",
    ),
    call(
        "dataset_forbidden",
        Forbidden,
        "The key is confined to the datasets that the message names, and the call names another.",
    ),
    call(
        "datasets_empty",
        Invalid,
        "A list of datasets names none. `precedence` and `source_priority` need at least one; of a key, leave the list out for any. The message says where.",
    ),
    call(
        "dataset_not_listed",
        Invalid,
        "A dataset is named that takes no part. The `dataset` of a key must be one of the `datasets` that it is confined to; under `precedence` only what the policy itself lists does. The message says which.",
    ),
    call(
        "dataset_taken",
        Conflict,
        "Keys of the other class send to this dataset, or it is `segment` and the key a public one: public and private keys share no dataset.",
    ),
    call(
        "event_ambiguous",
        Conflict,
        "Events of several datasets have this message id: say of which with `?dataset=`. The message names them.",
    ),
    call("token_mode_unknown", Invalid, "The mode of identity tokens is `off`, `accept` or `require`."),
    call(
        "token_key_invalid",
        Invalid,
        "A key of identity tokens has a `kid` of its own and either, for HS256, a secret of 32 to 1,024 bytes or, for RS256, a public key of RSA in PEM with 2,048 to 8,192 bits. The message says what is wrong.",
    ),
    call(
        "token_keys_missing",
        Invalid,
        "Identity tokens are checked with a key: give at least one, or set the mode `off`.",
    ),
    call("token_keys_full", LimitExceeded, "A workspace has at most 4 keys of identity tokens."),
    call("datasets_full", LimitExceeded, "A key may be confined to at most 100 datasets."),
];
