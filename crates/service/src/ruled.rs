//! What the rules come to for a profile that was found: computed attributes and memberships, exact at the instant of the read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tessera_engine::cluster::Cluster;
use tessera_engine::config::Config;
use tessera_engine::model::Flags;
use tessera_engine::policy::IdentityGraph;
use tessera_engine::rules::{Asked, Newest, Ruled, Unanswered, read};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Tree, Value};
use tessera_engine::view::{Relevance, View};
use tessera_expr::limits::SCAN_EVENTS_MAX;
use tessera_store::Store;

use crate::directory::WorkspaceId;
use crate::error::Error;
use crate::find::Found;
use crate::gaps::{Gaps, RULES_OFF};
use crate::keys::Scope;
use crate::lane::Configured;
use crate::pool::{self, ANSWER_MICROS, Patience, Pool};
use crate::rules::Flagged;
use crate::timeline;
use crate::workspace_config::RuleKind;

/// Events of a profile that are read for an answer on the thread of the reader.
const EVENTS_AT_ONCE_MAX: u64 = 256;
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
            given_up: Some(&given_up),
        };
        let is_small = events_of(&found.cluster, &asked) <= EVENTS_AT_ONCE_MAX;
        let answer = match question(&asked) {
            Err(Unanswered::NeedsEvents) if is_small => {
                let events = newest(&*self.store, self.workspace, &asked).await?;
                question(&Asked { events: Some(&events), ..asked })
            }
            answer => answer,
        };
        if let Ok(answer) = answer {
            return Ok(answer);
        }
        let (store, workspace, configured) = (self.store.clone(), self.workspace, configured.clone());
        let (cluster, node, policy) = (found.cluster.clone(), found.node, policy.map(str::to_owned));
        let work = move |patience: Patience| async move {
            let given_up = || patience.is_over();
            let asked = Asked {
                config: &configured.config,
                cluster: &cluster,
                node,
                policy: &configured.policy(policy.as_deref())?.compiled,
                now,
                events: None,
                given_up: Some(&given_up),
            };
            answer_of(&*store, workspace, asked, question).await
        };
        self.pool.run(self.workspace, ANSWER_MICROS, work).await
    }

    /// What the rules come to.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(crate) async fn ruled(&self, of: Of<'_>) -> Result<Ruled, Error> {
        self.ask(of, read).await
    }
}

/// Asks something of the rules here and now, and reads the events that it needs.
///
/// # Errors
/// `Unavailable` with `rules_late`; what the store answers.
pub(crate) async fn answer_of<T>(
    store: &dyn Store,
    workspace: WorkspaceId,
    asked: Asked<'_>,
    question: impl Fn(&Asked<'_>) -> Result<T, Unanswered>,
) -> Result<T, Error> {
    let answer = match question(&asked) {
        Err(Unanswered::NeedsEvents) => {
            let events = newest(store, workspace, &asked).await?;
            question(&Asked { events: Some(&events), ..asked })
        }
        answer => answer,
    };
    answer.map_err(|unanswered| match unanswered {
        Unanswered::GivenUp => pool::late(),
        Unanswered::NeedsEvents => unreachable!("events were given"),
    })
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
pub(crate) fn hide(ruled: &mut Ruled, flagged: &Flagged, sight: Flags) {
    ruled.attributes.retain(|(name, _)| !flagged.is_hidden(RuleKind::Attribute, name, sight));
    ruled.troubled.retain(|(name, _)| !flagged.is_hidden(RuleKind::Attribute, name, sight));
    ruled.troubled_audiences.retain(|(name, _)| !flagged.is_hidden(RuleKind::Segment, name, sight));
    ruled.audiences.retain(|(name, _)| !flagged.is_hidden(RuleKind::Segment, name, sight));
}

/// Adds computed attributes to a view, where they take the place of others of their names.
pub(crate) fn add(ruled: &Ruled, view: &mut View, relevance: Relevance, config: &Config) {
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
pub(crate) fn gaps(ruled: &Ruled, view: &mut View, configured: &Configured, sight: Flags) -> Gaps {
    let mut gaps = Gaps::default();
    for (name, trouble) in &ruled.troubled {
        gaps.attributes.insert(name.clone(), trouble.name());
    }
    gaps.audiences = ruled.troubled_audiences.iter().map(|(name, trouble)| (name.clone(), trouble.name())).collect();
    if configured.are_rules_off() {
        let live = configured.stored.rules().of(RuleKind::Attribute).values().filter(|rule| rule.live().is_some());
        for rule in live {
            view.attributes.remove(rule.name.as_str());
            if !configured.flagged.is_hidden(RuleKind::Attribute, rule.name.as_str(), sight) {
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
