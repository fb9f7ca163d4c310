//! Attributes as the doors read them: JSON objects, leaf by leaf, under our names.

use serde_json::Value as Json;
use tessera_engine::value::{Path, Value};
use tessera_service::json::{AttributeError, Bounds, Flattened, Reason, Spelling, flatten, parse};
use tessera_service::verdict::{Note, Rejection};
use tessera_service::wellknown::canonical;

use crate::bounds::DEPTH_MAX;

/// Attributes in the order in which they came.
pub type List = Vec<(Path, Value)>;

/// Members left out of one object that are told one by one.
const LEFT_OUT_MAX: usize = 8;

/// The attributes of an object in somebody else's words: well-known names become ours.
///
/// # Errors
/// `attribute_invalid`, `too_many_attributes`.
pub fn read(json: &str, notes: &mut Vec<Note>) -> Result<List, Rejection> {
    let mut list = read_as(json, Spelling::Plain, notes)?;
    for (path, _) in &mut list {
        *path = canonical(path);
    }
    Ok(list)
}

/// The attributes of an object in our own words.
///
/// # Errors
/// `attribute_invalid`, `too_many_attributes`, `set_operation_invalid`, `set_member_invalid`.
pub fn read_native(json: &str, notes: &mut Vec<Note>) -> Result<List, Rejection> {
    read_as(json, Spelling::Native, notes)
}

/// The attributes of an object in somebody else's words, each under the name that it came under.
///
/// # Errors
/// `attribute_invalid`, `too_many_attributes`.
pub fn read_plain(json: &str, notes: &mut Vec<Note>) -> Result<List, Rejection> {
    read_as(json, Spelling::Plain, notes)
}

fn read_as(json: &str, spelling: Spelling, notes: &mut Vec<Note>) -> Result<List, Rejection> {
    let Some(Json::Object(object)) = parse(json.as_bytes()) else {
        let message = "the attributes are no object, or hold text that is not unicode".into();
        return Err(Rejection { code: "attribute_invalid", message });
    };
    let bounds = Bounds { depth_max: DEPTH_MAX, ..Bounds::default() };
    let Flattened { leaves, left_out } = flatten(&object, spelling, bounds).map_err(|error| rejection(&error))?;
    notes.extend(left_out.iter().take(LEFT_OUT_MAX).map(note));
    if left_out.len() > LEFT_OUT_MAX {
        notes.push(note(&AttributeError { path: None, reason: left_out[LEFT_OUT_MAX].reason }));
    }
    Ok(leaves)
}

fn note(error: &AttributeError) -> Note {
    let path = error.path.as_ref().map_or("", Path::as_str);
    Note::ValueLeftOut { path: path.into(), code: "attribute_invalid", message: error.reason.to_string().into() }
}

/// The path is a name that the sender chose; the value is not shown.
fn rejection(error: &AttributeError) -> Rejection {
    let code = match error.reason {
        Reason::TooMany => "too_many_attributes",
        Reason::NotAnOperation => "set_operation_invalid",
        Reason::NotAMember(_) => "set_member_invalid",
        Reason::TooDeep | Reason::NumberOutOfRange | Reason::NameTooLong | Reason::NotATime | Reason::NotASet => {
            "attribute_invalid"
        }
    };
    Rejection { code, message: error.to_string().into() }
}
