//! The identity graph around a profile, as answers show it.

use std::sync::Arc;

use tessera_engine::cluster::{Cluster, Link, LinkState};
use tessera_engine::config::Config;
use tessera_engine::decide::winner;
use tessera_engine::fact::Identity;
use tessera_engine::id::NodeId;
use tessera_store::Store;

use crate::base::error::Error;
use crate::base::verdict::NamedIdentity;
use crate::read::find::Found;
use crate::read::query::{Graph, GraphHeld, GraphLink, GraphNode};
use crate::stored::keys::Scope;
use crate::stored::loose;
use crate::stored::records::{cluster, rows};
use crate::stored::row;

/// Links that do not hold which one answer lists.
const HELD_MAX: usize = 1_000;
/// Links among them for which the winner is looked up in another cluster.
const WINNERS_MAX: usize = 100;

/// Reads the graph of a profile that was found.
pub(crate) async fn read(store: &Arc<dyn Store>, scope: Scope, found: &Found, config: &Config) -> Result<Graph, Error> {
    let cluster = &found.cluster;
    let piece: Vec<NodeId> = cluster.piece(found.node).map(|node| node.id).collect();
    let named = |identity: &Identity| NamedIdentity::new(identity, config);
    let nodes = cluster.piece(found.node).map(|node| GraphNode {
        id: node.id,
        identity: named(&node.identity),
        created_at: node.created_at,
        last_seen: cluster.last_seen(node, config.sweeps()),
        facts: node.facts(),
    });
    let nodes = nodes.collect();
    let touching = || cluster.links.iter().filter(|link| piece.iter().any(|node| link.touches(*node)));
    let links = touching().filter(|link| link.state == LinkState::Active).map(|link| show(link, config)).collect();
    let mut held: Vec<GraphHeld> = touching()
        .filter(|link| link.state != LinkState::Active)
        .map(|link| show_held(link, winner(cluster, cluster, link, config), config))
        .collect();
    let (mut rows, mut has_more) = (Vec::new(), false);
    for node in &piece {
        if rows.len() + held.len() > HELD_MAX {
            break;
        }
        let most = HELD_MAX + 1 - rows.len() - held.len();
        let page = loose::links_of(&**store, scope, *node, &scope.held_of(*node), most).await?;
        rows.extend(page.links);
        has_more |= page.rest.is_some();
    }
    rows.sort_by(|one, other| one.order().cmp(&other.order()));
    rows.dedup_by(|one, other| one.ends == other.ends);
    for (at, link) in rows.iter().enumerate() {
        let won = if at < WINNERS_MAX { winner_outside(store, scope, cluster, link, config).await? } else { None };
        held.push(show_held(link, won, config));
    }
    let held_more = has_more || held.len() > HELD_MAX;
    held.truncate(HELD_MAX);
    let profile_id = cluster.profile_id(found.node).unwrap_or(found.node);
    Ok(Graph { profile_id, nodes, links, held, held_more })
}

/// The winner over a link that leads to another cluster, which is read for it.
async fn winner_outside(
    store: &Arc<dyn Store>,
    scope: Scope,
    own: &Cluster,
    link: &Link,
    config: &Config,
) -> Result<Option<[Identity; 2]>, Error> {
    let [one, other] = &link.ends;
    let outside = if own.position(one.node).is_some() { other } else { one };
    if own.position(outside.node).is_some() || link.state.is_severed() {
        return Ok(None);
    }
    let Some(row) = row::read(&**store, scope.identity(&outside.identity)).await? else { return Ok(None) };
    let Some(row) = row::read(&**store, scope.cluster(rows::decode_identity(&row.value)?.cluster)).await? else {
        return Ok(None);
    };
    Ok(winner(own, &cluster::decode(&row.value, config)?, link, config))
}

fn show(link: &Link, config: &Config) -> GraphLink {
    GraphLink {
        between: [
            NamedIdentity::new(&link.ends[0].identity, config),
            NamedIdentity::new(&link.ends[1].identity, config),
        ],
        strength: link.strength().name(),
        count: link.count(),
        first_seen: link.first_seen(),
        last_seen: link.last_seen(),
    }
}

fn show_held(link: &Link, won: Option<[Identity; 2]>, config: &Config) -> GraphHeld {
    let reason = match link.state {
        LinkState::Held(rule) => rule.name(),
        LinkState::Severed(_) => "severed",
        LinkState::Active => "active",
    };
    let won = won.map(|[one, other]| [NamedIdentity::new(&one, config), NamedIdentity::new(&other, config)]);
    GraphHeld { link: show(link, config), reason, won }
}
