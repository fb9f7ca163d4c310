//! External ids of a user that are deleted (spec/segment.md section 3): each is an erasure of that identity.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use tessera_seam::answer::{Answer, invalid, json};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::extract::{PathParams, Query};
use tessera_service::directory::Permission;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::verdict::NamedIdentity;
use tessera_service::{Return, Summary};

use super::NAME;
use super::enter::{self, Asked, Path, told};
use super::parse::{self, Collection};
use super::wire::{DeletedId, Deletion, DeletionDone, Deletions};

/// The type of the external id by which the profile is named.
const OF_USER: &str = "user_id";

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PathParams(path): PathParams<Path>,
    uri: Uri,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = enter::profile(&app, &path, (&uri, &headers, &query), Permission::Erase).await?;
    let body = asked.entered.body(&app, &headers, body).await?;
    let Deletion { delete_external_ids } = body::json(&body)?;
    let ids = delete_external_ids.within("delete_external_ids")?;
    check(&asked, &path.2, &ids)?;
    let summary = app.service.summary(asked.entered.workspace, &asked.lookup).await?;
    let mut identities = Vec::with_capacity(ids.len());
    for (at, id) in ids.iter().enumerate() {
        identities.push(identity_of(&app, &asked, &summary, (at, id)).await?);
    }
    let by = (NAME, asked.entered.caller.key());
    let (workspace, lookup) = (asked.entered.workspace, &asked.lookup);
    let receipts = app.service.erase_identities(workspace, lookup, &identities, Return::Allowed, by).await?;
    let done = identities.into_iter().zip(receipts).map(|(own, receipt)| DeletionDone {
        id: own.value,
        r#type: own.namespace,
        erasure_id: receipt.map(|receipt| receipt.id.to_string()),
    });
    let answer = Deletions { data: done.collect() };
    Ok(asked.entered.answer(told(json(&answer))))
}

/// Refuses what is no deletion, before anything of it is done.
fn check(asked: &Asked, profile: &str, ids: &[DeletedId]) -> Result<(), Error> {
    if asked.collection != Collection::Users || parse::reference(profile)?.0 != OF_USER {
        let message = "external ids are deleted of users that are named by user_id";
        return Err(invalid("deletion_target_invalid", message));
    }
    if ids.is_empty() {
        return Err(invalid("batch_empty", "delete_external_ids must hold at least one external id"));
    }
    let types = Collection::Users.types(&asked.config);
    match ids.iter().position(|own| !types.contains(&own.r#type.as_str())) {
        None => Ok(()),
        Some(at) => {
            let types = types.join(", ");
            let message =
                format!("delete_external_ids[{at}].type: one of these is expected: {types}; nothing was deleted");
            Err(invalid("unsupported_eid_type", message))
        }
    }
}

/// The identity of the profile that is meant: as it came, or in lower case.
async fn identity_of(
    app: &App,
    asked: &Asked,
    summary: &Summary,
    (at, id): (usize, &DeletedId),
) -> Result<NamedIdentity, Error> {
    for spelling in parse::spellings(&id.id) {
        let normal = app.service.normalised(asked.entered.workspace, &id.r#type, &spelling).await?;
        let is_meant = |own: &&NamedIdentity| *own.namespace == *id.r#type && Some(&own.value) == normal.as_ref();
        if let Some(found) = summary.identities.iter().map(|own| &own.identity).find(is_meant) {
            return Ok(found.clone());
        }
    }
    let message = format!("delete_external_ids[{at}]: the profile has no such external id; nothing was deleted");
    Err(Error::new(ErrorKind::NotFound, "external_id_not_found", message))
}
