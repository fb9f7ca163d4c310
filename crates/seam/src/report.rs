//! Facts in, report out: what every ingest door does after it has parsed and before it answers.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tessera_service::directory::Class;
use tessera_service::error::Error;
use tessera_service::idempotency::{Given, IdempotencyKey, reply_bytes_max, reply_too_large};
use tessera_service::verdict::{Incoming, NamedIdentity, Note, Verdict};
use utoipa::ToSchema;

use crate::answer::to_json;
use crate::app::{App, Entered};
use crate::bounds::NOTES_MAX;
use crate::names;
use crate::once::{self, What};

/// What became of a write. Every event or record that was not plainly accepted is listed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Report {
    /// Always true: the call was understood, and what was accepted is durable and visible.
    success: bool,
    /// How many were accepted.
    accepted: usize,
    /// How many were there already, by their id.
    duplicates: usize,
    /// How many were refused; they stand in the quarantine.
    rejected: usize,
    /// Each one that was not plainly accepted.
    verdicts: Vec<Entry>,
}

/// What became of one event or record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Verdict)]
pub struct Entry {
    /// Its place in the call, from 0.
    index: usize,
    /// Its id; made here where it came without one.
    #[schema(value_type = String)]
    message_id: Arc<str>,
    /// `accepted` (with notes), `duplicate` or `rejected`.
    status: &'static str,
    /// Why it was refused, or in what it is no plain duplicate: one of the documented codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// What was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What of an accepted one did not take effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<EntryNote>,
    /// How many further notes there are: a report tells 2,000 over all.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes_more: Option<usize>,
}

/// Something of an accepted event or record that did not take effect, or does not fit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = Note)]
pub enum EntryNote {
    /// A link was refused by a rule and is remembered.
    LinkHeld {
        /// `exclusive`, `hub`, `limit`, `separated` or `full`.
        rule: &'static str,
        /// How sure it is, as the identity graph says it. Shown to private keys only.
        #[serde(skip_serializing_if = "Option::is_none")]
        strength: Option<&'static str>,
        /// The identities it would join.
        between: [Identity; 2],
        /// The link that won against it. Shown to private keys only.
        #[serde(skip_serializing_if = "Option::is_none")]
        won: Option<[Identity; 2]>,
    },
    /// Nobody vouches for the user id: it counts as one that anybody may send.
    IdentityUnverified {
        /// Why: one of the documented codes.
        code: &'static str,
    },
    /// An identity was left out.
    IdentityIgnored {
        /// Its namespace, as it was named.
        #[schema(value_type = String)]
        namespace: Arc<str>,
        /// Why: one of the documented codes.
        code: &'static str,
    },
    /// An identity was taken without characters that nobody sees.
    IdentityRespelled {
        /// Its namespace, as it was named.
        #[schema(value_type = String)]
        namespace: Arc<str>,
        /// `identity_format_characters`.
        code: &'static str,
    },
    /// A value was left out; all else of the event or record stands.
    ValueLeftOut {
        /// Where it stood: names joined by dots.
        #[schema(value_type = String)]
        path: Arc<str>,
        /// Why: one of the documented codes.
        code: &'static str,
        /// What was expected.
        #[schema(value_type = String)]
        message: Arc<str>,
    },
    /// Part of a text or of a name was replaced.
    ValueReplaced {
        /// Where it stands: names joined by dots.
        #[schema(value_type = String)]
        path: Arc<str>,
        /// Why: one of the documented codes.
        code: &'static str,
        /// What was expected, and what stands there now.
        #[schema(value_type = String)]
        message: Arc<str>,
    },
    /// An attribute does not fit the data model of a strict dataset and was left out.
    AttributeRefused {
        /// Its path.
        #[schema(value_type = String)]
        path: Arc<str>,
        /// Why: one of the documented codes.
        code: &'static str,
        /// What was expected.
        #[schema(value_type = String)]
        message: Arc<str>,
    },
    /// An attribute or a property does not fit the data model; it was stored all the same, for the dataset only warns.
    Misfit {
        /// Its path; empty for the event as a whole.
        #[schema(value_type = String)]
        path: Arc<str>,
        /// Why: one of the documented codes.
        code: &'static str,
        /// What was expected.
        #[schema(value_type = String)]
        message: Arc<str>,
    },
}

