//! Rules as this API sends them and tells them (spec/adobe.md sections 14 to 16): in the names of its schemas, as text or as a tree of nodes.
//!
//! What stands in a profile has the same names here; events have what is theirs below `properties`. A computed attribute stands where the API
//! says that it does, and is one name here.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use tessera_engine::config::Namespace;
use tessera_engine::model::Flags;
use tessera_engine::normalise::normalise;
use tessera_engine::view::IDENTITIES;
use tessera_expr::ast::{Expr, Name};
use tessera_expr::calendar::Zone;
use tessera_expr::check::{Type, check_as};
use tessera_expr::problem::{Place, Problem};
use tessera_expr::rename::{Names, renamed};
use tessera_expr::{pql, pql_json};
use tessera_seam::answer::invalid;
use tessera_seam::app::App;
use tessera_service::directory::WorkspaceId;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::json::{Spelling, read_value, write_value};
use tessera_service::rules::RuleModel;
use tessera_service::workspace_config::{Definition, PolicyId, RuleKind, StoredConfig, Target};
use utoipa::ToSchema;

use super::namespaces::{code_of, name_of};
use super::objects::{expected, missing};

/// The form of text.
pub(super) const TEXT: &str = "pql/text";
/// The form of nodes.
pub(super) const NODES: &str = "pql/json";
/// Objects and arrays in each other that a tree of nodes may have.
const NODES_DEPTH_MAX: usize = 128;
/// What stands at the top of an event itself.
const OF_EVENTS: [&str; 3] = ["_id", "eventType", "timestamp"];
/// Where payloads of other doors have what is theirs; no schema of this API has such a name at the top of an event.
const ELSEWHERE: [&str; 5] = ["properties", "items", "traits", "context", COMPUTED];
/// Where events have what was computed of them.
const COMPUTED: &str = "computed";

/// A rule as it is sent and told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdobeExpression)]
pub(super) struct Expression {
    /// `PQL`.
    #[serde(rename = "type", default)]
    #[schema(rename = "type")]
    pub(super) kind: String,
    /// `pql/text` or `pql/json`.
    #[serde(default)]
    pub(super) format: String,
    /// The rule. One of nodes is a text with JSON, or the JSON.
    #[serde(default)]
    pub(super) value: Json,
    /// Whatever the client keeps with it.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    #[schema(value_type = Option<String>)]
    pub(super) meta: Json,
}

impl Expression {
    /// A rule in text.
    pub(super) fn text(value: String) -> Self {
        Self { kind: "PQL".to_owned(), format: TEXT.to_owned(), value: value.into(), meta: Json::Null }
    }

    /// A rule as nodes: a text with JSON.
    pub(super) fn nodes(expr: &Expr) -> Self {
        let mut json = Vec::new();
        write_value(&pql_json::write(expr), &mut json);
        let value = String::from_utf8_lossy(&json).into_owned();
        Self { format: NODES.to_owned(), ..Self::text(value) }
    }

    /// The text of a rule in text.
    pub(super) fn as_text(&self) -> Option<&str> {
        self.value.as_str().filter(|_| self.format == TEXT)
    }

    /// Reads the rule, in the names of this API.
    ///
    /// # Errors
    /// `member_invalid`, `rule_invalid`.
    pub(super) fn read(&self) -> Result<Expr, Error> {
        if self.kind != "PQL" {
            return Err(expected("expression.type", "PQL"));
        }
        let text = self.value.as_str();
        match (self.format.as_str(), text) {
            (TEXT, Some(text)) => pql::parse(text).map_err(|problem| refused(&problem, text)),
            (NODES, Some(text)) => {
                let nodes = serde_json::from_str(text)
                    .map_err(|_| expected("expression.value", "a text with the JSON of nodes"))?;
                read_nodes(&nodes)
            }
            (NODES, None) if self.value.is_object() => read_nodes(&self.value),
            (TEXT | NODES, None) if self.value.is_null() => Err(missing("expression.value")),
            (TEXT | NODES, None) => Err(expected("expression.value", "a text")),
            _ => Err(expected("expression.format", format!("{TEXT} or {NODES}"))),
        }
    }
}

fn read_nodes(nodes: &Json) -> Result<Expr, Error> {
    let deep = |reason| invalid("rule_invalid", format!("expression.value: {reason}"));
    let value = read_value(nodes, Spelling::Plain, NODES_DEPTH_MAX).map_err(deep)?;
    pql_json::read(&value).map_err(|problem| refused(&problem, ""))
}

