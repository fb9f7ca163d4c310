//! A profile and an event as this API shows them (spec/optimizely.md sections 4 and 8.1).

use serde_json::{Map, Value as Json, json};
use tessera_engine::id::NodeId;
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Value};
use tessera_service::DocumentProfile;
use tessera_service::clock::format_timestamp;
use tessera_service::payload::Payload;
use tessera_service::queries::events::FoundEvent;

use super::wire::{Profile, TrackEvent};
use super::words::{self, DEVICES, EMAIL, INFO, MEMBERS, OTHER_INFO, OTHER_PAYLOAD, PHONE};

/// Seven digits of a second, as stamps that the server makes have them.
pub(super) fn stamp(at: Timestamp) -> String {
    let text = format_timestamp(at);
    let text = text.trim_end_matches('Z');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}.{fraction:0<7}Z")
}

/// The id that a profile has here: the value of its document where that is a UUID, otherwise what stands for our id.
pub(super) fn id_of(document: &DocumentProfile) -> String {
    let own = document.name.as_deref().filter(|name| is_uuid(name));
    own.map_or_else(|| document.id.to_uuid(), str::to_owned)
}

/// Whether a text has the form of a UUID.
pub(super) fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let are_hex = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    are_hex && parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
}

/// An id in the form in which it is kept. A UUID without hyphens, in braces or in capital letters is the same one, as it is for clients that keep
/// it as a value and not as a text.
pub(super) fn plain_id(id: &str) -> String {
    let id = id.trim().to_ascii_lowercase();
    let inside = |open, close| id.strip_prefix(open)?.strip_suffix(close);
    let bare = inside('{', '}').or_else(|| inside('(', ')')).unwrap_or(&id);
    if is_uuid(bare) {
        return bare.to_owned();
    }
    match (bare.len(), bare.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        (32, true) => {
            let parts = [&bare[..8], &bare[8..12], &bare[12..16], &bare[16..20], &bare[20..]];
            parts.join("-")
        }
        _ => id,
    }
}

/// A UUID of an id of ours.
pub(super) fn uuid_of(id: &str) -> String {
    NodeId::parse(id).map_or_else(|_| id.to_owned(), |id| id.to_uuid())
}

/// A profile.
pub(super) fn profile(document: &DocumentProfile, scope: &str, is_namespace: &dyn Fn(&str) -> bool) -> Profile {
    let mut fields: Map<String, Json> = Map::new();
    for field in &document.fields {
        if let Ok(value) = serde_json::from_slice(&field.json) {
            fields.insert(field.name.to_string(), value);
        }
    }
    let identity = |namespace: &str| {
        document.shown.iter().find(|own| *own.namespace == *namespace).map(|own| own.value.to_string())
    };
    let mut info = Map::new();
    for (key, path) in INFO {
        let said = take(&mut fields, path, &|value| value.is_string() || value.is_number());
        let said = said.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let shown = match key {
            "Email" => {
                // As it was written, where that is the one that it is found by.
                let own = identity(EMAIL);
                let is_other = |said: &str| own.as_ref().is_some_and(|own| !said.trim().eq_ignore_ascii_case(own));
                said.filter(|said| !is_other(said)).or_else(|| own.clone())
            }
            "Phone" => identity(PHONE).or(said),
            _ => said,
        };
        info.extend(shown.map(|text| (key.to_owned(), text.into())));
    }
    let others = fields.remove(OTHER_INFO).and_then(|own| own.as_object().cloned()).unwrap_or_default();
    info.extend(others.into_iter().filter(|(_, value)| value.is_string()));
    let [name, manager, groups] = MEMBERS.map(|(_, path)| take(&mut fields, path, &|_| true));
    for path in [words::FIRST_SEEN, words::LAST_SEEN, words::VISITS, words::VISITS_UNTIL] {
        fields.remove(path);
    }
    let mut payload = fields;
    payload.retain(|name, _| !is_namespace(name));
    if let Some(Json::Object(own)) = payload.remove(OTHER_PAYLOAD) {
        merge(&mut payload, own);
    }
    let is_there = |key: &str| info.contains_key(key);
    let contact = [
        is_there("Email").then_some("Mailable"),
        (is_there("Phone") || is_there("Mobile")).then_some("Callable"),
        Some(if name.is_some() { "Known" } else { "Anonymous" }),
    ];
    let [first_seen, last_seen, visits] = [0, 1, 2].map(|at| document.values.get(at).and_then(computed));
    let devices = document.identities.iter().filter(|own| *own.identity.namespace == *DEVICES);
    Profile {
        profile_id: id_of(document),
        device_ids: devices.map(|own| own.identity.value.to_string()).collect(),
        name,
        profile_manager: manager,
        first_seen,
        last_seen,
        visits,
        update_time: stamp(document.updated_at),
        scope: scope.to_owned(),
        visitor_groups: groups.filter(Json::is_array).unwrap_or_else(|| json!([])),
        info,
        contact_information: contact.into_iter().flatten().collect(),
        payload,
    }
}

