//! Under the names of which namespaces attributes stand that nobody claimed, noted with the commits that bring them.

use std::sync::Arc;

use tessera_engine::cluster::Cluster;
use tessera_engine::config::Config;
use tessera_store::{Commit, Store};

use super::state::State;
use crate::base::error::Error;
use crate::stored::keys::Scope;
use crate::stored::records::rows::Counts;
use crate::stored::row;
use crate::stored::unclaimed::Unclaimed;

/// What a lane knows of it.
#[derive(Clone)]
pub(super) struct Noted {
    pub(super) unclaimed: Arc<Unclaimed>,
    /// Whether the row says so, too.
    is_written: bool,
}

impl Noted {
    /// What the row says; none where there is none.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub(super) async fn read(store: &dyn Store, scope: Scope) -> Result<Option<Self>, Error> {
        let row = row::read(store, scope.unclaimed()).await?;
        let read = |unclaimed| Self { unclaimed: Arc::new(unclaimed), is_written: true };
        Ok(row.map(|row| Unclaimed::decode(&row.value)).transpose()?.map(read))
    }

    /// What no row says yet.
    pub(super) fn unwritten(unclaimed: Unclaimed) -> Self {
        Self { unclaimed: Arc::new(unclaimed), is_written: false }
    }

    /// The same behind the commit that wrote it.
    pub(super) fn written(self) -> Self {
        Self { is_written: true, ..self }
    }
}

impl State {
    /// Under the names of which namespaces attributes stand that nobody claimed, with these records.
    pub(super) fn noted_with<'a>(&self, records: impl Iterator<Item = &'a Arc<Cluster>>) -> Noted {
        let mut noted = self.noted().clone();
        let config = self.config();
        for cluster in records.filter(|cluster| cluster.unclaimed(config).next().is_some()) {
            let mut next = Unclaimed::clone(&noted.unclaimed);
            next.note(cluster, config);
            if next != *noted.unclaimed {
                noted = Noted::unwritten(next);
            }
        }
        noted
    }

    /// The same under a configuration that is to be in force from now on.
    pub(super) fn noted_under(&self, next: &Config) -> Noted {
        let noted = self.noted();
        let unclaimed = match self.counts() {
            Counts { facts: 0, identities: 0, .. } => Unclaimed::none(next),
            _ => noted.unclaimed.under(self.config(), next),
        };
        let is_written = noted.is_written && unclaimed == *noted.unclaimed;
        Noted { unclaimed: Arc::new(unclaimed), is_written }
    }

    /// Adds the row that says so to a commit, where it says something else.
    pub(super) fn add_noted(&self, commit: Commit, noted: &Noted) -> Commit {
        if noted.is_written { commit } else { commit.put(self.scope().unclaimed(), noted.unclaimed.encode()) }
    }
}
