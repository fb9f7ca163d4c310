//! From what the service gives to answers.

use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::value::RawValue;
use tessera_service::clock::format_timestamp;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::{EventPage, Graph, GraphHeld, GraphLink, GraphNode, Rendered, StoredCall};

use super::wire::{Held, Identities, Link, Node, ProfileError, ProfileResult, Timeline, TimelineEvent};
use tessera_seam::answer::{json, json_bytes};
use tessera_seam::bounds::BATCH_GET_BYTES_MAX;
use tessera_seam::report::Identity;
use tessera_service::payload::Payload;

/// A profile, or 304 for a client that has it.
pub(super) fn profile(rendered: Rendered, headers: &HeaderMap) -> Response {
    let mut response = if is_known(headers, &rendered.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json_bytes(rendered.json)
    };
    if let Ok(etag) = HeaderValue::from_str(&rendered.etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

/// Whether the client has the version of this tag. The comparison is the weak one, as the standard asks for here.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let strong = |tag: &str| tag.trim().strip_prefix("W/").unwrap_or(tag.trim()).to_owned();
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|tag| tag.trim() == "*" || strong(tag) == etag)
}

/// One result of a batch read. What concerns the whole call stays an error of the call.
pub(super) fn result(outcome: Result<Rendered, Error>) -> Result<ProfileResult, Error> {
    match outcome {
        Ok(rendered) => Ok(ProfileResult::Found { profile: raw(&rendered.json)? }),
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::LimitExceeded) => {
            let error = ProfileError { code: error.code, message: error.message.into_owned() };
            Ok(ProfileResult::Missing { error })
        }
        Err(error) => Err(error),
    }
}

/// What stands in the place of a profile for which there is no room in the answer.
pub(super) fn answer_full() -> Error {
    let message = format!("the answer has {BATCH_GET_BYTES_MAX} bytes already; ask for this profile again, by itself");
    Error::new(ErrorKind::LimitExceeded, "answer_full", message)
}

/// A rendered profile as a part of an answer.
pub(super) fn shared(json: &[u8]) -> Result<&RawValue, Error> {
    serde_json::from_slice(json).map_err(|_| Error::new(ErrorKind::Corrupt, "corrupt", "a rendered profile is no json"))
}

/// A rendered profile, as a part of an answer that outlives it.
pub(super) fn raw(json: &[u8]) -> Result<Box<RawValue>, Error> {
    let text = std::str::from_utf8(json).map(str::to_owned).ok();
    text.and_then(|text| RawValue::from_string(text).ok())
        .ok_or_else(|| Error::new(ErrorKind::Corrupt, "corrupt", "a rendered profile is no json"))
}

/// A page of a timeline.
pub(super) fn timeline(page: EventPage) -> Result<Response, Error> {
    let nothing: &RawValue = serde_json::from_str("{}").expect("an empty object is json");
    let events = page.events.iter().map(|call| event(call, nothing)).collect::<Result<_, _>>()?;
    Ok(json(&Timeline { events, next_cursor: page.next_cursor }))
}

pub(super) fn event<'a>(call: &'a StoredCall, nothing: &'a RawValue) -> Result<TimelineEvent<'a>, Error> {
    let payload: Payload<'_> = serde_json::from_slice(&call.payload)
        .map_err(|_| Error::new(ErrorKind::Corrupt, "corrupt", "the payload of a stored call is no json"))?;
    Ok(TimelineEvent {
        event: call.name.clone(),
        timestamp: format_timestamp(call.time),
        properties: payload.properties.unwrap_or(nothing),
        message_id: call.message_id.clone(),
        r#type: call.kind.name(),
        received_at: format_timestamp(call.received_at),
        dataset: call.dataset.clone(),
        context: payload.context,
        traits: payload.traits,
        integrations: payload.integrations,
        computed: payload.computed,
        uncomputed: payload.uncomputed,
    })
}

/// An identity graph.
pub(super) fn identities(graph: Graph) -> Response {
    json(&Identities {
        profile_id: graph.profile_id.to_string(),
        nodes: graph.nodes.into_iter().map(Node::from).collect(),
        links: graph.links.into_iter().map(Link::from).collect(),
        held: graph.held.into_iter().map(Held::from).collect(),
        held_more: graph.held_more,
    })
}

impl From<GraphNode> for Node {
    fn from(node: GraphNode) -> Self {
        Self {
            id: node.id.to_string(),
            namespace: node.identity.namespace,
            value: node.identity.value,
            created_at: format_timestamp(node.created_at),
            last_seen: node.last_seen.map(format_timestamp),
            facts: node.facts,
        }
    }
}

impl From<GraphLink> for Link {
    fn from(link: GraphLink) -> Self {
        Self {
            between: link.between.map(Identity::from),
            strength: link.strength,
            count: link.count,
            first_seen: format_timestamp(link.first_seen),
            last_seen: format_timestamp(link.last_seen),
        }
    }
}

impl From<GraphHeld> for Held {
    fn from(held: GraphHeld) -> Self {
        Self { link: held.link.into(), reason: held.reason, won: held.won.map(|won| won.map(Identity::from)) }
    }
}
