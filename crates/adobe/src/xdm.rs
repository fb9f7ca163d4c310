//! Entities of XDM as facts (spec/adobe.md section 2): a record is what its dataset says of its primary identity, an event what happened to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;
use tessera_engine::fact::{AccountFact, Call, Claim, EventKind, Fact, Replaces, Strength};
use tessera_engine::time::Timestamp;
use tessera_seam::answer::to_json;
use tessera_seam::attributes;
use tessera_seam::bounds::{DEPTH_MAX, ID_CHARS_MAX};
use tessera_seam::measure::measure;
use tessera_seam::mend::{Flaw, without_great_numbers};
use tessera_service::clock::parse_timestamp;
use tessera_service::content;
use tessera_service::directory::Class;
use tessera_service::members::Members;
use tessera_service::payload::Payload;
use tessera_service::verdict::Note;

use super::namespaces::name_of;
use super::registry::{Layout, XdmClass};

/// Bytes of an event, and of a record (section 13).
const EVENT_BYTES_MAX: usize = 10 << 10;
pub(super) const RECORD_BYTES_MAX: usize = 100 << 10;
/// What is wrong with one entity that is told; what comes after is not looked at.
const VIOLATIONS_MAX: usize = 5;

/// Something of an entity that is not as its schema has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    /// Where, as a JSON pointer behind a `#`.
    pub(super) pointer: String,
    /// Which rule of schemas it breaks.
    pub(super) keyword: &'static str,
    pub(super) message: String,
}

/// What is known of an entity besides itself.
pub(super) struct Delivery<'a> {
    pub(super) layout: &'a Layout,
    /// That of the key that sent it.
    pub(super) class: Class,
    /// The named delivery, if any.
    pub(super) batch: Option<Arc<str>>,
    /// The id of a record; an event has its own.
    pub(super) record_id: String,
}

/// An identity of an entity, before its strength is known.
struct Found {
    namespace: String,
    value: String,
    is_primary: bool,
}

/// Reads an entity.
///
/// # Errors
/// What is wrong with it, at most five things.
pub(super) fn fact(raw: &RawValue, delivery: Delivery<'_>, notes: &mut Vec<Note>) -> Result<Fact, Vec<Violation>> {
    let Delivery { layout, class, batch, record_id } = delivery;
    let is_event = layout.class == XdmClass::Event;
    let bytes_max = if is_event { EVENT_BYTES_MAX } else { RECORD_BYTES_MAX };
    if raw.get().len() > bytes_max {
        return Err(vec![violation("#", "maxLength", format!("at most {bytes_max} bytes are expected"))]);
    }
    if measure(raw.get()).depth > DEPTH_MAX {
        return Err(vec![violation("#", "maxDepth", format!("it is nested more than {DEPTH_MAX} deep"))]);
    }
    let entity: Value = serde_json::from_str(raw.get()).unwrap_or_default();
    if !entity.is_object() {
        return Err(vec![violation("#", "type", "an object is expected".to_owned())]);
    }
    let mut wrong = Vec::new();
    let found = identities(&entity, layout, &mut wrong);
    let id = if is_event { event_id(&entity, &mut wrong) } else { Some(record_id) };
    let stated = stated_time(&entity, is_event);
    let time = read_time(stated, is_event, &mut wrong);
    wrong.truncate(VIOLATIONS_MAX);
    let Some(id) = id.filter(|_| wrong.is_empty()) else { return Err(wrong) };
    let (document, claims, account) = claims(found, layout, class);
    let sent =
        Members::parse(raw.get()).map_err(|_| vec![violation("#", "type", "an object is expected".to_owned())])?;
    let sent = Members(sent.0.into_iter().filter(|(name, _)| name != "identityMap").collect()).to_raw();
    let mut fact = Fact {
        id: id.into(),
        dataset: layout.dataset.as_str().into(),
        batch,
        time,
        claims,
        document,
        attributes: Vec::new(),
        account,
        call: None,
        content: None,
        replaces: Replaces::Nothing,
    };
    if is_event {
        let name = entity.get("eventType").and_then(Value::as_str).map(Into::into);
        let payload = to_json(&Payload { properties: Some(&sent), ..Payload::default() });
        fact.call = Some(Call { kind: EventKind::Action, name, payload: payload.into() });
    } else {
        let bounded = without_great_numbers(&sent, "");
        notes.extend(bounded.iter().flat_map(|(_, flaws)| flaws).map(Flaw::note));
        let attributes = bounded.as_ref().map_or(&*sent, |(json, _)| json);
        let invalid = |rejection: tessera_service::verdict::Rejection| {
            vec![violation("#", "type", rejection.message.into_owned())]
        };
        fact.attributes = attributes::read_plain(attributes.get(), notes).map_err(invalid)?;
        fact.replaces = if layout.is_upsert { Replaces::Nothing } else { Replaces::Fragment };
    }
    fact.content = Some(content::of(&fact, stated));
    Ok(fact)
}

