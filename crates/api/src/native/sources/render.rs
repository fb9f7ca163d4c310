//! From the service's types to answers.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Number, Value as Json, json};
use tessera_engine::time::Timestamp;
use tessera_service::clock::format_timestamp;
use tessera_service::jobs::JobId;
use tessera_service::sources::{
    Ask, Becomes, ChangesState, Preview, Run, RunsState, Schedule, Source, SourceColumn, SourceContent, SourceValue,
};

use super::wire;

pub(super) fn source(name: &str, own: &Source, state: &RunsState, changes: Option<ChangesState>) -> wire::Source {
    let at = |micros| Timestamp::from_micros(micros).map(format_timestamp).unwrap_or_default();
    wire::Source {
        name: name.to_owned(),
        // How they stand takes the place of what was set, and says that as well.
        set: wire::SetSource { changes: None, ..content(&own.content) },
        status: if state.running.is_some() { "refreshing" } else { "idle" },
        job: state.running.map(|job| job.to_string()),
        next_run: state.next_run.map(format_timestamp),
        runs: state.runs.iter().map(run).collect(),
        changes: changes.map(|state| self::changes(&own.content, state)),
        created_at: at(own.created_at),
        updated_at: at(own.updated_at),
    }
}

fn changes(own: &SourceContent, state: ChangesState) -> wire::Changes {
    let problem = |(code, message)| wire::Problem { code, message };
    wire::Changes {
        publication: own.changes.as_ref().map(|own| own.publication.clone()).unwrap_or_default(),
        status: state.status.name(),
        slot: state.slot,
        lag_bytes: state.lag_bytes,
        applied: state.applied,
        refused: state.refused,
        last_change_at: state.last_change_at.map(format_timestamp),
        error: state.error.map(problem),
    }
}

pub(super) fn content(own: &SourceContent) -> wire::SetSource {
    let (sql, table) = match &own.ask {
        Ask::Sql(sql) => (Some(sql.clone()), None),
        Ask::Table(table) => (None, Some(table.clone())),
    };
    let primary = wire::Primary { column: own.primary.column.clone(), namespace: own.primary.namespace.clone() };
    let schedule = own.schedule.as_ref().map(schedule);
    wire::SetSource {
        connection: own.connection.clone(),
        sql,
        table,
        rows: if own.event.is_some() { "events" } else { "profiles" }.to_owned(),
        event: own.event.as_ref().map(|event| wire::Event {
            name: event.name.clone(),
            time: event.time.clone(),
            id: event.id.clone(),
        }),
        primary,
        identifiers: own.identifiers.clone(),
        audiences: own.audiences.clone(),
        attributes: own.attributes.clone(),
        types: own.types.clone(),
        schedule,
        evict_max_share: own.evict_max_share,
        changes: own
            .changes
            .as_ref()
            .map(|own| wire::Follow { publication: own.publication.clone(), others: BTreeMap::new() }),
    }
}

pub(in crate::native) fn schedule(own: &Schedule) -> wire::Schedule {
    match own {
        Schedule::Every(every) => wire::Schedule { every: Some(every.clone()), cron: None, time_zone: None },
        Schedule::Cron { cron, time_zone } => {
            wire::Schedule { every: None, cron: Some(cron.clone()), time_zone: Some(time_zone.clone()) }
        }
    }
}

pub(in crate::native) fn run(run: &Run) -> wire::Run {
    let verdict = |own: &tessera_service::sources::RunVerdict| wire::Verdict {
        code: own.code.clone(),
        column: own.column.clone(),
        refused: own.is_refusal,
        rows: own.rows,
    };
    wire::Run {
        id: JobId::from_bytes(run.id).to_string(),
        started_at: format_timestamp(run.started_at),
        ended_at: run.ended_at.map(format_timestamp),
        status: run.status.name(),
        read: run.counts.read,
        changed: run.counts.changed,
        unchanged: run.counts.unchanged,
        evicted: run.counts.evicted,
        refused: run.counts.refused,
        error: run.error.clone().map(|(code, message)| wire::Problem { code, message }),
        verdicts: run.verdicts.iter().map(verdict).collect(),
    }
}

pub(super) fn preview(preview: &Preview) -> wire::Preview {
    let columns: Vec<&SourceColumn> = preview.columns.iter().map(|(column, _)| column).collect();
    let row = |values: &Vec<SourceValue>| {
        let members = columns.iter().zip(values).map(|(column, value)| (column.name.clone(), shown(value)));
        to_raw_value(&members.collect::<Map<String, Json>>()).unwrap_or_else(|_| RawValue::NULL.to_owned())
    };
    let rows = preview.rows.iter().map(row).collect();
    let columns = preview.columns.iter().map(|(column, becomes)| self::column(column, becomes)).collect();
    wire::Preview { columns, rows }
}

fn column(column: &SourceColumn, becomes: &Becomes) -> wire::Column {
    let (name, as_, code) = match becomes {
        Becomes::Primary { namespace } => ("primary", Some(namespace.clone()), None),
        Becomes::Identifier { namespace } => ("identifier", Some(namespace.clone()), None),
        Becomes::Audience => ("audience", Some(column.name.clone()), None),
        Becomes::Attribute { path } => ("attribute", Some(path.as_str().to_owned()), None),
        Becomes::EventName => ("event_name", None, None),
        Becomes::EventTime => ("event_time", None, None),
        Becomes::EventId => ("event_id", None, None),
        Becomes::Property { name } => ("property", Some(name.clone()), None),
        Becomes::Nothing { code } => ("nothing", None, *code),
    };
    wire::Column {
        name: column.name.clone(),
        kind: column.kind.name(),
        source_type: column.source_type.clone(),
        becomes: name,
        as_,
        code,
    }
}

/// A value as the source gives it; what can be none by its code.
fn shown(value: &SourceValue) -> Json {
    match value {
        SourceValue::Null => Json::Null,
        SourceValue::Boolean(truth) => Json::Bool(*truth),
        SourceValue::Number(digits) => {
            digits.parse::<Number>().map_or_else(|_| Json::String(digits.clone()), Json::Number)
        }
        SourceValue::Text(text) | SourceValue::Timestamp(text) => Json::String(text.clone()),
        SourceValue::Json(json) => json.clone(),
        SourceValue::Unfit(unfit) => json!({ "code": unfit.code() }),
    }
}
