//! What the data model says to facts as they come in: in `strict` data that does not fit is refused, in `warn` it is stored and
//! its sender is told.
//!
//! An attribute is refused by itself, an event whole. What is refused of an attribute is kept nowhere, not in the payload of its
//! call either. Pure: the fact and the model come in, the verdict's notes go out.

use std::collections::HashSet;

use tessera_engine::fact::{Call, Fact};
use tessera_engine::model::{DataModel, Mode, Problem};
use tessera_engine::normalise::has_unseen;
use tessera_engine::prepare::Rejection;
use tessera_engine::value::{Path, Value};

use crate::base::json::{self, DEPTH_MAX, Spelling, read_value};
use crate::base::names;
use crate::base::payload::{self, Payload};
use crate::base::verdict::Note;
use crate::config::workspace::StoredConfig;
use tessera_engine::view::RESERVED;

/// A fact that the model lets in, and under which configuration it did.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    /// The version of the configuration that was asked.
    pub(crate) config_version: u64,
    /// What the door did to the fact, and what of it does not fit.
    pub(crate) notes: Vec<Note>,
}

impl Admission {
    /// Asks about a fact that comes in, of which a door has said this.
    ///
    /// # Errors
    /// As [`admit`].
    pub(crate) fn of(fact: &mut Fact, mut notes: Vec<Note>, config: &StoredConfig) -> Result<Self, Rejection> {
        notes.extend(respelled(fact));
        notes.extend(admit(fact, &config.model().model)?);
        Ok(Self { config_version: config.version(), notes })
    }

    /// The notes, after asking again where the configuration is another by now: a change means what it means where it was
    /// committed. What was refused before is gone.
    ///
    /// # Errors
    /// As [`admit`].
    pub(crate) fn renewed(self, fact: &mut Fact, config: &StoredConfig) -> Result<Vec<Note>, Rejection> {
        if self.config_version == config.version() {
            return Ok(self.notes);
        }
        let mut notes = self.notes;
        notes.retain(|note| !matches!(note, Note::Misfit { .. }));
        notes.extend(admit(fact, &config.model().model)?);
        Ok(notes)
    }
}

/// The identities that are taken without characters that nobody sees.
fn respelled(fact: &Fact) -> impl Iterator<Item = Note> {
    let account = fact.account.iter().map(|account| &account.claim);
    let unseen = fact.claims.iter().chain(account).filter(|claim| has_unseen(&claim.value));
    unseen
        .map(|claim| Note::IdentityRespelled { namespace: claim.namespace.clone(), code: "identity_format_characters" })
}

/// Asks the model about a fact, and takes away what is refused of it.
///
/// # Errors
/// The rejection of an event in a strict dataset, with the first thing that does not fit.
fn admit(fact: &mut Fact, model: &DataModel) -> Result<Vec<Note>, Rejection> {
    let mut notes = match model.mode_of(&fact.dataset) {
        Mode::Open => Vec::new(),
        Mode::Warn => warned(fact, model),
        Mode::Strict => strictly(fact, model)?,
    };
    notes.extend(hidden(fact));
    notes.extend(unspelled(fact));
    Ok(notes)
}

/// The attributes that no read shows, since it has something of its own under their name.
fn hidden(fact: &Fact) -> impl Iterator<Item = Note> {
    let account = fact.account.iter().flat_map(|account| &account.attributes);
    let paths = || account.clone().chain(&fact.attributes).map(|(path, _)| path.as_str());
    let is_below =
        |path: &str, name: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let found: Vec<&str> = RESERVED.into_iter().filter(|name| paths().any(|path| is_below(path, name))).collect();
    found.into_iter().map(|name| Note::Misfit {
        path: name.into(),
        code: "attribute_name_reserved",
        message: "another name is expected: reads show something of their own under this one and hide what is stored"
            .into(),
    })
}

