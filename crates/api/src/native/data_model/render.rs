//! From data models to answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use tessera_engine::config::Kind as NamespaceKind;
use tessera_engine::model::{Allowed, Attribute, Definition, EventType, Flags, ItemList, Kind, Property, Type};
use tessera_engine::value::{Path, Value};
use tessera_service::ModelChanged;
use tessera_service::clock::format_timestamp;
use tessera_service::contradictions::{Contradiction, Contradictions};
use tessera_service::learned::{Seen, Subject, Summary};
use tessera_service::workspace_config::StoredConfig;

use super::wire;

pub(super) fn data_model(config: &StoredConfig, learned: Option<Summary>) -> wire::DataModel {
    let stored = config.model();
    let namespaces = config.namespaces().iter().map(|namespace| wire::ModelNamespace {
        name: namespace.name.to_string(),
        kind: match namespace.kind {
            NamespaceKind::Person => "person",
            NamespaceKind::Account => "account",
        },
        priority: namespace.priority,
        exclusive: namespace.exclusive,
    });
    wire::DataModel {
        version: stored.version,
        model: model(stored.model.definition()),
        namespaces: namespaces.collect(),
        learned: learned.map(self::learned),
    }
}

fn learned(summary: Summary) -> wire::Learned {
    let mut learned = wire::Learned { overflowed: summary.overflowed, ..wire::Learned::default() };
    // In the order of subjects events come before their properties.
    for (subject, seen) in summary.seen {
        match subject {
            Subject::Attribute(path) => drop(learned.attributes.insert(path.to_string(), self::seen(seen))),
            Subject::Event(name) => {
                let event = wire::SeenEvent { occurrence: occurrence(seen), properties: BTreeMap::new() };
                learned.event_types.insert(name.to_string(), event);
            }
            Subject::Property(name, path) => {
                if let Some(event) = learned.event_types.get_mut(&*name) {
                    event.properties.insert(path.to_string(), self::seen(seen));
                }
            }
        }
    }
    learned
}

fn seen(seen: Seen) -> wire::Seen {
    wire::Seen { types: seen.kinds.iter().map(|kind| kind.name()).collect(), occurrence: occurrence(seen) }
}

fn occurrence(seen: Seen) -> wire::Occurrence {
    wire::Occurrence {
        datasets: seen.datasets.iter().map(ToString::to_string).collect(),
        more_datasets: seen.more_datasets,
        count: seen.count,
        first_seen: format_timestamp(seen.first),
        last_seen: format_timestamp(seen.last),
    }
}

pub(super) fn model(definition: &Definition) -> wire::Model {
    let datasets = definition.datasets.iter();
    wire::Model {
        mode: definition.mode.name().to_owned(),
        datasets: datasets
            .map(|(name, mode)| (name.to_string(), wire::DatasetMode { mode: mode.name().to_owned() }))
            .collect(),
        attributes: definition.attributes.iter().map(|(path, own)| (path.to_string(), attribute(own))).collect(),
        event_types: definition.event_types.iter().map(|(name, own)| (name.to_string(), event_type(own))).collect(),
    }
}

