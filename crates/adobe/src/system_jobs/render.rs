//! Orders as answers show them, in both generations.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use serde_json::{Value, json};
use tessera_engine::time::Timestamp;
use tessera_service::clock::format_seconds;
use tessera_service::jobs::{Job, JobStatus};
use tessera_service::workspace_config::{ErasureOrder, OrderState, StoredConfig};

use super::super::enter::{Asked, uuid};
use super::parse::Wanted;

/// Which generation of the API a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// That of the guide's older edition.
    Classic,
    /// That of whoever names the id of the sandbox.
    Newer,
}

impl Generation {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key("x-sandbox-id") { Self::Newer } else { Self::Classic }
    }
}

/// Where an order stands, in its order of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    New,
    Processing,
    Completed,
    Error,
}

impl Status {
    fn of(config: &StoredConfig, jobs: &BTreeMap<u64, Job>, order: &ErasureOrder) -> Self {
        match order.state {
            OrderState::Waiting { .. } => Self::New,
            OrderState::Begun { .. } if config.is_carried_out(order) => Self::Completed,
            OrderState::Begun { sweep } => match jobs.get(&sweep).map(Job::status) {
                Some(JobStatus::Failed) => Self::Error,
                _ => Self::Processing,
            },
        }
    }

    const fn name(self, generation: Generation) -> &'static str {
        match (self, generation) {
            (Self::New, _) => "NEW",
            (Self::Processing, Generation::Classic) => "PROCESSING",
            (Self::Processing, Generation::Newer) => "IN-PROGRESS",
            (Self::Completed, Generation::Classic) => "COMPLETED",
            (Self::Completed, Generation::Newer) => "SUCCESS",
            (Self::Error, _) => "ERROR",
        }
    }
}

/// The id of an order: of its number in its sandbox, the same for good.
pub(super) fn id_of(asked: &Asked, order: &ErasureOrder) -> String {
    uuid("system job", &format!("{}/{}", asked.workspace().stable_id(), order.number))
}

/// An order.
pub(super) fn job(
    asked: &Asked,
    config: &StoredConfig,
    jobs: &BTreeMap<u64, Job>,
    (generation, order): (Generation, &ErasureOrder),
) -> Value {
    let status = Status::of(config, jobs, order);
    let job = match order.state {
        OrderState::Waiting { .. } => None,
        OrderState::Begun { sweep } => jobs.get(&sweep),
    };
    let updated = job.map_or(order.updated_at, |job| job.updated_at.max(order.updated_at));
    match generation {
        Generation::Classic => {
            let mut shown = json!({
                "id": id_of(asked, order), "imsOrgId": asked.org, "jobType": "DELETE", "status": status.name(generation),
                "createEpoch": seconds(order.ordered_at), "updateEpoch": seconds(updated)
            });
            match &order.batch {
                None => shown["dataSetId"] = (*order.dataset).into(),
                Some(batch) => shown["batchId"] = (**batch).into(),
            }
            if let Some(job) = job.filter(|_| status == Status::Completed) {
                shown["metrics"] = metrics(job).into();
            }
            shown
        }
        Generation::Newer => {
            let mut properties = json!({ "datasetId": &*order.dataset });
            if let Some(batch) = &order.batch {
                properties["batchId"] = (**batch).into();
            }
            let kind = if order.batch.is_some() { "DELETE_EE_BATCH" } else { "TRUNCATE_DATASET" };
            let sandbox = json!({ "sandboxName": asked.sandbox.sandbox_name, "sandboxId": asked.sandbox.sandbox_id });
            json!({
                "requestId": id_of(asked, order), "requestType": kind, "imsOrgId": asked.org, "sandbox": sandbox,
                "status": status.name(generation), "properties": properties, "createdAt": with_micros(order.ordered_at),
                "updatedAt": with_micros(updated)
            })
        }
    }
}

/// What came of a job, as a text that holds JSON (section 9.1).
fn metrics(job: &Job) -> String {
    let took = job.started_at.zip(job.ended_at()).map_or(0, |(from, to)| (to.micros() - from.micros()) / 1_000_000);
    json!({ "recordsProcessed": job.progress.done, "timeTakenInSec": took }).to_string()
}

const fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

/// An instant with all its microseconds.
fn with_micros(at: Timestamp) -> String {
    let whole = format_seconds(at);
    format!("{}.{:06}Z", whole.trim_end_matches('Z'), at.micros().rem_euclid(1_000_000))
}

/// A page of orders.
pub(super) fn page(
    asked: &Asked,
    config: &StoredConfig,
    jobs: &BTreeMap<u64, Job>,
    (generation, wanted): (Generation, &Wanted),
) -> Value {
    let mut all: Vec<&ErasureOrder> = config.planned().orders().collect();
    wanted.sort.sort(&mut all, |order| Status::of(config, jobs, order) as u8);
    let page = all.iter().skip(wanted.start).take(wanted.limit);
    let children: Vec<Value> = page.map(|order| job(asked, config, jobs, (generation, order))).collect();
    let end = wanted.start.saturating_add(wanted.limit);
    let has_more = end < all.len();
    match generation {
        Generation::Classic => {
            let next = if has_more { end.to_string() } else { String::new() };
            json!({ "_page": { "count": children.len(), "next": next }, "children": children })
        }
        Generation::Newer => {
            let number = wanted.start / wanted.limit;
            let next = if has_more { (number + 1).to_string() } else { String::new() };
            let page = json!({
                "pageSize": wanted.limit, "start": number.to_string(), "totalCount": all.len(), "next": next
            });
            json!({ "_page": page, "children": children })
        }
    }
}
