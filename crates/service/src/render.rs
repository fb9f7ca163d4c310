//! A profile as flat JSON, the way the native read shows it.

use std::collections::BTreeSet;

use bytes::Bytes;
use tessera_engine::cluster::Cluster;
use tessera_engine::config::Config;
use tessera_engine::id::NodeId;
use tessera_engine::view::{View, fold};

use crate::clock::format_seconds;
use crate::json::{write_text, write_tree};
use crate::query::Fields;

/// Members that no attribute may take.
pub(crate) const RESERVED: [&str; 3] = ["profile_id", "_audiences", "_updated_at"];

/// Renders the profile of a node. Identifier columns show the latest value of each namespace and win over an attribute of the
/// same name; `profile_id` is the value of the primary namespace where there is one.
pub(crate) fn render(cluster: &Cluster, node: NodeId, fields: Fields, config: &Config) -> Option<Bytes> {
    let view = fold(cluster, node, config)?;
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"profile_id\":");
    write_profile_id(&view, config, &mut out);
    let mut taken: BTreeSet<&str> = RESERVED.into();
    for (namespace, value) in &view.identifiers {
        let Some(namespace) = config.find(*namespace) else { continue };
        let name = namespace.name.as_str();
        if RESERVED.contains(&name) {
            continue;
        }
        taken.insert(name);
        if fields.identifiers {
            write_name(name, &mut out);
            write_text(value, &mut out);
        }
    }
    if fields.attributes {
        for (name, tree) in view.attributes.iter().filter(|(name, _)| !taken.contains(&***name)) {
            write_name(name, &mut out);
            write_tree(tree, &mut out);
        }
    }
    if fields.audiences {
        out.extend_from_slice(b",\"_audiences\":{}");
    }
    write_name("_updated_at", &mut out);
    write_text(&format_seconds(view.updated_at), &mut out);
    out.push(b'}');
    Some(out.into())
}

fn write_profile_id(view: &View, config: &Config, out: &mut Vec<u8>) {
    let primary = view.identifiers.iter().find(|(namespace, _)| Some(*namespace) == config.primary());
    match primary {
        Some((_, value)) => write_text(value, out),
        None => write_text(&view.profile_id.to_string(), out),
    }
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write_text(name, out);
    out.push(b':');
}
