//! Where an event stands among the events of a profile.

use crate::id::EventId;
use crate::time::Timestamp;

/// When an event happened, and which one it is: the order of the events of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// When it happened.
    pub time: Timestamp,
    /// Which one it is.
    pub id: EventId,
}

impl Moment {
    pub(crate) const SIZE_BYTES: usize = 22;
}
