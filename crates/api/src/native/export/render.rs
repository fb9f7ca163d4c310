//! From what is held to members of the JSON and rows of the table.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tessera_seam::answer::to_json;
use tessera_seam::report::Identity;
use tessera_service::clock::format_timestamp;
use tessera_service::error::{Error, ErrorKind};
use tessera_service::export::{Held, Said};
use tessera_service::verdict::NamedIdentity;

#[derive(Serialize)]
struct SaidMembers<'a> {
    dataset: &'a str,
    batch: Option<&'a str>,
    count: u64,
    first_seen: String,
    last_seen: String,
}

impl<'a> From<&'a Said> for SaidMembers<'a> {
    fn from(said: &'a Said) -> Self {
        Self {
            dataset: &said.dataset,
            batch: said.batch.as_deref(),
            count: said.count,
            first_seen: format_timestamp(said.first),
            last_seen: format_timestamp(said.last),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Members<'a> {
    Identity {
        id: String,
        namespace: &'a str,
        value: &'a str,
        created_at: String,
        last_seen: Option<String>,
        facts: u64,
    },
    Link {
        between: [Identity; 2],
        strength: &'a str,
        state: &'a str,
        #[serde(flatten)]
        said: SaidMembers<'a>,
    },
    Value {
        namespace: &'a str,
        value: &'a str,
        path: &'a str,
        content: &'a RawValue,
        dataset: &'a str,
        batch: Option<&'a str>,
        time: String,
        received_at: String,
    },
    Relation {
        namespace: &'a str,
        value: &'a str,
        account: Identity,
        #[serde(flatten)]
        said: SaidMembers<'a>,
    },
    Computed {
        name: &'a str,
        content: &'a RawValue,
    },
    Membership {
        segment: &'a str,
        member: bool,
        entered_at: Option<String>,
        left_at: Option<String>,
    },
    Event {
        namespace: &'a str,
        value: &'a str,
        message_id: &'a str,
        r#type: &'a str,
        event: Option<&'a str>,
        dataset: &'a str,
        batch: Option<&'a str>,
        time: String,
        received_at: String,
        payload: &'a RawValue,
    },
}

/// One thing as JSON.
///
/// # Errors
/// `corrupt`.
pub(super) fn json(held: &Held) -> Result<Vec<u8>, Error> {
    Ok(to_json(&match held {
        Held::Identity { id, identity, created_at, last_seen, facts } => Members::Identity {
            id: id.to_string(),
            namespace: &identity.namespace,
            value: &identity.value,
            created_at: format_timestamp(*created_at),
            last_seen: last_seen.map(format_timestamp),
            facts: *facts,
        },
        Held::Link { between: [one, other], strength, state, said } => {
            Members::Link { between: [identity(one), identity(other)], strength, state, said: said.into() }
        }
        Held::Value { identity, path, json, dataset, batch, time, received_at } => Members::Value {
            namespace: &identity.namespace,
            value: &identity.value,
            path: path.as_str(),
            content: raw(json)?,
            dataset,
            batch: batch.as_deref(),
            time: format_timestamp(*time),
            received_at: format_timestamp(*received_at),
        },
        Held::Relation { identity: own, account, said } => Members::Relation {
            namespace: &own.namespace,
            value: &own.value,
            account: identity(account),
            said: said.into(),
        },
        Held::Computed { name, json } => Members::Computed { name, content: raw(json)? },
        Held::Membership { segment, entered, left } => Members::Membership {
            segment,
            member: entered.is_some(),
            entered_at: entered.map(format_timestamp),
            left_at: left.map(format_timestamp),
        },
        Held::Event { identity, call } => Members::Event {
            namespace: &identity.namespace,
            value: &identity.value,
            message_id: &call.message_id,
            r#type: call.kind.name(),
            event: call.name.as_deref(),
            dataset: &call.dataset,
            batch: call.batch.as_deref(),
            time: format_timestamp(call.time),
            received_at: format_timestamp(call.received_at),
            payload: raw(&call.payload)?,
        },
    }))
}

fn identity(named: &NamedIdentity) -> Identity {
    Identity { namespace: named.namespace.clone(), value: named.value.clone() }
}

fn raw(json: &[u8]) -> Result<&RawValue, Error> {
    serde_json::from_slice(json).map_err(|_| Error::new(ErrorKind::Corrupt, "corrupt", "a stored value is no json"))
}

fn text(json: &[u8]) -> Result<&str, Error> {
    Ok(raw(json)?.get())
}

/// The columns of the table.
const COLUMNS: [&str; 14] = [
    "kind",
    "id",
    "namespace",
    "value",
    "other_namespace",
    "other_value",
    "name",
    "content",
    "state",
    "dataset",
    "batch",
    "count",
    "from",
    "to",
];

/// Rows of the table while they are written.
pub(super) struct Table(csv::Writer<Vec<u8>>);

impl Default for Table {
    fn default() -> Self {
        Self(csv::Writer::from_writer(Vec::new()))
    }
}

/// A row; what a kind has nothing for stays empty.
#[derive(Default)]
struct Row<'a> {
    kind: &'a str,
    id: String,
    own: Option<&'a NamedIdentity>,
    other: Option<&'a NamedIdentity>,
    name: &'a str,
    content: &'a str,
    state: &'a str,
    dataset: &'a str,
    batch: Option<&'a str>,
    count: Option<u64>,
    from: String,
    to: String,
}

