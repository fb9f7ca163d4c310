//! What the rules come to for a profile that was found: computed attributes and memberships, exact at the instant of the read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tessera_engine::cluster::{Cluster, Node};
use tessera_engine::config::Config;
use tessera_engine::model::Flags;
use tessera_engine::policy::IdentityGraph;
use tessera_engine::rules::{Asked, Chunk, Known, Newest, RuleResults, Unanswered, Wanted, read};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Tree, Value};
use tessera_engine::view::{Relevance, View};
use tessera_expr::limits::SCAN_EVENTS_MAX;
use tessera_store::{Store, Version};

use crate::base::error::Error;
use crate::base::ids::WorkspaceId;
use crate::config::configured::Configured;
use crate::config::visibility::Flagged;
use crate::config::workspace::RuleKind;
use crate::read::find::{CONTENDED, Found, not_found, restless};
use crate::read::gaps::{Gaps, RULES_OFF};
use crate::read::pool::{self, ANSWER_MICROS, Patience, Pool};
use crate::read::timeline;
use crate::stored::keys::Scope;
use crate::stored::records::cluster;
use crate::stored::row;

/// Events of a profile that are read for an answer on the thread of the reader.
const EVENTS_AT_ONCE_MAX: u64 = 256;
/// How often a read is begun anew because its profile was written meanwhile.
const TRIES: usize = 16;
/// How often the rules ask whether somebody waits before they go on elsewhere: about that many thousand steps.
const LOOKS_AT_ONCE_MAX: u32 = 64;

/// What rules are asked with.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) workspace: WorkspaceId,
}

/// Of whom, under which policy, when.
pub(crate) struct Of<'a> {
    pub(crate) configured: &'a Arc<Configured>,
    pub(crate) found: &'a Found,
    pub(crate) policy: Option<&'a str>,
    pub(crate) now: Timestamp,
}

impl Asker {
    /// Asks something of the rules: at once, where that takes a few milliseconds, otherwise on a thread for it.
    ///
    /// # Errors
    /// `Unavailable` with `rules_busy`, `rules_late`; `Invalid` with `merge_policy_unknown`; what the store answers.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        of: Of<'_>,
        question: impl Fn(&Asked<'_>) -> Result<T, Unanswered> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let looks = AtomicU32::new(0);
        let given_up = || looks.fetch_add(1, Ordering::Relaxed) >= LOOKS_AT_ONCE_MAX;
        let Of { configured, found, policy, now } = of;
        let asked = Asked {
            config: &configured.config,
            cluster: &found.cluster,
            node: found.node,
            policy: &configured.policy(policy)?.compiled,
            now,
            events: None,
            known: &Known::default(),
            given_up: Some(&given_up),
        };
        let events_max = EVENTS_AT_ONCE_MAX;
        let answer = answered(&*self.store, self.workspace, (asked, found.version), events_max, &question).await?;
        if let Ok(answer) = answer {
            return Ok(answer);
        }
        let (store, workspace, configured) = (self.store.clone(), self.workspace, configured.clone());
        let (cluster, node, policy) = (found.cluster.clone(), found.node, policy.map(str::to_owned));
        let version = found.version;
        let work = move |patience: Patience| async move {
            let given_up = || patience.is_over();
            let asked = Asked {
                config: &configured.config,
                cluster: &cluster,
                node,
                policy: &configured.policy(policy.as_deref())?.compiled,
                now,
                events: None,
                known: &Known::default(),
                given_up: Some(&given_up),
            };
            answer_of(&*store, workspace, (asked, version), question).await
        };
        self.pool.run(self.workspace, ANSWER_MICROS, work).await
    }

    /// What the rules come to.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(crate) async fn ruled(&self, of: Of<'_>) -> Result<RuleResults, Error> {
        self.ask(of, read).await
    }

    /// The same of a record that may have been written since it was found: then of what it is now.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(crate) async fn ruled_anew(
        &self,
        configured: &Arc<Configured>,
        found: &Found,
        now: Timestamp,
    ) -> Result<RuleResults, Error> {
        let mut tries = Tries::default();
        loop {
            let key = Scope::new(self.workspace).cluster(found.cluster.id());
            let row = row::read(&*self.store, key).await?.ok_or_else(not_found)?;
            let cluster = Arc::new(cluster::decode(&row.value, &configured.config)?);
            let node = if cluster.node(found.node).is_some() { found.node } else { return Err(not_found()) };
            let found = Found { node, cluster, version: row.version, epoch: found.epoch };
            let answer = self.ruled(Of { configured, found: &found, policy: None, now }).await;
            if !tries.goes_on(&answer) {
                return answer;
            }
        }
    }
}