/// An identity.
#[derive(Debug, Serialize, ToSchema)]
pub struct Identity {
    /// The name of its namespace.
    #[schema(value_type = String)]
    pub namespace: Arc<str>,
    /// Its value, in the namespace's one spelling.
    #[schema(value_type = String)]
    pub value: Arc<str>,
}

impl From<NamedIdentity> for Identity {
    fn from(named: NamedIdentity) -> Self {
        Self { namespace: named.namespace, value: named.value }
    }
}

/// The code of a duplicate that says something else.
const DIFFERS: &str = "duplicate_differs";
const DIFFERS_MESSAGE: &str =
    "something else was stored under this id before, and stays: send this under an id of its own";

/// Writes what a door has parsed, each with the id that the report calls it by.
///
/// # Errors
/// What the service answers for the call as a whole.
pub async fn ingest(
    app: &App,
    entered: &Entered,
    door: &'static str,
    incoming: Vec<(Arc<str>, Incoming)>,
) -> Result<Report, Error> {
    let (ids, facts): (Vec<_>, Vec<_>) = incoming.into_iter().unzip();
    let verdicts = app.service.ingest(entered.workspace, facts, door, entered.caller.key()).await?;
    count(door, &verdicts);
    Ok(Report::of(&ids, verdicts, entered.caller.class(), usize::MAX))
}

/// As [`ingest`], under an `Idempotency-Key`: answers the report as it is kept. It tells as much as is kept of an answer; what each event or
/// record came to is always told.
///
/// # Errors
/// As [`ingest`]; `reply_too_large` where the ids alone are too long, and then nothing was written.
pub async fn ingest_once(
    app: &App,
    entered: &Entered,
    door: &'static str,
    incoming: Vec<(Arc<str>, Incoming)>,
    (key, what): (Option<IdempotencyKey>, What<'_>),
) -> Result<Bytes, Error> {
    let (ids, facts): (Vec<_>, Vec<_>) = incoming.into_iter().unzip();
    let limit = reply_bytes_max(&app.service.store().limits());
    let bytes_max = match key {
        Some(_) => limit.checked_sub(Report::bytes_min(&ids)).ok_or_else(|| reply_too_large(limit))?,
        None => usize::MAX,
    };
    let (class, by) = (entered.caller.class(), entered.caller.key());
    let render =
        move |verdicts: &Vec<Verdict>| Ok(to_json(&Report::of(&ids, verdicts.clone(), class, bytes_max)).into());
    let work = async |once| {
        let given = app.service.ingest_once(entered.workspace, facts, door, by, once).await?;
        if let Given::Now(verdicts) = &given {
            count(door, verdicts);
        }
        Ok(given)
    };
    once::answer(app, entered, key, what, render, work).await
}

/// Counts what became of a write.
pub fn count(door: &'static str, verdicts: &[Verdict]) {
    let of = |is: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| is(verdict)).count() as u64;
    for (name, count) in [
        ("accepted", of(|own| matches!(own, Verdict::Accepted { .. }))),
        ("duplicate", of(|own| matches!(own, Verdict::Duplicate | Verdict::Differs))),
        ("rejected", of(|own| matches!(own, Verdict::Rejected(_)))),
    ] {
        metrics::counter!(names::FACTS, "door" => door, "verdict" => name).increment(count);
    }
}

/// Bytes of a verdict without its id, what was expected and its notes.
const ENTRY_BYTES_MAX: usize = 160;
/// Bytes of a report around its verdicts.
const REPORT_BYTES_MAX: usize = 160;

