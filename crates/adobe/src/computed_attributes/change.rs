//! Making, changing and deleting computed attributes (spec/adobe.md sections 6.3, 6.5 and 6.6).

use std::sync::Arc;

use tessera_engine::model::Flags;
use tessera_engine::time::Timestamp;
use tessera_expr::check::Type;
use tessera_expr::plan::Attributes;
use tessera_expr::pql;
use tessera_seam::answer::invalid;
use tessera_seam::app::App;
use tessera_service::directory::WorkspaceId;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::learned::Subject;
use tessera_service::workspace_config::{
    DESCRIPTION_MAX, Definition, RuleContent, RuleName, StoredConfig, StoredRule, archive_rule, display_name, put_rule,
    remove_rule,
};

use super::kept::{Beside, RULE, beside, with_beside};
use super::shape::{Duration, Function, folded, form_expected, function, unfolded};
use super::wire::{Body, Life, Said};
use crate::enter::Asked;
use crate::objects::{expected, fresh_uuid, millis, missing};
use crate::pql::{Expression, Places, compiled, ours, read_as, refused, xdm_type};

/// Characters of a name.
const NAME_CHARS_MAX: usize = 60;

/// What a computed attribute is to say.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) name: RuleName,
    display_name: Option<Arc<str>>,
    description: Option<Arc<str>>,
    definition: Definition,
    beside: Beside,
    is_draft: bool,
}

/// What it is made of, as it is sent.
struct Terms {
    name: String,
    display_name: String,
    description: String,
    sent: Expression,
    duration: Duration,
    keep_current: bool,
    is_draft: bool,
}

/// Reads a computed attribute to be made.
///
/// # Errors
/// `member_invalid`, `rule_invalid`, `rule_reads_hidden`.
pub(super) async fn new(app: &App, asked: &Asked, body: Body) -> Result<Wanted, Error> {
    if body.id.is_some() {
        return Err(expected("id", "none, for it is drawn here,"));
    }
    let is_draft = match body.status.ok_or_else(|| missing("status"))? {
        Said::Draft => true,
        Said::New => false,
        Said::Disabled => return Err(expected("status", "DRAFT or NEW")),
    };
    let terms = Terms {
        name: body.name.ok_or_else(|| missing("name"))?,
        display_name: body.display_name.ok_or_else(|| missing("displayName"))?,
        description: body.description.ok_or_else(|| missing("description"))?,
        sent: body.expression.ok_or_else(|| missing("expression"))?,
        duration: body.duration.ok_or_else(|| missing("duration"))?,
        keep_current: body.keep_current.unwrap_or(false),
        is_draft,
    };
    let (id, created_by) = (fresh_uuid(app), asked.entered.caller.key().to_string());
    let created = (id, created_by, millis(app.now()));
    read(app, asked, terms, created).await
}

/// Reads a change of one that is there (section 6.5). What may change depends on where it stands in its life.
///
/// # Errors
/// `member_invalid`, `computed_attribute_published`, `rule_invalid`, `rule_reads_hidden`.
pub(super) async fn changed(
    app: &App,
    asked: &Asked,
    (rule, life, own): (&StoredRule, Life, Option<Beside>),
    body: Body,
) -> Result<Change, Error> {
    let sent = [
        ("name", body.name.is_some()),
        ("expression", body.expression.is_some()),
        ("duration", body.duration.is_some()),
        ("keepCurrent", body.keep_current.is_some()),
    ];
    let texts = body.display_name.is_some() || body.description.is_some();
    let refused = |member: &str| {
        let message = format!("{member}: nothing is expected, for the computed attribute is {}", life.name());
        Error::new(ErrorKind::Conflict, "computed_attribute_published", message)
    };
    let first = sent.iter().find(|(_, is_sent)| *is_sent).map(|(member, _)| *member);
    match (life, body.status) {
        (Life::Draft, None | Some(Said::Draft | Said::New)) => {}
        (Life::Draft, Some(Said::Disabled)) => return Err(expected("status", "NEW")),
        (Life::Disabled, _) => return Err(refused("status")),
        (_, Some(Said::Draft | Said::New)) => return Err(expected("status", "DISABLED")),
        (_, Some(Said::Disabled)) => {
            return first.map_or(Ok(Change::Disable), |member| Err(refused(member)));
        }
        (Life::New, None) if first.is_none() => {}
        (_, None) => return Err(refused(first.unwrap_or(if texts { "displayName" } else { "status" }))),
    }
    let name = super::wire::name(rule.name.as_str(), own.as_ref());
    let own = own.ok_or_else(|| {
        let message = "the computed attribute was made elsewhere, and is changed there; here it can be disabled";
        Error::new(ErrorKind::Conflict, "computed_attribute_published", message)
    })?;
    let before = own.duration.unwrap_or(Duration { count: 1, unit: super::shape::Unit::Days });
    let window = before.window(own.keep_current)?;
    let sent = match body.expression {
        // What was told of the one before has its window in it.
        Some(sent) => match sent.as_text() {
            Some(text) => Expression::text(unfolded(text, &window)),
            None => sent,
        },
        None => own.sent.clone(),
    };
    let terms = Terms {
        name: body.name.unwrap_or(name),
        display_name: body
            .display_name
            .unwrap_or_else(|| rule.display_name.as_deref().unwrap_or(rule.name.as_str()).to_owned()),
        description: body.description.unwrap_or_else(|| rule.description.as_deref().unwrap_or_default().to_owned()),
        sent,
        duration: body.duration.unwrap_or(before),
        keep_current: body.keep_current.unwrap_or(own.keep_current),
        is_draft: life == Life::Draft && body.status != Some(Said::New),
    };
    let wanted = read(app, asked, terms, (own.id, own.created_by, own.created_millis)).await?;
    Ok(Change::Say(Box::new(wanted)))
}

