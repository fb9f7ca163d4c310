//! What a look-up asks for.

use tessera_engine::config::Kind;
use tessera_engine::time::Timestamp;
use tessera_seam::answer::to_json;
use tessera_seam::bounds::EVENTS_MAX;
use tessera_seam::extract::Query;
use tessera_service::EventOrder;
use tessera_service::error::Error;
use tessera_service::workspace_config::StoredConfig;

use super::super::NAME;
use super::super::computed_attributes::{Place, shown_at};
use super::super::enter::Asked;
use super::super::errors::invalid_parameter;
use super::super::merge_policies;
use super::super::xid::Said;
use super::property::{PROPERTIES_MAX, Property};
use super::wire::{Lookups, TimeFilter};

/// The parameters of a look-up of a record. Some are written in two ways (spec/adobe.md section 17): both are taken.
pub(super) const RECORD_PARAMETERS: &[(&str, &str)] = &[
    ("schema.name", "`_xdm.context.profile`, `_xdm.context.account` or `_xdm.context.experienceevent`."),
    ("entityId", "An XID, or an id with `entityIdNS`."),
    ("entityIdNS", "The code of the namespace of `entityId`."),
    ("entityIdNs", "The same."),
    ("mergePolicyId", "The merge policy; the default one where it is left out."),
];

/// Those that a look-up of events has beside these.
pub(super) const OTHER_PARAMETERS: &[(&str, &str)] = &[
    ("fields", "Paths that are shown, with commas; all where it is left out."),
    ("withCA", "Whether computed attributes are shown."),
    ("relatedSchema.name", "Of events: `_xdm.context.profile`."),
    ("relatedEntityId", "Of events: whose, an XID or an id with `relatedEntityIdNS`."),
    ("relatedEntityIdNS", "The code of the namespace of `relatedEntityId`."),
    ("relatedEntityIdNs", "The same."),
    ("startTime", "Of events: from when, in milliseconds since 1970, included."),
    ("endTime", "Of events: until when, in milliseconds since 1970, not included."),
    ("limit", "Of events: how many; 1,000 where it is left out, which is the most of one page."),
    ("orderby", "Of events: `+timestamp`, the oldest first, or `-timestamp`."),
    ("orderBy", "The same."),
    ("property", "Of events: a path, one of `= != < <= > >=`, and a value; up to three times."),
    ("start", "Of events: the id of the event that the page begins with."),
    ("offsets", "The same."),
];

/// A class of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// People, or accounts.
    Record(Kind),
    /// What happened.
    Event,
}

/// What of an entity is shown, and under which merge policy.
#[derive(Default)]
pub(super) struct Shape {
    /// Paths; all where there are none.
    pub(super) fields: Option<Vec<String>>,
    /// The merge policy as it is named; once it is found, as it is named here.
    pub(super) policy: Option<String>,
    pub(super) with_computed: bool,
    /// How answers name the merge policy, once it is found.
    pub(super) policy_told: String,
    /// Where computed attributes are shown.
    pub(super) places: Vec<Place>,
}

impl Shape {
    /// The same, with the merge policy that it names, or that is the default of a class.
    ///
    /// # Errors
    /// `merge_policy_unknown`.
    pub(super) fn found(self, config: &StoredConfig, asked: &Asked, kind: Kind) -> Result<Self, Error> {
        let class = if kind == Kind::Account { merge_policies::Class::Account } else { merge_policies::Class::Profile };
        let chosen = merge_policies::chosen(config, asked.workspace(), class, self.policy.as_deref())?;
        let places = shown_at(config, &asked.org);
        Ok(Self { policy: Some(chosen.policy.to_string()), policy_told: chosen.id, places, ..self })
    }
}

impl Shape {
    /// What tells an answer of this shape from every other of one identity, before its merge policy is looked for: which that is, and where
    /// computed attributes stand, the configuration of this version says.
    pub(super) fn key(&self, version: u64, kind: Kind) -> Vec<u8> {
        to_json(&(NAME, version, kind == Kind::Account, &self.policy, &self.fields, self.with_computed))
    }
}

/// Which events of a profile.
pub(super) struct Events {
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    pub(super) limit: usize,
    pub(super) order: EventOrder,
    pub(super) properties: Vec<Property>,
}

/// Reads a class.
///
/// # Errors
/// `query_invalid`.
pub(super) fn class(name: Option<&str>) -> Result<Class, Error> {
    match name {
        Some("_xdm.context.profile") => Ok(Class::Record(Kind::Person)),
        Some("_xdm.context.account") => Ok(Class::Record(Kind::Account)),
        Some("_xdm.context.experienceevent") => Ok(Class::Event),
        Some(_) => Err(invalid_parameter(
            "schema.name",
            "_xdm.context.profile, _xdm.context.account or _xdm.context.experienceevent is expected",
        )),
        None => Err(invalid_parameter("schema.name", "it is required")),
    }
}

