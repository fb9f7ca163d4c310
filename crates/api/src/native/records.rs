//! Writes of attributes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::post;
use serde_json::json;
use tessera_seam::answer::{Answer, json_bytes};
use tessera_seam::app::App;
use tessera_seam::kept::{self, Kept};
use tessera_seam::once;
use tessera_seam::report::{self, Report};
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::directory::{Class, Permission};
use tessera_service::error::Error;
use tessera_service::verdict::{Incoming, Rejection};

use super::NAME;
use super::parse::{self, Delivery};
use super::wire::Write;

pub(super) fn routes() -> [Route; 1] {
    let access = Access::Workspace(Permission::Ingest);
    let record = json!({
        "identities": [{ "namespace": "user_id", "value": "7001" }],
        "attributes": { "city": "Lyon", "vip": true, "address": { "country": "FR" } }, "time": "2026-01-31T10:00:00Z"
    });
    let example = json!({ "success": true, "accepted": 1, "duplicates": 0, "rejected": 0, "verdicts": [] });
    [Route::new(Method::POST, "/v1/records", access, post(write), Tag::Records, "Writes attributes of one or many identities")
        .describe(
            "Taken from private keys alone: whoever reads a page has its public key. A refused record never fails its neighbours. A record without `id` but with `time` is known by its content, so that \
             sending it twice equals sending it once; one without either is new each time, unless the call has an `Idempotency-Key`.",
        )
        .idempotent()
        .body::<Write<'_>>(json!({ "dataset": "crm", "batch": "2026-01-31", "records": [record] }))
        .answer::<Report>(200, "What became of each record.", example)]
}

async fn write(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Ingest)?;
    entered.caller.require_private()?;
    let key = once::key(&headers)?;
    let body = entered.body(&app, &headers, body).await?;
    let fresh_id = || app.fresh_id();
    let idempotency = key.as_ref().map(|key| (entered.caller.key(), key.as_str()));
    let delivery = {
        let (class, datasets) = (entered.caller.class(), Some(entered.caller.datasets()));
        Delivery { class, datasets, idempotency, fresh_id: &fresh_id }
    };
    let incoming = parse::write(&body, &delivery)?;
    let what = (&Method::POST, "/v1/records", &body[..]);
    let json = report::ingest_once(&app, &entered, NAME, incoming, (key.clone(), what)).await?;
    Ok(entered.answer(json_bytes(json)))
}

/// Reads what the quarantine kept of a rejected record: a write of one.
///
/// # Errors
/// As a write.
pub(super) fn replay(kept: &[u8], fresh_id: &(dyn Fn() -> String + Sync)) -> Result<Vec<Incoming>, Error> {
    let Kept { class, delivery: write, .. } = kept::read(kept)?;
    let delivery = Delivery { class, datasets: None, idempotency: None, fresh_id };
    let mut read: Vec<Incoming> =
        parse::write(write.as_bytes(), &delivery)?.into_iter().map(|(_, incoming)| incoming).collect();
    if class == Class::Public {
        // From before records were taken from private keys alone.
        for incoming in &mut read {
            incoming.fact = Err(Rejection::new("private_key_needed", "records are taken from private keys alone"));
        }
    }
    Ok(read)
}