/// What is to become of a computed attribute.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// It says something else.
    Say(Box<Wanted>),
    /// It is taken out of use.
    Disable,
}

async fn read(
    app: &App,
    asked: &Asked,
    terms: Terms,
    (id, created_by, created_millis): (String, String, i64),
) -> Result<Wanted, Error> {
    let Terms { name, display_name: called, description, sent, duration, keep_current, is_draft } = terms;
    let name = rule_name(&name)?;
    check_unsaid(app, asked.workspace(), name.as_str()).await?;
    let called = display_name(&called).map_err(|_| expected("displayName", "1 to 255 printable characters"))?;
    let description = checked_description(&description)?;
    let window = duration.window(keep_current)?;
    sent.read()?;
    let text = sent.as_text().ok_or_else(|| expected("expression.format", "pql/text"))?;
    let whole = folded(text, &window)?;
    let expr = pql::parse(&whole).map_err(|problem| refused(&problem, &whole))?;
    let (found, _) = function(&expr).ok_or_else(form_expected)?;
    // It names no computed attribute, so that no place of one counts.
    let expr = ours(expr, &Places::default());
    let within = (asked.workspace(), asked.entered.visibility());
    let (definition, given) = compiled(app, within, RULE, (expr, &whole), None).await?;
    check_events_only(&definition)?;
    let gives = gives(found, &given).to_owned();
    let beside = Beside {
        id,
        place: None,
        sent,
        read_as: read_as(&definition),
        duration: Some(duration),
        keep_current,
        gives,
        created_by,
        created_millis,
    };
    let display_name = Some(called).filter(|called| **called != *name.as_str());
    Ok(Wanted { name, display_name, description, definition, beside, is_draft })
}

/// The name of the rule that a computed attribute is.
fn rule_name(name: &str) -> Result<RuleName, Error> {
    let fits = (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !fits {
        return Err(expected("name", format!("1 to {NAME_CHARS_MAX} letters and digits")));
    }
    let before = if name.starts_with(|char: char| char.is_ascii_digit()) { "_" } else { "" };
    RuleName::parse(RULE, &format!("{before}{name}"))
}

/// Refuses the name of an attribute that profiles have been given: it would be shown no more.
async fn check_unsaid(app: &App, workspace: WorkspaceId, name: &str) -> Result<(), Error> {
    let seen = app.service.learned(workspace).await?.seen;
    let is_own = |path: &str| path.split('.').next() == Some(name);
    if seen.keys().any(|subject| matches!(subject, Subject::Attribute(path) if is_own(path))) {
        return Err(expected("name", "a name that no attribute of profiles begins with"));
    }
    Ok(())
}

/// What people say of a rule; nothing where it is empty.
pub(crate) fn checked_description(text: &str) -> Result<Option<Arc<str>>, Error> {
    let text = text.trim();
    if text.chars().count() > DESCRIPTION_MAX || text.chars().any(char::is_control) {
        return Err(expected("description", format!("at most {DESCRIPTION_MAX} printable characters")));
    }
    Ok(Some(text).filter(|text| !text.is_empty()).map(Into::into))
}

/// Refuses what reads more than events (section 6.7).
fn check_events_only(definition: &Definition) -> Result<(), Error> {
    let plan = definition.rule.plan();
    let reads_none = matches!(&plan.attributes, Attributes::At(paths) if paths.is_empty());
    if reads_none && plan.segments.is_empty() {
        return Ok(());
    }
    let message =
        "expression.value: only events and their fields are expected, no attributes, computed attributes or segments";
    Err(invalid("rule_invalid", message))
}

/// The type of what a function gives, as schemas name it.
fn gives(function: Function, given: &Type) -> &'static str {
    match function {
        Function::Sum => "number",
        Function::Count => "integer",
        Function::Min | Function::Max => xdm_type(given),
        Function::MostRecent => "object",
        Function::List => "array",
    }
}

