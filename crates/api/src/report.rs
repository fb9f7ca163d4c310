//! Facts in, report out: what every ingest door does after it has parsed and before it answers.

use std::sync::Arc;

use serde::Serialize;
use tessera_service::directory::Class;
use tessera_service::error::Error;
use tessera_service::verdict::{Incoming, NamedIdentity, Note, Verdict};
use utoipa::ToSchema;

use crate::app::{App, Entered};
use crate::bounds::NOTES_MAX;
use crate::names;

/// What became of a write. Every event or record that was not plainly accepted is listed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Report {
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
pub(crate) struct Entry {
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
pub(crate) enum EntryNote {
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
pub(crate) struct Identity {
    /// The name of its namespace.
    #[schema(value_type = String)]
    pub(crate) namespace: Arc<str>,
    /// Its value, in the namespace's one spelling.
    #[schema(value_type = String)]
    pub(crate) value: Arc<str>,
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
pub(crate) async fn ingest(
    app: &App,
    entered: &Entered,
    door: &'static str,
    incoming: Vec<(Arc<str>, Incoming)>,
) -> Result<Report, Error> {
    let (ids, facts): (Vec<_>, Vec<_>) = incoming.into_iter().unzip();
    let verdicts = app.service.ingest(entered.workspace, facts, door, entered.caller.key()).await?;
    let report = Report::of(ids, verdicts, entered.caller.class());
    for (verdict, count) in
        [("accepted", report.accepted), ("duplicate", report.duplicates), ("rejected", report.rejected)]
    {
        metrics::counter!(names::FACTS, "door" => door, "verdict" => verdict).increment(count as u64);
    }
    Ok(report)
}

impl Report {
    fn of(ids: Vec<Arc<str>>, verdicts: Vec<Verdict>, class: Class) -> Self {
        let mut report = Self { success: true, accepted: 0, duplicates: 0, rejected: 0, verdicts: Vec::new() };
        // A record of 64 KB may have a thousand values that do not fit: told one by one they would be many times what was sent.
        let mut room = NOTES_MAX;
        for (index, (message_id, verdict)) in ids.into_iter().zip(verdicts).enumerate() {
            let entry = Entry {
                index,
                message_id,
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
                        let notes_more = notes.len().checked_sub(room).filter(|more| *more > 0);
                        let notes: Vec<_> =
                            notes.into_iter().take(room).map(|note| EntryNote::of(note, class)).collect();
                        room -= notes.len();
                        report.verdicts.push(Entry { notes, notes_more, ..entry });
                    }
                }
                Verdict::Duplicate => {
                    report.duplicates += 1;
                    report.verdicts.push(Entry { status: "duplicate", ..entry });
                }
                Verdict::Differs => {
                    report.duplicates += 1;
                    let message = Some(DIFFERS_MESSAGE.to_owned());
                    report.verdicts.push(Entry { status: "duplicate", code: Some(DIFFERS), message, ..entry });
                }
                Verdict::Rejected(why) => {
                    report.rejected += 1;
                    let message = Some(why.message.into_owned());
                    report.verdicts.push(Entry { status: "rejected", code: Some(why.code), message, ..entry });
                }
            }
        }
        report
    }
}

impl EntryNote {
    fn of(note: Note, class: Class) -> Self {
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