fn violation(pointer: &str, keyword: &'static str, message: String) -> Violation {
    Violation { pointer: pointer.to_owned(), keyword, message }
}

/// The codes of namespaces that an entity names, each once.
pub(super) fn codes(raw: &RawValue, layout: &Layout) -> BTreeSet<String> {
    let entity: Value = serde_json::from_str(raw.get()).unwrap_or_default();
    let map = entity.get("identityMap").and_then(Value::as_object);
    let in_map = map.into_iter().flat_map(|map| map.keys().cloned());
    in_map.chain(layout.identities.iter().map(|own| own.code.clone())).collect()
}

/// What a code is no namespace of.
pub(super) fn unknown_code(code: &str) -> Violation {
    let message = format!("namespace [{code}] is not registered");
    violation("#/identityMap", "additionalProperties", message)
}

/// The identities of an entity: those of its map, and those at the places that its schema names. One of them may be primary; a primary place of
/// the schema decides.
fn identities(entity: &Value, layout: &Layout, wrong: &mut Vec<Violation>) -> Vec<Found> {
    let mut found = Vec::new();
    match entity.get("identityMap") {
        None => {}
        Some(Value::Object(map)) => {
            for (code, items) in map {
                of_map(code, items, &mut found, wrong);
            }
        }
        Some(_) => wrong.push(violation("#/identityMap", "type", "expected type: JSONObject".to_owned())),
    }
    let has_primary = layout.identities.iter().any(|own| own.is_primary);
    if has_primary {
        found.iter_mut().for_each(|own: &mut Found| own.is_primary = false);
    }
    for field in &layout.identities {
        let mut values = Vec::new();
        below(entity, &field.path, &mut values);
        if values.is_empty() && field.is_primary {
            let name = field.path.last().map_or("", String::as_str);
            wrong.push(violation(
                &format!("#/{}", field.path.join("/")),
                "required",
                format!("required key [{name}] not found"),
            ));
        }
        for (at, value) in values.into_iter().enumerate() {
            found.push(Found { namespace: name_of(&field.code), value, is_primary: field.is_primary && at == 0 });
        }
    }
    if found.iter().filter(|own| own.is_primary).count() > 1 {
        wrong.push(violation("#/identityMap", "primary", "one primary identity is expected".to_owned()));
    }
    if found.is_empty() && wrong.is_empty() {
        wrong.push(violation("#/identityMap", "required", "at least one identity is expected".to_owned()));
    }
    found
}

