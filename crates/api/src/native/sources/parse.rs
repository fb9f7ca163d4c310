//! From the wire to the service's types.

use tessera_seam::answer::invalid;
use tessera_service::error::Error;
use tessera_service::sources::{Ask, EventColumns, Follow, Primary, Schedule, SourceContent};

use super::wire;

/// A source as it is asked for.
///
/// # Errors
/// `source_invalid`, `schedule_invalid`.
pub(super) fn source(sent: wire::SetSource) -> Result<SourceContent, Error> {
    let ask = match (sent.sql, sent.table) {
        (Some(sql), None) => Ask::Sql(sql),
        (None, Some(table)) => Ask::Table(table),
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid("source_invalid", "exactly one of `sql` and `table` is expected"));
        }
    };
    let event = match (&*sent.rows, sent.event) {
        ("profiles", None) => None,
        ("events", Some(wire::Event { name, time, id })) => Some(EventColumns { name, time, id }),
        ("profiles", Some(_)) => return Err(invalid("source_invalid", "event: it is of rows that are events")),
        ("events", None) => return Err(invalid("source_invalid", "event: the columns name, time and id are expected")),
        _ => return Err(invalid("source_invalid", "rows: profiles or events is expected")),
    };
    let wire::Primary { column, namespace } = sent.primary;
    Ok(SourceContent {
        connection: sent.connection,
        ask,
        event,
        primary: Primary { column, namespace },
        identifiers: sent.identifiers,
        audiences: sent.audiences,
        attributes: sent.attributes,
        types: sent.types,
        schedule: sent.schedule.map(schedule).transpose()?,
        evict_max_share: sent.evict_max_share,
        changes: sent.changes.map(follow).transpose()?,
    })
}

fn follow(sent: wire::Follow) -> Result<Follow, Error> {
    if !sent.others.is_empty() {
        return Err(invalid(
            "source_invalid",
            "changes: `publication` alone is expected; the slot is the server's own",
        ));
    }
    Ok(Follow { publication: sent.publication })
}

/// A schedule.
///
/// # Errors
/// `schedule_invalid`.
pub(in crate::native) fn schedule(sent: wire::Schedule) -> Result<Schedule, Error> {
    match (sent.every, sent.cron, sent.time_zone) {
        (Some(every), None, None) => Ok(Schedule::Every(every)),
        (None, Some(cron), zone) => Ok(Schedule::Cron { cron, time_zone: zone.unwrap_or_else(|| "UTC".to_owned()) }),
        _ => Err(invalid("schedule_invalid", "schedule: `every`, or `cron` with `time_zone`, is expected")),
    }
}
