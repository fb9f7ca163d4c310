//! From requests to facts and writes of documents (sections 4 to 6).

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tessera_engine::document::{DocumentTerms, DocumentWrite};
use tessera_engine::fact::{Call, Claim, EventKind, Fact};
use tessera_engine::time::Timestamp;
use tessera_seam::answer::{Failure, invalid};
use tessera_seam::attributes;
use tessera_seam::body;
use tessera_seam::kept::{self, Sender};
use tessera_service::content;
use tessera_service::directory::Class;
use tessera_service::error::Error;
use tessera_service::members::Members;
use tessera_service::payload::Payload;
use tessera_service::verdict::{Incoming, Note};

use super::errors::{Faults, too_many_events, too_many_profiles};
use super::read::{IDENTITY, NAME_BYTES_MAX, datetime, identity, list, object, only, text, uuid, values};

/// Events of one request (section 4.2).
pub(super) const EVENTS_MAX: usize = 100;
/// Items of all events of one request (section 4.2).
const ITEMS_MAX: usize = 100;
/// Bytes of one event.
const EVENT_BYTES_MAX: usize = 64 << 10;
/// Bytes of what all events of a request have in common: five identifiers.
const COMMON_BYTES_MAX: usize = 8 << 10;
/// The property that holds the items of an event.
pub(super) const ITEMS: &str = "df_items";

/// What is known of a write besides its body.
pub(super) struct Written {
    pub(super) dataset: Arc<str>,
    pub(super) fresh_id: String,
}

/// Reads events of one person.
///
/// # Errors
/// `json_invalid`, `body_invalid`, `validation_failed`, `events_too_many`: nothing of them is taken then.
pub(super) fn events(body: &[u8], dataset: &Arc<str>) -> Result<Vec<Incoming>, Failure> {
    let root: Members<'_> = body::json(body)?;
    let mut faults = Faults::default();
    only(&mut faults, "", &root, &["common", "events", "request_datetime"]);
    let common = root.get("common");
    if common.is_some_and(|own| own.get().len() > COMMON_BYTES_MAX) {
        faults.add("common", "too_large", format!("at most {COMMON_BYTES_MAX} bytes are expected"));
    }
    let members = object(&mut faults, "common", common, &["identity"]);
    let who = members.as_ref().and_then(|members| members.get("identity"));
    let claims = members.map_or_else(Vec::new, |_| identity(&mut faults, "common.identity", who, &IDENTITY));
    let all = list(&mut faults, "events", root.get("events")).unwrap_or_default();
    if all.len() > EVENTS_MAX {
        return Err(too_many_events(EVENTS_MAX));
    }
    if all.is_empty() && root.get("events").is_some_and(|own| own.get().starts_with('[')) {
        faults.add("events", "empty", format!("1 to {EVENTS_MAX} events are expected"));
    }
    let mut items = 0;
    let mut incoming = Vec::with_capacity(all.len());
    for (at, raw) in all.into_iter().enumerate() {
        let Some(event) = event(&mut faults, &format!("events[{at}]"), raw, &mut items) else { continue };
        let Some(common) = common else { continue };
        let fact = event.into_fact(claims.clone(), dataset);
        incoming.push(Incoming { fact: Ok(fact), raw: alone(common, raw, dataset), notes: Vec::new() });
    }
    if items > ITEMS_MAX {
        faults.add("events", "too_many", format!("at most {ITEMS_MAX} items are expected in the events of a request"));
    }
    faults.check()?;
    Ok(incoming)
}

/// Reads what the quarantine kept of an event: a request with that one alone.
///
/// # Errors
/// As [`events`].
pub(super) fn replay(raw: &[u8]) -> Result<Vec<Incoming>, Error> {
    let kept = kept::read(raw)?;
    let dataset: Arc<str> = (&*kept.dataset).into();
    events(kept.delivery.as_bytes(), &dataset).map_err(|failure| failure.error)
}

/// An event that was read.
struct Event {
    id: String,
    name: String,
    time: Timestamp,
    properties: Box<RawValue>,
}

impl Event {
    fn into_fact(self, claims: Vec<Claim>, dataset: &Arc<str>) -> Fact {
        let payload = Payload { properties: Some(&self.properties), ..Payload::default() }.to_bytes();
        let call = Call { kind: EventKind::Action, name: Some(self.name.trim().into()), payload };
        let mut fact = Fact { call: Some(call), ..bare(self.id, dataset, Some(self.time), claims) };
        fact.content = Some(content::of(&fact, None));
        fact
    }
}

/// A fact that says nothing yet.
fn bare(id: String, dataset: &Arc<str>, time: Option<Timestamp>, claims: Vec<Claim>) -> Fact {
    Fact {
        id: id.into(),
        dataset: dataset.clone(),
        batch: None,
        time,
        claims,
        document: None,
        attributes: Vec::new(),
        account: None,
        call: None,
        content: None,
        replaces: tessera_engine::fact::Replaces::Nothing,
    }
}

