//! From requests to queries and facts.

use std::sync::Arc;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tessera_engine::fact::{Claim, Fact, Strength};
use tessera_engine::model::Flags;
use tessera_engine::value::Path;
use tessera_engine::view::Relevance;
use tessera_seam::answer::{invalid, to_json};
use tessera_seam::attributes;
use tessera_seam::body::{self, Sent};
use tessera_seam::bounds::{DATASET_CHARS_MAX, DEPTH_MAX, EVENTS_DEFAULT, EVENTS_MAX, ID_CHARS_MAX, RECORD_BYTES_MAX};
use tessera_seam::extract::Query;
use tessera_seam::kept::{self, Sender};
use tessera_seam::measure::measure;
use tessera_seam::mend::{Flaw, without_great_numbers};
use tessera_service::clock::parse_timestamp;
use tessera_service::content;
use tessera_service::directory::{Class, Datasets, KeyId};
use tessera_service::error::Error;
use tessera_service::verdict::{Incoming, Note, Rejection};
use tessera_service::{EventQuery, Fields, Lookup};

use super::wire::{BatchGet, ProfileLookup, Record, Write};

/// Reads which parts of a profile are wanted: a list with commas; none is all.
pub(super) fn fields(list: Option<&str>, visibility: Flags) -> Result<Fields, Error> {
    list.map_or(Ok(Fields { visibility, ..Fields::ALL }), |list| fields_of(list.split(','), visibility))
}

fn fields_of<'a>(names: impl Iterator<Item = &'a str>, visibility: Flags) -> Result<Fields, Error> {
    let mut fields = Fields { identifiers: false, attributes: false, audiences: false, visibility, ..Fields::ALL };
    for name in names {
        match name.trim() {
            "identifiers" => fields.identifiers = true,
            "attributes" => fields.attributes = true,
            "audiences" => fields.audiences = true,
            _ => return Err(invalid("fields_unknown", "fields are identifiers, attributes, audiences")),
        }
    }
    Ok(fields)
}

/// Reads which values are wanted, by the windows of relevance; none is all of them.
pub(super) fn relevance(name: Option<&str>) -> Result<Relevance, Error> {
    let Some(name) = name else { return Ok(Relevance::Any) };
    let found = Relevance::ALL.into_iter().find(|own| own.name() == name);
    found.ok_or_else(|| invalid("relevance_invalid", "relevance is any, relevant or not_relevant"))
}

/// Reads the path of an attribute, which stands at this member: its names joined by dots.
///
/// # Errors
/// `attribute_path_invalid`.
pub(super) fn attribute_path(text: &str, member: &str) -> Result<Path, Error> {
    Path::parse(text).map_err(|error| invalid("attribute_path_invalid", format!("{member}: {error}")))
}

/// Reads which part of a timeline is wanted.
pub(super) fn event_query(query: &Query, visibility: Flags) -> Result<EventQuery, Error> {
    let instant = |name| {
        let invalid = |_| invalid("time_invalid", format!("{name} must be in iso 8601"));
        query.get(name).map(|text| parse_timestamp(text).map_err(invalid)).transpose()
    };
    Ok(EventQuery {
        limit: query.limit(EVENTS_DEFAULT, EVENTS_MAX)?,
        cursor: query.get("cursor").map(str::to_owned),
        start: instant("start")?,
        end: instant("end")?,
        include: query.get("event").map(str::to_owned).into_iter().collect(),
        visibility,
        ..EventQuery::default()
    })
}

/// Reads a batch of look-ups, with what of each is wanted and under which merge policy.
pub(super) fn batch_get(body: &[u8], visibility: Flags) -> Result<(Vec<Lookup>, Fields, Option<String>), Error> {
    let BatchGet { lookups, fields, merge_policy, relevance: asked } = body::json(body)?;
    let lookups = lookups.within("lookups")?;
    let fields = fields.map(|names| names.within("fields")).transpose()?;
    let all = Fields { visibility, ..Fields::ALL };
    let fields = fields.map_or(Ok(all), |names| fields_of(names.iter().map(String::as_str), visibility))?;
    let fields = Fields { relevance: relevance(asked.as_deref())?, ..fields };
    Ok((lookups.into_iter().map(lookup).collect::<Result<_, _>>()?, fields, merge_policy))
}

