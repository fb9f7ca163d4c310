//! Configuration as files declare it, for `tessera apply`: read by the code that reads requests, checked as a change of an empty
//! workspace is, and written as answers write it, so that a file and an answer can be compared member by member.
//!
//! It is no door and changes nothing. What depends on what a workspace holds already is the server's to judge.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tessera_expr::plan::Attributes;
use tessera_expr::pql;
use tessera_expr::rule::{Purpose, Rule};
use tessera_seam::body;
use tessera_service::error::Error;
pub use tessera_service::workspace_config::RuleKind;
use tessera_service::workspace_config::RuleName;

use crate::{admin, native};

/// What is wrong with a declaration.
#[derive(Debug)]
pub struct Wrong {
    /// One of the documented codes.
    pub code: &'static str,
    /// What was expected, and where.
    pub message: String,
    /// The line of the text, counted from 1, where the form is wrong; none where only the whole is.
    pub line: Option<usize>,
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self { code: error.code, message: error.message.into(), line: None }
    }
}

/// A data model: `mode`, `datasets`, `attributes`, `event_types`.
///
/// # Errors
/// As `PUT /v1/data-model`.
pub fn data_model(json: &str) -> Result<Value, Wrong> {
    native::declared_data_model(json)
}

/// The namespace of this name: `kind`, `normaliser`, `region`, and its rules.
///
/// # Errors
/// As `POST /v1/admin/namespaces`.
pub fn namespace(name: &str, json: &str) -> Result<Value, Wrong> {
    admin::declared_namespace(name, json)
}

/// Which namespace the read by id tries first: `namespace`.
///
/// # Errors
/// As `PUT /v1/admin/primary-namespace`.
pub fn primary_namespace(json: &str) -> Result<Value, Wrong> {
    admin::declared_primary(json)
}

/// The limits of a workspace.
///
/// # Errors
/// As `PUT /v1/admin/limits`.
pub fn limits(json: &str) -> Result<Value, Wrong> {
    admin::declared_limits(json)
}

/// The bound of a workspace: `rate_limit`.
///
/// # Errors
/// As `PUT /v1/admin/workspaces/{workspace}/rate-limit`.
pub fn rate_limit(json: &str) -> Result<Value, Wrong> {
    admin::declared_rate_limit(json)
}

/// The merge policy of this id: `name`, `identity_graph`, `attribute_merge`, `rules`.
///
/// # Errors
/// As `POST /v1/merge-policies`.
pub fn merge_policy(id: &str, json: &str) -> Result<Value, Wrong> {
    native::declared_merge_policy(id, json)
}

/// Which merge policy reads take that name none: `merge_policy`.
///
/// # Errors
/// As `PUT /v1/default-merge-policy`.
pub fn default_merge_policy(json: &str) -> Result<Value, Wrong> {
    native::declared_default_policy(json)
}

/// The name that paths have for a computed attribute which is called so, or for a segment: the same text where that is one.
#[must_use]
pub fn rule_name(kind: RuleKind, called: &str) -> String {
    RuleName::of(kind, called).map_or_else(|_| called.to_owned(), |(name, _)| name.to_string())
}

/// The computed attribute of this name: `description`, `pql`, `time_zone`, and `status` where it is a draft.
///
/// # Errors
/// As `POST /v1/attributes`.
pub fn attribute(name: &str, json: &str) -> Result<Value, Wrong> {
    native::declared_stored_rule(RuleKind::Attribute, name, json)
}

/// The segment of this name: as a computed attribute, and `merge_policy`.
///
/// # Errors
/// As `POST /v1/segments`.
pub fn segment(name: &str, json: &str) -> Result<Value, Wrong> {
    native::declared_stored_rule(RuleKind::Segment, name, json)
}

/// What a rule names. Not all of it need be there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Where the paths of the attributes that it reads begin: names of computed attributes, among others. None where it takes the profile
    /// as a whole.
    pub attributes: BTreeSet<String>,
    /// The segments that it asks about.
    pub segments: BTreeSet<String>,
}

/// What a rule names, in the form that [`attribute`] and [`segment`] answer with.
#[must_use]
pub fn named_by(rule: &Value) -> Named {
    let expr = rule["pql"].as_str().and_then(|text| pql::parse(text).ok());
    // What is read of an expression is the same whatever it is asked for.
    let Some(rule) = expr.and_then(|expr| Rule::compile(expr, Purpose::Value).ok()) else { return Named::default() };
    let plan = rule.plan();
    let attributes = match &plan.attributes {
        Attributes::All => BTreeSet::new(),
        Attributes::At(paths) => paths.iter().filter_map(|path| path.first()).map(ToString::to_string).collect(),
    };
    Named { attributes, segments: plan.segments.iter().map(ToString::to_string).collect() }
}

/// The token issuer of this name: `iss`, `algorithm`, `audiences`, `public_keys` or `jwks`.
///
/// # Errors
/// As `PUT /v1/admin/token-issuers/{issuer}`.
pub fn token_issuer(name: &str, json: &str) -> Result<Value, Wrong> {
    admin::declared_token_issuer(name, json)
}

/// The connection of this name: `kind`, `url`, `password`. Its secrets are references: a file that is kept holds none.
///
/// # Errors
/// As `PUT /v1/connections/{name}`; `secret_in_file`.
pub fn connection(name: &str, json: &str) -> Result<Value, Wrong> {
    native::declared_connection(name, json)
}

/// The source of this name: `connection`, `sql` or `table`, and what becomes of its columns.
///
/// # Errors
/// As `PUT /v1/sources/{name}`.
pub fn source(name: &str, json: &str) -> Result<Value, Wrong> {
    native::declared_source(name, json)
}

/// The activation of this name: `connection`, `segment`, `columns`, and `table` or `path`.
///
/// # Errors
/// As `PUT /v1/activations/{name}`.
pub fn activation(name: &str, json: &str) -> Result<Value, Wrong> {
    native::declared_activation(name, json)
}

/// Whether an activation can be written over a connection, both in the form that [`activation`] and [`connection`] answer with.
///
/// # Errors
/// `connection_not_of_tables`, `connection_not_of_files`.
pub fn activation_over(activation: &Value, connection: &Value) -> Result<(), Wrong> {
    native::declared_activation_over(activation, connection)
}

/// Whether two activations write to one table or path, each over its connection.
#[must_use]
pub fn is_one_target(one: (&Value, &Value), other: (&Value, &Value)) -> bool {
    native::is_one_declared_target(one, other).unwrap_or(false)
}

/// The rules of erasures.
///
/// # Errors
/// As `PUT /v1/admin/erasures`.
pub fn erasure_rules(json: &str) -> Result<Value, Wrong> {
    native::declared_erasure_rules(json)
}

/// A declaration as an object of this form.
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> Result<T, Wrong> {
    body::object(json).map_err(|error| Wrong {
        code: "body_invalid",
        message: body::form_expected(&error),
        line: Some(error.line()).filter(|line| *line > 0),
    })
}

/// What stands in an answer.
pub(crate) fn written(wire: &impl Serialize) -> Value {
    serde_json::to_value(wire).expect("our wire types have text keys and serialise without fail")
}

#[cfg(test)]
mod tests;