/// Asks something of the rules here and now, and reads what it needs of timelines.
///
/// # Errors
/// `Unavailable` with `rules_late`, `contended`; what the store answers.
pub(crate) async fn answer_of<T>(
    store: &dyn Store,
    workspace: WorkspaceId,
    asked: (Asked<'_>, Version),
    question: impl Fn(&Asked<'_>) -> Result<T, Unanswered>,
) -> Result<T, Error> {
    let answer = answered(store, workspace, asked, u64::MAX, &question).await?;
    answer.map_err(|unanswered| match unanswered {
        Unanswered::GivenUp => pool::late(),
        Unanswered::NeedsEvents | Unanswered::Wants(_) => unreachable!("what is needed was read"),
    })
}

/// The same, unless it needs more than so many events: then that it does.
async fn answered<T>(
    store: &dyn Store,
    workspace: WorkspaceId,
    (asked, version): (Asked<'_>, Version),
    events_max: u64,
    question: &impl Fn(&Asked<'_>) -> Result<T, Unanswered>,
) -> Result<Result<T, Unanswered>, Error> {
    let (mut known, mut events) = (Known::default(), None);
    let scope = Scope::new(workspace);
    loop {
        let answer = question(&Asked { events: events.as_ref(), known: &known, ..asked });
        match answer {
            Err(Unanswered::NeedsEvents) if events.is_none() && events_of(asked.cluster, &asked) <= events_max => {
                events = Some(newest(store, workspace, &asked).await?);
            }
            Err(Unanswered::Wants(wanted)) if wanted.iter().all(|own| read_by(own, &asked) <= events_max) => {
                for own in wanted.into_iter().filter(|own| !known.knows(*own)).collect::<Vec<_>>() {
                    look_up(store, scope, own, asked.config, &mut known).await?;
                }
                // What the record keeps and what stands on the timelines have to be of one instant.
                let row = row::read(store, scope.cluster(asked.cluster.id())).await?;
                if row.is_none_or(|row| row.version != version) {
                    return Err(restless());
                }
            }
            answer => return Ok(answer),
        }
    }
}

/// Events that are read for something that is wanted, at most.
fn read_by(wanted: &Wanted, asked: &Asked<'_>) -> u64 {
    match wanted {
        Wanted::Stretch { .. } => 0,
        Wanted::States { node, .. } => asked.cluster.node(*node).map_or(0, Node::events),
    }
}

async fn look_up(
    store: &dyn Store,
    scope: Scope,
    wanted: Wanted,
    config: &Config,
    known: &mut Known,
) -> Result<(), Error> {
    match wanted {
        Wanted::Stretch { node, from, to } => {
            let found = timeline::stretch(store, scope, node, (from, to), config, &|_| false).await?;
            let chunk = found.map(|(events, rest)| Chunk::new(&events, rest, config.rules()));
            known.take_stretch((node, from, to), chunk);
        }
        Wanted::States { node, at } => {
            let built = timeline::built(store, scope, node, at, config, &|_| false).await?;
            known.take_states(node, at, built);
        }
    }
    Ok(())
}

/// Counts how often something was begun anew because the profile that it is about was written meanwhile.
#[derive(Default)]
pub(crate) struct Tries(usize);

impl Tries {
    /// Whether to begin anew after this answer.
    pub(crate) fn goes_on<T>(&mut self, answer: &Result<T, Error>) -> bool {
        self.0 += 1;
        self.0 < TRIES && answer.as_ref().is_err_and(|error| error.code == CONTENDED)
    }
}

/// How many events would be read.
fn events_of(cluster: &Cluster, asked: &Asked<'_>) -> u64 {
    cluster.piece(asked.node).map(|node| node.events().min(SCAN_EVENTS_MAX as u64)).sum()
}

async fn newest(store: &dyn Store, workspace: WorkspaceId, asked: &Asked<'_>) -> Result<Newest, Error> {
    let sees_own = asked.policy.graph() == IdentityGraph::None;
    let mut newest = Newest { whole: Vec::new(), own: sees_own.then(Vec::new) };
    for node in asked.cluster.piece(asked.node).filter(|node| node.events() > 0) {
        let events = timeline::newest(store, Scope::new(workspace), node.id).await?;
        if let Some(own) = newest.own.as_mut().filter(|_| node.id == asked.node) {
            own.clone_from(&events);
        }
        newest.whole.extend(events);
    }
    newest.whole.sort_unstable_by_key(|event| event.moment());
    if let Some(own) = &mut newest.own {
        own.sort_unstable_by_key(|event| event.moment());
    }
    Ok(newest)
}

/// Takes away what a reader of these rights may not see.
pub(crate) fn hide(ruled: &mut RuleResults, flagged: &Flagged, visibility: Flags) {
    ruled.attributes.retain(|(name, _)| !flagged.is_hidden(RuleKind::Attribute, name, visibility));
    ruled.troubled.retain(|(name, _)| !flagged.is_hidden(RuleKind::Attribute, name, visibility));
    ruled.troubled_audiences.retain(|(name, _)| !flagged.is_hidden(RuleKind::Segment, name, visibility));
    ruled.audiences.retain(|(name, _)| !flagged.is_hidden(RuleKind::Segment, name, visibility));
}

/// Adds computed attributes to a view, where they take the place of others of their names.
pub(crate) fn add(ruled: &RuleResults, view: &mut View, relevance: Relevance, config: &Config) {
    for name in config.rules().live_names() {
        view.attributes.remove(name);
    }
    // What is computed now is relevant now.
    if relevance != Relevance::NotRelevant {
        for (name, value) in &ruled.attributes {
            view.attributes.insert(name.clone(), leaf(value));
        }
    }
    view.valid_until = view.valid_until.into_iter().chain(ruled.valid_until).min();
}

/// What there is and is not shown, besides what is too large. Where the rules are off, nothing is shown in the place of what they compute.
pub(crate) fn gaps(ruled: &RuleResults, view: &mut View, configured: &Configured, visibility: Flags) -> Gaps {
    let mut gaps = Gaps::default();
    for (name, trouble) in &ruled.troubled {
        gaps.attributes.insert(name.clone(), trouble.name());
    }
    gaps.audiences = ruled.troubled_audiences.iter().map(|(name, trouble)| (name.clone(), trouble.name())).collect();
    if configured.are_rules_off() {
        let live = configured.stored.rules().of(RuleKind::Attribute).values().filter(|rule| rule.live().is_some());
        for rule in live {
            view.attributes.remove(rule.name.as_str());
            if !configured.flagged.is_hidden(RuleKind::Attribute, rule.name.as_str(), visibility) {
                gaps.attributes.insert(rule.name.shared(), RULES_OFF);
            }
        }
        gaps.all_audiences = Some(RULES_OFF);
    }
    gaps
}

fn leaf(value: &Value) -> Tree {
    Tree::Leaf(value.clone())
}