/// Attributes with a member that looks like an operation, and is none: they are stored as they stand.
fn unspelled(fact: &Fact) -> impl Iterator<Item = Note> {
    let account = fact.account.iter().flat_map(|account| &account.attributes);
    let paths = account.chain(&fact.attributes).map(|(path, _)| path).filter(|path| path.as_str().contains('$'));
    paths.filter_map(|path| {
        let name = path.segments().skip(1).find(|name| name.starts_with('$'))?;
        Some(Note::Misfit {
            path: path.as_str().into(),
            code: "attribute_operation_unknown",
            message: format!(
                "{name} is no operation, so it is stored as the name of a member; $timestamp, $set, $add, $remove and $unset are known where records state attributes"
            )
            .into(),
        })
    })
}

fn warned(fact: &Fact, model: &DataModel) -> Vec<Note> {
    let account = fact.account.iter().flat_map(|account| &account.attributes);
    let of_attributes = account.chain(&fact.attributes);
    let problems = of_attributes.filter_map(|(path, value)| model.check_attribute(path, value).err());
    let problems = problems.chain(fact.call.iter().flat_map(|call| event_problems(call, model)));
    let note = |problem: Problem| {
        count(Mode::Warn, problem.code);
        Note::Misfit { message: problem.message().into(), code: problem.code, path: problem.path.into() }
    };
    problems.map(note).collect()
}

fn strictly(fact: &mut Fact, model: &DataModel) -> Result<Vec<Note>, Rejection> {
    let problems = fact.call.as_ref().map_or_else(Vec::new, |call| event_problems(call, model));
    if let Some(first) = problems.first() {
        count(Mode::Strict, first.code);
        let more = match problems.len() - 1 {
            0 => String::new(),
            DataModel::PROBLEMS_MAX.. => " (and more)".to_owned(),
            more => format!(" (and {more} more)"),
        };
        return Err(Rejection::new(first.code, format!("{}{more}", first.message())));
    }
    let mut refused = HashSet::new();
    let mut notes = Vec::new();
    let mut fits = |path: &Path, value: &Value| match model.check_attribute(path, value) {
        Ok(()) => true,
        Err(problem) => {
            count(Mode::Strict, problem.code);
            notes.push(Note::AttributeRefused {
                message: problem.message().into(),
                code: problem.code,
                path: problem.path.into(),
            });
            refused.insert(path.clone());
            false
        }
    };
    for attributes in fact.account.iter_mut().map(|account| &mut account.attributes).chain([&mut fact.attributes]) {
        attributes.retain(|(path, value)| fits(path, value));
    }
    if let Some(call) = fact.call.as_mut().filter(|_| !refused.is_empty())
        && let Some(stripped) = payload::strip(&call.payload, &|path| refused.contains(path), &|_| false)
    {
        call.payload = stripped;
    }
    Ok(notes)
}

/// What of a call does not fit the type of its event. Calls without a name are no events.
fn event_problems(call: &Call, model: &DataModel) -> Vec<Problem> {
    let Some(name) = &call.name else { return Vec::new() };
    match properties(&call.payload) {
        Ok(properties) => model.check_event(name, &properties),
        Err(problem) => vec![problem],
    }
}

/// The properties of a call, by its payload, as a value; an empty object where it has none.
pub(crate) fn properties(payload: &[u8]) -> Result<Value, Problem> {
    let unreadable =
        |expected: String| Problem { code: "property_invalid", path: String::new(), expected, found: None };
    let payload: Payload<'_> =
        serde_json::from_slice(payload).map_err(|_| unreadable("a payload that can be read".to_owned()))?;
    let Some(json) = payload.properties else { return Ok(Value::object(Vec::new())) };
    let json = json::parse(json.get().as_bytes()).ok_or_else(|| unreadable("properties of unicode text".to_owned()))?;
    read_value(&json, Spelling::Plain, DEPTH_MAX)
        .map_err(|reason| unreadable(format!("properties that can be kept ({reason})")))
}

fn count(mode: Mode, code: &'static str) {
    metrics::counter!(names::MISFITS, "mode" => mode.name(), "code" => code).increment(1);
}
