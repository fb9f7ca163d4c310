//! From messages to facts.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tessera_seam::body;
use tessera_seam::door;
use tessera_seam::extract::Query;
use tessera_seam::kept;
use tessera_service::directory::{Caller, Class};
use tessera_service::error::{Error, ErrorKind};
use tessera_service::verdict::{Incoming, Rejection};
use tessera_service::workspace_config::StoredConfig;

use super::super::enter::is_organization;
use super::super::errors::invalid_parameter;
use super::super::namespaces;
use super::super::registry::{Layout, layout_of};
use super::super::xdm::{self, Delivery, Violation};
use super::wire::{Message, Validation};

/// What kind of problem a message has.
pub(super) const PROBLEM: &str = "http://ns.adobe.com/adobecloud/problem/data-collection-service/inlet";
/// What it is called.
pub(super) const TITLE: &str = "Invalid XDM Message Format";
/// What separates violations in the message of a rejection.
const SEPARATOR: &str = "; ";

/// Who sends messages.
pub(super) struct Sender<'a> {
    pub(super) caller: &'a Caller,
    pub(super) config: &'a StoredConfig,
    /// The organization, as answers name it.
    pub(super) org: &'a str,
}

/// A message that is not taken.
pub(super) struct Refused {
    status: StatusCode,
    message: String,
    violations: Vec<Value>,
}

impl Refused {
    fn format(what: impl std::fmt::Display) -> Self {
        let message = format!("Message has unknown xdm format: {what}");
        Self { status: StatusCode::BAD_REQUEST, message, violations: Vec::new() }
    }

    fn by(error: &Error) -> Self {
        let refused = Self::format(&error.message);
        match error.kind {
            ErrorKind::Forbidden => Self { status: StatusCode::FORBIDDEN, ..refused },
            _ => refused,
        }
    }

    /// That of an event whose id has another one.
    pub(super) fn differs() -> Self {
        let message =
            "Message is invalid: an event of this _id that says something else is stored, and events are not changed";
        Self { status: StatusCode::BAD_REQUEST, message: message.to_owned(), violations: Vec::new() }
    }

    /// That of an entity that is not as its schema has it, or that cannot be stored for another reason.
    pub(super) fn violated(mut violations: Vec<Value>, rejection: &Rejection) -> Self {
        if violations.is_empty() {
            violations.push(told("#", rejection.code, &rejection.message));
        }
        Self { status: StatusCode::BAD_REQUEST, message: "Message is invalid".to_owned(), violations }
    }

    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The answer to a single message.
    pub(super) fn report(&self, message: &str) -> Value {
        let mut report = json!({ "message": message });
        match &self.violations[..] {
            [] => {}
            [one] => report["cause"] = json!({ "_streamingValidation": [one] }),
            several => {
                let all = format!("{} schema violations found", several.len());
                let whole = json!({
                    "schemaLocation": "#", "pointerToViolation": "#", "causingExceptions": several, "message": all
                });
                report["cause"] = json!({ "_streamingValidation": [whole] });
            }
        }
        json!({ "type": PROBLEM, "status": self.status.as_u16(), "title": TITLE, "report": report })
    }
}

fn told(pointer: &str, keyword: &str, message: &str) -> Value {
    json!({
        "schemaLocation": "#", "pointerToViolation": pointer, "causingExceptions": [], "keyword": keyword, "message": message
    })
}

/// Reads whether an answer says what is wrong with an entity. Clients in Python write the word with a great letter.
///
/// # Errors
/// `query_invalid`.
pub(super) fn validation(query: &Query) -> Result<Validation, Error> {
    for (name, asked) in [("synchronousValidation", Validation::Synchronous), ("syncValidation", Validation::Sync)] {
        match query.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false") => {}
            Some("true") => return Ok(asked),
            Some(_) => return Err(invalid_parameter(name, "true or false is expected")),
        }
    }
    Ok(Validation::Skipped)
}

/// What the quarantine keeps of an entity: enough to read it again by itself.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    layout: Layout,
    /// The batch that it is part of, and the id that it has there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<(String, String)>,
    #[serde(borrow)]
    entity: &'a RawValue,
}