impl Table {
    /// The names of the columns.
    pub(super) fn head(&mut self) {
        self.0.write_record(COLUMNS).expect("a vector takes every row of as many columns");
    }

    /// Bytes so far, those aside that are still in the writer's buffer.
    pub(super) fn bytes(&self) -> usize {
        self.0.get_ref().len()
    }

    /// The rows.
    pub(super) fn finish(self) -> Bytes {
        self.0.into_inner().map_or_else(|_| Bytes::new(), Bytes::from)
    }

    /// One thing as a row.
    ///
    /// # Errors
    /// `corrupt`.
    pub(super) fn row(&mut self, held: &Held) -> Result<(), Error> {
        let row = row(held)?;
        let [(namespace, value), (other_namespace, other_value)] =
            [row.own, row.other].map(|named| named.map_or(("", ""), |named| (&*named.namespace, &*named.value)));
        let count = row.count.map(|count| count.to_string()).unwrap_or_default();
        let fields = [
            row.kind,
            &row.id,
            namespace,
            value,
            other_namespace,
            other_value,
            row.name,
            row.content,
            row.state,
            row.dataset,
            row.batch.unwrap_or_default(),
            &count,
            &row.from,
            &row.to,
        ];
        let fields = fields.map(inert);
        self.0
            .write_record(fields.iter().map(|field| field.as_bytes()))
            .expect("a vector takes every row of as many columns");
        Ok(())
    }
}

/// A field that no spreadsheet takes for a formula: it may come from anybody who can send an event. Numbers, telephone numbers among
/// them, stay as they are.
fn inert(field: &str) -> Cow<'_, str> {
    let is_number = || field.len() > 1 && field[1..].bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match field.as_bytes().first() {
        Some(b'+' | b'-') if is_number() => Cow::Borrowed(field),
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r') => Cow::Owned(format!("'{field}")),
        _ => Cow::Borrowed(field),
    }
}

fn row(held: &Held) -> Result<Row<'_>, Error> {
    let with = |row, said: &'_ Said| Row {
        count: Some(said.count),
        from: format_timestamp(said.first),
        to: format_timestamp(said.last),
        ..row
    };
    Ok(match held {
        Held::Identity { id, identity, created_at, last_seen, facts } => Row {
            kind: "identity",
            id: id.to_string(),
            own: Some(identity),
            count: Some(*facts),
            from: format_timestamp(*created_at),
            to: last_seen.map(format_timestamp).unwrap_or_default(),
            ..Row::default()
        },
        Held::Link { between: [one, other], strength, state, said } => {
            let (own, other) = (Some(one), Some(other));
            let (dataset, batch) = (&*said.dataset, said.batch.as_deref());
            with(Row { kind: "link", own, other, name: strength, state, dataset, batch, ..Row::default() }, said)
        }
        Held::Value { identity, path, json, dataset, batch, time, received_at } => Row {
            kind: "attribute",
            own: Some(identity),
            name: path.as_str(),
            content: text(json)?,
            dataset,
            batch: batch.as_deref(),
            from: format_timestamp(*time),
            to: format_timestamp(*received_at),
            ..Row::default()
        },
        Held::Relation { identity, account, said } => {
            let (own, other) = (Some(identity), Some(account));
            let (dataset, batch) = (&*said.dataset, said.batch.as_deref());
            with(Row { kind: "relation", own, other, dataset, batch, ..Row::default() }, said)
        }
        Held::Computed { name, json } => {
            Row { kind: "computed_attribute", name, content: text(json)?, ..Row::default() }
        }
        Held::Membership { segment, entered, left } => Row {
            kind: "segment",
            name: segment,
            state: if entered.is_some() { "member" } else { "left" },
            from: entered.map(format_timestamp).unwrap_or_default(),
            to: left.map(format_timestamp).unwrap_or_default(),
            ..Row::default()
        },
        Held::Event { identity, call } => Row {
            kind: "event",
            id: call.message_id.to_string(),
            own: Some(identity),
            name: call.name.as_deref().unwrap_or_default(),
            content: text(&call.payload)?,
            state: call.kind.name(),
            dataset: &call.dataset,
            batch: call.batch.as_deref(),
            from: format_timestamp(call.time),
            to: format_timestamp(call.received_at),
            ..Row::default()
        },
    })
}
