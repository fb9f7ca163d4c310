//! What was seen of attributes and events where nothing is refused, so that a model can be made of it.
//!
//! It is advice. What comes in is counted when it is let in, before it is known to be new: duplicates count, and so does what is
//! refused for another reason later. Properties are looked at in the first [`LOOKED_AT_FIRST`] events of a name and in one of
//! [`LOOKED_AT_EVERY`] after that. It is written each minute and at a stop: a kill loses what was seen since. At most [`ENTRIES_MAX`]
//! things are known; what comes beyond is not, and that it did is told. A new process reads the rows before it writes its first:
//! what it saw until then has only the room that they leave.
//!
//! In memory it costs a few look-ups for each fact, under one lock for each call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use tessera_engine::fact::{Call, Fact};
use tessera_engine::model::{DataModel, Kind, Mode};
use tessera_engine::time::Timestamp;
use tessera_engine::value::{Path, Value};
use tessera_store::{Commit, Direction, ScanLimit, Store};

use crate::base::error::Error;
use crate::base::store_error::{commit_failed, read_failed};
use crate::config::admission::properties;
use crate::stored::keys::{Family, Scope};
use crate::stored::row::rows_at_once;

pub(crate) mod records;

/// Attributes, event types and properties that are known of one workspace.
pub const ENTRIES_MAX: usize = 5_000;
/// Datasets that are named for one of them.
pub const DATASETS_MAX: usize = 20;
/// Events of a name whose properties are looked at from the first on.
pub const LOOKED_AT_FIRST: u64 = 64;
/// Of so many later ones, one is looked at: reading properties costs a hundred times what the rest does.
pub const LOOKED_AT_EVERY: u64 = 256;
/// Rows of one commit.
const ROWS_AT_ONCE: usize = 500;

/// What one thing is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An attribute, by its path.
    Attribute(Arc<str>),
    /// Events of a name.
    Event(Arc<str>),
    /// A property of events of a name, by its path.
    Property(Arc<str>, Arc<str>),
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The kinds of its values, each once; none for events.
    pub kinds: Vec<Kind>,
    /// The datasets it came in, at most [`DATASETS_MAX`].
    pub datasets: Vec<Arc<str>>,
    /// Whether it came in others too.
    pub more_datasets: bool,
    /// How often; of a property, in how many of the events that were looked at.
    pub count: u64,
    /// When it was first received.
    pub first: Timestamp,
    /// When it was last received.
    pub last: Timestamp,
}

/// Everything that was seen, by subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Each thing.
    pub seen: BTreeMap<Subject, Seen>,
    /// Whether more was seen than is known.
    pub overflowed: bool,
}

/// What is known of one workspace.
#[derive(Default)]
pub(crate) struct Learned {
    known: Mutex<Known>,
    is_loaded: AtomicBool,
    /// Held while rows are read or written.
    rows: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    attributes: HashMap<Arc<str>, Entry>,
    events: HashMap<Arc<str>, EventEntry>,
    entries: usize,
    overflowed: bool,
    /// The number of the next entry that gets a row.
    next: u32,
    is_dirty: bool,
}

struct EventEntry {
    own: Entry,
    properties: HashMap<Arc<str>, Entry>,
}

#[derive(Clone)]
struct Entry {
    /// The number of its row, once it has one.
    number: Option<u32>,
    seen: Seen,
    is_dirty: bool,
}

