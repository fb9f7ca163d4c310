//! What may wait in the lanes, of one workspace and of all: so many submissions, and so many bytes.
//!
//! A submission is counted from when it is submitted until it is answered, with what it takes in memory once it is read. The bytes that it
//! came in are counted by the door. What is over the bound is refused at once and nothing of it has happened. Whoever would be alone is
//! let in however large, so nobody is refused for ever. Work of the service itself waits its turn instead: it is a few submissions at a time.

use std::mem::size_of;
use std::sync::{Arc, Mutex, PoisonError};

use tessera_engine::fact::Fact;
use tessera_engine::heap::Heap as _;

use super::work::{Along, Item, Ready, Recording, Work, Writing};
use crate::base::error::{Error, ErrorKind};
use crate::base::names;

/// Submissions of one workspace that are not answered.
const PLACES_OF_ONE: usize = 4_096;
/// Submissions of all workspaces that are not answered.
const PLACES: usize = 16_384;
/// Seconds after which one that was refused may be sent again.
const RETRY_SECS: u32 = 1;

/// What may wait in all lanes.
pub(crate) struct Queues {
    all: Room,
    bytes_of_one: usize,
}

impl Queues {
    /// So many bytes in all, and half of them for one workspace.
    pub(crate) fn new(bytes: u64) -> Arc<Self> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Arc::new(Self { all: Room::new(PLACES, bytes), bytes_of_one: bytes / 2 })
    }

    /// Of one workspace.
    pub(super) fn queue(self: &Arc<Self>) -> Arc<Queue> {
        Arc::new(Queue { all: Arc::clone(self), own: Room::new(PLACES_OF_ONE, self.bytes_of_one) })
    }
}

/// What may wait in one lane.
pub(super) struct Queue {
    all: Arc<Queues>,
    own: Room,
}

impl Queue {
    /// A place for this work.
    ///
    /// # Errors
    /// `Throttled` with `queue_full` where the workspace has its share, `Unavailable` with `queues_full` where the process has all.
    pub(super) fn enter(self: &Arc<Self>, work: &Work) -> Result<Place, Error> {
        let bytes = size_of_work(work);
        if !self.own.take(bytes) {
            return Err(full(ErrorKind::Throttled, "queue_full", "the workspace has", &self.own));
        }
        if !self.all.all.take(bytes) {
            self.own.give_back(bytes);
            return Err(full(ErrorKind::Unavailable, "queues_full", "the server has", &self.all.all));
        }
        metrics::gauge!(names::MEMORY_BYTES, "part" => "queues").increment(as_f64(bytes));
        Ok(Place { queue: Arc::clone(self), bytes })
    }
}

/// What one submission takes. Dropped, it gives it back.
pub(super) struct Place {
    queue: Arc<Queue>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.own.give_back(self.bytes);
        self.queue.all.all.give_back(self.bytes);
        metrics::gauge!(names::MEMORY_BYTES, "part" => "queues").decrement(as_f64(self.bytes));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge needs no more precision than a double has")]
const fn as_f64(bytes: usize) -> f64 {
    bytes as f64
}

fn full(kind: ErrorKind, code: &'static str, who: &str, room: &Room) -> Error {
    metrics::counter!(names::QUEUE_REFUSED, "code" => code).increment(1);
    let message = format!(
        "{who} as many writes waiting as may be, {} or {} bytes; nothing happened, send it again",
        room.places_max, room.bytes_max
    );
    Error { retry_after_secs: Some(RETRY_SECS), ..Error::new(kind, code, message) }
}

/// Places and bytes that are held, and how many may be.
struct Room {
    held: Mutex<Held>,
    places_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Held {
    places: usize,
    bytes: usize,
}

impl Room {
    fn new(places_max: usize, bytes_max: usize) -> Self {
        Self { held: Mutex::default(), places_max, bytes_max }
    }

    fn take(&self, bytes: usize) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = held.places < self.places_max && held.bytes.saturating_add(bytes) <= self.bytes_max;
        if !fits && held.places > 0 {
            return false;
        }
        *held = Held { places: held.places + 1, bytes: held.bytes + bytes };
        true
    }

    fn give_back(&self, bytes: usize) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Held { places: held.places - 1, bytes: held.bytes - bytes };
    }
}

/// Bytes of a submission around its items.
const BYTES_AROUND: usize = 512;
/// Bytes of an identity around its value.
const IDENTITY_BYTES: usize = 64;

/// What some work takes in memory while it waits, but for the bytes that it came in.
fn size_of_work(work: &Work) -> usize {
    match work {
        Work::Items { items, .. } => items.iter().map(size_of_item).fold(BYTES_AROUND, usize::saturating_add),
        Work::Configure(_) | Work::Preview(_) | Work::Purge | Work::LetIn(_) => BYTES_AROUND,
        Work::ShutOut(identities) => {
            identities.iter().map(|own| IDENTITY_BYTES + own.value.len()).fold(BYTES_AROUND, usize::saturating_add)
        }
    }
}

fn size_of_item(item: &Item) -> usize {
    let own = size_of::<Item>();
    match item {
        Item::Fact { fact, admission, .. } => {
            own + size_of::<Fact>() + fact.heap_bytes() + admission.notes.len() * BYTES_OF_NOTE
        }
        Item::Refused { rejection, .. } => own + rejection.message.len(),
        Item::Document(writing) => {
            own + size_of::<Writing>()
                + size_of::<Fact>()
                + writing.write.heap_bytes()
                + writing.admission.notes.len() * BYTES_OF_NOTE
        }
        Item::Command(ready) => {
            let along = if matches!(ready.along, Along::Nothing) { 0 } else { BYTES_AROUND };
            own + size_of::<Ready>() + along
        }
        Item::Record(recording) => {
            own + size_of::<Recording>() + size_of::<Fact>() + recording.fact.heap_bytes() + BYTES_AROUND
        }
    }
}

/// A note with its path and message, about.
const BYTES_OF_NOTE: usize = 200;

#[cfg(test)]
mod tests;
