//! Events of a profile, page by page (spec/adobe.md sections 4.4 and 4.7). The cursor is the id of the event that a page begins with.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tessera_seam::app::App;
use tessera_seam::bounds::{EVENTS_MAX, PAGE_BYTES};
use tessera_seam::extract::Query;
use tessera_service::clock::{format_seconds, format_timestamp};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::payload::Payload;
use tessera_service::workspace_config::StoredConfig;
use tessera_service::{EventQuery, StoredCall};

use super::super::computed_attributes::place_in_events;
use super::super::enter::Asked;
use super::super::namespaces::code_of;
use super::super::xid::Named;
use super::parse::{Events, Shape, order_name};
use super::render::{project, set};
use super::{IDENTITIES_MAX, too_many_identities};

/// Pages of a timeline that are looked through for one of this API, where a filter lets few events pass.
const PAGES_MAX: usize = 8;

/// A page, before it is written.
pub(super) struct Page {
    pub(super) children: Vec<Value>,
    /// The id of the first event.
    start: String,
    /// The id of the event that the next page begins with; none where there is no next page.
    pub(super) next: Option<Arc<str>>,
    /// Bytes of the payloads that it is made of.
    pub(super) bytes: usize,
}

/// What is asked of one profile.
pub(super) struct Asking<'a> {
    pub(super) named: &'a Named,
    pub(super) events: &'a Events,
    pub(super) shape: &'a Shape,
    /// The id of the event that the page begins with.
    pub(super) start: Option<&'a str>,
    /// Events of the page; none at all where only the next one is asked for.
    pub(super) limit: usize,
}

/// Reads a page. Of somebody who is not there it is empty.
///
/// # Errors
/// `identities_too_many`, `cursor_invalid`; as `Service::events`.
pub(super) async fn page(app: &App, asked: &Asked, config: &StoredConfig, asking: &Asking<'_>) -> Result<Page, Error> {
    match read(app, asked, config, asking).await {
        Err(error) if error.code == "profile_not_found" => {
            Ok(Page { children: Vec::new(), start: String::new(), next: None, bytes: 0 })
        }
        answer => answer,
    }
}

async fn read(app: &App, asked: &Asked, config: &StoredConfig, asking: &Asking<'_>) -> Result<Page, Error> {
    let Asking { named, events: Events { start, end, order, properties, .. }, shape, .. } = asking;
    let lookup = named.lookup();
    let graph = config.policies().asked(shape.policy.as_deref())?.content.policy.graph();
    if app.service.summary(asked.workspace(), &lookup).await?.identities.len() > IDENTITIES_MAX {
        return Err(too_many_identities());
    }
    let mut query = EventQuery {
        limit: (asking.limit + 1).min(EVENTS_MAX),
        start: *start,
        end: *end,
        order: *order,
        graph,
        from: asking.start.map(str::to_owned),
        visibility: asked.entered.visibility(),
        ..EventQuery::default()
    };
    let mut page = Page { children: Vec::new(), start: String::new(), next: None, bytes: 0 };
    for read in 0.. {
        let found = app.service.events(asked.workspace(), &lookup, &query).await?;
        for call in found.events.iter().filter(|call| call.kind.is_event()) {
            if page.children.len() == asking.limit || page.bytes >= PAGE_BYTES || read >= PAGES_MAX {
                page.next = Some(call.message_id.clone());
                return Ok(page);
            }
            let event = entity(call, config, &asked.org)?;
            if properties.iter().all(|property| property.is_met_by(&event)) {
                if page.children.is_empty() {
                    page.start = call.message_id.to_string();
                }
                page.bytes += call.payload.len();
                page.children.push(child(call, event, named, shape));
            }
        }
        match found.next_cursor {
            Some(cursor) => query = EventQuery { cursor: Some(cursor), from: None, limit: EVENTS_MAX, ..query },
            None => break,
        }
    }
    Ok(page)
}

fn child(call: &StoredCall, event: Value, named: &Named, shape: &Shape) -> Value {
    let shown = shape.fields.as_ref().map(|fields| project(&event, fields));
    json!({
        "relatedEntityId": named.xid,
        "entityId": &*call.message_id,
        "timestamp": call.time.micros().div_euclid(1_000),
        "entity": shown.unwrap_or(event),
        "lastModifiedAt": format_seconds(call.received_at)
    })
}

/// An event as XDM has it: what was sent, with what every event has (section 2.3). What another API sent has its properties there.
fn entity(call: &StoredCall, config: &StoredConfig, org: &str) -> Result<Value, Error> {
    let unreadable = |_| Error::new(ErrorKind::Corrupt, "corrupt", "the payload of a stored call is no json");
    let payload: Payload<'_> = serde_json::from_slice(&call.payload).map_err(unreadable)?;
    let properties = payload.properties.map(|json| serde_json::from_str(json.get())).transpose().map_err(unreadable)?;
    let mut event: Map<String, Value> = properties.unwrap_or_default();
    let computed = payload.computed.map(|json| serde_json::from_str(json.get())).transpose().map_err(unreadable)?;
    for (name, value) in computed.unwrap_or_else(Map::new) {
        set(&mut event, &place_in_events(config, org, &name), value);
    }
    event.insert("_id".to_owned(), (*call.message_id).into());
    event.entry("timestamp").or_insert_with(|| format_timestamp(call.time).into());
    if let Some(name) = &call.name {
        event.entry("eventType").or_insert_with(|| (**name).into());
    }
    let mut identities: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (at, identity) in call.identities.iter().enumerate() {
        let namespace = config.namespaces().iter().find(|own| own.id == identity.namespace);
        let Some(namespace) = namespace else { continue };
        let mut item = json!({ "id": &*identity.value });
        if at == 0 {
            item["primary"] = true.into();
        }
        identities.entry(code_of(namespace.name.as_str())).or_default().push(item);
    }
    event.insert("identityMap".to_owned(), json!(identities));
    Ok(Value::Object(event))
}

/// A page as it is written, with where the next one is asked for.
pub(super) fn written(page: Page, events: &Events, next: Value) -> Value {
    json!({
        "_page": {
            "orderby": order_name(events.order),
            "start": page.start,
            "count": page.children.len(),
            "next": page.next.as_deref().unwrap_or_default()
        },
        "children": page.children,
        "_links": { "next": next }
    })
}

/// Where the next page of a look-up by parameters is asked for: all of them again. A client of the vendor reads the id there as `offsets`.
pub(super) fn next_href(query: &Query, events: &Events, next: Option<&str>) -> String {
    let Some(next) = next else { return String::new() };
    let own = [("start", next), ("orderby", order_name(events.order))];
    let others = query.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let others = others.filter(|(name, _)| !["start", "offsets", "orderby", "orderBy"].contains(name));
    let all = own.into_iter().chain(others).chain([("offsets", next)]);
    let all: Vec<String> = all.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    format!("/entities?{}", all.join("&"))
}

/// A value as it stands in a query.
fn encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |text, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' | b':' | b'@' => {
            text + char::from(byte).encode_utf8(&mut [0; 1])
        }
        byte => format!("{text}%{byte:02X}"),
    })
}
