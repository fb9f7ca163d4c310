//! Who of some profiles is in a segment (spec/optimizely.md section 10.3).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::Value as Json;
use tessera_engine::value::Value;
use tessera_seam::answer::{Answer, invalid, json as json_answer};
use tessera_seam::app::{App, Entered};
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::{DocumentProfile, Lookup};

use super::DOOR;
use super::asked::List;
use super::profiles::{self, rendered};
use super::segments::{Found, find};

/// Ids of one call that asks who is in a segment.
const ASKED_MAX: usize = 1_000;

/// Which of these profiles are in a segment, by their ids.
pub(super) async fn match_ids(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let ids = listed(&app, &entered, &headers, body).await?;
    let found = find(&app, &entered, &id).await?;
    let mut matching = Vec::new();
    for id in ids {
        match profiles::find(&app, &entered, &found.scope, &id).await {
            Ok(document) => matching.push(document),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    answer_matching(&app, entered, &found, matching).await
}

/// The same, by their e-mail addresses.
pub(super) async fn match_emails(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entered = app.enter_by(&DOOR, &headers, &query, Permission::Read)?;
    let emails = listed(&app, &entered, &headers, body).await?;
    let found = find(&app, &entered, &id).await?;
    let shown = profiles::shown(&entered);
    let mut matching = Vec::new();
    for value in emails {
        let lookup = Lookup::Identity { namespace: super::words::EMAIL.into(), value };
        match app.service.document(found.scope.workspace, &lookup, &shown).await {
            Ok(document) => matching.push(document),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    answer_matching(&app, entered, &found, matching).await
}

async fn listed(app: &App, entered: &Entered, headers: &HeaderMap, body: Body) -> Result<Vec<String>, Error> {
    let bytes = entered.body(app, headers, body).await?;
    let text = body::text(&bytes)?;
    let expected = |_| invalid("body_invalid", format!("a list of up to {ASKED_MAX} texts is expected"));
    serde_json::from_str::<Json>(text).map_err(|error| body::json_error(&error))?;
    let listed: Vec<String> = serde_json::from_str(text).map_err(expected)?;
    if listed.len() > ASKED_MAX {
        return Err(invalid("body_invalid", format!("a list of up to {ASKED_MAX} texts is expected")));
    }
    Ok(listed)
}

/// Those of some profiles that are in a segment, each once: members, or where it is not brought to everybody yet those of whom it holds.
async fn answer_matching(app: &App, mut entered: Entered, found: &Found, profiles: Vec<DocumentProfile>) -> Answer {
    let mut seen = Vec::new();
    let is_brought = found.rule()?.next().is_none();
    let definition = found.rule()?.definition();
    let (rule, zone) = (definition.rule.clone(), definition.zone.clone());
    let policy = definition.merge_policy.as_ref().map(ToString::to_string);
    let (mut items, mut bytes) = (Vec::new(), 0);
    for profile in &profiles {
        let is_inside = if is_brought {
            profile.segments.iter().any(|name| **name == *found.name.as_str())
        } else {
            let (workspace, lookup) = (found.scope.workspace, Lookup::Node(profile.id));
            let evaluated = app
                .service
                .evaluate(workspace, &lookup, rule.clone(), (policy.as_deref(), zone.clone()), entered.visibility())
                .await?;
            evaluated.value == Value::Bool(true)
        };
        if !is_inside || seen.contains(&profile.id) {
            continue;
        }
        seen.push(profile.id);
        bytes += profile.bytes();
        items.push(rendered(profile, &found.scope.name, &found.config));
    }
    entered.grow_to(2 * bytes)?;
    let response = json_answer(&List::new(items.len() as u64, items));
    Ok(entered.answer(response))
}