fn of_map(code: &str, items: &Value, found: &mut Vec<Found>, wrong: &mut Vec<Violation>) {
    let pointer = format!("#/identityMap/{code}");
    let Value::Array(items) = items else {
        wrong.push(violation(&pointer, "type", "expected type: JSONArray".to_owned()));
        return;
    };
    for (at, item) in items.iter().enumerate() {
        let is_primary = match item.get("primary") {
            None => false,
            Some(Value::Bool(is_primary)) => *is_primary,
            Some(_) => {
                wrong.push(violation(&format!("{pointer}/{at}/primary"), "type", "expected type: Boolean".to_owned()));
                false
            }
        };
        match item.get("id").and_then(Value::as_str).filter(|id| !id.trim().is_empty()) {
            Some(id) => found.push(Found { namespace: name_of(code), value: id.to_owned(), is_primary }),
            None => wrong.push(violation(&format!("{pointer}/{at}/id"), "type", "expected type: String".to_owned())),
        }
        if wrong.len() > VIOLATIONS_MAX {
            return;
        }
    }
}

/// The texts and numbers at a path; through lists, of each item.
fn below(value: &Value, path: &[String], values: &mut Vec<String>) {
    match (value, path.split_first()) {
        (Value::Array(items), Some((name, rest))) if name == "*" || name == "[*]" => {
            items.iter().for_each(|item| below(item, rest, values));
        }
        (Value::Array(items), _) => items.iter().for_each(|item| below(item, path, values)),
        (Value::Object(members), Some((name, rest))) => {
            if let Some(value) = members.get(name) {
                below(value, rest, values);
            }
        }
        (Value::String(text), None) if !text.trim().is_empty() => values.push(text.clone()),
        (Value::Number(number), None) => values.push(number.to_string()),
        _ => {}
    }
}

fn event_id(entity: &Value, wrong: &mut Vec<Violation>) -> Option<String> {
    match entity.get("_id") {
        None => wrong.push(violation("#", "required", "required key [_id] not found".to_owned())),
        Some(Value::String(id)) if (1..=ID_CHARS_MAX).contains(&id.chars().count()) => return Some(id.clone()),
        Some(Value::String(_)) => {
            wrong.push(violation("#/_id", "maxLength", format!("expected maxLength: {ID_CHARS_MAX}, minLength: 1")));
        }
        Some(_) => wrong.push(violation("#/_id", "type", "expected type: String".to_owned())),
    }
    None
}

/// When an entity says that it happened, or was last changed where it comes from (section 2.6).
fn stated_time(entity: &Value, is_event: bool) -> Option<&str> {
    let stated = if is_event {
        entity.get("timestamp")
    } else {
        entity.get("extSourceSystemAudit").and_then(|own| own.get("lastUpdatedDate"))
    };
    stated.and_then(Value::as_str)
}

fn read_time(stated: Option<&str>, is_event: bool, wrong: &mut Vec<Violation>) -> Option<Timestamp> {
    let pointer = if is_event { "#/timestamp" } else { "#/extSourceSystemAudit/lastUpdatedDate" };
    match stated.map(parse_timestamp) {
        Some(Ok(time)) => return Some(time),
        Some(Err(_)) => wrong.push(violation(pointer, "format", "expected format: date-time".to_owned())),
        None if is_event => wrong.push(violation("#", "required", "required key [timestamp] not found".to_owned())),
        None => {}
    }
    None
}

/// The owner that an entity names, all its identities, and the account that a person of it belongs to.
fn claims(found: Vec<Found>, layout: &Layout, class: Class) -> (Option<Claim>, Vec<Claim>, Option<AccountFact>) {
    let strength = match class {
        Class::Private => Strength::Verified,
        Class::Public => Strength::Observed,
    };
    let claim =
        |own: &Found| Claim { namespace: own.namespace.as_str().into(), value: own.value.as_str().into(), strength };
    let is_account = |own: &Found| layout.accounts.contains(&own.namespace);
    let of_accounts = layout.class == XdmClass::Account;
    let account = found.iter().find(|own| is_account(own) && !of_accounts);
    let account = account.map(|own| AccountFact { claim: claim(own), attributes: Vec::new() });
    let own: Vec<&Found> = found.iter().filter(|own| is_account(own) == of_accounts).collect();
    let primary = own.iter().find(|own| own.is_primary).map(|own| claim(own));
    (primary, own.into_iter().map(claim).collect(), account)
}
