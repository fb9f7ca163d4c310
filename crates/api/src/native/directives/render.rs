//! From directives to answers.

use std::collections::BTreeMap;

use tessera_engine::id::NodeId;
use tessera_service::clock::format_timestamp;
use tessera_service::directives::{self, Act, MovedIdentity, Order, Outcome};
use tessera_service::verdict::NamedIdentity;

use super::wire::{self, Kind};

/// What an order came to.
pub(super) fn done(order: &Order, outcome: &Outcome, is_preview: bool) -> wire::Done {
    let kind = match order {
        Order::Join(_) => Kind::Join,
        Order::Separate(_) | Order::SeparateMerge(..) => Kind::Separate,
        Order::Undo(_) => Kind::Undo,
        Order::Lift(_) => Kind::Lift,
    };
    let moved = |moved: &MovedIdentity| wire::Moved {
        identity: identity(&moved.identity),
        node: moved.node.to_string(),
        from: moved.from.to_string(),
        into: moved.into.to_string(),
    };
    wire::Done {
        id: outcome.id.map(|id| id.to_string()),
        kind,
        preview: is_preview,
        new: outcome.is_new,
        profiles: outcome.profiles.iter().map(ToString::to_string).collect(),
        moved: outcome.moved.iter().map(moved).collect(),
    }
}

/// A page of the history.
pub(super) fn history(history: directives::History) -> wire::History {
    let items = history.entries.iter().map(|own| entry(own, &history.identities)).collect();
    wire::History { items, next_cursor: history.next_cursor }
}

fn entry(entry: &directives::Entry, identities: &BTreeMap<NodeId, NamedIdentity>) -> wire::Entry {
    let known = |nodes: &[NodeId]| {
        let known = nodes.iter().filter_map(|node| Some((node, identities.get(node)?)));
        known.map(|(node, own)| wire::Known { node: node.to_string(), identity: identity(own) }).collect::<Vec<_>>()
    };
    let bare = wire::Entry {
        id: entry.id.to_string(),
        kind: entry.act.name(),
        at: format_timestamp(entry.at),
        key_id: entry.key.to_string(),
        moved: entry.moved,
        identities: None,
        apart: None,
        link: None,
        sides: None,
        into: None,
        directive: None,
        ended_by: entry.ended.map(|(by, _)| by.to_string()),
        ended_at: entry.ended.map(|(_, at)| format_timestamp(at)),
    };
    match &entry.act {
        Act::Join(nodes) => wire::Entry { identities: Some(known(nodes)), ..bare },
        Act::Separate { apart, side } => {
            wire::Entry { identities: Some(known(side)), apart: Some(known(apart)), ..bare }
        }
        Act::Undo(id) | Act::Lift(id) => wire::Entry { directive: Some(id.to_string()), ..bare },
        Act::Merge { link, sides, into } => wire::Entry {
            link: Some(known(link)),
            sides: Some(sides.iter().map(|side| known(side)).collect()),
            into: Some(into.to_string()),
            ..bare
        },
    }
}

fn identity(named: &NamedIdentity) -> wire::Identity {
    wire::Identity { namespace: named.namespace.to_string(), value: named.value.to_string() }
}
