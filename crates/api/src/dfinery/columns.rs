//! The tables of exports: which columns there are, and what stands in each (section 7).

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde_json::value::RawValue;
use tessera_engine::time::Timestamp;
use tessera_seam::answer::invalid;
use tessera_service::DocumentProfile;
use tessera_service::clock::format_seconds;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::members::Members;
use tessera_service::payload::Payload;
use tessera_service::walks::WalkedEvent;

use super::NAME;
use super::parse::ITEMS;

/// Columns of one table, and names that a request may list.
pub(super) const COLUMNS_MAX: usize = 2_000;
/// The beginning of the names of columns that hold properties of items.
const OF_ITEMS: &str = "df_items_";
/// The unified id of a profile.
pub(super) const UNIFIED_ID: &str = "df_unified_id";
/// The identifier that is exported.
pub(super) const EXTERNAL_ID: &str = "df_external_id";

/// Columns of every export of events (section 7.1), whatever properties are asked for.
const OF_EVENTS: [&str; 8] = [
    UNIFIED_ID,
    "event_name",
    "df_api_version",
    "df_server_datetime",
    "df_correction_datetime",
    "df_event_datetime",
    "df_event_log_id",
    "df_library_platform",
];

/// Which of several names are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    All,
    Include(BTreeSet<String>),
    Exclude(BTreeSet<String>),
}

impl Choice {
    /// Reads a list of names with its condition.
    ///
    /// # Errors
    /// `export_parameter_invalid`.
    pub(super) fn parse(
        (member, names): (&str, Option<Vec<String>>),
        (condition, said): (&str, Option<&str>),
    ) -> Result<Self, Error> {
        let names: BTreeSet<String> = names.unwrap_or_default().into_iter().collect();
        if names.len() > COLUMNS_MAX {
            return Err(parameter(format!("{member}: at most {COLUMNS_MAX} names are expected")));
        }
        match said {
            Some("all") => Ok(Self::All),
            Some("include") if names.is_empty() => {
                Err(parameter(format!("{member}: names are expected where {condition} is include")))
            }
            Some("include") => Ok(Self::Include(names)),
            Some("exclude") => Ok(Self::Exclude(names)),
            _ => Err(parameter(format!("{condition}: all, include or exclude is expected"))),
        }
    }

    pub(super) fn takes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Include(names) => names.contains(name),
            Self::Exclude(names) => !names.contains(name),
        }
    }
}

/// A parameter that cannot be taken as it came.
pub(super) fn parameter(message: impl Into<Cow<'static, str>>) -> Error {
    invalid("export_parameter_invalid", message)
}

/// The columns of a table, by name.
#[derive(Debug, Clone)]
pub(super) struct Columns(BTreeSet<String>);

impl Columns {
    /// Those of profiles, so far.
    pub(super) fn of_profiles(has_external_id: bool) -> Self {
        let names = [UNIFIED_ID].into_iter().chain(has_external_id.then_some(EXTERNAL_ID));
        Self(names.map(str::to_owned).collect())
    }

    /// Those of events, so far.
    pub(super) fn of_events() -> Self {
        Self(OF_EVENTS.map(str::to_owned).into())
    }

    /// Adds a column.
    ///
    /// # Errors
    /// `LimitExceeded` with `export_columns_too_many`.
    pub(super) fn add(&mut self, name: &str) -> Result<(), Error> {
        if self.0.contains(name) {
            return Ok(());
        }
        if self.0.len() >= COLUMNS_MAX {
            let message =
                format!("a table has at most {COLUMNS_MAX} columns: name those that are wanted, with include");
            return Err(Error::new(ErrorKind::LimitExceeded, "export_columns_too_many", message));
        }
        self.0.insert(name.to_owned());
        Ok(())
    }

