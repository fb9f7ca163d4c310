//! Streaming ingestion: messages with an entity of XDM each (issue of this API's ingestion; its streaming guides).
//!
//! The id of a connection is a key of this service, for the API asks for no other credential there; with a bearer token it is a name. A message
//! says to which dataset its entity belongs, and that what the entity is.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tessera_seam::answer::{Answer, json as json_answer};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_seam::route::{Access, Route};
use tessera_service::directory::Permission;
use tessera_service::error::Error;
use tessera_service::verdict::{Incoming, Verdict};
use tessera_service::workspace_config::StoredConfig;

use super::enter::{self, content_type};
use super::{DOOR, NAME, route};
use parse::Refused;
use wire::{Batch, Message, Received, ReceivedBatch, Response, Validation};

mod parse;
mod wire;

pub(super) use parse::{entity, replay, unread};

/// Where one message is sent to, and several: at the host for collection, and at the one that has everything else.
const PATHS: [[&str; 2]; 2] = [
    ["/collection/{connection_id}", "/collection/batch/{connection_id}"],
    ["/data/foundation/import/collection/{connection_id}", "/data/foundation/import/collection/batch/{connection_id}"],
];

/// The routes of streaming ingestion.
pub(super) fn routes() -> Vec<Route> {
    let ingest = Access::Workspace(Permission::Ingest);
    let header = json!({
        "schemaRef": { "id": "https://ns.adobe.com/default/schemas/5f0c1e", "contentType": "application/vnd.adobe.xed-full+json;version=1" },
        "imsOrgId": "default@AdobeOrg", "datasetId": "5e30d7986c0cc218a85cee65"
    });
    let message = json!({ "header": header, "body": { "xdmEntity": {
        "identityMap": { "Email": [{ "id": "ada@example.org", "primary": true }] }, "person": { "name": { "firstName": "Ada" } } } } });
    let received = json!({
        "inletId": "9f2c", "xactionId": "a1-1f", "receivedTimeMs": 1_584_479_347_507_i64, "synchronousValidation": { "status": "pass" }
    });
    let refused = json!({
        "type": parse::PROBLEM, "status": 400, "title": parse::TITLE,
        "report": { "message": "inletId: [9f2c] imsOrgId: [default@AdobeOrg] Message has unknown xdm format" }
    });
    let connection = |route: Route| {
        let flag = || json!({ "type": "string", "enum": ["true", "false", "True", "False"] });
        let known = "Whether the answer says what is wrong with the entity; otherwise it is put aside and the message is taken.";
        route
            .segment("connection_id", "A key of this service; with a bearer token any name.")
            .query("synchronousValidation", known, flag())
            .query("syncValidation", "The same.", flag())
            .query("debug", "Some clients of this family send it; it changes nothing.", json!({ "type": "string" }))
    };
    let routes = |[one_path, batch_path]: [&'static str; 2]| {
        [
            connection(route(Method::POST, one_path, ingest, post(one), "Takes a message"))
                .body::<Message<'_>>(message.clone())
                .answer::<Received>(200, "It is taken.", received.clone())
                .answer_free(400, "It is no message, or its entity is not as its schema has it.", refused.clone()),
            connection(route(Method::POST, batch_path, ingest, post(batch), "Takes messages"))
                .body::<Batch<'_>>(json!({ "messages": [message.clone()] }))
                .answer::<ReceivedBatch>(
                    207,
                    "What became of each.",
                    json!({ "inletId": "9f2c", "batchId": "a1-1e", "receivedTimeMs": 1_565_628_583_854_i64,
                            "responses": [{ "xactionId": "a1-1e:0" }] }),
                ),
        ]
    };
    PATHS.into_iter().flat_map(routes).collect()
}

/// A connection that messages come in by.
struct Connection {
    entered: Entered,
    config: Arc<StoredConfig>,
    /// How answers name it: a key is not told again.
    inlet: String,
    /// The organization that messages have to name, as answers do.
    org: String,
}

