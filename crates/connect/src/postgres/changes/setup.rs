//! Whether a server can tell the changes of a table, and the slot that it tells them by.

use tokio_postgres::SimpleQueryRow;

use super::{Known, LOOK, MAKING, PostgresChanges, literal, of_slot, quoted_one, rows_of, timed_by, unreadable};
use crate::changes::{Position, Standing};
use crate::{Error, STATEMENT};

/// How the server stands, and what is known of the table.
pub(super) async fn look(own: &PostgresChanges) -> Result<(Standing, Known), Error> {
    let followed = &own.followed;
    let (slot, publication, key) = (literal(&followed.slot), literal(&followed.publication), literal(&followed.key));
    // A row filter stands in the view since version 15, and is nothing before.
    let statement = format!(
        "WITH t AS (SELECT c.*, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass({table}))
         SELECT pg_is_in_recovery(), current_setting('wal_level'), t.oid, t.relkind = 'r' AND NOT t.relhassubclass,
             (SELECT format_type(a.atttypid, -1) FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = {key} AND NOT a.attisdropped),
             t.relreplident = 'f' OR EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                 WHERE i.indrelid = t.oid AND a.attname = {key} AND (t.relreplident = 'd' AND i.indisprimary OR t.relreplident = 'i' AND i.indisreplident)),
             p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate,
             (SELECT coalesce(to_jsonb(pt) ->> 'rowfilter', '') FROM pg_publication_tables pt
                 WHERE pt.pubname = p.pubname AND pt.schemaname = t.nspname AND pt.tablename = t.relname),
             s.confirmed_flush_lsn, s.wal_status = 'lost',
             CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_flush_lsn() END,
             CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_flush_lsn(), s.restart_lsn) END
         FROM (SELECT) one LEFT JOIN t ON true LEFT JOIN pg_publication p ON p.pubname = {publication}
             LEFT JOIN pg_replication_slots s ON s.slot_name = {slot} AND s.database = current_database()",
        table = literal(&own.table),
    );
    let rows = own.rows(&statement).await?;
    let row = rows.first().ok_or_else(unreadable)?;
    let known = fit(own, row)?;
    let position = |at: usize| row.get(at).and_then(Position::parse);
    let is_lost = row.get(9) == Some("t");
    let standing = Standing {
        slot: position(8).filter(|_| !is_lost),
        end: position(10).ok_or_else(unreadable)?,
        lag_bytes: row.get(11).and_then(|own| own.parse().ok()).unwrap_or_default(),
        table: known.number,
    };
    Ok((standing, known))
}

/// Whether the changes of the table are all told.
fn fit(own: &PostgresChanges, row: &SimpleQueryRow) -> Result<Known, Error> {
    let (table, publication) = (&own.table, quoted_one(&own.followed.publication));
    let is = |at: usize| row.get(at) == Some("t");
    let unsupported = |message: String| Err(Error::invalid("source_changes_unsupported", message));
    let unfit = |message: String| Err(Error::invalid("source_publication_unfit", message));
    if is(0) {
        return unsupported("the server is a standby; changes are followed on the primary".to_owned());
    }
    if let Some(level @ ("minimal" | "replica")) = row.get(1) {
        let message = format!("the server has wal_level = {level}; `logical` is expected, which takes a restart of it");
        return unsupported(message);
    }
    let Some(number) = row.get(2).and_then(|own| own.parse().ok()) else {
        return Err(Error::invalid(
            "source_table_unknown",
            format!("the server has no table {table} that the user may see"),
        ));
    };
    if !is(3) {
        let message =
            format!("{table} is a view, has partitions or tables below it; changes are followed of one ordinary table");
        return unsupported(message);
    }
    let Some(key_type) = row.get(4).map(str::to_owned) else {
        let message = format!("the table {table} has no column {}", own.followed.key);
        return Err(Error::invalid("source_column_unknown", message));
    };
    if !is(5) {
        let message = format!(
            "the replica identity of {table} does not hold the column {key}, so that nobody is told which row is gone; make {key} part of its \
             primary key, or say ALTER TABLE {table} REPLICA IDENTITY FULL",
            key = own.followed.key
        );
        return Err(Error::invalid("source_replica_identity_missing", message));
    }
    match row.get(6) {
        None => {
            let message = format!(
                "the server has no publication {publication}; make it: CREATE PUBLICATION {publication} FOR TABLE {table}"
            );
            return unfit(message);
        }
        Some("t") => {}
        Some(_) => {
            let message = format!(
                "the publication {publication} leaves out some changes; insert, update, delete and truncate are expected of `publish`"
            );
            return unfit(message);
        }
    }
    match row.get(7) {
        None => unfit(format!(
            "the publication {publication} does not have the table; add it: ALTER PUBLICATION {publication} ADD TABLE {table}"
        )),
        Some("") => Ok(Known { number, key_type }),
        Some(_) => {
            unfit(format!("the publication {publication} has a filter for rows of {table}; all rows are expected"))
        }
    }
}

/// Makes the slot, and waits until all transactions have ended that may have been committed before it began and are not seen yet.
pub(super) async fn make(own: &PostgresChanges) -> Result<Position, Error> {
    let slot = literal(&own.followed.slot);
    let statement = format!("SELECT lsn FROM pg_create_logical_replication_slot({slot}, 'pgoutput')");
    let limit = |of: std::time::Duration| format!("SET statement_timeout = {}", of.as_millis());
    own.rows(&limit(MAKING)).await?;
    let made = own.ask_slot(&statement).await;
    own.rows(&limit(STATEMENT)).await?;
    let position = made?.first().and_then(|row| row.get(0)).and_then(Position::parse).ok_or_else(unreadable)?;
    let messages = timed_by(own.session.client.simple_query("SELECT txid_current()"), of_slot).await?;
    let rows = rows_of(messages);
    let mark: u64 = rows.first().and_then(|row| row.get(0)).and_then(|own| own.parse().ok()).ok_or_else(unreadable)?;
    for _ in 0..MAKING.as_millis() / LOOK.as_millis() {
        if own.snapshot().await?.oldest > mark {
            return Ok(position);
        }
        tokio::time::sleep(LOOK).await;
    }
    let secs = MAKING.as_secs();
    let message = format!(
        "transactions that write have been open for {secs} s and longer, which the slot waits for; it is tried again"
    );
    Err(Error::unreachable("source_slot_refused", message))
}
