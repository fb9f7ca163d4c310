//! Tracking: events as they are sent (spec/optimizely.md section 9).
//!
//! An event with an e-mail address is of the profile of that address, whatever device it comes from: it is written as a document whose strong
//! identity is the address. One without is of the profile of its device.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};
use tessera_engine::document::{DocumentTerms, DocumentWrite};
use tessera_engine::fact::{Call, Claim, EventKind, Fact, Strength};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Value};
use tessera_seam::answer::{Answer, Failure, invalid, json as json_answer, to_json};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::door::Kept as KeptBefore;
use tessera_seam::extract::Query;
use tessera_seam::kept::{self, Sender};
use tessera_service::content;
use tessera_service::directory::{Class, Permission};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::payload::Payload;
use tessera_service::verdict::{Incoming, Note, Verdict};

use super::errors::invalid_member;
use super::parse::{BYTES_MAX, Object, info_texts};
use super::scopes::{self, Scoped};
use super::wire::{Rejected, Tracked};
use super::words::{self, DEVICES, EMAIL};
use super::{DOOR, NAME, blacklists, profiles};

/// Events of one call (section 9.2).
const EVENTS_MAX: usize = 100;
/// Characters of an id.
const ID_CHARS_MAX: usize = 100;
/// The header with the visitor's address.
const USER_IP: &str = "epi-user-ip-address";
/// What stands for the country of a visitor who is on the same machine (section 9.4).
const LOCALHOST: &str = "Localhost";

/// An event as it was sent, read.
struct Read {
    scope: Option<String>,
    /// The id that it was sent with, if any.
    id: Option<String>,
    device: String,
    event_type: String,
    time: Option<Timestamp>,
    email: Option<String>,
    attributes: Vec<(Path, Value)>,
    payload: Bytes,
}

/// An event, and its place in the call.
type Placed = (usize, Read);

/// What is known of whoever sends events.
struct From<'a> {
    class: Class,
    dataset: Arc<str>,
    ip: Option<&'a str>,
}

pub(super) async fn one(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Ingest)?;
    let bytes = entered.body(&app, &headers, body).await?;
    let raw: &RawValue = read_raw(&bytes)?;
    let tracked = track(&app, &entered, &headers, vec![raw]).await?;
    if let Some(Rejected { code, message, .. }) = tracked.rejected.first() {
        return Err(Failure::from(invalid(code, message.clone())));
    }
    Ok(entered.answer(json_answer(&tracked)))
}

pub(super) async fn bulk(State(app): State<Arc<App>>, query: Query, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Ingest)?;
    let bytes = entered.body(&app, &headers, body).await?;
    let raw: &RawValue = read_raw(&bytes)?;
    let expected = |_| invalid("body_invalid", format!("a list of 1 to {EVENTS_MAX} events is expected"));
    let events: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(expected)?;
    if !(1..=EVENTS_MAX).contains(&events.len()) {
        let message = format!("a list of 1 to {EVENTS_MAX} events is expected, not of {}", events.len());
        return Err(invalid("track_events_too_many", message).into());
    }
    let tracked = track(&app, &entered, &headers, events).await?;
    Ok(entered.answer(json_answer(&tracked)))
}

fn read_raw(bytes: &[u8]) -> Result<&RawValue, Error> {
    body::delivery(bytes, |_| Ok(()))?;
    serde_json::from_str(body::text(bytes)?).map_err(|error| body::json_error(&error))
}

/// Takes events: none, where one of them cannot be read.
async fn track(app: &App, entered: &Entered, headers: &HeaderMap, events: Vec<&RawValue>) -> Result<Tracked, Error> {
    let ip = headers.get(USER_IP).and_then(|value| value.to_str().ok());
    let from = From { class: entered.caller.class(), dataset: profiles::dataset(entered)?, ip };
    let several = events.len() > 1;
    let mut read = Vec::with_capacity(events.len());
    for (index, raw) in events.iter().enumerate() {
        let own = self::read(raw, &from).map_err(|error| if several { at(index, error) } else { error })?;
        read.push(own);
    }
    let mut by_scope: Vec<(Option<String>, Vec<Placed>)> = Vec::new();
    for (index, own) in read.into_iter().enumerate() {
        match by_scope.iter_mut().find(|(scope, _)| *scope == own.scope) {
            Some((_, all)) => all.push((index, own)),
            None => by_scope.push((own.scope.clone(), vec![(index, own)])),
        }
    }
    let mut tracked = Tracked { accepted: 0, duplicates: 0, rejected: Vec::new() };
    for (scope, events) in by_scope {
        let scope = scopes::find_or_make(app, entered, scope.as_deref()).await?;
        take(app, entered, (&scope, &from), events, &mut tracked).await?;
    }
    tracked.rejected.sort_by_key(|own| own.index);
    Ok(tracked)
}

