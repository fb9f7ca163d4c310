//! From the directory's and the service's types to answers.

use tessera_engine::config::{Kind, Normaliser};
use tessera_service::clock::format_timestamp;
use tessera_service::directory::{self, Class, Directory, ListPage, WorkspaceScope};
use tessera_service::quarantine;
use tessera_service::records::rows::Counts;
use tessera_service::workspace_config::{LimitOverrides, StoredConfig, StoredNamespace};

use super::wire;

pub(super) fn list<T, W>(page: ListPage<T>, item: impl Fn(T) -> W) -> wire::List<W> {
    wire::List { items: page.items.into_iter().map(item).collect(), next_cursor: page.next_cursor }
}

pub(super) fn organization(organization: directory::Organization) -> wire::Organization {
    let name = organization.name.to_string();
    wire::Organization { name, created_at: format_timestamp(organization.created_at) }
}

pub(super) fn workspace(workspace: directory::Workspace) -> wire::Workspace {
    wire::Workspace {
        name: workspace.name.to_string(),
        created_at: format_timestamp(workspace.created_at),
        rate_limit: workspace.rate_limit.map(wire::RateLimit::from),
    }
}

impl From<directory::RateLimit> for wire::RateLimit {
    fn from(limit: directory::RateLimit) -> Self {
        Self {
            per_second: limit.per_second(),
            burst: limit.burst(),
            concurrency: limit.concurrency(),
            peak_per_second: limit.peak(),
        }
    }
}

/// A key; the directory gives the names of its workspaces.
pub(super) fn key(key: directory::Key, directory: &Directory) -> wire::Key {
    let name = |id| directory.workspace(id).map(|workspace| workspace.name.to_string());
    wire::Key {
        id: key.id.to_string(),
        name: key.name.as_str().to_owned(),
        class: match key.class {
            Class::Public => "public",
            Class::Private => "private",
        },
        permissions: key.permissions.iter().map(directory::Permission::name).collect(),
        workspaces: match key.scope {
            WorkspaceScope::All { .. } => None,
            WorkspaceScope::Listed(ids) => Some(ids.into_iter().filter_map(name).collect()),
        },
        dataset: key.datasets.own.to_string(),
        datasets: key.datasets.allowed.map(|allowed| allowed.iter().map(ToString::to_string).collect()),
        origins: key.origins.map(|origins| origins.iter().map(ToString::to_string).collect()),
        created_at: format_timestamp(key.created_at),
        expires_at: key.expires_at.map(format_timestamp),
        revoked_at: key.revoked_at.map(format_timestamp),
        replaced_by: key.replaced_by.map(|id| id.to_string()),
        last_four: key.last_four,
        rate_limit: key.rate_limit.map(wire::RateLimit::from),
    }
}

pub(super) fn issued(issued: directory::IssuedKey, directory: &Directory) -> wire::IssuedKey {
    wire::IssuedKey { secret: issued.secret.reveal().to_owned(), key: key(issued.key, directory) }
}

pub(super) fn namespaces(config: &StoredConfig) -> wire::Namespaces {
    wire::Namespaces {
        items: config.namespaces().iter().map(namespace).collect(),
        primary_namespace: config.primary().map(ToString::to_string),
    }
}

pub(super) fn namespace(namespace: &StoredNamespace) -> wire::Namespace {
    let (normaliser, region) = match namespace.normaliser {
        Normaliser::Trim => ("trim", None),
        Normaliser::Lower => ("lower", None),
        Normaliser::Email => ("email", None),
        Normaliser::Phone { region } => ("phone", region.map(|letters| letters.map(char::from).iter().collect())),
    };
    let rules = namespace.rules();
    wire::Namespace {
        name: namespace.name.to_string(),
        kind: match namespace.kind {
            Kind::Person => "person",
            Kind::Account => "account",
        },
        normaliser,
        region,
        rules: wire::NamespaceRules {
            priority: rules.priority,
            exclusive: rules.exclusive,
            limit: rules.limit,
            blocked: rules.blocked,
            blocked_patterns: rules.patterns,
        },
    }
}

pub(super) fn quarantine_entry(entry: quarantine::Entry) -> wire::QuarantineEntry {
    wire::QuarantineEntry {
        id: entry.id.to_string(),
        at: format_timestamp(entry.at),
        door: entry.door,
        code: entry.code,
        message: entry.message,
        key_id: entry.key.to_string(),
        kept_bytes: entry.kept_bytes,
        whole: entry.whole,
    }
}

pub(super) fn counts(counts: &Counts) -> wire::WorkspaceCounts {
    wire::WorkspaceCounts {
        profiles: counts.profiles,
        identities: counts.identities,
        events: counts.events,
        facts: counts.facts,
    }
}

pub(super) fn limits(limits: LimitOverrides) -> wire::Limits {
    wire::Limits {
        profile_identities_max: limits.profile_identities_max,
        hub_links_max: limits.hub_links_max,
        future_secs_max: limits.future_secs_max,
        fact_identities_max: limits.fact_identities_max,
        fact_attributes_max: limits.fact_attributes_max,
    }
}
