//! From requests to the directory's and the service's own types.

use tessera_engine::config::{Kind, Normaliser};
use tessera_engine::time::Timestamp;
use tessera_seam::answer::invalid;
use tessera_seam::bounds::{LIST_DEFAULT, LIST_MAX};
use tessera_seam::extract::Query;
use tessera_service::clock::parse_timestamp;
use tessera_service::directory::{Class, Dataset, DisplayName, ListQuery, NewKey, Origin, Permission, RateLimit, Slug};
use tessera_service::error::Error;
use tessera_service::workspace_config::{LimitOverrides, NamespaceRules, NewNamespace};

use super::wire;

pub(super) fn list(query: &Query) -> Result<ListQuery, Error> {
    Ok(ListQuery { limit: query.limit(LIST_DEFAULT, LIST_MAX)?, cursor: query.get("cursor").map(str::to_owned) })
}

pub(super) fn rate_limit(wire: Option<wire::SetLimit>) -> Result<Option<RateLimit>, Error> {
    wire.map(limit).transpose()
}

fn limit(wire: wire::SetLimit) -> Result<RateLimit, Error> {
    let wire::SetLimit { preset, per_second, burst, concurrency, peak_per_second } = wire;
    match (preset, per_second, burst, concurrency, peak_per_second) {
        (Some(preset), None, None, None, None) => RateLimit::preset(&preset),
        (None, Some(per_second), Some(burst), Some(concurrency), peak) => {
            let limit = RateLimit::new(per_second, burst, concurrency)?;
            peak.map_or(Ok(limit), |peak| limit.with_peak(peak))
        }
        _ => {
            let message =
                "per_second, burst and concurrency are expected, with peak_per_second or without; or preset alone";
            Err(invalid("rate_limit_invalid", message))
        }
    }
}

pub(super) fn new_key(wire: wire::NewKey) -> Result<NewKey, Error> {
    let slugs = |names: Vec<String>| names.iter().map(|name| Slug::parse(name)).collect::<Result<Vec<_>, _>>();
    Ok(NewKey {
        name: DisplayName::parse(&wire.name)?,
        class: match wire.class.as_str() {
            "public" => Class::Public,
            "private" => Class::Private,
            _ => return Err(invalid("class_unknown", "class is public or private")),
        },
        permissions: wire.permissions.iter().map(|name| Permission::parse(name)).collect::<Result<_, _>>()?,
        workspaces: wire.workspaces.map(slugs).transpose()?,
        dataset: dataset(wire.dataset.as_deref())?,
        datasets: wire.datasets.map(datasets).transpose()?,
        origins: wire.origins.map(origins).transpose()?,
        expires_at: wire.expires_at.as_deref().map(instant).transpose()?,
        rate_limit: rate_limit(wire.rate_limit)?,
    })
}

fn instant(text: &str) -> Result<Timestamp, Error> {
    parse_timestamp(text).map_err(|_| invalid("time_invalid", "expires_at must be in iso 8601"))
}

pub(super) fn dataset(name: Option<&str>) -> Result<Option<Dataset>, Error> {
    name.map(Dataset::parse).transpose()
}

fn datasets(names: Vec<String>) -> Result<Vec<Dataset>, Error> {
    names.iter().map(|name| Dataset::parse(name)).collect()
}

fn origins(texts: Vec<String>) -> Result<Vec<Origin>, Error> {
    texts.iter().map(|text| Origin::parse(text)).collect()
}

pub(super) fn new_namespace(wire: wire::NewNamespace) -> Result<NewNamespace, Error> {
    let normaliser = normaliser(&wire.normaliser, wire.region)?;
    let kind = match wire.kind.as_deref() {
        None | Some("person") => Kind::Person,
        Some("account") => Kind::Account,
        Some(_) => return Err(invalid("namespace_invalid", "kind is person or account")),
    };
    Ok(NewNamespace { name: wire.name, kind, normaliser, rules: rules(wire.rules) })
}

fn normaliser(name: &str, region: Option<String>) -> Result<Normaliser, Error> {
    match (name, region) {
        ("trim", None) => Ok(Normaliser::Trim),
        ("lower", None) => Ok(Normaliser::Lower),
        ("email", None) => Ok(Normaliser::Email),
        ("phone", region) => Ok(Normaliser::Phone { region: region.as_deref().map(self::region).transpose()? }),
        (_, Some(_)) => Err(invalid("namespace_invalid", "only the normaliser phone takes a region")),
        (_, None) => Err(invalid("namespace_invalid", "normaliser is trim, lower, email or phone")),
    }
}

/// Reads a change of a namespace.
///
/// # Errors
/// `namespace_invalid`, `region_invalid`.
pub(super) fn namespace_change(wire: wire::NamespaceChange) -> Result<(Option<Normaliser>, NamespaceRules), Error> {
    let wire::NamespaceChange { normaliser, region, priority, exclusive, limit, blocked, blocked_patterns } = wire;
    let spelled = match (normaliser, region) {
        (Some(name), region) => Some(self::normaliser(&name, region)?),
        (None, None) => None,
        (None, Some(_)) => return Err(invalid("namespace_invalid", "a region comes with the normaliser phone")),
    };
    Ok((spelled, rules(wire::NamespaceRules { priority, exclusive, limit, blocked, blocked_patterns })))
}

fn region(text: &str) -> Result<[u8; 2], Error> {
    text.as_bytes().try_into().map_err(|_| invalid("region_invalid", "region is two capital letters, as in FR"))
}

pub(super) fn rules(wire: wire::NamespaceRules) -> NamespaceRules {
    NamespaceRules {
        priority: wire.priority,
        exclusive: wire.exclusive,
        limit: wire.limit,
        blocked: wire.blocked,
        patterns: wire.blocked_patterns,
    }
}

pub(super) fn limits(wire: &wire::Limits) -> LimitOverrides {
    LimitOverrides {
        profile_identities_max: wire.profile_identities_max,
        hub_links_max: wire.hub_links_max,
        future_secs_max: wire.future_secs_max,
        fact_identities_max: wire.fact_identities_max,
        fact_attributes_max: wire.fact_attributes_max,
    }
}
