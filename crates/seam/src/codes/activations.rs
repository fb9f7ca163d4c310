//! The codes of activations and their runs.

use super::{Code, Conflict, Forbidden, Invalid, LimitExceeded, NotFound, Unavailable, call};

/// All of them.
pub(super) const CALLS: &[Code] = &[
    call("activation_not_found", NotFound, "No activation is called so."),
    call("activation_invalid", Invalid, "A member of an activation is not of its kind. The message names it."),
    call(
        "activation_name_invalid",
        Invalid,
        "The name of an activation is 1 to 64 ASCII letters, digits, `.`, `-` and `_`.",
    ),
    call(
        "activation_target_taken",
        Conflict,
        "Another activation writes to this table or path, or to one above or below it, and either would remove what the other wrote. The message names it. Name another target, or delete that one first.",
    ),
    call("activations_full", LimitExceeded, "A workspace has at most 50 activations."),
    call(
        "activation_running",
        Conflict,
        "A run of the activation goes on, whose job the message names. It ends before the next may begin.",
    ),
    call(
        "activation_changed",
        Conflict,
        "The activation was set to something else while it ran. The next run goes by that.",
    ),
    call(
        "activation_sees_more",
        Forbidden,
        "The activation writes what the key may not see: private attributes, set by a key with `read_private`. Have it run, change its connection, and set sources of that, with such a key.",
    ),
    call(
        "activation_table_invalid",
        Invalid,
        "The table cannot be written: it lacks a column of the activation, its schema is not there, or the database says why. The message names it. The table stands as it was.",
    ),
    call(
        "activation_value_unfit",
        Invalid,
        "A value is not of the type that its column has in the table. The message names the column. The table stands as it was.",
    ),
    call(
        "activation_rows_refused",
        Invalid,
        "A constraint of the table refuses a row: a key, `not null`, a check. The message names it. The table stands as it was.",
    ),
    call(
        "activation_table_locked",
        Unavailable,
        "Others held the table for longer than 60 s. The table stands as it was.",
    ),
    call("activation_timeout", Unavailable, "A statement took longer than 600 s. The table stands as it was."),
    call(
        "connection_lost",
        Unavailable,
        "The connection was lost while rows were written. The table stands as it was, or as it was to be if the server had committed; the next run makes sure.",
    ),
    call("connection_not_of_tables", Invalid, "Tables are written over a connection of the kind `postgres` alone."),
    call(
        "control_group_invalid",
        Invalid,
        "The share of a control group is no number between 0 and 1 with at most six digits, or its seed no text of 1 to 64 bytes.",
    ),
];
