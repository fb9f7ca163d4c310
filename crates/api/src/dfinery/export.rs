//! What is exported: events and profiles as CSV, made while it is sent (section 7).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tessera_engine::model::{Flags, Status};
use tessera_engine::time::Timestamp;
use tessera_engine::value::Path;
use tessera_engine::view::Relevance;
use tessera_seam::answer::{Answer, Failure, invalid};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::stream::{self, Parts};
use tessera_service::DocumentQuery;
use tessera_service::clock::parse_timestamp;
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::walks::{EventSpan, EventWalk, ProfileWalk};
use tessera_service::workspace_config::{RuleKind, Status as RuleStatus, StoredConfig};

use super::EXPORT;
use super::call::Call;
use super::columns::{Choice, Columns, EXTERNAL_ID, event_row, of_items, parameter, profile_row};
use super::parse::ITEMS;
use super::read::is_like;
use super::wire::{EventExport, ProfileExport};

/// Bytes from which on a part is sent.
const PART_BYTES: usize = 64 << 10;
/// Days that the first day may lie back (section 7.1).
const DAYS_MAX: i64 = 30;
const DAY_MICROS: i64 = 86_400_000_000;

pub(super) async fn events(State(app): State<Arc<App>>, call: Call) -> Answer {
    let (entered, body) = call.enter(&app, &EXPORT, Permission::Export).await?;
    let done = export_events(&app, &entered, &body).await;
    entered.answered(done)
}

pub(super) async fn profiles(State(app): State<Arc<App>>, call: Call) -> Answer {
    let (entered, body) = call.enter(&app, &EXPORT, Permission::Export).await?;
    let done = export_profiles(&app, &entered, &body).await;
    entered.answered(done)
}

async fn export_events(app: &Arc<App>, entered: &Entered, body: &Bytes) -> Result<Response, Failure> {
    let asked: EventExport = body::json(body)?;
    let events = asked.events_condition_type.as_deref();
    let events = Choice::parse(("events", asked.events), ("events_condition_type", events))?;
    let said = asked.properties_condition_type.as_deref().or(Some("all"));
    let properties = Choice::parse(("properties", asked.properties), ("properties_condition_type", said))?;
    let (from, to) = days((asked.from_date.as_deref(), asked.to_date.as_deref()), app.now())?;
    let visibility = entered.visibility();
    let config = app.service.configuration(entered.workspace).await?;
    let mut columns = Columns::of_events();
    let mut walk = app.service.walk_events(entered.workspace, EventSpan { from, to, visibility }).await?;
    if let Choice::Include(names) = &properties {
        names.iter().try_for_each(|name| columns.add(name))?;
    } else {
        registered_properties(&config, visibility, (&events, &properties), &mut columns)?;
        // Whatever else they say has to be known before the first line.
        while let Some(event) = walk.next().await? {
            if events.takes(event.call.name.as_deref().unwrap_or_default()) {
                columns.add_of(&event, &properties)?;
            }
        }
        walk.rewind();
    }
    Ok(csv(Table { rows: Rows::Events(walk, events), columns, has_begun: false }).await?)
}

/// The columns of what is registered of the events that are asked for.
fn registered_properties(
    config: &StoredConfig,
    visibility: Flags,
    (events, properties): (&Choice, &Choice),
    columns: &mut Columns,
) -> Result<(), Error> {
    let types = config.model().model.definition().event_types.iter();
    let asked = types.filter(|(name, own)| events.takes(name) && !own.flags.exceed(visibility));
    for (_, own) in asked.filter(|(_, own)| own.status == Status::Active) {
        let seen = own.properties.iter().filter(|(_, property)| !property.flags.exceed(visibility));
        let mut names: Vec<String> = seen.filter_map(|(path, _)| top(path)).collect();
        for (path, list) in &own.items {
            let seen = list.properties.iter().filter(|(_, property)| !property.flags.exceed(visibility));
            let below: Vec<String> = seen.filter_map(|(path, _)| top(path)).collect();
            let is_ours = top(path).as_deref() == Some(ITEMS);
            names.extend(if is_ours {
                below.iter().map(|name| of_items(name)).collect()
            } else {
                Vec::from_iter(top(path))
            });
        }
        names.iter().filter(|name| properties.takes(name)).try_for_each(|name| columns.add(name))?;
    }
    Ok(())
}

/// The name at the top of a path.
fn top(path: &Path) -> Option<String> {
    path.segments().next().map(std::borrow::Cow::into_owned)
}

