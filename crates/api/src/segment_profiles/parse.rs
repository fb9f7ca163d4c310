//! What a path and its parameters mean in our words (spec/segment.md section 3).

use tessera_engine::config::Kind;
use tessera_engine::model::Flags;
use tessera_seam::answer::invalid;
use tessera_seam::extract::Query;
use tessera_service::clock::parse_timestamp;
use tessera_service::error::Error;
use tessera_service::workspace_config::StoredConfig;
use tessera_service::{EventOrder, EventQuery, Lookup};

use super::errors::invalid_parameter;

/// Items of one page when the request does not say.
pub(super) const LIMIT_DEFAULT: usize = 10;
/// Traits, or external ids, of one page.
pub(super) const LIST_MAX: usize = 200;
/// Events of one page.
pub(super) const EVENTS_MAX: usize = 100;
/// Links of one page.
pub(super) const LINKS_MAX: usize = 20;
/// Names that a list may be confined to.
const NAMES_MAX: usize = 200;

/// Whose profiles a path is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collection {
    Users,
    Accounts,
}

impl Collection {
    /// The collection of this name.
    ///
    /// # Errors
    /// `collection_unknown`.
    pub(super) fn parse(name: &str) -> Result<Self, Error> {
        match name {
            "users" => Ok(Self::Users),
            "accounts" => Ok(Self::Accounts),
            _ => Err(invalid("collection_unknown", "the collection is expected to be users or accounts")),
        }
    }

    /// That of identities of this kind.
    pub(super) const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Person => Self::Users,
            Kind::Account => Self::Accounts,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Accounts => "accounts",
        }
    }

    /// The one that its profiles are linked to.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Users => Self::Accounts,
            Self::Accounts => Self::Users,
        }
    }

    /// The types of its external ids: the names of our namespaces.
    pub(super) fn types(self, config: &StoredConfig) -> Vec<&str> {
        let own = config.namespaces().iter().filter(|own| Self::of(own.kind) == self);
        own.map(|own| own.name.as_str()).collect()
    }
}

/// The two parts of `type:value`.
///
/// # Errors
/// `profile_reference_invalid`.
pub(super) fn reference(text: &str) -> Result<(&str, &str), Error> {
    let parts = text.split_once(':').filter(|(r#type, value)| !r#type.is_empty() && !value.trim().is_empty());
    let message = "the profile is expected as type:value, as in user_id:7001";
    parts.ok_or_else(|| invalid("profile_reference_invalid", message))
}

/// The look-ups that `type:value` may mean, the one that decides first at the front; at least one.
///
/// # Errors
/// `profile_reference_invalid`, `external_id_type_unknown`.
pub(super) fn lookups(config: &StoredConfig, collection: Collection, profile: &str) -> Result<Vec<Lookup>, Error> {
    let (namespace, value) = reference(profile)?;
    let types = collection.types(config);
    if !types.contains(&namespace) {
        let (name, types) = (collection.name(), types.join(", "));
        let message = format!("{name} have no external ids of this type; one of these is expected: {types}");
        return Err(invalid("external_id_type_unknown", message));
    }
    let lookup = |value: String| Lookup::Identity { namespace: namespace.to_owned(), value };
    Ok(spellings(value).into_iter().map(lookup).collect())
}

/// The spellings of a value in which an id is looked for: as it came, then in lower case.
pub(super) fn spellings(value: &str) -> Vec<String> {
    let mut spellings = vec![value.to_owned(), value.to_lowercase()];
    spellings.dedup();
    spellings
}

/// The names that a parameter lists, separated by commas; of several parameters of one name those of all. White space around one is not part
/// of it.
fn names<'a>(query: &'a Query, name: &str) -> Result<Vec<&'a str>, Error> {
    let lists = query.0.iter().filter(|(own, _)| own == name);
    let names = lists.flat_map(|(_, list)| list.split(',')).map(str::trim).filter(|own| !own.is_empty());
    let names: Vec<&str> = names.collect();
    if names.len() > NAMES_MAX {
        return Err(invalid_parameter(name, format_args!("at most {NAMES_MAX} names are expected")));
    }
    Ok(names)
}

/// The names that a list is confined to; all where there is none.
///
/// # Errors
/// `query_invalid`.
pub(super) fn include(query: &Query) -> Result<Vec<&str>, Error> {
    names(query, "include")
}

/// Which traits are wanted, by what makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Any,
    Audience,
    ComputedTrait,
}

/// Reads which class of traits is wanted.
///
/// # Errors
/// `query_invalid`.
pub(super) fn class(query: &Query) -> Result<Class, Error> {
    match query.get("class") {
        None => Ok(Class::Any),
        Some("audience") => Ok(Class::Audience),
        Some("computed_trait") => Ok(Class::ComputedTrait),
        Some(_) => Err(invalid_parameter("class", "audience or computed_trait is expected")),
    }
}

/// Reads which part of a timeline is wanted. Newest first, unless it is asked for otherwise.
///
/// # Errors
/// `limit_invalid`, `time_invalid`, `query_invalid`.
pub(super) fn events(query: &Query, visibility: Flags) -> Result<EventQuery, Error> {
    let instant = |name| {
        let invalid = |_| invalid("time_invalid", format!("{name} is expected in iso 8601"));
        query.get(name).map(|text| parse_timestamp(text).map_err(invalid)).transpose()
    };
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    Ok(EventQuery {
        limit: query.limit(LIMIT_DEFAULT, EVENTS_MAX)?,
        cursor: None,
        start: instant("start")?,
        end: instant("end")?,
        include: owned(include(query)?),
        exclude: owned(names(query, "exclude")?),
        order: match query.get("sort") {
            None | Some("desc") => EventOrder::NewestFirst,
            Some("asc") => EventOrder::OldestFirst,
            Some(_) => return Err(invalid_parameter("sort", "asc or desc is expected")),
        },
        visibility,
        ..EventQuery::default()
    })
}
