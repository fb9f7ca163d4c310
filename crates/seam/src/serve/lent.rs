//! The body of a request, lent to who answers it: what was left of it is taken care of before the answer is sent.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};

/// Bytes of a refused body that are read, so that the connection can go on; with a longer one it ends.
const REST_BYTES_MAX: u64 = 64 << 10;
/// How long they may take.
const REST_WAIT: Duration = Duration::from_secs(1);

/// A body that can be taken back.
pub(super) struct Lent(Arc<Lender>);

/// Who lent it.
pub(super) struct Lender(Mutex<Body>);

struct Body {
    incoming: Incoming,
    was_asked: bool,
    has_ended: bool,
}

/// Lends a body.
pub(super) fn lend(incoming: Incoming) -> (Arc<Lender>, Lent) {
    let has_ended = incoming.is_end_stream();
    let lender = Arc::new(Lender(Mutex::new(Body { incoming, was_asked: false, has_ended })));
    (Arc::clone(&lender), Lent(lender))
}

impl Lender {
    fn body(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the whole body is read; reads what is left of it where that is little. `waits` says that the client sends it only
    /// when it is asked to: then it is not asked.
    pub(super) async fn read_rest(&self, waits: bool) -> bool {
        {
            let body = self.body();
            if body.has_ended {
                return true;
            }
            let is_long = body.incoming.size_hint().lower() > REST_BYTES_MAX;
            if is_long || waits && !body.was_asked {
                return false;
            }
        }
        let mut read = 0;
        let rest = std::future::poll_fn(|ctx| {
            let mut body = self.body();
            loop {
                match std::task::ready!(body.poll(ctx)) {
                    Some(Ok(frame)) => {
                        read += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
                        if read > REST_BYTES_MAX {
                            return Poll::Ready(false);
                        }
                    }
                    Some(Err(_)) => return Poll::Ready(false),
                    None => return Poll::Ready(true),
                }
            }
        });
        tokio::time::timeout(REST_WAIT, rest).await.unwrap_or(false)
    }
}

impl Body {
    fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.was_asked = true;
        let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(ctx));
        self.has_ended = self.incoming.is_end_stream() || matches!(frame, None | Some(Err(_)));
        Poll::Ready(frame)
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.0.body().poll(ctx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.body().incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body().incoming.size_hint()
    }
}