/// The configuration with a new computed attribute.
///
/// # Errors
/// `computed_attribute_exists`, `computed_attribute_path`; as [`put_rule`].
pub(super) fn made(config: &StoredConfig, wanted: Wanted, at: Timestamp) -> Result<StoredConfig, Error> {
    if config.rules().of(RULE).contains_key(wanted.name.as_str()) {
        return Err(exists());
    }
    said(config, wanted, Some(0), at)
}

/// The answer where there is one of this name.
pub(crate) fn exists() -> Error {
    let message = "Function with the same name already exists for the specified schema or definedOn";
    Error::new(ErrorKind::Conflict, "computed_attribute_exists", message)
}

/// The configuration in which a computed attribute has changed.
///
/// # Errors
/// As [`made`]; `computed_attribute_published` where another change came before; `rule_in_use`.
pub(super) fn become_of(
    config: &StoredConfig,
    (name, version, visibility): (&RuleName, u64, Flags),
    change: Change,
    at: Timestamp,
) -> Result<StoredConfig, Error> {
    match change {
        Change::Disable => archive_rule(config, RULE, name.as_str(), config.shows_rules(visibility), at),
        Change::Say(wanted) if wanted.name == *name => said(config, *wanted, Some(version), at),
        Change::Say(wanted) => {
            let without = removed(config, name, visibility)?;
            made(&without, *wanted, at)
        }
    }
}

fn said(config: &StoredConfig, wanted: Wanted, expected: Option<u64>, at: Timestamp) -> Result<StoredConfig, Error> {
    let Wanted { name, display_name, description, definition, beside, is_draft } = wanted;
    let content = RuleContent { display_name, description, definition, is_draft };
    let config = put_rule(config, RULE, &name, content, expected, at)?;
    with_beside(&config, &name, Some(&beside))
}

/// The configuration without a computed attribute.
///
/// # Errors
/// As [`remove_rule`].
pub(crate) fn removed(config: &StoredConfig, name: &RuleName, visibility: Flags) -> Result<StoredConfig, Error> {
    let next = remove_rule(config, RULE, name.as_str(), config.shows_rules(visibility))?;
    with_beside(&next, name, None)
}

/// Deletes a draft.
///
/// # Errors
/// `computed_attribute_published`; as [`removed`].
pub(super) async fn delete(
    app: &App,
    workspace: WorkspaceId,
    (name, life, visibility): (&RuleName, Life, Flags),
) -> Result<(), Error> {
    if life != Life::Draft {
        let message =
            format!("only a DRAFT is deleted, and the computed attribute is {}; it can be disabled", life.name());
        return Err(Error::new(ErrorKind::Conflict, "computed_attribute_published", message));
    }
    let own = name.clone();
    let change = move |config: &StoredConfig, _| {
        // It may have been published meanwhile.
        let rule = config.rules().find(RULE, own.as_str())?;
        if rule.next().or(rule.live()).is_some() {
            let message = "only a DRAFT is deleted, and the computed attribute is published; it can be disabled";
            return Err(Error::new(ErrorKind::Conflict, "computed_attribute_published", message));
        }
        removed(config, &own, visibility)
    };
    app.service.configure_rules(workspace, change).await.map(drop)
}

/// What is beside a computed attribute of a configuration, by its name.
pub(super) fn own(config: &StoredConfig, name: &RuleName) -> Option<Beside> {
    beside(config, name.as_str())
}
