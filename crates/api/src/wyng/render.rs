//! From documents to the form of this API (spec/wyng.md sections 5 and 6).

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tessera_engine::time::Timestamp;
use tessera_engine::value::Path;
use tessera_engine::view::Relevance;
use tessera_service::DocumentProfile;
use tessera_service::clock::format_seconds;
use tessera_service::directory::WorkspaceId;
use tessera_service::workspace_config::{RuleKind, StoredConfig};

use super::parse::{CONSENT, SOURCE};
use super::wire::{Profile, Value};

/// What of a profile is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sees {
    /// All of it.
    All,
    /// What is public.
    Public,
}

/// An instant in UTC without zone, with six digits of a fraction: `2025-03-04T05:06:07.890000`.
pub(super) fn zoneless(at: Timestamp) -> String {
    let seconds = format_seconds(at);
    let fraction = at.micros().rem_euclid(1_000_000);
    format!("{}.{fraction:06}", seconds.trim_end_matches('Z'))
}

/// The ids of segments, for which there are names.
pub(super) fn segment_ids<'a>(config: &StoredConfig, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let find = |name: &str| config.rules().find(RuleKind::Segment, name).ok();
    names.filter_map(|name| Some(find(name)?.name.stable_id(RuleKind::Segment))).collect()
}

/// A profile.
pub(super) fn profile(
    profile: &DocumentProfile,
    config: &StoredConfig,
    workspace: WorkspaceId,
    (sees, relevance, now): (Sees, Relevance, Timestamp),
) -> Profile {
    let all = values(profile, config, relevance, now);
    let is_public = |name: &str| config.documents().fields.get(name).is_some_and(|field| field.public);
    let fields = all.iter().filter(|(name, _)| sees == Sees::All || is_public(name));
    let mut field_list: Vec<String> = values(profile, config, Relevance::Any, now).into_keys().collect();
    let shown = profile.names.iter().map(ToString::to_string).filter(|name| !is_ours(name));
    field_list.extend(shown);
    field_list.sort_unstable();
    field_list.dedup();
    Profile {
        id: profile.id.to_string(),
        tdm_id: workspace.stable_id(),
        created_at: zoneless(profile.created_at),
        updated_at: zoneless(profile.updated_at),
        parent_profiles: profile.parents.iter().map(ToString::to_string).collect(),
        segments: segment_ids(config, profile.segments.iter().map(AsRef::as_ref)),
        fields: fields.map(|(name, value)| (name.clone(), value.clone())).collect(),
        field_list,
    }
}

fn is_ours(name: &str) -> bool {
    name == CONSENT || name == SOURCE
}

/// All values of a profile: what it is known by, and its attributes.
pub(super) fn values(
    profile: &DocumentProfile,
    config: &StoredConfig,
    relevance: Relevance,
    now: Timestamp,
) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for field in profile.fields.iter().filter(|field| !is_ours(&field.name)) {
        let Ok(value) = serde_json::from_slice(&field.json) else { continue };
        values.insert(field.name.to_string(), Value { value, updated: field.updated.map(zoneless) });
    }
    for (name, key) in config.documents().keys() {
        let said = values.remove(&**name);
        let of = |namespace: &str| namespace == key.namespace.as_str();
        let mut found = profile.identities.iter().filter(|own| of(&own.identity.namespace));
        if key.many {
            let ids: Vec<Json> = found.map(|own| Json::from(&*own.identity.value)).collect();
            if !ids.is_empty() && relevance != Relevance::NotRelevant {
                values.insert(name.to_string(), Value { value: ids.into(), updated: None });
            }
            continue;
        }
        let shown = profile.shown.iter().find(|own| of(&own.namespace));
        let seen = shown.and_then(|shown| found.find(|own| own.identity.value == shown.value)?.last_seen);
        // What can find nobody is shown as it was said, where nothing finds the profile by this field.
        let Some(shown) = shown else {
            values.extend(said.map(|said| (name.to_string(), said)));
            continue;
        };
        if is_asked_for(config, name, seen, (relevance, now)) {
            let value = Json::from(&*shown.value);
            values.insert(name.to_string(), Value { value, updated: seen.map(zoneless) });
        }
    }
    values
}

/// Whether a value that was last said at this time is asked for.
fn is_asked_for(
    config: &StoredConfig,
    name: &str,
    said: Option<Timestamp>,
    (relevance, now): (Relevance, Timestamp),
) -> bool {
    let attributes = &config.model().model.definition().attributes;
    let window = Path::from_segments([name]).ok().and_then(|path| attributes.get(&path)?.relevance);
    let is_relevant = window.zip(said).is_none_or(|(window, said)| window.end(said) > now);
    match relevance {
        Relevance::Any => true,
        Relevance::Relevant => is_relevant,
        Relevance::NotRelevant => !is_relevant,
    }
}
