//! Making and changing computed attributes of the first generation.

use std::sync::Arc;

use serde_json::Value as Json;
use tessera_engine::time::Timestamp;
use tessera_expr::ast::{Function, Name, Node};
use tessera_expr::check::{Known, Model as _, Type};
use tessera_seam::answer::invalid;
use tessera_seam::app::App;
use tessera_seam::body;
use tessera_service::error::Error;
use tessera_service::workspace_config::{
    Definition, RuleContent, RuleName, StoredConfig, StoredRule, Target, put_rule,
};

use super::wire::{Body, Operation};
use crate::computed_attributes::{Beside, Generation, RULE, beside, checked_description, exists, of, with_beside};
use crate::enter::Asked;
use crate::objects::{EVENT, PROFILE, expected, fresh_uuid, millis, missing};
use crate::pql::{self, Expression, compiled, compiled_of_events, ours, read_as, xdm_type};

/// Operations of one call.
const OPERATIONS_MAX: usize = 50;

/// What a computed attribute is to say.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) name: RuleName,
    description: Option<Arc<str>>,
    definition: Definition,
    beside: Beside,
}

/// Reads a computed attribute to be made.
///
/// # Errors
/// `member_invalid`, `computed_attribute_schema`, `rule_invalid`, `rule_reads_hidden`.
pub(super) async fn new(app: &App, asked: &Asked, config: &StoredConfig, body: Body) -> Result<Wanted, Error> {
    let schema = body.schema.ok_or_else(|| missing("schema"))?;
    let target = match schema.name.as_str() {
        PROFILE => Target::Profiles,
        EVENT => Target::Events,
        _ => return Err(expected("schema.name", format!("{PROFILE} or {EVENT}"))),
    };
    let place = place(&body.path.ok_or_else(|| missing("path"))?, &body.name.ok_or_else(|| missing("name"))?)?;
    let sent = body.expression.ok_or_else(|| missing("expression"))?;
    let (definition, gives) = read(app, asked, config, (&sent, target), &place).await?;
    let name = RuleName::parse(RULE, &place.join("_")).map_err(|_| {
        expected("path", "a place whose names together have at most 64 letters, digits and _, none of these first,")
    })?;
    let beside = Beside {
        id: fresh_uuid(app),
        place: Some(place),
        sent,
        read_as: read_as(&definition),
        duration: None,
        keep_current: false,
        gives,
        created_by: asked.entered.caller.key().to_string(),
        created_millis: millis(app.now()),
    };
    let description = checked_description(body.description.as_deref().unwrap_or_default())?;
    Ok(Wanted { name, description, definition, beside })
}

/// The names of a field and of where it stands.
fn place(path: &str, name: &str) -> Result<Vec<String>, Error> {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name(name) {
        return Err(expected("name", "letters, digits and _"));
    }
    if !path.split('.').all(is_name) {
        return Err(expected("path", "names of letters, digits and _, joined by dots,"));
    }
    Ok(path.split('.').chain([name]).map(str::to_owned).collect())
}

/// Reads operations.
///
/// # Errors
/// `member_invalid`; as [`body::text`].
pub(super) fn operations(bytes: &[u8]) -> Result<Vec<Operation>, Error> {
    let operations: Vec<Operation> =
        serde_json::from_str(body::text(bytes)?).map_err(|error| body::json_error(&error))?;
    if operations.is_empty() || operations.len() > OPERATIONS_MAX {
        return Err(expected("operations", format!("1 to {OPERATIONS_MAX} of them")));
    }
    Ok(operations)
}