impl Learned {
    /// Takes note of facts that were let in, of which some may come from strict datasets: these are passed over.
    pub(crate) fn see<'a>(&self, facts: impl Iterator<Item = &'a Fact>, model: &DataModel, now: Timestamp) {
        let mut known = self.lock();
        for fact in facts.filter(|fact| model.mode_of(&fact.dataset) != Mode::Strict) {
            known.see(fact, now);
        }
    }

    /// What was seen.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn summary(&self, store: &dyn Store, scope: Scope) -> Result<Summary, Error> {
        self.load(store, scope).await?;
        let known = self.lock();
        let seen = known.each().map(|(subject, entry)| {
            let mut seen = entry.seen.clone();
            seen.kinds.sort_unstable();
            seen.datasets.sort_unstable();
            (subject, seen)
        });
        let seen = seen.collect();
        Ok(Summary { seen, overflowed: known.overflowed })
    }

    /// Writes what was seen since it was last written.
    ///
    /// # Errors
    /// What the store answers; then it is written the next time.
    pub(crate) async fn write(&self, store: &dyn Store, scope: Scope) -> Result<(), Error> {
        if !self.is_dirty() {
            return Ok(());
        }
        self.load(store, scope).await?;
        let _rows = self.rows.lock().await;
        let dirty = self.lock().take_dirty();
        let at_once = rows_at_once(store, ROWS_AT_ONCE, 2);
        for (at, rows) in dirty.chunks(at_once).enumerate() {
            let mut commit = Commit::new();
            for (number, subject, seen) in rows {
                commit = commit.put(scope.family(Family::Learned).u32(*number).key(), records::encode(subject, seen));
            }
            if let Err(error) = store.commit(commit).await {
                self.lock().mark(dirty[at * at_once..].iter().map(|(_, subject, _)| subject));
                return Err(commit_failed(&error));
            }
        }
        Ok(())
    }

    /// How many things are known.
    pub(crate) fn entries(&self) -> usize {
        self.lock().entries
    }

    /// Whether something was seen that is not written.
    pub(crate) fn is_dirty(&self) -> bool {
        self.lock().is_dirty
    }

    /// Forgets everything, in memory and in the store.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn forget(&self, store: &dyn Store, scope: Scope) -> Result<(), Error> {
        let _rows = self.rows.lock().await;
        *self.lock() = Known::default();
        // Where the deletion breaks off, the rows that are left are read again, so that none is written beside them.
        self.is_loaded.store(false, Ordering::Release);
        let mut range = Some(scope.all_of(Family::Learned));
        while let Some(open) = range {
            let page =
                store.scan(&open, ScanLimit::rows(rows_at_once(store, ROWS_AT_ONCE, 2)), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            let commit = page.rows.iter().fold(Commit::new(), |commit, row| commit.delete(row.key.clone()));
            store.commit(commit).await.map_err(|error| commit_failed(&error))?;
            range = page.next;
        }
        self.is_loaded.store(true, Ordering::Release);
        Ok(())
    }

    /// Forgets the names that are somebody's, in memory and in the store. Answers how many.
    ///
    /// # Errors
    /// What the store answers.
    pub(crate) async fn forget_named(
        &self,
        store: &dyn Store,
        scope: Scope,
        is_named: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<usize, Error> {
        self.load(store, scope).await?;
        let _rows = self.rows.lock().await;
        let (forgotten, numbers) = self.lock().forget_named(is_named);
        for numbers in numbers.chunks(ROWS_AT_ONCE) {
            let key = |number: &u32| scope.family(Family::Learned).u32(*number).key();
            let commit = numbers.iter().fold(Commit::new(), |commit, number| commit.delete(key(number)));
            if let Err(error) = store.commit(commit).await {
                // What is left is read again, and looked at by the next run.
                self.is_loaded.store(false, Ordering::Release);
                return Err(commit_failed(&error));
            }
        }
        Ok(forgotten)
    }

    /// Adds what was written by an earlier process, once.
    async fn load(&self, store: &dyn Store, scope: Scope) -> Result<(), Error> {
        let _rows = self.rows.lock().await;
        if self.is_loaded.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut stored = Vec::new();
        let mut range = Some(scope.all_of(Family::Learned));
        while let Some(open) = range {
            let page = store.scan(&open, ScanLimit::rows(1_000), Direction::Forward).await;
            let page = page.map_err(|error| read_failed(&error))?;
            for row in &page.rows {
                let number =
                    records::read_key(&row.key).ok_or_else(|| crate::base::codec::corrupt("key of what was seen"))?;
                let (subject, seen) = records::decode(&row.value)?;
                stored.push((number, subject, seen));
            }
            range = page.next;
        }
        let mut known = self.lock();
        for (number, subject, seen) in stored {
            known.add(number, subject, seen);
        }
        known.make_room();
        self.is_loaded.store(true, Ordering::Release);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn see(&mut self, fact: &Fact, now: Timestamp) {
        let account = fact.account.iter().flat_map(|account| &account.attributes);
        for (path, value) in account.chain(&fact.attributes) {
            self.attribute(path, value, &fact.dataset, now);
        }
        if let Some(Call { name: Some(name), payload, .. }) = &fact.call {
            self.event(name, payload, &fact.dataset, now);
        }
    }

    fn attribute(&mut self, path: &Path, value: &Value, dataset: &Arc<str>, now: Timestamp) {
        // Null says nothing about what something is. Of an operation the set is known, not its members.
        let (own, kind) = match path.split_member() {
            None if *value == Value::Null => return,
            None => (path.as_str().into(), Kind::of(value)),
            Some((set, _)) => (std::borrow::Cow::Owned(set.as_str().to_owned()), Kind::Set),
        };
        if let Some(entry) = self.attributes.get_mut(&*own) {
            entry.again(Some(kind), dataset, now);
        } else if self.has_room() {
            self.attributes.insert((*own).into(), Entry::new(Some(kind), dataset, now));
        }
        self.is_dirty = true;
    }

    fn event(&mut self, name: &Arc<str>, payload: &[u8], dataset: &Arc<str>, now: Timestamp) {
        if name.len() > DataModel::EVENT_NAME_BYTES_MAX {
            self.overflowed = true;
            return;
        }
        self.is_dirty = true;
        if let Some(event) = self.events.get_mut(name) {
            event.own.again(None, dataset, now);
        } else if self.has_room() {
            let event = EventEntry { own: Entry::new(None, dataset, now), properties: HashMap::new() };
            self.events.insert(name.clone(), event);
        }
        let Some(event) = self.events.get_mut(name) else { return };
        let count = event.own.seen.count;
        if count > LOOKED_AT_FIRST && !count.is_multiple_of(LOOKED_AT_EVERY) {
            return;
        }
        let Ok(Value::Object(members)) = properties(payload) else { return };
        let mut found = Vec::new();
        leaves(None, &members, &mut found);
        for (path, kind) in found {
            if let Some(entry) = event.properties.get_mut(path.as_str()) {
                entry.again(Some(kind), dataset, now);
            } else if self.entries < ENTRIES_MAX {
                self.entries += 1;
                event.properties.insert(path.as_str().into(), Entry::new(Some(kind), dataset, now));
            } else {
                self.overflowed = true;
            }
        }
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.entries < ENTRIES_MAX;
        self.entries += usize::from(has_room);
        self.overflowed |= !has_room;
        has_room
    }

    fn each(&self) -> impl Iterator<Item = (Subject, &Entry)> {
        let attributes = self.attributes.iter().map(|(path, entry)| (Subject::Attribute(path.clone()), entry));
        let events = self.events.iter().flat_map(|(name, event)| {
            let properties = event.properties.iter();
            let properties = properties.map(|(path, entry)| (Subject::Property(name.clone(), path.clone()), entry));
            std::iter::once((Subject::Event(name.clone()), &event.own)).chain(properties)
        });
        attributes.chain(events)
    }

    fn entry(&mut self, subject: &Subject) -> Option<&mut Entry> {
        match subject {
            Subject::Attribute(path) => self.attributes.get_mut(path),
            Subject::Event(name) => self.events.get_mut(name).map(|event| &mut event.own),
            Subject::Property(name, path) => self.events.get_mut(name).and_then(|event| event.properties.get_mut(path)),
        }
    }

    /// Drops the names that are somebody's, and tells the numbers of their rows.
    fn forget_named(&mut self, is_named: &dyn Fn(&str) -> bool) -> (usize, Vec<u32>) {
        let in_path = |path: &str| {
            let names = |path: Path| path.segments().any(|name| is_named(&name));
            is_named(path) || Path::parse(path).is_ok_and(names)
        };
        let (mut forgotten, mut numbers) = (0, Vec::new());
        let mut goes = |is_named: bool, entry: &Entry| {
            forgotten += usize::from(is_named);
            numbers.extend(entry.number.filter(|_| is_named));
            is_named
        };
        self.attributes.retain(|path, entry| !goes(in_path(path), entry));
        self.events.retain(|name, event| {
            let is_gone = is_named(name);
            event.properties.retain(|path, entry| !goes(is_gone || in_path(path), entry));
            !goes(is_gone, &event.own)
        });
        self.entries -= forgotten;
        (forgotten, numbers)
    }

    /// Adds what an earlier process has seen.
    fn add(&mut self, number: u32, subject: Subject, stored: Seen) {
        self.next = self.next.max(number.saturating_add(1));
        if let Some(entry) = self.entry(&subject) {
            entry.number = Some(number);
            entry.seen.add(stored);
            return;
        }
        let entry = Entry { number: Some(number), seen: stored, is_dirty: false };
        self.entries += 1;
        match subject {
            Subject::Attribute(path) => drop(self.attributes.insert(path, entry)),
            Subject::Event(name) => {
                drop(self.events.insert(name, EventEntry { own: entry, properties: HashMap::new() }));
            }
            Subject::Property(name, path) => {
                // The row of an event has a smaller number than those of its properties, unless it is lost.
                let own =
                    || Entry { seen: Seen { kinds: Vec::new(), ..entry.seen.clone() }, number: None, is_dirty: true };
                let event = self.events.entry(name);
                let event = event.or_insert_with(|| EventEntry { own: own(), properties: HashMap::new() });
                event.properties.insert(path, entry);
            }
        }
    }

    /// Lets go of what has no row and no room.
    fn make_room(&mut self) {
        let mut over = self.entries.saturating_sub(ENTRIES_MAX);
        self.overflowed |= over > 0;
        self.entries -= over;
        let mut stays = |entry: &Entry| {
            let goes = over > 0 && entry.number.is_none();
            over -= usize::from(goes);
            !goes
        };
        for event in self.events.values_mut() {
            event.properties.retain(|_, entry| stays(entry));
        }
        self.events.retain(|_, event| !event.properties.is_empty() || stays(&event.own));
        self.attributes.retain(|_, entry| stays(entry));
    }

    /// What has changed since it was last taken, with the numbers of its rows.
    fn take_dirty(&mut self) -> Vec<(u32, Subject, Seen)> {
        self.is_dirty = false;
        let dirty: Vec<Subject> = self.each().filter(|(_, entry)| entry.is_dirty).map(|(subject, _)| subject).collect();
        let mut taken = Vec::with_capacity(dirty.len());
        for subject in dirty {
            let next = self.next;
            let Some(entry) = self.entry(&subject) else { continue };
            entry.is_dirty = false;
            let number = *entry.number.get_or_insert(next);
            let seen = entry.seen.clone();
            self.next = self.next.max(number.saturating_add(1));
            taken.push((number, subject, seen));
        }
        taken
    }

    fn mark<'a>(&mut self, subjects: impl Iterator<Item = &'a Subject>) {
        for subject in subjects {
            if let Some(entry) = self.entry(subject) {
                entry.is_dirty = true;
                self.is_dirty = true;
            }
        }
    }
}