/// An error of one event of several.
fn at(index: usize, error: Error) -> Error {
    Error { message: format!("[{index}].{}", error.message).into(), ..error }
}

/// Takes the events of a scope.
async fn take(
    app: &App,
    entered: &Entered,
    (scope, from): (&Scoped, &From<'_>),
    events: Vec<(usize, Read)>,
    tracked: &mut Tracked,
) -> Result<(), Error> {
    let (mut places, mut incoming, mut devices) = (Vec::new(), Vec::new(), BTreeMap::new());
    let config = app.service.configuration(scope.workspace).await?;
    for (index, read) in events {
        match read.email.clone() {
            None => {
                let raw = read.kept(from);
                devices.insert(read.device.clone(), (index, read.time));
                incoming.push(Incoming { fact: Ok(fact(read, from, app.fresh_id())), raw, notes: Vec::new() });
                places.push(index);
            }
            Some(email) => {
                let Some(normal) = app.service.normalised(scope.workspace, EMAIL, &email).await? else {
                    let message = "user.email: an e-mail address is expected".to_owned();
                    tracked.rejected.push(Rejected { index, code: "member_invalid", message });
                    continue;
                };
                // Nothing is said of events that are dropped (section 12).
                if blacklists::is_listed(&config, &normal) {
                    continue;
                }
                let write = document(read, &email, from, app.fresh_id());
                write_one(app, entered, scope, (index, write), tracked).await?;
            }
        }
    }
    let by = (NAME, entered.caller.key());
    let verdicts = app.service.ingest(scope.workspace, incoming, by.0, by.1).await?;
    for (index, verdict) in places.into_iter().zip(verdicts) {
        if matches!(verdict, Verdict::Rejected(_)) {
            devices.retain(|_, (own, _)| *own != index);
        }
        match verdict {
            Verdict::Accepted { .. } => tracked.accepted += 1,
            Verdict::Duplicate | Verdict::Differs => tracked.duplicates += 1,
            Verdict::Rejected(rejection) => {
                let (code, message) = (rejection.code, rejection.message.to_string());
                tracked.rejected.push(Rejected { index, code, message });
            }
        }
    }
    // The id of a profile is issued with its first event.
    for (device, (_, time)) in devices {
        let write = of_device(device, time, from, app.fresh_id());
        app.service.ensure_document(scope.workspace, write, by).await?;
    }
    Ok(())
}

async fn write_one(
    app: &App,
    entered: &Entered,
    scope: &Scoped,
    (index, write): (usize, DocumentWrite),
    tracked: &mut Tracked,
) -> Result<(), Error> {
    let by = (NAME, entered.caller.key());
    let notes: Vec<Note> = Vec::new();
    match app.service.put_document(scope.workspace, write, notes, by, None).await {
        Ok(_) => tracked.accepted += 1,
        Err(error) if matches!(error.code, "fact_duplicate" | "fact_differs") => tracked.duplicates += 1,
        Err(error) if error.kind == ErrorKind::Invalid => {
            tracked.rejected.push(Rejected { index, code: error.code, message: error.message.to_string() });
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Reads an event.
fn read(raw: &RawValue, from: &From<'_>) -> Result<Read, Error> {
    if raw.get().len() > BYTES_MAX {
        let message = format!("an event has at most {BYTES_MAX} bytes, not {}", raw.get().len());
        return Err(Error::new(ErrorKind::LimitExceeded, "track_event_too_large", message));
    }
    let sent = Object::of(raw, "event")?;
    let required = |name: &str| {
        let text = sent.text(name)?.filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| invalid_member(name, "a text is expected that is not empty"))
    };
    let (device, event_type) = (required("deviceId")?, required("eventType")?.trim().to_owned());
    let value = sent.text("value")?.ok_or_else(|| invalid_member("value", "a text is expected"))?;
    let id = sent.text("trackId")?.filter(|id| !id.is_empty());
    if id.as_ref().is_some_and(|id| id.chars().count() > ID_CHARS_MAX) {
        return Err(invalid_member("trackId", format!("at most {ID_CHARS_MAX} characters are expected")));
    }
    let ip = sent.text("remoteAddress")?.or_else(|| from.ip.map(str::to_owned));
    let country =
        sent.text("countryCode")?.or_else(|| ip.as_deref().filter(|ip| is_local(ip)).map(|_| LOCALHOST.into()));
    let (email, traits, mut attributes) = user(&sent)?;
    if let Some(country) = &country {
        attributes.push((Path::parse("inferred_country").expect("a path"), Value::text(country)));
    }
    let mut context = Map::new();
    context.insert("description".into(), value.into());
    let page = [("url", sent.text("pageUri")?), ("title", sent.text("pageTitle")?)];
    let page: Map<String, Json> =
        page.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect();
    if !page.is_empty() {
        context.insert("page".into(), page.into());
    }
    context.extend(ip.map(|ip| ("ip".to_owned(), ip.into())));
    context.extend(country.map(|code| ("location".to_owned(), json!({ "country_code": code }))));
    let properties = sent.object("payload")?.map(|members| members.to_raw());
    let raw_of = |json: Map<String, Json>| serde_json::value::to_raw_value(&json).expect("text keys serialise");
    let context = raw_of(context);
    let traits = (!traits.is_empty()).then(|| raw_of(traits));
    let payload = Payload {
        properties: properties.as_deref(),
        traits: traits.as_deref(),
        context: Some(&context),
        ..Payload::default()
    };
    Ok(Read {
        scope: sent.text("scope")?.map(|own| own.trim().to_ascii_lowercase()).filter(|own| !own.is_empty()),
        id,
        device,
        event_type,
        time: sent.time("eventTime")?,
        email,
        attributes,
        payload: payload.to_bytes(),
    })
}

/// Whether an address is of the same machine.
fn is_local(ip: &str) -> bool {
    ip.trim().parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

type User = (Option<String>, Map<String, Json>, Vec<(Path, Value)>);

/// Who is said to have been there: the e-mail address, what stands on the timeline, and attributes.
fn user(sent: &Object<'_>) -> Result<User, Error> {
    let (mut traits, mut attributes) = (Map::new(), Vec::new());
    let Some(members) = sent.object("user")? else { return Ok((None, traits, attributes)) };
    let user = Object::read(members);
    let own_email = user.text("email")?.filter(|text| !text.trim().is_empty());
    let name = user.text("name")?.filter(|text| !text.is_empty());
    let info = match user.object("info")? {
        Some(info) => Some(info),
        None => user.object("information")?,
    };
    let texts = info.map_or(Ok(Vec::new()), |info| info_texts(info, "user.info"))?;
    let email = own_email.or_else(|| texts.iter().find(|(key, _)| key == "Email").map(|(_, text)| text.clone()));
    let mut said: Vec<(Path, String)> = Vec::new();
    for (key, text) in texts.into_iter().filter(|(key, text)| key != "Email" && !text.is_empty()) {
        let path =
            words::info(&key).ok_or_else(|| invalid_member("user.info", "keys of 1 to 200 bytes are expected"))?;
        said.push((path, text));
    }
    let own = |name: &str| Path::parse(name).expect("a path");
    said.extend(name.map(|name| (own("name"), name)));
    said.extend(email.iter().map(|email| (own(EMAIL), email.clone())));
    for (path, text) in said {
        put(&mut traits, &path, &text);
        attributes.push((path, Value::text(&text)));
    }
    Ok((email, traits, attributes))
}

/// Puts a text at a path of an object.
fn put(object: &mut Map<String, Json>, path: &Path, text: &str) {
    let names: Vec<_> = path.segments().collect();
    let Some((last, above)) = names.split_last() else { return };
    let mut at = object;
    for name in above {
        let below = at.entry(name.to_string()).or_insert_with(|| json!({}));
        let Json::Object(members) = below else { return };
        at = members;
    }
    at.insert(last.to_string(), text.into());
}

/// An event as a fact of its device.
fn fact(read: Read, from: &From<'_>, fresh_id: String) -> Fact {
    let strength = strength_of(from.class);
    let Read { id, device, event_type, time, attributes, payload, .. } = read;
    let mut fact = Fact {
        id: id.unwrap_or(fresh_id).into(),
        dataset: from.dataset.clone(),
        batch: None,
        time,
        claims: vec![Claim { namespace: DEVICES.into(), value: device.into(), strength }],
        document: None,
        attributes,
        account: None,
        call: Some(Call { kind: EventKind::Action, name: Some(event_type.into()), payload }),
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    };
    fact.content = Some(content::of(&fact, None));
    fact
}

/// The profile of a device, which says nothing yet.
fn of_device(device: String, time: Option<Timestamp>, from: &From<'_>, fresh_id: String) -> DocumentWrite {
    let strength = strength_of(from.class);
    let fact = Fact {
        id: fresh_id.into(),
        dataset: from.dataset.clone(),
        batch: None,
        time,
        claims: vec![Claim { namespace: DEVICES.into(), value: device.into(), strength }],
        document: None,
        attributes: Vec::new(),
        account: None,
        call: None,
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    };
    DocumentWrite { fact: Box::new(fact), terms: DocumentTerms::default(), of: None }
}

fn strength_of(class: Class) -> Strength {
    match class {
        Class::Private => Strength::Verified,
        Class::Public => Strength::Observed,
    }
}

/// An event as one of the profile of an e-mail address.
fn document(read: Read, email: &str, from: &From<'_>, fresh_id: String) -> DocumentWrite {
    let mut fact = fact(read, from, fresh_id);
    let strength = fact.claims[0].strength;
    fact.claims.insert(0, Claim { namespace: EMAIL.into(), value: email.into(), strength });
    let terms = DocumentTerms { strong: Some(EMAIL.into()), keep_strong: true, ..DocumentTerms::default() };
    DocumentWrite { fact: Box::new(fact), terms, of: None }
}

impl Read {
    /// The event alone, as [`replay`] reads it again.
    fn kept(&self, from: &From<'_>) -> Bytes {
        let text = |value: &Value| if let Value::Text(text) = value { text.to_string() } else { String::new() };
        let alone = json!({
            "id": self.id,
            "device": self.device,
            "event_type": self.event_type,
            "time": self.time.map(Timestamp::micros),
            "attributes": self.attributes.iter().map(|(path, value)| (path.as_str(), text(value))).collect::<Vec<_>>(),
            "payload": serde_json::from_slice::<Json>(&self.payload).unwrap_or_default(),
        });
        kept::write(Sender { class: from.class, dataset: &from.dataset, vouched: false }, &alone)
    }
}

/// Reads what the quarantine kept of an event.
///
/// # Errors
/// `corrupt`.
pub(super) fn replay(kept: &KeptBefore<'_>) -> Result<Vec<Incoming>, Error> {
    let read = kept::read(kept.raw)?;
    let corrupt = || Error::new(ErrorKind::Corrupt, "corrupt", "what the quarantine kept cannot be read");
    let alone: Json = serde_json::from_str(read.delivery).map_err(|_| corrupt())?;
    let text = |name: &str| alone[name].as_str().map(str::to_owned);
    let pairs: Vec<(String, String)> = serde_json::from_value(alone["attributes"].clone()).map_err(|_| corrupt())?;
    let attribute = |(path, text): (String, String)| Some((Path::parse(&path).ok()?, Value::text(&text)));
    let own = Read {
        scope: None,
        id: text("id"),
        device: text("device").ok_or_else(corrupt)?,
        event_type: text("event_type").ok_or_else(corrupt)?,
        time: alone["time"].as_i64().and_then(Timestamp::from_micros),
        email: None,
        attributes: pairs.into_iter().map(attribute).collect::<Option<_>>().ok_or_else(corrupt)?,
        payload: to_json(&alone["payload"]).into(),
    };
    let from = From { class: read.class, dataset: (&*read.dataset).into(), ip: None };
    let fact = fact(own, &from, (kept.fresh_id)());
    Ok(vec![Incoming { fact: Ok(fact), raw: Bytes::copy_from_slice(kept.raw), notes: Vec::new() }])
}