async fn export_profiles(app: &Arc<App>, entered: &Entered, body: &Bytes) -> Result<Response, Failure> {
    let asked: ProfileExport = body::json(body)?;
    let said = asked.properties_condition_type.as_deref();
    let properties = Choice::parse(("properties", asked.properties), ("properties_condition_type", said))?;
    let has_external_id = match asked.identities_condition_type.as_deref() {
        None => false,
        said => {
            let listed = ("identities", asked.identities);
            Choice::parse(listed, ("identities_condition_type", said))?.takes(EXTERNAL_ID)
        }
    };
    let visibility = entered.visibility();
    let config = app.service.configuration(entered.workspace).await?;
    let mut identifiers: BTreeSet<String> = config.namespaces().iter().map(|own| own.name.to_string()).collect();
    identifiers.insert(EXTERNAL_ID.to_owned());
    if let Choice::Include(names) = &properties
        && let Some(name) = names.iter().find(|name| identifiers.contains(*name))
    {
        return Err(parameter(format!("properties: {name} is an identifier, and these are not exported")).into());
    }
    let segment = asked.audience.as_deref().map(|audience| audience_of(&config, audience)).transpose()?;
    let query = DocumentQuery { visibility, relevance: Relevance::Any, values: [].into() };
    let walk = app.service.walk_profiles(entered.workspace, query, segment.as_deref()).await;
    let mut walk = walk.map_err(building)?;
    let mut columns = Columns::of_profiles(has_external_id);
    let is_asked = |name: &str| !identifiers.contains(name) && properties.takes(name);
    if let Choice::Include(names) = &properties {
        names.iter().try_for_each(|name| columns.add(name))?;
    } else {
        let model = &config.model().model;
        let attributes = model.definition().attributes.iter().filter(|(_, own)| own.status == Status::Active);
        let seen = attributes.filter(|(path, _)| !model.is_hidden(path, visibility));
        let names: BTreeSet<String> = seen.filter_map(|(path, _)| top(path)).collect();
        names.iter().filter(|name| is_asked(name)).try_for_each(|name| columns.add(name))?;
        while let Some(profile) = walk.next().await? {
            profile.names.iter().filter(|name| is_asked(name)).try_for_each(|name| columns.add(name))?;
        }
        walk.rewind();
    }
    Ok(csv(Table { rows: Rows::Profiles(walk), columns, has_begun: false }).await?)
}

/// The segment that an audience is: by its id, or its name.
fn audience_of(config: &StoredConfig, audience: &str) -> Result<String, Error> {
    let running = config.rules().of(RuleKind::Segment).values().filter(|rule| rule.status() != RuleStatus::Archived);
    let mut names = running.map(|rule| &rule.name);
    let found = names.find(|name| name.as_str() == audience || name.stable_id(RuleKind::Segment) == audience);
    let found = found.map(|name| name.as_str().to_owned());
    found.ok_or_else(|| parameter("audience: the id of a segment is expected, and none has this one"))
}

/// A segment that is not complete is no parameter that can be taken yet.
fn building(error: Error) -> Error {
    match error.code {
        "segment_building" | "segment_not_live" | "segment_not_found" => Error { kind: ErrorKind::Invalid, ..error },
        _ => error,
    }
}

/// The instants between which events are asked for: whole days of UTC, none more than 30 days ago.
fn days((from, to): (Option<&str>, Option<&str>), now: Timestamp) -> Result<(Timestamp, Timestamp), Error> {
    let day = |member: &str, said: Option<&str>| {
        let read = said.filter(|text| is_like(text, &["0000-00-00"])).and_then(|text| parse_timestamp(text).ok());
        read.ok_or_else(|| parameter(format!("{member}: a day yyyy-MM-dd is expected")))
    };
    let (from, to) = (day("from_date", from)?, day("to_date", to)?);
    if to < from {
        return Err(parameter("to_date: a day not before from_date is expected"));
    }
    let today = now.micros().div_euclid(DAY_MICROS) * DAY_MICROS;
    if from.micros() < today - DAYS_MAX * DAY_MICROS {
        let message = format!("from_date: a day at most {DAYS_MAX} days ago is expected");
        return Err(invalid("export_range_exceeded", message));
    }
    Ok((from, to.plus_micros(DAY_MICROS)))
}

/// Rows as they are read.
enum Rows {
    Events(EventWalk, Choice),
    Profiles(ProfileWalk),
}

impl Rows {
    async fn next(&mut self, columns: &Columns) -> Result<Option<Vec<String>>, Error> {
        match self {
            Self::Profiles(walk) => Ok(walk.next().await?.map(|profile| profile_row(&profile, columns))),
            Self::Events(walk, choice) => {
                while let Some(event) = walk.next().await? {
                    if choice.takes(event.call.name.as_deref().unwrap_or_default()) {
                        return Ok(Some(event_row(&event, columns)));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// A table while it is sent.
struct Table {
    rows: Rows,
    columns: Columns,
    has_begun: bool,
}

impl Parts for Table {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut part = Vec::new();
        if !self.has_begun {
            self.has_begun = true;
            line(self.columns.names(), &mut part)?;
        }
        while part.len() < PART_BYTES {
            let Some(row) = self.rows.next(&self.columns).await? else { break };
            line(&row, &mut part)?;
        }
        Ok((!part.is_empty()).then(|| part.into()))
    }
}

/// Writes a line of CSV.
fn line<T: AsRef<[u8]>>(cells: impl IntoIterator<Item = T>, part: &mut Vec<u8>) -> Result<(), Error> {
    let unwritten = || Error::new(ErrorKind::Internal, "internal", "a line could not be written");
    let mut writer = csv::Writer::from_writer(part);
    writer.write_record(cells).and_then(|()| Ok(writer.flush()?)).map_err(|_| unwritten())
}

async fn csv(table: Table) -> Result<Response, Error> {
    let mut response = stream::body(table).await?.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    Ok(response)
}
