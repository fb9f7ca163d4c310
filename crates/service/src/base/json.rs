//! JSON to attributes and back.
//!
//! Coming in, an object becomes one value per leaf; going out, values are written straight to text.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tessera_engine::value::{Decimal, InvalidMember, NumberError, Path, Value};

use crate::base::clock::parse_timestamp;

mod parse;
mod write;

#[cfg(test)]
mod tests;

pub use parse::parse;
pub use write::{write_text, write_tree, write_value};

/// How deep JSON may be nested in an event: objects and arrays in each other, the event counted.
pub const DEPTH_MAX: usize = 200;

/// What JSON an attribute may be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// JSON means what it says.
    Plain,
    /// The native door's additions are read: `{"$timestamp":"2026-11-21T23:00:00Z"}` and `{"$set":[…]}`, and as an attribute the
    /// operations `{"$add":[…],"$remove":[…]}` and `{"$unset":true}`.
    Native,
}

/// Bounds on the attributes of one fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Attributes (leaves).
    pub attributes_max: usize,
    /// Objects and arrays in each other, the outermost object counted. At most [`Path::SEGMENTS_MAX`] count as names.
    pub depth_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { attributes_max: 1_000, depth_max: Path::SEGMENTS_MAX }
    }
}

/// Why an object holds no attributes of ours, and where. It never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} path={}", .path.as_ref().map_or("", Path::as_str))]
pub struct AttributeError {
    /// The attribute, or the innermost object around it that has a path; none for the whole.
    pub path: Option<Path>,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Objects and arrays lie too deep in each other.
    #[error("too deep")]
    TooDeep,
    /// A number lies beyond about 1.7e20.
    #[error("number out of range")]
    NumberOutOfRange,
    /// A name has more than 200 bytes, or all names on the way more than 1,000.
    #[error("name too long")]
    NameTooLong,
    /// There are too many attributes.
    #[error("too many attributes")]
    TooMany,
    /// `$timestamp` holds no time.
    #[error("not a time")]
    NotATime,
    /// `$set` holds no array.
    #[error("not a set")]
    NotASet,
    /// An operation is of another form than they have.
    #[error(r#"not an operation: {{"$add":[…],"$remove":[…]}} with no value in both, or {{"$unset":true}}"#)]
    NotAnOperation,
    /// An operation adds or removes what can be no member of a set.
    #[error("{0}")]
    NotAMember(InvalidMember),
}

/// The attributes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flattened {
    /// The leaves, in the order of the object. Arrays and `null` are leaves; `{}` is one too.
    pub leaves: Vec<(Path, Value)>,
    /// Members that can be no attribute by their name, depth or number, in order.
    pub left_out: Vec<AttributeError>,
}

/// The attributes of an object, leaf by leaf. What can be none by its name, its depth or its number is left out.
///
/// # Errors
/// [`AttributeError`] for the first that is written in a spelling of ours and wrong in it, and when there are too many.
pub fn flatten(object: &Map<String, Json>, spelling: Spelling, bounds: Bounds) -> Result<Flattened, AttributeError> {
    let done = Flattened { leaves: Vec::with_capacity(object.len()), left_out: Vec::new() };
    let mut flattening = Flattening { spelling, bounds, done };
    flattening.members(None, object, 1)?;
    Ok(flattening.done)
}

/// One value, objects and arrays inside kept as they are.
///
/// # Errors
/// [`Reason`] when it is none of ours.
pub fn read_value(json: &Json, spelling: Spelling, depth_max: usize) -> Result<Value, Reason> {
    match json {
        Json::Null => Ok(Value::Null),
        Json::Bool(truth) => Ok(Value::Bool(*truth)),
        Json::Number(number) => read_number(number),
        Json::String(text) => Ok(Value::text(text)),
        Json::Array(items) => Ok(Value::List(read_items(items, spelling, depth_max)?.into())),
        Json::Object(members) => match read_spelled(members, spelling, depth_max) {
            Some(value) => value,
            None => read_object(members, spelling, depth_max),
        },
    }
}

struct Flattening {
    spelling: Spelling,
    bounds: Bounds,
    done: Flattened,
}

impl Flattening {
    fn members(
        &mut self,
        above: Option<&Path>,
        object: &Map<String, Json>,
        depth: usize,
    ) -> Result<(), AttributeError> {
        if depth > self.bounds.depth_max || depth > Path::SEGMENTS_MAX {
            return self.wrong(above, Reason::TooDeep);
        }
        for (name, json) in object {
            let path = match above {
                None => Path::root(name),
                Some(above) => above.child(name),
            };
            // The depth was checked above, so only a length can be wrong.
            let Ok(path) = path else {
                self.wrong(above, Reason::NameTooLong)?;
                continue;
            };
            let done = match json {
                Json::Object(inner) if is_operation(inner, self.spelling) => self.operation(&path, inner),
                Json::Object(inner) if !inner.is_empty() && !is_spelled(inner, self.spelling) => {
                    self.members(Some(&path), inner, depth + 1)?;
                    Ok(())
                }
                leaf => {
                    let value = read_value(leaf, self.spelling, self.bounds.depth_max - depth);
                    value.and_then(|value| self.push(path.clone(), value))
                }
            };
            done.or_else(|reason| self.wrong(Some(&path), reason))?;
        }
        Ok(())
    }

