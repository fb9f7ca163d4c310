//! What the rules come to for a profile that was found: computed attributes and memberships, exact at the instant of the read.

use tessera_engine::config::Config;
use tessera_engine::model::Flags;
use tessera_engine::policy::{CompiledPolicy, IdentityGraph};
use tessera_engine::rules::{Asked, NeedsEvents, Newest, Ruled, read};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Tree, Value};
use tessera_engine::view::{Relevance, View};
use tessera_store::Store;

use crate::directory::WorkspaceId;
use crate::error::Error;
use crate::find::Found;
use crate::keys::Scope;
use crate::rules::Flagged;
use crate::timeline;
use crate::workspace_config::RuleKind;

/// Asks something of the rules that may need events, which are read if it does.
pub(crate) async fn ask<T>(
    store: &dyn Store,
    workspace: WorkspaceId,
    asked: Asked<'_>,
    question: impl Fn(&Asked<'_>) -> Result<T, NeedsEvents>,
) -> Result<T, Error> {
    if let Ok(answer) = question(&asked) {
        return Ok(answer);
    }
    let events = newest(store, workspace, &asked).await?;
    let needed = |NeedsEvents| unreachable!("events were given");
    Ok(question(&Asked { events: Some(&events), ..asked }).unwrap_or_else(needed))
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

/// What the rules come to.
pub(crate) async fn of(
    store: &dyn Store,
    workspace: WorkspaceId,
    found: &Found,
    config: &Config,
    policy: &CompiledPolicy,
    now: Timestamp,
) -> Result<Ruled, Error> {
    let asked = Asked { config, cluster: &found.cluster, node: found.node, policy, now, events: None };
    ask(store, workspace, asked, read).await
}

/// Takes away what a reader of these rights may not see.
pub(crate) fn hide(ruled: &mut Ruled, flagged: &Flagged, sight: Flags) {
    ruled.attributes.retain(|(name, _)| !flagged.is_hidden(RuleKind::Attribute, name, sight));
    ruled.troubled.retain(|(name, _)| !flagged.is_hidden(RuleKind::Attribute, name, sight));
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

fn leaf(value: &Value) -> Tree {
    Tree::Leaf(value.clone())
}
