//! Who follows which source: one task for each source with changes, and for each slot that is to be taken away.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::following::{Follower, Next};
use crate::base::error::ErrorKind;
use crate::config::sources::{Connection, Source};
use crate::work::refresh::turns::SourceKey;
use crate::work::service::Service;

/// How long one rests that has failed, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));
/// The same, where somebody has to change something.
const RETRY_INVALID: Duration = Duration::from_secs(15);

/// What is wanted of the changes of a source. Without one, its slot is to be taken away.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Wanted {
    /// The source, by its name, and what it is connected by.
    pub(crate) source: Option<(String, Source, Option<Connection>)>,
}

/// The tasks that follow changes. They end when this goes.
#[derive(Default)]
pub(crate) struct Followers {
    tasks: JoinSet<SourceKey>,
    told: HashMap<SourceKey, watch::Sender<Wanted>>,
}

impl Followers {
    /// Has these followed, and no others.
    pub(crate) fn bring(&mut self, service: &Arc<Service>, wanted: BTreeMap<SourceKey, Wanted>) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Ok(source) = ended {
                self.told.remove(&source);
                service.refreshes().standings.forget(source);
            }
        }
        // One whose task has ended without its word, by a panic, begins anew.
        self.told.retain(|_, told| !told.is_closed());
        for (source, own) in wanted {
            match self.told.get(&source) {
                Some(told) => {
                    told.send_if_modified(|before| {
                        let is_other = *before != own;
                        *before = own;
                        is_other
                    });
                }
                None => {
                    let (told, hears) = watch::channel(own);
                    self.told.insert(source, told);
                    self.tasks.spawn(follow(source, Arc::downgrade(service), hears));
                }
            }
        }
    }

    /// Ends them all.
    pub(crate) async fn end(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Follows the changes of one source until there is nothing more to do for it.
async fn follow(source: SourceKey, service: Weak<Service>, mut wanted: watch::Receiver<Wanted>) -> SourceKey {
    let mut follower = Follower::new(source);
    let mut failures = 0_u32;
    loop {
        let Some(service) = service.upgrade() else { return source };
        if wanted.has_changed().is_ok_and(|is_other| is_other) {
            follower.begin_anew();
        }
        let present = wanted.borrow_and_update().clone();
        let rest = match follower.go_on(&service, &present).await {
            Ok(Next::Ended) => return source,
            Ok(Next::Again) => {
                failures = 0;
                continue;
            }
            Ok(Next::Rest(rest)) => {
                failures = 0;
                rest
            }
            Err(error) => {
                follower.begin_anew();
                service.refreshes().standings.fail(source, &error);
                failures = failures.saturating_add(1);
                match error.kind {
                    ErrorKind::Invalid => RETRY_INVALID,
                    _ => (RETRY.0 * failures.min(8)).min(RETRY.1),
                }
            }
        };
        drop(service);
        // Whoever sets something else is heard at once.
        drop(tokio::time::timeout(rest, wanted.changed()).await);
    }
}
