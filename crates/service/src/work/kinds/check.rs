//! `check`: walks the records of all clusters while the workspace is in use, and verifies each by itself.
//!
//! Writes go on meanwhile, so what moves from one record to another during the walk may be counted twice or not at all: the counts
//! say what was walked, and nothing is compared across records. The offline check does that.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tessera_engine::config::Config;
use tessera_store::{Direction, Key, ScanLimit};

use crate::base::error::Error;
use crate::base::store_error::read_failed;
use crate::stored::keys::{Family, KeyBuilder};
use crate::stored::records::rows::Counts;
use crate::work::check::examine_cluster;
use crate::work::kind::{Context, Kind, Step};
use crate::write::lane::counts_of;

/// Records of one step.
const RECORDS_AT_ONCE: usize = 500;
/// Bytes of one step: clusters may come to a megabyte each.
const BYTES_AT_ONCE: usize = 4 << 20;
/// Records after which a step lets others run.
const BREATH: usize = 32;
/// Faults that the result lists; the others are counted.
const FAULTS_LISTED: usize = 100;
/// Characters of a fault that are listed.
const FAULT_CHARS_MAX: usize = 300;

/// An online check of one workspace.
pub(super) struct Check;

/// It checks the whole workspace: nothing can be chosen.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {}

/// What was walked so far, and up to where.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Walked {
    /// What the key of the last record that was walked has behind its family.
    last: Option<Vec<u8>>,
    found: Found,
}

/// What was found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Found {
    /// Records of clusters.
    records: u64,
    profiles: u64,
    identities: u64,
    events: u64,
    facts: u64,
    /// Records that follow rules from before a change of configuration.
    outdated: u64,
    /// Faults in all.
    faults: u64,
    /// The first of them, without personal values.
    listed: Vec<String>,
}

#[async_trait]
impl Kind for Check {
    const NAME: &'static str = "check";
    const UNIT: &'static str = "profiles";
    const CHECKPOINT_VERSION: u8 = 1;

    type Parameters = Parameters;
    type Checkpoint = Walked;
    type Outcome = Found;

    async fn step(
        &self,
        ctx: &Context,
        _parameters: &Parameters,
        checkpoint: Option<Walked>,
    ) -> Result<Step<Walked, Found>, Error> {
        let Walked { last, mut found } = checkpoint.unwrap_or_default();
        let config = ctx.configured().await?.config.clone();
        let all = ctx.scope().all_of(Family::Cluster);
        let rest = match last {
            None => all,
            Some(last) => all.after(&ctx.scope().family(Family::Cluster).bytes(&last).key(), Direction::Forward),
        };
        let limit = ScanLimit { rows: RECORDS_AT_ONCE, bytes: BYTES_AT_ONCE };
        let page = ctx.store().scan(&rest, limit, Direction::Forward).await.map_err(|error| read_failed(&error))?;
        for (at, row) in page.rows.iter().enumerate() {
            found.take(&row.key, &row.value, &config);
            if at % BREATH == BREATH - 1 {
                tokio::task::yield_now().await;
            }
        }
        let done = found.profiles;
        match (page.next, page.rows.last()) {
            (Some(_), Some(row)) => {
                let last = row.key.as_bytes().get(KeyBuilder::HEAD_BYTES..).map(<[u8]>::to_vec);
                let profiles = ctx.service().counts(ctx.workspace()).await?.profiles;
                Ok(Step::More { checkpoint: Walked { last, found }, done, total: Some(profiles.max(done)) })
            }
            (None, _) | (_, None) => Ok(Step::Done { outcome: found, done }),
        }
    }
}

impl Found {
    fn take(&mut self, key: &Key, value: &[u8], config: &Config) {
        let examined = examine_cluster(key, value, config);
        self.records += 1;
        self.outdated += u64::from(examined.is_outdated);
        self.faults += examined.faults.len() as u64;
        let room = FAULTS_LISTED - self.listed.len();
        let listed = examined.faults.iter().take(room).map(|fault| fault.chars().take(FAULT_CHARS_MAX).collect());
        self.listed.extend(listed);
        if let Some(cluster) = &examined.cluster {
            let Counts { profiles, identities, events, facts } = counts_of(cluster, config);
            self.profiles += profiles;
            self.identities += identities;
            self.events += events;
            self.facts += facts;
        }
    }
}

#[cfg(test)]
mod tests;
