//! The jobs that bring to all records what has not reached them: erasures of sources, rules, ends of windows.

use serde::{Deserialize, Serialize};

use super::{Job, NewJob};
use crate::base::codec;
use crate::base::ids::KeyId;
use crate::config::workspace::{StoredConfig, StoredSweeps};

/// A job that brings to all records what has not reached them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sweep {
    pub(crate) kind: &'static str,
    pub(crate) parameters: String,
    pub(crate) number: u64,
}

/// The jobs to make so that everything that has not reached all records is brought there, where these are open. Erasures of sources that were
/// ordered after a sweep of this number are asked for by this key.
pub(crate) fn wanted(
    open: &[Job],
    config: &StoredConfig,
    without_rules: bool,
    by: Option<(KeyId, u64)>,
) -> Vec<NewJob> {
    let sweeps = unbrought(open, config).into_iter().filter(|sweep| !(sweep.kind == BACKFILL && without_rules));
    let new = |Sweep { kind, parameters, number }: Sweep| {
        let asked_by = by.filter(|(_, last)| kind == ERASE_SOURCE && number > *last).map(|(by, _)| by);
        NewJob { kind: kind.to_owned(), parameters, asked_by }
    };
    sweeps.map(new).collect()
}

/// The sweeps that none of these open jobs brings.
pub(crate) fn unbrought(open: &[Job], config: &StoredConfig) -> Vec<Sweep> {
    let sweeps = config.sweeps();
    let StoredSweeps { rules, erasures, ended, .. } = sweeps;
    let mut wanted = Vec::new();
    if sweeps.is_restaging() {
        wanted.push(Sweep { kind: RECLUSTER, parameters: format!("{{\"sweep\":{rules}}}"), number: *rules });
    }
    for own in erasures {
        let parameters = erasure_parameters(&own.dataset, own.batch.as_deref(), own.number.into());
        wanted.push(Sweep { kind: ERASE_SOURCE, parameters, number: own.number.into() });
    }
    if let Some(sweep) = ended.iter().map(|own| own.number).max() {
        wanted.push(Sweep { kind: EXPIRE, parameters: format!("{{\"sweep\":{sweep}}}"), number: sweep });
    }
    if config.rules().needs_walk() {
        let parameters = format!("{{\"generation\":{}}}", config.rules().generation());
        wanted.push(Sweep { kind: BACKFILL, parameters, number: config.rules().generation() });
    }
    // A backfill brings the rules as they are when it begins.
    let brings = |job: &Job, sweep: &Sweep| {
        job.parameters == sweep.parameters || sweep.kind == BACKFILL && brings(job, config.rules().generation())
    };
    let is_brought =
        |sweep: &Sweep| open.iter().any(|job| job.kind == sweep.kind && !job.has_ended() && brings(job, sweep));
    wanted.retain(|sweep| !is_brought(sweep));
    wanted
}

/// The one of these jobs that brings this generation of the rules to everybody; one that brings an older one where no other has begun.
pub(crate) fn building(jobs: impl IntoIterator<Item = Job>, generation: u64) -> Option<Job> {
    let mut open: Vec<Job> = jobs.into_iter().filter(|job| job.kind == BACKFILL && !job.has_ended()).collect();
    let own = open.iter().position(|job| brings(job, generation)).unwrap_or(0);
    (!open.is_empty()).then(|| open.swap_remove(own))
}

/// Whether an open job of this kind brings a generation of the rules: one that has not begun brings whatever there is when it does.
pub(crate) fn brings(job: &Job, generation: u64) -> bool {
    let own = |bytes| codec::decode::<Filling>(FILLING_VERSION, bytes);
    match &job.checkpoint {
        Some(checkpoint) => own(checkpoint).is_ok_and(|own| own.generation >= generation),
        None => !job.has_begun(),
    }
}

pub(crate) const RECLUSTER: &str = "recluster";
pub(crate) const ERASE_SOURCE: &str = "erase_source";
/// The kind of the job that brings rules to everybody.
pub(crate) const BACKFILL: &str = "backfill";
/// The kind of the job that takes away what has ended.
pub(crate) const EXPIRE: &str = "expire";

fn erasure_parameters(dataset: &str, batch: Option<&str>, sweep: u64) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    match batch {
        None => format!("{{\"dataset\":{},\"sweep\":{sweep}}}", text(dataset)),
        Some(batch) => format!("{{\"dataset\":{},\"batch\":{},\"sweep\":{sweep}}}", text(dataset), text(batch)),
    }
}

/// The version of [`Filling`].
pub(crate) const FILLING_VERSION: u8 = 1;

/// How far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Filling {
    /// The generation and the epoch of the rules when it began.
    pub(crate) generation: u64,
    pub(crate) epoch: u64,
    /// When it began.
    pub(crate) began_at: i64,
    /// What the key of the last record looked at has behind its family.
    pub(crate) last: Option<Vec<u8>>,
    /// Records settled.
    pub(crate) settled: u64,
}

#[cfg(test)]
mod tests {
    use tessera_engine::time::Timestamp;

    use super::*;
    use crate::jobs::JobId;

    fn job(id: u8, kind: &str, has_begun: bool, noted: Option<u64>) -> Job {
        let at = Timestamp::from_micros(0).expect("an instant");
        let mut job = Job::new(JobId::from_bytes([id; 12]), kind, "records", String::new(), None, at);
        job.started_at = has_begun.then_some(at);
        job.checkpoint = noted.map(|generation| {
            let own = Filling { generation, epoch: 0, began_at: 0, last: None, settled: 0 };
            codec::encode(FILLING_VERSION, &own)
        });
        job
    }

    #[test]
    fn who_waits_for_a_rule_waits_for_the_job_that_brings_it() {
        let older = || job(1, BACKFILL, true, Some(6));
        let newer = || job(2, BACKFILL, false, None);
        let other = || job(3, EXPIRE, false, None);
        let found = |jobs: Vec<Job>, generation| building(jobs, generation).map(|job| job.id);
        let id = |id: u8| Some(JobId::from_bytes([id; 12]));
        assert_eq!(found(vec![other(), older(), newer()], 7), id(2));
        assert_eq!(found(vec![other(), older(), newer()], 6), id(1));
        assert_eq!(found(vec![other(), older()], 7), id(1));
        assert_eq!(found(vec![other()], 7), None);
    }

    #[test]
    fn a_job_stands_for_what_came_before_it_began() {
        let check = |has_begun: bool, noted: Option<u64>, generation: u64, expected: bool| {
            let job = job(1, "backfill", has_begun, noted);
            assert_eq!(brings(&job, generation), expected, "{has_begun} {noted:?} {generation}");
        };
        check(false, None, 9, true);
        // What it noted nobody knows yet.
        check(true, None, 1, false);
        check(true, Some(6), 5, true);
        check(true, Some(6), 6, true);
        check(true, Some(6), 7, false);
    }
}
