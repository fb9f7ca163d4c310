//! The codes of connections, sources and their refreshes.

use super::{Code, Conflict, Forbidden, Invalid, LimitExceeded, NotFound, Place, Unavailable, call};

const fn verdict(code: &'static str, documentation: &'static str) -> Code {
    Code { code, kind: Invalid, place: Place::Verdict, documentation }
}

/// All of them.
pub(super) const CALLS: &[Code] = &[
    call("connection_not_found", NotFound, "No connection is called so."),
    call(
        "connection_unknown",
        Invalid,
        "A source or an activation names a connection that is not there. Make it first.",
    ),
    call("connection_invalid", Invalid, "A connection has a member that is not of its kind. The message names it."),
    call(
        "connection_kind_unsupported",
        Invalid,
        "Connections of this kind, or to such a place, are not there. The message says which are.",
    ),
    call(
        "connection_url_invalid",
        Invalid,
        "The URL of a connection cannot be read. The message says what is expected.",
    ),
    call(
        "connection_in_use",
        Conflict,
        "Sources or activations use the connection, so it is neither deleted nor made one of another kind. The message names them; delete them first.",
    ),
    call("connections_full", LimitExceeded, "A workspace has at most 50 connections."),
    call(
        "connection_unreachable",
        Unavailable,
        "The server of a connection does not answer, or takes no connections now. Look at host, port and firewall.",
    ),
    call(
        "connection_unauthorized",
        Invalid,
        "The server of a connection does not let its user in, or does not let it read or write that. The message says which.",
    ),
    call("connection_database_unknown", Invalid, "The server of a connection has no database of the name in the URL."),
    call(
        "connection_tls_failed",
        Invalid,
        "A connection that is to be encrypted cannot be. The message says why: an authority that is not known, another host, a server that does not encrypt.",
    ),
    call(
        "connection_ca_invalid",
        Invalid,
        "What `ca` names holds no certificates of authorities as PEM, or the system has none.",
    ),
    call(
        "connection_driver_missing",
        Invalid,
        "The driver of a connection cannot be loaded: no such library, one of another machine, or 16 are loaded already.",
    ),
    call("connection_folder_missing", Invalid, "The URL of a connection names no folder and no bucket that is there."),
    call(
        "secrets_key_missing",
        Conflict,
        "A secret in plain text would be kept, and the server has no key to seal it with. Start it with `secrets_key_file`, or say where the secret stands.",
    ),
    call("secret_invalid", Invalid, "A secret is empty, or larger than 4 KiB."),
    call(
        "secret_reference_invalid",
        Invalid,
        "A reference leads to no secret: variables begin with `TESSERA_SECRET_`, files stand in the folder of secrets.",
    ),
    call(
        "secret_missing",
        Conflict,
        "The variable or the file that a secret should stand in is not there. The message names it.",
    ),
    call("secret_unreadable", Conflict, "A secret was sealed with another key than the server has now. Set it again."),
    call("secret_in_file", Invalid, "A declaration in a file holds a secret. Say where it stands instead."),
    call("source_not_found", NotFound, "No source is called so."),
    call(
        "source_name_invalid",
        Invalid,
        "The name of a connection or a source is 1 to 64 ASCII letters, digits, `.`, `-` and `_`.",
    ),
    call(
        "raw_hidden",
        Forbidden,
        "Rows and facts as they came may hold what the data model hides from the key, and nothing can be left out of them. Use a key with the permission that the message names.",
    ),
    call("source_invalid", Invalid, "A source cannot be so. The message names the member and says what is expected."),
    call(
        "schedule_invalid",
        Invalid,
        "A schedule is `every`, from `1m` to `31d`, or `cron` of five fields with a `time_zone`.",
    ),
    call("sources_full", LimitExceeded, "A workspace has at most 50 sources."),
    call(
        "audience_taken",
        Conflict,
        "A segment has the name of an audience and says something else. Rename the column.",
    ),
    call("source_refreshing", Conflict, "A refresh of the source goes on. The message names its job."),
    call("source_changed", Conflict, "The source was set to something else while it was refreshed. Refresh it again."),
    call(
        "source_empty",
        Conflict,
        "The query brought no rows where there were some; nothing was taken back. If that is right, refresh with `evict_max_share` 1.",
    ),
    call(
        "source_evicts_too_many",
        Conflict,
        "More rows are no more than one refresh may take back; nothing was. If that is right, refresh with a greater `evict_max_share`.",
    ),
    call(
        "source_columns_changed",
        Conflict,
        "The query brings other columns than in the last refresh; nothing was taken back. The message names them, and says whether anything was written.",
    ),
    call(
        "source_column_unknown",
        Invalid,
        "The source names a column that the query does not bring. The message lists what it brings.",
    ),
    call(
        "source_column_unfit",
        Invalid,
        "A column is of a type that cannot be what the source makes of it. Convert it in the query.",
    ),
    call("source_columns_missing", Invalid, "The query brings no columns. A statement that reads is expected."),
    call("source_columns_duplicate", Invalid, "Columns of the query have one name, or none. Name each with `as`."),
    call("source_columns_differ", Invalid, "Files of one source have different columns or formats."),
    call("source_too_many_columns", Invalid, "A query brings at most 1,000 columns."),
    call("source_too_many_rows", LimitExceeded, "A source has at most 10,000,000 rows."),
    call("source_too_many_files", Invalid, "A source reads at most 10,000 files."),
    call("source_row_too_large", Invalid, "A row has more than 1 MiB."),
    call(
        "source_file_invalid",
        Invalid,
        "A file cannot be read as what its name says. The message names it and the row.",
    ),
    call(
        "source_format_unsupported",
        Invalid,
        "Files are `.csv`, `.jsonl` or `.ndjson`, each also with `.gz` or `.zst`, or `.parquet` (uncompressed or SNAPPY) where the server was built with it. The message says which it is.",
    ),
    call(
        "source_table_invalid",
        Invalid,
        "`table` is no name of a table, or leads out of the folder or the bucket's path.",
    ),
    call("source_table_unknown", Invalid, "The connection has no such table or file."),
    call(
        "source_sql_unsupported",
        Invalid,
        "`sql` over files takes a server that was started with `duckdb_driver`, and a folder; otherwise files are asked by `table`.",
    ),
    call(
        "source_query_invalid",
        Invalid,
        "The server of the connection does not take the statement. The message has its words.",
    ),
    call("source_query_failed", Invalid, "The statement failed while it ran. The message has the SQLSTATE."),
    call(
        "source_timeout",
        Unavailable,
        "The statement took longer for its first or its next rows than it may: 600 s, or `source_answer_secs`.",
    ),
    call(
        "connection_busy",
        Unavailable,
        "32 questions to drivers are under way in the process, those included that their driver does not end. The message says so.",
    ),
    call(
        "source_lost",
        Unavailable,
        "The source was lost while it was read. What was written stays, nothing was taken back.",
    ),
];

