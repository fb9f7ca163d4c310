//! Previews as the workspace keeps them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tessera_engine::config::Kind;
use tessera_expr::calendar::Zone;
use tessera_expr::rule::Rule;
use tessera_seam::answer::to_json;
use tessera_seam::app::App;
use tessera_service::Fields;
use tessera_service::directory::WorkspaceId;
use tessera_service::error::Error;
use tessera_service::notes::NoteKind;
use tessera_service::queries::ProfileQuery;
use tessera_service::workspace_config::{Definition, StoredConfig};

use super::not_found;
use super::wire::{Body, query_id};
use crate::merge_policies::{self, Class};
use crate::objects::{PROFILE, expected, missing};
use crate::pql::{Expression, NODES, TEXT};

/// What is kept of previews, by their ids; where another one comes, the oldest goes.
const PREVIEWS: NoteKind = NoteKind { name: "adobe.preview", max: 100 };
/// A model by a name of old documents.
const OLD_PROFILE: &str = "xdm.model.profile";

/// A condition that is looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Draft {
    expression: Expression,
    class: String,
}

impl Draft {
    /// Reads a draft.
    ///
    /// # Errors
    /// `member_invalid`.
    pub(super) fn read(body: Body) -> Result<Self, Error> {
        let value = body.predicate_expression.ok_or_else(|| missing("predicateExpression"))?;
        let format = match body.predicate_type.as_deref() {
            None | Some("PQL" | TEXT) => TEXT,
            Some(NODES) => NODES,
            Some(_) => return Err(expected("predicateType", format!("{TEXT} or {NODES}"))),
        };
        let model = body.predicate_model.unwrap_or_else(|| PROFILE.to_owned());
        let class = if model == OLD_PROFILE { PROFILE.to_owned() } else { model };
        Class::parse(&class).map_err(|_| expected("predicateModel", format!("{PROFILE} or the class of accounts")))?;
        if body.graph_type.as_deref().is_some_and(|graph| graph != "pdg") {
            return Err(expected("graphType", "pdg, for conditions are asked of whole profiles,"));
        }
        let expression = Expression { format: format.to_owned(), ..Expression::text(value) };
        Ok(Self { expression, class })
    }

    pub(super) const fn expression(&self) -> &Expression {
        &self.expression
    }

    /// # Errors
    /// `member_invalid`.
    pub(super) fn class(&self) -> Result<Class, Error> {
        Class::parse(&self.class)
    }

    /// What it asks, under the default policy of its class.
    ///
    /// # Errors
    /// `merge_policy_unknown`.
    pub(super) fn question(
        &self,
        config: &StoredConfig,
        workspace: WorkspaceId,
        definition: &Definition,
    ) -> Result<Question, Error> {
        let class = self.class()?;
        let policy = merge_policies::chosen(config, workspace, class, None)?.policy.to_string();
        let of = if class == Class::Account { Kind::Account } else { Kind::Person };
        Ok(Question { rule: definition.rule.clone(), zone: definition.zone.clone(), of, policy: Some(policy) })
    }
}

/// A condition, and of whom it is asked.
pub(super) struct Question {
    rule: Arc<Rule>,
    zone: Zone,
    of: Kind,
    policy: Option<String>,
}

impl Question {
    /// The same as a query that counts.
    pub(super) fn asked(self, fields: Fields, (skip, top): (usize, usize)) -> ProfileQuery {
        let Self { rule, zone, of, policy } = self;
        ProfileQuery {
            filter: Some(rule),
            zone,
            of,
            order_by: Vec::new(),
            skip,
            top,
            cursor: None,
            fields,
            policy,
            count: true,
        }
    }

    pub(super) fn into_parts(self) -> (Arc<Rule>, Zone, Kind, Option<String>) {
        (self.rule, self.zone, self.of, self.policy)
    }
}

/// The preview of an id.
///
/// # Errors
/// `preview_not_found`.
pub(super) async fn find(app: &App, workspace: WorkspaceId, id: &str) -> Result<Draft, Error> {
    let id = query_id(id).ok_or_else(not_found)?;
    let note = app.service.note(workspace, &PREVIEWS, &id).await?;
    note.and_then(|note| serde_json::from_str(&note.json).ok()).ok_or_else(not_found)
}

/// Keeps a preview; the oldest goes where there are as many as there may be.
///
/// # Errors
/// What the store answers.
pub(super) async fn keep(app: &App, workspace: WorkspaceId, id: &str, draft: &Draft) -> Result<(), Error> {
    let json = String::from_utf8_lossy(&to_json(draft)).into_owned();
    app.service.add_note(workspace, &PREVIEWS, (id, &json), |_| Ok(()), |_| true).await
}

/// Lets go of a preview.
///
/// # Errors
/// `preview_not_found`.
pub(super) async fn let_go(app: &App, workspace: WorkspaceId, id: &str) -> Result<(), Error> {
    let id = query_id(id).ok_or_else(not_found)?;
    if app.service.remove_note(workspace, &PREVIEWS, &id).await? { Ok(()) } else { Err(not_found()) }
}
