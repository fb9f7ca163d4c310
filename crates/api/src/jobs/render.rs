//! From the service's types to answers.

use serde_json::value::RawValue;
use tessera_service::clock::format_timestamp;
use tessera_service::jobs::{Failure, Job, Listed, State};

use super::wire;

pub(super) fn listed(listed: &Listed) -> wire::Listed {
    match listed {
        Listed::Job(job) => wire::Listed::Job(Box::new(self::job(job))),
        Listed::Damaged(id) => {
            wire::Listed::Damaged(wire::Damaged { id: id.to_string(), state: wire::DamagedState::Damaged })
        }
    }
}

pub(super) fn job(job: &Job) -> wire::Job {
    let (result, error) = match &job.state {
        State::Queued | State::Running | State::Pausing | State::Paused | State::Cancelling => {
            (None, job.trouble.as_ref())
        }
        State::Cancelled { .. } => (None, None),
        State::Failed { error, .. } => (None, Some(error)),
        State::Done { result, .. } => (Some(result), None),
    };
    let remaining_secs = if job.has_ended() { None } else { job.progress.remaining_secs() };
    wire::Job {
        id: job.id.to_string(),
        kind: job.kind.clone(),
        parameters: raw(&job.parameters),
        state: job.status().name(),
        asked_by: job.asked_by.map(|key| key.to_string()),
        created_at: format_timestamp(job.created_at),
        started_at: job.started_at.map(format_timestamp),
        updated_at: format_timestamp(job.updated_at),
        ended_at: job.ended_at().map(format_timestamp),
        progress: wire::Progress {
            done: job.progress.done,
            total: job.progress.total,
            unit: job.progress.unit.clone(),
            remaining_secs,
        },
        attempts: job.attempts,
        result: result.map(|result| raw(result)),
        error: error.map(|Failure { code, message }| wire::JobError { code: code.clone(), message: message.clone() }),
    }
}

/// JSON of the service, as it is.
fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("the service keeps what serde_json wrote")
}