/// What is said of rows of a refresh.
pub(super) const VERDICTS: &[Code] = &[
    verdict("row_primary_null", "A row has nothing in its primary column, so it is nobody's. It is refused."),
    verdict("row_duplicate", "A row before it in the same refresh is of the same primary identity. It is refused."),
    verdict("row_event_id_null", "A row has nothing in the column of its event's id. It is refused."),
    verdict(
        "row_event_time_invalid",
        "A row has no time that can be read in the column of its event's time. It is refused.",
    ),
    verdict(
        "member_in_control_group",
        "A member of the segment of an activation is in its control group. It was not written, and is not counted as read.",
    ),
    verdict("value_not_finite", "NaN or an infinity is no value. It was left out."),
    verdict("value_binary", "Bytes are no value. They were left out."),
    verdict("value_not_of_kind", "A value is not of the kind of its column. It was left out."),
    verdict("value_out_of_range", "A time lies before the year 1 or after 9999. It was left out."),
    verdict("value_not_unicode", "A text is not Unicode. It was left out."),
    verdict(
        "number_too_precise",
        "A number has more than 18 digits after the point, which would be rounded. It was left out.",
    ),
    call(
        "source_changes_unsupported",
        Invalid,
        "Changes are followed of an ordinary table of a PostgreSQL with `wal_level = logical` that is no standby. The message says what it is instead.",
    ),
    call(
        "source_publication_unfit",
        Invalid,
        "The publication of `changes` is not there, or does not tell all changes of the table. The message has the statement that puts it right.",
    ),
    call(
        "source_replica_identity_missing",
        Invalid,
        "The replica identity of the table does not hold the column that says which row one is. Make it part of the primary key, or set REPLICA IDENTITY FULL.",
    ),
    call(
        "source_slot_refused",
        Conflict,
        "The database does not make or read the replication slot: the user has no right to, there is no room for another, somebody else uses it, or transactions are open for long. The message says which.",
    ),
    call(
        "source_slot_lost",
        Conflict,
        "The replication slot was dropped or moved by somebody else, or the table was made anew. A whole refresh brings what was missed, and makes a slot.",
    ),
    call(
        "source_slot_lagging",
        Conflict,
        "A database keeps more than 1 GiB of its log for the slot of a source. See that it is followed, and bound it with `max_slot_wal_keep_size`.",
    ),
    call(
        "source_table_emptied",
        Conflict,
        "The table was truncated. Nothing was taken back for that; a refresh decides what is no more.",
    ),
];
