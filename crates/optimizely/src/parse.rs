//! From a profile as it is sent to what a document says (spec/optimizely.md sections 4 and 5).

use axum::http::Uri;
use serde::Deserialize;
use serde_json::value::RawValue;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Value};
use tessera_expr::ast::Name;
use tessera_seam::{attributes, body};
use tessera_service::clock::parse_timestamp;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::members::Members;
use tessera_service::verdict::Note;

use super::errors::invalid_member;
use super::words::{self, FIRST_SEEN, LAST_SEEN, MEMBERS, VISITS, VISITS_UNTIL};

/// Bytes of a profile, and of an event (section 15).
pub(super) const BYTES_MAX: usize = 256 << 10;
/// Visitor groups of a profile.
const GROUPS_MAX: usize = 1_000;
/// Device ids of one write: a document names 256 identities, its e-mail address among them.
const DEVICES_MAX: usize = 250;

/// A profile as it was sent.
pub(super) struct Sent {
    pub(super) devices: Vec<String>,
    pub(super) email: Option<String>,
    pub(super) attributes: Vec<(Path, Value)>,
    pub(super) notes: Vec<Note>,
}

/// Reads a profile. What `is_computed` says is passed over in `Payload`: it was shown there and is nobody's to write.
///
/// # Errors
/// `profile_too_large`, `member_invalid`, what is wrong with the JSON.
pub(super) fn profile(bytes: &[u8], is_computed: &dyn Fn(&str) -> bool, now: Timestamp) -> Result<Sent, Error> {
    if bytes.len() > BYTES_MAX {
        let message = format!("a profile has at most {BYTES_MAX} bytes, not {}", bytes.len());
        return Err(Error::new(ErrorKind::LimitExceeded, "profile_too_large", message));
    }
    let sent = Object::read(body::json(bytes)?);
    let mut attributes: Vec<(Path, Value)> = Vec::new();
    let mut notes = Vec::new();
    let own = |name: &str| Path::parse(name).expect("the names of the table are paths");
    for (member, attribute) in MEMBERS.iter().filter(|(member, _)| *member != "VisitorGroups") {
        attributes.extend(sent.text(member)?.map(|text| (own(attribute), Value::text(&text))));
    }
    if let Some(groups) = sent.texts("VisitorGroups")? {
        if groups.len() > GROUPS_MAX {
            return Err(invalid_member("VisitorGroups", format!("at most {GROUPS_MAX} are expected")));
        }
        let groups: Vec<Value> = groups.iter().map(|group| Value::text(group)).collect();
        attributes.push((own("visitor_groups"), Value::List(groups.into())));
    }
    seen(&sent, now, &mut attributes)?;
    let email = info(&sent, &mut attributes)?;
    if let Some(payload) = sent.object("Payload")? {
        self::payload(payload, is_computed, &mut attributes, &mut notes)?;
    }
    let devices = sent.texts("DeviceIds")?.unwrap_or_default();
    if devices.len() > DEVICES_MAX {
        return Err(invalid_member("DeviceIds", format!("at most {DEVICES_MAX} are expected in one write")));
    }
    if devices.iter().any(|device| device.trim().is_empty()) {
        return Err(invalid_member("DeviceIds", "texts that are not empty are expected"));
    }
    Ok(Sent { devices, email, attributes, notes })
}

/// When it was seen, and its visits. The number counts up to when it was last seen, where that is said, and otherwise up to now.
fn seen(sent: &Object<'_>, now: Timestamp, attributes: &mut Vec<(Path, Value)>) -> Result<(), Error> {
    let own = |name: &str| Path::parse(name).expect("the names are paths");
    let (first, last) = (sent.time("FirstSeen")?, sent.time("LastSeen")?);
    if first.zip(last).is_some_and(|(first, last)| first > last) {
        return Err(invalid_member("FirstSeen", "a time that is not later than LastSeen is expected"));
    }
    attributes.extend(first.map(|at| (own(FIRST_SEEN), Value::Timestamp(at))));
    attributes.extend(last.map(|at| (own(LAST_SEEN), Value::Timestamp(at))));
    if let Some(visits) = sent.get("Visits") {
        let expected = || invalid_member("Visits", "a whole number of at least 0 is expected");
        let visits: u32 = serde_json::from_str(visits.get()).map_err(|_| expected())?;
        attributes.push((own(VISITS), Value::Number(i64::from(visits).into())));
        attributes.push((own(VISITS_UNTIL), Value::Timestamp(last.unwrap_or(now))));
    }
    Ok(())
}

