//! The streams of a connection: the socket, which a client may not stop by taking nothing, and what stands above TLS and tells
//! what comes and goes.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::pulse::Pulse;

/// Bytes that a client takes at least while it is waited for once: less is as good as nothing.
const TAKEN_BYTES_MIN: usize = 16 << 10;
/// Bytes that are read of what a client goes on sending after its answer, so that it gets to read the answer: a socket that is
/// closed over unread bytes resets the connection.
const LINGER_BYTES_MAX: usize = 16 << 20;
/// How long that may take.
const LINGER: Duration = Duration::from_secs(2);

/// A socket whose writes must make progress: a client that takes nothing of an answer, or next to nothing, is cut off, and its
/// memory with it.
pub(super) struct Stalling<S> {
    stream: S,
    pulse: Arc<Pulse>,
    timeout: Duration,
    /// Armed while a write waits, and while the stream lingers.
    alarm: Pin<Box<Sleep>>,
    /// Bytes that were taken since the alarm was set; none while it is not.
    waiting: Option<usize>,
    /// Bytes that were read since the end was said.
    lingering: Option<usize>,
}

impl<S> Stalling<S> {
    pub(super) fn new(stream: S, pulse: Arc<Pulse>, timeout: Duration) -> Self {
        Self { stream, pulse, timeout, alarm: Box::pin(sleep(timeout)), waiting: None, lingering: None }
    }

    fn set_alarm(&mut self, after: Duration) {
        self.alarm.as_mut().reset(Instant::now() + after);
    }

    /// Passes the outcome of a write on; a wait in which too little was taken for too long becomes an error.
    fn watch(&mut self, ctx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match (&outcome, &mut self.waiting) {
            (Poll::Ready(Ok(more)), Some(taken)) => {
                if Instant::now() >= self.alarm.deadline() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                *taken += more;
                if *taken >= TAKEN_BYTES_MIN {
                    self.waiting = None;
                }
                return outcome;
            }
            (Poll::Ready(_), _) => return outcome,
            (Poll::Pending, Some(_)) => {}
            (Poll::Pending, None) => {
                self.waiting = Some(0);
                self.set_alarm(self.timeout);
            }
        }
        self.alarm.as_mut().poll(ctx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> Stalling<S> {
    /// Reads what the client still sends, within bounds.
    fn linger(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        if self.lingering.is_none() {
            self.set_alarm(LINGER);
        }
        let read = self.lingering.get_or_insert(0);
        let mut scratch = [0; 8 << 10];
        while *read < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(ctx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => *read += buffer.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.alarm.as_mut().poll(ctx),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(ctx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(ctx, bytes);
        self.watch(ctx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(ctx))?;
        // It is called when all has been written.
        self.waiting = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(ctx))?;
        }
        if self.pulse.is_unread() {
            ready!(self.linger(ctx));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(ctx, slices);
        self.watch(ctx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A stream that tells the pulse of its connection what comes and goes.
pub(super) struct Telling<S> {
    stream: S,
    pulse: Arc<Pulse>,
}

impl<S> Telling<S> {
    pub(super) fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Telling<S> {
    fn poll_read(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(ctx, buffer))?;
        self.pulse.heard(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Telling<S> {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.pulse.writes();
        Pin::new(&mut self.stream).poll_write(ctx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(ctx))?;
        self.pulse.wrote_all();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(ctx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pulse.writes();
        Pin::new(&mut self.stream).poll_write_vectored(ctx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
