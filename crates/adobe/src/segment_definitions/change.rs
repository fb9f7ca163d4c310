//! Making, replacing and deleting segment definitions.

use std::sync::Arc;

use tessera_engine::config::Kind;
use tessera_engine::model::Flags;
use tessera_engine::time::Timestamp;
use tessera_seam::answer::to_json;
use tessera_seam::app::App;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::workspace_config::{
    Definition, PolicyId, RuleContent, RuleName, StoredConfig, display_name, put_rule, remove_rule, set_object,
};

use super::RULE;
use super::wire::{Beside, Body, Evaluation, KIND, Way};
use crate::computed_attributes::checked_description;
use crate::enter::Asked;
use crate::merge_policies::{self, Class};
use crate::objects::{expected, missing};
use crate::pql::{self, compiled, ours, read_as};

/// What a segment definition is to say.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) name: RuleName,
    called: Arc<str>,
    description: Option<Arc<str>>,
    definition: Definition,
    beside: Beside,
}

/// Reads a segment definition of this id.
///
/// # Errors
/// `member_invalid`, `merge_policy_unknown`, `rule_invalid`, `rule_reads_hidden`.
pub(super) async fn read(
    app: &App,
    asked: &Asked,
    config: &StoredConfig,
    (id, sent): (&str, Body),
) -> Result<Wanted, Error> {
    let called = sent.name.ok_or_else(|| missing("name"))?;
    let called = display_name(&called).map_err(|_| expected("name", "1 to 255 printable characters"))?;
    let class = sent.schema.ok_or_else(|| missing("schema"))?.class()?;
    let expression = sent.expression.ok_or_else(|| missing("expression"))?;
    let way = sent.evaluation_info.map_or(Ok(Way::Batch), Evaluation::way)?;
    if sent.profile_instance_id.as_deref().is_some_and(|instance| instance != "ups") {
        return Err(expected("profileInstanceId", "ups"));
    }
    let policy = policy(config, asked, (class, sent.merge_policy_id.as_deref()), way)?;
    let expr = ours(expression.read()?, &pql::places(config, &asked.org));
    let within = (asked.workspace(), asked.entered.visibility());
    let text = expression.as_text().unwrap_or_default().to_owned();
    let (definition, _) = compiled(app, within, RULE, (expr, &text), policy).await?;
    let of = if class == Class::Account { Kind::Account } else { Kind::Person };
    let definition = definition.of(of);
    let beside = Beside {
        sent: expression,
        read_as: read_as(&definition),
        evaluation: way.into(),
        data_governance_policy: sent.data_governance_policy,
        payload_schema: sent.payload_schema,
        ttl_in_days: sent.ttl_in_days,
    };
    let description = checked_description(sent.description.as_deref().unwrap_or_default())?;
    Ok(Wanted { name: RuleName::parse(RULE, id)?, called, description, definition, beside })
}

/// The merge policy that a segment is evaluated under; none for the default one of people. On the edge it has to be active there.
fn policy(
    config: &StoredConfig,
    asked: &Asked,
    (class, id): (Class, Option<&str>),
    way: Way,
) -> Result<Option<PolicyId>, Error> {
    let chosen = merge_policies::chosen(config, asked.workspace(), class, id)?;
    if way == Way::Synchronous && !chosen.on_edge {
        let what = "false, or a merge policy that is active on the edge,";
        return Err(expected("evaluationInfo.synchronous.enabled", what));
    }
    Ok(Some(chosen.policy).filter(|_| id.is_some() || class == Class::Account))
}

/// The configuration in which a segment definition says this.
///
/// # Errors
/// `segment_definition_exists`; as [`put_rule`].
pub(super) fn said(config: &StoredConfig, wanted: Wanted, at: Timestamp) -> Result<StoredConfig, Error> {
    let Wanted { name, called, description, definition, beside } = wanted;
    let is_called = |own: &str, display: Option<&str>| display.unwrap_or(own) == &*called;
    let mut others = super::wire::all(config).filter(|rule| rule.name != name);
    if others.any(|rule| is_called(rule.name.as_str(), rule.display_name.as_deref())) {
        let message = "name: a segment definition of this name already exists; change it, or choose another name";
        return Err(Error::new(ErrorKind::Conflict, "segment_definition_exists", message));
    }
    let display_name = Some(called).filter(|called| **called != *name.as_str());
    let content = RuleContent { display_name, description, definition, is_draft: false };
    let next = put_rule(config, RULE, &name, content, None, at)?;
    let json = String::from_utf8_lossy(&to_json(&beside)).into_owned();
    set_object(&next, (KIND, name.as_str()), Some(&json))
}

/// The configuration without a segment definition.
///
/// # Errors
/// As [`remove_rule`].
pub(super) fn removed(config: &StoredConfig, name: &RuleName, visibility: Flags) -> Result<StoredConfig, Error> {
    let next = remove_rule(config, RULE, name.as_str(), config.shows_rules(visibility))?;
    set_object(&next, (KIND, name.as_str()), None)
}