/// The keys of `Info`; answers the e-mail address.
fn info(sent: &Object<'_>, attributes: &mut Vec<(Path, Value)>) -> Result<Option<String>, Error> {
    let Some(info) = sent.object("Info")? else { return Ok(None) };
    let mut email = None;
    for (key, text) in info_texts(info, "Info")? {
        if key == "Email" {
            email = Some(text.clone());
        }
        let path = words::info(&key).ok_or_else(|| invalid_member("Info", "keys of 1 to 200 bytes are expected"))?;
        attributes.retain(|(own, _)| *own != path);
        attributes.push((path, Value::text(&text)));
    }
    Ok(email)
}

/// The texts of `Info`, those aside that are null, under the keys that they have here.
pub(super) fn info_texts(info: Members<'_>, target: &str) -> Result<Vec<(String, String)>, Error> {
    let mut texts: Vec<(String, String)> = Vec::new();
    for (key, raw) in &info.0 {
        let known = words::INFO.iter().find(|(own, _)| own.eq_ignore_ascii_case(key)).map(|(own, _)| *own);
        let key = known.unwrap_or(key);
        let Some(text) = text(raw, &format!("{target}.{key}"))? else { continue };
        if key == "Email" && text.trim().is_empty() {
            continue;
        }
        if key == "Website" && !text.is_empty() && !is_of_the_web(&text) {
            return Err(invalid_member(
                &format!("{target}.Website"),
                "an address as in https://example.com is expected",
            ));
        }
        texts.push((key.to_owned(), text));
    }
    Ok(texts)
}

fn is_of_the_web(text: &str) -> bool {
    let uri = text.trim().parse::<Uri>();
    uri.is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    })
}

/// The members of `Payload`.
fn payload(
    payload: Members<'_>,
    is_computed: &dyn Fn(&str) -> bool,
    attributes: &mut Vec<(Path, Value)>,
    notes: &mut Vec<Note>,
) -> Result<(), Error> {
    let kept = Members(payload.0.into_iter().filter(|(name, _)| !is_computed(name)).collect());
    let read = attributes::read_plain(kept.to_raw().get(), notes)
        .map_err(|rejection| invalid_member("Payload", &rejection.message))?;
    if let Some(Note::ValueLeftOut { path, message, .. }) = notes.first() {
        return Err(invalid_member(&format!("Payload.{path}"), message));
    }
    for (path, value) in read {
        let names: Vec<Name> = path.segments().map(|name| Name::from(&*name)).collect();
        let own = words::payload(&names)
            .ok_or_else(|| invalid_member("Payload", "names that are not as long are expected"))?;
        if value != Value::Null {
            attributes.push((own, value));
        }
    }
    Ok(())
}

/// An object whose members are found in any case of letters; null is as if it were not there.
pub(super) struct Object<'a>(Members<'a>);

impl<'a> Object<'a> {
    pub(super) fn read(members: Members<'a>) -> Self {
        Self(members)
    }

    /// Reads an object of a list.
    pub(super) fn of(raw: &'a RawValue, target: &str) -> Result<Self, Error> {
        Members::parse(raw.get()).map(Self).map_err(|_| invalid_member(target, "an object is expected"))
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.0.iter().rev().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, raw)| *raw).filter(|raw| raw.get() != "null")
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        self.get(name).map_or(Ok(None), |raw| text(raw, name))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let read = |raw: &RawValue| serde_json::from_str(raw.get());
        let expected = |_| invalid_member(name, "a list of texts is expected");
        self.get(name).map(|raw| read(raw).map_err(expected)).transpose()
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Error> {
        let expected = |_| invalid_member(name, "a time in ISO 8601 is expected");
        self.text(name)?.map(|text| parse_timestamp(&text).map_err(expected)).transpose()
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Members<'a>>, Error> {
        let expected = |_| invalid_member(name, "an object is expected");
        self.get(name).map(|raw| Members::parse(raw.get()).map_err(expected)).transpose()
    }

    /// The object as one of this form, its members under these names where they come in another case.
    pub(super) fn into<T: for<'de> Deserialize<'de>>(self, names: &[&str]) -> Result<T, Error> {
        let members = self.0.0.into_iter().filter(|(_, raw)| raw.get() != "null");
        let named = members.map(|(name, raw)| {
            let own = names.iter().find(|own| own.eq_ignore_ascii_case(&name));
            (own.map_or(name, |own| (*own).to_owned()), raw)
        });
        let json = Members(named.collect()).to_raw();
        serde_json::from_str(json.get()).map_err(|error| invalid_member("body", body::form_expected(&error)))
    }
}

/// A text; none for null.
fn text(raw: &RawValue, target: &str) -> Result<Option<String>, Error> {
    serde_json::from_str(raw.get()).map_err(|_| invalid_member(target, "a text is expected"))
}