    /// Adds the columns of an event.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(super) fn add_of(&mut self, event: &WalkedEvent, properties: &Choice) -> Result<(), Error> {
        let said = Said::of(event);
        let items = said.items.iter().flat_map(|item| item.0.iter().map(|(name, _)| of_items(name)));
        let own = said.properties.keys().cloned();
        own.chain(items).filter(|name| properties.takes(name)).try_for_each(|name| self.add(&name))
    }

    /// The names, in the order of the table.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The name of the column of a property of items.
pub(super) fn of_items(name: &str) -> String {
    format!("{OF_ITEMS}{name}")
}

/// What an event says.
struct Said<'a> {
    properties: HashMap<String, &'a RawValue>,
    items: Vec<Members<'a>>,
}

impl<'a> Said<'a> {
    /// Reads the payload of an event; one that cannot be read says nothing.
    fn of(event: &'a WalkedEvent) -> Self {
        let payload: Payload<'a> = serde_json::from_slice(&event.call.payload).unwrap_or_default();
        let members = payload.properties.and_then(|json| Members::parse(json.get()).ok());
        let mut properties: HashMap<String, &'a RawValue> = members.into_iter().flat_map(|own| own.0).collect();
        let list = properties.get(ITEMS).and_then(|raw| serde_json::from_str::<Vec<Members<'a>>>(raw.get()).ok());
        if list.is_some() {
            properties.remove(ITEMS);
        }
        Self { properties, items: list.unwrap_or_default() }
    }

    /// What stands under a name: a property, or that of all items as a list.
    fn cell(&self, name: &str) -> String {
        if let Some(raw) = self.properties.get(name) {
            return cell(raw.get());
        }
        let Some(name) = name.strip_prefix(OF_ITEMS) else { return String::new() };
        if !self.items.iter().any(|item| item.get(name).is_some()) {
            return String::new();
        }
        let values = self.items.iter().map(|item| item.get(name).map_or("null", RawValue::get));
        format!("[{}]", values.collect::<Vec<_>>().join(","))
    }
}

/// A value as a cell: a text as it is, null as nothing, and everything else as JSON.
fn cell(json: &str) -> String {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).unwrap_or_default(),
        _ if json == "null" => String::new(),
        _ => json.to_owned(),
    }
}

/// A time as this API writes it, with milliseconds.
fn time(at: Timestamp) -> String {
    let millis = at.micros().rem_euclid(1_000_000) / 1_000;
    format!("{}.{millis:03}Z", format_seconds(at).trim_end_matches('Z'))
}

/// The row of an event.
pub(super) fn event_row(event: &WalkedEvent, columns: &Columns) -> Vec<String> {
    let said = Said::of(event);
    // What another door took has neither a version nor a platform of this one.
    let is_ours = &*event.call.dataset == NAME;
    let of_ours = |text: &str| if is_ours { text.to_owned() } else { String::new() };
    let value = |name: &str| match name {
        UNIFIED_ID => event.profile.to_string(),
        "event_name" => event.call.name.as_deref().unwrap_or_default().to_owned(),
        "df_api_version" => of_ours("v1"),
        "df_library_platform" => of_ours("HTTP_API"),
        "df_server_datetime" => time(event.call.received_at),
        "df_correction_datetime" | "df_event_datetime" => time(event.call.time),
        "df_event_log_id" => event.call.message_id.to_string(),
        name => said.cell(name),
    };
    columns.names().map(value).collect()
}

/// The row of a profile.
pub(super) fn profile_row(profile: &DocumentProfile, columns: &Columns) -> Vec<String> {
    let fields: HashMap<&str, &[u8]> = profile.fields.iter().map(|own| (&*own.name, &*own.json)).collect();
    let external_id = || profile.shown.iter().find(|own| &*own.namespace == "user_id");
    let value = |name: &str| match name {
        UNIFIED_ID => profile.id.to_string(),
        EXTERNAL_ID => external_id().map_or_else(String::new, |own| own.value.to_string()),
        name => fields.get(name).and_then(|json| std::str::from_utf8(json).ok()).map_or_else(String::new, cell),
    };
    columns.names().map(value).collect()
}