    /// Leaves an attribute out, unless its writer meant something that we would have to guess.
    fn wrong(&mut self, path: Option<&Path>, reason: Reason) -> Result<(), AttributeError> {
        let error = AttributeError { path: path.cloned(), reason };
        match reason {
            Reason::TooDeep | Reason::NumberOutOfRange | Reason::NameTooLong => {
                self.done.left_out.push(error);
                Ok(())
            }
            Reason::TooMany | Reason::NotATime | Reason::NotASet | Reason::NotAnOperation | Reason::NotAMember(_) => {
                Err(error)
            }
        }
    }

    /// Adds and removals, each a leaf below the set; unset is null, as it is everywhere.
    fn operation(&mut self, path: &Path, operation: &Map<String, Json>) -> Result<(), Reason> {
        if operation.contains_key("$unset") {
            let is_unset = operation.len() == 1 && operation.get("$unset") == Some(&Json::Bool(true));
            return if is_unset { self.push(path.clone(), Value::Null) } else { Err(Reason::NotAnOperation) };
        }
        let added = read_members(operation, "$add", path)?;
        let removed = read_members(operation, "$remove", path)?;
        let members = operation.keys().all(|name| matches!(name.as_str(), "$add" | "$remove"));
        if !members || removed.iter().any(|(member, _)| added.contains_key(member)) {
            return Err(Reason::NotAnOperation);
        }
        for (member, value) in added {
            self.push(member, value)?;
        }
        removed.into_keys().try_for_each(|member| self.push(member, Value::Null))
    }

    fn push(&mut self, path: Path, value: Value) -> Result<(), Reason> {
        if self.done.leaves.len() >= self.bounds.attributes_max {
            return Err(Reason::TooMany);
        }
        self.done.leaves.push((path, value));
        Ok(())
    }
}

fn is_operation(members: &Map<String, Json>, spelling: Spelling) -> bool {
    spelling == Spelling::Native && ["$add", "$remove", "$unset"].iter().any(|name| members.contains_key(*name))
}

/// The members that an operation names, by the paths that they have as members of a set.
fn read_members(operation: &Map<String, Json>, name: &str, set: &Path) -> Result<BTreeMap<Path, Value>, Reason> {
    let items = match operation.get(name) {
        None => return Ok(BTreeMap::new()),
        Some(Json::Array(items)) => items,
        Some(_) => return Err(Reason::NotAnOperation),
    };
    let member = |item: &Json| {
        // A list is one level deep here, so that it is told that it is no member rather than that it is too deep.
        let value = read_value(item, Spelling::Native, 1)?;
        Ok((set.member(&value).map_err(Reason::NotAMember)?, value))
    };
    items.iter().map(member).collect()
}

fn read_number(number: &serde_json::Number) -> Result<Value, Reason> {
    match Decimal::parse(number.as_str()) {
        Ok(decimal) => Ok(Value::Number(decimal)),
        Err(NumberError::OutOfRange | NumberError::NotANumber) => Err(Reason::NumberOutOfRange),
    }
}

fn read_items(items: &[Json], spelling: Spelling, depth_max: usize) -> Result<Vec<Value>, Reason> {
    let inner_max = depth_max.checked_sub(1).ok_or(Reason::TooDeep)?;
    items.iter().map(|item| read_value(item, spelling, inner_max)).collect()
}

fn read_object(members: &Map<String, Json>, spelling: Spelling, depth_max: usize) -> Result<Value, Reason> {
    let inner_max = match depth_max.checked_sub(1) {
        Some(inner_max) => inner_max,
        None if members.is_empty() => 0,
        None => return Err(Reason::TooDeep),
    };
    let member = |(name, json): (&String, &Json)| {
        if name.len() > Path::SEGMENT_BYTES_MAX {
            return Err(Reason::NameTooLong);
        }
        Ok((Arc::from(name.as_str()), read_value(json, spelling, inner_max)?))
    };
    Ok(Value::object(members.iter().map(member).collect::<Result<_, _>>()?))
}

fn is_spelled(members: &Map<String, Json>, spelling: Spelling) -> bool {
    spelling == Spelling::Native
        && members.len() == 1
        && ["$timestamp", "$set"].iter().any(|name| members.contains_key(*name))
}

/// The value of an object that is one of the native spellings; none for any other object.
fn read_spelled(members: &Map<String, Json>, spelling: Spelling, depth_max: usize) -> Option<Result<Value, Reason>> {
    if !is_spelled(members, spelling) {
        return None;
    }
    members.iter().next().map(|(name, json)| match (name.as_str(), json) {
        ("$timestamp", Json::String(text)) => parse_timestamp(text).map(Value::Timestamp).map_err(|_| Reason::NotATime),
        ("$timestamp", _) => Err(Reason::NotATime),
        (_, Json::Array(items)) => Ok(Value::set(read_items(items, spelling, depth_max)?)),
        (_, _) => Err(Reason::NotASet),
    })
}