/// Reads a message. An entity that is not as its schema has it is read all the same: it is refused where it would be stored, and put aside.
///
/// # Errors
/// What is no message, or belongs nowhere.
pub(super) fn message(raw: &RawValue, sender: &Sender<'_>, fresh_id: String) -> Result<Incoming, Refused> {
    let message: Message<'_> = body::object(raw.get()).map_err(|error| Refused::format(body::form_expected(&error)))?;
    let own = sender.org.split('@').next().unwrap_or_default();
    if message.header.ims_org_id.as_deref().is_some_and(|named| !is_organization(own, named)) {
        let message = "Message has an absent or wrong ims org in the header".to_owned();
        return Err(Refused { status: StatusCode::BAD_REQUEST, message, violations: Vec::new() });
    }
    let dataset = message.header.dataset_id.as_deref().unwrap_or_default();
    let schema = message.header.schema_ref.as_ref().map(|own| own.id.as_str());
    let layout = layout_of(sender.config, dataset, schema).map_err(|error| Refused::by(&error))?;
    sender.caller.datasets().check(&layout.dataset).map_err(|error| Refused::by(&error))?;
    Ok(entity(message.body.xdm_entity, layout, (sender.config, sender.caller.class()), (fresh_id, None)))
}

/// Reads an entity that was sent by a key of this class; a record under this id, of this batch.
pub(crate) fn entity(
    entity: &RawValue,
    layout: Layout,
    (config, class): (&StoredConfig, Class),
    place: (String, Option<&str>),
) -> Incoming {
    let codes = xdm::codes(entity, &layout);
    let unknown = codes.iter().filter(|code| namespaces::named(config, code).is_err());
    let unknown: Vec<Violation> = unknown.map(|code| xdm::unknown_code(code)).collect();
    incoming(entity, layout, class, (place, unknown))
}

/// What the quarantine keeps of what is no JSON: as much of its text as a record may have.
pub(crate) fn unread(text: &str, layout: &Layout, class: Class) -> bytes::Bytes {
    let end = (0..=xdm::RECORD_BYTES_MAX.min(text.len())).rfind(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let entity = RawValue::from_string(Value::from(&text[..end]).to_string()).expect("a text is json");
    let sender = kept::Sender { class, dataset: &layout.dataset, vouched: false };
    kept::write(sender, &Kept { layout: layout.clone(), batch: None, entity: &entity })
}

fn incoming(
    entity: &RawValue,
    layout: Layout,
    class: Class,
    ((id, batch), unknown): ((String, Option<&str>), Vec<Violation>),
) -> Incoming {
    let mut notes = Vec::new();
    let kept_batch = batch.map(|batch| (batch.to_owned(), id.clone()));
    let delivery = Delivery { layout: &layout, class, batch: batch.map(Into::into), record_id: id };
    let fact = if unknown.is_empty() { xdm::fact(entity, delivery, &mut notes) } else { Err(unknown) };
    let fact = fact.map_err(|violations| rejection(&violations));
    let sender = kept::Sender { class, dataset: &layout.dataset.clone(), vouched: false };
    let raw = kept::write(sender, &Kept { layout, batch: kept_batch, entity });
    Incoming { fact, raw, notes }
}

/// What is wrong with an entity, in one message: where, by which rule, and what was expected.
pub(crate) fn rejection(violations: &[Violation]) -> Rejection {
    let told = violations.iter().map(|own| format!("{} {}: {}", own.pointer, own.keyword, own.message));
    Rejection::new("xdm_invalid", told.collect::<Vec<_>>().join(SEPARATOR))
}

/// What is wrong with an entity, one by one.
pub(super) fn violations(incoming: &Incoming) -> Vec<Value> {
    let Err(Rejection { code: "xdm_invalid", message }) = &incoming.fact else { return Vec::new() };
    let parts = message.split(SEPARATOR).filter_map(|part| {
        let (place, message) = part.split_once(": ")?;
        let (pointer, keyword) = place.rsplit_once(' ')?;
        Some(told(pointer, keyword, message))
    });
    parts.collect()
}

/// Reads again what the quarantine has kept.
///
/// # Errors
/// `corrupt`.
pub(crate) fn replay(stored: &door::Kept<'_>) -> Result<Vec<Incoming>, Error> {
    let kept = kept::read(stored.raw)?;
    let corrupt = |_| Error::new(ErrorKind::Corrupt, "corrupt", "what the quarantine kept cannot be read");
    let Kept { layout, batch, entity } = serde_json::from_str(kept.delivery).map_err(corrupt)?;
    let place = match &batch {
        Some((batch, id)) => (id.clone(), Some(batch.as_str())),
        None => ((stored.fresh_id)(), None),
    };
    Ok(vec![incoming(entity, layout, kept.class, (place, Vec::new()))])
}
