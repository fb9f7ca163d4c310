//! A profile as flat JSON, the way the native read shows it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tessera_engine::cluster::Cluster;
use tessera_engine::config::Config;
use tessera_engine::id::NodeId;
use tessera_engine::policy::{Explanation, Fate, explain, explain_all};
use tessera_engine::rules::RuleResults;
use tessera_engine::value::{Path, Tree};
use tessera_engine::view::{Lens, View, fold};
use tessera_expr::facts::Membership;

use crate::base::clock::format_seconds;
use crate::base::json::{write_text, write_tree};
use crate::read::gaps::Gaps;
use crate::read::query::Fields;

pub(crate) use tessera_engine::view::RESERVED;

/// What a read sees of the profile that holds this node, or of the node alone: here and in [`explained`] cells are folded, and
/// nowhere else.
pub(crate) fn viewed(cluster: &Cluster, node: NodeId, lens: &Lens<'_>) -> Option<View> {
    fold(cluster, node, lens)
}

/// Why it is so: of one attribute and those below it, or of all.
pub(crate) fn explained(cluster: &Cluster, node: NodeId, lens: &Lens<'_>, attribute: Option<&Path>) -> Explanation {
    match attribute {
        Some(path) => explain(cluster, node, lens, path),
        None => explain_all(cluster, node, lens),
    }
}

/// The names at the top of a profile that attributes cannot have: those of its identifiers, and those of the answer itself.
pub(crate) fn taken<'a>(view: &View, config: &'a Config) -> BTreeSet<&'a str> {
    let namespaces = view.identifiers.iter().filter_map(|(namespace, _)| config.find(*namespace));
    namespaces.map(|namespace| namespace.name.as_str()).chain(RESERVED).collect()
}

/// What a view is called: the value of the primary namespace that leads to it where it has one, otherwise its id.
pub(crate) fn profile_id(view: &View) -> String {
    view.primary.as_ref().map_or_else(|| view.profile_id.to_string(), ToString::to_string)
}

/// Renders a view. Identifier columns show the latest value of each namespace and win over an attribute of the same name.
pub(crate) fn render(
    view: &View,
    (ruled, controls): (&RuleResults, &[Arc<str>]),
    gaps: &Gaps,
    fields: Fields,
    config: &Config,
) -> Bytes {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"profile_id\":");
    write_text(&profile_id(view), &mut out);
    if fields.identifiers {
        for (namespace, value) in &view.identifiers {
            let Some(namespace) = config.find(*namespace) else { continue };
            let name = namespace.name.as_str();
            if !RESERVED.contains(&name) {
                write_name(name, &mut out);
                write_text(value, &mut out);
            }
        }
    }
    if fields.attributes {
        let taken = taken(view, config);
        for (name, tree) in view.attributes.iter().filter(|(name, _)| !taken.contains(&***name)) {
            write_name(name, &mut out);
            write_tree(tree, &mut out);
        }
    }
    if fields.audiences && gaps.all_audiences.is_none() {
        write_audiences(ruled, &mut out);
        write_controls(controls, &mut out);
    }
    gaps.write(fields, &mut out);
    write_name("_updated_at", &mut out);
    write_text(&format_seconds(view.updated_at), &mut out);
    out.push(b'}');
    // It may be kept for long: what a buffer has to spare is given back.
    out.into_boxed_slice().into()
}

/// Whether the profile is a member, of every segment that is shown.
fn write_audiences(ruled: &RuleResults, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"_audiences\":{");
    for (at, (name, stands)) in ruled.audiences.iter().enumerate() {
        write_member(at, name, out);
        let is_inside = matches!(stands, Membership::Inside { .. });
        out.extend_from_slice(if is_inside { b"true" } else { b"false" });
    }
    out.push(b'}');
}

/// The segments that it is in and stands in the control group of, where there are any.
fn write_controls(controls: &[Arc<str>], out: &mut Vec<u8>) {
    if controls.is_empty() {
        return;
    }
    out.extend_from_slice(b",\"_control_groups\":[");
    for (at, name) in controls.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_text(name, out);
    }
    out.push(b']');
}

pub(crate) fn write_member(at: usize, name: &str, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
    write_text(name, out);
    out.push(b':');
}

/// What is left of a view without the attributes that its reader may not see.
pub(crate) fn visible(mut view: View, hidden: &[Path]) -> View {
    if !hidden.is_empty() {
        let mut tree = Tree::Node(std::mem::take(&mut view.attributes));
        for path in hidden {
            tree.remove(path);
        }
        if let Tree::Node(attributes) = tree {
            view.attributes = attributes;
        }
    }
    view
}

/// What is left of an explanation without them.
pub(crate) fn visible_explanation(explanation: Explanation, hidden: &[Path]) -> Explanation {
    let is_hidden = |own: &Path| hidden.iter().any(|path| path == own || path.is_above(own));
    let mut attributes = explanation.attributes;
    attributes.retain(|attribute| !is_hidden(&attribute.path));
    for attribute in &mut attributes {
        for path in hidden.iter().filter(|path| attribute.path.is_above(path)) {
            // A list of objects holds what is below it in itself.
            let below: Vec<_> = path.segments().skip(attribute.path.depth()).collect();
            attribute.contenders.iter_mut().for_each(|contender| contender.value.remove(&below));
            if let Fate::Stands { value, .. } = &mut attribute.fate {
                value.remove(&below);
            }
        }
    }
    Explanation { attributes }
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write_text(name, out);
    out.push(b':');
}
