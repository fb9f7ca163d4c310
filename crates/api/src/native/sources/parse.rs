//! From the wire to the service's types.

use tessera_service::error::Error;
use tessera_service::sources::{Ask, Primary, Schedule, SourceContent};

use super::{rows_unsupported, wire};
use crate::answer::invalid;

/// A source as it is asked for.
///
/// # Errors
/// `source_invalid`, `schedule_invalid`, `source_rows_unsupported`.
pub(super) fn source(sent: wire::SetSource) -> Result<SourceContent, Error> {
    let ask = match (sent.sql, sent.table) {
        (Some(sql), None) => Ask::Sql(sql),
        (None, Some(table)) => Ask::Table(table),
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid("source_invalid", "exactly one of `sql` and `table` is expected"));
        }
    };
    if sent.rows != "profiles" {
        return Err(rows_unsupported());
    }
    let wire::Primary { column, namespace } = sent.primary;
    Ok(SourceContent {
        connection: sent.connection,
        ask,
        primary: Primary { column, namespace },
        identifiers: sent.identifiers,
        audiences: sent.audiences,
        attributes: sent.attributes,
        types: sent.types,
        schedule: sent.schedule.map(schedule).transpose()?,
        evict_max_share: sent.evict_max_share,
    })
}

fn schedule(sent: wire::Schedule) -> Result<Schedule, Error> {
    match (sent.every, sent.cron, sent.time_zone) {
        (Some(every), None, None) => Ok(Schedule::Every(every)),
        (None, Some(cron), zone) => Ok(Schedule::Cron { cron, time_zone: zone.unwrap_or_else(|| "UTC".to_owned()) }),
        _ => Err(invalid("schedule_invalid", "schedule: `every`, or `cron` with `time_zone`, is expected")),
    }
}