/// The answer to a rule that cannot be read, or that says what there is not.
pub(super) fn refused(problem: &Problem, text: &str) -> Error {
    let place = match (&problem.at, problem.at.line_column(text)) {
        (Place::Text { .. }, Some((line, column))) if !text.is_empty() => format!(" at line {line} column {column}"),
        (Place::Tree(path), _) => format!(" at {path}"),
        _ => String::new(),
    };
    let hint = problem.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
    let message = format!("expression.value: {}: expected {}{place}{hint}", problem.code.as_str(), problem.expected);
    invalid("rule_invalid", message)
}

/// The names of where a computed attribute stands, and what it is called here.
type Placed = (Vec<Name>, Name);

/// Where computed attributes stand in profiles and in events of this API.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    profiles: Vec<Placed>,
    events: Vec<Placed>,
    /// How identifiers are spelled.
    spellings: Vec<Namespace>,
}

impl Places {
    /// Those of these computed attributes of profiles.
    pub(super) fn new(places: impl IntoIterator<Item = Placed>) -> Self {
        Self { profiles: places.into_iter().collect(), ..Self::default() }
    }

    /// The same, with what identifiers are compared with in the one spelling of theirs.
    pub(super) fn spelled(self, spellings: Vec<Namespace>) -> Self {
        Self { spellings, ..self }
    }

    /// The same with these that are written into events.
    pub(super) fn with_events(self, places: impl IntoIterator<Item = Placed>) -> Self {
        Self { events: places.into_iter().collect(), ..self }
    }
}

/// What stands at the beginning of these names is called by its own name, below these.
fn called(placed: &[Placed], below: Option<&str>, names: &[Name]) -> Option<Vec<Name>> {
    let (place, name) = placed.iter().find(|(place, _)| names.starts_with(place))?;
    let own = below.map(Name::from).into_iter().chain([name.clone()]);
    Some(own.chain(names[place.len()..].iter().cloned()).collect())
}

/// What these names begin with stands at its place.
fn standing(placed: &[Placed], names: &[Name]) -> Option<Vec<Name>> {
    let (name, rest) = names.split_first()?;
    let (place, _) = placed.iter().find(|(_, own)| own == name)?;
    Some(place.iter().chain(rest).cloned().collect())
}

/// From the names of this API to ours.
struct Ours<'a>(&'a Places);

impl Names for Ours<'_> {
    fn attribute(&self, names: &[Name]) -> Vec<Name> {
        if let Some(called) = called(&self.0.profiles, None, names) {
            return called;
        }
        match names {
            [map, code] if &**map == "identityMap" => vec![IDENTITIES.into(), name_of(code).into()],
            [map, code, id] if &**map == "identityMap" && &**id == "id" => {
                vec![IDENTITIES.into(), name_of(code).into()]
            }
            names => names.to_vec(),
        }
    }

    fn property(&self, names: &[Name]) -> Vec<Name> {
        if let Some(called) = called(&self.0.events, Some(COMPUTED), names) {
            return called;
        }
        let root = names.first().map_or("", |root| root);
        let is_own = OF_EVENTS.contains(&root) || ELSEWHERE.contains(&root);
        let below = (!is_own).then(|| Name::from("properties"));
        below.into_iter().chain(names.iter().cloned()).collect()
    }

    fn segment(&self, name: &Name) -> Name {
        name.clone()
    }

    fn value(&self, names: &[Name]) -> Option<Name> {
        matches!(names, [map, _] if &**map == "identityMap").then(|| "id".into())
    }

    fn spelled(&self, names: &[Name], text: &str) -> Option<Name> {
        let name = match names {
            [name] => name,
            [root, name] if **root == *IDENTITIES => name,
            _ => return None,
        };
        let namespace = self.0.spellings.iter().find(|own| *own.name.as_str() == **name)?;
        normalise(namespace, text).ok()
    }
}

/// From our names to those of this API.
struct Theirs<'a>(&'a Places);

impl Names for Theirs<'_> {
    fn attribute(&self, names: &[Name]) -> Vec<Name> {
        if let Some(standing) = standing(&self.0.profiles, names) {
            return standing;
        }
        match names {
            [own, namespace] if &**own == IDENTITIES => {
                vec!["identityMap".into(), code_of(namespace).into(), "id".into()]
            }
            names => names.to_vec(),
        }
    }

    fn property(&self, names: &[Name]) -> Vec<Name> {
        match names {
            [root, below @ ..] if &**root == "properties" => {
                let is_free = below.first().is_some_and(|first| {
                    let first = &**first;
                    !OF_EVENTS.contains(&first) && !ELSEWHERE.contains(&first)
                });
                if is_free { below.to_vec() } else { names.to_vec() }
            }
            [root, below @ ..] if &**root == COMPUTED => {
                standing(&self.0.events, below).unwrap_or_else(|| names.to_vec())
            }
            names => names.to_vec(),
        }
    }

    fn segment(&self, name: &Name) -> Name {
        name.clone()
    }
}

