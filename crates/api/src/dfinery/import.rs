//! What is taken: events, identifiers, properties, deletions.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use tessera_seam::answer::{Answer, Failure, json};
use tessera_seam::app::{App, Entered};
use tessera_seam::report;
use tessera_service::directory::{Permission, SERVERS};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::verdict::Verdict;
use tessera_service::{Extent, Lookup, Return};

use super::call::Call;
use super::errors::{Faults, is_of_taxonomy};
use super::parse::{self, Written};
use super::wire::Envelope;
use super::{IMPORT, NAME};

pub(super) async fn events(State(app): State<Arc<App>>, call: Call) -> Answer {
    let (entered, body) = call.enter(&app, &IMPORT, Permission::Ingest).await?;
    let done = take_events(&app, &entered, &body).await;
    entered.answered(done)
}

pub(super) async fn identities(State(app): State<Arc<App>>, call: Call) -> Answer {
    let (entered, body) = call.enter(&app, &IMPORT, Permission::Ingest).await?;
    let done = take_identities(&app, &entered, &body).await;
    entered.answered(done)
}

pub(super) async fn user_profile(State(app): State<Arc<App>>, call: Call) -> Answer {
    let (entered, body) = call.enter(&app, &IMPORT, Permission::Ingest).await?;
    let done = take_user_profile(&app, &entered, &body).await;
    entered.answered(done)
}

pub(super) async fn delete(State(app): State<Arc<App>>, call: Call) -> Answer {
    let (entered, body) = call.enter(&app, &IMPORT, Permission::Erase).await?;
    let done = erase(&app, &entered, &body).await;
    entered.answered(done)
}

fn taken() -> Response {
    json(&Envelope::ok())
}

/// Where what a key sends stands: in a dataset of this door, unless the key has one of its own.
fn dataset(entered: &Entered) -> Result<Arc<str>, Error> {
    let datasets = entered.caller.datasets();
    let dataset: Arc<str> = match datasets.own.as_str() {
        SERVERS if datasets.allowed.is_none() => NAME.into(),
        own => own.into(),
    };
    datasets.check(&dataset)?;
    Ok(dataset)
}

/// What the data model refuses is dropped and stands in the quarantine; what can be nobody's, or is refused for another reason, is told.
async fn take_events(app: &App, entered: &Entered, body: &Bytes) -> Result<Response, Failure> {
    let incoming = parse::events(body, &dataset(entered)?)?;
    let facts = || incoming.iter().filter_map(|own| own.fact.as_ref().ok());
    let claims = facts().next().map(|fact| fact.claims.clone()).unwrap_or_default();
    let times: Vec<_> = facts().map(|fact| fact.time).collect();
    let by = (NAME, entered.caller.key());
    let verdicts = app.service.ingest(entered.workspace, incoming, NAME, entered.caller.key()).await?;
    report::count(NAME, &verdicts);
    let is_there = |verdict: &Verdict| !matches!(verdict, Verdict::Rejected(_));
    let newest = times.into_iter().zip(&verdicts).filter(|(_, verdict)| is_there(verdict)).filter_map(|(time, _)| time);
    if let Some(newest) = newest.max() {
        let write = parse::profile_of_events(claims, newest, written(app, entered)?);
        app.service.ensure_document(entered.workspace, write, by).await?;
    }
    let mut faults = Faults::default();
    for (at, verdict) in verdicts.into_iter().enumerate() {
        match verdict {
            Verdict::Rejected(why) if !is_of_taxonomy(why.code) => {
                faults.add(&format!("events[{at}]"), why.code, why.message);
            }
            // One that says something else under the id of another was sent before, and is taken once.
            Verdict::Rejected(_) | Verdict::Accepted { .. } | Verdict::Duplicate | Verdict::Differs => {}
        }
    }
    faults.check()?;
    Ok(taken())
}

fn written(app: &App, entered: &Entered) -> Result<Written, Error> {
    Ok(Written { dataset: dataset(entered)?, fresh_id: app.fresh_id() })
}

async fn take_identities(app: &App, entered: &Entered, body: &Bytes) -> Result<Response, Failure> {
    let write = parse::identities(body, written(app, entered)?)?;
    let by = (NAME, entered.caller.key());
    app.service.put_document(entered.workspace, write, Vec::new(), by, None).await?;
    Ok(taken())
}

async fn take_user_profile(app: &App, entered: &Entered, body: &Bytes) -> Result<Response, Failure> {
    let (write, notes) = parse::user_profile(body, written(app, entered)?)?;
    let by = (NAME, entered.caller.key());
    app.service.put_document(entered.workspace, write, notes, by, None).await?;
    Ok(taken())
}

/// Erases a profile with all that is known of it. Whoever is not there is gone.
async fn erase(app: &App, entered: &Entered, body: &Bytes) -> Result<Response, Failure> {
    let claim = parse::deletion(body)?;
    let lookup = Lookup::Identity { namespace: claim.namespace.to_string(), value: claim.value.to_string() };
    let (how, by) = ((Extent::Profile, Return::Allowed), (NAME, entered.caller.key()));
    match app.service.erase(entered.workspace, &lookup, how, by).await {
        Ok(_) => Ok(taken()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(taken()),
        Err(error) => Err(error.into()),
    }
}