/// Reads a change of one that is there.
///
/// # Errors
/// As [`new`].
pub(super) async fn changed(
    app: &App,
    asked: &Asked,
    config: &StoredConfig,
    (rule, own): (&StoredRule, Beside),
    operations: Vec<Operation>,
) -> Result<Wanted, Error> {
    let (mut sent, mut description) = (own.sent.clone(), rule.description.clone());
    for (index, Operation { op, path, value }) in operations.into_iter().enumerate() {
        let at = |member: &str| format!("[{index}].{member}");
        if !matches!(op.as_str(), "add" | "replace") {
            return Err(expected(&at("op"), "add or replace"));
        }
        match (path.as_str(), value) {
            ("/expression", value) => {
                sent = serde_json::from_value(value).map_err(|_| expected(&at("value"), "an expression"))?;
            }
            ("/expression/value" | "/expression.value", value) => sent = Expression { value, ..sent },
            ("/description", Json::String(text)) => description = checked_description(&text)?,
            ("/description", _) => return Err(expected(&at("value"), "a text")),
            _ => return Err(expected(&at("path"), "/expression or /description")),
        }
    }
    let place = own.place.clone().unwrap_or_default();
    let (definition, gives) = read(app, asked, config, (&sent, rule.definition().into), &place).await?;
    let beside = Beside { sent, read_as: read_as(&definition), gives, ..own };
    Ok(Wanted { name: rule.name.clone(), description, definition, beside })
}

/// What an expression says, and the type of what it gives, which has to be that of its field.
async fn read(
    app: &App,
    asked: &Asked,
    config: &StoredConfig,
    (sent, target): (&Expression, Target),
    place: &[String],
) -> Result<(Definition, String), Error> {
    let (places, text) = (pql::places(config, &asked.org), sent.as_text().unwrap_or_default());
    let expr = sent.read()?;
    let counts = matches!(&expr.node, Node::Call { function: Function::Count, .. });
    let within = (asked.workspace(), asked.entered.visibility());
    let (definition, given) = match target {
        Target::Profiles => compiled(app, within, RULE, (ours(expr, &places), text), None).await?,
        Target::Events => compiled_of_events(app, within, (expr, text), &places).await?,
    };
    let model = app.service.rule_model(within.0, within.1).await?;
    let names: Vec<Name> = place.iter().map(|name| name.as_str().into()).collect();
    let known = match target {
        Target::Profiles => model.attribute(&names),
        // Schemas of events are not looked into.
        Target::Events => Known::Perhaps,
    };
    match known {
        Known::Never => return Err(no_field()),
        Known::Is(field) if field != Type::Any && given != Type::Any && field != given => return Err(other_type()),
        Known::Is(_) | Known::Perhaps => {}
    }
    let gives = if counts { "integer" } else { xdm_type(&given) };
    Ok((definition, gives.to_owned()))
}

fn no_field() -> Error {
    invalid("computed_attribute_schema", "Could not lookup schema of the computed attribute for the provided path")
}

fn other_type() -> Error {
    invalid(
        "computed_attribute_schema",
        "Return schema of the expression is not same as the schema of the computed attribute in the XDM schema",
    )
}

/// The configuration with a new computed attribute, which stands where no other does.
///
/// # Errors
/// `computed_attribute_exists`; as [`put_rule`].
pub(super) fn made(config: &StoredConfig, wanted: Wanted, at: Timestamp) -> Result<StoredConfig, Error> {
    let is_taken = config.rules().of(RULE).contains_key(wanted.name.as_str());
    let own = wanted.beside.place.as_deref().unwrap_or_default();
    let collides = |beside: &Beside| {
        let other = beside.place.as_deref().unwrap_or_default();
        own.starts_with(other) || other.starts_with(own)
    };
    let mut others = of(config, Generation::Alpha).filter_map(|(_, beside)| beside);
    if is_taken || others.any(|beside| collides(&beside)) {
        return Err(exists());
    }
    said(config, wanted, Some(0), at)
}

/// The configuration in which a computed attribute says this.
///
/// # Errors
/// As [`put_rule`].
pub(super) fn said(
    config: &StoredConfig,
    wanted: Wanted,
    expected: Option<u64>,
    at: Timestamp,
) -> Result<StoredConfig, Error> {
    let Wanted { name, description, definition, beside: own, .. } = wanted;
    // What people call it is its own name.
    let called = own.place.as_ref().and_then(|place| place.last()).map(|last| last.as_str().into());
    let content = RuleContent { display_name: called, description, definition, is_draft: false };
    let config = put_rule(config, RULE, &name, content, expected, at)?;
    let own = Beside { id: beside(&config, name.as_str()).map_or(own.id, |before| before.id), ..own };
    with_beside(&config, &name, Some(&own))
}