impl Report {
    /// Bytes that a report on these takes at most, without what was expected and notes.
    fn bytes_min(ids: &[Arc<str>]) -> usize {
        REPORT_BYTES_MAX + ids.iter().map(|id| to_json(id).len() + ENTRY_BYTES_MAX).sum::<usize>()
    }

    /// What was expected and notes take so many bytes at most: what has no room is left out, and notes that are left out are counted.
    fn of(ids: &[Arc<str>], verdicts: Vec<Verdict>, class: Class, mut bytes: usize) -> Self {
        let mut report = Self { success: true, accepted: 0, duplicates: 0, rejected: 0, verdicts: Vec::new() };
        // A record of 64 KB may have a thousand values that do not fit: told one by one they would be many times what was sent.
        let mut room = NOTES_MAX;
        for (index, (message_id, verdict)) in ids.iter().zip(verdicts).enumerate() {
            let entry = Entry {
                index,
                message_id: message_id.clone(),
                status: "accepted",
                code: None,
                message: None,
                notes: Vec::new(),
                notes_more: None,
            };
            match verdict {
                Verdict::Accepted { notes } => {
                    report.accepted += 1;
                    if !notes.is_empty() {
                        let all = notes.len();
                        let notes = notes.into_iter().take(room).map(|note| EntryNote::of(note, class));
                        let notes: Vec<_> = notes.take_while(|note| takes(&mut bytes, note)).collect();
                        room -= notes.len();
                        let notes_more = Some(all - notes.len()).filter(|more| *more > 0);
                        report.verdicts.push(Entry { notes, notes_more, ..entry });
                    }
                }
                Verdict::Duplicate => {
                    report.duplicates += 1;
                    report.verdicts.push(Entry { status: "duplicate", ..entry });
                }
                Verdict::Differs => {
                    report.duplicates += 1;
                    let message = Some(DIFFERS_MESSAGE.to_owned()).filter(|message| takes(&mut bytes, message));
                    report.verdicts.push(Entry { status: "duplicate", code: Some(DIFFERS), message, ..entry });
                }
                Verdict::Rejected(why) => {
                    report.rejected += 1;
                    let message = Some(why.message.into_owned()).filter(|message| takes(&mut bytes, message));
                    report.verdicts.push(Entry { status: "rejected", code: Some(why.code), message, ..entry });
                }
            }
        }
        report
    }
}

/// Takes what this comes to off the bytes that are left, if it does not come to more.
fn takes<T: Serialize>(left: &mut usize, told: &T) -> bool {
    if *left == usize::MAX {
        return true;
    }
    // The name of the member, or the comma.
    let rest = left.checked_sub(to_json(told).len() + 16);
    *left = rest.unwrap_or(*left);
    rest.is_some()
}

impl EntryNote {
    /// A note as keys of this class are told it.
    pub fn of(note: Note, class: Class) -> Self {
        match note {
            Note::IdentityIgnored { namespace, code } => Self::IdentityIgnored { namespace, code },
            Note::IdentityUnverified { code } => Self::IdentityUnverified { code },
            Note::IdentityRespelled { namespace, code } => Self::IdentityRespelled { namespace, code },
            Note::ValueLeftOut { path, code, message } => Self::ValueLeftOut { path, code, message },
            Note::ValueReplaced { path, code, message } => Self::ValueReplaced { path, code, message },
            Note::AttributeRefused { path, code, message } => Self::AttributeRefused { path, code, message },
            Note::Misfit { path, code, message } => Self::Misfit { path, code, message },
            Note::LinkHeld { rule, strength, between, won } => Self::LinkHeld {
                rule,
                strength: (class == Class::Private).then_some(strength),
                between: between.map(Identity::from),
                // Whoever reads a web page has its public key: the winner's identities are another person's, and no sender of
                // such a key may learn them.
                won: won.filter(|_| class == Class::Private).map(|won| won.map(Identity::from)),
            },
        }
    }
}