/// Reads which profile is meant.
///
/// # Errors
/// `lookup_invalid`.
pub(super) fn lookup(lookup: ProfileLookup) -> Result<Lookup, Error> {
    match lookup {
        ProfileLookup { id: Some(id), namespace: None, value: None } => Ok(Lookup::Id(id)),
        ProfileLookup { id: None, namespace: Some(namespace), value: Some(value) } => {
            Ok(Lookup::Identity { namespace, value })
        }
        _ => Err(invalid("lookup_invalid", "a lookup names either id, or namespace and value")),
    }
}

/// What is known of a write besides its body.
pub(super) struct Delivery<'a> {
    pub(super) class: Class,
    /// Those that its key may name; any where that was asked before.
    pub(super) datasets: Option<&'a Datasets>,
    /// The call's idempotency key together with whose it is: senders choose theirs without knowing of each other.
    pub(super) idempotency: Option<(KeyId, &'a str)>,
    pub(super) fresh_id: &'a (dyn Fn() -> String + Sync),
}

/// Reads a write.
///
/// # Errors
/// Nothing of it can be used: `json_invalid`, `body_invalid`, `dataset_invalid`, `dataset_forbidden`, `batch_empty`,
/// `batch_too_many`.
pub(super) fn write(body: &[u8], delivery: &Delivery<'_>) -> Result<Vec<(Arc<str>, Incoming)>, Error> {
    body::delivery(body, |sent| read_write(sent, delivery))
}

fn read_write(sent: Sent<'_>, delivery: &Delivery<'_>) -> Result<Vec<(Arc<str>, Incoming)>, Error> {
    let write: Write<'_> = sent.json()?;
    let source = Source {
        dataset: named(&write.dataset, "dataset")?,
        batch: write.batch.as_deref().map(|batch| named(batch, "batch")).transpose()?,
    };
    delivery.datasets.map_or(Ok(()), |datasets| datasets.check(&source.dataset))?;
    let own =
        [("identities", write.identities), ("attributes", write.attributes), ("time", write.time), ("id", write.id)];
    let own: Vec<_> = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    match write.records {
        Some(records) if own.is_empty() => {
            let records = records.within("records")?;
            source.records(&records, |index| sent.notes(&records, index), delivery)
        }
        Some(_) => Err(invalid("body_invalid", "either records, or the members of one record")),
        None => {
            let record = tessera_service::members::Members(own).to_raw();
            source.records(&[&record], |_| sent.all_notes(), delivery)
        }
    }
}

/// The name of a dataset or a batch, which stands at this member.
///
/// # Errors
/// `dataset_invalid`.
pub(super) fn named(name: &str, member: &str) -> Result<Arc<str>, Error> {
    let fits = (1..=DATASET_CHARS_MAX).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(char::is_control);
    if fits {
        Ok(name.into())
    } else {
        Err(invalid("dataset_invalid", format!("{member} must be 1 to {DATASET_CHARS_MAX} printable characters")))
    }
}

/// Where the records of a write come from.
struct Source {
    dataset: Arc<str>,
    batch: Option<Arc<str>>,
}

impl Source {
    /// Reads records, of which `mended` tells what was mended by their places.
    fn records(
        &self,
        records: &[&RawValue],
        mended: impl Fn(usize) -> Vec<Note>,
        delivery: &Delivery<'_>,
    ) -> Result<Vec<(Arc<str>, Incoming)>, Error> {
        match records.len() {
            0 => Err(invalid("batch_empty", "records must hold at least one record")),
            _ => {
                let record = |(index, record): (usize, &&RawValue)| self.record(index, record, mended(index), delivery);
                Ok(records.iter().enumerate().map(record).collect())
            }
        }
    }