/// A rule in our names.
pub(super) fn ours(expr: Expr, places: &Places) -> Expr {
    renamed(expr, &Ours(places))
}

/// A rule in the names of this API.
pub(super) fn theirs(expr: Expr, places: &Places) -> Expr {
    renamed(expr, &Theirs(places))
}

/// What a rule says, as this API would write it.
pub(super) fn printed(definition: &Definition, places: &Places) -> Expression {
    let expr = theirs(definition.rule.source().clone(), places);
    let of_event = expr.first_event_value().filter(|_| definition.into == Target::Events);
    Expression::text(pql::print(of_event.unwrap_or(&expr)))
}

/// What tells the rule that something was read as from others: where there is another one by now, what was sent says it no more. It is kept beside
/// what was sent, and the rule stands elsewhere, so that it is short.
pub(super) fn read_as(definition: &Definition) -> String {
    let hash = Sha256::digest(definition.pql.as_bytes());
    hash.iter().take(8).fold(String::with_capacity(16), |text, byte| format!("{text}{byte:02x}"))
}

/// A rule as it was sent, as long as the one that is kept is what it was read as; otherwise what that says.
pub(super) fn told(definition: &Definition, sent: Option<(&Expression, &str)>, places: &Places) -> Expression {
    match sent {
        Some((expression, own)) if own == read_as(definition) => expression.clone(),
        Some(_) | None => printed(definition, places),
    }
}

/// A rule of our names, checked as any is, and the type of what it gives.
///
/// # Errors
/// `rule_invalid`, `rule_reads_hidden`.
pub(super) async fn compiled(
    app: &App,
    (workspace, visibility): (WorkspaceId, Flags),
    kind: RuleKind,
    (expr, text): (Expr, &str),
    policy: Option<PolicyId>,
) -> Result<(Definition, Type), Error> {
    let model = app.service.rule_model(workspace, visibility).await?;
    let refused = |problem: Problem| refused(&problem, text);
    let given = check_as(&expr, kind.purpose(), &model).map_err(refused)?;
    let definition = Definition::new(kind, expr, Zone::utc(), policy).map_err(refused)?;
    seen(&model, definition).map(|definition| (definition, given))
}

/// A value of events, as [`compiled`].
///
/// # Errors
/// `rule_invalid`, `rule_reads_hidden`.
pub(super) async fn compiled_of_events(
    app: &App,
    (workspace, visibility): (WorkspaceId, Flags),
    (expr, text): (Expr, &str),
    places: &Places,
) -> Result<(Definition, Type), Error> {
    let model = app.service.rule_model(workspace, visibility).await?;
    let refused = |problem: Problem| refused(&problem, text);
    let whole = ours(expr.of_first_event(), places);
    let given = check_as(&whole, RuleKind::Attribute.purpose(), &model).map_err(refused)?;
    let own = whole.first_event_value().cloned().unwrap_or(whole);
    let definition = Definition::of_events(own, Zone::utc()).map_err(refused)?;
    seen(&model, definition).map(|definition| (definition, given))
}

/// A rule that reads nothing that is hidden from the caller.
fn seen(model: &RuleModel, definition: Definition) -> Result<Definition, Error> {
    if model.hides_rule(&definition.rule) {
        let message = "expression.value: it reads attributes or events that this key may not see";
        return Err(Error::new(ErrorKind::Forbidden, "rule_reads_hidden", message));
    }
    Ok(definition)
}

/// What a type is called in schemas, for `meta:xdmType`.
pub(super) const fn xdm_type(kind: &Type) -> &'static str {
    match kind {
        Type::Boolean => "boolean",
        Type::Number => "number",
        Type::Text => "string",
        Type::Time => "date-time",
        Type::List(_) => "array",
        Type::Map(_) => "map",
        Type::Object | Type::Event => "object",
        Type::Any => "any",
    }
}

/// All computed attributes of a workspace, where this API has them.
pub(super) fn places(config: &StoredConfig, org: &str) -> Places {
    let places = |target| super::computed_attributes::places(config, org, target);
    let own = Places::new(places(Target::Profiles)).with_events(places(Target::Events));
    own.spelled(config.spellings())
}

#[cfg(test)]
mod tests;
