//! Items as they are decided: brought into the terms of the configuration, with their times of receipt.

use bytes::Bytes;
use tessera_engine::config::Config;
use tessera_engine::decide::Prompt;
use tessera_engine::document::prepare_document;
use tessera_engine::prepare::{Prepared, Rejection, prepare};
use tessera_engine::rules::RuleWork;
use tessera_engine::time::Timestamp;
use tessera_engine::working::Need;
use tessera_store::Key;

#[cfg(test)]
use super::guard::test_faults;
use super::guard::{guarded_now, internal};
use super::state::State;
use super::work::{Item, Ordered, Recording, Writing};
use crate::base::error::Error;
use crate::base::verdict::Note;
use crate::config::admission::Admission;
use crate::config::workspace::StoredConfig;
use crate::write::history::Entry;

/// An item as it is decided.
pub(super) struct Decision {
    pub(super) prompt: Result<Prompt, Rejection>,
    /// What the data model says to it.
    pub(super) notes: Vec<Note>,
    pub(super) raw: Bytes,
    /// What a directive ends.
    pub(super) ends: Option<Entry>,
    /// The row of the event that it erases or ends.
    pub(super) event_row: Option<Key>,
    /// The row of the source whose record it is, and what it says, hashed.
    pub(super) source_row: Option<(Key, u64)>,
    pub(super) at: Timestamp,
    pub(super) reply: usize,
    /// Why it is not decided at all.
    pub(super) failed: Option<Error>,
    /// Whether it is kept in the quarantine where it is refused: whoever writes a document is told, and sends it again.
    pub(super) is_fact: bool,
}

impl Decision {
    /// Gives it up. A fact is refused with the reason, and kept in the quarantine so that it can be sent again; where that fails as well, and
    /// for anything else, whoever sent it is told.
    pub(super) fn fail(&mut self, error: Error) {
        let is_refused = self.prompt.is_err();
        self.prompt = Err(Rejection::new(error.code, error.message.clone()));
        if is_refused || !self.is_fact {
            self.failed = Some(error);
        }
    }

    /// How much rules may take for it when with so much it does not fit: whoever is to be settled is settled by something at least.
    pub(super) fn less_work_than(&self, rules: RuleWork) -> RuleWork {
        match &self.prompt {
            Ok(Prompt::Settle(..)) if rules != RuleWork::LEAST => RuleWork::LEAST,
            _ => RuleWork::NOTHING,
        }
    }

    /// Whether it may change links that do not hold, in any number.
    pub(super) fn is_of_many_links(&self) -> bool {
        matches!(&self.prompt, Ok(Prompt::Erase(_) | Prompt::Sweep(_)))
    }

    /// Whether it takes back what a source said.
    pub(super) fn forgets(&self) -> bool {
        matches!(&self.prompt, Ok(Prompt::Forget(_) | Prompt::ForgetEvent(_)))
    }

    /// Panics if a test wants it to happen there.
    #[cfg(test)]
    pub(super) fn fault_at(&self, place: test_faults::Place) {
        if let Ok(Prompt::Fact(prepared)) = &self.prompt {
            test_faults::at(place, &prepared.fact.id);
        }
    }

    /// Prepares a fact anew where the configuration has changed.
    pub(super) fn renew(&mut self, config: &Config, stored: &StoredConfig) {
        if let Ok(Prompt::Document(write)) = &self.prompt
            && write.prepared.config_version != config.version()
        {
            let (version, mut write) = (write.prepared.config_version, write.as_ref().clone().into_write());
            let notes = std::mem::take(&mut self.notes);
            let admitted = Admission { config_version: version, notes }.renewed(&mut write.fact, stored);
            self.prompt = admitted.and_then(|notes| {
                self.notes = notes;
                prepare_document(write, self.at, config).map(|prepared| Prompt::Document(Box::new(prepared)))
            });
        }
        if let Ok(Prompt::Record(prepared) | Prompt::ReplaceEvent(prepared)) = &self.prompt
            && prepared.config_version != config.version()
        {
            let (version, mut fact) = (prepared.config_version, prepared.fact.clone());
            let notes = std::mem::take(&mut self.notes);
            let admitted = Admission { config_version: version, notes }.renewed(&mut fact, stored);
            self.prompt = admitted.and_then(|notes| {
                self.notes = notes;
                prepare(fact, self.at, config).map(recorded)
            });
        }
        if let Ok(Prompt::Fact(prepared)) = &self.prompt
            && prepared.config_version != config.version()
        {
            let mut fact = prepared.fact.clone();
            let notes = std::mem::take(&mut self.notes);
            let admitted = Admission { config_version: prepared.config_version, notes }.renewed(&mut fact, stored);
            self.prompt = admitted.and_then(|notes| {
                self.notes = notes;
                prepare(fact, self.at, config).map(Prompt::Fact)
            });
        }
    }
}

