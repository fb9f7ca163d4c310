//! What a connection is at, as its stream and its requests tell: whether it waits, for what, and since when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes of the head of one request that are looked at; what is longer, the library refuses.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Shared by the stream of a connection, its requests, and who watches over it.
#[derive(Debug)]
pub(super) struct Pulse {
    state: Mutex<State>,
    /// Something is written that the system has not taken yet.
    is_writing: AtomicBool,
    /// The connection ends while the client is still sending: see [`super::stream`].
    is_unread: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// Requests that have no answer yet.
    under_way: usize,
    had_any: bool,
    /// It speaks HTTP/2, where what comes in between requests is no head.
    is_h2: bool,
    /// The head of the next request as far as it has come; whole once its last line is there.
    head: Vec<u8>,
    /// When the present wait began.
    since: Instant,
}

/// For what a connection waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The rest of a head, or the first one.
    Head,
    /// The next request.
    Request,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        let state = State { under_way: 0, had_any: false, is_h2: false, head: Vec::new(), since: Instant::now() };
        Arc::new(Self {
            state: Mutex::new(state),
            is_writing: AtomicBool::new(false),
            is_unread: AtomicBool::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came in.
    pub(super) fn heard(&self, bytes: &[u8]) {
        let mut state = self.state();
        if bytes.is_empty() || state.is_h2 || state.under_way > 0 {
            return;
        }
        if state.head.is_empty() {
            state.since = Instant::now();
        }
        let room = HEAD_BYTES_MAX - state.head.len();
        let taken = &bytes[..bytes.len().min(room)];
        state.head.extend_from_slice(taken);
    }

    /// Bytes go out; with [`Self::wrote_all`] the system has taken all of them.
    pub(super) fn writes(&self) {
        self.is_writing.store(true, Ordering::Relaxed);
    }

    pub(super) fn wrote_all(&self) {
        if self.is_writing.swap(false, Ordering::Relaxed) {
            self.state().since = Instant::now();
        }
    }

    /// A request begins. What its head was as it came, where that was seen from its beginning: of one that came right behind
    /// another it was not.
    pub(super) fn begin(self: &Arc<Self>, is_h2: bool) -> (UnderWay, Vec<u8>) {
        let mut state = self.state();
        state.under_way += 1;
        (state.had_any, state.is_h2) = (true, is_h2);
        let head = std::mem::take(&mut state.head);
        drop(state);
        (UnderWay(Arc::clone(self)), head)
    }

    /// The client is still sending what nobody will read.
    pub(super) fn leave_unread(&self) {
        self.is_unread.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_unread(&self) -> bool {
        self.is_unread.load(Ordering::Relaxed)
    }

    /// Whether it waits for its next request, after others.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.deadline(Duration::ZERO, Duration::ZERO), Some((Waiting::Request, _)))
    }

    /// For what it waits and until when it may; none while a request is under way or an answer is taken.
    pub(super) fn deadline(&self, head: Duration, request: Duration) -> Option<(Waiting, Instant)> {
        let state = self.state();
        if state.under_way > 0 || self.is_writing.load(Ordering::Relaxed) {
            return None;
        }
        Some(if !state.had_any || !state.head.is_empty() {
            (Waiting::Head, state.since + head)
        } else {
            (Waiting::Request, state.since + request)
        })
    }
}

/// A request that has no answer yet. Dropped, it has one.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Pulse>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        state.since = Instant::now();
    }
}