impl Entry {
    fn new(kind: Option<Kind>, dataset: &Arc<str>, now: Timestamp) -> Self {
        let (kinds, datasets) = (kind.into_iter().collect(), vec![dataset.clone()]);
        let seen = Seen { kinds, datasets, more_datasets: false, count: 1, first: now, last: now };
        Self { number: None, seen, is_dirty: true }
    }

    fn again(&mut self, kind: Option<Kind>, dataset: &Arc<str>, now: Timestamp) {
        let seen = &mut self.seen;
        seen.count = seen.count.saturating_add(1);
        seen.last = seen.last.max(now);
        seen.kinds.extend(kind.filter(|kind| !seen.kinds.contains(kind)));
        seen.name(dataset);
        self.is_dirty = true;
    }
}

impl Seen {
    fn name(&mut self, dataset: &Arc<str>) {
        if self.datasets.iter().any(|own| own == dataset) {
            return;
        }
        if self.datasets.len() < DATASETS_MAX {
            self.datasets.push(dataset.clone());
        } else {
            self.more_datasets = true;
        }
    }

    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        (self.first, self.last) = (self.first.min(other.first), self.last.max(other.last));
        self.more_datasets |= other.more_datasets;
        for kind in other.kinds {
            if !self.kinds.contains(&kind) {
                self.kinds.push(kind);
            }
        }
        other.datasets.iter().for_each(|dataset| self.name(dataset));
    }
}

/// The leaves of properties; lists are leaves.
fn leaves(above: Option<&Path>, members: &[(Arc<str>, Value)], found: &mut Vec<(Path, Kind)>) {
    for (name, value) in members {
        // What has no path cannot be registered.
        let Ok(path) = above.map_or_else(|| Path::root(name), |above| above.child(name)) else { continue };
        match value {
            Value::Null => {}
            Value::Object(below) if !below.is_empty() => leaves(Some(&path), below, found),
            leaf => found.push((path, Kind::of(leaf))),
        }
    }
}

#[cfg(test)]
mod tests;