fn attribute(own: &Attribute) -> wire::Attribute {
    let (allowed_values, allow_other_values) = allowed(own.allowed.as_ref());
    wire::Attribute {
        r#type: own.r#type.name().to_owned(),
        of: of(own.r#type),
        status: own.status.name().to_owned(),
        internal: own.flags.internal,
        private: own.flags.private,
        label: own.label.as_deref().map(str::to_owned),
        description: own.description.as_deref().map(str::to_owned),
        allowed_values,
        allow_other_values,
        relevance: own.relevance.map(|window| window.to_string()),
        retention: own.retention.map(|window| window.to_string()),
    }
}

fn event_type(own: &EventType) -> wire::EventType {
    let list = |list: &ItemList| wire::ItemList { required: list.required, properties: properties(&list.properties) };
    wire::EventType {
        status: own.status.name().to_owned(),
        internal: own.flags.internal,
        private: own.flags.private,
        label: own.label.as_deref().map(str::to_owned),
        description: own.description.as_deref().map(str::to_owned),
        properties: properties(&own.properties),
        items: own.items.iter().map(|(path, items)| (path.to_string(), list(items))).collect(),
        retention: own.retention.map(|window| window.to_string()),
    }
}

fn properties(properties: &BTreeMap<Path, Property>) -> BTreeMap<String, wire::Property> {
    let property = |own: &Property| {
        let (allowed_values, allow_other_values) = allowed(own.allowed.as_ref());
        wire::Property {
            r#type: own.r#type.name().to_owned(),
            of: of(own.r#type),
            required: own.required,
            internal: own.flags.internal,
            private: own.flags.private,
            description: own.description.as_deref().map(str::to_owned),
            allowed_values,
            allow_other_values,
        }
    };
    properties.iter().map(|(path, own)| (path.to_string(), property(own))).collect()
}

fn of(own: Type) -> Option<String> {
    own.of().map(|scalar| scalar.name().to_owned())
}

fn allowed(allowed: Option<&Allowed>) -> (Option<Vec<Json>>, bool) {
    let values = allowed.map(|allowed| allowed.values.iter().map(value).collect());
    (values, allowed.is_some_and(|allowed| allowed.others))
}

fn value(value: &Value) -> Json {
    let mut text = Vec::new();
    tessera_service::json::write_value(value, &mut text);
    serde_json::from_slice(&text).expect("what is written as json is read as json")
}

/// What a change came to, or would; the version is the one that holds.
pub(super) fn change(
    changed: &ModelChanged,
    shows: Shows,
    (version, dry_run): (u64, bool),
    config: &StoredConfig,
) -> wire::Change {
    let (before, after) = (changed.before.model.definition(), changed.after.model.definition());
    wire::Change {
        version,
        dry_run,
        differences: differences(before, after),
        contradictions: contradictions(&changed.contradictions, shows),
        warnings: warnings((before, after), config),
    }
}

/// What is to be said of attributes that a change flags and that are called as a namespace is.
fn warnings((before, after): (&Definition, &Definition), config: &StoredConfig) -> Vec<wire::ModelWarning> {
    let flagged = after.attributes.iter().filter(|(path, own)| {
        let was = before.attributes.get(*path).map(|was| was.flags);
        own.flags != Flags::default() && was != Some(own.flags)
    });
    let named = flagged.filter(|(path, _)| config.namespaces().iter().any(|own| own.name.as_str() == path.as_str()));
    named
        .map(|(path, _)| wire::ModelWarning {
            kind: "identifier",
            name: path.to_string(),
            message: format!(
                "{path} is a namespace too: the flags hide attributes of this name, and the identifiers of profiles are shown to every key that reads"
            ),
        })
        .collect()
}

/// Whether examples of contradictions are told: they say which profile has a value that is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// Their number alone.
    Count,
    /// The first of them, too.
    Examples,
}

pub(super) fn contradictions(found: &Contradictions, shows: Shows) -> wire::Contradictions {
    let example = |own: &Contradiction| wire::Contradiction {
        profile_id: own.profile.to_string(),
        event: own.event.as_deref().map(str::to_owned),
        path: own.problem.path.clone(),
        code: own.problem.code,
        expected: own.problem.expected.clone(),
        found: own.problem.found.map(Kind::name),
    };
    let told = if shows == Shows::Examples { &found.examples[..] } else { &[] };
    wire::Contradictions { count: found.count, examples: told.iter().map(example).collect() }
}

/// Everything that differs between two definitions.
fn differences(before: &Definition, after: &Definition) -> Vec<wire::Difference> {
    let mut differences = Vec::new();
    if before.mode != after.mode {
        differences.push(wire::Difference { kind: "mode", name: None, change: "changed" });
    }
    compare("dataset", &before.datasets, &after.datasets, &mut differences);
    compare("attribute", &before.attributes, &after.attributes, &mut differences);
    compare("event_type", &before.event_types, &after.event_types, &mut differences);
    differences
}

fn compare<K: Ord + ToString, V: PartialEq>(
    kind: &'static str,
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    differences: &mut Vec<wire::Difference>,
) {
    let names: BTreeSet<&K> = before.keys().chain(after.keys()).collect();
    for name in names {
        let change = match (before.get(name), after.get(name)) {
            (None, Some(_)) => "added",
            (Some(_), None) => "removed",
            (Some(before), Some(after)) if before != after => "changed",
            _ => continue,
        };
        differences.push(wire::Difference { kind, name: Some(name.to_string()), change });
    }
}