/// Reads which record is meant.
///
/// # Errors
/// `query_invalid`.
pub(super) fn entity(query: &Query) -> Result<Said<'_>, Error> {
    let id = query.get("entityId").ok_or_else(|| invalid_parameter("entityId", "it is required"))?;
    Ok(Said { id, code: either(query, ["entityIdNS", "entityIdNs"]) })
}

/// Reads whose events are meant. Clients say it in both ways at once.
///
/// # Errors
/// `query_invalid`.
pub(super) fn related(query: &Query) -> Result<Said<'_>, Error> {
    if query.get("relatedSchema.name") != Some("_xdm.context.profile") {
        return Err(invalid_parameter("relatedSchema.name", "_xdm.context.profile is expected for events"));
    }
    let id = query.get("relatedEntityId");
    let id = id.ok_or_else(|| invalid_parameter("relatedEntityId", "it is required for events"))?;
    Ok(Said { id, code: either(query, ["relatedEntityIdNS", "relatedEntityIdNs"]) })
}

/// Reads what is shown.
///
/// # Errors
/// `query_invalid`.
pub(super) fn shape(query: &Query) -> Result<Shape, Error> {
    let fields = query.get("fields").map(|list| list.split(',').map(|path| path.trim().to_owned()).collect());
    let policy = query.get("mergePolicyId").map(str::to_owned);
    Ok(Shape { fields, policy, with_computed: query.flag("withCA")?, ..Shape::default() })
}

/// Reads which events are wanted.
///
/// # Errors
/// `query_invalid`.
pub(super) fn events(query: &Query) -> Result<Events, Error> {
    let number = |name: &str| {
        let invalid = |_| invalid_parameter(name, "a whole number is expected");
        query.get(name).map(|text| text.parse::<i64>().map_err(invalid)).transpose()
    };
    let limit = number("limit")?.map(|limit| u64::try_from(limit).unwrap_or(0));
    let properties = query.0.iter().filter(|(name, value)| name == "property" && !value.is_empty());
    let properties: Vec<Property> = properties.map(|(_, value)| Property::parse(value)).collect::<Result<_, _>>()?;
    if properties.len() > PROPERTIES_MAX {
        return Err(invalid_parameter("property", format!("at most {PROPERTIES_MAX} are expected")));
    }
    let time = TimeFilter { start_time: number("startTime")?, end_time: number("endTime")? };
    of_events(Some(time), limit, either(query, ["orderby", "orderBy"]), properties)
}

/// Reads which events are wanted of a look-up in bulk.
///
/// # Errors
/// `query_invalid`.
pub(super) fn events_in_bulk(body: &Lookups) -> Result<Events, Error> {
    if body.related_schema.as_ref().map(|own| own.name.as_str()) != Some("_xdm.context.profile") {
        return Err(invalid_parameter("relatedSchema.name", "_xdm.context.profile is expected for events"));
    }
    of_events(body.time_filter, body.limit, body.orderby.as_deref(), Vec::new())
}

fn of_events(
    time: Option<TimeFilter>,
    limit: Option<u64>,
    order: Option<&str>,
    properties: Vec<Property>,
) -> Result<Events, Error> {
    let instant = |name: &str, millis: Option<i64>| {
        let invalid = || invalid_parameter(name, "milliseconds since 1970 are expected");
        let micros = millis.map(|millis| millis.checked_mul(1_000).ok_or_else(invalid)).transpose()?;
        micros.map(|micros| Timestamp::from_micros(micros).ok_or_else(invalid)).transpose()
    };
    let limit = limit.map_or(EVENTS_MAX, |limit| usize::try_from(limit).unwrap_or(EVENTS_MAX).min(EVENTS_MAX));
    if limit == 0 {
        return Err(invalid_parameter("limit", "a whole number of at least 1 is expected"));
    }
    Ok(Events {
        start: instant("startTime", time.and_then(|own| own.start_time))?,
        end: instant("endTime", time.and_then(|own| own.end_time))?,
        limit,
        // A plus that was not encoded comes as a blank.
        order: match order.map(str::trim_start) {
            None | Some("+timestamp" | "timestamp") => EventOrder::OldestFirst,
            Some("-timestamp") => EventOrder::NewestFirst,
            Some(_) => return Err(invalid_parameter("orderby", "+timestamp or -timestamp is expected")),
        },
        properties,
    })
}

/// How answers say an order.
pub(super) const fn order_name(order: EventOrder) -> &'static str {
    match order {
        EventOrder::OldestFirst => "timestamp",
        EventOrder::NewestFirst => "-timestamp",
    }
}

/// The value of a parameter that is written in two ways.
pub(super) fn either<'a>(query: &'a Query, names: [&str; 2]) -> Option<&'a str> {
    query.get(names[0]).or_else(|| query.get(names[1]))
}
