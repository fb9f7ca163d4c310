//! The codes of calls about keys, their datasets, and tokens.

use super::{Code, Conflict, Forbidden, Invalid, LimitExceeded, NotFound, Unauthenticated, call};

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
        "A key of identity tokens has a `kid` of its own and either, for HS256, a secret of 32 to 1,024 bytes or, for RS256, a public key of RSA in PEM with 2,048 to 8,192 bits; a key of a token issuer is such a public key. The message says what is wrong.",
    ),
    call(
        "token_keys_missing",
        Invalid,
        "Identity tokens are checked with a key: give at least one, or set the mode `off`.",
    ),
    call("token_keys_full", LimitExceeded, "A workspace has at most 4 keys of identity tokens."),
    call("signing_key_bits_invalid", Invalid, "A signing key has 2048 or 4096 bits."),
    call("signing_overlap_invalid", Invalid, "`overlap_secs` is 0 to 2592000, which is thirty days."),
    call(
        "signing_keys_full",
        LimitExceeded,
        "A workspace has at most 4 signing keys, those that were replaced and still verify among them. Wait until one has ended, or let them end sooner by a smaller `overlap_secs`.",
    ),
    call(
        "token_issuer_invalid",
        Invalid,
        "A token issuer has an `iss`, the algorithm `RS256`, at most 10 `audiences`, and 1 to 10 keys in either `public_keys` or `jwks`. The message says what is wrong.",
    ),
    call(
        "token_jwks_invalid",
        Invalid,
        "`jwks` is no JSON Web Key Set, has no key of RSA that signs with RS256, or one that is damaged or private. The message says which.",
    ),
    call(
        "token_issuer_taken",
        Conflict,
        "Another token issuer of the workspace has this `iss`: change that one, or delete it. The message names it.",
    ),
    call("token_issuers_full", LimitExceeded, "A workspace has at most 20 token issuers."),
    call("token_issuer_not_found", NotFound, "The workspace has no token issuer of this name."),
    call(
        "token_claims_invalid",
        Invalid,
        "A token that is to be signed says who signs it, as `iss`, and until when it holds, as `exp` in seconds since 1970 that is to come.",
    ),
    call("token_too_large", LimitExceeded, "A token that is signed has at most 8,192 bytes: put less into it."),
    call(
        "token_invalid",
        Unauthenticated,
        "The token is none, has more than 8,192 bytes, has no `iss` or `exp`, or is not signed by a key of its issuer with its algorithm.",
    ),
    call("token_expired", Unauthenticated, "The token has ended: get another one from its issuer."),
    call(
        "token_not_yet_valid",
        Unauthenticated,
        "The token does not hold yet, by more than a minute: look at the clocks.",
    ),
    call(
        "token_issuer_unknown",
        Unauthenticated,
        "The token is of an issuer that the workspace does not take tokens of, or not the one that is expected here.",
    ),
    call(
        "token_audience_wrong",
        Unauthenticated,
        "The token is for another audience than those of its issuer in the workspace.",
    ),
    call("datasets_full", LimitExceeded, "A key may be confined to at most 100 datasets."),
    call(
        "origin_invalid",
        Invalid,
        "The origin of a page is a scheme, a host and perhaps a port, as in `https://shop.example`.",
    ),
    call("expiry_past", Invalid, "A key expires in the future, or never where `expires_at` is left out."),
    call(
        "expiry_exceeded",
        Forbidden,
        "A key that expires, also one in the grace of its rotation, gives no key that outlives it: say an earlier `expires_at`.",
    ),
    call("origins_empty", Invalid, "List at least one origin, or leave the list out for any."),
    call("origins_full", LimitExceeded, "A key may be confined to at most 100 origins."),
    call(
        "origin_forbidden",
        Forbidden,
        "The key is confined to pages of other origins than the one that the browser names in `Origin`.",
    ),
];