/// Reads one event (section 4.1). Counts its items.
fn event(faults: &mut Faults, field: &str, raw: &RawValue, items: &mut usize) -> Option<Event> {
    if raw.get().len() > EVENT_BYTES_MAX {
        faults.add(field, "too_large", format!("an event of at most {EVENT_BYTES_MAX} bytes is expected"));
        return None;
    }
    let known = ["event_log_id", "event_name", "event_datetime", "event_items", "event_properties"];
    let members = object(faults, field, Some(raw), &known)?;
    let place = |name: &str| format!("{field}.{name}");
    let id = uuid(faults, &place("event_log_id"), members.get("event_log_id"));
    let name = text(faults, &place("event_name"), members.get("event_name"), NAME_BYTES_MAX);
    let time = datetime(faults, &place("event_datetime"), members.get("event_datetime"));
    let given = |name: &str| members.get(name).filter(|raw| raw.get() != "null");
    let own = given("event_properties").map(|raw| values(faults, &place("event_properties"), Some(raw)));
    let mut properties = own.unwrap_or_else(|| Some(Members(Vec::new())))?;
    if properties.get(ITEMS).is_some() {
        faults.add(&place("event_properties.df_items"), "unknown", "items are expected in event_items");
    }
    if let Some(raw) = given("event_items") {
        let field = place("event_items");
        let all = list(faults, &field, Some(raw))?;
        *items += all.len();
        if all.len() <= ITEMS_MAX {
            for (at, item) in all.into_iter().enumerate() {
                values(faults, &format!("{field}[{at}]"), Some(item));
            }
        }
        properties.0.push((ITEMS.to_owned(), raw));
    }
    Some(Event { id: id?, name: name?, time: time?, properties: properties.to_raw() })
}

/// An event as a request of its own, which is read as the same fact: what the quarantine keeps.
fn alone(common: &RawValue, event: &RawValue, dataset: &str) -> Bytes {
    #[derive(Serialize)]
    struct Alone<'a> {
        common: &'a RawValue,
        events: [&'a RawValue; 1],
    }
    let sender = Sender { class: Class::Private, dataset, vouched: false };
    kept::write(sender, &Alone { common, events: [event] })
}

/// How unified profiles are written: they are one by their external id, which never changes.
fn terms(single: &[&str]) -> DocumentTerms {
    DocumentTerms {
        single: single.iter().map(|name| (*name).into()).collect(),
        strong: Some("user_id".into()),
        keep_strong: true,
        ..DocumentTerms::default()
    }
}

/// The unified profile of whom events are told, the newest at this time: it is issued with the first of them (section 5.2).
pub(super) fn profile_of_events(claims: Vec<Claim>, time: Timestamp, written: Written) -> DocumentWrite {
    let fact = bare(written.fresh_id, &written.dataset, Some(time), claims);
    DocumentWrite { fact: Box::new(fact), terms: terms(&[]), of: None }
}

/// Reads identifiers of a person: each replaces the one of its kind (section 5).
///
/// # Errors
/// `json_invalid`, `body_invalid`, `validation_failed`.
pub(super) fn identities(body: &[u8], written: Written) -> Result<DocumentWrite, Failure> {
    let root: Members<'_> = body::json(body)?;
    let mut faults = Faults::default();
    only(&mut faults, "", &root, &["identity", "request_datetime"]);
    let claims = identity(&mut faults, "identity", root.get("identity"), &IDENTITY);
    let time = datetime(&mut faults, "request_datetime", root.get("request_datetime"));
    faults.check()?;
    let fact = bare(written.fresh_id, &written.dataset, time, claims);
    Ok(DocumentWrite {
        fact: Box::new(fact),
        terms: terms(&["phone", "email", "kakao_user_id", "line_user_id"]),
        of: None,
    })
}

/// Reads whose profile is to be deleted (section 5.1).
///
/// # Errors
/// As [`identities`].
pub(super) fn deletion(body: &[u8]) -> Result<Claim, Failure> {
    let root: Members<'_> = body::json(body)?;
    let mut faults = Faults::default();
    only(&mut faults, "", &root, &["identity", "request_datetime"]);
    let mut claims = identity(&mut faults, "identity", root.get("identity"), &IDENTITY[..1]);
    datetime(&mut faults, "request_datetime", root.get("request_datetime"));
    faults.check()?;
    claims.pop().ok_or_else(|| invalid("validation_failed", "identity.external_id is expected").into())
}

/// Reads properties of a person (section 6).
///
/// # Errors
/// As [`identities`]; `user_profiles_too_many`.
pub(super) fn user_profile(body: &[u8], written: Written) -> Result<(DocumentWrite, Vec<Note>), Failure> {
    let is_list = body.trim_ascii_start().starts_with(b"[");
    if is_list && serde_json::from_slice::<Vec<IgnoredAny>>(body).is_ok_and(|all| all.len() > 1) {
        return Err(too_many_profiles());
    }
    let root: Members<'_> = body::json(body)?;
    let mut faults = Faults::default();
    only(&mut faults, "", &root, &["identity", "user_properties", "request_datetime"]);
    let claims = identity(&mut faults, "identity", root.get("identity"), &IDENTITY);
    let properties = values(&mut faults, "user_properties", root.get("user_properties"));
    let time = datetime(&mut faults, "request_datetime", root.get("request_datetime"));
    let (json, mut notes) = (properties.map(|own| own.to_raw()), Vec::new());
    let read = json.map(|json| attributes::read_native(json.get(), &mut notes));
    let attributes = match read {
        None => Vec::new(),
        Some(Ok(attributes)) => attributes,
        Some(Err(rejection)) => {
            faults.add("user_properties", rejection.code, rejection.message);
            Vec::new()
        }
    };
    for note in notes.drain(..) {
        if let Note::ValueLeftOut { path, code, message } = note {
            faults.add(&super::read::below("user_properties", &path), code, message.to_string());
        }
    }
    for (path, _) in &attributes {
        let root = path.segments().next().unwrap_or_default();
        if tessera_engine::view::RESERVED.contains(&&*root) {
            let place = super::read::below("user_properties", &root);
            faults.add(
                &place,
                "reserved",
                "another name is expected: answers have something of their own under this one",
            );
        }
    }
    faults.check()?;
    let fact = Fact { attributes, ..bare(written.fresh_id, &written.dataset, time, claims) };
    Ok((DocumentWrite { fact: Box::new(fact), terms: terms(&[]), of: None }, notes))
}
