//! The one task that gives jobs to workers: some at a time, each workspace and kind in turn.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::{Id, JoinSet};

use super::kind::AnyKind;
use super::worker::Worker;
use crate::base::ids::WorkspaceId;
use crate::base::lock::lock;
use crate::base::names;
use crate::jobs::{JobStatus, Jobs, Live, Place};
use crate::work::service::Service;

/// Jobs that run at one time, over all workspaces.
const RUNNING_MAX: usize = 2;
/// How long the runner rests when nothing nudges it: as old the figures of waiting jobs may be.
const REST: Duration = Duration::from_secs(60);

/// A job that has a worker.
struct Given {
    place: Place,
    kind: String,
    /// Whether it does steps; one that only has to settle what was wished of it takes nobody's turn.
    is_running: bool,
}

/// Runs jobs until they are told to stop, then waits for the steps under way.
pub(crate) async fn run(jobs: Arc<Jobs>, kinds: Arc<[Arc<dyn AnyKind>]>, service: Weak<Service>) {
    let mut workers = JoinSet::new();
    let mut given: HashMap<Id, Given> = HashMap::new();
    while !jobs.is_stopping() && service.strong_count() > 0 {
        while let Some((next, live)) = jobs.next_to_run(&given) {
            let worker = Worker::new(jobs.clone(), kinds.clone(), service.clone(), (next.place, live));
            given.insert(workers.spawn(worker.work()).id(), next);
        }
        jobs.measure(given.values().filter(|given| given.is_running).count());
        tokio::select! {
            Some(ended) = workers.join_next_with_id() => {
                let id = ended.map_or_else(|fault| fault.id(), |(id, ())| id);
                given.remove(&id);
            }
            () = jobs.nudge.notified() => {}
            () = tokio::time::sleep(REST) => {}
        }
    }
    while workers.join_next().await.is_some() {}
}

impl Jobs {
    /// The job whose turn it is: of the workspace that has the fewest running, the one that has waited longest. Of one workspace and
    /// kind the oldest comes first, also when it has handed its turn back.
    fn next_to_run(&self, given: &HashMap<Id, Given>) -> Option<(Given, Arc<Live>)> {
        let running = |of: &dyn Fn(&Given) -> bool| given.values().filter(|it| it.is_running && of(it)).count();
        let has_room = running(&|_| true) < RUNNING_MAX;
        let live = lock(&self.live);
        let mut queues: HashMap<(WorkspaceId, String), usize> = HashMap::new();
        let waiting = live.iter().filter(|(place, _)| !given.values().any(|given| given.place == **place));
        let ready = waiting.filter_map(|(place, live)| {
            let job = live.job();
            let is_running = match job.status() {
                JobStatus::Queued | JobStatus::Running => true,
                JobStatus::Pausing | JobStatus::Cancelling => false,
                JobStatus::Paused | JobStatus::Cancelled | JobStatus::Failed | JobStatus::Done => return None,
            };
            if is_running {
                let same = running(&|other| other.place.0 == place.0 && other.kind == job.kind);
                let at_once = self.kind(&job.kind).map_or(1, |kind| kind.at_once());
                let ahead = queues.entry((place.0, job.kind.clone())).or_default();
                *ahead += 1;
                if !has_room || same + *ahead > at_once {
                    return None;
                }
            }
            let neighbours = running(&|other| other.place.0 == place.0);
            let next = Given { place: *place, kind: job.kind.clone(), is_running };
            Some(((is_running, neighbours, job.updated_at, place.1), (next, live.clone())))
        });
        ready.min_by_key(|(turn, _)| *turn).map(|(_, next)| next)
    }

    /// Whether a job waits that does not wait for this one to end.
    pub(super) fn is_awaited(&self, place: Place, kind: &str) -> bool {
        lock(&self.live).iter().any(|(other, live)| {
            let job = live.job();
            job.status() == JobStatus::Queued && (other.0, &*job.kind) != (place.0, kind)
        })
    }

    /// Says how much runs and waits.
    fn measure(&self, running: usize) {
        let now = self.table.now();
        let live: Vec<_> = lock(&self.live).values().map(|live| live.job()).collect();
        let queued = live.iter().filter(|job| job.status() == JobStatus::Queued);
        let oldest = queued.clone().max_by_key(|job| Reverse(job.updated_at));
        let waited = oldest.map_or(0, |job| now.micros() - job.updated_at.micros());
        metrics::gauge!(names::JOBS_RUNNING).set(running as f64);
        metrics::gauge!(names::JOBS_QUEUED).set(queued.count() as f64);
        metrics::gauge!(names::JOBS_OLDEST_QUEUED_SECONDS).set(waited.max(0) as f64 / 1e6);
    }
}
