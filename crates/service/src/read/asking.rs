//! One question, as it is asked of one profile after another.

use std::cell::Cell;
use std::sync::Arc;

use tessera_engine::cluster::Cluster;
use tessera_engine::config::Kind;
use tessera_engine::id::NodeId;
use tessera_engine::rules::{Asked, Known, Question, Trouble, query as ask};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Value;
use tessera_engine::view::Names;
use tessera_expr::rule::Rule;
use tessera_store::{Store, Version};

use tessera_expr::calendar::Zone;

use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::config::configured::Configured;
use crate::read::find::restless;
use crate::read::pool::Patience;
use crate::read::ruled::{self, Tries};
use crate::read::sorted::{Candidate, First, Position, Sorting};
use crate::stored::keys::Scope;
use crate::stored::loose;
use crate::stored::records::cluster;
use crate::stored::row;

/// What one look comes to: the values that the profile is sorted by where the condition holds of it, or why there is no answer.
pub(crate) type Looked = Result<Option<Vec<Value>>, Trouble>;

/// A question, and all that it is asked with.
pub(crate) struct Asking {
    pub(crate) workspace: WorkspaceId,
    pub(crate) configured: Arc<Configured>,
    pub(crate) store: Arc<dyn Store>,
    question: Question,
    /// Names of attributes that it reads.
    pub(crate) names: Names,
    order: Vec<Sorting>,
    policy: Option<String>,
    of: Kind,
    /// The instant that it is asked for, of everybody.
    now: Timestamp,
}

/// What is asked, of whom, and as of when.
pub(crate) struct Wanted {
    /// The condition that has to hold; without one it is everybody.
    pub(crate) filter: Option<Arc<Rule>>,
    /// Where the days of the condition begin.
    pub(crate) zone: Zone,
    /// Whether people or accounts are asked.
    pub(crate) of: Kind,
    /// What those of whom it holds are sorted by.
    pub(crate) order: Vec<(Arc<Rule>, Sorting)>,
    /// The id of a merge policy; without it the workspace's default one.
    pub(crate) policy: Option<String>,
    /// The instant that it is asked for.
    pub(crate) now: Timestamp,
}

impl Asking {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        workspace: WorkspaceId,
        configured: Arc<Configured>,
        wanted: Wanted,
    ) -> Self {
        let Wanted { filter, zone, of, order, policy, now } = wanted;
        let (rules, order): (Vec<_>, Vec<_>) = order.into_iter().unzip();
        let question = configured.config.rules().question(filter, rules, &zone);
        let names = question.reads(&configured.config);
        Self { workspace, store, question, names, order, policy, of, now, configured }
    }

    /// Whether profiles are sorted by something.
    pub(crate) fn is_sorted(&self) -> bool {
        !self.order.is_empty()
    }

    /// Asks all profiles of a record.
    pub(crate) async fn ask_record(
        &self,
        cluster: &Cluster,
        version: Version,
        patience: &Patience,
        mut tell: impl FnMut(Result<Candidate, Trouble>),
    ) -> Result<(), Error> {
        for profile in cluster.profile_ids() {
            match self.look_anew((cluster, version), profile, patience).await? {
                Ok(Some((values, version))) => {
                    let at = Position::new(values, &self.order, cluster.id(), profile);
                    tell(Ok(Candidate { at, version }));
                }
                Ok(None) => {}
                Err(trouble) => tell(Err(trouble)),
            }
        }
        Ok(())
    }

    /// Asks a profile of a record; where that was written meanwhile and its events have to be read, what it is now.
    async fn look_anew(
        &self,
        (cluster, version): (&Cluster, Version),
        profile: NodeId,
        patience: &Patience,
    ) -> Result<Result<Option<(Vec<Value>, Version)>, Trouble>, Error> {
        let with = |looked: Looked, version| looked.map(|values| values.map(|values| (values, version)));
        let mut tries = Tries::default();
        let mut answer = self.look((cluster, version), profile, patience).await.map(|looked| with(looked, version));
        while tries.goes_on(&answer) && !patience.is_over() {
            let key = Scope::new(self.workspace).cluster(cluster.id());
            let Some(row) = row::read(&*self.store, key).await? else { return Ok(Ok(None)) };
            let cluster = cluster::decode(&row.value, &self.configured.config)?;
            if cluster.profile_id(profile) != Some(profile) {
                return Ok(Ok(None));
            }
            let looked = self.look((&cluster, row.version), profile, patience).await;
            answer = looked.map(|looked| with(looked, row.version));
        }
        answer
    }

    /// Asks a profile of a record, which may be one that has of its values only those that the question reads.
    pub(crate) async fn look(
        &self,
        (cluster, version): (&Cluster, Version),
        profile: NodeId,
        patience: &Patience,
    ) -> Result<Looked, Error> {
        let config = &*self.configured.config;
        if cluster.kind_of(profile, config) != Some(self.of) || self.is_forgotten(cluster).await? {
            return Ok(Ok(None));
        }
        let given_up = || patience.is_over();
        let asked = Asked {
            config,
            cluster,
            node: profile,
            policy: &self.configured.policy(self.policy.as_deref())?.compiled,
            now: self.now,
            events: None,
            known: &Known::default(),
            given_up: Some(&given_up),
        };
        let has_events = Cell::new(false);
        let question = |asked: &Asked<'_>| {
            has_events.set(asked.events.is_some());
            ask(asked, &self.question)
        };
        let looked = ruled::answer_of(&*self.store, self.workspace, (asked, version), question).await?;
        if has_events.get() {
            // The record may be of an earlier instant than its timelines are.
            let row = row::read(&*self.store, Scope::new(self.workspace).cluster(cluster.id())).await?;
            if row.is_none_or(|row| row.version != version) {
                return Err(restless());
            }
        }
        Ok(looked)
    }

    /// Whether nothing speaks of a record any more but what was erased. What has facts is spared the look.
    async fn is_forgotten(&self, glance: &Cluster) -> Result<bool, Error> {
        let [node] = &*glance.nodes else { return Ok(false) };
        if !node.owned.is_empty() {
            return Ok(false);
        }
        // It may have been read without its links.
        let scope = Scope::new(self.workspace);
        let Some(row) = row::read(&*self.store, scope.cluster(glance.id())).await? else { return Ok(true) };
        let whole = cluster::decode(&row.value, &self.configured.config)?;
        loose::is_forgotten(&*self.store, scope, &whole).await
    }
}

/// Keeps what was told of a profile.
pub(crate) fn keep(first: &mut First, told: Result<Candidate, Trouble>) {
    match told {
        Ok(candidate) => first.take(candidate),
        Err(trouble) => first.miss(trouble),
    }
}