    fn record(
        &self,
        index: usize,
        raw: &RawValue,
        mut notes: Vec<Note>,
        delivery: &Delivery<'_>,
    ) -> (Arc<str>, Incoming) {
        let bytes = raw.get().len();
        let (id, fact) = if bytes > RECORD_BYTES_MAX {
            (
                None,
                Err(rejection(
                    "record_too_large",
                    format!("the record has {bytes} bytes, more than {RECORD_BYTES_MAX}"),
                )),
            )
        } else if measure(raw.get()).depth > DEPTH_MAX {
            (None, Err(rejection("record_invalid", format!("the record is nested more than {DEPTH_MAX} deep"))))
        } else {
            match body::object::<Record<'_>>(raw.get()) {
                Ok(record) => self.read(index, &record, &mut notes, delivery),
                Err(error) => (None, Err(rejection("record_invalid", body::form_expected(&error)))),
            }
        };
        let id = id.unwrap_or_else(|| (delivery.fresh_id)().into());
        (Arc::clone(&id), Incoming { fact, raw: self.alone(raw, delivery.class), notes })
    }

    fn read(
        &self,
        index: usize,
        record: &Record<'_>,
        notes: &mut Vec<Note>,
        delivery: &Delivery<'_>,
    ) -> (Option<Arc<str>>, Result<Fact, Rejection>) {
        let id = match &record.id {
            Some(id) if (1..=ID_CHARS_MAX).contains(&id.chars().count()) => id.as_str().into(),
            Some(_) => {
                return (
                    None,
                    Err(rejection("record_id_invalid", format!("id must be 1 to {ID_CHARS_MAX} characters"))),
                );
            }
            None => self.derived_id(index, record, delivery),
        };
        let fact = self.fact(Arc::clone(&id), record, notes, delivery.class);
        (Some(id), fact)
    }

    /// The id of a record that has none. One with a time says the same thing whenever it is sent, so its content is its id; one
    /// without says what is true at receipt, and is new each time unless the call carries an idempotency key. Its content is part
    /// of the id then too: an idempotency key is known for a day, an id for good, and other content is never the same record.
    fn derived_id(&self, index: usize, record: &Record<'_>, delivery: &Delivery<'_>) -> Arc<str> {
        let content = match (&record.time, delivery.idempotency) {
            (Some(_), _) => to_json(record),
            (None, Some((caller, key))) => to_json(&(caller.to_string(), key, index, record)),
            (None, None) => return (delivery.fresh_id)().into(),
        };
        let scope = to_json(&(&*self.dataset, self.batch.as_deref()));
        let hash = Sha256::new().chain_update(scope).chain_update(content).finalize();
        hash.iter().take(16).fold(String::from("record-"), |id, byte| format!("{id}{byte:02x}")).into()
    }

    fn fact(&self, id: Arc<str>, record: &Record<'_>, notes: &mut Vec<Note>, class: Class) -> Result<Fact, Rejection> {
        let strength = match class {
            Class::Private => Strength::Verified,
            Class::Public => Strength::Observed,
        };
        let invalid = |_| rejection("timestamp_invalid", "time must be in iso 8601");
        let time = record.time.as_deref().map(|time| parse_timestamp(time).map_err(invalid)).transpose()?;
        let bounded = without_great_numbers(record.attributes, "");
        notes.extend(bounded.iter().flat_map(|(_, flaws)| flaws).map(Flaw::note));
        let attributes = bounded.as_ref().map_or(record.attributes, |(json, _)| json);
        let claims = record.identities.iter().map(|identity| Claim {
            namespace: identity.namespace.as_str().into(),
            value: identity.value.as_str().into(),
            strength,
        });
        let mut fact = Fact {
            id,
            dataset: Arc::clone(&self.dataset),
            batch: self.batch.clone(),
            time,
            claims: claims.collect(),
            document: None,
            attributes: attributes::read_native(attributes.get(), notes)?,
            account: None,
            call: None,
            content: None,
            replaces: tessera_engine::fact::Replaces::Nothing,
        };
        fact.content = Some(content::of(&fact, record.time.as_deref()));
        Ok(fact)
    }

    /// The record as a write of its own: what the quarantine keeps.
    fn alone(&self, raw: &RawValue, class: Class) -> bytes::Bytes {
        #[derive(serde::Serialize)]
        struct Alone<'a> {
            dataset: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            batch: Option<&'a str>,
            records: [&'a RawValue; 1],
        }
        kept::write(
            Sender { class, dataset: &self.dataset, vouched: false },
            &Alone { dataset: &self.dataset, batch: self.batch.as_deref(), records: [raw] },
        )
    }
}

fn rejection(code: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Rejection { code, message: message.into() }
}
