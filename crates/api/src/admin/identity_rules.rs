//! Identity rules, tried before they are set: who would become one profile, and who would be parted.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tessera_engine::id::NodeId;
use tessera_seam::answer::{Answer, invalid, json as json_answer};
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_seam::route::{Access, Route, Tag};
use tessera_service::audit::Action;
use tessera_service::directory::Permission;
use tessera_service::dry_run::{DryRun, Example, RECORDS_MAX};
use tessera_service::workspace_config::{StoredConfig, set_limits, update_namespace};
use utoipa::ToSchema;

use super::{parse, wire};

const PATH: &str = "/v1/admin/identity-rules:preview";

/// Changes of identity rules that are tried together.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct IdentityRules {
    /// Namespaces by name, each with rules as `PUT /v1/admin/namespaces/{namespace}` takes them.
    #[serde(default)]
    namespaces: BTreeMap<String, wire::NamespaceChange>,
    /// Limits as `PUT /v1/admin/limits` takes them.
    #[serde(default)]
    limits: Option<wire::Limits>,
}

/// What they would do.
#[derive(Debug, Serialize, ToSchema)]
struct IdentityRulesPreview {
    /// Profiles that were looked at.
    profiles_before: u64,
    /// How many these would be.
    profiles_after: u64,
    /// Profiles that would become one with others, whole or in part.
    merged: u64,
    /// Profiles that would be parted.
    split: u64,
    /// Some profiles that would become one, at most 10.
    merges: Vec<ProfilesBecome>,
    /// Some profiles that would be parted, at most 10.
    splits: Vec<ProfilesBecome>,
    /// Records that were looked at: each holds the profiles that could be one.
    records: u64,
    /// Whether the workspace has more than were looked at. Then the counts are of these alone.
    truncated: bool,
}

/// Profiles, and what would become of them, by id: at most 20 on each side.
#[derive(Debug, Serialize, ToSchema)]
struct ProfilesBecome {
    /// As they are.
    before: Vec<String>,
    /// As they would be.
    after: Vec<String>,
}

pub(super) fn route() -> Route {
    let access = Access::Workspace(Permission::Configure);
    let sent = json!({ "namespaces": { "email": { "priority": 800, "limit": 1 } }, "limits": { "hub_links_max": 10 } });
    let example = json!({
        "profiles_before": 18_204, "profiles_after": 18_210, "merged": 2, "split": 7,
        "merges": [{
            "before": ["019a0f3e5b2c7d41e0a8f5c2", "019a0f3e5b2c7d41e0a8f5c9"], "after": ["019a0f3e5b2c7d41e0a8f5c2"]
        }],
        "splits": [{
            "before": ["019a0f3e5b2c7d41e0a8f5d1"], "after": ["019a0f3e5b2c7d41e0a8f5d1", "019a0f3e5b2c7d41e0a8f5d4"]
        }],
        "records": 18_204, "truncated": false
    });
    Route::new(Method::POST, PATH, access, post(preview), Tag::Administration, "Tries identity rules")
        .describe(
            "Says what a change of namespaces and limits would do to profiles, before it is made; nothing is kept. The records of the workspace are \
             copied and the change is made to the copy, so the counts are exact for what has been written until then. At most 20,000 records and 64 MiB \
             are copied; of a larger workspace the answer is about these, and `truncated` says so. One call of a workspace at a time (`query_busy`), \
             within 30 seconds (`dry_run_timeout`). What a directive would do is answered by `POST /v1/directives?preview=true`.",
        )
        .audited(Action::Read)
        .body::<IdentityRules>(sent)
        .answer::<IdentityRulesPreview>(200, "What it would do.", example)
}

async fn preview(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let entered = app.enter(&headers, Permission::Configure)?;
    let body = entered.body(&app, &headers, body).await?;
    let IdentityRules { namespaces, limits } = body::json(&body)?;
    if namespaces.is_empty() && limits.is_none() {
        return Err(invalid("namespace_invalid", "namespaces or limits are expected, as they would be set").into());
    }
    let namespaces: Vec<_> = namespaces
        .into_iter()
        .map(|(name, change)| Ok((name, parse::namespace_change(change)?)))
        .collect::<Result<_, tessera_service::error::Error>>()?;
    let limits = limits.map(|limits| parse::limits(&limits));
    let change = move |config: &StoredConfig| {
        let mut next = config.clone();
        for (name, (normaliser, rules)) in namespaces {
            next = update_namespace(&next, &name, normaliser, rules)?;
        }
        limits.map_or(Ok(next.clone()), |limits| set_limits(&next, limits))
    };
    let run = app.service.dry_run(entered.workspace, RECORDS_MAX, change).await?;
    Ok(entered.answer(json_answer(&IdentityRulesPreview::from(run))))
}

impl From<DryRun> for IdentityRulesPreview {
    fn from(run: DryRun) -> Self {
        Self {
            profiles_before: run.profiles_before,
            profiles_after: run.profiles_after,
            merged: run.merged,
            split: run.split,
            merges: run.merges.iter().map(ProfilesBecome::from).collect(),
            splits: run.splits.iter().map(ProfilesBecome::from).collect(),
            records: run.records,
            truncated: run.is_truncated,
        }
    }
}

impl From<&Example> for ProfilesBecome {
    fn from(example: &Example) -> Self {
        let ids = |own: &[NodeId]| own.iter().map(NodeId::to_string).collect();
        Self { before: ids(&example.before), after: ids(&example.after) }
    }
}
