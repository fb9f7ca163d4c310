//! Items as they are decided: brought into the terms of the configuration, with their times of receipt.

use bytes::Bytes;
use tessera_engine::config::Config;
use tessera_engine::decide::{Command, EventReplacement, Record};
use tessera_engine::document::prepare_document;
use tessera_engine::prepare::{Prepared, Rejection, prepare};
use tessera_engine::rules::RuleWork;
use tessera_engine::time::Timestamp;
use tessera_engine::working::Need;

#[cfg(test)]
use super::guard::test_faults;
use super::guard::{guarded_now, internal};
use super::state::State;
use super::work::{Along, Item, Ready, Recording, Writing};
use tessera_store::Key;

use crate::base::error::Error;
use crate::base::verdict::Note;
use crate::config::admission::Admission;
use crate::config::workspace::StoredConfig;
use crate::write::history::Entry;

/// An item as it is decided.
pub(super) struct Decision {
    pub(super) command: Result<Command, Rejection>,
    /// What the data model says to it.
    pub(super) notes: Vec<Note>,
    pub(super) raw: Bytes,
    /// What its commit changes besides.
    pub(super) along: Along,
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
        let is_refused = self.command.is_err();
        self.command = Err(Rejection::new(error.code, error.message.clone()));
        if is_refused || !self.is_fact {
            self.failed = Some(error);
        }
    }

    /// How much rules may take for it when with so much it does not fit: whoever is to be settled is settled by something at least.
    pub(super) fn less_work_than(&self, rules: RuleWork) -> RuleWork {
        match &self.command {
            Ok(Command::Settle(..)) if rules != RuleWork::LEAST => RuleWork::LEAST,
            _ => RuleWork::NOTHING,
        }
    }

    /// Whether it may change links that do not hold, in any number.
    pub(super) fn is_of_many_links(&self) -> bool {
        matches!(&self.command, Ok(Command::Erase(_) | Command::Sweep(_)))
    }

    /// Whether it takes back what a source said.
    pub(super) fn forgets(&self) -> bool {
        matches!(&self.command, Ok(Command::Forget(_) | Command::ForgetEvent(_)))
    }

    /// The row that goes with it.
    pub(super) fn deleted(&self) -> Option<Key> {
        match &self.along {
            Along::Deleted(row) => Some(row.clone()),
            Along::Nothing | Along::Ended(_) | Along::Said(..) => None,
        }
    }

    /// The entry of the history that it ends.
    pub(super) fn ended(&self) -> Option<Entry> {
        match &self.along {
            Along::Ended(entry) => Some(entry.clone()),
            Along::Nothing | Along::Deleted(_) | Along::Said(..) => None,
        }
    }

    /// Panics if a test wants it to happen there.
    #[cfg(test)]
    pub(super) fn fault_at(&self, place: test_faults::Place) {
        if let Ok(Command::Fact(prepared)) = &self.command {
            test_faults::at(place, &prepared.fact.id);
        }
    }

    /// Prepares a fact anew where the configuration has changed.
    pub(super) fn renew(&mut self, config: &Config, stored: &StoredConfig) {
        if let Ok(Command::Document(write)) = &self.command
            && write.prepared.config_version != config.version()
        {
            let (version, mut write) = (write.prepared.config_version, write.as_ref().clone().into_write());
            let notes = std::mem::take(&mut self.notes);
            let admitted = Admission { config_version: version, notes }.renewed(&mut write.fact, stored);
            self.command = admitted.and_then(|notes| {
                self.notes = notes;
                prepare_document(write, self.at, config).map(|prepared| Command::Document(Box::new(prepared)))
            });
        }
        let Ok(command) = &self.command else { return };
        let Some(said) = command.said().filter(|said| said.config_version != config.version()) else { return };
        let (version, mut fact) = (said.config_version, said.fact.clone());
        let notes = std::mem::take(&mut self.notes);
        let admitted = Admission { config_version: version, notes }.renewed(&mut fact, stored);
        let renewed = admitted.and_then(|notes| {
            self.notes = notes;
            prepare(fact, self.at, config)
        });
        self.command = renewed.map(|prepared| command.saying(prepared).unwrap_or_else(|| command.clone()));
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
                Item::Document(_) | Item::Record(_) | Item::Command(_) => (false, Bytes::new()),
            };
            let (notes, along) = (Vec::new(), Along::Nothing);
            let fault = internal();
            let command = Err(Rejection::new(fault.code, fault.message.clone()));
            let failed = (!is_fact).then_some(fault);
            let mut entry = Decision { command, notes, raw, along, at, reply, failed, is_fact };
            if guarded_now(|| self.prepare_one(item, &mut entry)).is_err() {
                tracing::error!(workspace = self.shared().workspace.number(), "a command failed by a fault");
            }
            entries.push(entry);
        }
        entries
    }

    fn prepare_one(&self, item: Item, entry: &mut Decision) {
        let command = match item {
            Item::Fact { mut fact, admission, .. } => {
                #[cfg(test)]
                test_faults::at(test_faults::Place::Prepare, &fact.id);
                let admitted = admission.renewed(&mut fact, self.stored_config());
                admitted.and_then(|admitted| {
                    entry.notes = admitted;
                    prepare(fact, entry.at, self.config()).map(Command::Fact)
                })
            }
            Item::Document(writing) => {
                let Writing { mut write, admission } = *writing;
                let admitted = admission.renewed(&mut write.fact, self.stored_config());
                let prepared = admitted.and_then(|admitted| {
                    entry.notes = admitted;
                    prepare_document(write, entry.at, self.config())
                });
                prepared.map(|prepared| Command::Document(Box::new(prepared)))
            }
            Item::Record(recording) => {
                let Recording { mut fact, admission, row, hash } = *recording;
                entry.along = Along::Said(row, hash);
                let admitted = admission.renewed(&mut fact, self.stored_config());
                admitted.and_then(|admitted| {
                    entry.notes = admitted;
                    prepare(fact, entry.at, self.config()).map(recorded)
                })
            }
            Item::Refused { rejection, .. } => Err(rejection),
            Item::Command(ready) => {
                let Ready { command, along } = *ready;
                entry.along = along;
                Ok(command)
            }
        };
        (entry.command, entry.failed) = (command, None);
    }
}

/// What becomes of a record of a source.
fn recorded(prepared: Prepared) -> Command {
    let prepared = Box::new(prepared);
    if prepared.fact.call.is_some() { EventReplacement(prepared).into() } else { Record(prepared).into() }
}

pub(super) fn needs_of(entries: &[Decision], needs: impl Fn(&Command) -> Vec<Need>) -> Vec<Need> {
    entries.iter().filter_map(|entry| entry.command.as_ref().ok()).flat_map(needs).collect()
}