/// What was computed; none for nothing.
fn computed(value: &Value) -> Option<Json> {
    match value {
        Value::Timestamp(at) => Some(format_timestamp(*at).into()),
        Value::Text(text) => Some(Json::from(&**text)),
        Value::Number(number) => serde_json::from_str(&number.to_string()).ok(),
        _ => None,
    }
}

/// Takes what stands at a path, if it fits.
fn take(fields: &mut Map<String, Json>, path: &str, fits: &dyn Fn(&Json) -> bool) -> Option<Json> {
    let path = Path::parse(path).ok()?;
    let names: Vec<_> = path.segments().collect();
    let (last, above) = names.split_last()?;
    let mut at = &mut *fields;
    for name in above {
        at = at.get_mut(&**name)?.as_object_mut()?;
    }
    if !at.get(&**last).is_some_and(fits) {
        return None;
    }
    let taken = at.remove(&**last);
    let is_empty = at.is_empty();
    if let ([root], true) = (above, is_empty) {
        fields.remove(&**root);
    }
    taken
}

/// Lays members over others.
fn merge(under: &mut Map<String, Json>, over: Map<String, Json>) {
    for (name, value) in over {
        match (under.get_mut(&name), value) {
            (Some(Json::Object(own)), Json::Object(value)) => merge(own, value),
            (_, value) => drop(under.insert(name, value)),
        }
    }
}

/// An event.
pub(super) fn event(found: &FoundEvent, scope: &str) -> TrackEvent {
    let call = &found.call;
    let payload: Payload<'_> = serde_json::from_slice(&call.payload).unwrap_or_default();
    let read = |raw: Option<&serde_json::value::RawValue>| -> Json {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Json::Null)
    };
    let (properties, traits, context) = (read(payload.properties), read(payload.traits), read(payload.context));
    let named = |namespace: &str| {
        found.identities.iter().find(|own| *own.namespace == *namespace).map(|own| own.value.to_string())
    };
    let mut fields = traits.as_object().cloned().unwrap_or_default();
    let mut info = Map::new();
    for (key, path) in INFO {
        info.extend(take(&mut fields, path, &Json::is_string).map(|value| (key.to_owned(), value)));
    }
    if let Some(Json::Object(others)) = fields.get(OTHER_INFO) {
        info.extend(others.clone());
    }
    let email = named(EMAIL).map_or(Json::Null, Json::from);
    info.remove("Email");
    let name = fields.remove("name").unwrap_or(Json::Null);
    let user = if name.is_null() && email.is_null() && info.is_empty() {
        Json::Null
    } else {
        json!({ "Name": name, "Email": email, "Info": info })
    };
    let text = |path: &str| context.pointer(path).cloned().unwrap_or(Json::Null);
    TrackEvent {
        track_id: call.message_id.to_string(),
        device_id: named(DEVICES),
        event_type: call.name.as_deref().unwrap_or(call.kind.name()).to_owned(),
        value: text("/description"),
        page_uri: text("/page/url"),
        page_title: text("/page/title"),
        remote_address: text("/ip"),
        event_time: stamp(call.time),
        country_code: text("/location/country_code"),
        scope: scope.to_owned(),
        user,
        payload: if properties.is_null() { json!({}) } else { properties },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_have_seven_digits() {
        for (text, expected) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.0000000Z"),
            ("2026-01-31T12:00:00.25Z", "2026-01-31T12:00:00.2500000Z"),
            ("2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00.1234560Z"),
        ] {
            let at = tessera_service::clock::parse_timestamp(text).expect("a time");
            assert_eq!(stamp(at), expected);
        }
    }

    #[test]
    fn an_id_has_one_form() {
        let id = "0b7f2a54-3c1e-4d0a-9e55-7a1c9f0d2e11";
        for form in [
            id,
            "0B7F2A54-3C1E-4D0A-9E55-7A1C9F0D2E11",
            "0b7f2a543c1e4d0a9e557a1c9f0d2e11",
            "{0b7f2a54-3c1e-4d0a-9e55-7a1c9f0d2e11}",
            "(0B7F2A543C1E4D0A9E557A1C9F0D2E11)",
        ] {
            assert_eq!(plain_id(form), id);
        }
        for other in ["x", "", "{x}", "0b7f2a543c1e4d0a9e557a1c9f0d2e1", "crm-7"] {
            assert_eq!(plain_id(other), other);
        }
    }

    #[test]
    fn an_id_of_ours_stands_in_the_form_of_a_uuid() {
        let id = "019a0f3e5b2c7d41e0a8f5c2";
        let uuid = uuid_of(id);
        assert!(is_uuid(&uuid), "{uuid}");
        assert_eq!(uuid, "019a0f3e-5b2c-8e55-a75e-7d41e0a8f5c2");
        assert_eq!(NodeId::from_uuid(&uuid).map(|id| id.to_string()).as_deref(), Some(id));
        assert_eq!(NodeId::from_uuid(&uuid.to_uppercase()).map(|id| id.to_string()).as_deref(), Some(id));
        for other in ["0b7f2a54-3c1e-4d0a-9e55-7a1c9f0d2e11", "x", "", "019a0f3e5b2c8e55a75e7d41e0a8f5c2"] {
            assert_eq!(NodeId::from_uuid(other), None, "{other}");
        }
    }
}
