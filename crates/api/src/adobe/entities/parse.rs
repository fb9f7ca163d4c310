//! What a look-up asks for.

use tessera_engine::config::Kind;
use tessera_service::error::Error;

use super::super::errors::invalid_parameter;
use super::super::xid::Said;
use crate::extract::Query;

/// The parameters of a look-up. Some are written in two ways (spec/adobe.md section 17): both are taken.
pub(super) const PARAMETERS: &[(&str, &str)] = &[
    ("schema.name", "`_xdm.context.profile`, `_xdm.context.account` or `_xdm.context.experienceevent`."),
    ("entityId", "An XID, or an id with `entityIdNS`."),
    ("entityIdNS", "The code of the namespace of `entityId`."),
    ("entityIdNs", "The same."),
    ("fields", "Paths that are shown, with commas; all where it is left out."),
    ("mergePolicyId", "The merge policy; the default one where it is left out."),
    ("withCA", "Whether computed attributes are shown."),
];

/// A class of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// People, or accounts.
    Record(Kind),
    /// What happened.
    Event,
}

/// What of an entity is shown, and under which merge policy.
pub(super) struct Shape {
    /// Paths; all where there are none.
    pub(super) fields: Option<Vec<String>>,
    pub(super) policy: Option<String>,
    pub(super) with_computed: bool,
}

/// A look-up of one record.
pub(super) struct Record {
    pub(super) kind: Kind,
    id: String,
    code: Option<String>,
    pub(super) shape: Shape,
}

impl Record {
    pub(super) fn identity(&self) -> Said<'_> {
        Said { id: &self.id, code: self.code.as_deref() }
    }
}

/// Reads a class.
///
/// # Errors
/// `query_invalid`.
pub(super) fn class(name: Option<&str>) -> Result<Class, Error> {
    match name {
        Some("_xdm.context.profile") => Ok(Class::Record(Kind::Person)),
        Some("_xdm.context.account") => Ok(Class::Record(Kind::Account)),
        Some("_xdm.context.experienceevent") => Ok(Class::Event),
        Some(_) => Err(invalid_parameter(
            "schema.name",
            "_xdm.context.profile, _xdm.context.account or _xdm.context.experienceevent is expected",
        )),
        None => Err(invalid_parameter("schema.name", "it is required")),
    }
}

/// Reads a look-up of one record.
///
/// # Errors
/// `query_invalid`.
pub(super) fn record(query: &Query) -> Result<Record, Error> {
    let Class::Record(kind) = class(query.get("schema.name"))? else {
        return Err(invalid_parameter("schema.name", "events are looked up otherwise"));
    };
    let id = query.get("entityId").ok_or_else(|| invalid_parameter("entityId", "it is required"))?.to_owned();
    let code = either(query, ["entityIdNS", "entityIdNs"]).map(str::to_owned);
    Ok(Record { kind, id, code, shape: shape(query)? })
}

/// Reads what is shown.
///
/// # Errors
/// `query_invalid`.
pub(super) fn shape(query: &Query) -> Result<Shape, Error> {
    let fields = query.get("fields").map(|list| list.split(',').map(|path| path.trim().to_owned()).collect());
    let policy = query.get("mergePolicyId").map(str::to_owned);
    Ok(Shape { fields, policy, with_computed: query.flag("withCA")? })
}

/// The value of a parameter that is written in two ways.
pub(super) fn either<'a>(query: &'a Query, names: [&str; 2]) -> Option<&'a str> {
    query.get(names[0]).or_else(|| query.get(names[1]))
}
