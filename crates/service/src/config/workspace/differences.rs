//! What is another between two configurations, by name: what the audit log says of a change, whichever door it came by.

use std::collections::BTreeMap;

use super::{RuleKind, StoredConfig};
use crate::stored::audit::Object;

/// Each thing of a configuration that has a name, by kind and name.
type Named<'a, T> = BTreeMap<(&'a str, &'a str), T>;

/// The things that one configuration has otherwise than the other, or that only one of them has: names of what is configured alone. Linear in the
/// size of both.
pub(crate) fn differences(before: &StoredConfig, after: &StoredConfig) -> Vec<Object> {
    let mut all = unlike(&rules(before), &rules(after));
    all.extend(unlike(&namespaces(before), &namespaces(after)));
    all.extend(unlike(&policies(before), &policies(after)));
    all.extend(unlike(&objects(before), &objects(after)));
    let parts = [
        ("default_merge_policy", before.policies().default_id() != after.policies().default_id()),
        ("primary_namespace", before.primary() != after.primary()),
        ("limits", before.limits() != after.limits()),
        ("data_model", before.model() != after.model()),
        ("erasure_rules", before.erasure() != after.erasure()),
        ("erasures_of_sources", before.sweeps() != after.sweeps() || before.planned() != after.planned()),
        ("identity_tokens", before.tokens() != after.tokens()),
        ("signing_keys", before.signing_keys() != after.signing_keys()),
        ("token_issuers", before.issuers() != after.issuers()),
        ("document_model", before.documents() != after.documents()),
    ];
    all.extend(parts.into_iter().filter(|(_, is_changed)| *is_changed).map(|(kind, _)| Object::only(kind)));
    all
}

/// What a job does to a rule is no change of what it says, so it goes by its versions.
fn rules(config: &StoredConfig) -> Named<'_, impl PartialEq + use<>> {
    let of = |noun, kind| {
        let rules = config.rules().of(kind).values();
        rules.map(move |rule| ((noun, rule.name.as_str()), (rule.version, rule.updated_at)))
    };
    of("computed_attribute", RuleKind::Attribute).chain(of("segment", RuleKind::Segment)).collect()
}

fn namespaces(config: &StoredConfig) -> Named<'_, impl PartialEq> {
    config.namespaces().iter().map(|own| (("namespace", own.name.as_str()), own)).collect()
}

fn policies(config: &StoredConfig) -> Named<'_, impl PartialEq + use<>> {
    config.policies().iter().map(|own| (("merge_policy", own.id.as_str()), own.version)).collect()
}

fn objects(config: &StoredConfig) -> Named<'_, impl PartialEq> {
    config.objects().all().map(|(kind, name, json)| ((kind, name), json)).collect()
}

fn unlike<T: PartialEq>(before: &Named<'_, T>, after: &Named<'_, T>) -> Vec<Object> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let other = after.iter().filter(|(name, item)| before.get(*name) != Some(*item)).map(|(name, _)| name);
    gone.chain(other).map(|(kind, name)| Object::new(kind, name)).collect()
}