impl Connection {
    async fn open(app: &App, id: &str, headers: &HeaderMap) -> Result<Self, Error> {
        let (secret, inlet) = if headers.contains_key(AUTHORIZATION) {
            (DOOR.secret(headers, &Query::default())?.ok_or_else(|| DOOR.missing())?, id.to_owned())
        } else {
            let hash = Sha256::digest(id.as_bytes());
            (id.to_owned(), hash.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
        };
        let caller = app.service.directory().authenticate(&secret)?;
        let entered = enter::admit(app, caller, headers, Permission::Ingest)?;
        let org = enter::org_of(&entered.caller);
        let config = app.service.configuration(entered.workspace).await?;
        Ok(Self { entered, config, inlet, org })
    }

    fn said(&self, what: impl std::fmt::Display) -> String {
        format!("inletId: [{}] imsOrgId: [{}] {what}", self.inlet, self.org)
    }

    /// Reads a message.
    fn read(&self, app: &App, raw: &RawValue) -> Result<Incoming, Refused> {
        let sender = parse::Sender { caller: &self.entered.caller, config: &self.config, org: &self.org };
        parse::message(raw, &sender, app.fresh_id())
    }

    async fn ingest(&self, app: &App, incoming: Vec<Incoming>) -> Result<Vec<Verdict>, Error> {
        app.service.ingest(self.entered.workspace, incoming, NAME, self.entered.caller.key()).await
    }
}

async fn one(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let connection = Connection::open(&app, &id, &headers).await?;
    content_type(&headers, &["application/json"])?;
    let validation = parse::validation(&query)?;
    let body = connection.entered.body(&app, &headers, body).await?;
    let raw: &RawValue = serde_json::from_str(body::text(&body)?).map_err(|error| body::json_error(&error))?;
    let taken = match connection.read(&app, raw) {
        Err(refused) => Err(refused),
        Ok(incoming) => {
            let wrong = parse::violations(&incoming);
            match connection.ingest(&app, vec![incoming]).await?.pop() {
                Some(Verdict::Differs) => Err(Refused::differs()),
                Some(Verdict::Rejected(rejection)) if validation != Validation::Skipped => {
                    Err(Refused::violated(wrong, &rejection))
                }
                Some(Verdict::Accepted { .. } | Verdict::Duplicate | Verdict::Rejected(_)) | None => Ok(()),
            }
        }
    };
    let response = match taken {
        Ok(()) => json_answer(&Received::new(connection.inlet.clone(), app.fresh_id(), app.now(), validation)),
        Err(refused) => {
            let report = refused.report(&connection.said(refused.message()));
            (refused.status(), json_answer(&report)).into_response()
        }
    };
    Ok(connection.entered.answer(response))
}

async fn batch(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let connection = Connection::open(&app, &id, &headers).await?;
    content_type(&headers, &["application/json"])?;
    // It is of single messages alone, and clients send it all the same.
    parse::validation(&query)?;
    let body = connection.entered.body(&app, &headers, body).await?;
    let Batch { messages } = body::json(&body)?;
    let read: Vec<Result<Incoming, Refused>> =
        messages.within("messages")?.into_iter().map(|raw| connection.read(&app, raw)).collect();
    let (mut incoming, mut refused) = (Vec::new(), Vec::with_capacity(read.len()));
    for own in read {
        match own {
            Ok(own) => {
                incoming.push(own);
                refused.push(None);
            }
            Err(why) => refused.push(Some(why)),
        }
    }
    let mut verdicts = connection.ingest(&app, incoming).await?.into_iter();
    let batch = app.fresh_id();
    let responses = refused.into_iter().enumerate().map(|(at, refused)| {
        let refused = refused.or_else(|| match verdicts.next() {
            Some(Verdict::Differs) => Some(Refused::differs()),
            _ => None,
        });
        match refused {
            None => Response::taken(format!("{batch}:{at}")),
            Some(why) => Response::refused(why.status().as_u16(), connection.said(why.message())),
        }
    });
    let answer = ReceivedBatch::new(connection.inlet.clone(), batch.clone(), app.now(), responses.collect());
    Ok(connection.entered.answer((StatusCode::MULTI_STATUS, json_answer(&answer)).into_response()))
}