impl State {
    /// Brings items into the terms of the configuration, each with an instant of its own. One that panics fails alone.
    pub(super) fn prepare_all(&self, items: Vec<(Item, usize)>) -> Vec<Decision> {
        let mut at = self.clock();
        let mut entries = Vec::with_capacity(items.len());
        for (item, reply) in items {
            at = self.tick(at);
            let (is_fact, raw) = match &item {
                Item::Fact { raw, .. } | Item::Refused { raw, .. } => (true, raw.clone()),
                Item::Erase(_)
                | Item::EraseEvent(_)
                | Item::Directive(_)
                | Item::Sweep(_)
                | Item::Unlink { .. }
                | Item::Unsay { .. }
                | Item::Settle(..)
                | Item::Document(_)
                | Item::Record(_)
                | Item::Forget(_)
                | Item::ForgetEvent(_)
                | Item::Touch(_)
                | Item::EndEvent(_) => (false, Bytes::new()),
            };
            let (notes, ends, event_row, source_row) = (Vec::new(), None, None, None);
            let fault = internal();
            let prompt = Err(Rejection::new(fault.code, fault.message.clone()));
            let failed = (!is_fact).then_some(fault);
            let mut entry = Decision { prompt, notes, raw, ends, event_row, source_row, at, reply, failed, is_fact };
            if guarded_now(|| self.prepare_one(item, &mut entry)).is_err() {
                tracing::error!(workspace = self.shared().workspace.number(), "a command failed by a fault");
            }
            entries.push(entry);
        }
        entries
    }

    fn prepare_one(&self, item: Item, entry: &mut Decision) {
        let prompt = match item {
            Item::Fact { mut fact, admission, .. } => {
                #[cfg(test)]
                test_faults::at(test_faults::Place::Prepare, &fact.id);
                let admitted = admission.renewed(&mut fact, self.stored_config());
                admitted.and_then(|admitted| {
                    entry.notes = admitted;
                    prepare(fact, entry.at, self.config()).map(Prompt::Fact)
                })
            }
            Item::Document(writing) => {
                let Writing { mut write, admission } = *writing;
                let admitted = admission.renewed(&mut write.fact, self.stored_config());
                let prepared = admitted.and_then(|admitted| {
                    entry.notes = admitted;
                    prepare_document(write, entry.at, self.config())
                });
                prepared.map(|prepared| Prompt::Document(Box::new(prepared)))
            }
            Item::Record(recording) => {
                let Recording { mut fact, admission, row, hash } = *recording;
                entry.source_row = Some((row, hash));
                let admitted = admission.renewed(&mut fact, self.stored_config());
                admitted.and_then(|admitted| {
                    entry.notes = admitted;
                    prepare(fact, entry.at, self.config()).map(recorded)
                })
            }
            Item::ForgetEvent(forgetting) => {
                let (key, row) = *forgetting;
                entry.event_row = Some(row);
                Ok(Prompt::ForgetEvent(key))
            }
            Item::Forget(forgetting) => {
                let (forgetting, row) = *forgetting;
                entry.event_row = Some(row);
                Ok(Prompt::Forget(forgetting))
            }
            Item::Touch(node) => Ok(Prompt::Touch(node)),
            Item::Refused { rejection, .. } => Err(rejection),
            Item::Erase(erasure) => Ok(Prompt::Erase(erasure)),
            Item::Directive(ordered) => {
                let Ordered { id, directive, ends } = *ordered;
                entry.ends = ends;
                Ok(Prompt::Directive(id, directive))
            }
            Item::EraseEvent(event) => {
                let (erasure, row) = *event;
                entry.event_row = Some(row);
                Ok(Prompt::EraseEvent(erasure))
            }
            Item::Sweep(cluster) => Ok(Prompt::Sweep(cluster)),
            Item::Unlink { gone, other } => Ok(Prompt::Unlink { gone, other }),
            Item::Unsay { gone, account } => Ok(Prompt::Unsay { gone, account }),
            Item::Settle(node, settling) => Ok(Prompt::Settle(node, settling)),
            Item::EndEvent(event) => {
                let (ended, row) = *event;
                entry.event_row = Some(row);
                Ok(Prompt::EndEvent(ended))
            }
        };
        (entry.prompt, entry.failed) = (prompt, None);
    }
}

/// What becomes of a record of a source.
fn recorded(prepared: Prepared) -> Prompt {
    let prepared = Box::new(prepared);
    if prepared.fact.call.is_some() { Prompt::ReplaceEvent(prepared) } else { Prompt::Record(prepared) }
}

pub(super) fn needs_of(entries: &[Decision], needs: impl Fn(&Prompt) -> Vec<Need>) -> Vec<Need> {
    entries.iter().filter_map(|entry| entry.prompt.as_ref().ok()).flat_map(needs).collect()
}
