//! Rows of a source on their way into profiles: what a row becomes, what the lane makes of it, and what is counted and told.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_connect::Row;
use tessera_engine::decide::{EventForgetting, Forgetting};
use tessera_engine::fact::FactKey;
use tessera_store::Store;

use super::mapping::{Mapped, Mapping};
use crate::base::error::Error;
use crate::base::ids::{KeyId, WorkspaceId};
use crate::base::store_error::read_failed;
use crate::base::verdict::{Note, Verdict};
use crate::config::admission::Admission;
use crate::config::configured::Configured;
use crate::directory::Class;
use crate::stored::keys::Scope;
use crate::stored::sources::{HASH_BYTES, RowSaid, RunCounts, RunVerdict, decode_row};
use crate::work::service::Service;
use crate::write::lane::{Done, Item, Origin, Recording, Work};

/// Codes and columns that are told apart in what is said of rows.
const VERDICTS_MAX: usize = 100;

/// The rows of one source that are written, and what came of them.
pub(crate) struct Writing {
    name: String,
    number: u32,
    workspace: WorkspaceId,
    pub(crate) mapping: Mapping,
    pub(crate) counts: RunCounts,
    verdicts: BTreeMap<(bool, String, Option<String>), u64>,
}

impl Writing {
    /// None yet. Columns that nothing becomes of are told at once.
    pub(crate) fn new(workspace: WorkspaceId, name: &str, number: u32, mapping: Mapping) -> Self {
        let unused: Vec<(String, &str)> = mapping.unused().map(|(column, code)| (column.to_owned(), code)).collect();
        let (counts, verdicts) = (RunCounts::default(), BTreeMap::new());
        let mut own = Self { name: name.to_owned(), number, workspace, mapping, counts, verdicts };
        unused.into_iter().for_each(|(column, code)| own.note(false, code, Some(&column), 0));
        own
    }

    /// The row that says what a row of the source said last.
    pub(crate) fn key(&self, hash: &[u8; HASH_BYTES]) -> tessera_store::Key {
        Scope::new(self.workspace).source_row(self.number, hash)
    }

    /// What the lane is asked for a row; nothing where it is refused, which is counted.
    pub(crate) fn item(&mut self, configured: &Configured, row: Row, mapped: &Mapped) -> Option<Item> {
        let mut left_out = Vec::new();
        let fact = self.mapping.fact(row, &mut left_out);
        let left_out: Vec<(String, &str)> =
            left_out.into_iter().map(|(column, code)| (column.to_owned(), code)).collect();
        for (column, code) in left_out {
            self.note(false, code, Some(&column), 1);
        }
        let admitted = fact.map_err(str::to_owned).and_then(|mut fact| {
            let admission = Admission::of(&mut fact, Vec::new(), &configured.stored);
            admission.map(|own| (fact, own)).map_err(|rejection| rejection.code.to_owned())
        });
        match admitted {
            Ok((fact, admission)) => {
                let row = self.key(&mapped.key);
                let recording = Recording { fact: Box::new(fact), admission, row, hash: mapped.hash };
                Some(Item::Record(Box::new(recording)))
            }
            Err(code) => {
                self.refuse(&code);
                None
            }
        }
    }

    /// What the lane is asked to take back what rows of before said; those that said nothing are left out.
    ///
    /// # Errors
    /// What the store answers; `Corrupt`.
    pub(crate) async fn evictions(&self, store: &dyn Store, gone: &[[u8; HASH_BYTES]]) -> Result<Vec<Item>, Error> {
        let keys: Vec<_> = gone.iter().map(|hash| self.key(hash)).collect();
        let found = store.get(&keys).await.map_err(|error| read_failed(&error))?;
        let mut items = Vec::with_capacity(keys.len());
        for (key, row) in keys.into_iter().zip(found.value) {
            let Some(row) = row else { continue };
            let RowSaid { node, event, .. } = decode_row(&row.value)?;
            let dataset: Arc<str> = self.name.as_str().into();
            items.push(match event {
                Some(id) => Item::deleting(EventForgetting(FactKey { dataset, id }), key),
                None => Item::deleting(Forgetting { node, dataset }, key),
            });
        }
        Ok(items)
    }

    /// Has the lane do it, and counts what it came to.
    ///
    /// # Errors
    /// As the lane answers.
    pub(crate) async fn submit(&mut self, service: &Service, items: Vec<Item>) -> Result<(), Error> {
        if items.is_empty() {
            return Ok(());
        }
        let facts: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::Record(recording) => Some(&*recording.fact),
                _ => None,
            })
            .collect();
        let running = service.running(self.workspace);
        let model = running.shared.configured().await?.stored.model().model.clone();
        running.shared.learned.see(facts.into_iter(), &model, service.now());
        let origin = Origin { door: "source", key: KeyId::from_bytes([0; 12]), class: Class::Private, again: None };
        let work = Work::Items { items, origin, once: None };
        let done = running.lane.submit_own(work).await?.into_items()?.now()?;
        done.into_iter().for_each(|done| self.count(done));
        Ok(())
    }

    fn count(&mut self, done: Done) {
        match done {
            Done::Fact(Verdict::Accepted { notes }) => {
                self.counts.changed += 1;
                for note in notes {
                    let (code, about) = told(&note);
                    self.note(false, code, about, 1);
                }
            }
            Done::Forgotten | Done::NotFound => self.counts.evicted += 1,
            Done::Failed(error) => self.refuse(error.code),
            Done::Fact(Verdict::Rejected(rejection)) => self.refuse(rejection.code),
            // Somebody else has sent a record of attributes under the id of an event.
            Done::Fact(Verdict::Duplicate | Verdict::Differs) => self.refuse("fact_duplicate"),
            _ => self.refuse("internal"),
        }
    }

    /// A row is refused.
    pub(crate) fn refuse(&mut self, code: &str) {
        self.counts.refused += 1;
        self.note(true, code, None, 1);
    }

    fn note(&mut self, is_refusal: bool, code: &str, column: Option<&str>, rows: u64) {
        let key = (is_refusal, code.to_owned(), column.map(str::to_owned));
        if self.verdicts.len() < VERDICTS_MAX || self.verdicts.contains_key(&key) {
            *self.verdicts.entry(key).or_default() += rows;
        }
    }

    /// What was said of rows.
    pub(crate) fn verdicts(&self) -> Vec<RunVerdict> {
        let verdict = |((is_refusal, code, column), rows): (&(bool, String, Option<String>), &u64)| RunVerdict {
            code: code.clone(),
            column: column.clone(),
            is_refusal: *is_refusal,
            rows: *rows,
        };
        self.verdicts.iter().map(verdict).collect()
    }
}

/// The code of a note, and what it is about.
fn told(note: &Note) -> (&'static str, Option<&str>) {
    match note {
        Note::IdentityIgnored { namespace, code } | Note::IdentityRespelled { namespace, code } => {
            (code, Some(namespace))
        }
        Note::ValueLeftOut { path, code, .. }
        | Note::ValueReplaced { path, code, .. }
        | Note::AttributeRefused { path, code, .. }
        | Note::Misfit { path, code, .. } => (code, Some(path)),
        Note::IdentityUnverified { code } => (code, None),
        Note::LinkHeld { rule, .. } => ("link_held", Some(rule)),
    }
}
